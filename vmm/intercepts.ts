/**
 * Which optional events exit: the names of `--intercept`, as the execution controls of a VMCS choose.
 *
 * Apart from the VM, because the command line is read before there is one.
 *
 * @module
 */
import { INTERCEPT } from './cpu/layout.ts';

/** Optional exits: switches of `INTERCEPT` and a bit per exception vector. */
export interface Intercepts {
  readonly switches: number;
  readonly exceptions: number;
}

/** An `--intercept` list with a name in it that does not exist. */
export class InterceptError extends Error {
  override readonly name = 'InterceptError';
}

/** Exceptions by mnemonic (SDM vol. 3, table 7-1). */
const EXCEPTIONS = {
  de: 0,
  db: 1,
  bp: 3,
  of: 4,
  br: 5,
  ud: 6,
  nm: 7,
  df: 8,
  ts: 10,
  np: 11,
  ss: 12,
  gp: 13,
  pf: 14,
  mf: 16,
  ac: 17,
  mc: 18,
  xm: 19,
} as const;

/** `cr3,pf,ud` to switches; throws InterceptError naming the unknown word and the known ones. */
export function parseIntercepts(list: string): Intercepts {
  let switches = 0;
  let exceptions = 0;
  for (const word of list
    .toLowerCase()
    .split(',')
    .map((w) => w.trim())
    .filter((w) => w !== '')) {
    if (Object.hasOwn(INTERCEPT, word)) switches |= INTERCEPT[word as keyof typeof INTERCEPT];
    else if (Object.hasOwn(EXCEPTIONS, word)) exceptions |= 1 << EXCEPTIONS[word as keyof typeof EXCEPTIONS];
    else
      throw new InterceptError(
        `--intercept ${word}: not known; known are ${Object.keys(INTERCEPT).join(', ')} and the exceptions ${Object.keys(EXCEPTIONS).join(', ')}`,
      );
  }
  return { switches, exceptions: exceptions >>> 0 };
}
