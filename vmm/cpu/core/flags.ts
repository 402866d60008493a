/**
 * The arithmetic flags, computed when somebody looks.
 *
 * An instruction that sets flags leaves its result and operands, sign-extended to 64 bits, and the kind of operation.
 * Sign extension keeps both the signed and the unsigned order of n-bit values, so that no formula below needs the width:
 * CF of a subtraction is a <u b, SF is res <s 0, OF of a subtraction is (a <s b) != SF, whatever the operand size was.
 */
import { FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, RFLAGS } from './state.gen';

export const CF: u32 = 0x1;
export const PF: u32 = 0x4;
export const AF: u32 = 0x10;
export const ZF: u32 = 0x40;
export const SF: u32 = 0x80;
export const TF: u32 = 0x100;
export const IF: u32 = 0x200;
export const DF: u32 = 0x400;
export const OF: u32 = 0x800;
export const IOPL: u32 = 0x3000;
export const NT: u32 = 0x4000;
export const RF: u32 = 0x10000;
export const VM: u32 = 0x20000;
export const AC: u32 = 0x40000;
export const VIF: u32 = 0x80000;
export const VIP: u32 = 0x100000;
export const ID: u32 = 0x200000;
/** CF PF AF ZF SF OF. */
export const ARITH: u32 = 0x8d5;

/** All six stand in RFLAGS. */
export const FLAGS_EAGER: u32 = 0;
/** CF OF AF are 0, the rest follows the result. */
export const FLAGS_LOGIC: u32 = 1;
export const FLAGS_ADD: u32 = 2;
/** ADC with carry in 1. */
export const FLAGS_ADC: u32 = 3;
export const FLAGS_SUB: u32 = 4;
/** SBB with borrow in 1. */
export const FLAGS_SBB: u32 = 5;
/** CF OF AF stand in FLAG_A as RFLAGS bits, the rest follows the result (INC, DEC, shifts, multiply). */
export const FLAGS_BITS: u32 = 6;

/** CF as 0 or 1. */
export function getCF(cpu: usize): u32 {
  const res = load<u64>(cpu, FLAG_RES);
  switch (load<u32>(cpu, FLAG_OP)) {
    case 0: return load<u32>(cpu, RFLAGS) & 1;
    case 1: return 0;
    case 2: return u32(res < load<u64>(cpu, FLAG_A));
    case 3: return u32(res <= load<u64>(cpu, FLAG_A));
    case 4: return u32(load<u64>(cpu, FLAG_A) < load<u64>(cpu, FLAG_B));
    case 5: return u32(load<u64>(cpu, FLAG_A) <= load<u64>(cpu, FLAG_B));
    default: return load<u32>(cpu, FLAG_A) & 1;
  }
}

/** ZF as 0 or 1. */
// @ts-ignore: decorator
@inline
export function getZF(cpu: usize): u32 {
  return load<u32>(cpu, FLAG_OP) == FLAGS_EAGER ? (load<u32>(cpu, RFLAGS) >> 6) & 1 : u32(load<u64>(cpu, FLAG_RES) == 0);
}

/** SF as 0 or 1. */
// @ts-ignore: decorator
@inline
export function getSF(cpu: usize): u32 {
  return load<u32>(cpu, FLAG_OP) == FLAGS_EAGER ? (load<u32>(cpu, RFLAGS) >> 7) & 1 : u32(load<i64>(cpu, FLAG_RES) < 0);
}

/** PF as 0 or 1. */
export function getPF(cpu: usize): u32 {
  return load<u32>(cpu, FLAG_OP) == FLAGS_EAGER
    ? (load<u32>(cpu, RFLAGS) >> 2) & 1
    : u32((popcnt<u32>(load<u8>(cpu, FLAG_RES)) & 1) == 0);
}

/** OF as 0 or 1. */
export function getOF(cpu: usize): u32 {
  const res = load<i64>(cpu, FLAG_RES);
  switch (load<u32>(cpu, FLAG_OP)) {
    case 0: return (load<u32>(cpu, RFLAGS) >> 11) & 1;
    case 1: return 0;
    // Signed overflow: the result is on the wrong side of the first operand, given the second one's sign.
    case 2: case 3: return u32(((load<i64>(cpu, FLAG_A) ^ res) & (load<i64>(cpu, FLAG_B) ^ res)) < 0);
    case 4: case 5: return u32(((load<i64>(cpu, FLAG_A) ^ load<i64>(cpu, FLAG_B)) & (load<i64>(cpu, FLAG_A) ^ res)) < 0);
    default: return (load<u32>(cpu, FLAG_A) >> 11) & 1;
  }
}

/** AF as 0 or 1. */
export function getAF(cpu: usize): u32 {
  switch (load<u32>(cpu, FLAG_OP)) {
    case 0: return (load<u32>(cpu, RFLAGS) >> 4) & 1;
    case 1: return 0;
    case 2: case 3: case 4: case 5:
      return u32((load<u64>(cpu, FLAG_A) ^ load<u64>(cpu, FLAG_B) ^ load<u64>(cpu, FLAG_RES)) >> 4) & 1;
    default: return (load<u32>(cpu, FLAG_A) >> 4) & 1;
  }
}

/** The six arithmetic flags as RFLAGS bits. */
export function getArith(cpu: usize): u32 {
  if (load<u32>(cpu, FLAG_OP) == FLAGS_EAGER) return load<u32>(cpu, RFLAGS) & ARITH;
  return getCF(cpu) | (getPF(cpu) << 2) | (getAF(cpu) << 4) | (getZF(cpu) << 6) | (getSF(cpu) << 7) | (getOF(cpu) << 11);
}

/** All of RFLAGS. */
export function readFlags(cpu: usize): u32 {
  return (load<u32>(cpu, RFLAGS) & ~ARITH) | getArith(cpu) | 2;
}

/** Replaces all of RFLAGS (the caller has merged what may not change). */
export function writeFlags(cpu: usize, value: u32): void {
  store<u32>(cpu, (value & 0x3f7fd5) | 2, RFLAGS);
  store<u32>(cpu, FLAGS_EAGER, FLAG_OP);
}

/** Replaces the six arithmetic flags. */
export function setArith(cpu: usize, arith: u32): void {
  store<u32>(cpu, (load<u32>(cpu, RFLAGS) & ~ARITH) | arith, RFLAGS);
  store<u32>(cpu, FLAGS_EAGER, FLAG_OP);
}

/** Replaces the flags of `mask` (of CF, OF, AF) by those of `bits`; SF, ZF and PF stay whatever they follow from. */
export function setCarries(cpu: usize, mask: u32, bits: u32): void {
  const op = load<u32>(cpu, FLAG_OP);
  if (op == FLAGS_EAGER) {
    store<u32>(cpu, (load<u32>(cpu, RFLAGS) & ~mask) | bits, RFLAGS);
    return;
  }
  let carries: u32 = 0;
  if (op == FLAGS_BITS) carries = load<u32>(cpu, FLAG_A);
  else if (op != FLAGS_LOGIC) {
    if ((mask & CF) == 0) carries = getCF(cpu);
    if ((mask & OF) == 0) carries |= getOF(cpu) << 11;
    if ((mask & AF) == 0) carries |= getAF(cpu) << 4;
  }
  store<u32>(cpu, FLAGS_BITS, FLAG_OP);
  store<u64>(cpu, <u64>((carries & ~mask) | bits), FLAG_A);
}
