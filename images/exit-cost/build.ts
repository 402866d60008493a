/**
 * Builds the guest that measures exits from `guest.S`: `node images/exit-cost/build.ts`. With `--check` it compares with the file that is there instead.
 *
 * Exit status: 0 built or equal, 1 different, 2 no compiler.
 *
 * @module
 */
import { assemble } from '../assemble.ts';

assemble(import.meta.dirname, { guest: [] });
