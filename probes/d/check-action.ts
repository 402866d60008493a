/**
 * Statements of a clause: actions with what they take, aggregations, and expressions that are evaluated for their effect.
 *
 * By the Dynamic Tracing Guide, "Actions and Subroutines", "Output Formatting" and "Aggregations".
 *
 * @module
 */
import { AggregateChecker, aggregationOf } from './check-aggregate.ts';
import type { ExpressionChecker } from './check-expression.ts';
import { FormatChecker } from './check-format.ts';
import { nameOf } from './check-operator.ts';
import { checkArguments } from './check-signature.ts';
import type { Context } from './context.ts';
import { convert } from './convert.ts';
import { INT64, SIZE, STRING, UINT64, compatible, isDynamic, isInteger, isPointer, isScalar, isString, sizeOf } from './ctype.ts';
import type { Identifier } from './names.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { Action, ActionName, Aggregation, Expression, Statement } from './tree.ts';
import { resolve } from './types.ts';

type FunctionName = Extract<Identifier, { kind: 'function' }>;
type Call = SyntaxOf<'call'>;

/** Most bytes that tracemem() takes. */
const TRACEMEM_MAX = 1n << 20n;

export class ActionChecker {
  readonly #expressions: ExpressionChecker;
  readonly #context: Context;
  readonly #aggregates: AggregateChecker;
  readonly #formats: FormatChecker;

  constructor(expressions: ExpressionChecker) {
    this.#expressions = expressions;
    this.#context = expressions.context;
    this.#aggregates = new AggregateChecker(expressions);
    this.#formats = new FormatChecker(this.#context);
  }

  /** A statement that is an expression. */
  statement(node: Syntax): Statement {
    const { line } = node;
    const aggregate = this.#aggregates.statement(node);
    if (aggregate !== undefined) return aggregate;
    if (node.kind === 'call' && node.callee.kind === 'identifier') {
      const id = this.#expressions.calls.callee(node);
      if (id.kind === 'function' && id.action) return this.#action(id, node);
    }
    const expression = this.#expressions.object(node);
    if (isDynamic(expression.type)) this.#refuse(node);
    return { kind: 'expression', line, expression };
  }

