/**
 * Guests that mean harm: whatever a guest's registers, tables and code are, the monitor neither fails nor hangs, nothing outside the guest is written,
 * and what the guest sees does not depend on how its run was cut (hostile-bench.ts).
 *
 * The same guests every time. LUCID_HOSTILE_SEEDS=from-to runs those of other seeds.
 */
import process from 'node:process';
import { clearInterval, setInterval } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Findings, runs, type Work } from './hostile-worker.ts';

/** A run takes some milliseconds; one that takes so long never ends. */
const PATIENCE_MS = 60_000;
const LIMIT = 3000;
const SHOWN = 6;

function seeds(first: number, count: number): number[] {
  const [from, to] = (process.env['LUCID_HOSTILE_SEEDS'] ?? '').split('-').map(Number);
  if (from !== undefined && to !== undefined) return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Runs a thread's work; rejects with the run that does not end. */
function findings(stand: Work['stand'], list: readonly number[]): Promise<Findings> {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const workerData: Work = { stand, seeds: list, limit: LIMIT, progress };
  const worker = new Worker(new URL('./hostile-worker.ts', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    let last = 0;
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 0);
      if (now === last) {
        const at = [...runs(list)][now - 1];
        reject(new Error(`does not end: ${at === undefined ? 'setting up' : `seed ${at.seed}, ${at.mode}, ${at.style}, ${at.road.name}`}`));
        void worker.terminate();
      }
      last = now;
    }, PATIENCE_MS);
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => {
      clearInterval(watch);
      reject(new Error('the thread ended before its work'));
    });
  });
}

async function prove(stand: Work['stand'], list: readonly number[]): Promise<void> {
  const { wrong, instructions } = await findings(stand, list);
  assert.is(wrong.length, 0, `${wrong.length} runs went wrong:\n${wrong.slice(0, SHOWN).join('\n')}`);
  // Most guests get somewhere.
  assert.ok(instructions > list.length * LIMIT, `${instructions} instructions`);
}

test('hostile guests on a bare VM: nothing else is written, and every way to run them has one outcome', () => prove('bench', seeds(1, 2)));

test('hostile guests on the board: the devices answer whatever is asked, and every way to run them has one outcome', () =>
  prove('board', seeds(100, 1)));

test.run();
