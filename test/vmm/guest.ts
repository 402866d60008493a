/**
 * What the tests of the engine's contracts share: a VM with one vCPU set into a mode of the processor, tables laid out by hand, and a few
 * bytes of code.
 *
 * Memory: GDT 1000h, IDT 2000h, TSS 3000h, one HLT per vector from 4000h (16 bytes apart: where it stops says which vector arrived), stack
 * below 7000h, inner stack below 8000h, code at 8000h, page tables from 10000h (the first 2 MiB in 4 KiB pages by the page table PT, the rest
 * of the first GiB in large pages, all writable and for users), free from 20000h. RAM ends at `memory`, and what lies above is no RAM.
 *
 * @module
 */
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import {
  type ExitCosts,
  type Intercepts,
  NO_EXIT_COSTS,
  type RunExit,
  type Segment,
  type Vcpu,
  Vm,
  type VmOptions,
} from '../../vmm/index.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const HANDLERS = 0x4000;
export const STACK = 0x7000;
export const INNER_STACK = 0x8000;
export const CODE = 0x8000;
export const TABLES = 0x10000;
/** The page table of the first 2 MiB: 8 bytes an entry, 4 with 32-bit paging. */
export const PT = 0x13000;
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
  tss2: 0x58,
  gate: 0x60,
} as const;

export type Mode = 'real' | 'prot16' | 'prot32' | 'paged32' | 'pae' | 'long' | 'compat' | 'vm86';

/** Bytes of hexadecimal text; what follows a semicolon on a line is a comment. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/;.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not hexadecimal: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (b) => Number.parseInt(b, 16));
}

/** A number as little-endian bytes in hexadecimal, to be put into code. */
export function le(value: number | bigint, bytes: number): string {
  let rest = BigInt.asUintN(8 * bytes, BigInt(value));
  let text = '';
  for (let i = 0; i < bytes; i++, rest >>= 8n)
    text += Number(rest & 0xffn)
      .toString(16)
      .padStart(2, '0');
  return text;
}

export interface GuestOptions {
  readonly mode?: Mode;
  readonly code?: string | Uint8Array;
  readonly at?: number;
  /** Privilege level of protected, long and compatibility mode: 0 or 3. */
  readonly cpl?: 0 | 3;
  readonly memory?: number;
  readonly costs?: ExitCosts;
  readonly intercepts?: Intercepts;
  readonly unclaimed?: VmOptions['unclaimed'];
  readonly cpu?: VmOptions['cpu'];
  readonly rflags?: number;
}

const AR = { code16: 0x9b, code32: 0xc09b, code64: 0xa09b, data16: 0x93, data: 0xc093, tss32: 0x8b, real: 0x93 };
const P_W_U = 7;
const LARGE = 0x80;

function segment(selector: number, accessRights: number, base = 0, limit = 0xffff_ffff): Segment {
  return { selector, base: BigInt(base), limit, accessRights };
}

/** A descriptor with base 0. */
function descriptor(accessRights: number, limit = 0xfffff, base = 0): bigint {
  const b = BigInt(base);
  return (
    BigInt(limit & 0xffff) |
    ((b & 0xffffffn) << 16n) |
    (BigInt(accessRights & 0xff) << 40n) |
    (BigInt((limit >> 16) & 15) << 48n) |
    (BigInt((accessRights >> 12) & 15) << 52n) |
    ((b >> 24n) << 56n)
  );
}

export class Guest {
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly mode: Mode;
  #view: DataView;

  constructor(options: GuestOptions) {
    this.mode = options.mode ?? 'long';
    const { memory = 0x40_0000, costs = NO_EXIT_COSTS, intercepts, unclaimed, cpu } = options;
    this.vm = Vm.createSync({
      memory,
      exitCosts: costs,
      ...(intercepts && { intercepts }),
      ...(unclaimed && { unclaimed }),
      ...(cpu && { cpu }),
    });
    this.vcpu = this.vm.createVcpu(0);
    this.#view = new DataView(this.vm.memory.buffer, this.vm.ram.hostOf(0));
    this.tables();
    this.enter(options);
  }

  read(gpa: number, bytes: 1 | 2 | 4 | 8 = 8): number {
    const v = this.#view;
    return bytes === 1
      ? v.getUint8(gpa)
      : bytes === 2
        ? v.getUint16(gpa, true)
        : bytes === 4
          ? v.getUint32(gpa, true)
          : Number(v.getBigUint64(gpa, true));
  }

