/**
 * What the stat commands share around their work: standard output that closes, one that is full, and an orderly end.
 *
 * @module
 */
import { RuntimeDirectoryError, runtimeDirectoryPath } from '../runtime-directory.ts';
import type { CommandWorld } from './kstat-command.ts';

/** Runs a command with the process's streams and ends the process. `fatal`: the status when it cannot go on. */
export async function runStat(
  name: string,
  fatal: number,
  command: (args: readonly string[], world: CommandWorld) => Promise<number>,
): Promise<void> {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has seen enough: that is how `| head` ends.
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`${name}: standard output: cannot write it (${error.code})\n`);
    process.exit(fatal);
  });
  const world = {
    out: (text: string): Promise<void> => new Promise((resolve) => process.stdout.write(text, () => resolve())),
    err: (text: string): void => {
      process.stderr.write(text);
    },
    now: () => new Date(),
  };
  try {
    const status = await command(process.argv.slice(2), { ...world, directory: runtimeDirectoryPath() });
    process.stderr.write('', () => process.exit(status));
  } catch (error) {
    const { message, stack } = error as Error;
    process.stderr.write(`${name}: ${error instanceof RuntimeDirectoryError ? message : stack}\n`, () => process.exit(fatal));
  }
}
