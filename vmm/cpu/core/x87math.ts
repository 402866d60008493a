/**
 * The transcendental instructions of the x87: FSIN FCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1.
 *
 * Models Intel SDM vol. 1 sections 8.3.8 to 8.3.11 and the special-case tables of vol. 2, on the operands A and B of `float80.ts`.
 * Everything is computed to about 2^-120 relative and rounded once: results are the exact values correctly rounded but for ties closer
 * than that (the SDM asks for 1 ulp). Arguments of circular functions are reduced exactly by the 66-bit Pi of section 8.3.8, as
 * processors of both vendors do: FSIN of a large argument is the sine of that remainder.
 *
 * Two forms of number, both 128 bits in a pair of u64:
 *  - Q: fixed point. Q1 has one integer bit (1.0 = 2^127), Q0 none (a fraction of 2^128). Polynomials are evaluated in Q1 at a Q0 argument,
 *    because the high half of such a product is Q1 again.
 *  - W: floating. value = (-1)^sign * hi:lo / 2^127 * 2^exp with the top bit of hi set. Only products with a W carry small results.
 * Polynomials are plain Taylor series: the length is the price of tables that can be checked by eye.
 */
import {
  BIAS, INFINITE, NORMAL, PE, TOP_BIT, ZE, ZERO,
  aCls, aExp, aSig, aSign, addExc, bCls, bExp, bSig, bSign, denormalA, denormalAB, infinity, invalid, jamHi, jamLo, mul64, nanA, nanAB,
  normRoundPack, roundPack, setResult, shiftRightJam, zero,
} from './float80';

/** The Pi of SDM vol. 1 8.3.8, 66 bits: pi/2 in units of 2^-65. */
const PI_66_HI: u64 = 0x3;
const PI_66_LO: u64 = 0x243f6a8885a308d3;
/** pi/2 in Q1; pi and pi/4 are the same bits with another exponent. */
const HALF_PI_HI: u64 = 0xc90fdaa22168c234;
const HALF_PI_LO: u64 = 0xc4c6628b80dc1cd1;
/** 3 pi/8 in Q1. */
const PI_3_8_HI: u64 = 0x96cbe3f9990e91a7;
const PI_3_8_LO: u64 = 0x9394c9e8a0a5159d;
/** ln 2 in Q0. */
const LN2_HI: u64 = 0xb17217f7d1cf79ab;
const LN2_LO: u64 = 0xc9e3b39803f2f6af;
/** 1 / ln 2 in Q1. */
const LOG2E_HI: u64 = 0xb8aa3b295c17f0bb;
const LOG2E_LO: u64 = 0xbe87fed0691d3e89;
/** sqrt 2 in Q1, its upper half. */
const SQRT2_HI: u64 = 0xb504f333f9de6484;

