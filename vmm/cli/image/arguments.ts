/**
 * What the commands of `lucid image` share: their arguments, errors in words, and progress.
 *
 * @module
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DiskError, ImageError } from '../../../devices/disk/image.ts';
import { FORMATS, type DiskFormat, whyNot } from '../../disks.ts';
import { ImageLockedError } from '../../disk-locks.ts';
import { checkArguments, UsageError } from '../options.ts';

/** How the claims of these commands are called where another program meets them. */
export const CLAIMANT = 'lucid image';

/** `checkArguments` for a command in two words. */
export function checkImageArguments(parsed: Readonly<Record<string, unknown>>): true {
  return checkArguments({ ...parsed, _: ['image', ...((parsed['_'] as unknown[] | undefined) ?? []).slice(2)] });
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `64M`, `1.5G`, `1T`, bytes: the size of a disk, in whole sectors. */
export function parseDiskSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)i?B?$/i.exec(text);
  if (match === null) throw new UsageError(`${text}: not a size; write 512M, 10G or 1T`);
  const bytes = Number(match[1]) * (UNITS[(match[2] as string).toUpperCase()] as number);
  if (bytes < 512 || bytes >= 2 ** 52) throw new UsageError(`${text}: a disk has from 512 bytes to 4 PiB`);
  return Math.ceil(bytes / 512) * 512;
}

/** A format that was given, or the one that a file's name ends with. */
export function formatOf(given: string | undefined, file: string): DiskFormat {
  if (given === undefined) return file.endsWith('.qcow2') ? 'qcow2' : 'raw';
  const known = FORMATS.find((format) => format === given);
  if (known === undefined) throw new UsageError(`--format ${given}: unknown; there is ${FORMATS.join(', ')}`);
  return known;
}

/** `IMAGE@SNAPSHOT`: the last @ counts; undefined where none is named. */
export function imageAndSnapshot(text: string): { readonly path: string; readonly snapshot: string | undefined } {
  const cut = text.lastIndexOf('@');
  // A file of that very name is meant as it stands.
  if (cut <= 0 || existsSync(text)) return { path: text, snapshot: undefined };
  if (cut === text.length - 1) throw new UsageError(`${text}: which snapshot? write IMAGE@NAME`);
  return { path: text.slice(0, cut), snapshot: text.slice(cut + 1) };
}

/** Does something with a file; what is wrong with it is a line for the user. */
export function withImage<T>(file: string, work: () => T, readOnly = true): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const known = error instanceof ImageError || error instanceof DiskError || error instanceof ImageLockedError;
    if (!known && code === undefined) throw error;
    const why = whyNot(error as NodeJS.ErrnoException, readOnly);
    throw new UsageError(`${file === '' ? "''" : file}: ${readOnly ? why : why.replace('; give ro, snapshot or overlay=FILE', '')}`);
  }
}

/** Makes a file: under a name of its own until it is whole, so that it is there whole or not at all. */
export function makeFile<T>(path: string, force: boolean, make: (temporary: string) => T): T {
  if (!force && existsSync(path)) throw new UsageError(`${path}: there is such a file already; --force replaces it`);
  const temporary = `${path}.${process.pid}.tmp`;
  const remove = (): void => rmSync(temporary, { force: true });
  // An interruption ends the process at once.
  process.once('exit', remove);
  try {
    const made = make(temporary);
    renameSync(temporary, path);
    return made;
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** A line on a terminal that tells how far it is; nothing elsewhere. */
export function progressLine(what: string): { readonly step: (done: number, all: number) => void; readonly end: () => void } {
  if (process.stderr.isTTY !== true) return { step() {}, end() {} };
  let shown = -1;
  return {
    step(done, all) {
      const percent = Math.floor((100 * done) / all);
      if (percent !== shown) process.stderr.write(`\r${what} ${percent} %`);
      shown = percent;
    },
    end() {
      if (shown >= 0) process.stderr.write('\r\x1b[K');
    },
  };
}

/** `1.5 GiB (1610612736 bytes)`. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(5, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return power === 0 ? `${bytes} bytes` : `${Number((bytes / 2 ** (10 * power)).toFixed(2))} ${units[power]} (${bytes} bytes)`;
}
