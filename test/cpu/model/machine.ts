/**
 * The bare core with a memory laid out by hand, for tests that compare it with models of the SDM's rules: any state can be put in, one
 * instruction runs, and what came of it is read back. Nothing of the monitor takes part, so that a case costs about a microsecond.
 *
 * Memory: GDT 1000h, IDT 2000h, TSS 3000h, one HLT per vector from 4000h (16 bytes apart: where it stops says which vector arrived), stack
 * below 7000h, inner stack below 8000h, supervisor's code at 8000h, user's code at 9000h, user's stack below B000h, LDT at C000h, page
 * tables from 10000h (identity, the first 2 MiB), free from 20000h. Addresses beyond RAM are a device that answers 5Ah and remembers where.
 *
 * @module
 */
import { compileCoreSync, type CoreExports, createMemory, instantiateCore, RUN } from '../../../vmm/cpu/core.ts';
import { CORE_FEATURES, defaultCpuid, type Feature, isaOf } from '../../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP, offsetOf, VM_AREA } from '../../../vmm/cpu/layout.ts';
import { StateView } from '../../../vmm/cpu/registers.ts';

const CPU = MEMORY_MAP.VCPU_BASE;
const RAM = MEMORY_MAP.RAM_BASE;
const RAM_BYTES = 4 << 20;

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const HANDLERS = 0x4000;
export const STACK = 0x7000;
export const INNER_STACK = 0x8000;
export const CODE = 0x8000;
export const USER_CODE = 0x9000;
export const USER_STACK = 0xb000;
export const LDT = 0xc000;
export const TABLES = 0x10000;
export const FREE = 0x20000;

/** Selectors of the GDT. */
export const SEL = {
  code64: 0x08,
  data: 0x10,
  user32: 0x1b,
  userData: 0x23,
  user64: 0x2b,
  code32: 0x30,
  code16: 0x38,
  data16: 0x40,
  tss: 0x48,
  ldt: 0x58,
  free: 0x80,
} as const;

export const SEG = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7 } as const;
export const REG = { ax: 0, cx: 1, dx: 2, bx: 3, sp: 4, bp: 5, si: 6, di: 7 } as const;

export type Mode = 'real' | 'vm86' | 'prot16' | 'prot32' | 'paged32' | 'pae' | 'compat' | 'long' | 'long5';

/** A segment descriptor; `flags`: G 8, D/B 4, L 2, AVL 1. `limit` is the 20-bit field. */
export function descriptor(access: number, flags: number, limit = 0xfffff, base = 0): bigint {
  const b = BigInt(base >>> 0);
  return (
    BigInt(limit & 0xffff) |
    ((b & 0xffffffn) << 16n) |
    (BigInt(access) << 40n) |
    (BigInt((limit >>> 16) & 15) << 48n) |
    (BigInt(flags) << 52n) |
    ((b >> 24n) << 56n)
  );
}

/** A gate of the GDT, LDT or IDT; `access`: P, DPL and type. `count`: parameters or IST index. */
export function gate(access: number, selector: number, offset: number | bigint, count = 0): bigint {
  const to = BigInt.asUintN(32, BigInt(offset));
  return (to & 0xffffn) | (BigInt(selector) << 16n) | (BigInt(count) << 32n) | (BigInt(access) << 40n) | ((to >> 16n) << 48n);
}

/** Bytes of hexadecimal text. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/\s+/g, '').match(/../g) ?? [], (b) => Number.parseInt(b, 16));
}

/** Pseudo-random 32-bit numbers, and numbers below a bound. */
export function random(seed: number): { next(): number; below(n: number): number } {
  let s = seed >>> 0 || 1;
  const next = (): number => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return Math.imul(s, 0x9e3779b1) >>> 0;
  };
  return { next, below: (n) => Math.floor((next() / 0x1_0000_0000) * n) };
}

export class Machine {
  readonly core: CoreExports;
  readonly state: StateView;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  mode: Mode = 'real';
  /** Physical addresses that the device beyond RAM has seen. */
  readonly touched: number[] = [];
  /** Ports, likewise. */
  readonly ports: number[] = [];
  /** Called during each access to a port. */
  onPort: (() => void) | undefined;
  /** Vector that the interrupt controller hands out; -1: none. */
  interrupt = -1;

