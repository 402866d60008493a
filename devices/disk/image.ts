/**
 * What stands behind a disk: bytes that can be read, written and made durable.
 *
 * Offsets and lengths are bytes within the image; whoever asks has checked them. Everything is synchronous: the VM's thread waits for the host, while the
 * guest's clock counts only what the latency model says. A host error is thrown as `DiskError`; the guest gets an I/O error for that request and nothing
 * else breaks.
 *
 * @module
 */
export interface DiskImage {
  /** Bytes; a multiple of 512. */
  readonly size: number;
  readonly readOnly: boolean;
  /** `raw`, `qcow2`: for those that trace. */
  readonly format?: string;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  /** Everything written so far survives a killed process and a lost host (fsync). */
  flush(): void;
  /** The bytes read as zeros from now on; their room may go back to the host. */
  zero(offset: number, length: number): void;
  /** The bytes may read as anything from now on. */
  discard(offset: number, length: number): void;
  close(): void;
  /** How many bytes from here on are known to be zeros without a look at them; at most `most`. */
  zerosAt?(offset: number, most: number): number;
}

/** The host could not do what was asked; one line. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
}

/** The file is no disk image, or not one that can be used; one line that does not name the file. */
export class ImageError extends RangeError {
  override readonly name = 'ImageError';
}

export const SECTOR = 512;
