/**
 * The tracer of one VM, in the thread that runs it: probe points, profile and tick, BEGIN and END.
 *
 * A point in the core fires through the VM's gate, one in a device through `probes/points.ts`; profile and tick at the tracer's times of the VM's
 * clock. All of it happens between or inside instructions of the guest, in the VM's thread, and changes nothing of the VM but for the
 * destructive actions. Programs come and go between two instructions (`add`, `begin`, `stop`, `release`).
 *
 * The devices' points have one listener for each thread, which does not know whose device fires: trace one VM of a thread at a time.
 *
 * @module
 */
import { MEMORY_MAP, offsetOf, VM_AREA } from '../../vmm/cpu/layout.ts';
import { traceArea } from '../../vmm/cpu/core.ts';
import type { Vcpu } from '../../vmm/cpu/vcpu.ts';
import type { Vm } from '../../vmm/vm.ts';
import {
  DEVICE_POINTS,
  type DevicePoint,
  type DeviceProbeNumber,
  type DeviceSink,
  FRAME_CAPTURED,
  listen,
  POINTS,
  POINTS_ALL,
  type ProbeNumber,
  type ProbeSink,
  ProbeSwitches,
} from '../points.ts';
import type { CompiledProgram } from '../program.ts';
import { FRAMEINFO, placesOf } from '../structures.ts';
import { D_BASE_HIGH } from '../arena.ts';
import type { Surroundings } from './arena-header.ts';
import { TracerRuntime } from '../runtime-host.ts';
import { Programs, type RunningProgram } from './programs.ts';
import { type TimerFiring, Timers } from './timers.ts';

/** What becomes of programs, for whoever enabled them. */
export interface TracerEvents {
  /** It is STOPPED: END has fired. */
  stopped(program: RunningProgram): void;
  /** stop() or breakpoint() (bits of ASK): the VM stands between two instructions, and goes on when this returns. */
  paused(program: RunningProgram, what: number): void;
}

const ARGS = 10;
const ARG = offsetOf('PROBE_ARG');
const RIP = offsetOf('RIP');
const CPL = offsetOf('CPL');
const ICOUNT = offsetOf('ICOUNT');
const CLOCK_OFFSET = offsetOf('CLOCK_OFFSET');
const TWO32 = 0x1_0000_0000;

/** Where the structures of a firing stand, and the frame that one of them points to: in the trace area, behind the kstats and before ATTENTION. */
const STRUCTURES_AT = MEMORY_MAP.TRACE + 0x1000;
const STRUCTURES_BYTES = 0x1000;
const FRAME_AT = STRUCTURES_AT + STRUCTURES_BYTES;

interface StructurePlaces {
  /** Of each structure, from the first one's start. */
  readonly places: readonly number[];
  /** Of the member that points to the frame. */
  readonly pointer: number | undefined;
}

function structurePlaces({ structures }: DevicePoint): StructurePlaces {
  const places = placesOf(structures).slice(0, -1);
  const pointer = structures[0] === FRAMEINFO ? FRAMEINFO.members.find(({ name }) => name === 'address')?.offset : undefined;
  return { places, pointer };
}

const PLACES: ReadonlyMap<number, StructurePlaces> = new Map(DEVICE_POINTS.map((point) => [point.id, structurePlaces(point)]));

export class Tracer {
  readonly #vm: Vm;
  readonly #u32: Uint32Array;
  readonly #arguments: Uint8Array;
  readonly #frame: Uint8Array;
  readonly #events: TracerEvents;
  readonly #programs: Programs;
  readonly #switches: ProbeSwitches;
  readonly #timers = new Timers();
  /** Programs that asked for a pause at the next boundary. */
  readonly #asked: { readonly program: RunningProgram; readonly what: number }[] = [];

