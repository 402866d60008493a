/**
 * What a disk counts: the statistics of kstat_io(9S).
 *
 * Theory. A request stands in the wait queue until the device begins with it, then in the run queue until it is done. At each change of a queue's length the
 * time since the last change goes to the queue's busy time (wtime, rtime) if it was not empty, and times its length to the integral over length and time
 * (wlentime, rlentime). From two readings follow the mean length of each queue (difference of rlentime / elapsed), the part of the time that it was busy
 * (rtime / elapsed) and by Little's law the mean time in it (rlentime / requests). Times are ns of the VM's clock.
 *
 * By the manual pages kstat_io(9S) and kstat_queue(9F) of illumos; a transfer that failed is not counted as a read or write, as in its block drivers.
 *
 * @module
 */
import type { DeviceState, Saveable } from '../vmm/bus.ts';
import type { Kstat } from '../vmm/kstat.ts';
import { savedInts } from './saved.ts';

const FIELDS = [
  'nread',
  'nwritten',
  'reads',
  'writes',
  'wtime',
  'wlentime',
  'wlastupdate',
  'rtime',
  'rlentime',
  'rlastupdate',
  'wcnt',
  'rcnt',
] as const;

export type KstatIoField = (typeof FIELDS)[number];

/** A state that was restored may say that it was last changed later than now. */
function since(last: number, now: number): number {
  return Math.max(0, now - last);
}

export class KstatIo implements Saveable {
  /** Bytes. */
  nread = 0;
  nwritten = 0;
  /** Requests. */
  reads = 0;
  writes = 0;
  wtime = 0;
  wlentime = 0;
  wlastupdate = 0;
  rtime = 0;
  rlentime = 0;
  rlastupdate = 0;
  wcnt = 0;
  rcnt = 0;

  waitqEnter(now: number): void {
    this.#waitq(now, 1);
  }

  /** Leaves the wait queue without having been begun. */
  waitqExit(now: number): void {
    this.#waitq(now, -1);
  }

  waitqToRunq(now: number): void {
    this.#waitq(now, -1);
    this.#runq(now, 1);
  }

  runqExit(now: number): void {
    this.#runq(now, -1);
  }

  /** A transfer of `bytes` is done. */
  transferred(write: boolean, bytes: number): void {
    if (write) {
      this.writes++;
      this.nwritten += bytes;
    } else {
      this.reads++;
      this.nread += bytes;
    }
  }

  #waitq(now: number, change: 1 | -1): void {
    const delta = since(this.wlastupdate, now);
    this.wlastupdate = now;
    if (this.wcnt !== 0) {
      this.wlentime += delta * this.wcnt;
      this.wtime += delta;
    }
    this.wcnt += change;
  }

  #runq(now: number, change: 1 | -1): void {
    const delta = since(this.rlastupdate, now);
    this.rlastupdate = now;
    if (this.rcnt !== 0) {
      this.rlentime += delta * this.rcnt;
      this.rtime += delta;
    }
    this.rcnt += change;
  }

  /** The kstat that shows them, to be registered by the board. */
  kstat(module: string, instance: number, name: string): Kstat {
    const stats = Object.fromEntries(FIELDS.map((field) => [field, { get: () => this[field] }]));
    return { module, instance, name, class: 'disk', type: 'io', crtime: 0, stats };
  }

  save(): DeviceState {
    return { counters: FIELDS.map((field) => this[field]) };
  }

  restore(state: DeviceState): void {
    const counters = savedInts(state, 'counters', FIELDS.length, 0, Number.MAX_SAFE_INTEGER);
    FIELDS.forEach((field, i) => {
      this[field] = counters[i] as number;
    });
  }
}
