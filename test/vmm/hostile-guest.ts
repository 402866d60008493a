/**
 * Guests that mean harm, from a seed: registers, tables and code in every mode of the processor, sane enough to get somewhere and wrong often enough to hurt.
 * Where what stands: hostile-layout.ts.
 *
 * @module
 */
import type { Registers, Segment, SpecialRegisters } from '../../vmm/cpu/registers.ts';
import { instructions } from './hostile-code.ts';
import {
  address,
  CODE,
  CODE_BYTES,
  GDT,
  HANDLERS,
  IDT,
  LDT,
  root,
  SEL,
  SELECTORS,
  TABLES,
  TSS,
  TSS16,
  TSS2,
  words,
} from './hostile-layout.ts';

/** Random numbers from a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(n: number): number {
    return this.u32() % n;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.u32() % n === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.u32() % list.length] as T;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  bytes(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.u32();
  }
}

/** Modes of the processor that a guest starts in. */
export const MODES = [
  'real',
  'unreal',
  'protected16',
  'protected32',
  'paging32',
  'pae',
  'vm86',
  'vm86-paging',
  'long',
  'long57',
  'compat32',
  'compat16',
  'garbage',
] as const;
export type Mode = (typeof MODES)[number];

/** How code is made: bytes of any kind, or mostly instructions that do something. */
export const STYLES = ['random', 'biased'] as const;
export type Style = (typeof STYLES)[number];

/** Where the guest is written: bytes of guest physical memory. */
export interface Room {
  set(gpa: number, bytes: ArrayLike<number>): void;
}

/** What the vCPU starts with. */
export interface Start {
  readonly regs: Registers;
  readonly sregs: SpecialRegisters;
  readonly mode: Mode;
}

/** Vectors with an error code. */
const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17];

/** A descriptor of a segment (SDM vol. 3, 3.4.5). `flags`: G 8, D/B 4, L 2, AVL 1; limit in pages when G is set. */
function descriptor(base: number, limit: number, access: number, flags: number): number[] {
  return [limit, limit >> 8, base, base >> 8, base >> 16, access, ((limit >> 16) & 15) | (flags << 4), base >>> 24].map((b) => b & 0xff);
}

function gate(selector: number, offset: number, access: number, count: number): number[] {
  return [offset, offset >> 8, selector, selector >> 8, count, access, offset >> 16, offset >>> 24].map((b) => b & 0xff);
}

function isLong(mode: Mode): boolean {
  return mode.startsWith('long') || mode === 'compat32' || mode === 'compat16';
}

/** Writes a guest and says how it starts. `level`: the privilege level that code runs at, where the mode has a choice. */
export function compose(seed: number, mode: Mode, style: Style, room: Room): Start {
  const random = new Random(seed + Math.imul(MODES.indexOf(mode), 0x9e3779b1));
  const user = random.oneIn(2);
  const data = new Uint8Array(0x1000);
  for (const [from, to] of [
    [0x6000, 0xa000],
    [0x30000, 0xa0000],
    [0xc0000, 0x140000],
  ] as const) {
    for (let at = from; at < to; at += 0x1000) {
      // A quarter of the data is pages of random bytes; the rest stays zero.
      if (!random.oneIn(4)) continue;
      random.bytes(data);
      room.set(at, data);
    }
  }
  tables(random, mode, room);
  pages(random, mode, room);
  room.set(CODE, style === 'random' ? noise(random) : instructions(random, mode));
  const sregs = mode === 'garbage' ? garbage(random) : special(random, mode, user);
  return { mode, sregs, regs: registers(random, mode) };
}

function noise(random: Random): Uint8Array {
  const code = new Uint8Array(CODE_BYTES);
  random.bytes(code);
  return code;
}

// ---- tables ----

