/**
 * Guests that mean harm, from a seed: registers, tables and code in every mode of the processor, sane enough to get somewhere and wrong often enough to hurt.
 *
 * Physical memory, the same in every mode (linear addresses equal it where paging is on and the entry was spared):
 *
 * | address | holds |
 * |---|---|
 * | 0 | real mode's vector table |
 * | 1000 | GDT |
 * | 2000 | IDT |
 * | 3000, 3800 | two task states, 32 or 64 bits wide, and one of 16 bits at 3c00 |
 * | 4000 | LDT |
 * | 5000 | exception handlers: they skip a byte and return |
 * | 6000-9fff | stacks |
 * | 10000-1ffff | page tables |
 * | 20000-2ffff | code |
 * | 30000-9ffff | data |
 * | a0000-bffff | no RAM: devices |
 * | c0000-fffff | data |
 * | 100000-13ffff | read-only memory |
 * | 1_0000_0000-1_0007_ffff | data |
 *
 * @module
 */
import type { Registers, Segment, SpecialRegisters } from '../../vmm/cpu/registers.ts';

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

const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const TSS2 = 0x3800;
const TSS16 = 0x3c00;
const LDT = 0x4000;
const HANDLERS = 0x5000;
const TABLES = 0x10000;
const CODE = 0x20000;
const CODE_BYTES = 0x10000;

/** Vectors with an error code. */
const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17];

/** Selectors of the GDT below. */
const SEL = {
  code32: 0x08,
  data32: 0x10,
  code16: 0x18,
  data16: 0x20,
  code64: 0x28,
  user32: 0x33,
  userData: 0x3b,
  user64: 0x43,
  conforming: 0x48,
  down: 0x50,
  tss: 0x58,
  ldt: 0x68,
  callGate: 0x78,
  taskGate: 0x88,
  tss2: 0x90,
  tss16: 0xa0,
  userCode16: 0xab,
  userData16: 0xb3,
} as const;
const SELECTORS = Object.values(SEL);

/** A descriptor of a segment (SDM vol. 3, 3.4.5). `flags`: G 8, D/B 4, L 2, AVL 1; limit in pages when G is set. */
function descriptor(base: number, limit: number, access: number, flags: number): number[] {
  return [limit, limit >> 8, base, base >> 8, base >> 16, access, ((limit >> 16) & 15) | (flags << 4), base >>> 24].map((b) => b & 0xff);
}

function gate(selector: number, offset: number, access: number, count: number): number[] {
  return [offset, offset >> 8, selector, selector >> 8, count, access, offset >> 16, offset >>> 24].map((b) => b & 0xff);
}

function words(size: 2 | 4 | 8, values: readonly (number | bigint)[]): number[] {
  return values.flatMap((v) => Array.from({ length: size }, (_, i) => Number((BigInt(v) >> BigInt(8 * i)) & 0xffn)));
}

function isLong(mode: Mode): boolean {
  return mode === 'long' || mode === 'compat32' || mode === 'compat16';
}

/** Writes a guest and says how it starts. `level`: the privilege level that code runs at, where the mode has a choice. */
export function compose(seed: number, mode: Mode, style: Style, room: Room): Start {
  const random = new Random(seed);
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
  // Two megabytes in pages, then a few large ones; every upper entry leads to the same tables.
  for (let page = 0; page < 0x200; page++) entry(firstLevel + page * size, frame(random, page << 12) | rights(random, 0n));
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
  const fourth = TABLES + 0x1000;
  for (let i = 0; i < 512; i++) {
    if (i === 0 || random.oneIn(4)) entry(fourth + i * 8, BigInt(third) | (i === 0 ? 7n : rights(random, 0n)));
    else if (random.oneIn(32)) entry(fourth + i * 8, random.u64());
  }
}

