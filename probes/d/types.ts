/**
 * Types of the D language: C's types for x86-64 (LP64), plus D's string.
 *
 * Plain data, so that types travel between threads and processes (`v8.serialize`: structures may refer to themselves through pointers).
 * Sizes are in bytes. A typedef keeps its name for messages and `print()`; `resolve` looks through it.
 *
 * @module
 */

/** An integer type under the name it is printed with. */
export interface IntType {
  readonly kind: 'int';
  readonly name: string;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  /** char and its kin: printed as characters by print(), and arrays of it as text. */
  readonly char?: true;
}

/** float, double, long double: may be declared and referred to, never computed with. */
export interface FloatType {
  readonly kind: 'float';
  readonly name: string;
  readonly bytes: 4 | 8 | 16;
}

export interface VoidType {
  readonly kind: 'void';
}

/** D's string: at most `strsize` bytes with its NUL; a value is the address of its bytes. */
export interface StringType {
  readonly kind: 'string';
}

export interface PointerType {
  readonly kind: 'pointer';
  readonly to: Type;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly of: Type;
  /** Elements; -1 = not told (`[]`). */
  readonly length: number;
}

export interface Member {
  /** '' for an unnamed structure or union whose members belong to the one around it. */
  readonly name: string;
  readonly type: Type;
  /** Bytes from the start of the structure (for a bit-field: of the storage unit of its type). */
  readonly offset: number;
  /** Bit-field: lowest bit in the storage unit, and bits. */
  readonly bits?: { readonly shift: number; readonly width: number };
}

/** A structure or union. The object is filled in when its body is seen, so it is mutable until then. */
export interface StructType {
  readonly kind: 'struct' | 'union';
  /** Its tag; '' = none. */
  readonly tag: string;
  bytes: number;
  align: number;
  members: readonly Member[];
  /** False while only the tag was seen. */
  complete: boolean;
}

export interface EnumType {
  readonly kind: 'enum';
  readonly tag: string;
  members: readonly (readonly [name: string, value: bigint])[];
  complete: boolean;
}

export interface FunctionType {
  readonly kind: 'function';
  readonly returns: Type;
  readonly params: readonly Type[];
  readonly varargs: boolean;
}

export interface TypedefType {
  readonly kind: 'typedef';
  readonly name: string;
  readonly to: Type;
}

/** What has no C type: an aggregation, `stack()` and its kin as a value (a key, an argument of printf). */
export interface DynamicType {
  readonly kind: 'dynamic';
  readonly what: 'aggregation' | 'stack' | 'ustack' | 'sym' | 'mod' | 'func' | 'usym' | 'umod' | 'ufunc' | 'bytes';
  /** Bytes in a record. */
  readonly bytes: number;
}

export type Type =
  | IntType
  | FloatType
  | VoidType
  | StringType
  | PointerType
  | ArrayType
  | StructType
  | EnumType
  | FunctionType
  | TypedefType
  | DynamicType;

/** A type without the names that typedefs give it. */
export function resolve(type: Type): Exclude<Type, TypedefType> {
  let t = type;
  while (t.kind === 'typedef') t = t.to;
  return t;
}
