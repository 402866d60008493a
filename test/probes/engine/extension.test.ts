/** The tracer as an extension of the VM's thread: what it is told, what it tells, and when. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ASK, CONSUMERS, STATE } from '../../../probes/arena.ts';
import { generate } from '../../../probes/d/codegen/generate.ts';
import type { CheckedProgram } from '../../../probes/d/tree.ts';
import { extend } from '../../../probes/engine/extension.ts';
import type { FromThread, ToThread } from '../../../probes/engine/thread-messages.ts';
import { listen } from '../../../probes/points.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';
import type { RunOptions } from '../../../vmm/worker-messages.ts';
import { action, clause, integer, program, text, trace } from '../d/codegen/nodes.ts';
import { CODE, Guest } from '../../vmm/guest.ts';
import { AROUND, probe } from './traced.ts';

const test = suite('extension');

test.after.each(() => {
  listen(null);
});

/** A VM's thread: what is sent while it waits, one message for each wait. */
function thread(code: string) {
  const g = new Guest({ code, unclaimed: 'float' });
  g.touchAll();
  const told: FromThread[] = [];
  const waiting: (ToThread | 'end')[] = [];
  const extension = extend({
    vm: g.vm,
    options: {} as RunOptions,
    buttons: { power: () => false, reset: () => false },
    post: (message) => told.push(message as FromThread),
    wait: () => {
      const next = waiting.shift();
      if (next === undefined || next === 'end') return false;
      extension.receive(next);
      return true;
    },
  });
  const tell = (message: ToThread): void => extension.receive(message);
  const enable = (id: number, checked: CheckedProgram): void =>
    tell({ kind: 'enable', id, program: generate(checked, { bufsize: 1 << 16 }), around: AROUND, wait: false });
  return { g, told, waiting, extension, tell, enable };
}

const marks = (...names: string[]) => names.map((name) => clause(probe(name), [trace(text(name))]));

test('a program is told of before BEGIN fires, and when it has stopped', () => {
  const t = thread('e6 80 f4');
  let head = -1;
  const { told } = t;
  const posted = told.push.bind(told);
  told.push = (message) => {
    if (message.kind === 'enabled') head = new RecordRing(t.g.vm.memory.buffer, message.arena).waiting;
    return posted(message);
  };
  t.enable(5, program(marks('BEGIN', 'kvm-pio', 'END')));
  assert.is(head, 0);
  assert.equal(
    told.map(({ kind }) => kind),
    ['enabled'],
  );
  t.g.run();
  t.tell({ kind: 'stop', id: 5 });
  assert.equal(told.slice(1), [{ kind: 'stopped', id: 5 }]);
  const arena = (told[0] as Extract<FromThread, { kind: 'enabled' }>).arena;
  assert.is(new RecordRing(t.g.vm.memory.buffer, arena).state, STATE.STOPPED);
  // It comes again when it has been released; the number of another does nothing.
  t.tell({ kind: 'release', id: 5 });
  t.tell({ kind: 'release', id: 5 });
  t.tell({ kind: 'stop', id: 9 });
  t.enable(6, program(marks('BEGIN')));
  assert.is((told[2] as Extract<FromThread, { kind: 'enabled' }>).arena, arena);
});

test('exit() in BEGIN: enabled, then stopped', () => {
  const t = thread('f4');
  t.enable(1, program([clause(probe('BEGIN'), [action('exit', [integer(0)])])]));
  assert.equal(
    t.told.map(({ kind }) => kind),
    ['enabled', 'stopped'],
  );
});

test('a program for which there is no room is refused with the reason', () => {
  const t = thread('f4');
  for (let id = 0; id <= CONSUMERS; id++) t.enable(id, program(marks('BEGIN')));
  const last = t.told.at(-1);
  assert.ok(last?.kind === 'refused' && last.id === CONSUMERS && /no room/.test(last.reason));
});

test('a program that does not load is refused, and the VM goes on', () => {
  const t = thread('e6 80 f4');
  const whole = generate(program(marks('kvm-pio')), { bufsize: 1 << 16 });
  t.tell({ kind: 'enable', id: 1, program: { ...whole, code: whole.code.slice(0, 40) }, around: AROUND, wait: false });
  const [told] = t.told;
  assert.ok(told?.kind === 'refused' && /CompileError/.test(told.reason));
  t.enable(2, program(marks('kvm-pio')));
  t.g.run();
  const [, enabled] = t.told;
  assert.ok(enabled?.kind === 'enabled');
  assert.ok(new RecordRing(t.g.vm.memory.buffer, enabled.arena).waiting > 0);
});

test('at the end of the run END fires in all that are left', () => {
  const t = thread('f4');
  t.enable(1, program(marks('END')));
  t.enable(2, program(marks('END')));
  t.g.run();
  t.extension.ended();
  assert.equal(t.told.slice(2), [
    { kind: 'stopped', id: 1 },
    { kind: 'stopped', id: 2 },
  ]);
});

test('paused, it takes messages and lets nothing else happen until it is resumed', () => {
  const t = thread('f4');
  t.waiting.push({ kind: 'pause' }, { kind: 'stop', id: 3 }, { kind: 'resume' }, { kind: 'pause' });
  t.enable(3, program(marks('END')));
  t.tell({ kind: 'pause' });
  assert.equal(t.told.slice(1), [{ kind: 'paused', what: 0, state: '' }, { kind: 'stopped', id: 3 }, { kind: 'resumed' }]);
  assert.is(t.waiting.length, 1);
  // A run that is to end goes on by itself.
  t.told.length = 0;
  t.waiting[0] = 'end';
  t.tell({ kind: 'pause' });
  assert.equal(
    t.told.map(({ kind }) => kind),
    ['paused', 'resumed'],
  );
  t.tell({ kind: 'resume' });
});

test('stop() and breakpoint() pause after the instruction; the second shows where', () => {
  const t = thread('90 0f a2 90 e6 80 90 f4');
  t.enable(0, program([clause(probe('kvm-cpuid'), [action('stop')]), clause(probe('kvm-pio'), [action('breakpoint')])]));
  t.waiting.push({ kind: 'resume' }, { kind: 'resume' });
  t.g.run();
  const pauses = t.told.filter((message) => message.kind === 'paused');
  assert.equal(
    pauses.map(({ id, what }) => [id, what]),
    [
      [0, ASK.PAUSE],
      [0, ASK.MONITOR],
    ],
  );
  assert.match(pauses[1]?.state ?? '', new RegExp(`rip 0+${(CODE + 6).toString(16)}.*-> .* 90 +nop`, 's'));
  assert.is(t.g.rip, CODE + 8);
});

test.run();
