/**
 * Errors of the system in the words of strerror(3C), which libuv's differ from.
 *
 * @module
 */
import { getSystemErrorMessage } from 'node:util';

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
};

/** `No such file or directory`. Throws what is no error of the system. */
export function systemErrorText(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return WORDS[code] ?? (errno === undefined ? code : getSystemErrorMessage(errno));
}
