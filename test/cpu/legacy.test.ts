/**
 * The corners of old instructions, mode by mode: what SDM vol. 2 says of each in its operation and its lists of exceptions, where no processor here can be
 * asked (real, virtual-8086, 16- and 32-bit protected mode, privileged state).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, le, SEL, STACK } from '../vmm/guest.ts';

const DE = 0;
const OF = 4;
const BR = 5;
const UD = 6;
const NM = 7;
const GP = 13;

interface Case extends GuestOptions {
  readonly registers?: Parameters<Guest['vcpu']['setRegs']>[0];
  readonly prepare?: (g: Guest) => void;
}

/** One guest of each mode: making one costs more than running it. */
const guests = new Map<GuestOptions['mode'], Guest>();
function run(c: Case): Guest {
  const g = guests.get(c.mode) ?? new Guest({ mode: c.mode });
  guests.set(c.mode, g);
  g.tables();
  g.enter({ ...c, code: `${c.code} f4` });
  if (c.registers) g.vcpu.setRegs(c.registers);
  c.prepare?.(g);
  g.run(10_000);
  return g;
}
const vector = (c: Case): number => run(c).vector;
/** A register after code that ends well. */
function register(n: number, c: Case): bigint {
  const g = run(c);
  assert.is(g.vector, -1, `${c.mode}: ${c.code}`);
  return g.reg(n);
}
const RAX = 0;
const RCX = 1;
const RSP = 4;

test('decimal adjustment: AAM of 0 is #DE, 64-bit code has none of it', () => {
  assert.is(vector({ mode: 'prot32', code: 'd4 00' }), DE);
  assert.is(register(RAX, { mode: 'prot32', code: 'd4 07', registers: { rax: 0x12_3417n } }), 0x12_0302n);
  assert.is(register(RAX, { mode: 'real', code: 'd5 10', registers: { rax: 0x0305n } }), 0x35n);
  for (const code of [
    '27',
    '2f',
    '37',
    '3f',
    'd4 0a',
    'd5 0a',
    'd6',
    'ce',
    '60',
    '61',
    '06',
    '07',
    '9a 00 00 00 00 08 00',
    'ea 00 00 00 00 08 00',
    '82 c0 01',
  ])
    assert.is(vector({ mode: 'long', code }), UD, code);
});

test('SALC, INTO and BOUND', () => {
  assert.is(register(RAX, { mode: 'prot32', code: 'f9 d6', registers: { rax: 0x1100n } }), 0x11ffn);
  assert.is(register(RAX, { mode: 'prot32', code: 'f8 d6', registers: { rax: 0x11ffn } }), 0x1100n);
  assert.is(vector({ mode: 'prot32', code: 'b0 7f 04 01 ce' }), OF);
  assert.is(vector({ mode: 'prot32', code: 'b0 7e 04 01 ce' }), -1);
  const bounds = (low: number, high: number, value: number, size: 2 | 4): number =>
    vector({
      mode: 'prot32',
      code: `${size === 2 ? '66 ' : ''}62 03`,
      registers: { rax: BigInt.asUintN(32, BigInt(value)), rbx: BigInt(FREE) },
      prepare: (g) => g.put(FREE, Uint8Array.from(Buffer.from((le(low, size) + le(high, size)).replace(/ /g, ''), 'hex'))),
    });
  for (const size of [2, 4] as const) {
    assert.is(bounds(-5, 5, -5, size), -1);
    assert.is(bounds(-5, 5, 5, size), -1);
    assert.is(bounds(-5, 5, -6, size), BR);
    assert.is(bounds(-5, 5, 6, size), BR);
    assert.is(bounds(5, -5, 0, size), BR);
  }
  assert.is(vector({ mode: 'prot32', code: '62 c0' }), UD);
});

