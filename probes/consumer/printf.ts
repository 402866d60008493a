/**
 * printf() and its kin: a format and its arguments compiled, once for each program, into functions that give text.
 *
 * Models dt_printf.c of libdtrace over printf(3C) in the C locale: no size prefix is needed, a value is read with the size it has in the
 * record, %d is signed when its argument is, %x %o %u never are, %p is hexadecimal without a prefix, `'` groups nothing because the C locale
 * has no separator. %S stops at the end of the string.
 *
 * A conversion is laid out in three steps, so that a million records a second can be: what it reads (`Source`), what it says (`Conversion`),
 * and how wide. A conversion without flags and width skips the last.
 *
 * @module
 */
import type { DatumDescriptor } from '../program.ts';
import {
  decimalS64,
  decimalU64,
  escapeText,
  hexU64,
  isIntegerSize,
  isSigned,
  octalU64,
  readInteger,
  readSmall,
  type RecordBytes,
} from './datum.ts';
import { floatingText, readFloating } from './floating.ts';
import { conversionClass, type Conversion, type Format } from './format.ts';
import { dynamicKind, stackText, symbolText, type Symbols } from './symbols.ts';
import { mailTimeText, timeText } from './time.ts';

/** Text of one conversion: of the record (or key) that starts at `base`. `values` are those of a printa()'s aggregations, in order. */
export type Piece<Value> = (record: RecordBytes, base: number, values: Value) => string;

/** Widest field that is laid out: a wider one is somebody's mistake, and its spaces would fill the memory. */
const WIDEST = 65_536;

/** Width and precision as they are for one value. Negative width: left. */
interface Layout {
  readonly width: number;
  readonly precision: number;
}

const clamp = (n: number): number => Math.max(-WIDEST, Math.min(n, WIDEST));

/** Pads a text to its width. */
function pad(text: string, { width }: Layout, left: boolean): string {
  const columns = Math.abs(width);
  if (text.length >= columns) return text;
  return left || width < 0 ? text.padEnd(columns) : text.padStart(columns);
}

function padNumber(sign: string, prefix: string, digits: string, conversion: Conversion, layout: Layout, zero: boolean): string {
  const left = conversion.left || layout.width < 0;
  if (zero && !left) return sign + prefix + digits.padStart(Math.abs(layout.width) - sign.length - prefix.length, '0');
  return pad(sign + prefix + digits, layout, left);
}

type Digits = (lo: number, hi: number) => string;

interface IntegerStyle {
  readonly digits: Digits;
  readonly prefix: string;
}

const INTEGER_STYLES: Readonly<Record<string, IntegerStyle>> = {
  d: { digits: decimalU64, prefix: '' },
  i: { digits: decimalU64, prefix: '' },
  u: { digits: decimalU64, prefix: '' },
  o: { digits: octalU64, prefix: '0' },
  p: { digits: hexU64, prefix: '0x' },
  x: { digits: hexU64, prefix: '0x' },
  X: { digits: (lo, hi) => hexU64(lo, hi).toUpperCase(), prefix: '0X' },
};

/** Lays out an integer, given as the halves of 64 bits (sign-extended when `signed`). */
function layoutInteger(lo: number, hi: number, signed: boolean, conversion: Conversion, style: IntegerStyle, layout: Layout): string {
  const negative = signed && hi >= 0x8000_0000;
  let digits = negative ? decimalS64(lo, hi).slice(1) : style.digits(lo, hi);
  if (layout.precision > 0) digits = digits.padStart(layout.precision, '0');
  const sign = negative ? '-' : signed && conversion.plus ? '+' : signed && conversion.space ? ' ' : '';
  let prefix = '';
  if (conversion.alternate && (lo !== 0 || hi !== 0) && !(style.prefix === '0' && digits.startsWith('0'))) prefix = style.prefix;
  return padNumber(sign, prefix, digits, conversion, layout, conversion.zero && layout.precision <= 0);
}

