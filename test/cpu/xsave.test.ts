/**
 * The XSAVE feature set: formats, init optimization, what is refused, and CPUID leaf 0DH (SDM vol. 1, chapter 13).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCpuid, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { CODE, FREE, Guest, type GuestOptions } from '../vmm/guest.ts';

const AREA = FREE;
const UD = 6;
const NM = 7;
const GP = 13;
const PF = 14;
const X87 = 1n;
const SSE = 2n;
const AVX = 4n;
const PKRU = 0x200n;
const ALL = X87 | SSE | AVX | PKRU;
const COMPACTED = 1n << 63n;

/** All on [rbx]. */
const XSAVE = '0f ae 23';
const XSAVE64 = '48 0f ae 23';
const XRSTOR = '0f ae 2b';
const XRSTOR64 = '48 0f ae 2b';
const XSAVEOPT64 = '48 0f ae 33';
const XSAVEC64 = '48 0f c7 23';

interface State {
  /** XCR0. */
  readonly enabled?: bigint;
  /** EDX:EAX. */
  readonly mask?: bigint;
  readonly area?: number;
}

function guest(options: GuestOptions = {}): Guest {
  const g = new Guest(options);
  prepare(g);
  return g;
}

/** CR4.OSXSAVE, every component in use. */
function prepare(g: Guest): void {
  const { state } = g.vcpu;
  state.set('CR4', state.get('CR4') | 0x40000n);
  g.vcpu.setFpu({
    fcw: 0x27f,
    fsw: 0x3800,
    ftw: 0x81,
    fop: 0x123,
    fip: 0x1111_2222_3333n,
    fdp: 0x4444_5555_6666n,
    mxcsr: 0x1fa0,
    fpr: Array.from({ length: 8 }, (_, i) => ({ significand: 0x8000_0000_0000_0000n + BigInt(i), exponent: 0x3fff + i })),
    xmm: Array.from({ length: 64 }, (_, i) => BigInt(i + 1) * 0x0101_0101_0101n),
  });
  state.set('PKRU', 0x5555_0000n);
  state.setNumber('FCS', 0x33);
  state.setNumber('FDS', 0x2b);
}

/** One instruction; the vector it ends in, or -1. */
function execute(g: Guest, code: string, s: State = {}): number {
  const { rip: _, ...keep } = g.vcpu.getRegs();
  g.put(CODE, `${code} f4`);
  const mask = s.mask ?? ALL;
  g.vcpu.setRegs({ ...keep, rip: BigInt(CODE), rbx: BigInt(s.area ?? AREA), rax: mask & 0xffff_ffffn, rdx: mask >> 32n, rsp: 0x7000n });
  g.vcpu.setEvents({ activity: 'active' });
  g.vcpu.state.set('XCR0', s.enabled ?? ALL);
  g.run();
  return g.vector;
}

const fill = (g: Guest, byte: number, from = AREA, length = 4096): void => g.put(from, new Uint8Array(length).fill(byte));
const stateBv = (g: Guest): bigint => g.read64(AREA + 512);
const compBv = (g: Guest): bigint => g.read64(AREA + 520);
const xmm = (g: Guest, n: number, part: number): bigint => g.vcpu.state.get('XMM', 4 * n + part);

/** Everything initial. */
function initialize(g: Guest): void {
  g.vcpu.setFpu({
    fcw: 0x37f,
    fsw: 0,
    ftw: 0,
    fop: 0,
    fip: 0n,
    fdp: 0n,
    mxcsr: 0x1f80,
    fpr: Array.from({ length: 8 }, () => ({ significand: 0n, exponent: 0 })),
    xmm: new Array(64).fill(0n),
  });
  g.vcpu.state.set('PKRU', 0n);
  g.vcpu.state.setNumber('FCS', 0);
  g.vcpu.state.setNumber('FDS', 0);
}

