/**
 * Constant expressions: what the parser computes itself.
 *
 * The original folds operators whose operands are integer constants while it parses, and calls constant whatever came out as one: sizes of arrays,
 * enumerators, bounds of lquantize(). The results have C's types; one that a left shift pushes out of int becomes long, so that `1 << 40` is what
 * its writer meant.
 *
 * @module
 */
import { INT, LONG, UNSIGNED_LONG, fit, isInteger, isSigned, promote, promoted } from './ctype.ts';
import type { BinaryOperator, SyntaxOf, UnaryOperator } from './syntax.ts';
import type { Type } from './types.ts';

type Constant = Pick<SyntaxOf<'integer'>, 'value' | 'type'>;

const truth = (value: boolean): Constant => ({ value: value ? 1n : 0n, type: INT });
const fitted = (value: bigint, type: Type): Constant => ({ value: fit(value, type), type });

/** A unary operator applied to a constant; undefined when it is not one of numbers. */
export function foldUnary(operator: UnaryOperator, operand: Constant): Constant | undefined {
  const type = promoted(operand.type);
  switch (operator) {
    case '+':
      return { value: operand.value, type };
    case '-':
      return fitted(-operand.value, type);
    case '~':
      return fitted(~operand.value, type);
    case '!':
      return truth(operand.value === 0n);
    default:
      return undefined;
  }
}

function shifted(value: bigint, type: Type): Constant {
  if (fit(value, type) === value) return { value, type };
  return fitted(value, isSigned(type) ? LONG : UNSIGNED_LONG);
}

/** A binary operator applied to constants; `division by zero` when it cannot be. */
export function foldBinary(operator: BinaryOperator, left: Constant, right: Constant): Constant | 'division by zero' {
  const type = promote(left.type, right.type);
  const l = fit(left.value, type);
  const r = fit(right.value, type);
  switch (operator) {
    case '&&':
      return truth(left.value !== 0n && right.value !== 0n);
    case '||':
      return truth(left.value !== 0n || right.value !== 0n);
    case '^^':
      return truth((left.value !== 0n) !== (right.value !== 0n));
    case '<':
      return truth(l < r);
    case '<=':
      return truth(l <= r);
    case '>':
      return truth(l > r);
    case '>=':
      return truth(l >= r);
    case '==':
      return truth(l === r);
    case '!=':
      return truth(l !== r);
    case '<<':
      return shifted(left.value << (right.value & 63n), promoted(left.type));
    case '>>':
      return fitted(left.value >> (right.value & 63n), promoted(left.type));
    case '+':
      return fitted(l + r, type);
    case '-':
      return fitted(l - r, type);
    case '*':
      return fitted(l * r, type);
    case '&':
      return fitted(l & r, type);
    case '|':
      return fitted(l | r, type);
    case '^':
      return fitted(l ^ r, type);
    case '/':
      return r === 0n ? 'division by zero' : fitted(l / r, type);
    case '%':
      return r === 0n ? 'division by zero' : fitted(l % r, type);
  }
}

/** A cast of a constant to an integer type; undefined for other types. */
export function foldCast(type: Type, operand: Constant): Constant | undefined {
  return isInteger(type) ? fitted(operand.value, type) : undefined;
}
