/**
 * Model-specific registers: RDMSR and WRMSR.
 *
 * Models SDM vol. 4 (architectural MSRs), vol. 3 section 10.11 (APIC), 11.11 (MTRRs), 11.12 (PAT), 15.3 (machine check), 17.17 (TSC). The local
 * APIC's MSRs (1B, 6E0, 800-8FF) and any that this file does not know are the monitor's, which answers or refuses. Those that KVM hands
 * to the guest do not exit: FS, GS and kernel GS base, SYSENTER_*, reading the TSC. MTRRs and PAT are kept and checked but change nothing:
 * guest memory is coherent. Left out: performance counters and LBR recording.
 */
import { isCanonicalBase } from './canonical';
import { tsc } from './control';
import { cpuidValue, EBX, ECX, EDX } from './cpuid';
import { msr } from './env';
import { EXIT_MSR_READ, EXIT_MSR_WRITE, vmentry, vmexit } from './exits';
import { logValue } from './exit-log';
import { EXC_LEAVE, SEG_FS, SEG_GS, VEC_GP, failed, raiseError } from './fault';
import { modeChanged, PHYS_BITS } from './mmu';
import { fire, watched } from './probe';
import {
  ANSWER, ANSWER_NEXT, ANSWERS, CPL, CR0, CSTAR, DEBUGCTL, EFER, EXC, FEATURE_CONTROL, FMASK, IO_DATA, IO_PORT, IO_SIZE, IO_WRITE,
  KERNEL_GS_BASE, LSTAR, MC_BANKS, MCG_CTL, MCG_STATUS, MISC_ENABLE, MTRR_DEF_TYPE, MTRR_FIXED, MTRR_VAR, PAT, PROBE_KVM_MSR_READ,
  PROBE_KVM_MSR_READ_EX, PROBE_KVM_MSR_WRITE, PROBE_KVM_MSR_WRITE_EX, REGS, RUN_EXIT, SEG_BASE, SPEC_CTRL, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_ADJUST, TSC_AUX, TSC_OFFSET,
} from './state.gen';

const RAX: usize = REGS;
const RCX: usize = REGS + 8;
const RDX: usize = REGS + 16;

const MSR_TSC: u32 = 0x10;
const MSR_PLATFORM_ID: u32 = 0x17;
const MSR_FEATURE_CONTROL: u32 = 0x3a;
const MSR_TSC_ADJUST: u32 = 0x3b;
const MSR_SPEC_CTRL: u32 = 0x48;
const MSR_BIOS_UPDT_TRIG: u32 = 0x79;
const MSR_BIOS_SIGN_ID: u32 = 0x8b;
const MSR_MTRRCAP: u32 = 0xfe;
const MSR_SYSENTER_CS: u32 = 0x174;
const MSR_SYSENTER_ESP: u32 = 0x175;
const MSR_SYSENTER_EIP: u32 = 0x176;
const MSR_MCG_CAP: u32 = 0x179;
const MSR_MCG_STATUS: u32 = 0x17a;
const MSR_MCG_CTL: u32 = 0x17b;
const MSR_MISC_ENABLE: u32 = 0x1a0;
const MSR_DEBUGCTL: u32 = 0x1d9;
const MSR_LAST_BRANCH_FROM: u32 = 0x1db;
const MSR_LAST_INT_TO: u32 = 0x1de;
const MSR_MTRR_PHYS: u32 = 0x200;
const MSR_MTRR_PHYS_LAST: u32 = 0x20f;
const MSR_PAT: u32 = 0x277;
const MSR_MTRR_DEF_TYPE: u32 = 0x2ff;
const MSR_MC: u32 = 0x400;
const MSR_MC_LAST: u32 = 0x427;
const MSR_EFER: u32 = 0xc0000080;
const MSR_STAR: u32 = 0xc0000081;
const MSR_LSTAR: u32 = 0xc0000082;
const MSR_CSTAR: u32 = 0xc0000083;
const MSR_FMASK: u32 = 0xc0000084;
const MSR_FS_BASE: u32 = 0xc0000100;
const MSR_GS_BASE: u32 = 0xc0000101;
const MSR_KERNEL_GS_BASE: u32 = 0xc0000102;
const MSR_TSC_AUX: u32 = 0xc0000103;

const EFER_SCE: u64 = 0x1;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;
const CR0_PG: u64 = 0x80000000;

