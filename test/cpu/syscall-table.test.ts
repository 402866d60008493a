/**
 * SYSCALL, SYSRET, SYSENTER and SYSEXIT with random registers (SDM vol. 2), and INT n of virtual-8086 mode by IOPL, CR4.VME and the redirection map
 * (SDM vol. 3, table 22-2): what is loaded, pushed and refused.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, HANDLERS, Machine, type Mode, random, REG, SEG, SEL, TSS, USER_CODE, USER_STACK } from './model/machine.ts';

const GP = 13;
const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA32 = 0xc093;
const { next, below } = random(17);
const wide = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
const canonicalOrNot = (): bigint => (below(4) === 0 ? wide() : BigInt.asUintN(64, BigInt.asIntN(47, wide())));
const canonical = (v: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, v)) === v;
/** Flags without TF, NT and VM. */
const flags = (): number => (next() & 0x3c_7dd5 & ~0x4100) | 2;
let cases = 0;

const vector = (m: Machine): number | undefined => {
  const at = m.get('RIP') - HANDLERS;
  return at >= 0 && at < 0x1000 ? at >> 4 : undefined;
};

const segments = (m: Machine): unknown[] =>
  [SEG.cs, SEG.ss].flatMap((s) => [m.get('SEG_SEL', s), m.state.get('SEG_BASE', s), m.get('SEG_LIMIT', s), m.get('SEG_AR', s)]);
const flat = (cs: number, csRights: number, ss: number, ssRights: number): unknown[] => [
  cs,
  0n,
  0xffff_ffff,
  csRights,
  ss,
  0n,
  0xffff_ffff,
  ssRights,
];

test('SYSCALL: RCX, R11, the mask, CS and SS from STAR without a look at their descriptors', () => {
  const m = new Machine();
  for (const cpl of [0, 3] as const) {
    for (let n = 0; n < 400; n++) {
      m.enter('long', cpl);
      m.put(cpl === 0 ? CODE : USER_CODE, '0f 05');
      m.set('EFER', m.get('EFER') | 1);
      const [star, target, mask, before] = [wide(), BigInt.asUintN(64, BigInt.asIntN(47, wide())), next(), flags()];
      m.set('STAR', star);
      m.set('LSTAR', target);
      m.set('FMASK', mask);
      m.flags(before);
      m.settle();
      const rip = m.state.get('RIP');
      m.run(1);
      cases++;
      const cs = Number((star >> 32n) & 0xfffcn);
      assert.equal([m.state.get('RIP'), m.state.get('REGS', REG.cx), m.state.get('REGS', 11)], [target, rip + 2n, BigInt(before)]);
      assert.is(m.readFlags(), ((before & ~mask) | 2) >>> 0);
      // RPL is forced to 0 in CS only.
      assert.equal(segments(m), flat(cs, CODE64, Number(((star >> 32n) + 8n) & 0xffffn), DATA32));
      assert.is(m.get('CPL'), 0);
    }
  }
});

test('SYSRET: to 64-bit and to compatibility code; a target that is not canonical is #GP(0)', () => {
  const m = new Machine();
  for (const long of [true, false]) {
    for (let n = 0; n < 400; n++) {
      m.enter('long');
      m.put(CODE, long ? '48 0f 07' : '0f 07');
      m.set('EFER', m.get('EFER') | 1);
      const [star, target, image] = [wide(), canonicalOrNot(), wide() & ~0x100n];
      m.set('STAR', star);
      m.set('REGS', target, REG.cx);
      m.set('REGS', image, 11);
      m.settle();
      m.run(1);
      cases++;
      if (long && !canonical(target)) {
        assert.equal([vector(m), m.read32(m.sp)], [GP, 0], target.toString(16));
        continue;
      }
      assert.is(m.state.get('RIP'), long ? target : target & 0xffff_ffffn);
      assert.is(m.readFlags(), Number((image & 0x3c7fd7n) | 2n) & ~0x1_0000);
      const base = Number(star >> 48n);
      assert.equal(
        segments(m),
        flat(((base + (long ? 16 : 0)) & 0xffff) | 3, (long ? CODE64 : CODE32) | 0x60, ((base + 8) & 0xffff) | 3, DATA32 | 0x60),
        star.toString(16),
      );
      assert.is(m.get('CPL'), 3);
    }
  }
});

