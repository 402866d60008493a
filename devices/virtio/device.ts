/**
 * A virtio device without its transport: status, features, queues.
 *
 * Specification: virtio 1.2, sections 2.1 (status), 2.2 (features), 2.6.1 (queue reset), 3.1 (initialization).
 *
 * A device proper extends `VirtioDevice`: it says its type, features and configuration fields, and is told when a queue has something
 * (`notified`). A transport (`pci.ts`, `mmio.ts`) puts the registers in front and carries interrupts. A driver that breaks the rules gets
 * DEVICE_NEEDS_RESET and a configuration interrupt; until it resets the device nothing more is taken.
 *
 * Only drivers of version 1 are taken (F_VERSION_1); there is no legacy interface.
 *
 * @module
 */
import type { DeviceState, DmaMemory, Saveable } from '../../vmm/bus.ts';
import { StateError } from '../../vmm/bus.ts';
import { savedFlag, savedInt, savedInts, savedParts } from '../saved.ts';
import {
  type Chain,
  F_EVENT_IDX,
  F_INDIRECT_DESC,
  F_RING_PACKED,
  F_RING_RESET,
  F_VERSION_1,
  makeRing,
  type Ring,
  RingError,
} from './ring.ts';

export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 64;
export const STATUS_FAILED = 128;

const ADDRESS_MAX = 2 ** 53;
export const QUEUE_SIZE_MAX = 32768;

/** Where interrupts go. */
export interface VirtioInterrupts {
  /** Used buffers of queue `index`. */
  queue(index: number): void;
  /** The configuration changed, or the device needs a reset. */
  config(): void;
}

/** One queue as its driver sets it up. */
export class Virtqueue {
  readonly index: number;
  readonly max: number;
  size: number;
  enabled = false;
  descriptors = 0;
  driver = 0;
  device = 0;
  ring: Ring | undefined;

  constructor(index: number, max: number) {
    this.index = index;
    this.max = max;
    this.size = max;
  }

  /** The driver writes one half of an area's address; nothing where there is no such area. */
  setHalf(area: 'descriptors' | 'driver' | 'device' | undefined, low: boolean, value: number): void {
    if (area === undefined) return;
    const old = this[area];
    this[area] = low ? Math.floor(old / 2 ** 32) * 2 ** 32 + value : value * 2 ** 32 + (old % 2 ** 32);
  }

  reset(): void {
    this.size = this.max;
    this.enabled = false;
    this.descriptors = 0;
    this.driver = 0;
    this.device = 0;
    this.ring = undefined;
  }

  save(): DeviceState {
    const { size, enabled, descriptors, driver, device } = this;
    return { size, enabled, descriptors, driver, device, ring: this.ring?.save() ?? null };
  }
}

export abstract class VirtioDevice implements Saveable {
  /** Section 5: 1 network, 2 block, 3 console, 4 entropy, 9 9P transport. */
  abstract readonly type: number;
  /** PCI class code that fits. */
  abstract readonly classCode: number;
  readonly queues: readonly Virtqueue[];
  interrupts: VirtioInterrupts = { queue() {}, config() {} };
  status = 0;
  configGeneration = 0;
  protected readonly memory: DmaMemory;
  /** Feature bits 31:0 and 63:32. */
  private readonly offered: readonly [number, number];
  private readonly accepted: [number, number] = [0, 0];

  /** `queues` are their largest sizes; `features` the bits of the device type. */
  constructor(memory: DmaMemory, queues: readonly number[], features: readonly number[]) {
    this.memory = memory;
    this.queues = queues.map((max, i) => new Virtqueue(i, max));
    const all = [...features, F_VERSION_1, F_INDIRECT_DESC, F_EVENT_IDX, F_RING_PACKED, F_RING_RESET];
    this.offered = [0, 1].map((half) =>
      all.filter((bit) => bit >> 5 === half).reduce((word, bit) => (word | (1 << (bit & 31))) >>> 0, 0),
    ) as [number, number];
  }

  /** Queue `queue` may have new buffers. */
  protected abstract notified(queue: Virtqueue): void;
  /** A byte of the device's configuration; 0 beyond its end. */
  abstract configByte(offset: number): number;
  /** The driver writes configuration; nothing by default, as almost all of it is read-only. */
  configWrite(_offset: number, _size: number, _value: number): void {}
  /** What the device proper forgets at a reset. */
  protected abstract forget(): void;

  get features(): readonly [number, number] {
    return this.offered;
  }

  acceptFeatures(half: 0 | 1, bits: number): void {
    if ((this.status & STATUS_FEATURES_OK) === 0) this.accepted[half] = bits >>> 0;
  }

  acceptedFeatures(half: 0 | 1): number {
    return this.accepted[half];
  }

  has(feature: number): boolean {
    return ((this.accepted[(feature >> 5) as 0 | 1] >>> (feature & 31)) & 1) !== 0;
  }

