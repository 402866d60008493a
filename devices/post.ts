/**
 * POST code port, 80h: a latch that firmware writes its progress to, and that everybody else writes to for a short delay.
 *
 * Specification: IBM PC/AT technical reference (80h is the spare page register of the DMA chip, so it reads back), and by the same class the
 * read-back latches of test devices (E0h). Wider accesses than the latch see ones above it.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedInts } from './saved.ts';

export const POST_PORT = 0x80;

export interface PostOptions {
  /** Default 80h. */
  readonly port?: number;
  /** How many byte latches stand side by side, 1 to 4. Default 1. */
  readonly ports?: number;
  /** Called with each byte written and its port. */
  readonly written?: (value: number, port: number) => void;
}

export class Post implements PortDevice, Saveable {
  private readonly port: number;
  private readonly written: ((value: number, port: number) => void) | undefined;
  private readonly latch: Uint8Array;

  constructor(options: PostOptions = {}) {
    this.port = options.port ?? POST_PORT;
    this.written = options.written;
    const ports = options.ports ?? 1;
    if (!Number.isInteger(ports) || ports < 1 || ports > 4) throw new RangeError('ports must be 1 to 4');
    this.latch = new Uint8Array(ports);
  }

  attach(bus: PortBus): void {
    bus.addPorts(this.port, this.latch.length, this, 'post');
  }

  /** The byte last written to the first port. */
  get value(): number {
    return this.latch[0];
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.latch[port - this.port + i] ?? 0xff) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size && port - this.port + i < this.latch.length; i++) {
      const byte = (value >>> (8 * i)) & 0xff;
      this.latch[port - this.port + i] = byte;
      this.written?.(byte, port + i);
    }
  }

  reset(): void {
    this.latch.fill(0);
  }

  save(): DeviceState {
    return { latch: Array.from(this.latch) };
  }

  restore(state: DeviceState): void {
    this.latch.set(savedInts(state, 'latch', this.latch.length, 0, 0xff));
  }
}
