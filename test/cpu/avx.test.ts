/** What VEX-encoded vector instructions need, refuse, and leave behind when they fault. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Vm } from '../../vmm/index.ts';
import { ISA } from '../../vmm/cpu/layout.ts';
import { AT, AvxCore, MIDDLE, RECORD, SECOND, type Way } from './avx-core.ts';

const UD = 6;
const NM = 7;
const GP = 13;
const PF = 14;
const AC = 17;

const machine = new AvxCore();
let before = new Uint8Array(RECORD);
let after = new Uint8Array(RECORD);

/** A record whose bytes all differ from their neighbours. */
function record(code: readonly number[]): Uint8Array {
  before = Uint8Array.from({ length: RECORD }, (_, i) => (i * 37 + 11) & 0xff);
  before.fill(0, 0, AT.GPR);
  before.set(code, 0);
  before[AT.LENGTH] = code.length;
  new DataView(before.buffer).setUint32(AT.MXCSR, 0x1f80, true);
  new DataView(before.buffer).setUint32(AT.FLAGS, 2, true);
  return before;
}
/** Runs the record at hand and returns the vector it ended in. */
function run(way: Way = {}): number {
  after = new Uint8Array(RECORD);
  machine.run(before, after, 0, way);
  return after[AT.VECTOR] as number;
}
const runs = (code: readonly number[], way: Way = {}): number => {
  record(code);
  return run(way);
};
const ymm = (r: Uint8Array, n: number): Uint8Array => r.slice(AT.YMM + 32 * n, AT.YMM + 32 * n + 32);
const setYmm = (n: number, values: readonly number[]): void => {
  const view = new DataView(before.buffer);
  values.forEach((v, i) => {
    view.setInt32(AT.YMM + 32 * n + 4 * i, v, true);
  });
};
const memory = (r: Uint8Array, from: number, bytes: number): Uint8Array => r.slice(AT.MEM + from, AT.MEM + from + bytes);

test.before.each(() => {
  machine.field('CR0', 0x80010033n);
  machine.field('CR4', 0x40620n);
  machine.field('XCR0', 7n);
  machine.extensions(0xffff_ffff);
  machine.present(true);
});

const VADDPS = [0xc5, 0xec, 0x58, 0xcb]; // ymm1, ymm2, ymm3
const VMOVUPS = [0xc5, 0xfc, 0x10, 0x0e]; // ymm1, [rsi]
const VZEROUPPER = [0xc5, 0xf8, 0x77];
const MULTIPLE = [VADDPS, VMOVUPS, VZEROUPPER];

test('without CR4.OSXSAVE, or without SSE and AVX in XCR0, they are #UD', () => {
  for (const code of MULTIPLE) assert.is(runs(code), 0);
  machine.field('CR4', 0x620n);
  for (const code of MULTIPLE) assert.is(runs(code), UD);
  machine.field('CR4', 0x40620n);
  for (const xcr0 of [1n, 3n]) {
    machine.field('XCR0', xcr0);
    for (const code of MULTIPLE) assert.is(runs(code), UD);
  }
});

test('CR0.TS is #NM, before the operand is looked at; CR0.EM has no say', () => {
  machine.field('CR0', 0x8001003bn);
  machine.present(false);
  for (const code of MULTIPLE) assert.is(runs(code), NM);
  machine.field('CR0', 0x80010037n);
  machine.present(true);
  for (const code of MULTIPLE) assert.is(runs(code), 0);
});

test('66, F2, F3, LOCK and REX before VEX are #UD; segment and address size prefixes are not', () => {
  for (const prefix of [0x66, 0xf2, 0xf3, 0xf0, 0x40, 0x48]) assert.is(runs([prefix, ...VADDPS]), UD, prefix.toString(16));
  for (const prefix of [0x64, 0x2e, 0x67]) assert.is(runs([prefix, ...VADDPS]), 0, prefix.toString(16));
});

