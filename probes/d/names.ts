/**
 * What names stand for in a D program: types, tags, variables, inlines, functions, aggregations, translators.
 *
 * Names live in layers: the built-in ones and the libraries below, which are made once and never change, and the program's own above. Globals,
 * `self->` variables and aggregations are shared by all sources compiled together; `this->` variables belong to one source.
 *
 * @module
 */
import { VOID } from './ctype.ts';
import type { Parameter } from './syntax.ts';
import type { AggregatingFunction, Aggregation, Binding, Expression, Variable } from './tree.ts';
import type { EnumType, StructType, Type } from './types.ts';

/** A translator: how to read an input as an output structure. */
export interface Translator {
  readonly output: StructType;
  readonly input: Type;
  /** The input, as the members' expressions know it. */
  readonly binding: Binding;
  /** By member; checked, and of the member's type. */
  readonly members: ReadonlyMap<string, Expression>;
  readonly line: number;
}

/** A value seen through a translator. */
export interface Translation {
  readonly translator: Translator;
  readonly input: Expression;
  /** The output, under the name it was asked for by. */
  readonly type: Type;
  /** It stands for a pointer to the output. */
  readonly pointer: boolean;
}

/** A variable of the program, and what is not known of it yet. */
export interface VariableName {
  readonly kind: 'variable';
  readonly variable: Variable;
  /** It has its type: by a declaration or an assignment. */
  typed: boolean;
  /** Referenced with `[ ]`. */
  array: boolean;
  /** What it holds is the input of a translator, and is seen as a pointer to its output (`this->b = args[0]`). */
  translation?: Pick<Translation, 'translator' | 'type'>;
}

export interface InlineName {
  readonly kind: 'inline';
  readonly name: string;
  readonly form: 'scalar' | 'array' | 'function';
  readonly type: Type;
  readonly parameters: readonly Parameter[];
  /** What the parameters are in the body. */
  readonly bindings: readonly Binding[];
  /** Checked, and of the inline's type. */
  readonly body: Expression;
  /** It stands for a translation; the body is its input then. */
  readonly translation?: Translation;
}

export type Identifier =
  | VariableName
  | InlineName
  | { readonly kind: 'enumerator'; readonly name: string; readonly type: EnumType; readonly value: bigint }
  | { readonly kind: 'builtin'; readonly name: string; readonly type: Type }
  /** args[], vmregs[], uregs[]. */
  | { readonly kind: 'registers'; readonly name: 'args' | 'vmregs' | 'uregs'; readonly type: Type }
  | { readonly kind: 'function'; readonly name: string; readonly prototype: Prototype; readonly action: boolean }
  | { readonly kind: 'aggregating'; readonly name: string; readonly prototype: Prototype }
  /** Declared `extern`, or a function's prototype: it has a type and, here, no value. */
  | { readonly kind: 'symbol'; readonly name: string; readonly type: Type };

/** Prototype of a subroutine: types of its parameters; undefined = any value (`@`). */
export interface Prototype {
  readonly returns: Type;
  readonly parameters: readonly (Type | undefined)[];
  /** How many must be given. */
  readonly required: number;
  readonly varargs: boolean;
}

/** An aggregation in the making. */
export interface AggregationName {
  readonly name: string;
  readonly id: number;
  /** Fixed by the first use with keys or a function. */
  keys?: readonly Type[];
  func?: AggregatingFunction;
  signed: boolean;
  /** Where it got its function. */
  line: number;
  /** What the code generator sees; the same object in every use. */
  result?: Aggregation;
}

/** How an identifier's kind is called in messages. */
export function kindName(id: Identifier | AggregationName): string {
  if (!('kind' in id)) return 'aggregation';
  switch (id.kind) {
    case 'variable':
      return id.array ? 'associative array' : 'scalar';
    case 'inline':
      return id.form === 'array' ? 'associative array' : id.form;
    case 'enumerator':
      return 'enumerator';
    case 'registers':
      return 'associative array';
    case 'builtin':
      return 'scalar';
    case 'function':
      return id.action ? 'tracing function' : 'function';
    case 'aggregating':
      return 'aggregating function';
    case 'symbol':
      return 'external symbol reference';
  }
}

/** Names of one layer, above those of another. */
export class Names {
  readonly #below: Names | undefined;
  readonly typedefs = new Map<string, Type>();
  readonly tags = new Map<string, StructType | EnumType>();
  readonly globals = new Map<string, Identifier>();
  readonly selfs = new Map<string, VariableName>();
  locals = new Map<string, VariableName>();
  readonly aggregations = new Map<string, AggregationName>();
  readonly translators: Translator[] = [];
  /** In the order of their making: the code generator's indices. */
  readonly variables: Record<'global' | 'self' | 'this', Variable[]> = { global: [], self: [], this: [] };

  constructor(below?: Names) {
    this.#below = below;
  }

  typedef(name: string): Type | undefined {
    return this.typedefs.get(name) ?? this.#below?.typedef(name);
  }

  tag(name: string): StructType | EnumType | undefined {
    return this.tags.get(name) ?? this.#below?.tag(name);
  }

  global(name: string): Identifier | undefined {
    return this.globals.get(name) ?? this.#below?.global(name);
  }

  /** A global that a lower layer has: built in, or a library's. */
  inherited(name: string): Identifier | undefined {
    return this.globals.has(name) ? undefined : this.#below?.global(name);
  }

  /** Members of an enumeration above or below are global names; this finds its value by name. */
  translator(matches: (translator: Translator) => boolean): Translator | undefined {
    return this.translators.find(matches) ?? this.#below?.translator(matches);
  }

  scope(scope: 'global' | 'self' | 'this'): Map<string, Identifier> {
    if (scope === 'global') return this.globals;
    return (scope === 'self' ? this.selfs : this.locals) as Map<string, Identifier>;
  }

  /** A new variable without a type. */
  create(scope: 'global' | 'self' | 'this', name: string): VariableName {
    const list = this.variables[scope];
    const variable: Variable = { scope, name, type: VOID, index: list.length };
    list.push(variable);
    const made: VariableName = { kind: 'variable', variable, typed: false, array: false };
    this.scope(scope).set(name, made);
    return made;
  }

  aggregation(name: string): AggregationName {
    let found = this.aggregations.get(name);
    if (found === undefined) {
      found = { name, id: this.aggregations.size + 1, signed: true, line: 0 };
      this.aggregations.set(name, found);
    }
    return found;
  }
}
