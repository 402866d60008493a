/**
 * Instructions of the system: everything that may exit, transfer control far, change the mode, or call the monitor.
 * RIP, NEXT_RIP and ICOUNT are exact when `sys` is entered.
 */
import { cpuid } from './cpuid';
import * as C from './control';
import { EXC_STEP, failed, raise, raiseError, SEG_FS, VEC_GP, VEC_UD } from './fault';
import { AC, CF, getArith, IF, IOPL, readFlags, RF, setArith, VIF, VIP, VM, writeFlags, ZF } from './flags';
import { iret, farCall, farJump, farReturn } from './transfer';
import { softInt } from './interrupt';
import { isCanonicalBase } from './canonical';
import { EXIT_HLT, EXIT_PAUSE, EXIT_RDTSC, EXIT_VMCALL, vmentry, vmexit } from './exits';
import { modeChanged, NO_ACCESS, probeRead, readMem } from './mmu';
import { rdmsr, wrmsr } from './msr';
import { accessKind, finish, linearOf, MODIFY, operand, push, READ, setStackPointer, stackRead, WRITE } from './operations';
import { portAccess } from './io';
import { fire, watched } from './probe';
import { nextRandom } from './random';
import { arpl, lar, lldt, loadSegment, lsl, ltr, verr, verw, wrap } from './segment';
import { ldmxcsr } from './sse';
import { syscall, sysenter, sysexit, sysret } from './syscall';
import { emms, fwait, fxrstor, fxsave } from './x87state';
import { xsaveFamily } from './xsave';
import {
  ACTIVITY, CLOCK_OFFSET, CPL, CR0, CR4, EVENT, EXIT_GLA, ICOUNT, INTERCEPT_PAUSE, INTERCEPT_RDTSC, INTERCEPT_TURNS, IO_DATA,
  KS_HYPERCALLS, MODE, MXCSR, NEXT_RIP, PAUSE_AT, PAUSES, PROBE_KVM_HYPERCALL, PROT, RFLAGS, RIP, SEG_BASE, SEG_SEL, SHADOW_AT, SHADOW_KIND, SLICE_END, STEPPING,
  TSC_AUX, TSC_OFFSET, VM_INTERCEPT, VM_PROBES, YIELD,
} from './state.gen';
import { REGISTER } from './decode';

/** EXC is set; nothing happened. */
export const SYS_FAILED: i32 = 0;
/** Complete, and nothing outside the registers changed: go on with the next micro-op. */
export const SYS_NEXT: i32 = 1;
/** Complete; RIP holds where to go. */
export const SYS_MOVED: i32 = 2;
/** Complete; look at the world again at NEXT_RIP. */
export const SYS_LEAVE: i32 = 3;
/** Complete; the monitor was asked, so time and events may have changed. */
export const SYS_ASKED: i32 = 4;

