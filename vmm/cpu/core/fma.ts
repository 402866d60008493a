/**
 * FMA3: the 96 fused multiply-adds, VFMADD VFMSUB VFNMADD VFNMSUB VFMADDSUB VFMSUBADD in the orders 132, 213 and 231.
 *
 * Specification: SDM vol. 1 section 14.5 (operand order, NaNs, zeros), vol. 2 (each instruction). The opcode's high nibble is the order, the
 * low one the operation, W the precision, an odd opcode from 99 on a scalar.
 *
 * Single precision takes a shortcut under the conditions that sse.ts has for its own: the product of two binary32 is exact in binary64, so
 * there is one addition to round to binary64 and then to binary32. Two roundings differ from one only when the first ends in the middle
 * of two binary32 without being exact; then the sum is moved off the middle by its error, which is known exactly.
 *
 * Double precision has a shortcut for operands of moderate size, by S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums:
 * proved algorithms using rounding to odd" (IEEE Transactions on Computers 57, 2008): the product is split into a binary64 and its error
 * (T. J. Dekker), the three numbers are added without loss to a leading part and two small ones, and these are added rounding to odd, so that the
 * last addition alone rounds. Nothing there may underflow, which the exponents' bounds see to: all terms are multiples of 2^-906. All else is
 * computed in integers.
 */
import { begin, DAZ, FTZ, PE, PM, softFma } from './softfloat';
import { settle } from './sse';
import { MXCSR } from './state.gen';

/** MXCSR as the shortcut wants it: round to nearest, no DAZ, no FTZ, precision masked and sticky. */
const FAST_MASK: u32 = FTZ | 0x6000 | PM | DAZ | PE;
const FAST: u32 = PM | PE;
const SIGN32: u64 = 0x80000000;
const SIGN64: u64 = 0x8000000000000000;

/** Zero or normal and finite. */
// @ts-ignore: decorator
@inline
function plain(x: u32): bool {
  const t = x << 1;
  return t == 0 || t - 0x01000000 < 0xfe000000;
}

/** Set when a lane could take the shortcut for all that MXCSR says. */
let fast: bool = false;

/** x * y + z; `nx` and `nz` turn the signs of product and addend. */
function single(x: u32, y: u32, z: u32, nx: u32, nz: u32): u64 {
  if (fast && plain(x) && plain(y) && plain(z)) {
    const p = f64(reinterpret<f32>(x ^ nx)) * f64(reinterpret<f32>(y));
    const c = f64(reinterpret<f32>(z ^ nz));
    const sum = p + c;
    let bits = reinterpret<u64>(sum);
    if ((bits & 0x1fffffff) == 0x10000000) {
      const back = sum - p;
      const error = p - (sum - back) + (c - back);
      // Towards the error: a larger magnitude when both have one sign.
      if (error != 0) bits += error < 0 == sum < 0 ? 1 : -1;
    }
    const r = reinterpret<u32>(f32(reinterpret<f64>(bits)));
    // Normal, but not the least normal, which may have been tiny before rounding; or an exact zero.
    if ((r << 1) - 0x02000000 < 0xfd000000 || sum == 0) return r;
  }
  // A NaN's sign is nobody's to turn.
  return softFma<f32>(x, y, (z & 0x7fffffff) > 0x7f800000 ? z : z ^ nz, nx);
}

/** Exponent within +-400, for factors; within +-800, or zero, for the addend. */
// @ts-ignore: decorator
@inline
function isFactor(x: u64): bool {
  return u32((x >> 52) & 0x7ff) - 623 <= 800;
}
// @ts-ignore: decorator
@inline
function isAddend(x: u64): bool {
  return u32((x >> 52) & 0x7ff) - 223 <= 1600 || x << 1 == 0;
}

/** Error of a sum of a and b that was rounded to `sum`. */
// @ts-ignore: decorator
@inline
function sumError(a: f64, b: f64, sum: f64): f64 {
  const back = sum - a;
  return a - (sum - back) + (b - back);
}

/** Error of a product of a and b that was rounded to `product`. */
// @ts-ignore: decorator
@inline
function productError(a: f64, b: f64, product: f64): f64 {
  // 2^27 + 1 splits a binary64 into halves of 26 bits.
  const ca = 134217729.0 * a;
  const ah = ca - (ca - a);
  const al = a - ah;
  const cb = 134217729.0 * b;
  const bh = cb - (cb - b);
  const bl = b - bh;
  return al * bl - (product - ah * bh - al * bh - ah * bl);
}

