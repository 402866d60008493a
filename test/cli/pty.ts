/**
 * Runs `lucid` on a terminal of its own: util-linux's `script` gives it one, as nothing in Node.js does.
 *
 * The shell in that terminal notes what `stty` says before and after, and the exit status, so that a test can tell whether the person's
 * terminal is as it was.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));

/** There is a `script` command. */
export const haveScript = spawnSync('script', ['--version']).status === 0;

/** What a command on a terminal came to. */
export interface Sitting {
  readonly status: number;
  readonly output: string;
  /** `stty -a` before and after. */
  readonly before: string;
  readonly after: string;
  /** What is left in the folder that was given for temporary and run-time files; the directory in which VMs are found outlives them. */
  readonly litter: readonly string[];
  /** The process is gone. */
  readonly gone: boolean;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** One `lucid` command on a terminal. */
export class Sat {
  readonly #child: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'lucid-pty-'));
  readonly #closed: Promise<void>;
  #output = '';

  constructor(args: readonly string[]) {
    const at = (name: string): string => quoted(join(this.#folder, name));
    const command = [process.execPath, LUCID, ...args].map(quoted).join(' ');
    const litter = mkdtempSync(join(this.#folder, 'litter-'));
    const script = [
      // Typed Ctrl-C reaches the shell as well, as long as the terminal is not raw.
      'trap : INT TERM HUP',
      `stty -a > ${at('before')}`,
      `sh -c 'echo $$ > "$1"; shift; exec "$@"' sh ${at('pid')} ${command}`,
      `echo $? > ${at('status')}`,
      `stty -a > ${at('after')}`,
    ].join('\n');
    writeFileSync(join(this.#folder, 'sitting.sh'), script);
    this.#child = spawn('script', ['-qefc', `sh ${at('sitting.sh')}`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: litter, XDG_RUNTIME_DIR: litter, TERM: 'xterm' },
    });
    // What is typed after the end goes nowhere.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString('latin1');
    });
    this.#closed = new Promise((resolve) => this.#child.on('close', () => resolve()));
  }

  get output(): string {
    return this.#output;
  }

  type(keys: string): void {
    this.#child.stdin?.write(Buffer.from(keys, 'latin1'));
  }

  /** Waits until the output holds `text`; rejects when it does not come. */
  async until(text: string): Promise<void> {
    for (let waited = 0; !this.#output.includes(text); waited += 20) {
      if (waited > 20_000) {
        process.kill(await this.pid(), 'SIGKILL');
        await this.end();
        throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(this.#output)}`);
      }
      await setTimeout(20);
    }
  }

  #read(name: string): string {
    try {
      return readFileSync(join(this.#folder, name), 'utf8');
    } catch {
      return '';
    }
  }

  /** Process id of lucid, once there is one. */
  async pid(): Promise<number> {
    for (let waited = 0; waited < 20_000; waited += 2) {
      const pid = Number.parseInt(this.#read('pid'), 10);
      if (pid > 0) return pid;
      await setTimeout(2);
    }
    throw new Error('lucid was not started');
  }

  /** Waits for the end. */
  async end(): Promise<Sitting> {
    await Promise.race([this.#closed, setTimeout(30_000, undefined, { ref: false })]);
    const pid = Number.parseInt(this.#read('pid'), 10);
    const gone = !isAlive(pid);
    if (!gone) {
      process.kill(pid, 'SIGKILL');
      await Promise.race([this.#closed, setTimeout(5_000, undefined, { ref: false })]);
    }
    const litter = readdirSync(this.#folder).filter((name) => name.startsWith('litter-'));
    const sitting: Sitting = {
      status: Number.parseInt(this.#read('status'), 10),
      output: this.#output,
      before: this.#read('before'),
      after: this.#read('after'),
      litter: litter
        .flatMap((name) => readdirSync(join(this.#folder, name), { recursive: true }).map(String))
        .filter((name) => name !== 'lucid'),
      gone,
    };
    rmSync(this.#folder, { recursive: true });
    return sitting;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
