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
import { mode, prefixed, rex, setRex, u8at, ud } from './instruction';
import { vexGeneral } from './vex-general';

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
  else ud();
}

/** BMI1 and BMI2: ANDN, group 17, BZHI PEXT PDEP, MULX, BEXTR SHLX SARX SHRX, RORX. */
function isGeneral(opcode: u32): bool {
  return vexMap == 2 ? opcode >= 0xf2 && opcode <= 0xf7 : vexMap == 3 && opcode == 0xf0;
}
