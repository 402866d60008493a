/**
 * Two logs of exits, held against each other: what differs, in which phase, and where it begins.
 *
 * Logs may be long, so they are read several times and little is kept: once for the lines of the console, once to count, and once or twice, where
 * something differs, to find where. What is kept grows with the console's lines and with the keys that are counted, which both have bounds.
 *
 * @module
 */
import { EXIT_REASON } from '../exit-reason.ts';
import { alikeExits } from './alike.ts';
import { type Beginning, beginning, type Walk } from './beginning.ts';
import { causeName, causeOf, causeParts } from './cause.ts';
import { commonLines, type CommonLines, ConsoleLines, ConsoleWalk } from './console-lines.ts';
import { byImpact, type Difference, difference, differences, type Exits } from './difference.ts';
import type { ExitFilter } from './filter.ts';
import { syscallEntry } from './kernel-place.ts';
import { type Mark, type MetMark, Phases } from './marks.ts';
import type { ExitLogEnd } from './reader.ts';
import type { RunLog } from './run-log.ts';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { PlacedTally } from './placed-tally.ts';
import type { TallyKey } from './tally.ts';

/** What is known of a run before it is counted. */
export interface Survey {
  readonly log: RunLog;
  readonly end: ExitLogEnd;
  readonly lines: ConsoleLines;
  /** SYSCALL's entry, when the kernel has set it. */
  readonly entry: bigint | undefined;
}

export function survey(log: RunLog): Survey {
  const lines = new ConsoleLines();
  let entry: bigint | undefined;
  const end = log.read(
    (view, at) => {
      lines.take(view, at);
      entry ??= syscallEntry(view, at);
      return true;
    },
    (view, at) => lines.takeAside(view, at),
  );
  return { log, end, lines, entry };
}

export interface Comparing {
  readonly by: TallyKey;
  readonly marks: readonly Mark[];
  readonly filter: ExitFilter;
  /** Names for addresses of each side. */
  readonly names: readonly [(address: bigint) => string, (address: bigint) => string];
}

/** A run that does not come to a mark. */
export class MissedMark extends Error {
  override readonly name = 'MissedMark';
  readonly side: 0 | 1;
  readonly mark: Mark;
  readonly lastLine: string | undefined;

  constructor(side: 0 | 1, mark: Mark, lastLine: string | undefined) {
    super('a mark was never reached');
    this.side = side;
    this.mark = mark;
    this.lastLine = lastLine;
  }
}

export interface Comparison {
  /** Of each phase, its differences, the weightiest first. */
  readonly phases: readonly (readonly Difference[])[];
  readonly met: readonly [readonly MetMark[], readonly MetMark[]];
  /** Exits at the beginning that are alike in all but their times. */
  readonly alike: number;
  readonly lines: CommonLines;
  readonly begins: Beginning | undefined;
}

/** The row of what the text costs that only one run's console has. */
export const TEXT = "the console's text";

/** The row of exits that came when an interrupt did, where counts are by address: the instruction has nothing to do with it. */
export const INTERRUPTED = 'interrupts, at any address';

interface Sum {
  count: number;
  timeNs: number;
}

interface Counted {
  readonly tallies: readonly PlacedTally[];
  readonly texts: readonly Sum[];
  readonly interrupts: readonly Sum[];
  readonly causes: ReadonlyMap<number, Sum>;
  readonly met: readonly MetMark[];
}

function add(sum: Sum, view: DataView, at: number): void {
  sum.count++;
  sum.timeNs += view.getUint32(at + EXIT_RECORD.COST, true);
}

function count(run: Survey, along: Walk, side: 0 | 1, { by, marks, filter, names }: Comparing): Counted {
  const phases = new Phases(marks);
  const tallies = [...marks, undefined].map(() => new PlacedTally(by, names[side]));
  const texts = tallies.map((): Sum => ({ count: 0, timeNs: 0 }));
  const interrupts = tallies.map((): Sum => ({ count: 0, timeNs: 0 }));
  const byAddress = by === 'rip' || by === 'call-chain';
  const causes = new Map<number, Sum>();
  const place = along.start();
  run.log.read(
    (view, at, chain) => {
      const phase = phases.take(view, at);
      place.take(view, at);
      if (!filter(view, at)) return true;
      if (place.isText) {
        add(texts[phase] as Sum, view, at);
        return true;
      }
      if (byAddress && INTERRUPTS.includes(view.getUint8(at + EXIT_RECORD.REASON))) add(interrupts[phase] as Sum, view, at);
      else (tallies[phase] as PlacedTally).add(view, at, chain, place.stretch);
      const cause = causeOf(view, at);
      let sum = causes.get(cause);
      if (sum === undefined) {
        sum = { count: 0, timeNs: 0 };
        causes.set(cause, sum);
      }
      add(sum, view, at);
      return true;
    },
    (view, at) => {
      phases.takeAside(view, at);
      place.takeAside(view, at);
    },
  );
  const missed = marks[phases.met.length];
  if (missed !== undefined) throw new MissedMark(side, missed, phases.console.lines(1)[0]);
  return { tallies, texts, interrupts, causes, met: phases.met };
}