test('reserved maps, vvvv where it is no operand, and lengths that an instruction has not are #UD', () => {
  for (let map = 0; map < 32; map++) assert.is(runs([0xc4, 0xe0 | map, 0x68, 0x58, 0xcb]), map === 1 ? 0 : UD, `map ${map}`);
  // VMOVUPS with vvvv = ymm2; VPHMINPOSUW and VMOVD of 256 bits; VINSERTF128 of 128; VPERMQ with W = 0; VMOVNTPS between registers.
  assert.is(runs([0xc5, 0xec, 0x10, 0x0e]), UD);
  assert.is(runs([0xc4, 0xe2, 0x79, 0x41, 0xca]), 0);
  assert.is(runs([0xc4, 0xe2, 0x7d, 0x41, 0xca]), UD);
  assert.is(runs([0xc5, 0xfd, 0x6e, 0xc8]), UD);
  assert.is(runs([0xc4, 0xe3, 0x6d, 0x18, 0xcb, 1]), 0);
  assert.is(runs([0xc4, 0xe3, 0x69, 0x18, 0xcb, 1]), UD);
  assert.is(runs([0xc4, 0xe3, 0xfd, 0x00, 0xca, 1]), 0);
  assert.is(runs([0xc4, 0xe3, 0x7d, 0x00, 0xca, 1]), UD);
  assert.is(runs([0xc5, 0xf8, 0x2b, 0xca]), UD);
});

test('each extension hides its own instructions', () => {
  const all = 0xffff_ffff;
  const VPADDB128 = [0xc5, 0xe9, 0xfc, 0xcb];
  const VPADDB256 = [0xc5, 0xed, 0xfc, 0xcb];
  const BROADCAST_MEMORY = [0xc4, 0xe2, 0x7d, 0x18, 0x0e];
  const BROADCAST_REGISTER = [0xc4, 0xe2, 0x7d, 0x18, 0xca];
  const VAESENC = [0xc4, 0xe2, 0x69, 0xdc, 0xcb];
  const FMA = [0xc4, 0xe2, 0x69, 0x98, 0xcb];
  const F16C = [0xc4, 0xe2, 0x79, 0x13, 0xca];
  const without = (bit: number, code: readonly number[]): number => {
    machine.extensions(all & ~bit);
    return runs(code);
  };
  for (const code of [VPADDB128, VPADDB256, BROADCAST_MEMORY, VAESENC]) assert.is(without(ISA.avx | ISA.avx2, code), UD);
  assert.is(without(ISA.avx2, VPADDB128), 0);
  assert.is(without(ISA.avx2, VPADDB256), UD);
  assert.is(without(ISA.avx2, BROADCAST_MEMORY), 0);
  assert.is(without(ISA.avx2, BROADCAST_REGISTER), UD);
  assert.is(without(ISA.aes, VAESENC), UD);
  assert.is(without(ISA.fma, FMA), UD);
  assert.is(without(ISA.f16c, F16C), UD);
  for (const code of [VPADDB256, BROADCAST_REGISTER, VAESENC, FMA, F16C]) assert.is(without(0, code), 0);
});

test('real mode has no VEX, and LES and LDS there have no registers', () => {
  const vm = Vm.createSync({ memory: '1M' });
  const vcpu = vm.createVcpu(0);
  const vector = (code: readonly number[]): number => {
    for (let v = 0; v < 32; v++) {
      vm.ram.write(4 * v, Uint8Array.of((0x800 + v) & 255, 8, 0, 0));
      vm.ram.write(0x800 + v, Uint8Array.of(0xf4));
    }
    vm.ram.write(0x1000, Uint8Array.of(...code, 0xf4));
    const { cs } = vcpu.getSregs();
    vcpu.setSregs({ cs: { ...cs, selector: 0, base: 0n }, cr0: 0x10n, cr4: 0x40600n });
    vcpu.setRegs({ rflags: 2n, rsp: 0x7000n, rip: 0x1000n });
    vcpu.setEvents({ activity: 'active' });
    vcpu.run();
    const { rip } = vcpu.getRegs();
    return rip === BigInt(0x1001 + code.length) ? 0 : Number(rip) - 0x801;
  };
  assert.is(vector(VZEROUPPER), UD);
  assert.is(vector([0xc4, 0xe2, 0x68, 0xf2, 0xcb]), UD);
  assert.is(vector([0xc5, 0x0e, 0x00, 0x20]), 0);
});

