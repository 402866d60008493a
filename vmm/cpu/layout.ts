/**
 * The state layout: one typed table for everything a vCPU keeps in the VM's shared memory.
 *
 * The CPU core's constants (`vmm/cpu/core/state.gen.ts`, written by `scripts/gen-state.ts`), the TypeScript accessors,
 * the save format, the vmregs map and D's offsets all come from this table. Offsets are relative to a vCPU base that the
 * core is handed with every call, so one compiled core serves every vCPU.
 *
 * @module
 */

/** How a field is stored; the suffix is its width in bits. */
export type FieldType = 'u8' | 'u16' | 'u32' | 'u64';

/** One field of the layout: `count` elements, `stride` bytes apart. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly count: number;
  readonly stride: number;
  readonly offset: number;
  /** Part of the architectural state that a snapshot keeps (caches and scratch are not). */
  readonly saved: boolean;
  readonly doc: string;
}

interface FieldOptions {
  readonly count?: number;
  readonly stride?: number;
  readonly saved?: boolean;
  readonly align?: number;
}

const WIDTH: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** Bump when a field's meaning changes without its name, type or place changing. */
export const LAYOUT_VERSION = 1;

const table: Field[] = [];
let cursor = 0;

function field(name: string, type: FieldType, doc: string, options: FieldOptions = {}): void {
  const width = WIDTH[type];
  const align = options.align ?? width;
  const stride = options.stride ?? width;
  const count = options.count ?? 1;
  cursor = Math.ceil(cursor / align) * align;
  table.push({ name, type, count, stride, offset: cursor, saved: options.saved ?? true, doc });
  cursor += stride * count;
}

const scratch = { saved: false } as const;

/** Device accesses of one instruction that may be answered outside run(). */
export const ANSWERS_MAX = 512;

// General registers. Operand fields of micro-ops are byte offsets into this block, so it stands first.
field('REGS', 'u64', 'RAX RCX RDX RBX RSP RBP RSI RDI R8-R15', { count: 16 });
field('ZERO', 'u64', 'always 0: the absent base or index of an address', scratch);
field('RIP_BASE', 'u64', 'rip = RIP_BASE + page offset of the instruction (linear page address - CS base)', scratch);
field('K4096', 'u64', 'always 4096: index of a rip-relative address whose displacement would overflow', scratch);
field('TMP', 'u64', 'scratch operands', { ...scratch, count: 4 });
field('RIP', 'u64', 'instruction pointer of the current or next instruction whenever control is outside the fast loop');
field('NEXT_RIP', 'u64', 'address after the current instruction, for functions that need it', scratch);
field('RFLAGS', 'u32', 'RFLAGS; the arithmetic bits are valid only when FLAG_OP is FLAGS_EAGER');
field('FLAG_OP', 'u32', 'how the arithmetic flags follow from FLAG_RES, FLAG_A, FLAG_B');
field('FLAG_RES', 'u64', 'result of the last flag-setting operation, sign-extended');
field('FLAG_A', 'u64', 'its first operand, sign-extended');
field('FLAG_B', 'u64', 'its second operand, sign-extended');
// D programs see it as struct kvm_vcpu's member (probes/points.ts says where).
field('VCPU_ID', 'u32', 'number of the vCPU', scratch);

// Segments: ES CS SS DS FS GS LDTR TR, 32 bytes each.
field('SEG_BASE', 'u64', 'segment base; ES CS SS DS FS GS LDTR TR, 32 bytes apart', { count: 8, stride: 32 });
cursor -= 8 * 32;
table.pop();
const segments = cursor;
function segmentField(name: string, type: FieldType, at: number, doc: string): void {
  table.push({ name, type, count: 8, stride: 32, offset: segments + at, saved: true, doc });
}
segmentField('SEG_BASE', 'u64', 0, 'segment base; ES CS SS DS FS GS LDTR TR, 32 bytes apart');
segmentField('SEG_LIMIT', 'u32', 8, 'segment limit in bytes (granularity applied)');
segmentField('SEG_AR', 'u32', 12, 'access rights in VMX layout: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16');
segmentField('SEG_SEL', 'u16', 16, 'selector');
cursor += 8 * 32;

