/**
 * 8254 programmable interval timer with the system control port (61h) of the PC/AT.
 *
 * Models (Intel 82C54 datasheet, order number 231244): three 16-bit counters at 1.193182 MHz, modes 0 to 5, binary and BCD, counter latch
 * and read-back commands, low/high/both bytes, null count and OUT in the status byte, GATE of counter 2. Port 61h as the PC/AT wires it
 * (Intel 82371SB, NMI status and control register): bit 0 GATE 2, bit 1 speaker data, bits 3:2 stored, bit 4 refresh toggle, bit 5 OUT 2.
 *
 * Nothing counts: a counter is the CLK pulse at which it was loaded, and its value and output are computed from the VM's clock when
 * somebody looks. CLK pulse n ends at exactly n * 500000000 / 596591 ns (1193182 Hz reduced), so no period drifts. A deadline stands only
 * for the next edge of counter 0's line, while someone listens.
 *
 * Left out: the speaker itself; GATE 0 and 1 are tied high; the counters' values before the first load (undefined, read 0). The
 * one-CLK low pulse of modes 2, 4 and 5 reaches the interrupt line as fall and rise together at its end (the status byte shows it exactly).
 *
 * @module
 */
import type { AccessSize, Clock, Deadline, DeviceState, IrqLine, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedParts } from './saved.ts';

/** First of the four ports of the counters. */
export const PIT_PORT = 0x40;
export const PIT_PORTS = 4;
/** NMI status and control register. */
export const SYSTEM_CONTROL_PORT = 0x61;

/** 1193182 Hz / 1e9, reduced: CLK pulses per nanosecond. */
const CLKS = 596_591;
const NANOSECONDS = 500_000_000;

/** Half a period of the memory refresh request, which bit 4 of port 61h shows. */
const REFRESH_NS = 15_085;

const PORT61_WRITABLE = 0x0f;
const PORT61_GATE2 = 0x01;
const PORT61_REFRESH = 0x10;
const PORT61_OUT2 = 0x20;

const RW_LOW = 1;
const RW_HIGH = 2;
const RW_BOTH = 3;

/** CLK pulses completed at `ns`. Exact: every product stays below 2^53, and a quotient of such integers floors correctly. */
function clksAt(ns: number): number {
  const whole = Math.floor(ns / NANOSECONDS);
  return whole * CLKS + Math.floor(((ns - whole * NANOSECONDS) * CLKS) / NANOSECONDS);
}

/** The first nanosecond at which `clks` pulses are complete. */
function nsOf(clks: number): number {
  const whole = Math.floor(clks / CLKS);
  return whole * NANOSECONDS + Math.ceil(((clks - whole * CLKS) * NANOSECONDS) / CLKS);
}

/** A control word is there but no count. */
const IDLE = 0;
/** A count is there; modes 1 and 5 wait for their trigger. */
const ARMED = 1;
/** The counting element holds (or is about to be loaded with) `initial`. */
const RUNNING = 2;

/** One counter. Times are CLK pulses of the VM's clock. */
class Counter {
  mode = 0;
  rw = RW_BOTH;
  bcd = false;
  gate: boolean;
  phase = IDLE;
  /** Count register: pulses, 1 to 65536. */
  count = 65536;
  /** What the present cycle was loaded with. */
  initial = 65536;
  /** The CLK pulse that loads (or loaded) `initial` into the counting element. */
  origin = 0;
  /** Pulses counted when GATE froze the counter, or -1 while it counts. */
  held = -1;
  /** OUT and counting element until `origin`, and while IDLE or ARMED. */
  outBefore = false;
  valueBefore = 0;
  /** The count register is newer than the counting element. */
  stale = false;
  /** The CLK pulse that reloads a periodic mode with a newer count, or Infinity. */
  reloadAt = Number.POSITIVE_INFINITY;
  /** Low byte written, high byte awaited. */
  writeLow = -1;
  readHigh = false;
  /** Latched count, as read, or -1. */
  latched = -1;
  /** Latched status byte, or -1. */
  status = -1;

  constructor(gate: boolean) {
    this.gate = gate;
  }

  reset(gate: boolean): void {
    Object.assign(this, new Counter(gate));
  }