test('XLAT adds AL to rBX at the address size, in the segment named', () => {
  const table = (g: Guest): void => g.put(FREE + 0xff, '5a');
  assert.is(register(RAX, { mode: 'prot32', code: 'd7', registers: { rax: 0xffn, rbx: BigInt(FREE) }, prepare: table }), 0x5an);
  assert.is(register(RAX, { mode: 'long', code: 'd7', registers: { rax: 0xffn, rbx: BigInt(FREE) }, prepare: table }), 0x5an);
  // 32-bit addresses wrap; 16-bit ones, too.
  const wrapped = (g: Guest): void => g.put(0x0f, 'a5');
  assert.is(register(RAX, { mode: 'real', code: 'd7', registers: { rax: 0x10n, rbx: 0xffffn }, prepare: wrapped }), 0xa5n);
  assert.is(register(RAX, { mode: 'long', code: '67 d7', registers: { rax: 0x10n, rbx: 0x7_ffff_ffffn }, prepare: wrapped }), 0xa5n);
});

test('LOOP and JCXZ count by the address size', () => {
  const count = (mode: GuestOptions['mode'], code: string, rcx: bigint): bigint => register(RCX, { mode, code, registers: { rcx } });
  assert.is(count('real', 'e2 00', 0x1_0000n), 0x1_ffffn);
  assert.is(count('real', '67 e2 00', 0x1_0000n), 0xffffn);
  assert.is(count('prot32', '67 e2 00', 0x1_0000n), 0x1_ffffn);
  assert.is(count('long', '67 e2 00', 0x7_0000_0000n), 0xffff_ffffn);
  assert.is(count('long', 'e2 00', 0n), 0xffff_ffff_ffff_ffffn);
  // Taken: the byte behind is skipped.
  const jumps = (mode: GuestOptions['mode'], code: string, rcx: bigint): boolean =>
    register(RAX, { mode, code: `b0 00 ${code} 02 b0 01`, registers: { rcx } }) === 0n;
  assert.ok(jumps('real', 'e3', 0x1_0000n));
  assert.not.ok(jumps('real', '67 e3', 0x1_0000n));
  assert.ok(jumps('prot32', '67 e3', 0x1_0000n));
  assert.ok(jumps('long', '67 e3', 0x1_0000_0000n));
  assert.not.ok(jumps('long', 'e3', 0x1_0000_0000n));
  assert.ok(jumps('prot32', '31 d2 e1', 2n), 'LOOPE with ZF');
  assert.not.ok(jumps('prot32', '31 d2 e0', 2n), 'LOOPNE with ZF');
});

test('PUSHA near the bottom of the stack: #GP in real and virtual-8086 mode, shutdown below', () => {
  for (const sp of [7n, 9n, 11n, 13n, 15n]) {
    for (const code of ['60', '66 60']) {
      const g = run({ mode: 'real', code, registers: { rsp: sp } });
      assert.is(g.vector, GP, `${code} at ${sp}`);
      assert.is(run({ mode: 'vm86', code, registers: { rsp: sp } }).vector, GP);
    }
  }
  const g = new Guest({ mode: 'real', code: '60 f4' });
  for (const rsp of [1n, 3n, 5n]) {
    g.enter({ code: '60 f4' });
    g.vcpu.setRegs({ rsp });
    assert.is(g.run(100).reason, 'shutdown', `${rsp}`);
  }
  // At 16 all eight words fit, at 0 they wrap as a whole.
  assert.is(register(RSP, { mode: 'real', code: '60', registers: { rsp: 16n } }), 0n);
  assert.is(register(RSP, { mode: 'real', code: '60', registers: { rsp: 0n } }), 0xfff0n);
});

test('POPA skips SP, and the upper halves stay without a 32-bit operand', () => {
  const g = run({
    mode: 'prot32',
    code: '66 61',
    registers: { rax: 0xaaaa_0000n, rbx: 0xbbbb_0000n, rsp: BigInt(STACK - 16) },
    prepare: (x) => x.put(STACK - 16, '01 00 02 00 03 00 ff ff 05 00 06 00 07 00 08 00'),
  });
  assert.is(g.vector, -1);
  assert.equal([g.reg(0), g.reg(3), g.reg(4), g.reg(7)], [0xaaaa_0008n, 0xbbbb_0005n, BigInt(STACK), 1n]);
});

