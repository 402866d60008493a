/**
 * Conversions: which values may stand for which types, and the nodes that make them so.
 *
 * By the original's rules for assignments and arguments, which are C's with strings: integers among themselves, strings and `char *`, pointers of one
 * type, `void *` and any other pointer, and the constant 0 for any pointer or string.
 *
 * @module
 */
import {
  UNSIGNED_LONG,
  commonPointer,
  compatible,
  fit,
  isInteger,
  isPointer,
  isStack,
  isString,
  isStringCompatible,
  isSymbol,
  pointerTo,
  sizeOf,
} from './ctype.ts';
import type { Expression } from './tree.ts';
import { type Type, resolve } from './types.ts';

export const integer = (value: bigint, type: Type, line: number): Expression => ({ op: 'integer', value: fit(value, type), type, line });

/** A constant 0, which goes with any pointer. */
export function isZero(e: Expression): boolean {
  return e.op === 'integer' && e.value === 0n;
}

/** The type two pointer-like values have in common; undefined when there is none. */
export function pointersOf(left: Expression, right: Expression): Type | undefined {
  const ints = [isInteger(left.type), isInteger(right.type)];
  if ((ints[0] && (ints[1] || !isZero(left))) || (ints[1] && !isZero(right))) return undefined;
  return commonPointer(ints[0] ? undefined : left.type, ints[1] ? undefined : right.type);
}

/** May the value be assigned to an object of the type, or passed for it? */
export function assignable(type: Type, value: Expression): boolean {
  const from = value.type;
  if (isInteger(type) && isInteger(from)) return true;
  if (isStringCompatible(type) && isStringCompatible(from)) return true;
  if (isStack(type) && isStack(from)) return true;
  if (isSymbol(type) && isSymbol(from)) return compatible(type, from);
  switch (resolve(type).kind) {
    case 'struct':
    case 'union':
    case 'function':
    case 'float':
      return compatible(type, from);
    case 'int':
    case 'enum':
    case 'void':
    case 'dynamic':
      return false;
    default:
      if (isInteger(from)) return isZero(value);
      return commonPointer(type, from) !== undefined;
  }
}

/** How a scalar is held: bytes, with the sign. */
function held(type: Type): number {
  const t = resolve(type);
  if (t.kind === 'int') return t.signed ? -t.bytes : t.bytes;
  if (t.kind === 'enum') return -4;
  return t.kind === 'pointer' || t.kind === 'function' ? 8 : 0;
}

/** The value as one of the type; what is held alike is left alone. */
export function convert(e: Expression, type: Type): Expression {
  if (e.type === type) return e;
  if (e.op === 'integer' && isInteger(type)) return integer(e.value, type, e.line);
  const from = held(e.type);
  if (from !== 0 && from === held(type)) return e;
  if (isString(e.type) && isString(type)) return e;
  if (from === 0 && !isString(type) && held(type) === 0) return e;
  return { op: 'convert', operand: e, type, line: e.line };
}

/** As `convert`, and the node has the type's own name: for casts. */
export function cast(e: Expression, type: Type): Expression {
  if (e.op === 'integer' && isInteger(type)) return integer(e.value, type, e.line);
  return e.type === type ? e : { op: 'convert', operand: e, type, line: e.line };
}

/** An array as a value is the address of its first element. */
export function decay(e: Expression): Expression {
  const t = resolve(e.type);
  if (t.kind !== 'array') return e;
  const type = pointerTo(t.of);
  return isLvalue(e) ? { op: 'address', of: e, type, line: e.line } : { op: 'convert', operand: e, type, line: e.line };
}

/** The address of a string or pointer's bytes, as a pointer to `of`. */
export function addressed(e: Expression, of: Type): Expression {
  if (!isString(e.type)) return decay(e);
  return { op: 'convert', operand: e, type: pointerTo(of), line: e.line };
}

export function isLvalue(e: Expression): boolean {
  return e.op === 'variable' || e.op === 'dereference' || e.op === 'member';
}

/** May what stands there be changed? Variables of the program, and memory whose address comes from one, from a cast or from a subroutine. */
export function isWritable(e: Expression): boolean {
  switch (e.op) {
    case 'variable':
    case 'call':
      return true;
    case 'member':
      return isWritable(e.object);
    case 'dereference':
      return isWritable(e.address);
    case 'address':
      return isWritable(e.of);
    case 'convert':
      // A cast to a pointer may be meant so; the address of a string's bytes is the string.
      return isWritable(e.operand) || (isPointer(e.type) && !isString(e.operand.type));
    case 'arithmetic':
      return isWritable(e.left) || isWritable(e.right);
    case 'conditional':
      return isWritable(e.then) && isWritable(e.otherwise);
    case 'sequence':
      return isWritable(e.parts.at(-1) as Expression);
    case 'assign':
    case 'update':
      return isWritable(e.target);
    case 'let':
      return isWritable(e.body);
    default:
      return false;
  }
}

/** An index or count scaled to bytes of what the pointer points to. */
export function scaled(index: Expression, of: Type): Expression {
  const size = BigInt(sizeOf(of));
  const { line } = index;
  if (index.op === 'integer') return integer(BigInt.asUintN(64, index.value * size), UNSIGNED_LONG, line);
  const wide = convert(index, UNSIGNED_LONG);
  if (size === 1n) return wide;
  return { op: 'arithmetic', operator: '*', left: wide, right: integer(size, UNSIGNED_LONG, line), type: UNSIGNED_LONG, line };
}
