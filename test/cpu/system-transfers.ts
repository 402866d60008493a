/** Far jumps, calls and returns, call gates, IRET, SYSCALL and SYSENTER, task switches. Registers tests; system.test.ts runs them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as M from './system-machine.ts';

const { core, CPU, state } = M;
const CS = 1;
const SS = 2;
const DS = 3;
const UD = 6;
const TS = 10;
const NP = 11;
const SSF = 12;
const GP = 13;
const rip = (): bigint => state.get('RIP');
const NULL = 0x10000;

test('real mode: far JMP, CALL and RET', () => {
  M.real();
  M.passes(() => core.farJump(CPU, 0x1000, 0x1_2345n, 2));
  assert.equal([M.selector(CS), state.get('SEG_BASE', CS), rip()], [0x1000, 0x10000n, 0x2345n]);
  M.refused(GP, 0, () => core.farJump(CPU, 0x1000, 0x1_0000n, 4), 'beyond the limit');
  M.passes(() => core.farCall(CPU, 0x2000, 0x10n, 2));
  assert.equal(M.words(M.STACK0 - 4, 2, 2), [0x6002, 0x1000]);
  assert.is(M.rsp(), M.STACK0 - 4);
  M.passes(() => core.farReturn(CPU, 2, 6));
  assert.equal([M.selector(CS), rip(), M.rsp()], [0x1000, 0x6002n, M.STACK0 + 6]);
});

test('protected mode: far JMP checks privilege, presence and limit', () => {
  M.protectedMode(3);
  M.refused(GP, 0, () => core.farJump(CPU, 3, 0n, 4), 'null');
  M.refused(GP, M.CODE0, () => core.farJump(CPU, M.CODE0, 0n, 4), 'DPL 0');
  M.refused(GP, M.DATA3, () => core.farJump(CPU, M.DATA3 | 3, 0n, 4), 'data');
  M.write64(M.GDT + M.FREE, M.segment(M.CODE | M.dpl(3), 0x4, 0, 0xfff));
  M.refused(GP, 0, () => core.farJump(CPU, M.FREE | 3, 0x1000n, 4), 'beyond the limit');
  M.passes(() => core.farJump(CPU, M.CONF0, 0x1234n, 4));
  assert.equal([M.selector(CS), rip(), state.number('CPL')], [M.CONF0 | 3, 0x1234n, 3]);
  M.passes(() => core.farJump(CPU, M.FREE, 0x12340567n, 2));
  assert.equal([M.selector(CS), rip()], [M.FREE | 3, 0x567n]);
});

test('a far call through a gate changes stacks and copies parameters; RET n undoes it', () => {
  M.protectedMode(3);
  M.write64(M.GDT + M.FREE, M.gate(0xc, M.CODE0, 0x12345678, 3, 2));
  M.write32(M.STACK3, 0x11111111);
  M.write32(M.STACK3 + 4, 0x22222222);
  M.passes(() => core.farCall(CPU, M.FREE | 3, 0xdeadn, 4));
  assert.equal([M.selector(CS), rip(), M.selector(SS), state.number('CPL')], [M.CODE0, 0x12345678n, M.DATA0, 0]);
  assert.is(M.rsp(), M.STACK0 - 24);
  assert.equal(M.words(M.STACK0 - 24, 4, 6), [0x6002, M.CODE3 | 3, 0x11111111, 0x22222222, M.STACK3, M.DATA3 | 3]);
  M.put(DS, M.DATA0);
  M.put(0, M.DATA3 | 3);
  M.passes(() => core.farReturn(CPU, 4, 8));
  assert.equal([M.selector(CS), rip(), M.selector(SS), state.number('CPL'), M.rsp()], [M.CODE3 | 3, 0x6002n, M.DATA3 | 3, 3, M.STACK3 + 8]);
  assert.is(M.rights(DS) & NULL, NULL, 'DS of level 0 is dropped');
  assert.is(M.selector(0), M.DATA3 | 3);
});

test('call gates: privilege, presence, target and stack faults', () => {
  M.protectedMode(3);
  const put = (d: bigint) => M.write64(M.GDT + M.FREE, d);
  const call = () => core.farCall(CPU, M.FREE | 3, 0n, 4);
  put(M.gate(0xc, M.CODE0, 0, 0));
  M.refused(GP, M.FREE, call, 'gate DPL');
  put(M.gate(0xc, M.CODE0, 0, 3) & ~(0x80n << 40n));
  M.refused(NP, M.FREE, call, 'gate not present');
  put(M.gate(0xc, 0, 0, 3));
  M.refused(GP, 0, call, 'null target');
  put(M.gate(0xc, M.DATA0, 0, 3));
  M.refused(GP, M.DATA0, call, 'target is data');
  put(M.gate(0xc, M.CODE0, 0, 3));
  M.refused(GP, M.CODE0, () => core.farJump(CPU, M.FREE | 3, 0n, 4), 'JMP inward');
  M.write16(M.TSS + 8, M.DATA3);
  M.refused(TS, M.DATA3, call, 'SS of the wrong level');
  M.write16(M.TSS + 8, 0);
  M.refused(TS, 0, call, 'null SS');
  M.write16(M.TSS + 8, M.FREE + 8);
  M.write64(M.GDT + M.FREE + 8, M.segment(M.DATA & ~0x80, M.FLAT32));
  M.refused(SSF, M.FREE + 8, call, 'SS not present');
  M.write64(M.GDT + M.FREE + 8, M.segment(M.DATA, 0x4, 0, 0x7fff));
  M.write32(M.TSS + 4, 0x8002);
  M.refused(SSF, M.FREE + 8, call, 'no room on the inner stack');
  state.setNumber('SEG_LIMIT', 7, 7);
  M.refused(TS, M.TSS_SEL, call, 'TSS too small');
});

test('a 16-bit gate pushes words', () => {
  M.protectedMode(3);
  M.write64(M.GDT + M.FREE, M.gate(4, M.CODE0, 0x8765_4321, 3, 1));
  M.write16(M.STACK3, 0x1111);
  M.passes(() => core.farCall(CPU, M.FREE | 3, 0n, 4));
  assert.is(rip(), 0x4321n);
  assert.equal(M.words(M.STACK0 - 10, 2, 5), [0x6002, M.CODE3 | 3, 0x1111, M.STACK3, M.DATA3 | 3]);
});

test('IA-32e mode: a call gate has 64-bit targets and leaves SS null', () => {
  M.longMode(3);
  M.write64(M.GDT + M.FREE, M.gate(0xc, M.LONG0, 0x1000, 3));
  M.write64(M.GDT + M.FREE + 8, 0xffff8000n);
  M.passes(() => core.farCall(CPU, M.FREE | 3, 0n, 4));
  assert.equal([M.selector(CS), rip(), M.selector(SS), state.number('CPL')], [M.LONG0, 0xffff800000001000n, 0, 0]);
  assert.equal(M.words(M.STACK0 - 32, 8, 4), [0x6002, M.LONG3 | 3, M.STACK3, M.DATA3 | 3]);
  M.longMode(3);
  M.write64(M.GDT + M.FREE, M.gate(0xc, M.CODE0, 0x1000, 3));
  M.refused(GP, M.CODE0, () => core.farCall(CPU, M.FREE | 3, 0n, 4), 'target is not 64-bit code');
});

test('far RET refuses an inner level and an outer null SS', () => {
  M.protectedMode(3);
  M.write32(M.STACK3, 0x1000);
  M.write32(M.STACK3 + 4, M.CODE0);
  M.refused(GP, M.CODE0, () => core.farReturn(CPU, 4, 0));
  M.protectedMode(0);
  M.write32(M.STACK0, 0x1000);
  M.write32(M.STACK0 + 4, M.CODE3 | 3);
  M.write32(M.STACK0 + 12, 0);
  M.refused(GP, 0, () => core.farReturn(CPU, 4, 0));
});

test('real mode: IRET loads the flags that may change', () => {
  M.real();
  M.setFlags(0x180002);
  M.write32(M.STACK0, 0x100);
  M.write32(M.STACK0 + 4, 0x200);
  M.write32(M.STACK0 + 8, 0xffffffff);
  M.passes(() => core.iret(CPU, 4));
  assert.equal([M.selector(CS), rip(), core.readFlags(CPU)], [0x200, 0x100n, 0x3d7fd7]);
});

test('IRET to an outer level loads SS:ESP, keeps IOPL from CPL 3, clears NMI blocking', () => {
  M.protectedMode(0);
  state.setNumber('NMI_BLOCKED', 1);
  M.lay(M.STACK0, 4, 4, [0x4000_1000, M.CODE3 | 3, 0x3202, 0x1234_5678, M.DATA3 | 3]);
  M.passes(() => core.iret(CPU, 4));
  assert.equal(
    [M.selector(CS), rip(), M.selector(SS), M.rsp(), state.number('CPL')],
    [M.CODE3 | 3, 0x40001000n, M.DATA3 | 3, 0x12345678, 3],
  );
  assert.is(core.readFlags(CPU), 0x3202);
  assert.is(state.number('NMI_BLOCKED'), 0);
  M.protectedMode(3);
  M.setFlags(0x0202);
  M.lay(M.STACK3, 4, 4, [0x1000, M.CODE3 | 3, 0x3cd7]);
  M.passes(() => core.iret(CPU, 4));
  assert.is(core.readFlags(CPU), 0x0ed7, 'IOPL and IF stay');
});

test('a return to a 16-bit stack keeps the upper half of ESP', () => {
  M.protectedMode(0);
  M.write64(M.GDT + M.FREE, M.segment(M.DATA | M.dpl(3), 0, 0, 0xffff));
  state.set('REGS', 0x0000_8000n, 4);
  M.lay(0x8000, 4, 4, [0x1000, M.CODE3 | 3, 0x2, 0x1234_5678, M.FREE | 3]);
  M.passes(() => core.iret(CPU, 4));
  assert.is(M.rsp(), 0x5678);
});

test('IRET to virtual-8086 mode and back by an interrupt', () => {
  M.protectedMode(0);
  M.lay(M.STACK0, 4, 4, [0x10, 0x600, 0x23202, 0x1000, 0x800, 0x700, 0x701, 0x702, 0x703]);
  M.passes(() => core.iret(CPU, 4));
  assert.equal([0, 1, 2, 3, 4, 5].map(M.selector), [0x700, 0x600, 0x800, 0x701, 0x702, 0x703]);
  assert.equal([state.number('PROT'), state.number('CPL'), state.get('SEG_BASE', CS), rip(), M.rsp()], [2, 3, 0x6000n, 0x10n, 0x1000]);
  M.write64(M.IDT + 8 * 0x20, M.gate(0xe, M.CODE0, 0x1234));
  M.passes(() => core.deliverInterrupt(CPU, 0x20));
  assert.equal(M.words(M.STACK0 - 36, 4, 9), [0x10, 0x600, 0x23202, 0x1000, 0x800, 0x700, 0x701, 0x702, 0x703]);
  assert.equal(
    [state.number('PROT'), state.number('CPL'), M.selector(CS), M.rsp(), core.readFlags(CPU)],
    [1, 0, M.CODE0, M.STACK0 - 36, 0x3002],
  );
  assert.equal([0, 3, 4, 5].map(M.selector), [0, 0, 0, 0]);
});

test('virtual-8086 mode: IRET needs IOPL 3', () => {
  M.vm86(0);
  M.refused(GP, 0, () => core.iret(CPU, 2));
  M.vm86(3);
  M.lay(0x9000, 2, 2, [0x1234, 0x4321, 0x0cd7]);
  M.passes(() => core.iret(CPU, 2));
  assert.equal([M.selector(CS), rip(), core.readFlags(CPU)], [0x4321, 0x1234n, 0x23cd7]);
});

test('64-bit mode: IRETQ pops SS:RSP at the same level and refuses a target that is not canonical', () => {
  M.longMode(0);
  M.lay(M.STACK0, 8, 8, [0x1000n, BigInt(M.LONG0), 0x10202n, 0x7000n, BigInt(M.DATA0)]);
  M.passes(() => core.iret(CPU, 8));
  assert.equal([rip(), M.rsp(), M.selector(SS), core.readFlags(CPU)], [0x1000n, 0x7000, M.DATA0, 0x10202]);
  M.longMode(0);
  M.lay(M.STACK0, 8, 8, [0x8000_0000_0000n, BigInt(M.LONG3 | 3), 0x202n, 0x7000n, BigInt(M.DATA3 | 3)]);
  M.refused(GP, 0, () => core.iret(CPU, 8));
  M.setFlags(0x4002);
  M.refused(GP, 0, () => core.iret(CPU, 8), 'NT in IA-32e mode');
});

test('IRETQ to user code keeps the bases of null FS and GS, and goes to compatibility code', () => {
  M.longMode(0);
  core.loadSegment(CPU, 4, 0);
  state.set('SEG_BASE', 0x7f00_0000_1000n, 4);
  M.lay(M.STACK0, 8, 8, [0x1000n, BigInt(M.CODE3 | 3), 0x202n, 0x9000n, BigInt(M.DATA3 | 3)]);
  M.passes(() => core.iret(CPU, 8));
  assert.is(state.get('SEG_BASE', 4), 0x7f0000001000n);
  assert.equal([state.number('MODE'), state.number('LONG'), state.number('CPL')], [1, 1, 3]);
  assert.is(state.get('STACK_MASK'), 0xffffffffn);
});

test('64-bit returns: a null SS is for 64-bit code below CPL 3', () => {
  M.longMode(0);
  M.lay(M.STACK0, 8, 8, [0x1000n, BigInt(M.LONG0), 0x2n, 0x7000n, 0n]);
  M.passes(() => core.iret(CPU, 8));
  assert.equal([M.selector(SS), state.number('CPL'), M.rsp()], [0, 0, 0x7000]);
  M.longMode(0);
  M.lay(M.STACK0, 8, 8, [0x1000n, BigInt(M.LONG3 | 3), 0x2n, 0x7000n, 3n]);
  M.refused(GP, 0, () => core.iret(CPU, 8));
});

test('SYSCALL and SYSRET', () => {
  M.longMode(3);
  state.set('STAR', 0x0013_0028_0000_0000n);
  state.set('LSTAR', 0xffff_ffff_8000_0000n);
  state.set('FMASK', 0x700n);
  M.setFlags(0x10702);
  M.passes(() => core.syscall(CPU));
  assert.equal([state.get('REGS', 1), state.get('REGS', 11), rip()], [0x6002n, 0x702n, 0xffffffff80000000n]);
  assert.equal([M.selector(CS), M.selector(SS), M.rights(CS), M.rights(SS)], [0x28, 0x30, 0xa09b, 0xc093]);
  assert.equal([state.number('CPL'), core.readFlags(CPU)], [0, 2]);
  M.passes(() => core.sysret(CPU, 8));
  assert.equal(
    [M.selector(CS), M.selector(SS), M.rights(CS), rip(), core.readFlags(CPU), state.number('CPL')],
    [0x23, 0x1b, 0xa0fb, 0x6002n, 0x702, 3],
  );
  M.refused(GP, 0, () => core.sysret(CPU, 8), 'from CPL 3');
  M.longMode(0);
  state.set('REGS', 0x8000_0000_0000n, 1);
  M.refused(GP, 0, () => core.sysret(CPU, 8), 'RCX not canonical');
  state.set('EFER', 0xd00n);
  M.refused(UD, undefined, () => core.syscall(CPU), 'SCE clear');
  M.protectedMode(0);
  M.refused(UD, undefined, () => core.syscall(CPU), 'not 64-bit code');
});

test('SYSENTER and SYSEXIT', () => {
  M.protectedMode(3);
  M.refused(GP, 0, () => core.sysenter(CPU), 'no code segment');
  state.set('SYSENTER_CS', 0x8bn);
  state.set('SYSENTER_ESP', 0x1_2345_6780n);
  state.set('SYSENTER_EIP', 0x1_0000_1000n);
  M.setFlags(0x202);
  M.passes(() => core.sysenter(CPU));
  assert.equal([M.selector(CS), M.selector(SS), rip(), M.rsp(), state.number('CPL')], [0x88, 0x90, 0x1000n, 0x23456780, 0]);
  assert.is(core.readFlags(CPU), 2);
  state.set('REGS', 0x4444n, 1);
  state.set('REGS', 0x5555n, 2);
  M.passes(() => core.sysexit(CPU, 4));
  assert.equal([M.selector(CS), M.selector(SS), rip(), M.rsp(), M.rights(CS)], [0x9b, 0xa3, 0x5555n, 0x4444, 0xc0fb]);
  M.refused(GP, 0, () => core.sysexit(CPU, 4), 'from CPL 3');
});

/** Fills TSS2 with a 32-bit task of level 0 at 1234h. */
function task32(): void {
  M.write32(M.TSS2 + 0x20, 0x1234);
  M.write32(M.TSS2 + 0x24, 0x202);
  for (let i = 0; i < 8; i++) M.write32(M.TSS2 + 0x28 + 4 * i, 0x100 * (i + 1));
  M.write32(M.TSS2 + 0x38, 0x7000);
  M.lay(M.TSS2 + 0x48, 2, 4, [M.DATA0, M.CODE0, M.DATA0, M.DATA3 | 3, 0, 0]);
  M.write16(M.TSS2 + 0x60, M.LDT_SEL);
}

