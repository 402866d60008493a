/**
 * AVX and AVX2: the execution of what vex.ts decodes by vex-table.ts.
 *
 * Specification: SDM vol. 1 chapter 14, vol. 2 (each instruction, VEX lines), 2.4 (exceptions). YMMn has its low half at XMMn's place and the
 * upper half behind it. An instruction of 128 bits clears bits 255:128 of its destination; legacy SSE leaves them alone.
 *
 * Theory. Nearly all is SSE in lanes of 128 bits. The first source is copied to a slot of AREA_LANES, `sseExec` works there, and the
 * destination is written when both lanes are done: so sources may be the destination. Floating-point exceptions of both lanes are gathered
 * and settled once: when one of them is unmasked nothing is written, and those found before a computation hide the others' in either lane
 * (SDM vol. 1, 4.9.2). Integers take a shorter way, as values.
 *
 * Moves of whole vectors to and from memory and packed integers on registers are mostly done by micro-ops of their own (scripts/gen-interp.ts),
 * which come here when something is unusual.
 *
 * Memory operands need no alignment but those of the moves that say so; an operand across pages or in a device lies in the scratch buffer, as
 * for every instruction. The masked moves and the gathers see to their elements one by one: only selected ones may fault.
 */
import { arithmeticFast, beginWide, compare, integerWide, ldmxcsr, maskmov, settleWide, sseExec } from './sse';
import { EXC_VALID, failed, raise, raiseError, VEC_GP, VEC_NM, VEC_UD } from './fault';
import { CF, setArith, ZF } from './flags';
import { cvtph2ps, cvtps2ph } from './f16c';
import { eaFix } from './flow';
import { fmaExec } from './fma';
import { REGISTER } from './instruction';
import { CR4_OSXSAVE } from './control';
import { A_ELEMENT, hostRead, hostWrite, probeWrite, readMem, writeMem, XCR0_YMM } from './mmu';
import { accessKind, finish, linearOf } from './operations';
import { softAdd, softMul } from './softfloat';
import { AREA_LANES, CR4, EXC, MODE, MXCSR, PROT, REGS, VEX_READY, XCR0, XMM } from './state.gen';
import { AVX_ALIGNED, AVX_L, AVX_STORE, AVX_W } from './vex';
import {
  SHAPE_BINARY, SHAPE_BLEND, SHAPE_COMPARE, SHAPE_DOT, SHAPE_EXTRACT, SHAPE_FLAGS, SHAPE_FMA, SHAPE_FROM_HALF, SHAPE_GATHER, SHAPE_GROUP, SHAPE_LOAD, SHAPE_MASK_BYTES,
  SHAPE_MASK_LOAD, SHAPE_MASK_STORE, SHAPE_MXCSR, SHAPE_NARROW, SHAPE_OWN, SHAPE_PACKED, SHAPE_PART, SHAPE_SCALAR, SHAPE_SHIFT, SHAPE_SIGNS, SHAPE_STORE,
  SHAPE_TEST, SHAPE_TO_GPR, SHAPE_TO_HALF, SHAPE_UNARY, SHAPE_WIDEN, SHAPE_ZERO,
} from './vex-table';

const RDI: usize = 56;

/** VEX_READY is not set: #UD or #NM. CR0.EM has no say (SDM vol. 2, tables 2-18 to 2-29). */
export function refuse(cpu: usize): void {
  const enabled = load<u32>(cpu, PROT) == 1 && (load<u64>(cpu, CR4) & CR4_OSXSAVE) != 0 && (load<u64>(cpu, XCR0) & XCR0_YMM) == XCR0_YMM;
  raise(cpu, enabled ? VEC_NM : VEC_UD);
}

// @ts-ignore: decorator
@inline
function ymm(cpu: usize, n: u32): usize {
  return cpu + XMM + (<usize>n << 5);
}
// @ts-ignore: decorator
@inline
function isRegister(pc: usize): bool {
  return <u32>load<u8>(pc, 6) == REGISTER;
}
// @ts-ignore: decorator
@inline
function zero(): v128 {
  return i32x4.splat(0);
}
// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
}
/** Writes a register: all of it, or 128 bits and zeros. */
// @ts-ignore: decorator
@inline
function put(d: usize, from: usize, wide: bool): void {
  v128.store(d, v128.load(from));
  v128.store(d, wide ? v128.load(from, 16) : zero(), 16);
}

