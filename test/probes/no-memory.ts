/** Sizes of a program that wants no memory, for descriptions that nothing runs. */
import type { ArenaSizes } from '../../probes/program.ts';

export const NO_MEMORY: ArenaSizes = {
  constants: 0,
  globals: 0,
  locals: 0,
  scratch: 0,
  dynamic: 0,
  aggregations: 0,
  speculations: 0,
  speculationBytes: 0,
  buffer: 0,
};