export const SYS_HLT: u32 = 0;
export const SYS_CLI: u32 = 1;
export const SYS_STI: u32 = 2;
export const SYS_PUSHF: u32 = 3;
export const SYS_POPF: u32 = 4;
export const SYS_IRET: u32 = 5;
export const SYS_INT: u32 = 6;
export const SYS_CALL_FAR: u32 = 7;
export const SYS_JMP_FAR: u32 = 8;
export const SYS_CALL_FAR_M: u32 = 9;
export const SYS_JMP_FAR_M: u32 = 10;
export const SYS_RET_FAR: u32 = 11;
export const SYS_MOV_TO_SEG: u32 = 12;
export const SYS_MOV_FROM_SEG: u32 = 13;
export const SYS_POP_SEG: u32 = 14;
export const SYS_LOAD_FAR: u32 = 15;
export const SYS_MOV_TO_CR: u32 = 16;
export const SYS_MOV_FROM_CR: u32 = 17;
export const SYS_MOV_TO_DR: u32 = 18;
export const SYS_MOV_FROM_DR: u32 = 19;
export const SYS_TABLES: u32 = 20;
export const SYS_GROUP6: u32 = 21;
export const SYS_SMSW: u32 = 22;
export const SYS_LMSW: u32 = 23;
export const SYS_INVLPG: u32 = 24;
export const SYS_CLTS: u32 = 25;
export const SYS_INVD: u32 = 26;
export const SYS_WBINVD: u32 = 27;
export const SYS_RDMSR: u32 = 28;
export const SYS_WRMSR: u32 = 29;
export const SYS_RDTSC: u32 = 30;
export const SYS_RDTSCP: u32 = 31;
export const SYS_RDPMC: u32 = 32;
export const SYS_SYSCALL: u32 = 33;
export const SYS_SYSRET: u32 = 34;
export const SYS_SYSENTER: u32 = 35;
export const SYS_SYSEXIT: u32 = 36;
export const SYS_SWAPGS: u32 = 37;
export const SYS_CPUID: u32 = 38;
export const SYS_IN_IMM: u32 = 39;
export const SYS_IN_DX: u32 = 40;
export const SYS_OUT_IMM: u32 = 41;
export const SYS_OUT_DX: u32 = 42;
export const SYS_LAR: u32 = 43;
export const SYS_LSL: u32 = 44;
export const SYS_ARPL: u32 = 45;
export const SYS_VMCALL: u32 = 46;
export const SYS_XGETBV: u32 = 47;
export const SYS_XSETBV: u32 = 48;
export const SYS_PAUSE: u32 = 49;
export const SYS_FWAIT: u32 = 50;
export const SYS_EMMS: u32 = 51;
export const SYS_FX: u32 = 52;
export const SYS_CLFLUSH: u32 = 53;
export const SYS_RSM: u32 = 54;
export const SYS_XSAVE: u32 = 55;
export const SYS_SET_AC: u32 = 56;
export const SYS_INVPCID: u32 = 57;
export const SYS_RDPKRU: u32 = 58;
export const SYS_WRPKRU: u32 = 59;
export const SYS_BASE: u32 = 60;
export const SYS_RDPID: u32 = 61;
export const SYS_RANDOM: u32 = 62;

const CR4_FSGSBASE: u64 = 0x10000;

const RAX: usize = 0;
const RCX: usize = 8;
const RDX: usize = 16;
const RBX: usize = 24;
const RSI: usize = 48;

/** Set by INT n: its handler starts without a single-step trap. */
export let trapDropped: bool = false;
export function clearTrapDropped(): void {
  trapDropped = false;
}

// @ts-ignore: decorator
@inline
function outcome(cpu: usize, done: i32): i32 {
  return failed(cpu) ? SYS_FAILED : done;
}
function store32(cpu: usize, reg: usize, v: u32): void {
  store<u64>(cpu + reg, <u64>v);
}
/** Writes a general register of the operand size. */
function writeRegister(at: usize, bytes: u32, v: u64): void {
  if (bytes == 2) store<u16>(at, <u16>v);
  else store<u64>(at, bytes == 4 ? v & 0xffffffff : v);
}

