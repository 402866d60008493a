/**
 * A run of a guest with all that can be asked of it later: its log of exits with call chains, its statistics at the end, its D programs' output.
 *
 * The log is a file that is removed again; what the guest says on its console is in the log.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { CompiledProgram } from '../../../probes/program.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import { KstatRegistry, type KstatSnapshot } from '../../kstat.ts';
import { SAVE_AT_END, type SaveAtEndRequest, type SavedAtEnd } from '../../save-at-end.ts';
import type { RunOptions, Started } from '../../worker-messages.ts';
import { UsageError } from '../options.ts';
import { runOptionsFrom } from '../run-words.ts';
import { runSession, type SessionResult } from '../session.ts';
import { type AggregationElement, DTraces } from './d-program.ts';

/** What a program's aggregations held, by `@name`, and what went wrong in it. */
export interface DOutput {
  readonly aggregations: ReadonlyMap<string, readonly AggregationElement[]>;
  readonly troubles: readonly string[];
}

export interface RecordedRun {
  readonly options: RunOptions;
  readonly result: SessionResult;
  /** Of the log of exits. */
  readonly log: string;
  readonly kstats: readonly KstatSnapshot[];
  /** In the order of the programs. */
  readonly d: readonly DOutput[];
  /** The last of what a console other than COM1 said. */
  readonly console: string;
}

const CONSOLE_KEPT = 4000;

class LastWords extends Writable {
  text = '';

  override _write(bytes: Uint8Array, _encoding: string, done: () => void): void {
    this.text = (this.text + Buffer.from(bytes).toString('latin1')).slice(-CONSOLE_KEPT);
    done();
  }
}

/** The run that words of `lucid run` describe, with its console kept to itself. Throws UsageError. */
export async function quietRun(words: readonly string[]): Promise<RunOptions> {
  const refused = words.find((word) => /^--(?:no-)?(events|json|exits)(=|$)/.test(word));
  if (refused !== undefined) throw new UsageError(`${refused}: not here; the exits are kept and reported without it`);
  if (words.some((word) => /^--metrics(=|$)/.test(word)))
    throw new UsageError('--metrics: not here; its statistics are in the report, and while it runs kstat shows them');
  const serial = words.some((word) => /^--(serial|console|vga)(=|$)/.test(word)) ? [] : ['--serial=null'];
  const options = await runOptionsFrom([...words, ...serial]);
  return { ...options, attached: false, serial: options.serial === 'stdio' ? 'null' : options.serial };
}

/** The VM's number is in names of its statistics (`kvm:0:vcpu-7`); it depends on what else runs on the host, so here it is 0. */
function renumbered(kstats: readonly KstatSnapshot[]): KstatSnapshot[] {
  const vmid = kstats.find(({ module, name }) => module === 'kvm' && name === 'vm')?.instance;
  return kstats.map((one) => {
    if (one.module === 'kvm' && one.name === 'vm') return { ...one, instance: 0 };
    const [, own] = /^(.*)-(\d+)$/.exec(one.name) ?? [];
    return own !== undefined && one.name === `${own}-${vmid}` ? { ...one, name: `${own}-0` } : one;
  });
}

/** Runs a guest to its end; its log of exits is written to a file. Throws UsageError, Interrupted. */
export async function record(run: RunOptions, programs: readonly CompiledProgram[], log: string): Promise<RecordedRun> {
  const options: RunOptions = { ...run, events: { path: log, format: 'binary', frames: EXIT_RECORD.CHAIN_MAX + 1 } };
  const trace = programs.length === 0 ? undefined : new DTraces(programs);
  const console = new LastWords();
  let vm: Started | undefined;
  const started = (message: Started): void => {
    vm = message;
  };
  const result = await runSession({ run: options, output: console as unknown as NodeJS.WriteStream, trace, started });
  const kstats = vm === undefined ? [] : renumbered(KstatRegistry.adopt(vm.memory, vm.kstats).readAll());
  const d = (trace?.traces ?? []).map((one) => ({ aggregations: one.aggregations(), troubles: one.troubles() }));
  return { options, result, log, kstats, d, console: console.text };
}

/** A folder for the log of a run. */
export function logFolder(): string {
  return mkdtempSync(join(tmpdir(), 'lucid-expect-'));
}

/** Runs a guest to its end and lets `use` look at the run. Throws UsageError, Interrupted. */
export async function recorded<T>(
  run: RunOptions,
  programs: readonly CompiledProgram[],
  use: (run: RecordedRun) => T | Promise<T>,
): Promise<T> {
  const folder = logFolder();
  try {
    return await use(await record(run, programs, join(folder, 'log')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a guest up to so many instructions and saves it there. Throws UsageError, Interrupted. */
export async function savedAfter(run: RunOptions, instructions: number, path: string): Promise<void> {
  const message: SaveAtEndRequest = { path };
  let saved: SavedAtEnd = { reason: 'the run ended early' };
  await runSession({
    run: { ...run, limits: { insns: instructions } },
    output: new LastWords() as unknown as NodeJS.WriteStream,
    extensions: [{ extension: SAVE_AT_END, message }],
    received: (told) => {
      if (told.extension === SAVE_AT_END) saved = told.message as SavedAtEnd;
    },
  });
  if (saved.reason !== undefined) throw new UsageError(`${path}: ${saved.reason}`);
}
