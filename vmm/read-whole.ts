/**
 * Reads what a user names, to its end. Pipes are files too (`<(command)` of a shell), but a device need not have an end.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';

/** The most that is read of what is no regular file, unless told otherwise. */
const LIMIT = 64 << 20;

/** `most`: bytes; without it a regular file may have any length. Throws the system's error; EFBIG when there is more, or no end. */
export function readWhole(path: string | URL, most?: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    return most === undefined && fstatSync(fd).isFile() ? readFileSync(fd) : readToEnd(fd, most ?? LIMIT);
  } finally {
    closeSync(fd);
  }
}

function readToEnd(fd: number, most: number): Buffer {
  const parts: Buffer[] = [];
  for (let length = 0; ; ) {
    const part = Buffer.alloc(1 << 16);
    const bytes = readSync(fd, part);
    if (bytes === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, bytes));
    length += bytes;
    if (length > most) throw Object.assign(new Error('EFBIG: file too large, read'), { code: 'EFBIG' });
  }
}
