/**
 * What every ACPI table begins with.
 *
 * Specification: ACPI 6.5, section 5.2.6.
 *
 * @module
 */

export const OEM_ID = 'LUCID ';
const OEM_TABLE_ID = 'LUCIDVM ';
const CREATOR_ID = 'LUCD';
export const HEADER = 36;

/** A table with its header (5.2.6); `body` is what follows the header. */
export function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + body.length);
  const view = new DataView(bytes.buffer);
  putString(bytes, 0, signature);
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  putString(bytes, 10, OEM_ID);
  putString(bytes, 16, OEM_TABLE_ID);
  view.setUint32(24, 1, true);
  putString(bytes, 28, CREATOR_ID);
  view.setUint32(32, 1, true);
  bytes.set(body, HEADER);
  bytes[9] = checksum(bytes);
  return bytes;
}

export function putString(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** The byte that makes the sum of all bytes 0 modulo 256, for a field that is still 0. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
