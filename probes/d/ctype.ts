/**
 * C's type rules for x86-64 (LP64), and where D's differ: sizes, layout, promotion, compatibility, names.
 *
 * Qualifiers (const, volatile, restrict) are not kept: in D they change nothing. Narrow integers are promoted to int as in C.
 *
 * @module
 */
import type { ArrayType, FloatType, IntType, Member, PointerType, StringType, Type, VoidType } from './types.ts';
import { resolve } from './types.ts';

const int = (name: string, bytes: 1 | 2 | 4 | 8, signed: boolean): IntType => ({ kind: 'int', name, bytes, signed });

export const VOID: VoidType = { kind: 'void' };
export const STRING: StringType = { kind: 'string' };
export const CHAR: IntType = { ...int('char', 1, true), char: true };
export const SIGNED_CHAR: IntType = { ...int('signed char', 1, true), char: true };
export const UNSIGNED_CHAR = int('unsigned char', 1, false);
export const SHORT = int('short', 2, true);
export const UNSIGNED_SHORT = int('unsigned short', 2, false);
export const INT = int('int', 4, true);
export const UNSIGNED = int('unsigned int', 4, false);
export const LONG = int('long', 8, true);
export const UNSIGNED_LONG = int('unsigned long', 8, false);
export const LONG_LONG = int('long long', 8, true);
export const UNSIGNED_LONG_LONG = int('unsigned long long', 8, false);
export const FLOAT: FloatType = { kind: 'float', name: 'float', bytes: 4 };
export const DOUBLE: FloatType = { kind: 'float', name: 'double', bytes: 8 };
export const LONG_DOUBLE: FloatType = { kind: 'float', name: 'long double', bytes: 16 };

export const named = (name: string, to: Type): Type => ({ kind: 'typedef', name, to });
export const INT64 = named('int64_t', LONG);
export const UINT64 = named('uint64_t', UNSIGNED_LONG);
export const INT32 = named('int32_t', INT);
export const UINT32 = named('uint32_t', UNSIGNED);
export const SIZE = named('size_t', UNSIGNED_LONG);
export const POINTER_DIFFERENCE = named('ptrdiff_t', LONG);
export const UINTPTR = named('uintptr_t', UNSIGNED_LONG);

export const pointerTo = (to: Type): PointerType => ({ kind: 'pointer', to });
export const arrayOf = (of: Type, length: number): ArrayType => ({ kind: 'array', of, length });
export const VOID_POINTER = pointerTo(VOID);

/** Bytes of D's string when nobody asks at run time: `sizeof (string)`. */
export const STRING_BYTES = 256;

/** Bytes of an object of the type; 0 = it has no size. */
export function sizeOf(type: Type): number {
  const t = resolve(type);
  switch (t.kind) {
    case 'int':
    case 'float':
      return t.bytes;
    case 'pointer':
      return 8;
    case 'enum':
      return t.complete ? 4 : 0;
    case 'struct':
    case 'union':
      return t.bytes;
    case 'string':
      return STRING_BYTES;
    case 'array':
      return t.length < 0 ? 0 : sizeOf(t.of) * t.length;
    case 'dynamic':
      return t.bytes;
    default:
      return 0;
  }
}

/** Levels of a type: what is deeper is refused where it is declared, as types are walked recursively. */
export const TYPE_DEPTH_MAX = 300;
const depths = new WeakMap<Type, number>();

/** Levels of a type, by value and through pointers; a structure of which only the tag is known is one. */
export function typeDepth(type: Type): number {
  const known = depths.get(type);
  if (known !== undefined) return known;
  const parts = partTypes(type);
  if (parts === undefined) return 1;
  let depth = 0;
  for (const part of parts) depth = Math.max(depth, typeDepth(part));
  depths.set(type, depth + 1);
  return depth + 1;
}

