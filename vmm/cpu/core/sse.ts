/**
 * MMX and SSE to SSE4.2: what each instruction of sse-table.ts does. AES-NI, PCLMULQDQ and SHA have files of their own.
 *
 * Specification: SDM vol. 2 (each instruction's operation), vol. 1 chapters 9 to 12, 11.5 and 4.9 (SIMD floating-point exceptions).
 *
 * Operands are host addresses: of a register in the vCPU's state or of bytes in memory that the caller has checked and translated, of any
 * alignment. An instruction reads all of its operands before it writes; when it raises an exception it has written nothing but the
 * MXCSR flags that the SDM says it sets. MMX values are computed in the low half of a v128 wherever lanes do not move.
 *
 * Floating point takes the wasm instruction when MXCSR says round to nearest, no DAZ, no FTZ, precision masked and already sticky, and
 * operands and result are ordinary (neither NaN, infinite, denormal nor next to the underflow threshold): then no flag can change and no
 * bit can differ. Everything else goes through softfloat.ts, lane by lane, and is settled for the instruction as a whole.
 *
 * Left out: what sse-table.ts leaves out; the checks its descriptors ask for (the caller's).
 */
import { aesInverseMix, aesKeyAssist, aesRound } from './aes';
import { failed, raise, raiseError, VEC_GP, VEC_UD, VEC_XM } from './fault';
import { CF, OF, PF, setArith, SF, ZF } from './flags';
import { probeWrite, writeMem } from './mmu';
import { clean32, clean4, clean64, isFast, plain32, plain4, plain64 } from './ordinary';
import { carrylessMultiply } from './pclmul';
import { sha1Message1, sha1Message2, sha1NextE, sha1Rounds, sha256Message1, sha256Message2, sha256Rounds } from './sha';
import {
  begin, EQUAL, flags, flushDenormal, GREATER, LESS, RC_ZERO, reciprocal, reciprocalRoot, roundingMode, softAdd, softCompare, softDiv,
  softFromInt, softMax, softMin, softMul, softNarrow, softRound, softSqrt, softSub, softToInt32, softToInt64, softWiden, UNORDERED,
} from './softfloat';
import { CR4, FPR, MODE, MXCSR, REGS, XMM } from './state.gen';

const CR4_OSXMMEXCPT: u64 = 0x400;
const LOW32: u64 = 0xffffffff;

const P_NONE: u32 = 0;
const P_66: u32 = 1;
const P_F3: u32 = 2;

/* ------------------------------------------------------------------------------------------------ operands and outcome */

// @ts-ignore: decorator
@inline
function isXmm(cpu: usize, at: usize): bool {
  return at - cpu - XMM < 512;
}

// @ts-ignore: decorator
@inline
function putMmx(dst: usize, value: u64): void {
  store<u64>(dst, value);
  store<u16>(dst, 0xffff, 8);
}

/** Stores an MMX value to a register, with the exponent word that x87 then sees, or to memory. */
// @ts-ignore: decorator
@inline
function putMmxOrMem(cpu: usize, dst: usize, value: u64): void {
  store<u64>(dst, value);
  if (dst - cpu - FPR < 128) store<u16>(dst, 0xffff, 8);
}

// @ts-ignore: decorator
@inline
function put(prefix: u32, dst: usize, value: v128): void {
  if (prefix == P_NONE) putMmx(dst, i64x2.extract_lane(value, 0));
  else v128.store(dst, value);
}

/** Stores to a general register, zero-extended, or `bytes` to memory. */
function putGprOrMem(cpu: usize, dst: usize, value: u64, bytes: u32): void {
  if (dst - cpu < 128 || bytes == 8) store<u64>(dst, value);
  else if (bytes == 4) store<u32>(dst, u32(value));
  else if (bytes == 2) store<u16>(dst, u16(value));
  else store<u8>(dst, u8(value));
}

