/**
 * The ACPI tables as firmware takes them from fw_cfg: two files and a script that puts them in memory.
 *
 * Specification: QEMU's hw/acpi/bios-linker-loader (the format that SeaBIOS and OVMF execute): commands of 128 bytes, little-endian. ALLOCATE has the firmware
 * load a file into a zone of its choice, ADD_POINTER adds the address of one loaded file to a field of another, ADD_CHECKSUM makes a range of bytes sum to 0.
 *
 * The tables are those of `buildAcpi` at base 0, so each pointer starts as an offset within their file. The RSDP is a file of its own, because it has to go
 * where it is searched for.
 *
 * @module
 */
import { type AcpiBlock, type AcpiOptions, buildAcpi } from './tables.ts';

export const TABLES_FILE = 'etc/acpi/tables';
export const RSDP_FILE = 'etc/acpi/rsdp';
export const LOADER_FILE = 'etc/table-loader';

const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;
const ZONE_HIGH = 1;
/** F0000h-FFFFFh, where the RSDP is searched for (ACPI 6.5, 5.2.5.1). */
const ZONE_FSEG = 2;

const HEADER = 36;
const CHECKSUM = 9;
/** FACS is to be aligned to 64 bytes (5.2.10), an RSDP to 16 (5.2.5.1). */
const TABLE_ALIGNMENT = 64;
const RSDP_ALIGNMENT = 16;
const RSDP_BYTES = 36;

/** Fields that point to another table: offset and width. FADT: FIRMWARE_CTRL, DSDT, X_DSDT (table 5.9). RSDP: RsdtAddress, XsdtAddress (5.2.5.3). */
const FADT_POINTERS = [
  [36, 4],
  [40, 4],
  [140, 8],
] as const;
const RSDP_POINTERS = [
  [16, 4],
  [24, 8],
] as const;
/** RSDP checksums: where, and over how many bytes. */
const RSDP_CHECKSUMS = [
  [8, 20],
  [32, RSDP_BYTES],
] as const;

type Field = readonly [offset: number, width: number];

/** The files, by name. */
export function acpiFiles(options: Omit<AcpiOptions, 'base' | 'limit'>): ReadonlyMap<string, Uint8Array> {
  const { blocks, end } = buildAcpi({ ...options, base: 0 });
  const tables = new Uint8Array(end);
  const script = [allocate(TABLES_FILE, TABLE_ALIGNMENT, ZONE_HIGH), allocate(RSDP_FILE, RSDP_ALIGNMENT, ZONE_FSEG)];
  let rsdp = new Uint8Array(RSDP_BYTES);
  for (const { name, gpa, bytes } of blocks) {
    if (name === 'RSDP') rsdp = bytes.slice();
    else tables.set(bytes, gpa);
  }
  for (const block of blocks) script.push(...relocations(block));
  for (const [offset, width] of RSDP_POINTERS) script.push(addPointer(RSDP_FILE, TABLES_FILE, offset, width));
  for (const [at, length] of RSDP_CHECKSUMS) script.push(addChecksum(RSDP_FILE, at, 0, length));
  const loader = new Uint8Array(script.length * COMMAND_BYTES);
  script.forEach((command, i) => {
    loader.set(command, i * COMMAND_BYTES);
  });
  return new Map([
    [TABLES_FILE, tables],
    [RSDP_FILE, rsdp],
    [LOADER_FILE, loader],
  ]);
}

/** Pointers of one table to others, and then its checksum. */
function relocations({ name, gpa, bytes }: AcpiBlock): Uint8Array[] {
  const pointers = pointersOf(name, bytes).map(([offset, width]) => addPointer(TABLES_FILE, TABLES_FILE, gpa + offset, width));
  return pointers.length === 0 ? [] : [...pointers, addChecksum(TABLES_FILE, gpa + CHECKSUM, gpa, bytes.length)];
}

function pointersOf(name: string, bytes: Uint8Array): readonly Field[] {
  if (name === 'FACP') return FADT_POINTERS;
  const width = name === 'RSDT' ? 4 : name === 'XSDT' ? 8 : 0;
  if (width === 0) return [];
  return Array.from({ length: (bytes.length - HEADER) / width }, (_, i): Field => [HEADER + i * width, width]);
}

function allocate(file: string, alignment: number, zone: number): Uint8Array {
  const { bytes, view } = command(ALLOCATE, file);
  view.setUint32(4 + NAME_BYTES, alignment, true);
  view.setUint8(8 + NAME_BYTES, zone);
  return bytes;
}

function addPointer(file: string, target: string, offset: number, width: number): Uint8Array {
  const { bytes, view } = command(ADD_POINTER, file);
  putName(bytes, 4 + NAME_BYTES, target);
  view.setUint32(4 + 2 * NAME_BYTES, offset, true);
  view.setUint8(8 + 2 * NAME_BYTES, width);
  return bytes;
}

function addChecksum(file: string, at: number, start: number, length: number): Uint8Array {
  const { bytes, view } = command(ADD_CHECKSUM, file);
  view.setUint32(4 + NAME_BYTES, at, true);
  view.setUint32(8 + NAME_BYTES, start, true);
  view.setUint32(12 + NAME_BYTES, length, true);
  return bytes;
}

function command(code: number, file: string): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(COMMAND_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, code, true);
  putName(bytes, 4, file);
  return { bytes, view };
}

function putName(bytes: Uint8Array, at: number, name: string): void {
  for (let i = 0; i < name.length; i++) bytes[at + i] = name.charCodeAt(i);
}
