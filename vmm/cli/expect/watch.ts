/**
 * Goes through the log of a run once and gathers what its expectations are about: exits in each phase by cause, those that went over a limit, what the
 * console said.
 *
 * @module
 */
import { causeName, causeOf } from '../../exit-log/cause.ts';
import { type MetMark, Phases } from '../../exit-log/marks.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import type { Baseline, BaselinePhase } from './baseline.ts';
import type { BaselineExpectation, ExitsExpectation, Plan } from './plan.ts';
import { most } from './quantities.ts';
import { keepExit, type KeptExit } from './shown-exit.ts';

/** Exits that are shown with an expectation that is not met. */
export const SHOWN_MAX = 5;
/** Of what the console says, so much is kept. */
const SERIAL_MAX = 1 << 26;

export interface Sum {
  count: number;
  timeNs: number;
}

/** What one `exits` expectation has found. */
export class ExitsWatch implements Sum {
  count = 0;
  timeNs = 0;
  /** The first exits over its limit. */
  readonly over: KeptExit[] = [];
  readonly #expectation: ExitsExpectation;
  readonly #counts: number;
  readonly #time: number;

  constructor(expectation: ExitsExpectation) {
    this.#expectation = expectation;
    this.#counts = most(expectation.count);
    this.#time = most(expectation.time);
  }

  take(view: DataView, at: number, chain: number, phase: number): void {
    const { what, between } = this.#expectation;
    if (phase < between.from || phase > between.to) return;
    if (what.reason !== undefined && view.getUint8(at + EXIT_RECORD.REASON) !== what.reason) return;
    if (what.cause !== undefined && causeOf(view, at) !== what.cause) return;
    this.count++;
    this.timeNs += view.getUint32(at + EXIT_RECORD.COST, true);
    if ((this.count > this.#counts || this.timeNs > this.#time) && this.over.length < SHOWN_MAX)
      this.over.push(keepExit(view, at, chain, phase));
  }
}

/** How much more than the baseline is allowed. */
export function allowance({ newCauses, tolerance }: BaselineExpectation, before: number | undefined): { least: number; most: number } {
  if (before === undefined) return { least: 0, most: newCauses === 'none' || tolerance === 0 ? 0 : Number.POSITIVE_INFINITY };
  if (tolerance === undefined) return { least: 0, most: Number.POSITIVE_INFINITY };
  const room = Math.floor((before * tolerance) / 100);
  return { least: before - room, most: before + room };
}

export class Watch {
  readonly phases: Phases;
  readonly exits = new Map<ExitsExpectation, ExitsWatch>();
  /** Of each phase, exits by cause. */
  readonly causes: Map<number, Sum>[];
  /** The first exits over what a baseline allows, of each phase and cause. */
  readonly overBaseline = new Map<BaselineExpectation, Map<string, KeptExit[]>>();
  /** Where each phase begins in what the console said. */
  readonly serialFrom: number[] = [0];
  readonly #pieces: string[] = [];
  #piece = '';
  #said = 0;
  readonly #names: readonly string[];
  readonly #baseline: Baseline | undefined;

  constructor(plan: Plan, baseline: Baseline | undefined) {
    this.phases = new Phases(plan.marks.map(({ mark }) => mark));
    this.causes = Array.from({ length: plan.marks.length + 1 }, () => new Map());
    this.#names = ['start', ...plan.marks.map(({ name }) => name), 'end'];
    this.#baseline = baseline;
    for (const expectation of plan.expectations) {
      if (expectation.kind === 'exits') this.exits.set(expectation, new ExitsWatch(expectation));
      if (expectation.kind === 'baseline') this.overBaseline.set(expectation, new Map());
    }
  }

  take(view: DataView, at: number, chain: number): void {
    const phase = this.phases.take(view, at);
    this.#say();
    const cause = causeOf(view, at);
    const causes = this.causes[phase] as Map<number, Sum>;
    let sum = causes.get(cause);
    if (sum === undefined) {
      sum = { count: 0, timeNs: 0 };
      causes.set(cause, sum);
    }
    sum.count++;
    sum.timeNs += view.getUint32(at + EXIT_RECORD.COST, true);
    for (const watch of this.exits.values()) watch.take(view, at, chain, phase);
    if (this.#baseline !== undefined) this.#compare(this.#baseline, { view, at, chain, phase, cause, count: sum.count });
  }

  /** A record that is no exit. */
  takeAside(view: DataView, at: number): void {
    this.phases.takeAside(view, at);
    this.#say();
  }

  /** What the console said with the last record. */
  #say(): void {
    const { said } = this.phases.console;
    if (this.#said < SERIAL_MAX) {
      this.#piece += said;
      this.#said += said.length;
    }
    while (this.serialFrom.length <= this.phases.met.length) this.serialFrom.push(this.#said);
    if (this.#piece.length < 4096) return;
    this.#pieces.push(this.#piece);
    this.#piece = '';
  }

  #compare(baseline: Baseline, exit: { view: DataView; at: number; chain: number; phase: number; cause: number; count: number }): void {
    for (const [expectation, over] of this.overBaseline) {
      const before = baseline.phases[exit.phase]?.causes[causeName(exit.cause)]?.exits;
      if (exit.count <= allowance(expectation, before).most) continue;
      const key = `${exit.phase} ${causeName(exit.cause)}`;
      const kept = over.get(key) ?? [];
      if (kept.length < SHOWN_MAX) kept.push(keepExit(exit.view, exit.at, exit.chain, exit.phase));
      over.set(key, kept);
    }
  }

  get met(): readonly MetMark[] {
    return this.phases.met;
  }

  /** The mark that begins each phase. */
  get phaseNames(): readonly string[] {
    return this.#names;
  }

  /** What the console said in phases `from` to `to`. */
  serial(from: number, to: number): string {
    const text = Buffer.from(this.#pieces.join('') + this.#piece, 'latin1');
    return text.subarray(this.serialFrom[from] ?? text.length, this.serialFrom[to + 1] ?? text.length).toString('utf8');
  }

  /** It said more than is kept. */
  get serialCut(): boolean {
    return this.#said >= SERIAL_MAX;
  }

  lastLines(count: number): string[] {
    return this.phases.console.lines(count);
  }

  baselinePhases(): BaselinePhase[] {
    return this.causes.map((causes, phase) => {
      const rows = [...causes].map(([cause, { count, timeNs }]) => [causeName(cause), { exits: count, timeNs }] as const);
      rows.sort(([a], [b]) => (a < b ? -1 : 1));
      return { from: this.#names[phase] as string, to: this.#names[phase + 1] as string, causes: Object.fromEntries(rows) };
    });
  }
}
