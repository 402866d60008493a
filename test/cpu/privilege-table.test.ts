/**
 * Who may execute which system instruction: every one of them in every mode, at every level, with and without the control bit that opens it
 * (SDM vol. 2, each instruction's "exceptions"; vol. 3, 6.9 privileged instructions). The order matters where two things are wrong: #UD goes before #GP(0).
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES, type Feature } from '../../vmm/cpu/cpuid.ts';
import { CODE, HANDLERS, Machine, type Mode, REG, SEG, SEL, USER_CODE, USER_STACK } from './model/machine.ts';

const UD = 6;
const GP = 13;
const MODES: readonly Mode[] = ['real', 'vm86', 'prot16', 'prot32', 'compat', 'long'];

interface State {
  readonly mode: Mode;
  readonly cpl: number;
  readonly wide: boolean;
  /** 64-bit code. */
  readonly long: boolean;
  /** Protected mode other than virtual-8086. */
  readonly protect: boolean;
  readonly cr4: (bit: number) => boolean;
}

interface Instruction {
  readonly name: string;
  readonly code: string;
  readonly needs?: Feature;
  /** Bits of CR4 to try both ways. */
  readonly bits?: readonly number[];
  readonly prepare?: (m: Machine) => void;
  /** The vector, or undefined. */
  readonly expect: (s: State) => number | undefined;
}

const level0 = (s: State): number | undefined => (s.cpl === 0 ? undefined : GP);
const never = (): number => UD;
const always = (): undefined => undefined;
/** Not in real-address and virtual-8086 mode. */
const protectedOnly =
  (then: (s: State) => number | undefined) =>
  (s: State): number | undefined =>
    s.protect ? then(s) : UD;
const only64 =
  (then: (s: State) => number | undefined) =>
  (s: State): number | undefined =>
    s.long ? then(s) : UD;
const opened =
  (bit: number, then: (s: State) => number | undefined) =>
  (s: State): number | undefined =>
    s.cr4(bit) ? then(s) : UD;

const [TSD, PCE, UMIP, FSGSBASE, OSXSAVE, SMAP, PKE] = [2, 8, 11, 16, 18, 21, 22] as const;
const umip = (s: State): number | undefined => (s.cr4(UMIP) && s.cpl > 0 ? GP : undefined);
const zero = (m: Machine): void => {
  for (const r of [REG.ax, REG.cx, REG.dx]) m.set('REGS', 0, r);
};

