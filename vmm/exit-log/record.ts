/**
 * The exit log's file: every VM exit of a run, in the order in which they happened.
 *
 * A header, then records of 64 bytes, little-endian, then a closing record. The header: the 8 letters `LUCIDEXT`, version (u32), bytes of a record
 * (u32), bytes of the header (u32, a multiple of 64), bytes of JSON (u32), then that JSON (`ExitLogAbout`), then zeros. A record:
 *
 * | at | | |
 * |---|---|---|
 * | 0 | u64 | the VM's clock at the exit, ns |
 * | 8 | u64 | RIP of the instruction that exits |
 * | 16 | u64 | exit qualification (SDM vol. 3, 28.2.1) |
 * | 24 | u64 | what it is about: MSR or XCR number; guest physical address; CPUID leaf, and subleaf in the upper half; interruption information, and error code in the upper half; hypercall number |
 * | 32 | u64 | what was read or written, when it is known (flag 1): port, device, MSR, control register |
 * | 40 | u64 | CR3 |
 * | 48 | 7 bytes | instructions that the vCPU had retired |
 * | 55 | u8 | vector of the interrupt that was injected at the entry after the exit, 0: none |
 * | 56 | u32 | ns of the VM's clock that the exit took, by the table of costs |
 * | 60 | u8 | basic exit reason (SDM vol. 3, appendix C) |
 * | 61 | u8 | vCPU |
 * | 62 | u8 | length of the instruction, 0: none |
 * | 63 | u8 | bit 0: there is a value; bits 1-2: CPL; bits 3-4: code of 16 (0), 32 (1) or 64 bits (2) |
 *
 * With `,stack` an exit's record is followed by others with reason 254. The first has the bytes at RIP (15 bytes at 0) and how many there are (u8 at 15), then
 * up to 5 return addresses, the innermost first (u64 each, from 16); a further one has up to 7 (from 0); each says how many (u8 at 56).
 *
 * Records that are no exits, since version 2: reason 252 has bytes that the guest wrote to a virtio console during the exit before (from 0) and how many (u8 at 59, at
 * most 56); reason 253 says that a watched address was reached, with time, RIP (linear), CR3, instructions, vCPU and flags as above: its instruction is next. The closing record has reason 255 and says in its value how many exits came before it, in its time and instructions those of the end (of all
 * vCPUs): a file without it was cut off. Records are fixed in size, so everything before a cut can be read.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';

export const MAGIC = 'LUCIDEXT';
export const VERSION = 2;
export const RECORD_BYTES = EXIT_RECORD.BYTES;
export const REASON_END = 255;
export const FLAG_VALUE = 1;
const FIXED = 24;
/** Of a file that is ours; a name has no limit of its own. */
const HEADER_MAX = 1 << 20;

/** What the header says. */
export interface ExitLogAbout {
  readonly name: string;
  readonly vcpus: number;
}

/** A file that is no exit log, or one of another version; one line. */
export class ExitLogError extends Error {
  override readonly name = 'ExitLogError';
}

export function headerOf(about: ExitLogAbout): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(about));
  const header = new Uint8Array(Math.ceil((FIXED + json.length) / RECORD_BYTES) * RECORD_BYTES);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, RECORD_BYTES, true);
  view.setUint32(16, header.length, true);
  view.setUint32(20, json.length, true);
  header.set(json, FIXED);
  return header;
}

/** Bytes of the whole header, from its first 24. Throws ExitLogError. */
export function headerLength(start: Uint8Array): number {
  if (start.length < FIXED || new TextDecoder('latin1').decode(start.subarray(0, 8)) !== MAGIC)
    throw new ExitLogError('is not a log of exits (lucid run --events)');
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const version = view.getUint32(8, true);
  if (version === 0 || version > VERSION)
    throw new ExitLogError(`is an exit log of version ${version}; this lucid reads versions up to ${VERSION}`);
  const length = view.getUint32(16, true);
  const json = view.getUint32(20, true);
  if (view.getUint32(12, true) !== RECORD_BYTES || length > HEADER_MAX || length % RECORD_BYTES !== 0 || FIXED + json > length)
    throw new ExitLogError('has a damaged header');
  return length;
}

/** What a whole header says. Throws ExitLogError. */
export function aboutOf(header: Uint8Array): ExitLogAbout {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  try {
    const { name, vcpus } = JSON.parse(new TextDecoder().decode(header.subarray(FIXED, FIXED + view.getUint32(20, true)))) as ExitLogAbout;
    if (typeof name === 'string' && Number.isInteger(vcpus)) return { name, vcpus };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ExitLogError('has a damaged header');
}

export function closingRecord(records: number, clockNs: number, instructions: number): Uint8Array {
  const record = new Uint8Array(RECORD_BYTES);
  const view = new DataView(record.buffer);
  view.setBigUint64(EXIT_RECORD.TIME, BigInt(clockNs), true);
  view.setBigUint64(EXIT_RECORD.VALUE, BigInt(records), true);
  view.setBigUint64(EXIT_RECORD.ICOUNT, BigInt(instructions), true);
  view.setUint8(EXIT_RECORD.REASON, REASON_END);
  view.setUint8(EXIT_RECORD.FLAGS, FLAG_VALUE);
  return record;
}

/** A record of a mark or of text, which is no exit and has no call chain. */
export function isAside(reason: number): boolean {
  return reason === EXIT_RECORD.MARK_REASON || reason === EXIT_RECORD.TEXT_REASON;
}

/**
 * Calls for each exit among whole records, with the place of its record and how many records of its call chain follow, and for each aside; false ends it.
 * Returns where it ended.
 */
export function eachExit(view: DataView, each: (at: number, chain: number) => boolean, aside?: (at: number) => boolean): number {
  let at = 0;
  while (at < view.byteLength) {
    let next = at + RECORD_BYTES;
    if (isAside(view.getUint8(at + EXIT_RECORD.REASON))) {
      if (aside?.(at) === false) return at;
    } else {
      next = chainEnd(view, next);
      if (!each(at, (next - at) / RECORD_BYTES - 1)) return at;
    }
    at = next;
  }
  return at;
}

/** Where the records of a call chain that may begin at `at` end. */
export function chainEnd(view: DataView, at: number): number {
  let end = at;
  while (end < view.byteLength && view.getUint8(end + EXIT_RECORD.REASON) === EXIT_RECORD.CHAIN_REASON) end += RECORD_BYTES;
  return end;
}
