/**
 * `lucid image receive`: a stream of `lucid image send` becomes an image, or an image becomes what it is on the other side.
 *
 * The stream is read and found whole before anything is made or changed. A new image appears under its name when it is whole; an image that goes on from a snapshot
 * must be as it was when that was taken, and has the new snapshot afterwards.
 *
 * @module
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommandModule } from 'yargs';
import { HostFile } from '../../../devices/disk/file.ts';
import { ImageError } from '../../../devices/disk/image.ts';
import { openImage } from '../../../devices/disk/open.ts';
import type { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { findSnapshot, takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { intoDisk, readStream, type StreamHeader, type StreamSnapshot } from '../../../devices/disk/stream.ts';
import { checkImageArguments, makeFile, sizeText, withImage } from './arguments.ts';
import { newImage } from './convert.ts';
import { withOwnImage } from './snapshot.ts';

interface ReceiveArguments {
  file: string;
  stream?: string;
  force?: boolean;
  json: boolean;
}

/** Standard input as a file beside the image. */
async function spool(image: string): Promise<string> {
  const path = join(dirname(image), `.lucid-receive.${process.pid}.tmp`);
  const fd = openSync(path, 'wx', 0o600);
  process.once('exit', () => rmSync(path, { force: true }));
  try {
    for await (const chunk of process.stdin) {
      const bytes = chunk as Uint8Array;
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    }
  } finally {
    closeSync(fd);
  }
  return path;
}

const NOTHING = { data() {}, zeros() {} };

/** The header of a stream that is whole. */
function verified(path: string, name: string): StreamHeader {
  return withStream(path, name, (file) => readStream(file, () => NOTHING));
}

function withStream<T>(path: string, name: string, work: (file: HostFile) => T): T {
  return withImage(name, () => {
    const file = new HostFile(path, { readOnly: true });
    try {
      return work(file);
    } finally {
      file.close();
    }
  });
}

function receiveAll(image: string, header: StreamHeader, file: HostFile, force: boolean): void {
  makeFile(image, force, (temporary) => {
    const disk = newImage(temporary, 'qcow2', header.size, header.clusterBits);
    try {
      readStream(file, () => intoDisk(disk, true));
    } finally {
      disk.close();
    }
    if (header.snapshot !== undefined) takeIn(temporary, header.snapshot);
  });
}

function takeIn(path: string, snapshot: StreamSnapshot): void {
  const file = new HostFile(path);
  try {
    takeSnapshot(file, snapshot.name, snapshot);
  } finally {
    file.close();
  }
}

function receiveChanges(image: string, { size, from, snapshot }: StreamHeader, file: HostFile): void {
  const base = from as StreamSnapshot;
  withOwnImage(image, (own) => {
    const there = findSnapshot(own, base.name);
    if (there.seconds !== base.seconds || there.nanoseconds !== base.nanoseconds)
      throw new ImageError(`has a snapshot '${base.name}', but not the one that the stream goes on from`);
    refuseChanged(image, base.name, size);
    const { image: disk } = openImage(image, { format: 'qcow2' });
    try {
      readStream(file, () => intoDisk(disk, false));
    } finally {
      disk.close();
    }
    if (snapshot !== undefined) takeSnapshot(own, snapshot.name, snapshot);
  });
}

/** What was written since the snapshot would be lost, and mixed with what comes. */
function refuseChanged(image: string, name: string, size: number): void {
  const now = openImage(image, { readOnly: true, format: 'qcow2' }).image as Qcow2Image;
  const then = openImage(image, { readOnly: true, format: 'qcow2', snapshot: name }).image as Qcow2Image;
  try {
    if (now.size !== size) throw new ImageError(`is a disk of ${now.size} bytes, the stream is of one of ${size}`);
    if (now.sameAs(then, 0, size) < size)
      throw new ImageError(`has changed since '${name}'; lucid image snapshot ${image}@${name} --rollback undoes that`);
  } finally {
    now.close();
    then.close();
  }
}

export function receiveCommand(): CommandModule<object, ReceiveArguments> {
  return {
    command: 'receive <file> [stream]',
    describe: 'make or bring on an image from a stream',
    builder: (yargs) =>
      yargs
        .positional('file', {
          type: 'string',
          demandOption: true,
          describe: 'the image: a new one, or the one that a stream of changes goes on from',
        })
        .positional('stream', { type: 'string', describe: 'what lucid image send wrote; standard input without' })
        .option('force', { type: 'boolean', describe: 'replace a file that is there' })
        .option('json', { type: 'boolean', default: false, describe: 'print what was made as JSON' })
        .example('$0 image receive copy.qcow2 monday.stream', 'a new image')
        .example('$0 image receive copy.qcow2 < tuesday.stream', 'what changed, into it')
        .check(checkImageArguments, true),
    async handler({ file, stream, force = false, json }) {
      const path = stream ?? (await spool(file));
      const name = stream ?? 'standard input';
      const header = verified(path, name);
      withStream(path, name, (source) =>
        withImage(
          file,
          () => (header.from === undefined ? receiveAll(file, header, source, force) : receiveChanges(file, header, source)),
          false,
        ),
      );
      const { size, snapshot, from } = header;
      if (json) process.stdout.write(`${JSON.stringify({ file, size, snapshot: snapshot?.name, from: from?.name })}\n`);
      else {
        const what = snapshot === undefined ? file : `${file}@${snapshot.name}`;
        process.stdout.write(`${what}: ${sizeText(size)}${from === undefined ? '' : `, from @${from.name}`}\n`);
      }
    },
  };
}