test('XSAVE writes the components that are asked for, and the bits of no other', () => {
  const g = guest();
  fill(g, 0xcc);
  g.put64(AREA + 512, 0xf0n);
  assert.is(execute(g, XSAVE64), -1);
  assert.is(stateBv(g), 0xf0n | ALL);
  assert.is(compBv(g), 0xcccc_cccc_cccc_ccccn, 'XCOMP_BV is not written');
  assert.is(g.read(AREA, 2), 0x27f);
  assert.is(g.read64(AREA + 8), 0x1111_2222_3333n);
  assert.is(g.read64(AREA + 24), 0xffff_0000_1fa0n);
  assert.is(g.read64(AREA + 160 + 16 * 15), xmm(g, 15, 0));
  assert.is(g.read64(AREA + 416), 0xcccc_cccc_cccc_ccccn, 'bytes 511:416 are not written');
  assert.is(g.read64(AREA + 576 + 16 * 3 + 8), xmm(g, 3, 3));
  assert.is(g.read64(AREA + 832), 0x5555_0000n);
  assert.is(g.read(AREA + 840, 1), 0xcc);
  for (const [mask, at] of [
    [X87, 0],
    [SSE, 160],
    [AVX, 576],
    [PKRU, 832],
  ] as const) {
    fill(g, 0xcc);
    assert.is(execute(g, XSAVE64, { mask }), -1);
    assert.is(stateBv(g) & ALL, mask | (0xccn & ALL & ~mask));
    for (const other of [0, 160, 576, 832]) assert.is(g.read(AREA + other, 2) !== 0xcccc, other === at, `${mask}: ${other}`);
    assert.is(g.read(AREA + 24, 4) === 0x1fa0, mask === SSE || mask === AVX, 'MXCSR goes with SSE and AVX');
  }
});

test('the pointers are segment and offset without REX.W', () => {
  const g = guest();
  fill(g, 0);
  execute(g, XSAVE);
  assert.is(g.read64(AREA + 8), 0x33_2222_3333n);
  assert.is(g.read64(AREA + 16), 0x2b_5555_6666n);
  execute(g, XRSTOR);
  assert.is(g.vcpu.getFpu().fip, 0x2222_3333n);
  assert.is(g.vcpu.state.number('FCS'), 0x33);
  execute(g, XRSTOR64);
  assert.is(g.vcpu.getFpu().fip, 0x33_2222_3333n);
});

test('what XCR0 does not enable is not touched', () => {
  const g = guest();
  fill(g, 0);
  execute(g, XSAVE64, { enabled: 3n, mask: 0xffff_ffff_ffff_ffffn });
  assert.is(stateBv(g), 3n);
  assert.is(g.read64(AREA + 576), 0n);
});

test('XRSTOR of what XSAVE wrote gives the state back, in both formats', () => {
  for (const [save, format] of [
    [XSAVE64, 0n],
    [XSAVEOPT64, 0n],
    [XSAVEC64, COMPACTED | ALL],
  ] as const) {
    const g = guest();
    fill(g, 0);
    const before = g.vcpu.getFpu();
    assert.is(execute(g, save), -1);
    assert.is(compBv(g), format);
    initialize(g);
    assert.is(execute(g, XRSTOR64), -1);
    assert.equal(g.vcpu.getFpu(), before);
    assert.is(g.vcpu.state.number('PKRU'), 0x5555_0000);
  }
});

test('a component of which XSTATE_BV says nothing becomes initial', () => {
  const g = guest();
  fill(g, 0);
  g.put64(AREA + 24, 0x1f00n);
  assert.is(execute(g, XRSTOR64), -1);
  const f = g.vcpu.getFpu();
  assert.equal([f.fcw, f.fsw, f.ftw, f.fop, f.fip, f.mxcsr], [0x37f, 0, 0, 0, 0n, 0x1f00], 'MXCSR is loaded all the same');
  assert.ok(f.xmm.every((x) => x === 0n));
  assert.ok(f.fpr.every((r) => r.significand === 0n && r.exponent === 0));
  assert.is(g.vcpu.state.number('PKRU'), 0);
  // In the compacted form MXCSR belongs to SSE.
  prepare(g);
  g.put64(AREA + 520, COMPACTED);
  assert.is(execute(g, XRSTOR64, { mask: AVX }), -1);
  assert.is(g.vcpu.getFpu().mxcsr, 0x1fa0);
  assert.is(execute(g, XRSTOR64, { mask: SSE }), -1);
  assert.is(g.vcpu.getFpu().mxcsr, 0x1f80);
});

