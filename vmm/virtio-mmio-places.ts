/**
 * Where virtio devices stand on a board that has them over MMIO: a page each above the HPET's, two interrupt lines for all of them.
 *
 * @module
 */
import type { VirtioMmioPlace } from '../devices/acpi/optional.ts';

const FIRST = 0xfed8_0000;
/** Bytes of a place. */
export const PAGE = 0x1000;
/** ISA interrupts that nothing of the board has, with and without a PIIX. */
const LINES = [5, 7] as const;

/** The place of device `index`. */
export function placeOf(index: number): VirtioMmioPlace {
  return { gpa: FIRST + PAGE * index, gsi: LINES[index % LINES.length] as number };
}

export function mmioPlaces(count: number): readonly VirtioMmioPlace[] {
  return Array.from({ length: count }, (_, i) => placeOf(i));
}
