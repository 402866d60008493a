/**
 * The guest registers that D sees: `vmregs[]` by VMCS field encoding, `uregs[]` by the numbers of illumos.
 *
 * Encodings: Intel SDM vol. 3, appendix B; the names are those of illumos' D library. A field without a place has no value in this engine
 * (it has no VMCS: no host state, no controls) and faults at run time with "illegal operation"; its name is defined all the same.
 *
 * @module
 */

/** Where a field's value stands: a field of the vCPU's state (`vmm/cpu/layout.ts`), an element of one, or something computed. */
export type RegisterPlace =
  | { readonly field: string; readonly index?: number }
  /** VPID: the vCPU's number + 1. RFLAGS: its arithmetic bits are kept lazily. Access rights: as VMX lays them out. */
  | { readonly computed: 'vpid' | 'rflags' | 'interruptibility' };

export interface VmcsField {
  readonly name: string;
  readonly encoding: number;
  readonly place?: RegisterPlace;
}

const table: VmcsField[] = [];

function field(name: string, encoding: number, place?: RegisterPlace): void {
  table.push({ name: `VMX_${name}`, encoding, place });
}

/** A run of fields that have no value here. */
function absent(first: number, step: number, names: string): void {
  for (const [i, name] of names.split(' ').entries()) field(name, first + i * step);
}

/** Segments in the order of the VMCS, which is that of the state layout. */
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;

// 16-bit fields (B.1).
field('VIRTUAL_PROCESSOR_ID', 0x0000, { computed: 'vpid' });
for (const [index, name] of SEGMENTS.entries()) field(`GUEST_${name}_SELECTOR`, 0x0800 + 2 * index, { field: 'SEG_SEL', index });
absent(0x0c00, 2, 'HOST_ES_SELECTOR HOST_CS_SELECTOR HOST_SS_SELECTOR HOST_DS_SELECTOR HOST_FS_SELECTOR HOST_GS_SELECTOR HOST_TR_SELECTOR');

// 64-bit fields (B.2): each has a second encoding for its high half.
absent(
  0x2000,
  1,
  'IO_BITMAP_A IO_BITMAP_A_HIGH IO_BITMAP_B IO_BITMAP_B_HIGH MSR_BITMAP MSR_BITMAP_HIGH VM_EXIT_MSR_STORE_ADDR VM_EXIT_MSR_STORE_ADDR_HIGH ' +
    'VM_EXIT_MSR_LOAD_ADDR VM_EXIT_MSR_LOAD_ADDR_HIGH VM_ENTRY_MSR_LOAD_ADDR VM_ENTRY_MSR_LOAD_ADDR_HIGH',
);
field('TSC_OFFSET', 0x2010, { field: 'TSC_OFFSET' });
absent(0x2011, 1, 'TSC_OFFSET_HIGH VIRTUAL_APIC_PAGE_ADDR VIRTUAL_APIC_PAGE_ADDR_HIGH APIC_ACCESS_ADDR APIC_ACCESS_ADDR_HIGH');
absent(0x201a, 1, 'EPT_POINTER EPT_POINTER_HIGH');
field('GUEST_PHYSICAL_ADDRESS', 0x2400, { field: 'EXIT_GPA' });
absent(0x2401, 1, 'GUEST_PHYSICAL_ADDRESS_HIGH');
absent(0x2800, 1, 'VMCS_LINK_POINTER VMCS_LINK_POINTER_HIGH');
field('GUEST_IA32_DEBUGCTL', 0x2802, { field: 'DEBUGCTL' });
absent(0x2803, 1, 'GUEST_IA32_DEBUGCTL_HIGH');
field('GUEST_IA32_PAT', 0x2804, { field: 'PAT' });
absent(0x2805, 1, 'GUEST_IA32_PAT_HIGH');
field('GUEST_IA32_EFER', 0x2806, { field: 'EFER' });
absent(0x2807, 1, 'GUEST_IA32_EFER_HIGH');
for (let index = 0; index < 4; index++) {
  field(`GUEST_PDPTR${index}`, 0x280a + 2 * index, { field: 'PDPTE', index });
  field(`GUEST_PDPTR${index}_HIGH`, 0x280b + 2 * index);
}
absent(0x2c00, 1, 'HOST_IA32_PAT HOST_IA32_PAT_HIGH HOST_IA32_EFER HOST_IA32_EFER_HIGH');