test('CALL to a TSS nests the task, IRET returns from it; both exit', () => {
  M.protectedMode(0);
  task32();
  state.set('REGS', 0xabcdn, 0);
  M.setFlags(0x246);
  core.farCall(CPU, M.TSS2_SEL, 0n, 4);
  assert.equal(M.raised(), [0x1000, undefined], 'runs alone');
  state.setNumber('EXC', 0);
  state.setNumber('STEPPING', 1);
  M.passes(() => core.farCall(CPU, M.TSS2_SEL, 0n, 4));
  assert.equal([M.exits(9), state.get('EXIT_QUAL')], [1, BigInt(M.TSS2_SEL)]);
  assert.equal([rip(), M.rsp(), state.number('REGS', 0), M.selector(CS), M.selector(DS)], [0x1234n, 0x7000, 0x100, M.CODE0, M.DATA3 | 3]);
  assert.equal([core.readFlags(CPU), M.selector(7), M.selector(6)], [0x4202, M.TSS2_SEL, M.LDT_SEL]);
  assert.is(state.number('CR0') & 8, 8, 'TS');
  assert.equal([M.read16(M.TSS2), M.read8(M.GDT + M.TSS2_SEL + 5), M.read8(M.GDT + M.TSS_SEL + 5)], [M.TSS_SEL, 0x8b, 0x8b]);
  assert.equal(
    [M.read32(M.TSS + 0x20), M.read32(M.TSS + 0x24), M.read32(M.TSS + 0x28), M.read16(M.TSS + 0x4c)],
    [0x6002, 0x246, 0xabcd, M.CODE0],
  );
  M.at(0x1300n);
  M.passes(() => core.iret(CPU, 4));
  assert.equal([M.exits(9), state.get('EXIT_QUAL')], [2, 0x40000000n | BigInt(M.TSS_SEL)]);
  assert.equal([rip(), state.number('REGS', 0), core.readFlags(CPU), M.selector(7)], [0x6002n, 0xabcd, 0x246, M.TSS_SEL]);
  assert.equal([M.read8(M.GDT + M.TSS2_SEL + 5), M.read32(M.TSS2 + 0x24), M.read32(M.TSS2 + 0x20)], [0x89, 0x202, 0x1302]);
});

