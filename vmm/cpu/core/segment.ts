/**
 * Segment registers: descriptor fetch and every way to load or inspect a descriptor that is not a control transfer.
 *
 * Models SDM vol. 3 sections 3.4 (segment registers and descriptors), 5.2-5.6 (checks), 3.5 and 7.2.3 (system descriptors, 16 bytes in
 * IA-32e mode), 21.1 (real-address mode) and vol. 2: MOV, LAR, LSL, VERR, VERW, ARPL, LLDT, LTR. Loading a segment register in
 * real-address mode changes selector and base only, so a limit set in protected mode survives ("unreal mode"). A null selector
 * zeroes the base, as Intel's processors do. Left out: the locked cycle of accessed and busy bits (vCPUs take turns).
 */
import { isCanonicalBase } from './canonical';
import {
  SEG_CS, SEG_LDTR, SEG_SS, SEG_TR, VEC_GP, VEC_NP, VEC_SS, VEC_UD, failed, raise, raiseError,
} from './fault';
import { A_SUPER, modeChanged, readMem, writeMem } from './mmu';
import {
  CPL, GDTR_BASE, GDTR_LIMIT, LONG, MODE, PROT, SEG_AR, SEG_BASE, SEG_LIMIT, SEG_SEL,
} from './state.gen';

/** Bits of SEG_AR. */
export const AR_PRESENT: u32 = 0x80;
export const AR_L: u32 = 0x2000;
export const AR_DB: u32 = 0x4000;
export const AR_UNUSABLE: u32 = 0x10000;
/** What a null selector leaves: unusable, with the G and D/B that VMX shows for it. */
const AR_NULL: u32 = 0x1c000;
/** Present, S, writable data, accessed: what real-address mode loads. */
const AR_REAL: u32 = 0x93;
/** The same with DPL 3: every segment of virtual-8086 mode. */
const AR_VM86: u32 = 0xf3;

/** System descriptor types (SDM vol. 3 table 3-2). */
export const TYPE_TSS16: u32 = 1;
export const TYPE_LDT: u32 = 2;
export const TYPE_TSS16_BUSY: u32 = 3;
export const TYPE_CALL16: u32 = 4;
export const TYPE_TASK: u32 = 5;
export const TYPE_TSS32: u32 = 9;
export const TYPE_TSS32_BUSY: u32 = 11;
export const TYPE_CALL32: u32 = 12;

// Fields of a descriptor's first eight bytes (SDM vol. 3 figure 3-8).

// @ts-ignore: decorator
@inline
export function descType(d: u64): u32 {
  return <u32>(d >> 40) & 15;
}

// @ts-ignore: decorator
@inline
export function descIsSystem(d: u64): bool {
  return ((d >> 44) & 1) == 0;
}

// @ts-ignore: decorator
@inline
export function descDpl(d: u64): u32 {
  return <u32>(d >> 45) & 3;
}

// @ts-ignore: decorator
@inline
export function descPresent(d: u64): bool {
  return ((d >> 47) & 1) != 0;
}

// @ts-ignore: decorator
@inline
export function descIsLong(d: u64): bool {
  return ((d >> 53) & 1) != 0;
}

/** Access rights in the layout of SEG_AR. */
// @ts-ignore: decorator
@inline
export function descAr(d: u64): u32 {
  return <u32>(d >> 40) & 0xf0ff;
}

// @ts-ignore: decorator
@inline
export function descBase(d: u64): u64 {
  return ((d >> 16) & 0xffffff) | ((d >> 56) << 24);
}

/** Limit in bytes, granularity applied. */
export function descLimit(d: u64): u32 {
  const raw = (<u32>d & 0xffff) | (<u32>(d >> 32) & 0xf0000);
  return (d >> 55) & 1 ? (raw << 12) | 0xfff : raw;
}

// @ts-ignore: decorator
@inline
export function isCode(d: u64): bool {
  return ((d >> 40) & 0x18) == 0x18;
}

// @ts-ignore: decorator
@inline
export function isConforming(d: u64): bool {
  return ((d >> 40) & 0x1c) == 0x1c;
}

// @ts-ignore: decorator
@inline
export function isWritableData(d: u64): bool {
  return ((d >> 40) & 0x1a) == 0x12;
}

/** Data, or code that may be read. */
export function isReadable(d: u64): bool {
  const t = <u32>(d >> 40);
  return (t & 0x18) == 0x10 || (t & 0x1a) == 0x1a;
}

