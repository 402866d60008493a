/**
 * The PC/AT's interrupt controllers: two cascaded 8259A with edge/level control registers.
 *
 * Models (Intel 8259A datasheet, order number 231468; Intel 82371SB for the ELCR at 4D0h and 4D1h): ICW1 to ICW4, OCW1 to OCW3, fully
 * nested and special fully nested priorities, rotation, special mask mode, poll, automatic EOI, every EOI command, edge and level inputs,
 * the spurious interrupts 7 and 15, and the cascade through input 2. An edge request stands only while its input stays high, as the
 * datasheet's "IR triggering timing" asks.
 *
 * Left out: the CALL sequence of MCS-80 mode (an x86 cannot use it; the vector is given as in 8086 mode), buffered mode, and ICW1's LTIM,
 * which the ELCR replaces.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedParts } from './saved.ts';

export const PIC_MASTER_PORT = 0x20;
export const PIC_SLAVE_PORT = 0xa0;
export const ELCR_PORT = 0x4d0;

const ICW1 = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

/** The master's input that the slave drives. */
const CASCADE = 2;

/** Inputs that the ELCR cannot make level-triggered: 0, 1, 2 and 8, 13. */
const ELCR_MASTER = 0xf8;
const ELCR_SLAVE = 0xde;

/** What to call when something happens, for probes. */
export interface PicTrace {
  /** `coalesced` is 1 when a request stood already. */
  picSetIrq?(chip: number, pin: number, elcr: number, imr: number, coalesced: number): void;
  /** An interrupt was ended by an EOI: chip 0 or 1, input 0 to 7. */
  ackIrq?(irqchip: number, pin: number): void;
}

/** One 8259A. Sets of inputs are bytes, bit n = IRn. */
class Pic8259 {
  readonly chip: number;
  readonly elcrMask: number;
  readonly #changed: () => void;
  readonly #trace: PicTrace | undefined;
  irr = 0;
  isr = 0;
  imr = 0xff;
  elcr = 0;
  /** Levels of the inputs. */
  inputs = 0;
  /** T7-T3 of the vectors. */
  base = 0;
  /** ICW3: inputs with slaves (master), or the own number (slave). */
  icw3 = 0;
  /** The input with the lowest priority. */
  lowest = 7;
  /** ICW that the next write to A0 = 1 is: 2, 3, 4, or 0 for OCW1. */
  expects = 0;
  needsIcw4 = false;
  single = false;
  autoEoi = false;
  rotateOnAutoEoi = false;
  specialMask = false;
  specialNested = false;
  readIsr = false;
  poll = false;

  constructor(chip: number, elcrMask: number, changed: () => void, trace: PicTrace | undefined) {
    this.chip = chip;
    this.elcrMask = elcrMask;
    this.#changed = changed;
    this.#trace = trace;
  }

  /** Power-on state (undefined in the datasheet; all inputs masked here); the inputs keep their levels. */
  reset(): void {
    this.irr = 0;
    this.elcr = 0;
    this.base = 0;
    this.icw3 = 0;
    this.expects = 0;
    this.needsIcw4 = false;
    this.single = false;
    this.rotateOnAutoEoi = false;
    this.#initialize();
    this.imr = 0xff;
  }

  /** Returns 1 when the request coalesces with one that stands already, else 0. */
  setInput(pin: number, level: boolean): number {
    const bit = 1 << pin;
    const was = this.irr;
    const rises = level && (this.inputs & bit) === 0;
    if (level) {
      this.inputs |= bit;
      if (rises || (this.elcr & bit) !== 0) this.irr |= bit;
    } else {
      this.inputs &= ~bit;
      this.irr &= ~bit;
    }
    const asks = level && (rises || (this.elcr & bit) !== 0);
    if (this.irr !== was) this.#changed();
    return asks && (was & ~this.imr & bit) !== 0 ? 1 : 0;
  }

