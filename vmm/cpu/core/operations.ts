/**
 * Instructions that are rare enough, or long enough, to be functions: each takes the vCPU and its micro-op, completes the
 * instruction and returns true, or sets EXC, leaves the guest's state alone and returns false.
 */
import { isCanonical } from './canonical';
import { REGISTER, SSE_ALIGNED, SSE_MMX, SSE_SPECIAL, SSE_STORE, SSE_WIDE, SSE_XMM } from './decode';
import { EXC_STEP, failed, raise, raiseError, SEG_SS, VEC_BR, VEC_DE, VEC_GP, VEC_NM, VEC_UD } from './fault';
import { AF, CF, DF, FLAGS_BITS, FLAGS_LOGIC, FLAGS_SUB, getArith, getCF, getOF, getPF, getSF, getZF, OF, PF, readFlags, setArith, setCarries, SF, ZF } from './flags';
import { below, eaFix, legacyTarget, less, nextOffset } from './flow';
import { A_STACK, commit, hostModify, hostRead, hostWrite, readMem, segAddr, writeMem, writeSlow } from './mmu';
import { CLASS_GPR32, CLASS_GPRW, CLASS_MMX, CLASS_XMM, INFO_GROUP, INFO_MASKMOV, INFO_RM, INFO_RM_SHIFT } from './sse-table';
import { crc32c, maskmov, sseExec } from './sse';
import { x87Mem, x87Reg } from './x87';
import { mmxEnter, mmxUsable } from './x87state';
import {
  AREA_SCRATCH, CR0, CR4, EXC, FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, FPR, MODE, PROT, RFLAGS, RIP, RIP_BASE, SEG_BASE, SEG_SEL, STACK_MASK, STEPPING, XMM,
} from './state.gen';

const RAX: usize = 0;
const RCX: usize = 8;
const RDX: usize = 16;
const RBX: usize = 24;
const RSP: usize = 32;
const RBP: usize = 40;
/** Where POPA keeps what it has read: behind what one access can leave in the scratch buffer. */
const POPPED: usize = AREA_SCRATCH + 64;
const RDI: usize = 56;

// @ts-ignore: decorator
@inline
export function kind(pc: usize): u32 {
  return <u32>load<u8>(pc, 12);
}
// @ts-ignore: decorator
@inline
export function size(pc: usize): u32 {
  return <u32>load<u8>(pc, 13);
}
// @ts-ignore: decorator
@inline
export function imm16(pc: usize): u32 {
  return <u32>load<u16>(pc, 14);
}
// @ts-ignore: decorator
@inline
function isRegister(pc: usize): bool {
  return <u32>load<u8>(pc, 6) == REGISTER;
}

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const MODIFY: u32 = 2;

/** Linear address of the micro-op's memory operand, `delta` bytes further. Check failed(). */
export function linearOf(cpu: usize, pc: usize, delta: u64, bytes: u32, write: u32): u64 {
  const f = <u32>load<u8>(pc, 7);
  const sum =
    load<u64>(cpu + load<u8>(pc, 5)) + (load<u64>(cpu + load<u8>(pc, 6)) << <u64>(f & 3)) + <u64><i64>load<i32>(pc, 8) + delta;
  return f & 4 ? eaFix(cpu, sum, f, bytes, write) : sum;
}

/** How the micro-op's memory operand is accessed: an address that is not canonical is #SS(0) through the stack segment. */
// @ts-ignore: decorator
@inline
export function accessKind(pc: usize): u32 {
  return (load<u8>(pc, 7) & 0x38) == 0x10 ? A_STACK : 0;
}

/** Host address of the r/m operand, register or memory; 0 when EXC is set. A write ends with `put` or `finish`. */
export function operand(cpu: usize, pc: usize, bytes: u32, how: u32): usize {
  if (isRegister(pc)) return cpu + <usize>load<u8>(pc, 5);
  const lin = linearOf(cpu, pc, 0, bytes, how == READ ? 0 : 1);
  if (failed(cpu)) return 0;
  const stack = accessKind(pc);
  if (how == READ) return hostRead(cpu, lin, bytes, stack);
  if (how == WRITE) return hostWrite(cpu, lin, bytes, stack);
  return hostModify(cpu, lin, bytes, stack);
}

/** Completes a write to what `operand` returned. */
// @ts-ignore: decorator
@inline
export function finish(cpu: usize, at: usize): bool {
  return at != cpu + AREA_SCRATCH || commit(cpu);
}

/** Value of `1 << index` bytes, sign-extended. */
// @ts-ignore: decorator
@inline
function get(at: usize, index: u32): i64 {
  return index == 0 ? <i64>load<i8>(at) : index == 1 ? <i64>load<i16>(at) : index == 2 ? <i64>load<i32>(at) : load<i64>(at);
}
// @ts-ignore: decorator
@inline
function sign(v: i64, index: u32): i64 {
  return index == 0 ? <i64><i8>v : index == 1 ? <i64><i16>v : index == 2 ? <i64><i32>v : v;
}
// @ts-ignore: decorator
@inline
export function zero(v: i64, index: u32): u64 {
  return index == 3 ? <u64>v : <u64>v & ((<u64>1 << (<u64>8 << <u64>index)) - 1);
}
/** `get`, for other files. */
export function valueAt(at: usize, index: u32): i64 {
  return get(at, index);
}
/** Stores into the r/m operand; a 32-bit register is zero-extended. */
function put(cpu: usize, pc: usize, at: usize, index: u32, v: i64): bool {
  if (isRegister(pc)) {
    setReg(at, index, v);
    return true;
  }
  switch (index) {
    case 0: store<u8>(at, <u8>v); break;
    case 1: store<u16>(at, <u16>v); break;
    case 2: store<u32>(at, <u32>v); break;
    default: store<i64>(at, v);
  }
  return finish(cpu, at);
}
export function setReg(at: usize, index: u32, v: i64): void {
  switch (index) {
    case 0: store<u8>(at, <u8>v); break;
    case 1: store<u16>(at, <u16>v); break;
    case 2: store<u64>(at, <u64><u32>v); break;
    default: store<i64>(at, v);
  }
}
export function bitsFlags(cpu: usize, result: i64, bits: u32): void {
  store<u32>(cpu, FLAGS_BITS, FLAG_OP);
  store<i64>(cpu, result, FLAG_RES);
  store<u64>(cpu, <u64>bits, FLAG_A);
}