/** Linear address of a selector's descriptor of `size` bytes; -1 when the table's limit does not cover it. */
export function descriptorAddress(cpu: usize, selector: u32, size: u32): u64 {
  const index = selector & 0xfff8;
  if (selector & 4) {
    const ldtr = cpu + (<usize>SEG_LDTR << 5);
    if (load<u32>(ldtr, SEG_AR) & AR_UNUSABLE) return -1;
    if (index + size - 1 > load<u32>(ldtr, SEG_LIMIT)) return -1;
    return wrap(cpu, load<u64>(ldtr, SEG_BASE) + <u64>index);
  }
  if (index + size - 1 > load<u32>(cpu, GDTR_LIMIT)) return -1;
  return wrap(cpu, load<u64>(cpu, GDTR_BASE) + <u64>index);
}

/** Linear addresses have 32 bits outside IA-32e mode. */
// @ts-ignore: decorator
@inline
export function wrap(cpu: usize, linear: u64): u64 {
  return load<u32>(cpu, LONG) ? linear : linear & 0xffffffff;
}

/** Reads a selector's descriptor; raises vector(selector) when it lies outside its table. */
export function descriptor(cpu: usize, selector: u32, vector: u32): u64 {
  const at = descriptorAddress(cpu, selector, 8);
  if (at == <u64>-1) {
    raiseError(cpu, vector, selector & 0xfffc);
    return 0;
  }
  return readMem(cpu, at, 8, A_SUPER);
}

/** Reads the upper half of a 16-byte system descriptor of IA-32e mode; raises #GP(selector) when outside or when its type field is not 0. */
export function descriptorHigh(cpu: usize, selector: u32): u64 {
  const at = descriptorAddress(cpu, selector, 16);
  if (at == <u64>-1) {
    raiseError(cpu, VEC_GP, selector & 0xfffc);
    return 0;
  }
  const high = readMem(cpu, wrap(cpu, at + 8), 8, A_SUPER);
  if (failed(cpu)) return 0;
  if ((high >> 40) & 0x1f) raiseError(cpu, VEC_GP, selector & 0xfffc);
  return high;
}

/** Sets the accessed bit of a code or data descriptor in its table when it is clear; returns the descriptor with it. */
export function setAccessed(cpu: usize, selector: u32, d: u64): u64 {
  if ((d >> 40) & 1) return d;
  const marked = d | (<u64>1 << 40);
  writeMem(cpu, wrap(cpu, descriptorAddress(cpu, selector, 8) + 5), 1, (marked >> 40) & 0xff, A_SUPER);
  return marked;
}

/** Writes the type field of a system descriptor (TSS busy bit). */
export function setSystemType(cpu: usize, selector: u32, d: u64, type: u32): void {
  const byte5 = ((<u32>(d >> 40) & 0xf0) | type);
  writeMem(cpu, wrap(cpu, descriptorAddress(cpu, selector, 8) + 5), 1, <u64>byte5, A_SUPER);
}

/** Loads a segment register's hidden part from a descriptor. */
export function setSegment(cpu: usize, seg: u32, selector: u32, d: u64): void {
  const at = cpu + (<usize>seg << 5);
  store<u64>(at, descBase(d), SEG_BASE);
  store<u32>(at, descLimit(d), SEG_LIMIT);
  store<u32>(at, descAr(d), SEG_AR);
  store<u16>(at, <u16>selector, SEG_SEL);
}

/** Loads a flat segment of the given rights: SYSCALL, SYSENTER and their returns do not read descriptors. */
export function setFlatSegment(cpu: usize, seg: u32, selector: u32, ar: u32): void {
  const at = cpu + (<usize>seg << 5);
  store<u64>(at, 0, SEG_BASE);
  store<u32>(at, 0xffffffff, SEG_LIMIT);
  store<u32>(at, ar, SEG_AR);
  store<u16>(at, <u16>selector, SEG_SEL);
}

/** Makes a segment register null. SS keeps the privilege level in its DPL, from which CPL follows. */
export function setNullSegment(cpu: usize, seg: u32, selector: u32, cpl: u32): void {
  setFlatSegment(cpu, seg, selector, seg == SEG_SS ? AR_NULL | (cpl << 5) : AR_NULL);
}

/** Loads a segment register as real-address and virtual-8086 mode do. */
export function setSegReal(cpu: usize, seg: u32, selector: u32): void {
  const at = cpu + (<usize>seg << 5);
  store<u16>(at, <u16>selector, SEG_SEL);
  store<u64>(at, <u64>(selector & 0xffff) << 4, SEG_BASE);
  if (load<u32>(cpu, PROT) == 2) {
    setSegVm86(cpu, seg, selector);
  } else {
    store<u32>(at, (load<u32>(at, SEG_AR) & 0xf000) | AR_REAL, SEG_AR);
  }
}

