/**
 * Conditions of #if and #elif: integer expressions of 64 bits in which names that no macro has are 0.
 *
 * By ISO C 6.10.1. What is not evaluated may divide by zero.
 *
 * @module
 */
import { MacroError } from './cpp-macro.ts';
import type { CppToken } from './cpp-token.ts';
import { characterLiteral, integerLiteral } from './literal.ts';

const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const DEEPEST = 200;

const truth = (value: boolean): bigint => (value ? 1n : 0n);
const fit = (value: bigint): bigint => BigInt.asIntN(64, value);

function divide(operator: string, a: bigint, b: bigint): bigint {
  if (b === 0n) throw new MacroError('division by zero in #if');
  return fit(operator === '/' ? a / b : a % b);
}

function combine(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '||':
      return truth(a !== 0n || b !== 0n);
    case '&&':
      return truth(a !== 0n && b !== 0n);
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    case '&':
      return a & b;
    case '==':
      return truth(a === b);
    case '!=':
      return truth(a !== b);
    case '<':
      return truth(a < b);
    case '<=':
      return truth(a <= b);
    case '>':
      return truth(a > b);
    case '>=':
      return truth(a >= b);
    case '<<':
      return fit(a << (b & 63n));
    case '>>':
      return a >> (b & 63n);
    case '+':
      return fit(a + b);
    case '-':
      return fit(a - b);
    case '*':
      return fit(a * b);
    default:
      return divide(operator, a, b);
  }
}

class Condition {
  readonly #tokens: readonly CppToken[];
  #at = 0;
  #depth = 0;
  /** Parts around the present one that are not evaluated. */
  #unevaluated = 0;

  constructor(tokens: readonly CppToken[]) {
    this.#tokens = tokens;
  }

  value(): bigint {
    const value = this.#conditional();
    if (this.#at < this.#tokens.length) throw new MacroError(`missing binary operator before token "${this.#tokens[this.#at]?.text}"`);
    return value;
  }

  #accept(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at++;
    return true;
  }

  #conditional(): bigint {
    if (++this.#depth > DEEPEST) throw new MacroError('#if expression is nested too deeply');
    const condition = this.#binary(0);
    let value = condition;
    if (this.#accept('?')) {
      const then = this.#evaluated(condition !== 0n, () => this.#conditional());
      if (!this.#accept(':')) throw new MacroError("'?' without following ':' in #if");
      const otherwise = this.#evaluated(condition === 0n, () => this.#conditional());
      value = condition === 0n ? otherwise : then;
    }
    this.#depth--;
    return value;
  }

  #binary(level: number): bigint {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let value = this.#binary(level + 1);
    for (;;) {
      const operator = this.#tokens[this.#at]?.text ?? '';
      if (!operators.includes(operator)) return value;
      this.#at++;
      const decided = (operator === '||' && value !== 0n) || (operator === '&&' && value === 0n);
      const right = this.#evaluated(!decided, () => this.#binary(level + 1));
      if ((operator === '/' || operator === '%') && right === 0n && this.#unevaluated > 0) value = 0n;
      else value = combine(operator, value, right);
    }
  }

  /** Reads a part whose value may not matter. */
  #evaluated(matters: boolean, read: () => bigint): bigint {
    if (matters) return read();
    this.#unevaluated++;
    const value = read();
    this.#unevaluated--;
    return value;
  }

  #unary(): bigint {
    if (++this.#depth > DEEPEST) throw new MacroError('#if expression is nested too deeply');
    const value = this.#operand();
    this.#depth--;
    return value;
  }

  #operand(): bigint {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new MacroError('#if with no expression');
    switch (token.text) {
      case '-':
        return fit(-this.#unary());
      case '+':
        return this.#unary();
      case '~':
        return ~this.#unary();
      case '!':
        return truth(this.#unary() === 0n);
      case '(': {
        const value = this.#conditional();
        if (!this.#accept(')')) throw new MacroError("missing ')' in expression");
        return value;
      }
    }
    if (token.kind === 'name') return 0n;
    if (token.kind === 'number') {
      const literal =
        /^[0-9]/.test(token.text) && /^(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*$/.test(token.text) ? integerLiteral(token.text) : undefined;
      if (literal !== undefined && !('error' in literal)) return fit(literal.value);
    }
    if (token.kind === 'string' && token.text.startsWith("'")) {
      const value = characterLiteral(token.text.slice(1, -1));
      if (value !== undefined) return value;
    }
    throw new MacroError(`token "${token.text}" is not valid in preprocessor expressions`);
  }
}

/** True when the condition, its macros replaced, holds. */
export function conditionHolds(tokens: readonly CppToken[]): boolean {
  return new Condition(tokens.filter(({ kind }) => kind !== 'edge')).value() !== 0n;
}
