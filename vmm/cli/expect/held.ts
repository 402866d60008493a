/**
 * Runs the guest of a file of expectations and holds the run against them.
 *
 * @module
 */
import type { SymbolTable } from '../../symbols.ts';
import { openLog, parseSymbols } from '../exit-log-options.ts';
import { UsageError } from '../options.ts';
import { exitStatus } from '../summary.ts';
import { type Baseline, baselinePath, loadBaseline, saveBaseline } from './baseline.ts';
import { verdicts } from './judge.ts';
import type { Plan } from './plan.ts';
import { quietRun, recorded, type RecordedRun } from './recorded-run.ts';
import { type ExpectReport, summaryOf } from './report.ts';
import { Watch } from './watch.ts';

const LAST_LINES = 5;
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

/** What a log has to say of a plan's expectations. */
export function watchLog(log: string, plan: Plan, baseline: Baseline | undefined): Watch {
  const watch = new Watch(plan, baseline);
  const reader = openLog(log);
  try {
    const end = reader.read((view, at, chain) => {
      watch.take(view, at, chain);
      return true;
    });
    if (!end.complete)
      throw new UsageError(
        `the log of exits could not be kept whole: ${end.records} are there; is there room in the directory for temporary files?`,
      );
  } finally {
    reader.close();
  }
  return watch;
}

function statusOf(run: RecordedRun, met: boolean, plan: Plan): number {
  const { outcome } = run.result;
  const foreseen = plan.expectations.some(({ kind, ...rest }) => kind === 'outcome' && (rest as { outcome: string }).outcome === 'died');
  if (outcome.kind === 'died' && !foreseen) return DIED;
  if (outcome.kind === 'interrupted' || outcome.kind === 'stopped') return exitStatus(outcome);
  return met ? 0 : 1;
}

/** Throws UsageError, Interrupted. */
export async function held(plan: Plan, update: boolean): Promise<ExpectReport> {
  const symbols = symbolsOf(plan);
  const baseline = baselineOf(plan, update);
  const inFile = (error: unknown): unknown =>
    error instanceof UsageError ? new UsageError(`${plan.path}:${plan.guestLine}: guest: ${error.message}`) : error;
  const options = await quietRun(plan.guest).catch((error: unknown) => {
    throw inFile(error);
  });
  const programs = plan.programs.map(({ compiled }) => compiled);
  const judged = async (run: RecordedRun): Promise<ExpectReport> => {
    const watch = watchLog(run.log, plan, baseline);
    const serial = watch.lastLines(LAST_LINES);
    const other = run.console
      .replaceAll('\r', '')
      .split('\n')
      .filter((line) => line !== '')
      .slice(-LAST_LINES);
    const lastLines = serial.length > 0 ? serial : other;
    const list = await verdicts({ plan, run, watch, baseline, lastLines }, symbols);
    const status = statusOf(
      run,
      list.every(({ met }) => met),
      plan,
    );
    const phases = watch.baselinePhases();
    if (update && status !== DIED) saveBaseline(baselinePath(plan.path), { phases });
    return {
      file: plan.path,
      guest: options.name,
      ok: status === 0,
      exitStatus: status,
      outcome: run.result.outcome,
      ...(run.result.death === undefined ? undefined : { death: run.result.death }),
      ...summaryOf(run.result.report),
      marks: plan.marks.map(({ name }, i) => {
        const met = watch.met[i];
        return { name, time: met?.timeNs ?? null, exits: met?.exits ?? null, instructions: met?.instructions ?? null };
      }),
      expectations: list,
      phases,
    };
  };
  return await recorded(options, programs, judged).catch((error: unknown) => {
    throw inFile(error);
  });
}