test('JMP through a task gate frees the old task', () => {
  M.protectedMode(0);
  task32();
  M.write64(M.GDT + M.FREE, M.gate(5, M.TSS2_SEL, 0));
  state.setNumber('STEPPING', 1);
  M.passes(() => core.farJump(CPU, M.FREE, 0n, 4));
  assert.is(state.get('EXIT_QUAL'), 0x80000000n | BigInt(M.TSS2_SEL));
  assert.equal([M.read8(M.GDT + M.TSS_SEL + 5), M.read8(M.GDT + M.TSS2_SEL + 5), core.readFlags(CPU)], [0x89, 0x8b, 0x202]);
});

test('task switches: a busy or short TSS is refused before, a bad segment faults in the new task', () => {
  M.protectedMode(0);
  task32();
  state.setNumber('STEPPING', 1);
  M.refused(GP, M.TSS_SEL, () => core.farJump(CPU, M.TSS_SEL, 0n, 4), 'busy');
  M.write64(M.GDT + M.TSS2_SEL, M.segment(0x89, 0, M.TSS2, 0x66));
  M.refused(TS, M.TSS2_SEL, () => core.farJump(CPU, M.TSS2_SEL, 0n, 4), 'short');
  M.write64(M.GDT + M.TSS2_SEL, M.segment(0x89, 0, M.TSS2, 0x67));
  M.write16(M.TSS2 + 0x50, M.DATA3 | 3);
  core.farJump(CPU, M.TSS2_SEL, 0n, 4);
  assert.equal(M.raised(), [TS, M.DATA3]);
  assert.equal([rip(), M.selector(7), M.selector(SS), M.rights(SS) & NULL], [0x1234n, M.TSS2_SEL, M.DATA3 | 3, NULL]);
});

