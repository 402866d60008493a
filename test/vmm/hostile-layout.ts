/**
 * Where things are in a hostile guest (hostile-guest.ts), for its tables, its registers and its code.
 *
 * Physical memory, the same in every mode (linear addresses equal it where paging is on and the entry was spared):
 *
 * | address | holds |
 * |---|---|
 * | 0 | real mode's vector table |
 * | 1000 | GDT |
 * | 2000 | IDT |
 * | 3000, 3800 | two task states, 32 or 64 bits wide, and one of 16 bits at 3c00 |
 * | 4000 | LDT |
 * | 5000 | exception handlers: they skip a byte and return |
 * | 6000-9fff | stacks |
 * | 10000-1ffff | page tables |
 * | 20000-2ffff | code |
 * | 30000-9ffff | data |
 * | a0000-bffff | no RAM: devices |
 * | c0000-fffff | data |
 * | 100000-13ffff | read-only memory |
 * | 1_0000_0000-1_0007_ffff | data |
 *
 * @module
 */
import type { Mode, Random } from './hostile-guest.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const TSS2 = 0x3800;
export const TSS16 = 0x3c00;
export const LDT = 0x4000;
export const HANDLERS = 0x5000;
export const TABLES = 0x10000;
export const CODE = 0x20000;
export const CODE_BYTES = 0x10000;

/** Selectors of the GDT below. */
export const SEL = {
  code32: 0x08,
  data32: 0x10,
  code16: 0x18,
  data16: 0x20,
  code64: 0x28,
  user32: 0x33,
  userData: 0x3b,
  user64: 0x43,
  conforming: 0x48,
  down: 0x50,
  tss: 0x58,
  ldt: 0x68,
  callGate: 0x78,
  taskGate: 0x88,
  tss2: 0x90,
  tss16: 0xa0,
  userCode16: 0xab,
  userData16: 0xb3,
} as const;
export const SELECTORS = Object.values(SEL);

export function words(size: 2 | 4 | 8, values: readonly (number | bigint)[]): number[] {
  return values.flatMap((v) => Array.from({ length: size }, (_, i) => Number((BigInt(v) >> BigInt(8 * i)) & 0xffn)));
}

/** CR3 of a mode. */
export function root(mode: Mode): number {
  if (mode === 'paging32' || mode === 'vm86-paging') return TABLES + 0x3000;
  if (mode === 'long57') return TABLES;
  return mode === 'pae' ? TABLES + 0x2000 : TABLES + 0x1000;
}

/** A number that code may use as an address. */
export function address(random: Random): bigint {
  switch (random.below(12)) {
    case 0:
      return random.u64();
    case 1:
      return BigInt(random.below(0x100));
    case 2:
      return 0xa0000n + BigInt(random.below(0x20000));
    case 3:
      return 0xfee00000n + BigInt(random.below(0x400));
    case 4:
      // The last bytes of a page.
      return BigInt(((random.below(0x140) + 1) << 12) - random.below(16));
    case 5:
      return BigInt(CODE + random.below(CODE_BYTES));
    case 6:
      return random.pick([
        0xffffn,
        0xfffffffen,
        0x7fff_ffff_fffcn,
        0xffff_8000_0000_0000n,
        0x1_0000_0000n,
        0x1_0007_fffcn,
        0x100000n,
        0x9fffcn,
        0xfffffn,
      ]);
    case 7:
      return BigInt(TABLES + random.below(0x5000));
    default:
      return BigInt(0x30000 + random.below(0x70000));
  }
}
