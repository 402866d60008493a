/**
 * Power-on state (SDM vol. 3, table 9-1), and what DMA does to decoded code.
 */
import { writeFlags } from './flags';
import { dropPage } from './lines';
import { resetMsrs } from './msr';
import { modeChanged, PAGE_CODE, tlbInit } from './mmu';
import {
  APIC_BASE, CR0, DR, EXIT_MIN, FCW, FTW, FSW, GDTR_LIMIT, IDTR_LIMIT, K4096, MXCSR, PAGE_FLAGS, RAM_BASE, RIP, SEG_AR, SEG_BASE,
  SEG_LIMIT, SEG_SEL, SHADOW_AT, STATE_SIZE, XCR0,
} from './state.gen';

export function reset(cpu: usize): void {
  memory.fill(cpu, 0, STATE_SIZE);
  store<u64>(cpu, 4096, K4096);
  store<u64>(cpu, u64.MAX_VALUE, SHADOW_AT);
  for (let i: usize = 0; i < 72; i++) store<u64>(cpu + (i << 3), u64.MAX_VALUE, EXIT_MIN);
  tlbInit(cpu);
  for (let seg: usize = 0; seg < 8; seg++) {
    const at = cpu + (seg << 5);
    store<u32>(at, 0xffff, SEG_LIMIT);
    store<u32>(at, seg == 1 ? 0x9b : seg == 6 ? 0x82 : seg == 7 ? 0x8b : 0x93, SEG_AR);
  }
  store<u16>(cpu + 32, 0xf000, SEG_SEL);
  store<u64>(cpu + 32, 0xffff0000, SEG_BASE);
  store<u64>(cpu, 0xfff0, RIP);
  // EDX: family 6, as CPUID leaf 1 says.
  store<u64>(cpu, 0x600, 16);
  store<u64>(cpu, 0x60000010, CR0);
  store<u64>(cpu, 0xffff0ff0, DR + 48);
  store<u64>(cpu, 0x400, DR + 56);
  store<u32>(cpu, 0xffff, GDTR_LIMIT);
  store<u32>(cpu, 0xffff, IDTR_LIMIT);
  store<u64>(cpu, 0xfee00900, APIC_BASE);
  store<u64>(cpu, 1, XCR0);
  store<u16>(cpu, 0x40, FCW);
  store<u16>(cpu, 0, FSW);
  store<u16>(cpu, 0xff, FTW);
  store<u32>(cpu, 0x1f80, MXCSR);
  resetMsrs(cpu);
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
