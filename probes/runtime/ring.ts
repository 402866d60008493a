/**
 * The record buffer: a ring with one writer (this) and one reader (another thread), as `probes/arena.ts` describes it.
 *
 * A record is claimed, filled in place and published: HEAD moves last, so the reader never sees half of one, and a clause that faults simply does not
 * publish. What fills the rest of the ring before a record that would wrap (PAD) is published with it.
 *
 * When it is full, bufpolicy decides. switch: the record is dropped and counted, or, under WAIT, the VM waits for the reader, which costs it no
 * virtual time; it looks now and then whether the consumer is still there. fill: tracing ends (FILLED), nothing is counted; END may still use what its
 * records need. ring: the oldest records go.
 */
import {
  ARENA_CAPACITY, ARENA_FILLED, ARENA_HEAD, ARENA_POLICY, ARENA_RESERVE, ARENA_RING, ARENA_RING_BYTES, ARENA_STATE, ARENA_TAIL, ARENA_WAIT, ARENA_WAITING, ATTENTION, DROP_PRINCIPAL,
  EPID_PAD, POLICY_FILL, POLICY_RING, RECORD_CPU, RECORD_EPID, RECORD_FLAGS, RECORD_SIZE, RECORD_TIMESTAMP, STATE_ACTIVE, STATE_IDLE, STATE_STOPPED,
} from './constants.gen';
import { PENDING } from './private';
import { arena, clock, cpu, cpuIndex, drop } from './state';

/** How long the writer waits before it looks again whether there is a consumer: ns. */
const PATIENCE: i64 = 20_000_000;

/** Waits until the ring has `need` free bytes; false when the consumer is gone. */
function waitForReader(a: usize, head: u32, size: u32, need: u32): bool {
  atomic.store<u32>(a + ARENA_WAITING, 1);
  atomic.notify(a + ARENA_WAITING, -1);
  let room = false;
  while (true) {
    const tail = atomic.load<u32>(a + ARENA_TAIL);
    room = size - (head - tail) >= need;
    if (room) break;
    const state = atomic.load<u32>(a + ARENA_STATE);
    if (state == STATE_STOPPED || state == STATE_IDLE) break;
    atomic.wait<i32>(a + ARENA_TAIL, tail, PATIENCE);
  }
  atomic.store<u32>(a + ARENA_WAITING, 0);
  return room;
}

/** Makes `need` free bytes, or counts a drop. */
function makeRoom(a: usize, head: u32, size: u32, need: u32): bool {
  if (need > size) {
    drop(DROP_PRINCIPAL);
    return false;
  }
  const policy = load<u32>(a, ARENA_POLICY);
  if (policy == POLICY_RING) {
    const ring = load<u32>(a, ARENA_RING);
    let tail = load<u32>(a, ARENA_TAIL);
    while (size - (head - tail) < need) tail += load<u32>(ring + (tail & (size - 1)), RECORD_SIZE);
    atomic.store<u32>(a + ARENA_TAIL, tail);
    return true;
  }
  if (load<u32>(a, ARENA_WAIT) != 0 && waitForReader(a, head, size, need)) return true;
  drop(DROP_PRINCIPAL);
  return false;
}

/** fill: what is left but for what END needs. Once full, the ring stays full for all but END. */
function fill(a: usize, head: u32, size: u32, need: u32): bool {
  let room = size - (head - atomic.load<u32>(a + ARENA_TAIL));
  if (load<u32>(a, ARENA_STATE) == STATE_ACTIVE) {
    if (load<u32>(a, ARENA_FILLED) != 0) return false;
    const reserve = load<u32>(a, ARENA_RESERVE);
    room = room > reserve ? room - reserve : 0;
  }
  if (room >= need) return true;
  atomic.store<u32>(a + ARENA_FILLED, 1);
  store<u32>(ATTENTION, 1);
  return false;
}

/** Room for a record of `bytes` (a multiple of 8, at most half of the ring) where all take at most `capacity`; 0 = there is none, which was counted. */
function room(a: usize, bytes: u32, size: u32, capacity: u32): usize {
  let head = load<u32>(a, ARENA_HEAD);
  const left = size - (head & (size - 1));
  const need = max<u32>(left < bytes ? left + bytes : bytes, bytes + size - capacity);
  if (load<u32>(a, ARENA_POLICY) == POLICY_FILL) {
    if (!fill(a, head, size, need)) return 0;
  } else if (size - (head - atomic.load<u32>(a + ARENA_TAIL)) < need) {
    if (!makeRoom(a, head, size, need)) return 0;
  }
  const ring = <usize>load<u32>(a, ARENA_RING);
  if (left < bytes) {
    const pad = ring + (head & (size - 1));
    store<u32>(pad, left, RECORD_SIZE);
    store<u32>(pad, EPID_PAD, RECORD_EPID);
    head += left;
  }
  store<u32>(a, head + bytes, PENDING);
  return ring + (head & (size - 1));
}

/** Room for a record of the program's. */
export function claim(bytes: u32): usize {
  const a = arena;
  return room(a, bytes, load<u32>(a, ARENA_RING_BYTES), load<u32>(a, ARENA_CAPACITY));
}

/** Room for one of the tracer's own, which the size of buffer that was asked for does not bind. */
export function claimOwn(bytes: u32): usize {
  const a = arena;
  const size = load<u32>(a, ARENA_RING_BYTES);
  return room(a, bytes, size, size);
}

/** Writes a record's header. */
// @ts-ignore: decorator
@inline
export function header(at: usize, bytes: u32, epid: u32, flags: u32): void {
  store<u32>(at, bytes, RECORD_SIZE);
  store<u32>(at, epid, RECORD_EPID);
  store<u64>(at, clock(cpu), RECORD_TIMESTAMP);
  store<u32>(at, cpuIndex(cpu), RECORD_CPU);
  store<u32>(at, flags, RECORD_FLAGS);
}

/** A clause's record, its header filled in; 0 = no room. */
export function reserve(epid: u32, bytes: u32): usize {
  const at = claim(bytes);
  if (at != 0) header(at, bytes, epid, 0);
  return at;
}

/** Publishes what was claimed last. */
export function commit(): void {
  atomic.store<u32>(arena + ARENA_HEAD, load<u32>(arena, PENDING));
}

/** A record that was made elsewhere, because others come before it in the ring. False = dropped. */
export function emit(from: usize, epid: u32, bytes: u32): bool {
  const at = claim(bytes);
  if (at == 0) return false;
  memory.copy(at, from, bytes);
  header(at, bytes, epid, 0);
  commit();
  return true;
}
