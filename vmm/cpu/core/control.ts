/**
 * Control and debug registers, descriptor-table registers, and the privileged instructions around them.
 *
 * Models SDM vol. 3 sections 2.5 (control registers), 4.1 and 4.10.4 (paging modes, TLB invalidation), 17.2 (debug registers), 2.6 (XCR0) and
 * vol. 2: MOV CR, MOV DR, LMSW, SMSW, CLTS, LGDT, LIDT, SGDT, SIDT, SLDT, STR, INVLPG, INVPCID, SWAPGS, XGETBV, XSETBV, INVD,
 * WBINVD, RDTSC, RDTSCP, RDPMC, MONITOR, MWAIT, CLI, STI, PUSHF, POPF. Privilege is checked here. The VM exits are those of KVM on VMX
 * with EPT, unrestricted guest and TPR shadow: an exit comes after privilege checks and before the checks of the value (section 26.1.1).
 * A bit of CR4 can be set when CPUID enumerates its feature. The TLB flush for changed paging bits is `modeChanged`'s.
 * The TLB has no tags for PCIDs: only the entries of the current one are kept, so a CR3 load that changes the PCID drops all that are not global
 * whatever its bit 63 says, and INVPCID finds nothing of the others. Left out: CET, LAM.
 */
import { isCanonicalBase } from './canonical';
import { cpuidValue, EAX, EBX, ECX, EDX } from './cpuid';
import { tprWritten } from './env';
import {
  EXIT_CR_ACCESS, EXIT_DR_ACCESS, EXIT_INVD, EXIT_INVLPG, EXIT_RDPMC, EXIT_RDTSC, EXIT_WBINVD, EXIT_XSETBV, vmentry, vmexit,
} from './exits';
import { logValue } from './exit-log';
import { AC } from './flags';
import { SEG_GS, SEG_LDTR, SEG_CS, SEG_TR, VEC_GP, VEC_UD, failed, raise, raiseDebug, raiseError } from './fault';
import { A_WRITE, chooseTlb, loadPdptes, modeChanged, PHYS_BITS, probeWrite, readMem, setPkru, tlbFlush, tlbInvlpg, vexChanged, writeMem } from './mmu';
import { fire, watched } from './probe';
import { AR_L, protectedOnly, wrap } from './segment';
import {
  CLOCK_OFFSET, CPL, CR0, CR2, CR3, CR4, CR8, DR, EFER, GDTR_BASE, GDTR_LIMIT, ICOUNT, IDTR_BASE, IDTR_LIMIT, INTERCEPT_CR3, INTERCEPT_CR8,
  INTERCEPT_DR, INTERCEPT_INVLPG, INTERCEPT_RDTSC, KERNEL_GS_BASE, LONG, MODE, PROBE_KVM_CR, PROBE_KVM_CR_READ, PROBE_KVM_CR_WRITE, PKRU, REGS, RFLAGS,
  SEG_AR, SEG_BASE, SEG_SEL, TSC_OFFSET, VM_INTERCEPT, XCR0,
} from './state.gen';
import { xinuseWithMxcsr } from './xsave';

const RAX: usize = REGS;
const RCX: usize = REGS + 8;
const RDX: usize = REGS + 16;

export const CR0_PE: u64 = 0x1;
export const CR0_MP: u64 = 0x2;
export const CR0_EM: u64 = 0x4;
export const CR0_TS: u64 = 0x8;
export const CR0_ET: u64 = 0x10;
export const CR0_NE: u64 = 0x20;
export const CR0_WP: u64 = 0x10000;
export const CR0_AM: u64 = 0x40000;
export const CR0_NW: u64 = 0x20000000;
export const CR0_CD: u64 = 0x40000000;
export const CR0_PG: u64 = 0x80000000;
const CR0_DEFINED: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