  /** Place in the order of priorities, 0 = highest. */
  #rank(pin: number): number {
    return (pin - this.lowest - 1) & 7;
  }

  /** The set's input with the highest priority, or -1. */
  #highest(set: number): number {
    if (set === 0) return -1;
    const first = (this.lowest + 1) & 7;
    const rotated = ((set >> first) | (set << (8 - first))) & 0xff;
    return (first + 31 - Math.clz32(rotated & -rotated)) & 7;
  }

  /** The input whose request goes to INT now, or -1 (datasheet, "Fully Nested Mode", "Special Mask Mode"). */
  request(): number {
    const pin = this.#highest(this.irr & ~this.imr);
    if (pin < 0) return -1;
    const serving = this.#highest(this.specialMask ? this.isr & ~this.imr : this.isr);
    if (serving < 0) return pin;
    const rank = this.#rank(pin);
    const limit = this.#rank(serving);
    // Special fully nested mode: a further request from the slave being served is let through.
    const nested = this.specialNested && this.chip === 0 && pin === serving && (this.icw3 & (1 << pin)) !== 0;
    return rank < limit || nested ? pin : -1;
  }

  /** The acknowledge cycle: the input served, or -1 when its request is gone (the caller gives IR7's vector). */
  acknowledge(): number {
    const pin = this.request();
    if (pin < 0) return -1;
    const bit = 1 << pin;
    if ((this.elcr & bit) === 0) this.irr &= ~bit;
    if (this.autoEoi) {
      this.#trace?.ackIrq?.(this.chip, pin);
      if (this.rotateOnAutoEoi) this.lowest = pin;
    } else this.isr |= bit;
    return pin;
  }

  vector(pin: number): number {
    return this.base | pin;
  }

  read(a0: number): number {
    if (this.poll) {
      // The read after a poll command is an acknowledge; its answer: request in bit 7, level in bits 2:0.
      this.poll = false;
      const pin = this.acknowledge();
      this.#changed();
      return pin < 0 ? 0 : 0x80 | pin;
    }
    if (a0 === 1) return this.imr;
    return this.readIsr ? this.isr : this.irr;
  }

  write(a0: number, byte: number): void {
    if (a0 === 1) this.#writeData(byte);
    else if ((byte & ICW1) !== 0) this.#writeIcw1(byte);
    else if ((byte & OCW3) !== 0) this.#writeOcw3(byte);
    else this.#writeOcw2(byte);
    this.#changed();
  }

  #initialize(): void {
    // Level inputs ask again at once; an edge input must rise again (datasheet, ICW1, item a).
    this.irr = this.inputs & this.elcr;
    this.isr = 0;
    this.imr = 0;
    this.lowest = 7;
    this.specialMask = false;
    this.readIsr = false;
    this.poll = false;
    this.autoEoi = false;
    this.specialNested = false;
  }

  #writeIcw1(byte: number): void {
    this.#initialize();
    this.single = (byte & ICW1_SNGL) !== 0;
    this.needsIcw4 = (byte & ICW1_IC4) !== 0;
    this.expects = 2;
  }

  #writeData(byte: number): void {
    switch (this.expects) {
      case 2:
        this.base = byte & 0xf8;
        this.expects = this.single ? (this.needsIcw4 ? 4 : 0) : 3;
        break;
      case 3:
        this.icw3 = byte;
        this.expects = this.needsIcw4 ? 4 : 0;
        break;
      case 4:
        this.autoEoi = (byte & ICW4_AEOI) !== 0;
        this.specialNested = (byte & ICW4_SFNM) !== 0;
        this.expects = 0;
        break;
      default:
        this.imr = byte;
    }
  }

  #writeOcw3(byte: number): void {
    if ((byte & OCW3_ESMM) !== 0) this.specialMask = (byte & OCW3_SMM) !== 0;
    // Poll overrides a register read when both are asked for (datasheet, "Reading the 8259A Status").
    if ((byte & OCW3_POLL) !== 0) this.poll = true;
    else if ((byte & OCW3_RR) !== 0) this.readIsr = (byte & OCW3_RIS) !== 0;
  }

  /** R, SL, EOI in bits 7:5 (datasheet, OCW2). */
  #writeOcw2(byte: number): void {
    const level = byte & 7;
    switch (byte >> 5) {
      case 0:
        this.rotateOnAutoEoi = false;
        break;
      case 1:
        this.#endOfInterrupt(this.#served(), false);
        break;
      case 3:
        this.#endOfInterrupt(level, false);
        break;
      case 4:
        this.rotateOnAutoEoi = true;
        break;
      case 5:
        this.#endOfInterrupt(this.#served(), true);
        break;
      case 6:
        this.lowest = level;
        break;
      case 7:
        this.#endOfInterrupt(level, true);
        break;
    }
  }

  /** What a non-specific EOI ends: in special mask mode a masked bit is not cleared by it. */
  #served(): number {
    return this.#highest(this.specialMask ? this.isr & ~this.imr : this.isr);
  }

  #endOfInterrupt(pin: number, rotate: boolean): void {
    if (pin < 0) return;
    const bit = 1 << pin;
    if ((this.isr & bit) !== 0) {
      this.isr &= ~bit;
      this.#trace?.ackIrq?.(this.chip, pin);
    }
    if (rotate) this.lowest = pin;
  }

  writeElcr(byte: number): void {
    this.elcr = byte & this.elcrMask;
    this.irr = (this.irr & ~this.elcr) | (this.inputs & this.elcr);
    this.#changed();
  }

  save(): DeviceState {
    return {
      irr: this.irr,
      isr: this.isr,
      imr: this.imr,
      elcr: this.elcr,
      inputs: this.inputs,
      base: this.base,
      icw3: this.icw3,
      lowest: this.lowest,
      expects: this.expects,
      needsIcw4: this.needsIcw4,
      single: this.single,
      autoEoi: this.autoEoi,
      rotateOnAutoEoi: this.rotateOnAutoEoi,
      specialMask: this.specialMask,
      specialNested: this.specialNested,
      readIsr: this.readIsr,
      poll: this.poll,
    };
  }

  /** Takes a saved state without telling anybody. */
  load(state: DeviceState): void {
    this.irr = savedInt(state, 'irr', 0, 0xff);
    this.isr = savedInt(state, 'isr', 0, 0xff);
    this.imr = savedInt(state, 'imr', 0, 0xff);
    this.elcr = savedInt(state, 'elcr', 0, 0xff) & this.elcrMask;
    this.inputs = savedInt(state, 'inputs', 0, 0xff);
    this.base = savedInt(state, 'base', 0, 0xf8) & 0xf8;
    this.icw3 = savedInt(state, 'icw3', 0, 0xff);
    this.lowest = savedInt(state, 'lowest', 0, 7);
    this.expects = savedInt(state, 'expects', 0, 4);
    this.needsIcw4 = savedFlag(state, 'needsIcw4');
    this.single = savedFlag(state, 'single');
    this.autoEoi = savedFlag(state, 'autoEoi');
    this.rotateOnAutoEoi = savedFlag(state, 'rotateOnAutoEoi');
    this.specialMask = savedFlag(state, 'specialMask');
    this.specialNested = savedFlag(state, 'specialNested');
    this.readIsr = savedFlag(state, 'readIsr');
    this.poll = savedFlag(state, 'poll');
  }
}

