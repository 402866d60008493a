/**
 * The modelled table of what exits cost: `--exit-cost default`.
 *
 * **The numbers are modelled, not measured**: they are of the order that published measurements of VT-x round trips on recent server parts show
 * (about 1 us for an exit that the kernel handles, several more for one that a user-space device model answers), rounded, and they are the same
 * on every host.
 *
 * @module
 */
import { EXIT_REASON_LIMIT } from '../exit-reason.ts';

/** Nanoseconds by kind of exit. */
export interface ExitCosts {
  /** By basic exit reason (SDM vol. 3, appendix C): transition and the handler's fixed part. */
  readonly reasons: Readonly<Record<number, number>>;
  /** Any reason that `reasons` does not name. */
  readonly other: number;
  /** By the name a device registered with, added for a port or MMIO access that it answers. */
  readonly devices: Readonly<Record<string, number>>;
  /** A device that `devices` does not name. */
  readonly device: number;
  /** Added for each byte of a port or MMIO access. */
  readonly byte: number;
}

/** `--exit-cost default`. */
export const DEFAULT_EXIT_COSTS: ExitCosts = {
  reasons: {
    0: 1400, // exception or NMI: decode the interruption information, reflect it
    1: 1100, // external interrupt: acknowledge on exit, host handler
    2: 5000, // triple fault
    7: 1000, // interrupt window: no handler, only the injection
    8: 1000, // NMI window
    9: 6000, // task switch: emulated in software
    10: 1200, // CPUID: the shortest round trip that runs a handler
    12: 2500, // HLT: block and wake the vCPU's thread
    13: 1200, // INVD
    14: 1500, // INVLPG
    15: 1100, // RDPMC
    16: 1100, // RDTSC
    18: 1300, // VMCALL
    28: 1700, // control register: mode bookkeeping
    29: 1200, // debug register
    30: 1400, // I/O instruction, before the device's part
    31: 1300, // RDMSR
    32: 1400, // WRMSR
    40: 1300, // PAUSE
    43: 1200, // TPR below threshold
    44: 1900, // APIC access: fetch and decode the instruction
    48: 2800, // EPT violation: allocate and map a page
    49: 2100, // EPT misconfiguration (MMIO): fetch and decode the instruction
    54: 2000, // WBINVD
    55: 1300, // XSETBV
  },
  other: 1500,
  devices: {
    // Inside the kernel's irqchip.
    lapic: 300,
    ioapic: 400,
    pic: 400,
    pit: 400,
    port61: 300,
    // Answered by the monitor in user space: a second switch, to it and back.
    serial: 3500,
    rtc: 3000,
    i8042: 3000,
    port92: 3000,
    pm: 3000,
    pci: 3200,
    'debug-exit': 3000,
    post: 2800,
    unclaimed: 2800,
  },
  device: 3000,
  byte: 0,
};

/** Devices that KVM answers in the kernel, by its irqchip and PIT; all others are the monitor's, in user space. */
export const KERNEL_DEVICES: readonly string[] = ['lapic', 'ioapic', 'pic', 'pit', 'port61'];

/** `--exit-cost none`: exits take no time. */
export const NO_EXIT_COSTS: ExitCosts = { reasons: {}, other: 0, devices: {}, device: 0, byte: 0 };

/** The part by reason, as the core reads it: EXIT_REASON_LIMIT numbers. */
export function costsByReason(costs: ExitCosts): Uint32Array {
  return Uint32Array.from({ length: EXIT_REASON_LIMIT }, (_, reason) => costs.reasons[reason] ?? costs.other);
}

/** The part of one device class. */
export function deviceCost(costs: ExitCosts, name: string): number {
  return costs.devices[name] ?? costs.device;
}
