/**
 * Instructions beside the arithmetic: random numbers, bases of FS and GS, processor identifiers, cache lines (SDM vol. 2, each instruction); what
 * host.test.ts compares with a processor is there.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Feature, modelFeatures, Vm } from '../../vmm/index.ts';
import { FREE, Guest, type GuestOptions, hex, le } from '../vmm/guest.ts';

const UD = 6;
const GP = 13;
const PF = 14;
const ARITHMETIC = 0x8d5;

/** Runs code to its HLT or a handler's; the vector, or -1. */
function run(options: GuestOptions, prepare?: (g: Guest) => void): { g: Guest; vector: number } {
  const g = new Guest({ ...options, code: `${options.code} f4` });
  prepare?.(g);
  g.run(10_000);
  return { g, vector: g.vector };
}

/** What RDRAND and RDSEED give in a VM of this seed, by turns. */
function numbers(seed: number, count: number): bigint[] {
  const vm = Vm.createSync({ memory: 0x10_0000, seed });
  const v = vm.createVcpu(0);
  // Real mode: rdrand ecx or rdseed ecx; stosd
  vm.ram.write(0x7c00, hex(`${'66 0f c7 f0 66 ab 66 0f c7 f8 66 ab'.repeat(count / 2)} f4`));
  v.setSregs({ cs: { selector: 0, base: 0n, limit: 0xffff, accessRights: 0x9b } });
  v.setRegs({ rip: 0x7c00n, rdi: 0x1000n });
  v.setEvents({ activity: 'active' });
  v.run(10_000);
  return Array.from({ length: count }, (_, i) => {
    const b = vm.ram.view(0x1000 + 4 * i, 4) as Uint8Array;
    return BigInt(new DataView(b.buffer, b.byteOffset).getUint32(0, true));
  });
}

test('RDRAND and RDSEED follow from the seed: the same seed, the same numbers', () => {
  const first = numbers(1, 64);
  assert.equal(numbers(1, 64), first);
  assert.is(new Set(first).size, 64);
  const second = numbers(2, 64);
  assert.ok(second.every((v) => !first.includes(v)));
  const ones = first.reduce((n, v) => n + v.toString(2).replaceAll('0', '').length, 0);
  assert.ok(ones > 850 && ones < 1200, `${ones} of 2048 bits are set`);
});

test('each vCPU starts from a state of its own, which a reset keeps', () => {
  const vm = Vm.createSync({ memory: 0x10_0000, seed: 1 });
  const states = [0, 1, 2].map((n) => {
    const v = vm.createVcpu(n);
    const state = (): string => `${v.state.get('RANDOM', 0)} ${v.state.get('RANDOM', 1)}`;
    const before = state();
    v.reset();
    assert.is(state(), before);
    return before;
  });
  assert.is(new Set(states).size, 3);
});

test('RDRAND and RDSEED set CF and clear the rest; the destination has the operand size', () => {
  for (const op of ['f0', 'f8']) {
    const all = (g: Guest): void => {
      g.vcpu.setRegs({ rax: 0x1111_2222_3333_4444n, rflags: BigInt(ARITHMETIC | 2) });
    };
    const word = run({ code: `66 0f c7 ${op}` }, all);
    assert.is(word.g.reg(0) >> 16n, 0x1111_2222_3333n);
    const double = run({ code: `0f c7 ${op}` }, all);
    assert.is(double.g.reg(0) >> 32n, 0n);
    const quad = run({ code: `48 0f c7 ${op}` }, all);
    assert.is.not(quad.g.reg(0) >> 32n, 0x1111_2222n);
    for (const { g, vector } of [word, double, quad]) {
      assert.is(vector, -1);
      assert.is(Number(g.vcpu.getRegs().rflags) & ARITHMETIC, 1);
    }
  }
});

