/**
 * In which order the elements of aggregations are printed, and how several aggregations are joined by their keys.
 *
 * Models dt_aggregate.c of libdtrace: ascending by value, equal values by key; `aggsortkey` by key alone; `aggsortkeypos` starts at another
 * key, `aggsortpos` at another aggregation of a joined printa(), `aggsortrev` turns everything round. Integer keys order as unsigned numbers
 * and other keys byte by byte. A histogram's value is the sum of what its buckets stand for, then what is in the bucket of 0.
 *
 * @module
 */
import type { AggregationDescriptor, DatumDescriptor } from '../program.ts';
import { isSet, numberOf } from '../options.ts';
import type { EffectiveOptions } from '../program.ts';
import { type Element, isHistogram, resultOf, type Snapshot, zeroElement } from './aggregation.ts';
import { type Bucket, bucketsOf } from './buckets.ts';
import { isIntegerSize } from './datum.ts';
import { dynamicKind } from './symbols.ts';

type Compare = (left: Element, right: Element) => number;

const compareNumbers = (left: number | bigint, right: number | bigint): number => (left < right ? -1 : left > right ? 1 : 0);

const WORD = 8;

function compareDatum(datum: DatumDescriptor): Compare {
  const { offset, bytes } = datum;
  const kind = dynamicKind(datum);
  if (bytes === WORD || kind === 'usym' || kind === 'umod' || kind === 'ufunc') {
    return (left, right) => {
      for (let at = offset; at < offset + bytes; at += WORD) {
        const order = compareNumbers(left.record.u64(left.at + at), right.record.u64(right.at + at));
        if (order !== 0) return order;
      }
      return 0;
    };
  }
  if (isIntegerSize(bytes)) {
    return (left, right) =>
      left.record.buffer.readUIntLE(left.at + offset, bytes) - right.record.buffer.readUIntLE(right.at + offset, bytes);
  }
  return (left, right) => {
    const at = left.at + offset;
    const other = right.at + offset;
    return left.record.buffer.compare(right.record.buffer, other, other + bytes, at, at + bytes);
  };
}

/** Orders by the keys, from the one that `aggsortkeypos` names and round to those before it. */
function compareKeys(aggregation: AggregationDescriptor, options: EffectiveOptions): Compare {
  const { keyData } = aggregation;
  const position = numberOf(options, 'aggsortkeypos', 0);
  const first = position < keyData.length ? position : 0;
  const compares = [...keyData.slice(first), ...keyData.slice(0, first)].map(compareDatum);
  return (left, right) => {
    for (const compare of compares) {
      const order = compare(left, right);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** What a bucket counts for: an open one lies beyond its bound, but the last of llquantize(), as in the original. */
function representative({ least, open }: Bucket, func: string): bigint {
  if (open === 'below') return least - 1n;
  return open === 'above' && func === 'lquantize' ? least + 1n : least;
}

/** What an element is ordered by: by the first, then the second. */
type Weight = (element: Element) => readonly [bigint, bigint];

function weightOf(aggregation: AggregationDescriptor): Weight {
  if (!isHistogram(aggregation)) return ({ words }) => [resultOf(aggregation, words), 0n];
  const values = bucketsOf(aggregation.func).map((bucket) => representative(bucket, aggregation.func.name));
  const zero = values.indexOf(0n);
  return ({ words }) => {
    let sum = 0n;
    for (let i = 0; i < words.length && i < values.length; i++) if (words[i] !== 0n) sum += words[i]! * values[i]!;
    return [sum, zero < 0 ? 0n : words[zero]!];
  };
}

const compareWeights = (left: readonly [bigint, bigint], right: readonly [bigint, bigint]): number =>
  compareNumbers(left[0], right[0]) || compareNumbers(left[1], right[1]);

/** The elements of one aggregation in the order in which they are printed. */
export function orderElements({ aggregation, elements }: Snapshot, options: EffectiveOptions): readonly Element[] {
  const keys = compareKeys(aggregation, options);
  const sign = isSet(options, 'aggsortrev') ? -1 : 1;
  if (isSet(options, 'aggsortkey')) return elements.toSorted((left, right) => sign * keys(left, right));
  const weigh = weightOf(aggregation);
  return elements
    .map((element) => ({ element, weight: weigh(element) }))
    .sort((left, right) => sign * (compareWeights(left.weight, right.weight) || keys(left.element, right.element)))
    .map(({ element }) => element);
}

/** Aggregations in the order in which they are printed at the end. */
export function orderSnapshots(snapshots: readonly Snapshot[], options: EffectiveOptions): readonly Snapshot[] {
  const sign = isSet(options, 'aggsortrev') ? -1 : 1;
  return snapshots.toSorted((left, right) => sign * (left.aggregation.id - right.aggregation.id));
}

/** One line of a joined printa(): a key, and the element of each aggregation for it. */
export interface JoinedRow {
  readonly key: Element;
  readonly values: readonly Element[];
}

/**
 * Joins aggregations of equal key signatures by their keys; an aggregation that lacks a key has a zero there. Ordered by the values of the
 * aggregation that `aggsortpos` names, then the next, then the keys.
 */
export function joinSnapshots(snapshots: readonly Snapshot[], options: EffectiveOptions): readonly JoinedRow[] {
  const rows = new Map<string, { key: Element; values: (Element | undefined)[] }>();
  snapshots.forEach(({ aggregation, elements }, position) => {
    for (const element of elements) {
      const text = element.record.text(element.at, aggregation.keyBytes);
      const row = rows.get(text);
      if (row !== undefined) row.values[position] = element;
      else {
        const values = new Array<Element | undefined>(snapshots.length).fill(undefined);
        values[position] = element;
        rows.set(text, { key: element, values });
      }
    }
  });
  const [first] = snapshots as [Snapshot];
  const keys = compareKeys(first.aggregation, options);
  const sign = isSet(options, 'aggsortrev') ? -1 : 1;
  const byKey = isSet(options, 'aggsortkey');
  const position = numberOf(options, 'aggsortpos', 0);
  const start = position < snapshots.length ? position : 0;
  const order = [...snapshots.keys()].map((_, i) => (i + start) % snapshots.length);
  const weigh = snapshots.map(({ aggregation }) => weightOf(aggregation));
  return [...rows.values()]
    .map(({ key, values }) => {
      const elements = values.map((element, i) => element ?? zeroElement(snapshots[i]!.aggregation, key));
      return { row: { key, values: elements }, weights: order.map((i) => weigh[i]!(elements[i]!)) };
    })
    .sort((left, right) => {
      if (byKey) return sign * keys(left.row.key, right.row.key);
      for (let i = 0; i < order.length; i++) {
        const compared = compareWeights(left.weights[i]!, right.weights[i]!);
        if (compared !== 0) return sign * compared;
      }
      return sign * keys(left.row.key, right.row.key);
    })
    .map(({ row }) => row);
}
