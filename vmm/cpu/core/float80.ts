/**
 * Arithmetic of the double extended-precision format: the x87's adder, multiplier, divider and rounder.
 *
 * Models Intel SDM vol. 1 sections 4.2 (formats and encodings), 4.8 (NaNs, rounding), 4.9 (exceptions and their priority), 8.1.5
 * (rounding and precision control) and 8.5 (x87 responses). A value is a 64-bit significand with an explicit integer bit, and a word
 * of sign and 15-bit exponent. Functions work on the unpacked operands A and B and leave the result, the exceptions of the
 * operation and the "rounded up" bit (C1) in globals of this module, which WebAssembly keeps per instance and so per thread;
 * nothing here knows of registers, stack or memory.
 *
 * An operation whose unmasked response is "no result" (IE, DE, ZE) leaves the result unspecified: the caller looks at `exc` first.
 * Exponents are biased and unbounded (i32) until `roundPack`, so a denormal is normalised once, at `setA`.
 */

export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
/** Stack fault: goes to FSW together with IE. */
export const SF: u32 = 0x40;

export const ZERO: u32 = 0;
export const NORMAL: u32 = 1;
/** Also pseudo-denormals (exponent 0, integer bit set): SDM table 8-3. */
export const DENORMAL: u32 = 2;
export const INFINITE: u32 = 3;
export const QNAN: u32 = 4;
export const SNAN: u32 = 5;
/** Unnormals, pseudo-infinities and pseudo-NaNs: invalid operands since the 387. */
export const UNSUPPORTED: u32 = 6;

export const TOP_BIT: u64 = 0x8000000000000000;
const QUIET_BIT: u64 = 0x4000000000000000;
export const INDEFINITE_SIG: u64 = 0xc000000000000000;
export const INDEFINITE_SE: u32 = 0xffff;
export const BIAS: i32 = 0x3fff;
const EXP_MAX: i32 = 0x7fff;
/** What an unmasked overflow or underflow takes from or adds to the exponent (SDM vol. 1 8.5.4, 8.5.5). */
const BIAS_ADJUST: i32 = 0x6000;

/** Exceptions of the current operation, as FSW bits. */
export let exc: u32 = 0;
/** 1 when the result was rounded away from zero: C1. */
export let up: u32 = 0;
export let resSig: u64 = 0;
export let resSe: u32 = 0;

export let rounding: u32 = 0;
export let masks: u32 = 0x3f;
/** Significand bits that precision control drops: 0, 11 or 40. */
let drop: i32 = 0;

export let aCls: u32 = 0;
export let aSign: u32 = 0;
export let aExp: i32 = 0;
export let aSig: u64 = 0;
export let bCls: u32 = 0;
export let bSign: u32 = 0;
export let bExp: i32 = 0;
export let bSig: u64 = 0;

/** Starts an operation that rounds to 64 bits whatever the precision control says. */
export function begin(fcw: u32): void {
  rounding = (fcw >> 10) & 3;
  masks = fcw & 0x3f;
  drop = 0;
  exc = 0;
  up = 0;
}

/** Starts one of the operations that obey precision control: add, subtract, multiply, divide, square root. */
export function beginPrecision(fcw: u32): void {
  begin(fcw);
  const pc = (fcw >> 8) & 3;
  drop = pc == 0 ? 40 : pc == 2 ? 11 : 0;
}

export function setRounding(mode: u32): void {
  rounding = mode;
}

/** Adds exceptions found outside this module. */
export function addExc(bits: u32): void {
  exc |= bits;
}

export function setUp(bit: u32): void {
  up = bit;
}

// @ts-ignore: decorator
@inline
export function setResult(sig: u64, se: u32): void {
  resSig = sig;
  resSe = se;
}

/** The masked response to an invalid operation: the real indefinite QNaN. */
export function invalid(): void {
  exc |= IE;
  resSig = INDEFINITE_SIG;
  resSe = INDEFINITE_SE;
}

