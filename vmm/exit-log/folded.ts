/**
 * Counts of call chains in the form that flame graphs are made of: a line for each, the outermost frame first, the exit reason last.
 *
 * Chains are told apart by their addresses while the log is read, as `Tally` does it; functions by their names, when it is over.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { exitReasonName } from '../exit-reason.ts';
import { CHAIN_WORDS, chainWords } from './describe.ts';
import { KEYS_MAX, KeyTable } from './key-table.ts';
import { addressesOf } from './tally.ts';

export class Folded {
  readonly #name: (address: bigint) => string;
  readonly #table: KeyTable;
  readonly #words = new Uint32Array(CHAIN_WORDS + 1);
  #counts = new Float64Array(1 << 10);
  /** Exits whose call chain there was no room for. */
  uncounted = 0;

  constructor(name: (address: bigint) => string, keysMax = KEYS_MAX) {
    this.#name = name;
    this.#table = new KeyTable(keysMax);
  }

  get keys(): number {
    return this.#table.size;
  }

  add(view: DataView, at: number, chain: number): void {
    const length = chainWords(view, at, chain, this.#words);
    this.#words[length] = view.getUint8(at + EXIT_RECORD.REASON);
    const number = this.#table.find(this.#words, length + 1);
    if (number < 0) {
      this.uncounted++;
      return;
    }
    if (number >= this.#counts.length) {
      const counts = new Float64Array(this.#counts.length * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    this.#counts[number] = (this.#counts[number] as number) + 1;
  }

  /** In the alphabet's order. */
  lines(): string[] {
    const named = new Map<string, number>();
    const names = new Map<bigint, string>();
    const nameOf = (address: bigint): string => {
      let name = names.get(address);
      if (name === undefined) {
        name = this.#name(address).replace(/\+0x[0-9a-f]+$/, '');
        names.set(address, name);
      }
      return name;
    };
    for (let number = 0; number < this.keys; number++) {
      const words = this.#table.key(number);
      const frames = addressesOf(words.subarray(0, -1)).reverse().map(nameOf);
      const stack = [...frames, exitReasonName(words[words.length - 1] as number)].join(';');
      named.set(stack, (named.get(stack) ?? 0) + (this.#counts[number] as number));
    }
    return [...named].sort(([a], [b]) => (a < b ? -1 : 1)).map(([stack, count]) => `${stack} ${count}\n`);
  }
}