test('RDFSBASE and its family', () => {
  const enabled = (g: Guest): void => {
    const s = g.vcpu.state;
    s.set('CR4', s.get('CR4') | 0x10000n);
    s.set('SEG_BASE', 0x1234_5678_9abcn, 4);
    s.set('SEG_BASE', 0xffff_8000_0000_0000n, 5);
    g.vcpu.setRegs({ rax: 0xffff_ffff_ffff_ffffn, rcx: 0x7fff_ffff_f000n, rdx: 0x0200_0000_0000_0000n });
  };
  const base = (code: string, seg: number): bigint => {
    const { g, vector } = run({ code, cpl: 3, mode: 'long' }, enabled);
    // HLT at level 3.
    assert.is(vector, GP, code);
    return seg < 0 ? g.reg(0) : g.vcpu.state.get('SEG_BASE', seg);
  };
  assert.is(base('f3 48 0f ae c0', -1), 0x1234_5678_9abcn);
  assert.is(base('f3 0f ae c0', -1), 0x5678_9abcn);
  assert.is(base('f3 48 0f ae c8', -1), 0xffff_8000_0000_0000n);
  assert.is(base('f3 48 0f ae d1', 4), 0x7fff_ffff_f000n);
  assert.is(base('f3 0f ae d0', 4), 0xffff_ffffn);
  assert.is(base('f3 48 0f ae d9', 5), 0x7fff_ffff_f000n);
  // 66 is no operand size here.
  assert.is(base('66 f3 0f ae c0', -1), 0x5678_9abcn);
  assert.is(base('f3 48 0f ae d2', 4), 0x1234_5678_9abcn, 'a base that is not canonical is #GP(0)');
  assert.is(run({ code: 'f3 48 0f ae c0' }).vector, UD, 'without CR4.FSGSBASE');
  assert.is(run({ code: 'f3 0f ae c0', mode: 'compat' }, enabled).vector, UD, 'outside 64-bit code');
});

test('a new base of FS is used at once', () => {
  const { g } = run({ code: `b8 ${le(FREE, 4)} f3 48 0f ae d0 64 48 8b 0c 25 08 00 00 00` }, (x) => {
    x.vcpu.state.set('CR4', x.vcpu.state.get('CR4') | 0x10000n);
    x.put64(FREE + 8, 0x1122_3344_5566_7788n);
  });
  assert.is(g.reg(1), 0x1122_3344_5566_7788n);
});

test('RDPID is TSC_AUX, at any privilege', () => {
  const { g } = run({ code: 'f3 0f c7 f8', cpl: 3 }, (x) => {
    x.vcpu.state.set('TSC_AUX', 0x89ab_cdefn);
    x.vcpu.setRegs({ rax: 0xffff_ffff_ffff_ffffn });
  });
  assert.is(g.reg(0), 0x89ab_cdefn);
});

test('TSC_AUX is there with RDTSCP or RDPID', () => {
  const without = modelFeatures('v1').filter((name) => name !== 'rdtscp');
  const read = (cpu: readonly Feature[]): number => run({ cpu, code: 'b9 03 01 00 c0 0f 32 0f 30' }).vector;
  assert.is(read(without), GP);
  assert.is(read([...without, 'rdpid']), -1);
  assert.is(read([...without, 'rdtscp']), -1);
});

test('CLFLUSH CLFLUSHOPT CLWB check as a byte load does, and load nothing', () => {
  for (const code of ['0f ae 3b', '66 0f ae 3b', '66 0f ae 33']) {
    const at = (address: number | bigint, prepare?: (g: Guest) => void): ReturnType<typeof run> =>
      run({ code, unclaimed: 'exit' } as GuestOptions, (g) => {
        prepare?.(g);
        g.vcpu.setRegs({ rbx: BigInt(address) });
      });
    assert.is(at(FREE + 1).vector, -1, code);
    assert.is(at(FREE, (g) => g.put64(g.pte(FREE), 0)).vector, PF, code);
    assert.is(at(FREE, (g) => g.put64(g.pte(FREE), FREE | 5)).vector, -1, `${code}: read-only`);
    assert.is(at(1n << 60n).vector, GP, code);
    // Beyond RAM: a device would be asked.
    const { g, vector } = at(0x50_0000);
    assert.is(vector, -1, code);
    assert.is(g.count(49), 0, `${code}: no device is asked`);
  }
});

test('CMPXCHG16B wants 16-byte alignment', () => {
  const { vector } = run({ code: '48 0f c7 0b' }, (g) => g.vcpu.setRegs({ rbx: BigInt(FREE + 8) }));
  assert.is(vector, GP);
});

test('BMI is #UD in real and virtual-8086 mode, where C4 with a register is no VEX', () => {
  for (const mode of ['real', 'vm86'] as const) assert.is(run({ mode, code: 'c4 e2 78 f2 c1' }).vector, UD, mode);
  assert.is(run({ mode: 'prot32', code: 'c4 e2 78 f2 c1' }).vector, -1);
  assert.is(run({ mode: 'prot16', code: 'c4 e2 78 f2 c1' }).vector, -1);
});

test('MULX with one register for both halves keeps the high one', () => {
  const { g } = run({ code: 'c4 e2 fb f6 c1' }, (x) => x.vcpu.setRegs({ rdx: 1n << 63n, rcx: 6n }));
  assert.is(g.reg(0), 3n);
});

test.run();
