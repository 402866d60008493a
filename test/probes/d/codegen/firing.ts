/** Runs compiled programs without a VM, and reads what they leave. */
import { ARENA, RECORD, SPECIAL, STATE } from '../../../../probes/arena.ts';
import { generate } from '../../../../probes/d/codegen/generate.ts';
import type { CheckedProgram } from '../../../../probes/d/tree.ts';
import { Programs, type RunningProgram } from '../../../../probes/engine/programs.ts';
import type { CompiledProgram, EffectiveOptions } from '../../../../probes/program.ts';
import { TracerRuntime } from '../../../../probes/runtime-host.ts';
import { AggregationReader } from '../../../../probes/session/aggregation-reader.ts';
import { RecordRing } from '../../../../probes/session/record-ring.ts';
import { createMemory, traceArea } from '../../../../vmm/cpu/core.ts';
import { MEMORY_MAP, VM_AREA, offsetOf } from '../../../../vmm/cpu/layout.ts';
import { PROBE } from '../../../../probes/points.ts';

export const CPU = MEMORY_MAP.VCPU_BASE;
/** Guest RAM of the memory that programs run over. */
export const RAM_BYTES = 1 << 20;

/** A record as it was read. */
export interface ReadRecord {
  readonly epid: number;
  readonly time: bigint;
  readonly cpu: number;
  readonly flags: number;
  readonly view: DataView;
}

export interface ReadFault {
  readonly epid: number;
  readonly action: number;
  readonly offset: number;
  readonly fault: number;
  readonly address: bigint;
}

/** A memory with the runtime, in which programs run. */
export class Bench {
  readonly memory = createMemory(RAM_BYTES);
  readonly view = new DataView(this.memory.buffer);
  readonly programs: Programs;
  readonly runtime = new TracerRuntime(this.memory, () => {});

  constructor() {
    this.programs = new Programs({
      memory: this.memory,
      area: traceArea(RAM_BYTES),
      runtime: this.runtime,
      cpu: () => CPU,
      on: ({ points, consumer }) => this.#switch(points, 1 << consumer, true),
      off: ({ points, consumer }) => this.#switch(points, 1 << consumer, false),
      stopped: () => {},
      asked: () => {},
    });
  }

  #switch(points: readonly number[], bit: number, on: boolean): void {
    for (const point of points) {
      const at = MEMORY_MAP.VM_BASE + VM_AREA.PROBES + 4 * point;
      const mask = this.view.getUint32(at, true);
      this.view.setUint32(at, on ? mask | bit : mask & ~bit, true);
    }
  }

  /** Fires a static point on a vCPU. */
  fire(name: keyof typeof PROBE, args: readonly bigint[] = [], vcpu = 0): void {
    const cpu = CPU + vcpu * MEMORY_MAP.VCPU_STRIDE;
    this.setArguments(cpu, args);
    this.programs.firing(cpu, PROBE[name]);
  }

  setArguments(cpu: number, args: readonly bigint[]): void {
    for (let i = 0; i < 10; i++) this.view.setBigUint64(cpu + offsetOf('PROBE_ARG', i), BigInt.asUintN(64, args[i] ?? 0n), true);
  }

  /** The VM's clock. */
  setClock(ns: bigint): void {
    for (let i = 0; i < 8; i++) this.view.setBigUint64(CPU + i * MEMORY_MAP.VCPU_STRIDE + offsetOf('ICOUNT'), ns, true);
  }
}

/** One program that runs. */
export class Run {
  readonly bench: Bench;
  readonly compiled: CompiledProgram;
  readonly running: RunningProgram;
  readonly #ring: RecordRing;

  constructor(
    bench: Bench,
    checked: CheckedProgram,
    options: EffectiveOptions = {},
    how: { readonly context?: boolean; readonly wait?: boolean } = {},
  ) {
    this.bench = bench;
    this.compiled = generate(checked, options);
    this.running = bench.programs.add(
      this.compiled,
      { pid: 4321, vmid: 7, execname: 'guest', vmname: 'vm7', zonename: 'global', epochNs: 1_000_000_000n, seed: 1n },
      how.wait ?? false,
      how.context ?? false,
    );
    this.#ring = new RecordRing(bench.memory.buffer, this.running.arena);
    bench.programs.begin(this.running);
  }

  get state(): number {
    return this.#ring.state;
  }

  get exitStatus(): number {
    return this.#ring.exitStatus;
  }

