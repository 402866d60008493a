/**
 * Binary32 and binary64 arithmetic as SSE does it: every rounding mode, DAZ, FTZ and all six exception flags, in integers.
 *
 * Specification: IEEE 754-2008 with the choices of SDM vol. 1 sections 4.8, 4.9, 11.5 and appendix E (NaN rules of table 4-7, tininess
 * after rounding, flush to zero only while underflow is masked). The wasm instructions round to nearest and raise nothing; sse.ts
 * uses them where that cannot be told apart and comes here for the rest.
 *
 * Values are bit patterns in a u64 (binary32 in the low half, upper half 0); T is f32 or f64 and only selects constants, so each
 * function is compiled twice; i16 stands for binary16, which is converted only (F16C). Inside an operation a finite value is a sign, a biased exponent e that may leave the field's range,
 * and a significand whose leading 1 stands in bit 62, bits below the precision being guard bits and bit 0 sticky.
 *
 * `begin` takes MXCSR; the operations add to `flags`; the caller settles flags and masks for the instruction as a whole. These three
 * globals live from `begin` to that point within one instruction, so they are no state of the guest.
 *
 * Left out: binary80 (x87 has its own).
 */

/** Exception flags, at their places in MXCSR (SDM vol. 1 figure 10-3); the mask of each stands 7 bits higher. */
export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
export const DAZ: u32 = 0x40;
export const PM: u32 = 0x1000;
export const FTZ: u32 = 0x8000;
const OM: u32 = 0x400;
const UM: u32 = 0x800;

/** MXCSR.RC. */
export const RC_NEAREST: u32 = 0;
export const RC_DOWN: u32 = 1;
export const RC_UP: u32 = 2;
export const RC_ZERO: u32 = 3;

/** Flags raised since `begin`. */
export let flags: u32 = 0;
let control: u32 = 0;
let rounding: u32 = 0;

/** Starts an instruction under this MXCSR. */
// @ts-ignore: decorator
@inline
export function begin(mxcsr: u32): void {
  flags = 0;
  control = mxcsr;
  rounding = (mxcsr >> 13) & 3;
}

/** Rounding mode in force. */
// @ts-ignore: decorator
@inline
export function roundingMode(): u32 {
  return rounding;
}

/** Precision in bits, the hidden one included. */
// @ts-ignore: decorator
@inline
function precision<T>(): u64 {
  return sizeof<T>() == 8 ? 53 : sizeof<T>() == 4 ? 24 : 11;
}
// @ts-ignore: decorator
@inline
function bias<T>(): i32 {
  return sizeof<T>() == 8 ? 1023 : sizeof<T>() == 4 ? 127 : 15;
}
// @ts-ignore: decorator
@inline
function maxExp<T>(): i32 {
  return sizeof<T>() == 8 ? 0x7ff : sizeof<T>() == 4 ? 0xff : 0x1f;
}
// @ts-ignore: decorator
@inline
function signBit<T>(): u64 {
  return sizeof<T>() == 8 ? 0x8000000000000000 : sizeof<T>() == 4 ? 0x80000000 : 0x8000;
}
/** +infinity; also the exponent field's mask. */
// @ts-ignore: decorator
@inline
function infinity<T>(): u64 {
  return sizeof<T>() == 8 ? 0x7ff0000000000000 : sizeof<T>() == 4 ? 0x7f800000 : 0x7c00;
}
// @ts-ignore: decorator
@inline
function quietBit<T>(): u64 {
  return sizeof<T>() == 8 ? 0x0008000000000000 : sizeof<T>() == 4 ? 0x00400000 : 0x0200;
}
/** The QNaN floating-point indefinite (SDM vol. 1 table 4-3): negative. */
// @ts-ignore: decorator
@inline
function indefinite<T>(): u64 {
  return sizeof<T>() == 8 ? 0xfff8000000000000 : 0xffc00000;
}
// @ts-ignore: decorator
@inline
function magnitude<T>(x: u64): u64 {
  return x & (signBit<T>() - 1);
}
// @ts-ignore: decorator
@inline
function notNumber<T>(x: u64): bool {
  return magnitude<T>(x) > infinity<T>();
}
// @ts-ignore: decorator
@inline
function isSignaling<T>(x: u64): bool {
  return notNumber<T>(x) && !(x & quietBit<T>());
}
// @ts-ignore: decorator
@inline
function isDenormal<T>(x: u64): bool {
  return magnitude<T>(x) - 1 < ((1 as u64) << (precision<T>() - 1)) - 1;
}