test('the init optimization: XSAVEOPT and XSAVEC leave out what is initial', () => {
  const g = guest();
  initialize(g);
  for (const code of [XSAVEOPT64, XSAVEC64]) {
    fill(g, 0xcc);
    g.put64(AREA + 512, ALL);
    execute(g, code);
    assert.is(stateBv(g), 0n);
    for (const at of [0, 160, 576, 832]) assert.is(g.read(AREA + at, 2), 0xcccc);
  }
  // XSAVE writes it and says so.
  execute(g, XSAVE64);
  assert.is(stateBv(g), 0n);
  assert.is(g.read(AREA, 2), 0x37f);
  // XSAVEC takes MXCSR for SSE state.
  g.vcpu.setFpu({ mxcsr: 0x1f81 });
  execute(g, XSAVEC64);
  assert.is(stateBv(g), SSE);
  execute(g, XSAVEOPT64);
  assert.is(stateBv(g), 0n);
});

test('compacted components stand behind one another', () => {
  const g = guest();
  fill(g, 0xcc);
  execute(g, XSAVEC64, { mask: X87 | PKRU });
  assert.is(compBv(g), COMPACTED | X87 | PKRU);
  assert.is(g.read64(AREA + 576), 0x5555_0000n);
  g.put(AREA + 528, new Uint8Array(48));
  g.vcpu.state.set('PKRU', 0n);
  assert.is(execute(g, XRSTOR64, { mask: PKRU }), -1);
  assert.is(g.vcpu.state.number('PKRU'), 0x5555_0000);
});

test('outside 64-bit code eight registers are saved and restored', () => {
  const g = guest({ mode: 'compat' });
  fill(g, 0xcc);
  assert.is(execute(g, XSAVE), -1);
  assert.is(g.read64(AREA + 160 + 16 * 7), xmm(g, 7, 0));
  assert.is(g.read64(AREA + 160 + 16 * 8), 0xcccc_cccc_cccc_ccccn);
  assert.is(g.read64(AREA + 576 + 16 * 8), 0xcccc_cccc_cccc_ccccn);
  const old = xmm(g, 9, 2);
  g.put64(AREA + 512, 0);
  g.put64(AREA + 520, 0);
  g.put(AREA + 528, new Uint8Array(48));
  assert.is(execute(g, XRSTOR), -1);
  assert.is(xmm(g, 7, 2), 0n);
  assert.is(xmm(g, 9, 2), old);
});

test('XRSTOR refuses reserved bits and changes nothing', () => {
  const bad: [string, (g: Guest) => void, bigint?][] = [
    ['XSTATE_BV beyond XCR0', (g) => g.put64(AREA + 512, 1n << 10n)],
    ['XSTATE_BV[63]', (g) => g.put64(AREA + 512, 1n << 63n)],
    ['XCOMP_BV without bit 63', (g) => g.put64(AREA + 520, 2n)],
    ['byte 16 of the header', (g) => g.put64(AREA + 528, 1n)],
    ['XCOMP_BV beyond XCR0', (g) => g.put64(AREA + 520, COMPACTED | 8n)],
    ['XSTATE_BV beyond XCOMP_BV', (g) => g.put64(AREA + 520, COMPACTED | 1n)],
    [
      'byte 63 of the compacted header',
      (g) => {
        g.put64(AREA + 520, COMPACTED | ALL);
        g.put64(AREA + 568, 1n << 56n);
      },
    ],
    ['MXCSR', (g) => g.put64(AREA + 24, 0x1_0000n)],
    ['MXCSR by AVX', (g) => g.put64(AREA + 24, 0x8000_0000n), AVX],
  ];
  for (const [what, spoil, mask] of bad) {
    const g = guest();
    fill(g, 0);
    g.put64(AREA + 512, SSE | AVX);
    spoil(g);
    const before = g.vcpu.getFpu();
    assert.is(execute(g, XRSTOR64, { mask: mask ?? ALL }), GP, what);
    assert.equal(g.vcpu.getFpu(), before, what);
  }
  // Not looked at: the standard header's bytes 63:24, MXCSR when neither SSE nor AVX is asked for.
  const g = guest();
  fill(g, 0);
  g.put64(AREA + 536, 1n);
  g.put64(AREA + 24, 0x1_0000n);
  assert.is(execute(g, XRSTOR64, { mask: X87 }), -1);
});

