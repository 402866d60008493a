/** Checked nodes written by hand: what the front end would hand to the code generator. */
import {
  CHAR,
  INT,
  LONG,
  SHORT,
  STRING,
  UNSIGNED,
  UNSIGNED_CHAR,
  UNSIGNED_LONG,
  UNSIGNED_SHORT,
  pointerTo,
} from '../../../../probes/d/ctype.ts';
import type {
  Action,
  ActionName,
  Aggregation,
  ArithmeticOperator,
  CheckedProgram,
  Clause,
  ComparisonOperator,
  Expression,
  Probe,
  Statement,
  Variable,
} from '../../../../probes/d/tree.ts';
import type { Type } from '../../../../probes/d/types.ts';
import { POINTS } from '../../../../probes/points.ts';

export const INTEGERS = [CHAR, UNSIGNED_CHAR, SHORT, UNSIGNED_SHORT, INT, UNSIGNED, LONG, UNSIGNED_LONG] as const;

export const VOID_POINTER = pointerTo(INT);

const line = 1;

export const integer = (value: bigint | number, type: Type = INT): Expression => ({ op: 'integer', value: BigInt(value), type, line });
export const long = (value: bigint | number): Expression => integer(value, LONG);
export const text = (value: string): Expression => ({ op: 'text', value, type: STRING, line });
export const builtin = (name: string, type: Type = LONG): Expression => ({ op: 'builtin', name, type, line });
export const arithmetic = (operator: ArithmeticOperator, left: Expression, right: Expression, type = left.type): Expression => ({
  op: 'arithmetic',
  operator,
  left,
  right,
  type,
  line,
});
export const compare = (operator: ComparisonOperator, left: Expression, right: Expression): Expression => ({
  op: 'compare',
  operator,
  left,
  right,
  type: INT,
  line,
});
export const unary = (operator: '-' | '~' | '!', operand: Expression): Expression => ({
  op: 'unary',
  operator,
  operand,
  type: operator === '!' ? INT : operand.type,
  line,
});
export const convert = (operand: Expression, type: Type): Expression => ({ op: 'convert', operand, type, line });
export const call = (name: string, args: readonly Expression[], type: Type = LONG): Expression => ({
  op: 'call',
  name,
  arguments: args,
  type,
  line,
});
export const of = (variable: Variable, ...keys: Expression[]): Expression => ({
  op: 'variable',
  variable,
  ...(variable.keys !== undefined && { keys }),
  type: variable.type,
  line,
});
export const assign = (target: Expression, value: Expression): Expression => ({ op: 'assign', target, value, type: target.type, line });
export const update = (operator: ArithmeticOperator, target: Expression, value: Expression, result: 'new' | 'old' = 'new'): Expression => ({
  op: 'update',
  operator,
  target,
  value,
  result,
  type: target.type,
  line,
});
export const dereference = (address: Expression, type: Type): Expression => ({ op: 'dereference', address, type, line });
export const addressOf = (of: Expression): Expression => ({ op: 'address', of, type: pointerTo(of.type), line });

export const does = (expression: Expression): Statement => ({ kind: 'expression', line, expression });
export const action = (name: ActionName, args: readonly Expression[] = [], rest: Partial<Action> = {}): Action => ({
  kind: 'action',
  name,
  line,
  arguments: args,
  ...rest,
});
export const trace = (...args: Expression[]): Action => action(args.length === 1 ? 'trace' : 'printf', args);

let variables = 0;
export const variable = (scope: Variable['scope'], type: Type, keys?: readonly Type[]): Variable => ({
  scope,
  name: `v${variables}`,
  type,
  ...(keys !== undefined && { keys }),
  index: variables++,
});

const dtrace = (id: number, name: string): Probe => ({ id, provider: 'dtrace', module: '', func: '', name, args: [] });
export const BEGIN = dtrace(1, 'BEGIN');
export const END = dtrace(2, 'END');
export const ERROR = dtrace(3, 'ERROR');

/** A static point by its name. */
export function point(name: string): Probe {
  const found = POINTS.find((p) => p.name === name);
  if (found === undefined) throw new Error(`no point ${name}`);
  return { id: 4 + found.id, provider: 'sdt', module: 'kvm', func: found.func, name, args: [] };
}

export const clause = (probes: Probe | readonly Probe[], statements: readonly Statement[], predicate?: Expression): Clause => ({
  probes: Array.isArray(probes) ? probes : [probes as Probe],
  statements,
  line,
  ...(predicate !== undefined && { predicate }),
});

/** A program of these clauses; its variables are those that the caller names. */
export function program(
  clauses: readonly Clause[],
  used: readonly Variable[] = [],
  aggregations: readonly Aggregation[] = [],
): CheckedProgram {
  return {
    clauses,
    globals: used.filter(({ scope }) => scope === 'global'),
    selfs: used.filter(({ scope }) => scope === 'self'),
    locals: used.filter(({ scope }) => scope === 'this'),
    aggregations,
    options: [],
    destructive: false,
  };
}
