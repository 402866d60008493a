/**
 * The x87's registers and environment: what every x87 and MMX instruction does before and after its arithmetic, and the
 * instructions that save and load the state (FNSTENV FLDENV FNSAVE FRSTOR FXSAVE FXRSTOR FNINIT FWAIT EMMS).
 *
 * Models Intel SDM vol. 1 sections 8.1 (environment), 8.1.10 (save formats), 8.7 (exception reporting), 10.5 (FXSAVE) and vol. 3 section
 * 2.5 and 12 (CR0.EM, TS, MP, NE; MMX state).
 *
 * FPR layout: physical register Rn occupies 16 bytes at cpu + 16 n + FPR: the significand as u64, then sign and exponent as u16 (six
 * bytes of padding are not used). ST(i) is physical register (TOP + i) mod 8, MMn is the significand of physical register n whatever
 * TOP is. A write to an MMX register also stores FFFF as that register's sign and exponent; that is the writer's part, after `mmxEnter`
 * has set TOP to 0 and all tags to valid. FTW is kept abridged (bit n set = Rn not empty); the two-bit tags are derived when saved.
 *
 * The last-instruction pointers are kept by every non-control instruction, as on processors without the "FDP only on exceptions"
 * option. Left out: the freeze of a processor with CR0.NE = 0 and IGNNE# high; FERR# is reported and the instruction goes on.
 */
import { ferr } from './env';
import { SEG_CS, SEG_FS, SEG_GS, VEC_GP, VEC_MF, VEC_NM, VEC_UD, failed, raise, raiseError } from './fault';
import { NORMAL, ZERO, classify } from './float80';
import { probeRead, probeWrite, readMem, writeMem } from './mmu';
import {
  CR0, FCS, FCW, FDP, FDS, FIP, FOP, FPR, FSW, FTW, MODE, MXCSR, PROT, RIP, SEG_BASE, SEG_SEL, XMM,
} from './state.gen';

const CR0_MP: u64 = 2;
const CR0_EM: u64 = 4;
const CR0_TS: u64 = 8;
const CR0_NE: u64 = 0x20;

/** FSW: exception summary, and the busy bit that mirrors it. */
export const FSW_ES: u32 = 0x8080;
const FSW_TOP: u32 = 0x3800;
/** Bits of FCW that exist; bit 6 reads as 1. */
const FCW_MASK: u32 = 0x1f3f;
const FCW_ONE: u32 = 0x40;
/** MXCSR bits that exist (MXCSR_MASK in the FXSAVE image): DAZ is supported. */
export const MXCSR_BITS: u32 = 0xffff;

/** #NM when the x87 is not to be used. Returns false when it raised. */
export function usable(cpu: usize): bool {
  if ((load<u64>(cpu, CR0) & (CR0_EM | CR0_TS)) == 0) return true;
  raise(cpu, VEC_NM);
  return false;
}

/** Reports a pending unmasked exception: #MF, or FERR# to the monitor in MS-DOS mode (SDM 8.7.2). Returns false when it raised. */
export function reportPending(cpu: usize): bool {
  if ((load<u16>(cpu, FSW) & FSW_ES & 0xff) == 0) return true;
  if ((load<u64>(cpu, CR0) & CR0_NE) == 0) {
    ferr(cpu);
    return true;
  }
  raise(cpu, VEC_MF);
  return false;
}

