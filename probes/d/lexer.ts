/**
 * Splits a D program into tokens.
 *
 * By the Dynamic Tracing Guide; the two ways of reading are the original's. Between clauses (`program`) a word is a probe description unless it
 * starts a declaration, as names of probes hold `-`, `:` and globs; elsewhere (`expression`) the tokens are C's. The parser says which. A `/` closes
 * a predicate when `;`, `{`, `/` or the end follows. A name is a type's when a type has it and no variable does; in a clause, what follows decides
 * (`x = 1` makes a variable). Tokens are made when asked for, never ahead, as both choices depend on what the parser has seen.
 *
 * Control lines (`#pragma`, `# 12 "file"`) go to the host; `#!` lines are skipped. There are no `//` comments in D.
 *
 * @module
 */
import { INT } from './ctype.ts';
import { CompileError, type Raise } from './error.ts';
import { characterLiteral, integerLiteral, integerType, decodeEscapes } from './literal.ts';
import { DECLARATION_WORDS, KEYWORDS, type Token, type TokenKind } from './token.ts';

/** A word of a control line. */
export interface ControlWord {
  readonly text: string;
  readonly quoted: boolean;
}

/** What the lexer asks of the compiler. */
export interface LexerHost {
  isType(name: string): boolean;
  isVariable(name: string): boolean;
  /** A control line, without its `#`. */
  control(words: readonly ControlWord[], line: number): void;
  /** $n; undefined when there is none. */
  argument(index: number): string | undefined;
  /** $name; undefined when there is none. */
  macro(name: string): bigint | string | undefined;
  /** -xdefaultargs. */
  defaultArguments(): boolean;
}

export type LexerState = 'program' | 'expression';

const PROBE = /[-$:a-zA-Z_.?*\\[\]!][-$:0-9a-zA-Z_.`?*\\[\]!]*/y;
/** The part before a backquote, which may hold dots, is looked for within a module's longest name. */
const IDENTIFIER = /(?:[a-zA-Z_`][0-9a-zA-Z_.`]{0,63}`)?[a-zA-Z_`][0-9a-zA-Z_`]*/y;
const FLOAT = /(?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)[fFlL]?/y;
const INTEGER = /(?:0[xX][0-9A-Fa-f]+|[0-9]+)[uU]?[lL]?[lL]?/y;
const MACRO_ARGUMENT = /\$\$?[0-9]+/y;
const MACRO_NAME = /\$\$?[a-zA-Z_][0-9a-zA-Z_]*/y;
const STRING = /"(?:[^"\\\n]|\\[^\n])*/y;
const CHARACTER = /'(?:[^'\\\n]|\\[^\n])*/y;
const AGGREGATION = /@[a-zA-Z_][0-9a-zA-Z_]*|@/y;
const PUNCTUATION = /<<=|>>=|\.\.\.|->|\+\+|--|&&|\|\||\^\^|==|!=|<=|>=|<<|>>|\+=|-=|\*=|\/=|%=|&=|\^=|\|=|[-+*/%&|^~!<>=?:.,;()[\]{}]/y;
const SPACE = /[\f\r\t\v ]/;

export class Lexer {
  state: LexerState = 'program';
  /** Line of what comes next. */
  line = 1;
  /** File of what comes next, when a control line named one that is not the program's. */
  file: string | undefined;
  readonly #text: string;
  readonly #host: LexerHost;
  #at = 0;
  #parens = 0;
  #brackets = 0;
  #braces = 0;
  /** Names taken for variables although a type has them. */
  readonly #assigned = new Set<string>();

  constructor(text: string, host: LexerHost) {
    this.#text = text;
    this.#host = host;
  }

