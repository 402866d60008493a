/**
 * The one-byte opcodes: each instruction to its micro-op (SDM vol. 2, appendix A.3, table A-2, groups 1 to 5 and 11 of table A-6).
 *
 * Also those that only the opcode map or nobody documents but every processor has: SALC (D6), INT1 (F1), SAL (group 2 /6), TEST (group 3
 * /1), the alias of group 1 at 82. Not here: EVEX (62 is BOUND or #UD), XOP.
 */
import {
  absolute, addressRbx, allowLock, asz, endLine, gpr, gpr8, i32at, i8at, has, immz, info, mod, mode, modrm, nearSize, opcodeReg, osz, peek, put, putBranch, putM,
  putR, putRM, putSys, putSysRM, REGISTER, reg, regOf, relz, rep, rex, rm, segmentOrDs, sizeIndex, stackSize, u16at, u8at, ud, widthOf,
} from './instruction';
import { ISA_LAHF_LM, ISA_SSE3 } from './state.gen';
import * as S from './sys';
import * as U from './uop.gen';
import { vex } from './vex';

export function oneByte(op: u32): void {
  if (op < 0x40 && (op & 7) < 6) {
    alu(op >> 3, op & 7);
    return;
  }
  switch (op) {
    case 0x06: case 0x0e: case 0x16: case 0x1e: // PUSH ES CS SS DS
      if (mode == 2) ud();
      else putR(U.PUSH_FN, 0, op >> 3, info(2, osz, 0));
      break;
    case 0x07: case 0x17: case 0x1f: // POP ES SS DS
      if (mode == 2) ud();
      else putR(U.SYS, op >> 3, 0, info(S.SYS_POP_SEG, osz, 0));
      break;
    case 0x27: case 0x2f: case 0x37: case 0x3f: // DAA DAS AAA AAS
      decimal(op, 0);
      break;
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: case 0x47:
    case 0x48: case 0x49: case 0x4a: case 0x4b: case 0x4c: case 0x4d: case 0x4e: case 0x4f:
      incDec(sizeIndex(), (op >> 3) & 1, op & 7);
      break;
    case 0x50: case 0x51: case 0x52: case 0x53: case 0x54: case 0x55: case 0x56: case 0x57: {
      stackSize();
      const r = gpr(opcodeReg(op));
      if (osz == 8) putR(U.PUSH_R, r, 0, 0);
      else putR(U.PUSH_FN, 0, r, info(1, osz, 0));
      break;
    }
    case 0x58: case 0x59: case 0x5a: case 0x5b: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      stackSize();
      const r = gpr(opcodeReg(op));
      if (osz == 8) putR(U.POP_R, r, 0, 0);
      else putR(U.POP_FN, 0, r, info(1, osz, 0));
      break;
    }
    case 0x60: case 0x61:
      if (mode == 2) ud();
      else putR(op == 0x60 ? U.PUSHA : U.POPA, 0, 0, info(0, osz, 0));
      break;
    case 0x62: bound(); break;
    case 0x63:
      modrm();
      if (mode != 2) putRM(U.SYS, reg, gpr(rm), info(S.SYS_ARPL, 2, 0));
      else if (osz == 8) putRM(mod == 3 ? U.MOVSX_R_32_64 : U.MOVSX_M_32_64, gpr(reg), gpr(rm), 0);
      // MOVSXD without REX.W extends nothing.
      else putRM(U.MOV + (mod == 3 ? 0 : 4) + sizeIndex(), gpr(reg), gpr(rm), 0);
      break;
    case 0x68: stackSize(); pushImmediate(immz()); break;
    case 0x6a: stackSize(); pushImmediate(i8at()); break;
    case 0x69: case 0x6b: multiply(op == 0x6b); break;
    case 0x6c: case 0x6d: case 0x6e: case 0x6f:
    case 0xa4: case 0xa5: case 0xa6: case 0xa7: case 0xaa: case 0xab: case 0xac: case 0xad: case 0xae: case 0xaf:
      string(op);
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
      const index = widthOf(op);
      if (mod == 3) putR(U.TEST + index, regOf(index, rm), regOf(index, reg), 0);
      else putM(U.TEST + 4 + index, regOf(index, reg), 0);
      break;
    }
    case 0x86: case 0x87: {
      modrm();
      const index = widthOf(op);
      allowLock();
      putRM(U.XCHG, regOf(index, reg), regOf(index, rm), info(0, index, 0));
      break;
    }
    case 0x88: case 0x89: case 0x8a: case 0x8b: move(op); break;
    case 0x8c: // MOV r/m, Sreg
      modrm();
      if ((reg & 7) > 5) ud();
      else putSysRM(S.SYS_MOV_FROM_SEG, reg & 7, 0);
      break;
    case 0x8d:
      modrm();
      if (mod == 3) ud();
      else putM(U.LEA + sizeIndex() - 1, gpr(reg), 0);
      break;
    case 0x8e: // MOV Sreg, r/m: never CS
      modrm();
      if ((reg & 7) > 5 || (reg & 7) == 1) ud();
      else putSysRM(S.SYS_MOV_TO_SEG, reg & 7, 0);
      break;
    case 0x8f: // group 1A: POP r/m
      stackSize();
      modrm();
      if ((reg & 7) != 0) ud();
      else if (mod == 3 && osz == 8) putR(U.POP_R, gpr(rm), 0, 0);
      else putRM(U.POP_FN, 0, gpr(rm), info(mod == 3 ? 1 : 2, osz, 0));
      break;
    case 0x90:
      // Intel's decoder takes F3 for PAUSE even with REX.B, which AMD's exchanges.
      if (rep == 0xf3) putSys(S.SYS_PAUSE, 0);
      else if (rex & 1) putR(U.XCHG, gpr(0), gpr(8), info(0, sizeIndex(), 0));
      else put(U.NOP, 0, 0, 0, 0, 0, 0);
      break;
    case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
      putR(U.XCHG, gpr(0), gpr(opcodeReg(op)), info(0, sizeIndex(), 0));
      break;
    case 0x98: case 0x99: putR(U.CONVERT, 0, 0, info(op & 1, osz, 0)); break;
    case 0x9a: case 0xea: farImmediate(op == 0x9a ? S.SYS_CALL_FAR : S.SYS_JMP_FAR); break;
    case 0x9b: putSys(S.SYS_FWAIT, 0); break;
    case 0x9c: stackSize(); putSys(S.SYS_PUSHF, 0); break;
    case 0x9d: stackSize(); putSys(S.SYS_POPF, 0); break;
    case 0x9e: case 0x9f: // SAHF LAHF
      if (mode == 2 && !has(ISA_LAHF_LM)) ud();
      else putR(U.FLAG, 0, 0, info(op & 1, 0, 0));
      break;
    case 0xa0: case 0xa1: case 0xa2: case 0xa3: moveOffset(op); break;
    case 0xa8: case 0xa9: {
      const index = widthOf(op);
      putR(U.TEST + 8 + index, 0, 0, index == 0 ? i8at() : immz());
      break;
    }
    case 0xb0: case 0xb1: case 0xb2: case 0xb3: case 0xb4: case 0xb5: case 0xb6: case 0xb7:
      putR(U.MOV + 12, gpr8(opcodeReg(op)), 0, i8at());
      break;
    case 0xb8: case 0xb9: case 0xba: case 0xbb: case 0xbc: case 0xbd: case 0xbe: case 0xbf:
      if (osz == 8) {
        const low = i32at();
        put(U.MOVABS, gpr(opcodeReg(op)), 0, 0, 0, low, i32at());
      } else putR(U.MOV + 12 + sizeIndex(), gpr(opcodeReg(op)), 0, immz());
      break;
    case 0xc0: case 0xc1: modrm(); group2(widthOf(op), <i32>u8at()); break;
    case 0xd0: case 0xd1: modrm(); group2(widthOf(op), 1); break;
    case 0xd2: case 0xd3: modrm(); group2(widthOf(op), -1); break;
    case 0xc2: nearReturn(u16at()); break;
    case 0xc3: nearReturn(0); break;
    case 0xc4: case 0xc5: // VEX; LES and LDS, which have no register form
      if (mode == 2 || peek() >= 0xc0) vex(op);
      else {
        modrm();
        putSysRM(S.SYS_LOAD_FAR, reg, op == 0xc4 ? 0 : 3);
      }
      break;
    case 0xc6: case 0xc7: group11(widthOf(op)); break;
    case 0xc8: {
      stackSize();
      const size = u16at();
      put(U.ENTER, 0, 0, REGISTER, 0, <i32>u8at(), info(0, osz, size));
      break;
    }
    case 0xc9:
      stackSize();
      if (osz == 8) put(U.LEAVE, 0, 0, 0, 0, 0, 0);
      else putR(U.LEAVE_FN, 0, 0, info(0, osz, 0));
      break;
    case 0xca: endLine(); putSys(S.SYS_RET_FAR, u16at()); break;
    case 0xcb: endLine(); putSys(S.SYS_RET_FAR, 0); break;
    case 0xcc: endLine(); putSys(S.SYS_INT, 0x103); break;
    case 0xcd: endLine(); putSys(S.SYS_INT, u8at()); break;
    case 0xce: // INTO
      if (mode == 2) ud();
      else putSys(S.SYS_INT, 0x204);
      break;
    case 0xcf: endLine(); putSys(S.SYS_IRET, 0); break;
    case 0xd4: case 0xd5: decimal(op, u8at()); break; // AAM AAD
    case 0xd6: // SALC
      if (mode == 2) ud();
      else putR(U.FLAG, 0, 0, info(9, 0, 0));
      break;
    case 0xd7: addressRbx(); putM(U.XLAT, 0, 0); break;
    case 0xd8: case 0xd9: case 0xda: case 0xdb: case 0xdc: case 0xdd: case 0xde: case 0xdf:
      x87(op & 7);
      break;
    case 0xe0: case 0xe1: case 0xe2: case 0xe3: // LOOPNE LOOPE LOOP JCXZ: counter by address size
      put(U.BRANCH_FN, 0, asz, REGISTER, 0, i8at(), info(4 + (op & 3), nearSize(), 0));
      break;
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: port(op, u8at(), op & 2 ? S.SYS_OUT_IMM : S.SYS_IN_IMM); break;
    case 0xec: case 0xed: case 0xee: case 0xef: port(op, 0, op & 2 ? S.SYS_OUT_DX : S.SYS_IN_DX); break;
    case 0xe8:
      endLine();
      if (mode == 2) putBranch(U.CALL_LOCAL, U.CALL_FAR, i32at());
      else put(U.BRANCH_FN, 0, 0, REGISTER, 0, relz(), info(3, osz, 0));
      break;
    case 0xe9: endLine(); putBranch(U.JMP_LOCAL, U.JMP_FAR, relz()); break;
    case 0xeb: endLine(); putBranch(U.JMP_LOCAL, U.JMP_FAR, i8at()); break;
    case 0xf1: endLine(); putSys(S.SYS_INT, 0x301); break;
    case 0xf4: putSys(S.SYS_HLT, 0); break;
    case 0xf5: putR(U.FLAG, 0, 0, info(2, 0, 0)); break; // CMC
    case 0xf6: case 0xf7: group3(widthOf(op)); break;
    case 0xf8: case 0xf9: putR(U.FLAG, 0, 0, info(3 + (op & 1), 0, 0)); break; // CLC STC
    case 0xfa: putSys(S.SYS_CLI, 0); break;
    case 0xfb: putSys(S.SYS_STI, 0); break;
    case 0xfc: case 0xfd: putR(U.FLAG, 0, 0, info(5 + (op & 1), 0, 0)); break; // CLD STD
    case 0xfe: // group 4
      modrm();
      if ((reg & 7) > 1) ud();
      else incDec(0, reg & 7, rm);
      break;
    case 0xff: group5(); break;
    default: ud();
  }
}