/** 1 / n!, n = 0..35. */
const INVERSE_FACTORIAL: usize = memory.data<u64>([
  0x8000000000000000, 0x0000000000000000,
  0x8000000000000000, 0x0000000000000000,
  0x4000000000000000, 0x0000000000000000,
  0x1555555555555555, 0x5555555555555555,
  0x0555555555555555, 0x5555555555555555,
  0x0111111111111111, 0x1111111111111111,
  0x002d82d82d82d82d, 0x82d82d82d82d82d8,
  0x0006806806806806, 0x8068068068068068,
  0x0000d00d00d00d00, 0xd00d00d00d00d00d,
  0x0000171de3a556c7, 0x338faac1c88e5001,
  0x0000024fc9f6ef13, 0xeb8e5de02da7d4cd,
  0x00000035cc8acfea, 0x89c71fce8fc97070,
  0x000000047bb63bfe, 0x3625ed5136a61eb4,
  0x000000005849184e, 0xa1b425f28e0cc749,
  0x00000000064e5d2a, 0x301f27482eb7c517,
  0x00000000006b9fcf, 0x9ccee07c476195ac,
  0x000000000006b9fc, 0xf9ccee07c476195b,
  0x000000000000654b, 0x1dc0c2b529ac9814,
  0x00000000000005a0, 0x9e18ee5f65deec01,
  0x000000000000004b, 0xd26d1a05055c9328,
  0x0000000000000003, 0xca8574804044a0f5,
  0x0000000000000000, 0x2e371dedb9eae318,
  0x0000000000000000, 0x0219c72db6ff0a53,
  0x0000000000000000, 0x001761b41316381a,
  0x0000000000000000, 0x0000f96780cb97ac,
  0x0000000000000000, 0x000009f9e66e8b30,
  0x0000000000000000, 0x000000623a17f1a9,
  0x0000000000000000, 0x00000003a356385c,
  0x0000000000000000, 0x000000002143144c,
  0x0000000000000000, 0x0000000001259f99,
  0x0000000000000000, 0x000000000009c996,
  0x0000000000000000, 0x00000000000050d3,
  0x0000000000000000, 0x0000000000000287,
  0x0000000000000000, 0x0000000000000014,
  0x0000000000000000, 0x0000000000000001,
  0x0000000000000000, 0x0000000000000000,
]);
/** 1 / (2n + 1), n = 0..27. */
const INVERSE_ODD: usize = memory.data<u64>([
  0x8000000000000000, 0x0000000000000000,
  0x2aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x1999999999999999, 0x999999999999999a,
  0x1249249249249249, 0x2492492492492492,
  0x0e38e38e38e38e38, 0xe38e38e38e38e38e,
  0x0ba2e8ba2e8ba2e8, 0xba2e8ba2e8ba2e8c,
  0x09d89d89d89d89d8, 0x9d89d89d89d89d8a,
  0x0888888888888888, 0x8888888888888889,
  0x0787878787878787, 0x8787878787878788,
  0x06bca1af286bca1a, 0xf286bca1af286bca,
  0x0618618618618618, 0x6186186186186186,
  0x0590b21642c8590b, 0x21642c8590b21643,
  0x051eb851eb851eb8, 0x51eb851eb851eb85,
  0x04bda12f684bda12, 0xf684bda12f684bda,
  0x0469ee58469ee584, 0x69ee58469ee5846a,
  0x0421084210842108, 0x4210842108421084,
  0x03e0f83e0f83e0f8, 0x3e0f83e0f83e0f84,
  0x03a83a83a83a83a8, 0x3a83a83a83a83a84,
  0x03759f22983759f2, 0x2983759f2298375a,
  0x0348348348348348, 0x3483483483483483,
  0x031f3831f3831f38, 0x31f3831f3831f383,
  0x02fa0be82fa0be82, 0xfa0be82fa0be82fa,
  0x02d82d82d82d82d8, 0x2d82d82d82d82d83,
  0x02b9310572620ae4, 0xc415c9882b931057,
  0x029cbc14e5e0a72f, 0x05397829cbc14e5e,
  0x0282828282828282, 0x8282828282828283,
  0x026a439f656f1826, 0xa439f656f1826a44,
  0x0253c8253c8253c8, 0x253c8253c8253c82,
]);
/** atan(i / 32), i = 0..32, in units of 2^-128. */
const ATAN: usize = memory.data<u64>([
  0x0000000000000000, 0x0000000000000000,
  0x07ff556eea5d892a, 0x13bcebbb6ed46311,
  0x0ffaaddb967ef4e3, 0x6cb2792dc0e2e0d5,
  0x17ee182602f10e8c, 0x126acfcf099f06cf,
  0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df,
  0x27adddd18cc4d8b0, 0xd1d8674940d83fa1,
  0x2f72f6979cb6044d, 0x1ec2d3e207271d22,
  0x3721aea524c14408, 0xbd88697072d54bc1,
  0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9,
  0x462fd68c2fc5e098, 0x6523a458dfc414c7,
  0x4d89dcdc1faf2f34, 0xe2d5da4c693d7994,
  0x54c2b6654735276d, 0x4cdbfbbdfbecf461,
  0x5bd86507937bc239, 0xc55190916e7f2242,
  0x62c934e5286c95b6, 0xd0ba3748fa85146f,
  0x6993bb0f308ff2db, 0x213e4af4800f389b,
  0x7036d3253b27be33, 0xe318f6cb3cc65c02,
  0x76b19c1586ed3da2, 0xb7f222f65e1d4682,
  0x7d03742d50505f2e, 0x33691e3eaee47661,
  0x832bf4a6d9867e2a, 0x4b6a09cb61a515c1,
  0x892aecdfde9547b5, 0x094478fc472b4afc,
  0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0x94ac72c9847186f6, 0x18c4f393f78a32f9,
  0x9a2f80e671bdda20, 0x4226f8e2204ff3bd,
  0x9f89fdc4f4b7a1ec, 0xf8b492644f0701e0,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f,
  0xa9c7abdc4830f5c8, 0x916a84b5be7933f6,
  0xaeac4c38b4d8c080, 0x14725e2f3e52070a,
  0xb36b31c91f043691, 0x590141744462f93a,
  0xb8053e2bc2319e73, 0xcb2da55210a4443d,
  0xbc7b5deae98af280, 0xd4113006e80fb290,
  0xc0ce85b8ac526640, 0x89dd62c46e92fa25,
  0xc4ffaffabf8fbd54, 0x8cb43d10bc9e0221,
  0xc90fdaa22168c234, 0xc4c6628b80dc1cd1,
]);

