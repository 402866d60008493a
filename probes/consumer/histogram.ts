/**
 * Distributions as text: the tables of quantize() and its kin, `agghist` (an aggregation's values as one distribution over its keys),
 * `aggpack` (a distribution as one line), `aggzoom`.
 *
 * Models dt_consume.c of libdtrace: bars of 40 columns, a half rounded up, of 20 on each side of a line when there are positive and negative
 * counts; one empty bucket on each side of those that hold something. With `encoding=utf8` bars are drawn in eighths of a column; packed
 * lines are drawn in UTF-8 unless `encoding=ascii` or a terminal that is known to be unable.
 *
 * @module
 */
import { isSet } from '../options.ts';
import type { AggregationDescriptor, EffectiveOptions } from '../program.ts';
import { type Bucket, bucketLabel, bucketsOf, QUANTIZE_BUCKETS, QUANTIZE_ZERO, quantizeValue } from './buckets.ts';

const BAR = 40;
/** How much of a bar the greatest value fills with `aggzoom`. */
const ZOOM = 0.95;
const DISTRIBUTION = '------------- Distribution -------------';
const VALUE_COLUMNS = 16;
const COUNT_COLUMNS = 9;

const magnitude = (n: bigint): bigint => (n < 0n ? -n : n);

/** What a whole bar stands for, and on which sides there are any. */
export interface Scale {
  /** Exact; under `aggzoom` a fraction. */
  readonly total: bigint | number;
  readonly positives: boolean;
  readonly negatives: boolean;
}

/** The scale for values that are shown together. */
export function scaleOf(values: Iterable<bigint>, zoom: boolean): Scale {
  let total = 0n;
  let highest = 0;
  let positives = false;
  let negatives = false;
  for (const value of values) {
    total += magnitude(value);
    highest = Math.max(highest, Number(magnitude(value)) * (1 / ZOOM));
    positives ||= value > 0n;
    negatives ||= value < 0n;
  }
  return { total: zoom ? highest : total, positives, negatives };
}

/** Columns of a bar, a half rounded up. */
function columns(value: bigint, length: number, total: bigint | number): number {
  if (typeof total === 'number') return Math.floor((Number(magnitude(value)) * length) / total + 0.5);
  return Number((2n * magnitude(value) * BigInt(length) + total) / (2n * total));
}

/** U+25xx in UTF-8, as a byte string. */
const BLOCKS: readonly string[] = Array.from({ length: 16 }, (_, i) =>
  Buffer.from(String.fromCharCode(0x2580 + i), 'utf8').toString('latin1'),
);
const FULL_BLOCK = BLOCKS[8]!;
const EIGHTHS = 8;

function smoothBar(value: bigint, total: bigint | number): string {
  const length = (Number(magnitude(value)) * BAR) / Number(total);
  const whole = Math.floor(length);
  const partial = Math.floor((length - whole) * EIGHTHS);
  // U+258F is one eighth, U+2589 seven.
  const bar = FULL_BLOCK.repeat(whole) + (partial === 0 ? '' : BLOCKS[16 - partial]!);
  return bar + ' '.repeat(BAR - whole - (partial === 0 ? 0 : 1));
}

/** The bar and the count of one row, with its newline. */
export function bar(value: bigint, normalization: bigint, { total, positives, negatives }: Scale, utf8: boolean): string {
  const count = `${String(value / normalization).padEnd(COUNT_COLUMNS)}\n`;
  if (!negatives) {
    if (!positives) return `|${' '.repeat(BAR)} ${count}`;
    if (utf8) return `|${smoothBar(value, total)} ${count}`;
    const depth = columns(value, BAR, total);
    return `|${'@'.repeat(depth)}${' '.repeat(BAR - depth)} ${count}`;
  }
  if (!positives) {
    const depth = columns(value, BAR, total);
    return `${' '.repeat(BAR - depth)}${'@'.repeat(depth)}| ${count}`;
  }
  const half = BAR / 2;
  const depth = columns(value, half, total);
  const ats = '@'.repeat(depth);
  const spaces = ' '.repeat(half - depth);
  return value <= 0n ? `${spaces}${ats}|${' '.repeat(half)} ${count}` : `${' '.repeat(half)}|${ats}${spaces} ${count}`;
}

/** The heading of a distribution over values, or over keys that take `keyColumns`. */
export function heading(keyColumns = 0): string {
  const title = keyColumns > 0 ? 'key'.padStart(keyColumns) : 'value'.padStart(VALUE_COLUMNS);
  return `\n${title} ${DISTRIBUTION.padStart(BAR + 1)} ${'count'.padEnd(COUNT_COLUMNS)}\n`;
}

/** First and last bucket to show. */
function range(func: string, words: BigInt64Array): [number, number] {
  let first = words.findIndex((word) => word !== 0n);
  let last = words.findLastIndex((word) => word !== 0n);
  if (func === 'quantize') {
    // The last bucket alone counts as nothing, as in the original.
    if (first < 0 || first === QUANTIZE_BUCKETS - 1) return [QUANTIZE_ZERO - 1, QUANTIZE_ZERO + 1];
  } else if (first < 0) {
    return [0, func === 'lquantize' ? Math.min(2, words.length - 1) : 1];
  }
  if (first > 0) first--;
  if (last < words.length - 1) last++;
  return [first, last];
}

