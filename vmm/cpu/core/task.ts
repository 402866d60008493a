/**
 * Hardware task switches.
 *
 * Models SDM vol. 3 section 8.3 (7.3 in older editions), tables 8-1 and 8-2, figures 8-2 and 8-10, for 16-bit and 32-bit TSSs. A task switch
 * is always a VM exit (section 26.2). Up to the commit point nothing changes; what fails afterwards fails in the new task, before its first
 * instruction. Left out: CET fields of the TSS.
 */
import { EXIT_TASK_SWITCH, vmentry, vmexit } from './exits';
import {
  EXC_STEP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR, VEC_GP, VEC_NP, VEC_SS, VEC_TS, failed, raiseError,
} from './fault';
import { NT, VM, writeFlags } from './flags';
import { framePointer, onCurrentStack, push } from './frame';
import { A_SUPER, A_WRITE, CR0_PG, CR4_PAE, loadPdptes, modeChanged, probeWrite, readMem, tlbFlush, writeMem } from './mmu';
import {
  TYPE_LDT, TYPE_TSS16, TYPE_TSS32, descBase, descDpl, descIsSystem, descLimit, descPresent, descType, descriptor, descriptorAddress, isCode,
  isConforming, isWritableData, mayRead, setAccessed, setNullSegment, setSegVm86, setSegment, setSystemType,
} from './segment';
import {
  CPL, CR0, CR3, CR4, DR, EXC, PENDING_DB, REGS, RIP, SEG_AR, SEG_BASE, SEG_LIMIT, SEG_SEL, STEPPING,
} from './state.gen';

/** Sources of a task switch, as bits 31:30 of the exit qualification count them (SDM vol. 3 table 28-2). */
export const TASK_CALL: u32 = 0;
export const TASK_IRET: u32 = 1;
export const TASK_JMP: u32 = 2;
export const TASK_GATE: u32 = 3;

const CR0_TS: u64 = 8;
const TYPE_BUSY: u32 = 2;
/** Smallest limits (table 8-1). */
const LIMIT16: u32 = 0x2b;
const LIMIT32: u32 = 0x67;
/** DR6.BT: the new TSS has its T bit set. */
const DR6_BT: u64 = 0x8000;

/** Checks a TSS selector: in the GDT, a TSS that is available (or busy, for IRET), present. Raises `vector` or #NP. */
export function checkTss(cpu: usize, selector: u32, busy: bool, vector: u32): bool {
  const error = selector & 0xfffc;
  if (selector & 4) {
    raiseError(cpu, vector, error);
    return false;
  }
  const d = descriptor(cpu, selector, vector);
  if (failed(cpu)) return false;
  const type = descType(d) & ~TYPE_BUSY;
  const isBusy = (descType(d) & TYPE_BUSY) != 0;
  if (!descIsSystem(d) || (type != TYPE_TSS16 && type != TYPE_TSS32) || isBusy != busy) {
    raiseError(cpu, vector, error);
    return false;
  }
  if (descPresent(d)) return true;
  raiseError(cpu, VEC_NP, error);
  return false;
}

// @ts-ignore: decorator
@inline
function tssRead(cpu: usize, base: u64, offset: u32, size: u32): u64 {
  return readMem(cpu, (base + <u64>offset) & 0xffffffff, size, A_SUPER);
}

// @ts-ignore: decorator
@inline
function tssWrite(cpu: usize, base: u64, offset: u32, size: u32, value: u64): void {
  writeMem(cpu, (base + <u64>offset) & 0xffffffff, size, value, A_SUPER);
}

/** Reads all of the new TSS's bytes, so that its pages are known to be there. */
function touchTss(cpu: usize, base: u64, last: u32): void {
  tssRead(cpu, base, 0, 1);
  if (!failed(cpu)) tssRead(cpu, base, last, 1);
}

/**
 * Switches to the task of `selector`, which the caller has checked with `checkTss`. `rip` and `flags` are what the old task resumes with;
 * `error` is pushed on the new task's stack when `hasError`.
 */
