/**
 * The modes and the ways between them: real and unreal, protected 16 and 32, three kinds of paging, long and compatibility mode, virtual-8086 mode;
 * the default sizes in each, and limits where the mode has them (SDM vol. 3, 9.8, 10.9, 21.2).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, hex, INNER_STACK, le, SEL } from '../vmm/guest.ts';

const halted = (g: Guest): void => assert.is(g.run(10_000).reason, 'hlt', `${g.vcpu.exit.detail} at ${g.rip.toString(16)}`);
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Mode, code, RAX when it was all ones before. */
const SIZES: [GuestOptions['mode'], string, bigint][] = [
  ['real', 'b8 22 11', 0xffff_ffff_ffff_1122n],
  ['real', '66 b8 44 33 22 11', 0x1122_3344n],
  ['prot16', 'b8 22 11', 0xffff_ffff_ffff_1122n],
  ['prot16', '66 b8 44 33 22 11', 0x1122_3344n],
  ['prot32', 'b8 44 33 22 11', 0x1122_3344n],
  ['prot32', '66 b8 22 11', 0xffff_ffff_ffff_1122n],
  ['paged32', 'b8 44 33 22 11', 0x1122_3344n],
  ['pae', 'b8 44 33 22 11', 0x1122_3344n],
  ['compat', 'b8 44 33 22 11', 0x1122_3344n],
  ['compat', '66 b8 22 11', 0xffff_ffff_ffff_1122n],
  ['compat', '48', 0xffff_fffen],
  ['long', 'b8 44 33 22 11', 0x1122_3344n],
  ['long', '66 b8 22 11', 0xffff_ffff_ffff_1122n],
  ['long', '48 b8 88 77 66 55 44 33 22 11', 0x1122_3344_5566_7788n],
  ['long', '48 c7 c0 ff ff ff 7f', 0x7fff_ffffn],
  ['long', 'b4 00', 0xffff_ffff_ffff_00ffn],
  // LEA by address size: 16 bits wrap, 32 bits zero-extend.
  ['real', 'bb ff ff 8d 47 02', 0xffff_ffff_ffff_0001n],
  ['real', 'bb ff ff 67 8d 43 02', 0xffff_ffff_ffff_0001n],
  ['prot32', 'bb ff ff ff ff 8d 43 02', 1n],
  ['prot32', 'bb ff ff 00 00 67 8d 47 02', 1n],
  ['long', 'bb ff ff ff ff 48 8d 43 02', 0x1_0000_0001n],
  ['long', 'bb ff ff ff ff 67 48 8d 43 02', 1n],
];

test('default operand and address sizes', () => {
  for (const [mode, code, rax] of SIZES) {
    const g = new Guest({ mode, code: `${code} f4` });
    g.vcpu.setRegs({ rax: ALL_ONES });
    halted(g);
    assert.is(g.reg(0), rax, `${mode}: ${code}`);
  }
});

test('real to protected and back, with the limit of 4 GiB kept: unreal mode', () => {
  const g = new Guest({
    mode: 'real',
    code: `
      bb 01 00                            ; mov bx, 1
      66 0f 01 16 00 0f                   ; lgdtl [0f00h]
      0f 20 c0 0c 01 0f 22 c0             ; CR0.PE = 1
      66 ea ${le(CODE + 0x3c, 4)} 30 00   ; into 32-bit code
      0f 20 c0 24 fe 0f 22 c0             ; back: CR0.PE = 0
      ea ${le(CODE + 0x26, 2)} 00 00
      31 c0 8e d0                         ; unreal: SS is reloaded, DS is not
      66 be 00 00 20 00                   ; mov esi, 200000h
      67 66 c7 06 0d f0 0d 60             ; mov dword [esi], 600df00dh
      83 cb 04 f4
      b8 10 00 00 00 8e d8 8e d0          ; 32-bit code
      66 83 cb 02
      ea ${le(CODE + 0x19, 4)} 38 00`,
  });
  g.put(0xf00, `6f 00 00 10 00 00`);
  halted(g);
  assert.is(Number(g.reg(3)), 7);
  assert.is(g.read(0x20_0000, 4), 0x600df00d);
  const { cs, ds, ss, cr0 } = g.vcpu.getSregs();
  assert.equal([cs.selector, ds.limit, ss.selector, Number(cr0 & 1n)], [0, 0xffff_ffff, 0, 0]);
});

