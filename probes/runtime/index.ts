/**
 * The tracer's runtime in probe context: everything that compiled D clauses call, compiled to build/tracer.wasm.
 *
 * Theory. One instance per VM, over the VM's shared memory, in the VM's thread. A probe point fires `probe`, which calls the dispatchers of the programs that
 * have it enabled (dispatch.ts) through a table shared with them. A dispatcher runs its clauses; these are compiled code that loads and stores for
 * itself and comes here for what takes more than a few instructions: room in the record buffer (ring.ts), aggregations (aggregation.ts, values.ts,
 * snapshot.ts, trunc.ts), dynamic variables (dynamic.ts), memory behind pointers (memory.ts, guest.ts), strings (string.ts, path.ts, number.ts,
 * json.ts), speculations, stacks, registers. All of a program's data is in its arena (`probes/arena.ts`), of bounded size; nothing here allocates
 * beyond it, loops without bound, or calls JavaScript, but for `written` after a destructive copyout and `attend` after a firing that asks for it.
 *
 * Anything that can go wrong in a clause raises a fault (state.ts) and returns; the compiled code looks at `fault` and ends the clause. No address
 * that a clause makes up is used unchecked, so no program harms the VM or another program.
 *
 * The shared table and the memory are imports. Types of what is exported stand in `probes/d/codegen/runtime.ts`.
 */
import { ARENA_SEED, VCPU_BASE } from './constants.gen';
import { prepareAggregations } from './aggregation';
import { prepareDynamic } from './dynamic';
import { seedRandom } from './number';
import { enter } from './state';
import { trunc } from './trunc';

/** Makes a zeroed arena ready whose header is filled in. `aggregations`: how many; `chunk`: bytes of key and value of the largest dynamic variable. */
export function prepare(arena: usize, aggregations: u32, chunk: u32): void {
  enter(arena, VCPU_BASE);
  prepareAggregations(arena, aggregations);
  prepareDynamic(arena, chunk);
  seedRandom(arena, load<u64>(arena, ARENA_SEED));
}

/** Forgets what a program's aggregations (1 to `aggregations`) hold, as trunc() of each, between two firings. */
export function forget(arena: usize, aggregations: u32): void {
  enter(arena, VCPU_BASE);
  for (let id: u32 = 1; id <= aggregations; id++) trunc(id, 0);
}

export { fault, raise } from './state';
export { attach, fire, probe } from './dispatch';
export { commit, emit, reserve } from './ring';
export { faulted, recovered } from './fault';
export {
  aggregation0, aggregation1, aggregation2, aggregationN, aggregationParameter, clear, describeAggregation, normalize,
} from './aggregation';
export { deviation, llquantize, lquantize, maximum, minimum, quantize } from './values';
export { snapshot } from './snapshot';
export { trunc } from './trunc';
export { dynamic, release } from './dynamic';
export { assignText, copyBytes, copyText, copyTo, keyText, loadAt, storeAt } from './memory';
export {
  index, rindex, strchr, strcmp, strjoin, strlen, strrchr, strstr, strtok, substr, tolower, toupper,
} from './string';
export { basename, cleanpath, dirname } from './path';
export { json } from './json';
export { inet_ntoa, inet_ntoa6, inet_ntop, lltostr, rand, strtoll } from './number';
export { commitSpeculation, discard, speculate, speculated, speculation } from './speculation';
export { ureg, vmreg } from './registers';
export { caller, stack, stackDepth } from './stack';
export {
  alloca, ask, bcopy, chill, copyin, copyinstr, copyinto, copyout, copyoutstr, exit,
} from './control';
