/**
 * Data as JSON values: integers as numbers while a double holds them and as decimal text beyond, text as text, everything else by its type.
 *
 * Bytes that are UTF-8 become that text; others one character for each byte, which keeps them apart and loses nothing.
 *
 * @module
 */
import { sizeOf } from '../d/ctype.ts';
import { type Member, resolve, type Type } from '../d/types.ts';
import type { DatumDescriptor } from '../program.ts';
import { isIntegerSize, isSigned, readInteger, readSmall, type RecordBytes } from './datum.ts';
import { floatingText, readFloating } from './floating.ts';
import { dynamicKind, frames, symbolText, type Symbols } from './symbols.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** An integer; as text when a double cannot hold it. */
export function jsonInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A byte string as text. */
export function jsonText(bytes: string): string {
  let ascii = true;
  for (let i = 0; i < bytes.length && ascii; i++) ascii = bytes.charCodeAt(i) < 0x80;
  if (ascii) return bytes;
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    // Not UTF-8: its bytes.
    return bytes;
  }
}

function hexadecimal(record: RecordBytes, at: number, bytes: number): Json {
  return { bytes: record.buffer.toString('hex', at, at + bytes) };
}

function bits(record: RecordBytes, at: number, type: Type, { shift, width }: NonNullable<Member['bits']>): Json {
  const unit = readInteger(record, at, sizeOf(type), false) >> BigInt(shift);
  return jsonInteger(isSigned(type) ? BigInt.asIntN(width, unit) : BigInt.asUintN(width, unit));
}

function structure(record: RecordBytes, at: number, members: readonly Member[]): Json {
  const value: Record<string, Json | undefined> = {};
  for (const member of members) {
    const from = at + member.offset;
    const shown =
      member.bits === undefined ? jsonTyped(record, from, sizeOf(member.type), member.type) : bits(record, from, member.type, member.bits);
    // What has no name belongs to what is around it.
    if (member.name === '') Object.assign(value, shown);
    else value[member.name] = shown;
  }
  return value;
}

function array(record: RecordBytes, at: number, element: Type, length: number): Json {
  const each = sizeOf(element);
  const resolved = resolve(element);
  if (resolved.kind === 'int' && resolved.char) return jsonText(record.string(at, length));
  return Array.from({ length }, (_, i) => jsonTyped(record, at + each * i, each, element));
}

/** Data by its type, structures and all. */
export function jsonTyped(record: RecordBytes, at: number, bytes: number, type: Type): Json {
  const resolved = resolve(type);
  if (at + bytes > record.length) return null;
  switch (resolved.kind) {
    case 'int':
      return jsonInteger(readInteger(record, at, resolved.bytes, resolved.signed));
    case 'pointer':
      return jsonInteger(record.u64(at));
    case 'enum': {
      const number = readSmall(record, at, 4, true);
      return resolved.members.find(([, value]) => value === BigInt(number))?.[0] ?? number;
    }
    case 'float': {
      const value = readFloating(record, at, resolved.bytes);
      if (value === undefined || value.special !== undefined) return null;
      return Number(`${value.negative ? '-' : ''}${floatingText(value, 'e', 17, false)}`);
    }
    case 'string':
      return jsonText(record.string(at, bytes));
    case 'array': {
      const each = sizeOf(resolved.of);
      const fit = each === 0 ? 0 : Math.floor(bytes / each);
      return array(record, at, resolved.of, resolved.length < 0 ? fit : Math.min(resolved.length, fit));
    }
    case 'struct':
    case 'union':
      return structure(record, at, resolved.members);
    default:
      return hexadecimal(record, at, bytes);
  }
}

/** One datum of a record or a key. */
export function jsonDatum(record: RecordBytes, base: number, datum: DatumDescriptor, symbols: Symbols | undefined): Json {
  const at = base + datum.offset;
  switch (dynamicKind(datum)) {
    case undefined:
      break;
    case 'stack':
    case 'ustack':
      return frames(record, base, datum).map((address) => jsonText(symbols?.(address) ?? `0x${address.toString(16)}`));
    case 'bytes':
    case 'aggregation':
      return hexadecimal(record, at, datum.bytes);
    default:
      return jsonText(symbolText(record, base, datum, symbols));
  }
  const { kind } = resolve(datum.type);
  // What is recorded narrower or wider than its type is still an integer of that sign.
  if (isIntegerSize(datum.bytes) && (kind === 'int' || kind === 'pointer')) {
    return jsonInteger(readInteger(record, at, datum.bytes, isSigned(datum.type)));
  }
  return jsonTyped(record, at, datum.bytes, datum.type);
}