/** ADD OR ADC SBB AND SUB XOR CMP by opcode bits 2:0. */
function alu(op: u32, low: u32): void {
  const index = widthOf(low);
  const family = U.ALU + op * 20 + index;
  if (low >= 4) {
    putR(family + 12, 0, 0, index == 0 ? i8at() : immz());
    return;
  }
  modrm();
  const r = regOf(index, reg);
  if (mod == 3) {
    const other = regOf(index, rm);
    putR(family, low < 2 ? other : r, low < 2 ? r : other, 0);
  } else if (low < 2) {
    if (op != 7) allowLock();
    putM(family + 8, r, 0);
  } else putM(family + 4, r, 0);
}

function group1(index: u32, imm8: bool): void {
  modrm();
  const op = reg & 7;
  const imm = index == 0 || imm8 ? i8at() : immz();
  const family = U.ALU + op * 20 + index;
  if (op != 7) allowLock();
  if (mod == 3) putR(family + 12, regOf(index, rm), 0, imm);
  else putM(family + 16, 0, imm);
}

/** Shifts and rotates: `count` 0 to 255, or -1 for CL. */
function group2(index: u32, count: i32): void {
  const kind = reg & 7;
  const masked = count & (index == 3 ? 63 : 31);
  const quick = shiftImmediate(kind, index);
  if (mod != 3 || count < 0 || quick == 0) putRM(U.SHIFT, 0, regOf(index, rm), info(kind, index, count < 0 ? 0x100 : <u32>count));
  else if (masked != 0) putR(quick, gpr(rm), 0, masked);
  // Count 0 changes nothing, but a 32-bit destination is zero-extended.
  else if (index == 2) putR(U.MOV + 2, gpr(rm), gpr(rm), 0);
  else put(U.NOP, 0, 0, 0, 0, 0, 0);
}