export const CR4_VME: u64 = 0x1;
export const CR4_PVI: u64 = 0x2;
export const CR4_TSD: u64 = 0x4;
export const CR4_DE: u64 = 0x8;
export const CR4_PSE: u64 = 0x10;
export const CR4_PAE: u64 = 0x20;
export const CR4_MCE: u64 = 0x40;
export const CR4_PGE: u64 = 0x80;
export const CR4_PCE: u64 = 0x100;
export const CR4_OSFXSR: u64 = 0x200;
export const CR4_OSXMMEXCPT: u64 = 0x400;
export const CR4_UMIP: u64 = 0x800;
export const CR4_LA57: u64 = 0x1000;
export const CR4_FSGSBASE: u64 = 0x10000;
export const CR4_PCIDE: u64 = 0x20000;
export const CR4_OSXSAVE: u64 = 0x40000;
export const CR4_SMEP: u64 = 0x100000;
export const CR4_SMAP: u64 = 0x200000;
export const CR4_PKE: u64 = 0x400000;

/** Bits that the guest owns (kstats.md): changing another one exits. */
const CR0_GUEST_OWNED: u64 = CR0_TS;
const CR4_GUEST_OWNED: u64 = CR4_PVI | CR4_DE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE | CR4_TSD | CR4_FSGSBASE;

const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;

/** Access types of the CR exit qualification (SDM vol. 3 table 28-3). */
const TO_CR: u64 = 0;
const FROM_CR: u64 = 1;
const BY_LMSW: u64 = 3;

/** DR6 and DR7: bits that can be set, bits that read as 1 (section 17.2). */
const DR6_WRITABLE: u64 = 0xe00f;
const DR6_FIXED: u64 = 0xffff0ff0;
const DR6_BD: u64 = 0x2000;
const DR7_WRITABLE: u64 = 0xffff23ff;
const DR7_FIXED: u64 = 0x400;
const DR7_GD: u64 = 0x2000;
const DR7_ENABLES: u64 = 0xff;

/** RDTSCP exits under RDTSC's control, INVPCID under INVLPG's, with their own numbers (appendix C). */
const EXIT_RDTSCP: u32 = 51;
const EXIT_INVPCID: u32 = 58;

/** #GP(0) unless CPL is 0. */
// @ts-ignore: decorator
@inline
export function privileged(cpu: usize): bool {
  if (load<u32>(cpu, CPL) == 0) return true;
  raiseError(cpu, VEC_GP, 0);
  return false;
}

// @ts-ignore: decorator
@inline
function protect(cpu: usize): void {
  raiseError(cpu, VEC_GP, 0);
}

// @ts-ignore: decorator
@inline
function intercepts(bit: u32): bool {
  return (load<u32>(VM_INTERCEPT) & bit) != 0;
}

/** An exit whose handler takes no modelled time of its own. */
function exit(cpu: usize, reason: u32, qualification: u64): void {
  vmexit(cpu, reason, qualification);
  vmentry(cpu);
}

// ---- control registers ----

/** A CR_ACCESS exit, with the probes of its handler: what is moved is `value`. */
function crExit(cpu: usize, qualification: u64, value: u64): void {
  vmexit(cpu, EXIT_CR_ACCESS, qualification);
  logValue(cpu, value);
  const cr = qualification & 15;
  const operation = (qualification >> 4) & 3;
  if (watched(PROBE_KVM_CR)) fire(cpu, PROBE_KVM_CR, cr, (qualification >> 8) & 15, operation);
  if (operation == FROM_CR) {
    if (watched(PROBE_KVM_CR_READ)) fire(cpu, PROBE_KVM_CR_READ, cr, value);
  } else if (watched(PROBE_KVM_CR_WRITE)) fire(cpu, PROBE_KVM_CR_WRITE, cr, value);
  vmentry(cpu);
}

/** MOV from CR0, CR2, CR3, CR4 or CR8; `reg` is the destination's number. */
export function movFromCr(cpu: usize, cr: u32, reg: u32 = 0): u64 {
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) {
    raise(cpu, VEC_UD);
    return 0;
  }
  if (!privileged(cpu)) return 0;
  if ((cr == 3 && intercepts(INTERCEPT_CR3)) || (cr == 8 && intercepts(INTERCEPT_CR8)))
    crExit(cpu, crQualification(cr, FROM_CR, reg), cr == 3 ? load<u64>(cpu, CR3) : load<u64>(cpu, CR8));
  switch (cr) {
    case 0: return load<u64>(cpu, CR0);
    case 2: return load<u64>(cpu, CR2);
    case 3: return load<u64>(cpu, CR3);
    case 4: return load<u64>(cpu, CR4);
    default: return load<u64>(cpu, CR8);
  }
}

