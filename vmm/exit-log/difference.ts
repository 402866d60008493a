/**
 * What differs between two counts of exits, and in which order to tell it.
 *
 * Whatever changes in a guest also changes its timing a little, and then many counts: ticks of a timer fall elsewhere, a page is touched sooner. The
 * order should not begin with these. So a change of time is weighed by the share of its cause that changed: (after - before)^2 / (after + before), in
 * modelled time. That is Pearson's statistic of two counts. What is new or gone weighs its whole time, one percent more of something a two-hundredth
 * of what it adds. Where it is known at which lines of the console the exits were, a change that is all in one place weighs what it does there: 12 reads
 * of a clock more at one place are something, among 90 others elsewhere or not.
 *
 * A count that changes by less than the square root of both together, and nowhere by three times that, changes as counts of chance do; so does one that
 * keeps pace with the time of the run, as a timer's ticks do. Such rows stand last.
 *
 * @module
 */

export interface Difference {
  readonly key: string;
  readonly what: 'new' | 'gone' | 'more' | 'less' | 'time';
  readonly before: number;
  readonly after: number;
  /** ns of the VM's clock. */
  readonly beforeNs: number;
  readonly afterNs: number;
  /** What the rows are sorted by, ns. */
  readonly impact: number;
  /** No more than counts of chance change. */
  readonly slight: boolean;
}

/** Exits of one key in one run. */
export interface Exits {
  readonly key: string;
  readonly count: number;
  readonly timeNs: number;
  /** Places and how many in each, one after the other; places rise. */
  readonly places?: readonly number[];
}

const NONE = { count: 0, timeNs: 0, places: [] };

/** In one place of many, counts of chance seldom change by so many square roots. */
const PLACE_ROOTS = 3;

function kind(before: number, after: number): Difference['what'] {
  if (before === 0) return 'new';
  if (after === 0) return 'gone';
  return after > before ? 'more' : after < before ? 'less' : 'time';
}

/** Pearson's statistic of two counts. */
export function surprise(before: number, after: number): number {
  return before === after ? 0 : (after - before) ** 2 / (before + after);
}

/**
 * The greatest surprise of one place, of a cause whose count changed by `change`. What has only moved from one place to another is no change, so no place
 * counts for more than the whole.
 */
function placedSurprise(a: readonly number[], b: readonly number[], change: number): number {
  let most = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [p, q] = [a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY];
    const [x, y] = [p <= q ? (a[i + 1] as number) : 0, q <= p ? (b[j + 1] as number) : 0];
    if (p <= q) i += 2;
    if (q <= p) j += 2;
    if (y > x === change > 0 && x !== y) most = Math.max(most, Math.min(Math.abs(y - x), Math.abs(change)) ** 2 / (x + y));
  }
  return most;
}

/** How far beyond what the same count, or one that grew as the run's time did, would make of it. */
function unexplained(before: number, after: number, longer: number): number {
  const [least, most] = [Math.min(before, before * longer), Math.max(before, before * longer)];
  return surprise(after < least ? least : after > most ? most : after, after);
}

/** How one key changed, in a run that is `longer` times as long; undefined when it did not. */
export function difference(key: string, a: Omit<Exits, 'key'>, b: Omit<Exits, 'key'>, longer = 1): Difference | undefined {
  if (a.count === b.count && a.timeNs === b.timeNs) return undefined;
  const placed = placedSurprise(a.places ?? [], b.places ?? [], b.count - a.count);
  const isPlaced = placed >= PLACE_ROOTS ** 2 && placed > surprise(a.count, b.count);
  // Where exits take no time (`--exit-cost none`) each counts as one.
  const each = (a.timeNs + b.timeNs) / (a.count + b.count) || 1;
  return {
    key,
    what: kind(a.count, b.count),
    before: a.count,
    after: b.count,
    beforeNs: a.timeNs,
    afterNs: b.timeNs,
    impact: Math.max(surprise(a.timeNs, b.timeNs), surprise(a.count, b.count) * each, isPlaced ? placed * each : 0),
    slight: a.count !== b.count && unexplained(a.count, b.count, longer) < 1 && !isPlaced,
  };
}

/** By impact, those of chance last; then by how many exits, then by name. */
export function byImpact(x: Difference, y: Difference): number {
  const exits = (d: Difference): number => Math.abs(d.after - d.before);
  return Number(x.slight) - Number(y.slight) || y.impact - x.impact || exits(y) - exits(x) || (x.key < y.key ? -1 : x.key > y.key ? 1 : 0);
}

/** Of runs, or phases, the second of which is `longer` times as long as the first. */
export function differences(before: readonly Exits[], after: readonly Exits[], longer = 1): Difference[] {
  const [old, now] = [before, after].map((rows) => new Map(rows.map((row) => [row.key, row]))) as [Map<string, Exits>, Map<string, Exits>];
  const rows: Difference[] = [];
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const row = difference(key, old.get(key) ?? NONE, now.get(key) ?? NONE, longer);
    if (row !== undefined) rows.push(row);
  }
  return rows.sort(byImpact);
}
