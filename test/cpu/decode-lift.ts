/**
 * Reads a micro-op back as the instruction it stands for and compares it with what iced-x86 says.
 *
 * `disagreement` knows every micro-op that the decoder emits for one instruction (not the fused ones, which `decodeLine` makes of two):
 * mnemonics, operands in iced's order, operand and address sizes.
 *
 * @module
 */
import { Code, type Instruction, OpCodeTableKind, OpKind, Register } from 'iced-x86';
import { type Bits, view } from './decode-core.ts';
import { sysRules } from './decode-lift-system.ts';
import { avx } from './decode-lift-vex.ts';
import {
  ADDRESS_BITS,
  at,
  ax,
  bits,
  branch,
  branchSize,
  type Check,
  code,
  count,
  DECODE,
  disp,
  gpr,
  imm,
  imm16,
  imm32,
  immediate,
  immWord,
  ins,
  isImmediate,
  isRegister,
  kind,
  lengthOf,
  look,
  mandatoryColumn,
  mem,
  mnemonic,
  no,
  NO_REGISTER,
  offset,
  operands,
  operandSize,
  r4,
  r5,
  register,
  rm,
  type Rule,
  segmentOf,
  size,
  u8,
  UOP,
  UOP_NAMES,
  type Wrong,
} from './decode-operands.ts';

const rules: Rule[] = [];
/** A rule for one micro-op: its mnemonics and operands. */
function rule(name: string, names: readonly string[], ...checks: Check[]): void {
  const n = UOP[name];
  if (n === undefined) throw new Error(`no micro-op ${name}`);
  rules[n] = () => mnemonic(...names) ?? operands(...checks);
}
function special(name: string, test: Rule): void {
  const n = UOP[name];
  if (n === undefined) throw new Error(`no micro-op ${name}`);
  rules[n] = test;
}

const WIDTHS = [8, 16, 32, 64];
for (const w of WIDTHS) {
  for (const name of ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP']) {
    const names = [name[0] + name.slice(1).toLowerCase()];
    rule(`${name}_RR_${w}`, names, r4(w), r5(w));
    rule(`${name}_RM_${w}`, names, r4(w), mem(w / 8));
    rule(`${name}_MR_${w}`, names, mem(w / 8), r4(w));
    rule(`${name}_RI_${w}`, names, r4(w), imm(w));
    rule(`${name}_MI_${w}`, names, mem(w / 8), imm(w));
  }
  rule(`TEST_RR_${w}`, ['Test'], r4(w), r5(w));
  rule(`TEST_MR_${w}`, ['Test'], mem(w / 8), r4(w));
  rule(`TEST_RI_${w}`, ['Test'], r4(w), imm(w));
  rule(`TEST_MI_${w}`, ['Test'], mem(w / 8), imm(w));
  // MOV also stands for extensions that do not extend.
  const moves = w === 16 ? ['Mov', 'Movsxd', 'Movsx', 'Movzx'] : w === 32 ? ['Mov', 'Movsxd'] : ['Mov'];
  special(`MOV_RR_${w}`, () =>
    w === 32 && PLAIN_SHIFTS.includes(code.name) ? shiftByNothing() : (mnemonic(...moves) ?? operands(r4(w), r5(w))),
  );
  rule(`MOV_RM_${w}`, moves, r4(w), mem(w / 8));
  rule(`MOV_MR_${w}`, ['Mov'], mem(w / 8), r4(w));
  rule(`MOV_RI_${w}`, ['Mov'], r4(w), imm(w));
  rule(`MOV_MI_${w}`, ['Mov'], mem(w / 8), imm(w));
}
const PLAIN_SHIFTS = ['Rol', 'Ror', 'Shl', 'Shr', 'Sal', 'Sar'];
/** A shift by 0 changes nothing, but a 32-bit destination is extended. */
function shiftByNothing(): Wrong {
  return mnemonic(...PLAIN_SHIFTS) ?? no('source', u8(5), u8(4)) ?? r4(32)(0) ?? no('count', Number(ins.immediate(1)) & 31, 0);
}
rule(
  'MOVABS',
  ['Mov'],
  r4(64),
  immediate(64, () => view.getBigUint64(at + 8, true)),
);
for (const [name, from, to] of [
  ['MOVZX', 8, 16],
  ['MOVZX', 8, 32],
  ['MOVZX', 16, 32],
  ['MOVSX', 8, 16],
  ['MOVSX', 8, 32],
  ['MOVSX', 8, 64],
  ['MOVSX', 16, 32],
  ['MOVSX', 16, 64],
  ['MOVSX', 32, 64],
] as const) {
  const names = from === 32 ? ['Movsxd'] : name === 'MOVZX' ? ['Movzx'] : ['Movsx'];
  // A zero-extension to 64 bits is one to 32.
  const wide = (): number => (name === 'MOVZX' && to === 32 && code.operandSize === 64 ? 64 : to);
  special(`${name}_R_${from}_${to}`, () => mnemonic(...names) ?? operands(r4(wide()), r5(from)));
  special(`${name}_M_${from}_${to}`, () => mnemonic(...names) ?? operands(r4(wide()), mem(from / 8)));
}
for (const w of [16, 32, 64]) rule(`LEA_${w}`, ['Lea'], r4(w), mem(0));
for (const w of [32, 64]) {
  for (const name of ['Inc', 'Dec', 'Neg', 'Not']) rule(`${name.toUpperCase()}_R_${w}`, [name], r4(w));
  const masked: Check = (i) => no('count', u8(12), Number(ins.immediate(i)) & (w - 1));
  rule(`ROL_RI_${w}`, ['Rol'], r4(w), masked);
  rule(`ROR_RI_${w}`, ['Ror'], r4(w), masked);
  rule(`SHL_RI_${w}`, ['Shl', 'Sal'], r4(w), masked);
  rule(`SHR_RI_${w}`, ['Shr'], r4(w), masked);
  rule(`SAR_RI_${w}`, ['Sar'], r4(w), masked);
  rule(`IMUL_RR_${w}`, ['Imul'], r4(w), r5(w));
  rule(`IMUL_RM_${w}`, ['Imul'], r4(w), mem(w / 8));
  rule(`IMUL_RRI_${w}`, ['Imul'], r4(w), r5(w), imm(w));
  rule(`IMUL_RMI_${w}`, ['Imul'], r4(w), mem(w / 8), imm(w));
  rule(`BSWAP_${w}`, ['Bswap'], r4(w));
}
rule('BSWAP16', ['Bswap'], r4(16));

