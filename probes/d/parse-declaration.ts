/**
 * Types and declarators of D: C's, with associative arrays (`int x[string, int]`).
 *
 * By ISO C 6.7. A declarator is a list of what stands around the name, from the name outwards, so that a caller can see whether the name itself is
 * an array, an associative array or a function.
 *
 * @module
 */
import { TYPE_DEPTH_MAX, arrayOf, isComplete, isDynamic, isInteger, pointerTo, sizeOf, typeDepth, typeName } from './ctype.ts';
import type { Raise } from './error.ts';
import { Layout } from './layout.ts';
import type { Lexer } from './lexer.ts';
import type { Names } from './names.ts';
import { ExpressionParser } from './parse-expression.ts';
import { STORAGE, Specifiers, type StorageClass, TYPE_WORDS } from './specifiers.ts';
import type { Parameter, Syntax } from './syntax.ts';
import type { EnumType, StructType, Type } from './types.ts';
import { resolve } from './types.ts';

/** What stands around a declared name. */
export type Modifier =
  | { readonly kind: 'pointer' }
  /** -1 = `[]`. */
  | { readonly kind: 'array'; readonly length: number }
  | { readonly kind: 'associative'; readonly keys: readonly Parameter[] }
  | { readonly kind: 'function'; readonly parameters: readonly Parameter[]; readonly varargs: boolean };

export interface Declarator {
  readonly name: string | undefined;
  /** From the name outwards. */
  readonly modifiers: readonly Modifier[];
  readonly line: number;
}

/** Objects of more bytes than this are refused: offsets must stay exact, and no program has that memory. */
const MAX_BYTES = 2 ** 31;
const INT_MAX = 0x7fff_ffffn;

/** The type of a name with these modifiers, innermost last. */
export function declaredType(base: Type, modifiers: readonly Modifier[], raise: Raise): Type {
  return modifiers.reduceRight<Type>((type, modifier) => modify(type, modifier, raise), base);
}

function modify(type: Type, modifier: Modifier, raise: Raise): Type {
  if (typeDepth(type) > TYPE_DEPTH_MAX) raise('D_SYNTAX', 'type is nested too deeply');
  switch (modifier.kind) {
    case 'pointer':
      return pointerTo(type);
    case 'array': {
      const kind = resolve(type).kind;
      if (kind === 'void' || kind === 'function') raise('D_DECL_VOIDOBJ', `cannot have array of type ${typeName(type)}`);
      const array = arrayOf(type, modifier.length);
      if (sizeOf(array) > MAX_BYTES) raise('D_DECL_ARRBIG', 'array dimension too big');
      return array;
    }
    case 'function':
      return { kind: 'function', returns: type, params: modifier.parameters.map((p) => p.type), varargs: modifier.varargs };
    case 'associative':
      return raise('D_DECL_DYNOBJ', 'cannot declare array of associative arrays');
  }
}

export abstract class DeclarationParser extends ExpressionParser {
  readonly names: Names;

  constructor(lexer: Lexer, names: Names) {
    super(lexer);
    this.names = names;
  }

  protected override startsType(): boolean {
    const token = this.peek();
    if (token.kind === 'type') return true;
    return (
      token.kind === 'word' && (TYPE_WORDS.has(token.text) || token.text === 'struct' || token.text === 'union' || token.text === 'enum')
    );
  }

  protected override constantOf(name: string): { readonly value: bigint; readonly type: Type } | undefined {
    const id = this.names.global(name);
    if (id?.kind === 'enumerator') return id;
    if (id?.kind !== 'inline' || id.form !== 'scalar' || !isInteger(id.type)) return undefined;
    return id.body.op === 'integer' ? id.body : undefined;
  }

  protected override typeName(): Type {
    return this.nested(() => {
      const specifiers = this.specifiers(false);
      const declarator = this.declarator();
      if (declarator.name !== undefined) this.unexpected();
      return this.build(specifiers.resolve(), declarator.modifiers);
    });
  }

