/**
 * MSI-X: a table of interrupt messages in a BAR, and the capability that turns it on.
 *
 * Specification: PCI Local Bus Specification 3.0, section 6.8.2 (capability, table, pending bits), 6.8.3.
 *
 * An interrupt whose entry or whose function is masked stays pending and is sent when the mask goes. The table takes accesses of four bytes, and
 * of eight as two of them; what else a guest tries reads as zeros and is ignored.
 *
 * @module
 */
import type { AccessSize, DeviceState, MmioDevice, Saveable } from '../vmm/bus.ts';
import { savedInts } from './saved.ts';

export const CAPABILITY_MSIX = 0x11;
const ENTRY_BYTES = 16;
const CONTROL = 12;
const MASKED = 1;
const ENABLE = 0x8000;
const FUNCTION_MASK = 0x4000;
/** Where the pending bits stand in the BAR. */
const PENDING_AT = 0x800;
export const MSIX_BAR_BYTES = 0x1000;
const VECTORS_MAX = PENDING_AT / ENTRY_BYTES;

export class Msix implements MmioDevice, Saveable {
  readonly vectors: number;
  private readonly table: Uint32Array;
  private readonly pending: Uint32Array;
  private readonly send: (address: number, data: number) => void;
  private control = 0;

  constructor(vectors: number, send: (address: number, data: number) => void) {
    if (vectors < 1 || vectors > VECTORS_MAX) throw new RangeError(`${vectors} MSI-X vectors: 1 to ${VECTORS_MAX}`);
    this.vectors = vectors;
    this.table = new Uint32Array(vectors * 4);
    this.pending = new Uint32Array(Math.ceil(vectors / 32));
    this.send = send;
    this.reset();
  }

  /** Bytes of the capability from offset 2 on, for BAR `bar`. */
  capability(bar: number): { readonly bytes: Uint8Array; readonly writable: Uint8Array } {
    const bytes = new Uint8Array(10);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, this.vectors - 1, true);
    view.setUint32(2, bar, true);
    view.setUint32(6, PENDING_AT | bar, true);
    const writable = new Uint8Array(10);
    writable[1] = (ENABLE | FUNCTION_MASK) >> 8;
    return { bytes, writable };
  }

  get enabled(): boolean {
    return (this.control & ENABLE) !== 0;
  }

  /** The message control register was written. */
  setControl(value: number): void {
    this.control = value & (ENABLE | FUNCTION_MASK);
    this.flush();
  }

  /** Sends the message of a vector, now or when its mask goes; nothing for a vector that is not there. */
  raise(vector: number): void {
    if (vector >= this.vectors || !this.enabled) return;
    this.pending[vector >> 5] = (this.pending[vector >> 5] as number) | (1 << (vector & 31));
    this.flush();
  }

  private flush(): void {
    if ((this.control & (ENABLE | FUNCTION_MASK)) !== ENABLE) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      const bit = 1 << (vector & 31);
      if (((this.pending[vector >> 5] as number) & bit) === 0 || ((this.table[vector * 4 + 3] as number) & MASKED) !== 0) continue;
      this.pending[vector >> 5] = (this.pending[vector >> 5] as number) & ~bit;
      this.send(this.table[vector * 4] as number, this.table[vector * 4 + 2] as number);
    }
  }

  mmioRead(offset: number, size: AccessSize): number {
    if (size !== 4 || offset & 3) return 0;
    if (offset < this.vectors * ENTRY_BYTES) return this.table[offset >> 2] as number;
    return offset >= PENDING_AT ? (this.pending[(offset - PENDING_AT) >> 2] ?? 0) : 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset & 3 || offset >= this.vectors * ENTRY_BYTES) return;
    this.table[offset >> 2] = (offset & 15) === CONTROL ? value & MASKED : (offset & 15) === 0 ? value & ~3 : value;
    this.flush();
  }

  reset(): void {
    this.control = 0;
    this.pending.fill(0);
    this.table.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) this.table[vector * 4 + 3] = MASKED;
  }

  save(): DeviceState {
    return { table: Array.from(this.table), pending: Array.from(this.pending), control: [this.control] };
  }

  restore(state: DeviceState): void {
    const table = savedInts(state, 'table', this.table.length, 0, 0xffff_ffff);
    const pending = savedInts(state, 'pending', this.pending.length, 0, 0xffff_ffff);
    const [control] = savedInts(state, 'control', 1, 0, 0xffff) as [number];
    this.table.set(table);
    this.pending.set(pending);
    this.control = control;
  }
}