  /** A statement that is nothing to do: a value of no C type. */
  #refuse(node: Syntax): never {
    const { line } = node;
    if (node.kind === 'call' && node.callee.kind === 'identifier') {
      const text = `aggregating function ${node.callee.name}( ) may not be called from a D expression (D program context required)`;
      this.#raise('D_CG_EXPR', text, line);
    }
    return this.#raise('D_CG_DYN', 'expression cannot evaluate to result of dynamic type', line);
  }

  #raise(tag: string, text: string, line: number): never {
    return this.#context.raise(tag, text, line);
  }

  #action(id: FunctionName, node: Call): Action {
    const name = id.name as ActionName;
    const { line } = node;
    const make = (rest: Partial<Action>): Action => ({ kind: 'action', name, line, arguments: [], ...rest });
    switch (name) {
      case 'trace':
        return make({ arguments: [this.#traced(id, node)] });
      case 'print':
        return make({ arguments: [this.#printed(id, node)] });
      case 'printf':
      case 'system':
      case 'freopen':
        return make(this.#formatted(id, node));
      case 'tracemem':
        return make(this.#memory(id, node));
      case 'stack':
      case 'ustack':
      case 'jstack': {
        const { frames, stringBytes } = this.#expressions.calls.stackSize(name, node);
        return make({ size: frames, stringSize: stringBytes });
      }
      case 'printa':
        return make(this.#printa(node));
      case 'clear':
        return make({ aggregations: [this.#only(node, 'D_CLEAR')] });
      case 'trunc':
        return make(this.#truncated(node));
      case 'normalize':
        return make(this.#normalized(node));
      case 'denormalize':
        return make({ aggregations: [this.#only(node, 'D_NORMALIZE')] });
      default:
        return make({ arguments: this.#plain(id, node) });
    }
  }

  /** Arguments by the prototype alone. */
  #plain(id: FunctionName, node: Call): Expression[] {
    const given = node.arguments.map((argument) => this.#expressions.object(argument));
    const checked = checkArguments(this.#context, { shown: `${id.name}( )`, line: node.line }, id.prototype, given);
    // Text is handed over as a string, whatever pointer the prototype names.
    return checked.map((e, i) => (isString(given[i]!.type) ? convert(given[i]!, STRING) : e));
  }

  #traced(id: FunctionName, node: Call): Expression {
    this.#expressions.calls.checkCount(id, node);
    const { line } = node;
    const e = this.#expressions.datum(node.arguments[0] as Syntax);
    if (resolve(e.type).kind === 'void') this.#raise('D_TRACE_VOID', 'trace( ) may not be applied to a void expression', line);
    if (isDynamic(e.type) && !(e.op === 'dynamic' && (e.frames !== undefined || e.address !== undefined))) {
      this.#raise('D_TRACE_DYN', 'trace( ) may not be applied to a dynamic expression', line);
    }
    return e;
  }

  #printed(id: FunctionName, node: Call): Expression {
    this.#expressions.calls.checkCount(id, node);
    const { line } = node;
    const shown = node.arguments[0] as Syntax;
    const e = this.#expressions.translations.whole(shown) ?? this.#expressions.object(shown);
    if (resolve(e.type).kind === 'void') this.#raise('D_PRINT_VOID', 'print( ) may not be applied to a void expression', line);
    if (isDynamic(e.type)) this.#raise('D_PRINT_DYN', 'print( ) may not be applied to a dynamic expression', line);
    if (sizeOf(e.type) === 0) this.#raise('D_PRINT_SIZE', 'print( ) argument #1 has type of unknown size', line);
    return e;
  }

  #formatted(id: FunctionName, node: Call): Pick<Action, 'format' | 'arguments'> {
    const { line } = node;
    const { name } = id;
    this.#expressions.calls.checkCount(id, node);
    const [first, ...rest] = node.arguments as [Syntax, ...Syntax[]];
    if (first.kind !== 'text') {
      const text = `${name}( ) argument #1 is incompatible with prototype:\n\tprototype: string constant\n\t argument: ${nameOf(this.#expressions.object(first).type)}`;
      this.#raise('D_PRINTF_ARG_FMT', text, line);
    }
    const format = first.value;
    // An empty freopen() returns to the standard output.
    if (format === '' && name !== 'freopen') this.#raise('D_PRINTF_FMT_EMPTY', `${name}( ) format string is empty`, line);
    if (format === '.' && name === 'freopen') this.#raise('D_FREOPEN_INVALID', 'freopen( ) argument #1 cannot be "."', line);
    const values = rest.map((argument) => this.#expressions.datum(argument));
    this.#formats.check(
      format,
      { name, line, keys: false, first: 2 },
      values.map(({ type }) => type),
    );
    return { format, arguments: values };
  }

  #memory(id: FunctionName, node: Call): Pick<Action, 'size' | 'arguments'> {
    const { line } = node;
    this.#expressions.calls.checkCount(id, node);
    const given = node.arguments.map((argument) => this.#expressions.check(argument));
    const [address, size, shown] = given as [Expression, Expression, Expression | undefined];
    if (given.length > 3) this.#raise('D_PROTO_LEN', `tracemem( ) prototype mismatch: ${given.length} args passed, 3 expected`, line);
    if (!isInteger(address.type) && !isPointer(address.type)) {
      this.#raise(
        'D_TRACEMEM_ADDR',
        `tracemem( ) argument #1 is incompatible with prototype:\n\tprototype: pointer or integer\n\t argument: ${nameOf(address.type)}`,
        line,
      );
    }
    if (size.op !== 'integer' || size.value <= 0n || size.value > TRACEMEM_MAX) {
      this.#raise('D_TRACEMEM_SIZE', 'tracemem( ) argument #2 must be a non-zero positive integral constant expression', line);
    }
    if (shown !== undefined && !isInteger(shown.type)) {
      this.#raise('D_TRACEMEM_DYNSIZE', 'tracemem( ) argument #3 must be an integer', line);
    }
    return { size: Number(size.value), arguments: [convert(address, UINT64), ...(shown === undefined ? [] : [convert(shown, SIZE)])] };
  }

  /** An aggregation given as argument `at`. */
  #aggregation(node: Call, at: number, tag: string): Aggregation {
    const { line } = node;
    const argument = node.arguments[at] as Syntax;
    const name = (node.callee as SyntaxOf<'identifier'>).name;
    const named = aggregationOf(argument);
    if (named === undefined) {
      const { type } = this.#expressions.object(argument);
      const text = `${name}( ) argument #${at + 1} is incompatible with prototype:\n\tprototype: aggregation\n\t argument: ${nameOf(type)}`;
      this.#raise(`${tag}_AGGARG`, text, line);
    }
    const known = this.#context.names.aggregations.get(named.name)?.result;
    // A name that nothing has is unknown; one that only stands with keys would be an aggregation, but nothing assigns it.
    if (known === undefined && argument.kind === 'aggregation') this.#expressions.object(argument);
    return known ?? this.#raise(`${tag}_AGGBAD`, `undefined aggregation: @${named.name}`, line);
  }

  #checkNumber(node: Call, least: number, most: number, tag: string): void {
    const count = node.arguments.length;
    if (count >= least && count <= most) return;
    const { name } = node.callee as SyntaxOf<'identifier'>;
    const text = `${name}( ) prototype mismatch: ${count} args passed, ${count < least ? least : most} expected`;
    this.#raise(`${tag}_PROTO`, text, node.line);
  }

  #only(node: Call, tag: string): Aggregation {
    this.#checkNumber(node, 1, 1, tag);
    return this.#aggregation(node, 0, tag);
  }

  #scalar(node: Call, at: number, tag: string): Expression {
    const e = this.#expressions.check(node.arguments[at] as Syntax);
    if (isScalar(e.type)) return convert(e, INT64);
    const { name } = node.callee as SyntaxOf<'identifier'>;
    return this.#raise(`${tag}_SCALAR`, `${name}( ) argument #${at + 1} must be of scalar type`, node.line);
  }

  #truncated(node: Call): Pick<Action, 'aggregations' | 'arguments'> {
    this.#checkNumber(node, 1, 2, 'D_TRUNC');
    const aggregations = [this.#aggregation(node, 0, 'D_TRUNC')];
    return { aggregations, arguments: node.arguments.length === 1 ? [] : [this.#scalar(node, 1, 'D_TRUNC')] };
  }

  #normalized(node: Call): Pick<Action, 'aggregations' | 'arguments'> {
    this.#checkNumber(node, 2, 2, 'D_NORMALIZE');
    const aggregations = [this.#aggregation(node, 0, 'D_NORMALIZE')];
    return { aggregations, arguments: [this.#scalar(node, 1, 'D_NORMALIZE')] };
  }

  #printa(node: Call): Pick<Action, 'format' | 'aggregations'> {
    const { line } = node;
    const [first] = node.arguments;
    const format = first?.kind === 'text' ? first.value : undefined;
    const from = format === undefined ? 0 : 1;
    if (node.arguments.length <= from) {
      const text = `printa( ) prototype mismatch: ${node.arguments.length} args passed, ${from + 1} expected`;
      this.#raise('D_PRINTA_PROTO', text, line);
    }
    const aggregations: Aggregation[] = [];
    for (let at = from; at < node.arguments.length; at++) {
      const aggregation = this.#aggregation(node, at, 'D_PRINTA');
      const before = aggregations[0];
      if (before !== undefined) this.#checkSameKeys(before, aggregation, at, line);
      aggregations.push(aggregation);
    }
    if (format === undefined) return { aggregations };
    this.#formats.check(format, { name: 'printa', line, keys: true, first: 1 }, (aggregations[0] as Aggregation).keys);
    return { format, aggregations };
  }

  /** Aggregations that are printed together have the same keys. */
  #checkSameKeys(a: Aggregation, b: Aggregation, at: number, line: number): void {
    if (a.keys.length !== b.keys.length) {
      const text = `printa( ) argument #${at + 1}: @${b.name} has ${b.keys.length} key(s), and @${a.name} has ${a.keys.length}`;
      this.#raise('D_PRINTA_AGGKEY', text, line);
    }
    a.keys.forEach((type, i) => {
      const other = b.keys[i]!;
      if (compatible(type, other) || (isInteger(type) && isInteger(other) && sizeOf(type) === sizeOf(other))) return;
      const text = `printa( ) argument #${at + 1}: key #${i + 1} of @${b.name} is of type ${nameOf(other)}, and that of @${a.name} is ${nameOf(type)}`;
      this.#raise('D_PRINTA_AGGPROTO', text, line);
    });
  }
}
