/**
 * Programs of D: clauses and declarations.
 *
 * By the Dynamic Tracing Guide, "Program Structure". Declarations take effect as they are read, since what follows depends on them; clauses are
 * kept and checked when the whole program is known, so a syntax error anywhere is told first.
 *
 * @module
 */
import { type MacroText, parseDescription } from './description.ts';
import type { Lexer } from './lexer.ts';
import type { Names } from './names.ts';
import { DeclarationParser, type Declarator } from './parse-declaration.ts';
import type { StorageClass } from './specifiers.ts';
import type { ClauseSyntax, Description, Parameter, Reading, StatementSyntax, Syntax, TranslatorMember } from './syntax.ts';
import type { Type } from './types.ts';

/** An inline as written. */
export interface InlineSyntax {
  readonly declarator: Declarator;
  readonly base: Type;
  readonly storage: StorageClass | undefined;
  readonly body: Syntax;
  readonly line: number;
}

/** A translator as written. */
export interface TranslatorSyntax {
  readonly output: Type;
  readonly input: Type;
  readonly parameter: string;
  readonly members: readonly TranslatorMember[];
  readonly line: number;
}

/** A provider as written. */
export interface ProviderSyntax {
  readonly name: string;
  readonly probes: readonly Declarator[];
  readonly line: number;
}

/** Takes what the parser finds, in its order. */
export interface ProgramSink {
  declare(storage: StorageClass | undefined, base: Type, declarator: Declarator): void;
  inline(inline: InlineSyntax): void;
  translator(translator: TranslatorSyntax): void;
  provider(provider: ProviderSyntax): void;
  clause(clause: ClauseSyntax): void;
}

export class Parser extends DeclarationParser {
  readonly #sink: ProgramSink;
  readonly #reading: Reading;
  readonly #macro: MacroText;
  /** Names of the parameters of the inline or translator being read: they hide types. */
  readonly parameterNames = new Set<string>();
  /** The part of a clause that is being read. */
  region: string | undefined;

  constructor(lexer: Lexer, names: Names, sink: ProgramSink, reading: Reading, macro: MacroText) {
    super(lexer, names);
    this.#sink = sink;
    this.#reading = reading;
    this.#macro = macro;
  }

  protected override constantOf(name: string): { readonly value: bigint; readonly type: Type } | undefined {
    return this.parameterNames.has(name) ? undefined : super.constantOf(name);
  }

  /** Reads the whole program. Returns how many definitions it holds. */
  program(): number {
    let found = 0;
    for (;;) {
      this.lexer.state = 'program';
      this.region = undefined;
      const token = this.peek();
      if (token.kind === 'end') return found;
      if (token.kind === 'probe' || token.kind === 'integer') this.#clause();
      else if (token.kind === 'type' || token.kind === 'word') this.#external();
      else this.unexpected();
      found++;
    }
  }

