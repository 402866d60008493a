/**
 * The x87's conversions and the operations on the parts of a number: integers, packed decimals, single and double precision,
 * FRNDINT, FSCALE, FXTRACT, FPREM and FPREM1.
 *
 * Models Intel SDM vol. 1 sections 4.2.3, 8.3 and 8.5 (the masked responses of stores) and the instruction pages of vol. 2. Works on the
 * operands and results of `float80.ts`.
 */
import {
  BIAS, IE, INDEFINITE_SIG, INFINITE, OE, PE, TOP_BIT, UE, ZE, ZERO,
  aCls, aExp, aSig, aSign, addExc, bCls, bExp, bSig, bSign, denormalA, denormalAB, infinity, invalid, jamHi, jamLo, masks, nanA, nanAB,
  normRoundPack, resSe, resSig, resultB, rndCarry, rndInexact, rndKeep, rndUp, roundPack, roundSig, rounding, setBInt, setBSign, setResult, setUp,
  shiftRightJam, zero,
} from './float80';

/** Whether the last `integerA` was rounded, and away from zero. */
let intInexact: bool = false;
let intUp: bool = false;

/** |A| rounded to an integer below 2^64. A is finite and less than 2^64 in magnitude. */
function integerA(): u64 {
  intInexact = false;
  intUp = false;
  if (aCls == ZERO) return 0;
  const e = aExp - BIAS;
  let hi: u64 = 0, lo: u64 = 1;
  if (e == -1) lo = aSig;
  else if (e == 63) {
    hi = aSig;
    lo = 0;
  } else if (e >= 0) {
    hi = aSig >> (63 - e);
    lo = aSig << (e + 1);
  }
  roundSig(aSign, hi, lo, 0);
  intInexact = rndInexact;
  intUp = rndUp;
  return rndKeep;
}

/** Notes what `integerA` found: PE and C1. */
function inexactInteger(): void {
  if (!intInexact) return;
  addExc(PE);
  setUp(u32(intUp));
}

/** FRNDINT. */
export function roundToInteger(): void {
  if (nanA()) return;
  if (denormalA()) return;
  if (aCls == INFINITE) return infinity(aSign);
  if (aCls == ZERO) return zero(aSign);
  if (aExp - BIAS >= 63) return setResult(aSig, (aSign << 15) | <u32>aExp);
  const value = integerA();
  inexactInteger();
  if (value == 0) return zero(aSign);
  const n = <i32>clz<u64>(value);
  setResult(value << n, (aSign << 15) | <u32>(BIAS + 63 - n));
}

/** FSCALE: A * 2^trunc(B), SDM vol. 2 table 3-30. */
export function scale(): void {
  if (nanAB()) return;
  if (bCls == INFINITE) {
    if ((aCls == INFINITE && bSign != 0) || (aCls == ZERO && bSign == 0)) return invalid();
    if (denormalA()) return;
    if (bSign != 0) return zero(aSign);
    return infinity(aSign);
  }
  if (denormalAB()) return;
  if (aCls == INFINITE) return infinity(aSign);
  if (aCls == ZERO) return zero(aSign);
  const e = bCls == ZERO ? -1 : bExp - BIAS;
  let shift: i32 = 0;
  // 2^16 is beyond the range of any pair of exponents, and still leaves room in an i32.
  if (e >= 16) shift = 0x10000;
  else if (e >= 0) shift = <i32>(bSig >> (63 - e));
  roundPack(aSign, aExp + (bSign != 0 ? -shift : shift), aSig, 0);
}

/** FXTRACT: the result is A's exponent as a value; A itself becomes its significand with exponent 0 (`extractedSe`). */
export let extractedSig: u64 = 0;
export let extractedSe: u32 = 0;
export function extract(): void {
  if (nanA()) {
    extractedSig = resSig;
    extractedSe = resSe;
    return;
  }
  extractedSig = aSig;
  if (aCls == ZERO) {
    addExc(ZE);
    extractedSe = aSign << 15;
    return infinity(1);
  }
  if (aCls == INFINITE) {
    extractedSe = (aSign << 15) | 0x7fff;
    return infinity(0);
  }
  if (denormalA()) return;
  extractedSe = (aSign << 15) | <u32>BIAS;
  setBInt(<i64>(aExp - BIAS));
  resultB();
}

/** C2 C3 C1 C0 as FPREM leaves them: C2 = reduction incomplete, else quotient bits 1, 0, 2. */
export let remCodes: u32 = 0;