/** Loads a segment register for virtual-8086 mode, also on the way into it. */
export function setSegVm86(cpu: usize, seg: u32, selector: u32): void {
  const at = cpu + (<usize>seg << 5);
  store<u16>(at, <u16>selector, SEG_SEL);
  store<u64>(at, <u64>(selector & 0xffff) << 4, SEG_BASE);
  store<u32>(at, 0xffff, SEG_LIMIT);
  store<u32>(at, AR_VM86, SEG_AR);
}

/** MOV, POP and LxS to ES, SS, DS, FS or GS. */
export function loadSegment(cpu: usize, seg: u32, selector: u32): void {
  if (load<u32>(cpu, PROT) != 1) {
    setSegReal(cpu, seg, selector);
    if (seg == SEG_SS) modeChanged(cpu);
    return;
  }
  if (seg == SEG_SS) loadStackSegment(cpu, selector);
  else loadDataSegment(cpu, seg, selector);
}

function loadStackSegment(cpu: usize, selector: u32): void {
  const cpl = load<u32>(cpu, CPL);
  const error = selector & 0xfffc;
  if (error == 0) {
    // Only 64-bit code below CPL 3 may have a null SS, with RPL = CPL.
    if (load<u32>(cpu, MODE) != 2 || cpl == 3 || (selector & 3) != cpl) {
      raiseError(cpu, VEC_GP, 0);
      return;
    }
    setNullSegment(cpu, SEG_SS, selector, cpl);
    modeChanged(cpu);
    return;
  }
  let d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return;
  if ((selector & 3) != cpl || descDpl(d) != cpl || !isWritableData(d)) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_SS, error);
    return;
  }
  d = setAccessed(cpu, selector, d);
  if (failed(cpu)) return;
  setSegment(cpu, SEG_SS, selector, d);
  modeChanged(cpu);
}

function loadDataSegment(cpu: usize, seg: u32, selector: u32): void {
  const error = selector & 0xfffc;
  if (error == 0) {
    setNullSegment(cpu, seg, selector, 0);
    return;
  }
  let d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return;
  if (!mayRead(d, selector & 3, load<u32>(cpu, CPL))) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_NP, error);
    return;
  }
  d = setAccessed(cpu, selector, d);
  if (failed(cpu)) return;
  setSegment(cpu, seg, selector, d);
}

/** A data segment register may hold `d`: readable, and DPL >= max(CPL, RPL) unless it is conforming code. */
export function mayRead(d: u64, rpl: u32, cpl: u32): bool {
  if (!isReadable(d)) return false;
  return isConforming(d) || (descDpl(d) >= rpl && descDpl(d) >= cpl);
}

/** Nulls the data segment registers that the outer level `cpl` may not keep after a return (RET, IRET). */
export function dropInnerSegments(cpu: usize, cpl: u32): void {
  dropInnerSegment(cpu, 0, cpl);
  dropInnerSegment(cpu, 3, cpl);
  dropInnerSegment(cpu, 4, cpl);
  dropInnerSegment(cpu, 5, cpl);
}

function dropInnerSegment(cpu: usize, seg: u32, cpl: u32): void {
  const ar = load<u32>(cpu + (<usize>seg << 5), SEG_AR);
  // A segment that is null already keeps its base: FS and GS bases of 64-bit processes live there.
  if (ar & AR_UNUSABLE || (ar & 0x1c) == 0x1c) return;
  if (((ar >> 5) & 3) < cpl) setNullSegment(cpu, seg, 0, cpl);
}

/** Loads CS of the given descriptor; RPL of the selector becomes `cpl`. */
export function setCode(cpu: usize, selector: u32, d: u64, cpl: u32): void {
  setSegment(cpu, SEG_CS, (selector & 0xfffc) | cpl, d);
}

/** #UD outside protected mode: LLDT, LTR, LAR, LSL, VERR, VERW, ARPL, SLDT and STR are not recognized there. */
export function protectedOnly(cpu: usize): bool {
  if (load<u32>(cpu, PROT) == 1) return true;
  raise(cpu, VEC_UD);
  return false;
}

/** Base of a system descriptor, with its upper half in IA-32e mode; raises #GP(selector) when that is not canonical. */
function systemBase(cpu: usize, selector: u32, d: u64): u64 {
  if (!load<u32>(cpu, LONG)) return descBase(d);
  const high = descriptorHigh(cpu, selector);
  if (failed(cpu)) return 0;
  const base = descBase(d) | (high << 32);
  if (!isCanonicalBase(base)) raiseError(cpu, VEC_GP, selector & 0xfffc);
  return base;
}

