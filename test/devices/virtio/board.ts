/**
 * A board for virtio devices, and a driver that follows the specification from the other side: both ring layouts, through the PCI transport's registers.
 *
 * @module
 */
import type { AccessSize, DmaMemory, MmioBus, MmioDevice } from '../../../vmm/bus.ts';
import type { VirtioDevice } from '../../../devices/virtio/device.ts';
import { VirtioPci } from '../../../devices/virtio/pci.ts';
import { FakeLine } from '../fake.ts';

/** RAM from address 0, that notes every access outside it. */
export class FakeMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array | number = 0x1_0000) {
    this.bytes = typeof bytes === 'number' ? new Uint8Array(bytes) : bytes;
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  }

  holds(gpa: number, length: number): boolean {
    return gpa >= 0 && gpa + length <= this.bytes.length;
  }

  readable(gpa: number, length: number): Uint8Array | undefined {
    return this.holds(gpa, length) ? this.bytes.subarray(gpa, gpa + length) : undefined;
  }

  writable(gpa: number, length: number): Uint8Array | undefined {
    return this.readable(gpa, length);
  }

  read(gpa: number, into: Uint8Array): boolean {
    const from = this.readable(gpa, into.length);
    if (from === undefined) into.fill(0);
    else into.set(from);
    return from !== undefined;
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    this.readable(gpa, bytes.length)?.set(bytes);
    return this.holds(gpa, bytes.length);
  }
}

export class FakeMmio implements MmioBus {
  readonly regions: { readonly gpa: number; readonly bytes: number; readonly device: MmioDevice }[] = [];

  addMmio(gpa: number, bytes: number, device: MmioDevice): void {
    if (!this.freeMmio(gpa, bytes)) throw new Error('taken');
    this.regions.push({ gpa, bytes, device });
  }

  removeMmio(gpa: number, device: MmioDevice): void {
    const at = this.regions.findIndex((r) => r.gpa === gpa && r.device === device);
    if (at >= 0) this.regions.splice(at, 1);
  }

  freeMmio(gpa: number, bytes: number): boolean {
    return !this.regions.some((r) => gpa < r.gpa + r.bytes && r.gpa < gpa + bytes);
  }

  read(gpa: number, size: AccessSize): number {
    const r = this.regions.find((region) => gpa >= region.gpa && gpa < region.gpa + region.bytes);
    return r === undefined ? 0xffff_ffff : r.device.mmioRead(gpa - r.gpa, size);
  }

  write(gpa: number, size: AccessSize, value: number): void {
    const r = this.regions.find((region) => gpa >= region.gpa && gpa < region.gpa + region.bytes);
    r?.device.mmioWrite(gpa - r.gpa, size, value);
  }
}

/** Where the tests put the BARs. */
export const MSIX_AT = 0xe000_0000;
export const MAIN_AT = 0xe001_0000;
const COMMON = MAIN_AT;
const NOTIFY = MAIN_AT + 0x3000;

/** A device behind its transport, with decoding on. */
export class Board {
  readonly memory: FakeMemory;
  readonly mmio = new FakeMmio();
  readonly line = new FakeLine();
  /** Messages sent by MSI-X: address, data. */
  readonly messages: [number, number][] = [];
  readonly pci: VirtioPci;

  constructor(memory: FakeMemory, device: VirtioDevice) {
    this.memory = memory;
    this.pci = new VirtioPci({
      device,
      mmio: this.mmio,
      line: this.line,
      signalMsi: (address, data) => this.messages.push([address, data]),
      name: 'virtio',
    });
    this.decode();
  }

  decode(): void {
    this.pci.configWrite(0x10, 4, MSIX_AT);
    this.pci.configWrite(0x20, 4, MAIN_AT);
    this.pci.configWrite(0x24, 4, 0);
    this.pci.configWrite(0x04, 2, 0x0006);
  }

  common(at: number, size: AccessSize): number {
    return this.mmio.read(COMMON + at, size);
  }

  setCommon(at: number, size: AccessSize, value: number): void {
    this.mmio.write(COMMON + at, size, value);
  }

  notify(queue: number): void {
    this.mmio.write(NOTIFY + 4 * queue, 2, queue);
  }

  config(at: number, size: AccessSize): number {
    return this.mmio.read(MAIN_AT + 0x2000 + at, size);
  }

  get status(): number {
    return this.common(0x14, 1);
  }

  set status(value: number) {
    this.setCommon(0x14, 1, value);
  }

  /** Negotiates; the bits that the device took. */
  negotiate(features: readonly number[]): void {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    for (const half of [0, 1]) {
      const bits = features.filter((bit) => bit >> 5 === half).reduce((word, bit) => (word | (1 << (bit & 31))) >>> 0, 0);
      this.setCommon(0x08, 4, half);
      this.setCommon(0x0c, 4, bits);
    }
    this.status = 0x0b;
  }

  offered(bit: number): boolean {
    this.setCommon(0, 4, bit >> 5);
    return ((this.common(4, 4) >>> (bit & 31)) & 1) !== 0;
  }
}

