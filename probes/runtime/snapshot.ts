/**
 * An aggregation as it is now, written to the ring before the record of the clause whose printa wants it (SPECIAL.SNAPSHOT in `probes/arena.ts`).
 *
 * In parts of at most half the ring, so that one always fits an empty ring. A part that is dropped drops the clause: the reader starts anew at the
 * next first part.
 */
import {
  AGG_COUNT, AGG_FIRST, AGG_KEY_BYTES, AGG_NORMAL, AGG_VALUE_BYTES, ARENA_RING_BYTES, DROP_PRINCIPAL, ELEMENT_KEY, ELEMENT_NEXT, EPID_SNAPSHOT, RECORD_HEADER,
} from './constants.gen';
import { entryOf } from './aggregation';
import { claimOwn, commit, header } from './ring';
import { arena, cpu, drop } from './state';

const PART_HEADER: u32 = <u32>RECORD_HEADER + 24;
const FIRST: u32 = 1;
const LAST: u32 = 2;

/** False when something was dropped: the clause ends. */
export function snapshot(id: u32): bool {
  const entry = entryOf(id);
  const data = load<u32>(entry, AGG_KEY_BYTES) + load<u32>(entry, AGG_VALUE_BYTES);
  const each: u32 = 8 + data;
  const room = load<u32>(arena, ARENA_RING_BYTES) / 2;
  const perPart = (room - PART_HEADER) / each;
  if (perPart == 0) {
    drop(DROP_PRINCIPAL);
    return false;
  }
  let left = load<u32>(entry, AGG_COUNT);
  let element = <usize>load<u32>(entry, AGG_FIRST);
  let flags = FIRST;
  do {
    const number = min<u32>(left, perPart);
    left -= number;
    if (left == 0) flags |= LAST;
    const bytes = PART_HEADER + number * each;
    const at = claimOwn(bytes);
    if (at == 0) return false;
    header(at, bytes, EPID_SNAPSHOT, 0);
    store<u32>(at, id, RECORD_HEADER);
    store<u32>(at, flags, RECORD_HEADER + 4);
    store<u32>(at, number, RECORD_HEADER + 8);
    store<u32>(at, 0, RECORD_HEADER + 12);
    store<i64>(at, load<i64>(entry, AGG_NORMAL), RECORD_HEADER + 16);
    let to = at + PART_HEADER;
    for (let i: u32 = 0; i < number; i++) {
      store<u32>(to, each);
      store<u32>(to, 0, 4);
      memory.copy(to + 8, element + ELEMENT_KEY, data);
      to += each;
      element = load<u32>(element, ELEMENT_NEXT);
    }
    commit();
    flags = 0;
  } while (left != 0);
  return true;
}
