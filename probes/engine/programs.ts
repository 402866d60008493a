/**
 * The programs that are enabled over one memory: their arenas, their places in the runtime, and their lives.
 *
 * A life: IDLE while it is set up; ACTIVE, and BEGIN fires before anything else can; DRAINING from exit(), a full buffer (bufpolicy=fill) or a stop on;
 * then END fires, after the firing that did it and before any other, and it is STOPPED. Its memory stays until its reader gives it back. What
 * a firing leaves to do is seen at once (`attend`), because the runtime says that there is something.
 *
 * Common to the thread of a VM (`tracer.ts`) and to the engine that has none (`host-engine.ts`), which differ in clocks and points.
 *
 * @module
 */
import { ARENA, ATTENTION, CONSUMERS, SLOT, STATE } from '../arena.ts';
import type { CompiledProgram } from '../program.ts';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';
import type { Firing } from '../../vmm/cpu/probe-gate.ts';
import { type Lowered, type Surroundings, fitArena, writeHeader } from './arena-header.ts';
import { ArenaMemory } from './arena-memory.ts';
import { type ProgramSlots, assignSlots } from './slots.ts';

/** The runtime in this memory: `probes/runtime`. */
export interface Runtime {
  readonly probe: Firing;
  /** What it calls when a firing has left something to do. */
  attend: () => void;
  fire(cpu: number, consumer: number, slot: number): void;
  /** Puts a program's code over its arena, whose header is filled in, and its probes into their slots. */
  load(consumer: number, arena: number, program: CompiledProgram, slots: ReadonlyMap<number, number>): void;
  unload(consumer: number): void;
  /** Forgets what aggregations 1 to `aggregations` hold. */
  forget(arena: number, aggregations: number): void;
}

/** It cannot be enabled: the reason as dtrace gives it. */
export class EnableError extends Error {
  override readonly name = 'EnableError';
}

/** One enabled program. */
export interface RunningProgram extends ProgramSlots {
  readonly consumer: number;
  readonly arena: number;
  readonly lowered: Lowered;
  /** Highest number of an aggregation. */
  readonly aggregations: number;
}

export interface ProgramsOptions {
  readonly memory: WebAssembly.Memory;
  /** The trace area. */
  readonly area: { readonly from: number; readonly to: number };
  readonly runtime: Runtime;
  /** The vCPU in whose name BEGIN and END fire. */
  cpu(): number;
  /** The probes of a program are to fire from now on; no longer. */
  on(program: RunningProgram): void;
  off(program: RunningProgram): void;
  stopped(program: RunningProgram): void;
  /** stop() or breakpoint(): bits of ASK. */
  asked(program: RunningProgram, what: number): void;
}

const ATTENTION_AT = MEMORY_MAP.TRACE + ATTENTION;

/** PROBE_ARG: words of 32 bits. */
const ARG_WORDS = 20;

export class Programs {
  /** A point's firing, for the core's gate: its caller need not look after anything. */
  readonly firing: Firing;
  readonly #words: Int32Array;
  readonly #buffer: ArrayBufferLike;
  readonly #options: ProgramsOptions;
  readonly #runtime: Runtime;
  readonly #arenas: ArenaMemory;
  readonly #running: (RunningProgram | undefined)[] = Array.from({ length: CONSUMERS });
  /** Those whose probes fire. */
  readonly #on = new Set<RunningProgram>();

  constructor(options: ProgramsOptions) {
    const { memory, area, runtime } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#buffer = memory.buffer;
    this.#words = new Int32Array(memory.buffer);
    this.#arenas = new ArenaMemory(memory.buffer, area.from, area.to);
    this.firing = runtime.probe;
    runtime.attend = () => this.attend();
  }

