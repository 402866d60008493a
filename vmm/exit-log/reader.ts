/**
 * Reads an exit log (`record.ts`) in pieces, however long it is, and as far as it goes.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { aboutOf, type ExitLogAbout, ExitLogError, headerLength, RECORD_BYTES, REASON_END } from './record.ts';

const CHUNK = RECORD_BYTES * 65536;

/** How a log ends. */
export interface ExitLogEnd {
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

  /** Hands on whole records, many at once; their bytes are good until it returns. False from `take` ends the reading. */
  read(take: (records: DataView, count: number) => boolean): ExitLogEnd {
    let records = 0;
    let timeNs = 0;
    for (let at = this.#start; ; at += CHUNK) {
      const bytes = this.#read(at, CHUNK);
      const looseBytes = bytes.length % RECORD_BYTES;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length - looseBytes);
      let count = view.byteLength / RECORD_BYTES;
      const last = (count - 1) * RECORD_BYTES;
      const complete = count > 0 && view.getUint8(last + EXIT_RECORD.REASON) === REASON_END;
      if (complete) count--;
      if (count > 0) {
        records += count;
        timeNs = Number(view.getBigUint64((count - 1) * RECORD_BYTES + EXIT_RECORD.TIME, true));
        if (!take(view, count)) return { records, complete: true, looseBytes: 0, timeNs, instructions: undefined };
      }
      if (complete) {
        timeNs = Number(view.getBigUint64(last + EXIT_RECORD.TIME, true));
        return { records, complete, looseBytes, timeNs, instructions: Number(view.getBigUint64(last + EXIT_RECORD.ICOUNT, true)) };
      }
      if (bytes.length < CHUNK) return { records, complete, looseBytes, timeNs, instructions: undefined };
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
