/**
 * The decoder: guest bytes to micro-ops, once per line (SDM vol. 2, chapter 2 and appendix A).
 *
 * A micro-op has 16 bytes:
 *   0 u16 operation (uop.gen.ts)          8 i32 displacement; of a branch: link to the target's line
 *   2 u16 page offset (12), length (4)   12 i32 immediate; of a branch: target relative to the page. Or
 *   4 u8  register operand                  12 u8 kind, 13 u8 operand size, 14 u16 immediate
 *   5 u8  base, or register operand 2
 *   6 u8  index, or REGISTER
 *   7 u8  scale (1:0), address needs completing (2), segment (5:3), address size (7:6)
 * Register operands are byte offsets into the vCPU's registers, so AH is RAX's offset plus 1; vector and other registers are numbers.
 * One micro-op per instruction keeps counting exact; compare and branch are fused by giving the compare's micro-op a number that does
 * both, while the branch keeps its own slot.
 *
 * Instructions are decoded from one page; one that crosses its end becomes ALONE and is decoded from a copy of its bytes.
 * Not here: VEX and EVEX (no AVX at this level), 3DNow!.
 */
import {
  INFO_ALIGNED, INFO_GROUP, INFO_IMM8, INFO_LEVEL, INFO_LEVEL_SHIFT, INFO_MASKMOV, INFO_MMX, INFO_REG, INFO_SIZE, INFO_SIZE_SHIFT, INFO_SSE,
  INFO_STORE, INFO_WIDE, sseInfo,
} from './sse-table';
import { LINE_MAX } from './lines';
import * as S from './sys';
import * as U from './uop.gen';
import { ENG_LINES, ENG_UOPS, VM_SIMD_LEVEL } from './state.gen';

/** Byte 6 of a micro-op whose r/m operand is a register. */
export const REGISTER: u32 = 0xff;
const ZERO_SLOT: u32 = 128;
const RIP_SLOT: u32 = 136;
const K4096_SLOT: u32 = 144;

// The instruction being decoded.
let p: usize = 0;
let end: usize = 0;
let over: bool = false;
let mode: u32 = 0;
let out: usize = 0;
let osz: u32 = 4;
let asz: u32 = 4;
let seg: i32 = -1;
let rep: u32 = 0;
let lock: bool = false;
let lockable: bool = false;
let rex: u32 = 0;
let pfx66: bool = false;
let mod: u32 = 0;
let regField: u32 = 0;
let rmField: u32 = 0;
let eaBase: u32 = 0;
let eaIndex: u32 = 0;
let eaFlags: u32 = 0;
let eaDisp: i32 = 0;
let ripRelative: bool = false;
let branch: bool = false;
let branchLocal: u32 = 0;
let branchFar: u32 = 0;
let ends: bool = false;
let pageOffset: u32 = 0;

function u8at(): u32 {
  if (p >= end) {
    over = true;
    return 0;
  }
  return <u32>load<u8>(p++);
}
function i8at(): i32 {
  return <i32><i8>u8at();
}
function u16at(): u32 {
  if (p + 2 > end) {
    over = true;
    return 0;
  }
  p += 2;
  return <u32>load<u16>(p - 2);
}
function i32at(): i32 {
  if (p + 4 > end) {
    over = true;
    return 0;
  }
  p += 4;
  return load<i32>(p - 4);
}
/** Immediate of the operand size, at most 32 bits, sign-extended. */
function immz(): i32 {
  return osz == 2 ? <i32><i16>u16at() : i32at();
}

// @ts-ignore: decorator
@inline
function sizeIndex(): u32 {
  return osz == 8 ? 3 : osz == 4 ? 2 : 1;
}
function gpr(n: u32): u32 {
  return n << 3;
}
function gpr8(n: u32): u32 {
  return n < 4 || n >= 8 || rex != 0 ? n << 3 : ((n - 4) << 3) + 1;
}
function regOf(index: u32, n: u32): u32 {
  return index == 0 ? gpr8(n) : gpr(n);
}

/** ModRM, SIB and displacement. */
function modrm(): void {
  const b = u8at();
  mod = b >> 6;
  regField = ((b >> 3) & 7) | ((rex & 4) << 1);
  rmField = b & 7;
  if (mod == 3) {
    rmField |= (rex & 1) << 3;
    return;
  }
  eaIndex = ZERO_SLOT;
  eaDisp = 0;
  ripRelative = false;
  let scale: u32 = 0;
  let stack = false;
  if (asz == 2) {
    const rm = rmField;
    const base: u32 = rm == 0 || rm == 1 || rm == 7 ? 3 : rm == 2 || rm == 3 || rm == 6 ? 5 : rm == 4 ? 6 : 7;
    eaBase = gpr(base);
    if (rm < 4) eaIndex = gpr(rm & 1 ? 7 : 6);
    stack = rm == 2 || rm == 3 || rm == 6;
    if (mod == 0 && rm == 6) {
      eaBase = ZERO_SLOT;
      stack = false;
      eaDisp = <i32>u16at();
    } else if (mod == 1) eaDisp = i8at();
    else if (mod == 2) eaDisp = <i32><i16>u16at();
  } else {
    let base = rmField;
    if (base == 4) {
      const sib = u8at();
      base = sib & 7;
      const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
      if (index != 4) {
        eaIndex = gpr(index);
        scale = sib >> 6;
      }
      if (base == 5 && mod == 0) {
        eaBase = ZERO_SLOT;
        eaDisp = i32at();
      } else {
        stack = base == 4 || base == 5;
        eaBase = gpr(base | ((rex & 1) << 3));
        if (rex & 1) stack = false;
      }
    } else if (base == 5 && mod == 0) {
      eaDisp = i32at();
      eaBase = ZERO_SLOT;
      if (mode == 2) {
        ripRelative = true;
        eaBase = RIP_SLOT;
      }
    } else {
      stack = base == 5 && (rex & 1) == 0;
      eaBase = gpr(base | ((rex & 1) << 3));
    }
    if (mod == 1) eaDisp = i8at();
    else if (mod == 2) eaDisp = i32at();
  }
  setEaFlags(scale, stack);
}

