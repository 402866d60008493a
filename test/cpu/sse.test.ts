/**
 * MMX and SSE as the SDM says them, where no other processor is asked: rounding, exceptions, NaNs, bounds, operand sizes, MASKMOV.
 *
 * sse-host.test.ts compares every form with the host's processor.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMORY_MAP, VM_AREA } from '../../vmm/cpu/layout.ts';
import { at, bytes, C, CPU, core, enter, execute, forms, fresh, memory, operands, RAM, RECORD, scratch, text } from './sse-core.ts';
import { below, double, random, values } from './simd-values.ts';

test.before.each(fresh);

const XMM0 = at('XMM');
const XMM1 = at('XMM') + 32;
/** Bits of a binary64. */
function float(x: number): bigint {
  scratch.setFloat64(0, x);
  return scratch.getBigUint64(0);
}

/** One scalar double instruction under an MXCSR: result bits and MXCSR afterwards. */
function scalar(op: number, a: bigint, b: bigint, mxcsr: number): [bigint, number] {
  memory.setBigUint64(XMM0, a, true);
  memory.setBigUint64(XMM1, b, true);
  memory.setUint32(at('MXCSR'), mxcsr, true);
  core.sseExec(CPU, op, XMM0, XMM1, 0, 0);
  return [memory.getBigUint64(XMM0, true), memory.getUint32(at('MXCSR'), true)];
}
const ADDSD = 0x358;
const MULSD = 0x359;
const DIVSD = 0x35e;

test('a quotient follows each rounding mode and sets the precision flag', () => {
  const down = 0x3fd5555555555555n;
  const expected = [
    [0x1f80, down],
    [0x3f80, down],
    [0x5f80, down + 1n],
    [0x7f80, down],
  ] as const;
  for (const [mxcsr, bits] of expected) assert.equal(scalar(DIVSD, float(1), float(3), mxcsr), [bits, mxcsr | 0x20]);
  assert.equal(scalar(DIVSD, float(6), float(3), 0x1f80), [float(2), 0x1f80]);
});

test('the wasm instructions and the soft path agree', () => {
  for (let n = 0; n < 20000; n++) {
    values.calm = n % 2 === 0;
    double(scratch, 0);
    const a = scratch.getBigUint64(0);
    double(scratch, 0);
    const b = scratch.getBigUint64(0);
    for (const op of [ADDSD, MULSD, DIVSD, 0x35c, 0x351, 0x35d, 0x35f]) {
      const [soft, flags] = scalar(op, a, b, 0x1f80);
      assert.equal(scalar(op, a, b, 0x1fa0), [soft, flags | 0x20]);
    }
  }
});

test('tiny results underflow, flush or trap as MXCSR says', () => {
  const least = 0x0010000000000000n;
  assert.equal(scalar(MULSD, least, float(0.5), 0x1f80), [least >> 1n, 0x1f80], 'exact and masked: no flag');
  assert.equal(scalar(MULSD, least, float(0.5), 0x9f80), [0n, 0x9fb0], 'FTZ');
  assert.equal(scalar(MULSD, least, float(0.5), 0x1780), [least, 0x1790], 'unmasked: nothing is written');
  assert.is(memory.getUint32(at('EXC'), true), 0x113);
});

test('a result that is tiny only before denormalization underflows on the fast path too', () => {
  const least = 0x0010000000000000n;
  assert.equal(scalar(MULSD, least, 0x3fefffffffffffffn, 0x1fa0), [least, 0x1fb0]);
  memory.setUint32(XMM0, 0x00800000, true);
  memory.setUint32(XMM1, 0x3f7fffff, true);
  memory.setUint32(at('MXCSR'), 0x1fa0, true);
  core.sseExec(CPU, 0x259, XMM0, XMM1, 0, 0);
  assert.is(memory.getUint32(at('MXCSR'), true), 0x1fb0, 'MULSS');
  memory.setUint32(at('MXCSR'), 0x1fa0, true);
  for (const [at32, bits] of [
    [XMM0, 0x00800000],
    [XMM1, 0x3f7fffff],
  ] as const) {
    for (let i = 0; i < 16; i += 4) memory.setUint32(at32 + i, bits, true);
  }
  core.sseExec(CPU, 0x059, XMM0, XMM1, 0, 0);
  assert.is(memory.getUint32(at('MXCSR'), true), 0x1fb0, 'MULPS');
});

