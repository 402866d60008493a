/**
 * VM exits: the one place where every exit is numbered, counted, timed and recorded.
 *
 * `vmexit` opens an exit (SDM vol. 3 appendix C gives the reasons, section 28.2 the qualifications); `vmentry` closes it, once
 * the handler has run, with its modelled cost: VM_EXIT_COST[reason] plus what the handler left in EXIT_EXTRA. The cost moves the
 * VM's clock, so the time between an exit and the next entry means something, and repeats.
 *
 * Between an exit and the entry that follows it OUTSIDE is set: the guest does not run. The entry (`enterGuest`) is where the next instruction
 * is about to run or an event about to be delivered, after everything that the monitor does first: the emulated instruction has retired,
 * deadlines that passed have fired, an interrupt to inject was chosen. Only probes see it. An instruction that touched a page for the first time
 * goes on here where a processor would run it again, and may exit a second time: the entry in between comes at the latest then.
 */
import { logCost, logExit } from './exit-log';
import { fire, watched } from './probe';
import {
  CLOCK_OFFSET, D_BASE_HIGH, ENTRY_CLOCK, EXIT_COUNT, EXIT_EXTRA, EXIT_HASH, EXIT_INSN_LEN, EXIT_INTR_INFO, EXIT_MAX, EXIT_MIN, EXIT_QUAL, EXIT_REASON,
  EXIT_RING, EXIT_RING_NEXT, EXIT_TIME, ICOUNT, KS_EXITS, NEXT_RIP, OUTSIDE, PROBE_KVM_GUEST_ENTRY, PROBE_KVM_GUEST_EXIT, PROBE_KVM_VEXIT,
  PROBE_KVM_VM_ENTRY, PROBE_KVM_VRUN, RIP, VCPU_ID, VM_EXIT_COST,
} from './state.gen';

export const EXIT_EXCEPTION_NMI: u32 = 0;
export const EXIT_EXTERNAL_INTERRUPT: u32 = 1;
export const EXIT_TRIPLE_FAULT: u32 = 2;
export const EXIT_PENDING_INTERRUPT: u32 = 7;
export const EXIT_NMI_WINDOW: u32 = 8;
export const EXIT_TASK_SWITCH: u32 = 9;
export const EXIT_CPUID: u32 = 10;
export const EXIT_HLT: u32 = 12;
export const EXIT_INVD: u32 = 13;
export const EXIT_INVLPG: u32 = 14;
export const EXIT_RDPMC: u32 = 15;
export const EXIT_RDTSC: u32 = 16;
export const EXIT_VMCALL: u32 = 18;
export const EXIT_CR_ACCESS: u32 = 28;
export const EXIT_DR_ACCESS: u32 = 29;
export const EXIT_IO_INSTRUCTION: u32 = 30;
export const EXIT_MSR_READ: u32 = 31;
export const EXIT_MSR_WRITE: u32 = 32;
export const EXIT_PAUSE: u32 = 40;
export const EXIT_APIC_ACCESS: u32 = 44;
export const EXIT_EPT_VIOLATION: u32 = 48;
export const EXIT_EPT_MISCONFIG: u32 = 49;
export const EXIT_WBINVD: u32 = 54;
export const EXIT_XSETBV: u32 = 55;

/** OUTSIDE: the exit's handler does what follows, up to the instruction's end. */
export const OUTSIDE_HANDLING: u32 = 1;
/** OUTSIDE: the handler only made the instruction possible, which is run again. */
export const OUTSIDE_AGAIN: u32 = 2;

/**
 * The VM entry after an exit, a halt or power-on: RIP is where the guest goes on, or what an event to be delivered interrupts. True when a probe
 * fired, which may want attention.
 */
export function enterGuest(cpu: usize): bool {
  store<u32>(cpu, 0, OUTSIDE);
  if (!watched(PROBE_KVM_GUEST_ENTRY) && !watched(PROBE_KVM_VM_ENTRY) && !watched(PROBE_KVM_VRUN)) return false;
  if (watched(PROBE_KVM_GUEST_ENTRY)) fire(cpu, PROBE_KVM_GUEST_ENTRY, (D_BASE_HIGH << 32) | <u64>cpu);
  if (watched(PROBE_KVM_VM_ENTRY)) fire(cpu, PROBE_KVM_VM_ENTRY, <u64>load<u32>(cpu, VCPU_ID));
  if (watched(PROBE_KVM_VRUN)) fire(cpu, PROBE_KVM_VRUN, load<u64>(cpu, RIP));
  return true;
}

