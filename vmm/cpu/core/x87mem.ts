/**
 * The memory forms of the x87 instructions: opcodes D8 to DF with ModRM below C0.
 *
 * Models Intel SDM vol. 2 and vol. 1 sections 8.3 and 8.5. A load reads its operand first; a store writes before anything else of the
 * guest's state changes, and writes nothing for an unmasked invalid operation, overflow or underflow.
 */
import { SEG_SS, VEC_UD, failed, raise } from './fault';
import {
  IE, INDEFINITE_SE, INDEFINITE_SIG, OE, UE, begin, beginPrecision, convertB, resultB, setA, setBInt, setBReal, setResult, setRounding, unmasked,
} from './float80';
import { A_STACK, probeOperand, readMem, writeMem } from './mmu';
import { FCW, FPR, FSW } from './state.gen';
import { decimalHigh, realBits, setBDecimal, toDecimal, toInteger, toReal } from './x87convert';
import { beginMem, commit, compareReg, compute, enter, loadA, pushResult, stackFault, storeResult } from './x87response';
import { fldenv, fnsave, fnstenv, frstor, isEmpty, pop, reportPending, setControl, st, updateSummary, usable } from './x87state';

/** ST(0) = ST(0) op B, or a comparison. */
function arithMem(cpu: usize, op: u32): void {
  if (op == 2 || op == 3) return compareReg(cpu, 0, true, false, op - 2);
  beginPrecision(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    compute(op);
  }
  if (commit(cpu)) storeResult(cpu, 0);
}

/** Pushes B, a memory operand converted. */
function loadMem(cpu: usize): void {
  begin(load<u16>(cpu, FCW));
  if (!isEmpty(cpu, 7)) stackFault(1);
  else convertB();
  commit(cpu);
  // A denormal is loaded even when that is to be reported: both vendors' processors do.
  if ((unmasked() & IE) == 0) pushResult(cpu);
}

/** The store of FST, FIST and FBSTP, and what follows it; `high` is the part beyond 8 bytes. */
function storeMem(cpu: usize, lin: u64, size: u32, value: u64, high: u32, kind: u32, pops: bool): void {
  const stored = (unmasked() & (IE | OE | UE)) == 0;
  // The operand's faults come first even where nothing is stored: measured, both vendors' manuals say nothing.
  if (!stored || size == 10) {
    probeOperand(cpu, lin, size, kind);
    if (failed(cpu)) return;
  }
  if (stored) {
    if (size == 10) {
      writeMem(cpu, lin, 8, value, kind);
      if (failed(cpu)) return;
      writeMem(cpu, lin + 8, 2, <u64>high, kind);
    } else {
      writeMem(cpu, lin, size, value, kind);
    }
    if (failed(cpu)) return;
  }
  commit(cpu);
  if (stored && pops) pop(cpu);
}

function storeReal(cpu: usize, lin: u64, fraction: i32, kind: u32, pops: bool): void {
  begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
    setA(INDEFINITE_SIG, INDEFINITE_SE);
  } else {
    loadA(cpu, 0);
  }
  toReal(fraction);
  storeMem(cpu, lin, fraction == 52 ? 8 : 4, realBits, 0, kind, pops);
}

function storeInteger(cpu: usize, lin: u64, size: u32, kind: u32, truncate: bool, pops: bool): void {
  begin(load<u16>(cpu, FCW));
  if (truncate) setRounding(3);
  if (isEmpty(cpu, 0)) {
    stackFault(0);
    setA(INDEFINITE_SIG, INDEFINITE_SE);
  } else {
    loadA(cpu, 0);
  }
  const value = toInteger(size);
  storeMem(cpu, lin, size, value, 0, kind, pops);
}

function storeDecimal(cpu: usize, lin: u64, kind: u32): void {
  begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
    setA(INDEFINITE_SIG, INDEFINITE_SE);
  } else {
    loadA(cpu, 0);
  }
  const digits = toDecimal();
  storeMem(cpu, lin, 10, digits, decimalHigh, kind, true);
}

/** FSTP m80: the bits, whatever they are. */
function storeExtended(cpu: usize, lin: u64, kind: u32): void {
  begin(load<u16>(cpu, FCW));
  const r = st(cpu, 0);
  let sig = load<u64>(r, FPR);
  let se: u32 = load<u16>(r, FPR + 8);
  if (isEmpty(cpu, 0)) {
    stackFault(0);
    sig = INDEFINITE_SIG;
    se = INDEFINITE_SE;
  }
  storeMem(cpu, lin, 10, sig, se, kind, true);
}

/** FLD m80, FBLD. */
function loadTen(cpu: usize, lin: u64, kind: u32, decimal: bool): void {
  const low = readMem(cpu, lin, 8, kind);
  if (failed(cpu)) return;
  const high = <u32>readMem(cpu, lin + 8, 2, kind);
  if (failed(cpu)) return;
  begin(load<u16>(cpu, FCW));
  if (!isEmpty(cpu, 7)) {
    stackFault(1);
  } else if (decimal) {
    setBDecimal(low, high);
    resultB();
  } else {
    setResult(low, high);
  }
  if (commit(cpu)) pushResult(cpu);
}

