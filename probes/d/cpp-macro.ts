/**
 * Macros: definitions and what becomes of their names in text.
 *
 * By ISO C 6.10.3: arguments are expanded before they are put in, but beside # and ##; the result is looked at again together with what follows, and a name
 * that is being replaced is left alone then and for ever.
 *
 * @module
 */
import { type CppToken, cppTokens } from './cpp-token.ts';

export interface Macro {
  readonly name: string;
  /** Undefined: object-like. */
  readonly parameters: readonly string[] | undefined;
  /** The last parameter takes all further arguments. */
  readonly variadic: boolean;
  readonly body: readonly CppToken[];
}

/** Why a text cannot be preprocessed. */
export class MacroError extends Error {
  override readonly name = 'MacroError';
}

/** Tokens that a program's macros may become: a few lines can ask for more than any memory holds. */
const MOST_TOKENS = 2_000_000;
const DEEPEST = 200;

/** The end of what a macro became, on the way. */
interface End {
  readonly kind: 'end';
  readonly name: string;
}

type Item = CppToken | End;

const EDGE: CppToken = { kind: 'edge', text: '', before: '', line: 0 };
const isEnd = (item: Item | undefined): item is End => item?.kind === 'end';
const isPunctuation = (item: Item | undefined, text: string): boolean => item?.kind === 'punctuation' && item.text === text;

