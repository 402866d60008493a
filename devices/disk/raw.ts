/**
 * A raw image: the file's bytes are the disk's.
 *
 * A regular file or a block device. Its size is that of the file when it was opened; a file that was cut since then gives read errors, not zeros,
 * because the guest must learn of it. The last part of a sector that is not whole is no part of the disk.
 *
 * Node has no call that punches holes (fallocate), so zeroing writes zeros and discarding does nothing; room in the file goes back to the host only by
 * `lucid image convert`. Zeros that are to be written where the file reads as zeros already are not written: a sparse file stays sparse.
 *
 * A guessed format (`guessed`): next time the file would be guessed anew, and a guest that writes the magic of qcow2 into its first bytes could then
 * make up an image whose backing file is any file of the host. So that write is refused, as QEMU does, however it is cut into pieces.
 *
 * @module
 */
import { type ByteFile, HostFile } from './file.ts';
import { DiskError, type DiskImage, ImageError, SECTOR } from './image.ts';
import { QCOW_MAGIC } from './qcow2-header.ts';

const ZEROS = new Uint8Array(1048576);
const MAGIC_BYTES = 4;

export interface RawOptions {
  readonly readOnly?: boolean;
  /** Nobody said that the image is raw. */
  readonly guessed?: boolean;
}

export class RawImage implements DiskImage {
  readonly size: number;
  readonly readOnly: boolean;
  readonly format = 'raw';
  readonly #file: ByteFile;
  readonly #guessed: boolean;
  readonly #probe = new Uint8Array(ZEROS.length);

  /** Throws the host's error when the file cannot be opened, ImageError when it is no disk. */
  constructor(file: string | ByteFile, { readOnly = false, guessed = false }: RawOptions = {}) {
    this.#file = typeof file === 'string' ? new HostFile(file, { readOnly }) : file;
    this.readOnly = readOnly;
    this.#guessed = guessed;
    const bytes = this.#file.size();
    this.size = bytes - (bytes % SECTOR);
    if (this.size > 0) return;
    this.#file.close();
    throw new ImageError(`${bytes} bytes; a disk has at least one sector of ${SECTOR}`);
  }

  read(offset: number, into: Uint8Array): void {
    const got = this.#file.read(offset, into);
    if (got < into.length) throw new DiskError(`the file ends at ${offset + got}; it was longer when it was opened`);
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.#guessed && offset < MAGIC_BYTES) this.#refuseMagic(offset, bytes);
    this.#file.write(offset, bytes);
  }

  #refuseMagic(offset: number, bytes: Uint8Array): void {
    const start = new Uint8Array(MAGIC_BYTES);
    this.read(0, start);
    start.set(bytes.subarray(0, MAGIC_BYTES - offset), offset);
    if (new DataView(start.buffer).getUint32(0) === QCOW_MAGIC)
      throw new DiskError('the guest writes the magic of qcow2 into a disk whose format was guessed: give format=raw to allow it');
  }

  flush(): void {
    this.#file.sync();
  }

  zero(offset: number, length: number): void {
    for (let at = 0; at < length; at += ZEROS.length) {
      const bytes = Math.min(ZEROS.length, length - at);
      const there = this.#probe.subarray(0, bytes);
      this.read(offset + at, there);
      if (!isZero(there)) this.write(offset + at, ZEROS.subarray(0, bytes));
    }
  }

  discard(): void {}

  close(): void {
    this.#file.close();
  }
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, bytes.length <= ZEROS.length ? ZEROS.subarray(0, bytes.length) : new Uint8Array(bytes.length)) === 0;
}