  /** `unsigned long`, `struct s { ... }`, `typedef int`, ... */
  specifiers(storage: boolean): Specifiers {
    const specifiers = new Specifiers(this.raise);
    for (;;) {
      const token = this.peek();
      if (token.kind === 'type') {
        // A second name is the declared one: `int foo` where foo is a type.
        if (specifiers.begun) break;
        this.take();
        specifiers.setType(this.names.typedef(token.value)!);
      } else if (token.kind === 'word' && TYPE_WORDS.has(token.text)) {
        this.take();
        specifiers.word(token.text);
      } else if (token.kind === 'word' && storage && STORAGE.has(token.text)) {
        this.take();
        specifiers.setStorage(token.text as StorageClass);
      } else if (this.at('struct') || this.at('union')) {
        this.take();
        specifiers.setType(this.#structure(token.text as 'struct' | 'union'));
      } else if (this.at('enum')) {
        this.take();
        specifiers.setType(this.#enumeration());
      } else {
        break;
      }
    }
    if (!specifiers.begun && specifiers.storage === undefined) this.unexpected();
    return specifiers;
  }

  /** A declarator, abstract or not. */
  declarator(): Declarator {
    return this.nested(() => {
      const { line } = this.peek();
      let pointers = 0;
      while (this.accept('*')) {
        pointers++;
        while (this.accept('const') || this.accept('volatile') || this.accept('restrict') || this.accept('userland'));
      }
      let name: string | undefined;
      const modifiers: Modifier[] = [];
      const token = this.peek();
      if (token.kind === 'identifier' || token.kind === 'type') {
        this.take();
        name = token.value;
      } else if (this.at('(')) {
        this.take();
        if (this.at(')') || this.#startsParameter()) {
          modifiers.push(this.#function());
        } else {
          const inner = this.declarator();
          this.expect(')');
          name = inner.name;
          modifiers.push(...inner.modifiers);
        }
      }
      this.#suffixes(modifiers);
      for (let i = 0; i < pointers; i++) modifiers.push({ kind: 'pointer' });
      return { name, modifiers, line };
    });
  }

  #startsParameter(): boolean {
    const token = this.peek();
    return this.startsType() || (token.kind === 'word' && STORAGE.has(token.text)) || this.at('...');
  }

  #suffixes(modifiers: Modifier[]): void {
    for (;;) {
      if (this.at('[')) {
        this.take();
        modifiers.push(this.#array());
      } else if (this.at('(')) {
        this.take();
        modifiers.push(this.#function());
      } else {
        return;
      }
    }
  }

  /** After `[`. */
  #array(): Modifier {
    if (this.accept(']')) return { kind: 'array', length: -1 };
    if (this.#startsParameter()) {
      const { parameters, varargs } = this.#parameters(']');
      this.#checkPrototype('array', parameters, varargs);
      return { kind: 'associative', keys: parameters };
    }
    const dimension = this.constant();
    this.expect(']');
    const length = this.positive(dimension);
    if (length === undefined) {
      this.raise(
        'D_DECL_ARRSUB',
        'positive integral constant expression or tuple signature expected as array declaration subscript',
        dimension.line,
      );
    }
    if (length > 0xffff_ffffn) this.raise('D_DECL_ARRBIG', 'array dimension too big', dimension.line);
    return { kind: 'array', length: Number(length) };
  }

  /** After `(`. */
  #function(): Modifier {
    const { parameters, varargs } = this.#parameters(')');
    return { kind: 'function', parameters, varargs };
  }

  #parameters(end: string): { readonly parameters: Parameter[]; readonly varargs: boolean } {
    const parameters: Parameter[] = [];
    let varargs = false;
    if (!this.at(end)) {
      do {
        if (this.accept('...')) {
          varargs = true;
          break;
        }
        const specifiers = this.specifiers(true);
        if (specifiers.storage !== undefined && specifiers.storage !== 'register') {
          this.raise('D_DECL_PARMCLASS', 'inappropriate storage class for function or associative array parameter');
        }
        const declarator = this.declarator();
        const type = this.build(specifiers.resolve(), declarator.modifiers);
        // As C has it, a parameter of array or function type is a pointer.
        const t = resolve(type);
        const adjusted = t.kind === 'array' ? pointerTo(t.of) : t.kind === 'function' ? pointerTo(t) : type;
        parameters.push({ type: adjusted, name: declarator.name ?? '' });
      } while (this.accept(','));
    }
    this.expect(end);
    if (end === ')') this.#checkFunction(parameters);
    const only = parameters.length === 1 && !varargs ? parameters[0] : undefined;
    if (only !== undefined && end === ')' && only.name === '' && resolve(only.type).kind === 'void') return { parameters: [], varargs };
    return { parameters, varargs };
  }

