/**
 * Aggregations: values by key, in bounded memory.
 *
 * The memory starts with a table of entries (AGGREGATION in `probes/arena-layout.ts`), then come the hash heads, then elements, taken one after the other.
 * One hash table serves all aggregations of a program. The elements of an aggregation are also in a list of their own, in the order in which they came,
 * for printa and the reader; trunc() gives elements back to a list of their aggregation's, whose elements are all of one size.
 *
 * A key is a row of 8-byte words: integers extended by their sign, text filled up with zeros, so that equal keys are equal words. Finding an element
 * makes it; what does not fit is counted (DROP_AGGREGATION) and the value is lost, as in the original.
 */
import {
  AGG_BYTES, AGG_COUNT, AGG_FIRST, AGG_FREE, AGG_FUNC, AGG_KEY_BYTES, AGG_LAST, AGG_NORMAL, AGG_PARAMETERS, AGG_SIGNED, AGG_TEXT, AGG_VALUE_BYTES,
  ARENA_AGGREGATIONS, ARENA_AGGREGATIONS_BYTES, DROP_AGGREGATION, ELEMENT_CHAIN, ELEMENT_FRESH, ELEMENT_HASH, ELEMENT_ID, ELEMENT_KEY, ELEMENT_NEXT,
} from './constants.gen';
import { AGG_END, AGG_FREE_FROM, AGG_HEADS, AGG_MASK, AGG_TABLE } from './private';
import { arena, drop } from './state';

/** One hash head for so many bytes of memory. */
const BYTES_PER_HEAD: u32 = 128;

/** Lays the memory out for `count` aggregations. It is all zeros. */
export function prepareAggregations(a: usize, count: u32): void {
  const table = load<u32>(a, ARENA_AGGREGATIONS);
  const end = table + load<u32>(a, ARENA_AGGREGATIONS_BYTES);
  const heads = table + (count + 1) * <u32>AGG_BYTES;
  let number: u32 = 16;
  while (heads < end && number * 2 * BYTES_PER_HEAD <= end - heads) number *= 2;
  store<u32>(a, table, AGG_TABLE);
  store<u32>(a, heads, AGG_HEADS);
  store<u32>(a, number - 1, AGG_MASK);
  const first = heads + number * 4;
  store<u32>(a, first, AGG_FREE_FROM);
  store<u32>(a, max<u32>(first, end), AGG_END);
}

// @ts-ignore: decorator
@inline
export function entryOf(id: u32): usize {
  return <usize>load<u32>(arena, AGG_TABLE) + <usize>id * AGG_BYTES;
}

/** Describes an aggregation. `text`: which words of its key are text. */
export function describeAggregation(id: u32, func: u32, keyBytes: u32, valueBytes: u32, signed: u32, text: u64): void {
  const entry = entryOf(id);
  store<u32>(entry, func, AGG_FUNC);
  store<u32>(entry, keyBytes, AGG_KEY_BYTES);
  store<u32>(entry, valueBytes, AGG_VALUE_BYTES);
  store<u32>(entry, signed, AGG_SIGNED);
  store<u64>(entry, text, AGG_TEXT);
  store<i64>(entry, 1, AGG_NORMAL);
}

/** Parameter `n` of a quantizing function. */
export function aggregationParameter(id: u32, n: u32, value: i64): void {
  store<i64>(entryOf(id) + (n << 3), value, AGG_PARAMETERS);
}

/** Makes an element with this hash; its key is to be filled in. 0 = no memory. */
function create(id: u32, hash: u32): usize {
  const entry = entryOf(id);
  const keyBytes = load<u32>(entry, AGG_KEY_BYTES);
  const valueBytes = load<u32>(entry, AGG_VALUE_BYTES);
  let element = <usize>load<u32>(entry, AGG_FREE);
  if (element != 0) {
    store<u32>(entry, load<u32>(element, ELEMENT_NEXT), AGG_FREE);
    memory.fill(element + ELEMENT_KEY + keyBytes, 0, valueBytes);
  } else {
    const bytes = <u32>ELEMENT_KEY + keyBytes + valueBytes;
    const next = load<u32>(arena, AGG_FREE_FROM);
    if (bytes > load<u32>(arena, AGG_END) - next) {
      drop(DROP_AGGREGATION);
      return 0;
    }
    store<u32>(arena, next + bytes, AGG_FREE_FROM);
    element = next;
  }
  const head = <usize>load<u32>(arena, AGG_HEADS) + ((hash & load<u32>(arena, AGG_MASK)) << 2);
  store<u32>(element, load<u32>(head), ELEMENT_CHAIN);
  store<u32>(head, <u32>element);
  store<u32>(element, hash, ELEMENT_HASH);
  store<u32>(element, id, ELEMENT_ID);
  store<u32>(element, 1, ELEMENT_FRESH);
  store<u32>(element, 0, ELEMENT_NEXT);
  const last = load<u32>(entry, AGG_LAST);
  if (last == 0) store<u32>(entry, <u32>element, AGG_FIRST);
  else store<u32>(last, <u32>element, ELEMENT_NEXT);
  store<u32>(entry, <u32>element, AGG_LAST);
  store<u32>(entry, load<u32>(entry, AGG_COUNT) + 1, AGG_COUNT);
  return element;
}

