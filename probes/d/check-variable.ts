/**
 * Variables of the program: found by name, made by their first assignment, and of the type of what was assigned.
 *
 * By the Dynamic Tracing Guide, "Variables". A variable that is read before it has a type is an error; one that is read and changed at once (`x++`,
 * `x += 1`) is an int64_t. An associative array gets its keys' types from its first use, its elements' type from the first assignment.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { checkKeys } from './check-signature.ts';
import type { Context } from './context.ts';
import { INT64 } from './ctype.ts';
import { type Identifier, type VariableName, kindName } from './names.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { Expression } from './tree.ts';
import type { Type } from './types.ts';

/** A variable or an element of one, which may not have a type yet. */
export interface VariableReference {
  readonly name: VariableName;
  readonly keys?: readonly Expression[];
  readonly line: number;
}

const SCOPES = { self: 'self', this: 'this' } as const;
const PREFIX = { global: '', self: 'self->', this: 'this->' } as const;

/** `self->x` or `this->x`: its scope. */
export function scopeOf(node: Syntax): 'self' | 'this' | undefined {
  if (node.kind !== 'member' || node.operator !== '->' || node.object.kind !== 'identifier') return undefined;
  const { name } = node.object;
  return name === 'self' || name === 'this' ? SCOPES[name] : undefined;
}

export class VariableChecker {
  readonly #checker: ExpressionChecker;
  readonly #context: Context;

  constructor(checker: ExpressionChecker) {
    this.#checker = checker;
    this.#context = checker.context;
  }

  /** What a global name stands for; undefined when nothing has it. */
  identifier(name: string): Identifier | undefined {
    return this.#context.names.global(name);
  }

  undefinedName(name: string, line: number): never {
    return this.#context.raise(
      'D_IDENT_UNDEF',
      `failed to resolve ${name}: Unknown ${name.includes('`') ? 'symbol' : 'variable'} name`,
      line,
    );
  }

  badReference(id: Identifier, as: string, line: number): never {
    const name = id.kind === 'variable' ? id.variable.name : id.name;
    return this.#context.raise('D_IDENT_BADREF', `${kindName(id)} '${name}' may not be referenced as ${as}`, line);
  }

  /** The variable a node refers to; undefined when it refers to none. `create`: an unknown global name becomes one. */
  reference(node: Syntax, create: boolean): VariableReference | undefined {
    if (node.kind === 'identifier') return this.#global(node, create);
    if (node.kind === 'index') return this.#element(node);
    const scope = scopeOf(node);
    return scope === undefined ? undefined : this.#scoped(scope, node as SyntaxOf<'member'>);
  }

  #global({ name, line }: SyntaxOf<'identifier'>, create: boolean): VariableReference | undefined {
    if (this.#context.parameters.has(name)) return undefined;
    const id = this.identifier(name);
    if (id === undefined) return create ? { name: this.#context.names.create('global', name), line } : undefined;
    if (id.kind !== 'variable') return undefined;
    if (id.array) this.badReference(id, 'scalar', line);
    return { name: id, line };
  }

  #scoped(scope: 'self' | 'this', { name, line }: SyntaxOf<'member'>): VariableReference {
    const { names } = this.#context;
    const id = names.scope(scope).get(name) ?? names.create(scope, name);
    if (id.kind !== 'variable') return this.badReference(id, 'scalar', line);
    if (id.array) this.badReference(id, 'scalar', line);
    return { name: id, line };
  }

  /** An element of an associative array; of anything else that takes an index, it is no variable. */
  #element({ object, indices, line }: SyntaxOf<'index'>): VariableReference | undefined {
    const name = this.#array(object, line);
    if (name === undefined) return undefined;
    const { variable } = name;
    const shown = `${variable.name}[ ]`;
    const given = indices.map((index) => {
      const key = this.#checker.check(index);
      this.#checker.calls.refuseAction(index, key);
      return key;
    });
    const keys = checkKeys(this.#context, { shown, line, kind: kindName(name) }, variable.keys, given);
    variable.keys ??= keys.map(({ type }) => type);
    return { name, keys, line };
  }

  /** The associative array a node names, made when the name is new. */
  #array(object: Syntax, line: number): VariableName | undefined {
    const { names, parameters } = this.#context;
    const scope = scopeOf(object);
    if (scope === undefined) {
      if (object.kind !== 'identifier' || parameters.has(object.name)) return undefined;
      const id = names.global(object.name);
      if (id === undefined) return Object.assign(names.create('global', object.name), { array: true });
      return id.kind === 'variable' && (id.array || !id.typed) ? this.#asArray(id, line) : undefined;
    }
    const { name } = object as SyntaxOf<'member'>;
    const id = (names.scope(scope).get(name) as VariableName | undefined) ?? names.create(scope, name);
    if (id.typed && !id.array) return undefined;
    if (scope === 'this') this.#context.raise('D_ARR_LOCAL', `local variables may not be used as associative arrays: ${name}`, line);
    id.array = true;
    return id;
  }

  #asArray(id: VariableName, line: number): VariableName {
    if (!id.array) this.badReference(id, 'associative array', line);
    return id;
  }

  /** The variable's value, or the lvalue that it is. */
  read(reference: VariableReference): Expression {
    const { name, line } = reference;
    if (!name.typed) {
      const { scope, name: text } = name.variable;
      this.#context.raise('D_VAR_UNDEF', `${PREFIX[scope]}${text} has not yet been declared or assigned`, line);
    }
    return this.#node(reference);
  }

  /** The variable as the target of an operator that reads it, too. */
  modify(reference: VariableReference): Expression {
    this.#giveType(reference.name, INT64);
    return this.#node(reference);
  }

  /** The variable as the target of an assignment of a value of this type. */
  assigned(reference: VariableReference, type: Type): Expression {
    this.#giveType(reference.name, type);
    return this.#node(reference);
  }

  #giveType(name: VariableName, type: Type): void {
    if (name.typed) return;
    name.variable.type = type;
    name.typed = true;
  }

  #node({ name: { variable }, keys, line }: VariableReference): Expression {
    return { op: 'variable', variable, ...(keys !== undefined && { keys }), type: variable.type, line };
  }
}
