/**
 * The preprocessor (-C): C's directives over a D program, before the compiler sees it.
 *
 * By ISO C 6.10 and dtrace(1M). Lines keep their numbers; what is included stands between `# LINE "FILE"` marks, which the compiler reads. `#pragma`, `#ident` and
 * `#!` lines are left to it, and so is what `#line` means. `//` comments of C headers are taken out; D has none. "file" is looked for beside the file that
 * includes it, then where -I says; <file> only there. Predefined: __SUNW_D, __SUNW_D_64, __SUNW_D_VERSION, as in the original, the machine's names, and __LUCID_D.
 * Inclusion, macros and the text in all are bounded. Leaves out __DATE__ and __TIME__: a trace has no time of its host.
 *
 * @module
 */
import { conditionHolds } from './cpp-condition.ts';
import { CallTracker, MacroError, Macros, parseMacro, textOf } from './cpp-macro.ts';
import { type CppLine, cppLines, cppTokens } from './cpp-token.ts';
import type { Environment } from './environment.ts';
import { CompileError } from './error.ts';

const DIRECTIVE = /^\s*#/;
const DEEPEST_INCLUDE = 50;
/** Characters that a program may become. */
const MOST_CHARACTERS = 1 << 24;

const MOST_INCLUDES = 2000;

/** Version 1.13 of D, and LP64 on x86-64. */
const PREDEFINED =
  '__SUNW_D=1 __SUNW_D_64=1 __SUNW_D_VERSION=0x0100d000 __LUCID_D=1 __x86_64=1 __x86_64__=1 __amd64=1 __amd64__=1 _LP64=1 __LP64__=1'.split(
    ' ',
  );

/** One #if. */
interface Group {
  /** Its text is taken now. */
  taken: boolean;
  /** One of its parts was taken. */
  done: boolean;
  /** The text around it is taken. */
  readonly outer: boolean;
  otherwise: boolean;
  readonly line: number;
}

