/** Control and debug registers, MSRs, CPUID. Registers tests; system.test.ts runs them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCpuid, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { INTERCEPT } from '../../vmm/cpu/layout.ts';
import * as M from './system-machine.ts';

const { core, CPU, state } = M;
const UD = 6;
const GP = 13;
const CR_ACCESS = 28;
const reg = (n: number): bigint => state.get('REGS', n);

function toCr(cr: number, value: bigint): () => void {
  return () => core.movToCr(CPU, cr, value, 3);
}

test('CR0: inconsistent values and CPL', () => {
  M.protectedMode(0);
  M.refused(GP, 0, toCr(0, 0x80000010n), 'PG without PE');
  M.refused(GP, 0, toCr(0, 0x20000011n), 'NW without CD');
  M.refused(GP, 0, toCr(0, 0x100000011n), 'upper half');
  M.passes(toCr(0, 0x1fffffc1n));
  assert.is(state.get('CR0'), 0x50011n, 'undefined bits read 0, ET reads 1');
  M.protectedMode(3);
  M.refused(GP, 0, toCr(0, 0x11n));
  M.refused(UD, undefined, toCr(1, 0n));
});

test('CR0 and CR4 exit for bits that the host owns', () => {
  M.protectedMode(0);
  M.passes(toCr(0, 0x19n));
  assert.is(M.exits(CR_ACCESS), 0, "TS is the guest's");
  M.passes(toCr(0, 0x1001bn));
  assert.equal([M.exits(CR_ACCESS), state.get('EXIT_QUAL')], [1, 0x300n]);
  M.passes(() => core.lmsw(CPU, 0xb, 0));
  assert.is(M.exits(CR_ACCESS), 1);
  M.passes(() => core.lmsw(CPU, 0xd, 0));
  assert.equal([M.exits(CR_ACCESS), state.get('EXIT_QUAL'), state.get('CR0')], [2, 0xd0030n, 0x1001dn]);
  M.passes(() => core.clts(CPU));
  M.passes(toCr(4, 0x680n));
  assert.is(M.exits(CR_ACCESS), 2);
  M.passes(toCr(4, 0x690n));
  assert.equal([M.exits(CR_ACCESS), state.get('EXIT_QUAL')], [3, 0x304n]);
});

test('CR3 and CR8 exit when told to; CR8 reaches the local APIC', () => {
  M.protectedMode(0);
  M.passes(toCr(3, 0x10018n));
  assert.equal([state.get('CR3'), M.exits(CR_ACCESS)], [0x10018n, 0]);
  M.setIntercept(INTERCEPT.cr3 | INTERCEPT.cr8);
  assert.is(core.movFromCr(CPU, 3, 2), 0x10018n);
  assert.is(state.get('EXIT_QUAL'), 0x213n);
  M.passes(toCr(8, 5n));
  assert.equal([state.get('CR8'), M.exits(CR_ACCESS), M.priorities], [5n, 2, [0x50]]);
  M.refused(GP, 0, toCr(8, 16n));
});

test('into IA-32e mode and out again', () => {
  M.longMode(0);
  const enter = (): void => {
    state.set('CR0', 0x11n);
    state.set('EFER', 0x100n);
    M.put(1, M.CODE0);
    core.modeChanged(CPU);
  };
  enter();
  state.set('CR4', 0n);
  M.refused(GP, 0, toCr(0, 0x80000011n), 'PAE clear');
  state.set('CR4', 0x20n);
  M.put(1, M.LONG0);
  M.refused(GP, 0, toCr(0, 0x80000011n), 'CS.L');
  M.put(1, M.CODE0);
  state.setNumber('SEG_AR', 0x83, 7);
  M.refused(GP, 0, toCr(0, 0x80000011n), '16-bit TSS');
  state.setNumber('SEG_AR', 0x8b, 7);
  M.passes(toCr(0, 0x80000011n));
  assert.equal([state.get('EFER'), state.number('LONG'), state.number('MODE')], [0x500n, 1, 1]);
  M.refused(GP, 0, toCr(4, 0n), 'PAE cannot be cleared');
  M.passes(() => core.farJump(CPU, M.LONG0, 0x6000n, 4));
  assert.is(state.number('MODE'), 2);
  M.refused(GP, 0, toCr(0, 0x11n), 'PG from 64-bit code');
  M.put(1, M.CODE0);
  core.modeChanged(CPU);
  M.passes(toCr(0, 0x11n));
  assert.equal([state.get('EFER'), state.number('LONG')], [0x100n, 0]);
});

test('PAE paging loads the page-directory-pointer registers and checks them', () => {
  M.protectedMode(0);
  M.write64(0x20000, 0x21001n);
  state.set('CR3', 0x20000n);
  state.set('CR4', 0x20n);
  M.write64(0x20008, 0x22007n);
  M.refused(GP, 0, toCr(0, 0x80000011n), 'reserved bits');
  M.write64(0x20008, 0x22001n);
  M.write64(0x21000, 0x83n);
  M.passes(toCr(0, 0x80000011n));
  assert.equal([state.get('PDPTE', 0), state.get('PDPTE', 1)], [0x21001n, 0x22001n]);
});

test('CR4 takes what CPUID enumerates', () => {
  M.protectedMode(0);
  M.setCpuid(defaultCpuid(0, 1, modelFeatures('v2')));
  M.refused(GP, 0, toCr(4, 0x100000n), 'SMEP');
  M.refused(GP, 0, toCr(4, 0x40000n), 'OSXSAVE');
  M.passes(toCr(4, 0x1n));
  M.setCpuid(defaultCpuid(0, 1, ['pae', 'smep', 'pcid']));
  M.refused(GP, 0, toCr(4, 0x1n), 'VME');
  M.passes(toCr(4, 0x100020n));
  M.refused(GP, 0, toCr(4, 0x20020n), 'PCIDE outside IA-32e mode');
});

test('CR3 checks its reserved bits in IA-32e mode', () => {
  M.longMode(0);
  M.refused(GP, 0, toCr(3, 1n << 40n));
  M.passes(toCr(3, 0x10000n));
});

test('CR3 keeps nothing of bit 63, and no other reserved bit passes with PCIDs', () => {
  M.longMode(0);
  M.refused(GP, 0, toCr(3, (1n << 63n) | 0x10000n), 'bit 63 without PCIDE');
  M.passes(toCr(4, 0x20020n));
  M.passes(toCr(3, (1n << 63n) | 0x10005n));
  assert.is(state.get('CR3'), 0x10005n);
  M.refused(GP, 0, toCr(3, (1n << 62n) | 0x10000n));
  M.refused(GP, 0, toCr(3, (1n << 63n) | (1n << 40n)));
});

test('CR4.PCIDE: only in IA-32e mode with PCID 0; CR0.PG cannot be cleared under it', () => {
  M.longMode(0);
  state.set('CR3', 0x10018n);
  M.refused(GP, 0, toCr(4, 0x20020n), 'CR3[11:0] is not 0');
  state.set('CR3', 0x10000n);
  M.passes(toCr(4, 0x20020n));
  M.passes(toCr(3, 0x10018n));
  M.passes(toCr(4, 0x20020n));
  M.put(1, M.CODE0);
  core.modeChanged(CPU);
  M.refused(GP, 0, toCr(0, 0x11n), 'PG');
  M.passes(toCr(4, 0x20n));
  M.passes(toCr(0, 0x11n));
});

test('CR4.LA57 is fixed in IA-32e mode', () => {
  M.longMode(0);
  M.setCpuid(defaultCpuid());
  M.refused(GP, 0, toCr(4, 0x1020n));
  M.protectedMode(0);
  M.refused(GP, 0, toCr(4, 0x1020n), 'not enumerated');
  M.setCpuid(defaultCpuid());
  M.passes(toCr(4, 0x1020n));
  M.passes(toCr(4, 0x20n));
});

test('CLAC and STAC: level 0 only, the flag and nothing else', () => {
  M.longMode(0);
  M.setFlags(0x246);
  M.passes(() => core.setAc(CPU, true));
  assert.is(core.readFlags(CPU), 0x40246);
  M.passes(() => core.setAc(CPU, false));
  assert.is(core.readFlags(CPU), 0x246);
  M.longMode(3);
  M.refused(UD, undefined, () => core.setAc(CPU, true));
  M.vm86(3);
  M.refused(UD, undefined, () => core.setAc(CPU, true));
});

test('RDPKRU and WRPKRU: CR4.PKE, ECX and EDX, any level', () => {
  M.longMode(3);
  const set = (rax: bigint, rcx: bigint, rdx: bigint): void => {
    for (const [i, v] of [rax, rcx, rdx].entries()) state.set('REGS', v, i);
  };
  set(0n, 0n, 0n);
  M.refused(UD, undefined, () => core.rdpkru(CPU));
  M.refused(UD, undefined, () => core.wrpkru(CPU));
  state.set('CR4', 0x400020n);
  // The upper halves of the registers do not count.
  set(0xffff_ffff_1234_5678n, 1n << 32n, 1n << 32n);
  M.passes(() => core.wrpkru(CPU));
  assert.is(state.get('PKRU'), 0x12345678n);
  M.passes(() => core.rdpkru(CPU));
  assert.equal([reg(0), reg(1), reg(2)], [0x12345678n, 1n << 32n, 0n]);
  set(0n, 1n, 0n);
  M.refused(GP, 0, () => core.rdpkru(CPU));
  M.refused(GP, 0, () => core.wrpkru(CPU));
  set(0n, 0n, 1n);
  M.refused(GP, 0, () => core.wrpkru(CPU), 'EDX');
});

test('INVPCID: types, reserved bits of the descriptor, PCIDs without CR4.PCIDE, canonical addresses', () => {
  M.longMode(0);
  const invalidate = (type: bigint, pcid: bigint, address = 0n): (() => void) => {
    M.write64(0x7000, pcid);
    M.write64(0x7008, address);
    return () => core.invpcid(CPU, type, 0x7000n, 0);
  };
  for (const type of [0n, 1n, 2n, 3n]) M.passes(invalidate(type, 0n));
  M.refused(GP, 0, invalidate(4n, 0n));
  M.refused(GP, 0, invalidate(1n << 32n, 0n));
  for (const type of [0n, 1n, 2n, 3n]) M.refused(GP, 0, invalidate(type, 0x1000n), 'reserved');
  for (const type of [0n, 1n]) M.refused(GP, 0, invalidate(type, 1n), 'CR4.PCIDE is clear');
  for (const type of [2n, 3n]) M.passes(invalidate(type, 1n));
  M.refused(GP, 0, invalidate(0n, 0n, 1n << 47n));
  for (const type of [1n, 2n, 3n]) M.passes(invalidate(type, 0n, 1n << 47n));
  M.passes(toCr(4, 0x20020n));
  for (const type of [0n, 1n, 2n, 3n]) M.passes(invalidate(type, 0xfffn));
});

test('bases are of 57 bits where LA57 is enumerated, whatever CR4.LA57 says', () => {
  M.longMode(0);
  M.setCpuid(defaultCpuid());
  const wide = 1n << 47n;
  const beyond = 1n << 56n;
  for (const index of [0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102]) {
    M.passes(load(index, wide));
    M.refused(GP, 0, load(index, beyond), index.toString(16));
  }
  M.write64(0x7002, wide);
  M.passes(() => core.lidt(CPU, 0x7000n, 8));
  M.write64(0x7002, beyond);
  M.refused(GP, 0, () => core.lgdt(CPU, 0x7000n, 8));
  M.write64(M.GDT + M.LDT_SEL + 8, 0x8000n);
  M.passes(() => core.lldt(CPU, M.LDT_SEL));
  M.write64(M.GDT + M.LDT_SEL + 8, 0x100_0000n);
  M.refused(GP, M.LDT_SEL, () => core.lldt(CPU, M.LDT_SEL));
  // RIP follows the paging in use.
  state.set('EFER', 0xd01n);
  state.set('STAR', 0n);
  state.set('REGS', wide, 1);
  M.refused(GP, 0, () => core.sysret(CPU, 8), 'SYSRET');
});

/** Turns 64-bit mode over 4-level paging into the same over 5-level paging. */
function fiveLevels(): void {
  M.setCpuid(defaultCpuid());
  M.write64(0x14000, 0x10007n);
  M.write64(0x14008, 0x10007n);
  state.set('CR3', 0x14000n);
  state.set('CR4', 0x1020n);
  core.modeChanged(CPU);
}