test('32-bit code has eight registers: VZEROUPPER and VZEROALL leave the others alone', () => {
  for (const [code, low] of [
    [VZEROUPPER, 16],
    [[0xc5, 0xfc, 0x77], 0],
  ] as const) {
    assert.is(runs(code, { bits: 32 }), 0);
    for (let n = 0; n < 16; n++) {
      const expected = ymm(before, n);
      if (n < 8) expected.fill(0, low);
      assert.equal(ymm(after, n), expected, `ymm${n}`);
    }
  }
  // C5 with R or vvvv beyond 7 is LDS; C4 ignores B there: VADDPS ymm1, ymm2, ymm11 is ymm3.
  assert.is(runs([0xc4, 0xc1, 0x6c, 0x58, 0xcb], { bits: 32 }), 0);
  const ignored = ymm(after, 1);
  assert.is(runs(VADDPS, { bits: 32 }), 0);
  assert.equal(ignored, ymm(after, 1));
});

test('legacy SSE leaves the upper half of a register alone, 128-bit AVX clears it', () => {
  assert.is(runs([0x0f, 0x57, 0xca]), 0); // XORPS xmm1, xmm2
  assert.equal(ymm(after, 1).slice(16), ymm(before, 1).slice(16));
  assert.is(runs([0xc5, 0xf0, 0x57, 0xca]), 0); // VXORPS xmm1, xmm1, xmm2
  assert.equal(ymm(after, 1).slice(16), new Uint8Array(16));
});

test('VRCP and VRSQRT give what RCP and RSQRT give in each lane', () => {
  // RCPPS and RSQRTPS xmm1, xmm2 against ymm1, ymm2; scalar forms merge with ymm3.
  for (const opcode of [0x52, 0x53]) {
    const numbers = [0x3f800000, 0x40490fdb, 0x7f800000, 0, 0x00000001, 0x7fc12345, 0x4b000001, 0x3eaaaaab];
    record([0x0f, opcode, 0xca]);
    setYmm(2, numbers);
    assert.is(run(), 0);
    const low = ymm(after, 1).slice(0, 16);
    record([0x0f, opcode, 0xca]);
    setYmm(2, numbers.slice(4));
    assert.is(run(), 0);
    const high = ymm(after, 1).slice(0, 16);
    for (const [code, expected] of [
      [[0xc5, 0xfc, opcode, 0xca], () => [...low, ...high]],
      [[0xc5, 0xf8, opcode, 0xca], () => [...low, ...new Uint8Array(16)]],
      [[0xc5, 0xe2, opcode, 0xca], () => [...low.slice(0, 4), ...ymm(before, 3).slice(4, 16), ...new Uint8Array(16)]],
    ] as const) {
      record(code);
      setYmm(2, numbers);
      assert.is(run(), 0);
      assert.equal(ymm(after, 1), Uint8Array.from(expected()));
    }
  }
});

test('VMOVAPS of 32 bytes wants 32 bytes alignment, VADDPS none', () => {
  // The operand stands 32 bytes before a page's end.
  assert.is(runs([0xc5, 0xfc, 0x28, 0x0e]), 0);
  assert.is(runs([0xc5, 0xfc, 0x28, 0x4e, 0x10]), GP);
  assert.is(runs([0xc5, 0xf8, 0x28, 0x4e, 0x10]), 0);
  assert.is(runs([0xc5, 0xfc, 0x29, 0x4e, 0x10]), GP);
  assert.is(runs([0xc5, 0xec, 0x58, 0x4e, 0x11]), 0);
});

