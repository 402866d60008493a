/** Programs without a VM: BEGIN and END, ticks on the host's clock, and no registers of any VM. */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UNSIGNED_LONG } from '../../../probes/d/ctype.ts';
import { ARENA, STATE } from '../../../probes/arena.ts';
import { generate } from '../../../probes/d/codegen/generate.ts';
import type { CheckedProgram } from '../../../probes/d/tree.ts';
import { HostEngine, type HostProgram } from '../../../probes/engine/host-engine.ts';
import { EnableError } from '../../../probes/engine/programs.ts';
import type { EffectiveOptions } from '../../../probes/program.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';
import { action, builtin, call, clause, integer, program, text, trace, variable, does, update, of, compare } from '../d/codegen/nodes.ts';
import { LONG } from '../../../probes/d/ctype.ts';
import { AROUND, probe, recordsOf, type Seen } from './traced.ts';

const test = suite('host engine');

interface Running {
  readonly program: HostProgram;
  readonly ring: RecordRing;
  records(): Seen[];
}

async function enable(engine: HostEngine, checked: CheckedProgram, options: EffectiveOptions = {}): Promise<Running> {
  const compiled = generate(checked, { bufsize: 1 << 16, ...options });
  const started = await engine.enable(compiled, AROUND, true);
  const ring = new RecordRing(started.memory, started.arena);
  const records = (): Seen[] => {
    const seen: Seen[] = [];
    do seen.push(...recordsOf(ring.take(), compiled.descriptor));
    while (ring.release());
    return seen;
  };
  return { program: started, ring, records };
}

const names = (seen: readonly Seen[]): string[] => seen.map(({ name }) => name);

test('BEGIN and END, with exit() or from outside', async () => {
  const engine = new HostEngine();
  const both = [clause(probe('BEGIN'), [trace(text('b'))]), clause(probe('END'), [trace(text('e'))])];
  const stays = await enable(engine, program(both));
  const exits = await enable(engine, program([...both, clause(probe('BEGIN'), [action('exit', [integer(4)])])]));
  assert.equal(names(exits.records()), ['BEGIN', 'BEGIN', 'END']);
  assert.equal([exits.ring.state, exits.ring.exitStatus], [STATE.STOPPED, 4]);
  assert.equal(names(stays.records()), ['BEGIN']);
  let looks = 0;
  stays.program.watch(() => looks++);
  stays.program.stop();
  stays.program.stop();
  assert.equal(names(stays.records()), ['END']);
  assert.is(looks, 1);
  engine.close();
});

test("ticks come by the host's clock, the missed ones too, until exit()", async () => {
  const engine = new HostEngine();
  const n = variable('global', LONG);
  const run = await enable(
    engine,
    program(
      [
        clause(probe('tick-5ms'), [does(update('+', of(n), integer(1, LONG))), trace(of(n))]),
        clause(probe('tick-5ms'), [action('exit', [integer(0)])], compare('==', of(n), integer(6, LONG))),
        clause(probe('END'), [trace(builtin('timestamp', UNSIGNED_LONG))]),
      ],
      [n],
    ),
  );
  const ended = new Promise<void>((resolve) => run.program.watch(resolve));
  const block = performance.now() + 12;
  while (performance.now() < block);
  await ended;
  const seen = run.records();
  assert.equal(names(seen), [...Array.from({ length: 7 }, () => 'tick-5ms'), 'END']);
  assert.equal(
    seen.slice(0, 6).map((s) => Number(s.data[0])),
    [1, 2, 3, 4, 5, 6],
  );
  const times = seen.map((s) => s.at);
  assert.ok((times.at(-1) as number) - (times[0] as number) < 2e9);
  assert.ok(times.every((t, i) => i === 0 || t >= (times[i - 1] as number)));
  assert.ok(Math.abs(Number(process.hrtime.bigint()) - (times.at(-1) as number)) < 2e9);
});

test('what asks for a VM faults, and the rest of the program goes on', async () => {
  const engine = new HostEngine();
  const rip = { op: 'register', set: 'vmregs', index: integer(0x681e), type: UNSIGNED_LONG, line: 1 } as const;
  const run = await enable(
    engine,
    program([
      clause(probe('BEGIN'), [trace(rip)]),
      clause(probe('BEGIN'), [trace(call('copyinstr', [integer(0x1000, LONG)], text('').type))]),
      clause(probe('BEGIN'), [trace(builtin('pid'))]),
      clause(probe('ERROR'), [trace(builtin('arg4', UNSIGNED_LONG))]),
    ]),
  );
  const seen = run.records();
  assert.equal(names(seen), ['fault', 'ERROR', 'fault', 'ERROR', 'BEGIN']);
  assert.equal([seen[1]?.data, seen[3]?.data, seen[4]?.data], [[3n], [1n], [321n]]);
  engine.close();
});

test('nobody waits for a reader in the same thread: what does not fit is counted', async () => {
  const engine = new HostEngine();
  const long = action('printf', [text('x'.repeat(200))], { format: '%s' });
  const run = await enable(
    engine,
    program([clause(probe('BEGIN'), [long])].concat(Array.from({ length: 99 }, () => clause(probe('BEGIN'), [long])))),
    {
      bufsize: 4096,
      onfull: 'wait',
    },
  );
  const kept = run.records().length;
  const dropped = new DataView(run.program.memory).getUint32(run.program.arena + ARENA.DROPS, true);
  assert.is(kept + dropped, 100);
  assert.ok(kept > 10);
  engine.close();
});

test('released memory is used again, and there are at most eight programs', async () => {
  const engine = new HostEngine();
  const tick = program([clause(probe('tick-1s'), [])]);
  const first = await enable(engine, tick);
  first.program.release();
  const all = [];
  for (let i = 0; i < 8; i++) all.push(await enable(engine, tick));
  assert.is(all[0]?.program.arena, first.program.arena);
  let refused: unknown;
  await enable(engine, tick).catch((error) => {
    refused = error;
  });
  assert.instance(refused, EnableError);
  engine.close();
  await sleep(1);
});

test.run();