export function taskSwitch(cpu: usize, selector: u32, kind: u32, rip: u64, flags: u32, hasError: bool, error: u32): void {
  // Everything below must happen once: an instruction that switches tasks runs alone.
  if (!load<u32>(cpu, STEPPING)) {
    store<u32>(cpu, EXC_STEP, EXC);
    return;
  }
  vmexit(cpu, EXIT_TASK_SWITCH, (<u64>kind << 30) | <u64>(selector & 0xffff));
  vmentry(cpu);
  switchTo(cpu, selector, kind, rip, flags, hasError, error);
}

function switchTo(cpu: usize, selector: u32, kind: u32, rip: u64, flags: u32, hasError: bool, error: u32): void {
  const d = descriptor(cpu, selector, VEC_TS);
  if (failed(cpu)) return;
  const wide = (descType(d) & 8) != 0;
  const least = wide ? LIMIT32 : LIMIT16;
  if (descLimit(d) < least) {
    raiseError(cpu, VEC_TS, selector & 0xfffc);
    return;
  }
  const base = descBase(d);
  const tr = cpu + (<usize>SEG_TR << 5);
  const old = load<u64>(tr, SEG_BASE);
  const oldSelector = <u32>load<u16>(tr, SEG_SEL);
  const oldWide = (load<u32>(tr, SEG_AR) & 8) != 0;
  const nested = kind == TASK_CALL || kind == TASK_GATE;

  touchTss(cpu, base, least);
  if (failed(cpu)) return;
  if (nested) probeWrite(cpu, base, 2, A_SUPER | A_WRITE);
  if (failed(cpu)) return;
  probeWrite(cpu, old + (oldWide ? 0x20 : 0x0e), oldWide ? 0x40 : 0x1c, A_SUPER | A_WRITE);
  if (failed(cpu)) return;
  if (kind != TASK_IRET) probeBusy(cpu, selector);
  if (failed(cpu)) return;
  if (!nested) probeBusy(cpu, oldSelector);
  if (failed(cpu)) return;

  // An IRET leaves the old task for good: its NT is not saved (step 7).
  const image = kind == TASK_IRET ? flags & ~NT : flags;
  if (oldWide) save32(cpu, old, rip, image);
  else save16(cpu, old, rip, image);
  if (!nested) {
    const od = descriptor(cpu, oldSelector, VEC_TS);
    setSystemType(cpu, oldSelector, od, descType(od) & ~TYPE_BUSY);
  }
  if (nested) tssWrite(cpu, base, 0, 2, <u64>oldSelector);
  if (kind != TASK_IRET) setSystemType(cpu, selector, d, descType(d) | TYPE_BUSY);
  setSegment(cpu, SEG_TR, selector, d | (<u64>TYPE_BUSY << 40));
  store<u64>(cpu, load<u64>(cpu, CR0) | CR0_TS, CR0);
  // Local breakpoints belong to the task (SDM vol. 3 section 18.2.4).
  store<u64>(cpu, load<u64>(cpu, DR + 56) & ~(<u64>0x155), DR + 56);
  loadTask(cpu, base, wide, nested);
  if (failed(cpu) || !hasError) return;
  onCurrentStack(cpu);
  push(cpu, <u64>error, wide ? 4 : 2);
  if (!failed(cpu)) store<u64>(cpu, framePointer(), REGS + 32);
}

function probeBusy(cpu: usize, selector: u32): void {
  const at = descriptorAddress(cpu, selector, 8);
  if (at == <u64>-1) {
    raiseError(cpu, VEC_TS, selector & 0xfffc);
    return;
  }
  probeWrite(cpu, (at + 5) & 0xffffffff, 1, A_SUPER | A_WRITE);
}

