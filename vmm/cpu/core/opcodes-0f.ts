/**
 * The opcodes behind 0F, 0F 38 and 0F 3A: each instruction to its micro-op (SDM vol. 2, appendix A.3, tables, groups 6 to 9, 15
 * and 16 of table A-6). SIMD is described by sse-table.ts.
 *
 * What CPUID does not enumerate is #UD: VMX but VMCALL, SMX, MONITOR; others by the extension. 0F 0D and 0F 18 to 0F 1F are hints
 * and reserved no-operations with any ModRM byte (table A-3; prefetches, CET and MPX have their instructions there). UD0 and UD1 have a ModRM byte.
 */
import {
  allowLock, eaFlags, endLine, gpr, gpr8, has, i8at, info, mod, mode, modrm, modrmRegisters, operandPrefix, opcodeReg, osz, out, over, prefixed, put, putBranch, putM, putR,
  putRM, putSys, putSysRM, reg, regOf, relz, rep, rex, rm, setEaFlags, sizeIndex, stackSize, u8at, ud, widthOf,
} from './instruction';
import {
  INFO_ALIGNED, INFO_GROUP, INFO_IMM8, INFO_LEVEL, INFO_LEVEL_SHIFT, INFO_MASKMOV, INFO_MMX, INFO_REG, INFO_SIZE, INFO_SIZE_SHIFT, INFO_SSE,
  INFO_STORE, INFO_WIDE, sseInfo,
} from './sse-table';
import {
  ISA_ABM, ISA_ADX, ISA_BMI1, ISA_CLFLUSHOPT, ISA_CLWB, ISA_CX16, ISA_FSGSBASE, ISA_INVPCID, ISA_MOVBE, ISA_PKU, ISA_POPCNT, ISA_RDPID, ISA_RDRAND,
  ISA_RDSEED, ISA_RDTSCP, ISA_SMAP, ISA_SSE4_2, ISA_XSAVE, ISA_XSAVEC, ISA_XSAVEOPT,
} from './state.gen';
import * as S from './sys';
import * as U from './uop.gen';

/** Byte 12 of U.SSE: opcode 11:0 and these; byte 14 immediate; byte 15: log2 of the memory size 2:0, class of reg 5:3, and these. */
export const SSE_STORE: u32 = 0x1000;
export const SSE_ALIGNED: u32 = 0x2000;
export const SSE_MMX: u32 = 0x4000;
export const SSE_WIDE: u32 = 0x8000;
export const SSE_XMM: u32 = 0x40;
export const SSE_SPECIAL: u32 = 0x80;

