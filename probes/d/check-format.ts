/**
 * Formats of printf() and printa() against their arguments: which conversion takes which type.
 *
 * By the Dynamic Tracing Guide, "Output Formatting". A size prefix is never needed; one that is given has to fit. What is wrong with the text of a format
 * alone is a syntax error.
 *
 * @module
 */
import { type Conversion, type Format, FormatError, conversionClass, parseFormat } from '../consumer/format.ts';
import { nameOf } from './check-operator.ts';
import type { Context } from './context.ts';
import { isInteger, isPointer, isStack, isString, isSymbol, sizeOf } from './ctype.ts';
import { type Type, resolve } from './types.ts';

/** Who takes the format, as messages say. */
interface Formatted {
  /** `printf` */
  readonly name: string;
  readonly line: number;
  /** printa(): the values are keys, and there may be more than are shown. */
  readonly keys: boolean;
  /** Number of the first value among the arguments. */
  readonly first: number;
}

const SIZED: Readonly<Record<string, readonly string[]>> = {
  h: ['short', 'unsigned short'],
  l: ['long', 'unsigned long'],
  ll: ['long long', 'unsigned long long'],
};

/** True for int64_t, uint64_t and what is named after them: `long` here, and yet right for %lld everywhere. */
function isInt64(type: Type): boolean {
  for (let t = type; t.kind === 'typedef'; t = t.to) if (t.name === 'int64_t' || t.name === 'uint64_t') return true;
  return false;
}

function fitsPrefix(prefix: string, type: Type): boolean {
  const t = resolve(type);
  const names = SIZED[prefix];
  if (names === undefined || t.kind !== 'int') return isInteger(type);
  return names.includes(t.name) || (prefix === 'll' && isInt64(type));
}

function isCharacters(type: Type, bytes: number): boolean {
  const t = resolve(type);
  if (t.kind !== 'array') return false;
  const of = resolve(t.of);
  return of.kind === 'int' && of.bytes === bytes && (bytes !== 1 || of.char === true);
}

/** What a conversion takes, in words, and whether a type is that. */
function requirement({ name }: Conversion, type: Type): { readonly prototype: string; readonly fits: boolean } {
  const is = (prototype: string, fits: boolean): { prototype: string; fits: boolean } => ({ prototype, fits });
  const address = isInteger(type) || isPointer(type);
  switch (conversionClass(name)) {
    case 'integer': {
      const prefix = name.slice(0, -1);
      return is(prefix === '' ? 'integer' : (SIZED[prefix] as readonly string[]).join(' or '), fitsPrefix(prefix, type));
    }
    case 'character':
      return is('char, short, or int', isInteger(type) && sizeOf(type) <= 4);
    case 'float':
      return is('float, double, or long double', resolve(type).kind === 'float');
    case 'text':
      return is('char [] or string (or use stringof)', isString(type) || isCharacters(type, 1));
    case 'wide text':
      return is('wchar_t []', isCharacters(type, 4));
    case 'pointer':
      return is('pointer or integer', address);
    case 'address':
    case 'user address':
      return is('pointer or integer', address || isSymbol(type));
    case 'stack':
      return is('stack', isStack(type));
    case 'time':
      return is('int64_t or uint64_t', isInteger(type) && sizeOf(type) === 8);
    case 'percent':
    case undefined:
      return is('', true);
  }
}

export class FormatChecker {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Takes a format apart. */
  parse(text: string, line: number): Format {
    try {
      return parseFormat(text);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return this.#context.raise('D_SYNTAX', error.message, line);
    }
  }

  /** Checks a format's conversions against the types of its values. */
  check(text: string, formatted: Formatted, types: readonly Type[]): void {
    const { name, line, keys, first } = formatted;
    const format = this.parse(text, line);
    let at = 0;
    format.conversions.forEach((conversion, i) => {
      if (conversion.name === '%') return;
      const number = i + 1;
      for (const star of [...(conversion.dynamicWidth ? ['*'] : []), ...(conversion.dynamicPrecision ? ['.*'] : [])]) {
        this.#checkStar(star, conversion, formatted, number, first + at, types[at]);
        at++;
      }
      if (conversion.aggregation) {
        if (!keys) {
          this.#context.raise('D_PRINTF_AGG_CONV', `%@ conversion requires an aggregation and is not for use with ${name}( )`, line);
        }
        return;
      }
      this.#checkValue(conversion, formatted, number, first + at, types[at]);
      at++;
    });
    if (!keys && at < types.length) {
      const required = at + first - 1;
      this.#context.raise(
        'D_PRINTF_ARG_EXTRA',
        `${name}( ) prototype mismatch: only ${required} arguments required by this format string`,
        line,
      );
    }
  }

  #checkStar(star: string, conversion: Conversion, { name, line }: Formatted, number: number, at: number, type: Type | undefined): void {
    if (type === undefined) {
      const text = `${name}( ) prototype mismatch: conversion #${number} (%${conversion.name}) is missing a corresponding "${star}" argument`;
      this.#context.raise('D_PRINTF_DYN_PROTO', text, line);
    }
    if (isInteger(type)) return;
    const text = `${name}( ) argument #${at} is incompatible with conversion #${number} prototype:\n\tconversion: %${star}${conversion.name}\n\t prototype: int\n\t  argument: ${nameOf(type)}`;
    this.#context.raise('D_PRINTF_DYN_TYPE', text, line);
  }

  #checkValue(conversion: Conversion, { name, line, keys }: Formatted, number: number, at: number, type: Type | undefined): void {
    const value = keys ? 'key' : 'argument';
    if (type === undefined) {
      const text = `${name}( ) prototype mismatch: conversion #${number} (%${conversion.name}) is missing a corresponding ${keys ? 'aggregation key' : 'value argument'}`;
      this.#context.raise('D_PRINTF_ARG_PROTO', text, line);
    }
    const { prototype, fits } = requirement(conversion, type);
    if (fits) return;
    const text = `${name}( ) ${value} #${at} is incompatible with conversion #${number} prototype:\n\tconversion: %${conversion.name}\n\t prototype: ${prototype}\n\t  argument: ${nameOf(type)}`;
    this.#context.raise('D_PRINTF_ARG_TYPE', text, line);
  }
}
