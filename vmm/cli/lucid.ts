#!/usr/bin/env node
/**
 * `lucid`: the command line. One file per command beside this one; nothing else parses arguments.
 *
 * Exit status: 0 the guest powered off; (v << 1) | 1 when it wrote v to the debug-exit port; 2 a bad option or file; 4 a limit was reached;
 * 6 the guest died; 130 interrupted; 1 Lucid itself failed.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { UsageError } from './options.ts';
import { prepare } from './session.ts';

const EPILOGUE = `Exit status: 0 powered off, (v << 1) | 1 after v was written to the debug-exit port, 2 bad option or file, 4 limit reached, 6 the guest died, 130 interrupted.`;

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
  // A VM will be started: compile the CPU core while yargs loads.
  if ((args[0] === 'run' && args.length > 1) || args[0] === 'demo') prepare();
  const [{ default: yargs }, { runCommand }, { demoCommand }] = await Promise.all([import('yargs'), import('./run.ts'), import('./demo.ts')]);
  let status = 0;
  const parser = yargs([...args])
    .scriptName('lucid')
    .usage('$0 <command> [options]\n\nA virtual machine you can see through: runs unmodified x86-64 guests and counts every VM exit.')
    .command(runCommand((code) => (status = code)))
    .command(demoCommand((code) => (status = code)))
    .demandCommand(1, 'Which command? See lucid --help.')
    .strict()
    .recommendCommands()
    .version(version())
    .help()
    .alias('h', 'help')
    .epilogue(EPILOGUE)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    });
  try {
    await parser.parseAsync();
  } catch (error) {
    if (error instanceof UsageError || (error as Error).name === 'YError') {
      process.stderr.write(`lucid: ${(error as Error).message}\n`);
      return 2;
    }
    process.stderr.write(`lucid: ${(error as Error).stack ?? error}\n`);
    return 1;
  }
  return status;
}

if (import.meta.main) {
  const status = await main(process.argv.slice(2));
  // Standard input may still be open; what was written goes out first.
  process.exitCode = status;
  process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
}
