/**
 * `lucid image convert`: the same disk in another file or format, with only what is not zeros, and without backing files.
 *
 * @module
 */
import { statSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { copyDisk } from '../../../devices/disk/copy.ts';
import { HostFile } from '../../../devices/disk/file.ts';
import type { DiskImage } from '../../../devices/disk/image.ts';
import { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { RawImage } from '../../../devices/disk/raw.ts';
import { closeDisk, type DiskFormat, openLocked } from '../../disks.ts';
import { CLAIMANT, checkImageArguments, formatOf, imageAndSnapshot, makeFile, progressLine, sizeText, withImage } from './arguments.ts';

interface ConvertArguments {
  from: string;
  to: string;
  format?: string;
  'from-format'?: string;
  force?: boolean;
  json: boolean;
}

/** A new image of a disk of that size, open to be written. */
export function newImage(path: string, format: DiskFormat, size: number, clusterBits?: number): DiskImage {
  const file = new HostFile(path, { create: true });
  try {
    if (format === 'raw') {
      file.truncate(size);
      return new RawImage(file);
    }
    createQcow2(file, { size, clusterBits });
    return new Qcow2Image(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Copies an image, or a snapshot of it, into a new file. Throws UsageError. */
export function convertImage(
  from: string,
  to: string,
  format: DiskFormat,
  options: { readonly force?: boolean; readonly fromFormat?: DiskFormat } = {},
): number {
  const { path, snapshot } = imageAndSnapshot(from);
  const source = withImage(path, () => openLocked(path, { readOnly: true, format: options.fromFormat, snapshot }, CLAIMANT));
  const { step, end } = progressLine('converted');
  try {
    withImage(to, () => makeFile(to, options.force === true, (temporary) => copyInto(source.image, temporary, format, step)), false);
    return source.image.size;
  } finally {
    end();
    closeDisk(source.image);
  }
}

function copyInto(source: DiskImage, path: string, format: DiskFormat, step: (done: number, all: number) => void): void {
  const target = newImage(path, format, source.size);
  try {
    copyDisk(source, target, step);
  } finally {
    target.close();
  }
}

export function convertCommand(): CommandModule<object, ConvertArguments> {
  return {
    command: 'convert <from> <to>',
    describe: 'copy an image into another file or format',
    builder: (yargs) =>
      yargs
        .positional('from', { type: 'string', demandOption: true, describe: 'the image, or IMAGE@SNAPSHOT' })
        .positional('to', { type: 'string', demandOption: true, describe: 'the new one' })
        .option('format', {
          type: 'string',
          requiresArg: true,
          describe: 'of the new one: raw or qcow2; by the ending of its name without',
        })
        .option('from-format', { type: 'string', requiresArg: true, describe: 'raw or qcow2; guessed without' })
        .option('force', { type: 'boolean', describe: 'replace a file that is there' })
        .option('json', { type: 'boolean', default: false, describe: 'print what was made as JSON' })
        .example('$0 image convert disk.img disk.qcow2', 'from raw to qcow2, without the zeros')
        .example('$0 image convert work.qcow2 all.img', 'an overlay and all under it as one raw image')
        .check(checkImageArguments, true),
    handler({ from, to, format: asked, 'from-format': fromAsked, force, json }) {
      const format = formatOf(asked, to);
      const fromFormat = fromAsked === undefined ? undefined : formatOf(fromAsked, from);
      const size = convertImage(from, to, format, { force, fromFormat });
      const hostBytes = statSync(to).blocks * 512;
      if (json) process.stdout.write(`${JSON.stringify({ file: to, format, size, hostBytes })}\n`);
      else process.stdout.write(`${to}: ${format}, ${sizeText(size)}, ${sizeText(hostBytes)} on the host\n`);
    },
  };
}
