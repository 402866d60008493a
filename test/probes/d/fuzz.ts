/**
 * D programs that nobody would write, at random and by mutation of those of test/d: each gives a CompileError or a valid module, and what compiles runs
 * to its end without a trap, and prints. Some run in a guest, too, which must not notice.
 *
 * As a command, `fuzz.ts N SEED`, does N of each kind and shows every program that does something else.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { Consumer } from '../../../probes/consumer/consumer.ts';
import { compile } from '../../../probes/d/compile.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { HostEngine, type HostProgram } from '../../../probes/engine/host-engine.ts';
import { EnableError } from '../../../probes/engine/programs.ts';
import { TooManyProbes } from '../../../probes/engine/slots.ts';
import { defaultOptions } from '../../../probes/options.ts';
import { Tracer } from '../../../probes/engine/tracer.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import type { CompiledProgram } from '../../../probes/program.ts';
import { AggregationReader } from '../../../probes/session/aggregation-reader.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';
import { AROUND, CORPUS, expectedTag, programs } from './corpus.ts';
import { GUESTS, type TracedGuest } from './guests.ts';
import { mutated, randomProgram } from './random-program.ts';

/** A program that takes longer than this to compile hangs, for all that a user can see: ms. */
const SLOW_MS = 2000;
/** Little memory for each, so that they come and go quickly. */
const OPTIONS = { ...defaultOptions(), argref: 1, bufsize: 256 << 10, aggsize: 256 << 10, dynvarsize: 64 << 10 };

export interface FuzzCounts {
  programs: number;
  compiled: number;
  /** Of them, those with probes of a VM. */
  traceable: number;
}

export const noCounts = (): Record<'random' | 'mutated', FuzzCounts> => ({
  random: { programs: 0, compiled: 0, traceable: 0 },
  mutated: { programs: 0, compiled: 0, traceable: 0 },
});

/** Every so many of those run in a guest, too. */
const GUEST_SHARE = 16;

let registry = new ProbeRegistry();
const engine = new HostEngine();

/** Runs BEGIN and END, and prints all that comes of it. */
async function runAndPrint(program: CompiledProgram): Promise<void> {
  let running: HostProgram;
  try {
    running = await engine.enable(program, AROUND);
  } catch (error) {
    // It asks for more memory than there is.
    if (error instanceof EnableError || error instanceof TooManyProbes) return;
    throw error;
  }
  try {
    running.stop();
    const writes = program.descriptor.epids.some((epid) => epid?.actions.some(({ action }) => action === 'freopen'));
    if (writes) return;
    const ignore = (): void => {};
    const consumer = new Consumer(program.descriptor, { command: 'dlite', output: ignore, errors: ignore, run: ignore });
    const ring = new RecordRing(running.memory, running.arena);
    for (let more = true; more; more = ring.release()) consumer.records(ring.take());
    for (const part of new AggregationReader(running.memory, running.arena, program.descriptor).read()) consumer.aggregations(part);
    consumer.end();
  } finally {
    running.release();
  }
}

/** What a guest did: nothing of it may depend on who looks on. */
function fateOf(program: CompiledProgram | undefined): string {
  const guest = (GUESTS['exits'] as () => TracedGuest)();
  guest.touchAll();
  const tracer = new Tracer(guest.vm, { stopped: () => {}, paused: () => {} });
  if (program !== undefined) {
    const running = tracer.add(program, AROUND, false);
    tracer.begin(running);
  }
  guest.run();
  tracer.ended();
  return [guest.hash, guest.now, guest.rip, ...Array.from({ length: 16 }, (_, n) => guest.reg(n))].join(' ');
}

let untraced: string | undefined;

/** Runs a program in a guest, and compares what the guest does with what it does alone. */
function runInGuest(program: CompiledProgram): void {
  untraced ??= fateOf(undefined);
  let traced: string;
  try {
    traced = fateOf(program);
  } catch (error) {
    if (error instanceof EnableError || error instanceof TooManyProbes) return;
    throw error;
  }
  if (traced !== untraced) throw new Error(`the guest was disturbed: ${traced} instead of ${untraced}`);
}

/** Throws whatever is neither a CompileError nor a program that runs. */
export async function tryProgram(text: string, counts: FuzzCounts): Promise<void> {
  counts.programs++;
  // Probes are made on demand and stay: what one program asked for another does not see for long.
  if (counts.programs % 500 === 0) registry = new ProbeRegistry();
  let program: CompiledProgram;
  const start = performance.now();
  try {
    const source = { form: 'script', name: 'fuzz.d', text } as const;
    const environment = {
      probes: registry,
      options: OPTIONS,
      macroArguments: ['1', 'a'],
      macros: { pid: 1 },
      destructive: counts.programs % 3 === 0,
      preprocess: counts.programs % 5 === 0,
    };
    program = compile([source], environment).program;
  } catch (error) {
    if (error instanceof CompileError) return;
    throw error;
  } finally {
    const ms = performance.now() - start;
    if (ms > SLOW_MS) process.stderr.write(`compiling took ${ms.toFixed()} ms: ${text}\n`);
  }
  counts.compiled++;
  if (!WebAssembly.validate(program.code)) await WebAssembly.compile(program.code);
  await runAndPrint(program);
  const { destructive, epids } = program.descriptor;
  // Making a machine takes its time.
  if (!destructive && epids.some((epid) => epid?.probe.provider === 'sdt') && ++counts.traceable % GUEST_SHARE === 0) runInGuest(program);
}

/** `random` and `mutated` programs, from a seed; gives those that failed. */
export async function fuzz(
  count: number,
  seed: number,
  counts: Record<'random' | 'mutated', FuzzCounts>,
): Promise<{ readonly seed: number; readonly text: string; readonly error: unknown }[]> {
  const all = programs(CORPUS);
  // Mostly programs that were right before.
  const right = all.filter((path) => expectedTag(path) === undefined);
  const corpus = [...all, ...right, ...right].map((path) => readFileSync(path, 'latin1'));
  const failures: { readonly seed: number; readonly text: string; readonly error: unknown }[] = [];
  const attempt = async (kind: keyof typeof counts, at: number, text: string): Promise<void> => {
    try {
      await tryProgram(text, counts[kind]);
    } catch (error) {
      failures.push({ seed: at, text, error });
    }
  };
  for (let at = seed; at < seed + count && failures.length < 20; at++) {
    await attempt('random', at, randomProgram(at));
    const [text, other] = [corpus[at % corpus.length] as string, corpus[(at * 7 + 1) % corpus.length] as string];
    await attempt('mutated', at, mutated(at, text, other));
  }
  return failures;
}

/** No timers are left. */
export function closeFuzz(): void {
  engine.close();
}

async function main(count: number, seed: number): Promise<void> {
  const counts = noCounts();
  const failures = await fuzz(count, seed, counts);
  for (const { seed: at, text, error } of failures) {
    process.stdout.write(`=== seed ${at}\n${text}\n${(error as Error).stack}\n`);
  }
  for (const [kind, { programs: all, compiled }] of Object.entries(counts)) {
    process.stdout.write(`${kind}: ${all} programs, ${compiled} compiled and ran\n`);
  }
  process.stdout.write(`${failures.length} failures\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
  closeFuzz();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1));
}
