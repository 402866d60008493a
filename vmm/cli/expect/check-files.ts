/**
 * Several files of expectations, one after the other, with one report.
 *
 * Every file is read before the first guest starts: a mistake in the last is told at once. What only shows when a guest is started (its kernel is missing)
 * is told for that file, and the others are checked all the same.
 *
 * @module
 */
import { UsageError } from '../options.ts';
import { held } from './held.ts';
import type { Plan } from './plan.ts';
import { readPlan } from './read-file.ts';
import type { ExpectReport } from './report.ts';

const INTERRUPTED = [130, 143];

export interface CheckOptions {
  readonly update: boolean;
  /** Words of `lucid run` that are added to every guest, or replace a part of it. */
  readonly given: readonly string[];
  /** Names of guest code, instead of the files'. */
  readonly symbols?: string;
  /** Only expectations in whose name one of these stands. */
  readonly only: readonly string[];
}

/** What came of a file: a report, or why there is none. */
export type Checked =
  | { readonly file: string; readonly report: ExpectReport; readonly trouble?: undefined }
  | { readonly file: string; readonly report?: undefined; readonly trouble: string };

/** 2 a bad file, 6 a guest died, 1 something is not met: the first of them that there is; an interruption before all. */
export function statusOfAll(all: readonly Checked[]): number {
  const each = all.map(({ report }) => report?.exitStatus ?? 2);
  return [...INTERRUPTED, 2, 6, 1].find((status) => each.includes(status)) ?? 0;
}

function isPlan(plan: Plan | Checked): plan is Plan {
  return 'expectations' in plan;
}

function chosen(plan: Plan, only: readonly string[]): Plan {
  if (only.length === 0) return plan;
  return { ...plan, expectations: plan.expectations.filter(({ name }) => only.some((part) => name.includes(part))) };
}

/** Reads files. Throws UsageError when no expectation has the name that was asked for. */
export function readPlans(files: readonly string[], { given, symbols, only }: CheckOptions): (Plan | Checked)[] {
  const plans = files.map((file): Plan | Checked => {
    try {
      return readPlan(file, given, symbols);
    } catch (error) {
      if (error instanceof UsageError) return { file, trouble: error.message };
      throw error;
    }
  });
  const right = plans.filter(isPlan);
  const unknown = only.find((part) => !right.some((plan) => chosen(plan, [part]).expectations.length > 0));
  if (unknown !== undefined && right.length === plans.length)
    throw new UsageError(`--only '${unknown}': no expectation has this in its name; lucid expect --list shows their names`);
  return plans.map((plan) => (isPlan(plan) ? chosen(plan, only) : plan)).filter((plan) => !isEmpty(plan));
}

function isEmpty(plan: Plan | Checked): boolean {
  return isPlan(plan) && plan.expectations.length === 0;
}

/** Runs the guests of files, and tells of each as soon as it is known. Throws Interrupted. */
export async function checkFiles(files: readonly string[], options: CheckOptions, tell: (checked: Checked) => void): Promise<Checked[]> {
  const plans = readPlans(files, options);
  const wrong = plans.filter((plan): plan is Checked => !isPlan(plan));
  if (wrong.length > 0) {
    for (const one of wrong) tell(one);
    return wrong;
  }
  const all: Checked[] = [];
  for (const plan of plans.filter(isPlan)) {
    const checked = await checkOne(plan, options.update);
    all.push(checked);
    tell(checked);
    if (INTERRUPTED.includes(checked.report?.exitStatus ?? 0)) break;
  }
  return all;
}

async function checkOne(plan: Plan, update: boolean): Promise<Checked> {
  try {
    return { file: plan.path, report: await held(plan, { update, signals: true }) };
  } catch (error) {
    if (error instanceof UsageError) return { file: plan.path, trouble: error.message };
    throw error;
  }
}
