/**
 * Aggregations as the consumer holds them: elements read from their bytes, and merged over several sources.
 *
 * An element is a key (bytes laid out as the description says) and the words of its value: one for count, sum, min and max; count and sum for
 * avg; count, sum and the 128-bit sum of squares for stddev; one for each bucket of a histogram. Merging two elements of one key gives what one
 * tracer would have had that had seen both: this is how a program that runs in several VMs prints one table.
 *
 * The runtime applies clear(), trunc() and normalize() when they fire, so elements come with their normalization and nothing is undone here.
 *
 * @module
 */
import type { AggregationDescriptor } from '../program.ts';
import type { RecordBytes } from './datum.ts';

/** One element. */
export interface Element {
  /** Where its key stands. */
  readonly record: RecordBytes;
  readonly at: number;
  readonly words: BigInt64Array;
}

/** An aggregation at one time. */
export interface Snapshot {
  readonly aggregation: AggregationDescriptor;
  readonly normalization: bigint;
  readonly elements: readonly Element[];
}

const WORD = 8;

/** An element in a SNAPSHOT: u32 bytes, u32 0, the key, the value. */
const ELEMENT_HEADER = 8;

const padded = (bytes: number): number => (bytes + WORD - 1) & ~(WORD - 1);

/** Bytes of one element in a SNAPSHOT. */
export function elementBytes(aggregation: AggregationDescriptor): number {
  return ELEMENT_HEADER + padded(aggregation.keyBytes) + padded(aggregation.valueBytes);
}

/** Reads `count` elements that stand one after the other; what is cut off at the end is left out. */
export function readElements(record: RecordBytes, start: number, count: number, aggregation: AggregationDescriptor): Element[] {
  const elements: Element[] = [];
  const stride = elementBytes(aggregation);
  const words = aggregation.valueBytes / WORD;
  for (let i = 0, at = start; i < count && at + stride <= record.length; i++, at += stride) {
    const value = new BigInt64Array(words);
    const from = at + ELEMENT_HEADER + padded(aggregation.keyBytes);
    for (let word = 0; word < words; word++) value[word] = record.view.getBigInt64(from + word * WORD, true);
    elements.push({ record, at: at + ELEMENT_HEADER, words: value });
  }
  return elements;
}

/** Body of a SNAPSHOT record, bytes from its start. */
const SNAPSHOT = { AGGREGATION: 0, FLAGS: 4, COUNT: 8, NORMALIZATION: 16, ELEMENTS: 24 } as const;
const SNAPSHOT_FIRST = 1;
const SNAPSHOT_LAST = 2;

/** Puts the parts of snapshots together as they come. */
export class SnapshotReader {
  readonly #aggregations: ReadonlyMap<number, AggregationDescriptor>;
  /** Complete ones by aggregation, oldest first. */
  readonly #ready = new Map<number, Snapshot[]>();
  #open: { aggregation: AggregationDescriptor; normalization: bigint; elements: Element[] } | undefined;

  constructor(aggregations: readonly AggregationDescriptor[]) {
    this.#aggregations = new Map(aggregations.map((aggregation) => [aggregation.id, aggregation]));
  }

