/**
 * One instruction with ordinary operands: a form of host-forms.ts, its operand size, operands and prefixes, and register values to its taste.
 *
 * @module
 */
import { type Address, DS, FS, type Instruction, RAX, RBX, RCX, RDX, type Writer } from './host-code.ts';
import type { Form } from './host-forms.ts';
import { interesting } from './host-random.ts';
import { EVERYTHING, UNDEFINED } from './host-undefined.ts';

type Size = 1 | 2 | 4 | 8;

/** What a form's instruction came to; the count of a shift is known when all registers have their values. */
export interface Written {
  readonly form: Form;
  readonly osz: Size;
  readonly immediate: bigint;
}

/**
 * Where the operands of instructions in a sequence come from; absent for a single instruction, whose registers are its own.
 *
 * Every register that an instruction names comes from here, whether it is read or written, so that `register` alone decides what code may
 * change: host-sequences.test.ts proves that no form has another way to a register that holds an address.
 */
export interface Supply {
  /** RAX, RCX and RDX may be set to what the instruction wants. */
  readonly prepares: boolean;
  /** A register for an operand of `bytes`: which number means which register is another thing for 8 bits. */
  register(bytes: Size): number;
  memory(bytes: number): Address;
}

function operandSize(w: Writer, f: Form): Size {
  const r = w.random;
  const long = w.mode.bits === 64;
  // MOVSXD with a 16-bit destination reads 16 bits (Intel) or 32 (AMD).
  if (f.opcode[0] === 0x63) return r.pick([4, 8]);
  if (/[EGM]y/.test(f.operands)) return long ? r.pick([4, 8]) : 4;
  if (f.operands.includes('x')) return long ? r.pick([4, 8]) : 4;
  if (/[EGZOM]v|^v$|z/.test(f.operands)) return long ? r.pick([2, 4, 4, 8, 8]) : r.pick([2, 4]);
  return 1;
}

function immediateBytes(pattern: string | undefined, osz: Size): 0 | 1 | 2 | 4 | 8 {
  if (pattern === 'Ib') return 1;
  if (pattern === 'Iz') return osz === 8 ? 4 : (osz as 2 | 4);
  return pattern === 'Iv' ? osz : 0;
}

/** Size of an E, M, G or Z operand by its pattern: b w d q, or the operand size. */
function operandBytes(pattern: string, osz: Size): Size {
  switch (pattern[1]) {
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'd':
      return 4;
    case 'q':
      return 8;
    default:
      return osz;
  }
}

/** Sizes of the r/m operand's memory in bytes. */
function memoryBytes(f: Form, pattern: string, osz: Size): number {
  if (f.setup === 'compare8') return osz === 8 ? 16 : 8;
  if (f.opcode[0] === 0x62) return 2 * osz;
  return operandBytes(pattern, osz);
}

/** Values that the form's outcome turns on. Before the memory operand is chosen, which may overwrite them. */
function prepare(w: Writer, f: Form, osz: Size): void {
  const r = w.random;
  switch (f.setup) {
    case 'count':
      if (!r.oneIn(8)) w.set(RCX, BigInt(r.pick([0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, r.below(64)])), 1);
      break;
    case 'divide':
      // A high half smaller than most divisors, or a sign extension.
      if (!r.oneIn(4))
        w.set(
          osz === 1 ? RAX : RDX,
          r.pick([0n, -1n, BigInt(r.below(4)), interesting(r) >> 48n]) << (osz === 1 ? 8n : 0n),
          osz === 1 ? 2 : osz,
        );
      if (osz === 1) w.set(RAX, interesting(r), 1);
      break;
    case 'bcd':
      w.set(RAX, BigInt(r.u32() & (r.oneIn(2) ? 0x0f0f : 0xffff)), 2);
      break;
    default:
      break;
  }
}

