/**
 * Runs the tests: every `test/**\/*.test.ts`, each in a process of its own, two at a time, and counts.
 *
 * `node test/run.ts [--slow=reduced|full] [PART ...]`: with PARTs only the files whose path contains one of them. Files in `test/slow` run only
 * when asked for (also by the environment, `LUCID_SLOW`), at the size that LUCID_SLOW tells them.
 *
 * The last line is `N passed, N failed, N skipped`; a file that crashes, hangs or runs no test counts as one failure. The exit status is 1
 * when anything failed.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { root } from '../scripts/core-inputs.mjs';

export interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: string;
}

/** A file that takes longer than this hangs. */
const LIMIT_SECONDS = { normal: 420, slow: 7200 };

const TIMES = join(root, 'build/test-times.json');

/** What uvu printed: tests, passed, skipped. Undefined when it did not come to its end. */
function counts(output: string): { total: number; passed: number; skipped: number } | undefined {
  const match = /\n {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n/.exec(output);
  if (match === null) return undefined;
  return { total: Number(match[1]), passed: Number(match[2]), skipped: Number(match[3]) };
}

/** What one file's process means: its tests, or one failure when it says nothing or ends badly after all of them passed. */
export function judge(file: string, code: number | null, output: string, seconds: number): Result {
  const found = counts(output);
  const none = found === undefined || found.total + found.skipped === 0;
  const passed = found?.passed ?? 0;
  let failed = none ? 1 : found.total - passed;
  if (failed === 0 && code !== 0) failed = 1;
  const why = none ? `${output}\n${file}: ran no test to the end (exit status ${code})\n` : output;
  return { file, passed, failed, skipped: found?.skipped ?? 0, seconds, output: why };
}

function runFile(file: string): Promise<Result> {
  const start = performance.now();
  const limit = (file.startsWith('test/slow/') ? LIMIT_SECONDS.slow : LIMIT_SECONDS.normal) * 1000;
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(process.execPath, [join(root, file)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    });
    const timer = setTimeout(() => {
      output += `\n${file}: still running after ${limit / 1000} s\n`;
      child.kill('SIGKILL');
    }, limit);
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(judge(file, code, output, (performance.now() - start) / 1000));
    });
  });
}

/** Seconds that each file took last time: the longest go first, so that both processes end together. */
function lastTimes(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(TIMES, 'utf8'));
  } catch {
    return {};
  }
}

function select(parts: readonly string[], slow: boolean): string[] {
  const times = lastTimes();
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => `test/${String(name).replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => slow || !name.startsWith('test/slow/'))
    .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
    .sort((a, b) => (times[b] ?? 60) - (times[a] ?? 60) || (a < b ? 1 : -1));
}

function report(result: Result): void {
  const tag = result.failed > 0 ? 'FAIL' : 'ok  ';
  process.stdout.write(`${tag} ${String(result.passed).padStart(4)} ${result.seconds.toFixed(1).padStart(6)} s  ${result.file}\n`);
  if (result.failed > 0) process.stdout.write(`${result.output.trimEnd()}\n\n`);
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const size = args.find((arg) => arg.startsWith('--slow='))?.slice('--slow='.length);
  if (size !== undefined) process.env['LUCID_SLOW'] = size;
  const parts = args.filter((arg) => !arg.startsWith('--'));
  const files = select(parts, process.env['LUCID_SLOW'] !== undefined);
  const results: Result[] = [];
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file);
      results.push(result);
      report(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  mkdirSync(join(root, 'build'), { recursive: true });
  const times = { ...lastTimes(), ...Object.fromEntries(results.map((r) => [r.file, Math.round(r.seconds * 10) / 10])) };
  writeFileSync(TIMES, `${JSON.stringify(times, null, 1)}\n`);
  const sum = (of: (r: Result) => number): number => results.reduce((total, r) => total + of(r), 0);
  const failed = sum((r) => r.failed);
  for (const result of results) if (result.failed > 0) process.stdout.write(`failed: ${result.file}\n`);
  if (files.length === 0) process.stdout.write('no test file matches\n');
  process.stdout.write(`${sum((r) => r.passed)} passed, ${failed} failed, ${sum((r) => r.skipped)} skipped\n`);
  process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;
}

if (import.meta.main) await main();
