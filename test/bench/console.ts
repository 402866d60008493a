/**
 * A guest on its console, as a person has it: the process that runs it, what the guest says, what is typed.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { cpuOf } from './measure.ts';

/** Says how a command ended; what is typed has quotes, so that its echo is not the answer. */
const MARK = 'echo "END"-$?';

/** A line of the shell that shows no prompt, does not repeat what is typed and keeps off the terminal's modes. */
const QUIET = 'stty -echo cols 200; bind "set enable-bracketed-paste off"; PS1=\n';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));

export class Console {
  /** All that the guest said. */
  text = '';
  /** What `lucid` itself said. */
  errors = '';
  /** Where what was not yet expected starts. */
  #seen = 0;
  #status: number | null | undefined;
  readonly #child: ChildProcess;
  #wake: () => void = () => {};

  /** The process is killed after `limitMs` in any case, which ends whatever is waited for. */
  constructor(command: string, args: readonly string[], limitMs: number) {
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      this.text += part;
      this.#wake();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      this.errors += part;
    });
    // What is typed for a guest that has just ended is lost, as it would be at a terminal.
    this.#child.stdin?.on('error', () => {});
    this.#child.on('close', (status) => {
      this.#status = status;
      this.#wake();
    });
  }

  /** CPU seconds of the process and its threads so far. */
  cpuSeconds(): number {
    return cpuOf(this.#child.pid as number);
  }

  async #wait(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
  }

  /** Waits until the guest has said something new that matches, and returns that. Throws when it ends before. */
  async until(what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(this.text.slice(this.#seen));
      if (found !== null) {
        this.#seen += found.index + found[0].length;
        return found[0];
      }
      if (this.#status !== undefined)
        throw new Error(`ended (status ${this.#status}) before ${what}\n${this.text.slice(-2000)}\n${this.errors}`);
      await this.#wait();
    }
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Runs a command of the guest's shell; what it printed, and its exit status. */
  async command(line: string): Promise<{ status: number; output: string }> {
    const start = this.#seen;
    this.type(`${line}; ${MARK}\n`);
    const end = await this.until(/END-(\d+)\r?\n/);
    const said = this.text.slice(start, this.#seen - end.length).replaceAll('\r', '');
    const echo = said.indexOf(MARK);
    return { status: Number(/END-(\d+)/.exec(end)?.[1]), output: said.slice(echo < 0 ? 0 : echo + MARK.length).trim() };
  }

  /** Waits for the end; the exit status of `lucid`. */
  async ended(): Promise<number | null> {
    while (this.#status === undefined) await this.#wait();
    return this.#status;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/**
 * `lucid run` with these arguments. Time is paced: while the guest waits for what is typed, its own limits for that (a minute to log in) must not run
 * ahead.
 */
export function lucidConsole(args: readonly string[], limitMs: number): Console {
  return new Console(process.execPath, [LUCID, 'run', '--idle', 'pace', '--no-exits', ...args], limitMs);
}

/** Logs in to the Debian of images/debian as root, who has no password. */
export async function logIn(guest: Console): Promise<void> {
  await guest.until(/lucid login: /);
  guest.type('root\n');
  await guest.until(/root@lucid:~# /);
  guest.type(QUIET);
  await guest.command('true');
}
