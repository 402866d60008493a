/**
 * What changes the guest or the host, and so needs -w: some actions, and the subroutines that write to the guest's memory.
 *
 * @module
 */
import { expressionsOf, partsOf } from './complexity.ts';
import type { ActionName, Clause, Expression, Statement } from './tree.ts';

export const DESTRUCTIVE_ACTIONS: ReadonlySet<ActionName> = new Set(['stop', 'raise', 'system', 'freopen', 'breakpoint', 'panic', 'chill']);

/** Subroutines that write to the guest. */
const DESTRUCTIVE_SUBROUTINES: ReadonlySet<string> = new Set(['copyout', 'copyoutstr']);

export function isDestructive({ predicate, statements }: Clause): boolean {
  return (predicate !== undefined && writesGuest(predicate)) || statements.some(isDestructiveStatement);
}

function isDestructiveStatement(statement: Statement): boolean {
  if (statement.kind === 'action' && DESTRUCTIVE_ACTIONS.has(statement.name)) return true;
  return expressionsOf(statement).some(writesGuest);
}

const known = new WeakMap<Expression, boolean>();

export function writesGuest(e: Expression): boolean {
  let writes = known.get(e);
  if (writes === undefined) {
    writes = (e.op === 'call' && DESTRUCTIVE_SUBROUTINES.has(e.name)) || partsOf(e).some(writesGuest);
    known.set(e, writes);
  }
  return writes;
}
