/**
 * What firmware is told of the board by fw_cfg files.
 *
 * Specification: QEMU's docs/specs/fw_cfg.rst; SeaBIOS's docs/Runtime_config (names and meanings of `etc/…`). A number is little-endian.
 *
 * | file | what it says |
 * |---|---|
 * | etc/e820 | which memory is RAM: base, length, type, 20 bytes each |
 * | etc/acpi/tables, etc/acpi/rsdp, etc/table-loader | the tables of a kernel that is booted directly, and how to load them |
 * | etc/sercon-port | the firmware's console, and that of INT 10h and INT 16h, is COM1 as well |
 * | etc/boot-fail-wait | nothing to boot from: stay, with a message, and do not start again and again |
 * | etc/show-boot-menu | no time is lost waiting for a key |
 *
 * @module
 */
import { acpiFiles } from '../../devices/acpi/loader.ts';
import type { AcpiOptions } from '../../devices/acpi/tables.ts';
import { E820_RAM, type E820Entry, writeE820 } from './e820.ts';

const E820_BYTES = 20;
const FOUR_GIB = 0x1_0000_0000;
const COM1 = 0x3f8;
const FOR_EVER = 0xffff_ffff;

export interface FirmwareBoard {
  /** RAM from address 0, and from 4 GiB. */
  readonly lowBytes: number;
  readonly highBytes: number;
  readonly acpi: Omit<AcpiOptions, 'base' | 'limit'>;
}

export function firmwareFiles({ lowBytes, highBytes, acpi }: FirmwareBoard): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ['etc/e820', memoryMap(lowBytes, highBytes)],
    ['etc/sercon-port', number(COM1, 2)],
    ['etc/boot-fail-wait', number(FOR_EVER, 4)],
    ['etc/show-boot-menu', number(0, 2)],
    ...acpiFiles(acpi),
  ]);
}

function memoryMap(lowBytes: number, highBytes: number): Uint8Array {
  const ranges: E820Entry[] = [{ base: 0, length: lowBytes, type: E820_RAM }];
  if (highBytes > 0) ranges.push({ base: FOUR_GIB, length: highBytes, type: E820_RAM });
  const bytes = new Uint8Array(ranges.length * E820_BYTES);
  const view = new DataView(bytes.buffer);
  ranges.forEach((range, i) => {
    writeE820(view, i * E820_BYTES, range);
  });
  return bytes;
}

function number(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff);
}
