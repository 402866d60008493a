/**
 * One case: where it starts from, and how it is written into the guest's memory.
 *
 * @module
 */
import { cr3Of, ENVIRONMENTS, type Environment, isLong } from './environments.ts';
import * as L from './layout.ts';

export interface Patch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface Case {
  /** What the generator was about: for reports and for the table of QEMU's faults. */
  readonly kind: string;
  /** More words of the same sort. */
  readonly tags: Set<string>;
  environment: Environment;
  cr0: number;
  cr4: number;
  cr4Late: number;
  efer: number;
  cr3: number;
  cr8: number;
  pkru: number;
  ldtr: number;
  tr: number;
  gdt: { limit: number; base: bigint };
  idt: { limit: number; base: bigint };
  readonly regs: bigint[];
  rip: bigint;
  cs: number;
  rflags: bigint;
  rsp: bigint;
  ss: number;
  es: number;
  ds: number;
  fs: number;
  gs: number;
  readonly dr: bigint[];
  dr6: number;
  dr7: number;
  fsBase: bigint;
  gsBase: bigint;
  readonly msrs: (readonly [number, bigint])[];
  readonly patches: Patch[];
  /** The instructions, for reports. */
  code: Uint8Array;
}

const CR0 = { PE: 1, ET: 0x10, NE: 0x20, WP: 0x10000, PG: 0x80000000 } as const;
const CR4_PAE = 0x20;
const CR4_OSFXSR = 0x600;
const CR4_LA57 = 0x1000;

export type Bits = 16 | 32 | 64;

/** A case of `environment` at `level` with 64-bit, 32-bit or 16-bit code, flat and without patches; or 16-bit code in virtual-8086 mode. */
export function plainCase(kind: string, environment: Environment, level: number, bits: Bits, vm86 = false): Case {
  const long = isLong(environment);
  const paging = environment !== 'real' && environment !== 'flat';
  const protect = environment !== 'real';
  const cr4 = CR4_OSFXSR | (long || environment === 'pae' ? CR4_PAE : 0) | (environment === 'long5' ? CR4_LA57 : 0);
  const { cs, ss, base } = start(environment, level, bits, vm86);
  return {
    kind,
    tags: new Set(),
    environment,
    cr0: ((protect ? CR0.PE : 0) | CR0.ET | CR0.NE | (paging ? CR0.PG | CR0.WP : 0)) >>> 0,
    cr4,
    cr4Late: 0,
    efer: long ? 0xd01 : 1,
    cr3: cr3Of(environment),
    cr8: 0,
    pkru: 0,
    ldtr: protect ? L.SEL.ldt : 0,
    tr: L.SEL.tss,
    gdt: { limit: L.GDT_LIMIT, base: BigInt(L.GDT) },
    idt: { limit: environment === 'real' ? 0x3ff : long ? 0xfff : 0x7ff, base: BigInt(L.IDT) },
    regs: Array.from({ length: 16 }, () => 0n),
    rip: BigInt((level === 0 ? L.CODE_OTHER : L.CODE) - base),
    cs,
    rflags: vm86 ? 0x20002n : 2n,
    rsp: BigInt([L.STACK0 - 0x200, L.STACK1 - 0x80, L.STACK2 - 0x80, L.STACK3][level] as number) - BigInt(base),
    ss,
    es: ss,
    ds: ss,
    fs: ss,
    gs: ss,
    dr: [0n, 0n, 0n, 0n],
    dr6: 0xffff0ff0,
    dr7: 0x400,
    fsBase: 0n,
    gsBase: 0n,
    msrs: [],
    patches: [],
    code: new Uint8Array(),
  };
}

