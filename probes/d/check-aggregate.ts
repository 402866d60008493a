/**
 * Aggregating: `@name[keys] = function(arguments)`.
 *
 * By the Dynamic Tracing Guide, "Aggregations". The first use of an aggregation fixes its function, the parameters of lquantize() and llquantize(), and the
 * types of its keys. Values are signed, as in the original, whatever their type.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { checkCount, checkKeys } from './check-signature.ts';
import type { Context } from './context.ts';
import { convert } from './convert.ts';
import { INT64, isInteger, isScalar } from './ctype.ts';
import type { AggregationName, Identifier } from './names.ts';
import type { Syntax, SyntaxOf } from './syntax.ts';
import type { AggregatingFunction, Aggregation, Expression, Statement } from './tree.ts';

type AggregatingName = Extract<Identifier, { kind: 'aggregating' }>;

const UINT16_MAX = 0xffffn;
const INT32_MAX = 0x7fff_ffffn;
const INT64_MAX = (1n << 63n) - 1n;

/** Parameters of the quantizing functions, as messages call them, in the order of their arguments, and the tags of those that change. */
const LINEAR = [
  { field: 'base', text: 'base', tag: 'D_LQUANT_MATCHBASE' },
  { field: 'limit', text: 'limit', tag: 'D_LQUANT_MATCHLIM' },
  { field: 'step', text: 'step', tag: 'D_LQUANT_MATCHSTEP' },
] as const;
const LOG_LINEAR = [
  { field: 'factor', text: 'factor', tag: 'D_LLQUANT_MATCHFACTOR' },
  { field: 'low', text: 'low magnitude', tag: 'D_LLQUANT_MATCHLMAG' },
  { field: 'high', text: 'high magnitude', tag: 'D_LLQUANT_MATCHHMAG' },
  { field: 'steps', text: 'linear steps per magnitude', tag: 'D_LLQUANT_MATCHSTEPS' },
] as const;

/** The aggregation and the keys of `@name` or `@name[keys]`; undefined for anything else. */
export function aggregationOf(
  node: Syntax,
): { readonly name: string; readonly indices?: readonly Syntax[]; readonly line: number } | undefined {
  if (node.kind === 'aggregation') return { name: node.name, line: node.line };
  if (node.kind !== 'index' || node.object.kind !== 'aggregation') return undefined;
  return { name: node.object.name, indices: node.indices, line: node.line };
}

/** The name in `@name[1][2]`; undefined for anything else. */
function twiceIndexed(node: Syntax): string | undefined {
  if (node.kind !== 'index') return undefined;
  const inner = aggregationOf(node.object);
  return inner?.indices === undefined ? twiceIndexed(node.object) : inner.name;
}

export class AggregateChecker {
  readonly #expressions: ExpressionChecker;
  readonly #context: Context;

  constructor(expressions: ExpressionChecker) {
    this.#expressions = expressions;
    this.#context = expressions.context;
  }

  /** The statement that an expression is, when it aggregates. */
  statement(node: Syntax): Statement | undefined {
    const target = node.kind === 'assign' ? node.left : node;
    const twice = twiceIndexed(target);
    if (twice !== undefined) {
      this.#raise('D_AGG_MDIM', `improper attempt to reference @${twice} as a multi-dimensional array`, node.line);
    }
    const aggregation = aggregationOf(target);
    if (aggregation === undefined) return undefined;
    if (node.kind !== 'assign') this.#raise('D_AGG_NULL', `expression has null effect: @${aggregation.name}`, node.line);
    return this.#aggregate(node, aggregation);
  }

