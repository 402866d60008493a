/**
 * XSAVE, XRSTOR, XSAVEOPT, XSAVEC: the managed state components in one area of memory (SDM vol. 1, chapter 13).
 *
 * The area is the FXSAVE image (512 bytes), a header (64 bytes: XSTATE_BV, XCOMP_BV, then reserved), and the components from 2 on: here
 * AVX, the upper halves of YMM, and PKRU. In the standard format a component stands where CPUID leaf 0DH says, in the compacted one
 * those that XCOMP_BV names stand behind one another. RFBM, what is asked for, is XCR0 & EDX:EAX.
 *
 * XINUSE (13.6) is computed when somebody asks: a component is in use while it differs from its initial state, as far as the mode sees its
 * registers. XSAVEOPT and XSAVEC leave out what is not; the modified optimization, which only permits to write less, is not taken. Supervisor
 * components (XSAVES, XRSTORS, IA32_XSS) are not enumerated.
 *
 * Faults are precise: legacy region, header and every component that is going to be accessed are probed before anything is read or
 * written, as 13.13 allows. Reserved bits (13.8.1, 13.8.2) and MXCSR are checked before a register changes.
 */
import { cpuidValue, EAX } from './cpuid';
import { failed, raise, raiseError, VEC_GP, VEC_NM, VEC_UD } from './fault';
import { probeRead, probeWrite, readMem, setPkru, writeMem } from './mmu';
import { accessKind, linearOf } from './operations';
import {
  CR0, CR4, FCS, FCW, FDP, FDS, FIP, FOP, FPR, FSW, FTW, MXCSR, PKRU, REGS, XCR0, XMM, XSAVE_AVX_OFFSET, XSAVE_AVX_SIZE, XSAVE_PKRU_OFFSET,
  XSAVE_PKRU_SIZE,
} from './state.gen';
import { initX87, loadX87, loadXmm, MXCSR_BITS, saveMxcsr, saveX87, saveXmm, xmmCount } from './x87state';

const RAX: usize = REGS;
const RDX: usize = REGS + 16;

const CR0_TS: u64 = 8;
const CR4_OSXSAVE: u64 = 0x40000;

/** State components as bits of XCR0, RFBM, XSTATE_BV, XCOMP_BV. */
const X87: u64 = 1;
const SSE: u64 = 2;
const AVX: u64 = 4;
const PKRU_STATE: u64 = 0x200;
/** XCOMP_BV: the area is compacted. */
const COMPACTED: u64 = 1 << 63;

/** Legacy region and header. */
const HEADER: u64 = 512;
const EXTENDED: u64 = 576;
const MXCSR_INITIAL: u32 = 0x1f80;

/** What the decoder asks for. */
export const XSAVE: u32 = 0;
export const XRSTOR: u32 = 1;
export const XSAVEOPT: u32 = 2;
export const XSAVEC: u32 = 3;

export function xsaveFamily(cpu: usize, pc: usize, osz: u32, which: u32): void {
  if ((load<u64>(cpu, CR4) & CR4_OSXSAVE) == 0) return raise(cpu, VEC_UD);
  if (load<u64>(cpu, CR0) & CR0_TS) return raise(cpu, VEC_NM);
  const lin = linearOf(cpu, pc, 0, <u32>EXTENDED, which == XRSTOR ? 0 : 1);
  if (failed(cpu)) return;
  if (lin & 63) return raiseError(cpu, VEC_GP, 0);
  const rfbm = load<u64>(cpu, XCR0) & (<u64>load<u32>(cpu, RAX) | (<u64>load<u32>(cpu, RDX) << 32));
  if (which == XRSTOR) restore(cpu, pc, lin, osz, rfbm);
  else save(cpu, pc, lin, osz, rfbm, which);
}

/** Components that differ from their initial state; XINUSE[1] is about the XMM registers, not MXCSR. */
function xinuse(cpu: usize): u64 {
  const count = xmmCount(cpu);
  return (x87InUse(cpu) ? X87 : 0) | (vectorInUse(cpu + XMM, count) ? SSE : 0) | (vectorInUse(cpu + XMM + 16, count) ? AVX : 0) | (load<u32>(cpu, PKRU) ? PKRU_STATE : 0);
}