export function twoByte(): void {
  const op = u8at();
  switch (op) {
    case 0x00: // group 6: SLDT STR LLDT LTR VERR VERW
      modrm();
      if ((reg & 7) > 5) ud();
      else putSysRM(S.SYS_GROUP6, 0, reg & 7);
      break;
    case 0x01: group7(); break;
    case 0x02: case 0x03: modrm(); putSysRM(op == 2 ? S.SYS_LAR : S.SYS_LSL, gpr(reg), 0); break;
    // SYSCALL and SYSRET are #UD outside 64-bit code (SDM vol. 2; AMD has them in all modes).
    case 0x05: case 0x07:
      endLine();
      if (mode != 2) ud();
      else putSys(op == 5 ? S.SYS_SYSCALL : S.SYS_SYSRET, 0);
      break;
    case 0x06: putSys(S.SYS_CLTS, 0); break;
    case 0x08: putSys(S.SYS_INVD, 0); break;
    case 0x09: putSys(S.SYS_WBINVD, 0); break;
    case 0x0b: ud(); break; // UD2
    case 0x0d: case 0x18: case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: case 0x1e: case 0x1f:
      modrm();
      put(U.NOP, 0, 0, 0, 0, 0, 0);
      break;
    case 0x20: case 0x21: case 0x22: case 0x23: controlMove(op); break;
    case 0x30: putSys(S.SYS_WRMSR, 0); break;
    case 0x31: putSys(S.SYS_RDTSC, 0); break;
    case 0x32: putSys(S.SYS_RDMSR, 0); break;
    case 0x33: putSys(S.SYS_RDPMC, 0); break;
    case 0x34: endLine(); putSys(S.SYS_SYSENTER, 0); break;
    case 0x35: endLine(); putSys(S.SYS_SYSEXIT, 0); break;
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: case 0x47:
    case 0x48: case 0x49: case 0x4a: case 0x4b: case 0x4c: case 0x4d: case 0x4e: case 0x4f:
      modrm();
      putRM(U.CMOV, gpr(reg), gpr(rm), info(op & 15, sizeIndex(), 0));
      break;
    case 0x77:
      if (prefixed()) ud();
      else putSys(S.SYS_EMMS, 0);
      break;
    case 0x80: case 0x81: case 0x82: case 0x83: case 0x84: case 0x85: case 0x86: case 0x87:
    case 0x88: case 0x89: case 0x8a: case 0x8b: case 0x8c: case 0x8d: case 0x8e: case 0x8f:
      putBranch(U.JCC_LOCAL + (op & 15), U.JCC_FAR + (op & 15), relz());
      break;
    case 0x90: case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
    case 0x98: case 0x99: case 0x9a: case 0x9b: case 0x9c: case 0x9d: case 0x9e: case 0x9f:
      modrm();
      putRM(U.SETCC, 0, gpr8(rm), info(op & 15, 0, 0));
      break;
    case 0xa0: case 0xa8: stackSize(); putR(U.PUSH_FN, 0, op == 0xa0 ? 4 : 5, info(2, osz, 0)); break;
    case 0xa1: case 0xa9: stackSize(); putR(U.SYS, op == 0xa1 ? 4 : 5, 0, info(S.SYS_POP_SEG, osz, 0)); break;
    case 0xa2: putSys(S.SYS_CPUID, 0); break;
    case 0xa3: case 0xab: case 0xb3: case 0xbb: { // BT BTS BTR BTC by register
      modrm();
      const kind = (op >> 3) & 3;
      if (kind != 0) allowLock();
      putRM(U.BIT, gpr(reg), gpr(rm), info(kind, sizeIndex(), 0));
      break;
    }
    case 0xba: group8(); break;
    case 0xa4: case 0xac: modrm(); putRM(U.SHIFTD, gpr(reg), gpr(rm), info((op >> 3) & 1, sizeIndex(), u8at())); break;
    case 0xa5: case 0xad: modrm(); putRM(U.SHIFTD, gpr(reg), gpr(rm), info((op >> 3) & 1, sizeIndex(), 0x100)); break;
    case 0xaa: endLine(); putSys(S.SYS_RSM, 0); break;
    case 0xae: group15(); break;
    case 0xaf:
      modrm();
      if (osz == 2) putRM(U.IMUL16, gpr(reg), gpr(rm), info(2, 1, 0));
      else if (mod == 3) putR(osz == 4 ? U.IMUL_RR_32 : U.IMUL_RR_64, gpr(reg), gpr(rm), 0);
      else putM(osz == 4 ? U.IMUL_RM_32 : U.IMUL_RM_64, gpr(reg), 0);
      break;
    case 0xb0: case 0xb1: exchangeAdd(U.CMPXCHG, widthOf(op)); break;
    case 0xc0: case 0xc1: exchangeAdd(U.XADD, widthOf(op)); break;
    case 0xb2: case 0xb4: case 0xb5: // LSS LFS LGS
      modrm();
      if (mod == 3) ud();
      else putSysRM(S.SYS_LOAD_FAR, reg, op & 7);
      break;
    case 0xb6: case 0xb7: case 0xbe: case 0xbf: extend(op); break;
    case 0xb8: // POPCNT; JMPE without F3
      if (rep != 0xf3 || !has(ISA_POPCNT)) ud();
      else scan(2);
      break;
    // F3 makes these TZCNT and LZCNT where CPUID has them.
    case 0xbc: scan(rep == 0xf3 && has(ISA_BMI1) ? 3 : 0); break;
    case 0xbd: scan(rep == 0xf3 && has(ISA_ABM) ? 4 : 1); break;
    case 0xb9: case 0xff: modrm(); ud(); break; // UD1 UD0
    case 0xc7: group9(); break;
    case 0xc8: case 0xc9: case 0xca: case 0xcb: case 0xcc: case 0xcd: case 0xce: case 0xcf:
      putR(osz == 8 ? U.BSWAP_64 : osz == 4 ? U.BSWAP_32 : U.BSWAP16, gpr(opcodeReg(op)), 0, 0);
      break;
    case 0x38: threeByte(1); break;
    case 0x3a: threeByte(2); break;
    default: vector(0, op);
  }
}

/** 0F 38 (1) and 0F 3A (2). */
function threeByte(map: u32): void {
  const op = u8at();
  if (map == 1 && op >= 0xf0) extended38(op);
  else if (map == 1 && op == 0x82) invpcid();
  else vector(map, op);
}

/** INVPCID r, m128 (66). */
function invpcid(): void {
  modrm();
  if (mod == 3 || !operandPrefix || rep != 0 || !has(ISA_INVPCID)) ud();
  else putSysRM(S.SYS_INVPCID, gpr(reg), 0);
}

