/**
 * What a device may know of the machine around it: buses, interrupt lines, time, guest memory.
 *
 * A device never names another device; it is handed these. All numbers are plain: ports 16 bit, data at most 32 bit (an access of 8 bytes
 * arrives as two of 4, low half first), guest physical addresses and nanoseconds as integers below 2^53.
 *
 * @module
 */

/** Bytes of one access as a device sees it. */
export type AccessSize = 1 | 2 | 4;

/** A device that answers port I/O. Data is unsigned; a read returns the low `size` bytes. */
export interface PortDevice {
  portRead(port: number, size: AccessSize): number;
  portWrite(port: number, size: AccessSize, value: number): void;
}

/** A device that answers memory-mapped I/O; `offset` is relative to the registered region. */
export interface MmioDevice {
  mmioRead(offset: number, size: AccessSize): number;
  mmioWrite(offset: number, size: AccessSize, value: number): void;
}

/** One interrupt input of whatever stands behind it. Level: asserted while high; an edge is a rise. */
export interface IrqLine {
  set(level: boolean): void;
}

/** A request to be called at a time of the VM's clock. */
export interface Deadline {
  /** Calls back once at `ns` (absolute); an earlier request of this object is replaced. A time in the past fires at the next boundary. */
  arm(ns: number): void;
  cancel(): void;
  /** The armed time, or Infinity. */
  readonly at: number;
}

/** The VM's clock: nanoseconds since the VM was created, an integer that only instructions, exit costs and idle time move. */
export interface Clock {
  now(): number;
  deadline(name: string, fire: (now: number) => void): Deadline;
}

/** Plain data (numbers, strings, booleans, arrays, objects of those): what `save` returns and a snapshot keeps. */
export type DeviceState = { readonly [key: string]: unknown };

/** A device whose whole state can be taken out and put back; armed deadlines are part of it and re-armed by `restore`. */
export interface Saveable {
  save(): DeviceState;
  /** Throws `StateError` when `state` is not one that `save` returned. */
  restore(state: DeviceState): void;
}

/** A saved state that does not fit the device. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** Guest physical memory, for DMA. Addresses outside RAM read as zero bytes and swallow writes, and return false. */
export interface GuestMemory {
  read(gpa: number, into: Uint8Array): boolean;
  write(gpa: number, bytes: Uint8Array): boolean;
}

/** Guest physical memory as a bus master uses it: in place. */
export interface DmaMemory extends GuestMemory {
  /** Whether one block of RAM has all these bytes. */
  holds(gpa: number, length: number): boolean;
  /** The bytes in place, to be read. */
  readable(gpa: number, length: number): Uint8Array | undefined;
  /** The bytes in place, to be written at once. */
  writable(gpa: number, length: number): Uint8Array | undefined;
}

/** Where ports are registered. Ranges do not overlap: registering a taken port throws. */
export interface PortBus {
  addPorts(first: number, count: number, device: PortDevice, name: string): void;
}

/** The same for ports that software moves, such as those behind a BAR. */
export interface MovablePorts extends PortBus {
  /** Whether nobody has any of them. */
  freePorts(first: number, count: number): boolean;
  /** Takes them away from `device`, which has them. */
  removePorts(first: number, count: number, device: PortDevice): void;
}

/** Where memory-mapped regions are registered (page-aligned). */
export interface MmioBus {
  addMmio(gpa: number, bytes: number, device: MmioDevice, name: string): void;
  /** Takes away the region that starts at `gpa`, if it is `device`'s. */
  removeMmio(gpa: number, device: MmioDevice): void;
  /** Whether a region may be put there. */
  freeMmio(gpa: number, bytes: number): boolean;
}