/** The same with MXCSR as part of the SSE state, as XSAVEC (13.10) and, on processors, XGETBV of 1 have it. */
export function xinuseWithMxcsr(cpu: usize): u64 {
  return xinuse(cpu) | (load<u32>(cpu, MXCSR) != MXCSR_INITIAL ? SSE : 0);
}

function x87InUse(cpu: usize): bool {
  if (load<u16>(cpu, FCW) != 0x37f || (load<u16>(cpu, FSW) | load<u16>(cpu, FTW) | load<u16>(cpu, FOP)) != 0) return true;
  if ((load<u64>(cpu, FIP) | load<u64>(cpu, FDP) | <u64>(load<u16>(cpu, FCS) | load<u16>(cpu, FDS))) != 0) return true;
  for (let r = cpu + FPR; r < cpu + FPR + 128; r += 16) {
    if ((load<u64>(r) | <u64>load<u16>(r, 8)) != 0) return true;
  }
  return false;
}

/** One of the halves of `count` registers is not 0. */
function vectorInUse(at: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if ((load<u64>(at) | load<u64>(at, 8)) != 0) return true;
    at += 32;
  }
  return false;
}

/** Offset of PKRU; the compacted format has only what `format` names before it. */
function pkruOffset(compacted: bool, format: u64): u64 {
  if (!compacted) return <u64>XSAVE_PKRU_OFFSET;
  return EXTENDED + (format & AVX ? <u64>XSAVE_AVX_SIZE : 0);
}

/** Bytes of AVX state that the mode accesses. */
function avxBytes(cpu: usize): u32 {
  return xmmCount(cpu) << 4;
}

/** Linear address of an extended component that may be accessed all over; check failed(). */
function component(cpu: usize, pc: usize, offset: u64, bytes: u32, write: u32): u64 {
  const at = linearOf(cpu, pc, offset, bytes, write);
  if (failed(cpu)) return 0;
  if (write) probeWrite(cpu, at, bytes, accessKind(pc));
  else probeRead(cpu, at, bytes, accessKind(pc));
  return at;
}

function save(cpu: usize, pc: usize, lin: u64, osz: u32, rfbm: u64, which: u32): void {
  probeWrite(cpu, lin, <u32>EXTENDED, accessKind(pc));
  if (failed(cpu)) return;
  const compacted = which == XSAVEC;
  const inUse = (compacted ? xinuseWithMxcsr(cpu) : xinuse(cpu)) & rfbm;
  const saved = which == XSAVE ? rfbm : inUse;
  let avxAt: u64 = 0;
  let pkruAt: u64 = 0;
  if (saved & AVX) avxAt = component(cpu, pc, <u64>XSAVE_AVX_OFFSET, avxBytes(cpu), 1);
  if (failed(cpu)) return;
  if (saved & PKRU_STATE) pkruAt = component(cpu, pc, pkruOffset(compacted, rfbm), <u32>XSAVE_PKRU_SIZE, 1);
  if (failed(cpu)) return;
  const old = compacted ? 0 : readMem(cpu, lin + HEADER, 8, 0);
  if (failed(cpu)) return;
  if (saved & X87) saveX87(cpu, lin, osz);
  if (saved & SSE) saveXmm(cpu, lin);
  // The init optimization is not for MXCSR, which the other two save with AVX as well (13.7, 13.9).
  if (compacted ? saved & SSE : rfbm & (SSE | AVX)) saveMxcsr(cpu, lin);
  if (saved & AVX) saveAvx(cpu, avxAt);
  if (saved & PKRU_STATE) writeMem(cpu, pkruAt, 8, <u64>load<u32>(cpu, PKRU), 0);
  writeMem(cpu, lin + HEADER, 8, (old & ~rfbm) | inUse, 0);
  if (compacted) writeMem(cpu, lin + HEADER + 8, 8, rfbm | COMPACTED, 0);
}

function saveAvx(cpu: usize, at: u64): void {
  const count = xmmCount(cpu);
  for (let i: u32 = 0; i < count; i++) {
    const y = cpu + XMM + 16 + (<usize>i << 5);
    writeMem(cpu, at + <u64>(i << 4), 8, load<u64>(y), 0);
    writeMem(cpu, at + <u64>(i << 4) + 8, 8, load<u64>(y, 8), 0);
  }
}

