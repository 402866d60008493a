/**
 * The core's side of the fuzzer: batches run in user mode on the built core, by each of its engines.
 *
 * Long mode with four levels of paging; every gate leads to a HLT of its own in a supervisor page, and the outcome of a case is the frame that its
 * exception pushed: so delivery and precision are part of what is compared. EXIT is a page of HLT, and a case that came there ended well.
 *
 * Cases and outcomes live in guest RAM that is not mapped, so that states are copied inside one memory.
 *
 * @module
 */
import { compileCoreSync, type CoreExports, createMemory, instantiateCore, RUN } from '../../vmm/cpu/core.ts';
import { CORE_FEATURES, defaultCpuid, type Feature, isaOf } from '../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP, offsetOf, VM_AREA } from '../../vmm/cpu/layout.ts';
import {
  AREA,
  AT,
  BATCH,
  CODE,
  CODE_BYTES,
  DATA,
  ENDED,
  ENDLESS,
  EXIT,
  FILLER,
  hashMemory,
  MISSING,
  READ_ONLY,
  RECORD,
  STACK,
  WINDOWS,
} from './record.ts';

const CPU = MEMORY_MAP.VCPU_BASE;
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 8 << 20;

/** Guest physical addresses. */
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const STACK_TOP = 0x5000;
const HANDLERS = 0x6000;
const TABLES = 0x10000;
const DATA_AT = 0x40000;
const STACK_AT = 0x50000;
const CODE_AT = 0x60000;
const EXIT_AT = 0x70000;
const SUPERVISOR = 0xffff_ffff_8000_0000n;
/** Host addresses of the records of cases, twice, and of outcomes. */
const INPUTS = RAM + 0x100000;
const OUTPUTS = RAM + 0x300000;
/** Free memory: the generator's pools. */
const POOLS = RAM + 0x500000;

const KERNEL_CS = 0x10;
const TASK = 0x40;
const BUDGET = 20_000;
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/**
 * How the core runs a case: from freshly decoded lines; again, from lines that are decoded and known; or each instruction alone from the step line (a
 * breakpoint that never matches asks for it).
 */
export type Engine = 'lines' | 'again' | 'step';
export const ENGINES: readonly Engine[] = ['lines', 'step'];

const FIELD = {
  regs: CPU + offsetOf('REGS'),
  rip: CPU + offsetOf('RIP'),
  segments: CPU + offsetOf('SEG_BASE'),
  rflags: CPU + offsetOf('RFLAGS'),
  flagOp: CPU + offsetOf('FLAG_OP'),
  activity: CPU + offsetOf('ACTIVITY'),
  exc: CPU + offsetOf('EXC'),
  dr7: CPU + offsetOf('DR', 7),
  sliceEnd: CPU + offsetOf('SLICE_END'),
  icount: CPU + offsetOf('ICOUNT'),
  cr2: CPU + offsetOf('CR2'),
  fcw: CPU + offsetOf('FCW'),
  fsw: CPU + offsetOf('FSW'),
  ftw: CPU + offsetOf('FTW'),
  fpr: CPU + offsetOf('FPR'),
  mxcsr: CPU + offsetOf('MXCSR'),
  xmm: CPU + offsetOf('XMM'),
  selectors: [0, 1, 2, 3, 4, 5].map((i) => CPU + offsetOf('SEG_SEL', i)),
} as const;
const FS_BASE = CPU + offsetOf('SEG_BASE', 4);
const GS_BASE = CPU + offsetOf('SEG_BASE', 5);

const addressOf = (linear: number): number =>
  RAM + (linear >= CODE ? CODE_AT + (linear - CODE) : linear >= STACK ? STACK_AT + (linear - STACK) : DATA_AT + (linear - DATA));

/** The core in the memory of record.ts. */
export class Core {
  readonly #core: CoreExports;
  readonly bytes: Uint8Array;
  readonly #u32: Uint32Array;
  readonly #u16: Uint16Array;
  readonly #view: DataView;
  readonly #segments: Uint8Array;
  readonly #data: Uint32Array;
  readonly #stack: Uint32Array;