/** Result of the Q functions and significand of the W functions. */
let pHi: u64 = 0;
let pLo: u64 = 0;
let wSign: u32 = 0;
let wExp: i32 = 0;

/** High half of a * b, short by at most 3 in the last place. */
function mulHigh(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  mul64(aHi, bLo);
  const cross = jamHi;
  mul64(aLo, bHi);
  const crosses = cross + jamHi;
  const over = u64(crosses < cross);
  mul64(aHi, bHi);
  pLo = jamLo + crosses;
  pHi = jamHi + over + u64(pLo < crosses);
}

/** t[0] - x t[1] + x^2 t[2] - ...: `count` entries, `stride` bytes apart. x in Q0, table in Q1. */
function alternating(table: usize, count: i32, stride: usize, xHi: u64, xLo: u64): void {
  let entry = table + <usize>(count - 1) * stride;
  let hi = load<u64>(entry), lo = load<u64>(entry, 8);
  while (entry != table) {
    entry -= stride;
    mulHigh(hi, lo, xHi, xLo);
    const l = load<u64>(entry, 8);
    lo = l - pLo;
    hi = load<u64>(entry) - pHi - u64(l < pLo);
  }
  pHi = hi;
  pLo = lo;
}

/** t[0] + x t[1] + x^2 t[2] + ... */
function positive(table: usize, count: i32, stride: usize, xHi: u64, xLo: u64): void {
  let entry = table + <usize>(count - 1) * stride;
  let hi = load<u64>(entry), lo = load<u64>(entry, 8);
  while (entry != table) {
    entry -= stride;
    mulHigh(hi, lo, xHi, xLo);
    lo = load<u64>(entry, 8) + pLo;
    hi = load<u64>(entry) + pHi + u64(lo < pLo);
  }
  pHi = hi;
  pLo = lo;
}

/** x^2 as Q0 (in pHi:pLo) of a W below 1. */
function squareQ0(hi: u64, lo: u64, exp: i32): void {
  mulHigh(hi, lo, hi, lo);
  shiftRightJam(pHi, pLo, -(2 + 2 * exp));
  pHi = jamHi;
  pLo = jamLo;
}

/** Normalises pHi:pLo (not zero) as a W whose exponent would be `exp` if its top bit were set. */
function normalizeW(exp: i32): void {
  let e = exp;
  if (pHi == 0) {
    pHi = pLo;
    pLo = 0;
    e -= 64;
  }
  const n = <i32>clz<u64>(pHi);
  if (n != 0) {
    pHi = (pHi << n) | (pLo >> (64 - n));
    pLo <<= n;
  }
  wExp = e - n;
}

/** W product. */
function mulW(aHi: u64, aLo: u64, aE: i32, bHi: u64, bLo: u64, bE: i32): void {
  mulHigh(aHi, aLo, bHi, bLo);
  normalizeW(aE + bE + 1);
}

