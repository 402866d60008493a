/**
 * What changes the guest or the host, and so needs -w: some actions, and the subroutines that write to the guest's memory.
 *
 * @module
 */
import type { ActionName, Expression, Statement } from './tree.ts';

export const DESTRUCTIVE_ACTIONS: ReadonlySet<ActionName> = new Set(['stop', 'raise', 'system', 'freopen', 'breakpoint', 'panic', 'chill']);

/** Subroutines that write to the guest. */
const DESTRUCTIVE_SUBROUTINES: ReadonlySet<string> = new Set(['copyout', 'copyoutstr']);

export function isDestructive(statement: Statement): boolean {
  if (statement.kind === 'action') return DESTRUCTIVE_ACTIONS.has(statement.name) || statement.arguments.some(writesGuest);
  if (statement.kind === 'expression') return writesGuest(statement.expression);
  return [...statement.keys, statement.value, statement.increment].some((e) => e !== undefined && writesGuest(e));
}

/** Parts of a node that are no expressions. */
const LEAVES: ReadonlySet<string> = new Set(['type', 'variable', 'member', 'binding']);

export function writesGuest(e: Expression): boolean {
  if (e.op === 'call' && DESTRUCTIVE_SUBROUTINES.has(e.name)) return true;
  return Object.entries(e).some(([key, part]) => {
    if (LEAVES.has(key) || typeof part !== 'object' || part === null) return false;
    return (Array.isArray(part) ? part : [part]).some((inner: Expression) => writesGuest(inner));
  });
}
