/**
 * `npm run images:debian`: builds the Debian system of image.ts into the cache, unless it is there, and says where it is.
 *
 * Exit status: 0 it is there, 1 it could not be built.
 *
 * @module
 */
import process from 'node:process';
import { obtainDebian } from './image.ts';

/** On a terminal one line that changes, else each line once. */
function progress(line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
}

const got = await obtainDebian(progress);
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
process.stdout.write(got.ok ? `disk    ${got.disk}\nkernel  ${got.kernel}\ninitrd  ${got.initrd}\n` : `debian: ${got.reason}\n`);
process.exitCode = got.ok ? 0 : 1;