test('a 16-bit TSS', () => {
  M.protectedMode(0);
  M.write64(M.GDT + M.TSS2_SEL, M.segment(0x81, 0, M.TSS2, 0x2b));
  M.write16(M.TSS2 + 0x0e, 0x1234);
  M.write16(M.TSS2 + 0x10, 0x202);
  M.write16(M.TSS2 + 0x12, 0x5678);
  M.write16(M.TSS2 + 0x1a, 0x7000);
  M.lay(M.TSS2 + 0x22, 2, 2, [M.DATA16, M.CODE16, M.DATA16, M.DATA16]);
  state.setNumber('STEPPING', 1);
  M.passes(() => core.farJump(CPU, M.TSS2_SEL, 0n, 4));
  assert.equal(
    [rip(), state.number('REGS', 0) & 0xffff, M.selector(CS), M.rights(7), state.get('STACK_MASK')],
    [0x1234n, 0x5678, M.CODE16, 0x83, 0xffffn],
  );
  assert.is(M.rights(4) & NULL, NULL);
});

test('nested return: the link must name a busy TSS', () => {
  M.protectedMode(0);
  M.setFlags(0x4002);
  state.setNumber('STEPPING', 1);
  M.write16(M.TSS, M.TSS2_SEL);
  M.refused(TS, M.TSS2_SEL, () => core.iret(CPU, 4));
});