function save32(cpu: usize, base: u64, rip: u64, flags: u32): void {
  tssWrite(cpu, base, 0x20, 4, rip);
  tssWrite(cpu, base, 0x24, 4, <u64>flags);
  for (let i: u32 = 0; i < 8; i++) tssWrite(cpu, base, 0x28 + (i << 2), 4, load<u64>(cpu + (i << 3), REGS));
  for (let i: u32 = 0; i < 6; i++) tssWrite(cpu, base, 0x48 + (i << 2), 2, <u64>load<u16>(cpu + (i << 5), SEG_SEL));
}

function save16(cpu: usize, base: u64, rip: u64, flags: u32): void {
  tssWrite(cpu, base, 0x0e, 2, rip);
  tssWrite(cpu, base, 0x10, 2, <u64>flags);
  for (let i: u32 = 0; i < 8; i++) tssWrite(cpu, base, 0x12 + (i << 1), 2, load<u64>(cpu + (i << 3), REGS));
  for (let i: u32 = 0; i < 4; i++) tssWrite(cpu, base, 0x22 + (i << 1), 2, <u64>load<u16>(cpu + (i << 5), SEG_SEL));
}

/** Steps 11 and later: the new task's registers, then its segments, which may fault in it. */
function loadTask(cpu: usize, base: u64, wide: bool, nested: bool): void {
  let cr3: u64 = 0;
  let flags: u32;
  let ldt: u32;
  let debug: bool = false;
  if (wide) {
    cr3 = tssRead(cpu, base, 0x1c, 4);
    ldt = <u32>tssRead(cpu, base, 0x60, 2);
    debug = (tssRead(cpu, base, 0x64, 1) & 1) != 0;
    flags = <u32>tssRead(cpu, base, 0x24, 4);
    store<u64>(cpu, tssRead(cpu, base, 0x20, 4), RIP);
    for (let i: u32 = 0; i < 8; i++) store<u64>(cpu + (i << 3), tssRead(cpu, base, 0x28 + (i << 2), 4), REGS);
  } else {
    ldt = <u32>tssRead(cpu, base, 0x2a, 2);
    flags = <u32>tssRead(cpu, base, 0x10, 2);
    store<u64>(cpu, tssRead(cpu, base, 0x0e, 2), RIP);
    // The upper halves are undefined; the 80386 set them.
    for (let i: u32 = 0; i < 8; i++) store<u64>(cpu + (i << 3), tssRead(cpu, base, 0x12 + (i << 1), 2) | 0xffff0000, REGS);
  }
  loadSelectors(cpu, base, wide);
  writeFlags(cpu, nested ? flags | NT : flags);
  setNullSegment(cpu, SEG_LDTR, ldt, 0);
  // CPL is that of the new CS even while the segments are being checked.
  const cpl: u32 = flags & VM ? 3 : <u32>load<u16>(cpu + (<usize>SEG_CS << 5), SEG_SEL) & 3;
  const ss = cpu + (<usize>SEG_SS << 5);
  store<u32>(ss, (load<u32>(ss, SEG_AR) & ~0x60) | (cpl << 5), SEG_AR);
  modeChanged(cpu);
  if (debug) store<u64>(cpu, load<u64>(cpu, PENDING_DB) | DR6_BT, PENDING_DB);
  if (wide && load<u64>(cpu, CR0) & CR0_PG && !loadCr3(cpu, cr3)) return;
  loadLdt(cpu, ldt);
  if (failed(cpu)) return;
  if ((flags & VM) == 0) {
    qualify(cpu, cpl);
    if (failed(cpu)) return;
  }
  modeChanged(cpu);
  if (load<u64>(cpu, RIP) > <u64>load<u32>(cpu + (<usize>SEG_CS << 5), SEG_LIMIT)) raiseError(cpu, VEC_GP, 0);
}

/** Loads the selectors of ES CS SS DS (FS GS), their hidden parts null until they are qualified; whole at once for virtual-8086 mode. */
function loadSelectors(cpu: usize, base: u64, wide: bool): void {
  const vm86 = wide && (<u32>tssRead(cpu, base, 0x24, 4) & VM) != 0;
  for (let i: u32 = 0; i < 6; i++) {
    let selector: u32 = 0;
    if (wide) selector = <u32>tssRead(cpu, base, 0x48 + (i << 2), 2);
    else if (i < 4) selector = <u32>tssRead(cpu, base, 0x22 + (i << 1), 2);
    if (vm86) setSegVm86(cpu, i, selector);
    else setNullSegment(cpu, i, selector, 0);
  }
}

