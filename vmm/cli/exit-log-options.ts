/**
 * What `lucid events` and `lucid exits` have in common: opening a log of exits, and choosing exits from it.
 *
 * @module
 */
import type { Argv } from 'yargs';
import { type ExitConditions, type ExitFilter, exitFilter, type Range } from '../exit-log/filter.ts';
import { type ExitLogEnd, ExitLogReader } from '../exit-log/reader.ts';
import { ExitLogError } from '../exit-log/record.ts';
import { type SourceOptions, STANDARD_INPUT } from '../exit-log/source.ts';
import { EXIT_REASON_NAMES } from '../exit-reason.ts';
import { loadSymbols, type SymbolTable, SymbolsError } from '../symbols.ts';
import { systemErrorText } from '../system-error.ts';
import { parseDuration, UsageError } from './options.ts';

export interface ChoiceArguments {
  reason?: string;
  vcpu?: string;
  time?: string;
  rip?: string;
  cr3?: string;
  port?: string;
  msr?: string;
  gpa?: string;
}

/** The options that choose exits. */
export function choiceOptions<T>(yargs: Argv<T>): Argv<T & ChoiceArguments> {
  return yargs
    .option('reason', { type: 'string', requiresArg: true, describe: 'only these exit reasons: io-instruction,cpuid' })
    .option('vcpu', { type: 'string', requiresArg: true, describe: 'only of this vCPU' })
    .option('time', { type: 'string', requiresArg: true, describe: "only in this stretch of the VM's clock: 1.5s-2s, 500ms-" })
    .option('rip', { type: 'string', requiresArg: true, describe: 'only from this address, or from A-B' })
    .option('cr3', { type: 'string', requiresArg: true, describe: 'only in this address space' })
    .option('port', { type: 'string', requiresArg: true, describe: 'only I/O at this port, or at A-B' })
    .option('msr', { type: 'string', requiresArg: true, describe: 'only of this MSR, or of A-B' })
    .option('gpa', { type: 'string', requiresArg: true, describe: 'only at this guest physical address, or at A-B' }) as Argv<
    T & ChoiceArguments
  >;
}

const MAX64 = 0xffff_ffff_ffff_ffffn;

/** Numbers that have fewer than 64 bits. */
const MOST: Readonly<Record<string, bigint>> = { '--port': 0xffffn, '--msr': 0xffff_ffffn };

/** `0x3f8`, `0x3f8-0x3ff`, `0x1000-`: numbers from one to the other. */
function parseRange(option: string, text: string): Range {
  const match = /^(0x[0-9a-f]+|\d+)(-(0x[0-9a-f]+|\d+)?)?$/i.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a number or range; write 0x3f8, 0x3f8-0x3ff or 0x1000-`);
  const from = BigInt(match[1] as string);
  const to = match[3] !== undefined ? BigInt(match[3]) : match[2] === undefined ? from : MAX64;
  const most = MOST[option] ?? MAX64;
  if (from > most) throw new UsageError(`${option} ${text}: there are none beyond 0x${most.toString(16)}`);
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

function conditionsOf(args: ChoiceArguments): ExitConditions {
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

/** Whether any of the options is given. */
export function choosesExits(args: ChoiceArguments): boolean {
  return [args.reason, args.vcpu, args.time, args.rip, args.cr3, args.port, args.msr, args.gpa].some((option) => option !== undefined);
}

/** The filter that the options describe. Throws UsageError. */
export function choiceOf(args: ChoiceArguments): ExitFilter {
  return exitFilter(conditionsOf(args));
}

const shown = (path: string): string => (path === STANDARD_INPUT ? 'standard input' : path);

/** A log is read in one go, so signals end the process by themselves, as nobody would hear of them. */
export function endBySignals(): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
}

/** Throws UsageError. */
export function openLog(path: string, options: SourceOptions = {}): ExitLogReader {
  try {
    return new ExitLogReader(path, options);
  } catch (error) {
    throw new UsageError(`${shown(path)}: ${error instanceof ExitLogError ? error.message : systemErrorText(error)}`);
  }
}

/** What is missing from a log that is not complete. */
export function lossText(path: string, { records, looseBytes, damaged, told }: ExitLogEnd): string {
  const parts: string[] = [];
  if (told === undefined) {
    const loose = looseBytes === 0 ? '' : `, and ${looseBytes} bytes of one more`;
    parts.push(
      `has no end (its run goes on, was killed, or the file was cut): ${records} whole records${loose}; what came after is not there`,
    );
  } else if (told !== records) parts.push(`${records} whole records; there were ${told} when it was written`);
  if (damaged > 0) parts.push(`${damaged} damaged ${damaged === 1 ? 'record was' : 'records were'} passed over`);
  return `lucid: ${shown(path)}: ${parts.join('; ')}\n`;
}

/** `FILE`, `FILE,+0x1000000`, `FILE,-0x1000`: names for addresses, and how far the guest moved itself. */
export function parseSymbols(text: string): SymbolTable {
  const [, path = '', sign, digits] = /^(.*?)(?:,([+-])(0x[0-9a-f]+|\d+))?$/is.exec(text) ?? [];
  const offset = digits === undefined ? 0n : sign === '-' ? -BigInt(digits) : BigInt(digits);
  try {
    return loadSymbols(path, offset);
  } catch (error) {
    throw new UsageError(`--symbols ${path}: ${error instanceof SymbolsError ? error.message : systemErrorText(error)}`);
  }
}

/** How many lines. Throws UsageError. */
export function parseTop(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--top ${text}: not a number of lines`);
  return Number(text);
}
