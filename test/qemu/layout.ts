/**
 * Where everything stands in the guest's memory, and what a case and a result are made of. guest.S is built with the same constants.
 *
 * | from | what |
 * |---|---|
 * | 10000h | the harness (guest.S), reachable in every mode; its stack below 1F000h |
 * | 20000h | the arena: 64 KiB of tables, code, stacks and data, written anew from a template for each case |
 * | 100000h | the harness as the boot loader left it |
 * | 200000h | the control block |
 * | 300000h | templates of the arena, one per environment |
 * | 800000h | cases: a table of addresses, then the cases |
 * | 1800000h | results, one of RESULT_BYTES per case |
 *
 * The arena is what a case can see and break; the first 2 MiB are mapped one to one in every environment with paging (environments.ts).
 *
 * @module
 */

export const HARNESS = 0x10000;
export const HARNESS_STACK = 0x1f000;
/** For double faults in long mode (IST 1). */
export const SAFE_STACK = 0x1fff0;
export const ARENA = 0x20000;
export const ARENA_BYTES = 0x10000;
export const CONTROL = 0x200000;
export const TEMPLATES = 0x300000;
export const CASES = 0x800000;
export const RESULTS = 0x1800000;
export const RAM_BYTES = 0x4000000;
export const RESULT_BYTES = 2048;
/** Cases of one batch. */
export const BATCH = 8192;

/** Parts of the arena. */
export const GDT = ARENA;
export const LDT = ARENA + 0x800;
export const IDT = ARENA + 0x1000;
export const TSS = ARENA + 0x2000;
export const TSS_OTHER = ARENA + 0x2400;
/** The task that takes double faults in protected mode. */
export const TSS_DOUBLE = ARENA + 0x2800;
export const PML4 = ARENA + 0x3000;
export const PDPT = ARENA + 0x4000;
export const PD = ARENA + 0x5000;
export const PT = ARENA + 0x6000;
export const PML5 = ARENA + 0x7000;
export const CODE = ARENA + 0x8000;
/** A second page of code, for targets of gates and interrupts. */
export const CODE_OTHER = ARENA + 0x9000;
/** Stacks of the levels 0, 1, 2 and 3 grow down from the middle of these. */
export const STACK0 = ARENA + 0xa800;
export const STACK1 = ARENA + 0xac00;
export const STACK2 = ARENA + 0xae00;
export const STACK3 = ARENA + 0xb800;
export const DATA = ARENA + 0xc000;

/** Selectors of the arena's GDT; the harness has the same up to `code64`. */
export const SEL = {
  code32: 0x08,
  data32: 0x10,
  /** 32-bit code whose base is HARNESS: what 16-bit gates lead to. */
  low32: 0x18,
  data16: 0x20,
  code64: 0x28,
  /** 16-bit code whose base is HARNESS. */
  low16: 0x30,
  user32: 0x38,
  userData: 0x40,
  user64: 0x48,
  code16: 0x50,
  user16: 0x58,
  userData16: 0x60,
  tss: 0x68,
  ldt: 0x78,
  tssOther: 0x88,
  tssDouble: 0x98,
  /** 32-bit and 64-bit code of level 1 and 2, and data. */
  code32of1: 0xa8,
  data1: 0xb0,
  code32of2: 0xb8,
  data2: 0xc0,
  code64of1: 0xc8,
  code64of2: 0xd0,
  /** 16-bit data at level 0 whose base is the arena. */
  kernelData16: 0xd8,
  /** From here on cases write their own. */
  free: 0xe0,
} as const;
/** The GDT's limit: 64 entries. */
export const GDT_LIMIT = 0x1ff;
export const LDT_LIMIT = 0xff;

