/**
 * Guest physical memory: slots of guest RAM, as KVM_SET_USER_MEMORY_REGION, and access to it for devices and loaders.
 *
 * Host addresses here are offsets into the VM's WebAssembly memory. Low RAM ends at 3 GiB at most (the space below 4 GiB belongs to the
 * local APIC, the IOAPIC and PCI); the rest starts at 4 GiB. RAM that a board hides (the VGA hole) is simply in no slot.
 *
 * @module
 */
import type { DmaMemory } from './bus.ts';
import { MAX_RAM, MEMORY_MAP, VM_AREA } from './cpu/layout.ts';

/** One range of guest physical addresses that is RAM. */
export interface MemorySlot {
  /** Page-aligned. */
  readonly gpa: number;
  readonly bytes: number;
  /** Offset into the VM's memory. */
  readonly host: number;
  readonly readOnly: boolean;
}

/** End of low RAM, and the start of the rest. */
export const LOW_RAM_END = 0xc000_0000;
export const HIGH_RAM_BASE = 0x1_0000_0000;

const PAGE = 4096;
const SLOT_BYTES = 24;
const SLOTS_MAX = 32;

/** A size that is no size, or one that this machine cannot have. */
export class MemorySizeError extends Error {
  override readonly name = 'MemorySizeError';
}

/**
 * Bytes of guest RAM from `256M`, `1G`, `65536K` or a number of bytes; a bare number in a string is MiB, as in other monitors.
 * A multiple of 4 KiB from 1 MiB to 3584 MiB; throws MemorySizeError otherwise.
 */
export function parseMemorySize(size: string | number): number {
  let bytes: number;
  if (typeof size === 'number') {
    bytes = size;
  } else {
    const match = /^(\d+)([kmg]?)i?b?$/i.exec(size.trim());
    if (match === null) throw new MemorySizeError(`memory '${size}': not a size; write 256M or 2G`);
    const unit = { k: 1024, m: 1048576, g: 1073741824, '': 1048576 }[(match[2] as string).toLowerCase()] as number;
    bytes = Number(match[1]) * unit;
  }
  if (bytes > MAX_RAM) {
    throw new MemorySizeError(`memory '${size}': too large; guest RAM lives in a 32-bit WebAssembly memory, which holds at most 3584M`);
  }
  if (!Number.isSafeInteger(bytes) || bytes % PAGE !== 0) throw new MemorySizeError(`memory '${size}': not a multiple of 4 KiB`);
  if (bytes < 1048576) throw new MemorySizeError(`memory '${size}': too small; at least 1M`);
  return bytes;
}

/** Slots that lay `bytes` of RAM out as a PC does, `hole` (VGA memory) left out when asked for. */
export function standardSlots(bytes: number, hole?: { gpa: number; bytes: number }): MemorySlot[] {
  const host = MEMORY_MAP.RAM_BASE;
  const low = Math.min(bytes, LOW_RAM_END);
  const slots: MemorySlot[] = [];
  if (hole === undefined || low <= hole.gpa) {
    slots.push({ gpa: 0, bytes: low, host, readOnly: false });
  } else {
    slots.push({ gpa: 0, bytes: hole.gpa, host, readOnly: false });
    const after = hole.gpa + hole.bytes;
    if (low > after) slots.push({ gpa: after, bytes: low - after, host: host + after, readOnly: false });
  }
  if (bytes > low) slots.push({ gpa: HIGH_RAM_BASE, bytes: bytes - low, host: host + low, readOnly: false });
  return slots;
}

/** The RAM of one VM. */
export class GuestRam implements DmaMemory {
  /** The whole memory of the VM. */
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Bytes of the VM's memory that slots may use: the RAM, and room for ROMs behind it. */
  readonly backing: number;
  #slots: readonly MemorySlot[] = [];
  readonly #view: DataView;
  /** Called after JavaScript wrote guest RAM, with host address and length: decoded code there is stale. */
  written: (host: number, length: number) => void = () => {};

  constructor(memory: WebAssembly.Memory, size: number, rom = 0) {
    this.bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.size = size;
    this.backing = size + rom;
  }

  get slots(): readonly MemorySlot[] {
    return this.#slots;
  }

