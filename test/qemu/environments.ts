/**
 * The arena as each environment starts with: descriptor tables, task states, page tables, code that is nothing but INT3, and data.
 *
 * Every vector leads to the harness. With paging, the first 2 MiB are mapped one to one in 4 KiB pages: the harness and the tables for the
 * supervisor alone, CODE, STACK3 and three of the four data pages for users too. Descriptors and pages of what cases use start not accessed
 * and not dirty, so that the processor's own writes to them show.
 *
 * @module
 */
import type { Harness } from './harness.ts';
import * as L from './layout.ts';

export const ENVIRONMENTS = ['real', 'flat', 'paged32', 'pae', 'long', 'long5'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

const SEL = L.SEL;
const PAGE = 0x1000;

/** Access rights: present, system or not, level, type. */
const rights = (type: number, level = 0): number => 0x80 | (level << 5) | type;
const CODE_TYPE = 0x1a;
const DATA_TYPE = 0x12;
const FLAG = { G: 8, D: 4, L: 2 } as const;

/** An 8-byte descriptor: `limit` in its units of 20 bits. */
export function descriptor(base: number, limit: number, access: number, flags: number): bigint {
  const low = (limit & 0xffff) | ((base & 0xffff) * 0x10000);
  const high = ((base >>> 16) & 0xff) | (access << 8) | (((limit >>> 16) & 15) << 16) | (flags << 20) | ((base >>> 24) * 0x1000000);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** A gate of protected mode. */
export function gate(selector: number, offset: number, access: number, count = 0): bigint {
  const low = BigInt((offset & 0xffff) | (selector * 0x10000)) & 0xffffffffn;
  const high = BigInt(((offset & 0xffff0000) | (access << 8) | count) >>> 0);
  return (high << 32n) | low;
}

/** The second half of a 16-byte gate or system descriptor is the address's high half. */
export function longGate(selector: number, offset: bigint, access: number, ist = 0): readonly [bigint, bigint] {
  return [gate(selector, Number(offset & 0xffffffffn), access, ist), (offset >> 32n) & 0xffffffffn];
}

class Arena {
  readonly bytes = new Uint8Array(L.ARENA_BYTES);
  readonly view = new DataView(this.bytes.buffer);

  u16(at: number, value: number): void {
    this.view.setUint16(at - L.ARENA, value, true);
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at - L.ARENA, value, true);
  }

  u64(at: number, value: bigint): void {
    this.view.setBigUint64(at - L.ARENA, BigInt.asUintN(64, value), true);
  }
}

function segments(arena: Arena): void {
  const put = (selector: number, value: bigint): void => arena.u64(L.GDT + (selector & ~7), value);
  // Code that IRET enters is accessed from the start.
  const code = (level: number, flags: number): bigint => descriptor(0, 0xfffff, rights(CODE_TYPE | 1, level), flags);
  const data = (level: number): bigint => descriptor(0, 0xfffff, rights(DATA_TYPE, level), FLAG.G | FLAG.D);
  // Accessed from the start: the harness's own.
  put(SEL.code32, descriptor(0, 0xfffff, rights(CODE_TYPE | 1), FLAG.G | FLAG.D));
  put(SEL.data32, descriptor(0, 0xfffff, rights(DATA_TYPE | 1), FLAG.G | FLAG.D));
  put(SEL.low32, descriptor(L.HARNESS, 0xffff, rights(CODE_TYPE | 1), FLAG.D));
  put(SEL.data16, descriptor(0, 0xffff, rights(DATA_TYPE | 1), 0));
  put(SEL.code64, descriptor(0, 0xfffff, rights(CODE_TYPE | 1), FLAG.G | FLAG.L));
  put(SEL.low16, descriptor(L.HARNESS, 0xffff, rights(CODE_TYPE | 1), 0));
  put(SEL.user32, code(3, FLAG.G | FLAG.D));
  put(SEL.userData, data(3));
  put(SEL.user64, code(3, FLAG.G | FLAG.L));
  // 16-bit segments start at the arena.
  put(SEL.code16, descriptor(L.ARENA, 0xffff, rights(CODE_TYPE | 1), 0));
  put(SEL.user16, descriptor(L.ARENA, 0xffff, rights(CODE_TYPE | 1, 3), 0));
  put(SEL.userData16, descriptor(L.ARENA, 0xffff, rights(DATA_TYPE, 3), 0));
  put(SEL.kernelData16, descriptor(L.ARENA, 0xffff, rights(DATA_TYPE), 0));
  put(SEL.code32of1, code(1, FLAG.G | FLAG.D));
  put(SEL.data1, data(1));
  put(SEL.code32of2, code(2, FLAG.G | FLAG.D));
  put(SEL.data2, data(2));
  put(SEL.code64of1, code(1, FLAG.G | FLAG.L));
  put(SEL.code64of2, code(2, FLAG.G | FLAG.L));
  put(SEL.tss, descriptor(L.TSS, 0x3ff, rights(9), 0));
  put(SEL.ldt, descriptor(L.LDT, L.LDT_LIMIT, rights(2), 0));
  put(SEL.tssOther, descriptor(L.TSS_OTHER, 0x67, rights(9), 0));
  put(SEL.tssDouble, descriptor(L.TSS_DOUBLE, 0x67, rights(9), 0));
  const local = (index: number, value: bigint): void => arena.u64(L.LDT + 8 * index, value);
  local(0, data(3));
  local(1, code(3, FLAG.G | FLAG.D));
  local(2, data(0));
  local(3, code(3, FLAG.G | FLAG.L));
}

function interrupts(arena: Arena, environment: Environment, harness: Harness): void {
  for (let n = 0; n < 256; n++) {
    const level = n === 3 || n === 4 || n >= 32 ? 3 : 0;
    if (environment === 'real') {
      arena.u16(L.IDT + 4 * n, harness.stub(16, n) - L.HARNESS);
      arena.u16(L.IDT + 4 * n + 2, L.HARNESS >> 4);
    } else if (isLong(environment)) {
      const [low, high] = longGate(SEL.code64, BigInt(harness.stub(64, n)), rights(14, level), n === 8 ? 1 : 0);
      arena.u64(L.IDT + 16 * n, low);
      arena.u64(L.IDT + 16 * n + 8, high);
    } else {
      const entry = n === 8 ? gate(SEL.tssDouble, 0, rights(5)) : gate(SEL.code32, harness.stub(32, n), rights(14, level));
      arena.u64(L.IDT + 8 * n, entry);
    }
  }
}

/** Offset of the I/O permission map: behind the 32 bytes of the interrupt redirection map. */
const IO_MAP = 0x88;

function task(arena: Arena, at: number, cr3: number, eip: number, esp: number): void {
  arena.u32(at + 4, L.STACK0);
  arena.u32(at + 8, SEL.data32);
  arena.u32(at + 12, L.STACK1);
  arena.u32(at + 16, SEL.data1 | 1);
  arena.u32(at + 20, L.STACK2);
  arena.u32(at + 24, SEL.data2 | 2);
  arena.u32(at + 28, cr3);
  arena.u32(at + 32, eip);
  arena.u32(at + 36, 2);
  for (let i = 0; i < 8; i++) arena.u32(at + 40 + 4 * i, 0x1010101 * (i + 1));
  arena.u32(at + 40 + 4 * 4, esp);
  for (const i of [0, 2, 3, 4, 5]) arena.u32(at + 72 + 4 * i, SEL.data32);
  arena.u32(at + 72 + 4, SEL.code32);
  arena.u32(at + 96, 0);
  arena.u16(at + 102, 0x68);
}

function tasks(arena: Arena, environment: Environment, harness: Harness): void {
  if (isLong(environment)) {
    [L.STACK0, L.STACK1, L.STACK2].forEach((stack, level) => {
      arena.u64(L.TSS + 4 + 8 * level, BigInt(stack));
    });
    // IST 1 is the harness's, for double faults; the others are the case's.
    for (let i = 1; i < 8; i++) arena.u64(L.TSS + 0x24 + 8 * (i - 1), BigInt(i === 1 ? L.SAFE_STACK : L.STACK0 + 0x40 * i));
  } else {
    task(arena, L.TSS, cr3Of(environment), 0, 0);
    task(arena, L.TSS_OTHER, cr3Of(environment), harness.otherTask, L.STACK0 - 0x100);
    task(arena, L.TSS_DOUBLE, cr3Of(environment), harness.doubleFaultTask, L.HARNESS_STACK);
  }
  arena.u16(L.TSS + 102, IO_MAP);
  // Every other group of four ports is allowed, the map ends with a byte of ones.
  for (let i = IO_MAP; i < 0x3ff; i++) arena.bytes[L.TSS - L.ARENA + i] = 0xf0;
  arena.bytes[L.TSS - L.ARENA + 0x3ff] = 0xff;
}

const P = 1;
const W = 2;
const U = 4;
const A = 0x20;
const D = 0x40;
/** Pages of the arena that users may use. */
const USER_PAGES: readonly number[] = [L.CODE, L.STACK3 & -PAGE, L.DATA, L.DATA + PAGE, L.DATA + 3 * PAGE];
const FRESH_PAGES: readonly number[] = [L.CODE, L.CODE_OTHER, L.STACK3 & -PAGE, ...[0, 1, 2, 3].map((i) => L.DATA + i * PAGE)];

function pages(arena: Arena, environment: Environment): void {
  const entry = (at: number, value: number): void => {
    if (environment === 'paged32') arena.u32(at, value);
    else arena.u64(at, BigInt(value));
  };
  const size = environment === 'paged32' ? 4 : 8;
  for (let i = 0; i < PAGE / size; i++) {
    const page = i * PAGE;
    const user = USER_PAGES.includes(page) ? U : 0;
    entry(L.PT + size * i, page | P | W | user | (FRESH_PAGES.includes(page) ? 0 : A | D));
  }
  if (environment === 'paged32') {
    arena.u32(L.PD, L.PT | P | W | U | A);
    return;
  }
  entry(L.PD, L.PT | P | W | U | A);
  // PAE's pointers have neither rights nor an accessed bit.
  entry(L.PDPT, L.PD | (environment === 'pae' ? P : P | W | U | A));
  entry(L.PML4, L.PDPT | P | W | U | A);
  entry(L.PML5, L.PML4 | P | W | U | A);
}

export const isLong = (environment: Environment): boolean => environment === 'long' || environment === 'long5';

/** CR3 of an environment. */
export function cr3Of(environment: Environment): number {
  switch (environment) {
    case 'paged32':
      return L.PD;
    case 'pae':
      return L.PDPT;
    case 'long':
      return L.PML4;
    case 'long5':
      return L.PML5;
    default:
      return 0;
  }
}

/** The arena of one environment. */
export function template(environment: Environment, harness: Harness): Uint8Array {
  const arena = new Arena();
  for (let at = L.STACK0 & ~0xfff; at < L.ARENA + L.ARENA_BYTES; at += 4) arena.u32(at, Math.imul(at, 0x9e3779b1) ^ 0x5a5a5a5a);
  arena.bytes.fill(0xcc, L.CODE - L.ARENA, L.CODE_OTHER + PAGE - L.ARENA);
  segments(arena);
  interrupts(arena, environment, harness);
  if (environment !== 'real') tasks(arena, environment, harness);
  if (environment !== 'real' && environment !== 'flat') pages(arena, environment);
  return arena.bytes;
}
