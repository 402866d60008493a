/**
 * What a TLB may remember, and what it must have forgotten (SDM vol. 3, 5.10.2 to 5.10.4): translations changed at random under MOV CR3 with and
 * without PCIDs, INVLPG, INVPCID of every type, MOV CR4; global pages, pages of 2 MiB, data and fetches.
 *
 * The model keeps, for each PCID and page, every translation that was true since the last invalidation that the SDM requires; an access may use any
 * of these and no other.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES } from '../../vmm/cpu/cpuid.ts';
import { CODE, FREE, HANDLERS, Machine, random, REG, STACK, TABLES } from './model/machine.ts';

const SPACES = 3;
/** 4-KByte pages; after them, two places in one page of 2 MiB. */
const SMALL = 6;
const PAGES = SMALL + 2;
const BASE = 1n << 39n;
const LARGE_AT = 0x20_0000n;
const LARGE_OFFSET = 0x1f_0000;
const FRAMES = 16;
const FRAME = (f: number): number => 0x8_0000 + 0x1000 * f;
const PGE = 0x80n;
const PCIDE = 0x2_0000n;
const G = 0x100n;
/** A page that is not present. */
const NONE = -1;

const READ = CODE;
const CALL = CODE + 0x10;
const CR3 = CODE + 0x20;
const CR4 = CODE + 0x30;
const INVLPG = CODE + 0x40;
const INVPCID = CODE + 0x50;
const DESCRIPTOR = 0x6000;

const pml4 = (s: number): number => (s === 0 ? TABLES : FREE + 0x1000 * s);
const pdpt = (s: number): number => FREE + 0x1_0000 + 0x3000 * s;
const linear = (page: number): bigint =>
  page < SMALL ? BASE + BigInt(page << 12) : BASE + LARGE_AT + BigInt(LARGE_OFFSET + ((page - SMALL) << 12));

class Tlb {
  readonly m = new Machine();
  readonly pcids: boolean;
  space = 0;
  /** What each space's entry says now: frame and whether it is global. */
  readonly now: { frame: number; global: boolean }[][] = [];
  /** Allowed by PCID (0 for all without PCIDs) and page: not global; and global ones by page. */
  readonly own: Set<number>[][] = [];
  readonly global: Set<number>[] = [];
  cr4: bigint;

  constructor(pcids: boolean) {
    this.pcids = pcids;
    const { m } = this;
    m.enter('long');
    for (const [at, code] of [
      [READ, '8a 43 08 f4'],
      [CALL, 'ff d3 f4'],
      [CR3, '0f 22 d8 f4'],
      [CR4, '0f 22 e0 f4'],
      [INVLPG, '0f 01 3b f4'],
      [INVPCID, '66 0f 38 82 03 f4'],
    ] as const)
      m.put(at, code);
    const frame = (at: number, f: number): void =>
      m.put(at, `b0 ${f.toString(16).padStart(2, '0')} c3 00 00 00 00 00 ${f.toString(16).padStart(2, '0')}`);
    for (let f = 0; f < FRAMES; f++) frame(FRAME(f), f);
    // The two large frames, each at both places.
    for (let f = 0; f < 2; f++) for (let k = 0; k < 2; k++) frame(f * 0x20_0000 + LARGE_OFFSET + 0x1000 * k, f);
    for (let s = 0; s < SPACES; s++) {
      m.put64(pml4(s), BigInt(TABLES + 0x1000) | 7n);
      m.put64(pml4(s) + 8, BigInt(pdpt(s)) | 7n);
      m.put64(pdpt(s), BigInt(pdpt(s) + 0x1000) | 7n);
      m.put64(pdpt(s) + 0x1000, BigInt(pdpt(s) + 0x2000) | 7n);
      this.now.push(Array.from({ length: PAGES }, () => ({ frame: NONE, global: false })));
      this.own.push(Array.from({ length: PAGES }, () => new Set([NONE])));
    }
    for (let i = 0; i < PAGES; i++) this.global.push(new Set());
    this.cr4 = BigInt(m.get('CR4')) | PGE | (pcids ? PCIDE : 0n);
    m.set('CR4', this.cr4);
    m.settle();
  }

