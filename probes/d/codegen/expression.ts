/**
 * Expressions: lowering of the checked tree's nodes.
 *
 * `value` leaves the value as an i64, `condition` leaves its truth as an i32, `effect` leaves nothing. Arithmetic is done in 64 bits and cut to the node's
 * type, which gives what C's would in that type, because the operands are extended by their sign.
 *
 * @module
 */
import { I32, I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { offsetOf } from '../../../vmm/cpu/layout.ts';
import { FAULT } from '../../arena.ts';
import { isSigned, sizeOf } from '../ctype.ts';
import type { ArithmeticOperator, ComparisonOperator, Expression } from '../tree.ts';
import { type Type, resolve } from '../types.ts';
import { builtin } from './builtin.ts';
import { type Code, PARAMETER } from './code.ts';
import { assignElement, loadElement, updateElement } from './keyed.ts';
import { type LvalueExpression, type Location, isLvalue, load, locate, pushAddress, releaseLocation, store } from './location.ts';
import { lookUpChain } from './chain.ts';
import { register } from './register.ts';
import { emitConstant, emitExtend, emitFit, representation } from './representation.ts';
import { subroutine } from './subroutine.ts';

type Of<Op extends Expression['op']> = Extract<Expression, { op: Op }>;

/** Raw argument `index` of the probe. */
export function pushArgument({ asm }: Code, index: number): void {
  asm.get(PARAMETER.CPU);
  asm.mem(OP.i64Load, offsetOf('PROBE_ARG', index));
}

/** Leaves the value of `e` on the stack. */
export function value(code: Code, e: Expression): void {
  const { asm } = code;
  switch (e.op) {
    case 'integer':
      emitConstant(asm, e.value);
      break;
    case 'text':
      code.arenaAddress(code.module.text(e.value));
      break;
    case 'builtin':
      builtin(code, e.name);
      break;
    case 'argument':
      pushArgument(code, e.index);
      emitFit(asm, e.type);
      break;
    case 'register':
      register(code, e.set, e.index);
      break;
    case 'variable':
    case 'dereference':
    case 'member':
      lvalue(code, e);
      break;
    case 'address':
      address(code, e.of);
      break;
    case 'unary':
      unary(code, e);
      break;
    case 'convert':
      convert(code, e);
      break;
    case 'arithmetic':
      value(code, e.left);
      value(code, e.right);
      arithmetic(code, e.operator, e.type, e.right);
      break;
    case 'compare':
    case 'logical':
      condition(code, e);
      asm.op(OP.i64ExtendI32U);
      return;
    case 'conditional':
      conditional(code, e);
      break;
    case 'sequence':
      for (const part of e.parts.slice(0, -1)) effect(code, part);
      value(code, e.parts.at(-1) as Expression);
      return;
    case 'assign':
      use(code, assign(code, e));
      break;
    case 'update':
      use(code, update(code, e));
      break;
    case 'call':
      if (!subroutine(code, e)) asm.i64(0, 0);
      break;
    case 'let':
      bind(code, e, () => value(code, e.body));
      return;
    case 'bound':
      asm.get(code.bindings.get(e.binding) as number);
      return;
    case 'dynamic':
      // Of these only a symbol's address is a value that can be computed with.
      if (e.address === undefined) throw new Error('codegen: a stack is no value');
      value(code, e.address);
      break;
  }
  code.step();
}

/** Pushes a local for the last time. */
function use({ asm }: Code, local: number): void {
  asm.get(local);
  asm.release(local);
}

/** Evaluates `e` for what it does. */
export function effect(code: Code, e: Expression): void {
  switch (e.op) {
    case 'assign':
      code.asm.release(assign(code, e));
      break;
    case 'update':
      code.asm.release(update(code, e));
      break;
    case 'sequence':
      for (const part of e.parts) effect(code, part);
      break;
    case 'let':
      bind(code, e, () => effect(code, e.body));
      break;
    case 'call':
      if (subroutine(code, e)) code.asm.op(OP.drop);
      code.step();
      break;
    case 'convert':
      effect(code, e.operand);
      break;
    case 'conditional':
      condition(code, e.condition);
      code.asm.if_();
      effect(code, e.then);
      code.asm.else_();
      effect(code, e.otherwise);
      code.asm.end();
      break;
    default:
      value(code, e);
      code.asm.op(OP.drop);
  }
}

/** Leaves the truth of `e` as an i32: 0, or anything else. */
export function condition(code: Code, e: Expression): void {
  const { asm } = code;
  if (e.op === 'compare') compare(code, e);
  else if (e.op === 'logical') logical(code, e);
  else if (e.op === 'unary' && e.operator === '!') {
    condition(code, e.operand);
    asm.op(OP.i32Eqz);
  } else {
    value(code, e);
    asm.i64(0, 0);
    asm.op(OP.i64Ne);
    return;
  }
  code.step();
}

function lvalue(code: Code, e: LvalueExpression & Expression): void {
  if (e.op === 'variable' && e.keys !== undefined) {
    loadElement(code, e);
    return;
  }
  const location = locate(code, e, false);
  load(code, location);
  releaseLocation(code, location);
}

function address(code: Code, e: Expression): void {
  if (!isLvalue(e)) {
    // A structure or array that is no lvalue is its address already.
    value(code, e);
    return;
  }
  const location = locate(code, e, false);
  pushAddress(code, location);
  releaseLocation(code, location);
}

function unary(code: Code, e: Of<'unary'>): void {
  const { asm } = code;
  switch (e.operator) {
    case '!':
      condition(code, e.operand);
      asm.op(OP.i32Eqz);
      asm.op(OP.i64ExtendI32U);
      return;
    case '-':
      asm.i64(0, 0);
      value(code, e.operand);
      asm.op(OP.i64Sub);
      break;
    case '~':
      value(code, e.operand);
      asm.i64(-1, -1);
      asm.op(OP.i64Xor);
      break;
  }
  emitFit(asm, e.type);
}

function convert(code: Code, e: Of<'convert'>): void {
  value(code, e.operand);
  const to = representation(e.type, 0);
  const from = representation(e.operand.type, 0);
  if (to.kind !== 'scalar') return;
  // Widening by the old sign is done already, unless a negative number becomes a shorter unsigned one.
  const fits =
    from.kind === 'scalar' && (from.bytes < to.bytes ? to.signed || !from.signed : from.bytes === to.bytes && from.signed === to.signed);
  if (!fits) emitExtend(code.asm, to.bytes, to.signed);
}

const PLAIN = {
  '+': OP.i64Add,
  '-': OP.i64Sub,
  '*': OP.i64Mul,
  '&': OP.i64And,
  '|': OP.i64Or,
  '^': OP.i64Xor,
  '<<': OP.i64Shl,
} as const;

/** The operands are on the stack. `right`: the second one's expression, when it is known. */
export function arithmetic(code: Code, operator: ArithmeticOperator, type: Type, right?: Expression): void {
  const { asm } = code;
  const signed = isSigned(type);
  if (operator === '/' || operator === '%') divide(code, operator, type, right);
  else if (operator === '>>') asm.op(signed ? OP.i64ShrS : OP.i64ShrU);
  else asm.op(PLAIN[operator]);
  emitFit(asm, type);
}

/** WebAssembly traps where D faults, and where -2^63 is divided by -1, which gives itself here. */
function divide(code: Code, operator: '/' | '%', type: Type, right: Expression | undefined): void {
  const { asm } = code;
  const signed = isSigned(type);
  const opcode = operator === '/' ? (signed ? OP.i64DivS : OP.i64DivU) : signed ? OP.i64RemS : OP.i64RemU;
  if (right?.op === 'integer' && right.value !== 0n && right.value !== -1n) {
    asm.op(opcode);
    return;
  }
  const divisor = code.keep();
  asm.get(divisor);
  asm.op(OP.i64Eqz);
  asm.hint(false);
  asm.if_();
  code.raise(FAULT.DIVZERO);
  asm.end();
  if (operator === '/' && signed && sizeOf(type) === 8) {
    const dividend = code.keep();
    asm.get(divisor);
    asm.i64(-1, -1);
    asm.op(OP.i64Eq);
    asm.if_(I64);
    asm.i64(0, 0);
    asm.get(dividend);
    asm.op(OP.i64Sub);
    asm.else_();
    asm.get(dividend);
    asm.get(divisor);
    asm.op(opcode);
    asm.end();
    asm.release(dividend);
  } else {
    asm.get(divisor);
    asm.op(opcode);
  }
  asm.release(divisor);
}

type Orders = Readonly<Record<ComparisonOperator, number>>;
const SIGNED: Orders = { '<': OP.i64LtS, '<=': OP.i64LeS, '>': OP.i64GtS, '>=': OP.i64GeS, '==': OP.i64Eq, '!=': OP.i64Ne };
const UNSIGNED: Orders = { '<': OP.i64LtU, '<=': OP.i64LeU, '>': OP.i64GtU, '>=': OP.i64GeU, '==': OP.i64Eq, '!=': OP.i64Ne };
/** Of strcmp's result and 0. */
const OF_TEXTS: Orders = { '<': OP.i32LtS, '<=': OP.i32LeS, '>': OP.i32GtS, '>=': OP.i32GeS, '==': OP.i32Eq, '!=': OP.i32Ne };

function isText(type: Type): boolean {
  return resolve(type).kind === 'string';
}

function compare(code: Code, e: Of<'compare'>): void {
  const { asm } = code;
  value(code, e.left);
  value(code, e.right);
  if (isText(e.left.type) || isText(e.right.type)) {
    code.needs.scratch = true;
    code.callChecked('strcmp');
    asm.i32(0);
    asm.op(OF_TEXTS[e.operator]);
    return;
  }
  asm.op((isSigned(e.left.type) ? SIGNED : UNSIGNED)[e.operator]);
}

function logical(code: Code, e: Of<'logical'>): void {
  const { asm } = code;
  condition(code, e.left);
  if (e.operator === '^^') {
    asm.op(OP.i32Eqz);
    condition(code, e.right);
    asm.op(OP.i32Eqz);
    asm.op(OP.i32Xor);
    return;
  }
  asm.if_(I32);
  if (e.operator === '||') asm.i32(1);
  else truth(code, e.right);
  asm.else_();
  if (e.operator === '&&') asm.i32(0);
  else truth(code, e.right);
  asm.end();
}

/** A condition as 0 or 1. */
function truth(code: Code, e: Expression): void {
  condition(code, e);
  code.asm.i32(0);
  code.asm.op(OP.i32Ne);
}

function conditional(code: Code, e: Of<'conditional'>): void {
  if (lookUpChain(code, e)) return;
  const { asm } = code;
  condition(code, e.condition);
  asm.if_(I64);
  value(code, e.then);
  asm.else_();
  value(code, e.otherwise);
  asm.end();
}

function bind(code: Code, e: Of<'let'>, body: () => void): void {
  value(code, e.value);
  const local = code.keep();
  // The argument of an inline may use the inline itself.
  const outer = code.bindings.get(e.binding);
  code.bindings.set(e.binding, local);
  body();
  if (outer === undefined) code.bindings.delete(e.binding);
  else code.bindings.set(e.binding, outer);
  code.asm.release(local);
}

/** Returns the local that holds the value. */
function assign(code: Code, e: Of<'assign'>): number {
  value(code, e.value);
  const source = code.keep();
  const { target } = e;
  if (!isLvalue(target)) throw new Error('codegen: assignment to what is no lvalue');
  if (target.op === 'variable' && target.keys !== undefined) {
    assignElement(code, target, source);
    return source;
  }
  const location = locate(code, target, true);
  store(code, location, source);
  releaseLocation(code, location);
  narrow(code, location, source);
  return source;
}

/** The value of an assignment to a bit-field is what the field holds. */
function narrow({ asm }: Code, { bits, rep }: Location, local: number): void {
  if (bits === undefined || rep.kind !== 'scalar') return;
  asm.get(local);
  asm.i64(64 - bits.width);
  asm.op(OP.i64Shl);
  asm.i64(64 - bits.width);
  asm.op(rep.signed ? OP.i64ShrS : OP.i64ShrU);
  asm.set(local);
}

/** Returns the local that holds the result. The target is evaluated once, after the value. */
function update(code: Code, e: Of<'update'>): number {
  const { asm } = code;
  const { target } = e;
  if (!isLvalue(target)) throw new Error('codegen: update of what is no lvalue');
  value(code, e.value);
  const operand = code.keep();
  const old = e.result === 'old' ? asm.local(I64) : -1;
  const combine = (): void => {
    if (old >= 0) asm.tee(old);
    emitFit(asm, e.value.type);
    asm.get(operand);
    arithmetic(code, e.operator, e.value.type, e.value);
    emitFit(asm, target.type);
  };
  let result: number;
  if (target.op === 'variable' && target.keys !== undefined) result = updateElement(code, target, combine);
  else {
    const location = locate(code, target, true);
    load(code, location);
    combine();
    result = code.keep();
    store(code, location, result);
    releaseLocation(code, location);
    narrow(code, location, result);
  }
  asm.release(operand);
  if (old < 0) return result;
  asm.release(result);
  return old;
}