/** FPREM (`nearest` false: quotient truncated) and FPREM1 (IEEE remainder): SDM vol. 2. */
export function remainder(nearest: bool): void {
  remCodes = 0;
  if (nanAB()) return;
  if (aCls == INFINITE || bCls == ZERO) return invalid();
  if (denormalAB()) return;
  if (aCls == ZERO) return zero(aSign);
  const distance = aExp - bExp;
  if (bCls == INFINITE || distance < -1 || (distance == -1 && !nearest)) return roundPack(aSign, aExp, aSig, 0);
  // A partial step takes between 32 and 63 bits off the distance and leaves it a multiple of 32.
  const steps = distance < 64 ? distance : (distance & 31) | 32;
  let quotient: u64 = 0;
  let sign = aSign;
  let rem = aSig;
  let exp = bExp + distance - steps;
  if (steps >= 0) {
    if (rem >= bSig) {
      rem -= bSig;
      quotient = 1;
    }
    for (let i = 0; i < steps; i++) {
      const carry = rem >> 63;
      rem <<= 1;
      quotient <<= 1;
      if (carry != 0 || rem >= bSig) {
        rem -= bSig;
        quotient |= 1;
      }
    }
  }
  if (distance >= 64) {
    remCodes = 0x0400;
  } else {
    if (nearest) {
      // For distance -1 the remainder A stands one exponent below B: 2 * rem against B is aSig against bSig.
      const twice = distance < 0 ? rem : rem << 1;
      const above = distance < 0 ? rem > bSig : (rem & TOP_BIT) != 0 || twice > bSig;
      if (above || (twice == bSig && (quotient & 1) != 0)) {
        rem = (distance < 0 ? bSig << 1 : bSig) - rem;
        sign ^= 1;
        quotient++;
      }
      if (distance < 0) exp = bExp - 1;
    }
    remCodes = (u32(quotient & 4) << 6) | (u32(quotient & 2) << 13) | (u32(quotient & 1) << 9);
  }
  if (rem == 0) return zero(aSign);
  normRoundPack(sign, exp, rem, 0);
}

/** The last `toReal` may be stored: no unmasked overflow or underflow. */
export let realBits: u64 = 0;

/**
 * A rounded to single (fraction 23) or double (52) precision, in `realBits`. To memory, an unmasked overflow or underflow stores
 * nothing, and that the result would be inexact is ignored (SDM vol. 1 8.5.6): the caller checks exc against OE and UE too.
 */
export function toReal(fraction: i32): void {
  const double = fraction == 52;
  const maxExp: i32 = double ? 0x7ff : 0xff;
  const sign = <u64>aSign << (double ? 63 : 31);
  const dropped = 63 - fraction;
  const fractionMask = ((<u64>1) << fraction) - 1;
  const infinite = <u64>maxExp << fraction;
  if (aCls == ZERO) {
    realBits = sign;
    return;
  }
  if (aCls == INFINITE) {
    realBits = sign | infinite;
    return;
  }
  if (nanA()) {
    realBits = (<u64>(resSe >> 15) << (double ? 63 : 31)) | infinite | ((resSig >> dropped) & fractionMask);
    return;
  }
  const exp = aExp - BIAS + (double ? 1023 : 127);
  roundSig(aSign, aSig, 0, dropped);
  let rounded = exp + i32(rndCarry);
  if (rounded >= maxExp) {
    addExc(OE);
    if ((masks & OE) == 0) return;
    addExc(PE);
    const toInfinity = rounding == 0 || (rounding != 3 && (rounding == 1) == (aSign != 0));
    setUp(u32(toInfinity));
    realBits = sign | (toInfinity ? infinite : infinite - 1);
    return;
  }
  if (rounded <= 0) {
    if ((masks & UE) == 0) {
      addExc(UE);
      return;
    }
    shiftRightJam(aSig, 0, 1 - exp);
    roundSig(aSign, jamHi, jamLo, dropped);
    if (rndInexact) addExc(UE);
    rounded = i32(rndKeep >> 63);
  }
  if (rndInexact) {
    addExc(PE);
    setUp(u32(rndUp));
  }
  realBits = sign | (<u64>rounded << fraction) | ((rndKeep >> dropped) & fractionMask);
}

/** A as a signed integer of `bytes` bytes; the integer indefinite (with IE) when it does not fit. Not for NaNs kept apart: all are IE. */
export function toInteger(bytes: u32): u64 {
  const indefinite: u64 = TOP_BIT >> (64 - (bytes << 3));
  if (aCls >= INFINITE || aExp - BIAS > 63) {
    addExc(IE);
    return indefinite;
  }
  const value = integerA();
  const limit = indefinite - u64(aSign == 0);
  if (value > limit) {
    addExc(IE);
    return indefinite;
  }
  inexactInteger();
  return aSign != 0 ? 0 - value : value;
}

/** Upper two bytes of the packed decimal that `toDecimal` returns the lower eight of. */
export let decimalHigh: u32 = 0;

/** A as 18 packed decimal digits and a sign byte (FBSTP). */
export function toDecimal(): u64 {
  decimalHigh = 0xffff;
  const fits = aCls < INFINITE && aExp - BIAS <= 63;
  let value: u64 = fits ? integerA() : 0;
  if (!fits || value > 999999999999999999) {
    addExc(IE);
    return INDEFINITE_SIG;
  }
  inexactInteger();
  let digits: u64 = 0;
  for (let i = 0; i < 64; i += 4) {
    digits |= (value % 10) << i;
    value /= 10;
  }
  decimalHigh = (aSign << 15) | <u32>((value / 10) << 4) | <u32>(value % 10);
  return digits;
}

/** B = 18 packed decimal digits and sign; digits above 9 count with their value (SDM: undefined). */
export function setBDecimal(low: u64, high: u32): void {
  let value: u64 = <u64>((high >> 4) & 15) * 10 + <u64>(high & 15);
  for (let i = 60; i >= 0; i -= 4) value = value * 10 + ((low >> i) & 15);
  setBInt(<i64>value);
  setBSign((high >> 15) & 1);
}
