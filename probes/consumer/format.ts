/**
 * Formats of printf(), printa(), system() and freopen(): text between conversions, and the parts of each conversion.
 *
 * Models what DTrace makes of `%[flags][width][.precision][size]name`: the flags of printf(3C), `?` (as wide as a pointer) and `@` (the
 * aggregation's value), `*` for width and precision, size prefixes as part of the name. As there, `0` after `-` wins over it and the other
 * way round, and a precision of 0 is none.
 *
 * Leaves out which type each conversion takes: the compiler checks that.
 *
 * @module
 */

/** One conversion, and the text before it. */
export interface Conversion {
  readonly prefix: string;
  /** Name with its size prefix: `d`, `llx`, `Y`, `%`. */
  readonly name: string;
  readonly alternate: boolean;
  readonly zero: boolean;
  readonly left: boolean;
  readonly plus: boolean;
  readonly space: boolean;
  readonly group: boolean;
  /** Takes the value of the aggregation, not a key. */
  readonly aggregation: boolean;
  readonly width: number;
  readonly precision: number;
  /** An argument before the value gives it. */
  readonly dynamicWidth: boolean;
  readonly dynamicPrecision: boolean;
}

export interface Format {
  readonly conversions: readonly Conversion[];
  /** Text after the last conversion. */
  readonly tail: string;
}

/** A format that DTrace does not take; the message is its. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** What a conversion takes: `pointer` and `address` also take integers. */
export type ConversionClass =
  | 'integer'
  | 'character'
  | 'float'
  | 'text'
  | 'wide text'
  | 'pointer'
  | 'address'
  | 'user address'
  | 'stack'
  | 'time'
  | 'percent';

const CLASSES: Readonly<Record<string, ConversionClass>> = {
  a: 'address',
  A: 'user address',
  c: 'character',
  C: 'character',
  lc: 'character',
  wc: 'character',
  e: 'float',
  E: 'float',
  f: 'float',
  g: 'float',
  G: 'float',
  Le: 'float',
  LE: 'float',
  Lf: 'float',
  Lg: 'float',
  LG: 'float',
  I: 'text',
  k: 'stack',
  ls: 'wide text',
  ws: 'wide text',
  p: 'pointer',
  P: 'integer',
  s: 'text',
  S: 'text',
  T: 'time',
  Y: 'time',
  '%': 'percent',
  ...Object.fromEntries(
    ['d', 'i', 'o', 'u', 'x', 'X'].flatMap((name) => ['', 'h', 'l', 'll'].map((size) => [size + name, 'integer' as const])),
  ),
};

/** What a conversion takes, by its name; undefined for a name that is none. */
export function conversionClass(name: string): ConversionClass | undefined {
  return Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
}

/** Columns of `%?`: the hexadecimal digits of a pointer. */
const POINTER_DIGITS = 16;
/** Characters of a size prefix that count; the original keeps no more. */
const PREFIX_LIMIT = 6;

interface Draft {
  flags: Set<string>;
  width: number;
  precision: number;
  dynamicWidth: boolean;
  dynamicPrecision: boolean;
}

/** Reads one conversion whose `%` stands at `start`; gives it and where it ends. */
function parseConversion(text: string, start: number, number: number, prefix: string): { conversion: Conversion; end: number } {
  const draft: Draft = { flags: new Set(), width: 0, precision: 0, dynamicWidth: false, dynamicPrecision: false };
  const { flags } = draft;
  let at = start;
  let dot = false;
  let digits = false;
  let name = '';

  for (let more = true; more; ) {
    const c = text[++at];
    switch (c) {
      case undefined:
        throw new FormatError(`format conversion #${number} name expected before end of format string`);
      case '*':
        if (dot ? draft.dynamicPrecision : draft.dynamicWidth) {
          throw new FormatError(
            `format conversion #${number} has more than one '*' specified for the output ${dot ? 'precision' : 'width'}`,
          );
        }
        if (dot) draft.dynamicPrecision = true;
        else draft.dynamicWidth = true;
        break;
      case '-':
        flags.add('-').delete('0');
        break;
      case '.':
        if (dot) throw new FormatError(`format conversion #${number} has more than one '.' specified`);
        dot = true;
        digits = false;
        break;
      case '?':
        draft.width = POINTER_DIGITS;
        break;
      case '#':
      case '+':
      case '@':
      case "'":
      case ' ':
        flags.add(c);
        break;
      case '$':
        throw new FormatError(`format conversion #${number} uses unsupported positional format (%n$)`);
      case 'h':
      case 'l':
      case 'L':
      case 'w':
        if (name.length < PREFIX_LIMIT) name += c;
        break;
      default: {
        if (c === '0' && !dot && !digits) {
          flags.add('0').delete('-');
          break;
        }
        if (c >= '0' && c <= '9') {
          let value = 0;
          for (; text[at]! >= '0' && text[at]! <= '9'; at++) value = Math.min(value * 10 + Number(text[at]), 0x7fff_ffff);
          at--;
          if (dot) draft.precision = value;
          else draft.width = value;
          digits = true;
          break;
        }
        if (c === '%' && text[at - 1] !== '%') {
          throw new FormatError(`format conversion #${number} cannot be combined with other format flags: %%`);
        }
        name += c;
        more = false;
      }
    }
  }
  if (conversionClass(name) === undefined) throw new FormatError(`format conversion #${number} is undefined: %${name}`);
  const conversion: Conversion = {
    prefix,
    name,
    alternate: flags.has('#'),
    zero: flags.has('0'),
    left: flags.has('-'),
    plus: flags.has('+'),
    space: flags.has(' '),
    group: flags.has("'"),
    aggregation: flags.has('@'),
    width: draft.width,
    precision: draft.precision,
    dynamicWidth: draft.dynamicWidth,
    dynamicPrecision: draft.dynamicPrecision,
  };
  return { conversion, end: at + 1 };
}

/**
 * Takes a format apart.
 *
 * @throws FormatError with DTrace's text
 */
export function parseFormat(text: string): Format {
  const conversions: Conversion[] = [];
  let from = 0;
  for (let percent = text.indexOf('%'); percent >= 0; percent = text.indexOf('%', from)) {
    const { conversion, end } = parseConversion(text, percent, conversions.length + 1, text.slice(from, percent));
    conversions.push(conversion);
    from = end;
  }
  return { conversions, tail: text.slice(from) };
}
