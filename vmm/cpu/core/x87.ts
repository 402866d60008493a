/**
 * The x87 instructions: opcodes D8 to DF. Here are the register forms; `x87mem.ts` has the memory forms.
 *
 * Models Intel SDM vol. 1 chapter 8 and the instruction pages of vol. 2. Layers, from below: `float80.ts` (extended-precision arithmetic),
 * `x87convert.ts` (conversions, remainders, scaling), `x87math.ts` (transcendentals), `x87state.ts` (registers, environment, FXSAVE),
 * `x87response.ts` (operands, stack faults, masked and unmasked responses).
 *
 * Order within an instruction: #UD, #NM, #MF of an earlier instruction, the memory operand (which may fault), the arithmetic, a memory
 * store (which may fault), and only then registers, FSW and the last-instruction pointers change.
 *
 * Encodings that the opcode maps of both vendors list as aliases work (FSTPNCE D9 D8+i, FCOM2 DC D0+i, FCOMP3 DC D8+i, FXCH4 DD C8+i,
 * FCOMP5 DE D0+i, FXCH7 DF C8+i, FSTP8 DF D0+i, FSTP9 DF D8+i, FFREEP DF C0+i; FENI FDISI FSETPM are no-operations since the 387);
 * all others are #UD.
 */
import { VEC_UD, raise } from './fault';
import { CF, PF, ZF, getCF, getPF, getZF, setArith } from './flags';
import {
  BIAS, CC_UNORDERED, IE, INDEFINITE_SE, INDEFINITE_SIG, INFINITE, QNAN, TOP_BIT, aCls, bCls, begin, beginPrecision, classify, compare, exc,
  refused, resSe, resSig, roundPack, setB, setResult, sqrt, unmasked,
} from './float80';
import { FCW, FPR, FSW, REGS } from './state.gen';
import { extract, extractedSe, extractedSig, remCodes, remainder, roundToInteger, scale } from './x87convert';
import { arctangent, beyondReduction, exp2m1, sine, tangent, ylog2x, ylog2xp1 } from './x87math';
import {
  C0, C1, C2, C3, CC, beginReg, commit, compareReg, compute, enter, loadA, loadB, noteInstruction, pushResult, setCodes, stackFault, storeResult,
} from './x87response';
import { fninit, free, isEmpty, pop, setSt, setTop, st, top, usable } from './x87state';

export { x87Mem } from './x87mem';
export { emms, fninit, fwait, fxrstor, fxsave, mmxEnter } from './x87state';

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
  noteInstruction(cpu);
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
  beginReg((esc << 8) | modrm);
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
