/**
 * The x87 instructions: opcodes D8 to DF, register and memory forms.
 *
 * Models Intel SDM vol. 1 chapter 8 and the instruction pages of vol. 2. Arithmetic is in `float80.ts`, transcendentals in `x87math.ts`,
 * registers and environment in `x87state.ts`. Here is what an instruction does around it: which operands, stack faults, whether the
 * result is stored (masked and unmasked responses, SDM 8.5), condition codes, popping.
 *
 * Order within an instruction: #UD, #NM, #MF of an earlier instruction, the memory operand (which may fault), the arithmetic, a memory
 * store (which may fault), and only then registers, FSW and the last-instruction pointers change.
 *
 * Encodings that the opcode maps of both vendors list as aliases work (FSTPNCE D9 D8+i, FCOM2 DC D0+i, FCOMP3 DC D8+i, FXCH4 DD C8+i,
 * FCOMP5 DE D0+i, FXCH7 DF C8+i, FSTP8 DF D0+i, FSTP9 DF D8+i, FFREEP DF C0+i; FENI FDISI FSETPM are no-operations since the 387);
 * all others are #UD.
 */
import { SEG_SS, VEC_UD, failed, raise } from './fault';
import { CF, PF, ZF, getCF, getPF, getZF, setArith } from './flags';
import {
  BIAS, CC_UNORDERED, IE, INDEFINITE_SE, INDEFINITE_SIG, INFINITE, OE, QNAN, SF, TOP_BIT, UE,
  aCls, add, addExc, bCls, begin, beginPrecision, classify, compare, convertB, div, exc, mul, refused, resSe, resSig, resultB, roundPack,
  setA, setB, setBInt, setBReal, setResult, setRounding, setUp, sqrt, swapOperands, unmasked, up,
} from './float80';
import { A_STACK, probeWrite, readMem, writeMem } from './mmu';
import { FCW, FPR, FSW, FTW, REGS } from './state.gen';
import {
  decimalHigh, extract, extractedSe, extractedSig, realBits, remCodes, remainder, roundToInteger, scale, setBDecimal, toDecimal, toInteger, toReal,
} from './x87convert';
import { arctangent, beyondReduction, exp2m1, sine, tangent, ylog2x, ylog2xp1 } from './x87math';
import {
  FSW_ES, fldenv, fninit, fnsave, fnstenv, free, frstor, isEmpty, noteCode, noteData, pop, reportPending, setControl, setSt, setTop, st, top,
  updateSummary, usable,
} from './x87state';

export { emms, fninit, fwait, fxrstor, fxsave, mmxEnter } from './x87state';

const C0: u32 = 0x0100;
const C1: u32 = 0x0200;
const C2: u32 = 0x0400;
const C3: u32 = 0x4000;
const CC: u32 = C0 | C2 | C3;

/** FOP of the current instruction, and its memory operand. */
let opcode: u32 = 0;
let dataSeg: u32 = 0;
let dataLin: u64 = 0;
let hasData: bool = false;

/** #NM and pending #MF; false when raised. */
function enter(cpu: usize): bool {
  return usable(cpu) && reportPending(cpu);
}

/** Records the instruction's exceptions and C1 in FSW and its pointers. True when its result is to be stored in a register. */
function commit(cpu: usize): bool {
  let fsw = (<u32>load<u16>(cpu, FSW) & ~C1) | exc | (up << 9);
  if (unmasked() != 0) fsw |= FSW_ES;
  store<u16>(cpu, fsw, FSW);
  noteCode(cpu, opcode);
  if (hasData) noteData(cpu, dataLin, dataSeg);
  return !refused();
}

function setCodes(cpu: usize, changed: u32, codes: u32): void {
  store<u16>(cpu, (<u32>load<u16>(cpu, FSW) & ~changed) | codes, FSW);
}

