/** Subroutines on path names: basename and dirname by POSIX, cleanpath by the Dynamic Tracing Guide. */
import { finish, copyOf } from './string';
import { allocate, lengthOf, stringBytes, text } from './memory';
import { fault } from './state';

const SLASH: u8 = 47;
const DOT: u8 = 46;

/** Place of a one-byte string constant. */
const SLASH_TEXT: usize = memory.data<u8>([47]);
const DOT_TEXT: usize = memory.data<u8>([46]);

/** End of the path at `p` without its trailing slashes, but for a first one. */
function trimmed(p: usize): usize {
  let end = p + lengthOf(p);
  while (end > p + 1 && load<u8>(end - 1) == SLASH) end--;
  return end;
}

export function basename(s: u64): u64 {
  const p = text(s, 0);
  const end = trimmed(p);
  if (end == p) return copyOf(DOT_TEXT, 1);
  if (end == p + 1 && load<u8>(p) == SLASH) return copyOf(SLASH_TEXT, 1);
  let from = end;
  while (from > p && load<u8>(from - 1) != SLASH) from--;
  return copyOf(from, <u32>(end - from));
}

export function dirname(s: u64): u64 {
  const p = text(s, 0);
  let end = trimmed(p);
  while (end > p && load<u8>(end - 1) != SLASH) end--;
  if (end == p) return copyOf(DOT_TEXT, 1);
  while (end > p + 1 && load<u8>(end - 1) == SLASH) end--;
  return copyOf(p, <u32>(end - p));
}

/** The path without `.`, `..` and doubled slashes, where it can be told without looking at files. */
export function cleanpath(s: u64): u64 {
  const p = text(s, 0);
  const at = fault == 0 ? allocate(stringBytes()) : 0;
  if (at == 0) return 0;
  const absolute = load<u8>(p) == SLASH;
  let from = p;
  let to = at;
  // Components that `..` may take back.
  let depth = 0;
  while (load<u8>(from) != 0) {
    while (load<u8>(from) == SLASH) from++;
    let end = from;
    while (load<u8>(end) != 0 && load<u8>(end) != SLASH) end++;
    const n = end - from;
    if (n == 0) break;
    const dots = n <= 2 && load<u8>(from) == DOT && load<u8>(end - 1) == DOT;
    if (dots && n == 2 && (depth > 0 || absolute)) {
      if (depth > 0) {
        while (to > at && load<u8>(to - 1) != SLASH) to--;
        if (to > at) to--;
        depth--;
      }
    } else if (!dots || n == 2) {
      if (absolute || to > at) store<u8>(to++, SLASH);
      memory.copy(to, from, n);
      to += n;
      if (!dots) depth++;
    }
    from = end;
  }
  // Nothing left is the root or the place itself; of no path there is nothing.
  if (to == at && load<u8>(p) != 0) store<u8>(to++, absolute ? SLASH : DOT);
  return finish(at, to);
}
