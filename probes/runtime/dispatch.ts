/**
 * Firing: from a probe point to the programs that have it enabled.
 *
 * A point's switch is a bit mask of consumers. For each, its program's dispatcher stands in the shared table at consumer * PER_CONSUMER + slot; it runs the
 * enabled clauses in order. A program that is not ACTIVE (exit() was called, or it is being taken away) is passed over; END alone fires then.
 */
import { ARENA_STATE, ATTENTION, CONSUMERS, SLOT_END, SLOT_PER_CONSUMER, STATE_ACTIVE, STATE_DRAINING, VM_PROBES } from './constants.gen';
import { attend } from './env';
import { enter } from './state';

/** Arenas by consumer, u32 each; 0 = none. */
const ARENAS: usize = memory.data(32);

/** True while clauses run: nothing that they cause fires probes. */
let busy: bool = false;

/** Names a consumer's arena to the runtime; 0 takes it away. */
export function attach(consumer: u32, arena: usize): void {
  if (consumer < CONSUMERS) store<u32>(ARENAS + (<usize>consumer << 2), arena);
}

// @ts-ignore: decorator
@inline
function run(cpu: usize, consumer: u32, slot: u32, from: u32): void {
  const arena = <usize>load<u32>(ARENAS + (<usize>consumer << 2));
  if (arena == 0) return;
  const state = load<u32>(arena, ARENA_STATE);
  if (state < STATE_ACTIVE || state > from) return;
  enter(arena, cpu);
  call_indirect<void>(consumer * SLOT_PER_CONSUMER + slot, cpu);
}

/** Fires a static point: its arguments stand in the vCPU's PROBE_ARG. JavaScript is called only when there is something to do (`attend`). */
export function probe(cpu: usize, point: u32): void {
  if (busy) return;
  let mask = load<u32>(VM_PROBES + (<usize>point << 2)) & ((1 << CONSUMERS) - 1);
  if (mask == 0) return;
  busy = true;
  do {
    run(cpu, ctz(mask), point, STATE_ACTIVE);
    mask &= mask - 1;
  } while (mask != 0);
  busy = false;
  if (load<u32>(ATTENTION) != 0) attend();
}

/** Fires one consumer's probe by its slot: BEGIN, END, profile, tick. Does nothing when the program has none there: ask before. Who calls it looks at ATTENTION. */
export function fire(cpu: usize, consumer: u32, slot: u32): void {
  if (busy) return;
  busy = true;
  run(cpu, consumer, slot, slot == SLOT_END ? STATE_DRAINING : STATE_ACTIVE);
  busy = false;
}
