/**
 * The high precision event timer: a counter of 100 MHz and three comparators.
 *
 * Specification: IA-PC HPET 1.0a, sections 2.3 (registers: 2.3.4 capabilities, 2.3.5 configuration, 2.3.6 interrupt status, 2.3.7 counter, 2.3.8 timers), 2.4
 * (operation: 2.4.3 interrupts, 2.4.4 periodic, 2.4.5 message delivery).
 *
 * The counter and the timers have 32 bits, which the capabilities say (COUNT_SIZE_CAP 0, Tn_SIZE_CAP 0). All three can be periodic, and all three
 * can send messages instead of pulling a line. With LEG_RT_CNF timers 0 and 1 take the places of the PIT and the RTC at their interrupts, which `legacy` lets
 * the board know. The counter is the VM's clock: ticks of 10 ns since it was enabled, on top of what it held.
 *
 * A periodic timer comes no more often than every `TICKS_MIN` ticks: periods in between are passed over, as those are that come late.
 *
 * Left out: 64-bit counting, and with it Tn_32MODE.
 *
 * @module
 */
import type { AccessSize, Clock, Deadline, DeviceState, IrqLine, MmioDevice, Saveable } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedInts, savedParts } from './saved.ts';

export const HPET_BASE = 0xfed0_0000;
/** Of the region; the registers are the first 1 KB. */
export const HPET_BYTES = 0x1000;
const TIMERS = 3;
const LEG_RT_CAP = 1 << 15;
const VENDOR = 0x8086;
const REVISION = 1;
/** GCAP_ID bits 31:0, which the ACPI table repeats. */
export const HPET_ID = ((VENDOR << 16) | LEG_RT_CAP | ((TIMERS - 1) << 8) | REVISION) >>> 0;
const TICK_NS = 10;
const FEMTOSECONDS = TICK_NS * 1_000_000;
const WRAP = 2 ** 32;
const TICKS_MIN = 128;

const CAPABILITIES = 0x000;
const PERIOD = 0x004;
const CONFIGURATION = 0x010;
const STATUS = 0x020;
const COUNTER = 0x0f0;
const FIRST_TIMER = 0x100;
const TIMER_BYTES = 0x20;
const T_CONFIGURATION = 0x00;
const T_ROUTES = 0x04;
const T_COMPARATOR = 0x08;
const T_FSB_VALUE = 0x10;
const T_FSB_ADDRESS = 0x14;

const ENABLE_CNF = 1;
const LEG_RT_CNF = 2;
const INT_TYPE = 1 << 1;
const INT_ENB = 1 << 2;
const PERIODIC = 1 << 3;
const PER_INT_CAP = 1 << 4;
const VAL_SET = 1 << 6;
const ROUTE_SHIFT = 9;
const ROUTE = 0x1f << ROUTE_SHIFT;
const FSB_EN = 1 << 14;
const FSB_INT_DEL_CAP = 1 << 15;
const T_WRITABLE = INT_TYPE | INT_ENB | PERIODIC | VAL_SET | ROUTE | FSB_EN;

export interface HpetOptions {
  readonly clock: Clock;
  /** IOAPIC inputs that timers may be routed to, by number. */
  readonly routes: ReadonlyMap<number, IrqLine>;
  /** Where timers 0 and 1 interrupt in place of the PIT and the RTC. */
  readonly timer: IrqLine;
  readonly rtc: IrqLine;
  /** Told whether they do. */
  readonly legacy: (replaced: boolean) => void;
  readonly signalMsi: (address: number, data: number) => void;
}

class Timer {
  readonly deadline: Deadline;
  configuration = 0;
  comparator = 0xffff_ffff;
  period = 0;
  fsbValue = 0;
  fsbAddress = 0;

  constructor(clock: Clock, name: string, fire: () => void) {
    this.deadline = clock.deadline(name, fire);
  }

  has(bits: number): boolean {
    return (this.configuration & bits) !== 0;
  }

  get route(): number {
    return (this.configuration & ROUTE) >> ROUTE_SHIFT;
  }

  reset(): void {
    this.configuration = 0;
    this.comparator = 0xffff_ffff;
    this.period = 0;
    this.fsbValue = 0;
    this.fsbAddress = 0;
    this.deadline.cancel();
  }
}

