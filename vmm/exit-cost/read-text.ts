/**
 * Reads a small file of the user's: a table of costs, or the console of the guest that measures them. A file without an end does not hang it.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemErrorText } from '../system-error.ts';

/** More than any such file holds. */
const BYTES_MAX = 4 << 20;

/** A file that is not read; one line without its name. */
export class ReadTextError extends Error {
  override readonly name = 'ReadTextError';
}

/** Throws ReadTextError. */
export function readText(path: string | URL): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new ReadTextError(systemErrorText(error));
  }
  try {
    if (fstatSync(fd).isDirectory()) throw new ReadTextError('is a directory');
    const bytes = Buffer.alloc(BYTES_MAX + 1);
    let got = 0;
    for (let more = -1; more !== 0 && got < bytes.length; got += more) more = readSync(fd, bytes, got, bytes.length - got, null);
    if (got > BYTES_MAX) throw new ReadTextError(`is longer than ${BYTES_MAX >> 20} MB`);
    return bytes.toString('utf8', 0, got);
  } catch (error) {
    if (error instanceof ReadTextError) throw error;
    throw new ReadTextError(systemErrorText(error));
  } finally {
    closeSync(fd);
  }
}
