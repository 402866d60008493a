/**
 * Operands for the SIMD tests: bit patterns at which instructions differ, from a small generator that gives every run the same.
 *
 * @module
 */

/* A small generator (mulberry32): the same cases in every run. */
let seed = 1;
export function reseed(): void {
  seed = 1;
}
export function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 0;
}
export const below = (n: number): number => Math.floor((random() / 4294967296) * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

const SPECIAL32 = [
  0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0xffa00000, 1, 0x80000001, 0x7fffff, 0x800000, 0x80800000,
  0x800001, 0x7f7fffff, 0xff7fffff, 0x3f800000, 0xbf800000, 0x3f000000, 0x3f7fffff, 0x4b000000, 0x4f000000, 0xcf000000, 0x4effffff,
  0x5f000000, 0xdf000000, 0x3fc00000, 0x40200000,
];
const SPECIAL64 = [
  0n,
  1n << 63n,
  0x7ff0n << 48n,
  0xfff0n << 48n,
  0x7ff8n << 48n,
  0xfff8000000012345n,
  0x7ff0000000000001n,
  0xfff4000000000000n,
  1n,
  (1n << 63n) | 1n,
  0xfffffffffffffn,
  0x10000000000000n,
  0x10000000000001n,
  0x8010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x3fe0000000000000n,
  0x41dfffffffc00000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0xc1e0000000200000n,
  0x41dfffffffe00000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x43dfffffffffffffn,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x380fffffffffffffn,
  0x3810000000000000n,
  0x36a0000000000000n,
  0x3690000000000000n,
];

/** `calm`: ordinary numbers only, so that whole vectors take the fast path. */
export const values = { calm: false };

export function single(view: DataView, offset: number): void {
  if (values.calm) {
    view.setFloat32(offset, (below(2) ? 1 : -1) * (0.001 + random() / 2 ** 30), true);
    return;
  }
  const mantissa = below(2) ? random() & 0x7fffff : (random() & 0x7fffff & random() & random()) >>> 0;
  const sign = (random() & 0x80000000) >>> 0;
  const field = [random() & 0xff, 0x7e + below(4), 0x70 + below(0x20), below(0x20), 0xf0 + below(16), 0x3f + below(2), 0xbe + below(2), 0][
    below(8)
  ] as number;
  if (below(4) === 0) view.setUint32(offset, pick(SPECIAL32), true);
  else if (below(8) === 0) view.setFloat32(offset, below(2001) - 1000, true);
  else view.setUint32(offset, (sign | (field << 23) | mantissa) >>> 0, true);
}

export function double(view: DataView, offset: number): void {
  if (values.calm) {
    view.setFloat64(offset, (below(2) ? 1 : -1) * (0.001 + random() / 2 ** 30 + random() / 2 ** 61), true);
    return;
  }
  const low = below(2) ? random() : 0;
  const high = below(2) ? random() & 0xfffff : random() & random() & 0xfffff;
  const sign = (random() & 0x80000000) >>> 0;
  const field = [
    random() & 0x7ff,
    0x3fe + below(4),
    0x3f0 + below(0x40),
    below(0x60),
    0x7e0 + below(0x20),
    0x1ff + below(2),
    0x5fe + below(2),
    0,
    0x36a + below(40),
    0x470 + below(20),
  ][below(10)] as number;
  if (below(4) === 0) view.setBigUint64(offset, pick(SPECIAL64), true);
  else if (below(8) === 0) view.setFloat64(offset, below(2001) - 1000, true);
  else if (below(12) === 0) view.setFloat64(offset, Math.fround((random() - 2 ** 31) / 2 ** below(60)), true);
  else {
    view.setUint32(offset, low, true);
    view.setUint32(offset + 4, (sign | (field << 20) | high) >>> 0, true);
  }
}

export function integer(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 4) {
    view.setUint32(
      offset + i,
      pick([random(), random(), random() & 0x80ff7f01, 0, 0xffffffff, 0x80008000, 0x7fff7fff, random() & 0x3f, 0x80808080, 0x80000000]) >>>
        0,
      true,
    );
  }
}

export function randomMxcsr(): number {
  switch (values.calm ? below(2) : below(5)) {
    case 0:
      return 0x1f80;
    case 1:
      return 0x1fa0;
    case 2:
      return 0x1f80 | (random() & 0xe07f);
    case 3:
      return random() & 0xff80;
    default:
      return random() & 0xffff;
  }
}
