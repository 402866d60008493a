/**
 * An engine for programs without any VM: its own small memory with a vCPU that never runs, whose clock is the host's.
 *
 * BEGIN, END, profile and tick fire from the event loop of the thread that reads the records, so nothing can wait for the reader: what does not fit is
 * dropped, whatever `onfull` says. There is one vCPU, number 0. What asks for a VM's registers or memory faults, and stop() and its kin do nothing.
 *
 * @module
 */
import { traceArea } from '../../vmm/cpu/core.ts';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';
import type { CompiledProgram } from '../program.ts';
import { TracerRuntime } from '../runtime-host.ts';
import type { Lowered, Surroundings } from './arena-header.ts';
import { Programs, type RunningProgram } from './programs.ts';
import { type TimerFiring, Timers } from './timers.ts';

/** A program that runs here: the shape that `probes/session/enabling.ts` asks for. */
export interface HostProgram {
  readonly memory: ArrayBufferLike;
  readonly arena: number;
  readonly lowered: Lowered;
  watch(look: () => void): void;
  stop(): void;
  release(): void;
}

const CPU = MEMORY_MAP.VCPU_BASE;
const PAGE = 65536;
/** The event loop's timers take no more: ms. */
const TIMEOUT_MAX = 0x7fff_ffff;
const ARGS_WORDS = 20;

export class HostEngine {
  readonly #memory: WebAssembly.Memory;
  readonly #view: DataView;
  readonly #programs: Programs;
  readonly #timers = new Timers();
  readonly #looks = new Map<RunningProgram, () => void>();
  #timeout: NodeJS.Timeout | undefined;

  constructor() {
    const area = traceArea(0);
    const pages = area.to / PAGE;
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#view = new DataView(this.#memory.buffer);
    this.#programs = new Programs({
      memory: this.#memory,
      area,
      runtime: new TracerRuntime(this.#memory, () => {}),
      cpu: () => {
        this.#look();
        return CPU;
      },
      on: (program) => this.#timers.add(program.consumer, program.timers, this.#look()),
      off: (program) => this.#timers.remove(program.consumer),
      stopped: (program) => this.#looks.get(program)?.(),
      asked: () => {},
    });
  }

  /** Reads the host's monotonic clock into the vCPU's: ns. */
  #look(): number {
    const now = process.hrtime.bigint();
    this.#view.setBigUint64(CPU + offsetOf('CLOCK_OFFSET'), now, true);
    return Number(now);
  }

  /** Enables a program. Rejects with EnableError, TooManyProbes. */
  async enable(program: CompiledProgram, around: Surroundings, _wait = false): Promise<HostProgram> {
    const running = this.#programs.add(program, around, false, false);
    this.#programs.begin(running);
    this.#arm();
    return {
      memory: this.#memory.buffer,
      arena: running.arena,
      lowered: running.lowered,
      watch: (look) => this.#looks.set(running, look),
      stop: () => {
        this.#programs.stop(running);
        this.#arm();
      },
      release: () => {
        this.#programs.remove(running);
        this.#looks.delete(running);
        this.#arm();
      },
    };
  }

  /** Ends everything, without END. */
  close(): void {
    for (const program of this.#programs.all) this.#programs.remove(program);
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timeout);
    const { next } = this.#timers;
    if (next === Number.POSITIVE_INFINITY) return;
    const ms = Math.ceil((next - this.#look()) / 1e6);
    this.#timeout = setTimeout(() => this.#due(), Math.max(0, Math.min(ms, TIMEOUT_MAX)));
  }

  #due(): void {
    this.#timers.fire(this.#look(), this.#timer);
    this.#arm();
  }

  readonly #timer: TimerFiring = (consumer, { kind, slot }, late) => {
    const program = this.#programs.at(consumer);
    if (program === undefined) return;
    this.#look();
    const args = new Uint32Array(this.#memory.buffer, CPU + offsetOf('PROBE_ARG'), ARGS_WORDS).fill(0);
    if (kind === 'profile') args[4] = late;
    this.#programs.fire(CPU, program, slot);
  };
}
