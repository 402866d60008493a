/**
 * Declarations: variables, typedefs, external prototypes, inlines, translators.
 *
 * By the Dynamic Tracing Guide, "Variables", "Type and Constant Definitions" and "Translators". They take effect as they are read. Bodies of inlines and
 * translators are checked here, once, outside of any clause; expressions that use them share the checked trees.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { nameOf } from './check-operator.ts';
import { outputOf } from './check-translator.ts';
import type { Context } from './context.ts';
import { assignable, cast, convert, decay } from './convert.ts';
import { TYPE_DEPTH_MAX, compatible, isComplete, memberOf, named, typeDepth, typeName } from './ctype.ts';
import type { Raise } from './error.ts';
import { type Identifier, type InlineName, type Translator, type VariableName, kindName } from './names.ts';
import { type Declarator, type Modifier, declaredType } from './parse-declaration.ts';
import type { InlineSyntax, ProviderSyntax, TranslatorSyntax } from './parser.ts';
import type { StorageClass } from './specifiers.ts';
import type { Parameter, TranslatorMember } from './syntax.ts';
import type { Binding, Expression } from './tree.ts';
import { type StructType, type Type, resolve } from './types.ts';

/** Room for a provider's name, with its NUL. */
const PROVIDER_LENGTH = 64;

export class DeclarationChecker {
  readonly #checker: ExpressionChecker;
  readonly #context: Context;

  constructor(checker: ExpressionChecker) {
    this.#checker = checker;
    this.#context = checker.context;
  }

