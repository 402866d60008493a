/**
 * Actions that change more than the tracer's data: exit() and the destructive ones; and the subroutines that copy from and to the guest.
 *
 * copyin and its kin take addresses of the guest's user space, as the original's do: with 64-bit addresses the lower half.
 */
import {
  ARENA_ASK, ARENA_EXIT_STATUS, ARENA_STATE, ATTENTION, CLOCK_OFFSET, FAULT_BADADDR, STATE_ACTIVE, STATE_DRAINING,
} from './constants.gen';
import { written } from './env';
import { guestWrite, isLong } from './guest';
import { allocate, copyBytes, dAddress, isD, lengthOf, text, writable } from './memory';
import { CHILL_FROM, CHILL_SPENT } from './private';
import { stringCopy } from './string';
import { arena, clock, cpu, fault, raise } from './state';

/** False: the program is ending already, and the clause ends. In END the new status counts. */
export function exit(status: i32, isEnd: bool): bool {
  if (load<u32>(arena, ARENA_STATE) != STATE_ACTIVE && !isEnd) return false;
  store<i32>(arena, status, ARENA_EXIT_STATUS);
  if (!isEnd) {
    atomic.store<u32>(arena + ARENA_STATE, STATE_DRAINING);
    store<u32>(ATTENTION, 1);
  }
  return true;
}

/** stop() and its kin: bits of ASK for the VM's thread. */
export function ask(bits: u32): void {
  atomic.or<u32>(arena + ARENA_ASK, bits);
  store<u32>(ATTENTION, 1);
}

const CHILL_INTERVAL: u64 = 1_000_000_000;
const CHILL_MAX: u64 = 500_000_000;

/** chill(): `ns` pass on the VM's clock; at most 500 ms in any second. */
export function chill(ns: u64): void {
  const now = clock(cpu);
  if (now >= load<u64>(arena, CHILL_FROM) + CHILL_INTERVAL) {
    store<u64>(arena, now, CHILL_FROM);
    store<u64>(arena, 0, CHILL_SPENT);
  }
  const spent = load<u64>(arena, CHILL_SPENT);
  const more = min<u64>(ns, CHILL_MAX - spent);
  store<u64>(arena, spent + more, CHILL_SPENT);
  store<u64>(cpu, load<u64>(cpu, CLOCK_OFFSET) + more, CLOCK_OFFSET);
}

/** False, with a fault, when [address, address + bytes) is no user space. */
function user(address: u64, bytes: u64): bool {
  const end = address + bytes;
  if (!isD(address) && end >= address && (!isLong() || end <= 0x0000800000000000)) return true;
  raise(FAULT_BADADDR, address);
  return false;
}

export function alloca(bytes: u64): u64 {
  const at = allocate(bytes);
  if (at == 0) return 0;
  memory.fill(at, 0, <usize>bytes);
  return dAddress(at);
}

export function copyin(address: u64, bytes: u64): u64 {
  if (!user(address, bytes)) return 0;
  const at = allocate(bytes);
  if (at == 0) return 0;
  return copyBytes(at, address, <u32>bytes) ? dAddress(at) : 0;
}

export function copyinstr(address: u64, limit: u64): u64 {
  return user(address, 1) ? stringCopy(address, limit) : 0;
}

export function copyinto(address: u64, bytes: u64, to: u64): void {
  if (user(address, bytes)) bcopy(address, to, bytes);
}

/** Copies to memory of D's own. */
export function bcopy(from: u64, to: u64, bytes: u64): void {
  if (bytes >> 32 != 0) {
    raise(FAULT_BADADDR, to);
    return;
  }
  const at = writable(to, <u32>bytes);
  if (at != 0) copyBytes(at, from, <u32>bytes);
}

/** Writes trusted bytes to the guest, page by page: what stands before a page that cannot be written is written. */
function write(from: usize, address: u64, bytes: u32): void {
  for (let done: u32 = 0; done < bytes; ) {
    const target = address + <u64>done;
    const at = guestWrite(target);
    if (at == 0) {
      raise(FAULT_BADADDR, target);
      return;
    }
    const part = min<u32>(4096 - (<u32>target & 0xfff), bytes - done);
    memory.copy(at, from + done, part);
    written(at, part);
    done += part;
  }
}

export function copyout(from: u64, address: u64, bytes: u64): void {
  if (!user(address, bytes)) return;
  const at = allocate(bytes);
  if (at != 0 && copyBytes(at, from, <u32>bytes)) write(at, address, <u32>bytes);
}

export function copyoutstr(from: u64, address: u64, limit: u64): void {
  const at = text(from, 0);
  if (fault != 0) return;
  const bytes = min<u64>(<u64>lengthOf(at) + 1, limit);
  if (user(address, bytes)) write(at, address, <u32>bytes);
}