test('an operand whose second page is missing is #PF there, with nothing written', () => {
  machine.present(false);
  for (const code of [
    [0xc5, 0xfc, 0x10, 0x4e, 0x11], // VMOVUPS ymm1, [rsi+11h]
    [0xc5, 0xfc, 0x11, 0x4e, 0x11], // VMOVUPS [rsi+11h], ymm1
  ]) {
    assert.is(runs(code), PF);
    assert.is(machine.faulted, SECOND);
    assert.equal(after.slice(AT.GPR), before.slice(AT.GPR));
  }
});

test('a masked move touches what its mask selects, and nothing else', () => {
  machine.present(false);
  const load = [0xc4, 0xe2, 0x6d, 0x2c, 0x4e, 0x10]; // VMASKMOVPS ymm1, ymm2, [rsi+10h]: elements 4 to 7 are in the second page
  const store = [0xc4, 0xe2, 0x6d, 0x2e, 0x4e, 0x10];
  record(load);
  setYmm(2, [-1, 0, 0x7fffffff, -2147483648, 0, 0, 1, 0]);
  assert.is(run(), 0);
  const expected = new Uint8Array(32);
  expected.set(memory(before, MIDDLE + 16, 4), 0);
  expected.set(memory(before, MIDDLE + 28, 4), 12);
  assert.equal(ymm(after, 1), expected);
  for (const code of [load, store]) {
    record(code);
    setYmm(2, [-1, 0, 0, 0, 0, -1, 0, 0]);
    assert.is(run(), PF);
    assert.is(machine.faulted, SECOND + 4);
    assert.equal(after.slice(AT.GPR), before.slice(AT.GPR));
  }
  record(store);
  setYmm(2, [0, -1, 0, 0, 0, 0, 0, 0]);
  assert.is(run(), 0);
  const wanted = before.slice(AT.MEM, AT.YMM);
  wanted.set(ymm(before, 1).slice(4, 8), MIDDLE + 20);
  assert.equal(after.slice(AT.MEM, AT.YMM), wanted);
});

const GATHER = [0xc4, 0xe2, 0x6d, 0x90, 0x0c, 0x9e]; // VPGATHERDD ymm1, [rsi+ymm3*4], ymm2

test('a gather that faults keeps what it has and goes on where it was', () => {
  machine.present(false);
  record(GATHER);
  setYmm(2, [-1, -1, 0, -1, -1, 0, -1, -1]);
  setYmm(3, [0, 1, 100000, 2, 9, 100000, 3, 10]);
  assert.is(run(), PF);
  assert.is(machine.faulted, SECOND + 4);
  const view = new DataView(after.buffer);
  const mask = Array.from({ length: 8 }, (_, i) => view.getInt32(AT.YMM + 64 + 4 * i, true));
  assert.equal(mask, [0, 0, 0, 0, -1, 0, -1, -1]);
  for (const [element, index] of [
    [0, 0],
    [1, 1],
    [3, 2],
  ] as const)
    assert.equal(after.slice(AT.YMM + 32 + 4 * element, AT.YMM + 36 + 4 * element), memory(before, MIDDLE + 4 * index, 4));
  assert.equal(ymm(after, 1).slice(8, 12), ymm(before, 1).slice(8, 12));
  // Again, from the state that the fault left.
  machine.present(true);
  const first = before;
  after.set(before.slice(0, AT.GPR));
  before = after;
  assert.is(run(), 0);
  const expected = ymm(first, 1);
  [0, 1, undefined, 2, 9, undefined, 3, 10].forEach((index, i) => {
    if (index !== undefined) expected.set(memory(first, MIDDLE + 4 * index, 4), 4 * i);
  });
  assert.equal(ymm(after, 1), expected);
  assert.equal(ymm(after, 2), new Uint8Array(32));
});