/** The condition of Jcc, SETcc, CMOVcc. */
export function condition(cpu: usize, c: u32): bool {
  let r: bool;
  switch (c >> 1) {
    case 0: r = getOF(cpu) != 0; break;
    case 1: r = below(cpu); break;
    case 2: r = getZF(cpu) != 0; break;
    case 3: r = below(cpu) || getZF(cpu) != 0; break;
    case 4: r = getSF(cpu) != 0; break;
    case 5: r = getPF(cpu) != 0; break;
    case 6: r = less(cpu); break;
    default: r = less(cpu) || getZF(cpu) != 0;
  }
  return r != ((c & 1) != 0);
}

/** ROL ROR RCL RCR SHL SHR SAL SAR; the count is an immediate or CL (SDM vol. 2, RCL and SAL). */
export function shiftFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const raw = imm16(pc) == 0x100 ? <u32>load<u8>(cpu, RCX) : imm16(pc);
  const count = raw & (index == 3 ? 63 : 31);
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const width: u32 = 8 << index;
  const a = get(at, index);
  if (count == 0) return put(cpu, pc, at, index, a);
  const u = zero(a, index);
  const n = <u64>count;
  const top = width - 1;
  const k = kind(pc);
  let r: i64 = 0;
  let cf: u32 = 0;
  let ofl: u32 = 0;
  switch (k) {
    case 0: case 1: {
      const m = n & <u64>top;
      const left = k == 0 ? m : (<u64>width - m) & <u64>top;
      r = sign(<i64>(left == 0 ? u : (u << left) | (u >> (<u64>width - left))), index);
      cf = k == 0 ? <u32>r & 1 : <u32>(zero(r, index) >> <u64>top) & 1;
      ofl = k == 0 ? cf ^ (<u32>(zero(r, index) >> <u64>top) & 1) : cf ^ (<u32>(zero(r, index) >> <u64>(top - 1)) & 1);
      break;
    }
    case 2: case 3: {
      // Rotation of width + 1 bits, one at a time for the odd ones: the count is at most 63.
      let c = getCF(cpu);
      let v = u;
      const m = index == 3 || index == 2 ? count : count % (width + 1);
      for (let i: u32 = 0; i < m; i++) {
        if (k == 2) {
          const out = <u32>(v >> <u64>top) & 1;
          v = (v << 1) | <u64>c;
          c = out;
        } else {
          const out = <u32>v & 1;
          v = (index == 3 ? v : v & ((<u64>1 << <u64>width) - 1)) >> 1 | (<u64>c << <u64>top);
          c = out;
        }
      }
      r = sign(<i64>v, index);
      cf = c;
      const z = zero(r, index);
      ofl = k == 2 ? cf ^ (<u32>(z >> <u64>top) & 1) : <u32>((z >> <u64>top) ^ (z >> <u64>(top - 1))) & 1;
      break;
    }
    case 4: case 6:
      r = sign(<i64>(u << n), index);
      cf = index == 3 ? <u32>(u >> (64 - n)) & 1 : <u32>((u << n) >> <u64>width) & 1;
      ofl = cf ^ (<u32>(zero(r, index) >> <u64>top) & 1);
      break;
    case 5:
      r = sign(<i64>(u >> n), index);
      cf = <u32>(u >> (n - 1)) & 1;
      ofl = <u32>(u >> <u64>top) & 1;
      break;
    default:
      r = a >> <i64>n;
      cf = <u32>(a >> <i64>(n - 1)) & 1;
  }
  if (!put(cpu, pc, at, index, r)) return false;
  if (k < 4) setCarries(cpu, CF | OF, cf | (ofl << 11));
  else bitsFlags(cpu, r, cf | (ofl << 11));
  return true;
}

/** INC DEC NOT NEG of any size and place. */
export function unaryFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const a = get(at, index);
  const k = kind(pc);
  const r = sign(k == 0 ? a + 1 : k == 1 ? a - 1 : k == 2 ? ~a : -a, index);
  if (!put(cpu, pc, at, index, r)) return false;
  if (k == 3) {
    store<u32>(cpu, FLAGS_SUB, FLAG_OP);
    store<i64>(cpu, r, FLAG_RES);
    store<i64>(cpu, 0, FLAG_A);
    store<i64>(cpu, a, FLAG_B);
  } else if (k < 2) {
    const overflow = k == 0 ? (a ^ r) & r : a & (a ^ r);
    const half = (a ^ r ^ 1) & 16;
    bitsFlags(cpu, r, getCF(cpu) | (overflow < 0 ? OF : 0) | <u32>half);
  }
  return true;
}

/** High half of the unsigned product. */
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const mid = ah * bl + ((al * bl) >> 32);
  const mid2 = al * bh + (mid & 0xffffffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}
function mulHighSigned(a: i64, b: i64): i64 {
  let h = <i64>mulHigh(<u64>a, <u64>b);
  if (a < 0) h -= b;
  if (b < 0) h -= a;
  return h;
}

/** Quotient of a 128-bit dividend whose high half is below the divisor; the remainder is left in `remainder`. */
let remainder: u64 = 0;
function divide(high: u64, low: u64, d: u64): u64 {
  if (high == 0) {
    remainder = low % d;
    return low / d;
  }
  let q: u64 = 0;
  let r = high;
  for (let i = 0; i < 64; i++) {
    const carry = <i64>r < 0;
    r = (r << 1) | (low >> 63);
    low <<= 1;
    q <<= 1;
    if (carry || r >= d) {
      r -= d;
      q |= 1;
    }
  }
  remainder = r;
  return q;
}

