/**
 * Registers as KVM's API names them, and typed access to the state layout.
 *
 * 64-bit values are bigints here: nothing on this side runs per guest instruction. Whatever does, takes offsets from
 * `offsetOf` and works on a Uint32Array.
 *
 * Models: struct kvm_regs, kvm_sregs, kvm_fpu, kvm_vcpu_events, kvm_debugregs of Linux's KVM API (arch/x86/include/uapi/asm/kvm.h).
 * Leaves out: XSAVE areas beyond what `FpuState` holds.
 *
 * @module
 */
import { FIELDS, type Field } from './layout.ts';

/** General registers, as KVM_GET_REGS. */
export interface Registers {
  rax: bigint;
  rcx: bigint;
  rdx: bigint;
  rbx: bigint;
  rsp: bigint;
  rbp: bigint;
  rsi: bigint;
  rdi: bigint;
  r8: bigint;
  r9: bigint;
  r10: bigint;
  r11: bigint;
  r12: bigint;
  r13: bigint;
  r14: bigint;
  r15: bigint;
  rip: bigint;
  rflags: bigint;
}

/** One segment register with its hidden part. */
export interface Segment {
  selector: number;
  base: bigint;
  /** In bytes, granularity applied. */
  limit: number;
  /** Access rights in the VMX layout (SDM vol. 3, 25.4.1): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
  accessRights: number;
}

/** GDTR or IDTR. */
export interface DescriptorTable {
  base: bigint;
  limit: number;
}

/** Special registers, as KVM_GET_SREGS. */
export interface SpecialRegisters {
  es: Segment;
  cs: Segment;
  ss: Segment;
  ds: Segment;
  fs: Segment;
  gs: Segment;
  ldtr: Segment;
  tr: Segment;
  gdtr: DescriptorTable;
  idtr: DescriptorTable;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  cr8: bigint;
  efer: bigint;
  apicBase: bigint;
}

/** x87, MMX and SSE state, as KVM_GET_FPU. */
export interface FpuState {
  /** R0-R7 by physical number: significand, then sign and exponent. */
  fpr: { significand: bigint; exponent: number }[];
  fcw: number;
  fsw: number;
  /** Abridged: bit n set = physical register n holds a value. */
  ftw: number;
  fop: number;
  fip: bigint;
  fdp: bigint;
  mxcsr: number;
  /** 16 registers of 4 quadwords (the upper two are YMM's). */
  xmm: bigint[];
}

/** What waits at the next instruction boundary, as KVM_GET_VCPU_EVENTS. */
export interface VcpuEvents {
  /** An interrupt controller has a vector to deliver. */
  interruptPending: boolean;
  nmiPending: boolean;
  nmiMasked: boolean;
  initPending: boolean;
  /** Shadow of the next boundary. */
  shadow: 'none' | 'sti' | 'mov-ss';
  activity: 'active' | 'hlt' | 'shutdown' | 'wait-for-sipi';
  /** DR6 bits of a debug trap not yet delivered. */
  pendingDebug: bigint;
}

/** DR0-DR3, DR6, DR7. */
export interface DebugRegisters {
  db: [bigint, bigint, bigint, bigint];
  dr6: bigint;
  dr7: bigint;
}

/** One row of the CPUID table; `subleaf` undefined = any. */
export interface CpuidEntry {
  leaf: number;
  subleaf?: number | undefined;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** REGS order of the layout (the instruction encoding's). */
export const GENERAL = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** Segment order of the layout. */
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;

/** VcpuEvents.activity by the value of ACTIVITY. */
export const ACTIVITIES = ['active', 'hlt', 'shutdown', 'wait-for-sipi'] as const;

/** Bits of the EVENT field. */
export const EVENT = { INTR: 1, NMI: 2, STOP: 4, INIT: 8 } as const;

/** MSRs that are a field of the state: index -> [field, element]. Others belong to a device or are computed. */
export const MSR_FIELDS: ReadonlyMap<number, readonly [string, number]> = new Map<number, readonly [string, number]>([
  [0x1b, ['APIC_BASE', 0]],
  [0x3a, ['FEATURE_CONTROL', 0]],
  [0x3b, ['TSC_ADJUST', 0]],
  [0x48, ['SPEC_CTRL', 0]],
  [0x174, ['SYSENTER_CS', 0]],
  [0x175, ['SYSENTER_ESP', 0]],
  [0x176, ['SYSENTER_EIP', 0]],
  [0x17a, ['MCG_STATUS', 0]],
  [0x17b, ['MCG_CTL', 0]],
  [0x1a0, ['MISC_ENABLE', 0]],
  [0x1d9, ['DEBUGCTL', 0]],
  ...Array.from({ length: 16 }, (_, i): [number, readonly [string, number]] => [0x200 + i, ['MTRR_VAR', i]]),
  [0x250, ['MTRR_FIXED', 0]],
  [0x258, ['MTRR_FIXED', 1]],
  [0x259, ['MTRR_FIXED', 2]],
  ...Array.from({ length: 8 }, (_, i): [number, readonly [string, number]] => [0x268 + i, ['MTRR_FIXED', 3 + i]]),
  [0x277, ['PAT', 0]],
  [0x2ff, ['MTRR_DEF_TYPE', 0]],
  [0xc0000080, ['EFER', 0]],
  [0xc0000081, ['STAR', 0]],
  [0xc0000082, ['LSTAR', 0]],
  [0xc0000083, ['CSTAR', 0]],
  [0xc0000084, ['FMASK', 0]],
  [0xc0000100, ['SEG_BASE', 4]],
  [0xc0000101, ['SEG_BASE', 5]],
  [0xc0000102, ['KERNEL_GS_BASE', 0]],
  [0xc0000103, ['TSC_AUX', 0]],
]);

const FIELD_BY_NAME = new Map(FIELDS.map((f) => [f.name, f]));

function fieldOf(name: string): Field {
  const f = FIELD_BY_NAME.get(name);
  if (f === undefined) throw new Error(`layout: no field ${name}`);
  return f;
}

/** The fields of one vCPU, by name. */
export class StateView {
  readonly base: number;
  readonly #view: DataView;

  constructor(buffer: ArrayBufferLike, base: number) {
    this.base = base;
    this.#view = new DataView(buffer);
  }

  /** A field of any width as a bigint. */
  get(name: string, index = 0): bigint {
    const f = fieldOf(name);
    const at = this.base + f.offset + index * f.stride;
    switch (f.type) {
      case 'u64':
        return this.#view.getBigUint64(at, true);
      case 'u32':
        return BigInt(this.#view.getUint32(at, true));
      case 'u16':
        return BigInt(this.#view.getUint16(at, true));
      case 'u8':
        return BigInt(this.#view.getUint8(at));
    }
  }

  /** Stores the low bits of `value`. */
  set(name: string, value: bigint, index = 0): void {
    const f = fieldOf(name);
    const at = this.base + f.offset + index * f.stride;
    switch (f.type) {
      case 'u64':
        this.#view.setBigUint64(at, value, true);
        return;
      case 'u32':
        this.#view.setUint32(at, Number(value & 0xffffffffn), true);
        return;
      case 'u16':
        this.#view.setUint16(at, Number(value & 0xffffn), true);
        return;
      case 'u8':
        this.#view.setUint8(at, Number(value & 0xffn));
    }
  }

  /** A field as a number; exact below 2^53. */
  number(name: string, index = 0): number {
    return Number(this.get(name, index));
  }

  setNumber(name: string, value: number, index = 0): void {
    this.set(name, BigInt(value), index);
  }

  /** Sign-and-exponent word of physical x87 register `index` (it follows the significand, which the table names FPR). */
  fprExponent(index: number): number {
    return this.#view.getUint16(this.base + fieldOf('FPR').offset + index * 16 + 8, true);
  }

  setFprExponent(index: number, value: number): void {
    this.#view.setUint16(this.base + fieldOf('FPR').offset + index * 16 + 8, value, true);
  }
}