function setEaFlags(scale: u32, stack: bool): void {
  const s: u32 = seg >= 0 ? <u32>seg : stack ? 2 : 3;
  let fix: u32 = 0;
  if (mode != 2 || s >= 4 || asz != 8) fix = 4;
  eaFlags = scale | fix | (s << 3) | (asz == 8 ? 0 : asz == 4 ? 0x40 : 0x80);
}

// ---- emission ----

function put(op: u32, reg: u32, b5: u32, b6: u32, b7: u32, disp: i32, imm: i32): void {
  store<u16>(out, <u16>op);
  store<u8>(out, <u8>reg, 4);
  store<u8>(out, <u8>b5, 5);
  store<u8>(out, <u8>b6, 6);
  store<u8>(out, <u8>b7, 7);
  store<i32>(out, disp, 8);
  store<i32>(out, imm, 12);
}
/** With the memory operand just decoded. */
function putM(op: u32, reg: u32, imm: i32): void {
  // A rip-relative displacement this large may yet need the index (see decodeOne).
  if (eaIndex == ZERO_SLOT && (eaFlags & 4) == 0 && eaDisp < 0x7fffe000) op = U.simpleOp(op);
  put(op, reg, eaBase, eaIndex, eaFlags, eaDisp, imm);
}
/** With two registers. */
function putR(op: u32, reg: u32, rm: u32, imm: i32): void {
  put(op, reg, rm, REGISTER, 0, 0, imm);
}
/** Register or memory, by ModRM. */
function putRM(op: u32, reg: u32, rm: u32, imm: i32): void {
  if (mod == 3) putR(op, reg, rm, imm);
  else putM(op, reg, imm);
}
function info(kind: u32, size: u32, imm16: u32): i32 {
  return <i32>(kind | (size << 8) | (imm16 << 16));
}
function ud(): void {
  ends = true;
  put(U.UD, 0, 0, 0, 0, 0, 0);
}
function sysOp(kind: u32, imm16: u32): void {
  putR(U.SYS, regField, rmField, info(kind, osz, imm16));
}
function sysRM(kind: u32, imm16: u32): void {
  putRM(U.SYS, regField, rmField, info(kind, osz, imm16));
}
/** A branch relative to the next instruction: two micro-op numbers, by whether the target lies in the same page. */
function putBranch(local: u32, far: u32, rel: i32): void {
  branch = true;
  branchLocal = local;
  branchFar = far;
  put(far, 0, 0, mode == 2 ? 8 : osz, 0, 0, rel);
}

/** ADD OR ADC SBB AND SUB XOR CMP by opcode bits 2:0. */
function aluOp(op: u32, low: u32): void {
  const index: u32 = low & 1 ? sizeIndex() : 0;
  const family = U.ALU + op * 20 + index;
  if (low >= 4) {
    const imm = index == 0 ? i8at() : immz();
    putR(family + 12, 0, 0, imm);
    return;
  }
  modrm();
  const reg = regOf(index, regField);
  if (mod == 3) {
    if (low < 2) putR(family, regOf(index, rmField), reg, 0);
    else putR(family, reg, regOf(index, rmField), 0);
  } else if (low < 2) {
    lockable = op != 7;
    putM(family + 8, reg, 0);
  } else putM(family + 4, reg, 0);
}

function group1(index: u32, imm8: bool): void {
  modrm();
  const op = regField & 7;
  const imm = index == 0 || imm8 ? i8at() : immz();
  const family = U.ALU + op * 20 + index;
  if (mod == 3) putR(family + 12, regOf(index, rmField), 0, imm);
  else {
    lockable = op != 7;
    putM(family + 16, 0, imm);
  }
}

/** Shifts and rotates: `count` 0..255, or -1 for CL. */
function group2(index: u32, count: i32): void {
  const kind = regField & 7;
  const masked = count & (index == 3 ? 63 : 31);
  if (mod == 3 && index >= 2 && count >= 0 && (kind >= 4 || kind < 2)) {
    if (masked == 0) {
      // Count 0 changes nothing, but a 32-bit destination is zero-extended.
      if (index == 2) putR(U.MOV + 2, gpr(rmField), gpr(rmField), 0);
      else put(U.NOP, 0, 0, 0, 0, 0, 0);
      return;
    }
    const o = kind == 0 ? (index == 2 ? U.ROL_RI_32 : U.ROL_RI_64) : kind == 1 ? (index == 2 ? U.ROR_RI_32 : U.ROR_RI_64) : kind == 5 ? (index == 2 ? U.SHR_RI_32 : U.SHR_RI_64) : kind == 7 ? (index == 2 ? U.SAR_RI_32 : U.SAR_RI_64) : index == 2 ? U.SHL_RI_32 : U.SHL_RI_64;
    putR(o, gpr(rmField), 0, masked);
    return;
  }
  putRM(U.SHIFT, 0, regOf(index, rmField), info(kind, index, count < 0 ? 0x100 : <u32>count));
}

function group3(index: u32): void {
  modrm();
  const kind = regField & 7;
  const rm = regOf(index, rmField);
  if (kind < 2) {
    const imm = index == 0 ? i8at() : immz();
    if (mod == 3) putR(U.TEST + 8 + index, rm, 0, imm);
    else putM(U.TEST + 12 + index, 0, imm);
  } else if (kind < 4) {
    if (mod == 3 && index >= 2) putR(kind == 2 ? (index == 2 ? U.NOT_R_32 : U.NOT_R_64) : index == 2 ? U.NEG_R_32 : U.NEG_R_64, rm, 0, 0);
    else {
      lockable = mod != 3;
      putRM(U.UNARY, 0, rm, info(kind, index, 0));
    }
  } else putRM(U.MULDIV, 0, rm, info(kind, index, 0));
}

function incDec(index: u32, kind: u32): void {
  const rm = regOf(index, rmField);
  if (mod == 3 && index >= 2) putR(kind == 0 ? (index == 2 ? U.INC_R_32 : U.INC_R_64) : index == 2 ? U.DEC_R_32 : U.DEC_R_64, rm, 0, 0);
  else {
    lockable = mod != 3;
    putRM(U.UNARY, 0, rm, info(kind, index, 0));
  }
}

