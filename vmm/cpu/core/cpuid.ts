/**
 * CPUID.
 *
 * The monitor writes the leaves to VM_CPUID (vmm/cpu/cpuid.ts); this file answers from them as SDM vol. 2, CPUID, says: a basic leaf above the
 * maximum gives the data of the highest basic leaf, and the bits that follow the state of the vCPU are put in here. The table also
 * says which control bits and MSRs exist, so that what is enumerated and what can be enabled never differ.
 */
import { EXIT_CPUID, vmentry, vmexit } from './exits';
import { MISC_XD_DISABLE } from './msr';
import { fire, watched } from './probe';
import { APIC_BASE, CR4, MISC_ENABLE, MODE, PROBE_KVM_CPUID, REGS, VCPU_BASE, VCPU_STRIDE, VM_CPUID, VM_CPUID_COUNT, XCR0 } from './state.gen';

const RAX: usize = REGS;
const RCX: usize = REGS + 8;
const RDX: usize = REGS + 16;
const RBX: usize = REGS + 24;

const ENTRY: usize = 24;
/** Subleaf of an entry that answers for all of them. */
const ANY: u32 = 0xffffffff;
/** Offsets of the registers in an entry. */
export const EAX: usize = 8;
export const EBX: usize = 12;
export const ECX: usize = 16;
export const EDX: usize = 20;

const CR4_OSXSAVE: u64 = 0x40000;
const CR4_PKE: u64 = 0x400000;
const CPUID7_ECX_OSPKE: u32 = 1 << 4;
const CPUID1_ECX_OSXSAVE: u32 = 1 << 27;
const CPUID1_EDX_APIC: u32 = 1 << 9;
const CPUID80000001_EDX_SYSCALL: u32 = 1 << 11;
const CPUID80000001_EDX_NX: u32 = 1 << 20;
const APIC_BASE_ENABLE: u64 = 0x800;
/** IA32_MISC_ENABLE bit 22: the maximum basic leaf is 2. */
const MISC_LIMIT_CPUID: u64 = 0x400000;
/** Legacy region and header of the XSAVE area. */
const XSAVE_BASE: u32 = 576;

/** The entry of a leaf and subleaf, or 0. */
function entry(leaf: u32, subleaf: u32): usize {
  const end = VM_CPUID + <usize>load<u32>(VM_CPUID_COUNT) * ENTRY;
  for (let at = VM_CPUID; at < end; at += ENTRY) {
    if (load<u32>(at) != leaf) continue;
    const sub = load<u32>(at, 4);
    if (sub == subleaf || sub == ANY) return at;
  }
  return 0;
}

/** One register of a leaf as the table has it; 0 when the leaf is not there. */
export function cpuidValue(leaf: u32, subleaf: u32, register: usize): u32 {
  const at = entry(leaf, subleaf);
  return at ? load<u32>(at + register) : 0;
}

/** CPUID: an exit, then the answer in EAX, EBX, ECX, EDX. */
export function cpuid(cpu: usize): void {
  vmexit(cpu, EXIT_CPUID, 0);
  const leaf = <u32>load<u64>(cpu, RAX);
  const subleaf = <u32>load<u64>(cpu, RCX);
  answer(cpu, leaf, subleaf);
  if (watched(PROBE_KVM_CPUID))
    fire(cpu, PROBE_KVM_CPUID, <u64>leaf, <u64>subleaf, load<u64>(cpu, RAX), load<u64>(cpu, RBX), load<u64>(cpu, RCX), load<u64>(cpu, RDX));
  vmentry(cpu);
}

function maximum(cpu: usize): u32 {
  const highest = cpuidValue(0, 0, EAX);
  return load<u64>(cpu, MISC_ENABLE) & MISC_LIMIT_CPUID && highest > 2 ? 2 : highest;
}

function answer(cpu: usize, leaf: u32, subleaf: u32): void {
  const highest = maximum(cpu);
  const extended = cpuidValue(0x80000000, 0, EAX);
  if (leaf < 0x80000000 ? leaf > highest : leaf > extended) leaf = highest;
  const at = entry(leaf, subleaf);
  let eax: u32 = 0;
  let ebx: u32 = 0;
  let ecx: u32 = 0;
  let edx: u32 = 0;
  if (at) {
    eax = load<u32>(at + EAX);
    ebx = load<u32>(at + EBX);
    ecx = load<u32>(at + ECX);
    edx = load<u32>(at + EDX);
  }
  // The table serves all vCPUs; their APIC identifiers are their numbers.
  const id = <u32>((cpu - VCPU_BASE) / VCPU_STRIDE);
  switch (leaf) {
    case 0:
      eax = highest;
      break;
    case 1:
      ebx = (ebx & 0xffffff) | (id << 24);
      ecx = load<u64>(cpu, CR4) & CR4_OSXSAVE ? ecx | CPUID1_ECX_OSXSAVE : ecx & ~CPUID1_ECX_OSXSAVE;
      if ((load<u64>(cpu, APIC_BASE) & APIC_BASE_ENABLE) == 0) edx &= ~CPUID1_EDX_APIC;
      break;
    case 7:
      if (subleaf == 0 && load<u64>(cpu, CR4) & CR4_PKE) ecx |= CPUID7_ECX_OSPKE;
      break;
    case 0xb:
      // ECX[7:0] echoes the subleaf, EDX is the x2APIC identifier, also for levels that are not there.
      ecx = (ecx & ~0xff) | (subleaf & 0xff);
      edx = id;
      break;
    case 0xd:
      if (eax | ebx | ecx | edx) {
        if (subleaf == 0) ebx = xsaveSize(load<u64>(cpu, XCR0));
        else if (subleaf == 1 && eax & 2) ebx = compactSize(load<u64>(cpu, XCR0));
      }
      break;
    case 0x80000001:
      // Intel: SYSCALL is there only in 64-bit mode.
      if (load<u32>(cpu, MODE) != 2) edx &= ~CPUID80000001_EDX_SYSCALL;
      if (load<u64>(cpu, MISC_ENABLE) & MISC_XD_DISABLE) edx &= ~CPUID80000001_EDX_NX;
      break;
    default:
      break;
  }
  store<u64>(cpu, <u64>eax, RAX);
  store<u64>(cpu, <u64>ebx, RBX);
  store<u64>(cpu, <u64>ecx, RCX);
  store<u64>(cpu, <u64>edx, RDX);
}

/** Bytes of the standard XSAVE area for the components in `enabled` (SDM vol. 1 section 13.4.3). */
function xsaveSize(enabled: u64): u32 {
  let size = XSAVE_BASE;
  for (let i: u32 = 2; i < 63; i++) {
    if (!((enabled >> i) & 1)) continue;
    const end = cpuidValue(0xd, i, EAX) + cpuidValue(0xd, i, EBX);
    if (end > size) size = end;
  }
  return size;
}

/** The same in compacted format (section 13.4.3); bit 1 of a component's ECX aligns it to 64 bytes. */
function compactSize(enabled: u64): u32 {
  let size = XSAVE_BASE;
  for (let i: u32 = 2; i < 63; i++) {
    if (!((enabled >> i) & 1)) continue;
    if (cpuidValue(0xd, i, ECX) & 2) size = (size + 63) & ~63;
    size += cpuidValue(0xd, i, EAX);
  }
  return size;
}
