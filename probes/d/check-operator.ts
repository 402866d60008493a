/**
 * Operators: which operands they take, the conversions C asks for, and the type of the result.
 *
 * By the Dynamic Tracing Guide, "Types, Operators, and Expressions", and ISO C 6.5. Where D differs: strings compare as text, a string may be used as a
 * pointer to its characters, `^^` is a logical exclusive or. Floating-point operands are refused.
 *
 * @module
 */
import type { Context } from './context.ts';
import { addressed, assignable, convert, integer, isLvalue, isWritable, pointersOf, scaled } from './convert.ts';
import {
  CHAR,
  INT,
  POINTER_DIFFERENCE,
  STRING,
  VOID_POINTER,
  compatible,
  isDynamic,
  isFloat,
  isInteger,
  isPointer,
  isScalar,
  isString,
  isStringCompatible,
  isStructure,
  isVoidOrFunctionPointer,
  pointerTo,
  promote,
  promoted,
  referenced,
  sizeOf,
  typeName,
} from './ctype.ts';
import { foldBinary, foldUnary } from './fold.ts';
import type { AssignOperator, BinaryOperator, StepOperator } from './syntax.ts';
import type { ArithmeticOperator, ComparisonOperator, Expression } from './tree.ts';
import { type Type, resolve } from './types.ts';

/** No C type and no stack or symbol either: an aggregation, a translation as a whole. */
export function isUntyped(type: Type): boolean {
  const t = resolve(type);
  return t.kind === 'dynamic' && (t.what === 'aggregation' || t.what === 'bytes');
}

/** A type's name in messages; what has none is <DYN> there. */
export function nameOf(type: Type): string {
  return isUntyped(type) ? '<DYN>' : typeName(type);
}

const isConstantZero = (e: Expression): boolean => e.op === 'integer' && e.value === 0n;

