/**
 * `lucid diff`: what changed between the VM exits of two runs, phase by phase.
 *
 * @module
 */
import type { Argv, CommandModule } from 'yargs';
import { type Comparison, compared, MissedMark, type Survey, survey } from '../exit-log/comparison.ts';
import { differences } from '../exit-log/difference.ts';
import { type CodeMoves, codeMoves, namesOf, offsetFromSymbols, UNMOVED, unmoved } from '../exit-log/kernel-place.ts';
import { type Mark, markText } from '../exit-log/marks.ts';
import type { ExitLogAbout } from '../exit-log/record.ts';
import { type RunLog, runLog } from '../exit-log/run-log.ts';
import { TALLY_KEYS, Tally, type TallyKey } from '../exit-log/tally.ts';
import { type Compared, diffJson, diffText } from './diff-text.ts';
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
import type { BaselinePhase } from './expect/baseline.ts';
import { countedPhases, exitsOf, rowsOf } from './expect/counted-file.ts';
import { parseMark } from './mark-option.ts';
import { checkArguments, UsageError } from './options.ts';

interface DiffArguments extends ChoiceArguments {
  before: string;
  after: string;
  by: TallyKey;
  mark?: string[];
  top?: string;
  symbols?: string;
  json: boolean;
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
          .option('top', {
            type: 'string',
            requiresArg: true,
            describe: 'lines to show of each phase, slight changes too [20, without those]',
          })
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
      endBySignals();
      const top = args.top === undefined ? undefined : parseTop(args.top);
      const result = comparedFiles(args) ?? comparedLogs(args);
      process.stdout.write(args.json ? diffJson(result, top) : diffText(result, top));
      done(result.phases.some(({ rows }) => rows.length > 0) ? 1 : 0);
    },
  };
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
  return { by, phases, exits: [exitsOf(a), exitsOf(b)] };
}

/** Addresses that are looked at to see where code has moved. */
const ADDRESSES_MAX = 1 << 16;

/** Addresses of instructions, those with the most exits first. */
function addresses(log: RunLog): bigint[] {
  const tally = new Tally('rip');
  log.read((view, at, chain) => {
    tally.add(view, at, chain);
    return true;
  });
  return tally
    .rows(ADDRESSES_MAX)
    .filter(({ key }) => key.startsWith('0x'))
    .map(({ key }) => BigInt(key));
}

/** How the second run's code has moved; what is not counted by address needs only what the kernels themselves say. */
function movesOf(a: Survey, b: Survey, by: TallyKey): CodeMoves {
  const all = by === 'rip' || by === 'call-chain';
  const seen = ({ log, entry }: Survey) => ({ entry, addresses: all ? addresses(log) : [] });
  return all || (a.entry !== undefined && b.entry !== undefined) ? codeMoves(seen(a), seen(b)) : UNMOVED;
}

interface Run {
  readonly about: ExitLogAbout;
  readonly log: RunLog;
}

function aboutOf(path: string): ExitLogAbout {
  const log = openLog(path);
  log.close();
  return log.about;
}

function comparedLogs(args: DiffArguments): Compared {
  const symbols = args.symbols === undefined ? undefined : parseSymbols(args.symbols);
  const marks = (args.mark ?? []).map((text) => parseMark(text, symbols));
  const filter = choiceOf(args);
  const [x, y] = [args.before, args.after].map((path) => ({ about: aboutOf(path), log: runLog(() => openLog(path)) })) as [Run, Run];
  const [a, b] = [survey(x.log), survey(y.log)];
  if (!a.end.complete) process.stderr.write(lossText(args.before, a.end));
  if (!b.end.complete) process.stderr.write(lossText(args.after, b.end));
  const moves = movesOf(a, b, args.by);
  const offset = symbols === undefined || givesOffset(args.symbols) ? 0n : offsetFromSymbols(symbols, a.entry);
  const name = namesOf(symbols, offset);
  // Addresses of the second run are shown where the first has them.
  const names = [name, (address: bigint): string => name(unmoved(address, moves))] as const;
  const comparison = held(args, a, b, { by: args.by, marks, filter, names });
  return {
    by: args.by,
    phases: comparison.phases.map((rows, i) => ({
      from: i === 0 ? null : markText(marks[i - 1] as Mark),
      to: i === marks.length ? null : markText(marks[i] as Mark),
      rows,
    })),
    exits: [a.end.records, b.end.records],
    logs: { comparison, moves, names, vcpus: [x.about.vcpus, y.about.vcpus], ends: [a.end, b.end] },
  };
}

/** `FILE,+0x1000000`: the user knows better where the kernel is. */
function givesOffset(symbols: string | undefined): boolean {
  return /,[+-](0x[0-9a-f]+|\d+)$/i.test(symbols ?? '');
}

function held({ before, after }: DiffArguments, a: Survey, b: Survey, comparing: Parameters<typeof compared>[2]): Comparison {
  try {
    return compared(a, b, comparing);
  } catch (error) {
    if (!(error instanceof MissedMark)) throw error;
    const last = error.lastLine === undefined ? '' : `; the console's last line is: ${error.lastLine}`;
    const { side, mark } = error;
    const hint = mark.kind === 'address' ? ` (was it watched? lucid run --events FILE,watch=0x${mark.address.toString(16)})` : '';
    throw new UsageError(`${[before, after][side]}: never comes to ${markText(mark)}${hint}${last}`);
  }
}