test('through all paging modes and back: 32-bit, PAE, long, compatibility, 64-bit, none', () => {
  const g = new Guest({
    mode: 'prot32',
    code: `
      b8 00 80 01 00 0f 22 d8                                  ; CR3: 32-bit tables
      0f 20 e0 83 c8 10 0f 22 e0                               ; PSE
      0f 20 c0 0d 00 00 00 80 0f 22 c0                         ; PG
      83 cb 01
      25 ff ff ff 7f 0f 22 c0                                  ; off
      b9 00 90 01 00 0f 22 d9                                  ; CR3: PAE's
      0f 20 e2 83 ca 20 0f 22 e2                               ; PAE
      0d 00 00 00 80 0f 22 c0
      83 cb 02
      25 ff ff ff 7f 0f 22 c0
      b9 00 00 01 00 0f 22 d9                                  ; CR3: four levels
      b9 80 00 00 c0 0f 32 0d 00 01 00 00 0f 30                ; LME
      0f 20 c0 0d 00 00 00 80 0f 22 c0                         ; PG: compatibility mode
      83 cb 04
      ea ${le(CODE + 0x76, 4)} 08 00
      49 c7 c0 ff ff ff ff 49 c1 e8 3c                         ; 64-bit: R8 = 15
      83 cb 08
      ff 2c 25 00 8f 00 00
      40 83 cb 10                                              ; compatibility: INC EAX
      ea ${le(CODE + 0x96, 4)} 08 00
      83 cb 20                                                 ; 64-bit again
      ff 2c 25 08 8f 00 00
      0f 20 c0 25 ff ff ff 7f 0f 22 c0                         ; paging off: LMA falls
      b9 80 00 00 c0 0f 32
      83 cb 40 f4`,
  });
  g.put32(0x18000, 0x87);
  g.put64(0x19000, 0x12001);
  g.put(0x8f00, `${le(CODE + 0x8b, 4)} 30 00 00 00 ${le(CODE + 0xa0, 4)} 30 00`);
  halted(g);
  assert.is(Number(g.reg(3)), 0x7f);
  assert.is(Number(g.reg(8)), 15);
  assert.is(Number(g.reg(0)) & 0x500, 0x100, 'LME stays, LMA is clear');
});

test('into virtual-8086 mode by IRET, and out by an interrupt', () => {
  // ES DS FS GS, SS:SP, flags with VM and IOPL 3, CS:IP.
  const g = new Guest({
    mode: 'paged32',
    code: '6a 00 6a 00 68 00 20 00 00 6a 00 6a 00 68 00 6f 00 00 68 02 32 02 00 68 00 09 00 00 6a 00 cf',
  });
  // MOV AX, DS; MOV [10h], AX: word 20010h; PUSH AX; INT 30h.
  g.put(0x9000, '8c d8 a3 10 00 50 cd 30');
  halted(g);
  assert.is(g.vector, 0x30);
  assert.is(g.read(0x20010, 2), 0x2000);
  assert.is(g.read(0x6efe, 2), 0x2000);
  assert.equal(
    Array.from({ length: 9 }, (_, i) => g.read(g.rsp + 4 * i, 4) & (i === 2 ? 0x2_3202 : 0xffff)),
    [8, 0x900, 0x2_3202, 0x6efe, 0, 0, 0x2000, 0, 0],
  );
  assert.is(g.rsp, INNER_STACK - 36);
  assert.is(g.vcpu.getSregs().ds.accessRights & 0x10000, 0x10000, 'DS is null');
});

test('virtual-8086 mode: what IOPL below 3 traps', () => {
  for (const [code, traps] of [
    ['fa', true],
    ['fb', true],
    ['9c', true],
    ['9d', true],
    ['cd 30', true],
    ['cf', true],
    ['f4', true],
    ['0f 20 c0', true],
    ['e4 10', true],
    ['8e d8', false],
    ['cc', false],
    ['90', false],
  ] as const) {
    const g = new Guest({ mode: 'vm86', code: `${code} cc` });
    halted(g);
    assert.is(g.vector, traps ? 13 : 3, code);
  }
});

