/**
 * Tokens of the preprocessor, and the logical lines they stand in.
 *
 * By ISO C 5.1.1.2 and 6.4: lines that end in a backslash are joined, comments become a space. What D adds to C's tokens (`@name`, `$1`, a backquote) is
 * punctuation here, but for a `$` with its name, which is one token that no macro touches: it is the D compiler's own.
 *
 * @module
 */

export type CppTokenKind = 'name' | 'number' | 'string' | 'punctuation' | 'newline' | 'edge' | 'other';

export interface CppToken {
  /** `edge`: a border of what a macro became; of no text, it keeps the tokens at its sides from becoming one. */
  readonly kind: CppTokenKind;
  readonly text: string;
  /** Spaces in front. */
  readonly before: string;
  readonly line: number;
  /** A name that no macro replaces any more. */
  readonly fixed?: true;
}

/** A logical line. */
export interface CppLine {
  readonly text: string;
  /** Number of its first line in the file. */
  readonly line: number;
  /** Lines of the file that it takes. */
  readonly lines: number;
}

const TOKEN =
  /([a-zA-Z_][a-zA-Z_0-9]*)|(\.?[0-9](?:[eEpP][+-]|[a-zA-Z_0-9.])*)|(L?"(?:[^"\\]|\\.)*"|L?'(?:[^'\\]|\\.)*')|(\$\$?[a-zA-Z_0-9]*)|(<<=|>>=|\.\.\.|->|\+\+|--|&&|\|\||\^\^|##|[=!<>+\-*/%&^|]=|<<|>>|[^\s\w])/y;
const KINDS: readonly CppTokenKind[] = ['name', 'number', 'string', 'other', 'punctuation'];
const SPACES = /\s*/y;

/** Splits text into tokens; line ends become tokens of their own. */
export function cppTokens(text: string, line: number): CppToken[] {
  const tokens: CppToken[] = [];
  let at = 0;
  while (at < text.length) {
    SPACES.lastIndex = at;
    const before = SPACES.exec(text)![0];
    at += before.length;
    if (at >= text.length) break;
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text)!;
    const kind = KINDS[found.slice(1).findIndex((group) => group !== undefined)]!;
    tokens.push({ kind, text: found[0], before, line });
    at += found[0].length;
  }
  return tokens;
}

/** End of a string or character constant that begins at `start`: behind its quote, or at the line's end (joined or not) when it has none there. */
function endOfLiteral(text: string, start: number): number {
  const quote = text.charAt(start);
  let i = start + 1;
  while (i < text.length && text.charAt(i) !== '\n') {
    if (text.charAt(i) === '\\') {
      if (joins(text, i)) return i;
      i += 2;
    } else if (text.charAt(i++) === quote) return i;
  }
  return Math.min(i, text.length);
}

/** The backslash at `at` ends its line. */
function joins(text: string, at: number): boolean {
  return text.charAt(at + 1) === '\n' || (text.charAt(at + 1) === '\r' && text.charAt(at + 2) === '\n');
}

/** Lines without comments and joined where a backslash says so. `unclosed` is called when the last comment has no end. */
export function cppLines(text: string, unclosed: (line: number) => never): CppLine[] {
  const lines: CppLine[] = [];
  let number = 1;
  let first = 1;
  let parts: string[] = [];
  let at = 0;
  /** Start of what is not copied yet. */
  let copied = 0;
  const flush = (end: number): void => {
    if (end > copied) parts.push(text.slice(copied, end));
  };
  const finish = (end: number): void => {
    flush(end);
    lines.push({ text: parts.join(''), line: first, lines: number - first + 1 });
    parts = [];
  };
  while (at < text.length) {
    const c = text.charAt(at);
    if (c === '\n') {
      finish(at);
      number++;
      first = number;
      copied = ++at;
    } else if (c === '\\' && joins(text, at)) {
      flush(at);
      number++;
      at += text.charAt(at + 1) === '\r' ? 3 : 2;
      copied = at;
    } else if (c === '"' || c === "'") {
      at = endOfLiteral(text, at);
    } else if (c === '/' && text.charAt(at + 1) === '/') {
      flush(at);
      at = text.indexOf('\n', at);
      if (at < 0) at = text.length;
      copied = at;
    } else if (c === '/' && text.charAt(at + 1) === '*') {
      flush(at);
      const start = number;
      const end = text.indexOf('*/', at + 2);
      if (end < 0) unclosed(start);
      for (let i = text.indexOf('\n', at); i >= 0 && i < end; i = text.indexOf('\n', i + 1)) number++;
      parts.push(' ');
      at = end + 2;
      copied = at;
    } else {
      at++;
    }
  }
  if (copied < text.length || parts.length > 0) finish(text.length);
  return lines;
}
