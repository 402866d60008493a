/**
 * Values of command line options: limits, sizes, times, ports. Each parser throws UsageError with one line that names the option.
 *
 * @module
 */

import type { DiskOptions } from '../disks.ts';
import { VCPUS_MAX } from '../cpu/layout.ts';

/** A bad option or file: one line for the user, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `--limit`: where a run ends. */
export interface Limits {
  /** Retired instructions. */
  readonly insns?: number;
  /** Nanoseconds of the VM's clock. */
  readonly timeNs?: number;
  /** Milliseconds of the host's. */
  readonly wallMs?: number;
}

const SCALE: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, '': 1e9, m: 60e9, h: 3600e9 };

function positive(option: string, text: string, value: number): number {
  if (value === 0) throw new UsageError(`${option} ${text}: must be more than 0`);
  if (value > Number.MAX_SAFE_INTEGER) throw new UsageError(`${option} ${text}: too large; at most ${Number.MAX_SAFE_INTEGER}`);
  return value;
}

/** `500000`, `1.5G`: a count. */
export function parseCount(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a number; write 500000, 20M or 1.5G`);
  return positive(option, text, Math.round(Number(match[1]) * SCALE[match[2].toLowerCase()]));
}

/** `10`, `1.5s`, `20ms`: a time in ns; seconds when no unit is given. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|)$/.exec(text);
  if (match === null) throw new UsageError(`${option} ${text}: not a time; write 10 (seconds), 1.5s or 20ms`);
  return positive(option, text, Math.round(Number(match[1]) * UNITS[match[2]]));
}

/** `insns=N,time=S,wall=S`. */
export function parseLimits(text: string): Limits {
  const limits: { insns?: number; timeNs?: number; wallMs?: number } = {};
  for (const part of text.split(',')) {
    const cut = part.indexOf('=');
    const key = part.slice(0, cut < 0 ? undefined : cut).trim();
    const value = cut < 0 ? '' : part.slice(cut + 1).trim();
    if (key === 'insns') limits.insns = parseCount('--limit insns', value);
    else if (key === 'time') limits.timeNs = parseDuration('--limit time', value);
    else if (key === 'wall') limits.wallMs = parseDuration('--limit wall', value) / 1e6;
    else throw new UsageError(`--limit ${part}: unknown; write insns=N, time=SECONDS or wall=SECONDS, separated by commas`);
  }
  return limits;
}

/** `244`, `0xf4`: an I/O port. */
export function parsePort(option: string, text: string): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 0 && port <= 0xffff)) throw new UsageError(`${option} ${text}: not a port; write a number from 0 to 0xffff`);
  return port;
}

/** `2024-01-31T12:00:00Z` or seconds since 1970: an RTC's start, in seconds. */
export function parseEpoch(option: string, text: string): number {
  let seconds = Number.NaN;
  if (/^\d+$/.test(text)) seconds = Number(text);
  else {
    // Without a zone it is UTC, not the host's.
    const date = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
    if (date !== null) seconds = Math.floor(Date.parse(date[1] !== undefined && date[4] === undefined ? `${text}Z` : text) / 1000);
  }
  if (!(seconds >= 0 && seconds < 253_402_300_800)) {
    throw new UsageError(`${option} ${text}: not a time from 1970 to 9999; write 2024-01-31T12:00:00Z or seconds since 1970`);
  }
  return seconds;
}

/** Switches: given with a value, they would quietly mean something. */
export const SWITCHES: readonly string[] = [
  'exits',
  'rng',
  'ecam',
  'hpet',
  'json',
  'builtin',
  'force',
  'folded',
  'list',
  'update',
  'repair',
  'rollback',
  'destroy',
  'help',
  'version',
];

/** Refuses a switch with a value that is neither true nor false: `--json=yes`. */
export function checkSwitches(args: readonly string[]): void {
  for (const arg of args) {
    if (arg === '--') return;
    const match = /^--(?:no-)?([a-z]+)=(.*)$/s.exec(arg);
    if (match !== null && SWITCHES.includes(match[1] as string) && !['true', 'false'].includes(match[2] as string)) {
      throw new UsageError(`${arg}: a switch takes no value; write --${match[1]} or --no-${match[1]}`);
    }
  }
}

/** Options that may be given several times. */
const LISTS: readonly string[] = ['disk', 'cdrom', 'nic', 'share', 'mark', 'only'];

/** Refuses options given twice, without their value, and words that are no options. */
export function checkArguments(parsed: Readonly<Record<string, unknown>>): true {
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '_') {
      const [, stray] = value as unknown[];
      if (stray !== undefined) throw new UsageError(`${stray}: not expected; options start with --, see --help`);
    } else if (Array.isArray(value) && !LISTS.includes(name)) throw new UsageError(`--${name}: given more than once`);
    else if (typeof value === 'boolean' && !SWITCHES.includes(name) && name !== 'h') throw new UsageError(`--${name}: needs a value`);
  }
  return true;
}

/** What to say when a command lacks its arguments. */
const MISSING: Readonly<Record<string, string>> & { readonly vm: string } = {
  vm: 'which VM? give its process number or name; see lucid ps',
  events: 'which file? give a log that lucid run --events wrote',
  expect: 'which file? give one that says what is expected; see lucid expect --help',
  diff: 'which two logs? give files that lucid run --events wrote',
};

/** What yargs says of bad arguments, in our form: the option, what is wrong, what would be right. */
export function explainArguments(message: string, args: readonly string[]): string {
  const listed = (names: string): string[] => names.split(', ').map((name) => name.trim());
  const unknown = /^Unknown arguments?: (.*)$/s.exec(message)?.[1];
  if (unknown !== undefined) {
    const name = listed(unknown)[0] as string;
    const given = args.find((arg) => arg.replace(/^-+/, '').split('=')[0] === name) ?? name;
    return given.startsWith('-')
      ? `${given}: unknown option; --help lists them`
      : `${given}: not expected; options start with --, see --help`;
  }
  if (message.startsWith('Not enough non-option arguments')) return MISSING[args[0] ?? ''] ?? MISSING.vm;
  const missing = /^Missing required arguments?: (.*)$/s.exec(message)?.[1];
  if (missing !== undefined) return `--${listed(missing)[0]}: missing; see --help`;
  const bare = /^Not enough arguments following: (.*)$/s.exec(message)?.[1];
  if (bare !== undefined) return `--${bare}: needs a value; see --help`;
  const choice = /^Invalid values:\s+Argument: (\S+), Given: (.*), Choices: (.*)$/s.exec(message);
  if (choice !== null) return `--${choice[1]} ${choice[2]}: unknown; there is ${choice[3]}`.replaceAll('"', '');
  return message;
}

/** `7`, `0x2a`: a seed of 32 bits. */
export function parseSeed(option: string, text: string): number {
  const seed = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(seed >= 0 && seed <= 0xffff_ffff)) throw new UsageError(`${option} ${text}: not a number from 0 to 4294967295`);
  return seed;
}

const DISK_WORDS = 'ro, snapshot, overlay=FILE, format=raw|qcow2, serial=S, queues=N, if=virtio|ide';

/** The parts of a list with commas. A comma that belongs to a part, such as a file's name, is written twice. */
export function commaWords(text: string): string[] {
  return text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
}

/** `FILE[,ro][,snapshot][,overlay=F][,format=raw|qcow2][,serial=S][,queues=N]`: a disk. A comma that belongs to a file's name is written twice. */
export function parseDisk(text: string): DiskOptions {
  const [path = '', ...words] = commaWords(text);
  if (path === '') throw new UsageError(`--disk '${text}': which file? write FILE, FILE,ro or FILE,snapshot`);
  const wrong = (why: string): UsageError => new UsageError(`--disk ${text}: ${why}`);
  const disk: { -readonly [K in keyof DiskOptions]: DiskOptions[K] } = { path, readOnly: false, snapshot: false };
  for (const word of words) {
    const [, key = word, value] = /^([a-z]+)=(.*)$/s.exec(word) ?? [];
    if (key === 'ro' && value === undefined) disk.readOnly = true;
    else if (key === 'snapshot' && value === undefined) disk.snapshot = true;
    else if (key === 'overlay' && value) disk.overlay = value;
    else if (key === 'format' && (value === 'raw' || value === 'qcow2')) disk.format = value;
    else if (key === 'format') throw wrong(`format '${value ?? ''}' is unknown; there is raw, qcow2`);
    else if (key === 'serial' && value !== undefined && /^[!-~]{1,20}$/.test(value)) disk.serial = value;
    else if (key === 'serial') throw wrong('a serial has 1 to 20 letters or digits');
    else if (key === 'if' && (value === 'virtio' || value === 'ide')) disk.interface = value;
    else if (key === 'if') throw wrong(`interface '${value ?? ''}' is unknown; there is virtio, ide; a CD is given by --cdrom`);
    else if (key === 'queues' && value !== undefined && /^[1-8]$/.test(value)) disk.queues = Number(value);
    else if (key === 'queues') throw wrong('queues are 1 to 8');
    else throw wrong(`'${word}' is unknown; there is ${DISK_WORDS}`);
  }
  if (disk.overlay !== undefined && disk.readOnly === true)
    throw wrong('ro and overlay=: the overlay is there to be written; give one of them');
  if (disk.overlay !== undefined && disk.snapshot === true) throw wrong('snapshot and overlay=: writes go to one place; give one of them');
  return disk;
}

/** A CD image: `FILE`, with a comma in its name written twice. */
export function parseCdrom(text: string): DiskOptions {
  const path = text.replaceAll(',,', ',');
  if (path === '') throw new UsageError("--cdrom '': which file?");
  return { path, readOnly: true, interface: 'cdrom', format: 'raw' };
}

/** `1` to `8`: how many processors. */
export function parseCpus(text: string): number {
  const cpus = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(cpus >= 1 && cpus <= VCPUS_MAX)) throw new UsageError(`--cpus ${text}: not a number from 1 to ${VCPUS_MAX}`);
  return cpus;
}

/** A text of the user's in a message: what is not ASCII as '?'. */
export function printable(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?');
}

/** Commands that read a log of exits: a file that is called `-` is standard input there. */
const READERS = ['events', 'exits'];

/** yargs makes an empty text of a `-` that stands alone; with a name it comes through. */
export function standardInputNamed(args: readonly string[]): readonly string[] {
  if (!READERS.includes(args[0] ?? '')) return args;
  const end = args.indexOf('--');
  return args.map((arg, i) => (arg === '-' && (end < 0 || i < end) ? '/dev/stdin' : arg));
}
