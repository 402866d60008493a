/**
 * Writes the body of one WebAssembly function, instruction by instruction.
 *
 * By the core specification 2.0, sections 5.4 (instructions) and 5.5.13 (code), with the threads, tail-call and branch-hinting proposals.
 * It checks the nesting of blocks and nothing else; the engine validates the module.
 *
 * Labels are numbers: `block`, `loop` and `if_` return one, `br` and its kin take it and work out the relative depth. Locals are taken with
 * `local` and may be given back with `release`, so that one index serves several values of a type; runs of one type share a declaration.
 * No instruction allocates, beyond the growth of the buffer.
 *
 * @module
 */
import { OP } from './opcode.ts';
import { Writer, u32Length } from './writer.ts';

/** Value types (section 5.3). */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const FUNCREF = 0x70;
export const EXTERNREF = 0x6f;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128 | typeof FUNCREF | typeof EXTERNREF;

/** Block type of a block that leaves nothing. */
export const EMPTY = 0x40;

/** A label: the number of blocks around the one it names. */
export type Label = number;

/** A function's body in the making. Used again for one function after the other. */
export class Asm {
  /** The instructions, without the declarations of locals. */
  readonly code = new Writer(16384);
  /** Types of the locals, parameters included, by index. */
  #types: number[] = [];
  #params = 0;
  /** Indices given back, by type. */
  readonly #free = new Map<number, number[]>();
  #depth = 0;
  /** Branch hints: place in `code`, then 1 for likely and 0 for unlikely. */
  readonly #hints: number[] = [];

  /** Starts a body with these parameters. The label of the whole body is 0: a branch to it returns. */
  start(params: readonly ValueType[]): void {
    this.code.clear();
    this.#types.length = 0;
    for (const type of params) this.#types.push(type);
    this.#params = params.length;
    this.#free.clear();
    this.#hints.length = 0;
    this.#depth = 1;
  }

  /** Bytes of the body so far: what a translator compares with its limit. */
  get size(): number {
    return this.code.length;
  }

  /** Blocks that are open, the body's own included. */
  get depth(): number {
    return this.#depth;
  }

  // ---- locals

  /** Index of a local of this type: one that was released, or a new one. It holds any value, so set it first. */
  local(type: ValueType): number {
    const free = this.#free.get(type);
    if (free !== undefined && free.length > 0) return free.pop() as number;
    this.#types.push(type);
    return this.#types.length - 1;
  }

  /** Gives a local back for the next `local` of its type. Parameters may be given back too. */
  release(index: number): void {
    const type = this.#types[index] as number;
    const free = this.#free.get(type);
    if (free === undefined) this.#free.set(type, [index]);
    else if (!free.includes(index)) free.push(index);
  }

  get(index: number): void {
    this.code.byte(0x20);
    this.code.u32(index);
  }

  set(index: number): void {
    this.code.byte(0x21);
    this.code.u32(index);
  }

  tee(index: number): void {
    this.code.byte(0x22);
    this.code.u32(index);
  }

  globalGet(index: number): void {
    this.code.byte(0x23);
    this.code.u32(index);
  }

  globalSet(index: number): void {
    this.code.byte(0x24);
    this.code.u32(index);
  }

  // ---- constants

  i32(value: number): void {
    this.code.byte(0x41);
    this.code.s32(value);
  }

  /** A 64-bit constant from its halves; with one argument, an integer that is exact as a number. */
  i64(low: number, high: number = Math.floor(low / 0x1_0000_0000)): void {
    this.code.byte(0x42);
    this.code.s64(low, high);
  }

  f32(value: number): void {
    this.code.byte(0x43);
    this.code.f32(value);
  }

  f64(value: number): void {
    this.code.byte(0x44);
    this.code.f64(value);
  }

  /** A vector constant from its halves, as unsigned or signed 32-bit words, low first. */
  v128(w0: number, w1: number, w2: number, w3: number): void {
    this.op(0xfd0c);
    for (let i = 0; i < 4; i++) {
      const word = i === 0 ? w0 : i === 1 ? w1 : i === 2 ? w2 : w3;
      for (let shift = 0; shift < 32; shift += 8) this.code.byte((word >>> shift) & 0xff);
    }
  }

