/**
 * Reads an exit log in pieces, however long it is, and as far as it goes: records (`record.ts`) or lines of JSON (`json.ts`), which become records again.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_BYTES } from './json.ts';
import { JsonRecords } from './json-records.ts';
import { aboutOf, type ExitLogAbout, ExitLogError, headerLength, isAside, RECORD_BYTES, REASON_END } from './record.ts';
import { type Bytes, ByteSource, type SourceOptions } from './source.ts';

const CHUNK = RECORD_BYTES * 8192;
const CHAIN_RECORDS = EXIT_BYTES / RECORD_BYTES - 1;

/** How a log ends. */
export interface ExitLogEnd {
  /** Exits. */
  readonly records: number;
  /** Nothing is missing: the closing record is there, and as many exits as it says. */
  readonly complete: boolean;
  /** Bytes at the end that are no whole record. */
  readonly looseBytes: number;
  /** Records, or lines, that make no sense; they were passed over. */
  readonly damaged: number;
  /** What the closing record says of `records`; undefined without one. */
  readonly told: number | undefined;
  /** The VM's clock at the end; that of the last record when the log was cut off. */
  readonly timeNs: number;
  /** Of all vCPUs; unknown when the log was cut off. */
  readonly instructions: number | undefined;
}

/** Records that come out of some source, in order. */
export interface Records {
  readonly about: ExitLogAbout;
  /** Bytes that are no whole record, as far as was read. */
  readonly looseBytes: number;
  readonly damaged: number;
  /** A log without an end of its own is whole where its source ends. */
  readonly endless: boolean;
  /** Puts some into `into` from `from` on, where EXIT_BYTES fit at least: how many bytes; 0 at the end. */
  fill(into: Uint8Array, from: number): number;
}

/** A file of records. */
class BinaryRecords implements Records {
  readonly about: ExitLogAbout;
  readonly looseBytes = 0;
  readonly damaged = 0;
  readonly endless = false;
  readonly #source: Bytes;

  constructor(source: Bytes, start: Uint8Array) {
    this.#source = source;
    const header = new Uint8Array(headerLength(start));
    header.set(start);
    if (!readWhole(source, header, start.length)) throw new ExitLogError('ends in its header');
    this.about = aboutOf(header);
  }

  fill(into: Uint8Array, from: number): number {
    return this.#source.read(into, from);
  }
}

/** False when the source ends before. */
function readWhole(source: Bytes, into: Uint8Array, from: number): boolean {
  for (let at = from; at < into.length; ) {
    const got = source.read(into, at);
    if (got === 0) return false;
    at += got;
  }
  return true;
}

const PACKED: readonly (readonly [magic: readonly number[], tool: string])[] = [
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstdcat'],
  [[0x1f, 0x8b], 'zcat'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xzcat'],
  [[0x42, 0x5a, 0x68], 'bzcat'],
];

function recordsOf(source: Bytes): Records {
  const start = new Uint8Array(RECORD_BYTES);
  let length = 0;
  for (let got = -1; got !== 0 && length < start.length; length += got) got = source.read(start, length);
  if (length === 0) throw new ExitLogError('is empty');
  if (start[0] === '{'.charCodeAt(0)) return new JsonRecords(source, start.subarray(0, length));
  const tool = PACKED.find(([magic]) => magic.every((byte, i) => byte === start[i]))?.[1];
  if (tool !== undefined) throw new ExitLogError(`is compressed; unpack it on the way: ${tool} FILE | lucid events -`);
  return new BinaryRecords(source, start.subarray(0, length));
}

export class ExitLogReader {
  readonly about: ExitLogAbout;
  readonly #source: Bytes;
  readonly #records: Records;

  /** `from`: the name of a file, or what has its bytes. Throws ExitLogError, the system's error. */
  constructor(from: string | Bytes, options: SourceOptions = {}) {
    this.#source = typeof from === 'string' ? new ByteSource(from, options) : from;
    try {
      this.#records = recordsOf(this.#source);
      this.about = this.#records.about;
    } catch (error) {
      this.#source.close();
      throw error;
    }
  }

  /**
   * Calls for each exit with the place of its record and how many records of its call chain follow, and for each record of a mark or of text. False ends the
   * reading. Once only.
   */
  read(each: (records: DataView, at: number, chain: number) => boolean, aside?: (records: DataView, at: number) => boolean): ExitLogEnd {
    const source = this.#records;
    const bytes = new Uint8Array(CHUNK);
    const view = new DataView(bytes.buffer);
    let records = 0;
    let orphans = 0;
    let [timeHigh, timeLow] = [0, 0];
    let held = 0;
    const ended = (complete: boolean, told?: number, instructions?: number): ExitLogEnd => ({
      records,
      complete: complete && source.damaged + orphans === 0 && (told ?? records) === records,
      looseBytes: complete ? 0 : held + source.looseBytes,
      damaged: source.damaged + orphans,
      told,
      timeNs: timeHigh * 0x1_0000_0000 + timeLow,
      instructions,
    });
    for (;;) {
      const got = source.fill(bytes, held);
      const length = held + got;
      const end = length - (length % RECORD_BYTES);
      let at = 0;
      while (at < end) {
        const reason = bytes[at + EXIT_RECORD.REASON] as number;
        if (reason === EXIT_RECORD.CHAIN_REASON) {
          orphans++;
          at += RECORD_BYTES;
          continue;
        }
        if (isAside(reason)) {
          if (aside?.(view, at) === false) return { ...ended(true), complete: true };
          at += RECORD_BYTES;
          continue;
        }
        timeHigh = view.getUint32(at + EXIT_RECORD.TIME + 4, true);
        timeLow = view.getUint32(at + EXIT_RECORD.TIME, true);
        if (reason === REASON_END) {
          const told = Number(view.getBigUint64(at + EXIT_RECORD.VALUE, true));
          return ended(true, told, Number(view.getBigUint64(at + EXIT_RECORD.ICOUNT, true)));
        }
        let next = at + RECORD_BYTES;
        const most = next + CHAIN_RECORDS * RECORD_BYTES;
        while (next < end && next < most && bytes[next + EXIT_RECORD.REASON] === EXIT_RECORD.CHAIN_REASON) next += RECORD_BYTES;
        // What may go on in the next piece waits for it.
        if (next === end && next < most && got > 0) break;
        records++;
        if (!each(view, at, (next - at) / RECORD_BYTES - 1)) return { ...ended(true), complete: true };
        at = next;
      }
      held = length - at;
      if (got === 0) return ended(source.endless && source.looseBytes + held === 0);
      if (at > 0) bytes.copyWithin(0, at, length);
    }
  }

  close(): void {
    this.#source.close();
  }
}
