/**
 * What a VM exit costs: one table of nanoseconds by exit kind.
 *
 * The cost of an exit is `reasons[reason] + devices[class] + bytes * byte`. It moves the VM's clock, so the time between an exit and the
 * next entry means something, and repeats exactly. The table is the modelled one (`exit-cost/modelled.ts`), one of a named processor, or a file
 * (`exit-cost/table.ts`).
 *
 * @module
 */
import { DEFAULT_EXIT_COSTS, type ExitCosts, NO_EXIT_COSTS } from './exit-cost/modelled.ts';
import { late } from './late.ts';

export { costsByReason, DEFAULT_EXIT_COSTS, deviceCost, type ExitCosts, NO_EXIT_COSTS } from './exit-cost/modelled.ts';
export { ExitCostError } from './exit-cost/types.ts';

// Most runs have the modelled table.
const lateNamed = late<typeof import('./exit-cost/named.ts')>(new URL('./exit-cost/named.ts', import.meta.url));
const lateTable = late<typeof import('./exit-cost/table.ts')>(new URL('./exit-cost/table.ts', import.meta.url));

/** A table from parsed JSON; what it does not give stays as in the default, or is scaled when it is of a processor. Throws ExitCostError. */
export function exitCostsFrom(source: string, json: unknown): ExitCosts {
  const { costTableFrom, exitCostsOf } = lateTable();
  return exitCostsOf(costTableFrom(source, json));
}

/** The table that `--exit-cost none|default|NAME|FILE.json` names. Throws ExitCostError with one line. */
export function loadExitCosts(choice: string): ExitCosts {
  if (choice === 'none') return NO_EXIT_COSTS;
  if (choice === 'default') return DEFAULT_EXIT_COSTS;
  return lateTable().exitCostsOf(lateNamed().loadCostTable('--exit-cost', choice, ['none', 'default']));
}