/** Stack underflow or (`c1` = 1) overflow; the masked result is the indefinite. */
function stackFault(c1: u32): void {
  addExc(IE | SF);
  setUp(c1);
  setResult(INDEFINITE_SIG, INDEFINITE_SE);
}

function loadA(cpu: usize, i: u32): void {
  const r = st(cpu, i);
  setA(load<u64>(r, FPR), load<u16>(r, FPR + 8));
}

function loadB(cpu: usize, i: u32): void {
  const r = st(cpu, i);
  setB(load<u64>(r, FPR), load<u16>(r, FPR + 8));
}

/** ST(i) = result. */
function storeResult(cpu: usize, i: u32): void {
  setSt(cpu, i, resSig, resSe);
}

/** Pushes the result. */
function pushResult(cpu: usize): void {
  setTop(cpu, top(cpu) - 1);
  setSt(cpu, 0, resSig, resSe);
}

/** A op B by ModRM.reg: 0 add, 1 multiply, 4 subtract, 5 reversed, 6 divide, 7 reversed. */
function compute(op: u32): void {
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

/** ST(dst) = ST(0) op ST(i). */
function arithReg(cpu: usize, op: u32, i: u32, dst: u32, pops: bool): void {
  beginPrecision(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0) || isEmpty(cpu, i)) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    loadB(cpu, i);
    compute(op);
  }
  if (!commit(cpu)) return;
  storeResult(cpu, dst);
  if (pops) pop(cpu);
}

/** FCOM and FUCOM: ST(0) against ST(i), or against B when `memory`. */
function compareReg(cpu: usize, i: u32, memory: bool, quiet: bool, pops: u32): void {
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

/** FCOMI, FUCOMI: ZF PF CF as C3 C2 C0; OF SF AF are cleared. */
function compareFlags(cpu: usize, i: u32, quiet: bool, pops: bool): void {
  begin(load<u16>(cpu, FCW));
  let codes = CC_UNORDERED;
  if (isEmpty(cpu, 0) || isEmpty(cpu, i)) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    loadB(cpu, i);
    codes = compare(quiet);
  }
  const complete = commit(cpu);
  if ((unmasked() & IE) != 0) return;
  setArith(cpu, ((codes & C0) != 0 ? CF : 0) | ((codes & C2) != 0 ? PF : 0) | ((codes & C3) != 0 ? ZF : 0));
  if (pops && complete) pop(cpu);
}

/** FLD ST(i). */
function loadReg(cpu: usize, i: u32): void {
  begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, i)) {
    stackFault(0);
  } else if (!isEmpty(cpu, 7)) {
    stackFault(1);
  } else {
    const r = st(cpu, i);
    setResult(load<u64>(r, FPR), load<u16>(r, FPR + 8));
  }
  if (commit(cpu)) pushResult(cpu);
}

/** FST ST(i), FSTP ST(i): a copy, whatever the contents. */
function storeReg(cpu: usize, i: u32, pops: bool): void {
  begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
  } else {
    const r = st(cpu, 0);
    setResult(load<u64>(r, FPR), load<u16>(r, FPR + 8));
  }
  if (!commit(cpu)) return;
  storeResult(cpu, i);
  if (pops) pop(cpu);
}

/** FSTPNCE: FSTP that does not check for empty; nothing is copied then. */
function storeUnchecked(cpu: usize, i: u32): void {
  if (!isEmpty(cpu, 0)) return storeReg(cpu, i, true);
  touchClear(cpu);
  pop(cpu);
}

