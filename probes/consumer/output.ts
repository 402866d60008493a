/**
 * Where a trace is written, and freopen(): byte strings on their way to a function or a file.
 *
 * Text is gathered and handed over in large pieces; who lets others write to the same place (system()) flushes first.
 *
 * @module
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { systemErrorText } from '../../vmm/system-error.ts';

/** Takes bytes; must have written them (or have them in a queue of its own) when it returns. */
export type Sink = (bytes: Uint8Array) => void;

/** Characters that are gathered before they are handed over. */
const PIECE = 1 << 16;

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

export class Output {
  readonly #sink: Sink;
  #text = '';
  #file: number | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  add(text: string): void {
    this.#text += text;
    if (this.#text.length >= PIECE) this.flush();
  }

  flush(): void {
    if (this.#text === '') return;
    const bytes = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    if (this.#file === undefined) this.#sink(bytes);
    else writeAll(this.#file, bytes);
  }

  /** freopen(): what follows is appended to a file. Gives the reason when it cannot be opened, and changes nothing then. */
  reopen(path: string): string | undefined {
    this.flush();
    let file: number;
    try {
      file = openSync(Buffer.from(path, 'latin1'), 'a');
    } catch (error) {
      return systemErrorText(error);
    }
    this.#close();
    this.#file = file;
    return undefined;
  }

  /** freopen(""): back to where it went at first. */
  restore(): void {
    this.flush();
    this.#close();
  }

  /** ftruncate(): empties the file that freopen() has opened; a place that is no file keeps what it has. */
  truncate(): void {
    this.flush();
    if (this.#file !== undefined) ftruncateSync(this.#file);
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Writes what is left and closes what was opened. */
  end(): void {
    this.flush();
    this.#close();
  }
}
