#!/usr/bin/env node
/**
 * `dlite`: where the command starts; `dlite-command.ts` is the command.
 *
 * @module
 */
import './node-version.ts';
import './compile-cache.ts';

const [{ dlite }, { RuntimeDirectoryError, runtimeDirectoryPath }] = await Promise.all([
  import('./dlite-command.ts'),
  import('../runtime-directory.ts'),
]);

const say = (text: string): void => void process.stderr.write(`dlite: ${text}\n`);

process.stderr.on('error', () => {});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has seen enough: that is how `| head` ends. Connections end with the process, and the probes with them.
  if (error.code === 'EPIPE') process.exit(0);
  say(`failed to write to <stdout>: ${error.code}`);
  process.exit(1);
});

let status = 1;
try {
  const { stdout } = process;
  status = await dlite(process.argv.slice(2), {
    directory: runtimeDirectoryPath(),
    stdout,
    say,
    err: (text) => void process.stderr.write(text),
  });
} catch (error) {
  say(error instanceof RuntimeDirectoryError ? error.message : String((error as Error).stack));
}
process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
