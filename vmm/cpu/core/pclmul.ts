/**
 * PCLMULQDQ: the product of two polynomials of degree 63 over GF(2).
 *
 * Specification: SDM vol. 2, PCLMULQDQ. An integer product of two numbers of which only every fourth bit is set has room for the carries:
 * each of its digits is a sum of at most 16 terms, and only a digit at bit 60 can have all 16, whose carry leaves the word. Sixteen such
 * products give the low half; the high half is the low half of the product of the operands in reverse, reversed and moved by one place.
 */

const EVERY_FOURTH: u64 = 0x1111111111111111;

/** Low 64 bits of the product. */
function low(a: u64, b: u64): u64 {
  const a0 = a & EVERY_FOURTH;
  const a1 = a & (EVERY_FOURTH << 1);
  const a2 = a & (EVERY_FOURTH << 2);
  const a3 = a & (EVERY_FOURTH << 3);
  const b0 = b & EVERY_FOURTH;
  const b1 = b & (EVERY_FOURTH << 1);
  const b2 = b & (EVERY_FOURTH << 2);
  const b3 = b & (EVERY_FOURTH << 3);
  const r0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
  const r1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
  const r2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
  const r3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
  return (r0 & EVERY_FOURTH) | (r1 & (EVERY_FOURTH << 1)) | (r2 & (EVERY_FOURTH << 2)) | (r3 & (EVERY_FOURTH << 3));
}

function reverse(x: u64): u64 {
  x = ((x >> 1) & 0x5555555555555555) | ((x & 0x5555555555555555) << 1);
  x = ((x >> 2) & 0x3333333333333333) | ((x & 0x3333333333333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f0f0f0f0f) | ((x & 0x0f0f0f0f0f0f0f0f) << 4);
  return bswap<u64>(x);
}

/** Quadwords of `a` and `b` chosen by bits 0 and 4 of the immediate, multiplied to `dst`. */
export function carrylessMultiply(dst: usize, a: usize, b: usize, imm: u32): void {
  const x = load<u64>(a + ((imm & 1) << 3));
  const y = load<u64>(b + ((imm & 16) >> 1));
  store<u64>(dst, low(x, y));
  store<u64>(dst, reverse(low(reverse(x), reverse(y))) >> 1, 8);
}