/** A definition as written after `#define`. */
export function parseMacro(text: string, line: number): Macro {
  const head = /^\s*([a-zA-Z_][a-zA-Z_0-9]*)(\()?/.exec(text);
  if (head === null) throw new MacroError('macro names must be identifiers');
  const [whole, name, parenthesis] = head as unknown as [string, string, string | undefined];
  if (name === 'defined') throw new MacroError('"defined" cannot be used as a macro name');
  if (parenthesis === undefined)
    return { name, parameters: undefined, variadic: false, body: bodyOf(cppTokens(text.slice(whole.length), line)) };
  const close = text.indexOf(')', whole.length);
  if (close < 0) throw new MacroError('missing ")" in macro parameter list');
  const inside = text.slice(whole.length, close).trim();
  const parameters = inside === '' ? [] : inside.split(',').map((parameter) => parameter.trim());
  const variadic = parameters.at(-1)?.endsWith('...') === true;
  if (variadic) parameters[parameters.length - 1] = parameters.at(-1)?.slice(0, -3).trim() || '__VA_ARGS__';
  if (parameters.some((parameter) => !/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(parameter))) throw new MacroError('invalid macro parameter list');
  if (new Set(parameters).size < parameters.length) throw new MacroError('duplicate macro parameter');
  const body = bodyOf(cppTokens(text.slice(close + 1), line));
  body.forEach((token, i) => {
    if (token.text === '#' && !parameters.includes(body[i + 1]?.text ?? ''))
      throw new MacroError("'#' is not followed by a macro parameter");
  });
  return { name, parameters, variadic, body };
}

function bodyOf(tokens: CppToken[]): CppToken[] {
  if (tokens[0]?.text === '##' || tokens.at(-1)?.text === '##')
    throw new MacroError("'##' cannot appear at either end of a macro expansion");
  const [first, ...rest] = tokens;
  return first === undefined ? [] : [{ ...first, before: '' }, ...rest];
}

export class Macros {
  readonly #macros = new Map<string, Macro>();
  #made = 0;
  /** What __FILE__ is. */
  file = '';

  define(macro: Macro): void {
    this.#macros.set(macro.name, macro);
  }

  undefine(name: string): void {
    this.#macros.delete(name);
  }

  has(name: string): boolean {
    return this.#macros.has(name);
  }

  /** True when the name is that of a function-like macro. */
  isFunction(name: string): boolean {
    return this.#macros.get(name)?.parameters !== undefined;
  }

  /** The tokens with macros replaced. */
  expand(tokens: readonly CppToken[], depth = 0): CppToken[] {
    if (depth > DEEPEST) throw new MacroError('macros are nested too deeply');
    const out: CppToken[] = [];
    const input: Item[] = [...tokens].reverse();
    const active = new Map<string, number>();
    for (let item = input.pop(); item !== undefined; item = input.pop()) {
      if (isEnd(item)) {
        active.set(item.name, (active.get(item.name) ?? 1) - 1);
        out.push(EDGE);
        continue;
      }
      const macro = item.kind === 'name' && item.fixed === undefined ? this.#macros.get(item.text) : undefined;
      if (macro === undefined) {
        out.push(item.kind === 'name' ? this.#placed(item) : item);
        continue;
      }
      if ((active.get(macro.name) ?? 0) > 0) {
        out.push({ ...item, fixed: true });
        continue;
      }
      const replaced = this.#replacement(macro, item, input, active, depth);
      if (replaced === undefined) {
        out.push(item);
        continue;
      }
      this.#made += replaced.length + 1;
      if (this.#made > MOST_TOKENS) throw new MacroError(`macro ${macro.name} expands to more than can be handled`);
      active.set(macro.name, (active.get(macro.name) ?? 0) + 1);
      input.push({ kind: 'end', name: macro.name });
      for (let i = replaced.length - 1; i >= 0; i--) input.push(replaced[i] as CppToken);
      const [first] = replaced;
      if (first !== undefined) input[input.length - 1] = { ...first, before: item.before };
      out.push(EDGE);
    }
    return out;
  }

  /** __LINE__ and __FILE__ are of the place where they come out. */
  #placed(token: CppToken): CppToken {
    if (token.text === '__LINE__') return { ...token, kind: 'number', text: String(token.line) };
    if (token.text === '__FILE__') return { ...token, kind: 'string', text: JSON.stringify(this.file) };
    return token;
  }

  /** What a macro's name becomes; undefined when it is a function-like one without arguments. */
  #replacement(macro: Macro, name: CppToken, input: Item[], active: Map<string, number>, depth: number): CppToken[] | undefined {
    if (macro.parameters === undefined) return this.#substitute(macro, [], name, depth);
    const given = takeArguments(macro, input, active);
    if (given === undefined) return undefined;
    const wanted = macro.parameters.length;
    const [only] = given;
    if (wanted === 0 && given.length === 1 && only?.length === 0) return this.#substitute(macro, [], name, depth);
    if (macro.variadic) {
      if (given.length < wanted - 1) throw new MacroError(`macro "${macro.name}" requires at least ${wanted - 1} arguments`);
      const rest = given.slice(wanted - 1);
      const joined = rest.flatMap((argument, i) =>
        i === 0 ? argument : [{ kind: 'punctuation', text: ',', before: '', line: name.line } as CppToken, ...argument],
      );
      return this.#substitute(macro, [...given.slice(0, wanted - 1), joined], name, depth);
    }
    if (given.length !== wanted) {
      throw new MacroError(`macro "${macro.name}" passed ${given.length} arguments, but takes ${wanted}`);
    }
    return this.#substitute(macro, given, name, depth);
  }

  #substitute(
    { parameters = [], variadic, body }: Macro,
    given: readonly (readonly CppToken[])[],
    { line }: CppToken,
    depth: number,
  ): CppToken[] {
    const out: CppToken[] = [];
    const expanded = new Map<number, readonly CppToken[]>();
    const argument = (at: number): readonly CppToken[] => {
      let tokens = expanded.get(at);
      if (tokens === undefined) {
        tokens = this.expand(given[at] ?? [], depth + 1).filter(({ kind }) => kind !== 'edge');
        expanded.set(at, tokens);
      }
      return tokens;
    };
    const push = (tokens: readonly CppToken[], before: string): void => {
      tokens.forEach((token, i) => void out.push({ ...token, line, before: i === 0 ? before : token.before }));
    };
    for (let i = 0; i < body.length; i++) {
      const token = body[i] as CppToken;
      const next = body[i + 1];
      if (token.text === '#' && parameters.includes(next?.text ?? '')) {
        push([stringified(given[parameters.indexOf(next!.text)] ?? [], line)], token.before);
        i++;
      } else if (token.text === '##' && next !== undefined) {
        const at = next.kind === 'name' ? parameters.indexOf(next.text) : -1;
        const tokens = at < 0 ? [next] : (given[at] ?? []);
        // `, ## __VA_ARGS__`: without further arguments the comma goes, too, as every compiler has it.
        if (variadic && at === parameters.length - 1 && isPunctuation(out.at(-1), ',')) {
          if (tokens.length === 0) out.pop();
          else push(argument(at), '');
        } else {
          paste(out, tokens, line);
        }
        i++;
      } else {
        const at = token.kind === 'name' ? parameters.indexOf(token.text) : -1;
        const beside = next?.text === '##';
        push(at < 0 ? [token] : beside ? (given[at] ?? []) : argument(at), token.before);
        if (at >= 0 && beside && (given[at] ?? []).length === 0) out.push({ ...EDGE, line });
      }
    }
    return out;
  }
}