  /** Pages that one entry maps. */
  #together(page: number): number[] {
    return page < SMALL ? [page] : [SMALL, SMALL + 1];
  }

  change(space: number, page: number, frame: number, global: boolean): void {
    const flags = 3n | (global ? G : 0n);
    if (page < SMALL) this.m.put64(pdpt(space) + 0x2000 + 8 * page, frame === NONE ? 0n : BigInt(FRAME(frame)) | flags);
    else this.m.put64(pdpt(space) + 0x1000 + 8, frame === NONE ? 0n : BigInt(frame * 0x20_0000) | 0x80n | flags);
    for (const p of this.#together(page)) {
      (this.now[space] as { frame: number; global: boolean }[])[p] = { frame, global };
      this.#remember(space, p);
    }
  }

  #pcid(space: number): number {
    return this.pcids ? space : 0;
  }

  #ownOf(space: number, page: number): Set<number> {
    return this.own[this.#pcid(space)]?.[page] as Set<number>;
  }

  /** The present entry of a space joins what may be used. */
  #remember(space: number, page: number): void {
    const entry = this.now[space]?.[page] as { frame: number; global: boolean };
    // An entry can be used only under its own CR3: without PCIDs what another space's says has not been seen.
    if (this.pcids || space === this.space) this.#ownOf(space, page).add(entry.frame);
    if (entry.global && entry.frame !== NONE && (this.cr4 & PGE) !== 0n) (this.global[page] as Set<number>).add(entry.frame);
  }

  #forget(spaces: readonly number[], pages: readonly number[], globals: boolean): void {
    for (const page of pages) {
      for (const s of spaces) this.#ownOf(s, page).clear();
      if (globals) (this.global[page] as Set<number>).clear();
    }
    for (let s = 0; s < SPACES; s++) for (let page = 0; page < PAGES; page++) this.#remember(s, page);
  }

  static readonly #all = Array.from({ length: PAGES }, (_, i) => i);
  static readonly #spaces = Array.from({ length: SPACES }, (_, i) => i);

  #go(at: number, ax: bigint, bx: bigint): number {
    const { m } = this;
    m.set('RIP', at);
    m.set('REGS', ax, REG.ax);
    m.set('REGS', bx, REG.bx);
    m.set('REGS', STACK, REG.sp);
    m.set('ACTIVITY', 0);
    m.run(16);
    const rip = m.get('RIP');
    return rip >= HANDLERS && rip < HANDLERS + 0x1000 ? (rip - HANDLERS) >> 4 : NONE;
  }

  #do(what: string, at: number, ax: bigint, bx: bigint): void {
    assert.is(this.#go(at, ax, bx), NONE, what);
  }

  /** What the page holds: the frame that was reached. */
  look(page: number, fetch: boolean): void {
    const vector = this.#go(fetch ? CALL : READ, 0x77n, linear(page));
    assert.ok(vector === NONE || vector === 14, `vector ${vector}`);
    const found = vector === 14 ? NONE : this.m.get('REGS', REG.ax) & 0xff;
    const own = this.#ownOf(this.space, page);
    const global = this.global[page] as Set<number>;
    if (own.has(found) || global.has(found)) return;
    assert.unreachable(`space ${this.space} page ${page}: frame ${found} is gone; ${[...own]} and global ${[...global]} may be there`);
  }

  movCr3(space: number, keep: boolean): void {
    const value = BigInt(pml4(space)) | BigInt(this.#pcid(space)) | (keep && this.pcids ? 1n << 63n : 0n);
    this.#do('MOV CR3', CR3, value, 0n);
    this.space = space;
    // 5.10.4.1: without PCIDs everything that is not global, with them that of the new one, unless bit 63 says to keep it.
    if (!this.pcids) this.#forget(Tlb.#spaces, Tlb.#all, false);
    else if (!keep) this.#forget([space], Tlb.#all, false);
  }

  invlpg(page: number): void {
    this.#do('INVLPG', INVLPG, 0n, linear(page));
    this.#forget([this.space], this.#together(page), true);
  }

  /** Types: an address of a PCID, a PCID, everything with global pages, everything without. */
  invpcid(type: number, space: number, page: number): void {
    this.m.put64(DESCRIPTOR, BigInt(this.#pcid(space)));
    this.m.put64(DESCRIPTOR + 8, linear(page));
    this.#do(`INVPCID ${type}`, INVPCID, BigInt(type), BigInt(DESCRIPTOR));
    const spaces = type < 2 ? [space] : Tlb.#spaces;
    this.#forget(spaces, type === 0 ? this.#together(page) : Tlb.#all, type === 2);
  }

  togglePge(): void {
    this.cr4 ^= PGE;
    this.#do('MOV CR4', CR4, this.cr4, 0n);
    this.#forget(Tlb.#spaces, Tlb.#all, true);
  }
}

for (const pcids of CORE_FEATURES.includes('pcid') ? [false, true] : [false]) {
  test(`TLB: what must be gone is gone, ${pcids ? 'with' : 'without'} PCIDs`, () => {
    let cases = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const t = new Tlb(pcids);
      const { below } = random(seed * 7919);
      for (let n = 0; n < 4000; n++) {
        const [space, page] = [below(SPACES), below(PAGES)];
        const kind = below(20);
        if (kind < 6)
          t.change(below(3) === 0 ? space : t.space, page, below(6) === 0 ? NONE : below(page < SMALL ? FRAMES : 2), below(4) === 0);
        else if (kind < 15) for (let p = 0; p < PAGES; p++) t.look(p, below(3) === 0);
        else if (kind === 15) t.movCr3(space, below(2) === 0);
        else if (kind === 16) t.movCr3(t.space, below(2) === 0);
        else if (kind === 17) t.invlpg(page);
        else if (kind === 18 && CORE_FEATURES.includes('invpcid')) t.invpcid(pcids ? below(4) : 2 + below(2), space, page);
        else if (below(3) === 0) t.togglePge();
        cases++;
      }
    }
    process.stdout.write(`${cases} steps\n`);
  });
}

if (CORE_FEATURES.includes('invpcid')) {
  test('TLB: INVPCID refuses bad types, PCIDs and addresses, and level 3', () => {
    const m = new Machine();
    for (const [type, low, high, pcide, vector] of [
      [0n, 1n, 0x1000n, true, NONE],
      [0n, 1n, 0x1000n, false, 13],
      [0n, 0n, 0x1000n, false, NONE],
      [1n, 5n, 0n, true, NONE],
      [1n, 5n, 0n, false, 13],
      [0n, 0n, 0x9000_0000_0000_0000n, true, 13],
      [1n, 0n, 0x9000_0000_0000_0000n, true, NONE],
      [2n, 0n, 0x9000_0000_0000_0000n, true, NONE],
      [0n, 0x1000n, 0n, true, 13],
      [1n, 0x1000n, 0n, true, 13],
      [2n, 0x1000n, 0n, true, 13],
      [3n, 1n << 63n, 0n, true, 13],
      [4n, 0n, 0n, true, 13],
      [1n << 32n, 0n, 0n, true, 13],
      [~0n, 0n, 0n, true, 13],
    ] as const) {
      m.enter('long');
      m.put(CODE, '66 0f 38 82 03 90');
      m.put64(DESCRIPTOR, low);
      m.put64(DESCRIPTOR + 8, high);
      if (pcide) m.set('CR4', m.get('CR4') | Number(PCIDE));
      m.set('REGS', type, REG.ax);
      m.set('REGS', DESCRIPTOR, REG.bx);
      m.settle();
      m.run(1);
      const rip = m.get('RIP');
      assert.is(
        rip >= HANDLERS && rip < HANDLERS + 0x1000 ? (rip - HANDLERS) >> 4 : NONE,
        vector,
        `type ${type} descriptor ${low.toString(16)} ${high.toString(16)}`,
      );
    }
    m.enter('long', 3);
    m.put(0x9000, '66 0f 38 82 03 90');
    m.settle();
    assert.is(m.vector(2), 13);
  });
}
test.run();
