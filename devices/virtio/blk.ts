/**
 * The virtio block device.
 *
 * Specification: virtio 1.2, section 5.2. Requests: read, write, flush, get id, discard, write zeroes. Several queues, served in the order in which their
 * driver notifies them. Framing is the driver's (2.6.4): header, data and status may be cut anywhere.
 *
 * Time: the host does the work at once; the guest gets the request back at a time of the VM's clock by `DISK_LATENCY`, one request after
 * the other as a disk with one head would. Flush is fsync, and a write is durable once a flush that came after it has been answered (5.2.6.2).
 *
 * Left out: zoned devices, lifetime, secure erase, SCSI commands, writeback toggling.
 *
 * @module
 */
import type { Clock, Deadline, DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { savedInts, savedParts } from '../saved.ts';
import { DiskError, type DiskImage, SECTOR } from '../disk/image.ts';
import {
  type DiskIdentity,
  type DiskRequest,
  DiskRequests,
  REQUEST,
  restoredRequest,
  savedRequest,
  UNNAMED_DISK,
} from '../disk/requests.ts';
import { VirtioDevice, type Virtqueue } from './device.ts';
import { bytesOf, type Chain, eachPiece, gather, type Part, scatter } from './ring.ts';

const F_SEG_MAX = 2;
const F_RO = 5;
const F_BLK_SIZE = 6;
const F_FLUSH = 9;
const F_TOPOLOGY = 10;
const F_MQ = 12;
const F_DISCARD = 13;
const F_WRITE_ZEROES = 14;

const T_IN = 0;
const T_OUT = 1;
const T_FLUSH = 4;
const T_GET_ID = 8;
const T_DISCARD = 11;
const T_WRITE_ZEROES = 13;

const S_OK = 0;
const S_IOERR = 1;
const S_UNSUPP = 2;

const HEADER_BYTES = 16;
const DESCRIPTOR_BYTES = 16;
/** Beyond any disk, and a plain number. */
const SECTOR_MAX = 2 ** 50;
const ID_BYTES = 20;
const RANGE_BYTES = 16;
const RANGES_MAX = 32;
const RANGE_SECTORS_MAX = 0x40_0000;
const UNMAP = 1;
const QUEUE_MAX = 256;
const SEGMENTS_MAX = QUEUE_MAX - 2;
const CONFIG_BYTES = 60;
/** What is moved at once. */
const BOUNCE_BYTES = 1048576;

/** Nanoseconds of the VM's clock that a request takes: by operation, and for each byte moved. A mid-range NVMe drive. */
export const DISK_LATENCY = { read: 60_000, write: 20_000, flush: 100_000, other: 10_000, byte: 0.4 } as const;

export interface BlkOptions {
  readonly memory: DmaMemory;
  readonly clock: Clock;
  readonly image: DiskImage;
  /** At most 20 characters of ASCII. */
  readonly serial: string;
  /** 1 to 8; default 1. */
  readonly queues?: number;
  /** Who it is to those that count and trace. */
  readonly identity?: DiskIdentity;
  /** Told of each request that the host could not do. */
  readonly failed?: (reason: string) => void;
}

/** A request that is done on the host and waits for its time. */
interface Waiting {
  readonly queue: number;
  readonly chain: Chain;
  readonly written: number;
  readonly at: number;
  readonly request: DiskRequest;
}

export class VirtioBlk extends VirtioDevice {
  override readonly type = 2;
  override readonly classCode = 0x010000;
  private readonly image: DiskImage;
  private readonly clock: Clock;
  private readonly serial: Uint8Array;
  private readonly failed: (reason: string) => void;
  private readonly configuration = new Uint8Array(CONFIG_BYTES);
  private readonly deadline: Deadline;
  private readonly waiting: Waiting[] = [];
  /** What is counted and traced of them. */
  readonly requests: DiskRequests;
  private readonly head = new Uint8Array(HEADER_BYTES);
  private readonly range = new Uint8Array(RANGE_BYTES);
  private readonly bounce = new Uint8Array(BOUNCE_BYTES);

  constructor(options: BlkOptions) {
    const { image, memory, clock } = options;
    const queues = options.queues ?? 1;
    const changing = image.readOnly ? [F_RO] : [F_DISCARD, F_WRITE_ZEROES];
    const several = queues > 1 ? [F_MQ] : [];
    super(memory, new Array<number>(queues).fill(QUEUE_MAX), [F_SEG_MAX, F_BLK_SIZE, F_FLUSH, F_TOPOLOGY, ...several, ...changing]);
    this.image = image;
    this.clock = clock;
    this.requests = new DiskRequests(clock, options.identity ?? UNNAMED_DISK);
    this.failed = options.failed ?? (() => {});
    this.serial = Uint8Array.from({ length: ID_BYTES }, (_, i) => (i < options.serial.length ? options.serial.charCodeAt(i) & 0x7f : 0));
    this.deadline = clock.deadline('virtio-blk', (now) => this.complete(now));
    const view = new DataView(this.configuration.buffer);
    const sectors = image.size / SECTOR;
    view.setUint32(0, sectors % 2 ** 32, true);
    view.setUint32(4, Math.floor(sectors / 2 ** 32), true);
    view.setUint32(12, SEGMENTS_MAX, true);
    view.setUint32(20, SECTOR, true);
    view.setUint8(24, 3); // 4096-byte physical blocks
    view.setUint16(26, 1, true);
    view.setUint16(34, queues, true);
    view.setUint32(36, RANGE_SECTORS_MAX, true);
    view.setUint32(40, RANGES_MAX, true);
    view.setUint32(44, 1, true);
    view.setUint32(48, RANGE_SECTORS_MAX, true);
    view.setUint32(52, RANGES_MAX, true);
    view.setUint8(56, 1);
  }

  configByte(offset: number): number {
    return this.configuration[offset] ?? 0;
  }

  protected notified(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) this.serve(queue, chain);
  }

  /** Does a request and lets it wait for its time. */
  private serve(queue: Virtqueue, chain: Chain): void {
    const room = bytesOf(chain.writable);
    // Without room for the status there is nothing to answer with (5.2.6.1).
    if (room === 0 || gather(this.memory, chain.readable, 0, this.head) < HEADER_BYTES) {
      this.broken();
      return;
    }
    const view = new DataView(this.head.buffer);
    const type = view.getUint32(0, true);
    const sector = view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32;
    const request = requestOf(queue, chain, type, sector);
    this.requests.taken(request);
    const outcome = this.attempt(type, sector, chain, room - 1);
    request.failed = outcome.status !== S_OK;
    scatter(this.memory, chain.writable, room - 1, Uint8Array.of(outcome.status));
    // What counts as written is what is valid from the start; the status is the last byte of the chain (2.7.8.2).
    const written = outcome.bytes === room - 1 ? room : outcome.bytes;
    const busy = this.waiting.at(-1)?.at ?? 0;
    const at = Math.max(this.clock.now(), busy) + latency(type, type === T_OUT ? request.bytes : outcome.bytes);
    this.waiting.push({ queue: queue.index, chain, written, at, request });
    if (this.waiting.length > 1) return;
    this.requests.begun();
    this.deadline.arm(at);
  }

  private attempt(type: number, sector: number, chain: Chain, room: number): { readonly status: number; readonly bytes: number } {
    try {
      return this.perform(type, sector, chain, room);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.failed(error.message);
      return { status: S_IOERR, bytes: 0 };
    }
  }

  private perform(type: number, sector: number, chain: Chain, room: number): { readonly status: number; readonly bytes: number } {
    const failed = { status: S_IOERR, bytes: 0 };
    switch (type) {
      case T_IN:
        if (!this.inside(sector, room)) return failed;
        this.readDisk(sector * SECTOR, chain.writable, room);
        return { status: S_OK, bytes: room };
      case T_OUT: {
        const bytes = bytesOf(chain.readable) - HEADER_BYTES;
        if (this.image.readOnly || !this.inside(sector, bytes)) return failed;
        this.writeDisk(sector * SECTOR, chain.readable, bytes);
        return { status: S_OK, bytes: 0 };
      }
      case T_FLUSH:
        if (!this.image.readOnly) this.image.flush();
        return { status: S_OK, bytes: 0 };
      case T_GET_ID: {
        const id = this.serial.subarray(0, Math.min(ID_BYTES, room));
        scatter(this.memory, chain.writable, 0, id);
        return { status: S_OK, bytes: id.length };
      }
      case T_DISCARD:
      case T_WRITE_ZEROES:
        return this.image.readOnly ? failed : { status: this.clear(type, chain), bytes: 0 };
      default:
        return { status: S_UNSUPP, bytes: 0 };
    }
  }

  /** Whole sectors that the disk has. */
  private inside(sector: number, bytes: number): boolean {
    return bytes % SECTOR === 0 && sector * SECTOR + bytes <= this.image.size;
  }

  /** Discard and write zeroes: ranges of sector, count, flags (5.2.6). All are checked before one is done. */
  private clear(type: number, chain: Chain): number {
    const bytes = bytesOf(chain.readable) - HEADER_BYTES;
    if (bytes === 0 || bytes % RANGE_BYTES !== 0 || bytes / RANGE_BYTES > RANGES_MAX) return S_IOERR;
    const ranges: { readonly offset: number; readonly length: number }[] = [];
    for (let at = HEADER_BYTES; at < HEADER_BYTES + bytes; at += RANGE_BYTES) {
      gather(this.memory, chain.readable, at, this.range);
      const view = new DataView(this.range.buffer);
      const sector = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
      const count = view.getUint32(8, true);
      const flags = view.getUint32(12, true);
      if (flags & ~(type === T_DISCARD ? 0 : UNMAP)) return S_UNSUPP;
      if (count > RANGE_SECTORS_MAX || !this.inside(sector, count * SECTOR)) return S_IOERR;
      ranges.push({ offset: sector * SECTOR, length: count * SECTOR });
    }
    for (const { offset, length } of ranges) {
      if (type === T_DISCARD) this.image.discard(offset, length);
      else this.image.zero(offset, length);
    }
    return S_OK;
  }

  /** Bytes of the disk into the parts: at once into one part, and by way of memory of our own into many, as each call of the host costs more than a copy. */
  private readDisk(offset: number, parts: readonly Part[], length: number): void {
    const one = length === parts[0]?.length ? this.block(parts[0].gpa, length, true) : undefined;
    if (one !== undefined) {
      this.image.read(offset, one);
      return;
    }
    for (let done = 0; done < length; done += BOUNCE_BYTES) {
      const bytes = this.bounce.subarray(0, Math.min(BOUNCE_BYTES, length - done));
      this.image.read(offset + done, bytes);
      eachPiece(parts, done, bytes.length, (gpa, at, count) => this.block(gpa, count, true).set(bytes.subarray(at, at + count)));
    }
  }

  /** The other way, from what comes after the request's header. */
  private writeDisk(offset: number, parts: readonly Part[], length: number): void {
    for (let done = 0; done < length; done += BOUNCE_BYTES) {
      const bytes = this.bounce.subarray(0, Math.min(BOUNCE_BYTES, length - done));
      eachPiece(parts, HEADER_BYTES + done, bytes.length, (gpa, at, count) => bytes.set(this.block(gpa, count, false), at));
      this.image.write(offset + done, bytes);
    }
  }

  private block(gpa: number, bytes: number, write: boolean): Uint8Array {
    const block = write ? this.memory.writable(gpa, bytes) : this.memory.readable(gpa, bytes);
    if (block === undefined) throw new DiskError('a buffer of the request is not in RAM');
    return block;
  }

  /** Gives back what is due. */
  private complete(now: number): void {
    const touched = new Set<Virtqueue>();
    while (this.waiting.length > 0 && (this.waiting[0] as Waiting).at <= now) {
      const { queue, chain, written, request } = this.waiting.shift() as Waiting;
      const target = this.queues[queue] as Virtqueue;
      this.give(target, chain, written);
      this.requests.done(request);
      if (this.waiting.length > 0) this.requests.begun();
      touched.add(target);
    }
    for (const queue of touched) this.signal(queue);
    const next = this.waiting[0];
    if (next !== undefined) this.deadline.arm(next.at);
  }

  protected override queueGone(queue: Virtqueue): void {
    const rest = this.waiting.filter((w) => w.queue !== queue.index);
    this.waiting.splice(0, this.waiting.length, ...rest);
    this.requests.forgotten(rest.length);
    if (rest.length === 0) this.deadline.cancel();
  }

  protected forget(): void {
    this.waiting.length = 0;
    this.requests.forgotten(0);
    this.deadline.cancel();
  }

  override save(): DeviceState {
    return {
      ...super.save(),
      waiting: this.waiting.map(({ queue, chain, written, at, request }) => ({
        numbers: [queue, chain.id, chain.slots, written, at],
        ...savedRequest(request),
      })),
      ...this.requests.save(),
    };
  }

  override restore(state: DeviceState): void {
    const parts = savedParts(state, 'waiting', (state['waiting'] as unknown[])?.length ?? -1);
    const waiting = parts.map((part): Waiting => {
      const numbers = savedInts(part, 'numbers', 5, 0, 2 ** 53) as [number, number, number, number, number];
      const [queue, id, slots, written, at] = numbers;
      const chain = { id, slots, readable: [], writable: [] };
      return { queue: Math.min(queue, this.queues.length - 1), chain, written, at, request: restoredRequest(part) };
    });
    super.restore(state);
    this.waiting.push(...waiting);
    this.requests.restore(state, waiting.length);
    if (this.waiting.length > 0) this.deadline.arm((this.waiting[0] as Waiting).at);
  }
}

/** What a request is to those that count and trace: of those that are out, only it has its descriptor in its queue. */
function requestOf(queue: Virtqueue, { id, readable, writable }: Chain, type: number, sector: number): DiskRequest {
  const kind = type === T_IN ? REQUEST.READ : type === T_OUT ? REQUEST.WRITE : REQUEST.OTHER;
  const bytes = type === T_IN ? bytesOf(writable) - 1 : bytesOf(readable) - HEADER_BYTES;
  let address = writable[0]?.gpa ?? 0;
  if (type === T_OUT) {
    eachPiece(readable, HEADER_BYTES, 1, (gpa) => {
      address = gpa;
    });
  }
  return {
    id: queue.descriptors + DESCRIPTOR_BYTES * id,
    kind,
    sector: Math.min(sector, SECTOR_MAX),
    bytes,
    address,
    async: true,
    failed: false,
  };
}

function latency(type: number, bytes: number): number {
  const moved = Math.round(bytes * DISK_LATENCY.byte);
  switch (type) {
    case T_IN:
      return DISK_LATENCY.read + moved;
    case T_OUT:
      return DISK_LATENCY.write + moved;
    case T_FLUSH:
      return DISK_LATENCY.flush;
    default:
      return DISK_LATENCY.other;
  }
}
