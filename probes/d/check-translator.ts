/**
 * Translators: values seen as structures that nothing in memory is (`xlate <bufinfo_t> (b).b_addr`).
 *
 * A translation is an input and a translator; a member of it is the translator's expression with the input bound. It is found where it is made (xlate,
 * an inline that stands for one, a variable that one was assigned to) and followed through `*`. A translated structure may be assigned: all members that
 * the translator defines are.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { nameOf } from './check-operator.ts';
import { scopeOf } from './check-variable.ts';
import type { Context } from './context.ts';
import { convert, decay } from './convert.ts';
import { compatible, isInteger, memberOf, typeName } from './ctype.ts';
import type { Translation, Translator } from './names.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { Binding, Expression } from './tree.ts';
import { type StructType, type Type, resolve } from './types.ts';

/** The structure a type names or points to. */
export function outputOf(type: Type): { readonly struct: StructType; readonly type: Type; readonly pointer: boolean } | undefined {
  const t = resolve(type);
  if (t.kind === 'struct' || t.kind === 'union') return { struct: t, type, pointer: false };
  if (t.kind !== 'pointer') return undefined;
  const to = resolve(t.to);
  return to.kind === 'struct' || to.kind === 'union' ? { struct: to, type: t.to, pointer: true } : undefined;
}

export class TranslationChecker {
  readonly #checker: ExpressionChecker;
  readonly #context: Context;

  constructor(checker: ExpressionChecker) {
    this.#checker = checker;
    this.#context = checker.context;
  }

  /** The translation a node stands for; undefined when it is a plain value. */
  of(node: Syntax): Translation | undefined {
    switch (node.kind) {
      case 'xlate':
        return this.#xlate(node);
      case 'identifier': {
        if (this.#context.parameters.has(node.name)) return undefined;
        const id = this.#context.names.global(node.name);
        if (id?.kind === 'inline' && id.form === 'scalar') return id.translation;
        return id?.kind === 'variable' && id.translation !== undefined ? this.#held(node, id.translation) : undefined;
      }
      case 'member': {
        const scope = scopeOf(node);
        const names = scope === 'self' ? this.#context.names.selfs : this.#context.names.locals;
        const translation = scope === undefined ? undefined : names.get(node.name)?.translation;
        return translation === undefined ? undefined : this.#held(node, translation);
      }
      case 'unary': {
        const inner = node.operator === '*' ? this.of(node.operand) : undefined;
        return inner?.pointer === true ? { ...inner, pointer: false } : undefined;
      }
      default:
        return undefined;
    }
  }

  #held(node: Syntax, translation: Pick<Translation, 'translator' | 'type'>): Translation | undefined {
    const reference = this.#checker.variables.reference(node, false);
    return reference === undefined ? undefined : { ...translation, input: this.#checker.variables.read(reference), pointer: true };
  }

  #xlate({ type, operand, line }: SyntaxOf<'xlate'>): Translation {
    const input = this.#checker.object(operand);
    const output = outputOf(type);
    const translator = output === undefined ? undefined : this.find(output.struct, input);
    if (output === undefined || translator === undefined) {
      return this.#context.raise('D_XLATE_NONE', `cannot translate from "${nameOf(input.type)}" to "${typeName(type)}"`, line);
    }
    return { translator, input, type: output.type, pointer: output.pointer };
  }

  /** The translator to a structure whose input the value fits best: of its very type, or one it converts to. */
  find(output: StructType, input: Expression): Translator | undefined {
    const { names } = this.#context;
    const to = (t: Translator): boolean => t.output === output || compatible(t.output, output);
    const plain = decay(input).type;
    return (
      names.translator((t) => to(t) && compatible(t.input, plain)) ??
      names.translator((t) => to(t) && isInteger(t.input) && isInteger(plain))
    );
  }

  /** A member of a translation, through `.` or `->`. */
  member({ translator, input, pointer }: Translation, { operator, name, line }: SyntaxOf<'member'>): Expression {
    const value = translator.members.get(name);
    if (value === undefined) {
      this.#context.raise('D_XLATE_NOCONV', `translator does not define conversion for member: ${name}`, line);
    }
    if (operator === '->' && !pointer) this.#context.raise('D_OP_PTR', 'operator -> must be applied to a pointer', line);
    if (operator === '.' && pointer) {
      const text = `operator . cannot be applied to type "${typeName(translator.output)} *"; must be applied to a struct or union`;
      this.#context.raise('D_OP_SOU', text, line);
    }
    return this.#bound(translator.binding, input, value, line);
  }

  #bound(binding: Binding, input: Expression, body: Expression, line: number): Expression {
    const value = convert(decay(input), binding.type);
    return { op: 'let', binding, value, body, type: body.type, line };
  }

  /** A translated structure as a whole, put together in a clause-local variable without a name; undefined for other nodes. */
  whole(node: Syntax): Expression | undefined {
    const translation = this.of(node);
    if (translation === undefined || translation.pointer) return undefined;
    const { names } = this.#context;
    const { variable } = Object.assign(names.create('this', `%translated${names.variables.this.length}`), { typed: true });
    variable.type = translation.type;
    return this.assign({ op: 'variable', variable, type: variable.type, line: node.line }, translation, node.line);
  }

  /** All members of a translated structure, assigned to one. */
  assign(target: Expression, { translator, input }: Translation, line: number): Expression {
    const parts: Expression[] = [];
    for (const [name, value] of translator.members) {
      const member = memberOf(translator.output, name);
      if (member === undefined) continue;
      const place: Expression = { op: 'member', object: target, member, type: member.type, line };
      parts.push({ op: 'assign', target: place, value, type: member.type, line });
    }
    parts.push(target);
    return this.#bound(translator.binding, input, { op: 'sequence', parts, type: target.type, line }, line);
  }
}
