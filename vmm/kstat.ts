/**
 * Kernel statistics: `module:instance:name:statistic`, kept in the VM's shared memory.
 *
 * Models kstat(9S) and what kstat(1M) of illumos prints. A counter is a 64-bit word that WebAssembly increments; nobody is asked to read it,
 * so another thread may, with one atomic load each (never torn). A registry is a list of descriptions (plain data: names and addresses)
 * that can be sent to another thread and read there: `publish` and `KstatRegistry.adopt`. A statistic that a JavaScript object keeps gives
 * a getter; its value is copied to a word of shared memory by `refresh`, which the VM calls at the end of each slice.
 *
 * Imports nothing. The kstats of the VM and its vCPUs are described in `vmm/kvm-kstats.ts`; devices describe their own.
 *
 * Leaves out: raw, interrupt and timer kstats, writable statistics, and selection (the `kstat` command does that).
 *
 * @module
 */

/** Where a statistic comes from. */
export type StatSource =
  /** Address of a u64 in shared memory, 8-byte aligned. `unset`: all ones stand for "none yet" and read as 0. */
  | { readonly u64: number; readonly unset?: true }
  /** Address of a double in shared memory that holds an integer below 2^53, 8-byte aligned: what JavaScript can count without a BigInt. */
  | { readonly f64: number }
  /** Asked for in the thread that owns it; an integer of at least 0. */
  | { readonly get: () => number }
  /** Never changes. */
  | { readonly value: number | string };

/** A kstat: who, and which statistics. */
export interface Kstat {
  readonly module: string;
  readonly instance: number;
  readonly name: string;
  readonly class: string;
  /** `named` unless it has the fields of kstat_io(9S). */
  readonly type?: 'named' | 'io';
  /** VM clock in ns at its creation. */
  readonly crtime: number;
  /** Statistics that are 0 are left out (one counter per vector would be 256 lines of zeros). */
  readonly sparse?: true;
  readonly stats: Readonly<Record<string, StatSource>>;
}

/** The values of one kstat at one time, sorted by name as strcasecmp does. */
export interface KstatSnapshot {
  readonly module: string;
  readonly instance: number;
  readonly name: string;
  readonly class: string;
  readonly type: 'named' | 'io';
  /** ns of the VM's clock. */
  readonly crtime: bigint;
  readonly snaptime: bigint;
  readonly values: readonly (readonly [name: string, value: bigint | string])[];
}

/** What `publish` hands to another thread: plain data. */
export interface KstatPublication {
  readonly clock: readonly number[];
  readonly kstats: readonly Kstat[];
}

/** Where a registry lives. */
export interface KstatPlace {
  readonly buffer: ArrayBufferLike;
  /** Addresses of the u64 words whose sum is the VM's clock in ns. */
  readonly clock: readonly number[];
  /** Room for the values of getters: 8 bytes each, from `at` to `end`. None: getters cannot be published. */
  readonly mirror?: { readonly at: number; readonly end: number };
}

interface Mirrored {
  readonly get: () => number;
  readonly at: number;
}

/** The kstats of one VM. */
export class KstatRegistry {
  readonly #words: BigUint64Array;
  readonly #doubles: Float64Array;
  readonly #clock: readonly number[];
  readonly #mirror: { readonly at: number; readonly end: number };
  #mirrorNext: number;
  readonly #kstats: Kstat[] = [];
  readonly #sorted = new WeakMap<Kstat, readonly (readonly [string, StatSource])[]>();
  readonly #mirrored = new Map<StatSource, Mirrored>();
  /** Mirror words of removed kstats, to be used again. */
  readonly #freed: number[] = [];

  constructor(place: KstatPlace) {
    // Guest RAM follows the counters in the same buffer: views of whole words over all of it cost nothing.
    const words = Math.floor(place.buffer.byteLength / 8);
    this.#words = new BigUint64Array(place.buffer, 0, words);
    this.#doubles = new Float64Array(place.buffer, 0, words);
    this.#clock = place.clock;
    this.#mirror = place.mirror ?? { at: 0, end: 0 };
    this.#mirrorNext = this.#mirror.at;
  }

  /** The registry that another thread published, over the same memory. Reads only. */
  static adopt(buffer: ArrayBufferLike, publication: KstatPublication): KstatRegistry {
    const registry = new KstatRegistry({ buffer, clock: publication.clock });
    for (const kstat of publication.kstats) registry.add(kstat);
    return registry;
  }

