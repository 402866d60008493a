/**
 * `lucid exits`: who causes the VM exits of a run, from a log of them or from a run that it starts.
 *
 * @module
 */
import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { ExitFilter } from '../exit-log/filter.ts';
import type { ExitLogReader } from '../exit-log/reader.ts';
import { Folded } from '../exit-log/folded.ts';
import { TALLY_KEYS, Tally, type TallyKey } from '../exit-log/tally.ts';
import {
  type ChoiceArguments,
  choiceOf,
  choiceOptions,
  endBySignals,
  lossText,
  openLog,
  parseSymbols,
  parseTop,
} from './exit-log-options.ts';
import { checkArguments, UsageError } from './options.ts';
import { written } from './standard-output.ts';
import { TemporaryFolder } from './temporary-folder.ts';

interface ExitsArguments extends ChoiceArguments {
  file?: string;
  by?: TallyKey;
  top: string;
  symbols?: string;
  folded: boolean;
  cost?: string;
  json: boolean;
  '--'?: string[];
}

/** Lines that are written at once. */
const LINES = 1024;

/** The table: the first `top` causes. */
export function causeTable(tally: Tally, top: number): string {
  const { key, count, timeNs, keys, uncounted } = tally;
  const part = (n: number, of: number): string => `${((n * 100) / Math.max(1, of)).toFixed(2)}%`;
  const head = [key.toUpperCase(), 'Exits', 'Exits%', 'Time%'];
  const cells = tally.rows(top).map((r) => [r.key, String(r.count), part(r.count, count), part(r.timeNs, timeNs)]);
  const width = [head, ...cells].reduce((most, [name = '']) => Math.max(most, name.length), 0);
  const line = ([name = '', ...rest]: readonly string[]): string =>
    `${name.padEnd(width)} ${rest.map((cell) => cell.padStart(10)).join(' ')}\n`;
  const more = keys > top ? `(${keys - top} more; --top ${keys} shows all)\n` : '';
  const others = uncounted > 0 ? `(all others: what came after the first ${keys} different ones; choose fewer exits to see them)\n` : '';
  return `${line(head)}${cells.map(line).join('')}${more}${others}(times are modelled: see lucid run --exit-cost)\n`;
}

function show(log: ExitLogReader, path: string, filter: ExitFilter, args: ExitsArguments): void {
  const top = parseTop(args.top);
  const symbols = args.symbols === undefined ? undefined : parseSymbols(args.symbols);
  const name = (address: bigint): string => symbols?.name(address) ?? `0x${address.toString(16)}`;
  const by = args.by ?? 'reason';
  const counter = args.folded ? new Folded(name) : new Tally(by, name);
  const end = log.read((view, at, chain) => {
    if (filter(view, at)) counter.add(view, at, chain);
    return true;
  });
  if (counter instanceof Folded) {
    const lines = counter.lines();
    for (let at = 0; at < lines.length && written(Buffer.from(lines.slice(at, at + LINES).join(''))); at += LINES);
    if (counter.uncounted > 0)
      process.stderr.write(
        `lucid: ${counter.uncounted} exits have call chains beyond the first ${counter.keys} different ones; they are left out\n`,
      );
  } else {
    const { records, complete } = end;
    if (args.json) process.stdout.write(`${JSON.stringify({ ...log.about, records, complete, by, rows: counter.rows(top) })}\n`);
    else process.stdout.write(causeTable(counter, top));
  }
  if (!end.complete) process.stderr.write(lossText(path, end));
}

/** Folded stacks are a form of their own. */
function checkFolded({ by, json }: ExitsArguments): void {
  const other = json ? '--json' : by !== undefined && by !== 'call-chain' ? `--by ${by}` : undefined;
  if (other !== undefined) throw new UsageError(`--folded: counts call chains, in a form of its own; leave ${other} away`);
}

/** Options that choose exits. */
const CHOICES = ['reason', 'vcpu', 'time', 'rip', 'cr3', 'port', 'msr', 'gpa'] as const;

