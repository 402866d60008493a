/**
 * What a VM exit costs: one table of nanoseconds by exit kind.
 *
 * The cost of an exit is `reasons[reason] + devices[class] + bytes * byte`. It moves the VM's clock, so the time between an exit and the
 * next entry means something, and repeats exactly. **The numbers are modelled, not measured**: they are of the order that published
 * measurements of VT-x round trips on recent server parts show (about 1 us for an exit that the kernel handles, several more for one that a
 * user-space device model answers), rounded, and they are the same on every host.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { EXIT_REASON_LIMIT } from './exit-reason.ts';

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

/** `--exit-cost none`: exits take no time. */
export const NO_EXIT_COSTS: ExitCosts = { reasons: {}, other: 0, devices: {}, device: 0, byte: 0 };

/** A cost table that is not one. */
export class ExitCostError extends Error {
  override readonly name = 'ExitCostError';
}

/** Most a single number of the table may be: a second. */
const COST_MAX = 1_000_000_000;

function nanoseconds(source: string, key: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > COST_MAX) {
    throw new ExitCostError(`${source}: ${key} must be nanoseconds, an integer from 0 to ${COST_MAX}, not ${JSON.stringify(value)}`);
  }
  return value;
}

function table(source: string, key: string, value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ExitCostError(`${source}: ${key} must be an object of nanoseconds`);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, nanoseconds(source, `${key}.${k}`, v)]));
}

/** A table from parsed JSON with any of the keys of ExitCosts; what it does not give stays as in the default. Throws ExitCostError. */
export function exitCostsFrom(source: string, json: unknown): ExitCosts {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ExitCostError(`${source}: an exit cost table is an object with reasons, other, devices, device, byte`);
  }
  const given = json as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULT_EXIT_COSTS, key))
      throw new ExitCostError(`${source}: unknown key '${key}'; known are ${Object.keys(DEFAULT_EXIT_COSTS).join(', ')}`);
  }
  const d = DEFAULT_EXIT_COSTS;
  const reasons = given.reasons === undefined ? {} : table(source, 'reasons', given.reasons);
  for (const key of Object.keys(reasons)) {
    if (!/^\d+$/.test(key) || Number(key) >= EXIT_REASON_LIMIT)
      throw new ExitCostError(`${source}: reasons.${key}: not a basic exit reason (0 to ${EXIT_REASON_LIMIT - 1})`);
  }
  return {
    reasons: { ...d.reasons, ...reasons },
    other: given.other === undefined ? d.other : nanoseconds(source, 'other', given.other),
    devices: { ...d.devices, ...(given.devices === undefined ? {} : table(source, 'devices', given.devices)) },
    device: given.device === undefined ? d.device : nanoseconds(source, 'device', given.device),
    byte: given.byte === undefined ? d.byte : nanoseconds(source, 'byte', given.byte),
  };
}

/** The table that `--exit-cost none|default|FILE.json` names. Throws ExitCostError with one line. */
export function loadExitCosts(choice: string): ExitCosts {
  if (choice === 'none') return NO_EXIT_COSTS;
  if (choice === 'default') return DEFAULT_EXIT_COSTS;
  let text: string;
  try {
    text = readFileSync(choice, 'utf8');
  } catch (error) {
    throw new ExitCostError(
      `--exit-cost ${choice}: cannot read it (${(error as NodeJS.ErrnoException).code}); give none, default or a JSON file`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // The parser quotes the file, which may hold anything.
    const why = (error as Error).message.replaceAll(/[^ -~]+/g, '.');
    throw new ExitCostError(`--exit-cost ${choice}: not JSON: ${why}; give none, default or a JSON file`);
  }
  return exitCostsFrom(`--exit-cost ${choice}`, json);
}

/** The part by reason, as the core reads it: EXIT_REASON_LIMIT numbers. */
export function costsByReason(costs: ExitCosts): Uint32Array {
  return Uint32Array.from({ length: EXIT_REASON_LIMIT }, (_, reason) => costs.reasons[reason] ?? costs.other);
}

/** The part of one device class. */
export function deviceCost(costs: ExitCosts, name: string): number {
  return costs.devices[name] ?? costs.device;
}