rule('PUSH_R', ['Push'], r4(64));
rule('PUSH_I', ['Push'], imm(64));
rule('PUSH_M', ['Push'], mem(8));
rule('POP_R', ['Pop'], r4(64));
special('LEAVE', () => mnemonic('Leave') ?? operandSize(8));
special('PUSH_FN', () => {
  if (kind() === 0) return mnemonic('Push') ?? operands(immediate(size() * 8, () => BigInt(disp()))) ?? operandSize(size());
  if (kind() === 1) return mnemonic('Push') ?? operands(rm(size() * 8));
  return mnemonic('Push') ?? operands(register(() => Register.ES + u8(5))) ?? operandSize(size());
});
special('POP_FN', () => no('kind', kind(), isRegister() ? 1 : 2) ?? mnemonic('Pop') ?? operands(rm(size() * 8)));
special('PUSHA', () => mnemonic(size() === 2 ? 'Pusha' : 'Pushad'));
special('POPA', () => mnemonic(size() === 2 ? 'Popa' : 'Popad'));
special(
  'ENTER',
  () =>
    mnemonic('Enter') ??
    operandSize(size()) ??
    operands(
      immWord(16),
      immediate(8, () => BigInt(disp())),
    ),
);
special('LEAVE_FN', () => mnemonic('Leave') ?? operandSize(size()));

export const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];
const fromPage: Check = branch(() => imm32() - offset() - lengthOf(at));
const fromNext: Check = branch(disp);
/** A local branch stays in its page and its target needs no truncation. */
const local: Check = (i) => (imm32() < 0 || imm32() > 4095 ? `local branch to ${imm32()}` : fromPage(i));
CONDITIONS.forEach((c, n) => {
  rule(`JCC_LOCAL_${n}`, [`J${c}`], local);
  special(`JCC_FAR_${n}`, () => mnemonic(`J${c}`) ?? operands(fromPage) ?? branchSize(u8(6)));
});
rule('JMP_LOCAL', ['Jmp'], local);
special('JMP_FAR', () => mnemonic('Jmp') ?? operands(fromPage) ?? branchSize(u8(6)));
rule('CALL_LOCAL', ['Call'], local);
rule('CALL_FAR', ['Call'], fromPage);
special('RET', () => mnemonic('Ret') ?? (ins.opCount === 0 ? no('bytes', imm16(), 0) : operands(imm(16))));
rule('JMP_R', ['Jmp'], r5(64));
rule('JMP_M', ['Jmp'], mem(8));
rule('CALL_R', ['Call'], r5(64));
rule('CALL_M', ['Call'], mem(8));
const LOOPS = [['Loopne'], ['Loope'], ['Loop'], ['Jcxz', 'Jecxz', 'Jrcxz']];
special('BRANCH_FN', () => {
  const k = kind();
  const sizeWrong = branchSize(size());
  if (k < 2) return mnemonic(k === 0 ? 'Jmp' : 'Call') ?? operands(rm(size() * 8));
  if (sizeWrong !== undefined) return sizeWrong;
  if (k === 2) return mnemonic('Ret') ?? (ins.opCount === 0 ? no('bytes', imm16(), 0) : operands(immWord(16)));
  if (k === 3) return mnemonic('Call') ?? operands(fromNext);
  if (k === 8) return mnemonic('Jmp') ?? operands(fromNext);
  if (k >= 16) return mnemonic(`J${CONDITIONS[k & 15]}`) ?? operands(fromNext);
  const counter = /_(CX|ECX|RCX)$/.exec(Code[ins.code] as string)?.[1] ?? { Jcxz: 'CX', Jecxz: 'ECX', Jrcxz: 'RCX' }[code.name];
  const width = { CX: 2, ECX: 4, RCX: 8 }[counter ?? ''];
  return mnemonic(...(LOOPS[k - 4] as string[])) ?? operands(fromNext) ?? no('counter', u8(5), width);
});

