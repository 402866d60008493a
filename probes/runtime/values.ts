/**
 * What an aggregating function does with a value: by the place that aggregation.ts found. count, sum and avg are a few instructions that compiled code
 * has inline; these are the others. Buckets are those of the Dynamic Tracing Guide, chapter 9.
 */
import { AGG_KEY_BYTES, ELEMENT_FRESH, ELEMENT_KEY } from './constants.gen';
import { entryOf } from './aggregation';

/** The element of a value's place. */
// @ts-ignore: decorator
@inline
function elementOf(id: u32, place: usize): usize {
  return place - load<u32>(entryOf(id), AGG_KEY_BYTES) - ELEMENT_KEY;
}

export function minimum(id: u32, place: usize, value: i64): void {
  const element = elementOf(id, place);
  if (load<u32>(element, ELEMENT_FRESH) == 0 && load<i64>(place) <= value) return;
  store<u32>(element, 0, ELEMENT_FRESH);
  store<i64>(place, value);
}

export function maximum(id: u32, place: usize, value: i64): void {
  const element = elementOf(id, place);
  if (load<u32>(element, ELEMENT_FRESH) == 0 && load<i64>(place) >= value) return;
  store<u32>(element, 0, ELEMENT_FRESH);
  store<i64>(place, value);
}

/** High half of an unsigned product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32;
  const bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const other = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (other >> 32);
}

/** count, sum, and a 128-bit sum of squares, low half first. */
export function deviation(place: usize, value: i64): void {
  store<u64>(place, load<u64>(place) + 1);
  store<i64>(place, load<i64>(place, 8) + value, 8);
  const size = value < 0 ? <u64>-value : <u64>value;
  const square = size * size;
  const low = load<u64>(place, 16) + square;
  store<u64>(place, low, 16);
  store<u64>(place, load<u64>(place, 24) + multiplyHigh(size, size) + u64(low < square), 24);
}

// @ts-ignore: decorator
@inline
function add(place: usize, bucket: u32, increment: i64): void {
  const at = place + (<usize>bucket << 3);
  store<i64>(at, load<i64>(at) + increment);
}

/** 127 buckets: 0 in the middle, powers of two away from it. */
export function quantize(place: usize, value: i64, increment: i64): void {
  let bucket: i32 = 63;
  if (value > 0) bucket = 127 - <i32>clz(value);
  else if (value < 0) bucket = max(0, <i32>clz(<u64>-value) - 1);
  add(place, bucket, increment);
}

/** Below, `levels` steps, above. */
export function lquantize(place: usize, value: i64, increment: i64, base: i64, step: i64, levels: u32): void {
  if (value < base) {
    add(place, 0, increment);
    return;
  }
  const level = (<u64>value - <u64>base) / <u64>step;
  add(place, level < <u64>levels ? <u32>level + 1 : levels + 1, increment);
}

/**
 * Below factor^low; each order of magnitude up to factor^(high + 1) in `steps` linear steps (fewer where they would be less than 1); above. A magnitude
 * beyond which 64 bits end takes all that is greater. `buckets`: how many there are.
 */
export function llquantize(place: usize, value: i64, increment: i64, factor: i64, low: u32, high: u32, steps: i64, buckets: u32): void {
  let last: i64 = 1;
  for (let order: u32 = 0; order < low; order++) last *= factor;
  let bucket: i64 = 0;
  if (value >= last) {
    bucket = 1;
    let top = last * factor;
    for (let order = low; order <= high; order++) {
      const number = min<i64>(top, steps);
      const next = top * factor;
      const bounded = value >= top && next / factor != top ? top - 1 : value;
      if (bounded < top) {
        bucket += (bounded - last) / (top / number);
        break;
      }
      bucket += number - number / factor;
      last = top;
      top = next;
    }
  }
  add(place, <u32>min<u64>(<u64>bucket, <u64>(buckets - 1)), increment);
}
