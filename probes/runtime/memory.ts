/**
 * Addresses of D: what a pointer reaches, checked.
 *
 * An address whose high word is D's is a place in the shared memory: a clause may read its own arena, the states of the vCPUs and the structures that
 * arguments of probes point to, and may write its own variables, scratch memory and the values of dynamic variables. Every other address is the guest's
 * (guest.ts) and is read only. What is neither faults: "invalid address".
 *
 * A *place* below is a plain address of the shared memory that is known to be good.
 */
import {
  ARENA_BOUNCE, ARENA_BYTES, ARENA_GLOBALS, ARENA_LOCALS, ARENA_LOCALS_BYTES, ARENA_SCRATCH, ARENA_SCRATCH_BYTES, ARENA_SCRATCH_NEXT,
  ARENA_STRING_BYTES, BOUNCE_BUFFERS, D_BASE, FAULT_BADADDR, FAULT_NOSCRATCH, STATE_SIZE, TRACE, VCPU_BASE, VCPU_STRIDE,
} from './constants.gen';
import { DYN_CHUNK, DYN_END, DYN_FIRST } from './private';
import { guestRead } from './guest';
import { arena, raise } from './state';

/** Bytes at TRACE that hold structures which arguments of probes point to. */
const ARGUMENTS_BYTES: u32 = 0x1_0000;
const VCPUS: u32 = 8;
/** Bytes of a dynamic variable's chunk before its data. */
export const CHUNK_DATA: u32 = 16;

// @ts-ignore: decorator
@inline
export function isD(address: u64): bool {
  return address >> 32 == D_BASE >> 32;
}

// @ts-ignore: decorator
@inline
export function dAddress(place: usize): u64 {
  return D_BASE | <u64>place;
}

/** True when [place, place + bytes) lies in [from, from + size). */
// @ts-ignore: decorator
@inline
function within(place: u32, bytes: u32, from: u32, size: u32): bool {
  return place - from <= size && bytes <= size - (place - from);
}

/** Bytes that may be read from a D place on; 0 = none. */
function readable(place: u32): u32 {
  const own = place - <u32>arena;
  const size = load<u32>(arena, ARENA_BYTES);
  if (own < size) return size - own;
  const state = place - <u32>VCPU_BASE;
  if (state < VCPUS * <u32>VCPU_STRIDE) {
    const offset = state % <u32>VCPU_STRIDE;
    return offset < <u32>STATE_SIZE ? <u32>STATE_SIZE - offset : 0;
  }
  const argument = place - <u32>TRACE;
  return argument < ARGUMENTS_BYTES ? ARGUMENTS_BYTES - argument : 0;
}

/** True when D may write there. */
function mayWrite(place: u32, bytes: u32): bool {
  const variables = load<u32>(arena, ARENA_GLOBALS);
  if (within(place, bytes, variables, load<u32>(arena, ARENA_LOCALS) + load<u32>(arena, ARENA_LOCALS_BYTES) - variables)) return true;
  const scratch = load<u32>(arena, ARENA_SCRATCH);
  if (within(place, bytes, scratch, load<u32>(arena, ARENA_SCRATCH_BYTES))) return true;
  // A chunk's header is the runtime's.
  const first = load<u32>(arena, DYN_FIRST);
  if (!within(place, bytes, first, load<u32>(arena, DYN_END) - first)) return false;
  const chunk = load<u32>(arena, DYN_CHUNK);
  const offset = (place - first) % chunk;
  return offset >= CHUNK_DATA && bytes <= chunk - offset;
}

/** A trusted place for writing `bytes` through a pointer; 0 after a fault. */
export function writable(address: u64, bytes: u32): usize {
  const place = <u32>address;
  if (isD(address) && mayWrite(place, bytes)) return place;
  raise(FAULT_BADADDR, address);
  return 0;
}

/** A byte of D's or the guest's; the number of bytes that follow it without a break is at least 1. 0 = no such address. */
// @ts-ignore: decorator
@inline
function reach(address: u64): usize {
  if (isD(address)) return readable(<u32>address) == 0 ? 0 : <usize>address;
  return address == 0 ? 0 : guestRead(address);
}

