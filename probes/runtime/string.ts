/**
 * Subroutines on strings. Each takes addresses of any kind, is bounded by strsize and returns a number or a string in scratch memory (0 = NULL), by the
 * rules of the Dynamic Tracing Guide, chapter 10 (actions and subroutines).
 */
import { allocate, copyText, dAddress, isD, lengthOf, stringBytes, text, trim } from './memory';
import { ARENA_STRTOK } from './constants.gen';
import { arena, fault } from './state';

/** Room for a result of strsize bytes; 0 after a fault, of an argument too. */
function result(): usize {
  return fault == 0 ? allocate(stringBytes()) : 0;
}

/** Ends a result at `end` and gives back what it did not need. */
export function finish(at: usize, end: usize): u64 {
  store<u8>(end, 0);
  trim(end + 1);
  return dAddress(at);
}

/** A copy of `count` trusted bytes as a string. */
export function copyOf(from: usize, count: u32): u64 {
  const at = result();
  if (at == 0) return 0;
  const n = min<u32>(count, stringBytes() - 1);
  memory.copy(at, from, n);
  return finish(at, at + n);
}

export function strlen(s: u64): u64 {
  return <u64>lengthOf(text(s, 0));
}

/** Order of two strings as bytes: -1, 0 or 1. NULL is as an empty string. */
export function strcmp(a: u64, b: u64): i32 {
  if (a == b) return 0;
  let p: usize = a == 0 ? 0 : text(a, 0);
  let q: usize = b == 0 ? 0 : text(b, 1);
  if (p == 0) return load<u8>(q) == 0 ? 0 : -1;
  if (q == 0) return load<u8>(p) == 0 ? 0 : 1;
  while (true) {
    const c = load<u8>(p++);
    const d = load<u8>(q++);
    if (c != d) return c < d ? -1 : 1;
    if (c == 0) return 0;
  }
}

export function strjoin(a: u64, b: u64): u64 {
  const at = result();
  if (at == 0) return 0;
  const max = stringBytes();
  const n = copyText(at, a, max);
  copyText(at + n, b, max - n);
  return finish(at, at + n + lengthOf(at + n));
}

/** substr(s, index, length): a negative index counts from the end, a negative length leaves that much out at the end. */
export function substr(s: u64, start: i64, length: i64): u64 {
  const from = text(s, 0);
  const size = <i64>lengthOf(from);
  let index = start;
  let remaining = length;
  if (index < 0) {
    index += size;
    if (index < 0 && remaining >= 0 && index + remaining > 0) {
      remaining += index;
      index = 0;
    }
  }
  if (index < 0 || index >= size) remaining = 0;
  else if (remaining < 0) remaining = max<i64>(0, remaining + size - index);
  else remaining = min<i64>(remaining, size - index);
  return copyOf(from + <u32>(remaining > 0 ? index : 0), <u32>remaining);
}

/** True when trusted `s` starts with the `n` bytes at `t`. */
function starts(s: usize, t: usize, n: u32): bool {
  for (let i: u32 = 0; i < n; i++) if (load<u8>(s + i) != load<u8>(t + i)) return false;
  return true;
}

/** Place of the first occurrence at or after `from`, of `count` in `length` bytes; -1 = none. */
function search(s: usize, length: u32, t: usize, count: u32, from: u32): i32 {
  for (let i = from; i + count <= length; i++) if (starts(s + i, t, count)) return i;
  return -1;
}

export function index(s: u64, t: u64, start: i64): i64 {
  const p = text(s, 0);
  const q = text(t, 1);
  const length = lengthOf(p);
  const count = lengthOf(q);
  const from = start < 0 ? 0 : start > <i64>length ? length : <u32>start;
  return <i64>search(p, length, q, count, from);
}

/** `start`: the last place that counts. */
export function rindex(s: u64, t: u64, start: i64): i64 {
  const p = text(s, 0);
  const q = text(t, 1);
  const length = lengthOf(p);
  const count = lengthOf(q);
  if (count == 0) return start < 0 ? 0 : min<i64>(start, length);
  if (start < 0 || count > length) return -1;
  for (let i = min<i64>(start, length - count); i >= 0; i--) if (starts(p + <u32>i, q, count)) return i;
  return -1;
}

export function strstr(s: u64, t: u64): u64 {
  const p = text(s, 0);
  const length = lengthOf(p);
  const q = text(t, 1);
  const at = search(p, length, q, lengthOf(q), 0);
  return at < 0 ? 0 : copyOf(p + at, length - at);
}

export function strchr(s: u64, c: u32): u64 {
  const p = text(s, 0);
  const length = lengthOf(p);
  for (let i: u32 = 0; i <= length; i++) if (<u32>load<u8>(p + i) == (c & 0xff)) return copyOf(p + i, length - i);
  return 0;
}

export function strrchr(s: u64, c: u32): u64 {
  const p = text(s, 0);
  const length = lengthOf(p);
  for (let i = <i32>length; i >= 0; i--) if (<u32>load<u8>(p + i) == (c & 0xff)) return copyOf(p + i, length - i);
  return 0;
}

/** Bytes that end a token: one bit each. */
const SEPARATORS: usize = memory.data(32, 8);

// @ts-ignore: decorator
@inline
function separates(c: u8): bool {
  return ((load<u8>(SEPARATORS + (c >> 3)) >> (c & 7)) & 1) != 0;
}

/** The next token: of `s`, or, when that is NULL, of what the call before in this clause left. NULL = there is none. */
export function strtok(s: u64, separators: u64): u64 {
  const address = s == 0 ? load<u64>(arena, ARENA_STRTOK) : s;
  if (address == 0) return 0;
  const p = text(address, 0);
  const q = text(separators, 1);
  if (fault != 0) return 0;
  memory.fill(SEPARATORS, 0, 32);
  for (let at = q; load<u8>(at) != 0; at++) {
    const c = load<u8>(at);
    const bits = SEPARATORS + (c >> 3);
    store<u8>(bits, load<u8>(bits) | (1 << (c & 7)));
  }
  let from = p;
  while (load<u8>(from) != 0 && separates(load<u8>(from))) from++;
  let to = from;
  while (load<u8>(to) != 0 && !separates(load<u8>(to))) to++;
  store<u64>(arena, load<u8>(to) == 0 ? 0 : address + <u64>(to - p) + 1, ARENA_STRTOK);
  return to == from ? 0 : copyOf(from, <u32>(to - from));
}

/** A copy with each byte of first..last moved by `by`: toupper, tolower. */
function changeCase(s: u64, first: u8, last: u8, by: i32): u64 {
  const at = result();
  if (at == 0) return 0;
  const n = copyText(at, s, stringBytes());
  for (let p = at; p < at + n; p++) {
    const c = load<u8>(p);
    if (c >= first && c <= last) store<u8>(p, <u8>(<i32>c + by));
  }
  return finish(at, at + n);
}

export function toupper(s: u64): u64 {
  return changeCase(s, 97, 122, -32);
}

export function tolower(s: u64): u64 {
  return changeCase(s, 65, 90, 32);
}

/** A string from guest or D memory as one of D's own: `stringof` of what is to outlive this, copyinstr. `limit`: bytes with the NUL. */
export function stringCopy(s: u64, limit: u64): u64 {
  const at = result();
  if (at == 0) return 0;
  const most = <u32>min<u64>(limit, <u64>stringBytes());
  if (most == 0) return finish(at, at);
  const n = copyText(at, s, most);
  return finish(at, at + n);
}