/** The micro-op that shifts a 32- or 64-bit register by an immediate; 0 = there is none. */
function shiftImmediate(kind: u32, index: u32): u32 {
  if (index < 2) return 0;
  const wide = index == 3;
  switch (kind) {
    case 0: return wide ? U.ROL_RI_64 : U.ROL_RI_32;
    case 1: return wide ? U.ROR_RI_64 : U.ROR_RI_32;
    case 4: case 6: return wide ? U.SHL_RI_64 : U.SHL_RI_32;
    case 5: return wide ? U.SHR_RI_64 : U.SHR_RI_32;
    case 7: return wide ? U.SAR_RI_64 : U.SAR_RI_32;
    default: return 0;
  }
}

/** TEST TEST NOT NEG MUL IMUL DIV IDIV. */
function group3(index: u32): void {
  modrm();
  const kind = reg & 7;
  const r = regOf(index, rm);
  if (kind < 2) {
    const imm = index == 0 ? i8at() : immz();
    if (mod == 3) putR(U.TEST + 8 + index, r, 0, imm);
    else putM(U.TEST + 12 + index, 0, imm);
  } else if (kind < 4) {
    if (mod == 3 && index >= 2) putR(kind == 2 ? (index == 2 ? U.NOT_R_32 : U.NOT_R_64) : index == 2 ? U.NEG_R_32 : U.NEG_R_64, r, 0, 0);
    else {
      allowLock();
      putRM(U.UNARY, 0, r, info(kind, index, 0));
    }
  } else putRM(U.MULDIV, 0, r, info(kind, index, 0));
}

