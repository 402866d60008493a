/**
 * A guest that is stepped from mark to mark, and what it can be asked where it stands.
 *
 * @module
 */
import { resolve } from 'node:path';
import type { Mark } from '../../exit-log/marks.ts';
import { lastLines, markText } from '../../exit-log/marks.ts';
import type { VcpuRegisters } from '../../live/messages.ts';
import type { Button } from '../../power-messages.ts';
import type { Outcome, VmReport } from '../../report.ts';
import type { KstatSnapshot } from '../../kstat.ts';
import type { RunOptions } from '../../worker-messages.ts';
import { Selector } from '../kstat-select.ts';
import { type Limits, parseLimits, UsageError } from '../options.ts';
import { outcomeText } from '../summary.ts';
import { compileD, DError } from './d-program.ts';
import { GuestStateError, type LiveOptions, LiveSession, type Stood } from './live-session.ts';
import { type Exits, type ExitsOptions, type Moment, RecordedExits } from './recorded-exits.ts';
import { Trace } from './trace.ts';

/** A text on the serial console, a value written to a port, or an address. */
export type MarkDescription =
  | { readonly serial: string }
  | { readonly port: number; readonly value?: number }
  | { readonly address: bigint };

export interface StepOptions {
  /** `insns=N,time=S,wall=S`, from where the guest stands. */
  readonly limit?: string;
}

/** The guest did not come to a mark: it ended, died, or stands at a limit. */
export class MarkMissedError extends Error {
  override readonly name = 'MarkMissedError';
  readonly mark: Mark;
  readonly outcome: Outcome;
  /** Registers and disassembly of a guest that died. */
  readonly death: string | undefined;
  /** What its console said last. */
  readonly lastLines: readonly string[];

  constructor(mark: Mark, outcome: Outcome, death: string | undefined, lastLines: readonly string[]) {
    const said = lastLines.length === 0 ? 'the console said nothing' : `the console said last:\n${lastLines.join('\n')}`;
    super(`${markText(mark)} was not reached (${outcomeText(outcome)}); ${said}${death === undefined ? '' : `\n${death}`}`);
    this.mark = mark;
    this.outcome = outcome;
    this.death = death;
    this.lastLines = lastLines;
  }
}

const LAST_LINES = 10;

export function markOf(description: MarkDescription): Mark {
  if ('serial' in description) {
    if (description.serial === '') throw new RangeError('serial: an empty text is no mark');
    return { kind: 'serial', text: Buffer.from(description.serial).toString('latin1') };
  }
  if ('port' in description) return { kind: 'port', ...description };
  return { kind: 'address', address: description.address };
}

function outcomeOf({ why }: Stood): Outcome {
  return { kind: 'limit', which: why === 'insns' || why === 'time' ? why : 'wall' };
}

/** Guest memory, as it is where the guest stands. */
export interface GuestMemory {
  /** Guest physical, or with `linear` by the page tables of a vCPU (its number; `true`: 0). Throws UsageError for what is not RAM or not mapped. */
  read(address: number | bigint, length: number, options?: { readonly linear?: boolean | number }): Promise<Uint8Array>;
}

/** `boot` makes them. It stands before its first instruction, and after each `until` at the instruction that completes the mark. */
export class Guest {
  readonly #session: LiveSession;
  readonly #stack: boolean;
  readonly #recorded: RecordedExits;
  readonly #traces = new Set<Trace>();
  readonly memory: GuestMemory;

  private constructor(session: LiveSession, stack: boolean) {
    this.#session = session;
    this.#stack = stack;
    this.#recorded = new RecordedExits(session.log);
    this.memory = {
      read: (address, length, { linear = false } = {}) => {
        this.#session.checkStanding('memory.read');
        if (!Number.isSafeInteger(length) || length < 0 || length > 2 ** 30)
          throw new RangeError(`length: ${length} is no number of bytes up to 1 GiB`);
        const linearOf = linear === false ? undefined : Number(linear === true ? 0 : linear);
        return this.#session.ask({ kind: 'memory', address: BigInt(address), length, ...(linearOf !== undefined && { linearOf }) });
      },
    };
  }

  /** Throws UsageError. */
  static async start(run: RunOptions, options: LiveOptions): Promise<Guest> {
    return new Guest(await LiveSession.start(run, options), options.stack);
  }

  /**
   * Runs the guest up to the exit that completes a mark, and stops it there, after that instruction: the first time from where it stands now.
   * Throws MarkMissedError when it ends before, or comes to a limit.
   */
  async until(description: MarkDescription, { limit }: StepOptions = {}): Promise<Moment> {
    return this.reach(markOf(description), limit);
  }

  /** The same for a mark as the log knows it. */
  async reach(mark: Mark, limit?: string): Promise<Moment> {
    const stood = await this.#go(mark, limit);
    if (stood.met !== undefined) return stood.met;
    const outcome = stood.why === 'end' ? (this.outcome as Outcome) : outcomeOf(stood);
    throw new MarkMissedError(mark, outcome, this.death, this.lastLines(LAST_LINES));
  }

  /** Runs the guest to its end, or to a limit from here. A guest that dies is no error here. */
  async run({ limit }: StepOptions = {}): Promise<Outcome> {
    const stood = await this.#go(undefined, limit);
    return stood.why === 'end' ? (this.outcome as Outcome) : outcomeOf(stood);
  }