  /** Section 2.1: bits are set one after the other; 0 resets. FEATURES_OK stays clear when the features do not fit. */
  setStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    let next = (this.status | value) & ~STATUS_NEEDS_RESET & 0xff;
    if (this.status & STATUS_NEEDS_RESET) next |= STATUS_NEEDS_RESET;
    if ((next & STATUS_FEATURES_OK) !== 0 && (this.status & STATUS_FEATURES_OK) === 0 && !this.featuresFit()) next &= ~STATUS_FEATURES_OK;
    this.status = next;
  }

  private featuresFit(): boolean {
    const known = ([0, 1] as const).every((half) => (this.accepted[half] & ~this.offered[half]) === 0);
    return known && this.has(F_VERSION_1) && this.fits();
  }

  /** Whether the features of the device type that were accepted go together. */
  protected fits(): boolean {
    return true;
  }

  /** The driver enables a queue it has set up, which it may do once the features stand (3.1.1). */
  enable(queue: Virtqueue): void {
    if ((this.status & STATUS_FEATURES_OK) === 0) return;
    const { size, descriptors, driver, device } = queue;
    const packed = this.has(F_RING_PACKED);
    const legal =
      size > 0 && size <= queue.max && (packed || (size & (size - 1)) === 0) && [descriptors, driver, device].every((a) => a < ADDRESS_MAX);
    if (!legal) {
      this.broken();
      return;
    }
    queue.enabled = true;
    queue.ring = this.ringOf(queue);
  }

  private ringOf(queue: Virtqueue, state?: DeviceState): Ring {
    const { size, descriptors, driver, device } = queue;
    const place = { size, descriptors, driver, device, eventIndex: this.has(F_EVENT_IDX), indirect: this.has(F_INDIRECT_DESC) };
    return makeRing(this.memory, place, this.has(F_RING_PACKED), state);
  }

  /** Section 2.6.1. */
  resetQueue(queue: Virtqueue): void {
    this.queueGone(queue);
    queue.reset();
  }

  /** What the device proper has taken from the queue is not given back. */
  protected queueGone(_queue: Virtqueue): void {}

  /** The driver says that queue `index` has something; ignored until DRIVER_OK and for queues that are not there. */
  notify(index: number): void {
    const queue = this.queues[index];
    if (queue?.ring === undefined || !this.running) return;
    this.notified(queue);
  }

  get running(): boolean {
    return (this.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) === STATUS_DRIVER_OK;
  }

  /** The next request of a queue. */
  protected take(queue: Virtqueue): Chain | undefined {
    if (!this.running) return undefined;
    return this.guarded(() => queue.ring?.pop());
  }

  /** Gives a request back, `written` bytes of it written. */
  protected give(queue: Virtqueue, chain: Chain, written: number): void {
    this.guarded(() => queue.ring?.push(chain, written));
  }

  /** Interrupts the driver when it wants to hear of what was given back. */
  protected signal(queue: Virtqueue): void {
    if (this.guarded(() => queue.ring?.interrupts()) === true) this.interrupts.queue(queue.index);
  }

  private guarded<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RingError)) throw error;
      this.broken();
      return undefined;
    }
  }

  /** The driver broke the rules (2.1.2). */
  protected broken(): void {
    if (this.status & STATUS_NEEDS_RESET) return;
    this.status |= STATUS_NEEDS_RESET;
    if (this.status & STATUS_DRIVER_OK) this.interrupts.config();
  }

  reset(): void {
    for (const queue of this.queues) {
      this.queueGone(queue);
      queue.reset();
    }
    this.status = 0;
    this.accepted[0] = 0;
    this.accepted[1] = 0;
    this.forget();
  }

  save(): DeviceState {
    return {
      status: this.status,
      accepted: [...this.accepted],
      generation: this.configGeneration,
      queues: this.queues.map((q) => q.save()),
    };
  }

  restore(state: DeviceState): void {
    const status = savedInt(state, 'status', 0, 0xff);
    const accepted = savedInts(state, 'accepted', 2, 0, 0xffff_ffff) as [number, number];
    const generation = savedInt(state, 'generation', 0, 0xff);
    const queues = savedParts(state, 'queues', this.queues.length);
    this.reset();
    this.status = status;
    this.accepted[0] = accepted[0];
    this.accepted[1] = accepted[1];
    this.configGeneration = generation;
    for (const queue of this.queues) this.restoreQueue(queue, queues[queue.index] as DeviceState);
  }

  private restoreQueue(queue: Virtqueue, saved: DeviceState): void {
    queue.size = savedInt(saved, 'size', 0, 0xffff);
    queue.descriptors = savedInt(saved, 'descriptors', 0, 2 ** 64);
    queue.driver = savedInt(saved, 'driver', 0, 2 ** 64);
    queue.device = savedInt(saved, 'device', 0, 2 ** 64);
    queue.enabled = savedFlag(saved, 'enabled');
    const { ring } = saved as { ring?: unknown };
    if (ring === null) return;
    if (typeof ring !== 'object' || !queue.enabled || queue.size < 1 || queue.size > queue.max)
      throw new StateError('ring: a queue that is not enabled has none');
    queue.ring = this.ringOf(queue, ring as DeviceState);
  }
}
