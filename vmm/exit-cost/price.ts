/**
 * What a run's exits would cost by a table: each kind, all of them, and their share of the time that the guest is busy.
 *
 * Bounds are carried as they stand: the low end of a sum is the sum of the low ends, so they are as wide as if all kinds were wrong in the same
 * direction at once. The guest's own instructions take `instructions / (instructions per cycle x cycles per ns)`; where the table does not say
 * how many there are per cycle, half to two are assumed. Without a frequency (a table of no processor) an instruction takes 1 ns, as in the VM. The time
 * for which the guest waits in HLT is no part of anything here.
 *
 * @module
 */
import type { ExitKind, KindCount } from '../exit-log/kind-tally.ts';
import type { Bounds, Cost, CostTable } from './table.ts';

/** Of a processor whose table says nothing. */
export const ASSUMED_INSTRUCTIONS_PER_CYCLE: Bounds = { low: 0.5, typical: 1, high: 2 };

export interface PricedKind {
  readonly kind: ExitKind;
  readonly count: number;
  /** One exit, in the table's unit. */
  readonly each: Bounds;
  /** All of them, in ns. */
  readonly timeNs: Bounds;
  /** Entries of the table that it is made of. */
  readonly parts: readonly Cost[];
}

export interface Prediction {
  /** The most expensive first. */
  readonly kinds: readonly PricedKind[];
  /** All exits of the run. */
  readonly exitsNs: Bounds;
  /** The guest's own instructions, when it is known how many there were. */
  readonly guestNs?: Bounds;
  /** Of the time that the guest is busy, 0 to 1. */
  readonly share?: Bounds;
}

export const NOTHING: Bounds = { low: 0, typical: 0, high: 0 };

function map(bounds: Bounds, f: (n: number) => number): Bounds {
  return { low: f(bounds.low), typical: f(bounds.typical), high: f(bounds.high) };
}

export function plus(a: Bounds, b: Bounds, times = 1): Bounds {
  return { low: a.low + b.low * times, typical: a.typical + b.typical * times, high: a.high + b.high * times };
}

/** The entries of a table that make the cost of an exit. */
export function partsOf(table: CostTable, { reason, device, cause }: ExitKind): Cost[] {
  const whole = cause === undefined ? undefined : table.causes.get(cause);
  if (whole !== undefined) return [whole];
  const exit = table.reasons.get(reason) ?? table.other;
  return device === undefined ? [exit] : [exit, table.devices.get(device) ?? table.device];
}

/** Table units in a ns. */
function perNs(table: CostTable): number {
  return table.unit === 'cycles' ? (table.ghz as number) : 1;
}

export function priceOf(table: CostTable, { kind, count, bytes }: KindCount): PricedKind {
  const parts = partsOf(table, kind);
  const each = parts.reduce<Bounds>((sum, part) => plus(sum, part), NOTHING);
  const all = plus(
    map(each, (n) => n * count),
    table.byte,
    bytes,
  );
  return { kind, count, each, timeNs: map(all, (n) => n / perNs(table)), parts };
}

export function instructionsPerCycle(table: CostTable): Bounds {
  return table.instructionsPerCycle ?? ASSUMED_INSTRUCTIONS_PER_CYCLE;
}

/** The guest's own time. */
export function guestTime(table: CostTable, instructions: number): Bounds {
  if (table.ghz === undefined) return { low: instructions, typical: instructions, high: instructions };
  const { low, typical, high } = instructionsPerCycle(table);
  const ns = (ipc: number): number => instructions / (ipc * (table.ghz as number));
  return { low: ns(high), typical: ns(typical), high: ns(low) };
}

/** Part of a whole of which the rest is `rest`. */
function part(of: number, rest: number): number {
  return of === 0 ? 0 : of / (of + rest);
}

/** The share that exits have of a run. */
function shareOf(exitsNs: Bounds, guestNs: Bounds): Bounds {
  return {
    low: part(exitsNs.low, guestNs.high),
    typical: part(exitsNs.typical, guestNs.typical),
    high: part(exitsNs.high, guestNs.low),
  };
}

/** `counts`: what is shown. `all`: everything of the run, which is what shares are of. */
export function predict(
  table: CostTable,
  counts: readonly KindCount[],
  all: readonly KindCount[],
  instructions: number | undefined,
): Prediction {
  const kinds = counts
    .map((count) => priceOf(table, count))
    .sort((a, b) => b.timeNs.typical - a.timeNs.typical || b.count - a.count || (a.kind.name < b.kind.name ? -1 : 1));
  const exitsNs = all.reduce<Bounds>((sum, count) => plus(sum, priceOf(table, count).timeNs), NOTHING);
  if (instructions === undefined) return { kinds, exitsNs };
  const guestNs = guestTime(table, instructions);
  return { kinds, exitsNs, guestNs, share: shareOf(exitsNs, guestNs) };
}
