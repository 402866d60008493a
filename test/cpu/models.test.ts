/**
 * Each processor model executes the instructions of its extensions and no others, and takes the control bits of its features and no others: what
 * CPUID hides is #UD, or what older processors made of it, or #GP(0).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_MODELS, type CpuModel, type Feature, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { ISA } from '../../vmm/cpu/layout.ts';
import { FREE, Guest, type GuestOptions } from '../vmm/guest.ts';

const UD = 6;
const GP = 13;

/** One or more encodings of each extension, which complete where it is there; [rbx] is aligned memory, the other registers are 0. */
const INSTRUCTIONS: Partial<Record<Feature, string>> = {
  sse3: 'f2 0f d0 c1, f2 0f 7c c1, f3 0f 12 c1, f2 0f f0 03, db 0b',
  ssse3: '66 0f 38 00 c1, 0f 38 1c c1, 66 0f 3a 0f c1 01',
  sse4_1: '66 0f 38 10 c1, 66 0f 3a 0e c1 01, 66 0f 3a 22 c1 00',
  sse4_2: '66 0f 38 37 c1, f2 0f 38 f1 c1, 66 0f 3a 63 c1 00',
  popcnt: 'f3 0f b8 c1',
  cx16: '48 0f c7 0b',
  lahf_lm: '9e, 9f',
  aes: '66 0f 38 dc c1, 66 0f 3a df c1 00',
  pclmulqdq: '66 0f 3a 44 c1 00',
  sha_ni: '0f 38 c8 c1, 0f 3a cc c1 00',
  movbe: '0f 38 f0 03, 66 0f 38 f1 03',
  adx: '66 0f 38 f6 c1, f3 0f 38 f6 c1',
  bmi1: 'c4 e2 78 f2 c1, c4 e2 78 f3 c9, c4 e2 78 f7 c1',
  bmi2: 'c4 e2 78 f5 c1, c4 e2 7b f6 c1, c4 e3 7b f0 c1 00, c4 e2 79 f7 c1',
  rdrand: '0f c7 f0',
  rdseed: '0f c7 f8',
  fsgsbase: 'f3 0f ae c0, f3 48 0f ae d0',
  rdpid: 'f3 0f c7 f8',
  clflushopt: '66 0f ae 3b',
  clwb: '66 0f ae 33',
  xsave: '0f ae 23, 0f ae 2b, 0f 01 d0',
  xsaveopt: '0f ae 33',
  xsavec: '0f c7 23',
  avx: 'c5 f8 58 c1, c5 f8 77, c4 e2 7d 17 c1',
  avx2: 'c5 fd fe c1, c4 e2 79 47 c1',
  fma: 'c4 e2 71 98 c2, c4 e2 f5 b8 c2',
  f16c: 'c4 e2 79 13 c1, c4 e3 79 1d c1 00',
  pku: '0f 01 ee, 0f 01 ef',
  invpcid: '66 0f 38 82 03',
  rdtscp: '0f 01 f9',
  smap: '0f 01 ca, 0f 01 cb',
};
/** Encodings of older instructions otherwise. */
const OTHERWISE: readonly Feature[] = ['abm'];

/** One guest of each: making one costs more than running it. */
const guests = new Map<string, Guest>();
function guest(model: CpuModel, mode: GuestOptions['mode'] = 'long'): Guest {
  const key = `${model} ${mode}`;
  const g = guests.get(key) ?? new Guest({ cpu: model, mode });
  guests.set(key, g);
  return g;
}

/** The vector of one instruction, or -1. Control bits are set past the checks: here CPUID alone decides. */
function execute(g: Guest, code: string, rax = 0n): number {
  g.enter({ code: `${code} f4` });
  const { state } = g.vcpu;
  // OSXSAVE FSGSBASE PKE.
  state.set('CR4', state.get('CR4') | 0x450000n);
  state.set('XCR0', 7n);
  g.vcpu.setRegs({ rbx: BigInt(FREE), rax, rcx: 0n, rdx: 0n });
  g.put(FREE, new Uint8Array(1024));
  g.run();
  return g.vector;
}

test('the table has every extension that the decoder asks for', () => {
  const missing = Object.keys(ISA).filter((name) => name !== 'sse2' && !(name in INSTRUCTIONS) && !OTHERWISE.includes(name as Feature));
  assert.equal(missing, []);
});

test('instructions are there when the model has their feature, and else #UD', () => {
  for (const model of CPU_MODELS) {
    const features = modelFeatures(model);
    const g = guest(model);
    for (const [feature, codes] of Object.entries(INSTRUCTIONS)) {
      const there = features.includes(feature as Feature);
      for (const code of codes.split(', ')) assert.is(execute(g, code), there ? -1 : UD, `${model}: ${feature}, ${code}`);
    }
  }
});