/** Little-endian load of 1, 2, 4 or 8 bytes, zero-extended. */
export function loadAt(address: u64, bytes: u32): u64 {
  let at: usize = 0;
  if (isD(address)) {
    if (readable(<u32>address) >= bytes) at = <usize>address;
  } else if ((<u32>address & 0xfff) + bytes <= 4096) at = guestRead(address);
  else return loadAcross(address, bytes);
  if (at == 0) {
    raise(FAULT_BADADDR, address);
    return 0;
  }
  switch (bytes) {
    case 1: return <u64>load<u8>(at);
    case 2: return <u64>load<u16>(at);
    case 4: return <u64>load<u32>(at);
    default: return load<u64>(at);
  }
}

/** The same over the end of a guest's page. */
function loadAcross(address: u64, bytes: u32): u64 {
  let value: u64 = 0;
  for (let i: u32 = 0; i < bytes; i++) {
    const at = guestRead(address + <u64>i);
    if (at == 0) {
      raise(FAULT_BADADDR, address + <u64>i);
      return 0;
    }
    value |= <u64>load<u8>(at) << (i << 3);
  }
  return value;
}

/** Stores through a pointer. */
export function storeAt(address: u64, value: u64, bytes: u32): void {
  const at = writable(address, bytes);
  if (at == 0) return;
  switch (bytes) {
    case 1: store<u8>(at, <u8>value); break;
    case 2: store<u16>(at, <u16>value); break;
    case 4: store<u32>(at, <u32>value); break;
    default: store<u64>(at, value);
  }
}

/** Copies bytes from any address to a place. False after a fault. */
export function copyBytes(to: usize, from: u64, bytes: u32): bool {
  if (isD(from)) {
    if (readable(<u32>from) < bytes) {
      raise(FAULT_BADADDR, from);
      return false;
    }
    memory.copy(to, <usize>from, bytes);
    return true;
  }
  for (let done: u32 = 0; done < bytes; ) {
    const address = from + <u64>done;
    const at = guestRead(address);
    if (at == 0) {
      raise(FAULT_BADADDR, address);
      return false;
    }
    const room: u32 = 4096 - (<u32>address & 0xfff);
    const part = min<u32>(room, bytes - done);
    memory.copy(to + done, at, part);
    done += part;
  }
  return true;
}

/** A structure or array that is assigned through a pointer. */
export function copyTo(to: u64, from: u64, bytes: u32): void {
  const at = writable(to, bytes);
  if (at != 0) copyBytes(at, from, bytes);
}

/** True when one of the eight bytes is 0. */
// @ts-ignore: decorator
@inline
function hasZero(word: u64): bool {
  return ((word - 0x0101010101010101) & ~word & 0x8080808080808080) != 0;
}

/**
 * Copies text of at most `max` bytes with its NUL from any address to a place; what is longer is cut. The rest of the last eight bytes is 0 then,
 * nothing beyond is touched. Returns its length; after a fault the place holds an empty string.
 */
export function copyText(to: usize, from: u64, max: u32): u32 {
  let done: u32 = 0;
  if (isD(from)) {
    const limit = min<u32>(max - 1, readable(<u32>from));
    if (limit == 0 && max > 1) return badText(to, from);
    const at = <usize>from;
    while (done + 8 <= limit) {
      const word = load<u64>(at + done);
      if (hasZero(word)) break;
      store<u64>(to + done, word);
      done += 8;
    }
    while (done < limit) {
      const c = load<u8>(at + done);
      if (c == 0) break;
      store<u8>(to + done, c);
      done++;
    }
  } else {
    if (from == 0) return badText(to, from);
    let at: usize = 0;
    while (done < max - 1) {
      const address = from + <u64>done;
      if (at == 0 || (address & 0xfff) == 0) {
        at = guestRead(address);
        if (at == 0) return badText(to, address);
      }
      const c = load<u8>(at++);
      if (c == 0) break;
      store<u8>(to + done, c);
      done++;
    }
  }
  // NUL and what follows to the multiple of eight; `max` need not be one.
  const end = min<u32>((done + 8) & ~7, max);
  for (let i = done; i < end; i++) store<u8>(to + i, 0);
  return done;
}

