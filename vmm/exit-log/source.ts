/**
 * Where the bytes of an exit log come from: a file, standard input, a FIFO. They are read once, from the beginning to the end.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ExitLogError } from './record.ts';

/** The name that stands for standard input, whatever that is. */
export const STANDARD_INPUT = '/dev/stdin';
/** Between two looks at a file that may grow, and at input that has nothing yet. */
const WAIT_MS = 100;

export interface SourceOptions {
  /** Standard input, FIFOs and other things that can be read only once are taken too. */
  readonly stream?: boolean;
  /** At the end of the file, waits for more. */
  readonly follow?: boolean;
  /** Nothing more is there for the moment. */
  readonly waits?: () => void;
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
}

/** Bytes from the beginning to the end. */
export interface Bytes {
  /** Puts what there is into `into` from `from` on: how many bytes; 0 at the end. */
  read(into: Uint8Array, from: number): number;
  close(): void;
}

export class ByteSource implements Bytes {
  readonly #fd: number;
  readonly #follow: boolean;
  readonly #waits: () => void;

  /** Throws ExitLogError, the system's error. */
  constructor(path: string, { stream = false, follow = false, waits = () => {} }: SourceOptions = {}) {
    const standard = stream && path === STANDARD_INPUT;
    this.#fd = standard ? 0 : openSync(path, 'r');
    this.#follow = follow;
    this.#waits = waits;
    const stat = fstatSync(this.#fd);
    const fits = stat.isFile() || (stream && (stat.isFIFO() || stat.isSocket() || stat.isCharacterDevice()));
    if (fits) return;
    this.close();
    throw new ExitLogError('is not a file');
  }

  /** Puts what there is into `into` from `from` on: how many bytes; 0 at the end. */
  read(into: Uint8Array, from: number): number {
    for (;;) {
      try {
        const got = readSync(this.#fd, into, from, into.length - from, null);
        if (got > 0 || !this.#follow) return got;
      } catch (error) {
        // Standard input may have been given to us as one that does not wait.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
      this.#waits();
      pause();
    }
  }

  close(): void {
    if (this.#fd !== 0) closeSync(this.#fd);
  }
}