  read64(gpa: number): bigint {
    return this.#view.getBigUint64(gpa, true);
  }

  /** Writes as a device would: decoded code there goes. */
  put(gpa: number, bytes: Uint8Array | string): void {
    this.vm.ram.write(gpa, typeof bytes === 'string' ? hex(bytes) : bytes);
  }

  put64(gpa: number, value: number | bigint): void {
    this.put(gpa, hex(le(value, 8)));
  }

  put32(gpa: number, value: number): void {
    this.put(gpa, hex(le(value, 4)));
  }

  /** Entry of the first page table for a linear address below 2 MiB. */
  pte(linear: number): number {
    return PT + (linear >>> 12) * (this.mode === 'paged32' ? 4 : 8);
  }

  tables(): void {
    const gdt = [
      0n,
      descriptor(AR.code64),
      descriptor(AR.data),
      descriptor(AR.code32 | 0x60),
      descriptor(AR.data | 0x60),
      descriptor(AR.code64 | 0x60),
      descriptor(AR.code32),
      descriptor(AR.code16, 0xffff),
      descriptor(AR.data16, 0xffff),
    ];
    gdt.push(descriptor(AR.tss32, 0xfff, TSS), 0n);
    // A second task state, available, and a task gate to it.
    gdt.push(descriptor(0x89, 0x67, TSS + 0x800), (BigInt(SEL.tss2) << 16n) | (0x85n << 40n));
    for (const [i, d] of gdt.entries()) this.put64(GDT + 8 * i, d);
    const long = this.mode === 'long' || this.mode === 'compat';
    const real = this.mode === 'real';
    for (let vector = 0; vector < 256; vector++) {
      const handler = HANDLERS + 16 * vector;
      this.put(handler, 'f4 eb fd');
      if (real) this.put32(IDT + 4 * vector, handler);
      else this.gate(vector, handler, long ? SEL.code64 : SEL.code32);
    }
    if (long) {
      for (const at of [4, 12, 20]) this.put64(TSS + at, INNER_STACK);
    } else {
      this.put32(TSS + 4, INNER_STACK);
      this.put32(TSS + 8, SEL.data);
      // The second task halts.
      const task = TSS + 0x800;
      for (const [at, value] of [
        [0x1c, this.mode === 'pae' ? TABLES + 0x1000 : TABLES],
        [0x20, HANDLERS],
        [0x24, 2],
        [0x38, STACK - 0x100],
        [0x4c, SEL.code32],
      ] as const)
        this.put32(task + at, value);
      for (const at of [0x48, 0x50, 0x54, 0x58, 0x5c]) this.put32(task + at, SEL.data);
    }
    // No port is for users.
    this.put(TSS + 0x66, hex(le(0x1000, 2)));
    this.pageTables();
  }

  /** An interrupt gate (or another kind) of the IDT; everybody may use it. */
  gate(vector: number, handler: number, selector: number, access = 0xee): void {
    const long = this.mode === 'long' || this.mode === 'compat';
    this.put64(
      IDT + (long ? 16 : 8) * vector,
      BigInt(handler & 0xffff) | (BigInt(selector) << 16n) | (BigInt(access) << 40n) | (BigInt(handler >>> 16) << 48n),
    );
  }

  pageTables(): void {
    if (this.mode === 'paged32') {
      this.put32(TABLES, PT | P_W_U);
      for (let i = 1; i < 256; i++) this.put32(TABLES + 4 * i, (i << 22) | LARGE | P_W_U);
      for (let i = 0; i < 1024; i++) this.put32(PT + 4 * i, (i << 12) | P_W_U);
      return;
    }
    this.put64(TABLES, (TABLES + 0x1000) | P_W_U);
    this.put64(TABLES + 0x1000, (TABLES + 0x2000) | (this.mode === 'pae' ? 1 : P_W_U));
    this.put64(TABLES + 0x2000, PT | P_W_U);
    for (let i = 1; i < 512; i++) this.put64(TABLES + 0x2000 + 8 * i, (i << 21) | LARGE | P_W_U);
    for (let i = 0; i < 512; i++) this.put64(PT + 8 * i, (i << 12) | P_W_U);
  }

