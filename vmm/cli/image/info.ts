/**
 * `lucid image info`: what an image is. It is only looked at, whoever uses it.
 *
 * @module
 */
import { statSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { HostFile } from '../../../devices/disk/file.ts';
import { ImageError } from '../../../devices/disk/image.ts';
import { openImage } from '../../../devices/disk/open.ts';
import { CORRUPT, DIRTY, isQcow2, LAZY_REFCOUNTS, readHeader } from '../../../devices/disk/qcow2-header.ts';
import { readSnapshots, type Snapshot } from '../../../devices/disk/qcow2-snapshot-table.ts';
import { checkImageArguments, formatOf, sizeText, withImage } from './arguments.ts';

interface InfoArguments {
  file: string;
  format?: string;
  json: boolean;
}

interface ImageInfo {
  readonly file: string;
  readonly format: string;
  /** Bytes of the disk, and what the file takes on the host. */
  readonly size: number;
  readonly hostBytes: number;
  readonly version?: number;
  readonly clusterBytes?: number;
  readonly refcountBits?: number;
  readonly compression?: string;
  readonly flags?: readonly string[];
  readonly backing?: { readonly name: string; readonly format?: string };
  /** The files of the chain, this one first; why it cannot be opened. */
  readonly chain?: readonly string[];
  readonly broken?: string;
  readonly snapshots?: readonly { readonly id: string; readonly name: string; readonly taken: string; readonly size: number }[];
}

/** Gathers it. Throws ImageError, the system's error. */
export function imageInfo(path: string, given?: string): ImageInfo {
  const file = new HostFile(path, { readOnly: true });
  try {
    const hostBytes = statSync(path).blocks * 512;
    const format = given ?? (isQcow2(file) ? 'qcow2' : 'raw');
    if (format === 'raw') return { file: path, format, size: file.size() - (file.size() % 512), hostBytes };
    const header = readHeader(file);
    const { version, size, clusterBits, refcountOrder, compression, backing, incompatible, compatible } = header;
    const flags = [
      ...((incompatible & DIRTY) !== 0 ? ['dirty'] : []),
      ...((incompatible & CORRUPT) !== 0 ? ['corrupt'] : []),
      ...((compatible & LAZY_REFCOUNTS) !== 0 ? ['lazy refcounts'] : []),
      ...(header.bitmaps === undefined ? [] : [`${header.bitmaps.count} dirty bitmaps`]),
    ];
    const snapshots = readSnapshots(file, header).snapshots.map(({ id, name, size: bytes, ...time }) => ({
      id,
      name,
      taken: takenAt(time),
      size: bytes,
    }));
    const refcountBits = 2 ** refcountOrder;
    const clusterBytes = 2 ** clusterBits;
    return {
      file: path,
      format,
      size,
      hostBytes,
      version,
      clusterBytes,
      refcountBits,
      compression,
      flags,
      backing,
      snapshots,
      ...chainOf(path),
    };
  } finally {
    file.close();
  }
}

/** `2024-01-31 12:00:00 UTC`. */
export function takenAt({ seconds }: Pick<Snapshot, 'seconds'>): string {
  return new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
}

function chainOf(path: string): Pick<ImageInfo, 'chain' | 'broken'> {
  try {
    const { image, chain } = openImage(path, { readOnly: true, format: 'qcow2' });
    image.close();
    return { chain };
  } catch (error) {
    if (error instanceof ImageError) return { broken: error.message };
    throw error;
  }
}

function lines(info: ImageInfo): string[] {
  const { version, clusterBytes, backing, chain = [], snapshots = [], flags = [] } = info;
  const rows: [string, string | undefined][] = [
    ['format', version === undefined ? info.format : `${info.format} version ${version}`],
    ['disk', sizeText(info.size)],
    ['on the host', sizeText(info.hostBytes)],
    ['clusters', clusterBytes === undefined ? undefined : `${sizeText(clusterBytes)}, ${info.compression} when compressed`],
    ['refcounts', info.refcountBits === undefined ? undefined : `${info.refcountBits} bits`],
    ['flags', flags.length === 0 ? undefined : flags.join(', ')],
    ['backing file', backing === undefined ? undefined : `${backing.name} (${backing.format ?? 'format not told'})`],
    ['chain', chain.length > 1 ? chain.join(' < ') : undefined],
    ['cannot be opened', info.broken],
  ];
  const text = rows.flatMap(([what, value]) => (value === undefined ? [] : [`  ${what.padEnd(16)} ${value}`]));
  const taken = snapshots.map(({ id, name, taken: at }) => `  snapshot ${id.padEnd(7)} ${at}  ${name}`);
  return [info.file, ...text, ...taken];
}

export function infoCommand(): CommandModule<object, InfoArguments> {
  return {
    command: 'info <file>',
    describe: 'tell what an image is',
    builder: (yargs) =>
      yargs
        .positional('file', { type: 'string', demandOption: true, describe: 'the image' })
        .option('format', { type: 'string', requiresArg: true, describe: 'raw or qcow2; guessed without' })
        .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
        .example('$0 image info disk.qcow2', 'format, sizes, backing file, snapshots')
        .check(checkImageArguments, true),
    handler({ file, format, json }) {
      const info = withImage(file, () => imageInfo(file, format === undefined ? undefined : formatOf(format, file)));
      process.stdout.write(json ? `${JSON.stringify(info)}\n` : `${lines(info).join('\n')}\n`);
    },
  };
}
