/**
 * One run of the guest of a file of expectations, with all that its expectations are about.
 *
 * The guest is stepped from mark to mark as far as something is to be done there: input typed, aggregations begun anew or read, statistics read. To stop at
 * a mark changes nothing of the run, so a file that does nothing at its marks has the same run without a stop.
 *
 * @module
 */
import type { KstatSnapshot } from '../../kstat.ts';
import type { Outcome, VmReport } from '../../report.ts';
import type { RunOptions } from '../../worker-messages.ts';
import { UsageError } from '../options.ts';
import type { Baseline } from './baseline.ts';
import { Guest, MarkMissedError } from './guest.ts';
import type { LiveOptions } from './live-session.ts';
import type { Plan } from './plan.ts';
import type { Aggregations, Trace } from './trace.ts';
import { Watch } from './watch.ts';

/** What a program's aggregations held at the end of its stretch, and what went wrong in it. */
export interface DOutput {
  readonly aggregations: Aggregations;
  readonly troubles: readonly string[];
}

/** What a run was. */
export interface PlanRun {
  readonly outcome: Outcome;
  readonly report: VmReport;
  readonly death: string | undefined;
  readonly watch: Watch;
  /** In the order of the programs; undefined: the run did not come to the end of its stretch. */
  readonly d: readonly (DOutput | undefined)[];
  /** At the start, at each mark as far as they are needed, and last at the end: by number of the phase that they end, the start's being -1. */
  readonly kstats: ReadonlyMap<number, readonly KstatSnapshot[]>;
  /** What the console said last. */
  readonly lastLines: readonly string[];
}

const LAST_LINES = 5;

/** At which marks (-1: the start; as many as there are: the end) there is something to do. */
class Doings {
  readonly #plan: Plan;
  readonly #guest: Guest;
  readonly #traces: Trace[] = [];
  readonly d: (DOutput | undefined)[];
  readonly kstats = new Map<number, readonly KstatSnapshot[]>();
  /** The last mark at which something is to be done; -1: none. */
  readonly last: number;

  constructor(plan: Plan, guest: Guest) {
    this.#plan = plan;
    this.#guest = guest;
    this.d = plan.programs.map(() => undefined);
    const { inputs, programs, marks } = plan;
    const inner = [...inputs.map(({ after }) => after), ...programs.flatMap(({ between }) => ends(between)), ...this.#kstatMarks];
    this.last = Math.max(-1, ...inner.filter((mark) => mark < marks.length));
  }

  get #kstatMarks(): number[] {
    return this.#plan.expectations.flatMap((expectation) => (expectation.kind === 'kstat' ? ends(expectation.between) : []));
  }

  async start(): Promise<void> {
    for (const { compiled } of this.#plan.programs) this.#traces.push(await this.#guest.enable(compiled));
    await this.at(-1);
  }

  /** Where the guest stands: at a mark, at the start or at its end. */
  async at(mark: number): Promise<void> {
    const { programs, inputs, marks } = this.#plan;
    for (const [i, { between }] of programs.entries()) {
      const trace = this.#traces[i] as Trace;
      const [from, to] = ends(between);
      if (to === mark) this.d[i] = { aggregations: trace.aggregations, troubles: trace.troubles };
      if (from === mark && mark >= 0) await trace.clear();
    }
    if (mark < 0 || mark === marks.length || this.#kstatMarks.includes(mark)) this.kstats.set(mark, this.#guest.allKstats);
    for (const { after, type, press } of inputs) {
      if (after !== mark) continue;
      if (type !== undefined) this.#guest.type(type);
      if (press !== undefined) await this.#guest.press(press);
    }
  }

  /** Faults of programs are known once all that they wrote was read. */
  end(): void {
    this.d.forEach((output, i) => {
      if (output !== undefined) this.d[i] = { ...output, troubles: (this.#traces[i] as Trace).troubles };
    });
  }
}

/** Marks that begin and end a stretch. */
function ends({ from, to }: { readonly from: number; readonly to: number }): [number, number] {
  return [from - 1, to];
}

async function stepped(guest: Guest, doings: Doings, { marks }: Plan): Promise<void> {
  await doings.start();
  for (let mark = 0; mark <= doings.last; mark++) {
    await guest.reach((marks[mark] as Plan['marks'][number]).mark);
    // The mark may be the guest's last exit.
    if (guest.outcome !== undefined) return;
    await doings.at(mark);
  }
  await guest.run();
}

function watchedAddresses({ marks }: Plan): bigint[] {
  return [...new Set(marks.flatMap(({ mark }) => (mark.kind === 'address' ? [mark.address] : [])))];
}

/** Runs the guest to its end. Throws UsageError, Interrupted. */
export async function runPlan(plan: Plan, run: RunOptions, baseline: Baseline | undefined, options: LiveOptions): Promise<PlanRun> {
  await using guest = await Guest.start(run, { ...options, watch: watchedAddresses(plan) });
  const doings = new Doings(plan, guest);
  await stepped(guest, doings, plan).catch((error: unknown) => {
    // The guest has ended without it, which its expectations tell.
    if (!(error instanceof MarkMissedError)) throw error;
  });
  await doings.at(plan.marks.length);
  doings.end();
  const watch = new Watch(plan, baseline);
  const end = guest.recorded.read(
    (view, at, chain) => {
      watch.take(view, at, chain);
      return true;
    },
    (view, at) => {
      watch.takeAside(view, at);
      return true;
    },
  );
  if (!end.complete) throw new UsageError(`the log of exits could not be kept whole: ${end.records} are there`);
  const { outcome, report, death } = guest;
  return {
    outcome: outcome as Outcome,
    report: report as VmReport,
    death,
    watch,
    d: doings.d,
    kstats: doings.kstats,
    lastLines: guest.lastLines(LAST_LINES),
  };
}

/** Two runs of it are alike: nothing comes from outside, and nothing is kept for the next. */
export function repeats({ disks = [], nics = [], shares = [], clock, idle }: RunOptions): boolean {
  const kept = disks.some(({ readOnly, snapshot }) => readOnly !== true && snapshot !== true);
  return (
    !kept &&
    nics.every(({ backend }) => backend.kind !== 'user' && backend.kind !== 'link') &&
    shares.length === 0 &&
    clock !== 'host' &&
    idle !== 'pace'
  );
}
