/**
 * VEX-encoded instructions: the prefix C4 or C5, its fields, and who decodes what is behind it (SDM vol. 2, 2.3).
 *
 * In 64-bit code C4 and C5 are always VEX. Elsewhere they are when the next byte has bits 7:6 set, where LES and LDS would name a register:
 * so the inverted R (and X, or vvvv bit 3) can only name registers 0 to 7 there; B and vvvv bit 3 of the three-byte form are ignored. Real and
 * virtual-8086 mode have no VEX: these are #UD when they are executed, because a line of decoded code knows its operand size only.
 *
 * A VEX prefix behind 66, F2, F3, LOCK or REX is #UD (2.3.2 to 2.3.4). W is a part of the opcode, or ignored, or, for some instructions with a
 * general register, ignored outside 64-bit code.
 */
import {
  asz, eaFlags, has, mod, mode, modrm, modrmVsib, out, prefixed, putR, putRM, reg, rex, rm, setEaFlags, setRex, u8at, ud, VSIB_NONE, vsibIndex,
} from './instruction';
import { ISA_AES, ISA_AVX, ISA_AVX2, ISA_F16C, ISA_FMA, ISA_PCLMULQDQ, XMM } from './state.gen';
import { AVX, AVX_LOAD_128, AVX_STORE_128, avxPacked } from './uop.gen';
import { vexGeneral } from './vex-general';
import {
  NEED_AES, NEED_AVX2, NEED_AVX2_REG, NEED_AVX2_WIDE, NEED_F16C, NEED_FMA, NEED_PCLMULQDQ, SHAPE_BLEND, SHAPE_GATHER, SHAPE_GROUP, SHAPE_LOAD, SHAPE_MASK_BYTES,
  SHAPE_MXCSR, SHAPE_PACKED, SHAPE_STORE, SHAPE_ZERO, VEX_ALIGNED, VEX_GPR, VEX_IMM8, VEX_L, VEX_L_SHIFT, VEX_MEM, VEX_NDS, VEX_NDS_REG, VEX_NEED, VEX_NEED_SHIFT,
  VEX_REG, VEX_SHAPE, VEX_SIZE, VEX_SIZE_SHIFT, VEX_STORE, VEX_W, VEX_W_SHIFT, vexGroup, vexInfo,
} from './vex-table';

/*
 * The micro-op AVX. Byte 4: reg 3:0, vvvv 7:4. Bytes 12 to 15: opcode 7:0, pp 9:8, map - 1 11:10, the flags below, immediate 23:16 (of a gather
 * the index register), shape 28:24, log2 of the bytes of the memory operand 31:29. A register form has the place of its r/m operand in
 * bytes 8 to 11, from the vCPU's base.
 */
export const AVX_L: u32 = 0x1000;
export const AVX_W: u32 = 0x2000;
export const AVX_ALIGNED: u32 = 0x4000;
export const AVX_STORE: u32 = 0x8000;

/** The opcode map: 1 = 0F, 2 = 0F38, 3 = 0F3A. Others are reserved. */
export let vexMap: u32 = 0;
/** The prefix that pp stands for: 0 none, 1 = 66, 2 = F3, 3 = F2. */
export let vexPp: u32 = 0;
/** 256-bit vectors. */
export let vexL: u32 = 0;
/** W, as encoded: also outside 64-bit code. */
export let vexW: u32 = 0;
/** The register that vvvv names. */
export let vvvv: u32 = 0;
/** vvvv names none: 1111, as instructions without such an operand demand. */
export let vvvvFree: bool = false;

/** Takes the prefix whose first byte was `op`, and the instruction behind it. */
export function vex(op: u32): void {
  const misplaced = prefixed() || rex != 0;
  let last = u8at();
  let rxb: u32 = (~last >> 5) & 4;
  vexMap = 1;
  vexW = 0;
  if (op == 0xc4) {
    rxb = (~last >> 5) & 7;
    vexMap = last & 31;
    last = u8at();
    vexW = last >> 7;
  }
  vexPp = last & 3;
  vexL = (last >> 2) & 1;
  vvvvFree = (last & 0x78) == 0x78;
  vvvv = (~last >> 3) & (mode == 2 ? 15 : 7);
  setRex(mode == 2 ? rxb | (vexW << 3) : 0);
  const opcode = u8at();
  if (misplaced || vexMap == 0 || vexMap > 3) ud();
  else if (isGeneral(opcode)) vexGeneral(opcode);
  else vector(opcode);
}

/** BMI1 and BMI2: ANDN, group 17, BZHI PEXT PDEP, MULX, BEXTR SHLX SARX SHRX, RORX. */
function isGeneral(opcode: u32): bool {
  return vexMap == 2 ? opcode >= 0xf2 && opcode <= 0xf7 : vexMap == 3 && opcode == 0xf0;
}

