/**
 * Cases of ordinary instructions in 16-bit, 32-bit and 64-bit code: all of the legacy integer instructions, with prefixes, every addressing
 * form and segment overrides; MMX and SSE where operands, alignment and control bits matter.
 *
 * The operands' registers are loaded first, so that addresses come out in the data pages. Flags that the manual leaves undefined are cleared
 * by the code itself (SDM vol. 1, appendix A).
 *
 * @module
 */
import { type Draft, SEGMENT_PREFIX } from './assemble.ts';
import * as L from './layout.ts';

const C = 0x1;
const P = 0x4;
const A = 0x10;
const Z = 0x40;
const S = 0x80;
const O = 0x800;

/** Base and index registers of the 16-bit addressing forms (SDM vol. 2, table 2-1). */
const FORMS16 = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]] as const;
const RBP = 5;

/** An address in the data pages, for a segment that starts at the draft's base. */
function place(d: Draft): number {
  const { r } = d;
  // Now and then across a page's end.
  const offset = r.oneIn(12) ? 0x1000 - r.below(16) : 0x100 + r.below(0xc00);
  return L.DATA + offset - d.base;
}

/** Loads the registers of a memory operand; the bytes from the prefix to the displacement that encode it, by `reg`. */
function memory(d: Draft): {
  readonly prefix: readonly number[];
  readonly modrm: (reg: number) => readonly number[];
  readonly registers: readonly number[];
} {
  const { r } = d;
  const at = place(d);
  const short = d.bits === 16 ? !r.oneIn(4) : d.bits === 32 && at < 0x10000 && r.oneIn(8);
  const prefix: number[] = [];
  if (short !== (d.bits === 16)) prefix.push(0x67);
  if (r.oneIn(6)) {
    const override = r.of(SEGMENT_PREFIX);
    prefix.push(override);
    if (override === 0x2e) d.c.tags.add('access');
  }
  return short ? { prefix, ...memory16(d, at) } : { prefix, ...memory32(d, at) };
}

function displacement(value: number, bytes: 1 | 2 | 4): number[] {
  return Array.from({ length: bytes }, (_, i) => (value >> (8 * i)) & 0xff);
}

function memory16(d: Draft, at: number): { modrm: (reg: number) => readonly number[]; registers: readonly number[] } {
  const { r } = d;
  const rm = r.below(8);
  const mod = r.below(3);
  if (mod === 0 && rm === 6) return { modrm: (reg) => [(reg << 3) | 6, ...displacement(at, 2)], registers: [] };
  const disp = mod === 0 ? 0 : mod === 1 ? r.below(256) - 128 : r.below(0x10000) - 0x8000;
  const registers: readonly number[] = FORMS16[rm] as readonly number[];
  let rest = at - disp;
  if (registers.length === 2) {
    const index = r.below(0x10000);
    d.load(registers[1] as number, (r.u32() & 0xffff0000) + index);
    rest -= index;
  }
  d.load(registers[0] as number, ((r.u32() & 0xffff0000) | (rest & 0xffff)) >>> 0);
  const bytes = mod === 0 ? [] : displacement(disp, mod === 1 ? 1 : 2);
  return { modrm: (reg) => [(mod << 6) | (reg << 3) | rm, ...bytes], registers };
}

function memory32(d: Draft, at: number): { modrm: (reg: number) => readonly number[]; registers: readonly number[] } {
  const { r } = d;
  const mod = r.below(3);
  const base = r.of([0, 1, 2, 3, 5, 6, 7]);
  const disp = mod === 1 ? r.below(256) - 128 : mod === 2 ? r.u32() | 0 : 0;
  const bytes = mod === 0 ? [] : displacement(disp, mod === 1 ? 1 : 4);
  // In 64-bit mode sums are of 64 bits: what is loaded is, too.
  const value = (rest: number): bigint => (d.bits === 64 ? BigInt.asUintN(64, BigInt(rest)) : BigInt(rest >>> 0));
  if (mod === 0 && base === RBP) {
    if (d.bits !== 64) return { modrm: (reg) => [(reg << 3) | 5, ...displacement(at, 4)], registers: [] };
    return { modrm: (reg) => [(reg << 3) | 4, 0x25, ...displacement(at, 4)], registers: [] };
  }
  if (r.oneIn(2)) {
    d.load(base, value(at - disp));
    return { modrm: (reg) => [(mod << 6) | (reg << 3) | base, ...bytes], registers: [base] };
  }
  const index = r.of([0, 1, 2, 3, 5, 6, 7].filter((n) => n !== base));
  const scale = r.below(4);
  const times = r.below(0x1000);
  d.load(index, times);
  d.load(base, value(at - disp - times * (1 << scale)));
  return { modrm: (reg) => [(mod << 6) | (reg << 3) | 4, (scale << 6) | (index << 3) | base, ...bytes], registers: [base, index] };
}