  /** What a function's parameters may be: void only alone and without a name, every name once. */
  #checkFunction(parameters: readonly Parameter[]): void {
    const seen = new Set<string>();
    for (const [i, { type, name }] of parameters.entries()) {
      const nothing = resolve(type).kind === 'void';
      if (nothing && name !== '') this.raise('D_DECL_PROTO_NAME', `void parameter may not have a name: ${name}`);
      if (nothing && parameters.length > 1) this.raise('D_DECL_PROTO_VOID', 'void must be sole parameter');
      if (name !== '' && seen.has(name))
        this.raise('D_DECL_PROTO_FORM', `parameter is already declared in function prototype: ${name}, parameter #${i + 1}`);
      seen.add(name);
    }
  }

  /** What the types of a key or a parameter of an inline may be. */
  #checkPrototype(what: string, parameters: readonly Parameter[], varargs: boolean): void {
    if (varargs) this.raise('D_DECL_PROTO_VARARGS', `${what} prototype may not use a variable-length argument list`);
    parameters.forEach(({ type, name }, i) => {
      const kind = resolve(type).kind;
      if (kind === 'void' || kind === 'struct' || kind === 'union' || kind === 'function' || kind === 'dynamic' || kind === 'float') {
        const called = name === '' ? '(anonymous)' : name;
        this.raise(
          'D_DECL_PROTO_TYPE',
          `${what} prototype may not use parameter of type ${typeName(type)}: ${called}, parameter #${i + 1}`,
        );
      }
    });
  }

  /** Parameters of an inline: each has a name and a type that a value can have. */
  checkInlineParameters(parameters: readonly Parameter[], varargs: boolean): void {
    this.#checkPrototype('inline', parameters, varargs);
    parameters.forEach(({ name }, i) => {
      if (name === '') this.raise('D_DECL_PROTO_NAME', `inline prototype requires a name for parameter #${i + 1}`);
    });
  }

  /** The type of a name with these modifiers, innermost last. */
  build(base: Type, modifiers: readonly Modifier[]): Type {
    return declaredType(base, modifiers, this.raise);
  }

  /** A tag that may not hold a scope. */
  #tag(what: string): string {
    const token = this.peek();
    if (token.kind !== 'identifier' && token.kind !== 'type') return '';
    this.take();
    if (token.value.includes('`')) this.raise('D_DECL_SCOPE', `D scoping operator may not be used in ${what}`);
    return token.value;
  }

  /** After `struct` or `union`. */
  #structure(kind: 'struct' | 'union'): StructType {
    return this.nested(() => {
      const tag = this.#tag('a type name');
      if (!this.at('{')) {
        if (tag === '') this.unexpected();
        const known = this.names.tag(tag);
        if (known?.kind === kind) return known;
        if (known !== undefined) this.raise('D_DECL_TYPERED', `type redeclared: ${kind} ${tag}`);
        return this.#newStructure(kind, tag);
      }
      const known = tag === '' ? undefined : (this.names.tags.get(tag) ?? undefined);
      if (known !== undefined && (known.kind !== kind || known.complete)) this.raise('D_DECL_TYPERED', `type redeclared: ${kind} ${tag}`);
      const type = known === undefined ? this.#newStructure(kind, tag) : (known as StructType);
      this.take();
      const layout = new Layout(kind);
      do this.#members(layout);
      while (!this.at('}'));
      this.take();
      layout.finish(type);
      if (type.bytes > MAX_BYTES) this.raise('D_DECL_ARRBIG', `type is too big: ${typeName(type)}`);
      return type;
    });
  }

  #newStructure(kind: 'struct' | 'union', tag: string): StructType {
    const type: StructType = { kind, tag, bytes: 0, align: 1, members: [], complete: false };
    if (tag !== '') this.names.tags.set(tag, type);
    return type;
  }

  /** `int a, b : 3;` */
  #members(layout: Layout): void {
    const base = this.specifiers(false).resolve();
    const unnamed = resolve(base);
    if (this.at(';') && (unnamed.kind === 'struct' || unnamed.kind === 'union') && unnamed.tag === '') {
      this.take();
      layout.add('', base);
      return;
    }
    do {
      if (this.at(':')) this.raise('D_DECL_MNAME', 'member declaration requires a name');
      const declarator = this.declarator();
      this.#member(layout, base, declarator);
    } while (this.accept(','));
    this.expect(';');
  }

  #member(layout: Layout, base: Type, { name, modifiers, line }: Declarator): void {
    if (name === undefined) this.unexpected();
    const type = this.build(base, modifiers);
    if (name.includes('`')) this.raise('D_DECL_SCOPE', `D scoping operator may not be used in a member name (${name})`, line);
    if (isDynamic(type)) this.raise('D_DECL_DYNOBJ', `cannot have dynamic member: ${name}`, line);
    if (typeDepth(type) > TYPE_DEPTH_MAX) this.raise('D_SYNTAX', 'type is nested too deeply', line);
    if (layout.has(name)) {
      this.raise('D_UNKNOWN', `failed to define member '${name}': Duplicate member name definition`, line);
    }
    const t = resolve(type);
    if (!isComplete(type)) this.raise('D_DECL_INCOMPLETE', `incomplete struct/union/enum ${typeName(type)}: ${name}`, line);
    if (t.kind === 'void' || t.kind === 'function') this.raise('D_DECL_VOIDOBJ', `cannot have void member: ${name}`, line);
    if (this.accept(':')) this.#bitField(layout, name, type, this.constant());
    else layout.add(name, type);
  }

  #bitField(layout: Layout, name: string, type: Type, size: Syntax): void {
    const width = this.positive(size);
    if (width === undefined) this.raise('D_DECL_BFCONST', 'positive integral constant expression expected as bit-field size', size.line);
    if (resolve(type).kind !== 'int') this.raise('D_DECL_BFTYPE', `invalid type for bit-field: ${name}`, size.line);
    if (width > BigInt(sizeOf(type) * 8)) this.raise('D_DECL_BFSIZE', `bit-field too big for type: ${name}`, size.line);
    layout.addBits(name, type, Number(width));
  }

  /** After `enum`. */
  #enumeration(): EnumType {
    const tag = this.#tag('a type name');
    if (!this.at('{')) {
      if (tag === '') this.unexpected();
      const known = this.names.tag(tag);
      if (known?.kind === 'enum') return known;
      if (known !== undefined) this.raise('D_DECL_TYPERED', `type redeclared: enum ${tag}`);
      return this.#newEnumeration(tag);
    }
    const known = tag === '' ? undefined : this.names.tags.get(tag);
    if (known !== undefined && (known.kind !== 'enum' || known.complete)) this.raise('D_DECL_TYPERED', `type redeclared: enum ${tag}`);
    const type = known === undefined ? this.#newEnumeration(tag) : (known as EnumType);
    this.take();
    const members: (readonly [string, bigint])[] = [];
    const seen = new Set<string>();
    do {
      if (this.at('}') && members.length > 0) break;
      members.push(this.#enumerator(type, members.at(-1)?.[1] ?? -1n, seen));
    } while (this.accept(','));
    this.expect('}');
    type.members = members;
    type.complete = true;
    return type;
  }

  #newEnumeration(tag: string): EnumType {
    const type: EnumType = { kind: 'enum', tag, members: [], complete: false };
    if (tag !== '') this.names.tags.set(tag, type);
    return type;
  }

  #enumerator(type: EnumType, previous: bigint, seen: Set<string>): readonly [string, bigint] {
    const token = this.peek();
    if (token.kind !== 'identifier' && token.kind !== 'type') this.unexpected();
    this.take();
    const { value: name, line } = token;
    if (name.includes('`')) this.raise('D_DECL_SCOPE', `D scoping operator may not be used in an enumerator name (${name})`, line);
    let value = previous + 1n;
    if (this.accept('=')) {
      const given = this.constant();
      if (given.kind !== 'integer' || !isInteger(given.type)) {
        this.raise('D_DECL_ENCONST', `enumerator '${name}' must be assigned to an integral constant expression`, line);
      }
      value = given.value;
    }
    if (value > INT_MAX || value < -INT_MAX - 1n)
      this.raise('D_DECL_ENOFLOW', `enumerator '${name}' value overflows INT_MAX (${INT_MAX})`, line);
    if (seen.has(name)) this.raise('D_UNKNOWN', `failed to define enumerator '${name}': Duplicate enumerator name definition`, line);
    seen.add(name);
    const known = this.names.global(name);
    if (known !== undefined && (known.kind !== 'enumerator' || this.names.globals.has(name))) {
      this.raise('D_DECL_IDRED', `identifier redeclared: ${name}`, line);
    }
    this.names.globals.set(name, { kind: 'enumerator', name, type, value });
    return [name, value];
  }
}