  /** Sets the vCPU to the start of `code`. */
  enter(options: GuestOptions): void {
    const { code = new Uint8Array(0), at = CODE, cpl = 0, rflags = 2 } = options;
    this.put(at, code);
    const { mode } = this;
    const dpl = cpl << 5;
    const long = mode === 'long' || mode === 'compat';
    const flat = cpl === 3 ? segment(SEL.userData, AR.data | dpl) : segment(SEL.data, AR.data);
    const code32 = cpl === 3 ? segment(SEL.user32, AR.code32 | dpl) : segment(SEL.code32, AR.code32);
    const code64 = cpl === 3 ? segment(SEL.user64, AR.code64 | dpl) : segment(SEL.code64, AR.code64);
    const plain = segment(0, AR.real, 0, 0xffff);
    const user16 = segment(0, 0xf3, 0, 0xffff);
    const data = mode === 'real' ? plain : mode === 'vm86' ? user16 : mode === 'prot16' ? segment(SEL.data16, AR.data16, 0, 0xffff) : flat;
    const cs =
      mode === 'real'
        ? segment(0, 0x9b, 0, 0xffff)
        : mode === 'vm86'
          ? user16
          : mode === 'prot16'
            ? segment(SEL.code16, AR.code16, 0, 0xffff)
            : mode === 'long'
              ? code64
              : code32;
    const paged = long || mode === 'paged32' || mode === 'pae';
    const cr4 = (long || mode === 'pae' ? 0x20n : 0x10n) | 0x600n;
    const v = this.vcpu;
    v.setSregs({
      cs,
      ss: data,
      ds: data,
      es: data,
      fs: data,
      gs: data,
      tr: segment(SEL.tss, AR.tss32, TSS, 0xfff),
      ldtr: segment(0, 0x10000, 0, 0),
      gdtr: { base: BigInt(GDT), limit: 0x6f },
      idtr: { base: BigInt(IDT), limit: 0xfff },
      cr0: mode === 'real' ? 0x10n : paged ? 0x8001_0031n : 0x31n,
      cr3: BigInt(mode === 'pae' ? TABLES + 0x1000 : TABLES),
      cr4: mode === 'real' ? 0x600n : cr4,
      efer: long ? 0xd01n : mode === 'pae' ? 0x800n : 0n,
    });
    const zero = 0n;
    v.setEvents({ activity: 'active', shadow: 'none', nmiMasked: false, pendingDebug: zero });
    v.setRegs({
      rax: zero,
      rcx: zero,
      rdx: zero,
      rbx: zero,
      rbp: zero,
      rsi: zero,
      rdi: zero,
      rip: BigInt(at),
      rsp: BigInt(STACK),
      rflags: BigInt(rflags | (mode === 'vm86' ? 0x20000 : 0)),
    });
  }

  /** Runs to the HLT of a handler or of the code, or to another run exit. */
  run(limit?: number): RunExit {
    return this.vcpu.run(limit);
  }

  /** Counts no page's first access from now on. */
  touchAll(): void {
    new Uint8Array(this.vm.memory.buffer, MEMORY_MAP.PAGE_FLAGS, this.vm.ram.size / 4096).fill(1);
  }

  get rip(): number {
    return Number(this.vcpu.state.get('RIP'));
  }

  get rsp(): number {
    return Number(this.vcpu.state.get('REGS', 4));
  }

  /** The vector whose handler halted the guest, or -1. */
  get vector(): number {
    const at = this.rip - 1 - HANDLERS;
    return at >= 0 && at < 0x1000 && at % 16 === 0 ? at / 16 : -1;
  }

  reg(n: number): bigint {
    return this.vcpu.state.get('REGS', n);
  }

  count(reason: number): number {
    return this.vcpu.state.number('EXIT_COUNT', reason);
  }

  get hash(): bigint {
    return this.vcpu.state.get('EXIT_HASH');
  }

  /** The VM's clock. */
  get now(): number {
    return this.vm.clock.now();
  }

  /** The last exits, newest last: reason, rip, qualification, instructions. At most 64. */
  exits(skip: readonly number[] = [48]): { reason: number; rip: number; qualification: bigint; icount: number }[] {
    const s = this.vcpu.state;
    const next = s.number('EXIT_RING_NEXT');
    const out = [];
    for (let i = Math.max(0, next - 64); i < next; i++) {
      const at = (i & 63) * 4;
      const exit = {
        reason: s.number('EXIT_RING', at),
        rip: s.number('EXIT_RING', at + 1),
        qualification: s.get('EXIT_RING', at + 2),
        icount: s.number('EXIT_RING', at + 3),
      };
      if (!skip.includes(exit.reason)) out.push(exit);
    }
    return out;
  }
}
