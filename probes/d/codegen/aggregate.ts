/**
 * Aggregating: `@name[keys] = function(value, increment)`.
 *
 * The value is computed first, then the key, then the element is found or made, in one call of the runtime; count, sum and avg are done here, the others
 * there.
 *
 * @module
 */
import { I32 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { AGGREGATING } from '../../arena-layout.ts';
import type { AggregationDescriptor } from '../../program.ts';
import type { AggregatingFunction, Aggregation, Expression, Statement } from '../tree.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';
import { type EvaluatedKey, buildKey, evaluateKey, pushKeyPlace, releaseKey } from './keyed.ts';
import { emitConstant } from './representation.ts';
import { type KeyLayout, layOutKey } from './variables.ts';

const WORD = 8;
const QUANTIZE_BUCKETS = 127;

type AggregateStatement = Extract<Statement, { kind: 'aggregate' }>;
type LogLinear = Extract<AggregatingFunction, { name: 'llquantize' }>;
type Linear = Extract<AggregatingFunction, { name: 'lquantize' }>;

/** Steps of lquantize between its base and its limit. */
function linearLevels({ base, limit, step }: Linear): number {
  return Math.max(0, Math.trunc((limit - base) / step));
}

/** Buckets of llquantize: below, those of each order of magnitude, above. */
function logLinearBuckets({ factor, low, high, steps }: LogLinear): number {
  let buckets = 2;
  let top = BigInt(factor) ** BigInt(low);
  for (let order = low; order <= high; order++) {
    top *= BigInt(factor);
    const number = top < BigInt(steps) ? Number(top) : steps;
    buckets += number - Math.trunc(number / factor);
  }
  return buckets;
}

/** Bytes of an aggregation's value. */
function valueBytes(func: AggregatingFunction): number {
  switch (func.name) {
    case 'avg':
      return 2 * WORD;
    case 'stddev':
      return 4 * WORD;
    case 'quantize':
      return QUANTIZE_BUCKETS * WORD;
    case 'lquantize':
      return (linearLevels(func) + 2) * WORD;
    case 'llquantize':
      return logLinearBuckets(func) * WORD;
    default:
      return WORD;
  }
}

export function describeAggregation(aggregation: Aggregation, stringBytes: number): AggregationDescriptor {
  const key = layOutKey(aggregation.keys, stringBytes);
  return {
    ...aggregation,
    keyData: key.parts.map(({ type, rep, offset }) => ({ offset, bytes: rep.bytes, type })),
    keyBytes: key.bytes,
    valueBytes: valueBytes(aggregation.func),
  };
}

/** Words of a key that are text, a bit each. */
function textWords(key: KeyLayout): bigint {
  let words = 0n;
  for (const { rep, offset } of key.parts) {
    if (rep.kind === 'scalar') continue;
    for (let word = offset / WORD; word < Math.ceil((offset + rep.bytes) / WORD) && word < 64; word++) words |= 1n << BigInt(word);
  }
  return words;
}

/** Tells the runtime of an aggregation; part of the module's `init`. */
export function introduce(code: Pick<Code, 'asm' | 'call'>, descriptor: AggregationDescriptor, stringBytes: number): void {
  const { asm } = code;
  const { id, func, keys, keyBytes, signed } = descriptor;
  asm.i32(id);
  asm.i32(AGGREGATING[func.name]);
  asm.i32(keyBytes);
  asm.i32(descriptor.valueBytes);
  asm.i32(signed ? 1 : 0);
  emitConstant(asm, textWords(layOutKey(keys, stringBytes)));
  code.call('describeAggregation');
  parametersOf(func).forEach((parameter, n) => {
    asm.i32(id);
    asm.i32(n);
    asm.i64(parameter);
    code.call('aggregationParameter');
  });
}

function parametersOf(func: AggregatingFunction): readonly number[] {
  if (func.name === 'lquantize') return [func.base, func.step, linearLevels(func)];
  return func.name === 'llquantize' ? [func.factor, func.low, func.high, func.steps] : [];
}

/** Lowers an aggregating statement. Its actions are those of the original: one for the aggregation, one for each key, one for an increment, one for the value. */
export function aggregate(code: Code, statement: AggregateStatement): void {
  const { asm } = code;
  const { aggregation } = statement;
  code.nextAction();
  const layout = layOutKey(aggregation.keys, code.module.variables.stringBytes);
  const key = evaluateKey(code, layout, statement.keys, true);
  const increment = optional(code, statement.increment);
  code.nextAction();
  const operand = statement.value === undefined ? -1 : evaluate(code, statement.value);
  findElement(code, aggregation, key);
  releaseKey(code, key);
  code.withLocal(I32, (place) => {
    asm.get(place);
    asm.if_();
    add(code, aggregation, place, operand, increment);
    asm.end();
  });
  if (operand >= 0) asm.release(operand);
  if (increment >= 0) asm.release(increment);
}

function evaluate(code: Code, e: Expression): number {
  value(code, e);
  return code.keep();
}

function optional(code: Code, e: Expression | undefined): number {
  if (e === undefined) return -1;
  code.nextAction();
  return evaluate(code, e);
}

/** Pushes the place (i32) of the element's value; 0 = there is no room. */
function findElement(code: Code, aggregation: Aggregation, key: EvaluatedKey): void {
  const { asm } = code;
  const { parts, bytes } = key.layout;
  const scalars = parts.length <= 2 && parts.every(({ rep }) => rep.kind === 'scalar');
  if (!scalars) buildKey(code, key);
  asm.i32(aggregation.id);
  if (scalars) {
    for (const local of key.locals) asm.get(local);
    code.call(parts.length === 0 ? 'aggregation0' : parts.length === 1 ? 'aggregation1' : 'aggregation2');
    return;
  }
  pushKeyPlace(code);
  asm.i32(bytes);
  code.call('aggregationN');
}

/** Adds the i64 that `push` leaves to the word at `offset` of the value. */
function addTo({ asm }: Code, place: number, offset: number, push: () => void): void {
  asm.get(place);
  asm.get(place);
  asm.mem(OP.i64Load, offset);
  push();
  asm.op(OP.i64Add);
  asm.mem(OP.i64Store, offset);
}

function add(code: Code, { id, func }: Aggregation, place: number, operand: number, increment: number): void {
  const { asm } = code;
  const one = (): void => asm.i64(1);
  const pushOperand = (): void => asm.get(operand);
  const pushQuantized = (): void => {
    asm.get(place);
    asm.get(operand);
    if (increment >= 0) asm.get(increment);
    else one();
  };
  switch (func.name) {
    case 'count':
      addTo(code, place, 0, one);
      break;
    case 'sum':
      addTo(code, place, 0, pushOperand);
      break;
    case 'avg':
      addTo(code, place, 0, one);
      addTo(code, place, WORD, pushOperand);
      break;
    case 'min':
    case 'max':
      asm.i32(id);
      asm.get(place);
      asm.get(operand);
      code.call(func.name === 'min' ? 'minimum' : 'maximum');
      break;
    case 'stddev':
      asm.get(place);
      asm.get(operand);
      code.call('deviation');
      break;
    case 'quantize':
      pushQuantized();
      code.call('quantize');
      break;
    case 'lquantize':
      pushQuantized();
      asm.i64(func.base);
      asm.i64(func.step);
      asm.i32(linearLevels(func));
      code.call('lquantize');
      break;
    case 'llquantize':
      pushQuantized();
      asm.i64(func.factor);
      asm.i32(func.low);
      asm.i32(func.high);
      asm.i64(func.steps);
      asm.i32(logLinearBuckets(func));
      code.call('llquantize');
      break;
  }
}
