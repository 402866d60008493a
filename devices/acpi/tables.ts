/**
 * The ACPI tables that tell a guest what the board has: RSDP, RSDT, XSDT, FADT, FACS, MADT, DSDT, and those of
 * optional hardware.
 *
 * Specification: ACPI 6.5, chapter 5 (tables: 5.2.5.3 RSDP, 5.2.6 header, 5.2.9 FADT, 5.2.10 FACS, 5.2.12 MADT), 6.2.13 (_PRT), 7.4.2 (\_S5),
 * 4.8.3 (fixed hardware). `buildAcpi` is a pure function: it knows the board only by its options, whose defaults are the
 * devices' usual places, and returns bytes for the caller to store. The same options give the same bytes.
 *
 * Layout from `base` up: RSDP, FACS (64-byte aligned, 5.2.10), DSDT, FADT, MADT, what is optional, RSDT, XSDT. With `base` between E0000h and FFFFFh
 * a guest finds the RSDP by its scan of the BIOS area, too (5.2.5.1). The memory map should show the range as ACPI or reserved.
 *
 * The RSDT stands beside the XSDT for guests that stopped at ACPI 1.0. Left out: SRAT, legacy PIC routing in _PRT (INTx lines reach the
 * IOAPIC only), thermal zones, sleep states but S5.
 *
 * @module
 */
import * as aml from './aml.ts';
import { type OptionalHardware, optionalDevices, optionalTables } from './optional.ts';
import { checksum, HEADER, OEM_ID, putString, table } from './table.ts';

export interface AcpiOptions extends OptionalHardware {
  /** Processors, with local APIC ids 0 to `cpus` - 1. */
  readonly cpus: number;
  /** Where the tables go, a multiple of 64 below 4 GB. Default E0000h. */
  readonly base?: number;
  /** The tables must end at or below this address. Default: the end of the 128 KB BIOS area if `base` lies there, else 4 GB. */
  readonly limit?: number;
  readonly localApic?: number;
  readonly ioapic?: { readonly id: number; readonly gpa: number };
  /** The ACPI fixed hardware: first ports of its blocks, the timer's width, SLP_TYP of S5, GSI of the SCI. */
  readonly pm?: Partial<AcpiPm>;
  /** First and last address that PCI BARs may use below 4 GB, and above. Default E0000000h-FEBFFFFFh and none. */
  readonly pciWindow?: AddressRange;
  readonly pciWindow64?: AddressRange;
  /** INTx routing: the GSI of `slot` and `pin` (0 is INTA#). Default 16 + (slot + pin) modulo 8. */
  readonly pciGsi?: (slot: number, pin: number) => number;
  /** How many PCI slots _PRT tells of. Default 32. */
  readonly pciSlots?: number;
  /** Serial ports to tell of: first port and IRQ. Default COM1. */
  readonly serial?: readonly { readonly port: number; readonly irq: number }[];
}

export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

export interface AcpiPm {
  readonly event: number;
  readonly control: number;
  readonly timer: number;
  readonly timerBits: 24 | 32;
  readonly gpe0: number;
  readonly gpe0Bytes: number;
  readonly s5: number;
  readonly sci: number;
}

