/**
 * Reads what a user names, to its end. Pipes are files too (`<(command)` of a shell), but a device need not have an end.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';

/** The most that is read of what is no regular file. */
const LIMIT = 64 << 20;

/** Throws the system's error; EFBIG when there is no end. */
export function readWhole(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    return fstatSync(fd).isFile() ? readFileSync(fd) : readToEnd(fd);
  } finally {
    closeSync(fd);
  }
}

function readToEnd(fd: number): Buffer {
  const parts: Buffer[] = [];
  for (let length = 0; ; ) {
    const part = Buffer.alloc(1 << 16);
    const bytes = readSync(fd, part);
    if (bytes === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, bytes));
    length += bytes;
    if (length > LIMIT) throw Object.assign(new Error('EFBIG: file too large, read'), { code: 'EFBIG' });
  }
}
