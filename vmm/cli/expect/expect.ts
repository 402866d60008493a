/**
 * `lucid expect`: runs a guest and checks what a file expects of it.
 *
 * @module
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import type { Argv, CommandModule } from 'yargs';
import { systemErrorText } from '../../system-error.ts';
import { checkArguments, UsageError } from '../options.ts';
import { junitXml, reportText } from './report.ts';

interface ExpectArguments {
  file: string;
  json: boolean;
  junit?: string;
  update: boolean;
  '--'?: string[];
}

export function expectCommand(done: (status: number) => void): CommandModule<object, ExpectArguments> {
  return {
    command: 'expect <file>',
    describe: 'run a guest and check what a file expects of its exits, marks, console, statistics',
    builder: (yargs) =>
      yargs
        .parserConfiguration({ 'populate--': true })
        .positional('file', { type: 'string', demandOption: true, describe: 'YAML; after -- options of lucid run may follow' })
        .option('json', { type: 'boolean', default: false, describe: 'print JSON' })
        .option('junit', { type: 'string', requiresArg: true, describe: 'write JUnit XML to this file too' })
        .option('update', {
          type: 'boolean',
          default: false,
          describe: "write this run's counts of exits as the baseline, FILE.baseline.json",
        })
        .epilogue('Exit status: 0 all is met, 1 something is not, 2 a bad option or file, 6 the guest died, 130 interrupted.')
        .example('$0 expect boot.yaml', 'run the guest that it names, check, report')
        .example('$0 expect boot.yaml --update', 'keep the exact counts of this run as the baseline')
        .example('$0 expect boot.yaml --junit boot.xml -- --kernel vmlinuz-new', 'with another kernel, for a CI service')
        .check(({ file: _file, '--': _rest, ...parsed }) => checkArguments(parsed), true) as Argv<ExpectArguments>,
    handler: async (args) => {
      const [{ readPlan }, { held }] = await Promise.all([import('./read-file.ts'), import('./held.ts')]);
      const plan = readPlan(args.file, (args['--'] ?? []).map(String));
      const report = await held(plan, args.update);
      if (args.junit !== undefined) writeReport(args.junit, junitXml(report));
      process.stdout.write(args.json ? `${JSON.stringify(report)}\n` : reportText(report, process.stdout.isTTY === true));
      done(report.exitStatus);
    },
  };
}

function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UsageError(`--junit ${path}: ${systemErrorText(error)}`);
  }
}