  #external(): void {
    if (this.at('inline')) this.#inline();
    else if (this.at('translator')) this.#translator();
    else if (this.at('provider')) this.#provider();
    else this.#declaration();
  }

  #clause(): void {
    const descriptions = [this.#description()];
    while (this.accept(',')) descriptions.push(this.#description());
    const { line } = descriptions[0]!;
    const next = this.peek();
    this.lexer.state = 'expression';
    let predicate: Syntax | undefined;
    if (this.at('/')) {
      this.region = 'predicate';
      this.take();
      predicate = this.expression();
      if (this.peek().kind !== 'predicate-end') this.unexpected();
      this.take();
      if (!this.at('{')) {
        this.raise('D_SYNTAX', 'expected actions { } following probe description and predicate', predicate.line);
      }
    } else if (!this.at('{')) {
      if (this.#reading.form === 'script') {
        this.raise('D_SYNTAX', 'expected predicate and/or actions following probe description', line);
      }
      if (next.kind !== 'end') this.unexpected();
      this.#sink.clause({ descriptions, line, file: this.lexer.file });
      return;
    }
    this.region = 'action list';
    const statements = this.#block();
    this.#sink.clause({ descriptions, predicate, statements, line, file: this.lexer.file });
  }

  #description(): Description {
    const token = this.peek();
    if (token.kind === 'integer') {
      this.take();
      if (token.integer > 0xffff_ffffn) {
        this.raise('D_PDESC_INVAL', `identifier ${token.integer} exceeds maximum probe id`, token.line);
      }
      return { id: Number(token.integer), line: token.line };
    }
    if (token.kind !== 'probe') this.unexpected();
    this.take();
    return parseDescription(token.value, this.#reading.form, token.line, this.#macro, this.raise);
  }

  /** `{ statements }`; the last may lack its `;`. */
  #block(): StatementSyntax[] {
    return this.nested(() => {
      this.expect('{');
      const statements: StatementSyntax[] = [];
      while (!this.at('}')) {
        if (this.accept(';')) continue;
        if (this.at('if')) {
          statements.push(this.#if());
          continue;
        }
        const expression = this.expression();
        statements.push({ kind: 'expression', expression, line: expression.line });
        if (!this.at('}')) this.expect(';');
      }
      // What follows a clause's last brace is read as the program's, not as an expression.
      this.take();
      return statements;
    });
  }

  #if(): StatementSyntax {
    return this.nested(() => {
      const { line } = this.expect('if');
      this.expect('(');
      const condition = this.expression();
      this.expect(')');
      const then = this.#branch();
      const otherwise = this.accept('else') ? this.#branch() : undefined;
      return { kind: 'if', condition, then, otherwise, line };
    });
  }

  #branch(): StatementSyntax[] {
    if (this.at('{')) return this.#block();
    if (this.accept(';')) return [];
    if (this.at('if')) return [this.#if()];
    const expression = this.expression();
    this.expect(';');
    return [{ kind: 'expression', expression, line: expression.line }];
  }

  #declaration(): void {
    const specifiers = this.specifiers(true);
    const base = specifiers.resolve();
    if (this.at(';')) {
      const { line } = this.take();
      if (base.kind !== 'struct' && base.kind !== 'union' && base.kind !== 'enum') {
        this.raise('D_DECL_USELESS', 'useless declaration', line);
      }
      return;
    }
    do this.#sink.declare(specifiers.storage, base, this.#named());
    while (this.accept(','));
    this.expect(';');
  }

  /** A declarator that must name something. */
  #named(): Declarator {
    const declarator = this.declarator();
    if (declarator.name === undefined) this.unexpected();
    if (this.peek().kind === 'identifier') {
      this.raise('D_DECL_IDENT', 'old-style declaration or incorrect type specified', declarator.line);
    }
    return declarator;
  }

  #inline(): void {
    const { line } = this.take();
    const specifiers = this.specifiers(true);
    const declarator = this.#named();
    const base = specifiers.resolve();
    const first = declarator.modifiers[0];
    let parameters: readonly Parameter[] = [];
    if (first?.kind === 'function') {
      parameters = first.parameters;
      this.checkInlineParameters(parameters, first.varargs);
    } else if (first?.kind === 'associative') {
      parameters = first.keys;
      this.checkInlineParameters(parameters, false);
    }
    if (!this.at('=')) this.unexpected();
    for (const { name } of parameters) this.parameterNames.add(name);
    this.take();
    const body = this.assignment();
    this.parameterNames.clear();
    this.#sink.inline({ declarator, base, storage: specifiers.storage, body, line });
    this.expect(';');
  }

  #translator(): void {
    const { line } = this.take();
    const output = this.typeName();
    this.expect('<');
    const base = this.specifiers(false).resolve();
    const declarator = this.#named();
    const input = this.build(base, declarator.modifiers);
    this.expect('>');
    this.parameterNames.add(declarator.name!);
    this.expect('{');
    const members: TranslatorMember[] = [];
    while (!this.at('}')) {
      const token = this.peek();
      if (token.kind !== 'identifier' && token.kind !== 'type') this.unexpected();
      this.take();
      this.expect('=');
      members.push({ name: token.value, value: this.assignment(), line: token.line });
      this.expect(';');
    }
    this.take();
    this.parameterNames.clear();
    this.#sink.translator({ output, input, parameter: declarator.name!, members, line });
    this.expect(';');
  }

  /** `provider name { probe name(types); };` */
  #provider(): void {
    const { line } = this.take();
    const token = this.peek();
    if (token.kind !== 'identifier') this.unexpected();
    const name = this.take().value;
    this.expect('{');
    const probes: Declarator[] = [];
    while (this.accept('probe')) {
      const probe = this.#named();
      if (probes.some((p) => p.name === probe.name)) {
        this.raise('D_PROV_PRDUP', `probe redeclared: ${name}:${probe.name}`, probe.line);
      }
      probes.push(probe);
      if (this.accept(':')) this.#translatedArguments();
      this.expect(';');
    }
    this.expect('}');
    this.expect(';');
    this.#sink.provider({ name, probes, line });
  }

  #translatedArguments(): void {
    this.expect('(');
    if (!this.at(')')) {
      do this.build(this.specifiers(false).resolve(), this.declarator().modifiers);
      while (this.accept(','));
    }
    this.expect(')');
  }
}
