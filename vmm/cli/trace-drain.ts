/**
 * Where the text of a tracing is written: a stream of this process, or the file of -o.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Drain } from '../../probes/session/printed-output.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import { systemErrorText } from '../system-error.ts';

export interface TraceDrain extends Drain {
  /** Resolves when all is written. */
  end(): Promise<void>;
}

/** A stream. `drained` is called when it has room again. */
export class StreamDrain implements TraceDrain {
  readonly #stream: NodeJS.WriteStream;
  readonly #drained: () => void;

  constructor(stream: NodeJS.WriteStream, drained: () => void) {
    this.#stream = stream;
    this.#drained = drained;
    stream.on('drain', drained);
  }

  get isFull(): boolean {
    return this.#stream.writableNeedDrain;
  }

  write(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  end(): Promise<void> {
    this.#stream.off('drain', this.#drained);
    return new Promise((resolve) => {
      this.#stream.write('', () => resolve());
    });
  }
}

/** The file of -o, to which is appended. */
export class FileDrain implements TraceDrain {
  readonly isFull = false;
  readonly #path: string;
  readonly #file: number;
  readonly #failed: (text: string) => void;
  #broken = false;

  /** `failed` is told once when it cannot be written any more. Throws TraceError when it cannot be opened. */
  constructor(path: string, failed: (text: string) => void) {
    this.#path = path;
    this.#failed = failed;
    try {
      this.#file = openSync(path, 'a');
    } catch (error) {
      throw new TraceError(`failed to open output file '${path}': ${systemErrorText(error)}`);
    }
  }

  write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length && !this.#broken; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      this.#broken = true;
      this.#failed(`failed to write to ${this.#path}: ${systemErrorText(error)}`);
    }
  }

  end(): Promise<void> {
    closeSync(this.#file);
    return Promise.resolve();
  }
}
