/**
 * `lucid image`: disk images, without a VM. One file for each of its commands.
 *
 * @module
 */
import type { Argv, CommandModule } from 'yargs';

const EPILOGUE = 'Exit status: 0 done, 2 a bad option or file, or a damaged image, 3 an image that is whole and has leaks (check).';

export function imageCommand(done: (status: number) => void): CommandModule {
  return {
    command: 'image <command>',
    describe: 'make, convert, check, snapshot and send disk images',
    // yargs waits for it; its types do not tell.
    builder: (async (yargs: Argv) => {
      const { imageCommands } = await import('./commands.ts');
      return imageCommands(yargs, done).demandCommand(1, 'Which command? See lucid image --help.').epilogue(EPILOGUE);
    }) as unknown as (yargs: Argv) => Argv,
    handler() {},
  };
}