  constructor() {
    const memory = createMemory(RAM_BYTES);
    this.u8 = new Uint8Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.state = new StateView(memory.buffer, CPU);
    this.core = instantiateCore(compileCoreSync(), memory, {
      pio: (_cpu, port, _size, write) => {
        this.ports.push(port);
        this.onPort?.();
        if (write === 0) this.state.set('IO_DATA', 0x5a5a5a5an);
        return 1;
      },
      mmio: (_cpu, low, high, _size, write) => {
        this.touched.push((high >>> 0) * 0x1_0000_0000 + (low >>> 0));
        if (write === 0) this.state.set('IO_DATA', 0x5a5a5a5a_5a5a5a5an);
        return 1;
      },
      msr: () => 0,
      intack: () => {
        const vector = this.interrupt;
        this.interrupt = -1;
        this.state.setNumber('EVENT', this.state.number('EVENT') & ~1);
        return vector;
      },
      tprWritten() {},
      ferr() {},
    });
    const area = MEMORY_MAP.VM_BASE;
    this.view.setUint32(area + VM_AREA.SLOT_COUNT, 1, true);
    this.view.setUint32(area + VM_AREA.SLOTS + 8, RAM_BYTES >> 12, true);
    this.view.setUint32(area + VM_AREA.SLOTS + 12, RAM, true);
    this.u8.fill(1, MEMORY_MAP.PAGE_FLAGS, MEMORY_MAP.PAGE_FLAGS + (RAM_BYTES >> 12));
    this.features(CORE_FEATURES);
    this.core.reset(CPU);
    for (let v = 0; v < 256; v++) this.put(HANDLERS + 16 * v, 'f4 eb fd');
  }

  /** The processor's CPUID table. */
  features(features: readonly Feature[]): void {
    const table = defaultCpuid(0, 1, features);
    const area = MEMORY_MAP.VM_BASE;
    this.view.setUint32(area + VM_AREA.CPUID_COUNT, table.length, true);
    table.forEach((e, i) => {
      const row = [e.leaf, e.subleaf ?? 0xffffffff, e.eax, e.ebx, e.ecx, e.edx];
      for (const [k, value] of row.entries()) this.view.setUint32(area + VM_AREA.CPUID + 24 * i + 4 * k, value >>> 0, true);
    });
    this.view.setBigUint64(area + VM_AREA.ISA, isaOf(table), true);
  }

  put(gpa: number, bytes: Uint8Array | string): void {
    const b = typeof bytes === 'string' ? hex(bytes) : bytes;
    this.u8.set(b, RAM + gpa);
    this.core.dmaWritten(RAM + gpa, b.length);
  }

  /** Stores data; not for code. */
  put64(gpa: number, value: bigint): void {
    this.view.setBigUint64(RAM + gpa, BigInt.asUintN(64, value), true);
  }

  put32(gpa: number, value: number): void {
    this.view.setUint32(RAM + gpa, value >>> 0, true);
  }

  put16(gpa: number, value: number): void {
    this.view.setUint16(RAM + gpa, value, true);
  }

  read8(gpa: number): number {
    return this.view.getUint8(RAM + gpa);
  }

  read16(gpa: number): number {
    return this.view.getUint16(RAM + gpa, true);
  }

  read32(gpa: number): number {
    return this.view.getUint32(RAM + gpa, true);
  }

  read64(gpa: number): bigint {
    return this.view.getBigUint64(RAM + gpa, true);
  }

  set(name: string, value: bigint | number, index = 0): void {
    this.state.set(name, BigInt(value), index);
  }

  get(name: string, index = 0): number {
    return this.state.number(name, index);
  }

  segment(seg: number, selector: number, rights: number, limit = 0xffff_ffff, base = 0n): void {
    this.set('SEG_SEL', selector, seg);
    this.set('SEG_AR', rights, seg);
    this.set('SEG_LIMIT', limit, seg);
    this.set('SEG_BASE', base, seg);
  }

  get wide(): boolean {
    return this.mode === 'long' || this.mode === 'long5' || this.mode === 'compat';
  }

  /** Tables and registers of a mode, flat segments, at `cpl`; RIP at CODE or USER_CODE. */
  enter(mode: Mode, cpl: 0 | 1 | 2 | 3 = 0): void {
    this.mode = mode;
    this.#tables();
    this.#control();
    this.#segments(cpl);
    for (let r = 0; r < 16; r++) this.set('REGS', 0, r);
    this.set('REGS', cpl === 0 ? STACK : USER_STACK, REG.sp);
    this.set('RIP', cpl === 0 ? CODE : USER_CODE);
    this.core.writeFlags(CPU, mode === 'vm86' ? 0x2_0002 : 2);
    for (const name of ['EVENT', 'SHADOW_KIND', 'NMI_BLOCKED', 'ACTIVITY', 'PENDING_DB', 'EXC', 'CR2']) this.set(name, 0);
    this.set('FCW', 0x37f);
    this.set('FSW', 0);
    this.set('FTW', 0);
    for (let i = 0; i < 4; i++) this.set('DR', 0, i);
    this.set('DR', 0xffff0ff0, 6);
    this.set('DR', 0x400, 7);
    this.set('SHADOW_AT', ~0n);
    this.settle();
  }

