/**
 * The file of a report. It is opened before the first guest starts: a name that cannot be written is told then and not after the run, and whatever
 * happens, no report of an earlier run is there to be taken for this one's.
 *
 * @module
 */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { systemErrorText } from '../../system-error.ts';
import { UsageError } from '../options.ts';

export class ReportFile {
  readonly #option: string;
  readonly #fd: number;

  /** `option`: as it was given, for messages. `begins`: with what reports begin; a file with something else in it is not overwritten. Throws UsageError. */
  constructor(option: string, path: string, begins: string) {
    this.#option = `${option} ${path}`;
    this.#fd = this.#attempt(() => {
      if (hasOther(path, begins))
        throw new UsageError(`${this.#option}: there is a file of another kind, which would be lost; give another name, or remove it`);
      return openSync(path, 'w');
    });
  }

  write(text: string): void {
    this.#attempt(() => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
      closeSync(this.#fd);
    });
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw error instanceof UsageError ? error : new UsageError(`${this.#option}: ${systemErrorText(error)}`);
    }
  }
}

function hasOther(path: string, begins: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined || !there.isFile() || there.size === 0) return false;
  const start = Buffer.alloc(begins.length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, start, 0, start.length, 0);
  } finally {
    closeSync(fd);
  }
  return start.toString('latin1') !== begins;
}
