/**
 * Paging as SDM vol. 3 chapter 5 (chapter 4 before revision 084) states it: what an access through given paging-structure entries does.
 *
 * Written from the tables of the formats of CR3 and paging-structure entries (tables 5-4 to 5-6, 5-9 to 5-11, 5-14 to 5-20), section 5.6
 * "Access rights" and section 5.7 "Page-fault exceptions". Entries come as halves: numbers of 32 bits, top level first.
 *
 * An access that violates the protection sets the accessed bits above the entry that maps the page (note to interrupt 14); where the SDM leaves
 * a choice, an access that faults sets none here (that entry's own, and those above an entry that is not present or sets reserved bits).
 *
 * @module
 */

export type Structure = '32-bit' | 'PAE' | '4-level' | '5-level';

export const P = 1;
export const W = 2;
export const U = 4;
export const A = 0x20;
export const D = 0x40;
export const PS = 0x80;
export const G = 0x100;
/** In the upper half. */
export const NX = 0x8000_0000;

export type Access = 'read' | 'write' | 'fetch' | 'implicit read' | 'implicit write';

export interface Controls {
  readonly structure: Structure;
  readonly wp: boolean;
  readonly pse: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly pke: boolean;
  readonly nxe: boolean;
  /** CPL = 3. */
  readonly user: boolean;
  readonly ac: boolean;
  readonly pkru: number;
  readonly maxPhysical: number;
  readonly gigabytePages: boolean;
}

export interface Outcome {
  /** Error code of the #PF; -1: none. */
  readonly error: number;
  /** Entries whose accessed bit is set: up to and with this one, which maps the page. -1: none. */
  readonly accessed: number;
}

/** Height of an entry's table: 1 = page table, 2 = page directory, 3 = PDPT, 4 = PML4, 5 = PML5. */
export function heightOf(structure: Structure, index: number): number {
  return (structure === '32-bit' || structure === 'PAE' ? 2 : structure === '4-level' ? 4 : 5) - index;
}

/** Does an entry that is present map a page? */
function maps(height: number, low: number, c: Controls): boolean {
  if (height === 1) return true;
  if ((low & PS) === 0) return false;
  if (height === 2) return c.structure !== '32-bit' || c.pse;
  return height === 3 && c.gigabytePages;
}

/** Bits from..to as a mask of 32 bits. */
function range(from: number, to: number): number {
  let mask = 0;
  for (let bit = from; bit <= to; bit++) mask |= 1 << bit;
  return mask >>> 0;
}

/** Reserved bits of a present entry: [low, high]. */
export function reservedBits(height: number, low: number, c: Controls): readonly [number, number] {
  const leaf = maps(height, low, c);
  if (c.structure === '32-bit') {
    // Table 5-4: with PSE-36, bits (M-20):13 of a 4-MByte page's entry are address bits (M-1):32, bits 21:(M-19) are reserved.
    const m = Math.min(40, c.maxPhysical);
    return [height === 2 && leaf ? range(m - 19, 21) : 0, 0];
  }
  let high = c.nxe ? 0 : NX;
  // PAE has no ignored bits above the address; IA-32e paging ignores 62:52.
  high |= c.structure === 'PAE' ? range(c.maxPhysical - 32, 30) : range(c.maxPhysical - 32, 19);
  let reserved = 0;
  if (height === 2 && leaf) reserved = range(13, 20);
  if (height === 3 && leaf) reserved = range(13, 29);
  if (height === 3 && !c.gigabytePages) reserved |= PS;
  if (height >= 4) reserved |= PS;
  return [reserved, high >>> 0];
}

/** One access through present and absent entries `low` and `high`. */
export function access(c: Controls, kind: Access, low: ArrayLike<number>, high: ArrayLike<number>): Outcome {
  const implicit = kind === 'implicit read' || kind === 'implicit write';
  const user = c.user && !implicit;
  const write = kind === 'write' || kind === 'implicit write';
  const fetch = kind === 'fetch';
  const wide = c.structure !== '32-bit';
  // 5.7: W/R, U/S and I/D describe the access.
  let error = (write ? 2 : 0) | (user ? 4 : 0) | (fetch && (c.smep || (wide && c.nxe)) ? 16 : 0);
  let writable = true;
  let userPage = true;
  let executable = true;
  for (let i = 0; i < low.length; i++) {
    const l = low[i] as number;
    const h = high[i] as number;
    if ((l & P) === 0) return { error, accessed: -1 };
    const height = heightOf(c.structure, i);
    const [badLow, badHigh] = reservedBits(height, l, c);
    // RSVD: P is then 1, too.
    if ((l & badLow) !== 0 || (h & badHigh) !== 0) return { error: error | 9, accessed: -1 };
    writable &&= (l & W) !== 0;
    userPage &&= (l & U) !== 0;
    if (wide && c.nxe && (h & NX) !== 0) executable = false;
    if (!maps(height, l, c)) continue;
    const forbidden = keyForbids(c, userPage, user, write, fetch, (h >>> 27) & 15);
    if (forbidden) error |= 32;
    const allowed = rights(c, kind, user, userPage, writable, executable) && !forbidden;
    return allowed ? { error: -1, accessed: i } : { error: error | 1, accessed: i - 1 };
  }
  throw new Error('no entry maps a page');
}

/** 5.6.1. */
function rights(c: Controls, kind: Access, user: boolean, userPage: boolean, writable: boolean, executable: boolean): boolean {
  if (user && !userPage) return false;
  if (kind === 'fetch') return executable && (user || !userPage || !c.smep);
  if (!user && userPage && c.smap && (kind === 'implicit read' || kind === 'implicit write' || !c.ac)) return false;
  if (kind === 'read' || kind === 'implicit read') return true;
  return writable || (!user && !c.wp);
}

/** 5.6.2: protection keys forbid data accesses to user-mode addresses of IA-32e paging. */
function keyForbids(c: Controls, userPage: boolean, user: boolean, write: boolean, fetch: boolean, key: number): boolean {
  if (!c.pke || fetch || !userPage || c.structure === '32-bit' || c.structure === 'PAE') return false;
  const disable = (c.pkru >>> (2 * key)) & 3;
  return (disable & 1) !== 0 || ((disable & 2) !== 0 && write && (user || c.wp));
}