field('GDTR_BASE', 'u64', 'GDTR base');
field('IDTR_BASE', 'u64', 'IDTR base');
field('GDTR_LIMIT', 'u32', 'GDTR limit');
field('IDTR_LIMIT', 'u32', 'IDTR limit');
field('CR0', 'u64', 'CR0');
field('CR2', 'u64', 'CR2');
field('CR3', 'u64', 'CR3');
field('CR4', 'u64', 'CR4');
field('CR8', 'u64', 'CR8, the task priority (kept equal to the local APIC TPR[7:4])');
field('XCR0', 'u64', 'XCR0');
field('DR', 'u64', 'DR0-DR7 (4 and 5 unused)', { count: 8 });
field('PDPTE', 'u64', 'PAE page-directory-pointer registers, loaded with CR3', { count: 4 });

// Model-specific registers kept by the core.
field('EFER', 'u64', 'MSR C0000080');
field('STAR', 'u64', 'MSR C0000081');
field('LSTAR', 'u64', 'MSR C0000082');
field('CSTAR', 'u64', 'MSR C0000083');
field('FMASK', 'u64', 'MSR C0000084');
field('KERNEL_GS_BASE', 'u64', 'MSR C0000102');
field('TSC_AUX', 'u64', 'MSR C0000103');
field('SYSENTER_CS', 'u64', 'MSR 174');
field('SYSENTER_ESP', 'u64', 'MSR 175');
field('SYSENTER_EIP', 'u64', 'MSR 176');
field('APIC_BASE', 'u64', 'MSR 1B');
field('TSC_OFFSET', 'u64', 'TSC = VM clock + TSC_OFFSET (written through MSR 10)');
field('TSC_ADJUST', 'u64', 'MSR 3B');
field('TSC_DEADLINE', 'u64', 'MSR 6E0');
field('PAT', 'u64', 'MSR 277');
field('MTRR_DEF_TYPE', 'u64', 'MSR 2FF');
field('MTRR_FIXED', 'u64', 'MSRs 250 258 259 268-26F', { count: 11 });
field('MTRR_VAR', 'u64', 'MSRs 200-20F', { count: 16 });
field('MISC_ENABLE', 'u64', 'MSR 1A0');
field('FEATURE_CONTROL', 'u64', 'MSR 3A');
field('MCG_STATUS', 'u64', 'MSR 17A');
field('MCG_CTL', 'u64', 'MSR 17B');
field('MC_BANKS', 'u64', 'MSRs 400-427: CTL STATUS ADDR MISC of ten banks', { count: 40 });
field('DEBUGCTL', 'u64', 'MSR 1D9');
field('SPEC_CTRL', 'u64', 'MSR 48');
field('PKRU', 'u64', 'PKRU, 32 bits: access and write disable of the 16 protection keys');
field('RANDOM', 'u64', 'state of the generator behind RDRAND and RDSEED; seeded with the VM, kept by a reset', { count: 2 });
field('MSR_SPARE', 'u64', 'room for MSRs of later levels', { count: 16 });

// x87: physical registers R0-R7, 16 bytes each: significand u64, sign and exponent u16.
field('FPR', 'u64', 'x87 significands R0-R7 (MMX registers), 16 bytes apart; the sign and exponent word follows each', { count: 16 });
field('FCW', 'u16', 'x87 control word');
field('FSW', 'u16', 'x87 status word; TOP stands in bits 13:11 here');
field('FTW', 'u16', 'x87 tags, abridged: bit n set = physical register Rn not empty');
field('FOP', 'u16', 'x87 last opcode, 11 bits');
field('FIP', 'u64', 'x87 last instruction pointer');
field('FDP', 'u64', 'x87 last data pointer');
field('FCS', 'u16', 'x87 last CS');
field('FDS', 'u16', 'x87 last DS');
field('MXCSR', 'u32', 'SSE control and status');
field('XMM', 'u64', 'XMM0-XMM15 (YMM: 32 bytes each)', { count: 64, align: 32 });