function group5(): void {
  modrm();
  const kind = regField & 7;
  switch (kind) {
    case 0: case 1:
      incDec(sizeIndex(), kind);
      break;
    case 2: case 4:
      ends = true;
      if (mode == 2) {
        osz = 8;
        if (mod == 3) putR(kind == 2 ? U.CALL_R : U.JMP_R, 0, gpr(rmField), 0);
        else putM(kind == 2 ? U.CALL_M : U.JMP_M, 0, 0);
      } else putRM(U.BRANCH_FN, 0, gpr(rmField), info(kind == 2 ? 1 : 0, osz, 0));
      break;
    case 3: case 5:
      if (mod == 3) {
        ud();
        break;
      }
      ends = true;
      sysRM(kind == 3 ? S.SYS_CALL_FAR_M : S.SYS_JMP_FAR_M, 0);
      break;
    case 6:
      if (mode == 2 && osz == 4) osz = 8;
      if (osz == 8) {
        if (mod == 3) putR(U.PUSH_R, gpr(rmField), 0, 0);
        else putM(U.PUSH_M, 0, 0);
      } else putRM(U.PUSH_FN, 0, gpr(rmField), info(1, osz, 0));
      break;
    default:
      ud();
  }
}

function stackSize(): void {
  if (mode == 2 && osz == 4) osz = 8;
}

function pushReg(n: u32): void {
  stackSize();
  if (osz == 8) putR(U.PUSH_R, gpr(n), 0, 0);
  else putR(U.PUSH_FN, 0, gpr(n), info(1, osz, 0));
}

/** Decodes one instruction into `out`. */
function decodeOne(): void {
  const start = p;
  osz = mode == 0 ? 2 : 4;
  asz = mode == 0 ? 2 : mode == 1 ? 4 : 8;
  seg = -1;
  rep = 0;
  lock = false;
  lockable = false;
  rex = 0;
  pfx66 = false;
  ripRelative = false;
  branch = false;
  ends = false;
  over = false;
  mod = 3;
  rmField = 0;
  regField = 0;
  let op: u32 = 0;
  // Prefixes; a REX counts only directly before the opcode.
  let more = true;
  while (more) {
    op = u8at();
    if (over) return;
    if (p - start > 15) {
      tooLong();
      return;
    }
    const wasRex = rex;
    rex = 0;
    switch (op) {
      case 0x66: pfx66 = true; osz = mode == 0 ? 4 : 2; break;
      case 0x67: asz = mode == 0 ? 4 : mode == 1 ? 2 : 4; break;
      case 0x26: if (mode != 2) seg = 0; break;
      case 0x2e: if (mode != 2) seg = 1; break;
      case 0x36: if (mode != 2) seg = 2; break;
      case 0x3e: if (mode != 2) seg = 3; break;
      case 0x64: seg = 4; break;
      case 0x65: seg = 5; break;
      case 0xf0: lock = true; break;
      case 0xf2: case 0xf3: rep = op; break;
      default:
        if (mode == 2 && (op & 0xf0) == 0x40) rex = op;
        else {
          rex = wasRex;
          more = false;
        }
    }
  }
  if (rex & 8) osz = 8;
  if (op == 0x0f) twoByte();
  else oneByte(op);
  if (over) return;
  if (p - start > 15) {
    tooLong();
    return;
  }
  if (lock && !(lockable && mod != 3)) ud();
  const length = <u32>(p - start);
  store<u16>(out, <u16>((pageOffset & 0xfff) | (length << 12)), 2);
  const after = pageOffset + length;
  if (branch) finishBranch(after);
  else if (ripRelative && mod != 3 && <u32>load<u8>(out, 5) == RIP_SLOT) {
    const disp = <i64>load<i32>(out, 8) + <i64>after;
    if (disp > 0x7fffffff) {
      store<u8>(out, <u8>K4096_SLOT, 6);
      store<i32>(out, <i32>(disp - 4096), 8);
    } else store<i32>(out, <i32>disp, 8);
  }
}

function tooLong(): void {
  ends = true;
  over = false;
  put(U.GP, 0, 0, 0, 0, 0, 0);
  store<u16>(out, <u16>((pageOffset & 0xfff) | 0xf000), 2);
}

/** A relative branch becomes local when its target lies in the same page and needs no truncation. */
function finishBranch(after: u32): void {
  const target = <i64>load<i32>(out, 12) + <i64>after;
  const local = target >= 0 && target < 4096 && !(mode == 1 && osz == 2);
  if (local) store<u16>(out, <u16>branchLocal);
  // A displacement next to 2^31 overflows when it is made relative to the page: such a branch is left to a function.
  if (target > 0x7fffffff) {
    const rel = load<i32>(out, 12);
    const kind: u32 = branchLocal == U.CALL_LOCAL ? 3 : branchLocal == U.JMP_LOCAL ? 8 : 0x10 | (branchLocal - U.JCC_LOCAL);
    put(U.BRANCH_FN, 0, 0, REGISTER, 0, rel, info(kind, mode == 2 ? 8 : osz, 0));
    return;
  }
  store<i32>(out, <i32>target, 12);
}

