/** Interrupts, exceptions, INT n, double and triple faults. Registers tests; system.test.ts runs them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as M from './system-machine.ts';

const { core, CPU, state } = M;
const CS = 1;
const SS = 2;
const DB = 1;
const NP = 11;
const GP = 13;
const PF = 14;
const INT32 = 0xe;
const TRAP32 = 0xf;
const rip = (): bigint => state.get('RIP');

/** Makes an exception pending, as a failed instruction leaves it, and delivers it. */
function deliver(vector: number, error?: number): void {
  state.setNumber('EXC', 0x100 | vector | (error === undefined ? 0 : 0x200));
  state.setNumber('EXC_ERROR', error ?? 0);
  M.passes(() => core.deliverPending(CPU));
}

function idt(vector: number, d: bigint): void {
  M.write64(M.IDT + 8 * vector, d);
}

function idt64(vector: number, d: bigint, high = 0n): void {
  M.write64(M.IDT + 16 * vector, d);
  M.write64(M.IDT + 16 * vector + 8, high);
}

test('real mode: the interrupt table, three words, no error code', () => {
  M.real();
  M.write32(4 * 13, 0x2000_1234);
  M.setFlags(0x40302);
  deliver(GP, 0x55);
  assert.equal([M.selector(CS), rip(), M.rsp(), core.readFlags(CPU)], [0x2000, 0x1234n, M.STACK0 - 6, 2]);
  assert.equal(M.words(M.STACK0 - 6, 2, 3), [0x6000, 0, 0x302]);
});

test('real mode: a vector beyond the table escalates to shutdown', () => {
  M.real();
  state.setNumber('IDTR_LIMIT', 3);
  deliver(6);
  assert.equal([state.number('ACTIVITY'), M.exits(2)], [2, 1]);
  assert.is(rip(), M.HERE, 'nothing moved');
});

test('an exception from CPL 3 changes stacks, pushes the error code, and sets RF in the image', () => {
  M.protectedMode(3);
  idt(GP, M.gate(INT32, M.CODE0, 0x12345678));
  M.setFlags(0x4702);
  deliver(GP, 0x18);
  assert.equal([M.selector(CS), rip(), M.selector(SS), state.number('CPL')], [M.CODE0, 0x12345678n, M.DATA0, 0]);
  assert.equal([M.rsp(), core.readFlags(CPU)], [M.STACK0 - 24, 0x402]);
  assert.equal(M.words(M.STACK0 - 24, 4, 6), [0x18, 0x6000, M.CODE3 | 3, 0x14702, M.STACK3, M.DATA3 | 3]);
});

test('a trap gate leaves IF; an external interrupt pushes flags as they are and counts', () => {
  M.protectedMode(0);
  idt(0x30, M.gate(TRAP32, M.CODE0, 0x1000));
  M.setFlags(0x302);
  M.passes(() => core.deliverInterrupt(CPU, 0x30));
  assert.equal([M.rsp(), core.readFlags(CPU), rip()], [M.STACK0 - 12, 0x202, 0x1000n]);
  assert.equal(M.words(M.STACK0 - 12, 4, 3), [0x6000, M.CODE0, 0x302]);
  assert.equal([state.number('IRQ_COUNT', 0x30), state.number('KS_IRQ_INJECTIONS')], [1, 1]);
});

test('a conforming handler runs at the interrupted level', () => {
  M.protectedMode(3);
  idt(0x30, M.gate(INT32, M.CONF0, 0x1000));
  M.passes(() => core.deliverInterrupt(CPU, 0x30));
  assert.equal([M.selector(CS), state.number('CPL'), M.rsp()], [M.CONF0 | 3, 3, M.STACK3 - 12]);
});

test('a 16-bit gate pushes words', () => {
  M.protectedMode(0);
  idt(0x30, M.gate(6, M.CODE0, 0x8765_4321));
  M.passes(() => core.deliverInterrupt(CPU, 0x30));
  assert.equal([rip(), M.rsp()], [0x4321n, M.STACK0 - 6]);
});

