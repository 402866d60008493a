/** A tracer on a VM of a test, and programs written by hand on it: what they leave, read as the main thread would. */
import { ARENA, RECORD, SPECIAL } from '../../../probes/arena.ts';
import { generate } from '../../../probes/d/codegen/generate.ts';
import type { CheckedProgram, Probe } from '../../../probes/d/tree.ts';
import type { Surroundings } from '../../../probes/engine/arena-header.ts';
import type { RunningProgram } from '../../../probes/engine/programs.ts';
import { Tracer, type TracerEvents } from '../../../probes/engine/tracer.ts';
import type { CompiledProgram, EffectiveOptions, ProgramDescriptor } from '../../../probes/program.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';
import type { Vm } from '../../../vmm/vm.ts';

export const AROUND: Surroundings = { pid: 321, vmid: 7, execname: 'guest', vmname: 'vm7', zonename: 'vm7', epochNs: 0n, seed: 0n };

const registry = new ProbeRegistry();

/** A probe of the registry: `provider:module:func:name`, or a name alone. */
export function probe(description: string): Probe {
  const parts = description.split(':');
  const [name = '', func = '', module = '', provider = ''] = parts.reverse();
  const found = registry.match({ provider, module, func, name });
  if (found.length !== 1) throw new Error(`${description}: ${found.length} probes`);
  return found[0] as Probe;
}

export interface Seen {
  readonly epid: number;
  /** `probefunc:probename` would be too long for a test: the name alone. */
  readonly name: string;
  readonly at: number;
  readonly cpu: number;
  readonly data: readonly (bigint | string)[];
}

function datum(view: DataView, offset: number, bytes: number): bigint | string {
  if (bytes === 1) return BigInt(view.getUint8(offset));
  if (bytes === 2) return BigInt(view.getUint16(offset, true));
  if (bytes === 4) return BigInt(view.getUint32(offset, true));
  if (bytes === 8) return view.getBigUint64(offset, true);
  const text = Buffer.from(view.buffer, view.byteOffset + offset, bytes);
  const end = text.indexOf(0);
  return text.subarray(0, end < 0 ? bytes : end).toString('latin1');
}

/** The records of whole bytes of a ring. */
export function recordsOf(bytes: Uint8Array<ArrayBuffer>, { epids }: ProgramDescriptor): Seen[] {
  const seen: Seen[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = new DataView(bytes.buffer, at).getUint32(RECORD.SIZE, true);
    const view = new DataView(bytes.buffer, at, size);
    const epid = view.getUint32(RECORD.EPID, true);
    const enabling = epids[epid];
    seen.push({
      epid,
      name: enabling?.probe.name ?? (epid === SPECIAL.FAULT ? 'fault' : 'snapshot'),
      at: Number(view.getBigUint64(RECORD.TIMESTAMP, true)),
      cpu: view.getUint32(RECORD.CPU, true),
      data:
        enabling === undefined
          ? Array.from({ length: 4 }, (_, i) => BigInt(view.getUint32(RECORD.HEADER + 4 * i, true)))
          : enabling.actions.flatMap((a) => a.data.map((d) => datum(view, d.offset, d.bytes))),
    });
    at += size;
  }
  return seen;
}

export class TracedProgram {
  readonly compiled: CompiledProgram;
  readonly running: RunningProgram;
  readonly #ring: RecordRing;
  readonly #view: DataView;

  constructor(vm: Vm, compiled: CompiledProgram, running: RunningProgram) {
    this.compiled = compiled;
    this.running = running;
    this.#view = new DataView(vm.memory.buffer);
    this.#ring = new RecordRing(vm.memory.buffer, running.arena);
  }

  get state(): number {
    return this.#ring.state;
  }

  get exitStatus(): number {
    return this.#ring.exitStatus;
  }

  word(field: number): number {
    return this.#view.getUint32(this.running.arena + field, true);
  }

  drops(kind = 0): number {
    return this.word(ARENA.DROPS + 4 * kind);
  }

  /** Takes what is in the ring. */
  records(): Seen[] {
    const seen: Seen[] = [];
    do seen.push(...recordsOf(this.#ring.take(), this.compiled.descriptor));
    while (this.#ring.release());
    return seen;
  }
}

/** A tracer of a VM. */
export class Traced {
  readonly vm: Vm;
  readonly tracer: Tracer;
  readonly stopped: RunningProgram[] = [];

  constructor(vm: Vm, events: Partial<TracerEvents> = {}) {
    this.vm = vm;
    this.tracer = new Tracer(vm, { stopped: (program) => this.stopped.push(program), paused: () => {}, ...events });
  }

  /** Enables a program; BEGIN has fired. */
  enable(checked: CheckedProgram, options: EffectiveOptions = {}, wait = false): TracedProgram {
    const compiled = generate(checked, { bufsize: 1 << 20, dynvarsize: 1 << 16, aggsize: 1 << 16, ...options });
    const running = this.tracer.add(compiled, AROUND, wait);
    this.tracer.begin(running);
    return new TracedProgram(this.vm, compiled, running);
  }
}