/** Last letter of a conversion's name: what remains without the size. */
const letterOf = (conversion: Conversion): string => conversion.name.at(-1) ?? '';

/** Flags and width that leave the digits as they are. */
function isPlain(conversion: Conversion): boolean {
  const { alternate, plus, space, width, precision, dynamicWidth, dynamicPrecision } = conversion;
  return !(alternate || plus || space || dynamicWidth || dynamicPrecision) && width === 0 && precision <= 0;
}

/** True when an integer conversion reads its value as signed: %d and %i of a signed type; those with a size prefix always. */
export function readsSigned(conversion: Conversion, signed: boolean): boolean {
  const letter = letterOf(conversion);
  return (letter === 'd' || letter === 'i') && (signed || conversion.name.length > 1);
}

/** An integer conversion without layout: the fast path. */
function plainInteger<Value>(at: number, bytes: number, signed: boolean, letter: string): Piece<Value> {
  if (letter === 'd' || letter === 'i' || letter === 'u') {
    if (bytes === 8) {
      const decimal = signed ? decimalS64 : decimalU64;
      return (record, base) => decimal(record.u32(base + at), record.u32(base + at + 4));
    }
    if (bytes === 4) {
      if (signed) return (record, base) => String(record.view.getInt32(base + at, true));
      return (record, base) => String(record.u32(base + at));
    }
    return (record, base) => String(readSmall(record, base + at, bytes, signed));
  }
  const { digits } = INTEGER_STYLES[letter]!;
  if (bytes === 8) return (record, base) => digits(record.u32(base + at), record.u32(base + at + 4));
  return (record, base) => digits(readSmall(record, base + at, bytes, false), 0);
}

type LayoutOf = (record: RecordBytes, base: number) => Layout;

function compileInteger<Value>(conversion: Conversion, datum: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  const { offset, bytes } = datum;
  if (!isIntegerSize(bytes)) return () => '';
  const letter = letterOf(conversion);
  const signed = readsSigned(conversion, isSigned(datum.type));
  if (isPlain(conversion)) return plainInteger(offset, bytes, signed, letter);
  const style = INTEGER_STYLES[letter]!;
  if (bytes === 8) {
    return (record, base) =>
      layoutInteger(record.u32(base + offset), record.u32(base + offset + 4), signed, conversion, style, layoutOf(record, base));
  }
  return (record, base) => {
    const value = readSmall(record, base + offset, bytes, signed);
    return layoutInteger(value >>> 0, value < 0 ? 0xffff_ffff : 0, signed, conversion, style, layoutOf(record, base));
  };
}

/** A character beyond a byte, as UTF-8: %lc, %wc, and the elements of %ls and %ws. */
function wideCharacter(code: number): string {
  if (code < 0x80) return String.fromCharCode(code);
  const valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return Buffer.from(valid ? String.fromCodePoint(code) : '\ufffd', 'utf8').toString('latin1');
}

function compileCharacter<Value>(conversion: Conversion, { offset, bytes }: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  if (bytes !== 1 && bytes !== 2 && bytes !== 4) return () => '';
  const { name } = conversion;
  return (record, base) => {
    const value = readSmall(record, base + offset, bytes, false);
    const byte = String.fromCharCode(value & 0xff);
    const layout = layoutOf(record, base);
    if (name === 'C') return padText(escapeText(byte), layout, conversion.left);
    return pad(name === 'c' ? byte : wideCharacter(value), layout, conversion.left);
  };
}

/** A string: the precision cuts, the width pads. */
function padText(text: string, layout: Layout, left: boolean): string {
  return pad(layout.precision > 0 ? text.slice(0, layout.precision) : text, layout, left);
}

function compileText<Value>(conversion: Conversion, { offset, bytes }: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  if (conversion.name === 'S') {
    return (record, base) => padText(escapeText(record.string(base + offset, bytes)), layoutOf(record, base), conversion.left);
  }
  if (isPlain(conversion)) return (record, base) => record.string(base + offset, bytes);
  return (record, base) => padText(record.string(base + offset, bytes), layoutOf(record, base), conversion.left);
}

