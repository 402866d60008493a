/**
 * The command line: one file per command beside this one; nothing else parses arguments.
 *
 * Exit status: 0 the guest powered off; (v << 1) | 1 when it wrote v to the debug-exit port; 2 a bad option or file; 4 a limit was reached;
 * 6 the guest died; 130 interrupted; 143 stopped by `lucid stop --force`; 1 Lucid itself failed.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { loadCommands } from './commands.ts';
import { CommandLineError, takeTraceArguments } from './dlite-options.ts';
import { checkSwitches, explainArguments, standardInputNamed, SWITCHES, UsageError } from './options.ts';
import type { Interrupted } from './session.ts';
import { exitStatus, outcomeText } from './summary.ts';
import { abandonThread } from './vm-thread.ts';
import { parserOf } from './yargs.ts';

const EPILOGUE =
  'Exit status: 0 powered off, (v << 1) | 1 after v was written to the debug-exit port, 2 bad option or file, 4 limit reached, ' +
  '6 the guest died, 130 interrupted, 143 stopped by force.';

function version(): string {
  // From source this file stands two folders below package.json, built three.
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      // The other place.
    }
  }
  return 'unknown';
}

/** Runs one command line; the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  let status = 0;
  const done = (code: number): void => {
    status = code;
  };
  let taken: ReturnType<typeof takeTraceArguments> = { rest: args, trace: undefined };
  try {
    if (args[0] === 'run' || args[0] === 'demo') taken = takeTraceArguments(args, SWITCHES);
  } catch (error) {
    await abandonThread();
    if (error instanceof CommandLineError) return explain(new UsageError(`${error.message}; see lucid ${args[0]} --help`));
    throw error;
  }
  const { trace } = taken;
  const rest = standardInputNamed(taken.rest);
  const [bare, commands] = await Promise.all([parserOf(rest), loadCommands(args[0], { done, trace })]);
  const parser = bare
    .scriptName('lucid')
    .usage('$0 <command> [options]\n\nA virtual machine you can see through: runs unmodified x86-64 guests and counts every VM exit.')
    .command(commands)
    .demandCommand(1, 'Which command? See lucid --help.')
    .strict()
    .recommendCommands()
    .version(version())
    .help()
    .alias('h', 'help')
    .epilogue(EPILOGUE)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .exitProcess(false)
    // Its messages are read below.
    .locale('en')
    .fail((message, error) => {
      throw error?.name === 'YError'
        ? new UsageError(explainArguments(error.message, rest))
        : (error ?? new UsageError(explainArguments(message, rest)));
    });
  try {
    checkSwitches(rest);
    await parser.parseAsync();
  } catch (error) {
    return explain(error as Error);
  } finally {
    await abandonThread();
  }
  return status;
}

/** Says what went wrong; the exit status. */
function explain(error: Error): number {
  if (error instanceof UsageError || error.name === 'YError') {
    process.stderr.write(`lucid: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return 2;
  }
  if (error.name === 'Interrupted') {
    const outcome = (error as Interrupted).outcome;
    process.stderr.write(`lucid: ${outcomeText(outcome)}\n`);
    return exitStatus(outcome);
  }
  process.stderr.write(`lucid: ${error.name === 'CoreError' ? error.message : (error.stack ?? error.message)}\n`);
  return 1;
}
