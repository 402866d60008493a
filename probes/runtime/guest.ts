/**
 * Guest memory as a clause sees it: linear addresses through the page tables of the vCPU that runs, without side effects.
 *
 * By SDM vol. 3, chapter 4: no paging, 32-bit, PAE, 4-level and 5-level paging with large pages. The walk sets no accessed or dirty bits, fills no TLB of the
 * guest, counts nothing, asks no rights but for writing, and reaches RAM alone: what is not RAM, not mapped or malformed has no address here.
 * Segment bases are not added: D has linear addresses. Translations are kept for one firing, in which the page tables cannot change.
 */
import {
  ARENA_CONTEXT, CANONICAL, CR0, CR3, CR4, EFER, PDPTE, VM_SLOT_COUNT, VM_SLOTS,
} from './constants.gen';
import { arena, cpu, firing } from './state';

const CR0_PG: u64 = 0x80000000;
const CR4_PSE: u64 = 0x10;
const CR4_PAE: u64 = 0x20;
const CR4_LA57: u64 = 0x1000;
const EFER_LMA: u64 = 0x400;
const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const LARGE: u64 = 0x80;
const FRAME: u64 = 0xfffffff000;

/** The last translations: 16 entries of linear page (u64), host page (u32), firing (u32). */
const CACHE: usize = memory.data(16 * 16, 8);
const ENTRIES_MASK: u64 = 15;

/** Of the last walk: every level lets the page be written. */
let writable: bool = false;

/** Host address of a byte of guest RAM; 0 = no RAM there, or a write to a read-only slot. */
function ram(gpa: u64, write: bool): usize {
  const page = gpa >> 12;
  const slots = load<u32>(VM_SLOT_COUNT);
  for (let i: u32 = 0, at = VM_SLOTS; i < slots; i++, at += 24) {
    const index = page - load<u64>(at);
    if (index < <u64>load<u32>(at, 8)) {
      if (write && (load<u32>(at, 16) & 1) != 0) return 0;
      return load<u32>(at, 12) + (<u32>index << 12) + (<u32>gpa & 0xfff);
    }
  }
  return 0;
}

/** A paging structure entry; 0 (not present) outside RAM. */
function entry64(gpa: u64): u64 {
  const host = ram(gpa, false);
  const entry = host == 0 ? 0 : load<u64>(host);
  writable = writable && (entry & WRITABLE) != 0;
  return entry;
}

function entry32(gpa: u64): u64 {
  const host = ram(gpa, false);
  const entry = host == 0 ? 0 : <u64>load<u32>(host);
  writable = writable && (entry & WRITABLE) != 0;
  return entry;
}

/** No guest physical address. */
const NOWHERE: u64 = 0xffffffffffffffff;

function walk32(linear: u64, cr4: u64): u64 {
  const directory = entry32((load<u64>(cpu, CR3) & 0xfffff000) + ((linear >> 20) & 0xffc));
  if ((directory & PRESENT) == 0) return NOWHERE;
  if ((directory & LARGE) != 0 && (cr4 & CR4_PSE) != 0) return (directory & 0xffc00000) | ((directory & 0x1fe000) << 19) | (linear & 0x3fffff);
  const table = entry32((directory & 0xfffff000) + ((linear >> 10) & 0xffc));
  return (table & PRESENT) == 0 ? NOWHERE : (table & 0xfffff000) | (linear & 0xfff);
}

/** The two lower levels that PAE and IA-32e paging share. `directory`: the page directory's address. */
function walkLow(directory: u64, linear: u64): u64 {
  const middle = entry64(directory + ((linear >> 18) & 0xff8));
  if ((middle & PRESENT) == 0) return NOWHERE;
  if ((middle & LARGE) != 0) return (middle & FRAME & ~0x1fffff) | (linear & 0x1fffff);
  const last = entry64((middle & FRAME) + ((linear >> 9) & 0xff8));
  return (last & PRESENT) == 0 ? NOWHERE : (last & FRAME) | (linear & 0xfff);
}

function walkPae(linear: u64): u64 {
  // The four entries live in registers (SDM 4.4.1).
  const pointer = load<u64>(cpu + ((<usize>(linear >> 30) & 3) << 3), PDPTE);
  return (pointer & PRESENT) == 0 ? NOWHERE : walkLow(pointer & FRAME, linear);
}

function walkLong(linear: u64, cr4: u64): u64 {
  let table = load<u64>(cpu, CR3) & FRAME;
  if (cr4 & CR4_LA57) {
    const highest = entry64(table + ((linear >> 45) & 0xff8));
    if ((highest & PRESENT) == 0) return NOWHERE;
    table = highest & FRAME;
  }
  const top = entry64(table + ((linear >> 36) & 0xff8));
  if ((top & PRESENT) == 0) return NOWHERE;
  const pointer = entry64((top & FRAME) + ((linear >> 27) & 0xff8));
  if ((pointer & PRESENT) == 0) return NOWHERE;
  if ((pointer & LARGE) != 0) return (pointer & FRAME & ~0x3fffffff) | (linear & 0x3fffffff);
  return walkLow(pointer & FRAME, linear);
}

/** True when the vCPU has 64-bit linear addresses. */
export function isLong(): bool {
  return (load<u64>(cpu, EFER) & EFER_LMA) != 0;
}

/** Guest physical address of a linear one. */
function physical(linear: u64): u64 {
  writable = true;
  const long = isLong();
  const unused = <u64>load<u32>(cpu, CANONICAL);
  if (long ? <u64>(<i64>(linear << unused) >> unused) != linear : linear >> 32 != 0) return NOWHERE;
  if ((load<u64>(cpu, CR0) & CR0_PG) == 0) return linear;
  const cr4 = load<u64>(cpu, CR4);
  if ((cr4 & CR4_PAE) == 0) return walk32(linear, cr4);
  return long ? walkLong(linear, cr4) : walkPae(linear);
}

/** Host address of a byte of the guest, good to the end of its page; 0 = there is none. */
export function guestRead(linear: u64): usize {
  const page = linear >> 12;
  const at = CACHE + (<usize>(page & ENTRIES_MASK) << 4);
  if (load<u64>(at) == page && load<u32>(at, 12) == firing) return load<u32>(at, 8) + (<u32>linear & 0xfff);
  if (load<u32>(arena, ARENA_CONTEXT) == 0) return 0;
  const gpa = physical(linear);
  const host: usize = gpa == NOWHERE ? 0 : ram(gpa, false);
  if (host == 0) return 0;
  store<u64>(at, page);
  store<u32>(at, <u32>host & ~0xfff, 8);
  store<u32>(at, firing, 12);
  return host;
}

/** The same for a byte that is to be written. */
export function guestWrite(linear: u64): usize {
  if (load<u32>(arena, ARENA_CONTEXT) == 0) return 0;
  const gpa = physical(linear);
  return gpa == NOWHERE || !writable ? <usize>0 : ram(gpa, true);
}
