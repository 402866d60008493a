/**
 * A command line of `lucid run` as the run that it describes, for other commands that run guests.
 *
 * @module
 */
import type { RunOptions } from '../worker-messages.ts';
import { type RunArguments, runOptionsOf } from './guest-files.ts';
import { checkSwitches, explainArguments, UsageError } from './options.ts';
import { runCommand } from './run.ts';
import { parserOf } from './yargs.ts';

/** Throws UsageError. */
export async function runOptionsFrom(words: readonly string[]): Promise<RunOptions> {
  const short = words.find((word) => /^-[A-Za-z]/.test(word));
  if (short !== undefined) throw new UsageError(`${short}: not here; options of the guest start with --`);
  checkSwitches(words);
  const { handler: _runs, ...command } = runCommand(() => {}, undefined);
  let options: RunOptions | undefined;
  const handler = async (args: RunArguments): Promise<void> => {
    options = await runOptionsOf(args);
  };
  const all = ['run', ...words];
  const parser = await parserOf(all);
  await parser
    .command({ ...command, handler })
    .strict()
    .version(false)
    .help(false)
    .exitProcess(false)
    .locale('en')
    .fail((message, error) => {
      throw error?.name === 'YError' || error == null ? new UsageError(explainArguments(error?.message ?? message, all)) : error;
    })
    .parseAsync();
  if (options === undefined) throw new UsageError('nothing to run: give a disk image, --kernel FILE, --bios FILE, or --restore FILE');
  return options;
}
