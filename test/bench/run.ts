/**
 * `npm run bench [-- [--json] [--runs N] NAME ...]`: measures what README's figures say, beside a peer where there is one.
 *
 * Every figure is the median of several runs (5 unless said otherwise) after one that is not counted; engines take turns, so that what the machine does
 * meanwhile hits all of them. The spread is printed with each figure, and that of a fixed piece of arithmetic as the noise of the machine: a
 * difference below it says nothing. A peer that is not installed is said to be missing. Exit status: 0 measured, 1 a guest failed, 2 wrong usage;
 * a figure beyond its target is marked, not an error, because machines differ.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { benchBoot, benchBootFull, benchMemory } from './boot.ts';
import { benchDecode } from './decode.ts';
import { benchEvents, benchEventsRead } from './events.ts';
import { benchFiring } from './firing.ts';
import { benchCpuid, benchLoops, benchOut } from './loops.ts';
import { benchShort, benchStart } from './start.ts';
import { benchSystemd, benchSystemd2, benchTcp } from './systemd.ts';
import { benchNetwork } from './network.ts';
import { benchAttach, benchCompile } from './trace.ts';
import { machineNoise, ratio, type Row, type Sample, Skipped } from './measure.ts';

type Bench = (runs: number) => Row[] | Promise<Row[]>;

const BENCHES: Readonly<Record<string, Bench>> = {
  boot: benchBoot,
  'boot-full': benchBootFull,
  cpuid: benchCpuid,
  out: benchOut,
  start: benchStart,
  short: benchShort,
  memory: benchMemory,
  loops: benchLoops,
  decode: benchDecode,
  compile: benchCompile,
  attach: benchAttach,
  firing: benchFiring,
  events: benchEvents,
  'events-read': benchEventsRead,
  network: benchNetwork,
  systemd: benchSystemd,
  'systemd-2': benchSystemd2,
  tcp: benchTcp,
};

const RUNS = 5;

/** Three significant figures, without exponents. */
function figure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function spread({ min, max }: Sample): string {
  return `${figure(min)}-${figure(max)}`;
}

/** `<= 1.3`, with the verdict. */
function target(row: Row): string {
  if (row.atMost === undefined) return '';
  const value = row.atMost.of === 'ratio' ? ratio(row) : row.lucid.median;
  const what = `at most ${row.atMost.value}${row.atMost.of === 'ratio' ? ' x' : ''}`;
  return value === undefined ? what : `${what}: ${value <= row.atMost.value ? 'yes' : 'NO'}`;
}

function cells(row: Row): string[] {
  const by = ratio(row);
  return [
    row.name,
    row.unit,
    figure(row.lucid.median),
    spread(row.lucid),
    row.peer === undefined ? '-' : figure(row.peer.sample.median),
    row.peer === undefined ? '' : spread(row.peer.sample),
    by === undefined ? '' : `${by.toFixed(2)} x`,
    target(row),
    row.missing ?? row.note ?? '',
  ];
}

function table(rows: readonly Row[]): string {
  const peer = rows.find((row) => row.peer !== undefined)?.peer?.who ?? 'peer';
  const all = [['', 'unit', 'lucid', 'spread', peer, 'spread', 'ratio', 'target', ''], ...rows.map(cells)];
  const widths = all[0]?.map((_, i) => Math.max(...all.map((line) => line[i]?.length ?? 0))) ?? [];
  const left = new Set([0, 1, 7, 8]);
  return all
    .map((line) =>
      line
        .map((cell, i) => (left.has(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

interface Options {
  readonly names: readonly string[];
  readonly runs: number;
  readonly json: boolean;
}

/** Undefined after saying what is wrong. */
function options(args: readonly string[]): Options | undefined {
  const usage = `usage: npm run bench [-- [--json] [--runs N] NAME ...]; names: ${Object.keys(BENCHES).join(' ')}`;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: String(RUNS) } },
    });
    const unknown = positionals.find((name) => !Object.hasOwn(BENCHES, name));
    const runs = Number(values.runs);
    if (unknown !== undefined) throw new Error(`no benchmark is named ${unknown}`);
    if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: not a number of runs`);
    return { names: positionals.length > 0 ? positionals : Object.keys(BENCHES), runs, json: values.json };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${usage}\n`);
    return undefined;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const chosen = options(args);
  if (chosen === undefined) return 2;
  const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const rows: Row[] = [];
  const skipped: { name: string; why: string }[] = [];
  let failed = 0;
  for (const name of chosen.names) {
    say(name);
    try {
      rows.push(...(await (BENCHES[name] as Bench)(chosen.runs)));
    } catch (error) {
      if (error instanceof Skipped) skipped.push({ name, why: error.message });
      else {
        failed++;
        say(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  const noise = machineNoise();
  if (chosen.json)
    process.stdout.write(
      `${JSON.stringify({ node: process.version, rows: rows.map((row) => ({ ...row, ratio: ratio(row) })), skipped, noise }, null, 1)}\n`,
    );
  else {
    if (rows.length > 0) process.stdout.write(`${table(rows)}\n`);
    for (const { name, why } of skipped) process.stdout.write(`${name}: skipped, ${why}\n`);
    const percent = (100 * (noise.max - noise.min)) / noise.median;
    process.stdout.write(
      `medians of ${chosen.runs}; Node ${process.version}; noise of this machine: a fixed loop took ${spread(noise)} s (${percent.toFixed(0)} %)\n`,
    );
  }
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