/** W quotient of n / d, by long division; one call in an instruction. */
function divW(nHi: u64, nLo: u64, nE: i32, dHi: u64, dLo: u64, dE: i32): void {
  let hi = nHi, lo = nLo;
  let carry: u64 = 0;
  let exp = nE - dE;
  if (hi < dHi || (hi == dHi && lo < dLo)) {
    carry = hi >> 63;
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    exp--;
  }
  let qHi: u64 = 0, qLo: u64 = 0;
  for (let i = 0; i < 128; i++) {
    qHi = (qHi << 1) | (qLo >> 63);
    qLo <<= 1;
    if (carry != 0 || hi > dHi || (hi == dHi && lo >= dLo)) {
      hi = hi - dHi - u64(lo < dLo);
      lo -= dLo;
      qLo |= 1;
    }
    carry = hi >> 63;
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
  }
  // What is left over makes the quotient inexact even if its lower half is zero.
  pHi = qHi;
  pLo = qLo | u64((hi | lo | carry) != 0);
  wExp = exp;
}

/** W sum of a non-zero a and b, |a| >= |b|. */
function addW(aS: u32, aHi: u64, aLo: u64, aE: i32, bS: u32, bHi: u64, bLo: u64, bE: i32): void {
  shiftRightJam(bHi, bLo, aE - bE);
  wSign = aS;
  if (aS == bS) {
    pLo = aLo + jamLo;
    const carry = u64(pLo < jamLo);
    pHi = aHi + jamHi + carry;
    wExp = aE;
    if (pHi < aHi || (carry != 0 && pHi == aHi)) {
      pLo = (pLo >> 1) | (pHi << 63) | (pLo & 1);
      pHi = (pHi >> 1) | TOP_BIT;
      wExp++;
    }
  } else {
    pLo = aLo - jamLo;
    pHi = aHi - jamHi - u64(aLo < jamLo);
    normalizeW(aE);
  }
}

/** The result of a function that is never exact here: pHi:pLo as W, the last bit made sticky. */
function finish(sign: u32): void {
  roundPack(sign, wExp + BIAS, pHi, pLo | 1);
}

/** x * (1 - tiny) where the polynomial gave exactly 1.0: keeps directed rounding honest. */
// @ts-ignore: decorator
@inline
function belowOne(): void {
  if (pHi == TOP_BIT && pLo == 0) {
    pHi = TOP_BIT - 1;
    pLo = ~(<u64>0);
  }
}

// ---- Circular functions ----

/** A = quadrant * pi/2 + r, |r| <= pi/4, r as W. */
let rSign: u32 = 0;
let rHi: u64 = 0;
let rLo: u64 = 0;
let rExp: i32 = 0;
let quadrant: u32 = 0;

function reduce(): void {
  const e = aExp - BIAS;
  rSign = aSign;
  quadrant = 0;
  if (e < -1) {
    rHi = aSig;
    rLo = 0;
    rExp = e;
    return;
  }
  // 66 bits of pi/2 against the significand: both as integers, units of 2^-65 (Pi/2) and 2^(e - 63) (A).
  // The remainder of 2^65 * |A| by HALF_PI_66, digit by digit as FPREM does it: e + 65 - 63 bits to go.
  let hi: u64 = 0, lo = aSig;
  let count: u64 = 0;
  for (let i = e + 2; ; i--) {
    if (hi > PI_66_HI || (hi == PI_66_HI && lo >= PI_66_LO)) {
      hi -= PI_66_HI + u64(lo < PI_66_LO);
      lo -= PI_66_LO;
      count |= 1;
    }
    if (i == 0) break;
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    count <<= 1;
  }
  quadrant = <u32>count;
  // To the nearest multiple.
  const twiceHi = (hi << 1) | (lo >> 63), twiceLo = lo << 1;
  if (twiceHi > PI_66_HI || (twiceHi == PI_66_HI && twiceLo > PI_66_LO)) {
    hi = PI_66_HI - hi - u64(PI_66_LO < lo);
    lo = PI_66_LO - lo;
    quadrant++;
    rSign ^= 1;
  }
  pHi = hi;
  pLo = lo;
  // hi:lo counts units of 2^-65: the top bit of a W's pair would weigh 2^(127 - 65).
  normalizeW(62);
  rHi = pHi;
  rLo = pLo;
  rExp = wExp;
  // A negative argument counts its quadrants downwards.
  if (aSign != 0) quadrant = 0 - quadrant;
}

/** sin r as W. */
function sinR(): void {
  squareQ0(rHi, rLo, rExp);
  alternating(INVERSE_FACTORIAL + 16, 17, 32, pHi, pLo);
  belowOne();
  mulW(rHi, rLo, rExp, pHi, pLo, 0);
}

