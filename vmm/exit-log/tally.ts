/**
 * Counts records of an exit log: by reason with their times, or by what caused them.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { ADDRESS_REASONS, EXIT_REASON, exitReasonName, MSR_REASONS } from '../exit-reason.ts';
import { causeName, causeOf } from './cause.ts';
import { callChain } from './describe.ts';

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

interface Sum {
  count: number;
  timeNs: number;
  minNs: number;
  maxNs: number;
}

/** How a record is named; undefined: it has nothing of that kind. Numbers up to 2^53 are as good as bigints here and much cheaper. */
type KeyOf = (view: DataView, at: number, chain: number) => number | bigint | string | undefined;

function word(field: number): KeyOf {
  return (view, at) => {
    const high = view.getUint32(at + field + 4, true);
    return high < 0x20_0000 ? high * 0x1_0000_0000 + view.getUint32(at + field, true) : view.getBigUint64(at + field, true);
  };
}

function only(reasons: readonly number[], key: KeyOf): KeyOf {
  return (view, at, chain) => (reasons.includes(view.getUint8(at + EXIT_RECORD.REASON)) ? key(view, at, chain) : undefined);
}

const KEYS: Readonly<Record<TallyKey, KeyOf>> = {
  reason: (view, at) => view.getUint8(at + EXIT_RECORD.REASON),
  cause: causeOf,
  vcpu: (view, at) => view.getUint8(at + EXIT_RECORD.VCPU),
  rip: word(EXIT_RECORD.RIP),
  cr3: word(EXIT_RECORD.CR3),
  port: only([EXIT_REASON.IO_INSTRUCTION], (view, at) => view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true)),
  msr: only(MSR_REASONS, (view, at) => view.getUint32(at + EXIT_RECORD.SUBJECT, true)),
  gpa: only(ADDRESS_REASONS, word(EXIT_RECORD.SUBJECT)),
  vector: (view, at) => {
    if (view.getUint8(at + EXIT_RECORD.REASON) === EXIT_REASON.EXCEPTION_NMI) return view.getUint8(at + EXIT_RECORD.SUBJECT);
    return view.getUint8(at + EXIT_RECORD.VECTOR) || undefined;
  },
  'call-chain': (view, at, chain) => [view.getBigUint64(at + EXIT_RECORD.RIP, true), ...callChain(view, at, chain)].map(hex).join(' '),
};

/** More keys than this are counted together: memory stays bounded whatever the log holds. */
const KEYS_MAX = 1_000_000;

function recordedCost(view: DataView, at: number): number {
  return view.getUint32(at + EXIT_RECORD.COST, true);
}

export class Tally {
  readonly key: TallyKey;
  readonly #keyOf: KeyOf;
  readonly #address: (address: bigint) => string;
  readonly #cost: (view: DataView, at: number) => number;
  readonly #sums = new Map<number | bigint | string, Sum>();
  #rest: Sum | undefined;

  /** `address` names the places where guests' code is; `cost` is what an exit took, ns: as it was recorded, unless told otherwise. */
  constructor(key: TallyKey, address: (address: bigint) => string = hex, cost: (view: DataView, at: number) => number = recordedCost) {
    this.key = key;
    this.#address = address;
    this.#keyOf = KEYS[key];
    this.#cost = cost;
  }

  add(view: DataView, at: number, chain: number): void {
    const key = this.#keyOf(view, at, chain);
    if (key === undefined) return;
    const cost = this.#cost(view, at);
    const sum = this.#sums.get(key) ?? this.#new(key);
    sum.count++;
    sum.timeNs += cost;
    if (cost < sum.minNs) sum.minNs = cost;
    if (cost > sum.maxNs) sum.maxNs = cost;
  }

  #new(key: number | bigint | string): Sum {
    const sum: Sum = { count: 0, timeNs: 0, minNs: Number.POSITIVE_INFINITY, maxNs: 0 };
    if (this.#sums.size < KEYS_MAX) this.#sums.set(key, sum);
    else this.#rest ??= sum;
    return this.#rest ?? sum;
  }

  /** The most frequent first; equal ones by their key. */
  rows(): TallyRow[] {
    const order = [...this.#sums].sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1));
    const rows = order.map(([key, sum]) => ({ key: this.#name(key), ...sum }));
    return this.#rest === undefined ? rows : [...rows, { key: 'all others', ...this.#rest }];
  }

  #name(key: number | bigint | string): string {
    if (typeof key === 'string')
      return key
        .split(' ')
        .map((address) => this.#address(BigInt(address)))
        .join(' < ');
    switch (this.key) {
      case 'reason':
        return exitReasonName(Number(key));
      case 'cause':
        return causeName(Number(key));
      case 'vcpu':
        return String(key);
      case 'rip':
        return this.#address(BigInt(key));
      default:
        return hex(key);
    }
  }
}