export interface PicOptions {
  /** The master's INT output, called when it changes. */
  readonly intr: (level: boolean) => void;
  readonly trace?: PicTrace;
}

/** Both controllers at ports 20h, 21h, A0h, A1h, 4D0h and 4D1h. */
export class Pic implements PortDevice, Saveable {
  readonly #intr: (level: boolean) => void;
  readonly #master: Pic8259;
  readonly #slave: Pic8259;
  readonly #trace: PicTrace | undefined;
  #level = false;

  constructor(options: PicOptions) {
    this.#intr = options.intr;
    this.#trace = options.trace;
    this.#master = new Pic8259(0, ELCR_MASTER, () => this.#masterChanged(), options.trace);
    this.#slave = new Pic8259(1, ELCR_SLAVE, () => this.#slaveChanged(), options.trace);
  }

  /** Input 0 to 15. Input 2 is the cascade: its line goes nowhere. */
  line(n: number): IrqLine {
    if (n === CASCADE) return { set() {} };
    const chip = n < 8 ? this.#master : this.#slave;
    const pin = n & 7;
    const trace = this.#trace;
    return {
      set(level: boolean): void {
        const coalesced = chip.setInput(pin, level);
        trace?.picSetIrq?.(chip.chip, pin, chip.elcr, chip.imr, coalesced);
      },
    };
  }

  /** The INT output. */
  get intr(): boolean {
    return this.#level;
  }

  #masterChanged(): void {
    const level = this.#master.request() >= 0;
    if (level === this.#level) return;
    this.#level = level;
    this.#intr(level);
  }

  #slaveChanged(): void {
    this.#master.setInput(CASCADE, this.#slave.request() >= 0);
  }

  /**
   * The processor's acknowledge cycles: the vector. When the request is gone it is the spurious one, IR7 of the controller that answers,
   * without an in-service bit there (datasheet, "Interrupt Sequence").
   */
  ack(): number {
    const pin = this.#master.acknowledge();
    let vector = this.#master.vector(pin < 0 ? 7 : pin);
    if (pin === CASCADE) {
      const slavePin = this.#slave.acknowledge();
      vector = this.#slave.vector(slavePin < 0 ? 7 : slavePin);
      // INT drops with the acknowledge, so that a further request of the slave is an edge at the master again.
      this.#master.setInput(CASCADE, false);
      this.#slaveChanged();
    }
    this.#masterChanged();
    return vector;
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
    if (port >> 1 === PIC_MASTER_PORT >> 1) return this.#master.read(port & 1);
    if (port >> 1 === PIC_SLAVE_PORT >> 1) return this.#slave.read(port & 1);
    if (port === ELCR_PORT) return this.#master.elcr;
    if (port === ELCR_PORT + 1) return this.#slave.elcr;
    return 0xff;
  }

  #writeByte(port: number, byte: number): void {
    if (port >> 1 === PIC_MASTER_PORT >> 1) this.#master.write(port & 1, byte);
    else if (port >> 1 === PIC_SLAVE_PORT >> 1) this.#slave.write(port & 1, byte);
    else if (port === ELCR_PORT) this.#master.writeElcr(byte);
    else if (port === ELCR_PORT + 1) this.#slave.writeElcr(byte);
  }

  /** Power-on state. The inputs' levels are the devices' own and stay. */
  reset(): void {
    this.#slave.reset();
    this.#master.reset();
    this.#slaveChanged();
    this.#masterChanged();
  }

  save(): DeviceState {
    return { chips: [this.#master.save(), this.#slave.save()], intr: this.#level };
  }

  restore(state: DeviceState): void {
    const parts = savedParts(state, 'chips', 2);
    const level = savedFlag(state, 'intr');
    const scratch = new Pic8259(0, 0xff, () => {}, undefined);
    for (const part of parts) scratch.load(part);
    this.#master.load(parts[0]);
    this.#slave.load(parts[1]);
    this.#level = level;
  }
}
