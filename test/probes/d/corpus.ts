/**
 * Runs the D programs of test/d: each is compiled, run without any VM (or in a small one) and printed as
 * `dlite -s` does it, in this process.
 *
 * What is expected of a program stands beside it or in its name: see test/d/README.md. As a command, `corpus.ts [-u] PATH ...`, runs programs and
 * folders of them, and shows what came out otherwise than expected; -u writes what came out to the files of what is expected (look at them!).
 */
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Consumer } from '../../../probes/consumer/consumer.ts';
import { type Compilation, compile } from '../../../probes/d/compile.ts';
import { CompileError, message } from '../../../probes/d/error.ts';
import { HostEngine } from '../../../probes/engine/host-engine.ts';
import { Tracer } from '../../../probes/engine/tracer.ts';
import type { CompiledProgram } from '../../../probes/program.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import type { EnabledProgram } from '../../../probes/session/enabling.ts';
import { type RunningProgram, runProgram } from '../../../probes/session/program.ts';
import { localEnvironment, type TraceRequest } from '../../../probes/session/request.ts';
import { TraceError } from '../../../probes/session/trace-error.ts';
import { parseCommand } from '../../../vmm/cli/dlite-options.ts';
import { traceRequest } from '../../../vmm/cli/trace-request.ts';
import { GUESTS } from './guests.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const CORPUS = fileURLToPath(new URL('../../d', import.meta.url));

/** Folders of libraries hold no programs. */
const LIBRARY = /(^|[\\/])lib[\\/]/;

/** A program that has not ended by itself after this has failed: ms. */
const LIMIT_MS = 10_000;

/** What a program did. */
export interface Outcome {
  /** Tag of the compiler's refusal, and what `dlite -xerrtags` says; undefined: it compiled. */
  readonly refusal?: { readonly tag: string; readonly text: string };
  readonly out: string;
  /** Faults and drops. */
  readonly err: string;
  readonly status: number;
}