function oneByte(op: u32): void {
  if (op < 0x40 && (op & 7) < 6) {
    aluOp(op >> 3, op & 7);
    return;
  }
  switch (op) {
    case 0x06: case 0x0e: case 0x16: case 0x1e: // PUSH ES CS SS DS
      if (mode == 2) ud();
      else putR(U.PUSH_FN, 0, op >> 3, info(2, osz, 0));
      break;
    case 0x07: case 0x17: case 0x1f: // POP ES SS DS
      if (mode == 2) ud();
      else {
        regField = op >> 3;
        sysOp(S.SYS_POP_SEG, 0);
      }
      break;
    case 0x27: case 0x2f: case 0x37: case 0x3f: // DAA DAS AAA AAS
      if (mode == 2) ud();
      else putR(U.BCD, 0, 0, info(op, 0, 0));
      break;
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: case 0x47:
    case 0x48: case 0x49: case 0x4a: case 0x4b: case 0x4c: case 0x4d: case 0x4e: case 0x4f:
      rmField = op & 7;
      incDec(sizeIndex(), (op >> 3) & 1);
      break;
    case 0x50: case 0x51: case 0x52: case 0x53: case 0x54: case 0x55: case 0x56: case 0x57:
      pushReg((op & 7) | ((rex & 1) << 3));
      break;
    case 0x58: case 0x59: case 0x5a: case 0x5b: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      stackSize();
      const n = gpr((op & 7) | ((rex & 1) << 3));
      if (osz == 8) putR(U.POP_R, n, 0, 0);
      else putR(U.POP_FN, 0, n, info(1, osz, 0));
      break;
    }
    case 0x60: case 0x61:
      if (mode == 2) ud();
      else putR(op == 0x60 ? U.PUSHA : U.POPA, 0, 0, info(0, osz, 0));
      break;
    case 0x62: // BOUND
      if (mode == 2) {
        ud();
        break;
      }
      modrm();
      if (mod == 3) ud();
      else putM(U.BOUND, gpr(regField), info(0, osz, 0));
      break;
    case 0x63:
      modrm();
      if (mode != 2) {
        if (mod == 3) rmField = gpr(rmField);
        osz = 2;
        sysRM(S.SYS_ARPL, 0);
      } else if (osz == 8) putRM(mod == 3 ? U.MOVSX_R_32_64 : U.MOVSX_M_32_64, gpr(regField), gpr(rmField), 0);
      else putRM(U.MOV + (mod == 3 ? 0 : 4) + sizeIndex(), gpr(regField), gpr(rmField), 0);
      break;
    case 0x68:
      stackSize();
      if (osz == 8) put(U.PUSH_I, 0, 0, 0, 0, 0, i32at());
      else {
        const v = immz();
        put(U.PUSH_FN, 0, 0, REGISTER, 0, v, info(0, osz, 0));
      }
      break;
    case 0x6a:
      stackSize();
      if (osz == 8) put(U.PUSH_I, 0, 0, 0, 0, 0, i8at());
      else {
        const v = i8at();
        put(U.PUSH_FN, 0, 0, REGISTER, 0, v, info(0, osz, 0));
      }
      break;
    case 0x69: case 0x6b: {
      modrm();
      const imm = op == 0x6b ? i8at() : immz();
      if (osz == 2) putRM(U.IMUL16, gpr(regField), gpr(rmField), info(3, 1, <u32>imm & 0xffff));
      else if (mod == 3) putR(osz == 4 ? U.IMUL_RRI_32 : U.IMUL_RRI_64, gpr(regField), gpr(rmField), imm);
      else putM(osz == 4 ? U.IMUL_RMI_32 : U.IMUL_RMI_64, gpr(regField), imm);
      break;
    }
    case 0x6c: case 0x6d: case 0x6e: case 0x6f:
    case 0xa4: case 0xa5: case 0xa6: case 0xa7: case 0xaa: case 0xab: case 0xac: case 0xad: case 0xae: case 0xaf:
      stringOp(op);
      break;
    case 0x70: case 0x71: case 0x72: case 0x73: case 0x74: case 0x75: case 0x76: case 0x77:
    case 0x78: case 0x79: case 0x7a: case 0x7b: case 0x7c: case 0x7d: case 0x7e: case 0x7f:
      putBranch(U.JCC_LOCAL + (op & 15), U.JCC_FAR + (op & 15), i8at());
      break;
    case 0x80: group1(0, true); break;
    case 0x81: group1(sizeIndex(), false); break;
    case 0x82:
      if (mode == 2) ud();
      else group1(0, true);
      break;
    case 0x83: group1(sizeIndex(), true); break;
    case 0x84: case 0x85: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      if (mod == 3) putR(U.TEST + index, regOf(index, rmField), regOf(index, regField), 0);
      else putM(U.TEST + 4 + index, regOf(index, regField), 0);
      break;
    }
    case 0x86: case 0x87: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      lockable = true;
      putRM(U.XCHG, regOf(index, regField), regOf(index, rmField), info(0, index, 0));
      break;
    }
    case 0x88: case 0x89: case 0x8a: case 0x8b: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      const reg = regOf(index, regField);
      if (mod == 3) {
        const rm = regOf(index, rmField);
        putR(U.MOV + index, op & 2 ? reg : rm, op & 2 ? rm : reg, 0);
      } else putM(U.MOV + (op & 2 ? 4 : 8) + index, reg, 0);
      break;
    }
    case 0x8c: // MOV r/m, Sreg
      modrm();
      regField &= 7;
      if (regField > 5) ud();
      else {
        if (mod == 3) rmField = gpr(rmField);
        sysRM(S.SYS_MOV_FROM_SEG, 0);
      }
      break;
    case 0x8d:
      modrm();
      if (mod == 3) ud();
      else putM(U.LEA + sizeIndex() - 1, gpr(regField), 0);
      break;
    case 0x8e:
      modrm();
      regField &= 7;
      if (regField > 5 || regField == 1) ud();
      else {
        if (mod == 3) rmField = gpr(rmField);
        sysRM(S.SYS_MOV_TO_SEG, 0);
      }
      break;
    case 0x8f:
      stackSize();
      modrm();
      if ((regField & 7) != 0) ud();
      else if (mod == 3 && osz == 8) putR(U.POP_R, gpr(rmField), 0, 0);
      else putRM(U.POP_FN, 0, gpr(rmField), info(mod == 3 ? 1 : 2, osz, 0));
      break;
    case 0x90:
      if (rep == 0xf3) sysOp(S.SYS_PAUSE, 0);
      else if (rex & 1) putR(U.XCHG, gpr(0), gpr(8), info(0, sizeIndex(), 0));
      else put(U.NOP, 0, 0, 0, 0, 0, 0);
      break;
    case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
      putR(U.XCHG, gpr(0), gpr((op & 7) | ((rex & 1) << 3)), info(0, sizeIndex(), 0));
      break;
    case 0x98: putR(U.CONVERT, 0, 0, info(0, osz, 0)); break;
    case 0x99: putR(U.CONVERT, 0, 0, info(1, osz, 0)); break;
    case 0x9a: case 0xea:
      if (mode == 2) ud();
      else {
        const offset = osz == 2 ? <i32>u16at() : i32at();
        const selector = u16at();
        ends = true;
        put(U.SYS, 0, 0, REGISTER, 0, offset, info(op == 0x9a ? S.SYS_CALL_FAR : S.SYS_JMP_FAR, osz, selector));
      }
      break;
    case 0x9b: sysOp(S.SYS_FWAIT, 0); break;
    case 0x9c: stackSize(); sysOp(S.SYS_PUSHF, 0); break;
    case 0x9d: stackSize(); sysOp(S.SYS_POPF, 0); break;
    case 0x9e: putR(U.FLAG, 0, 0, info(0, 0, 0)); break; // SAHF
    case 0x9f: putR(U.FLAG, 0, 0, info(1, 0, 0)); break; // LAHF
    case 0xa0: case 0xa1: case 0xa2: case 0xa3: {
      const index: u32 = op & 1 ? sizeIndex() : 0;
      eaBase = ZERO_SLOT;
      eaIndex = ZERO_SLOT;
      mod = 0;
      if (asz == 8) {
        moffs64(op, index);
        break;
      }
      eaDisp = asz == 2 ? <i32>u16at() : i32at();
      setEaFlags(0, false);
      putM(U.MOV + (op & 2 ? 8 : 4) + index, 0, 0);
      break;
    }
    case 0xa8: putR(U.TEST + 8, 0, 0, i8at()); break;
    case 0xa9: putR(U.TEST + 8 + sizeIndex(), 0, 0, immz()); break;
    case 0xb0: case 0xb1: case 0xb2: case 0xb3: case 0xb4: case 0xb5: case 0xb6: case 0xb7:
      putR(U.MOV + 12, gpr8((op & 7) | ((rex & 1) << 3)), 0, i8at());
      break;
    case 0xb8: case 0xb9: case 0xba: case 0xbb: case 0xbc: case 0xbd: case 0xbe: case 0xbf: {
      const n = gpr((op & 7) | ((rex & 1) << 3));
      if (osz == 8) {
        const low = i32at();
        const high = i32at();
        put(U.MOVABS, n, 0, 0, 0, low, high);
      } else putR(U.MOV + 12 + sizeIndex(), n, 0, immz());
      break;
    }
    case 0xc0: case 0xc1: {
      modrm();
      const count = <i32>u8at();
      group2(op & 1 ? sizeIndex() : 0, count);
      break;
    }
    case 0xd0: case 0xd1: modrm(); group2(op & 1 ? sizeIndex() : 0, 1); break;
    case 0xd2: case 0xd3: modrm(); group2(op & 1 ? sizeIndex() : 0, -1); break;
    case 0xc2: case 0xc3: {
      const bytes = op == 0xc2 ? u16at() : 0;
      ends = true;
      if (mode == 2) putR(U.RET, 0, 0, <i32>bytes);
      else putR(U.BRANCH_FN, 0, 0, info(2, osz, bytes));
      break;
    }
    case 0xc4: case 0xc5: // LES LDS (VEX in 64-bit mode and with mod 3: no AVX here)
      modrm();
      if (mode == 2 || mod == 3) ud();
      else {
        const target: u32 = op == 0xc4 ? 0 : 3;
        sysRM(S.SYS_LOAD_FAR, target);
      }
      break;
    case 0xc6: case 0xc7: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      if ((regField & 7) != 0) {
        ud();
        break;
      }
      const imm = index == 0 ? i8at() : immz();
      if (mod == 3) putR(U.MOV + 12 + index, regOf(index, rmField), 0, imm);
      else putM(U.MOV + 16 + index, 0, imm);
      break;
    }
    case 0xc8: {
      stackSize();
      const size = u16at();
      const level = u8at();
      put(U.ENTER, 0, 0, REGISTER, 0, <i32>level, info(0, osz, size));
      break;
    }
    case 0xc9:
      stackSize();
      if (osz == 8) put(U.LEAVE, 0, 0, 0, 0, 0, 0);
      else putR(U.LEAVE_FN, 0, 0, info(0, osz, 0));
      break;
    case 0xca: case 0xcb: {
      const bytes = op == 0xca ? u16at() : 0;
      ends = true;
      sysOp(S.SYS_RET_FAR, bytes);
      break;
    }
    case 0xcc: ends = true; sysOp(S.SYS_INT, 0x103); break;
    case 0xcd: {
      const vector = u8at();
      ends = true;
      sysOp(S.SYS_INT, vector);
      break;
    }
    case 0xce:
      if (mode == 2) ud();
      else sysOp(S.SYS_INT, 0x204);
      break;
    case 0xf1: ends = true; sysOp(S.SYS_INT, 0x301); break;
    case 0xcf: ends = true; sysOp(S.SYS_IRET, 0); break;
    case 0xd4: case 0xd5:
      if (mode == 2) ud();
      else {
        const radix = u8at();
        putR(U.BCD, 0, 0, info(op, 0, radix));
      }
      break;
    case 0xd6: // SALC
      if (mode == 2) ud();
      else putR(U.FLAG, 0, 0, info(9, 0, 0));
      break;
    case 0xd7:
      eaBase = gpr(3);
      eaIndex = ZERO_SLOT;
      eaDisp = 0;
      setEaFlags(0, false);
      putM(U.XLAT, 0, 0);
      break;
    case 0xd8: case 0xd9: case 0xda: case 0xdb: case 0xdc: case 0xdd: case 0xde: case 0xdf:
      modrm();
      if (mod == 3) put(U.X87, 0, 0, REGISTER, 0, 0, info(op & 7, osz, 0xc0 | ((regField & 7) << 3) | (rmField & 7)));
      else putM(U.X87, 0, info(op & 7, osz, regField & 7));
      break;
    case 0xe0: case 0xe1: case 0xe2: case 0xe3: {
      // LOOPNE LOOPE LOOP JCXZ: counter by address size.
      const rel = i8at();
      put(U.BRANCH_FN, 0, asz, REGISTER, 0, rel, info(4 + (op & 3), mode == 2 ? 8 : osz, 0));
      break;
    }
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: {
      const port = u8at();
      ioOp(op, port, true);
      break;
    }
    case 0xec: case 0xed: case 0xee: case 0xef: ioOp(op, 0, false); break;
    case 0xe8: {
      const rel = mode != 2 && osz == 2 ? <i32><i16>u16at() : i32at();
      if (mode == 2) {
        ends = true;
        putBranch(U.CALL_LOCAL, U.CALL_FAR, rel);
      } else {
        ends = true;
        put(U.BRANCH_FN, 0, 0, REGISTER, 0, rel, info(3, osz, 0));
      }
      break;
    }
    case 0xe9: case 0xeb: {
      const rel = op == 0xeb ? i8at() : mode != 2 && osz == 2 ? <i32><i16>u16at() : i32at();
      ends = true;
      putBranch(U.JMP_LOCAL, U.JMP_FAR, rel);
      break;
    }
    case 0xf4: sysOp(S.SYS_HLT, 0); break;
    case 0xf5: putR(U.FLAG, 0, 0, info(2, 0, 0)); break; // CMC
    case 0xf6: group3(0); break;
    case 0xf7: group3(sizeIndex()); break;
    case 0xf8: putR(U.FLAG, 0, 0, info(3, 0, 0)); break; // CLC
    case 0xf9: putR(U.FLAG, 0, 0, info(4, 0, 0)); break; // STC
    case 0xfa: sysOp(S.SYS_CLI, 0); break;
    case 0xfb: sysOp(S.SYS_STI, 0); break;
    case 0xfc: putR(U.FLAG, 0, 0, info(5, 0, 0)); break; // CLD
    case 0xfd: putR(U.FLAG, 0, 0, info(6, 0, 0)); break; // STD
    case 0xfe:
      modrm();
      if ((regField & 7) > 1) ud();
      else incDec(0, regField & 7);
      break;
    case 0xff: group5(); break;
    default: ud();
  }
}