/** MOV to and from CR and DR: always registers, whatever mod says; CR0 2 3 4 8, DR0 to 7. LOCK MOV CR0 for CR8 is AMD's. */
function controlMove(op: u32): void {
  modrmRegisters();
  const control = (op & 1) == 0;
  if (control ? !(reg == 0 || reg == 2 || reg == 3 || reg == 4 || reg == 8) : reg > 7) {
    ud();
    return;
  }
  const kind = control ? (op & 2 ? S.SYS_MOV_TO_CR : S.SYS_MOV_FROM_CR) : op & 2 ? S.SYS_MOV_TO_DR : S.SYS_MOV_FROM_DR;
  putR(U.SYS, reg, gpr(rm), info(kind, mode == 2 ? 8 : 4, 0));
}

/** MOVZX MOVSX. */
function extend(op: u32): void {
  modrm();
  const memory: u32 = mod == 3 ? 0 : 1;
  const from16 = (op & 1) != 0;
  const r = from16 ? gpr(rm) : gpr8(rm);
  let to: u32;
  if (from16 && osz == 2) to = U.MOV + (mod == 3 ? 1 : 5);
  else if (op < 0xbe) to = memory + (from16 ? U.MOVZX_R_16_32 : osz == 2 ? U.MOVZX_R_8_16 : U.MOVZX_R_8_32);
  else if (from16) to = memory + (osz == 8 ? U.MOVSX_R_16_64 : U.MOVSX_R_16_32);
  else to = memory + (osz == 8 ? U.MOVSX_R_8_64 : osz == 4 ? U.MOVSX_R_8_32 : U.MOVSX_R_8_16);
  putRM(to, gpr(reg), r, 0);
}

/** BSF (0), BSR (1), POPCNT (2), TZCNT (3), LZCNT (4). */
function scan(kind: u32): void {
  modrm();
  putRM(U.SCAN, gpr(reg), gpr(rm), info(kind, sizeIndex(), 0));
}

/** CMPXCHG, XADD. */
function exchangeAdd(op: u32, index: u32): void {
  modrm();
  allowLock();
  putRM(op, regOf(index, reg), regOf(index, rm), info(0, index, 0));
}

/** 0F 01. */
function group7(): void {
  modrm();
  const kind = reg & 7;
  if (kind == 4) putSysRM(S.SYS_SMSW, 0, 0);
  else if (kind == 6) putSysRM(S.SYS_LMSW, 0, 0);
  else if (mod == 3) group7Register((kind << 3) | (rm & 7));
  else if (kind == 5) ud();
  else if (kind == 7) putSysRM(S.SYS_INVLPG, 0, 0);
  else putSysRM(S.SYS_TABLES, 0, kind);
}

/** The instructions without operands of 0F 01, by the low six bits of the ModRM byte. */
function group7Register(low: u32): void {
  if (low == 0x01 && !prefixed()) {
    endLine();
    putSys(S.SYS_VMCALL, 0);
  } else if ((low == 0x10 || low == 0x11) && !prefixed() && has(ISA_XSAVE)) putSys(low == 0x10 ? S.SYS_XGETBV : S.SYS_XSETBV, 0);
  else if (low == 0x38 && mode == 2) putSys(S.SYS_SWAPGS, 0);
  else if (low == 0x39 && has(ISA_RDTSCP)) putSys(S.SYS_RDTSCP, 0);
  else if ((low == 0x0a || low == 0x0b) && has(ISA_SMAP) && !prefixed()) putSys(S.SYS_SET_AC, low & 1);
  else if ((low == 0x2e || low == 0x2f) && has(ISA_PKU) && !prefixed()) putSys(low == 0x2e ? S.SYS_RDPKRU : S.SYS_WRPKRU, 0);
  else ud();
}

/** BT BTS BTR BTC by immediate. */
function group8(): void {
  modrm();
  const bit = u8at();
  const kind = reg & 7;
  if (kind < 4) {
    ud();
    return;
  }
  if (kind != 4) allowLock();
  putRM(U.BIT, 0, gpr(rm), info(kind, sizeIndex(), bit));
}

/** 0F C7: CMPXCHG8B CMPXCHG16B XSAVEC, and of registers RDRAND RDSEED RDPID. */
function group9(): void {
  modrm();
  const kind = reg & 7;
  if (mod == 3) group9Register(kind);
  else if (kind == 1 && (osz != 8 || has(ISA_CX16))) {
    allowLock();
    putM(U.CMPXCHG8B, 0, info(0, osz == 8 ? 16 : 8, 0));
  } else if (kind == 4 && mandatory() == 0 && has(ISA_XSAVEC)) putSysRM(S.SYS_XSAVE, 0, 3);
  else ud();
}

