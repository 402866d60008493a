/**
 * A folder for the files of one run, in the directory for temporary files. It goes when it is closed, or else with the process, also when a signal ends it.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemErrorText } from '../system-error.ts';
import { UsageError } from './options.ts';

export class TemporaryFolder implements Disposable {
  readonly path: string;
  readonly #remove: () => void;

  /** `kind`: how its name begins. Throws UsageError. */
  constructor(kind: string) {
    const start = join(tmpdir(), `${kind}-`);
    try {
      this.path = mkdtempSync(start);
    } catch (error) {
      throw new UsageError(`${start}*: ${systemErrorText(error)}; the directory for temporary files is that of TMPDIR`);
    }
    this.#remove = () => rmSync(this.path, { recursive: true, force: true });
    process.on('exit', this.#remove);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove);
    this.#remove();
  }
}