/**
 * Puts the text's row where it belongs: below what has some other cause, above what is chance. Of COM1's own registers, and of exits at which an interrupt
 * waits for the writer, only what weighs more than the text is above it.
 */
function withText(rows: readonly Difference[], a: Sum, b: Sum): Difference[] {
  const text = difference(TEXT, a, b);
  if (text === undefined) return [...rows];
  const isBelow = ({ key, impact, slight }: Difference): boolean => slight || (OF_TEXT.test(key) && impact < text.impact);
  return [...rows.filter((row) => !isBelow(row)), { ...text, slight: false }, ...rows.filter(isBelow)];
}

const OF_TEXT =
  /^(?:interrupts, at any address|(?:IO_INSTRUCTION (?:in|out) )?0x3f[89a-f]|EXTERNAL_INTERRUPT|PENDING_INTERRUPT|NMI_WINDOW)$/;

/** How long each phase of a run took. */
function durations({ met }: Counted, end: number): number[] {
  const times = [0, ...met.map(({ timeNs }) => timeNs), end];
  return times.slice(1).map((time, i) => time - (times[i] as number));
}

/** Exits of these come when an interrupt does; they tell nothing of where a difference begins. */
const INTERRUPTS: readonly number[] = [EXIT_REASON.EXTERNAL_INTERRUPT, EXIT_REASON.PENDING_INTERRUPT, EXIT_REASON.NMI_WINDOW];
/** Causes that are followed. */
const FOLLOWED_MAX = 64;

/** The causes that a difference may begin with: those that differ by more than chance, when there are some; all, when the console says the same. */
function followed(a: Counted, b: Counted, longer: number, sameText: boolean): number[] {
  const none: Sum = { count: 0, timeNs: 0 };
  const rows: { readonly cause: number; readonly row: Difference }[] = [];
  for (const cause of new Set([...a.causes.keys(), ...b.causes.keys()])) {
    const row = difference(causeName(cause), a.causes.get(cause) ?? none, b.causes.get(cause) ?? none, longer);
    if (row !== undefined && row.before !== row.after) rows.push({ cause, row });
  }
  rows.sort((x, y) => byImpact(x.row, y.row));
  const weighty = rows.filter(({ row }) => !row.slight);
  const chosen = weighty.length > 0 ? weighty : sameText ? rows : [];
  const told = chosen.filter(({ cause }) => !INTERRUPTS.includes(causeParts(cause).reason));
  // Which page is touched first depends on where the memory that the kernel has found lies.
  const placed = told.filter(({ cause }) => causeParts(cause).reason !== EXIT_REASON.EPT_VIOLATION);
  return (placed.length > 0 ? placed : told).slice(0, FOLLOWED_MAX).map(({ cause }) => cause);
}

/** How many times as long the second time is. */
function ratio(before: number, after: number): number {
  return before > 0 ? after / before : 1;
}

/** Throws MissedMark. */
export function compared(before: Survey, after: Survey, comparing: Comparing): Comparison {
  const lines = commonLines(before.lines, after.lines);
  const walk = (run: Survey, side: 0 | 1): Walk => ({ log: run.log, start: () => new ConsoleWalk(run.lines, lines, side) });
  const [x, y] = [walk(before, 0), walk(after, 1)];
  const [a, b] = [count(before, x, 0, comparing), count(after, y, 1, comparing)];
  const [times, timesAfter] = [durations(a, before.end.timeNs), durations(b, after.end.timeNs)];
  const phases = a.tallies.map((tally, i) => {
    const interrupts = [a, b].map((run) => ({ key: INTERRUPTED, ...(run.interrupts[i] as Sum) }));
    const [x, y] = [
      [...tally.rows(), interrupts[0] as Exits],
      [...(b.tallies[i] as PlacedTally).rows(), interrupts[1] as Exits],
    ];
    const rows = differences(x, y, ratio(times[i] as number, timesAfter[i] as number));
    return withText(rows, a.texts[i] as Sum, b.texts[i] as Sum);
  });
  const sameText = lines.removed.length === 0 && lines.added.length === 0;
  const causes = followed(a, b, ratio(before.end.timeNs, after.end.timeNs), sameText);
  const alike = alikeExits(before.log, after.log);
  const begins = beginning(x, y, { filter: comparing.filter, causes, stretches: lines.begins.length, alike });
  return { phases, met: [a.met, b.met], alike, lines, begins };
}