/** One-operand MUL IMUL DIV IDIV. */
export function mulDivFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const k = kind(pc);
  const b = get(at, index);
  if (k < 6) {
    multiply(cpu, index, b, k == 5);
    return true;
  }
  return k == 6 ? divideUnsigned(cpu, index, zero(b, index)) : divideSigned(cpu, index, b);
}

function multiply(cpu: usize, index: u32, b: i64, signed: bool): void {
  const a = get(cpu, index);
  let low: i64;
  let high: i64;
  if (index == 3) {
    low = a * b;
    high = signed ? mulHighSigned(a, b) : <i64>mulHigh(<u64>a, <u64>b);
    store<i64>(cpu, low, RAX);
    store<i64>(cpu, high, RDX);
  } else {
    const product = signed ? a * b : <i64>(zero(a, index) * zero(b, index));
    low = sign(product, index);
    high = sign(product >> <i64>(8 << index), index);
    if (index == 0) store<u16>(cpu, <u16>product, RAX);
    else {
      setReg(cpu + RAX, index, low);
      setReg(cpu + RDX, index, high);
    }
  }
  const overflow = signed ? high != low >> 63 : high != 0;
  bitsFlags(cpu, low, overflow ? CF | OF : 0);
}

function divideUnsigned(cpu: usize, index: u32, d: u64): bool {
  let high: u64 = 0;
  let low: u64;
  if (index == 0) low = <u64>load<u16>(cpu, RAX);
  else if (index == 3) {
    high = load<u64>(cpu, RDX);
    low = load<u64>(cpu, RAX);
  } else low = zero(get(cpu + RAX, index), index) | (zero(get(cpu + RDX, index), index) << (<u64>8 << <u64>index));
  const limit: u64 = index == 3 ? 0 : (<u64>1 << (<u64>8 << <u64>index)) - 1;
  if (d == 0 || high >= d) return divideError(cpu);
  const q = divide(high, low, d);
  if (index != 3 && q > limit) return divideError(cpu);
  storeQuotient(cpu, index, <i64>q, <i64>remainder);
  return true;
}

function divideSigned(cpu: usize, index: u32, d: i64): bool {
  if (d == 0) return divideError(cpu);
  if (index != 3) {
    const width = <i64>(8 << index);
    const n = index == 0 ? <i64>load<i16>(cpu, RAX) : (get(cpu + RDX, index) << width) | <i64>zero(get(cpu + RAX, index), index);
    if (d == -1 && n == i64.MIN_VALUE) return divideError(cpu);
    const q = n / d;
    if (q != sign(q, index)) return divideError(cpu);
    storeQuotient(cpu, index, q, n % d);
    return true;
  }
  const low = load<i64>(cpu, RAX);
  const high = load<i64>(cpu, RDX);
  if (high == low >> 63 && !(low == i64.MIN_VALUE && d == -1)) {
    storeQuotient(cpu, 3, low / d, low % d);
    return true;
  }
  const negative = high < 0;
  let uh = <u64>high, ul = <u64>low;
  if (negative) {
    ul = ~ul + 1;
    uh = ~uh + (ul == 0 ? 1 : 0);
  }
  const ud = d < 0 ? <u64>-d : <u64>d;
  if (uh >= ud) return divideError(cpu);
  const q = divide(uh, ul, ud);
  const negativeQ = negative != d < 0;
  if (negativeQ ? q > <u64>1 << 63 : <i64>q < 0) return divideError(cpu);
  storeQuotient(cpu, 3, negativeQ ? -(<i64>q) : <i64>q, negative ? -(<i64>remainder) : <i64>remainder);
  return true;
}

function storeQuotient(cpu: usize, index: u32, q: i64, r: i64): void {
  if (index == 0) store<u16>(cpu, (<u16>q & 0xff) | (<u16>r << 8), RAX);
  else {
    setReg(cpu + RAX, index, q);
    setReg(cpu + RDX, index, r);
  }
}
function divideError(cpu: usize): bool {
  raise(cpu, VEC_DE);
  return false;
}

/** IMUL with two or three operands; `to` is the register's offset. */
export function imul32(cpu: usize, to: u32, a: i64, b: i64): void {
  const product = a * b;
  const r = <i64><i32>product;
  store<u64>(cpu + to, <u64><u32>r);
  bitsFlags(cpu, r, r != product ? CF | OF : 0);
}
export function imul64(cpu: usize, to: u32, a: i64, b: i64): void {
  const r = a * b;
  const small = a == <i64><i32>a && b == <i64><i32>b;
  store<i64>(cpu + to, r);
  bitsFlags(cpu, r, !small && mulHighSigned(a, b) != r >> 63 ? CF | OF : 0);
}
export function imul16Fn(cpu: usize, pc: usize): bool {
  const at = operand(cpu, pc, 2, READ);
  if (at == 0) return false;
  const to = cpu + <usize>load<u8>(pc, 4);
  const a = <i64>load<i16>(at);
  const product = a * (kind(pc) == 3 ? <i64><i16>imm16(pc) : <i64>load<i16>(to));
  store<u16>(to, <u16>product);
  bitsFlags(cpu, <i64><i16>product, product != <i64><i16>product ? CF | OF : 0);
  return true;
}