test('5-level paging: transfers go beyond 48 bits, and not beyond 57', () => {
  const far = (1n << 48n) + 0x6000n;
  const beyond = 1n << 56n;
  for (const [target, good] of [
    [far, true],
    [beyond, false],
    [-(1n << 56n), true],
    [-(1n << 56n) - 1n, false],
  ] as const) {
    const rip = BigInt.asUintN(64, target);
    const goes = (action: () => void, refusal: readonly [number, number], what: string): void => {
      if (!good) M.refused(refusal[0], refusal[1], action, what);
      else {
        M.passes(action);
        assert.is(state.get('RIP'), rip, what);
      }
    };
    M.longMode(0);
    fiveLevels();
    state.set('REGS', rip, 1);
    goes(() => core.sysret(CPU, 8), [GP, 0], 'SYSRET');
    M.longMode(0);
    fiveLevels();
    state.set('SYSENTER_CS', 8n);
    state.set('REGS', rip, 2);
    state.set('REGS', 0x7000n, 1);
    goes(() => core.sysexit(CPU, 8), [GP, 0], 'SYSEXIT');
    M.longMode(0);
    fiveLevels();
    goes(() => core.farJump(CPU, M.LONG0, rip, 8), [GP, 0], 'far JMP');
    M.longMode(0);
    fiveLevels();
    M.write64(M.IDT + 16 * 0x30, M.gate(0xe, M.LONG0, Number(rip & 0xffff_ffffn)));
    M.write64(M.IDT + 16 * 0x30 + 8, rip >> 32n);
    goes(() => core.softInt(CPU, 0x30, 0), [GP, 0], 'INT');
    M.longMode(0);
    fiveLevels();
    M.lay(M.STACK0 - 40, 8, 8, [rip, M.LONG0, 2, M.STACK0, 0]);
    state.set('REGS', BigInt(M.STACK0 - 40), 4);
    goes(() => core.iret(CPU, 8), [GP, 0], 'IRETQ');
  }
});