test('NMI blocks itself until IRET', () => {
  M.protectedMode(0);
  idt(2, M.gate(INT32, M.CODE0, 0x1000));
  M.passes(() => core.deliverNmi(CPU));
  assert.equal([state.number('NMI_BLOCKED'), state.number('KS_NMI_INJECTIONS'), rip()], [1, 1, 0x1000n]);
  M.passes(() => core.iret(CPU, 4));
  assert.is(state.number('NMI_BLOCKED'), 0);
});

test('INT n checks the gate, an exception does not, and only events of the outside set EXT', () => {
  M.protectedMode(3);
  idt(0x40, M.gate(INT32, M.CODE0, 0x1000, 0));
  M.refused(GP, 0x40 * 8 + 2, () => core.softInt(CPU, 0x40, 0), 'gate DPL');
  idt(0x40, M.gate(INT32, M.CODE0, 0x1000, 3) & ~(0x80n << 40n));
  M.refused(NP, 0x40 * 8 + 2, () => core.softInt(CPU, 0x40, 0), 'not present');
  state.setNumber('IDTR_LIMIT', 0x206);
  M.refused(GP, 0x40 * 8 + 2, () => core.softInt(CPU, 0x40, 0), 'beyond the IDT');
  state.setNumber('IDTR_LIMIT', 0xfff);
  idt(NP, M.gate(INT32, M.CODE0, 0x2000));
  M.passes(() => core.deliverInterrupt(CPU, 0x40));
  assert.equal([rip(), M.read32(M.rsp())], [0x2000n, 0x40 * 8 + 3], '#NP of an external interrupt has EXT');
  M.protectedMode(3);
  idt(0x40, M.gate(INT32, M.CODE0, 0x1000, 3));
  M.passes(() => core.softInt(CPU, 0x40, 0));
  assert.equal([rip(), M.read32(M.rsp())], [0x1000n, 0x6002]);
});

test('INT3 and INT1: gate privilege for the first only', () => {
  M.protectedMode(3);
  idt(3, M.gate(INT32, M.CODE0, 0x1000, 0));
  idt(1, M.gate(INT32, M.CODE0, 0x2000, 0));
  M.refused(GP, 3 * 8 + 2, () => core.softInt(CPU, 3, 1));
  M.passes(() => core.softInt(CPU, 1, 3));
  assert.is(rip(), 0x2000n);
});

test('#PF writes CR2; #DB writes DR6 and clears DR7.GD', () => {
  M.protectedMode(0);
  idt(PF, M.gate(INT32, M.CODE0, 0x1000));
  idt(DB, M.gate(INT32, M.CODE0, 0x2000));
  state.set('EXC_CR2', 0x1234_5000n);
  deliver(PF, 2);
  assert.is(state.get('CR2'), 0x12345000n);
  state.set('DR', 0x2400n, 7);
  state.set('DR', 0xffff0ff1n, 6);
  state.set('EXC_DR6', 0x4002n);
  M.setFlags(2);
  deliver(DB);
  assert.equal([state.get('DR', 6), state.get('DR', 7), rip()], [0xffff4ff2n, 0x400n, 0x2000n]);
  assert.is(M.read32(M.rsp() + 8) & 0x10000, 0, 'a trap does not push RF');
});

test('contributory faults in delivery make a double fault, and then shutdown', () => {
  M.protectedMode(0);
  idt(8, M.gate(INT32, M.CODE0, 0x8000));
  deliver(GP, 0);
  assert.equal([rip(), M.read32(M.rsp())], [0x8000n, 0], '#GP without a gate: #DF');
  M.protectedMode(0);
  deliver(GP, 0);
  assert.equal([state.number('ACTIVITY'), M.exits(2), rip()], [2, 1, M.HERE]);
});

