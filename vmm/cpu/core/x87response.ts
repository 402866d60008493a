/**
 * What every x87 instruction does around its arithmetic: operands out of the register stack, stack faults, the record of exceptions, and
 * whether the result is stored (masked and unmasked responses, SDM vol. 1 sections 8.5 and 8.6).
 */
import {
  CC_UNORDERED, IE, INDEFINITE_SE, INDEFINITE_SIG, SF, add, addExc, begin, compare, div, exc, mul, refused, resSe, resSig, setA, setB, setResult,
  setUp, swapOperands, unmasked, up,
} from './float80';
import { FCW, FPR, FSW } from './state.gen';
import { FSW_ES, isEmpty, noteCode, noteData, pop, reportPending, setSt, setTop, st, top, usable } from './x87state';

export const C0: u32 = 0x0100;
export const C1: u32 = 0x0200;
export const C2: u32 = 0x0400;
export const C3: u32 = 0x4000;
export const CC: u32 = C0 | C2 | C3;

/** FOP of the current instruction, and its memory operand. */
let opcode: u32 = 0;
let dataSeg: u32 = 0;
let dataLin: u64 = 0;
let hasData: bool = false;

/** Starts a register form. */
export function beginReg(fop: u32): void {
  opcode = fop;
  hasData = false;
}

/** Starts a memory form. */
export function beginMem(fop: u32, lin: u64, seg: u32): void {
  opcode = fop;
  hasData = true;
  dataLin = lin;
  dataSeg = seg;
}

/** #NM and pending #MF; false when raised. */
export function enter(cpu: usize): bool {
  return usable(cpu) && reportPending(cpu);
}

/** Records the instruction's exceptions and C1 in FSW and its pointers. True when its result is to be stored in a register. */
export function commit(cpu: usize): bool {
  let fsw = (<u32>load<u16>(cpu, FSW) & ~C1) | exc | (up << 9);
  if (unmasked() != 0) fsw |= FSW_ES;
  store<u16>(cpu, fsw, FSW);
  noteCode(cpu, opcode);
  if (hasData) noteData(cpu, dataLin, dataSeg);
  return !refused();
}

/** The same for an instruction that leaves FSW alone. */
export function noteInstruction(cpu: usize): void {
  noteCode(cpu, opcode);
}

export function setCodes(cpu: usize, changed: u32, codes: u32): void {
  store<u16>(cpu, (<u32>load<u16>(cpu, FSW) & ~changed) | codes, FSW);
}

/** Stack underflow or (`c1` = 1) overflow; the masked result is the indefinite. */
export function stackFault(c1: u32): void {
  addExc(IE | SF);
  setUp(c1);
  setResult(INDEFINITE_SIG, INDEFINITE_SE);
}

export function loadA(cpu: usize, i: u32): void {
  const r = st(cpu, i);
  setA(load<u64>(r, FPR), load<u16>(r, FPR + 8));
}

export function loadB(cpu: usize, i: u32): void {
  const r = st(cpu, i);
  setB(load<u64>(r, FPR), load<u16>(r, FPR + 8));
}

/** ST(i) = result. */
export function storeResult(cpu: usize, i: u32): void {
  setSt(cpu, i, resSig, resSe);
}

/** Pushes the result. */
export function pushResult(cpu: usize): void {
  setTop(cpu, top(cpu) - 1);
  setSt(cpu, 0, resSig, resSe);
}

/** A op B by ModRM.reg: 0 add, 1 multiply, 4 subtract, 5 reversed, 6 divide, 7 reversed. */
export function compute(op: u32): void {
  switch (op) {
    case 0: return add(0);
    case 1: return mul();
    case 4: return add(1);
    case 5:
      swapOperands();
      return add(1);
    case 6: return div();
    default:
      swapOperands();
      return div();
  }
}

/** FCOM and FUCOM: ST(0) against ST(i), or against B when `memory`. */
export function compareReg(cpu: usize, i: u32, memory: bool, quiet: bool, pops: u32): void {
  begin(load<u16>(cpu, FCW));
  let codes = CC_UNORDERED;
  if (isEmpty(cpu, 0) || (!memory && isEmpty(cpu, i))) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    if (!memory) loadB(cpu, i);
    codes = compare(quiet);
  }
  const complete = commit(cpu);
  // SDM, FCOM: not set by an unmasked invalid operation.
  if ((unmasked() & IE) == 0) setCodes(cpu, CC, codes);
  if (!complete) return;
  if (pops > 0) pop(cpu);
  if (pops > 1) pop(cpu);
}
