/**
 * Exit logs of lines of JSON: what stands in the first and the last line, and how a line becomes the record that it was made of (`record.ts`).
 *
 * The first line is `{"log":"lucid exits","version":1,"name":...,"vcpus":...}`, the last one `{"end":{"records":...,"time":...,"instructions":...}}`; each between
 * them is an exit, a mark or text as `describe.ts` tells it. The first may be missing: what `lucid events --print json` has chosen is a log too.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON, EXIT_REASON_NAMES } from '../exit-reason.ts';
import type { ExitEvent } from './describe.ts';
import { closingRecord, type ExitLogAbout, FLAG_VALUE, RECORD_BYTES } from './record.ts';

const LOG = 'lucid exits';
const VERSION = 1;
/** An exit with the longest call chain. */
export const EXIT_BYTES = RECORD_BYTES * (2 + Math.ceil((EXIT_RECORD.CHAIN_MAX - EXIT_RECORD.CHAIN_FIRST) / EXIT_RECORD.CHAIN_EACH));

export function jsonHeader(about: ExitLogAbout): string {
  return `${JSON.stringify({ log: LOG, version: VERSION, ...about })}\n`;
}

export function jsonEnd(records: number, time: number, instructions: number): string {
  return `${JSON.stringify({ end: { records, time, instructions } })}\n`;
}

/** What the first line of a log says; undefined when it is no first line, or one of a version that is not known here. */
export function jsonAbout(line: Readonly<Record<string, unknown>>): ExitLogAbout | undefined {
  const { log, version, name, vcpus } = line;
  if (log !== LOG || version !== VERSION || typeof name !== 'string' || !Number.isInteger(vcpus)) return undefined;
  return { name, vcpus: vcpus as number };
}

/** Whether a file that begins so is a log of lines of JSON, and not other JSON. */
export function beginsAsJsonLog(start: string): boolean {
  return /^\{"(log":"lucid exits"|time":\d)/.test(start);
}

/** A line as an object; undefined when it is none. */
export function parsedLine(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Something of a line is not what it should be. */
class DamagedLine extends Error {
  override readonly name = 'DamagedLine';
}

const REASONS = new Map(EXIT_REASON_NAMES.flatMap((name, reason) => (name === undefined ? [] : [[name, reason] as const])));
const TWO32 = 0x1_0000_0000;

function reasonNamed(name: unknown): number {
  const known = REASONS.get(name as string);
  if (known !== undefined) return known;
  const number = typeof name === 'string' ? /^REASON_(\d{1,3})$/.exec(name)?.[1] : undefined;
  // From 252 on they are no reasons but records of other kinds.
  if (number === undefined || Number(number) >= EXIT_RECORD.TEXT_REASON) throw new DamagedLine();
  return Number(number);
}

function whole(value: unknown, most: number): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= most)) throw new DamagedLine();
  return Math.floor(value);
}

/** `0x3f8`, or nothing, which is 0; a number of 4 or 8 bytes. */
function word(view: DataView, at: number, text: unknown, bytes: 4 | 8 = 8): void {
  if (text === undefined) return;
  if (typeof text !== 'string' || text.length > 2 + 2 * bytes || !/^0x[0-9a-f]+$/.test(text)) throw new DamagedLine();
  view.setUint32(at, Number.parseInt(text.slice(Math.max(2, text.length - 8)), 16), true);
  if (text.length > 10) view.setUint32(at + 4, Number.parseInt(text.slice(2, -8), 16), true);
}

function number(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO32, true);
  view.setUint32(at + 4, Math.floor(value / TWO32), true);
}

function subject(view: DataView, at: number, reason: number, e: Partial<ExitEvent>): void {
  switch (reason) {
    case EXIT_REASON.EXCEPTION_NMI:
      word(view, at, e.interruption, 4);
      word(view, at + 4, e.errorCode, 4);
      break;
    case EXIT_REASON.CPUID:
      word(view, at, e.leaf, 4);
      word(view, at + 4, e.subleaf, 4);
      break;
    default:
      word(view, at, e.gpa ?? e.msr ?? e.xcr ?? e.hypercall);
  }
}

function frames(view: DataView, at: number, e: Partial<ExitEvent>): number {
  const { code, stack } = e;
  if (code === undefined && stack === undefined) return 0;
  if (typeof code !== 'string' || !/^([0-9a-f]{2}){0,15}$/.test(code) || !Array.isArray(stack) || stack.length > EXIT_RECORD.CHAIN_MAX)
    throw new DamagedLine();
  const bytes = Buffer.from(code, 'hex');
  new Uint8Array(view.buffer, view.byteOffset).set(bytes, at);
  view.setUint8(at + EXIT_RECORD.CODE_LENGTH, bytes.length);
  let record = at;
  for (let n = 0; n < stack.length; ) {
    const first = n === 0;
    const count = Math.min(stack.length - n, first ? EXIT_RECORD.CHAIN_FIRST : EXIT_RECORD.CHAIN_EACH);
    if (!first) record += RECORD_BYTES;
    for (let i = 0; i < count; i++) word(view, record + (first ? 16 : 0) + 8 * i, stack[n + i]);
    view.setUint8(record + EXIT_RECORD.CHAIN_COUNT, count);
    n += count;
  }
  for (let each = at; each <= record; each += RECORD_BYTES) view.setUint8(each + EXIT_RECORD.REASON, EXIT_RECORD.CHAIN_REASON);
  return record + RECORD_BYTES - at;
}