function incDec(index: u32, kind: u32, n: u32): void {
  const r = regOf(index, n);
  if (mod == 3 && index >= 2) putR(kind == 0 ? (index == 2 ? U.INC_R_32 : U.INC_R_64) : index == 2 ? U.DEC_R_32 : U.DEC_R_64, r, 0, 0);
  else {
    allowLock();
    putRM(U.UNARY, 0, r, info(kind, index, 0));
  }
}

function group5(): void {
  modrm();
  const kind = reg & 7;
  switch (kind) {
    case 0: case 1: incDec(sizeIndex(), kind, rm); break;
    case 2: case 4: // CALL JMP r/m
      endLine();
      if (mode != 2) putRM(U.BRANCH_FN, 0, gpr(rm), info(kind == 2 ? 1 : 0, osz, 0));
      else if (mod == 3) putR(kind == 2 ? U.CALL_R : U.JMP_R, 0, gpr(rm), 0);
      else putM(kind == 2 ? U.CALL_M : U.JMP_M, 0, 0);
      break;
    case 3: case 5: // CALL JMP m16:16, m16:32, m16:64
      endLine();
      if (mod == 3) ud();
      else putSysRM(kind == 3 ? S.SYS_CALL_FAR_M : S.SYS_JMP_FAR_M, 0, 0);
      break;
    case 6:
      stackSize();
      if (osz != 8) putRM(U.PUSH_FN, 0, gpr(rm), info(1, osz, 0));
      else if (mod == 3) putR(U.PUSH_R, gpr(rm), 0, 0);
      else putM(U.PUSH_M, 0, 0);
      break;
    default: ud();
  }
}

/** MOV r/m, imm; the other members of group 11 belong to TSX. */
function group11(index: u32): void {
  modrm();
  if ((reg & 7) != 0) {
    ud();
    return;
  }
  const imm = index == 0 ? i8at() : immz();
  if (mod == 3) putR(U.MOV + 12 + index, regOf(index, rm), 0, imm);
  else putM(U.MOV + 16 + index, 0, imm);
}

