/**
 * Reports at equal distances of the host's time: `interval [count]` of the stat commands.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';

/** Wakes at start + n intervals, however long a report takes; one that took longer than an interval starts the count anew. */
export class Interval {
  readonly #ms: number;
  #next: number;

  constructor(seconds: number, now = performance.now(), secondMs = 1000) {
    this.#ms = seconds * secondMs;
    this.#next = now;
  }

  /** How long to sleep from `now` on. */
  pause(now: number): number {
    this.#next += this.#ms;
    if (this.#next <= now) this.#next = now + this.#ms;
    return this.#next - now;
  }

  async sleep(): Promise<void> {
    let left = this.pause(performance.now());
    // A timer holds 2^31 ms at most.
    for (; left > 0x7fff_ffff; left -= 0x7fff_ffff) await setTimeout(0x7fff_ffff);
    await setTimeout(left);
  }
}

/** `interval` or `count`: a whole number of at least 1; undefined when it is none. */
export function parseWhole(text: string): number | undefined {
  return /^\+?\d{1,15}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}
