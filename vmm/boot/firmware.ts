/**
 * A firmware image: the ROM that a processor starts in, at F000:FFF0 with the base of CS just below 4 GiB (SDM vol. 3, 10.1.4).
 *
 * The image ends at 4 GiB; its last 128 KiB stand below 1 MiB as well, as the chip set of a PC shows them. That copy is RAM: firmware that unlocks it by the
 * host bridge's PAM registers, to shadow itself, finds it unlocked.
 *
 * @module
 */
import { BootError } from './entry.ts';

export const ROM_END = 0x1_0000_0000;
const ROM_MAX = 16 * 1048576;
const ALIAS_END = 0x10_0000;
const ALIAS_MAX = 0x2_0000;

/** Checks an image. Throws BootError with one line that says what would be right. */
export function checkFirmware(image: Uint8Array): void {
  if (image.length < 16)
    throw new BootError(`${image.length} bytes; a firmware image has at least the 16 bytes that a processor starts with`);
  if (image.length > ROM_MAX) throw new BootError(`${image.length} bytes; a firmware image has at most 16 MiB`);
}

/** What stands below 1 MiB: where, and which bytes. */
export function lowAlias(image: Uint8Array): { readonly gpa: number; readonly bytes: Uint8Array } {
  const bytes = image.subarray(Math.max(0, image.length - ALIAS_MAX));
  return { gpa: ALIAS_END - bytes.length, bytes };
}
