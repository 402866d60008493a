/*
 * Interrupts: both 8259s moved out of the exceptions' way and masked, the local APIC's timer measured against channel 2 of the 8254 and then
 * periodic. SDM vol. 3, chapter 11; 8259A and 8254 data sheets; the IOAPIC is only read.
 */
#include "kernel.h"

#define APIC_BASE_MSR 0x1b
#define APIC_ADDRESS 0xfffff000ul

#define APIC_ID 0x020
#define APIC_VERSION 0x030
#define APIC_TPR 0x080
#define APIC_EOI 0x0b0
#define APIC_SPURIOUS 0x0f0
#define APIC_LVT_TIMER 0x320
#define APIC_INITIAL_COUNT 0x380
#define APIC_CURRENT_COUNT 0x390
#define APIC_DIVIDE 0x3e0
#define APIC_ENABLE 0x100
#define LVT_MASKED 0x10000
#define LVT_PERIODIC 0x20000
#define DIVIDE_BY_16 0x3

#define IOAPIC 0xfec00000ul
#define IOAPIC_VERSION 0x01

#define PIT_HERTZ 1193182u
#define PIT_CHANNEL2 0x42
#define PIT_CONTROL 0x43
#define PORT_61 0x61
#define GATE2 0x01
#define SPEAKER 0x02
#define OUT2 0x20

static u64 apic;

static void mask_8259s(void) {
  static const u8 init[4][2] = {{0x11, 0x11}, {0x28, 0x30}, {0x04, 0x02}, {0x01, 0x01}};
  outb(0x20, init[0][0]);
  outb(0xa0, init[0][1]);
  for (int i = 1; i < 4; i++) {
    outb(0x21, init[i][0]);
    outb(0xa1, init[i][1]);
  }
  outb(0x21, 0xff);
  outb(0xa1, 0xff);
}

void apic_init(void) {
  mask_8259s();
  apic = rdmsr(APIC_BASE_MSR) & APIC_ADDRESS;
  write32(apic + APIC_TPR, 0);
  write32(apic + APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
  write32(IOAPIC, IOAPIC_VERSION);
  print("apic: id %u at %x, ioapic with %u inputs\n", (u64)(read32(apic + APIC_ID) >> 24), apic,
        (u64)((read32(IOAPIC + 0x10) >> 16 & 0xff) + 1));
}

/* APIC timer counts (after the divider) in 1/hertz seconds: channel 2 as a one-shot, its output polled at port 61h. */
static u32 measure(u32 hertz) {
  u32 count = PIT_HERTZ / hertz;
  outb(PORT_61, (inb(PORT_61) & ~SPEAKER) | GATE2);
  outb(PIT_CONTROL, 0xb0); /* channel 2, low and high byte, mode 0 */
  outb(PIT_CHANNEL2, count & 0xff);
  write32(apic + APIC_INITIAL_COUNT, 0xffffffff);
  outb(PIT_CHANNEL2, count >> 8);
  while (!(inb(PORT_61) & OUT2)) __asm__ volatile("pause");
  u32 passed = 0xffffffff - read32(apic + APIC_CURRENT_COUNT);
  write32(apic + APIC_INITIAL_COUNT, 0);
  return passed;
}

void timer_start(u32 hertz) {
  write32(apic + APIC_DIVIDE, DIVIDE_BY_16);
  write32(apic + APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
  u32 count = measure(hertz);
  write32(apic + APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
  write32(apic + APIC_INITIAL_COUNT, count ? count : 1);
  print("timer: local APIC, %u interrupts a second\n", (u64)hertz);
}

void apic_eoi(void) { write32(apic + APIC_EOI, 0); }
