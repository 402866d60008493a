/**
 * An enabled program, seen from the main thread of the process that runs it: where its records come out.
 *
 * Theory. The VM's thread writes records into a ring in shared memory and never talks to anybody about them. This side looks at the ring at the
 * program's switchrate, and at once when the writer says that it waits (a program that must lose nothing). What it reads goes to a sink: the consumer
 * in this process, or a socket. A sink that cannot take more says so; then nothing more is read until it resumes, the ring fills, and the
 * program's policy decides: the records are dropped and counted, or the VM waits. So whatever the sink does, nothing grows but the count of drops.
 *
 * The end: the program is STOPPED (after exit(), END has fired in the VM's thread; or `stop` asked for it). What is left in the ring is read, then the
 * drops are told, then the aggregations. The memory outlives the VM's thread, so a VM that dies while traced is no different.
 *
 * @module
 */
import { ARENA, DROPS, STATE } from '../arena.ts';
import type { Lowered } from '../engine/arena-header.ts';
import type { ProgramDescriptor } from '../program.ts';
import { numberOf } from '../options.ts';
import { RecordRing } from './record-ring.ts';

/** A program in the hands of an engine: the VM's thread, or the engine without a VM. */
export interface EnabledProgram {
  readonly memory: ArrayBufferLike;
  /** Place of its arena in the memory. */
  readonly arena: number;
  /** Sizes that had to be made smaller than asked for. */
  readonly lowered?: Lowered;
  /** Calls `look` when the program has stopped or its VM has ended. */
  watch(look: () => void): void;
  /** Asks for the end: END fires, then the program is STOPPED. */
  stop(): void;
  /** Its aggregations hold nothing any more, as if they began now; for an engine in a VM's thread. */
  forget?(): void;
  /** Its memory is no longer needed. Also ends it when it runs, without END. */
  release(): void;
}

/** Drops since the last report, by kind. */
export interface DropCount {
  readonly kind: (typeof DROPS)[number];
  readonly count: number;
}

/** Takes what comes out of a program. */
export interface TraceSink {
  /** Whole records. False: nothing more until `resume`. */
  records(bytes: Uint8Array<ArrayBuffer>): boolean;
  drops(counts: readonly DropCount[]): void;
  /** STOPPED, and everything was read. `exitStatus`: of exit(). */
  ended(exitStatus: number): void;
}

/** Least time between two looks at a ring: ms. */
const LEAST_MS = 1;
const NEVER_MS = 1000;

export class Enabling {
  readonly #program: EnabledProgram;
  readonly #sink: TraceSink;
  readonly #ring: RecordRing;
  readonly #words: Int32Array;
  /** Index of ARENA.WAITING. */
  readonly #waiting: number;
  readonly #dropped = new Uint32Array(DROPS.length);
  readonly #switchMs: number;
  readonly #statusMs: number;
  #nextStatus = 0;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;
  #scheduled = false;
  #watching = false;
  #done = false;

  readonly #keepsAlive: boolean;

  /** `keepsAlive`: the process does not end while the program runs. */
  constructor(program: EnabledProgram, descriptor: ProgramDescriptor, sink: TraceSink, keepsAlive = true) {
    this.#keepsAlive = keepsAlive;
    this.#program = program;
    this.#sink = sink;
    this.#ring = new RecordRing(program.memory, program.arena);
    this.#words = new Int32Array(program.memory);
    this.#waiting = (program.arena + ARENA.WAITING) >>> 2;
    this.#switchMs = periodMs(numberOf(descriptor.options, 'switchrate', 1e9));
    this.#statusMs = periodMs(numberOf(descriptor.options, 'statusrate', 1e9));
  }

  /** Begins to read. */
  start(): void {
    this.#turn();
  }

  /** The sink has room again. */
  resume(): void {
    this.#blocked = false;
    this.#soon();
  }

  /** END fires, then the rest comes. */
  stop(): void {
    this.#program.stop();
    this.#soon();
  }

  /** The program changed its state, or its VM's thread ended: look now. */
  look(): void {
    this.#soon();
  }

  /** The sink is full. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** Everything was read. */
  release(): void {
    this.#program.release();
  }

  /** Nobody wants to know any more. The probes go at the VM's next slice. */
  abandon(): void {
    if (this.#done) return;
    this.#finish();
    this.#program.release();
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#timer);
  }

  /** The writer says when it begins to wait for room. */
  #watchWriter(): void {
    if (this.#watching) return;
    const { async, value } = Atomics.waitAsync(this.#words, this.#waiting, 0);
    if (!async) {
      // It waits already, and will go on as soon as it sees the room that it was given.
      this.#soon();
      return;
    }
    this.#watching = true;
    value.then(() => {
      this.#watching = false;
      if (!this.#done && !this.#blocked) this.#turn();
    });
  }

  /** Looks after what else the event loop has to do. */
  #soon(): void {
    if (this.#scheduled || this.#done) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#done) this.#turn();
    });
  }

  #turn(): void {
    clearTimeout(this.#timer);
    const stopped = this.#ring.state === STATE.STOPPED;
    const more = this.#read();
    this.#status(stopped && !more);
    if (this.#blocked) return;
    if (more) this.#soon();
    else if (stopped) this.#end();
    else this.#rest();
  }

  /** Reads once; true when there may be more. */
  #read(): boolean {
    if (this.#blocked || !this.#ring.isReadable) return false;
    const bytes = this.#ring.take();
    if (bytes.length > 0 && !this.#sink.records(bytes)) this.#blocked = true;
    return this.#ring.release();
  }

  /** Nothing to do until the next look. */
  #rest(): void {
    this.#watchWriter();
    this.#timer = setTimeout(() => this.#turn(), this.#switchMs);
    if (!this.#keepsAlive) this.#timer.unref();
  }

  #status(last: boolean): void {
    const now = performance.now();
    if (!last && now < this.#nextStatus) return;
    this.#nextStatus = now + this.#statusMs;
    const counts: DropCount[] = [];
    DROPS.forEach((kind, i) => {
      const total = Atomics.load(this.#words, ((this.#program.arena + ARENA.DROPS) >>> 2) + i) >>> 0;
      const count = (total - (this.#dropped[i] as number)) >>> 0;
      if (count > 0) counts.push({ kind, count });
      this.#dropped[i] = total;
    });
    if (counts.length > 0) this.#sink.drops(counts);
  }

  #end(): void {
    this.#finish();
    this.#sink.ended(this.#ring.exitStatus);
  }
}

function periodMs(ns: number): number {
  return ns === 0 ? NEVER_MS : Math.max(LEAST_MS, ns / 1e6);
}