// @ts-ignore: decorator
@inline
function pairOf(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

// @ts-ignore: decorator
@inline
function quad(a: u64, b: u64, c: u64, d: u64): v128 {
  return pairOf(a | (b << 32), c | (d << 32));
}

/**
 * Ends a floating-point instruction: merges the flags into MXCSR and returns true when the result may be written. Invalid, denormal
 * and divide-by-zero are found before anything is computed, so when one of them is unmasked in any lane, no lane reports the
 * others (SDM vol. 1 section 4.9.2).
 */
export function settle(cpu: usize): bool {
  return gathering || settleNow(cpu);
}
function settleNow(cpu: usize): bool {
  const mxcsr = load<u32>(cpu, MXCSR);
  let raised = flags;
  const unmasked = raised & ~(mxcsr >> 7);
  if (unmasked & 7) raised &= 7;
  store<u32>(cpu, mxcsr | raised, MXCSR);
  if (!unmasked) return true;
  raise(cpu, load<u64>(cpu, CR4) & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
  return false;
}

// @ts-ignore: decorator
@inline
function start(cpu: usize): void {
  if (!gathering) begin(load<u32>(cpu, MXCSR));
}

/** A 256-bit instruction is under way: its lanes gather their exceptions, and it is settled as a whole (avx.ts). */
let gathering: bool = false;
export function beginWide(cpu: usize): void {
  begin(load<u32>(cpu, MXCSR));
  gathering = true;
}
/** Its lanes, or a stage of them, are done: true when the result may be written. */
export function settleWide(cpu: usize): bool {
  gathering = false;
  return settleNow(cpu);
}

/** LDMXCSR, also for FXRSTOR: reserved bits are #GP(0). */
export function ldmxcsr(cpu: usize, value: u32): void {
  if (value & 0xffff0000) raiseError(cpu, VEC_GP, 0);
  else store<u32>(cpu, value, MXCSR);
}

/**
 * MASKMOVQ (size 8) and MASKMOVDQU (size 16) to the linear address: bytes of `dst` whose byte of `mask` has bit 7 set. Bytes that are not
 * written are not checked either; nothing is written before every byte is known to be writable.
 */
export function maskmov(cpu: usize, lin: u64, dst: usize, mask: usize, size: u32): void {
  const wrap: u64 = load<u32>(cpu, MODE) == 2 ? ~0 : LOW32;
  for (let i: u32 = 0; i < size; i++) {
    if (!(load<u8>(mask + i) & 0x80)) continue;
    probeWrite(cpu, (lin + i) & wrap, 1, 0);
    if (failed(cpu)) return;
  }
  for (let i: u32 = 0; i < size; i++) {
    if (!(load<u8>(mask + i) & 0x80)) continue;
    writeMem(cpu, (lin + i) & wrap, 1, load<u8>(dst + i), 0);
    if (failed(cpu)) return;
  }
}

/* ------------------------------------------------------------------------------------------------ floating-point arithmetic */

/** One operation by its 0F opcode. */
function soft<T>(opcode: u32, a: u64, b: u64): u64 {
  switch (opcode) {
    case 0x51: return softSqrt<T>(b);
    case 0x58: return softAdd<T>(a, b);
    case 0x59: return softMul<T>(a, b);
    case 0x5c: return softSub<T>(a, b);
    case 0x5d: return softMin<T>(a, b);
    case 0x5e: return softDiv<T>(a, b);
    default: return softMax<T>(a, b);
  }
}

/**
 * The result of the wasm instruction stands when it is normal, not the least normal (which may have been tiny before rounding), or an
 * exact zero: any zero of a sum, a zero of a product or quotient whose operand is one.
 */
// @ts-ignore: decorator
@inline
function good64(opcode: u32, a: u64, b: u64, r: u64): bool {
  const t = r << 1;
  if (t - 0x0040000000000000 < 0xffa0000000000000) return true;
  return t == 0 && (opcode == 0x58 || opcode == 0x5c || (opcode != 0x51 && a << 1 == 0) || (opcode != 0x5e && b << 1 == 0));
}
// @ts-ignore: decorator
@inline
function good32(opcode: u32, a: u32, b: u32, r: u32): bool {
  const t = r << 1;
  if (t - 0x02000000 < 0xfd000000) return true;
  return t == 0 && (opcode == 0x58 || opcode == 0x5c || (opcode != 0x51 && a << 1 == 0) || (opcode != 0x5e && b << 1 == 0));
}

function arithSD(cpu: usize, opcode: u32, dst: usize, src: usize): void {
  const a = load<u64>(dst);
  const b = load<u64>(src);
  if (isFast(cpu) && plain64(b) && (plain64(a) || opcode == 0x51)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    let r: f64;
    switch (opcode) {
      case 0x51: r = sqrt<f64>(y); break;
      case 0x58: r = x + y; break;
      case 0x59: r = x * y; break;
      case 0x5c: r = x - y; break;
      case 0x5d: r = x < y ? x : y; break;
      case 0x5e: r = x / y; break;
      default: r = x > y ? x : y; break;
    }
    if (good64(opcode, a, b, reinterpret<u64>(r))) {
      store<f64>(dst, r);
      return;
    }
  }
  start(cpu);
  const r = soft<f64>(opcode, a, b);
  if (settle(cpu)) store<u64>(dst, r);
}

function arithSS(cpu: usize, opcode: u32, dst: usize, src: usize): void {
  const a = load<u32>(dst);
  const b = load<u32>(src);
  if (isFast(cpu) && plain32(b) && (plain32(a) || opcode == 0x51)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    let r: f32;
    switch (opcode) {
      case 0x51: r = sqrt<f32>(y); break;
      case 0x58: r = x + y; break;
      case 0x59: r = x * y; break;
      case 0x5c: r = x - y; break;
      case 0x5d: r = x < y ? x : y; break;
      case 0x5e: r = x / y; break;
      default: r = x > y ? x : y; break;
    }
    if (good32(opcode, a, b, reinterpret<u32>(r))) {
      store<f32>(dst, r);
      return;
    }
  }
  start(cpu);
  const r = soft<f32>(opcode, a, b);
  if (settle(cpu)) store<u32>(dst, u32(r));
}

/** The wasm instruction on all lanes; false, and nothing stored, when some lane is not ordinary. */
function fastPS(cpu: usize, opcode: u32, a: v128, b: v128, dst: usize): bool {
  let r: v128;
  switch (opcode) {
    case 0x51: r = f32x4.sqrt(b); a = b; break;
    case 0x58: r = f32x4.add(a, b); break;
    case 0x59: r = f32x4.mul(a, b); break;
    case 0x5c: r = f32x4.sub(a, b); break;
    case 0x5d: r = f32x4.pmin(b, a); break;
    case 0x5e: r = f32x4.div(a, b); break;
    default: r = f32x4.pmax(b, a); break;
  }
  const t = i32x4.shl(r, 1);
  const normal = i32x4.lt_u(i32x4.sub(t, i32x4.splat(0x02000000)), i32x4.splat(0xfd000000));
  let ok = v128.and(v128.and(plain4(a), plain4(b)), normal);
  if (!v128.all_true<i32>(ok)) {
    const zero = i32x4.splat(0);
    let exact = i32x4.eq(t, zero);
    if (opcode != 0x58 && opcode != 0x5c) {
      const za = i32x4.eq(i32x4.shl(a, 1), zero);
      exact = v128.and(exact, opcode == 0x5e ? za : v128.or(za, i32x4.eq(i32x4.shl(b, 1), zero)));
    }
    ok = v128.and(v128.and(plain4(a), plain4(b)), v128.or(normal, exact));
    if (!v128.all_true<i32>(ok)) return false;
  }
  v128.store(dst, r);
  return true;
}

/** Two lanes of binary32, the odd one possibly with another operation (ADDSUBPS). */
function soft2(even: u32, odd: u32, a: u64, b: u64): u64 {
  return soft<f32>(even, a & LOW32, b & LOW32) | (soft<f32>(odd, a >> 32, b >> 32) << 32);
}

function arithPS(cpu: usize, even: u32, odd: u32, a: v128, b: v128, dst: usize): void {
  if (isFast(cpu) && even == odd && fastPS(cpu, even, a, b, dst)) return;
  start(cpu);
  const low = soft2(even, odd, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const high = soft2(even, odd, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  if (settle(cpu)) v128.store(dst, pairOf(low, high));
}

function fastPD(cpu: usize, opcode: u32, a: v128, b: v128, dst: usize): bool {
  let r: v128;
  switch (opcode) {
    case 0x51: r = f64x2.sqrt(b); a = b; break;
    case 0x58: r = f64x2.add(a, b); break;
    case 0x59: r = f64x2.mul(a, b); break;
    case 0x5c: r = f64x2.sub(a, b); break;
    case 0x5d: r = f64x2.pmin(b, a); break;
    case 0x5e: r = f64x2.div(a, b); break;
    default: r = f64x2.pmax(b, a); break;
  }
  const a0 = i64x2.extract_lane(a, 0);
  const a1 = i64x2.extract_lane(a, 1);
  const b0 = i64x2.extract_lane(b, 0);
  const b1 = i64x2.extract_lane(b, 1);
  if (!(plain64(a0) && plain64(a1) && plain64(b0) && plain64(b1))) return false;
  if (!good64(opcode, a0, b0, i64x2.extract_lane(r, 0)) || !good64(opcode, a1, b1, i64x2.extract_lane(r, 1))) return false;
  v128.store(dst, r);
  return true;
}

function arithPD(cpu: usize, even: u32, odd: u32, a: v128, b: v128, dst: usize): void {
  if (isFast(cpu) && even == odd && fastPD(cpu, even, a, b, dst)) return;
  start(cpu);
  const low = soft<f64>(even, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const high = soft<f64>(odd, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  if (settle(cpu)) v128.store(dst, pairOf(low, high));
}

/**
 * SQRT, ADD, MUL, SUB, MIN, DIV and MAX of packed values, `code` as for `sseExec`, on three operands of 128 or (`wide`) 256 bits by the wasm
 * instructions: false when some lane is not ordinary, with nothing changed but `dst`.
 */
export function arithmeticFast(cpu: usize, code: u32, dst: usize, a: usize, b: usize, wide: bool): bool {
  if (!isFast(cpu)) return false;
  const opcode = code & 0xff;
  if (code < 0x100) {
    return fastPS(cpu, opcode, v128.load(a), v128.load(b), dst) && (!wide || fastPS(cpu, opcode, v128.load(a, 16), v128.load(b, 16), dst + 16));
  }
  return fastPD(cpu, opcode, v128.load(a), v128.load(b), dst) && (!wide || fastPD(cpu, opcode, v128.load(a, 16), v128.load(b, 16), dst + 16));
}

/** 51, 58, 59, 5C-5F. */
function arith(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize): void {
  switch (prefix) {
    case 0: arithPS(cpu, opcode, opcode, v128.load(dst), v128.load(src), dst); break;
    case 1: arithPD(cpu, opcode, opcode, v128.load(dst), v128.load(src), dst); break;
    case 2: arithSS(cpu, opcode, dst, src); break;
    default: arithSD(cpu, opcode, dst, src); break;
  }
}

/** HADDPS, HADDPD, HSUBPS, HSUBPD: neighbours, the lower one first. */
function horizontal(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize): void {
  const a = v128.load(dst);
  const b = v128.load(src);
  const op: u32 = opcode == 0x7c ? 0x58 : 0x5c;
  if (prefix == P_66) arithPD(cpu, op, op, i64x2.shuffle(a, b, 0, 2), i64x2.shuffle(a, b, 1, 3), dst);
  else arithPS(cpu, op, op, i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7), dst);
}

/** RCPPS, RSQRTPS and their scalar forms: neither read nor set MXCSR. */
function approximate(opcode: u32, prefix: u32, dst: usize, src: usize): void {
  const lanes: usize = prefix == P_NONE ? 4 : 1;
  for (let i: usize = 0; i < lanes; i++) {
    const x = load<u32>(src + (i << 2));
    store<u32>(dst + (i << 2), opcode == 0x53 ? reciprocal(x) : reciprocalRoot(x));
  }
}

/* ------------------------------------------------------------------------------------------------ comparisons */

/**
 * Which outcomes satisfy each predicate, one nibble each: EQ LT LE UNORD NEQ NLT NLE ORD, EQ_UQ NGE NGT FALSE NEQ_OQ GE GT TRUE (SDM vol. 2,
 * CMPPS and table 3-1). VEX has 16 more with the same outcomes.
 */
const PREDICATES: u64 = 0xf4650b9a7ced8312;
/** Predicates to which a quiet NaN is invalid: LT LE NLT NLE NGE NGT GE GT; of the second 16 all others. */
const SIGNALING: u32 = 0x99996666;

// @ts-ignore: decorator
@inline
function outcomes(predicate: u32): u32 {
  return u32(PREDICATES >> u64((predicate & 15) << 2)) & 15;
}

// @ts-ignore: decorator
@inline
function truth<T>(a: u64, b: u64, predicate: u32): u64 {
  const wanted = outcomes(predicate);
  return softCompare<T>(a, b, bool((SIGNALING >> predicate) & 1)) & wanted ? (sizeof<T>() == 8 ? <u64>-1 : LOW32) : 0;
}

function truth2(a: u64, b: u64, predicate: u32): u64 {
  return truth<f32>(a & LOW32, b & LOW32, predicate) | (truth<f32>(a >> 32, b >> 32, predicate) << 32);
}

/** CMPPS on operands that raise nothing. */
function compareClean(a: v128, b: v128, predicate: u32): v128 {
  const wanted = outcomes(predicate);
  let r = i32x4.splat(0);
  if (wanted & LESS) r = v128.or(r, f32x4.lt(a, b));
  if (wanted & EQUAL) r = v128.or(r, f32x4.eq(a, b));
  if (wanted & GREATER) r = v128.or(r, f32x4.gt(a, b));
  return r;
}

/** CMPPS, CMPPD, CMPSS, CMPSD. */
export function compare(cpu: usize, prefix: u32, dst: usize, src: usize, predicate: u32): void {
  start(cpu);
  if (prefix == P_F3) {
    const r = truth<f32>(load<u32>(dst), load<u32>(src), predicate);
    if (settle(cpu)) store<u32>(dst, u32(r));
    return;
  }
  const a0 = load<u64>(dst);
  const b0 = load<u64>(src);
  if (prefix > P_F3) {
    const r = truth<f64>(a0, b0, predicate);
    if (settle(cpu)) store<u64>(dst, r);
    return;
  }
  const a1 = load<u64>(dst, 8);
  const b1 = load<u64>(src, 8);
  if (prefix == P_66) {
    const low = truth<f64>(a0, b0, predicate);
    const high = truth<f64>(a1, b1, predicate);
    if (settle(cpu)) v128.store(dst, pairOf(low, high));
    return;
  }
  const a = pairOf(a0, a1);
  const b = pairOf(b0, b1);
  if (clean4(a) && clean4(b)) {
    v128.store(dst, compareClean(a, b, predicate));
    return;
  }
  const low = truth2(a0, b0, predicate);
  const high = truth2(a1, b1, predicate);
  if (settle(cpu)) v128.store(dst, pairOf(low, high));
}

/** UCOMISS, UCOMISD (2E), COMISS, COMISD (2F). */
function compareFlags(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize): void {
  let outcome: u32;
  if (prefix == P_66) {
    const a = load<u64>(dst);
    const b = load<u64>(src);
    if (clean64(a) && clean64(b)) {
      const x = reinterpret<f64>(a);
      const y = reinterpret<f64>(b);
      setArith(cpu, x < y ? CF : x == y ? ZF : 0);
      return;
    }
    start(cpu);
    outcome = softCompare<f64>(a, b, opcode == 0x2f);
  } else {
    const a = load<u32>(dst);
    const b = load<u32>(src);
    if (clean32(a) && clean32(b)) {
      const x = reinterpret<f32>(a);
      const y = reinterpret<f32>(b);
      setArith(cpu, x < y ? CF : x == y ? ZF : 0);
      return;
    }
    start(cpu);
    outcome = softCompare<f32>(a, b, opcode == 0x2f);
  }
  if (!settle(cpu)) return;
  setArith(cpu, outcome == UNORDERED ? ZF | PF | CF : outcome == LESS ? CF : outcome == EQUAL ? ZF : 0);
}

/* ------------------------------------------------------------------------------------------------ conversions */

/** Binary32 of a doubleword; up to 24 bits it is exact. */
// @ts-ignore: decorator
@inline
function single(x: i32): u64 {
  return u32(x + 0x1000000) <= 0x2000000 ? reinterpret<u32>(f32(x)) : softFromInt<f32>(i64(x));
}
// @ts-ignore: decorator
@inline
function double(x: i32): u64 {
  return reinterpret<u64>(f64(x));
}
// @ts-ignore: decorator
@inline
function int32OfSingle(bits: u64, mode: u32): u64 {
  return softToInt32(f64(reinterpret<f32>(u32(flushDenormal<f32>(bits)))), mode);
}
// @ts-ignore: decorator
@inline
function int32OfDouble(bits: u64, mode: u32): u64 {
  return softToInt32(reinterpret<f64>(flushDenormal<f64>(bits)), mode);
}

/** 2A: CVTPI2PS, CVTPI2PD, CVTSI2SS, CVTSI2SD. */
function convertFromInt(cpu: usize, prefix: u32, dst: usize, src: usize, rexw: u32): void {
  start(cpu);
  if (prefix == P_NONE) {
    const r = single(load<i32>(src)) | (single(load<i32>(src, 4)) << 32);
    if (settle(cpu)) store<u64>(dst, r);
  } else if (prefix == P_66) {
    v128.store(dst, pairOf(double(load<i32>(src)), double(load<i32>(src, 4))));
  } else if (prefix == P_F3) {
    const r = rexw ? softFromInt<f32>(load<i64>(src)) : single(load<i32>(src));
    if (settle(cpu)) store<u32>(dst, u32(r));
  } else {
    const r = rexw ? softFromInt<f64>(load<i64>(src)) : double(load<i32>(src));
    if (settle(cpu)) store<u64>(dst, r);
  }
}

/** 2C (truncating) and 2D: CVTPS2PI, CVTPD2PI, CVTSS2SI, CVTSD2SI. */
function convertToInt(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize, rexw: u32): void {
  start(cpu);
  const mode = opcode == 0x2c ? RC_ZERO : roundingMode();
  if (prefix <= P_66) {
    const r = prefix == P_NONE
      ? int32OfSingle(load<u32>(src), mode) | (int32OfSingle(load<u32>(src, 4), mode) << 32)
      : int32OfDouble(load<u64>(src), mode) | (int32OfDouble(load<u64>(src, 8), mode) << 32);
    if (settle(cpu)) putMmx(dst, r);
    return;
  }
  const x = prefix == P_F3
    ? f64(reinterpret<f32>(u32(flushDenormal<f32>(load<u32>(src)))))
    : reinterpret<f64>(flushDenormal<f64>(load<u64>(src)));
  const r = rexw ? softToInt64(x, mode) : u64(softToInt32(x, mode));
  if (settle(cpu)) store<u64>(dst, r);
}

/** 5A: between binary32 and binary64. */
function convertFloat(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  start(cpu);
  switch (prefix) {
    case 0: {
      const low = softWiden(load<u32>(src));
      const high = softWiden(load<u32>(src, 4));
      if (settle(cpu)) v128.store(dst, pairOf(low, high));
      break;
    }
    case 1: {
      const r = softNarrow(load<u64>(src)) | (softNarrow(load<u64>(src, 8)) << 32);
      if (settle(cpu)) v128.store(dst, pairOf(r, 0));
      break;
    }
    case 2: {
      const r = softWiden(load<u32>(src));
      if (settle(cpu)) store<u64>(dst, r);
      break;
    }
    default: {
      const r = softNarrow(load<u64>(src));
      if (settle(cpu)) store<u32>(dst, u32(r));
      break;
    }
  }
}

/** 5B: CVTDQ2PS, CVTPS2DQ, CVTTPS2DQ. */
function convertSingles(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  start(cpu);
  let r: v128;
  if (prefix == P_NONE) {
    r = quad(single(load<i32>(src)), single(load<i32>(src, 4)), single(load<i32>(src, 8)), single(load<i32>(src, 12)));
  } else {
    const mode = prefix == P_F3 ? RC_ZERO : roundingMode();
    r = quad(
      int32OfSingle(load<u32>(src), mode), int32OfSingle(load<u32>(src, 4), mode),
      int32OfSingle(load<u32>(src, 8), mode), int32OfSingle(load<u32>(src, 12), mode),
    );
  }
  if (settle(cpu)) v128.store(dst, r);
}

/** E6: CVTTPD2DQ, CVTDQ2PD, CVTPD2DQ. */
function convertDoubles(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  if (prefix == P_F3) {
    v128.store(dst, pairOf(double(load<i32>(src)), double(load<i32>(src, 4))));
    return;
  }
  start(cpu);
  const mode = prefix == P_66 ? RC_ZERO : roundingMode();
  const r = int32OfDouble(load<u64>(src), mode) | (int32OfDouble(load<u64>(src, 8), mode) << 32);
  if (settle(cpu)) v128.store(dst, pairOf(r, 0));
}

/* ------------------------------------------------------------------------------------------------ moves and shuffles */

/** 10: MOVUPS, MOVUPD; MOVSS and MOVSD, which clear the rest of the register only when they load from memory. */
function moveLoad(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  if (prefix <= P_66) v128.store(dst, v128.load(src));
  else if (prefix == P_F3) {
    if (isXmm(cpu, src)) store<u32>(dst, load<u32>(src));
    else v128.store(dst, v128.load32_zero(src));
  } else if (isXmm(cpu, src)) store<u64>(dst, load<u64>(src));
  else v128.store(dst, v128.load64_zero(src));
}

/** 11. */
function moveStore(prefix: u32, dst: usize, src: usize): void {
  if (prefix <= P_66) v128.store(dst, v128.load(src));
  else if (prefix == P_F3) store<u32>(dst, load<u32>(src));
  else store<u64>(dst, load<u64>(src));
}

/** 12: MOVLPS, MOVHLPS, MOVLPD, MOVSLDUP, MOVDDUP. */
function moveLow(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  switch (prefix) {
    case 0: store<u64>(dst, isXmm(cpu, src) ? load<u64>(src, 8) : load<u64>(src)); break;
    case 1: store<u64>(dst, load<u64>(src)); break;
    case 2: {
      const b = v128.load(src);
      v128.store(dst, i32x4.shuffle(b, b, 0, 0, 2, 2));
      break;
    }
    default: v128.store(dst, v128.load64_splat(src)); break;
  }
}

/** 16: MOVHPS, MOVLHPS, MOVHPD, MOVSHDUP. */
function moveHigh(prefix: u32, dst: usize, src: usize): void {
  if (prefix == P_F3) {
    const b = v128.load(src);
    v128.store(dst, i32x4.shuffle(b, b, 1, 1, 3, 3));
  } else store<u64>(dst, load<u64>(src), 8);
}

/** 6E: MOVD, MOVQ from a general register or memory. */
function moveFromGpr(prefix: u32, dst: usize, src: usize, rexw: u32): void {
  const value = rexw ? load<u64>(src) : u64(load<u32>(src));
  if (prefix == P_NONE) putMmx(dst, value);
  else v128.store(dst, pairOf(value, 0));
}

/** D6: MOVQ store (which clears the upper half of a register), MOVQ2DQ, MOVDQ2Q. */
function moveQuad(cpu: usize, prefix: u32, dst: usize, src: usize): void {
  const value = load<u64>(src);
  if (prefix > P_F3) putMmx(dst, value);
  else if (prefix == P_F3 || isXmm(cpu, dst)) v128.store(dst, pairOf(value, 0));
  else store<u64>(dst, value);
}

// @ts-ignore: decorator
@inline
function word(x: u64, select: u32): u64 {
  return (x >> ((select & 3) << 4)) & 0xffff;
}
function shuffleWords(x: u64, imm: u32): u64 {
  return word(x, imm) | (word(x, imm >> 2) << 16) | (word(x, imm >> 4) << 32) | (word(x, imm >> 6) << 48);
}

/** 70: PSHUFW, PSHUFD, PSHUFHW, PSHUFLW. */
function shuffle(prefix: u32, dst: usize, src: usize, imm: u32): void {
  const low = load<u64>(src);
  if (prefix == P_NONE) {
    putMmx(dst, shuffleWords(low, imm));
    return;
  }
  const high = load<u64>(src, 8);
  if (prefix == P_66) v128.store(dst, quad(lane32(src, imm), lane32(src, imm >> 2), lane32(src, imm >> 4), lane32(src, imm >> 6)));
  else if (prefix == P_F3) v128.store(dst, pairOf(low, shuffleWords(high, imm)));
  else v128.store(dst, pairOf(shuffleWords(low, imm), high));
}
// @ts-ignore: decorator
@inline
function lane32(at: usize, select: u32): u64 {
  return load<u32>(at + ((select & 3) << 2));
}

/** C6: SHUFPS, SHUFPD. */
function shuffleFloats(prefix: u32, dst: usize, src: usize, imm: u32): void {
  if (prefix == P_66) v128.store(dst, pairOf(load<u64>(dst + ((imm & 1) << 3)), load<u64>(src + ((imm & 2) << 2))));
  else v128.store(dst, quad(lane32(dst, imm), lane32(dst, imm >> 2), lane32(src, imm >> 4), lane32(src, imm >> 6)));
}

/** 14, 15: UNPCKLPS, UNPCKLPD, UNPCKHPS, UNPCKHPD. */
function unpackFloats(opcode: u32, prefix: u32, dst: usize, src: usize): void {
  const a = v128.load(dst);
  const b = v128.load(src);
  if (prefix == P_66) v128.store(dst, opcode == 0x14 ? i64x2.shuffle(a, b, 0, 2) : i64x2.shuffle(a, b, 1, 3));
  else v128.store(dst, opcode == 0x14 ? i32x4.shuffle(a, b, 0, 4, 1, 5) : i32x4.shuffle(a, b, 2, 6, 3, 7));
}

/** 54-57: logic on the bits of floating-point values. */
function logic(opcode: u32, dst: usize, src: usize): void {
  const a = v128.load(dst);
  const b = v128.load(src);
  switch (opcode) {
    case 0x54: v128.store(dst, v128.and(a, b)); break;
    case 0x55: v128.store(dst, v128.andnot(b, a)); break;
    case 0x56: v128.store(dst, v128.or(a, b)); break;
    default: v128.store(dst, v128.xor(a, b)); break;
  }
}

/* ------------------------------------------------------------------------------------------------ integers */

/** The shifts by the opcode of their register form; a count beyond the lane clears it, or fills it with its sign. */
function shift(opcode: u32, a: v128, n: u32): v128 {
  const zero = i32x4.splat(0);
  switch (opcode) {
    case 0xd1: return n > 15 ? zero : i16x8.shr_u(a, n);
    case 0xd2: return n > 31 ? zero : i32x4.shr_u(a, n);
    case 0xd3: return n > 63 ? zero : i64x2.shr_u(a, n);
    case 0xe1: return i16x8.shr_s(a, n > 15 ? 15 : n);
    case 0xe2: return i32x4.shr_s(a, n > 31 ? 31 : n);
    case 0xf1: return n > 15 ? zero : i16x8.shl(a, n);
    case 0xf2: return n > 31 ? zero : i32x4.shl(a, n);
    default: return n > 63 ? zero : i64x2.shl(a, n);
  }
}

// @ts-ignore: decorator
@inline
function ascending(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/** Bytes from..from+15 of a with zeros on both sides; swizzle gives 0 for every index above 15. */
// @ts-ignore: decorator
@inline
function slide(a: v128, from: i32): v128 {
  return from > 15 || from < -15 ? i32x4.splat(0) : i8x16.swizzle(a, i8x16.add(ascending(), i8x16.splat(i8(from))));
}

/** Groups 12 to 14: imm8 | reg << 8. */
function shiftGroup(opcode: u32, prefix: u32, dst: usize, imm: u32): void {
  const reg = (imm >> 8) & 7;
  const count = imm & 0xff;
  if (prefix == P_NONE) {
    putMmx(dst, i64x2.extract_lane(shift((opcode & 3) | (0xc0 + (reg << 3)), v128.load64_zero(dst), count), 0));
    return;
  }
  const a = v128.load(dst);
  if (reg == 3) v128.store(dst, slide(a, count));
  else if (reg == 7) v128.store(dst, slide(a, -i32(count)));
  else v128.store(dst, shift((opcode & 3) | (0xc0 + (reg << 3)), a, count));
}

// @ts-ignore: decorator
@inline
function mulHigh(low: v128, high: v128): v128 {
  return i16x8.shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}

function sumDifferences(a: v128, b: v128): v128 {
  const d = i8x16.sub(i8x16.max_u(a, b), i8x16.min_u(a, b));
  const s = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(d));
  return i64x2.add(v128.and(s, i64x2.splat(LOW32)), i64x2.shr_u(s, 32));
}

/** The packed integer instructions of map 0F. With MMX operands the upper halves are 0 and the caller gathers the lanes that moved. */
function packed(opcode: u32, a: v128, b: v128): v128 {
  switch (opcode) {
    case 0x60: return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    case 0x61: return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    case 0x62: return i32x4.shuffle(a, b, 0, 4, 1, 5);
    case 0x63: return i8x16.narrow_i16x8_s(a, b);
    case 0x64: return i8x16.gt_s(a, b);
    case 0x65: return i16x8.gt_s(a, b);
    case 0x66: return i32x4.gt_s(a, b);
    case 0x67: return i8x16.narrow_i16x8_u(a, b);
    case 0x68: return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    case 0x69: return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    case 0x6a: return i32x4.shuffle(a, b, 2, 6, 3, 7);
    case 0x6b: return i16x8.narrow_i32x4_s(a, b);
    case 0x6c: return i64x2.shuffle(a, b, 0, 2);
    case 0x6d: return i64x2.shuffle(a, b, 1, 3);
    case 0x74: return i8x16.eq(a, b);
    case 0x75: return i16x8.eq(a, b);
    case 0x76: return i32x4.eq(a, b);
    case 0xd4: return i64x2.add(a, b);
    case 0xd5: return i16x8.mul(a, b);
    case 0xd8: return i8x16.sub_sat_u(a, b);
    case 0xd9: return i16x8.sub_sat_u(a, b);
    case 0xda: return i8x16.min_u(a, b);
    case 0xdb: return v128.and(a, b);
    case 0xdc: return i8x16.add_sat_u(a, b);
    case 0xdd: return i16x8.add_sat_u(a, b);
    case 0xde: return i8x16.max_u(a, b);
    case 0xdf: return v128.andnot(b, a);
    case 0xe0: return i8x16.avgr_u(a, b);
    case 0xe3: return i16x8.avgr_u(a, b);
    case 0xe4: return mulHigh(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b));
    case 0xe5: return mulHigh(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b));
    case 0xe8: return i8x16.sub_sat_s(a, b);
    case 0xe9: return i16x8.sub_sat_s(a, b);
    case 0xea: return i16x8.min_s(a, b);
    case 0xeb: return v128.or(a, b);
    case 0xec: return i8x16.add_sat_s(a, b);
    case 0xed: return i16x8.add_sat_s(a, b);
    case 0xee: return i16x8.max_s(a, b);
    case 0xef: return v128.xor(a, b);
    case 0xf4: return i64x2.mul(v128.and(a, i64x2.splat(LOW32)), v128.and(b, i64x2.splat(LOW32)));
    case 0xf5: return i32x4.dot_i16x8_s(a, b);
    case 0xf6: return sumDifferences(a, b);
    case 0xf8: return i8x16.sub(a, b);
    case 0xf9: return i16x8.sub(a, b);
    case 0xfa: return i32x4.sub(a, b);
    case 0xfb: return i64x2.sub(a, b);
    case 0xfc: return i8x16.add(a, b);
    case 0xfd: return i16x8.add(a, b);
    default: return i32x4.add(a, b);
  }
}

function integer(opcode: u32, prefix: u32, dst: usize, src: usize): void {
  if (prefix != P_NONE) {
    v128.store(dst, packed(opcode, v128.load(dst), v128.load(src)));
    return;
  }
  const a = v128.load64_zero(dst);
  if (opcode <= 0x62) {
    // mm/m32: only the low doubleword of the second operand is read.
    putMmx(dst, i64x2.extract_lane(packed(opcode, a, v128.load32_zero(src)), 0));
    return;
  }
  const b = v128.load64_zero(src);
  if (opcode <= 0x6b) {
    // The upper bytes of 64-bit operands are what the low interleave puts into its upper half.
    if (opcode >= 0x68 && opcode < 0x6b) putMmx(dst, i64x2.extract_lane(packed(opcode - 8, a, b), 1));
    else if (opcode == 0x63 || opcode == 0x67 || opcode == 0x6b) putMmx(dst, halves(packed(opcode, a, b)));
    else putMmx(dst, i64x2.extract_lane(packed(opcode, a, b), 0));
    return;
  }
  putMmx(dst, i64x2.extract_lane(packed(opcode, a, b), 0));
}

/** Low doublewords of both halves: where an operation that joins two operands leaves its 64-bit result. */
// @ts-ignore: decorator
@inline
function halves(r: v128): u64 {
  return u64(u32(i32x4.extract_lane(r, 0))) | (u64(u32(i32x4.extract_lane(r, 2))) << 32);
}

function shiftByRegister(opcode: u32, prefix: u32, dst: usize, src: usize): void {
  const count = load<u64>(src);
  const n: u32 = count > 255 ? 255 : u32(count);
  put(prefix, dst, shift(opcode, prefix == P_NONE ? v128.load64_zero(dst) : v128.load(dst), n));
}

/** C4: PINSRW. */
function insertWord(prefix: u32, dst: usize, src: usize, imm: u32): void {
  const value = load<u16>(src);
  if (prefix == P_NONE) {
    store<u16>(dst + ((imm & 3) << 1), value);
    store<u16>(dst, 0xffff, 8);
  } else store<u16>(dst + ((imm & 7) << 1), value);
}

/* ------------------------------------------------------------------------------------------------ map 0F38 */

function addHorizontal16(a: v128, b: v128, op: u32): v128 {
  const even = i16x8.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  const odd = i16x8.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  switch (op) {
    case 1: return i16x8.add(even, odd);
    case 3: return i16x8.add_sat_s(even, odd);
    case 5: return i16x8.sub(even, odd);
    default: return i16x8.sub_sat_s(even, odd);
  }
}

/** PMADDUBSW: products of unsigned by signed bytes fit a signed word, their sums saturate. */
function mulAddBytes(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}

/** PMULHRSW does not saturate: -1 by -1 gives 8000. */
function mulRound(a: v128, b: v128): v128 {
  const least = i16x8.splat(<i16>0x8000);
  return v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, least), i16x8.eq(b, least)));
}

