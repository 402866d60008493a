/**
 * Counts of exits that were written down, phase by phase: a baseline, or a report of `lucid expect --json`.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { beginsAsJsonLog } from '../../exit-log/json.ts';
import type { TallyRow } from '../../exit-log/tally.ts';
import { systemErrorText } from '../../system-error.ts';
import { UsageError } from '../options.ts';
import { type BaselinePhase, isPhases, parseBaseline } from './baseline.ts';

/** A log of exits begins otherwise, and may be too long to be read whole. */
function beginsAsCounts(path: string): boolean {
  const start = Buffer.alloc(64);
  const fd = openSync(path, 'r');
  try {
    if (fstatSync(fd).isFile()) readSync(fd, start, 0, start.length, 0);
  } finally {
    closeSync(fd);
  }
  const text = start.toString();
  return text.startsWith('{') && !beginsAsJsonLog(text);
}

/** Undefined when the file is something else. Throws UsageError. */
export function countedPhases(path: string): readonly BaselinePhase[] | undefined {
  let text: string;
  try {
    if (!beginsAsCounts(path)) return undefined;
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path}: ${systemErrorText(error)}`);
  }
  const baseline = parseBaseline(path, text);
  if (baseline !== undefined) return baseline.phases;
  try {
    const { phases, expectations } = JSON.parse(text) as { phases?: unknown; expectations?: unknown };
    if (Array.isArray(expectations) && isPhases(phases)) return phases;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return undefined;
}

export function rowsOf({ causes }: BaselinePhase): TallyRow[] {
  return Object.entries(causes).map(([key, { exits, timeNs }]) => ({ key, count: exits, timeNs, minNs: 0, maxNs: 0 }));
}

export function exitsOf(phases: readonly BaselinePhase[]): number {
  return phases.reduce((sum, phase) => sum + rowsOf(phase).reduce((n, { count }) => n + count, 0), 0);
}