/** Eight variable ranges, fixed ranges, write-combining. */
const MTRRCAP: u64 = 0x508;
/** Ten banks, IA32_MCG_CTL present. */
const MCG_CAP: u64 = 0x10a;
/** Microcode revision 1, in bits 63:32. */
const MICROCODE: u64 = 0x100000000;
/** Fast strings; branch trace store and PEBS unavailable. */
const MISC_ENABLE_RESET: u64 = 0x1801;
/** Performance monitoring, branch trace store and PEBS (un)available: bits 7, 11, 12. */
const MISC_ENABLE_READ_ONLY: u64 = 0x1880;
/** Fast strings, thermal control (3), EIST (16), MONITOR (18), CPUID limit (22), xTPR disable (23), XD disable (34): SDM vol. 4 table 2-2. */
const MISC_ENABLE_WRITABLE: u64 = 0x400c50009;
/** With it CPUID has no NX, and EFER no NXE. */
export const MISC_XD_DISABLE: u64 = 0x400000000;
const PAT_RESET: u64 = 0x0007040600070406;
const FEATURE_CONTROL_LOCK: u64 = 1;

/** What run() returns for an MSR access that the monitor does not answer itself (vmm/cpu/core.ts RUN.MSR). */
export const RUN_MSR: u32 = 6;

/** MSRs after reset and firmware (SDM vol. 3 table 10-1). */
export function resetMsrs(cpu: usize): void {
  store<u64>(cpu, PAT_RESET, PAT);
  store<u64>(cpu, MISC_ENABLE_RESET, MISC_ENABLE);
  store<u64>(cpu, FEATURE_CONTROL_LOCK, FEATURE_CONTROL);
}

// @ts-ignore: decorator
@inline
function refuse(cpu: usize): void {
  raiseError(cpu, VEC_GP, 0);
}

/** MSRs of KVM's pass-through bit maps. */
function passes(index: u32, write: bool): bool {
  if (index >= MSR_FS_BASE && index <= MSR_KERNEL_GS_BASE) return true;
  if (index >= MSR_SYSENTER_CS && index <= MSR_SYSENTER_EIP) return true;
  return index == MSR_TSC && !write;
}

/** RDMSR. */
export function rdmsr(cpu: usize): void {
  const index = <u32>load<u64>(cpu, RCX);
  if (!enter(cpu, index, false)) return;
  const value = read(cpu, index);
  if (!leave(cpu, index, false, value)) return;
  store<u64>(cpu, value & 0xffffffff, RAX);
  store<u64>(cpu, value >> 32, RDX);
}

/** WRMSR. */
export function wrmsr(cpu: usize): void {
  const index = <u32>load<u64>(cpu, RCX);
  if (!enter(cpu, index, true)) return;
  const value = (load<u64>(cpu, RDX) << 32) | (load<u64>(cpu, RAX) & 0xffffffff);
  write(cpu, index, value);
  leave(cpu, index, true, value);
}

/** Checks privilege and opens the exit, once: an access that left run() comes back with its answer. */
function enter(cpu: usize, index: u32, writing: bool): bool {
  if (load<u32>(cpu, CPL)) {
    refuse(cpu);
    return false;
  }
  if (!passes(index, writing) && !answered(cpu)) vmexit(cpu, writing ? EXIT_MSR_WRITE : EXIT_MSR_READ, 0);
  return true;
}

function leave(cpu: usize, index: u32, writing: bool, value: u64): bool {
  if (!passes(index, writing)) {
    if (writing) written(cpu, index, value);
    else wasRead(cpu, index, value);
    if (!failed(cpu)) logValue(cpu, value);
    if (!answered(cpu)) vmentry(cpu);
  }
  return !failed(cpu);
}

/** The probes of RDMSR's handler, once it is known how it ends: an access that leaves run() is not over. */
function wasRead(cpu: usize, index: u32, value: u64): void {
  if (!failed(cpu)) {
    if (watched(PROBE_KVM_MSR_READ)) fire(cpu, PROBE_KVM_MSR_READ, <u64>index, value);
  } else if (load<u32>(cpu, EXC) != EXC_LEAVE && watched(PROBE_KVM_MSR_READ_EX)) fire(cpu, PROBE_KVM_MSR_READ_EX, <u64>index);
}

function written(cpu: usize, index: u32, value: u64): void {
  if (!failed(cpu)) {
    if (watched(PROBE_KVM_MSR_WRITE)) fire(cpu, PROBE_KVM_MSR_WRITE, <u64>index, value);
  } else if (load<u32>(cpu, EXC) != EXC_LEAVE && watched(PROBE_KVM_MSR_WRITE_EX)) fire(cpu, PROBE_KVM_MSR_WRITE_EX, <u64>index, value);
}

