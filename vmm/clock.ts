/**
 * The VM's clock: nanoseconds that only retired instructions, exit costs and skipped idle time move, and the deadlines set on it.
 *
 * Time is ICOUNT + CLOCK_OFFSET of the vCPU that runs; both stand in shared memory and are exact whenever JavaScript is called.
 * The earliest armed deadline is kept in that vCPU's DEADLINE, where the core compares it with each block it enters.
 * With several vCPUs, which take turns, `follow` hands the time over: the clock is the sum of all vCPUs' instructions.
 *
 * The times of those who only look (a tracer's profile and tick probes, somebody who waits for a mark) are kept apart from the VM's deadlines, in
 * PROBE_DEADLINE: nothing in the VM happens there, no vCPU exits, and a halted one stays halted. Idle time passes through them, one after another.
 *
 * @module
 */
import type { Clock, Deadline } from './bus.ts';
import { offsetOf } from './cpu/layout.ts';

const TWO32 = 0x1_0000_0000;

class ArmedDeadline implements Deadline {
  readonly name: string;
  readonly fire: (now: number) => void;
  readonly #clock: VmClock;
  at = Number.POSITIVE_INFINITY;
  /** Number of the firing pass that called this deadline last: an already fired one waits for the next pass. */
  pass = 0;

  constructor(clock: VmClock, name: string, fire: (now: number) => void) {
    this.#clock = clock;
    this.name = name;
    this.fire = fire;
  }

  arm(ns: number): void {
    this.at = Math.ceil(ns);
    this.#clock.rearmed();
  }

  cancel(): void {
    if (this.at === Number.POSITIVE_INFINITY) return;
    this.at = Number.POSITIVE_INFINITY;
    this.#clock.rearmed();
  }
}

/** Somebody who looks at the VM between two instructions, at times of his own and whenever attention is asked for. */
export interface Onlooker {
  /** Looks at `at`, or as soon after it as an instruction ends (Infinity: not). */
  arm(at: number): void;
}

interface ArmedOnlooker extends Onlooker {
  at: number;
  readonly look: (now: number) => number;
}

/** The clock of one VM. */
export class VmClock implements Clock {
  readonly #u32: Uint32Array;
  readonly #deadlines: ArmedDeadline[] = [];
  #base = 0;
  #icount = 0;
  #offset = 0;
  #deadline = 0;
  #next = Number.POSITIVE_INFINITY;
  #pass = 0;
  #profileDeadline = 0;
  readonly #onlookers: ArmedOnlooker[] = [];
  /** Somebody asked that all look at the next boundary. */
  #attended = false;
  #profile: ((now: number) => number) | undefined;
  #profiler: Onlooker | undefined;

  /** `base` is the state of the vCPU whose instructions move the clock. */
  constructor(u32: Uint32Array, base: number) {
    this.#u32 = u32;
    this.#attach(base);
    this.#store();
  }

