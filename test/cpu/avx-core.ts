/**
 * The core in 64-bit mode with vector state on, for single instructions: records of avx-oracle.c in, what they did out.
 *
 * The memory operand stands across two pages that are not neighbours in physical memory. An exception ends in a HLT that tells its vector.
 *
 * @module
 */
import { compileCoreSync, type CoreExports, createMemory, instantiateCore, RUN } from '../../vmm/cpu/core.ts';
import { MEMORY_MAP, offsetOf, VM_AREA } from '../../vmm/cpu/layout.ts';

const CPU = MEMORY_MAP.VCPU_BASE;
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 2 << 20;

/** Guest physical addresses, which are also linear but for OPERAND. */
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const STACK_TOP = 0x5000;
const HANDLERS = 0x6000;
const CODE = 0x8000;
const TABLES = 0x10000;
const FIRST_HALF = 0x40000;
const SECOND_HALF = 0x60000;
/** Linear address of the memory operand: 32 bytes before a page's end. */
const OPERAND = 0x180fe0;
/** No memory is there. */
const DEVICE = 0x4000_0000;
const HLT = 0xf4;

/** Bytes of a record, and its fields. */
export const RECORD = 704;
export const AT = { LENGTH: 15, MXCSR: 16, FLAGS: 20, VECTOR: 24, GPR: 32, MEM: 64, YMM: 192 } as const;
/** The memory operand's place in MEM; of the byte at which the second page begins. */
export const MIDDLE = 64;
export const SECOND = MIDDLE + 0x1000 - (OPERAND & 0xfff);

/** How a record is run, where not as 64-bit code at level 0. */
export interface Way {
  readonly bits?: 64 | 32;
  readonly level?: 0 | 3;
}

