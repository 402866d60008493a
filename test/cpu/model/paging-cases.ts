/**
 * Accesses through paging-structure entries on the core, compared with the model in paging.ts: the fault or none, error code, CR2, value, and the
 * entries afterwards, accessed and dirty bits included.
 *
 * The address under test has a top-level entry of its own and is such that its offset in a page of any size is the physical address of the
 * target: large pages map physical 0, a page table the target itself.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import { PHYSICAL_BITS } from '../../../vmm/cpu/cpuid.ts';
import { MEMORY_MAP } from '../../../vmm/cpu/layout.ts';
import { CODE, Machine, type Mode, random, REG, SEG, USER_CODE } from './machine.ts';
import { A, type Access, access, type Controls, D, heightOf, NX, type Outcome, P, PS, type Structure, U, W } from './paging.ts';

const RAM = MEMORY_MAP.RAM_BASE;

/** Physical addresses of the targets: code, data, and descriptors of an LDT. */
const FETCHED = 0x30000;
const DATA = 0x31000;
const DESCRIPTORS = 0x32000;
/** Selectors in it: an accessed data segment for users, and one that loading marks accessed. */
const ACCESSED = 0x0f;
const UNTOUCHED = 0x17;
const TABLES_AT = 0x20000;
const STORED = 0xa5;

export const ACCESSES: readonly Access[] = ['read', 'write', 'fetch', 'implicit read', 'implicit write'];

interface Shape {
  readonly mode: Mode;
  readonly levels: number;
  readonly bytes: 4 | 8;
  readonly base: bigint;
  /** Bits of index at each level, and where the top one starts. */
  readonly shifts: readonly number[];
}

export const SHAPES: Record<Structure, Shape> = {
  '32-bit': { mode: 'paged32', levels: 2, bytes: 4, base: 1n << 30n, shifts: [22, 12] },
  PAE: { mode: 'pae', levels: 2, bytes: 8, base: 1n << 30n, shifts: [21, 12] },
  '4-level': { mode: 'long', levels: 4, bytes: 8, base: 1n << 39n, shifts: [39, 30, 21, 12] },
  '5-level': { mode: 'long5', levels: 5, bytes: 8, base: 1n << 48n, shifts: [48, 39, 30, 21, 12] },
};

const CODES: Record<Access, string> = {
  read: '8a 03 cd 31',
  write: '88 03 cd 31',
  fetch: 'ff e3',
  'implicit read': '8e c0 cd 31',
  'implicit write': '8e c0 cd 31',
};
const TARGETS: Record<Access, number> = {
  read: DATA,
  write: DATA,
  fetch: FETCHED,
  'implicit read': DESCRIPTORS,
  'implicit write': DESCRIPTORS,
};

/** What the instruction of an access does: a descriptor is read before its accessed bit is set. */
function performed(c: Controls, kind: Access, low: Uint32Array, high: Uint32Array): Outcome {
  if (kind !== 'implicit write') return access(c, kind, low, high);
  const read = access(c, 'implicit read', low, high);
  if (read.error >= 0) return read;
  return { ...access(c, kind, low, high), accessed: read.accessed };
}

export class PagingBench {
  readonly m = new Machine();
  readonly structure: Structure;
  readonly shape: Shape;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  cases = 0;
  #controls: Controls | undefined;
  #kind: Access = 'read';
  /** Host indices (u32) of the entries under test. */
  readonly #at: number[] = [];
  #start: Uint8Array = new Uint8Array(0);
  #linear = 0n;
  #top: number;

  constructor(structure: Structure) {
    this.structure = structure;
    const shape = SHAPES[structure];
    this.shape = shape;
    this.low = new Uint32Array(shape.levels);
    this.high = new Uint32Array(shape.levels);
    const { m } = this;
    m.enter(shape.mode);
    m.put(FETCHED, 'cd 31');
    for (const [i, kind] of ACCESSES.entries()) for (const at of [CODE, USER_CODE]) m.put(at + 32 * i, CODES[kind]);
    const base = Number(shape.base);
    // The top entry under test: in the mode's own top table (PAE: in a page directory of its own).
    const indexMask = shape.bytes === 4 ? 1023 : 511;
    this.#top =
      structure === 'PAE' ? TABLES_AT : m.get('CR3') + shape.bytes * (Math.floor(base / 2 ** (shape.shifts[0] as number)) & indexMask);
  }