// Derived from the above by modeChanged(); never saved.
field('CPL', 'u32', 'current privilege level', scratch);
field('MODE', 'u32', 'code size of CS: 0 = 16 bit, 1 = 32 bit, 2 = 64 bit', scratch);
field('PROT', 'u32', '0 = real, 1 = protected or long, 2 = virtual-8086', scratch);
field('LONG', 'u32', 'EFER.LMA', scratch);
field('CANONICAL', 'u32', 'bits above a linear address: 16, or 7 with 5-level paging', scratch);
field('STACK_MASK', 'u64', 'RSP bits used by implicit stack accesses: 16, 32 or 64', scratch);
field(
  'VEX_READY',
  'u32',
  '1 when vector instructions under VEX are possible: protected mode, CR4.OSXSAVE, SSE and AVX in XCR0, CR0.TS clear',
  scratch,
);
field('TLB_NOW', 'u32', 'address of the data TLB in use: by privilege, SMAP and alignment checks', scratch);
field('FETCH_USER', 'u32', '1 when instruction fetches are user accesses', scratch);

field('CODE_BASE', 'u64', 'linear address of rip 0: the CS base, 0 in 64-bit mode', scratch);
field('JUMP_GEN', 'u32', 'entries of the jump cache are valid when they carry this number', scratch);
field('PAGING_KEY', 'u32', 'the control bits that cached translations depend on', scratch);
field('SCRATCH_PARTS', 'u32', 'parts of a store that waits in the scratch buffer', scratch);
field('SCRATCH_AT', 'u64', 'their places: host address, or guest physical address of a device with bit 63 set', { ...scratch, count: 2 });
field('SCRATCH_SIZE', 'u32', 'their sizes in bytes', { ...scratch, count: 2 });
field('WALK_PATH', 'u32', 'host addresses of the paging-structure entries of one walk, outermost first', { ...scratch, count: 5 });
field('DTLB_FILLED', 'u32', 'entries in the list of filled data TLB entries', scratch);
field('ITLB_FILLED', 'u32', 'entries in the list of filled instruction TLB entries', scratch);
field('ENTRY_CLOCK', 'u64', 'VM clock at the last VM entry');

// Events.
field('EXC', 'u32', 'pending outcome of the current instruction: 0 none; else see EXC_* in the core', scratch);
field('EXC_ERROR', 'u32', 'error code of the pending exception', scratch);
field('EXC_CR2', 'u64', 'linear address of a pending #PF, written to CR2 at delivery', scratch);
field('EXC_DR6', 'u64', 'DR6 bits of a pending #DB', scratch);
field('EVENT', 'u32', 'what asks for attention at the next boundary: EVENT_INTR EVENT_NMI EVENT_STOP ...');
field('SHADOW_AT', 'u64', 'ICOUNT at which the STI or MOV SS shadow holds (all ones: none)');
field('STRING_AT', 'u64', 'ICOUNT at which a repeated string instruction stands between two iterations (all ones: none)');
field('SHADOW_KIND', 'u32', '1 = STI, 2 = MOV SS: what made the shadow');
field('NMI_BLOCKED', 'u32', '1 between NMI delivery and IRET');
field('ACTIVITY', 'u32', '0 active, 1 HLT, 2 shutdown, 3 wait for SIPI');
field(
  'OUTSIDE',
  'u32',
  '0 = the guest runs; 1 = it exited and what follows is the handler; 2 = the same, and its instruction is run again',
);
field('SIPI', 'u32', '1 + vector of a start-up IPI that waits for the INIT before it, 0 = none');
field('WINDOW', 'u32', '1 when an interrupt window exit was requested');
field('BURST', 'u64', 'string I/O that a slice end cut: bit 0 = there is one, bit 1 = its exit is still open, above them its linear page');
field('STORM', 'u32', 'events delivered since an instruction last retired');
field('STORM_AT', 'u64', 'ICOUNT at which they were');
field('PENDING_DB', 'u64', 'DR6 bits of a #DB trap that waits for the boundary');
field('PAUSE_AT', 'u64', 'ICOUNT at the last PAUSE');
field('PAUSES', 'u32', 'PAUSEs in a row, each close behind the one before');
field('YIELD', 'u32', '1 when the vCPU spins and gives up its turn');
field('STEPPING', 'u32', '1 while one instruction runs from the scratch line', scratch);

