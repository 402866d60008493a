/** Subroutines between numbers and text: lltostr, strtoll, inet_ntoa and its kin; and rand. */
import { FAULT_ILLOP } from './constants.gen';
import { allocate, copyBytes, stringBytes, text } from './memory';
import { RANDOM } from './private';
import { finish } from './string';
import { arena, fault, raise } from './state';

/** Digits of the longest number: 64 binary ones, a sign or prefix, a NUL. */
const DIGITS: usize = memory.data(80, 8);

/** A copy of [from, DIGITS + 79) as a string. */
function digitsFrom(from: usize): u64 {
  const at = fault == 0 ? allocate(stringBytes()) : 0;
  if (at == 0) return 0;
  const n = min<u32>(<u32>(DIGITS + 79 - from), stringBytes() - 1);
  memory.copy(at, from, n);
  return finish(at, at + n);
}

// @ts-ignore: decorator
@inline
function digit(value: u32): u8 {
  return <u8>(value < 10 ? 48 + value : 87 + value);
}

/** Signed in base 10, else unsigned; 0x before base 16 and 0 before base 8. */
export function lltostr(value: i64, base: i32): u64 {
  if (base < 2 || base > 36) {
    raise(FAULT_ILLOP, 0);
    return 0;
  }
  let at = DIGITS + 79;
  let rest = base == 10 && value < 0 ? <u64>-value : <u64>value;
  while (rest != 0) {
    store<u8>(--at, digit(<u32>(rest % <u64>base)));
    rest /= <u64>base;
  }
  if (value == 0 && base == 16) store<u8>(--at, 48);
  if (base == 16) store<u8>(--at, 120);
  if (value == 0 || base == 8 || base == 16) store<u8>(--at, 48);
  if (base == 10 && value < 0) store<u8>(--at, 45);
  return digitsFrom(at);
}

/** Value of a digit, 36 and more = it is none. */
function digitValue(c: u8): u32 {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 122 ? lower - 87 : 99;
}

/** The number at the start of a string, 0 when there is none; what does not fit becomes the nearest that does. */
export function strtoll(s: u64, base: i32): i64 {
  if (base < 2 || base > 36) {
    raise(FAULT_ILLOP, 0);
    return 0;
  }
  let at = text(s, 0);
  while (load<u8>(at) == 32 || (load<u8>(at) >= 9 && load<u8>(at) <= 13)) at++;
  const negative = load<u8>(at) == 45;
  if (negative || load<u8>(at) == 43) at++;
  if (base == 16 && load<u8>(at) == 48 && (load<u8>(at + 1) | 32) == 120 && digitValue(load<u8>(at + 2)) < 16) at += 2;
  // Numbers grow downwards: there is one more below zero.
  const limit: i64 = negative ? i64.MIN_VALUE : -i64.MAX_VALUE;
  let value: i64 = 0;
  while (true) {
    const d = digitValue(load<u8>(at++));
    if (d >= <u32>base) break;
    if (value < (limit + <i64>d) / <i64>base) return negative ? i64.MIN_VALUE : i64.MAX_VALUE;
    value = value * <i64>base - <i64>d;
  }
  return negative ? value : -value;
}

/** A network address of `count` bytes at any address of D. */
const ADDRESS: usize = memory.data(16, 8);

export function inet_ntoa(address: u64): u64 {
  copyBytes(ADDRESS, address, 4);
  let at = DIGITS + 79;
  for (let i = 3; i >= 0; i--) {
    let byte = <u32>load<u8>(ADDRESS + i);
    do {
      store<u8>(--at, digit(byte % 10));
      byte /= 10;
    } while (byte != 0);
    if (i > 0) store<u8>(--at, 46);
  }
  return digitsFrom(at);
}

// @ts-ignore: decorator
@inline
function group(i: u32): u32 {
  return (<u32>load<u8>(ADDRESS + (i << 1)) << 8) | load<u8>(ADDRESS + (i << 1) + 1);
}

/** RFC 5952's form, with the longest run of two or more zero groups left out; ::a.b.c.d and ::ffff:a.b.c.d as the original prints them. */
export function inet_ntoa6(address: u64): u64 {
  copyBytes(ADDRESS, address, 16);
  let from = 8, length = 1;
  for (let i = 0; i < 8; ) {
    let end = i;
    while (end < 8 && group(end) == 0) end++;
    if (end - i > length) {
      from = i;
      length = end - i;
    }
    i = max(end, i + 1);
  }
  let at = DIGITS + 79;
  let last = 7;
  if ((from == 0 && length == 6) || (from == 0 && length == 5 && group(5) == 0xffff)) {
    for (let i = 15; i >= 12; i--) {
      let byte = <u32>load<u8>(ADDRESS + i);
      do {
        store<u8>(--at, digit(byte % 10));
        byte /= 10;
      } while (byte != 0);
      if (i > 12) store<u8>(--at, 46);
    }
    store<u8>(--at, 58);
    last = 5;
  }
  for (let i = last; i >= 0; i--) {
    if (length > 1 && i == from + length - 1) {
      // What follows has written its colon already.
      if (i == 7) store<u8>(--at, 58);
      store<u8>(--at, 58);
      i = from;
      continue;
    }
    let word = group(i);
    do {
      store<u8>(--at, digit(word & 15));
      word >>= 4;
    } while (word != 0);
    if (i > 0) store<u8>(--at, 58);
  }
  return digitsFrom(at);
}

/** AF_INET, and AF_INET6 of illumos and of Linux. */
export function inet_ntop(family: i32, address: u64): u64 {
  if (family == 2) return inet_ntoa(address);
  if (family == 26 || family == 10) return inet_ntoa6(address);
  raise(FAULT_ILLOP, 0);
  return 0;
}

/** xoroshiro128+ (Blackman and Vigna), seeded by the VM's seed. */
export function rand(): u64 {
  const s0 = load<u64>(arena, RANDOM);
  let s1 = load<u64>(arena, RANDOM + 8);
  const value = s0 + s1;
  s1 ^= s0;
  store<u64>(arena, rotl<u64>(s0, 24) ^ s1 ^ (s1 << 16), RANDOM);
  store<u64>(arena, rotl<u64>(s1, 37), RANDOM + 8);
  return value;
}

/** splitmix64: one step of what fills the state of `rand` from a seed. */
function mix(seed: u64): u64 {
  let z = seed;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

export function seedRandom(a: usize, seed: u64): void {
  store<u64>(a, mix(seed + 0x9e3779b97f4a7c15), RANDOM);
  store<u64>(a, mix(seed + 0x3c6ef372fe94f82a) | 1, RANDOM + 8);
}