/** PSIGNB and kin. `a` where b > 0, its negative where b < 0, 0 where b is 0. */
function sign(op: u32, a: v128, b: v128): v128 {
  const zero = i32x4.splat(0);
  switch (op) {
    case 8: return v128.andnot(v128.bitselect(i8x16.neg(a), a, i8x16.lt_s(b, zero)), i8x16.eq(b, zero));
    case 9: return v128.andnot(v128.bitselect(i16x8.neg(a), a, i16x8.lt_s(b, zero)), i16x8.eq(b, zero));
    default: return v128.andnot(v128.bitselect(i32x4.neg(a), a, i32x4.lt_s(b, zero)), i32x4.eq(b, zero));
  }
}

/** SSSE3: both MMX and XMM. */
function packed38(opcode: u32, a: v128, b: v128): v128 {
  switch (opcode) {
    case 0x00: return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f)));
    case 0x01: case 0x03: case 0x05: case 0x07: return addHorizontal16(a, b, opcode);
    case 0x02: return i32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
    case 0x04: return mulAddBytes(a, b);
    case 0x06: return i32x4.sub(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
    case 0x08: case 0x09: case 0x0a: return sign(opcode, a, b);
    case 0x0b: return mulRound(a, b);
    case 0x1c: return i8x16.abs(b);
    case 0x1d: return i16x8.abs(b);
    default: return i32x4.abs(b);
  }
}

