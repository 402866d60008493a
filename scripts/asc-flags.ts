/**
 * How the CPU core is compiled: the one place with asc's flags.
 *
 * The module imports the VM's shared memory; its static data stands at MEMORY_MAP.CORE_DATA, below everything that a VM keeps there. It has
 * no runtime (`stub`): no managed objects, no heap.
 *
 * @module
 */
import { MEMORY_MAP } from '../vmm/cpu/layout.ts';

const PAGE = 65536;

/** Pages of the largest memory that WebAssembly can address with 32 bits. */
export const MAX_PAGES = 65536;

/** Pages that every VM has at least: all that stands below guest RAM. */
export const INITIAL_PAGES = MEMORY_MAP.RAM_BASE / PAGE;

/** asc's arguments but for the input and output files. */
export const ASC_FLAGS: readonly string[] = [
  '-O3',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  String(INITIAL_PAGES),
  '--maximumMemory',
  String(MAX_PAGES),
  '--memoryBase',
  String(MEMORY_MAP.CORE_DATA),
  '--enable',
  'threads',
  '--enable',
  'simd',
  '--enable',
  'bulk-memory',
  '--noAssert',
];
