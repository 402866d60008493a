/**
 * 16550A UART: eight byte-wide ports (COM1: 3F8h, IRQ 4).
 *
 * Specification: National Semiconductor PC16550D data sheet (registers: section 8; FIFO interrupts: 8.4 to 8.6), IBM PC/AT technical
 * reference (OUT2 gates the interrupt onto the bus).
 *
 * Timing. `instant` (default): a character leaves the moment it is written, so THRE and TEMT read 1 for ever, and the transmitter's
 * interrupt falls and rises again within the write; received characters wait on the host's side and enter the FIFO whenever the guest has emptied it.
 * `baud`: every character takes its start, data, parity and stop bits at the programmed divisor, both ways, by the VM's clock. Either way the
 * character timeout is four character times of that clock, and everything repeats.
 *
 * The host's side is a bounded queue: `input` says how many bytes it took, and nothing that the host sends is ever lost to an overrun (the
 * queue is the flow control). Overruns happen in loopback, as on the chip.
 *
 * Left out: DMA mode (FCR bit 3 is accepted, RXRDY/TXRDY have no pins here), stick parity's effect on data, parity and framing errors other
 * than those of a break (`sendBreak`).
 *
 * @module
 */
import type { AccessSize, Clock, Deadline, DeviceState, IrqLine, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedFlag, savedInt, savedInts } from './saved.ts';

export const COM1_PORT = 0x3f8;

// Register offsets (PC16550D, table I).
const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_RESET_RX = 0x02;
const FCR_RESET_TX = 0x04;
const LCR_STOP = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_FE = 0x08;
const LSR_BI = 0x10;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const LSR_FIFO_ERROR = 0x80;
const MSR_TERI = 0x04;
const MSR_DELTAS = 0x0f;
export const MSR_CTS = 0x10;
export const MSR_DSR = 0x20;
export const MSR_RI = 0x40;
export const MSR_DCD = 0x80;

const FIFO_DEPTH = 16;
/** Receiver trigger levels by FCR bits 7:6. */
const TRIGGERS = [1, 4, 8, 14] as const;
/** Characters that wait on the host's side at most. */
export const INPUT_QUEUE = 4096;

export interface SerialOptions {
  readonly irq: IrqLine;
  readonly clock: Clock;
  /** A character that the guest sent. */
  readonly output: (byte: number) => void;
  /** First port; a multiple of 8. Default COM1. */
  readonly port?: number;
  /** When a character is through; see the head of this file. Default `instant`. */
  readonly timing?: 'instant' | 'baud';
}

export class Serial implements PortDevice, Saveable {
  private readonly irq: IrqLine;
  private readonly clock: Clock;
  private readonly output: (byte: number) => void;
  private readonly port: number;
  private readonly baud: boolean;
  private readonly event: Deadline;

  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scr = 0;
  private divisor = 12;
  /** Modem inputs as the cable drives them, and the deltas of register MSR. */
  private lines = MSR_CTS | MSR_DSR | MSR_DCD;
  private deltas = 0;
  /** OE, PE, FE and BI as LSR shows them. */
  private errors = 0;
  private threPending = false;
  private level = false;

  // FIFO entries and queued input: the character, and above it in bits 15:8 its error bits.
  private readonly received = new Uint16Array(FIFO_DEPTH);
  private receivedHead = 0;
  private receivedCount = 0;
  /** The character last read: an empty buffer still gives it. */
  private last = 0;
  private readonly queue = new Uint16Array(INPUT_QUEUE);
  private queueHead = 0;
  private queueCount = 0;
  private readonly sending = new Uint8Array(FIFO_DEPTH);
  private sendingHead = 0;
  private sendingCount = 0;

  /** The character in the transmitter's shift register, or -1, and the time at which its last bit is out. */
  private shifting = -1;
  private shiftEnd = Infinity;
  /** When the next queued character is received (`baud` only). */
  private arrival = Infinity;
  /** When the characters in the FIFO have waited for four character times. */
  private timeout = Infinity;