test('a gather with two registers the same, or without a SIB byte, is #UD', () => {
  assert.is(runs([0xc4, 0xe2, 0x75, 0x90, 0x0c, 0x9e]), UD); // mask ymm1
  assert.is(runs([0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x9e]), UD); // mask ymm3
  assert.is(runs([0xc4, 0xe2, 0x6d, 0x90, 0x0c, 0x8e]), UD); // index ymm1
  assert.is(runs([0xc4, 0xe2, 0x6d, 0x90, 0x0e]), UD);
});

test('vectors reach devices in pieces of up to 8 bytes, each once and in order', () => {
  machine.deviceBehind();
  machine.device.bytes.forEach((_, i) => {
    machine.device.bytes[i] = 0x80 + i;
  });
  const there = machine.device.bytes.slice();
  // VMOVUPS ymm1, [rsi+14h]: 12 bytes of memory, 20 of the device.
  assert.is(runs([0xc5, 0xfc, 0x10, 0x4e, 0x14]), 0);
  assert.equal(ymm(after, 1), Uint8Array.of(...memory(before, MIDDLE + 0x14, 12), ...there.slice(0, 20)));
  assert.equal(machine.device.accesses, ['read 0 8', 'read 8 8', 'read 16 4']);
  // VMASKMOVPS [rsi+10h], ymm2, ymm1: elements 1, 4 and 6.
  machine.device.accesses.length = 0;
  record([0xc4, 0xe2, 0x6d, 0x2e, 0x4e, 0x10]);
  setYmm(2, [0, -1, 0, 0, -1, 0, -1, 0]);
  assert.is(run(), 0);
  assert.equal(memory(after, MIDDLE + 0x14, 4), ymm(before, 1).slice(4, 8));
  assert.equal(
    machine.device.bytes.slice(0, 12),
    Uint8Array.of(...ymm(before, 1).slice(16, 20), ...there.slice(4, 8), ...ymm(before, 1).slice(24, 28)),
  );
  assert.equal(machine.device.accesses, ['write 0 4', 'write 8 4']);
  // VPGATHERDD ymm1, [rsi+ymm3*4], ymm2.
  machine.device.accesses.length = 0;
  record(GATHER);
  setYmm(2, [-1, -1, 0, -1, -1, 0, -1, -1]);
  setYmm(3, [9, 0, 0, 8, 1, 0, 12, 10]);
  assert.is(run(), 0);
  const expected = ymm(before, 1);
  [9, 0, undefined, 8, 1, undefined, 12, 10].forEach((index, i) => {
    if (index === undefined) return;
    const from = index < 8 ? memory(before, MIDDLE + 4 * index, 4) : machine.device.bytes.slice(4 * (index - 8), 4 * (index - 8) + 4);
    expected.set(from, 4 * i);
  });
  assert.equal(ymm(after, 1), expected);
  assert.equal(machine.device.accesses, ['read 4 4', 'read 0 4', 'read 16 4', 'read 8 4']);
});

test('masked moves and gathers never check alignment, other elements do', () => {
  machine.field('CR0', 0x80050033n);
  const checked = (code: readonly number[]): number => {
    record(code);
    new DataView(before.buffer).setUint32(AT.FLAGS, 0x40002, true);
    setYmm(2, [-1, -1, 0, 0, 0, 0, 0, 0]);
    setYmm(3, [0, 1, 2, 3, 4, 5, 6, 7]);
    return run({ level: 3 });
  };
  assert.is(checked([0xc4, 0xe2, 0x6d, 0x2c, 0x4e, 0x01]), 0);
  assert.is(checked([0xc4, 0xe2, 0x6d, 0x2e, 0x4e, 0x01]), 0);
  assert.is(checked([0xc4, 0xe2, 0x6d, 0x90, 0x4c, 0x9e, 0x01]), 0);
  assert.is(checked([0xc5, 0xfa, 0x10, 0x4e, 0x01]), AC); // VMOVSS
});

test.run();