// @ts-ignore: decorator
@inline
function crQualification(cr: u32, type: u64, reg: u32): u64 {
  return <u64>cr | (type << 4) | (<u64>reg << 8);
}

/** MOV to CR0, CR2, CR3, CR4 or CR8; `reg` is the source's number. Outside 64-bit mode `value` has 32 bits. */
export function movToCr(cpu: usize, cr: u32, value: u64, reg: u32 = 0): void {
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) {
    raise(cpu, VEC_UD);
    return;
  }
  if (!privileged(cpu)) return;
  const qualification = crQualification(cr, TO_CR, reg);
  switch (cr) {
    case 0:
      if ((value ^ load<u64>(cpu, CR0)) & ~CR0_GUEST_OWNED) crExit(cpu, qualification, value);
      setCr0(cpu, value);
      break;
    case 2:
      store<u64>(cpu, value, CR2);
      break;
    case 3:
      if (intercepts(INTERCEPT_CR3)) crExit(cpu, qualification, value);
      setCr3(cpu, value);
      break;
    case 4:
      if ((value ^ load<u64>(cpu, CR4)) & ~CR4_GUEST_OWNED) crExit(cpu, qualification, value);
      setCr4(cpu, value);
      break;
    default:
      if (intercepts(INTERCEPT_CR8)) crExit(cpu, qualification, value);
      setCr8(cpu, value);
  }
}