/** FXCH: an empty register counts as the indefinite when the fault is masked. */
function exchange(cpu: usize, i: u32): void {
  begin(load<u16>(cpu, FCW));
  const emptyA = isEmpty(cpu, 0), emptyB = isEmpty(cpu, i);
  if (emptyA || emptyB) stackFault(0);
  if (!commit(cpu)) return;
  const a = st(cpu, 0), b = st(cpu, i);
  const sigA = emptyA ? INDEFINITE_SIG : load<u64>(a, FPR);
  const seA: u32 = emptyA ? INDEFINITE_SE : load<u16>(a, FPR + 8);
  const sigB = emptyB ? INDEFINITE_SIG : load<u64>(b, FPR);
  const seB: u32 = emptyB ? INDEFINITE_SE : load<u16>(b, FPR + 8);
  setSt(cpu, 0, sigB, seB);
  setSt(cpu, i, sigA, seA);
}

/** FCMOVcc: `condition` 0 B, 1 E, 2 BE, 3 U. */
function moveIf(cpu: usize, i: u32, condition: u32, wanted: u32): void {
  begin(load<u16>(cpu, FCW));
  let value: u32;
  switch (condition) {
    case 0: value = getCF(cpu); break;
    case 1: value = getZF(cpu); break;
    case 2: value = getCF(cpu) | getZF(cpu); break;
    default: value = getPF(cpu);
  }
  if (isEmpty(cpu, 0) || isEmpty(cpu, i)) {
    stackFault(0);
    if (commit(cpu)) storeResult(cpu, 0);
    return;
  }
  touch(cpu);
  if (value != wanted) return;
  const r = st(cpu, i);
  setSt(cpu, 0, load<u64>(r, FPR), load<u16>(r, FPR + 8));
}

/** An instruction without exceptions that leaves FSW alone (C1 too, where the SDM says undefined). */
function touch(cpu: usize): void {
  noteCode(cpu, opcode);
}

/** An instruction without exceptions that clears C1. */
function touchClear(cpu: usize): void {
  begin(load<u16>(cpu, FCW));
  commit(cpu);
}

function freeReg(cpu: usize, i: u32, pops: bool): void {
  touchClear(cpu);
  free(cpu, i);
  if (pops) pop(cpu);
}

/** FXAM. */
function examine(cpu: usize): void {
  const r = st(cpu, 0);
  const se: u32 = load<u16>(r, FPR + 8);
  let codes: u32;
  if (isEmpty(cpu, 0)) {
    codes = C3 | C0;
  } else {
    switch (classify(load<u64>(r, FPR), se)) {
      case 0: codes = C3; break;
      case 1: codes = C2; break;
      case 2: codes = C3 | C2; break;
      case 3: codes = C2 | C0; break;
      case 6: codes = 0; break;
      default: codes = C0;
    }
  }
  touch(cpu);
  setCodes(cpu, CC | C1, codes | ((se >> 15) << 9));
}

/** FCHS, FABS: the sign bit alone, of anything. */
function changeSign(cpu: usize, clear: bool): void {
  begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
  } else {
    const r = st(cpu, 0);
    const se: u32 = load<u16>(r, FPR + 8);
    setResult(load<u64>(r, FPR), clear ? se & 0x7fff : se ^ 0x8000);
  }
  if (commit(cpu)) storeResult(cpu, 0);
}

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ: rounded by RC, without PE (SDM 8.3.4; not by PC). */
function loadConstant(cpu: usize, which: u32): void {
  begin(load<u16>(cpu, FCW));
  switch (which) {
    case 0: setResult(TOP_BIT, BIAS); break;
    case 1: roundPack(0, BIAS + 1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4d); break;
    case 2: roundPack(0, BIAS, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89); break;
    case 3: roundPack(0, BIAS + 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1); break;
    case 4: roundPack(0, BIAS - 2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178); break;
    case 5: roundPack(0, BIAS - 1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af); break;
    default: setResult(0, 0);
  }
  const sig = resSig, se = resSe;
  begin(load<u16>(cpu, FCW));
  setResult(sig, se);
  if (!isEmpty(cpu, 7)) stackFault(1);
  if (commit(cpu)) pushResult(cpu);
}