/** SSE4.1 and SSE4.2 on whole registers. */
function packed41(opcode: u32, a: v128, b: v128): v128 {
  switch (opcode) {
    case 0x28: return i64x2.extmul_low_i32x4_s(i32x4.shuffle(a, a, 0, 2, 0, 2), i32x4.shuffle(b, b, 0, 2, 0, 2));
    case 0x29: return i64x2.eq(a, b);
    case 0x2b: return i16x8.narrow_i32x4_u(a, b);
    case 0x37: return i64x2.gt_s(a, b);
    case 0x38: return i8x16.min_s(a, b);
    case 0x39: return i32x4.min_s(a, b);
    case 0x3a: return i16x8.min_u(a, b);
    case 0x3b: return i32x4.min_u(a, b);
    case 0x3c: return i8x16.max_s(a, b);
    case 0x3d: return i32x4.max_s(a, b);
    case 0x3e: return i16x8.max_u(a, b);
    case 0x3f: return i32x4.max_u(a, b);
    default: return i32x4.mul(a, b);
  }
}

/** PMOVSX and PMOVZX: exactly the bytes that are widened are read. */
function widen(opcode: u32, src: usize): v128 {
  switch (opcode) {
    case 0x20: return i16x8.extend_low_i8x16_s(v128.load64_zero(src));
    case 0x21: return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(src)));
    case 0x22: return pairOf(u64(load<i8>(src)), u64(load<i8>(src, 1)));
    case 0x23: return i32x4.extend_low_i16x8_s(v128.load64_zero(src));
    case 0x24: return pairOf(u64(load<i16>(src)), u64(load<i16>(src, 2)));
    case 0x25: return i64x2.extend_low_i32x4_s(v128.load64_zero(src));
    case 0x30: return i16x8.extend_low_i8x16_u(v128.load64_zero(src));
    case 0x31: return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(src)));
    case 0x32: return pairOf(load<u8>(src), load<u8>(src, 1));
    case 0x33: return i32x4.extend_low_i16x8_u(v128.load64_zero(src));
    case 0x34: return pairOf(load<u16>(src), load<u16>(src, 2));
    default: return i64x2.extend_low_i32x4_u(v128.load64_zero(src));
  }
}

