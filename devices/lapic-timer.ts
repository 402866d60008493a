/**
 * The local APIC's timer: one-shot, periodic and TSC-deadline.
 *
 * Models (Intel SDM vol. 3, section 11.5.4 "APIC Timer" and 11.5.4.1 "TSC-Deadline Mode"): initial count, current count, divide
 * configuration, IA32_TSC_DEADLINE. The bus clock is the VM's clock times `timerHz`; counts are computed when read, from the tick at which
 * the present cycle ends, so that periods do not drift.
 *
 * A deadline stands only while the LVT entry is unmasked: an expiry behind the mask is lost, as the SDM has it. Periods that pass before
 * the deadline is served become one interrupt.
 *
 * @module
 */
import type { Clock, Deadline, DeviceState } from '../vmm/bus.ts';
import { savedInt } from './saved.ts';

/** LVT timer mode, bits 18:17. */
export const ONE_SHOT = 0;
export const PERIODIC = 1;
export const TSC_DEADLINE = 2;

const TWO_32 = 0x1_0000_0000;
const NEVER = Number.POSITIVE_INFINITY;

/** TSC - VM clock, two's complement, in unsigned halves. */
export interface TscOffset {
  lo(): number;
  hi(): number;
}

export interface LapicTimerOptions {
  readonly clock: Clock;
  readonly name: string;
  readonly timerHz: number;
  readonly tsc: TscOffset;
  readonly expired: () => void;
}

export class LapicTimer {
  readonly #clock: Clock;
  readonly #deadline: Deadline;
  readonly #tsc: TscOffset;
  readonly #expired: () => void;
  /** Bus clocks per nanosecond: #ticks / #perNs in lowest terms. */
  readonly #ticks: number;
  readonly #perNs: number;
  #mode = ONE_SHOT;
  #masked = true;
  #divideConfig = 0;
  /** Nanoseconds that #ticks counts take: #perNs times the divisor. */
  #span: number;
  #initial = 0;
  /** Where counts are counted from, in ns, and the count since then at which the present cycle ends; NEVER when stopped. */
  #origin = 0;
  #end = NEVER;
  /** IA32_TSC_DEADLINE, 0 = disarmed. */
  #deadlineLo = 0;
  #deadlineHi = 0;

  /** Throws RangeError when `timerHz` is no whole number of hertz that exact arithmetic below 2^53 can carry. */
  constructor(options: LapicTimerOptions) {
    const divisor = gcd(options.timerHz, 1e9);
    this.#ticks = options.timerHz / divisor;
    this.#perNs = 1e9 / divisor;
    const exact = Number.isInteger(options.timerHz) && options.timerHz > 0 && this.#ticks * this.#perNs * 128 < 2 ** 53;
    if (!exact) throw new RangeError(`timerHz ${options.timerHz}: a frequency in whole Hz that divides well into 1 GHz expected`);
    this.#clock = options.clock;
    this.#tsc = options.tsc;
    this.#expired = options.expired;
    this.#span = this.#perNs * divisorOf(0);
    this.#deadline = options.clock.deadline(options.name, (now) => this.#fire(now));
  }

  reset(): void {
    this.#mode = ONE_SHOT;
    this.#masked = true;
    this.#divideConfig = 0;
    this.#span = this.#perNs * divisorOf(0);
    this.#stop();
    this.#deadline.cancel();
  }