export function infinity(sign: u32): void {
  setResult(TOP_BIT, (sign << 15) | 0x7fff);
}

export function zero(sign: u32): void {
  setResult(0, sign << 15);
}

export function classify(sig: u64, se: u32): u32 {
  const exp = se & 0x7fff;
  if (exp == 0) return sig == 0 ? ZERO : DENORMAL;
  if ((sig & TOP_BIT) == 0) return UNSUPPORTED;
  if (exp != 0x7fff) return NORMAL;
  if (sig == TOP_BIT) return INFINITE;
  return (sig & QUIET_BIT) != 0 ? QNAN : SNAN;
}

export function setA(sig: u64, se: u32): void {
  aSign = (se >> 15) & 1;
  aExp = se & 0x7fff;
  aSig = sig;
  aCls = classify(sig, se);
  if (aCls == DENORMAL) {
    const n = <i32>clz<u64>(sig);
    aSig = sig << n;
    aExp = 1 - n;
  }
}

export function setB(sig: u64, se: u32): void {
  bSign = (se >> 15) & 1;
  bExp = se & 0x7fff;
  bSig = sig;
  bCls = classify(sig, se);
  if (bCls == DENORMAL) {
    const n = <i32>clz<u64>(sig);
    bSig = sig << n;
    bExp = 1 - n;
  }
}

/**
 * B = a single- (fraction 23 bits) or double-precision (52 bits) memory operand. Signalling NaNs stay signalling; denormals are
 * normalised here but keep their class, because they raise DE.
 */
export function setBReal(bits: u64, fraction: i32): void {
  const double = fraction == 52;
  const expBits: u64 = double ? 0x7ff : 0xff;
  const frac = bits & (((<u64>1) << fraction) - 1);
  const exp = (bits >> fraction) & expBits;
  bSign = u32(bits >> (double ? 63 : 31)) & 1;
  bSig = TOP_BIT | (frac << (63 - fraction));
  bExp = <i32>exp - (double ? 1023 : 127) + BIAS;
  bCls = NORMAL;
  if (exp == expBits) {
    bExp = EXP_MAX;
    bCls = frac == 0 ? INFINITE : (bSig & QUIET_BIT) != 0 ? QNAN : SNAN;
  } else if (exp == 0) {
    if (frac == 0) {
      bCls = ZERO;
      bSig = 0;
      bExp = 0;
    } else {
      const n = <i32>clz<u64>(frac);
      bCls = DENORMAL;
      bSig = frac << n;
      // The lowest fraction bit weighs 2^(1 - bias - fraction).
      bExp = BIAS + 1 - (double ? 1023 : 127) - fraction + 63 - n;
    }
  }
}

/** B = a signed integer: always exact. */
export function setBInt(value: i64): void {
  bSign = u32(value < 0);
  if (value == 0) {
    bCls = ZERO;
    bSig = 0;
    bExp = 0;
    return;
  }
  const magnitude = value < 0 ? <u64>(-value) : <u64>value;
  const n = <i32>clz<u64>(magnitude);
  bCls = NORMAL;
  bSig = magnitude << n;
  bExp = BIAS + 63 - n;
}

export function setBSign(sign: u32): void {
  bSign = sign;
}

export function swapOperands(): void {
  const cls = aCls, sign = aSign, exp = aExp, sig = aSig;
  aCls = bCls; aSign = bSign; aExp = bExp; aSig = bSig;
  bCls = cls; bSign = sign; bExp = exp; bSig = sig;
}

/** The result is B as it stands, an exact conversion (a load). B's class is not UNSUPPORTED. */
export function resultB(): void {
  const exp = bExp > 0 ? bExp : 0;
  setResult(bCls == SNAN ? bSig | QUIET_BIT : bSig, (bSign << 15) | <u32>exp);
}

