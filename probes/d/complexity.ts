/**
 * How much there is of an expression once its inlines and translators are expanded.
 *
 * Expanded bodies are shared, so a few lines can stand for more nodes than any memory holds; the code generator sees each of them. What is measured once is
 * remembered, so measuring costs what the text costs.
 *
 * @module
 */
import type { Expression, Statement } from './tree.ts';

export interface Complexity {
  readonly nodes: number;
  readonly depth: number;
}

/** Nodes of a program's expressions, and levels of one. */
export const NODES_MAX = 1 << 20;
export const DEPTH_MAX = 1200;

/** Parts of a node that are no expressions. */
const LEAVES: ReadonlySet<string> = new Set(['op', 'type', 'line', 'variable', 'member', 'binding']);

function isExpression(part: unknown): part is Expression {
  return typeof part === 'object' && part !== null && 'op' in part;
}

/** The expressions that a node is made of. */
export function partsOf(e: Expression): Expression[] {
  const parts: Expression[] = [];
  for (const [key, part] of Object.entries(e)) {
    if (LEAVES.has(key)) continue;
    if (Array.isArray(part)) parts.push(...part.filter(isExpression));
    else if (isExpression(part)) parts.push(part);
  }
  return parts;
}

const measured = new WeakMap<Expression, Complexity>();

export function complexityOf(e: Expression): Complexity {
  const known = measured.get(e);
  if (known !== undefined) return known;
  let nodes = 1;
  let depth = 0;
  for (const part of partsOf(e)) {
    const inner = complexityOf(part);
    nodes += inner.nodes;
    if (inner.depth > depth) depth = inner.depth;
  }
  const result = { nodes, depth: depth + 1 };
  measured.set(e, result);
  return result;
}

/** The expressions of a statement. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  if (statement.kind === 'action') return statement.arguments;
  if (statement.kind === 'expression') return [statement.expression];
  return [...statement.keys, ...[statement.value, statement.increment].filter((e) => e !== undefined)];
}
