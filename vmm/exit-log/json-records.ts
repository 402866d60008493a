/**
 * The records of an exit log that is lines of JSON.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import { EXIT_BYTES, jsonAbout, parsedLine, putRecord } from './json.ts';
import type { Records } from './reader.ts';
import { type ExitLogAbout, ExitLogError } from './record.ts';
import type { Bytes } from './source.ts';

/** Longer than any line that an exit makes; a longer one is damaged. */
const LINE_MAX = 1 << 16;
const ROOM = 1 << 18;
const NEWLINE = 10;

export class JsonRecords implements Records {
  readonly about: ExitLogAbout;
  readonly endless: boolean;
  looseBytes = 0;
  damaged = 0;
  readonly #source: Bytes;
  readonly #text = Buffer.alloc(ROOM);
  #from = 0;
  #to: number;
  #ended = false;

  /** `start`: what was read already. Throws ExitLogError. */
  constructor(source: Bytes, start: Uint8Array) {
    this.#source = source;
    this.#text.set(start);
    this.#to = start.length;
    let line = this.#line();
    while (line === undefined && this.#more()) line = this.#line();
    const whole = line ?? this.#rest();
    const first = parsedLine(whole);
    const about = first && jsonAbout(first);
    if (about === undefined) {
      if (line === undefined && whole.startsWith('{"log":')) throw new ExitLogError('ends in its first line');
      const { log, version } = first ?? {};
      if (log === 'lucid exits' && Number.isInteger(version) && version !== 1)
        throw new ExitLogError(`is an exit log of version ${version}; this lucid reads version 1`);
      if (first === undefined || putRecord(new Uint8Array(EXIT_BYTES), 0, first) === 0)
        throw new ExitLogError('is not a log of exits (lucid run --events)');
      // The first line is an exit.
      this.#from = 0;
    } else if (line === undefined) this.#from = this.#to;
    this.endless = about === undefined;
    this.about = about ?? { name: 'exits', vcpus: 0 };
  }

  fill(into: Uint8Array, from: number): number {
    let at = from;
    for (;;) {
      while (at + EXIT_BYTES <= into.length) {
        const line = this.#line();
        if (line === undefined) break;
        const put = this.#put(into, at, line);
        if (put === 0) this.damaged++;
        at += put;
      }
      if (at > from) return at - from;
      if (this.#more()) continue;
      // The last line may be whole but for its end.
      const put = this.#put(into, at, this.#rest());
      if (put === 0) this.looseBytes += this.#to - this.#from;
      this.#from = this.#to;
      return put;
    }
  }

  #put(into: Uint8Array, at: number, text: string): number {
    into.fill(0, at, at + EXIT_BYTES);
    const line = parsedLine(text);
    return line === undefined ? 0 : putRecord(into, at, line);
  }

  /** The next whole line. */
  #line(): string | undefined {
    const end = this.#text.subarray(0, this.#to).indexOf(NEWLINE, this.#from);
    if (end < 0) return undefined;
    const line = this.#text.toString('utf8', this.#from, end);
    this.#from = end + 1;
    return line;
  }

  #rest(): string {
    return this.#text.toString('utf8', this.#from, this.#to);
  }

  /** Reads on; false at the end. */
  #more(): boolean {
    if (this.#ended) return false;
    if (this.#to - this.#from > LINE_MAX) {
      // No exit is as long: the line is cut in two, which are both damaged.
      this.damaged++;
      this.#from = this.#to;
    }
    this.#text.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    const got = this.#source.read(this.#text, this.#to);
    this.#to += got;
    this.#ended = got === 0;
    return got > 0;
  }
}