/** BT BTS BTR BTC; a bit offset in a register reaches beyond a memory operand (SDM vol. 2, BT). */
export function bitFn(cpu: usize, pc: usize): bool {
  const k = kind(pc);
  const index = size(pc);
  const width: u32 = 8 << index;
  let bit: i64;
  let at: usize;
  const how = (k & 3) == 0 ? READ : MODIFY;
  if (k & 4) {
    bit = <i64>imm16(pc);
    at = operand(cpu, pc, 1 << index, how);
  } else {
    bit = get(cpu + <usize>load<u8>(pc, 4), index);
    if (isRegister(pc)) at = operand(cpu, pc, 1 << index, how);
    else {
      const delta = (bit >> <i64>(index + 3)) << <i64>index;
      const lin = linearOf(cpu, pc, <u64>delta, 1 << index, how == READ ? 0 : 1);
      if (failed(cpu)) return false;
      const stack = accessKind(pc);
      at = how == READ ? hostRead(cpu, lin, 1 << index, stack) : hostModify(cpu, lin, 1 << index, stack);
    }
  }
  if (at == 0) return false;
  const mask: i64 = 1 << (bit & <i64>(width - 1));
  const v = get(at, index);
  if ((k & 3) != 0) {
    const r = (k & 3) == 1 ? v | mask : (k & 3) == 2 ? v & ~mask : v ^ mask;
    if (!put(cpu, pc, at, index, r)) return false;
  }
  setCarries(cpu, CF, u32((v & mask) != 0));
  return true;
}

/** BSF (0), BSR (1), POPCNT (2), which clears all flags but ZF, TZCNT (3), LZCNT (4). */
export function scanFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const to = cpu + <usize>load<u8>(pc, 4);
  const v = zero(get(at, index), index);
  const k = kind(pc);
  if (k == 2) {
    setArith(cpu, v == 0 ? ZF : 0);
    setReg(to, index, <i64>popcnt<u64>(v));
  } else if (k > 2) countZeros(cpu, to, index, v, k == 3);
  else {
    store<u32>(cpu, FLAGS_LOGIC, FLAG_OP);
    store<i64>(cpu, sign(<i64>v, index), FLAG_RES);
    if (v != 0) setReg(to, index, <i64>(k == 0 ? ctz<u64>(v) : 63 - clz<u64>(v)));
  }
  return true;
}

/** CF: there is no bit; ZF: the count is 0. Undefined: OF stays, SF AF PF are clear. */
function countZeros(cpu: usize, to: usize, index: u32, v: u64, trailing: bool): void {
  const width = <u64>(8 << index);
  const n = v == 0 ? width : trailing ? ctz<u64>(v) : clz<u64>(v) - (64 - width);
  setArith(cpu, (getArith(cpu) & OF) | (v == 0 ? CF : 0) | (n == 0 ? ZF : 0));
  setReg(to, index, <i64>n);
}

/** MOVBE: load (0) and store (1) with the bytes in the other order. */
export function movbeFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, kind(pc) == 0 ? READ : WRITE);
  if (at == 0) return false;
  const reg = cpu + <usize>load<u8>(pc, 4);
  const v = <i64>(bswap<u64>(<u64>get(kind(pc) == 0 ? at : reg, index)) >> (64 - (8 << <u64>index)));
  if (kind(pc) != 0) return put(cpu, pc, at, index, v);
  setReg(reg, index, v);
  return true;
}

/** CRC32 of 1, 2, 4 or 8 bytes; the result fills a 64-bit register whatever REX.W says. */
export function crc32Fn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const r = cpu + <usize>load<u8>(pc, 4);
  store<u64>(r, <u64>crc32c(load<u32>(r), <u64>get(at, index), 1 << index));
  return true;
}

/** SHLD SHRD. Counts above the width (16-bit only) are undefined: here the operands rotate on. */
export function shiftdFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const width = <u64>(8 << index);
  const raw = imm16(pc) == 0x100 ? <u32>load<u8>(cpu, RCX) : imm16(pc);
  const n = <u64>(raw & (index == 3 ? 63 : 31));
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const a = zero(get(at, index), index);
  if (n == 0) return put(cpu, pc, at, index, <i64>a);
  const b = zero(get(cpu + <usize>load<u8>(pc, 4), index), index);
  let r: u64;
  let cf: u32;
  if (n > width) {
    // 16-bit: destination, source, destination stand behind one another.
    const wide = kind(pc) == 0 ? (a << 32) | (b << 16) | a : (a << 32) | (b << 16) | a;
    r = kind(pc) == 0 ? wide >> (32 - n) : wide >> n;
    cf = kind(pc) == 0 ? <u32>(wide >> (48 - n)) & 1 : <u32>(wide >> (n - 1)) & 1;
  } else if (kind(pc) == 0) {
    r = (a << n) | (n == width ? b : b >> (width - n));
    if (n == width) r = b;
    cf = <u32>(a >> (width - n)) & 1;
  } else {
    r = n == width ? b : (a >> n) | (b << (width - n));
    cf = <u32>(a >> (n - 1)) & 1;
  }
  const s = sign(<i64>r, index);
  if (!put(cpu, pc, at, index, s)) return false;
  bitsFlags(cpu, s, cf | ((s ^ sign(<i64>a, index)) < 0 ? OF : 0));
  return true;
}

export function xaddFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const reg = cpu + <usize>load<u8>(pc, 4);
  const a = get(at, index);
  const b = get(reg, index);
  const r = sign(a + b, index);
  if (isRegister(pc)) {
    // With the same register twice the sum wins: it is written last.
    setReg(reg, index, a);
    setReg(at, index, r);
  } else {
    if (!put(cpu, pc, at, index, r)) return false;
    setReg(reg, index, a);
  }
  store<u32>(cpu, 2, FLAG_OP);
  store<i64>(cpu, r, FLAG_RES);
  store<i64>(cpu, a, FLAG_A);
  store<i64>(cpu, b, FLAG_B);
  return true;
}

