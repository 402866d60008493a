/**
 * A machine in a snapshot file: the VM's state with the options that make the same board again, and a stamp of each disk, whose bytes are not in it.
 *
 * @module
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { NicOptions } from '../devices/net/options.ts';
import { StateError } from './bus.ts';
import type { DiskOptions } from './disks.ts';
import { readAbout, readSnapshot, writeSnapshot } from './snapshot-file.ts';
import type { Vm } from './vm.ts';
import type { RunOptions } from './worker-messages.ts';

/** Of a disk when the snapshot was taken: what must be the same when it is used again. */
interface DiskStamp {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** What makes the board; the rest of RunOptions is about how to run it, which may be another way next time. */
const BOARD = [
  'name',
  'memory',
  'exitCosts',
  'intercepts',
  'debugExit',
  'rtcEpoch',
  'seed',
  'cpu',
  'cpus',
  'disks',
  'boot',
  'nics',
  'rng',
  'console',
  'shares',
  'virtio',
  'ecam',
  'hpet',
  'bios',
  'vga',
  'vgaBios',
] as const;
/** What a reset reads again, wherever the machine is by then. */
const FILES = ['kernel', 'initrd', 'bios', 'vgaBios'] as const;
export type BoardOptions = Pick<RunOptions, (typeof BOARD)[number]>;

interface About {
  readonly board: BoardOptions;
  readonly disks: readonly DiskStamp[];
}

/** Writes the snapshot of a VM that stands between two instructions; bytes of the file. Throws the system's error. */
export function saveMachine(path: string, vm: Vm, options: RunOptions): number {
  for (const work of vm.beforeSave) work();
  const board = Object.fromEntries(BOARD.map((key) => [key, options[key]])) as unknown as BoardOptions;
  const nics = options.nics?.map(absoluteNic);
  const shares = options.shares?.map((share) => ({ ...share, path: resolve(share.path) }));
  const disks = options.disks?.map((disk) => ({
    ...disk,
    path: resolve(disk.path),
    ...(disk.overlay === undefined ? undefined : { overlay: resolve(disk.overlay) }),
  }));
  const files = Object.fromEntries(FILES.map((key) => [key, options[key] === undefined ? undefined : resolve(options[key])]));
  const about: About = { board: { ...board, ...files, disks, nics, shares }, disks: (disks ?? []).flatMap(imagesOf).map(stamp) };
  const extra = Object.fromEntries([...vm.blobs].map(([name, blob]) => [name, blob.saveBytes()]));
  return writeSnapshot(path, { about, vm: vm.saveState(), extra });
}

/** A NIC by whole paths. */
function absoluteNic(nic: NicOptions): NicOptions {
  const { backend, capture } = nic;
  const placed = 'path' in backend ? { ...backend, path: resolve(backend.path) } : backend;
  return { ...nic, backend: placed, capture: capture === undefined ? undefined : resolve(capture) };
}

/** The files of a disk that the user named. */
function imagesOf({ path, overlay }: DiskOptions): string[] {
  return overlay === undefined ? [path] : [path, overlay];
}

function stamp(path: string): DiskStamp {
  const { size, mtimeMs } = statSync(path);
  return { path, bytes: size, modifiedMs: mtimeMs };
}

/** The board that a snapshot is of. Throws StateError, the system's error. */
export function boardOf(path: string): BoardOptions {
  return (readAbout(path) as About).board;
}

/** Puts the state of a snapshot into a VM of its board. Throws StateError, the system's error. */
export function restoreMachine(path: string, vm: Vm): void {
  const { about, vm: saved, extra } = readSnapshot(path);
  for (const disk of (about as About).disks) checkDisk(disk);
  vm.restoreState(saved);
  for (const [name, blob] of vm.blobs) {
    const bytes = extra[name];
    if (bytes === undefined) throw new StateError(`has no ${name}`);
    blob.restoreBytes(bytes);
  }
}

function checkDisk({ path, bytes, modifiedMs }: DiskStamp): void {
  let now: DiskStamp;
  try {
    now = stamp(path);
  } catch (error) {
    throw new StateError(`needs the disk ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (now.bytes !== bytes || now.modifiedMs !== modifiedMs)
    throw new StateError(`needs the disk ${path} as it was: it has changed since then`);
}