  constructor(features: readonly Feature[] = CORE_FEATURES) {
    const memory = createMemory(RAM_BYTES);
    const buffer = memory.buffer;
    this.bytes = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#view = new DataView(buffer);
    this.#data = new Uint32Array(buffer, RAM + DATA_AT, AREA >> 2);
    this.#stack = new Uint32Array(buffer, RAM + STACK_AT, AREA >> 2);
    const none = (): number => 2;
    this.#core = instantiateCore(compileCoreSync(), memory, {
      pio: none,
      mmio: none,
      msr: () => 0,
      intack: () => -1,
      tprWritten() {},
      ferr() {},
    });
    this.#setUp(features);
    this.#segments = this.bytes.slice(FIELD.segments, FIELD.segments + 6 * 32);
  }

  /** Records of the cases of a buffer. */
  inputs(buffer: 0 | 1): Uint8Array {
    return this.bytes.subarray(INPUTS + buffer * BATCH * RECORD, INPUTS + (buffer + 1) * BATCH * RECORD);
  }

  /** Where the generator may have its pools. */
  get pools(): number {
    return POOLS;
  }

  /** Records of outcomes of the batch that ran last. */
  get outputs(): Uint8Array {
    return this.bytes.subarray(OUTPUTS, OUTPUTS + BATCH * RECORD);
  }

  #write64(gpa: number, value: bigint): void {
    this.#view.setBigUint64(RAM + gpa, BigInt.asUintN(64, value), true);
  }

  #field(name: string, value: bigint, index = 0): void {
    this.#view.setBigUint64(CPU + offsetOf(name, index), BigInt.asUintN(64, value), true);
  }

  #small(name: string, value: number, index = 0): void {
    this.#view.setUint32(CPU + offsetOf(name, index), value, true);
  }

  #setUp(features: readonly Feature[]): void {
    const view = this.#view;
    const table = defaultCpuid(0, 1, features);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, 1, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 12, RAM, true);
    view.setBigUint64(MEMORY_MAP.VM_BASE + VM_AREA.ISA, isaOf(table), true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.CPUID_COUNT, table.length, true);
    for (const [i, e] of table.entries()) {
      const at = MEMORY_MAP.VM_BASE + VM_AREA.CPUID + 24 * i;
      for (const [k, v] of [e.leaf, e.subleaf ?? 0xffffffff, e.eax, e.ebx, e.ecx, e.edx].entries()) view.setUint32(at + 4 * k, v, true);
    }
    this.#core.reset(CPU);
    this.#mapMemory();
    this.#setTables();
    const has = (name: string) => (features as readonly string[]).includes(name);
    this.#field('CR3', BigInt(TABLES));
    // PAE, OSFXSR, OSXMMEXCPT; FSGSBASE and OSXSAVE where there are such.
    this.#field('CR4', 0x620n | (has('fsgsbase') ? 0x10000n : 0n) | (has('xsave') ? 0x40000n : 0n));
    this.#field('XCR0', has('avx') ? 7n : 3n);
    // SCE, LME, LMA, NXE.
    this.#field('EFER', 0xd01n);
    // PG, AM, WP, NE, ET, MP, PE, as under Linux: alignment is checked when RFLAGS.AC is set.
    this.#field('CR0', 0x80050033n);
    this.#field('DEADLINE', 1n << 62n);
    // DR7 turns this breakpoint on for stepping; nothing is ever executed there.
    this.#field('DR', 0xdead_0000_0000_0000n);
    // ES CS SS DS FS GS as Linux gives them to 64-bit programs; FS and GS have bases.
    const segments = [
      [0, 0, 0x1c000],
      [0x33, 0, 0xa0fb],
      [0x2b, 0, 0xc0f3],
      [0, 0, 0x1c000],
      [0, DATA, 0x1c000],
      [0, STACK, 0x1c000],
    ] as const;
    for (const [i, [selector, base, ar]] of segments.entries()) {
      this.#field('SEG_BASE', BigInt(base), i);
      this.#small('SEG_LIMIT', 0xffffffff, i);
      this.#small('SEG_AR', ar, i);
      view.setUint16(CPU + offsetOf('SEG_SEL', i), selector, true);
    }
    this.#core.modeChanged(CPU);
    this.#core.tlbFlush(CPU, 1);
  }

  #tables = TABLES;
  #page(linear: bigint, gpa: number, bits: bigint): void {
    let table = TABLES;
    for (const shift of [39n, 30n, 21n]) {
      const at = table + 8 * Number((linear >> shift) & 511n);
      if (this.#view.getBigUint64(RAM + at, true) === 0n) {
        this.#tables += 0x1000;
        this.#write64(at, BigInt(this.#tables) | 7n);
      }
      table = Number(this.#view.getBigUint64(RAM + at, true) & ~0xfffn);
    }
    this.#write64(table + 8 * Number((linear >> 12n) & 511n), BigInt(gpa) | bits);
  }

  #mapMemory(): void {
    const NX = 1n << 63n;
    for (let at = 0; at < 0x8000; at += 0x1000) this.#page(SUPERVISOR + BigInt(at), at, 3n);
    for (const [linear, gpa] of [
      [DATA, DATA_AT],
      [STACK, STACK_AT],
    ] as const)
      for (let k = 0; k < AREA; k += 0x1000) if (k !== MISSING) this.#page(BigInt(linear + k), gpa + k, NX | (k === READ_ONLY ? 5n : 7n));
    for (let k = 0; k < CODE_BYTES; k += 0x1000) this.#page(BigInt(CODE + k), CODE_AT + k, 7n);
    this.#page(BigInt(EXIT), EXIT_AT, 5n);
    this.bytes.fill(FILLER, RAM + CODE_AT, RAM + CODE_AT + CODE_BYTES);
    this.bytes.fill(FILLER, RAM + EXIT_AT, RAM + EXIT_AT + 0x1000);
  }

  #setTables(): void {
    const base = SUPERVISOR;
    this.#write64(GDT + KERNEL_CS, 0x00af9b000000ffffn);
    this.#write64(GDT + KERNEL_CS + 8, 0x00cf93000000ffffn);
    // __USER_DS and __USER_CS of Linux.
    this.#write64(GDT + 0x28, 0x00cff3000000ffffn);
    this.#write64(GDT + 0x30, 0x00affb000000ffffn);
    for (let vector = 0; vector < 256; vector++) {
      this.bytes[RAM + HANDLERS + 2 * vector] = FILLER;
      // INT3 and INTO may come from user level.
      const rights = vector === 3 || vector === 4 ? 0xeen : 0x8en;
      this.#write64(
        IDT + 16 * vector,
        BigInt(HANDLERS + 2 * vector) | (BigInt(KERNEL_CS) << 16n) | (rights << 40n) | (((base >> 16n) & 0xffffn) << 48n),
      );
      this.#write64(IDT + 16 * vector + 8, base >> 32n);
    }
    this.#write64(TSS + 4, base + BigInt(STACK_TOP));
    // No I/O permission map.
    this.#view.setUint16(RAM + TSS + 0x66, 0xffff, true);
    this.#field('GDTR_BASE', base + BigInt(GDT));
    this.#small('GDTR_LIMIT', 0x7f);
    this.#field('IDTR_BASE', base + BigInt(IDT));
    this.#small('IDTR_LIMIT', 0xfff);
    this.#field('SEG_BASE', base + BigInt(TSS), 7);
    this.#small('SEG_LIMIT', 0x67, 7);
    this.#small('SEG_AR', 0x8b, 7);
    this.#small('SEG_SEL', TASK, 7);
  }

  /** Puts the code of a batch where it belongs. */
  load(buffer: 0 | 1, cases: number): void {
    this.#code(buffer, cases, true);
  }

  #code(buffer: 0 | 1, cases: number, put: boolean): void {
    let end = 0;
    for (let n = 0; n < cases; n++) {
      const at = INPUTS + (buffer * BATCH + n) * RECORD;
      const to = addressOf(this.#u32[(at + AT.RIP) >> 2] as number);
      const length = this.#u32[(at + AT.LENGTH) >> 2] as number;
      if (put) this.bytes.copyWithin(to, at + AT.CODE, at + AT.CODE + length);
      else this.bytes.fill(FILLER, to, to + length);
      end = Math.max(end, to + length);
    }
    this.#core.dmaWritten(RAM + CODE_AT, end - RAM - CODE_AT);
  }

  /** Takes the code away again and forgets what was decoded; returns the hash of what memory holds outside the windows, which is zero afterwards. */
  unload(buffer: 0 | 1, cases: number): void {
    this.#code(buffer, cases, false);
  }

  /** Hash of memory outside the windows, which is cleared. */
  hash(): number {
    const hash = hashMemory(this.#data, this.#stack);
    if (hash !== 0) {
      this.#data.fill(0);
      this.#stack.fill(0);
    }
    return hash;
  }

  /** Runs case `n`, whose code is loaded, and leaves its outcome in record `n` of `outputs`. */
  run(buffer: 0 | 1, n: number, engine: Engine): void {
    const bytes = this.bytes;
    const u32 = this.#u32;
    const at = INPUTS + (buffer * BATCH + n) * RECORD;
    bytes.copyWithin(FIELD.regs, at, at + 128);
    bytes.copyWithin(FIELD.rip, at + AT.RIP, at + AT.RIP + 8);
    bytes.copyWithin(FIELD.fpr, at + AT.ST, at + AT.ST + 128);
    bytes.copyWithin(FIELD.xmm, at + AT.YMM, at + AT.YMM + 512);
    bytes.set(this.#segments, FIELD.segments);
    u32[FIELD.rflags >> 2] = u32[(at + AT.FLAGS) >> 2] as number;
    u32[FIELD.mxcsr >> 2] = u32[(at + AT.MXCSR) >> 2] as number;
    this.#u16[FIELD.fcw >> 1] = this.#u16[(at + AT.FCW) >> 1] as number;
    this.#u16[FIELD.fsw >> 1] = this.#u16[(at + AT.FSW) >> 1] as number;
    this.#u16[FIELD.ftw >> 1] = this.#u16[(at + AT.FTW) >> 1] as number;
    u32[FIELD.flagOp >> 2] = 0;
    u32[FIELD.activity >> 2] = 0;
    u32[FIELD.exc >> 2] = 0;
    u32[FIELD.dr7 >> 2] = engine === 'step' ? 0x401 : 0x400;
    this.#setBudget();
    let from = at + AT.MEMORY;
    for (let i = 0; i < WINDOWS; i++) {
      const length = u32[(at + AT.WINDOW + 8 * i + 4) >> 2] as number;
      if (length === 0) break;
      bytes.copyWithin(addressOf(u32[(at + AT.WINDOW + 8 * i) >> 2] as number), from, from + length);
      from += length;
    }
    this.#core.modeChanged(CPU);
    this.#leave(at, OUTPUTS + n * RECORD, this.#core.run(CPU));
  }

  #setBudget(): void {
    const u32 = this.#u32;
    // 64 bits in two words: a long run counts past 2^32.
    const low = (u32[FIELD.icount >> 2] as number) + BUDGET;
    u32[FIELD.sliceEnd >> 2] = low;
    u32[(FIELD.sliceEnd >> 2) + 1] = (u32[(FIELD.icount >> 2) + 1] as number) + (low > 0xffff_ffff ? 1 : 0);
  }

  #leave(at: number, to: number, code: number): void {
    const bytes = this.bytes;
    const u32 = this.#u32;
    bytes.copyWithin(to, FIELD.regs, FIELD.regs + 128);
    const rip = u32[FIELD.rip >> 2] as number;
    let vector = code === RUN.HLT ? ((rip & 0xffff) - HANDLERS - 1) >> 1 : 1000 + code;
    let error = 0;
    let flags = 0;
    if (code === RUN.HLT) {
      // The frame: SS, RSP, flags, CS, RIP, error code.
      const slot = RAM + STACK_TOP;
      bytes.copyWithin(to + 32, slot - 16, slot - 8);
      bytes.copyWithin(to + AT.RIP, slot - 40, slot - 32);
      flags = u32[(slot - 24) >> 2] as number;
      if (WITH_ERROR.has(vector)) error = u32[(slot - 48) >> 2] as number;
      if (vector === 13 && error === 0 && u32[(to + AT.RIP) >> 2] === EXIT && u32[(to + AT.RIP + 4) >> 2] === 0) {
        vector = ENDED;
        flags &= ~0x10000;
      }
    } else if (code === RUN.SLICE) vector = ENDLESS;
    u32[(to + AT.FLAGS) >> 2] = flags;
    u32[(to + AT.VECTOR) >> 2] = vector;
    u32[(to + AT.ERROR) >> 2] = error;
    if (vector === 14) bytes.copyWithin(to + AT.CR2, FIELD.cr2, FIELD.cr2 + 8);
    else u32[(to + AT.CR2) >> 2] = u32[(to + AT.CR2 + 4) >> 2] = 0;
    bytes.copyWithin(to + AT.FS_BASE, FS_BASE, FS_BASE + 8);
    bytes.copyWithin(to + AT.GS_BASE, GS_BASE, GS_BASE + 8);
    bytes.copyWithin(to + AT.ST, FIELD.fpr, FIELD.fpr + 128);
    bytes.copyWithin(to + AT.YMM, FIELD.xmm, FIELD.xmm + 512);
    u32[(to + AT.MXCSR) >> 2] = u32[FIELD.mxcsr >> 2] as number;
    this.#u16[(to + AT.FCW) >> 1] = this.#u16[FIELD.fcw >> 1] as number;
    this.#u16[(to + AT.FSW) >> 1] = this.#u16[FIELD.fsw >> 1] as number;
    this.#u16[(to + AT.FTW) >> 1] = this.#u16[FIELD.ftw >> 1] as number;
    this.#u16[(to + AT.FOP) >> 1] = 0;
    let into = to + AT.MEMORY;
    for (let i = 0; i < WINDOWS; i++) {
      const length = u32[(at + AT.WINDOW + 8 * i + 4) >> 2] as number;
      if (length === 0) break;
      const from = addressOf(u32[(at + AT.WINDOW + 8 * i) >> 2] as number);
      bytes.copyWithin(into, from, from + length);
      bytes.fill(0, from, from + length);
      into += length;
    }
  }
}
