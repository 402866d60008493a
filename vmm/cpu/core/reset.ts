/**
 * Power-on state (SDM vol. 3, table 9-1), and what DMA does to decoded code.
 */
import { OUTSIDE_HANDLING } from './exits';
import { writeFlags } from './flags';
import { dropPage } from './lines';
import { resetMsrs } from './msr';
import { modeChanged, PAGE_CODE, tlbFlush, tlbInit } from './mmu';
import {
  ACTIVITY, APIC_BASE, CR0, CR2, CR3, CR4, DR, EFER, EXIT_MIN, FCW, FSW, FTW, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, JUMP_GEN, K4096, MXCSR, NMI_BLOCKED, OUTSIDE,
  PAGE_FLAGS, PENDING_DB, RAM_BASE, RIP, SEG_AR, SEG_BASE, SEG_LIMIT, SEG_SEL, SHADOW_AT, STATE_SIZE, STRING_AT, VCPU_BASE, VCPU_ID, VCPU_STRIDE, WINDOW, XCR0,
} from './state.gen';

export function reset(cpu: usize): void {
  // The jump cache keeps its entries: a number that was used before would make old ones valid again.
  const jumps = load<u32>(cpu, JUMP_GEN);
  memory.fill(cpu, 0, STATE_SIZE);
  store<u32>(cpu, jumps, JUMP_GEN);
  store<u64>(cpu, 4096, K4096);
  store<u32>(cpu, <u32>(cpu - VCPU_BASE) / <u32>VCPU_STRIDE, VCPU_ID);
  store<u32>(cpu, OUTSIDE_HANDLING, OUTSIDE);
  for (let i: usize = 0; i < 72; i++) store<u64>(cpu + (i << 3), u64.MAX_VALUE, EXIT_MIN);
  tlbInit(cpu);
  store<u64>(cpu, 0x60000010, CR0);
  store<u64>(cpu, 0xfee00900, APIC_BASE);
  store<u64>(cpu, 1, XCR0);
  store<u16>(cpu, 0x40, FCW);
  store<u16>(cpu, 0, FSW);
  store<u16>(cpu, 0xff, FTW);
  store<u32>(cpu, 0x1f80, MXCSR);
  resetMsrs(cpu);
  registers(cpu);
}

/** INIT: like reset, but the FPU, the MSRs, the counters and CR0's cache bits stay. The bootstrap processor starts again, others wait for a SIPI. */
export function initReset(cpu: usize): void {
  memory.fill(cpu, 0, 16 << 3);
  store<u64>(cpu, (load<u64>(cpu, CR0) & 0x60000000) | 0x10, CR0);
  store<u64>(cpu, 0, CR2);
  store<u64>(cpu, 0, CR3);
  store<u64>(cpu, 0, CR4);
  store<u64>(cpu, 0, EFER);
  memory.fill(cpu + DR, 0, 64);
  store<u64>(cpu, 0, GDTR_BASE);
  store<u64>(cpu, 0, IDTR_BASE);
  store<u64>(cpu, 0, PENDING_DB);
  store<u32>(cpu, 0, NMI_BLOCKED);
  store<u32>(cpu, 0, WINDOW);
  // IA32_APIC_BASE bit 8: the bootstrap processor.
  store<u32>(cpu, load<u64>(cpu, APIC_BASE) & 0x100 ? 0 : 3, ACTIVITY);
  registers(cpu);
  tlbFlush(cpu, true);
}

/** What reset and INIT have in common: the registers that instructions name. */
function registers(cpu: usize): void {
  store<u64>(cpu, u64.MAX_VALUE, SHADOW_AT);
  store<u64>(cpu, u64.MAX_VALUE, STRING_AT);
  for (let seg: usize = 0; seg < 8; seg++) {
    const at = cpu + (seg << 5);
    store<u64>(at, 0, SEG_BASE);
    store<u16>(at, 0, SEG_SEL);
    store<u32>(at, 0xffff, SEG_LIMIT);
    store<u32>(at, seg == 1 ? 0x9b : seg == 6 ? 0x82 : seg == 7 ? 0x8b : 0x93, SEG_AR);
  }
  store<u16>(cpu + 32, 0xf000, SEG_SEL);
  store<u64>(cpu + 32, 0xffff0000, SEG_BASE);
  store<u64>(cpu, 0xfff0, RIP);
  // EDX: family 6, as CPUID leaf 1 says.
  store<u64>(cpu, 0x600, 16);
  store<u64>(cpu, 0xffff0ff0, DR + 48);
  store<u64>(cpu, 0x400, DR + 56);
  store<u32>(cpu, 0xffff, GDTR_LIMIT);
  store<u32>(cpu, 0xffff, IDTR_LIMIT);
  writeFlags(cpu, 2);
  modeChanged(cpu);
}

/** Bytes of guest RAM were written from outside: decoded code there is dropped. */
export function dmaWritten(host: usize, bytes: u32): void {
  if (bytes == 0) return;
  for (let page = host & ~0xfff; page <= ((host + bytes - 1) & ~0xfff); page += 4096) {
    if (load<u8>(PAGE_FLAGS + ((page - RAM_BASE) >> 12)) & PAGE_CODE) dropPage(page);
  }
}
