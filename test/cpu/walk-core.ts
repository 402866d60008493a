/**
 * A processor that executes one instruction from a given state and says how it ended: for walks over all encodings (walk.ts).
 *
 * Every exception leads to a HLT of its own, so the vector is where the vCPU halted. The state is put back as a whole before each
 * instruction. Memory is mapped as it is; registers point to the low 512 KiB, where instructions may write what they like; tables, code and
 * handlers stand above.
 *
 * @module
 */
import { compileCoreSync, type CoreExports, createMemory, instantiateCore, RUN } from '../../vmm/cpu/core.ts';
import { defaultCpuid, type Feature, isaOf } from '../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP, offsetOf, STATE_SIZE, VM_AREA } from '../../vmm/cpu/layout.ts';

/** Modes of the processor; compatibility and virtual-8086 mode at user level, the others at level 0. */
export const WALK_MODES = {
  real: 16,
  vm86: 16,
  protected16: 16,
  protected32: 32,
  compatibility: 32,
  long: 64,
} as const;
export type WalkMode = keyof typeof WALK_MODES;

/** What is otherwise than usual: control bits, and memory operands that fault. */
export interface Conditions {
  /** CR0.EM, CR0.TS. */
  readonly em?: boolean;
  readonly ts?: boolean;
  /** CR4.OSFXSR or CR4.OSXSAVE is clear. */
  readonly noOsfxsr?: boolean;
  readonly noOsxsave?: boolean;
  /** Data segments end at 1000h, or, in 64-bit mode, registers hold addresses that are not canonical. */
  readonly badMemory?: boolean;
}

const CPU = MEMORY_MAP.VCPU_BASE;
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 1 << 20;
const VM = MEMORY_MAP.VM_BASE;

// Guest physical addresses.
const GDT = 0x80000;
const IDT = 0x81000;
const TSS = 0x82000;
const HANDLERS = 0x83000;
const STACK0 = 0x85000;
const TABLES = 0x90000;
const CODE = 0xa0000;

const CODE32 = 0x08;
const CODE64 = 0x10;
const TASK = 0x20;
const DATA = 0x30;

const AT = {
  rip: CPU + offsetOf('RIP'),
  icount: CPU + offsetOf('ICOUNT'),
  activity: CPU + offsetOf('ACTIVITY'),
  dtlb: CPU + offsetOf('DTLB_FILLED'),
  itlb: CPU + offsetOf('ITLB_FILLED'),
} as const;
const HLT = 1;

/** How an instruction ended: a vector, nothing (it completed), or that the core failed. */
export interface Outcome {
  readonly vector: number | undefined;
  /** Where it went, relative to its first byte. */
  readonly moved: number;
  readonly broken: string | undefined;
}

export class WalkCore {
  readonly #core: CoreExports;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fresh: Uint8Array;
  /** RIP of the instruction, and of the first handler. */
  readonly #start: number;
  readonly #handlers: number;