test('5-level paging: a stack in the hole is #SS(0)', () => {
  M.longMode(0);
  fiveLevels();
  state.set('REGS', 1n << 56n, 4);
  M.refused(12, 0, () => core.farReturn(CPU, 8, 0));
  state.set('REGS', (1n << 48n) + BigInt(M.STACK0), 4);
  M.lay(M.STACK0, 8, 8, [0x1234n, M.LONG0]);
  M.passes(() => core.farReturn(CPU, 8, 0));
  assert.is(state.get('RIP'), 0x1234n);
});

test('debug registers: aliases, fixed bits, general detect', () => {
  M.longMode(0);
  M.passes(() => core.movToDr(CPU, 4, 0xffff_ffffn, 0));
  assert.is(state.get('DR', 6), 0xffffefffn);
  M.passes(() => core.movToDr(CPU, 7, 0xffff_dfffn, 0));
  assert.is(state.get('DR', 7), 0xffff07ffn);
  M.refused(GP, 0, () => core.movToDr(CPU, 7, 1n << 32n, 0));
  M.passes(() => core.movToDr(CPU, 0, 0x1234_5678_9abc_def0n, 0));
  assert.is(core.movFromDr(CPU, 0, 0), 0x123456789abcdef0n);
  state.set('CR4', 0x28n);
  M.refused(UD, undefined, () => core.movFromDr(CPU, 5, 0));
  state.set('DR', 0x2400n, 7);
  M.refused(1, undefined, () => core.movFromDr(CPU, 0, 0));
  assert.is(state.get('EXC_DR6'), 0x2000n);
  M.longMode(3);
  M.setIntercept(INTERCEPT.dr);
  M.refused(GP, 0, () => core.movToDr(CPU, 7, 0n, 5));
  assert.equal([M.exits(29), state.get('EXIT_QUAL')], [1, 0x507n], 'the exit comes before the privilege check');
});

