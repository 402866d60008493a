/**
 * Reads a small file of the user's: a table of costs, or the console of the guest that measures them. A file without an end does not hang it.
 *
 * @module
 */
import { readWhole } from '../read-whole.ts';
import { systemErrorText } from '../system-error.ts';

/** More than any such file holds. */
const BYTES_MAX = 4 << 20;

/** A file that is not read; one line without its name. */
export class ReadTextError extends Error {
  override readonly name = 'ReadTextError';
}

/** Throws ReadTextError. */
export function readText(path: string | URL): string {
  try {
    return readWhole(path, BYTES_MAX).toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR') throw new ReadTextError('is a directory');
    throw new ReadTextError(code === 'EFBIG' ? `is longer than ${BYTES_MAX >> 20} MB` : systemErrorText(error));
  }
}
