/**
 * Commands in a Markdown text: those of its fenced blocks that begin with `dlite ` or `lucid run`, and how they are run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { splitWords } from '../../vmm/cli/dlite-child.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** From the enabling to the interruption, and when a command is given up: ms. */
const TRACE_MS = 300;
export const LIMIT_MS = 60_000;

type Environment = NodeJS.ProcessEnv;

/** A line that goes on in the next one: a backslash at its end, or a quote that is open. */
function goesOn(text: string): boolean {
  return /\\$/.test(text) || /^(?:[^'"]|'[^']*'|"(?:[^"\\]|\\.)*")*$/s.exec(text) === null;
}

/** Each command as one line, without prompt and comment. */
export function oneLiners(markdown: string): string[] {
  const found: string[] = [];
  let inside = false;
  let command: string | undefined;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) {
      inside = !inside;
      command = undefined;
      continue;
    }
    if (!inside) continue;
    if (command === undefined) {
      const text = line.replace(/^\s*(?:[$%] )?/, '');
      if (!/^(?:dlite |lucid run )/.test(text)) continue;
      command = text;
    } else command = command.endsWith('\\') ? command.slice(0, -1) + line.trimStart() : `${command}\n${line}`;
    if (goesOn(command)) continue;
    found.push(command.replace(/\s+# .*$/, ''));
    command = undefined;
  }
  return found;
}

export function startCommand(words: readonly string[], stdio: 'pipe' | 'ignore', environment: Environment): ChildProcess {
  const [name = '', ...args] = words;
  return spawn(process.execPath, [join(root, `vmm/cli/${name}.ts`), ...args], {
    cwd: root,
    stdio: ['ignore', stdio, 'pipe'],
    env: environment,
  });
}

export interface Ended {
  readonly line: string;
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a line, and interrupts it after a while. A program that is quiet does not say when it is enabled, and one that is interrupted before it listens simply
 * ends (status null): then it is given longer.
 */
export async function runLine(line: string, environment: Environment, traceMs = TRACE_MS): Promise<Ended> {
  for (let patience = 1; ; patience *= 2) {
    const ended = await runOnce(line, environment, traceMs * patience);
    if (ended.status !== null || patience > 30) return ended;
  }
}

async function runOnce(line: string, environment: Environment, ms: number): Promise<Ended> {
  const child = startCommand(splitWords(line), 'pipe', environment);
  let out = '';
  let err = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  child.stderr?.on('data', (text) => {
    err += text;
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  let ended = false;
  closed.then(() => {
    ended = true;
  });
  const isOver = (): boolean => ended;
  const quiet = /^dlite -q/.test(line);
  while (!isOver() && !quiet && !err.includes(' matched ')) await pause(50);
  await Promise.race([closed, pause((quiet ? 4 : 1) * ms)]);
  child.kill('SIGINT');
  const status = await closed;
  clearTimeout(limit);
  return { line, status, out, err };
}

/** What a command says on standard error beside what it matched; faults are what a program with an ERROR clause is about. */
export function unexpected(line: string, err: string): string {
  const told = err.replaceAll(/^.* matched .*$/gm, '');
  return /\bERROR\b/.test(line) ? told.replaceAll(/^.*: error on enabled probe .*$/gm, '') : told;
}