// Time.
field('ICOUNT', 'u64', 'retired instructions', { align: 64 });
field('CLOCK_OFFSET', 'u64', 'VM clock (ns) = ICOUNT + CLOCK_OFFSET: exit costs and skipped idle time');
field('DEADLINE', 'u64', 'VM clock (ns) of the next event; run() returns there');
field('SLICE_END', 'u64', 'ICOUNT at which run() returns to look outside');
field('PROBE_DEADLINE', 'u64', 'VM clock (ns) at which run() returns for the tracer; no event of the VM. 0 = never', scratch);
field('STOP_AT', 'u64', 'ICOUNT that ends the current stretch: the nearest of these, as the core computed it', scratch);

// Exits.
field('EXIT_REASON', 'u32', 'basic exit reason of the last VM exit');
field('EXIT_INSN_LEN', 'u32', 'its instruction length');
field('EXIT_QUAL', 'u64', 'its exit qualification');
field('EXIT_GLA', 'u64', 'its guest linear address');
field('EXIT_GPA', 'u64', 'its guest physical address');
field('EXIT_INTR_INFO', 'u32', 'its interruption information');
field('EXIT_INTR_ERROR', 'u32', 'its interruption error code');
field('EXIT_EXTRA', 'u32', 'nanoseconds that the handler of the current exit adds to its modelled cost (device class, bytes)');
field('RUN_EXIT', 'u32', 'what run() returned', scratch);
field('IO_DATA', 'u64', 'value of a port, MMIO or MSR access that is handed to or from the monitor', scratch);
field('IO_PORT', 'u32', 'port of an access that leaves run()', scratch);
field('IO_SIZE', 'u32', 'its size in bytes', scratch);
field('IO_WRITE', 'u32', '1 = the guest writes', scratch);
field('IO_COUNT', 'u32', 'elements of a string access', scratch);
field('IO_GPA', 'u64', 'guest physical address of an MMIO access that leaves run()', scratch);
field('ANSWERS', 'u32', 'answers present for the instruction that is to be re-executed', scratch);
field('ANSWER_NEXT', 'u32', 'answers used so far by its re-execution', scratch);
field('ANSWER', 'u64', 'the answers: ENTER with 31 levels, frames and stack in a device and misaligned, takes most', {
  ...scratch,
  count: ANSWERS_MAX,
});
field('STATUS_TEXT', 'u32', 'why run() returned RUN_INTERNAL: see INTERNAL_* in the core', scratch);
field('PROBE_ARG', 'u64', 'raw arguments of the probe that fires', { ...scratch, count: 10 });
field('EXIT_HASH', 'u64', 'hash over all exits so far (reason, rip, ICOUNT)');
field('EXIT_RING_NEXT', 'u64', 'exits recorded in EXIT_RING since reset');
field('EXIT_RING', 'u64', 'last 64 exits: reason, rip, qualification, ICOUNT', { count: 64 * 4 });
field('EXIT_COUNT', 'u64', 'exits by basic reason', { count: 72 });
field('EXIT_TIME', 'u64', 'modelled nanoseconds by basic reason', { count: 72 });
field('EXIT_MIN', 'u64', 'least modelled nanoseconds (all ones before the first)', { count: 72 });
field('EXIT_MAX', 'u64', 'greatest modelled nanoseconds', { count: 72 });
field('IRQ_COUNT', 'u64', 'interrupts injected by vector', { count: 256 });
field('KS_NMI_INJECTIONS', 'u64', 'kstat nmi-injections');
field('KS_IRQ_INJECTIONS', 'u64', 'kstat irq-injections');
field('KS_INSN_EMULATION', 'u64', 'kstat insn-emulation: every emulated MMIO access and string I/O');
field('KS_EMULATION_FAIL', 'u64', 'kstat inst-emulation-fail');
field('KS_EXITS', 'u64', 'kstat exits');
field('KS_HALT_WAKEUP', 'u64', 'kstat halt-wakeup');
field('KS_MMIO_EXITS', 'u64', 'kstat mmio-exits: MMIO accesses that leave the irqchip');
field('KS_SIGNAL_EXITS', 'u64', 'kstat signal-exits');
field('KS_PF_FIXED', 'u64', 'kstat pf-fixed: EPT violations');
field('KS_HYPERCALLS', 'u64', 'kstat hypercalls');
field('KS_NMI_WINDOW', 'u64', 'kstat nmi-window-exits');
field('ENG_LINES', 'u64', 'engine: lines decoded', scratch);
field('ENG_UOPS', 'u64', 'engine: micro-ops decoded', scratch);
field('ENG_TLB_MISSES', 'u64', 'engine: data TLB misses', scratch);
field('ENG_ITLB_MISSES', 'u64', 'engine: instruction TLB misses', scratch);
field('ENG_STEPS', 'u64', 'engine: instructions run one at a time', scratch);
field('ENG_INVALIDATIONS', 'u64', 'engine: pages of decoded code dropped', scratch);
field('ENG_FLUSHES', 'u64', 'engine: TLB flushes', scratch);

