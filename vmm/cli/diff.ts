/**
 * `lucid diff`: what changed between the VM exits of two runs, phase by phase.
 *
 * @module
 */
import process from 'node:process';
import type { Argv, CommandModule } from 'yargs';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { codeShift, type Difference, differences } from '../exit-log/difference.ts';
import type { ExitFilter } from '../exit-log/filter.ts';
import { type Mark, markText, type MetMark, Phases } from '../exit-log/marks.ts';
import type { ExitLogEnd } from '../exit-log/reader.ts';
import { TALLY_KEYS, Tally, type TallyKey } from '../exit-log/tally.ts';
import { type ChoiceArguments, choiceOf, choiceOptions, lossText, openLog, parseSymbols, parseTop } from './exit-log-options.ts';
import type { BaselinePhase } from './expect/baseline.ts';
import { countedPhases, exitsOf, rowsOf } from './expect/counted-file.ts';
import { parseMark } from './mark-option.ts';
import { checkArguments, UsageError } from './options.ts';

interface DiffArguments extends ChoiceArguments {
  before: string;
  after: string;
  by: TallyKey;
  mark?: string[];
  top: string;
  symbols?: string;
  json: boolean;
}

/** One run, counted phase by phase. */
interface Counted {
  readonly tallies: readonly Tally[];
  readonly met: readonly MetMark[];
  readonly end: ExitLogEnd;
}

interface Counting {
  readonly by: TallyKey;
  readonly marks: readonly Mark[];
  readonly filter: ExitFilter;
  readonly name: (address: bigint) => string;
}

function count(path: string, { by, marks, filter, name }: Counting): Counted {
  const log = openLog(path);
  try {
    const phases = new Phases(marks);
    const tallies = [...marks, undefined].map(() => new Tally(by, name));
    const end = log.read(
      (view, at, chain) => {
        const phase = phases.take(view, at);
        if (filter(view, at)) tallies[phase]?.add(view, at, chain);
        return true;
      },
      (view, at) => {
        phases.takeAside(view, at);
        return true;
      },
    );
    if (!end.complete) process.stderr.write(lossText(path, end));
    const missed = marks[phases.met.length];
    if (missed !== undefined) {
      const last = phases.console.lines(1)[0];
      const hint = missed.kind === 'address' ? ` (was it watched? lucid run --events FILE,watch=0x${missed.address.toString(16)})` : '';
      throw new UsageError(
        `${path}: never comes to ${markText(missed)}${hint}${last === undefined ? '' : `; the console's last line is: ${last}`}`,
      );
    }
    return { tallies, met: phases.met, end };
  } finally {
    log.close();
  }
}

/** Addresses of instructions, those with the most exits first. */
function addresses(path: string): bigint[] {
  const log = openLog(path);
  try {
    const tally = new Tally('rip');
    log.read((view, at, chain) => {
      if (view.getUint8(at + EXIT_RECORD.RIP + 7) & 0x80) tally.add(view, at, chain);
      return true;
    });
    return tally.rows().map(({ key }) => BigInt(key));
  } finally {
    log.close();
  }
}

function micro(ns: number): string {
  return `${(ns / 1000).toFixed(1)}us`;
}

const signed = (text: string, negative: boolean): string => (negative ? text : `+${text}`);

/** The table of one phase. */
export function differenceTable(rows: readonly Difference[], top: number): string {
  const head = ['', 'before', 'after', 'exits', 'time'];
  const cells = rows.slice(0, top).map((d) => {
    const [exits, time] = [d.after - d.before, d.afterNs - d.beforeNs];
    return [
      `${d.what.padEnd(4)} ${d.key}`,
      String(d.before),
      String(d.after),
      signed(String(exits), exits < 0),
      signed(micro(time), time < 0),
    ];
  });
  const width = Math.max(...[head, ...cells].map(([first]) => (first as string).length));
  const line = ([first = '', ...rest]: readonly string[]): string =>
    `${first.padEnd(width)} ${rest.map((cell) => cell.padStart(11)).join(' ')}\n`;
  const more = rows.length > top ? `(${rows.length - top} more; --top ${rows.length} shows all)\n` : '';
  return `${line(head)}${cells.map(line).join('')}${more}`;
}

export function diffCommand(done: (status: number) => void): CommandModule<object, DiffArguments> {
  return {
    command: 'diff <before> <after>',
    describe: 'what changed between the VM exits of two runs',
    builder: (yargs) =>
      choiceOptions(
        yargs
          .positional('before', {
            type: 'string',
            demandOption: true,
            describe: 'a log of lucid run --events; or a baseline, or a report, of lucid expect',
          })
          .positional('after', { type: 'string', demandOption: true, describe: 'another one of the same kind' })
          .option('by', { choices: TALLY_KEYS, default: 'cause' as const, requiresArg: true, describe: 'what to compare by' })
          .option('mark', {
            type: 'string',
            array: true,
            requiresArg: true,
            describe: 'compare phases: up to serial:TEXT, port:P=VALUE, address:A or symbol:NAME, from there to the next, and so on',
          })
          .option('top', { type: 'string', default: '20', requiresArg: true, describe: 'lines to show of each phase' })
          .option('symbols', {
            type: 'string',
            requiresArg: true,
            describe: 'names for addresses of the first run: an ELF file or System.map',
          })
          .option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
      )
        .epilogue('Exit status: 0 the runs do not differ in what is compared, 1 they do, 2 a bad option or file.')
        .example('$0 diff before.ev after.ev', 'what is new, gone, more and less, the weightiest first')
        .example("$0 diff before.ev after.ev --mark 'serial:Run /init'", 'the same for the kernel, and then for what it starts')
        .example('$0 diff before.ev after.ev --by rip --symbols vmlinux', 'by the instructions that exit')
        .check(({ before, after, ...parsed }) => checkArguments(parsed), true) as Argv<DiffArguments>,
    handler: (args) => {
      const compared = comparedFiles(args) ?? comparedLogs(args);
      done(show(compared, args));
    },
  };
}