/** LLDT. */
export function lldt(cpu: usize, selector: u32): void {
  if (!protectedOnly(cpu)) return;
  if (load<u32>(cpu, CPL)) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  const error = selector & 0xfffc;
  if (error == 0) {
    setNullSegment(cpu, SEG_LDTR, selector, 0);
    return;
  }
  if (selector & 4) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  const d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return;
  if (!descIsSystem(d) || descType(d) != TYPE_LDT) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_NP, error);
    return;
  }
  const base = systemBase(cpu, selector, d);
  if (failed(cpu)) return;
  setSegment(cpu, SEG_LDTR, selector, d);
  store<u64>(cpu + (<usize>SEG_LDTR << 5), base, SEG_BASE);
}

/** LTR: marks the TSS busy. */
export function ltr(cpu: usize, selector: u32): void {
  if (!protectedOnly(cpu)) return;
  const error = selector & 0xfffc;
  if (load<u32>(cpu, CPL) || error == 0) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  if (selector & 4) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  const d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return;
  const type = descType(d);
  // IA-32e mode has no 16-bit TSS.
  const fits = type == TYPE_TSS32 || (type == TYPE_TSS16 && !load<u32>(cpu, LONG));
  if (!descIsSystem(d) || !fits) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_NP, error);
    return;
  }
  const base = systemBase(cpu, selector, d);
  if (failed(cpu)) return;
  setSystemType(cpu, selector, d, type | 2);
  if (failed(cpu)) return;
  setSegment(cpu, SEG_TR, selector, d | (<u64>2 << 40));
  store<u64>(cpu + (<usize>SEG_TR << 5), base, SEG_BASE);
}

/** Descriptor that LAR, LSL, VERR and VERW look at; 0 when there is none (a descriptor of all zeros is invalid to each of them). */
function inspect(cpu: usize, selector: u32): u64 {
  if ((selector & 0xfffc) == 0) return 0;
  const at = descriptorAddress(cpu, selector, 8);
  if (at == <u64>-1) return 0;
  return readMem(cpu, at, 8, A_SUPER);
}

/** DPL >= max(CPL, RPL), or conforming code, which everyone may see. */
function visible(cpu: usize, selector: u32, d: u64): bool {
  if (isConforming(d)) return true;
  return descDpl(d) >= load<u32>(cpu, CPL) && descDpl(d) >= (selector & 3);
}

/** System types that LAR accepts, one bit each (SDM vol. 2 LAR, table 3-53): protected mode 1 2 3 4 5 9 B C, IA-32e mode 2 9 B C. */
const LAR_TYPES: u32 = 0x1a3e;
const LAR_TYPES_LONG: u32 = 0x1a04;
/** The same of LSL (table 3-56): 1 2 3 9 B; 2 9 B. */
const LSL_TYPES: u32 = 0x0a0e;
const LSL_TYPES_LONG: u32 = 0x0a04;

/** LAR: access rights (second doubleword & 00F0FF00h), or -1 for ZF = 0. */
export function lar(cpu: usize, selector: u32): i64 {
  if (!protectedOnly(cpu)) return -1;
  const d = inspect(cpu, selector);
  if (failed(cpu) || d == 0) return -1;
  const types = load<u32>(cpu, LONG) ? LAR_TYPES_LONG : LAR_TYPES;
  if (descIsSystem(d) && !((types >> descType(d)) & 1)) return -1;
  if (!visible(cpu, selector, d)) return -1;
  return <i64>((d >> 32) & 0x00f0ff00);
}

/** LSL: limit in bytes, or -1 for ZF = 0. */
export function lsl(cpu: usize, selector: u32): i64 {
  if (!protectedOnly(cpu)) return -1;
  const d = inspect(cpu, selector);
  if (failed(cpu) || d == 0) return -1;
  const types = load<u32>(cpu, LONG) ? LSL_TYPES_LONG : LSL_TYPES;
  if (descIsSystem(d) && !((types >> descType(d)) & 1)) return -1;
  if (!visible(cpu, selector, d)) return -1;
  return <i64><u64>descLimit(d);
}

/** VERR: true for ZF = 1. */
export function verr(cpu: usize, selector: u32): bool {
  if (!protectedOnly(cpu)) return false;
  const d = inspect(cpu, selector);
  if (failed(cpu) || descIsSystem(d)) return false;
  return isReadable(d) && visible(cpu, selector, d);
}

/** VERW: true for ZF = 1. */
export function verw(cpu: usize, selector: u32): bool {
  if (!protectedOnly(cpu)) return false;
  const d = inspect(cpu, selector);
  if (failed(cpu) || descIsSystem(d)) return false;
  return isWritableData(d) && visible(cpu, selector, d);
}

/** ARPL: the destination with its RPL raised to the source's (ZF = 1), or -1 when it need not be (ZF = 0). */
export function arpl(cpu: usize, destination: u32, source: u32): i32 {
  if (!protectedOnly(cpu)) return -1;
  if ((destination & 3) >= (source & 3)) return -1;
  return <i32>((destination & 0xfffc) | (source & 3));
}
