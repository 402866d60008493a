/**
 * How figures are taken: processes timed by the CPU they used, alternating between engines, medians with their spread.
 *
 * CPU seconds are user and system time of a process with all its threads, as the kernel charges them to whoever waits for it
 * (/proc/self/stat, fields cutime and cstime, in hundredths of a second): what else runs on the machine disturbs them far less than it
 * disturbs wall time. Linux only.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';

/** Values of one thing measured several times. */
export interface Sample {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** What one engine came to. */
export interface Measured {
  readonly who: string;
  readonly sample: Sample;
}

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly lucid: Sample;
  /** The same measured on something else in the same run. */
  readonly peer?: Measured;
  /** Why there is no peer, when there could be one. */
  readonly missing?: string;
  /** What this figure is to be at most: of the ratio when `of` says so, else of Lucid's median. */
  readonly atMost?: { readonly value: number; readonly of: 'lucid' | 'ratio' };
  readonly note?: string;
}

/** A benchmark that cannot be run here, and why. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

export function sampleOf(values: readonly number[]): Sample {
  if (values.length === 0) throw new RangeError('a sample of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
  return { median, min: sorted[0] as number, max: sorted[sorted.length - 1] as number, runs: sorted.length };
}

/** Lucid's median over the peer's. */
export function ratio(row: Row): number | undefined {
  return row.peer === undefined ? undefined : row.lucid.median / row.peer.sample.median;
}

/** Clock ticks a second in /proc (proc(5); a constant of Linux's interface to programs). */
const TICKS = 100;

/** The sum of two neighbouring times of a process, by the number that proc(5) gives the first one, in seconds. */
function timesOf(process: string, field: number): number {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${process}/stat`, 'utf8');
  } catch {
    throw new Skipped('CPU time of other processes is read from /proc, which this system does not have');
  }
  // The program's name may hold anything, so fields are counted from its closing bracket, behind which the third one stands.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[field - 3]) + Number(fields[field - 2])) / TICKS;
}

/** CPU seconds of all children waited for so far: cutime and cstime. */
const childrenCpu = (): number => timesOf('self', 16);

/** CPU seconds of a living process with its threads so far: utime and stime. */
export const cpuOf = (pid: number): number => timesOf(String(pid), 14);

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly cpuSeconds: number;
}

const LIMIT_MS = 300_000;

/** Runs a program to its end. Throws when it cannot be started or does not end. */
export function runTimed(command: string, args: readonly string[]): Ran {
  const before = childrenCpu();
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
  });
  if (result.error !== undefined) throw new Error(`${command}: ${result.error.message}`);
  return { status: result.status, stdout: result.stdout, stderr: result.stderr, cpuSeconds: childrenCpu() - before };
}

/** A program's path, or undefined when it is not installed. */
export function which(command: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((path) => existsSync(path));
}

/** Calls every function in turn, `runs` times over after one round that is not counted; the values of each. */
export function alternate(runs: number, functions: readonly (() => number)[]): Sample[] {
  const values: number[][] = functions.map(() => []);
  for (let round = -1; round < runs; round++) {
    functions.forEach((measure, i) => {
      const value = measure();
      if (round >= 0) values[i]?.push(value);
    });
  }
  return values.map(sampleOf);
}

/** Seconds of a fixed piece of arithmetic: how much this machine's speed itself varies. */
export function machineNoise(times = 7): Sample {
  const values: number[] = [];
  for (let i = 0; i <= times; i++) {
    const before = process.cpuUsage();
    let x = 1;
    for (let n = 0; n < 60_000_000; n++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
    const used = process.cpuUsage(before);
    if (i > 0) values.push((used.user + used.system) / 1e6 + (x & 0));
  }
  return sampleOf(values);
}
