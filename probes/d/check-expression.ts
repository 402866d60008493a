/**
 * Expressions: from the parse tree to the checked one, with names resolved, types known and every conversion a node.
 *
 * `check` gives a value, in which arrays have become addresses of their first elements; `object` leaves them (for sizeof, print() and trace(), which look
 * at the whole); `datum` also takes stacks and symbols. Inlines and translators are expanded on the way, constants folded.
 *
 * @module
 */
import { numberOf } from '../options.ts';
import { CallChecker } from './check-call.ts';
import { Operators, isUntyped, nameOf } from './check-operator.ts';
import { RegisterChecker } from './check-register.ts';
import { TranslationChecker } from './check-translator.ts';
import { VariableChecker, scopeOf } from './check-variable.ts';
import type { Context } from './context.ts';
import { convert, decay, integer, isLvalue } from './convert.ts';
import { INT, SIZE, STRING, isComplete, isDynamic, isSigned, memberOf, sizeOf, typeName } from './ctype.ts';
import { dynamicType } from './functions.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { Expression } from './tree.ts';
import { type Type, resolve } from './types.ts';

/** What has no C type and is no datum either: an aggregation, a translated structure as a whole. */
const DYNAMIC = dynamicType('aggregation');

export class ExpressionChecker {
  readonly context: Context;
  readonly operators: Operators;
  readonly variables: VariableChecker;
  readonly calls: CallChecker;
  readonly translations: TranslationChecker;
  readonly #registers: RegisterChecker;

  constructor(context: Context) {
    this.context = context;
    this.operators = new Operators(context);
    this.variables = new VariableChecker(this);
    this.calls = new CallChecker(this);
    this.translations = new TranslationChecker(this);
    this.#registers = new RegisterChecker(this);
  }

  /** A value. */
  check(node: Syntax): Expression {
    return decay(this.object(node));
  }

