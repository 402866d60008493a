/**
 * Operands of a micro-op compared with those of iced-x86's instruction: registers, addresses, immediates, branch targets.
 *
 * @module
 */
import {
  CodeExt,
  type CpuidFeature,
  type Instruction,
  MandatoryPrefix,
  MemorySizeExt,
  Mnemonic,
  type OpCodeOperandKind,
  type OpCodeTableKind,
  OpKind,
  Register,
} from 'iced-x86';
import { type Bits, constants, view } from './decode-core.ts';

/** Micro-op numbers, and their names without those of fused pairs. */
export const UOP = constants('uop.gen.ts');
export const DECODE = { ...constants('instruction.ts'), ...constants('opcodes-0f.ts') };
const BASES = ['ALU', 'TEST', 'MOV', 'MOVX', 'LEA', 'JCC_LOCAL', 'JCC_FAR'];
export const UOP_NAMES: string[] = [];
for (const [name, number] of Object.entries(UOP)) if (!BASES.includes(name)) UOP_NAMES[number] = name;

/** What iced knows of an encoding, looked up once for each code. */
export interface Encoding {
  readonly mnemonic: Mnemonic;
  readonly name: string;
  readonly features: readonly CpuidFeature[];
  readonly table: OpCodeTableKind;
  readonly opCode: number;
  readonly opCodeLength: number;
  readonly prefix: MandatoryPrefix;
  readonly group: number;
  readonly operandSize: number;
  readonly memoryBytes: number;
  readonly vex: {
    readonly l: number;
    readonly lig: boolean;
    readonly w: number;
    readonly wig: boolean;
    /** W counts in 64-bit code only. */
    readonly wig32: boolean;
    readonly operands: readonly OpCodeOperandKind[];
  };
}

const encodings: Encoding[] = [];
export function encodingOf(ins: Instruction): Encoding {
  const known = encodings[ins.code];
  if (known !== undefined) return known;
  const info = CodeExt.opCode(ins.code);
  const made: Encoding = {
    mnemonic: info.mnemonic,
    name: Mnemonic[info.mnemonic] as string,
    features: [...ins.cpuidFeatures()],
    table: info.table,
    opCode: info.opCode,
    opCodeLength: info.opCodeLength,
    prefix: info.mandatoryPrefix,
    group: info.groupIndex,
    operandSize: info.operandSize,
    memoryBytes: MemorySizeExt.size(info.memorySize),
    vex: {
      l: info.L,
      lig: info.isLIG,
      w: info.W,
      wig: info.isWIG,
      wig32: info.isWIG32,
      operands: Array.from({ length: info.opCount }, (_, i) => info.opKind(i)),
    },
  };
  info.free();
  encodings[ins.code] = made;
  return made;
}

// What is being compared: the micro-op at `at` and iced's instruction.
export let at = 0;
export let bits: Bits = 64;
export let ins: Instruction;
export let code: Encoding;
export function look(uop: number, theirs: Instruction, codeBits: Bits): void {
  at = uop;
  ins = theirs;
  bits = codeBits;
  code = encodingOf(theirs);
}
/** The micro-op's fields. */
export const u8 = (offset: number): number => view.getUint8(at + offset);
export const kind = (): number => u8(12);
export const size = (): number => u8(13);
export const imm16 = (): number => view.getUint16(at + 14, true);
export const disp = (): number => view.getInt32(at + 8, true);
export const imm32 = (): number => view.getInt32(at + 12, true);
export const offset = (): number => view.getUint16(at + 2, true) & 0xfff;
export const lengthOf = (uop: number): number => view.getUint16(uop + 2, true) >> 12;
export const isRegister = (): boolean => u8(6) === DECODE['REGISTER'];

/** A disagreement, as text. */
export type Wrong = string | undefined;
export const no = (what: string, ours: unknown, theirs: unknown): Wrong =>
  ours === theirs ? undefined : `${what}: ${ours}, iced ${theirs}`;