function badText(to: usize, address: u64): u32 {
  raise(FAULT_BADADDR, address);
  store<u8>(to, 0);
  return 0;
}

/** Fills a short range with zeros: quicker than a call of the engine's memory.fill. */
export function clearBytes(from: usize, end: usize): void {
  let at = from;
  for (; at + 32 <= end; at += 32) {
    v128.store(at, i64x2(0, 0));
    v128.store(at, i64x2(0, 0), 16);
  }
  for (; at < end; at++) store<u8>(at, 0);
}

/** Text of at most `max` bytes as part of a key: all bytes beyond it, to a multiple of 8, are 0. */
export function keyText(to: usize, from: u64, max: u32): void {
  const length = copyText(to, from, max);
  const used = min<u32>((length + 8) & ~7, max);
  clearBytes(to + used, to + ((max + 7) & ~7));
}

/** A string variable: a word that says whether it is NULL (0xff) or set (1), then the text. */
export function assignText(to: usize, from: u64, max: u32): void {
  if (from == 0) store<u64>(to, 0xff);
  else {
    copyText(to + 8, from, max);
    store<u64>(to, 1);
  }
}

/** Room in scratch memory, aligned to 8; 0 after a fault. */
export function allocate(bytes: u64): usize {
  const at = (load<u32>(arena, ARENA_SCRATCH_NEXT) + 7) & ~7;
  const end = load<u32>(arena, ARENA_SCRATCH) + load<u32>(arena, ARENA_SCRATCH_BYTES);
  if (at > end || bytes > <u64>(end - at)) {
    raise(FAULT_NOSCRATCH, 0);
    return 0;
  }
  store<u32>(arena, at + <u32>bytes, ARENA_SCRATCH_NEXT);
  return at;
}

/** Gives back what was allocated last from `end` on. */
export function trim(end: usize): void {
  store<u32>(arena, <u32>end, ARENA_SCRATCH_NEXT);
}

/** strsize. */
// @ts-ignore: decorator
@inline
export function stringBytes(): u32 {
  return load<u32>(arena, ARENA_STRING_BYTES);
}

/**
 * Bytes that stay as they are while a subroutine works, from a D place on: not the bounce buffers, and of scratch memory only what is taken. What
 * is not steady is copied before it is used, so that a text cannot lose its end by the very result that is made of it.
 */
function steady(place: u32): u32 {
  const scratch = place - load<u32>(arena, ARENA_SCRATCH);
  if (scratch < load<u32>(arena, ARENA_SCRATCH_BYTES)) {
    const next = load<u32>(arena, ARENA_SCRATCH_NEXT);
    return place < next ? next - place : 0;
  }
  if (place - load<u32>(arena, ARENA_BOUNCE) < BOUNCE_BUFFERS * bounceBytes()) return 0;
  return readable(place);
}

/** Bytes of a bounce buffer. */
// @ts-ignore: decorator
@inline
function bounceBytes(): u32 {
  return (stringBytes() + 15) & ~7;
}

/**
 * A string argument of a subroutine as a trusted place with a NUL within strsize: where it stands, or a copy in bounce buffer `buffer`. An empty
 * string after a fault.
 */
export function text(address: u64, buffer: u32): usize {
  const max = stringBytes();
  if (isD(address)) {
    const limit = min<u32>(max, steady(<u32>address));
    const at = <usize>address;
    for (let i: u32 = 0; i < limit; i++) if (load<u8>(at + i) == 0) return at;
  }
  const to = <usize>load<u32>(arena, ARENA_BOUNCE) + buffer * bounceBytes();
  copyText(to, address, max);
  return to;
}

/** Length of a trusted string. */
export function lengthOf(at: usize): u32 {
  let end = at;
  while (load<u8>(end) != 0) end++;
  return <u32>(end - at);
}