/** A denormal operand reads as a zero of its sign under DAZ and is reported otherwise. */
// @ts-ignore: decorator
@inline
function denormal<T>(x: u64): u64 {
  if (isDenormal<T>(x)) {
    if (control & DAZ) return x & signBit<T>();
    flags |= DE;
  }
  return x;
}

/** DAZ alone, for operations that never report denormals. */
// @ts-ignore: decorator
@inline
export function flushDenormal<T>(x: u64): u64 {
  return control & DAZ && isDenormal<T>(x) ? x & signBit<T>() : x;
}

/** Result of an operation with one NaN operand. */
function quiet<T>(x: u64): u64 {
  if (!(x & quietBit<T>())) flags |= IE;
  return x | quietBit<T>();
}

/** Result of an operation one of whose operands is a NaN: the first that is, quieted (SDM vol. 1 table 4-7, SSE column). */
function propagate<T>(a: u64, b: u64): u64 {
  if (isSignaling<T>(a) || isSignaling<T>(b)) flags |= IE;
  return (notNumber<T>(a) ? a : b) | quietBit<T>();
}

function invalid<T>(): u64 {
  flags |= IE;
  return indefinite<T>();
}

/** Biased exponent of a finite nonzero value as if its significand were normalized. */
// @ts-ignore: decorator
@inline
function exponent<T>(x: u64): i32 {
  const m = magnitude<T>(x);
  const e = i32(m >> (precision<T>() - 1));
  return e ? e : 1 - i32(clz<u64>(m) - (64 - precision<T>()));
}

/** Significand of a finite nonzero value, leading 1 in bit 62. */
// @ts-ignore: decorator
@inline
function significand<T>(x: u64): u64 {
  const hidden: u64 = (1 as u64) << (precision<T>() - 1);
  const fraction = x & (hidden - 1);
  return x & infinity<T>() ? (fraction | hidden) << (63 - precision<T>()) : fraction << (clz<u64>(fraction) - 1);
}

/** Shifts right; what falls out stays visible in bit 0. */
// @ts-ignore: decorator
@inline
function shiftJam(x: u64, n: i32): u64 {
  return n == 0 ? x : n > 62 ? u64(x != 0) : (x >> n) | u64(x << (64 - n) != 0);
}

/** Rounds to the destination's precision and range; `sign` is 0 or the sign bit of T. */
function roundPack<T>(sign: u64, e: i32, s: u64): u64 {
  const shift = 63 - precision<T>();
  const mask: u64 = ((1 as u64) << shift) - 1;
  const half: u64 = (1 as u64) << (shift - 1);
  const away = rounding == (sign ? RC_DOWN : RC_UP);
  const inc = rounding == RC_NEAREST ? half : away ? mask : 0;
  if (e <= 0) {
    // Tininess is detected after rounding as if the exponent had no bound (SDM vol. 1 section 4.9.1.5).
    const tiny = e < 0 || i64(s + inc) >= 0;
    if (tiny && (control & (FTZ | UM)) == (FTZ | UM)) {
      flags |= UE | PE;
      return sign;
    }
    if (tiny && !(control & UM)) {
      // Unmasked, tiny alone underflows, and precision is that of the result without a bound on the exponent; nothing is delivered.
      flags |= s & mask ? UE | PE : UE;
      return sign;
    }
    s = shiftJam(s, 1 - e);
    const rest = s & mask;
    if (rest) flags |= tiny ? UE | PE : PE;
    const r = (s + inc) >> shift;
    return sign | (rounding == RC_NEAREST && rest == half ? r & ~1 : r);
  }
  const rest = s & mask;
  if (e >= maxExp<T>() || (e == maxExp<T>() - 1 && i64(s + inc) < 0)) {
    flags |= OE;
    // Unmasked, the precision flag tells about the result rounded without a bound on the exponent.
    if (rest || control & OM) flags |= PE;
    return sign | (infinity<T>() - u64(inc == 0));
  }
  if (rest) flags |= PE;
  const r = (s + inc) >> shift;
  return sign | ((u64(e - 1) << (precision<T>() - 1)) + (rounding == RC_NEAREST && rest == half ? r & ~1 : r));
}

