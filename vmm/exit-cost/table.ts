/**
 * A table of what exits cost, as `--exit-cost` and `lucid exits --cost` read it from JSON: the form, and what is wrong with a file.
 *
 * docs/exit-cost.md describes the form, `exit-cost.schema.json` beside this file is its JSON schema. A number of the table is one integer, or
 * `{"low", "typical", "high"}` with where it comes from: `source` (a key of `sources`) when it was measured, `from` when it follows from others
 * by a rule that is said there, `note` for people (an exit that a processor does not make costs 0 and says so).
 *
 * What a table leaves out: a table of a processor (one that names it) has the modelled default scaled by what it says of CPUID (or else VMCALL,
 * INVD, MSR_WRITE), and for what devices in user space add, by its own `device`; the bounds are those of what it is scaled by, but at least half of it
 * and two and a half times of it. Any other table has the default as it is.
 *
 * @module
 */
import { EXIT_REASON, exitReasonName } from '../exit-reason.ts';
import { DEFAULT_EXIT_COSTS, type ExitCosts, KERNEL_DEVICES } from './modelled.ts';
import { COST_MAX, type Json, Reader, shown, sourcesOf } from './reader.ts';
import { type Cost, type CostTable, ExitCostError } from './types.ts';

export { type Bounds, type Cost, type CostSource, type CostTable, ExitCostError } from './types.ts';

/** What is scaled is at least and at most this part of it. */
const SCALED = { low: 0.5, high: 2.5 } as const;

/** By what the rest of a table is scaled: the first of these that it has. */
const SCALES = [EXIT_REASON.CPUID, EXIT_REASON.VMCALL, EXIT_REASON.INVD, EXIT_REASON.MSR_WRITE];

/** Cycles in a nanosecond, and instructions in a cycle, are at most this. */
const RATE_MAX = 100;

const KEYS = [
  ...[
    '$schema',
    'processor',
    'hypervisor',
    'kernel',
    'mitigations',
    'date',
    'hardware',
    'unit',
    'ghz',
    'instructionsPerCycle',
    'sources',
    'notes',
  ],
  ...['reasons', 'other', 'causes', 'devices', 'device', 'byte'],
];

/** A table from parsed JSON. `source` is what messages begin with, `name` what the table is called. Throws ExitCostError. */
export function costTableFrom(source: string, json: unknown, name = source): CostTable {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ExitCostError(`${source}: an exit cost table is an object with ${KEYS.slice(-6).join(', ')}`);
  const given = json as Json;
  const sources = sourcesOf(source, given['sources']);
  const unit = given['unit'] ?? 'ns';
  if (unit !== 'ns' && unit !== 'cycles') throw new ExitCostError(`${source}: unit must be "ns" or "cycles", not ${shown(unit)}`);
  const r = new Reader(source, unit, new Set(sources.keys()));
  r.known('', given, KEYS);
  const about = ['processor', 'hypervisor', 'kernel', 'mitigations', 'date'].map((k) => [k, r.text(k, given[k])] as const);
  r.text('$schema', given['$schema']);
  const hardware = given['hardware'] ?? true;
  if (typeof hardware !== 'boolean') throw r.wrong('hardware', ` must be true or false, not ${shown(hardware)}`);
  const ghz = given['ghz'] === undefined ? undefined : r.positive('ghz', given['ghz'], RATE_MAX);
  if (unit === 'cycles' && ghz === undefined)
    throw r.wrong('ghz', ' is missing: a table in cycles says how many there are in a nanosecond');
  const ipc = given['instructionsPerCycle'];
  const instructionsPerCycle =
    ipc === undefined
      ? undefined
      : r.bounds('instructionsPerCycle', r.object('instructionsPerCycle', ipc, 'low, typical, high'), (k, v) => r.positive(k, v, RATE_MAX));
  const notes = given['notes'] ?? [];
  if (!Array.isArray(notes)) throw r.wrong('notes', ' must be a list of texts');
  return fillIn(r, {
    name,
    ...Object.fromEntries(about.filter(([, text]) => text !== undefined)),
    hardware,
    unit,
    ...(ghz !== undefined && { ghz }),
    ...(instructionsPerCycle && { instructionsPerCycle }),
    sources,
    notes: notes.map((note, i) => r.text(`notes[${i}]`, note) ?? ''),
    reasons: r.costs('reasons', given['reasons'], (k) => r.reason(k)),
    causes: r.costs('causes', given['causes'], (k) => r.cause(k)),
    devices: r.costs('devices', given['devices'], (k) => k),
    ...(given['other'] !== undefined && { other: r.cost('other', given['other']) }),
    ...(given['device'] !== undefined && { device: r.cost('device', given['device']) }),
    byte: given['byte'] === undefined ? { low: 0, typical: 0, high: 0, basis: 'given' } : r.cost('byte', given['byte']),
  });
}

