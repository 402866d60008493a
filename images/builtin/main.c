/*
 * Lucid's built-in guest: a small 64-bit kernel that shows what a machine does. It boots by PVH or multiboot, provokes and recovers
 * exceptions, runs three address spaces in turn under a timer, and powers off through ACPI. Its log depends on the machine's description
 * (CPU, memory, tables), never on its speed.
 */
#include "kernel.h"

static void print_cpu(void) {
  u32 regs[4];
  char vendor[13];
  cpuid(0, regs);
  memcpy(vendor, &regs[1], 4);
  memcpy(vendor + 4, &regs[3], 4);
  memcpy(vendor + 8, &regs[2], 4);
  vendor[12] = 0;
  cpuid(1, regs);
  u32 family = regs[0] >> 8 & 15, model = regs[0] >> 4 & 15;
  if (family == 6 || family == 15) model |= regs[0] >> 12 & 0xf0;
  if (family == 15) family += regs[0] >> 20 & 0xff;
  print("cpu: %s, family %u, model %u, stepping %u\n", vendor, (u64)family, (u64)model, (u64)(regs[0] & 15));
}

void kernel_main(u64 protocol, u64 info) {
  console_init();
  boot_read(protocol, info);
  print("Lucid's built-in guest, entered by %s\n", boot.protocol);
  print("command line: %s\n", boot.command_line);
  print_cpu();
  memory_init();
  acpi_init(boot.rsdp);
  traps_init();
  exceptions_check();
  apic_init();
  processes_start();
}
