/**
 * Expectations in TypeScript, for any test runner: boot a guest, find marks in its run, count its exits, ask with D, save it.
 *
 * ```ts
 * import { test } from 'uvu';
 * import * as assert from 'uvu/assert';
 * import { boot } from 'lucidvm/expect';
 *
 * test('the kernel is ready in time and does not poll', async () => {
 *   using guest = await boot({ kernel: 'kernel.elf', 'debug-exit': 0xf4, limit: 'time=10' });
 *   const ready = guest.until({ serial: 'ready' });
 *   assert.ok(ready.instructions < 900e6);
 *   assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: ready }).count, 0);
 * });
 * test.run();
 * ```
 *
 * `boot` runs the guest to its end, or to its `limit`, and keeps the log of its exits: marks and counts are looked up there, in any order, as often as
 * one likes. Because runs repeat exactly, what the log does not have is asked of the same run once more: `aggregate` runs it again with a D program,
 * `snapshot` runs it again up to a mark. A run that cannot repeat (a disk that was written, the host's clock, input from outside) is refused there.
 *
 * @module
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { causeNamed } from '../../exit-log/cause-named.ts';
import { causeOf } from '../../exit-log/cause.ts';
import { eventAt, type ExitEvent } from '../../exit-log/describe.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import { type Mark, markText, Phases, SerialText } from '../../exit-log/marks.ts';
import { Tally, type TallyKey, type TallyRow } from '../../exit-log/tally.ts';
import type { Outcome, VmReport } from '../../report.ts';
import type { RunOptions } from '../../worker-messages.ts';
import { openLog } from '../exit-log-options.ts';
import { Selector } from '../kstat-select.ts';
import { UsageError } from '../options.ts';
import { type AggregationElement, compileD, DError } from './d-program.ts';
import { held } from './held.ts';
import { readPlan } from './read-file.ts';
import { logFolder, quietRun, record, type RecordedRun, savedAfter } from './recorded-run.ts';
import type { ExpectReport } from './report.ts';

export type { AggregationElement, ExitEvent, ExpectReport, Outcome, TallyKey, TallyRow, UsageError };

/** Options of `lucid run`, by name; `image` is the disk that it takes without an option. */
export interface BootOptions {
  readonly image?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly restore?: string;
  readonly entry?: string;
  readonly memory?: string;
  readonly cpu?: string;
  readonly cpus?: number;
  readonly disk?: string | readonly string[];
  readonly cdrom?: string | readonly string[];
  readonly boot?: 'disk' | 'cdrom';
  readonly nic?: string | readonly string[];
  readonly share?: string | readonly string[];
  readonly virtio?: 'pci' | 'mmio';
  readonly ecam?: boolean;
  readonly hpet?: boolean;
  readonly rng?: boolean;
  readonly console?: 'serial' | 'virtio';
  readonly serial?: string;
  readonly vga?: string;
  readonly 'exit-cost'?: string;
  readonly intercept?: string;
  readonly 'debug-exit'?: number;
  /** `insns=N,time=S,wall=S`. */
  readonly limit?: string;
  readonly rtc?: string | number;
  readonly seed?: number;
  readonly name?: string;
}

/** A text on the serial console, a value written to a port, or the first exit at an address. */
export type MarkDescription =
  | { readonly serial: string }
  | { readonly port: number; readonly value?: number }
  | { readonly address: bigint };

/** A place in the run. */
export interface Moment {
  readonly mark: Mark;
  /** The VM's clock. */
  readonly timeNs: number;
  /** Up to there, with the one that completes the mark. */
  readonly exits: number;
  readonly instructions: number;
}

export interface ExitsOptions {
  /** `any`, a reason, or a cause as `lucid exits --by cause` names it; default: any. */
  readonly cause?: string;
  /** After this moment; default: from the start. */
  readonly from?: Moment;
  /** Up to this moment; default: to the end. */
  readonly to?: Moment;
  /** What `rows` counts by; default: cause. */
  readonly by?: TallyKey;
  /** How many of the first are given as `first`; default: 20. */
  readonly keep?: number;
}

export interface Exits {
  readonly count: number;
  /** Modelled. */
  readonly timeNs: number;
  readonly rows: readonly TallyRow[];
  readonly first: readonly ExitEvent[];
}

/** The run never comes to a mark. */
export class MarkMissedError extends Error {
  override readonly name = 'MarkMissedError';
}

function wordsOf(options: BootOptions): string[] {
  return Object.entries(options).flatMap(([name, value]): string[] => {
    if (value === undefined) return [];
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
    const texts = (Array.isArray(value) ? value : [value]).map(String);
    return name === 'image' ? texts : texts.map((text) => `--${name}=${text}`);
  });
}

function markOf(description: MarkDescription): Mark {
  if ('serial' in description) {
    if (description.serial === '') throw new RangeError('serial: an empty text is no mark');
    return { kind: 'serial', text: Buffer.from(description.serial).toString('latin1') };
  }
  if ('port' in description) return { kind: 'port', ...description };
  return { kind: 'address', address: description.address };
}

/** A run of a guest, from its first instruction to its last. */
export class BootedGuest {
  readonly #run: RecordedRun;
  readonly #options: RunOptions;
  readonly #folder: string;
  readonly #remove = (): void => rmSync(this.#folder, { recursive: true, force: true });