/** CR3 of a mode. */
function root(mode: Mode): number {
  if (mode === 'paging32' || mode === 'vm86-paging') return TABLES + 0x3000;
  return mode === 'pae' ? TABLES + 0x2000 : TABLES + 0x1000;
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
  // PSE, OSFXSR and OSXMMEXCPT; then VME, PVI, TSD, DE, PGE, UMIP, FSGSBASE, SMEP, SMAP.
  cr4 |= 0x610n;
  for (const bit of [0x1n, 0x2n, 0x4n, 0x8n, 0x80n, 0x800n, 0x10000n, 0x40000n, 0x100000n, 0x200000n]) if (random.oneIn(5)) cr4 |= bit;
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

/** Anything at all, with a bias to bits that mean something. */
function garbage(random: Random): SpecialRegisters {
  const any = (): Segment => ({
    selector: random.oneIn(2) ? random.pick(SELECTORS) : random.below(0x10000),
    base: random.pick([0n, BigInt(CODE), BigInt(random.below(0x100000)), random.u64()]),
    limit: random.pick([0xffffffff, 0xffff, 0, random.u32()]),
    accessRights: random.pick([0x9b, 0x93, 0xc09b, 0xc093, 0xa09b, 0xfb, 0xf3, 0xc0fb, 0xa0fb, 0x10000, random.below(0x20000)]),
  });
  const cr0 = random.pick([0x10n, 0x11n, 0x80000011n, 0x80000033n, 0x80050033n, 0x80000000n, BigInt(random.u32()), random.u64()]);
  const cr4 = random.pick([0n, 0x20n, 0x630n, 0x6b0n, 0x300620n, BigInt(random.u32()), random.u64()]);
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

/** A number that code may use as an address. */
function address(random: Random): bigint {
  switch (random.below(12)) {
    case 0:
      return random.u64();
    case 1:
      return BigInt(random.below(0x100));
    case 2:
      return 0xa0000n + BigInt(random.below(0x20000));
    case 3:
      return 0xfee00000n + BigInt(random.below(0x400));
    case 4:
      // The last bytes of a page.
      return BigInt(((random.below(0x140) + 1) << 12) - random.below(16));
    case 5:
      return BigInt(CODE + random.below(CODE_BYTES));
    case 6:
      return random.pick([
        0xffffn,
        0xfffffffen,
        0x7fff_ffff_fffcn,
        0xffff_8000_0000_0000n,
        0x1_0000_0000n,
        0x1_0007_fffcn,
        0x100000n,
        0x9fffcn,
        0xfffffn,
      ]);
    case 7:
      return BigInt(TABLES + random.below(0x5000));
    default:
      return BigInt(0x30000 + random.below(0x70000));
  }
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

// ---- code ----

const ALU_OPCODES = Array.from({ length: 64 }, (_, i) => i).filter((op) => (op & 7) < 6);
const MODRM_OPCODES = [
  0x62, 0x63, 0x69, 0x6b, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0xc0, 0xc1, 0xc4, 0xc5,
  0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xf6, 0xf7, 0xfe, 0xff, 0xff,
];
const PLAIN_OPCODES = [
  0x27, 0x2f, 0x37, 0x3f, 0x40, 0x48, 0x50, 0x54, 0x58, 0x5c, 0x60, 0x61, 0x90, 0x98, 0x99, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xc3, 0xc9, 0xcb,
  0xcc, 0xce, 0xcf, 0xd6, 0xd7, 0xf1, 0xf4, 0xf5, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd,
];
const STRING_OPCODES = [0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];
const PREFIXES = [0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** Second bytes of system instructions, and of what touches memory in unusual ways. */
const SYSTEM_OPCODES = [
  0x00, 0x00, 0x01, 0x01, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x20, 0x21, 0x22, 0x22, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33,
  0x34, 0x35, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xae, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb4, 0xb5, 0xba, 0xc0,
  0xc1, 0xc3, 0xc7, 0xc7, 0xff,
];
const MSRS = [
  0x10, 0x1b, 0x3a, 0x3b, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x17a, 0x1a0, 0x1d9, 0x200, 0x20f, 0x250, 0x277, 0x2ff, 0x400, 0x6e0, 0x802,
  0x808, 0x80b, 0x830, 0x838, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
];
const PORTS = [
  0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0x3f8, 0x3f9, 0x3fd, 0x600, 0x608, 0xcf8, 0xcfc, 0xf4, 0xffff,
  0x1234,
];

/** A stream of things that look like instructions. They may overlap: what follows a short one is decoded too. */
class Writer {
  readonly #random: Random;
  readonly #mode: Mode;
  readonly out: number[] = [];

  constructor(random: Random, mode: Mode) {
    this.#random = random;
    this.#mode = mode;
  }

  #immediate(size: number): void {
    const value = this.#random.oneIn(3) ? address(this.#random) : this.#random.u64();
    for (let i = 0; i < size; i++) this.out.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #modrm(): void {
    const random = this.#random;
    const modrm = random.u32() & 0xff;
    this.out.push(modrm);
    const mod = modrm >> 6;
    if (mod !== 3 && (modrm & 7) === 4) this.out.push(random.u32() & 0xff);
    if (mod === 1) this.out.push(random.pick([0, 1, 4, 8, 0xf8, random.u32() & 0xff]));
    else if (mod === 2 || (mod === 0 && (modrm & 7) === 5)) this.#immediate(4);
  }

  #prefixes(): void {
    const random = this.#random;
    while (random.oneIn(7)) this.out.push(random.pick(PREFIXES));
    if (this.#mode === 'long' && random.oneIn(2)) this.out.push(0x40 | random.below(16));
  }

  #branch(): void {
    const { out } = this;
    const random = this.#random;
    const near = random.pick([random.below(0x20), random.below(0x20), 0xf0 + random.below(16), random.below(0x100)]);
    if (random.oneIn(3)) out.push(random.pick([0xe8, 0xe9]), near, random.below(3), 0, 0);
    else if (random.oneIn(2)) out.push(0x70 | random.below(16), near);
    else out.push(random.pick([0xe0, 0xe1, 0xe2, 0xe3, 0xeb]), near);
  }

  /** Loads a register, so that later instructions have something to work with. */
  #load(register: number, value: number): void {
    if (this.#mode === 'real' || this.#mode.startsWith('vm86') || this.#mode.endsWith('16')) this.out.push(0x66);
    this.out.push(0xb8 | register, ...words(4, [value >>> 0]));
  }

  #system(): void {
    const { out } = this;
    const random = this.#random;
    switch (random.below(9)) {
      case 0:
        this.#load(1, random.pick(MSRS));
        out.push(0x0f, random.oneIn(2) ? 0x32 : 0x30);
        break;
      case 1:
        this.#load(2, random.pick(PORTS));
        out.push(random.pick([0xec, 0xed, 0xee, 0xef]));
        break;
      case 2:
        out.push(random.pick([0xe4, 0xe5, 0xe6, 0xe7]), random.pick(PORTS) & 0xff);
        break;
      case 3:
        this.#load(0, random.pick([root('long'), root('pae'), root('paging32'), 0x80000011, 0x11, 0x10, 0x620, 0x20, 0xb0]));
        out.push(0x0f, 0x22, 0xc0 | (random.pick([0, 3, 4, 3, 8]) << 3));
        break;
      case 4:
        // A far jump or call to a selector, or a segment register.
        if (random.oneIn(2))
          out.push(random.pick([0xea, 0x9a]), ...words(4, [CODE + random.below(CODE_BYTES)]), ...words(2, [random.pick(SELECTORS)]));
        else {
          this.#load(0, random.pick(SELECTORS));
          out.push(0x8e, 0xc0 | (random.below(6) << 3));
        }
        break;
      case 5:
        out.push(0xcd, random.pick([0, 1, 3, 8, 13, 14, 0x20, 0x80, random.below(256)]));
        break;
      case 6:
        // A store into code nearby.
        out.push(0xc7, 0x05);
        this.#immediate(0);
        out.push(...words(4, [this.#mode === 'long' ? random.below(64) : CODE + random.below(CODE_BYTES)]));
        this.#immediate(4);
        break;
      default:
        out.push(0x0f, random.pick(SYSTEM_OPCODES));
        this.#modrm();
    }
  }

  /** One instruction, or what looks like one. */
  one(): void {
    const { out } = this;
    const random = this.#random;
    this.#prefixes();
    const kind = random.below(20);
    if (kind < 4) {
      out.push(random.pick(ALU_OPCODES));
      this.#modrm();
    } else if (kind < 9) {
      const opcode = random.pick(MODRM_OPCODES);
      out.push(opcode);
      this.#modrm();
      if ([0x69, 0x81, 0xc7].includes(opcode)) this.#immediate(4);
      else if ([0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6].includes(opcode)) this.#immediate(1);
    } else if (kind < 11) {
      out.push(random.pick(PLAIN_OPCODES));
    } else if (kind < 12) {
      if (random.oneIn(2)) out.push(random.oneIn(2) ? 0xf3 : 0xf2);
      out.push(random.pick(STRING_OPCODES));
    } else if (kind < 14) {
      this.#branch();
    } else if (kind < 15) {
      this.#load(random.below(8), Number(address(random) & 0xffffffffn));
    } else if (kind < 17) {
      this.#system();
    } else if (kind < 19) {
      // The rest of the second map: SSE among it.
      out.push(0x0f, random.u32() & 0xff);
      this.#modrm();
      if (random.oneIn(4)) out.push(random.u32() & 0xff);
    } else {
      out.push(0x0f, random.oneIn(2) ? 0x38 : 0x3a, random.u32() & 0xff);
      this.#modrm();
      out.push(random.u32() & 0xff);
    }
  }
}

function instructions(random: Random, mode: Mode): Uint8Array {
  const code = new Uint8Array(CODE_BYTES);
  const writer = new Writer(random, mode);
  // A few kilobytes of code, repeated: so that code is met again when it is already decoded.
  const length = random.pick([0x200, 0x1000, 0x1000, 0x4000]);
  while (writer.out.length < length) writer.one();
  for (let at = 0; at < CODE_BYTES; at += length) code.set(writer.out.slice(0, Math.min(length, CODE_BYTES - at)), at);
  return code;
}
