/**
 * VM exit reasons and exit qualifications, for people: names, and what the bits of a qualification say.
 *
 * Models the basic exit reasons of the Intel SDM, vol. 3, appendix C, and the exit qualifications of its chapter on VM exits ("Information for
 * VM exits due to ..."; the tables are named beside each decoder). The names are those of D's `EXIT_REASON_*` constants. Leaves out reasons that
 * this engine cannot produce (APICv, VMFUNC, SGX, PML, ...) and those of AMD's SVM.
 *
 * The numbers stand in `vmm/cpu/core/exits.ts` a second time, as the compiled core cannot import this file; a test compares both.
 *
 * @module
 */

/** Names by basic exit reason, without `EXIT_REASON_`; a number that is not defined has none. */
export const EXIT_REASON_NAMES: readonly (string | undefined)[] = names({
  0: 'EXCEPTION_NMI',
  1: 'EXTERNAL_INTERRUPT',
  2: 'TRIPLE_FAULT',
  3: 'INIT',
  4: 'SIPI',
  7: 'PENDING_INTERRUPT',
  8: 'NMI_WINDOW',
  9: 'TASK_SWITCH',
  10: 'CPUID',
  12: 'HLT',
  13: 'INVD',
  14: 'INVLPG',
  15: 'RDPMC',
  16: 'RDTSC',
  18: 'VMCALL',
  19: 'VMCLEAR',
  20: 'VMLAUNCH',
  21: 'VMPTRLD',
  22: 'VMPTRST',
  23: 'VMREAD',
  24: 'VMRESUME',
  25: 'VMWRITE',
  26: 'VMOFF',
  27: 'VMON',
  28: 'CR_ACCESS',
  29: 'DR_ACCESS',
  30: 'IO_INSTRUCTION',
  31: 'MSR_READ',
  32: 'MSR_WRITE',
  33: 'INVALID_STATE',
  36: 'MWAIT',
  39: 'MONITOR',
  40: 'PAUSE',
  41: 'MCE_DURING_VMENTRY',
  43: 'TPR_BELOW_THRESHOLD',
  44: 'APIC_ACCESS',
  48: 'EPT_VIOLATION',
  49: 'EPT_MISCONFIG',
  54: 'WBINVD',
  55: 'XSETBV',
});

/** Reasons are below this number: the length of the tables that count by reason. */
export const EXIT_REASON_LIMIT = 72;

/** Basic exit reasons by name. */
export const EXIT_REASON = {
  EXCEPTION_NMI: 0,
  EXTERNAL_INTERRUPT: 1,
  TRIPLE_FAULT: 2,
  PENDING_INTERRUPT: 7,
  NMI_WINDOW: 8,
  TASK_SWITCH: 9,
  CPUID: 10,
  HLT: 12,
  INVD: 13,
  INVLPG: 14,
  RDPMC: 15,
  RDTSC: 16,
  VMCALL: 18,
  CR_ACCESS: 28,
  DR_ACCESS: 29,
  IO_INSTRUCTION: 30,
  MSR_READ: 31,
  MSR_WRITE: 32,
  MWAIT: 36,
  MONITOR: 39,
  PAUSE: 40,
  APIC_ACCESS: 44,
  EPT_VIOLATION: 48,
  EPT_MISCONFIG: 49,
  WBINVD: 54,
  XSETBV: 55,
} as const;

/** Reasons whose exits have a guest physical address: of memory, of a device, of the APIC's page. */
export const ADDRESS_REASONS: readonly number[] = [EXIT_REASON.APIC_ACCESS, EXIT_REASON.EPT_VIOLATION, EXIT_REASON.EPT_MISCONFIG];
/** Of RDMSR and WRMSR. */
export const MSR_REASONS: readonly number[] = [EXIT_REASON.MSR_READ, EXIT_REASON.MSR_WRITE];

function names(byNumber: Record<number, string>): (string | undefined)[] {
  const list: (string | undefined)[] = [];
  for (const [number, name] of Object.entries(byNumber)) list[Number(number)] = name;
  return list;
}

/** The name of a basic exit reason; `REASON_<n>` when it has none. */
export function exitReasonName(reason: number): string {
  return EXIT_REASON_NAMES[reason] ?? `REASON_${reason}`;
}

/** Exit qualification of IO_INSTRUCTION (SDM, "Exit Qualification for I/O Instructions"). */
export interface IoQualification {
  readonly port: number;
  /** Bytes of one element: 1, 2 or 4. */
  readonly size: number;
  readonly direction: 'in' | 'out';
  readonly string: boolean;
  readonly rep: boolean;
  /** The port was an immediate operand, not DX. */
  readonly immediate: boolean;
}

/** Takes the qualification of an IO_INSTRUCTION exit apart. */
export function decodeIo(qualification: number): IoQualification {
  return {
    port: (qualification >>> 16) & 0xffff,
    size: (qualification & 7) + 1,
    direction: qualification & 8 ? 'in' : 'out',
    string: (qualification & 16) !== 0,
    rep: (qualification & 32) !== 0,
    immediate: (qualification & 64) !== 0,
  };
}

/** Exit qualification of CR_ACCESS (SDM, "Exit Qualification for Control-Register Accesses"). */
export interface CrQualification {
  readonly cr: number;
  readonly access: 'mov to' | 'mov from' | 'clts' | 'lmsw';
  /** General register of a MOV, numbered as in the instruction. */
  readonly register: number;
  /** LMSW took its operand from memory. */
  readonly memory: boolean;
  /** LMSW's operand. */
  readonly source: number;
}

const CR_ACCESSES = ['mov to', 'mov from', 'clts', 'lmsw'] as const;

