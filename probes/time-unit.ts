/**
 * Units of time as DTrace spells them, in options (`switchrate=10ms`) and names of probes (`tick-10ms`), in nanoseconds.
 *
 * @module
 */

export const SECOND = 1e9;

export const TIME_UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['nsec', 1],
  ['us', 1e3],
  ['usec', 1e3],
  ['ms', 1e6],
  ['msec', 1e6],
  ['s', SECOND],
  ['sec', SECOND],
  ['m', 60 * SECOND],
  ['min', 60 * SECOND],
  ['h', 3600 * SECOND],
  ['hour', 3600 * SECOND],
  ['d', 86400 * SECOND],
  ['day', 86400 * SECOND],
]);
