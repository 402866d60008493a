/**
 * Builds the guests of the examples from `guest.S` and `login.S`: `node images/examples/build.ts`. With `--check` it compares with the files that are there instead.
 *
 * Exit status: 0 built or equal, 1 different, 2 no compiler.
 *
 * @module
 */
import { assemble } from '../assemble.ts';

/** How each guest waits. */
assemble(import.meta.dirname, { poll: ['-DPOLL'], wait: ['-DHZ=1000'], often: ['-DHZ=10000'] });
assemble(import.meta.dirname, { login: [] }, 'login.S');
