/** Records: the ring when it is full, under each policy; speculations; exit(). */
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA, DROPS, FAULT, SPECIAL, STATE } from '../../../probes/arena.ts';
import { LONG, STRING } from '../../../probes/d/ctype.ts';
import { Bench, Run } from '../d/codegen/firing.ts';
import {
  BEGIN,
  END,
  action,
  assign,
  builtin,
  call,
  clause,
  compare,
  does,
  integer,
  long,
  of,
  point,
  program,
  text,
  trace,
  variable,
} from '../d/codegen/nodes.ts';

const test = suite('runtime: records');
const bench = new Bench();
const PIO = point('kvm-pio');
const CR = point('kvm-cr');
const PRINCIPAL = DROPS.indexOf('PRINCIPAL');

const arg0 = builtin('arg0');
const numbered = program([clause(PIO, [trace(arg0)]), clause(END, [trace(long(-1))])]);

function fire(from: number, to: number): void {
  for (let i = from; i < to; i++) bench.fire('KVM_PIO', [BigInt(i)]);
}
const first = (run: Run): number[] => run.rows().map(([n]) => Number(BigInt.asIntN(64, n as bigint)));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('switch: what does not fit is dropped and counted; the order is kept over the end of the ring', () => {
  const run = new Run(bench, numbered, { bufsize: 4096 });
  let next = 0;
  for (let round = 0; round < 50; round++) {
    const kept = first(run);
    assert.equal(kept, range(next - kept.length, next));
    const from = next;
    next += 3 + (round % 90);
    fire(from, next);
  }
  assert.is(run.drops(PRINCIPAL), 0);
  first(run);
  fire(0, 1000);
  const kept = first(run);
  assert.equal(kept, range(0, kept.length));
  assert.is(kept.length + run.drops(PRINCIPAL), 1000);
  assert.ok(kept.length > 100);
  run.close();
});

test('ring: the newest records stay', () => {
  const run = new Run(bench, numbered, { bufsize: 4096, bufpolicy: 'ring' });
  fire(0, 10_000);
  run.stop();
  const kept = first(run);
  assert.is(kept.at(-1), -1);
  assert.equal(kept.slice(0, -1), range(10_000 - kept.length + 1, 10_000));
  assert.ok(kept.length > 100);
  assert.is(run.drops(PRINCIPAL), 0);
  run.close();
});

test('fill: the oldest records stay, tracing ends, END has room', () => {
  const run = new Run(bench, numbered, { bufsize: 4096, bufpolicy: 'fill' });
  fire(0, 10_000);
  assert.is(run.state, STATE.STOPPED);
  const kept = first(run);
  assert.is(kept.at(-1), -1);
  assert.equal(kept.slice(0, -1), range(0, kept.length - 1));
  run.close();
});

/** A reader on another thread that takes all there is, `rounds` times, then ends the program. */
const READER = `
const { workerData: { buffer, arena, head, tail, state, stopped, waiting, rounds }, parentPort } = require('node:worker_threads');
const words = new Int32Array(buffer);
const at = (field) => (arena + field) >> 2;
parentPort.postMessage('ready');
for (let i = 0; i < rounds; i++) {
  while (Atomics.load(words, at(head)) === Atomics.load(words, at(tail))) Atomics.wait(words, at(waiting), 0, 1);
  Atomics.store(words, at(tail), Atomics.load(words, at(head)));
  Atomics.notify(words, at(tail));
}
Atomics.store(words, at(state), stopped);
`;

async function withReader(run: Run, rounds: number, work: () => void): Promise<void> {
  const { HEAD: head, TAIL: tail, STATE: state, WAITING: waiting } = ARENA;
  const worker = new Worker(READER, {
    eval: true,
    workerData: { buffer: bench.memory.buffer, arena: run.running.arena, head, tail, state, stopped: STATE.STOPPED, waiting, rounds },
  });
  await new Promise((resolve) => worker.once('message', resolve));
  work();
  await worker.terminate();
}

test('wait: the writer waits for its reader and loses nothing', async () => {
  const run = new Run(bench, numbered, { bufsize: 4096 }, { wait: true });
  await withReader(run, 1_000_000, () => fire(0, 20_000));
  assert.is(run.drops(PRINCIPAL), 0);
  const rest = first(run);
  assert.equal(rest, range(20_000 - rest.length, 20_000));
  run.close();
});

test('wait: a reader that ends the program holds nobody up', async () => {
  const run = new Run(bench, numbered, { bufsize: 4096 }, { wait: true });
  await withReader(run, 1, () => fire(0, 20_000));
  assert.is(run.state, STATE.STOPPED);
  run.close();
});

