/**
 * When a wasm floating-point instruction does what an SSE instruction does: under which MXCSR, and on which operands (see sse.ts).
 *
 * Lanes of a v128 are told by masks, as its comparisons give them.
 */
import { DAZ, FTZ, PE, PM } from './softfloat';
import { MXCSR } from './state.gen';

/** Bits of MXCSR that decide about the wasm instructions, and their value when these may be used. */
const FAST_MASK: u32 = FTZ | 0x6000 | PM | DAZ | PE;
const FAST: u32 = PM | PE;

/** Round to nearest, no DAZ, no FTZ, precision masked and sticky. */
// @ts-ignore: decorator
@inline
export function isFast(cpu: usize): bool {
  return (load<u32>(cpu, MXCSR) & FAST_MASK) == FAST;
}

/** Zero or normal and finite. */
// @ts-ignore: decorator
@inline
export function plain64(x: u64): bool {
  const t = x << 1;
  return t == 0 || t - 0x0020000000000000 < 0xffc0000000000000;
}
// @ts-ignore: decorator
@inline
export function plain32(x: u32): bool {
  const t = x << 1;
  return t == 0 || t - 0x01000000 < 0xfe000000;
}

/** Lanes that are zero or normal and finite. */
// @ts-ignore: decorator
@inline
export function plain4(x: v128): v128 {
  const t = i32x4.shl(x, 1);
  return v128.or(i32x4.eq(t, i32x4.splat(0)), i32x4.lt_u(i32x4.sub(t, i32x4.splat(0x01000000)), i32x4.splat(0xfe000000)));
}

/** Lanes that are neither NaN nor denormal: those for which a comparison raises nothing. */
// @ts-ignore: decorator
@inline
export function clean4(x: v128): bool {
  const t = i32x4.shl(x, 1);
  const known = i32x4.le_u(i32x4.sub(t, i32x4.splat(0x01000000)), i32x4.splat(0xfe000000));
  return v128.all_true<i32>(v128.or(i32x4.eq(t, i32x4.splat(0)), known));
}
// @ts-ignore: decorator
@inline
export function clean64(x: u64): bool {
  const t = x << 1;
  return t == 0 || t - 0x0020000000000000 <= 0xffc0000000000000;
}
// @ts-ignore: decorator
@inline
export function clean32(x: u32): bool {
  const t = x << 1;
  return t == 0 || t - 0x01000000 <= 0xfe000000;
}