test('ENTER copies frame pointers of every level, modulo 32', () => {
  for (const level of [0, 1, 2, 5, 31, 33]) {
    const n = level & 31;
    const g = run({
      mode: 'prot32',
      code: `c8 10 00 ${le(level, 1)}`,
      registers: { rsp: BigInt(STACK - 0x200), rbp: BigInt(STACK) },
      prepare: (x) => {
        for (let i = 0; i < 64; i++) x.put32(STACK - 4 * i, 0x1000 + i);
      },
    });
    assert.is(g.vector, -1);
    const frame = STACK - 0x204;
    assert.is(g.reg(5), BigInt(frame), `level ${level}`);
    assert.is(g.read(frame, 4), STACK);
    for (let i = 1; i < n; i++) assert.is(g.read(frame - 4 * i, 4), 0x1000 + i, `level ${level}, ${i}`);
    if (n > 0) assert.is(g.read(frame - 4 * n, 4), frame);
    assert.is(g.reg(4), BigInt(frame - 4 * n - 0x10));
  }
});

test('LES LDS LSS LFS LGS load both halves or neither; null for SS is #GP, and registers are no far pointers', () => {
  const load = (code: string, selector: number, mode: GuestOptions['mode'] = 'prot32'): Guest =>
    run({
      mode,
      code,
      registers: { rbx: BigInt(FREE), rax: 0x1234n },
      prepare: (g) => {
        g.put32(FREE, 0x5566_7788);
        g.put(FREE + 4, le(selector, 2));
      },
    });
  for (const [code, seg] of [
    ['c4 03', 0],
    ['c5 03', 3],
    ['0f b2 03', 2],
    ['0f b4 03', 4],
    ['0f b5 03', 5],
  ] as const) {
    const g = load(code, SEL.data);
    assert.is(g.vector, -1, code);
    assert.is(g.reg(0), 0x5566_7788n);
    assert.is(g.vcpu.state.number('SEG_SEL', seg), SEL.data);
    // A selector beyond the table: #GP(selector), and the register keeps its value.
    const bad = load(code, 0x7ff8);
    assert.is(bad.vector, GP, code);
    assert.is(bad.reg(0), 0x1234n);
    assert.is(load(code, 0).vector, seg === 2 ? GP : -1, `${code} with a null selector`);
  }
  for (const code of ['0f b2 c3', '0f b4 c3', '0f b5 c3', '8d c0', '0f 01 fb', 'ff d8', 'ff e8'])
    assert.is(vector({ mode: 'prot32', code }), UD, code);
});

test('MOV to CS is #UD, as are segment registers 6 and 7', () => {
  for (const mode of ['real', 'prot32', 'long'] as const) {
    for (const code of ['8e c8', '8e f0', '8e f8', '8c f0', '8c f8']) assert.is(vector({ mode, code }), UD, `${mode}: ${code}`);
  }
});

test('what needs protected mode is #UD in real and virtual-8086 mode', () => {
  for (const mode of ['real', 'vm86'] as const) {
    for (const code of [
      '0f 00 c0',
      '0f 00 c8',
      '0f 00 d0',
      '0f 00 d8',
      '0f 00 e0',
      '0f 00 e8',
      '0f 02 c0',
      '0f 03 c0',
      '63 c0',
      '0f 05',
      '0f 07',
    ])
      assert.is(vector({ mode, code }), UD, `${mode}: ${code}`);
  }
  for (const code of ['0f 34', '0f 35']) assert.is(vector({ mode: 'real', code }), GP, code);
});