/** What the file itself says. */
type Given = Omit<CostTable, 'other' | 'device'> & Partial<Pick<CostTable, 'other' | 'device'>>;

/** By what a cost is scaled that the table lacks: a cost that it has, and what the default has for that, ns. */
interface Scale {
  readonly cost: Cost;
  readonly defaultNs: number;
}

/** Scales of exits, and of what devices in user space add; undefined: the table is of no processor. */
function scalesOf(r: Reader, table: Given): { readonly exit: Scale; readonly device: Scale } | undefined {
  if (table.processor === undefined) return undefined;
  const d = DEFAULT_EXIT_COSTS;
  const reason = SCALES.find((candidate) => table.reasons.has(candidate));
  if (reason === undefined)
    throw r.wrong(
      'reasons',
      ` has none of ${SCALES.map(exitReasonName).join(', ')}: what a table of a processor leaves out is scaled by one of them`,
    );
  const exit = { cost: table.reasons.get(reason) as Cost, defaultNs: d.reasons[reason] as number };
  return { exit, device: table.device === undefined ? exit : { cost: table.device, defaultNs: d.device } };
}

/** At least as uncertain as what it is scaled by. */
function scaled(ns: number, { cost, defaultNs }: Scale): Cost {
  const by = (n: number): number => Math.round((n * ns) / defaultNs);
  const typical = by(cost.typical);
  const low = Math.min(by(cost.low), Math.round(typical * SCALED.low));
  const high = Math.max(by(cost.high), Math.round(typical * SCALED.high));
  return { low, typical, high, basis: 'scaled' };
}

function fillIn(r: Reader, table: Given): CostTable {
  const scales = scalesOf(r, table);
  const d = DEFAULT_EXIT_COSTS;
  const cycles = table.unit === 'cycles' ? (table.ghz as number) : 1;
  const missing = (ns: number, by: 'exit' | 'device'): Cost => {
    if (scales !== undefined) return scaled(ns, scales[by]);
    const typical = Math.round(ns * cycles);
    return { low: Math.round(typical * SCALED.low), typical, high: Math.round(typical * SCALED.high), basis: 'modelled' };
  };
  const reasons = new Map(table.reasons);
  for (const [key, ns] of Object.entries(d.reasons)) if (!reasons.has(Number(key))) reasons.set(Number(key), missing(ns, 'exit'));
  const devices = new Map(table.devices);
  for (const [key, ns] of Object.entries(d.devices))
    if (!devices.has(key)) devices.set(key, missing(ns, KERNEL_DEVICES.includes(key) ? 'exit' : 'device'));
  return {
    ...table,
    reasons,
    devices,
    other: table.other ?? missing(d.other, 'exit'),
    device: table.device ?? missing(d.device, 'device'),
  };
}

/** The costs that move a VM's clock: the typical ones, in whole nanoseconds. */
export function exitCostsOf(table: CostTable): ExitCosts {
  const perNs = table.unit === 'cycles' ? (table.ghz as number) : 1;
  const ns = ({ typical }: Cost): number => Math.min(COST_MAX, Math.round(typical / perNs));
  const all = <K extends string | number>(costs: ReadonlyMap<K, Cost>): Record<K, number> =>
    Object.fromEntries([...costs].map(([key, cost]) => [key, ns(cost)])) as Record<K, number>;
  return {
    reasons: all(table.reasons),
    other: ns(table.other),
    devices: all(table.devices),
    device: ns(table.device),
    byte: ns(table.byte),
  };
}
