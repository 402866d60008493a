/**
 * The machine that host.test.ts runs code on, the same on both sides: memory, segments, and the records that cases and outcomes are kept in.
 *
 * Two areas of 64 KiB (data and stack) hold pages that can be written, one that can only be read and one that is missing, so that operands
 * end at every kind of neighbour. "Windows" are the parts of them that differ from case to case; nothing else may be changed by a case.
 *
 * @module
 */

export const CODE = 0x2000_0000;
export const CODE_BYTES = 0x2000;
export const DATA = 0x1000_0000;
export const STACK = 0x1100_0000;
export const AREA_BYTES = 0x1_0000;
/** What code pages are full of: HLT, which faults in user mode. */
export const FILLER = 0xf4;

export interface Map {
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
  readonly execute: boolean;
}

const area = (address: number): Map[] => [
  { address, length: 0x2000, write: true, execute: false },
  { address: address + 0x2000, length: 0x1000, write: false, execute: false },
  { address: address + 0x4000, length: 0xc000, write: true, execute: false },
];

export const MAPS: readonly Map[] = [...area(DATA), ...area(STACK), { address: CODE, length: CODE_BYTES, write: true, execute: true }];

/** What stands in memory outside the windows. */
export function background(address: number, execute: boolean): number {
  return execute ? FILLER : Math.imul(address, 0x9e3779b1) >>> 24;
}

export interface Window {
  readonly address: number;
  readonly length: number;
}

const edges = (base: number, length: number): Window[] => [
  { address: base, length },
  { address: base + 0x1000 - length, length: 2 * length },
  { address: base + 0x2000 - length, length },
  { address: base + 0x2000, length },
  { address: base + 0x3000 - length, length },
  { address: base + 0x4000, length },
  { address: base + AREA_BYTES - length, length },
];

/** Windows for single operands: page edges of every kind, and a plain one that is 64-byte aligned. */
export const OPERANDS: readonly Window[] = [
  ...edges(DATA, 32),
  { address: DATA + 0x400, length: 64 },
  { address: STACK + 0x800, length: 64 },
];
/** Windows for stack frames, and the plain one for operands. */
export const FRAMES: readonly Window[] = [
  ...edges(STACK, 64),
  { address: STACK + 0x700, length: 512 },
  { address: DATA + 0x400, length: 64 },
];
/** Windows for strings: long ones, two of them across a page's end, and edges. */
export const STRINGS: readonly Window[] = [
  ...edges(DATA, 32).filter((w) => w.address !== DATA + 0x1000 - 32),
  { address: DATA + 0x1000 - 256, length: 512 },
  { address: DATA + 0x1800, length: 256 },
  { address: DATA + 0x6000 - 256, length: 512 },
];

/** Windows for long strings. */
export const LONG_STRINGS: readonly Window[] = [
  { address: DATA + 0x4000, length: 0x2800 },
  { address: DATA + 0x9000, length: 0x2800 },
];
/** Windows in the code pages, before and behind all code: stores to pages that hold decoded code. */
export const CODE_PAGES: readonly Window[] = [
  { address: CODE + 0x40, length: 64 },
  { address: CODE + 0x1800, length: 64 },
  { address: STACK + 0x800, length: 64 },
];

/** A segment as the state holds it; `ar` in VMX layout. */
export interface Segment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly ar: number;
}

/** A data or code segment of the LDT (selector 8 * number + 7). */
export interface Entry {
  readonly number: number;
  readonly base: number;
  readonly limit: number;
  /** modify_ldt's: 1 = 32-bit, 2 = expand-down, 4 = code, 8 = read-only. */
  readonly bits: number;
}

const entries: Entry[] = [];

function local(base: number, limit: number, bits: number): Segment {
  const number = entries.length + 1;
  entries.push({ number, base, limit, bits });
  const type = bits & 4 ? 0xb : bits & 2 ? 7 : bits & 8 ? 1 : 3;
  return { selector: 8 * number + 7, base, limit, ar: 0xf0 | type | (bits & 1 ? 0x4000 : 0) };
}

