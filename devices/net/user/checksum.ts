/**
 * The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
 *
 * @module
 */

/** Adds the bytes from `from` to `to` to `sum`, as big-endian words; an odd last byte is a word's upper half. The result has 16 bits. */
export function sumWords(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  let total = sum;
  const end = from + ((to - from) & ~1);
  // 64 KB of words and what came before fit 32 bits, so carries are folded once.
  for (let at = from; at < end; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  if (end < to) total += bytes[end] << 8;
  return fold(total);
}

/** The sum of a pseudo header (RFC 9293 3.1, RFC 768): addresses, protocol, and length of what follows. */
export function pseudoSum(source: number, target: number, protocol: number, length: number): number {
  return fold((source >>> 16) + (source & 0xffff) + (target >>> 16) + (target & 0xffff) + protocol + length);
}

/** End-around carry of an unsigned 32-bit sum until 16 bits are left. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