export function softAdd<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) return propagate<T>(a, b);
  a = denormal<T>(a);
  b = denormal<T>(b);
  if (magnitude<T>(a) == infinity<T>()) return magnitude<T>(b) == infinity<T>() && a != b ? invalid<T>() : a;
  if (magnitude<T>(b) == infinity<T>()) return b;
  const differ = (a ^ b) & signBit<T>();
  if (magnitude<T>(a) < magnitude<T>(b)) {
    const t = a;
    a = b;
    b = t;
  }
  let sign = a & signBit<T>();
  // x - x is +0, or -0 when rounding down (IEEE 754 section 6.3).
  if (differ && magnitude<T>(a) == magnitude<T>(b)) return rounding == RC_DOWN ? signBit<T>() : 0;
  if (magnitude<T>(a) == 0) return a;
  let e = exponent<T>(a);
  let s = significand<T>(a);
  if (magnitude<T>(b) == 0) return roundPack<T>(sign, e, s);
  const t = shiftJam(significand<T>(b), e - exponent<T>(b));
  if (differ) {
    s -= t;
    const n = i32(clz<u64>(s)) - 1;
    return roundPack<T>(sign, e - n, s << n);
  }
  s += t;
  return i64(s) < 0 ? roundPack<T>(sign, e + 1, shiftJam(s, 1)) : roundPack<T>(sign, e, s);
}

export function softSub<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) return propagate<T>(a, b);
  return softAdd<T>(a, b ^ signBit<T>());
}

/** Low half of the last product, and of the last 128-bit value shifted. */
let lowHalf: u64 = 0;

/** High half of the 128-bit product; the other is in `lowHalf`. */
function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const ll = al * bl;
  const mid = ah * bl + (ll >> 32);
  const mid2 = al * bh + (mid & 0xffffffff);
  lowHalf = (mid2 << 32) | (ll & 0xffffffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}

export function softMul<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) return propagate<T>(a, b);
  a = denormal<T>(a);
  b = denormal<T>(b);
  const sign = (a ^ b) & signBit<T>();
  const ma = magnitude<T>(a);
  const mb = magnitude<T>(b);
  if (ma == infinity<T>() || mb == infinity<T>()) {
    if (ma && mb) return sign | infinity<T>();
    return invalid<T>();
  }
  if (!ma || !mb) return sign;
  const e = exponent<T>(a) + exponent<T>(b) - bias<T>();
  const high = mulHigh(significand<T>(a) << 1, significand<T>(b) << 1);
  const s = high | u64(lowHalf != 0);
  return i64(s) < 0 ? roundPack<T>(sign, e + 1, shiftJam(s, 1)) : roundPack<T>(sign, e, s);
}

/** Result of a fused operation with a NaN: the first of multiplicand, multiplier, addend that is one (SDM vol. 1 table 14-17). */
function propagate3<T>(x: u64, y: u64, z: u64): u64 {
  if (isSignaling<T>(x) || isSignaling<T>(y) || isSignaling<T>(z)) flags |= IE;
  return (notNumber<T>(x) ? x : notNumber<T>(y) ? y : z) | quietBit<T>();
}

/** x * y + z rounded once; the product's sign is turned by `negate` (0 or the sign bit of T). A NaN addend hides 0 * infinity. */
export function softFma<T>(x: u64, y: u64, z: u64, negate: u64): u64 {
  if (notNumber<T>(x) || notNumber<T>(y) || notNumber<T>(z)) return propagate3<T>(x, y, z);
  const before = flags;
  x = denormal<T>(x);
  y = denormal<T>(y);
  z = denormal<T>(z);
  const sign = (x ^ y ^ negate) & signBit<T>();
  const mx = magnitude<T>(x);
  const my = magnitude<T>(y);
  const mz = magnitude<T>(z);
  const infinite = mx == infinity<T>() || my == infinity<T>();
  if (infinite && (!mx || !my || (mz == infinity<T>() && sign != (z & signBit<T>())))) {
    // Invalid has priority over a denormal operand (SDM vol. 1 section 4.9.2).
    flags = before;
    return invalid<T>();
  }
  if (infinite) return sign | infinity<T>();
  if (mz == infinity<T>()) return z;
  if (!mx || !my) {
    if (mz) return roundPack<T>(z & signBit<T>(), exponent<T>(z), significand<T>(z));
    return sign == (z & signBit<T>()) ? sign : rounding == RC_DOWN ? signBit<T>() : 0;
  }
  let e = exponent<T>(x) + exponent<T>(y) - bias<T>();
  let high = mulHigh(significand<T>(x) << 1, significand<T>(y) << 1);
  let low = lowHalf;
  // Leading 1 to bit 62 of the high half: the product's 106 bits have room there.
  if (i64(high) < 0) {
    low = (low >> 1) | (high << 63);
    high >>= 1;
    e++;
  }
  if (!mz) return roundPack<T>(sign, e, high | u64(low != 0));
  return addProduct<T>(sign, e, high, low, z);
}