function setCr0(cpu: usize, value: u64): void {
  const old = load<u64>(cpu, CR0);
  const cr4 = load<u64>(cpu, CR4);
  let efer = load<u64>(cpu, EFER);
  const paging = (value & CR0_PG) != 0;
  if (value >> 32 || (paging && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) {
    protect(cpu);
    return;
  }
  // Undefined bits are ignored and read as 0; ET is fixed.
  value = (value & CR0_DEFINED) | CR0_ET;
  const changed = value ^ old;
  const cs = load<u32>(cpu + (<usize>SEG_CS << 5), SEG_AR);
  if (changed & CR0_PG) {
    if (paging && efer & EFER_LME) {
      // Into IA-32e mode (section 10.8.5): PAE is set, CS is not 64-bit, TR not a 16-bit TSS.
      const tss16 = (load<u32>(cpu + (<usize>SEG_TR << 5), SEG_AR) & 0x1000d) == 1;
      if (!(cr4 & CR4_PAE) || cs & AR_L || tss16) {
        protect(cpu);
        return;
      }
      efer |= EFER_LMA;
    } else if (!paging) {
      if (cr4 & CR4_PCIDE || (efer & EFER_LMA && cs & AR_L)) {
        protect(cpu);
        return;
      }
      efer &= ~EFER_LMA;
    }
  }
  const reload = changed & (CR0_PG | CR0_CD | CR0_NW);
  if (reload && paging && cr4 & CR4_PAE && !(efer & EFER_LMA) && !loadPdptes(cpu, load<u64>(cpu, CR3))) return;
  store<u64>(cpu, value, CR0);
  store<u64>(cpu, efer, EFER);
  modeChanged(cpu);
}

function setCr3(cpu: usize, value: u64): void {
  const cr4 = load<u64>(cpu, CR4);
  let keep = false;
  if (load<u32>(cpu, LONG)) {
    // Bit 63 of the source asks to keep the entries of the new PCID (SDM vol. 3 section 4.10.4.1); it is not kept itself.
    if (cr4 & CR4_PCIDE) {
      keep = value >> 63 != 0 && ((value ^ load<u64>(cpu, CR3)) & 0xfff) == 0;
      value &= ~(<u64>1 << 63);
    }
    if (value >> PHYS_BITS) {
      protect(cpu);
      return;
    }
  } else if (load<u64>(cpu, CR0) & CR0_PG && cr4 & CR4_PAE && !loadPdptes(cpu, value)) {
    return;
  }
  store<u64>(cpu, value, CR3);
  if (!keep) tlbFlush(cpu, false);
}

/** CR4 bits that CPUID enumerates a feature for. */
function cr4Defined(): u64 {
  const features = cpuidValue(1, 0, EDX);
  const more = cpuidValue(1, 0, ECX);
  const structured = cpuidValue(7, 0, EBX);
  let bits = CR4_PCE;
  if (features & 0x2) bits |= CR4_VME | CR4_PVI;
  if (features & 0x4) bits |= CR4_DE;
  if (features & 0x8) bits |= CR4_PSE;
  if (features & 0x10) bits |= CR4_TSD;
  if (features & 0x40) bits |= CR4_PAE;
  if (features & 0x80) bits |= CR4_MCE;
  if (features & 0x2000) bits |= CR4_PGE;
  if (features & 0x1000000) bits |= CR4_OSFXSR;
  if (features & 0x2000000) bits |= CR4_OSXMMEXCPT;
  if (more & 0x20000) bits |= CR4_PCIDE;
  if (more & 0x4000000) bits |= CR4_OSXSAVE;
  if (structured & 0x1) bits |= CR4_FSGSBASE;
  if (structured & 0x80) bits |= CR4_SMEP;
  if (structured & 0x100000) bits |= CR4_SMAP;
  const newer = cpuidValue(7, 0, ECX);
  if (newer & 0x4) bits |= CR4_UMIP;
  if (newer & 0x8) bits |= CR4_PKE;
  if (newer & 0x10000) bits |= CR4_LA57;
  return bits;
}

function setCr4(cpu: usize, value: u64): void {
  const old = load<u64>(cpu, CR4);
  const changed = value ^ old;
  const long = load<u32>(cpu, LONG) != 0;
  const cr3 = load<u64>(cpu, CR3);
  const pcid = changed & value & CR4_PCIDE;
  // PAE and LA57 are fixed in IA-32e mode (section 4.1.2).
  const fixed = long && (!(value & CR4_PAE) || (changed & CR4_LA57) != 0);
  if (value & ~cr4Defined() || fixed || (pcid && (!long || cr3 & 0xfff))) {
    protect(cpu);
    return;
  }
  const reload = changed & (CR4_PGE | CR4_PSE | CR4_PAE | CR4_SMEP);
  if (reload && value & CR4_PAE && load<u64>(cpu, CR0) & CR0_PG && !long && !loadPdptes(cpu, cr3)) return;
  store<u64>(cpu, value, CR4);
  modeChanged(cpu);
  if (changed & old & CR4_PCIDE) tlbFlush(cpu, true);
}

function setCr8(cpu: usize, value: u64): void {
  if (value >> 4) {
    protect(cpu);
    return;
  }
  store<u64>(cpu, value, CR8);
  tprWritten(cpu, <i32>(value << 4));
}

/** LMSW. `memory` is the operand's linear address when it is in memory (`fromMemory`). */
export function lmsw(cpu: usize, word: u32, fromMemory: u32 = 0): void {
  if (!privileged(cpu)) return;
  const old = load<u64>(cpu, CR0);
  // MP, EM and TS are loaded; PE can be set but not cleared.
  const value = (old & ~(<u64>14)) | <u64>(word & 15);
  if ((value ^ old) & ~CR0_GUEST_OWNED) {
    crExit(cpu, (BY_LMSW << 4) | (fromMemory ? 0x40 : 0) | (<u64>(word & 0xffff) << 16), value);
  }
  setCr0(cpu, value);
}

/** CLTS. TS is the guest's own: no exit. */
export function clts(cpu: usize): void {
  if (!privileged(cpu)) return;
  store<u64>(cpu, load<u64>(cpu, CR0) & ~CR0_TS, CR0);
  vexChanged(cpu);
}

/** STAC (`set`) and CLAC; #UD above CPL 0. */
export function setAc(cpu: usize, set: bool): void {
  if (load<u32>(cpu, CPL)) {
    raise(cpu, VEC_UD);
    return;
  }
  const flags = load<u32>(cpu, RFLAGS);
  store<u32>(cpu, set ? flags | AC : flags & ~AC, RFLAGS);
  chooseTlb(cpu);
}

/** RDPKRU: #UD without CR4.PKE, #GP(0) when ECX is not 0. */
export function rdpkru(cpu: usize): void {
  if (!protectionKeys(cpu)) return;
  if (load<u32>(cpu, RCX)) {
    protect(cpu);
    return;
  }
  store<u64>(cpu, load<u64>(cpu, PKRU), RAX);
  store<u64>(cpu, 0, RDX);
}

/** WRPKRU: the same, and EDX must be 0. Any CPL. */
export function wrpkru(cpu: usize): void {
  if (!protectionKeys(cpu)) return;
  if (load<u32>(cpu, RCX) | load<u32>(cpu, RDX)) {
    protect(cpu);
    return;
  }
  setPkru(cpu, <u64>load<u32>(cpu, RAX));
}

function protectionKeys(cpu: usize): bool {
  if (load<u64>(cpu, CR4) & CR4_PKE) return true;
  raise(cpu, VEC_UD);
  return false;
}

/** CR4.UMIP: SGDT, SIDT, SLDT, SMSW and STR are #GP(0) above CPL 0. */
export function userMayStore(cpu: usize): bool {
  if (load<u32>(cpu, CPL) == 0 || !(load<u64>(cpu, CR4) & CR4_UMIP)) return true;
  protect(cpu);
  return false;
}

/** Value that SMSW stores (16 bits to memory, the operand's size to a register). */
export function smsw(cpu: usize): u64 {
  return userMayStore(cpu) ? load<u64>(cpu, CR0) : 0;
}

/** Value that SLDT stores. */
export function sldt(cpu: usize): u32 {
  if (!protectedOnly(cpu) || !userMayStore(cpu)) return 0;
  return <u32>load<u16>(cpu + (<usize>SEG_LDTR << 5), SEG_SEL);
}

/** Value that STR stores. */
export function str(cpu: usize): u32 {
  if (!protectedOnly(cpu) || !userMayStore(cpu)) return 0;
  return <u32>load<u16>(cpu + (<usize>SEG_TR << 5), SEG_SEL);
}

// ---- descriptor-table registers ----

/** LGDT; `lin` is the linear address of the operand, `osz` the operand size outside 64-bit mode. */
export function lgdt(cpu: usize, lin: u64, osz: u32, kind: u32): void {
  loadTable(cpu, lin, osz, kind, GDTR_BASE, GDTR_LIMIT);
}

/** LIDT. */
export function lidt(cpu: usize, lin: u64, osz: u32, kind: u32): void {
  loadTable(cpu, lin, osz, kind, IDTR_BASE, IDTR_LIMIT);
}

function loadTable(cpu: usize, lin: u64, osz: u32, kind: u32, baseField: usize, limitField: usize): void {
  if (!privileged(cpu)) return;
  const wide = load<u32>(cpu, MODE) == 2;
  const limit = <u32>readMem(cpu, lin, 2, kind);
  if (failed(cpu)) return;
  let base = readMem(cpu, wrap(cpu, lin + 2), wide ? 8 : 4, kind);
  if (failed(cpu)) return;
  if (wide) {
    if (!isCanonicalBase(base)) {
      protect(cpu);
      return;
    }
  } else if (osz == 2) {
    base &= 0xffffff;
  }
  store<u64>(cpu + baseField, base);
  store<u32>(cpu + limitField, limit);
}

/** SGDT; processors since the 80386 store the whole base whatever the operand size. */
export function sgdt(cpu: usize, lin: u64, kind: u32): void {
  storeTable(cpu, lin, kind, load<u64>(cpu, GDTR_BASE), load<u32>(cpu, GDTR_LIMIT));
}

/** SIDT. */
export function sidt(cpu: usize, lin: u64, kind: u32): void {
  storeTable(cpu, lin, kind, load<u64>(cpu, IDTR_BASE), load<u32>(cpu, IDTR_LIMIT));
}

function storeTable(cpu: usize, lin: u64, kind: u32, base: u64, limit: u32): void {
  if (!userMayStore(cpu)) return;
  const size: u32 = load<u32>(cpu, MODE) == 2 ? 8 : 4;
  probeWrite(cpu, lin, size + 2, A_WRITE | kind);
  if (failed(cpu)) return;
  writeMem(cpu, lin, 2, <u64>limit, 0);
  if (failed(cpu)) return;
  writeMem(cpu, wrap(cpu, lin + 2), size, base, 0);
}

// ---- debug registers ----

/** Any breakpoint of DR7 is enabled. */
export function debugActive(cpu: usize): bool {
  return (load<u64>(cpu, DR + 56) & DR7_ENABLES) != 0;
}

/** The register that MOV DR names, after its checks, or -1. The exit comes before all of them (section 26.1.3). */
function debugRegister(cpu: usize, dr: u32, qualification: u64): i32 {
  if (intercepts(INTERCEPT_DR)) exit(cpu, EXIT_DR_ACCESS, qualification);
  // DR4 and DR5 are DR6 and DR7 unless debugging extensions are on.
  const alias = dr == 4 || dr == 5;
  if (dr > 7 || (alias && load<u64>(cpu, CR4) & CR4_DE)) {
    raise(cpu, VEC_UD);
    return -1;
  }
  if (!privileged(cpu)) return -1;
  if (load<u64>(cpu, DR + 56) & DR7_GD) {
    raiseDebug(cpu, DR6_BD);
    return -1;
  }
  return <i32>(alias ? dr + 2 : dr);
}

/** MOV from DR0-DR7; `reg` is the destination's number. */
export function movFromDr(cpu: usize, dr: u32, reg: u32 = 0): u64 {
  const n = debugRegister(cpu, dr, <u64>dr | 0x10 | (<u64>reg << 8));
  return n < 0 ? 0 : load<u64>(cpu + (<usize>n << 3), DR);
}

/** MOV to DR0-DR7; `reg` is the source's number. */
export function movToDr(cpu: usize, dr: u32, value: u64, reg: u32 = 0): void {
  const n = debugRegister(cpu, dr, <u64>dr | (<u64>reg << 8));
  if (n < 0) return;
  if (n >= 6) {
    if (value >> 32) {
      protect(cpu);
      return;
    }
    value = n == 6 ? (value & DR6_WRITABLE) | DR6_FIXED : (value & DR7_WRITABLE) | DR7_FIXED;
  }
  store<u64>(cpu + (<usize>n << 3), value, DR);
  // Data breakpoints choose the TLB.
  if (n == 7) modeChanged(cpu);
}

// ---- TLB and caches ----

/** INVLPG of a linear address. */
export function invlpg(cpu: usize, lin: u64): void {
  if (!privileged(cpu)) return;
  if (intercepts(INTERCEPT_INVLPG)) exit(cpu, EXIT_INVLPG, lin);
  if (load<u32>(cpu, MODE) != 2 || isCanonicalBase(lin)) tlbInvlpg(cpu, lin);
}

/** INVPCID; `lin` is the linear address of the 16-byte descriptor, accessed as `kind`. Privilege has been checked. */
export function invpcid(cpu: usize, type: u64, lin: u64, kind: u32): void {
  // The qualification would be the displacement, which nobody asks for.
  if (intercepts(INTERCEPT_INVLPG)) exit(cpu, EXIT_INVPCID, 0);
  const pcid = readMem(cpu, lin, 8, kind);
  if (failed(cpu)) return;
  const address = readMem(cpu, wrap(cpu, lin + 8), 8, kind);
  if (failed(cpu)) return;
  const single = type < 2;
  const foreign = pcid != 0 && !(load<u64>(cpu, CR4) & CR4_PCIDE);
  if (type > 3 || pcid >> 12 || (single && foreign) || (type == 0 && !isCanonicalBase(address))) {
    protect(cpu);
    return;
  }
  // 0: an address of a PCID, 1: a PCID, 2: everything, 3: everything but global entries.
  const here = load<u64>(cpu, CR3) & 0xfff;
  const foreignNow = single && load<u64>(cpu, CR4) & CR4_PCIDE && pcid != here;
  if (foreignNow) return;
  if (type == 0) tlbInvlpg(cpu, address);
  else tlbFlush(cpu, type == 2);
}

/** WBINVD: memory is coherent, so that only the exit remains. */
export function wbinvd(cpu: usize): void {
  if (privileged(cpu)) exit(cpu, EXIT_WBINVD, 0);
}

/** INVD. */
export function invd(cpu: usize): void {
  if (privileged(cpu)) exit(cpu, EXIT_INVD, 0);
}

// ---- the rest ----

/** SWAPGS. */
export function swapgs(cpu: usize): void {
  if (load<u32>(cpu, MODE) != 2) {
    raise(cpu, VEC_UD);
    return;
  }
  if (!privileged(cpu)) return;
  const gs = cpu + (<usize>SEG_GS << 5);
  const base = load<u64>(gs, SEG_BASE);
  store<u64>(gs, load<u64>(cpu, KERNEL_GS_BASE), SEG_BASE);
  store<u64>(cpu, base, KERNEL_GS_BASE);
}

function xsaveEnabled(cpu: usize): bool {
  if (load<u64>(cpu, CR4) & CR4_OSXSAVE) return true;
  raise(cpu, VEC_UD);
  return false;
}

/** XSETBV: always an exit. */
export function xsetbv(cpu: usize): void {
  if (!xsaveEnabled(cpu) || !privileged(cpu)) return;
  exit(cpu, EXIT_XSETBV, 0);
  const value = (load<u64>(cpu, RDX) << 32) | (load<u64>(cpu, RAX) & 0xffffffff);
  const defined = (<u64>cpuidValue(0xd, 0, EDX) << 32) | <u64>cpuidValue(0xd, 0, EAX);
  // x87 state cannot be disabled; AVX needs SSE.
  if (<u32>load<u64>(cpu, RCX) != 0 || value & ~defined || !(value & 1) || (value & 6) == 4) {
    protect(cpu);
    return;
  }
  store<u64>(cpu, value, XCR0);
  vexChanged(cpu);
}

/** XGETBV of XCR0, and of XCR0 & XINUSE where enumerated. */
export function xgetbv(cpu: usize): void {
  if (!xsaveEnabled(cpu)) return;
  const register = <u32>load<u64>(cpu, RCX);
  if (register > 1 || (register == 1 && !(cpuidValue(0xd, 1, EAX) & 4))) {
    protect(cpu);
    return;
  }
  const value = register == 0 ? load<u64>(cpu, XCR0) : load<u64>(cpu, XCR0) & xinuseWithMxcsr(cpu);
  store<u64>(cpu, value & 0xffffffff, RAX);
  store<u64>(cpu, value >> 32, RDX);
}

/** The time-stamp counter: the VM's clock, moved by what the guest wrote. */
// @ts-ignore: decorator
@inline
export function tsc(cpu: usize): u64 {
  return load<u64>(cpu, ICOUNT) + load<u64>(cpu, CLOCK_OFFSET) + load<u64>(cpu, TSC_OFFSET);
}

function readTsc(cpu: usize, reason: u32): u64 {
  if (load<u64>(cpu, CR4) & CR4_TSD && load<u32>(cpu, CPL)) {
    protect(cpu);
    return 0;
  }
  if (intercepts(INTERCEPT_RDTSC)) exit(cpu, reason, 0);
  return tsc(cpu);
}

/** Value of RDTSC. */
export function rdtsc(cpu: usize): u64 {
  return readTsc(cpu, EXIT_RDTSC);
}

/** Value of RDTSCP, without TSC_AUX. */
export function rdtscp(cpu: usize): u64 {
  return readTsc(cpu, EXIT_RDTSCP);
}

/** RDPMC: KVM intercepts it; there are no counters. */
export function rdpmc(cpu: usize): void {
  if (load<u32>(cpu, CPL) == 0 || load<u64>(cpu, CR4) & CR4_PCE) exit(cpu, EXIT_RDPMC, 0);
  protect(cpu);
}

/** MONITOR and MWAIT are not enumerated. */
export function monitor(cpu: usize): void {
  raise(cpu, VEC_UD);
}

export function mwait(cpu: usize): void {
  raise(cpu, VEC_UD);
}