function loadCr3(cpu: usize, cr3: u64): bool {
  if (cr3 == load<u64>(cpu, CR3)) return true;
  if (load<u64>(cpu, CR4) & CR4_PAE && !loadPdptes(cpu, cr3)) return false;
  store<u64>(cpu, cr3, CR3);
  tlbFlush(cpu, false);
  return true;
}

function loadLdt(cpu: usize, selector: u32): void {
  const error = selector & 0xfffc;
  if (error == 0) return;
  if (selector & 4) {
    raiseError(cpu, VEC_TS, error);
    return;
  }
  const d = descriptor(cpu, selector, VEC_TS);
  if (failed(cpu)) return;
  if (!descIsSystem(d) || descType(d) != TYPE_LDT || !descPresent(d)) {
    raiseError(cpu, VEC_TS, error);
    return;
  }
  setSegment(cpu, SEG_LDTR, selector, d);
}

/** Checks and loads the hidden parts of CS, SS and the data segments (table 8-1's second half). */
function qualify(cpu: usize, cpl: u32): void {
  qualifyCode(cpu, cpl);
  if (failed(cpu)) return;
  qualifyStack(cpu, cpl);
  if (failed(cpu)) return;
  qualifyData(cpu, SEG_DS, cpl);
  if (failed(cpu)) return;
  qualifyData(cpu, SEG_ES, cpl);
  if (failed(cpu)) return;
  qualifyData(cpu, SEG_FS, cpl);
  if (failed(cpu)) return;
  qualifyData(cpu, SEG_GS, cpl);
}

function qualifyCode(cpu: usize, cpl: u32): void {
  const selector = <u32>load<u16>(cpu + (<usize>SEG_CS << 5), SEG_SEL);
  const error = selector & 0xfffc;
  const d = error ? descriptor(cpu, selector, VEC_TS) : 0;
  if (failed(cpu)) return;
  const level = isConforming(d) ? descDpl(d) <= cpl : descDpl(d) == cpl;
  if (error == 0 || !isCode(d) || !level) raiseError(cpu, VEC_TS, error);
  else if (!descPresent(d)) raiseError(cpu, VEC_NP, error);
  else finish(cpu, SEG_CS, selector, d);
}

function qualifyStack(cpu: usize, cpl: u32): void {
  const selector = <u32>load<u16>(cpu + (<usize>SEG_SS << 5), SEG_SEL);
  const error = selector & 0xfffc;
  const d = error ? descriptor(cpu, selector, VEC_TS) : 0;
  if (failed(cpu)) return;
  if (error == 0 || !isWritableData(d) || descDpl(d) != cpl || (selector & 3) != cpl) raiseError(cpu, VEC_TS, error);
  else if (!descPresent(d)) raiseError(cpu, VEC_SS, error);
  else finish(cpu, SEG_SS, selector, d);
}

function qualifyData(cpu: usize, seg: u32, cpl: u32): void {
  const selector = <u32>load<u16>(cpu + (<usize>seg << 5), SEG_SEL);
  const error = selector & 0xfffc;
  if (error == 0) return;
  const d = descriptor(cpu, selector, VEC_TS);
  if (failed(cpu)) return;
  if (!mayRead(d, selector & 3, cpl)) raiseError(cpu, VEC_TS, error);
  else if (!descPresent(d)) raiseError(cpu, VEC_NP, error);
  else finish(cpu, seg, selector, d);
}

function finish(cpu: usize, seg: u32, selector: u32, d: u64): void {
  const marked = setAccessed(cpu, selector, d);
  if (!failed(cpu)) setSegment(cpu, seg, selector, marked);
}
