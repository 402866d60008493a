/** Random checked expressions over integers, from a seed. */
import { INT, fit } from '../../../../probes/d/ctype.ts';
import type { ArithmeticOperator, Binding, ComparisonOperator, Expression, Variable } from '../../../../probes/d/tree.ts';
import type { IntType } from '../../../../probes/d/types.ts';
import { INTEGERS, arithmetic, assign, compare, convert, integer, of, unary, update } from './nodes.ts';

const ARITHMETIC: readonly ArithmeticOperator[] = ['+', '-', '*', '/', '%', '&', '|', '^'];
const COMPARISONS: readonly ComparisonOperator[] = ['<', '<=', '>', '>=', '==', '!='];

export class RandomTree {
  #state: number;
  readonly #variables: readonly Variable[];
  readonly #bound: Binding[] = [];

  constructor(seed: number, variables: readonly Variable[] = []) {
    this.#state = seed >>> 0;
    this.#variables = variables;
  }

  /** An integer below `n`. */
  below(n: number): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  word(): bigint {
    const bits = BigInt(this.pick([3, 8, 16, 31, 32, 33, 63, 64]));
    return BigInt.asUintN(
      Number(bits),
      (BigInt(this.below(2 ** 31)) << 33n) ^ (BigInt(this.below(2 ** 31)) << 13n) ^ BigInt(this.below(8192)),
    );
  }

  type(): IntType {
    return this.pick(INTEGERS);
  }

  expression(depth: number, type: IntType = this.type()): Expression {
    if (depth === 0 || this.below(8) === 0) return this.#leaf(type);
    const sub = (t: IntType = type): Expression => this.expression(depth - 1, t);
    switch (this.below(12)) {
      case 0:
      case 1:
      case 2:
        return arithmetic(this.pick(ARITHMETIC), sub(), sub());
      case 3:
        return arithmetic(this.pick(['<<', '>>']), sub(), integer(this.below(type.bytes * 8), INT));
      case 4: {
        const t = this.type();
        return convert(compare(this.pick(COMPARISONS), sub(t), sub(t)), type);
      }
      case 5:
        return unary(this.pick(['-', '~']), sub());
      case 6:
        return convert(unary('!', sub(this.type())), type);
      case 7:
        return convert(sub(this.type()), type);
      case 8:
        return {
          op: 'conditional',
          condition: sub(this.type()),
          // biome-ignore lint/suspicious/noThenProperty: the name that the checked tree has
          then: sub(),
          otherwise: sub(),
          type,
          line: 1,
        };
      case 9:
        return convert(
          { op: 'logical', operator: this.pick(['&&', '||', '^^']), left: sub(this.type()), right: sub(this.type()), type: INT, line: 1 },
          type,
        );
      case 10:
        return this.#let(depth, type);
      default:
        return this.#effect(depth, type);
    }
  }

  #leaf(type: IntType): Expression {
    const bound = this.#bound.filter((b) => b.type === type);
    if (bound.length > 0 && this.below(2) === 0) return { op: 'bound', binding: this.pick(bound), type, line: 1 };
    if (this.#variables.length > 0 && this.below(2) === 0) return convert(this.#target(), type);
    return integer(fit(this.word(), type), type);
  }

  #let(depth: number, type: IntType): Expression {
    const binding: Binding = { name: `b${this.below(1000)}`, type: this.type() };
    const value = this.expression(depth - 1, binding.type as IntType);
    this.#bound.push(binding);
    const body = this.expression(depth - 1, type);
    this.#bound.pop();
    return { op: 'let', binding, value, body, type, line: 1 };
  }

  /** A variable, or an element with a key of few values. */
  #target(): Expression {
    const variable = this.pick(this.#variables);
    const keys = (variable.keys ?? []).map((type) => integer(fit(BigInt(this.below(4) - 1), type), type));
    return of(variable, ...keys);
  }

  #effect(depth: number, type: IntType): Expression {
    if (this.#variables.length === 0) {
      return { op: 'sequence', parts: [this.expression(depth - 1), this.expression(depth - 1, type)], type, line: 1 };
    }
    const target = this.#target();
    const own = target.type as IntType;
    if (this.below(2) === 0) return convert(assign(target, this.expression(depth - 1, own)), type);
    // What combines is at least as wide as int, and as the target.
    const wide = this.pick(INTEGERS.filter((t) => t.bytes >= Math.max(4, own.bytes)));
    const operator = this.pick([...ARITHMETIC, '<<', '>>'] as const);
    const value = operator === '<<' || operator === '>>' ? integer(this.below(wide.bytes * 8), wide) : this.expression(depth - 1, wide);
    return convert(update(operator, target, value, this.pick(['new', 'old'])), type);
  }
}
