/**
 * The bytes of a VM's state in its shared memory: what a snapshot takes and puts back.
 *
 * A vCPU is the fields of the layout that are marked `saved`, and its TLBs: a stale entry is visible to a guest, so they are state
 * (decoded code is not: dropping it changes nothing). RAM is its pages that are not all zero, and which pages were touched, because the
 * first access to a page is a counted exit.
 *
 * @module
 */
import { StateError } from './bus.ts';
import { captureFields, restoreFields } from './cpu/fields.ts';
import { type Field, FIELDS, MEMORY_MAP, STATE_SIZE, VCPU_AREA } from './cpu/layout.ts';

/** One vCPU. */
export interface SavedVcpu {
  /** The layout's fields, STATE_SIZE bytes; those that are not saved are 0. */
  readonly state: Uint8Array;
  /** Data and instruction TLBs with the lists of their filled entries. */
  readonly tlb: Uint8Array;
}

/** Guest RAM. */
export interface SavedPages {
  /** Flags of every page: bit 0 = touched. */
  readonly touched: Uint8Array;
  /** Numbers of the pages that are not all zero, and their contents, 4096 bytes each. */
  readonly numbers: Uint32Array;
  readonly contents: Uint8Array;
}

const PAGE = 4096;
const TOUCHED = 1;

/** Parts of a vCPU's private area that hold its TLBs. */
const TLB_PARTS = [
  [VCPU_AREA.DTLB, VCPU_AREA.JUMPS],
  [VCPU_AREA.DTLB_LIST, VCPU_AREA.DTLB_LIST + 0x4000],
] as const;
const TLB_BYTES = TLB_PARTS.reduce((n, [from, to]) => n + to - from, 0);
/** Fields that belong to the TLBs, kept with them. */
const TLB_FIELDS = ['DTLB_FILLED', 'ITLB_FILLED', 'PAGING_KEY'] as const;

const SAVED: readonly Field[] = FIELDS.filter((f) => f.saved || TLB_FIELDS.some((name) => name === f.name));

export function captureVcpu(memory: WebAssembly.Memory, base: number): SavedVcpu {
  const tlb = new Uint8Array(TLB_BYTES);
  let at = 0;
  for (const [from, to] of TLB_PARTS) {
    tlb.set(new Uint8Array(memory.buffer, base + from, to - from), at);
    at += to - from;
  }
  return { state: captureFields(memory, base, SAVED), tlb };
}

export function restoreVcpu(memory: WebAssembly.Memory, base: number, saved: SavedVcpu): void {
  if (saved.state.length !== STATE_SIZE || saved.tlb.length !== TLB_BYTES) throw new StateError('vCPU state of another size');
  restoreFields(memory, base, SAVED, saved.state);
  let at = 0;
  for (const [from, to] of TLB_PARTS) {
    new Uint8Array(memory.buffer, base + from, to - from).set(saved.tlb.subarray(at, at + to - from));
    at += to - from;
  }
}

/** Pages of 4 KiB that hold something else than zeros. Untouched host pages stay untouched where the touched flag says so. */
export function capturePages(memory: WebAssembly.Memory, ramBytes: number): SavedPages {
  const count = ramBytes / PAGE;
  const words = new Uint32Array(memory.buffer, MEMORY_MAP.RAM_BASE, ramBytes / 4);
  const numbers: number[] = [];
  for (let page = 0; page < count; page++) {
    const from = page * (PAGE / 4);
    for (let i = from; i < from + PAGE / 4; i++) {
      if (words[i] !== 0) {
        numbers.push(page);
        break;
      }
    }
  }
  const ram = new Uint8Array(memory.buffer, MEMORY_MAP.RAM_BASE, ramBytes);
  const contents = new Uint8Array(numbers.length * PAGE);
  numbers.forEach((page, i) => {
    contents.set(ram.subarray(page * PAGE, page * PAGE + PAGE), i * PAGE);
  });
  const touched = new Uint8Array(memory.buffer, MEMORY_MAP.PAGE_FLAGS, count).map((flags) => flags & TOUCHED);
  return { touched, numbers: Uint32Array.from(numbers), contents };
}

/** Into a VM whose decoded code was dropped. */
export function restorePages(memory: WebAssembly.Memory, ramBytes: number, saved: SavedPages): void {
  const count = ramBytes / PAGE;
  if (saved.touched.length !== count || saved.contents.length !== saved.numbers.length * PAGE) throw new StateError('RAM of another size');
  const ram = new Uint8Array(memory.buffer, MEMORY_MAP.RAM_BASE, ramBytes);
  const flags = new Uint8Array(memory.buffer, MEMORY_MAP.PAGE_FLAGS, count);
  const kept = new Set(saved.numbers);
  const zero = new Uint8Array(PAGE);
  for (let page = 0; page < count; page++) {
    if (!kept.has(page) && ram.subarray(page * PAGE, page * PAGE + PAGE).some((b) => b !== 0)) ram.set(zero, page * PAGE);
  }
  flags.set(saved.touched);
  saved.numbers.forEach((page, i) => {
    if (page >= count) throw new StateError(`page ${page} is outside RAM`);
    ram.set(saved.contents.subarray(i * PAGE, i * PAGE + PAGE), page * PAGE);
  });
}

/** 64-bit FNV-1a over saved states, to compare two of them. */
export function fingerprint(vcpus: readonly SavedVcpu[], pages: SavedPages): string {
  let hash = 0xcbf29ce484222325n;
  const mix = (bytes: Uint8Array): void => {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let low = 0x811c9dc5;
    let high = 0x01000193;
    for (let i = 0; i + 4 <= bytes.length; i += 4) {
      const word = words.getUint32(i, true);
      low = Math.imul(low ^ word, 0x01000193);
      high = Math.imul(high ^ low, 0x85ebca6b) ^ (high >>> 13);
    }
    hash = BigInt.asUintN(64, (hash ^ (BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n))) * 0x100000001b3n);
  };
  for (const v of vcpus) mix(v.state);
  mix(new Uint8Array(pages.numbers.buffer));
  mix(pages.contents);
  return hash.toString(16).padStart(16, '0');
}