/** Values that must equal, or nearly, what the instruction finds. */
function match(w: Writer, f: Form, rm: number | Address | undefined, osz: Size): void {
  const r = w.random;
  if (f.setup === 'compare' && r.oneIn(2)) {
    if (typeof rm === 'number') w.set(rm, w.get(RAX), osz);
    else if (rm !== undefined) w.poke(linearOf(w, rm), w.get(RAX), osz);
  }
  if (f.setup === 'compare8' && rm !== undefined && typeof rm !== 'number' && !r.oneIn(3)) {
    const half = osz === 8 ? 8 : 4;
    w.poke(linearOf(w, rm), w.get(RAX), half);
    w.poke(linearOf(w, rm) + half, w.get(RDX), half);
  }
  if (f.setup === 'scan' && rm !== undefined && typeof rm !== 'number' && r.oneIn(8)) w.poke(linearOf(w, rm), 0n, osz);
}

/** Offset of an operand in its segment. */
function offsetOf(w: Writer, a: Address): bigint {
  const sum =
    (a.ripTarget ?? 0n) + BigInt(a.disp) + (a.base >= 0 ? w.get(a.base) : 0n) + (a.index >= 0 ? w.get(a.index) << BigInt(a.scale) : 0n);
  return BigInt.asUintN(8 * a.size, sum);
}

/** Linear address of an operand (only to put values there). */
export function linearOf(w: Writer, a: Address): number {
  const segment = w.mode.bits === 64 && a.segment < FS ? 0 : (w.mode.segments[a.segment]?.base ?? 0);
  return Number(BigInt.asUintN(32, offsetOf(w, a))) + segment;
}

/** BT with a register: any bit of memory within reach, so that the access ends in a window, behind one, or far away. */
function bitOffset(w: Writer, rm: Address, reg: number, osz: Size): void {
  const r = w.random;
  // About the end of canonical addresses the host has memory of its own.
  if (offsetOf(w, rm) >> 32n !== 0n) {
    w.set(reg, BigInt(r.below(8 * osz)), osz);
    return;
  }
  const from = linearOf(w, rm);
  const near = osz === 2 ? 0xff0 : w.mode.bits === 64 || rm.size !== 2 ? Number.POSITIVE_INFINITY : 0x10000;
  const base = w.mode.segments[rm.segment]?.base ?? 0;
  const to = r.oneIn(4) ? from : (w.target(osz, (at) => Math.abs(at - from) < near && (near > 0x10000 || at >= base)) ?? from);
  const offset =
    r.oneIn(16) && osz !== 2 && rm.size !== 2
      ? 0x2000_0000n + BigInt(r.below(0x2000_0000))
      : BigInt(to - from) * 8n + BigInt(r.below(8 * osz));
  w.set(reg, offset, osz);
}

function absolute(w: Writer, f: Form, osz: Size, rep: number): void {
  const r = w.random;
  const bytes = f.operands === 'Ob' ? 1 : osz;
  const asz = r.oneIn(4) ? (w.word === 4 ? 2 : 4) : w.word;
  const override = r.oneIn(4) ? r.below(6) : -1;
  const segment = override >= 0 && (w.mode.bits !== 64 || override >= FS) ? override : DS;
  const base = w.mode.bits === 64 && segment < FS ? 0 : (w.mode.segments[segment]?.base ?? 0);
  const offset = BigInt((w.target(bytes, (at) => at >= base && (asz !== 2 || at - base < 0x10000)) ?? w.nowhere(segment)) - base);
  w.instruction({ opcode: f.opcode, osz: bytes as Size, asz, override, imm: BigInt.asUintN(64, offset), immBytes: asz, rep });
}

function lookUp(w: Writer, rep: number): void {
  const r = w.random;
  const asz = r.oneIn(4) ? (w.word === 4 ? 2 : 4) : w.word;
  const override = r.oneIn(4) ? r.below(6) : -1;
  const segment = override >= 0 && (w.mode.bits !== 64 || override >= FS) ? override : DS;
  const base = w.mode.bits === 64 && segment < FS ? 0 : (w.mode.segments[segment]?.base ?? 0);
  const t = w.target(1, (at) => at >= base && (asz !== 2 || at - base < 0x10000)) ?? w.nowhere(segment);
  w.set(RBX, BigInt(t - base) - (w.get(RAX) & 0xffn), asz);
  w.instruction({ opcode: [0xd7], asz, override, rep });
}

