/**
 * I/O APIC: 24 interrupt inputs, each with a redirection entry that says which message it sends.
 *
 * Models (Intel 82093AA datasheet, order number 290566; the EOI register of version 20h as in Intel 82801 ICH datasheets, "I/O APIC"):
 * IOREGSEL, IOWIN, EOI; identification, version and arbitration registers; edge and level inputs, masks, remote IRR, every delivery mode.
 *
 * Lines are logical: `set(true)` asserts, whatever the wire's polarity. With `activeLow` a board says which wires idle high; then an
 * entry whose polarity does not fit its wire sees the line inverted, as on real wires. Without it the polarity bit is only stored.
 *
 * Left out: the serial APIC bus and its arbitration (the arbitration register shows the ID); delivery status, as messages arrive at once.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, MmioDevice, Saveable } from '../vmm/bus.ts';
import { FIXED, LOWEST_PRIORITY, MSG_ASSERT } from './apic-bus.ts';
import { savedInt, savedInts } from './saved.ts';

export const IOAPIC_BYTES = 0x1000;
export const IOAPIC_PINS = 24;

/** Registers in memory. */
const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOI = 0x40;

/** Registers behind IOREGSEL. */
const IOAPICID = 0;
const IOAPICVER = 1;
const IOAPICARB = 2;
const IOREDTBL = 0x10;

const VERSION = 0x20;

/** Fields of a redirection entry's low half. */
const VECTOR = 0xff;
const MODE = 0x700;
const DESTINATION_LOGICAL = 0x800;
const POLARITY_LOW = 0x2000;
const REMOTE_IRR = 0x4000;
const TRIGGER_LEVEL = 0x8000;
const MASK = 0x10000;
/** Delivery status and remote IRR are the chip's own. */
const WRITABLE = VECTOR | MODE | DESTINATION_LOGICAL | POLARITY_LOW | TRIGGER_LEVEL | MASK;
/** Destination in bits 63:56. */
const HIGH_WRITABLE = 0xff00_0000;

/** Number that KVM gives the IOAPIC among interrupt chips. */
const IRQCHIP_IOAPIC = 2;

/** What to call when something happens, for probes. */
export interface IoapicTrace {
  /** `high` and `low` are the redirection entry's halves; `coalesced` is 1 when the request merged with one not yet served. */
  ioapicSetIrq?(high: number, low: number, irq: number, coalesced: number): void;
  ackIrq?(irqchip: number, pin: number): void;
}

export interface IoapicOptions {
  /** Takes the messages (see `ApicBus.deliver`); returns how many local APICs took one. */
  readonly bus: { deliver(message: number, destination: number): number };
  /** IOAPIC ID after reset, 0 to 15; default 0. */
  readonly id?: number;
  /** Bit n set: the wire of pin n idles high. Undefined: lines are logical and polarity does not matter. */
  readonly activeLow?: number;
  readonly trace?: IoapicTrace;
}

/** Only fixed and lowest-priority interrupts are ever level; the others are treated as edges (datasheet, DELMOD). */
function isLevel(low: number): boolean {
  const mode = (low & MODE) >> 8;
  return (low & TRIGGER_LEVEL) !== 0 && (mode === FIXED || mode === LOWEST_PRIORITY);
}

/** The chip, as a page of MMIO. */
export class Ioapic implements MmioDevice, Saveable {
  readonly #bus: { deliver(message: number, destination: number): number };
  readonly #resetId: number;
  readonly #activeLow: number | undefined;
  readonly #trace: IoapicTrace | undefined;
  readonly #low = new Int32Array(IOAPIC_PINS);
  readonly #high = new Int32Array(IOAPIC_PINS);
  #select = 0;
  #id = 0;
  /** Bit n: line n is asserted by its device. */
  #lines = 0;
  /** Bit n: input n is active as its entry's polarity sees it. */
  #active = 0;

  constructor(options: IoapicOptions) {
    this.#bus = options.bus;
    this.#resetId = options.id ?? 0;
    this.#activeLow = options.activeLow;
    this.#trace = options.trace;
    this.reset();
  }

  /** Power-on state: every entry masked. The lines' levels are the devices' own and stay. */
  reset(): void {
    this.#low.fill(MASK);
    this.#high.fill(0);
    this.#select = 0;
    this.#id = this.#resetId;
    this.#active = 0;
    for (let pin = 0; pin < IOAPIC_PINS; pin++) this.#sense(pin);
  }

