/**
 * The disks of a VM: from what the user names to what a device reads and writes.
 *
 * A format that is not given is guessed by the file's first bytes. A disk that was guessed to be raw cannot be made to look like anything else by
 * its guest (`devices/disk/raw.ts`), so the guess is the same next time.
 *
 * An image that is written is this VM's alone, what is read (backing files too) is nobody's to write: `disk-locks.ts`.
 *
 * @module
 */
import { existsSync, rmSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { HostFile } from '../devices/disk/file.ts';
import { DiskError, type DiskImage, ImageError } from '../devices/disk/image.ts';
import { MemoryOverlay } from '../devices/disk/memory-overlay.ts';
import { openImage, type OpenedImage, type OpenOptions } from '../devices/disk/open.ts';
import { createQcow2 } from '../devices/disk/qcow2-create.ts';
import { type ImageLock, ImageLockedError, lockImage } from './disk-locks.ts';
import { sameFile } from './run-files.ts';

export const FORMATS = ['raw', 'qcow2'] as const;
export type DiskFormat = (typeof FORMATS)[number];

/** What the guest finds the disk behind. */
export const DISK_INTERFACES = ['virtio', 'ide', 'cdrom'] as const;
export type DiskInterface = (typeof DISK_INTERFACES)[number];

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
  /** Default: virtio. */
  readonly interface?: DiskInterface;
  /** Of a virtio disk, 1 to 8. */
  readonly queues?: number;
}

/** A disk that cannot be opened; one line that names the file. */
export class DiskOpenError extends Error {
  override readonly name = 'DiskOpenError';
}

/** The claims of open disks. */
const claims = new WeakMap<DiskImage, readonly ImageLock[]>();

/** Opens a disk. Throws DiskOpenError. */
export function openDisk(options: DiskOptions): DiskImage {
  return openDiskFor('a VM', options);
}

/** Opens a disk for a VM of that name. Throws DiskOpenError. */
export function openDiskFor(name: string, options: DiskOptions): DiskImage {
  const { path, snapshot = false, overlay, format } = options;
  if (overlay !== undefined) return openOverlay(options, overlay, name);
  const readOnly = options.readOnly === true || snapshot;
  const image = asDisk(path, readOnly, () => openLocked(path, { readOnly, format }, name).image, driveOption(options));
  if (!snapshot) return image;
  const layer = new MemoryOverlay(image);
  claims.set(layer, claims.get(image) ?? []);
  return layer;
}

/** Writes what the disk still has in memory, and gives it back. Throws DiskError. */
export function closeDisk(image: DiskImage): void {
  try {
    image.close();
  } finally {
    for (const lock of claims.get(image) ?? []) lock.release();
  }
}

/** Opens an image and claims it with all that is under it. Throws what `openImage` and `lockImage` do. */
export function openLocked(path: string, options: OpenOptions, name: string): OpenedImage {
  const locks: ImageLock[] = [];
  try {
    // Before it is opened: to open may be to repair.
    locks.push(lockImage(path, options.readOnly === true ? 'read' : 'write', name));
    const opened = openImage(path, options);
    claims.set(opened.image, locks);
    for (const below of opened.chain.slice(1)) locks.push(lockImage(below, 'read', name));
    return opened;
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}

/** The option that names a drive. */
export function driveOption(options: Pick<DiskOptions, 'interface'>): string {
  return options.interface === 'cdrom' ? '--cdrom' : '--disk';
}

function asDisk<T>(named: string, readOnly: boolean, open: () => T, by = '--disk'): T {
  try {
    return open();
  } catch (error) {
    throw new DiskOpenError(`${by} ${named}: ${whyNot(error as NodeJS.ErrnoException, readOnly)}`);
  }
}

/** A qcow2 image over the disk: made now, or the one of this disk. */
function openOverlay({ path, format }: DiskOptions, overlay: string, name: string): DiskImage {
  const option = `overlay=${overlay}`;
  if (!existsSync(overlay)) {
    const { image, format: found } = asDisk(path, true, () => openImage(path, { readOnly: true, format }));
    image.close();
    asDisk(option, false, () => makeOverlay(overlay, path, image.size, found));
  }
  return asDisk(option, false, () => {
    const opened = openLocked(overlay, { format: 'qcow2' }, name);
    const under = opened.chain[1];
    if (under !== undefined && (resolve(under) === resolve(path) || sameFile(under, path))) return opened.image;
    closeDisk(opened.image);
    throw new ImageError(`${under === undefined ? 'has no backing file' : `is over ${under}`}, not over ${path}; give another overlay`);
  });
}

/** Makes a qcow2 image over a disk; it names the disk relative to itself. */
export function makeOverlay(overlay: string, below: string, size: number, format: DiskFormat): void {
  const file = new HostFile(overlay, { create: true });
  try {
    createQcow2(file, { size, backing: { name: backingName(overlay, below), format } });
  } catch (error) {
    rmSync(overlay, { force: true });
    throw error;
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
  if (error instanceof ImageError || error instanceof DiskError || error instanceof ImageLockedError) return error.message;
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
      return readOnly ? 'you may not read it' : 'you may not write it; give ro, snapshot or overlay=FILE';
    case 'ENOSPC':
      return 'no space left on the host';
    default:
      if (error.code === undefined) throw error;
      return error.code;
  }
}
