/**
 * What differs between two counts of exits, the weightiest first.
 *
 * @module
 */
import type { TallyRow } from './tally.ts';

export interface Difference {
  readonly key: string;
  readonly what: 'new' | 'gone' | 'more' | 'less' | 'time';
  readonly before: number;
  readonly after: number;
  /** ns of the VM's clock. */
  readonly beforeNs: number;
  readonly afterNs: number;
}

const NONE = { count: 0, timeNs: 0 };

function kind(before: number, after: number): Difference['what'] {
  if (before === 0) return 'new';
  if (after === 0) return 'gone';
  return after > before ? 'more' : after < before ? 'less' : 'time';
}

/** By how much time changed, then how many exits, then the name. */
export function differences(before: readonly TallyRow[], after: readonly TallyRow[]): Difference[] {
  const [old, now] = [before, after].map((rows) => new Map(rows.map((row) => [row.key, row]))) as [
    Map<string, TallyRow>,
    Map<string, TallyRow>,
  ];
  const rows: Difference[] = [];
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const [a, b] = [old.get(key) ?? NONE, now.get(key) ?? NONE];
    if (a.count === b.count && a.timeNs === b.timeNs) continue;
    rows.push({ key, what: kind(a.count, b.count), before: a.count, after: b.count, beforeNs: a.timeNs, afterNs: b.timeNs });
  }
  const weight = (d: Difference): number => Math.abs(d.afterNs - d.beforeNs);
  const exits = (d: Difference): number => Math.abs(d.after - d.before);
  return rows.sort((x, y) => weight(y) - weight(x) || exits(y) - exits(x) || (x.key < y.key ? -1 : 1));
}

/** Kernels move themselves by whole pages of this size (KASLR of Linux). */
const STEP = 0x20_0000n;
/** Of each side, the addresses with the most exits are enough to see a move. */
const LOOKED_AT = 64;

/**
 * How much higher the kernel's code is in the second run than in the first: the move that brings most of the addresses with the most exits together, 0n
 * when none does better than staying. Both are addresses with their counts, the most frequent first.
 */
export function codeShift(before: readonly bigint[], after: readonly bigint[]): bigint {
  const high = (list: readonly bigint[]): bigint[] => list.filter((address) => address >> 63n === 1n).slice(0, LOOKED_AT);
  const votes = new Map<bigint, number>();
  for (const a of high(before)) {
    for (const b of high(after)) if ((b - a) % STEP === 0n) votes.set(b - a, (votes.get(b - a) ?? 0) + 1);
  }
  let best = 0n;
  for (const [move, count] of votes) if (count > (votes.get(best) ?? 0)) best = move;
  return best;
}
