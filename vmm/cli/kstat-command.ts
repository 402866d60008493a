/**
 * `kstat`: prints kstats of all running VMs of this user, as kstat(1M) of illumos prints the kernel's.
 *
 * Exit status: 0 something matched, 1 nothing did (also when no VM runs), 2 bad usage, 3 a fatal error.
 *
 * Leaves out: raw kstats (there are none), and -V.
 *
 * @module
 */
import { format, formatJson, formatParsable, type KstatSnapshot } from '../kstat.ts';
import type { MetricsFormat } from '../metrics/exposition.ts';
import { RuntimeDirectoryError } from '../runtime-directory.ts';
import { getopt, GetoptError } from './getopt.ts';
import { Interval, parseWhole } from './interval.ts';
import { KstatChain, merge, type VmReading } from './kstat-chain.ts';
import { compilePattern, type Pattern, PatternError, Selector } from './kstat-select.ts';

export const KSTAT_USAGE = `Usage:
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ -m module ] [ -i instance ] [ -n name ] [ -s statistic ]
      [ interval [ count ] ]
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ module[:instance[:name[:statistic]]] ... ]
      [ interval [ count ] ]
kstat --openmetrics | --prometheus [ what is selected, as above ]
`;

/** Where a command reads and writes. */
export interface CommandWorld {
  readonly directory: string;
  /** Standard output; resolves when there is room for more. */
  readonly out: (text: string) => Promise<void>;
  readonly err: (text: string) => void;
  /** The host's time. */
  readonly now: () => Date;
  /** How long a second of `interval` is; tests are in a hurry. */
  readonly secondMs?: number;
}

interface KstatArguments {
  readonly form: 'default' | 'parsable' | 'names' | 'json' | 'quiet' | MetricsFormat;
  /** Between name and value of the parsable form. */
  readonly separator: '\t' | ':';
  readonly stamp: 'none' | 'date' | 'unix';
  readonly class: Pattern;
  readonly selectors: readonly Selector[];
  readonly interval: number | undefined;
  readonly count: number;
}

/** What is wrong, to be followed by the usage; '' when the usage alone is asked for. */
class UsageRequest extends Error {
  readonly status: number;

  constructor(message: string, status = 2) {
    super(message);
    this.status = status;
  }
}