export function cmpxchgFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const a = get(cpu, index);
  const b = get(at, index);
  const equal = a == b;
  // Memory is written whatever the outcome; a register that stays is not written, so that its upper half stays as well.
  if ((equal || !isRegister(pc)) && !put(cpu, pc, at, index, equal ? get(cpu + <usize>load<u8>(pc, 4), index) : b)) return false;
  if (!equal) setReg(cpu + RAX, index, b);
  store<u32>(cpu, FLAGS_SUB, FLAG_OP);
  store<i64>(cpu, sign(a - b, index), FLAG_RES);
  store<i64>(cpu, a, FLAG_A);
  store<i64>(cpu, b, FLAG_B);
  return true;
}

/** CMPXCHG8B and CMPXCHG16B; the latter wants 16-byte alignment, else #GP(0). */
export function cmpxchg8bFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  const lin = linearOf(cpu, pc, 0, bytes, 1);
  if (failed(cpu)) return false;
  if (bytes == 16 && (lin & 15) != 0) {
    raiseError(cpu, VEC_GP, 0);
    return false;
  }
  const at = hostModify(cpu, lin, bytes, accessKind(pc));
  if (at == 0) return false;
  let equal: bool;
  if (bytes == 16) {
    const low = load<u64>(at);
    const high = load<u64>(at, 8);
    equal = low == load<u64>(cpu, RAX) && high == load<u64>(cpu, RDX);
    if (equal) {
      store<u64>(at, load<u64>(cpu, RBX));
      store<u64>(at, load<u64>(cpu, RCX), 8);
    }
    if (!finish(cpu, at)) return false;
    if (!equal) {
      store<u64>(cpu, low, RAX);
      store<u64>(cpu, high, RDX);
    }
  } else {
    const v = load<u64>(at);
    equal = <u32>v == load<u32>(cpu, RAX) && <u32>(v >> 32) == load<u32>(cpu, RDX);
    if (equal) store<u64>(at, <u64>load<u32>(cpu, RBX) | (<u64>load<u32>(cpu, RCX) << 32));
    if (!finish(cpu, at)) return false;
    if (!equal) {
      store<u64>(cpu, <u64><u32>v, RAX);
      store<u64>(cpu, v >> 32, RDX);
    }
  }
  setArith(cpu, (getArith(cpu) & ~ZF) | (equal ? ZF : 0));
  return true;
}

export function xchgFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, MODIFY);
  if (at == 0) return false;
  const reg = cpu + <usize>load<u8>(pc, 4);
  const a = get(at, index);
  const b = get(reg, index);
  if (!put(cpu, pc, at, index, b)) return false;
  setReg(reg, index, a);
  return true;
}

export function setccFn(cpu: usize, pc: usize): bool {
  const at = operand(cpu, pc, 1, WRITE);
  if (at == 0) return false;
  return put(cpu, pc, at, 0, condition(cpu, kind(pc)) ? 1 : 0);
}

export function cmovFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const reg = cpu + <usize>load<u8>(pc, 4);
  setReg(reg, index, condition(cpu, kind(pc)) ? get(at, index) : get(reg, index));
  return true;
}

export function bswap16Fn(cpu: usize, pc: usize): bool {
  // Undefined; processors store zero.
  store<u16>(cpu + <usize>load<u8>(pc, 4), 0);
  return true;
}

// ---- stack ----

/** RSP as implicit accesses see it. */
export function stackPointer(cpu: usize): u64 {
  return load<u64>(cpu, RSP) & load<u64>(cpu, STACK_MASK);
}
export function setStackPointer(cpu: usize, sp: u64): void {
  const mask = load<u64>(cpu, STACK_MASK);
  if (mask == 0xffff) store<u16>(cpu, <u16>sp, RSP);
  else store<u64>(cpu, sp & mask, RSP);
}
/** Writes below the stack pointer, `depth` bytes down; the pointer is not moved. Check failed(). */
export function stackWrite(cpu: usize, depth: u64, value: u64, bytes: u32): void {
  const lin = segAddr(cpu, SEG_SS, (load<u64>(cpu, RSP) - depth) & load<u64>(cpu, STACK_MASK), bytes, 1);
  if (!failed(cpu)) writeMem(cpu, lin, bytes, value, A_STACK);
}
/** Reads `height` bytes above the stack pointer. Check failed(). */
export function stackRead(cpu: usize, height: u64, bytes: u32): u64 {
  const lin = segAddr(cpu, SEG_SS, (load<u64>(cpu, RSP) + height) & load<u64>(cpu, STACK_MASK), bytes, 0);
  return failed(cpu) ? 0 : readMem(cpu, lin, bytes, A_STACK);
}
export function push(cpu: usize, value: u64, bytes: u32): bool {
  stackWrite(cpu, <u64>bytes, value, bytes);
  if (failed(cpu)) return false;
  setStackPointer(cpu, load<u64>(cpu, RSP) - <u64>bytes);
  return true;
}

/** PUSH of an immediate (0), register or memory (1), segment register (2). */
export function pushFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  switch (kind(pc)) {
    case 0: return push(cpu, <u64><i64>load<i32>(pc, 8), bytes);
    case 2: return push(cpu, <u64>load<u16>(cpu + (<usize>load<u8>(pc, 5) << 5), SEG_SEL), bytes);
    default: {
      const at = operand(cpu, pc, bytes, READ);
      if (at == 0) return false;
      return push(cpu, bytes == 2 ? <u64>load<u16>(at) : bytes == 4 ? <u64>load<u32>(at) : load<u64>(at), bytes);
    }
  }
}

/** POP into a register (1) or memory (2), whose address is computed with the new stack pointer. */
export function popFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  const index: u32 = bytes == 2 ? 1 : bytes == 4 ? 2 : 3;
  const v = stackRead(cpu, 0, bytes);
  if (failed(cpu)) return false;
  const old = load<u64>(cpu, RSP);
  setStackPointer(cpu, old + <u64>bytes);
  const at = operand(cpu, pc, bytes, WRITE);
  if (at == 0 || !put(cpu, pc, at, index, <i64>v)) {
    store<u64>(cpu, old, RSP);
    return false;
  }
  return true;
}