export class Hpet implements MmioDevice, Saveable {
  private readonly options: HpetOptions;
  private readonly clock: Clock;
  private readonly timers: readonly Timer[];
  private readonly routeMask: number;
  private configuration = 0;
  private status = 0;
  /** The counter's value at `since`, and for as long as it is halted. */
  private base = 0;
  private since = 0;

  constructor(options: HpetOptions) {
    this.options = options;
    this.clock = options.clock;
    this.timers = Array.from({ length: TIMERS }, (_, i) => new Timer(options.clock, `hpet${i}`, () => this.fire(i)));
    this.routeMask = [...options.routes.keys()].reduce((mask, gsi) => (mask | (1 << gsi)) >>> 0, 0);
  }

  private get enabled(): boolean {
    return (this.configuration & ENABLE_CNF) !== 0;
  }

  private get isLegacy(): boolean {
    return (this.configuration & LEG_RT_CNF) !== 0;
  }

  /** Ticks since `since`, not wrapped. */
  private get ticks(): number {
    return this.enabled ? Math.floor((this.clock.now() - this.since) / TICK_NS) : 0;
  }

  private get counter(): number {
    return (this.base + this.ticks) % WRAP;
  }

  // ---- interrupts ----

  /** The line of timer `i`; undefined when it has none. */
  private line(i: number): IrqLine | undefined {
    const timer = this.timers[i] as Timer;
    if (this.isLegacy && i < 2) return i === 0 ? this.options.timer : this.options.rtc;
    return timer.has(FSB_EN) ? undefined : this.options.routes.get(timer.route);
  }

  /** Levels follow the status bits. */
  private drive(): void {
    this.timers.forEach((timer, i) => {
      if (timer.has(INT_TYPE)) this.line(i)?.set(this.enabled && timer.has(INT_ENB) && ((this.status >> i) & 1) !== 0);
    });
  }

  private interrupt(i: number): void {
    const timer = this.timers[i] as Timer;
    if (timer.has(INT_TYPE)) {
      this.status |= 1 << i;
      this.drive();
    } else if (timer.has(INT_ENB)) {
      if (timer.has(FSB_EN) && !(this.isLegacy && i < 2)) this.options.signalMsi(timer.fsbAddress, timer.fsbValue);
      else {
        this.line(i)?.set(true);
        this.line(i)?.set(false);
      }
    }
  }

  private fire(i: number): void {
    const timer = this.timers[i] as Timer;
    this.interrupt(i);
    if (timer.has(PERIODIC) && timer.period > 0) {
      const late = (this.counter - timer.comparator + WRAP) % WRAP;
      const passed = Math.floor((late + Math.max(0, TICKS_MIN - timer.period)) / timer.period) + 1;
      timer.comparator = (timer.comparator + passed * timer.period) % WRAP;
    }
    this.arm(timer);
  }

  /** The next time that the counter comes to a comparator; one that it stands on is a whole turn away. */
  private arm(timer: Timer): void {
    if (!this.enabled || !timer.has(INT_ENB | INT_TYPE)) {
      timer.deadline.cancel();
      return;
    }
    const { ticks } = this;
    const away = (timer.comparator - ((this.base + ticks) % WRAP) + WRAP) % WRAP || WRAP;
    timer.deadline.arm(this.since + (ticks + away) * TICK_NS);
  }

  private armAll(): void {
    for (const timer of this.timers) this.arm(timer);
  }

  // ---- registers ----

  mmioRead(offset: number, size: AccessSize): number {
    const word = this.register(offset & ~3) >>> 0;
    const shifted = word >>> (8 * (offset & 3));
    return size === 4 ? shifted : shifted & (2 ** (8 * size) - 1);
  }

  private register(at: number): number {
    switch (at) {
      case CAPABILITIES:
        return HPET_ID;
      case PERIOD:
        return FEMTOSECONDS;
      case CONFIGURATION:
        return this.configuration;
      case STATUS:
        return this.status;
      case COUNTER:
        return this.counter;
      default: {
        const timer = this.timers[(at - FIRST_TIMER) >> 5];
        return at >= FIRST_TIMER && timer !== undefined ? this.timerRegister(timer, at % TIMER_BYTES) : 0;
      }
    }
  }

  private timerRegister(timer: Timer, at: number): number {
    switch (at) {
      case T_CONFIGURATION:
        return timer.configuration | PER_INT_CAP | FSB_INT_DEL_CAP;
      case T_ROUTES:
        return this.routeMask;
      case T_COMPARATOR:
        return timer.comparator;
      case T_FSB_VALUE:
        return timer.fsbValue;
      case T_FSB_ADDRESS:
        return timer.fsbAddress;
      default:
        return 0;
    }
  }

