/**
 * What ACPI tells of a board, from the options that make it.
 *
 * @module
 */
import type { AcpiOptions } from '../devices/acpi/tables.ts';
import { HPET_BASE, HPET_ID } from '../devices/hpet.ts';
import type { MachineOptions } from './machine.ts';
import { mmioPlaces } from './virtio-mmio-places.ts';

/** Below the addresses of PCI's BARs, above all RAM that is not beyond 4 GiB. */
export const ECAM_AT = 0xd000_0000;

/** How many virtio devices these options make. */
export function virtioDevices(options: MachineOptions): number {
  const { disks = [], diskOptions = [], nicMakers = [], rng = false, virtioConsole, opened = [] } = options;
  const blocks = disks.filter((_, i) => (diskOptions[i]?.interface ?? 'virtio') === 'virtio').length;
  return blocks + nicMakers.length + (rng ? 1 : 0) + (virtioConsole === undefined ? 0 : 1) + opened.length;
}

export function acpiOf(options: MachineOptions): AcpiOptions {
  return {
    cpus: options.cpus ?? 1,
    hpet: options.hpet === true ? { gpa: HPET_BASE, id: HPET_ID } : undefined,
    ecam: options.ecam === true ? ECAM_AT : undefined,
    virtioMmio: options.virtio === 'mmio' ? mmioPlaces(virtioDevices(options)) : [],
  };
}