  /** A value to compute with: a bit-field is an int when an int holds all its values. */
  #operand(node: Syntax): Expression {
    const value = this.check(node);
    if (value.op !== 'member' || value.member.bits === undefined) return value;
    const { width } = value.member.bits;
    return width < 32 || (width === 32 && isSigned(value.type)) ? convert(value, INT) : value;
  }

  /** A value that goes into a record or is a key of an aggregation: also stack(), sym() and their kin. Arrays are whole. */
  datum(node: Syntax): Expression {
    return this.calls.dynamic(node) ?? this.object(node);
  }

  /** What a node stands for: arrays are not converted. */
  object(node: Syntax): Expression {
    const { line } = node;
    switch (node.kind) {
      case 'integer':
        return integer(node.value, node.type, line);
      case 'text':
        return { op: 'text', value: node.value, type: STRING, line };
      case 'identifier':
        return this.#identifier(node);
      case 'aggregation':
        return this.#aggregation(node);
      case 'unary':
        return this.#unary(node);
      case 'step':
        return this.operators.step(node.operator, node.prefix, this.#modified(node.operand), line);
      case 'binary':
        return this.operators.binary(node.operator, this.#operand(node.left), this.#operand(node.right), line);
      case 'assign':
        return this.#assign(node);
      case 'conditional':
        return this.#conditional(node);
      case 'cast':
        return this.#cast(node);
      case 'index':
        return this.#index(node);
      case 'call':
        return this.calls.check(node);
      case 'member':
        return this.#member(node);
      case 'comma':
        return this.#comma(node);
      case 'xlate':
        // As a whole, a translation is no value; its translator has to exist all the same.
        this.translations.of(node);
        return this.#whole(line);
    }
  }

  #cast({ type, operand, line }: SyntaxOf<'cast'>): Expression {
    const value = this.check(operand);
    const result = this.operators.castTo(type, value, line);
    this.calls.refuseAction(operand, value);
    return result;
  }

  #whole(line: number): Expression {
    return { op: 'dynamic', type: DYNAMIC, line };
  }

  #aggregation({ name, line }: SyntaxOf<'aggregation'>): Expression {
    if (!this.context.names.aggregations.has(name)) this.variables.undefinedName(`@${name}`, line);
    return this.#whole(line);
  }

  #identifier(node: SyntaxOf<'identifier'>): Expression {
    const { name, line } = node;
    const binding = this.context.parameters.get(name);
    if (binding !== undefined) return { op: 'bound', binding, type: binding.type, line };
    if (name === 'self' || name === 'this') this.context.raise('D_SYNTAX', `syntax error near "${name}"`, line);
    const id = this.variables.identifier(name);
    if (id === undefined) return this.variables.undefinedName(name, line);
    switch (id.kind) {
      case 'variable': {
        const reference = this.variables.reference(node, false);
        if (id.translation !== undefined) return this.#whole(line);
        return reference === undefined ? this.variables.undefinedName(name, line) : this.variables.read(reference);
      }
      case 'inline':
        if (id.form !== 'scalar') return this.variables.badReference(id, 'scalar', line);
        return id.translation === undefined ? id.body : this.#whole(line);
      case 'enumerator':
        return integer(id.value, id.type, line);
      case 'builtin':
        return { op: 'builtin', name, type: id.type, line };
      case 'symbol':
        return this.context.raise('D_SYM_NOTYPES', `no value is available for the external symbol ${name}`, line);
      default:
        return this.variables.badReference(id, 'scalar', line);
    }
  }

  #unary({ operator, operand, line }: SyntaxOf<'unary'>): Expression {
    switch (operator) {
      case 'sizeof':
        return this.#sizeof(operand, line);
      case 'stringof':
        return this.operators.stringOf(this.check(operand), line);
      case '&':
        return this.operators.addressOf(this.object(operand), line);
      case '*': {
        if (this.translations.of(operand) !== undefined) return this.#whole(line);
        return this.operators.dereference(this.object(operand), line);
      }
      default:
        return this.operators.unary(operator, this.#operand(operand), line);
    }
  }

  #sizeof(operand: Syntax, line: number): Expression {
    const object = this.object(operand);
    if (object.op === 'member' && object.member.bits !== undefined) {
      this.context.raise('D_SIZEOF_BITFIELD', 'cannot apply sizeof to a bit-field', line);
    }
    const size = this.#sizeOf(object.type);
    if (size === 0) this.context.raise('D_SIZEOF_TYPE', 'cannot apply sizeof to an operand of unknown size', line);
    return integer(BigInt(size), SIZE, line);
  }

  /** A string is as large as `strsize` makes it. */
  #sizeOf(type: Type): number {
    if (resolve(type).kind === 'string') return numberOf(this.context.environment.options ?? {}, 'strsize', sizeOf(type));
    return isDynamic(type) ? 0 : sizeOf(type);
  }

  /** The target of an operator that reads and changes it. */
  #modified(node: Syntax): Expression {
    const reference = this.variables.reference(node, true);
    return reference === undefined ? this.object(node) : this.variables.modify(reference);
  }

  #assign({ operator, left, right, line }: SyntaxOf<'assign'>): Expression {
    if (operator !== '=') return this.operators.update(operator, this.#modified(left), this.check(right), line);
    // The original looks at the target's name first, and at its type last.
    const reference = this.variables.reference(left, true);
    const translation = this.translations.of(right);
    if (translation !== undefined) return this.#assignTranslation(left, right);
    const value = this.object(right);
    if (reference === undefined) return this.operators.assign(this.object(left), decay(value), line);
    if (!reference.name.typed) this.#checkNew(value, line);
    this.calls.refuseAction(right, value);
    const target = this.variables.assigned(reference, value.type);
    return this.operators.assign(target, decay(value), line);
  }

  /** What a variable may not be made of. */
  #checkNew(value: Expression, line: number): void {
    if (isUntyped(value.type) || resolve(value.type).kind === 'void') this.operators.incompatible(value, '=', value, line);
  }

  #assignTranslation(left: Syntax, right: Syntax): Expression {
    const { line } = left;
    const translation = this.translations.of(right);
    const reference = this.variables.reference(left, true);
    if (translation === undefined) throw new Error('a translation is none when looked at again');
    const { translator, pointer } = translation;
    if (!pointer) {
      const target = reference === undefined ? this.object(left) : this.variables.assigned(reference, translation.type);
      if (resolve(target.type) !== translator.output || !isLvalue(target)) {
        this.context.raise('D_OP_INCOMPAT', `operands have incompatible types: "${nameOf(target.type)}" = "<DYN>"`, line);
      }
      return this.translations.assign(target, translation, line);
    }
    if (
      reference === undefined ||
      reference.keys !== undefined ||
      (reference.name.typed && reference.name.translation?.translator !== translator)
    ) {
      this.context.raise('D_OP_INCOMPAT', `operands have incompatible types: "${typeName(translator.output)} *" = "<DYN>"`, line);
    }
    reference.name.translation = { translator, type: translation.type };
    const target = this.variables.assigned(reference, decay(translation.input).type);
    return this.operators.assign(target, decay(translation.input), line);
  }

  #conditional({ condition, then, otherwise, line }: SyntaxOf<'conditional'>): Expression {
    const test = this.check(condition);
    const result = this.operators.conditional(test, this.check(then), this.check(otherwise), line);
    if (this.calls.actionOf(then) !== undefined || this.calls.actionOf(otherwise) !== undefined) {
      this.context.raise('D_OP_ACT', 'action cannot be used in a conditional context', line);
    }
    return result;
  }

  #comma({ parts, line }: SyntaxOf<'comma'>): Expression {
    const checked = parts.map((part) => this.check(part));
    if (checked.some(({ type }) => isUntyped(type))) {
      this.context.raise('D_OP_DYN', 'operator , operands cannot be of dynamic type', line);
    }
    if (parts.some((part) => this.calls.actionOf(part) !== undefined)) {
      this.context.raise('D_OP_ACT', 'operator , operands cannot be actions', line);
    }
    return { op: 'sequence', parts: checked, type: (checked.at(-1) as Expression).type, line };
  }

  #index(node: SyntaxOf<'index'>): Expression {
    const { object, indices, line } = node;
    if (object.kind === 'aggregation') return this.#aggregation(object);
    if (object.kind === 'identifier' && !this.context.parameters.has(object.name)) {
      const id = this.variables.identifier(object.name);
      if (id?.kind === 'registers') return this.#registers.element(id.name, indices, line);
      if (id?.kind === 'inline' && id.form === 'array') return this.calls.expand(id, indices, '[ ]', line);
    }
    const reference = this.variables.reference(node, true);
    if (reference !== undefined) return this.variables.read(reference);
    const base = this.object(object);
    const index = this.check(indices[0] as Syntax);
    if (indices.length > 1) {
      const name = object.kind === 'identifier' || object.kind === 'member' ? object.name : 'expression';
      this.context.raise('D_ARR_BADREF', `cannot access ${name} as an associative array`, line);
    }
    return this.#element(base, index, line);
  }

  /** An element of an array or of what a pointer points to. One whose place in an array is known is a member of it. */
  #element(base: Expression, index: Expression, line: number): Expression {
    const array = resolve(base.type);
    if (array.kind === 'array' && array.length >= 0 && index.op === 'integer') {
      if (index.value < 0n || index.value >= array.length) {
        const text = `index outside array bounds: ${index.value}, max is ${array.length - 1}`;
        this.context.raise('D_ARR_BOUNDS', text, line);
      }
      const offset = Number(index.value) * sizeOf(array.of);
      return { op: 'member', object: base, member: { name: '', type: array.of, offset }, type: array.of, line };
    }
    return this.operators.element(base, index, line);
  }

  #member(node: SyntaxOf<'member'>): Expression {
    const { operator, object, name, line } = node;
    if (scopeOf(node) !== undefined) {
      const reference = this.variables.reference(node, true);
      if (reference?.name.translation !== undefined) return this.#whole(line);
      if (reference !== undefined) return this.variables.read(reference);
    }
    const translation = this.translations.of(object);
    if (translation !== undefined) return this.translations.member(translation, node);
    const base = this.object(object);
    if (operator === '.') return this.#memberOf(base, base.type, node);
    const pointer = resolve(base.type);
    if (pointer.kind !== 'pointer') return this.context.raise('D_OP_PTR', 'operator -> must be applied to a pointer', line);
    this.#checkStructure(pointer.to, '->', line);
    if (memberOf(pointer.to, name) === undefined) return this.#noMember(name, pointer.to, line);
    return this.#memberOf(this.operators.dereference(base, line), pointer.to, node);
  }

  #checkStructure(type: Type, operator: '.' | '->', line: number): void {
    const t = resolve(type);
    if (t.kind === 'struct' || t.kind === 'union') {
      if (isComplete(t)) return;
      const text = `operator ${operator} cannot be applied to a forward declaration: no ${typeName(t)} definition is available`;
      this.context.raise('D_OP_INCOMPLETE', text, line);
    }
    const text =
      operator === '->'
        ? `operator -> cannot be applied to pointer to type "${nameOf(t)}"; must be applied to a struct or union pointer`
        : `operator . cannot be applied to type "${nameOf(t)}"; must be applied to a struct or union`;
    this.context.raise('D_OP_SOU', text, line);
  }

  #noMember(name: string, type: Type, line: number): never {
    return this.context.raise('D_TYPE_MEMBER', `${name} is not a member of ${typeName(resolve(type))}`, line);
  }

  #memberOf(object: Expression, type: Type, { operator, name, line }: SyntaxOf<'member'>): Expression {
    this.#checkStructure(type, operator, line);
    const member = memberOf(type, name);
    if (member === undefined) return this.#noMember(name, type, line);
    return { op: 'member', object, member, type: member.type, line };
  }
}
