/**
 * What `lucid exits --cost` prints for people. Every figure has its low and high end beside it, and what is not measured has a star.
 *
 * @module
 */
import { instructionsPerCycle, type Prediction, type PricedKind } from '../exit-cost/price.ts';
import type { Bounds, Cost, CostTable } from '../exit-cost/table.ts';
import { EXIT_REASON } from '../exit-reason.ts';

/** Exits of one key of `--by`. */
export interface KeyCosts {
  readonly key: string;
  readonly count: number;
  readonly timeNs: Bounds;
}

export interface Told {
  /** Of the whole run. */
  readonly exits: number;
  readonly instructions?: number | undefined;
  /** Lines. */
  readonly top: number;
}

const UNITS = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
  [1, 'ns'],
] as const;

/** Three significant digits or so. */
function digits(n: number): string {
  return n >= 100 || n === 0 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

function joined({ low, typical, high }: Bounds, text: (n: number) => string): string {
  const [a, b, c] = [low, typical, high].map(text) as [string, string, string];
  return a === b && b === c ? b : `${a} - ${b} - ${c}`;
}

/** `12.0 - 15.1 - 40.3 ms`. */
function time(ns: Bounds): string {
  const [scale, unit] = UNITS.find(([size]) => ns.typical >= size) ?? [1, 'ns'];
  return `${joined(ns, (n) => digits(n / scale))} ${unit}`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(part < 0.1 ? 1 : 0)}%`;
}

/** `11% - 31% - 60%`. */
function percents(share: Bounds): string {
  return joined(share, percent);
}

/** Of what a host says about its mitigations, which may be long. */
const MITIGATIONS_SHOWN = 100;

type Column = 'left' | 'right';

/** Rows in columns as wide as they must be. */
function columns(rows: readonly (readonly string[])[], align: readonly Column[]): string {
  const widths = align.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const cell = (text: string, i: number): string =>
    align[i] === 'left' ? text.padEnd(widths[i] as number) : text.padStart(widths[i] as number);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}

function isMeasured({ basis }: Cost): boolean {
  return basis === 'source' || basis === 'given';
}

function starred(name: string, parts: readonly Cost[]): string {
  return parts.every(isMeasured) ? name : `${name} *`;
}

const short = (text: string): string => (text.length > MITIGATIONS_SHOWN ? `${text.slice(0, MITIGATIONS_SHOWN - 3)}...` : text);

/** Which table this is of. */
function heading({ name, processor, ghz, hypervisor, kernel, mitigations, hardware }: CostTable): string {
  const speed = ghz === undefined ? '' : `${Number(ghz.toPrecision(3))} GHz`;
  const of = [processor ?? name, speed, hypervisor ?? '', kernel ?? ''].filter((word) => word !== '').join(', ');
  const emulated = hardware ? '' : 'this table was measured under an emulator: it says nothing about hardware\n';
  return `predicted for ${of}${mitigations === undefined ? '' : `; mitigations: ${short(mitigations)}`}\n${emulated}`;
}

/** The same words once, with the names of all kinds that they are said of. */
function said(kinds: readonly PricedKind[], words: (cost: Cost) => string | undefined, mark: string): string[] {
  const names = new Map<string, string[]>();
  for (const { kind, parts } of kinds) {
    for (const text of parts.map(words)) if (text !== undefined) names.set(text, [...(names.get(text) ?? []), kind.name]);
  }
  return [...names].map(([text, of]) => `${mark}${of.join(', ')}: ${text}`);
}

/** What the starred entries are, and what else must be known, about kinds that the run has. */
function footing(table: CostTable, kinds: readonly PricedKind[]): string {
  const bases = new Set(kinds.flatMap(({ parts }) => parts.map(({ basis }) => basis)));
  const lines = [
    ...(bases.has('scaled')
      ? ['* not measured: the modelled default, scaled by what was; at least from half of it to two and a half times of it']
      : []),
    ...(bases.has('modelled') ? ['* not in the table: the modelled default; from half of it to two and a half times of it'] : []),
    ...(bases.has('scaled') && table.device.from !== undefined ? [`* devices of the monitor, in user space: ${table.device.from}`] : []),
    ...said(kinds, (cost) => (isMeasured(cost) ? undefined : cost.from), '* '),
    ...said(kinds, (cost) => (isMeasured(cost) ? cost.from : undefined), ''),
    ...said(kinds, ({ note }) => note, ''),
    ...(kinds.some(({ kind, each }) => kind.reason === EXIT_REASON.EPT_VIOLATION && each.high > 0)
      ? ['EPT_VIOLATION: one for each 4 KiB that is touched first; a host that gives memory in huge pages has far fewer']
      : []),
    ...table.notes,
    ...[...table.sources.values()].map(
      ({ title, year, url }) => `source: ${[title, year, url].filter((word) => word !== undefined).join(', ')}`,
    ),
  ];
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}

/** The run as a whole. */
function summary(table: CostTable, { exitsNs, guestNs, share }: Prediction, { exits, instructions }: Told): string {
  const all = `${exits} exits take ${time(exitsNs)}\n`;
  if (guestNs === undefined || share === undefined || instructions === undefined) return all;
  const { ghz } = table;
  const assumed = table.instructionsPerCycle === undefined ? ' (assumed)' : '';
  const speed = ghz === undefined ? '1 ns each, as in the VM' : `${joined(instructionsPerCycle(table), String)} in a cycle${assumed}`;
  const own = instructions < 1e6 ? String(instructions) : `${(instructions / 1e6).toFixed(1)} M`;
  return `${all}${own} instructions of the guest's own, ${speed}, take ${time(guestNs)}\nexits are ${percents(share)} of the time that the guest is busy (waiting in HLT is left out)\n`;
}