  /** Pulses since the load: -1 before it. */
  #elapsed(clk: number): number {
    return this.held >= 0 ? this.held : clk - this.origin;
  }

  /** Applies the reload of a periodic mode that has come due. */
  sync(clk: number): void {
    if (clk < this.reloadAt) return;
    // Mode 3 reloads at the end of either half (datasheet, mode 3): a low half keeps its place in the new cycle.
    const high = (this.initial + 1) >> 1;
    const midCycle = this.mode === 3 && (this.reloadAt - this.origin) % this.initial === high && this.initial > 1;
    this.initial = this.count;
    this.origin = midCycle ? this.reloadAt - ((this.count + 1) >> 1) : this.reloadAt;
    this.reloadAt = Number.POSITIVE_INFINITY;
    this.stale = false;
  }

  /** OUT at `clk`, after `sync`. */
  out(clk: number): boolean {
    if (this.phase !== RUNNING) return this.outBefore;
    const elapsed = this.#elapsed(clk);
    if (elapsed < 0) return this.outBefore;
    switch (this.mode) {
      case 0:
      case 1:
        return elapsed >= this.initial;
      case 2:
        // A count of 1 is illegal in mode 2: OUT stays high.
        return this.held >= 0 || this.initial === 1 || elapsed % this.initial !== this.initial - 1;
      case 3:
        return this.held >= 0 || elapsed % this.initial < (this.initial + 1) >> 1;
      default:
        return elapsed !== this.initial;
    }
  }

  /** The counting element at `clk`, after `sync`: 0 to 65535, or to 9999 in BCD. */
  value(clk: number): number {
    if (this.phase !== RUNNING) return this.valueBefore;
    const elapsed = this.#elapsed(clk);
    if (elapsed < 0) return this.valueBefore;
    const modulus = this.bcd ? 10_000 : 65_536;
    if (this.mode === 2) return (this.initial - (elapsed % this.initial)) % modulus;
    if (this.mode === 3) {
      // Counts by two; an odd count is loaded less one, and its high half has one pulse more (datasheet, mode 3).
      const place = elapsed % this.initial;
      const high = (this.initial + 1) >> 1;
      const even = this.initial & ~1;
      return (even - 2 * (place < high ? place : place - high)) % modulus;
    }
    const left = (this.initial - elapsed) % modulus;
    return left < 0 ? left + modulus : left;
  }

  /** The next pulse after `clk` at which the interrupt line hears of OUT, or Infinity. */
  nextEdge(clk: number): number {
    if (this.phase !== RUNNING || this.held >= 0) return Number.POSITIVE_INFINITY;
    const elapsed = clk - this.origin;
    const start = elapsed < 0 ? this.origin : clk - (elapsed % this.initial);
    const high = (this.initial + 1) >> 1;
    switch (this.mode) {
      case 0:
      case 1:
        return elapsed < this.initial ? this.origin + this.initial : Number.POSITIVE_INFINITY;
      case 2:
        return this.initial === 1 ? this.reloadAt : start + this.initial;
      case 3:
        if (this.initial === 1) return this.reloadAt;
        return clk < start + high ? start + high : start + this.initial;
      default:
        return elapsed <= this.initial ? this.origin + this.initial + 1 : Number.POSITIVE_INFINITY;
    }
  }

  /** Control word with RW not 0 (datasheet, "Control Word Format"): counting stops until a count is written. */
  program(word: number, clk: number): void {
    this.#freeze(clk);
    this.mode = (word >> 1) & 7;
    if (this.mode > 5) this.mode -= 4;
    this.rw = (word >> 4) & 3;
    this.bcd = (word & 1) !== 0;
    this.outBefore = this.mode !== 0;
    this.stale = true;
    this.writeLow = -1;
    this.readHigh = false;
    this.latched = -1;
    this.status = -1;
  }

  #freeze(clk: number): void {
    this.valueBefore = this.value(clk);
    this.phase = IDLE;
    this.held = -1;
    this.reloadAt = Number.POSITIVE_INFINITY;
  }

  write(byte: number, clk: number): void {
    if (this.rw === RW_LOW) this.#setCount(byte, clk);
    else if (this.rw === RW_HIGH) this.#setCount(byte << 8, clk);
    else if (this.writeLow < 0) {
      this.writeLow = byte;
      // Mode 0: the first byte stops the counting and drops OUT at once.
      if (this.mode === 0) {
        this.#freeze(clk);
        this.outBefore = false;
      }
    } else {
      const low = this.writeLow;
      this.writeLow = -1;
      this.#setCount(low | (byte << 8), clk);
    }
  }

  #setCount(raw: number, clk: number): void {
    this.count = this.bcd ? fromBcd(raw) : raw === 0 ? 65_536 : raw;
    const triggered = this.mode === 1 || this.mode === 5;
    const periodic = this.mode === 2 || this.mode === 3;
    if (triggered) {
      this.stale = true;
      if (this.phase !== RUNNING) this.phase = ARMED;
    } else if (periodic && this.phase === RUNNING && clk >= this.origin) {
      this.stale = true;
      if (this.reloadAt === Number.POSITIVE_INFINITY && this.held < 0) this.reloadAt = this.#cycleEnd(clk);
    } else {
      this.outBefore = this.mode === 0 ? false : this.out(clk);
      this.#load(clk);
    }
  }

  /** End of the present cycle (mode 2) or half cycle (mode 3). */
  #cycleEnd(clk: number): number {
    const start = clk - ((clk - this.origin) % this.initial);
    const half = start + ((this.initial + 1) >> 1);
    return this.mode === 3 && clk < half ? half : start + this.initial;
  }

  /** The next CLK pulse loads the counting element. */
  #load(clk: number): void {
    this.valueBefore = this.value(clk);
    this.initial = this.count;
    this.origin = clk + 1;
    this.held = this.gate || this.mode === 1 || this.mode === 5 ? -1 : 0;
    this.phase = RUNNING;
    this.stale = false;
    this.reloadAt = Number.POSITIVE_INFINITY;
  }

  /** GATE (datasheet, "Gate Pin Operations Summary"). */
  setGate(high: boolean, clk: number): void {
    if (high === this.gate) return;
    if (high) this.#gateRise(clk);
    else this.#gateFall(clk);
    this.gate = high;
  }

  #gateRise(clk: number): void {
    this.gate = true;
    if (this.phase === IDLE) return;
    if (this.mode === 0 || this.mode === 4) {
      if (this.held < 0) return;
      this.origin = Math.max(clk, this.origin) - this.held;
      this.held = -1;
    } else {
      // A trigger: modes 1 and 5 start, modes 2 and 3 start over.
      this.outBefore = this.out(clk);
      this.#load(clk);
    }
  }

  #gateFall(clk: number): void {
    if (this.phase !== RUNNING || this.mode === 1 || this.mode === 5) return;
    this.held = Math.max(0, clk - this.origin);
    this.reloadAt = Number.POSITIVE_INFINITY;
  }

  latchCount(clk: number): void {
    if (this.latched < 0) this.latched = this.#raw(clk);
  }

  latchStatus(clk: number): void {
    if (this.status >= 0) return;
    const nullCount = this.stale || this.phase !== RUNNING || clk < this.origin;
    this.status = (this.out(clk) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (this.rw << 4) | (this.mode << 1) | (this.bcd ? 1 : 0);
  }

  #raw(clk: number): number {
    const value = this.value(clk);
    return this.bcd ? toBcd(value) : value;
  }

  /** A data read: latched status first, then the latched count, else the counter itself. */
  read(clk: number): number {
    if (this.status >= 0) {
      const status = this.status;
      this.status = -1;
      return status;
    }
    const raw = this.latched >= 0 ? this.latched : this.#raw(clk);
    if (this.rw === RW_BOTH && !this.readHigh) {
      this.readHigh = true;
      return raw & 0xff;
    }
    this.readHigh = false;
    this.latched = -1;
    return this.rw === RW_LOW ? raw & 0xff : raw >> 8;
  }

  save(): DeviceState {
    return {
      mode: this.mode,
      rw: this.rw,
      bcd: this.bcd,
      gate: this.gate,
      phase: this.phase,
      count: this.count,
      initial: this.initial,
      origin: this.origin,
      held: this.held,
      outBefore: this.outBefore,
      valueBefore: this.valueBefore,
      stale: this.stale,
      reloadAt: this.reloadAt === Number.POSITIVE_INFINITY ? -1 : this.reloadAt,
      writeLow: this.writeLow,
      readHigh: this.readHigh,
      latched: this.latched,
      status: this.status,
    };
  }

  /** Takes a saved state; the caller has made `this` a new counter, so that a refused state changes nothing. */
  load(state: DeviceState): void {
    const time = Number.MAX_SAFE_INTEGER;
    this.mode = savedInt(state, 'mode', 0, 5);
    this.rw = savedInt(state, 'rw', RW_LOW, RW_BOTH);
    this.bcd = savedFlag(state, 'bcd');
    this.gate = savedFlag(state, 'gate');
    this.phase = savedInt(state, 'phase', IDLE, RUNNING);
    this.count = savedInt(state, 'count', 1, 65_536);
    this.initial = savedInt(state, 'initial', 1, 65_536);
    this.origin = savedInt(state, 'origin', -65_536, time);
    this.held = savedInt(state, 'held', -1, time);
    this.outBefore = savedFlag(state, 'outBefore');
    this.valueBefore = savedInt(state, 'valueBefore', 0, 65_535);
    this.stale = savedFlag(state, 'stale');
    const reloadAt = savedInt(state, 'reloadAt', -1, time);
    this.reloadAt = reloadAt < 0 ? Number.POSITIVE_INFINITY : reloadAt;
    this.writeLow = savedInt(state, 'writeLow', -1, 0xff);
    this.readHigh = savedFlag(state, 'readHigh');
    this.latched = savedInt(state, 'latched', -1, 0xffff);
    this.status = savedInt(state, 'status', -1, 0xff);
  }
}

