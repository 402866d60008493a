/**
 * Speculations: records that wait for a verdict.
 *
 * Each has a buffer in the arena: a header (SPECULATION in `probes/arena-layout.ts`), then records as they would stand in the ring. commit() copies them there,
 * with the time of the commit (they appear then) and the flag that tells so; discard() forgets them. Identifiers count from 1. All of one firing's
 * clauses run in one thread, so commit and discard are over when they return, and no speculation is ever busy.
 */
import {
  ARENA_RING_BYTES, ARENA_SPECULATIONS, ARENA_SPECULATIONS_COUNT, ARENA_SPECULATION_BYTES, ARENA_TAIL, ARENA_HEAD, ARENA_POLICY, ARENA_WAIT, DROP_PRINCIPAL,
  DROP_SPEC, DROP_SPECUNAVAIL, FAULT_ILLOP, POLICY_SWITCH, RECORD_FLAGS, RECORD_SIZE, RECORD_TIMESTAMP, SPEC_HEADER, SPEC_STATE, SPEC_USED,
} from './constants.gen';
import { claim, commit, header } from './ring';
import { arena, clock, cpu, drop, raise } from './state';

const FREE: u32 = 0;
const ACTIVE: u32 = 1;
const COMMITTED: u32 = 1;

function bufferOf(id: u64): usize {
  return <usize>load<u32>(arena, ARENA_SPECULATIONS) + (<u32>id - 1) * load<u32>(arena, ARENA_SPECULATION_BYTES);
}

/** The buffer of an active speculation; 0 = it is none. An identifier that cannot be is an illegal operation. */
function active(id: u64): usize {
  if (id == 0) return 0;
  if (id > <u64>load<u32>(arena, ARENA_SPECULATIONS_COUNT)) {
    raise(FAULT_ILLOP, 0);
    return 0;
  }
  const buffer = bufferOf(id);
  return load<u32>(buffer, SPEC_STATE) == ACTIVE ? buffer : 0;
}

/** speculation(): a free one's identifier, 0 when there is none. */
export function speculation(): u64 {
  const count = load<u32>(arena, ARENA_SPECULATIONS_COUNT);
  for (let id: u32 = 1; id <= count; id++) {
    const buffer = bufferOf(id);
    if (load<u32>(buffer, SPEC_STATE) != FREE) continue;
    store<u32>(buffer, ACTIVE, SPEC_STATE);
    store<u32>(buffer, 0, SPEC_USED);
    return id;
  }
  drop(DROP_SPECUNAVAIL);
  return 0;
}

/** Room for the clause's record in a speculation, its header filled in; 0 = the clause ends here. */
export function speculate(id: u64, epid: u32, bytes: u32): usize {
  const buffer = active(id);
  if (buffer == 0) return 0;
  const used = load<u32>(buffer, SPEC_USED);
  if (used + bytes > load<u32>(arena, ARENA_SPECULATION_BYTES) - <u32>SPEC_HEADER) {
    drop(DROP_SPEC);
    return 0;
  }
  const at = buffer + SPEC_HEADER + used;
  header(at, bytes, epid, 0);
  return at;
}

/** Ends the clause's record. */
export function speculated(id: u64, bytes: u32): void {
  const buffer = bufferOf(id);
  store<u32>(buffer, load<u32>(buffer, SPEC_USED) + bytes, SPEC_USED);
}

/** True when all of it fits the ring at once, or need not. */
function fits(bytes: u32): bool {
  if (load<u32>(arena, ARENA_POLICY) != POLICY_SWITCH || load<u32>(arena, ARENA_WAIT) != 0) return true;
  return load<u32>(arena, ARENA_RING_BYTES) - (load<u32>(arena, ARENA_HEAD) - atomic.load<u32>(arena + ARENA_TAIL)) >= bytes;
}

export function commitSpeculation(id: u64): void {
  const buffer = active(id);
  if (buffer == 0) return;
  store<u32>(buffer, FREE, SPEC_STATE);
  const used = load<u32>(buffer, SPEC_USED);
  if (!fits(used)) {
    drop(DROP_PRINCIPAL);
    return;
  }
  const now = clock(cpu);
  for (let done: u32 = 0; done < used; ) {
    const from = buffer + SPEC_HEADER + done;
    const bytes = load<u32>(from, RECORD_SIZE);
    const at = claim(bytes);
    if (at == 0) return;
    memory.copy(at, from, bytes);
    store<u64>(at, now, RECORD_TIMESTAMP);
    store<u32>(at, COMMITTED, RECORD_FLAGS);
    commit();
    done += bytes;
  }
}

export function discard(id: u64): void {
  const buffer = active(id);
  if (buffer != 0) store<u32>(buffer, FREE, SPEC_STATE);
}
