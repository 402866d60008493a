/**
 * Runs hostile guests in a thread of their own and watches it: a guest that never ends is told from outside (hostile-worker.ts).
 *
 * @module
 */
import { clearInterval, setInterval } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { announced, type Findings, PROGRESS_BYTES, type Work } from './hostile-worker.ts';

/**
 * A run takes some milliseconds; one that takes so long never ends. Lives are many, and one of them may be a REP of tens of millions of elements
 * in memory whose translation is never kept.
 */
const PATIENCE_MS = { bench: 60_000, board: 60_000, lives: 300_000 };

/** Runs a thread's work; rejects with the run that does not end. */
export function findings(work: Omit<Work, 'progress'>): Promise<Findings> {
  const progress = new Uint8Array(new SharedArrayBuffer(PROGRESS_BYTES));
  const workerData: Work = { ...work, progress };
  const worker = new Worker(new URL('./hostile-worker.ts', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    let last = '';
    const watch = setInterval(() => {
      const now = announced(progress);
      if (now === last) {
        reject(new Error(`does not end: ${now === '' ? 'setting up' : now}`));
        void worker.terminate();
      }
      last = now;
    }, PATIENCE_MS[work.stand]);
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => {
      clearInterval(watch);
      reject(new Error('the thread ended before its work'));
    });
  });
}