/** Pulses that a BCD count stands for: 0 is 10000. Digits above 9 are not defined; they count by their place here. */
function fromBcd(raw: number): number {
  const value = (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15);
  return value === 0 ? 10_000 : value;
}

/** A value left over from binary counting shows its low four digits. */
function toBcd(value: number): number {
  const thousands = Math.floor(value / 1000) % 10;
  const hundreds = Math.floor(value / 100) % 10;
  const tens = Math.floor(value / 10) % 10;
  return (thousands << 12) | (hundreds << 8) | (tens << 4) | (value % 10);
}

export interface PitOptions {
  readonly clock: Clock;
  /** Counter 0's OUT. Without it no deadline is ever armed. */
  readonly irq?: IrqLine;
}

/** The three counters at ports 40h-43h and the system control port at 61h. */
export class Pit implements PortDevice, Saveable {
  readonly #clock: Clock;
  readonly #irq: IrqLine | undefined;
  readonly #deadline: Deadline;
  #counters = [new Counter(true), new Counter(true), new Counter(false)] as const;
  #port61 = 0;
  /** The level that the interrupt line was last given. */
  #level = false;
  /** The CLK pulse of the line's next edge, kept even while nobody listens. */
  #nextEdge = Number.POSITIVE_INFINITY;
  #listening: boolean;