/** One operand: its index in iced's instruction, checked against the micro-op. */
export type Check = (operand: number) => Wrong;

/** General register at a byte offset into the vCPU's registers, as iced names it. */
export function gpr(slot: number, operandBits: number): Register {
  const n = slot >> 3;
  if (operandBits === 8) return slot & 1 ? Register.AH + n : n < 4 ? Register.AL + n : Register.SPL + n - 4;
  return (operandBits === 16 ? Register.AX : operandBits === 32 ? Register.EAX : Register.RAX) + n;
}
export const register =
  (wanted: () => Register): Check =>
  (i) =>
    ins.opKind(i) === OpKind.Register ? no('register', Register[wanted()], Register[ins.opRegister(i)]) : `operand ${i} is no register`;
export const r4 = (b: number): Check => register(() => gpr(u8(4), b));
export const r5 = (b: number): Check => register(() => gpr(u8(5), b));
export const ax = (b: number): Check => register(() => gpr(0, b));

/** Address of a memory operand: 16-, 32- or 64-bit, by byte 7. */
export const ADDRESS_BITS = [64, 32, 16];
export const NO_REGISTER = DECODE['ZERO_SLOT'] as number;

function addressRegister(slot: number, addressBits: number): Register {
  return slot >= NO_REGISTER ? Register.None : gpr(slot, addressBits);
}

/** Bits of the address that iced decoded. */
function icedAddressBits(): number {
  const r = ins.memoryBase !== Register.None ? ins.memoryBase : ins.memoryIndex;
  // A vector register as index alone has a displacement of the address size in front of it.
  if (r === Register.None || r >= Register.XMM0) return ins.memoryDisplSize * 8;
  if (r >= Register.AX && r < Register.EAX) return 16;
  if (r === Register.EIP || (r >= Register.EAX && r < Register.RAX)) return 32;
  return 64;
}

export function segmentOf(field: number): Wrong {
  // In 64-bit code only FS and GS count; iced remembers the other overrides, the micro-op only whether the default is SS.
  if (bits !== 64 || field >= 4) return no('segment', field, ins.memorySegment - Register.ES);
  if (ins.memorySegment >= Register.FS) return `segment: ${field}, iced ${Register[ins.memorySegment]}`;
  const stack =
    ins.memoryBase === Register.RSP ||
    ins.memoryBase === Register.RBP ||
    ins.memoryBase === Register.ESP ||
    ins.memoryBase === Register.EBP;
  return no('segment', field, stack ? 2 : 3);
}

/** The mandatory prefix of iced's encoding as micro-ops number it. */
export function mandatoryColumn(): number {
  const prefixes = [MandatoryPrefix.PNP, MandatoryPrefix.P66, MandatoryPrefix.PF3, MandatoryPrefix.PF2];
  return code.prefix === MandatoryPrefix.None ? 0 : prefixes.indexOf(code.prefix);
}

