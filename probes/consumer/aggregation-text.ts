/**
 * Aggregations as text: printa() with and without a format, and what is printed at the end.
 *
 * Models dt_print_aggs and dt_printf_format of libdtrace: without a format, keys in the widths of trace() (strings in 50 columns), then the
 * values, one line for each key; with one, the format once for each key, where each `%@` takes the value of the next aggregation and those
 * beyond the last take the last again. Values are divided by their normalization as integers.
 *
 * @module
 */
import { isSet } from '../options.ts';
import type { AggregationDescriptor, DatumDescriptor, EffectiveOptions } from '../program.ts';
import { type Element, isHistogram, resultOf, type Snapshot } from './aggregation.ts';
import { joinSnapshots, orderElements, orderSnapshots } from './aggregation-order.ts';
import { parseFormat } from './format.ts';
import { bar, heading, histogram, packedHeading, packedLine, packedRange, packsInUtf8, scaleOf } from './histogram.ts';
import { type AggregationPiece, compileFormat, integerText, type Piece } from './printf.ts';
import { dynamicKind, STACK_INDENT, stackText, symbolField, type Symbols } from './symbols.ts';
import { bytesText, integerByItsSize, integerColumns, isShownAsInteger } from './trace.ts';
import { numberOf } from '../options.ts';

/** What the layout depends on besides the data. `options` changes while tracing (setopt). */
export interface AggregationSettings {
  readonly options: EffectiveOptions;
  readonly symbols: Symbols | undefined;
  /** TERM: which terminals cannot show packed lines in UTF-8. */
  readonly terminal: string | undefined;
}

const VALUE_COLUMNS = 16;
const KEY_COLUMNS = -50;
const PACKED_COLUMNS = 16;

function keyText(element: Element, datum: DatumDescriptor, packed: boolean, settings: AggregationSettings): string {
  const { record, at: base } = element;
  const { options, symbols } = settings;
  const kind = dynamicKind(datum);
  if (kind === 'stack' || kind === 'ustack') {
    return stackText(record, base, datum, symbols, numberOf(options, 'stackindent', STACK_INDENT));
  }
  if (kind !== undefined && kind !== 'bytes') return symbolField(record, base, datum, symbols);
  const at = base + datum.offset;
  if (isShownAsInteger(datum)) return ` ${integerByItsSize(record, at, datum.bytes).padStart(integerColumns(datum.bytes)!)}`;
  return bytesText(record, at, datum, {
    columns: packed ? PACKED_COLUMNS : KEY_COLUMNS,
    quiet: false,
    raw: isSet(options, 'rawbytes'),
  });
}

function keysText(element: Element, { keyData }: AggregationDescriptor, packed: boolean, settings: AggregationSettings): string {
  let text = '';
  for (const datum of keyData) text += keyText(element, datum, packed, settings);
  return text;
}

/** Columns of all keys in a packed table. */
function packedKeyColumns({ keyData }: AggregationDescriptor): number {
  return keyData.reduce((sum, datum) => sum + (isShownAsInteger(datum) ? integerColumns(datum.bytes)! : PACKED_COLUMNS) + 1, 0);
}

function valueText(aggregation: AggregationDescriptor, { words }: Element, normalization: bigint, options: EffectiveOptions): string {
  if (isHistogram(aggregation)) return histogram(aggregation, words, normalization, options);
  return ` ${String(resultOf(aggregation, words, normalization)).padStart(VALUE_COLUMNS)}`;
}

/** `agghist`: the values of all keys as one distribution. */
function keyHistogram({ aggregation, normalization, elements }: Snapshot, settings: AggregationSettings): string {
  const { options } = settings;
  const values = elements.map(({ words }) => resultOf(aggregation, words));
  const scale = scaleOf(values, isSet(options, 'aggzoom'));
  const whole = { ...scale, total: typeof scale.total === 'number' ? Math.floor(scale.total) : scale.total };
  const utf8 = options['encoding'] === 'utf8';
  let text = heading(packedKeyColumns(aggregation));
  elements.forEach((element, i) => {
    text += `${keysText(element, aggregation, true, settings)} ${bar(values[i]!, normalization || 1n, whole, utf8)}`;
  });
  return text;
}

