/**
 * Where the parts of an arena stand, and how the tables in it look that the main thread reads.
 *
 * The compiled code of a program knows two places: its arena (header and constants, whose offsets are fixed) and its variables (globals, locals, then what
 * compiled code needs for keys and records in the making). All else it reaches through the runtime.
 *
 * @module
 */
import { ARENA } from './arena.ts';
import type { ArenaSizes } from './program.ts';

/** Constants follow the header at once: compiled code has their offsets in it. */
export const CONSTANTS_OFFSET = ARENA.HEADER;

/** Room for three strings, and as much again: subroutines copy arguments there that are not D's own. */
export const BOUNCE_BUFFERS = 4;

/** A record's header is so much larger here, with what aligns its end, than the original's: what fits a buffer there fits one of so many bytes more. */
export const RECORD_EXCESS = 16;

/** A u32 pair before each speculation's records: its state, and bytes used. */
export const SPECULATION = { STATE: 0, USED: 4, HEADER: 8 } as const;

/** One entry of the table at the start of the aggregations' memory, by aggregation id (entry 0 stays unused): offsets of u32 fields unless told otherwise. */
export const AGGREGATION = {
  /** AGGREGATING below. */
  FUNC: 0,
  KEY_BYTES: 4,
  VALUE_BYTES: 8,
  /** First and last element, in the order in which they came; 0 = none. */
  FIRST: 12,
  LAST: 16,
  /** Elements that trunc() took out, for use again. */
  FREE: 20,
  COUNT: 24,
  SIGNED: 28,
  /** i64: normalize(). */
  NORMAL: 32,
  /** u64: which words of the key are text, bit n = word n. */
  TEXT: 40,
  /** i64 each: base, step and levels of lquantize; factor, low, high and steps of llquantize. */
  PARAMETERS: 48,
  BYTES: 96,
} as const;

/** An element of an aggregation; key and value follow. */
export const ELEMENT = {
  /** Next of its hash chain. */
  CHAIN: 0,
  HASH: 4,
  /** Next of its aggregation. */
  NEXT: 8,
  ID: 12,
  /** u32: 1 = cleared, or never filled: the next value of min() and max() is the first. */
  FRESH: 16,
  KEY: 24,
} as const;

/** AGGREGATION.FUNC. */
export const AGGREGATING = {
  count: 0,
  sum: 1,
  avg: 2,
  min: 3,
  max: 4,
  stddev: 5,
  quantize: 6,
  lquantize: 7,
  llquantize: 8,
} as const;

export interface ArenaPlaces {
  readonly constants: number;
  readonly globals: number;
  readonly locals: number;
  readonly scratch: number;
  readonly bounce: number;
  readonly dynamic: number;
  readonly aggregations: number;
  readonly speculations: number;
  readonly ring: number;
  /** Bytes of all. */
  readonly bytes: number;
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Offsets of the parts from the start of the arena. `stringBytes`: strsize. */
export function layOut(sizes: ArenaSizes, stringBytes: number): ArenaPlaces {
  let next: number = CONSTANTS_OFFSET;
  const take = (bytes: number, alignment = 64): number => {
    const at = align(next, alignment);
    next = at + bytes;
    return at;
  };
  return {
    constants: take(sizes.constants),
    globals: take(sizes.globals),
    locals: take(sizes.locals, 8),
    scratch: take(sizes.scratch),
    bounce: take(BOUNCE_BUFFERS * align(stringBytes + 8, 8)),
    dynamic: take(sizes.dynamic),
    aggregations: take(sizes.aggregations),
    speculations: take(sizes.speculations * sizes.speculationBytes),
    ring: take(sizes.buffer, 4096),
    bytes: align(next, 4096),
  };
}
