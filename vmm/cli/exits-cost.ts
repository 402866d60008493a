/**
 * `lucid exits --cost`: what the exits of a run would cost on real processors, by tables of published or own measurements.
 *
 * @module
 */
import { costTableNames, loadCostTable } from '../exit-cost/named.ts';
import { predict, type Prediction, type PricedKind, priceOf } from '../exit-cost/price.ts';
import { type CostTable, ExitCostError } from '../exit-cost/table.ts';
import { causeNumber, causeParts } from '../exit-log/cause.ts';
import { CauseError, causeNamed } from '../exit-log/cause-named.ts';
import type { ExitFilter } from '../exit-log/filter.ts';
import { type KindCount, KindTally } from '../exit-log/kind-tally.ts';
import { Tally, type TallyKey } from '../exit-log/tally.ts';
import { type KeyCosts, keyedText, listText, predictionText, comparisonText } from './exits-cost-text.ts';
import { lossText, openLog } from './exit-log-options.ts';
import { countedPhases, rowsOf } from './expect/counted-file.ts';
import { commaWords, UsageError } from './options.ts';

export interface CostRequest {
  /** What follows `--cost`: names and files with commas between them; nothing lists the names. */
  readonly names: string;
  readonly by?: TallyKey;
  readonly filter: ExitFilter;
  /** The log may be a pipe, or `-`. */
  readonly stream: boolean;
  /** Some exits only: not all are shown, or can be. */
  readonly chosen: boolean;
  readonly top: number;
  readonly json: boolean;
  readonly name: (address: bigint) => string;
}

/** What a run had. */
interface Counted {
  readonly shown: readonly KindCount[];
  readonly all: readonly KindCount[];
  readonly instructions?: number;
  readonly keyed?: KeyCosts[];
}

/** Throws UsageError. */
function tablesOf(names: string): CostTable[] {
  const words = commaWords(names).map((word) => word.trim());
  try {
    const tables = words.map((word) => loadCostTable('--cost', word));
    const twice = words.find((word, i) => words.indexOf(word) !== i);
    if (twice !== undefined) throw new UsageError(`--cost ${names}: ${twice} is there twice`);
    return tables;
  } catch (error) {
    if (error instanceof ExitCostError) throw new UsageError(error.message);
    throw error;
  }
}

/** The causes that some of the tables name. */
function causesOf(tables: readonly CostTable[]): { readonly causes: Set<number>; readonly reasons: Set<number> } {
  const causes = new Set(tables.flatMap((table) => [...table.causes.keys()]));
  return { causes, reasons: new Set([...causes].map((cause) => causeParts(cause).reason)) };
}

/** A log of exits. */
function countLog(path: string, tables: readonly CostTable[], request: CostRequest): Counted {
  const { filter, by, name } = request;
  const { causes, reasons } = causesOf(tables);
  const [all, shown] = [new KindTally(causes, reasons), new KindTally(causes, reasons)];
  const [table] = tables;
  const tallies = by === undefined || table === undefined ? [] : keyTallies(table, by, name, all);
  const log = openLog(path, { stream: request.stream });
  try {
    const end = log.read((view, at, chain) => {
      all.add(view, at);
      all.passed(view, at);
      if (!filter(view, at)) return true;
      shown.add(view, at);
      for (const tally of tallies) tally.add(view, at, chain);
      return true;
    });
    if (!end.complete) process.stderr.write(lossText(path, end));
    const keyed = tallies.length === 0 ? undefined : keyedRows(tallies);
    return { shown: shown.counts(), all: all.counts(), instructions: end.instructions ?? all.retired, ...(keyed && { keyed }) };
  } finally {
    log.close();
  }
}

const ENDS = ['low', 'typical', 'high'] as const;

/** One tally for each end of the bounds, whose times are those of the table. */
function keyTallies(table: CostTable, by: TallyKey, name: (address: bigint) => string, kinds: KindTally): Tally[] {
  const known = new Map<KindCount, PricedKind>();
  const priced = (count: KindCount): PricedKind => {
    let price = known.get(count);
    if (price === undefined) {
      price = priceOf(table, { kind: count.kind, count: 1, bytes: 0 });
      known.set(count, price);
    }
    return price;
  };
  return ENDS.map((end) => new Tally(by, name, (view, at) => priced(kinds.countOf(view, at)).timeNs[end]));
}

