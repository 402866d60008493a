/**
 * A guest that is traced is the guest that is not: the same instructions, exits, times, memory and console, whatever program watches it and however slow
 * its reader is. And the trace is the same trace, whatever the size of its buffer.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UNSIGNED_LONG } from '../../../probes/d/ctype.ts';
import type { CheckedProgram } from '../../../probes/d/tree.ts';
import { listen, POINTS } from '../../../probes/points.ts';
import { reportOf } from '../../../vmm/report.ts';
import { fingerprint } from '../../../vmm/snapshot.ts';
import type { EffectiveOptions } from '../../../probes/program.ts';
import { action, builtin, clause, program, text, trace } from '../d/codegen/nodes.ts';
import { builtinGuest, machineWith } from '../../vmm/guests.ts';
import type { ReaderOptions, Reading } from './reader.ts';
import { probe, Traced } from './traced.ts';

const test = suite('undisturbed');

test.after.each(() => {
  listen(null);
});

const kernel = builtinGuest();

interface Tracing {
  readonly checked: CheckedProgram;
  readonly options?: EffectiveOptions;
  readonly wait?: boolean;
  /** Its reader; without, nobody reads. */
  readonly reader?: { readonly pauseMs: number; readonly every: number };
}

interface Boot {
  readonly guest: unknown;
  readonly dropped: number;
  readonly reading: Reading | undefined;
}

async function boot(tracing?: Tracing): Promise<Boot> {
  const { machine, console } = machineWith(kernel, { memory: '16M' });
  const { vm } = machine;
  let reading: Promise<Reading> | undefined;
  let dropped = (): number => 0;
  const traced = tracing === undefined ? undefined : new Traced(vm);
  if (traced !== undefined && tracing !== undefined) {
    const { checked, options, wait, reader } = tracing;
    const p = traced.enable(checked, options, wait);
    dropped = () => p.drops();
    if (reader !== undefined) {
      const workerData: ReaderOptions = { memory: vm.memory.buffer as SharedArrayBuffer, arena: p.running.arena, ...reader };
      const worker = new Worker(new URL('./reader.ts', import.meta.url), { workerData });
      await once(worker, 'online');
      reading = once(worker, 'message').then(([message]) => message as Reading);
    }
  }
  const outcome = machine.run({});
  traced?.tracer.ended();
  const { engine: _, ...report } = reportOf(vm);
  const saved = vm.saveState();
  return {
    guest: { outcome, report, console: console(), ram: fingerprint([], saved.pages), devices: saved.devices },
    dropped: dropped(),
    reading: await reading,
  };
}

const sdt = POINTS.map(({ func, name }) => probe(`${func}:${name}`));
const arg = (n: number) => trace(builtin(`arg${n}`, UNSIGNED_LONG));
const everything = program([clause(sdt, [arg(0), arg(1), trace(builtin('timestamp', UNSIGNED_LONG))])]);
const rip = trace({ op: 'register', set: 'vmregs', index: builtin('arg9'), type: UNSIGNED_LONG, line: 1 });

let plain: Boot;
test.before(async () => {
  plain = await boot();
  assert.match((plain.guest as { console: string }).console, /./);
});

const PROGRAMS: Readonly<Record<string, Tracing>> = {
  'profile-997': { checked: program([clause(probe('profile-997'), [arg(0), arg(1)])]) },
  'tick-1ms with stacks': {
    checked: program([clause(probe('tick-1ms'), [action('stack', [], { size: 20 }), action('ustack', [], { size: 20 })])]),
  },
  'profile-5000 and tick-200us at once': { checked: program([clause([probe('profile-5000'), probe('tick-200us')], [arg(0)])]) },
  'every static point, nobody reads': { checked: everything, options: { bufsize: 4096 } },
  'every static point, all faulting': { checked: program([clause(sdt, [rip])]), options: { bufsize: 4096 } },
  'every static point, waiting for a slow reader of a small buffer': {
    checked: everything,
    options: { bufsize: 4096 },
    wait: true,
    reader: { pauseMs: 2, every: 100 },
  },
  'strings in a buffer for two of them': {
    checked: program([clause(sdt, [action('printf', [text('x'.repeat(200)), builtin('probename', text('').type)], { format: '%s %s' })])]),
    options: { bufsize: 4096, strsize: 512 },
    wait: true,
    reader: { pauseMs: 0, every: 1 },
  },
};

for (const [name, tracing] of Object.entries(PROGRAMS)) {
  test(`${name}: the guest does what it does alone`, async () => {
    const { guest, dropped, reading } = await boot(tracing);
    assert.equal(guest, plain.guest);
    if (tracing.wait) assert.is(dropped, 0);
    if (reading !== undefined) assert.ok(reading.records > 1000, String(reading.records));
  });
}

test('waiting, the trace is complete and the same with 4 kB and with 1 MB of buffer, for a quick and for a slow reader', async () => {
  const readings = [];
  for (const [bufsize, pauseMs] of [
    [4096, 1],
    [4096, 0],
    [1 << 20, 5],
    [1 << 20, 0],
  ] as const) {
    const { reading, dropped } = await boot({ checked: everything, options: { bufsize }, wait: true, reader: { pauseMs, every: 50 } });
    assert.is(dropped, 0);
    readings.push(reading);
  }
  for (const reading of readings) assert.equal(reading, readings[0]);
});

test.run();
