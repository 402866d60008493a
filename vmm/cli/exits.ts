/**
 * `lucid exits`: who causes the VM exits of a run, from a log of them or from a run that it starts.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Argv, CommandModule } from 'yargs';
import { callChain } from '../exit-log/describe.ts';
import type { ExitFilter } from '../exit-log/filter.ts';
import type { ExitLogReader } from '../exit-log/reader.ts';
import { TALLY_KEYS, Tally, type TallyKey, type TallyRow } from '../exit-log/tally.ts';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { exitReasonName } from '../exit-reason.ts';
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

/** The table: the first `top` causes. */
export function causeTable(key: TallyKey, rows: readonly TallyRow[], top: number): string {
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const time = rows.reduce((sum, { timeNs }) => sum + timeNs, 0);
  const part = (n: number, of: number): string => `${((n * 100) / Math.max(1, of)).toFixed(2)}%`;
  const head = [key.toUpperCase(), 'Exits', 'Exits%', 'Time%'];
  const cells = rows.slice(0, top).map((r) => [r.key, String(r.count), part(r.count, total), part(r.timeNs, time)]);
  const width = Math.max(...[head, ...cells].map(([name]) => (name as string).length));
  const line = ([name = '', ...rest]: readonly string[]): string =>
    `${name.padEnd(width)} ${rest.map((cell) => cell.padStart(10)).join(' ')}\n`;
  const more = rows.length > top ? `(${rows.length - top} more; --top ${rows.length} shows all)\n` : '';
  return `${line(head)}${cells.map(line).join('')}${more}(times are modelled: see lucid run --exit-cost)\n`;
}

/** Counts of call chains in the form that flame graphs are made of: the outermost frame first, the exit reason last. */
class Folded {
  readonly #counts = new Map<string, number>();
  readonly #name: (address: bigint) => string;

  constructor(name: (address: bigint) => string) {
    this.#name = name;
  }

  add(view: DataView, at: number, chain: number): void {
    const rip = view.getBigUint64(at + EXIT_RECORD.RIP, true);
    const frames = [rip, ...callChain(view, at, chain)].reverse().map((address) => this.#name(address).replace(/\+0x[0-9a-f]+$/, ''));
    const key = [...frames, exitReasonName(view.getUint8(at + EXIT_RECORD.REASON))].join(';');
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  text(): string {
    return [...this.#counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([stack, count]) => `${stack} ${count}\n`)
      .join('');
  }
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
  if (counter instanceof Folded) process.stdout.write(counter.text());
  else {
    const rows = counter.rows();
    const { records, complete } = end;
    if (args.json) process.stdout.write(`${JSON.stringify({ ...log.about, records, complete, by, rows: rows.slice(0, top) })}\n`);
    else process.stdout.write(causeTable(by, rows, top));
  }
  if (!end.complete) process.stderr.write(lossText(path, end));
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
  const folder = mkdtempSync(join(tmpdir(), 'lucid-exits-'));
  try {
    const path = join(folder, 'log');
    const { main } = await import('./main.ts');
    const status = await main(['run', ...run, '--no-exits', '--events', `${path.replaceAll(',', ',,')}${stack ? ',stack' : ''}`]);
    // A run that did not start has said why.
    if (status !== 2) await use(path);
    return status;
  } finally {
    rmSync(folder, { recursive: true });
  }
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