/** Product of sign, exponent and 128-bit significand, plus a finite z that is not 0. */
function addProduct<T>(sign: u64, e: i32, high: u64, low: u64, z: u64): u64 {
  let h = significand<T>(z);
  let l: u64 = 0;
  const d = e - exponent<T>(z);
  // The one with the lower exponent moves right. A cancellation of more than one bit needs exponents that differ by at most one, and then
  // nothing falls out.
  if (d > 0) {
    h = shiftJam128(h, 0, d);
    l = lowHalf;
  } else if (d < 0) {
    high = shiftJam128(high, low, -d);
    low = lowHalf;
    e -= d;
  }
  if (sign == (z & signBit<T>())) {
    low += l;
    high += h + u64(low < l);
    if (i64(high) >= 0) return roundPack<T>(sign, e, high | u64(low != 0));
    return roundPack<T>(sign, e + 1, shiftJam(high, 1) | u64(low != 0));
  }
  if (high < h || (high == h && low < l)) {
    sign ^= signBit<T>();
    h -= high + u64(l < low);
    l -= low;
  } else {
    h = high - h - u64(low < l);
    l = low - l;
  }
  if (!(h | l)) return rounding == RC_DOWN ? signBit<T>() : 0;
  if (!h) {
    h = l;
    l = 0;
    e -= 64;
    // Bit 63 may lead now.
    if (i64(h) < 0) return roundPack<T>(sign, e + 1, shiftJam(h, 1));
  }
  const n = i32(clz<u64>(h)) - 1;
  if (n) {
    h = (h << n) | (l >> (64 - n));
    l <<= n;
  }
  return roundPack<T>(sign, e - n, h | u64(l != 0));
}

/** Shifts 128 bits right by at least 1; what falls out stays visible in bit 0. Returns the high half, the other in `lowHalf`. */
function shiftJam128(high: u64, low: u64, n: i32): u64 {
  if (n < 64) {
    lowHalf = (low >> n) | (high << (64 - n)) | u64(low << (64 - n) != 0);
    return high >> n;
  }
  lowHalf = shiftJam(high, n - 64) | u64(low != 0);
  return 0;
}

/** Quotient of two significands, a >= b, leading 1 in bit 62, sticky for the remainder. */
// @ts-ignore: decorator
@inline
function divide<T>(a: u64, b: u64): u64 {
  if (sizeof<T>() == 4) {
    const n = a >> 1;
    const d = b >> 39;
    const q = n / d;
    return (q << 24) | u64(n != q * d);
  }
  // 53-bit operands: one bit, then five digits of 11 bits, so that no step exceeds 64 bits.
  const d = b >> 10;
  let rest = (a >> 10) - d;
  let q: u64 = 1;
  for (let i = 0; i < 5; i++) {
    rest <<= 11;
    const digit = rest / d;
    rest -= digit * d;
    q = (q << 11) | digit;
  }
  return (q << 7) | u64(rest != 0);
}

export function softDiv<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) return propagate<T>(a, b);
  const sign = (a ^ b) & signBit<T>();
  const before = flags;
  a = denormal<T>(a);
  b = denormal<T>(b);
  const ma = magnitude<T>(a);
  const mb = magnitude<T>(b);
  if (ma == infinity<T>()) return mb == infinity<T>() ? invalid<T>() : sign | infinity<T>();
  if (mb == infinity<T>()) return sign;
  if (!mb) {
    if (!ma) return invalid<T>();
    // Divide-by-zero has priority over a denormal dividend (SDM vol. 1 section 4.9.2).
    flags = before | ZE;
    return sign | infinity<T>();
  }
  if (!ma) return sign;
  let e = exponent<T>(a) - exponent<T>(b) + bias<T>();
  let sa = significand<T>(a);
  const sb = significand<T>(b);
  if (sa < sb) {
    sa <<= 1;
    e--;
  }
  return roundPack<T>(sign, e, divide<T>(sa, sb));
}

