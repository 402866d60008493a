/**
 * What a fuzzed device may touch, under guard: guest RAM between two zones that must never change, and a count of all that is asked of it.
 *
 * @module
 */
import { DiskError, type DiskImage } from '../../../devices/disk/image.ts';
import { FakeMemory } from '../../devices/virtio/board.ts';

export const RAM_BYTES = 0x8000;
/** Where requests put their bytes: up to RAM's end. */
export const BUFFERS_AT = 0x5000;
const ZONE = 0x1000;
const GUARD = 0xa5;

/** A device did what no device may. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** RAM from address 0. Every request is counted: what one notification causes must have an end. */
export class GuardedMemory extends FakeMemory {
  calls = 0;
  moved = 0;
  private readonly whole: Uint8Array;

  constructor() {
    const whole = new Uint8Array(RAM_BYTES + 2 * ZONE).fill(GUARD);
    super(whole.subarray(ZONE, ZONE + RAM_BYTES));
    this.whole = whole;
    this.bytes.fill(0);
  }

  override holds(gpa: number, length: number): boolean {
    this.calls++;
    if (!Number.isInteger(gpa) || !Number.isInteger(length) || length < 0) throw new Finding(`asks for ${length} bytes at ${gpa}`);
    return super.holds(gpa, length);
  }

  override readable(gpa: number, length: number): Uint8Array | undefined {
    this.moved += length;
    return super.readable(gpa, length);
  }

  /** Throws Finding when something outside was written, or more was done than `calls` requests and `bytes` bytes. */
  check(calls: number, bytes: number): void {
    const { whole } = this;
    for (let i = 0; i < ZONE; i++) if (whole[i] !== GUARD || whole[ZONE + RAM_BYTES + i] !== GUARD) throw new Finding('wrote outside RAM');
    if (this.calls > calls || this.moved > bytes)
      throw new Finding(`one step took ${this.calls} requests and ${this.moved} bytes of memory`);
    this.calls = 0;
    this.moved = 0;
  }
}

/** A disk that is read and written inside, in whole sectors, or it is a finding. Fails now and then, as disks do. */
export class GuardedDisk implements DiskImage {
  readonly bytes = new Uint8Array(64 * 512);
  readonly size = this.bytes.length;
  readonly readOnly: boolean;
  failing = false;

  constructor(readOnly: boolean) {
    this.readOnly = readOnly;
  }

  private inside(offset: number, length: number, change: boolean): void {
    if (!Number.isInteger(offset) || !Number.isInteger(length) || offset < 0 || length < 0 || offset + length > this.size)
      throw new Finding(`${length} bytes at ${offset} of a disk of ${this.size}`);
    if (change && this.readOnly) throw new Finding('a disk that is only to be read is written');
    if (this.failing) throw new DiskError('fails');
  }
  read(offset: number, into: Uint8Array): void {
    this.inside(offset, into.length, false);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }
  write(offset: number, bytes: Uint8Array): void {
    this.inside(offset, bytes.length, true);
    this.bytes.set(bytes, offset);
  }
  flush(): void {
    this.inside(0, 0, false);
  }
  zero(offset: number, length: number): void {
    this.inside(offset, length, true);
    this.bytes.fill(0, offset, offset + length);
  }
  discard(offset: number, length: number): void {
    this.inside(offset, length, true);
  }
  close(): void {}
}
