/**
 * The MMU: linear addresses to bytes of guest RAM, and everything that is not a plain byte of RAM.
 *
 * Theory. A data access looks in one of four direct-mapped TLBs of 1024 entries: which one follows from privilege, SMAP and alignment
 * checking (`modeChanged` chooses), so that a hit needs no check of rights. An entry has a tag for reading and one for writing; the
 * write tag is set only when the page is writable, dirty, RAM and holds no decoded code. A tag is the linear page address; the
 * tag of the access's *last* byte is compared with the entry of its first, so an access across pages misses by itself. A hit returns a
 * host address. A miss walks the page tables (SDM vol. 3 chapter 4), sets A and D as the SDM says, fills, and returns
 *   - the host address,
 *   - the address of the vCPU's scratch buffer: the operand lies in two pages or in a device; for a store the caller writes
 *     there and calls `commit`,
 *   - 0: EXC says why (fault, or "run this instruction alone").
 * Devices and stores into pages with code are only touched while STEPPING, so that they end at an exact instruction boundary.
 *
 * Entries live until an architectural flush or their place is taken; flushing goes through the list of filled entries. The instruction TLB is
 * a hash table whose entries are never evicted singly: it is emptied when three quarters full, which the SDM allows at any time.
 * Global entries survive a CR3 load.
 *
 * The first access to a page of RAM is an EPT violation (exits.ts); PAGE_FLAGS remembers it.
 * A data TLB entry remembers its page's protection key, and goes when the key's rights change (`setPkru`).
 */
import { mmio } from './env';
import { isCanonical } from './canonical';
import { CR0_TS, CR4_OSXSAVE } from './control';
import { dataBreakpointsEnabled, noteData } from './breakpoint';
import { EXIT_APIC_ACCESS, EXIT_EPT_MISCONFIG, EXIT_EPT_VIOLATION, vmentry, vmexit, vmlonger } from './exits';
import { logValue } from './exit-log';
import { EXC_LEAVE, EXC_STEP, failed, raiseError, raisePageFault, SEG_SS, VEC_AC, VEC_GP, VEC_SS } from './fault';
import { AC } from './flags';
import { dropPage } from './lines';
import { fire, watched } from './probe';
import {
  ANSWER, ANSWER_NEXT, ANSWERS, AREA_DTLB, AREA_DTLB_LIST, AREA_ITLB, AREA_ITLB_LIST, AREA_SCRATCH, CANONICAL, CODE_BASE, CPL, CR0, CR3, CR4,
  DTLB_FILLED, DR, EFER, ENG_FLUSHES, ENG_ITLB_MISSES, ENG_TLB_MISSES, EXC, EXIT_GLA, EXIT_GPA, FETCH_USER, IO_DATA, IO_GPA, IO_SIZE, IO_WRITE,
  ITLB_FILLED, JUMP_GEN, KS_INSN_EMULATION, KS_MMIO_EXITS, KS_PF_FIXED, LONG, MODE, PAGE_FLAGS, PAGING_KEY, PDPTE, PKRU, PROBE_KVM_MMIO_READ,
  PROBE_KVM_MMIO_READ_UNSATISFIED, PROBE_KVM_MMIO_WRITE, PROBE_KVM_PAGE_FAULT, PROT, RAM_BASE, RFLAGS, RUN_EXIT, SCRATCH_AT, SCRATCH_PARTS,
  SCRATCH_SIZE, SEG_AR, SEG_BASE, SEG_LIMIT, STACK_MASK, STEPPING, TLB_NOW, VCPU_BASE, VCPU_STRIDE, VM_APIC_GPA, VM_SLOT_COUNT, VM_SLOTS, VEX_READY, WALK_PATH,
  XCR0,
} from './state.gen';

export const A_READ: u32 = 0;
export const A_WRITE: u32 = 1;
export const A_EXEC: u32 = 2;
/** Implicit supervisor access: descriptor tables, TSS, stack of an inner level. */
export const A_SUPER: u32 = 4;
/** A non-canonical address raises #SS(0) instead of #GP(0). */
export const A_STACK: u32 = 8;
/** Never #AC: elements of masked moves and gathers. */
export const A_ELEMENT: u32 = 16;

/**
 * Physical address width; bits above are reserved in every paging structure entry. It is the core's, and CPUID leaf 80000008h of every table that the
 * monitor makes says the same (PHYSICAL_BITS).
 */
export const PHYS_BITS: u32 = 40;
const PHYS_MASK: u64 = 0xfffffff000;
const RESERVED: u64 = 0x000fff0000000000;

const PTE_P: u64 = 1;
const PTE_W: u64 = 2;
const PTE_U: u64 = 4;
const PTE_A: u64 = 0x20;
const PTE_D: u64 = 0x40;
const PTE_PS: u64 = 0x80;
const PTE_G: u64 = 0x100;
const PTE_NX: u64 = 0x8000000000000000;

export const CR0_PE: u64 = 1;
export const CR0_WP: u64 = 0x10000;
export const CR0_AM: u64 = 0x40000;
export const CR0_PG: u64 = 0x80000000;
export const CR4_PSE: u64 = 0x10;
export const CR4_PAE: u64 = 0x20;
export const CR4_PGE: u64 = 0x80;
const CR4_LA57: u64 = 0x1000;
export const CR4_SMEP: u64 = 0x100000;
export const CR4_SMAP: u64 = 0x200000;
const CR4_PKE: u64 = 0x400000;
/** XCR0: SSE and AVX state. */
export const XCR0_YMM: u64 = 6;
export const EFER_LMA: u64 = 0x400;
export const EFER_NXE: u64 = 0x800;

const TAG_NONE: u64 = 1;
const DTLB_BYTES: usize = 0x8000;
/** `walk` found a device: its address is in walkGpa. */
const DEVICE: usize = 1;

export const PAGE_TOUCHED: u8 = 1;
export const PAGE_CODE: u8 = 2;

export const RUN_MMIO: u32 = 5;
/** Elements of ANSWER (layout.ts). */
const ANSWERS_MAX: u32 = 512;

/** Results of the last walk. */
let walkGpa: u64 = 0;
let walkGlobal: bool = false;
let walkDirty: bool = false;
let walkReadOnly: bool = false;
let walkWritable: bool = true;
/** ENTRY_KEYED and the key, for a user page under CR4.PKE; else 0. */
let walkKey: u32 = 0;
/** A debugger's walk: nothing is counted. */
let quiet: bool = false;
/** RIP and ICOUNT are exact, and the caller lets time move: a fetch, an instruction that ends its stretch. */
let exact: bool = false;
/** The walk met an untouched page where they are not: the access is to be made again while STEPPING. */
let tooEarly: bool = false;