  // ---- instructions

  /** An instruction without operands of its own: one of OP. */
  op(opcode: number): void {
    if (opcode < 0x100) this.code.byte(opcode);
    else {
      this.code.byte(opcode >>> 8);
      this.code.u32(opcode & 0xff);
    }
  }

  /** A load, store or atomic access at `offset` from its address; `align` is the base-2 logarithm of the alignment, a hint but for atomics. */
  mem(opcode: number, offset = 0, align = naturalAlign(opcode)): void {
    this.op(opcode);
    this.code.u32(align);
    this.code.u32(offset);
  }

  /** A load or store of one lane of a vector. */
  memLane(opcode: number, lane: number, offset = 0, align = naturalAlign(opcode)): void {
    this.mem(opcode, offset, align);
    this.code.byte(lane);
  }

  /** An extraction or replacement of one lane. */
  lane(opcode: number, lane: number): void {
    this.op(opcode);
    this.code.byte(lane);
  }

  /** i8x16.shuffle by 16 lane numbers (0-15 of the first vector, 16-31 of the second). */
  shuffle(lanes: ArrayLike<number>): void {
    this.op(0xfd0d);
    for (let i = 0; i < 16; i++) this.code.byte(lanes[i] as number);
  }

  atomicFence(): void {
    this.op(0xfe03);
    this.code.byte(0);
  }

  memorySize(): void {
    this.code.byte(0x3f);
    this.code.byte(0);
  }

  memoryGrow(): void {
    this.code.byte(0x40);
    this.code.byte(0);
  }

  memoryCopy(): void {
    this.op(0xfc0a);
    this.code.byte(0);
    this.code.byte(0);
  }

  memoryFill(): void {
    this.op(0xfc0b);
    this.code.byte(0);
  }

  memoryInit(segment: number): void {
    this.op(0xfc08);
    this.code.u32(segment);
    this.code.byte(0);
  }

  dataDrop(segment: number): void {
    this.op(0xfc09);
    this.code.u32(segment);
  }

  tableGet(table = 0): void {
    this.code.byte(0x25);
    this.code.u32(table);
  }

  tableSet(table = 0): void {
    this.code.byte(0x26);
    this.code.u32(table);
  }

  refNull(type: typeof FUNCREF | typeof EXTERNREF): void {
    this.code.byte(0xd0);
    this.code.byte(type);
  }

  refIsNull(): void {
    this.code.byte(0xd1);
  }

  refFunc(func: number): void {
    this.code.byte(0xd2);
    this.code.u32(func);
  }

  /** select of two references or vectors; numbers take OP.select. */
  selectOf(type: ValueType): void {
    this.code.byte(0x1c);
    this.code.byte(1);
    this.code.byte(type);
  }

  // ---- calls

  call(func: number): void {
    this.code.byte(0x10);
    this.code.u32(func);
  }

  callIndirect(type: number, table = 0): void {
    this.code.byte(0x11);
    this.code.u32(type);
    this.code.u32(table);
  }

  returnCall(func: number): void {
    this.code.byte(0x12);
    this.code.u32(func);
  }

  returnCallIndirect(type: number, table = 0): void {
    this.code.byte(0x13);
    this.code.u32(type);
    this.code.u32(table);
  }

  return_(): void {
    this.code.byte(OP.return);
  }

  // ---- blocks

