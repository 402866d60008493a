/**
 * Records of the fuzzer: a case with its state, and what came of it; the same bytes for the host's side (silicon.c) and the core's.
 *
 * Case and outcome have one layout, so that states are copied and compared word for word. x87 registers stand by their physical number, as
 * in the core's state. Batches are parts of one file, twice cases and twice outcomes: the host runs one batch while the core runs the other.
 *
 * @module
 */

/** Cases of a batch, and bytes of a record. */
export const BATCH = 512;
export const RECORD = 1792;
export const WORDS = RECORD >> 2;

/** Offsets in a record. LENGTH is the outcome's VECTOR, WHAT its ERROR, the windows' addresses its CR2 and bases. */
export const AT = {
  REGS: 0,
  RIP: 128,
  FLAGS: 136,
  LENGTH: 140,
  VECTOR: 140,
  WHAT: 144,
  ERROR: 144,
  MXCSR: 148,
  FCW: 152,
  FSW: 154,
  FTW: 156,
  FOP: 158,
  WINDOW: 160,
  CR2: 160,
  FS_BASE: 168,
  GS_BASE: 176,
  ST: 192,
  YMM: 320,
  CODE: 832,
  MEMORY: 896,
} as const;

export const WINDOWS = 4;
export const CODE_ROOM = 64;
export const MEMORY_ROOM = 896;

/** Bits of WHAT: the case changes segment registers or their bases. */
export const SEGMENTS = 1;

/** Outcomes that are no vectors: the case came to EXIT; it did not end. */
export const ENDED = 256;
export const ENDLESS = 254;

/** Addresses. DATA and STACK have a page that can only be read and one that is missing, at the same offsets. */
export const DATA = 0x1000_0000;
export const STACK = 0x1100_0000;
export const AREA = 0x1_0000;
export const READ_ONLY = 0x2000;
export const MISSING = 0x3000;
export const AFTER = 0x4000;
export const CODE = 0x2000_0000;
export const CODE_BYTES = 0x1_0000;
export const EXIT = 0x2100_0000;
/** HLT, which faults at user level: what the code pages are full of. */
export const FILLER = 0xf4;

/** The hash of an area after a batch, as silicon.c makes it of both. */
export function hashMemory(data: Uint32Array, stack: Uint32Array): number {
  let hash = 0;
  for (let k = 0; k < AREA >> 2; k++) {
    if (k >= MISSING >> 2 && k < AFTER >> 2) continue;
    const d = data[k] as number;
    const s = stack[k] as number;
    if (d !== 0) hash = (Math.imul(hash ^ d, 0x01000193) + 4 * k) | 0;
    if (s !== 0) hash = (Math.imul(hash ^ s, 0x01000193) + 4 * k + 1) | 0;
  }
  return hash >>> 0;
}