test('LGDT, SGDT, LIDT, SIDT', () => {
  M.longMode(0);
  M.write16(0x7000, 0x1234);
  M.write64(0x7002, 0xffff_8000_0000_1000n);
  M.passes(() => core.lgdt(CPU, 0x7000n, 8));
  M.passes(() => core.sgdt(CPU, 0x7100n, 8));
  assert.equal([M.read16(0x7100), M.read64(0x7102)], [0x1234, 0xffff800000001000n]);
  M.write64(0x7002, 0x8000_0000_0000n);
  M.refused(GP, 0, () => core.lidt(CPU, 0x7000n, 8));
  M.protectedMode(0);
  M.write16(0x7000, 0xff);
  M.write32(0x7002, 0x12345678);
  M.passes(() => core.lidt(CPU, 0x7000n, 2));
  assert.is(state.get('IDTR_BASE'), 0x345678n);
  M.passes(() => core.sidt(CPU, 0x7100n, 4));
  assert.is(M.read32(0x7102), 0x345678);
  M.protectedMode(3);
  M.refused(GP, 0, () => core.lgdt(CPU, 0x7000n, 4));
  state.set('CR4', 0x800n);
  M.refused(GP, 0, () => core.sgdt(CPU, 0x7000n, 4), 'UMIP');
  M.refused(GP, 0, () => core.smsw(CPU), 'UMIP');
});

