/**
 * The command line of `dlite`: that of illumos dtrace(1M), read the way its getopt(3C) reads it.
 *
 * Letters combine (`-qn 'BEGIN'`, `-lvP sdt`, `-xquiet`), options and arguments may stand in any order, and what belongs to no option is an argument
 * of the program ($1 and on). `--` ends the options. Long options are this tool's own: `--json`, `--help`, `--version`.
 *
 * Leaves out what has no object here: anonymous tracing (-a, -A), object files and headers (-G, -h), -32, intermediate code (-S), -B, -H, -X.
 *
 * @module
 */

/** How a program is given: by a file, or by a probe specifier of this context. */
export type SourceForm = 'script' | 'provider' | 'module' | 'function' | 'name' | 'id';

/** One -s, -n, -P, -m, -f or -i, in the order of the command line. */
export interface Specifier {
  readonly form: SourceForm;
  /** File, or the specifier's text. */
  readonly text: string;
}

/** A tracing or compiler option, and how the user wrote it. */
export interface Setting {
  readonly name: string;
  readonly value: string | undefined;
  /** `-x bufsize=4k`, for messages. */
  readonly shown: string;
}

/** What a program is made of and where its output goes: common to `dlite` and to the tracing part of `lucid run`. */
export interface TraceArguments {
  readonly specifiers: readonly Specifier[];
  readonly settings: readonly Setting[];
  /** -o. */
  readonly output: string | undefined;
  /** -C. */
  readonly preprocess: boolean;
  readonly defines: readonly string[];
  readonly undefines: readonly string[];
  readonly includes: readonly string[];
  readonly libraries: readonly string[];
  /** -Z. */
  readonly zeroMatches: boolean;
  /** $1 and on. */
  readonly arguments: readonly string[];
}

/** No tracing options at all. */
export const NOTHING: TraceArguments = {
  specifiers: [],
  settings: [],
  output: undefined,
  preprocess: false,
  defines: [],
  undefines: [],
  includes: [],
  libraries: [],
  zeroMatches: false,
  arguments: [],
};

export interface Command extends TraceArguments {
  readonly mode: 'trace' | 'list' | 'version' | 'help';
  /** -e: the program is compiled, nothing is enabled. */
  readonly compileOnly: boolean;
  /** -v. */
  readonly verbose: boolean;
  /** -p, as given. */
  readonly pids: readonly string[];
  /** -c. */
  readonly run: string | undefined;
  readonly json: boolean;
}

/** A bad command line: its message (none for an empty line), and whether the usage follows. Exit status 2. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
  readonly usage: boolean;

  constructor(message: string, usage = true) {
    super(message);
    this.usage = usage;
  }
}

const FORMS: Readonly<Record<string, SourceForm>> = {
  s: 'script',
  n: 'name',
  P: 'provider',
  m: 'module',
  f: 'function',
  i: 'id',
};

/** Letters that take an argument. */
const WITH_ARGUMENT = 'bcDfiILmnopPsUx';
/** Letters that take none. */
const ALONE = 'CeFhlqvVwZ';
/** Letters that are an option's by another name. */
const SETTINGS: Readonly<Record<string, string>> = { b: 'bufsize', F: 'flowindent', q: 'quiet', w: 'destructive' };

/** A command while it is being read. */
class Reading {
  readonly specifiers: Specifier[] = [];
  readonly settings: Setting[] = [];
  readonly pids: string[] = [];
  readonly runs: string[] = [];
  readonly defines: string[] = [];
  readonly undefines: string[] = [];
  readonly includes: string[] = [];
  readonly libraries: string[] = [];
  readonly arguments: string[] = [];
  output: string | undefined;
  readonly letters = new Set<string>();
  readonly long = new Set<string>();

  take(letter: string, value: string): void {
    const form = FORMS[letter];
    if (form !== undefined) this.specifiers.push({ form, text: value });
    else if (letter === 'x') this.#set(value);
    else if (letter === 'b') this.settings.push({ name: SETTINGS['b'] as string, value, shown: `-b ${value}` });
    else if (letter === 'o') this.output = value;
    else this.#list(letter).push(value);
  }

