/**
 * `lucid image send`: a disk or a snapshot as a stream, whole or as what changed since another snapshot.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { eachData } from '../../../devices/disk/copy.ts';
import { HostFile } from '../../../devices/disk/file.ts';
import { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { CLUSTER_BITS } from '../../../devices/disk/qcow2-create.ts';
import { findSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { type StreamSnapshot, StreamWriter } from '../../../devices/disk/stream.ts';
import { closeDisk, openLocked } from '../../disks.ts';
import { UsageError } from '../options.ts';
import { CLAIMANT, checkImageArguments, imageAndSnapshot, makeFile, progressLine, withImage } from './arguments.ts';

interface SendArguments {
  image: string;
  from?: string;
  output?: string;
  force?: boolean;
}

const PIECE = 1048576;

/** The stream of an image, piece by piece. */
function send(image: string, from: string | undefined, put: (bytes: Uint8Array) => void): void {
  const { path, snapshot } = imageAndSnapshot(image);
  const { step, end } = progressLine('sent');
  const { image: disk } = withImage(path, () => openLocked(path, { readOnly: true, snapshot }, CLAIMANT));
  try {
    const clusterBits = disk instanceof Qcow2Image ? disk.header.clusterBits : CLUSTER_BITS;
    const known = snapshot === undefined ? undefined : named(path, snapshot);
    const writer = (base?: StreamSnapshot): StreamWriter =>
      new StreamWriter({ size: disk.size, clusterBits, snapshot: known, from: base }, put);
    if (from === undefined) {
      const stream = writer();
      withImage(path, () => eachData(disk, (offset, bytes) => stream.data(offset, bytes), step));
      stream.end();
      return;
    }
    const base = withImage(path, () => openLocked(path, { readOnly: true, snapshot: from }, CLAIMANT));
    try {
      const stream = writer(named(path, from));
      withImage(path, () => sendChanges(disk as Qcow2Image, base.image as Qcow2Image, stream, step));
      stream.end();
    } finally {
      closeDisk(base.image);
    }
  } finally {
    end();
    closeDisk(disk);
  }
}

function named(path: string, snapshot: string): StreamSnapshot {
  const file = new HostFile(path, { readOnly: true });
  const { name, seconds, nanoseconds } = withImage(path, () => findSnapshot(file, snapshot));
  file.close();
  return { name, seconds, nanoseconds };
}

/** Sends what is not the same cluster of the file on both sides. */
function sendChanges(disk: Qcow2Image, base: Qcow2Image, stream: StreamWriter, step: (done: number, all: number) => void): void {
  const cluster = 2 ** disk.header.clusterBits;
  const buffer = new Uint8Array(Math.max(PIECE, cluster));
  if (base.size !== disk.size) throw new UsageError('the disk has another size than the snapshot that it is compared with');
  let at = 0;
  while (at < disk.size) {
    at += disk.sameAs(base, at, disk.size - at);
    let end = at;
    while (end < disk.size && end - at < buffer.length && disk.sameAs(base, end, Math.min(cluster, disk.size - end)) === 0)
      end = Math.min(disk.size, (Math.floor(end / cluster) + 1) * cluster);
    const piece = buffer.subarray(0, end - at);
    if (piece.length > 0) {
      disk.read(at, piece);
      stream.data(at, piece);
    }
    at = end;
    step(at, disk.size);
  }
}

/** Writes all of it to a descriptor. */
function putInto(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // A pipe whose reader is slow.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

export function sendCommand(): CommandModule<object, SendArguments> {
  return {
    command: 'send <image>',
    describe: 'write a disk or a snapshot as a stream',
    builder: (yargs) =>
      yargs
        .positional('image', { type: 'string', demandOption: true, describe: 'IMAGE@SNAPSHOT, or IMAGE as it is' })
        .option('from', { alias: 'i', type: 'string', requiresArg: true, describe: 'only what changed since this snapshot of the image' })
        .option('output', { alias: 'o', type: 'string', requiresArg: true, describe: 'into this file; standard output without' })
        .option('force', { type: 'boolean', describe: 'replace a file that is there' })
        .example('$0 image send disk.qcow2@monday -o monday.stream', 'all of a snapshot')
        .example('$0 image send disk.qcow2@tuesday -i monday | ssh host lucid image receive copy.qcow2', 'what changed since then')
        .check(({ i: _i, o: _o, ...parsed }) => checkImageArguments(parsed), true),
    handler({ image, from, output, force = false }) {
      const base = from?.replace(/^.*@/s, '');
      if (output === undefined) {
        if (process.stdout.isTTY === true) throw new UsageError('standard output is a terminal: give --output FILE, or a pipe');
        withImage('standard output', () => send(image, base, (bytes) => putInto(1, bytes)));
        return;
      }
      const write = (temporary: string): void => {
        const fd = openSync(temporary, 'wx');
        try {
          send(image, base, (bytes) => putInto(fd, bytes));
        } finally {
          closeSync(fd);
        }
      };
      withImage(output, () => makeFile(output, force, write), false);
    },
  };
}