/** `vector`: the index is a vector register, which is compared elsewhere; its scale is compared here. */
function address(vector = false): Wrong {
  const f = u8(7);
  const addressBits = ADDRESS_BITS[f >> 6] as number;
  const seg = (f >> 3) & 7;
  const plain = bits === 64 && seg < 4 && addressBits === 64;
  const wrong = no('address size', addressBits, icedAddressBits()) ?? no('needs completing', (f & 4) !== 0, !plain) ?? segmentOf(seg);
  if (wrong !== undefined) return wrong;
  let d = BigInt(disp());
  let theirs = ins.memoryDisplacement;
  if (u8(5) === DECODE['RIP_SLOT']) {
    if (ins.memoryBase !== Register.RIP && ins.memoryBase !== Register.EIP) return 'RIP-relative, iced not';
    if (u8(6) === DECODE['PAGE_SLOT']) d += 4096n;
    else if (u8(6) !== NO_REGISTER) return `RIP-relative with index ${u8(6)}`;
    // Ours counts from the page's start, iced's is the target.
    d -= BigInt(offset() + lengthOf(at));
    theirs -= ins.nextIP;
  } else {
    const base = addressRegister(u8(5), addressBits);
    const index = addressRegister(u8(6), addressBits);
    const scale = index === Register.None ? 1 : 1 << (f & 3);
    const bad =
      no('base', Register[base], Register[ins.memoryBase]) ??
      (vector ? no('index', index, Register.None) : no('index', Register[index], Register[ins.memoryIndex])) ??
      (vector
        ? no('scale', 1 << (f & 3), ins.memoryIndexScale)
        : index === Register.None
          ? no('scale without index', f & 3, 0)
          : no('scale', scale, ins.memoryIndexScale));
    if (bad !== undefined) return bad;
  }
  return no('displacement', BigInt.asUintN(addressBits, d), BigInt.asUintN(addressBits, theirs));
}

/** Memory operand of so many bytes (0: the micro-op does not say). */
export const mem =
  (bytes: number): Check =>
  (i) =>
    ins.opKind(i) !== OpKind.Memory
      ? `operand ${i} is not memory`
      : ((bytes === 0 ? undefined : no('memory bytes', bytes, code.memoryBytes)) ?? address());
/** Memory operand whose index is a vector register. */
export const memVsib: Check = (i) => (ins.opKind(i) !== OpKind.Memory ? `operand ${i} is not memory` : address(true));
export const rm = (b: number, bytes = b / 8): Check => {
  const r = r5(b);
  const m = mem(bytes);
  return (i) => (isRegister() ? r(i) : m(i));
};
export const isImmediate = (i: number): boolean => ins.opKind(i) >= OpKind.Immediate8 && ins.opKind(i) <= OpKind.Immediate32to64;
export const immediate =
  (b: number, ours: () => bigint): Check =>
  (i) =>
    isImmediate(i) ? no('immediate', BigInt.asUintN(b, ours()), BigInt.asUintN(b, ins.immediate(i))) : `operand ${i} is no immediate`;
export const imm = (b: number): Check => immediate(b, () => BigInt(imm32()));
export const immWord = (b: number): Check => immediate(b, () => BigInt(imm16()));
/** Shift count: an immediate or CL. */
export const count: Check = (i) => (imm16() === 0x100 ? no('count', Register.CL, ins.opRegister(i)) : immWord(8)(i));

const NEAR = [OpKind.NearBranch16, OpKind.NearBranch32, OpKind.NearBranch64];
export const FAR = [OpKind.FarBranch16, OpKind.FarBranch32];
/** Relative target; `relative`: ours counts from the next instruction, else from the page. */
export const branch =
  (relative: () => number): Check =>
  (i) => {
    const width = [16, 32, 64][NEAR.indexOf(ins.opKind(i))];
    if (width === undefined) return `operand ${i} is no near branch`;
    return no('branch', BigInt.asUintN(width, BigInt(relative())), BigInt.asUintN(width, ins.nearBranchTarget - ins.nextIP));
  };
export const branchSize = (bytes: number): Wrong =>
  no('branch size', bytes * 8, bits === 64 ? 64 : code.operandSize || (ins.opKind(0) === OpKind.NearBranch16 ? 16 : 32));

export function mnemonic(...names: string[]): Wrong {
  return names.includes(code.name) ? undefined : `is ${names.join(' or ')}, iced ${code.name}`;
}
export function operands(...checks: Check[]): Wrong {
  if (ins.opCount !== checks.length) return `${checks.length} operands, iced ${ins.opCount}`;
  for (let i = 0; i < checks.length; i++) {
    const wrong = (checks[i] as Check)(i);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
export const operandSize = (bytes: number): Wrong => no('operand size', bytes * 8, code.operandSize);

export type Rule = () => Wrong;