test('alignment, CR0.TS, CR4.OSXSAVE', () => {
  for (const code of [XSAVE64, XRSTOR64, XSAVEOPT64, XSAVEC64]) {
    const g = guest();
    fill(g, 0);
    assert.is(execute(g, code, { area: AREA + 32 }), GP, code);
    g.vcpu.state.set('CR0', g.vcpu.state.get('CR0') | 8n);
    assert.is(execute(g, code, { area: AREA + 32 }), NM, code);
    g.vcpu.state.set('CR4', g.vcpu.state.get('CR4') & ~0x40000n);
    assert.is(execute(g, code), UD, code);
  }
});

test('an area whose second page is missing is not begun', () => {
  for (const code of [XSAVE64, XRSTOR64, XSAVEOPT64, XSAVEC64]) {
    for (const inside of [448, 576, 768]) {
      const g = guest();
      const area = AREA + 0x1000 - inside;
      fill(g, 0, AREA, 0x1000);
      g.put64(area + 512 - (inside < 576 ? 0x1000 : 0), ALL);
      if (inside >= 576) g.put64(area + 512, ALL);
      g.put64(g.pte(AREA + 0x1000), 0);
      const page = (): string => Array.from({ length: 512 }, (_, i) => g.read64(AREA + 8 * i)).join();
      const before = [g.vcpu.getFpu(), page()];
      assert.is(execute(g, code, { area }), PF, `${code}, ${inside} bytes`);
      assert.is(Number(g.vcpu.state.get('CR2')), AREA + 0x1000);
      assert.equal([g.vcpu.getFpu(), page()], before, `${code}, ${inside} bytes`);
    }
  }
});

test('an area in a device is written and read piece by piece, each once', () => {
  const device = 0x50_0000;
  for (const save of [XSAVE64, XSAVEOPT64, XSAVEC64]) {
    const g = guest();
    const before = g.vcpu.getFpu();
    const held = new Uint8Array(1024);
    const bytes = new DataView(held.buffer);
    const writes: number[] = [];
    /** Runs the instruction on the device, which answers from `held`. */
    const serve = (code: string): void => {
      g.put(CODE, `${code} f4`);
      const { rip: _, ...keep } = g.vcpu.getRegs();
      g.vcpu.setRegs({ ...keep, rip: BigInt(CODE), rbx: BigInt(device), rax: ALL & 0xffff_ffffn, rdx: 0n, rsp: 0x7000n });
      g.vcpu.setEvents({ activity: 'active' });
      g.vcpu.state.set('XCR0', ALL);
      let exit = g.run();
      for (; exit.reason === 'mmio'; exit = g.run()) {
        const at = exit.gpa - device;
        if (exit.write) {
          writes.push(at);
          for (let i = 0; i < exit.size; i++) bytes.setUint8(at + i, ((i < 4 ? exit.data : exit.dataHigh) >>> (8 * (i & 3))) & 0xff);
        } else {
          const read = (from: number, n: number): number => {
            let v = 0;
            for (let i = Math.min(n, 4) - 1; i >= 0; i--) v = v * 256 + bytes.getUint8(at + from + i);
            return v;
          };
          exit.data = read(0, exit.size);
          exit.dataHigh = exit.size > 4 ? read(4, exit.size - 4) : 0;
        }
      }
      assert.is(exit.reason, 'hlt', exit.detail);
      assert.is(g.vector, -1, code);
    };
    serve(save);
    assert.is(new Set(writes).size, writes.length, `${save}: no place is written twice`);
    initialize(g);
    serve(XRSTOR64);
    assert.equal(g.vcpu.getFpu(), before, save);
    assert.is(g.vcpu.state.number('PKRU'), 0x5555_0000);
  }
});