test('an aggregation of zero keys and a clause without statements leave what they should', () => {
  const run = new Run(
    bench,
    program([clause(PIO, [action('default')]), clause(PIO, [does(arg0)]), clause(PIO, [trace(arg0)], compare('==', arg0, long(2)))]),
  );
  fire(1, 3);
  assert.equal(
    run.records().map(({ epid }) => epid),
    [1, 1, 3],
  );
  run.close();
});

test('speculations are kept, committed in order and discarded; what is full is counted', () => {
  const id = variable('global', LONG);
  const committed = program(
    [
      clause(BEGIN, [does(assign(of(id), call('speculation', [])))]),
      clause(PIO, [action('speculate', [of(id)]), trace(arg0)]),
      clause(CR, [action('commit', [of(id)])], compare('==', arg0, long(1))),
      clause(CR, [action('discard', [of(id)])], compare('==', arg0, long(2))),
      clause(CR, [does(assign(of(id), call('speculation', []))), trace(of(id))], compare('==', arg0, long(3))),
      clause(CR, [action('commit', [long(77)])], compare('==', arg0, long(4))),
    ],
    [id],
  );
  const run = new Run(bench, committed, { nspec: 1, specsize: 1024 });
  fire(0, 5);
  assert.equal(run.rows(), []);
  bench.setClock(500n);
  bench.fire('KVM_CR', [1n]);
  const records = run.records();
  assert.equal(
    records.map((r) => [run.data(r)[0], r.flags, r.time]),
    range(0, 5).map((n) => [BigInt(n), 1, 500n]),
  );
  // Committed: it is no longer one.
  fire(5, 7);
  bench.fire('KVM_CR', [1n]);
  assert.equal(run.rows(), []);
  bench.fire('KVM_CR', [3n]);
  assert.equal(run.rows(), [[1n]]);
  fire(7, 9);
  bench.fire('KVM_CR', [3n]);
  assert.equal(run.rows(), [[0n]]);
  assert.is(run.drops(DROPS.indexOf('SPECUNAVAIL')), 1);
  bench.fire('KVM_CR', [4n]);
  assert.is(run.faults()[0]?.fault, FAULT.ILLOP);
  bench.setClock(0n);
  run.close();

  const full = new Run(bench, committed, { nspec: 1, specsize: 1024 });
  fire(0, 100);
  bench.fire('KVM_CR', [1n]);
  const kept = first(full);
  assert.equal(kept, range(0, kept.length));
  assert.is(kept.length + full.drops(DROPS.indexOf('SPEC')), 100);
  full.close();
});

test('exit(): the clause ends with its record, those after it do not run, END does', () => {
  const run = new Run(
    bench,
    program([
      clause(PIO, [trace(long(1)), action('exit', [integer(7)]), trace(long(2))]),
      clause(PIO, [trace(long(3))]),
      clause(END, [trace(long(4))]),
    ]),
  );
  fire(0, 3);
  assert.is(run.state, STATE.STOPPED);
  assert.is(run.exitStatus, 7);
  assert.equal(run.rows(), [[1n, 7n, 2n], [4n]]);
  run.close();
});

test('several programs have their own records, variables and drops', () => {
  const n = variable('global', LONG);
  const counting = program(
    [clause(PIO, [does({ op: 'update', operator: '+', target: of(n), value: arg0, result: 'new', type: LONG, line: 1 }), trace(of(n))])],
    [n],
  );
  const runs = range(0, 8).map(() => new Run(bench, counting));
  fire(1, 4);
  for (const run of runs) assert.equal(first(run), [1, 3, 6]);
  runs[3]?.close();
  fire(4, 5);
  runs.forEach((run, i) => {
    if (i !== 3) assert.equal(first(run), [10]);
  });
  for (const [i, run] of runs.entries()) if (i !== 3) run.close();
});

test('records tell the time, the vCPU and the probe', () => {
  const run = new Run(
    bench,
    program([clause([PIO, CR], [trace(builtin('probename', STRING), builtin('epid'), builtin('execname', STRING), text('x'))])]),
  );
  bench.setClock(12_345n);
  bench.fire('KVM_PIO', [], 3);
  bench.fire('KVM_CR', [], 1);
  const records = run.records();
  assert.equal(
    records.map((r) => [r.time, r.cpu, ...run.data(r)]),
    [
      [12_345n, 3, 'kvm-pio', 1n, 'guest', 'x'],
      [12_345n, 1, 'kvm-cr', 2n, 'guest', 'x'],
    ],
  );
  assert.ok(records.every(({ epid }) => epid < SPECIAL.SNAPSHOT));
  bench.setClock(0n);
  run.close();
});

test.run();
