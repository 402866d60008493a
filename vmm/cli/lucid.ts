#!/usr/bin/env node
/**
 * `lucid`: where the command starts. Sets up the cache of compiled modules, then `main.ts` does the rest.
 *
 * Nothing but that cache, the check of Node.js and built-in modules may be imported statically here: the cache holds what is loaded after it is
 * enabled, and it halves the time to the first guest instruction.
 *
 * @module
 */
import './node-version.ts';
import './compile-cache.ts';

// From the first moment on; a session puts its own in their place while a guest runs.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => process.exit(130));
// Whoever reads the output may be gone, or the disk full: no reason for an exception, wherever it is written.
let unwritten: NodeJS.ErrnoException | undefined;
process.stdout.on('error', (error) => {
  unwritten ??= error;
});
process.stderr.on('error', () => {});

const args = process.argv.slice(2);
const { prepareThread, startsGuest } = await import('./vm-thread.ts');
if (startsGuest(args)) prepareThread();
const { main } = await import('./main.ts');
let status = await main(args);
// Standard input may still be open; what was written goes out first.
process.stdout.write('', (error?: NodeJS.ErrnoException | null) => {
  const trouble = unwritten ?? error;
  if (trouble && trouble.code !== 'EPIPE') {
    process.stderr.write(`lucid: standard output: cannot write it (${trouble.code})\n`);
    status = 2;
  }
  process.stderr.write('', () => process.exit(status));
});
// Who interrupts does not want to wait for a reader that does not read.
if (status === 130) setTimeout(() => process.exit(status), 500);
