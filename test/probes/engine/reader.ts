/**
 * A worker thread that reads a program's ring as the main thread of a VM's process would, slowly if it is told so, until the program has stopped.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { RECORD, STATE } from '../../../probes/arena.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';

export interface ReaderOptions {
  readonly memory: SharedArrayBuffer;
  readonly arena: number;
  /** ms of sleep after each `every` takes. */
  readonly pauseMs: number;
  readonly every: number;
}

export interface Reading {
  readonly records: number;
  readonly bytes: number;
  /** Of all records, in order. */
  readonly hash: string;
}

const { memory, arena, pauseMs, every } = workerData as ReaderOptions;
const ring = new RecordRing(memory, arena);
const hash = createHash('sha256');
const sleeper = new Int32Array(new SharedArrayBuffer(4));
let records = 0;
let bytes = 0;
let takes = 0;
for (;;) {
  const stopped = ring.state === STATE.STOPPED;
  const taken = ring.take();
  const view = new DataView(taken.buffer);
  for (let at = 0; at < taken.length; at += view.getUint32(at + RECORD.SIZE, true)) records++;
  bytes += taken.length;
  hash.update(taken);
  if (ring.release()) {
    if (pauseMs > 0 && ++takes % every === 0) Atomics.wait(sleeper, 0, 0, pauseMs);
  } else if (stopped) break;
  else Atomics.wait(sleeper, 0, 0, 1);
}
parentPort?.postMessage({ records, bytes, hash: hash.digest('hex') } satisfies Reading);