const WIDE_BYTES = 4;

function compileWideText<Value>(conversion: Conversion, { offset, bytes }: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  return (record, base) => {
    let text = '';
    for (let at = base + offset; at + WIDE_BYTES <= base + offset + bytes; at += WIDE_BYTES) {
      const code = record.u32(at);
      if (code === 0) break;
      text += wideCharacter(code);
    }
    return padText(text, layoutOf(record, base), conversion.left);
  };
}

/** Most digits of a floating-point number that are given. */
const FLOAT_DIGITS = 1100;

function compileFloat<Value>(conversion: Conversion, { offset, bytes }: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  const letter = letterOf(conversion);
  return (record, base) => {
    const value = readFloating(record, base + offset, bytes);
    if (value === undefined) return '';
    const layout = layoutOf(record, base);
    // A precision of 0 is none, as everywhere.
    const precision = layout.precision > 0 ? Math.min(layout.precision, FLOAT_DIGITS) : 6;
    const text = floatingText(value, letter, precision, conversion.alternate);
    const sign = value.negative ? '-' : conversion.plus ? '+' : conversion.space ? ' ' : '';
    return padNumber(sign, '', text, conversion, layout, conversion.zero && value.special === undefined);
  };
}

function compileTime<Value>(conversion: Conversion, { offset, bytes }: DatumDescriptor, layoutOf: LayoutOf): Piece<Value> {
  if (!isIntegerSize(bytes)) return () => '';
  const say = conversion.name === 'Y' ? timeText : mailTimeText;
  return (record, base) => padText(say(readInteger(record, base + offset, bytes, true)), layoutOf(record, base), conversion.left);
}

function compileAddress<Value>(
  conversion: Conversion,
  datum: DatumDescriptor,
  layoutOf: LayoutOf,
  symbols: Symbols | undefined,
): Piece<Value> {
  if (datum.bytes < 8) {
    if (datum.bytes !== 4) return () => '';
    return (record, base) => {
      const address = record.u32(base + datum.offset);
      return padText(symbols?.(BigInt(address)) ?? `0x${address.toString(16)}`, layoutOf(record, base), conversion.left);
    };
  }
  return (record, base) => padText(symbolText(record, base, datum, symbols), layoutOf(record, base), conversion.left);
}

/** %k: `-` with a width says how far the frames are indented; without it, each name is laid out. */
function compileStack<Value>(
  conversion: Conversion,
  datum: DatumDescriptor,
  layoutOf: LayoutOf,
  symbols: Symbols | undefined,
): Piece<Value> {
  return (record, base) => {
    const layout = layoutOf(record, base);
    const indent = layout.width < 0 || conversion.left ? Math.abs(layout.width) : 0;
    const within = conversion.left ? { width: 0, precision: layout.precision } : layout;
    return stackText(record, base, datum, symbols, indent, (name) => padText(name, within, conversion.left));
  };
}

function compileValue<Value>(
  conversion: Conversion,
  datum: DatumDescriptor,
  layoutOf: LayoutOf,
  symbols: Symbols | undefined,
): Piece<Value> {
  // What has no C type says itself what it is, whatever the conversion.
  const kind = dynamicKind(datum);
  if (kind === 'stack' || kind === 'ustack') return compileStack(conversion, datum, layoutOf, symbols);
  if (kind === 'mod' || kind === 'umod') return compileAddress(conversion, datum, layoutOf, symbols);
  switch (conversionClass(conversion.name)) {
    case 'integer':
    case 'pointer':
      return compileInteger(conversion.name === 'P' ? { ...conversion, name: 'u' } : conversion, datum, layoutOf);
    case 'character':
      return compileCharacter(conversion, datum, layoutOf);
    case 'float':
      return compileFloat(conversion, datum, layoutOf);
    case 'text':
      return compileText(conversion, datum, layoutOf);
    case 'wide text':
      return compileWideText(conversion, datum, layoutOf);
    case 'time':
      return compileTime(conversion, datum, layoutOf);
    case 'address':
    case 'user address':
      return compileAddress(conversion, datum, layoutOf, symbols);
    case 'stack':
    case 'percent':
    case undefined:
      return () => '';
  }
}