/** FWAIT. */
export function fwait(cpu: usize): void {
  if ((load<u64>(cpu, CR0) & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) return raise(cpu, VEC_NM);
  reportPending(cpu);
}

/** An MMX instruction may use its registers: false when it raised (SDM vol. 3, table 12-1 and 12.5). */
export function mmxUsable(cpu: usize): bool {
  if ((load<u64>(cpu, CR0) & CR0_EM) != 0) {
    raise(cpu, VEC_UD);
    return false;
  }
  return usable(cpu) && reportPending(cpu);
}

/** What every MMX instruction does to the x87 state: false when it raised, and then nothing has changed. */
export function mmxEnter(cpu: usize): bool {
  if (!mmxUsable(cpu)) return false;
  store<u16>(cpu, load<u16>(cpu, FSW) & ~FSW_TOP, FSW);
  store<u16>(cpu, 0xff, FTW);
  return true;
}

/** EMMS: all registers empty. False when it raised. */
export function emms(cpu: usize): bool {
  if (!mmxEnter(cpu)) return false;
  store<u16>(cpu, 0, FTW);
  return true;
}

export function fninit(cpu: usize): void {
  store<u16>(cpu, 0x37f, FCW);
  store<u16>(cpu, 0, FSW);
  store<u16>(cpu, 0, FTW);
  store<u16>(cpu, 0, FOP);
  store<u64>(cpu, 0, FIP);
  store<u64>(cpu, 0, FDP);
  store<u16>(cpu, 0, FCS);
  store<u16>(cpu, 0, FDS);
}

/** ES and B follow from the flags and the masks, whoever changed either. */
export function updateSummary(cpu: usize): void {
  const fsw = <u32>load<u16>(cpu, FSW) & ~FSW_ES;
  const unmasked = fsw & ~(<u32>load<u16>(cpu, FCW)) & 0x3f;
  store<u16>(cpu, unmasked != 0 ? fsw | FSW_ES : fsw, FSW);
}

export function setControl(cpu: usize, fcw: u32): void {
  store<u16>(cpu, (fcw & FCW_MASK) | FCW_ONE, FCW);
}

// ---- Registers ----

// @ts-ignore: decorator
@inline
export function top(cpu: usize): u32 {
  return (<u32>load<u16>(cpu, FSW) >> 11) & 7;
}

export function setTop(cpu: usize, value: u32): void {
  store<u16>(cpu, (<u32>load<u16>(cpu, FSW) & ~FSW_TOP) | ((value & 7) << 11), FSW);
}

/** Base of ST(i): significand at FPR, sign and exponent at FPR + 8. */
// @ts-ignore: decorator
@inline
export function st(cpu: usize, i: u32): usize {
  return cpu + <usize>(((top(cpu) + i) & 7) << 4);
}

export function isEmpty(cpu: usize, i: u32): bool {
  return ((<u32>load<u16>(cpu, FTW) >> ((top(cpu) + i) & 7)) & 1) == 0;
}

/** ST(i) = value, and not empty. */
export function setSt(cpu: usize, i: u32, sig: u64, se: u32): void {
  const r = st(cpu, i);
  store<u64>(r, sig, FPR);
  store<u16>(r, se, FPR + 8);
  store<u16>(cpu, <u32>load<u16>(cpu, FTW) | (1 << ((top(cpu) + i) & 7)), FTW);
}

export function free(cpu: usize, i: u32): void {
  store<u16>(cpu, <u32>load<u16>(cpu, FTW) & ~(1 << ((top(cpu) + i) & 7)), FTW);
}

export function pop(cpu: usize): void {
  free(cpu, 0);
  setTop(cpu, top(cpu) + 1);
}

// ---- Last-instruction pointers ----

/** FOP FIP FCS of the current instruction (`opcode`: 11 bits). */
export function noteCode(cpu: usize, opcode: u32): void {
  store<u16>(cpu, opcode & 0x7ff, FOP);
  store<u64>(cpu, load<u64>(cpu, RIP), FIP);
  store<u16>(cpu, load<u16>(cpu + (<usize>SEG_CS << 5), SEG_SEL), FCS);
}

/** FDP FDS of its memory operand. */
export function noteData(cpu: usize, lin: u64, seg: u32): void {
  const s = cpu + (<usize>seg << 5);
  const flat = load<u32>(cpu, MODE) == 2 && seg != SEG_FS && seg != SEG_GS;
  let offset = flat ? lin : lin - load<u64>(s, SEG_BASE);
  if (load<u32>(cpu, MODE) != 2) offset &= 0xffffffff;
  store<u64>(cpu, offset, FDP);
  store<u16>(cpu, load<u16>(s, SEG_SEL), FDS);
}

// ---- FNSTENV FLDENV FNSAVE FRSTOR ----

/** The two-bit tags: 0 valid, 1 zero, 2 special, 3 empty (SDM 8.1.7). */
function fullTags(cpu: usize): u32 {
  const abridged = <u32>load<u16>(cpu, FTW);
  let tags: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const r = cpu + <usize>(i << 4);
    let tag: u32 = 3;
    if (((abridged >> i) & 1) != 0) {
      const cls = classify(load<u64>(r, FPR), load<u16>(r, FPR + 8));
      tag = cls == NORMAL ? 0 : cls == ZERO ? 1 : 2;
    }
    tags |= tag << (i << 1);
  }
  return tags;
}

function abridge(tags: u32): u32 {
  let abridged: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    if (((tags >> (i << 1)) & 3) != 3) abridged |= 1 << i;
  }
  return abridged;
}

