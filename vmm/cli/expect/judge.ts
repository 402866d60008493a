/**
 * What a run was, held against what was expected of it.
 *
 * @module
 */
import { byImpact, type Difference, difference, type Exits } from '../../exit-log/difference.ts';
import { markText } from '../../exit-log/marks.ts';
import type { KstatSnapshot } from '../../kstat.ts';
import type { Outcome } from '../../report.ts';
import type { SymbolTable } from '../../symbols.ts';
import { Selector } from '../kstat-select.ts';
import { outcomeText } from '../summary.ts';
import { type Baseline, baselinePath } from './baseline.ts';
import type {
  BaselineExpectation,
  DExpectation,
  ExitsExpectation,
  Expectation,
  KstatExpectation,
  Plan,
  ReachedExpectation,
  SerialExpectation,
  Stretch,
} from './plan.ts';
import { timeText, within } from './quantities.ts';
import type { DOutput, PlanRun } from './plan-run.ts';
import { type KeptExit, type ShownExit, showExits } from './shown-exit.ts';
import { type AggregationElement, percentile as percentileOf } from './trace.ts';
import { allowance, SHOWN_MAX, type Watch } from './watch.ts';

export interface Verdict {
  readonly name: string;
  readonly kind: Expectation['kind'];
  readonly line: number;
  readonly met: boolean;
  /** What was found, in words. */
  readonly found: string;
  /** What else there is to say of it. */
  readonly details?: readonly string[];
  /** The exits that broke it. */
  readonly exits?: readonly ShownExit[];
}

interface Finding {
  readonly met: boolean;
  readonly found: string;
  readonly details?: readonly string[];
  readonly exits?: readonly KeptExit[];
}

export interface Evidence {
  readonly plan: Plan;
  readonly run: PlanRun;
  readonly baseline: Baseline | undefined;
}

export async function verdicts(evidence: Evidence, symbols: SymbolTable | undefined): Promise<Verdict[]> {
  const list: Verdict[] = [];
  for (const expectation of evidence.plan.expectations) {
    const { met, found, details, exits } = finding(expectation, evidence);
    const { name, kind, line } = expectation;
    const shown = exits === undefined || exits.length === 0 ? undefined : await showExits(exits, evidence.run.watch.phaseNames, symbols);
    list.push({ name, kind, line, met, found, ...(details && { details }), ...(shown && { exits: shown }) });
  }
  return list;
}

function finding(expectation: Expectation, evidence: Evidence): Finding {
  switch (expectation.kind) {
    case 'exits':
      return neverCame(expectation.between, evidence) ?? exits(expectation, evidence);
    case 'reached':
      return missing(expectation.mark, evidence) ?? reached(expectation, evidence);
    case 'serial':
      return neverCame(expectation.between, evidence) ?? serial(expectation, evidence);
    case 'kstat':
      return neverCame(expectation.between, evidence) ?? kstat(expectation, evidence);
    case 'd':
      return neverCame(expectation.between, evidence) ?? d(expectation, evidence);
    case 'outcome':
      return { met: isOutcome(expectation.outcome, evidence.run.outcome), found: outcomeText(evidence.run.outcome) };
    case 'baseline':
      return baseline(expectation, evidence);
  }
}

/** A mark that the run did not come to. Marks come in order: the first that is missing is the one to tell. */
function missing(mark: number, { plan, run: { watch, lastLines } }: Evidence): Finding | undefined {
  if (mark < watch.met.length) return undefined;
  const first = plan.marks[watch.met.length] as Plan['marks'][number];
  const own = plan.marks[mark] as Plan['marks'][number];
  const before = first === own ? '' : `; '${own.name}' is looked for after it`;
  return {
    met: false,
    found: `mark '${first.name}' (${markText(first.mark)}) was never reached${before}`,
    details: lastLines.length === 0 ? ['the console said nothing'] : ['the console said last:', ...lastLines.map((line) => `  ${line}`)],
  };
}

