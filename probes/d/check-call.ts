/**
 * Calls: subroutines as values, inlines with parameters, and the actions that have values of their own kind (stacks and symbols).
 *
 * An action is a statement; inside an expression it is an error. As an argument that goes into a record, or as a key of an aggregation, `stack()`, `sym()`
 * and their kin are allowed: `datum` of the checker asks for those.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { type Signed, checkArguments, checkCount } from './check-signature.ts';
import type { Context } from './context.ts';
import { convert } from './convert.ts';
import { INT64, isInteger } from './ctype.ts';
import { dynamicType } from './functions.ts';
import { type Identifier, type InlineName, kindName } from './names.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { Binding, Expression } from './tree.ts';
import type { DynamicType } from './types.ts';

type FunctionName = Extract<Identifier, { kind: 'function' | 'aggregating' }>;

const WORD = 8;
/** Frames of a stack when neither the call nor the option says. */
const FRAMES = { stack: 20, ustack: 100, jstack: 100 } as const;
const OPTIONS = { stack: 'stackframes', ustack: 'ustackframes', jstack: 'jstackframes' } as const;
/** Greatest number of frames. */
const FRAMES_MAX = 2 ** 31 - 1;

const SYMBOLS: ReadonlySet<string> = new Set(['sym', 'mod', 'func', 'usym', 'umod', 'ufunc', 'uaddr']);

export class CallChecker {
  readonly #checker: ExpressionChecker;
  readonly #context: Context;

  constructor(checker: ExpressionChecker) {
    this.#checker = checker;
    this.#context = checker.context;
  }

  /** The function or inline that a call names. */
  callee({ callee, line }: SyntaxOf<'call'>): FunctionName | InlineName {
    if (callee.kind !== 'identifier') this.#context.raise('D_FUNC_IDENT', 'function designator is not of function type', line);
    const id = this.#context.names.global(callee.name);
    if (id === undefined) this.#context.raise('D_FUNC_UNDEF', `undefined function name: ${callee.name}`, line);
    if (id.kind === 'function' || id.kind === 'aggregating' || (id.kind === 'inline' && id.form === 'function')) return id;
    return this.#context.raise('D_FUNC_IDKIND', `${kindName(id)} '${callee.name}' may not be referenced as a function`, line);
  }

  /** An action's name, when the node calls one. */
  actionOf(node: Syntax): string | undefined {
    if (node.kind !== 'call' || node.callee.kind !== 'identifier') return undefined;
    const id = this.#context.names.global(node.callee.name);
    return id?.kind === 'function' && id.action ? id.name : undefined;
  }

  /** A call inside an expression. */
  check(node: SyntaxOf<'call'>): Expression {
    const { line } = node;
    const id = this.callee(node);
    if (id.kind === 'inline') return this.expand(id, node.arguments, '( )', line);
    if (id.kind === 'aggregating' || id.action) return this.#action(id, node);
    return { op: 'call', name: id.name, arguments: this.#arguments(id, node), type: id.prototype.returns, line };
  }

  /** An action has no value, or one of its own kind; who asked for one finds that its type does not fit. */
  #action(id: FunctionName, node: SyntaxOf<'call'>): Expression {
    const dynamic = this.dynamic(node);
    if (dynamic !== undefined) return dynamic;
    this.#arguments(id, node);
    const type = id.kind === 'aggregating' ? dynamicType('aggregation') : id.prototype.returns;
    return { op: 'dynamic', type, line: node.line };
  }

  /** Refuses an action where a value is asked for and its type would do. */
  refuseAction(node: Syntax, value: Expression): void {
    const name = value.op === 'dynamic' ? this.actionOf(node) : undefined;
    if (name === undefined) return;
    const text = `tracing function ${name}( ) may not be called from a D expression (D program context required)`;
    this.#context.raise('D_CG_EXPR', text, node.line);
  }

