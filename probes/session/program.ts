/**
 * One D program from its sources to its end, in the process that runs it: compiled, handed to an engine, its output passed on.
 *
 * Used on both sides of a socket: a VM's process does this for a tracer elsewhere (`service.ts`), `lucid run -n` and a tracer without any VM do
 * it for themselves. Where the output goes is the caller's; all of it keeps to one rule: after an answer of false nothing more comes until `resume`.
 *
 * @module
 */
import type { Lowered } from '../engine/arena-header.ts';
import type { CompiledProgram, ProgramDescriptor } from '../program.ts';
import { EnableError } from '../engine/programs.ts';
import { TooManyProbes } from '../engine/slots.ts';
import { isSet, numberOf } from '../options.ts';
import { AggregationReader } from './aggregation-reader.ts';
import { type DropCount, type EnabledProgram, Enabling } from './enabling.ts';
import { type Enabled, type Ended, READING, type StampedRecords, hostNow } from './messages.ts';
import { lastTimestamp } from './records.ts';
import { TraceError } from './trace-error.ts';

/** What runs programs: the thread of a VM, or the engine that has none. */
export interface TraceHost {
  /** Throws TraceError when it cannot: too many programs, no memory. */
  enable(program: CompiledProgram, wait: boolean): Promise<EnabledProgram>;
}

/** Takes the output of a program. False: nothing more until `resume`. */
export interface ProgramEvents {
  records(records: StampedRecords): boolean;
  drops(counts: readonly DropCount[]): void;
  /** SNAPSHOT records of all aggregations, in parts; flags of READING. */
  aggregations(flags: number, records: Uint8Array<ArrayBuffer>): boolean;
  /** After the last reading of the aggregations. `lost`: it ended without END, and what came is what there is; why. */
  ended(ended: Ended & { readonly lost?: string }): void;
}

/** A program that runs somewhere. */
export interface RunningProgram {
  readonly enabled: Enabled;
  /** END fires, then it ends. */
  stop(): void;
  resume(): void;
  /** Nobody wants to know any more. */
  close(): void;
}

/** What the compiler makes of a request. */
export interface Compiled {
  readonly program: CompiledProgram;
  /** Probes matched by each source. */
  readonly matched: readonly number[];
}

/** Share of the time that reading aggregations in between may take. */
const READING_SHARE = 0.05;

export interface ProgramOptions {
  readonly wait: boolean;
  /** Aggregations are read at the aggrate too, for somebody who may lose sight of this process. */
  readonly interim: boolean;
  /** False: the process may end while it runs. */
  readonly keepsAlive?: boolean;
}

class Program implements RunningProgram {
  readonly enabled: Enabled;
  readonly #events: ProgramEvents;
  readonly #enabling: Enabling;
  readonly #reader: AggregationReader;
  readonly #interimMs: number;
  #interim: NodeJS.Timeout | undefined;
  #last: Generator<Uint8Array<ArrayBuffer>> | undefined;
  #first = true;
  #exitStatus = 0;
  #closed = false;