  #tables(): void {
    const { wide } = this;
    const rows: [number, bigint][] = [
      [SEL.code64, descriptor(0x9b, 0xa)],
      [SEL.data, descriptor(0x93, 0xc)],
      [SEL.user32 & ~3, descriptor(0xfb, 0xc)],
      [SEL.userData & ~3, descriptor(0xf3, 0xc)],
      [SEL.user64 & ~3, descriptor(0xfb, 0xa)],
      [SEL.code32, descriptor(0x9b, 0xc)],
      [SEL.code16, descriptor(0x9b, 0, 0xffff)],
      [SEL.data16, descriptor(0x93, 0, 0xffff)],
      [SEL.tss, descriptor(0x8b, 0, 0xfff, TSS)],
      [SEL.tss + 8, 0n],
      [SEL.ldt, descriptor(0x82, 0, 0xfff, LDT)],
      [SEL.ldt + 8, 0n],
    ];
    this.put64(GDT, 0n);
    for (const [at, d] of rows) this.put64(GDT + at, d);
    for (let at: number = SEL.free; at < 0x1000; at += 8) this.put64(GDT + at, 0n);
    for (let v = 0; v < 256; v++) this.handler(v);
    this.u8.fill(0, RAM + TSS, RAM + TSS + 0x1000);
    if (wide) {
      for (const at of [4, 12, 20]) this.put64(TSS + at, BigInt(INNER_STACK));
    } else {
      this.put32(TSS + 4, INNER_STACK);
      this.put32(TSS + 8, SEL.data);
    }
    this.put16(TSS + 0x66, 0x1000);
    this.#pages();
  }

  /** An interrupt gate to the HLT of its own, for everybody. */
  handler(vector: number, access = 0xee): void {
    const to = HANDLERS + 16 * vector;
    if (this.mode === 'real') this.put32(IDT + 4 * vector, to);
    else if (this.wide) {
      this.put64(IDT + 16 * vector, gate(access, SEL.code64, to));
      this.put64(IDT + 16 * vector + 8, 0n);
    } else this.put64(IDT + 8 * vector, gate(access, SEL.code32, to));
  }

  /** Identity for the first 2 MiB; the supervisor's but for the pages of the user. */
  #pages(): void {
    const user = (page: number): boolean => page === USER_CODE >> 12 || page === (USER_STACK >> 12) - 1;
    if (this.mode === 'paged32') {
      this.u8.fill(0, RAM + TABLES, RAM + TABLES + 0x2000);
      this.put32(TABLES, (TABLES + 0x1000) | 7);
      for (let i = 0; i < 512; i++) this.put32(TABLES + 0x1000 + 4 * i, (i << 12) | (user(i) ? 7 : 3));
      return;
    }
    this.u8.fill(0, RAM + TABLES, RAM + TABLES + 0x6000);
    // PML5 at 15000h, PML4, PDPT, PD, PT from 10000h.
    this.put64(TABLES + 0x5000, BigInt(TABLES | 7));
    this.put64(TABLES, BigInt((TABLES + 0x1000) | 7));
    this.put64(TABLES + 0x1000, BigInt((TABLES + 0x2000) | (this.mode === 'pae' ? 1 : 7)));
    this.put64(TABLES + 0x2000, BigInt((TABLES + 0x3000) | 7));
    for (let i = 0; i < 512; i++) this.put64(TABLES + 0x3000 + 8 * i, BigInt((i << 12) | (user(i) ? 7 : 3)));
  }

  #control(): void {
    const { mode, wide } = this;
    const paged = wide || mode === 'paged32' || mode === 'pae';
    this.set('CR0', mode === 'real' ? 0x10n : paged ? 0x8001_0031n : 0x31n);
    this.set('CR3', mode === 'pae' ? TABLES + 0x1000 : mode === 'long5' ? TABLES + 0x5000 : TABLES);
    this.set('CR4', 0x600 | (wide || mode === 'pae' ? 0x20 : 0x10) | (mode === 'long5' ? 0x1000 : 0));
    this.set('EFER', wide ? 0xd01 : mode === 'pae' ? 0x800 : 0);
    this.set('PKRU', 0);
    for (let i = 0; i < 4; i++) this.set('PDPTE', this.read64(TABLES + 0x1000 + 8 * i), i);
    this.set('GDTR_BASE', GDT);
    this.set('GDTR_LIMIT', 0xfff);
    this.set('IDTR_BASE', IDT);
    this.set('IDTR_LIMIT', 0xfff);
  }

  #segments(cpl: number): void {
    const { mode } = this;
    const dpl = cpl << 5;
    let data: [number, number, number?] = [cpl === 0 ? SEL.data : (SEL.userData & ~3) | cpl, 0xc093 | dpl];
    let code: [number, number, number?] = [cpl === 0 ? SEL.code32 : (SEL.user32 & ~3) | cpl, 0xc09b | dpl];
    if (mode === 'real')
      [data, code] = [
        [0, 0x93, 0xffff],
        [0, 0x9b, 0xffff],
      ];
    if (mode === 'vm86') data = code = [0, 0xf3, 0xffff];
    if (mode === 'prot16')
      [data, code] = [
        [SEL.data16 | cpl, 0x93 | dpl, 0xffff],
        [SEL.code16 | cpl, 0x9b | dpl, 0xffff],
      ];
    if (mode === 'long' || mode === 'long5') code = [cpl === 0 ? SEL.code64 : (SEL.user64 & ~3) | cpl, 0xa09b | dpl];
    for (const seg of [SEG.es, SEG.ss, SEG.ds, SEG.fs, SEG.gs]) this.segment(seg, ...data);
    this.segment(SEG.cs, ...code);
    this.segment(SEG.tr, SEL.tss, 0x8b, 0xfff, BigInt(TSS));
    this.segment(SEG.ldtr, SEL.ldt, 0x82, 0xfff, BigInt(LDT));
  }

  /** Call after changes to the state from outside. */
  settle(): void {
    this.core.modeChanged(CPU);
    this.core.tlbFlush(CPU, 1);
  }

  /** The same for changes that a guest could make without a flush: segments and flags. */
  changed(): void {
    this.core.modeChanged(CPU);
  }

  flags(value: number): void {
    this.core.writeFlags(CPU, value);
  }

  readFlags(): number {
    return this.core.readFlags(CPU) >>> 0;
  }

  static readonly #architectural = offsetOf('CPL');

  /** The architectural registers, to be put back by `load`. */
  save(): Uint8Array {
    return this.u8.slice(CPU, CPU + Machine.#architectural);
  }

  load(saved: Uint8Array): void {
    this.u8.set(saved, CPU);
    for (const at of Machine.#quiet) this.u32[at] = 0;
    this.settle();
  }

  static readonly #quiet = ['ACTIVITY', 'NMI_BLOCKED', 'EVENT', 'EXC'].map((name) => (CPU + offsetOf(name)) >>> 2);
  static readonly #icount = (CPU + offsetOf('ICOUNT')) >>> 2;
  static readonly #sliceEnd = (CPU + offsetOf('SLICE_END')) >>> 2;
  static readonly #deadline = (CPU + offsetOf('DEADLINE')) >>> 2;
  static readonly #rip = (CPU + offsetOf('RIP')) >>> 2;
  static readonly #rsp = (CPU + offsetOf('REGS', 4)) >>> 2;

  /** Runs at most `limit` instructions; the core's RUN code. */
  run(limit = 64): number {
    const { u32 } = this;
    u32[Machine.#sliceEnd] = (u32[Machine.#icount] as number) + limit;
    u32[Machine.#sliceEnd + 1] = u32[Machine.#icount + 1] as number;
    u32[Machine.#deadline + 1] = 0x4000_0000;
    return this.core.run(CPU);
  }

  /** Runs to a handler's HLT: its vector; 256 for a shutdown, 257 for anything else. */
  vector(limit = 64): number {
    const code = this.run(limit);
    if (code === RUN.SHUTDOWN) return 256;
    if (code !== RUN.HLT) return 257;
    const at = (this.u32[Machine.#rip] as number) - 1 - HANDLERS;
    return at >= 0 && at < 0x1000 && at % 16 === 0 ? at / 16 : 257;
  }

  /** Low half of RSP. */
  get sp(): number {
    return this.u32[Machine.#rsp] as number;
  }
}
