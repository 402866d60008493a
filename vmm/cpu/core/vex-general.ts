/**
 * VEX-encoded instructions on general registers (SDM vol. 2, 2.4.13 exceptions type 13): BMI1 and BMI2, by the fields in vex.ts.
 *
 * They need no vector state; in real and virtual-8086 mode they are #UD, which is for their execution to say: `vexHere`.
 */
import { PROT } from './state.gen';
import { raise, VEC_UD } from './fault';
import { ud } from './instruction';

/** VEX exists in this mode; else #UD is raised. */
export function vexHere(cpu: usize): bool {
  if (load<u32>(cpu, PROT) == 1) return true;
  raise(cpu, VEC_UD);
  return false;
}

/** VEX.0F38 F2 to F7 and VEX.0F3A F0. */
export function vexGeneral(opcode: u32): void {
  ud();
}
