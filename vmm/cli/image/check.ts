/**
 * `lucid image check`: whether a qcow2 image is whole.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import { HostFile } from '../../../devices/disk/file.ts';
import { ImageError } from '../../../devices/disk/image.ts';
import { checkQcow2, type Qcow2Check } from '../../../devices/disk/qcow2-check.ts';
import { DIRTY, isQcow2, readHeader } from '../../../devices/disk/qcow2-header.ts';
import { lockImage } from '../../disk-locks.ts';
import { CLAIMANT, checkImageArguments, withImage } from './arguments.ts';

interface CheckArguments {
  file: string;
  repair?: boolean;
  json: boolean;
}

const LEAKS = 3;
const DAMAGED = 2;

function check(path: string, repair: boolean): Qcow2Check {
  const lock = lockImage(path, repair ? 'write' : 'read', CLAIMANT);
  try {
    const file = new HostFile(path, { readOnly: !repair });
    try {
      if (!isQcow2(file)) throw new ImageError('is no qcow2 image; a raw one has nothing that could be checked');
      // Of an image that says that its refcounts are behind, all of them are set right.
      const dirty = (readHeader(file).incompatible & DIRTY) !== 0;
      return checkQcow2(file, repair ? { repair: dirty ? 'all' : 'leaks' } : {});
    } finally {
      file.close();
    }
  } finally {
    lock.release();
  }
}

function summary(result: Qcow2Check): string {
  const { errors, leaks, repaired, allocated, compressed, clusters } = result;
  const found = errors === 0 && leaks === 0 ? 'no errors, no leaks' : `${errors} errors, ${leaks} leaked clusters`;
  const set = repaired === 0 ? '' : `; ${repaired} refcounts set right`;
  const packed = compressed === 0 ? '' : `, ${compressed} of them compressed`;
  return `${found}${set}; ${allocated} of ${clusters} clusters are in the file${packed}`;
}

export function checkCommand(done: (status: number) => void): CommandModule<object, CheckArguments> {
  return {
    command: 'check <file>',
    describe: 'check whether a qcow2 image is whole',
    builder: (yargs) =>
      yargs
        .positional('file', { type: 'string', demandOption: true, describe: 'the image' })
        .option('repair', { type: 'boolean', describe: 'give back leaked clusters; after an unclean end of QEMU set all refcounts right' })
        .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
        .example('$0 image check disk.qcow2', 'refcounts, leaks, tables that overlap')
        .check(checkImageArguments, true),
    handler({ file, repair = false, json }) {
      const result = withImage(file, () => check(file, repair), !repair);
      if (json) process.stdout.write(`${JSON.stringify({ file, ...result })}\n`);
      else process.stdout.write(`${[...result.lines, `${file}: ${summary(result)}`].join('\n')}\n`);
      const left = result.repaired > 0 && result.errors === 0 ? 0 : result.leaks;
      if (result.errors > 0) done(DAMAGED);
      else if (left > 0) done(LEAKS);
    },
  };
}