/** A distribution as a table. */
export function histogram(
  aggregation: AggregationDescriptor,
  words: BigInt64Array,
  normalization: bigint,
  options: EffectiveOptions,
): string {
  const by = normalization === 0n ? 1n : normalization;
  const buckets = bucketsOf(aggregation.func);
  const [first, last] = range(aggregation.func.name, words);
  const scale = scaleOf(words.subarray(first, last + 1), isSet(options, 'aggzoom'));
  const utf8 = options['encoding'] === 'utf8';
  let text = heading();
  for (let i = first; i <= last; i++) {
    text += `${bucketLabel(buckets[i] as Bucket).padStart(VALUE_COLUMNS)} ${bar(words[i]!, by, scale, utf8)}`;
  }
  return text;
}

/** Terminals that cannot show UTF-8. */
const PRIMITIVE = ['sun', 'sun-color', 'dumb'];

/** How packed lines are drawn. */
export function packsInUtf8(options: EffectiveOptions, terminal: string | undefined): boolean {
  const encoding = options['encoding'];
  if (encoding !== undefined) return encoding === 'utf8';
  return terminal === undefined || !PRIMITIVE.includes(terminal);
}

const ASCII_LEVELS = '__xxxxXX';
const NEGATIVE_LEVELS = 'vvvvVV';

function cell(value: bigint, total: number, utf8: boolean): string {
  if (value === 0n) return ' ';
  const level = (levels: number): number => Math.floor((Number(magnitude(value)) * (levels - 1)) / total + 0.5);
  if (value < 0n) return NEGATIVE_LEVELS[level(NEGATIVE_LEVELS.length)]!;
  // U+2581 is the lowest block, U+2588 the full one.
  return utf8 ? BLOCKS[1 + level(EIGHTHS)]! : ASCII_LEVELS[level(ASCII_LEVELS.length)]!;
}

/** Columns of a number in a packed line: at least four. */
function digits(value: bigint): number {
  return Math.max(4, (magnitude(value) > 1n ? (magnitude(value) - 1n).toString().length : 1) + (value < 0n ? 1 : 0));
}

const LINEAR_COLUMNS = 8;

/** Which buckets all packed lines of an aggregation show. */
export interface PackedRange {
  readonly first: number;
  readonly last: number;
}

/** The buckets of quantize() that any element uses, and one more on each side (but below 0); all of lquantize(). */
export function packedRange(aggregation: AggregationDescriptor, elements: Iterable<{ readonly words: BigInt64Array }>): PackedRange {
  if (aggregation.func.name === 'lquantize') return { first: 0, last: aggregation.valueBytes / 8 - 1 };
  let first = QUANTIZE_BUCKETS;
  let last = -1;
  for (const { words } of elements) {
    const from = words.findIndex((word) => word !== 0n);
    first = Math.min(first, from < 0 ? QUANTIZE_ZERO : from);
    last = Math.max(last, from < 0 ? QUANTIZE_ZERO : words.findLastIndex((word) => word !== 0n));
  }
  if (first !== 0 && first !== QUANTIZE_ZERO) first--;
  if (last < QUANTIZE_BUCKETS - 1) last++;
  return { first, last };
}

/** The heading over packed lines. */
export function packedHeading(aggregation: AggregationDescriptor, { first, last }: PackedRange, keyColumns: number): string {
  const quantize = aggregation.func.name === 'quantize';
  const least = quantize ? digits(quantizeValue(first)) : LINEAR_COLUMNS - 1;
  const greatest = quantize ? digits(quantizeValue(last)) : LINEAR_COLUMNS;
  const key = (keyColumns > 0 ? 'key' : '').padStart(keyColumns);
  return `\n${key} ${'min'.padStart(least)} .${'-'.repeat(last - first + 1)}. ${'max'.padEnd(greatest)} | count\n`;
}

/** A distribution as one line, with its newline. */
export function packedLine(
  aggregation: AggregationDescriptor,
  words: BigInt64Array,
  { first, last }: PackedRange,
  options: EffectiveOptions,
  utf8: boolean,
): string {
  const shown = words.subarray(first, last + 1);
  const total = Number(scaleOf(shown, isSet(options, 'aggzoom')).total);
  let count = 0n;
  let cells = '';
  for (const value of shown) {
    count += value;
    cells += cell(value, total, utf8);
  }
  if (aggregation.func.name === 'quantize') {
    const least = quantizeValue(first);
    const greatest = quantizeValue(last);
    return ` ${String(least).padStart(digits(least))} :${cells}: ${String(greatest).padEnd(digits(greatest))} | ${count}\n`;
  }
  const buckets = bucketsOf(aggregation.func);
  const label = (bucket: number): string => bucketLabel(buckets[bucket] as Bucket);
  return `${label(first).padStart(LINEAR_COLUMNS)} :${cells}: ${label(last).padEnd(LINEAR_COLUMNS)} | ${count}\n`;
}