/** Prefixes that change nothing here: REPNE and REP before what is no string, except where they choose another instruction. */
function idlePrefix(w: Writer, f: Form): number {
  const op = f.opcode.at(-1) as number;
  const other =
    f.opcode[0] === 0x0f ? f.opcode[1] === 0x38 || [0xbc, 0xbd, 0xb8, 0xc7, 0x0d, 0x18, 0x1f, 0x0b, 0xae].includes(op) : op === 0x90;
  return !other && w.random.oneIn(40) ? w.random.pick([0xf2, 0xf3]) : 0;
}

/** Writes one instruction of form `f`. */
export function write(w: Writer, f: Form, supply?: Supply): Written {
  const r = w.random;
  const osz = operandSize(w, f);
  const patterns = f.operands.split(',');
  const rep = f.prefix || (supply ? 0 : idlePrefix(w, f));
  const immPattern = patterns.find((p) => p[0] === 'I');
  const immBytes = immediateBytes(immPattern, osz);
  let immediate = f.setup === 'count' && !r.oneIn(4) ? BigInt(r.pick([0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64])) : interesting(r);
  // INT 80h is Linux's: it would be a system call. Paravirtual kernels have gates of their own among the processor's reserved vectors.
  if (f.opcode[0] === 0xcd && [0x17, 0x19, 0x1a, 0x1b, 0x80].includes(Number(immediate & 0xffn))) immediate = 3n;
  const done: Written = { form: f, osz, immediate };
  if (!supply || supply.prepares) prepare(w, f, osz);
  if (f.operands[0] === 'O') {
    absolute(w, f, osz, rep);
    return done;
  }
  if (f.setup === 'table') {
    lookUp(w, rep);
    return done;
  }
  const e = patterns.find((p) => p[0] === 'E' || p[0] === 'M');
  const g = patterns.find((p) => p[0] === 'G');
  const z = patterns.find((p) => p[0] === 'Z');
  const choose = (pattern: string) => (supply ? supply.register(operandBytes(pattern, osz)) : w.register());
  let reg = g ? choose(g) : f.group;
  const vvvv = f.vex?.register ? (supply ? supply.register(osz) : w.register()) : 0;
  // A position and perhaps a length, or a count.
  if (f.setup === 'control' && !supply && r.oneIn(2)) w.set(vvvv, BigInt(r.below(70) | (r.below(70) << 8)), 2);
  let rm: number | Address | undefined;
  if (e) {
    const bytes = memoryBytes(f, e, osz);
    // In a sequence a bit offset in a register could reach anywhere.
    if (e[0] === 'M' || (r.oneIn(2) && !(supply && f.setup === 'bit')))
      rm = supply ? supply.memory(bytes) : w.memory(bytes, bytes === 16 ? { align: 16 } : {});
    else rm = choose(e);
    if (!supply) match(w, f, rm, osz);
    if (f.setup === 'bit' && !supply && typeof rm === 'object') {
      while (reg === rm.base || reg === rm.index) reg = w.register();
      bitOffset(w, rm, reg as number, osz);
    }
  }
  const lock = typeof rm === 'object' && f.lock ? r.oneIn(6) : !supply && r.oneIn(100);
  const i: Instruction = {
    opcode: f.opcode,
    osz,
    imm: immediate,
    immBytes,
    lock,
    rep,
    ...(z ? { low: choose(z) } : {}),
    ...(f.vex && { vex: { ...f.vex, vvvv } }),
  };
  w.instruction(reg === undefined ? i : { ...i, reg, rm: rm ?? 0 });
  return done;
}

/** Flags that an instruction left undefined, given the registers it started with. */
export function undefinedAfter(w: Writer, { form: f, osz, immediate }: Written): number {
  const bytes = osz;
  const raw = f.operands.endsWith('CL') ? w.get(RCX) : f.operands.endsWith(',1') ? 1n : immediate;
  const count = Number(raw & 0xffn) & (bytes === 8 ? 63 : 31);
  if (f.undefined === 'doubleShift' && count > 8 * bytes) return EVERYTHING;
  return UNDEFINED[f.undefined].flags({ count, bits: 8 * bytes });
}

/** A case of one instruction. */
export function single(w: Writer, f: Form): void {
  w.begin();
  const done = write(w, f);
  w.end(undefinedAfter(w, done));
}