  #open(opcode: number, result: number): Label {
    this.code.byte(opcode);
    // A value type or EMPTY is one byte; the index of a function type is a signed integer.
    if (result >= EMPTY) this.code.byte(result);
    else this.code.s32(result);
    return this.#depth++;
  }

  /** `result`: EMPTY, one value type, or the index of a function type below 64. A branch to its label leaves it. */
  block(result: number = EMPTY): Label {
    return this.#open(0x02, result);
  }

  /** A branch to its label goes back to its start. */
  loop(result: number = EMPTY): Label {
    return this.#open(0x03, result);
  }

  /** Takes the condition from the stack. */
  if_(result: number = EMPTY): Label {
    return this.#open(0x04, result);
  }

  else_(): void {
    this.code.byte(0x05);
  }

  /** Ends the innermost block. */
  end(): void {
    if (this.#depth <= 1) throw new Error('asm: end without a block');
    this.code.byte(0x0b);
    this.#depth--;
  }

  #relative(label: Label): number {
    const depth = this.#depth - 1 - label;
    if (depth < 0 || label < 0) throw new Error('asm: branch to a block that is not open');
    return depth;
  }

  br(label: Label): void {
    this.code.byte(0x0c);
    this.code.u32(this.#relative(label));
  }

  brIf(label: Label): void {
    this.code.byte(0x0d);
    this.code.u32(this.#relative(label));
  }

  /** Branches to `labels[operand]`, to `otherwise` beyond their end. */
  brTable(labels: ArrayLike<Label>, otherwise: Label): void {
    this.code.byte(0x0e);
    this.code.u32(labels.length);
    for (let i = 0; i < labels.length; i++) this.code.u32(this.#relative(labels[i] as Label));
    this.code.u32(this.#relative(otherwise));
  }

  /** Says of the `if_` or `brIf` that follows whether its condition is likely to hold. */
  hint(likely: boolean): void {
    this.#hints.push(this.code.length, likely ? 1 : 0);
  }

  // ---- the finished body

  /** Closes the body. Throws when a block is open. */
  finish(): void {
    if (this.#depth !== 1) throw new Error(`asm: ${this.#depth - 1} blocks are open at the end of the function`);
    this.code.byte(0x0b);
    this.#depth = 0;
  }

  /** Runs of locals of one type, as the declaration has them: calls back with each. */
  #runs(each: (count: number, type: number) => void): void {
    let count = 0;
    for (let i = this.#params; i < this.#types.length; i++) {
      count++;
      if (this.#types[i] === this.#types[i + 1]) continue;
      each(count, this.#types[i] as number);
      count = 0;
    }
  }

  /** Bytes of the declarations of locals. */
  #headerSize(): number {
    let runs = 0;
    let size = 0;
    this.#runs((count) => {
      runs++;
      size += u32Length(count) + 1;
    });
    return u32Length(runs) + size;
  }

  /** Writes the function's entry of the code section: size, locals, instructions. */
  write(into: Writer): void {
    let runs = 0;
    this.#runs(() => runs++);
    into.u32(this.#headerSize() + this.code.length);
    into.u32(runs);
    this.#runs((count, type) => {
      into.u32(count);
      into.byte(type);
    });
    into.append(this.code.bytes, 0, this.code.length);
  }

  /** Writes the function's entry of the section `metadata.code.branch_hint`; nothing when it has no hints. */
  writeHints(func: number, into: Writer): void {
    if (this.#hints.length === 0) return;
    const header = this.#headerSize();
    into.u32(func);
    into.u32(this.#hints.length / 2);
    for (let i = 0; i < this.#hints.length; i += 2) {
      into.u32(header + (this.#hints[i] as number));
      into.u32(1);
      into.byte(this.#hints[i + 1] as number);
    }
  }
}

/** Logarithms of the access widths: of 0x28 to 0x3e, of vectors, of lanes, and of the seven forms of each atomic. */
const PLAIN_ALIGN = [2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 3, 2, 3, 0, 1, 0, 1, 2] as const;
const VECTOR_ALIGN: readonly (number | undefined)[] = [4, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3, 4];
/** 84 to 91 are the accesses of one lane, 92 and 93 the loads that clear the rest. */
const LANE_ALIGN: readonly (number | undefined)[] = [0, 1, 2, 3, 0, 1, 2, 3, 2, 3];
const ATOMIC_ALIGN = [2, 3, 0, 1, 0, 1, 2] as const;

/** Logarithm of the natural alignment of a memory instruction. */
function naturalAlign(opcode: number): number {
  if (opcode < 0x100) return PLAIN_ALIGN[opcode - OP.i32Load] ?? 0;
  const number = opcode & 0xff;
  if (opcode >>> 8 === 0xfe) return number < 0x10 ? (number === 2 ? 3 : 2) : (ATOMIC_ALIGN[(number - 0x10) % 7] as number);
  return (number < 84 ? VECTOR_ALIGN[number] : LANE_ALIGN[number - 84]) ?? 0;
}
