/**
 * The memory map of the board as the BIOS call INT 15h, AX=E820h reports it (ACPI specification, 15.1 and table 15.374).
 *
 * Leaves out: ACPI reclaimable and NVS ranges (the board's tables stand in a reserved range) and persistent memory.
 *
 * @module
 */

/** One range; addresses and lengths in bytes. */
export interface E820Entry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

export const E820_RAM = 1;
export const E820_RESERVED = 2;

/** The extended BIOS data area: the last kilobyte below the video memory. */
export const EBDA = 0x9_fc00;
export const EBDA_END = 0xa_0000;
/** The BIOS area, where the ACPI tables stand and where the RSDP is searched for (ACPI 5.2.5.1). */
const BIOS = 0xe_0000;
const BIOS_END = 0x10_0000;
const FOUR_GIB = 0x1_0000_0000;

/**
 * The map of a board with `lowBytes` of RAM from address 0 (the legacy hole is RAM that nobody may use) and `highBytes` from 4 GiB.
 * Sorted, no overlaps, no empty ranges.
 */
export function e820(lowBytes: number, highBytes = 0, ebda = EBDA): E820Entry[] {
  const map: E820Entry[] = [];
  const add = (from: number, to: number, type: number): void => {
    if (to > from) map.push({ base: from, length: to - from, type });
  };
  add(0, Math.min(ebda, lowBytes), E820_RAM);
  add(ebda, EBDA_END, E820_RESERVED);
  add(BIOS, BIOS_END, E820_RESERVED);
  add(BIOS_END, Math.min(lowBytes, FOUR_GIB), E820_RAM);
  add(FOUR_GIB, FOUR_GIB + highBytes, E820_RAM);
  return map;
}

/** The map as `struct boot_e820_entry` and Xen's and multiboot's tables begin: base, length (u64), type (u32). */
export function writeE820(view: DataView, offset: number, entry: E820Entry): void {
  view.setBigUint64(offset, BigInt(entry.base), true);
  view.setBigUint64(offset + 8, BigInt(entry.length), true);
  view.setUint32(offset + 16, entry.type, true);
}
