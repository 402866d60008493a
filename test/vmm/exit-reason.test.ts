/** Names of exit reasons and what exit qualifications say. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeApic,
  decodeCr,
  decodeEpt,
  decodeInterruption,
  decodeIo,
  describeQualification,
  EXIT_REASON,
  EXIT_REASON_LIMIT,
  EXIT_REASON_NAMES,
  exitReasonName,
} from '../../vmm/exit-reason.ts';

test('names and numbers agree', () => {
  for (const [name, reason] of Object.entries(EXIT_REASON)) assert.is(EXIT_REASON_NAMES[reason], name);
  assert.ok(EXIT_REASON_NAMES.length <= EXIT_REASON_LIMIT);
  assert.is(exitReasonName(30), 'IO_INSTRUCTION');
  assert.is(exitReasonName(5), 'REASON_5');
});

test("the core's constants are the same", () => {
  const source = readFileSync(new URL('../../vmm/cpu/core/exits.ts', import.meta.url), 'utf8');
  const found = [...source.matchAll(/export const EXIT_([A-Z_]+): u32 = (\d+);/g)];
  assert.ok(found.length > 20);
  for (const [, name, number] of found) assert.is(EXIT_REASON_NAMES[Number(number)], name);
});

test('an I/O qualification gives port, size and direction', () => {
  assert.equal(decodeIo(0x03f8_0000), { port: 0x3f8, size: 1, direction: 'out', string: false, rep: false, immediate: false });
  assert.equal(decodeIo(0xfff0_007b), { port: 0xfff0, size: 4, direction: 'in', string: true, rep: true, immediate: true });
  assert.is(describeQualification(30, 0x03f8_0000), 'out port 0x3f8 1 byte');
  assert.is(describeQualification(30, 0xfff0_003bn), 'rep ins port 0xfff0 4 bytes');
});

test('a control-register qualification gives register and operation', () => {
  assert.equal(decodeCr(0x0000_0703), { cr: 3, access: 'mov to', register: 7, memory: false, source: 0 });
  assert.is(describeQualification(28, 0x0703), 'mov cr3, rdi');
  assert.is(describeQualification(28, 0x0f18), 'mov r15, cr8');
  assert.is(describeQualification(28, 0x20), 'clts');
  assert.is(describeQualification(28, 0x0001_0030), 'lmsw 0x1');
  assert.is(describeQualification(29, 0x0017), 'mov rax, dr7');
});

test('memory qualifications say what was tried', () => {
  assert.equal(decodeApic(0x10b0), { offset: 0xb0, access: 'write' });
  assert.is(describeQualification(44, 0x0020), 'read of register 0x20');
  assert.equal(decodeEpt(0x182), { read: false, write: true, fetch: false, linear: true, final: true });
  assert.is(describeQualification(48, 0x184), 'fetch');
  assert.is(describeQualification(48, 0x83), 'read+write in a page walk');
});

test('the rest: task switches, exceptions, nothing', () => {
  assert.is(describeQualification(9, 0x8000_0028), 'jmp to selector 0x28');
  assert.is(describeQualification(0, 0xffff_8000_0000_1000n), '0xffff800000001000');
  assert.is(describeQualification(10, 0), '');
  assert.is(describeQualification(999, 0xffff_ffff_ffff_ffffn), '');
});

test('interruption information', () => {
  assert.equal(decodeInterruption(0x8000_0b0e), { valid: true, vector: 14, type: 'hardware exception', hasError: true });
  assert.equal(decodeInterruption(0x8000_0020), { valid: true, vector: 32, type: 'external', hasError: false });
  assert.is(decodeInterruption(0).valid, false);
});

test.run();
