/**
 * Standard output for commands that print without ever waiting for their event loop.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import { systemErrorText } from '../system-error.ts';
import { UsageError } from './options.ts';

const STDOUT = 1;
const WAIT_MS = 5;

/** Writes all of it; false when whoever reads it has gone. Throws UsageError. */
export function written(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(STDOUT, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return false;
      // A pipe whose reader is slow, and that was given to us as one that does not wait.
      if (code !== 'EAGAIN') throw new UsageError(`standard output: ${systemErrorText(error)}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
    }
  }
  return true;
}
