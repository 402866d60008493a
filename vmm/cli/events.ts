/**
 * `lucid events`: reads a log of VM exits that `lucid run --events` wrote.
 *
 * @module
 */
import type { Argv, CommandModule } from 'yargs';
import { asideAt, eventAt } from '../exit-log/describe.ts';
import type { ExitFilter } from '../exit-log/filter.ts';
import type { ExitLogEnd, ExitLogReader } from '../exit-log/reader.ts';
import { Tally } from '../exit-log/tally.ts';
import { perfText, traceHeader, traceText } from '../exit-log/text.ts';
import {
  type ChoiceArguments,
  choiceOf,
  choiceOptions,
  choosesExits,
  endBySignals,
  lossText,
  openLog,
  parseSymbols,
} from './exit-log-options.ts';
import { exitTable } from './kvmstat-exits.ts';
import { checkArguments, UsageError } from './options.ts';
import { written } from './standard-output.ts';

interface EventsArguments extends ChoiceArguments {
  file: string;
  print?: (typeof PRINTS)[number];
  symbols?: string;
  json: boolean;
}

const PRINTS = ['report', 'json', 'perf', 'trace-cmd'] as const;
const PRINT_CHUNK = 1 << 16;

/** How exits are printed one by one. */
interface Form {
  readonly head?: string;
  readonly line: (view: DataView, at: number, chain: number) => string;
  /** Marks and text of a console; without it they are left out. */
  readonly aside?: (view: DataView, at: number) => string;
}

/** Undefined: they are counted. Throws UsageError. */
function formOf({ about }: ExitLogReader, args: EventsArguments): Form | undefined {
  const { print, symbols: path } = args;
  if (path !== undefined && print !== 'perf') throw new UsageError('--symbols: names call chains of --print perf');
  const symbols = path === undefined ? undefined : parseSymbols(path);
  switch (print) {
    case 'json':
      return {
        line: (view, at, chain) => `${JSON.stringify(eventAt(view, at, chain))}\n`,
        // They are no exits: who chooses exits has not asked for them.
        ...(choosesExits(args) ? undefined : { aside: (view, at) => `${JSON.stringify(asideAt(view, at))}\n` }),
      };
    case 'perf':
      return { line: perfText(about.name, (address) => symbols?.name(address)) };
    case 'trace-cmd':
      return { head: traceHeader(about.vcpus), line: traceText(about.name) };
    default:
      return undefined;
  }
}

/** Prints each chosen exit; a reader that went away (a closed pipe) ends it. */
function printAll(log: ExitLogReader, filter: ExitFilter, { head = '', line, aside }: Form): ExitLogEnd {
  let text = head;
  const out = (): boolean => {
    const bytes = Buffer.from(text);
    text = '';
    return written(bytes);
  };
  const end = log.read(
    (view, at, chain) => {
      if (filter(view, at)) text += line(view, at, chain);
      return text.length < PRINT_CHUNK || out();
    },
    (view, at) => {
      if (aside !== undefined) text += aside(view, at);
      return text.length < PRINT_CHUNK || out();
    },
  );
  out();
  return end;
}

/** Exits by reason, as perf kvm stat reports them. */
function report(log: ExitLogReader, filter: ExitFilter, json: boolean): ExitLogEnd {
  const tally = new Tally('reason');
  const end = log.read((view, at, chain) => {
    if (filter(view, at)) tally.add(view, at, chain);
    return true;
  });
  const { records, complete, timeNs, instructions } = end;
  const rows = tally.rows();
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...log.about, records, complete, timeNs, instructions, exits: rows })}\n`);
    return end;
  }
  const events = rows.map((row) => ({
    reason: row.key,
    samples: BigInt(row.count),
    timeNs: BigInt(row.timeNs),
    minNs: BigInt(row.minNs),
    maxNs: BigInt(row.maxNs),
    hostNs: undefined,
  }));
  process.stdout.write(exitTable(events, { of: log.about.name, key: 'samples', hostTime: false, interval: false }));
  return end;
}

export function eventsCommand(): CommandModule<object, EventsArguments> {
  return {
    command: 'events <file>',
    describe: 'read the VM exits that a run wrote (lucid run --events)',
    builder: (yargs) =>
      choiceOptions(
        yargs.positional('file', { type: 'string', demandOption: true, describe: 'the log, of either format; - for standard input' }),
      )
        .option('print', {
          choices: PRINTS,
          requiresArg: true,
          describe: 'counts by reason (the default); or every exit as a line of JSON, as perf script shows it, or as trace-cmd report does',
        })
        .option('symbols', {
          type: 'string',
          requiresArg: true,
          describe: 'names for call chains of --print perf: an ELF file or System.map; FILE,+OFFSET when the guest moved itself',
        })
        .option('json', { type: 'boolean', default: false, describe: 'print the report as JSON' })
        .example('$0 run --kernel vmlinuz --events boot.ev', 'keep every exit of a run')
        .example('$0 events boot.ev', 'how many for each reason, and how long they took')
        .example('$0 events boot.ev --msr 0x10 --print json', 'each access to the TSC')
        .example('$0 events boot.ev --time 1s-1.1s --print perf', 'a tenth of a second, as perf script prints it')
        .check(({ file, ...parsed }) => checkArguments(parsed), true) as Argv<EventsArguments>,
    handler: (args) => {
      const filter = choiceOf(args);
      if (args.json && args.print !== undefined && args.print !== 'report')
        throw new UsageError(`--print ${args.print}: prints each exit; --json belongs to the report`);
      endBySignals();
      const log = openLog(args.file, { stream: true });
      try {
        const form = formOf(log, args);
        const end = form === undefined ? report(log, filter, args.json) : printAll(log, filter, form);
        if (!end.complete) process.stderr.write(lossText(args.file, end));
      } finally {
        log.close();
      }
    },
  };
}
