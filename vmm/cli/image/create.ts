/**
 * `lucid image create`: an empty disk, or one over another.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import { HostFile } from '../../../devices/disk/file.ts';
import { openImage } from '../../../devices/disk/open.ts';
import { CLUSTER_BITS, createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { backingName } from '../../disks.ts';
import { UsageError } from '../options.ts';
import { checkImageArguments, formatOf, makeFile, parseDiskSize, sizeText, withImage } from './arguments.ts';

interface CreateArguments {
  file: string;
  size?: string;
  format?: string;
  backing?: string;
  cluster?: string;
  force?: boolean;
  json: boolean;
}

function clusterBitsOf(text: string): number {
  const bits = Math.log2(parseDiskSize(text));
  if (!Number.isInteger(bits) || bits < 9 || bits > 21) throw new UsageError(`--cluster ${text}: not a power of two from 512 to 2M`);
  return bits;
}

export function createCommand(): CommandModule<object, CreateArguments> {
  return {
    command: 'create <file> [size]',
    describe: 'make an empty disk image',
    builder: (yargs) =>
      yargs
        .positional('file', { type: 'string', demandOption: true, describe: 'the image' })
        .positional('size', { type: 'string', describe: 'of the disk: 512M, 10G; that of --backing without' })
        .option('format', { type: 'string', requiresArg: true, describe: 'raw or qcow2; by the ending of the name without' })
        .option('backing', { type: 'string', requiresArg: true, describe: 'the image holds what differs from this one (qcow2)' })
        .option('cluster', { type: 'string', requiresArg: true, describe: 'size of a cluster, 512 to 2M; 64K without (qcow2)' })
        .option('force', { type: 'boolean', describe: 'replace a file that is there' })
        .option('json', { type: 'boolean', default: false, describe: 'print what was made as JSON' })
        .example('$0 image create disk.qcow2 10G', 'a disk of 10 GiB that takes the room it needs')
        .example('$0 image create work.qcow2 --backing base.img', 'a disk over another, which stays as it is')
        .check(checkImageArguments, true),
    handler({ file, size: given, format: asked, backing, cluster, force = false, json }) {
      const format = asked === undefined && backing !== undefined ? 'qcow2' : formatOf(asked, file);
      if (format === 'raw' && backing !== undefined) throw new UsageError('--backing: a raw image has none; give --format qcow2');
      if (format === 'raw' && cluster !== undefined) throw new UsageError('--cluster: a raw image has none; give --format qcow2');
      const below = backing === undefined ? undefined : withImage(backing, () => openImage(backing, { readOnly: true }));
      below?.image.close();
      if (given === undefined && below === undefined) throw new UsageError('which size? write lucid image create FILE 10G');
      const size = given === undefined ? (below?.image.size as number) : parseDiskSize(given);
      const clusterBits = cluster === undefined ? CLUSTER_BITS : clusterBitsOf(cluster);
      const under = backing === undefined ? undefined : { name: backingName(file, backing), format: below?.format as string };
      withImage(file, () => makeFile(file, force, (path) => make(path, format, { size, clusterBits, backing: under })), false);
      if (json) process.stdout.write(`${JSON.stringify({ file, format, size, backing })}\n`);
      else process.stdout.write(`${file}: ${format}, ${sizeText(size)}${backing === undefined ? '' : `, over ${backing}`}\n`);
    },
  };
}

function make(path: string, format: string, image: Parameters<typeof createQcow2>[1]): void {
  const out = new HostFile(path, { create: true });
  try {
    if (format === 'qcow2') createQcow2(out, image);
    else out.truncate(image.size);
  } finally {
    out.close();
  }
}