/** Address as the real-address and virtual-8086 formats keep it: linear. */
function realPointer(selector: u32, offset: u64): u32 {
  return (selector << 4) + <u32>offset;
}

/** Writes the environment: seven words of 2 or 4 bytes (SDM figures 8-9 to 8-12). The caller has probed the memory. */
function writeEnvironment(cpu: usize, lin: u64, unit: u32, kind: u32): void {
  const protectedMode = load<u32>(cpu, PROT) == 1;
  const fill: u32 = unit == 4 ? 0xffff0000 : 0;
  const opcode = <u32>load<u16>(cpu, FOP);
  const fcs = <u32>load<u16>(cpu, FCS), fds = <u32>load<u16>(cpu, FDS);
  let ip = <u32>load<u64>(cpu, FIP), dp = <u32>load<u64>(cpu, FDP);
  let ipHigh: u32, dpHigh: u32;
  if (protectedMode) {
    ipHigh = unit == 4 ? fcs | (opcode << 16) : fcs;
    dpHigh = fds | fill;
  } else {
    ip = realPointer(fcs, ip);
    dp = realPointer(fds, dp);
    const keep: u32 = unit == 4 ? 0x0ffff000 : 0xf000;
    ipHigh = ((ip >> 4) & keep) | opcode;
    dpHigh = (dp >> 4) & keep;
    ip &= 0xffff;
    dp &= 0xffff;
  }
  const step = <u64>unit;
  writeMem(cpu, lin, unit, <u64>(<u32>load<u16>(cpu, FCW) | fill), kind);
  writeMem(cpu, lin + step, unit, <u64>(<u32>load<u16>(cpu, FSW) | fill), kind);
  writeMem(cpu, lin + step * 2, unit, <u64>(fullTags(cpu) | fill), kind);
  writeMem(cpu, lin + step * 3, unit, <u64>ip, kind);
  writeMem(cpu, lin + step * 4, unit, <u64>ipHigh, kind);
  writeMem(cpu, lin + step * 5, unit, <u64>dp, kind);
  writeMem(cpu, lin + step * 6, unit, <u64>dpHigh, kind);
}

/** FNSTENV: then masks all exceptions. */
export function fnstenv(cpu: usize, lin: u64, unit: u32, kind: u32): void {
  probeWrite(cpu, lin, unit * 7, kind);
  if (failed(cpu)) return;
  writeEnvironment(cpu, lin, unit, kind);
  if (failed(cpu)) return;
  setControl(cpu, <u32>load<u16>(cpu, FCW) | 0x3f);
  updateSummary(cpu);
}

/** FNSAVE: environment and registers ST(0) to ST(7), then FNINIT. */
export function fnsave(cpu: usize, lin: u64, unit: u32, kind: u32): void {
  probeWrite(cpu, lin, unit * 7 + 80, kind);
  if (failed(cpu)) return;
  writeEnvironment(cpu, lin, unit, kind);
  let at = lin + <u64>(unit * 7);
  for (let i: u32 = 0; i < 8; i++) {
    const r = st(cpu, i);
    writeMem(cpu, at, 8, load<u64>(r, FPR), kind);
    writeMem(cpu, at + 8, 2, <u64>load<u16>(r, FPR + 8), kind);
    at += 10;
  }
  if (failed(cpu)) return;
  fninit(cpu);
}

/** FLDENV; false when a read failed, and then nothing has changed. */
export function fldenv(cpu: usize, lin: u64, unit: u32, kind: u32): bool {
  return loadEnvironment(cpu, lin, unit, kind, false);
}

/** FRSTOR. */
export function frstor(cpu: usize, lin: u64, unit: u32, kind: u32): void {
  // In RAM no reading fails after this; from a device the instruction is repeated whole, which reads the same bytes again.
  probeRead(cpu, lin, unit * 7 + 80, kind);
  if (failed(cpu)) return;
  loadEnvironment(cpu, lin, unit, kind, true);
}

