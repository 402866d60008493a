/**
 * trunc(@, n): keeps the n elements of greatest value, or, when n is negative, of least; trunc(@) and n = 0 keep none.
 *
 * Order is that of printing: by value (avg by its quotient, stddev by its root, the quantizing functions by the sum of their buckets' values times their
 * counts, then by the bucket of 0), then by key. The list of the aggregation is merge-sorted in place, so no memory is needed.
 */
import {
  AGG_COUNT, AGG_FIRST, AGG_FREE, AGG_FUNC, AGG_KEY_BYTES, AGG_LAST, AGG_PARAMETERS, AGG_TEXT, ELEMENT_CHAIN, ELEMENT_HASH, ELEMENT_KEY, ELEMENT_NEXT,
  FUNC_avg, FUNC_llquantize, FUNC_lquantize, FUNC_quantize, FUNC_stddev,
} from './constants.gen';
import { entryOf } from './aggregation';
import { AGG_HEADS, AGG_MASK } from './private';
import { arena } from './state';
import { rootOfVariance } from './deviation';

/** Of the aggregation that is being sorted. */
let func: u32 = 0;
let keyBytes: u32 = 0;
let textWords: u64 = 0;
let parameters: usize = 0;

/** Sum of bucket values times counts, and the count of the bucket of 0. */
let weight: f64 = 0;
let zero: i64 = 0;

function weighQuantize(value: usize): void {
  weight = 0;
  for (let i = 0; i < 127; i++) {
    const count = load<i64>(value + (<usize>i << 3));
    if (count == 0 || i == 63) continue;
    const bucket: i64 = i < 63 ? -(<i64>1 << (62 - i)) : <i64>1 << (i - 64);
    weight += <f64>count * <f64>bucket;
  }
  zero = load<i64>(value, 63 << 3);
}

function weighLinear(value: usize): void {
  const base = load<i64>(parameters);
  const step = load<i64>(parameters, 8);
  const levels = <u32>load<i64>(parameters, 16);
  weight = <f64>load<i64>(value) * <f64>(base - 1);
  zero = 0;
  for (let i: u32 = 0; i < levels; i++) {
    const bucket = base + <i64>i * step;
    const count = load<i64>(value + (<usize>(i + 1) << 3));
    weight += <f64>count * <f64>bucket;
    if (bucket == 0) zero = count;
  }
  const top = base + <i64>levels * step;
  weight += <f64>load<i64>(value + (<usize>(levels + 1) << 3)) * <f64>(top + 1);
}

function weighLogLinear(value: usize): void {
  const factor = load<i64>(parameters);
  const low = <u32>load<i64>(parameters, 8);
  const high = <u32>load<i64>(parameters, 16);
  const steps = load<i64>(parameters, 24);
  let last: i64 = 1;
  for (let order: u32 = 0; order < low; order++) last *= factor;
  weight = <f64>load<i64>(value) * <f64>(last - 1);
  zero = 0;
  let at = value + 8;
  for (let order = low; order <= high; order++) {
    const top = last * factor;
    const width = top / min<i64>(top, steps);
    if (width <= 0) break;
    for (let bucket = last; bucket < top && bucket > 0; bucket += width) {
      weight += <f64>load<i64>(at) * <f64>bucket;
      at += 8;
    }
    last = top;
  }
  weight += <f64>load<i64>(at) * <f64>(last + 1);
}

function weigh(value: usize): void {
  if (func == FUNC_quantize) weighQuantize(value);
  else if (func == FUNC_lquantize) weighLinear(value);
  else weighLogLinear(value);
}

/** The number that orders an element whose function has one. */
function single(value: usize): i64 {
  if (func == FUNC_avg) {
    const count = load<i64>(value);
    return count == 0 ? 0 : load<i64>(value, 8) / count;
  }
  return func == FUNC_stddev ? <i64>rootOfVariance(value) : load<i64>(value);
}

function compareKeys(a: usize, b: usize): i32 {
  for (let i: u32 = 0; i < keyBytes; i += 8) {
    let x = load<u64>(a + i);
    let y = load<u64>(b + i);
    if (x == y) continue;
    const word = i >> 3;
    if (word > 63 || ((textWords >> word) & 1) != 0) {
      x = bswap<u64>(x);
      y = bswap<u64>(y);
    }
    return x < y ? -1 : 1;
  }
  return 0;
}