test('SYSENTER and SYSEXIT: everything from SYSENTER_CS, in protected and IA-32e mode', () => {
  const m = new Machine();
  for (const mode of ['prot32', 'compat', 'long'] as Mode[]) {
    for (let n = 0; n < 300; n++) {
      const ia32e = mode !== 'prot32';
      const cpl = below(2) === 0 ? 0 : 3;
      m.enter(mode, cpl);
      m.put(cpl === 0 ? CODE : USER_CODE, '0f 34');
      const cs = below(8) === 0 ? below(4) : next() & 0xffff;
      const [sp, ip] = [BigInt.asUintN(64, BigInt.asIntN(47, wide())), BigInt.asUintN(64, BigInt.asIntN(47, wide()))];
      m.set('SYSENTER_CS', cs);
      m.set('SYSENTER_ESP', sp);
      m.set('SYSENTER_EIP', ip);
      const before = flags() & ~0x1_0000;
      m.flags(before);
      m.settle();
      m.run(1);
      cases++;
      if ((cs & 0xfffc) === 0) {
        assert.equal([vector(m), m.read32(m.sp)], [GP, 0], `${mode} CS ${cs}`);
        continue;
      }
      const low = (v: bigint): bigint => (ia32e ? v : v & 0xffff_ffffn);
      assert.equal([m.state.get('RIP'), m.state.get('REGS', REG.sp), m.get('CPL')], [low(ip), low(sp), 0], mode);
      assert.is(m.readFlags(), before & ~0x200, mode);
      assert.equal(segments(m), flat(cs & 0xfffc, ia32e ? CODE64 : CODE32, ((cs & 0xfffc) + 8) & 0xffff, DATA32), mode);
    }
    for (const rex of mode === 'long' ? [false, true] : [false]) {
      for (let n = 0; n < 300; n++) {
        m.enter(mode);
        m.put(CODE, rex ? '48 0f 35' : '0f 35');
        const cs = below(8) === 0 ? below(4) : next() & 0xffff;
        const [sp, ip] = [canonicalOrNot(), canonicalOrNot()];
        m.set('SYSENTER_CS', cs);
        m.set('REGS', sp, REG.cx);
        m.set('REGS', ip, REG.dx);
        m.settle();
        m.run(1);
        cases++;
        if ((cs & 0xfffc) === 0 || (rex && !(canonical(sp) && canonical(ip)))) {
          assert.equal([vector(m), m.read32(m.sp)], [GP, 0], `${mode} CS ${cs} ${sp.toString(16)} ${ip.toString(16)}`);
          continue;
        }
        const low = (v: bigint): bigint => (rex ? v : v & 0xffff_ffffn);
        assert.equal([m.state.get('RIP'), m.state.get('REGS', REG.sp), m.get('CPL')], [low(ip), low(sp), 3], mode);
        const at = (by: number): number => ((cs + by) & 0xffff) | 3;
        assert.equal(
          segments(m),
          flat(at(rex ? 32 : 16), (rex ? CODE64 : CODE32) | 0x60, at(rex ? 40 : 24), DATA32 | 0x60),
          `${mode} ${cs.toString(16)}`,
        );
      }
    }
  }
});

test('virtual-8086 mode: INT n by IOPL, CR4.VME and the redirection map', () => {
  const m = new Machine();
  for (const vme of [false, true]) {
    for (let iopl = 0; iopl < 4; iopl++) {
      for (const redirected of [false, true]) {
        for (const n of [0, 8, 0x20, 0x80, 0xff]) {
          for (const rest of [0, 0x200, 0x8_0000, 0x8_0200]) {
            m.enter('vm86', 3);
            m.put(USER_CODE, `cd ${n.toString(16).padStart(2, '0')}`);
            if (vme) m.set('CR4', m.get('CR4') | 1);
            // The map of 32 bytes lies below that of the ports; a bit that is 0 redirects.
            m.put16(TSS + 0x66, 0x88);
            for (let i = 0; i < 32; i += 4) m.put32(TSS + 0x68 + i, 0xffff_ffff);
            const at = TSS + 0x68 + (n >> 3);
            if (redirected) m.put16(at, m.read16(at) & ~(1 << (n & 7)));
            m.put32(4 * n, 0x0123_4567);
            m.set('REGS', USER_STACK - 0x200, REG.sp);
            const before = 2 | 0x2_0000 | (iopl << 12) | rest;
            m.flags(before);
            m.settle();
            m.run(1);
            cases++;
            const what = `VME ${vme} IOPL ${iopl} redirected ${redirected} INT ${n} flags ${before.toString(16)}`;
            if (vme && redirected) {
              const sp = USER_STACK - 0x206;
              assert.equal([m.get('SEG_SEL', SEG.cs), m.get('RIP'), m.get('REGS', REG.sp)], [0x123, 0x4567, sp], what);
              const virtual = iopl < 3;
              const image = virtual ? (before & ~0x200 & 0xffff) | 0x3000 | ((before & 0x8_0000) !== 0 ? 0x200 : 0) : before & 0xffff;
              assert.equal([m.read16(sp), m.read16(sp + 2), m.read16(sp + 4)], [USER_CODE + 2, 0, image], what);
              assert.is(m.readFlags(), before & ~(virtual ? 0x8_0000 : 0x200), what);
            } else if (iopl === 3) {
              assert.is(vector(m), n, what);
              assert.is(m.get('SEG_SEL', SEG.cs), SEL.code32, what);
            } else {
              assert.equal([vector(m), m.read32(m.sp)], [GP, 0], what);
            }
          }
        }
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});
test.run();
