/**
 * Standard output for commands that print without ever waiting for their event loop.
 *
 * @module
 */
import { systemErrorText } from '../system-error.ts';
import { writeSome } from '../write-some.ts';
import { UsageError } from './options.ts';

const STDOUT = 1;

/** Writes all of it; false when whoever reads it has gone. Throws UsageError. */
export function written(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSome(STDOUT, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return false;
      throw new UsageError(`standard output: ${systemErrorText(error)}`);
    }
  }
  return true;
}