/** cos r as W. */
function cosR(): void {
  squareQ0(rHi, rLo, rExp);
  alternating(INVERSE_FACTORIAL, 17, 32, pHi, pLo);
  belowOne();
  normalizeW(0);
}

/** True when A is outside +-2^63: the instruction sets C2 and changes nothing else. */
export function beyondReduction(): bool {
  return aCls == NORMAL && aExp - BIAS >= 63;
}

/** Sine of A for `quarter` 0, cosine for 1 (cos x = sin(x + pi/2)). */
export function sine(quarter: u32): void {
  if (nanA()) return;
  if (aCls == INFINITE) return invalid();
  if (denormalA()) return;
  if (aCls == ZERO) return quarter != 0 ? setResult(TOP_BIT, BIAS) : zero(aSign);
  reduce();
  const q = quadrant + quarter;
  let sign: u32;
  if ((q & 1) == 0) {
    sinR();
    sign = rSign;
  } else {
    cosR();
    sign = 0;
  }
  finish(sign ^ ((q >> 1) & 1));
}

export function tangent(): void {
  if (nanA()) return;
  if (aCls == INFINITE) return invalid();
  if (denormalA()) return;
  if (aCls == ZERO) return zero(aSign);
  reduce();
  if (rExp < -64) {
    // r is its own tangent to 128 bits, or its reciprocal the cotangent; what is missing lies above, or below.
    if ((quadrant & 1) == 0) {
      pHi = rHi;
      pLo = rLo;
      wExp = rExp;
    } else {
      divW(TOP_BIT, 0, 0, rHi, rLo, rExp);
      // 1/r - r/3, where 1/r is a power of two: below it the binade is another.
      if (pHi == TOP_BIT && pLo == 0) {
        pHi = ~(<u64>0);
        pLo = ~(<u64>0);
        wExp--;
      }
    }
    return finish(rSign ^ (quadrant & 1));
  }
  sinR();
  const sHi = pHi, sLo = pLo, sExp = wExp;
  cosR();
  if ((quadrant & 1) == 0) divW(sHi, sLo, sExp, pHi, pLo, wExp);
  else divW(pHi, pLo, wExp, sHi, sLo, sExp);
  finish(rSign ^ (quadrant & 1));
}

/** A multiple of pi that an arctangent gives exactly: rounded, PE. */
function piTimes(sign: u32, exp: i32, threeQuarters: bool): void {
  if (threeQuarters) roundPack(sign, exp + BIAS, PI_3_8_HI, PI_3_8_LO);
  else roundPack(sign, exp + BIAS, HALF_PI_HI, HALF_PI_LO);
}

/** FPATAN: arctan(B / A) in the quadrant of the point (A, B); SDM vol. 2 table 3-29. */
export function arctangent(): void {
  if (nanAB()) return;
  if (denormalAB()) return;
  if (bCls == INFINITE) {
    if (aCls != INFINITE) return piTimes(bSign, 0, false);
    return piTimes(bSign, aSign != 0 ? 1 : -1, aSign != 0);
  }
  if (bCls == ZERO || aCls == INFINITE) return aSign != 0 ? piTimes(bSign, 1, false) : zero(bSign);
  if (aCls == ZERO) return piTimes(bSign, 0, false);
  const swapped = bExp > aExp || (bExp == aExp && bSig > aSig);
  if (swapped) arctanRatio(aSig, bSig, bExp - aExp);
  else arctanRatio(bSig, aSig, aExp - bExp);
  // The angle is pW itself, pi - pW, pi/2 - pW or pi/2 + pW.
  const minus = swapped == (aSign == 0);
  if (swapped) addW(0, HALF_PI_HI, HALF_PI_LO, 0, u32(minus), pHi, pLo, wExp);
  else if (aSign != 0) addW(0, HALF_PI_HI, HALF_PI_LO, 1, 1, pHi, pLo, wExp);
  finish(bSign);
}