/** 66 is an operand size to RDRAND and RDSEED, which F2 and F3 are not for; RDPID has F3. */
function group9Register(kind: u32): void {
  if (kind == 7 && rep == 0xf3 && has(ISA_RDPID)) putSys(S.SYS_RDPID, 0);
  else if (rep == 0 && kind >= 6 && has(kind == 6 ? ISA_RDRAND : ISA_RDSEED)) putSys(S.SYS_RANDOM, 0);
  else ud();
}

/** The mandatory prefix: 0 = none, 1 = 66, 2 = F3, 3 = F2; F2 and F3 go before 66. */
function mandatory(): u32 {
  return rep == 0xf3 ? 2 : rep == 0xf2 ? 3 : operandPrefix ? 1 : 0;
}

/** 0F AE: state and its parts, cache lines, fences, segment bases (SDM vol. 2, table A-6). */
function group15(): void {
  modrm();
  const kind = reg & 7;
  const prefix = mandatory();
  if (mod != 3) {
    if (prefix == 0) group15Memory(kind);
    else if (prefix == 1 && kind >= 6 && has(kind == 6 ? ISA_CLWB : ISA_CLFLUSHOPT)) putSysRM(S.SYS_CLFLUSH, 0, kind);
    else ud();
  } else if (prefix == 2 && kind < 4 && mode == 2 && has(ISA_FSGSBASE)) putR(U.SYS, 0, gpr(rm), info(S.SYS_BASE, osz == 8 ? 8 : 4, kind));
  // The rm field of the fences is ignored (SDM vol. 2, LFENCE).
  else if (prefix == 0 && kind >= 5) put(U.NOP, 0, 0, 0, 0, 0, 0);
  else ud();
}

/** FXSAVE FXRSTOR LDMXCSR STMXCSR XSAVE XRSTOR XSAVEOPT CLFLUSH. */
function group15Memory(kind: u32): void {
  if (kind == 7) putSysRM(S.SYS_CLFLUSH, 0, 0);
  else if (kind < 4) putSysRM(S.SYS_FX, 0, kind);
  else if (has(kind == 6 ? ISA_XSAVEOPT : ISA_XSAVE)) putSysRM(S.SYS_XSAVE, 0, kind - 4);
  else ud();
}

/** 0F 38 F0 to FF: CRC32 (F2), MOVBE (none, or 66 for 16 bits), ADCX (66) and ADOX (F3). */
function extended38(op: u32): void {
  modrm();
  if (op <= 0xf1 && rep == 0xf2 && has(ISA_SSE4_2)) {
    const index = widthOf(op);
    putRM(U.CRC32, gpr(reg), regOf(index, rm), info(0, index, 0));
  } else if (op <= 0xf1 && rep == 0 && mod != 3 && has(ISA_MOVBE)) putM(U.MOVBE, gpr(reg), info(op & 1, sizeIndex(), 0));
  else if (op == 0xf6 && (mandatory() == 1 || mandatory() == 2) && has(ISA_ADX)) {
    putRM(U.ADX, gpr(reg), gpr(rm), info(mandatory() - 1, osz == 8 ? 3 : 2, 0));
  } else ud();
}

/** MMX, SSE: described by the operand table. */
function vector(map: u32, opcode: u32): void {
  modrm();
  const prefix = mandatory();
  const code = (map << 10) | (prefix << 8) | opcode;
  const d = sseInfo(code, mod != 3, reg & 7);
  if (d == 0 || !has(<u64>1 << ((d & INFO_LEVEL) >> INFO_LEVEL_SHIFT))) {
    ud();
    return;
  }
  const imm: u32 = (d & INFO_IMM8) != 0 ? u8at() : 0;
  const wide = osz == 8;
  let size = (d & INFO_SIZE) >> INFO_SIZE_SHIFT;
  if (wide && (d & INFO_WIDE) != 0) size = 8;
  const bits = (d & INFO_STORE ? SSE_STORE : 0) | (d & INFO_ALIGNED ? SSE_ALIGNED : 0) | (d & INFO_MMX ? SSE_MMX : 0) | (wide ? SSE_WIDE : 0);
  const last = <u32>ctz<u32>(size) | ((d & INFO_REG) << 3) | (d & INFO_SSE ? SSE_XMM : 0) | (d & (INFO_MASKMOV | INFO_GROUP) ? SSE_SPECIAL : 0);
  putRM(U.SSE, reg, rm, <i32>(code | bits | (imm << 16) | (last << 24)));
  if (mod != 3) return;
  // A register form has room for the whole description, and for the address that MASKMOV has besides: seg:rDI.
  store<u32>(out, d | ((d & INFO_GROUP) != 0 ? (reg & 7) << 28 : 0), 8);
  if (d & INFO_MASKMOV) {
    setEaFlags(0, false);
    store<u8>(out, <u8>eaFlags, 7);
  }
}
