/**
 * The disks of a VM: from what the user names to what a device reads and writes.
 *
 * @module
 */
import type { DiskImage } from '../devices/disk/image.ts';
import { MemoryOverlay } from '../devices/disk/memory-overlay.ts';
import { RawImage } from '../devices/disk/raw.ts';

/** One disk, as plain data. */
export interface DiskOptions {
  readonly path: string;
  readonly readOnly?: boolean;
  /** What the guest writes is kept in memory and gone at the end. */
  readonly snapshot?: boolean;
}

/** A disk that cannot be opened; one line that names the file. */
export class DiskOpenError extends Error {
  override readonly name = 'DiskOpenError';
}

/** Opens a disk. Throws DiskOpenError. */
export function openDisk(options: DiskOptions): DiskImage {
  const { path, readOnly = false, snapshot = false } = options;
  try {
    const image = new RawImage(path, { readOnly: readOnly || snapshot });
    return snapshot ? new MemoryOverlay(image) : image;
  } catch (error) {
    throw new DiskOpenError(`--disk ${path}: ${whyNot(error as NodeJS.ErrnoException, readOnly || snapshot)}`);
  }
}

function whyNot(error: NodeJS.ErrnoException, readOnly: boolean): string {
  switch (error.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'is a directory, not a disk image';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return readOnly ? 'you may not read it' : 'you may not write it; give ro or snapshot';
    default:
      return error.code ?? error.message;
  }
}