test('SWAPGS, WBINVD, RDPMC, XSETBV', () => {
  M.longMode(0);
  state.set('KERNEL_GS_BASE', 0x1234n);
  state.set('SEG_BASE', 0x5678n, 5);
  M.passes(() => core.swapgs(CPU));
  assert.equal([state.get('KERNEL_GS_BASE'), state.get('SEG_BASE', 5)], [0x5678n, 0x1234n]);
  M.passes(() => core.wbinvd(CPU));
  assert.is(M.exits(54), 1);
  M.refused(GP, 0, () => core.rdpmc(CPU));
  assert.is(M.exits(15), 1);
  M.refused(UD, undefined, () => core.xsetbv(CPU));
  M.protectedMode(0);
  M.refused(UD, undefined, () => core.swapgs(CPU));
});

function rdmsr(index: number): bigint {
  state.set('REGS', BigInt(index >>> 0), 1);
  M.passes(() => core.rdmsr(CPU));
  return (reg(2) << 32n) | reg(0);
}

function load(index: number, value: bigint): () => void {
  state.set('REGS', BigInt(index >>> 0), 1);
  state.set('REGS', value & 0xffffffffn, 0);
  state.set('REGS', (value >> 32n) & 0xffffffffn, 2);
  return () => core.wrmsr(CPU);
}