  #list(letter: string): string[] {
    switch (letter) {
      case 'c':
        return this.runs;
      case 'D':
        return this.defines;
      case 'I':
        return this.includes;
      case 'L':
        return this.libraries;
      case 'p':
        return this.pids;
      default:
        return this.undefines;
    }
  }

  /** -x name[=value]. */
  #set(text: string): void {
    const cut = text.indexOf('=');
    const name = cut < 0 ? text : text.slice(0, cut);
    this.settings.push({ name, value: cut < 0 ? undefined : text.slice(cut + 1), shown: `-x ${name}` });
  }

  mark(letter: string): void {
    this.letters.add(letter);
    const name = SETTINGS[letter];
    if (name !== undefined) this.settings.push({ name, value: undefined, shown: `-${letter}` });
  }
}

const LONG = ['json', 'help', 'version'];

/** Letters that a command line may have. */
interface Letters {
  readonly alone: string;
  readonly withArgument: string;
}

const ALL: Letters = { alone: ALONE, withArgument: WITH_ARGUMENT };
/** Of `lucid run`: the VM is known, and so is its end. */
const INLINE: Letters = { alone: 'CFqwZ', withArgument: 'bDfiILmnoPsUx' };

/** Reads one word of letters; the index of the last word that it took. */
function readLetters(reading: Reading, words: readonly string[], at: number, { alone, withArgument } = ALL): number {
  const word = words[at] as string;
  for (let i = 1; i < word.length; i++) {
    const letter = word[i] as string;
    if (alone.includes(letter)) {
      reading.mark(letter);
      continue;
    }
    // dtrace's -64: the data model, which is the only one here.
    if (letter === '6' && word.slice(i) === '64') return at;
    if (!withArgument.includes(letter)) throw new CommandLineError(`illegal option -- ${letter}`);
    const attached = word.slice(i + 1);
    const value = attached === '' ? words[at + 1] : attached;
    if (value === undefined) throw new CommandLineError(`option requires an argument -- ${letter}`);
    reading.take(letter, value);
    return attached === '' ? at + 1 : at;
  }
  return at;
}

/** Reads a command line. Throws CommandLineError. */
export function parseCommand(words: readonly string[]): Command {
  if (words.length === 0) throw new CommandLineError('');
  const reading = new Reading();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === '--') {
      reading.arguments.push(...words.slice(at + 1));
      break;
    }
    if (word.startsWith('--')) {
      if (!LONG.includes(word.slice(2))) throw new CommandLineError(`illegal option -- ${word.slice(2)}`);
      reading.long.add(word.slice(2));
    } else if (word.startsWith('-') && word.length > 1) at = readLetters(reading, words, at);
    else reading.arguments.push(word);
  }
  return finish(reading);
}

function gathered(reading: Reading): TraceArguments {
  return {
    specifiers: reading.specifiers,
    settings: reading.settings,
    output: reading.output,
    preprocess: reading.letters.has('C'),
    defines: reading.defines,
    undefines: reading.undefines,
    includes: reading.includes,
    libraries: reading.libraries,
    zeroMatches: reading.letters.has('Z'),
    arguments: reading.arguments,
  };
}

/**
 * Takes the tracing options out of a command line of long options, `lucid run --kernel vmlinuz -qn BEGIN`: single letters after one hyphen, but for
 * those that are values of long options, and -h. What follows `--` is arguments of the program. Undefined when there are none. Throws
 * CommandLineError.
 */
export function takeTraceArguments(
  words: readonly string[],
  switches: readonly string[],
): { readonly rest: readonly string[]; readonly trace: TraceArguments | undefined } {
  const reading = new Reading();
  const rest: string[] = [];
  let any = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === '--') {
      reading.arguments.push(...words.slice(at + 1));
      break;
    }
    if (/^-[A-Za-z]/.test(word) && word !== '-h') {
      any = true;
      at = readLetters(reading, words, at, INLINE);
      continue;
    }
    rest.push(word);
    const name = /^--(?:no-)?([a-z-]+)$/.exec(word)?.[1];
    if (name !== undefined && !switches.includes(name) && at + 1 < words.length) rest.push(words[++at] as string);
  }
  if (!any) return { rest: words, trace: undefined };
  if (reading.specifiers.length === 0) throw new CommandLineError('nothing to trace: -n PROGRAM or -s FILE is missing', false);
  return { rest, trace: gathered(reading) };
}

