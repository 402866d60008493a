/**
 * What the protocols share beside the kernel itself: the command line and the initial ramdisk.
 *
 * @module
 */
import { BootError, type BootOptions } from './entry.ts';
import type { Placement } from './placement.ts';

const PAGE = 0x1000;

/** UTF-8 with a terminating zero; `what` names the option in the message when the text itself holds one. */
export function cString(text: string, what: string): Uint8Array {
  if (text.includes('\0')) throw new BootError(`${what} holds a NUL character, which would end the text there`);
  return new TextEncoder().encode(`${text}\0`);
}

/** The last component of a path: what the guest may know of a file without knowing the host. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

/** Loads the initrd page-aligned at the top of the RAM below `limit`; { 0, 0 } when there is none. */
export function placeInitrd(options: BootOptions, place: Placement, limit: number): { at: number; bytes: number } {
  const { initrd } = options;
  if (initrd === undefined) return { at: 0, bytes: 0 };
  const name = options.initrdName ?? 'initrd';
  if (initrd.length === 0) throw new BootError(`the initrd is empty; a cpio archive or a disk image is needed`, name);
  const at = place.high(initrd.length, PAGE, `the initrd ${name}`, limit);
  place.write(at, initrd);
  return { at, bytes: initrd.length };
}
