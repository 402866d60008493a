/**
 * Reads an exit log (`record.ts`) in pieces, however long it is, and as far as it goes.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { aboutOf, chainEnd, type ExitLogAbout, ExitLogError, headerLength, RECORD_BYTES, REASON_END } from './record.ts';

const CHUNK = RECORD_BYTES * 65536;
/** An exit with the longest call chain. */
const CHAIN_BYTES = RECORD_BYTES * (2 + Math.ceil((EXIT_RECORD.CHAIN_MAX - EXIT_RECORD.CHAIN_FIRST) / EXIT_RECORD.CHAIN_EACH));

/** How a log ends. */
export interface ExitLogEnd {
  /** Exits. */
  readonly records: number;
  /** The closing record is there: nothing is missing. */
  readonly complete: boolean;
  /** Bytes at the end that are no whole record. */
  readonly looseBytes: number;
  /** The VM's clock at the end; that of the last record when the log was cut off. */
  readonly timeNs: number;
  /** Of all vCPUs; unknown when the log was cut off. */
  readonly instructions: number | undefined;
}

export class ExitLogReader {
  readonly about: ExitLogAbout;
  readonly #fd: number;
  readonly #start: number;
  readonly #whole: Uint8Array = new Uint8Array(CHUNK);

  /** Throws ExitLogError, the system's error. */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    try {
      if (!fstatSync(this.#fd).isFile()) throw new ExitLogError('is not a file');
      this.#start = headerLength(this.#read(0, RECORD_BYTES));
      const header = this.#read(0, this.#start);
      if (header.length < this.#start) throw new ExitLogError('ends in its header');
      this.about = aboutOf(header);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  #read(at: number, length: number): Uint8Array {
    const into = this.#whole.length >= length ? this.#whole : new Uint8Array(length);
    let got = 0;
    for (let more = -1; more !== 0 && got < length; got += more) more = readSync(this.#fd, into, got, length - got, at + got);
    return into.subarray(0, got);
  }

  /** Calls for each exit with the place of its record and how many records of its call chain follow. False ends the reading. */
  read(each: (records: DataView, at: number, chain: number) => boolean): ExitLogEnd {
    let records = 0;
    let timeNs = 0;
    for (let from = this.#start; ; ) {
      const bytes = this.#read(from, CHUNK);
      const looseBytes = bytes.length % RECORD_BYTES;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length - looseBytes);
      const last = bytes.length < CHUNK;
      // What begins in the last records of a chunk may go on in the next one.
      const limit = last ? view.byteLength : view.byteLength - CHAIN_BYTES;
      let at = 0;
      while (at < limit) {
        const reason = view.getUint8(at + EXIT_RECORD.REASON);
        if (reason === REASON_END) {
          timeNs = Number(view.getBigUint64(at + EXIT_RECORD.TIME, true));
          return { records, complete: true, looseBytes: 0, timeNs, instructions: Number(view.getBigUint64(at + EXIT_RECORD.ICOUNT, true)) };
        }
        const next = chainEnd(view, at + RECORD_BYTES);
        records++;
        timeNs = view.getUint32(at + EXIT_RECORD.TIME + 4, true) * 0x1_0000_0000 + view.getUint32(at + EXIT_RECORD.TIME, true);
        if (!each(view, at, (next - at) / RECORD_BYTES - 1))
          return { records, complete: true, looseBytes: 0, timeNs, instructions: undefined };
        at = next;
      }
      if (last) return { records, complete: false, looseBytes, timeNs, instructions: undefined };
      from += at;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
