/**
 * Virtqueues: how a driver hands buffers to a device and gets them back.
 *
 * Specification: virtio 1.2, sections 2.6 (virtqueues), 2.7 (split), 2.8 (packed), 2.6.5.3 and 2.7.5.3 (indirect descriptors), 2.7.7, 2.7.10 and
 * 2.8.10 (suppressing notifications).
 *
 * A device takes a `Chain` with `pop`, reads its first and writes its second kind of parts, and gives it back with `push`; whether the driver wants to hear of it,
 * `interrupts` says once per batch. Two layouts of the same queue: `SplitRing` and `PackedRing`; `Virtqueue` chooses by the negotiated features.
 *
 * Everything in the rings is the guest's to spoil. What the specification forbids (an index outside the table, a loop, a device-readable part behind a
 * device-writable one, an indirect table inside another, a part outside RAM) makes `pop` throw RingError, which the transport answers with
 * DEVICE_NEEDS_RESET (2.1.2). Nothing outside guest RAM can be reached: addresses are checked where bytes are.
 *
 * @module
 */
import type { DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { savedFlag, savedInt } from '../saved.ts';

export const F_INDIRECT_DESC = 28;
export const F_EVENT_IDX = 29;
export const F_VERSION_1 = 32;
export const F_RING_PACKED = 34;
export const F_RING_RESET = 40;

/** The rings break the specification; what it is, for people. */
export class RingError extends Error {
  override readonly name = 'RingError';
}

/** A piece of guest memory. */
export interface Part {
  readonly gpa: number;
  readonly length: number;
}

/** One request: what the driver wrote for the device, and where the device may write. */
export interface Chain {
  /** What `push` wants back: head index (split), buffer id (packed). */
  readonly id: number;
  /** Descriptors that it takes in a packed ring. */
  readonly slots: number;
  readonly readable: readonly Part[];
  readonly writable: readonly Part[];
}

/** Bytes of parts together. */
export function bytesOf(parts: readonly Part[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/** Splits bytes [from, from + length) of parts where parts end: address, offset from `from`, bytes. Returns how many there were. */
export function eachPiece(
  parts: readonly Part[],
  from: number,
  length: number,
  work: (gpa: number, at: number, bytes: number) => void,
): number {
  let skip = from;
  let done = 0;
  for (const part of parts) {
    if (done === length) break;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const bytes = Math.min(part.length - skip, length - done);
    work(part.gpa + skip, done, bytes);
    done += bytes;
    skip = 0;
  }
  return done;
}

/** Copies bytes of the parts from offset `from` on; how many there were. */
export function gather(memory: DmaMemory, parts: readonly Part[], from: number, into: Uint8Array): number {
  return eachPiece(parts, from, into.length, (gpa, at, bytes) => memory.read(gpa, into.subarray(at, at + bytes)));
}

/** The other way; how many found room. */
export function scatter(memory: DmaMemory, parts: readonly Part[], from: number, bytes: Uint8Array): number {
  return eachPiece(parts, from, bytes.length, (gpa, at, count) => memory.write(gpa, bytes.subarray(at, at + count)));
}

const DESC_BYTES = 16;
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
/** Bit 7 and 15 of a packed descriptor's flags (2.8.1). */
const AVAIL = 0x80;
const USED = 0x8000;
/** No chain is longer than the largest queue (2.6), nor has more bytes than this (2.7.5.2). */
const CHAIN_MAX = 32768;
const CHAIN_BYTES_MAX = 2 ** 32;
const NO_INTERRUPT = 1;
const NO_NOTIFY = 1;
/** Values of a packed ring's event suppression flags (2.8.10). */
const EVENT_ENABLE = 0;
const EVENT_DISABLE = 1;
const EVENT_DESC = 2;

/** Little-endian words of guest memory. */
class Words {
  private readonly memory: DmaMemory;
  private readonly bytes = new Uint8Array(DESC_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly two = this.bytes.subarray(0, 2);
  private readonly eight = this.bytes.subarray(0, 8);

  constructor(memory: DmaMemory) {
    this.memory = memory;
  }

  get16(gpa: number): number {
    if (!this.memory.read(gpa, this.two)) throw new RingError('a ring is not in memory');
    return this.view.getUint16(0, true);
  }

  put16(gpa: number, value: number): void {
    this.view.setUint16(0, value, true);
    if (!this.memory.write(gpa, this.two)) throw new RingError('a ring is not in memory');
  }

  /** A used element of a split ring. */
  putPair(gpa: number, first: number, second: number): void {
    this.view.setUint32(0, first, true);
    this.view.setUint32(4, second, true);
    if (!this.memory.write(gpa, this.eight)) throw new RingError('a ring is not in memory');
  }

  /** Reads a descriptor into this object: a split one has flags at 12 and next at 14, a packed one id at 12 and flags at 14. */
  descriptor(gpa: number): DataView {
    if (!this.memory.read(gpa, this.bytes)) throw new RingError('a descriptor is not in memory');
    return this.view;
  }

  putDescriptorEnd(gpa: number, length: number, id: number): void {
    this.view.setUint32(0, length, true);
    this.view.setUint16(4, id, true);
    if (!this.memory.write(gpa + 8, this.bytes.subarray(0, 6))) throw new RingError('a ring is not in memory');
  }
}

/** Gathers the parts of a chain in the order that the specification asks for. */
class Parts {
  readonly readable: Part[] = [];
  readonly writable: Part[] = [];
  private readonly memory: DmaMemory;
  private count = 0;
  private bytes = 0;

  constructor(memory: DmaMemory) {
    this.memory = memory;
  }

  add(view: DataView, flags: number): void {
    const gpa = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
    const length = view.getUint32(8, true);
    if (++this.count > CHAIN_MAX) throw new RingError('a chain is longer than any queue');
    this.bytes += length;
    if (this.bytes > CHAIN_BYTES_MAX) throw new RingError('a chain has more than 4 GiB');
    if (length > 0 && !this.memory.holds(gpa, length)) throw new RingError('a buffer is not in memory');
    if (flags & WRITE) this.writable.push({ gpa, length });
    else if (this.writable.length > 0) throw new RingError('a buffer to read stands behind one to write');
    else this.readable.push({ gpa, length });
  }

  chain(id: number, slots: number): Chain {
    return { id, slots, readable: this.readable, writable: this.writable };
  }
}

interface Ring {
  pop(): Chain | undefined;
  push(chain: Chain, written: number): void;
  /** Whether the driver wants an interrupt for what was pushed since the last call. */
  interrupts(): boolean;
  /** Whether the driver should notify the device of new buffers. */
  wantNotifications(wanted: boolean): void;
  save(): DeviceState;
}

export interface RingPlace {
  readonly size: number;
  /** Descriptor area, driver area, device area (2.6). */
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  readonly eventIndex: boolean;
  readonly indirect: boolean;
}

/** Section 2.7. */
class SplitRing implements Ring {
  private readonly words: Words;
  private readonly memory: DmaMemory;
  private readonly at: RingPlace;
  /** Next entry of the available ring to take, and of the used ring to write: free-running 16-bit numbers. */
  private taken: number;
  private given: number;
  /** `given` when the driver was last interrupted, or asked about. */
  private told: number;

  constructor(memory: DmaMemory, at: RingPlace, state?: DeviceState) {
    this.memory = memory;
    this.words = new Words(memory);
    this.at = at;
    this.taken = state === undefined ? 0 : savedInt(state, 'taken', 0, 0xffff);
    this.given = state === undefined ? 0 : savedInt(state, 'given', 0, 0xffff);
    this.told = state === undefined ? 0 : savedInt(state, 'told', 0, 0xffff);
  }

  pop(): Chain | undefined {
    const { words, at } = this;
    const available = words.get16(at.driver + 2);
    if (available === this.taken) return undefined;
    if (((available - this.taken) & 0xffff) > at.size) throw new RingError('the available index is more than a queue ahead');
    const head = words.get16(at.driver + 4 + 2 * (this.taken % at.size));
    const chain = this.chain(head);
    this.taken = (this.taken + 1) & 0xffff;
    if (at.eventIndex) words.put16(at.device + 4 + 8 * at.size, this.taken);
    return chain;
  }

  private chain(head: number): Chain {
    const { words, at } = this;
    const parts = new Parts(this.memory);
    let table = at.descriptors;
    let entries = at.size;
    let index = head;
    let indirect = false;
    for (let seen = 0; ; seen++) {
      if (index >= entries) throw new RingError(`descriptor ${index} of ${entries}`);
      if (seen >= entries) throw new RingError('a chain of descriptors that ends nowhere');
      const view = words.descriptor(table + DESC_BYTES * index);
      const flags = view.getUint16(12, true);
      const next = view.getUint16(14, true);
      if (flags & INDIRECT) {
        if (!at.indirect || indirect || flags & NEXT) throw new RingError('an indirect descriptor where none may be');
        table = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
        entries = tableEntries(view.getUint32(8, true));
        index = 0;
        indirect = true;
        seen = -1;
        continue;
      }
      parts.add(view, flags);
      if ((flags & NEXT) === 0) return parts.chain(head, 1);
      index = next;
    }
  }

  push(chain: Chain, written: number): void {
    const { words, at } = this;
    words.putPair(at.device + 4 + 8 * (this.given % at.size), chain.id, written);
    this.given = (this.given + 1) & 0xffff;
    words.put16(at.device + 2, this.given);
  }

  interrupts(): boolean {
    const { words, at } = this;
    const since = this.told;
    if (since === this.given) return false;
    this.told = this.given;
    if (!at.eventIndex) return (words.get16(at.driver) & NO_INTERRUPT) === 0;
    const event = words.get16(at.driver + 4 + 2 * at.size);
    // The driver waits for the entry `event`: it is among those given since (2.7.7.2).
    return ((this.given - event - 1) & 0xffff) < ((this.given - since) & 0xffff);
  }

  wantNotifications(wanted: boolean): void {
    const { words, at } = this;
    if (!at.eventIndex) words.put16(at.device, wanted ? 0 : NO_NOTIFY);
    else if (wanted) words.put16(at.device + 4 + 8 * at.size, this.taken);
  }

  save(): DeviceState {
    return { taken: this.taken, given: this.given, told: this.told };
  }
}

/** Section 2.8. */
class PackedRing implements Ring {
  private readonly words: Words;
  private readonly memory: DmaMemory;
  private readonly at: RingPlace;
  /** Where the next chain is taken and the next one given back, with their wrap counters (2.8.1). */
  private taken: number;
  private takenWrap: boolean;
  private given: number;
  private givenWrap: boolean;
  /** Descriptors given back since the driver was last asked about. */
  private since: number;

  constructor(memory: DmaMemory, at: RingPlace, state?: DeviceState) {
    this.memory = memory;
    this.words = new Words(memory);
    this.at = at;
    const index = (name: string): number => (state === undefined ? 0 : savedInt(state, name, 0, at.size - 1));
    const wrap = (name: string): boolean => (state === undefined ? true : savedFlag(state, name));
    this.taken = index('taken');
    this.given = index('given');
    this.since = state === undefined ? 0 : savedInt(state, 'since', 0, at.size);
    this.takenWrap = wrap('takenWrap');
    this.givenWrap = wrap('givenWrap');
  }

  pop(): Chain | undefined {
    const { words, at } = this;
    if (!this.isAvailable(words.descriptor(at.descriptors + DESC_BYTES * this.taken).getUint16(14, true))) return undefined;
    const parts = new Parts(this.memory);
    let slots = 0;
    let index = this.taken;
    for (;;) {
      const view = words.descriptor(at.descriptors + DESC_BYTES * index);
      const flags = view.getUint16(14, true);
      const id = view.getUint16(12, true);
      slots++;
      if (slots > at.size) throw new RingError('a chain of descriptors that ends nowhere');
      if (flags & INDIRECT) {
        if (!at.indirect || slots > 1 || flags & NEXT) throw new RingError('an indirect descriptor where none may be');
        this.table(parts, view);
      } else parts.add(view, flags);
      index = index + 1 === at.size ? 0 : index + 1;
      if ((flags & NEXT) !== 0) continue;
      // The driver makes the whole list available before its head; the id stands in the last one (2.8.6).
      this.skip(slots);
      return parts.chain(id, slots);
    }
  }

  /** An indirect table: every entry of it, in order; of the flags only WRITE counts (2.8.7). */
  private table(parts: Parts, view: DataView): void {
    const table = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
    const entries = tableEntries(view.getUint32(8, true));
    for (let i = 0; i < entries; i++) {
      const entry = this.words.descriptor(table + DESC_BYTES * i);
      const flags = entry.getUint16(14, true);
      if (flags & INDIRECT) throw new RingError('an indirect table inside another');
      parts.add(entry, flags);
    }
  }

  private isAvailable(flags: number): boolean {
    return ((flags & AVAIL) !== 0) === this.takenWrap && ((flags & USED) !== 0) !== this.takenWrap;
  }

  private skip(slots: number): void {
    this.taken += slots;
    if (this.taken < this.at.size) return;
    this.taken -= this.at.size;
    this.takenWrap = !this.takenWrap;
  }

  push(chain: Chain, written: number): void {
    const { words, at } = this;
    const place = at.descriptors + DESC_BYTES * this.given;
    words.putDescriptorEnd(place, written, chain.id);
    words.put16(place + 14, (this.givenWrap ? AVAIL | USED : 0) | (written > 0 ? WRITE : 0));
    this.since = Math.min(this.since + chain.slots, at.size);
    this.given += chain.slots;
    if (this.given < at.size) return;
    this.given -= at.size;
    this.givenWrap = !this.givenWrap;
  }

  interrupts(): boolean {
    const { words, at } = this;
    const { since } = this;
    if (since === 0) return false;
    this.since = 0;
    const flags = words.get16(at.driver + 2) & 3;
    if (flags === EVENT_DISABLE) return false;
    if (flags !== EVENT_DESC || !at.eventIndex) return true;
    const wanted = words.get16(at.driver);
    // The place that the driver waits for, counted from the start of the ring that `given` is in.
    const event = (wanted & 0x7fff) - (((wanted & 0x8000) !== 0) === this.givenWrap ? 0 : at.size);
    return ((this.given - event - 1) & 0xffff) < since;
  }

  wantNotifications(wanted: boolean): void {
    this.words.put16(this.at.device + 2, wanted ? EVENT_ENABLE : EVENT_DISABLE);
  }

  save(): DeviceState {
    const { taken, takenWrap, given, givenWrap, since } = this;
    return { taken, takenWrap, given, givenWrap, since };
  }
}

/** Entries of an indirect table of so many bytes. */
function tableEntries(bytes: number): number {
  if (bytes === 0 || bytes % DESC_BYTES !== 0 || bytes / DESC_BYTES > CHAIN_MAX) throw new RingError(`an indirect table of ${bytes} bytes`);
  return bytes / DESC_BYTES;
}

/** Makes the ring that was negotiated, empty or as it was saved. */
export function makeRing(memory: DmaMemory, at: RingPlace, packed: boolean, state?: DeviceState): Ring {
  return packed ? new PackedRing(memory, at, state) : new SplitRing(memory, at, state);
}
export type { Ring };
