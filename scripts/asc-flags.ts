/**
 * How the AssemblyScript modules are compiled: the one place with asc's flags.
 *
 * Each imports the VM's shared memory; its static data stands at a place of its own below guest RAM (`MEMORY_MAP`). They have no runtime
 * (`stub`): no managed objects, no heap.
 *
 * @module
 */
import { MEMORY_MAP } from '../vmm/cpu/layout.ts';

const PAGE = 65536;

/** Pages of the largest memory that WebAssembly can address with 32 bits. */
export const MAX_PAGES = 65536;

/** Pages that every VM has at least: all that stands below guest RAM. */
export const INITIAL_PAGES = MEMORY_MAP.RAM_BASE / PAGE;

/** Where each module's static data may stand: from, to. */
export const STATIC_DATA: Readonly<Record<string, readonly [from: number, to: number]>> = {
  core: [MEMORY_MAP.CORE_DATA, MEMORY_MAP.VM_BASE],
  // The first page of the trace area holds strings of kstats.
  tracer: [MEMORY_MAP.TRACE + 0x1_0000, MEMORY_MAP.RAM_BASE],
};

const MORE: Readonly<Record<string, readonly string[]>> = {
  core: [],
  // Compiled D programs are called through a table that the tracer shares with them.
  tracer: ['--importTable'],
};

/** asc's arguments for a module, but for the input and output files; `quick` when the compiler's time matters more than the code's. */
export function ascFlags(module: string, quick = false): readonly string[] {
  return [
    quick ? '-O1' : '-O3',
    '--runtime',
    'stub',
    '--importMemory',
    '--sharedMemory',
    '--initialMemory',
    String(INITIAL_PAGES),
    '--maximumMemory',
    String(MAX_PAGES),
    '--memoryBase',
    String(STATIC_DATA[module]?.[0]),
    '--enable',
    'threads',
    '--enable',
    'simd',
    '--enable',
    'bulk-memory',
    '--noAssert',
    ...(MORE[module] ?? []),
  ];
}
