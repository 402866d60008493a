/**
 * Access rights of translations that a TLB already holds follow CR0.WP, CR4.SMEP, SMAP and PKE, PKRU, RFLAGS.AC and the privilege level at once
 * (SDM vol. 3, 5.6: they are looked at in each access, not when a translation is made). Nothing is flushed between the steps but by the guest's own
 * moves to control registers; the outcome of each access is that of test/cpu/model/paging.ts.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES, PHYSICAL_BITS } from '../../vmm/cpu/cpuid.ts';
import { CODE, HANDLERS, Machine, random, REG, SEG, SEL, STACK, TABLES, USER_CODE, USER_STACK } from './model/machine.ts';
import { type Access, access, type Controls, NX, P, U, W } from './model/paging.ts';

const PAGES = 24;
const BASE = 1n << 39n;
const TABLE = 0x2_0000;
const FRAME = 0x8_0000;
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch'];
const CODES: Record<string, string> = { read: '8a 43 10 cd 31', write: '88 43 10 cd 31', fetch: 'ff e3' };
const SETTERS = { cr0: '0f 22 c0 f4', cr4: '0f 22 e0 f4', pkru: '0f 01 ef f4', stac: '0f 01 cb f4', clac: '0f 01 ca f4' } as const;
const HAS_PKU = CORE_FEATURES.includes('pku');

class Bench {
  readonly m = new Machine();
  readonly low = new Uint32Array(4);
  readonly high = new Uint32Array(4);
  readonly leaves: [number, number][] = [];
  cr0 = 0x8001_0031n;
  cr4: bigint;
  pkru = 0;
  ac = false;

  constructor(seed: number) {
    const { m } = this;
    const r = random(seed);
    m.enter('long');
    for (const base of [CODE, USER_CODE]) for (const [i, kind] of ACCESSES.entries()) m.put(base + 16 * i, CODES[kind] as string);
    for (const [i, code] of Object.values(SETTERS).entries()) m.put(CODE + 0x100 + 16 * i, code);
    const tables = [TABLES + 8, TABLE, TABLE + 0x1000];
    for (const [i, at] of tables.entries()) m.put64(at, BigInt(TABLE + 0x1000 * i) | 7n);
    for (let i = 0; i < PAGES; i++) {
      m.put(FRAME + 0x1000 * i, 'cd 31');
      const low = P | (r.below(2) * W) | (r.below(2) * U) | (FRAME + 0x1000 * i);
      const high = ((r.below(4) === 0 ? NX : 0) | (r.below(3) << 27)) >>> 0;
      this.leaves.push([low, high]);
      m.put32(TABLE + 0x2000 + 8 * i, low);
      m.put32(TABLE + 0x2000 + 8 * i + 4, high);
    }
    this.cr4 = BigInt(m.get('CR4'));
    m.settle();
  }

  #go(at: number, ax: bigint, bx: bigint, user: boolean): number {
    const { m } = this;
    m.segment(SEG.cs, user ? SEL.user64 : SEL.code64, user ? 0xa0fb : 0xa09b);
    m.segment(SEG.ss, user ? SEL.userData : SEL.data, user ? 0xc0f3 : 0xc093);
    m.set('RIP', at);
    m.set('REGS', ax, REG.ax);
    m.set('REGS', bx, REG.bx);
    m.set('REGS', 0, REG.cx);
    m.set('REGS', 0, REG.dx);
    m.set('REGS', user ? USER_STACK : STACK, REG.sp);
    m.set('ACTIVITY', 0);
    m.flags(2 | (this.ac ? 0x4_0000 : 0));
    m.changed();
    m.run(16);
    const rip = m.get('RIP') - HANDLERS;
    return rip >= 0 && rip < 0x1000 ? rip >> 4 : -1;
  }

  /** A move that the guest makes at level 0. */
  move(what: keyof typeof SETTERS, value: bigint): void {
    const at = CODE + 0x100 + 16 * Object.keys(SETTERS).indexOf(what);
    assert.is(this.#go(at, value, 0n, false), -1, `${what} ${value.toString(16)}`);
    if (what === 'stac' || what === 'clac') this.ac = what === 'stac';
  }

  check(page: number, kind: Access, user: boolean): void {
    const { m } = this;
    const bit = (value: bigint, n: bigint): boolean => ((value >> n) & 1n) !== 0n;
    const c: Controls = {
      structure: '4-level',
      wp: bit(this.cr0, 16n),
      pse: false,
      smep: bit(this.cr4, 20n),
      smap: bit(this.cr4, 21n),
      pke: bit(this.cr4, 22n),
      nxe: true,
      user,
      ac: this.ac,
      pkru: this.pkru,
      maxPhysical: PHYSICAL_BITS,
      gigabytePages: true,
    };
    this.low.fill(7);
    this.high.fill(0);
    [this.low[3], this.high[3]] = this.leaves[page] as [number, number];
    const wanted = access(c, kind, this.low, this.high).error;
    const vector = this.#go((user ? USER_CODE : CODE) + 16 * ACCESSES.indexOf(kind), 0x77n, BASE + BigInt(page << 12), user);
    const found = vector === 14 ? m.read32(m.sp) : vector === 0x31 ? -1 : -2;
    if (found !== wanted) {
      assert.unreachable(
        `${kind} of page ${page} (${(this.high[3] as number).toString(16)} ${(this.low[3] as number).toString(16)}) ${JSON.stringify(c)}: ${found}, not ${wanted}`,
      );
    }
  }
}

test('rights: what is cached obeys the control bits of the moment', () => {
  let cases = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const bench = new Bench(seed * 31);
    const r = random(seed * 101);
    for (let n = 0; n < 500; n++) {
      const kind = r.below(HAS_PKU ? 7 : 5);
      if (kind === 0) bench.move('cr0', (bench.cr0 ^= 0x1_0000n));
      else if (kind < 3) bench.move('cr4', (bench.cr4 ^= 1n << BigInt(20 + r.below(HAS_PKU ? 3 : 2))));
      else if (kind === 3) bench.move('stac', 0n);
      else if (kind === 4) bench.move('clac', 0n);
      else if ((bench.cr4 & 0x40_0000n) !== 0n) bench.move('pkru', BigInt((bench.pkru = r.below(64))));
      for (let k = 0; k < 12; k++) {
        bench.check(r.below(PAGES), ACCESSES[r.below(3)] as Access, r.below(2) === 0);
        cases++;
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});
test.run();
