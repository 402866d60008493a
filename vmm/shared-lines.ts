/**
 * Interrupt lines of the board that several devices share.
 *
 * @module
 */
import type { IrqLine } from './bus.ts';

/** Lines that several devices pull: high while one of them does. */
export class SharedLines {
  readonly #line: (gsi: number) => IrqLine;
  readonly #pulls = new Map<number, Set<object>>();

  constructor(line: (gsi: number) => IrqLine) {
    this.#line = line;
  }

  readonly line = (gsi: number): IrqLine => {
    const pulls = this.#pulls.get(gsi) ?? new Set<object>();
    this.#pulls.set(gsi, pulls);
    const target = this.#line(gsi);
    const source: IrqLine = {
      set(level) {
        if (level) pulls.add(source);
        else pulls.delete(source);
        target.set(pulls.size > 0);
      },
    };
    return source;
  };
}
