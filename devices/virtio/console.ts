/**
 * The virtio console: a stream of bytes each way, and the size of a window.
 *
 * Specification: virtio 1.2, section 5.3. Port 0 alone: queue 0 receives, queue 1 transmits. The size is told when somebody has one (F_SIZE); a byte
 * written to `emerg_wr` comes out before any queue is set up (F_EMERG_WRITE, 5.3.6.1).
 *
 * What the guest transmits is out at once, and the buffer back. What comes from outside waits here, `PENDING_MAX` bytes of it, until the guest has given a
 * buffer; more is left with whoever offers it.
 *
 * Left out: F_MULTIPORT and its control queues.
 *
 * @module
 */
import type { DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { StateError } from '../../vmm/bus.ts';
import { savedInts } from '../saved.ts';
import { VirtioDevice, type Virtqueue } from './device.ts';
import { bytesOf, type Chain, eachPiece, scatter } from './ring.ts';

const F_SIZE = 0;
const F_EMERG_WRITE = 2;

const QUEUE_MAX = 64;
const RECEIVE = 0;
const TRANSMIT = 1;
const PENDING_MAX = 4096;
/** No driver transmits more in one buffer; one that does has lost its senses, and would keep everybody waiting. */
const TRANSMIT_MAX = 1 << 20;
const EMERGENCY = 8;

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ConsoleOptions {
  readonly memory: DmaMemory;
  /** A byte from the guest. */
  readonly output: (byte: number) => void;
  readonly size?: WindowSize;
}

export class VirtioConsole extends VirtioDevice {
  override readonly type = 3;
  override readonly classCode = 0x078000;
  private readonly output: (byte: number) => void;
  private readonly size: WindowSize;
  private pending: number[] = [];

  constructor({ memory, output, size }: ConsoleOptions) {
    super(memory, [QUEUE_MAX, QUEUE_MAX], size === undefined ? [F_EMERG_WRITE] : [F_SIZE, F_EMERG_WRITE]);
    this.output = output;
    this.size = size ?? { columns: 0, rows: 0 };
  }

  /** A driver may look at the size only when it hears that it changed (Linux's does), so it hears that once it is there. */
  override setStatus(value: number): void {
    const before = this.running;
    super.setStatus(value);
    if (this.running && !before && this.has(F_SIZE)) this.interrupts.config();
  }

  /** Bytes from outside; how many were taken. */
  input(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, PENDING_MAX - this.pending.length);
    for (let i = 0; i < taken; i++) this.pending.push(bytes[i] as number);
    const queue = this.queues[RECEIVE] as Virtqueue;
    if (queue.ring !== undefined) this.receive(queue);
    return taken;
  }

  protected notified(queue: Virtqueue): void {
    if (queue.index === RECEIVE) this.receive(queue);
    else if (queue.index === TRANSMIT) this.transmit(queue);
  }

  private receive(queue: Virtqueue): void {
    while (this.pending.length > 0) {
      const chain = this.take(queue);
      if (chain === undefined) break;
      const bytes = Uint8Array.from(this.pending.slice(0, Math.min(bytesOf(chain.writable), PENDING_MAX)));
      this.pending.splice(0, scatter(this.memory, chain.writable, 0, bytes));
      this.give(queue, chain, bytes.length);
    }
    this.signal(queue);
  }

  private transmit(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) {
      const length = bytesOf(chain.readable);
      if (length > TRANSMIT_MAX) {
        this.broken();
        return;
      }
      this.put(chain, length);
      this.give(queue, chain, 0);
    }
    this.signal(queue);
  }

  private put(chain: Chain, length: number): void {
    eachPiece(chain.readable, 0, length, (gpa, _at, bytes) => {
      const block = this.memory.readable(gpa, bytes);
      if (block !== undefined) for (const byte of block) this.output(byte);
    });
  }

  configByte(offset: number): number {
    const { columns, rows } = this.size;
    return [columns & 0xff, columns >> 8, rows & 0xff, rows >> 8, 1][offset] ?? 0;
  }

  override configWrite(offset: number, _size: number, value: number): void {
    if (offset === EMERGENCY) this.output(value & 0xff);
  }

  /** What came from outside is still to be read. */
  protected forget(): void {}

  override save(): DeviceState {
    return { ...super.save(), pending: [...this.pending] };
  }

  override restore(state: DeviceState): void {
    const { pending } = state as { pending?: unknown };
    if (!Array.isArray(pending) || pending.length > PENDING_MAX) throw new StateError(`pending: at most ${PENDING_MAX} bytes expected`);
    const bytes = savedInts(state, 'pending', pending.length, 0, 0xff);
    super.restore(state);
    this.pending = bytes;
  }
}