/** PBLENDVB, BLENDVPS, BLENDVPD: the sign bits of XMM0 choose. */
function blendVariable(cpu: usize, opcode: u32, dst: usize, src: usize): void {
  const mask = v128.load(cpu + XMM);
  const chosen = opcode == 0x10 ? i8x16.shr_s(mask, 7) : opcode == 0x14 ? i32x4.shr_s(mask, 31) : i64x2.shr_s(mask, 63);
  v128.store(dst, v128.bitselect(v128.load(src), v128.load(dst), chosen));
}

function test(cpu: usize, dst: usize, src: usize): void {
  const a = v128.load(dst);
  const b = v128.load(src);
  setArith(cpu, (v128.any_true(v128.and(a, b)) ? 0 : ZF) | (v128.any_true(v128.andnot(b, a)) ? 0 : CF));
}

/** PHMINPOSUW: the least word, and the lowest index that holds it. */
function minPosition(dst: usize, src: usize): void {
  let least: u32 = load<u16>(src);
  let index: u32 = 0;
  for (let i: u32 = 1; i < 8; i++) {
    const x: u32 = load<u16>(src + (i << 1));
    if (x < least) {
      least = x;
      index = i;
    }
  }
  v128.store(dst, pairOf(u64(least | (index << 16)), 0));
}

