/**
 * The test device that small test kernels expect beside the exit port: a latch, interrupt lines to pull, a page to flush, memory to poke.
 *
 * Modelled after QEMU's pc-testdev (hw/misc/pc-testdev.c, its header comment): E0h-E3h a latch that reads back, E4h accepts the address of a page
 * whose mapping is to be forgotten (here a mapping is forgotten when the guest says so architecturally; the write does nothing), 2000h + n
 * drives interrupt line n with bit 0, and 64 KB of byte-addressable memory at FF000000h that is a device to the CPU.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, MmioBus, MmioDevice, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { savedInts } from './saved.ts';

export const LATCH_PORT = 0xe0;
export const FLUSH_PORT = 0xe4;
export const LINE_PORT = 0x2000;
export const LINES = 24;
export const MEMORY_AT = 0xff00_0000;
export const MEMORY_BYTES = 0x1_0000;

export class TestDevice implements PortDevice, MmioDevice, Saveable {
  private readonly lines: readonly IrqLine[];
  private readonly latch = new Uint8Array(4);
  private readonly memory = new Uint8Array(MEMORY_BYTES);

  /** `lines`: the board's interrupt lines 0 to 23. */
  constructor(options: { readonly lines: readonly IrqLine[] }) {
    if (options.lines.length !== LINES) throw new RangeError(`lines: ${LINES} expected`);
    this.lines = options.lines;
  }

  attach(ports: PortBus): void {
    ports.addPorts(LATCH_PORT, 4, this, 'test latch');
    ports.addPorts(FLUSH_PORT, 4, this, 'test flush');
    ports.addPorts(LINE_PORT, LINES, this, 'test lines');
  }

  attachMemory(mmio: MmioBus): void {
    mmio.addMmio(MEMORY_AT, MEMORY_BYTES, this, 'test memory');
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) {
      const at = port + i - LATCH_PORT;
      value |= (at >= 0 && at < 4 ? (this.latch[at] as number) : 0xff) << (8 * i);
    }
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (port >= LINE_PORT) {
      this.lines[port - LINE_PORT]?.set((value & 1) !== 0);
      return;
    }
    for (let i = 0; i < size && port + i < LATCH_PORT + 4; i++) this.latch[port + i - LATCH_PORT] = value >>> (8 * i);
  }

  mmioRead(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.memory[offset + i] as number) << (8 * i);
    return value >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.memory[offset + i] = value >>> (8 * i);
  }

  reset(): void {
    this.latch.fill(0);
    this.memory.fill(0);
    for (const line of this.lines) line.set(false);
  }

  save(): DeviceState {
    return { latch: Array.from(this.latch), memory: Array.from(this.memory.subarray(0, this.used())) };
  }

  restore(state: DeviceState): void {
    const latch = savedInts(state, 'latch', 4, 0, 0xff);
    const kept = state.memory;
    const memory = savedInts(state, 'memory', Array.isArray(kept) ? Math.min(kept.length, MEMORY_BYTES) : 0, 0, 0xff);
    this.latch.set(latch);
    this.memory.fill(0);
    this.memory.set(memory);
  }

  /** Bytes up to the last that is not zero. */
  private used(): number {
    let end = MEMORY_BYTES;
    while (end > 0 && this.memory[end - 1] === 0) end--;
    return end;
  }
}