test('XSETBV takes what leaf 0DH enumerates; XGETBV of 1 is what is in use', () => {
  const g = guest();
  const set = (value: bigint, ecx = 0n): number => {
    g.put(CODE, '0f 01 d1 f4');
    g.vcpu.setRegs({ rip: BigInt(CODE), rax: value & 0xffff_ffffn, rdx: value >> 32n, rcx: ecx, rsp: 0x7000n });
    g.vcpu.setEvents({ activity: 'active' });
    g.run();
    return g.vector;
  };
  assert.is(set(3n), -1);
  for (const value of [0n, 2n, 1n << 3n, 5n, 1n << 63n, (1n << 63n) | 1n]) assert.is(set(value), GP, `${value}`);
  assert.is(set(3n, 1n), GP);
  assert.is(g.vcpu.state.get('XCR0'), 3n);
  const inUse = (): bigint => {
    g.put(CODE, '0f 01 d0 f4');
    g.vcpu.setRegs({ rip: BigInt(CODE), rcx: 1n, rsp: 0x7000n });
    g.vcpu.setEvents({ activity: 'active' });
    g.run();
    assert.is(g.vector, -1);
    return g.reg(0) | (g.reg(2) << 32n);
  };
  assert.is(inUse(), 3n);
  initialize(g);
  assert.is(inUse(), 0n);
  g.vcpu.setFpu({ mxcsr: 0x1f81 });
  assert.is(inUse(), SSE);
});

test('leaf 0DH tells the size of what XCR0 enables, in either format', () => {
  const g = guest();
  const size = (enabled: bigint, subleaf: number): number => {
    g.put(CODE, '0f a2 f4');
    g.vcpu.setRegs({ rip: BigInt(CODE), rax: 0xdn, rcx: BigInt(subleaf), rsp: 0x7000n });
    g.vcpu.setEvents({ activity: 'active' });
    g.vcpu.state.set('XCR0', enabled);
    g.run();
    return Number(g.reg(3));
  };
  for (const [enabled, standard, compacted] of [
    [1n, 576, 576],
    [3n, 576, 576],
    [7n, 832, 832],
    [0x203n, 840, 584],
    [0x207n, 840, 840],
  ] as const) {
    assert.is(size(enabled, 0), standard, `${enabled}`);
    assert.is(size(enabled, 1), compacted, `${enabled}, compacted`);
  }
});

test('leaf 0DH follows the features', () => {
  const leaf = (features: Parameters<typeof defaultCpuid>[2], subleaf: number): number[] | undefined => {
    const e = defaultCpuid(0, 1, features).find((x) => x.leaf === 0xd && x.subleaf === subleaf);
    return e && [e.eax, e.ebx, e.ecx, e.edx];
  };
  assert.is(leaf(modelFeatures('v2'), 0), undefined);
  assert.equal(leaf(['xsave'], 0), [3, 0, 576, 0]);
  assert.equal(leaf(['xsave', 'avx'], 0), [7, 0, 832, 0]);
  assert.equal(leaf(['xsave', 'avx'], 2), [256, 576, 0, 0]);
  assert.equal(leaf(['xsave', 'pku'], 0), [0x203, 0, 840, 0]);
  assert.equal(leaf(['xsave', 'avx', 'pku'], 9), [8, 832, 0, 0]);
  assert.equal(leaf(['xsave', 'xsaveopt', 'xsavec', 'xgetbv1'], 1), [7, 0, 0, 0]);
});

test.run();
