/**
 * args[], uregs[] and vmregs[]: arrays of the probe and of the vCPU that no program declares.
 *
 * The index is a constant. Each argument of args[] has a type of its own: that of the probe's declaration. A description that matches probes with
 * different arguments has none.
 *
 * @module
 */
import type { ExpressionChecker } from './check-expression.ts';
import { nameOf } from './check-operator.ts';
import { wrongArgument } from './check-signature.ts';
import type { Context } from './context.ts';
import { convert } from './convert.ts';
import { INT64, UINT64, isInteger } from './ctype.ts';
import type { Syntax } from './syntax.ts';
import type { Expression, Probe } from './tree.ts';
import { typeNamed } from './type-name.ts';

export class RegisterChecker {
  readonly #checker: ExpressionChecker;
  readonly #context: Context;

  constructor(checker: ExpressionChecker) {
    this.#checker = checker;
    this.#context = checker.context;
  }

  element(name: 'args' | 'vmregs' | 'uregs', indices: readonly Syntax[], line: number): Expression {
    const signed = { shown: `${name}[ ]`, line };
    if (indices.length !== 1) {
      const text = `${name}[ ] prototype mismatch: ${indices.length} args passed, 1 expected`;
      this.#context.raise('D_PROTO_LEN', text, line);
    }
    const index = this.#checker.check(indices[0] as Syntax);
    if (index.op !== 'integer' || !isInteger(index.type)) {
      wrongArgument(this.#context, signed, 0, 'integer constant', nameOf(index.type));
    }
    if (name === 'args') return this.#argument(index.value, line);
    if (index.value < 0n) {
      this.#context.raise('D_REGS_IDX', `index ${index.value} is out of range for array ${name}`, line);
    }
    return { op: 'register', set: name, index: convert(index, INT64), type: UINT64, line };
  }

  #argument(index: bigint, line: number): Expression {
    const { clause, described, names } = this.#context;
    if (clause === undefined) this.#context.raise('D_ARGS_NONE', 'args[ ] may not be referenced outside of a probe clause', line);
    const first = clause.probes[0];
    if (first === undefined) this.#context.raise('D_ARGS_NONE', `no args[ ] are available for probe ${described}`, line);
    if (!clause.probes.every((probe) => sameArguments(probe, first))) {
      const text = `args[ ] may not be referenced because probe description ${described} matches an unstable set of probes`;
      this.#context.raise('D_ARGS_MULTI', text, line);
    }
    const declared = index < 0n ? undefined : first.args[Number(index)];
    if (declared === undefined) {
      this.#context.raise('D_ARGS_IDX', `index ${index} is out of range for probe ${described} args[ ]`, line);
    }
    const type = typeNamed(declared.type, names);
    if (type === undefined) {
      this.#context.raise('D_ARGS_TYPE', `failed to resolve type "${declared.type}" of probe ${described} args[${index}]`, line);
    }
    return { op: 'argument', index: declared.raw ?? Number(index), type, line };
  }
}

/** Probes of one name, or with the same arguments. */
function sameArguments(a: Probe, b: Probe): boolean {
  if (a.args === b.args) return true;
  if (a.args.length === 0 || a.args.length !== b.args.length) return false;
  return a.args.every(({ type, raw }, i) => type === b.args[i]?.type && raw === b.args[i]?.raw);
}
