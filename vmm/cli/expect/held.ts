/**
 * Runs the guest of a file of expectations and holds the run against them.
 *
 * @module
 */
import type { SymbolTable } from '../../symbols.ts';
import type { RunOptions } from '../../worker-messages.ts';
import { parseSymbols } from '../exit-log-options.ts';
import { UsageError } from '../options.ts';
import { exitStatus } from '../summary.ts';
import { type Baseline, baselinePath, loadBaseline, saveBaseline } from './baseline.ts';
import { type Verdict, verdicts } from './judge.ts';
import type { Plan } from './plan.ts';
import { type PlanRun, repeats, runPlan } from './plan-run.ts';
import { quietRun } from './quiet-run.ts';
import { type ExpectReport, summaryOf } from './report.ts';

const DIED = 6;

function symbolsOf({ symbols, path }: Plan): SymbolTable | undefined {
  if (symbols === undefined) return undefined;
  try {
    return parseSymbols(symbols);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${path}: ${error.message.replace(/^--/, '')}`) : error;
  }
}

/** The baseline to compare with; undefined when there is none to compare, or one is to be written. */
function baselineOf({ expectations, path }: Plan, update: boolean): Baseline | undefined {
  const wanted = expectations.some(({ kind }) => kind === 'baseline');
  if (update && !wanted)
    throw new UsageError(`--update: ${path} has no baseline among its expectations; write - baseline: {new-causes: none, counts: exact}`);
  if (update || !wanted) return undefined;
  return loadBaseline(baselinePath(path));
}

/** Of a run that died or was interrupted no baseline is kept. */
function unwritten(verdict: Verdict): Verdict {
  return verdict.kind === 'baseline' ? { ...verdict, met: false, found: 'not written, as the run did not come to its end' } : verdict;
}

function statusOf({ outcome }: PlanRun, met: boolean, plan: Plan): number {
  const foreseen = plan.expectations.some(({ kind, ...rest }) => kind === 'outcome' && (rest as { outcome: string }).outcome === 'died');
  if (outcome.kind === 'died' && !foreseen) return DIED;
  if (outcome.kind === 'interrupted' || outcome.kind === 'stopped') return exitStatus(outcome);
  return met ? 0 : 1;
}

export interface HeldOptions {
  /** Write the baseline instead of comparing with it. */
  readonly update: boolean;
  /** Signals that end a program end the guest first. */
  readonly signals: boolean;
}

/**
 * Runs and judges. Call chains cost time with every exit and are wanted only of exits that broke something: a run that can be repeated is made without
 * them, and once more with them when there are such exits.
 */
async function judged(plan: Plan, run: RunOptions, baseline: Baseline | undefined, signals: boolean): Promise<Judged> {
  const symbols = symbolsOf(plan);
  const repeatable = repeats(run);
  const first = await runPlan(plan, run, baseline, { stack: !repeatable, signals });
  const list = await verdicts({ plan, run: first, baseline }, symbols);
  if (!repeatable || list.every(({ exits }) => exits === undefined)) return { run: first, list };
  const again = await runPlan(plan, run, baseline, { stack: true, signals });
  if (again.report.exitHash === first.report.exitHash) return { run: first, list: await verdicts({ plan, run: again, baseline }, symbols) };
  const note = 'the call chains of these exits are not known: a second run of this guest was another one';
  return {
    run: first,
    list: list.map((verdict) => (verdict.exits === undefined ? verdict : { ...verdict, details: [...(verdict.details ?? []), note] })),
  };
}

interface Judged {
  readonly run: PlanRun;
  readonly list: readonly Verdict[];
}

/** Throws UsageError, Interrupted. */
export async function held(plan: Plan, { update, signals }: HeldOptions): Promise<ExpectReport> {
  const baseline = baselineOf(plan, update);
  try {
    const options = await quietRun(plan.guest);
    const { run, list } = await judged(plan, options, baseline, signals);
    const { watch } = run;
    const status = statusOf(
      run,
      list.every(({ met }) => met),
      plan,
    );
    const phases = watch.baselinePhases();
    if (update && status <= 1) saveBaseline(baselinePath(plan.path), { phases });
    return {
      file: plan.path,
      guest: options.name,
      ok: status === 0,
      exitStatus: status,
      outcome: run.outcome,
      ...(run.death === undefined ? undefined : { death: run.death }),
      ...summaryOf(run.report),
      marks: plan.marks.map(({ name }, i) => {
        const met = watch.met[i];
        return { name, time: met?.timeNs ?? null, exits: met?.exits ?? null, instructions: met?.instructions ?? null };
      }),
      expectations: update && status > 1 ? list.map(unwritten) : list,
      phases,
    };
  } catch (error) {
    throw error instanceof UsageError && !error.message.startsWith(plan.path)
      ? new UsageError(`${plan.path}:${plan.guestLine}: guest: ${error.message}`)
      : error;
  }
}
