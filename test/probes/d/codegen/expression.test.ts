/** Values of expressions, against a model in BigInt. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT, SPECIAL } from '../../../../probes/arena.ts';
import { fit, sizeOf } from '../../../../probes/d/ctype.ts';
import type { ArithmeticOperator, ComparisonOperator, Expression } from '../../../../probes/d/tree.ts';
import { Bench, Run } from './firing.ts';
import { BEGIN, INTEGERS, arithmetic, clause, compare, convert, integer, program, trace, unary } from './nodes.ts';
import { Model } from './model.ts';
import { RandomTree } from './random-tree.ts';

const test = suite('codegen: expressions');
const bench = new Bench();

const ARITHMETIC: readonly ArithmeticOperator[] = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'];
const COMPARISONS: readonly ComparisonOperator[] = ['<', '<=', '>', '>=', '==', '!='];

/** Each in a clause of its own; the low bytes of each value, or the fault. */
function evaluate(expressions: readonly Expression[]): (bigint | number)[] {
  const run = new Run(bench, program(expressions.map((e) => clause(BEGIN, [trace(e)]))), {});
  const results = run
    .records()
    .map((record) => (record.epid === SPECIAL.FAULT ? Run.fault(record).fault : (run.data(record)[0] as bigint)));
  run.close();
  return results;
}

function expected(e: Expression): bigint | number {
  const value = new Model().value(e);
  return typeof value === 'number' ? value : BigInt.asUintN(sizeOf(e.type) * 8, value);
}

function check(expressions: readonly Expression[]): void {
  const results = evaluate(expressions);
  assert.is(results.length, expressions.length);
  expressions.forEach((e, i) => {
    assert.is(results[i], expected(e), `${i}: ${JSON.stringify(e, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`);
  });
}

/** Values at the edges of a type. */
function edges(type: (typeof INTEGERS)[number]): bigint[] {
  const bits = BigInt(type.bytes * 8);
  const values = [0n, 1n, 2n, 7n, 1n << (bits - 1n), (1n << (bits - 1n)) - 1n, (1n << bits) - 1n, 100n, (1n << bits) - 7n];
  return [...new Set(values.map((v) => fit(v, type)))];
}

test('every operator gives what C gives, at every width and sign', () => {
  const all: Expression[] = [];
  for (const type of INTEGERS) {
    for (const a of edges(type)) {
      all.push(unary('-', integer(a, type)), unary('~', integer(a, type)), unary('!', integer(a, type)));
      for (const b of edges(type)) {
        for (const operator of ARITHMETIC) {
          if ((operator === '<<' || operator === '>>') && (b < 0n || b >= BigInt(type.bytes * 8))) continue;
          all.push(arithmetic(operator, integer(a, type), integer(b, type)));
        }
        for (const operator of COMPARISONS) all.push(compare(operator, integer(a, type), integer(b, type)));
      }
    }
  }
  for (let i = 0; i < all.length; i += 600) check(all.slice(i, i + 600));
});

test('conversions between all integers keep what fits', () => {
  check(INTEGERS.flatMap((from) => INTEGERS.flatMap((to) => edges(from).map((v) => convert(integer(v, from), to)))));
});

test('division by zero faults', () => {
  const results = evaluate([arithmetic('/', integer(1), integer(0)), arithmetic('%', integer(1), integer(0))]);
  assert.equal(results, [FAULT.DIVZERO, FAULT.DIVZERO]);
});

test('random expressions have the values of the model', () => {
  const random = new RandomTree(20260101);
  const all = Array.from({ length: 1500 }, () => random.expression(5));
  for (let i = 0; i < all.length; i += 500) check(all.slice(i, i + 500));
});

test('an expression nested to any depth neither traps nor is miscounted', () => {
  let e: Expression = integer(1);
  for (let i = 0; i < 600; i++) e = i % 2 === 0 ? arithmetic('+', integer(1), e) : arithmetic('-', e, integer(2));
  check([e]);
});

test.run();