  #stop(): void {
    this.#initial = 0;
    this.#end = NEVER;
    this.#deadlineLo = 0;
    this.#deadlineHi = 0;
  }

  /** Counts since #origin. Exact: see the bound in the constructor. */
  #countsAt(ns: number): number {
    const past = ns - this.#origin;
    const whole = Math.floor(past / this.#span);
    return whole * this.#ticks + Math.floor(((past - whole * this.#span) * this.#ticks) / this.#span);
  }

  /** The first nanosecond at which `counts` have passed since #origin. */
  #nsOf(counts: number): number {
    const whole = Math.floor(counts / this.#ticks);
    return this.#origin + whole * this.#span + Math.ceil(((counts - whole * this.#ticks) * this.#span) / this.#ticks);
  }

  get initial(): number {
    return this.#initial;
  }

  get divideConfig(): number {
    return this.#divideConfig;
  }

  /** The current-count register: 0 when stopped, expired or in TSC-deadline mode. */
  current(): number {
    if (this.#end === NEVER) return 0;
    const counts = this.#countsAt(this.#clock.now());
    if (counts < this.#end) return this.#end - counts;
    if (this.#mode !== PERIODIC) return 0;
    return this.#initial - ((counts - this.#end) % this.#initial);
  }

  /** Writes the initial count: starts a cycle, or stops at 0. Ignored in TSC-deadline mode. */
  writeInitial(count: number): void {
    if (this.#mode === TSC_DEADLINE) return;
    this.#initial = count;
    this.#origin = this.#clock.now();
    this.#end = count === 0 ? NEVER : count;
    this.#schedule();
  }

  /** Divide configuration: bits 3, 1 and 0. The present count goes on at the new pace. */
  writeDivide(value: number): void {
    const left = this.current();
    this.#divideConfig = value & 0xb;
    this.#origin = this.#clock.now();
    this.#span = this.#perNs * divisorOf(this.#divideConfig);
    this.#end = left === 0 ? NEVER : left;
    this.#schedule();
  }

  /** The LVT entry changed. A change to or from TSC-deadline mode disarms the timer (section 11.5.4.1). */
  configure(mode: number, masked: boolean): void {
    this.#lapse();
    if ((mode === TSC_DEADLINE) !== (this.#mode === TSC_DEADLINE)) this.#stop();
    // Leaving periodic mode, the cycle that runs now is the last.
    if (mode !== PERIODIC && this.#mode === PERIODIC) this.#skipPast(this.#clock.now());
    if (mode === PERIODIC && this.#mode !== PERIODIC && this.current() === 0) this.#end = NEVER;
    this.#mode = mode;
    this.#masked = masked;
    this.#schedule();
  }

  /** A deadline that passes behind the mask disarms itself without an interrupt. */
  #lapse(): void {
    if (this.#mode !== TSC_DEADLINE || !this.#masked || this.#deadlineNs() > this.#clock.now()) return;
    this.#deadlineLo = 0;
    this.#deadlineHi = 0;
  }

  /** IA32_TSC_DEADLINE as read now, low half; 0 when disarmed or in another mode. */
  deadlineLo(): number {
    this.#lapse();
    return this.#deadlineLo;
  }

  /** Its high half. */
  deadlineHi(): number {
    this.#lapse();
    return this.#deadlineHi;
  }

  /** Writes IA32_TSC_DEADLINE: 0 disarms. Ignored unless in TSC-deadline mode. */
  writeDeadline(lo: number, hi: number): void {
    if (this.#mode !== TSC_DEADLINE) return;
    this.#deadlineLo = lo;
    this.#deadlineHi = hi;
    this.#schedule();
  }

  /** The guest moved its TSC: the armed deadline falls at another time of the clock. */
  tscChanged(): void {
    if (this.#mode === TSC_DEADLINE) this.#schedule();
  }

  #schedule(): void {
    const at = this.#next();
    if (this.#masked || at === NEVER) this.#deadline.cancel();
    else this.#deadline.arm(at);
  }

  /** Time of the next expiry, or NEVER. */
  #next(): number {
    if (this.#mode === TSC_DEADLINE) return this.#deadlineNs();
    if (this.#end === NEVER) return NEVER;
    const now = this.#clock.now();
    // What expired behind the mask is lost; the deadline is for what comes.
    if (this.#masked || this.#deadline.at === NEVER) this.#skipPast(now);
    return this.#end === NEVER ? NEVER : this.#nsOf(this.#end);
  }

  /** Moves a cycle that ended by `now` on: to the next one, or to a stop. */
  #skipPast(now: number): void {
    if (this.#end === NEVER) return;
    const counts = this.#countsAt(now);
    if (counts < this.#end) return;
    if (this.#mode === PERIODIC) this.#end += this.#initial * (Math.floor((counts - this.#end) / this.#initial) + 1);
    else this.#end = NEVER;
  }

  /** The time at which the TSC reaches the deadline: now if it has, NEVER if that is beyond 2^53 ns or disarmed. */
  #deadlineNs(): number {
    if (this.#deadlineLo === 0 && this.#deadlineHi === 0) return NEVER;
    const now = this.#clock.now();
    const low = (now % TWO_32) + this.#tsc.lo();
    const tscLo = low % TWO_32;
    const tscHi = (Math.floor(now / TWO_32) + this.#tsc.hi() + (low >= TWO_32 ? 1 : 0)) % TWO_32;
    const left = (this.#deadlineHi - tscHi) * TWO_32 + (this.#deadlineLo - tscLo);
    if (left <= 0) return now;
    return now + left < Number.MAX_SAFE_INTEGER ? now + left : NEVER;
  }

  #fire(now: number): void {
    if (this.#mode === TSC_DEADLINE) {
      if (this.#deadlineNs() > now) {
        this.#schedule();
        return;
      }
      this.#deadlineLo = 0;
      this.#deadlineHi = 0;
    } else {
      this.#skipPast(now);
      this.#schedule();
    }
    this.#expired();
  }

  save(): DeviceState {
    return {
      mode: this.#mode,
      masked: this.#masked ? 1 : 0,
      divideConfig: this.#divideConfig,
      initial: this.#initial,
      origin: this.#origin,
      end: this.#end === NEVER ? -1 : this.#end,
      deadlineLo: this.#deadlineLo,
      deadlineHi: this.#deadlineHi,
      armed: this.#deadline.at === NEVER ? -1 : this.#deadline.at,
    };
  }

  restore(state: DeviceState): void {
    const mode = savedInt(state, 'mode', 0, 3);
    const masked = savedInt(state, 'masked', 0, 1);
    const divideConfig = savedInt(state, 'divideConfig', 0, 0xb) & 0xb;
    const initial = savedInt(state, 'initial', 0, 0xffff_ffff);
    const origin = savedInt(state, 'origin', 0, Number.MAX_SAFE_INTEGER);
    const end = savedInt(state, 'end', -1, Number.MAX_SAFE_INTEGER);
    const deadlineLo = savedInt(state, 'deadlineLo', 0, 0xffff_ffff);
    const deadlineHi = savedInt(state, 'deadlineHi', 0, 0xffff_ffff);
    const armed = savedInt(state, 'armed', -1, Number.MAX_SAFE_INTEGER);
    this.#mode = mode;
    this.#masked = masked === 1;
    this.#divideConfig = divideConfig;
    this.#span = this.#perNs * divisorOf(divideConfig);
    this.#initial = initial;
    this.#origin = origin;
    this.#end = end < 0 || initial === 0 ? NEVER : end;
    this.#deadlineLo = deadlineLo;
    this.#deadlineHi = deadlineHi;
    if (armed < 0) this.#deadline.cancel();
    else this.#deadline.arm(armed);
  }
}

/** Divide value of the divide configuration register: 0 = 2, 1 = 4, ... 6 = 128, 7 = 1 (section 11.5.4, figure 11-10). */
function divisorOf(config: number): number {
  const code = (config & 3) | ((config >> 1) & 4);
  return code === 7 ? 1 : 2 << code;
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}