// @ts-ignore: decorator
@inline
function answered(cpu: usize): bool {
  return load<u32>(cpu, ANSWERS) != 0;
}

/** Hands an access to the monitor; its value stands in IO_DATA. */
function elsewhere(cpu: usize, index: u32, writing: u32): void {
  if (answered(cpu)) {
    store<u64>(cpu, load<u64>(cpu, ANSWER), IO_DATA);
    store<u32>(cpu, 1, ANSWER_NEXT);
    return;
  }
  const outcome = msr(cpu, index, writing);
  if (outcome == 0) {
    refuse(cpu);
  } else if (outcome == 2) {
    store<u32>(cpu, index, IO_PORT);
    store<u32>(cpu, 8, IO_SIZE);
    store<u32>(cpu, writing, IO_WRITE);
    store<u32>(cpu, RUN_MSR, RUN_EXIT);
    store<u32>(cpu, EXC_LEAVE, EXC);
  }
}

/** Number of a fixed-range MTRR in MTRR_FIXED, or -1. */
function fixedRange(index: u32): i32 {
  if (index == 0x250) return 0;
  if (index == 0x258 || index == 0x259) return <i32>(index - 0x257);
  return index >= 0x268 && index <= 0x26f ? <i32>(index - 0x265) : -1;
}

function hasTscAdjust(): bool {
  return (cpuidValue(7, 0, EBX) & 0x2) != 0;
}

function hasSpecCtrl(): bool {
  return (cpuidValue(7, 0, EDX) & 0x4000000) != 0;
}

/** RDTSCP and RDPID read it. */
function hasTscAux(): bool {
  return (cpuidValue(0x80000001, 0, EDX) & 0x8000000) != 0 || (cpuidValue(7, 0, ECX) & 0x400000) != 0;
}

function read(cpu: usize, index: u32): u64 {
  if (index >= MSR_MTRR_PHYS && index <= MSR_MTRR_PHYS_LAST) return load<u64>(cpu + (<usize>(index - MSR_MTRR_PHYS) << 3), MTRR_VAR);
  if (index >= MSR_MC && index <= MSR_MC_LAST) return load<u64>(cpu + (<usize>(index - MSR_MC) << 3), MC_BANKS);
  if (index >= MSR_LAST_BRANCH_FROM && index <= MSR_LAST_INT_TO) return 0;
  const fixed = fixedRange(index);
  if (fixed >= 0) return load<u64>(cpu + (<usize>fixed << 3), MTRR_FIXED);
  if (index >= MSR_EFER) return readExtended(cpu, index);
  switch (index) {
    case MSR_TSC: return tsc(cpu);
    case MSR_PLATFORM_ID: return 0;
    case MSR_FEATURE_CONTROL: return load<u64>(cpu, FEATURE_CONTROL);
    case MSR_BIOS_SIGN_ID: return MICROCODE;
    case MSR_MTRRCAP: return MTRRCAP;
    case MSR_SYSENTER_CS: return load<u64>(cpu, SYSENTER_CS);
    case MSR_SYSENTER_ESP: return load<u64>(cpu, SYSENTER_ESP);
    case MSR_SYSENTER_EIP: return load<u64>(cpu, SYSENTER_EIP);
    case MSR_MCG_CAP: return MCG_CAP;
    case MSR_MCG_STATUS: return load<u64>(cpu, MCG_STATUS);
    case MSR_MCG_CTL: return load<u64>(cpu, MCG_CTL);
    case MSR_MISC_ENABLE: return load<u64>(cpu, MISC_ENABLE);
    case MSR_DEBUGCTL: return load<u64>(cpu, DEBUGCTL);
    case MSR_PAT: return load<u64>(cpu, PAT);
    case MSR_MTRR_DEF_TYPE: return load<u64>(cpu, MTRR_DEF_TYPE);
    case MSR_TSC_ADJUST:
      if (hasTscAdjust()) return load<u64>(cpu, TSC_ADJUST);
      break;
    case MSR_SPEC_CTRL:
      if (hasSpecCtrl()) return load<u64>(cpu, SPEC_CTRL);
      break;
    default:
      elsewhere(cpu, index, 0);
      return load<u64>(cpu, IO_DATA);
  }
  refuse(cpu);
  return 0;
}