/** MOV with a 64-bit absolute address: the micro-op's last 8 bytes hold it, the segment stands in byte 5. */
function moffs64(op: u32, index: u32): void {
  const low = i32at();
  const high = i32at();
  const s: u32 = seg >= 4 ? <u32>seg : 3;
  put(U.MOFFS, (op & 2 ? 4 : 0) | index, s, REGISTER, 0, low, high);
}

function ioOp(op: u32, port: u32, immediate: bool): void {
  const size: u32 = op & 1 ? (osz == 2 ? 2 : 4) : 1;
  const kind = op & 2 ? (immediate ? S.SYS_OUT_IMM : S.SYS_OUT_DX) : immediate ? S.SYS_IN_IMM : S.SYS_IN_DX;
  osz = size;
  sysOp(kind, port);
}

function stringOp(op: u32): void {
  const size: u32 = op & 1 ? osz : 1;
  const isIo = op < 0x70;
  const width: u32 = isIo && size == 8 ? 4 : size;
  const s: u32 = seg >= 0 ? <u32>seg : 3;
  put(U.STRING, rep, s, asz, 0, 0, info(op, width, 0));
}

function twoByte(): void {
  const op = u8at();
  switch (op) {
    case 0x00: { // SLDT STR LLDT LTR VERR VERW
      modrm();
      const kind = regField & 7;
      if (kind > 5) ud();
      else {
        if (mod == 3) rmField = gpr(rmField);
        sysRM(S.SYS_GROUP6, kind);
      }
      break;
    }
    case 0x01: group7(); break;
    case 0x02: case 0x03:
      modrm();
      regField = gpr(regField);
      if (mod == 3) rmField = gpr(rmField);
      sysRM(op == 2 ? S.SYS_LAR : S.SYS_LSL, 0);
      break;
    case 0x05: if (mode != 2) ud(); else { ends = true; sysOp(S.SYS_SYSCALL, 0); } break;
    case 0x06: sysOp(S.SYS_CLTS, 0); break;
    case 0x07: if (mode != 2) ud(); else { ends = true; sysOp(S.SYS_SYSRET, 0); } break;
    case 0x08: sysOp(S.SYS_INVD, 0); break;
    case 0x09: sysOp(S.SYS_WBINVD, 0); break;
    case 0x0b: ud(); break;
    case 0x0d: modrm(); put(U.NOP, 0, 0, 0, 0, 0, 0); break; // PREFETCHW
    case 0x18: case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: case 0x1e: case 0x1f:
      modrm();
      put(U.NOP, 0, 0, 0, 0, 0, 0);
      break;
    case 0x20: case 0x21: case 0x22: case 0x23: {
      const b = u8at();
      const r = ((b >> 3) & 7) | ((rex & 4) << 1);
      const g = (b & 7) | ((rex & 1) << 3);
      const isCr = (op & 1) == 0;
      if (isCr ? !(r == 0 || r == 2 || r == 3 || r == 4 || r == 8) : r > 7) {
        ud();
        break;
      }
      // LOCK MOV CR0 is AMD's CR8 access: #UD here, by the LOCK rule.
      regField = r;
      rmField = gpr(g);
      osz = mode == 2 ? 8 : 4;
      sysOp(op == 0x20 ? S.SYS_MOV_FROM_CR : op == 0x21 ? S.SYS_MOV_FROM_DR : op == 0x22 ? S.SYS_MOV_TO_CR : S.SYS_MOV_TO_DR, 0);
      break;
    }
    case 0x30: sysOp(S.SYS_WRMSR, 0); break;
    case 0x31: sysOp(S.SYS_RDTSC, 0); break;
    case 0x32: sysOp(S.SYS_RDMSR, 0); break;
    case 0x33: sysOp(S.SYS_RDPMC, 0); break;
    case 0x34: ends = true; sysOp(S.SYS_SYSENTER, 0); break;
    case 0x35: ends = true; sysOp(S.SYS_SYSEXIT, 0); break;
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: case 0x47:
    case 0x48: case 0x49: case 0x4a: case 0x4b: case 0x4c: case 0x4d: case 0x4e: case 0x4f:
      modrm();
      putRM(U.CMOV, gpr(regField), gpr(rmField), info(op & 15, sizeIndex(), 0));
      break;
    case 0x77: sysOp(S.SYS_EMMS, 0); break;
    case 0x80: case 0x81: case 0x82: case 0x83: case 0x84: case 0x85: case 0x86: case 0x87:
    case 0x88: case 0x89: case 0x8a: case 0x8b: case 0x8c: case 0x8d: case 0x8e: case 0x8f: {
      const rel = mode != 2 && osz == 2 ? <i32><i16>u16at() : i32at();
      putBranch(U.JCC_LOCAL + (op & 15), U.JCC_FAR + (op & 15), rel);
      break;
    }
    case 0x90: case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
    case 0x98: case 0x99: case 0x9a: case 0x9b: case 0x9c: case 0x9d: case 0x9e: case 0x9f:
      modrm();
      putRM(U.SETCC, 0, gpr8(rmField), info(op & 15, 0, 0));
      break;
    case 0xa0: case 0xa8: stackSize(); putR(U.PUSH_FN, 0, op == 0xa0 ? 4 : 5, info(2, osz, 0)); break;
    case 0xa1: case 0xa9: stackSize(); regField = op == 0xa1 ? 4 : 5; sysOp(S.SYS_POP_SEG, 0); break;
    case 0xa2: sysOp(S.SYS_CPUID, 0); break;
    case 0xa3: case 0xab: case 0xb3: case 0xbb: { // BT BTS BTR BTC by register
      modrm();
      const kind = (op >> 3) & 3;
      lockable = kind != 0;
      putRM(U.BIT, gpr(regField), gpr(rmField), info(kind, sizeIndex(), 0));
      break;
    }
    case 0xba: {
      modrm();
      const kind = regField & 7;
      const bit = u8at();
      if (kind < 4) {
        ud();
        break;
      }
      lockable = kind != 4;
      putRM(U.BIT, 0, gpr(rmField), info((kind & 3) | 4, sizeIndex(), bit));
      break;
    }
    case 0xa4: case 0xac: {
      modrm();
      const count = u8at();
      putRM(U.SHIFTD, gpr(regField), gpr(rmField), info(op >> 3 & 1, sizeIndex(), count));
      break;
    }
    case 0xa5: case 0xad:
      modrm();
      putRM(U.SHIFTD, gpr(regField), gpr(rmField), info(op >> 3 & 1, sizeIndex(), 0x100));
      break;
    case 0xaa: ends = true; sysOp(S.SYS_RSM, 0); break;
    case 0xae: group15(); break;
    case 0xaf:
      modrm();
      if (osz == 2) putRM(U.IMUL16, gpr(regField), gpr(rmField), info(2, 1, 0));
      else if (mod == 3) putR(osz == 4 ? U.IMUL_RR_32 : U.IMUL_RR_64, gpr(regField), gpr(rmField), 0);
      else putM(osz == 4 ? U.IMUL_RM_32 : U.IMUL_RM_64, gpr(regField), 0);
      break;
    case 0xb0: case 0xb1: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      lockable = true;
      putRM(U.CMPXCHG, regOf(index, regField), regOf(index, rmField), info(0, index, 0));
      break;
    }
    case 0xb2: case 0xb4: case 0xb5: // LSS LFS LGS
      modrm();
      if (mod == 3) ud();
      else sysRM(S.SYS_LOAD_FAR, op & 7);
      break;
    case 0xb6: case 0xb7: case 0xbe: case 0xbf: movx(op); break;
    case 0xb9: case 0xff: modrm(); ud(); break;
    case 0xbc: case 0xbd:
      modrm();
      putRM(U.SCAN, gpr(regField), gpr(rmField), info(op & 1, sizeIndex(), 0));
      break;
    case 0xc0: case 0xc1: {
      modrm();
      const index: u32 = op & 1 ? sizeIndex() : 0;
      lockable = true;
      putRM(U.XADD, regOf(index, regField), regOf(index, rmField), info(0, index, 0));
      break;
    }
    case 0xc7:
      modrm();
      if ((regField & 7) == 1 && mod != 3) {
        lockable = true;
        putM(U.CMPXCHG8B, 0, info(0, osz == 8 ? 16 : 8, 0));
      } else ud();
      break;
    case 0xc8: case 0xc9: case 0xca: case 0xcb: case 0xcc: case 0xcd: case 0xce: case 0xcf: {
      const n = gpr((op & 7) | ((rex & 1) << 3));
      putR(osz == 8 ? U.BSWAP_64 : osz == 4 ? U.BSWAP_32 : U.BSWAP16, n, 0, 0);
      break;
    }
    default: vector(0, op);
  }
}