test('denormal operands are reported, or are zeros under DAZ', () => {
  assert.equal(scalar(ADDSD, 1n, float(1), 0x1f80), [float(1), 0x1fa2]);
  assert.equal(scalar(ADDSD, 1n, float(1), 0x1fc0), [float(1), 0x1fc0]);
});

test('NaNs: the first operand wins, signaling ones are quieted, the default is negative', () => {
  const q = 0x7ff8000000000001n;
  const s = 0xfff0000000000002n;
  assert.equal(scalar(ADDSD, q, s, 0x1f80), [q, 0x1f81]);
  assert.equal(scalar(ADDSD, s, q, 0x1f80), [0xfff8000000000002n, 0x1f81]);
  assert.equal(scalar(ADDSD, float(Infinity), float(-Infinity), 0x1f80), [0xfff8000000000000n, 0x1f81]);
});

test('an unmasked exception is #XM, or #UD without CR4.OSXMMEXCPT', () => {
  scalar(DIVSD, float(1), 0n, 0x1d80);
  assert.is(memory.getUint32(at('EXC'), true), 0x113);
  memory.setUint32(at('EXC'), 0, true);
  memory.setBigUint64(at('CR4'), 0x200n, true);
  assert.equal(scalar(DIVSD, float(1), 0n, 0x1d80), [float(1), 0x1d84]);
  assert.is(memory.getUint32(at('EXC'), true), 0x106);
});

test('LDMXCSR takes the low half and refuses the rest with #GP(0)', () => {
  core.ldmxcsr(CPU, 0xffff);
  assert.is(memory.getUint32(at('MXCSR'), true), 0xffff);
  core.ldmxcsr(CPU, 0x11f80);
  assert.is(memory.getUint32(at('MXCSR'), true), 0xffff);
  assert.is(memory.getUint32(at('EXC'), true), 0x30d);
});

test('RCPSS and RSQRTSS keep the bound of 1.5 * 2^-12 and treat the edges as the SDM says', () => {
  const estimate = (op: number, x: number): number => {
    memory.setUint32(XMM1, x, true);
    core.sseExec(CPU, op, XMM0, XMM1, 0, 0);
    return memory.getUint32(XMM0, true);
  };
  const value = (bits: number): number => {
    scratch.setUint32(0, bits);
    return scratch.getFloat32(0);
  };
  for (let n = 0; n < 50000; n++) {
    const x = (((1 + below(251)) << 23) | (random() & 0x7fffff)) >>> 0;
    assert.ok(Math.abs(value(estimate(0x253, x)) * value(x) - 1) <= 1.5 * 2 ** -12, x.toString(16));
    assert.ok(Math.abs(value(estimate(0x252, x)) * Math.sqrt(value(x)) - 1) <= 1.5 * 2 ** -12, x.toString(16));
  }
  const edges = [
    [0x253, 0, 0x7f800000],
    [0x253, 0x80000001, 0xff800000],
    [0x253, 0xff800000, 0x80000000],
    [0x253, 0x7f800001, 0x7fc00001],
    [0x253, 0x7e7fe800, 0x800e80],
    [0x253, 0x7e800c01, 0],
    [0x252, 0x80000000, 0xff800000],
    [0x252, 0x3f, 0x7f800000],
    [0x252, 0xbf800000, 0xffc00000],
    [0x252, 0x7f800000, 0],
    [0x252, 0xff800000, 0xffc00000],
  ] as const;
  for (const [op, x, result] of edges) {
    if (x === 0x7e7fe800) assert.ok(estimate(op, x) >= 0x800000, 'not tiny');
    else assert.is(estimate(op, x), result, `${op.toString(16)} ${x.toString(16)}`);
  }
});

test('CRC32 accumulates the Castagnoli polynomial', () => {
  let crc = 0xffffffff;
  for (const ch of '123456789') crc = core.crc32c(crc, BigInt(ch.charCodeAt(0)), 1) >>> 0;
  assert.is((crc ^ 0xffffffff) >>> 0, 0xe3069283);
});