test('MSRs: values survive, bad ones are #GP(0)', () => {
  M.longMode(0);
  const pairs: readonly (readonly [number, bigint, bigint])[] = [
    [0x174, 0x10n, -1n],
    [0x175, 0xffff_8000_0000_0000n, 0x8000_0000_0000n],
    [0x176, 0xffff_8000_0000_0000n, 0x8000_0000_0000n],
    [0x277, 0x0007_0406_0007_0406n, 0x0207_0406_0007_0406n],
    [0x200, 0xff_ffff_f006n, 0x100_0000_0006n],
    [0x201, 0xff_ffff_f800n, 0x801n],
    [0x250, 0x0606_0606_0606_0606n, 0x0202_0202_0202_0202n],
    [0x26f, 0x0505_0505_0505_0505n, 0x07n],
    [0x2ff, 0xc06n, 0x1000n],
    [0x17b, 0xffff_ffff_ffff_ffffn, 1n],
    [0x400, 0xffff_ffff_ffff_ffffn, -1n],
    [0x401, 0n, 1n],
    [0xc000_0082, 0xffff_ffff_8000_0000n, 0x8000_0000_0000n],
    [0xc000_0084, 0x4_7700n, -1n],
    [0xc000_0100, 0x7fff_ffff_ffffn, 0x8000_0000_0000n],
    [0xc000_0102, 0xffff_8000_0000_0000n, 0x8000_0000_0000n],
    [0xc000_0103, 0xffff_ffffn, 0x1_0000_0000n],
    [0x1a0, 0x1801n, 1n << 35n],
  ];
  for (const [index, good, bad] of pairs) {
    M.passes(load(index, good));
    assert.is(rdmsr(index), good, index.toString(16));
    if (bad >= 0n) M.refused(GP, 0, load(index, bad), index.toString(16));
  }
  M.refused(GP, 0, load(0xfe, 0x508n), 'MTRRcap is read-only');
  state.set('REGS', 0x1234n, 1);
  M.refused(GP, 0, () => core.rdmsr(CPU), 'unknown');
});

test('MSR exits, but for those that are passed through', () => {
  M.longMode(0);
  rdmsr(0x277);
  M.passes(load(0x277, 0x0007_0406_0007_0406n));
  assert.equal([M.exits(31), M.exits(32)], [1, 1]);
  for (const index of [0x174, 0x175, 0x176, 0xc000_0100, 0xc000_0101, 0xc000_0102]) {
    rdmsr(index);
    M.passes(load(index, 0x10n));
  }
  rdmsr(0x10);
  assert.equal([M.exits(31), M.exits(32)], [1, 1]);
  M.passes(load(0x10, 0n));
  assert.is(M.exits(32), 2);
  M.longMode(3);
  M.refused(GP, 0, load(0xc000_0100, 0n));
});

test('the TSC is the VM clock plus what was written, and TSC_ADJUST follows', () => {
  M.longMode(0);
  state.set('ICOUNT', 1000n);
  state.set('CLOCK_OFFSET', 500n);
  assert.is(rdmsr(0x10), 1500n);
  M.passes(load(0x10, 100n));
  assert.equal([rdmsr(0x10), BigInt.asIntN(64, rdmsr(0x3b))], [100n, -1400n]);
  M.passes(load(0x3b, 0n));
  assert.is(rdmsr(0x10), 1500n);
});

test('MSRs of the monitor, and those that leave run()', () => {
  M.longMode(0);
  M.monitorMsrs.set(0x1b, 0xfee0_0900n);
  M.monitorMsrs.set(0x999, 'leave');
  assert.is(rdmsr(0x1b), 0xfee00900n);
  M.passes(load(0x1b, 0xfee0_0d00n));
  assert.is(M.monitorMsrs.get(0x1b), 0xfee00d00n);
  state.set('REGS', 0x999n, 1);
  core.rdmsr(CPU);
  assert.equal([M.raised(), state.number('RUN_EXIT'), state.number('IO_PORT')], [[0x2000, undefined], 6, 0x999]);
  const count = M.exits(31);
  state.setNumber('EXC', 0);
  state.setNumber('ANSWERS', 1);
  state.set('ANSWER', 0x1122_3344_5566_7788n);
  assert.is(rdmsr(0x999), 0x1122334455667788n);
  assert.is(M.exits(31), count, 'one access, one exit');
  state.setNumber('ANSWERS', 0);
});

