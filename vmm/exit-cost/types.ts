/**
 * What a table of costs is, once it has been read.
 *
 * @module
 */
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