/** Every field, in order of its offset. */
export const FIELDS: readonly Field[] = table;

/** Bytes from a vCPU's base to the end of its state. */
export const STATE_SIZE = Math.ceil(cursor / 64) * 64;

/** The layout's fingerprint: a saved state is refused when it differs (32-bit FNV-1a over names, types and places). */
export const LAYOUT_HASH: number = (() => {
  let hash = 0x811c9dc5;
  for (const f of table) {
    for (const ch of `${f.name}:${f.type}:${f.count}:${f.stride}:${f.offset};`) {
      hash = Math.imul(hash ^ ch.charCodeAt(0), 0x01000193) >>> 0;
    }
  }
  return hash;
})();

const byName = new Map(table.map((f) => [f.name, f]));

/** Offset of element `index` of a field from the vCPU's base. Throws when the table has no such field. */
export function offsetOf(name: string, index = 0): number {
  const f = byName.get(name);
  if (f === undefined) throw new Error(`layout: no field ${name}`);
  return f.offset + index * f.stride;
}

/*
 * The map of one VM's shared memory, in bytes. Everything below RAM_BASE belongs to the engine; page numbers of guest RAM are
 * host offsets from RAM_BASE. Addresses are the same for every VM, so one compiled core serves all.
 */
export const MEMORY_MAP = {
  /** asc's static data and stack. */
  CORE_DATA: 0x0001_0000,
  /** Per-VM area: memory slots, exit cost table, intercept switches. */
  VM_BASE: 0x0008_0000,
  /** vCPU n's state stands at VCPU_BASE + n * VCPU_STRIDE; its TLBs follow the state. */
  VCPU_BASE: 0x0010_0000,
  VCPU_STRIDE: 0x0008_0000,
  /** Eight vCPUs end at 0x500000. Flags of each 4 KB page of guest RAM, one byte each (896 K pages at most). */
  PAGE_FLAGS: 0x0050_0000,
  /** First line of decoded code in each page of guest RAM, 4 bytes each. */
  PAGE_LINES: 0x0060_0000,
  /** Hash heads of decoded lines. */
  LINE_HASH: 0x00a0_0000,
  /** Micro-ops. */
  UOPS: 0x00c0_0000,
  UOPS_END: 0x03c0_0000,
  /** Trace buffers and kstat strings. */
  TRACE: 0x03c0_0000,
  /** Room for the exit log. */
  EXIT_LOG: 0x03d0_0000,
  EXIT_LOG_LIMIT: 0x03f0_0000,
  RAM_BASE: 0x0400_0000,
} as const;

