/**
 * Reads the parts of a table of costs (`table.ts`): everything that is wrong is told with the file's name and the key.
 *
 * @module
 */
import { causeNamed, CauseError } from '../exit-log/cause-named.ts';
import { EXIT_REASON, EXIT_REASON_LIMIT, EXIT_REASON_NAMES, exitReasonName } from '../exit-reason.ts';
import { type Bounds, type Cost, type CostSource, type CostTable, ExitCostError } from './types.ts';

/** Most a single number of the table may be: a second. */
export const COST_MAX = 1_000_000_000;
const CYCLES_MAX = 10_000_000_000;
const TEXT_MAX = 1000;
const ENTRIES_MAX = 10_000;
export type Json = Readonly<Record<string, unknown>>;

/** What is wrong, short enough for a line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Reads one file: everything that is wrong is told with the file's name and the key. */
export class Reader {
  readonly source: string;
  readonly unit: CostTable['unit'];
  readonly sources: ReadonlySet<string>;

  constructor(source: string, unit: CostTable['unit'], sources: ReadonlySet<string>) {
    this.source = source;
    this.unit = unit;
    this.sources = sources;
  }

  wrong(key: string, what: string): ExitCostError {
    // A key may hold anything.
    return new ExitCostError(`${this.source}: ${`${key}${what}`.replaceAll(/\p{Cc}/gu, '.')}`);
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

/** The measurements that a table cites. Throws ExitCostError. */
export function sourcesOf(source: string, value: unknown): Map<string, CostSource> {
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