  #attach(base: number): void {
    this.#base = base;
    this.#icount = (base + offsetOf('ICOUNT')) >>> 2;
    this.#offset = (base + offsetOf('CLOCK_OFFSET')) >>> 2;
    this.#deadline = (base + offsetOf('DEADLINE')) >>> 2;
    this.#profileDeadline = (base + offsetOf('PROBE_DEADLINE')) >>> 2;
  }

  /** Lets another vCPU move the clock from its present time on. */
  follow(base: number): void {
    const now = this.now();
    this.#storeProfile(Number.POSITIVE_INFINITY);
    this.#attach(base);
    this.setNow(now);
    this.#store();
    this.#storeNextLook();
  }

  /** Goes on with a vCPU whose state, its time included, was put back. */
  rejoin(base: number): void {
    this.#attach(base);
    this.refresh();
  }

  now(): number {
    const u = this.#u32;
    const i = this.#icount;
    const o = this.#offset;
    return ((u[i + 1] as number) + (u[o + 1] as number)) * TWO32 + (u[i] as number) + (u[o] as number);
  }

  /** Retired instructions of the running vCPU. */
  instructions(): number {
    return (this.#u32[this.#icount + 1] as number) * TWO32 + (this.#u32[this.#icount] as number);
  }

  /** Moves the clock to `ns`, which is not before the vCPU's instruction count (idle time passes, or a restored time). */
  setNow(ns: number): void {
    const offset = ns - this.instructions();
    this.#u32[this.#offset] = offset % TWO32;
    this.#u32[this.#offset + 1] = Math.floor(offset / TWO32);
  }

  /** The earliest armed deadline, or Infinity. */
  get next(): number {
    return this.#next;
  }

  deadline(name: string, fire: (now: number) => void): Deadline {
    const deadline = new ArmedDeadline(this, name, fire);
    this.#deadlines.push(deadline);
    return deadline;
  }

  /** A deadline was armed or cancelled. */
  rearmed(): void {
    let next = Number.POSITIVE_INFINITY;
    const all = this.#deadlines;
    for (let i = 0; i < all.length; i++) {
      const at = (all[i] as ArmedDeadline).at;
      if (at < next) next = at;
    }
    if (next === this.#next) return;
    this.#next = next;
    this.#store();
  }

  #store(): void {
    const never = this.#next === Number.POSITIVE_INFINITY;
    const at = this.#next < 0 ? 0 : this.#next;
    this.#u32[this.#deadline] = never ? 0xffffffff : at % TWO32;
    this.#u32[this.#deadline + 1] = never ? 0xffffffff : Math.floor(at / TWO32);
  }

  /**
   * Calls back every deadline that is due, earliest first, equal times in the order of their creation. One that arms itself in the
   * past waits for the next call, so a device cannot hold the VM here.
   */
  fireDue(): number {
    const pass = ++this.#pass;
    let fired = 0;
    for (;;) {
      const now = this.now();
      let due: ArmedDeadline | undefined;
      for (const d of this.#deadlines) {
        if (d.at <= now && d.pass !== pass && (due === undefined || d.at < due.at)) due = d;
      }
      if (due === undefined) return fired;
      due.pass = pass;
      due.at = Number.POSITIVE_INFINITY;
      this.rearmed();
      due.fire(now);
      fired++;
    }
  }

  /** Writes the deadlines again after something else overwrote the vCPU's state (reset, restore). */
  refresh(): void {
    this.#next = Number.NaN;
    this.rearmed();
    this.#storeNextLook();
  }

  /** State of the vCPU whose instructions move the clock. */
  get base(): number {
    return this.#base;
  }

  /** Lets all onlookers look at the next boundary between two instructions. */
  attend(): void {
    this.#attended = true;
    this.#storeNextLook();
  }

  /** Adds an onlooker; `look` returns when it is to be called next (Infinity: only when attention is asked for). */
  onlooker(look: (now: number) => number): Onlooker {
    const onlooker: ArmedOnlooker = {
      at: Number.POSITIVE_INFINITY,
      look,
      arm: (at) => {
        onlooker.at = at;
        this.#storeNextLook();
      },
    };
    this.#onlookers.push(onlooker);
    return onlooker;
  }

  /** The tracer's onlooker: calls `fire` with the time at `at` or as soon after it as an instruction ends; it returns when it is to be called next. */
  setProfile(at: number, fire: (now: number) => number): void {
    this.#profile = fire;
    this.#profiler ??= this.onlooker((now) => this.#profile?.(now) ?? Number.POSITIVE_INFINITY);
    this.#profiler.arm(at);
  }

  #storeNextLook(): void {
    let next = this.#attended ? 1 : Number.POSITIVE_INFINITY;
    for (const { at } of this.#onlookers) if (at < next) next = at;
    this.#storeProfile(next);
  }

  #storeProfile(at: number): void {
    const never = at === Number.POSITIVE_INFINITY;
    // 0 means never: whoever wants it at once, from JavaScript or from a probe, writes 1.
    const value = never ? 0 : Math.max(1, Math.ceil(at));
    this.#u32[this.#profileDeadline] = value % TWO32;
    this.#u32[this.#profileDeadline + 1] = Math.floor(value / TWO32);
  }

  /** PROBE_DEADLINE was reached, or a probe asked for attention by writing it: all look, for it is not known who was meant. */
  profile(): void {
    this.#attended = false;
    for (const onlooker of this.#onlookers) onlooker.at = onlooker.look(this.now());
    this.#storeNextLook();
  }

  /** Lets idle time pass up to `ns`, in stretches that end where somebody wants to look; less when a deadline comes up meanwhile, such as input. */
  advance(until: number): void {
    const at = this.#profileDeadline;
    let ns = until;
    for (;;) {
      const next = (this.#u32[at + 1] as number) * TWO32 + (this.#u32[at] as number);
      if (next === 0 || next > Math.max(ns, this.now())) break;
      if (next > this.now()) this.setNow(next);
      this.profile();
      if (this.#next < ns) ns = this.#next;
    }
    if (ns > this.now()) this.setNow(ns);
  }

  /** Name and time of every armed deadline, for reports. */
  armed(): { name: string; at: number }[] {
    return this.#deadlines.filter((d) => d.at !== Number.POSITIVE_INFINITY).map((d) => ({ name: d.name, at: d.at }));
  }
}