/** Order of two elements: negative when `a` comes first. */
function compare(a: usize, b: usize): i32 {
  const x = a + ELEMENT_KEY;
  const y = b + ELEMENT_KEY;
  if (func >= FUNC_quantize && func <= FUNC_llquantize) {
    weigh(x + keyBytes);
    const w = weight;
    const z = zero;
    weigh(y + keyBytes);
    if (w != weight) return w < weight ? -1 : 1;
    if (z != zero) return z < zero ? -1 : 1;
  } else {
    const v = single(x + keyBytes);
    const w = single(y + keyBytes);
    if (v != w) return v < w ? -1 : 1;
  }
  return compareKeys(x, y);
}

/** Cuts `count` elements off the list at `from`: returns what follows them. */
function split(from: usize, count: u32): usize {
  let at = from;
  for (let i: u32 = 1; at != 0 && i < count; i++) at = load<u32>(at, ELEMENT_NEXT);
  if (at == 0) return 0;
  const rest = <usize>load<u32>(at, ELEMENT_NEXT);
  store<u32>(at, 0, ELEMENT_NEXT);
  return rest;
}

/** Sorts `count` elements bottom-up; `sign` 1 = ascending, -1 = descending. Returns the first. */
function sort(first: usize, count: u32, sign: i32): usize {
  let head = first;
  for (let width: u32 = 1; width < count; width *= 2) {
    let rest = head;
    let tail: usize = 0;
    head = 0;
    while (rest != 0) {
      let a = rest;
      let b = split(a, width);
      rest = split(b, width);
      while (a != 0 || b != 0) {
        let next: usize;
        if (b == 0 || (a != 0 && compare(a, b) * sign <= 0)) {
          next = a;
          a = load<u32>(a, ELEMENT_NEXT);
        } else {
          next = b;
          b = load<u32>(b, ELEMENT_NEXT);
        }
        if (tail == 0) head = next;
        else store<u32>(tail, <u32>next, ELEMENT_NEXT);
        tail = next;
      }
    }
    store<u32>(tail, 0, ELEMENT_NEXT);
  }
  return head;
}

/** Takes an element out of its hash chain. */
function unlink(element: usize): void {
  let at = <usize>load<u32>(arena, AGG_HEADS) + ((load<u32>(element, ELEMENT_HASH) & load<u32>(arena, AGG_MASK)) << 2);
  // A head is a bare link; an element's link stands first in it.
  while (load<u32>(at) != <u32>element) at = load<u32>(at);
  store<u32>(at, load<u32>(element, ELEMENT_CHAIN));
}

export function trunc(id: u32, keep: i64): void {
  const entry = entryOf(id);
  const count = load<u32>(entry, AGG_COUNT);
  const wanted = keep < 0 ? <u64>-keep : <u64>keep;
  if (wanted >= <u64>count) return;
  func = load<u32>(entry, AGG_FUNC);
  keyBytes = load<u32>(entry, AGG_KEY_BYTES);
  textWords = load<u64>(entry, AGG_TEXT);
  parameters = entry + AGG_PARAMETERS;
  const kept = <u32>wanted;
  let element = <usize>load<u32>(entry, AGG_FIRST);
  if (kept != 0) element = sort(element, count, keep < 0 ? 1 : -1);
  store<u32>(entry, kept == 0 ? 0 : <u32>element, AGG_FIRST);
  store<u32>(entry, kept, AGG_COUNT);
  let last: usize = 0;
  for (let i: u32 = 0; i < kept; i++) {
    last = element;
    element = load<u32>(element, ELEMENT_NEXT);
  }
  store<u32>(entry, <u32>last, AGG_LAST);
  if (last != 0) store<u32>(last, 0, ELEMENT_NEXT);
  while (element != 0) {
    const next = <usize>load<u32>(element, ELEMENT_NEXT);
    unlink(element);
    store<u32>(element, load<u32>(entry, AGG_FREE), ELEMENT_NEXT);
    store<u32>(entry, <u32>element, AGG_FREE);
    element = next;
  }
}
