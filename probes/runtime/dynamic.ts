/**
 * Dynamic variables: elements of associative arrays, in bounded memory (dynvarsize).
 *
 * The memory holds hash heads and chunks, all of one size: that of the program's largest variable (a header of 16 bytes, the key, the value). A chunk that was
 * freed, by assigning 0, is used again first. When none is left the assignment is lost and counted (DROP_DYNAMIC); the original's two other kinds of
 * drops come from cleaning that many processors share, which this has not.
 */
import { ARENA_DYNAMIC, ARENA_DYNAMIC_BYTES, DROP_DYNAMIC } from './constants.gen';
import { hashKey, sameKey } from './aggregation';
import { CHUNK_DATA } from './memory';
import { DYN_CHUNK, DYN_END, DYN_FIRST, DYN_FREE, DYN_HEADS, DYN_MASK, DYN_NEXT } from './private';
import { arena, drop } from './state';

// A chunk's header: u32 each. Its key follows at CHUNK_DATA.
const NEXT: usize = 0;
const HASH: usize = 4;
const ID: usize = 8;

/** `chunk`: bytes of key and value, a multiple of 8. The memory is all zeros. */
export function prepareDynamic(a: usize, chunk: u32): void {
  const from = load<u32>(a, ARENA_DYNAMIC);
  const bytes = load<u32>(a, ARENA_DYNAMIC_BYTES);
  const each = CHUNK_DATA + chunk;
  let heads: u32 = 1;
  while (heads * 2 * (each + 4) <= bytes) heads *= 2;
  const first = (from + heads * 4 + 7) & ~7;
  const end = from + bytes;
  const chunks = first < end ? (end - first) / each : 0;
  store<u32>(a, from, DYN_HEADS);
  store<u32>(a, heads - 1, DYN_MASK);
  store<u32>(a, each, DYN_CHUNK);
  store<u32>(a, first, DYN_FIRST);
  store<u32>(a, first, DYN_NEXT);
  store<u32>(a, first + chunks * each, DYN_END);
  store<u32>(a, 0, DYN_FREE);
}

/** Place of the value of variable `id` for the key of `bytes` at a place; when there is none, 0, or a new one of zeros when `make`. */
export function dynamic(id: u32, key: usize, bytes: u32, make: bool): usize {
  const hash = hashKey(id, key, bytes);
  const head = <usize>load<u32>(arena, DYN_HEADS) + ((hash & load<u32>(arena, DYN_MASK)) << 2);
  let chunk = <usize>load<u32>(head);
  while (chunk != 0) {
    if (load<u32>(chunk, HASH) == hash && load<u32>(chunk, ID) == id && sameKey(chunk + CHUNK_DATA, key, bytes)) return chunk + CHUNK_DATA + bytes;
    chunk = load<u32>(chunk, NEXT);
  }
  if (!make) return 0;
  const each = load<u32>(arena, DYN_CHUNK);
  chunk = load<u32>(arena, DYN_FREE);
  if (chunk != 0) store<u32>(arena, load<u32>(chunk, NEXT), DYN_FREE);
  else {
    chunk = load<u32>(arena, DYN_NEXT);
    if (<u32>chunk >= load<u32>(arena, DYN_END)) {
      drop(DROP_DYNAMIC);
      return 0;
    }
    store<u32>(arena, <u32>chunk + each, DYN_NEXT);
  }
  store<u32>(chunk, load<u32>(head), NEXT);
  store<u32>(head, <u32>chunk);
  store<u32>(chunk, hash, HASH);
  store<u32>(chunk, id, ID);
  memory.copy(chunk + CHUNK_DATA, key, bytes);
  memory.fill(chunk + CHUNK_DATA + bytes, 0, each - CHUNK_DATA - bytes);
  return chunk + CHUNK_DATA + bytes;
}

/** Frees the element for this key. */
export function release(id: u32, key: usize, bytes: u32): void {
  const hash = hashKey(id, key, bytes);
  let link = <usize>load<u32>(arena, DYN_HEADS) + ((hash & load<u32>(arena, DYN_MASK)) << 2);
  // A head is a bare link; a chunk's link stands first in it.
  while (load<u32>(link) != 0) {
    const chunk = <usize>load<u32>(link);
    if (load<u32>(chunk, HASH) == hash && load<u32>(chunk, ID) == id && sameKey(chunk + CHUNK_DATA, key, bytes)) {
      store<u32>(link, load<u32>(chunk, NEXT));
      store<u32>(chunk, load<u32>(arena, DYN_FREE), NEXT);
      store<u32>(arena, <u32>chunk, DYN_FREE);
      return;
    }
    link = chunk;
  }
}
