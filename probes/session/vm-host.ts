/**
 * The VM's thread as an engine for programs, seen from the main thread of its process.
 *
 * Programs go there as messages and come into being at a slice end; a program that is enabled before the VM's memory is known (`lucid run -n`) waits for
 * it. The memory outlives the thread: when that ends, every program is STOPPED, by the thread (END has fired) or, if the thread broke, from here.
 *
 * @module
 */
import { ARENA, STATE } from '../arena.ts';
import type { Lowered, Surroundings } from '../engine/arena-header.ts';
import type { FromThread, ToThread } from '../engine/thread-messages.ts';
import type { CompiledProgram } from '../program.ts';
import type { EnabledProgram } from './enabling.ts';
import type { TraceHost } from './program.ts';
import { TraceError } from './trace-error.ts';

/** Why the VM stands still. */
export type Pause = Omit<Extract<FromThread, { kind: 'paused' }>, 'kind'>;

interface Awaited {
  readonly resolve: (program: EnabledProgram) => void;
  readonly reject: (error: Error) => void;
}

class ThreadProgram implements EnabledProgram {
  readonly memory: ArrayBufferLike;
  readonly arena: number;
  readonly lowered: Lowered;
  readonly #ask: (kind: 'stop' | 'forget' | 'release') => void;
  #look: () => void = () => {};

  constructor(memory: ArrayBufferLike, arena: number, lowered: Lowered, ask: (kind: 'stop' | 'forget' | 'release') => void) {
    this.memory = memory;
    this.arena = arena;
    this.lowered = lowered;
    this.#ask = ask;
  }

  watch(look: () => void): void {
    this.#look = look;
  }

  stop(): void {
    this.#ask('stop');
  }

  forget(): void {
    this.#ask('forget');
  }

  release(): void {
    // The VM's thread may wait for its reader, which is no more: it then goes on at once, and does not wait again.
    const words = new Int32Array(this.memory);
    Atomics.store(words, (this.arena + ARENA.WAIT) >>> 2, 0);
    Atomics.store(words, (this.arena + ARENA.STATE) >>> 2, STATE.STOPPED);
    Atomics.notify(words, (this.arena + ARENA.TAIL) >>> 2);
    this.#ask('release');
  }

  changed(): void {
    this.#look();
  }

  /** The thread is no more: what it has not stopped is stopped. */
  orphaned(): void {
    Atomics.store(new Int32Array(this.memory), (this.arena + ARENA.STATE) >>> 2, STATE.STOPPED);
    this.#look();
  }
}

export class VmTraceHost implements TraceHost {
  readonly #around: Surroundings;
  readonly #send: (message: ToThread) => void;
  readonly #awaited = new Map<number, Awaited>();
  readonly #programs = new Map<number, ThreadProgram>();
  readonly #pauseListeners = new Set<(pause: Pause) => unknown>();
  #memory: ArrayBufferLike | undefined;
  #next = 0;
  #gone = false;
  #pause: Pause | undefined;

  constructor(around: Surroundings, send: (message: ToThread) => void) {
    this.#around = around;
    this.#send = send;
  }

  /** The VM exists. */
  started(memory: ArrayBufferLike): void {
    this.#memory = memory;
  }

  /** The VM's thread has ended. */
  ended(): void {
    this.#gone = true;
    this.#pause = undefined;
    for (const { reject } of this.#awaited.values()) reject(new TraceError('the VM has ended', { gone: true }));
    this.#awaited.clear();
    for (const program of this.#programs.values()) program.orphaned();
  }

  enable(program: CompiledProgram, wait: boolean): Promise<EnabledProgram> {
    if (this.#gone) return Promise.reject(new TraceError('the VM has ended', { gone: true }));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#awaited.set(id, { resolve, reject });
      this.#send({ kind: 'enable', id, program, around: this.#around, wait });
    });
  }

  /** What the tracer in the VM's thread says. */
  received(message: FromThread): void {
    switch (message.kind) {
      case 'enabled':
        this.#enabled(message);
        return;
      case 'refused':
        this.#take(message.id)?.reject(new TraceError(`could not enable tracing: ${message.reason}`));
        return;
      case 'stopped':
        this.#programs.get(message.id)?.changed();
        return;
      case 'paused': {
        const { kind: _, ...pause } = message;
        this.#pause = pause;
        for (const listener of [...this.#pauseListeners]) listener(pause);
        return;
      }
      case 'resumed':
        this.#pause = undefined;
    }
  }

  #take(id: number): Awaited | undefined {
    const awaited = this.#awaited.get(id);
    this.#awaited.delete(id);
    return awaited;
  }

  #enabled({ id, arena, lowered }: Extract<FromThread, { kind: 'enabled' }>): void {
    if (this.#memory === undefined) throw new Error('a program before its VM');
    const program = new ThreadProgram(this.#memory, arena, lowered, (kind) => {
      if (kind === 'release') this.#programs.delete(id);
      if (!this.#gone) this.#send({ kind, id });
    });
    this.#programs.set(id, program);
    this.#take(id)?.resolve(program);
  }

  /** Why the VM stands still; undefined when it does not. */
  get pause(): Pause | undefined {
    return this.#pause;
  }

  /** Tells about pauses until the function returned is called. */
  onPause(listener: (pause: Pause) => unknown): () => void {
    this.#pauseListeners.add(listener);
    return () => this.#pauseListeners.delete(listener);
  }

  /** The VM stands still until `resume`. */
  hold(): void {
    if (!this.#gone) this.#send({ kind: 'pause' });
  }

  resume(): void {
    if (!this.#gone) this.#send({ kind: 'resume' });
  }
}
