/**
 * Watched addresses: the monitor is told before the instruction at one of them runs (marks of `vmm/exit-log/`).
 *
 * Decoded code is found by host address, so a line cannot know the linear address that it will run at; what it knows is the offset in its page. The
 * decoder ends a line before every instruction whose offset is that of a watched address, and has it run alone (`decode.ts`); the outer loop compares the
 * whole address. So watching costs nothing where nothing is watched, and the guest cannot see it. An instruction that starts again (after a fault, or a
 * repeated one after an interrupt) is met again.
 */
import { watch } from './env';
import { logMark } from './exit-log';
import { CODE_BASE, ICOUNT, MODE, RIP, VM_WATCH, VM_WATCH_COUNT } from './state.gen';

/** Where the last one was met: a stop there must not meet it again. */
let metCpu: usize = 0;
let metAt: u64 = 0;
let metAddress: u64 = 0;

/** An instruction at this page offset may be watched. */
// @ts-ignore: decorator
@inline
export function offsetWatched(offset: u32): bool {
  return load<u32>(VM_WATCH_COUNT) != 0 && someAt(offset);
}

function someAt(offset: u32): bool {
  const count = <usize>load<u32>(VM_WATCH_COUNT);
  for (let i: usize = 0; i < count; i++) if ((load<u32>(VM_WATCH + (i << 3)) & 0xfff) == offset) return true;
  return false;
}

/** Tells of the instruction at CS:RIP when it is watched; true when it did. */
// @ts-ignore: decorator
@inline
export function watched(cpu: usize): bool {
  return load<u32>(VM_WATCH_COUNT) != 0 && meets(cpu);
}

function meets(cpu: usize): bool {
  let linear = load<u64>(cpu, RIP) + load<u64>(cpu, CODE_BASE);
  if (load<u32>(cpu, MODE) != 2) linear &= 0xffffffff;
  const count = <usize>load<u32>(VM_WATCH_COUNT);
  for (let i: usize = 0; i < count; i++) {
    if (load<u64>(VM_WATCH + (i << 3)) != linear) continue;
    const at = load<u64>(cpu, ICOUNT);
    if (metCpu == cpu && metAt == at && metAddress == linear) return false;
    metCpu = cpu;
    metAt = at;
    metAddress = linear;
    logMark(cpu, linear);
    watch(cpu);
    return true;
  }
  return false;
}
