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
import { isFast, plain32, plain4 } from './ordinary';
import { begin, softFma } from './softfloat';
import { settle } from './sse';
import { MXCSR } from './state.gen';

const SIGN32: u64 = 0x80000000;
const SIGN64: u64 = 0x8000000000000000;

/** Set when a lane could take the shortcut for all that MXCSR says. */
let fast: bool = false;

/** x * y + z; `nx` and `nz` turn the signs of product and addend. */
function single(x: u32, y: u32, z: u32, nx: u32, nz: u32): u64 {
  if (fast && plain32(x) && plain32(y) && plain32(z)) {
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

/** Set when the last `single4` or `double2` could do all of its lanes; else its result is none. */
let whole: bool = false;

/** The shortcut of two lanes of binary32 as binary64 sums. */
// @ts-ignore: decorator
@inline
function sum2(x: v128, y: v128, z: v128): v128 {
  return f64x2.add(f64x2.mul(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y)), f64x2.promote_low_f32x4(z));
}

/** Four lanes of x * y + z at once, when all are ordinary and no sum lies in the middle of two binary32. */
function single4(x: v128, y: v128, z: v128): v128 {
  const low = sum2(x, y, z);
  const high = sum2(i64x2.shuffle(x, x, 1, 1), i64x2.shuffle(y, y, 1, 1), i64x2.shuffle(z, z, 1, 1));
  const r = i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  const rest = i64x2.splat(0x1fffffff);
  const middle = i64x2.splat(0x10000000);
  const halfway = v128.or(i64x2.eq(v128.and(low, rest), middle), i64x2.eq(v128.and(high, rest), middle));
  const normal = i32x4.lt_u(i32x4.sub(i32x4.shl(r, 1), i32x4.splat(0x02000000)), i32x4.splat(0xfd000000));
  const ordinary = v128.and(v128.and(plain4(x), plain4(y)), v128.and(plain4(z), normal));
  whole = v128.all_true<i32>(ordinary) && !v128.any_true(halfway);
  return r;
}

/** Both lanes have an exponent within +-`range`. */
// @ts-ignore: decorator
@inline
function within(x: v128, range: i64): v128 {
  const field = v128.and(i64x2.shr_u(x, 52), i64x2.splat(0x7ff));
  return i64x2.le_s(i64x2.abs(i64x2.sub(field, i64x2.splat(1023))), i64x2.splat(range));
}

// sumError, productError, addToOdd and fuse of two lanes.

// @ts-ignore: decorator
@inline
function sumError2(a: v128, b: v128, sum: v128): v128 {
  const back = f64x2.sub(sum, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(sum, back)), f64x2.sub(b, back));
}

// @ts-ignore: decorator
@inline
function productError2(a: v128, b: v128, product: v128): v128 {
  const ca = f64x2.mul(f64x2.splat(134217729.0), a);
  const ah = f64x2.sub(ca, f64x2.sub(ca, a));
  const al = f64x2.sub(a, ah);
  const cb = f64x2.mul(f64x2.splat(134217729.0), b);
  const bh = f64x2.sub(cb, f64x2.sub(cb, b));
  const bl = f64x2.sub(b, bh);
  const rest = f64x2.sub(f64x2.sub(f64x2.sub(product, f64x2.mul(ah, bh)), f64x2.mul(al, bh)), f64x2.mul(ah, bl));
  return f64x2.sub(f64x2.mul(al, bl), rest);
}

// @ts-ignore: decorator
@inline
function addToOdd2(a: v128, b: v128): v128 {
  const sum = f64x2.add(a, b);
  const error = sumError2(a, b, sum);
  const inexact = f64x2.ne(error, f64x2.splat(0));
  // +1 where error and sum have one sign, else -1; nothing where the sum is exact or odd.
  const step = v128.or(i64x2.shr_s(v128.xor(error, sum), 63), i64x2.splat(1));
  const even = i64x2.eq(v128.and(sum, i64x2.splat(1)), i64x2.splat(0));
  return i64x2.add(sum, v128.and(step, v128.and(inexact, even)));
}

function double2(x: v128, y: v128, z: v128): v128 {
  whole = v128.all_true<i64>(v128.and(v128.and(within(x, 400), within(y, 400)), within(z, 800)));
  const product = f64x2.mul(x, y);
  const rest = productError2(x, y, product);
  const t = f64x2.add(z, rest);
  const v = f64x2.add(product, t);
  return f64x2.add(v, addToOdd2(sumError2(z, rest, t), sumError2(product, t, v)));
}

/** 16 bytes: `negative` turns the product's sign, `even` and `odd` the addend's in lanes of that kind. */
function half(w: u32, x: usize, y: usize, z: usize, negative: bool, even: bool, odd: bool): v128 {
  if (w) {
    const nx: u64 = negative ? SIGN64 : 0;
    const ne: u64 = even ? SIGN64 : 0;
    const no: u64 = odd ? SIGN64 : 0;
    if (fast) {
      const r = double2(v128.xor(v128.load(x), i64x2.splat(nx)), v128.load(y), v128.xor(v128.load(z), pairOf(ne, no)));
      if (whole) return r;
    }
    const low = double(load<u64>(x), load<u64>(y), load<u64>(z), nx, ne);
    return pairOf(low, double(load<u64>(x, 8), load<u64>(y, 8), load<u64>(z, 8), nx, no));
  }
  const nx: u32 = negative ? u32(SIGN32) : 0;
  const ne: u32 = even ? u32(SIGN32) : 0;
  const no: u32 = odd ? u32(SIGN32) : 0;
  if (fast) {
    const addend = v128.xor(v128.load(z), i64x2.splat(u64(ne) | (u64(no) << 32)));
    const r = single4(v128.xor(v128.load(x), i32x4.splat(nx)), v128.load(y), addend);
    if (whole) return r;
  }
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
  begin(load<u32>(cpu, MXCSR));
  fast = isFast(cpu);
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
