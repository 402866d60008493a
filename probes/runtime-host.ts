/**
 * The tracer's runtime over one shared memory, and compiled programs over it: what `probes/engine` runs in a VM's thread, and where there is no VM.
 *
 * Imports of build/tracer.wasm: `env.memory`, `env.table` (the dispatchers of all programs, by SLOT of `arena.ts`), `env.written` and `env.attend`. Imports of a
 * compiled program: `env.memory`, `env.arena` and `env.variables` (places of its arena and of the variables in it), and `rt`, the runtime's
 * exports. A program exports `init` and, for each probe, its dispatcher `p<id>`. Every slot of the table that no dispatcher has holds a function
 * that does nothing, so that no firing can trap.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Firing } from '../vmm/cpu/probe-gate.ts';
import { I32 } from '../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../vmm/wasm/module.ts';
import { ARENA, CONSUMERS, SLOT } from './arena.ts';
import type { CompiledProgram } from './program.ts';

const TRACER_URL = new URL('../build/tracer.wasm', import.meta.url);

/** The runtime is missing. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

/** Exports of the runtime that are no compiled program's business. */
interface RuntimeExports extends WebAssembly.ModuleImports {
  readonly probe: Firing;
  readonly fire: (cpu: number, consumer: number, slot: number) => void;
  readonly attach: (consumer: number, arena: number) => void;
  readonly forget: (arena: number, aggregations: number) => void;
}

/** Tells the core that guest RAM was written behind its back (copyout). */
export type Written = (host: number, bytes: number) => void;

let compiled: WebAssembly.Module | undefined;

function compileRuntime(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  let bytes: Buffer<ArrayBuffer>;
  try {
    bytes = readFileSync(TRACER_URL);
  } catch (error) {
    throw new RuntimeError(`${fileURLToPath(TRACER_URL)} is missing: build the tracer's runtime first (npm run build)`, { cause: error });
  }
  compiled = new WebAssembly.Module(bytes);
  return compiled;
}

/** A dispatcher of nothing. */
function nobody(): unknown {
  const m = new ModuleBuilder();
  m.export(
    'nobody',
    'func',
    m.func(m.type([I32], []), () => {}),
  );
  return new WebAssembly.Instance(new WebAssembly.Module(m.finish())).exports['nobody'];
}

export class TracerRuntime {
  /** Fires a static point in all programs that have it enabled; a WebAssembly function, which does not return before `attend` has. */
  readonly probe: Firing;
  /** Called when a firing has left something to do at once (ATTENTION of `arena.ts`). */
  attend: () => void = () => {};
  readonly #memory: WebAssembly.Memory;
  readonly #exports: RuntimeExports;
  readonly #table: WebAssembly.Table;
  readonly #nobody = nobody();

  constructor(memory: WebAssembly.Memory, written: Written) {
    const slots = CONSUMERS * SLOT.PER_CONSUMER;
    this.#memory = memory;
    this.#table = new WebAssembly.Table({ element: 'anyfunc', initial: slots }, this.#nobody);
    const { exports } = new WebAssembly.Instance(compileRuntime(), {
      env: { memory, table: this.#table, written, attend: () => this.attend() },
    });
    this.#exports = exports as unknown as RuntimeExports;
    this.probe = this.#exports.probe;
  }

  /** Fires one program's probe by its slot. */
  fire(cpu: number, consumer: number, slot: number): void {
    this.#exports.fire(cpu, consumer, slot);
  }

  /** Forgets what a program's aggregations hold. */
  forget(arena: number, aggregations: number): void {
    this.#exports.forget(arena, aggregations);
  }

  /** Puts a program's code over its zeroed arena, whose header is filled in, and its probes into their slots (by the number of the probe). */
  load(consumer: number, arena: number, { code }: CompiledProgram, slots: ReadonlyMap<number, number>): void {
    const variables = new DataView(this.#memory.buffer).getUint32(arena + ARENA.GLOBALS, true);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), {
      env: { memory: this.#memory, arena, variables },
      rt: this.#exports,
    });
    (exports['init'] as () => void)();
    for (const [id, slot] of slots) this.#table.set(consumer * SLOT.PER_CONSUMER + slot, exports[`p${id}`]);
    this.#exports.attach(consumer, arena);
  }

  /** Takes a program's code away. */
  unload(consumer: number): void {
    this.#exports.attach(consumer, 0);
    for (let slot = 0; slot < SLOT.PER_CONSUMER; slot++) this.#table.set(consumer * SLOT.PER_CONSUMER + slot, this.#nobody);
  }
}