  constructor(vm: Vm, events: TracerEvents) {
    this.#vm = vm;
    this.#u32 = vm.u32;
    this.#arguments = new Uint8Array(vm.memory.buffer, STRUCTURES_AT, STRUCTURES_BYTES);
    this.#frame = new Uint8Array(vm.memory.buffer, FRAME_AT, FRAME_CAPTURED);
    this.#events = events;
    this.#switches = new ProbeSwitches(vm.memory.buffer, MEMORY_MAP.VM_BASE + VM_AREA.PROBES);
    this.#programs = new Programs({
      memory: vm.memory,
      area: traceArea(vm.ram.backing),
      runtime: new TracerRuntime(vm.memory, (host, bytes) => vm.core.dmaWritten(host, bytes)),
      cpu: () => vm.clock.base,
      on: (program) => this.#on(program),
      off: (program) => this.#off(program),
      stopped: (program) => events.stopped(program),
      asked: (program, what) => {
        this.#asked.push({ program, what });
        vm.clock.attend();
      },
    });
  }

  /** Gives a program its memory and its place; nothing fires yet. Throws EnableError, TooManyProbes. */
  add(program: CompiledProgram, around: Surroundings, wait: boolean): RunningProgram {
    return this.#programs.add(program, around, wait, true);
  }

  /** BEGIN fires, then its probes are on. */
  begin(program: RunningProgram): void {
    this.#programs.begin(program);
  }

  /** END fires, if it has not. */
  stop(program: RunningProgram): void {
    this.#programs.stop(program);
  }

  /** Its aggregations hold nothing any more. */
  forget(program: RunningProgram): void {
    this.#programs.forget(program);
  }

  /** Its memory is free. */
  release(program: RunningProgram): void {
    this.#programs.remove(program);
  }

  /** The VM has run for the last time: END fires in all that still run. */
  ended(): void {
    for (const program of this.#programs.all) this.#programs.stop(program);
  }

  #on(program: RunningProgram): void {
    for (const point of program.points) this.#switches.enable(point as ProbeNumber, program.consumer);
    this.#timers.add(program.consumer, program.timers, this.#vm.clock.now());
    this.#listen();
    this.#arm();
  }

  #off(program: RunningProgram): void {
    this.#switches.disableAll(program.consumer);
    this.#timers.remove(program.consumer);
    this.#listen();
    this.#arm();
  }

  /** Whether anybody has a point enabled. */
  #listen(): void {
    let any = false;
    for (let point = 0; point < POINTS_ALL; point++) any ||= this.#switches.enabled(point);
    this.#vm.probeGate.open(any ? this.#programs.firing : null);
    listen(any ? this.#sink : null, any ? this.#deviceSink : null);
  }

  /** When profile and tick fire next. */
  #arm(): void {
    this.#vm.clock.setProfile(this.#timers.next, this.#profile);
  }

  /** The devices' points. */
  readonly #sink: ProbeSink = (probe, arg0, arg1, arg2, arg3, arg4) => {
    if (!this.#switches.enabled(probe)) return;
    const cpu = this.#vm.clock.base;
    const u32 = this.#u32;
    const at = (cpu + ARG) >>> 2;
    const wide = POINTS[probe]?.wide;
    if (wide === 0) {
      // The first argument comes in halves.
      u32[at] = arg0;
      u32[at + 1] = arg1;
      this.#write64(at + 2, arg2);
      this.#write64(at + 4, arg3);
      this.#write64(at + 6, arg4);
      this.#write64(at + 8, 0);
    } else {
      this.#write64(at, arg0);
      this.#write64(at + 2, arg1);
      this.#write64(at + 4, arg2);
      this.#write64(at + 6, arg3);
      this.#write64(at + 8, arg4);
    }
    u32.fill(0, at + 10, at + 2 * ARGS);
    this.#programs.firing(cpu, probe);
  };

  /** The points of disks and NICs. */
  readonly #deviceSink: DeviceSink = {
    enabled: (probe) => this.#switches.enabled(probe),
    fire: (probe, arg0, structures, frame) => this.#fireWith(probe, arg0, structures, frame),
  };

  #fireWith(probe: DeviceProbeNumber, arg0: number, structures: Uint8Array, frame?: Uint8Array): void {
    if (!this.#switches.enabled(probe)) return;
    const cpu = this.#vm.clock.base;
    const at = (cpu + ARG) >>> 2;
    const u32 = this.#u32;
    this.#arguments.set(structures);
    u32.fill(0, at, at + 2 * ARGS);
    this.#write64(at, arg0);
    const { places, pointer } = PLACES.get(probe) as StructurePlaces;
    for (let i = 0; i < places.length; i++) this.#pointer(at + 2 * (i + 1), STRUCTURES_AT + (places[i] as number));
    if (frame !== undefined && pointer !== undefined) {
      this.#frame.set(frame.length > FRAME_CAPTURED ? frame.subarray(0, FRAME_CAPTURED) : frame);
      this.#pointer((STRUCTURES_AT + pointer) >>> 2, FRAME_AT);
    }
    this.#programs.firing(cpu, probe);
  }

  /** D's address of a place in the shared memory. */
  #pointer(at: number, place: number): void {
    this.#u32[at] = place;
    this.#u32[at + 1] = D_BASE_HIGH;
  }

  /** An integer below 2^53 in size, as 64 bits. */
  #write64(at: number, value: number): void {
    this.#u32[at] = value % TWO32;
    this.#u32[at + 1] = Math.floor(value / TWO32);
  }

  /** The tracer's time has come, or a firing asked for a boundary. Returns the next time. */
  readonly #profile = (now: number): number => {
    this.#timers.fire(now, this.#timer);
    // Also what one of these asked for.
    for (let asked = this.#asked.shift(); asked !== undefined; asked = this.#asked.shift()) this.#events.paused(asked.program, asked.what);
    return this.#timers.next;
  };

  readonly #timer: TimerFiring = (consumer, { kind, slot }, late) => {
    const { vcpus, clock } = this.#vm;
    if (kind === 'tick') {
      this.#tick(consumer, slot, clock.base, 0);
      return;
    }
    for (let i = 0; i < vcpus.length; i++) {
      const { base } = vcpus[i] as Vcpu;
      if (base !== clock.base) this.#tell(base);
      this.#tick(consumer, slot, base, late);
    }
  };

  /** Lets a vCPU that does not run know what time it is. The clock is set anew when it takes over. */
  #tell(cpu: number): void {
    const u32 = this.#u32;
    const count = (cpu + ICOUNT) >>> 2;
    this.#write64((cpu + CLOCK_OFFSET) >>> 2, this.#vm.clock.now() - ((u32[count + 1] as number) * TWO32 + (u32[count] as number)));
  }

  #tick(consumer: number, slot: number, cpu: number, late: number): void {
    const program = this.#programs.at(consumer);
    if (program === undefined) return;
    const u32 = this.#u32;
    const at = (cpu + ARG) >>> 2;
    const rip = (cpu + RIP) >>> 2;
    const pc = at + (u32[(cpu + CPL) >>> 2] === 0 ? 0 : 2);
    u32.fill(0, at, at + 2 * ARGS);
    u32[pc] = u32[rip] as number;
    u32[pc + 1] = u32[rip + 1] as number;
    this.#write64(at + 4, late);
    this.#programs.fire(cpu, program, slot);
  }
}
