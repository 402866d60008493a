/**
 * Opens an image with all that is under it.
 *
 * The name of a backing file is relative to the image that names it. Each is opened for reading only; a chain that comes back to a file of its own, or does not end within
 * `CHAIN_MAX`, is refused. Its format is the one that the image says; where it says none, it is guessed, as it is for the first.
 *
 * @module
 */
import { dirname, isAbsolute, join } from 'node:path';
import { HostFile } from './file.ts';
import { DiskError, type DiskImage, ImageError } from './image.ts';
import { Qcow2Image } from './qcow2.ts';
import { repairDirty } from './qcow2-check.ts';
import { DIRTY, isQcow2, readHeader } from './qcow2-header.ts';
import { findSnapshot } from './qcow2-snapshots.ts';
import { RawImage } from './raw.ts';

const CHAIN_MAX = 64;

export type Format = 'raw' | 'qcow2';

export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Guessed when it is not given. */
  readonly format?: Format;
  /** The disk as it was in this internal snapshot; for reading only. */
  readonly snapshot?: string;
}

export interface OpenedImage {
  readonly image: DiskImage;
  readonly format: Format;
  /** The files of the chain, the image itself first. */
  readonly chain: readonly string[];
}

/** Opens an image. Throws the host's error, ImageError, DiskError; these name a file of the chain when it is not the first. */
export function openImage(path: string, options: OpenOptions = {}): OpenedImage {
  return openLink(path, options, []);
}

function openLink(
  path: string,
  { readOnly = false, format, snapshot: name }: OpenOptions,
  above: readonly { readonly path: string; readonly identity: string }[],
): OpenedImage {
  const file = new HostFile(path, { readOnly });
  try {
    const identity = file.identity();
    if (above.some((link) => link.identity === identity)) throw new ImageError('its chain of backing files comes back to it');
    if (above.length >= CHAIN_MAX) throw new ImageError(`its chain of backing files is longer than ${CHAIN_MAX}`);
    const found = format ?? (isQcow2(file) ? 'qcow2' : 'raw');
    if (name !== undefined && found === 'raw') throw new ImageError('is raw and has no snapshots');
    if (found === 'raw') return { image: new RawImage(file, { readOnly, guessed: format === undefined }), format: found, chain: [path] };
    const { backing, incompatible } = readHeader(file);
    if (!readOnly && (incompatible & DIRTY) !== 0) repairDirty(file);
    const snapshot = name === undefined ? undefined : findSnapshot(file, name);
    if (backing === undefined) return { image: new Qcow2Image(file, { readOnly, snapshot }), format: found, chain: [path] };
    const below = openBacking(path, backing.name, backing.format, [...above, { path, identity }]);
    try {
      return { image: new Qcow2Image(file, { readOnly, backing: below.image, snapshot }), format: found, chain: [path, ...below.chain] };
    } catch (error) {
      below.image.close();
      throw error;
    }
  } catch (error) {
    file.close();
    throw error;
  }
}

function openBacking(
  path: string,
  name: string,
  format: string | undefined,
  above: { readonly path: string; readonly identity: string }[],
): OpenedImage {
  if (/^[^/]*:/.test(name)) throw new ImageError(`its backing file '${name}' is not a file's name; other protocols are not supported`);
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw new ImageError(`its backing file '${name}' has the format ${format}, which is not supported; there are raw and qcow2`);
  const below = isAbsolute(name) ? name : join(dirname(path), name);
  try {
    return openLink(below, { readOnly: true, format }, above);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof DiskError) throw error;
    if (!(error instanceof ImageError) && code === undefined) throw error;
    const why = error instanceof ImageError ? message : code === 'ENOENT' ? 'there is no such file' : `cannot read it (${code})`;
    throw new ImageError(`backing file ${below}: ${why}`);
  }
}
