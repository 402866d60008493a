/**
 * The options of DTrace (`-x`, `#pragma D option`, setopt()): names, kinds, values, and what may be set when.
 *
 * Models libdtrace of illumos: the compile-time, run-time and dynamic run-time options, their parsing to the letter (a size is a number of
 * strtoull with k, m, g or t; a rate one with ns ... day or hz; `-x quiet=0` sets quiet, because a number is a value and only the words of
 * negation unset), and the defaults that dtrace(1M) and the kernel give. `onfull` is this tracer's own: what a full buffer does.
 *
 * Leaves out what options do: each is read where it matters. Those that name a part of illumos which has no like here (linkmode, ctypes,
 * pgmax, ...) are checked and have no effect, so that a script that sets them runs.
 *
 * @module
 */
import type { EffectiveOptions } from './program.ts';
import { SECOND, TIME_UNITS } from './time-unit.ts';

/** Why an option cannot be set, in libdtrace's words; the caller says which option and where. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

const BAD_NAME = 'Invalid option name';
const BAD_VALUE = 'Invalid value for specified option';
const BAD_CONTEXT = 'Option cannot be used from within a D program';
const ACTIVE = 'Operation illegal when tracing is active';

/** Who sets an option: the command line, `#pragma D option`, or setopt() while tracing. */
export type OptionContext = 'command' | 'program' | 'active';

/** Kinds by what their value is. */
type Kind =
  /** Given without a value; 1 when set. `clears` names the flag that it resets instead. */
  | { readonly kind: 'flag'; readonly clears?: string; readonly lenient?: true }
  /** A flag that also takes yes, no, on, off, ... */
  | { readonly kind: 'switch' }
  /** A number, 0 when left out; the words of negation unset it. */
  | { readonly kind: 'number' }
  /** A number greater than (or, with `zero`, at least) 0 that must be given. */
  | { readonly kind: 'count'; readonly zero?: true }
  | { readonly kind: 'size'; readonly limit?: number }
  /** Nanoseconds. */
  | { readonly kind: 'rate' }
  | { readonly kind: 'word'; readonly words: readonly string[]; readonly anyCase?: true }
  /** Any text, which must be given; `many` appends, one to a line. */
  | { readonly kind: 'text'; readonly many?: true; readonly check?: (text: string) => string | undefined };

/** One option. */
export interface OptionDescription {
  readonly name: string;
  /** When it takes effect: only a dynamic one (or, without effect, a compile-time one) may be set while tracing. */
  readonly phase: 'compile' | 'run' | 'dynamic';
  /** A compile-time option that the program itself may not set. */
  readonly outside?: true;
  readonly value: Kind;
}

const flag: Kind = { kind: 'flag' };
const toggle: Kind = { kind: 'switch' };
const number: Kind = { kind: 'number' };
const count: Kind = { kind: 'count' };
const size: Kind = { kind: 'size' };
const rate: Kind = { kind: 'rate' };
const text: Kind = { kind: 'text' };
const texts: Kind = { kind: 'text', many: true };
const word = (...words: string[]): Kind => ({ kind: 'word', words });

const STABILITIES = ['internal', 'private', 'obsolete', 'external', 'unstable', 'evolving', 'stable', 'standard'];
const CLASSES = ['unknown', 'cpu', 'platform', 'group', 'isa', 'common'];

/** An attribute triplet: `Evolving/Evolving/Common`. */
function checkAttributes(given: string): string | undefined {
  const [names, data, dependency, ...rest] = given.toLowerCase().split('/');
  const valid = STABILITIES.includes(names ?? '') && STABILITIES.includes(data ?? '') && CLASSES.includes(dependency ?? '');
  return valid && rest.length === 0 ? undefined : BAD_VALUE;
}

/** Versions of the D language that a program can bind itself to. */
const VERSIONS =
  '1.0 1.1 1.2 1.2.1 1.2.2 1.3 1.4 1.4.1 1.5 1.6 1.6.1 1.6.2 1.6.3 1.7 1.7.1 1.8 1.8.1 1.9 1.9.1 1.10 1.11 1.12 1.12.1 1.13'.split(' ');

function checkVersion(given: string): string | undefined {
  if (!/^\d+(\.\d+){0,2}$/.test(given)) return 'Version is not properly formatted or is too large';
  return VERSIONS.includes(given) ? undefined : 'Requested version is not supported by compiler';
}

function phase(of: OptionDescription['phase'], options: Record<string, Kind>, outside?: true): OptionDescription[] {
  return Object.entries(options).map(([name, value]) => ({ name, phase: of, value, ...(outside && { outside }) }));
}