function readExtended(cpu: usize, index: u32): u64 {
  switch (index) {
    case MSR_EFER: return load<u64>(cpu, EFER);
    case MSR_STAR: return load<u64>(cpu, STAR);
    case MSR_LSTAR: return load<u64>(cpu, LSTAR);
    case MSR_CSTAR: return load<u64>(cpu, CSTAR);
    case MSR_FMASK: return load<u64>(cpu, FMASK);
    case MSR_FS_BASE: return load<u64>(cpu + (<usize>SEG_FS << 5), SEG_BASE);
    case MSR_GS_BASE: return load<u64>(cpu + (<usize>SEG_GS << 5), SEG_BASE);
    case MSR_KERNEL_GS_BASE: return load<u64>(cpu, KERNEL_GS_BASE);
    case MSR_TSC_AUX:
      if (hasTscAux()) return load<u64>(cpu, TSC_AUX);
      refuse(cpu);
      return 0;
    default:
      elsewhere(cpu, index, 0);
      return load<u64>(cpu, IO_DATA);
  }
}

/** A memory type of an MTRR: UC, WC, WT, WP, WB (SDM vol. 3 table 11-8). */
// @ts-ignore: decorator
@inline
function isMemoryType(type: u32): bool {
  return type < 7 && ((0x73 >> type) & 1) != 0;
}

/** Eight bytes, each a memory type; `pat` allows UC- too. */
function areMemoryTypes(value: u64, pat: bool): bool {
  for (let i: u32 = 0; i < 64; i += 8) {
    const type = <u32>(value >> i) & 0xff;
    if (!isMemoryType(type) && !(pat && type == 7)) return false;
  }
  return true;
}

/** Stores a value that has passed its check, or raises #GP(0). */
// @ts-ignore: decorator
@inline
function keep(cpu: usize, at: usize, value: u64, valid: bool): void {
  if (valid) store<u64>(at, value);
  else refuse(cpu);
}

function write(cpu: usize, index: u32, value: u64): void {
  if (index >= MSR_MTRR_PHYS && index <= MSR_MTRR_PHYS_LAST) {
    writeVariableRange(cpu, index - MSR_MTRR_PHYS, value);
    return;
  }
  if (index >= MSR_MC && index <= MSR_MC_LAST) {
    // Error banks can be cleared, not forged; any control value is kept.
    keep(cpu, cpu + MC_BANKS + (<usize>(index - MSR_MC) << 3), value, (index & 3) == 0 || value == 0);
    return;
  }
  const fixed = fixedRange(index);
  if (fixed >= 0) {
    keep(cpu, cpu + MTRR_FIXED + (<usize>fixed << 3), value, areMemoryTypes(value, false));
    return;
  }
  if (index >= MSR_EFER) writeExtended(cpu, index, value);
  else writeLow(cpu, index, value);
}

function writeVariableRange(cpu: usize, n: u32, value: u64): void {
  const outside = value >> PHYS_BITS;
  // Even: base and type; odd: mask and valid bit.
  const valid = outside == 0 && (n & 1 ? (value & 0x7ff) == 0 : (value & 0xf00) == 0 && isMemoryType(<u32>value & 0xff));
  keep(cpu, cpu + MTRR_VAR + (<usize>n << 3), value, valid);
}

function writeLow(cpu: usize, index: u32, value: u64): void {
  switch (index) {
    case MSR_TSC:
      writeTsc(cpu, value - tsc(cpu));
      break;
    case MSR_TSC_ADJUST:
      if (hasTscAdjust()) writeTsc(cpu, value - load<u64>(cpu, TSC_ADJUST));
      else refuse(cpu);
      break;
    case MSR_FEATURE_CONTROL:
      keep(cpu, cpu + FEATURE_CONTROL, value, (load<u64>(cpu, FEATURE_CONTROL) & FEATURE_CONTROL_LOCK) == 0 && value <= 1);
      break;
    case MSR_SPEC_CTRL:
      keep(cpu, cpu + SPEC_CTRL, value, hasSpecCtrl() && (value & ~(<u64>7)) == 0);
      break;
    case MSR_BIOS_UPDT_TRIG:
    case MSR_BIOS_SIGN_ID:
      // No update is ever accepted; the revision is written before CPUID loads it.
      break;
    case MSR_SYSENTER_CS:
      store<u64>(cpu, value & 0xffffffff, SYSENTER_CS);
      break;
    case MSR_SYSENTER_ESP:
      keep(cpu, cpu + SYSENTER_ESP, value, isCanonicalBase(value));
      break;
    case MSR_SYSENTER_EIP:
      keep(cpu, cpu + SYSENTER_EIP, value, isCanonicalBase(value));
      break;
    case MSR_MCG_STATUS:
      keep(cpu, cpu + MCG_STATUS, value, (value & ~(<u64>7)) == 0);
      break;
    case MSR_MCG_CTL:
      keep(cpu, cpu + MCG_CTL, value, value == 0 || value == ~(<u64>0));
      break;
    case MSR_MISC_ENABLE:
      keep(
        cpu, cpu + MISC_ENABLE, (value & MISC_ENABLE_WRITABLE) | (load<u64>(cpu, MISC_ENABLE) & MISC_ENABLE_READ_ONLY),
        (value & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_READ_ONLY)) == 0,
      );
      break;
    case MSR_DEBUGCTL:
      keep(cpu, cpu + DEBUGCTL, value, (value & ~(<u64>3)) == 0);
      break;
    case MSR_PAT:
      keep(cpu, cpu + PAT, value, areMemoryTypes(value, true));
      break;
    case MSR_MTRR_DEF_TYPE:
      keep(cpu, cpu + MTRR_DEF_TYPE, value, (value & ~(<u64>0xcff)) == 0 && isMemoryType(<u32>value & 0xff));
      break;
    case MSR_PLATFORM_ID:
    case MSR_MTRRCAP:
    case MSR_MCG_CAP:
      refuse(cpu);
      break;
    default:
      store<u64>(cpu, value, IO_DATA);
      elsewhere(cpu, index, 1);
  }
}

