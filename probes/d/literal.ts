/**
 * Literals of D: integers with their types, characters, strings with escapes. No floating point: D has none.
 *
 * By the Dynamic Tracing Guide, "Constants", and ISO C 6.4.4. A decimal constant without a suffix is signed; a hexadecimal or octal one may become
 * unsigned. Text is Unicode here; an escape above 127 is part of a UTF-8 sequence when it fits into one.
 *
 * @module
 */
import { textOfBytes } from '../byte-string.ts';
import { INT, LONG, LONG_LONG, UNSIGNED, UNSIGNED_LONG, UNSIGNED_LONG_LONG } from './ctype.ts';
import type { Type } from './types.ts';

const TYPES: readonly Type[] = [INT, UNSIGNED, LONG, UNSIGNED_LONG, LONG_LONG, UNSIGNED_LONG_LONG];
const LIMITS: readonly bigint[] = [0x7fff_ffffn, 0xffff_ffffn, (1n << 63n) - 1n, (1n << 64n) - 1n, (1n << 63n) - 1n, (1n << 64n) - 1n];

/** The first type that holds a constant, or undefined. */
export function integerType(value: bigint, decimal: boolean, suffix: string): Type | undefined {
  const unsigned = /u/i.test(suffix);
  const longs = suffix.replace(/u/gi, '').length;
  for (let i = (unsigned ? 1 : 0) + longs * 2; i < TYPES.length; i += decimal || unsigned ? 2 : 1) {
    if (value <= LIMITS[i]!) return TYPES[i];
  }
  return undefined;
}

export type IntegerLiteral =
  | { readonly value: bigint; readonly type: Type }
  | { readonly error: 'D_INT_DIGIT' | 'D_INT_OFLOW'; readonly text: string };

/** An integer constant as written: digits or 0x and digits, then a suffix. */
export function integerLiteral(text: string): IntegerLiteral {
  const suffix = /[uUlL]*$/.exec(text)![0];
  const digits = text.slice(0, text.length - suffix.length);
  const hexadecimal = /^0[xX]/.test(digits);
  const octal = !hexadecimal && digits.length > 1 && digits.startsWith('0');
  if (octal) {
    const wrong = /[89]/.exec(digits);
    if (wrong !== null) return { error: 'D_INT_DIGIT', text: `constant ${text} contains invalid digit ${wrong[0]}` };
  }
  const tooLarge = { error: 'D_INT_OFLOW', text: `constant ${text} cannot be represented in any built-in integral type` } as const;
  if (digits.length > 64) return tooLarge;
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value >= 1n << 64n) return tooLarge;
  const type = integerType(value, !hexadecimal && !octal && digits !== '0', suffix);
  if (type !== undefined) return { value, type };
  return { error: 'D_INT_OFLOW', text: `integer constant 0x${value.toString(16)} cannot be represented in any built-in integral type` };
}

const SIMPLE: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, "'": 39, '\\': 92 };

/** Replaces escapes by the bytes they name; the rest as UTF-8. */
export function escapedBytes(text: string): Uint8Array {
  const out: number[] = [];
  const encoder = new TextEncoder();
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf('\\', at);
    if (next < 0 || next + 1 >= text.length) {
      for (const byte of encoder.encode(text.slice(at))) out.push(byte);
      break;
    }
    for (const byte of encoder.encode(text.slice(at, next))) out.push(byte);
    const octal = /^[0-7]{1,3}/.exec(text.slice(next + 1, next + 4));
    const hexadecimal = /^x[0-9a-fA-F]+/.exec(text.slice(next + 1, next + 20));
    const simple = SIMPLE[text.charAt(next + 1)];
    if (octal !== null) {
      out.push(Number.parseInt(octal[0], 8) & 0xff);
      at = next + 1 + octal[0].length;
    } else if (hexadecimal !== null) {
      out.push(Number(BigInt(`0${hexadecimal[0]}`) & 0xffn));
      at = next + 1 + hexadecimal[0].length;
    } else if (simple !== undefined) {
      out.push(simple);
      at = next + 2;
    } else {
      out.push(0x5c);
      at = next + 1;
    }
  }
  return Uint8Array.from(out);
}

/** A string constant's text, up to its first NUL. */
export function decodeEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = escapedBytes(text);
  const end = bytes.indexOf(0);
  return textOfBytes(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A character constant: the first character is the most significant of several. Undefined when it is too long. */
export function characterLiteral(text: string): bigint | undefined {
  const bytes = escapedBytes(text);
  if (bytes.length > 8) return undefined;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