export function sys(cpu: usize, pc: usize): i32 {
  const osz = <u32>load<u8>(pc, 13);
  const imm = <u32>load<u16>(pc, 14);
  const reg = <u32>load<u8>(pc, 4);
  const rm = cpu + <usize>load<u8>(pc, 5);
  switch (<u32>load<u8>(pc, 12)) {
    case 0: return halt(cpu);
    case 1: return cli(cpu);
    case 2: return sti(cpu);
    case 3: return pushf(cpu, osz);
    case 4: return popf(cpu, osz);
    case 5: iret(cpu, osz); return outcome(cpu, SYS_MOVED);
    case 6: return interrupt(cpu, imm);
    case 7: farCall(cpu, imm, farOffset(pc, osz), osz); return outcome(cpu, SYS_MOVED);
    case 8: farJump(cpu, imm, farOffset(pc, osz), osz); return outcome(cpu, SYS_MOVED);
    case 9: case 10: return farMemory(cpu, pc, osz);
    case 11: farReturn(cpu, osz, imm); return outcome(cpu, SYS_MOVED);
    case 12: {
      const at = operand(cpu, pc, 2, READ);
      if (at == 0) return SYS_FAILED;
      return segmentLoaded(cpu, reg, <u32>load<u16>(at));
    }
    case 13: {
      const selector = <u64>load<u16>(cpu + (<usize>reg << 5), SEG_SEL);
      if (<u32>load<u8>(pc, 6) == REGISTER) {
        writeRegister(rm, osz, selector);
        return SYS_NEXT;
      }
      const at = operand(cpu, pc, 2, WRITE);
      if (at == 0) return SYS_FAILED;
      store<u16>(at, <u16>selector);
      return finish(cpu, at) ? SYS_NEXT : SYS_FAILED;
    }
    case 14: {
      const v = stackRead(cpu, 0, osz);
      if (failed(cpu)) return SYS_FAILED;
      const sp = load<u64>(cpu, 32);
      const r = segmentLoaded(cpu, reg, <u32>v & 0xffff, <u64>osz);
      return r;
    }
    case 15: return loadFar(cpu, pc, osz, imm);
    case 16: C.movToCr(cpu, reg, osz == 8 ? load<u64>(rm) : <u64>load<u32>(rm), <u32>load<u8>(pc, 5) >> 3); return outcome(cpu, SYS_LEAVE);
    case 17: {
      const v = C.movFromCr(cpu, reg, <u32>load<u8>(pc, 5) >> 3);
      if (failed(cpu)) return SYS_FAILED;
      writeRegister(rm, osz, v);
      return SYS_ASKED;
    }
    case 18: C.movToDr(cpu, reg, osz == 8 ? load<u64>(rm) : <u64>load<u32>(rm), <u32>load<u8>(pc, 5) >> 3); return outcome(cpu, SYS_LEAVE);
    case 19: {
      const v = C.movFromDr(cpu, reg, <u32>load<u8>(pc, 5) >> 3);
      if (failed(cpu)) return SYS_FAILED;
      writeRegister(rm, osz, v);
      return SYS_ASKED;
    }
    case 20: return tables(cpu, pc, osz, imm);
    case 21: return group6(cpu, pc, osz, imm);
    case 22: {
      const v = C.smsw(cpu);
      if (failed(cpu)) return SYS_FAILED;
      if (<u32>load<u8>(pc, 6) == REGISTER) {
        writeRegister(rm, osz, v);
        return SYS_NEXT;
      }
      return store16(cpu, pc, <u16>v);
    }
    case 23: {
      if (!C.privileged(cpu)) return SYS_FAILED;
      const at = operand(cpu, pc, 2, READ);
      if (at == 0) return SYS_FAILED;
      const memory: u32 = <u32>load<u8>(pc, 6) != REGISTER ? 1 : 0;
      const word = <u32>load<u16>(at);
      if (memory) store<u64>(cpu, linearOf(cpu, pc, 0, 2, 0), EXIT_GLA);
      C.lmsw(cpu, word, memory);
      return outcome(cpu, SYS_LEAVE);
    }
    case 24: return invlpg(cpu, pc);
    case 25: C.clts(cpu); return outcome(cpu, SYS_LEAVE);
    case 26: C.invd(cpu); return outcome(cpu, SYS_ASKED);
    case 27: C.wbinvd(cpu); return outcome(cpu, SYS_ASKED);
    case 28: rdmsr(cpu); return outcome(cpu, SYS_ASKED);
    case 29: wrmsr(cpu); return outcome(cpu, SYS_LEAVE);
    case 30: return rdtsc(cpu, false);
    case 31: return rdtsc(cpu, true);
    case 32: C.rdpmc(cpu); return outcome(cpu, SYS_ASKED);
    case 33: syscall(cpu); return outcome(cpu, SYS_MOVED);
    case 34: sysret(cpu, osz); return outcome(cpu, SYS_MOVED);
    case 35: sysenter(cpu); return outcome(cpu, SYS_MOVED);
    case 36: sysexit(cpu, osz); return outcome(cpu, SYS_MOVED);
    case 37: C.swapgs(cpu); return outcome(cpu, SYS_NEXT);
    case 38: cpuid(cpu); return outcome(cpu, SYS_ASKED);
    case 39: return portIn(cpu, imm, osz, true);
    case 40: return portIn(cpu, <u32>load<u16>(cpu, RDX), osz, false);
    case 41: return portOut(cpu, imm, osz, true);
    case 42: return portOut(cpu, <u32>load<u16>(cpu, RDX), osz, false);
    case 43: return larLsl(cpu, pc, osz, true);
    case 44: return larLsl(cpu, pc, osz, false);
    case 45: return adjustRpl(cpu, pc, reg);
    case 46: return vmcall(cpu);
    case 47: C.xgetbv(cpu); return outcome(cpu, SYS_NEXT);
    case 48: C.xsetbv(cpu); return outcome(cpu, SYS_LEAVE);
    case 49: return pause(cpu);
    case 50: fwait(cpu); return outcome(cpu, SYS_NEXT);
    case 51: emms(cpu); return outcome(cpu, SYS_NEXT);
    case 52: return fx(cpu, pc, osz, imm);
    case 53: {
      // The checks of a byte load, but for an execute-only segment, and no load: there may be a device (SDM vol. 2, CLFLUSH).
      const lin = linearOf(cpu, pc, 0, 1, NO_ACCESS);
      if (!failed(cpu)) probeRead(cpu, lin, 1, accessKind(pc));
      return outcome(cpu, SYS_NEXT);
    }
    case 55: xsaveFamily(cpu, pc, osz, imm); return outcome(cpu, SYS_NEXT);
    case 56: C.setAc(cpu, imm != 0); return outcome(cpu, SYS_NEXT);
    case 57: return invpcid(cpu, pc, load<u32>(cpu, MODE) == 2 ? load<u64>(cpu + <usize>reg) : <u64>load<u32>(cpu + <usize>reg));
    case 58: C.rdpkru(cpu); return outcome(cpu, SYS_NEXT);
    case 59: C.wrpkru(cpu); return outcome(cpu, SYS_NEXT);
    case 60: return segmentBase(cpu, rm, osz, imm);
    case 61: writeRegister(rm, 4, <u64>load<u32>(cpu, TSC_AUX)); return SYS_NEXT;
    case 62:
      writeRegister(rm, osz, nextRandom(cpu));
      setArith(cpu, CF);
      return SYS_NEXT;
    default:
      raise(cpu, VEC_UD);
      return SYS_FAILED;
  }
}