export interface Buffer {
  readonly gpa: number;
  readonly length: number;
  readonly write?: boolean;
}

/** The driver's side of one queue. */
export abstract class DriverQueue {
  board: Board;
  readonly index: number;
  readonly size: number;
  readonly base: number;

  constructor(board: Board, index: number, size: number, base: number) {
    this.board = board;
    this.index = index;
    this.size = size;
    this.base = base;
    board.setCommon(0x16, 2, index);
    board.setCommon(0x18, 2, size);
    for (const [at, gpa] of [
      [0x20, base],
      [0x28, this.driverAt],
      [0x30, this.deviceAt],
    ] as const) {
      board.setCommon(at, 4, gpa);
      board.setCommon(at + 4, 4, 0);
    }
    board.setCommon(0x1c, 2, 1);
  }

  get driverAt(): number {
    return this.base + 16 * this.size;
  }

  get deviceAt(): number {
    return this.base + 16 * this.size + 0x400;
  }

  /** Makes buffers available. `indirect`: through a table at that address. */
  abstract add(buffers: readonly Buffer[], indirect?: number): void;
  /** The next used buffer: what the device says it has written. */
  abstract used(): number | undefined;

  kick(): void {
    this.board.notify(this.index);
  }

  protected put(gpa: number, { gpa: to, length }: Buffer): void {
    const { view } = this.board.memory;
    view.setUint32(gpa, to, true);
    view.setUint32(gpa + 4, Math.floor(to / 2 ** 32), true);
    view.setUint32(gpa + 8, length, true);
  }
}

export class SplitDriver extends DriverQueue {
  private next = 0;
  private seen = 0;
  private descriptor = 0;

  add(buffers: readonly Buffer[], indirect?: number): void {
    const { view } = this.board.memory;
    const head = this.descriptor % this.size;
    const entry = (table: number, i: number, count: number, at: (n: number) => number): void => {
      this.put(table + 16 * at(i), buffers[i] as Buffer);
      const more = i + 1 < count;
      view.setUint16(table + 16 * at(i) + 12, (more ? 1 : 0) | (buffers[i]?.write ? 2 : 0), true);
      view.setUint16(table + 16 * at(i) + 14, more ? at(i + 1) : 0, true);
    };
    if (indirect === undefined) {
      for (const i of buffers.keys()) entry(this.base, i, buffers.length, (n) => (head + n) % this.size);
      this.descriptor += buffers.length;
    } else {
      for (const i of buffers.keys()) entry(indirect, i, buffers.length, (n) => n);
      this.put(this.base + 16 * head, { gpa: indirect, length: 16 * buffers.length });
      view.setUint16(this.base + 16 * head + 12, 4, true);
      this.descriptor++;
    }
    view.setUint16(this.driverAt + 4 + 2 * (this.next % this.size), head, true);
    this.next = (this.next + 1) & 0xffff;
    view.setUint16(this.driverAt + 2, this.next, true);
  }

  used(): number | undefined {
    const { view } = this.board.memory;
    if (view.getUint16(this.deviceAt + 2, true) === this.seen) return undefined;
    const length = view.getUint32(this.deviceAt + 4 + 8 * (this.seen % this.size) + 4, true);
    this.seen = (this.seen + 1) & 0xffff;
    return length;
  }
}

export class PackedDriver extends DriverQueue {
  private next = 0;
  private wrap = true;
  private seen = 0;
  private seenWrap = true;
  private readonly slots: number[] = [];

  add(buffers: readonly Buffer[], indirect?: number): void {
    const { view } = this.board.memory;
    if (indirect !== undefined) {
      buffers.forEach((buffer, i) => {
        this.put(indirect + 16 * i, buffer);
        view.setUint16(indirect + 16 * i + 14, buffer.write ? 2 : 0, true);
      });
    }
    const direct = indirect === undefined ? buffers : [{ gpa: indirect, length: 16 * buffers.length }];
    const flags: [number, number][] = [];
    direct.forEach((buffer, i) => {
      const at = this.base + 16 * this.next;
      this.put(at, buffer);
      view.setUint16(at + 12, 7, true);
      const more = i + 1 < direct.length ? 1 : 0;
      flags.push([at + 14, more | (buffer.write ? 2 : 0) | (indirect === undefined ? 0 : 4) | (this.wrap ? 0x80 : 0x8000)]);
      if (++this.next === this.size) {
        this.next = 0;
        this.wrap = !this.wrap;
      }
    });
    // The head last: only then is the chain there.
    for (const [at, value] of flags.reverse()) view.setUint16(at, value, true);
    this.slots.push(direct.length);
  }

  used(): number | undefined {
    const { view } = this.board.memory;
    const at = this.base + 16 * this.seen;
    const flags = view.getUint16(at + 14, true);
    if (((flags & 0x80) !== 0) !== this.seenWrap || ((flags & 0x8000) !== 0) !== this.seenWrap) return undefined;
    this.seen += this.slots.shift() ?? 1;
    if (this.seen >= this.size) {
      this.seen -= this.size;
      this.seenWrap = !this.seenWrap;
    }
    return view.getUint32(at + 8, true);
  }
}
