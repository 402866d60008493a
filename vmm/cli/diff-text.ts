/**
 * What `lucid diff` prints: tables of what differs, where it begins, what the console says in one run alone; or all of it as JSON.
 *
 * @module
 */
import type { Beginning, PlacedExit } from '../exit-log/beginning.ts';
import type { Comparison } from '../exit-log/comparison.ts';
import type { Difference } from '../exit-log/difference.ts';
import { type CodeMoves, UNMOVED } from '../exit-log/kernel-place.ts';
import type { ExitLogEnd } from '../exit-log/reader.ts';
import type { TallyKey } from '../exit-log/tally.ts';
import { timeText } from './expect/quantities.ts';

/** Two runs, held against each other. */
export interface Compared {
  readonly by: TallyKey;
  readonly phases: readonly { readonly from: string | null; readonly to: string | null; readonly rows: readonly Difference[] }[];
  readonly exits: readonly [before: number, after: number];
  /** What only logs tell. */
  readonly logs?: {
    readonly comparison: Comparison;
    readonly moves: CodeMoves;
    readonly names: readonly [(address: bigint) => string, (address: bigint) => string];
    readonly vcpus: readonly [before: number, after: number];
    readonly ends: readonly [before: ExitLogEnd, after: ExitLogEnd];
  };
}

/** Rows of a table unless told otherwise. */
const TOP = 20;
/** Lines of the console that are shown of each side, and how much of each. */
const LINES_SHOWN = 4;
const LINE_SHOWN = 120;
/** Return addresses that are shown. */
const STACK_SHOWN = 4;

function micro(ns: number): string {
  return `${(ns / 1000).toFixed(1)}us`;
}

const signed = (text: string, negative: boolean): string => (negative ? text : `+${text}`);

/** The table of one phase: `top` rows; when no number was given some, and what is no more than chance only when it is all there is. */
export function differenceTable(rows: readonly Difference[], top: number | undefined): string {
  const weighty = rows.filter(({ slight }) => !slight).length;
  const shown = rows.slice(0, top ?? Math.min(TOP, weighty || TOP));
  const head = ['', 'before', 'after', 'exits', 'time'];
  const cells = shown.map((d) => {
    const [exits, time] = [d.after - d.before, d.afterNs - d.beforeNs];
    return [
      `${d.what.padEnd(4)} ${d.key}`,
      String(d.before),
      String(d.after),
      signed(String(exits), exits < 0),
      signed(micro(time), time < 0),
    ];
  });
  const width = Math.max(...[head, ...cells].map(([first]) => (first as string).length));
  const line = ([first = '', ...rest]: readonly string[]): string =>
    `${first.padEnd(width)} ${rest.map((cell) => cell.padStart(11)).join(' ')}\n`;
  const left = rows.length - shown.length;
  const more = left > 0 ? `(${left} more; --top ${rows.length} shows all)\n` : '';
  return `${line(head)}${cells.map(line).join('')}${more}`;
}

const hex = (value: bigint): string => `${value < 0n ? '-' : ''}0x${(value < 0n ? -value : value).toString(16)}`;

function exitText(exit: PlacedExit | undefined, exits: number, name: (address: bigint) => string): string {
  if (exit === undefined) return 'nothing more of the kind';
  const { number, timeNs, vcpu, cause, rip, stack } = exit;
  const chain = stack.slice(0, STACK_SHOWN).map((address) => ` < ${name(address)}`);
  return `exit ${number} of ${exits}, ${timeText(timeNs)}, vcpu ${vcpu}: ${cause} at ${name(rip)}${chain.join('')}`;
}

/** Where it begins: the place on the console, and the first exits that differ. */
function beginningText({ stretch, before, after }: Beginning, line: string | undefined, { exits, logs }: Compared): string {
  const { names } = logs as Required<Compared>['logs'];
  const place = stretch === 0 ? 'at the start' : `after the console's line: ${cut(line ?? '')}`;
  return `begins ${place}\n  before: ${exitText(before, exits[0], names[0])}\n  after:  ${exitText(after, exits[1], names[1])}\n`;
}

function cut(line: string): string {
  const plain = line.replaceAll(/[^ -~]/g, '?');
  return plain.length <= LINE_SHOWN ? plain : `${plain.slice(0, LINE_SHOWN - 3)}...`;
}