function neverCame({ from, to }: Stretch, evidence: Evidence): Finding | undefined {
  const needed = Math.max(from - 1, to < evidence.plan.marks.length ? to : -1);
  return needed < 0 ? undefined : missing(needed, evidence);
}

function exits(expectation: ExitsExpectation, { run: { watch } }: Evidence): Finding {
  const { count, timeNs, over } = watch.exits.get(expectation) as { count: number; timeNs: number; over: KeptExit[] };
  const met =
    (expectation.count === undefined || within(count, expectation.count)) &&
    (expectation.time === undefined || within(timeNs, expectation.time));
  const time = expectation.time === undefined ? '' : `, ${timeText(timeNs)} (modelled)`;
  return { met, found: `${count} exit${count === 1 ? '' : 's'}${time}`, exits: met ? [] : over };
}

function reached(expectation: ReachedExpectation, { run: { watch } }: Evidence): Finding {
  const { instructions, timeNs, exits: count } = watch.met[expectation.mark] as Watch['met'][number];
  const met =
    instructions <= (expectation.instructions ?? Number.POSITIVE_INFINITY) &&
    timeNs <= (expectation.timeNs ?? Number.POSITIVE_INFINITY) &&
    count <= (expectation.exits ?? Number.POSITIVE_INFINITY);
  return { met, found: `after ${instructions} instructions, ${timeText(timeNs)}, ${count} exits` };
}

function serial({ contains, lacks, matches, between }: SerialExpectation, { run: { watch, lastLines } }: Evidence): Finding {
  if (watch.serialCut) return { met: false, found: 'the console said more than can be looked through (64 MB)' };
  const text = watch.serial(between.from, between.to);
  const line = (at: number): string => text.slice(text.lastIndexOf('\n', at) + 1).split(/\r?\n/, 1)[0] ?? '';
  const last = ['the console said last:', ...lastLines.map((l) => `  ${l}`)];
  if (lacks !== undefined) {
    const at = text.indexOf(lacks);
    return at < 0 ? { met: true, found: 'it does not say it' } : { met: false, found: `it says: ${line(at)}` };
  }
  const at = matches === undefined ? text.indexOf(contains as string) : text.search(matches);
  return at < 0 ? { met: false, found: 'it does not say it', details: last } : { met: true, found: `it says: ${line(at)}` };
}

/** Statistics where a stretch ends, and by how much they grew in it. Those that are texts have no growth. */
function kstat({ selector, value, between: { from, to } }: KstatExpectation, { run }: Evidence): Finding {
  const chosen = Selector.parse(selector) as Selector;
  const all = run.kstats.get(to) ?? [];
  const before = from === 0 ? undefined : new Map((run.kstats.get(from - 1) ?? []).flatMap(namedValues));
  const values = all
    .filter((one) => chosen.matches(one))
    .flatMap((one) => namedValues({ ...one, values: one.values.filter(([name]) => chosen.statistic(name)) }))
    .map(([name, now]): [string, bigint | string] => {
      const was = before?.get(name) ?? 0n;
      return [name, typeof now === 'bigint' && typeof was === 'bigint' ? now - was : now];
    });
  if (values.length === 0)
    return {
      met: false,
      found: 'there is no such statistic',
      details: [`there is ${[...new Set(all.map((k) => `${k.module}:${k.instance}:${k.name}`))].join(', ')}`],
    };
  const bad = values.filter(([, found]) => typeof found === 'string' || !within(Number(found), value));
  const shown = (bad.length > 0 ? bad : values).slice(0, SHOWN_MAX).map(([name, found]) => `${name} ${found}`);
  return { met: bad.length === 0, found: shown.join(', ') };
}

function namedValues({ module, instance, name, values }: KstatSnapshot): [string, bigint | string][] {
  return values.map(([statistic, value]) => [`${module}:${instance}:${name}:${statistic}`, value]);
}

const sameKey = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((part, i) => part === b[i]);