/** The same of a memory operand in single or double precision, which may be a signalling NaN or denormal (FLD). */
export function convertB(): void {
  if (bCls == SNAN) exc |= IE;
  if (bCls == DENORMAL) exc |= DE;
  resultB();
}

/** True when a unary operation's result is already known: A is a NaN or not a number of this format. */
export function nanA(): bool {
  if (aCls < QNAN) return false;
  if (aCls == UNSUPPORTED) {
    invalid();
    return true;
  }
  if (aCls == SNAN) exc |= IE;
  setResult(aSig | QUIET_BIT, (aSign << 15) | 0x7fff);
  return true;
}

/**
 * True when an operation's result is already known because of a NaN or an unsupported operand: SDM table 4-7, x87 rules. Of two
 * NaNs the one with the larger significand wins, of an SNaN and a QNaN the QNaN; when significands are equal, the positive one.
 */
export function nanAB(): bool {
  if (aCls < QNAN && bCls < QNAN) return false;
  if (aCls == UNSUPPORTED || bCls == UNSUPPORTED) {
    invalid();
    return true;
  }
  if (aCls == SNAN || bCls == SNAN) exc |= IE;
  let pickA: bool;
  if (bCls < QNAN) pickA = true;
  else if (aCls < QNAN) pickA = false;
  else if (aCls != bCls) pickA = aCls == QNAN;
  else if (aSig != bSig) pickA = aSig > bSig;
  else pickA = aSign <= bSign;
  if (pickA) setResult(aSig | QUIET_BIT, (aSign << 15) | 0x7fff);
  else setResult(bSig | QUIET_BIT, (bSign << 15) | 0x7fff);
  return true;
}

/** Notes a denormal operand; true when DE is unmasked, which ends the operation. */
export function denormalA(): bool {
  if (aCls != DENORMAL) return false;
  exc |= DE;
  return (masks & DE) == 0;
}

/** The same for two operands. */
export function denormalAB(): bool {
  if (aCls != DENORMAL && bCls != DENORMAL) return false;
  exc |= DE;
  return (masks & DE) == 0;
}

/** True when the operation has an unmasked exception whose response leaves the operands alone. */
// @ts-ignore: decorator
@inline
export function refused(): bool {
  return (exc & ~masks & (IE | DE | ZE)) != 0;
}

/** Exceptions of the operation that are not masked. */
// @ts-ignore: decorator
@inline
export function unmasked(): u32 {
  return exc & ~masks & 0x3f;
}

export let rndKeep: u64 = 0;
export let rndInexact: bool = false;
export let rndUp: bool = false;
/** The increment carried out of bit 63; rndKeep is then 1.000. */
export let rndCarry: bool = false;

/** Rounds hi:lo to the upper 64 - `dropped` bits of hi (SDM vol. 1 table 4-8). The lowest bit of lo may be sticky. */
export function roundSig(sign: u32, hi: u64, lo: u64, dropped: i32): void {
  let keep = hi;
  let rest = lo;
  if (dropped != 0) {
    const mask = ((<u64>1) << dropped) - 1;
    rest = ((hi & mask) << (64 - dropped)) | u64(lo != 0);
    keep = hi & ~mask;
  }
  let increment: bool;
  if (rounding == 0) increment = rest > TOP_BIT || (rest == TOP_BIT && ((keep >> dropped) & 1) != 0);
  else if (rounding == 3) increment = false;
  else increment = rest != 0 && (rounding == 1) == (sign != 0);
  rndInexact = rest != 0;
  rndUp = increment;
  rndCarry = false;
  if (increment) {
    keep += (<u64>1) << dropped;
    if (keep == 0) {
      keep = TOP_BIT;
      rndCarry = true;
    }
  }
  rndKeep = keep;
}