/** Engine-private areas of a vCPU, bytes from its base, after the state. */
export const VCPU_AREA = {
  /** Four data TLBs (supervisor, user, supervisor under SMAP, never filled) of 1024 entries of 32 bytes: read tag, write tag, addend, flags. */
  DTLB: 0x10000,
  /** Instruction TLB: 2048 entries of 16 bytes: tag, host page, flags. */
  ITLB: 0x30000,
  /** Jump cache: 4096 entries of 16 bytes: linear address, generation, micro-op. */
  JUMPS: 0x40000,
  /** One instruction decoded alone, and its bytes. */
  STEP_LINE: 0x50000,
  STEP_BYTES: 0x50080,
  /** Operand bytes that do not lie in one page of RAM (64) and the answer to a device read. */
  SCRATCH: 0x50100,
  /** Indices of filled TLB entries, u16 each. */
  /** Operands of a VEX instruction lane by lane: eight slots of 32 bytes. */
  LANES: 0x50200,
  DTLB_LIST: 0x51000,
  ITLB_LIST: 0x54000,
} as const;

/** Fields of the per-VM area, bytes from VM_BASE. */
export const VM_AREA = {
  /** Number of memory slots in use (u32), then 32 slots of 24 bytes: gpa page u64, pages u32, host address u32, flags u32 (1 = read-only), pad. */
  SLOT_COUNT: 0,
  SLOTS: 64,
  /** Modelled nanoseconds by exit reason, u32 each (72). */
  EXIT_COST: 1024,
  /** Intercept switches: u32 bits, see INTERCEPT. */
  INTERCEPT: 1536,
  /** Exceptions that exit, one bit a vector. */
  EXC_BITMAP: 1540,
  /** CPUID table: count (u32) at CPUID_COUNT, entries of 24 bytes {leaf, subleaf or ffffffff = any, eax, ebx, ecx, edx}. */
  CPUID_COUNT: 1544,
  CPUID: 2048,
  /** Probe switches, u32 each, by probe number: 0 = off. */
  PROBES: 8192,
  /** Base of the xAPIC page of vCPU 0 (gpa, u32): accesses to it are APIC_ACCESS exits. */
  APIC_GPA: 1548,
  /** Where the next record of the exit log goes and where its room ends (host addresses, u32 each); 0 = nobody keeps a log. See EXIT_RECORD. */
  EXIT_LOG_AT: 1560,
  EXIT_LOG_END: 1564,
  /** The record of the last exit, which is still being completed; 0 = there is none. Records of its call chain may follow it. */
  EXIT_LOG_LAST: 1568,
  /** Return addresses to note with each exit, at most EXIT_RECORD.CHAIN_MAX. */
  EXIT_LOG_CHAIN: 1572,
  /** Instruction-set extensions that the guest may use: u64 bits, see ISA. */
  ISA: 1552,
  /** Addresses that are watched: how many (u32), at most WATCH_MAX, and the linear addresses (u64 each). */
  WATCH_COUNT: 1576,
  WATCH: 1600,
} as const;