  /** Registers are written as double words (2.3.1); anything else is ignored. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || (offset & 3) !== 0) return;
    const word = value >>> 0;
    if (offset === CONFIGURATION) this.configure(word & (ENABLE_CNF | LEG_RT_CNF));
    else if (offset === STATUS) {
      this.status &= ~word;
      this.drive();
    } else if (offset === COUNTER) {
      this.base = word;
      this.since = this.clock.now();
      this.armAll();
    } else if (offset >= FIRST_TIMER) {
      const timer = this.timers[(offset - FIRST_TIMER) >> 5];
      if (timer !== undefined) this.setTimer(timer, offset % TIMER_BYTES, word);
    }
  }

  private configure(next: number): void {
    this.base = this.counter;
    this.since = this.clock.now();
    const legacyChanged = ((this.configuration ^ next) & LEG_RT_CNF) !== 0;
    this.configuration = next;
    if (legacyChanged) this.options.legacy(this.isLegacy);
    this.drive();
    this.armAll();
  }

  private setTimer(timer: Timer, at: number, value: number): void {
    switch (at) {
      case T_CONFIGURATION:
        this.setConfiguration(timer, value & T_WRITABLE);
        break;
      case T_COMPARATOR:
        this.setComparator(timer, value);
        break;
      case T_FSB_VALUE:
        timer.fsbValue = value;
        break;
      case T_FSB_ADDRESS:
        timer.fsbAddress = value;
        break;
      default:
        return;
    }
    this.arm(timer);
  }

  private setConfiguration(timer: Timer, value: number): void {
    const i = this.timers.indexOf(timer);
    // A route that does not exist keeps the old one (2.3.8.1: software reads back whether it took).
    const route = this.options.routes.has((value & ROUTE) >> ROUTE_SHIFT) ? value & ROUTE : timer.configuration & ROUTE;
    if (timer.has(INT_TYPE)) this.line(i)?.set(false);
    timer.configuration = (value & ~ROUTE) | route;
    if (!timer.has(INT_TYPE)) this.status &= ~(1 << i);
    this.drive();
  }

  /** In periodic mode a write sets the period, and after VAL_SET the comparator as well (2.3.9.2.2). */
  private setComparator(timer: Timer, value: number): void {
    if (!timer.has(PERIODIC) || timer.has(VAL_SET)) timer.comparator = value;
    if (timer.has(PERIODIC)) timer.period = value;
    timer.configuration &= ~VAL_SET;
  }

  reset(): void {
    for (const timer of this.timers) timer.reset();
    this.status = 0;
    this.configure(0);
    this.base = 0;
  }

  save(): DeviceState {
    const { configuration, status, base, since } = this;
    return {
      configuration,
      status,
      base,
      since,
      timers: this.timers.map((t) => ({
        registers: [t.configuration, t.comparator, t.period, t.fsbValue, t.fsbAddress],
        at: t.deadline.at === Number.POSITIVE_INFINITY ? -1 : t.deadline.at,
        armed: t.deadline.at !== Number.POSITIVE_INFINITY,
      })),
    };
  }

  restore(state: DeviceState): void {
    const saved = {
      configuration: savedInt(state, 'configuration', 0, ENABLE_CNF | LEG_RT_CNF),
      status: savedInt(state, 'status', 0, 2 ** TIMERS - 1),
      base: savedInt(state, 'base', 0, 0xffff_ffff),
      since: savedInt(state, 'since', 0, Number.MAX_SAFE_INTEGER),
    };
    const timers = savedParts(state, 'timers', TIMERS).map((part) => ({
      registers: savedInts(part, 'registers', 5, 0, 0xffff_ffff) as [number, number, number, number, number],
      at: savedInt(part, 'at', -1, Number.MAX_SAFE_INTEGER),
      armed: savedFlag(part, 'armed'),
    }));
    Object.assign(this, saved);
    timers.forEach(({ registers, at, armed }, i) => {
      const timer = this.timers[i] as Timer;
      [timer.configuration, timer.comparator, timer.period, timer.fsbValue, timer.fsbAddress] = registers;
      timer.configuration &= T_WRITABLE;
      if (armed) timer.deadline.arm(at);
      else timer.deadline.cancel();
    });
    this.options.legacy(this.isLegacy);
  }
}
