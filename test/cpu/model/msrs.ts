/**
 * The model-specific registers of this processor: SDM vol. 4 table 2-2 (architectural MSRs), vol. 3 chapter 12 (local APIC, table 12-6 for x2APIC), 13.11 (MTRRs
 * and PAT), 17.3 (machine check).
 *
 * A value is refused (#GP(0)) when it sets a bit that is reserved, names a memory type that does not exist, or is not canonical where an address
 * is asked for.
 *
 * @module
 */
import type { Feature } from '../../../vmm/cpu/cpuid.ts';

export interface Msr {
  readonly name: string;
  readonly index: number;
  readonly needs?: Feature;
  readonly readable: boolean;
  /** Undefined: read-only. */
  readonly takes?: (value: bigint) => boolean;
  /** What is read back; the value itself unless it says otherwise. 'other': not a matter of what was written. */
  readonly keeps?: ((value: bigint) => bigint) | 'other';
  /** A value to start from. */
  readonly good?: bigint;
}

export const PHYSICAL = (1n << 40n) - 1n;

const anything = (): boolean => true;
const nothing = (value: bigint): boolean => value === 0n;
const only =
  (mask: bigint) =>
  (value: bigint): boolean =>
    (value & ~mask) === 0n;

let linearBits = 57n;
/** Width of linear addresses: MSRs take what the processor supports, whatever the paging in use (vol. 1, 3.3.7.1; LA57 white paper, 2.2). */
export function setLinearBits(bits: number): void {
  linearBits = BigInt(bits);
}
const canonical = (value: bigint): boolean => BigInt.asIntN(Number(linearBits), value) === BigInt.asIntN(64, value);

const TYPES = [0n, 1n, 4n, 5n, 6n];
/** MTRRs: UC, WC, WT, WP, WB; the PAT has UC- as well. */
const memoryTypes =
  (uncachedMinus: boolean) =>
  (value: bigint): boolean => {
    for (let i = 0n; i < 64n; i += 8n) {
      const type = (value >> i) & 0xffn;
      if (!TYPES.includes(type) && !(uncachedMinus && type === 7n)) return false;
    }
    return true;
  };

const rw = (name: string, index: number, takes: (v: bigint) => boolean, more: Partial<Msr> = {}): Msr => ({
  name,
  index,
  readable: true,
  takes,
  ...more,
});
const ro = (name: string, index: number, more: Partial<Msr> = {}): Msr => ({ name, index, readable: true, ...more });

const FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