const NOPS = ['Nop', 'Reservednop', 'Lfence', 'Mfence', 'Sfence'];
special('NOP', () => {
  if (NOPS.includes(code.name)) return undefined;
  return mnemonic(...PLAIN_SHIFTS) ?? no('count', Number(ins.immediate(1)) & 63, 0) ?? no('operand size', 64, code.operandSize);
});
special('SHIFT', () => {
  const names = ['Rol', 'Ror', 'Rcl', 'Rcr', 'Shl', 'Shr', 'Sal', 'Sar'];
  return mnemonic(names[kind()] as string, kind() === 4 ? 'Sal' : kind() === 6 ? 'Shl' : '') ?? operands(rm(8 << size()), count);
});
special('UNARY', () => mnemonic(['Inc', 'Dec', 'Not', 'Neg'][kind()] as string) ?? operands(rm(8 << size())));
special('MULDIV', () => mnemonic(['', '', '', '', 'Mul', 'Imul', 'Div', 'Idiv'][kind()] as string) ?? operands(rm(8 << size())));
special('BIT', () => {
  const names = ['Bt', 'Bts', 'Btr', 'Btc'];
  return mnemonic(names[kind() & 3] as string) ?? operands(rm(8 << size()), kind() & 4 ? immWord(8) : r4(8 << size()));
});
const SCANS = ['Bsf', 'Bsr', 'Popcnt', 'Tzcnt', 'Lzcnt'];
special('SCAN', () => mnemonic(SCANS[kind()] as string) ?? operands(r4(8 << size()), rm(8 << size())));
special('SHIFTD', () => mnemonic(kind() === 0 ? 'Shld' : 'Shrd') ?? operands(rm(8 << size()), r4(8 << size()), count));
for (const name of ['XADD', 'CMPXCHG', 'XCHG']) {
  const names = [name[0] + name.slice(1).toLowerCase()];
  special(name, () => mnemonic(...names) ?? operands(rm(8 << size()), r4(8 << size())));
}
special('CMPXCHG8B', () => mnemonic(size() === 16 ? 'Cmpxchg16b' : 'Cmpxchg8b') ?? operands(mem(size())));
special('SETCC', () => mnemonic(`Set${CONDITIONS[kind()]}`) ?? operands(rm(8)));
special('CMOV', () => mnemonic(`Cmov${CONDITIONS[kind()]}`) ?? operands(r4(8 << size()), rm(8 << size())));
special('CONVERT', () => mnemonic((kind() === 0 ? ['', 'Cbw', 'Cwde', 'Cdqe'] : ['', 'Cwd', 'Cdq', 'Cqo'])[Math.log2(size())] as string));
special('FLAG', () => mnemonic(['Sahf', 'Lahf', 'Cmc', 'Clc', 'Stc', 'Cld', 'Std', '', '', 'Salc'][kind()] as string));
const BCD: Record<number, string> = { 39: 'Daa', 47: 'Das', 55: 'Aaa', 63: 'Aas', 212: 'Aam', 213: 'Aad' };
special('BCD', () => mnemonic(BCD[kind()] as string) ?? (kind() > 0x3f ? operands(immWord(8)) : undefined));
special('XLAT', () => {
  const f = u8(7);
  const base = gpr(24, ADDRESS_BITS[f >> 6] as number);
  return (
    mnemonic('Xlatb') ??
    no('base', base, ins.memoryBase) ??
    no('slots', u8(5) * 256 + u8(6), 24 * 256 + NO_REGISTER) ??
    segmentOf((f >> 3) & 7)
  );
});
special('BOUND', () => mnemonic('Bound') ?? operands(r4(size() * 8), mem(size() * 2)));
special('IMUL16', () => mnemonic('Imul') ?? (kind() === 3 ? operands(r4(16), rm(16), immWord(16)) : operands(r4(16), rm(16))));
special('MOFFS', () => {
  const w = 8 << (u8(4) & 3);
  const absolute: Check = () =>
    no('address', view.getBigUint64(at + 8, true), BigInt.asUintN(64, ins.memoryDisplacement)) ??
    no('bytes', w / 8, code.memoryBytes) ??
    no('size', 8, ins.memoryDisplSize) ??
    segmentOf(u8(5));
  return mnemonic('Mov') ?? (u8(4) & 4 ? operands(absolute, ax(w)) : operands(ax(w), absolute));
});
special('X87', () => {
  const esc = 0xd8 + kind();
  if (isRegister()) {
    const full = (esc << 8) | imm16();
    return code.opCodeLength === 2
      ? no('opcode', full & (code.opCode === full ? 0xffff : 0xfff8), code.opCode)
      : `iced ${code.name} is no register form`;
  }
  const env = ['Fldenv', 'Fnstenv', 'Fnsave', 'Frstor'].includes(code.name);
  return (
    no('opcode', esc, code.opCode) ??
    no('group', imm16(), code.group) ??
    (env ? operandSize(size() === 8 ? 4 : size()) : undefined) ??
    operands(...x87Operands())
  );
});
/** Memory forms of FADD and its like may name ST(0) besides. */
function x87Operands(): Check[] {
  return Array.from({ length: ins.opCount }, (_, i) => (ins.opKind(i) === OpKind.Memory ? mem(0) : register(() => Register.ST0)));
}

