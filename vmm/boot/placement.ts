/**
 * Where things go in guest memory during boot: who has claimed what, and where there is room left.
 *
 * Only ranges that the memory map calls RAM and that lie below BootMemory.size are given out or accepted, so a loader that
 * writes through this class cannot write outside guest RAM whatever the image says.
 *
 * @module
 */
import { E820_RAM } from './e820.ts';
import { BootError, type BootMemory, type BootOptions } from './entry.ts';

const PAGE = 0x1000;
/** The interrupt vector table and the BIOS data area stand in page 0. */
const FIRST_FREE = PAGE;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** `n` rounded up to a multiple of `align` (any positive integer, not only powers of two). */
export function alignUp(n: number, align: number): number {
  return Math.ceil(n / align) * align;
}

export function alignDown(n: number, align: number): number {
  return Math.floor(n / align) * align;
}

/** Bytes as whole mebibytes, rounded up: "71 MB". */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 0x10_0000)} MB`;
}

export class Placement {
  private readonly ram: BootMemory;
  private readonly usable: Range[] = [];
  private readonly claims: Range[] = [];

  constructor(options: Pick<BootOptions, 'ram' | 'memoryMap'>) {
    this.ram = options.ram;
    for (const entry of options.memoryMap) {
      const start = Math.max(0, entry.base);
      const end = Math.min(entry.base + entry.length, options.ram.size);
      if (entry.type === E820_RAM && end > start) this.usable.push({ start, end });
    }
    this.usable.sort((a, b) => a.start - b.start);
  }

  /** Bytes of guest RAM below 4 GiB. */
  get size(): number {
    return this.ram.size;
  }

  /** True when all of [start, start + bytes) is RAM. */
  isRam(start: number, bytes: number): boolean {
    return this.usable.some((r) => start >= r.start && start + bytes <= r.end);
  }

  /** True when nothing in [start, start + bytes) is claimed. */
  isFree(start: number, bytes: number): boolean {
    return this.claims.every((c) => start + bytes <= c.start || start >= c.end);
  }

  /** Takes a range whose place the image dictates. False when it is not RAM or is taken. */
  claim(start: number, bytes: number): boolean {
    if (!this.isRam(start, bytes) || !this.isFree(start, bytes)) return false;
    if (bytes > 0) this.claims.push({ start, end: start + bytes });
    return true;
  }

  /** Claims the lowest fitting place at or above `from` that ends at or below `limit`; throws BootError naming `what` when none is left. */
  low(bytes: number, align: number, what: string, from = FIRST_FREE, limit = Number.MAX_SAFE_INTEGER): number {
    for (const r of this.usable) {
      let at = alignUp(Math.max(r.start, from), align);
      while (at + bytes <= Math.min(r.end, limit)) {
        const obstacle = this.obstacle(at, bytes);
        if (obstacle === undefined) {
          this.claims.push({ start: at, end: at + bytes });
          return at;
        }
        at = alignUp(obstacle.end, align);
      }
    }
    throw this.noRoom(bytes, what);
  }

  /** Claims the highest fitting place that ends at or below `limit`; throws BootError naming `what` when none is left. */
  high(bytes: number, align: number, what: string, limit: number): number {
    for (const r of [...this.usable].reverse()) {
      let at = alignDown(Math.min(r.end, limit) - bytes, align);
      while (at >= Math.max(r.start, FIRST_FREE)) {
        const obstacle = this.obstacle(at, bytes);
        if (obstacle === undefined) {
          this.claims.push({ start: at, end: at + bytes });
          return at;
        }
        at = alignDown(obstacle.start - bytes, align);
      }
    }
    throw this.noRoom(bytes, what);
  }

  /** Writes into a range that was claimed before. */
  write(gpa: number, bytes: Uint8Array): void {
    this.check(gpa, bytes.length);
    if (bytes.length > 0) this.ram.write(gpa, bytes);
  }

  /** Zeroes a range that was claimed before. */
  zero(gpa: number, bytes: number): void {
    this.check(gpa, bytes);
    if (bytes > 0) this.ram.zero(gpa, bytes);
  }

  /** Bytes that the claims cover up to now. */
  get claimed(): number {
    return this.claims.reduce((sum, c) => sum + c.end - c.start, 0);
  }

  private obstacle(start: number, bytes: number): Range | undefined {
    return this.claims.find((c) => start < c.end && start + bytes > c.start);
  }

  /** The last line of defence: no check of a loader lets this happen. */
  private check(gpa: number, bytes: number): void {
    if (gpa < 0 || gpa + bytes > this.ram.size) throw new RangeError(`write of ${bytes} bytes at ${gpa}, outside guest memory`);
  }

  private noRoom(bytes: number, what: string): BootError {
    const needed = alignUp(this.claimed + bytes + 0x10_0000, 0x10_0000);
    const more = needed > this.size ? needed : this.size + alignUp(bytes, 0x10_0000);
    return new BootError(
      `no room for ${what} (${bytes} bytes): the guest has ${megabytes(this.size)}, at least ${megabytes(more)} are needed (--memory)`,
    );
  }
}
