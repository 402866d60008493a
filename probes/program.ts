/**
 * A compiled D program: the WebAssembly module that runs in probe context, and the description of what it leaves in the buffers.
 *
 * The description is plain data (`v8.serialize` carries it between threads and processes); the consumer needs nothing else to print.
 *
 * @module
 */
import type { ActionName, Aggregation, Probe } from './d/tree.ts';
import type { Type } from './d/types.ts';

/** One datum of a record. */
export interface DatumDescriptor {
  /** Bytes from the start of the record (its header included), aligned to the datum's size. */
  readonly offset: number;
  readonly bytes: number;
  readonly type: Type;
}

/** One action of an enabling, in program order. */
export interface ActionDescriptor {
  readonly action: ActionName;
  readonly line: number;
  /** Format of printf and its kin. */
  readonly format?: string;
  readonly data: readonly DatumDescriptor[];
  /** Ids of the aggregations of printa, clear, trunc, normalize, denormalize. */
  readonly aggregations?: readonly number[];
  /** tracemem: bytes; stacks: frames. */
  readonly size?: number;
}

/** An enabling: one clause on one probe. */
export interface EpidDescriptor {
  readonly epid: number;
  readonly probe: Probe;
  /** Number of the clause, from 0. */
  readonly clause: number;
  /** Bytes of its record, header included; 0 = it leaves none. */
  readonly bytes: number;
  readonly actions: readonly ActionDescriptor[];
}

/** Where the parts of an aggregation's element stand, from the start of its key bytes. */
export interface AggregationDescriptor extends Aggregation {
  readonly keyData: readonly DatumDescriptor[];
  readonly keyBytes: number;
  /** Bytes of its value: 8 for count, sum, min, max; 16 for avg (count, sum); 32 for stddev (count, sum, 128-bit sum of squares); 8 for each bucket. */
  readonly valueBytes: number;
}

/** Options as they are in effect: sizes in bytes, rates in nanoseconds, flags as 0 and 1. */
export type EffectiveOptions = Readonly<Record<string, number | string | undefined>>;

export interface ProgramDescriptor {
  /** Index = epid; element 0 is absent. */
  readonly epids: readonly (EpidDescriptor | undefined)[];
  readonly aggregations: readonly AggregationDescriptor[];
  readonly options: EffectiveOptions;
  readonly destructive: boolean;
  /** Bytes of memory that the program wants, by purpose: see `probes/arena.ts`. */
  readonly memory: ArenaSizes;
}

/** Sizes of the parts of a program's memory, in bytes. */
export interface ArenaSizes {
  readonly constants: number;
  readonly globals: number;
  readonly locals: number;
  readonly scratch: number;
  readonly dynamic: number;
  readonly aggregations: number;
  readonly speculations: number;
  readonly speculationBytes: number;
  readonly buffer: number;
}

export interface CompiledProgram {
  /** The module's bytes. */
  readonly code: Uint8Array<ArrayBuffer>;
  readonly descriptor: ProgramDescriptor;
}
