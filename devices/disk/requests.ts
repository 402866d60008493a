/**
 * A disk's requests as they are counted and traced: kstat_io(9S) and the io provider.
 *
 * A request is in the wait queue from the time on at which it is taken, in the run queue while the disk serves it, which it does for one at a time.
 * Transfers fire io:::start when they are taken and io:::done when they are given back, between which arg0 and b_edev with b_blkno stay the same; other
 * requests (flush, discard, identify) only take their time in the queues. What the probes tell (Dynamic Tracing Guide, "io Provider"): b_addr is the guest
 * physical address of the first byte, b_edev the major and minor number as makedev(9F) of illumos joins them, the file is the image behind the disk.
 *
 * @module
 */
import type { Clock, DeviceState } from '../../vmm/bus.ts';
import type { Kstat } from '../../vmm/kstat.ts';
import { DEVICE_PROBE, type DeviceProbeNumber, fireWith, wanted } from '../../probes/points.ts';
import { B_FLAGS, BUFINFO, DEVINFO, FILEINFO, StructureBytes } from '../../probes/structures.ts';
import { KstatIo } from '../kstat-io.ts';
import { savedInts } from '../saved.ts';
import { SECTOR } from './image.ts';

/** What a request does. */
export const REQUEST = { OTHER: 0, READ: 1, WRITE: 2 } as const;

export interface DiskRequest {
  /** Tells it from all others of the VM that are not done. */
  readonly id: number;
  readonly kind: (typeof REQUEST)[keyof typeof REQUEST];
  readonly sector: number;
  readonly bytes: number;
  /** Guest physical address of its first byte. */
  readonly address: number;
  /** The driver does not wait for it. */
  readonly async: boolean;
  failed: boolean;
}

/** Who a disk is. */
export interface DiskIdentity {
  /** Driver's name, which is the kstat's module: `virtio_blk`. */
  readonly driver: string;
  readonly major: number;
  /** Among those of its driver. */
  readonly instance: number;
  /** `disk0`. */
  readonly name: string;
  /** Where it sits: `/devices/pci@0,0/...`. */
  readonly path: string;
  /** The image behind it, as its user named it; '' = none. */
  readonly file: string;
  /** What kind of image that is: `raw`. */
  readonly format: string;
}

/** A disk that nobody has named, in tests. */
export const UNNAMED_DISK: DiskIdentity = { driver: 'disk', major: 0, instance: 0, name: 'disk', path: '', file: '', format: '' };

const EIO = 5;
const NONE = '<none>';

function described({ driver, major, instance, name, path, file, format }: DiskIdentity): StructureBytes {
  const about = new StructureBytes([BUFINFO, DEVINFO, FILEINFO]);
  about.number('dev_major', major);
  about.number('dev_minor', instance);
  about.number('dev_instance', instance);
  about.text('dev_name', driver);
  about.text('dev_statname', name);
  about.text('dev_pathname', path);
  about.number('b_edev', major * 2 ** 32 + instance);
  const slash = file.lastIndexOf('/');
  about.text('fi_pathname', file || NONE);
  about.text('fi_name', file.slice(slash + 1) || NONE);
  about.text('fi_dirname', file === '' ? NONE : slash < 0 ? '.' : file.slice(0, slash) || '/');
  about.text('fi_fs', format || NONE);
  about.text('fi_mount', NONE);
  return about;
}

export class DiskRequests {
  readonly #clock: Clock;
  readonly #identity: DiskIdentity;
  readonly #about: StructureBytes;
  readonly io = new KstatIo();

  constructor(clock: Clock, identity: DiskIdentity) {
    this.#clock = clock;
    this.#identity = identity;
    this.#about = described(identity);
  }

  kstat(): Kstat {
    const { driver, instance, name } = this.#identity;
    return this.io.kstat(driver, instance, name);
  }

  /** A request is taken. */
  taken(request: DiskRequest): void {
    this.io.waitqEnter(this.#clock.now());
    this.#fire(DEVICE_PROBE.IO_START, request, 0);
  }

  /** The disk begins with the request that has waited longest. */
  begun(): void {
    this.io.waitqToRunq(this.#clock.now());
  }

  /** The request that the disk served is given back. */
  done(request: DiskRequest): void {
    const { kind, bytes, failed } = request;
    this.io.runqExit(this.#clock.now());
    if (kind !== REQUEST.OTHER && !failed) this.io.transferred(kind === REQUEST.WRITE, bytes);
    this.#fire(DEVICE_PROBE.IO_DONE, request, B_FLAGS.B_DONE | (failed ? B_FLAGS.B_ERROR : 0));
  }

  /** Requests are forgotten, as at a reset; `left` of them are not. */
  forgotten(left: number): void {
    const { io } = this;
    const now = this.#clock.now();
    while (io.wcnt > 0 && io.wcnt + io.rcnt > left) io.waitqExit(now);
    if (left === 0 && io.rcnt > 0) io.runqExit(now);
  }

  #fire(probe: DeviceProbeNumber, request: DiskRequest, status: number): void {
    if (request.kind === REQUEST.OTHER || !wanted(probe)) return;
    const { id, kind, sector, bytes, address, async, failed } = request;
    const about = this.#about;
    const direction = kind === REQUEST.WRITE ? B_FLAGS.B_WRITE : B_FLAGS.B_READ;
    about.number('b_flags', B_FLAGS.B_BUSY | B_FLAGS.B_PHYS | direction | (async ? B_FLAGS.B_ASYNC : 0) | status);
    about.number('b_bcount', bytes);
    about.number('b_bufsize', bytes);
    about.number('b_addr', address);
    about.number('b_blkno', sector);
    about.number('b_lblkno', sector);
    // Before it is done, all of it is left.
    const over = (status & B_FLAGS.B_DONE) !== 0;
    about.number('b_resid', over && !failed ? 0 : bytes);
    about.number('b_error', over && failed ? EIO : 0);
    about.number('fi_offset', sector * SECTOR);
    fireWith(probe, id, about.bytes);
  }

  save(): DeviceState {
    return this.io.save();
  }

  /** `waiting`: requests that are not done. */
  restore(state: DeviceState, waiting: number): void {
    this.io.restore(state);
    this.io.rcnt = Math.min(1, waiting);
    this.io.wcnt = Math.max(0, waiting - 1);
  }
}

const NUMBERS = 7;

/** A request as numbers for a snapshot, and back. */
export function savedRequest({ id, kind, sector, bytes, address, async, failed }: DiskRequest): DeviceState {
  return { request: [id, kind, sector, bytes, address, Number(async), Number(failed)] };
}

export function restoredRequest(state: DeviceState): DiskRequest {
  const numbers = savedInts(state, 'request', NUMBERS, 0, Number.MAX_SAFE_INTEGER) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [id, kind, sector, bytes, address, async, failed] = numbers;
  const known = kind === REQUEST.READ || kind === REQUEST.WRITE ? kind : REQUEST.OTHER;
  return { id, kind: known, sector, bytes, address, async: async !== 0, failed: failed !== 0 };
}