const BITS: readonly unknown[] = [16, 32, 64];

function exitRecord(view: DataView, at: number, e: Partial<ExitEvent>): number {
  const reason = reasonNamed(e.reason);
  number(view, at + EXIT_RECORD.TIME, whole(e.time, 2 ** 64 - 2048));
  word(view, at + EXIT_RECORD.RIP, e.rip);
  word(view, at + EXIT_RECORD.QUALIFICATION, e.qualification);
  subject(view, at + EXIT_RECORD.SUBJECT, reason, e);
  word(view, at + EXIT_RECORD.VALUE, e.value);
  word(view, at + EXIT_RECORD.CR3, e.cr3);
  number(view, at + EXIT_RECORD.ICOUNT, whole(e.instructions, 2 ** 56 - 8));
  view.setUint8(at + EXIT_RECORD.VECTOR, whole(e.injected ?? 0, 255));
  view.setUint32(at + EXIT_RECORD.COST, whole(e.costNs, TWO32 - 1), true);
  view.setUint8(at + EXIT_RECORD.REASON, reason);
  view.setUint8(at + EXIT_RECORD.VCPU, whole(e.vcpu, 255));
  view.setUint8(at + EXIT_RECORD.LENGTH, whole(e.length, 255));
  const bits = BITS.indexOf(e.bits);
  if (bits < 0) throw new DamagedLine();
  view.setUint8(at + EXIT_RECORD.FLAGS, (e.value === undefined ? 0 : FLAG_VALUE) | (whole(e.cpl, 3) << 1) | (bits << 3));
  return RECORD_BYTES + frames(view, at + RECORD_BYTES, e);
}

/** A watched address that was reached. */
function markRecord(view: DataView, at: number, e: Readonly<Record<string, unknown>>): number {
  number(view, at + EXIT_RECORD.TIME, whole(e.time, 2 ** 64 - 2048));
  word(view, at + EXIT_RECORD.RIP, e.mark);
  word(view, at + EXIT_RECORD.CR3, e.cr3);
  number(view, at + EXIT_RECORD.ICOUNT, whole(e.instructions, 2 ** 56 - 8));
  view.setUint8(at + EXIT_RECORD.REASON, EXIT_RECORD.MARK_REASON);
  view.setUint8(at + EXIT_RECORD.VCPU, whole(e.vcpu, 255));
  view.setUint8(at + EXIT_RECORD.FLAGS, whole(e.cpl, 3) << 1);
  return RECORD_BYTES;
}

/** What the guest said, a character for each byte. */
function textRecord(view: DataView, at: number, text: unknown): number {
  if (typeof text !== 'string' || text.length > EXIT_RECORD.TEXT_EACH || /[^\0-\xff]/.test(text)) throw new DamagedLine();
  new Uint8Array(view.buffer, view.byteOffset).set(Buffer.from(text, 'latin1'), at);
  view.setUint8(at + EXIT_RECORD.TEXT_COUNT, text.length);
  view.setUint8(at + EXIT_RECORD.REASON, EXIT_RECORD.TEXT_REASON);
  return RECORD_BYTES;
}

function endRecord({ records, time, instructions }: Readonly<Record<string, unknown>>): Uint8Array {
  return closingRecord(whole(records, Number.MAX_SAFE_INTEGER), whole(time, 2 ** 64 - 2048), whole(instructions, 2 ** 56 - 8));
}

/** Puts the record of a line, with those of its call chain, where there are EXIT_BYTES of zeros: how many bytes; 0 when the line is damaged. */
export function putRecord(bytes: Uint8Array, at: number, line: Readonly<Record<string, unknown>>): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    const { end, mark, text } = line;
    if (mark !== undefined) return markRecord(view, at, line);
    if (text !== undefined) return textRecord(view, at, text);
    if (end === undefined) return exitRecord(view, at, line as Partial<ExitEvent>);
    if (typeof end !== 'object' || end === null) return 0;
    bytes.set(endRecord(end as Record<string, unknown>), at);
    return RECORD_BYTES;
  } catch (error) {
    if (!(error instanceof DamagedLine)) throw error;
    bytes.fill(0, at, at + EXIT_BYTES);
    return 0;
  }
}