/** MOV between register and r/m; opcode bit 1: the register is the destination. */
function move(op: u32): void {
  modrm();
  const index = widthOf(op);
  const r = regOf(index, reg);
  if (mod == 3) {
    const other = regOf(index, rm);
    putR(U.MOV + index, op & 2 ? r : other, op & 2 ? other : r, 0);
  } else putM(U.MOV + (op & 2 ? 4 : 8) + index, r, 0);
}

/** MOV between the accumulator and an absolute address; of 64 bits it takes the last 8 bytes, and the segment stands in byte 5. */
function moveOffset(op: u32): void {
  const index = widthOf(op);
  if (asz == 8) {
    const low = i32at();
    put(U.MOFFS, (op & 2 ? 4 : 0) | index, segmentOrDs(), REGISTER, 0, low, i32at());
    return;
  }
  absolute(asz == 2 ? <i32>u16at() : i32at());
  putM(U.MOV + (op & 2 ? 8 : 4) + index, 0, 0);
}

/** IMUL with an immediate. */
function multiply(imm8: bool): void {
  modrm();
  const imm = imm8 ? i8at() : immz();
  if (osz == 2) putRM(U.IMUL16, gpr(reg), gpr(rm), info(3, 1, <u32>imm & 0xffff));
  else if (mod == 3) putR(osz == 4 ? U.IMUL_RRI_32 : U.IMUL_RRI_64, gpr(reg), gpr(rm), imm);
  else putM(osz == 4 ? U.IMUL_RMI_32 : U.IMUL_RMI_64, gpr(reg), imm);
}

function pushImmediate(imm: i32): void {
  if (osz == 8) put(U.PUSH_I, 0, 0, 0, 0, 0, imm);
  else put(U.PUSH_FN, 0, 0, REGISTER, 0, imm, info(0, osz, 0));
}

function nearReturn(bytes: u32): void {
  endLine();
  if (mode == 2) putR(U.RET, 0, 0, <i32>bytes);
  else putR(U.BRANCH_FN, 0, 0, info(2, osz, bytes));
}

/** CALL and JMP ptr16:16, ptr16:32. */
function farImmediate(kind: u32): void {
  endLine();
  if (mode == 2) {
    ud();
    return;
  }
  const offset = osz == 2 ? <i32>u16at() : i32at();
  put(U.SYS, 0, 0, REGISTER, 0, offset, info(kind, osz, u16at()));
}

function bound(): void {
  if (mode != 2) modrm();
  if (mod == 3) ud();
  else putM(U.BOUND, gpr(reg), info(0, osz, 0));
}

function decimal(op: u32, radix: u32): void {
  if (mode == 2) ud();
  else putR(U.BCD, 0, 0, info(op, 0, radix));
}

/** Reserved memory forms, before the address is looked at: D9 /1, DB /4 and /6, DD /5 (SDM vol. 2, table A-7). Bit esc << 3 | op. */
const X87_RESERVED: u64 = (1 << 9) | (1 << 28) | (1 << 30) | (1 << 45);

/** Which register forms are reserved the instruction knows (x87.ts). FISTTP came with SSE3. */
function x87(esc: u32): void {
  modrm();
  const op = reg & 7;
  if (mod == 3) putR(U.X87, 0, 0, info(esc, osz, 0xc0 | (op << 3) | (rm & 7)));
  else if ((X87_RESERVED >> ((esc << 3) | op)) & 1) ud();
  else if (op == 1 && (esc == 3 || esc == 5 || esc == 7) && !has(ISA_SSE3)) ud();
  else putM(U.X87, 0, info(esc, osz, op));
}

/** IN and OUT move at most 4 bytes. */
function port(op: u32, number: u32, kind: u32): void {
  const size: u32 = op & 1 ? (osz == 2 ? 2 : 4) : 1;
  putR(U.SYS, 0, 0, info(kind, size, number));
}

function string(op: u32): void {
  const size: u32 = op & 1 ? osz : 1;
  const isPort = op < 0x70;
  put(U.STRING, rep, segmentOrDs(), asz, 0, 0, info(op, isPort && size == 8 ? 4 : size, 0));
}