  /** A word of the arena's header. */
  word(field: number): number {
    return this.bench.view.getUint32(this.running.arena + field, true);
  }

  drops(kind: number): number {
    return this.word(ARENA.DROPS + 4 * kind);
  }

  /** Takes the records that wait. */
  records(): ReadRecord[] {
    const found: ReadRecord[] = [];
    for (;;) {
      const bytes = this.#ring.take();
      for (let at = 0; at < bytes.length; ) {
        const size = new DataView(bytes.buffer, at).getUint32(RECORD.SIZE, true);
        const view = new DataView(bytes.buffer, at, size);
        found.push({
          epid: view.getUint32(RECORD.EPID, true),
          time: view.getBigUint64(RECORD.TIMESTAMP, true),
          cpu: view.getUint32(RECORD.CPU, true),
          flags: view.getUint32(RECORD.FLAGS, true),
          view,
        });
        at += size;
      }
      if (!this.#ring.release()) return found;
    }
  }

  /** Data of a record by its descriptor: integers as bigint, text as string, else bytes. */
  data(record: ReadRecord): (bigint | string | Uint8Array)[] {
    const epid = this.compiled.descriptor.epids[record.epid];
    if (epid === undefined) throw new Error(`no enabling ${record.epid}`);
    return epid.actions.flatMap((a) => a.data).map(({ offset, bytes, type }) => datum(record.view, offset, bytes, type.kind === 'string'));
  }

  /** Data of all records that wait, one row for each. */
  rows(): (bigint | string | Uint8Array)[][] {
    return this.records()
      .filter(({ epid }) => epid < SPECIAL.SNAPSHOT)
      .map((record) => this.data(record));
  }

  static fault({ view }: ReadRecord): ReadFault {
    const at = RECORD.HEADER;
    return {
      epid: view.getUint32(at, true),
      action: view.getUint32(at + 4, true),
      offset: view.getUint32(at + 8, true),
      fault: view.getUint32(at + 12, true),
      address: view.getBigUint64(at + 16, true),
    };
  }

  /** The faults among the records that wait. */
  faults(): ReadFault[] {
    return this.records()
      .filter(({ epid }) => epid === SPECIAL.FAULT)
      .map((record) => Run.fault(record));
  }

  /** An aggregation's elements: keys as in `data`, values as words. */
  elements(id: number): { readonly key: (bigint | string | Uint8Array)[]; readonly value: bigint[] }[] {
    const descriptor = this.compiled.descriptor.aggregations.find((a) => a.id === id);
    if (descriptor === undefined) throw new Error(`no aggregation ${id}`);
    const found: ReturnType<Run['elements']> = [];
    for (const part of new AggregationReader(this.bench.memory.buffer, this.running.arena, this.compiled.descriptor).read()) {
      const view = new DataView(part.buffer);
      if (view.getUint32(RECORD.HEADER, true) !== id) continue;
      let at = RECORD.HEADER + 24;
      for (let n = view.getUint32(RECORD.HEADER + 8, true); n > 0; n--) {
        const size = view.getUint32(at, true);
        const base = at + 8;
        const key = descriptor.keyData.map(({ offset, bytes, type }) => datum(view, base + offset, bytes, type.kind === 'string'));
        const value: bigint[] = [];
        for (let i = 0; i < descriptor.valueBytes; i += 8) value.push(view.getBigInt64(base + descriptor.keyBytes + i, true));
        found.push({ key, value });
        at += size;
      }
    }
    return found;
  }

  stop(): void {
    this.bench.programs.stop(this.running);
  }

  /** Ends it and takes its memory back. */
  close(): void {
    if (this.state !== STATE.STOPPED) this.stop();
    this.bench.programs.remove(this.running);
  }
}

function datum(view: DataView, offset: number, bytes: number, isText: boolean): bigint | string | Uint8Array {
  if (isText) {
    let text = '';
    for (let i = 0; i < bytes && view.getUint8(offset + i) !== 0; i++) text += String.fromCharCode(view.getUint8(offset + i));
    return text;
  }
  switch (bytes) {
    case 1:
      return BigInt(view.getUint8(offset));
    case 2:
      return BigInt(view.getUint16(offset, true));
    case 4:
      return BigInt(view.getUint32(offset, true));
    case 8:
      return view.getBigUint64(offset, true);
    default:
      return new Uint8Array(view.buffer, view.byteOffset + offset, bytes).slice();
  }
}