function exec38(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize): void {
  switch (opcode) {
    case 0x00: case 0x01: case 0x02: case 0x03: case 0x04: case 0x05: case 0x06: case 0x07:
    case 0x08: case 0x09: case 0x0a: case 0x0b: case 0x1c: case 0x1d: case 0x1e:
      if (prefix == P_NONE) ssse3Mmx(opcode, dst, src);
      else v128.store(dst, packed38(opcode, v128.load(dst), v128.load(src)));
      break;
    case 0x10: case 0x14: case 0x15: blendVariable(cpu, opcode, dst, src); break;
    case 0x17: test(cpu, dst, src); break;
    case 0x20: case 0x21: case 0x22: case 0x23: case 0x24: case 0x25:
    case 0x30: case 0x31: case 0x32: case 0x33: case 0x34: case 0x35:
      v128.store(dst, widen(opcode, src));
      break;
    case 0x2a: v128.store(dst, v128.load(src)); break;
    case 0x28: case 0x29: case 0x2b: case 0x37:
    case 0x38: case 0x39: case 0x3a: case 0x3b: case 0x3c: case 0x3d: case 0x3e: case 0x3f: case 0x40:
      v128.store(dst, packed41(opcode, v128.load(dst), v128.load(src)));
      break;
    case 0x41: minPosition(dst, src); break;
    default: cryptography(cpu, opcode, dst, src); break;
  }
}

/** SHA and AES-NI, a table of their own so that the other one has no gap. */
function cryptography(cpu: usize, opcode: u32, dst: usize, src: usize): void {
  switch (opcode) {
    case 0xc8: sha1NextE(dst, src); break;
    case 0xc9: sha1Message1(dst, src); break;
    case 0xca: sha1Message2(dst, src); break;
    case 0xcb: sha256Rounds(dst, src, cpu + XMM); break;
    case 0xcc: sha256Message1(dst, src); break;
    case 0xcd: sha256Message2(dst, src); break;
    case 0xdb: aesInverseMix(dst, src); break;
    case 0xdc: case 0xdd: case 0xde: case 0xdf: aesRound(opcode, dst, dst, src); break;
  }
}

function ssse3Mmx(opcode: u32, dst: usize, src: usize): void {
  const a = v128.load64_zero(dst);
  let b = v128.load64_zero(src);
  if (opcode == 0) b = v128.and(b, i8x16.splat(<i8>0x87));
  const r = packed38(opcode, a, b);
  const joins = opcode >= 1 && opcode <= 7 && opcode != 4;
  putMmx(dst, joins ? halves(r) : i64x2.extract_lane(r, 0));
}

/* ------------------------------------------------------------------------------------------------ map 0F3A */

/** ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD: imm bits 1:0 the mode, bit 2 use MXCSR.RC instead, bit 3 no precision exception. */
function round(cpu: usize, opcode: u32, dst: usize, src: usize, imm: u32): void {
  start(cpu);
  const mode = imm & 4 ? roundingMode() : imm & 3;
  const exact = bool(imm & 8);
  if (opcode == 0x0a) {
    const r = softRound<f32>(load<u32>(src), mode, exact);
    if (settle(cpu)) store<u32>(dst, u32(r));
  } else if (opcode == 0x0b) {
    const r = softRound<f64>(load<u64>(src), mode, exact);
    if (settle(cpu)) store<u64>(dst, r);
  } else if (opcode == 0x09) {
    const r = pairOf(softRound<f64>(load<u64>(src), mode, exact), softRound<f64>(load<u64>(src, 8), mode, exact));
    if (settle(cpu)) v128.store(dst, r);
  } else {
    const r = quad(
      softRound<f32>(load<u32>(src), mode, exact), softRound<f32>(load<u32>(src, 4), mode, exact),
      softRound<f32>(load<u32>(src, 8), mode, exact), softRound<f32>(load<u32>(src, 12), mode, exact),
    );
    if (settle(cpu)) v128.store(dst, r);
  }
}

/** BLENDPS, BLENDPD, PBLENDW: bit n of the immediate takes lane n from the second operand. */
function blend(opcode: u32, dst: usize, src: usize, imm: u32): void {
  const shift: usize = opcode == 0x0c ? 2 : opcode == 0x0d ? 3 : 1;
  const lanes: usize = (16 as usize) >> shift;
  for (let i: usize = 0; i < lanes; i++) {
    if (!((imm >> u32(i)) & 1)) continue;
    const at = i << shift;
    if (shift == 2) store<u32>(dst + at, load<u32>(src + at));
    else if (shift == 3) store<u64>(dst + at, load<u64>(src + at));
    else store<u16>(dst + at, load<u16>(src + at));
  }
}