/** Control block. */
export const CTL = { COUNT: 0, NEXT: 4, BUSY: 8, DONE: 12, CPUID: 0x100 } as const;
export const DONE_MAGIC = 0x454e4f44;
/** Leaves that the guest writes down before the first case: eax, ebx, ecx, edx of 1, 7, Dh.1, 80000001h. */
export const CPUID_LEAVES = [
  [1, 0],
  [7, 0],
  [0xd, 1],
  [0x80000001, 0],
] as const;

/** The fixed part of a case; after it the MSRs (index, low, high) and the patches (address, length, bytes up to a multiple of 4). */
export const CASE = {
  TEMPLATE: 0,
  FLAGS: 4,
  CR0: 8,
  CR4: 12,
  CR3: 16,
  EFER: 20,
  /** Bits of CR4 that can be set only in long mode (PCIDE). */
  CR4_LATE: 24,
  LDTR: 28,
  TR: 30,
  GDT_LIMIT: 32,
  GDT_BASE: 34,
  PKRU: 44,
  IDT_LIMIT: 48,
  IDT_BASE: 50,
  NMSR: 60,
  REGS: 64,
  RIP: 192,
  CS: 200,
  RFLAGS: 208,
  RSP: 216,
  SS: 224,
  ES: 232,
  DS: 234,
  FS: 236,
  GS: 238,
  DR: 240,
  DR6: 272,
  DR7: 280,
  FS_BASE: 288,
  GS_BASE: 296,
  CR8: 304,
  NPATCH: 308,
  BYTES: 312,
} as const;
export const CASE_LONG = 1;
export const CASE_REAL = 2;

/** What is saved of the state when a case ends; the start of a result. */
export const SAVE = {
  /** Vector, or one of the ENDS. */
  VECTOR: 0,
  /** Bits of the handler that was entered: 16, 32, 64. */
  MODE: 4,
  /** A second event inside the handler: 1 + vector. */
  NESTED: 8,
  STATUS: 12,
  REGS: 16,
  FRAME: 144,
  RSP: 208,
  ES: 216,
  SS: 218,
  DS: 220,
  FS: 222,
  GS: 224,
  LDTR: 226,
  TR: 228,
  CS: 230,
  CR0: 232,
  CR2: 240,
  CR3: 248,
  CR4: 256,
  CR8: 264,
  EFER: 272,
  DR6: 280,
  DR7: 288,
  GDTR: 296,
  IDTR: 306,
  FS_BASE: 316,
  GS_BASE: 324,
  KERNEL_GS_BASE: 332,
  FLAGS: 340,
  BYTES: 512,
} as const;
export const FXSAVE = 512;
/** Differences of the arena from its template: how many 4-byte words, a digest, then the first of them as (address, value). */
export const DIFF_COUNT = 1024;
export const DIFF_HASH = 1028;
export const DIFFS = 1032;
export const DIFFS_MAX = 126;

/** Vectors past 255: entries of the harness that no exception leads to. */
export const END = { SYSCALL: 0x100, SYSENTER: 0x101, GATE: 0x102, TASK: 0x103 } as const;
export const STATUS = { ENDED: 1, SHUTDOWN: 2, HANG: 3, HOME: 4, OUTSIDE: 5, CRASH: 6 } as const;

/** All constants as the assembler takes them. */
export function definitions(): string[] {
  const out: string[] = [];
  const put = (name: string, value: number): number => out.push(`-D${name}=${value}`);
  const plain = { HARNESS, HARNESS_STACK, ARENA, ARENA_BYTES, CONTROL, TEMPLATES, CASES, RESULTS, RESULT_BYTES, DONE_MAGIC };
  for (const [name, value] of Object.entries({ ...plain, FXSAVE, DIFF_COUNT, DIFFS, DIFFS_MAX, CASE_LONG, CASE_REAL })) put(name, value);
  const tables = { SEL, CTL, CASE, SAVE, END, STATUS };
  for (const [table, entries] of Object.entries(tables))
    for (const [name, value] of Object.entries(entries)) put(`${table}_${name}`, value);
  return out;
}
