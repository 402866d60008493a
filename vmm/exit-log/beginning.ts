/**
 * Where a difference between two runs begins: the first exit that one run has and the other has not.
 *
 * Two runs whose timing differs are never alike exit by exit, so their logs are walked along what the console says in both: between two common lines
 * the exits of each cause that differs are counted. A cause that only ever gets more ahead begins to differ where its counts first do. One that also
 * falls back (a timer's ticks, which fall on either side of a line) begins where it gets ahead for good by more than chance. Of the stretch in which
 * the earliest begins, the exits of all these causes are then held against each other in their order. Runs that are alike exit by exit up to one of such
 * a cause begin to differ there.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { causeName, causeOf } from './cause.ts';
import { callChain, timeAt } from './describe.ts';
import type { ExitFilter } from './filter.ts';
import type { RunLog } from './run-log.ts';

/** Where the exit that was just taken is. */
export interface Place {
  readonly stretch: number;
  readonly isText: boolean;
  take(view: DataView, at: number): void;
  /** A record that is no exit. */
  takeAside(view: DataView, at: number): void;
}

/** A run, with the stretch between common lines and whether an exit is only the cost of text: both of the exit that was just taken. */
export interface Walk {
  readonly log: RunLog;
  /** Begins again. */
  start(): Place;
}

/** An exit and its place in its run. */
export interface PlacedExit {
  /** The first exit of a run is number 1. */
  readonly number: number;
  readonly timeNs: number;
  readonly vcpu: number;
  readonly cause: string;
  readonly rip: bigint;
  /** Return addresses, when the log has them. */
  readonly stack: readonly bigint[];
}

export interface Beginning {
  /** The stretch between common lines. */
  readonly stretch: number;
  /** What each run does there; undefined: nothing more in this stretch. */
  readonly before: PlacedExit | undefined;
  readonly after: PlacedExit | undefined;
}

/** A stretch with more exits than this is not looked at exit by exit. */
const SEQUENCE_MAX = 1 << 22;

/** Exits of some causes in each stretch. */
function countsByStretch({ log, start }: Walk, filter: ExitFilter, causes: readonly number[], stretches: number): Int32Array[] {
  const counts = causes.map(() => new Int32Array(stretches));
  const of = new Map(causes.map((cause, i) => [cause, counts[i] as Int32Array]));
  const place = start();
  log.read(
    (view, at) => {
      place.take(view, at);
      if (place.isText || !filter(view, at)) return true;
      const found = of.get(causeOf(view, at));
      if (found !== undefined) found[place.stretch]++;
      return true;
    },
    (view, at) => place.takeAside(view, at),
  );
  return counts;
}

/** The stretch in which counts begin to differ. */
export function firstStretch(before: Int32Array, after: Int32Array): number {
  const ahead = after.map((count, i) => count - (before[i] as number));
  const first = ahead.findIndex((by) => by !== 0);
  const sign = Math.sign(ahead.reduce((sum, by) => sum + by, 0));
  if (ahead.every((by) => by === 0 || Math.sign(by) === sign)) return first;
  let [sum, all, from] = [0, 0, 0];
  ahead.forEach((by, i) => {
    sum += by;
    all += (before[i] as number) + (after[i] as number);
    // The last stretch after which it is not ahead by more than chance.
    if (i < ahead.length - 1 && (sum === 0 || Math.sign(sum) !== sign || sum ** 2 < all)) from = i + 1;
  });
  while (from > 0 && Math.sign(ahead[from - 1] as number) === sign) from--;
  return from;
}

/** Causes of the chosen exits of a stretch, in their order; undefined: too many. */
function sequence({ log, start }: Walk, filter: ExitFilter, causes: ReadonlySet<number>, stretch: number): Float64Array | undefined {
  let [found, count] = [new Float64Array(1024), 0];
  const place = start();
  log.read(
    (view, at) => {
      place.take(view, at);
      if (place.stretch !== stretch || place.isText || !filter(view, at)) return place.stretch <= stretch;
      const cause = causeOf(view, at);
      if (!causes.has(cause)) return true;
      if (count === found.length) {
        const larger = new Float64Array(2 * count);
        larger.set(found);
        found = larger;
      }
      found[count++] = cause;
      return count < SEQUENCE_MAX;
    },
    (view, at) => place.takeAside(view, at),
  );
  return count === SEQUENCE_MAX ? undefined : found.subarray(0, count);
}

function placedExit(view: DataView, at: number, chain: number, number: number): PlacedExit {
  return {
    number,
    timeNs: timeAt(view, at),
    vcpu: view.getUint8(at + EXIT_RECORD.VCPU),
    cause: causeName(causeOf(view, at)),
    rip: view.getBigUint64(at + EXIT_RECORD.RIP, true),
    stack: callChain(view, at, chain),
  };
}

/** The first exit after those that are alike in both runs, and whether it is one of the chosen. */
function afterAlike({ log, start }: Walk, filter: ExitFilter, causes: ReadonlySet<number>, alike: number) {
  let [exit, chosen, number] = [undefined as PlacedExit | undefined, false, 0];
  const place = start();
  log.read(
    (view, at, chain) => {
      place.take(view, at);
      if (number++ < alike) return true;
      exit = placedExit(view, at, chain, number);
      chosen = !place.isText && filter(view, at) && causes.has(causeOf(view, at));
      return false;
    },
    (view, at) => place.takeAside(view, at),
  );
  return { exit, chosen, stretch: place.stretch };
}

/** The chosen exit number `index` of a stretch. */
function exitAt(
  { log, start }: Walk,
  filter: ExitFilter,
  causes: ReadonlySet<number>,
  stretch: number,
  index: number,
): PlacedExit | undefined {
  let [found, number, left] = [undefined as PlacedExit | undefined, 0, index];
  const place = start();
  log.read(
    (view, at, chain) => {
      number++;
      place.take(view, at);
      if (place.stretch !== stretch || place.isText || !filter(view, at)) return place.stretch <= stretch;
      if (!causes.has(causeOf(view, at)) || left-- > 0) return true;
      found = placedExit(view, at, chain, number);
      return false;
    },
    (view, at) => place.takeAside(view, at),
  );
  return found;
}

/** Where exits of some causes, whose counts differ, begin to differ, in runs of which so many exits are alike at the beginning. */
export function beginning(
  a: Walk,
  b: Walk,
  { filter, causes, stretches, alike }: { filter: ExitFilter; causes: readonly number[]; stretches: number; alike: number },
): Beginning | undefined {
  if (causes.length === 0) return undefined;
  const wanted = new Set(causes);
  const [m, n] = [afterAlike(a, filter, wanted, alike), afterAlike(b, filter, wanted, alike)];
  if (m.chosen || n.chosen) return { stretch: Math.min(m.stretch, n.stretch), before: m.exit, after: n.exit };
  const [x, y] = [countsByStretch(a, filter, causes, stretches), countsByStretch(b, filter, causes, stretches)];
  const stretch = Math.min(...causes.map((_, i) => firstStretch(x[i] as Int32Array, y[i] as Int32Array)).filter((found) => found >= 0));
  const [p, q] = [sequence(a, filter, wanted, stretch), sequence(b, filter, wanted, stretch)];
  if (p === undefined || q === undefined) return undefined;
  let index = 0;
  while (index < p.length && index < q.length && p[index] === q[index]) index++;
  return { stretch, before: exitAt(a, filter, wanted, stretch, index), after: exitAt(b, filter, wanted, stretch, index) };
}