  /** Tables below the top one: level i's stands here. */
  table(level: number): number {
    return TABLES_AT + 0x1000 * level;
  }

  /** Chooses the controls and the access for the cases that follow. */
  choose(c: Controls, kind: Access): void {
    this.#controls = c;
    this.#kind = kind;
    const { m, shape } = this;
    const target = TARGETS[kind];
    this.#linear = shape.base + BigInt(target);
    this.#at.length = 0;
    for (let i = 0; i < shape.levels; i++) {
      const index = Math.floor(target / 2 ** (shape.shifts[i] as number)) & (shape.bytes === 4 ? 1023 : 511);
      const at = i === 0 ? this.#top : this.table(i) + shape.bytes * index;
      this.#at.push((RAM + at) >>> 2);
    }
    m.enter(shape.mode, c.user ? 3 : 0);
    if (this.structure === 'PAE') m.set('PDPTE', TABLES_AT | 1, 1);
    m.set('CR0', c.wp ? 0x8001_0031 : 0x8000_0031);
    let cr4 = BigInt(m.get('CR4')) & ~0x10n;
    for (const [on, bit] of [
      [c.pse, 4],
      [c.smep, 20],
      [c.smap, 21],
      [c.pke, 22],
    ] as const)
      if (on) cr4 |= 1n << BigInt(bit);
    m.set('CR4', cr4);
    m.set('EFER', (BigInt(m.get('EFER')) & ~0x800n) | (c.nxe ? 0x800n : 0n));
    m.set('PKRU', c.pkru >>> 0);
    m.set('RIP', (c.user ? USER_CODE : CODE) + 32 * ACCESSES.indexOf(kind));
    m.set('REGS', this.#linear, REG.bx);
    m.set('REGS', kind === 'write' ? STORED : kind === 'implicit read' ? ACCESSED : kind === 'implicit write' ? UNTOUCHED : 0, REG.ax);
    m.set('SEG_BASE', shape.base + BigInt(DESCRIPTORS), SEG.ldtr);
    m.flags(2 | (c.ac ? 0x4_0000 : 0));
    m.settle();
    this.#start = m.save();
  }

  /** What precedes a case: the entries into memory, the target as it was. */
  #prepare(): void {
    const { m, low, high, shape } = this;
    for (let i = 0; i < shape.levels; i++) {
      const at = this.#at[i] as number;
      m.u32[at] = low[i] as number;
      if (shape.bytes === 8) m.u32[at + 1] = high[i] as number;
    }
    m.put32(DATA, 0x5a);
    m.put32(DESCRIPTORS + 8, 0xffff);
    m.put32(DESCRIPTORS + 12, 0xcff300);
    m.put32(DESCRIPTORS + 16, 0xffff);
    m.put32(DESCRIPTORS + 20, 0xcff200);
    m.load(this.#start);
  }

  /** One access through `low` and `high`: the vector that ends it. */
  attempt(): number {
    this.#prepare();
    this.m.touched.length = 0;
    this.cases++;
    return this.m.vector();
  }

  describe(expected: string): string {
    const entries = [...this.low].map((l, i) => ((BigInt(this.high[i] as number) << 32n) | BigInt(l)).toString(16));
    const on = Object.entries(this.#controls as Controls).map(([k, v]) =>
      v === true ? k : typeof v === 'number' ? `${k}=${v.toString(16)}` : '',
    );
    return `${this.structure} ${this.#kind} [${entries.join(' ')}] ${on.filter(Boolean).join(' ')}: ${expected}`;
  }

  /** One access through `low` and `high`. Throws when the core does otherwise than the model. */
  check(): void {
    const { m, low, high, shape } = this;
    const c = this.#controls as Controls;
    const kind = this.#kind;
    const { error, accessed } = performed(c, kind, low, high);
    const vector = this.attempt();
    const fail = (what: string): never => assert.unreachable(this.describe(what)) as never;
    if (error < 0) {
      if (vector !== 0x31) fail(`vector ${vector}${vector === 14 ? ` error ${m.read32(m.sp).toString(16)}` : ''} instead of none`);
      if (kind === 'read' && (m.get('REGS', REG.ax) & 0xff) !== 0x5a) fail('another value read');
      if (kind === 'write' && m.read32(DATA) !== STORED) fail('not stored');
    } else {
      if (vector !== 14) fail(`vector ${vector} instead of #PF ${error.toString(16)}`);
      if (m.read32(m.sp) !== error) fail(`error code ${m.read32(m.sp).toString(16)} instead of ${error.toString(16)}`);
      const offset = m.state.get('CR2') - this.#linear;
      // Which byte of a descriptor is touched first is the processor's own affair.
      const [from, to] = kind === 'implicit read' ? [8n, 15n] : kind === 'implicit write' ? [16n, 23n] : [0n, 0n];
      if (offset < from || offset > to) fail(`CR2 ${m.state.get('CR2').toString(16)}`);
      if (m.read32(DATA) !== 0x5a) fail('stored in spite of a fault');
    }
    for (let i = 0; i < shape.levels; i++) {
      const at = this.#at[i] as number;
      let expected = low[i] as number;
      if (i <= accessed) expected |= A;
      if (error < 0 && i === accessed && (kind === 'write' || kind === 'implicit write')) expected |= D;
      if (m.u32[at] !== expected >>> 0 || (shape.bytes === 8 && m.u32[at + 1] !== high[i])) {
        fail(`entry ${i} is ${(m.u32[at] as number).toString(16)} afterwards, not ${expected.toString(16)}`);
      }
    }
  }

  /** Entries that lead to the target: all rights, page tables down to `leafHeight`. */
  plain(leafHeight = 1): void {
    const { shape, low, high } = this;
    high.fill(0);
    for (let i = 0; i < shape.levels; i++) {
      const height = heightOf(this.structure, i);
      low[i] =
        P |
        W |
        U |
        (height === 1 ? TARGETS[this.#kind] : height === leafHeight && sizes(this.#controls as Controls, height) ? PS : this.table(i + 1));
    }
  }
}

export const DEFAULT: Omit<Controls, 'structure'> = {
  wp: true,
  pse: true,
  smep: false,
  smap: false,
  pke: false,
  nxe: true,
  user: false,
  ac: false,
  pkru: 0,
  maxPhysical: PHYSICAL_BITS,
  gigabytePages: true,
};

/** Every setting of the control bits that `structure` knows; PKRU disables nothing, access, or writes of key 5 (and the contrary of all others). */
export function* everyControl(structure: Structure, pku: boolean): Generator<Controls> {
  for (let n = 0; n < 256; n++) {
    const bit = (k: number): boolean => ((n >> k) & 1) !== 0;
    const wide = structure === '4-level' || structure === '5-level';
    const [smap, ac, pke, nxe] = [bit(2), bit(3), bit(4), bit(5)];
    if (ac && !smap) continue;
    if (pke && !(wide && pku)) continue;
    if (nxe && structure === '32-bit') continue;
    const c = { ...DEFAULT, structure, wp: bit(0), smep: bit(1), smap, ac, pke, nxe, user: bit(6), pse: bit(7) };
    if (structure !== '32-bit' && c.pse) continue;
    const keys = pke ? [0xffff_f3ff, 0x0000_0400, 0x0000_0800, 0xffff_ffff] : [0];
    for (const pkru of keys) yield { ...c, pkru };
  }
}

/** Every combination of R/W, U/S and XD at every level, each `step`th of them from `first` on. */
export function rights(bench: PagingBench, first: number, step: number): void {
  const { levels } = bench.shape;
  bench.plain();
  bench.high[levels - 1] = 5 << 27;
  const plainLow = bench.low.slice();
  const plainHigh = bench.high.slice();
  const per = bench.shape.bytes === 4 ? 4 : 8;
  const total = per ** levels;
  for (let n = first; n < total; n += step) {
    let rest = n;
    for (let i = 0; i < levels; i++) {
      const choice = rest % per;
      rest = Math.floor(rest / per);
      bench.low[i] = ((plainLow[i] as number) & ~(W | U)) | (choice & 1 ? W : 0) | (choice & 2 ? U : 0);
      bench.high[i] = bench.shape.bytes === 4 ? 0 : ((plainHigh[i] as number) | (choice & 4 ? NX : 0)) >>> 0;
    }
    if (bench.shape.bytes === 8 && bench.structure === 'PAE') bench.high[levels - 1] = ((bench.high[levels - 1] as number) & NX) >>> 0;
    bench.check();
  }
}

/** Is this bit, in an entry at this height, part of the address that leads on? */
function leads(c: Controls, height: number, low: number, bit: number): boolean {
  const large = height > 1 && (low & PS) !== 0;
  if (c.structure === '32-bit') {
    // A 4-MByte page: bits 20:13 are upper address bits, 12 is PAT.
    if (large && height === 2 && c.pse) return bit >= 13;
    return bit >= 12;
  }
  const from = large && height === 2 ? 21 : large && height === 3 && c.gigabytePages ? 30 : 12;
  return bit >= from && bit < c.maxPhysical;
}

/** PS tells a page from a table here. */
function sizes(c: Controls, height: number): boolean {
  return height === 2 ? c.structure !== '32-bit' || c.pse : height === 3 && c.gigabytePages;
}

/** Entries at random: pages of every size, each level with flags of its own, now and then any one bit that is not part of the address. */
export function atRandom(bench: PagingBench, c: Controls, count: number, seed: number): void {
  const { next, below } = random(seed);
  const { levels, bytes } = bench.shape;
  for (let n = 0; n < count; n++) {
    bench.plain(1 + below(c.structure === '4-level' || c.structure === '5-level' ? 3 : 2));
    for (let i = 0; i < levels; i++) {
      const height = heightOf(c.structure, i);
      let low = bench.low[i] as number;
      let high = bench.high[i] as number;
      const r = next();
      // PWT, PCD, A, D and the available bits; rights are mostly there.
      low |= (r & 0x18) | (r & 0xe00) | ((r >>> 12) & 0x60) | ((r >>> 10) & 0x100);
      if ((r & 0x7000_0000) === 0) low &= ~W;
      if ((r & 0x0e00_0000) === 0) low &= ~U;
      if (below(24) === 0) low &= ~P;
      if (bytes === 8 && below(10) === 0) high |= NX;
      if (bytes === 8 && (c.structure === '4-level' || c.structure === '5-level')) high |= next() & 0x7ff0_0000;
      if (below(4) === 0) {
        const bit = below(8 * bytes);
        if (!leads(c, height, low, bit) && !(bit === 7 && sizes(c, height))) {
          if (bit < 32) low ^= 1 << bit;
          else high ^= 1 << (bit - 32);
        }
      }
      bench.low[i] = low >>> 0;
      bench.high[i] = high >>> 0;
    }
    bench.check();
  }
}

/** Pages of every size anywhere in the physical address space beyond RAM: the address that a device sees. */
export function places(bench: PagingBench, c: Controls, count: number): void {
  const { next, below } = random(5);
  const { m } = bench;
  bench.choose(c, 'read');
  const wide = c.structure === '4-level' || c.structure === '5-level';
  for (let n = 0; n < count; n++) {
    const height = 1 + below(wide ? 3 : 2);
    bench.plain(height);
    const size = [12, c.structure === '32-bit' ? 22 : 21, 30][height - 1] as number;
    const upper = c.structure === '32-bit' && height === 1 ? 0 : next() & (2 ** (c.maxPhysical - 32) - 1);
    // Above all RAM.
    const low = ((next() | 0x8000_0000) & ~(2 ** size - 1)) >>> 0;
    const i = bench.shape.levels - height;
    const flags = (bench.low[i] as number) & 0xfff;
    if (c.structure === '32-bit' && height === 2) bench.low[i] = (low | (upper << 13) | flags) >>> 0;
    else {
      bench.low[i] = (low | flags) >>> 0;
      bench.high[i] = upper;
    }
    bench.attempt();
    const expected = upper * 2 ** 32 + low + (DATA & (2 ** size - 1));
    assert.equal(m.touched, [expected], bench.describe(expected.toString(16)));
  }
}

/** Each bit of each entry alone, for pages of every size. */
export function eachBit(bench: PagingBench, c: Controls): void {
  const { levels, bytes } = bench.shape;
  const wide = c.structure === '4-level' || c.structure === '5-level';
  for (let leafHeight = 1; leafHeight <= (wide ? 3 : 2); leafHeight++) {
    for (let i = 0; i < levels; i++) {
      for (let bit = 0; bit < 8 * bytes; bit++) {
        bench.plain(leafHeight);
        const height = heightOf(c.structure, i);
        const low = bench.low[i] as number;
        if (leads(c, height, low, bit)) continue;
        if (bit === 7 && sizes(c, height)) continue;
        if (bit < 32) bench.low[i] = (low ^ (1 << bit)) >>> 0;
        else bench.high[i] = ((bench.high[i] as number) ^ (1 << (bit - 32))) >>> 0;
        bench.check();
      }
    }
  }
}