function movx(op: u32): void {
  modrm();
  const m: u32 = mod == 3 ? 0 : 1;
  const from16 = (op & 1) != 0;
  const signed = op >= 0xbe;
  const rm = from16 ? gpr(rmField) : gpr8(rmField);
  let o: u32;
  if (from16 && osz == 2) {
    putRM(U.MOV + (m ? 4 : 0) + 1, gpr(regField), rm, 0);
    return;
  }
  if (!signed) o = from16 ? U.MOVZX_R_16_32 : osz == 2 ? U.MOVZX_R_8_16 : U.MOVZX_R_8_32;
  else if (from16) o = osz == 8 ? U.MOVSX_R_16_64 : U.MOVSX_R_16_32;
  else o = osz == 8 ? U.MOVSX_R_8_64 : osz == 4 ? U.MOVSX_R_8_32 : U.MOVSX_R_8_16;
  putRM(o + m, gpr(regField), rm, 0);
}

/** 0F 01. */
function group7(): void {
  modrm();
  const kind = regField & 7;
  if (mod != 3) {
    if (kind == 5) ud();
    else sysRM(kind == 7 ? S.SYS_INVLPG : kind == 6 ? S.SYS_LMSW : kind == 4 ? S.SYS_SMSW : S.SYS_TABLES, kind);
    return;
  }
  const low = rmField & 7;
  rmField = gpr(rmField);
  if (kind == 4) sysOp(S.SYS_SMSW, 0);
  else if (kind == 6) sysOp(S.SYS_LMSW, 0);
  else if (kind == 0 && low == 1) {
    ends = true;
    sysOp(S.SYS_VMCALL, 0);
  } else if (kind == 2 && low < 2) sysOp(low == 0 ? S.SYS_XGETBV : S.SYS_XSETBV, 0);
  else if (kind == 7 && low == 0 && mode == 2) sysOp(S.SYS_SWAPGS, 0);
  else if (kind == 7 && low == 1) sysOp(S.SYS_RDTSCP, 0);
  else ud();
}