/** Opens a VM exit. RIP and ICOUNT are those of the exiting instruction; NEXT_RIP - RIP is its length (0: the exit is no instruction's). */
export function vmexit(cpu: usize, reason: u32, qualification: u64): void {
  if (load<u32>(cpu, OUTSIDE) != 0) enterGuest(cpu);
  const rip = load<u64>(cpu, RIP);
  const icount = load<u64>(cpu, ICOUNT);
  const violation = reason == EXIT_EPT_VIOLATION;
  store<u32>(cpu, violation ? OUTSIDE_AGAIN : OUTSIDE_HANDLING, OUTSIDE);
  store<u32>(cpu, reason, EXIT_REASON);
  store<u64>(cpu, qualification, EXIT_QUAL);
  // The SDM gives no instruction length for an EPT violation; interruption information belongs to exceptions.
  store<u32>(cpu, violation ? 0 : u32(load<u64>(cpu, NEXT_RIP) - rip) & 15, EXIT_INSN_LEN);
  if (reason != EXIT_EXCEPTION_NMI) store<u32>(cpu, 0, EXIT_INTR_INFO);
  store<u32>(cpu, 0, EXIT_EXTRA);
  store<u64>(cpu, load<u64>(cpu, KS_EXITS) + 1, KS_EXITS);
  const count = cpu + (<usize>reason << 3);
  store<u64>(count, load<u64>(count, EXIT_COUNT) + 1, EXIT_COUNT);
  let hash = load<u64>(cpu, EXIT_HASH);
  hash = (hash ^ <u64>reason) * 0x100000001b3;
  hash = (rotl<u64>(hash, 23) ^ rip) * 0x9e3779b97f4a7c15;
  hash = (rotl<u64>(hash, 29) ^ icount) * 0x9e3779b97f4a7c15;
  store<u64>(cpu, hash, EXIT_HASH);
  const next = load<u64>(cpu, EXIT_RING_NEXT);
  const slot = cpu + ((<usize>next & 63) << 5);
  store<u64>(slot, <u64>reason, EXIT_RING);
  store<u64>(slot, rip, EXIT_RING + 8);
  store<u64>(slot, qualification, EXIT_RING + 16);
  store<u64>(slot, icount, EXIT_RING + 24);
  store<u64>(cpu, next + 1, EXIT_RING_NEXT);
  logExit(cpu, reason, qualification, rip, icount);
  if (watched(PROBE_KVM_GUEST_EXIT)) fire(cpu, PROBE_KVM_GUEST_EXIT, (D_BASE_HIGH << 32) | <u64>cpu);
  if (watched(PROBE_KVM_VEXIT)) fire(cpu, PROBE_KVM_VEXIT, rip, <u64>reason);
}

/** The handler of the exit that was closed last goes on (a further access of the same instruction): more of its time passes. */
export function vmlonger(cpu: usize): void {
  const more = <u64>load<u32>(cpu, EXIT_EXTRA);
  store<u32>(cpu, 0, EXIT_EXTRA);
  const offset = load<u64>(cpu, CLOCK_OFFSET) + more;
  store<u64>(cpu, offset, CLOCK_OFFSET);
  store<u64>(cpu, load<u64>(cpu, ICOUNT) + offset, ENTRY_CLOCK);
  const at = cpu + (<usize>load<u32>(cpu, EXIT_REASON) << 3);
  store<u64>(at, load<u64>(at, EXIT_TIME) + more, EXIT_TIME);
  logCost(cpu, more);
}

/** Closes the exit that `vmexit` opened: its modelled time passes on the VM's clock. */
export function vmentry(cpu: usize): void {
  const reason = load<u32>(cpu, EXIT_REASON);
  const cost = <u64>load<u32>(VM_EXIT_COST + (<usize>reason << 2)) + <u64>load<u32>(cpu, EXIT_EXTRA);
  store<u32>(cpu, 0, EXIT_EXTRA);
  const offset = load<u64>(cpu, CLOCK_OFFSET) + cost;
  store<u64>(cpu, offset, CLOCK_OFFSET);
  store<u64>(cpu, load<u64>(cpu, ICOUNT) + offset, ENTRY_CLOCK);
  const at = cpu + (<usize>reason << 3);
  store<u64>(at, load<u64>(at, EXIT_TIME) + cost, EXIT_TIME);
  logCost(cpu, cost);
  if (cost < load<u64>(at, EXIT_MIN)) store<u64>(at, cost, EXIT_MIN);
  if (cost > load<u64>(at, EXIT_MAX)) store<u64>(at, cost, EXIT_MAX);
}
