/**
 * `lucid image clone`: a new disk that starts as another one, or a snapshot of it, is.
 *
 * Of an image as it stands the clone is an overlay: made at once, and the image must then stay as it is. Of a snapshot it is a copy: no other program could open an
 * overlay over an internal snapshot.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import { openImage } from '../../../devices/disk/open.ts';
import { makeOverlay } from '../../disks.ts';
import { UsageError } from '../options.ts';
import { checkImageArguments, imageAndSnapshot, makeFile, sizeText, withImage } from './arguments.ts';
import { convertImage } from './convert.ts';

interface CloneArguments {
  image: string;
  file: string;
  force?: boolean;
  json: boolean;
}

export function cloneCommand(): CommandModule<object, CloneArguments> {
  return {
    command: 'clone <image> <file>',
    describe: 'make a disk that starts as another one is',
    builder: (yargs) =>
      yargs
        .positional('image', {
          type: 'string',
          demandOption: true,
          describe: 'IMAGE@SNAPSHOT, which is copied; or IMAGE, which the clone is then over',
        })
        .positional('file', { type: 'string', demandOption: true, describe: 'the clone, qcow2' })
        .option('force', { type: 'boolean', describe: 'replace a file that is there' })
        .option('json', { type: 'boolean', default: false, describe: 'print what was made as JSON' })
        .example('$0 image clone base.qcow2 vm1.qcow2', 'a disk over another, which must stay as it is')
        .example('$0 image clone disk.qcow2@before old.qcow2', 'what the disk held then, in a file of its own')
        .check(checkImageArguments, true),
    handler({ image, file, force = false, json }) {
      const { path, snapshot } = imageAndSnapshot(image);
      const size = snapshot === undefined ? overlay(path, file, force) : convertImage(image, file, 'qcow2', { force });
      if (json) process.stdout.write(`${JSON.stringify({ file, of: image, size, backing: snapshot === undefined ? path : undefined })}\n`);
      else
        process.stdout.write(
          `${file}: ${sizeText(size)}, ${snapshot === undefined ? `over ${path}, which must stay as it is` : `a copy of ${image}`}\n`,
        );
    },
  };
}

function overlay(path: string, file: string, force: boolean): number {
  if (path === file) throw new UsageError(`${file}: cannot be over itself`);
  const { image, format } = withImage(path, () => openImage(path, { readOnly: true }));
  image.close();
  withImage(file, () => makeFile(file, force, (temporary) => makeOverlay(temporary, path, image.size, format)), false);
  return image.size;
}
