/**
 * The command of -c: made, but not run before the tracer is ready.
 *
 * `lucid` is this package's own command, wherever it is installed; its VM waits before its first instruction (`vm-tracing.ts`). Any other command waits in
 * a shell that becomes it, so that its process number is known before. Words are separated by blanks; quotes hold some together.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TraceError } from '../../probes/session/trace-error.ts';
import { systemErrorText } from '../system-error.ts';
import { HOLD } from './vm-tracing.ts';

const LUCID = fileURLToPath(new URL('./lucid.ts', import.meta.url));

/** Words of a command line: `a 'b c' "d \"e"`. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const pieces = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(['"\\])/gs;
  let word: string | undefined;
  for (const [piece, single, double, escaped, bare, stray] of text.matchAll(pieces)) {
    if (/^\s/.test(piece) && single === undefined && double === undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + (single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? bare ?? stray ?? '');
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Throws the system's error when there is no such command to run. */
function checkCommand(name: string): void {
  const candidates = name.includes('/') ? [name] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  let failure: unknown;
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK);
      return;
    } catch (error) {
      if (failure === undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') failure = error;
    }
  }
  throw failure;
}

/** How it ended, as dtrace says it. */
function endText(pid: number, code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `pid ${pid} terminated by ${signal}`;
  return code === 0 ? `pid ${pid} has exited` : `pid ${pid} exited with status ${code}`;
}

export class TracedChild {
  readonly pid: number;
  /** It is a VM of Lucid, which waits for its tracer. */
  readonly isVm: boolean;
  /** How it ended: `pid 7 has exited`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #isEnded = false;

  /** Throws TraceError. */
  constructor(text: string) {
    const words = splitWords(text);
    const [name = ''] = words;
    this.isVm = name === 'lucid';
    this.#child = this.isVm ? startLucid(words.slice(1)) : startGated(words);
    const { pid } = this.#child;
    if (pid === undefined) throw new TraceError(`failed to execute ${name}`);
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        this.#isEnded = true;
        resolve(endText(pid, code, signal));
      });
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The tracer is ready. A VM is told over its socket. */
  go(): void {
    if (!this.isVm) (this.#child.stdio[3] as Writable).end('\n');
  }

  /** It has no tracer any more, as dtrace leaves none behind. */
  kill(): void {
    if (!this.#isEnded) this.#child.kill('SIGTERM');
  }
}

function startLucid(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, LUCID, ...args], { stdio: 'inherit', env: { ...process.env, [HOLD]: '1' } });
}

function startGated(words: readonly string[]): ChildProcess {
  const [name = ''] = words;
  try {
    checkCommand(name);
  } catch (error) {
    throw new TraceError(`failed to execute ${name}: ${systemErrorText(error)}`);
  }
  const gate = 'read _ <&3 || exit 1; exec 3<&- "$0" "$@"';
  return spawn('/bin/sh', ['-c', gate, ...words], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] });
}