const INSTRUCTIONS: readonly Instruction[] = [
  { name: 'CLTS', code: '0f 06', expect: level0 },
  { name: 'INVD', code: '0f 08', expect: level0 },
  { name: 'WBINVD', code: '0f 09', expect: level0 },
  { name: 'INVLPG', code: '0f 01 3f', expect: level0 },
  { name: 'RDTSCP', code: '0f 01 f9', needs: 'rdtscp', bits: [TSD], expect: (s) => (s.cr4(TSD) && s.cpl > 0 ? GP : undefined) },
  { name: 'LGDT', code: '0f 01 17', prepare: (m) => table(m, 0x1000), expect: level0 },
  { name: 'LIDT', code: '0f 01 1f', prepare: (m) => table(m, 0x2000), expect: level0 },
  { name: 'LGDT register', code: '0f 01 d7', expect: never },
  { name: 'LMSW', code: '0f 01 f0', prepare: (m) => m.set('REGS', m.get('CR0') & 0xffff, REG.ax), expect: level0 },
  { name: 'RDMSR', code: '0f 32', prepare: (m) => m.set('REGS', 0x10, REG.cx), expect: level0 },
  { name: 'WRMSR', code: '0f 30', prepare: (m) => m.set('REGS', 0x174, REG.cx), expect: level0 },
  { name: 'RDTSC', code: '0f 31', bits: [TSD], expect: (s) => (s.cr4(TSD) && s.cpl > 0 ? GP : undefined) },
  // There are no counters: every index is bad.
  { name: 'RDPMC', code: '0f 33', bits: [PCE], expect: () => GP },
  { name: 'SGDT', code: '0f 01 07', bits: [UMIP], expect: umip },
  { name: 'SIDT', code: '0f 01 0f', bits: [UMIP], expect: umip },
  { name: 'SMSW', code: '0f 01 e0', bits: [UMIP], expect: umip },
  { name: 'SLDT', code: '0f 00 c0', bits: [UMIP], expect: protectedOnly(umip) },
  { name: 'STR', code: '0f 00 c8', bits: [UMIP], expect: protectedOnly(umip) },
  { name: 'LLDT', code: '0f 00 d0', prepare: zero, expect: protectedOnly(level0) },
  // A null selector is refused, too.
  { name: 'LTR', code: '0f 00 d8', prepare: zero, expect: protectedOnly(() => GP) },
  { name: 'VERR', code: '0f 00 e0', expect: protectedOnly(always) },
  { name: 'VERW', code: '0f 00 e8', expect: protectedOnly(always) },
  { name: 'LAR', code: '0f 02 c0', expect: protectedOnly(always) },
  { name: 'LSL', code: '0f 03 c0', expect: protectedOnly(always) },
  { name: 'ARPL or MOVSXD', code: '63 c0', expect: (s) => (s.protect ? undefined : UD) },
  { name: 'SWAPGS', code: '0f 01 f8', expect: only64(level0) },
  { name: 'SYSRET', code: '0f 07', expect: (s) => (!s.long ? UD : s.cpl > 0 ? GP : undefined) },
  { name: 'SYSEXIT', code: '0f 35', prepare: (m) => m.set('SYSENTER_CS', 0), expect: () => GP },
  { name: 'SYSENTER without a CS', code: '0f 34', prepare: (m) => m.set('SYSENTER_CS', 0), expect: () => GP },
  // Intel has SYSCALL in 64-bit mode only.
  { name: 'SYSCALL', code: '0f 05', prepare: (m) => m.set('LSTAR', CODE + 0x100), expect: only64(always) },
  { name: 'XGETBV', code: '0f 01 d0', needs: 'xsave', bits: [OSXSAVE], prepare: zero, expect: opened(OSXSAVE, always) },
  {
    name: 'XSETBV',
    code: '0f 01 d1',
    needs: 'xsave',
    bits: [OSXSAVE],
    prepare: (m) => {
      zero(m);
      m.set('REGS', 1, REG.ax);
    },
    expect: opened(OSXSAVE, level0),
  },
  { name: 'XSAVE', code: '0f ae 27', needs: 'xsave', bits: [OSXSAVE], prepare: zero, expect: opened(OSXSAVE, always) },
  // SMAP is enumerated: CLAC and STAC are there whatever CR4 says, for level 0 (#UD at others).
  { name: 'CLAC', code: '0f 01 ca', needs: 'smap', bits: [SMAP], expect: (s) => (s.cpl === 0 && s.mode !== 'vm86' ? undefined : UD) },
  { name: 'STAC', code: '0f 01 cb', needs: 'smap', bits: [SMAP], expect: (s) => (s.cpl === 0 && s.mode !== 'vm86' ? undefined : UD) },
  { name: 'RDPKRU', code: '0f 01 ee', needs: 'pku', bits: [PKE], prepare: zero, expect: opened(PKE, always) },
  { name: 'WRPKRU', code: '0f 01 ef', needs: 'pku', bits: [PKE], prepare: zero, expect: opened(PKE, always) },
  {
    name: 'RDPKRU, ECX not 0',
    code: '0f 01 ee',
    needs: 'pku',
    bits: [PKE],
    prepare: (m) => m.set('REGS', 1, REG.cx),
    expect: opened(PKE, () => GP),
  },
  {
    name: 'WRPKRU, EDX not 0',
    code: '0f 01 ef',
    needs: 'pku',
    bits: [PKE],
    prepare: (m) => m.set('REGS', 1, REG.dx),
    expect: opened(PKE, () => GP),
  },
  { name: 'RDFSBASE', code: 'f3 0f ae c0', needs: 'fsgsbase', bits: [FSGSBASE], expect: only64(opened(FSGSBASE, always)) },
  {
    name: 'WRGSBASE',
    code: 'f3 48 0f ae d8',
    needs: 'fsgsbase',
    bits: [FSGSBASE],
    prepare: zero,
    expect: only64(opened(FSGSBASE, always)),
  },
  {
    name: 'WRFSBASE, not canonical',
    code: 'f3 48 0f ae d0',
    needs: 'fsgsbase',
    bits: [FSGSBASE],
    prepare: (m) => m.set('REGS', 0x9000_0000_0000_0000n, REG.ax),
    expect: only64(opened(FSGSBASE, () => GP)),
  },
  { name: 'RDPID', code: 'f3 0f c7 f8', needs: 'rdpid', expect: always },
  { name: 'MOV from CR0', code: '0f 20 c0', expect: level0 },
  { name: 'MOV from DR7', code: '0f 21 f8', expect: level0 },
  // Nothing enumerates these.
  { name: 'RSM', code: '0f aa', expect: never },
  { name: 'MONITOR', code: '0f 01 c8', expect: never },
  { name: 'MWAIT', code: '0f 01 c9', expect: never },
  { name: 'VMXON', code: 'f3 0f c7 37', expect: never },
  { name: 'VMREAD', code: '0f 78 c0', expect: never },
  { name: 'GETSEC', code: '0f 37', expect: never },
  { name: 'VMRUN', code: '0f 01 d8', expect: never },
  { name: 'UD0', code: '0f ff c0', expect: never },
  { name: 'UD1', code: '0f b9 c0', expect: never },
  { name: 'UD2', code: '0f 0b', expect: never },
];

