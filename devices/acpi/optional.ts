/**
 * ACPI of what a board has only when it was asked for: PCI's configuration space in memory, an HPET, virtio devices over MMIO.
 *
 * Specification: PCI Firmware Specification 3.0, section 4.1.2 (MCFG) and 4.1.3 (its range is a motherboard resource, PNP0C02); IA-PC HPET 1.0a,
 * section 3.2.4 (the HPET table); ACPI 6.5, section 6.4.3.6 (extended interrupts).
 *
 * @module
 */
import * as aml from './aml.ts';
import { table } from './table.ts';

/** A device of virtio over MMIO: its registers and its interrupt, a level. */
export interface VirtioMmioPlace {
  readonly gpa: number;
  readonly gsi: number;
}

export interface OptionalHardware {
  /** Where the configuration space of bus 0 stands in memory, 1 MB. */
  readonly ecam?: number;
  /** Where the HPET's registers stand, and its event timer block ID: the low half of its capabilities. */
  readonly hpet?: { readonly gpa: number; readonly id: number };
  readonly virtioMmio?: readonly VirtioMmioPlace[];
}

const BUS_BYTES = 0x10_0000;
const HPET_BYTES = 0x400;
const VIRTIO_BYTES = 0x200;

/** The tables, by name. */
export function optionalTables({ ecam, hpet }: OptionalHardware): [name: string, bytes: Uint8Array][] {
  const tables: [string, Uint8Array][] = [];
  if (ecam !== undefined) tables.push(['MCFG', buildMcfg(ecam)]);
  if (hpet !== undefined) tables.push(['HPET', buildHpet(hpet.gpa, hpet.id)]);
  return tables;
}

/** One segment group with bus 0 alone. */
function buildMcfg(gpa: number): Uint8Array {
  const body = new Uint8Array(8 + 16);
  new DataView(body.buffer).setUint32(8, gpa, true);
  return table('MCFG', 1, body);
}

function buildHpet(gpa: number, id: number): Uint8Array {
  const body = new Uint8Array(20);
  const view = new DataView(body.buffer);
  view.setUint32(0, id, true);
  view.setUint8(5, 64); // a generic address: memory, 64 bits wide
  view.setUint32(8, gpa, true);
  view.setUint16(17, HPET_MINIMUM_TICKS, true);
  return table('HPET', 1, body);
}

/** Ticks below which periods are not to be set: 1.28 us. */
const HPET_MINIMUM_TICKS = 128;

/** The devices of the DSDT. */
export function optionalDevices({ ecam, hpet, virtioMmio = [] }: OptionalHardware): aml.Aml[] {
  const devices = virtioMmio.map(virtioDevice);
  if (ecam !== undefined) devices.push(motherboard('MCFR', ecam, BUS_BYTES));
  if (hpet !== undefined) devices.push(aml.device('HPET', hid('PNP0103'), crs(aml.memory32(hpet.gpa, HPET_BYTES))));
  return devices;
}

const hid = (id: string): aml.Aml => aml.name('_HID', aml.eisaId(id));
const crs = (...descriptors: aml.Aml[]): aml.Aml => aml.name('_CRS', aml.resources(...descriptors));

function motherboard(at: string, gpa: number, bytes: number): aml.Aml {
  return aml.device(at, hid('PNP0C02'), aml.name('_UID', aml.integer(1)), crs(aml.memory32(gpa, bytes)));
}

function virtioDevice({ gpa, gsi }: VirtioMmioPlace, index: number): aml.Aml {
  return aml.device(
    `VR${index.toString(16).toUpperCase().padStart(2, '0')}`,
    aml.name('_HID', aml.string('LNRO0005')),
    aml.name('_UID', aml.integer(index)),
    crs(aml.memory32(gpa, VIRTIO_BYTES), aml.sharedLevel(gsi)),
  );
}
