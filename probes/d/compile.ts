/**
 * The D compiler: from sources to a WebAssembly module and the description of its output.
 *
 * Theory. Sources are read one after another by `lexer` and `parser` into a parse tree (`syntax`); declarations take effect as they are read, clauses wait for
 * the end of their source. Then they are checked (`check-*`): names found, types computed, conversions made explicit, inlines and translators expanded, `if`
 * taken apart. What comes out (`tree`) has nothing of the language left to decide, and `codegen` lowers it. Sources share global and thread-local variables,
 * aggregations and types; clause-local variables are each source's own. The first error ends it all: `CompileError`.
 *
 * @module
 */
import { type OptionValues, defaultOptions, isSet } from '../options.ts';
import type { CompiledProgram } from '../program.ts';
import { builtinNames } from './builtin-names.ts';
import { ClauseChecker } from './check-clause.ts';
import { DeclarationChecker } from './check-declaration.ts';
import { ExpressionChecker } from './check-expression.ts';
import { DEPTH_MAX, NODES_MAX, complexityOf, expressionsOf } from './complexity.ts';
import { isDestructive } from './destructive.ts';
import { generate } from './codegen/generate.ts';
import { Context } from './context.ts';
import { preprocess } from './cpp.ts';
import { describe } from './description.ts';
import type { Environment, Source } from './environment.ts';
import { CompileError } from './error.ts';
import { Lexer } from './lexer.ts';
import { type Library, loadLibraries } from './libraries.ts';
import { Names } from './names.ts';
import { Parser } from './parser.ts';
import { Pragmas } from './pragma.ts';
import type { ClauseSyntax, Description } from './syntax.ts';
import type { CheckedProgram, Clause, Expression, Probe } from './tree.ts';

/** A probe description of the program, and what it matches. */
export type MatchedDescription = Description & {
  /** Index of the source. */
  readonly source: number;
  readonly probes: readonly Probe[];
};

export interface Checked {
  readonly program: CheckedProgram;
  /** Probes that each source's descriptions match, counted once for each description. */
  readonly matched: readonly number[];
  /** In program order. */
  readonly descriptions: readonly MatchedDescription[];
  /** Options in effect: defaults, the command line's, the program's. */
  readonly options: OptionValues;
}

export interface Compilation {
  readonly program: CompiledProgram;
  readonly matched: readonly number[];
  readonly descriptions: readonly MatchedDescription[];
}

class ProgramCompiler {
  readonly #environment: Environment;
  readonly #options: OptionValues;
  readonly #names = new Names(builtinNames());
  readonly #set: (readonly [name: string, value: string | undefined])[] = [];
  readonly #libraries = new Set<string>();
  readonly #context: Context;
  readonly #clauseChecker: ClauseChecker;
  readonly #declarations: DeclarationChecker;
  readonly #clauses: Clause[] = [];
  readonly #matched: number[] = [];
  readonly #descriptions: MatchedDescription[] = [];
  /** Numbers of the macro arguments that the program refers to. */
  readonly #referenced = new Set<number>();
  /** Nodes of all expressions, inlines expanded. */
  #nodes = 0;

  constructor(environment: Environment) {
    this.#options = { ...defaultOptions(), ...environment.options };
    this.#environment = { ...environment, options: this.#options };
    this.#context = new Context(this.#names, this.#environment);
    const expressions = new ExpressionChecker(this.#context);
    this.#clauseChecker = new ClauseChecker(expressions);
    this.#declarations = new DeclarationChecker(expressions);
  }

  compile(sources: readonly Source[]): Checked {
    for (const library of loadLibraries(this.#environment)) this.#library(library);
    for (const [index, source] of sources.entries()) this.#guarded(index, () => this.#source(source, index));
    this.#guarded(Math.max(0, sources.length - 1), () => this.#checkArguments());
    const { variables, aggregations } = this.#names;
    return {
      program: {
        clauses: this.#clauses,
        globals: variables.global,
        selfs: variables.self,
        locals: variables.this,
        aggregations: [...aggregations.values()].flatMap(({ result }) => result ?? []),
        options: this.#set,
        destructive: this.#clauses.some(isDestructive),
      },
      matched: this.#matched,
      descriptions: this.#descriptions,
      options: this.#options,
    };
  }

  #guarded(index: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof CompileError) error.source = index;
      throw error;
    }
  }

  /** A library: declarations alone. One that needs a provider or module that is not here is left out. */
  #library({ path, name, text }: Library): void {
    try {
      this.#read({ form: 'script', name: path, text }, path);
    } catch (error) {
      if (error instanceof CompileError && error.tag === 'D_PRAGMA_DEPEND') return;
      throw error;
    }
    this.#libraries.add(name);
  }

  #source(source: Source, index: number): void {
    this.#matched[index] = 0;
    this.#names.locals = new Map();
    const preprocessed =
      this.#environment.preprocess === true
        ? preprocess(source.text, source.form === 'script' ? source.name : '', this.#environment)
        : source.text;
    const clauses = this.#read({ ...source, text: preprocessed }, undefined);
    this.#context.region = undefined;
    for (const clause of clauses) this.#clause(clause, index);
  }

