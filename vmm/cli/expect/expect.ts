/**
 * `lucid expect`: runs guests and checks what files expect of them.
 *
 * @module
 */
import type { Argv, CommandModule } from 'yargs';
import { endBySignals } from '../exit-log-options.ts';
import { checkArguments, UsageError } from '../options.ts';
import type { Checked, CheckOptions } from './check-files.ts';
import type { Plan } from './plan.ts';
import { reportText } from './report.ts';
import { ReportFile } from './report-file.ts';

interface ExpectArguments {
  files: string[];
  json: boolean;
  junit?: string;
  update: boolean;
  symbols?: string;
  only?: string[];
  list: boolean;
  '--'?: string[];
}

export function expectCommand(done: (status: number) => void): CommandModule<object, ExpectArguments> {
  return {
    command: 'expect <files..>',
    describe: 'run guests and check what files expect of their exits, marks, console, statistics',
    builder: (yargs) =>
      yargs
        .parserConfiguration({ 'populate--': true })
        .positional('files', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'YAML; after -- options of lucid run may follow',
        })
        .option('json', { type: 'boolean', default: false, describe: 'print one JSON object for each file' })
        .option('junit', { type: 'string', requiresArg: true, describe: 'write JUnit XML, of all files, to this one' })
        .option('update', {
          type: 'boolean',
          default: false,
          describe: "write this run's counts of exits as the baseline, FILE.baseline.json",
        })
        .option('symbols', {
          type: 'string',
          requiresArg: true,
          describe: "names of guest code: an ELF file or System.map, instead of the files'",
        })
        .option('only', { type: 'string', array: true, requiresArg: true, nargs: 1, describe: 'only expectations with this in their name' })
        .option('list', { type: 'boolean', default: false, describe: 'only read the files, and print what they expect' })
        .epilogue(
          'Exit status: 0 all is met, 1 something is not, 2 a bad option or file, 6 a guest died, 130 interrupted. Of several files: ' +
            'the first of 2, 6, 1 that there is.',
        )
        .example('$0 expect boot.yaml', 'run the guest that it names, check, report')
        .example('$0 expect boot.yaml --update', 'keep the exact counts of this run as the baseline')
        .example('$0 expect test/*.yaml --junit report.xml', 'several, with one report for a CI service')
        .example('$0 expect boot.yaml -- --kernel vmlinuz-new', 'with another kernel')
        .check(({ files: _files, '--': _rest, ...parsed }) => checkArguments(parsed), true) as unknown as Argv<ExpectArguments>,
    handler: async (args) => {
      const { files, update, symbols, only = [], junit, list } = args;
      if (update && only.length > 0) throw new UsageError('--update: not with --only; a baseline is of the whole run');
      if (list && (update || junit !== undefined)) throw new UsageError('--list: runs nothing; leave --update and --junit away');
      const options: CheckOptions = { update, only, symbols, given: (args['--'] ?? []).map(String) };
      // Files are read in one go; a guest that runs has its own way to end.
      endBySignals();
      const { checkFiles, readPlans, statusOfAll } = await import('./check-files.ts');
      if (list) {
        done(listed(readPlans(files, options), args.json));
        return;
      }
      const report = junit === undefined ? undefined : new ReportFile('--junit', junit, '<?xml');
      const all = await checkFiles(files, options, teller(args.json, files.length > 1));
      report?.write((await import('./junit.ts')).junitXml(all));
      if (all.length > 1 && !args.json && all.some((one) => one.report !== undefined)) process.stdout.write(`\n${totalText(all)}\n`);
      done(statusOfAll(all));
    },
  };
}

function complain({ trouble = '' }: Checked): void {
  process.stderr.write(`lucid: ${trouble.replaceAll(/\s*\n\s*/g, ' ')}\n`);
}

/** Prints what came of a file, in the manner that was asked for. */
function teller(json: boolean, several: boolean): (checked: Checked) => void {
  let first = true;
  return (checked) => {
    const { report } = checked;
    if (report === undefined) return complain(checked);
    const text = json ? `${JSON.stringify(report)}\n` : reportText(report, process.stdout.isTTY === true);
    process.stdout.write(several && !json && !first ? `\n${text}` : text);
    first = false;
  };
}

/** How several files came out. */
function totalText(all: readonly Checked[]): string {
  const bad = all.filter(({ report }) => report?.ok !== true).map(({ file }) => file);
  const met = `${all.length - bad.length} of ${all.length} files met`;
  return bad.length === 0 ? met : `${met}; not: ${bad.join(', ')}`;
}

/** Prints what files expect; the exit status. */
function listed(plans: readonly (Plan | Checked)[], json: boolean): number {
  for (const plan of plans) {
    if (!('expectations' in plan)) {
      complain(plan);
      continue;
    }
    const { path: file, expectations } = plan;
    const lines = json
      ? [JSON.stringify({ file, expectations: expectations.map(({ name, line, kind }) => ({ name, line, kind })) })]
      : expectations.map(({ name, line }) => `${file}:${line}: ${name}`);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  return plans.every((plan) => 'expectations' in plan) ? 0 : 2;
}