/** Follows the tokens of lines to see whether they end within the call of a macro, so that the next line belongs to it. */
export class CallTracker {
  readonly #macros: Macros;
  /** Parentheses that are open in a call. */
  #depth = 0;
  /** The last token names a function-like macro. */
  #named = false;

  constructor(macros: Macros) {
    this.#macros = macros;
  }

  /** Takes a line's tokens; true when the call goes on. */
  add(tokens: readonly CppToken[]): boolean {
    for (const { kind, text } of tokens) {
      if (kind === 'punctuation' && text === '(' && (this.#named || this.#depth > 0)) this.#depth++;
      else if (kind === 'punctuation' && text === ')' && this.#depth > 0) this.#depth--;
      this.#named = kind === 'name' && this.#macros.isFunction(text);
    }
    return this.#depth > 0 || this.#named;
  }
}

/** The arguments of a call, from what follows the name; undefined when no `(` does. */
function takeArguments(macro: Macro, input: Item[], active: Map<string, number>): CppToken[][] | undefined {
  let at = input.length - 1;
  while (at >= 0 && (isEnd(input[at]) || (input[at] as CppToken).kind === 'edge')) at--;
  if (!isPunctuation(input[at], '(')) return undefined;
  const skip = (item: Item | undefined): item is End => {
    if (!isEnd(item)) return false;
    active.set(item.name, (active.get(item.name) ?? 1) - 1);
    return true;
  };
  while (!isPunctuation(input.at(-1), '(')) skip(input.pop());
  input.pop();
  const given: CppToken[][] = [[]];
  for (let depth = 1; ; ) {
    const item = input.pop();
    if (item === undefined) throw new MacroError(`unterminated argument list invoking macro "${macro.name}"`);
    if (skip(item) || isEnd(item)) continue;
    if (item.kind === 'edge') continue;
    if (item.text === '(' && item.kind === 'punctuation') depth++;
    if (item.text === ')' && item.kind === 'punctuation' && --depth === 0) return given;
    if (item.text === ',' && item.kind === 'punctuation' && depth === 1) given.push([]);
    else given.at(-1)?.push(item);
  }
}

/** `#parameter` */
function stringified(tokens: readonly CppToken[], line: number): CppToken {
  const text = tokens.map((token, i) => (i > 0 && token.before !== '' ? ' ' : '') + token.text).join('');
  // Quotes and backslashes of strings are escaped, as the text is one itself now.
  const escaped = text.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, (literal) => literal.replace(/["\\]/g, '\\$&'));
  return { kind: 'string', text: `"${escaped}"`, before: '', line };
}

/** `##`: the last token and the first of `tokens` become one. */
function paste(out: CppToken[], tokens: readonly CppToken[], line: number): void {
  const [first, ...rest] = tokens;
  const last = out.at(-1);
  if (first === undefined) return;
  if (last === undefined || last.kind === 'edge') {
    if (last !== undefined) out.pop();
    out.push({ ...first, before: last?.before ?? first.before, line });
  } else {
    out.pop();
    cppTokens(last.text + first.text, line).forEach((token, i) => void out.push(i === 0 ? { ...token, before: last.before } : token));
  }
  for (const token of rest) out.push({ ...token, line });
}

/** Tokens as text; those at a macro's border are kept from becoming one. */
export function textOf(tokens: readonly CppToken[]): string {
  let text = '';
  let edge = false;
  for (const token of tokens) {
    if (token.kind === 'edge') {
      edge = true;
      continue;
    }
    if (edge && token.before === '' && joins(text.at(-1) ?? '', token.text.charAt(0))) text += ' ';
    text += token.before + token.text;
    edge = false;
  }
  return text;
}

/** Two characters that would be read as one token. */
function joins(left: string, right: string): boolean {
  return (/\w/.test(left) && /\w/.test(right)) || (/[-+&|<>=^!*/%]/.test(left) && (left === right || right === '=' || right === '>'));
}