/** B = the memory operand of D8 D9 (m32), DA DB (m32 integer), DC DD (m64), DE DF (m16 integer). False when the read failed. */
function operandB(cpu: usize, esc: u32, lin: u64, kind: u32): bool {
  const type = esc >> 1;
  const bits = readMem(cpu, lin, type == 2 ? 8 : type == 3 ? 2 : 4, kind);
  if (failed(cpu)) return false;
  switch (type) {
    case 0: setBReal(bits, 23); break;
    case 1: setBInt(<i64><i32>bits); break;
    case 2: setBReal(bits, 52); break;
    default: setBInt(<i64><i16>bits);
  }
  return true;
}

/** D9, DD: control instructions. True when it was one. */
function control(cpu: usize, esc: u32, reg: u32, lin: u64, unit: u32, kind: u32): void {
  const waits = reg < 6;
  if (!usable(cpu) || (waits && !reportPending(cpu))) return;
  if (esc == 5) {
    if (reg == 4) return frstor(cpu, lin, unit, kind);
    if (reg == 6) return fnsave(cpu, lin, unit, kind);
    return writeMem(cpu, lin, 2, <u64>load<u16>(cpu, FSW), kind);
  }
  if (reg == 4) {
    fldenv(cpu, lin, unit, kind);
  } else if (reg == 5) {
    const fcw = <u32>readMem(cpu, lin, 2, kind);
    if (failed(cpu)) return;
    setControl(cpu, fcw);
    updateSummary(cpu);
  } else if (reg == 6) {
    fnstenv(cpu, lin, unit, kind);
  } else {
    writeMem(cpu, lin, 2, <u64>load<u16>(cpu, FCW), kind);
  }
}

/**
 * Memory forms. `reg` = ModRM.reg in bits 2:0; bits 15:8 may hold the whole ModRM byte, which FOP needs. `lin` is the operand's linear address,
 * checked against the segment's limit by the caller; `osz` 2 selects the 16-bit environments.
 */
export function x87Mem(cpu: usize, esc: u32, reg: u32, lin: u64, seg: u32, osz: u32): void {
  const op = reg & 7;
  if ((esc == 1 && op == 1) || (esc == 3 && (op == 4 || op == 6)) || (esc == 5 && op == 5)) return raise(cpu, VEC_UD);
  const kind: u32 = seg == SEG_SS ? A_STACK : 0;
  if ((esc == 1 || esc == 5) && op >= 4) return control(cpu, esc, op, lin, osz == 2 ? 2 : 4, kind);
  if (!enter(cpu)) return;
  beginMem((esc << 8) | (reg > 7 ? (reg >> 8) & 0xff : op << 3), lin, seg);
  if ((esc & 1) == 0) {
    if (operandB(cpu, esc, lin, kind)) arithMem(cpu, op);
    return;
  }
  if (esc == 1 || esc == 5) {
    if (op == 0) loadReal(cpu, esc, lin, kind);
    else if (op == 1) storeInteger(cpu, lin, 8, kind, true, true);
    else storeReal(cpu, lin, esc == 1 ? 23 : 52, kind, op == 3);
    return;
  }
  if (esc == 3) return memDB(cpu, op, lin, kind);
  memDF(cpu, op, lin, kind);
}

/** FLD m32, m64. */
function loadReal(cpu: usize, esc: u32, lin: u64, kind: u32): void {
  if (!operandB(cpu, esc, lin, kind)) return;
  loadMem(cpu);
}

function memDB(cpu: usize, op: u32, lin: u64, kind: u32): void {
  switch (op) {
    case 0:
      if (operandB(cpu, 3, lin, kind)) loadMem(cpu);
      return;
    case 1: return storeInteger(cpu, lin, 4, kind, true, true);
    case 5: return loadTen(cpu, lin, kind, false);
    case 7: return storeExtended(cpu, lin, kind);
    default: return storeInteger(cpu, lin, 4, kind, false, op == 3);
  }
}

function memDF(cpu: usize, op: u32, lin: u64, kind: u32): void {
  switch (op) {
    case 0:
      if (operandB(cpu, 7, lin, kind)) loadMem(cpu);
      return;
    case 1: return storeInteger(cpu, lin, 2, kind, true, true);
    case 4: return loadTen(cpu, lin, kind, true);
    case 5: {
      const value = readMem(cpu, lin, 8, kind);
      if (failed(cpu)) return;
      setBInt(<i64>value);
      return loadMem(cpu);
    }
    case 6: return storeDecimal(cpu, lin, kind);
    case 7: return storeInteger(cpu, lin, 8, kind, false, true);
    default: return storeInteger(cpu, lin, 2, kind, false, op == 3);
  }
}