const more = (rows: number, top: number): string => (rows > top ? `(${rows - top} more; --top ${rows} shows all)\n` : '');

/** One table. */
export function predictionText(table: CostTable, prediction: Prediction, told: Told): string {
  const { kinds, exitsNs, guestNs } = prediction;
  const busy = exitsNs.typical + (guestNs?.typical ?? 0);
  const rows = kinds
    .slice(0, told.top)
    .map(({ kind, count, each, timeNs, parts }) => [
      starred(kind.name, parts),
      String(count),
      joined(each, (n) => n.toFixed(0)),
      time(timeNs),
      percent(timeNs.typical / Math.max(1, busy)),
    ]);
  const head = ['KIND', 'Exits', `${table.unit} each`, 'Time', guestNs === undefined ? 'Time%' : 'Run%'];
  const body = columns([head, ...rows], ['left', 'right', 'right', 'right', 'right']);
  return `${heading(table)}\n${body}${more(kinds.length, told.top)}\n${summary(table, prediction, told)}${footing(table, kinds)}`;
}

/** `--by KEY`: one table. */
export function keyedText(by: string, rows: readonly KeyCosts[], table: CostTable, prediction: Prediction, told: Told): string {
  const { kinds, exitsNs, guestNs } = prediction;
  const busy = exitsNs.typical + (guestNs?.typical ?? 0);
  const cells = rows
    .slice(0, told.top)
    .map(({ key, count, timeNs }) => [key, String(count), time(timeNs), percent(timeNs.typical / Math.max(1, busy))]);
  const head = [by.toUpperCase(), 'Exits', 'Time', 'Run%'];
  const body = columns([head, ...cells], ['left', 'right', 'right', 'right']);
  return `${heading(table)}\n${body}${more(rows.length, told.top)}\n${summary(table, prediction, told)}${footing(table, kinds)}`;
}

/** Several tables: a column of times for each. */
export function comparisonText(tables: readonly CostTable[], predictions: readonly Prediction[], told: Told): string {
  const [first] = predictions as [Prediction];
  const rows = first.kinds.slice(0, told.top).map(({ kind, count }) => {
    const same = predictions.map(({ kinds }) => kinds.find((other) => other.kind.name === kind.name) as PricedKind);
    return [kind.name, String(count), ...same.map(({ timeNs, parts }) => starred(time(timeNs), parts))];
  });
  const all = (text: (prediction: Prediction) => string): string[] => predictions.map(text);
  const known = first.share !== undefined;
  const totals = [
    ['all', String(told.exits), ...all(({ exitsNs }) => time(exitsNs))],
    ...(known ? [["the guest's own", '', ...all(({ guestNs }) => time(guestNs as Bounds))]] : []),
    ...(known ? [['share of exits', '', ...all(({ share }) => percents(share as Bounds))]] : []),
  ];
  const head = ['KIND', 'Exits', ...tables.map(({ name }) => name)];
  const body = columns([head, ...rows, ...totals], ['left', 'right', ...tables.map(() => 'right' as const)]);
  const names = tables.map((table) => `${table.name}: ${heading(table)}`).join('');
  const legend = predictions.some(({ kinds }) => kinds.some(({ parts }) => !parts.every(isMeasured)))
    ? '* not measured on this processor; lucid exits --cost NAME tells how it was found\n'
    : '';
  return `${names}\n${body}${more(first.kinds.length, told.top)}${legend}`;
}

/** What `--cost` without a name prints. */
export function listText(tables: readonly CostTable[]): string {
  const measured = (table: CostTable): number =>
    [table.reasons, table.devices, table.causes].reduce(
      (sum, costs) => sum + [...costs.values()].filter(({ basis }) => basis === 'source').length,
      0,
    );
  const rows = tables.map((table) => [
    table.name,
    table.processor ?? '',
    String(measured(table)),
    [...new Set([...table.sources.values()].flatMap(({ year }) => year ?? []))].sort().join(', '),
  ]);
  const body = columns([['NAME', 'PROCESSOR', 'Measured', 'Year'], ...rows], ['left', 'left', 'right', 'left']);
  return `${body}\nlucid exits LOG --cost NAME, or a file of your own: lucid measure-exit-cost writes one on a host with KVM\n`;
}