  /** Adds a kstat. Throws when its name is taken, or an address is not one of an aligned word of the memory. */
  add(kstat: Kstat): void {
    const taken = this.#kstats.some((k) => compare(k, kstat) === 0);
    if (taken) throw new Error(`kstat ${kstat.module}:${kstat.instance}:${kstat.name} exists already`);
    for (const [name, source] of Object.entries(kstat.stats)) {
      const at = 'u64' in source ? source.u64 : 'f64' in source ? source.f64 : 0;
      if (at % 8 !== 0 || at < 0 || at / 8 >= this.#words.length) throw new RangeError(`kstat ${kstat.name}:${name}: bad address ${at}`);
    }
    this.#kstats.push(kstat);
    this.#kstats.sort(compare);
  }

  /** Removes a kstat; nothing happens when there is none of that name. */
  remove(module: string, instance: number, name: string): void {
    const index = this.#kstats.findIndex((k) => k.module === module && k.instance === instance && k.name === name);
    if (index < 0) return;
    const [kstat] = this.#kstats.splice(index, 1);
    for (const source of Object.values(kstat?.stats ?? {})) {
      const mirrored = this.#mirrored.get(source);
      if (mirrored === undefined) continue;
      this.#mirrored.delete(source);
      this.#freed.push(mirrored.at);
    }
  }

  /** All kstats, by module, instance and name. */
  list(): readonly Kstat[] {
    return this.#kstats;
  }

  /** The VM's clock in ns. */
  clock(): bigint {
    // The words are written one after the other by a running vCPU: take a sum that two readings agree on, or the last of a few.
    let before = this.#sum();
    for (let i = 0; i < 4; i++) {
      const now = this.#sum();
      if (now === before) break;
      before = now;
    }
    return before;
  }

  #sum(): bigint {
    let sum = 0n;
    for (const at of this.#clock) sum += Atomics.load(this.#words, at / 8);
    return BigInt.asUintN(64, sum);
  }

  /** Reads one kstat. */
  read(kstat: Kstat): KstatSnapshot {
    const snaptime = this.clock();
    const values: [string, bigint | string][] = [];
    for (const [name, source] of this.#sourcesOf(kstat)) {
      const value = this.#value(source);
      if (kstat.sparse && value === 0n) continue;
      values.push([name, value]);
    }
    const { module, instance, name } = kstat;
    return { module, instance, name, class: kstat.class, type: kstat.type ?? 'named', crtime: BigInt(kstat.crtime), snaptime, values };
  }

  /** In the order of their names, which whoever reads again and again need not find again and again. */
  #sourcesOf(kstat: Kstat): readonly (readonly [string, StatSource])[] {
    let sources = this.#sorted.get(kstat);
    if (sources === undefined) {
      sources = Object.entries(kstat.stats).sort((a, b) => compareNames(a[0], b[0]));
      this.#sorted.set(kstat, sources);
    }
    return sources;
  }

  /** Reads all of them, in order. */
  readAll(): KstatSnapshot[] {
    return this.#kstats.map((kstat) => this.read(kstat));
  }

