/**
 * A baseline: how many exits of each cause a run had in each phase, exactly. `lucid expect --update` writes it beside the file of expectations.
 *
 * @module
 */
import { existsSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readWhole } from '../../read-whole.ts';
import { systemErrorText } from '../../system-error.ts';
import { UsageError } from '../options.ts';

const KIND = 'lucid-baseline';
const VERSION = 1;

export interface BaselinePhase {
  /** Names of marks, or `start` and `end`. */
  readonly from: string;
  readonly to: string;
  readonly causes: Readonly<Record<string, { readonly exits: number; readonly timeNs: number }>>;
}

export interface Baseline {
  readonly phases: readonly BaselinePhase[];
}

export function baselinePath(path: string): string {
  return `${path}.baseline.json`;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isPhase(value: unknown): value is BaselinePhase {
  const { from, to, causes } = (value ?? {}) as Partial<BaselinePhase>;
  if (typeof from !== 'string' || typeof to !== 'string' || typeof causes !== 'object' || causes === null) return false;
  return Object.values(causes).every(
    (row) => isNumber((row as { exits?: unknown } | null)?.exits) && isNumber((row as { timeNs?: unknown }).timeNs),
  );
}

/** Whether this is the phases of a baseline. */
export function isPhases(value: unknown): value is BaselinePhase[] {
  return Array.isArray(value) && value.every(isPhase);
}

/** Undefined when the text is no baseline. Throws UsageError when it is one that cannot be read. */
export function parseBaseline(path: string, text: string): Baseline | undefined {
  let read: { kind?: unknown; version?: unknown; phases?: unknown } | null;
  try {
    read = JSON.parse(text) as typeof read;
  } catch {
    return undefined;
  }
  if (read === null || typeof read !== 'object' || read.kind !== KIND) return undefined;
  if (read.version !== VERSION)
    throw new UsageError(`${path}: is a baseline of version ${read.version}; this lucid reads version ${VERSION}`);
  if (!isPhases(read.phases)) throw new UsageError(`${path}: a damaged baseline; write it again with lucid expect --update`);
  return { phases: read.phases };
}

/** Throws UsageError. */
export function loadBaseline(path: string): Baseline {
  let text: string;
  try {
    text = readWhole(path).toString();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UsageError(`${path}: ${missing ? 'there is no baseline yet; write one with lucid expect --update' : systemErrorText(error)}`);
  }
  const baseline = parseBaseline(path, text);
  if (baseline === undefined) throw new UsageError(`${path}: is no baseline; write one with lucid expect --update`);
  return baseline;
}

/** The old one stays until the new one is whole. Throws UsageError. */
export function saveBaseline(path: string, { phases }: Baseline): void {
  const text = `${JSON.stringify({ kind: KIND, version: VERSION, phases }, undefined, 2)}\n`;
  try {
    replaceFile(path, text);
  } catch (error) {
    throw new UsageError(`${path}: ${systemErrorText(error)}`);
  }
}

/** A link stays one: what it names is replaced. */
function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const whole = `${target}.${process.pid}.new`;
  try {
    writeFileSync(whole, text, { flush: true });
    renameSync(whole, target);
  } catch (error) {
    rmSync(whole, { force: true });
    throw error;
  }
}
