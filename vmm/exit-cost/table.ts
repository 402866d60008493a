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
import { causeNamed, CauseError } from '../exit-log/cause-named.ts';
import { EXIT_REASON, EXIT_REASON_LIMIT, EXIT_REASON_NAMES, exitReasonName } from '../exit-reason.ts';
import { DEFAULT_EXIT_COSTS, type ExitCosts, KERNEL_DEVICES } from './modelled.ts';

/** A cost table that is not one. */
export class ExitCostError extends Error {
  override readonly name = 'ExitCostError';
}

/** Three values of one quantity: most lie between `low` and `high`. */
export interface Bounds {
  readonly low: number;
  readonly typical: number;
  readonly high: number;
}

/** What an exit costs, in the table's unit, and how that is known. */
export interface Cost extends Bounds {
  /** `source`: measured, and cited. `from`: by a rule that the table says. `given`: the table says no more. `scaled`, `modelled`: not in the table. */
  readonly basis: 'source' | 'from' | 'given' | 'scaled' | 'modelled';
  /** Key of `sources`. */
  readonly source?: string;
  readonly from?: string;
  readonly note?: string;
}

/** A measurement that is cited. */
export interface CostSource {
  readonly title: string;
  readonly year?: number;
  readonly url?: string;
  readonly measured?: string;
  readonly kernel?: string;
  readonly mitigations?: string;
}

export interface CostTable {
  /** As the command line named it. */
  readonly name: string;
  /** What it is of; undefined: of no processor. */
  readonly processor?: string;
  readonly hypervisor?: string;
  readonly kernel?: string;
  readonly mitigations?: string;
  readonly date?: string;
  /** False: measured under an emulator, so it says nothing about hardware. */
  readonly hardware: boolean;
  readonly unit: 'ns' | 'cycles';
  /** Cycles of the time stamp counter in a nanosecond. */
  readonly ghz?: number;
  /** How fast the guest's own instructions are. */
  readonly instructionsPerCycle?: Bounds;
  readonly sources: ReadonlyMap<string, CostSource>;
  readonly notes: readonly string[];
  /** By basic exit reason. */
  readonly reasons: ReadonlyMap<number, Cost>;
  readonly other: Cost;
  /** The whole cost of an exit, device included, by its cause (`cause.ts`). */
  readonly causes: ReadonlyMap<number, Cost>;
  /** Added for an access that a device answers. */
  readonly devices: ReadonlyMap<string, Cost>;
  readonly device: Cost;
  readonly byte: Cost;
}

/** Most a single number of the table may be: a second. */
const COST_MAX = 1_000_000_000;
const CYCLES_MAX = 10_000_000_000;
const GHZ_MAX = 100;
const TEXT_MAX = 1000;
const ENTRIES_MAX = 10_000;
/** What is scaled is at least and at most this part of it. */
const SCALED = { low: 0.5, high: 2.5 } as const;

/** By what the rest of a table is scaled: the first of these that it has. */
const SCALES = [EXIT_REASON.CPUID, EXIT_REASON.VMCALL, EXIT_REASON.INVD, EXIT_REASON.MSR_WRITE];

type Json = Readonly<Record<string, unknown>>;

/** What is wrong, short enough for a line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Reads one file: everything that is wrong is told with the file's name and the key. */
class Reader {
  readonly source: string;
  readonly unit: CostTable['unit'];
  readonly sources: ReadonlySet<string>;

  constructor(source: string, unit: CostTable['unit'], sources: ReadonlySet<string>) {
    this.source = source;
    this.unit = unit;
    this.sources = sources;
  }

  wrong(key: string, what: string): ExitCostError {
    return new ExitCostError(`${this.source}: ${key}${what}`);
  }

  object(key: string, value: unknown, of: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong(key, ` must be an object of ${of}`);
    if (Object.keys(value).length > ENTRIES_MAX) throw this.wrong(key, `: has more than ${ENTRIES_MAX} entries`);
    return value as Json;
  }

  known(key: string, given: Json, known: readonly string[]): void {
    for (const k of Object.keys(given))
      if (!known.includes(k))
        throw this.wrong(key === '' ? '' : `${key}: `, `unknown key '${k.slice(0, 60)}'; known are ${known.join(', ')}`);
  }