  /** Reads a source. Its declarations take effect; its clauses are returned. */
  #read(source: Source, file: string | undefined): ClauseSyntax[] {
    const { form, text } = source;
    const pragmas = new Pragmas({
      names: this.#names,
      environment: this.#environment,
      options: this.#options,
      set: this.#set,
      libraries: this.#libraries,
    });
    const lexer: Lexer = new Lexer(text, {
      isType: (name) => this.#names.typedef(name) !== undefined && !parser.parameterNames.has(name),
      isVariable: (name) => this.#names.global(name) !== undefined || parser.parameterNames.has(name),
      control: (words, line) => pragmas.control(words, line, lexer),
      argument: (number) => this.#argument(number),
      macro: (name) => this.#macro(name),
      defaultArguments: () => isSet(this.#options, 'defaultargs'),
    });
    lexer.file = file;
    const clauses: ClauseSyntax[] = [];
    const at = <T>(run: () => T): T => {
      this.#context.file = lexer.file;
      return run();
    };
    const sink = {
      declare: (...declaration: Parameters<DeclarationChecker['declare']>) => at(() => this.#declarations.declare(...declaration)),
      inline: (inline: Parameters<DeclarationChecker['inline']>[0]) =>
        at(() => {
          this.#declarations.inline(inline);
          const made = this.#names.globals.get(inline.declarator.name ?? '');
          if (made?.kind === 'inline') this.#measure(made.body, inline.line);
        }),
      translator: (translator: Parameters<DeclarationChecker['translator']>[0]) =>
        at(() => {
          this.#declarations.translator(translator);
          for (const member of this.#names.translators.at(-1)?.members.values() ?? []) this.#measure(member, translator.line);
        }),
      provider: (provider: Parameters<DeclarationChecker['provider']>[0]) => at(() => this.#declarations.provider(provider)),
      clause: (clause: ClauseSyntax) => void clauses.push(clause),
    };
    const parser: Parser = new Parser(lexer, this.#names, sink, { form, text }, (name) => this.#macroText(name));
    this.#context.region = undefined;
    try {
      parser.program();
      if (clauses.length === 0 && file === undefined) lexer.raise('D_EMPTY', 'empty D program translation unit', lexer.line);
      pragmas.finish(lexer);
    } catch (error) {
      if (!(error instanceof CompileError) || error.place.region !== undefined || parser.region === undefined) throw error;
      throw new CompileError(error.tag, error.text, { ...error.place, region: parser.region });
    }
    return clauses;
  }

  /** Refuses an expression that only its writer's brevity keeps small. Returns its nodes. */
  #measure(e: Expression, line: number): number {
    const { nodes, depth } = complexityOf(e);
    if (nodes > NODES_MAX || depth > DEPTH_MAX) this.#context.raise('D_SYNTAX', 'expression is too complex', line);
    return nodes;
  }

  #argument(number: number): string | undefined {
    if (number === 0) return this.#environment.scriptName ?? '';
    this.#referenced.add(number);
    return this.#environment.macroArguments?.[number - 1];
  }

  #macro(name: string): bigint | undefined {
    const { macros, target } = this.#environment;
    if (name === 'target') return BigInt(target ?? 0);
    const value = macros !== undefined && Object.hasOwn(macros, name) ? macros[name] : undefined;
    return value === undefined ? undefined : BigInt(value);
  }

  #macroText(name: string): string | undefined {
    return /^[0-9]+$/.test(name) ? this.#argument(Number(name)) : this.#macro(name)?.toString();
  }

  /** Arguments that nothing refers to are a mistake of who called the script. */
  #checkArguments(): void {
    const count = this.#environment.macroArguments?.length ?? 0;
    if (count === 0 || isSet(this.#options, 'argref') || this.#referenced.has(count)) return;
    const given = this.#environment.macroArguments?.[count - 1] as string;
    this.#context.file = undefined;
    this.#context.region = undefined;
    this.#context.raise('D_MACRO_UNUSED', `extraneous argument '${given}' ($${count} is not referenced)`, 0);
  }

  #clause(clause: ClauseSyntax, source: number): void {
    for (const description of clause.descriptions) {
      const probes = this.#environment.probes.match(description);
      this.#context.file = clause.file;
      this.#context.region = undefined;
      if (probes.length === 0 && description.id !== undefined) {
        this.#context.raise('D_PDESC_INVAL', `invalid probe description "${description.id}": Unknown probe identifier`, description.line);
      }
      if (probes.length === 0 && this.#environment.zdefs !== true && !isSet(this.#options, 'zdefs')) {
        const text = `probe description ${describe(description)} does not match any probes`;
        this.#context.raise('D_PDESC_ZERO', text, description.line);
      }
      this.#matched[source] = (this.#matched[source] as number) + probes.length;
      this.#descriptions.push({ ...description, source, probes });
      this.#context.clause = { description, probes };
      const checked = this.#clauseChecker.check(clause, probes);
      for (const { predicate, statements, line } of checked) {
        if (predicate !== undefined) this.#nodes += this.#measure(predicate, line);
        for (const statement of statements) {
          for (const e of expressionsOf(statement)) this.#nodes += this.#measure(e, statement.line);
        }
        if (this.#nodes > NODES_MAX) this.#context.raise('D_SYNTAX', 'program is too complex', line);
      }
      if (probes.length > 0) this.#clauses.push(...checked);
    }
    this.#context.clause = undefined;
    this.#context.region = undefined;
  }
}

/** Checks a program without making code of it. Throws CompileError. */
export function check(sources: readonly Source[], environment: Environment): Checked {
  return new ProgramCompiler(environment).compile(sources);
}

/** Compiles sources together. Throws CompileError. */
export function compile(sources: readonly Source[], environment: Environment): Compilation {
  const { program, matched, descriptions, options } = check(sources, environment);
  return { program: generate(program, options), matched, descriptions };
}