const STRINGS: Record<number, string> = { 108: 'Ins', 110: 'Outs', 164: 'Movs', 166: 'Cmps', 170: 'Stos', 172: 'Lods', 174: 'Scas' };
special('STRING', () => {
  const letter = { 1: 'b', 2: 'w', 4: 'd', 8: 'q' }[size()];
  const stringKinds: number[] = [];
  for (let i = 0; i < ins.opCount; i++)
    if (ins.opKind(i) >= OpKind.MemorySegSI && ins.opKind(i) <= OpKind.MemoryESRDI) stringKinds.push(ins.opKind(i));
  const sizes = stringKinds.map((k) => [2, 4, 8][(k - OpKind.MemorySegSI) % 3]);
  const rep = ins.hasRepnePrefix ? 0xf2 : ins.hasRepPrefix ? 0xf3 : 0;
  const overridable = stringKinds.some((k) => k <= OpKind.MemorySegRDI);
  return (
    mnemonic(`${STRINGS[kind() & 0xfe]}${letter}`) ??
    no('address size', sizes.join(), sizes.map(() => u8(6)).join()) ??
    no('repeat', u8(4), rep) ??
    (overridable ? segmentOf(u8(5)) : undefined)
  );
});

// ---- SSE: by opcode, not by mnemonic ----

const CLASS = ['none', 'gpr32', 'gprw', 'mmx', 'xmm'];
function vectorRegister(cls: number, n: number): Register {
  if (CLASS[cls] === 'xmm') return Register.XMM0 + n;
  if (CLASS[cls] === 'mmx') return Register.MM0 + (n & 7);
  const wide = CLASS[cls] === 'gprw' && (view.getUint16(at + 12, true) & (DECODE['SSE_WIDE'] as number)) !== 0;
  return (wide ? Register.RAX : Register.EAX) + n;
}
/** Register of a vector operand; a general one is written as a whole, so iced's 64-bit name of it is as good. */
const vector =
  (cls: () => number, n: () => number): Check =>
  (i) => {
    if (ins.opKind(i) !== OpKind.Register) return `operand ${i} is no register`;
    const ours = vectorRegister(cls(), n());
    const theirs = ins.opRegister(i);
    return CLASS[cls()] === 'gpr32' && theirs >= Register.RAX && theirs <= Register.R15
      ? no('register', ours + 16, theirs)
      : no('register', ours, theirs);
  };