/** Two runs, held against each other. */
interface Compared {
  /** Of each phase. */
  readonly phases: readonly { readonly from: string | null; readonly to: string | null; readonly rows: readonly Difference[] }[];
  readonly exits: readonly [before: number, after: number];
  readonly shift: bigint;
}

/** Two files of counts that were written down; undefined when they are logs. */
function comparedFiles(args: DiffArguments): Compared | undefined {
  const { before, after, by, mark } = args;
  const [a, b] = [countedPhases(before), countedPhases(after)];
  if (a === undefined && b === undefined) return undefined;
  if (a === undefined || b === undefined)
    throw new UsageError(`${a === undefined ? after : before}: has counts, the other file is a log of exits; give two of one kind`);
  const chosen = ['reason', 'vcpu', 'time', 'rip', 'cr3', 'port', 'msr', 'gpa', 'symbols'].find(
    (key) => args[key as keyof DiffArguments] !== undefined,
  );
  if (by !== 'cause' || mark !== undefined || chosen !== undefined)
    throw new UsageError(
      `--${by !== 'cause' ? 'by' : (chosen ?? 'mark')}: not with baselines, which have counts by cause; give logs of lucid run --events`,
    );
  const ends = (phases: readonly BaselinePhase[]): string => phases.map(({ from, to }) => `${from} to ${to}`).join(', ');
  if (ends(a) !== ends(b)) throw new UsageError(`${after}: has the phases ${ends(b)}; ${before} has ${ends(a)}`);
  const phases = a.map((phase, i) => ({ ...phase, rows: differences(rowsOf(phase), rowsOf(b[i] as BaselinePhase)) }));
  return { phases, exits: [exitsOf(a), exitsOf(b)], shift: 0n };
}

function comparedLogs(args: DiffArguments): Compared {
  const { before, after, by } = args;
  const symbols = args.symbols === undefined ? undefined : parseSymbols(args.symbols);
  const marks = (args.mark ?? []).map((text) => parseMark(text, symbols));
  const filter = choiceOf(args);
  const shift = by === 'rip' || by === 'call-chain' ? codeShift(addresses(before), addresses(after)) : 0n;
  const hex = (address: bigint): string => symbols?.name(address) ?? `0x${address.toString(16)}`;
  // Addresses of the second run are shown where the first has them.
  const moved = (address: bigint): string => hex(address >> 63n === 1n ? BigInt.asUintN(64, address - shift) : address);
  const a = count(before, { by, marks, filter, name: hex });
  const b = count(after, { by, marks, filter, name: moved });
  const phases = a.tallies.map((tally, i) => ({
    from: i === 0 ? null : markText(marks[i - 1] as Mark),
    to: i === marks.length ? null : markText(marks[i] as Mark),
    rows: differences(tally.rows(), (b.tallies[i] as Tally).rows()),
  }));
  return { phases, exits: [a.end.records, b.end.records], shift };
}

/** Prints it; the exit status. */
function show({ phases, exits: [before, after], shift }: Compared, args: DiffArguments): number {
  const { by, json } = args;
  const top = parseTop(args.top);
  const differ = phases.some(({ rows }) => rows.length > 0);
  if (json) {
    const list = phases.map(({ from, to, rows }) => ({ from, to, differences: rows.slice(0, top), total: rows.length }));
    process.stdout.write(`${JSON.stringify({ by, codeShift: `0x${BigInt.asUintN(64, shift).toString(16)}`, differ, phases: list })}\n`);
    return differ ? 1 : 0;
  }
  if (shift !== 0n)
    process.stdout.write(
      `(the kernel's code of the second run is ${shift < 0n ? '-' : ''}0x${(shift < 0n ? -shift : shift).toString(16)} higher; that is taken off)\n`,
    );
  process.stdout.write(`exits ${before} before, ${after} after (${signed(String(after - before), after < before)})\n`);
  for (const { from, to, rows } of phases) {
    if (phases.length > 1)
      process.stdout.write(`\nfrom ${from ?? 'the start'} to ${to ?? 'the end'}: ${rows.length === 0 ? 'no difference\n' : '\n'}`);
    if (rows.length > 0) process.stdout.write(differenceTable(rows, top));
  }
  if (differ) process.stdout.write('(times are modelled: see lucid run --exit-cost)\n');
  return differ ? 1 : 0;
}
