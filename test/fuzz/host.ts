/**
 * The host's side of the fuzzer: silicon.c, built on first use, in a child process that takes batches.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { BATCH, RECORD } from './record.ts';

const folder = fileURLToPath(new URL('../../build/fuzz/', import.meta.url));
const source = fileURLToPath(new URL('./silicon.c', import.meta.url));
const FLAGS = ['-O2', '-mno-red-zone', '-fno-stack-protector', '-fcf-protection=none', '-fno-builtin', '-mgeneral-regs-only', '-Wl,-z,now'];
const PART = BATCH * RECORD;

/** Path of the harness; or why there is none, in words. LUCID_ANY_HOST=1 tries processors whose own ways are not in undefined.ts. */
export function findHarness(): { path: string } | { reason: string } {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { reason: `this is ${process.platform} on ${process.arch}, not Linux on x86-64` };
  const model = cpus()[0]?.model ?? 'unknown';
  if (!model.includes('AMD') && process.env['LUCID_ANY_HOST'] !== '1')
    return { reason: `what is this processor's own is not known: ${model}` };
  mkdirSync(folder, { recursive: true });
  const path = `${folder}silicon`;
  if (existsSync(path) && statSync(path).mtimeMs > statSync(source).mtimeMs) return { path };
  const temporary = `${path}.${process.pid}`;
  const compiler = ['gcc', 'cc'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) return { reason: 'there is no C compiler' };
  const built = spawnSync(compiler, [...FLAGS, '-o', temporary, source], { encoding: 'utf8' });
  if (built.status !== 0) return { reason: `${compiler}: ${built.stderr}` };
  renameSync(temporary, path);
  return { path };
}

/** The harness ended in the middle of a batch. */
export class HarnessDied extends Error {
  override readonly name = 'HarnessDied';
}

/** What a batch left besides the outcomes. */
export interface Answer {
  /** Of memory outside the windows. */
  readonly hash: number;
  readonly endless: number;
}

/** A running harness. Two batches can be under way: buffers 0 and 1. */
export class Host {
  readonly #child: ChildProcess;
  readonly #file: number;
  readonly #name: string;
  readonly #waiting: { resolve(a: Answer): void; reject(e: Error): void }[] = [];
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    const shm = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.#name = join(shm, `lucid-fuzz-${process.pid}-${Math.floor(Math.random() * 1e9)}`);
    this.#file = openSync(this.#name, 'w+', 0o600);
    ftruncateSync(this.#file, 4 * PART);
    this.#child = spawn(path, [this.#name], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      // The harness has the file by now: nothing stays behind, however this ends.
      rmSync(this.#name, { force: true });
      this.#rest = Buffer.concat([this.#rest, chunk]);
      while (this.#rest.length >= 8) {
        this.#waiting.shift()?.resolve({ hash: this.#rest.readUInt32LE(0), endless: this.#rest.readUInt32LE(4) });
        this.#rest = this.#rest.subarray(8);
      }
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('exit', (status, signal) => {
      const error = new HarnessDied(`the harness ended with ${signal ?? `status ${status}`}`);
      for (const w of this.#waiting.splice(0)) w.reject(error);
    });
  }

  /** Gives a batch to the host; the answer comes when it is done. */
  start(buffer: 0 | 1, records: Uint8Array, cases: number): Promise<Answer> {
    writeSync(this.#file, records, 0, cases * RECORD, buffer * PART);
    return this.#command(buffer, cases);
  }

  #command(what: number, count: number): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    const command = new Uint32Array([what, count]);
    this.#child.stdin?.write(new Uint8Array(command.buffer));
    return answer;
  }

  /** The outcomes of a batch that is done. */
  take(buffer: 0 | 1, outcomes: Uint8Array, cases: number): void {
    readSync(this.#file, outcomes, 0, cases * RECORD, (2 + buffer) * PART);
  }

  /** Whether the processor executes each of these encodings without #UD. */
  async probe(codes: readonly (readonly number[])[]): Promise<boolean[]> {
    const bytes = Buffer.alloc(16 * codes.length);
    for (const [i, code] of codes.entries()) {
      bytes.writeUInt32LE(code.length, 16 * i);
      bytes.set(code, 16 * i + 4);
    }
    writeSync(this.#file, bytes, 0, bytes.length, 0);
    await this.#command(2, codes.length);
    readSync(this.#file, bytes, 0, bytes.length, 2 * PART);
    return codes.map((_, i) => bytes.readUInt32LE(16 * i) !== 0);
  }

  close(): void {
    this.#child.kill('SIGKILL');
    closeSync(this.#file);
    rmSync(this.#name, { force: true });
  }
}
