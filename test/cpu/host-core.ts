/**
 * The core's side of host.test.ts: cases run in user mode on the built core, by each of its roads.
 *
 * - "step": one instruction at a time, from the step line (a breakpoint register that never matches asks for it);
 * - "line": from freshly decoded lines; "again": from lines that are decoded, linked and known to the jump cache.
 *
 * Code ends in a fault, as on the host: every gate of the IDT leads to a HLT of its own in a supervisor page, and the outcome is the
 * frame that the exception pushed. So delivery in long mode and the return of the registers are part of what is compared.
 *
 * @module
 */
import { compileCoreSync, type CoreExports, createMemory, instantiateCore, RUN } from '../../vmm/cpu/core.ts';
import { defaultCpuid, isaOf } from '../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP, offsetOf, VM_AREA } from '../../vmm/cpu/layout.ts';
import { background, FILLER, IN, MAPS, type Mode, OUT, type Shape } from './host-layout.ts';

const CPU = MEMORY_MAP.VCPU_BASE;
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 4 << 20;

/** Guest physical addresses. */
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const STACK_TOP = 0x5000;
const HANDLERS = 0x6000;
const TABLES = 0x10000;
const FIRST_FREE = 0x40000;
/** The supervisor's memory is mapped where Linux has its own. */
const SUPERVISOR = { long: 0xffff_ffff_8000_0000n, legacy: 0xc000_0000n } as const;
const SUPERVISOR_BYTES = 0x8000;

const KERNEL_CS = 0x10;
const KERNEL_SS = 0x18;
const TASK = 0x40;

/** Long mode (16- and 32-bit code in compatibility mode, as on the host), or protected mode with PAE paging. */
export type Kind = 'long' | 'legacy';

export type Road = 'step' | 'line' | 'again';
export const ROADS: readonly Road[] = ['step', 'line', 'again'];

/** Vectors that push an error code. */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);
/** Outcome of code that does not end. */
export const RUNAWAY = 255;
const BUDGET = 200_000;

/** The core at user level, with the memory of host-layout.ts. */
export class HostCore {
  readonly #kind: Kind;
  readonly #core: CoreExports;
  readonly #bytes: Uint8Array;
  readonly #u32: Uint32Array;
  readonly #view: DataView;
  /** Host address of guest linear address 0 of each map. */
  readonly #mapped: number[] = [];
  #segments = new Uint8Array(0);