test('privileged instructions are #GP(0) at level 3 and in virtual-8086 mode, and run in real mode', () => {
  const codes = [
    'f4',
    '0f 06',
    '0f 08',
    '0f 09',
    '0f 20 c0',
    '0f 22 c0',
    '0f 21 c0',
    '0f 23 c0',
    '0f 30',
    '0f 32',
    '0f 01 13',
    '0f 01 1b',
    '0f 01 f0',
    '0f 01 3b',
  ];
  for (const code of codes) {
    assert.is(vector({ mode: 'prot32', cpl: 3, code }), GP, code);
    assert.is(vector({ mode: 'vm86', code }), GP, `vm86: ${code}`);
  }
  for (const code of ['0f 06', '0f 09', '0f 20 c0', '0f 21 c0', '0f 32'])
    assert.is(vector({ mode: 'real', code, registers: { rcx: 0x10n } }), -1, code);
});

test('a string instruction repeats by the address size and the prefix; a count of 0 touches nothing', () => {
  const g = run({
    mode: 'long',
    code: '67 f3 aa',
    registers: { rcx: 0x7_0000_0003n, rdi: 0x9_0000_0000n | BigInt(FREE), rax: 0x77n },
  });
  assert.is(g.vector, -1);
  assert.equal([g.reg(1), g.reg(7)], [0n, BigInt(FREE + 3)]);
  assert.equal([g.read(FREE + 2, 1), g.read(FREE + 3, 1)], [0x77, 0]);
  // Upper halves survive a count of 0 (the SDM leaves them open), and a missing page is not looked at.
  const none = run({ mode: 'long', code: 'f3 aa', registers: { rcx: 0n, rdi: 1n << 60n } });
  assert.is(none.vector, -1);
  const back = run({
    mode: 'prot32',
    code: 'fd f3 a4',
    registers: { rcx: 3n, rsi: BigInt(FREE + 2), rdi: BigInt(FREE + 12) },
    prepare: (x) => x.put(FREE, '01 02 03'),
  });
  assert.equal([back.read(FREE + 10, 1), back.read(FREE + 12, 1), back.reg(6)], [1, 3, BigInt(FREE - 1)]);
});

test('FXSAVE and FXRSTOR: CR0.EM is #UD, CR0.TS #NM, misalignment #GP(0)', () => {
  for (const code of ['0f ae 03', '0f ae 0b']) {
    const at = (bits: bigint, rbx = BigInt(FREE)): number =>
      vector({
        mode: 'long',
        code,
        registers: { rbx },
        prepare: (g) => g.vcpu.state.set('CR0', g.vcpu.state.get('CR0') | bits),
      });
    assert.is(at(0n), -1, code);
    assert.is(at(4n), UD, code);
    assert.is(at(8n), NM, code);
    assert.is(at(12n), UD, code);
    assert.is(at(0n, BigInt(FREE + 8)), GP, code);
    assert.is(at(4n, BigInt(FREE + 8)), UD, code);
  }
});

test('CLFLUSH may name an execute-only segment, which a load may not', () => {
  const only = (g: Guest): void => g.vcpu.state.setNumber('SEG_AR', 0xc099, 1);
  assert.is(vector({ mode: 'prot32', code: '2e 0f ae 3b', registers: { rbx: BigInt(FREE) }, prepare: only }), -1);
  assert.is(vector({ mode: 'prot32', code: '2e 8a 03', registers: { rbx: BigInt(FREE) }, prepare: only }), GP);
});

test('SYSCALL takes the privilege level of CS from its selector alone', () => {
  const g = run({
    mode: 'long',
    cpl: 3,
    code: '0f 05',
    prepare: (x) => {
      x.vcpu.state.set('STAR', (BigInt(SEL.code64) | 3n) << 32n);
      x.vcpu.state.set('LSTAR', BigInt(HANDLERS + 16 * 0x80));
    },
  });
  assert.is(g.vector, 0x80);
  assert.equal([g.vcpu.state.number('SEG_SEL', 1), g.vcpu.state.number('SEG_SEL', 2)], [SEL.code64, SEL.code64 + 8 + 3]);
  assert.is(g.reg(1), BigInt(CODE + 2));
});

test.run();