/** XSTATE_BV and XCOMP_BV of the area, which `checkHeader` has read. */
let stateBv: u64 = 0;
let compBv: u64 = 0;

/** Reads the header; #GP(0) for what 13.8.1 (standard) or 13.8.2 (compacted) refuses. */
function checkHeader(cpu: usize, lin: u64): bool {
  stateBv = readMem(cpu, lin + HEADER, 8, 0);
  if (failed(cpu)) return false;
  compBv = readMem(cpu, lin + HEADER + 8, 8, 0);
  if (failed(cpu)) return false;
  const compacted = (compBv & COMPACTED) != 0;
  let reserved: u64 = 0;
  // Bytes 23:16 of the header, and 63:16 of the compacted format.
  const end: u64 = compacted ? 64 : 24;
  for (let i: u64 = 16; i < end; i += 8) {
    reserved |= readMem(cpu, lin + HEADER + i, 8, 0);
    if (failed(cpu)) return false;
  }
  const xcr0 = load<u64>(cpu, XCR0);
  const format = compBv & ~COMPACTED;
  const bad = compacted
    ? (cpuidValue(0xd, 1, EAX) & 2) == 0 || (format & ~xcr0) != 0 || (stateBv & ~format) != 0
    : compBv != 0 || (stateBv & ~xcr0) != 0;
  if (!bad && reserved == 0) return true;
  raiseError(cpu, VEC_GP, 0);
  return false;
}

function restore(cpu: usize, pc: usize, lin: u64, osz: u32, rfbm: u64): void {
  probeRead(cpu, lin, <u32>EXTENDED, accessKind(pc));
  if (failed(cpu) || !checkHeader(cpu, lin)) return;
  const compacted = (compBv & COMPACTED) != 0;
  const restored = rfbm & stateBv;
  const initialized = rfbm & ~stateBv;
  let avxAt: u64 = 0;
  let pkru: u32 = 0;
  if (restored & AVX) avxAt = component(cpu, pc, <u64>XSAVE_AVX_OFFSET, avxBytes(cpu), 0);
  if (failed(cpu)) return;
  if (restored & PKRU_STATE) {
    const at = component(cpu, pc, pkruOffset(compacted, compBv), <u32>XSAVE_PKRU_SIZE, 0);
    if (!failed(cpu)) pkru = <u32>readMem(cpu, at, 4, 0);
  }
  if (failed(cpu)) return;
  // The standard form takes MXCSR with SSE or AVX whatever XSTATE_BV says; for the compacted form it is part of SSE (13.8.2).
  let mxcsr = load<u32>(cpu, MXCSR);
  if (compacted ? restored & SSE : rfbm & (SSE | AVX)) {
    mxcsr = <u32>readMem(cpu, lin + 24, 4, 0);
    if (failed(cpu)) return;
    if ((mxcsr & ~MXCSR_BITS) != 0) return raiseError(cpu, VEC_GP, 0);
  } else if (initialized & SSE) mxcsr = MXCSR_INITIAL;
  if (restored & X87 && !loadX87(cpu, lin, osz)) return;
  if (restored & SSE && !loadXmm(cpu, lin)) return;
  if (restored & AVX && !loadAvx(cpu, avxAt)) return;
  if (initialized & X87) initX87(cpu);
  if (initialized & SSE) clear(cpu + XMM, xmmCount(cpu));
  if (initialized & AVX) clear(cpu + XMM + 16, xmmCount(cpu));
  store<u32>(cpu, mxcsr, MXCSR);
  if (rfbm & PKRU_STATE) setPkru(cpu, pkru);
}

function loadAvx(cpu: usize, at: u64): bool {
  const count = xmmCount(cpu);
  for (let i: u32 = 0; i < count; i++) {
    const y = cpu + XMM + 16 + (<usize>i << 5);
    const low = readMem(cpu, at + <u64>(i << 4), 8, 0);
    if (failed(cpu)) return false;
    const high = readMem(cpu, at + <u64>(i << 4) + 8, 8, 0);
    if (failed(cpu)) return false;
    store<u64>(y, low);
    store<u64>(y, high, 8);
  }
  return true;
}

/** Halves of `count` vector registers to 0. */
function clear(at: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) memory.fill(at + (<usize>i << 5), 0, 16);
}