/** a + b rounded to odd: when it is not exact, the neighbour whose last bit is 1. */
// @ts-ignore: decorator
@inline
function addToOdd(a: f64, b: f64): f64 {
  const sum = a + b;
  const error = sumError(a, b, sum);
  const bits = reinterpret<u64>(sum);
  if (error == 0 || bits & 1) return sum;
  return reinterpret<f64>(error < 0 == sum < 0 ? bits + 1 : bits - 1);
}

/** a * b + c of factors and an addend, rounded to nearest. */
function fuse(a: f64, b: f64, c: f64): f64 {
  const product = a * b;
  const rest = productError(a, b, product);
  const t = c + rest;
  const v = product + t;
  return v + addToOdd(sumError(c, rest, t), sumError(product, t, v));
}

function double(x: u64, y: u64, z: u64, nx: u64, nz: u64): u64 {
  if (fast && isFactor(x) && isFactor(y) && isAddend(z)) {
    return reinterpret<u64>(fuse(reinterpret<f64>(x ^ nx), reinterpret<f64>(y), reinterpret<f64>(z ^ nz)));
  }
  return softFma<f64>(x, y, (z & ~SIGN64) > 0x7ff0000000000000 ? z : z ^ nz, nx);
}

// @ts-ignore: decorator
@inline
function pairOf(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** Two lanes of binary32, with the addend's sign in each. */
// @ts-ignore: decorator
@inline
function singles2(x: usize, y: usize, z: usize, nx: u32, even: u32, odd: u32): u64 {
  const low = single(load<u32>(x), load<u32>(y), load<u32>(z), nx, even);
  return low | (single(load<u32>(x, 4), load<u32>(y, 4), load<u32>(z, 4), nx, odd) << 32);
}

/** 16 bytes: `negative` turns the product's sign, `even` and `odd` the addend's in lanes of that kind. */
function half(w: u32, x: usize, y: usize, z: usize, negative: bool, even: bool, odd: bool): v128 {
  if (w) {
    const nx: u64 = negative ? SIGN64 : 0;
    const low = double(load<u64>(x), load<u64>(y), load<u64>(z), nx, even ? SIGN64 : 0);
    return pairOf(low, double(load<u64>(x, 8), load<u64>(y, 8), load<u64>(z, 8), nx, odd ? SIGN64 : 0));
  }
  const nx: u32 = negative ? u32(SIGN32) : 0;
  const ne: u32 = even ? u32(SIGN32) : 0;
  const no: u32 = odd ? u32(SIGN32) : 0;
  return pairOf(singles2(x, y, z, nx, ne, no), singles2(x + 8, y + 8, z + 8, nx, ne, no));
}

/**
 * Executes VEX.66.0F38 `opcode` (96 to 9F, A6 to AF, B6 to BF) with this W and L. `dst` is the first operand's register, of 32 bytes; `rm`
 * may be memory of the size of the operation. Bits above the vector become 0; a scalar leaves the rest of the low 16 bytes.
 */
export function fmaExec(cpu: usize, opcode: u32, w: u32, l: u32, dst: usize, vvvv: usize, rm: usize): void {
  const order = opcode >> 4;
  const x = order == 9 ? dst : vvvv;
  const y = order == 10 ? dst : rm;
  const z = order == 9 ? vvvv : order == 10 ? rm : dst;
  const op = opcode & 15;
  const negative = op >= 0x0c;
  // 6 subtracts in even lanes, 7 in odd ones; A, B, E, F in all.
  const even = op == 6 || (op >= 8 && bool(op & 2));
  const odd = op == 7 || (op >= 8 && bool(op & 2));
  const mxcsr = load<u32>(cpu, MXCSR);
  begin(mxcsr);
  fast = (mxcsr & FAST_MASK) == FAST;
  if (op >= 8 && op & 1) {
    if (w) {
      const r = double(load<u64>(x), load<u64>(y), load<u64>(z), negative ? SIGN64 : 0, even ? SIGN64 : 0);
      if (!settle(cpu)) return;
      store<u64>(dst, r);
    } else {
      const r = single(load<u32>(x), load<u32>(y), load<u32>(z), negative ? u32(SIGN32) : 0, even ? u32(SIGN32) : 0);
      if (!settle(cpu)) return;
      store<u32>(dst, u32(r));
    }
    v128.store(dst, i64x2.splat(0), 16);
    return;
  }
  const low = half(w, x, y, z, negative, even, odd);
  const high = l ? half(w, x + 16, y + 16, z + 16, negative, even, odd) : i64x2.splat(0);
  if (!settle(cpu)) return;
  v128.store(dst, low);
  v128.store(dst, high, 16);
}