  constructor(kind: Kind = 'long') {
    this.#kind = kind;
    const memory = createMemory(RAM_BYTES);
    const buffer = memory.buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
    const none = (): number => 2;
    this.#core = instantiateCore(compileCoreSync(), memory, {
      pio: none,
      mmio: none,
      msr: () => 0,
      intack: () => -1,
      tprWritten() {},
      ferr() {},
    });
    this.#setUp();
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

  #setUp(): void {
    const view = this.#view;
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, 1, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
    view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOTS + 12, RAM, true);
    view.setBigUint64(MEMORY_MAP.VM_BASE + VM_AREA.ISA, isaOf(defaultCpuid()), true);
    this.#core.reset(CPU);
    this.#mapMemory();
    this.#setTables();
    this.#field('CR3', BigInt(TABLES));
    for (let i = 0; i < 4; i++) this.#field('PDPTE', this.#view.getBigUint64(RAM + TABLES + 8 * i, true), i);
    // PAE, OSFXSR, OSXMMEXCPT.
    this.#field('CR4', 0x620n);
    // SCE, LME, LMA, NXE.
    this.#field('EFER', this.#kind === 'long' ? 0xd01n : 0x801n);
    // PG, AM, WP, NE, ET, MP, PE, as under Linux: alignment is checked when RFLAGS.AC is set.
    this.#field('CR0', 0x80050033n);
    this.#field('DEADLINE', 1n << 62n);
    // DR7 turns this breakpoint on for the road 'step'; nothing is ever executed there.
    this.#field('DR', 0xdead_0000_0000_0000n);
    this.#core.modeChanged(CPU);
    this.#core.tlbFlush(CPU, 1);
  }

  #page(linear: bigint, gpa: number, bits: bigint): void {
    let table = TABLES;
    for (const shift of this.#kind === 'long' ? [39n, 30n, 21n] : [30n, 21n]) {
      const at = table + 8 * Number((linear >> shift) & 511n);
      // Page-directory pointers of PAE have no rights.
      if (this.#view.getBigUint64(RAM + at, true) === 0n)
        this.#write64(at, BigInt(this.#newTable()) | (this.#kind === 'legacy' && shift === 30n ? 1n : 7n));
      table = Number(this.#view.getBigUint64(RAM + at, true) & ~0xfffn);
    }
    this.#write64(table + 8 * Number((linear >> 12n) & 511n), BigInt(gpa) | bits);
  }

  #tables = TABLES;
  #newTable(): number {
    this.#tables += 0x1000;
    return this.#tables;
  }

  #mapMemory(): void {
    const NX = 1n << 63n;
    for (let at = 0; at < SUPERVISOR_BYTES; at += 0x1000) this.#page(SUPERVISOR[this.#kind] + BigInt(at), at, 3n);
    let gpa = FIRST_FREE;
    for (const map of MAPS) {
      this.#mapped.push(RAM + gpa - map.address);
      for (let k = 0; k < map.length; k += 0x1000)
        this.#page(BigInt(map.address + k), gpa + k, 5n | (map.write ? 2n : 0n) | (map.execute ? 0n : NX));
      for (let k = 0; k < map.length; k++) this.#bytes[RAM + gpa + k] = background(map.address + k, map.execute);
      gpa += map.length;
    }
  }

  #setTables(): void {
    const long = this.#kind === 'long';
    const base = SUPERVISOR[this.#kind];
    this.#write64(GDT + KERNEL_CS, long ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn);
    this.#write64(GDT + KERNEL_SS, 0x00cf93000000ffffn);
    for (let vector = 0; vector < 256; vector++) {
      this.#bytes[RAM + HANDLERS + 2 * vector] = FILLER;
      // INT3 and INTO may come from user level.
      const rights = vector === 3 || vector === 4 ? 0xeen : 0x8en;
      const gate = BigInt(HANDLERS + 2 * vector) | (BigInt(KERNEL_CS) << 16n) | (rights << 40n) | (((base >> 16n) & 0xffffn) << 48n);
      this.#write64(IDT + (long ? 16 : 8) * vector, gate);
      if (long) this.#write64(IDT + 16 * vector + 8, base >> 32n);
    }
    if (long) this.#write64(TSS + 4, base + BigInt(STACK_TOP));
    else this.#write64(TSS + 4, (base + BigInt(STACK_TOP)) | (BigInt(KERNEL_SS) << 32n));
    this.#field('GDTR_BASE', base + BigInt(GDT));
    this.#small('GDTR_LIMIT', 0xfff);
    this.#field('IDTR_BASE', base + BigInt(IDT));
    this.#small('IDTR_LIMIT', 0xfff);
    this.#field('SEG_BASE', base + BigInt(TSS), 7);
    this.#small('SEG_LIMIT', 0x67, 7);
    this.#small('SEG_AR', 0x8b, 7);
    this.#small('SEG_SEL', TASK, 7);
  }

  /** Host address and length of each window of the batch at hand. */
  #windows: { host: number; length: number }[] = [];
  #shape: Shape | undefined;

  #enterShape(s: Shape): void {
    this.#shape = s;
    this.#windows = s.windows.map((w) => ({ host: this.#address(w.address), length: w.length }));
    this.#enterMode(s.mode);
  }

  #address(linear: number): number {
    const i = MAPS.findIndex((m) => linear >= m.address && linear < m.address + m.length);
    return (this.#mapped[i] as number) + linear;
  }

  /** The state's segment registers of a mode, ES to GS. */
  #enterMode(mode: Mode): void {
    mode.segments.forEach((s, i) => {
      this.#field('SEG_BASE', BigInt(s.base), i);
      this.#small('SEG_LIMIT', s.limit, i);
      this.#small('SEG_AR', s.ar, i);
      this.#view.setUint16(CPU + offsetOf('SEG_SEL', i), s.selector, true);
    });
    const at = CPU + offsetOf('SEG_BASE');
    this.#segments = this.#bytes.slice(at, at + 6 * 32);
  }

  /** Forgets translations and decoded code. */
  forget(): void {
    this.#core.tlbFlush(CPU, 1);
    this.#core.dropAllCode();
  }

  /**
   * Runs the case at `at` of `inputs` and leaves its outcome at `to` of `outputs`. Its code stays when `keep` is set: the road 'again' supposes that the
   * same case just went the road 'line' and was kept.
   */
  run(s: Shape, inputs: Uint8Array, at: number, outputs: Uint8Array, to: number, road: Road, keep = false): void {
    if (this.#shape !== s) this.#enterShape(s);
    const input = new DataView(inputs.buffer, inputs.byteOffset + at, s.inputSize);
    this.#enter(s, inputs, at, input, road);
    const code = this.#core.run(CPU);
    const output = new DataView(outputs.buffer, outputs.byteOffset + to, s.outputSize);
    this.#leave(outputs, to, output, code);
    if (!keep) this.#removeCode(input);
  }

  #enter(s: Shape, inputs: Uint8Array, at: number, input: DataView, road: Road): void {
    const bytes = this.#bytes;
    const u32 = this.#u32;
    bytes.set(inputs.subarray(at, at + 128), CPU + AT.regs);
    bytes.set(inputs.subarray(at + IN.RIP, at + IN.RIP + 8), CPU + AT.rip);
    bytes.set(this.#segments, CPU + AT.segments);
    u32[(CPU + AT.rflags) >> 2] = input.getUint32(IN.FLAGS, true);
    u32[(CPU + AT.flagOp) >> 2] = 0;
    u32[(CPU + AT.activity) >> 2] = 0;
    u32[(CPU + AT.exc) >> 2] = 0;
    u32[(CPU + AT.dr7) >> 2] = road === 'step' ? 0x401 : 0x400;
    // SLICE_END = ICOUNT + BUDGET; the count stays below 2^32 in every run of this test.
    u32[(CPU + AT.sliceEnd) >> 2] = (u32[(CPU + AT.icount) >> 2] as number) + BUDGET;
    const length = input.getUint32(IN.CODE_LENGTH, true);
    if (road !== 'again') {
      const host = this.#address(input.getUint32(IN.CODE_AT, true));
      bytes.set(inputs.subarray(at + IN.CODE, at + IN.CODE + length), host);
      this.#core.dmaWritten(host, length);
    }
    let from = at + IN.CODE + s.codeRoom;
    for (const w of this.#windows) {
      bytes.set(inputs.subarray(from, from + w.length), w.host);
      from += w.length;
    }
    this.#core.modeChanged(CPU);
  }

  #leave(outputs: Uint8Array, to: number, output: DataView, code: number): void {
    const bytes = this.#bytes;
    const view = this.#view;
    outputs.set(bytes.subarray(CPU + AT.regs, CPU + AT.regs + 128), to);
    const rip = this.#u32[(CPU + AT.rip) >> 2] as number;
    const vector = code === RUN.HLT ? ((rip & 0xffff) - HANDLERS - 1) >> 1 : RUNAWAY;
    output.setUint32(OUT.VECTOR, vector, true);
    output.setUint32(OUT.STRAY, 0, true);
    if (vector !== RUNAWAY) {
      // The frame: SS, stack pointer, flags, CS, instruction pointer, error code; 8 or 4 bytes each.
      const size = this.#kind === 'long' ? 8 : 4;
      const slot = (n: number) => RAM + STACK_TOP - size * n;
      outputs.set(bytes.subarray(slot(2), slot(2) + size), to + 8 * 4);
      outputs.fill(0, to + OUT.RIP, to + OUT.RIP + 8);
      outputs.set(bytes.subarray(slot(5), slot(5) + size), to + OUT.RIP);
      output.setUint32(OUT.FLAGS, view.getUint32(slot(3), true), true);
      output.setUint32(OUT.ERROR, WITH_ERROR.has(vector) ? view.getUint32(slot(6), true) : 0, true);
    }
    outputs.set(bytes.subarray(CPU + AT.cr2, CPU + AT.cr2 + 8), to + OUT.CR2);
    let into = to + OUT.WINDOWS;
    for (const w of this.#windows) {
      outputs.set(bytes.subarray(w.host, w.host + w.length), into);
      into += w.length;
    }
  }

  #removeCode(input: DataView): void {
    const host = this.#address(input.getUint32(IN.CODE_AT, true));
    const length = input.getUint32(IN.CODE_LENGTH, true);
    this.#bytes.fill(FILLER, host, host + length);
    this.#core.dmaWritten(host, length);
  }

  /** An address outside the windows that does not hold its background, or 0. It gets its background, so that no later batch is blamed for it. */
  stray(s: Shape): number {
    let found = 0;
    for (const [i, map] of MAPS.entries()) {
      for (let k = 0; k < map.length; k++) {
        const address = map.address + k;
        const host = (this.#mapped[i] as number) + address;
        if (this.#bytes[host] === background(address, map.execute)) continue;
        if (s.windows.some((w) => address >= w.address && address < w.address + w.length)) continue;
        found ||= address;
        this.#bytes[host] = background(address, map.execute);
        this.#core.dmaWritten(host, 1);
      }
    }
    return found;
  }

  /** Puts the background back into the windows, for a batch with others. */
  restore(s: Shape): void {
    for (const w of s.windows) {
      const host = this.#address(w.address);
      const execute = MAPS.some((m) => m.execute && w.address >= m.address && w.address < m.address + m.length);
      for (let i = 0; i < w.length; i++) this.#bytes[host + i] = background(w.address + i, execute);
      this.#core.dmaWritten(host, w.length);
    }
  }
}

const AT = {
  regs: offsetOf('REGS'),
  rip: offsetOf('RIP'),
  segments: offsetOf('SEG_BASE'),
  rflags: offsetOf('RFLAGS'),
  flagOp: offsetOf('FLAG_OP'),
  activity: offsetOf('ACTIVITY'),
  exc: offsetOf('EXC'),
  dr7: offsetOf('DR', 7),
  sliceEnd: offsetOf('SLICE_END'),
  icount: offsetOf('ICOUNT'),
  cr2: offsetOf('CR2'),
} as const;
