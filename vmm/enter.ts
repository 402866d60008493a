/**
 * How a vCPU starts in a guest that was loaded without firmware: its registers by the boot protocol, its memory types as firmware leaves them.
 *
 * @module
 */
import type { EntryState } from './boot/index.ts';
import { PHYSICAL_BITS } from './cpu/cpuid.ts';
import type { Segment } from './cpu/registers.ts';
import type { Vcpu } from './cpu/vcpu.ts';
import { LOW_RAM_END } from './memory.ts';

/** Sets a vCPU to the state in which a boot protocol enters a guest. */
export function enter(vcpu: Vcpu, entry: EntryState): void {
  const segment = (s: EntryState['cs']): Segment => ({ selector: s.selector, base: BigInt(s.base), limit: s.limit, accessRights: s.ar });
  const table = (t: EntryState['gdtr']): { base: bigint; limit: number } => ({ base: BigInt(t.base), limit: t.limit });
  vcpu.setSregs({
    cs: segment(entry.cs),
    ss: segment(entry.ss),
    ds: segment(entry.ds),
    es: segment(entry.es),
    fs: segment(entry.fs),
    gs: segment(entry.gs),
    ldtr: segment(entry.ldtr),
    tr: segment(entry.tr),
    gdtr: table(entry.gdtr),
    idtr: table(entry.idtr),
    cr0: BigInt(entry.cr0),
    cr3: BigInt(entry.cr3),
    cr4: BigInt(entry.cr4),
    efer: BigInt(entry.efer),
  });
  vcpu.setRegs({
    rip: BigInt(entry.rip),
    rflags: BigInt(entry.rflags),
    rax: BigInt(entry.rax),
    rbx: BigInt(entry.rbx),
    rcx: BigInt(entry.rcx),
    rdx: BigInt(entry.rdx),
    rsi: BigInt(entry.rsi),
    rdi: BigInt(entry.rdi),
    rbp: BigInt(entry.rbp),
    rsp: BigInt(entry.rsp),
  });
}

/**
 * MTRRs as firmware leaves them (SDM vol. 3, 12.11): write-back by default, uncached the VGA window and the hole below 4 GiB where devices are.
 * The engine has no caches; kernels want to read this.
 */
export function memoryTypes({ state }: Vcpu): void {
  const writeBack = 0x0606_0606_0606_0606n;
  for (let i = 0; i < 11; i++) state.set('MTRR_FIXED', i === 2 ? 0n : writeBack, i);
  state.set('MTRR_VAR', BigInt(LOW_RAM_END), 0);
  state.set('MTRR_VAR', ((1n << BigInt(PHYSICAL_BITS)) - (0x1_0000_0000n - BigInt(LOW_RAM_END))) | 0x800n, 1);
  state.set('MTRR_DEF_TYPE', 0xc06n);
}
