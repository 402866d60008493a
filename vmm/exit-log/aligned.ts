/**
 * Which elements of two sequences belong together, in order: Bram Cohen's patience diff.
 *
 * Ends that are alike are paired; then elements that each side has once, as many as stand in the same order (a longest increasing subsequence), and so
 * on between those. Where nothing is left that each side has once, a short stretch is paired by its longest common subsequence and a long one not at
 * all: time and memory stay near those of sorting, whatever the sequences are.
 *
 * @module
 */

/** Cells of the table of a longest common subsequence. */
const TABLE_MAX = 1 << 20;
/** Stretches in stretches; each level looks at every element at most once. */
const DEPTH_MAX = 64;

type Stretch = readonly [fromA: number, toA: number, fromB: number, toB: number, depth: number];

/** For each element of `a` the place of its like in `b`, or -1. Places rise. */
export function aligned(a: readonly string[], b: readonly string[]): Int32Array {
  const pairs = new Int32Array(a.length).fill(-1);
  const todo: Stretch[] = [[0, a.length, 0, b.length, 0]];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    let [fromA, toA, fromB, toB] = next;
    for (; fromA < toA && fromB < toB && a[fromA] === b[fromB]; fromA++, fromB++) pairs[fromA] = fromB;
    for (; fromA < toA && fromB < toB && a[toA - 1] === b[toB - 1]; toA--, toB--) pairs[toA - 1] = toB - 1;
    if (fromA === toA || fromB === toB || next[4] > DEPTH_MAX) continue;
    const anchors = rising(once(a, fromA, toA, b, fromB, toB));
    if (anchors.length === 0) {
      if ((toA - fromA) * (toB - fromB) <= TABLE_MAX) common(a, b, [fromA, toA, fromB, toB, 0], pairs);
      continue;
    }
    for (const [i, j] of anchors) {
      pairs[i] = j;
      todo.push([fromA, i, fromB, j, next[4] + 1]);
      [fromA, fromB] = [i + 1, j + 1];
    }
    todo.push([fromA, toA, fromB, toB, next[4] + 1]);
  }
  return pairs;
}

/** Elements that each stretch has once: their places, in the order of `a`. */
function once(a: readonly string[], fromA: number, toA: number, b: readonly string[], fromB: number, toB: number): [number, number][] {
  const seen = new Map<string, { inA: number; inB: number; i: number; j: number }>();
  for (let i = fromA; i < toA; i++) {
    const place = seen.get(a[i] as string);
    if (place === undefined) seen.set(a[i] as string, { inA: 1, inB: 0, i, j: -1 });
    else place.inA++;
  }
  for (let j = fromB; j < toB; j++) {
    const place = seen.get(b[j] as string);
    if (place === undefined) continue;
    place.inB++;
    place.j = j;
  }
  const found: [number, number][] = [];
  for (const { inA, inB, i, j } of seen.values()) if (inA === 1 && inB === 1) found.push([i, j]);
  return found;
}

/** The longest choice of pairs whose second numbers rise too. */
function rising(pairs: readonly [number, number][]): [number, number][] {
  const tails: number[] = [];
  const before = new Int32Array(pairs.length);
  pairs.forEach(([, j], at) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((pairs[tails[middle] as number] as [number, number])[1] < j) low = middle + 1;
      else high = middle;
    }
    before[at] = low === 0 ? -1 : (tails[low - 1] as number);
    tails[low] = at;
  });
  const chosen: [number, number][] = [];
  for (let at = tails.at(-1) ?? -1; at >= 0; at = before[at] as number) chosen.push(pairs[at] as [number, number]);
  return chosen.reverse();
}

/** Pairs a stretch by its longest common subsequence. */
function common(a: readonly string[], b: readonly string[], [fromA, toA, fromB, toB]: Stretch, pairs: Int32Array): void {
  const width = toB - fromB + 1;
  const length = new Uint32Array((toA - fromA + 1) * width);
  const cell = (i: number, j: number): number => length[(i - fromA) * width + j - fromB] as number;
  for (let i = toA - 1; i >= fromA; i--) {
    for (let j = toB - 1; j >= fromB; j--)
      length[(i - fromA) * width + j - fromB] = a[i] === b[j] ? cell(i + 1, j + 1) + 1 : Math.max(cell(i + 1, j), cell(i, j + 1));
  }
  for (let i = fromA, j = fromB; i < toA && j < toB; ) {
    if (a[i] === b[j]) pairs[i++] = j++;
    else if (cell(i + 1, j) >= cell(i, j + 1)) i++;
    else j++;
  }
}
