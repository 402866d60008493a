/** Control registers: every illegal combination is #GP(0) and changes nothing, every legal one is taken, against test/cpu/model/control.ts. */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES, type Feature, modelFeatures, PHYSICAL_BITS } from '../../vmm/cpu/cpuid.ts';
import { badPdpte, type Before, CR0, CR4, cr4Known, lmsw, movCr0, movCr3, movCr4, wrEfer, xsetbv } from './model/control.ts';
import { CODE, HANDLERS, Machine, type Mode, random, REG, SEG, TABLES, USER_CODE } from './model/machine.ts';

let total = 0;
const report = (cases: number): void => {
  total += cases;
  process.stdout.write(`${cases} cases, ${total} so far\n`);
};

/** A machine with the code of one move to a register from RAX. */
class Bench {
  readonly m = new Machine();
  cases = 0;
  before: Before = { cr0: 0n, cr3: 0n, cr4: 0n, lme: false, csLong: false, tss16: false, goodPdptes: true };
  #start: Uint8Array = new Uint8Array(0);
  mode: Mode = 'long';

  choose(mode: Mode, code: string, change: (m: Machine) => void = () => undefined, cpl: 0 | 3 = 0): void {
    const { m } = this;
    this.mode = mode;
    m.enter(mode, cpl);
    m.put(CODE, code);
    m.put(USER_CODE, code);
    change(m);
    m.settle();
    this.#start = m.save();
    this.before = {
      cr0: m.state.get('CR0'),
      cr3: m.state.get('CR3'),
      cr4: m.state.get('CR4'),
      lme: (m.get('EFER') & 0x100) !== 0,
      csLong: (m.get('SEG_AR', SEG.cs) & 0x2000) !== 0,
      tss16: (m.get('SEG_AR', SEG.tr) & 8) === 0,
      goodPdptes: true,
    };
  }

