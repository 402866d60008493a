/**
 * A file of the host as disk images use it: bytes at offsets, made durable when asked.
 *
 * Image formats stand on the interface, so that a test can stand in for a host that loses what was not synced. A host error is thrown as `DiskError`.
 *
 * After an fsync that failed, the kernel may have dropped what it could not write and answer the next fsync with success: so here every later one fails too.
 *
 * @module
 */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { DiskError, ImageError } from './image.ts';

export interface ByteFile {
  readonly readOnly: boolean;
  /** Bytes; of a block device too. */
  size(): number;
  /** Reads at an offset; how many bytes there were, fewer than asked only where the file ends. */
  read(offset: number, into: Uint8Array): number;
  write(offset: number, bytes: Uint8Array): void;
  /** Makes the file longer, with zeros, or shorter. */
  truncate(bytes: number): void;
  /** All that was written survives a lost host. */
  sync(): void;
  close(): void;
}

export class HostFile implements ByteFile {
  readonly readOnly: boolean;
  readonly #fd: number;
  #syncFailed = false;
  #closed = false;

  /** Opens a file that is there, or makes a new one (`create`). Throws the host's error, ImageError when it is no file or block device. */
  constructor(path: string, options: { readonly readOnly?: boolean; readonly create?: boolean } = {}) {
    this.readOnly = options.readOnly ?? false;
    // Without O_NONBLOCK a pipe without a writer would be waited for.
    const flags = (this.readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK;
    this.#fd = openSync(path, options.create === true ? flags | constants.O_CREAT | constants.O_EXCL : flags, 0o666);
    const stat = fstatSync(this.#fd);
    if (stat.isFile() || stat.isBlockDevice()) return;
    closeSync(this.#fd);
    throw new ImageError(stat.isDirectory() ? 'is a directory, not a disk image' : 'is neither a file nor a block device');
  }

  size(): number {
    const stat = fstatSync(this.#fd);
    return stat.isFile() ? stat.size : deviceSize(this.#fd);
  }

  /** What tells this file from others of the host, whatever its names. */
  identity(): string {
    const { dev, ino } = fstatSync(this.#fd, { bigint: true });
    return `${dev}-${ino}`;
  }

  read(offset: number, into: Uint8Array): number {
    let at = 0;
    while (at < into.length) {
      const got = host('read', () => readSync(this.#fd, into, at, into.length - at, offset + at));
      if (got === 0) break;
      at += got;
    }
    return at;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += host('write', () => writeSync(this.#fd, bytes, at, bytes.length - at, offset + at));
  }

  truncate(bytes: number): void {
    host('change the size', () => ftruncateSync(this.#fd, bytes));
  }

  sync(): void {
    if (this.#syncFailed) throw new DiskError('cannot flush: an earlier fsync failed, what it was to write may be lost');
    try {
      host('flush', () => fsyncSync(this.#fd));
    } catch (error) {
      this.#syncFailed = true;
      throw error;
    }
  }

  /** Any number of times. */
  close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
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

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the host (ENOSPC)',
  EDQUOT: 'the quota is used up (EDQUOT)',
  EFBIG: 'the file would be too large (EFBIG)',
  EIO: 'the host has an input/output error (EIO)',
};

function host<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DiskError(`cannot ${what}: ${WORDS[code ?? ''] ?? code ?? message}`);
  }
}
