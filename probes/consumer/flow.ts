/**
 * `-F`: the flow of functions as indentation.
 *
 * Models dt_flowindent of libdtrace. A probe named `entry` or `*-entry` indents what follows, `return` or `*-return` takes it back; syscalls
 * have double arrows, everything else a bar. Two clauses of one probe are one entry or one return: of an entry the first moves, of a return the
 * last, which takes a look at the record that comes next.
 *
 * @module
 */
import type { EpidDescriptor } from '../program.ts';

export type FlowKind = 'entry' | 'return' | 'none';

const LEVEL = 2;

/** What a probe's name makes of it. */
export function flowKind({ probe }: EpidDescriptor): FlowKind {
  if (/(^|-)entry$/.test(probe.name)) return 'entry';
  return /(^|-)return$/.test(probe.name) ? 'return' : 'none';
}

interface Shape {
  readonly kind: FlowKind;
  /** The name with its arrow, and with a bar. */
  readonly arrow: string;
  readonly bar: string;
}

const ARROWS = { entry: [' -> ', ' => '], return: [' <- ', ' <= '], none: ['', ''] } as const;

function shapeOf(enabling: EpidDescriptor): Shape {
  const { provider, func, name } = enabling.probe;
  const kind = flowKind(enabling);
  return { kind, arrow: ARROWS[kind][provider === 'syscall' ? 1 : 0] + func, bar: `| ${func}:${name}` };
}

/** Keeps the indentation of one trace. */
export class Flow {
  readonly #epids: readonly (EpidDescriptor | undefined)[];
  readonly #shapes = new Map<number, Shape>();
  #indent = 0;
  #last = 0;

  constructor(epids: readonly (EpidDescriptor | undefined)[]) {
    this.#epids = epids;
  }

  /** What stands for an enabling in the line of its record. `next`: epid of the record that follows, 0 for none. */
  name(enabling: EpidDescriptor, next: number): string {
    let shape = this.#shapes.get(enabling.epid);
    if (shape === undefined) {
      shape = shapeOf(enabling);
      this.#shapes.set(enabling.epid, shape);
    }
    const { kind, arrow, bar } = shape;
    const other = kind === 'entry' ? this.#last : kind === 'return' ? next : 0;
    this.#last = enabling.epid;
    const moves = kind !== 'none' && !(other !== enabling.epid && this.#epids[other]?.probe.id === enabling.probe.id);
    if (!moves) return ' '.repeat(this.#indent) + bar;
    if (kind === 'return') this.#indent = Math.max(0, this.#indent - LEVEL);
    const text = ' '.repeat(this.#indent) + arrow;
    if (kind === 'entry') this.#indent += LEVEL;
    return text;
  }
}