/** 0F AE. */
function group15(): void {
  modrm();
  const kind = regField & 7;
  if (mod == 3) {
    // LFENCE MFENCE SFENCE; the FSGSBASE forms are not of this level.
    if (rep == 0 && !pfx66 && kind >= 5) put(U.NOP, 0, 0, 0, 0, 0, 0);
    else ud();
    return;
  }
  if (rep != 0) {
    ud();
    return;
  }
  if (kind == 7 && !pfx66) {
    putM(U.SYS, 0, info(S.SYS_CLFLUSH, osz, 0));
    return;
  }
  if (kind > 3 || pfx66) {
    ud();
    return;
  }
  sysRM(S.SYS_FX, kind);
}

/** MMX, SSE: described by the operand table. */
function vector(map: u32, opcode: u32): void {
  let op = opcode;
  let m = map;
  if (op == 0x38 || op == 0x3a) {
    m = op == 0x38 ? 1 : 2;
    op = u8at();
  }
  const prefix: u32 = rep == 0xf3 ? 2 : rep == 0xf2 ? 3 : pfx66 ? 1 : 0;
  modrm();
  const code = (m << 10) | (prefix << 8) | op;
  const d = over ? 0 : sseInfo(code, mod != 3, regField & 7);
  if (d == 0) {
    ud();
    return;
  }
  if (<u32>((d & INFO_LEVEL) >> INFO_LEVEL_SHIFT) > <u32>load<u32>(VM_SIMD_LEVEL)) {
    ud();
    return;
  }
  const imm: u32 = (d & INFO_IMM8) != 0 ? u8at() : 0;
  const wide = osz == 8;
  let size = (d & INFO_SIZE) >> INFO_SIZE_SHIFT;
  if (wide && (d & INFO_WIDE) != 0) size = 8;
  const bits = (d & INFO_STORE ? SSE_STORE : 0) | (d & INFO_ALIGNED ? SSE_ALIGNED : 0) | (d & INFO_MMX ? SSE_MMX : 0) | (wide ? SSE_WIDE : 0);
  const last = size == 0 ? 0 : <u32>ctz<u32>(size) | ((d & INFO_REG) << 3) | (d & INFO_SSE ? SSE_XMM : 0) | (d & (INFO_MASKMOV | INFO_GROUP) ? SSE_SPECIAL : 0);
  putRM(U.SSE, regField, rmField, <i32>(<i32>(code | bits | (imm << 16) | (last << 24))));
  // A register form has room for the whole description.
  if (mod == 3) store<u32>(out, d | ((d & INFO_GROUP) != 0 ? (regField & 7) << 28 : 0) | (seg >= 0 ? 0 : 0), 8);
}