  /** Takes the body of a SNAPSHOT record. `record` must stay as it is. */
  add(record: RecordBytes, body: number): void {
    const aggregation = this.#aggregations.get(record.u32(body + SNAPSHOT.AGGREGATION));
    if (aggregation === undefined) return;
    const flags = record.u32(body + SNAPSHOT.FLAGS);
    const normalization = record.view.getBigInt64(body + SNAPSHOT.NORMALIZATION, true);
    // A part without its first one was left behind by a drop.
    if (flags & SNAPSHOT_FIRST || this.#open?.aggregation !== aggregation) this.#open = { aggregation, normalization, elements: [] };
    for (const element of readElements(record, body + SNAPSHOT.ELEMENTS, record.u32(body + SNAPSHOT.COUNT), aggregation)) {
      this.#open.elements.push(element);
    }
    if (!(flags & SNAPSHOT_LAST)) return;
    const list = this.#ready.get(aggregation.id);
    if (list === undefined) this.#ready.set(aggregation.id, [this.#open]);
    else list.push(this.#open);
    this.#open = undefined;
  }

  get isEmpty(): boolean {
    return this.#ready.size === 0;
  }

  /** Takes what a record's printa()s are to print, in order; nothing is kept for the next record. */
  take(): Map<number, Snapshot[]> {
    const taken = new Map(this.#ready);
    this.#ready.clear();
    return taken;
  }
}

const lessThan = (signed: boolean, left: bigint, right: bigint): boolean =>
  signed ? left < right : BigInt.asUintN(64, left) < BigInt.asUintN(64, right);

/** Words of stddev: count, sum, sum of squares low and high. */
const SQUARES_LOW = 2;
const SQUARES_HIGH = 3;

/** Adds `other` to `words`, for one key. */
function mergeWords(aggregation: AggregationDescriptor, words: BigInt64Array, other: BigInt64Array): void {
  const { name } = aggregation.func;
  if (name === 'min' || name === 'max') {
    const [smaller, greater] = lessThan(aggregation.signed, other[0]!, words[0]!) ? [other[0]!, words[0]!] : [words[0]!, other[0]!];
    words[0] = name === 'min' ? smaller : greater;
    return;
  }
  // A typed array of BigInts wraps as the runtime's own sums do.
  for (let i = 0; i < words.length; i++) words[i] = words[i]! + other[i]!;
  if (name !== 'stddev') return;
  const low = BigInt.asUintN(64, words[SQUARES_LOW]!);
  if (low < BigInt.asUintN(64, other[SQUARES_LOW]!)) words[SQUARES_HIGH] = words[SQUARES_HIGH]! + 1n;
}

/**
 * Elements of one aggregation from several sources: those of equal keys become one, the others stay. The order is that of first sight. The
 * sources' elements are left as they are.
 */
export function mergeElements(aggregation: AggregationDescriptor, sources: readonly (readonly Element[])[]): readonly Element[] {
  if (sources.length === 1) return sources[0]!;
  const byKey = new Map<string, Element>();
  for (const elements of sources) {
    for (const element of elements) {
      const key = element.record.text(element.at, aggregation.keyBytes);
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, { ...element, words: element.words.slice() });
      else mergeWords(aggregation, known.words, element.words);
    }
  }
  return [...byKey.values()];
}

/** An element whose value is nothing: what a joined printa() shows for a key that an aggregation does not have. */
export function zeroElement(aggregation: AggregationDescriptor, like: Element): Element {
  return { ...like, words: new BigInt64Array(aggregation.valueBytes / WORD) };
}

const magnitude = (n: bigint): bigint => (n < 0n ? -n : n);

function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** The standard deviation: the root of the average of squares less the square of the average, all in integers, as the original has it. */
function standardDeviation(words: BigInt64Array, normalization: bigint): bigint {
  const count = words[0]!;
  if (count === 0n) return 0n;
  const squares = (BigInt.asUintN(64, words[SQUARES_HIGH]!) << 64n) | BigInt.asUintN(64, words[SQUARES_LOW]!);
  const average = magnitude(words[1]! / normalization / count);
  const variance = squares / normalization / normalization / count - average * average;
  return squareRoot(variance < 0n ? 0n : variance);
}

/** The number that an element of a counting aggregation shows. Integers divide towards 0. */
export function resultOf({ func }: AggregationDescriptor, words: BigInt64Array, normalization = 1n): bigint {
  const by = normalization === 0n ? 1n : normalization;
  switch (func.name) {
    case 'avg':
      return words[0] === 0n ? 0n : words[1]! / by / words[0]!;
    case 'stddev':
      return standardDeviation(words, by);
    default:
      return words[0]! / by;
  }
}

/** True for the functions whose value is a distribution. */
export function isHistogram({ func }: AggregationDescriptor): boolean {
  return func.name === 'quantize' || func.name === 'lquantize' || func.name === 'llquantize';
}
