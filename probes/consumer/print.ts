/**
 * print(): data by its C type, with names.
 *
 * Models dt_print.c of libdtrace (mdb's `::print -tn`): a type's name, then the value; a structure's members one to a line, four more columns
 * for each level; integers in hexadecimal with a prefix unless 0, characters quoted, arrays of char that are text as text, enumerators by name.
 * A scalar ends its line, a structure does not.
 *
 * Leaves out nothing of it; where the original prints 0 for every enumerator of some compilers, this prints the enumerator.
 *
 * @module
 */
import { sizeOf, typeName } from '../d/ctype.ts';
import { type ArrayType, type IntType, type Member, resolve, type StructType, type Type } from '../d/types.ts';
import type { DatumDescriptor } from '../program.ts';
import { byteString } from '../byte-string.ts';
import { hexU64, isIntegerSize, isPrintable, readSmall, type RecordBytes } from './datum.ts';
import { floatingText, readFloating } from './floating.ts';

const LEVEL = 4;

/** Where something is printed: levels of members and of arrays around it. */
interface Place {
  readonly depth: number;
  readonly nest: number;
}

const TOP: Place = { depth: 0, nest: 0 };

const indent = ({ depth, nest }: Place): string => ' '.repeat((depth + nest) * LEVEL);

const isStructure = (type: Type): boolean => {
  const { kind } = resolve(type);
  return kind === 'struct' || kind === 'union';
};

/** A type's name; one without a tag ends in a space. */
function nameOf(type: Type, bits: Member['bits']): string {
  if (bits !== undefined) return `${typeName(resolve(type))}:${bits.width}`;
  const name = byteString(typeName(type));
  return (type.kind === 'struct' || type.kind === 'union' || type.kind === 'enum') && type.tag === '' ? `${name} ` : name;
}

function hexadecimal(record: RecordBytes, at: number, bytes: number): string {
  if (!isIntegerSize(bytes)) return `<invalid size ${bytes}>`;
  const digits = bytes === 8 ? hexU64(record.u32(at), record.u32(at + 4)) : readSmall(record, at, bytes, false).toString(16);
  return digits === '0' ? '0' : `0x${digits}`;
}

function character(value: number): string {
  if (isPrintable(value)) return `'${String.fromCharCode(value)}'`;
  // A negative char is written as the int that it is promoted to.
  return value === 0 ? "'\\0'" : `'\\${(value >>> 0).toString(8).padStart(3, '0')}'`;
}

function integer(record: RecordBytes, at: number, type: IntType): string {
  return type.char && type.signed ? character(record.view.getInt8(at)) : hexadecimal(record, at, type.bytes);
}

function bitField(record: RecordBytes, at: number, bytes: number, { shift, width }: NonNullable<Member['bits']>): string {
  const unit = bytes === 8 ? record.u64(at) : BigInt(readSmall(record, at, bytes, false));
  const value = BigInt.asUintN(width, unit >> BigInt(shift));
  return value === 0n ? '0' : `0x${value.toString(16)}`;
}

function floating(record: RecordBytes, at: number, bytes: number): string {
  const value = readFloating(record, at, bytes);
  if (value === undefined) return '<unknown encoding>';
  return (value.negative ? '-' : '+') + (bytes === 16 ? floatingText(value, 'E', 16, false) : floatingText(value, 'e', 7, false));
}

/** Text before the first NUL, when there is one and everything before it can be printed. */
function textOf(record: RecordBytes, at: number, length: number): string | undefined {
  for (let i = 0; i < length; i++) {
    const byte = record.buffer[at + i]!;
    if (byte === 0) return record.text(at, i);
    if (!isPrintable(byte)) return undefined;
  }
  return undefined;
}

function isCharacter(type: Type): boolean {
  const resolved = resolve(type);
  return resolved.kind === 'int' && resolved.char === true && resolved.signed;
}

function array(record: RecordBytes, at: number, element: Type, length: number, place: Place): string {
  const text = isCharacter(element) ? textOf(record, at, length) : undefined;
  // A text that stands alone has no brackets: print("foo") says string "foo".
  if (text !== undefined) return place.depth === 0 ? `"${text}"` : `[ "${text}" ]`;
  const within: Place = { depth: 0, nest: place.nest + place.depth + 1 };
  const bytes = sizeOf(element);
  const elements = Array.from({ length }, (_, i) => {
    const from = at + bytes * i;
    return isStructure(element)
      ? `\n${indent(within)}${nameOf(element, undefined)} ${value(record, from, bytes, element, within)}`
      : value(record, from, bytes, element, within);
  });
  const end = isStructure(element) ? `${length > 0 ? '\n' : ''}${indent(place)}` : ' ';
  return `[ ${elements.join(', ')}${end}]`;
}

const CHARACTER: IntType = { kind: 'int', name: 'char', bytes: 1, signed: true, char: true };

function structure(record: RecordBytes, at: number, type: StructType, place: Place): string {
  if (!type.complete) return '<forward decl>';
  let text = '{\n';
  for (const member of type.members) text += memberLine(record, at, member, { ...place, depth: place.depth + 1 });
  return `${text}${indent(place)}}`;
}

/** A member with its newline. */
function memberLine(record: RecordBytes, at: number, member: Member, place: Place): string {
  const { name, type, bits } = member;
  const title = nameOf(type, bits);
  const gap = name === '' || title.endsWith('*') || title.endsWith(' ') ? '' : ' ';
  const width = bits === undefined ? '' : ` :${bits.width}`;
  const assigned = name === '' ? '' : `${gap}${byteString(name)}${width} =`;
  const bytes = sizeOf(type);
  const from = at + member.offset;
  const shown = bits === undefined ? value(record, from, bytes, type, place) : bitField(record, from, bytes, bits);
  return `${indent(place)}${title}${assigned} ${shown}\n`;
}

function value(record: RecordBytes, at: number, bytes: number, type: Type, place: Place): string {
  const resolved = resolve(type);
  if (at + bytes > record.length) return '<truncated>';
  switch (resolved.kind) {
    case 'int':
      return integer(record, at, resolved);
    case 'float':
      return floating(record, at, resolved.bytes);
    case 'pointer':
    case 'function':
      return hexadecimal(record, at, 8);
    case 'string':
      return array(record, at, CHARACTER, bytes, place);
    case 'array':
      return array(record, at, resolved.of, elementsOf(resolved, bytes), place);
    case 'struct':
    case 'union':
      return structure(record, at, resolved, place);
    case 'enum': {
      const number = readSmall(record, at, 4, true);
      const known = resolved.members.find(([, member]) => member === BigInt(number));
      return known === undefined ? String(number) : byteString(known[0]);
    }
    case 'void':
    case 'dynamic':
      return hexadecimal(record, at, bytes);
  }
}

/** Elements of an array; one of unknown length has as many as fit. */
function elementsOf({ of, length }: ArrayType, bytes: number): number {
  const each = sizeOf(of);
  return each === 0 ? 0 : Math.min(length < 0 ? Number.POSITIVE_INFINITY : length, Math.floor(bytes / each));
}

/** What print() says of a datum. */
export function printText(record: RecordBytes, base: number, { offset, bytes, type }: DatumDescriptor): string {
  const text = `${nameOf(type, undefined)} ${value(record, base + offset, bytes, type, TOP)}`;
  return isStructure(type) ? text : `${text}\n`;
}
