/**
 * What stands in a record: integers and bytes at an offset, and their plain text.
 *
 * Text in this folder is a "byte string": a JavaScript string with one character (0 to 255) for each byte that will be written. Strings of a
 * guest are bytes of no known encoding, and printf must give them back as they are; `latin1` is the identity between the two.
 *
 * Integers travel as two halves (`lo`, `hi`, both u32), because a million BigInts a second is what this code must not make.
 *
 * @module
 */
import type { DatumDescriptor } from '../program.ts';
import type { Type } from '../d/types.ts';
import { resolve } from '../d/types.ts';

const CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

/** Longest string that is put together byte by byte; above it a call into the host is cheaper. */
const SHORT = 24;

/** The bytes of some records, or of an aggregation's elements. */
export class RecordBytes {
  readonly view: DataView;
  readonly buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.buffer.length;
  }

  /** u32 or the low half of a u64. */
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  /** `length` bytes as a byte string. */
  text(at: number, length: number): string {
    if (length > SHORT) return this.buffer.toString('latin1', at, at + length);
    let text = '';
    for (let i = at; i < at + length; i++) text += CHARACTERS[this.buffer[i]!];
    return text;
  }

  /** Bytes before the first NUL among `bytes`; all of them when there is none. */
  stringLength(at: number, bytes: number): number {
    const { buffer } = this;
    let i = at;
    while (i < at + bytes && buffer[i] !== 0) i++;
    return i - at;
  }

  /** A string of at most `bytes` bytes: what stands before the first NUL. */
  string(at: number, bytes: number): string {
    return this.text(at, this.stringLength(at, bytes));
  }
}

/** Number of bytes of an integer that printf and trace() know. */
export type IntegerBytes = 1 | 2 | 4 | 8;

export function isIntegerSize(bytes: number): bytes is IntegerBytes {
  return bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;
}

/** True when a value of the type is signed: what chooses between %d's two meanings. */
export function isSigned(type: Type): boolean {
  const resolved = resolve(type);
  return resolved.kind === 'int' ? resolved.signed : resolved.kind === 'enum';
}

/** True for D's own strings and arrays of char. */
export function isText(type: Type): boolean {
  const resolved = resolve(type);
  if (resolved.kind === 'string') return true;
  if (resolved.kind !== 'array') return false;
  const element = resolve(resolved.of);
  return element.kind === 'int' && element.char === true;
}

/** Reads an integer of one, two or four bytes. */
export function readSmall(record: RecordBytes, at: number, bytes: number, signed: boolean): number {
  const { view } = record;
  if (bytes === 4) return signed ? view.getInt32(at, true) : view.getUint32(at, true);
  if (bytes === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
  return signed ? view.getInt8(at) : view.getUint8(at);
}

/** Reads an integer of any size as a BigInt. */
export function readInteger(record: RecordBytes, at: number, bytes: number, signed: boolean): bigint {
  if (bytes !== 8) return BigInt(readSmall(record, at, bytes, signed));
  return signed ? record.view.getBigInt64(at, true) : record.view.getBigUint64(at, true);
}

/** Reads an integer datum by its type. */
export function readDatum(record: RecordBytes, base: number, datum: DatumDescriptor): bigint {
  return readInteger(record, base + datum.offset, datum.bytes, isSigned(datum.type));
}

const WORD = 2 ** 32;
/** Below this high half a 64-bit number is exact as a double. */
const EXACT = 2 ** 21;

/** An unsigned 64-bit number in decimal. */
export function decimalU64(lo: number, hi: number): string {
  if (hi === 0) return String(lo);
  if (hi < EXACT) return String(hi * WORD + lo);
  return String((BigInt(hi) << 32n) | BigInt(lo));
}

/** The same bits as a signed number in decimal. */
export function decimalS64(lo: number, hi: number): string {
  if (hi < 0x8000_0000) return decimalU64(lo, hi);
  const negatedLow = -lo >>> 0;
  return `-${decimalU64(negatedLow, (~hi + (negatedLow === 0 ? 1 : 0)) >>> 0)}`;
}

/** An unsigned 64-bit number in hexadecimal, without prefix. */
export function hexU64(lo: number, hi: number): string {
  return hi === 0 ? lo.toString(16) : hi.toString(16) + lo.toString(16).padStart(8, '0');
}

export function octalU64(lo: number, hi: number): string {
  return hi === 0 ? lo.toString(8) : ((BigInt(hi) << 32n) | BigInt(lo)).toString(8);
}

/** isprint(3C) in the C locale. */
export function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e;
}

/** isspace(3C) in the C locale. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

const ESCAPED: readonly string[] = CHARACTERS.map((character, byte) => {
  const short = ESCAPES[character];
  if (short !== undefined) return short;
  return isPrintable(byte) ? character : `\\${byte.toString(8).padStart(3, '0')}`;
});

/** A byte string with everything that a C string literal cannot hold written as an escape. */
export function escapeText(text: string): string {
  let escaped = '';
  for (let i = 0; i < text.length; i++) escaped += ESCAPED[text.charCodeAt(i) & 0xff];
  return escaped;
}
