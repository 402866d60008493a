/**
 * The CPU core: what the monitor calls. Every function takes the address of a vCPU's state (vmm/cpu/layout.ts).
 */
export { readFlags, writeFlags } from './flags';
export { vmentry } from './exits';
export { dropAllCode } from './lines';
export { modeChanged, tlbFlush, translate } from './mmu';
export { run } from './run';
export { dmaWritten, reset } from './reset';