export function softSqrt<T>(a: u64): u64 {
  if (notNumber<T>(a)) return quiet<T>(a);
  if (!magnitude<T>(a)) return a;
  if (a & signBit<T>()) {
    if (control & DAZ && isDenormal<T>(a)) return signBit<T>();
    return invalid<T>();
  }
  a = denormal<T>(a);
  if (!a || a == infinity<T>()) return a;
  const e = exponent<T>(a) - bias<T>();
  const odd = u64(e & 1);
  // n = m * 2^52 has a 53-bit root. The wasm root of m is that root rounded to nearest; the sign of n - r*r, which fits a
  // word, tells on which side of it the true root lies.
  const m = (significand<T>(a) >> 10) << odd;
  const r = u64(sqrt<f64>(f64(m)) * 67108864.0);
  const difference = i64((m << 52) - r * r);
  const s = (r << 10) + (difference > 0 ? 1 : difference < 0 ? -1 : 0);
  // The root may have been rounded up to 2^53 only with the difference negative, so bit 62 leads here too.
  return roundPack<T>(0, ((e - i32(odd)) >> 1) + bias<T>(), s);
}

/** MINPS and kin: the second operand unless the first is less; NaNs, quiet ones too, are invalid and give the second as DAZ leaves it. */
export function softMin<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) {
    flags |= IE;
    return flushDenormal<T>(b);
  }
  a = denormal<T>(a);
  b = denormal<T>(b);
  return order<T>(a, b) < 0 ? a : b;
}

export function softMax<T>(a: u64, b: u64): u64 {
  if (notNumber<T>(a) || notNumber<T>(b)) {
    flags |= IE;
    return flushDenormal<T>(b);
  }
  a = denormal<T>(a);
  b = denormal<T>(b);
  return order<T>(a, b) > 0 ? a : b;
}

/** Sign of a - b for values that are not NaNs. */
// @ts-ignore: decorator
@inline
function order<T>(a: u64, b: u64): i32 {
  if (sizeof<T>() == 8) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    return i32(x > y) - i32(x < y);
  }
  const x = reinterpret<f32>(u32(a));
  const y = reinterpret<f32>(u32(b));
  return i32(x > y) - i32(x < y);
}

/** What a comparison found. */
export const LESS: u32 = 1;
export const EQUAL: u32 = 2;
export const GREATER: u32 = 4;
export const UNORDERED: u32 = 8;

/** Compares; quiet NaNs are invalid only to the signaling predicates. */
export function softCompare<T>(a: u64, b: u64, signaling: bool): u32 {
  if (notNumber<T>(a) || notNumber<T>(b)) {
    if (signaling || isSignaling<T>(a) || isSignaling<T>(b)) flags |= IE;
    return UNORDERED;
  }
  const o = order<T>(denormal<T>(a), denormal<T>(b));
  return o < 0 ? LESS : o > 0 ? GREATER : EQUAL;
}

/** CVTSD2SS. A NaN keeps the upper bits of its payload. */
export function softNarrow(a: u64): u64 {
  const sign = (a >> 32) & 0x80000000;
  if (notNumber<f64>(a)) return sign | 0x7f800000 | ((quiet<f64>(a) >> 29) & 0x7fffff);
  a = denormal<f64>(a);
  const m = magnitude<f64>(a);
  if (!m) return sign;
  if (m == infinity<f64>()) return sign | 0x7f800000;
  // 53 bits fit above the guard bits of binary32.
  return roundPack<f32>(sign, exponent<f64>(a) - 1023 + 127, significand<f64>(a));
}

/** CVTSS2SD: exact but for a signaling NaN. */
export function softWiden(a: u64): u64 {
  if (notNumber<f32>(a)) {
    const q = quiet<f32>(a);
    return ((q & 0x80000000) << 32) | 0x7ff0000000000000 | ((q & 0x7fffff) << 29);
  }
  return reinterpret<u64>(f64(reinterpret<f32>(u32(denormal<f32>(a)))));
}

/** VCVTPS2PH. A NaN keeps the upper bits of its payload. */
export function softToHalf(a: u64): u64 {
  const sign = (a >> 16) & 0x8000;
  if (notNumber<f32>(a)) return sign | 0x7c00 | ((quiet<f32>(a) >> 13) & 0x3ff);
  a = denormal<f32>(a);
  const m = magnitude<f32>(a);
  if (!m) return sign;
  if (m == infinity<f32>()) return sign | 0x7c00;
  return roundPack<i16>(sign, exponent<f32>(a) - 127 + 15, significand<f32>(a));
}