/** DI points to a table register's image, or to room for one. */
function table(m: Machine, base: number): void {
  const at = USER_STACK - 0x400;
  m.put16(at, 0xfff);
  m.put64(at + 2, BigInt(base));
}

test('privilege: every system instruction in every mode at every level', () => {
  const m = new Machine();
  let cases = 0;
  const problems: string[] = [];
  for (const instruction of INSTRUCTIONS) {
    const { name, code, needs, bits = [], prepare, expect } = instruction;
    if (needs !== undefined && !CORE_FEATURES.includes(needs)) continue;
    for (const mode of MODES) {
      for (const cpl of mode === 'real' ? ([0] as const) : mode === 'vm86' ? ([3] as const) : ([0, 1, 2, 3] as const)) {
        for (let n = 0; n < 1 << bits.length; n++) {
          m.enter(mode, cpl);
          // 48h is DEC outside 64-bit mode.
          const bytes = mode === 'long' ? code : code.replace('f3 48', 'f3');
          m.put(CODE, `${bytes} 90`);
          m.put(USER_CODE, `${bytes} 90`);
          let cr4 = m.get('CR4');
          for (const [k, bit] of bits.entries()) if (((n >> k) & 1) !== 0) cr4 |= 1 << bit;
          m.set('CR4', cr4);
          m.set('XCR0', 3);
          m.set('EFER', m.get('EFER') | 1);
          m.set('REGS', USER_STACK - 0x400, REG.di);
          m.set('REGS', CODE + 0x100, REG.cx);
          m.set('SYSENTER_CS', SEL.code64);
          prepare?.(m);
          m.settle();
          m.run(1);
          cases++;
          const at = m.get('RIP') - HANDLERS;
          const inHandler = at >= 0 && at < 0x1000 && m.get('SEG_SEL', SEG.cs) !== SEL.user64;
          const found = inHandler ? at >> 4 : undefined;
          const wide = mode === 'compat' || mode === 'long';
          const wanted = expect({
            mode,
            cpl,
            wide,
            long: mode === 'long',
            protect: mode !== 'real' && mode !== 'vm86',
            cr4: (bit) => ((cr4 >> bit) & 1) !== 0,
          });
          if (found !== wanted) problems.push(`${name} ${mode} CPL ${cpl} CR4 ${cr4.toString(16)}: ${found}, not ${wanted}`);
          else if (found === GP && mode !== 'real' && m.read32(m.sp) !== 0)
            problems.push(`${name} ${mode} CPL ${cpl}: error code ${m.read32(m.sp)}`);
        }
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
  assert.equal(problems.slice(0, 30), []);
});

test('privilege: what CPUID hides is #UD for everyone', () => {
  const m = new Machine();
  for (const { name, code, needs, bits = [] } of INSTRUCTIONS) {
    if (needs === undefined) continue;
    // Leaf 0Dh is there with XSAVE only, and AVX needs it.
    const without = needs === 'xsave' ? /^(xsave|xgetbv|avx|fma|f16c|pku)/ : new RegExp(`^${needs}$`);
    m.features(CORE_FEATURES.filter((f) => !without.test(f)));
    m.enter('long');
    m.put(CODE, `${code} 90`);
    m.set(
      'CR4',
      bits.reduce((cr4, bit) => (bit === TSD ? cr4 : cr4 | (1 << bit)), m.get('CR4')),
    );
    zero(m);
    m.settle();
    m.run(1);
    assert.is((m.get('RIP') - HANDLERS) >> 4, UD, `${name} without ${needs}`);
  }
});

const SYSTEM = [
  ['LLDT', '0f 00 d0', 0x82, 'ldtr'],
  ['LTR', '0f 00 d8', 0x89, 'tr'],
] as const;

test('LLDT and LTR: every descriptor, selectors of every kind', () => {
  const m = new Machine();
  let cases = 0;
  const step = (selector: number, limit = 0xfff): readonly [number, number] | undefined => {
    m.set('REGS', selector, REG.ax);
    m.set('GDTR_LIMIT', limit);
    m.settle();
    m.run(1);
    cases++;
    const at = m.get('RIP') - HANDLERS;
    return at >= 0 && at < 0x1000 ? [at >> 4, m.read32(m.sp)] : undefined;
  };
  for (const mode of ['prot32', 'compat', 'long'] as const) {
    const wide = mode !== 'prot32';
    for (const [name, code, good, seg] of SYSTEM) {
      for (let access = 0; access < 256; access++) {
        for (const rpl of [0, 3]) {
          m.enter(mode);
          m.put(CODE, `${code} 90`);
          m.put32(0x1000 + SEL.free, 0x5678_0fff);
          m.put32(0x1000 + SEL.free + 4, (access << 8) | 0x34);
          m.put64(0x1000 + SEL.free + 8, 0x12n);
          const type = access & 0x1f;
          const fits = name === 'LLDT' ? type === 2 : type === 9 || (type === 1 && !wide);
          const present = (access & 0x80) !== 0;
          const wanted = !fits ? [GP, SEL.free] : !present ? [11, SEL.free] : undefined;
          const what = `${mode} ${name} access ${access.toString(16)} RPL ${rpl}`;
          assert.equal(step(SEL.free | rpl), wanted, what);
          if (wanted !== undefined) continue;
          const base = wide ? 0x12_0034_5678n : 0x34_5678n;
          assert.is(m.state.get('SEG_BASE', SEG[seg]), base, what);
          assert.is(m.get('SEG_SEL', SEG[seg]), SEL.free | rpl, what);
          assert.is(m.read8(0x1000 + SEL.free + 5), name === 'LTR' ? access | 2 : access, `${what}: busy`);
        }
      }
      const put = (): void => {
        m.enter(mode);
        m.put(CODE, `${code} 90`);
        m.put32(0x1000 + SEL.free, 0x5678_0fff);
        m.put32(0x1000 + SEL.free + 4, (good << 8) | 0x34);
        m.put64(0x1000 + SEL.free + 8, 0n);
      };
      put();
      assert.equal(step(SEL.free | 4), [GP, SEL.free | 4], `${mode} ${name}: a selector of the LDT`);
      put();
      assert.equal(step(SEL.free, SEL.free + 6), [GP, SEL.free], `${mode} ${name}: beyond the GDT`);
      put();
      assert.equal(step(SEL.free, SEL.free + 7), wide ? [GP, SEL.free] : undefined, `${mode} ${name}: sixteen bytes in IA-32e mode`);
      if (wide) {
        put();
        assert.equal(step(SEL.free, SEL.free + 15), undefined, `${mode} ${name}: just within`);
        for (let type = 1; type < 32; type++) {
          put();
          m.put64(0x1000 + SEL.free + 8, BigInt(type) << 40n);
          assert.equal(step(SEL.free), [GP, SEL.free], `${mode} ${name}: type ${type} in the upper half`);
        }
        put();
        m.put64(0x1000 + SEL.free + 8, 0x9000_0000n);
        assert.equal(step(SEL.free), [GP, SEL.free], `${mode} ${name}: a base that is not canonical`);
      }
      for (const selector of [0, 1, 2, 3]) {
        put();
        assert.equal(step(selector), name === 'LTR' ? [GP, 0] : undefined, `${mode} ${name}: null selector ${selector}`);
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});
test.run();