// 32-bit fields (B.3).
absent(
  0x4000,
  2,
  'PIN_BASED_VM_EXEC_CONTROL CPU_BASED_VM_EXEC_CONTROL EXCEPTION_BITMAP PAGE_FAULT_ERROR_CODE_MASK PAGE_FAULT_ERROR_CODE_MATCH CR3_TARGET_COUNT ' +
    'VM_EXIT_CONTROLS VM_EXIT_MSR_STORE_COUNT VM_EXIT_MSR_LOAD_COUNT VM_ENTRY_CONTROLS VM_ENTRY_MSR_LOAD_COUNT VM_ENTRY_INTR_INFO_FIELD ' +
    'VM_ENTRY_EXCEPTION_ERROR_CODE VM_ENTRY_INSTRUCTION_LEN TPR_THRESHOLD SECONDARY_VM_EXEC_CONTROL PLE_GAP PLE_WINDOW',
);
absent(0x4400, 2, 'VM_INSTRUCTION_ERROR');
field('VM_EXIT_REASON', 0x4402, { field: 'EXIT_REASON' });
field('VM_EXIT_INTR_INFO', 0x4404, { field: 'EXIT_INTR_INFO' });
field('VM_EXIT_INTR_ERROR_CODE', 0x4406, { field: 'EXIT_INTR_ERROR' });
absent(0x4408, 2, 'IDT_VECTORING_INFO_FIELD IDT_VECTORING_ERROR_CODE');
field('VM_EXIT_INSTRUCTION_LEN', 0x440c, { field: 'EXIT_INSN_LEN' });
absent(0x440e, 2, 'VMX_INSTRUCTION_INFO');
for (const [index, name] of SEGMENTS.entries()) field(`GUEST_${name}_LIMIT`, 0x4800 + 2 * index, { field: 'SEG_LIMIT', index });
field('GUEST_GDTR_LIMIT', 0x4810, { field: 'GDTR_LIMIT' });
field('GUEST_IDTR_LIMIT', 0x4812, { field: 'IDTR_LIMIT' });
for (const [index, name] of SEGMENTS.entries()) field(`GUEST_${name}_AR_BYTES`, 0x4814 + 2 * index, { field: 'SEG_AR', index });
field('GUEST_INTERRUPTIBILITY_INFO', 0x4824, { computed: 'interruptibility' });
field('GUEST_ACTIVITY_STATE', 0x4826, { field: 'ACTIVITY' });
field('GUEST_SYSENTER_CS', 0x482a, { field: 'SYSENTER_CS' });
absent(0x4c00, 2, 'HOST_IA32_SYSENTER_CS');