/** One table and where it goes. */
export interface AcpiBlock {
  readonly name: string;
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

export interface AcpiTables {
  readonly rsdpAddress: number;
  readonly blocks: readonly AcpiBlock[];
  /** First address behind the last table. */
  readonly end: number;
}

const PM_DEFAULTS: AcpiPm = { event: 0x600, control: 0x604, timer: 0x608, timerBits: 32, gpe0: 0x60c, gpe0Bytes: 4, s5: 5, sci: 9 };

/** Builds the tables. Throws `RangeError` when an option cannot be told in them or they do not fit below the limit. */
export function buildAcpi(options: AcpiOptions): AcpiTables {
  const base = options.base ?? 0xe_0000;
  const limit = options.limit ?? (base >= 0xe_0000 && base < 0x10_0000 ? 0x10_0000 : 0x1_0000_0000);
  const pm = { ...PM_DEFAULTS, ...options.pm };
  if (!Number.isInteger(options.cpus) || options.cpus < 1 || options.cpus > 255) throw new RangeError('cpus must be 1 to 255');
  if (!Number.isInteger(base) || base < 0 || base % 64 !== 0) throw new RangeError('base must be a multiple of 64');

  const blocks: AcpiBlock[] = [];
  let cursor = base;
  const place = (name: string, bytes: Uint8Array): number => {
    const gpa = cursor;
    blocks.push({ name, gpa, bytes });
    cursor = Math.ceil((gpa + bytes.length) / 64) * 64;
    return gpa;
  };

  const rsdp = new Uint8Array(36);
  const rsdpAddress = place('RSDP', rsdp);
  const facs = place('FACS', buildFacs());
  const dsdt = place('DSDT', table('DSDT', 2, Uint8Array.from(buildDsdt(options, pm))));
  const fadt = place('FACP', buildFadt(pm, facs, dsdt));
  const madt = place('APIC', buildMadt(options, pm));
  const others = optionalTables(options).map(([name, bytes]) => place(name, bytes));
  const rsdt = place('RSDT', buildRoot('RSDT', 4, [fadt, madt, ...others]));
  const xsdt = place('XSDT', buildRoot('XSDT', 8, [fadt, madt, ...others]));
  fillRsdp(rsdp, rsdt, xsdt);
  if (cursor > limit) throw new RangeError(`the ACPI tables end at ${cursor}, above ${limit}`);
  return { rsdpAddress, blocks, end: cursor };
}

/** RSDP of revision 2 (5.2.5.3): one checksum over the first 20 bytes, one over all 36. */
function fillRsdp(bytes: Uint8Array, rsdt: number, xsdt: number): void {
  const view = new DataView(bytes.buffer);
  putString(bytes, 0, 'RSD PTR ');
  putString(bytes, 9, OEM_ID);
  bytes[15] = 2;
  view.setUint32(16, rsdt, true);
  view.setUint32(20, bytes.length, true);
  view.setUint32(24, xsdt, true);
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
}

/** RSDT and XSDT: pointers of 4 or 8 bytes (5.2.7, 5.2.8). */
function buildRoot(signature: string, width: number, tables: readonly number[]): Uint8Array {
  const body = new Uint8Array(tables.length * width);
  const view = new DataView(body.buffer);
  tables.forEach((gpa, i) => {
    view.setUint32(i * width, gpa, true);
  });
  return table(signature, 1, body);
}

/** FACS (5.2.10): no header checksum; the global lock is free and no waking vector is set. */
function buildFacs(): Uint8Array {
  const bytes = new Uint8Array(64);
  putString(bytes, 0, 'FACS');
  new DataView(bytes.buffer).setUint32(4, bytes.length, true);
  bytes[32] = 2;
  return bytes;
}

// FADT flags (table 5.10) and IAPC_BOOT_ARCH (table 5.11).
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const SLP_BUTTON = 1 << 5; // no fixed sleep button
const FIX_RTC = 1 << 6; // the RTC does not wake through PM1
const TMR_VAL_EXT = 1 << 8;
const RESET_REG_SUP = 1 << 10;
const LEGACY_DEVICES = 1 << 0;
const HAS_8042 = 1 << 1;
const NO_VGA = 1 << 2;
const NO_LATENCY = { c2: 0x65, c3: 0x3e9 }; // above 100 and 1000 us: the states do not exist
const SYSTEM_IO = 1;
const CMOS_CENTURY = 0x32;
const RESET = { port: 0xcf9, value: 0x06 };

/** FADT of revision 6.5 (table 5.9), 276 bytes; offsets are those of the specification. */
function buildFadt(pm: AcpiPm, facs: number, dsdt: number): Uint8Array {
  const body = new Uint8Array(276 - HEADER);
  const view = new DataView(body.buffer);
  const u8 = (at: number, value: number) => view.setUint8(at - HEADER, value);
  const u16 = (at: number, value: number) => view.setUint16(at - HEADER, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at - HEADER, value, true);
  const address = (at: number, port: number, bytes: number) => {
    u8(at, SYSTEM_IO);
    u8(at + 1, bytes * 8);
    u8(at + 3, bytes === 1 ? 1 : bytes === 2 ? 2 : 3); // access size: byte, word, double word
    u32(at + 4, port);
  };
  u32(36, facs); // X_FIRMWARE_CTRL stays 0: only one of the two may be set
  u32(40, dsdt);
  u16(46, pm.sci);
  u32(56, pm.event);
  u32(64, pm.control);
  u32(76, pm.timer);
  u32(80, pm.gpe0);
  u8(88, 4);
  u8(89, 2);
  u8(91, 4);
  u8(92, pm.gpe0Bytes);
  u16(96, NO_LATENCY.c2);
  u16(98, NO_LATENCY.c3);
  u8(108, CMOS_CENTURY);
  u16(109, LEGACY_DEVICES | HAS_8042 | NO_VGA);
  u32(112, WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC | RESET_REG_SUP | (pm.timerBits === 32 ? TMR_VAL_EXT : 0));
  address(116, RESET.port, 1);
  u8(128, RESET.value);
  u8(131, 5); // minor version
  u32(140, dsdt);
  address(148, pm.event, 4);
  u8(151, 2); // the block is 32 bits wide and made of 16-bit registers
  address(172, pm.control, 2);
  address(208, pm.timer, 4);
  address(220, pm.gpe0, pm.gpe0Bytes);
  u8(221, pm.gpe0Bytes * 8);
  u8(223, 1); // GPE registers are byte-wide
  return table('FACP', 6, body);
}

// MADT entries (5.2.12).
const LOCAL_APIC = 0;
const IO_APIC = 1;
const SOURCE_OVERRIDE = 2;
const LOCAL_APIC_NMI = 4;
const ENABLED = 1;
const PCAT_COMPAT = 1;
const ACTIVE_HIGH_LEVEL = 0x0d;
const ALL_PROCESSORS = 0xff;

function buildMadt(options: AcpiOptions, pm: AcpiPm): Uint8Array {
  const ioapic = options.ioapic ?? { id: 0, gpa: 0xfec0_0000 };
  const entries: number[][] = [];
  for (let cpu = 0; cpu < options.cpus; cpu++) entries.push([LOCAL_APIC, 8, cpu, cpu, ...u32(ENABLED)]);
  entries.push([IO_APIC, 12, ioapic.id, 0, ...u32(ioapic.gpa), ...u32(0)]);
  // ISA interrupt 0, the PIT, arrives at input 2; the SCI is a level.
  entries.push([SOURCE_OVERRIDE, 10, 0, 0, ...u32(2), ...u16(0)]);
  entries.push([SOURCE_OVERRIDE, 10, 0, pm.sci, ...u32(pm.sci), ...u16(ACTIVE_HIGH_LEVEL)]);
  entries.push([LOCAL_APIC_NMI, 6, ALL_PROCESSORS, ...u16(0), 1]);
  const head = [...u32(options.localApic ?? 0xfee0_0000), ...u32(PCAT_COMPAT)];
  return table('APIC', 5, Uint8Array.from([...head, ...entries.flat()]));
}

function u16(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}

function buildDsdt(options: AcpiOptions, pm: AcpiPm): aml.Aml {
  const sleepType = aml.integer(pm.s5);
  return [
    ...aml.name('\\_S5', aml.packageOf(sleepType, sleepType, aml.integer(0), aml.integer(0))),
    ...aml.scope(
      '\\_SB',
      pciRoot(options),
      ...legacyDevices(pm),
      ...serialPorts(options),
      ...optionalDevices(options),
      ...processors(options.cpus),
    ),
  ];
}

const COM1 = { port: 0x3f8, irq: 4 };
/** Addresses of PCI's memory by default: where a board without firmware puts BARs. */
export const PCI_WINDOW: AddressRange = { first: 0xe000_0000, last: 0xfebf_ffff };
/** PCI INTx by default: eight inputs of the IOAPIC from 16 on. */
const defaultGsi = (slot: number, pin: number) => 16 + ((slot + pin) % 8);

function pciRoot(options: AcpiOptions): aml.Aml {
  const window = options.pciWindow ?? PCI_WINDOW;
  const high = options.pciWindow64;
  return aml.device(
    'PCI0',
    aml.name('_HID', aml.eisaId('PNP0A03')),
    aml.name('_BBN', aml.integer(0)),
    aml.name('_UID', aml.integer(0)),
    aml.name(
      '_CRS',
      aml.resources(
        aml.busNumbers(0, 0xff),
        aml.io(0xcf8, 8),
        aml.ioWindow(0, 0xcf7),
        aml.ioWindow(0xd00, 0xffff),
        aml.memoryWindow(window.first, window.last),
        high === undefined ? [] : aml.memoryWindow(high.first, high.last),
      ),
    ),
    aml.name('_PRT', pciRouting(options)),
  );
}

/** _PRT (6.2.13): for each slot and pin, the global interrupt it is wired to. */
function pciRouting(options: AcpiOptions): aml.Aml {
  const gsi = options.pciGsi ?? defaultGsi;
  const slots = options.pciSlots ?? 32;
  const routes: aml.Aml[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const anyFunction = aml.integer(slot * 0x1_0000 + 0xffff);
    for (let pin = 0; pin < 4; pin++)
      routes.push(aml.packageOf(anyFunction, aml.integer(pin), aml.integer(0), aml.integer(gsi(slot, pin))));
  }
  return aml.packageOf(...routes);
}

function legacyDevice(at: string, id: string, ...descriptors: aml.Aml[]): aml.Aml {
  return aml.device(at, aml.name('_HID', aml.eisaId(id)), aml.name('_CRS', aml.resources(...descriptors)));
}

function legacyDevices(pm: AcpiPm): aml.Aml[] {
  return [
    legacyDevice('PIC', 'PNP0000', aml.io(0x20, 2), aml.io(0xa0, 2), aml.io(0x4d0, 2), aml.irq(2)),
    legacyDevice('TIMR', 'PNP0100', aml.io(0x40, 4), aml.irq(0)),
    legacyDevice('RTC', 'PNP0B00', aml.io(0x70, 2), aml.irq(8)),
    legacyDevice('KBD', 'PNP0303', aml.io(0x60, 1), aml.io(0x64, 1), aml.irq(1)),
    legacyDevice('DMAC', 'PNP0200', aml.io(0x00, 0x10), aml.io(0x81, 0x0f), aml.io(0xc0, 0x20), aml.dma(4)),
    legacyDevice('SPKR', 'PNP0800', aml.io(0x61, 1)),
    legacyDevice('FPU', 'PNP0C04', aml.io(0xf0, 1), aml.irq(13)),
    legacyDevice('MBRD', 'PNP0C02', aml.io(pm.event, 0x10), aml.io(0x80, 1), aml.io(0x92, 1), aml.io(0xb2, 2)),
  ];
}

function serialPorts(options: AcpiOptions): aml.Aml[] {
  return (options.serial ?? [COM1]).map(({ port, irq }, i) =>
    aml.device(
      `COM${i + 1}`,
      aml.name('_HID', aml.eisaId('PNP0501')),
      aml.name('_UID', aml.integer(i + 1)),
      aml.name('_CRS', aml.resources(aml.io(port, 8), aml.irq(irq))),
    ),
  );
}

/** Processor devices (8.4); _UID matches the MADT's. */
function processors(cpus: number): aml.Aml[] {
  return Array.from({ length: cpus }, (_, cpu) =>
    aml.device(
      `C${cpu.toString(16).toUpperCase().padStart(3, '0')}`,
      aml.name('_HID', aml.string('ACPI0007')),
      aml.name('_UID', aml.integer(cpu)),
    ),
  );
}