function loadEnvironment(cpu: usize, lin: u64, unit: u32, kind: u32, registers: bool): bool {
  const step = <u64>unit;
  const fcw = <u32>readMem(cpu, lin, unit, kind);
  if (failed(cpu)) return false;
  const fsw = <u32>readMem(cpu, lin + step, unit, kind);
  if (failed(cpu)) return false;
  const tags = <u32>readMem(cpu, lin + step * 2, unit, kind);
  if (failed(cpu)) return false;
  const ip = <u32>readMem(cpu, lin + step * 3, unit, kind);
  if (failed(cpu)) return false;
  const ipHigh = <u32>readMem(cpu, lin + step * 4, unit, kind);
  if (failed(cpu)) return false;
  const dp = <u32>readMem(cpu, lin + step * 5, unit, kind);
  if (failed(cpu)) return false;
  const dpHigh = <u32>readMem(cpu, lin + step * 6, unit, kind);
  if (failed(cpu)) return false;
  if (registers && !loadRegisters(cpu, lin + step * 7, (fsw >> 11) & 7, kind)) return false;
  setControl(cpu, fcw);
  store<u16>(cpu, fsw, FSW);
  store<u16>(cpu, abridge(tags), FTW);
  updateSummary(cpu);
  loadPointers(cpu, unit, ip, ipHigh, dp, dpHigh);
  return true;
}

function loadRegisters(cpu: usize, lin: u64, newTop: u32, kind: u32): bool {
  let at = lin;
  for (let i: u32 = 0; i < 8; i++) {
    const r = cpu + <usize>(((newTop + i) & 7) << 4);
    const sig = readMem(cpu, at, 8, kind);
    if (failed(cpu)) return false;
    const se = readMem(cpu, at + 8, 2, kind);
    if (failed(cpu)) return false;
    store<u64>(r, sig, FPR);
    store<u16>(r, <u16>se, FPR + 8);
    at += 10;
  }
  return true;
}

function loadPointers(cpu: usize, unit: u32, ip: u32, ipHigh: u32, dp: u32, dpHigh: u32): void {
  if (load<u32>(cpu, PROT) == 1) {
    // The 16-bit protected format has no opcode: it stays.
    if (unit == 4) store<u16>(cpu, (ipHigh >> 16) & 0x7ff, FOP);
    store<u64>(cpu, <u64>ip, FIP);
    store<u16>(cpu, ipHigh, FCS);
    store<u64>(cpu, <u64>dp, FDP);
    store<u16>(cpu, dpHigh, FDS);
    return;
  }
  const keep: u32 = unit == 4 ? 0x0ffff000 : 0xf000;
  store<u16>(cpu, ipHigh & 0x7ff, FOP);
  store<u64>(cpu, <u64>((ip & 0xffff) | ((ipHigh & keep) << 4)), FIP);
  store<u16>(cpu, 0, FCS);
  store<u64>(cpu, <u64>((dp & 0xffff) | ((dpHigh & keep) << 4)), FDP);
  store<u16>(cpu, 0, FDS);
}

// ---- FXSAVE FXRSTOR ----

/** False when it raised: #NM for EM or TS, #GP(0) for a misaligned image. Pending exceptions are not reported. */
function fxEnter(cpu: usize, lin: u64): bool {
  if (!usable(cpu)) return false;
  if ((lin & 15) == 0) return true;
  raiseError(cpu, VEC_GP, 0);
  return false;
}

/** XMM registers that the current mode sees. */
// @ts-ignore: decorator
@inline
export function xmmCount(cpu: usize): u32 {
  return load<u32>(cpu, MODE) == 2 ? 16 : 8;
}

/** FXSAVE: SDM vol. 2 tables for the non-64-bit layout (also FXSAVE without REX.W) and, `osz` 8, FXSAVE64. */
export function fxsave(cpu: usize, lin: u64, osz: u32, kind: u32): void {
  if (!fxEnter(cpu, lin)) return;
  probeWrite(cpu, lin, 512, kind);
  if (failed(cpu)) return;
  saveX87(cpu, lin, osz);
  saveMxcsr(cpu, lin);
  saveXmm(cpu, lin);
}

// The parts of the image, which XSAVE has as well (SDM vol. 1, 13.4.1). The caller has probed the memory.

/** Bytes 23:0 and 159:32. */
export function saveX87(cpu: usize, lin: u64, osz: u32): void {
  const head = <u64>load<u16>(cpu, FCW) | (<u64>load<u16>(cpu, FSW) << 16) | (<u64>load<u16>(cpu, FTW) << 32) | (<u64>load<u16>(cpu, FOP) << 48);
  let ip = load<u64>(cpu, FIP), dp = load<u64>(cpu, FDP);
  if (osz != 8) {
    ip = (ip & 0xffffffff) | (<u64>load<u16>(cpu, FCS) << 32);
    dp = (dp & 0xffffffff) | (<u64>load<u16>(cpu, FDS) << 32);
  }
  writeMem(cpu, lin, 8, head, 0);
  writeMem(cpu, lin + 8, 8, ip, 0);
  writeMem(cpu, lin + 16, 8, dp, 0);
  for (let i: u32 = 0; i < 8; i++) {
    const r = st(cpu, i);
    const at = lin + 32 + <u64>(i << 4);
    writeMem(cpu, at, 8, load<u64>(r, FPR), 0);
    writeMem(cpu, at + 8, 8, <u64>load<u16>(r, FPR + 8), 0);
  }
}