  constructor(mode: WalkMode, features: readonly Feature[], conditions: Conditions) {
    const memory = createMemory(RAM_BYTES);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    const done = (): number => 1;
    this.#core = instantiateCore(compileCoreSync(), memory, {
      pio: done,
      mmio: done,
      msr: () => 0,
      intack: () => -1,
      tprWritten() {},
      ferr() {},
    });
    const based = mode === 'real' || mode === 'vm86' || mode === 'protected16';
    this.#start = based ? 0 : CODE;
    this.#handlers = mode === 'real' ? 0x2000 : HANDLERS;
    this.#machine(features);
    this.#tables(mode);
    this.#state(mode, features);
    this.#change(mode, conditions);
    this.#core.modeChanged(CPU);
    this.#core.tlbFlush(CPU, 1);
    this.#fresh = this.#bytes.slice(CPU, CPU + STATE_SIZE);
  }

  #machine(features: readonly Feature[]): void {
    const view = this.#view;
    const cpuid = defaultCpuid(0, 1, features);
    view.setUint32(VM + VM_AREA.SLOT_COUNT, 1, true);
    view.setUint32(VM + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
    view.setUint32(VM + VM_AREA.SLOTS + 12, RAM, true);
    view.setBigUint64(VM + VM_AREA.ISA, isaOf(cpuid), true);
    view.setUint32(VM + VM_AREA.CPUID_COUNT, cpuid.length, true);
    cpuid.forEach((e, i) => {
      const row = [e.leaf, e.subleaf ?? 0xffffffff, e.eax, e.ebx, e.ecx, e.edx];
      for (const [k, value] of row.entries()) view.setUint32(VM + VM_AREA.CPUID + 24 * i + 4 * k, value >>> 0, true);
    });
    this.#core.reset(CPU);
  }

  #write(gpa: number, value: bigint): void {
    this.#view.setBigUint64(RAM + gpa, BigInt.asUintN(64, value), true);
  }

  #set(name: string, value: bigint, index = 0): void {
    this.#view.setBigUint64(CPU + offsetOf(name, index), value, true);
  }

  #small(name: string, value: number, index = 0): void {
    this.#view.setUint32(CPU + offsetOf(name, index), value, true);
  }

  #tables(mode: WalkMode): void {
    const long = mode === 'long' || mode === 'compatibility';
    this.#write(GDT + CODE32, 0x00cf9b000000ffffn);
    this.#write(GDT + CODE64, 0x00af9b000000ffffn);
    this.#write(GDT + DATA, 0x00cf93000000ffffn);
    for (let vector = 0; vector < 256; vector++) {
      this.#bytes[RAM + HANDLERS + vector] = 0xf4;
      if (mode === 'real') this.#view.setUint32(RAM + IDT + 4 * vector, (((HANDLERS - 0x2000) >> 4) << 16) | (0x2000 + vector), true);
      else {
        const at = BigInt(HANDLERS + vector);
        const selector = BigInt(long ? CODE64 : CODE32) << 16n;
        this.#write(IDT + (long ? 16 : 8) * vector, (at & 0xffffn) | selector | (0x8en << 40n) | ((at >> 16n) << 48n));
      }
    }
    if (long) this.#write(TSS + 4, BigInt(STACK0));
    else this.#write(TSS + 4, BigInt(STACK0) | (BigInt(DATA) << 32n));
    // No I/O permission map: ports fault at user level.
    this.#write(TABLES, BigInt(TABLES + 0x1000) | 7n);
    for (let i = 0; i < 4; i++) this.#write(TABLES + 0x1000 + 8 * i, (BigInt(i) << 30n) | 0x87n);
  }

  #segment(i: number, selector: number, base: number, limit: number, ar: number): void {
    this.#set('SEG_BASE', BigInt(base), i);
    this.#small('SEG_LIMIT', limit, i);
    this.#small('SEG_AR', ar, i);
    this.#view.setUint16(CPU + offsetOf('SEG_SEL', i), selector, true);
  }

  #state(mode: WalkMode, features: readonly Feature[]): void {
    const user = mode === 'vm86' || mode === 'compatibility';
    const dpl = user ? 0x60 : 0;
    const flat = 0xffffffff;
    for (let i = 0; i < 6; i++) {
      if (mode === 'real' || mode === 'vm86') this.#segment(i, 0, 0, 0xffff, 0x93 | dpl);
      else this.#segment(i, DATA | (user ? 3 : 0), 0, flat, 0xc093 | dpl);
    }
    if (mode === 'real' || mode === 'vm86') this.#segment(1, CODE >> 4, CODE, 0xffff, user ? 0xf3 : 0x9b);
    else if (mode === 'protected16') this.#segment(1, CODE32, CODE, 0xffff, 0x9b);
    else this.#segment(1, (mode === 'long' ? CODE64 : CODE32) | (user ? 3 : 0), 0, flat, (mode === 'long' ? 0xa09b : 0xc09b) | dpl);
    this.#segment(7, TASK, TSS, 0x67, 0x8b);
    for (let i = 0; i < 16; i++) this.#set('REGS', 0x3000n, i);
    this.#set('REGS', 2n, 1);
    this.#set('REGS', 0x7000n, 4);
    this.#set('RIP', BigInt(this.#start));
    // IOPL 3; virtual-8086 mode.
    this.#small('RFLAGS', mode === 'vm86' ? 0x23002 : 2);
    this.#small('FLAG_OP', 0);
    this.#set('GDTR_BASE', BigInt(GDT));
    this.#small('GDTR_LIMIT', 0xfff);
    this.#set('IDTR_BASE', BigInt(IDT));
    this.#small('IDTR_LIMIT', 0xfff);
    // NE ET MP, PE, PG; PAE OSFXSR OSXMMEXCPT, FSGSBASE OSXSAVE PKE where the features are; SCE LME LMA NXE.
    const long = mode === 'long' || mode === 'compatibility';
    this.#set('CR0', 0x32n | (mode === 'real' ? 0n : 1n) | (long ? 0x80000000n : 0n));
    const bit = (name: Feature, n: bigint): bigint => (features.includes(name) ? 1n << n : 0n);
    this.#set('CR4', 0x620n | bit('fsgsbase', 16n) | bit('xsave', 18n) | bit('pku', 22n));
    this.#set('XCR0', features.includes('avx') ? 7n : 3n);
    this.#set('EFER', long ? 0xd01n : 0n);
    this.#set('CR3', BigInt(TABLES));
    this.#set('ICOUNT', 0n);
    this.#set('SLICE_END', 1n);
    this.#set('DEADLINE', 1n << 62n);
  }

  #change(mode: WalkMode, { em, ts, noOsfxsr, noOsxsave, badMemory }: Conditions): void {
    const get = (name: string): bigint => this.#view.getBigUint64(CPU + offsetOf(name), true);
    this.#set('CR0', get('CR0') | (em ? 4n : 0n) | (ts ? 8n : 0n));
    this.#set('CR4', get('CR4') & ~(noOsfxsr ? 0x200n : 0n) & ~(noOsxsave ? 0x40000n : 0n));
    if (!badMemory) return;
    if (mode === 'long') for (let i = 0; i < 16; i++) if (i !== 1 && i !== 4) this.#set('REGS', 0x8000_0000_0000_3000n, i);
    // ES DS FS GS; what an exception pushes goes to SS.
    if (mode !== 'long') for (const i of [0, 3, 4, 5]) this.#small('SEG_LIMIT', 0xfff, i);
  }

  /**
   * Executes the instruction that `code` begins with, `offset` bytes into the page of code; only `room` bytes of it are within the limit of CS, which 64-bit
   * code does not have.
   */
  execute(code: Uint8Array, offset = 0, room?: number): Outcome {
    const view = this.#view;
    this.#bytes.set(code, RAM + CODE + offset);
    const data = view.getUint32(AT.dtlb, true);
    const fetched = view.getUint32(AT.itlb, true);
    this.#bytes.set(this.#fresh, CPU);
    // What the TLBs hold is listed there.
    view.setUint32(AT.dtlb, data, true);
    view.setUint32(AT.itlb, fetched, true);
    const start = this.#start + offset;
    view.setUint32(AT.rip, start, true);
    if (room !== undefined) this.#small('SEG_LIMIT', start + room - 1, 1);
    const end = this.#core.run(CPU);
    const rip = view.getUint32(AT.rip, true);
    const halted = view.getUint32(AT.activity, true) === HLT;
    const vector = rip - this.#handlers - 1;
    return {
      vector: halted && vector >= 0 && vector < 256 ? vector : undefined,
      moved: rip - start,
      broken: end === RUN.SLICE || end === RUN.HLT ? undefined : `run() ended with ${end}`,
    };
  }
}
