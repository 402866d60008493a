/**
 * When profile and tick probes fire: at multiples of their interval from the time on at which they were enabled.
 *
 * Models the cyclics of illumos, as its profile provider uses them. A firing that comes late (an exit's cost jumped over it) is made up for, each
 * that was missed, unless it is more than a second late: then the clock was moved, and it goes on at the next multiple. Several at one time fire
 * in the order of their enabling.
 *
 * @module
 */
import type { TimerSlot } from './slots.ts';

/** Later than this is "distant past": the ones in between do not come. */
const DISTANT = 1e9;

interface Timer extends TimerSlot {
  readonly consumer: number;
  next: number;
}

/** Fires one: `late` is ns since its time. */
export type TimerFiring = (consumer: number, timer: TimerSlot, late: number) => void;

export class Timers {
  #timers: Timer[] = [];

  add(consumer: number, timers: readonly TimerSlot[], now: number): void {
    for (const timer of timers) this.#timers.push({ ...timer, consumer, next: now + timer.interval });
  }

  remove(consumer: number): void {
    this.#timers = this.#timers.filter((timer) => timer.consumer !== consumer);
  }

  /** Time of the next one; Infinity when there is none. */
  get next(): number {
    return this.#timers.reduce((least, { next }) => Math.min(least, next), Number.POSITIVE_INFINITY);
  }

  /** Fires what is due at `now`, by time. What fires may remove timers. */
  fire(now: number, firing: TimerFiring): void {
    for (;;) {
      let due: Timer | undefined;
      for (const timer of this.#timers) if (timer.next <= now && (due === undefined || timer.next < due.next)) due = timer;
      if (due === undefined) return;
      const late = now - due.next;
      due.next += due.interval;
      if (now - due.next > DISTANT) due.next += (Math.floor((now - due.next) / due.interval) + 1) * due.interval;
      firing(due.consumer, due, late);
    }
  }
}