/** Host address of the memory operand; 0 when EXC is set. */
function memoryOperand(cpu: usize, pc: usize, word: u32): usize {
  const bytes: u32 = 1 << (word >> 29);
  const write: u32 = word & AVX_STORE ? 1 : 0;
  const lin = linearOf(cpu, pc, 0, bytes, write);
  if (failed(cpu)) return 0;
  if ((word & AVX_ALIGNED) != 0 && (<u32>lin & (bytes - 1)) != 0) {
    raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  const stack = accessKind(pc);
  return write ? hostWrite(cpu, lin, bytes, stack) : hostRead(cpu, lin, bytes, stack);
}

export function avxFn(cpu: usize, pc: usize): bool {
  if (load<u32>(cpu, VEX_READY) == 0) {
    refuse(cpu);
    return false;
  }
  const word = load<u32>(pc, 12);
  const registers = <u32>load<u8>(pc, 4);
  const shape = (word >> 24) & 31;
  const d = ymm(cpu, registers & 15);
  const a = ymm(cpu, registers >> 4);
  const wide = (word & AVX_L) != 0;
  const code = word & 0xfff;
  const imm = (word >> 16) & 0xff;
  let b: usize = cpu + <usize>load<u32>(pc, 8);
  if (!isRegister(pc)) {
    if (shape >= SHAPE_MASK_LOAD) return ownMemory(cpu, pc, shape, word, d, a);
    b = memoryOperand(cpu, pc, word);
    if (b == 0) return false;
  }
  switch (shape) {
    case SHAPE_LOAD: put(d, b, wide); return true;
    case SHAPE_STORE: return storeVector(cpu, pc, b, d, wide);
    case SHAPE_PACKED: integerWide(code, d, a, b, wide); return true;
    case SHAPE_UNARY: return lanes(cpu, code, d, d, b, 16, imm, word);
    case SHAPE_BINARY: return lanes(cpu, code, d, a, b, 16, imm, word);
    case SHAPE_SHIFT: return lanes(cpu, code, d, a, b, 0, imm, word);
    case SHAPE_WIDEN: return lanes(cpu, code, d, d, b, ((1 as usize) << (word >> 29)) >> 1, imm, word);
    case SHAPE_NARROW: return narrow(cpu, code, d, b, wide);
    case SHAPE_GROUP: return shiftGroup(cpu, code, a, b, imm | ((registers & 7) << 8), wide);
    case SHAPE_SCALAR: return scalar(cpu, pc, word, d, a, b);
    case SHAPE_PART: return part(cpu, pc, word, d, b);
    case SHAPE_TO_GPR:
      sseExec(cpu, code, cpu + REGS + (<usize>(registers & 15) << 3), b, imm, word & AVX_W);
      return !failed(cpu);
    case SHAPE_FLAGS:
      sseExec(cpu, code, d, b, imm, word & AVX_W);
      // VPCMPESTRM and VPCMPISTRM write YMM0.
      if (code >> 10 == 2 && (code & 1) == 0) v128.store(cpu + XMM, zero(), 16);
      return !failed(cpu);
    case SHAPE_SIGNS:
      store<u64>(cpu + REGS + (<usize>(registers & 15) << 3), <u64>(wide ? signs(code, b) | (signs(code, b + 16) << signCount(code)) : signs(code, b)));
      return true;
    case SHAPE_COMPARE: return comparison(cpu, code, d, a, b, imm & 31, wide);
    case SHAPE_OWN: {
      const t = cpu + AREA_LANES;
      own(code, t, a, b, imm, wide, (word & AVX_W) != 0);
      put(d, t, wide);
      return true;
    }
    case SHAPE_TEST: test(cpu, code, d, b, wide); return true;
    case SHAPE_BLEND: blend(code, d, a, b, ymm(cpu, imm >> 4), wide); return true;
    case SHAPE_EXTRACT: return storeVector(cpu, pc, b, d + ((imm & 1) << 4), false);
    case SHAPE_DOT: return wide ? dotWide(cpu, d, a, b, imm) : lanes(cpu, code, d, a, b, 16, imm, word);
    case SHAPE_MXCSR:
      if (word & AVX_STORE) {
        store<u32>(b, load<u32>(cpu, MXCSR));
        return finish(cpu, b);
      }
      ldmxcsr(cpu, load<u32>(b));
      return !failed(cpu);
    case SHAPE_FMA:
      fmaExec(cpu, code & 0xff, word & AVX_W, word & AVX_L, d, a, b);
      return !failed(cpu);
    case SHAPE_FROM_HALF:
      cvtph2ps(cpu, word & AVX_L, d, b);
      return !failed(cpu);
    case SHAPE_TO_HALF:
      cvtps2ph(cpu, word & AVX_L, b, !isRegister(pc), d, imm);
      return !failed(cpu) && finish(cpu, b);
    case SHAPE_MASK_BYTES: return maskBytes(cpu, pc, d, b);
    case SHAPE_ZERO: clear(cpu, wide); return true;
    default:
      raise(cpu, VEC_UD);
      return false;
  }
}

/* ------------------------------------------------------------------------------------------------ lanes */

/** Packed floating-point arithmetic of map 0F: 51, 58, 59, 5C to 5F. */
// @ts-ignore: decorator
@inline
function isArithmetic(code: u32): bool {
  return (code & 0xef0) == 0x050 && ((0xf302 >> (code & 15)) & 1) != 0;
}

/** The SSE instruction on each lane of `a` and `b`, the upper lane's second operand `step` bytes further. */
function lanes(cpu: usize, code: u32, d: usize, a: usize, b: usize, step: usize, imm: u32, word: u32): bool {
  const t = cpu + AREA_LANES;
  const w = word & AVX_W;
  if (isArithmetic(code) && arithmeticFast(cpu, code, t, a, b, (word & AVX_L) != 0)) {
    put(d, t, (word & AVX_L) != 0);
    return true;
  }
  copy(t, a);
  if ((word & AVX_L) == 0) {
    sseExec(cpu, code, t, b, imm, w);
    if (failed(cpu)) return false;
    put(d, t, false);
    return true;
  }
  copy(t + 16, a + 16);
  beginWide(cpu);
  sseExec(cpu, code, t, b, imm, w);
  sseExec(cpu, code, t + 16, b + step, upperImmediate(code, imm), w);
  if (!settleWide(cpu)) return false;
  put(d, t, true);
  return true;
}

/** What the upper lane takes from the immediate: the same, but other bits for VSHUFPD, VBLENDPS, VBLENDPD and VMPSADBW. */
function upperImmediate(code: u32, imm: u32): u32 {
  switch (code) {
    case 0x1c6: case 0x90d: return imm >> 2;
    case 0x90c: return imm >> 4;
    case 0x942: return imm >> 3;
    default: return imm;
  }
}

/** VCVTPD2PS, VCVTPD2DQ, VCVTTPD2DQ: each lane gives 64 bits. */
function narrow(cpu: usize, code: u32, d: usize, b: usize, wide: bool): bool {
  const t = cpu + AREA_LANES;
  if (wide) {
    beginWide(cpu);
    sseExec(cpu, code, t, b, 0, 0);
    sseExec(cpu, code, t + 16, b + 16, 0, 0);
    if (!settleWide(cpu)) return false;
    store<u64>(t, load<u64>(t, 16), 8);
  } else {
    sseExec(cpu, code, t, b, 0, 0);
    if (failed(cpu)) return false;
  }
  put(d, t, false);
  return true;
}

function shiftGroup(cpu: usize, code: u32, d: usize, b: usize, imm: u32, wide: bool): bool {
  const t = cpu + AREA_LANES;
  put(t, b, true);
  sseExec(cpu, code, t, t, imm, 0);
  if (wide) sseExec(cpu, code, t + 16, t + 16, imm, 0);
  put(d, t, wide);
  return true;
}

function comparison(cpu: usize, code: u32, d: usize, a: usize, b: usize, predicate: u32, wide: bool): bool {
  const t = cpu + AREA_LANES;
  const prefix = (code >> 8) & 3;
  put(t, a, true);
  if (wide) {
    beginWide(cpu);
    compare(cpu, prefix, t, b, predicate);
    compare(cpu, prefix, t + 16, b + 16, predicate);
    if (!settleWide(cpu)) return false;
  } else {
    compare(cpu, prefix, t, b, predicate);
    if (failed(cpu)) return false;
  }
  put(d, t, wide);
  return true;
}

/* ------------------------------------------------------------------------------------------------ moves */

/** To r/m: a register, whose rest is cleared, or memory. */
function storeVector(cpu: usize, pc: usize, b: usize, d: usize, wide: bool): bool {
  if (isRegister(pc)) {
    put(b, d, wide);
    return true;
  }
  copy(b, d);
  if (wide) copy(b + 16, d + 16);
  return finish(cpu, b);
}

/** VMOVSS, VMOVSD. */
function scalar(cpu: usize, pc: usize, word: u32, d: usize, a: usize, b: usize): bool {
  const single = (word & 0x300) == 0x200;
  if (isRegister(pc)) {
    const to = word & AVX_STORE ? b : d;
    const from = word & AVX_STORE ? d : b;
    const low = single ? (load<u64>(a) & ~0xffffffff) | <u64>load<u32>(from) : load<u64>(from);
    const high = load<u64>(a, 8);
    store<u64>(to, low);
    store<u64>(to, high, 8);
    v128.store(to, zero(), 16);
    return true;
  }
  if (word & AVX_STORE) {
    if (single) store<u32>(b, load<u32>(d));
    else store<u64>(b, load<u64>(d));
    return finish(cpu, b);
  }
  v128.store(d, single ? v128.load32_zero(b) : v128.load64_zero(b));
  v128.store(d, zero(), 16);
  return true;
}

function part(cpu: usize, pc: usize, word: u32, d: usize, b: usize): bool {
  sseExec(cpu, word & 0xfff, b, d, (word >> 16) & 0xff, word & AVX_W);
  if (!isRegister(pc)) return finish(cpu, b);
  // VMOVQ to a register.
  if ((word & 0xff) == 0xd6) v128.store(b, zero(), 16);
  return true;
}

/** VZEROUPPER, VZEROALL (wide): the registers that the mode has. */
function clear(cpu: usize, all: bool): void {
  const end = ymm(cpu, load<u32>(cpu, MODE) == 2 ? 16 : 8);
  for (let at = cpu + XMM; at < end; at += 32) {
    if (all) v128.store(at, zero());
    v128.store(at, zero(), 16);
  }
}

/* ------------------------------------------------------------------------------------------------ signs and tests */

/** VMOVMSKPS, VMOVMSKPD, VPMOVMSKB of a lane. */
function signs(code: u32, b: usize): u32 {
  const x = v128.load(b);
  return code == 0x050 ? i32x4.bitmask(x) : code == 0x150 ? i64x2.bitmask(x) : i8x16.bitmask(x);
}
function signCount(code: u32): u32 {
  return code == 0x050 ? 4 : code == 0x150 ? 2 : 16;
}

/** VTESTPS (0E) and VTESTPD (0F), which look at signs only, and VPTEST (17). */
function test(cpu: usize, code: u32, d: usize, b: usize, wide: bool): void {
  const a0 = v128.load(d);
  const b0 = v128.load(b);
  let both = v128.and(a0, b0);
  let rest = v128.andnot(b0, a0);
  if (wide) {
    const a1 = v128.load(d, 16);
    const b1 = v128.load(b, 16);
    both = v128.or(both, v128.and(a1, b1));
    rest = v128.or(rest, v128.andnot(b1, a1));
  }
  const mask = code == 0x50e ? i32x4.splat(i32.MIN_VALUE) : code == 0x50f ? i64x2.splat(i64.MIN_VALUE) : i32x4.splat(-1);
  setArith(cpu, (v128.any_true(v128.and(both, mask)) ? 0 : ZF) | (v128.any_true(v128.and(rest, mask)) ? 0 : CF));
}

/** VBLENDVPS, VBLENDVPD, VPBLENDVB: the sign bits of `m` choose. */
function blend(code: u32, d: usize, a: usize, b: usize, m: usize, wide: bool): void {
  const low = v128.bitselect(v128.load(b), v128.load(a), chosen(code, v128.load(m)));
  const high = wide ? v128.bitselect(v128.load(b, 16), v128.load(a, 16), chosen(code, v128.load(m, 16))) : zero();
  v128.store(d, low);
  v128.store(d, high, 16);
}
function chosen(code: u32, mask: v128): v128 {
  return code == 0x94a ? i32x4.shr_s(mask, 31) : code == 0x94b ? i64x2.shr_s(mask, 63) : i8x16.shr_s(mask, 7);
}

/** VDPPS of 256 bits: an unmasked exception ends the stage that it is in, of both lanes. */
function dotWide(cpu: usize, d: usize, a: usize, b: usize, imm: u32): bool {
  const t = cpu + AREA_LANES;
  beginWide(cpu);
  for (let i: u32 = 0; i < 8; i++) {
    const at = <usize>i << 2;
    const product = (imm >> (4 + (i & 3))) & 1 ? softMul<f32>(<u64>load<u32>(a + at), <u64>load<u32>(b + at)) : 0;
    store<u32>(t + at, <u32>product);
  }
  if (!settleWide(cpu)) return false;
  for (let i: usize = 0; i < 32; i += 8) store<u32>(t + i, <u32>softAdd<f32>(<u64>load<u32>(t + i), <u64>load<u32>(t + i, 4)));
  if (!settleWide(cpu)) return false;
  for (let i: usize = 0; i < 32; i += 16) store<u32>(t + i, <u32>softAdd<f32>(<u64>load<u32>(t + i), <u64>load<u32>(t + i, 8)));
  if (!settleWide(cpu)) return false;
  const low = load<u32>(t);
  const high = load<u32>(t, 16);
  for (let i: u32 = 0; i < 8; i++) store<u32>(d + (<usize>i << 2), (imm >> (i & 3)) & 1 ? (i < 4 ? low : high) : 0);
  return true;
}

/* ------------------------------------------------------------------------------------------------ AVX's own */

// @ts-ignore: decorator
@inline
function splat(t: usize, x: v128): void {
  v128.store(t, x);
  v128.store(t, x, 16);
}

/** To `t`, 32 bytes (of which 16 count unless `wide`), from `a` and `b`, neither of which it is. */
function own(code: u32, t: usize, a: usize, b: usize, imm: u32, wide: bool, w: bool): void {
  const bytes: usize = wide ? 32 : 16;
  switch (code) {
    case 0x50c: // VPERMILPS by vector
      for (let i: usize = 0; i < bytes; i += 4) store<u32>(t + i, load<u32>(a + (i & 16) + (<usize>(load<u32>(b + i) & 3) << 2)));
      break;
    case 0x50d: // VPERMILPD by vector
      for (let i: usize = 0; i < bytes; i += 8) store<u64>(t + i, load<u64>(a + (i & 16) + (<usize>(load<u32>(b + i) & 2) << 2)));
      break;
    case 0x516: case 0x536: // VPERMPS VPERMD: indices first
      for (let i: usize = 0; i < 32; i += 4) store<u32>(t + i, load<u32>(b + (<usize>(load<u32>(a + i) & 7) << 2)));
      break;
    case 0x518: case 0x558: splat(t, v128.load32_splat(b)); break; // VBROADCASTSS VPBROADCASTD
    case 0x519: case 0x559: splat(t, v128.load64_splat(b)); break; // VBROADCASTSD VPBROADCASTQ
    case 0x51a: case 0x55a: splat(t, v128.load(b)); break; // VBROADCASTF128 VBROADCASTI128
    case 0x578: splat(t, v128.load8_splat(b)); break; // VPBROADCASTB
    case 0x579: splat(t, v128.load16_splat(b)); break; // VPBROADCASTW
    case 0x545: case 0x546: case 0x547: shiftEach(code, t, a, b, bytes, w); break;
    case 0x900: case 0x901: // VPERMQ VPERMPD
      for (let i: u32 = 0; i < 4; i++) store<u64>(t + (<usize>i << 3), load<u64>(b + (<usize>((imm >> (i << 1)) & 3) << 3)));
      break;
    case 0x902: // VPBLENDD
      for (let i: u32 = 0; i < 8; i++) store<u32>(t + (<usize>i << 2), load<u32>(((imm >> i) & 1 && i < <u32>(bytes >> 2) ? b : a) + (<usize>i << 2)));
      break;
    case 0x904: // VPERMILPS
      for (let i: u32 = 0; i < <u32>(bytes >> 2); i++) {
        store<u32>(t + (<usize>i << 2), load<u32>(b + (<usize>(i & 4) << 2) + (<usize>((imm >> ((i & 3) << 1)) & 3) << 2)));
      }
      break;
    case 0x905: // VPERMILPD
      for (let i: u32 = 0; i < <u32>(bytes >> 3); i++) store<u64>(t + (<usize>i << 3), load<u64>(b + (<usize>((i & 2) | ((imm >> i) & 1)) << 3)));
      break;
    case 0x906: case 0x946: // VPERM2F128 VPERM2I128
      v128.store(t, half(a, b, imm));
      v128.store(t, half(a, b, imm >> 4), 16);
      break;
    default: // VINSERTF128 VINSERTI128
      copy(t, imm & 1 ? a : b);
      copy(t + 16, imm & 1 ? b : a + 16);
      break;
  }
}

/** One of the four halves, or zeros. */
function half(a: usize, b: usize, select: u32): v128 {
  if (select & 8) return zero();
  return v128.load((select & 2 ? b : a) + (<usize>(select & 1) << 4));
}

/** VPSRLVD/Q (45), VPSRAVD (46), VPSLLVD/Q (47): a count beyond the element clears it, or fills it with its sign. */
function shiftEach(code: u32, t: usize, a: usize, b: usize, bytes: usize, w: bool): void {
  if (w) {
    for (let i: usize = 0; i < bytes; i += 8) {
      const n = load<u64>(b + i);
      const x = load<u64>(a + i);
      store<u64>(t + i, n > 63 ? 0 : code == 0x545 ? x >> n : x << n);
    }
    return;
  }
  for (let i: usize = 0; i < bytes; i += 4) {
    const n = load<u32>(b + i);
    const x = load<u32>(a + i);
    if (code == 0x546) store<i32>(t + i, <i32>x >> (n > 31 ? 31 : n));
    else store<u32>(t + i, n > 31 ? 0 : code == 0x545 ? x >> n : x << n);
  }
}

/* ------------------------------------------------------------------------------------------------ masked memory */

function ownMemory(cpu: usize, pc: usize, shape: u32, word: u32, d: usize, a: usize): bool {
  if (shape == SHAPE_GATHER) return gather(cpu, pc, word, d, a);
  const bytes: usize = word & AVX_L ? 32 : 16;
  // VPMASKMOV has its element size in W, VMASKMOV in the opcode.
  const opcode = word & 0xff;
  const size: u32 = opcode < 0x80 ? (opcode & 1 ? 8 : 4) : word & AVX_W ? 8 : 4;
  return shape == SHAPE_MASK_LOAD ? maskLoad(cpu, pc, d, a, bytes, size) : maskStore(cpu, pc, d, a, bytes, size);
}

/** The element `i` bytes into a mask is selected. */
// @ts-ignore: decorator
@inline
function selected(mask: usize, i: usize, size: u32): bool {
  return load<i8>(mask + i + size - 1) < 0;
}

/**
 * Linear address of an element of the memory operand, `i` bytes from its start. In 64-bit code the operand's address is cut to the address size
 * and what lies behind it is not; elsewhere each element has its own segment check. Check failed().
 */
function elementAddress(cpu: usize, pc: usize, i: usize, size: u32, write: u32): u64 {
  if (load<u32>(cpu, MODE) == 2) return linearOf(cpu, pc, 0, size, write) + <u64>i;
  return linearOf(cpu, pc, <u64>i, size, write);
}

/** VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ loads: what is not selected is zero and not looked at. */
function maskLoad(cpu: usize, pc: usize, d: usize, mask: usize, bytes: usize, size: u32): bool {
  const t = cpu + AREA_LANES;
  const kind = accessKind(pc) | A_ELEMENT;
  v128.store(t, zero());
  v128.store(t, zero(), 16);
  for (let i: usize = 0; i < bytes; i += size) {
    if (!selected(mask, i, size)) continue;
    const lin = elementAddress(cpu, pc, i, size, 0);
    if (failed(cpu)) return false;
    const x = readMem(cpu, lin, size, kind);
    if (failed(cpu)) return false;
    if (size == 4) store<u32>(t + i, <u32>x);
    else store<u64>(t + i, x);
  }
  put(d, t, true);
  return true;
}

/** Their stores: nothing is written before every selected element is known to be writable. */
function maskStore(cpu: usize, pc: usize, d: usize, mask: usize, bytes: usize, size: u32): bool {
  const kind = accessKind(pc) | A_ELEMENT;
  for (let i: usize = 0; i < bytes; i += size) {
    if (!selected(mask, i, size)) continue;
    const lin = elementAddress(cpu, pc, i, size, 1);
    if (failed(cpu)) return false;
    probeWrite(cpu, lin, size, kind);
    if (failed(cpu)) return false;
  }
  for (let i: usize = 0; i < bytes; i += size) {
    if (!selected(mask, i, size)) continue;
    writeMem(cpu, elementAddress(cpu, pc, i, size, 1), size, size == 4 ? <u64>load<u32>(d + i) : load<u64>(d + i), kind);
    if (failed(cpu)) return false;
  }
  return true;
}

/** VMASKMOVDQU: to seg:rDI. */
function maskBytes(cpu: usize, pc: usize, d: usize, mask: usize): bool {
  const lin = eaFix(cpu, load<u64>(cpu, RDI), <u32>load<u8>(pc, 7), 16, 1);
  if (failed(cpu)) return false;
  maskmov(cpu, lin, d, mask, 16);
  return !failed(cpu);
}

/**
 * VGATHER and VPGATHER: one element after the other, each clearing its mask. A fault keeps what was gathered before it and the masks of the
 * rest, so the instruction goes on where it was; when it is only to be run again (a device is asked) it has done nothing.
 */
function gather(cpu: usize, pc: usize, word: u32, d: usize, mask: usize): bool {
  const t = cpu + AREA_LANES;
  const m = t + 32;
  const kind = accessKind(pc) | A_ELEMENT;
  const size: u32 = word & AVX_W ? 8 : 4;
  const wideIndex = (word & 1) != 0;
  const index = ymm(cpu, (word >> 16) & 15);
  const scale = <u64>(load<u8>(pc, 7) & 3);
  const largest: u32 = wideIndex ? 8 : size;
  const count: u32 = (word & AVX_L ? 32 : 16) / largest;
  const bytes: usize = <usize>(count * size);
  put(t, d, true);
  v128.store(m, zero());
  v128.store(m, zero(), 16);
  for (let i: usize = 0; i < bytes; i += size) {
    if (!selected(mask, i, size)) continue;
    store<i32>(m + i, -1);
    if (size == 8) store<i32>(m + i, -1, 4);
  }
  for (let i: u32 = 0; i < count; i++) {
    const at = <usize>(i * size);
    if (load<i32>(m + at) == 0) continue;
    const n = wideIndex ? load<i64>(index + (<usize>i << 3)) : <i64>load<i32>(index + (<usize>i << 2));
    const lin = linearOf(cpu, pc, <u64>n << scale, size, 0);
    const x = failed(cpu) ? 0 : readMem(cpu, lin, size, kind);
    if (failed(cpu)) {
      if (load<u32>(cpu, EXC) & EXC_VALID) {
        put(d, t, true);
        put(mask, m, true);
      }
      return false;
    }
    if (size == 4) {
      store<u32>(t + at, <u32>x);
      store<u32>(m + at, 0);
    } else {
      store<u64>(t + at, x);
      store<u64>(m + at, 0);
    }
  }
  for (let i = bytes; i < 32; i += 8) store<u64>(t + i, 0);
  put(d, t, true);
  put(mask, m, true);
  return true;
}