// Natural-width fields (B.4).
absent(
  0x6000,
  2,
  'CR0_GUEST_HOST_MASK CR4_GUEST_HOST_MASK CR0_READ_SHADOW CR4_READ_SHADOW CR3_TARGET_VALUE0 CR3_TARGET_VALUE1 CR3_TARGET_VALUE2 CR3_TARGET_VALUE3',
);
field('EXIT_QUALIFICATION', 0x6400, { field: 'EXIT_QUAL' });
field('GUEST_LINEAR_ADDRESS', 0x640a, { field: 'EXIT_GLA' });
field('GUEST_CR0', 0x6800, { field: 'CR0' });
field('GUEST_CR3', 0x6802, { field: 'CR3' });
field('GUEST_CR4', 0x6804, { field: 'CR4' });
for (const [index, name] of SEGMENTS.entries()) field(`GUEST_${name}_BASE`, 0x6806 + 2 * index, { field: 'SEG_BASE', index });
field('GUEST_GDTR_BASE', 0x6816, { field: 'GDTR_BASE' });
field('GUEST_IDTR_BASE', 0x6818, { field: 'IDTR_BASE' });
field('GUEST_DR7', 0x681a, { field: 'DR', index: 7 });
field('GUEST_RSP', 0x681c, { field: 'REGS', index: 4 });
field('GUEST_RIP', 0x681e, { field: 'RIP' });
field('GUEST_RFLAGS', 0x6820, { computed: 'rflags' });
field('GUEST_PENDING_DBG_EXCEPTIONS', 0x6822, { field: 'PENDING_DB' });
field('GUEST_SYSENTER_ESP', 0x6824, { field: 'SYSENTER_ESP' });
field('GUEST_SYSENTER_EIP', 0x6826, { field: 'SYSENTER_EIP' });
absent(
  0x6c00,
  2,
  'HOST_CR0 HOST_CR3 HOST_CR4 HOST_FS_BASE HOST_GS_BASE HOST_TR_BASE HOST_GDTR_BASE HOST_IDTR_BASE HOST_IA32_SYSENTER_ESP HOST_IA32_SYSENTER_EIP ' +
    'HOST_RSP HOST_RIP',
);

/** Every field of the VMCS that D has a name for. */
export const VMCS_FIELDS: readonly VmcsField[] = table;

export interface UserRegister {
  /** Names it answers to; the first is the register's. */
  readonly names: readonly string[];
  readonly index: number;
  readonly place: RegisterPlace;
}

/** Place of general register n in REGS: RAX RCX RDX RBX RSP RBP RSI RDI R8-R15. */
const general = (index: number): RegisterPlace => ({ field: 'REGS', index });
const selector = (index: number): RegisterPlace => ({ field: 'SEG_SEL', index });

/** `uregs[]`: the order of illumos' <sys/regset.h> for amd64 (TRAPNO and ERR, 15 and 16, are no registers of a running vCPU). */
export const UREGS: readonly UserRegister[] = [
  { names: ['R_R15'], index: 0, place: general(15) },
  { names: ['R_R14'], index: 1, place: general(14) },
  { names: ['R_R13'], index: 2, place: general(13) },
  { names: ['R_R12'], index: 3, place: general(12) },
  { names: ['R_R11'], index: 4, place: general(11) },
  { names: ['R_R10'], index: 5, place: general(10) },
  { names: ['R_R9'], index: 6, place: general(9) },
  { names: ['R_R8'], index: 7, place: general(8) },
  { names: ['R_RDI', 'R_EDI'], index: 8, place: general(7) },
  { names: ['R_RSI', 'R_ESI'], index: 9, place: general(6) },
  { names: ['R_RBP', 'R_EBP', 'R_FP'], index: 10, place: general(5) },
  { names: ['R_RBX', 'R_EBX'], index: 11, place: general(3) },
  { names: ['R_RDX', 'R_EDX', 'R_R1'], index: 12, place: general(2) },
  { names: ['R_RCX', 'R_ECX'], index: 13, place: general(1) },
  { names: ['R_RAX', 'R_EAX', 'R_R0'], index: 14, place: general(0) },
  { names: ['R_RIP', 'R_EIP', 'R_PC'], index: 17, place: { field: 'RIP' } },
  { names: ['R_CS'], index: 18, place: selector(1) },
  { names: ['R_RFL', 'R_EFL', 'R_PS'], index: 19, place: { computed: 'rflags' } },
  { names: ['R_RSP', 'R_ESP', 'R_UESP', 'R_SP'], index: 20, place: general(4) },
  { names: ['R_SS'], index: 21, place: selector(2) },
  { names: ['R_FS'], index: 22, place: selector(4) },
  { names: ['R_GS'], index: 23, place: selector(5) },
  { names: ['R_ES'], index: 24, place: selector(0) },
  { names: ['R_DS'], index: 25, place: selector(3) },
  { names: ['R_FSBASE'], index: 26, place: { field: 'SEG_BASE', index: 4 } },
  { names: ['R_GSBASE'], index: 27, place: { field: 'SEG_BASE', index: 5 } },
];
