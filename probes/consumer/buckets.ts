/**
 * Buckets of quantize(), lquantize() and llquantize(): which values each stands for.
 *
 * As DTrace has them. quantize: 127 buckets; the middle one is 0, those after it begin at 1, 2, 4, ..., those before it at -1, -2, -4, ...
 * lquantize: below the base, one for each step, at least the limit. llquantize: below factor^low, then each order of magnitude up to high in
 * equal steps, then the rest.
 *
 * @module
 */
import type { AggregatingFunction } from '../d/tree.ts';

export const QUANTIZE_BUCKETS = 127;
export const QUANTIZE_ZERO = 63;

/** One bucket: `least` is the smallest value in it. The first and last of the linear kinds are open. */
export interface Bucket {
  readonly least: bigint;
  readonly open?: 'below' | 'above';
}

/** The value that names a bucket of quantize(). */
export function quantizeValue(bucket: number): bigint {
  if (bucket < QUANTIZE_ZERO) return -(1n << BigInt(QUANTIZE_ZERO - 1 - bucket));
  return bucket === QUANTIZE_ZERO ? 0n : 1n << BigInt(bucket - QUANTIZE_ZERO - 1);
}

function linearBuckets(base: number, limit: number, step: number): Bucket[] {
  const levels = Math.trunc((limit - base) / step);
  const buckets: Bucket[] = [{ least: BigInt(base), open: 'below' }];
  for (let level = 0; level < levels; level++) buckets.push({ least: BigInt(base + level * step) });
  buckets.push({ least: BigInt(base + levels * step), open: 'above' });
  return buckets;
}

function logLinearBuckets(factor: number, low: number, high: number, steps: number): Bucket[] {
  let value = BigInt(factor) ** BigInt(low);
  const buckets: Bucket[] = [{ least: value, open: 'below' }];
  for (let order = low; order <= high; order++) {
    const next = value * BigInt(factor);
    const step = next > BigInt(steps) ? next / BigInt(steps) : 1n;
    for (; value < next; value += step) buckets.push({ least: value });
    value = next;
  }
  buckets.push({ least: value, open: 'above' });
  return buckets;
}

/** The buckets of an aggregating function, lowest first. */
export function bucketsOf(func: AggregatingFunction): readonly Bucket[] {
  switch (func.name) {
    case 'quantize':
      return Array.from({ length: QUANTIZE_BUCKETS }, (_, bucket) => ({ least: quantizeValue(bucket) }));
    case 'lquantize':
      return linearBuckets(func.base, func.limit, func.step);
    case 'llquantize':
      return logLinearBuckets(func.factor, func.low, func.high, func.steps);
    default:
      return [];
  }
}

const PREFIXES = { below: '< ', above: '>= ' } as const;

/** What a row of the histogram says before its bar: `< 10`, `10`, `>= 20`. */
export function bucketLabel({ least, open }: Bucket): string {
  return open === undefined ? String(least) : PREFIXES[open] + String(least);
}
