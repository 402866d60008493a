/**
 * The parser's view of the tokens: one ahead, and the error for one that does not fit.
 *
 * @module
 */
import type { Raise } from './error.ts';
import type { Lexer } from './lexer.ts';
import type { Syntax } from './syntax.ts';
import type { Token } from './token.ts';

/** Levels of nesting in a program's text; more is an error, not a stack overflow. */
const MAX_NESTING = 250;
/** Levels of an expression's tree: a chain of operators grows it without nesting. */
const MAX_DEPTH = 1000;

export class TokenReader {
  readonly lexer: Lexer;
  #ahead: Token | undefined;
  #nesting = 0;

  constructor(lexer: Lexer) {
    this.lexer = lexer;
  }

  readonly raise: Raise = (tag, text, line = this.lexer.line) => this.lexer.raise(tag, text, line);

  peek(): Token {
    this.#ahead ??= this.lexer.next();
    return this.#ahead;
  }

  take(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  /** True when the next token is this keyword or punctuation. */
  at(text: string): boolean {
    const token = this.peek();
    return (token.kind === 'word' || token.kind === 'punctuation') && token.text === text;
  }

  /** Takes the next token when it is this one. */
  accept(text: string): boolean {
    if (!this.at(text)) return false;
    this.#ahead = undefined;
    return true;
  }

  expect(text: string): Token {
    if (!this.at(text)) this.unexpected();
    return this.take();
  }

  unexpected(): never {
    const { kind, text, line } = this.peek();
    return this.raise('D_SYNTAX', kind === 'end' ? 'syntax error near end of input' : `syntax error near "${text}"`, line);
  }

  /** Runs a rule one level deeper. */
  nested<T>(rule: () => T): T {
    if (++this.#nesting > MAX_NESTING) this.raise('D_SYNTAX', 'program is nested too deeply');
    const result = rule();
    this.#nesting--;
    return result;
  }

  /** Depth of a node above these. */
  depth(...parts: readonly Syntax[]): number {
    let depth = 0;
    for (const part of parts) if (part.depth > depth) depth = part.depth;
    if (depth >= MAX_DEPTH) this.raise('D_SYNTAX', 'expression is too complex');
    return depth + 1;
  }
}