/** Exception handlers that skip one byte of the faulting code: [16, 32, 64 bits][without, with error code]. */
const SKIP = [
  [
    [0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf],
    [0x83, 0xc4, 0x02, 0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf],
  ],
  [
    [0xff, 0x04, 0x24, 0xcf],
    [0x83, 0xc4, 0x04, 0xff, 0x04, 0x24, 0xcf],
  ],
  [
    [0x48, 0xff, 0x04, 0x24, 0x48, 0xcf],
    [0x48, 0x83, 0xc4, 0x08, 0x48, 0xff, 0x04, 0x24, 0x48, 0xcf],
  ],
] as const;
const handler = (bits: 0 | 1 | 2, withError: boolean): number => HANDLERS + bits * 0x40 + (withError ? 0x20 : 0);

function tables(random: Random, mode: Mode, room: Room): void {
  const long = isLong(mode);
  for (const bits of [0, 1, 2] as const) {
    for (const error of [0, 1] as const) room.set(handler(bits, error === 1), SKIP[bits][error]);
  }
  for (let vector = 0; vector < 256; vector++) room.set(vector * 4, words(2, [handler(0, false), 0]));
  const gdt = new Uint8Array(0x800);
  for (let at = 0x100; at < gdt.length; at++) gdt[at] = random.u32();
  const put = (selector: number, bytes: readonly number[]): void => gdt.set(bytes, selector & ~7);
  put(SEL.code32, descriptor(0, 0xfffff, 0x9b, 12));
  put(SEL.data32, descriptor(0, 0xfffff, 0x93, 12));
  put(SEL.code16, descriptor(0, 0xffff, 0x9b, 0));
  put(SEL.data16, descriptor(0, 0xffff, 0x93, 0));
  put(SEL.code64, descriptor(0, 0xfffff, 0x9b, 10));
  put(SEL.user32, descriptor(0, 0xfffff, 0xfb, 12));
  put(SEL.userData, descriptor(0, 0xfffff, 0xf3, 12));
  put(SEL.user64, descriptor(0, 0xfffff, 0xfb, 10));
  put(SEL.conforming, descriptor(0, 0xfffff, 0x9f, 12));
  put(SEL.down, descriptor(random.below(0x10000), random.below(0x10000), 0x97, random.oneIn(2) ? 4 : 0));
  put(SEL.tss, [...descriptor(TSS, 0x7ff, 0x89, 0), 0, 0, 0, 0, 0, 0, 0, 0]);
  put(SEL.ldt, [...descriptor(LDT, 0x7ff, 0x82, 0), 0, 0, 0, 0, 0, 0, 0, 0]);
  put(SEL.callGate, [
    ...gate(long ? SEL.code64 : SEL.code32, CODE + random.below(CODE_BYTES), 0xec, random.below(4)),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  put(SEL.taskGate, gate(SEL.tss2, 0, 0xe5, 0));
  put(SEL.tss2, [...descriptor(TSS2, 0x3ff, 0xe9, 0), 0, 0, 0, 0, 0, 0, 0, 0]);
  put(SEL.tss16, descriptor(TSS16, 0x2b, 0xe1, 0));
  put(SEL.userCode16, descriptor(0, 0xffff, 0xfb, 0));
  put(SEL.userData16, descriptor(0, 0xffff, 0xf3, 0));
  spoil(random, gdt, 40);
  room.set(GDT, gdt);
  room.set(LDT, gdt);
  room.set(IDT, interruptTable(random, long));
  room.set(TSS, taskState(random, long));
  room.set(TSS2, taskState(random, false));
  room.set(
    TSS16,
    words(2, [
      0,
      0x8000,
      SEL.data16,
      0x8000,
      0,
      0x8000,
      0,
      CODE & 0xffff,
      2,
      1,
      2,
      3,
      4,
      0x9000,
      0,
      0,
      0,
      SEL.data16,
      SEL.code16,
      SEL.data16,
      SEL.data16,
      0,
    ]),
  );
}

/** Changes a byte here and there; sometimes nothing at all. */
function spoil(random: Random, bytes: Uint8Array, most: number): void {
  if (random.oneIn(2)) return;
  for (let n = random.below(most); n > 0; n--) bytes[random.below(bytes.length)] = random.u32();
}

function interruptTable(random: Random, long: boolean): Uint8Array {
  const idt = new Uint8Array(0x1000);
  for (let vector = 0; vector < 256; vector++) {
    const error = WITH_ERROR.includes(vector);
    const type = (random.oneIn(2) ? 0x8e : 0x8f) | (random.oneIn(2) ? 0x60 : 0);
    if (long)
      idt.set([...gate(SEL.code64, handler(2, error), type, random.oneIn(8) ? random.below(8) : 0), 0, 0, 0, 0, 0, 0, 0, 0], vector * 16);
    else if (random.oneIn(40)) idt.set(gate(SEL.tss2, 0, 0xe5, 0), vector * 8);
    else if (random.oneIn(8)) idt.set(gate(SEL.code16, handler(0, error), type & ~8, 0), vector * 8);
    else idt.set(gate(SEL.code32, handler(1, error), type, 0), vector * 8);
  }
  spoil(random, idt, 40);
  return idt;
}

function taskState(random: Random, long: boolean): Uint8Array {
  const tss = new Uint8Array(0x400);
  if (long) {
    tss.set(words(8, [0x8000, 0x8800, 0x9000, 0, 0x7000, 0x7400, 0x7800, 0x6800, 0x6c00, 0x6400, 0x9800]), 4);
  } else {
    const at = CODE + random.below(CODE_BYTES);
    tss.set(words(4, [0, 0x8000, SEL.data32, 0x8800, SEL.data32, 0x9000, SEL.data32, 0x10000, at, 2, 1, 2, 3, 4, 0x9800, 6, 7, 8]), 0);
    const task = random.pick([
      [SEL.data32, SEL.code32, SEL.data32],
      [SEL.userData, SEL.user32, SEL.userData],
      [SEL.data16, SEL.code16, SEL.data16],
    ]);
    tss.set(
      words(4, [
        ...task,
        task[0] as number,
        task[0] as number,
        task[0] as number,
        random.oneIn(2) ? SEL.ldt : 0,
        random.oneIn(8) ? 0x680001 : 0x680000,
      ]),
      0x48,
    );
  }
  if (long) tss.set([0x68, 0], 0x66);
  for (let at = 0x68; at < tss.length; at++) tss[at] = random.oneIn(3) ? random.u32() : 0;
  spoil(random, tss, 10);
  return tss;
}

// ---- page tables ----

/** A place for a page: mostly the one asked for, else anywhere. */
function frame(random: Random, at: number): bigint {
  if (!random.oneIn(40)) return BigInt(at);
  return random.pick([
    BigInt(random.below(0x140)) << 12n,
    0xa0000n + (BigInt(random.below(0x20)) << 12n),
    0xfee00000n,
    0xfec00000n,
    0x100000000n + (BigInt(random.below(0x100)) << 12n),
    random.u64() & 0xffffffff000n,
    BigInt(TABLES) + (BigInt(random.below(16)) << 12n),
  ]);
}

/** Flag bits of an entry: present, writable, for users; sometimes otherwise. */
function rights(random: Random, large: bigint): bigint {
  const usual = (random.oneIn(6) ? 0x5n : 0x7n) | (random.oneIn(3) ? 0x60n : 0n) | (random.oneIn(6) ? 0x100n : 0n) | large;
  if (random.oneIn(40)) return random.u64() & 0x8000_0000_0000_0fffn;
  return usual;
}

function pages(random: Random, mode: Mode, room: Room): void {
  const wide = mode !== 'paging32' && mode !== 'vm86-paging';
  const entry = (at: number, value: bigint): void => room.set(at, words(wide ? 8 : 4, [value]));
  const size = wide ? 8 : 4;
  const per = 4096 / size;
  const firstLevel = TABLES + 0x4000;
  // Two megabytes in pages, then a few large ones; every upper entry leads to the same tables. Mostly the tables, stacks and code are spared.
  const spared = random.oneIn(4) ? 0 : 0x30;
  for (let page = 0; page < 0x200; page++) {
    entry(firstLevel + page * size, page < spared ? BigInt(page << 12) | 7n : frame(random, page << 12) | rights(random, 0n));
  }
  const second = TABLES + 0x3000;
  entry(second, BigInt(firstLevel) | 7n);
  for (let i = 1; i < per; i++) {
    if (random.oneIn(4)) entry(second + i * size, (frame(random, 0) & ~0x1fffffn) | rights(random, 0x80n));
    // biome-ignore lint/suspicious/noDuplicateElseIf: each asks for another number
    else if (random.oneIn(4)) entry(second + i * size, BigInt(firstLevel) | rights(random, 0n));
    else if (random.oneIn(16)) entry(second + i * size, random.u64());
  }
  if (!wide) return;
  const third = TABLES + 0x2000;
  for (let i = 0; i < 512; i++) {
    if (i === 0 || random.oneIn(8)) entry(third + i * 8, BigInt(second) | (isLong(mode) || mode === 'garbage' ? 7n : 1n));
    else if (random.oneIn(32)) entry(third + i * 8, random.u64());
  }
  for (let i = 0; i < 512; i++) {
    // The fifth level, where CR4.LA57 has one.
    if (i === 0 || random.oneIn(4)) entry(TABLES + i * 8, BigInt(TABLES + 0x1000) | (i === 0 ? 7n : rights(random, 0n)));
    else if (random.oneIn(32)) entry(TABLES + i * 8, random.u64());
  }
  const fourth = TABLES + 0x1000;
  for (let i = 0; i < 512; i++) {
    if (i === 0 || random.oneIn(4)) entry(fourth + i * 8, BigInt(third) | (i === 0 ? 7n : rights(random, 0n)));
    else if (random.oneIn(32)) entry(fourth + i * 8, random.u64());
  }
}

// ---- registers ----

function segment(selector: number, base: number | bigint, limit: number, accessRights: number): Segment {
  return { selector, base: BigInt(base), limit, accessRights };
}

const flat = (selector: number, ar: number): Segment => segment(selector, 0, 0xffffffff, ar);

/** Segments for a mode and level, all of one kind but for the odd one. */
function segments(random: Random, mode: Mode, user: boolean): Pick<SpecialRegisters, 'cs' | 'ss' | 'ds' | 'es' | 'fs' | 'gs'> {
  const dpl = user ? 0x60 : 0;
  const all = (cs: Segment, data: Segment): Pick<SpecialRegisters, 'cs' | 'ss' | 'ds' | 'es' | 'fs' | 'gs'> => {
    const odd = (): Segment => (random.oneIn(8) ? { ...data, base: BigInt(random.below(0x100000)), limit: random.below(0x200000) } : data);
    return { cs, ss: data, ds: odd(), es: odd(), fs: odd(), gs: odd() };
  };
  switch (mode) {
    case 'real':
      return all(segment(CODE >> 4, CODE, 0xffff, 0x9b), segment(0x3000, 0x30000, 0xffff, 0x93));
    case 'unreal':
      return all(segment(CODE >> 4, CODE, 0xffff, 0x9b), flat(0, 0xc093));
    case 'vm86':
    case 'vm86-paging':
      return all(segment(CODE >> 4, CODE, 0xffff, 0xf3), segment(0x3000, 0x30000, 0xffff, 0xf3));
    case 'protected16':
      return all(
        segment(user ? SEL.userCode16 : SEL.code16, CODE, 0xffff, 0x9b | dpl),
        segment(user ? SEL.userData16 : SEL.data16, 0, 0xffff, 0x93 | dpl),
      );
    case 'compat16':
      return all(
        segment(user ? SEL.userCode16 : SEL.code16, CODE, 0xffff, 0x9b | dpl),
        flat(user ? SEL.userData : SEL.data32, 0xc093 | dpl),
      );
    case 'long':
    case 'long57':
      return all(flat(user ? SEL.user64 : SEL.code64, 0xa09b | dpl), flat(user ? SEL.userData : SEL.data32, 0xc093 | dpl));
    default:
      return all(flat(user ? SEL.user32 : SEL.code32, 0xc09b | dpl), flat(user ? SEL.userData : SEL.data32, 0xc093 | dpl));
  }
}

function special(random: Random, mode: Mode, user: boolean): SpecialRegisters {
  const long = isLong(mode);
  const paging = long || mode === 'pae' || mode === 'paging32' || mode === 'vm86-paging';
  const realMode = mode === 'real' || mode === 'unreal';
  let cr0 = realMode ? 0x10n : 0x11n;
  if (paging) cr0 |= 0x8000_0000n;
  // MP EM TS NE, WP, AM.
  cr0 |= random.pick([0n, 0x20n, 0x22n, 0x22n, 0x22n, 0x4n, 0x8n]) | (random.oneIn(2) ? 0x10000n : 0n) | (random.oneIn(2) ? 0x40000n : 0n);
  let cr4 = long || mode === 'pae' ? 0x20n : 0n;
  // PSE, OSFXSR and OSXMMEXCPT; then VME, PVI, TSD, DE, PGE, UMIP, FSGSBASE, SMEP, SMAP, PKE; PCIDE in long mode; mostly OSXSAVE.
  cr4 |= 0x610n;
  for (const bit of [0x1n, 0x2n, 0x4n, 0x8n, 0x80n, 0x800n, 0x10000n, 0x100000n, 0x200000n, 0x400000n]) if (random.oneIn(5)) cr4 |= bit;
  if (long && random.oneIn(5)) cr4 |= 0x20000n;
  if (mode === 'long57') cr4 |= 0x1000n;
  if (!random.oneIn(5)) cr4 |= 0x40000n;
  const wideTss = long ? 0x8b : 0x8b;
  return {
    ...segments(random, mode, user),
    ldtr: segment(SEL.ldt, LDT, 0x7ff, 0x82),
    tr: segment(SEL.tss, TSS, 0x3ff, wideTss),
    gdtr: table(random, GDT, 0x7ff),
    idtr: realMode ? table(random, 0, 0x3ff) : table(random, IDT, long ? 0xfff : 0x7ff),
    cr0,
    cr2: random.u64(),
    cr3: BigInt(root(mode)) | (random.oneIn(8) ? 0x18n : 0n),
    cr4,
    cr8: BigInt(random.below(16)),
    efer: (long ? 0x500n : 0n) | (random.oneIn(2) ? 1n : 0n) | (random.oneIn(2) ? 0x800n : 0n),
    apicBase: 0xfee00900n,
  };
}

/** A descriptor table where it belongs, or in a device, in read-only memory, beyond RAM, across the end of the address space. */
function table(random: Random, base: number, limit: number): { base: bigint; limit: number } {
  if (!random.oneIn(16)) return { base: BigInt(base), limit };
  return {
    base: random.pick([0xa0000n, 0x100000n, 0xfee00000n, 0x12345678n, 0xffffffffn, 0xfffff000n, random.u64()]),
    limit: random.below(0x10000),
  };
}

/** MSRs with addresses in them, by their fields of the state; those of the last row may be anything. */
const ADDRESS_FIELDS = ['LSTAR', 'CSTAR', 'KERNEL_GS_BASE', 'SYSENTER_ESP', 'SYSENTER_EIP'];
const FREE_FIELDS = [
  'STAR',
  'FMASK',
  'SYSENTER_CS',
  'TSC_AUX',
  'TSC_OFFSET',
  'MISC_ENABLE',
  'MCG_STATUS',
  'MTRR_DEF_TYPE',
  'PAT',
  'DEBUGCTL',
];

/** What the state has besides the registers: XCR0, PKRU, MSRs. Fields and their values. */
export function extendedState(random: Random, mode: Mode): [string, bigint][] {
  const fields: [string, bigint][] = [
    ['XCR0', random.pick([1n, 3n, 7n, 7n, 7n, 0x207n])],
    ['PKRU', random.oneIn(2) ? 0n : BigInt(random.u32())],
  ];
  for (const name of ADDRESS_FIELDS)
    if (random.oneIn(2)) fields.push([name, random.oneIn(2) ? BigInt(CODE) : BigInt.asIntN(47, address(random))]);
  fields.push(['STAR', (BigInt(random.pick(SELECTORS)) << 48n) | (BigInt(random.pick(SELECTORS)) << 32n)]);
  fields.push(['SYSENTER_CS', BigInt(random.pick([0, SEL.code32, SEL.code64, SEL.user64]))]);
  // What no instruction can bring about, a monitor's state can.
  if (mode === 'garbage') for (const name of FREE_FIELDS) if (random.oneIn(2)) fields.push([name, random.u64()]);
  if (mode === 'garbage' && random.oneIn(2)) fields.push(['XCR0', random.u64()]);
  return fields;
}

/** Where a guest of a seed starts: again, in memory that was composed before. */
export function begin(seed: number, mode: Mode): Pick<Start, 'regs' | 'sregs'> {
  const random = new Random(seed + Math.imul(MODES.indexOf(mode), 0x9e3779b1));
  const user = random.oneIn(2);
  return { sregs: mode === 'garbage' ? garbage(random) : special(random, mode, user), regs: registers(random, mode) };
}

/** Anything at all, with a bias to bits that mean something. */
function garbage(random: Random): SpecialRegisters {
  const any = (): Segment => ({
    selector: random.oneIn(2) ? random.pick(SELECTORS) : random.below(0x10000),
    base: random.pick([0n, BigInt(CODE), BigInt(random.below(0x100000)), random.u64()]),
    limit: random.pick([0xffffffff, 0xffff, 0, random.u32()]),
    accessRights: random.pick([0x9b, 0x93, 0xc09b, 0xc093, 0xa09b, 0xfb, 0xf3, 0xc0fb, 0xa0fb, 0x10000, random.below(0x20000)]),
  });
  const cr0 = random.pick([0x10n, 0x11n, 0x80000011n, 0x80000033n, 0x80050033n, 0x80000000n, BigInt(random.u32()), random.u64()]);
  const cr4 = random.pick([0n, 0x20n, 0x630n, 0x6b0n, 0x300620n, 0x740620n, 0x61620n, BigInt(random.u32()), random.u64()]);
  return {
    cs: random.oneIn(2) ? segment(SEL.code32, 0, 0xffffffff, random.pick([0xc09b, 0xa09b, 0x9b, 0xc0fb])) : any(),
    ss: any(),
    ds: any(),
    es: any(),
    fs: any(),
    gs: any(),
    ldtr: any(),
    tr: any(),
    gdtr: table(random, GDT, 0x7ff),
    idtr: table(random, IDT, random.below(0x1000)),
    cr0,
    cr2: random.u64(),
    cr3: random.pick([BigInt(root('long')), BigInt(root('pae')), BigInt(root('paging32')), 0xa0000n, 0xfee00000n, random.u64()]),
    cr4,
    cr8: random.u64(),
    efer: random.pick([0n, 0x500n, 0xd01n, 0x400n, 0x100n, random.u64()]),
    apicBase: 0xfee00900n,
  };
}

function registers(random: Random, mode: Mode): Registers {
  const any = (): bigint => address(random);
  const based =
    mode === 'real' || mode === 'unreal' || mode === 'vm86' || mode === 'vm86-paging' || mode === 'protected16' || mode === 'compat16';
  let rflags = 2n | (random.u64() & 0x8d5n);
  if (random.oneIn(2)) rflags |= 0x200n;
  if (random.oneIn(24)) rflags |= 0x100n;
  if (random.oneIn(8)) rflags |= 0x400n;
  if (random.oneIn(4)) rflags |= BigInt(random.below(4)) << 12n;
  if (random.oneIn(8)) rflags |= 0x4000n;
  if (random.oneIn(3)) rflags |= 0x40000n;
  if (mode === 'vm86' || mode === 'vm86-paging' || (mode === 'garbage' && random.oneIn(8))) rflags |= 0x20000n;
  if (mode === 'garbage' && random.oneIn(4)) rflags = random.u64() & 0xffffffffn;
  return {
    rax: any(),
    rcx: random.oneIn(2) ? BigInt(random.below(64)) : any(),
    rdx: any(),
    rbx: any(),
    rsp: random.oneIn(12) ? any() : 0x9000n + BigInt(random.below(0x100) * 8),
    rbp: any(),
    rsi: any(),
    rdi: any(),
    r8: any(),
    r9: any(),
    r10: any(),
    r11: any(),
    r12: any(),
    r13: any(),
    r14: any(),
    r15: any(),
    rip: BigInt((based ? 0 : CODE) + random.below(CODE_BYTES - 0x400)),
    rflags,
  };
}