  #arguments({ name, prototype }: FunctionName, node: SyntaxOf<'call'>): Expression[] {
    const signed: Signed = { shown: `${name}( )`, line: node.line };
    const given = node.arguments.map((argument) => this.#checker.datum(argument));
    return checkArguments(this.#context, signed, prototype, given);
  }

  /** An inline with parameters. */
  expand(inline: InlineName, given: readonly Syntax[], suffix: '( )' | '[ ]', line: number): Expression {
    const prototype = {
      returns: inline.type,
      parameters: inline.parameters.map(({ type }) => type),
      required: inline.parameters.length,
      varargs: false,
    };
    const values = given.map((argument) => this.#checker.check(argument));
    const converted = checkArguments(this.#context, { shown: `${inline.name}${suffix}`, line }, prototype, values);
    return bind(inline.bindings, converted, inline.body, line);
  }

  /** stack(), ustack(), sym() and their kin as a value of their own kind; undefined for other nodes. */
  dynamic(node: Syntax): Expression | undefined {
    const name = this.actionOf(node);
    if (name === undefined || node.kind !== 'call') return undefined;
    if (name === 'stack' || name === 'ustack' || name === 'jstack') return this.#stack(name, node);
    if (!SYMBOLS.has(name)) return undefined;
    const id = this.callee(node) as FunctionName;
    const [value] = this.#arguments(id, node);
    const what = (name === 'uaddr' ? 'usym' : name) as DynamicType['what'];
    const type = dynamicType(what, what.startsWith('u') ? 2 * WORD : WORD);
    return { op: 'dynamic', address: convert(value as Expression, INT64), type, line: node.line };
  }

  #stack(name: 'stack' | 'ustack' | 'jstack', node: SyntaxOf<'call'>): Expression {
    const { frames } = this.stackSize(name, node);
    const what = name === 'stack' ? 'stack' : 'ustack';
    const bytes = (frames + (what === 'ustack' ? 1 : 0)) * WORD;
    return { op: 'dynamic', frames, type: dynamicType(what, bytes), line: node.line };
  }

  /** What the arguments of a stack ask for. */
  stackSize(name: 'stack' | 'ustack' | 'jstack', node: SyntaxOf<'call'>): { readonly frames: number; readonly stringBytes: number } {
    const { line } = node;
    const given = node.arguments.map((argument) => this.#checker.check(argument));
    const most = name === 'stack' ? 1 : 2;
    const kernel = name === 'stack';
    if (given.length > most) {
      const text = `${name}( ) prototype mismatch: too many arguments`;
      this.#context.raise(kernel ? 'D_STACK_PROTO' : 'D_USTACK_PROTO', text, line);
    }
    const option = this.#context.environment.options?.[OPTIONS[name]];
    const frames = this.#size(given[0], kernel ? 'D_STACK_SIZE' : 'D_USTACK_FRAMES', kernel ? 'size' : 'argument #1', name, line, 1n);
    const stringBytes = this.#size(given[1], 'D_USTACK_STRSIZE', 'argument #2', name, line, 0n);
    return { frames: frames ?? (typeof option === 'number' ? option : FRAMES[name]), stringBytes: stringBytes ?? 0 };
  }

  #size(value: Expression | undefined, tag: string, what: string, name: string, line: number, least: bigint): number | undefined {
    if (value === undefined) return undefined;
    if (value.op !== 'integer' || !isInteger(value.type) || value.value < least || value.value > FRAMES_MAX) {
      this.#context.raise(
        tag,
        `${name}( ) ${what} must be a ${least > 0n ? 'non-zero ' : ''}positive ${name === 'stack' ? 'integral constant expression' : 'integer constant'}`,
        line,
      );
    }
    return Number(value.value);
  }

  /** Checks the number of a statement's arguments, for actions that look at them themselves. */
  checkCount(id: FunctionName, node: SyntaxOf<'call'>): void {
    checkCount(this.#context, { shown: `${id.name}( )`, line: node.line }, id.prototype, node.arguments.length);
  }
}

/**
 * The body with its parameters bound. A later argument may use the same inline, whose parameters are the same: so the earlier ones are not bound before
 * all arguments are evaluated.
 */
function bind(bindings: readonly Binding[], values: readonly Expression[], body: Expression, line: number): Expression {
  const held = values.slice(1).every(isLeaf) ? bindings : bindings.map(({ name, type }): Binding => ({ name, type }));
  const bound = bindings.reduceRight<Expression>((inner, binding, i) => {
    const from = held[i] as Binding;
    return from === binding ? inner : wrap(binding, { op: 'bound', binding: from, type: from.type, line }, inner, line);
  }, body);
  return held.reduceRight<Expression>((inner, binding, i) => wrap(binding, values[i] as Expression, inner, line), bound);
}

function wrap(binding: Binding, value: Expression, body: Expression, line: number): Expression {
  return { op: 'let', binding, value, body, type: body.type, line };
}

/** No inline is used in it. */
function isLeaf({ op }: Expression): boolean {
  return op === 'integer' || op === 'text' || op === 'builtin' || op === 'argument' || op === 'bound';
}
