/**
 * A D program in a guest that is stepped, and what its aggregations hold whenever the guest stands.
 *
 * While the VM's thread stands, its memory does not change, so the aggregations are read there, exactly as they are at that instruction. What the program prints is
 * let go; its faults and what was lost of it are kept.
 *
 * @module
 */
import { bucketsOf } from '../../../probes/consumer/buckets.ts';
import { Consumer } from '../../../probes/consumer/consumer.ts';
import type { CompiledProgram, ProgramDescriptor } from '../../../probes/program.ts';
import { AggregationReader } from '../../../probes/session/aggregation-reader.ts';
import type { EnabledProgram } from '../../../probes/session/enabling.ts';
import { type ProgramEvents, type RunningProgram, runProgram } from '../../../probes/session/program.ts';
import { TraceError } from '../../../probes/session/trace-error.ts';
import type { VmTraceHost } from '../../../probes/session/vm-host.ts';
import { UsageError } from '../options.ts';

/** Values from `least` to `most`, and how many there were. */
export interface Bucket {
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** An element of an aggregation: its key, and a number or the buckets of a distribution that are not empty. */
export interface AggregationElement {
  readonly key: readonly string[];
  readonly value?: number;
  readonly buckets?: readonly Bucket[];
}

/** What each aggregation holds, by `@name`. */
export type Aggregations = ReadonlyMap<string, readonly AggregationElement[]>;

/** The bucket in which a percentile lies: it is at least `least` and at most `most`; undefined when nothing was measured. */
export function percentile({ buckets = [] }: AggregationElement, percent: number): Bucket | undefined {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  let seen = 0;
  return buckets.find(({ count }) => {
    seen += count;
    return seen > 0 && seen * 100 >= total * percent;
  });
}

/** A line of the consumer's JSON (`probes/consumer/output.schema.json`), as far as it matters here. */
interface Line {
  readonly type: string;
  readonly message?: string;
  readonly name?: string;
  readonly elements?: readonly {
    readonly key: readonly unknown[];
    readonly value?: unknown;
    readonly buckets?: readonly { readonly least?: unknown; readonly count: unknown }[];
  }[];
}

function linesOf(bytes: readonly Uint8Array[]): Line[] {
  const lines = Buffer.concat(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
}

function aggregationsOf(descriptor: ProgramDescriptor, snapshots: Iterable<Uint8Array>): Aggregations {
  const pieces: Uint8Array[] = [];
  const output = (bytes: Uint8Array): void => void pieces.push(bytes.slice());
  const consumer = new Consumer(descriptor, { command: 'lucid', output, errors: output, json: true });
  for (const records of snapshots) consumer.aggregations(records);
  consumer.end();
  const shown = linesOf(pieces).filter(({ type }) => type === 'aggregation');
  return new Map(
    descriptor.aggregations.map(({ name, func }) => {
      const elements = shown.find((line) => line.name === `@${name}`)?.elements ?? [];
      const starts = bucketsOf(func).map(({ least }) => Number(least));
      return [`@${name}`, elements.map((element) => elementOf(element, starts))];
    }),
  );
}

function elementOf({ key, value, buckets }: NonNullable<Line['elements']>[number], starts: readonly number[]): AggregationElement {
  const keys = key.map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part)));
  if (buckets === undefined) return { key: keys, value: Number(value) };
  return {
    key: keys,
    buckets: buckets.map(({ least, count }) => {
      const from = least === undefined ? Number.NEGATIVE_INFINITY : Number(least);
      const next = starts.find((start) => start > from);
      return { least: from, most: next === undefined ? Number.POSITIVE_INFINITY : next - 1, count: Number(count) };
    }),
  };
}

/** What a trace needs of its guest. */
export interface TracedGuest {
  readonly tracing: VmTraceHost;
  /** Throws when the guest does not stand. */
  checkStanding(what: string): void;
  /** All that was sent to the VM's thread was taken. */
  taken(): Promise<void>;
}

/** An enabled D program. `guest.trace` makes them. */
export class Trace {
  readonly #descriptor: ProgramDescriptor;
  readonly #guest: TracedGuest;
  readonly #enabled: EnabledProgram;
  readonly #pieces: Uint8Array[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #running: RunningProgram | undefined;
  #last: Uint8Array[] = [];
  #final: Aggregations | undefined;
  #lost: string | undefined;

  private constructor(descriptor: ProgramDescriptor, guest: TracedGuest, enabled: EnabledProgram) {
    this.#descriptor = descriptor;
    this.#guest = guest;
    this.#enabled = enabled;
  }

  /** Throws UsageError. */
  static async enable(program: CompiledProgram, guest: TracedGuest): Promise<Trace> {
    let trace: Trace | undefined;
    const host = {
      enable: async (compiled: CompiledProgram, wait: boolean): Promise<EnabledProgram> => {
        const enabled = await guest.tracing.enable(compiled, wait);
        trace = new Trace(compiled.descriptor, guest, enabled);
        return enabled;
      },
    };
    const made = (): Trace => trace as Trace;
    const events: ProgramEvents = {
      records: ({ bytes }) => made().#records(bytes),
      drops: (counts) => made().#consumer.drops(counts),
      aggregations: (_flags, records) => made().#last.push(records) > 0,
      ended: ({ lost }) => made().#end(lost),
    };
    try {
      const running = await runProgram(host, { program, matched: [] }, events, { wait: true, interim: false, keepsAlive: false });
      made().#running = running;
      return made();
    } catch (error) {
      throw error instanceof TraceError ? new UsageError(error.message) : error;
    }
  }

  #lazyConsumer: Consumer | undefined;

  get #consumer(): Consumer {
    const output = (bytes: Uint8Array): void => {
      // Faults and drops; what the program prints is nobody's here.
      if (/"type":"(error|drop)"/.test(Buffer.from(bytes).toString('latin1'))) this.#pieces.push(bytes.slice());
    };
    this.#lazyConsumer ??= new Consumer(this.#descriptor, { command: 'lucid', output, errors: output, json: true });
    return this.#lazyConsumer;
  }

  #records(bytes: Uint8Array): boolean {
    this.#consumer.records(bytes);
    return true;
  }

  #end(lost: string | undefined): void {
    this.#lost = lost;
    this.#final = aggregationsOf(this.#descriptor, this.#last);
    this.#ended.resolve();
  }

  /** What the aggregations hold where the guest stands, or held when the program ended. */
  get aggregations(): Aggregations {
    if (this.#final !== undefined) return this.#final;
    this.#guest.checkStanding('aggregations');
    return aggregationsOf(this.#descriptor, new AggregationReader(this.#enabled.memory, this.#enabled.arena, this.#descriptor).read());
  }

  /** Faults of the program, and what was lost of it. */
  get troubles(): readonly string[] {
    const told = linesOf(this.#pieces).filter(({ type }) => type === 'error' || type === 'drop');
    return [...told.map(({ message = '' }) => message.trim()), ...(this.#lost === undefined ? [] : [this.#lost])];
  }

  /** Lets the aggregations begin anew where the guest stands: what they hold at the next mark is of the stretch between. The program's variables stay. */
  async clear(): Promise<void> {
    if (this.#final !== undefined) throw new Error('clear: the program has ended');
    this.#guest.checkStanding('clear');
    this.#enabled.forget?.();
    await this.#guest.taken();
  }

  /** Ends the program: its END fires. */
  async stop(): Promise<void> {
    this.#running?.stop();
    await this.#ended.promise;
  }

  /** The program has ended, and all is read. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }
}