/** PALIGNR: the second operand below the first, moved right by imm bytes. */
function align(prefix: u32, dst: usize, src: usize, imm: u32): void {
  const n = i32(imm & 0xff);
  if (prefix != P_NONE) {
    v128.store(dst, v128.or(slide(v128.load(src), n), slide(v128.load(dst), n - 16)));
    return;
  }
  const both = pairOf(load<u64>(src), load<u64>(dst));
  putMmx(dst, i64x2.extract_lane(slide(both, n), 0));
}

/** INSERTPS: imm 7:6 the source lane (0 from memory), 5:4 the destination lane, 3:0 lanes to clear. */
function insertSingle(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const value = isXmm(cpu, src) ? lane32(src, imm >> 6) : load<u32>(src);
  store<u32>(dst + (((imm >> 4) & 3) << 2), u32(value));
  for (let i: u32 = 0; i < 4; i++) {
    if ((imm >> i) & 1) store<u32>(dst + (i << 2), 0);
  }
}

/** DPPS: products chosen by imm 7:4, added in pairs, to the lanes chosen by imm 3:0. An unmasked exception ends the stage it is in. */
function dotSingles(cpu: usize, dst: usize, src: usize, imm: u32): void {
  start(cpu);
  const p0 = imm & 0x10 ? softMul<f32>(load<u32>(dst), load<u32>(src)) : 0;
  const p1 = imm & 0x20 ? softMul<f32>(load<u32>(dst, 4), load<u32>(src, 4)) : 0;
  const p2 = imm & 0x40 ? softMul<f32>(load<u32>(dst, 8), load<u32>(src, 8)) : 0;
  const p3 = imm & 0x80 ? softMul<f32>(load<u32>(dst, 12), load<u32>(src, 12)) : 0;
  if (!settle(cpu)) return;
  const low = softAdd<f32>(p0, p1);
  const high = softAdd<f32>(p2, p3);
  if (!settle(cpu)) return;
  const sum = softAdd<f32>(low, high);
  if (!settle(cpu)) return;
  v128.store(dst, quad(imm & 1 ? sum : 0, imm & 2 ? sum : 0, imm & 4 ? sum : 0, imm & 8 ? sum : 0));
}

function dotDoubles(cpu: usize, dst: usize, src: usize, imm: u32): void {
  start(cpu);
  const p0 = imm & 0x10 ? softMul<f64>(load<u64>(dst), load<u64>(src)) : 0;
  const p1 = imm & 0x20 ? softMul<f64>(load<u64>(dst, 8), load<u64>(src, 8)) : 0;
  if (!settle(cpu)) return;
  const sum = softAdd<f64>(p0, p1);
  if (settle(cpu)) v128.store(dst, pairOf(imm & 1 ? sum : 0, imm & 2 ? sum : 0));
}

/** MPSADBW: eight sums of absolute differences of a block of four bytes (imm 1:0) against a sliding one (imm 2). */
function slidingDifferences(dst: usize, src: usize, imm: u32): void {
  const a = dst + (imm & 4);
  const b = src + ((imm & 3) << 2);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let sum: u32 = 0;
    for (let j: u32 = 0; j < 4; j++) sum += u32(abs<i32>(i32(load<u8>(a + i + j)) - i32(load<u8>(b + j))));
    if (i < 4) low |= u64(sum) << (i << 4);
    else high |= u64(sum) << ((i - 4) << 4);
  }
  v128.store(dst, pairOf(low, high));
}

function exec3a(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize, imm: u32, rexw: u32): void {
  switch (opcode) {
    case 0x08: case 0x09: case 0x0a: case 0x0b: round(cpu, opcode, dst, src, imm); break;
    case 0x0c: case 0x0d: case 0x0e: blend(opcode, dst, src, imm); break;
    case 0x0f: align(prefix, dst, src, imm); break;
    case 0x14: putGprOrMem(cpu, dst, load<u8>(src + (imm & 15)), 1); break;
    case 0x15: putGprOrMem(cpu, dst, load<u16>(src + ((imm & 7) << 1)), 2); break;
    case 0x16:
      if (rexw) store<u64>(dst, load<u64>(src + ((imm & 1) << 3)));
      else putGprOrMem(cpu, dst, lane32(src, imm), 4);
      break;
    case 0x17: putGprOrMem(cpu, dst, lane32(src, imm), 4); break;
    case 0x20: store<u8>(dst + (imm & 15), load<u8>(src)); break;
    case 0x21: insertSingle(cpu, dst, src, imm); break;
    case 0x22:
      if (rexw) store<u64>(dst + ((imm & 1) << 3), load<u64>(src));
      else store<u32>(dst + ((imm & 3) << 2), load<u32>(src));
      break;
    case 0x40: dotSingles(cpu, dst, src, imm); break;
    case 0x41: dotDoubles(cpu, dst, src, imm); break;
    case 0x42: slidingDifferences(dst, src, imm); break;
    case 0x44: carrylessMultiply(dst, dst, src, imm); break;
    case 0x60: case 0x61: case 0x62: case 0x63: compareStrings(cpu, opcode, dst, src, imm, rexw); break;
    default:
      if (opcode == 0xcc) sha1Rounds(dst, src, imm);
      else aesKeyAssist(dst, src, imm & 0xff);
      break;
  }
}

/* ------------------------------------------------------------------------------------------------ string comparison */

/** Element i as imm 1:0 says: unsigned or signed bytes or words. */
// @ts-ignore: decorator
@inline
function element(at: usize, i: u32, imm: u32): i32 {
  switch (imm & 3) {
    case 0: return load<u8>(at + i);
    case 1: return load<u16>(at + (i << 1));
    case 2: return load<i8>(at + i);
    default: return load<i16>(at + (i << 1));
  }
}

/** Length that a general register gives: its absolute value, at most n. */
// @ts-ignore: decorator
@inline
function explicitLength(cpu: usize, reg: usize, rexw: u32, n: u32): u32 {
  const value = load<u64>(cpu + (reg << 3), REGS);
  const x = rexw ? i64(value) : i64(i32(value));
  const magnitude = u64(x < 0 ? -x : x);
  return magnitude > n ? n : u32(magnitude);
}

function implicitLength(at: usize, imm: u32, n: u32): u32 {
  let i: u32 = 0;
  while (i < n && element(at, i, imm) != 0) i++;
  return i;
}

/** IntRes1 (SDM vol. 2 section 4.1.2): bit j about element j of the second operand, by the aggregation in imm 3:2. */
function aggregate(dst: usize, src: usize, imm: u32, la: u32, lb: u32, n: u32): u32 {
  let result: u32 = 0;
  for (let j: u32 = 0; j < n; j++) {
    let hit = false;
    switch ((imm >> 2) & 3) {
      case 0:
        for (let i: u32 = 0; i < la && j < lb && !hit; i++) hit = element(dst, i, imm) == element(src, j, imm);
        break;
      case 1:
        for (let i: u32 = 0; i + 1 < la && j < lb && !hit; i += 2) {
          const x = element(src, j, imm);
          hit = x >= element(dst, i, imm) && x <= element(dst, i + 1, imm);
        }
        break;
      case 2:
        hit = j < la && j < lb ? element(dst, j, imm) == element(src, j, imm) : j >= la && j >= lb;
        break;
      default:
        hit = true;
        for (let i: u32 = 0; i < la && i + j < n && hit; i++) hit = i + j < lb && element(dst, i, imm) == element(src, i + j, imm);
        break;
    }
    if (hit) result |= 1 << j;
  }
  return result;
}

/** PCMPESTRM (60), PCMPESTRI (61), PCMPISTRM (62), PCMPISTRI (63). */
function compareStrings(cpu: usize, opcode: u32, dst: usize, src: usize, imm: u32, rexw: u32): void {
  const n: u32 = imm & 1 ? 8 : 16;
  const explicit = opcode < 0x62;
  const la = explicit ? explicitLength(cpu, 0, rexw, n) : implicitLength(dst, imm, n);
  const lb = explicit ? explicitLength(cpu, 2, rexw, n) : implicitLength(src, imm, n);
  const all: u32 = (1 << n) - 1;
  let result = aggregate(dst, src, imm, la, lb, n);
  if ((imm & 0x30) == 0x10) result ^= all;
  else if ((imm & 0x30) == 0x30) result ^= (1 << lb) - 1;
  if (opcode & 1) {
    const index = !result ? n : imm & 0x40 ? 31 - clz<u32>(result) : ctz<u32>(result);
    store<u64>(cpu, index, REGS + 8);
  } else v128.store(cpu + XMM, imm & 0x40 ? expandMask(result, n) : pairOf(result, 0));
  setArith(cpu, (result ? CF : 0) | (lb < n ? ZF : 0) | (la < n ? SF : 0) | (result & 1 ? OF : 0));
}