export class AvxCore {
  readonly #core: CoreExports;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor() {
    const memory = createMemory(RAM_BYTES);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    const none = (): number => 2;
    const imports = { pio: none, mmio: none, msr: () => 0, intack: () => -1, tprWritten() {}, ferr() {} };
    this.#core = instantiateCore(compileCoreSync(), memory, imports);
    this.#setUp();
  }

  field(name: string, value: bigint, index = 0): void {
    this.#view.setBigUint64(CPU + offsetOf(name, index), value, true);
  }
  small(name: string, value: number, index = 0): void {
    this.#view.setUint32(CPU + offsetOf(name, index), value, true);
  }
  /** After CR0, CR4 or EFER. */
  changed(): void {
    this.#core.modeChanged(CPU);
  }
  /** Which extensions the decoder takes. */
  extensions(bits: number): void {
    this.#view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.ISA, bits >>> 0, true);
    this.#core.dropAllCode();
  }

  #setUp(): void {
    const view = this.#view;
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, 1, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 12, RAM, true);
    this.#core.reset(CPU);
    for (let level = 0; level < 3; level++) this.#entry(TABLES + 0x1000 * level, TABLES + 0x1000 * (level + 1));
    for (let page = 0; page < 512; page++) this.#entry(TABLES + 0x3000 + 8 * page, page << 12);
    this.#entry(TABLES + 0x3000 + 8 * (OPERAND >> 12), FIRST_HALF);
    this.#entry(TABLES + 0x3000 + 8 * ((OPERAND >> 12) + 1), SECOND_HALF);
    // Kernel and user code and data.
    [0x00af9b000000ffffn, 0x00cf93000000ffffn, 0x00affb000000ffffn, 0x00cff3000000ffffn].forEach((d, i) => {
      view.setBigUint64(RAM + GDT + 8 * (i + 1), d, true);
    });
    view.setBigUint64(RAM + TSS + 4, BigInt(STACK_TOP), true);
    this.field('SEG_BASE', BigInt(TSS), 7);
    this.small('SEG_LIMIT', 0x67, 7);
    this.small('SEG_AR', 0x8b, 7);
    for (let vector = 0; vector < 32; vector++) {
      this.#bytes[RAM + HANDLERS + 2 * vector] = HLT;
      view.setBigUint64(RAM + IDT + 16 * vector, BigInt(HANDLERS + 2 * vector) | (8n << 16n) | (0x8en << 40n), true);
    }
    this.small('GDTR_LIMIT', 0x27);
    this.field('GDTR_BASE', BigInt(GDT));
    this.small('IDTR_LIMIT', 0x1ff);
    this.field('IDTR_BASE', BigInt(IDT));
    this.field('CR3', BigInt(TABLES));
    // OSXSAVE, OSXMMEXCPT, OSFXSR, PAE.
    this.field('CR4', 0x40620n);
    this.field('XCR0', 7n);
    this.field('EFER', 0xd01n);
    this.field('CR0', 0x80010033n);
    this.field('DEADLINE', 1n << 62n);
    this.extensions(0xffff_ffff);
    this.#core.tlbFlush(CPU, 1);
  }

  #entry(at: number, gpa: number): void {
    this.#view.setBigUint64(RAM + at, BigInt(gpa) | 7n, true);
  }

  /** The second page of the operand is there or not. */
  present(second: boolean): void {
    const at = RAM + TABLES + 0x3000 + 8 * ((OPERAND >> 12) + 1);
    this.#view.setBigUint64(at, BigInt(SECOND_HALF) | (second ? 7n : 6n), true);
    this.#core.tlbFlush(CPU, 1);
  }
  /** Bytes of a device, and its accesses: read or written, at which byte, how many. */
  readonly device = { bytes: new Uint8Array(64), accesses: [] as string[] };
  /** The second page of the operand is the device's, which is asked outside the core. */
  deviceBehind(): void {
    this.#entry(TABLES + 0x3000 + 8 * ((OPERAND >> 12) + 1), DEVICE);
    this.device.accesses.length = 0;
    this.#core.tlbFlush(CPU, 1);
  }
  #answer(): void {
    const number = (name: string): number => this.#view.getUint32(CPU + offsetOf(name), true);
    const at = number('IO_GPA') - DEVICE;
    const size = number('IO_SIZE');
    const write = number('IO_WRITE') !== 0;
    const data = CPU + offsetOf('IO_DATA');
    const count = number('ANSWERS');
    if (write) this.device.bytes.set(this.#bytes.subarray(data, data + size), at);
    else this.#bytes.set(this.device.bytes.subarray(at, at + size), CPU + offsetOf('ANSWER', count));
    this.device.accesses.push(`${write ? 'write' : 'read'} ${at} ${size}`);
    this.small('ANSWERS', count + 1);
  }

  /** Where the last page fault was, as a place in MEM. */
  get faulted(): number {
    return this.#view.getUint32(CPU + offsetOf('CR2'), true) - OPERAND + MIDDLE;
  }

  #segments({ bits = 64, level = 0 }: Way): void {
    const dpl = level << 5;
    this.small('SEG_AR', (bits === 64 ? 0xa09b : 0xc09b) | dpl, 1);
    for (const i of [0, 2, 3]) this.small('SEG_AR', 0xc093 | dpl, i);
    for (let i = 0; i < 4; i++) {
      this.small('SEG_LIMIT', 0xffff_ffff, i);
      this.field('SEG_BASE', 0n, i);
      this.#view.setUint16(CPU + offsetOf('SEG_SEL', i), 16 * (level & 1) + (i === 1 ? 8 : 16) + level, true);
    }
    this.changed();
  }

  /** Host address of byte `i` of MEM. */
  #operand(i: number): number {
    const linear = OPERAND - MIDDLE + i;
    return RAM + (linear >> 12 === OPERAND >> 12 ? FIRST_HALF : SECOND_HALF) + (linear & 0xfff);
  }

  /** Runs the record at `at` of `cases`; the record that results goes to `results`. */
  run(cases: Uint8Array, results: Uint8Array, at: number, way: Way = {}): void {
    const bytes = this.#bytes;
    const record = cases.subarray(at, at + RECORD);
    const length = record[AT.LENGTH] as number;
    bytes.set(record.subarray(0, length), RAM + CODE);
    bytes[RAM + CODE + length] = HLT;
    this.#core.dmaWritten(RAM + CODE, 16);
    bytes.set(record.subarray(AT.MXCSR, AT.MXCSR + 4), CPU + offsetOf('MXCSR'));
    bytes.set(record.subarray(AT.FLAGS, AT.FLAGS + 4), CPU + offsetOf('RFLAGS'));
    this.small('FLAG_OP', 0);
    this.#segments(way);
    [0, 1, 2, 3].forEach((n) => {
      bytes.set(record.subarray(AT.GPR + 8 * n, AT.GPR + 8 * n + 8), CPU + offsetOf('REGS', n));
    });
    for (const n of [6, 7]) this.field('REGS', BigInt(OPERAND), n);
    this.field('REGS', BigInt(STACK_TOP), 4);
    for (let i = 0; i < 128; i++) bytes[this.#operand(i)] = record[AT.MEM + i] as number;
    bytes.set(record.subarray(AT.YMM, RECORD), CPU + offsetOf('XMM'));
    this.field('RIP', BigInt(CODE));
    this.small('ACTIVITY', 0);
    this.small('EXC', 0);
    this.small('SLICE_END', this.#view.getUint32(CPU + offsetOf('ICOUNT'), true) + 1000);
    let why = this.#core.run(CPU);
    while (why === RUN.MMIO) {
      this.#answer();
      why = this.#core.run(CPU);
    }
    this.#leave(results.subarray(at, at + RECORD), length, why);
  }

  #leave(out: Uint8Array, length: number, why: number): void {
    const bytes = this.#bytes;
    const view = new DataView(out.buffer, out.byteOffset, RECORD);
    const rip = this.#view.getUint32(CPU + offsetOf('RIP'), true);
    let vector = why !== RUN.HLT ? 255 : rip === CODE + length + 1 ? 0 : (rip - 1 - HANDLERS) >> 1;
    // At level 3 the HLT behind the instruction is #GP: its frame tells.
    if (vector === 13 && this.#view.getUint32(RAM + STACK_TOP - 40, true) === CODE + length) vector = 0;
    view.setUint32(AT.VECTOR, vector, true);
    out.set(bytes.subarray(CPU + offsetOf('MXCSR'), CPU + offsetOf('MXCSR') + 4), AT.MXCSR);
    view.setUint32(AT.FLAGS, this.#core.readFlags(CPU), true);
    [0, 1, 2, 3].forEach((n) => {
      out.set(bytes.subarray(CPU + offsetOf('REGS', n), CPU + offsetOf('REGS', n) + 8), AT.GPR + 8 * n);
    });
    for (let i = 0; i < 128; i++) out[AT.MEM + i] = bytes[this.#operand(i)] as number;
    out.set(bytes.subarray(CPU + offsetOf('XMM'), CPU + offsetOf('XMM') + 512), AT.YMM);
  }
}
