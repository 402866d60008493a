/** What an expression over integers means: C's rules, in BigInt. A fault is a number. */
import { FAULT } from '../../../../probes/arena.ts';
import { fit } from '../../../../probes/d/ctype.ts';
import type { ArithmeticOperator, Binding, ComparisonOperator, Expression, Variable } from '../../../../probes/d/tree.ts';
import type { Type } from '../../../../probes/d/types.ts';

class Fault extends Error {
  readonly kind: number;
  constructor(kind: number) {
    super(`fault ${kind}`);
    this.kind = kind;
  }
}

export function combine(operator: ArithmeticOperator, a: bigint, b: bigint, type: Type): bigint {
  switch (operator) {
    case '+':
      return fit(a + b, type);
    case '-':
      return fit(a - b, type);
    case '*':
      return fit(a * b, type);
    case '/':
    case '%':
      if (b === 0n) throw new Fault(FAULT.DIVZERO);
      return fit(operator === '/' ? a / b : a % b, type);
    case '&':
      return fit(a & b, type);
    case '|':
      return fit(a | b, type);
    case '^':
      return fit(a ^ b, type);
    case '<<':
      return fit(a << (b & 63n), type);
    case '>>':
      return fit(a >> (b & 63n), type);
  }
}

export function order(operator: ComparisonOperator, a: bigint, b: bigint): boolean {
  switch (operator) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '==':
      return a === b;
    case '!=':
      return a !== b;
  }
}

export class Model {
  readonly variables = new Map<Variable, bigint>();
  readonly elements = new Map<string, bigint>();
  readonly #bound = new Map<Binding, bigint>();

  /** The value, or the number of the fault. */
  value(e: Expression): bigint | number {
    try {
      return this.#evaluate(e);
    } catch (error) {
      if (error instanceof Fault) return error.kind;
      throw error;
    }
  }

  #place(e: Expression): { get(): bigint; set(value: bigint): void } {
    if (e.op !== 'variable') throw new Error(`model: ${e.op} as a target`);
    const { variable } = e;
    if (e.keys === undefined) {
      return { get: () => this.variables.get(variable) ?? 0n, set: (value) => void this.variables.set(variable, value) };
    }
    const key = `${variable.name}/${e.keys.map((k) => this.#evaluate(k)).join('/')}`;
    return {
      get: () => this.elements.get(key) ?? 0n,
      set: (value) => {
        if (value === 0n) this.elements.delete(key);
        else this.elements.set(key, value);
      },
    };
  }

  #evaluate(e: Expression): bigint {
    const truth = (x: Expression): boolean => this.#evaluate(x) !== 0n;
    switch (e.op) {
      case 'integer':
        return e.value;
      case 'unary': {
        const value = this.#evaluate(e.operand);
        if (e.operator === '!') return value === 0n ? 1n : 0n;
        return fit(e.operator === '-' ? -value : ~value, e.type);
      }
      case 'convert':
        return fit(this.#evaluate(e.operand), e.type);
      case 'arithmetic':
        return combine(e.operator, this.#evaluate(e.left), this.#evaluate(e.right), e.type);
      case 'compare':
        return order(e.operator, this.#evaluate(e.left), this.#evaluate(e.right)) ? 1n : 0n;
      case 'logical':
        if (e.operator === '&&') return truth(e.left) && truth(e.right) ? 1n : 0n;
        if (e.operator === '||') return truth(e.left) || truth(e.right) ? 1n : 0n;
        return truth(e.left) !== truth(e.right) ? 1n : 0n;
      case 'conditional':
        return this.#evaluate(truth(e.condition) ? e.then : e.otherwise);
      case 'sequence':
        return e.parts.map((part) => this.#evaluate(part)).at(-1) as bigint;
      case 'let': {
        this.#bound.set(e.binding, this.#evaluate(e.value));
        return this.#evaluate(e.body);
      }
      case 'bound':
        return this.#bound.get(e.binding) as bigint;
      case 'variable':
        return this.#place(e).get();
      case 'assign': {
        const value = this.#evaluate(e.value);
        this.#place(e.target).set(fit(value, e.target.type));
        return value;
      }
      case 'update': {
        const value = this.#evaluate(e.value);
        const place = this.#place(e.target);
        const old = place.get();
        const result = fit(combine(e.operator, fit(old, e.value.type), value, e.value.type), e.target.type);
        place.set(result);
        return e.result === 'old' ? old : result;
      }
      default:
        throw new Error(`model: ${e.op}`);
    }
  }
}