  constructor(enabled: Enabled, running: EnabledProgram, events: ProgramEvents, { interim, keepsAlive }: ProgramOptions) {
    this.enabled = enabled;
    this.#events = events;
    this.#reader = new AggregationReader(running.memory, running.arena, enabled.descriptor);
    this.#interimMs = numberOf(enabled.descriptor.options, 'aggrate', 1e9) / 1e6;
    const sink = {
      records: (bytes: Uint8Array<ArrayBuffer>) =>
        events.records({ hostMs: hostNow(), clockNs: interim ? lastTimestamp(bytes) : 0, bytes }),
      drops: (counts: readonly DropCount[]) => events.drops(counts),
      ended: (exitStatus: number) => this.#ended(exitStatus),
    };
    this.#enabling = new Enabling(running, enabled.descriptor, sink, keepsAlive);
    running.watch(() => this.#enabling.look());
    this.#enabling.start();
    if (interim && !this.#reader.isEmpty) this.#planReading(this.#interimMs);
  }

  stop(): void {
    this.#enabling.stop();
  }

  resume(): void {
    if (this.#closed) return;
    if (this.#last === undefined) this.#enabling.resume();
    else this.#readLast(this.#last);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#interim);
    this.#enabling.abandon();
  }

  #planReading(ms: number): void {
    this.#interim = setTimeout(
      () => {
        const began = performance.now();
        this.#readNow();
        this.#planReading(Math.max(this.#interimMs, (performance.now() - began) / READING_SHARE));
      },
      Math.max(1, ms),
    );
  }

  /** One reading while it runs; none while the other side is slow. */
  #readNow(): void {
    if (this.#enabling.isBlocked) return;
    const parts = [...this.#reader.read()];
    for (const [i, part] of parts.entries()) {
      const flags = (i === 0 ? READING.FIRST : 0) | (i === parts.length - 1 ? READING.LAST : 0);
      // What is cut off here counts for nothing; a later one will.
      if (!this.#events.aggregations(flags, part)) return;
    }
  }

  #ended(exitStatus: number): void {
    clearTimeout(this.#interim);
    this.#exitStatus = exitStatus;
    this.#last = this.#reader.read();
    this.#readLast(this.#last);
  }

  #readLast(parts: Generator<Uint8Array<ArrayBuffer>>): void {
    for (;;) {
      const { value, done } = parts.next();
      const flags = (this.#first ? READING.FIRST : 0) | (done ? READING.LAST : 0);
      this.#first = false;
      const more = this.#events.aggregations(flags, value ?? new Uint8Array(0));
      if (done) break;
      if (!more) return;
    }
    this.#closed = true;
    this.#enabling.release();
    this.#events.ended({ exitStatus: this.#exitStatus });
  }
}

/** Enables a program. `announce` hears of it before its first event. Throws TraceError. */
export async function runProgram(
  host: TraceHost,
  { program, matched }: Compiled,
  events: ProgramEvents,
  options: ProgramOptions,
  announce: (enabled: Enabled) => void = () => {},
): Promise<RunningProgram> {
  const { descriptor } = program;
  let running: EnabledProgram;
  try {
    if (descriptor.destructive && !isSet(descriptor.options, 'destructive')) throw new EnableError('Destructive actions not allowed');
    running = await host.enable(program, waits(descriptor, options.wait));
  } catch (error) {
    throw asTraceError(error, isSet(descriptor.options, 'quiet') ? undefined : matched);
  }
  const enabled = { descriptor, matched, notes: lowerings(running.lowered ?? {}) };
  announce(enabled);
  return new Program(enabled, running, events, options);
}

function asTraceError(error: unknown, matched: readonly number[] | undefined): unknown {
  if (error instanceof EnableError || error instanceof TooManyProbes)
    return new TraceError(`could not enable tracing: ${error.message}`, { matched });
  return error instanceof TraceError ? new TraceError(error.message, { gone: error.gone, matched }) : error;
}

const PARTS: Readonly<Record<string, string>> = {
  bufsize: 'buffer size',
  aggsize: 'aggregation size',
  dynvarsize: 'dynamic variable size',
};

/** `buffer size lowered to 512k`. */
function lowerings(lowered: Lowered): string[] {
  return Object.entries(lowered).map(([option, bytes]) => {
    let power = 0;
    while (power < 3 && 1024 ** (power + 1) <= bytes) power++;
    const whole = bytes / 1024 ** power;
    return `${PARTS[option] ?? option} lowered to ${Number.isInteger(whole) ? `${whole}${' kmg'[power]}` : `${bytes} bytes`}`;
  });
}

/** -x onfull=wait|drop, or as the program was started. */
function waits(descriptor: ProgramDescriptor, otherwise: boolean): boolean {
  const { onfull } = descriptor.options;
  return onfull === undefined ? otherwise : onfull === 'wait';
}
