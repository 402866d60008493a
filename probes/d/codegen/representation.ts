/**
 * How values of D's types are held: in WebAssembly, in variables, in records.
 *
 * On WebAssembly's stack every value is one i64: an integer or pointer extended from its size by its sign, a string, structure or array as its address.
 *
 * @module
 */
import type { Asm } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { sizeOf } from '../ctype.ts';
import { type Type, resolve } from '../types.ts';

export type ScalarBytes = 1 | 2 | 4 | 8;

/** What stands in memory for a value. */
export type Representation =
  | { readonly kind: 'scalar'; readonly bytes: ScalarBytes; readonly signed: boolean }
  /** Text with its NUL, at most `bytes`. */
  | { readonly kind: 'text'; readonly bytes: number }
  /** Anything else, by its bytes. */
  | { readonly kind: 'block'; readonly bytes: number };

/** `stringBytes`: strsize, or what a string takes inside a structure. */
export function representation(type: Type, stringBytes: number): Representation {
  const t = resolve(type);
  switch (t.kind) {
    case 'int':
      return { kind: 'scalar', bytes: t.bytes, signed: t.signed };
    case 'enum':
      return { kind: 'scalar', bytes: 4, signed: true };
    case 'pointer':
    case 'function':
      return { kind: 'scalar', bytes: 8, signed: false };
    case 'string':
      return { kind: 'text', bytes: stringBytes };
    case 'float':
      return t.bytes === 16 ? { kind: 'block', bytes: 16 } : { kind: 'scalar', bytes: t.bytes, signed: false };
    default:
      return { kind: 'block', bytes: sizeOf(t) };
  }
}

export function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Alignment in memory: of integers their size, of all else 8, so that copies go by words. */
export function alignment(rep: Representation): number {
  return rep.kind === 'scalar' ? rep.bytes : 8;
}

const LOADS = {
  1: { signed: OP.i64Load8S, unsigned: OP.i64Load8U },
  2: { signed: OP.i64Load16S, unsigned: OP.i64Load16U },
  4: { signed: OP.i64Load32S, unsigned: OP.i64Load32U },
  8: { signed: OP.i64Load, unsigned: OP.i64Load },
} as const;
const STORES = { 1: OP.i64Store8, 2: OP.i64Store16, 4: OP.i64Store32, 8: OP.i64Store } as const;

/** Loads a scalar: the address (i32) is on the stack, its extended value takes its place. */
export function emitLoad(asm: Asm, bytes: ScalarBytes, signed: boolean, offset: number): void {
  asm.mem(LOADS[bytes][signed ? 'signed' : 'unsigned'], offset);
}

/** Stores the low bytes of the i64 on the stack to the address (i32) under it. */
export function emitStore(asm: Asm, bytes: ScalarBytes, offset: number): void {
  asm.mem(STORES[bytes], offset);
}

/** Truncates the i64 on the stack to so many bytes and extends it again. */
export function emitExtend(asm: Asm, bytes: number, signed: boolean): void {
  if (bytes >= 8) return;
  if (!signed) {
    asm.i64(2 ** (8 * bytes) - 1, 0);
    asm.op(OP.i64And);
    return;
  }
  asm.op(bytes === 1 ? OP.i64Extend8S : bytes === 2 ? OP.i64Extend16S : OP.i64Extend32S);
}

/** Makes the i64 on the stack a value of the type, whatever its high bits were. */
export function emitFit(asm: Asm, type: Type): void {
  const rep = representation(type, 8);
  if (rep.kind === 'scalar') emitExtend(asm, rep.bytes, rep.signed);
}

/** A constant. */
export function emitConstant(asm: Asm, value: bigint): void {
  asm.i64(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
}