class Preprocessor {
  readonly #environment: Environment;
  readonly #macros = new Macros();
  readonly #out: string[] = [];
  #characters = 0;
  #includes = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
    for (const given of [...PREDEFINED, ...(environment.defines ?? [])]) this.#define(given);
    for (const name of environment.undefines ?? []) this.#macros.undefine(name);
  }

  get text(): string {
    return this.#out.join('');
  }

  /** -D: `name`, `name=value` or `name(x)=value`. */
  #define(given: string): void {
    const cut = given.indexOf('=');
    const text = cut < 0 ? `${given} 1` : `${given.slice(0, cut)} ${given.slice(cut + 1)}`;
    this.#guarded(() => this.#macros.define(parseMacro(text.replaceAll('\n', ' '), 0)), 0, undefined);
  }

  #guarded<T>(act: () => T, line: number, file: string | undefined): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof MacroError) return this.#fail(error.message, line, file);
      throw error;
    }
  }

  #fail(text: string, line: number, file: string | undefined, tag = 'D_PRAGERR'): never {
    throw new CompileError(tag, text, { line, file });
  }

  #emit(text: string, line: number, file: string | undefined): void {
    this.#out.push(text);
    this.#characters += text.length;
    if (this.#characters > MOST_CHARACTERS) this.#fail('the preprocessed program is too long', line, file);
  }

  /** Takes a file's text. `file` is undefined for the program's own. */
  file(text: string, file: string | undefined, name: string, depth: number): void {
    const lines = cppLines(text, (line) => this.#fail('unterminated comment', line, file, 'D_SYNTAX'));
    const groups: Group[] = [];
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as CppLine;
      const taken = groups.at(-1)?.taken ?? true;
      if (DIRECTIVE.test(line.text)) {
        this.#directive(line, groups, taken, file, name, depth);
      } else if (taken) {
        i = this.#text(lines, i, file, name);
      } else {
        this.#emit('\n'.repeat(line.lines), line.line, file);
      }
    }
    const open = groups.at(-1);
    if (open !== undefined) this.#fail('unterminated #if', open.line, file);
  }

  /** A line of text, with those that the call of a macro goes on in. Returns the index of the last. */
  #text(lines: readonly CppLine[], first: number, file: string | undefined, name: string): number {
    const { text, line, lines: count } = lines[first] as CppLine;
    const tokens = cppTokens(text, line);
    const call = new CallTracker(this.#macros);
    let open = call.add(tokens);
    let last = first;
    let total = count;
    while (open && last + 1 < lines.length && !DIRECTIVE.test((lines[last + 1] as CppLine).text)) {
      const next = lines[++last] as CppLine;
      const more = cppTokens(next.text, line);
      more.forEach((token, i) => void tokens.push(i === 0 ? { ...token, before: ' ' } : token));
      open = call.add(more);
      total += next.lines;
    }
    this.#macros.file = name;
    // A line without macros is left as it was written.
    const known = tokens.some(({ kind, text: word }) => kind === 'name' && this.#isKnown(word));
    const out = known ? textOf(this.#guarded(() => this.#macros.expand(tokens), line, file)) : last === first ? text : textOf(tokens);
    this.#emit(out + '\n'.repeat(total), line, file);
    return last;
  }

  /** A macro, or one of those that depend on the place. */
  #isKnown(name: string): boolean {
    return this.#macros.has(name) || name === '__LINE__' || name === '__FILE__';
  }

  #directive(line: CppLine, groups: Group[], taken: boolean, file: string | undefined, name: string, depth: number): void {
    const [, word = '', rest = ''] = /^\s*#\s*(\S?[a-zA-Z_0-9]*)(.*)$/s.exec(line.text) ?? [];
    const fail = (text: string, tag?: string): never => this.#fail(text, line.line, file, tag);
    const guarded = <T>(act: () => T): T => this.#guarded(act, line.line, file);
    const blank = (): void => this.#emit('\n'.repeat(line.lines), line.line, file);
    switch (word) {
      case 'if':
      case 'ifdef':
      case 'ifndef': {
        const holds = taken && (word === 'if' ? this.#holds(rest, line, file) : this.#isDefined(rest, word, fail) === (word === 'ifdef'));
        groups.push({ taken: holds, done: holds, outer: taken, otherwise: false, line: line.line });
        blank();
        return;
      }
      case 'elif':
      case 'else': {
        const group = groups.at(-1) ?? fail(`#${word} without #if`);
        if (group.otherwise) fail(`#${word} after #else`);
        group.otherwise = word === 'else';
        group.taken = group.outer && !group.done && (word === 'else' || this.#holds(rest, line, file));
        group.done ||= group.taken;
        blank();
        return;
      }
      case 'endif':
        if (groups.pop() === undefined) fail('#endif without #if');
        blank();
        return;
    }
    if (!taken || word === '') {
      blank();
      return;
    }
    switch (word) {
      case 'define':
        guarded(() => this.#macros.define(parseMacro(rest, line.line)));
        blank();
        return;
      case 'undef': {
        const [undefined_] = /[a-zA-Z_]\w*/.exec(rest) ?? fail('no macro name given in #undef directive');
        this.#macros.undefine(undefined_);
        blank();
        return;
      }
      case 'include':
        this.#include(rest, line, file, name, depth);
        return;
      case 'error':
        fail(`#error: ${rest.trim()}`);
        return;
      case 'warning':
        blank();
        return;
      default:
        // #pragma, #ident, #line, #! and what is unknown are the compiler's.
        this.#emit(line.text + '\n'.repeat(line.lines), line.line, file);
    }
  }

  #isDefined(rest: string, word: string, fail: (text: string) => never): boolean {
    const [name] = /[a-zA-Z_]\w*/.exec(rest) ?? fail(`no macro name given in #${word} directive`);
    return this.#isKnown(name);
  }

  #holds(rest: string, line: CppLine, file: string | undefined): boolean {
    const replaced = rest.replace(/\bdefined\s*(?:\(\s*([a-zA-Z_]\w*)\s*\)|([a-zA-Z_]\w*))/g, (_, inner?: string, bare?: string) =>
      this.#isKnown(inner ?? (bare as string)) ? ' 1 ' : ' 0 ',
    );
    return this.#guarded(() => conditionHolds(this.#macros.expand(cppTokens(replaced, line.line))), line.line, file);
  }

  #include(rest: string, line: CppLine, file: string | undefined, name: string, depth: number): void {
    const direct = /^\s*(?:"([^"]+)"|<([^>]+)>)/.exec(rest);
    const expanded =
      direct ??
      /^\s*(?:"([^"]+)"|<([^>]+)>)/.exec(textOf(this.#guarded(() => this.#macros.expand(cppTokens(rest, line.line)), line.line, file)));
    if (expanded === null) this.#fail('#include expects "FILENAME" or <FILENAME>', line.line, file);
    if (depth >= DEEPEST_INCLUDE) this.#fail('#include nested too deeply', line.line, file);
    if (++this.#includes > MOST_INCLUDES) this.#fail('too many files are included', line.line, file);
    const [, quoted, bracketed] = expanded;
    const wanted = (quoted ?? bracketed) as string;
    const own = name.includes('/') ? name.slice(0, name.lastIndexOf('/') + 1) : '';
    const places = [...(quoted === undefined ? [] : [own]), ...(this.#environment.includes ?? []).map((place) => `${place}/`)];
    for (const place of wanted.startsWith('/') ? [''] : places) {
      const path = place + wanted;
      const text = this.#environment.readFile?.(path);
      if (text === undefined) continue;
      this.#emit(`# 1 ${JSON.stringify(path)}\n`, line.line, file);
      this.file(text.endsWith('\n') || text === '' ? text : `${text}\n`, path, path, depth + 1);
      this.#emit(`# ${line.line + line.lines} ${JSON.stringify(file ?? '')}\n`, line.line, file);
      return;
    }
    this.#fail(`failed to find include file ${wanted}`, line.line, file);
  }
}

/** Preprocesses a source. `name` is its file's. Throws CompileError. */
export function preprocess(text: string, name: string, environment: Environment): string {
  const preprocessor = new Preprocessor(environment);
  preprocessor.file(text.endsWith('\n') ? text : `${text}\n`, undefined, name, 0);
  return preprocessor.text;
}
