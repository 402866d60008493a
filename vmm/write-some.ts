/**
 * Writing from a thread that never waits for its event loop, to whatever a user names: also to a pipe that was given to us as one that does not wait.
 *
 * @module
 */
import { writeSync } from 'node:fs';

/** Between two tries when the pipe's reader is slow. */
const WAIT_MS = 5;

/** Writes bytes from `at` on: how many; 0 after a wait. Throws the system's error. */
export function writeSome(fd: number, bytes: Uint8Array, at: number): number {
  try {
    return writeSync(fd, bytes, at, bytes.length - at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
    return 0;
  }
}