/** arctan(num / den * 2^-d) as W; the ratio is at most 1. */
function arctanRatio(num: u64, den: u64, d: i32): void {
  // The nearest i / 32: arctan t = arctan(i/32) + arctan((32 t - i) / (32 + i t)).
  let i: u64 = 0;
  if (d < 8) i = ((num >> d) / (den >> 6) + 1) >> 1;
  if (i == 0) {
    divW(num, 0, 0, den, 0, d);
    return arctanSmall();
  }
  // 32 num - i den 2^d and 32 den 2^d + i num, in 128 bits.
  mul64(den, i << d);
  const subHi = jamHi, subLo = jamLo;
  let nHi = (num >> 59) - subHi;
  let nLo = (num << 5) - subLo;
  if ((num << 5) < subLo) nHi--;
  const negative = u32(nHi >> 63);
  if (negative != 0) {
    nHi = ~nHi + u64(nLo == 0);
    nLo = 0 - nLo;
  }
  const entry = ATAN + (<usize>i << 4);
  const tHi = load<u64>(entry), tLo = load<u64>(entry, 8);
  if ((nHi | nLo) == 0) {
    pHi = tHi;
    pLo = tLo;
    return normalizeW(-1);
  }
  mul64(num, i);
  const addLo = (den << (5 + d)) + jamLo;
  const addHi = (den >> (59 - d)) + jamHi + u64(addLo < jamLo);
  pHi = nHi;
  pLo = nLo;
  normalizeW(127);
  const uHi = pHi, uLo = pLo, uExp = wExp;
  pHi = addHi;
  pLo = addLo;
  normalizeW(127);
  divW(uHi, uLo, uExp, pHi, pLo, wExp);
  arctanSmall();
  const sHi = pHi, sLo = pLo, sExp = wExp;
  pHi = tHi;
  pLo = tLo;
  normalizeW(-1);
  addW(0, pHi, pLo, wExp, negative, sHi, sLo, sExp);
}

/** arctan of the W in pHi:pLo, wExp, at most 1/32. */
function arctanSmall(): void {
  const hi = pHi, lo = pLo, exp = wExp;
  squareQ0(hi, lo, exp);
  alternating(INVERSE_ODD, 13, 16, pHi, pLo);
  belowOne();
  mulW(hi, lo, exp, pHi, pLo, 0);
}

// ---- Exponential and logarithms ----

/** F2XM1: 2^A - 1 for -1 <= A <= 1. */
export function exp2m1(): void {
  if (nanA()) return;
  if (denormalA()) return;
  if (aCls == ZERO) return zero(aSign);
  if (aCls == INFINITE) return aSign != 0 ? setResult(TOP_BIT, 0x8000 | BIAS) : infinity(0);
  const e = aExp - BIAS;
  if (e >= 0) {
    // +1 and -1 are exact; beyond them the SDM leaves the result undefined: the operand stays.
    if (e == 0 && aSig == TOP_BIT) return setResult(TOP_BIT, aSign != 0 ? 0x8000 | (BIAS - 1) : BIAS);
    addExc(PE);
    return setResult(aSig, (aSign << 15) | <u32>aExp);
  }
  mulHigh(aSig, 0, LN2_HI, LN2_LO);
  const hi = pHi, lo = pLo;
  shiftRightJam(hi, lo, -(1 + e));
  if (aSign != 0) alternating(INVERSE_FACTORIAL + 16, 32, 16, jamHi, jamLo);
  else positive(INVERSE_FACTORIAL + 16, 32, 16, jamHi, jamLo);
  mulHigh(hi, lo, pHi, pLo);
  // W of hi:lo is exp e without the normalisation: its top bit may be clear.
  normalizeW(e + 1);
  finish(aSign);
}

/** log2 of hi:lo * 2^k (a W) as W in wSign, pHi:pLo, wExp. Not for powers of two. */
function log2W(hi: u64, lo: u64, k: i32): void {
  // m in [sqrt(1/2), sqrt 2): ln m = 2 atanh(s), s = (m - 1) / (m + 1).
  let power = k;
  let dHi = hi >> 1;
  const dLo = (lo >> 1) | (hi << 63);
  let sign: u32 = 0;
  let dExp: i32 = 1;
  if (hi > SQRT2_HI) {
    power++;
    sign = 1;
    pHi = ~hi + u64(lo == 0);
    pLo = 0 - lo;
    dHi += TOP_BIT;
    dExp = 0;
    normalizeW(-1);
  } else {
    pHi = hi - TOP_BIT;
    pLo = lo;
    dHi += TOP_BIT >> 1;
    normalizeW(0);
  }
  atanh2(pHi, pLo, wExp, dHi, dLo, dExp);
  if (power == 0) {
    wSign = sign;
    return;
  }
  const magnitude: u64 = power < 0 ? <u64>-power : <u64>power;
  const n = <i32>clz<u64>(magnitude);
  addW(u32(power < 0), magnitude << n, 0, 63 - n, sign, pHi, pLo, wExp);
}