/** ST(0) = f(ST(0)). `which`: low three bits of the second opcode byte of D9 F0-FF, with 8 added for F8-FF. */
function unary(cpu: usize, which: u32): void {
  if (which == 10) beginPrecision(load<u16>(cpu, FCW));
  else begin(load<u16>(cpu, FCW));
  if (isEmpty(cpu, 0)) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    if (which >= 14 && beyondReduction()) {
      commit(cpu);
      return setCodes(cpu, C2, C2);
    }
    switch (which) {
      case 0: exp2m1(); break;
      case 10: sqrt(); break;
      case 12: roundToInteger(); break;
      case 14: sine(0); break;
      default: sine(1);
    }
  }
  if (commit(cpu)) storeResult(cpu, 0);
  if (which >= 14) setCodes(cpu, C2, 0);
}

/** ST(0) or (`pops`) ST(1) = f(ST(0), ST(1)). */
function binary(cpu: usize, which: u32): void {
  begin(load<u16>(cpu, FCW));
  const isRemainder = which == 8 || which == 5;
  if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) {
    stackFault(0);
  } else {
    loadA(cpu, 0);
    loadB(cpu, 1);
    switch (which) {
      case 1: ylog2x(); break;
      case 3: arctangent(); break;
      case 5: remainder(true); break;
      case 8: remainder(false); break;
      case 9: ylog2xp1(); break;
      default: scale();
    }
  }
  const complete = commit(cpu);
  if (isRemainder) setCodes(cpu, C2, 0);
  if (!complete) return;
  if (which == 13) return storeResult(cpu, 0);
  if (isRemainder) {
    storeResult(cpu, 0);
    if ((exc & IE) == 0 && aCls < QNAN && bCls < QNAN) setCodes(cpu, CC | C1, remCodes);
    return;
  }
  storeResult(cpu, 1);
  pop(cpu);
}

/** FPTAN, FSINCOS, FXTRACT: ST(0) = f, then push g. */
function unaryPush(cpu: usize, which: u32): void {
  begin(load<u16>(cpu, FCW));
  let firstSig: u64 = INDEFINITE_SIG;
  let firstSe: u32 = INDEFINITE_SE;
  if (isEmpty(cpu, 0)) {
    stackFault(0);
  } else if (!isEmpty(cpu, 7)) {
    stackFault(1);
  } else {
    loadA(cpu, 0);
    if (which != 4 && beyondReduction()) {
      commit(cpu);
      return setCodes(cpu, C2, C2);
    }
    if (which == 4) {
      extract();
      firstSig = resSig;
      firstSe = resSe;
      setResult(extractedSig, extractedSe);
    } else if (which == 2) {
      tangent();
      firstSig = resSig;
      firstSe = resSe;
      if (aCls < INFINITE) setResult(TOP_BIT, BIAS);
    } else {
      sine(0);
      firstSig = resSig;
      firstSe = resSe;
      if (!refused()) sine(1);
    }
  }
  const stored = commit(cpu);
  if (which != 4) setCodes(cpu, C2, 0);
  if (!stored) return;
  setSt(cpu, 0, firstSig, firstSe);
  pushResult(cpu);
}

/** FTST. */
function test(cpu: usize): void {
  setB(0, 0);
  compareReg(cpu, 0, true, false, 0);
}

/** D9 C0-FF. */
function groupD9(cpu: usize, modrm: u32): void {
  const i = modrm & 7;
  switch ((modrm >> 3) & 7) {
    case 0: return loadReg(cpu, i);
    case 1: return exchange(cpu, i);
    case 2: return touch(cpu);
    case 3: return storeUnchecked(cpu, i);
    case 4:
      if (i < 2) return changeSign(cpu, i != 0);
      if (i == 4) return test(cpu);
      return examine(cpu);
    case 5: return loadConstant(cpu, i);
    default: break;
  }
  const which = modrm & 15;
  switch (which) {
    case 2: case 4: case 11: return unaryPush(cpu, which);
    case 1: case 3: case 5: case 8: case 9: case 13: return binary(cpu, which);
    case 6: case 7:
      touchClear(cpu);
      return setTop(cpu, top(cpu) + (which == 6 ? 7 : 1));
    default: return unary(cpu, which);
  }
}

