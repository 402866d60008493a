/** Runs the stat commands for tests: within this process on a directory of the test's own, or as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { CommandWorld } from '../../vmm/cli/kstat-command.ts';

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export type Command = (args: readonly string[], world: CommandWorld) => Promise<number>;

/** 2026-02-03 04:05:06 in the time zone of the test. */
export const NOW = new Date(2026, 1, 3, 4, 5, 6);

/** Runs a command here. `written` is called with each piece of output as it comes; seconds of an interval are short. */
export async function run(
  command: Command,
  directory: string,
  args: readonly string[],
  written: (text: string) => unknown = () => {},
  secondMs = 100,
): Promise<Ran> {
  let out = '';
  let err = '';
  const status = await command(args, {
    directory,
    out: async (text) => {
      out += text;
      await written(text);
    },
    err: (text) => {
      err += text;
    },
    now: () => NOW,
    secondMs,
  });
  return { status, out, err };
}

/** A place for `$XDG_RUNTIME_DIR`, the directory of the VMs in it, and how to be rid of both. */
export function runtimePlace(): { readonly xdg: string; readonly directory: string; remove(): void } {
  const xdg = mkdtempSync(join(tmpdir(), 'lucid-st-'));
  return { xdg, directory: join(xdg, 'lucid'), remove: () => rmSync(xdg, { recursive: true }) };
}

/** Starts a command as a process of its own. */
export function start(name: 'kstat' | 'kvmstat' | 'lucid', args: readonly string[], xdg: string): ChildProcess {
  const file = fileURLToPath(new URL(`../../vmm/cli/${name}.ts`, import.meta.url));
  return spawn(process.execPath, [file, ...args], { env: { ...process.env, XDG_RUNTIME_DIR: xdg }, stdio: ['pipe', 'pipe', 'pipe'] });
}

export interface Finished extends Ran {
  readonly signal: NodeJS.Signals | null;
}

/** Reads all that a process writes, until it ends. */
export function finished(child: ChildProcess): Promise<Finished> {
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve) => child.on('close', (status, signal) => resolve({ status, signal, out, err })));
}

/** Asks again and again until `condition` holds, or `ended` tells that it never will. */
export async function until(what: string, ended: Promise<Ran>, condition: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 20_000;
  let over: Ran | undefined;
  ended.then((ran) => {
    over = ran;
  });
  while (!(await condition())) {
    if (over !== undefined) throw new Error(`waited in vain for ${what}: status ${over.status}, ${over.err}`);
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
