/**
 * Descriptors, selectors and gates as cases want them: mostly right, with one thing or another wrong.
 *
 * @module
 */
import type { Draft } from './assemble.ts';
import { descriptor, gate, longGate } from './environments.ts';
import * as L from './layout.ts';

const SEL = L.SEL;
/** All but the task of double faults, which is entered as nothing else. */
const FIXED = Object.values(SEL).filter((s) => s < SEL.free && s !== SEL.tssDouble);

/** Those with a limit below the arena's end. */
const SMALL: readonly number[] = [SEL.low32, SEL.low16, SEL.data16, SEL.code16, SEL.user16, SEL.userData16, SEL.kernelData16];

/** Writes a descriptor to a free slot of GDT or LDT; the selector without RPL. */
export function place(d: Draft, low: bigint, high?: bigint): number {
  const { r } = d;
  const local = high === undefined && r.oneIn(4);
  // Every second slot, so that 16-byte descriptors do not meet.
  const slot = local ? 8 * (4 + r.below(28)) : SEL.free + 16 * r.below((L.GDT_LIMIT + 1 - SEL.free) / 16);
  const table = local ? L.LDT : L.GDT;
  d.word(table + slot, low, 8);
  if (high !== undefined) d.word(table + slot + 8, high, 8);
  return slot | (local ? 4 : 0);
}

/** Levels: mostly the one at hand. */
const level = (d: Draft): number => (d.r.oneIn(2) ? d.level : d.r.below(4));
const present = (d: Draft): number => (d.r.oneIn(10) ? 0 : 0x80);

/** Code or data, or now and then any type at all. */
export function segmentDescriptor(d: Draft, want: 'data' | 'code' | 'any'): bigint {
  const { r } = d;
  const what = want === 'any' || r.oneIn(12) ? r.below(32) : want === 'data' ? 0x10 | r.below(8) : 0x18 | r.below(8);
  if (d.long && [1, 3, 4, 5].includes(what)) d.c.tags.add('legacy type');
  const base = d.bits === 16 ? L.ARENA : r.oneIn(6) ? L.ARENA : 0;
  const flags = 8 | (r.oneIn(6) ? r.below(8) : usualFlags(d));
  const small = r.oneIn(16);
  const limit = small ? r.below(0x40) : 0xfffff;
  // What expands down from the top has no byte.
  if (small || (what & 0x1c) === 0x14) d.c.tags.add('limit');
  if ((flags & 6) === 6) d.c.tags.add('L and D');
  return descriptor(base, limit, present(d) | (level(d) << 5) | what, flags);
}

const usualFlags = (d: Draft): number => (d.bits === 64 ? 2 : d.bits === 32 ? 4 : 0);

/** A selector's RPL: mostly the level at hand. */
export const withRpl = (d: Draft, selector: number): number => selector | (d.r.oneIn(3) ? d.r.below(4) : d.level);

/** One of the arena's own. */
function fixed(d: Draft): number {
  const selector = d.r.of(FIXED);
  if (SMALL.includes(selector)) d.c.tags.add('limit');
  return selector;
}

export function dataSelector(d: Draft): number {
  const { r } = d;
  switch (r.below(8)) {
    case 0:
      return r.below(4);
    case 1:
      return withRpl(d, fixed(d));
    case 2:
      // Behind the table's end, or a random one.
      return r.oneIn(2) ? 0x200 + r.below(0x100) : r.below(0x10000);
    default:
      return withRpl(d, place(d, segmentDescriptor(d, r.oneIn(6) ? 'any' : r.oneIn(4) ? 'code' : 'data')));
  }
}

export function codeSelector(d: Draft): number {
  const { r } = d;
  if (r.oneIn(16)) return r.oneIn(3) ? r.below(4) : r.below(0x10000);
  if (r.oneIn(4)) return withRpl(d, fixed(d));
  return withRpl(d, place(d, segmentDescriptor(d, r.oneIn(6) ? 'any' : 'code')));
}

/** Where code that ends at once stands, as an offset for a segment that starts at `base`. */
export function landing(d: Draft): number {
  return d.r.of([L.CODE, L.CODE_OTHER]) + 0x800 - d.base;
}

function notCanonical(d: Draft, chance: number): boolean {
  const chosen = d.r.oneIn(chance);
  if (chosen) d.c.tags.add('not canonical');
  return chosen;
}

/** A call gate to the harness or to a code page. */
export function callGate(d: Draft): number {
  const { r } = d;
  const type = r.oneIn(8) ? r.below(16) : r.oneIn(4) && !d.long ? 4 : 12;
  const access = present(d) | ((r.oneIn(2) ? 3 : level(d)) << 5) | type;
  if (d.long && [1, 3, 4, 5].includes(type)) d.c.tags.add('legacy type');
  if (type === 4 && !d.long) d.c.tags.add('16-bit call gate');
  const selector = r.oneIn(3) ? codeSelector(d) : d.long ? SEL.code64 : type === 4 ? SEL.low32 : SEL.code32;
  const stub = d.harness.stub(d.long ? 64 : 32, L.END.GATE);
  const offset =
    selector === SEL.low32 ? stub - L.HARNESS : (selector & ~3) === SEL.code32 || (selector & ~3) === SEL.code64 ? stub : landing(d);
  if (!d.long) return withRpl(d, place(d, gate(selector, offset, access, r.oneIn(2) ? 0 : r.below(32))));
  const [low, high] = longGate(selector, BigInt(offset), access, r.oneIn(8) ? r.below(256) : 0);
  return withRpl(d, place(d, low, notCanonical(d, 16) ? r.u64() : high));
}

/** Rewrites the gate of `vector`. */
export function interruptGate(d: Draft, vector: number): void {
  const { r } = d;
  const wide = d.long ? 64 : 32;
  const type = r.oneIn(8) ? r.below(32) : r.of(d.long ? [14, 15] : [14, 15, 14, 15, 6, 7, 5]);
  const access = present(d) | ((r.oneIn(3) ? level(d) : 3) << 5) | type;
  const small = type === 6 || type === 7;
  const stub = d.harness.stub(wide, vector);
  const home = d.long ? SEL.code64 : small ? SEL.low32 : SEL.code32;
  if (type === 5) {
    d.c.tags.add('task');
    d.word(L.IDT + 8 * vector, gate(r.oneIn(4) ? dataSelector(d) : SEL.tssOther, 0, access), 8);
    return;
  }
  const selector = r.oneIn(3) ? codeSelector(d) : home;
  const offset = selector === SEL.low32 ? stub - L.HARNESS : selector === home ? stub : landing(d) & (small ? 0xffff : -1);
  if (!d.long) {
    d.word(L.IDT + 8 * vector, gate(selector, offset, access), 8);
    return;
  }
  const ist = r.oneIn(2) ? 0 : r.below(8);
  if (ist !== 0) d.c.tags.add('IST');
  const [low, high] = longGate(selector, BigInt(offset), access, ist);
  d.word(L.IDT + 16 * vector, low, 8);
  d.word(L.IDT + 16 * vector + 8, notCanonical(d, 24) ? r.u64() : high, 8);
}
