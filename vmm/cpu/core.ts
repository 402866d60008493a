/**
 * The CPU core's WebAssembly module: compiled once in a process, instantiated once per VM over that VM's memory.
 *
 * One shared memory holds engine state and guest RAM (`layout.ts`, MEMORY_MAP). It is created at its final size and never grows;
 * pages that nobody touches cost no host memory.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MAX_RAM, MAX_ROM, MEMORY_MAP, TRACE_BYTES } from './layout.ts';

/** What `run` returned. */
export const RUN = {
  DEADLINE: 1,
  SLICE: 2,
  HLT: 3,
  IO: 4,
  MMIO: 5,
  MSR: 6,
  SHUTDOWN: 7,
  INTERNAL: 8,
  EVENT: 9,
  /** PROBE_DEADLINE was reached. */
  PROFILE: 10,
} as const;

/** What a callback tells the core: no such thing (#GP), done, leave `run`, done by an interrupt controller. */
export const CALL = { REFUSED: 0, DONE: 1, LEAVE: 2, DONE_IRQCHIP: 3 } as const;

/** What the core calls. Data of an access stands in the state's IO_DATA. */
export interface CoreImports {
  pio(cpu: number, port: number, size: number, write: number): number;
  mmio(cpu: number, gpaLow: number, gpaHigh: number, size: number, write: number): number;
  msr(cpu: number, index: number, write: number): number;
  /** The vector to inject now, acknowledged, or -1. */
  intack(cpu: number): number;
  tprWritten(cpu: number, tpr: number): void;
  /** The x87 FERR# output rises. */
  ferr(cpu: number): void;
  /** The room for the exit log is full; see `exit-log/`. */
  exitLog?(): void;
  /** A watched address is reached; see `vm.watch`. */
  watch?(cpu: number): void;
  /** A probe point fires; see `probe-gate.ts`. Without it nothing listens. */
  probe?(cpu: number, point: number): void;
}

/** What the core offers. */
export interface CoreExports {
  run(cpu: number): number;
  reset(cpu: number): void;
  modeChanged(cpu: number): void;
  tlbFlush(cpu: number, global: number): void;
  dmaWritten(host: number, length: number): void;
  readFlags(cpu: number): number;
  writeFlags(cpu: number, value: number): void;
  translate(cpu: number, linearLow: number, linearHigh: number, access: number): number;
  dropAllCode(): void;
  vmentry(cpu: number): void;
}

/** The core is missing or does not fit this memory. */
export class CoreError extends Error {
  override readonly name = 'CoreError';
}

const CORE_URL = new URL('../../build/core.wasm', import.meta.url);
const PAGE = 65536;

let compiled: WebAssembly.Module | undefined;
let compiling: Promise<WebAssembly.Module> | undefined;

/** The compiled core; the first call of a process compiles it. */
export function compileCore(): Promise<WebAssembly.Module> {
  if (compiled !== undefined) return Promise.resolve(compiled);
  compiling ??= (async () => {
    if (!existsSync(CORE_URL)) throw missing();
    compiled = await WebAssembly.compile(await readFile(CORE_URL));
    return compiled;
  })();
  return compiling;
}

/** The same, for a caller that cannot wait. */
export function compileCoreSync(): WebAssembly.Module {
  if (compiled === undefined) {
    if (!existsSync(CORE_URL)) throw missing();
    compiled = new WebAssembly.Module(readFileSync(CORE_URL));
  }
  return compiled;
}

/** Takes over a module that another thread compiled. */
export function adoptCore(module: WebAssembly.Module): void {
  compiled ??= module;
}

function missing(): CoreError {
  return new CoreError(`${fileURLToPath(CORE_URL)} is missing: build the CPU core first (npm run build)`);
}

/** Where the memory of enabled D programs stands: after guest RAM, to the end of the VM's memory. */
export function traceArea(ramBytes: number): { readonly from: number; readonly to: number } {
  const from = Math.ceil((MEMORY_MAP.RAM_BASE + ramBytes) / PAGE) * PAGE;
  return { from, to: from + TRACE_BYTES };
}

/** The memory of a VM with `ramBytes` of guest RAM and room for traces behind it. Throws CoreError when the host does not give it. */
export function createMemory(ramBytes: number): WebAssembly.Memory {
  if (ramBytes > MAX_RAM + MAX_ROM)
    throw new CoreError(`guest memory of ${ramBytes} bytes: at most ${MAX_RAM} (3584M) fit a 32-bit WebAssembly memory`);
  const pages = traceArea(ramBytes).to / PAGE;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new CoreError(`this host does not give ${pages >> 4} MiB of address space for guest memory: ${(error as Error).message}`);
  }
}

/** An instance of the core over one VM's memory. */
export function instantiateCore(module: WebAssembly.Module, memory: WebAssembly.Memory, imports: CoreImports): CoreExports {
  const instance = new WebAssembly.Instance(module, {
    env: {
      memory,
      probe() {},
      exitLog() {},
      watch() {},
      ...imports,
      abort(_message: number, _file: number, line: number, column: number): never {
        throw new CoreError(`the CPU core aborted at ${line}:${column}`);
      },
    },
  });
  return instance.exports as unknown as CoreExports;
}