  readonly raise: Raise = (tag, text, line = this.line) => {
    throw new CompileError(tag, text, { line, file: this.file });
  };

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    return found === null ? undefined : found[0];
  }

  #token(kind: TokenKind, text: string, value = text, integer = 0n): Token {
    this.#at += text.length;
    return { kind, text, line: this.line, value, integer };
  }

  /** The next token, read as the present state says. */
  next(): Token {
    this.#skip();
    if (this.#at >= this.#text.length) return { kind: 'end', text: '', line: this.line, value: '', integer: 0n };
    return this.state === 'program' ? this.#programToken() : this.#expressionToken();
  }

  /** Spaces, comments, control lines. */
  #skip(): void {
    const text = this.#text;
    for (;;) {
      const c = text.charAt(this.#at);
      if (c === '\n') {
        this.line++;
        this.#at++;
      } else if (c !== '' && SPACE.test(c)) {
        this.#at++;
      } else if (c === '/' && text.charAt(this.#at + 1) === '*') {
        this.#comment();
      } else if (c === '#' && this.#startsLine()) {
        this.#controlLine();
      } else if (c === '\\' && text.charAt(this.#at + 1) === '\n' && this.state === 'expression') {
        this.line++;
        this.#at += 2;
      } else {
        return;
      }
    }
  }

  #startsLine(): boolean {
    let i = this.#at - 1;
    while (i >= 0 && SPACE.test(this.#text.charAt(i))) i--;
    return i < 0 || this.#text.charAt(i) === '\n';
  }

  #comment(): void {
    const text = this.#text;
    let i = this.#at + 2;
    for (;;) {
      const c = text.charAt(i);
      if (c === '') this.raise('D_SYNTAX', 'end-of-file encountered before matching */');
      if (c === '\n') this.line++;
      if (c === '/' && text.charAt(i + 1) === '*') this.raise('D_SYNTAX', '/* encountered inside a comment');
      if (c === '*' && text.charAt(i + 1) === '/') break;
      i++;
    }
    this.#at = i + 2;
  }

  #controlLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    const body = this.#text.slice(this.#at + 1, end < 0 ? this.#text.length : end);
    if (body.startsWith('!')) {
      this.#at = end < 0 ? this.#text.length : end;
      return;
    }
    if (end < 0) this.raise('D_SYNTAX', 'end-of-file encountered before end of control line');
    const words: ControlWord[] = [];
    for (const [word] of body.matchAll(/"(?:[^"\\]|\\.)*"|[^\s"]+|"/g)) {
      if (word === '"') this.raise('D_SYNTAX', 'syntax error near """');
      const quoted = word.startsWith('"');
      words.push({ text: quoted ? decodeEscapes(word.slice(1, -1)) : word, quoted });
    }
    const line = this.line;
    this.#at = end + 1;
    this.line++;
    this.#host.control(words, line);
  }

  /** `# 12 "file"`: the next line's number, and its file when it is not the program's own. */
  setLine(line: number, file: string | undefined): void {
    this.line = line;
    this.file = file;
  }

  #programToken(): Token {
    const probe = this.#match(PROBE);
    if (probe !== undefined) {
      if (DECLARATION_WORDS.has(probe)) {
        this.state = 'expression';
        return this.#token('word', probe);
      }
      if (!probe.includes(':')) {
        const star = probe.indexOf('*');
        const name = star > 0 ? probe.slice(0, star) : probe;
        if (DECLARATION_WORDS.has(name)) {
          this.state = 'expression';
          return this.#token('word', name);
        }
        if (this.#host.isType(name)) {
          this.state = 'expression';
          return this.#token('type', name);
        }
      }
      return this.#token('probe', probe);
    }
    const c = this.#text.charAt(this.#at);
    if (c === '{') this.#braces++;
    if (c === '/' || c === ',' || c === '{') return this.#token('punctuation', c);
    return this.#integer() ?? this.raise('D_SYNTAX', `syntax error near "${c}"`);
  }

  #integer(): Token | undefined {
    const text = this.#match(INTEGER);
    if (text === undefined) return undefined;
    const literal = integerLiteral(text);
    if ('error' in literal) this.raise(literal.error, literal.text);
    return { ...this.#token('integer', text, text, literal.value), type: literal.type };
  }

  #expressionToken(): Token {
    const c = this.#text.charAt(this.#at);
    if ((c >= '0' && c <= '9') || c === '.') {
      if (this.#match(FLOAT) !== undefined) this.raise('D_SYNTAX', 'floating-point constants are not permitted');
      const integer = this.#integer();
      if (integer !== undefined) return integer;
    }
    const word = this.#match(IDENTIFIER);
    if (word !== undefined) return KEYWORDS.has(word) ? this.#token('word', word) : this.#name(word, word);
    if (c === '$') return this.#macro();
    if (c === '@') {
      const name = this.#match(AGGREGATION)!;
      return this.#token('aggregation', name, name.slice(1));
    }
    if (c === '"') return this.#string();
    if (c === "'") return this.#character();
    if (c === '/' && this.#text.charAt(this.#at + 1) !== '=') return this.#slash();
    const punctuation = this.#match(PUNCTUATION);
    if (punctuation === undefined) this.raise('D_SYNTAX', `syntax error near "${c}"`);
    this.#nest(punctuation);
    return this.#token('punctuation', punctuation);
  }

  #nest(c: string): void {
    if (c === '(') this.#parens++;
    else if (c === '[') this.#brackets++;
    else if (c === '{') this.#braces++;
    else if (c === ')' && --this.#parens < 0) this.raise('D_SYNTAX', 'extra ) in input stream');
    else if (c === ']' && --this.#brackets < 0) this.raise('D_SYNTAX', 'extra ] in input stream');
    else if (c === '}' && --this.#braces < 0) this.raise('D_SYNTAX', 'extra } in input stream');
  }

  /** The first character after spaces, from a place. */
  #after(place: number): { readonly c: string; readonly next: string } {
    const match = /[^\f\n\r\t\v ]/g;
    match.lastIndex = place;
    const found = match.exec(this.#text);
    return found === null ? { c: '', next: '' } : { c: found[0], next: this.#text.charAt(found.index + 1) };
  }

  #slash(): Token {
    const { c } = this.#after(this.#at + 1);
    if (c !== '' && c !== ';' && c !== '{' && c !== '/') return this.#token('punctuation', '/');
    if (this.#parens !== 0) this.raise('D_SYNTAX', 'closing ) expected in predicate before /');
    if (this.#brackets !== 0) this.raise('D_SYNTAX', 'closing ] expected in predicate before /');
    return this.#token('predicate-end', '/');
  }

  /** A name as a token: a variable's or a type's. `text` is what stands in the program. */
  #name(name: string, text: string): Token {
    if (this.#host.isVariable(name) || this.#assigned.has(name) || !this.#host.isType(name)) return this.#token('identifier', text, name);
    const { c, next } = this.#after(this.#at + text.length);
    if (c === '[' || ((c === '+' || c === '-') && next === c) || (c === '=' && next !== '=')) {
      this.#assigned.add(name);
      return this.#token('identifier', text, name);
    }
    return this.#token('type', text, name);
  }

  #string(): Token {
    const body = this.#match(STRING)!;
    const end = this.#text.charAt(this.#at + body.length);
    if (end === '\n') this.raise('D_STR_NL', 'newline encountered in string literal');
    if (end !== '"') this.raise('D_SYNTAX', 'syntax error near """');
    return this.#token('string', `${body}"`, decodeEscapes(body.slice(1)));
  }

  #character(): Token {
    const body = this.#match(CHARACTER)!;
    const end = this.#text.charAt(this.#at + body.length);
    if (end === '\n') this.raise('D_CHR_NL', 'newline encountered in character constant');
    if (end !== "'") this.raise('D_SYNTAX', `syntax error near "'"`);
    if (body.length === 1) this.raise('D_CHR_NULL', 'empty character constant');
    const value = characterLiteral(body.slice(1));
    if (value === undefined) this.raise('D_CHR_OFLOW', 'character constant is too long');
    const type = integerType(value, true, '') ?? this.#overflow(value);
    return { ...this.#token('integer', `${body}'`, '', value), type };
  }

  #overflow(value: bigint): never {
    return this.raise('D_INT_OFLOW', `integer constant 0x${value.toString(16)} cannot be represented in any built-in integral type`);
  }

  #macro(): Token {
    const argument = this.#match(MACRO_ARGUMENT);
    if (argument !== undefined) return this.#macroArgument(argument);
    const text = this.#match(MACRO_NAME);
    if (text === undefined) this.raise('D_SYNTAX', 'syntax error near "$"');
    const quoted = text.startsWith('$$');
    const value = this.#host.macro(text.slice(quoted ? 2 : 1));
    if (value === undefined) this.raise('D_MACRO_UNDEF', `macro variable ${text} is not defined`);
    if (quoted || typeof value === 'string') return this.#token('string', text, String(value));
    return { ...this.#token('integer', text, text, value < 0n ? -value : value), type: INT, negative: value < 0n };
  }

  #macroArgument(text: string): Token {
    const quoted = text.startsWith('$$');
    const given = this.#host.argument(Number(text.slice(quoted ? 2 : 1)));
    if (given === undefined && !this.#host.defaultArguments()) this.raise('D_MACRO_UNDEF', `macro argument ${text} is not defined`);
    if (quoted) return this.#token('string', text, given ?? '');
    const value = given ?? '0';
    if (/^[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]{0,3}$/.test(value)) {
      const literal = integerLiteral(value.replace(/^[+-]/, ''));
      if ('error' in literal) this.raise('D_MACRO_OFLOW', `macro argument ${text} constant ${value} results in integer overflow`);
      return { ...this.#token('integer', text, text, literal.value), type: literal.type, negative: value.startsWith('-') };
    }
    if (/^[a-zA-Z_`][0-9a-zA-Z_`]*$/.test(value)) return this.#name(value, text);
    return this.#token('string', text, value.length > 1 && /^".*"$/s.test(value) ? value.slice(1, -1) : value);
  }
}
