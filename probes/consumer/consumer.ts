/**
 * The consumer of a D program: records and aggregations in, text or JSON out.
 *
 * Theory. What comes out of a program's buffer is a sequence of records (`probes/arena.ts`): those of enablings, and the tracer's own, which say
 * that a clause faulted or carry an aggregation as it was when a printa() fired. This reads them one after the other and tells a writer; the
 * writer knows how each enabling is to be said, because the program's description tells it, and has compiled that once. At the end come the
 * aggregations, and those that no printa() has shown are printed.
 *
 * One sequence: who traces several VMs brings their records into an order and merges their aggregations first (`mergeElements`).
 *
 * @module
 */
import { RECORD, SPECIAL } from '../arena.ts';
import { isSet } from '../options.ts';
import type { AggregationDescriptor, DatumDescriptor, EpidDescriptor, ProgramDescriptor } from '../program.ts';
import { sizeOf } from '../d/ctype.ts';
import { resolve } from '../d/types.ts';
import { type EffectHost, type Run, runInShell } from './actions.ts';
import { type Snapshot, SnapshotReader } from './aggregation.ts';
import { RecordBytes } from './datum.ts';
import { flowKind } from './flow.ts';
import { JsonWriter } from './json-writer.ts';
import { Output, type Sink } from './output.ts';
import { type DropKind, readFault } from './reports.ts';
import { Settings } from './settings.ts';
import type { Symbols } from './symbols.ts';
import { TextWriter } from './text-writer.ts';
import { NO_SNAPSHOTS, type Snapshots, type Writer } from './writer.ts';

export interface ConsumerOptions {
  /** The command's name, in front of what it has to say for itself. */
  readonly command: string;
  /** Where the trace goes. */
  readonly output: Sink;
  /** Where faults and drops go; with `json` they are part of the trace. */
  readonly errors: Sink;
  readonly json?: boolean;
  /** Names addresses. */
  readonly symbols?: Symbols;
  /** What system() runs commands with; the shell, unless told otherwise. */
  readonly run?: Run;
  /** TERM: which terminals cannot show what `aggpack` draws in UTF-8. */
  readonly terminal?: string;
}

/** A key in the size of its type: the runtime keeps each key in words of its own, extended by its sign. */
function keyOfItsSize(datum: DatumDescriptor): DatumDescriptor {
  const { kind } = resolve(datum.type);
  if (kind !== 'int' && kind !== 'enum' && kind !== 'pointer') return datum;
  return { ...datum, bytes: Math.min(datum.bytes, sizeOf(datum.type)) };
}

function withKeySizes(program: ProgramDescriptor): ProgramDescriptor {
  const aggregations = program.aggregations.map(
    (aggregation): AggregationDescriptor => ({ ...aggregation, keyData: aggregation.keyData.map(keyOfItsSize) }),
  );
  return { ...program, aggregations };
}

/** A return of a function whose record waits to see what follows. */
interface Held {
  readonly enabling: EpidDescriptor;
  readonly record: RecordBytes;
  readonly at: number;
  readonly snapshots: Snapshots;
}

export class Consumer {
  readonly #epids: readonly (EpidDescriptor | undefined)[];
  /** Epids of returns: what `-F` looks beyond. */
  readonly #returns: ReadonlySet<number>;
  readonly #settings: Settings;
  readonly #writer: Writer;
  readonly #snapshots: SnapshotReader;
  readonly #final: SnapshotReader;
  #held: Held | undefined;
  #exitStatus = 0;
  #exited = false;
  #ended = false;

  constructor(description: ProgramDescriptor, options: ConsumerOptions) {
    const program = withKeySizes(description);
    const output = new Output(options.output);
    const errors = new Output(options.errors);
    this.#settings = new Settings(program.options, options.symbols, 'terminal' in options ? options.terminal : process.env['TERM']);
    const effects: EffectHost = {
      settings: this.#settings,
      output,
      run: options.run ?? runInShell,
      destructive: isSet(program.options, 'destructive'),
      // The last one tells: END may have another opinion.
      exited: (status) => {
        this.#exitStatus = status;
        this.#exited = true;
      },
      failed: (text) => this.#writer.failed(text),
    };
    const host = { program, command: options.command, settings: this.#settings, output, errors, effects };
    this.#epids = program.epids;
    this.#returns = new Set(program.epids.flatMap((enabling) => (enabling && flowKind(enabling) === 'return' ? [enabling.epid] : [])));
    this.#snapshots = new SnapshotReader(program.aggregations);
    this.#final = new SnapshotReader(program.aggregations);
    this.#writer = options.json ? new JsonWriter(host) : new TextWriter(host);
  }

  /** Argument of the last exit(); 0 before there is one. */
  get exitStatus(): number {
    return this.#exitStatus;
  }

  /** The program has said exit(). */
  get exited(): boolean {
    return this.#exited;
  }

  /** Takes whole records, in order. The bytes belong to the consumer from now on: an aggregation in them is kept. */
  records(bytes: Uint8Array): void {
    const record = new RecordBytes(bytes);
    for (let at = 0; at + RECORD.HEADER <= record.length; ) {
      const size = record.u32(at + RECORD.SIZE);
      if (size < RECORD.HEADER || at + size > record.length) break;
      this.#record(record, at, record.u32(at + RECORD.EPID));
      at += size;
    }
    this.#writer.flush();
  }

  #record(record: RecordBytes, at: number, epid: number): void {
    switch (epid) {
      case SPECIAL.PAD:
        return;
      case SPECIAL.SNAPSHOT:
        this.#snapshots.add(record, at + RECORD.HEADER);
        return;
      case SPECIAL.FAULT: {
        this.#release(0);
        const fault = readFault(record, at + RECORD.HEADER);
        this.#writer.fault(fault, this.#epids[fault.epid]);
        return;
      }
    }
    if (this.#held !== undefined) this.#release(epid);
    const enabling = this.#epids[epid];
    if (enabling === undefined) return;
    const snapshots = this.#snapshots.isEmpty ? NO_SNAPSHOTS : this.#snapshots.take();
    if (this.#settings.flow && this.#returns.has(epid)) this.#held = { enabling, record, at, snapshots };
    else this.#writer.record({ enabling, record, at, snapshots, next: 0 });
  }

  /** Writes the record that waits. `next`: epid of what follows it. */
  #release(next: number): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#writer.record({ ...held, next });
  }

  /** Takes counts of what was lost since the last time. */
  drops(counts: readonly { readonly kind: DropKind; readonly count: number }[]): void {
    for (const { kind, count } of counts) if (count > 0) this.#writer.drops(kind, count);
    this.#writer.flush();
  }

  /** Takes SNAPSHOT records: the aggregations as they are at the end. */
  aggregations(bytes: Uint8Array): void {
    const record = new RecordBytes(bytes);
    for (let at = 0; at + RECORD.HEADER <= record.length; ) {
      const size = record.u32(at + RECORD.SIZE);
      if (size < RECORD.HEADER || at + size > record.length) break;
      if (record.u32(at + RECORD.EPID) === SPECIAL.SNAPSHOT) this.#final.add(record, at + RECORD.HEADER);
      at += size;
    }
  }

  /** After the last record and the aggregations: writes what is left. Gives the exit status. */
  end(): number {
    if (this.#ended) return this.#exitStatus;
    this.#ended = true;
    this.#release(0);
    const final: Snapshot[] = [];
    // Of several readings, the last one counts.
    for (const readings of this.#final.take().values()) final.push(readings.at(-1)!);
    this.#writer.end(final, this.#exitStatus);
    return this.#exitStatus;
  }
}
