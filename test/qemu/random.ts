/**
 * Random choices for cases: the same seed, the same cases.
 *
 * @module
 */
import { numbers } from '../cpu/random-code.ts';

export class Random {
  readonly below: (n: number) => number;

  constructor(seed: number) {
    this.below = numbers(seed);
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 8; i++) this.below(2);
  }

  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  u32(): number {
    return (this.below(0x10000) * 0x10000 + this.below(0x10000)) >>> 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** Numbers at whose edges something changes, or any. */
  edge64(): bigint {
    switch (this.below(6)) {
      case 0:
        return BigInt(this.below(16));
      case 1:
        return BigInt.asUintN(64, -BigInt(this.below(16)));
      case 2:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) - BigInt(this.below(3)));
      case 3:
        return BigInt(this.u32());
      default:
        return this.u64();
    }
  }
}