  text(key: string, value: unknown): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value.length > TEXT_MAX || /\p{Cc}/u.test(value))
      throw this.wrong(key, ` must be text of one line, not ${shown(value)}`);
    return value;
  }

  /** A number above 0. */
  positive(key: string, value: unknown, max: number): number {
    if (typeof value !== 'number' || !(value > 0) || value > max)
      throw this.wrong(key, ` must be a number above 0, at most ${max}, not ${shown(value)}`);
    return value;
  }

  integer(key: string, value: unknown): number {
    const max = this.unit === 'ns' ? COST_MAX : CYCLES_MAX;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
    const unit = this.unit === 'ns' ? 'nanoseconds' : 'cycles';
    throw this.wrong(
      key,
      ` must be ${unit}, an integer from 0 to ${max}, or {"low": L, "typical": T, "high": H} of such, not ${shown(value)}`,
    );
  }

  bounds(key: string, given: Json, read: (key: string, value: unknown) => number): Bounds {
    const [low, typical, high] = (['low', 'typical', 'high'] as const).map((name) => {
      if (given[name] === undefined) throw this.wrong(key, ` lacks '${name}'; write {"low": L, "typical": T, "high": H}`);
      return read(`${key}.${name}`, given[name]);
    }) as [number, number, number];
    if (low > typical || typical > high) throw this.wrong(key, `: low ${low}, typical ${typical}, high ${high} are not in this order`);
    return { low, typical, high };
  }

  cost(key: string, value: unknown): Cost {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const ns = this.integer(key, value);
      return { low: ns, typical: ns, high: ns, basis: 'given' };
    }
    const given = value as Json;
    this.known(key, given, ['low', 'typical', 'high', 'source', 'from', 'note']);
    const bounds = this.bounds(key, given, (k, v) => this.integer(k, v));
    const [source, from, note] = (['source', 'from', 'note'] as const).map((k) => this.text(`${key}.${k}`, given[k]));
    if (source !== undefined && !this.sources.has(source))
      throw this.wrong(`${key}.source`, `: there is no '${source}' in sources; it has ${[...this.sources].join(', ') || 'none'}`);
    const basis = source !== undefined ? 'source' : from !== undefined ? 'from' : 'given';
    return { ...bounds, basis, ...(source && { source }), ...(from && { from }), ...(note && { note }) };
  }

  costs<K>(key: string, value: unknown, keyOf: (name: string) => K): Map<K, Cost> {
    const result = new Map<K, Cost>();
    if (value === undefined) return result;
    for (const [name, entry] of Object.entries(this.object(key, value, `costs`))) {
      const k = keyOf(name);
      if (result.has(k)) throw this.wrong(`${key}.${name}`, ' is there twice, once under another name');
      result.set(k, this.cost(`${key}.${name}`, entry));
    }
    return result;
  }

  reason(name: string): number {
    if (/^\d{1,3}$/.test(name) && Number(name) < EXIT_REASON_LIMIT) return Number(name);
    const reason = EXIT_REASON_NAMES.indexOf(name.toUpperCase().replaceAll('-', '_'));
    if (reason >= 0) return reason;
    throw this.wrong(
      `reasons.${name.slice(0, 60)}`,
      `: not a basic exit reason (0 to ${EXIT_REASON_LIMIT - 1}), nor the name of one, such as ${exitReasonName(EXIT_REASON.CPUID)}`,
    );
  }

  cause(name: string): number {
    try {
      const { cause } = causeNamed(name);
      if (cause !== undefined) return cause;
    } catch (error) {
      if (!(error instanceof CauseError)) throw error;
      throw this.wrong(`causes.${name.slice(0, 60)}`, `: ${error.message}`);
    }
    throw this.wrong(`causes.${name.slice(0, 60)}`, ": is a reason, not a cause: write it under reasons, or as in 'MSR_WRITE 0x6e0'");
  }
}

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

function sourcesOf(source: string, value: unknown): Map<string, CostSource> {
  const reader = new Reader(source, 'ns', new Set());
  const result = new Map<string, CostSource>();
  if (value === undefined) return result;
  for (const [name, entry] of Object.entries(reader.object('sources', value, 'sources'))) {
    const key = `sources.${name}`;
    const given = reader.object(key, entry, 'title, year, url, measured, kernel, mitigations');
    reader.known(key, given, ['title', 'year', 'url', 'measured', 'kernel', 'mitigations']);
    const title = reader.text(`${key}.title`, given['title']);
    if (title === undefined) throw reader.wrong(key, " lacks 'title'");
    const year = given['year'];
    if (year !== undefined && (typeof year !== 'number' || !Number.isInteger(year) || year < 1970 || year > 9999))
      throw reader.wrong(`${key}.year`, ` must be a year, not ${shown(year)}`);
    const texts = ['url', 'measured', 'kernel', 'mitigations'].map((k) => [k, reader.text(`${key}.${k}`, given[k])] as const);
    result.set(name, { title, ...(year && { year }), ...Object.fromEntries(texts.filter(([, text]) => text !== undefined)) });
  }
  return result;
}

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
  const ghz = given['ghz'] === undefined ? undefined : r.positive('ghz', given['ghz'], GHZ_MAX);
  if (unit === 'cycles' && ghz === undefined)
    throw r.wrong('ghz', ' is missing: a table in cycles says how many there are in a nanosecond');
  const ipc = given['instructionsPerCycle'];
  const instructionsPerCycle =
    ipc === undefined
      ? undefined
      : r.bounds('instructionsPerCycle', r.object('instructionsPerCycle', ipc, 'low, typical, high'), (k, v) => r.positive(k, v, GHZ_MAX));
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