export function pushaFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  // In real and virtual-8086 mode these stack pointers are #GP, not #SS (SDM vol. 2, PUSHA); 1, 3 and 5 shut down by themselves.
  const low = stackPointer(cpu);
  if (load<u32>(cpu, PROT) != 1 && (low & 1) != 0 && low >= 7 && low <= 15) {
    raiseError(cpu, VEC_GP, 0);
    return false;
  }
  // One after the other, for the address that a fault reports: what it leaves behind lies below the stack pointer, which has not moved.
  for (let i: u32 = 0; i < 8; i++) {
    stackWrite(cpu, <u64>(bytes * (i + 1)), load<u64>(cpu + (<usize>i << 3)), bytes);
    if (failed(cpu)) return false;
  }
  setStackPointer(cpu, load<u64>(cpu, RSP) - <u64>(bytes * 8));
  return true;
}

export function popaFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  const sp = load<u64>(cpu, RSP);
  // Nothing changes until all are read; the place of (E)SP is skipped.
  for (let i: u32 = 0; i < 8; i++) {
    if (i == 3) continue;
    store<u64>(cpu + (<usize>i << 3), stackRead(cpu, <u64>(i * bytes), bytes), POPPED);
    if (failed(cpu)) return false;
  }
  for (let i: u32 = 0; i < 8; i++) {
    if (i != 3) setReg(cpu + (<usize>(7 - i) << 3), bytes == 2 ? 1 : 2, load<i64>(cpu + (<usize>i << 3), POPPED));
  }
  setStackPointer(cpu, sp + <u64>(8 * bytes));
  return true;
}

export function enterFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  const index: u32 = bytes == 2 ? 1 : bytes == 4 ? 2 : 3;
  const room = imm16(pc);
  const level = <u32>load<i32>(pc, 8) & 31;
  const mask = load<u64>(cpu, STACK_MASK);
  // The frame pointers it copies may be its own pushes: it must not be begun twice.
  if (level > 1 && load<u32>(cpu, STEPPING) == 0) {
    store<u32>(cpu, EXC_STEP, EXC);
    return false;
  }
  stackWrite(cpu, <u64>bytes, load<u64>(cpu, RBP), bytes);
  if (failed(cpu)) return false;
  // The frame pointer is all of the stack pointer, of which a push on a 16-bit stack moves only the low half.
  const sp = load<u64>(cpu, RSP);
  const frame = mask == 0xffff ? (sp & ~mask) | ((sp - <u64>bytes) & mask) : (sp - <u64>bytes) & mask;
  let depth = <u64>bytes;
  for (let i: u32 = 1; i < level; i++) {
    const lin = segAddr(cpu, SEG_SS, (load<u64>(cpu, RBP) - <u64>(i * bytes)) & mask, bytes, 0);
    if (failed(cpu)) return false;
    const v = readMem(cpu, lin, bytes, A_STACK);
    if (failed(cpu)) return false;
    depth += <u64>bytes;
    stackWrite(cpu, depth, v, bytes);
    if (failed(cpu)) return false;
  }
  if (level > 0) {
    depth += <u64>bytes;
    stackWrite(cpu, depth, frame, bytes);
    if (failed(cpu)) return false;
  }
  // The new top must be writable (SDM: ENTER faults there before RBP changes).
  const top = depth + <u64>room;
  const lin = segAddr(cpu, SEG_SS, (load<u64>(cpu, RSP) - top) & mask, bytes, 1);
  if (failed(cpu)) return false;
  if (writeSlow(cpu, lin, bytes, A_STACK) == 0) return false;
  setReg(cpu + RBP, index, <i64>frame);
  setStackPointer(cpu, load<u64>(cpu, RSP) - top);
  return true;
}

export function leaveFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  const mask = load<u64>(cpu, STACK_MASK);
  const bp = load<u64>(cpu, RBP);
  const lin = segAddr(cpu, SEG_SS, bp & mask, bytes, 0);
  if (failed(cpu)) return false;
  const v = readMem(cpu, lin, bytes, A_STACK);
  if (failed(cpu)) return false;
  setStackPointer(cpu, bp + <u64>bytes);
  setReg(cpu + RBP, bytes == 2 ? 1 : bytes == 4 ? 2 : 3, <i64>v);
  return true;
}

// ---- conversions, flags, decimal ----

/** CBW CWDE CDQE (0), CWD CDQ CQO (1). */
export function convertFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  if (kind(pc) == 0) {
    if (bytes == 2) store<u16>(cpu, <u16><i16>load<i8>(cpu, RAX), RAX);
    else if (bytes == 4) store<u64>(cpu, <u64><u32><i32>load<i16>(cpu, RAX), RAX);
    else store<i64>(cpu, <i64>load<i32>(cpu, RAX), RAX);
  } else if (bytes == 2) store<u16>(cpu, <u16>(load<i16>(cpu, RAX) >> 15), RDX);
  else if (bytes == 4) store<u64>(cpu, <u64><u32>(load<i32>(cpu, RAX) >> 31), RDX);
  else store<i64>(cpu, load<i64>(cpu, RAX) >> 63, RDX);
  return true;
}

/** SAHF LAHF CMC CLC STC CLD STD SALC. */
export function flagFn(cpu: usize, pc: usize): bool {
  switch (kind(pc)) {
    case 0: setArith(cpu, (getArith(cpu) & OF) | (<u32>load<u8>(cpu, 1) & 0xd5)); break;
    case 1: store<u8>(cpu, <u8>((getArith(cpu) & 0xd5) | 2), 1); break;
    case 2: setCarries(cpu, CF, getCF(cpu) ^ 1); break;
    case 3: setCarries(cpu, CF, 0); break;
    case 4: setCarries(cpu, CF, CF); break;
    case 5: store<u32>(cpu, load<u32>(cpu, RFLAGS) & ~DF, RFLAGS); break;
    case 6: store<u32>(cpu, load<u32>(cpu, RFLAGS) | DF, RFLAGS); break;
    default: store<u8>(cpu, getCF(cpu) ? 0xff : 0, RAX);
  }
  return true;
}