function start(environment: Environment, level: number, bits: Bits, vm86: boolean): { cs: number; ss: number; base: number } {
  const S = L.SEL;
  if (environment === 'real' || vm86) return { cs: L.ARENA >> 4, ss: L.ARENA >> 4, base: L.ARENA };
  if (bits === 16) {
    if (level === 3) return { cs: S.user16 | 3, ss: S.userData16 | 3, base: L.ARENA };
    return { cs: S.code16, ss: S.kernelData16, base: L.ARENA };
  }
  const data = [S.data32, S.data1 | 1, S.data2 | 2, S.userData | 3][level] as number;
  const code32 = [S.code32, S.code32of1 | 1, S.code32of2 | 2, S.user32 | 3][level] as number;
  const code64 = [S.code64, S.code64of1 | 1, S.code64of2 | 2, S.user64 | 3][level] as number;
  return { cs: bits === 64 ? code64 : code32, ss: data, base: 0 };
}

/** Bytes that a case takes. */
const size = (c: Case): number => L.CASE.BYTES + 12 * c.msrs.length + c.patches.reduce((n, p) => n + 8 + ((p.bytes.length + 3) & ~3), 0);

function write(view: DataView, at: number, c: Case): void {
  const C = L.CASE;
  const u16 = (offset: number, value: number): void => view.setUint16(at + offset, value, true);
  const u32 = (offset: number, value: number): void => view.setUint32(at + offset, value, true);
  const u64 = (offset: number, value: bigint): void => view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  u32(C.TEMPLATE, ENVIRONMENTS.indexOf(c.environment));
  u32(C.FLAGS, c.environment === 'real' ? L.CASE_REAL : isLong(c.environment) ? L.CASE_LONG : 0);
  u32(C.CR0, c.cr0);
  u32(C.CR4, c.cr4);
  u32(C.CR3, c.cr3);
  u32(C.EFER, c.efer);
  u32(C.CR4_LATE, c.cr4Late);
  u16(C.LDTR, c.ldtr);
  u16(C.TR, c.tr);
  u16(C.GDT_LIMIT, c.gdt.limit);
  u64(C.GDT_BASE, c.gdt.base);
  u32(C.PKRU, c.pkru);
  u16(C.IDT_LIMIT, c.idt.limit);
  u64(C.IDT_BASE, c.idt.base);
  u32(C.NMSR, c.msrs.length);
  for (const [i, value] of c.regs.entries()) u64(C.REGS + 8 * i, value);
  u64(C.RIP, c.rip);
  u64(C.CS, BigInt(c.cs));
  u64(C.RFLAGS, c.rflags);
  u64(C.RSP, c.rsp);
  u64(C.SS, BigInt(c.ss));
  u16(C.ES, c.es);
  u16(C.DS, c.ds);
  u16(C.FS, c.fs);
  u16(C.GS, c.gs);
  for (const [i, value] of c.dr.entries()) u64(C.DR + 8 * i, value);
  u32(C.DR6, c.dr6);
  u32(C.DR7, c.dr7);
  u64(C.FS_BASE, c.fsBase);
  u64(C.GS_BASE, c.gsBase);
  u32(C.CR8, c.cr8);
  u32(C.NPATCH, c.patches.length);
  let p = C.BYTES;
  for (const [index, value] of c.msrs) {
    u32(p, index);
    u64(p + 4, value);
    p += 12;
  }
  for (const patch of c.patches) {
    u32(p, patch.at);
    u32(p + 4, patch.bytes.length);
    new Uint8Array(view.buffer).set(patch.bytes, at + p + 8);
    p += 8 + ((patch.bytes.length + 3) & ~3);
  }
}

/** The table of addresses and the cases, as they lie at CASES. */
export function encode(cases: readonly Case[]): Uint8Array {
  const table = 4 * cases.length;
  const bytes = new Uint8Array(cases.reduce((n, c) => n + size(c), table));
  const view = new DataView(bytes.buffer);
  let at = table;
  cases.forEach((c, i) => {
    view.setUint32(4 * i, L.CASES + at, true);
    write(view, at, c);
    at += size(c);
  });
  if (L.CASES + bytes.length > L.RESULTS) throw new Error('the cases do not fit');
  return bytes;
}

/** A number as little-endian bytes. */
export function little(value: number | bigint, bytes: number): Uint8Array {
  let v = BigInt(value);
  return Uint8Array.from({ length: bytes }, () => {
    const b = Number(v & 0xffn);
    v >>= 8n;
    return b;
  });
}