/** Clears undefined flags: PUSHF, AND, POPF. */
function settle(d: Draft, undefinedFlags: number): void {
  if (undefinedFlags === 0) return;
  const keep = ~undefinedFlags;
  if (d.bits === 16) {
    // IRET to a 16-bit stack left the upper half of ESP as it was: MOVZX ESP, SP.
    d.emit(0x66, 0x0f, 0xb7, 0xe4, 0x9c, 0x67, 0x81, 0x24, 0x24);
    d.imm(keep & 0xffff, 2).emit(0x9d);
    return;
  }
  d.emit(0x9c, ...(d.bits === 64 ? [0x48] : []), 0x81, 0x24, 0x24);
  d.imm(keep, 4).emit(0x9d);
}

interface Operation {
  readonly opcode: readonly number[];
  /** The field of ModRM that is part of the opcode, or none. */
  readonly reg?: number;
  /** Bytes of immediate: 'z' is 2 or 4 by operand size. */
  readonly immediate?: 0 | 1 | 'z';
  readonly undefinedFlags?: number;
  /** Only memory operands, or only registers. */
  readonly only?: 'memory' | 'register';
  readonly mandatory?: number;
  /** The reg field is a register of another kind: it may be any. */
  readonly anyReg?: boolean;
  /** No 66h: it would be another instruction. */
  readonly fixedSize?: boolean;
}