/** Host address of a guest physical page's byte, or 0 when no memory slot holds it. */
export function gpaToHost(gpa: u64): usize {
  const page = gpa >> 12;
  const slots = load<u32>(VM_SLOT_COUNT);
  for (let i: u32 = 0, at = VM_SLOTS; i < slots; i++, at += 24) {
    const index = page - load<u64>(at);
    if (index < <u64>load<u32>(at, 8)) {
      walkReadOnly = (load<u32>(at, 16) & 1) != 0;
      return load<u32>(at, 12) + (<u32>index << 12) + (<u32>gpa & 0xfff);
    }
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function pageFlags(host: usize): usize {
  return PAGE_FLAGS + ((host - RAM_BASE) >> 12);
}

/** Qualification of an EPT violation (SDM table 28-7): bits 2:0 read, write, fetch; GLA valid; not an access to a paging structure. */
const EPT_READ: u64 = 1;
const EPT_WRITE: u64 = 2;
const EPT_FETCH: u64 = 4;
const EPT_GLA: u64 = 0x80;
const EPT_FINAL: u64 = 0x100;

/** Counts the first access to a page of RAM as the EPT violation it would be, at an exact boundary: see `tooEarly`. */
function touch(cpu: usize, host: usize, gpa: u64, linear: u64, qualification: u64): void {
  const flags = pageFlags(host);
  if ((load<u8>(flags) & PAGE_TOUCHED) != 0 || quiet) return;
  if (!exact && load<u32>(cpu, STEPPING) == 0) {
    tooEarly = true;
    return;
  }
  store<u8>(flags, load<u8>(flags) | PAGE_TOUCHED);
  store<u64>(cpu, gpa, EXIT_GPA);
  store<u64>(cpu, linear, EXIT_GLA);
  store<u64>(cpu, load<u64>(cpu, KS_PF_FIXED) + 1, KS_PF_FIXED);
  vmexit(cpu, EXIT_EPT_VIOLATION, qualification);
  if (watched(PROBE_KVM_PAGE_FAULT)) fire(cpu, PROBE_KVM_PAGE_FAULT, gpa, qualification);
  vmentry(cpu);
}

/** Reads a paging structure entry of four bytes or, `wide`, eight; one outside RAM reads as not present. Leaves its host address in entryHost, 0 for ROM. */
let entryHost: usize = 0;
function readEntry(cpu: usize, gpa: u64, linear: u64, wide: bool, qualification: u64 = EPT_READ | EPT_GLA): u64 {
  const host = gpaToHost(gpa);
  entryHost = walkReadOnly ? 0 : host;
  if (host == 0) return 0;
  touch(cpu, host, gpa, linear, qualification);
  return wide ? load<u64>(host) : <u64>load<u32>(host);
}

// One walk on its way down: the entry reached, what all entries allow (U and W set everywhere, NX anywhere), the page's address and the shift that is
// its size, the error code that a fault has; the entries' host addresses stand in WALK_PATH, for their A and D bits.
let entry: u64 = 0;
let rights: u64 = 0;
let nx: u64 = 0;
let frame: u64 = 0;
let shift: u32 = 12;
let error: u32 = 0;
let depth: u32 = 0;

/** One step down, to the entry at `gpa`; false after raising #PF for one that is not present or sets a bit of `reserved`. */
function descend(cpu: usize, gpa: u64, linear: u64, reserved: u64, wide: bool = true): bool {
  entry = readEntry(cpu, gpa, linear, wide);
  store<u32>(cpu + (depth << 2), <u32>entryHost, WALK_PATH);
  depth++;
  rights &= entry;
  nx |= entry;
  if ((entry & PTE_P) != 0) return !sets(cpu, linear, reserved);
  raisePageFault(cpu, linear, error);
  return false;
}

/** #PF when the entry sets a reserved bit. */
function sets(cpu: usize, linear: u64, reserved: u64): bool {
  if ((entry & reserved) == 0) return false;
  raisePageFault(cpu, linear, error | 9);
  return true;
}

/** 32-bit paging: two levels of four bytes (SDM 4.3). */
function descend32(cpu: usize, linear: u64, cr4: u64): bool {
  if (!descend(cpu, (load<u64>(cpu, CR3) & 0xfffff000) + ((linear >> 20) & 0xffc), linear, 0, false)) return false;
  if ((entry & PTE_PS) != 0 && (cr4 & CR4_PSE) != 0) {
    // PSE-36: bits 20:13 are address bits 39:32.
    shift = 22;
    frame = (entry & 0xffc00000) | ((entry & 0x1fe000) << 19);
    return !sets(cpu, linear, 0x200000);
  }
  if (!descend(cpu, (entry & 0xfffff000) + ((linear >> 10) & 0xffc), linear, 0, false)) return false;
  frame = entry & 0xfffff000;
  return true;
}

/** PAE, 4-level and 5-level paging (SDM 4.4, 4.5). */
function descend64(cpu: usize, linear: u64, cr4: u64, nxe: bool): bool {
  let reserved: u64 = nxe ? RESERVED : RESERVED | PTE_NX;
  if (load<u64>(cpu, EFER) & EFER_LMA) {
    let table = load<u64>(cpu, CR3) & PHYS_MASK;
    if (cr4 & CR4_LA57) {
      if (!descend(cpu, table + ((linear >> 45) & 0xff8), linear, reserved | PTE_PS)) return false;
      table = entry & PHYS_MASK;
    }
    if (!descend(cpu, table + ((linear >> 36) & 0xff8), linear, reserved | PTE_PS)) return false;
    if (!descend(cpu, (entry & PHYS_MASK) + ((linear >> 27) & 0xff8), linear, reserved)) return false;
    if (entry & PTE_PS) return large(cpu, linear, 30);
  } else {
    // PAE: the four page-directory-pointer entries live in registers (SDM 4.4.1), and no bit of the others above the address is ignored.
    entry = load<u64>(cpu + ((<usize>(linear >> 30) & 3) << 3), PDPTE);
    if ((entry & PTE_P) == 0) {
      raisePageFault(cpu, linear, error);
      return false;
    }
    reserved |= 0x7ff0000000000000;
  }
  if (!descend(cpu, (entry & PHYS_MASK) + ((linear >> 18) & 0xff8), linear, reserved)) return false;
  if (entry & PTE_PS) return large(cpu, linear, 21);
  if (!descend(cpu, (entry & PHYS_MASK) + ((linear >> 9) & 0xff8), linear, reserved)) return false;
  frame = entry & PHYS_MASK;
  return true;
}

/** The entry maps a page of 2 MiB or 1 GiB: bits between the PAT bit and the address are reserved. */
function large(cpu: usize, linear: u64, size: u32): bool {
  shift = size;
  const offset: u64 = (<u64>1 << size) - 1;
  frame = entry & PHYS_MASK & ~offset;
  return !sets(cpu, linear, offset & ~0x1fff);
}

/**
 * Walks the page tables for one access. Returns a host address, DEVICE (walkGpa holds the address) or 0 after raising #PF.
 * `user` and `access` decide the rights; A and D are set when `setBits` (a refused access sets A above the entry that maps the page).
 */
function walk(cpu: usize, linear: u64, access: u32, user: bool, smap: bool, setBits: bool): usize {
  walkGlobal = false;
  walkKey = 0;
  const cr0 = load<u64>(cpu, CR0);
  const write = access == A_WRITE;
  if ((cr0 & CR0_PG) == 0) {
    walkDirty = true;
    return reach(cpu, linear & 0xffffffff, linear, access, setBits);
  }
  const cr4 = load<u64>(cpu, CR4);
  const wide = (cr4 & CR4_PAE) != 0;
  const nxe = wide && (load<u64>(cpu, EFER) & EFER_NXE) != 0;
  error = (write ? 2 : 0) | (user ? 4 : 0) | (access == A_EXEC && (nxe || (cr4 & CR4_SMEP) != 0) ? 16 : 0);
  rights = PTE_U | PTE_W;
  nx = 0;
  depth = 0;
  shift = 12;
  if (wide ? !descend64(cpu, linear, cr4, nxe) : !descend32(cpu, linear, cr4)) return 0;
  const disabled = (cr4 & CR4_PKE) != 0 ? keyRights(cpu) : 0;
  // PKRU's write disable holds for supervisors as read-only pages do (SDM 4.6.2).
  const readOnly = (disabled & 2) != 0 && (user || (cr0 & CR0_WP) != 0);
  if (access != A_EXEC && ((disabled & 1) != 0 || (write && readOnly))) error |= 32;
  const permitted = (error & 32) == 0 && allowed(rights, wide ? nx & PTE_NX : 0, access, user, smap, cr0, cr4);
  if (setBits) markPath(cpu, permitted, write);
  if (!permitted) {
    raisePageFault(cpu, linear, error | 1);
    return 0;
  }
  walkDirty = write || (entry & PTE_D) != 0;
  walkWritable = ((rights & PTE_W) != 0 || (!user && (cr0 & CR0_WP) == 0)) && !readOnly;
  walkGlobal = (entry & PTE_G) != 0 && (cr4 & CR4_PGE) != 0;
  return reach(cpu, frame | (linear & ((<u64>1 << shift) - 1)), linear, access, setBits);
}

/** PKRU's two bits for the key of a user page of IA-32e paging, bits 62:59 of the entry that maps it; 0 for other pages, and for debuggers. */
function keyRights(cpu: usize): u32 {
  if ((rights & PTE_U) == 0 || quiet || (load<u64>(cpu, EFER) & EFER_LMA) == 0) return 0;
  const key = <u32>(entry >> 59) & 15;
  walkKey = ENTRY_KEYED | (key << ENTRY_KEY_SHIFT);
  return <u32>(load<u64>(cpu, PKRU) >> (key << 1)) & 3;
}

/**
 * Sets the A bits of the way down, which includes the entry that maps the page, and there D, only when the access is permitted (SDM, interrupt 14,
 * note on the accessed flag). Both bits stand in an entry's first byte, whatever its width.
 */
function markPath(cpu: usize, permitted: bool, write: bool): void {
  const last = depth - 1;
  const end = permitted ? depth : last;
  for (let i: u32 = 0; i < end; i++) {
    const at = <usize>load<u32>(cpu + (i << 2), WALK_PATH);
    if (at == 0) continue;
    const have = load<u8>(at);
    const want = have | <u8>PTE_A | (write && i == last ? <u8>PTE_D : 0);
    if (want == have) continue;
    store<u8>(at, want);
    if (load<u8>(pageFlags(at)) & PAGE_CODE) dropPage(at & ~0xfff);
  }
}

/** SDM 4.6: the access against the gathered rights. */
function allowed(rights: u64, nx: u64, access: u32, user: bool, smap: bool, cr0: u64, cr4: u64): bool {
  const userPage = (rights & PTE_U) != 0;
  if (user) {
    if (!userPage) return false;
    if (access == A_WRITE) return (rights & PTE_W) != 0;
    return access != A_EXEC || nx == 0;
  }
  if (access == A_EXEC) return nx == 0 && !(userPage && (cr4 & CR4_SMEP) != 0);
  if (userPage && smap) return false;
  return access != A_WRITE || (rights & PTE_W) != 0 || (cr0 & CR0_WP) == 0;
}

/** The physical end of a walk: RAM (touched), or a device. */
function reach(cpu: usize, gpa: u64, linear: u64, access: u32, count: bool): usize {
  walkGpa = gpa;
  walkReadOnly = false;
  if ((load<u64>(cpu, CR0) & CR0_PG) == 0) walkWritable = true;
  if (gpa >> 12 == <u64>load<u32>(VM_APIC_GPA) >> 12 && load<u32>(VM_APIC_GPA) != 0) return DEVICE;
  const host = gpaToHost(gpa);
  if (host == 0) return DEVICE;
  if (count) touch(cpu, host, gpa, linear, (access == A_WRITE ? EPT_WRITE : access == A_EXEC ? EPT_FETCH : EPT_READ) | EPT_GLA | EPT_FINAL);
  return access == A_WRITE && walkReadOnly ? DEVICE : host;
}

/** The TLB that an access of this kind uses. */
function tlbFor(cpu: usize, kind: u32): usize {
  if ((kind & A_SUPER) == 0) return load<u32>(cpu, TLB_NOW);
  return cpu + AREA_DTLB + (load<u64>(cpu, CR4) & CR4_SMAP ? 2 * DTLB_BYTES : 0);
}

/** Translates one access within a page: host address, DEVICE, or 0 with EXC set. Fills the TLB. */
function translatePage(cpu: usize, linear: u64, write: bool, kind: u32): usize {
  if (load<u32>(cpu, LONG) ? !isCanonical(cpu, linear) : false) {
    raiseError(cpu, kind & A_STACK ? VEC_SS : VEC_GP, 0);
    return 0;
  }
  const user = load<u32>(cpu, CPL) == 3 && (kind & A_SUPER) == 0;
  const smap = (load<u64>(cpu, CR4) & CR4_SMAP) != 0 && ((kind & A_SUPER) != 0 || (load<u32>(cpu, RFLAGS) & AC) == 0);
  const table = tlbFor(cpu, kind);
  const at = entryOf(table, linear);
  // A store that misses only for the code in its page hits the architecture's TLB: what it sees must not depend on what was decoded.
  const known = write && load<u64>(at) == (linear & ~0xfff) && (load<u32>(at, 20) & ENTRY_WRITABLE) != 0;
  let host: usize;
  if (known) host = <u32>linear + load<u32>(at, 16);
  else {
    store<u64>(cpu, load<u64>(cpu, ENG_TLB_MISSES) + 1, ENG_TLB_MISSES);
    host = walk(cpu, linear, write ? A_WRITE : A_READ, user, smap, true);
    if (tooEarly) {
      tooEarly = false;
      store<u32>(cpu, EXC_STEP, EXC);
      return 0;
    }
    if (host <= DEVICE) return host;
  }
  const code = (load<u8>(pageFlags(host)) & PAGE_CODE) != 0;
  if (write && code) {
    if (!load<u32>(cpu, STEPPING)) {
      store<u32>(cpu, EXC_STEP, EXC);
      return 0;
    }
    dropPage(host & ~0xfff);
  }
  if (known) store<u64>(at, linear & ~0xfff, 8);
  else fill(cpu, table, linear, host, !walkReadOnly && walkDirty && walkWritable, write || !code);
  return host;
}

/** Flags of a data TLB entry. */
const ENTRY_GLOBAL: u32 = 1;
/** Stores may use the entry, whatever its write tag says. */
const ENTRY_WRITABLE: u32 = 2;
/** The entry depends on PKRU: its key stands in the four bits from ENTRY_KEY_SHIFT up. */
const ENTRY_KEYED: u32 = 4;
const ENTRY_KEY_SHIFT: u32 = 8;

function fill(cpu: usize, table: usize, linear: u64, host: usize, writable: bool, plain: bool): void {
  if (table == cpu + AREA_DTLB + 3 * DTLB_BYTES) return;
  const index = <u32>(linear >> 12) & 1023;
  const at = table + (index << 5);
  const page = linear & ~0xfff;
  if (load<u64>(at) == TAG_NONE) {
    const n = load<u32>(cpu, DTLB_FILLED);
    store<u16>(cpu + (n << 1), <u16>((at - cpu - AREA_DTLB) >> 5), AREA_DTLB_LIST);
    store<u32>(cpu, n + 1, DTLB_FILLED);
  }
  store<u64>(at, page);
  store<u64>(at, writable && plain ? page : TAG_NONE, 8);
  store<u32>(at, (host & ~0xfff) - <u32>page, 16);
  store<u32>(at, (walkGlobal ? ENTRY_GLOBAL : 0) | (writable ? ENTRY_WRITABLE : 0) | walkKey, 20);
}

/**
 * After a miss of the interpreter's fast switch: true when the TLB now has the page, so that the micro-op can run again.
 * `what`: size in bits 7:0, 100h = write, 200h = stack. False: EXC is set, or only the general road will do.
 */
export function refill(cpu: usize, linear: u64, what: u32): bool {
  if ((<u32>linear & 0xfff) + (what & 255) > 4096 || load<u32>(cpu, TLB_NOW) == <u32>(cpu + AREA_DTLB + 3 * DTLB_BYTES)) return false;
  const host = translatePage(cpu, linear, (what & 0x100) != 0, what & 0x200 ? A_STACK : 0);
  return host > DEVICE;
}

/** A read that missed. `size` up to 64 bytes. */
export function readSlow(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  if (failed(cpu)) return 0;
  if (outside(cpu, linear, size, kind) || misaligned(cpu, linear, size, kind)) return 0;
  if (load<u32>(cpu, TLB_NOW) == neverFilled(cpu) && (kind & A_SUPER) == 0) noteData(cpu, linear, size, false);
  const room: u32 = 4096 - (<u32>linear & 0xfff);
  if (size <= room) {
    const host = translatePage(cpu, linear, false, kind);
    if (host != DEVICE) return host;
    return deviceRead(cpu, walkGpa, size, cpu + AREA_SCRATCH) ? cpu + AREA_SCRATCH : 0;
  }
  const scratch = cpu + AREA_SCRATCH;
  const next = wrap(cpu, linear + <u64>room);
  if (!readPart(cpu, linear, room, kind, scratch)) return 0;
  return readPart(cpu, next, size - room, kind, scratch + room) ? scratch : 0;
}

function readPart(cpu: usize, linear: u64, size: u32, kind: u32, into: usize): bool {
  const host = translatePage(cpu, linear, false, kind);
  if (host == 0) return false;
  if (host == DEVICE) return deviceRead(cpu, walkGpa, size, into);
  copySmall(into, host, size);
  return true;
}

/** A handful of bytes: cheaper than the call that memory.copy is. */
function copySmall(to: usize, from: usize, bytes: u32): void {
  for (let i: u32 = 0; i < bytes; i++) store<u8>(to + i, load<u8>(from + i));
}

// @ts-ignore: decorator
@inline
function wrap(cpu: usize, linear: u64): u64 {
  return load<u32>(cpu, LONG) ? linear : linear & 0xffffffff;
}

/** The data TLB in which nothing is ever found: every access is looked at, for alignment or for breakpoints. */
// @ts-ignore: decorator
@inline
function neverFilled(cpu: usize): u32 {
  return <u32>(cpu + AREA_DTLB + 3 * DTLB_BYTES);
}

/** An operand of which any byte is not canonical: that comes before its alignment, and before a page fault of its beginning. */
function outside(cpu: usize, linear: u64, size: u32, kind: u32): bool {
  if (load<u32>(cpu, LONG) == 0 || (isCanonical(cpu, linear) && isCanonical(cpu, linear + <u64>(size - 1)))) return false;
  raiseError(cpu, kind & A_STACK ? VEC_SS : VEC_GP, 0);
  return true;
}

/** #AC at CPL 3 with CR0.AM and RFLAGS.AC (SDM 6.15, interrupt 17; table 6-7: a double quadword to 16 bytes, and what is wider as that). */
function misaligned(cpu: usize, linear: u64, size: u32, kind: u32): bool {
  if (load<u32>(cpu, TLB_NOW) != neverFilled(cpu) || (kind & (A_SUPER | A_ELEMENT)) != 0 || !alignmentChecked(cpu)) return false;
  const align: u32 = size == 16 || size == 32 ? 15 : size >= 8 ? 7 : size == 4 ? 3 : size == 2 ? 1 : 0;
  if ((<u32>linear & align) == 0) return false;
  raiseError(cpu, VEC_AC, 0);
  return true;
}

function alignmentChecked(cpu: usize): bool {
  return load<u32>(cpu, CPL) == 3 && (load<u64>(cpu, CR0) & CR0_AM) != 0 && (load<u32>(cpu, RFLAGS) & AC) != 0;
}

/** A write that missed: where to store; `commit` must follow when the result is below RAM_BASE. The place holds the present bytes. */
export function writeSlow(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  if (failed(cpu)) return 0;
  if (outside(cpu, linear, size, kind) || misaligned(cpu, linear, size, kind)) return 0;
  if (load<u32>(cpu, TLB_NOW) == neverFilled(cpu) && (kind & A_SUPER) == 0) noteData(cpu, linear, size, true);
  const scratch = cpu + AREA_SCRATCH;
  const room: u32 = 4096 - (<u32>linear & 0xfff);
  const first = translatePage(cpu, linear, true, kind);
  if (first == 0) return 0;
  const firstAt: u64 = first == DEVICE ? walkGpa | (<u64>1 << 63) : <u64>first;
  if (size <= room) {
    if (first != DEVICE) return first;
    if (!steppingOnly(cpu)) return 0;
    store<u32>(cpu, 1, SCRATCH_PARTS);
    store<u64>(cpu, firstAt, SCRATCH_AT);
    store<u32>(cpu, size, SCRATCH_SIZE);
    return scratch;
  }
  const second = translatePage(cpu, wrap(cpu, linear + <u64>room), true, kind);
  if (second == 0) return 0;
  if ((first == DEVICE || second == DEVICE) && !steppingOnly(cpu)) return 0;
  store<u32>(cpu, 2, SCRATCH_PARTS);
  store<u64>(cpu, firstAt, SCRATCH_AT);
  store<u32>(cpu, room, SCRATCH_SIZE);
  store<u64>(cpu, second == DEVICE ? walkGpa | (<u64>1 << 63) : <u64>second, SCRATCH_AT + 8);
  store<u32>(cpu, size - room, SCRATCH_SIZE + 4);
  if (first != DEVICE) copySmall(scratch, first, room);
  if (second != DEVICE) copySmall(scratch + room, second, size - room);
  return scratch;
}

/** A read-modify-write that missed: like writeSlow, and a device's present value is read first. */
export function modifySlow(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  const at = writeSlow(cpu, linear, size, kind);
  if (at != cpu + AREA_SCRATCH) return at;
  const parts = load<u32>(cpu, SCRATCH_PARTS);
  let into = at;
  for (let i: usize = 0; i < parts; i++) {
    const place = load<u64>(cpu + (i << 3), SCRATCH_AT);
    const bytes = load<u32>(cpu + (i << 2), SCRATCH_SIZE);
    if (<i64>place < 0 && !deviceRead(cpu, place & ~(<u64>1 << 63), bytes, into)) return 0;
    into += bytes;
  }
  return at;
}

function steppingOnly(cpu: usize): bool {
  if (load<u32>(cpu, STEPPING)) return true;
  store<u32>(cpu, EXC_STEP, EXC);
  return false;
}

/**
 * Finishes a store that went to the scratch buffer; false when a device must be asked outside run(). Devices come first: when
 * the instruction is run again for one, RAM must still hold what it read.
 */
export function commit(cpu: usize): bool {
  const parts = load<u32>(cpu, SCRATCH_PARTS);
  for (let devices = 1; devices >= 0; devices--) {
    let from = cpu + AREA_SCRATCH;
    for (let i: usize = 0; i < parts; i++) {
      const place = load<u64>(cpu + (i << 3), SCRATCH_AT);
      const bytes = load<u32>(cpu + (i << 2), SCRATCH_SIZE);
      if (<i64>place >= 0) {
        if (devices == 0) copySmall(<usize>place, from, bytes);
      } else if (devices != 0 && !deviceWrite(cpu, place & ~(<u64>1 << 63), bytes, from)) return false;
      from += bytes;
    }
  }
  return true;
}

/** The largest power of two of bytes that fits `left` and keeps the access naturally aligned, at most 8. */
function piece(gpa: u64, left: u32): u32 {
  let n: u32 = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
  while ((<u32>gpa & (n - 1)) != 0) n >>= 1;
  return n;
}

function deviceRead(cpu: usize, gpa: u64, size: u32, into: usize): bool {
  if (!steppingOnly(cpu)) return false;
  for (let done: u32 = 0; done < size; ) {
    const n = piece(gpa + <u64>done, size - done);
    if (!device(cpu, gpa + <u64>done, n, 0)) return false;
    memory.copy(into + done, cpu + IO_DATA, n);
    done += n;
  }
  return true;
}

function deviceWrite(cpu: usize, gpa: u64, size: u32, from: usize): bool {
  for (let done: u32 = 0; done < size; ) {
    const n = piece(gpa + <u64>done, size - done);
    store<u64>(cpu, 0, IO_DATA);
    memory.copy(cpu + IO_DATA, from + done, n);
    if (!device(cpu, gpa + <u64>done, n, 1)) return false;
    done += n;
  }
  return true;
}

/** The instruction at hand has exited already (string I/O): its device accesses are part of that exit. */
let emulated: bool = false;
export function setEmulated(on: bool): void {
  emulated = on;
}

/** A device read has its value, in IO_DATA. */
function wasRead(cpu: usize, gpa: u64, size: u32): void {
  if (!watched(PROBE_KVM_MMIO_READ)) return;
  const value = load<u64>(cpu, IO_DATA);
  fire(cpu, PROBE_KVM_MMIO_READ, <u64>size, gpa, size == 8 ? value : value & (((<u64>1) << (size << 3)) - 1));
}

/**
 * One device access: a VM exit, answered by the monitor. The answers of an instruction are kept until it completes, so that
 * one with several accesses can be re-executed after leaving run().
 */
function device(cpu: usize, gpa: u64, size: u32, write: u32): bool {
  const next = load<u32>(cpu, ANSWER_NEXT);
  const have = load<u32>(cpu, ANSWERS);
  if (next < have) {
    store<u64>(cpu, load<u64>(cpu + (<usize>next << 3), ANSWER), IO_DATA);
    store<u32>(cpu, next + 1, ANSWER_NEXT);
    // The last one came from outside just now.
    if (next + 1 == have && write == 0) wasRead(cpu, gpa, size);
    return true;
  }
  const base = <u64>load<u32>(VM_APIC_GPA);
  const apic = base != 0 && gpa >> 12 == base >> 12;
  // An instruction exits at its first access; the monitor emulates all of it.
  const exits = next == 0 && !emulated;
  if (exits) {
    store<u64>(cpu, gpa, EXIT_GPA);
    store<u64>(cpu, load<u64>(cpu, KS_INSN_EMULATION) + 1, KS_INSN_EMULATION);
    if (apic) vmexit(cpu, EXIT_APIC_ACCESS, (gpa & 0xfff) | (<u64>write << 12));
    else vmexit(cpu, EXIT_EPT_MISCONFIG, 0);
  }
  if (write != 0 && watched(PROBE_KVM_MMIO_WRITE)) fire(cpu, PROBE_KVM_MMIO_WRITE, <u64>size, gpa, load<u64>(cpu, IO_DATA));
  const answer = mmio(cpu, <u32>gpa, <u32>(gpa >> 32), size, write);
  if (answer != 3 && !apic) store<u64>(cpu, load<u64>(cpu, KS_MMIO_EXITS) + 1, KS_MMIO_EXITS);
  if (write == 0) {
    // The interrupt controllers satisfy a read inside KVM, everything else outside it.
    if (answer != 3 && watched(PROBE_KVM_MMIO_READ_UNSATISFIED)) fire(cpu, PROBE_KVM_MMIO_READ_UNSATISFIED, <u64>size, gpa);
    if (answer != 2) wasRead(cpu, gpa, size);
  }
  if (exits) {
    if (answer != 2) logValue(cpu, load<u64>(cpu, IO_DATA));
    vmentry(cpu);
  } else vmlonger(cpu);
  if (answer == 2) {
    store<u64>(cpu, gpa, IO_GPA);
    store<u32>(cpu, size, IO_SIZE);
    store<u32>(cpu, write, IO_WRITE);
    store<u32>(cpu, RUN_MMIO, RUN_EXIT);
    store<u32>(cpu, EXC_LEAVE, EXC);
    return false;
  }
  if (next < ANSWERS_MAX) {
    store<u64>(cpu + (<usize>next << 3), load<u64>(cpu, IO_DATA), ANSWER);
    store<u32>(cpu, next + 1, ANSWERS);
    store<u32>(cpu, next + 1, ANSWER_NEXT);
  }
  return true;
}

// ---- accesses by size, with the fast path inline ----

// @ts-ignore: decorator
@inline
function entryOf(table: usize, linear: u64): usize {
  return table + ((<u32>(linear >> 12) & 1023) << 5);
}

/** Host address to read `size` bytes from; 0 when EXC is set. */
// @ts-ignore: decorator
@inline
export function hostRead(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  const at = entryOf(load<u32>(cpu, TLB_NOW), linear);
  if (load<u64>(at) == ((linear + <u64>(size - 1)) & ~0xfff)) return <u32>linear + load<u32>(at, 16);
  return readSlow(cpu, linear, size, kind);
}

/** Host address to write `size` bytes to; below RAM_BASE: `commit` must follow (or 0: EXC is set). */
// @ts-ignore: decorator
@inline
export function hostWrite(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  const at = entryOf(load<u32>(cpu, TLB_NOW), linear);
  if (load<u64>(at, 8) == ((linear + <u64>(size - 1)) & ~0xfff)) return <u32>linear + load<u32>(at, 16);
  return writeSlow(cpu, linear, size, kind);
}

/** Host address of an operand that is read and then written; rules of hostWrite. */
// @ts-ignore: decorator
@inline
export function hostModify(cpu: usize, linear: u64, size: u32, kind: u32): usize {
  const at = entryOf(load<u32>(cpu, TLB_NOW), linear);
  if (load<u64>(at, 8) == ((linear + <u64>(size - 1)) & ~0xfff)) return <u32>linear + load<u32>(at, 16);
  return modifySlow(cpu, linear, size, kind);
}

/** Reads 1, 2, 4 or 8 bytes, zero-extended. Check failed(). */
export function readMem(cpu: usize, linear: u64, size: u32, kind: u32): u64 {
  const at = entryOf(tlbFor(cpu, kind), linear);
  let host: usize;
  if (load<u64>(at) == ((linear + <u64>(size - 1)) & ~0xfff)) host = <u32>linear + load<u32>(at, 16);
  else {
    host = readSlow(cpu, linear, size, kind);
    if (host == 0) return 0;
  }
  switch (size) {
    case 1: return <u64>load<u8>(host);
    case 2: return <u64>load<u16>(host);
    case 4: return <u64>load<u32>(host);
    default: return load<u64>(host);
  }
}

/** Writes 1, 2, 4 or 8 bytes. Check failed(). */
export function writeMem(cpu: usize, linear: u64, size: u32, value: u64, kind: u32): void {
  const at = entryOf(tlbFor(cpu, kind), linear);
  let host: usize;
  if (load<u64>(at, 8) == ((linear + <u64>(size - 1)) & ~0xfff)) host = <u32>linear + load<u32>(at, 16);
  else {
    host = writeSlow(cpu, linear, size, kind);
    if (host == 0) return;
  }
  switch (size) {
    case 1: store<u8>(host, <u8>value); break;
    case 2: store<u16>(host, <u16>value); break;
    case 4: store<u32>(host, <u32>value); break;
    default: store<u64>(host, value);
  }
  if (host < RAM_BASE) commit(cpu);
}

/** Raises what a write of `size` bytes would raise, and writes nothing. */
export function probeWrite(cpu: usize, linear: u64, size: u32, kind: u32): void {
  for (let done: u32 = 0; done < size; ) {
    const at = wrap(cpu, linear + <u64>done);
    const room: u32 = 4096 - (<u32>at & 0xfff);
    if (load<u64>(entryOf(tlbFor(cpu, kind), at), 8) != (at & ~0xfff) && translatePage(cpu, at, true, kind) == 0) return;
    done += room;
  }
}

/** Raises what a store of an operand of `size` bytes would raise, alignment check included. */
export function probeOperand(cpu: usize, linear: u64, size: u32, kind: u32): void {
  if (outside(cpu, linear, size, kind) || misaligned(cpu, linear, size, kind)) return;
  probeWrite(cpu, linear, size, kind);
}

/** Raises what a read of `size` bytes would raise. */
export function probeRead(cpu: usize, linear: u64, size: u32, kind: u32): void {
  for (let done: u32 = 0; done < size; ) {
    const at = wrap(cpu, linear + <u64>done);
    const room: u32 = 4096 - (<u32>at & 0xfff);
    if (load<u64>(entryOf(tlbFor(cpu, kind), at)) != (at & ~0xfff) && translatePage(cpu, at, false, kind) == 0) return;
    done += room;
  }
}

// ---- instruction side ----

/**
 * Host address of the page that holds `linear`, for fetching; 0 with EXC set; DEVICE_CODE when it is no RAM.
 * The tag's bit 0 is the privilege: SMEP and U/S differ by it.
 */
export const DEVICE_CODE: usize = 1;
export function fetchPage(cpu: usize, linear: u64): usize {
  const tag = (linear & ~0xfff) | <u64>load<u32>(cpu, FETCH_USER);
  let slot = itlbHash(tag);
  while (true) {
    const at = cpu + (slot << 4);
    const have = load<u64>(at, AREA_ITLB);
    if (have == tag) return load<u32>(at, AREA_ITLB + 8);
    if (have == 2) break;
    slot = (slot + 1) & 2047;
  }
  if (load<u32>(cpu, LONG) ? !isCanonical(cpu, linear) : false) {
    raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  store<u64>(cpu, load<u64>(cpu, ENG_ITLB_MISSES) + 1, ENG_ITLB_MISSES);
  exact = true;
  const host = walk(cpu, linear, A_EXEC, load<u32>(cpu, FETCH_USER) != 0, false, true);
  exact = false;
  if (host <= DEVICE) return host;
  itlbInsert(cpu, tag, host & ~0xfff, walkGlobal ? 1 : 0);
  return host & ~0xfff;
}

// @ts-ignore: decorator
@inline
function itlbHash(tag: u64): u32 {
  return (<u32>(tag >> 12) ^ (<u32>tag & 1) ^ <u32>(tag >> 23)) & 2047;
}

function itlbInsert(cpu: usize, tag: u64, host: usize, global: u32): void {
  let n = load<u32>(cpu, ITLB_FILLED);
  if (n >= 1536) {
    itlbFlush(cpu, true);
    n = 0;
  }
  let slot = itlbHash(tag);
  while (load<u64>(cpu + (slot << 4), AREA_ITLB) != 2) slot = (slot + 1) & 2047;
  const at = cpu + (slot << 4);
  store<u64>(at, tag, AREA_ITLB);
  store<u32>(at, host, AREA_ITLB + 8);
  store<u32>(at, global, AREA_ITLB + 12);
  store<u16>(cpu + (n << 1), <u16>slot, AREA_ITLB_LIST);
  store<u32>(cpu, n + 1, ITLB_FILLED);
}

/** Empties the instruction TLB; without `global`, global entries are put back. */
function itlbFlush(cpu: usize, global: bool): void {
  const n = load<u32>(cpu, ITLB_FILLED);
  let kept: u32 = 0;
  // Global entries are gathered at the end of the list's room (16 bytes each), then inserted again.
  const room = cpu + AREA_ITLB_LIST + 0x1000;
  for (let i: u32 = 0; i < n; i++) {
    const at = cpu + (<usize>load<u16>(cpu + (i << 1), AREA_ITLB_LIST) << 4);
    if (!global && load<u32>(at, AREA_ITLB + 12) != 0) {
      memory.copy(room + (kept << 4), at + AREA_ITLB, 16);
      kept++;
    }
    store<u64>(at, 2, AREA_ITLB);
  }
  store<u32>(cpu, 0, ITLB_FILLED);
  for (let i: u32 = 0; i < kept; i++) {
    const from = room + (i << 4);
    itlbInsert(cpu, load<u64>(from), load<u32>(from, 8), 1);
  }
  dropJumps(cpu);
}

/** Forgets what the jump cache knows. */
export function dropJumps(cpu: usize): void {
  const gen = load<u32>(cpu, JUMP_GEN) + 1;
  store<u32>(cpu, gen == 0 ? 1 : gen, JUMP_GEN);
}

/** Forgets the jump caches of all vCPUs: decoded code went away. */
export function dropAllJumps(): void {
  for (let i: usize = 0; i < 8; i++) dropJumps(VCPU_BASE + i * VCPU_STRIDE);
}

/** Flushes the TLBs: all entries, or all but the global ones. */
export function tlbFlush(cpu: usize, global: bool): void {
  store<u64>(cpu, load<u64>(cpu, ENG_FLUSHES) + 1, ENG_FLUSHES);
  const n = load<u32>(cpu, DTLB_FILLED);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const index = load<u16>(cpu + (i << 1), AREA_DTLB_LIST);
    const at = cpu + AREA_DTLB + (<usize>index << 5);
    if (!global && (load<u32>(at, 20) & ENTRY_GLOBAL) != 0) {
      store<u16>(cpu + (kept << 1), index, AREA_DTLB_LIST);
      kept++;
      continue;
    }
    store<u64>(at, TAG_NONE);
    store<u64>(at, TAG_NONE, 8);
  }
  store<u32>(cpu, kept, DTLB_FILLED);
  itlbFlush(cpu, global);
}

/** Sets PKRU, at once for every access: entries of the keys whose rights change are dropped (SDM 4.6.2, 4.10.4.1). */
export function setPkru(cpu: usize, value: u64): void {
  const changed = value ^ load<u64>(cpu, PKRU);
  store<u64>(cpu, value, PKRU);
  if (changed == 0) return;
  const n = load<u32>(cpu, DTLB_FILLED);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const index = load<u16>(cpu + (i << 1), AREA_DTLB_LIST);
    const at = cpu + AREA_DTLB + (<usize>index << 5);
    const flags = load<u32>(at, 20);
    if ((flags & ENTRY_KEYED) != 0 && ((changed >> (((flags >> ENTRY_KEY_SHIFT) & 15) << 1)) & 3) != 0) {
      store<u64>(at, TAG_NONE);
      store<u64>(at, TAG_NONE, 8);
      continue;
    }
    store<u16>(cpu + (kept << 1), index, AREA_DTLB_LIST);
    kept++;
  }
  store<u32>(cpu, kept, DTLB_FILLED);
}

/**
 * INVLPG. A large page was entered 4 KB at a time, and all of it must go (SDM 4.10.4.1); dropping more than that is allowed,
 * so everything goes.
 */
export function tlbInvlpg(cpu: usize, linear: u64): void {
  tlbFlush(cpu, true);
}

/** A page of RAM got decoded code: stores to it must take the slow path from now on. */
export function protectCode(host: usize): void {
  for (let v: usize = 0; v < 8; v++) {
    const cpu = VCPU_BASE + v * VCPU_STRIDE;
    const n = load<u32>(cpu, DTLB_FILLED);
    for (let i: u32 = 0; i < n; i++) {
      const at = cpu + AREA_DTLB + (<usize>load<u16>(cpu + (i << 1), AREA_DTLB_LIST) << 5);
      if (load<u64>(at, 8) != TAG_NONE && load<u32>(at, 16) + <u32>load<u64>(at, 8) == <u32>host) store<u64>(at, TAG_NONE, 8);
    }
  }
}

/** Empties every TLB of a vCPU at reset, tags included. */
export function tlbInit(cpu: usize): void {
  for (let at = cpu + AREA_DTLB; at < cpu + AREA_ITLB; at += 32) {
    store<u64>(at, TAG_NONE);
    store<u64>(at, TAG_NONE, 8);
  }
  for (let at = cpu + AREA_ITLB; at < cpu + AREA_ITLB + 0x8000; at += 16) store<u64>(at, 2);
  store<u32>(cpu, 0, DTLB_FILLED);
  store<u32>(cpu, 0, ITLB_FILLED);
  dropJumps(cpu);
}

/** The data TLB by privilege, SMAP, alignment checks and breakpoints; CPL is up to date. */
export function chooseTlb(cpu: usize): void {
  const ac = (load<u32>(cpu, RFLAGS) & AC) != 0;
  let table: usize = 0;
  if (dataBreakpointsEnabled(cpu)) table = 3;
  else if (load<u32>(cpu, CPL) == 3) table = ac && (load<u64>(cpu, CR0) & CR0_AM) != 0 ? 3 : 1;
  else if (!ac && (load<u64>(cpu, CR4) & CR4_SMAP) != 0) table = 2;
  store<u32>(cpu, cpu + AREA_DTLB + table * DTLB_BYTES, TLB_NOW);
}

/** Recomputes VEX_READY, which follows from CR0, CR4, XCR0 and PROT (SDM vol. 2, tables 2-18 to 2-29). */
export function vexChanged(cpu: usize): void {
  const ready = load<u32>(cpu, PROT) == 1 && (load<u64>(cpu, CR0) & CR0_TS) == 0 && (load<u64>(cpu, CR4) & CR4_OSXSAVE) != 0 && (load<u64>(cpu, XCR0) & XCR0_YMM) == XCR0_YMM;
  store<u32>(cpu, ready ? 1 : 0, VEX_READY);
}

/** Recomputes everything that follows from CR0, CR4, EFER, RFLAGS, CS and SS. */
export function modeChanged(cpu: usize): void {
  const cr0 = load<u64>(cpu, CR0);
  const cr4 = load<u64>(cpu, CR4);
  const efer = load<u64>(cpu, EFER);
  const rflags = load<u32>(cpu, RFLAGS);
  const cs = load<u32>(cpu + 32, SEG_AR);
  const ss = load<u32>(cpu + 64, SEG_AR);
  const long = (efer & EFER_LMA) != 0;
  const prot: u32 = (cr0 & CR0_PE) == 0 ? 0 : (rflags & 0x20000) != 0 && !long ? 2 : 1;
  const cpl: u32 = prot == 0 ? 0 : prot == 2 ? 3 : (ss >> 5) & 3;
  const mode: u32 = long && (cs & 0x2000) != 0 ? 2 : (cs & 0x4000) != 0 ? 1 : 0;
  store<u32>(cpu, prot, PROT);
  store<u32>(cpu, cpl, CPL);
  store<u32>(cpu, long ? 1 : 0, LONG);
  store<u64>(cpu, mode == 2 ? 0xffffffffffffffff : (ss & 0x4000) != 0 ? 0xffffffff : 0xffff, STACK_MASK);
  store<u32>(cpu, long && (cr4 & CR4_LA57) != 0 ? 7 : 16, CANONICAL);
  chooseTlb(cpu);
  vexChanged(cpu);
  const user: u32 = cpl == 3 ? 1 : 0;
  const base: u64 = mode == 2 ? 0 : load<u64>(cpu + 32, SEG_BASE);
  // What the jump cache holds was inside the CS limit of its time: any limit but the largest makes it doubtful.
  const cut = mode != 2 && load<u32>(cpu + 32, SEG_LIMIT) != 0xffffffff;
  if (cut || user != load<u32>(cpu, FETCH_USER) || mode != load<u32>(cpu, MODE) || base != load<u64>(cpu, CODE_BASE)) dropJumps(cpu);
  store<u32>(cpu, user, FETCH_USER);
  store<u32>(cpu, mode, MODE);
  store<u64>(cpu, base, CODE_BASE);
  const key = <u32>((cr0 & (CR0_PE | CR0_WP | CR0_PG)) | ((cr4 & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE)) >> 2) | ((efer & (EFER_LMA | EFER_NXE)) << 12));
  if (key != load<u32>(cpu, PAGING_KEY)) {
    store<u32>(cpu, key, PAGING_KEY);
    tlbFlush(cpu, true);
  }
}