/** Bit i to lane i. */
function expandMask(bits: u32, n: u32): v128 {
  if (n == 8) {
    const select = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
    return i16x8.eq(v128.and(i16x8.splat(i16(bits)), select), select);
  }
  const select = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  const spread = pairOf(u64(bits & 0xff) * 0x0101010101010101, u64(bits >> 8) * 0x0101010101010101);
  return i8x16.eq(v128.and(spread, select), select);
}

/** CRC32 (F2 0F38 F0, F1): accumulates `bytes` bytes of data, polynomial 11EDC6F41 reflected. For the decoder of general instructions. */
export function crc32c(crc: u32, data: u64, bytes: u32): u32 {
  for (let i: u32 = 0; i < bytes; i++) {
    crc ^= u32(data) & 0xff;
    data >>= 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc;
}

/* ------------------------------------------------------------------------------------------------ dispatch */

function exec0f(cpu: usize, opcode: u32, prefix: u32, dst: usize, src: usize, imm: u32, rexw: u32): void {
  switch (opcode) {
    case 0x10: moveLoad(cpu, prefix, dst, src); break;
    case 0x11: moveStore(prefix, dst, src); break;
    case 0x12: moveLow(cpu, prefix, dst, src); break;
    case 0x13: store<u64>(dst, load<u64>(src)); break;
    case 0x14: case 0x15: unpackFloats(opcode, prefix, dst, src); break;
    case 0x16: moveHigh(prefix, dst, src); break;
    case 0x17: store<u64>(dst, load<u64>(src, 8)); break;
    case 0x28: case 0x29: case 0x2b: case 0xf0: v128.store(dst, v128.load(src)); break;
    case 0x2a: convertFromInt(cpu, prefix, dst, src, rexw); break;
    case 0x2c: case 0x2d: convertToInt(cpu, opcode, prefix, dst, src, rexw); break;
    case 0x2e: case 0x2f: compareFlags(cpu, opcode, prefix, dst, src); break;
    case 0x50: store<u64>(dst, prefix == P_NONE ? i32x4.bitmask(v128.load(src)) : i64x2.bitmask(v128.load(src))); break;
    case 0x51: case 0x58: case 0x59: case 0x5c: case 0x5d: case 0x5e: case 0x5f: arith(cpu, opcode, prefix, dst, src); break;
    case 0x52: case 0x53: approximate(opcode, prefix, dst, src); break;
    case 0x54: case 0x55: case 0x56: case 0x57: logic(opcode, dst, src); break;
    case 0x5a: convertFloat(cpu, prefix, dst, src); break;
    case 0x5b: convertSingles(cpu, prefix, dst, src); break;
    case 0x60: case 0x61: case 0x62: case 0x63: case 0x64: case 0x65: case 0x66: case 0x67:
    case 0x68: case 0x69: case 0x6a: case 0x6b: case 0x6c: case 0x6d: case 0x74: case 0x75: case 0x76:
    case 0xd4: case 0xd5: case 0xd8: case 0xd9: case 0xda: case 0xdb: case 0xdc: case 0xdd: case 0xde: case 0xdf:
    case 0xe0: case 0xe3: case 0xe4: case 0xe5: case 0xe8: case 0xe9: case 0xea: case 0xeb: case 0xec: case 0xed: case 0xee: case 0xef:
    case 0xf4: case 0xf5: case 0xf6: case 0xf8: case 0xf9: case 0xfa: case 0xfb: case 0xfc: case 0xfd: case 0xfe:
      integer(opcode, prefix, dst, src);
      break;
    case 0x6e: moveFromGpr(prefix, dst, src, rexw); break;
    case 0x6f:
      if (prefix == P_NONE) putMmx(dst, load<u64>(src));
      else v128.store(dst, v128.load(src));
      break;
    case 0x70: shuffle(prefix, dst, src, imm); break;
    case 0x71: case 0x72: case 0x73: shiftGroup(opcode, prefix, dst, imm); break;
    case 0x7c: case 0x7d: horizontal(cpu, opcode, prefix, dst, src); break;
    case 0x7e:
      if (prefix == P_F3) v128.store(dst, v128.load64_zero(src));
      else putGprOrMem(cpu, dst, rexw ? load<u64>(src) : u64(load<u32>(src)), rexw ? 8 : 4);
      break;
    case 0x7f: case 0xe7:
      if (prefix == P_NONE) putMmxOrMem(cpu, dst, load<u64>(src));
      else v128.store(dst, v128.load(src));
      break;
    case 0xc2: compare(cpu, prefix, dst, src, imm & 7); break; // Bits 7:3 are ignored.
    case 0xc3:
      if (rexw) store<u64>(dst, load<u64>(src));
      else store<u32>(dst, load<u32>(src));
      break;
    case 0xc4: insertWord(prefix, dst, src, imm); break;
    case 0xc5: store<u64>(dst, load<u16>(src + ((imm & (prefix == P_NONE ? 3 : 7)) << 1))); break;
    case 0xc6: shuffleFloats(prefix, dst, src, imm); break;
    case 0xd0:
      if (prefix == P_66) arithPD(cpu, 0x5c, 0x58, v128.load(dst), v128.load(src), dst);
      else arithPS(cpu, 0x5c, 0x58, v128.load(dst), v128.load(src), dst);
      break;
    case 0xd1: case 0xd2: case 0xd3: case 0xe1: case 0xe2: case 0xf1: case 0xf2: case 0xf3:
      shiftByRegister(opcode, prefix, dst, src);
      break;
    case 0xd6: moveQuad(cpu, prefix, dst, src); break;
    case 0xd7: store<u64>(dst, prefix == P_NONE ? i8x16.bitmask(v128.load64_zero(src)) & 0xff : i8x16.bitmask(v128.load(src))); break;
    case 0xe6: convertDoubles(cpu, prefix, dst, src); break;
  }
}

/** A packed integer operation without memory of its own: 66, map 0F from 60 or map 0F38 to 40 but PTEST, PHMINPOSUW, blends and moves. */
function integerValue(op: u32, a: v128, b: v128): v128 {
  const opcode = op & 0xff;
  if (op >> 10 == 0) return packed(opcode, a, b);
  return opcode < 0x20 ? packed38(opcode, a, b) : packed41(opcode, a, b);
}

/** The same on `a` and `b` of 256 bits (`wide`), or of 128 bits with a result of 256 whose upper half is 0. */
export function integerWide(op: u32, dst: usize, a: usize, b: usize, wide: bool): void {
  const low = integerValue(op, v128.load(a), v128.load(b));
  const high = wide ? integerValue(op, v128.load(a, 16), v128.load(b, 16)) : i32x4.splat(0);
  v128.store(dst, low);
  v128.store(dst, high, 16);
}

/**
 * Executes the instruction `op` (as for `sseInfo`, which must have accepted it; not MASKMOV). `dst` and `src` are host addresses of the
 * operands by INFO_REG, INFO_RM and INFO_STORE; `imm` is imm8, for INFO_GROUP with ModRM.reg in bits 10:8; `rexw` is not 0 with REX.W.
 * The caller checks `failed` afterwards, and puts x87 into MMX state (INFO_MMX) only when it did not fail.
 */
export function sseExec(cpu: usize, op: u32, dst: usize, src: usize, imm: u32, rexw: u32): void {
  switch (op >> 10) {
    case 0: exec0f(cpu, op & 0xff, (op >> 8) & 3, dst, src, imm, rexw); break;
    case 1: exec38(cpu, op & 0xff, (op >> 8) & 3, dst, src); break;
    default: exec3a(cpu, op & 0xff, (op >> 8) & 3, dst, src, imm, rexw); break;
  }
}