/** Byte 12 of U.SSE: opcode 11:0 and these; byte 14 immediate; byte 15: log2 of the memory size 2:0, class of reg 5:3, and these. */
export const SSE_STORE: u32 = 0x1000;
export const SSE_ALIGNED: u32 = 0x2000;
export const SSE_MMX: u32 = 0x4000;
export const SSE_WIDE: u32 = 0x8000;
export const SSE_XMM: u32 = 0x40;
export const SSE_SPECIAL: u32 = 0x80;

/**
 * Decodes the line at host address `host` into `at`; returns the end of what it wrote. The line ends with an unconditional branch, at the page's
 * end, or when it is full.
 */
export function decodeLine(cpu: usize, host: usize, codeMode: u32, at: usize): usize {
  mode = codeMode;
  const page = host & ~0xfff;
  p = host;
  end = page + 4096;
  out = at;
  let previous: usize = 0;
  let setter: usize = 0;
  let n: u32 = 0;
  while (true) {
    pageOffset = <u32>(p - page);
    if (p == end) {
      close(U.PAGE_END, 0);
      break;
    }
    if (n == LINE_MAX) {
      close(U.CHECK, <i32>pageOffset);
      break;
    }
    const before = p;
    decodeOne();
    if (over) {
      pageOffset = <u32>(before - page);
      close(U.ALONE, 0);
      break;
    }
    n++;
    const op = <u32>load<u16>(out);
    // Flags that nobody can see before they are replaced need not be kept: only register operations stand in between, and a line is
    // entered at its first micro-op alone.
    const use = U.flagUse(op);
    if (use == 1 && setter != 0) store<u16>(setter, <u16>U.quietOp(<u32>load<u16>(setter)));
    if (use != 2) setter = U.quietOp(op) != 0 ? out : 0;
    if (previous != 0 && op >= U.JCC_LOCAL && op < U.JCC_LOCAL + 16) {
      const both = U.fusedOp(<u32>load<u16>(previous), op - U.JCC_LOCAL);
      if (both) store<u16>(previous, <u16>both);
    }
    previous = out;
    out += 16;
    if (ends) break;
  }
  store<u64>(cpu, load<u64>(cpu, ENG_LINES) + 1, ENG_LINES);
  store<u64>(cpu, load<u64>(cpu, ENG_UOPS) + <u64>n, ENG_UOPS);
  return out;
}

function close(op: u32, imm: i32): void {
  put(op, 0, 0, 0, 0, 0, imm);
  store<u16>(out, <u16>(pageOffset & 0xfff), 2);
  out += 16;
}

/** Decodes one instruction from `bytes` (of which `n` are there) for page offset `offset`, and a STOP after it; false when bytes are missing. */
export function decodeAlone(bytes: usize, n: u32, offset: u32, codeMode: u32, at: usize): bool {
  mode = codeMode;
  p = bytes;
  end = bytes + n;
  out = at;
  pageOffset = offset;
  decodeOne();
  if (over) return false;
  out += 16;
  put(U.STOP, 0, 0, 0, 0, 0, 0);
  return true;
}