/** Takes the qualification of a CR_ACCESS exit apart. */
export function decodeCr(qualification: number): CrQualification {
  return {
    cr: qualification & 15,
    access: CR_ACCESSES[(qualification >>> 4) & 3] ?? 'mov to',
    register: (qualification >>> 8) & 15,
    memory: (qualification & 64) !== 0,
    source: (qualification >>> 16) & 0xffff,
  };
}

/** Exit qualification of DR_ACCESS (SDM, "Exit Qualification for MOV DR"). */
export function decodeDr(qualification: number): {
  readonly dr: number;
  readonly access: 'mov to' | 'mov from';
  readonly register: number;
} {
  return { dr: qualification & 7, access: qualification & 16 ? 'mov from' : 'mov to', register: (qualification >>> 8) & 15 };
}

/** Exit qualification of APIC_ACCESS (SDM, "Exit Qualification for APIC-Access VM Exits ..."). */
export function decodeApic(qualification: number): { readonly offset: number; readonly access: string } {
  const type = (qualification >>> 12) & 15;
  return { offset: qualification & 0xfff, access: APIC_ACCESSES[type] ?? `access type ${type}` };
}

const APIC_ACCESSES: readonly (string | undefined)[] = ['read', 'write', 'fetch', 'event delivery'];

/** Exit qualification of EPT_VIOLATION (SDM, "Exit Qualification for EPT Violations"). */
export interface EptQualification {
  readonly read: boolean;
  readonly write: boolean;
  readonly fetch: boolean;
  /** The guest linear address field of the exit holds one. */
  readonly linear: boolean;
  /** The access was to the translation of the linear address; otherwise to a paging structure on the way there. */
  readonly final: boolean;
}

/** Takes the qualification of an EPT_VIOLATION exit apart. */
export function decodeEpt(qualification: number): EptQualification {
  return {
    read: (qualification & 1) !== 0,
    write: (qualification & 2) !== 0,
    fetch: (qualification & 4) !== 0,
    linear: (qualification & 0x80) !== 0,
    final: (qualification & 0x100) !== 0,
  };
}

/** Exit qualification of TASK_SWITCH (SDM, "Exit Qualification for Task Switches"). */
export function decodeTaskSwitch(qualification: number): { readonly selector: number; readonly source: string } {
  return { selector: qualification & 0xffff, source: TASK_SOURCES[(qualification >>> 30) & 3] ?? '' };
}

const TASK_SOURCES = ['call', 'iret', 'jmp', 'task gate'] as const;

/** Interruption information (SDM, "Format of the VM-Exit Interruption-Information Field"). */
export interface InterruptionInfo {
  readonly valid: boolean;
  readonly vector: number;
  readonly type:
    | 'external'
    | 'nmi'
    | 'hardware exception'
    | 'software interrupt'
    | 'privileged software exception'
    | 'software exception'
    | 'reserved';
  readonly hasError: boolean;
}

const INTERRUPTION_TYPES = [
  'external',
  'reserved',
  'nmi',
  'hardware exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'reserved',
] as const;

/** Takes VM-exit interruption information apart. */
export function decodeInterruption(info: number): InterruptionInfo {
  return {
    valid: info >>> 31 === 1,
    vector: info & 0xff,
    type: INTERRUPTION_TYPES[(info >>> 8) & 7] ?? 'reserved',
    hasError: (info & 0x800) !== 0,
  };
}

const GPR = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;

function describeIo(q: IoQualification): string {
  const name = q.direction + (q.string ? 's' : '');
  return `${q.rep ? 'rep ' : ''}${name} port 0x${q.port.toString(16)} ${q.size} byte${q.size === 1 ? '' : 's'}`;
}

function describeCr(q: CrQualification): string {
  if (q.access === 'clts') return 'clts';
  if (q.access === 'lmsw') return `lmsw 0x${q.source.toString(16)}`;
  return q.access === 'mov to' ? `mov cr${q.cr}, ${GPR[q.register]}` : `mov ${GPR[q.register]}, cr${q.cr}`;
}

function describeEpt(q: EptQualification): string {
  const access = [q.read ? 'read' : '', q.write ? 'write' : '', q.fetch ? 'fetch' : ''].filter((s) => s !== '').join('+');
  return q.linear && !q.final ? `${access} in a page walk` : access;
}

/** One short phrase for what an exit was about, or '' where the reason has no qualification. The high half of a 64-bit one may be left out. */
export function describeQualification(reason: number, qualification: number | bigint): string {
  const low = Number(BigInt.asUintN(32, BigInt(qualification)));
  switch (reason) {
    case EXIT_REASON.EXCEPTION_NMI:
    case EXIT_REASON.INVLPG:
      return `0x${BigInt.asUintN(64, BigInt(qualification)).toString(16)}`;
    case EXIT_REASON.TASK_SWITCH: {
      const q = decodeTaskSwitch(low);
      return `${q.source} to selector 0x${q.selector.toString(16)}`;
    }
    case EXIT_REASON.CR_ACCESS:
      return describeCr(decodeCr(low));
    case EXIT_REASON.DR_ACCESS: {
      const q = decodeDr(low);
      return q.access === 'mov to' ? `mov dr${q.dr}, ${GPR[q.register]}` : `mov ${GPR[q.register]}, dr${q.dr}`;
    }
    case EXIT_REASON.IO_INSTRUCTION:
      return describeIo(decodeIo(low));
    case EXIT_REASON.APIC_ACCESS: {
      const q = decodeApic(low);
      return `${q.access} of register 0x${q.offset.toString(16)}`;
    }
    case EXIT_REASON.EPT_VIOLATION:
      return describeEpt(decodeEpt(low));
    default:
      return '';
  }
}
