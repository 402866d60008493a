/**
 * A board for IDE drives, and a driver of them through the ports, as a BIOS and as a kernel with a bus master do it.
 *
 * @module
 */
import type { AtaDrive, DriveOptions } from '../../../devices/ata/drive.ts';
import { PiixIde } from '../../../devices/ata/piix-ide.ts';
import type { DiskImage } from '../../../devices/disk/image.ts';
import type { AccessSize, MovablePorts, PortDevice } from '../../../vmm/bus.ts';
import { FakeClock, FakeLine } from '../fake.ts';
import { FakeMemory } from '../virtio/board.ts';

/** Ports that can be moved. */
class Ports implements MovablePorts {
  readonly #devices = new Map<number, PortDevice>();

  addPorts(first: number, count: number, device: PortDevice): void {
    if (!this.freePorts(first, count)) throw new Error(`port ${first.toString(16)} is taken`);
    for (let i = 0; i < count; i++) this.#devices.set(first + i, device);
  }

  freePorts(first: number, count: number): boolean {
    return Array.from({ length: count }, (_, i) => first + i).every((port) => port < 0x1_0000 && !this.#devices.has(port));
  }

  removePorts(first: number, count: number, device: PortDevice): void {
    for (let port = first; port < first + count; port++) if (this.#devices.get(port) === device) this.#devices.delete(port);
  }

  read(port: number, size: AccessSize = 1): number {
    return this.#devices.get(port)?.portRead(port, size) ?? 2 ** (8 * size) - 1;
  }

  write(port: number, value: number, size: AccessSize = 1): void {
    this.#devices.get(port)?.portWrite(port, size, value >>> 0);
  }
}

/** An image in memory, which no device may be asked to leave. */
export class MemoryImage implements DiskImage {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  flushes = 0;
  failing: Error | undefined;

  constructor(bytes: number, readOnly = false) {
    this.bytes = Uint8Array.from({ length: bytes }, (_, i) => (i >> 9) * 7 + i);
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.bytes.length;
  }

  #check(offset: number, length: number): void {
    if (this.failing !== undefined) throw this.failing;
    if (!(offset >= 0 && offset + length <= this.size)) throw new Error(`outside the image: ${offset}+${length}`);
  }

  read(offset: number, into: Uint8Array): void {
    this.#check(offset, into.length);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length);
    if (this.readOnly) throw new Error('written, though read-only');
    this.bytes.set(bytes, offset);
  }

  flush(): void {
    this.flushes++;
    if (this.failing !== undefined) throw this.failing;
  }

  zero(): void {}
  discard(): void {}
  close(): void {}
}

export const BSY = 0x80;
export const DRQ = 0x08;
export const ERR = 0x01;
export const BUS_MASTER = 0xc000;
const BAR4 = 0x20;
const IO_AND_MASTER = 5;

/** Where things are: the primary channel. */
const COMMAND = 0x1f0;
const CONTROL = 0x3f6;

export class IdeBoard {
  readonly clock = new FakeClock();
  readonly memory = new FakeMemory(0x2_0000);
  readonly ports = new Ports();
  readonly irqs = [new FakeLine(), new FakeLine()] as const;
  readonly ide: PiixIde;

  constructor(make: (options: Omit<DriveOptions, 'image' | 'serial'>) => readonly (AtaDrive | undefined)[]) {
    const { clock, memory, ports, irqs } = this;
    this.ide = new PiixIde({ memory, ports, irqs, drives: make({ clock, memory }) });
    this.ide.configWrite(BAR4, 4, BUS_MASTER);
    this.ide.configWrite(4, 2, IO_AND_MASTER);
  }

  /** Writes features, count, address (28 bits) and device, then the command. */
  command(code: number, { features = 0, count = 0, lba = 0, device = 0xe0 } = {}): void {
    const { ports } = this;
    ports.write(COMMAND + 6, device | ((lba >> 24) & 0x0f));
    ports.write(COMMAND + 1, features);
    ports.write(COMMAND + 2, count & 0xff);
    ports.write(COMMAND + 3, lba & 0xff);
    ports.write(COMMAND + 4, (lba >> 8) & 0xff);
    ports.write(COMMAND + 5, (lba >> 16) & 0xff);
    ports.write(COMMAND + 7, code);
  }

  /** The same with 48 bits of address and 16 of count. */
  wide(code: number, count: number, lba: number): void {
    const { ports } = this;
    ports.write(COMMAND + 6, 0xe0);
    const byte = (value: number, at: number): number => Math.floor(value / 256 ** at) & 0xff;
    for (const high of [true, false]) {
      ports.write(COMMAND + 2, byte(count, high ? 1 : 0));
      for (let i = 0; i < 3; i++) ports.write(COMMAND + 3 + i, byte(lba, i + (high ? 3 : 0)));
    }
    ports.write(COMMAND + 7, code);
  }

  /** The status, once the drive is not busy. */
  wait(): number {
    for (let i = 0; this.status & BSY; i++) {
      if (i === 100) throw new Error('busy for ever');
      this.clock.runTo(this.clock.next);
    }
    return this.status;
  }

  get status(): number {
    return this.ports.read(CONTROL);
  }

  /** Reads the register with its interrupt acknowledged. */
  acknowledge(): number {
    return this.ports.read(COMMAND + 7);
  }

  register(offset: number): number {
    return this.ports.read(COMMAND + offset);
  }

  read(bytes: number, size: 2 | 4 = 2): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += size) {
      const value = this.ports.read(COMMAND, size);
      for (let i = 0; i < size; i++) data[at + i] = (value >>> (8 * i)) & 0xff;
    }
    return data;
  }

  write(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += 2) this.ports.write(COMMAND, data[at] | (data[at + 1] << 8), 2);
  }

  /** Puts a list for the bus master at `at` and starts it; `parts` are addresses and lengths. */
  startMaster(parts: readonly (readonly [number, number])[], toMemory: boolean, at = 0x1000): void {
    parts.forEach(([gpa, bytes], i) => {
      this.memory.view.setUint32(at + 8 * i, gpa, true);
      this.memory.view.setUint32(at + 8 * i + 4, (bytes & 0xffff) + (i === parts.length - 1 ? 0x8000_0000 : 0), true);
    });
    this.ports.write(BUS_MASTER + 4, at, 4);
    this.ports.write(BUS_MASTER, toMemory ? 9 : 1);
  }
}