  #raise(tag: string, text: string, line: number): never {
    return this.#context.raise(tag, text, line);
  }

  #aggregate(node: SyntaxOf<'assign'>, target: NonNullable<ReturnType<typeof aggregationOf>>): Statement {
    const { right, line } = node;
    const shown = `@${target.name}`;
    const called = right.kind === 'call' && right.callee.kind === 'identifier' ? this.#expressions.calls.callee(right) : undefined;
    if (node.operator !== '=' || right.kind !== 'call' || called?.kind !== 'aggregating') {
      return this.#raise('D_AGG_FUNC', `${shown} must be assigned the result of an aggregating function`, line);
    }
    const name = this.#context.names.aggregation(target.name);
    if (name.func !== undefined && name.func.name !== called.name) {
      const text = `aggregation redefined: ${shown}\n\t current: ${shown} = ${called.name}( )\n\tprevious: ${shown} = ${name.func.name}( ) : line ${name.line}`;
      this.#raise('D_AGG_REDEF', text, line);
    }
    const keys = this.#keys(name, target.indices ?? [], target.line);
    const { func, value, increment } = this.#call(called, right);
    this.#matches(name, func, line);
    return {
      kind: 'aggregate',
      line,
      aggregation: this.#defined(name, func, keys, line),
      keys,
      ...(value !== undefined && { value }),
      ...(increment !== undefined && { increment }),
    };
  }

  #keys(name: AggregationName, indices: readonly Syntax[], line: number): Expression[] {
    const given = indices.map((index) => this.#expressions.datum(index));
    return checkKeys(this.#context, { shown: `@${name.name}[ ]`, line, kind: 'aggregation' }, name.keys, given);
  }

  #defined(name: AggregationName, func: AggregatingFunction, keys: readonly Expression[], line: number): Aggregation {
    if (name.result === undefined) {
      name.func = func;
      name.line = line;
      name.keys ??= keys.map(({ type }) => type);
      name.result = { name: name.name, id: name.id, func, signed: name.signed, keys: name.keys };
    }
    return name.result;
  }

  /** What is aggregated, and how. */
  #call(called: AggregatingName, node: SyntaxOf<'call'>): { func: AggregatingFunction; value?: Expression; increment?: Expression } {
    const { line } = node;
    const given = node.arguments.map((argument) => this.#expressions.datum(argument));
    checkCount(this.#context, { shown: `${called.name}( )`, line }, called.prototype, given.length);
    const [first] = given;
    if (first !== undefined && !isScalar(first.type)) {
      this.#raise('D_AGG_SCALAR', `${called.name}( ) argument #1 must be of scalar type`, line);
    }
    const value = first === undefined ? undefined : convert(first, INT64);
    switch (called.name) {
      case 'quantize':
        return { func: { name: 'quantize' }, value, increment: this.#increment('quantize', given, 1, line) };
      case 'lquantize':
        return { func: this.#linear(given, line), value, increment: this.#increment('lquantize', given, 4, line) };
      case 'llquantize':
        return { func: this.#logLinear(given, line), value, increment: this.#increment('llquantize', given, 5, line) };
      default:
        return { func: { name: called.name as 'count' }, value };
    }
  }

  #increment(name: string, given: readonly Expression[], at: number, line: number): Expression | undefined {
    const most = at + 1;
    if (given.length > most) {
      this.#raise('D_PROTO_LEN', `${name}( ) prototype mismatch: ${given.length} args passed, at most ${most} expected`, line);
    }
    const increment = given[at];
    if (increment === undefined) return undefined;
    if (!isScalar(increment.type)) {
      const text = `${name}( ) increment value (argument #${most}) must be of scalar type`;
      this.#raise('D_PROTO_ARG', text, line);
    }
    return convert(increment, INT64);
  }

  /** Argument `at` as a constant. */
  #constant(given: readonly Expression[], at: number, name: string, tag: string, line: number): bigint {
    const e = given[at];
    if (e?.op === 'integer' && isInteger(e.type)) return e.value;
    return this.#raise(`${tag}TYPE`, `${name}( ) argument #${at} must be an integer constant`, line);
  }

  #linear(given: readonly Expression[], line: number): AggregatingFunction {
    const name = 'lquantize';
    const wide = (at: number, tag: string): bigint => {
      const value = this.#constant(given, at, name, tag, line);
      if (value <= INT32_MAX && value >= -INT32_MAX - 1n) return value;
      return this.#raise(`${tag}VAL`, `${name}( ) argument #${at} must be a 32-bit quantity`, line);
    };
    const base = wide(1, 'D_LQUANT_BASE');
    const limit = wide(2, 'D_LQUANT_LIM');
    if (limit < base) {
      this.#raise('D_LQUANT_MISMATCH', `${name}( ) base (argument #1) must be less than limit (argument #2)`, line);
    }
    const step = given[3] === undefined ? 1n : this.#constant(given, 3, name, 'D_LQUANT_STEP', line);
    if (step <= 0n) this.#raise('D_LQUANT_STEPTYPE', `${name}( ) argument #3 must be a non-zero positive integer constant`, line);
    if (step > UINT16_MAX) this.#raise('D_LQUANT_STEPVAL', `${name}( ) argument #3 must be a 16-bit quantity`, line);
    const levels = (limit - base) / step;
    if (levels === 0n) {
      this.#raise('D_LQUANT_STEPLARGE', `${name}( ) step (argument #3) too large: must have at least one quantization level`, line);
    }
    if (levels > UINT16_MAX) {
      const text = `${name}( ) step (argument #3) too small: number of quantization levels must be a 16-bit quantity`;
      this.#raise('D_LQUANT_STEPSMALL', text, line);
    }
    return { name, base: Number(base), limit: Number(limit), step: Number(step) };
  }

  #logLinear(given: readonly Expression[], line: number): AggregatingFunction {
    const name = 'llquantize';
    const short = (at: number, tag: string): bigint => {
      const value = this.#constant(given, at, name, tag, line);
      if (value >= 0n && value <= UINT16_MAX) return value;
      return this.#raise(`${tag}VAL`, `${name}( ) argument #${at} must be an unsigned 16-bit quantity`, line);
    };
    const factor = short(1, 'D_LLQUANT_FACTOR');
    const low = short(2, 'D_LLQUANT_LMAG');
    const high = short(3, 'D_LLQUANT_HMAG');
    const steps = short(4, 'D_LLQUANT_STEP');
    if (factor < 2n) this.#raise('D_LLQUANT_FACTORVAL', `${name}( ) factor (argument #1) must be two or more`, line);
    if (high < low) {
      const text = `${name}( ) high magnitude (argument #3) must be at least low magnitude (argument #2)`;
      this.#raise('D_LLQUANT_HMAGVAL', text, line);
    }
    if (factor ** (high > 64n ? 64n : high + 1n) > INT64_MAX) {
      const text = `${name}( ) factor (${factor}) raised to power of high magnitude (${high}) overflows 64-bits`;
      this.#raise('D_LLQUANT_HMAGVAL', text, line);
    }
    this.#checkSteps(factor, steps, line);
    return { name, factor: Number(factor), low: Number(low), high: Number(high), steps: Number(steps) };
  }

  /** Steps have to divide the orders of magnitude evenly. */
  #checkSteps(factor: bigint, steps: bigint, line: number): void {
    if (steps < factor) {
      const text =
        'llquantize( ) factor (argument #1) must be less than or equal to the number of linear steps per magnitude (argument #4)';
      this.#raise('D_LLQUANT_STEPVAL', text, line);
    }
    let power = factor;
    while (power < steps) power *= factor;
    if (steps % factor === 0n && power % steps === 0n) return;
    const text =
      'llquantize( ) factor (argument #1) must evenly divide the number of steps per magnitude (argument #4), and the number of steps per magnitude must evenly divide a power of the factor';
    this.#raise('D_LLQUANT_STEPVAL', text, line);
  }

  /** Later uses have the parameters of the first. */
  #matches({ func: known }: AggregationName, func: AggregatingFunction, line: number): void {
    if (known?.name === 'lquantize' && func.name === 'lquantize') {
      LINEAR.forEach(({ field, text, tag }, i) => {
        this.#same('lquantize', text, i + 1, known[field], func[field], tag, line);
      });
    }
    if (known?.name === 'llquantize' && func.name === 'llquantize') {
      LOG_LINEAR.forEach(({ field, text, tag }, i) => {
        this.#same('llquantize', text, i + 1, known[field], func[field], tag, line);
      });
    }
  }

  #same(name: string, what: string, at: number, expected: number, found: number, tag: string, line: number): void {
    if (expected === found) return;
    const text = `${name}( ) ${what} (argument #${at}) doesn't match previous declaration: expected ${expected}, found ${found}`;
    this.#raise(tag, text, line);
  }
}
