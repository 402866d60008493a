/** Segment registers, LDTR, TR and the instructions that inspect descriptors. Registers tests; system.test.ts runs them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as M from './system-machine.ts';

const { core, CPU, state } = M;
const ES = 0;
const SS = 2;
const DS = 3;
const FS = 4;
const UD = 6;
const NP = 11;
const SSF = 12;
const GP = 13;

test('real mode: a segment load changes selector and base, the limit survives', () => {
  M.real();
  state.setNumber('SEG_LIMIT', 0xffffffff, DS);
  M.passes(() => core.loadSegment(CPU, DS, 0x1234));
  assert.is(state.get('SEG_BASE', DS), 0x12340n);
  assert.is(state.number('SEG_LIMIT', DS), 0xffffffff);
  assert.is(M.rights(DS), 0x93);
});

test('virtual-8086 mode: a segment load gives 64 KiB at DPL 3', () => {
  M.vm86();
  M.passes(() => core.loadSegment(CPU, DS, 0x1234));
  assert.is(state.get('SEG_BASE', DS), 0x12340n);
  assert.is(state.number('SEG_LIMIT', DS), 0xffff);
  assert.is(M.rights(DS), 0xf3);
});

test('protected mode: a data segment is loaded and its descriptor marked accessed', () => {
  M.protectedMode();
  M.write64(M.GDT + M.FREE, M.segment(M.DATA, 0x4, 0x12345678, 0x1234));
  M.passes(() => core.loadSegment(CPU, DS, M.FREE));
  assert.is(state.get('SEG_BASE', DS), 0x12345678n);
  assert.is(state.number('SEG_LIMIT', DS), 0x1234);
  assert.is(M.rights(DS), 0x4093);
  assert.is(M.read8(M.GDT + M.FREE + 5), 0x93);
});

test('granularity scales the limit', () => {
  M.protectedMode();
  M.write64(M.GDT + M.FREE, M.segment(M.DATA, 0xc, 0, 1));
  M.passes(() => core.loadSegment(CPU, ES, M.FREE));
  assert.is(state.number('SEG_LIMIT', ES), 0x1fff);
});

test('a data segment register refuses what it may not hold', () => {
  M.protectedMode(3);
  const put = (d: bigint) => M.write64(M.GDT + M.FREE, d);
  M.refused(GP, M.DATA0, () => core.loadSegment(CPU, DS, M.DATA0 | 3), 'DPL 0 from CPL 3');
  M.refused(GP, 0x1000, () => core.loadSegment(CPU, DS, 0x1000 | 3), 'outside the GDT');
  M.refused(GP, 0x4, () => core.loadSegment(CPU, DS, 0x7), 'no LDT');
  put(M.segment((M.DATA | M.dpl(3)) & ~0x80, M.FLAT32));
  M.refused(NP, M.FREE, () => core.loadSegment(CPU, DS, M.FREE | 3), 'not present');
  put(M.segment(0x98 | M.dpl(3), M.FLAT32));
  M.refused(GP, M.FREE, () => core.loadSegment(CPU, DS, M.FREE | 3), 'execute-only code');
  put(M.segment(0x82 | M.dpl(3), M.FLAT32));
  M.refused(GP, M.FREE, () => core.loadSegment(CPU, DS, M.FREE | 3), 'system descriptor');
  put(M.segment(M.CONFORMING, M.FLAT32));
  M.passes(() => core.loadSegment(CPU, DS, M.FREE | 3));
});

test('a null selector is loaded and makes the segment unusable', () => {
  M.protectedMode();
  M.passes(() => core.loadSegment(CPU, FS, 3));
  assert.is(M.selector(FS), 3);
  assert.is(M.rights(FS) & 0x10000, 0x10000);
  assert.is(state.get('SEG_BASE', FS), 0n);
});

test('SS takes only present writable data of the same level', () => {
  M.protectedMode();
  const put = (d: bigint) => M.write64(M.GDT + M.FREE, d);
  M.refused(GP, 0, () => core.loadSegment(CPU, SS, 0), 'null');
  M.refused(GP, M.DATA0, () => core.loadSegment(CPU, SS, M.DATA0 | 1), 'RPL');
  M.refused(GP, M.DATA3, () => core.loadSegment(CPU, SS, M.DATA3), 'DPL');
  put(M.segment(M.READ_ONLY, M.FLAT32));
  M.refused(GP, M.FREE, () => core.loadSegment(CPU, SS, M.FREE), 'read-only');
  put(M.segment(M.DATA & ~0x80, M.FLAT32));
  M.refused(SSF, M.FREE, () => core.loadSegment(CPU, SS, M.FREE), 'not present');
  M.passes(() => core.loadSegment(CPU, SS, M.DATA16));
  assert.is(state.get('STACK_MASK'), 0xffffn);
});

test('64-bit mode: SS may be null below CPL 3 with RPL = CPL', () => {
  M.longMode(0);
  M.refused(GP, 0, () => core.loadSegment(CPU, SS, 3));
  M.passes(() => core.loadSegment(CPU, SS, 0));
  assert.is(state.number('CPL'), 0);
  M.longMode(3);
  M.refused(GP, 0, () => core.loadSegment(CPU, SS, 3));
});

test('an accessed bit that cannot be written faults before anything changes', () => {
  M.longMode(0);
  state.set('CR0', 0x80010011n);
  M.write64(0x12000, 0x85n);
  core.modeChanged(CPU);
  M.write64(M.GDT + M.FREE, M.segment(M.DATA, M.FLAT32));
  M.refused(14, 3, () => core.loadSegment(CPU, DS, M.FREE));
  assert.is(state.get('EXC_CR2'), BigInt(M.GDT + M.FREE + 5));
});

test('LLDT and LTR load system descriptors, and LTR marks the TSS busy', () => {
  M.protectedMode();
  M.passes(() => core.lldt(CPU, M.LDT_SEL));
  assert.is(state.get('SEG_BASE', 6), BigInt(M.LDT));
  M.write64(M.LDT + 8, M.segment(M.DATA, M.FLAT32));
  M.passes(() => core.loadSegment(CPU, DS, 0xc));
  M.refused(GP, 0x104, () => core.loadSegment(CPU, DS, 0x104), 'beyond the LDT');
  M.passes(() => core.ltr(CPU, M.TSS2_SEL));
  assert.is(M.read8(M.GDT + M.TSS2_SEL + 5), 0x8b);
  assert.is(M.rights(7), 0x8b);
  M.refused(GP, M.TSS2_SEL, () => core.ltr(CPU, M.TSS2_SEL), 'busy');
  M.refused(GP, 0, () => core.ltr(CPU, 0), 'null');
  M.refused(GP, M.DATA0, () => core.lldt(CPU, M.DATA0), 'not an LDT');
  M.passes(() => core.lldt(CPU, 0));
  M.refused(GP, 0xc, () => core.loadSegment(CPU, DS, 0xc), 'null LDT');
});

test('LLDT and LTR check privilege and mode', () => {
  M.protectedMode(3);
  M.refused(GP, 0, () => core.lldt(CPU, M.LDT_SEL));
  M.refused(GP, 0, () => core.ltr(CPU, M.TSS2_SEL));
  M.real();
  M.refused(UD, undefined, () => core.lldt(CPU, M.LDT_SEL));
});

test('IA-32e mode: LTR reads sixteen bytes', () => {
  M.longMode();
  M.write64(M.GDT + M.TSS2_SEL + 8, 0xffff8000n);
  M.passes(() => core.ltr(CPU, M.TSS2_SEL));
  assert.is(state.get('SEG_BASE', 7), 0xffff800000000000n + BigInt(M.TSS2));
  M.longMode();
  M.write64(M.GDT + M.TSS2_SEL + 8, 0x8000n);
  M.refused(GP, M.TSS2_SEL, () => core.ltr(CPU, M.TSS2_SEL), 'base not canonical');
  M.write64(M.GDT + M.TSS2_SEL + 8, 1n << 40n);
  M.refused(GP, M.TSS2_SEL, () => core.ltr(CPU, M.TSS2_SEL), 'upper type field');
});

test('LAR and LSL answer for what the caller may see', () => {
  M.protectedMode(3);
  assert.is(core.lar(CPU, M.DATA3 | 3), 0xc0f200n);
  assert.is(core.lsl(CPU, M.DATA3 | 3), 0xffffffffn);
  assert.is(core.lar(CPU, M.DATA0), -1n);
  assert.is(core.lar(CPU, M.CONF0), 0xc09e00n);
  assert.is(core.lar(CPU, 0), -1n);
  assert.is(core.lsl(CPU, 0x1000), -1n);
  M.protectedMode(0);
  assert.is(core.lsl(CPU, M.TSS2_SEL), 0x67n);
  M.write64(M.GDT + M.FREE, M.gate(0xc, M.CODE0, 0x100));
  assert.is(core.lar(CPU, M.FREE), 0x8c00n);
  assert.is(core.lsl(CPU, M.FREE), -1n);
  M.write64(M.GDT + M.FREE, M.gate(0xe, M.CODE0, 0x100));
  assert.is(core.lar(CPU, M.FREE), -1n);
});

test('VERR, VERW and ARPL', () => {
  M.protectedMode(3);
  assert.is(core.verr(CPU, M.DATA3 | 3), 1);
  assert.is(core.verw(CPU, M.DATA3 | 3), 1);
  assert.is(core.verr(CPU, M.DATA0), 0);
  assert.is(core.verr(CPU, M.CODE3 | 3), 1);
  assert.is(core.verw(CPU, M.CODE3 | 3), 0);
  assert.is(core.arpl(CPU, 0x10, 0x23), 0x13);
  assert.is(core.arpl(CPU, 0x13, 0x21), -1);
});