function linesText(removed: readonly string[], added: readonly string[]): string {
  if (removed.length + added.length === 0) return '';
  const some = (sign: string, lines: readonly string[]): string => {
    const left = lines.length - LINES_SHOWN;
    const shown = lines.slice(0, left === 1 ? LINES_SHOWN + 1 : LINES_SHOWN).map((line) => `  ${sign} ${cut(line)}\n`);
    return `${shown.join('')}${left > 1 ? `  ${sign} (${left} more)\n` : ''}`;
  };
  return `the console says, apart from times and numbers:\n${some('-', removed)}${some('+', added)}`;
}

function movedText(by: bigint): string {
  return by < 0n ? `${hex(-by)} lower` : `${hex(by)} higher`;
}

export function diffText(result: Compared, top: number | undefined): string {
  const { phases, exits, logs } = result;
  const [before, after] = exits;
  const parts: string[] = [];
  const moved = logs?.moves.kernel ?? 0n;
  if (moved !== 0n) parts.push(`(the kernel's code of the second run is ${movedText(moved)}; that is taken off)\n`);
  if (logs !== undefined && logs.vcpus[0] !== logs.vcpus[1]) parts.push(`vcpus ${logs.vcpus[0]} before, ${logs.vcpus[1]} after\n`);
  const time = logs === undefined ? '' : `, in ${timeText(logs.ends[0].timeNs)} and ${timeText(logs.ends[1].timeNs)}`;
  parts.push(`exits ${before} before, ${after} after (${signed(String(after - before), after < before)})${time}\n`);
  for (const { from, to, rows } of phases) {
    if (phases.length > 1)
      parts.push(`\nfrom ${from ?? 'the start'} to ${to ?? 'the end'}: ${rows.length === 0 ? 'no difference\n' : '\n'}`);
    if (rows.length > 0) parts.push(differenceTable(rows, top));
  }
  const differ = phases.some(({ rows }) => rows.length > 0);
  if (differ) parts.push('(times are modelled: see lucid run --exit-cost)\n');
  if (logs !== undefined && differ) {
    const { begins, lines } = logs.comparison;
    if (begins !== undefined) parts.push('\n', beginningText(begins, lines.begins[begins.stretch], result));
    const said = linesText(lines.removed, lines.added);
    if (said !== '') parts.push('\n', said);
  }
  return parts.join('');
}

function exitData(exit: PlacedExit | undefined, name: (address: bigint) => string) {
  if (exit === undefined) return null;
  const { rip, stack, ...rest } = exit;
  const named = (address: bigint) => {
    const symbol = name(address);
    return { address: hex(address), ...(symbol.startsWith('0x') ? undefined : { symbol }) };
  };
  return { ...rest, rip: named(rip), stack: stack.map(named) };
}

/** One line; `top` differences of each phase, or all. */
export function diffJson({ by, phases, exits, logs }: Compared, top: number | undefined): string {
  const differ = phases.some(({ rows }) => rows.length > 0);
  const list = phases.map(({ from, to, rows }) => ({ from, to, differences: rows.slice(0, top), total: rows.length }));
  const pair = <T>([before, after]: readonly [T, T]) => ({ before, after });
  const moves = logs?.moves ?? UNMOVED;
  const common = { by, codeShift: `0x${BigInt.asUintN(64, moves.kernel).toString(16)}`, differ, exits: pair(exits) };
  if (logs === undefined) return `${JSON.stringify({ ...common, phases: list })}\n`;
  const { alike, begins, lines } = logs.comparison;
  const more = {
    moduleShift: `0x${BigInt.asUintN(64, moves.modules).toString(16)}`,
    vcpus: pair(logs.vcpus),
    complete: pair([logs.ends[0].complete, logs.ends[1].complete]),
    timeNs: pair([logs.ends[0].timeNs, logs.ends[1].timeNs]),
    alike,
    begins:
      begins === undefined
        ? null
        : {
            line: lines.begins[begins.stretch] ?? null,
            before: exitData(begins.before, logs.names[0]),
            after: exitData(begins.after, logs.names[1]),
          },
    console: { removed: lines.removed, added: lines.added },
  };
  return `${JSON.stringify({ ...common, ...more, phases: list })}\n`;
}