/** Loads the PAE page-directory-pointer registers; #GP(0) on reserved bits (SDM 4.4.1). True when loaded. */
export function loadPdptes(cpu: usize, cr3: u64): bool {
  const at = cr3 & 0xffffffe0;
  let e0: u64 = 0, e1: u64 = 0, e2: u64 = 0, e3: u64 = 0;
  // The one access to a paging structure for which no linear address is reported.
  exact = true;
  e0 = readEntry(cpu, at, 0, true, EPT_READ);
  e1 = readEntry(cpu, at + 8, 0, true, EPT_READ);
  e2 = readEntry(cpu, at + 16, 0, true, EPT_READ);
  e3 = readEntry(cpu, at + 24, 0, true, EPT_READ);
  exact = false;
  if (badPdpte(e0) || badPdpte(e1) || badPdpte(e2) || badPdpte(e3)) {
    raiseError(cpu, VEC_GP, 0);
    return false;
  }
  store<u64>(cpu, e0, PDPTE);
  store<u64>(cpu, e1, PDPTE + 8);
  store<u64>(cpu, e2, PDPTE + 16);
  store<u64>(cpu, e3, PDPTE + 24);
  return true;
}

function badPdpte(e: u64): bool {
  return (e & 1) != 0 && (e & 0xffffff00000001e6) != 0;
}