test('benign exceptions are followed by what their delivery raises', () => {
  M.protectedMode(0);
  idt(GP, M.gate(INT32, M.CODE0, 0x1000));
  deliver(6);
  assert.equal([rip(), M.read32(M.rsp())], [0x1000n, 6 * 8 + 3]);
  assert.is(M.read32(M.rsp() + 4), 0x6000);
});

test('a page fault while delivering a page fault makes a double fault, while delivering #GP it does not', () => {
  M.longMode(3);
  M.write64(M.TSS + 4, 0x7000_0000n);
  idt64(PF, M.gate(INT32, M.LONG0, 0x1000));
  idt64(GP, M.gate(INT32, M.LONG0, 0x2000));
  idt64(8, M.gate(INT32, M.LONG0, 0x8000, 0, 1));
  M.write64(M.TSS + 36, 0xa000n);
  state.set('EXC_CR2', 0x1234n);
  deliver(PF, 4);
  assert.equal([rip(), state.get('CR2')], [0x8000n, 0x6ffffff8n]);
  M.longMode(3);
  idt64(GP, M.gate(INT32, M.LONG0, 0x2000));
  idt64(PF, M.gate(INT32, M.LONG0, 0x1000, 0, 1));
  M.write64(M.TSS + 4, 0x7000_0000n);
  M.write64(M.TSS + 36, 0xa000n);
  deliver(GP, 0);
  assert.equal([rip(), M.read64(M.rsp())], [0x1000n, 2n]);
});

test('64-bit mode: the stack is aligned and always pushed; IST switches it at the same level', () => {
  M.longMode(0);
  state.set('REGS', 0x7ffdn, 4);
  idt64(0x30, M.gate(INT32, M.LONG0, 0x12345678), 0xffff8000n);
  M.passes(() => core.deliverInterrupt(CPU, 0x30));
  assert.equal([rip(), M.rsp(), M.selector(SS)], [0xffff800012345678n, 0x7ff0 - 40, M.DATA0]);
  assert.equal(M.words(0x7ff0 - 40, 8, 5), [0x6000, M.LONG0, 2, 0x7ffd, M.DATA0]);
  M.longMode(0);
  idt64(0x30, M.gate(INT32, M.LONG0, 0x1000, 0, 7));
  M.write64(M.TSS + 28 + 56, 0xa008n);
  M.passes(() => core.deliverInterrupt(CPU, 0x30));
  assert.is(M.rsp(), 0xa000 - 40);
});

test('64-bit mode: from user code SS becomes null, the error code takes eight bytes', () => {
  M.longMode(3);
  idt64(GP, M.gate(INT32, M.LONG0, 0x1000));
  deliver(GP, 0x1234);
  assert.equal([M.selector(SS), state.number('CPL'), M.rsp()], [0, 0, M.STACK0 - 48]);
  assert.equal(M.words(M.STACK0 - 48, 8, 6), [0x1234, 0x6000, M.LONG3 | 3, 0x10002, M.STACK3, M.DATA3 | 3]);
});

test('64-bit mode: gates of other types, to other code, and stacks that are not canonical', () => {
  M.longMode(3);
  idt64(0x30, M.gate(6, M.LONG0, 0x1000, 3));
  M.refused(GP, 0x30 * 8 + 2, () => core.softInt(CPU, 0x30, 0), '16-bit gate');
  idt64(0x30, M.gate(INT32, M.CODE0, 0x1000, 3));
  M.refused(GP, M.CODE0, () => core.softInt(CPU, 0x30, 0), '32-bit code');
  idt64(0x30, M.gate(INT32, M.LONG0, 0x1000, 3), 0x8000n);
  M.refused(GP, 0, () => core.softInt(CPU, 0x30, 0), 'target');
  idt64(0x30, M.gate(INT32, M.LONG0, 0x1000, 3));
  M.write64(M.TSS + 4, 0x9000_0000_0000n);
  M.refused(12, 0, () => core.softInt(CPU, 0x30, 0), 'stack');
});

