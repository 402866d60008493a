/**
 * F16C: VCVTPH2PS and VCVTPS2PH, between binary16 in memory and binary32.
 *
 * Specification: SDM vol. 1 section 14.4, vol. 2 (both instructions). To binary32 a denormal binary16 is an ordinary number, whatever DAZ
 * says, and only a signaling NaN is an exception. To binary16 FTZ is ignored, and the immediate may choose the rounding.
 */
import { begin, FTZ, softFromHalf, softToHalf } from './softfloat';
import { settle } from './sse';
import { MXCSR } from './state.gen';

const RC: u32 = 0x6000;

/** Four binary16 in a quadword, as binary32. */
function widen4(x: u64): v128 {
  const low = softFromHalf(x & 0xffff) | (softFromHalf((x >> 16) & 0xffff) << 32);
  return i64x2.replace_lane(i64x2.splat(low), 1, softFromHalf((x >> 32) & 0xffff) | (softFromHalf(x >> 48) << 32));
}

/** VCVTPH2PS: 4 or (L) 8 values of `rm` to the register `dst`, of 32 bytes. */
export function cvtph2ps(cpu: usize, l: u32, dst: usize, rm: usize): void {
  begin(load<u32>(cpu, MXCSR));
  const low = widen4(load<u64>(rm));
  const high = l ? widen4(load<u64>(rm, 8)) : i64x2.splat(0);
  if (!settle(cpu)) return;
  v128.store(dst, low);
  v128.store(dst, high, 16);
}

function narrow4(at: usize): u64 {
  return (
    softToHalf(load<u32>(at)) | (softToHalf(load<u32>(at, 4)) << 16) | (softToHalf(load<u32>(at, 8)) << 32) |
    (softToHalf(load<u32>(at, 12)) << 48)
  );
}

/**
 * VCVTPS2PH: 4 or (L) 8 values of the register `src` to `rm`, which is a register of 32 bytes, zero above the result, or memory of 8 or 16.
 * Immediate bits 1:0 round unless bit 2 says MXCSR.RC.
 */
export function cvtps2ph(cpu: usize, l: u32, rm: usize, isMem: bool, src: usize, imm: u32): void {
  const mxcsr = load<u32>(cpu, MXCSR) & ~FTZ;
  begin(imm & 4 ? mxcsr : (mxcsr & ~RC) | ((imm & 3) << 13));
  const low = narrow4(src);
  const high = l ? narrow4(src + 16) : 0;
  if (!settle(cpu)) return;
  if (l || !isMem) store<u64>(rm, high, 8);
  store<u64>(rm, low);
  if (!isMem) v128.store(rm, i64x2.splat(0), 16);
}
