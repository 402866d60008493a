/**
 * Declaration specifiers: which words make which type.
 *
 * By ISO C 6.7.2, with the messages of the original for combinations that make no sense.
 *
 * @module
 */
import {
  CHAR,
  DOUBLE,
  FLOAT,
  INT,
  LONG,
  LONG_DOUBLE,
  LONG_LONG,
  SHORT,
  SIGNED_CHAR,
  STRING,
  UNSIGNED,
  UNSIGNED_CHAR,
  UNSIGNED_LONG,
  UNSIGNED_LONG_LONG,
  UNSIGNED_SHORT,
  VOID,
} from './ctype.ts';
import type { Raise } from './error.ts';
import type { Type } from './types.ts';

export type StorageClass = 'extern' | 'static' | 'auto' | 'register' | 'self' | 'this' | 'typedef';

export const STORAGE: ReadonlySet<string> = new Set(['extern', 'static', 'auto', 'register', 'self', 'this', 'typedef']);
export const QUALIFIERS: ReadonlySet<string> = new Set(['const', 'volatile', 'restrict', 'userland']);
const MODIFIERS: ReadonlySet<string> = new Set(['signed', 'unsigned', 'short', 'long']);
const BASES: ReadonlySet<string> = new Set(['void', 'char', 'int', 'float', 'double', 'string']);

/** Words that start or continue a type, `struct` and its kin not counted. */
export const TYPE_WORDS: ReadonlySet<string> = new Set([...QUALIFIERS, ...MODIFIERS, ...BASES]);

/** Collects the specifiers of one declaration. */
export class Specifiers {
  storage: StorageClass | undefined;
  /** A named or tagged type. */
  #type: Type | undefined;
  #base: string | undefined;
  #signed = false;
  #unsigned = false;
  #short = false;
  #long = 0;
  readonly #raise: Raise;

  constructor(raise: Raise) {
    this.#raise = raise;
  }

  /** A type was named: a further name is an identifier. */
  get named(): boolean {
    return this.#type !== undefined || this.#base !== undefined;
  }

  /** `unsigned x`: a type was at least begun. */
  get begun(): boolean {
    return this.named || this.#signed || this.#unsigned || this.#short || this.#long > 0;
  }

  setStorage(storage: StorageClass): void {
    if (this.storage !== undefined) this.#raise('D_DECL_CLASS', 'only one storage class allowed in a declaration');
    this.storage = storage;
  }

  setType(type: Type): void {
    if (this.named) this.#raise('D_DECL_COMBO', 'invalid type combination');
    this.#type = type;
  }

  word(word: string): void {
    if (QUALIFIERS.has(word)) return;
    if (BASES.has(word)) {
      if (this.named) this.#raise('D_DECL_COMBO', 'invalid type combination');
      this.#base = word;
      return;
    }
    if (word === 'signed') this.#signed = true;
    else if (word === 'unsigned') this.#unsigned = true;
    else if (word === 'short' && !this.#short) this.#short = true;
    else if (word === 'long' && this.#long < 2) this.#long++;
    else this.#raise('D_DECL_COMBO', 'invalid type combination');
  }

  /** The type they make. */
  resolve(): Type {
    const attributes = this.#signed || this.#unsigned;
    const sized = this.#short || this.#long > 0;
    if (this.#base === 'char' && sized) {
      this.#raise('D_DECL_CHARATTR', 'invalid type declaration: short and long may not be used with char type');
    }
    if (this.#base === 'void' && (attributes || sized)) {
      this.#raise('D_DECL_VOIDATTR', 'invalid type declaration: attributes may not be used with void type');
    }
    const integer = this.#type === undefined && (this.#base === undefined || this.#base === 'char' || this.#base === 'int');
    const float = this.#base === 'float' || this.#base === 'double';
    if (attributes && !integer) {
      this.#raise('D_DECL_SIGNINT', 'invalid type declaration: signed and unsigned may only be used with integer type');
    }
    if (this.#long > 0 && !integer && !float) {
      this.#raise('D_DECL_LONGINT', 'invalid type declaration: long and long long may only be used with integer or floating-point type');
    }
    if (this.#short && !integer) this.#raise('D_DECL_COMBO', 'invalid type combination');
    if (this.#type !== undefined) return this.#type;
    return this.#intrinsic() ?? this.#raise('D_UNKNOWN', `failed to resolve type ${this.#text()}: Unknown type name`);
  }

  #text(): string {
    const words = [...(this.#signed ? ['signed'] : []), ...(this.#unsigned ? ['unsigned'] : []), ...(this.#short ? ['short'] : [])];
    for (let i = 0; i < this.#long; i++) words.push('long');
    if (this.#base !== undefined) words.push(this.#base);
    return words.join(' ');
  }

  #intrinsic(): Type | undefined {
    const both = (signed: Type, unsigned: Type): Type => (this.#unsigned ? unsigned : signed);
    if ((this.#short && this.#long > 0) || this.#long > 2 || (this.#signed && this.#unsigned)) return undefined;
    switch (this.#base) {
      case 'void':
        return VOID;
      case 'string':
        return STRING;
      case 'float':
        return this.#long > 0 ? undefined : FLOAT;
      case 'double':
        return this.#long > 1 ? undefined : this.#long === 1 ? LONG_DOUBLE : DOUBLE;
      case 'char':
        return this.#unsigned ? UNSIGNED_CHAR : this.#signed ? SIGNED_CHAR : CHAR;
      default:
        if (this.#short) return both(SHORT, UNSIGNED_SHORT);
        if (this.#long === 2) return both(LONG_LONG, UNSIGNED_LONG_LONG);
        return this.#long === 1 ? both(LONG, UNSIGNED_LONG) : both(INT, UNSIGNED);
    }
  }
}
