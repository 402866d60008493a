/**
 * The disks of a VM: from what the user names to what a device reads and writes.
 *
 * A format that is not given is guessed by the file's first bytes. A disk that was guessed to be raw cannot be made to look like anything else by
 * its guest (`devices/disk/raw.ts`), so the guess is the same next time.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { DiskError, type DiskImage, ImageError } from '../devices/disk/image.ts';
import { HostFile } from '../devices/disk/file.ts';
import { MemoryOverlay } from '../devices/disk/memory-overlay.ts';
import { openImage } from '../devices/disk/open.ts';
import { createQcow2 } from '../devices/disk/qcow2-create.ts';

export const FORMATS = ['raw', 'qcow2'] as const;
export type DiskFormat = (typeof FORMATS)[number];

/** One disk, as plain data. */
export interface DiskOptions {
  readonly path: string;
  readonly readOnly?: boolean;
  /** What the guest writes is kept in memory and gone at the end. */
  readonly snapshot?: boolean;
  /** A qcow2 image that keeps what the guest writes; made when it is not there. */
  readonly overlay?: string;
  /** Guessed when it is not given. */
  readonly format?: DiskFormat;
  /** What the guest reads as the disk's name; at most 20 characters. */
  readonly serial?: string;
  /** Of a virtio disk, 1 to 8. */
  readonly queues?: number;
}

/** A disk that cannot be opened; one line that names the file. */
export class DiskOpenError extends Error {
  override readonly name = 'DiskOpenError';
}

/** Opens a disk. Throws DiskOpenError. */
export function openDisk(options: DiskOptions): DiskImage {
  const { path, snapshot = false, overlay, format } = options;
  const readOnly = options.readOnly === true || snapshot;
  if (overlay !== undefined) return openOverlay(options, overlay);
  try {
    const { image } = openImage(path, { readOnly, format });
    return snapshot ? new MemoryOverlay(image) : image;
  } catch (error) {
    throw new DiskOpenError(`--disk ${path}: ${whyNot(error as NodeJS.ErrnoException, readOnly)}`);
  }
}

/** A qcow2 image over the disk: made now, or the one of this disk. */
function openOverlay({ path, format }: DiskOptions, overlay: string): DiskImage {
  let made = false;
  try {
    const below = openImage(path, { readOnly: true, format });
    below.image.close();
    if (!existsSync(overlay)) {
      makeOverlay(overlay, path, below.image.size, below.format);
      made = true;
    }
  } catch (error) {
    const which = made || (error as NodeJS.ErrnoException).path === overlay ? `overlay=${overlay}` : path;
    throw new DiskOpenError(`--disk ${which}: ${whyNot(error as NodeJS.ErrnoException, true)}`);
  }
  try {
    const opened = openImage(overlay, { format: 'qcow2' });
    const under = opened.chain[1];
    if (under === undefined || !sameFile(under, path)) {
      opened.image.close();
      const whose = under === undefined ? 'has no backing file' : `is over ${under}`;
      throw new ImageError(`${whose}, not over ${path}; give another overlay`);
    }
    return opened.image;
  } catch (error) {
    throw new DiskOpenError(`--disk overlay=${overlay}: ${whyNot(error as NodeJS.ErrnoException, false)}`);
  }
}

function sameFile(a: string, b: string): boolean {
  const [x, y] = [a, b].map((path) => {
    const file = new HostFile(path, { readOnly: true });
    const identity = file.identity();
    file.close();
    return identity;
  });
  return x === y;
}

/** Makes a qcow2 image over a disk; it names the disk relative to itself. */
export function makeOverlay(overlay: string, below: string, size: number, format: DiskFormat): void {
  const file = new HostFile(overlay, { create: true });
  try {
    createQcow2(file, { size, backing: { name: backingName(overlay, below), format } });
  } finally {
    file.close();
  }
}

/** How an image names its backing file: relative to its own folder, so that both may be moved together. */
export function backingName(image: string, below: string): string {
  const name = relative(dirname(resolve(image)), resolve(below));
  // What looks like a protocol of QEMU's is none with a slash before it.
  return /^[^/]*:/.test(name) ? `./${name}` : name;
}

/** In words: why a disk cannot be used. */
export function whyNot(error: NodeJS.ErrnoException, readOnly: boolean): string {
  if (error instanceof ImageError || error instanceof DiskError) return error.message;
  switch (error.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EEXIST':
      return 'there is such a file already';
    case 'EISDIR':
      return 'is a directory, not a disk image';
    case 'ENXIO':
      return 'is neither a file nor a block device';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return readOnly ? 'you may not read it' : 'you may not write it; give ro or snapshot';
    case 'ENOSPC':
      return 'no space left on the host';
    default:
      if (error.code === undefined) throw error;
      return error.code;
  }
}
