/**
 * The report of a run that was held against a file of expectations: for people and as JSON (JUnit XML: `junit.ts`). Nothing in it depends on the host.
 *
 * @module
 */
import type { Outcome, VmReport } from '../../report.ts';
import { outcomeText } from '../summary.ts';
import type { BaselinePhase } from './baseline.ts';
import type { Verdict } from './judge.ts';
import { timeText } from './quantities.ts';
import type { ShownExit } from './shown-exit.ts';

export interface MarkReport {
  readonly name: string;
  /** ns of the VM's clock; null: never reached. */
  readonly time: number | null;
  readonly exits: number | null;
  readonly instructions: number | null;
}

export interface ExpectReport {
  readonly file: string;
  readonly guest: string;
  /** All are met, and the guest did not die. */
  readonly ok: boolean;
  readonly exitStatus: number;
  readonly outcome: Outcome;
  /** Registers and disassembly of a guest that died. */
  readonly death?: string;
  readonly instructions: number;
  /** ns of the VM's clock. */
  readonly time: number;
  readonly exits: number;
  readonly exitHash: string;
  readonly marks: readonly MarkReport[];
  readonly expectations: readonly Verdict[];
  /** Exits of each phase by cause, as in a baseline. */
  readonly phases: readonly BaselinePhase[];
}

export function summaryOf({ instructions, clockNs, exitsTotal, exitHash }: VmReport) {
  return { instructions, time: clockNs, exits: exitsTotal, exitHash };
}

/** The lines of one exit. */
export function exitLines({ time, vcpu, cause, rip, symbol, instruction, stack, after }: ShownExit): string[] {
  const place = symbol === undefined ? rip : `${rip} ${symbol}`;
  const lines = [
    `${timeText(time)} vcpu ${vcpu} ${cause} at ${place}${instruction === undefined ? '' : `: ${instruction}`} (after ${after})`,
  ];
  if (stack.length > 0) lines.push(`  called from ${stack.join(' < ')}`);
  return lines;
}

/** What a verdict has to say beside its first line. */
export function moreLines({ met, details = [], exits = [] }: Verdict): string[] {
  if (met) return [];
  return [...details, ...(exits.length === 0 ? [] : ['exits that broke it:', ...exits.flatMap(exitLines).map((line) => `  ${line}`)])];
}

/** For people; colour where there is some. */
export function reportText(report: ExpectReport, colour: boolean): string {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines: string[] = [];
  for (const verdict of report.expectations) {
    const word = verdict.met ? paint(32, 'met    ') : paint(31, 'NOT MET');
    lines.push(`${word} ${verdict.name}`, `          ${verdict.found}`, ...moreLines(verdict).map((line) => `          ${line}`));
  }
  const met = report.expectations.filter((verdict) => verdict.met).length;
  if (report.death !== undefined) lines.push('', report.death);
  lines.push(
    '',
    `${report.guest}: ${outcomeText(report.outcome)} after ${report.instructions} instructions, ${timeText(report.time)}, ${report.exits} exits`,
    `${report.file}: ${met} of ${report.expectations.length} expectations met`,
  );
  return `${lines.join('\n')}\n`;
}