  /** Replaces all slots. The caller flushes the vCPUs' TLBs. */
  setSlots(slots: readonly MemorySlot[]): void {
    if (slots.length > SLOTS_MAX) throw new RangeError(`${slots.length} memory slots: at most ${SLOTS_MAX}`);
    const sorted = [...slots].sort((a, b) => a.gpa - b.gpa);
    let end = 0;
    for (const s of sorted) {
      if (s.gpa % PAGE !== 0 || s.bytes % PAGE !== 0 || s.host % PAGE !== 0 || s.bytes <= 0)
        throw new RangeError('memory slot: not in whole pages of 4 KiB');
      if (s.gpa < end) throw new RangeError(`memory slot at 0x${s.gpa.toString(16)}: overlaps another`);
      if (s.host < MEMORY_MAP.RAM_BASE || s.host + s.bytes > MEMORY_MAP.RAM_BASE + this.backing)
        throw new RangeError('memory slot: outside the RAM of this VM');
      end = s.gpa + s.bytes;
    }
    this.#slots = sorted;
    const base = MEMORY_MAP.VM_BASE + VM_AREA.SLOTS;
    sorted.forEach((s, i) => {
      const at = base + i * SLOT_BYTES;
      this.#view.setBigUint64(at, BigInt(s.gpa / PAGE), true);
      this.#view.setUint32(at + 8, s.bytes / PAGE, true);
      this.#view.setUint32(at + 12, s.host, true);
      this.#view.setUint32(at + 16, s.readOnly ? 1 : 0, true);
    });
    this.#view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, sorted.length, true);
  }

  /** Host address of `length` bytes at `gpa` when one slot holds them all, else 0. */
  hostOf(gpa: number, length = 1): number {
    for (const s of this.#slots) {
      if (gpa >= s.gpa && gpa + length <= s.gpa + s.bytes) return s.host + (gpa - s.gpa);
    }
    return 0;
  }

  /** Guest physical address of a host address inside RAM, or -1. */
  gpaOf(host: number): number {
    for (const s of this.#slots) {
      if (host >= s.host && host < s.host + s.bytes) return s.gpa + (host - s.host);
    }
    return -1;
  }

  /** The bytes at `gpa`, in place, when one slot holds them all. After writing through it, call `written`. */
  view(gpa: number, length: number): Uint8Array | undefined {
    const host = this.hostOf(gpa, length);
    return host === 0 ? undefined : this.bytes.subarray(host, host + length);
  }

  holds(gpa: number, length: number): boolean {
    return this.hostOf(gpa, length) !== 0;
  }

  readable(gpa: number, length: number): Uint8Array | undefined {
    return this.view(gpa, length);
  }

  writable(gpa: number, length: number): Uint8Array | undefined {
    const host = this.hostOf(gpa, length);
    if (host === 0 || this.#isRom(host)) return undefined;
    this.written(host, length);
    return this.bytes.subarray(host, host + length);
  }

  #isRom(host: number): boolean {
    return host >= MEMORY_MAP.RAM_BASE + this.size;
  }

  read(gpa: number, into: Uint8Array): boolean {
    return this.#each(gpa, into.length, (host, at, length) => {
      if (host === 0) into.fill(0, at, at + length);
      else into.set(this.bytes.subarray(host, host + length), at);
    });
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    return this.#each(gpa, bytes.length, (host, at, length) => {
      if (host === 0 || this.#isRom(host)) return;
      this.bytes.set(bytes.subarray(at, at + length), host);
      this.written(host, length);
    });
  }

  /** Splits a range at slot borders; `host` is 0 for the parts outside RAM. True when all of it is RAM. */
  #each(gpa: number, total: number, part: (host: number, at: number, length: number) => void): boolean {
    let whole = true;
    for (let at = 0; at < total; ) {
      const address = gpa + at;
      const slot = this.#slots.find((s) => address >= s.gpa && address < s.gpa + s.bytes);
      const next = slot ?? this.#slots.find((s) => s.gpa > address);
      const end = slot !== undefined ? slot.gpa + slot.bytes : (next?.gpa ?? Number.POSITIVE_INFINITY);
      const length = Math.min(total - at, end - address);
      part(slot === undefined ? 0 : slot.host + (address - slot.gpa), at, length);
      if (slot === undefined) whole = false;
      at += length;
    }
    return whole;
  }
}