/** VCVTPH2PS: exact but for a signaling NaN; denormals are neither reported nor zeros (SDM vol. 2, VCVTPH2PS). */
export function softFromHalf(a: u64): u64 {
  const sign = (a & 0x8000) << 16;
  if (notNumber<i16>(a)) return sign | 0x7f800000 | ((quiet<i16>(a) & 0x3ff) << 13);
  const m = magnitude<i16>(a);
  if (m == infinity<i16>()) return sign | 0x7f800000;
  // As a binary32 of the same fields it is too small by the difference of the biases.
  return sign | reinterpret<u32>(reinterpret<f32>(u32(m) << 13) * 5192296858534827628530496329220096.0);
}

/** CVTSI2SS and CVTSI2SD of a 64-bit integer. */
export function softFromInt<T>(x: i64): u64 {
  if (x == 0) return 0;
  const m = x < 0 ? u64(-x) : u64(x);
  const e = bias<T>() + 63 - i32(clz<u64>(m));
  const n = i32(clz<u64>(m)) - 1;
  return roundPack<T>(x < 0 ? signBit<T>() : 0, e, n < 0 ? shiftJam(m, 1) : m << n);
}

/** Rounds to an integral value in the given mode; PE when that changes the value. NaN and infinity pass. */
// @ts-ignore: decorator
@inline
function roundIntegral(x: f64, mode: u32): f64 {
  if (mode == RC_NEAREST) return nearest<f64>(x);
  if (mode == RC_DOWN) return floor<f64>(x);
  if (mode == RC_UP) return ceil<f64>(x);
  return trunc<f64>(x);
}

/** CVT(T)SD2SI to 32 bits; out of range and NaN give the integer indefinite with IE. Denormals are not reported. */
export function softToInt32(x: f64, mode: u32): u32 {
  const r = roundIntegral(x, mode);
  if (!(r >= -2147483648.0 && r <= 2147483647.0)) {
    flags |= IE;
    return 0x80000000;
  }
  if (r != x) flags |= PE;
  return u32(i32(r));
}

/** CVT(T)SD2SI to 64 bits. */
export function softToInt64(x: f64, mode: u32): u64 {
  const r = roundIntegral(x, mode);
  if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0)) {
    flags |= IE;
    return 0x8000000000000000;
  }
  if (r != x) flags |= PE;
  return u64(i64(r));
}

/** ROUNDSS, ROUNDSD: to an integral value; `exact` suppresses PE. A zero result keeps the operand's sign. */
export function softRound<T>(a: u64, mode: u32, exact: bool): u64 {
  if (notNumber<T>(a)) return quiet<T>(a);
  a = flushDenormal<T>(a);
  const x: f64 = sizeof<T>() == 8 ? reinterpret<f64>(a) : f64(reinterpret<f32>(u32(a)));
  const r = copysign<f64>(roundIntegral(x, mode), x);
  if (r != x && !exact) flags |= PE;
  return sizeof<T>() == 8 ? reinterpret<u64>(r) : u64(reinterpret<u32>(f32(r)));
}

/**
 * RCPSS: 1/x rounded to 12 fraction bits, so within 2^-13 where the SDM allows 1.5 * 2^-12. Never raises; denormals read as zeros and tiny
 * results are zeros whatever MXCSR says (SDM vol. 2, RCPPS). Processors differ in the low bits of theirs.
 */
export function reciprocal(a: u32): u32 {
  const sign = a & 0x80000000;
  if (notNumber<f32>(a)) return a | 0x00400000;
  if ((a & 0x7f800000) == 0) return sign | 0x7f800000;
  if ((a & 0x7fffffff) == 0x7f800000) return sign;
  const r = roundTo12(reinterpret<u64>(1.0 / f64(reinterpret<f32>(a & 0x7fffffff))));
  return r < 1.1754943508222875e-38 ? sign : sign | reinterpret<u32>(f32(r));
}

/** RSQRTSS: 1/sqrt(x) by the same rule; a negative x gives the indefinite, -0 gives -infinity. */
export function reciprocalRoot(a: u32): u32 {
  const sign = a & 0x80000000;
  if (notNumber<f32>(a)) return a | 0x00400000;
  if ((a & 0x7f800000) == 0) return sign | 0x7f800000;
  if (sign) return 0xffc00000;
  if (a == 0x7f800000) return 0;
  return reinterpret<u32>(f32(roundTo12(reinterpret<u64>(1.0 / sqrt<f64>(f64(reinterpret<f32>(a)))))));
}

/** Half up at the 12th fraction bit of a positive binary64. */
// @ts-ignore: decorator
@inline
function roundTo12(bits: u64): f64 {
  return reinterpret<f64>((bits + 0x8000000000) & 0xffffff0000000000);
}