export class Operators {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #raise(tag: string, text: string, line: number): never {
    return this.#context.raise(tag, text, line);
  }

  incompatible(left: Expression, operator: string, right: Expression, line: number): never {
    return this.#raise(
      'D_OP_INCOMPAT',
      `operands have incompatible types: "${nameOf(left.type)}" ${operator} "${nameOf(right.type)}"`,
      line,
    );
  }

  unary(operator: '+' | '-' | '~' | '!', operand: Expression, line: number): Expression {
    const { type } = operand;
    if (operator === '!') {
      if (!isScalar(type)) this.#raise('D_OP_SCALAR', 'operator ! requires an operand of scalar type', line);
    } else if (operator === '~') {
      if (!isInteger(type)) this.#raise('D_OP_INT', 'operator ~ requires an operand of integral type', line);
    } else if (!isInteger(type)) {
      this.#raise('D_OP_ARITH', `operator ${operator} requires an operand of arithmetic type`, line);
    }
    if (operand.op === 'integer' && isInteger(type)) {
      const folded = foldUnary(operator, operand);
      if (folded !== undefined) return integer(folded.value, folded.type, line);
    }
    if (operator === '!') return { op: 'unary', operator, operand, type: INT, line };
    const to = promoted(type);
    const promotedOperand = convert(operand, to);
    return operator === '+' ? promotedOperand : { op: 'unary', operator, operand: promotedOperand, type: to, line };
  }

  binary(operator: BinaryOperator, left: Expression, right: Expression, line: number): Expression {
    this.#checkOperands(operator, left, right, line);
    if (left.op === 'integer' && right.op === 'integer' && isInteger(left.type) && isInteger(right.type)) {
      const folded = foldBinary(operator, left, right);
      if (folded !== 'division by zero') return integer(folded.value, folded.type, line);
    }
    switch (operator) {
      case '&&':
      case '||':
      case '^^':
        return { op: 'logical', operator, left, right, type: INT, line };
      case '<':
      case '<=':
      case '>':
      case '>=':
      case '==':
      case '!=':
        return this.#compare(operator, left, right, line);
      case '+':
      case '-':
        return this.#additive(operator, left, right, line);
      case '<<':
      case '>>': {
        const type = promoted(left.type);
        return { op: 'arithmetic', operator, left: convert(left, type), right: convert(right, promoted(right.type)), type, line };
      }
      default:
        return this.#arithmetic(operator, left, right, line);
    }
  }

  #checkOperands(operator: string, left: Expression, right: Expression, line: number): void {
    const integers = isInteger(left.type) && isInteger(right.type);
    switch (operator) {
      case '&':
      case '|':
      case '^':
      case '%':
      case '<<':
      case '>>':
        if (!integers) this.#raise('D_OP_INT', `operator ${operator} requires operands of integral type`, line);
        break;
      case '*':
      case '/':
        if (!integers) this.#raise('D_OP_ARITH', `operator ${operator} requires operands of arithmetic type`, line);
        break;
      case '&&':
      case '||':
      case '^^':
        if (!isScalar(left.type) || !isScalar(right.type)) {
          this.#raise('D_OP_SCALAR', `operator ${operator} requires operands of scalar type`, line);
        }
        break;
    }
    if ((operator === '/' || operator === '%') && isConstantZero(right)) {
      this.#raise('D_DIV_ZERO', 'expression contains division by zero', line);
    }
  }

  #arithmetic(operator: ArithmeticOperator, left: Expression, right: Expression, line: number): Expression {
    const type = promote(left.type, right.type);
    return { op: 'arithmetic', operator, left: convert(left, type), right: convert(right, type), type, line };
  }

  #compare(operator: ComparisonOperator, left: Expression, right: Expression, line: number): Expression {
    const node = (l: Expression, r: Expression): Expression => ({ op: 'compare', operator, left: l, right: r, type: INT, line });
    const a = left.type;
    const b = right.type;
    if (isInteger(a) && isInteger(b)) {
      const type = promote(a, b);
      return node(convert(left, type), convert(right, type));
    }
    if (isStringCompatible(a) && isStringCompatible(b) && (isString(a) || isString(b))) {
      return node(convert(left, STRING), convert(right, STRING));
    }
    const common = pointersOf(left, right);
    if (common === undefined || isFloat(a)) this.incompatible(left, operator, right, line);
    // A string against 0: its address.
    const type = isString(common) ? VOID_POINTER : common;
    return node(convert(left, type), convert(right, type));
  }

  #additive(operator: '+' | '-', left: Expression, right: Expression, line: number): Expression {
    if (isInteger(left.type) && isInteger(right.type)) return this.#arithmetic(operator, left, right, line);
    const pointers = [left, right].map(({ type }) => isString(type) || (isPointer(type) && !isVoidOrFunctionPointer(type)));
    if (pointers[0] && isInteger(right.type)) return this.#offset(operator, left, right, line);
    if (pointers[1] && isInteger(left.type) && operator === '+') return this.#offset(operator, right, left, line);
    if (!pointers[0] || !pointers[1] || operator === '+' || pointersOf(left, right) === undefined)
      this.incompatible(left, operator, right, line);
    const of = referenced(left.type) as Type;
    const type = POINTER_DIFFERENCE;
    const bytes: Expression = {
      op: 'arithmetic',
      operator,
      left: convert(addressed(left, of), type),
      right: convert(addressed(right, of), type),
      type,
      line,
    };
    const size = BigInt(sizeOf(of));
    return size <= 1n ? bytes : { op: 'arithmetic', operator: '/', left: bytes, right: integer(size, type, line), type, line };
  }

  /** A pointer and an integer. With a string the result is a string again. */
  #offset(operator: '+' | '-', pointer: Expression, index: Expression, line: number): Expression {
    const of = referenced(pointer.type) as Type;
    const left = addressed(pointer, of);
    const sum: Expression = { op: 'arithmetic', operator, left, right: scaled(index, of), type: left.type, line };
    return isString(pointer.type) ? { op: 'convert', operand: sum, type: pointer.type, line } : sum;
  }

  /** `object[index]` of pointers, arrays and strings: what stands there. */
  element(object: Expression, index: Expression, line: number): Expression {
    const sum = this.binary('+', this.#plain(object), index, line);
    if (isInteger(sum.type)) this.#raise('D_DEREF_NONPTR', 'cannot dereference non-pointer type', line);
    return this.dereference(sum, line);
  }

  /** Arrays without a sign of being values: their elements' address. */
  #plain(object: Expression): Expression {
    return resolve(object.type).kind === 'array' ? addressed(object, CHAR) : object;
  }

  dereference(pointer: Expression, line: number): Expression {
    const of = referenced(pointer.type);
    if (of === undefined) this.#raise('D_DEREF_NONPTR', 'cannot dereference non-pointer type', line);
    const { kind } = resolve(of);
    if (kind === 'void') this.#raise('D_DEREF_VOID', 'cannot dereference pointer to void', line);
    if (kind === 'function') this.#raise('D_DEREF_FUNC', 'cannot dereference pointer to function', line);
    const address = addressed(pointer, of);
    // `*&x` is x.
    if (address.op === 'address' && compatible(address.of.type, of)) return address.of;
    return { op: 'dereference', address, type: of, line };
  }

  addressOf(operand: Expression, line: number): Expression {
    const { type } = operand;
    if (operand.op === 'variable') this.#raise('D_ADDROF_VAR', 'cannot take address of dynamic variable', line);
    if (isDynamic(type)) this.#raise('D_ADDROF_VAR', 'cannot take address of dynamic object', line);
    if (!isLvalue(operand)) this.#raise('D_ADDROF_LVAL', 'unacceptable operand for unary & operator', line);
    if (operand.op === 'member' && operand.member.bits !== undefined) {
      this.#raise('D_ADDROF_BITFIELD', 'cannot take address of bit-field', line);
    }
    return { op: 'address', of: operand, type: pointerTo(type), line };
  }

  stringOf(operand: Expression, line: number): Expression {
    const { type } = operand;
    if (!isScalar(type) && !isStringCompatible(type)) {
      this.#raise('D_STRINGOF_TYPE', `cannot apply stringof to a value of type ${nameOf(type)}`, line);
    }
    return convert(operand, STRING);
  }

  conditional(condition: Expression, then: Expression, otherwise: Expression, line: number): Expression {
    if (!isScalar(condition.type)) this.#raise('D_OP_SCALAR', 'operator ?: expression must be of scalar type', line);
    if (isUntyped(then.type) || isUntyped(otherwise.type)) {
      this.#raise('D_OP_DYN', 'operator ?: operands cannot be of dynamic type', line);
    }
    const type = this.#commonType(then, otherwise);
    if (type === undefined) this.#raise('D_OP_INCOMPAT', 'operator ?: operands must have compatible types', line);
    return choice(condition, convert(then, type), convert(otherwise, type), type, line);
  }

  #commonType(then: Expression, otherwise: Expression): Type | undefined {
    const a = then.type;
    const b = otherwise.type;
    if (isInteger(a) && isInteger(b)) return compatible(a, b) && resolve(a).kind === 'enum' ? a : promote(a, b);
    if (compatible(a, b)) return a;
    if (isStringCompatible(a) && isStringCompatible(b) && (isString(a) || isString(b))) return STRING;
    return pointersOf(then, otherwise);
  }

  /** `target = value`. The target has its type. */
  assign(target: Expression, value: Expression, line: number): Expression {
    const { kind } = resolve(target.type);
    if (kind === 'array' || kind === 'function') {
      this.#raise('D_OP_ARRFUN', `operator = may not be applied to operand of type "${nameOf(target.type)}"`, line);
    }
    if (!assignable(target.type, value)) this.incompatible(target, '=', value, line);
    this.#checkTarget('=', target, line);
    return { op: 'assign', target, value: convert(value, target.type), type: target.type, line };
  }

  #checkTarget(operator: string, target: Expression, line: number): void {
    if (!isLvalue(target) && target.op !== 'builtin' && target.op !== 'register' && target.op !== 'argument') {
      this.#raise('D_OP_LVAL', `operator ${operator} requires modifiable lvalue as an operand`, line);
    }
    if (!isWritable(target)) this.#raise('D_OP_WRITE', `operator ${operator} can only be applied to a writable variable`, line);
  }

  /** `target op= value`. */
  update(operator: Exclude<AssignOperator, '='>, target: Expression, value: Expression, line: number): Expression {
    const plain = operator.slice(0, -1) as ArithmeticOperator;
    const additive = plain === '+' || plain === '-';
    if (additive) this.#checkAdditive(operator, target, value, line);
    else this.#checkOperandsOf(operator, plain, target, value, line);
    this.#checkTarget(operator, target, line);
    return { op: 'update', operator: plain, target, value: this.#operand(plain, target, value), result: 'new', type: target.type, line };
  }

  #checkOperandsOf(operator: string, plain: ArithmeticOperator, target: Expression, value: Expression, line: number): void {
    if (!isInteger(target.type) || !isInteger(value.type)) {
      if (plain === '*' || plain === '/') this.#raise('D_OP_ARITH', `operator ${operator} requires operands of arithmetic type`, line);
      this.#raise('D_OP_INT', `operator ${operator} requires operands of integral type`, line);
    }
    this.#checkOperands(plain, target, value, line);
  }

  #checkAdditive(operator: string, target: Expression, value: Expression, line: number): void {
    if (isString(target.type) || isString(value.type)) this.incompatible(target, operator, value, line);
    if (isInteger(target.type) && isInteger(value.type)) return;
    if (!isPointer(target.type) || isVoidOrFunctionPointer(target.type)) {
      this.#raise('D_OP_VFPTR', `operator ${operator} requires left-hand scalar operand of known size`, line);
    }
    if (!isInteger(value.type)) this.incompatible(target, operator, value, line);
  }

  /** The second operand of an update, whose type is the one that is computed in. */
  #operand(operator: ArithmeticOperator, target: Expression, value: Expression): Expression {
    const of = referenced(target.type);
    if (of !== undefined) return convertTo(scaled(value, of), target.type);
    const shift = operator === '<<' || operator === '>>';
    return convertTo(value, shift ? promoted(target.type) : promote(target.type, value.type));
  }

  step(operator: StepOperator, prefix: boolean, target: Expression, line: number): Expression {
    const { type } = target;
    if (!isScalar(type) || isFloat(type)) this.#raise('D_OP_SCALAR', `operator ${operator} requires operand of scalar type`, line);
    if (isVoidOrFunctionPointer(type)) this.#raise('D_OP_VFPTR', `operator ${operator} requires an operand of known size`, line);
    this.#checkTarget(operator, target, line);
    const plain = operator === '++' ? '+' : '-';
    const value = this.#operand(plain, target, integer(1n, INT, line));
    return { op: 'update', operator: plain, target, value, result: prefix ? 'new' : 'old', type, line };
  }

  castTo(type: Type, operand: Expression, line: number): Expression {
    const from = operand.type;
    const { kind } = resolve(type);
    const fits =
      compatible(type, from) ||
      (isScalar(type) && isScalar(from)) ||
      kind === 'void' ||
      (kind === 'pointer' && isPointer(from)) ||
      (kind === 'string' && (isScalar(from) || isStringCompatible(from)));
    if (!fits || isFloat(from) !== isFloat(type)) {
      this.#raise('D_CAST_INVAL', `invalid cast expression: "${nameOf(from)}" to "${nameOf(type)}"`, line);
    }
    if (isStructure(type)) return operand;
    if (operand.op === 'integer' && isInteger(type)) return integer(operand.value, type, line);
    return operand.type === type ? operand : { op: 'convert', operand, type, line };
  }
}

function choice(condition: Expression, then: Expression, otherwise: Expression, type: Type, line: number): Expression {
  return { op: 'conditional', condition, then, otherwise, type, line };
}

/** A value whose node is of the type, also when another type is held alike. */
function convertTo(e: Expression, type: Type): Expression {
  const converted = convert(e, type);
  return compatible(converted.type, type) ? converted : { op: 'convert', operand: e, type, line: e.line };
}