/** RDFSBASE RDGSBASE WRFSBASE WRGSBASE: 64-bit code with CR4.FSGSBASE; the new base must be canonical. */
function segmentBase(cpu: usize, register: usize, bytes: u32, which: u32): i32 {
  if ((load<u64>(cpu, CR4) & CR4_FSGSBASE) == 0) {
    raise(cpu, VEC_UD);
    return SYS_FAILED;
  }
  const seg = cpu + (<usize>(SEG_FS + (which & 1)) << 5);
  if ((which & 2) == 0) {
    writeRegister(register, bytes, load<u64>(seg, SEG_BASE));
    return SYS_NEXT;
  }
  const base = bytes == 8 ? load<u64>(register) : <u64>load<u32>(register);
  if (!isCanonicalBase(base)) {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  store<u64>(seg, base, SEG_BASE);
  return SYS_NEXT;
}

// @ts-ignore: decorator
@inline
function farOffset(pc: usize, osz: u32): u64 {
  return osz == 2 ? <u64>load<u16>(pc, 8) : <u64>load<u32>(pc, 8);
}

function store16(cpu: usize, pc: usize, v: u16): i32 {
  const at = operand(cpu, pc, 2, WRITE);
  if (at == 0) return SYS_FAILED;
  store<u16>(at, v);
  return finish(cpu, at) ? SYS_NEXT : SYS_FAILED;
}

/** A vCPU spins when it has executed so many PAUSEs with no more instructions between two than this (as hardware's pause-loop exiting judges). */
const SPIN_PAUSES: u32 = 64;
const SPIN_GAP: u64 = 128;

function pause(cpu: usize): i32 {
  const intercept = load<u32>(VM_INTERCEPT);
  if ((intercept & (INTERCEPT_PAUSE | INTERCEPT_TURNS)) == 0) return SYS_NEXT;
  if (intercept & INTERCEPT_PAUSE) {
    vmexit(cpu, EXIT_PAUSE, 0);
    vmentry(cpu);
  }
  if ((intercept & INTERCEPT_TURNS) == 0) return SYS_ASKED;
  const go = intercept & INTERCEPT_PAUSE ? SYS_ASKED : SYS_NEXT;
  const now = load<u64>(cpu, ICOUNT);
  const spins: u32 = now - load<u64>(cpu, PAUSE_AT) > SPIN_GAP ? 0 : load<u32>(cpu, PAUSES) + 1;
  store<u64>(cpu, now, PAUSE_AT);
  store<u32>(cpu, spins, PAUSES);
  if (spins < SPIN_PAUSES) return go;
  store<u32>(cpu, 0, PAUSES);
  store<u32>(cpu, 1, YIELD);
  store<u64>(cpu, 0, SLICE_END);
  return SYS_LEAVE;
}

function halt(cpu: usize): i32 {
  if (load<u32>(cpu, CPL) != 0) {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  vmexit(cpu, EXIT_HLT, 0);
  vmentry(cpu);
  store<u32>(cpu, 1, ACTIVITY);
  return SYS_LEAVE;
}

/** CLI with IOPL, VME and PVI (SDM vol. 2, CLI table). */
function cli(cpu: usize): i32 {
  const flags = load<u32>(cpu, RFLAGS);
  const iopl = (flags >> 12) & 3;
  const prot = load<u32>(cpu, PROT);
  const cpl = load<u32>(cpu, CPL);
  if (prot == 0 || (prot == 1 && cpl <= iopl) || (prot == 2 && iopl == 3)) store<u32>(cpu, flags & ~IF, RFLAGS);
  else if ((prot == 2 && (load<u64>(cpu, CR4) & 1) != 0) || (prot == 1 && cpl == 3 && (load<u64>(cpu, CR4) & 2) != 0)) store<u32>(cpu, flags & ~VIF, RFLAGS);
  else {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  return SYS_NEXT;
}

function sti(cpu: usize): i32 {
  const flags = load<u32>(cpu, RFLAGS);
  const iopl = (flags >> 12) & 3;
  const prot = load<u32>(cpu, PROT);
  const cpl = load<u32>(cpu, CPL);
  if (prot == 0 || (prot == 1 && cpl <= iopl) || (prot == 2 && iopl == 3)) {
    if (flags & IF) return SYS_NEXT;
    store<u32>(cpu, flags | IF, RFLAGS);
    store<u64>(cpu, load<u64>(cpu, ICOUNT) + 1, SHADOW_AT);
    store<u32>(cpu, 1, SHADOW_KIND);
    return load<u32>(cpu, EVENT) != 0 ? SYS_LEAVE : SYS_NEXT;
  }
  const virtual = (prot == 2 && (load<u64>(cpu, CR4) & 1) != 0) || (prot == 1 && cpl == 3 && (load<u64>(cpu, CR4) & 2) != 0);
  if (!virtual || (flags & VIP) != 0) {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  store<u32>(cpu, flags | VIF, RFLAGS);
  return SYS_NEXT;
}

function pushf(cpu: usize, osz: u32): i32 {
  let flags = readFlags(cpu) & ~(RF | VM);
  if (load<u32>(cpu, PROT) == 2 && (flags & IOPL) != IOPL) {
    // VME: the 16-bit form pushes VIF as IF, with IOPL 3.
    if ((load<u64>(cpu, CR4) & 1) == 0 || osz != 2) {
      raiseError(cpu, VEC_GP, 0);
      return SYS_FAILED;
    }
    flags = (flags & ~IF) | IOPL | (flags & VIF ? IF : 0);
  }
  return push(cpu, <u64>flags, osz) ? SYS_NEXT : SYS_FAILED;
}

/** CF PF AF ZF SF TF IF DF OF NT AC ID. */
const POPF_FLAGS: u32 = 0x244fd5;

/** POPF: which flags may change follows from mode, CPL and IOPL (SDM vol. 2, POPF tables). */
function popf(cpu: usize, osz: u32): i32 {
  const prot = load<u32>(cpu, PROT);
  const old = readFlags(cpu);
  const iopl = (old >> 12) & 3;
  const vme = prot == 2 && iopl != 3;
  if (vme && ((load<u64>(cpu, CR4) & 1) == 0 || osz != 2)) {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  let value = <u32>stackRead(cpu, 0, osz);
  if (failed(cpu)) return SYS_FAILED;
  let change = POPF_FLAGS;
  if (vme) {
    if ((value & 0x100) != 0 || ((value & IF) != 0 && (old & VIP) != 0)) {
      raiseError(cpu, VEC_GP, 0);
      return SYS_FAILED;
    }
    value = value & IF ? value | VIF : value & ~VIF;
    change = (POPF_FLAGS & 0xffff & ~IF) | VIF;
  } else {
    const cpl = load<u32>(cpu, CPL);
    if (prot == 0 || (prot == 1 && cpl == 0)) change |= IOPL | IF;
    else if (prot == 1) {
      if (cpl > iopl) change &= ~IF;
    }
    if (osz == 2) change &= 0xffff;
  }
  setStackPointer(cpu, load<u64>(cpu, 32) + <u64>osz);
  const flags = (old & ~change) | (value & change);
  writeFlags(cpu, flags & ~RF);
  if ((flags ^ old) & AC) modeChanged(cpu);
  return load<u32>(cpu, EVENT) != 0 || (flags & 0x100) != 0 ? SYS_LEAVE : SYS_NEXT;
}

/** INT n, INT3, INTO, INT1: bits 15:8 of `imm` say which. */
function interrupt(cpu: usize, imm: u32): i32 {
  const kind = imm >> 8;
  if (kind == 2 && (getArith(cpu) & 0x800) == 0) return SYS_NEXT;
  softInt(cpu, imm & 0xff, kind);
  trapDropped = true;
  return outcome(cpu, SYS_MOVED);
}

function farMemory(cpu: usize, pc: usize, osz: u32): i32 {
  const lin = linearOf(cpu, pc, 0, osz + 2, 0);
  if (failed(cpu)) return SYS_FAILED;
  const kind = accessKind(pc);
  const offset = readMem(cpu, lin, osz, kind);
  if (failed(cpu)) return SYS_FAILED;
  const selector = <u32>readMem(cpu, wrap(cpu, lin + <u64>osz), 2, kind);
  if (failed(cpu)) return SYS_FAILED;
  if (<u32>load<u8>(pc, 12) == SYS_CALL_FAR_M) farCall(cpu, selector, offset, osz);
  else farJump(cpu, selector, offset, osz);
  return outcome(cpu, SYS_MOVED);
}

/** Loads a segment register; SS inhibits interrupts for one instruction. `pop` bytes leave the stack as well. */
function segmentLoaded(cpu: usize, seg: u32, selector: u32, pop: u64 = 0): i32 {
  const sp = load<u64>(cpu, 32) + pop;
  // POP SS moves the stack pointer by the old stack's width.
  const old = load<u64>(cpu, 32);
  if (pop != 0) setStackPointer(cpu, sp);
  loadSegment(cpu, seg, selector);
  if (failed(cpu)) {
    store<u64>(cpu, old, 32);
    return SYS_FAILED;
  }
  if (seg == 2) {
    modeChanged(cpu);
    store<u64>(cpu, load<u64>(cpu, ICOUNT) + 1, SHADOW_AT);
    store<u32>(cpu, 2, SHADOW_KIND);
    return SYS_LEAVE;
  }
  return SYS_NEXT;
}

/** LDS LES LFS LGS LSS. */
function loadFar(cpu: usize, pc: usize, osz: u32, seg: u32): i32 {
  const lin = linearOf(cpu, pc, 0, osz + 2, 0);
  if (failed(cpu)) return SYS_FAILED;
  const kind = accessKind(pc);
  const offset = readMem(cpu, lin, osz, kind);
  if (failed(cpu)) return SYS_FAILED;
  const selector = <u32>readMem(cpu, wrap(cpu, lin + <u64>osz), 2, kind);
  if (failed(cpu)) return SYS_FAILED;
  const r = segmentLoaded(cpu, seg, selector);
  if (r == SYS_FAILED) return r;
  // LSS does not shadow interrupts.
  store<u64>(cpu, u64.MAX_VALUE, SHADOW_AT);
  writeRegister(cpu + (<usize>load<u8>(pc, 4) << 3), osz, offset);
  return r;
}

/** SGDT SIDT LGDT LIDT. Privilege comes before the operand (SDM vol. 2, the order of a privileged instruction's checks). */
function tables(cpu: usize, pc: usize, osz: u32, which: u32): i32 {
  if (which < 2 ? !C.userMayStore(cpu) : !C.privileged(cpu)) return SYS_FAILED;
  const lin = linearOf(cpu, pc, 0, load<u32>(cpu, MODE) == 2 ? 10 : 6, which < 2 ? 1 : 0);
  if (failed(cpu)) return SYS_FAILED;
  switch (which) {
    case 0: C.sgdt(cpu, lin, accessKind(pc)); break;
    case 1: C.sidt(cpu, lin, accessKind(pc)); break;
    case 2: C.lgdt(cpu, lin, osz, accessKind(pc)); break;
    default: C.lidt(cpu, lin, osz, accessKind(pc));
  }
  return outcome(cpu, SYS_NEXT);
}

function invlpg(cpu: usize, pc: usize): i32 {
  if (!C.privileged(cpu)) return SYS_FAILED;
  C.invlpg(cpu, linearOf(cpu, pc, 0, 1, 0));
  return outcome(cpu, SYS_LEAVE);
}

function invpcid(cpu: usize, pc: usize, type: u64): i32 {
  if (!C.privileged(cpu)) return SYS_FAILED;
  const lin = linearOf(cpu, pc, 0, 16, 0);
  if (!failed(cpu)) C.invpcid(cpu, type, lin, accessKind(pc));
  return outcome(cpu, SYS_LEAVE);
}

/** SLDT STR LLDT LTR VERR VERW. */
function group6(cpu: usize, pc: usize, osz: u32, which: u32): i32 {
  if (load<u32>(cpu, PROT) != 1) {
    raise(cpu, VEC_UD);
    return SYS_FAILED;
  }
  if (which < 2) {
    const v = which == 0 ? C.sldt(cpu) : C.str(cpu);
    if (failed(cpu)) return SYS_FAILED;
    if (<u32>load<u8>(pc, 6) != REGISTER) return store16(cpu, pc, <u16>v);
    writeRegister(cpu + <usize>load<u8>(pc, 5), osz, <u64>v);
    return SYS_NEXT;
  }
  // LLDT and LTR check the privilege before they read.
  if (which < 4 && load<u32>(cpu, CPL) != 0) {
    raiseError(cpu, VEC_GP, 0);
    return SYS_FAILED;
  }
  const at = operand(cpu, pc, 2, READ);
  if (at == 0) return SYS_FAILED;
  const selector = <u32>load<u16>(at);
  if (which == 2) lldt(cpu, selector);
  else if (which == 3) ltr(cpu, selector);
  else {
    const ok = which == 4 ? verr(cpu, selector) : verw(cpu, selector);
    if (failed(cpu)) return SYS_FAILED;
    setArith(cpu, (getArith(cpu) & ~ZF) | (ok ? ZF : 0));
  }
  return outcome(cpu, SYS_NEXT);
}

function larLsl(cpu: usize, pc: usize, osz: u32, rights: bool): i32 {
  if (load<u32>(cpu, PROT) != 1) {
    raise(cpu, VEC_UD);
    return SYS_FAILED;
  }
  const at = operand(cpu, pc, 2, READ);
  if (at == 0) return SYS_FAILED;
  const selector = <u32>load<u16>(at);
  const v = rights ? lar(cpu, selector) : lsl(cpu, selector);
  if (failed(cpu)) return SYS_FAILED;
  if (v >= 0) writeRegister(cpu + <usize>load<u8>(pc, 4), osz, <u64>v);
  setArith(cpu, (getArith(cpu) & ~ZF) | (v >= 0 ? ZF : 0));
  return SYS_NEXT;
}

function adjustRpl(cpu: usize, pc: usize, reg: u32): i32 {
  if (load<u32>(cpu, PROT) != 1) {
    raise(cpu, VEC_UD);
    return SYS_FAILED;
  }
  const at = operand(cpu, pc, 2, MODIFY);
  if (at == 0) return SYS_FAILED;
  const r = arpl(cpu, <u32>load<u16>(at), <u32>load<u16>(cpu + (<usize>reg << 3)));
  if (failed(cpu)) return SYS_FAILED;
  if (r >= 0) {
    store<u16>(at, <u16>r);
    if (!finish(cpu, at)) return SYS_FAILED;
  }
  setArith(cpu, (getArith(cpu) & ~ZF) | (r >= 0 ? ZF : 0));
  return SYS_NEXT;
}

function rdtsc(cpu: usize, p: bool): i32 {
  const tsc = p ? C.rdtscp(cpu) : C.rdtsc(cpu);
  if (failed(cpu)) return SYS_FAILED;
  store<u64>(cpu, tsc & 0xffffffff, RAX);
  store<u64>(cpu, tsc >> 32, RDX);
  if (p) store<u64>(cpu, load<u64>(cpu, TSC_AUX) & 0xffffffff, RCX);
  return (load<u32>(VM_INTERCEPT) & INTERCEPT_RDTSC) != 0 ? SYS_ASKED : SYS_NEXT;
}

function portIn(cpu: usize, port: u32, size: u32, immediate: bool): i32 {
  if (!portAccess(cpu, port, size, 0, immediate)) return SYS_FAILED;
  const v = load<u32>(cpu, IO_DATA);
  if (size == 1) store<u8>(cpu, <u8>v, RAX);
  else if (size == 2) store<u16>(cpu, <u16>v, RAX);
  else store<u64>(cpu, <u64>v, RAX);
  return SYS_ASKED;
}

function portOut(cpu: usize, port: u32, size: u32, immediate: bool): i32 {
  const v = load<u32>(cpu, RAX);
  store<u64>(cpu, <u64>(size == 1 ? v & 0xff : size == 2 ? v & 0xffff : v), IO_DATA);
  return portAccess(cpu, port, size, 1, immediate) ? SYS_ASKED : SYS_FAILED;
}

/** VMCALL: an exit; without a hypercall interface the answer is KVM's -KVM_ENOSYS, #GP... from user mode -KVM_EPERM. */
function vmcall(cpu: usize): i32 {
  vmexit(cpu, EXIT_VMCALL, 0);
  store<u64>(cpu, load<u64>(cpu, KS_HYPERCALLS) + 1, KS_HYPERCALLS);
  if (watched(PROBE_KVM_HYPERCALL))
    fire(cpu, PROBE_KVM_HYPERCALL, load<u64>(cpu, RAX), load<u64>(cpu, RBX), load<u64>(cpu, RCX), load<u64>(cpu, RDX), load<u64>(cpu, RSI));
  const answer: i64 = load<u32>(cpu, CPL) != 0 ? -1 : -1000;
  store<u64>(cpu, load<u32>(cpu, MODE) == 2 ? <u64>answer : <u64><u32>answer, RAX);
  vmentry(cpu);
  return SYS_LEAVE;
}

/** FXSAVE FXRSTOR LDMXCSR STMXCSR. */
function fx(cpu: usize, pc: usize, osz: u32, which: u32): i32 {
  const cr0 = load<u64>(cpu, CR0);
  if (which < 2) {
    // EM is #UD, TS #NM.
    if (cr0 & 0xc) {
      raise(cpu, cr0 & 4 ? VEC_UD : 7);
      return SYS_FAILED;
    }
    const lin = linearOf(cpu, pc, 0, 512, which == 0 ? 1 : 0);
    if (failed(cpu)) return SYS_FAILED;
    if (which == 0) fxsave(cpu, lin, osz, accessKind(pc));
    else fxrstor(cpu, lin, osz, accessKind(pc));
    return outcome(cpu, SYS_NEXT);
  }
  if ((cr0 & 4) != 0 || (load<u64>(cpu, CR4) & 0x200) == 0) {
    raise(cpu, VEC_UD);
    return SYS_FAILED;
  }
  if (cr0 & 8) {
    raise(cpu, 7);
    return SYS_FAILED;
  }
  const at = operand(cpu, pc, 4, which == 2 ? READ : WRITE);
  if (at == 0) return SYS_FAILED;
  if (which == 2) {
    ldmxcsr(cpu, load<u32>(at));
    return outcome(cpu, SYS_NEXT);
  }
  store<u32>(at, load<u32>(cpu, MXCSR));
  return finish(cpu, at) ? SYS_NEXT : SYS_FAILED;
}
