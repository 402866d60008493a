/**
 * What a firing costs the vCPU's thread: a guest's loop of OUTs with a program enabled, less the same loop without.
 *
 * Records are thrown away between slices, as if a reader on another thread had taken them. Enabled and disabled runs take turns in one process; time
 * is the process's CPU time.
 *
 * @module
 */
import process from 'node:process';
import { ARENA } from '../../probes/arena.ts';
import { compile } from '../../probes/d/compile.ts';
import { Tracer } from '../../probes/engine/tracer.ts';
import type { CompiledProgram } from '../../probes/program.ts';
import { ProbeRegistry } from '../../probes/providers/registry.ts';
import { localEnvironment } from '../../probes/session/request.ts';
import { NOTHING } from '../../vmm/cli/dlite-options.ts';
import { traceRequest } from '../../vmm/cli/trace-request.ts';
import { Guest, le } from '../vmm/guest.ts';
import { type Row, sampleOf } from './measure.ts';

const ITERATIONS = 10_000_000;
/** Instructions between two looks at the ring. */
const SLICE = 30_000;

/** Programs, and what a firing may cost at most: ns. */
const PROGRAMS: readonly (readonly [program: string, atMost: number])[] = [
  ['kvm-pio { @[arg1] = count(); }', 50],
  ['kvm-pio /arg1 == 1/ { @[arg1] = count(); }', 15],
  ['kvm-pio { @[arg0, arg1] = quantize(arg2); }', 80],
  ['kvm-pio { printf("%d %x %d\\n", args[0], args[1], args[2]); }', 150],
  ['kvm-pio { @[execname, args[1]] = sum(args[2]); }', 150],
  ['kvm-pio { n[arg1]++; self->last = timestamp; }', 80],
];

function compiled(text: string): CompiledProgram {
  const request = traceRequest({ ...NOTHING, specifiers: [{ form: 'name', text: 'BEGIN' }] }, { command: 'bench', wait: false });
  const sources = [{ form: 'name', name: text, text, args: [] }] as const;
  return compile(sources, localEnvironment({ ...request, sources }, new ProbeRegistry())).program;
}

/** mov ecx, n; out 80h, al; dec ecx; jnz; hlt */
const code = (n: number): string => `b9 ${le(n, 4)} e6 80 ff c9 75 fa f4`;

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

class FiringBench {
  readonly #guest = new Guest({ mode: 'long', unclaimed: 'float' });
  readonly #tracer = new Tracer(this.#guest.vm, { stopped: () => {}, paused: () => {} });

  /** CPU seconds of the loop. `arena`: of the program whose records are thrown away. */
  #run(iterations: number, arena?: number): number {
    const { vcpu, vm } = this.#guest;
    this.#guest.enter({ mode: 'long', code: code(iterations) });
    const words = new Int32Array(vm.memory.buffer);
    const start = cpuSeconds();
    for (;;) {
      const { reason } = vcpu.run(vcpu.instructions + SLICE);
      if (arena !== undefined) words[(arena + ARENA.TAIL) >> 2] = words[(arena + ARENA.HEAD) >> 2] as number;
      if (reason === 'hlt') return cpuSeconds() - start;
    }
  }

  disabled(iterations: number): number {
    return this.#run(iterations);
  }

  enabled(program: CompiledProgram, iterations: number): number {
    const around = { pid: 1, vmid: 1, execname: 'bench', vmname: 'bench', zonename: 'global', epochNs: 0n, seed: 0n };
    const running = this.#tracer.add(program, around, false);
    this.#tracer.begin(running);
    const seconds = this.#run(iterations, running.arena);
    this.#tracer.stop(running);
    this.#tracer.release(running);
    return seconds;
  }
}

/** Nanoseconds that a firing costs. */
export function benchFiring(runs: number): Row[] {
  const bench = new FiringBench();
  return PROGRAMS.map(([text, atMost]): Row => {
    const program = compiled(text);
    bench.enabled(program, ITERATIONS / 10);
    bench.disabled(ITERATIONS / 10);
    const values = Array.from({ length: runs }, () => {
      const off = bench.disabled(ITERATIONS);
      return ((bench.enabled(program, ITERATIONS) - off) / ITERATIONS) * 1e9;
    });
    return {
      name: text,
      unit: 'ns',
      lucid: sampleOf(values),
      atMost: { value: atMost, of: 'lucid' },
      note: `${ITERATIONS / 1e6} M firings`,
    };
  });
}