/** `--cost`. */
async function reportCosts(path: string | undefined, args: ExitsArguments, filter: ExitFilter): Promise<void> {
  if (args.folded) throw new UsageError('--folded: counts exits; not with --cost');
  const symbols = args.symbols === undefined ? undefined : parseSymbols(args.symbols);
  const { showCosts } = await import('./exits-cost.ts');
  showCosts(path, {
    names: args.cost ?? '',
    ...(args.by && { by: args.by }),
    filter,
    stream: args.file !== undefined,
    chosen: CHOICES.some((choice) => args[choice] !== undefined),
    top: parseTop(args.top),
    json: args.json,
    name: (address) => symbols?.name(address) ?? `0x${address.toString(16)}`,
  });
}

/** Runs `lucid run` with what was given, keeps its exits, and hands the log on; the status of the run. */
async function runLogged(run: readonly string[], stack: boolean, use: (path: string) => Promise<void>): Promise<number> {
  using folder = new TemporaryFolder('lucid-exits');
  const path = join(folder.path, 'log');
  const { main } = await import('./main.ts');
  const status = await main(['run', ...run, '--no-exits', '--events', `${path.replaceAll(',', ',,')}${stack ? ',stack' : ''}`]);
  // A run that did not start has said why.
  if (status !== 2) await use(path);
  return status;
}

export function exitsCommand(done: (status: number) => void): CommandModule<object, ExitsArguments> {
  return {
    command: 'exits [file]',
    describe: 'who causes the VM exits of a run: instructions, ports, registers, call chains',
    builder: (yargs) =>
      choiceOptions(
        yargs
          .parserConfiguration({ 'populate--': true })
          .positional('file', {
            type: 'string',
            describe: 'a log of lucid run --events, - for standard input; or give the options of lucid run after --',
          })
          .option('by', { choices: TALLY_KEYS, requiresArg: true, describe: 'what to count by (the default is reason)' })
          .option('top', { type: 'string', default: '20', requiresArg: true, describe: 'lines to show' })
          .option('symbols', {
            type: 'string',
            requiresArg: true,
            describe: 'names for addresses: an ELF file or System.map; FILE,+OFFSET when the guest moved itself',
          })
          .option('folded', {
            type: 'boolean',
            default: false,
            describe: 'print call chains folded, for flame graphs (needs --events FILE,stack)',
          })
          .option('cost', {
            type: 'string',
            describe: 'what they would cost on real processors: NAME or FILE, several with commas; without one, which there are',
          })
          .option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
      )
        .example('$0 exits boot.ev --by rip --top 5', 'the instructions with the most exits')
        .example('$0 exits boot.ev --reason io-instruction --by port', 'which ports')
        .example('$0 exits --by call-chain --symbols kernel.elf -- --kernel kernel.elf', 'run a kernel, count its call chains by name')
        .example('$0 exits boot.ev --cost sapphire-rapids,zen5', 'what its exits would cost on these processors')
        .example('$0 exits boot.ev --folded --symbols vmlinux > boot.folded', 'for flamegraph.pl')
        .check(({ file, '--': _rest, ...parsed }) => checkArguments(parsed), true) as Argv<ExitsArguments>,
    handler: async (args) => {
      if (args.folded) checkFolded(args);
      const filter = choiceOf(args);
      const run = args['--'] ?? [];
      if (args.cost === '' && args.file === undefined && run.length === 0) {
        await reportCosts(undefined, args, filter);
        return;
      }
      const report = async (path: string): Promise<void> => {
        if (args.cost !== undefined) {
          await reportCosts(path, args, filter);
          return;
        }
        const log = openLog(path, { stream: args.file !== undefined });
        try {
          show(log, path, filter, args);
        } finally {
          log.close();
        }
      };
      if ((args.file === undefined) === (run.length === 0))
        throw new UsageError('give a log of lucid run --events, or -- and the options of lucid run; see lucid exits --help');
      if (args.file !== undefined) {
        endBySignals();
        await report(args.file);
      } else done(await runLogged(run.map(String), args.folded || args.by === 'call-chain', report));
    },
  };
}
