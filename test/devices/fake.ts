/**
 * A clock and interrupt lines for device tests: time moves only when the test says so.
 *
 * @module
 */
import type { Clock, Deadline, IrqLine } from '../../vmm/bus.ts';

class FakeDeadline implements Deadline {
  readonly name: string;
  readonly fire: (now: number) => void;
  at = Number.POSITIVE_INFINITY;

  constructor(name: string, fire: (now: number) => void) {
    this.name = name;
    this.fire = fire;
  }

  arm(ns: number): void {
    this.at = ns;
  }

  cancel(): void {
    this.at = Number.POSITIVE_INFINITY;
  }
}

/** The VM's clock under the test's control. */
export class FakeClock implements Clock {
  readonly #deadlines: FakeDeadline[] = [];
  #now: number;

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  deadline(name: string, fire: (now: number) => void): Deadline {
    const deadline = new FakeDeadline(name, fire);
    this.#deadlines.push(deadline);
    return deadline;
  }

  /** The earliest armed time, or Infinity. */
  get next(): number {
    return this.#deadlines.reduce((least, deadline) => Math.min(least, deadline.at), Number.POSITIVE_INFINITY);
  }

  /** The armed time of the deadline created under `name`, or Infinity. */
  at(name: string): number {
    return this.#deadlines.find((deadline) => deadline.name === name)?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Moves time to `ns`, firing each deadline at its own time, in order; ties fire in order of creation. */
  runTo(ns: number): void {
    for (;;) {
      const due = this.next;
      if (due > ns) break;
      this.#fireDue(Math.max(due, this.#now), due);
    }
    this.#now = ns;
  }

  /** `runTo` relative to now. */
  run(ns: number): void {
    this.runTo(this.#now + ns);
  }

  /** Moves time without firing, as the cost of an exit does; the next `run` or `settle` fires what is due, late. */
  skip(ns: number): void {
    this.#now += ns;
  }

  /** Fires what is due at the present time. */
  settle(): void {
    this.runTo(this.#now);
  }

  #fireDue(now: number, due: number): void {
    this.#now = now;
    for (const deadline of this.#deadlines) {
      if (deadline.at !== due) continue;
      deadline.cancel();
      deadline.fire(now);
      return;
    }
  }
}

/** A line that remembers. */
export class FakeLine implements IrqLine {
  level = false;
  /** Rises seen. */
  rises = 0;
  /** Falls seen. */
  falls = 0;
  /** Times of the rises, when a clock was given. */
  readonly riseTimes: number[] = [];
  readonly fallTimes: number[] = [];
  readonly #clock: Clock | undefined;

  constructor(clock?: Clock) {
    this.#clock = clock;
  }

  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    if (level) this.rises++;
    else this.falls++;
    if (this.#clock !== undefined) (level ? this.riseTimes : this.fallTimes).push(this.#clock.now());
  }
}