/** Every option there is. */
export const OPTIONS: readonly OptionDescription[] = [
  ...phase('compile', {
    aggpercpu: flag,
    amin: { kind: 'text', check: checkAttributes },
    argref: flag,
    core: flag,
    cpp: flag,
    ctypes: text,
    debug: flag,
    defaultargs: flag,
    droptags: { kind: 'flag', lenient: true },
    dtypes: text,
    empty: flag,
    encoding: word('ascii', 'utf8'),
    errtags: flag,
    evaltime: word('exec', 'preinit', 'postinit', 'main'),
    iregs: count,
    kdefs: { kind: 'flag', clears: 'knodefs' },
    knodefs: flag,
    late: word('dynamic', 'static'),
    lazyload: { kind: 'flag', lenient: true },
    libdir: texts,
    linkmode: word('kernel', 'primary', 'dynamic', 'static'),
    linktype: { kind: 'word', words: ['elf', 'dof'], anyCase: true },
    nolibs: flag,
    pgmax: { kind: 'count', zero: true },
    pspec: flag,
    strip: flag,
    syslibdir: text,
    tree: count,
    tregs: count,
    udefs: { kind: 'flag', clears: 'unodefs' },
    unodefs: flag,
    verbose: flag,
    version: { kind: 'text', check: checkVersion },
    zdefs: flag,
  }),
  ...phase(
    'compile',
    {
      cppargs: texts,
      cpphdrs: flag,
      cpppath: text,
      define: texts,
      incdir: texts,
      ldpath: text,
      setenv: texts,
      stdc: word('a', 'c', 's', 't'),
      undef: texts,
      unsetenv: texts,
    },
    true,
  ),
  ...phase('run', {
    aggsize: size,
    bufpolicy: word('ring', 'fill', 'switch'),
    bufresize: word('auto', 'manual'),
    bufsize: size,
    cleanrate: rate,
    cpu: number,
    destructive: toggle,
    dynvarsize: size,
    grabanon: toggle,
    jstackframes: number,
    jstackstrsize: size,
    nspec: number,
    onfull: word('wait', 'drop'),
    specsize: size,
    stackframes: number,
    statusrate: rate,
    strsize: { kind: 'size', limit: 2 ** 32 - 1 },
    temporal: toggle,
    ustackframes: number,
  }),
  ...phase('dynamic', {
    agghist: toggle,
    aggpack: toggle,
    aggrate: rate,
    aggsortkey: toggle,
    aggsortkeypos: number,
    aggsortpos: number,
    aggsortrev: toggle,
    aggzoom: toggle,
    flowindent: toggle,
    quiet: toggle,
    rawbytes: toggle,
    stackindent: number,
    switchrate: rate,
  }),
];

const BY_NAME: ReadonlyMap<string, OptionDescription> = new Map(OPTIONS.map((option) => [option.name, option]));

/** An option by its name. */
export function findOption(name: string): OptionDescription | undefined {
  return BY_NAME.get(name);
}

/** Options while they are being set; becomes `EffectiveOptions`. An option that is not set is absent. */
export type OptionValues = Record<string, number | string | undefined>;

/**
 * What is in effect when nobody sets anything: what dtrace(1M) sets (bufsize, aggsize) over the kernel's defaults. Sizes in bytes, rates in
 * nanoseconds. `stackindent` is absent: 14 columns, and %k gives its own.
 */
export function defaultOptions(): OptionValues {
  return {
    aggrate: 1e9,
    aggsize: 4 << 20,
    bufpolicy: 'switch',
    bufresize: 'auto',
    bufsize: 4 << 20,
    cleanrate: 9_900_990,
    dynvarsize: 1 << 20,
    jstackframes: 50,
    jstackstrsize: 512,
    nspec: 1,
    specsize: 32 << 10,
    stackframes: 20,
    statusrate: 1e9,
    strsize: 256,
    switchrate: 1e9,
    ustackframes: 20,
  };
}

/** Pairs of words that set and unset. */
const POSITIVE = ['yes', 'enable', 'enabled', 'true', 'on', 'set'];
const NEGATIVE = ['no', 'disable', 'disabled', 'false', 'off', 'unset'];

/** strtoull(3C) of base 0: the value, or undefined when it leaves 64 bits, and what follows the number. */
function parseNumber(given: string): { value: bigint | undefined; rest: string } {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(given);
  if (match === null) return { value: 0n, rest: given };
  const [whole, sign, digits] = match as unknown as [string, string, string];
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const rest = given.slice(whole.length);
  if (magnitude >= 1n << 64n) return { value: undefined, rest };
  // As an int64, which is what the original keeps: a negative number stays one.
  return { value: BigInt.asIntN(64, sign === '-' ? -magnitude : magnitude), rest };
}

function parseValue(given: string): number {
  const { value, rest } = parseNumber(given);
  if (value === undefined || value < 0n || rest !== '') throw new OptionError(BAD_VALUE);
  return Number(value);
}

const SIZE_SUFFIXES = 'kmgt';