/** Multiplies and folds: a word of a key into a hash. */
// @ts-ignore: decorator
@inline
export function mixWord(hash: u64, word: u64): u64 {
  const h = (hash ^ word) * 0x9e3779b97f4a7c15;
  return h ^ (h >> 32);
}

/** Place of the value for no key at all; 0 = no memory. */
export function aggregation0(id: u32): usize {
  const element = <usize>load<u32>(entryOf(id), AGG_FIRST);
  if (element != 0) return element + ELEMENT_KEY;
  const made = create(id, <u32>mixWord(id, 0));
  return made == 0 ? 0 : made + ELEMENT_KEY;
}

/** Place of the value for a key of one word. */
export function aggregation1(id: u32, key: u64): usize {
  const hash = <u32>mixWord(id, key);
  let element = <usize>load<u32>(<usize>load<u32>(arena, AGG_HEADS) + ((hash & load<u32>(arena, AGG_MASK)) << 2));
  while (element != 0) {
    if (load<u64>(element, ELEMENT_KEY) == key && load<u32>(element, ELEMENT_ID) == id) return element + (ELEMENT_KEY + 8);
    element = load<u32>(element, ELEMENT_CHAIN);
  }
  element = create(id, hash);
  if (element == 0) return 0;
  store<u64>(element, key, ELEMENT_KEY);
  return element + (ELEMENT_KEY + 8);
}

/** Place of the value for a key of two words. */
export function aggregation2(id: u32, first: u64, second: u64): usize {
  const hash = <u32>mixWord(mixWord(id, first), second);
  let element = <usize>load<u32>(<usize>load<u32>(arena, AGG_HEADS) + ((hash & load<u32>(arena, AGG_MASK)) << 2));
  while (element != 0) {
    if (load<u64>(element, ELEMENT_KEY) == first && load<u64>(element, ELEMENT_KEY + 8) == second && load<u32>(element, ELEMENT_ID) == id)
      return element + (ELEMENT_KEY + 16);
    element = load<u32>(element, ELEMENT_CHAIN);
  }
  element = create(id, hash);
  if (element == 0) return 0;
  store<u64>(element, first, ELEMENT_KEY);
  store<u64>(element, second, ELEMENT_KEY + 8);
  return element + (ELEMENT_KEY + 16);
}

/** A hash over a key of `bytes` (a multiple of 8); where all is 0, as at the end of a text, 32 bytes cost as little as one. */
export function hashKey(seed: u32, key: usize, bytes: u32): u32 {
  let hash = <u64>seed;
  const end = key + bytes;
  let at = key;
  while (at + 32 <= end) {
    if (v128.any_true(v128.or(v128.load(at), v128.load(at, 16)))) {
      hash = mixWord(mixWord(mixWord(mixWord(hash, load<u64>(at)), load<u64>(at, 8)), load<u64>(at, 16)), load<u64>(at, 24));
    } else hash = rotl<u64>(hash, 5);
    at += 32;
  }
  for (; at < end; at += 8) hash = mixWord(hash, load<u64>(at));
  return <u32>(hash ^ (hash >> 32));
}

// @ts-ignore: decorator
@inline
export function sameKey(a: usize, b: usize, bytes: u32): bool {
  let i: u32 = 0;
  for (; i + 32 <= bytes; i += 32) {
    const first = v128.xor(v128.load(a + i), v128.load(b + i));
    const second = v128.xor(v128.load(a + i, 16), v128.load(b + i, 16));
    if (v128.any_true(v128.or(first, second))) return false;
  }
  for (; i < bytes; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false;
  return true;
}

/** Place of the value for the key of `bytes` at a place. */
export function aggregationN(id: u32, key: usize, bytes: u32): usize {
  const hash = hashKey(id, key, bytes);
  let element = <usize>load<u32>(<usize>load<u32>(arena, AGG_HEADS) + ((hash & load<u32>(arena, AGG_MASK)) << 2));
  while (element != 0) {
    if (load<u32>(element, ELEMENT_HASH) == hash && load<u32>(element, ELEMENT_ID) == id && sameKey(element + ELEMENT_KEY, key, bytes))
      return element + ELEMENT_KEY + bytes;
    element = load<u32>(element, ELEMENT_CHAIN);
  }
  element = create(id, hash);
  if (element == 0) return 0;
  memory.copy(element + ELEMENT_KEY, key, bytes);
  return element + ELEMENT_KEY + bytes;
}

/** clear(): keys stay, values are as if they had never been. */
export function clear(id: u32): void {
  const entry = entryOf(id);
  const keyBytes = load<u32>(entry, AGG_KEY_BYTES);
  const valueBytes = load<u32>(entry, AGG_VALUE_BYTES);
  for (let element = <usize>load<u32>(entry, AGG_FIRST); element != 0; element = load<u32>(element, ELEMENT_NEXT)) {
    memory.fill(element + ELEMENT_KEY + keyBytes, 0, valueBytes);
    store<u32>(element, 1, ELEMENT_FRESH);
  }
}

/** normalize() and denormalize(). */
export function normalize(id: u32, factor: i64): void {
  store<i64>(entryOf(id), factor, AGG_NORMAL);
}