const TABLES = [OpCodeTableKind.T0F, OpCodeTableKind.T0F38, OpCodeTableKind.T0F3A];
special('SSE', () => {
  const word = view.getUint16(at + 12, true);
  const last = u8(15);
  const op = word & 0xfff;
  const wrong =
    no('map', TABLES[op >> 10], code.table) ?? no('opcode', op & 0xff, code.opCode) ?? no('prefix', (op >> 8) & 3, mandatoryColumn());
  if (wrong !== undefined) return wrong;
  const description = view.getUint32(at + 8, true);
  const rmClass = (): number => (description >> 3) & 7;
  const rest = (n: number): Check[] => (ins.opCount > n && isImmediate(n) ? [immediate(8, () => BigInt(u8(14)))] : []);
  if (code.group >= 0)
    return (
      no('group', u8(4) & 7, code.group) ??
      no('group', description >>> 28, code.group) ??
      operands(
        vector(rmClass, () => u8(5)),
        ...rest(1),
      )
    );
  const reg = vector(
    () => (last >> 3) & 7,
    () => u8(4),
  );
  const theRm: Check = isRegister()
    ? vector(rmClass, () => u8(5))
    : (i) => mem(0)(i) ?? no('memory bytes', 1 << (last & 7), code.memoryBytes);
  // MASKMOV names the memory at rDI first; its third operand is the mask.
  if (/^Maskmov/.test(code.name)) {
    const f = u8(7);
    const where: Check = (i) =>
      no('address size', ADDRESS_BITS[f >> 6], [16, 32, 64][ins.opKind(i) - OpKind.MemorySegDI]) ?? segmentOf((f >> 3) & 7);
    return operands(where, reg, theRm) ?? no('needs completing', (f & 4) !== 0, !(bits === 64 && f < 0x20));
  }
  // BLENDV and SHA name XMM0 as well.
  const implicit: Check[] = ins.opCount === 3 && rest(2).length === 0 ? [register(() => Register.XMM0)] : [];
  return word & (DECODE['SSE_STORE'] as number) ? operands(theRm, reg, ...rest(2)) : operands(reg, theRm, ...implicit, ...rest(2));
});
// The result fills the register either way.
special('CRC32', () => mnemonic('Crc32') ?? operands(r4(code.operandSize === 64 ? 64 : 32), rm(8 << size())));

special('MOVBE', () => {
  const w = 8 << size();
  return mnemonic('Movbe') ?? (kind() === 0 ? operands(r4(w), mem(w / 8)) : operands(mem(w / 8), r4(w)));
});
special('ADX', () => mnemonic(kind() === 0 ? 'Adcx' : 'Adox') ?? operands(r4(8 << size()), rm(8 << size())));
const BMI = ['Andn', 'Blsr', 'Blsmsk', 'Blsi', 'Bzhi', 'Bextr', 'Pdep', 'Pext', 'Mulx', 'Shlx', 'Shrx', 'Sarx', 'Rorx'];
special('BMI', () => {
  const w = 8 << size();
  const name = BMI[kind()] as string;
  const wrong = mnemonic(name);
  if (wrong !== undefined) return wrong;
  const vvvv = register(() => gpr(imm16(), w));
  if (name === 'Rorx') return operands(r4(w), rm(w), immWord(8));
  if (name.startsWith('Bls')) return operands(r4(w), rm(w));
  return ['Andn', 'Pdep', 'Pext', 'Mulx'].includes(name) ? operands(r4(w), vvvv, rm(w)) : operands(r4(w), rm(w), vvvv);
});

for (const name of Object.keys(UOP)) if (/^AVX(_|$)/.test(name)) special(name, avx);
special('SYS', () => (sysRules[kind()] ?? (() => `system operation ${kind()} has no rule`))());

// Variants for operands of base and displacement alone, and for flags that nobody sees, stand for the same instruction.
for (const [name, n] of Object.entries(UOP)) {
  const plain = /^(.*)_[SQ]$/.exec(name)?.[1];
  if (plain === undefined) continue;
  const test = rules[UOP[plain] as number] as Rule;
  rules[n] = name.endsWith('_S') ? () => test() ?? no('index', u8(6), NO_REGISTER) ?? no('completion', u8(7) & 7, 0) : test;
}

/** Why the micro-op at `uop` is not iced's valid instruction; undefined when it is. */
export function disagreement(uop: number, theirs: Instruction, codeBits: Bits): string | undefined {
  look(uop, theirs, codeBits);
  const n = view.getUint16(at, true);
  const test = rules[n];
  if (test === undefined) return `micro-op ${UOP_NAMES[n] ?? n}, iced ${code.name}`;
  const wrong = no('length', lengthOf(at), theirs.length) ?? test();
  return wrong === undefined ? undefined : `${UOP_NAMES[n]} ${wrong}`;
}