function finish(reading: Reading): Command {
  const { letters, long } = reading;
  if (letters.has('l') && letters.has('V')) throw new CommandLineError('only one of the [-lV] options can be specified at a time', false);
  if (reading.runs.length > 1) throw new CommandLineError('-c can be specified once only', false);
  if (reading.runs.length > 0 && reading.pids.length > 0)
    throw new CommandLineError('-c and -p cannot be specified at the same time', false);
  let mode: Command['mode'] = letters.has('l') ? 'list' : 'trace';
  if (letters.has('V') || long.has('version')) mode = 'version';
  if (letters.has('h') || long.has('help')) mode = 'help';
  return {
    ...gathered(reading),
    mode,
    compileOnly: letters.has('e'),
    verbose: letters.has('v'),
    pids: reading.pids,
    run: reading.runs[0],
    json: long.has('json'),
  };
}

const PROGRAM = '[[ predicate ] action ]';

/** What stands on standard error after a bad command line. */
export function usage(command: string): string {
  return `Usage: ${command} [-CeFlqvVwZ] [-b bufsz] [-c cmd] [-D name[=def]]
\t[-I path] [-L path] [-o output] [-p pid] [-s script] [-U name]
\t[-x opt[=val]] [--json] [--help]

\t[-P provider ${PROGRAM}]
\t[-m [ provider: ] module ${PROGRAM}]
\t[-f [[ provider: ] module: ] func ${PROGRAM}]
\t[-n [[[ provider: ] module: ] func: ] name ${PROGRAM}]
\t[-i probe-id ${PROGRAM}] [ args ... ]

\tpredicate -> '/' D-expression '/'
\t   action -> '{' D-statements '}'

${OPTION_TEXTS.map(([option, text]) => `\t${option.padEnd(10)}${text}\n`).join('')}`;
}

const OPTION_TEXTS: readonly (readonly [string, string])[] = [
  ['-b SIZE', 'size of the trace buffer: 4k, 1m'],
  ['-c CMD', "trace CMD, a 'lucid run ...', from its first instruction to its end"],
  ['-C', 'run the C preprocessor over the programs first'],
  ['-D NAME', 'define a symbol for the preprocessor'],
  ['-e', 'end after compiling, enable nothing'],
  ['-f FUNC', 'enable or list the probes of a function'],
  ['-F', 'indent the output by function'],
  ['-i ID', 'enable or list a probe by its number'],
  ['-I DIR', 'where the preprocessor looks for included files'],
  ['-l', 'list probes instead of enabling them'],
  ['-L DIR', 'a folder of D libraries'],
  ['-m MODULE', 'enable or list the probes of a module'],
  ['-n NAME', 'enable or list the probes of a name'],
  ['-o FILE', 'append the output to a file'],
  ['-p PID', 'trace this VM only (all running VMs of this user without it)'],
  ['-P NAME', 'enable or list the probes of a provider'],
  ['-q', 'print only what the program prints'],
  ['-s FILE', 'enable or list as the D script says'],
  ['-U NAME', 'undefine a symbol of the preprocessor'],
  ['-v', 'report stability attributes and arguments'],
  ['-V', 'print the version'],
  ['-w', 'permit destructive actions'],
  ['-x OPT', 'set an option of the compiler or of tracing'],
  ['-Z', 'permit probe descriptions that match nothing'],
  ['--json', 'print one JSON object for each record and aggregation'],
];

/** `--help`. */
export function helpText(command: string): string {
  const examples: readonly (readonly [string, string])[] = [
    [`${command} -l`, 'every probe there is'],
    [`${command} -n 'kvm-vexit { @[strexitno[arg1]] = count(); }'`, 'VM exits of all running VMs by reason, printed at Ctrl-C'],
    [`${command} -p 4668 -n 'kvm-inj-virq { trace(arg0); }'`, 'interrupts of one VM as they are injected'],
    [`${command} -c 'lucid run --kernel vmlinuz' -s boot.d`, 'a boot from its first instruction to its end'],
    [`${command} -qn 'tick-1s { printf("%Y\\n", walltimestamp); }'`, 'without any VM: dtrace and profile probes, on the host'],
    ['#!/usr/bin/env -S dlite -s', 'first line of a D script that is a command'],
  ];
  return `${usage(command)}
Examples:
${examples.map(([line, text]) => `  ${line}\n      ${text}\n`).join('')}
Exit status: 0, or what the program gives exit(); 1 an error, 2 a bad command line.
`;
}