test('segment limits: fetch, data and stack, at the byte', () => {
  const limited = (code: string, limit: number, segment: 'cs' | 'ds' | 'ss'): number => {
    const g = new Guest({ mode: 'prot32', code: `${code} cd 31` });
    const s = g.vcpu.getSregs();
    g.vcpu.setSregs({ [segment]: { ...s[segment], limit } });
    return g.run(100).reason === 'shutdown' ? -1 : g.vector;
  };
  for (const [code, bytes] of [
    [`a0 ${le(FREE, 4)}`, 1],
    [`66 a1 ${le(FREE, 4)}`, 2],
    [`a1 ${le(FREE, 4)}`, 4],
    [`dd 05 ${le(FREE, 4)}`, 8],
    [`0f 10 05 ${le(FREE, 4)}`, 16],
  ] as const) {
    assert.is(limited(code, FREE + bytes - 1, 'ds'), 0x31, code);
    assert.is(limited(code, FREE + bytes - 2, 'ds'), 13, code);
  }
  // The instruction at CODE must lie inside CS: INT 31h ends at CODE + 2.
  assert.is(limited('', CODE + 1, 'cs'), 0x31);
  assert.is(limited('', CODE, 'cs'), 13);
  assert.is(limited('50', 0x6fff, 'ss'), 0x31);
  // #SS has no stack to be pushed on, nor has #DF.
  assert.is(limited('50', 0x6ffe, 'ss'), -1);
});

test('16-bit code wraps inside its segment, and IP runs into the limit', () => {
  // A jump back over 0 wraps to the end of 64 KiB.
  const wraps = new Guest({ mode: 'real', code: `ea 02 00 00 00` });
  wraps.put(2, 'eb f0');
  wraps.put(0xfff4, 'f4');
  halted(wraps);
  assert.is(wraps.rip, 0xfff5);
  // An instruction that would run over the end is #GP.
  const ends = new Guest({ mode: 'real', code: `ea fe ff 00 00` });
  ends.put(0xfffe, '90 b8');
  halted(ends);
  assert.is(ends.vector, 13);
});

test('64-bit mode has no limits, and no bases but those of FS and GS', () => {
  const g = new Guest({
    code: `8a 04 25 ${le(FREE, 4)} 3e 8a 1c 25 ${le(FREE, 4)} 64 8a 0c 25 ${le(FREE, 4)} 65 8a 14 25 ${le(FREE, 4)} f4`,
  });
  for (const [i, page] of [0, 1, 2].entries()) g.put(FREE + 0x1000 * page, hex(le(0x11 * (i + 1), 1)));
  const s = g.vcpu.getSregs();
  g.vcpu.setSregs({
    ds: { ...s.ds, base: 0x5000n, limit: 0 },
    fs: { ...s.fs, base: 0x1000n, limit: 0 },
    gs: { ...s.gs, base: 0x2000n, limit: 0 },
  });
  halted(g);
  assert.equal(
    [0, 3, 1, 2].map((n) => Number(g.reg(n))),
    [0x11, 0x11, 0x22, 0x33],
  );
});

test('a code segment without execution right is not entered, and 64-bit code segments must have D clear', () => {
  for (const selector of [SEL.data, 0, SEL.userData, SEL.user32, 0x200]) {
    const g = new Guest({ mode: 'prot32', code: `ea 00 40 00 00 ${le(selector, 2)}` });
    halted(g);
    assert.is(g.vector, 13, selector.toString(16));
    assert.is(g.read(g.rsp, 4), selector & ~3);
  }
  const g = new Guest({ code: `ff 2c 25 ${le(FREE, 4)}` });
  g.put(FREE, `${le(HANDLERS, 4)} 08 00`);
  g.put(0x1000 + 8 + 6, 'ef');
  assert.is(g.run(10).reason, 'shutdown', 'no handler can be entered either');
});

test.run();
