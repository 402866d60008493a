/**
 * `lucid events`: reads a log of VM exits that `lucid run --events` wrote.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import type { Argv, CommandModule } from 'yargs';
import { eventAt } from '../exit-log/describe.ts';
import { type ExitConditions, type ExitFilter, exitFilter, type Range } from '../exit-log/filter.ts';
import { type ExitLogEnd, ExitLogReader } from '../exit-log/reader.ts';
import { ExitLogError } from '../exit-log/record.ts';
import { TALLY_KEYS, Tally, type TallyKey, type TallyRow } from '../exit-log/tally.ts';
import { perfLines } from '../exit-log/text.ts';
import { EXIT_REASON_NAMES } from '../exit-reason.ts';
import { systemErrorText } from '../system-error.ts';
import { exitTable } from './kvmstat-exits.ts';
import { checkArguments, parseDuration, UsageError } from './options.ts';

interface EventsArguments {
  file: string;
  print?: 'report' | 'json' | 'perf';
  by?: TallyKey;
  top: string;
  reason?: string;
  vcpu?: string;
  time?: string;
  rip?: string;
  cr3?: string;
  port?: string;
  msr?: string;
  gpa?: string;
  json: boolean;
}

const MAX64 = 0xffff_ffff_ffff_ffffn;
const PRINT_CHUNK = 1 << 16;

/** `0x3f8`, `0x3f8-0x3ff`, `0x1000-`: numbers from one to the other. */
function parseRange(option: string, text: string): Range {
  const match = /^(0x[0-9a-f]+|\d+)(-(0x[0-9a-f]+|\d+)?)?$/i.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a number or range; write 0x3f8, 0x3f8-0x3ff or 0x1000-`);
  const from = BigInt(match[1] as string);
  const to = match[3] !== undefined ? BigInt(match[3]) : match[2] === undefined ? from : MAX64;
  if (to < from || to > MAX64) throw new UsageError(`${option} ${text}: the range is empty or goes beyond 64 bits`);
  return { from, to };
}

/** `1.5s-2s`, `500ms-`: times of the VM's clock. */
function parseTimes(text: string): Range {
  const [from = '', to = '', more] = text.split('-');
  if (more !== undefined || (from === '' && to === ''))
    throw new UsageError(`--time ${text}: not a stretch of time; write 1.5s-2s, 500ms- or 0-2s`);
  const ns = (part: string, none: bigint): bigint => (part === '' ? none : part === '0' ? 0n : BigInt(parseDuration('--time', part)));
  const range = { from: ns(from, 0n), to: ns(to, MAX64) };
  if (range.to < range.from) throw new UsageError(`--time ${text}: ends before it begins`);
  return range;
}

function parseReasons(text: string): number[] {
  return text.split(',').map((word) => {
    const name = word.trim().toUpperCase().replaceAll('-', '_');
    const reason = /^\d+$/.test(name) ? Number(name) : EXIT_REASON_NAMES.indexOf(name.replace(/^EXIT_REASON_/, ''));
    if (EXIT_REASON_NAMES[reason] === undefined)
      throw new UsageError(`--reason ${word}: unknown; there is ${EXIT_REASON_NAMES.filter((n) => n !== undefined).join(', ')}`);
    return reason;
  });
}

function conditionsOf(args: EventsArguments): ExitConditions {
  const range = (option: 'rip' | 'cr3' | 'port' | 'msr' | 'gpa'): Range | undefined => {
    const text = args[option];
    return text === undefined ? undefined : parseRange(`--${option}`, text);
  };
  if (args.vcpu !== undefined && !/^[0-7]$/.test(args.vcpu)) throw new UsageError(`--vcpu ${args.vcpu}: not a number from 0 to 7`);
  return {
    reasons: args.reason === undefined ? undefined : parseReasons(args.reason),
    vcpu: args.vcpu === undefined ? undefined : Number(args.vcpu),
    time: args.time === undefined ? undefined : parseTimes(args.time),
    rip: range('rip'),
    cr3: range('cr3'),
    port: range('port'),
    msr: range('msr'),
    gpa: range('gpa'),
  };
}

function openLog(path: string): ExitLogReader {
  try {
    return new ExitLogReader(path);
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof ExitLogError ? error.message : systemErrorText(error)}`);
  }
}

/** Prints each chosen record; a reader that went away (a closed pipe) ends it. */
function printAll(log: ExitLogReader, filter: ExitFilter, line: (view: DataView, at: number, chain: number) => string): ExitLogEnd {
  let text = '';
  const out = (): boolean => {
    const bytes = Buffer.from(text);
    text = '';
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(process.stdout.fd, bytes, at);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false;
      throw error;
    }
  };
  const end = log.read((view, at, chain) => {
    if (filter(view, at)) text += line(view, at, chain);
    return text.length < PRINT_CHUNK || out();
  });
  out();
  return end;
}

function tallied(log: ExitLogReader, filter: ExitFilter, key: TallyKey): { readonly rows: readonly TallyRow[]; readonly end: ExitLogEnd } {
  const tally = new Tally(key);
  const end = log.read((view, at, chain) => {
    if (filter(view, at)) tally.add(view, at, chain);
    return true;
  });
  return { rows: tally.rows(), end };
}