  /** `boot` makes them. */
  constructor(run: RecordedRun, options: RunOptions, folder: string) {
    this.#run = run;
    this.#options = options;
    this.#folder = folder;
    process.once('exit', this.#remove);
  }

  get outcome(): Outcome {
    return this.#run.result.outcome;
  }

  /** Registers and disassembly of a guest that died. */
  get death(): string | undefined {
    return this.#run.result.death;
  }

  get report(): VmReport {
    return this.#run.result.report;
  }

  /** All that the guest said on its serial console. */
  get console(): string {
    const serial = new SerialText();
    const bytes: number[] = [];
    this.#read((view, at) => {
      const byte = serial.take(view, at);
      if (byte >= 0) bytes.push(byte);
      return true;
    });
    return Buffer.from(bytes).toString('utf8');
  }

  #read(each: (view: DataView, at: number, chain: number) => boolean): void {
    const log = openLog(this.#run.log);
    try {
      log.read(each);
    } finally {
      log.close();
    }
  }

  /** Where the run comes to a mark, for the first time or for the first time after a moment. Throws MarkMissedError. */
  until(description: MarkDescription, after?: Moment): Moment {
    const mark = markOf(description);
    const phases = new Phases([mark]);
    const passed = after?.exits ?? 0;
    let exits = 0;
    this.#read((view, at) => {
      if (++exits > passed) phases.take(view, at);
      else phases.serial.take(view, at);
      return phases.met.length === 0;
    });
    const [met] = phases.met;
    if (met !== undefined) return { ...met, exits };
    const last = phases.serial.lines(5);
    throw new MarkMissedError(
      `${markText(mark)} was never reached; ${last.length === 0 ? 'the console said nothing' : `the console said last:\n${last.join('\n')}`}`,
    );
  }

  /** Counts exits of the run, or of a part of it. Throws CauseError. */
  exits({ cause = 'any', from, to, by = 'cause', keep = 20 }: ExitsOptions = {}): Exits {
    const wanted = causeNamed(cause);
    const tally = new Tally(by);
    const first: ExitEvent[] = [];
    const [begin, end] = [from?.exits ?? 0, to?.exits ?? Number.POSITIVE_INFINITY];
    let [number, count, timeNs] = [0, 0, 0];
    this.#read((view, at, chain) => {
      if (++number > end) return false;
      if (number <= begin) return true;
      if (wanted.reason !== undefined && view.getUint8(at + EXIT_RECORD.REASON) !== wanted.reason) return true;
      if (wanted.cause !== undefined && causeOf(view, at) !== wanted.cause) return true;
      count++;
      timeNs += view.getUint32(at + EXIT_RECORD.COST, true);
      tally.add(view, at, chain);
      if (first.length < keep) first.push(eventAt(view, at, chain));
      return true;
    });
    return { count, timeNs, rows: tally.rows(), first };
  }

  /** Values of statistics at the end of the run, by module:instance:name:statistic with patterns as kstat takes them. The VM's number is 0. */
  kstats(selector: string): Map<string, bigint | string> {
    const chosen = Selector.parse(selector);
    if (chosen === undefined) throw new RangeError(`${selector}: write module:instance:name:statistic`);
    const found = this.#run.kstats.filter((one) => chosen.matches(one));
    return new Map(
      found.flatMap(({ module, instance, name, values }) =>
        values
          .filter(([statistic]) => chosen.statistic(statistic))
          .map(([statistic, value]) => [`${module}:${instance}:${name}:${statistic}`, value] as const),
      ),
    );
  }

  /** What the aggregations of a D program hold at the end of this run, by `@name`. Throws UsageError. */
  async aggregate(d: string): Promise<Map<string, readonly AggregationElement[]>> {
    let program: ReturnType<typeof compileD>;
    try {
      program = compileD(d);
    } catch (error) {
      throw error instanceof DError ? new UsageError(`d: line ${error.line}: ${error.message}`) : error;
    }
    const again = await record(this.#options, [program], join(this.#folder, 'again'));
    if (again.result.report.exitHash !== this.report.exitHash)
      throw new UsageError('the run did not repeat: something from outside is in it (a disk that was written: give FILE,snapshot)');
    const [output] = again.d;
    if (output === undefined || output.troubles.length > 0) throw new UsageError(`d: ${output?.troubles.join('; ')}`);
    return new Map(output.aggregations);
  }

  /** Saves the guest as it is after the instruction that completes a mark, for `restore`. One processor. Throws UsageError. */
  async snapshot(path: string, at: Moment): Promise<void> {
    if ((this.#options.cpus ?? 1) > 1) throw new UsageError('snapshot: of a guest with one processor; this one has several');
    await savedAfter(this.#options, at.instructions + 1, path);
  }

  /** Removes the log. It is removed at the end of the process, too. */
  close(): void {
    process.off('exit', this.#remove);
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Runs a guest to its end or its limit. A guest that dies is no error here: see `outcome`. Throws UsageError: an option or a file that cannot be. */
export async function boot(options: BootOptions): Promise<BootedGuest> {
  const run = await quietRun(wordsOf(options));
  const folder = logFolder();
  try {
    return new BootedGuest(await record(run, [], join(folder, 'log')), run, folder);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** `lucid expect FILE -- words` as data. Throws UsageError. */
export function expectFile(path: string, words: readonly string[] = []): Promise<ExpectReport> {
  return held(readPlan(path, words), false);
}