function keyedRows(tallies: readonly Tally[]): KeyCosts[] {
  const [low, typical, high] = tallies.map((tally) => new Map(tally.rows().map((row) => [row.key, row])));
  const rows = [...(typical?.values() ?? [])].map(({ key, count, timeNs }) => ({
    key,
    count,
    timeNs: { low: low?.get(key)?.timeNs ?? 0, typical: timeNs, high: high?.get(key)?.timeNs ?? 0 },
  }));
  return rows.sort((a, b) => b.timeNs.typical - a.timeNs.typical || b.count - a.count || (a.key < b.key ? -1 : 1));
}

/** The cause that a file of counts names. Throws UsageError. */
function causeOfKey(path: string, key: string): number {
  try {
    const { reason, cause } = causeNamed(key);
    if (reason !== undefined) return cause ?? causeNumber(reason, 0);
  } catch (error) {
    if (!(error instanceof CauseError)) throw error;
    throw new UsageError(`${path}: ${error.message}`);
  }
  throw new UsageError(`${path}: '${key}' is no cause of exits`);
}

/** A baseline or report of `lucid expect`; undefined when the file is something else. */
function countFile(path: string, tables: readonly CostTable[], { by, chosen }: CostRequest): Counted | undefined {
  const phases = path === '-' ? undefined : countedPhases(path);
  if (phases === undefined) return undefined;
  if (by !== undefined || chosen)
    throw new UsageError(`${path}: has counts by cause; --by and what chooses exits need a log of lucid run --events`);
  const { causes, reasons } = causesOf(tables);
  const tally = new KindTally(causes, reasons);
  for (const phase of phases) {
    for (const { key, count } of rowsOf(phase)) {
      tally.addCause(causeOfKey(path, key), count);
    }
  }
  return { shown: tally.counts(), all: tally.counts() };
}

function jsonOf(table: CostTable, prediction: Prediction, { top }: CostRequest): object {
  const { kinds, exitsNs, guestNs, share } = prediction;
  const { sources, notes, processor, hypervisor, kernel, mitigations, unit, ghz, hardware, instructionsPerCycle } = table;
  return {
    table: table.name,
    ...{ processor, hypervisor, kernel, mitigations, hardware, unit, ghz, instructionsPerCycle },
    ...{ exitsNs, guestNs, share },
    kinds: kinds.slice(0, top).map(({ kind, count, each, timeNs, parts }) => ({ kind: kind.name, count, each, timeNs, parts })),
    sources: Object.fromEntries(sources),
    notes,
  };
}

/** The tables that there are. */
function list(json: boolean): void {
  const tables = costTableNames().map((name) => loadCostTable('--cost', name));
  if (!json) process.stdout.write(listText(tables));
  else {
    const rows = tables.map(({ name, processor, sources }) => ({ name, processor, sources: Object.fromEntries(sources) }));
    process.stdout.write(`${JSON.stringify(rows)}\n`);
  }
}

/** Prints what the exits of a log, or of counts, would cost; without a name, which tables there are. Throws UsageError. */
export function showCosts(path: string | undefined, request: CostRequest): void {
  const { names, by, top, json } = request;
  if (names === '') {
    list(json);
    return;
  }
  const tables = tablesOf(names);
  if (path === undefined)
    throw new UsageError('--cost: of which run? give a log of lucid run --events; without a name it lists the tables');
  if (by !== undefined && tables.length > 1) throw new UsageError(`--by ${by}: with one table only; --cost names ${tables.length}`);
  const counted = countFile(path, tables, request) ?? countLog(path, tables, request);
  const predictions = tables.map((table) => predict(table, counted.shown, counted.all, counted.instructions));
  const { instructions, keyed } = counted;
  const exits = counted.all.reduce((sum, { count }) => sum + count, 0);
  if (json) {
    const rows = tables.map((table, i) => jsonOf(table, predictions[i] as Prediction, request));
    process.stdout.write(`${JSON.stringify({ exits, instructions, tables: rows, ...(keyed && { by, rows: keyed.slice(0, top) }) })}\n`);
    return;
  }
  const [table, prediction] = [tables[0] as CostTable, predictions[0] as Prediction];
  const told = { exits, instructions, top };
  if (keyed !== undefined && by !== undefined) process.stdout.write(keyedText(by, keyed, table, prediction, told));
  else if (tables.length === 1) process.stdout.write(predictionText(table, prediction, told));
  else process.stdout.write(comparisonText(tables, predictions, told));
}
