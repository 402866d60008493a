/**
 * Ten million records and a reader that stalls: a program that may wait loses none of them, one that may not counts what it drops; either way
 * there is no more memory than its arena.
 *
 * Reduced: half a million.
 */
import { once } from 'node:events';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UNSIGNED_LONG } from '../../probes/d/ctype.ts';
import { listen } from '../../probes/points.ts';
import { builtin, clause, program, trace } from '../probes/d/codegen/nodes.ts';
import type { ReaderOptions, Reading } from '../probes/engine/reader.ts';
import { probe, Traced } from '../probes/engine/traced.ts';
import { Guest, le } from '../vmm/guest.ts';
import { FULL } from './reference.ts';

/** What the thread of the reader and copies that were not collected yet may take; the records themselves are twice as much and more. */
const GROWTH_MAX = 192 << 20;
const RECORDS = FULL ? 10_000_000 : 500_000;
const TRACED = program([clause(probe('kvm-cpuid'), [trace(builtin('arg0', UNSIGNED_LONG)), trace(builtin('timestamp', UNSIGNED_LONG))])]);

test.after.each(() => {
  listen(null);
});

interface Result {
  readonly reading: Reading;
  readonly dropped: number;
  readonly clock: number;
  /** Growth of the process's memory beside the arena: bytes. */
  readonly growth: number;
}

/** A guest that executes CPUID so many times, read with a pause of `pauseMs` after each 64 KiB or so. */
async function run(wait: boolean, pauseMs: number): Promise<Result> {
  // mov esi, n; again: cpuid; dec esi; jnz again; hlt
  const g = new Guest({ code: `be ${le(RECORDS, 4)} 0f a2 ff ce 75 fa f4` });
  g.touchAll();
  const before = process.memoryUsage().rss;
  const traced = new Traced(g.vm);
  const p = traced.enable(TRACED, { bufsize: 1 << 20 }, wait);
  const workerData: ReaderOptions = { memory: g.vm.memory.buffer as SharedArrayBuffer, arena: p.running.arena, pauseMs, every: 16 };
  const worker = new Worker(new URL('../probes/engine/reader.ts', import.meta.url), { workerData });
  await once(worker, 'online');
  while (g.run().reason !== 'hlt');
  traced.tracer.ended();
  const [reading] = (await once(worker, 'message')) as [Reading];
  return { reading, dropped: p.drops(), clock: g.now, growth: process.memoryUsage().rss - before };
}

test(`${RECORDS} records, waiting for a reader that stalls: complete, and no time of the VM's`, async () => {
  const began = performance.now();
  const stalled = await run(true, 1);
  process.stdout.write(`${((performance.now() - began) / 1000).toFixed(1)} s waiting\n`);
  assert.equal([stalled.reading.records, stalled.dropped], [RECORDS, 0]);
  const quick = await run(true, 0);
  assert.equal(stalled.reading, quick.reading);
  assert.is(stalled.clock, quick.clock);
  assert.ok(stalled.growth < GROWTH_MAX, `${stalled.growth >> 20} MiB`);
});

test(`${RECORDS} records without waiting: records and drops are all firings`, async () => {
  const began = performance.now();
  const { reading, dropped, growth } = await run(false, 20);
  process.stdout.write(`${((performance.now() - began) / 1000).toFixed(1)} s dropping\n`);
  assert.is(reading.records + dropped, RECORDS);
  assert.ok(dropped > 0 && reading.records > 0);
  assert.ok(growth < GROWTH_MAX, `${growth >> 20} MiB`);
});

test.run();