/** Reads the command line. Throws UsageRequest, GetoptError, PatternError. */
function parseArguments(args: readonly string[]): KstatArguments {
  const { options, operands } = getopt(args, 'hCqjlpO(openmetrics)P(prometheus)T:m:i:n:s:c:');
  const given = new Map(options);
  if (given.has('h')) throw new UsageRequest('', 0);
  const stamp = given.get('T')?.[0];
  if (given.has('T') && stamp !== 'd' && stamp !== 'u') throw new UsageRequest('');
  const times: number[] = [];
  const selectors: Selector[] = [];
  for (const operand of operands) {
    if (!/^\s*[-+]?\d*$/.test(operand)) {
      const selector = Selector.parse(operand);
      if (selector === undefined) throw new UsageRequest('');
      selectors.push(selector);
      continue;
    }
    if (times.length === 2) throw new UsageRequest('');
    const number = parseWhole(operand.trim());
    if (number === undefined) {
      throw new UsageRequest(
        `${times.length === 0 ? 'Interval' : 'Count'} ${/\d{16}/.test(operand) ? 'is too large' : 'must be an integer >= 1'}`,
      );
    }
    times.push(number);
  }
  if (selectors.length > 0 && ['m', 'i', 'n', 's'].some((letter) => given.has(letter))) {
    throw new UsageRequest('[module[:instance[:name[:statistic]]]] and -m -i -n -s are mutually exclusive');
  }
  if (selectors.length === 0) {
    const field = (letter: string): string | undefined => given.get(letter);
    selectors.push(new Selector({ module: field('m'), instance: field('i'), name: field('n'), statistic: field('s') }));
  }
  return {
    form: formOf(given),
    separator: given.has('C') ? ':' : '\t',
    stamp: stamp === 'd' ? 'date' : stamp === 'u' ? 'unix' : 'none',
    class: compilePattern(given.get('c') || '*'),
    selectors,
    interval: times[0],
    count: times[1] ?? (times.length === 1 ? Number.POSITIVE_INFINITY : 1),
  };
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** -T: `Thu Jul 22 19:39:50 1999`, or the seconds since 1970. */
export function timestamp(now: Date, stamp: 'date' | 'unix'): string {
  if (stamp === 'unix') return `${Math.floor(now.getTime() / 1000)}\n`;
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return `${DAYS[now.getDay()]} ${MONTHS[now.getMonth()]} ${String(now.getDate()).padStart(2)} ${time} ${now.getFullYear()}\n`;
}

/** Throws UsageRequest for forms that exclude each other. */
function formOf(given: ReadonlyMap<string, string>): KstatArguments['form'] {
  const parsable = given.has('p') || given.has('l') || given.has('C');
  if (given.has('q') && (given.has('j') || parsable)) throw new UsageRequest('-q and -lpj are mutually exclusive');
  if (given.has('O') || given.has('P')) {
    if (['O', 'P', 'C', 'j', 'l', 'p', 'q', 'T'].filter((letter) => given.has(letter)).length > 1)
      throw new UsageRequest('--openmetrics, --prometheus and -CjlpqT are mutually exclusive');
    return given.has('O') ? 'openmetrics' : 'prometheus';
  }
  if (given.has('q')) return 'quiet';
  if (given.has('j')) return 'json';
  return given.has('l') ? 'names' : parsable ? 'parsable' : 'default';
}

/** One kstat in the form asked for; '' when none of its statistics is selected. */
function printed({ form, separator }: KstatArguments, kstat: KstatSnapshot, wanted: Pattern): string {
  if (form === 'parsable' || form === 'names') return formatParsable(kstat, wanted, form === 'names', separator);
  // Without the brackets of the array.
  return form === 'json' ? formatJson([kstat], wanted).slice(1, -2) : format(kstat, wanted);
}

/** One report: its text, and whether anything matched. */
function report(args: KstatArguments, kstats: readonly KstatSnapshot[]): { text: string; matched: boolean } {
  const parts: string[] = [];
  for (const selector of args.selectors) {
    for (const kstat of kstats) {
      if (args.class(kstat.class) && selector.matches(kstat)) parts.push(printed(args, kstat, selector.statistic));
    }
  }
  const found = parts.filter((part) => part !== '');
  return { text: args.form === 'json' ? `[${found.join(',')}]\n` : found.join(''), matched: found.length > 0 };
}

async function reported(args: KstatArguments, readings: readonly VmReading[]): Promise<{ text: string; matched: boolean }> {
  const { form } = args;
  if (form !== 'openmetrics' && form !== 'prometheus') return report(args, merge(readings));
  const { metricsReport } = await import('./kstat-metrics.ts');
  return metricsReport(readings, form, args.class, args.selectors);
}

/** Runs `kstat`; its exit status. */
export async function kstat(args: readonly string[], world: CommandWorld): Promise<number> {
  let parsed: KstatArguments;
  try {
    parsed = parseArguments(args);
  } catch (error) {
    if (error instanceof UsageRequest) world.err(`${error.message}${error.message === '' ? '' : '\n'}${KSTAT_USAGE}`);
    else if (error instanceof GetoptError || error instanceof PatternError) world.err(`kstat: ${error.message}\n${KSTAT_USAGE}`);
    else throw error;
    return error instanceof UsageRequest ? error.status : 2;
  }
  const complain = (text: string): void => world.err(`kstat: ${text}\n`);
  const chain = new KstatChain({ directory: world.directory, patienceMs: 2000, complain });
  try {
    return await reports(parsed, chain, world);
  } catch (error) {
    if (!(error instanceof RuntimeDirectoryError)) throw error;
    world.err(`kstat: ${error.message}\n`);
    return 3;
  } finally {
    chain.close();
  }
}

async function reports(args: KstatArguments, chain: KstatChain, world: CommandWorld): Promise<number> {
  const interval = args.interval === undefined ? undefined : new Interval(args.interval, performance.now(), world.secondMs);
  let status = 1;
  for (let left = args.count; ; ) {
    await chain.update();
    const readings = await chain.read((header) => args.class(header.class) && args.selectors.some((s) => s.matches(header)));
    const { text, matched } = await reported(args, readings);
    if (matched) status = 0;
    if (args.form !== 'quiet') await world.out((args.stamp === 'none' ? '' : timestamp(world.now(), args.stamp)) + text);
    left--;
    if (interval === undefined || left <= 0) return status;
    await interval.sleep();
    if (args.form !== 'quiet') await world.out('\n');
  }
}
