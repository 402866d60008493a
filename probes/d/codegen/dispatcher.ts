/**
 * Dispatchers: the function of a probe, which runs the clauses that are enabled on it, in order.
 *
 * It clears what is new for each firing (clause-local variables) and for each clause (scratch memory), reports faults, and stops after a clause that called
 * exit(). ERROR's own dispatcher leaves the clause-local variables of the firing that faulted alone.
 *
 * @module
 */
import { type Asm, I32 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { ARENA, STATE } from '../../arena.ts';
import type { Probe, Variable } from '../tree.ts';
import type { ClauseFunction } from './clause.ts';
import type { ProgramModule } from './module.ts';
import { TEXT_HEAD } from './variables.ts';

const CPU = 0;

/** One clause on the probe. */
export interface Enabled {
  readonly clause: ClauseFunction;
  readonly epid: number;
}

/** What every dispatcher of a program shares. */
export interface Dispatching {
  readonly module: ProgramModule;
  /** Function (cpu, epid, site): reports a fault, runs ERROR's clauses. */
  readonly handler: number;
  /** Some clause calls exit(). */
  readonly exits: boolean;
}

function isProbe(probe: Probe, name: string): boolean {
  return probe.provider === 'dtrace' && probe.name === name;
}

/** The program's ERROR probe, when it has one. */
export function isError(probe: Probe): boolean {
  return isProbe(probe, 'ERROR');
}

/** Writes the body of the dispatcher of `probe`. */
export function dispatch(asm: Asm, { module, handler, exits }: Dispatching, probe: Probe, enabled: readonly Enabled[]): void {
  const locals = new Set(enabled.flatMap(({ clause }) => [...clause.needs.locals]));
  if (!isError(probe)) clearLocals(asm, module, locals);
  const offset = module.probe(probe);
  const site = asm.local(I32);
  enabled.forEach(({ clause, epid }, i) => {
    if (clause.needs.scratch) resetScratch(asm, module);
    asm.get(CPU);
    asm.i32(epid);
    asm.i32(offset);
    asm.call(clause.func);
    asm.tee(site);
    asm.hint(false);
    asm.if_();
    asm.get(CPU);
    asm.i32(epid);
    asm.get(site);
    asm.call(handler);
    if (exits) returnUnlessActive(asm, module, probe);
    asm.end();
    if (clause.needs.exits && i < enabled.length - 1) returnUnlessActive(asm, module, probe);
  });
}

/** After exit() the clauses that follow do not run; those of END do. */
function returnUnlessActive(asm: Asm, module: ProgramModule, probe: Probe): void {
  if (isProbe(probe, 'END')) return;
  asm.globalGet(module.arena);
  asm.mem(OP.i32Load, ARENA.STATE);
  asm.i32(STATE.ACTIVE);
  asm.op(OP.i32Ne);
  asm.if_();
  asm.return_();
  asm.end();
}

function resetScratch(asm: Asm, module: ProgramModule): void {
  asm.globalGet(module.arena);
  asm.globalGet(module.arena);
  asm.mem(OP.i32Load, ARENA.SCRATCH);
  asm.mem(OP.i32Store, ARENA.SCRATCH_NEXT);
  asm.globalGet(module.arena);
  asm.i64(0, 0);
  asm.mem(OP.i64Store, ARENA.STRTOK);
}

/** Clause-local variables begin as 0; of a string it is enough that it is empty. */
function clearLocals(asm: Asm, module: ProgramModule, locals: ReadonlySet<Variable>): void {
  for (const variable of locals) {
    const place = module.variables.placeOf(variable);
    if (place.kind !== 'fixed') continue;
    const { offset, rep } = place;
    if (rep.kind === 'scalar') {
      asm.globalGet(module.variablesBase);
      asm.i64(0, 0);
      asm.mem(rep.bytes === 8 ? OP.i64Store : rep.bytes === 4 ? OP.i64Store32 : rep.bytes === 2 ? OP.i64Store16 : OP.i64Store8, offset);
      continue;
    }
    asm.globalGet(module.variablesBase);
    asm.i32(offset);
    asm.op(OP.i32Add);
    asm.i32(0);
    asm.i32(rep.kind === 'text' ? TEXT_HEAD + 1 : rep.bytes);
    asm.memoryFill();
  }
}
