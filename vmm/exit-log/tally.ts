/**
 * Counts records of an exit log: by reason with their times, or by what caused them.
 *
 * Counts are exact for the first 4 million keys, which is more than the instructions of most guests. A key takes 48 to 72 bytes, and 8 for each return
 * address of a call chain; what comes after the last that there is room for is counted together.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { ADDRESS_REASONS, EXIT_REASON, exitReasonName, MSR_REASONS } from '../exit-reason.ts';
import { causeName, causeOf } from './cause.ts';
import { CHAIN_WORDS, chainWords } from './describe.ts';
import { KEYS_MAX, KeyTable } from './key-table.ts';

/** One line of a count. Times in ns of the VM's clock. */
export interface TallyRow {
  readonly key: string;
  readonly count: number;
  readonly timeNs: number;
  readonly minNs: number;
  readonly maxNs: number;
}

export const TALLY_KEYS = ['reason', 'cause', 'rip', 'port', 'gpa', 'msr', 'cr3', 'vcpu', 'vector', 'call-chain'] as const;
export type TallyKey = (typeof TALLY_KEYS)[number];

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Puts the key of a record into `words`, the upper half of a number before the lower: how many words; 0 when the record has nothing of that kind. */
type KeyOf = (view: DataView, at: number, chain: number, words: Uint32Array) => number;

const TWO32 = 0x1_0000_0000;

function word(field: number): KeyOf {
  return (view, at, _chain, words) => {
    words[0] = view.getUint32(at + field + 4, true);
    words[1] = view.getUint32(at + field, true);
    return 2;
  };
}

function number(value: (view: DataView, at: number) => number): KeyOf {
  return (view, at, _chain, words) => {
    const key = value(view, at);
    words[0] = Math.floor(key / TWO32);
    words[1] = key % TWO32;
    return 2;
  };
}

function only(reasons: readonly number[], key: KeyOf): KeyOf {
  return (view, at, chain, words) => (reasons.includes(view.getUint8(at + EXIT_RECORD.REASON)) ? key(view, at, chain, words) : 0);
}

function vectorAt(view: DataView, at: number): number {
  return view.getUint8(
    at + (view.getUint8(at + EXIT_RECORD.REASON) === EXIT_REASON.EXCEPTION_NMI ? EXIT_RECORD.SUBJECT : EXIT_RECORD.VECTOR),
  );
}

const hasVector = (view: DataView, at: number): boolean =>
  view.getUint8(at + EXIT_RECORD.REASON) === EXIT_REASON.EXCEPTION_NMI || view.getUint8(at + EXIT_RECORD.VECTOR) !== 0;
const vector = number(vectorAt);

const KEYS: Readonly<Record<TallyKey, KeyOf>> = {
  reason: number((view, at) => view.getUint8(at + EXIT_RECORD.REASON)),
  cause: number(causeOf),
  vcpu: number((view, at) => view.getUint8(at + EXIT_RECORD.VCPU)),
  rip: word(EXIT_RECORD.RIP),
  cr3: word(EXIT_RECORD.CR3),
  port: only(
    [EXIT_REASON.IO_INSTRUCTION],
    number((view, at) => view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true)),
  ),
  msr: only(
    MSR_REASONS,
    number((view, at) => view.getUint32(at + EXIT_RECORD.SUBJECT, true)),
  ),
  gpa: only(ADDRESS_REASONS, word(EXIT_RECORD.SUBJECT)),
  vector: (view, at, chain, words) => (hasVector(view, at) ? vector(view, at, chain, words) : 0),
  'call-chain': chainWords,
};

function recordedCost(view: DataView, at: number): number {
  return view.getUint32(at + EXIT_RECORD.COST, true);
}

/** Counts and times of keys, by their numbers. */
class Sums {
  count = new Float64Array(16);
  timeNs = new Float64Array(16);
  minNs = new Float64Array(16);
  maxNs = new Float64Array(16);

  add(at: number, cost: number): void {
    if (at >= this.count.length) this.#grow();
    this.timeNs[at] = (this.timeNs[at] as number) + cost;
    if (this.count[at] === 0 || cost < (this.minNs[at] as number)) this.minNs[at] = cost;
    if (cost > (this.maxNs[at] as number)) this.maxNs[at] = cost;
    this.count[at] = (this.count[at] as number) + 1;
  }