test("EFER: reserved bits, LME while paging, LMA is the processor's", () => {
  M.longMode(0);
  M.refused(GP, 0, load(0xc000_0080, 0xd03n), 'reserved');
  M.refused(GP, 0, load(0xc000_0080, 0xc01n), 'LME while paging');
  M.passes(load(0xc000_0080, 0x101n));
  assert.is(rdmsr(0xc000_0080), 0x501n);
});

function cpuid(leaf: number, subleaf = 0): readonly bigint[] {
  state.set('REGS', BigInt(leaf >>> 0), 0);
  state.set('REGS', BigInt(subleaf), 1);
  M.passes(() => core.cpuid(CPU));
  return [reg(0), reg(3), reg(1), reg(2)];
}

test('CPUID: one exit each; leaves above the maximum give the highest basic leaf', () => {
  M.longMode(0);
  const vendor = cpuid(0);
  assert.equal(vendor.slice(1), [0x756e6547n, 0x6c65746en, 0x49656e69n]);
  assert.is(M.exits(10), 1);
  const last = cpuid(Number(vendor[0]));
  assert.equal(cpuid(0x7fff_ffff), last);
  assert.equal(cpuid(0x8000_1000), last);
  assert.equal(cpuid(0x4000_0000), last, 'no hypervisor leaf');
  assert.equal(cpuid(3), [0n, 0n, 0n, 0n]);
});

test('CPUID: bits that follow the state', () => {
  M.longMode(0);
  assert.is((cpuid(1)[3] >> 9n) & 1n, 1n);
  state.set('APIC_BASE', 0xfee0_0000n);
  assert.is((cpuid(1)[3] >> 9n) & 1n, 0n, 'the local APIC is off');
  assert.is((cpuid(1)[2] >> 27n) & 1n, 0n);
  state.set('CR4', 0x40020n);
  assert.is((cpuid(1)[2] >> 27n) & 1n, 1n, 'OSXSAVE');
  assert.is((cpuid(0x8000_0001)[3] >> 11n) & 1n, 1n);
  M.protectedMode(0);
  assert.is((cpuid(0x8000_0001)[3] >> 11n) & 1n, 0n, 'SYSCALL is of 64-bit mode');
  assert.equal(cpuid(0xb, 7).slice(0, 3), [0n, 0n, 7n]);
  state.set('MISC_ENABLE', 0x401801n);
  assert.is(cpuid(0)[0], 2n);
});

test('IA32_MISC_ENABLE hides NX', () => {
  M.longMode(0);
  M.passes(load(0x1a0, 0x4_0000_1801n));
  assert.is((cpuid(0x8000_0001)[3] >> 20n) & 1n, 0n);
  M.refused(GP, 0, load(0xc000_0080, 0xd01n), 'EFER.NXE');
  M.passes(load(0x1a0, 0x1801n));
  assert.is((cpuid(0x8000_0001)[3] >> 20n) & 1n, 1n);
  M.passes(load(0xc000_0080, 0xd01n));
});

test('CPUID: OSPKE, and the width of linear addresses', () => {
  M.longMode(0);
  assert.is(cpuid(0x8000_0008)[0], 0x3028n);
  M.setCpuid(defaultCpuid());
  assert.is(cpuid(0x8000_0008)[0], 0x3928n);
  assert.is((cpuid(7)[2] >> 3n) & 3n, 1n);
  state.set('CR4', 0x400020n);
  assert.is((cpuid(7)[2] >> 3n) & 3n, 3n);
});

test('CPUID never shows a hypervisor', () => {
  M.longMode(0);
  assert.is(cpuid(1)[2] >> 31n, 0n);
});
