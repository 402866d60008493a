/**
 * `lucid image snapshot`: the internal snapshots of a qcow2 image, which qemu-img knows too.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import { HostFile } from '../../../devices/disk/file.ts';
import { destroySnapshot, listSnapshots, rollBack, takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { lockImage } from '../../disk-locks.ts';
import { UsageError } from '../options.ts';
import { CLAIMANT, checkImageArguments, imageAndSnapshot, withImage } from './arguments.ts';
import { takenAt } from './info.ts';

interface SnapshotArguments {
  image: string;
  rollback?: boolean;
  destroy?: boolean;
  json: boolean;
}

/** Does something with an image that nobody else may use meanwhile. */
export function withOwnImage<T>(path: string, work: (file: HostFile) => T): T {
  return withImage(
    path,
    () => {
      const lock = lockImage(path, 'write', CLAIMANT);
      try {
        const file = new HostFile(path);
        try {
          return work(file);
        } finally {
          file.close();
        }
      } finally {
        lock.release();
      }
    },
    false,
  );
}

/** The host's time. */
export function now(): { readonly seconds: number; readonly nanoseconds: number } {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1e6 };
}

function list(path: string, json: boolean): void {
  const file = withImage(path, () => new HostFile(path, { readOnly: true }));
  const snapshots = withImage(path, () => listSnapshots(file));
  file.close();
  if (json) {
    const rows = snapshots.map(({ id, name, seconds, nanoseconds, size }) => ({ id, name, seconds, nanoseconds, size }));
    process.stdout.write(`${JSON.stringify(rows)}\n`);
  } else {
    const lines = snapshots.map((snapshot) => `${takenAt(snapshot)}  ${path}@${snapshot.name}\n`);
    process.stdout.write(lines.length > 0 ? lines.join('') : `${path}: no snapshots\n`);
  }
}

export function snapshotCommand(): CommandModule<object, SnapshotArguments> {
  return {
    command: 'snapshot <image>',
    describe: 'take, list, go back to or remove snapshots of a qcow2 image',
    builder: (yargs) =>
      yargs
        .positional('image', { type: 'string', demandOption: true, describe: 'IMAGE@NAME; IMAGE alone lists them' })
        .option('rollback', { type: 'boolean', describe: 'make the disk what it was then' })
        .option('destroy', { type: 'boolean', describe: 'remove the snapshot' })
        .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
        .example('$0 image snapshot disk.qcow2@before', 'take one')
        .example('$0 image snapshot disk.qcow2', 'list them')
        .example('$0 image snapshot disk.qcow2@before --rollback', 'undo what came after it')
        .check(checkImageArguments, true),
    handler({ image, rollback = false, destroy = false, json }) {
      const { path, snapshot } = imageAndSnapshot(image);
      if (rollback && destroy) throw new UsageError('--rollback and --destroy: give one of them');
      if (snapshot === undefined) {
        if (rollback || destroy) throw new UsageError(`${image}: which snapshot? write IMAGE@NAME`);
        list(path, json);
        return;
      }
      withOwnImage(path, (file) => {
        if (rollback) rollBack(file, snapshot);
        else if (destroy) destroySnapshot(file, snapshot);
        else takeSnapshot(file, snapshot, now());
      });
      const did = rollback ? 'rolled back to' : destroy ? 'destroyed' : 'taken';
      if (json) process.stdout.write(`${JSON.stringify({ file: path, snapshot, did })}\n`);
      else process.stdout.write(`${path}@${snapshot}: ${did}\n`);
    },
  };
}
