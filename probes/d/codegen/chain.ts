/**
 * Chains of conditions on one value, as a table.
 *
 * `inline string names[int n] = n == 0 ? "a" : n == 1 ? "b" : ...` is how D programs write a table, and an exit name has 56 of them. A chain that compares one
 * bound value with constants and gives constants becomes a lookup: the values, as 64-bit words among the constants of the program, texts as offsets from the arena.
 *
 * @module
 */
import { I32, I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import type { Binding, Expression } from '../tree.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';

type Conditional = Extract<Expression, { op: 'conditional' }>;
type Constant = Extract<Expression, { op: 'integer' | 'text' }>;

/** Shorter chains are as quick as they are. */
const LEAST = 5;
/** Values from the least to the greatest, at most. */
const SPAN_MAX = 1024n;

interface Chain {
  readonly binding: Binding;
  readonly subject: Expression;
  readonly cases: ReadonlyMap<bigint, Constant>;
  readonly otherwise: Expression;
}

/** `bound == constant`, either way round; conversions of the bound value do not matter, they are the same in every case. */
function test(e: Expression): { subject: Expression; binding: Binding; constant: bigint } | undefined {
  if (e.op !== 'compare' || e.operator !== '==') return undefined;
  const [subject, constant] = e.right.op === 'integer' ? [e.left, e.right] : [e.right, e.left];
  if (constant.op !== 'integer') return undefined;
  let inner = subject;
  while (inner.op === 'convert') inner = inner.operand;
  return inner.op === 'bound' ? { subject, binding: inner.binding, constant: constant.value } : undefined;
}

function isConstant(e: Expression): e is Constant & Expression {
  return e.op === 'integer' || e.op === 'text';
}

function chainOf(e: Conditional): Chain | undefined {
  const first = test(e.condition);
  if (first === undefined) return undefined;
  const cases = new Map<bigint, Constant>();
  let rest: Expression = e;
  while (rest.op === 'conditional') {
    const found = test(rest.condition);
    if (found === undefined || found.binding !== first.binding || !isConstant(rest.then) || rest.then.op !== (e.then as Constant).op) break;
    // The first case that fits counts.
    if (!cases.has(found.constant)) cases.set(found.constant, rest.then);
    rest = rest.otherwise;
  }
  return cases.size < LEAST ? undefined : { binding: first.binding, subject: first.subject, cases, otherwise: rest };
}

/** Lowers `e` as a table when it is a chain; false when it is none. */
export function lookUpChain(code: Code, e: Conditional): boolean {
  const chain = chainOf(e);
  if (chain === undefined) return false;
  const keys = [...chain.cases.keys()];
  const least = keys.reduce((a, b) => (a < b ? a : b));
  const span = keys.reduce((a, b) => (a > b ? a : b)) - least + 1n;
  if (span > SPAN_MAX || span > 8n * BigInt(keys.length)) return false;
  table(code, chain, least, Number(span));
  return true;
}

/** Offset of a table entry that is no case: no constant stands there. */
const ABSENT = 0n;

function table(code: Code, { subject, cases, otherwise }: Chain, least: bigint, span: number): void {
  const { asm, module } = code;
  const present = new Uint8Array(span);
  const values = new BigUint64Array(span).fill(ABSENT);
  let texts = false;
  for (const [key, constant] of cases) {
    const at = Number(key - least);
    present[at] = 1;
    texts = constant.op === 'text';
    values[at] = constant.op === 'text' ? BigInt(module.text(constant.value)) : BigInt.asUintN(64, constant.value);
  }
  const presentAt = module.constant(present);
  const valuesAt = module.constant(new Uint8Array(values.buffer));
  value(code, subject);
  asm.i64(Number(BigInt.asIntN(32, least)), Number(BigInt.asIntN(32, least >> 32n)));
  asm.op(OP.i64Sub);
  const index = code.keep();
  asm.get(index);
  asm.i64(span);
  asm.op(OP.i64LtU);
  asm.if_(I32);
  pushEntry(code, index, 1);
  asm.mem(OP.i32Load8U, presentAt);
  asm.else_();
  asm.i32(0);
  asm.end();
  asm.if_(I64);
  pushEntry(code, index, 8);
  asm.mem(OP.i64Load, valuesAt);
  if (texts) {
    asm.op(OP.i32WrapI64);
    asm.globalGet(module.arena);
    asm.op(OP.i32Add);
    code.toAddress();
  }
  asm.else_();
  value(code, otherwise);
  asm.end();
  asm.release(index);
}

/** Pushes the place (i32) of entry `index` of a table of entries of `bytes`, without the table's own offset. */
function pushEntry({ asm, module }: Code, index: number, bytes: number): void {
  asm.globalGet(module.arena);
  asm.get(index);
  asm.op(OP.i32WrapI64);
  if (bytes > 1) {
    asm.i32(bytes);
    asm.op(OP.i32Mul);
  }
  asm.op(OP.i32Add);
}