test('a memory operand is touched in exactly the bytes that the table gives', () => {
  const record = new Uint8Array(RECORD);
  for (const form of forms.filter((f) => f.mem)) {
    const size = form.wide && form.info & C('INFO_WIDE') ? 8 : (form.info & C('INFO_SIZE')) >> C('INFO_SIZE_SHIFT');
    // Reads: the operand ends where memory does, so one byte more would trap.
    operands.memory = bytes.length - 16;
    enter(record);
    operands.memory = bytes.length - size;
    execute(form, 0);
    if (!(form.info & C('INFO_STORE'))) continue;
    operands.memory = RAM;
    enter(record.fill(0x55));
    bytes.fill(0xaa, RAM, RAM + 32);
    execute(form, 0);
    const touched =
      bytes
        .subarray(RAM, RAM + 32)
        .map((b) => (b === 0xaa ? 0 : 1))
        .lastIndexOf(1) + 1;
    assert.is(touched, size, form.op.toString(16));
  }
});

/** Two pages of RAM at linear 0 and 1000 in 32-bit paging; the second is present or not. */
function pageTables(second: boolean): void {
  const slot = MEMORY_MAP.VM_BASE + VM_AREA.SLOTS;
  memory.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, 1, true);
  memory.setBigUint64(slot, 0n, true);
  memory.setUint32(slot + 8, 16, true);
  memory.setUint32(slot + 12, RAM, true);
  memory.setUint32(RAM + 0x8000, 0x9003, true);
  memory.setUint32(RAM + 0x9000, 0x0003, true);
  memory.setUint32(RAM + 0x9004, second ? 0x1003 : 0, true);
  memory.setBigUint64(at('CR0'), 0x80000011n, true);
  memory.setBigUint64(at('CR3'), 0x8000n, true);
  for (const n of [1, 2]) memory.setUint32(at('SEG_AR', n), 0xc093, true);
  // Touched already: a first access is an exit, which needs an exact instruction boundary.
  bytes.fill(1, MEMORY_MAP.PAGE_FLAGS, MEMORY_MAP.PAGE_FLAGS + 16);
  core.tlbInit(CPU);
  core.modeChanged(CPU);
}

test('MASKMOVDQU writes only what the mask selects and faults before it writes', () => {
  for (let i = 0; i < 16; i++) {
    memory.setUint8(XMM0 + i, i + 1);
    memory.setUint8(XMM1 + i, i === 2 || i === 15 ? 0x80 : 0x7f);
  }
  bytes.fill(0, RAM, RAM + 0x2000);
  pageTables(true);
  core.maskmov(CPU, 0xff8n, XMM0, XMM1, 16);
  assert.is(memory.getUint32(at('EXC'), true), 0);
  assert.equal([...bytes.subarray(RAM + 0xff8, RAM + 0x1008)], [0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16]);

  bytes.fill(0, RAM, RAM + 0x2000);
  pageTables(false);
  core.maskmov(CPU, 0xff8n, XMM0, XMM1, 16);
  assert.is(memory.getUint32(at('EXC'), true), 0x30e, '#PF');
  assert.is(memory.getBigUint64(at('EXC_CR2'), true), 0x1007n);
  assert.is(bytes[RAM + 0xffa], 0);

  memory.setUint32(at('EXC'), 0, true);
  memory.setUint8(XMM1 + 15, 0);
  core.maskmov(CPU, 0xff8n, XMM0, XMM1, 16);
  assert.is(memory.getUint32(at('EXC'), true), 0, 'bytes that are not selected are not checked');
  assert.is(bytes[RAM + 0xffa], 3);
});

test('the dispatch compiles to branch tables', () => {
  const functions = text.split(/^ \(func /m);
  for (const name of ['exec0f', 'exec38']) {
    const body = functions.find((f) => f.startsWith(`$vmm/cpu/core/sse/${name} `)) ?? '';
    assert.match(body, /br_table/);
    assert.ok((body.match(/br_if \$case/g) ?? []).length < 8, `${name} compares opcodes one by one`);
  }
});

test.run();
