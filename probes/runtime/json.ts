/**
 * json(string, path): the value of an element of a JSON text as a string, as illumos' subroutine of that name gives it.
 *
 * A path is keys separated by dots and indexes in brackets or after a dot: `a.b[0].c`. Strings come without their quotes and with their escapes as they
 * stand, numbers and words as they stand, objects and arrays whole. NULL = there is no such element, or the text is malformed before it.
 */
import { copyOf } from './string';
import { text } from './memory';
import { fault } from './state';

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
const OPEN_BRACKET: u8 = 0x5b;
const CLOSE_BRACKET: u8 = 0x5d;
const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const DOT: u8 = 0x2e;

function skipSpace(from: usize): usize {
  let at = from;
  while (load<u8>(at) == 32 || (load<u8>(at) >= 9 && load<u8>(at) <= 13)) at++;
  return at;
}

/** The closing quote of the string whose first character stands at `from`; 0 = there is none. */
function endOfString(from: usize): usize {
  let at = from;
  while (load<u8>(at) != QUOTE) {
    if (load<u8>(at) == BACKSLASH) at++;
    if (load<u8>(at) == 0) return 0;
    at++;
  }
  return at;
}

/** True for what ends a number or a word. */
function ends(c: u8): bool {
  return c == 0 || c == COMMA || c == CLOSE_BRACE || c == CLOSE_BRACKET || c <= 32;
}

/** What follows the value at `from`; 0 = malformed. */
function endOfValue(from: usize): usize {
  const first = load<u8>(from);
  if (first == QUOTE) {
    const quote = endOfString(from + 1);
    return quote == 0 ? 0 : quote + 1;
  }
  let at = from;
  if (first != OPEN_BRACE && first != OPEN_BRACKET) {
    while (!ends(load<u8>(at))) at++;
    return at == from ? 0 : at;
  }
  let depth = 0;
  while (true) {
    const c = load<u8>(at);
    if (c == 0) return 0;
    if (c == QUOTE) {
      at = endOfString(at + 1);
      if (at == 0) return 0;
    } else if (c == OPEN_BRACE || c == OPEN_BRACKET) depth++;
    else if (c == CLOSE_BRACE || c == CLOSE_BRACKET) {
      depth--;
      if (depth == 0) return at + 1;
    }
    at++;
  }
}

/** The end of the path's element at `from`. */
function endOfElement(from: usize): usize {
  let at = from;
  while (load<u8>(at) != 0 && load<u8>(at) != DOT && load<u8>(at) != OPEN_BRACKET && load<u8>(at) != CLOSE_BRACKET) at++;
  return at;
}

function same(a: usize, b: usize, count: usize): bool {
  for (let i: usize = 0; i < count; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** The value of a key in the object at `from`; 0 = there is none. */
function member(from: usize, key: usize, length: usize): usize {
  let at = skipSpace(from + 1);
  while (load<u8>(at) == QUOTE) {
    const quote = endOfString(at + 1);
    if (quote == 0) return 0;
    const found = quote - at - 1 == length && same(at + 1, key, length);
    at = skipSpace(quote + 1);
    if (load<u8>(at) != COLON) return 0;
    at = skipSpace(at + 1);
    if (found) return at;
    at = endOfValue(at);
    if (at == 0) return 0;
    at = skipSpace(at);
    if (load<u8>(at) != COMMA) return 0;
    at = skipSpace(at + 1);
  }
  return 0;
}

/** The element of an index in the array at `from`; 0 = there is none. */
function item(from: usize, digits: usize, length: usize): usize {
  let left: u32 = 0;
  if (length == 0 || length > 8) return 0;
  for (let i: usize = 0; i < length; i++) {
    const d = <u32>load<u8>(digits + i) - 48;
    if (d > 9) return 0;
    left = left * 10 + d;
  }
  let at = skipSpace(from + 1);
  if (load<u8>(at) == CLOSE_BRACKET) return 0;
  while (left > 0) {
    at = endOfValue(at);
    if (at == 0) return 0;
    at = skipSpace(at);
    if (load<u8>(at) != COMMA) return 0;
    at = skipSpace(at + 1);
    left--;
  }
  return at;
}

export function json(s: u64, path: u64): u64 {
  let at = text(s, 0);
  let element = text(path, 1);
  if (fault != 0) return 0;
  at = skipSpace(at);
  while (load<u8>(element) != 0) {
    if (load<u8>(element) == OPEN_BRACKET || load<u8>(element) == DOT) element++;
    const end = endOfElement(element);
    const container = load<u8>(at);
    if (container == OPEN_BRACE) at = member(at, element, end - element);
    else if (container == OPEN_BRACKET) at = item(at, element, end - element);
    else return 0;
    if (at == 0) return 0;
    element = load<u8>(end) == CLOSE_BRACKET ? end + 1 : end;
  }
  const end = endOfValue(at);
  if (end == 0) return 0;
  return load<u8>(at) == QUOTE ? copyOf(at + 1, <u32>(end - at - 2)) : copyOf(at, <u32>(end - at));
}