/** Those with ModRM. */
const OPERATIONS: readonly Operation[] = [
  ...[0, 1, 2, 3].flatMap((form) =>
    [0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38].map((op) => ({ opcode: [op | form], undefinedFlags: logic(op >> 3) })),
  ),
  ...[0x80, 0x81, 0x83].flatMap((opcode) =>
    [0, 1, 2, 3, 4, 5, 6, 7].map((reg) => ({
      opcode: [opcode],
      reg,
      immediate: opcode === 0x81 ? ('z' as const) : (1 as const),
      undefinedFlags: logic(reg),
    })),
  ),
  ...[0x84, 0x85].map((opcode) => ({ opcode: [opcode], undefinedFlags: A })),
  ...[0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b].map((opcode) => ({ opcode: [opcode] })),
  { opcode: [0x8d], only: 'memory' },
  { opcode: [0x8f], reg: 0 },
  { opcode: [0x69], immediate: 'z', undefinedFlags: S | Z | A | P },
  { opcode: [0x6b], immediate: 1, undefinedFlags: S | Z | A | P },
  { opcode: [0xc6], reg: 0, immediate: 1 },
  { opcode: [0xc7], reg: 0, immediate: 'z' },
  ...[0xd0, 0xd1].flatMap((opcode) => [0, 1, 2, 3, 4, 5, 7].map((reg) => ({ opcode: [opcode], reg, undefinedFlags: reg < 4 ? 0 : A }))),
  ...[0xc0, 0xc1].flatMap((opcode) =>
    [0, 1, 2, 3, 4, 5, 7].map((reg) => ({
      opcode: [opcode],
      reg,
      immediate: 1 as const,
      undefinedFlags: reg < 4 ? O : A | O | (reg === 7 ? 0 : C),
    })),
  ),
  ...[0xd2, 0xd3].flatMap((opcode) =>
    [0, 1, 2, 3, 4, 5, 7].map((reg) => ({ opcode: [opcode], reg, undefinedFlags: reg < 4 ? O : A | O | (reg === 7 ? 0 : C) })),
  ),
  ...[0xf6, 0xf7].flatMap((opcode): Operation[] => [
    { opcode: [opcode], reg: 0, immediate: opcode === 0xf6 ? 1 : 'z', undefinedFlags: A },
    { opcode: [opcode], reg: 2 },
    { opcode: [opcode], reg: 3 },
    ...[4, 5].map((reg) => ({ opcode: [opcode], reg, undefinedFlags: S | Z | A | P })),
    ...[6, 7].map((reg) => ({ opcode: [opcode], reg, undefinedFlags: C | O | S | Z | A | P })),
  ]),
  ...[0xfe, 0xff].flatMap((opcode) => [0, 1].map((reg) => ({ opcode: [opcode], reg }))),
  { opcode: [0xff], reg: 6 },
  ...Array.from({ length: 16 }, (_, i) => ({ opcode: [0x0f, 0x40 | i] })),
  ...Array.from({ length: 16 }, (_, i) => ({ opcode: [0x0f, 0x90 | i], reg: 0 })),
  ...[0xb6, 0xb7, 0xbe, 0xbf].map((opcode) => ({ opcode: [0x0f, opcode] })),
  ...[0xa4, 0xac].map((opcode) => ({ opcode: [0x0f, opcode], immediate: 1 as const, undefinedFlags: A | O | C })),
  { opcode: [0x0f, 0xaf], undefinedFlags: S | Z | A | P },
  ...[0xb0, 0xb1, 0xc0, 0xc1].map((opcode) => ({ opcode: [0x0f, opcode] })),
  ...[4, 5, 6, 7].map((reg) => ({ opcode: [0x0f, 0xba], reg, immediate: 1 as const, undefinedFlags: O | S | A | P })),
  { opcode: [0x0f, 0xc7], reg: 1, only: 'memory' },
  { opcode: [0x0f, 0xb8], mandatory: 0xf3 },
  { opcode: [0x0f, 0x1f], reg: 0 },
  // MMX and SSE: moves, integer operations, conversions between register files.
  ...[0x6e, 0x7e].map((opcode) => ({ opcode: [0x0f, opcode], anyReg: true })),
  ...[
    0x6f, 0x7f, 0x60, 0x61, 0x63, 0x67, 0x6b, 0xd5, 0xdb, 0xdf, 0xeb, 0xef, 0xf5, 0xfc, 0xfd, 0xfe, 0xd8, 0xe8, 0x74, 0x75, 0x76, 0xd1,
    0xe1, 0xf1,
  ].map((opcode) => ({ opcode: [0x0f, opcode], anyReg: true })),
  ...[0x10, 0x11, 0x28, 0x29, 0x14, 0x15, 0x54, 0x57].map((opcode) => ({ opcode: [0x0f, opcode], anyReg: true })),
  { opcode: [0x0f, 0x12], anyReg: true, only: 'memory' },
  { opcode: [0x0f, 0x17], anyReg: true, only: 'memory' },
  { opcode: [0x0f, 0x70], anyReg: true, immediate: 1 },
  { opcode: [0x0f, 0xc6], anyReg: true, immediate: 1 },
  { opcode: [0x0f, 0xe7], anyReg: true, only: 'memory' },
];

/** ADD OR ADC SBB AND SUB XOR CMP: the logical ones leave AF undefined. */
function logic(op: number): number {
  return op === 1 || op === 4 || op === 6 ? A : 0;
}

/** Bytes of 'z' immediates with this operand size prefix or without. */
const immediateBytes = (d: Draft, other: boolean): number => ((d.bits === 16) === other ? 4 : 2);

function withModrm(d: Draft): void {
  const { r } = d;
  const operation = r.of(OPERATIONS);
  const bytes: number[] = [];
  if (operation.anyReg) d.c.tags.add('SSE');
  if (operation.opcode[1] === 0xc7) d.c.tags.add('CMPXCHG8B');
  const useMemory = operation.only === 'memory' || (operation.only !== 'register' && r.oneIn(2));
  const operand = useMemory ? memory(d) : undefined;
  const other = !operation.fixedSize && r.oneIn(4);
  if (other) bytes.push(0x66);
  if (operation.mandatory !== undefined) bytes.push(operation.mandatory);
  if (operand !== undefined) bytes.push(...operand.prefix);
  bytes.push(...operation.opcode);
  // RSP as a destination would lose the stack.
  const reg = operation.reg ?? (operation.anyReg ? r.below(8) : r.of([0, 1, 2, 3, 5, 6, 7]));
  if (operand !== undefined) bytes.push(...operand.modrm(reg));
  else bytes.push(0xc0 | (reg << 3) | (operation.anyReg && operation.opcode[1] !== 0x7e ? r.below(8) : r.of([0, 1, 2, 3, 5, 6, 7])));
  d.emit(...bytes);
  const { immediate } = operation;
  if (immediate === 1) d.imm(operation.opcode[1] === 0xa4 || operation.opcode[1] === 0xac ? r.below(16) : r.below(256), 1);
  else if (immediate === 'z') d.imm(r.u32(), immediateBytes(d, other));
  settle(d, operation.undefinedFlags ?? 0);
}