/** DAA DAS AAA AAS AAM AAD (SDM vol. 2). */
export function bcdFn(cpu: usize, pc: usize): bool {
  const al = <u32>load<u8>(cpu, RAX);
  const ah = <u32>load<u8>(cpu, 1);
  const flags = getArith(cpu);
  let cf = flags & CF;
  let af: u32 = 0;
  let r = al;
  switch (kind(pc)) {
    case 0x27: case 0x2f: {
      const add = kind(pc) == 0x27;
      if ((al & 15) > 9 || (flags & AF) != 0) {
        r = add ? r + 6 : r - 6;
        if (!add && al < 6) cf = 1;
        af = AF;
      }
      if (al > 0x99 || (flags & CF) != 0) {
        r = add ? r + 0x60 : r - 0x60;
        cf = 1;
      } else if (add) cf = 0;
      else cf = af != 0 && al < 6 ? 1 : 0;
      store<u8>(cpu, <u8>r, RAX);
      break;
    }
    case 0x37: case 0x3f: {
      const add = kind(pc) == 0x37;
      let ax = <u32>load<u16>(cpu, RAX);
      cf = 0;
      if ((al & 15) > 9 || (flags & AF) != 0) {
        ax = add ? ax + 0x106 : ax - 0x106;
        af = AF;
        cf = 1;
      }
      store<u16>(cpu, <u16>(ax & 0xff0f), RAX);
      r = ax & 15;
      break;
    }
    case 0xd4: {
      const radix = imm16(pc);
      if (radix == 0) {
        raise(cpu, VEC_DE);
        return false;
      }
      r = al % radix;
      store<u16>(cpu, <u16>(((al / radix) << 8) | r), RAX);
      cf = 0;
      break;
    }
    default:
      r = (al + ah * imm16(pc)) & 0xff;
      store<u16>(cpu, <u16>r, RAX);
      cf = 0;
  }
  bitsFlags(cpu, <i64><i8>r, cf | af);
  return true;
}

export function xlatFn(cpu: usize, pc: usize): bool {
  const lin = linearOf(cpu, pc, <u64>load<u8>(cpu, RAX), 1, 0);
  if (failed(cpu)) return false;
  const v = readMem(cpu, lin, 1, 0);
  if (failed(cpu)) return false;
  store<u8>(cpu, <u8>v, RAX);
  return true;
}

export function boundFn(cpu: usize, pc: usize): bool {
  const bytes = size(pc);
  // Two operands, each with its own check; the second one's offset wraps at the address size.
  const lowAt = linearOf(cpu, pc, 0, bytes, 0);
  if (failed(cpu)) return false;
  const low = readMem(cpu, lowAt, bytes, 0);
  if (failed(cpu)) return false;
  const highAt = linearOf(cpu, pc, <u64>bytes, bytes, 0);
  if (failed(cpu)) return false;
  const high = readMem(cpu, highAt, bytes, 0);
  if (failed(cpu)) return false;
  const index: u32 = bytes == 2 ? 1 : 2;
  const v = get(cpu + <usize>load<u8>(pc, 4), index);
  if (v >= sign(<i64>low, index) && v <= sign(<i64>high, index)) return true;
  raise(cpu, VEC_BR);
  return false;
}

/** MOV between the accumulator and a 64-bit absolute address. */
export function moffsFn(cpu: usize, pc: usize): bool {
  const k = <u32>load<u8>(pc, 4);
  const index = k & 3;
  const lin = segAddr(cpu, <u32>load<u8>(pc, 5), load<u64>(pc, 8), 1 << index, k >> 2);
  if (k & 4) writeMem(cpu, lin, 1 << index, load<u64>(cpu, RAX), 0);
  else {
    const v = readMem(cpu, lin, 1 << index, 0);
    if (!failed(cpu)) setReg(cpu + RAX, index, <i64>v);
  }
  return !failed(cpu);
}

/**
 * Near branches that are not the common ones: 0 JMP r/m, 1 CALL r/m, 2 RET, 3 CALL rel, 4 LOOPNE, 5 LOOPE, 6 LOOP, 7 JCXZ, 8 JMP rel, 10h+c Jcc rel.
 * 0 = failed, 1 = not taken, 2 = RIP holds the target.
 */