export function msrs(banks: number, variable: number): readonly Msr[] {
  const list: Msr[] = [
    rw('IA32_TIME_STAMP_COUNTER', 0x10, anything, { keeps: 'other' }),
    rw('IA32_TSC_ADJUST', 0x3b, anything, { needs: 'tsc_adjust' }),
    ro('IA32_PLATFORM_ID', 0x17),
    rw('IA32_BIOS_SIGN_ID', 0x8b, anything, { keeps: 'other' }),
    ro('IA32_MTRRCAP', 0xfe),
    ro('IA32_ARCH_CAPABILITIES', 0x10a, { needs: 'arch_capabilities' }),
    rw('IA32_SYSENTER_CS', 0x174, anything, { keeps: 'other' }),
    rw('IA32_SYSENTER_ESP', 0x175, canonical),
    rw('IA32_SYSENTER_EIP', 0x176, canonical),
    ro('IA32_MCG_CAP', 0x179),
    rw('IA32_MCG_STATUS', 0x17a, only(7n)),
    rw('IA32_PAT', 0x277, memoryTypes(true), { good: 0x0007_0406_0007_0406n }),
    // E, FE and the default type.
    rw('IA32_MTRR_DEF_TYPE', 0x2ff, (v) => only(0xcffn)(v) && TYPES.includes(v & 0xffn), { good: 0xc06n }),
    rw('IA32_EFER', 0xc000_0080, (v) => only(0xd01n)(v) && (v & 0x100n) !== 0n, { good: 0xd01n, keeps: (v) => v | 0x400n }),
    rw('IA32_STAR', 0xc000_0081, anything),
    rw('IA32_LSTAR', 0xc000_0082, canonical),
    rw('IA32_CSTAR', 0xc000_0083, canonical),
    rw('IA32_FMASK', 0xc000_0084, only(0xffff_ffffn)),
    rw('IA32_FS_BASE', 0xc000_0100, canonical),
    rw('IA32_GS_BASE', 0xc000_0101, canonical),
    rw('IA32_KERNEL_GS_BASE', 0xc000_0102, canonical),
    rw('IA32_TSC_AUX', 0xc000_0103, only(0xffff_ffffn), { needs: 'rdtscp' }),
    rw('IA32_TSC_DEADLINE', 0x6e0, anything, { needs: 'tsc_deadline_timer', keeps: 'other' }),
  ];
  for (const index of FIXED)
    list.push(rw(`IA32_MTRR_FIX ${index.toString(16)}`, index, memoryTypes(false), { good: 0x0606_0606_0606_0606n }));
  for (let n = 0; n < variable; n++) {
    list.push(
      rw(`IA32_MTRR_PHYSBASE${n}`, 0x200 + 2 * n, (v) => only(PHYSICAL & ~0xf00n)(v) && TYPES.includes(v & 0xffn), { good: 0x8000_0006n }),
    );
    list.push(rw(`IA32_MTRR_PHYSMASK${n}`, 0x201 + 2 * n, only(PHYSICAL & ~0x7ffn), { good: 0xff_8000_0800n }));
  }
  for (let n = 0; n < banks; n++) {
    list.push(rw(`IA32_MC${n}_CTL`, 0x400 + 4 * n, anything, { keeps: 'other' }));
    // "Writing 1s causes a general-protection exception" (17.3.2.2 to 17.3.2.4).
    for (const [k, part] of ['STATUS', 'ADDR', 'MISC'].entries()) list.push(rw(`IA32_MC${n}_${part}`, 0x401 + 4 * n + k, nothing));
  }
  return list;
}

/** Table 12-6; `bits`: what may be set by a write. */
export function x2apicMsrs(): readonly Msr[] {
  const list: Msr[] = [
    ro('x2APIC ID', 0x802),
    ro('x2APIC version', 0x803),
    rw('TPR', 0x808, only(0xffn)),
    ro('PPR', 0x80a),
    { name: 'EOI', index: 0x80b, readable: false, takes: nothing },
    ro('LDR', 0x80d),
    rw('SVR', 0x80f, only(0x13ffn), { good: 0x1ffn }),
    rw('ESR', 0x828, nothing, { keeps: 'other' }),
    rw('LVT CMCI', 0x82f, only(0x1_17ffn), { keeps: 'other' }),
    // Vector, mode, destination mode, level, trigger, shorthand, and the destination. To nobody: NMI, INIT and SIPI would be felt.
    rw('ICR', 0x830, only(0xffff_ffff_000c_cfffn), { good: 0x5_0100_0000_0020n, keeps: 'other' }),
    rw('LVT timer', 0x832, only(0x7_10ffn), { keeps: 'other' }),
    rw('LVT thermal', 0x833, only(0x1_17ffn), { keeps: 'other' }),
    rw('LVT performance', 0x834, only(0x1_17ffn), { keeps: 'other' }),
    rw('LVT LINT0', 0x835, only(0x1_f7ffn), { keeps: 'other' }),
    rw('LVT LINT1', 0x836, only(0x1_f7ffn), { keeps: 'other' }),
    rw('LVT error', 0x837, only(0x1_10ffn), { keeps: 'other' }),
    rw('initial count', 0x838, only(0xffff_ffffn), { keeps: 'other' }),
    ro('current count', 0x839),
    rw('divide configuration', 0x83e, only(0xbn)),
    { name: 'SELF IPI', index: 0x83f, readable: false, takes: only(0xffn) },
  ];
  for (let n = 0; n < 8; n++) for (const [k, name] of ['ISR', 'TMR', 'IRR'].entries()) list.push(ro(`${name}${n}`, 0x810 + 8 * k + n));
  return list;
}
