/**
 * The groups of cases of host.test.ts, and how one batch of a group goes through both sides.
 *
 * @module
 */
import { Writer } from './host-code.ts';
import { compare, describe } from './host-compare.ts';
import { HostCore, type Road } from './host-core.ts';
import { PRESENT } from './host-forms.ts';
import { CODE_PAGES, FLAT32, FRAMES, LONG, LONG_STRINGS, type Mode, MODES, OPERANDS, shape, STRINGS, type Window } from './host-layout.ts';
import { runOnHost } from './host-oracle.ts';
import { Random } from './host-random.ts';
import { comparisonCase, loopCase, modifyingCase, pairCase, straightCase } from './host-sequences.ts';
import { single } from './host-singles.ts';
import { STACK_KINDS, stacking } from './host-stack.ts';
import { stringCase } from './host-strings.ts';

export interface Group {
  readonly name: string;
  readonly modes: readonly Mode[];
  readonly windows: readonly Window[];
  readonly codeRoom: number;
  /** Cases of one round in each mode. */
  readonly cases: number;
  readonly roads: readonly Road[];
  /** Cases are several instructions (host-sequences.ts). */
  readonly sequences?: boolean;
  /** Writes case `n`. */
  write(w: Writer, n: number): void;
}

const ONE = 32;
const SEVERAL = 256;
const TWO_ROADS: readonly Road[] = ['step', 'line'];
const THREE_ROADS: readonly Road[] = ['step', 'line', 'again'];

const FORMS_OF = new Map(MODES.map((m) => [m, PRESENT.filter((f) => f.only === undefined || (f.only === 64) === (m.bits === 64))]));
const KINDS_OF = new Map(MODES.map((m) => [m, STACK_KINDS(m.bits)]));

function nth<T>(list: readonly T[] | undefined, n: number): T {
  if (list === undefined) throw new Error('no such mode');
  return list[n % list.length] as T;
}

export const GROUPS: readonly Group[] = [
  {
    name: 'single instructions with every form of operand',
    modes: MODES,
    windows: OPERANDS,
    codeRoom: ONE,
    cases: 11_000,
    roads: TWO_ROADS,
    write: (w, n) => single(w, nth(FORMS_OF.get(w.mode), n)),
  },
  {
    name: 'operands at the end of canonical addresses',
    modes: [LONG],
    windows: OPERANDS,
    codeRoom: ONE,
    cases: 3_000,
    roads: TWO_ROADS,
    write: (w, n) => {
      w.wildness = 1;
      single(w, nth(FORMS_OF.get(w.mode), n));
    },
  },
  {
    name: 'the stack, ENTER and LEAVE, near branches',
    modes: MODES,
    windows: FRAMES,
    codeRoom: ONE,
    cases: 5_000,
    roads: TWO_ROADS,
    write: (w, n) => stacking(w, nth(KINDS_OF.get(w.mode), n)),
  },
  {
    name: 'string instructions',
    modes: MODES,
    windows: STRINGS,
    codeRoom: ONE,
    cases: 4_000,
    roads: TWO_ROADS,
    write: (w) => stringCase(w),
  },
  {
    name: 'strings of several pages',
    modes: MODES,
    windows: LONG_STRINGS,
    codeRoom: ONE,
    cases: 40,
    roads: TWO_ROADS,
    write: (w) => stringCase(w, 10_000),
  },
  {
    name: 'every reader of flags behind every instruction that sets them',
    modes: MODES,
    windows: OPERANDS,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 7_000,
    roads: TWO_ROADS,
    write: pairCase,
  },
  {
    name: 'comparisons and conditional jumps',
    modes: MODES,
    windows: OPERANDS,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 4_000,
    roads: THREE_ROADS,
    write: comparisonCase,
  },
  {
    name: 'straight code with jumps forward',
    modes: MODES,
    windows: OPERANDS,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 3_500,
    roads: THREE_ROADS,
    write: straightCase,
  },
  {
    name: 'loops',
    modes: MODES,
    windows: OPERANDS,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 2_500,
    roads: THREE_ROADS,
    write: loopCase,
  },
  {
    name: 'operands in pages with code',
    modes: [LONG, FLAT32],
    windows: CODE_PAGES,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 1_500,
    roads: THREE_ROADS,
    write: (w, n) => (n & 1 ? straightCase(w) : loopCase(w)),
  },
  {
    name: 'loops that change their own code',
    modes: [LONG, FLAT32],
    windows: OPERANDS,
    codeRoom: SEVERAL,
    sequences: true,
    cases: 2_000,
    roads: TWO_ROADS,
    write: (w) => modifyingCase(w),
  },
];

/** Cases of one round over all groups and modes. */
export const ROUND = GROUPS.reduce((sum, g) => sum + g.cases * g.modes.length, 0);

const EVERY_FORGOTTEN = 512;

let long: HostCore | undefined;
let legacy: HostCore | undefined;

/** Runs `cases` of a group in one mode on both sides; returns what differs, in words, one of each kind. */
export function runBatch(oracle: string, group: Group, mode: Mode, seed: number, cases: number): string[] {
  long ??= new HostCore('long');
  legacy ??= new HostCore('legacy');
  const s = shape(mode, group.windows, group.codeRoom);
  const w = new Writer(s, cases, new Random(seed));
  for (let i = 0; i < cases; i++) group.write(w, i);
  const host = runOnHost(oracle, s, w.inputs, cases);
  const found = new Map<string, string>();
  if (host.stray !== 0) found.set('stray', `a case changes ${host.stray.toString(16)}, outside the windows: the generator is wrong`);
  const sides: (readonly [HostCore, readonly Road[]])[] = [[long, group.roads]];
  // The same 16- and 32-bit code without long mode around it.
  if (mode.bits !== 64) sides.push([legacy, ['line']]);
  const output = new Uint8Array(s.outputSize);
  for (const [core, roads] of sides) {
    for (let i = 0; i < cases; i++) {
      if (i % EVERY_FORGOTTEN === 0) core.forget();
      for (const road of roads) {
        core.run(s, w.inputs, i * s.inputSize, output, 0, road, road === 'line' && roads.includes('again'));
        const difference = compare(w, i, host.outputs, output);
        if (difference === '') continue;
        const text = describe(w, i, host.outputs, output, `${difference}   (case ${i}, ${core === legacy ? 'protected mode' : road})`);
        const kind = text.split('\n')[1]?.trim().split(' ')[0] ?? '';
        if (!found.has(kind)) found.set(kind, text);
      }
    }
    const stray = core.stray(s);
    if (stray !== 0) found.set('core stray', `the core changes ${stray.toString(16)}, outside the windows`);
    core.restore(s);
  }
  return [...found.values()];
}