  /** Input `n`, 0 to 23. */
  line(n: number): IrqLine {
    return { set: (level: boolean): void => this.#setLine(n, level) };
  }

  #setLine(pin: number, level: boolean): void {
    const bit = 1 << pin;
    const was = this.#active & bit;
    if (level) this.#lines |= bit;
    else this.#lines &= ~bit;
    this.#sense(pin);
    const low = this.#low[pin];
    let taken = 1;
    if ((this.#active & bit) !== 0) taken = was === 0 || isLevel(low) ? this.#serve(pin) : 0;
    this.#trace?.ioapicSetIrq?.(this.#high[pin] >>> 0, low >>> 0, pin, taken === 0 ? 1 : 0);
  }

  /** Brings `#active` up to date with the line and the entry's polarity. */
  #sense(pin: number): void {
    const bit = 1 << pin;
    let active = (this.#lines & bit) !== 0;
    if (this.#activeLow !== undefined) {
      const mismatch = ((this.#activeLow & bit) !== 0) !== ((this.#low[pin] & POLARITY_LOW) !== 0);
      active = active !== mismatch;
    }
    if (active) this.#active |= bit;
    else this.#active &= ~bit;
  }

  /** Sends the entry's message. Returns how many local APICs took it, or -1 when it was masked or, a level, is still being served. */
  #serve(pin: number): number {
    const low = this.#low[pin];
    const level = isLevel(low);
    if ((low & MASK) !== 0 || (level && (low & REMOTE_IRR) !== 0)) return -1;
    const message = (low & (VECTOR | MODE | DESTINATION_LOGICAL)) | (level ? TRIGGER_LEVEL : 0) | MSG_ASSERT;
    // Remote IRR goes up before the message: an acceptance may already end with its EOI.
    if (level) this.#low[pin] = low | REMOTE_IRR;
    const taken = this.#bus.deliver(message, this.#high[pin] >>> 24);
    if (level && taken === 0) this.#low[pin] = this.#low[pin] & ~REMOTE_IRR;
    return taken;
  }

  /** An EOI for `vector`, from a local APIC or the EOI register: level entries with it are free, and ask again if still active. */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const low = this.#low[pin];
      if ((low & VECTOR) !== vector || (low & REMOTE_IRR) === 0) continue;
      this.#low[pin] = low & ~REMOTE_IRR;
      this.#trace?.ackIrq?.(IRQCHIP_IOAPIC, pin);
      if ((this.#active & (1 << pin)) !== 0) this.#serve(pin);
    }
  }

  mmioRead(offset: number, size: AccessSize): number {
    const shift = (offset & 3) * 8;
    const value = this.#readRegister(offset & 0xffc) >>> shift;
    return (size === 4 ? value : value & (size === 2 ? 0xffff : 0xff)) >>> 0;
  }

  #readRegister(offset: number): number {
    if (offset === IOREGSEL) return this.#select;
    if (offset === IOWIN) return this.#readIndexed();
    return 0;
  }

  #readIndexed(): number {
    const index = this.#select;
    if (index === IOAPICID || index === IOAPICARB) return this.#id << 24;
    if (index === IOAPICVER) return VERSION | ((IOAPIC_PINS - 1) << 16);
    const pin = (index - IOREDTBL) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return 0;
    return ((index & 1) === 0 ? this.#low[pin] : this.#high[pin]) as number;
  }

  /** IOREGSEL and EOI take their low byte however wide the write; IOWIN is 32 bits wide and takes only such writes. */
  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (offset === IOREGSEL) this.#select = value & 0xff;
    else if (offset === EOI) this.eoi(value & 0xff);
    else if (offset === IOWIN && size === 4) this.#writeIndexed(value);
  }

  #writeIndexed(value: number): void {
    const index = this.#select;
    if (index === IOAPICID) this.#id = (value >>> 24) & 15;
    const pin = (index - IOREDTBL) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return;
    if ((index & 1) === 0) this.#writeEntry(pin, value);
    else this.#high[pin] = value & HIGH_WRITABLE;
  }

  #writeEntry(pin: number, value: number): void {
    const old = this.#low[pin];
    let low = (value & WRITABLE) | (old & REMOTE_IRR);
    // Remote IRR means nothing to an edge entry: software clears a stuck one by a turn through edge.
    if (!isLevel(low)) low &= ~REMOTE_IRR;
    this.#low[pin] = low;
    const was = this.#active & (1 << pin);
    this.#sense(pin);
    const active = this.#active & (1 << pin);
    // A level that was masked or sensed otherwise asks now; an edge only when the new polarity made one.
    if (active !== 0 && (isLevel(low) || was === 0)) this.#serve(pin);
  }

  save(): DeviceState {
    return {
      low: Array.from(this.#low, (half) => half >>> 0),
      high: Array.from(this.#high, (half) => half >>> 0),
      select: this.#select,
      id: this.#id,
      lines: this.#lines,
      active: this.#active,
    };
  }

  restore(state: DeviceState): void {
    const low = savedInts(state, 'low', IOAPIC_PINS, 0, 0xffff_ffff);
    const high = savedInts(state, 'high', IOAPIC_PINS, 0, 0xffff_ffff);
    const select = savedInt(state, 'select', 0, 0xff);
    const id = savedInt(state, 'id', 0, 15);
    const lines = savedInt(state, 'lines', 0, 0xff_ffff);
    const active = savedInt(state, 'active', 0, 0xff_ffff);
    this.#low.set(low.map((half) => half & (WRITABLE | REMOTE_IRR)));
    this.#high.set(high.map((half) => half & HIGH_WRITABLE));
    this.#select = select;
    this.#id = id;
    this.#lines = lines;
    this.#active = active;
  }
}