/** `aggpack`: each distribution as one line. */
function packedTable({ aggregation, elements }: Snapshot, settings: AggregationSettings): string {
  const { options, terminal } = settings;
  const range = packedRange(aggregation, elements);
  const utf8 = packsInUtf8(options, terminal);
  let text = packedHeading(aggregation, range, packedKeyColumns(aggregation));
  for (const element of elements) {
    text += keysText(element, aggregation, true, settings) + packedLine(aggregation, element.words, range, options, utf8);
  }
  return text;
}

function table(snapshot: Snapshot, settings: AggregationSettings): string {
  const { aggregation, normalization } = snapshot;
  const { options } = settings;
  const ordered = { ...snapshot, elements: orderElements(snapshot, options) };
  if (ordered.elements.length === 0) return '';
  const { name } = aggregation.func;
  const counts = name === 'count' || name === 'sum' || name === 'avg' || name === 'stddev';
  if (isSet(options, 'agghist') && counts) return keyHistogram(ordered, settings);
  if (isSet(options, 'aggpack') && (name === 'quantize' || name === 'lquantize')) return packedTable(ordered, settings);
  let text = '';
  for (const element of ordered.elements) {
    text += `${keysText(element, aggregation, false, settings)}${valueText(aggregation, element, normalization, options)}\n`;
  }
  return text;
}

/** printa() without a format. One snapshot for each argument, in order. */
export function defaultText(snapshots: readonly Snapshot[], settings: AggregationSettings): string {
  const [first] = snapshots;
  if (first === undefined) return '\n';
  if (snapshots.length === 1) return `\n${table(first, settings)}`;
  let text = '\n';
  for (const { key, values } of joinSnapshots(snapshots, settings.options)) {
    text += keysText(key, first.aggregation, false, settings);
    values.forEach((element, i) => {
      const { aggregation, normalization } = snapshots[i]!;
      text += valueText(aggregation, element, normalization, settings.options);
    });
    text += '\n';
  }
  return text;
}

/** What is printed at the end, for the aggregations that no printa() has printed. */
export function finalText(snapshots: readonly Snapshot[], settings: AggregationSettings): string {
  let text = '';
  for (const snapshot of orderSnapshots(snapshots, settings.options)) text += table(snapshot, settings);
  return text;
}

/** The values of one key, in the order of printa()'s arguments. */
interface Row {
  readonly snapshots: readonly Snapshot[];
  readonly values: readonly Element[];
}

/** A printa() with a format, compiled. */
export class PrintaFormat {
  readonly #settings: AggregationSettings;
  readonly #piece: Piece<Row>;

  constructor(text: string, aggregations: readonly AggregationDescriptor[], settings: AggregationSettings) {
    this.#settings = settings;
    const value: AggregationPiece<Row> = (conversion, index, layoutOf) => {
      const position = Math.min(index, aggregations.length - 1);
      const aggregation = aggregations[position];
      if (aggregation === undefined) return () => '';
      const signed = aggregation.func.name !== 'count';
      return (record, base, { snapshots, values }) => {
        const { normalization } = snapshots[position]!;
        const { words } = values[position]!;
        if (isHistogram(aggregation)) return histogram(aggregation, words, normalization, settings.options);
        return integerText(resultOf(aggregation, words, normalization), signed, conversion, layoutOf(record, base));
      };
    };
    this.#piece = compileFormat(parseFormat(text), aggregations[0]?.keyData ?? [], settings.symbols, value);
  }

  /** One snapshot for each argument, in order. */
  text(snapshots: readonly Snapshot[]): string {
    const { options } = this.#settings;
    let text = '';
    if (snapshots.length === 1) {
      const [snapshot] = snapshots as [Snapshot];
      for (const element of orderElements(snapshot, options)) {
        text += this.#piece(element.record, element.at, { snapshots, values: [element] });
      }
      return text;
    }
    for (const { key, values } of joinSnapshots(snapshots, options)) text += this.#piece(key.record, key.at, { snapshots, values });
    return text;
  }
}
