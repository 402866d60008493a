/**
 * Numbers for generated cases: sfc32 from a seed, and values that instructions find interesting.
 *
 * @module
 */

/** A generator of 32-bit numbers: the same seed, the same numbers. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #n = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed, 0x85ebca6b) ^ 0x9e3779b9;
    this.#c = 0x243f6a88;
    for (let i = 0; i < 12; i++) this.u32();
  }

  u32(): number {
    const t = (this.#a + this.#b + this.#n) | 0;
    this.#n = (this.#n + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * n);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

/** Bounds of every operand size, and what stands next to them. */
const SPECIAL: readonly bigint[] = [7n, 8n, 15n, 16n, 31n, 32n, 63n, 64n]
  .flatMap((bit) => [(1n << bit) - 2n, (1n << bit) - 1n, 1n << bit, (1n << bit) + 1n])
  .concat([0n, 1n, 2n, 9n, 10n, 0x99n, 0x9an, 0x0fn, 0xff00n, 0x8080808080808080n, 0x7f7f7f7f7f7f7f7fn])
  .map((v) => BigInt.asUintN(64, v));

/** A 64-bit value: random, sparse, small, or at the bounds of an operand size (above random bits half of the time). */
export function interesting(r: Random): bigint {
  switch (r.below(8)) {
    case 0:
    case 1:
      return r.u64();
    case 2:
      return BigInt(r.below(256));
    case 3:
      return BigInt.asUintN(64, -BigInt(r.below(256)));
    case 4: {
      const bits = r.pick([8n, 16n, 32n]);
      return BigInt.asUintN(64, (r.u64() << bits) | BigInt.asUintN(Number(bits), r.pick(SPECIAL)));
    }
    case 5:
      return 1n << BigInt(r.below(64));
    default:
      return r.pick(SPECIAL);
  }
}
