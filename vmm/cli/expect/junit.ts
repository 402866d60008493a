/**
 * Reports as JUnit XML, as test runners write it and CI services read it: a suite for each file of expectations, a test case for each expectation and one
 * for the guest itself. Nothing in it depends on the host.
 *
 * There is no standard; what is written here is what Jenkins' schema junit-10.xsd allows (its strictest reader) and GitLab reads: lines of a file stand in
 * the text of a failure, as test cases have no attribute for them.
 *
 * @module
 */
import { outcomeText } from '../summary.ts';
import type { Checked } from './check-files.ts';
import type { Verdict } from './judge.ts';
import { type ExpectReport, moreLines } from './report.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;', '\t': '&#9;' };

/** Text for XML 1.0, which cannot hold most control characters. */
function xml(text: string): string {
  return text
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '?')
    .replaceAll(/[&<>"\n\t]/g, (c) => ESCAPES[c] as string);
}

interface Case {
  readonly name: string;
  readonly element?: 'failure' | 'error';
  readonly message?: string;
  readonly text?: string;
}

function guestCase({ exitStatus, outcome, death }: ExpectReport): Case {
  const name = 'the guest runs';
  if (exitStatus !== 6) return { name };
  return { name, element: 'error', message: outcomeText(outcome), text: death ?? '' };
}

function verdictCase(file: string, verdict: Verdict): Case {
  const { name, met, found, line } = verdict;
  if (met) return { name };
  return { name, element: 'failure', message: found, text: [`${file}:${line}`, found, ...moreLines(verdict)].join('\n') };
}

/** Readers take cases of one name in one suite for one case. */
function distinct(cases: readonly Case[]): Case[] {
  const seen = new Map<string, number>();
  return cases.map((one) => {
    const times = (seen.get(one.name) ?? 0) + 1;
    seen.set(one.name, times);
    return times === 1 ? one : { ...one, name: `${one.name} (${times})` };
  });
}

function casesOf({ file, report, trouble }: Checked): Case[] {
  if (report === undefined) return [{ name: 'the file can be checked', element: 'error', message: trouble, text: trouble }];
  return distinct([guestCase(report), ...report.expectations.map((verdict) => verdictCase(file, verdict))]);
}

function countsOf(cases: readonly Case[]): string {
  const number = (element: Case['element']): number => cases.filter((one) => one.element === element).length;
  return `tests="${cases.length}" failures="${number('failure')}" errors="${number('error')}"`;
}

/** Readers cut a class's name at its last dot, into package and class. */
function className(file: string): string {
  return file.replace(/\.ya?ml$/i, '');
}

function caseLines(file: string, { name, element, message, text }: Case): string[] {
  const head = `    <testcase classname="${xml(className(file))}" name="${xml(name)}" time="0"`;
  if (element === undefined) return [`${head}/>`];
  const lines = (text ?? '').split('\n').map(xml).join('\n');
  return [`${head}>`, `      <${element} message="${xml(message ?? '')}">${lines}</${element}>`, '    </testcase>'];
}

export function junitXml(all: readonly Checked[]): string {
  const suites = all.map((checked) => ({ file: checked.file, cases: casesOf(checked) }));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${countsOf(suites.flatMap(({ cases }) => cases))}>`,
    ...suites.flatMap(({ file, cases }) => [
      `  <testsuite name="${xml(file)}" file="${xml(file)}" ${countsOf(cases)} skipped="0" time="0">`,
      ...cases.flatMap((one) => caseLines(file, one)),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n');
}