const CODE64: Segment = { selector: 0x33, base: 0, limit: 0xffffffff, ar: 0xa0fb };
const CODE32: Segment = { selector: 0x23, base: 0, limit: 0xffffffff, ar: 0xc0fb };
const FLAT: Segment = { selector: 0x2b, base: 0, limit: 0xffffffff, ar: 0xc0f3 };
const CODE16 = local(CODE, 0xffff, 4);
const DATA16 = local(DATA, 0xffff, 0);
/** The last page but one of the area is outside. */
const SHORT = local(DATA, 0x2fef, 1);
/** Offsets from 800h up. */
const DOWN = local(DATA, 0x7ff, 3);
const STACK16 = local(STACK, 0xffff, 0);
/** A 32-bit stack with a base. */
const STACK32 = local(STACK, 0x2fff, 1);
const READ_ONLY = local(DATA, 0xffff, 9);

export const ENTRIES: readonly Entry[] = entries;

/** How code runs: the width of its addresses and operands, and its segments in the order ES CS SS DS FS GS. */
export interface Mode {
  readonly name: string;
  readonly bits: 64 | 32 | 16;
  readonly segments: readonly Segment[];
  /** The stack pointer's width, which a 32-bit code segment does not decide. */
  readonly stackBits: 64 | 32 | 16;
}

/** FS and GS of 64-bit code are null selectors with a base, as programs have them (ARCH_SET_FS): that takes no LDT. */
const based = (base: number): Segment => ({ selector: 0, base, limit: 0xffffffff, ar: 0xc0f3 });

export const LONG: Mode = { name: '64-bit code', bits: 64, stackBits: 64, segments: [FLAT, CODE64, FLAT, FLAT, based(DATA), based(STACK)] };
export const FLAT32: Mode = { name: '32-bit code, flat', bits: 32, stackBits: 32, segments: [FLAT, CODE32, FLAT, FLAT, SHORT, DOWN] };
export const SEGMENTED32: Mode = {
  name: '32-bit code, segments and a 16-bit stack',
  bits: 32,
  stackBits: 16,
  segments: [SHORT, CODE32, STACK16, DOWN, READ_ONLY, FLAT],
};
export const SEGMENTED16: Mode = {
  name: '16-bit code',
  bits: 16,
  stackBits: 16,
  segments: [SHORT, CODE16, STACK16, DATA16, DOWN, READ_ONLY],
};
export const STACKED16: Mode = {
  name: '16-bit code, 32-bit stack',
  bits: 16,
  stackBits: 32,
  segments: [DATA16, CODE16, STACK32, DATA16, SHORT, FLAT],
};
export const MODES: readonly Mode[] = [LONG, FLAT32, SEGMENTED32, SEGMENTED16, STACKED16];

/** Records: struct input and struct output of host-oracle.c. */
export const IN = { RIP: 128, FLAGS: 136, CODE_LENGTH: 140, CODE_AT: 144, CODE: 152 } as const;
export const OUT = { RIP: 128, FLAGS: 136, VECTOR: 140, ERROR: 144, STRAY: 148, CR2: 152, WINDOWS: 160 } as const;

const align8 = (n: number) => (n + 7) & ~7;

/** Sizes of one batch's records. */
export interface Shape {
  readonly mode: Mode;
  readonly windows: readonly Window[];
  readonly windowBytes: number;
  readonly codeRoom: number;
  readonly inputSize: number;
  readonly outputSize: number;
}

export function shape(mode: Mode, windows: readonly Window[], codeRoom: number): Shape {
  const windowBytes = windows.reduce((sum, w) => sum + w.length, 0);
  return {
    mode,
    windows,
    windowBytes,
    codeRoom,
    inputSize: align8(IN.CODE + codeRoom + windowBytes),
    outputSize: align8(OUT.WINDOWS + windowBytes),
  };
}
