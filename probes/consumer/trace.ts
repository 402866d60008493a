/**
 * trace(), tracemem() and keys of aggregations: data shown by their size, bytes as text or as a dump.
 *
 * Models dt_consume.c of libdtrace: integers by size (64 and 32 bits as signed numbers, smaller ones as unsigned), bytes that look like text
 * as text, others as a dump of 16 to a line. An empty string looks like no text there, and is dumped; so it is here.
 *
 * @module
 */
import type { DatumDescriptor } from '../program.ts';
import { decimalS64, isPrintable, isSpace, readSmall, type RecordBytes } from './datum.ts';
import { resolve } from '../d/types.ts';

/** Columns by the bytes of an integer. */
const COLUMNS: Readonly<Record<number, number>> = { 1: 3, 2: 5, 4: 8, 8: 16 };

/** Columns that an integer of so many bytes takes, without the space before it; undefined when it is none. */
export function integerColumns(bytes: number): number | undefined {
  return COLUMNS[bytes];
}

/** True for data shown as an integer. A string is none, however short `strsize` makes it. */
export function isShownAsInteger({ type, bytes }: DatumDescriptor): boolean {
  return COLUMNS[bytes] !== undefined && resolve(type).kind !== 'string';
}

/** An integer as trace() says it. */
export function integerByItsSize(record: RecordBytes, at: number, bytes: number): string {
  if (bytes === 8) return decimalS64(record.u32(at), record.u32(at + 4));
  return String(readSmall(record, at, bytes, bytes === 4));
}

const MARGIN = 5;
const LINE = 16;
const DIGITS = '0123456789abcdef';

/** Bytes as a dump; those from `end` on count as 0. */
export function dump(record: RecordBytes, at: number, bytes: number, end = bytes): string {
  if (bytes === 0) return '';
  const margin = ' '.repeat(MARGIN);
  let text = `\n${margin}      ${[...DIGITS].map((digit) => `  ${digit}`).join('')}  ${DIGITS}\n`;
  for (let line = 0; line < bytes; line += LINE) {
    let hex = '';
    let characters = '';
    for (let i = line; i < line + LINE && i < bytes; i++) {
      const byte = i < end ? record.buffer[at + i]! : 0;
      hex += ` ${byte.toString(16).padStart(2, '0')}`;
      characters += isPrintable(byte) ? String.fromCharCode(byte) : '.';
    }
    text += `${margin}${line.toString(16).padStart(5)}:${hex.padEnd(3 * LINE)}  ${characters}\n`;
  }
  return text;
}

const BELL = 7;
const BACKSPACE = 8;

function looksLikeText(record: RecordBytes, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) {
    const byte = record.buffer[i]!;
    if (!isPrintable(byte) && !isSpace(byte) && byte !== BELL && byte !== BACKSPACE) return false;
  }
  return length > 0;
}

function isZero(record: RecordBytes, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (record.buffer[i] !== 0) return false;
  return true;
}

/** How bytes are laid out. */
export interface BytesLayout {
  /** Columns of a text; negative: aligned to the left, after one more space. */
  readonly columns: number;
  readonly quiet: boolean;
  /** Never as text. */
  readonly raw: boolean;
}

/** Bytes as text when they look like it, as a dump when not. */
export function bytesText(record: RecordBytes, at: number, datum: DatumDescriptor, { columns, quiet, raw }: BytesLayout): string {
  const { bytes } = datum;
  const length = record.stringLength(at, bytes);
  const isString = resolve(datum.type).kind === 'string';
  if (!raw && looksLikeText(record, at, length) && (isString || isZero(record, at + length, at + bytes))) {
    const text = record.text(at, length);
    // Without a NUL at the end, the original does not ask whether it is quiet.
    if (length === bytes) return `  ${text.padEnd(Math.abs(columns))}`;
    if (quiet) return text;
    return columns < 0 ? `  ${text.padEnd(-columns)}` : ` ${text.padStart(columns)}`;
  }
  return dump(record, at, bytes, isString ? length : bytes);
}

/** Columns of what trace() shows as text. */
const TRACE_COLUMNS = -33;

/** One datum of trace(). */
export function traceText(record: RecordBytes, base: number, datum: DatumDescriptor, quiet: boolean, raw: boolean): string {
  const at = base + datum.offset;
  if (!isShownAsInteger(datum)) return bytesText(record, at, datum, { columns: TRACE_COLUMNS, quiet, raw });
  const text = integerByItsSize(record, at, datum.bytes);
  return quiet ? text : ` ${text.padStart(COLUMNS[datum.bytes]!)}`;
}