  constructor(options: PitOptions) {
    this.#clock = options.clock;
    this.#irq = options.irq;
    this.#listening = options.irq !== undefined;
    this.#deadline = options.clock.deadline('pit', (now) => this.#edge(now));
  }

  portRead(port: number, size: AccessSize): number {
    let value = this.#readByte(port);
    for (let i = 1; i < size; i++) value |= this.#readByte(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.#writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  #readByte(port: number): number {
    if (port === SYSTEM_CONTROL_PORT) return this.#readPort61();
    const index = port - PIT_PORT;
    // The control register cannot be read: the bus floats.
    if (index < 0 || index > 2) return 0xff;
    const counter = this.#counters[index as 0 | 1 | 2];
    const clk = clksAt(this.#clock.now());
    counter.sync(clk);
    return counter.read(clk);
  }

  #readPort61(): number {
    const now = this.#clock.now();
    const clk = clksAt(now);
    const counter = this.#counters[2];
    counter.sync(clk);
    const refresh = Math.floor(now / REFRESH_NS) % 2 === 1 ? PORT61_REFRESH : 0;
    return this.#port61 | refresh | (counter.out(clk) ? PORT61_OUT2 : 0);
  }

  #writeByte(port: number, byte: number): void {
    const clk = clksAt(this.#clock.now());
    if (port === SYSTEM_CONTROL_PORT) {
      this.#port61 = byte & PORT61_WRITABLE;
      this.#counters[2].sync(clk);
      this.#counters[2].setGate((byte & PORT61_GATE2) !== 0, clk);
      return;
    }
    const index = port - PIT_PORT;
    if (index === 3) this.#control(byte, clk);
    else if (index >= 0 && index < 3) {
      const counter = this.#counters[index as 0 | 1 | 2];
      counter.sync(clk);
      counter.write(byte, clk);
      if (index === 0) this.#counter0Changed(clk);
    }
  }

