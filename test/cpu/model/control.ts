/**
 * What MOV to CR0, CR3, CR4, CR8, LMSW and XSETBV take: SDM vol. 2, MOV to control registers, LMSW, XSETBV; vol. 3, 2.5 (control registers), 5.4.1
 * (PDPTE registers), 5.10.1 (PCIDs), 10.8.5 (entering IA-32e mode), 13.3 (XCR0).
 *
 * @module
 */
import type { Feature } from '../../../vmm/cpu/cpuid.ts';

export const CR0 = {
  PE: 1n << 0n,
  MP: 1n << 1n,
  EM: 1n << 2n,
  TS: 1n << 3n,
  ET: 1n << 4n,
  NE: 1n << 5n,
  WP: 1n << 16n,
  AM: 1n << 18n,
  NW: 1n << 29n,
  CD: 1n << 30n,
  PG: 1n << 31n,
} as const;
const CR0_KNOWN = Object.values(CR0).reduce((a, b) => a | b);

export const CR4 = { PSE: 1n << 4n, PAE: 1n << 5n, PGE: 1n << 7n, LA57: 1n << 12n, PCIDE: 1n << 17n, SMEP: 1n << 20n } as const;

/** Bits of CR4 and the feature that brings each. */
const CR4_BITS: readonly (readonly [number, Feature])[] = [
  [0, 'vme'],
  [1, 'vme'],
  [2, 'tsc'],
  [3, 'de'],
  [4, 'pse'],
  [5, 'pae'],
  [6, 'mce'],
  [7, 'pge'],
  [9, 'fxsr'],
  [10, 'sse'],
  [11, 'umip'],
  [12, 'la57'],
  [16, 'fsgsbase'],
  [17, 'pcid'],
  [18, 'xsave'],
  [20, 'smep'],
  [21, 'smap'],
  [22, 'pku'],
];

/** Bits that CR4 may have. PCE (bit 8) came with RDPMC, which CPUID does not enumerate. */
export function cr4Known(features: readonly Feature[]): bigint {
  return CR4_BITS.reduce((known, [bit, feature]) => (features.includes(feature) ? known | (1n << BigInt(bit)) : known), 1n << 8n);
}

export interface Before {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly lme: boolean;
  /** CS.L of a 64-bit code segment in use or, outside IA-32e mode, merely set in the descriptor. */
  readonly csLong: boolean;
  readonly tss16: boolean;
  /** The four PDPTEs that CR3 points to set no reserved bits. */
  readonly goodPdptes: boolean;
}

const lmaOf = (b: Before): boolean => b.lme && (b.cr0 & CR0.PG) !== 0n;
const code64 = (b: Before): boolean => lmaOf(b) && b.csLong;

/** The new CR0, or undefined for #GP(0). */
export function movCr0(b: Before, value: bigint): bigint | undefined {
  const [on, was] = [(value & CR0.PG) !== 0n, (b.cr0 & CR0.PG) !== 0n];
  if (value >> 32n !== 0n) return undefined;
  if (on && (value & CR0.PE) === 0n) return undefined;
  if ((value & CR0.NW) !== 0n && (value & CR0.CD) === 0n) return undefined;
  if (on && !was && b.lme && ((b.cr4 & CR4.PAE) === 0n || b.csLong || b.tss16)) return undefined;
  if (!on && was && (code64(b) || (b.cr4 & CR4.PCIDE) !== 0n)) return undefined;
  const changes = ((value ^ b.cr0) & (CR0.PG | CR0.CD | CR0.NW)) !== 0n;
  if (on && changes && !b.lme && (b.cr4 & CR4.PAE) !== 0n && !b.goodPdptes) return undefined;
  return (value & CR0_KNOWN) | CR0.ET;
}

/** LMSW: PE to TS; PE is not cleared. */
export function lmsw(b: Before, word: bigint): bigint {
  return (b.cr0 & ~0xen) | (word & 0xfn);
}

export function movCr4(b: Before, value: bigint, features: readonly Feature[]): bigint | undefined {
  if ((value & ~cr4Known(features)) !== 0n) return undefined;
  if (lmaOf(b) && ((value & CR4.PAE) === 0n || ((value ^ b.cr4) & CR4.LA57) !== 0n)) return undefined;
  if ((value & ~b.cr4 & CR4.PCIDE) !== 0n && (!lmaOf(b) || (b.cr3 & 0xfffn) !== 0n)) return undefined;
  const pae = !b.lme && (b.cr0 & CR0.PG) !== 0n && (value & CR4.PAE) !== 0n;
  const changes = ((value ^ b.cr4) & (CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP)) !== 0n;
  if (pae && changes && !b.goodPdptes) return undefined;
  return value;
}

/** The new CR3 (bit 63 is an order, not kept), or undefined. */
export function movCr3(b: Before, value: bigint, physicalBits: number): bigint | undefined {
  const pcide = (b.cr4 & CR4.PCIDE) !== 0n;
  if (code64(b)) {
    const kept = pcide ? value & ~(1n << 63n) : value;
    return kept >> BigInt(physicalBits) === 0n ? kept : undefined;
  }
  const pae = !b.lme && (b.cr0 & CR0.PG) !== 0n && (b.cr4 & CR4.PAE) !== 0n;
  return pae && !b.goodPdptes ? undefined : value;
}

/** WRMSR to IA32_EFER: what the processor has; LME is fixed while paging is on, LMA is not written (vol. 3, 2.2.1). */
export function wrEfer(b: Before, efer: bigint, value: bigint, features: readonly Feature[]): bigint | undefined {
  const [sce, lme, lma, nxe] = [1n, 0x100n, 0x400n, 0x800n];
  const known = (features.includes('syscall') ? sce : 0n) | (features.includes('lm') ? lme : 0n) | (features.includes('nx') ? nxe : 0n);
  if ((value & ~(known | lma)) !== 0n) return undefined;
  if ((b.cr0 & CR0.PG) !== 0n && ((value ^ efer) & lme) !== 0n) return undefined;
  return (value & known) | (efer & lma);
}

/** XCR0: x87 always, AVX only with SSE, PKRU's state (bit 9) with protection keys, nothing that the processor has not. */
export function xsetbv(index: number, value: bigint, features: readonly Feature[]): boolean {
  const known = 3n | (features.includes('avx') ? 4n : 0n) | (features.includes('pku') ? 0x200n : 0n);
  return index === 0 && (value & ~known) === 0n && (value & 1n) !== 0n && ((value & 4n) === 0n || (value & 2n) !== 0n);
}

/** Reserved bits of a PAE PDPTE that is present (table 5-8). */
export function badPdpte(entry: bigint, physicalBits: number): boolean {
  return (entry & 1n) !== 0n && (entry & (0x1e6n | ~((1n << BigInt(physicalBits)) - 1n))) !== 0n;
}
