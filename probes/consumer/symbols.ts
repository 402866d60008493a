/**
 * Addresses as symbols, and stacks as lines.
 *
 * Models what libdtrace prints for stack(), ustack(), sym(), mod(), %a and %k. Who can name addresses gives a `Symbols`; without one, and for
 * an address that it does not know, the address stands for itself.
 *
 * In a record, a stack is a list of u64 that ends at the first 0; a user stack and a user symbol have the process before it.
 *
 * @module
 */
import type { DatumDescriptor } from '../program.ts';
import type { DynamicType } from '../d/types.ts';
import { resolve } from '../d/types.ts';
import { hexU64, type RecordBytes } from './datum.ts';

/** Names an address: "module`function+0x1c". */
export type Symbols = (address: bigint) => string | undefined;

/** Columns before a frame unless `stackindent` says otherwise. */
export const STACK_INDENT = 14;

/** Columns of a symbol that stands for itself. */
const SYMBOL_COLUMNS = 50;

const WORD = 8;

function name(record: RecordBytes, at: number, symbols: Symbols | undefined): string {
  return symbols?.(record.u64(at)) ?? `0x${hexU64(record.u32(at), record.u32(at + 4))}`;
}

/** The kind of thing that a datum is, when it has no C type. */
export function dynamicKind(datum: DatumDescriptor): DynamicType['what'] | undefined {
  const type = resolve(datum.type);
  return type.kind === 'dynamic' ? type.what : undefined;
}

/** Bytes before the address of a symbol: those of user space have the process in front. */
function addressOf(datum: DatumDescriptor, base: number): number {
  return base + datum.offset + (datum.bytes > WORD ? WORD : 0);
}

/** The text of an address, a sym(), a mod() and their kin, without padding. */
export function symbolText(record: RecordBytes, base: number, datum: DatumDescriptor, symbols: Symbols | undefined): string {
  const text = name(record, addressOf(datum, base), symbols);
  switch (dynamicKind(datum)) {
    case 'mod':
    case 'umod':
      return text.includes('`') ? text.slice(0, text.indexOf('`')) : text;
    case 'sym':
    case 'func':
    case 'usym':
    case 'ufunc':
      return text.replace(/\+0x[0-9a-f]+$/, '');
    default:
      return text;
  }
}

/** A symbol as trace() and a key show it. */
export function symbolField(record: RecordBytes, base: number, datum: DatumDescriptor, symbols: Symbols | undefined): string {
  return `  ${symbolText(record, base, datum, symbols).padEnd(SYMBOL_COLUMNS)}`;
}

/** Frames of a stack. */
export function frames(record: RecordBytes, base: number, datum: DatumDescriptor): bigint[] {
  const list: bigint[] = [];
  const end = base + datum.offset + datum.bytes;
  for (let at = base + datum.offset + (dynamicKind(datum) === 'ustack' ? WORD : 0); at + WORD <= end; at += WORD) {
    const address = record.u64(at);
    if (address === 0n) break;
    list.push(address);
  }
  return list;
}

/** A stack: a line for each frame, after a newline. `line` lays out one name. */
export function stackText(
  record: RecordBytes,
  base: number,
  datum: DatumDescriptor,
  symbols: Symbols | undefined,
  indent: number,
  line?: (name: string) => string,
): string {
  let text = '\n';
  const margin = ' '.repeat(indent);
  for (const address of frames(record, base, datum)) {
    const frame = symbols?.(address) ?? `0x${address.toString(16)}`;
    text += `${margin}${line === undefined ? frame : line(frame)}\n`;
  }
  return text;
}