  /** Runs it with RAX = `value`: the vector, or undefined. */
  move(value: bigint, cx = 0, dx = 0): number | undefined {
    const { m } = this;
    m.load(this.#start);
    m.set('REGS', value, REG.ax);
    m.set('REGS', cx, REG.cx);
    m.set('REGS', dx, REG.dx);
    this.cases++;
    m.run(1);
    const at = m.get('RIP') - HANDLERS;
    return at >= 0 && at < 0x1000 ? at >> 4 : undefined;
  }

  describe(value: bigint): string {
    const b = this.before;
    return `${this.mode} CR0 ${b.cr0.toString(16)} CR3 ${b.cr3.toString(16)} CR4 ${b.cr4.toString(16)} LME ${b.lme}: ${value.toString(16)}`;
  }
}

/** 64-bit operands can be given. */
const wide = (mode: Mode): boolean => mode === 'long' || mode === 'long5';
const has = (f: Feature): boolean => CORE_FEATURES.includes(f);

/** States to start from: every mode, and those on the way into IA-32e mode and out of it. */
const STARTS: readonly (readonly [string, Mode, (m: Machine) => void])[] = [
  ['real mode', 'real', () => undefined],
  ['protected mode', 'prot32', () => undefined],
  ['protected mode with CD and NW', 'prot32', (m) => m.set('CR0', 0x6001_0031)],
  ['protected mode, PAE', 'prot32', (m) => m.set('CR4', 0x620)],
  ['protected mode, LME', 'prot32', (m) => m.set('EFER', 0x100)],
  ['protected mode, LME and PAE', 'prot32', (m) => ready(m)],
  [
    'protected mode, LME and PAE, CS.L',
    'prot32',
    (m) => {
      ready(m);
      m.set('SEG_AR', m.get('SEG_AR', SEG.cs) | 0x2000, SEG.cs);
    },
  ],
  [
    'protected mode, LME and PAE, a 16-bit TSS',
    'prot32',
    (m) => {
      ready(m);
      m.set('SEG_AR', 0x83, SEG.tr);
    },
  ],
  ['32-bit paging', 'paged32', () => undefined],
  ['PAE paging', 'pae', () => undefined],
  ['compatibility mode', 'compat', () => undefined],
  ['64-bit mode', 'long', () => undefined],
  ...(has('la57') ? ([['64-bit mode, five levels', 'long5', () => undefined]] as const) : []),
  ...(has('pcid') ? ([['compatibility mode with PCIDs', 'compat', (m: Machine) => m.set('CR4', 0x2_0620)]] as const) : []),
];

function ready(m: Machine): void {
  m.set('EFER', 0x100);
  m.set('CR4', 0x620);
}

test('CR0: every combination of its bits, from every mode', () => {
  const bench = new Bench();
  const bits = Object.values(CR0);
  for (const [name, mode, change] of STARTS) {
    bench.choose(mode, '0f 22 c0', change);
    // PAE paging needs its PDPTEs where CR3 says.
    const pae = (bench.before.cr4 & CR4.PAE) !== 0n && !bench.before.lme && mode !== 'pae';
    if (pae) {
      bench.choose(mode, '0f 22 c0', (m) => {
        change(m);
        m.put64(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 1n);
        m.set('CR3', TABLES + 0x1000);
      });
    }
    for (let n = 0; n < 1 << bits.length; n++) {
      const value = bits.reduce((v, bit, i) => (((n >> i) & 1) !== 0 ? v | bit : v), 0n);
      checkCr0(bench, name, value);
    }
    // Reserved bits: ignored below 32, #GP above (in 64-bit mode, where they can be given).
    for (let bit = 0n; bit < 64n; bit++)
      checkCr0(bench, name, wide(mode) ? bench.before.cr0 ^ (1n << bit) : BigInt.asUintN(32, bench.before.cr0 ^ (1n << bit)));
  }
  report(bench.cases);
});

function checkCr0(bench: Bench, name: string, value: bigint): void {
  const { m } = bench;
  const wanted = movCr0(bench.before, value);
  const found = bench.move(value);
  const what = `${name}: ${bench.describe(value)}`;
  assert.is(found, wanted === undefined ? 13 : undefined, what);
  assert.is(m.state.get('CR0'), wanted ?? bench.before.cr0, what);
  const lma = bench.before.lme && (m.state.get('CR0') & CR0.PG) !== 0n;
  assert.is((m.get('EFER') & 0x400) !== 0, lma, `${what}: LMA`);
}

test('LMSW loads PE, MP, EM and TS, and does not clear PE', () => {
  const bench = new Bench();
  for (const mode of ['real', 'prot32', 'paged32', 'long'] as const) {
    for (let now = 0; now < 16; now++) {
      if (mode !== 'real' && (now & 1) === 0) continue;
      if (mode === 'real' && (now & 1) !== 0) continue;
      bench.choose(mode, '0f 01 f0', (m) => m.set('CR0', (m.state.get('CR0') & ~0xfn) | BigInt(now)));
      for (let word = 0; word < 64; word++) {
        const found = bench.move(BigInt(word | 0xfff0));
        assert.is(found, undefined);
        assert.is(m0(bench), lmsw(bench.before, BigInt(word)), bench.describe(BigInt(word)));
      }
    }
  }
  report(bench.cases);
});

const m0 = (bench: Bench): bigint => bench.m.state.get('CR0');

test('CR4: every bit, pairs of bits and random values, from every mode and for every model', () => {
  const bench = new Bench();
  const { below, next } = random(3);
  for (const model of ['v1', 'v2', 'v3', 'max'] as const) {
    const features = modelFeatures(model);
    bench.m.features(features);
    const known = cr4Known(features);
    for (const [name, mode, change] of STARTS) {
      bench.choose(mode, '0f 22 e0', (m) => {
        change(m);
        m.put64(TABLES, m.read64(TABLES));
      });
      if ((bench.before.cr4 & ~known) !== 0n) continue;
      // A change to PAE or from it moves the ground: the PDPTEs of a page directory are not good ones.
      const goodPdptes = mode === 'pae';
      bench.before = { ...bench.before, goodPdptes };
      const check = (value: bigint): void => {
        const wanted = movCr4(bench.before, value, features);
        const found = bench.move(value);
        const what = `${model} ${name}: ${bench.describe(value)}`;
        assert.is(found, wanted === undefined ? 13 : undefined, what);
        assert.is(bench.m.state.get('CR4'), wanted ?? bench.before.cr4, what);
      };
      const width = wide(mode) ? 64n : 32n;
      for (let a = 0n; a < width; a++) {
        check(bench.before.cr4 ^ (1n << a));
        for (let b = a + 1n; b < 24n; b++) check(bench.before.cr4 ^ (1n << a) ^ (1n << b));
      }
      for (let n = 0; n < 400; n++) check(BigInt(next() & Number(known)) | (below(8) === 0 ? 1n << BigInt(below(32)) : 0n));
    }
  }
  report(bench.cases);
});

test('CR3: reserved bits in 64-bit mode, none elsewhere', () => {
  const bench = new Bench();
  for (const [name, mode, change] of STARTS) {
    bench.choose(mode, '0f 22 d8', change);
    if ((bench.before.cr4 & CR4.PAE) !== 0n && mode === 'pae') continue;
    for (let bit = 0n; bit < (wide(mode) ? 64n : 32n); bit++) {
      const value = bench.before.cr3 | (1n << bit);
      const wanted = movCr3(bench.before, value, PHYSICAL_BITS);
      const found = bench.move(value);
      // Where the new tables are nowhere, the next fetch is what faults.
      if (wanted === undefined) assert.is(found, 13, `${name}: ${bench.describe(value)}`);
      else assert.ok(found !== 13, `${name}: ${bench.describe(value)}`);
      assert.is(bench.m.state.get('CR3'), wanted ?? bench.before.cr3, `${name}: ${bench.describe(value)}`);
    }
  }
  report(bench.cases);
});

test('PAE: each bit of each PDPTE is checked by the moves that load them, and by no other', () => {
  const bench = new Bench();
  const loads: readonly (readonly [string, string, (b: Bench) => bigint, boolean])[] = [
    ['MOV CR3', '0f 22 d8', (b) => b.before.cr3, true],
    ['CR0.CD', '0f 22 c0', (b) => b.before.cr0 ^ CR0.CD, true],
    ['CR0.WP', '0f 22 c0', (b) => b.before.cr0 ^ CR0.WP, false],
    ['CR0.TS', '0f 22 c0', (b) => b.before.cr0 ^ CR0.TS, false],
    ['CR4.PGE', '0f 22 e0', (b) => b.before.cr4 ^ CR4.PGE, true],
    ['CR4.PSE', '0f 22 e0', (b) => b.before.cr4 ^ CR4.PSE, true],
    ...(has('smep') ? ([['CR4.SMEP', '0f 22 e0', (b: Bench) => b.before.cr4 ^ CR4.SMEP, true]] as const) : []),
    ['CR4.OSFXSR', '0f 22 e0', (b) => b.before.cr4 ^ 0x200n, false],
  ];
  for (const [name, code, value, reloads] of loads) {
    for (const present of [1n, 0n]) {
      for (let index = 0; index < 4; index++) {
        for (let bit = 1n; bit < 64n; bit++) {
          bench.choose('pae', code);
          const good = BigInt(TABLES + 0x2000) | (index === 0 ? 1n : present);
          if (index === 0 && present === 0n) continue;
          const entry = good | (1n << bit);
          bench.m.put64(TABLES + 0x1000 + 8 * index, entry);
          const bad = reloads && badPdpte(entry, PHYSICAL_BITS);
          // The page directory of entry 0 moves with its address: what faults is the next fetch.
          if (index === 0 && !bad && bit >= 12n) continue;
          const found = bench.move(value(bench));
          assert.is(found, bad ? 13 : undefined, `${name}, PDPTE ${index} = ${entry.toString(16)}`);
          if (reloads && !bad) assert.is(bench.m.state.get('PDPTE', index), entry, `${name}: PDPTE ${index} is loaded`);
        }
      }
    }
  }
  report(bench.cases);
});

test('EFER: every combination of its bits, and each reserved bit, from every mode and with features hidden', () => {
  const bench = new Bench();
  for (const hidden of [undefined, 'nx', 'syscall'] as const) {
    const features = CORE_FEATURES.filter((f) => f !== hidden);
    bench.m.features(features);
    for (const [name, mode, change] of STARTS) {
      bench.choose(mode, '0f 30', change);
      const efer = bench.m.state.get('EFER');
      const check = (value: bigint): void => {
        const wanted = wrEfer(bench.before, efer, value, features);
        const found = bench.move(value & 0xffff_ffffn, 0xc000_0080, Number(value >> 32n));
        const what = `${name} without ${hidden}: EFER ${efer.toString(16)} = ${value.toString(16)}`;
        assert.is(found, wanted === undefined ? 13 : undefined, what);
        assert.is(bench.m.state.get('EFER'), wanted ?? efer, what);
      };
      for (let n = 0n; n < 16n; n++) check((n & 1n) | ((n & 2n) << 7n) | ((n & 4n) << 8n) | ((n & 8n) << 8n));
      for (let bit = 0n; bit < 64n; bit++) check(efer ^ (1n << bit));
    }
  }
  report(bench.cases);
});

test('CR8 takes four bits; control registers are for level 0', () => {
  const bench = new Bench();
  bench.choose('long', '44 0f 22 c0');
  for (let bit = 0n; bit < 64n; bit++) assert.is(bench.move(1n << bit), bit < 4n ? undefined : 13, `CR8 bit ${bit}`);
  for (const mode of ['prot32', 'paged32', 'pae', 'compat', 'long', 'vm86'] as const) {
    for (const code of [
      '0f 22 c0',
      '0f 22 d8',
      '0f 22 e0',
      '0f 20 c0',
      '0f 20 d0',
      '0f 20 d8',
      '0f 20 e0',
      '0f 01 f0',
      '0f 06',
      '0f 23 c0',
      '0f 21 c0',
    ]) {
      bench.choose(mode, code, undefined, 3);
      assert.is(bench.move(0x11n), 13, `${mode} ${code} at CPL 3`);
    }
  }
  // CR1, CR5 to CR7, CR9 to CR15 do not exist.
  for (const n of [1, 5, 6, 7]) {
    for (const way of ['20', '22']) {
      bench.choose('long', `0f ${way} ${(0xc0 | (n << 3)).toString(16)}`);
      assert.is(bench.move(0n), 6, `CR${n}`);
      bench.choose('long', `44 0f ${way} ${(0xc0 | (n << 3)).toString(16)}`);
      assert.is(bench.move(0n), 6, `CR${n + 8}`);
    }
  }
  report(bench.cases);
});

if (has('xsave')) {
  test('XSETBV: XCR0 takes what the processor has, x87 always, AVX with SSE only', () => {
    const bench = new Bench();
    for (const model of ['v3', 'max'] as const) {
      const features = modelFeatures(model);
      bench.m.features(features);
      bench.choose('long', '0f 01 d1', (m) => m.set('CR4', 0x4_0620));
      bench.m.set('XCR0', 1);
      for (let bit = 0n; bit < 64n; bit++) {
        for (let low = 0n; low < 8n; low++) {
          const value = low | (1n << bit);
          const wanted = xsetbv(0, value, features);
          const found = bench.move(value & 0xffff_ffffn, 0, Number(value >> 32n));
          assert.is(found, wanted ? undefined : 13, `${model} XCR0 = ${value.toString(16)}`);
          if (wanted) assert.is(bench.m.state.get('XCR0'), value);
        }
      }
      for (const cx of [1, 2, 3, 0x8000_0000]) assert.is(bench.move(3n, cx), 13, `XCR${cx}`);
      bench.choose('long', '0f 01 d1');
      assert.is(bench.move(3n), 6, 'without CR4.OSXSAVE');
      bench.choose('long', '0f 01 d1', (m) => m.set('CR4', 0x4_0620), 3);
      assert.is(bench.move(3n), 13, 'at CPL 3');
      bench.choose('long', '0f 01 d1', undefined, 3);
      assert.is(bench.move(3n), 6, '#UD goes before #GP');
    }
    report(bench.cases);
  });
}
test.run();