test('a task gate switches tasks and pushes the error code on the new stack', () => {
  M.protectedMode(0);
  M.write32(M.TSS2 + 0x20, 0x1234);
  M.write32(M.TSS2 + 0x38, 0x7000);
  M.lay(M.TSS2 + 0x48, 2, 4, [M.DATA0, M.CODE0, M.DATA0, M.DATA0, 0, 0]);
  idt(8, M.gate(5, M.TSS2_SEL, 0));
  deliver(GP, 0);
  assert.equal([rip(), M.rsp(), M.read32(0x6ffc), M.selector(7)], [0x1234n, 0x6ffc, 0, M.TSS2_SEL]);
  assert.equal([M.exits(9), state.get('EXIT_QUAL')], [1, 0xc0000000n | BigInt(M.TSS2_SEL)]);
  assert.is(M.read32(M.TSS + 0x20), 0x6000);
});

test('intercepted exceptions exit with their information', () => {
  M.protectedMode(0);
  idt(PF, M.gate(INT32, M.CODE0, 0x1000));
  idt(3, M.gate(INT32, M.CODE0, 0x2000));
  M.setExceptionBitmap((1 << PF) | (1 << 3));
  state.set('EXC_CR2', 0x5555n);
  deliver(PF, 6);
  assert.equal(
    [M.exits(0), state.get('EXIT_QUAL'), state.number('EXIT_INTR_INFO'), state.number('EXIT_INTR_ERROR')],
    [1, 0x5555n, 0x80000b0e, 6],
  );
  state.setNumber('STEPPING', 1);
  M.passes(() => core.softInt(CPU, 3, 1));
  assert.equal([M.exits(0), state.number('EXIT_INTR_INFO')], [2, 0x80000603]);
});

test('virtual-8086 mode: INT n needs IOPL 3, INT3 does not', () => {
  M.vm86(0);
  idt(0x21, M.gate(INT32, M.CODE0, 0x1000, 3));
  idt(3, M.gate(INT32, M.CODE0, 0x2000, 3));
  M.refused(GP, 0, () => core.softInt(CPU, 0x21, 0));
  M.passes(() => core.softInt(CPU, 3, 1));
  assert.is(rip(), 0x2000n);
  M.vm86(3);
  idt(0x21, M.gate(INT32, M.CODE0, 0x1000, 3));
  M.passes(() => core.softInt(CPU, 0x21, 0));
  assert.is(rip(), 0x1000n);
  M.vm86(3);
  idt(0x21, M.gate(INT32, M.CONF0, 0x1000, 3));
  M.refused(GP, M.CONF0, () => core.softInt(CPU, 0x21, 0), 'conforming handler');
});

test('VME: INT n goes to the 8086 table where the redirection bit is clear', () => {
  M.vm86(0);
  state.set('CR4', 1n);
  M.write16(M.TSS + 0x66, 0x88);
  state.setNumber('SEG_LIMIT', 0xff, 7);
  M.write32(4 * 0x21, 0x2000_1234);
  state.setNumber('RFLAGS', state.number('RFLAGS') | 0x80000);
  M.passes(() => core.softInt(CPU, 0x21, 0));
  assert.equal([M.selector(CS), rip(), M.rsp()], [0x2000, 0x1234n, 0xffa]);
  assert.equal(M.words(0x8ffa, 2, 3), [0x12, 0x600, 0x3202]);
  assert.is(core.readFlags(CPU) & 0x80200, 0x200, 'VIF is cleared, IF is not');
  M.vm86(0);
  state.set('CR4', 1n);
  M.write16(M.TSS + 0x66, 0x88);
  state.setNumber('SEG_LIMIT', 0xff, 7);
  M.write8(M.TSS + 0x68 + 4, 2);
  M.refused(GP, 0, () => core.softInt(CPU, 0x21, 0));
});
