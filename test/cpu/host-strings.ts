/**
 * Cases of one string instruction: MOVS CMPS STOS LODS SCAS with and without REP, both directions, overlapping operands, page ends.
 *
 * @module
 */
import { DS, ES, FS, RAX, RCX, RDI, RSI, type Writer } from './host-code.ts';
import { MAPS, type Window } from './host-layout.ts';

type Size = 1 | 2 | 4 | 8;

const MOVS = 0xa4;
const CMPS = 0xa6;
const STOS = 0xaa;
const LODS = 0xac;
const SCAS = 0xae;

/** Windows that offsets of a segment can reach with this address size. */
function reachable(w: Writer, segment: number, asz: number): Window[] {
  const base = baseOf(w, segment);
  return w.shape.windows.filter((x) => x.address >= base && (asz !== 2 || x.address + x.length <= base + 0x10000));
}

function baseOf(w: Writer, segment: number): number {
  return w.mode.bits === 64 && segment < FS ? 0 : (w.mode.segments[segment]?.base ?? 0);
}

/** A run may leave a window by so much, where something stops it. */
const OVER = 32;

/** A run ends with such a window: what lies before it, or behind it, cannot be written or is another window (or wraps to one). */
function stops(w: Writer, x: Window, down: boolean): boolean {
  const edge = down ? x.address : x.address + x.length;
  if (edge % 4096 !== 0) return false;
  const next = down ? edge - OVER : edge;
  const inside = (part: Window) => next >= part.address && next + OVER <= part.address + part.length;
  return !MAPS.some((map) => map.write && inside(map)) || w.shape.windows.some(inside);
}

/** Where a run of `bytes` starts: so that it ends inside a window, or over the end of its page. */
function place(w: Writer, segment: number, asz: number, bytes: number, size: Size, down: boolean): number {
  const r = w.random;
  const windows = reachable(w, segment, asz).filter((x) => x.length >= bytes || stops(w, x, down));
  if (windows.length === 0) return w.nowhere(segment);
  const x = r.pick(windows);
  const room = Math.max(0, x.length - bytes);
  const over = stops(w, x, down) && r.oneIn(2) ? r.below(Math.min(bytes, x.length) + 1) : 0;
  return down ? x.address + x.length - size - r.below(room + 1) - over : x.address + r.below(room + 1) + over;
}

/** The same where nothing can fault, or undefined. */
function safePlace(w: Writer, segment: number, asz: number, bytes: number, size: Size, down: boolean): number | undefined {
  const { base, limit, ar } = w.mode.segments[segment] ?? { base: 0, limit: 0, ar: 0 };
  const flat = w.mode.bits === 64 && segment < FS;
  const fits = (x: Window) => flat || ((ar & 0xc) === 4 ? x.address - base > limit : x.address + x.length - 1 - base <= limit);
  const windows = reachable(w, segment, asz).filter((x) => x.length >= bytes && x.length >= 256 && fits(x));
  if (windows.length === 0) return undefined;
  const x = w.random.pick(windows);
  return down ? x.address + x.length - size : x.address;
}

/** Bytes of few kinds, so that comparisons take a while to fail. */
function even(w: Writer, size: Size): void {
  const r = w.random;
  const byte = r.below(256);
  let until = r.below(128);
  w.fillWindows(() => {
    if (until-- > 0) return byte;
    until = r.below(128);
    return r.below(256);
  });
  if (!r.oneIn(4)) w.set(RAX, BigInt(byte) * 0x0101010101010101n, size);
}

/** A case of one string instruction of up to `most` bytes. */
export function stringCase(w: Writer, most = 250): void {
  const r = w.random;
  w.begin();
  let opcode = r.pick([MOVS, MOVS, CMPS, STOS, LODS, SCAS]);
  const size: Size = r.pick(w.mode.bits === 64 ? [1, 2, 4, 8] : [1, 2, 4]);
  const asz = r.oneIn(5) ? (w.word === 4 ? 2 : 4) : w.word;
  const override = r.oneIn(5) ? r.below(6) : -1;
  const from = override >= 0 && (w.mode.bits !== 64 || override >= FS) ? override : DS;
  const rep = r.pick([0, 0xf3, 0xf3, 0xf2]);
  const down = r.oneIn(3);
  w.flags = (w.flags & ~0x400) | (down ? 0x400 : 0);
  const longest = Math.floor(most / size);
  const count = rep === 0 ? 1 : r.oneIn(8) ? 0 : r.oneIn(2) ? 1 + r.below(4) : 1 + r.below(longest);
  w.set(RCX, rep === 0 ? BigInt(r.u32()) : BigInt(count), rep !== 0 && r.oneIn(4) ? asz : 8);
  const bytes = count * size;
  let source = place(w, from, asz, bytes, size, down);
  let target = place(w, ES, asz, bytes, size, down);
  // Operands that overlap, by less than an element too.
  if (r.oneIn(3)) target = source + r.below(41) - 20;
  if (r.oneIn(3)) source = target + r.pick([0, size, -size, 1, -1]);
  if (opcode === CMPS) {
    // Which operand is read first is each processor's own: one of them must not fault.
    const a = safePlace(w, from, asz, bytes, size, down);
    const b = safePlace(w, ES, asz, bytes, size, down);
    if (a === undefined && b === undefined) opcode = SCAS;
    else if (b === undefined || (a !== undefined && r.oneIn(2))) source = a as number;
    else target = b;
    w.flags &= ~0x40000;
  }
  if (opcode === MOVS || opcode === STOS) target = keep(w, target, bytes, size, down);
  w.set(RSI, BigInt(source - baseOf(w, from)), asz);
  w.set(RDI, BigInt(target - baseOf(w, ES)), asz);
  if (opcode === CMPS || opcode === SCAS) even(w, size);
  w.instruction({ opcode: [size === 1 ? opcode : opcode + 1], osz: size, asz, override, rep });
  w.end(0);
}

/** A target whose writes could end outside every window goes back into one. */
function keep(w: Writer, target: number, bytes: number, size: Size, down: boolean): number {
  const low = down ? target + size - bytes : target;
  const high = low + bytes;
  const fits = w.shape.windows.some((x) => {
    const end = x.address + x.length;
    if (down ? high > end || high <= x.address : low < x.address || low >= end) return false;
    const over = down ? x.address - low : high - end;
    return over <= 0 || (stops(w, x, down) && over <= OVER);
  });
  if (fits) return target;
  const x = w.shape.windows.find((y) => y.length >= 256) as Window;
  return down ? x.address + x.length - size : x.address;
}