/** The table of `--by`: the first `top` causes. */
export function causeTable(key: TallyKey, rows: readonly TallyRow[], top: number): string {
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const time = rows.reduce((sum, { timeNs }) => sum + timeNs, 0);
  const part = (n: number, of: number): string => `${((n * 100) / Math.max(1, of)).toFixed(2)}%`;
  const cells = rows.slice(0, top).map((r) => [r.key, String(r.count), part(r.count, total), part(r.timeNs, time)]);
  const head = [key.toUpperCase(), 'Samples', 'Samples%', 'Time%'];
  const width = Math.max(...[head, ...cells].map(([name]) => (name as string).length));
  const line = ([name = '', ...rest]: readonly string[]): string =>
    `${name.padEnd(width)} ${rest.map((cell) => cell.padStart(10)).join(' ')}\n`;
  const more = rows.length > top ? `(${rows.length - top} more; --top ${rows.length} shows all)\n` : '';
  return `${line(head)}${cells.map(line).join('')}${more}`;
}

/** What is missing at the end of a log that was cut off. */
function lossText(path: string, { records, looseBytes }: ExitLogEnd): string {
  const loose = looseBytes === 0 ? '' : `, and ${looseBytes} bytes of one more`;
  return `lucid: ${path}: was cut off (its run was killed, or the file was cut): ${records} whole records${loose}; what came after is lost\n`;
}

function parseTop(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--top ${text}: not a number of lines`);
  return Number(text);
}

function report(log: ExitLogReader, filter: ExitFilter, args: EventsArguments): ExitLogEnd {
  const key = args.by ?? 'reason';
  const top = parseTop(args.top);
  const { rows, end } = tallied(log, filter, key);
  const { records, complete, timeNs, instructions } = end;
  if (args.json) {
    process.stdout.write(
      `${JSON.stringify({ ...log.about, records, complete, timeNs, instructions, by: key, rows: rows.slice(0, top) })}\n`,
    );
  } else if (key === 'reason') {
    const events = rows.map(({ key: reason, count, timeNs: time, minNs, maxNs }) => ({
      reason,
      samples: BigInt(count),
      timeNs: BigInt(time),
      minNs: BigInt(minNs),
      maxNs: BigInt(maxNs),
      hostNs: undefined,
    }));
    process.stdout.write(exitTable(events, { of: log.about.name, key: 'samples', hostTime: false, interval: false }));
  } else process.stdout.write(causeTable(key, rows, top));
  return end;
}

export function eventsCommand(): CommandModule<object, EventsArguments> {
  return {
    command: 'events <file>',
    describe: 'read the VM exits that a run wrote (lucid run --events)',
    builder: (yargs) =>
      yargs
        .positional('file', { type: 'string', demandOption: true, describe: 'a log in the binary format' })
        .option('print', {
          choices: ['report', 'json', 'perf'] as const,
          requiresArg: true,
          describe: 'counts (the default), every exit as a line of JSON, or every exit as perf script shows kvm_exit and kvm_entry',
        })
        .option('by', { choices: TALLY_KEYS, requiresArg: true, describe: 'what the report counts by', defaultDescription: 'reason' })
        .option('top', { type: 'string', default: '20', requiresArg: true, describe: 'lines of the report' })
        .option('reason', { type: 'string', requiresArg: true, describe: 'only these exit reasons: io-instruction,cpuid' })
        .option('vcpu', { type: 'string', requiresArg: true, describe: 'only of this vCPU' })
        .option('time', { type: 'string', requiresArg: true, describe: "only in this stretch of the VM's clock: 1.5s-2s, 500ms-" })
        .option('rip', { type: 'string', requiresArg: true, describe: 'only from this address, or from A-B' })
        .option('cr3', { type: 'string', requiresArg: true, describe: 'only in this address space' })
        .option('port', { type: 'string', requiresArg: true, describe: 'only I/O at this port, or at A-B' })
        .option('msr', { type: 'string', requiresArg: true, describe: 'only of this MSR, or of A-B' })
        .option('gpa', { type: 'string', requiresArg: true, describe: 'only at this guest physical address, or at A-B' })
        .option('json', { type: 'boolean', default: false, describe: 'print the report as JSON' })
        .example('$0 run --kernel vmlinuz --events boot.ev', 'keep every exit of a run')
        .example('$0 events boot.ev', 'how many for each reason, and how long they took')
        .example('$0 events boot.ev --reason io-instruction --by port', 'which ports')
        .example('$0 events boot.ev --time 1s-2s --by rip --top 5', 'which instructions, in the second second')
        .example('$0 events boot.ev --msr 0x10 --print json', 'each access to the TSC')
        .check(({ file, ...parsed }) => checkArguments(parsed), true) as Argv<EventsArguments>,
    handler: (args) => {
      const filter = exitFilter(conditionsOf(args));
      const log = openLog(args.file);
      try {
        if (args.print !== undefined && args.print !== 'report' && (args.by !== undefined || args.json))
          throw new UsageError(`--print ${args.print}: prints each exit; --by and --json belong to the report`);
        const end =
          args.print === 'json'
            ? printAll(log, filter, (view, at, chain) => `${JSON.stringify(eventAt(view, at, chain))}\n`)
            : args.print === 'perf'
              ? printAll(log, filter, (view, at) => perfLines(log.about.name, view, at))
              : report(log, filter, args);
        if (!end.complete) process.stderr.write(lossText(args.file, end));
      } finally {
        log.close();
      }
    },
  };
}
