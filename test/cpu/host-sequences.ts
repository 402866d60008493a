/**
 * Cases of several instructions: every reader of flags behind every instruction that sets them, straight code, code with jumps, counted loops.
 *
 * What single instructions cannot show: flags kept lazily, comparisons fused with their jump, flags left out because nobody reads them, lines linked to
 * lines, faults in the middle of a line. Pointers stay in registers of their own, so that every operand lies in a window whatever the rest computes.
 * Flags that the specification leaves undefined are followed through the code: nothing reads one.
 *
 * @module
 */
import { type Address, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, SS, type Writer } from './host-code.ts';
import { CONDITION_READS, type Form, PRESENT } from './host-forms.ts';
import { STACK } from './host-layout.ts';
import { interesting } from './host-random.ts';
import { type Supply, write, type Written } from './host-singles.ts';
import { A, ALL, C, EVERYTHING, O, P, S, UNDEFINED, Z } from './host-undefined.ts';

/** Registers that code may change, and those that hold addresses. */
const DATA_REGISTERS = { 64: [RAX, RCX, RDX, RBX, 8, 9, 10, 11], 32: [RAX, RCX, RDX, RBX], 16: [RAX, RCX, RDX] } as const;
const POINTERS = { 64: [RSI, RDI, RBP, 12, 13], 32: [RSI, RDI, RBP], 16: [RBX, RSI, RDI, RBP] } as const;
/** Loop counters. */
const COUNTER = { 64: 15, 32: RBP, 16: RCX } as const;

/** How the undefined flags change over one instruction, whose registers are not known. */
function follow(undefinedFlags: number, { form, osz, immediate }: Written): number {
  const clause = UNDEFINED[form.undefined];
  if (form.setup !== 'count') return (undefinedFlags & ~form.writes) | clause.flags({ count: 1, bits: 8 * osz });
  const bits = 8 * osz;
  if (form.operands.endsWith('CL'))
    return form.undefined === 'doubleShift' && osz === 2
      ? EVERYTHING
      : undefinedFlags | A | O | (form.undefined === 'shift' && bits < 32 ? C : 0);
  const count = form.operands.endsWith(',1') ? 1 : Number(immediate & 0xffn) & (osz === 8 ? 63 : 31);
  if (form.undefined === 'doubleShift' && count > bits) return EVERYTHING;
  if (count === 0) return undefinedFlags;
  const open = clause.flags({ count, bits });
  const writes = form.undefined === 'rotate' ? C | O : C | O | S | Z | P;
  return (undefinedFlags & ~(writes & ~open)) | open;
}

/** Instructions that can stand anywhere: their operands come from a supply, and they end in nothing but the next one (or a fault). */
function movable(f: Form): boolean {
  const op = f.opcode[0] as number;
  if (f.setup === 'table' || f.setup === 'divide' || f.operands.startsWith('O')) return false;
  if (op === 0x0f) return f.opcode[1] !== 0x0b;
  // XCHG with the accumulator by number; traps, BOUND and privileged instructions; MOV from a segment register.
  return (
    ![0xcc, 0xcd, 0xce, 0xf1, 0x62, 0xf4, 0xfa, 0xfb, 0x8c].includes(op) &&
    !(op === 0xfe && f.group === 3) &&
    !(op === 0xff && f.group === 7)
  );
}

function formsFor(bits: number): readonly Form[] {
  return PRESENT.filter((f) => movable(f) && (f.only === undefined || (f.only === 64) === (bits === 64)));
}
const MOVABLE = { 64: formsFor(64), 32: formsFor(32), 16: formsFor(16) };

/** Everything that reads flags, and can stand behind what sets them. */
const READERS = { 64: [], 32: [], 16: [] } as Record<64 | 32 | 16, Form[]>;
const SETTERS = { 64: [], 32: [], 16: [] } as Record<64 | 32 | 16, Form[]>;
for (const bits of [64, 32, 16] as const) {
  for (const f of MOVABLE[bits]) {
    if (f.reads !== 0) READERS[bits].push(f);
    if (f.writes !== 0 || f.setup === 'count') SETTERS[bits].push(f);
  }
}

