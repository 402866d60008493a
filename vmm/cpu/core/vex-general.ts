/**
 * VEX-encoded instructions on general registers (SDM vol. 2, 2.4.13 exceptions type 13): BMI1 and BMI2, by the fields in vex.ts.
 *
 * They need no vector state; in real and virtual-8086 mode they are #UD, which is for their execution to say (bmi.ts). L must be 0. W chooses
 * 64 bits, and is ignored outside 64-bit code.
 */
import * as B from './bmi';
import { gpr, has, info, mode, modrm, putRM, reg, rm, u8at, ud } from './instruction';
import { ISA_BMI1, ISA_BMI2 } from './state.gen';
import { BMI } from './uop.gen';
import { vexL, vexPp, vexW, vvvv, vvvvFree } from './vex';

/** VEX.0F38 F2 to F7 and VEX.0F3A F0. */
export function vexGeneral(opcode: u32): void {
  modrm();
  const imm: u32 = opcode == 0xf0 ? u8at() : 0;
  const kind = operation(opcode);
  const bmi1 = kind <= <i32>B.BMI_BLSI || kind == <i32>B.BMI_BEXTR;
  if (kind < 0 || vexL != 0 || !has(bmi1 ? ISA_BMI1 : ISA_BMI2)) {
    ud();
    return;
  }
  const index: u32 = vexW != 0 && mode == 2 ? 3 : 2;
  // Group 17 has its destination in vvvv.
  const to = opcode == 0xf3 ? vvvv : reg;
  putRM(BMI, gpr(to), gpr(rm), info(<u32>kind, index, opcode == 0xf0 ? imm : gpr(vvvv)));
}

/** BMI_* by opcode and prefix, or -1. */
function operation(opcode: u32): i32 {
  switch (opcode) {
    case 0xf2: return vexPp == 0 ? B.BMI_ANDN : -1;
    case 0xf3: return vexPp == 0 && (reg & 7) >= 1 && (reg & 7) <= 3 ? (reg & 7) - 1 + B.BMI_BLSR : -1;
    case 0xf5: return vexPp == 0 ? B.BMI_BZHI : vexPp == 2 ? B.BMI_PEXT : vexPp == 3 ? B.BMI_PDEP : -1;
    case 0xf6: return vexPp == 3 ? B.BMI_MULX : -1;
    case 0xf7: return vexPp == 0 ? B.BMI_BEXTR : vexPp == 1 ? B.BMI_SHLX : vexPp == 2 ? B.BMI_SARX : B.BMI_SHRX;
    case 0xf0: return vexPp == 3 && vvvvFree ? B.BMI_RORX : -1;
    default: return -1;
  }
}