/** Rounds a finite value with normalised significand hi:lo into the result, with overflow and underflow as the masks say. */
export function roundPack(sign: u32, exp: i32, hi: u64, lo: u64): void {
  roundSig(sign, hi, lo, drop);
  const rounded = exp + i32(rndCarry);
  if (rounded <= 0) return underflow(sign, exp, rounded, hi, lo);
  if (rounded >= EXP_MAX) return overflow(sign, rounded);
  if (rndInexact) {
    exc |= PE;
    up = u32(rndUp);
  }
  setResult(rndKeep, (sign << 15) | <u32>rounded);
}

/** SDM vol. 1 8.5.4. rndKeep holds the significand rounded as if the exponent were unbounded. */
function overflow(sign: u32, rounded: i32): void {
  exc |= OE;
  if ((masks & OE) == 0) {
    if (rndInexact) {
      exc |= PE;
      up = u32(rndUp);
    }
    const adjusted = rounded - BIAS_ADJUST;
    // Only FSCALE can exceed even the adjusted range: massive overflow is an infinity.
    if (adjusted >= EXP_MAX) {
      exc |= PE;
      up = 1;
      infinity(sign);
    } else setResult(rndKeep, (sign << 15) | <u32>adjusted);
    return;
  }
  exc |= PE;
  const toInfinity = rounding == 0 || (rounding != 3 && (rounding == 1) == (sign != 0));
  up = u32(toInfinity);
  if (toInfinity) infinity(sign);
  else setResult(~(((<u64>1) << drop) - 1), (sign << 15) | 0x7ffe);
}

/** SDM vol. 1 8.5.5; the value is tiny after rounding. */
function underflow(sign: u32, exp: i32, rounded: i32, hi: u64, lo: u64): void {
  if ((masks & UE) == 0) {
    exc |= UE;
    if (rndInexact) {
      exc |= PE;
      up = u32(rndUp);
    }
    const adjusted = rounded + BIAS_ADJUST;
    if (adjusted <= 0) {
      exc |= PE;
      zero(sign);
    } else setResult(rndKeep, (sign << 15) | <u32>adjusted);
    return;
  }
  shiftRightJam(hi, lo, 1 - exp);
  roundSig(sign, jamHi, jamLo, drop);
  if (rndInexact) {
    exc |= UE | PE;
    up = u32(rndUp);
  }
  // Rounding may have made it the smallest normal number.
  setResult(rndKeep, (sign << 15) | u32(rndKeep >> 63));
}

/** High half of the last 128-bit result of `mul64`, `shiftRightJam`, `div128`. */
export let jamHi: u64 = 0;
export let jamLo: u64 = 0;

/** hi:lo >> n; what is shifted out is or-ed into the lowest bit. */
export function shiftRightJam(hi: u64, lo: u64, n: i32): void {
  if (n == 0) {
    jamHi = hi;
    jamLo = lo;
  } else if (n < 64) {
    jamLo = (hi << (64 - n)) | (lo >> n) | u64((lo << (64 - n)) != 0);
    jamHi = hi >> n;
  } else if (n == 64) {
    jamLo = hi | u64(lo != 0);
    jamHi = 0;
  } else if (n < 128) {
    jamLo = (hi >> (n - 64)) | u64(((hi << (128 - n)) | lo) != 0);
    jamHi = 0;
  } else {
    jamLo = u64((hi | lo) != 0);
    jamHi = 0;
  }
}

/** jamHi:jamLo = a * b. */
// @ts-ignore: decorator
@inline
export function mul64(a: u64, b: u64): void {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const ll = al * bl;
  const mid = ah * bl + (ll >> 32);
  const mid2 = al * bh + (mid & 0xffffffff);
  jamLo = (mid2 << 32) | (ll & 0xffffffff);
  jamHi = ah * bh + (mid >> 32) + (mid2 >> 32);
}

/** Remainder of the last `div128`. */
let divRem: u64 = 0;