function partTypes(type: Type): readonly Type[] | undefined {
  switch (type.kind) {
    case 'pointer':
    case 'typedef':
      return [type.to];
    case 'array':
      return [type.of];
    case 'function':
      return [type.returns, ...type.params];
    case 'struct':
    case 'union':
      return type.complete ? type.members.map((member) => member.type) : undefined;
    default:
      return undefined;
  }
}

export function alignOf(type: Type): number {
  const t = resolve(type);
  switch (t.kind) {
    case 'struct':
    case 'union':
      return t.align;
    case 'array':
      return alignOf(t.of);
    case 'string':
    case 'void':
    case 'function':
      return 1;
    case 'dynamic':
      return 8;
    default:
      return Math.max(1, sizeOf(t));
  }
}

/** A type's name as messages and print() show it. */
export function typeName(type: Type): string {
  switch (type.kind) {
    case 'int':
    case 'float':
      return type.name;
    case 'void':
      return 'void';
    case 'string':
      return 'string';
    case 'typedef':
      return type.name;
    case 'struct':
    case 'union':
    case 'enum':
      return type.tag === '' ? type.kind : `${type.kind} ${type.tag}`;
    case 'dynamic':
      return dynamicName(type.what);
    default:
      return declaratorName(type, '');
  }
}

function dynamicName(what: string): string {
  switch (what) {
    case 'stack':
    case 'ustack':
      return 'stack';
    case 'sym':
    case 'func':
    case 'mod':
      return '_symaddr';
    case 'usym':
    case 'ufunc':
    case 'umod':
      return '_usymaddr';
    default:
      return 'dynamic variable';
  }
}

/** Pointers, arrays and functions around `inner`, C's way: the innermost type in front. */
function declaratorName(type: Type, inner: string): string {
  switch (type.kind) {
    case 'pointer':
      return declaratorName(type.to, type.to.kind === 'array' || type.to.kind === 'function' ? `(*${inner})` : `*${inner}`);
    case 'array':
      return declaratorName(type.of, `${inner}[${type.length < 0 ? '' : type.length}]`);
    case 'function': {
      const params = type.params.map(typeName);
      if (type.varargs) params.push('...');
      return declaratorName(type.returns, `${inner}(${params.join(', ')})`);
    }
    default:
      return inner === '' ? typeName(type) : `${typeName(type)} ${inner}`;
  }
}

export function isInteger(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'int' || t.kind === 'enum';
}

export function isFloat(type: Type): boolean {
  return resolve(type).kind === 'float';
}

/** What may be tested for truth. Arrays, strings and structures may not. */
export function isScalar(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'int' || t.kind === 'float' || t.kind === 'enum' || t.kind === 'pointer';
}

export function isString(type: Type): boolean {
  return resolve(type).kind === 'string';
}

export function isPointer(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'pointer' || t.kind === 'array';
}

export function isStructure(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'struct' || t.kind === 'union';
}

export function isDynamic(type: Type): boolean {
  return resolve(type).kind === 'dynamic';
}

/** False for a structure or enumeration of which only the tag was seen, and for arrays of it. */
export function isComplete(type: Type): boolean {
  const t = resolve(type);
  if (t.kind === 'array') return isComplete(t.of);
  return (t.kind !== 'struct' && t.kind !== 'union' && t.kind !== 'enum') || t.complete;
}

/** A pointer to void or to a function: no arithmetic on it. */
export function isVoidOrFunctionPointer(type: Type): boolean {
  const t = resolve(type);
  if (t.kind !== 'pointer') return false;
  const to = resolve(t.to);
  return to.kind === 'void' || to.kind === 'function';
}

/** Integers as signed as they are; pointers are unsigned. */
export function isSigned(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'int' ? t.signed : t.kind === 'enum';
}

/** What a pointer points to or an array holds; a string is an array of char. */
export function referenced(type: Type): Type | undefined {
  const t = resolve(type);
  if (t.kind === 'pointer') return t.to;
  if (t.kind === 'array') return t.of;
  if (t.kind === 'string') return CHAR;
  return undefined;
}