class Sequence {
  readonly w: Writer;
  readonly supply: Supply;
  readonly points: number[] = [];
  /** Flags undefined at this place. */
  open = 0;
  broken = false;
  /** Jumps forward to places not yet written: where their displacement stands, the instructions still to come, and the flags undefined there. */
  #jumps: { at: number; left: number; open: number }[] = [];
  /** Bytes pushed so far. */
  #depth = 0;
  readonly #pushes: boolean;
  readonly #data: readonly number[];

  constructor(w: Writer, options: { counter?: boolean; prepares?: boolean } = {}) {
    this.w = w;
    const { bits } = w.mode;
    const counter = options.counter ? COUNTER[bits] : -1;
    this.#pushes = !options.counter;
    this.#data = DATA_REGISTERS[bits].filter((n) => n !== counter);
    const pointers = POINTERS[bits].filter((n) => n !== counter);
    w.begin(64);
    // A trap after each instruction of a sequence would stop at the first.
    w.flags &= ~0x100;
    for (const n of pointers) {
      w.set(n, BigInt(w.random.pick(w.shape.windows).address) - BigInt(w.random.below(64)));
      w.fixed.add(n);
    }
    const base = bits === 64 ? 0 : (w.mode.segments[SS]?.base ?? 0);
    w.set(RSP, BigInt(STACK + 0x820 - base), w.mode.stackBits === 16 ? 2 : 8);
    w.fixed.add(RSP);
    if (counter >= 0) w.fixed.add(counter);
    this.supply = {
      prepares: options.prepares ?? false,
      register: (bytes) => (bytes === 1 ? this.#byteRegister() : w.random.pick(this.#data)),
      memory: (bytes): Address => w.memory(bytes, { base: w.random.pick(pointers), ...(bytes === 16 ? { align: 16 } : {}) }),
    };
  }

  /** Low bytes anywhere, high ones where no REX can turn them into others. */
  #byteRegister(): number {
    const n = this.w.random.pick(this.#data);
    return this.w.mode.bits !== 64 && n < 4 && this.w.random.oneIn(2) ? n + 4 : n;
  }

  mark(): void {
    this.points.push(this.w.rip, this.open);
  }

  /** Writes an instruction, unless it would read an undefined flag. */
  put(f: Form): boolean {
    if ((f.reads & this.open) !== 0) return false;
    this.mark();
    const after = follow(this.open, write(this.w, f, this.supply));
    if (after === EVERYTHING) this.broken = true;
    else this.open = after;
    this.#step();
    return true;
  }

  /** Any instruction. */
  any(): void {
    const r = this.w.random;
    // Both ways of a jump must have pushed the same.
    if (this.#pushes && this.#jumps.length === 0 && r.oneIn(12)) this.#pushOrPop();
    else while (!this.put(r.pick(MOVABLE[this.w.mode.bits])));
  }

  #pushOrPop(): void {
    const { w } = this;
    const osz = w.mode.bits === 64 ? 8 : w.random.pick([2, 4] as const);
    this.mark();
    if (this.#depth >= osz && w.random.oneIn(2)) {
      this.#depth -= osz;
      w.instruction({ opcode: [0x58], osz, wide: true, low: w.random.pick(this.#data) });
    } else if (this.#depth < 24) {
      this.#depth += osz;
      w.instruction({ opcode: [0x50], osz, wide: true, low: w.random.pick(this.#data) });
    } else w.instruction({ opcode: [0x90], osz: 4 });
    this.#step();
  }

  /** Jcc or JMP over the next `count` instructions; false when its condition is undefined. */
  jump(condition: number, count: number): boolean {
    if (condition < 16 && ((CONDITION_READS[condition] as number) & this.open) !== 0) return false;
    this.mark();
    const near = this.w.random.oneIn(3);
    const wide = this.w.mode.bits === 16 ? 2 : 4;
    if (near) this.w.byte(...(condition < 16 ? [0x0f, 0x80 + condition] : [0xe9]), ...Array<number>(wide).fill(0));
    else this.w.byte(condition < 16 ? 0x70 + condition : 0xeb, 0);
    this.#step();
    this.#jumps.push({ at: this.w.length - (near ? wide : 1), left: count, open: this.open });
    return true;
  }

  /** An instruction was written: jumps that end behind it get their displacement. */
  #step(): void {
    for (const j of this.#jumps) j.left--;
    this.#jumps = this.#jumps.filter((j) => {
      if (j.left > 0) return true;
      this.#land(j);
      return false;
    });
  }

  #land(j: { at: number; open: number }): void {
    const short = this.w.codeByte(j.at - 1) === 0xeb || (this.w.codeByte(j.at - 1) & 0xf0) === 0x70;
    const bytes = short ? 1 : this.w.mode.bits === 16 ? 2 : 4;
    const distance = this.w.length - (j.at + bytes);
    for (let i = 0; i < bytes; i++) this.w.patch(j.at + i, (distance >> (8 * i)) & 0xff);
    this.open |= j.open;
  }

  /** Jumps that have not ended yet end here. */
  landAll(): void {
    for (const j of this.#jumps) this.#land(j);
    this.#jumps = [];
  }

  end(): void {
    this.landAll();
    this.w.end(this.broken ? EVERYTHING : this.open, this.points);
  }
}

/** A setter of flags and a reader, or a jump on a condition, behind it: `n` counts through the pairs. */
export function pairCase(w: Writer, n: number): void {
  const { bits } = w.mode;
  const setters = SETTERS[bits];
  const readers = READERS[bits];
  for (;;) {
    const s = new Sequence(w, { prepares: true });
    s.put(setters[n % setters.length] as Form);
    const which = w.random.below(readers.length + 16);
    if (!(which < 16 ? s.jump(which, 1) : s.put(readers[which - 16] as Form))) continue;
    if (which < 16) s.any();
    s.end();
    return;
  }
}

/** CMP and TEST with every condition behind them, on operands that are often equal or next to each other. */
const COMPARISONS = PRESENT.filter(isCompare);
function isCompare(f: Form): boolean {
  const op = f.opcode[0] as number;
  if (f.opcode.length > 1) return false;
  return (
    (op >= 0x38 && op < 0x3e) ||
    ((op & 0xfc) === 0x80 && f.group === 7 && f.only === undefined) ||
    op === 0x84 ||
    op === 0x85 ||
    op === 0xa8 ||
    op === 0xa9 ||
    ((op & 0xfe) === 0xf6 && (f.group ?? 9) < 2)
  );
}

export function comparisonCase(w: Writer, n: number): void {
  const r = w.random;
  const s = new Sequence(w, { prepares: false });
  const value = interesting(r);
  for (const reg of DATA_REGISTERS[w.mode.bits]) if (r.oneIn(2)) w.set(reg, value + BigInt(r.below(3) - 1));
  s.put(COMPARISONS[n % COMPARISONS.length] as Form);
  s.jump(Math.floor(n / COMPARISONS.length) % 16, 1);
  s.any();
  s.end();
}

/** Up to a dozen instructions, some of them jumped over. */
export function straightCase(w: Writer): void {
  const r = w.random;
  const s = new Sequence(w);
  const count = 2 + r.below(11);
  for (let i = 0; i < count; i++) {
    if (r.oneIn(5)) s.jump(r.oneIn(6) ? 16 : r.below(16), 1 + r.below(3));
    else s.any();
  }
  s.end();
}

/** A loop of a few instructions that runs up to forty times: lines that link to themselves. */
export function loopCase(w: Writer): void {
  const r = w.random;
  const s = new Sequence(w, { counter: true });
  const counter = COUNTER[w.mode.bits];
  w.set(counter, BigInt(1 + r.below(40)));
  const kind = r.below(3);
  // What the end of the loop leaves undefined is so at its beginning: SUB defines all, DEC all but CF, LOOP none.
  s.open = kind === 0 || (kind === 2 && w.mode.bits !== 16) ? 0 : kind === 1 ? C : ALL;
  const head = w.length;
  const count = 1 + r.below(6);
  for (let i = 0; i < count; i++) {
    if (r.oneIn(6)) s.jump(r.below(16), 1);
    else s.any();
  }
  closeLoop(w, s, kind, counter, head);
  s.end();
}

function closeLoop(w: Writer, s: Sequence, kind: number, counter: number, head: number): void {
  const osz = w.mode.bits === 64 ? 8 : w.mode.bits === 32 ? 4 : 2;
  s.landAll();
  s.mark();
  if (kind === 2 && w.mode.bits === 16) {
    const distance = head - (w.length + 2);
    w.byte(0xe2, distance >= -128 ? distance & 0xff : 0);
    return;
  }
  if (kind === 1) w.instruction({ opcode: [0xff], osz, reg: 1, rm: counter });
  else w.instruction({ opcode: [0x83], osz, reg: 5, rm: counter, imm: 1n, immBytes: 1 });
  s.open = kind === 1 ? s.open & C : 0;
  s.mark();
  const wide = w.mode.bits === 16 ? 2 : 4;
  w.byte(0x0f, 0x85);
  w.immediate(BigInt.asUintN(32, BigInt(head - (w.length + wide))), wide);
}

/** A loop that changes an instruction further on in itself, now and then the very next one. */
export function modifyingCase(w: Writer): void {
  const r = w.random;
  const s = new Sequence(w, { counter: true });
  const counter = COUNTER[w.mode.bits];
  w.set(counter, BigInt(1 + r.below(6)));
  w.set(RSI, BigInt(w.linear));
  const head = w.length;
  const change = r.pick(CHANGES);
  s.mark();
  w.byte(...change.store);
  const hole = w.length;
  w.byte(0, 0, 0, 0, ...(change.imm ? [r.below(256)] : []));
  for (let i = r.below(4); i > 0; i--) s.any();
  s.mark();
  const target = w.length + change.at;
  for (let i = 0; i < 4; i++) w.patch(hole + i, (target >> (8 * i)) & 0xff);
  w.byte(...change.changed);
  if (change.tail.length > 0) {
    s.open = ALL;
    s.mark();
    w.byte(...change.tail);
  }
  s.open = 0;
  if (r.oneIn(2)) s.any();
  closeLoop(w, s, 0, counter, head);
  s.end();
}

/** Stores through RSI and a displacement, and what they change: `at` is the byte that the store hits; the tail defines all flags. */
const CHANGES: readonly { store: number[]; imm: boolean; changed: number[]; at: number; tail: number[] }[] = [
  // MOV byte, imm; the immediate of ADD EAX.
  { store: [0xc6, 0x86], imm: true, changed: [0x05, 0x11, 0x22, 0x33, 0x44], at: 2, tail: [] },
  // INC byte; the immediate of SUB EDX.
  { store: [0xfe, 0x86], imm: false, changed: [0x83, 0xea, 0x05], at: 2, tail: [] },
  // ADD [mem], EAX; the immediate of MOV EBX.
  { store: [0x01, 0x86], imm: false, changed: [0xbb, 1, 2, 3, 4], at: 1, tail: [0x01, 0xd8] },
  // XCHG with CL; the count of SHL EAX.
  { store: [0x86, 0x8e], imm: false, changed: [0xc1, 0xe0, 0x01], at: 2, tail: [0x01, 0xc2] },
];
