/**
 * A clause as a function of (vCPU, epid, probe): predicate, record, statements in order.
 *
 * The record is claimed in the ring before anything is done, so that a clause whose record does not fit does nothing at all, as in the original; data are
 * written where they will be read, and published at the end. Where the clause itself writes to the ring meanwhile (printa, commit), its record is
 * put together aside and emitted at the end. A clause that faults leaves before it publishes.
 *
 * @module
 */
import { I32 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import type { Clause } from '../tree.ts';
import { type RecordInProgress, action } from './action.ts';
import { aggregate } from './aggregate.ts';
import { type ClauseNeeds, Code, PARAMETER } from './code.ts';
import { condition, effect } from './expression.ts';
import type { ProgramModule } from './module.ts';
import type { Datum, RecordLayout } from './record.ts';

export interface ClauseFunction {
  /** Index of its function. */
  readonly func: number;
  readonly needs: ClauseNeeds;
}

/** Type of a clause's function. */
export function clauseType(module: ProgramModule): number {
  return module.builder.type([I32, I32, I32], [I32]);
}

/** Generates a clause. */
export function generateClause(module: ProgramModule, clause: Clause, layout: RecordLayout): ClauseFunction {
  const func = module.builder.declare(clauseType(module));
  const code = new Code(module, module.builder.define(func), clause.probes);
  if (clause.predicate !== undefined) {
    condition(code, clause.predicate);
    code.leaveIfZero(false);
  }
  const record = open(code, layout);
  let actions = 0;
  for (const statement of clause.statements) {
    switch (statement.kind) {
      case 'expression':
        code.nextAction();
        effect(code, statement.expression);
        break;
      case 'aggregate':
        aggregate(code, statement);
        break;
      case 'action':
        action(code, statement, record, layout.actions[actions++] as readonly Datum[]);
        break;
    }
  }
  close(code, record);
  code.finish();
  module.builder.end();
  return { func, needs: code.needs };
}

/** Takes room for the clause's record. */
function open(code: Code, layout: RecordLayout): RecordInProgress {
  const { asm, module } = code;
  const place = asm.local(I32);
  if (layout.staged) {
    asm.globalGet(module.variablesBase);
    asm.i32(module.variables.recordOffset);
    asm.op(OP.i32Add);
    asm.set(place);
  } else if (layout.bytes > 0 && !layout.speculative) {
    asm.get(PARAMETER.EPID);
    asm.i32(layout.bytes);
    code.call('reserve');
    asm.tee(place);
    code.leaveIfZero();
  }
  return { layout, place, speculation: -1 };
}

/** Publishes the record. */
function close(code: Code, { layout, place, speculation }: RecordInProgress): void {
  const { asm } = code;
  if (layout.bytes === 0) return;
  if (layout.staged) {
    asm.get(place);
    asm.get(PARAMETER.EPID);
    asm.i32(layout.bytes);
    code.call('emit');
    asm.op(OP.drop);
  } else if (layout.speculative) {
    asm.get(speculation);
    asm.i32(layout.bytes);
    code.call('speculated');
  } else code.call('commit');
}
