/**
 * Which statistics a `kstat` command line selects: patterns of module, instance, name and statistic.
 *
 * A pattern is a glob as gmatch(3GEN) takes it (`*`, `?`, `[a-z]`, `[!x]`, `\`), which must fit the whole text, or an extended regular expression
 * between slashes, which must fit somewhere. Both see upper and lower case.
 *
 * @module
 */
import type { KstatSnapshot } from '../kstat.ts';
import type { KstatHeader } from '../vm-socket-kstat.ts';

/** A pattern that is none. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

export type Pattern = (text: string) => boolean;

/** POSIX character classes, as bracket expressions of JavaScript's take them. */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
};

/** Compiles a pattern. Throws PatternError. */
export function compilePattern(text: string): Pattern {
  if (text === '*') return () => true;
  const isExpression = text.length >= 2 && text.startsWith('/') && text.endsWith('/');
  const source = isExpression ? expression(text.slice(1, -1)) : `^${glob(text)}$`;
  try {
    const regex = new RegExp(source, 's');
    return (subject) => regex.test(subject);
  } catch {
    throw new PatternError(`${text}: not a regular expression`);
  }
}

/** Differs from JavaScript's in the named classes, and in that a backslash in brackets stands for itself. */
function expression(text: string): string {
  return text.replaceAll(/\\.|\[\^?\]?(?:\[:\w+:\]|[^\]])*\]/gs, (part) => {
    if (part.startsWith('\\')) return part;
    const negated = part.startsWith('[^');
    const inside = part.slice(negated ? 2 : 1, -1);
    const members = inside.split(/(\[:\w+:\])/).map((member) => {
      const named = /^\[:(\w+):\]$/.exec(member)?.[1];
      if (named === undefined) return member.replaceAll(/[\\\]]/g, '\\$&');
      const members = CLASSES[named];
      if (members === undefined) throw new PatternError(`[:${named}:]: not a class of characters`);
      return members;
    });
    return `[${negated ? '^' : ''}${members.join('')}]`;
  });
}

function glob(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === '*') out += '.*';
    else if (c === '?') out += '.';
    else if (c === '\\' && i + 1 < text.length) out += literal(text[++i] as string);
    else if (c === '[') {
      // The first character belongs to it, whatever it is.
      const first = i + (text[i + 1] === '!' ? 2 : 1);
      const end = text.indexOf(']', first + 1);
      if (end < 0) out += '\\[';
      else {
        out += `[${first > i + 1 ? '^' : ''}${text.slice(first, end).replaceAll(/[\\\]^[]/g, '\\$&')}]`;
        i = end;
      }
    } else out += literal(c);
  }
  return out;
}

function literal(c: string): string {
  return /[\^$.*+?()[\]{}|\\/]/.test(c) ? `\\${c}` : c;
}

/** One operand, or all of -m -i -n -s together. */
export class Selector {
  readonly #module: Pattern;
  readonly #instance: Pattern;
  readonly #name: Pattern;
  readonly statistic: Pattern;

  /** Empty fields match anything. Throws PatternError. */
  constructor(fields: { module?: string; instance?: string; name?: string; statistic?: string }) {
    this.#module = compilePattern(fields.module || '*');
    this.#instance = compilePattern(fields.instance || '*');
    this.#name = compilePattern(fields.name || '*');
    this.statistic = compilePattern(fields.statistic || '*');
  }

  /** `module:instance:name:statistic`; undefined when it has more fields. */
  static parse(operand: string): Selector | undefined {
    const [module, instance, name, statistic, ...more] = operand.split(':');
    return more.length > 0 ? undefined : new Selector({ module, instance, name, statistic });
  }

  matches(kstat: KstatHeader | KstatSnapshot): boolean {
    return this.#module(kstat.module) && this.#instance(String(kstat.instance)) && this.#name(kstat.name);
  }
}
