/**
 * What the consumer tells a writer: the seam between reading a trace and writing it down, as text or as JSON.
 *
 * @module
 */
import type { EpidDescriptor } from '../program.ts';
import type { Snapshot } from './aggregation.ts';
import type { RecordBytes } from './datum.ts';
import type { DropKind, Fault } from './reports.ts';

/** Aggregations that a record's printa()s show, by id, in the order of the printa()s. */
export type Snapshots = ReadonlyMap<number, readonly Snapshot[]>;

export const NO_SNAPSHOTS: Snapshots = new Map();

/** One record of an enabling. */
export interface RecordEvent {
  readonly enabling: EpidDescriptor;
  readonly record: RecordBytes;
  /** Where the record starts. */
  readonly at: number;
  readonly snapshots: Snapshots;
  /** Epid of the record that follows; 0 = none. */
  readonly next: number;
}

export interface Writer {
  record(event: RecordEvent): void;
  fault(fault: Fault, enabling: EpidDescriptor | undefined): void;
  /** An action that could not be carried out here: a message for the user. */
  failed(text: string): void;
  drops(kind: DropKind, count: number): void;
  /** The end: the aggregations as they are. Those that a printa() has printed are left out. */
  end(aggregations: readonly Snapshot[], exitStatus: number): void;
  /** Hands over what is gathered. */
  flush(): void;
}