/** A size as `-x bufsize=` takes it: `4m`. Bytes. */
export function parseSize(given: string): number {
  const power = given === '' ? -1 : SIZE_SUFFIXES.indexOf(given.slice(-1).toLowerCase());
  const { value, rest } = parseNumber(given);
  if (value === undefined || rest.length !== (power < 0 ? 0 : 1)) throw new OptionError(BAD_VALUE);
  const bytes = BigInt.asIntN(64, value << BigInt(10 * (power + 1)));
  if (bytes < 0n) throw new OptionError(BAD_VALUE);
  return Number(bytes);
}

/** A rate as `-x switchrate=` takes it: `100hz`, `10ms`, or bare nanoseconds. Nanoseconds between two times; 0 for never. */
export function parseRate(given: string): number {
  const { value, rest } = parseNumber(given);
  if (value === undefined || value < 0n) throw new OptionError(BAD_VALUE);
  const unit = rest.toLowerCase();
  if (unit === 'hz') return value === 0n ? 0 : Math.floor(SECOND / Number(value));
  const scale = unit === '' ? 1 : TIME_UNITS.get(unit);
  if (scale === undefined) throw new OptionError(BAD_VALUE);
  return Number(value) * scale;
}

/** atoi(3C). */
function leadingInteger(given: string): number {
  return Number(/^\s*[+-]?\d+/.exec(given)?.[0] ?? 0);
}

/** The value that `given` means; undefined unsets. */
function readValue(kind: Exclude<Kind, { kind: 'flag' }>, given: string | undefined, before: number | string | undefined) {
  switch (kind.kind) {
    case 'switch':
    case 'number': {
      if (given === undefined) return kind.kind === 'switch' ? 1 : 0;
      const lower = given.toLowerCase();
      if (given === '' || NEGATIVE.includes(lower)) return undefined;
      if (POSITIVE.includes(lower)) return 1;
      const value = parseValue(given);
      return kind.kind === 'switch' ? 1 : value;
    }
    case 'size': {
      const bytes = given === undefined ? 0 : parseSize(given);
      if (kind.limit !== undefined && bytes > kind.limit) throw new OptionError('Value too large for defined data type');
      return bytes;
    }
    case 'rate':
      return given === undefined ? 0 : parseRate(given);
  }
  if (given === undefined) throw new OptionError(BAD_VALUE);
  switch (kind.kind) {
    case 'count': {
      const value = leadingInteger(given);
      if (value < (kind.zero ? 0 : 1)) throw new OptionError(BAD_VALUE);
      return value;
    }
    case 'word': {
      const chosen = kind.anyCase ? given.toLowerCase() : given;
      if (!kind.words.includes(chosen)) throw new OptionError(BAD_VALUE);
      return chosen;
    }
    case 'text': {
      const problem = kind.check?.(given);
      if (problem !== undefined) throw new OptionError(problem);
      return kind.many && before !== undefined ? `${before}\n${given}` : given;
    }
  }
}

/**
 * Sets one option in `values`. `given` is what follows `=`, undefined when there is no `=`.
 *
 * @throws OptionError with libdtrace's text, for `failed to set -x NAME: TEXT` and its like
 */
export function setOption(values: OptionValues, name: string, given: string | undefined, context: OptionContext = 'command'): void {
  const option = BY_NAME.get(name);
  if (option === undefined) throw new OptionError(BAD_NAME);
  const { value: kind } = option;
  if (context === 'active' && option.phase === 'run') throw new OptionError(ACTIVE);
  if (kind.kind === 'flag') {
    if (given !== undefined && !kind.lenient) throw new OptionError(BAD_VALUE);
    if (context === 'program' && option.outside) throw new OptionError(BAD_CONTEXT);
    values[kind.clears ?? name] = kind.clears === undefined ? 1 : 0;
    return;
  }
  // The original looks at the value of a text before it looks at who gives it.
  if (context === 'program' && option.outside && given !== undefined) throw new OptionError(BAD_CONTEXT);
  values[name] = readValue(kind, given, values[name]);
}

/** Sets an option given as `name` or `name=value`, as `-x` takes it. */
export function setOptionText(values: OptionValues, argument: string, context: OptionContext = 'command'): void {
  const cut = argument.indexOf('=');
  if (cut < 0) setOption(values, argument, undefined, context);
  else setOption(values, argument.slice(0, cut), argument.slice(cut + 1), context);
}

/** True when a flag is set. */
export function isSet(options: EffectiveOptions, name: string): boolean {
  const value = options[name];
  return value !== undefined && value !== 0;
}

/** The number that an option has, or `otherwise` when it is not set. */
export function numberOf(options: EffectiveOptions, name: string, otherwise: number): number {
  const value = options[name];
  return typeof value === 'number' ? value : otherwise;
}