/** A string, or something that D takes for one: `char *`, `char []`. */
export function isStringCompatible(type: Type): boolean {
  const t = resolve(type);
  if (t.kind === 'string') return true;
  const base = t.kind === 'pointer' ? t.to : t.kind === 'array' ? t.of : undefined;
  if (base === undefined) return false;
  const b = resolve(base);
  return b.kind === 'int' && b.char === true;
}

export function isStack(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'dynamic' && (t.what === 'stack' || t.what === 'ustack');
}

export function isSymbol(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'dynamic' && t.what !== 'stack' && t.what !== 'ustack' && t.what !== 'aggregation' && t.what !== 'bytes';
}

/** C's integral promotion of one operand. */
export function promoted(type: Type): Type {
  const t = resolve(type);
  if (t.kind === 'enum') return INT;
  if (t.kind === 'int' && t.bytes < 4) return INT;
  return type;
}

/** The usual arithmetic conversions. Both are integers. */
export function promote(left: Type, right: Type): Type {
  const a = promoted(left);
  const b = promoted(right);
  const rank = (type: Type): number => sizeOf(type) * 2 + (isSigned(type) ? 0 : 1);
  return rank(b) > rank(a) ? b : a;
}

/** Types that are the same but for their names. */
export function compatible(left: Type, right: Type): boolean {
  const a = resolve(left);
  const b = resolve(right);
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'int':
      return b.kind === 'int' && a.bytes === b.bytes && a.signed === b.signed && a.char === b.char;
    case 'float':
      return b.kind === 'float' && a.bytes === b.bytes;
    case 'pointer':
      return b.kind === 'pointer' && compatible(a.to, b.to);
    case 'array':
      return b.kind === 'array' && compatible(a.of, b.of) && a.length === b.length;
    case 'struct':
    case 'union':
    case 'enum':
      return (b.kind === 'struct' || b.kind === 'union' || b.kind === 'enum') && a.tag !== '' && a.tag === b.tag;
    case 'function':
      return (
        b.kind === 'function' &&
        compatible(a.returns, b.returns) &&
        a.varargs === b.varargs &&
        a.params.length === b.params.length &&
        a.params.every((p, i) => compatible(p, b.params[i]!))
      );
    case 'dynamic':
      return b.kind === 'dynamic' && a.what === b.what;
    default:
      return true;
  }
}

/**
 * The type two pointers have in common, or undefined: the types they refer to are compatible, or one is void, or one operand is a literal 0 (its
 * type is told as undefined).
 */
export function commonPointer(left: Type | undefined, right: Type | undefined): Type | undefined {
  const a = left === undefined ? undefined : referenced(left);
  const b = right === undefined ? undefined : referenced(right);
  if ((left !== undefined && a === undefined) || (right !== undefined && b === undefined)) return undefined;
  if (a === undefined) return right;
  if (b === undefined) return left;
  if (resolve(a).kind === 'void') return right;
  if (resolve(b).kind === 'void') return left;
  return compatible(a, b) ? left : undefined;
}

/** Looks a member up, also inside unnamed structures: its place from the start of the outer one. */
export function memberOf(type: Type, name: string): Member | undefined {
  const t = resolve(type);
  if (t.kind !== 'struct' && t.kind !== 'union') return undefined;
  for (const member of t.members) {
    if (member.name === name) return member;
    if (member.name !== '' || member.bits !== undefined) continue;
    const inner = memberOf(member.type, name);
    if (inner !== undefined) return { ...inner, offset: member.offset + inner.offset };
  }
  return undefined;
}

/** Truncates a constant to an integer type, and extends it by its sign. */
export function fit(value: bigint, type: Type): bigint {
  const bits = Math.min(8, Math.max(1, sizeOf(type))) * 8;
  return isSigned(type) ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}
