/**
 * What ACPI tells of a board, from the options that make it.
 *
 * @module
 */
import type { AcpiOptions } from '../devices/acpi/tables.ts';
import type { MachineOptions } from './machine.ts';
import { mmioPlaces } from './virtio-mmio-places.ts';

/** How many virtio devices these options make. */
function virtioDevices(options: MachineOptions): number {
  const { disks = [], diskOptions = [], nicMakers = [], rng = false, virtioConsole, opened = [] } = options;
  const blocks = disks.filter((_, i) => (diskOptions[i]?.interface ?? 'virtio') === 'virtio').length;
  return blocks + nicMakers.length + (rng ? 1 : 0) + (virtioConsole === undefined ? 0 : 1) + opened.length;
}

export function acpiOf(options: MachineOptions): AcpiOptions {
  return {
    cpus: options.cpus ?? 1,
    virtioMmio: options.virtio === 'mmio' ? mmioPlaces(virtioDevices(options)) : [],
  };
}
