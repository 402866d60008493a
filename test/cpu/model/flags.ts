/**
 * Who may change which flag, and who may use a port: SDM vol. 2, POPF, PUSHF, IRET, CLI, STI; vol. 1, 20.5 (I/O privilege level and permission bit map);
 * vol. 3, 22.3 and 22.4 (virtual-8086 mode, virtual interrupts).
 *
 * @module
 */

export const TF = 1 << 8;
export const IF = 1 << 9;
export const IOPL = 3 << 12;
export const NT = 1 << 14;
export const RF = 1 << 16;
export const VM = 1 << 17;
export const AC = 1 << 18;
export const VIF = 1 << 19;
export const VIP = 1 << 20;
export const ID = 1 << 21;
/** CF PF AF ZF SF DF OF. */
const STATUS = 0xcd5;
const PLAIN = STATUS | TF | NT;

export interface Who {
  readonly real: boolean;
  readonly vm86: boolean;
  readonly cpl: number;
  readonly flags: number;
  readonly vme: boolean;
  readonly pvi: boolean;
}

const ioplOf = (w: Who): number => (w.flags >> 12) & 3;
const replace = (flags: number, image: number, mask: number): number => ((flags & ~mask) | (image & mask) | 2) >>> 0;

/** Flags after POPF of `size` bytes; undefined for #GP(0). */
export function popf(w: Who, image: number, size: number): number | undefined {
  const more = size === 2 ? 0 : AC | ID;
  const cleared = size === 2 ? 0 : RF;
  if (w.vm86) {
    if (ioplOf(w) === 3) return replace(w.flags, image, PLAIN | IF | more) & ~cleared;
    if (!w.vme || size !== 2) return undefined;
    if ((image & TF) !== 0 || ((w.flags & VIP) !== 0 && (image & IF) !== 0)) return undefined;
    return (replace(w.flags, image, PLAIN) & ~VIF) | ((image & IF) !== 0 ? VIF : 0);
  }
  if (w.real || w.cpl === 0) return replace(w.flags, image, PLAIN | IF | IOPL | more) & ~cleared;
  return replace(w.flags, image, PLAIN | more | (w.cpl <= ioplOf(w) ? IF : 0)) & ~cleared;
}

/** The image that PUSHF stores; undefined for #GP(0). */
export function pushf(w: Who, size: number): number | undefined {
  const image = w.flags & ~(VM | RF);
  if (!w.vm86 || ioplOf(w) === 3) return size === 2 ? image & 0xffff : image;
  if (!w.vme || size !== 2) return undefined;
  return ((image & ~IF) | IOPL | ((w.flags & VIF) !== 0 ? IF : 0)) & 0xffff;
}

/** CLI and STI: the flags afterwards; undefined for #GP(0). */
export function interruptFlag(w: Who, on: boolean): number | undefined {
  if (w.real || (w.vm86 ? 3 : w.cpl) <= ioplOf(w)) return on ? w.flags | IF : w.flags & ~IF;
  const virtual = w.vm86 ? w.vme : w.pvi && w.cpl === 3;
  if (!virtual || (on && (w.flags & VIP) !== 0)) return undefined;
  return on ? w.flags | VIF : w.flags & ~VIF;
}

/** IRET of `size` bytes to the same level, outside virtual-8086 mode. */
export function iretSame(w: Who, image: number, size: number): number {
  let mask = PLAIN;
  if (size !== 2) mask |= RF | AC | ID;
  if (w.cpl <= ioplOf(w)) mask |= IF;
  if (w.cpl === 0) mask |= IOPL | (size === 2 ? 0 : VIF | VIP);
  return replace(w.flags, image, mask);
}

export interface PortWho {
  readonly vm86: boolean;
  readonly cpl: number;
  readonly iopl: number;
  readonly tss32: boolean;
  readonly limit: number;
  readonly base: number;
  /** A byte of the TSS. */
  readonly byte: (at: number) => number;
}

/** May `size` ports from `port` on be used? Two bytes of the map are always read: both must be in the TSS. */
export function portAllowed(w: PortWho, port: number, size: number): boolean {
  if (!w.vm86 && w.cpl <= w.iopl) return true;
  if (!w.tss32 || w.limit < 0x67) return false;
  const at = w.base + (port >> 3);
  if (at + 1 > w.limit) return false;
  const bits = (w.byte(at) | (w.byte(at + 1) << 8)) >> (port & 7);
  return (bits & ((1 << size) - 1)) === 0;
}