/**
 * Moves the TSC; TSC_ADJUST moves with it (SDM vol. 3 section 17.17.3). The monitor is told, because an armed TSC deadline moves too; its answer
 * does not matter.
 */
function writeTsc(cpu: usize, delta: u64): void {
  store<u64>(cpu, load<u64>(cpu, TSC_OFFSET) + delta, TSC_OFFSET);
  store<u64>(cpu, load<u64>(cpu, TSC_ADJUST) + delta, TSC_ADJUST);
  store<u64>(cpu, tsc(cpu), IO_DATA);
  msr(cpu, MSR_TSC, 1);
}

function writeExtended(cpu: usize, index: u32, value: u64): void {
  switch (index) {
    case MSR_EFER:
      writeEfer(cpu, value);
      break;
    case MSR_STAR:
      store<u64>(cpu, value, STAR);
      break;
    case MSR_LSTAR:
      keep(cpu, cpu + LSTAR, value, isCanonicalBase(value));
      break;
    case MSR_CSTAR:
      keep(cpu, cpu + CSTAR, value, isCanonicalBase(value));
      break;
    case MSR_FMASK:
      // Bits 63:32 are reserved (SDM vol. 3 figure 5-14).
      keep(cpu, cpu + FMASK, value, value >> 32 == 0);
      break;
    case MSR_FS_BASE:
      keep(cpu, cpu + SEG_BASE + (<usize>SEG_FS << 5), value, isCanonicalBase(value));
      break;
    case MSR_GS_BASE:
      keep(cpu, cpu + SEG_BASE + (<usize>SEG_GS << 5), value, isCanonicalBase(value));
      break;
    case MSR_KERNEL_GS_BASE:
      keep(cpu, cpu + KERNEL_GS_BASE, value, isCanonicalBase(value));
      break;
    case MSR_TSC_AUX:
      keep(cpu, cpu + TSC_AUX, value, hasTscAux() && value >> 32 == 0);
      break;
    default:
      store<u64>(cpu, value, IO_DATA);
      elsewhere(cpu, index, 1);
  }
}

/** EFER bits that CPUID enumerates. */
function eferDefined(cpu: usize): u64 {
  const features = cpuidValue(0x80000001, 0, EDX);
  let bits: u64 = 0;
  if (features & 0x800) bits |= EFER_SCE;
  if ((features & 0x100000) != 0 && (load<u64>(cpu, MISC_ENABLE) & MISC_XD_DISABLE) == 0) bits |= EFER_NXE;
  if (features & 0x20000000) bits |= EFER_LME | EFER_LMA;
  return bits;
}

function writeEfer(cpu: usize, value: u64): void {
  const old = load<u64>(cpu, EFER);
  // LME is fixed while paging is on; LMA is the processor's.
  const paging = (load<u64>(cpu, CR0) & CR0_PG) != 0;
  if (value & ~eferDefined(cpu) || (paging && (value ^ old) & EFER_LME)) {
    refuse(cpu);
    return;
  }
  store<u64>(cpu, (value & ~EFER_LMA) | (old & EFER_LMA), EFER);
  modeChanged(cpu);
}
