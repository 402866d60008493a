/**
 * Counts records by key, and for each key how many fell into each stretch between lines of the console.
 *
 * @module
 */
import { Tally, type TallyKey } from './tally.ts';

/** Exits of one key. */
export interface PlacedRow {
  readonly key: string;
  readonly count: number;
  readonly timeNs: number;
  /** Stretches and how many in each, one after the other; stretches rise. */
  readonly places: readonly number[];
}

/** More keys than this are counted together, as their names are held against others; more places than this are not kept. */
const KEYS_MAX = 1 << 19;
const PLACES_MAX = 1 << 22;

export class PlacedTally {
  readonly #tally: Tally;
  readonly #places: number[][] = [];
  #count = 0;

  constructor(by: TallyKey, address: (address: bigint) => string) {
    this.#tally = new Tally(by, address, undefined, KEYS_MAX);
  }

  /** Stretches never fall. */
  add(view: DataView, at: number, chain: number, stretch: number): void {
    const key = this.#tally.add(view, at, chain);
    if (key < 0) return;
    const places = (this.#places[key] ??= []);
    const last = places.length - 1;
    if (places[last - 1] === stretch) places[last] = (places[last] as number) + 1;
    else if (++this.#count <= PLACES_MAX) places.push(stretch, 1);
  }

  rows(): PlacedRow[] {
    const { keys } = this.#tally;
    const rows = Array.from({ length: keys }, (_, key) => {
      const { key: name, count, timeNs } = this.#tally.row(key);
      return { key: name, count, timeNs, places: this.#places[key] ?? [] };
    });
    return [...rows, ...this.#tally.others().map(({ key, count, timeNs }) => ({ key, count, timeNs, places: [] }))];
  }
}