/** segAddr's `write` of an operand that is neither read nor written: the segment need only be there. */
export const NO_ACCESS: u32 = 2;

/** Effective address to linear address, with the checks of the current mode (SDM vol. 3 5.3, 5.5; vol. 1 3.3). Check failed(). */
export function segAddr(cpu: usize, seg: u32, offset: u64, size: u32, write: u32): u64 {
  const at = cpu + (<usize>seg << 5);
  if (load<u32>(cpu, MODE) == 2) return seg >= 4 ? offset + load<u64>(at, SEG_BASE) : offset;
  const ar = load<u32>(at, SEG_AR);
  const limit = <u64>load<u32>(at, SEG_LIMIT);
  let bad = false;
  if (load<u32>(cpu, PROT) == 1) {
    if (ar & 0x10000) bad = true;
    else if (ar & 8) bad = write == 1 || (write == 0 && (ar & 2) == 0);
    else bad = write == 1 && (ar & 2) == 0;
  }
  const last = offset + <u64>(size - 1);
  if ((ar & 0xc) == 4 && load<u32>(cpu, PROT) != 2) {
    // Expand-down data: valid from limit + 1 up to FFFF or FFFFFFFF.
    const top: u64 = ar & 0x4000 ? 0xffffffff : 0xffff;
    bad = bad || offset <= limit || last > top;
  } else bad = bad || last > limit;
  if (bad) {
    raiseError(cpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return 0;
  }
  return (load<u64>(at, SEG_BASE) + offset) & 0xffffffff;
}

/** A walk for debuggers: no side effects. Host address, or 0 when nothing is mapped. `access` as A_*; user rights are not checked. */
export function translate(cpu: usize, low: u32, high: u32, access: u32): usize {
  const linear = (<u64>high << 32) | <u64>low;
  if (load<u32>(cpu, LONG) ? !isCanonical(cpu, linear) : false) return 0;
  const exc = load<u32>(cpu, EXC);
  quiet = true;
  const host = walk(cpu, linear, access, false, false, false);
  quiet = false;
  store<u32>(cpu, exc, EXC);
  return host > DEVICE ? host : 0;
}
