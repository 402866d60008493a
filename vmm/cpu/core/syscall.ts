/**
 * Fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * Models SDM vol. 2 (the four instructions) and vol. 3 section 5.8.7 and 5.8.8 as Intel's processors do them: SYSCALL and SYSRET are #UD outside
 * 64-bit code, SYSRET checks RCX at CPL 0. The segments they load are fixed; no descriptor is read.
 */
import { isCanonical } from './canonical';
import { SEG_CS, SEG_SS, VEC_GP, VEC_UD, raise, raiseError } from './fault';
import { IF, RF, TF, VM, readFlags, writeFlags } from './flags';
import { modeChanged } from './mmu';
import { setFlatSegment } from './segment';
import {
  CPL, EFER, FMASK, LONG, LSTAR, MODE, NEXT_RIP, PENDING_DB, PROT, REGS, RFLAGS, RIP, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP,
} from './state.gen';

const RCX: usize = REGS + 8;
const RDX: usize = REGS + 16;
const RSP: usize = REGS + 32;
const R11: usize = REGS + 88;
const EFER_SCE: u64 = 1;
const DR6_BS: u64 = 0x4000;

/** Flat code (64-bit, 32-bit) and stack segments; DPL is added. */
const CODE64: u32 = 0xa09b;
const CODE32: u32 = 0xc09b;
const STACK: u32 = 0xc093;
const DPL3: u32 = 0x60;

function setSegments(cpu: usize, code: u32, codeRights: u32, stack: u32, dpl: u32): void {
  setFlatSegment(cpu, SEG_CS, code, codeRights | dpl);
  setFlatSegment(cpu, SEG_SS, stack, STACK | dpl);
}

/** #UD unless 64-bit code runs with EFER.SCE. */
function fastCallsEnabled(cpu: usize): bool {
  if (load<u32>(cpu, MODE) == 2 && (load<u64>(cpu, EFER) & EFER_SCE)) return true;
  raise(cpu, VEC_UD);
  return false;
}

/** SYSCALL and SYSRET trap by the TF that they leave, so that whoever steps user code does not step into the kernel, and stops behind the call. */
function stepOver(cpu: usize): void {
  if (load<u32>(cpu, RFLAGS) & TF) store<u64>(cpu, load<u64>(cpu, PENDING_DB) | DR6_BS, PENDING_DB);
}

/** SYSCALL. */
export function syscall(cpu: usize): void {
  if (!fastCallsEnabled(cpu)) return;
  const flags = readFlags(cpu) & ~RF;
  // The requested privilege level is taken from CS alone.
  const star = <u32>(load<u64>(cpu, STAR) >> 32) & 0xffff;
  store<u64>(cpu, load<u64>(cpu, NEXT_RIP), RCX);
  store<u64>(cpu, <u64>flags, R11);
  store<u64>(cpu, load<u64>(cpu, LSTAR), RIP);
  setSegments(cpu, star & 0xfffc, CODE64, star + 8, 0);
  writeFlags(cpu, flags & ~(<u32>load<u64>(cpu, FMASK)));
  modeChanged(cpu);
  stepOver(cpu);
}

/** SYSRET; operand size 8 returns to 64-bit code, otherwise to compatibility mode. */
export function sysret(cpu: usize, osz: u32): void {
  if (!fastCallsEnabled(cpu)) return;
  const wide = osz == 8;
  const rip = wide ? load<u64>(cpu, RCX) : load<u64>(cpu, RCX) & 0xffffffff;
  if (load<u32>(cpu, CPL) || !isCanonical(cpu, rip)) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  const base = <u32>(load<u64>(cpu, STAR) >> 48);
  store<u64>(cpu, rip, RIP);
  setSegments(cpu, (wide ? base + 16 : base) | 3, wide ? CODE64 : CODE32, (base + 8) | 3, DPL3);
  writeFlags(cpu, <u32>load<u64>(cpu, R11) & 0x3c7fd7);
  modeChanged(cpu);
  stepOver(cpu);
}

/** #GP(0) outside protected mode or without a code segment. */
function sysenterSelector(cpu: usize): u32 {
  const selector = <u32>load<u64>(cpu, SYSENTER_CS) & 0xfffc;
  if (load<u32>(cpu, PROT) != 0 && selector != 0) return selector;
  raiseError(cpu, VEC_GP, 0);
  return 0;
}

/** SYSENTER. */
export function sysenter(cpu: usize): void {
  const selector = sysenterSelector(cpu);
  if (selector == 0) return;
  const long = load<u32>(cpu, LONG) != 0;
  const mask: u64 = long ? ~0 : 0xffffffff;
  store<u64>(cpu, load<u64>(cpu, SYSENTER_ESP) & mask, RSP);
  store<u64>(cpu, load<u64>(cpu, SYSENTER_EIP) & mask, RIP);
  setSegments(cpu, selector, long ? CODE64 : CODE32, selector + 8, 0);
  writeFlags(cpu, readFlags(cpu) & ~(VM | IF | RF));
  modeChanged(cpu);
}

/** SYSEXIT; operand size 8 returns to 64-bit code. */
export function sysexit(cpu: usize, osz: u32): void {
  const selector = sysenterSelector(cpu);
  if (selector == 0) return;
  const wide = osz == 8;
  const mask: u64 = wide ? ~0 : 0xffffffff;
  const rip = load<u64>(cpu, RDX) & mask;
  const rsp = load<u64>(cpu, RCX) & mask;
  if (load<u32>(cpu, CPL) || !isCanonical(cpu, rip) || !isCanonical(cpu, rsp)) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  const code = (wide ? selector + 32 : selector + 16) | 3;
  store<u64>(cpu, rsp, RSP);
  store<u64>(cpu, rip, RIP);
  setSegments(cpu, code, wide ? CODE64 : CODE32, code + 8, DPL3);
  modeChanged(cpu);
}