/** Bytes 31:24: MXCSR and MXCSR_MASK. */
export function saveMxcsr(cpu: usize, lin: u64): void {
  writeMem(cpu, lin + 24, 8, <u64>load<u32>(cpu, MXCSR) | (<u64>MXCSR_BITS << 32), 0);
}

/** Bytes 415:160; outside 64-bit mode 287:160. */
export function saveXmm(cpu: usize, lin: u64): void {
  const count = xmmCount(cpu);
  for (let i: u32 = 0; i < count; i++) {
    const x = cpu + <usize>(i << 5);
    const at = lin + 160 + <u64>(i << 4);
    writeMem(cpu, at, 8, load<u64>(x, XMM), 0);
    writeMem(cpu, at + 8, 8, load<u64>(x, XMM + 8), 0);
  }
}

/** FXRSTOR, FXRSTOR64. */
export function fxrstor(cpu: usize, lin: u64, osz: u32, kind: u32): void {
  if (!fxEnter(cpu, lin)) return;
  probeRead(cpu, lin, 512, kind);
  if (failed(cpu)) return;
  const mxcsr = <u32>readMem(cpu, lin + 24, 4, 0);
  if (failed(cpu)) return;
  if ((mxcsr & ~MXCSR_BITS) != 0) return raiseError(cpu, VEC_GP, 0);
  if (!loadX87(cpu, lin, osz) || !loadXmm(cpu, lin)) return;
  store<u32>(cpu, mxcsr, MXCSR);
}

/** False when a device must be asked outside run(): then the instruction is going to be run again, and loads all of it once more. */
export function loadX87(cpu: usize, lin: u64, osz: u32): bool {
  const head = readMem(cpu, lin, 8, 0);
  if (failed(cpu)) return false;
  const ip = readMem(cpu, lin + 8, 8, 0);
  if (failed(cpu)) return false;
  const dp = readMem(cpu, lin + 16, 8, 0);
  if (failed(cpu)) return false;
  const newTop = <u32>(head >> 27) & 7;
  for (let i: u32 = 0; i < 8; i++) {
    const r = cpu + <usize>(((newTop + i) & 7) << 4);
    const at = lin + 32 + <u64>(i << 4);
    const sig = readMem(cpu, at, 8, 0);
    if (failed(cpu)) return false;
    const se = readMem(cpu, at + 8, 2, 0);
    if (failed(cpu)) return false;
    store<u64>(r, sig, FPR);
    store<u16>(r, <u16>se, FPR + 8);
  }
  setControl(cpu, <u32>head & 0xffff);
  store<u16>(cpu, <u16>(head >> 16), FSW);
  store<u16>(cpu, <u16>(head >> 32) & 0xff, FTW);
  store<u16>(cpu, <u16>(head >> 48) & 0x7ff, FOP);
  updateSummary(cpu);
  store<u64>(cpu, osz == 8 ? ip : ip & 0xffffffff, FIP);
  store<u64>(cpu, osz == 8 ? dp : dp & 0xffffffff, FDP);
  store<u16>(cpu, osz == 8 ? 0 : <u16>(ip >> 32), FCS);
  store<u16>(cpu, osz == 8 ? 0 : <u16>(dp >> 32), FDS);
  return true;
}

/** False as for loadX87. */
export function loadXmm(cpu: usize, lin: u64): bool {
  const count = xmmCount(cpu);
  for (let i: u32 = 0; i < count; i++) {
    const x = cpu + <usize>(i << 5);
    const at = lin + 160 + <u64>(i << 4);
    const low = readMem(cpu, at, 8, 0);
    if (failed(cpu)) return false;
    const high = readMem(cpu, at + 8, 8, 0);
    if (failed(cpu)) return false;
    store<u64>(x, low, XMM);
    store<u64>(x, high, XMM + 8);
  }
  return true;
}

/** The initial state of the XSAVE feature set (SDM vol. 1, 13.6): FNINIT's, and the registers are 0. */
export function initX87(cpu: usize): void {
  fninit(cpu);
  memory.fill(cpu + FPR, 0, 128);
}