/** AVX, AVX2, FMA, F16C: described by the operand table. */
function vector(opcode: u32): void {
  const info = vexInfo(vexMap, vexPp, opcode);
  const shape = info & VEX_SHAPE;
  if (shape == SHAPE_GATHER) modrmVsib();
  else if (shape != SHAPE_ZERO) modrm();
  const form = info == 0 ? 0 : formOf(info, opcode);
  if (form == 0) {
    ud();
    return;
  }
  const l = (form >> 1) & 1;
  const w = (form >> 2) & 1;
  let imm: u32 = info & VEX_IMM8 ? u8at() : 0;
  if (shape == SHAPE_GATHER) imm = vsibIndex;
  // Outside 64-bit code bit 7 of a register in the immediate is ignored (SDM vol. 2, VBLENDVPS).
  else if (shape == SHAPE_BLEND && mode != 2) imm &= 0x7f;
  if (shape == SHAPE_PACKED && vexMap == 1 && opcode < 0x60) opcode = logicOf(opcode);
  const writes = (info & VEX_STORE) != 0 || (shape == SHAPE_MXCSR && (reg & 7) == 3);
  const code = opcode | (shape == SHAPE_PACKED ? 1 : vexPp) << 8 | (vexMap - 1) << 10;
  const bits = (l != 0 ? AVX_L : 0) | (w != 0 ? AVX_W : 0) | (info & VEX_ALIGNED ? AVX_ALIGNED : 0) | (writes ? AVX_STORE : 0);
  const word = <i32>(code | bits | (imm << 16) | (shape << 24) | (sizeOf(info, l, w) << 29));
  const registers = reg | (vvvv << 4);
  if (mod != 3) {
    putRM(shape == SHAPE_LOAD ? AVX_LOAD_128 + l : shape == SHAPE_STORE ? AVX_STORE_128 + l : AVX, registers, 0, word);
    return;
  }
  const quick: u32 = shape == SHAPE_PACKED && vexMap == 1 ? avxPacked(opcode) : 0;
  putR(quick != 0 ? quick + l : AVX, registers, rm, word);
  store<u32>(out, info & VEX_GPR ? rm << 3 : <u32>XMM + (rm << 5), 8);
  if (shape == SHAPE_MASK_BYTES) {
    // The address is seg:rDI.
    setEaFlags(0, false);
    store<u8>(out, <u8>eaFlags, 7);
  }
}

/** L (bit 1) and W (bit 2) as they count for the instruction, with bit 0 set; 0 when this form of it does not exist. */
function formOf(info: u32, opcode: u32): u32 {
  const isMem = mod != 3;
  if (isMem ? info & VEX_REG : info & VEX_MEM) return 0;
  if (!vexGroup(info, opcode, reg)) return 0;
  const usesVvvv = (info & VEX_NDS) != 0 || ((info & VEX_NDS_REG) != 0 && !isMem);
  if (!usesVvvv && !vvvvFree) return 0;
  const l = (info & VEX_L) >> VEX_L_SHIFT;
  if (l == 1 ? vexL != 0 : l == 2 && vexL == 0) return 0;
  const w = (info & VEX_W) >> VEX_W_SHIFT;
  if (w == 1 ? vexW != 0 : w == 2 && vexW == 0) return 0;
  const wide: u32 = l == 3 ? 0 : vexL;
  if (!enumerated((info & VEX_NEED) >> VEX_NEED_SHIFT, wide, isMem)) return 0;
  if ((info & VEX_SHAPE) == SHAPE_GATHER && !gatherable()) return 0;
  return 1 | (wide << 1) | (w == 3 && mode != 2 ? 0 : vexW << 2);
}

/** CPUID has what the instruction needs. */
function enumerated(need: u32, wide: u32, isMem: bool): bool {
  switch (need) {
    case NEED_AVX2_WIDE: return has(wide != 0 ? ISA_AVX2 : ISA_AVX);
    case NEED_AVX2: return has(ISA_AVX2);
    case NEED_AVX2_REG: return has(isMem ? ISA_AVX : ISA_AVX2);
    case NEED_AES: return has(ISA_AVX) && has(ISA_AES);
    case NEED_PCLMULQDQ: return has(ISA_AVX) && has(ISA_PCLMULQDQ);
    case NEED_FMA: return has(ISA_FMA);
    case NEED_F16C: return has(ISA_F16C);
    default: return has(ISA_AVX);
  }
}

/** A gather has a SIB byte, and three different registers (SDM vol. 2, VPGATHERDD). */
function gatherable(): bool {
  return asz != 2 && vsibIndex != VSIB_NONE && reg != vvvv && reg != vsibIndex && vvvv != vsibIndex;
}

/** Log2 of the bytes of a memory operand. */
function sizeOf(info: u32, l: u32, w: u32): u32 {
  const rule = (info & VEX_SIZE) >> VEX_SIZE_SHIFT;
  if (rule < 4) return 4 - rule + l;
  if (rule < 9) return rule - 4;
  return rule == 9 ? 2 + w : l != 0 ? 5 : 3;
}

/** VANDPS VANDNPS VORPS VXORPS do what VPAND VPANDN VPOR VPXOR do. */
function logicOf(opcode: u32): u32 {
  return opcode == 0x54 ? 0xdb : opcode == 0x55 ? 0xdf : opcode == 0x56 ? 0xeb : 0xef;
}