/** Register forms that no instruction has. */
function invalidReg(esc: u32, modrm: u32): bool {
  switch (esc) {
    case 1: return (modrm > 0xd0 && modrm < 0xd8) || modrm == 0xe2 || modrm == 0xe3 || modrm == 0xe6 || modrm == 0xe7 || modrm == 0xef;
    case 2: return modrm >= 0xe0 && modrm != 0xe9;
    case 3: return (modrm >= 0xe5 && modrm < 0xe8) || modrm >= 0xf8;
    case 5: return modrm >= 0xf0;
    case 6: return modrm >= 0xd8 && modrm < 0xe0 && modrm != 0xd9;
    case 7: return (modrm > 0xe0 && modrm < 0xe8) || modrm >= 0xf8;
    default: return false;
  }
}

/** DB E0-E4 and DF E0: instructions that do not wait. */
function noWait(cpu: usize, esc: u32, modrm: u32): void {
  if (!usable(cpu)) return;
  if (esc == 7) return store<u16>(cpu, load<u16>(cpu, FSW), REGS);
  if (modrm == 0xe2) return store<u16>(cpu, <u32>load<u16>(cpu, FSW) & 0x7f00, FSW);
  if (modrm == 0xe3) fninit(cpu);
}

/** Register forms: `esc` = opcode & 7 of D8-DF, `modrm` >= C0. */
export function x87Reg(cpu: usize, esc: u32, modrm: u32): void {
  if (invalidReg(esc, modrm)) return raise(cpu, VEC_UD);
  if ((esc == 3 && modrm >= 0xe0 && modrm < 0xe8) || (esc == 7 && modrm == 0xe0)) return noWait(cpu, esc, modrm);
  if (!enter(cpu)) return;
  opcode = (esc << 8) | modrm;
  hasData = false;
  const i = modrm & 7;
  const op = (modrm >> 3) & 7;
  switch (esc) {
    case 0:
      if (op == 2 || op == 3) return compareReg(cpu, i, false, false, op - 2);
      return arithReg(cpu, op, i, 0, false);
    case 1: return groupD9(cpu, modrm);
    case 2:
      if (op == 5) return compareReg(cpu, 1, false, true, 2);
      return moveIf(cpu, i, op, 1);
    case 3:
      if (op < 4) return moveIf(cpu, i, op, 0);
      return compareFlags(cpu, i, op == 5, false);
    case 4:
      if (op == 2 || op == 3) return compareReg(cpu, i, false, false, op - 2);
      return arithReg(cpu, op, i, i, false);
    case 5:
      switch (op) {
        case 0: return freeReg(cpu, i, false);
        case 1: return exchange(cpu, i);
        case 2: case 3: return storeReg(cpu, i, op == 3);
        default: return compareReg(cpu, i, false, true, op - 4);
      }
    case 6:
      if (op == 2) return compareReg(cpu, i, false, false, 1);
      if (op == 3) return compareReg(cpu, 1, false, false, 2);
      return arithReg(cpu, op, i, i, true);
    default:
      switch (op) {
        case 0: return freeReg(cpu, i, true);
        case 1: return exchange(cpu, i);
        case 2: case 3: return storeReg(cpu, i, true);
        default: return compareFlags(cpu, i, op == 5, true);
      }
  }
}

// ---- Memory forms ----

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
  if (stored) {
    if (size == 10) {
      probeWrite(cpu, lin, 10, kind);
      if (failed(cpu)) return;
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
  opcode = (esc << 8) | (reg > 7 ? (reg >> 8) & 0xff : op << 3);
  hasData = true;
  dataLin = lin;
  dataSeg = seg;
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