/** A file beside a program, by its extension. */
function beside(path: string, extension: string): string | undefined {
  const file = path.replace(/d$/, extension);
  return existsSync(file) ? readFileSync(file, 'latin1') : undefined;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** The tag that a program is to be refused with: `err/D_SYNTAX.brace.d`. */
export function expectedTag(path: string): string | undefined {
  return /^(D_[A-Z0-9_]+)\..*d$/.exec(basename(path))?.[1];
}

const registry = new ProbeRegistry();
let engine: HostEngine | undefined;

/** The same for every run. */
export const AROUND = {
  pid: 4668,
  vmid: 0,
  execname: 'dlite',
  vmname: '',
  zonename: 'global',
  epochNs: 1_600_000_000_000_000_000n,
  seed: 1n,
};

const AROUND_GUEST = { ...AROUND, vmid: 1, execname: 'guest', vmname: 'guest', epochNs: 0n };

function requestOf(path: string): TraceRequest {
  // Paths in `.args` are those of the repository.
  const words = lines(beside(path, 'args') ?? '').map((word) => (word.startsWith('test/d/') ? join(ROOT, word) : word));
  const command = parseCommand(['-s', path, ...words]);
  return traceRequest(command, { command: 'dlite', wait: false });
}

/** Where a program runs without any VM. */
function onHost(program: CompiledProgram): Promise<EnabledProgram> {
  engine ??= new HostEngine();
  return engine.enable(program, AROUND);
}

/** Runs a guest from its first instruction to its end, with a program enabled. */
async function inGuest(program: CompiledProgram, name: string): Promise<EnabledProgram> {
  const make = GUESTS[name];
  if (make === undefined) throw new Error(`no guest ${name}`);
  const guest = make();
  guest.touchAll();
  const tracer = new Tracer(guest.vm, { stopped: () => {}, paused: () => {} });
  const running = tracer.add(program, AROUND_GUEST, false);
  tracer.begin(running);
  guest.run();
  tracer.ended();
  const nothing = (): void => {};
  return { memory: guest.vm.memory.buffer, arena: running.arena, watch: nothing, stop: nothing, release: () => tracer.release(running) };
}

/** Enables a compiled program; resolves when it has ended. */
async function trace(compilation: Compilation, guest: string | undefined): Promise<Omit<Outcome, 'refusal'>> {
  const written = { out: '', err: '' };
  const to = (where: 'out' | 'err') => (bytes: Uint8Array) => {
    written[where] += Buffer.from(bytes).toString('latin1');
  };
  const { program } = compilation;
  const consumer = new Consumer(program.descriptor, { command: 'dlite', output: to('out'), errors: to('err') });
  const ended = Promise.withResolvers<void>();
  const host = { enable: (enabled: CompiledProgram) => (guest === undefined ? onHost(enabled) : inGuest(enabled, guest)) };
  const events = {
    records(records: { readonly bytes: Uint8Array }): boolean {
      consumer.records(records.bytes);
      return true;
    },
    drops: (counts: Parameters<Consumer['drops']>[0]) => consumer.drops(counts),
    aggregations(_: number, bytes: Uint8Array): boolean {
      consumer.aggregations(bytes);
      return true;
    },
    ended: () => ended.resolve(),
  };
  let running: RunningProgram | undefined;
  const timer = setTimeout(() => ended.reject(new Error(`still running after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  try {
    running = await runProgram(host, compilation, events, { wait: false, interim: false });
    await ended.promise;
  } finally {
    clearTimeout(timer);
    running?.close();
  }
  const status = consumer.end();
  return { ...written, status };
}

/** Runs the program at `path`. Throws what no program may cause. */
export async function run(path: string): Promise<Outcome> {
  const none = { out: '', err: '', status: 1 };
  let request: TraceRequest;
  let compilation: Compilation;
  try {
    request = requestOf(path);
  } catch (error) {
    if (error instanceof TraceError) return { ...none, err: `dlite: ${error.message}\n` };
    throw error;
  }
  try {
    compilation = compile(request.sources, localEnvironment(request, registry));
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const source = { form: 'script', name: basename(path) } as const;
    return { ...none, refusal: { tag: error.tag, text: message(error, source, { command: 'dlite', errtags: true }) } };
  }
  return trace(compilation, beside(path, 'vm')?.trim());
}

/** What differs from what is expected of the program; undefined: nothing. */
export function difference(path: string, outcome: Outcome): string | undefined {
  const tag = expectedTag(path);
  const got = outcome.refusal?.text;
  if (tag !== undefined) {
    if (outcome.refusal?.tag === tag) return undefined;
    return got === undefined ? `compiles, instead of ${tag}` : `expected ${tag}, got: ${got}`;
  }
  if (got !== undefined) return got;
  const status = Number(beside(path, 'status') ?? 0);
  if (status !== outcome.status) return `status ${outcome.status} instead of ${status}\n${outcome.err}`;
  const out = beside(path, 'out') ?? '';
  if (out !== outcome.out) return `--- expected\n${out}--- got\n${outcome.out}${outcome.err === '' ? '' : `--- errors\n${outcome.err}`}`;
  const err = beside(path, 'err');
  if (err !== undefined && err !== outcome.err) return `--- expected errors\n${err}--- got\n${outcome.err}`;
  return undefined;
}

/** The engine's timers keep the process alive until then. */
export function close(): void {
  engine?.close();
}

/** Every program under a folder, in order. */
export function programs(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d') && !LIBRARY.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** The command of this file. */
async function main(words: readonly string[]): Promise<number> {
  const update = words.includes('-u');
  const paths = words.filter((word) => word !== '-u');
  const all = (paths.length === 0 ? [CORPUS] : paths).flatMap((path) => (statSync(path).isDirectory() ? programs(path) : [path]));
  let failed = 0;
  for (const path of all) {
    let wrong: string | undefined;
    let outcome: Outcome | undefined;
    try {
      outcome = await run(path);
      wrong = difference(path, outcome);
    } catch (error) {
      wrong = (error as Error).stack;
    }
    if (wrong === undefined) continue;
    failed++;
    process.stdout.write(`=== ${relative(process.cwd(), path)}\n${wrong}\n`);
    if (update && outcome !== undefined && outcome.refusal === undefined) {
      writeFileSync(path.replace(/d$/, 'out'), outcome.out, 'latin1');
      if (outcome.status !== 0) writeFileSync(path.replace(/d$/, 'status'), `${outcome.status}\n`);
    }
  }
  process.stdout.write(`${all.length - failed} of ${all.length} as expected\n`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = await main(process.argv.slice(2));
  close();
}
