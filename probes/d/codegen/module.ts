/**
 * The WebAssembly module of a program in the making: its imports, its constants, its variables.
 *
 * Imports: the VM's memory, `env.arena` and `env.variables` (places of this instance's arena and of the variables in it), and the runtime. Constants are
 * one segment that the module's `init` copies to where the arena has them.
 *
 * @module
 */
import { I32 } from '../../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../../vmm/wasm/module.ts';
import { Writer } from '../../../vmm/wasm/writer.ts';
import { byteString } from '../../byte-string.ts';
import { CONSTANTS_OFFSET } from '../../arena-layout.ts';
import type { Probe } from '../tree.ts';
import { RUNTIME, type RuntimeFunction } from './runtime.ts';
import type { VariableLayout } from './variables.ts';

/** A shared memory of any size fits these limits. */
const MEMORY_LIMITS = { initial: 1, maximum: 65536, shared: true } as const;

/** A probe's description among the constants: u32 each, offsets of texts from the arena. */
export const PROBE_RECORD = { ID: 0, PROVIDER: 4, MODULE: 8, FUNCTION: 12, NAME: 16, BYTES: 24 } as const;

/** Bytes of a text. */
const bytesOf = (text: string): Buffer => Buffer.from(byteString(text), 'latin1');

export class ProgramModule {
  readonly builder = new ModuleBuilder();
  readonly variables: VariableLayout;
  /** Globals: places of the arena and of the variables, and the runtime's fault. */
  readonly arena: number;
  readonly variablesBase: number;
  readonly fault: number;
  readonly #functions = new Map<RuntimeFunction, number>();
  readonly #constants = new Writer(1024);
  readonly #texts = new Map<string, number>();
  readonly #probes = new Map<Probe, number>();

  constructor(variables: VariableLayout) {
    this.variables = variables;
    const { builder } = this;
    builder.importMemory('env', 'memory', MEMORY_LIMITS);
    this.arena = builder.importGlobal('env', 'arena', I32, false);
    this.variablesBase = builder.importGlobal('env', 'variables', I32, false);
    this.fault = builder.importGlobal('rt', 'fault', I32, true);
    for (const [name, { params, results }] of RUNTIME) {
      this.#functions.set(name, builder.importFunction('rt', name, builder.type(params, results)));
    }
  }

  /** Index of a function of the runtime. */
  runtime(name: RuntimeFunction): number {
    return this.#functions.get(name) as number;
  }

  /** Offset from the arena of constant bytes, aligned to 8. */
  constant(bytes: Uint8Array): number {
    const constants = this.#constants;
    while (constants.length % 8 !== 0) constants.byte(0);
    const at = CONSTANTS_OFFSET + constants.length;
    constants.append(bytes);
    return at;
  }

  /** Offset from the arena of a text with its NUL. */
  text(value: string): number {
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    const at = this.constant(Buffer.concat([bytesOf(value), Buffer.of(0)]));
    this.#texts.set(value, at);
    return at;
  }

  /** Offset from the arena of a probe's description. */
  probe(probe: Probe): number {
    const known = this.#probes.get(probe);
    if (known !== undefined) return known;
    const record = new Uint32Array(PROBE_RECORD.BYTES / 4);
    record.set([probe.id, this.text(probe.provider), this.text(probe.module), this.text(probe.func), this.text(probe.name)]);
    const at = this.constant(new Uint8Array(record.buffer));
    this.#probes.set(probe, at);
    return at;
  }

  get constantsBytes(): number {
    return this.#constants.length;
  }

  /** The constants, as a segment for `memory.init`. */
  constantsSegment(): number {
    return this.builder.passiveData(this.#constants.take());
  }
}
