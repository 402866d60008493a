/**
 * The bus master of one IDE channel: it moves data between a device and the places of a list in memory.
 *
 * Specification: SFF-8038i, Programming Interface for Bus Master IDE Controller, 1.0 (PRD table 1.2, registers 2.0, and the meaning of the status bits 3.1).
 *
 * A list has at most 64 KiB, so that a guest's list that goes round in memory ends.
 *
 * @module
 */
import type { DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { savedFlag, savedInt } from '../saved.ts';
import type { Master } from './drive.ts';

// Offsets within the channel's eight ports.
const COMMAND = 0;
const STATUS = 2;
const TABLE = 4;

const START = 0x01;
const COMMAND_BITS = 0x09;
const ACTIVE = 0x01;
const ERROR = 0x02;
const INTERRUPT = 0x04;
/** Set by software to remember which devices it set up for DMA. */
const CAPABLE = 0x60;
const ENTRY_BYTES = 8;
const LIST_ENTRIES = 0x1_0000 / ENTRY_BYTES;

export class BusMaster implements Master {
  /** Where the bytes that `take` returned are. */
  gpa = 0;
  private readonly memory: DmaMemory;
  private readonly entry = new Uint8Array(ENTRY_BYTES);
  /** Told when the guest starts it. */
  private readonly startDevice: () => void;
  private command = 0;
  private status = 0;
  private table = 0;
  private next = 0;
  private place = 0;
  private left = 0;
  private last = false;

  constructor(memory: DmaMemory, startDevice: () => void) {
    this.memory = memory;
    this.startDevice = startDevice;
  }

  get started(): boolean {
    return (this.command & START) !== 0;
  }

  take(limit: number): number {
    if (this.left === 0 && !this.readEntry()) {
      this.status &= ~ACTIVE;
      return 0;
    }
    const bytes = Math.min(limit, this.left);
    this.gpa = this.place;
    this.place += bytes;
    this.left -= bytes;
    if (this.left === 0 && this.last) this.status &= ~ACTIVE;
    return bytes;
  }

  failed(): void {
    this.status = (this.status & ~ACTIVE) | ERROR;
  }

  /** The device asserts INTRQ: everything it had to move is in memory. */
  interrupted(): void {
    this.status |= INTERRUPT;
  }

  read(offset: number): number {
    switch (offset) {
      case COMMAND:
        return this.command;
      case STATUS:
        return this.status;
      default:
        return offset < TABLE ? 0 : (this.table >>> (8 * (offset - TABLE))) & 0xff;
    }
  }

  write(offset: number, value: number): void {
    if (offset === COMMAND) this.writeCommand(value & COMMAND_BITS);
    else if (offset === STATUS) this.status = (this.status & (ACTIVE | ((ERROR | INTERRUPT) & ~value))) | (value & CAPABLE);
    else if (offset >= TABLE) {
      const shift = 8 * (offset - TABLE);
      this.table = ((this.table & ~(0xff << shift)) | (value << shift)) & ~3;
    }
  }

  private writeCommand(value: number): void {
    const starts = (value & ~this.command & START) !== 0;
    this.command = value;
    if ((value & START) === 0) this.status &= ~ACTIVE;
    if (!starts) return;
    this.status |= ACTIVE;
    this.next = 0;
    this.left = 0;
    this.last = false;
    this.startDevice();
  }

  private readEntry(): boolean {
    if (this.last || this.next === LIST_ENTRIES) return false;
    this.memory.read((this.table >>> 0) + this.next * ENTRY_BYTES, this.entry);
    this.next++;
    const view = new DataView(this.entry.buffer);
    this.place = view.getUint32(0, true) - (this.entry[0] & 1);
    const count = view.getUint16(4, true) & ~1;
    this.left = count === 0 ? 0x1_0000 : count;
    this.last = (this.entry[7] & 0x80) !== 0;
    return true;
  }

  reset(): void {
    this.command = 0;
    this.status = 0;
    this.table = 0;
    this.left = 0;
    this.last = false;
  }

  save(): DeviceState {
    const { command, status, next, place, left, last } = this;
    return { command, status, table: this.table >>> 0, next, place, left, last };
  }

  restore(state: DeviceState): void {
    const taken = {
      command: savedInt(state, 'command', 0, COMMAND_BITS),
      status: savedInt(state, 'status', 0, CAPABLE | ACTIVE | ERROR | INTERRUPT),
      table: savedInt(state, 'table', 0, 0xffff_ffff) & ~3,
      next: savedInt(state, 'next', 0, LIST_ENTRIES),
      place: savedInt(state, 'place', 0, 2 ** 33),
      left: savedInt(state, 'left', 0, 0x1_0000),
      last: savedFlag(state, 'last'),
    };
    Object.assign(this, taken);
  }
}
