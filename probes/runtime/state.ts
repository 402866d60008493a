/**
 * What runs: the arena and the vCPU of the clause in progress, and its fault.
 *
 * A VM's programs run in its one thread, one clause after the other, so these are plain globals of the instance.
 */
import { ARENA_DROPS, ARENA_SCRATCH, ARENA_SCRATCH_NEXT, CLOCK_OFFSET, ICOUNT, VCPU_BASE, VCPU_STRIDE } from './constants.gen';

/** Arena of the program whose clause runs. */
export let arena: usize = 0;
/** The vCPU's state. */
export let cpu: usize = 0;

/**
 * FAULT_* of the clause that runs, 0 = none. Compiled code looks after every call that can raise one, and leaves; the functions here return
 * anything then.
 */
export let fault: u32 = 0;
export let faultAddress: u64 = 0;

/** Number of the firing: what the cache of translations is good for. */
export let firing: u32 = 0;

export function enter(a: usize, c: usize): void {
  arena = a;
  cpu = c;
  fault = 0;
  firing++;
}

/** The first fault of a clause is the one that is reported. */
export function raise(kind: u32, address: u64): void {
  if (fault != 0) return;
  fault = kind;
  faultAddress = address;
}

/** Takes the fault away, for the clause that comes next. */
export function clearFault(): void {
  fault = 0;
}

/** Counts what did not fit. */
export function drop(kind: u32): void {
  const at = arena + (<usize>kind << 2);
  store<u32>(at, load<u32>(at, ARENA_DROPS) + 1, ARENA_DROPS);
}

/** Number of the vCPU. */
// @ts-ignore: decorator
@inline
export function cpuIndex(c: usize): u32 {
  return <u32>((c - VCPU_BASE) / VCPU_STRIDE);
}

/** ns of the VM's clock. */
// @ts-ignore: decorator
@inline
export function clock(c: usize): u64 {
  return load<u64>(c, ICOUNT) + load<u64>(c, CLOCK_OFFSET);
}

/** The start of a clause: the scratch memory of the one before is free. */
// @ts-ignore: decorator
@inline
export function resetScratch(a: usize): void {
  store<u32>(a, load<u32>(a, ARENA_SCRATCH), ARENA_SCRATCH_NEXT);
}