/** (hi:lo) / d for a normalised d and hi < d: Knuth's algorithm D with 32-bit digits. */
function div128(hi: u64, lo: u64, d: u64): u64 {
  const dh = d >> 32, dl = d & 0xffffffff;
  let q1 = hi / dh;
  let r = hi - q1 * dh;
  const l1 = lo >> 32, l0 = lo & 0xffffffff;
  while (q1 > 0xffffffff || q1 * dl > ((r << 32) | l1)) {
    q1--;
    r += dh;
    if (r > 0xffffffff) break;
  }
  const part = ((hi << 32) | l1) - q1 * d;
  let q0 = part / dh;
  r = part - q0 * dh;
  while (q0 > 0xffffffff || q0 * dl > ((r << 32) | l0)) {
    q0--;
    r += dh;
    if (r > 0xffffffff) break;
  }
  divRem = ((part << 32) | l0) - q0 * d;
  return (q1 << 32) + q0;
}

/** A + B, or A - B. */
export function add(subtract: u32): void {
  if (nanAB()) return;
  const sign = bSign ^ subtract;
  if (aCls == INFINITE && bCls == INFINITE && sign != aSign) return invalid();
  if (denormalAB()) return;
  if (aCls == INFINITE) return infinity(aSign);
  if (bCls == INFINITE) return infinity(sign);
  if (bCls == ZERO) {
    if (aCls == ZERO) return zero(aSign == sign ? sign : u32(rounding == 1));
    return roundPack(aSign, aExp, aSig, 0);
  }
  if (aCls == ZERO) return roundPack(sign, bExp, bSig, 0);
  if (sign == aSign) addMagnitudes(sign);
  else subMagnitudes(sign);
}

function addMagnitudes(sign: u32): void {
  let exp = aExp, big = aSig, small = bSig;
  let distance = aExp - bExp;
  if (distance < 0) {
    exp = bExp;
    big = bSig;
    small = aSig;
    distance = -distance;
  }
  shiftRightJam(small, 0, distance);
  let hi = big + jamHi;
  let lo = jamLo;
  if (hi < big) {
    lo = (lo >> 1) | (hi << 63) | (lo & 1);
    hi = (hi >> 1) | TOP_BIT;
    exp++;
  }
  roundPack(sign, exp, hi, lo);
}

function subMagnitudes(signB: u32): void {
  let exp = aExp, big = aSig, small = bSig;
  let sign = signB ^ 1;
  let distance = aExp - bExp;
  if (distance < 0 || (distance == 0 && aSig < bSig)) {
    exp = bExp;
    big = bSig;
    small = aSig;
    sign = signB;
    distance = -distance;
  } else if (distance == 0 && aSig == bSig) {
    return zero(u32(rounding == 1));
  }
  shiftRightJam(small, 0, distance);
  const lo = 0 - jamLo;
  const hi = big - jamHi - u64(jamLo != 0);
  normRoundPack(sign, exp, hi, lo);
}

/** roundPack of a non-zero significand that may have leading zeros. */
export function normRoundPack(sign: u32, exp: i32, hi: u64, lo: u64): void {
  let h = hi, l = lo, e = exp;
  if (h == 0) {
    h = l;
    l = 0;
    e -= 64;
  }
  const n = <i32>clz<u64>(h);
  if (n != 0) {
    h = (h << n) | (l >> (64 - n));
    l <<= n;
  }
  roundPack(sign, e - n, h, l);
}

export function mul(): void {
  if (nanAB()) return;
  const sign = aSign ^ bSign;
  if ((aCls == INFINITE && bCls == ZERO) || (aCls == ZERO && bCls == INFINITE)) return invalid();
  if (denormalAB()) return;
  if (aCls == INFINITE || bCls == INFINITE) return infinity(sign);
  if (aCls == ZERO || bCls == ZERO) return zero(sign);
  mul64(aSig, bSig);
  const exp = aExp + bExp - BIAS;
  if ((jamHi & TOP_BIT) != 0) roundPack(sign, exp + 1, jamHi, jamLo);
  else roundPack(sign, exp, (jamHi << 1) | (jamLo >> 63), jamLo << 1);
}