  async #go(mark: Mark | undefined, limit: string | undefined): Promise<Stood> {
    const limits: Limits = limit === undefined ? {} : parseLimits(limit);
    const stood = await this.#session.go(mark, limits);
    if (stood.why === 'end') await Promise.all([...this.#traces].map((trace) => trace.ended));
    return stood;
  }

  /** Where the guest stands; instructions of all its processors. */
  get now(): Moment {
    this.#session.checkQuiet('now');
    const { timeNs, exits, instructions, said } = this.#session.stood;
    return { timeNs, exits, instructions, said };
  }

  /** How the guest ended; undefined while it can go on. */
  get outcome(): Outcome | undefined {
    return this.#session.result?.outcome;
  }

  /** Registers and disassembly of a guest that died. */
  get death(): string | undefined {
    return this.#session.result?.death;
  }

  /** Of a guest that has ended. */
  get report(): VmReport | undefined {
    return this.#session.result?.report;
  }

  /** All that the guest has said on its serial console. */
  get console(): string {
    this.#session.checkQuiet('console');
    return this.#recorded.console;
  }

  /** The last lines of the console that are not empty. */
  lastLines(count: number): string[] {
    const said = this.console === '' ? this.#session.otherConsole : this.console;
    return lastLines(said, count);
  }

  /** Looks back: where the guest came to a mark first, or first after a moment; undefined when it has not yet. */
  find(description: MarkDescription, after?: Moment): Moment | undefined {
    this.#session.checkQuiet('find');
    return this.#recorded.find(markOf(description), after);
  }

  /** Counts the exits so far, or a part of them. Throws CauseError. */
  exits(options: ExitsOptions = {}): Exits {
    this.#session.checkQuiet('exits');
    if (options.by === 'call-chain' && !this.#stack) throw new RangeError("by: 'call-chain' needs boot({ stack: true })");
    return this.#recorded.count(options);
  }

  /** Every exit so far, in order, as its record (`vmm/exit-log/record.ts`). */
  get recorded(): RecordedExits {
    this.#session.checkQuiet('recorded');
    return this.#recorded;
  }

  /** Values of statistics, by module:instance:name:statistic with patterns as kstat takes them. The VM's number is 0. */
  kstats(selector: string): Map<string, bigint | string> {
    this.#session.checkQuiet('kstats');
    const chosen = Selector.parse(selector);
    if (chosen === undefined) throw new RangeError(`${selector}: write module:instance:name:statistic`);
    const found = this.#session.kstats.filter((one) => chosen.matches(one));
    return new Map(
      found.flatMap(({ module, instance, name, values }) =>
        values
          .filter(([statistic]) => chosen.statistic(statistic))
          .map(([statistic, value]) => [`${module}:${instance}:${name}:${statistic}`, value] as const),
      ),
    );
  }

  get allKstats(): readonly KstatSnapshot[] {
    this.#session.checkQuiet('kstats');
    return this.#session.kstats;
  }

  /** Of a vCPU, by the names of KVM's kvm_regs and kvm_sregs. */
  async registers(vcpu = 0): Promise<VcpuRegisters> {
    this.#session.checkStanding('registers');
    return this.#session.ask({ kind: 'registers', vcpu });
  }

  /** Enables a D program from here on. Throws UsageError. */
  async trace(d: string): Promise<Trace> {
    this.#session.checkStanding('trace');
    let program: ReturnType<typeof compileD>;
    try {
      program = compileD(d);
    } catch (error) {
      throw error instanceof DError ? new UsageError(`d: line ${error.line}: ${error.message}`) : error;
    }
    return this.enable(program);
  }

  async enable(program: ReturnType<typeof compileD>): Promise<Trace> {
    const enabling = Trace.enable(program, {
      tracing: this.#session.tracing,
      checkStanding: (what) => this.#session.checkStanding(what),
      taken: async () => void (await this.#session.ask({ kind: 'taken' })),
    });
    const trace = await this.#session.awaited(enabling);
    this.#traces.add(trace);
    return trace;
  }

  /** Types on the console (the keyboard, with a screen): the guest gets it where it stands, as fast as its device takes it. */
  type(text: string): void {
    this.#session.checkStanding('type');
    this.#session.type(text);
  }

  /** Presses a button. False: the guest does not listen to it. */
  async press(button: Button): Promise<boolean> {
    this.#session.checkStanding('press');
    if (button !== 'power' && button !== 'reset') throw new RangeError(`press: there is no '${String(button)}'; there is power and reset`);
    return this.#session.ask({ kind: 'press', button });
  }

  /** Saves the guest as it stands, for `restore`. Throws UsageError. */
  async snapshot(path: string): Promise<void> {
    this.#session.checkStanding('snapshot');
    await this.#session.ask({ kind: 'snapshot', path: resolve(path) });
  }

  /** Ends the guest where it stands; what was recorded of it can still be asked. */
  async stop(): Promise<void> {
    await this.#session.stop();
  }

  /** Ends the guest and gives back all that it has. Throws an error of its thread that nobody was told. */
  async close(): Promise<void> {
    await this.#session.close();
  }

  /** Closes it without waiting for that. */
  [Symbol.dispose](): void {
    void this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export { GuestStateError };
