/**
 * Files for tests of disk images: in memory, and one that knows what a host that is lost would have kept of it.
 *
 * @module
 */
import type { ByteFile } from '../../../devices/disk/file.ts';
import { DiskError } from '../../../devices/disk/image.ts';

export class MemoryFile implements ByteFile {
  readonly readOnly = false;
  /** Writes fail from now on, as on a full host. */
  full = false;
  #bytes: Uint8Array;
  #size: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes.slice();
    this.#size = bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array): number {
    if (offset < 0 || !Number.isSafeInteger(offset)) throw new Error(`read at ${offset}`);
    const got = Math.max(0, Math.min(into.length, this.#size - offset));
    if (got > 0) into.set(this.#bytes.subarray(offset, offset + got));
    return got;
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset < 0 || !Number.isSafeInteger(offset)) throw new Error(`write at ${offset}`);
    if (this.full) throw new DiskError('cannot write: no space left on the host (ENOSPC)');
    if (offset + bytes.length > this.#size) this.truncate(offset + bytes.length);
    this.#bytes.set(bytes, offset);
  }

  truncate(bytes: number): void {
    if (bytes > 2 ** 30) throw new DiskError('cannot change the size: the file would be too large (EFBIG)');
    if (bytes > this.#bytes.length) {
      const longer = new Uint8Array(Math.max(bytes, 2 * this.#bytes.length));
      longer.set(this.bytes);
      this.#bytes = longer;
    }
    if (bytes < this.#size) this.#bytes.fill(0, bytes, this.#size);
    this.#size = bytes;
  }

  sync(): void {}

  close(): void {}
}

type Call =
  | { readonly kind: 'sync' }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array };

/** Keeps every call, so that the file can be had as a host that is lost after any of them leaves it. */
export class RecordingFile extends MemoryFile {
  readonly calls: Call[] = [];
  readonly #start: Uint8Array;

  constructor(bytes?: Uint8Array) {
    super(bytes);
    this.#start = this.bytes.slice();
  }

  override write(offset: number, bytes: Uint8Array): void {
    super.write(offset, bytes);
    this.calls.push({ kind: 'write', offset, bytes: bytes.slice() });
  }

  override truncate(size: number): void {
    super.truncate(size);
    this.calls?.push({ kind: 'truncate', size });
  }

  override sync(): void {
    this.calls.push({ kind: 'sync' });
  }

  /**
   * The file as it is left when the host is lost after `calls` calls: all up to the last sync, and of what came after it nothing, or those sectors of 512 bytes and changes of
   * size that `keep` says yes to.
   */
  lost(calls: number, keep: () => boolean = () => false): MemoryFile {
    const left = new MemoryFile(this.#start);
    const synced = this.calls.slice(0, calls).findLastIndex(({ kind }) => kind === 'sync');
    this.calls.slice(0, calls).forEach((call, i) => {
      if (call.kind === 'sync') return;
      if (i <= synced) apply(left, call);
      else if (call.kind === 'truncate') {
        if (keep()) apply(left, call);
      } else {
        for (let at = 0; at < call.bytes.length; ) {
          const bytes = Math.min(512 - ((call.offset + at) % 512), call.bytes.length - at);
          if (keep()) left.write(call.offset + at, call.bytes.subarray(at, at + bytes));
          at += bytes;
        }
      }
    });
    return left;
  }
}

function apply(file: MemoryFile, call: Exclude<Call, { kind: 'sync' }>): void {
  if (call.kind === 'truncate') file.truncate(call.size);
  else file.write(call.offset, call.bytes);
}