/** 2 atanh(n / d) / ln 2 as W; |n / d| <= 0.172. */
function atanh2(nHi: u64, nLo: u64, nE: i32, dHi: u64, dLo: u64, dE: i32): void {
  divW(nHi, nLo, nE, dHi, dLo, dE);
  const hi = pHi, lo = pLo, exp = wExp;
  squareQ0(hi, lo, exp);
  positive(INVERSE_ODD, 26, 16, pHi, pLo);
  mulW(hi, lo, exp, pHi, pLo, 0);
  mulW(pHi, pLo, wExp, LOG2E_HI, LOG2E_LO, 1);
}

/** B times the W in wSign, pHi:pLo, wExp. */
function timesB(): void {
  const sign = wSign ^ bSign;
  mulW(pHi, pLo, wExp, bSig, 0, bExp - BIAS);
  finish(sign);
}

/** FYL2X: B * log2(A); SDM vol. 2 table 3-47. */
export function ylog2x(): void {
  if (nanAB()) return;
  if (aCls != ZERO && aSign != 0) return invalid();
  if (aCls == ZERO && bCls == ZERO) return invalid();
  if (aCls == INFINITE && bCls == ZERO) return invalid();
  const one = aCls == NORMAL && aExp == BIAS && aSig == TOP_BIT;
  if (one && bCls == INFINITE) return invalid();
  if (aCls == ZERO) {
    if (bCls != INFINITE) addExc(ZE);
    return infinity(bSign ^ 1);
  }
  if (denormalAB()) return;
  const below = u32(aExp < BIAS);
  if (aCls == INFINITE || bCls == INFINITE) return infinity(bSign ^ below);
  if (bCls == ZERO || one) return zero(bSign ^ below);
  const k = aExp - BIAS;
  if (aSig == TOP_BIT) return timesInteger(k);
  log2W(aSig, 0, k);
  timesB();
}

/** B * k, which may be exact. */
function timesInteger(k: i32): void {
  const magnitude: u64 = k < 0 ? <u64>-k : <u64>k;
  mul64(bSig, magnitude);
  normRoundPack(bSign ^ u32(k < 0), bExp + 64, jamHi, jamLo);
}

/** FYL2XP1: B * log2(A + 1). SDM: |A| < 1 - sqrt(1/2); beyond that any A > -1 is served, and A <= -1 stays as it is. */
export function ylog2xp1(): void {
  if (nanAB()) return;
  const e = aExp - BIAS;
  if (aSign != 0 && aCls == INFINITE) return invalid();
  if (aCls == ZERO && bCls == INFINITE) return invalid();
  if (aCls == INFINITE && bCls == ZERO) return invalid();
  if (denormalAB()) return;
  if (aCls == INFINITE || bCls == INFINITE) return infinity(bSign ^ aSign);
  if (aCls == ZERO || bCls == ZERO) return zero(bSign ^ aSign);
  if (aSign != 0 && aCls == NORMAL && e >= 0) {
    addExc(PE);
    return setResult(aSig, 0x8000 | <u32>aExp);
  }
  if (e >= -2 && !(e == -2 && aSig < 0x9000000000000000)) {
    if (e > 0) addW(0, aSig, 0, e, 0, TOP_BIT, 0, 0);
    else if (e == 0) addW(0, aSig, 0, 0, 0, TOP_BIT, 0, 0);
    else addW(0, TOP_BIT, 0, 0, aSign, aSig, 0, e);
    if (pHi == TOP_BIT && pLo == 0) return timesInteger(wExp);
    log2W(pHi, pLo, wExp);
    return timesB();
  }
  // ln(1 + a) = 2 atanh(a / (2 + a)).
  addW(0, TOP_BIT, 0, 1, aSign, aSig, 0, e);
  atanh2(aSig, 0, e, pHi, pLo, wExp);
  wSign = aSign;
  timesB();
}
