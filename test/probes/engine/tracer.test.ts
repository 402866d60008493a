/** The tracer of a VM: lives of programs, their times, what they may ask for, and that the guest notices nothing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA, ASK, CONSUMERS, FAULT, STATE } from '../../../probes/arena.ts';
import { UNSIGNED_LONG } from '../../../probes/d/ctype.ts';
import { EnableError } from '../../../probes/engine/programs.ts';
import { listen } from '../../../probes/points.ts';
import { MEMORY_MAP, VM_AREA } from '../../../vmm/cpu/layout.ts';
import type { Expression } from '../../../probes/d/tree.ts';
import { EXIT_REASON as R, NO_EXIT_COSTS } from '../../../vmm/index.ts';
import { action, builtin, clause, compare, integer, long, program, text, trace } from '../d/codegen/nodes.ts';
import { CODE, Guest, type GuestOptions, le } from '../../vmm/guest.ts';
import { AROUND, probe, Traced, type Seen } from './traced.ts';

const test = suite('tracer');

test.after.each(() => {
  listen(null);
});

const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;

function guest(options: GuestOptions): Guest {
  const g = new Guest({ unclaimed: 'float', ...options });
  g.touchAll();
  return g;
}

const names = (seen: readonly Seen[]): string[] => seen.map((s) => s.name);
const marks = (...descriptions: string[]) => descriptions.map((d) => clause(probe(d), [trace(text(d))]));

test('BEGIN comes first, END last and once, and nothing after it', () => {
  const g = guest({ code: 'e6 80 e6 80 0f a2 f4' });
  const t = new Traced(g.vm);
  const p = t.enable(program(marks('END', 'kvm-pio', 'kvm-cpuid', 'BEGIN')));
  assert.is(p.state, STATE.ACTIVE);
  g.run();
  t.tracer.stop(p.running);
  assert.equal(names(p.records()), ['BEGIN', 'kvm-pio', 'kvm-pio', 'kvm-cpuid', 'END']);
  assert.is(p.state, STATE.STOPPED);
  assert.equal(t.stopped, [p.running]);
  t.tracer.stop(p.running);
  t.tracer.ended();
  assert.equal(p.records(), []);
  assert.is(t.stopped.length, 1);
});

test('END fires right after the firing in which exit() was called; other programs go on', () => {
  const g = guest({ code: 'e6 80 0f a2 e6 80 f4' });
  const t = new Traced(g.vm);
  const exits = t.enable(
    program([
      clause(probe('kvm-cpuid'), [trace(text('in')), action('exit', [integer(7)])]),
      clause(probe('kvm-cpuid'), [trace(text('not any more'))]),
      ...marks('END', 'kvm-pio', 'kvm-vexit'),
    ]),
  );
  const stays = t.enable(program(marks('kvm-pio', 'kvm-cpuid')));
  g.run();
  assert.equal(names(exits.records()), ['kvm-vexit', 'kvm-pio', 'kvm-vexit', 'kvm-cpuid', 'END']);
  assert.is(exits.exitStatus, 7);
  assert.is(exits.state, STATE.STOPPED);
  assert.equal(names(stays.records()), ['kvm-pio', 'kvm-cpuid', 'kvm-pio']);
});

test('exit() in BEGIN: no other probe ever fires', () => {
  const g = guest({ code: 'e6 80 f4' });
  const t = new Traced(g.vm);
  const p = t.enable(program([clause(probe('BEGIN'), [action('exit', [integer(0)])]), ...marks('kvm-pio', 'END')]));
  assert.equal([p.state, t.stopped.length], [STATE.STOPPED, 1]);
  g.run();
  assert.equal(names(p.records()), ['BEGIN', 'END']);
});

test('a program comes and goes while the guest runs, and leaves no switch behind', () => {
  const g = guest({ code: 'e6 80 e6 80 e6 80 f4' });
  const t = new Traced(g.vm);
  const first = t.enable(program(marks('kvm-pio')));
  g.run(1);
  assert.equal(names(first.records()), ['kvm-pio']);
  t.tracer.release(first.running);
  g.run(2);
  const second = t.enable(program(marks('kvm-pio')));
  g.run();
  assert.equal(names(second.records()), ['kvm-pio']);
  assert.is(second.running.arena, first.running.arena, 'its memory is used again');
  t.tracer.release(second.running);
  const at = (MEMORY_MAP.VM_BASE + VM_AREA.PROBES) >>> 2;
  assert.ok(g.vm.u32.subarray(at, at + 30).every((word) => word === 0));
});

test('a program whose reader has gone is taken away even when it was made STOPPED from there', () => {
  const g = guest({ code: 'e6 80 e6 80 f4' });
  const t = new Traced(g.vm);
  const p = t.enable(program(marks('kvm-pio')));
  Atomics.store(new Int32Array(g.vm.memory.buffer), (p.running.arena + ARENA.STATE) >>> 2, STATE.STOPPED);
  t.tracer.release(p.running);
  assert.is(g.vm.u32[((MEMORY_MAP.VM_BASE + VM_AREA.PROBES) >>> 2) + 7], 0);
  g.run();
});

test(`there is room for ${CONSUMERS} programs; a further one is refused, and a free place is used`, () => {
  const g = guest({ code: 'e6 80 f4' });
  const t = new Traced(g.vm);
  const all = Array.from({ length: CONSUMERS }, () => t.enable(program(marks('kvm-pio'))));
  assert.throws(
    () => t.enable(program(marks('kvm-pio'))),
    (error: Error) => error instanceof EnableError && /8 programs/.test(error.message),
  );
  t.tracer.release((all[3] as (typeof all)[0]).running);
  all[3] = t.enable(program(marks('kvm-pio')));
  g.run();
  assert.equal(
    all.map((p) => names(p.records())),
    all.map(() => ['kvm-pio']),
  );
});

test('tick and profile come at multiples of their interval from the enabling on', () => {
  const g = guest({ code: `${'90'.repeat(200)} ${mov(1, 1_000_000)} e2 fe f4` });
  const t = new Traced(g.vm);
  g.run(100);
  const p = t.enable(program([...marks('tick-300us', 'profile-4000hz'), clause(probe('tick-1ms'), [action('exit', [integer(0)])])]));
  g.run(3_000_000);
  assert.equal(
    p.records().map((s) => [s.name, s.at]),
    [
      ['profile-4000hz', 250_100],
      ['tick-300us', 300_100],
      ['profile-4000hz', 500_100],
      ['tick-300us', 600_100],
      ['profile-4000hz', 750_100],
      ['tick-300us', 900_100],
      ['profile-4000hz', 1_000_100],
      ['tick-1ms', 1_000_100],
    ],
  );
});

const args = (count: number): Expression[] => Array.from({ length: count }, (_, i) => builtin(`arg${i}`, UNSIGNED_LONG));

test('profile has the program counter of the kernel in arg0 or of user code in arg1, the other is 0', () => {
  for (const cpl of [0, 3] as const) {
    const g = guest({ code: `${mov(1, 1_000_000)} e2 fe f4`, cpl });
    const p = new Traced(g.vm).enable(
      program([
        clause(
          probe('tick-300us'),
          args(5).map((a) => trace(a)),
        ),
      ]),
    );
    g.run(400_000);
    const pc = BigInt(CODE + 5);
    assert.equal(p.records()[0]?.data, cpl === 0 ? [pc, 0n, 0n, 0n, 0n] : [0n, pc, 0n, 0n, 0n]);
  }
});

test('what an exit costs may make profile late, which arg2 tells; none is lost', () => {
  const costs = { ...NO_EXIT_COSTS, reasons: { [R.CPUID]: 1_000_000 } };
  const g = guest({ code: '90 0f a2 90 f4', costs });
  const p = new Traced(g.vm).enable(program([clause(probe('profile-4000'), [trace(builtin('arg2'))])]));
  g.run();
  assert.equal(
    p.records().map((s) => [s.at, ...s.data]),
    [750_002n, 500_002n, 250_002n, 2n].map((late) => [1_000_002, late]),
  );
});

test('on a halted vCPU they fire at their exact times, with its registers', () => {
  const g = guest({ code: `fb ${mov(0, 0x55)} f4 90 f4` });
  g.vm.createIrqchip();
  g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  g.vcpu.setMsr(0x80f, 0x1ffn);
  g.vm.clock.deadline('interrupt', () => void g.vm.signalMsi(0xfee0_0000, 0x40)).arm(1_000_000);
  const rax: Expression = { op: 'register', set: 'uregs', index: integer(14), type: UNSIGNED_LONG, line: 1 };
  const rip: Expression = { op: 'register', set: 'vmregs', index: integer(0x681e), type: UNSIGNED_LONG, line: 1 };
  const p = new Traced(g.vm).enable(program([clause(probe('profile-300us'), [trace(rip), trace(rax)])]));
  g.run(10_000);
  const halted = BigInt(CODE + 7);
  assert.equal(
    p.records().map((s) => [s.at, ...s.data]),
    [300_000, 600_000, 900_000].map((at) => [at, halted, 0x55n]),
  );
});

test('profile fires on every vCPU, tick on the one that runs, all at one time', () => {
  const g = guest({ code: `${mov(1, 1_000_000)} e2 fe f4` });
  g.vm.createVcpu(1);
  const p = new Traced(g.vm).enable(program(marks('profile-4000', 'tick-250us', 'BEGIN')));
  g.run(300_000);
  assert.equal(
    p.records().map((s) => [s.name, s.cpu, s.at]),
    [
      ['BEGIN', 0, 0],
      ['profile-4000', 0, 250_000],
      ['profile-4000', 1, 250_000],
      ['tick-250us', 0, 250_000],
    ],
  );
});

test("a clause that faults is reported, ERROR fires with the fault; BEGIN has no VM's registers", () => {
  const g = guest({ code: 'e6 80 f4' });
  const rip: Expression = { op: 'register', set: 'vmregs', index: integer(0x681e), type: UNSIGNED_LONG, line: 1 };
  const p = new Traced(g.vm).enable(
    program([
      clause(probe('BEGIN'), [trace(rip)]),
      clause(probe('kvm-pio'), [trace(rip)]),
      clause(probe('kvm-pio'), [trace(builtin('arg1'))]),
      clause(probe('ERROR'), [trace(builtin('arg1')), trace(builtin('arg4'))]),
    ]),
  );
  g.run();
  const seen = p.records();
  assert.equal(names(seen), ['fault', 'ERROR', 'kvm-pio', 'kvm-pio']);
  assert.equal(seen[1]?.data, [1n, BigInt(FAULT.ILLOP)]);
  assert.equal(seen[2]?.data, [BigInt(CODE)]);
  assert.equal(seen[3]?.data, [0x80n]);
});

test('stop() lets the VM stand at the next boundary between two instructions', () => {
  const g = guest({ code: `90 0f a2 90 ${mov(1, 1_000_000)} e2 fe f4` });
  const stood: unknown[][] = [];
  const t: Traced = new Traced(g.vm, {
    paused: (running, what) => stood.push([running, what, g.rip - CODE, g.now]),
  });
  const p = t.enable(
    program([
      clause(probe('kvm-cpuid'), [action('stop')]),
      clause(probe('tick-300us'), [action('breakpoint'), action('exit', [integer(0)])]),
    ]),
  );
  g.run(1_000_000);
  assert.equal(stood, [
    [p.running, ASK.PAUSE, 3, 2],
    [p.running, ASK.MONITOR, 9, 300_000],
  ]);
});

test("chill() lets time pass on the VM's clock, and deadlines in it fall at once", () => {
  const g = guest({ code: `90 0f a2 ${'90'.repeat(100)} f4` });
  const fell: number[] = [];
  g.vm.clock.deadline('timer', (now) => fell.push(now, g.rip - CODE)).arm(500_000);
  const chill = action('chill', [long(1_000_000)]);
  const p = new Traced(g.vm).enable(program([clause(probe('kvm-cpuid'), [chill]), ...marks('tick-400us')]));
  g.run(1000);
  assert.equal(fell, [1_000_002, 3]);
  assert.equal(
    p.records().map((s) => s.at),
    [1_000_002, 1_000_002],
  );
});

test('bufpolicy=fill: the program ends when its buffer is full, and END still writes', () => {
  const g = guest({ code: `${mov(1, 1000)} e6 80 e2 fc f4` });
  const t = new Traced(g.vm);
  const p = t.enable(program(marks('kvm-pio', 'END')), { bufpolicy: 'fill', bufsize: 4096, strsize: 40 });
  g.run();
  const seen = names(p.records());
  assert.is(seen.pop(), 'END');
  assert.ok(seen.length > 30 && seen.length < 70, String(seen.length));
  assert.equal([p.state, p.drops(), t.stopped.length], [STATE.STOPPED, 0, 1]);
});

test('bufpolicy=ring keeps the newest', () => {
  const g = guest({ code: `${mov(1, 1000)} e6 80 e2 fc f4` });
  const t = new Traced(g.vm);
  const rcx: Expression = { op: 'register', set: 'uregs', index: integer(13), type: UNSIGNED_LONG, line: 1 };
  const p = t.enable(program([clause(probe('kvm-pio'), [trace(rcx)])]), { bufpolicy: 'ring', bufsize: 4096 });
  g.run();
  const seen = p.records();
  assert.equal(
    seen.map((s) => Number(s.data[0])),
    Array.from({ length: seen.length }, (_, i) => seen.length - i),
  );
  assert.ok(seen.length > 100);
  assert.is(p.drops(), 0);
});

test('a full buffer drops and counts: records and drops are all firings', () => {
  const g = guest({ code: `${mov(1, 5000)} e6 80 e2 fc f4` });
  const t = new Traced(g.vm);
  const p = t.enable(program([clause(probe('kvm-pio'), [trace(builtin('arg1'))], compare('==', builtin('arg1'), long(0x80)))]), {
    bufsize: 4096,
  });
  g.run();
  const kept = p.records().length;
  assert.is(kept, 4096 / 32);
  assert.is(kept + p.drops(), 5000);
});

test('a record larger than the buffer that was asked for is dropped, one of its size fits', () => {
  const t = new Traced(guest({ code: 'f4' }).vm);
  const checked = program([
    clause(probe('BEGIN'), [trace(text('a string takes strsize bytes'))]),
    clause(probe('BEGIN'), [action('exit', [integer(0)])]),
  ]);
  for (const bufpolicy of ['switch', 'ring']) {
    const p = t.enable(checked, { bufsize: 16, bufpolicy });
    assert.equal(
      p.records().map(({ epid }) => epid),
      [2],
    );
    assert.is(p.drops(), 1);
  }
  const waits = t.enable(checked, { bufsize: 16 }, true);
  assert.equal([waits.records().length, waits.drops()], [1, 1], 'nobody waits for what will never fit');
});

test('what does not fit the trace area is made smaller', () => {
  const g = guest({ code: 'f4' });
  const t = new Traced(g.vm);
  const p = t.enable(program(marks('BEGIN')), { bufsize: 256 << 20 });
  assert.equal(p.running.lowered, { bufsize: 128 << 20 });
  assert.throws(() => t.enable(program(marks('BEGIN')), { bufsize: 128 << 20, bufresize: 'manual' }), /Not enough space/);
  assert.is(AROUND.pid, p.word(ARENA.PID));
});

test.run();
