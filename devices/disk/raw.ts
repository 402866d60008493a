/**
 * A raw image: the file's bytes are the disk's.
 *
 * A regular file or a block device. Its size is that of the file when it was opened; a file that was cut since then gives read errors, not zeros,
 * because the guest must learn of it. Zeroing writes zeros: Node has no call to punch holes. The last part of a sector that is not whole is no part of the
 * disk.
 *
 * @module
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { DiskError, type DiskImage, SECTOR } from './image.ts';

const ZEROS = new Uint8Array(1048576);

export class RawImage implements DiskImage {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #fd: number;

  /** Throws the host's error when the file cannot be opened, RangeError when it is no disk. */
  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    this.readOnly = options.readOnly ?? false;
    this.#fd = openSync(path, this.readOnly ? 'r' : 'r+');
    try {
      this.size = diskSize(this.#fd);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  read(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const got = host('read', () => readSync(this.#fd, into, at, into.length - at, offset + at));
      if (got === 0) throw new DiskError(`the file ends at ${offset + at}; it was longer when it was opened`);
      at += got;
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += host('write', () => writeSync(this.#fd, bytes, at, bytes.length - at, offset + at));
  }

  flush(): void {
    host('flush', () => fsyncSync(this.#fd));
  }

  zero(offset: number, length: number): void {
    for (let at = 0; at < length; at += ZEROS.length) this.write(offset + at, ZEROS.subarray(0, Math.min(ZEROS.length, length - at)));
  }

  discard(): void {}

  close(): void {
    closeSync(this.#fd);
  }
}

function diskSize(fd: number): number {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) throw new RangeError('is a directory, not a disk image');
  if (!stat.isFile() && !stat.isBlockDevice()) throw new RangeError('is neither a file nor a block device');
  const bytes = stat.isFile() ? stat.size : deviceSize(fd);
  if (bytes < SECTOR) throw new RangeError(`${bytes} bytes; a disk has at least one sector of ${SECTOR}`);
  return bytes - (bytes % SECTOR);
}

function deviceSize(fd: number): number {
  // A block device tells its size by where reading ends: halve the distance to it.
  const one = new Uint8Array(1);
  const there = (at: number): boolean => readSync(fd, one, 0, 1, at) === 1;
  if (!there(0)) return 0;
  let end = 1;
  while (end < 2 ** 50 && there(end)) end *= 2;
  let low = end / 2;
  while (end - low > 1) {
    const middle = Math.floor((low + end) / 2);
    if (there(middle)) low = middle;
    else end = middle;
  }
  return end;
}

function host<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DiskError(`cannot ${what}: ${code ?? message}`);
  }
}