/** A `*` argument, as the int that it is converted to. */
function starOf(datum: DatumDescriptor | undefined): (record: RecordBytes, base: number) => number {
  if (datum === undefined || !isIntegerSize(datum.bytes)) return () => 0;
  const { offset, bytes } = datum;
  if (bytes === 8) return (record, base) => clamp(record.view.getInt32(base + offset, true));
  return (record, base) => clamp(readSmall(record, base + offset, bytes, true));
}

function layoutOfStars(conversion: Conversion, width: DatumDescriptor | undefined, precision: DatumDescriptor | undefined): LayoutOf {
  const fixed: Layout = { width: clamp(conversion.width), precision: clamp(conversion.precision) };
  if (!conversion.dynamicWidth && !conversion.dynamicPrecision) return () => fixed;
  const widthOf = conversion.dynamicWidth ? starOf(width) : () => fixed.width;
  const precisionOf = conversion.dynamicPrecision ? starOf(precision) : () => fixed.precision;
  return (record, base) => ({ width: widthOf(record, base), precision: precisionOf(record, base) });
}

/** What lays out an aggregation's value in a printa(): the next one of the list each time, the last one again when there are no more. */
export type AggregationPiece<Value> = (conversion: Conversion, index: number, layoutOf: LayoutOf) => Piece<Value>;

/** Lays out an integer that is no datum of a record: an aggregation's result. */
export function integerText(value: bigint, signed: boolean, conversion: Conversion, layout: Layout): string {
  const style = INTEGER_STYLES[letterOf(conversion)];
  if (style === undefined) return '';
  const bits = BigInt.asUintN(64, value);
  const lo = Number(bits & 0xffff_ffffn);
  return layoutInteger(lo, Number(bits >> 32n), readsSigned(conversion, signed), conversion, style, layout);
}

/**
 * Compiles a format over its arguments.
 *
 * @param aggregation for printa(): compiles conversions with `@`
 */
export function compileFormat<Value>(
  format: Format,
  data: readonly DatumDescriptor[],
  symbols: Symbols | undefined,
  aggregation?: AggregationPiece<Value>,
): Piece<Value> {
  const pieces: { prefix: string; piece: Piece<Value> }[] = [];
  let argument = 0;
  let value = 0;
  let prefix = '';
  for (const conversion of format.conversions) {
    prefix += conversion.prefix;
    if (conversion.name === '%') {
      prefix += '%';
      continue;
    }
    const width = conversion.dynamicWidth ? data[argument++] : undefined;
    const precision = conversion.dynamicPrecision ? data[argument++] : undefined;
    const layoutOf = layoutOfStars(conversion, width, precision);
    if (conversion.aggregation) {
      if (aggregation !== undefined) pieces.push({ prefix, piece: aggregation(conversion, value++, layoutOf) });
    } else {
      const datum = data[argument++];
      // The compiler has seen to it that there are enough; what a damaged description lacks says nothing.
      pieces.push({ prefix, piece: datum === undefined ? () => '' : compileValue(conversion, datum, layoutOf, symbols) });
    }
    prefix = '';
  }
  const tail = prefix + format.tail;
  if (pieces.length === 0) return () => tail;
  if (pieces.length === 1) {
    const [{ prefix: before, piece }] = pieces as [{ prefix: string; piece: Piece<Value> }];
    return (record, base, values) => before + piece(record, base, values) + tail;
  }
  return (record, base, values) => {
    let text = '';
    for (let i = 0; i < pieces.length; i++) {
      const { prefix: before, piece } = pieces[i]!;
      text += before + piece(record, base, values);
    }
    return text + tail;
  };
}