/** A / B. */
export function div(): void {
  if (nanAB()) return;
  const sign = aSign ^ bSign;
  if ((aCls == INFINITE && bCls == INFINITE) || (aCls == ZERO && bCls == ZERO)) return invalid();
  if (bCls == ZERO && aCls != INFINITE) {
    exc |= ZE;
    // A denormal dividend ranks below and is not noted, masked or not.
    return infinity(sign);
  }
  if (denormalAB()) return;
  if (aCls == INFINITE) return infinity(sign);
  if (bCls == INFINITE || aCls == ZERO) return zero(sign);
  let exp = aExp - bExp + BIAS;
  let hi = aSig, lo: u64 = 0;
  if (aSig >= bSig) {
    hi = aSig >> 1;
    lo = aSig << 63;
  } else {
    exp--;
  }
  const q = div128(hi, lo, bSig);
  roundPack(sign, exp, q, fractionCode(divRem, bSig));
}

/** rem / d as far as rounding must know it: zero, below, at or above one half. */
// @ts-ignore: decorator
@inline
function fractionCode(rem: u64, d: u64): u64 {
  if (rem == 0) return 0;
  const other = d - rem;
  return rem > other ? 0xc000000000000000 : rem == other ? TOP_BIT : 0x4000000000000000;
}

export function sqrt(): void {
  if (nanA()) return;
  if (aCls == ZERO) return setResult(0, aSign << 15);
  if (aSign != 0) return invalid();
  if (denormalA()) return;
  if (aCls == INFINITE) return infinity(0);
  // The radicand is aSig * 2^64 or aSig * 2^63, so that the exponent is even and the root has 64 bits.
  const e = aExp - BIAS;
  const odd = (e & 1) != 0;
  let next = odd ? aSig : aSig >> 1;
  let low: u64 = odd ? 0 : aSig << 63;
  let root: u64 = 0, high: u64 = 0, rem: u64 = 0;
  for (let i = 0; i < 64; i++) {
    high = rem >> 62;
    rem = (rem << 2) | (next >> 62);
    next = (next << 2) | (low >> 62);
    low <<= 2;
    const trialHigh = root >> 62;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (high > trialHigh || (high == trialHigh && rem >= trial)) {
      high -= trialHigh + u64(rem < trial);
      rem -= trial;
      root |= 1;
    }
  }
  // The remainder is at most 2 * root, 65 bits. (root + 1/2)^2 lies between remainders root and root + 1: never a tie.
  const exact = (rem | high) == 0;
  const above = high != 0 || rem > root;
  roundPack(0, (e >> 1) + BIAS, root, exact ? 0 : above ? 0xc000000000000000 : 0x4000000000000000);
}

/** A against B, as C3 C2 C0 of FSW. `quiet`: only signalling NaNs are invalid (FUCOM). */
export function compare(quiet: bool): u32 {
  if (aCls >= QNAN || bCls >= QNAN) {
    if (!quiet || aCls >= SNAN || bCls >= SNAN) exc |= IE;
    return CC_UNORDERED;
  }
  denormalAB();
  if (aCls == ZERO && bCls == ZERO) return CC_EQUAL;
  if (aCls == ZERO) return bSign != 0 ? CC_GREATER : CC_LESS;
  if (bCls == ZERO || aSign != bSign) return aSign != 0 ? CC_LESS : CC_GREATER;
  if (aExp == bExp && aSig == bSig) return CC_EQUAL;
  const smaller = aExp < bExp || (aExp == bExp && aSig < bSig);
  return smaller != (aSign != 0) ? CC_LESS : CC_GREATER;
}
export const CC_GREATER: u32 = 0;
export const CC_LESS: u32 = 0x0100;
export const CC_EQUAL: u32 = 0x4000;
export const CC_UNORDERED: u32 = 0x4500;