test('LZCNT and TZCNT are BSR and BSF where they are hidden', () => {
  for (const model of CPU_MODELS) {
    const features = modelFeatures(model);
    const g = guest(model);
    // Of the lowest bit: no zero above but 31 of them; of 0: the width, or nothing is written.
    assert.is(execute(g, 'b9 01 00 00 00 f3 0f bd c1', 5n), -1);
    assert.is(g.reg(0), features.includes('abm') ? 31n : 0n, model);
    assert.is(execute(g, 'f3 0f bc c1', 5n), -1);
    assert.is(g.reg(0), features.includes('bmi1') ? 32n : 5n, model);
  }
});

test('CR4 takes the bits of the features', () => {
  const bits: readonly (readonly [number, Feature, GuestOptions['mode']])[] = [
    [0, 'vme', 'long'],
    [9, 'fxsr', 'long'],
    [11, 'umip', 'long'],
    [12, 'la57', 'prot32'],
    [16, 'fsgsbase', 'long'],
    [17, 'pcid', 'long'],
    [18, 'xsave', 'long'],
    [20, 'smep', 'prot32'],
    [21, 'smap', 'prot32'],
    [22, 'pku', 'long'],
  ];
  // VMXE SMXE CET, and those that nobody has.
  const never = [13, 14, 15, 19, 23, 24, 25, 28, 31];
  for (const model of CPU_MODELS) {
    const features = modelFeatures(model);
    const set = (bit: number, mode: GuestOptions['mode']): number => {
      const g = guest(model, mode);
      g.enter({ code: '0f 22 e0 f4' });
      g.vcpu.setRegs({ rax: g.vcpu.state.get('CR4') ^ (1n << BigInt(bit)) });
      g.run();
      return g.vector;
    };
    for (const [bit, feature, mode] of bits) assert.is(set(bit, mode), features.includes(feature) ? -1 : GP, `${model}: CR4[${bit}]`);
    for (const bit of never) assert.is(set(bit, 'long'), GP, `${model}: CR4[${bit}]`);
  }
});

test('XCR0 takes the bits of the features', () => {
  for (const model of CPU_MODELS) {
    const features = modelFeatures(model);
    if (!features.includes('xsave')) continue;
    const g = guest(model);
    const set = (value: bigint): number => execute(g, '0f 01 d1', value);
    assert.is(set(3n), -1, model);
    assert.is(set(7n), features.includes('avx') ? -1 : GP, model);
    assert.is(set(0x203n), features.includes('pku') ? -1 : GP, model);
    // MPX, AVX-512, PT, AMX.
    for (const bit of [3, 4, 5, 6, 7, 8, 10, 17, 18, 31]) assert.is(set(3n | (1n << BigInt(bit))), GP, `${model}: XCR0[${bit}]`);
  }
});

test('EFER takes the bits of the features', () => {
  for (const model of CPU_MODELS) {
    const g = guest(model);
    const set = (bit: number): number => {
      g.enter({ code: 'b9 80 00 00 c0 0f 30 f4' });
      g.vcpu.setRegs({ rax: 0xd01n ^ (1n << BigInt(bit)) });
      g.run();
      return g.vector;
    };
    assert.is(set(0), -1, model);
    assert.is(set(11), -1, model);
    for (const bit of [1, 9, 12, 13, 14, 15, 16]) assert.is(set(bit), GP, `${model}: EFER[${bit}]`);
  }
});

test('the levels are those of the x86-64 psABI, each with what is below it', () => {
  const levels: Partial<Record<CpuModel, readonly Feature[]>> = {
    v1: ['cmov', 'cx8', 'fpu', 'fxsr', 'mmx', 'syscall', 'sse', 'sse2'],
    v2: ['cx16', 'lahf_lm', 'popcnt', 'sse3', 'sse4_1', 'sse4_2', 'ssse3'],
    v3: ['abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave'],
  };
  for (const [model, wanted] of Object.entries(levels)) {
    const have = modelFeatures(model as CpuModel);
    assert.equal(
      wanted.filter((name) => !have.includes(name)),
      [],
      model,
    );
  }
  CPU_MODELS.forEach((model, i) => {
    const below = CPU_MODELS[i - 1];
    if (below !== undefined) assert.ok(modelFeatures(below).every((name) => modelFeatures(model).includes(name)));
    assert.is(new Set(modelFeatures(model)).size, modelFeatures(model).length, `${model} lists nothing twice`);
  });
});

test.run();
