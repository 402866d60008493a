/** Flags that POPF, IRET, CLI and STI may change, and ports that may be used, from every level and IOPL, against test/cpu/model/flags.ts. */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AC, IF, ID, interruptFlag, iretSame, NT, popf, portAllowed, pushf, TF, VIF, VIP, VM, type Who } from './model/flags.ts';
import { CODE, HANDLERS, INNER_STACK, Machine, type Mode, random, REG, SEG, SEL, TSS, USER_CODE, USER_STACK } from './model/machine.ts';

const TOP = USER_STACK - 0x200;
const MODES: readonly Mode[] = ['real', 'vm86', 'prot16', 'prot32', 'compat', 'long'];
const VME = 1;
const PVI = 2;

class Bench {
  readonly m = new Machine();
  cases = 0;
  #start: Uint8Array = new Uint8Array(0);

  choose(mode: Mode, cpl: 0 | 1 | 2 | 3, code: string, change: (m: Machine) => void = () => undefined): void {
    const { m } = this;
    m.enter(mode, cpl);
    m.put(CODE, `${code} 90 90`);
    m.put(USER_CODE, `${code} 90 90`);
    m.set('REGS', TOP, REG.sp);
    change(m);
    m.settle();
    this.#start = m.save();
  }

  /** Runs one instruction with these flags and DX: the vector, or undefined. */
  step(flags: number, dx = 0): number | undefined {
    const { m } = this;
    m.load(this.#start);
    m.set('REGS', dx, REG.dx);
    m.flags(flags);
    m.settle();
    this.cases++;
    m.run(1);
    const rip = m.get('RIP');
    return rip >= HANDLERS && rip < HANDLERS + 0x1000 ? (rip - HANDLERS) >> 4 : undefined;
  }
}

/** Flags to start from: all of IOPL, and some of the others. */
function* starts(mode: Mode): Generator<number> {
  for (let iopl = 0; iopl < 4; iopl++) {
    for (const rest of [0, IF, VIF, VIP, IF | VIP, AC | ID, NT | IF | VIF, 0xcd5 | IF])
      yield 2 | (iopl << 12) | rest | (mode === 'vm86' ? VM : 0);
  }
}

function* images(): Generator<number> {
  const { next } = random(21);
  yield 0;
  // TF would trap after the instruction: it stands in the last case, alone.
  for (let bit = 0; bit < 22; bit++) if (1 << bit !== TF) yield 1 << bit;
  for (let n = 0; n < 30; n++) yield next() & 0x3f_ffff & ~TF;
}

const levels = (mode: Mode): readonly (0 | 1 | 2 | 3)[] => (mode === 'real' ? [0] : mode === 'vm86' ? [3] : [0, 1, 2, 3]);
const is16 = (mode: Mode): boolean => mode === 'real' || mode === 'vm86' || mode === 'prot16';
const bytes = (mode: Mode, other: boolean): number => (is16(mode) ? (other ? 4 : 2) : mode === 'long' ? (other ? 2 : 8) : other ? 2 : 4);

function everyone(run: (mode: Mode, cpl: 0 | 1 | 2 | 3, cr4: number, who: (flags: number) => Who) => void): void {
  for (const mode of MODES) {
    for (const cpl of levels(mode)) {
      for (const cr4 of [0, VME, PVI]) {
        run(mode, cpl, cr4, (flags) => ({ real: mode === 'real', vm86: mode === 'vm86', cpl, flags, vme: cr4 === VME, pvi: cr4 === PVI }));
      }
    }
  }
}

test('POPF and PUSHF: every flag from every level, IOPL and mode', () => {
  const bench = new Bench();
  const { m } = bench;
  everyone((mode, cpl, cr4, who) => {
    for (const other of [false, true]) {
      const size = bytes(mode, other);
      const prefix = other ? '66' : '';
      bench.choose(mode, cpl, `${prefix} 9d`, () => m.set('CR4', m.get('CR4') | cr4));
      for (const flags of starts(mode)) {
        for (const image of images()) {
          m.put64(TOP, BigInt(image));
          const wanted = popf(who(flags), image, size);
          const found = bench.step(flags);
          const what = `${mode} CPL ${cpl} CR4 ${cr4} POPF of ${size}: ${flags.toString(16)} with ${image.toString(16)}`;
          assert.is(found, wanted === undefined ? 13 : undefined, what);
          if (wanted !== undefined) assert.is(m.readFlags().toString(16), (wanted >>> 0).toString(16), what);
        }
      }
      bench.choose(mode, cpl, `${prefix} 9c`, () => m.set('CR4', m.get('CR4') | cr4));
      for (const flags of starts(mode)) {
        const wanted = pushf(who(flags), size);
        const found = bench.step(flags);
        const what = `${mode} CPL ${cpl} CR4 ${cr4} PUSHF of ${size}: ${flags.toString(16)}`;
        assert.is(found, wanted === undefined ? 13 : undefined, what);
        if (wanted === undefined) continue;
        assert.is(m.get('REGS', REG.sp), TOP - size, what);
        assert.is(size === 2 ? m.read16(TOP - 2) : m.read32(TOP - size), wanted, what);
      }
    }
  });
  process.stdout.write(`${bench.cases} cases\n`);
});

test('CLI and STI: IF, VIF or #GP, from every level, IOPL and mode', () => {
  const bench = new Bench();
  const { m } = bench;
  everyone((mode, cpl, cr4, who) => {
    for (const on of [false, true]) {
      bench.choose(mode, cpl, on ? 'fb' : 'fa', () => m.set('CR4', m.get('CR4') | cr4));
      for (const flags of starts(mode)) {
        const wanted = interruptFlag(who(flags), on);
        const found = bench.step(flags);
        const what = `${mode} CPL ${cpl} CR4 ${cr4} ${on ? 'STI' : 'CLI'}: ${flags.toString(16)}`;
        assert.is(found, wanted === undefined ? 13 : undefined, what);
        if (wanted !== undefined) assert.is(m.readFlags().toString(16), (wanted >>> 0).toString(16), what);
      }
    }
  });
  process.stdout.write(`${bench.cases} cases\n`);
});

test('IRET to the same level: every flag from every level and IOPL', () => {
  const bench = new Bench();
  const { m } = bench;
  for (const mode of ['prot16', 'prot32', 'compat', 'long'] as const) {
    for (const cpl of levels(mode)) {
      const native = mode === 'prot16' ? 2 : 4;
      const forms: readonly (readonly [string, number])[] = [
        ['cf', native],
        ['66 cf', 6 - native],
        ...(mode === 'long' ? ([['48 cf', 8]] as const) : []),
      ];
      for (const [code, size] of forms) {
        bench.choose(mode, cpl, code);
        const at = cpl === 0 ? CODE + 0x20 : USER_CODE + 0x20;
        m.put(at, '90 90');
        const [cs, ss] = [m.get('SEG_SEL', SEG.cs), m.get('SEG_SEL', SEG.ss)];
        // The descriptors of 32- and 64-bit code are of level 0 and 3, of 16-bit code of 0.
        if (cpl === 1 || cpl === 2 || (mode === 'prot16' && cpl === 3)) continue;
        for (const flags of starts(mode)) {
          // NT asks for another task.
          if ((flags & NT) !== 0) continue;
          for (const image of images()) {
            if (cpl === 0 && size !== 2 && (image & VM) !== 0) continue;
            const words = [at, cs, image, TOP, ss];
            words.forEach((w, i) => {
              if (size === 2) m.put16(TOP + 2 * i, w);
              else if (size === 4) m.put32(TOP + 4 * i, w);
              else m.put64(TOP + 8 * i, BigInt(w));
            });
            const wanted = iretSame({ real: false, vm86: false, cpl, flags, vme: false, pvi: false }, image, size);
            const found = bench.step(flags);
            const what = `${mode} CPL ${cpl} IRET of ${size}: ${flags.toString(16)} with ${image.toString(16)}`;
            assert.is(found, undefined, what);
            assert.is(m.readFlags().toString(16), wanted.toString(16), what);
          }
        }
      }
    }
  }
  process.stdout.write(`${bench.cases} cases\n`);
});

test('ports: IOPL and the permission bit map, at every edge of it', () => {
  const bench = new Bench();
  const { m } = bench;
  const forms: readonly (readonly [number, string])[] = [
    [1, 'ec'],
    [2, '66 ed'],
    [4, 'ed'],
  ];
  const { below } = random(31);
  for (const mode of ['vm86', 'prot32', 'compat', 'long'] as const) {
    for (const [size, form] of forms) {
      const code = mode === 'vm86' && size > 1 ? (size === 2 ? 'ed' : '66 ed') : form;
      for (const cpl of levels(mode)) {
        for (const tss32 of mode === 'compat' || mode === 'long' ? [true] : [true, false]) {
          for (const base of [0x68, 0x88, 0x1ff]) {
            const last = base + 4;
            for (const limit of [0x66, 0x67, base, base + 1, last - 1, last, last + 1, 0xfff]) {
              bench.choose(mode, cpl, code, () => {
                m.segment(SEG.tr, 0x48, tss32 ? 0x8b : 0x83, limit, BigInt(TSS));
                m.put16(TSS + 0x66, base);
                if (tss32) return;
                m.put16(TSS + 2, INNER_STACK - 2);
                m.put16(TSS + 4, SEL.data);
              });
              // The handler's stack is in the TSS, too: a short one still has it.
              for (let n = 0; n < 40; n++) {
                const port = below(40);
                const map = below(3) === 0 ? 0 : 1 << below(16);
                for (let i = 0; i < 8; i++) m.put16(TSS + base + i, 0);
                m.put16(TSS + base + (port >> 3), map);
                const iopl = below(4);
                const wanted = portAllowed(
                  { vm86: mode === 'vm86', cpl, iopl, tss32, limit, base, byte: (at) => m.read8(TSS + at) },
                  port,
                  size,
                );
                const found = bench.step(2 | (iopl << 12) | (mode === 'vm86' ? VM : 0), port);
                const what = `${mode} CPL ${cpl} IOPL ${iopl} ${tss32 ? 32 : 16}-bit TSS base ${base.toString(16)} limit ${limit.toString(16)} port ${port} of ${size} map ${map.toString(16)}`;
                assert.is(found, wanted ? undefined : 13, what);
              }
            }
          }
        }
      }
    }
  }
  process.stdout.write(`${bench.cases} cases\n`);
});

test.run();