/** A record of the exit log, little-endian: where its fields stand. `vmm/exit-log/record.ts` says what they mean. */
export const EXIT_RECORD = {
  TIME: 0,
  RIP: 8,
  QUALIFICATION: 16,
  SUBJECT: 24,
  VALUE: 32,
  CR3: 40,
  ICOUNT: 48,
  VECTOR: 55,
  COST: 56,
  REASON: 60,
  VCPU: 61,
  LENGTH: 62,
  FLAGS: 63,
  BYTES: 64,
  /** REASON of a record that is no exit: bytes that the guest wrote to a console, and how many of them. */
  TEXT_REASON: 252,
  TEXT_COUNT: 59,
  TEXT_EACH: 56,
  /** REASON of a record that is no exit: a watched address was reached. */
  MARK_REASON: 253,
  /** REASON of a record that goes on with the one before: addresses, and how many. */
  CHAIN_REASON: 254,
  CHAIN_COUNT: 56,
  CHAIN_EACH: 7,
  /** The first of them begins with the bytes of the instruction and how many they are. */
  CODE_LENGTH: 15,
  CHAIN_FIRST: 5,
  CHAIN_MAX: 12,
} as const;

/**
 * Bits of VM_AREA.ISA: extensions whose encodings are something else, or #UD, when CPUID does not enumerate them. The names are those of
 * `vmm/cpu/cpuid.ts`. Bits 0 to 7 are the levels of sse-table.ts.
 */
export const ISA = {
  sse2: 1 << 0,
  sse3: 1 << 1,
  ssse3: 1 << 2,
  sse4_1: 1 << 3,
  sse4_2: 1 << 4,
  aes: 1 << 5,
  pclmulqdq: 1 << 6,
  sha_ni: 1 << 7,
  popcnt: 1 << 8,
  movbe: 1 << 9,
  adx: 1 << 10,
  bmi1: 1 << 11,
  bmi2: 1 << 12,
  abm: 1 << 13,
  rdrand: 1 << 14,
  rdseed: 1 << 15,
  fsgsbase: 1 << 16,
  rdpid: 1 << 17,
  clflushopt: 1 << 18,
  clwb: 1 << 19,
  xsave: 1 << 20,
  xsaveopt: 1 << 21,
  xsavec: 1 << 22,
  avx: 1 << 23,
  avx2: 1 << 24,
  fma: 1 << 25,
  f16c: 1 << 26,
  pku: 1 << 27,
  invpcid: 1 << 28,
  rdtscp: 1 << 29,
  cx16: 1 << 30,
  smap: 2 ** 31,
  lahf_lm: 2 ** 32,
} as const;

/** Places and sizes of the components behind the header of an XSAVE area in the standard format, which CPUID leaf 0DH tells. */
export const XSAVE = { AVX_OFFSET: 576, AVX_SIZE: 256, PKRU_OFFSET: 832, PKRU_SIZE: 8 } as const;

/** A bit of VM_AREA.INTERCEPT beside those: several vCPUs take turns, and one that spins gives up its own. */
export const TURNS = 64;
/** Bits of VM_AREA.INTERCEPT, the names of `--intercept`. */
export const INTERCEPT = { cr3: 1, invlpg: 2, rdtsc: 4, pause: 8, dr: 16, cr8: 32 } as const;

/** High word of the addresses of D's own objects; the low word is the place in the VM's memory. Not canonical: no guest has such an address. */
export const D_BASE_HIGH = 0x0d00_0000;

/** Bytes behind guest RAM for the memory of enabled D programs; pages that nobody touches cost nothing. */
export const TRACE_BYTES = 192 * 1024 * 1024;

/** Largest guest RAM in bytes: 32-bit WebAssembly memory less the engine's part. */
export const MAX_RAM = 3584 * 1024 * 1024;

/** Addresses that can be watched at a time. */
export const WATCH_MAX = 16;

/** Room for a ROM behind it. */
export const MAX_ROM = 16 * 1024 * 1024;

/** vCPUs that a VM can have: what the memory map has room for. */
export const VCPUS_MAX = 8;