  #value(source: StatSource): bigint | string {
    if ('u64' in source) {
      const value = Atomics.load(this.#words, source.u64 / 8);
      return source.unset && value === 0xffff_ffff_ffff_ffffn ? 0n : value;
    }
    if ('f64' in source) return BigInt(this.#doubles[source.f64 / 8] ?? 0);
    if ('get' in source) return BigInt(source.get());
    return typeof source.value === 'string' ? source.value : BigInt(source.value);
  }

  /** Plain data from which another thread reads the same kstats. Throws when the mirror has no room for a getter. */
  publish(): KstatPublication {
    const kstats = this.#kstats.map((kstat) => {
      const stats: Record<string, StatSource> = {};
      for (const [name, source] of Object.entries(kstat.stats)) stats[name] = 'get' in source ? { f64: this.#mirrorOf(source) } : source;
      return { ...kstat, stats };
    });
    this.refresh();
    return { clock: this.#clock, kstats };
  }

  #mirrorOf(source: { readonly get: () => number }): number {
    const known = this.#mirrored.get(source);
    if (known !== undefined) return known.at;
    let at = this.#freed.pop();
    if (at === undefined) {
      if (this.#mirrorNext + 8 > this.#mirror.end) throw new RangeError('kstat: no room left to publish getters');
      at = this.#mirrorNext;
      this.#mirrorNext += 8;
    }
    this.#mirrored.set(source, { get: source.get, at });
    return at;
  }

  /** Brings the words that other threads see of getters up to date. */
  refresh(): void {
    for (const { get, at } of this.#mirrored.values()) this.#doubles[at / 8] = get();
  }
}

/** strcasecmp of two names: the order of kstat(1M). */
export function compareNames(a: string, b: string): number {
  const x = a.toLowerCase();
  const y = b.toLowerCase();
  return x < y ? -1 : x > y ? 1 : 0;
}

function compare(a: Kstat, b: Kstat): number {
  return compareNames(a.module, b.module) || a.instance - b.instance || compareNames(a.name, b.name);
}

/** Nanoseconds as seconds with nine decimals. */
export function formatTime(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}`;
}

/** Statistics of kstat_io(9S) that are times: printed as times are. */
const IO_TIMES: ReadonlySet<string> = new Set(['wtime', 'wlentime', 'wlastupdate', 'rtime', 'rlentime', 'rlastupdate']);

function shown({ type }: KstatSnapshot, name: string, value: bigint | string): string {
  return type === 'io' && typeof value === 'bigint' && IO_TIMES.has(name) ? formatTime(value) : String(value);
}

/** All lines of a kstat: its statistics with `crtime` and `snaptime` (and `class` for the parsable form) among them. */
function rows(snapshot: KstatSnapshot, withClass: boolean): [name: string, text: string, quoted: boolean][] {
  const list: [string, string, boolean][] = snapshot.values.map(([name, value]) => [
    name,
    shown(snapshot, name, value),
    typeof value === 'string',
  ]);
  list.push(['crtime', formatTime(snapshot.crtime), false], ['snaptime', formatTime(snapshot.snaptime), false]);
  if (withClass) list.push(['class', snapshot.class, true]);
  return list.sort((a, b) => compareNames(a[0], b[0]));
}

/** Whether a statistic is wanted; none means all. */
export type StatFilter = (name: string) => boolean;

const all: StatFilter = () => true;

/** The default form: two header lines, one line for each statistic, a blank line. '' when the filter leaves nothing. */
export function format(snapshot: KstatSnapshot, wanted: StatFilter = all): string {
  const lines = rows(snapshot, false)
    .filter(([name]) => wanted(name))
    .map(([name, text]) => `\t${name.padEnd(30)}  ${text}\n`);
  if (lines.length === 0) return '';
  const { module, instance, name } = snapshot;
  const cut = (text: string): string => text.slice(0, 30);
  return (
    `module: ${cut(module).padEnd(30)}  instance: ${String(instance).padEnd(6)}\n` +
    `name:   ${cut(name).padEnd(30)}  class:    ${cut(snapshot.class)}\n${lines.join('')}\n`
  );
}

/** The parsable form (`-p`): `module:instance:name:statistic<TAB>value`, or another separator (`-C`); with `namesOnly` (`-l`) no value. */
export function formatParsable(snapshot: KstatSnapshot, wanted: StatFilter = all, namesOnly = false, separator = '\t'): string {
  const key = `${snapshot.module}:${snapshot.instance}:${snapshot.name}`;
  return rows(snapshot, true)
    .filter(([name]) => wanted(name))
    .map(([name, text]) => `${key}:${name}${namesOnly ? '' : `${separator}${text}`}\n`)
    .join('');
}

/** kstat(9S) type numbers, as the JSON form shows them. */
const TYPE_NUMBER = { named: 1, io: 3 } as const;

/** The JSON form (`-j`): one array. 64-bit counters are written in full; a reader that needs more than 53 bits must keep the digits. */
export function formatJson(snapshots: readonly KstatSnapshot[], wanted: StatFilter = all): string {
  const objects: string[] = [];
  for (const s of snapshots) {
    const data = rows(s, false)
      .filter(([name]) => wanted(name))
      .map(([name, text, quoted]) => `\t\t${JSON.stringify(name)}: ${quoted ? JSON.stringify(text) : text}`);
    if (data.length === 0) continue;
    objects.push(
      `{\n\t"module": ${JSON.stringify(s.module)},\n\t"instance": ${s.instance},\n\t"name": ${JSON.stringify(s.name)},\n` +
        `\t"class": ${JSON.stringify(s.class)},\n\t"type": ${TYPE_NUMBER[s.type]},\n\t"snaptime": ${formatTime(s.snaptime)},\n` +
        `\t"data": {\n${data.join(',\n')}\n\t}\n}`,
    );
  }
  return `[${objects.join(',')}]\n`;
}