function d(expectation: DExpectation, { run }: Evidence): Finding {
  const { aggregations, troubles } = run.d[expectation.program] as DOutput;
  const details = troubles.length === 0 ? undefined : troubles.slice(0, SHOWN_MAX);
  // What a program that failed has counted is not the run.
  if (details !== undefined) return { met: false, found: 'the program met errors', details };
  const { key, percentile, value } = expectation;
  const all = aggregations.get(expectation.aggregation) ?? [];
  const chosen = key === undefined ? all : all.filter((element) => sameKey(element.key, key));
  const name = (element: AggregationElement): string => (element.key.length === 0 ? '' : `[${element.key.join(', ')}] `);
  if (percentile === undefined) {
    if (chosen.length === 0) return { met: within(0, value), found: 'nothing was counted: 0' };
    const bad = chosen.filter((element) => !within(element.value as number, value));
    const shown = (bad.length > 0 ? bad : chosen).slice(0, SHOWN_MAX).map((element) => `${name(element)}${element.value}`);
    return { met: bad.length === 0, found: shown.join(', ') };
  }
  if (chosen.length === 0) return { met: false, found: 'nothing was measured' };
  const found = chosen.map((element) => {
    const { least, most } = percentileOf(element, percentile) ?? { least: 0, most: 0 };
    // What is known of the percentile is its bucket: each limit is held against the end that could break it.
    const met = most <= (value.max ?? Number.POSITIVE_INFINITY) && least >= (value.min ?? Number.NEGATIVE_INFINITY);
    return { met, text: `${name(element)}p${percentile} is in the bucket from ${least} to ${most}` };
  });
  const bad = found.filter(({ met }) => !met);
  return {
    met: bad.length === 0,
    found: (bad.length > 0 ? bad : found)
      .slice(0, SHOWN_MAX)
      .map(({ text }) => text)
      .join(', '),
  };
}

function isOutcome(expected: string, outcome: Outcome): boolean {
  if (expected === outcome.kind) return true;
  if (outcome.kind === 'debug-exit') return expected === `debug-exit ${outcome.value}`;
  return outcome.kind === 'limit' && expected === `limit ${outcome.which}`;
}

function baseline(expectation: BaselineExpectation, { plan, run: { watch }, baseline: before }: Evidence): Finding {
  if (before === undefined) return { met: true, found: 'written' };
  const now = watch.baselinePhases();
  const over = watch.overBaseline.get(expectation) ?? new Map<string, KeptExit[]>();
  const lines: { readonly row: Difference; readonly text: string; readonly exits: readonly KeptExit[] }[] = [];
  now.forEach(({ causes, from, to }, phase) => {
    const old = before.phases[phase]?.causes ?? {};
    for (const cause of new Set([...Object.keys(old), ...Object.keys(causes)])) {
      const [was, is] = [old[cause]?.exits, causes[cause]?.exits ?? 0];
      const allowed = allowance(expectation, was);
      if (is >= allowed.least && is <= allowed.most) continue;
      const counted = [old, causes].map((rows) => ({ count: rows[cause]?.exits ?? 0, timeNs: rows[cause]?.timeNs ?? 0 }));
      const row = difference(cause, counted[0] as Exits, counted[1] as Exits);
      if (row === undefined) continue;
      const where = now.length === 1 ? '' : ` between ${from} and ${to}`;
      lines.push({ row, text: `${row.what} ${cause}${where}: ${was ?? 0} before, ${is} now`, exits: over.get(`${phase} ${cause}`) ?? [] });
    }
  });
  if (lines.length === 0) return { met: true, found: 'as in the baseline' };
  lines.sort((a, b) => byImpact(a.row, b.row) || (a.text < b.text ? -1 : 1));
  return {
    met: false,
    found: `${lines.length} difference${lines.length === 1 ? '' : 's'}, the weightiest first`,
    details: [
      ...lines.map(({ text }) => text),
      `to compare: lucid expect ${plan.path} --json > now.json; lucid diff ${baselinePath(plan.path)} now.json`,
    ],
    exits: lines.flatMap(({ exits: kept }) => kept).slice(0, SHOWN_MAX),
  };
}