/** Those without ModRM: [bytes, undefined flags]. */
function plain(d: Draft): void {
  const { r } = d;
  const legacy = d.bits !== 64;
  switch (r.below(legacy ? 16 : 9)) {
    case 0:
      d.emit(r.of([0x98, 0x99, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0x90, 0x9e, 0x9f]));
      break;
    case 1:
      if (r.oneIn(3)) d.emit(0x66);
      d.emit(r.of([0x91, 0x92, 0x93, 0x95, 0x96, 0x97]));
      break;
    case 2:
      d.emit(0x50 | r.of([0, 1, 2, 3, 5, 6, 7]), 0x58 | d.register());
      break;
    case 3: {
      const opcode = r.of([0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0xa8]);
      d.emit(opcode, r.below(256));
      settle(d, opcode === 0xa8 ? A : logic(opcode >> 3));
      break;
    }
    case 4:
      d.load(1, r.oneIn(2) ? r.below(3) : r.u32());
      d.emit(r.of([0xe0, 0xe1, 0xe2, 0xe3, 0x70 + r.below(16)]), 1, 0xf9);
      break;
    case 5:
      strings(d);
      break;
    case 6:
      // With 16-bit operands its result is undefined.
      d.size(32).emit(0x0f, 0xc8 | d.register());
      break;
    case 7:
      d.c.tags.add('ENTER');
      d.emit(0xc8).imm(r.below(64), 2).emit(r.below(3));
      d.emit(0xc9);
      break;
    case 8:
      d.load(3, place(d)).load(0, r.below(256)).emit(0xd7);
      break;
    case 9: {
      const opcode = r.of([0x27, 0x2f, 0x37, 0x3f]);
      d.emit(opcode);
      settle(d, opcode < 0x30 ? O : O | S | Z | P);
      break;
    }
    case 10:
      d.emit(r.of([0xd4, 0xd5]), r.oneIn(4) ? r.below(256) : 10);
      settle(d, O | A | C);
      break;
    case 11:
      if (r.oneIn(3)) d.emit(0x66);
      d.emit(0x40 | r.of([0, 1, 2, 3, 5, 6, 7]) | (r.oneIn(2) ? 8 : 0));
      break;
    case 12:
      if (r.oneIn(3)) d.emit(0x66);
      d.emit(0x60);
      if (r.oneIn(2)) d.emit(0x61);
      break;
    case 13:
      d.load(3, place(d)).emit(0x62);
      if (d.bits === 16) d.emit(0x07);
      else d.emit(0x03);
      break;
    case 14:
      if (r.oneIn(3)) d.emit(0x66);
      d.emit(r.of([0x06, 0x0e, 0x16, 0x1e]), 0x58 | d.register());
      break;
    default:
      if (d.bits === 16) d.emit(r.of([0xa0, 0xa1, 0xa2, 0xa3])).imm(place(d), 2);
      else d.emit(r.of([0xa0, 0xa1, 0xa2, 0xa3])).imm(place(d), 4);
  }
}

function strings(d: Draft): void {
  const { r } = d;
  d.c.tags.add('strings');
  d.load(6, place(d)).load(7, place(d)).load(1, r.below(40));
  if (r.oneIn(3)) d.emit(0xfd);
  if (r.oneIn(4)) d.emit(r.of(SEGMENT_PREFIX));
  if (r.oneIn(2)) d.emit(r.of([0xf2, 0xf3]));
  if (r.oneIn(3)) d.emit(0x66);
  if (d.bits === 16 && r.oneIn(5)) d.emit(0x67);
  d.emit(r.of([0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]));
}

/** One to three instructions, flags as they come. */
export function instructions(d: Draft): void {
  const { r, c } = d;
  // PUSHF and POPF work at every level.
  c.rflags |= BigInt(r.u32() & 0xcd5) | 0x3000n;
  for (let n = 1 + r.below(3); n > 0; n--) {
    if (r.oneIn(3)) plain(d);
    else withModrm(d);
  }
}