export function branchFn(cpu: usize, pc: usize): i32 {
  const k = kind(pc);
  const bytes = size(pc);
  const long = load<u32>(cpu, MODE) == 2;
  let next = load<u64>(cpu, RIP_BASE) + nextOffset(pc);
  if (!long) next &= 0xffffffff;
  let target = next + <u64><i64>load<i32>(pc, 8);
  let pop: u64 = 0;
  let counter: u64 = 0;
  if (k < 2) {
    const at = operand(cpu, pc, bytes, READ);
    if (at == 0) return 0;
    target = bytes == 2 ? <u64>load<u16>(at) : bytes == 4 ? <u64>load<u32>(at) : load<u64>(at);
  } else if (k == 2) {
    target = stackRead(cpu, 0, bytes);
    if (failed(cpu)) return 0;
    pop = <u64>bytes + <u64>imm16(pc);
  } else if (k >= 4 && k < 8) {
    const asz = <u32>load<u8>(pc, 5);
    const mask: u64 = asz == 2 ? 0xffff : asz == 4 ? 0xffffffff : 0xffffffffffffffff;
    counter = load<u64>(cpu, RCX);
    if (k != 7) counter -= 1;
    const taken = k == 7 ? (counter & mask) == 0 : (counter & mask) != 0 && (k == 6 || (getZF(cpu) != 0) == (k == 5));
    if (!taken) {
      setCounter(cpu, counter, asz, k);
      return 1;
    }
  } else if (k >= 16 && !condition(cpu, k & 15)) return 1;
  if (!long) {
    target = legacyTarget(cpu, target, bytes);
    if (failed(cpu)) return 0;
  } else if (!isCanonical(cpu, target)) {
    raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  if ((k == 1 || k == 3) && !push(cpu, bytes == 2 ? next & 0xffff : next, bytes)) return 0;
  if (k == 2) setStackPointer(cpu, load<u64>(cpu, RSP) + pop);
  if (k >= 4 && k < 7) setCounter(cpu, counter, <u32>load<u8>(pc, 5), k);
  store<u64>(cpu, target, RIP);
  return 2;
}

function setCounter(cpu: usize, v: u64, asz: u32, k: u32): void {
  if (k == 7) return;
  if (asz == 2) store<u16>(cpu, <u16>v, RCX);
  else store<u64>(cpu, asz == 4 ? v & 0xffffffff : v, RCX);
}

// ---- x87 and SIMD ----

/** Bytes of an x87 memory operand by escape and ModRM.reg, for the segment limit. */
function x87Size(esc: u32, reg: u32, bytes: u32): u32 {
  switch (esc) {
    case 1: return reg == 4 || reg == 6 ? (bytes == 2 ? 14 : 28) : reg == 5 || reg == 7 ? 2 : 4;
    case 3: return reg == 5 || reg == 7 ? 10 : 4;
    case 4: return 8;
    case 5: return reg == 4 || reg == 6 ? (bytes == 2 ? 94 : 108) : reg == 7 ? 2 : 8;
    case 6: return 2;
    case 7: return reg == 4 || reg == 6 ? 10 : reg == 5 || reg == 7 ? 8 : 2;
    default: return 4;
  }
}

export function x87Fn(cpu: usize, pc: usize): bool {
  const esc = kind(pc);
  const m = imm16(pc);
  if (isRegister(pc)) x87Reg(cpu, esc, m);
  else {
    const f = <u32>load<u8>(pc, 7);
    // #NM comes before any fault of the operand.
    if (load<u64>(cpu, CR0) & 0xc) {
      raise(cpu, VEC_NM);
      return false;
    }
    const store = (esc & 1) != 0 && m >= 1 && m != 4 && m != 5;
    const lin = linearOf(cpu, pc, 0, x87Size(esc, m, size(pc)), store ? 1 : 0);
    if (!failed(cpu)) x87Mem(cpu, esc, m, lin, (f >> 3) & 7, size(pc));
  }
  return !failed(cpu);
}

function vectorRegister(cpu: usize, cls: u32, n: u32): usize {
  if (cls == CLASS_XMM) return cpu + XMM + (<usize>n << 5);
  if (cls == CLASS_MMX) return cpu + FPR + (<usize>(n & 7) << 4);
  return cpu + (<usize>n << 3);
}

export function sseFn(cpu: usize, pc: usize): bool {
  const word = <u32>load<u16>(pc, 12);
  const last = <u32>load<u8>(pc, 15);
  if (last & SSE_XMM) {
    const cr0 = load<u64>(cpu, CR0);
    if ((cr0 & 4) != 0 || (load<u64>(cpu, CR4) & 0x200) == 0) {
      raise(cpu, VEC_UD);
      return false;
    }
    if (cr0 & 8) {
      raise(cpu, VEC_NM);
      return false;
    }
  }
  if ((word & SSE_MMX) != 0 && !mmxUsable(cpu)) return false;
  const op = word & 0xfff;
  let imm = <u32>load<u8>(pc, 14);
  const wide: u32 = word & SSE_WIDE ? 1 : 0;
  const reg = vectorRegister(cpu, (last >> 3) & 7, <u32>load<u8>(pc, 4));
  let rm: usize;
  if (isRegister(pc)) {
    const d = load<u32>(pc, 8);
    rm = vectorRegister(cpu, (d & INFO_RM) >> INFO_RM_SHIFT, <u32>load<u8>(pc, 5));
    if (last & SSE_SPECIAL) {
      if (d & INFO_GROUP) {
        sseExec(cpu, op, rm, rm, imm | ((d >> 28) << 8), wide);
      } else if (d & INFO_MASKMOV) {
        // The mask is applied byte by byte at seg:rDI.
        const bytes: u32 = (word & SSE_MMX) != 0 ? 8 : 16;
        const lin = eaFix(cpu, load<u64>(cpu, RDI), <u32>load<u8>(pc, 7), bytes, 1);
        if (failed(cpu)) return false;
        maskmov(cpu, lin, reg, rm, bytes);
      }
      if (!failed(cpu) && (word & SSE_MMX) != 0) mmxEnter(cpu);
      return !failed(cpu);
    }
  } else {
    const bytes: u32 = 1 << (last & 7);
    const how: u32 = word & SSE_STORE ? 1 : 0;
    const lin = linearOf(cpu, pc, 0, bytes, how);
    if (failed(cpu)) return false;
    if ((word & SSE_ALIGNED) != 0 && (lin & 15) != 0) {
      raiseError(cpu, VEC_GP, 0);
      return false;
    }
    const stack = accessKind(pc);
    rm = how ? hostWrite(cpu, lin, bytes, stack) : hostRead(cpu, lin, bytes, stack);
    if (rm == 0) return false;
  }
  if (word & SSE_STORE) {
    sseExec(cpu, op, rm, reg, imm, wide);
    if (failed(cpu) || !finish(cpu, rm)) return false;
  } else {
    sseExec(cpu, op, reg, rm, imm, wide);
    if (failed(cpu)) return false;
  }
  if (word & SSE_MMX) mmxEnter(cpu);
  return true;
}
