/**
 * The report of a run that was held against a file of expectations: for people, as JSON, and as JUnit XML. Nothing in it depends on the host.
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
function moreLines({ met, details = [], exits = [] }: Verdict): string[] {
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

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;', '\t': '&#9;' };

/** Text for XML 1.0, which cannot hold most control characters. */
function xml(text: string): string {
  return text
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '?')
    .replaceAll(/[&<>"\n\t]/g, (c) => ESCAPES[c] as string);
}

/** As test runners write it and CI services read it: a test case for each expectation, and one for the guest itself. */
export function junitXml(report: ExpectReport): string {
  const failures = report.expectations.filter(({ met }) => !met).length;
  const died = report.exitStatus === 6;
  const cases = report.expectations.map((verdict) => {
    const head = `    <testcase classname="${xml(report.file)}" name="${xml(verdict.name)}" file="${xml(report.file)}" line="${verdict.line}" time="0"`;
    if (verdict.met) return `${head}/>`;
    const more = [`${report.file}:${verdict.line}`, verdict.found, ...moreLines(verdict)].map(xml).join('\n');
    return `${head}>\n      <failure message="${xml(verdict.found)}">${more}</failure>\n    </testcase>`;
  });
  const ends = xml(outcomeText(report.outcome));
  const guest = `    <testcase classname="${xml(report.file)}" name="the guest runs" file="${xml(report.file)}" time="0"`;
  cases.unshift(died ? `${guest}>\n      <error message="${ends}">${xml(report.death ?? '')}</error>\n    </testcase>` : `${guest}/>`);
  const counts = `tests="${cases.length}" failures="${failures}" errors="${died ? 1 : 0}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${xml(report.file)}" ${counts} skipped="0" time="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}