  constructor(options: SerialOptions) {
    this.irq = options.irq;
    this.clock = options.clock;
    this.output = options.output;
    this.port = options.port ?? COM1_PORT;
    this.baud = options.timing === 'baud';
    this.event = options.clock.deadline('serial', (now) => this.settle(now));
  }

  attach(ports: PortBus): void {
    ports.addPorts(this.port, 8, this, 'serial');
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(port + i - this.port) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(port + i - this.port, (value >>> (8 * i)) & 0xff);
  }

  /** Offers characters from the host; returns how many were taken. Offer the rest again later. */
  input(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.inputSpace);
    for (let i = 0; i < taken; i++) this.enqueue(bytes[i]);
    this.settle(this.clock.now());
    return taken;
  }

  get inputSpace(): number {
    return INPUT_QUEUE - this.queueCount;
  }

  /** Holds the line low for longer than a character: a null character with BI and FE. False when the queue is full. */
  sendBreak(): boolean {
    if (this.inputSpace === 0) return false;
    this.enqueue((LSR_BI | LSR_FE) << 8);
    this.settle(this.clock.now());
    return true;
  }

  /** Drives the modem inputs: any of `MSR_CTS`, `MSR_DSR`, `MSR_RI`, `MSR_DCD`. */
  setModemLines(lines: number): void {
    const before = this.modem();
    this.lines = lines & 0xf0;
    this.noteModemChange(before);
    this.drive();
  }

  /** Sends at once whatever still waits for its time: for the board when the machine stops. */
  flush(): void {
    while (this.shifting >= 0) this.endOfCharacter();
    this.settle(this.clock.now());
  }

  /** Master reset (PC16550D, table 8.0). The divisor and the scratch register are not affected by it; what the host has queued stays queued. */
  reset(): void {
    this.ier = 0;
    this.fcr = 0;
    this.lcr = 0;
    this.mcr = 0;
    this.deltas = 0;
    this.errors = 0;
    this.threPending = false;
    this.clearReceiver();
    this.clearTransmitter();
    this.shifting = -1;
    this.shiftEnd = Infinity;
    this.settle(this.clock.now());
  }

  save(): DeviceState {
    const { ier, fcr, lcr, mcr, scr, divisor, lines, deltas, errors, threPending, level, shifting, last } = this;
    const ring = (from: Uint16Array | Uint8Array, head: number, count: number) =>
      Array.from({ length: count }, (_, i) => from[(head + i) % from.length]);
    const registers = { ier, fcr, lcr, mcr, scr, divisor, lines, deltas, errors, threPending, level, shifting, last };
    return {
      ...registers,
      shiftEnd: savedTime(this.shiftEnd),
      arrival: savedTime(this.arrival),
      timeout: savedTime(this.timeout),
      received: ring(this.received, this.receivedHead, this.receivedCount),
      queue: ring(this.queue, this.queueHead, this.queueCount),
      sending: ring(this.sending, this.sendingHead, this.sendingCount),
    };
  }

  restore(state: DeviceState): void {
    const byte = (key: string) => savedInt(state, key, 0, 0xff);
    const registers = {
      ier: byte('ier'),
      fcr: byte('fcr'),
      lcr: byte('lcr'),
      mcr: byte('mcr'),
      scr: byte('scr'),
      last: byte('last'),
      lines: byte('lines'),
    };
    const flags = { deltas: byte('deltas'), errors: byte('errors'), threPending: savedFlag(state, 'threPending') };
    const divisor = savedInt(state, 'divisor', 0, 0xffff);
    const level = savedFlag(state, 'level');
    const shifting = savedInt(state, 'shifting', -1, 0xff);
    const times = {
      shiftEnd: restoredTime(state, 'shiftEnd'),
      arrival: restoredTime(state, 'arrival'),
      timeout: restoredTime(state, 'timeout'),
    };
    const received = savedCharacters(state, 'received', FIFO_DEPTH, 0xffff);
    const queue = savedCharacters(state, 'queue', INPUT_QUEUE, 0xffff);
    const sending = savedCharacters(state, 'sending', FIFO_DEPTH, 0xff);
    if (shifting >= 0 !== times.shiftEnd < Infinity) throw new StateError('serial: saved shiftEnd does not fit shifting');
    Object.assign(this, registers, flags, times, { divisor, level, shifting, receivedHead: 0, queueHead: 0, sendingHead: 0 });
    this.received.set(received);
    this.receivedCount = received.length;
    this.queue.set(queue);
    this.queueCount = queue.length;
    this.sending.set(sending);
    this.sendingCount = sending.length;
    this.irq.set(level);
    const now = this.clock.now();
    this.schedule(now);
    // Saved at the very time of a deadline that had not been served yet.
    if (this.wanted() !== level) this.event.arm(now);
  }

  private readByte(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL:
        return this.lcr & LCR_DLAB ? this.divisor & 0xff : this.readReceived();
      case IER_DLM:
        return this.lcr & LCR_DLAB ? this.divisor >> 8 : this.ier;
      case IIR_FCR:
        return this.readIir();
      case LCR:
        return this.lcr;
      case MCR:
        return this.mcr;
      case LSR:
        return this.readLsr();
      case MSR: {
        const value = this.modem() | this.deltas;
        this.deltas = 0;
        this.drive();
        return value;
      }
      case SCR:
        return this.scr;
      default:
        return 0xff;
    }
  }

  private writeByte(offset: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case IER_DLM:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0xff) | (value << 8);
        else this.writeIer(value & 0x0f);
        break;
      case IIR_FCR:
        this.writeFcr(value);
        break;
      case LCR:
        this.lcr = value;
        break;
      case MCR:
        this.writeMcr(value & 0x1f);
        break;
      case SCR:
        this.scr = value;
        break;
      default: // LSR and MSR are read-only (writing them is for factory testing)
        break;
    }
  }

  private writeIer(value: number): void {
    const enabled = value & ~this.ier;
    this.ier = value;
    // Enabling the interrupt while the holding register is empty requests it at once; disabling withdraws it.
    if (enabled & IER_ETBEI) this.threPending = this.holdingEmpty();
    if ((value & IER_ETBEI) === 0) this.threPending = false;
    this.settle(this.clock.now());
  }

  /** FCR (PC16550D, 8.4): its other bits count only in a write that has bit 0 set; changing bit 0 clears both FIFOs. */
  private writeFcr(value: number): void {
    const changed = (value ^ this.fcr) & FCR_ENABLE;
    this.fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 0xc0) : 0;
    if (changed || (value & FCR_ENABLE && value & FCR_RESET_RX)) this.clearReceiver();
    if (changed || (value & FCR_ENABLE && value & FCR_RESET_TX)) {
      const held = this.sendingCount > 0;
      this.clearTransmitter();
      if (held && this.ier & IER_ETBEI) this.threPending = true;
    }
    this.settle(this.clock.now());
  }

  private writeMcr(value: number): void {
    const before = this.modem();
    this.mcr = value;
    this.noteModemChange(before);
    this.settle(this.clock.now());
  }

  private readIir(): number {
    const cause = this.cause(this.clock.now());
    if (cause === IIR_THRE) {
      this.threPending = false;
      this.drive();
    }
    return cause | (this.fifos() ? IIR_FIFOS : 0);
  }

  private readLsr(): number {
    let value = this.errors;
    if (this.receivedCount > 0) value |= LSR_DR;
    if (this.holdingEmpty()) value |= LSR_THRE | (this.shifting < 0 ? LSR_TEMT : 0);
    if (this.fifos() && this.fifoHoldsError()) value |= LSR_FIFO_ERROR;
    this.errors = 0;
    if (this.receivedCount > 0) this.received[this.receivedHead] = this.received[this.receivedHead] & 0xff;
    this.drive();
    return value;
  }

  private fifoHoldsError(): boolean {
    for (let i = 0; i < this.receivedCount; i++) if (this.received[(this.receivedHead + i) % FIFO_DEPTH] > 0xff) return true;
    return false;
  }

  private readReceived(): number {
    const now = this.clock.now();
    if (this.receivedCount > 0) {
      const value = this.received[this.receivedHead] & 0xff;
      this.last = value;
      this.receivedHead = (this.receivedHead + 1) % FIFO_DEPTH;
      this.receivedCount--;
      if (this.receivedCount > 0) this.revealErrors();
      this.timeout = this.receivedCount > 0 ? now + 4 * this.characterTime() : Infinity;
      // The line falls for the emptied buffer before the next batch raises it: an edge for an edge-triggered input.
      this.drive();
      if (this.receivedCount === 0 || this.baud) this.settle(now);
      else this.schedule(now);
      return value;
    }
    return this.last;
  }

  private transmit(value: number): void {
    const now = this.clock.now();
    const character = value & this.dataMask();
    this.threPending = false;
    this.drive();
    if (!this.baud) this.deliver(character);
    else if (this.shifting < 0) this.shift(now, character);
    else if (this.sendingCount < (this.fifos() ? FIFO_DEPTH : 1))
      this.sending[(this.sendingHead + this.sendingCount++) % FIFO_DEPTH] = character;
    else if (!this.fifos()) this.sending[this.sendingHead] = character;
    if (this.holdingEmpty() && this.ier & IER_ETBEI) this.threPending = true;
    this.settle(now);
  }

  private shift(now: number, character: number): void {
    this.shifting = character;
    this.shiftEnd = now + this.characterTime();
  }

  private endOfCharacter(): void {
    const end = this.shiftEnd;
    const character = this.shifting;
    this.shifting = -1;
    this.shiftEnd = Infinity;
    this.deliver(character);
    if (this.sendingCount === 0) return;
    this.shift(end, this.sending[this.sendingHead]);
    this.sendingHead = (this.sendingHead + 1) % FIFO_DEPTH;
    this.sendingCount--;
    if (this.sendingCount === 0 && this.ier & IER_ETBEI) this.threPending = true;
  }

  /** In loopback the shift register feeds the receiver's and the output pin idles. */
  private deliver(character: number): void {
    if (this.mcr & MCR_LOOP) this.receive(this.clock.now(), character);
    else this.output(character);
  }

  private enqueue(entry: number): void {
    this.queue[(this.queueHead + this.queueCount) % INPUT_QUEUE] = entry;
    this.queueCount++;
  }

  private dequeue(): number {
    const entry = this.queue[this.queueHead];
    this.queueHead = (this.queueHead + 1) % INPUT_QUEUE;
    this.queueCount--;
    return entry;
  }

  /** A character arrives in the receiver. With no room it is lost (FIFO) or replaces the one before (no FIFO); both are overruns. */
  private receive(now: number, entry: number): void {
    const character = (entry & 0xff00) | (entry & this.dataMask());
    this.timeout = now + 4 * this.characterTime();
    if (this.receivedCount >= this.receiverDepth()) {
      this.errors |= LSR_OE;
      if (!this.fifos()) this.received[this.receivedHead] = character;
      return;
    }
    this.received[(this.receivedHead + this.receivedCount) % FIFO_DEPTH] = character;
    this.receivedCount++;
    if (this.receivedCount === 1) this.revealErrors();
  }

  /** A character's errors show in LSR when it comes to the top of the FIFO. */
  private revealErrors(): void {
    this.errors |= this.received[this.receivedHead] >> 8;
  }

  /** Takes queued characters as the receiver has room (a read asks only once it has emptied the receiver). In loopback the receiver does not listen to the line. */
  private takeInput(now: number): void {
    if (this.queueCount === 0 || this.mcr & MCR_LOOP) {
      this.arrival = Infinity;
    } else if (!this.baud) {
      while (this.queueCount > 0 && this.receivedCount < this.receiverDepth()) this.receive(now, this.dequeue());
    } else {
      if (this.arrival === Infinity) this.arrival = now + this.characterTime();
      while (this.arrival <= now && this.queueCount > 0 && this.receivedCount < this.receiverDepth()) {
        this.receive(now, this.dequeue());
        const next = this.arrival + this.characterTime();
        // After a pause for want of room the line starts afresh.
        this.arrival = this.queueCount === 0 ? Infinity : next > now ? next : now + this.characterTime();
      }
    }
  }

  /** Brings everything up to `now`: characters through, interrupts, the next deadline. */
  private settle(now: number): void {
    while (this.shiftEnd <= now) this.endOfCharacter();
    this.takeInput(now);
    this.drive();
    this.schedule(now);
  }

  private schedule(now: number): void {
    let next = this.shiftEnd;
    // A full receiver holds the host's next character back until it is read, which comes here again.
    if (this.receivedCount < this.receiverDepth()) next = Math.min(next, this.arrival);
    if (this.ier & IER_ERBFI && this.fifos() && this.receivedCount > 0 && this.timeout > now) next = Math.min(next, this.timeout);
    if (next === Infinity) this.event.cancel();
    else this.event.arm(next);
  }

  /** The pending interrupt of highest priority (PC16550D, table III). */
  private cause(now: number): number {
    if (this.ier & IER_ELSI && this.errors !== 0) return IIR_LINE;
    if (this.ier & IER_ERBFI && this.receivedCount > 0) {
      if (this.receivedCount >= this.trigger()) return IIR_DATA;
      if (now >= this.timeout) return IIR_TIMEOUT;
    }
    if (this.ier & IER_ETBEI && this.threPending) return IIR_THRE;
    if (this.ier & IER_EDSSI && this.deltas !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  /** On a PC the OUT2 pin, which is inactive in loopback, enables the buffer between INTR and the bus. */
  private wanted(): boolean {
    return (this.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2 && this.cause(this.clock.now()) !== IIR_NONE;
  }

  private drive(): void {
    const level = this.wanted();
    if (level === this.level) return;
    this.level = level;
    this.irq.set(level);
  }

  /** Modem inputs: the cable's, or in loopback the four outputs. */
  private modem(): number {
    const { mcr } = this;
    if ((mcr & MCR_LOOP) === 0) return this.lines;
    return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
  }

  private noteModemChange(before: number): void {
    const after = this.modem();
    const changed = (before ^ after) >> 4;
    // RI counts by its trailing edge only.
    const rose = after >> 4;
    this.deltas |= changed & MSR_DELTAS & ~(changed & rose & MSR_TERI);
  }

  private fifos(): boolean {
    return (this.fcr & FCR_ENABLE) !== 0;
  }

  private receiverDepth(): number {
    return this.fcr & FCR_ENABLE ? FIFO_DEPTH : 1;
  }

  private trigger(): number {
    return this.fcr & FCR_ENABLE ? TRIGGERS[this.fcr >> 6] : 1;
  }

  private holdingEmpty(): boolean {
    return this.sendingCount === 0;
  }

  private dataMask(): number {
    return (0x20 << (this.lcr & 3)) - 1;
  }

  /** Nanoseconds of one character: 16 clocks of 1.8432 MHz by the divisor, for each bit. A divisor of 0 counts as 65,536. */
  private characterTime(): number {
    const dataBits = 5 + (this.lcr & 3);
    const stopHalves = this.lcr & LCR_STOP ? (dataBits === 5 ? 3 : 4) : 2;
    const halves = 2 * (1 + dataBits + (this.lcr & LCR_PARITY ? 1 : 0)) + stopHalves;
    return Math.floor((halves * (this.divisor || 0x1_0000) * 78_125) / 18); // 8e9 / 1,843,200 = 78,125 / 18
  }

  private clearReceiver(): void {
    this.receivedHead = 0;
    this.receivedCount = 0;
    this.errors = 0;
    this.timeout = Infinity;
  }

  private clearTransmitter(): void {
    this.sendingHead = 0;
    this.sendingCount = 0;
  }
}

/** Infinity has no place in plain data: null stands for it. */
function savedTime(time: number): number | null {
  return time === Infinity ? null : time;
}

function restoredTime(state: DeviceState, key: string): number {
  return state[key] === null ? Infinity : savedInt(state, key, 0, Number.MAX_SAFE_INTEGER);
}

/** A list of at most `most` characters, each with its error bits above it. */
function savedCharacters(state: DeviceState, key: string, most: number, max: number): number[] {
  const value = state[key];
  return savedInts(state, key, Array.isArray(value) ? Math.min(value.length, most) : 0, 0, max);
}