  /** The control word register: a mode, a counter latch (RW = 0), or a read-back (counter number 3). */
  #control(byte: number, clk: number): void {
    const select = byte >> 6;
    if (select === 3) {
      for (let i = 0; i < 3; i++) {
        if ((byte & (2 << i)) === 0) continue;
        const counter = this.#counters[i as 0 | 1 | 2];
        counter.sync(clk);
        if ((byte & 0x20) === 0) counter.latchCount(clk);
        if ((byte & 0x10) === 0) counter.latchStatus(clk);
      }
      return;
    }
    const counter = this.#counters[select as 0 | 1 | 2];
    counter.sync(clk);
    if ((byte & 0x30) === 0) counter.latchCount(clk);
    else {
      counter.program(byte, clk);
      if (select === 0) this.#counter0Changed(clk);
    }
  }

  /** Whether anything would hear counter 0 (an unmasked pin): while not, its edges cost no deadline, and one pulse stands for those missed. */
  listen(on: boolean): void {
    if (this.#irq === undefined || on === this.#listening) return;
    this.#listening = on;
    if (on) this.#edge(this.#clock.now());
    else this.#deadline.cancel();
  }

  /** After a write: OUT may have moved at once, and the next edge stands elsewhere. */
  #counter0Changed(clk: number): void {
    if (this.#listening) this.#setLine(this.#counters[0].out(clk));
    this.#schedule(clk);
  }

  #setLine(level: boolean): void {
    if (level === this.#level) return;
    this.#level = level;
    this.#irq?.set(level);
  }

  /** Time has reached the next edge, or passed it: edges that were missed become one pulse. */
  #edge(now: number): void {
    const clk = clksAt(now);
    const counter = this.#counters[0];
    counter.sync(clk);
    // Modes 2, 4 and 5: the low pulse of one CLK ends here.
    const level = counter.mode === 2 || counter.mode > 3 || counter.out(clk);
    const missedRise = clk >= this.#nextEdge + counter.initial && this.#level && !level;
    if (missedRise) this.#setLine(false);
    if (missedRise || (clk >= this.#nextEdge && level === this.#level)) this.#setLine(!level);
    this.#setLine(level);
    this.#schedule(clk);
  }

  #schedule(clk: number): void {
    this.#nextEdge = this.#counters[0].nextEdge(clk);
    if (!this.#listening || this.#nextEdge === Number.POSITIVE_INFINITY) this.#deadline.cancel();
    else this.#deadline.arm(nsOf(this.#nextEdge));
  }

  reset(): void {
    this.#counters[0].reset(true);
    this.#counters[1].reset(true);
    this.#counters[2].reset(false);
    this.#port61 = 0;
    this.#nextEdge = Number.POSITIVE_INFINITY;
    this.#deadline.cancel();
    this.#setLine(false);
  }

  save(): DeviceState {
    return {
      counters: this.#counters.map((counter) => counter.save()),
      port61: this.#port61,
      level: this.#level,
      nextEdge: this.#nextEdge === Number.POSITIVE_INFINITY ? -1 : this.#nextEdge,
      listening: this.#listening,
    };
  }

  restore(state: DeviceState): void {
    const counters = [new Counter(true), new Counter(true), new Counter(false)] as const;
    const parts = savedParts(state, 'counters', 3);
    for (let i = 0; i < 3; i++) counters[i as 0 | 1 | 2].load(parts[i]);
    const port61 = savedInt(state, 'port61', 0, PORT61_WRITABLE);
    const level = savedFlag(state, 'level');
    const nextEdge = savedInt(state, 'nextEdge', -1, Number.MAX_SAFE_INTEGER);
    const listening = savedFlag(state, 'listening');
    this.#counters = counters;
    this.#port61 = port61;
    this.#level = level;
    this.#listening = listening && this.#irq !== undefined;
    this.#nextEdge = nextEdge < 0 ? Number.POSITIVE_INFINITY : nextEdge;
    if (this.#listening && nextEdge >= 0) this.#deadline.arm(nsOf(nextEdge));
    else this.#deadline.cancel();
  }
}