  #raiseAt(at: number): Raise {
    return (tag, text, line = at) => this.#context.raise(tag, text, line);
  }

  /** One declarator of a declaration. */
  declare(storage: StorageClass | undefined, base: Type, { name = '', modifiers, line }: Declarator): void {
    const { names } = this.#context;
    const raise = this.#raiseAt(line);
    if (name.includes('`')) raise('D_DECL_SCOPE', `D scoping operator may not be used in a declaration name (${name})`);
    if (storage === 'auto' || storage === 'register' || storage === 'static') {
      raise('D_DECL_BADCLASS', `specified storage class not appropriate in D`);
    }
    const keys = keysOf(modifiers);
    const type = declaredType(base, keys === undefined ? modifiers : modifiers.slice(1), raise);
    if (storage === 'typedef') {
      this.#typedef(name, type, keys, line);
      return;
    }
    if (resolve(type).kind === 'function') {
      this.#external(name, type, line);
      return;
    }
    checkObject(name, type, raise);
    if (storage === 'extern') this.#external(name, type, line);
    else if (storage === 'self' || storage === 'this') this.#scoped(storage, name, type, keys, line);
    else this.#variable('global', names.global(name), name, type, keys, line);
  }

  #typedef(name: string, type: Type, keys: readonly Type[] | undefined, line: number): void {
    const { names } = this.#context;
    if (keys !== undefined) this.#context.raise('D_DECL_DYNOBJ', `cannot have typedef of an associative array: ${name}`, line);
    if (names.globals.has(name)) this.#context.raise('D_DECL_IDRED', `global variable identifier redeclared: ${name}`, line);
    const known = names.typedef(name);
    // Headers may repeat what is built in, as long as it is the same.
    if (known !== undefined && (names.typedefs.has(name) || !compatible(known, type))) {
      this.#context.raise('D_DECL_IDRED', `typedef redeclared: ${name}`, line);
    }
    const made = named(name, type);
    if (typeDepth(made) > TYPE_DEPTH_MAX) this.#context.raise('D_SYNTAX', 'type is nested too deeply', line);
    names.typedefs.set(name, made);
  }

  #external(name: string, type: Type, line: number): void {
    const known = this.#context.names.global(name);
    if (known !== undefined && (known.kind !== 'symbol' || !compatible(known.type, type))) this.#redeclared(name, type, known, line);
    this.#context.names.globals.set(name, { kind: 'symbol', name, type });
  }

  #scoped(scope: 'self' | 'this', name: string, type: Type, keys: readonly Type[] | undefined, line: number): void {
    if (scope === 'this' && keys !== undefined) {
      this.#context.raise('D_DECL_LOCASSC', `associative arrays may not be declared as local variables: ${name}`, line);
    }
    this.#variable(scope, this.#context.names.scope(scope).get(name), name, type, keys, line);
  }

  #variable(
    scope: 'global' | 'self' | 'this',
    known: Identifier | undefined,
    name: string,
    type: Type,
    keys: readonly Type[] | undefined,
    line: number,
  ): void {
    if (known !== undefined) {
      if (known.kind !== 'variable' || !sameVariable(known, type, keys)) this.#redeclared(name, type, known, line, keys);
      return;
    }
    const made = this.#context.names.create(scope, name);
    made.variable.type = type;
    made.typed = true;
    if (keys !== undefined) {
      made.array = true;
      made.variable.keys = keys;
    }
  }

  /** `type` and `keys` are those of the declaration that comes too late. */
  #redeclared(name: string, type: Type, known: Identifier, line: number, keys?: readonly Type[]): never {
    let current = `${keys === undefined ? 'scalar' : 'associative array'} ${typeName(type)}`;
    let previous = `${kindName(known)} ${typeName(typeOf(known))}`;
    const old = known.kind === 'variable' ? known.variable.keys : undefined;
    if (keys !== undefined && old !== undefined && current === previous) {
      const at = keys.findIndex((key, i) => old[i] === undefined || !compatible(key, old[i]));
      const key = (list: readonly Type[]): string =>
        list.length === keys.length && old.length === keys.length
          ? `${name}, key #${at + 1} of type ${typeName(list[at] as Type)}`
          : `${name}, tuple length ${list.length}`;
      current = key(keys);
      previous = key(old);
    }
    return this.#context.raise('D_DECL_IDRED', `identifier redeclared: ${name}\n\t current: ${current}\n\tprevious: ${previous}`, line);
  }

  inline({ declarator, base, storage, body, line }: InlineSyntax): void {
    const { name = '', modifiers } = declarator;
    const { names } = this.#context;
    const raise = this.#raiseAt(line);
    if (storage !== undefined) raise('D_DECL_BADCLASS', 'specified storage class not appropriate for inline declaration');
    const [first] = modifiers;
    const form = first?.kind === 'function' ? 'function' : first?.kind === 'associative' ? 'array' : 'scalar';
    const type = declaredType(base, form === 'scalar' ? modifiers : modifiers.slice(1), raise);
    checkInline(name, type, raise);
    const known = names.global(name);
    // Scripts for illumos bring tables of their own (strexitno, EXIT_REASON_*) that are built in here: theirs count.
    const hidden = known !== undefined && names.inherited(name) === known && (known.kind === 'inline' || known.kind === 'enumerator');
    if (known !== undefined && !hidden) {
      raise(
        'D_DECL_IDRED',
        `identifier redefined: ${name}\n\t current: inline definition\n\tprevious: ${kindName(known)} ${known.kind === 'inline' || known.kind === 'enumerator' ? 'inline' : ''}`,
      );
    }
    const parameters: readonly Parameter[] =
      first?.kind === 'function' ? first.parameters : first?.kind === 'associative' ? first.keys : [];
    const bindings = parameters.map((parameter): Binding => ({ name: parameter.name, type: parameter.type }));
    const made = this.#context.within(new Map(bindings.map((b) => [b.name, b])), (): InlineName => {
      const head = { kind: 'inline', name, form, type, parameters, bindings } as const;
      const translation = this.#checker.translations.of(body);
      if (translation === undefined) return { ...head, body: this.#inlineBody(name, type, this.#checker.check(body), line) };
      const output = outputOf(type);
      if (output === undefined || !compatible(output.struct, translation.translator.output)) {
        this.#incompatible(`inline ${name}`, type, typeName(translation.translator.output), line);
      }
      return { ...head, body: translation.input, translation: { ...translation, type: output.type, pointer: output.pointer } };
    });
    names.globals.set(name, made);
  }

  #inlineBody(name: string, type: Type, value: Expression, line: number): Expression {
    if (!assignable(type, value)) this.#incompatible(`inline ${name}`, type, nameOf(value.type), line);
    return cast(convert(value, type), type);
  }

  #incompatible(what: string, type: Type, from: string, line: number, tag = 'D_OP_INCOMPAT'): never {
    return this.#context.raise(tag, `${what} definition uses incompatible types: "${typeName(type)}" = "${from}"`, line);
  }

  translator({ output, input, parameter, members, line }: TranslatorSyntax): void {
    const { names } = this.#context;
    const struct = resolve(output);
    if (struct.kind !== 'struct' && struct.kind !== 'union') {
      this.#context.raise('D_XLATE_SOU', 'translator output type must be a struct or union', line);
    }
    const known = names.translator((t) => compatible(t.output, struct) && compatible(t.input, input));
    if (known !== undefined) {
      const text = `translator from ${typeName(input)} to ${typeName(output)} has already been declared`;
      this.#context.raise('D_XLATE_REDECL', text, line);
    }
    const binding: Binding = { name: parameter, type: input };
    const checked = this.#context.within(
      new Map([[parameter, binding]]),
      () => new Map(members.map((member) => [member.name, this.#translatorMember(struct, member)])),
    );
    const made: Translator = { output: struct, input, binding, members: checked, line };
    names.translators.push(made);
  }

  /** A provider's declaration has no effect: there is no program here whose probes it could declare. One that is known has to be told as it is. */
  provider({ name, probes, line }: ProviderSyntax): void {
    const raise = this.#raiseAt(line);
    if (name.length >= PROVIDER_LENGTH)
      raise('D_PROV_BADNAME', `provider name may not have more than ${PROVIDER_LENGTH - 1} characters: ${name}`);
    if (/[0-9]$/.test(name)) raise('D_PROV_BADNAME', `provider name may not end with a digit: ${name}`);
    const known = this.#context.environment.probes.all().filter(({ provider }) => provider === name);
    if (known.length === 0) return;
    for (const { name: probe = '', line: at } of probes) {
      // `__` stands for the `-` of a probe's name.
      if (known.some((k) => k.name === probe.replaceAll('__', '-'))) continue;
      const text = `provider interface mismatch: ${name}\n\t current: probe ${name}:${probe} defined\n\tprevious: probe ${name}:${probe} not defined`;
      this.#context.raise('D_PROV_INCOMPAT', text, at);
    }
  }

  #translatorMember(struct: StructType, { name, value, line }: TranslatorMember): Expression {
    const member = memberOf(struct, name);
    if (member === undefined) {
      this.#context.raise('D_XLATE_MEMB', `translator member ${name} is not a member of ${typeName(struct)}`, line);
    }
    const checked = decay(this.#checker.object(value));
    if (!assignable(member.type, checked)) {
      this.#incompatible(`translator member ${name}`, member.type, nameOf(checked.type), line, 'D_XLATE_INCOMPAT');
    }
    return cast(convert(checked, member.type), member.type);
  }
}

function typeOf(id: Identifier): Type {
  if (id.kind === 'variable') return id.variable.type;
  return id.kind === 'function' || id.kind === 'aggregating' ? id.prototype.returns : id.type;
}

/** Key types of an associative array's declarator. */
function keysOf([first]: readonly Modifier[]): readonly Type[] | undefined {
  return first?.kind === 'associative' ? first.keys.map(({ type }) => type) : undefined;
}

/** What a variable may not be. */
function checkObject(name: string, type: Type, raise: Raise): void {
  const t = resolve(type);
  if (t.kind === 'void') raise('D_DECL_VOIDOBJ', `cannot have void object: ${name}`);
  if (t.kind === 'dynamic') raise('D_DECL_DYNOBJ', `cannot have dynamic object: ${name}`);
  if (t.kind === 'array' && t.length < 0) {
    raise('D_DECL_ARRNULL', `array declaration requires array dimension or tuple signature: ${name}`);
  }
  if (!isComplete(type)) raise('D_DECL_INCOMPLETE', `incomplete struct/union/enum ${typeName(type)}: ${name}`);
}

function checkInline(name: string, type: Type, raise: Raise): void {
  const t = resolve(type);
  if (t.kind === 'void') raise('D_DECL_VOIDOBJ', `cannot declare void inline: ${name}`);
  if (t.kind === 'dynamic') raise('D_DECL_DYNOBJ', `cannot declare dynamic inline: ${name}`);
  if (!isComplete(type)) raise('D_DECL_INCOMPLETE', `cannot declare incomplete inline: ${name}`);
}

function sameVariable({ variable, array, typed }: VariableName, type: Type, keys: readonly Type[] | undefined): boolean {
  if (!typed || array !== (keys !== undefined) || !compatible(variable.type, type)) return false;
  const known = variable.keys ?? [];
  return keys === undefined || (known.length === keys.length && known.every((key, i) => compatible(key, keys[i] as Type)));
}