  /** Sets a program up. Throws EnableError. */
  add(program: CompiledProgram, around: Surroundings, wait: boolean, context: boolean): RunningProgram {
    const consumer = this.#running.indexOf(undefined);
    if (consumer < 0) throw new EnableError(`${CONSUMERS} programs are enabled already, and there is no room for more`);
    const { descriptor } = program;
    const slots = assignSlots(descriptor);
    const fitted = fitArena(descriptor, this.#arenas.largest);
    const arena = fitted === undefined ? undefined : this.#arenas.take(fitted.places.bytes);
    if (fitted === undefined || arena === undefined) throw new EnableError('Not enough space');
    writeHeader(this.#buffer, arena, descriptor, fitted, around, wait);
    const aggregations = descriptor.aggregations.reduce((most, { id }) => Math.max(most, id), 0);
    const running: RunningProgram = { ...slots, consumer, arena, lowered: fitted.lowered, aggregations };
    this.#store(running, ARENA.CONTEXT, context ? 1 : 0);
    try {
      this.#runtime.load(consumer, arena, program, slots.slots);
    } catch (error) {
      this.#runtime.unload(consumer);
      this.#arenas.give(arena);
      throw error;
    }
    this.#running[consumer] = running;
    return running;
  }

  /** BEGIN fires, then its probes are on. */
  begin(program: RunningProgram): void {
    // Unless its reader has gone already.
    if (Atomics.compareExchange(this.#words, (program.arena + ARENA.STATE) >> 2, STATE.IDLE, STATE.ACTIVE) !== STATE.IDLE) return;
    if (program.begin) this.#fireOutside(program, SLOT.BEGIN);
    this.attend();
    if (this.#load(program, ARENA.STATE) !== STATE.ACTIVE) return;
    this.#on.add(program);
    this.#options.on(program);
  }

  #off(program: RunningProgram): void {
    if (this.#on.delete(program)) this.#options.off(program);
  }

  /** END fires, and it is over. */
  stop(program: RunningProgram): void {
    const state = this.#load(program, ARENA.STATE);
    if (state !== STATE.ACTIVE && state !== STATE.DRAINING) return;
    this.#store(program, ARENA.STATE, STATE.DRAINING);
    this.#off(program);
    if (program.end) this.#fireOutside(program, SLOT.END);
    this.#store(program, ARENA.STATE, STATE.STOPPED);
    this.#options.stopped(program);
    this.attend();
  }

  /** Takes a program's memory back; one that still runs ends without END. Its reader may have made it STOPPED already, so that nothing waits for it. */
  remove(program: RunningProgram): void {
    if (this.#running[program.consumer] !== program) return;
    this.#off(program);
    this.#store(program, ARENA.STATE, STATE.STOPPED);
    this.#runtime.unload(program.consumer);
    this.#running[program.consumer] = undefined;
    this.#arenas.give(program.arena);
  }

  /** Its aggregations hold nothing any more, as if they began now. */
  forget(program: RunningProgram): void {
    if (this.#running[program.consumer] === program) this.#runtime.forget(program.arena, program.aggregations);
  }

  get all(): readonly RunningProgram[] {
    return this.#running.filter((program) => program !== undefined);
  }

  /** Fires a probe of one program by its slot. */
  fire(cpu: number, program: RunningProgram, slot: number): void {
    this.#runtime.fire(cpu, program.consumer, slot);
    this.attend();
  }

  at(consumer: number): RunningProgram | undefined {
    return this.#running[consumer];
  }

  /** BEGIN and END are nobody's: no vCPU's registers mean anything to them. */
  #fireOutside(program: RunningProgram, slot: number): void {
    const context = this.#load(program, ARENA.CONTEXT);
    const cpu = this.#options.cpu();
    const args = (cpu + offsetOf('PROBE_ARG')) >>> 2;
    this.#words.fill(0, args, args + ARG_WORDS);
    this.#store(program, ARENA.CONTEXT, 0);
    this.#runtime.fire(cpu, program.consumer, slot);
    this.#store(program, ARENA.CONTEXT, context);
  }

  /** Does what a firing left to do. */
  attend(): void {
    const words = this.#words;
    while (words[ATTENTION_AT >> 2] !== 0) {
      words[ATTENTION_AT >> 2] = 0;
      for (const program of this.all) this.#attendTo(program);
    }
  }

  #attendTo(program: RunningProgram): void {
    const asked = Atomics.exchange(this.#words, (program.arena + ARENA.ASK) >> 2, 0);
    if (asked !== 0) this.#options.asked(program, asked);
    const state = this.#load(program, ARENA.STATE);
    const filled = this.#load(program, ARENA.FILLED) !== 0;
    if (state === STATE.DRAINING || (state === STATE.ACTIVE && filled)) this.stop(program);
  }

  #load(program: RunningProgram, field: number): number {
    return Atomics.load(this.#words, (program.arena + field) >> 2);
  }

  #store(program: RunningProgram, field: number, value: number): void {
    Atomics.store(this.#words, (program.arena + field) >> 2, value);
  }
}