  #grow(): void {
    for (const field of ['count', 'timeNs', 'minNs', 'maxNs'] as const) {
      const old = this[field];
      this[field] = new Float64Array(old.length * 2);
      this[field].set(old);
    }
  }

  row(at: number, key: string): TallyRow {
    const [count, timeNs, minNs, maxNs] = [this.count, this.timeNs, this.minNs, this.maxNs].map((field) => field[at] as number);
    return { key, count, timeNs, minNs, maxNs } as TallyRow;
  }
}

export class Tally {
  readonly key: TallyKey;
  readonly #keyOf: KeyOf;
  readonly #address: (address: bigint) => string;
  readonly #cost: (view: DataView, at: number) => number;
  readonly #table: KeyTable;
  readonly #words = new Uint32Array(CHAIN_WORDS);
  readonly #sums = new Sums();
  /** What there was no room for. */
  readonly #rest = new Sums();
  /** Exits that were counted, and what they took. */
  count = 0;
  timeNs = 0;

  /** `address` names the places where guests' code is; `cost` is what an exit took, ns: as it was recorded, unless told otherwise. */
  constructor(
    key: TallyKey,
    address: (address: bigint) => string = hex,
    cost: (view: DataView, at: number) => number = recordedCost,
    keysMax = KEYS_MAX,
  ) {
    this.key = key;
    this.#address = address;
    this.#keyOf = KEYS[key];
    this.#cost = cost;
    this.#table = new KeyTable(keysMax);
  }

  /** Different keys, as far as there is room. */
  get keys(): number {
    return this.#table.size;
  }

  /** Exits whose key there was no room for. */
  get uncounted(): number {
    return this.#rest.count[0] as number;
  }

  /** The number of its key, or -1: it has none, or there is no room for another. */
  add(view: DataView, at: number, chain: number): number {
    const length = this.#keyOf(view, at, chain, this.#words);
    if (length === 0) return -1;
    const cost = this.#cost(view, at);
    this.count++;
    this.timeNs += cost;
    const number = this.#table.find(this.#words, length);
    if (number < 0) this.#rest.add(0, cost);
    else this.#sums.add(number, cost);
    return number;
  }

  /** The most frequent first, so many at most; equal ones by their key; then those that there was no room for, together. */
  rows(top = Number.POSITIVE_INFINITY): TallyRow[] {
    const { count } = this.#sums;
    const size = this.keys;
    // What has fewer exits than the last one that is shown need not be put in order.
    const least = top < size ? (count.slice(0, size).sort()[size - top] as number) : 0;
    const numbers: number[] = [];
    for (let number = 0; number < size; number++) if ((count[number] as number) >= least) numbers.push(number);
    numbers.sort((a, b) => (count[b] as number) - (count[a] as number) || this.#table.compare(a, b));
    const rows = numbers.slice(0, top).map((number) => this.row(number));
    return [...rows, ...this.others()];
  }

  /** What was counted of the key with a number, from 0 to `keys`. */
  row(number: number): TallyRow {
    return this.#sums.row(number, this.#name(this.#table.key(number)));
  }

  /** Those that there was no room for, together, when there are some. */
  others(): TallyRow[] {
    return this.uncounted === 0 ? [] : [this.#rest.row(0, 'all others')];
  }

  #name(words: Uint32Array): string {
    const [high = 0, low = 0] = words;
    const key = high * TWO32 + low;
    switch (this.key) {
      case 'reason':
        return exitReasonName(key);
      case 'cause':
        return causeName(key);
      case 'vcpu':
        return String(key);
      case 'rip':
      case 'call-chain':
        return addressesOf(words).map(this.#address).join(' < ');
      default:
        return hex(addressesOf(words)[0] as bigint);
    }
  }
}

/** The addresses that a key is made of. */
export function addressesOf(words: Uint32Array): bigint[] {
  const addresses: bigint[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) addresses.push((BigInt(words[i] as number) << 32n) | BigInt(words[i + 1] as number));
  return addresses;
}
