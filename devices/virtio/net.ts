/**
 * The virtio network device.
 *
 * Specification: virtio 1.2, section 5.1: one pair of queues and a control queue; checksum and TCP segmentation left to be done in both
 * directions, mergeable receive buffers, receive filtering, guest announcement. What its driver did not negotiate is done here (`devices/net/offload.ts`).
 *
 * Time: a frame leaves when its driver says so, and the driver gets its buffer back at a time of the VM's clock by `NET_LATENCY`, one frame after the other as on
 * a wire. A received frame is in the guest's memory when the back end hands it over, which it does at a time that it stamps.
 *
 * A frame for which there is no buffer stays with the back end until there is one; `norcvbuf` counts how often that began. What the guest may not send
 * (`Protection`) is dropped and counted; its buffer comes back as if it had been sent.
 *
 * Left out: several queue pairs, hashes and RSS, UDP segmentation, standby; the legacy interface.
 *
 * @module
 */
import type { Clock, Deadline, DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { ETHERNET_BYTES, FRAME_MAX, GSO, type NetBackend, type Offload } from '../net/backend.ts';
import { type Finish, finish, getOffload, putOffload, sound } from '../net/offload.ts';
import { type Protection, type Spoof, UNPROTECTED } from '../net/protection.ts';
import { NicTrace } from '../net/trace.ts';
import { savedFlag, savedInt, savedInts, savedParts } from '../saved.ts';
import { VirtioDevice, type Virtqueue } from './device.ts';
import { NetCommands } from './net-commands.ts';
import {
  FEATURES,
  F_CSUM,
  F_GUEST_ANNOUNCE,
  F_GUEST_CSUM,
  F_GUEST_ECN,
  F_GUEST_TSO4,
  F_GUEST_TSO6,
  F_HOST_ECN,
  F_HOST_TSO4,
  F_HOST_TSO6,
  F_MRG_RXBUF,
  fit,
  guestOffloads,
} from './net-features.ts';
import { macAt, NetFilter } from './net-filter.ts';
import { bytesOf, type Chain, gather, type Part, scatter } from './ring.ts';

const RX = 0;
const TX = 1;
const QUEUE_MAX = 256;
const CONTROL_MAX = 64;

/** virtio_net_hdr with its num_buffers (5.1.6). */
const HEADER_BYTES = 12;
const NUM_BUFFERS = 10;

/** Configuration (5.1.4). */
const CONFIG_BYTES = 17;
const CONFIG_STATUS = 6;
const CONFIG_PAIRS = 8;
const CONFIG_MTU = 10;
const CONFIG_SPEED = 12;
const CONFIG_DUPLEX = 16;
const S_LINK_UP = 1;
const S_ANNOUNCE = 2;
const MTU = 1500;
const SPEED_MBITS = 10_000;
const FULL_DUPLEX = 1;

/** A control command with its data: two MAC tables of some hundred addresses. */
const COMMAND_MAX = 8192;

/** Nanoseconds of the VM's clock that a sent frame takes: each, and for each byte: 10 Gbit/s. */
export const NET_LATENCY = { frame: 2_000, byte: 0.8 } as const;

export interface NetOptions {
  readonly memory: DmaMemory;
  readonly clock: Clock;
  readonly backend: NetBackend;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly protection?: Protection;
  /** Which of the VM's NICs it is, to those that trace; default the first. */
  readonly instance?: number;
}

/** What a NIC has done, in the words of mac(9E). */
export interface NetCounters {
  rbytes64: number;
  obytes64: number;
  ipackets64: number;
  opackets64: number;
  ierrors: number;
  oerrors: number;
  norcvbuf: number;
  macspoofed: number;
  ipspoofed: number;
}

const COUNTERS = [
  'rbytes64',
  'obytes64',
  'ipackets64',
  'opackets64',
  'ierrors',
  'oerrors',
  'norcvbuf',
  'macspoofed',
  'ipspoofed',
] as const satisfies readonly (keyof NetCounters)[];

/** Why a frame goes nowhere: the counter that tells. */
export type Drop = 'ierrors' | 'oerrors' | Spoof;

/** Of a chain that holds none. */
const NO_FRAME = new Uint8Array(0);

/** A sent frame whose buffer waits for its time. */
interface Waiting {
  readonly chain: Chain;
  readonly at: number;
}

export class VirtioNet extends VirtioDevice {
  override readonly type = 1;
  override readonly classCode = 0x020000;
  readonly counters = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as unknown as NetCounters;
  private readonly clock: Clock;
  private readonly backend: NetBackend;
  private readonly protection: Protection;
  private readonly factoryMac: Uint8Array;
  private readonly configuration = new Uint8Array(CONFIG_BYTES);
  private readonly filter = new NetFilter();
  private readonly commands = new NetCommands(this.filter, {
    has: (feature) => this.has(feature),
    setMac: (mac) => this.chooseMac(mac),
    setGuestOffloads: (bits) => {
      this.guestOffloads = bits;
    },
    announced: () => {
      this.configuration[CONFIG_STATUS] = S_LINK_UP;
    },
  });
  private readonly deadline: Deadline;
  private readonly waiting: Waiting[] = [];
  /** Receive buffers that were taken for a frame that needs more of them. */
  private readonly held: Chain[] = [];
  private starving = false;
  /** Bits of GUEST_OFFLOADS that are on. */
  private guestOffloads = 0;
  private mac = 0;
  private readonly trace: NicTrace;
  private readonly outgoing = new Uint8Array(FRAME_MAX);
  private readonly header = new Uint8Array(HEADER_BYTES);
  private readonly headerView = new DataView(this.header.buffer);

  constructor({ memory, clock, backend, mac, protection, instance = 0 }: NetOptions) {
    super(memory, [QUEUE_MAX, QUEUE_MAX, CONTROL_MAX], FEATURES);
    this.clock = clock;
    this.backend = backend;
    this.protection = protection ?? UNPROTECTED;
    this.factoryMac = mac.slice(0, 6);
    this.trace = new NicTrace(instance, `net${instance}`, this.factoryMac);
    this.deadline = clock.deadline('virtio-net', (now) => this.complete(now));
    const view = new DataView(this.configuration.buffer);
    view.setUint16(CONFIG_STATUS, S_LINK_UP, true);
    view.setUint16(CONFIG_PAIRS, 1, true);
    view.setUint16(CONFIG_MTU, MTU, true);
    view.setUint32(CONFIG_SPEED, SPEED_MBITS, true);
    view.setUint8(CONFIG_DUPLEX, FULL_DUPLEX);
    this.setMac(this.factoryMac);
    backend.receiver = (frame, offload) => this.receive(frame, offload);
  }

  private setMac(mac: Uint8Array): void {
    this.configuration.set(mac);
    this.mac = macAt(mac, 0);
  }

  configByte(offset: number): number {
    return this.configuration[offset] ?? 0;
  }

  protected override fits(): boolean {
    return fit((feature) => this.has(feature));
  }

  override setStatus(value: number): void {
    const before = this.running;
    super.setStatus(value);
    if (this.running && !before) this.guestOffloads = guestOffloads((feature) => this.has(feature));
  }

  protected notified(queue: Virtqueue): void {
    if (queue.index === RX) this.backend.ready();
    else if (queue.index === TX) this.transmit(queue);
    else this.control(queue);
  }

  // ---- from the guest ----

  private transmit(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) {
      const bytes = this.sendChain(chain.readable);
      const busy = this.waiting.at(-1)?.at ?? 0;
      const at = Math.max(this.clock.now(), busy) + NET_LATENCY.frame + Math.round(bytes * NET_LATENCY.byte);
      this.waiting.push({ chain, at });
      if (this.waiting.length === 1) this.deadline.arm(at);
    }
  }

  /** Sends what a chain holds; bytes of the frame, 0 when it holds none. */
  private sendChain(parts: readonly Part[]): number {
    const bytes = bytesOf(parts) - HEADER_BYTES;
    if (bytes < ETHERNET_BYTES || bytes > FRAME_MAX) {
      this.dropped('oerrors', NO_FRAME);
      return 0;
    }
    const frame = this.outgoing.subarray(0, bytes);
    const whole = gather(this.memory, parts, 0, this.header) + gather(this.memory, parts, HEADER_BYTES, frame) === HEADER_BYTES + bytes;
    const offload = getOffload(this.headerView, 0);
    offload.checksumValid = false;
    if (!whole || !this.mayLeave(offload) || !sound(offload, bytes)) this.dropped('oerrors', frame);
    else {
      const spoof = this.protection.check(frame);
      if (spoof === undefined) this.sent(frame, offload);
      else this.dropped(spoof, frame);
    }
    return bytes;
  }

  /** Whether the driver may leave that to the device. */
  private mayLeave({ checksumNeeded, gso, ecn }: Offload): boolean {
    if (checksumNeeded && !this.has(F_CSUM)) return false;
    if (ecn && !this.has(F_HOST_ECN)) return false;
    return gso === GSO.NONE || this.has(gso === GSO.TCPV4 ? F_HOST_TSO4 : F_HOST_TSO6);
  }

  /** A frame leaves the guest. */
  private sent(frame: Uint8Array, offload: Offload): void {
    this.counters.opackets64++;
    this.counters.obytes64 += frame.length;
    this.trace.tx(frame);
    this.backend.send(frame, offload);
  }

  /** A frame goes nowhere. */
  private dropped(why: Drop, frame: Uint8Array): void {
    this.counters[why]++;
    this.trace.drop(frame, why);
  }

  /** Gives back the buffers of sent frames that are due. */
  private complete(now: number): void {
    const queue = this.queues[TX] as Virtqueue;
    while (this.waiting.length > 0 && (this.waiting[0] as Waiting).at <= now) this.give(queue, (this.waiting.shift() as Waiting).chain, 0);
    this.signal(queue);
    const next = this.waiting[0];
    if (next !== undefined) this.deadline.arm(next.at);
  }

  // ---- for the guest ----

  /** The back end's receiver. */
  private receive(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    if (!this.running || this.queues[RX]?.ring === undefined) return true;
    if (frame.length < ETHERNET_BYTES || !this.filter.passes(frame, this.mac)) return true;
    return finish(
      frame,
      offload,
      this.takes(),
      (finished, left) => this.received(finished, left),
      () => this.dropped('ierrors', frame),
    );
  }

  private takes(): Finish {
    const on = (feature: number): boolean => (this.guestOffloads & (1 << feature)) !== 0;
    return { checksum: on(F_GUEST_CSUM), tcp4: on(F_GUEST_TSO4), tcp6: on(F_GUEST_TSO6), ecn: on(F_GUEST_ECN) };
  }

  /** A frame enters the guest's memory; false when there is no room for it. */
  private received(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    const queue = this.queues[RX] as Virtqueue;
    const needed = HEADER_BYTES + frame.length;
    const chains = this.buffersFor(queue, needed);
    if (chains === undefined) {
      if (!this.starving) this.counters.norcvbuf++;
      this.starving = true;
      return false;
    }
    this.starving = false;
    // No number of buffers that this driver posts is enough: they stay for the next frame.
    if (chains === 0) {
      this.dropped('ierrors', frame);
      return true;
    }
    putOffload(this.headerView, 0, offload);
    this.headerView.setUint16(NUM_BUFFERS, chains, true);
    this.fill(queue, chains, frame);
    this.counters.ipackets64++;
    this.counters.rbytes64 += frame.length;
    this.trace.rx(frame);
    this.signal(queue);
    return true;
  }

  /** How many of the held buffers take so many bytes, after taking more from the queue; undefined when there are not enough, 0 when there will never be. */
  private buffersFor(queue: Virtqueue, needed: number): number | undefined {
    const most = this.has(F_MRG_RXBUF) ? queue.size : 1;
    let room = 0;
    for (let i = 0; i < most; i++) {
      if (i === this.held.length) {
        const chain = this.take(queue);
        if (chain === undefined) return undefined;
        this.held.push(chain);
      }
      room += bytesOf((this.held[i] as Chain).writable);
      if (room >= needed) return i + 1;
    }
    return 0;
  }

  /** Writes header and frame over the first `chains` held buffers and gives them back. */
  private fill(queue: Virtqueue, chains: number, frame: Uint8Array): void {
    const total = HEADER_BYTES + frame.length;
    let done = 0;
    for (const chain of this.held.splice(0, chains)) {
      const count = Math.min(bytesOf(chain.writable), total - done);
      const head = Math.max(0, Math.min(HEADER_BYTES - done, count));
      scatter(this.memory, chain.writable, 0, this.header.subarray(done, done + head));
      const at = done + head - HEADER_BYTES;
      if (count > head) scatter(this.memory, chain.writable, head, frame.subarray(at, at + count - head));
      this.give(queue, chain, count);
      done += count;
    }
  }

  // ---- control queue ----

  /** A guest that may send from its own address alone may not choose which that is. */
  private chooseMac(mac: Uint8Array): boolean {
    if (this.protection.macNospoof && macAt(mac, 0) !== macAt(this.factoryMac, 0)) return false;
    this.setMac(mac);
    return true;
  }

  private control(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) {
      // Without room for the answer there is nothing to answer with.
      if (bytesOf(chain.writable) === 0) {
        this.broken();
        return;
      }
      const bytes = new Uint8Array(Math.min(bytesOf(chain.readable), COMMAND_MAX));
      gather(this.memory, chain.readable, 0, bytes);
      scatter(this.memory, chain.writable, 0, Uint8Array.of(this.commands.answer(bytes)));
      this.give(queue, chain, 1);
    }
    this.signal(queue);
  }

  /** Asks the guest to tell its peers where it is: it may have moved (5.1.6.5.4). */
  announce(): void {
    if (!this.running || !this.has(F_GUEST_ANNOUNCE)) return;
    this.configuration[CONFIG_STATUS] = S_LINK_UP | S_ANNOUNCE;
    this.interrupts.config();
  }

  // ---- life ----

  protected override queueGone(queue: Virtqueue): void {
    if (queue.index === RX) this.held.length = 0;
    if (queue.index !== TX) return;
    this.waiting.length = 0;
    this.deadline.cancel();
  }

  protected forget(): void {
    this.starving = false;
    this.guestOffloads = 0;
    this.filter.reset();
    this.configuration[CONFIG_STATUS] = S_LINK_UP;
    this.setMac(this.factoryMac);
  }

  override save(): DeviceState {
    return {
      ...super.save(),
      waiting: this.waiting.map(({ chain, at }) => ({ numbers: [chain.id, chain.slots, at] })),
      held: this.held.map(({ id, slots, writable }) => ({ id, slots, parts: writable.flatMap(({ gpa, length }) => [gpa, length]) })),
      starving: this.starving,
      guestOffloads: this.guestOffloads,
      mac: Array.from(this.configuration.subarray(0, 6)),
      linkStatus: this.configuration[CONFIG_STATUS],
      filter: [this.filter.save()],
      counters: COUNTERS.map((name) => this.counters[name]),
    };
  }

  override restore(state: DeviceState): void {
    const waiting = savedList(state, 'waiting').map((part) => savedInts(part, 'numbers', 3, 0, 2 ** 53) as [number, number, number]);
    const held = savedList(state, 'held').map(heldChain);
    const starving = savedFlag(state, 'starving');
    const guestOffloads = savedInt(state, 'guestOffloads', 0, 0xffff);
    const mac = savedInts(state, 'mac', 6, 0, 0xff);
    const linkStatus = savedInt(state, 'linkStatus', 0, S_LINK_UP | S_ANNOUNCE);
    const [filter] = savedParts(state, 'filter', 1) as [DeviceState];
    const counters = savedInts(state, 'counters', COUNTERS.length, 0, 2 ** 53);
    super.restore(state);
    this.filter.restore(filter);
    for (const [id, slots, at] of waiting) this.waiting.push({ chain: { id, slots, readable: [], writable: [] }, at });
    if (this.waiting.length > 0) this.deadline.arm((this.waiting[0] as Waiting).at);
    this.held.push(...held);
    this.starving = starving;
    this.guestOffloads = guestOffloads;
    this.setMac(Uint8Array.from(mac));
    this.configuration[CONFIG_STATUS] = linkStatus;
    COUNTERS.forEach((name, i) => {
      this.counters[name] = counters[i] as number;
    });
  }
}

/** A list of parts, as many as there are; no more than a queue has. */
function savedList(state: DeviceState, key: string): DeviceState[] {
  const list = state[key];
  return savedParts(state, key, Array.isArray(list) && list.length <= QUEUE_MAX ? list.length : -1);
}

function heldChain(part: DeviceState): Chain {
  const list = part['parts'];
  const numbers = savedInts(part, 'parts', Array.isArray(list) ? list.length : -1, 0, 2 ** 53);
  const writable: Part[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) writable.push({ gpa: numbers[i] as number, length: numbers[i + 1] as number });
  return { id: savedInt(part, 'id', 0, 0xffff), slots: savedInt(part, 'slots', 0, 0x8000), readable: [], writable };
}
