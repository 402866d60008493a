/** The x87 against the SDM: faults, pending exceptions, environments, FXSAVE, MMX state, accuracy of transcendentals. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { offsetOf } from '../../vmm/cpu/layout.ts';
import { AT, CPU, loadX87 } from './x87core.ts';
import * as exact from './x87exact.ts';

const x87 = await loadX87();
const { fn, bytes, view } = x87;

const UD = 6;
const NM = 7;
const GP = 13;
const PF = 14;
const MF = 16;
const DATA = AT + 0x1000;
const LIMIT = 0x100000;

const reg = (opcode: number, modrm: number) => fn.x87Reg(CPU, opcode & 7, modrm);
const mem = (opcode: number, op: number, at = DATA, size = 4) => fn.x87Mem(CPU, opcode & 7, op, BigInt(at), 3, size);

test.before.each(() => x87.reset());

function push(value: number): void {
  view.setFloat64(DATA + 0x800, value, true);
  mem(0xdd, 0, DATA + 0x800);
}

function popDouble(): number {
  mem(0xdd, 3, DATA + 0x800);
  return view.getFloat64(DATA + 0x800, true);
}

/** All of the vCPU that an x87 instruction may change. */
function snapshot(): string {
  const fields = ['FCW', 'FSW', 'FTW', 'FOP', 'FCS', 'FDS'].map((f) => x87.get16(f));
  const registers = Array.from({ length: 16 }, (_, i) => x87.get64('FPR', i));
  return [...fields, ...registers, x87.get64('FIP'), x87.get64('FDP'), x87.get64('REGS')].join();
}

test('CR0.EM and CR0.TS raise #NM before anything happens', () => {
  for (const bit of [4n, 8n]) {
    x87.set64('CR0', 0x21n | bit);
    const before = snapshot();
    reg(0xd9, 0xe8);
    assert.is(x87.fault(), NM);
    mem(0xdd, 7);
    assert.is(x87.fault(), NM);
    fn.fxsave(CPU, BigInt(DATA), 4);
    assert.is(x87.fault(), NM);
    assert.is(snapshot(), before);
  }
});

test('WAIT raises #NM only for MP and TS together', () => {
  for (const [cr0, vector] of [
    [0x29n, -1],
    [0x23n, -1],
    [0x2bn, NM],
    [0x25n, -1],
  ] as const) {
    x87.set64('CR0', cr0);
    fn.fwait(CPU);
    assert.is(x87.fault(), vector);
  }
});

test('an unmasked exception is reported by the next waiting instruction, with #MF or FERR#', () => {
  view.setUint16(DATA, 0x37b, true);
  mem(0xd9, 5);
  push(1);
  push(0);
  reg(0xde, 0xf9);
  assert.is(x87.fault(), -1);
  assert.is(x87.get16('FSW') & 0x80ff, 0x8084);
  const before = snapshot();
  reg(0xd9, 0xe8);
  assert.is(x87.fault(), MF);
  fn.fwait(CPU);
  assert.is(x87.fault(), MF);
  assert.is(snapshot(), before);
  reg(0xdf, 0xe0);
  assert.is(x87.fault(), -1, 'FNSTSW does not wait');
  assert.is(x87.get64('REGS') & 0xffffn, BigInt(x87.get16('FSW')));
  x87.set64('CR0', 1n);
  const ferrs = x87.ferrs;
  fn.fwait(CPU);
  assert.is(x87.fault(), -1);
  assert.is(x87.ferrs, ferrs + 1);
  reg(0xdb, 0xe2);
  assert.is(x87.get16('FSW') & 0x80ff, 0, 'FNCLEX');
});

test('encodings that no processor has raise #UD', () => {
  const invalid: [number, number, number][] = [
    [0xd9, 0xd1, 0xd7],
    [0xd9, 0xe2, 0xe3],
    [0xd9, 0xe6, 0xe7],
    [0xd9, 0xef, 0xef],
    [0xda, 0xe0, 0xe8],
    [0xda, 0xea, 0xff],
    [0xdb, 0xe5, 0xe7],
    [0xdb, 0xf8, 0xff],
    [0xdd, 0xf0, 0xff],
    [0xde, 0xd8, 0xd8],
    [0xde, 0xda, 0xdf],
    [0xdf, 0xe1, 0xe7],
    [0xdf, 0xf8, 0xff],
  ];
  for (let opcode = 0xd8; opcode < 0xe0; opcode++) {
    for (let modrm = 0xc0; modrm < 0x100; modrm++) {
      const bad = invalid.some(([o, first, last]) => o === opcode && modrm >= first && modrm <= last);
      x87.reset();
      reg(opcode, modrm);
      assert.is(x87.fault(), bad ? UD : -1, `${opcode.toString(16)} ${modrm.toString(16)}`);
    }
  }
  for (const [opcode, op] of [
    [0xd9, 1],
    [0xdb, 4],
    [0xdb, 6],
    [0xdd, 5],
  ] as const) {
    mem(opcode, op);
    assert.is(x87.fault(), UD);
  }
});

test('a memory form that faults changes nothing', () => {
  for (let i = 0; i < 4; i++) push(i + 0.3);
  for (let opcode = 0xd8; opcode < 0xe0; opcode++) {
    for (let op = 0; op < 8; op++) {
      if ((opcode === 0xd9 && op === 1) || (opcode === 0xdb && (op === 4 || op === 6)) || (opcode === 0xdd && op === 5)) continue;
      const before = snapshot();
      mem(opcode, op, LIMIT - 1);
      assert.is(x87.fault(), PF, `${opcode.toString(16)} /${op}`);
      assert.is(snapshot(), before);
    }
  }
  const stores = [
    [10, 0xdb, 7],
    [28, 0xd9, 6],
    [108, 0xdd, 6],
  ] as const;
  for (const [size, opcode, op] of stores) {
    const before = snapshot();
    const tail = bytes.slice(LIMIT - size + 2, LIMIT);
    mem(opcode, op, LIMIT - size + 2);
    assert.is(x87.fault(), PF);
    assert.is(snapshot(), before);
    assert.equal(bytes.slice(LIMIT - size + 2, LIMIT), tail, 'nothing stored either');
  }
});

test('the last-instruction pointers follow non-control instructions', () => {
  x87.set64('RIP', 0x123456789an);
  view.setUint16(CPU + offsetOf('SEG_SEL', 1), 0x33, true);
  fn.x87Mem(CPU, 5, 0 | (0x05 << 8), BigInt(DATA), 3, 4);
  assert.is(x87.get64('FIP'), 0x123456789an);
  assert.is(x87.get64('FDP'), BigInt(DATA));
  assert.is(x87.get16('FCS'), 0x33);
  x87.set64('RIP', 5n);
  mem(0xd9, 7);
  assert.is(x87.get64('FIP'), 0x123456789an, 'FNSTCW is a control instruction');
  reg(0xd9, 0xe8);
  assert.is(x87.get64('FIP'), 5n);
  assert.is(x87.get16('FOP'), 0x1e8);
  assert.is(x87.get64('FDP'), BigInt(DATA), 'no memory operand: FDP stays');
});

test('environments have the four formats of SDM 8.1.10', () => {
  x87.set16('FCS', 0x1234);
  x87.set16('FDS', 0x5678);
  x87.set16('FOP', 0x7ab);
  x87.set64('FIP', 0x9abcdn);
  x87.set64('FDP', 0x13579n);
  push(1);
  x87.set16('FCS', 0x1234);
  x87.set16('FDS', 0x5678);
  x87.set16('FOP', 0x7ab);
  x87.set64('FIP', 0x9abcdn);
  x87.set64('FDP', 0x13579n);
  const words = (size: 2 | 4) => {
    mem(0xd9, 6, DATA, size);
    return Array.from({ length: 7 }, (_, i) => (size === 2 ? view.getUint16(DATA + 2 * i, true) : view.getUint32(DATA + 4 * i, true)));
  };
  assert.equal(words(4), [0xffff037f, 0xffff3800, 0xffff3fff, 0x9abcd, 0x7ab1234, 0x13579, 0xffff5678]);
  assert.equal(words(2), [0x37f, 0x3800, 0x3fff, 0xabcd, 0x1234, 0x3579, 0x5678]);
  for (const prot of [0, 2]) {
    x87.set32('PROT', prot);
    // 12340 + 9abcd = acf0d; 56780 + 13579 = 69cf9.
    assert.equal(words(2), [0x37f, 0x3800, 0x3fff, 0xcf0d, 0xa7ab, 0x9cf9, 0x6000]);
    assert.equal(words(4), [0xffff037f, 0xffff3800, 0xffff3fff, 0xcf0d, 0xa7ab, 0x9cf9, 0x6000]);
    mem(0xd9, 4, DATA, 4);
    assert.is(x87.get64('FIP'), 0xacf0dn);
    assert.is(x87.get64('FDP'), 0x69cf9n);
    assert.is(x87.get16('FOP'), 0x7ab);
    x87.set16('FCS', 0x1234);
    x87.set16('FDS', 0x5678);
    x87.set64('FIP', 0x9abcdn);
    x87.set64('FDP', 0x13579n);
  }
});

test('FNSAVE and FRSTOR keep everything, in 16 and 32 bits, and FNSAVE initialises', () => {
  for (const size of [2, 4]) {
    x87.reset();
    for (let i = 0; i < 5; i++) push(i - 0.5);
    reg(0xdd, 0xc2);
    x87.set64('FDP', 0x4321n);
    const before = snapshot();
    mem(0xdd, 6, DATA, size);
    assert.is(x87.get16('FSW'), 0);
    assert.is(x87.get16('FTW'), 0);
    assert.is(x87.get16('FCW'), 0x37f);
    x87.set16('FOP', Number(before.split(',')[3]));
    mem(0xdd, 4, DATA, size);
    assert.is(snapshot(), before);
  }
});

test('FXSAVE lays out 512 bytes, and FXRSTOR takes them back', () => {
  push(1.5);
  for (let i = 0; i < 16; i++) {
    x87.set64('XMM', BigInt(i + 1), i * 4);
    x87.set64('XMM', BigInt(i + 101), i * 4 + 1);
  }
  x87.set32('MXCSR', 0x1f80);
  const before = snapshot();
  bytes.fill(0xcc, DATA, DATA + 512);
  fn.fxsave(CPU, BigInt(DATA), 8);
  assert.is(x87.fault(), -1);
  assert.is(view.getUint16(DATA, true), 0x37f);
  assert.is(bytes[DATA + 4], 0x80, 'abridged tags by physical register');
  assert.is(view.getUint32(DATA + 28, true), 0xffff, 'MXCSR_MASK');
  assert.is(view.getBigUint64(DATA + 32, true), 0xc000000000000000n, 'ST(0) first');
  assert.is(view.getBigUint64(DATA + 160 + 15 * 16, true), 16n);
  assert.is(bytes[DATA + 416], 0xcc, 'the rest is not written');
  x87.reset();
  fn.fxrstor(CPU, BigInt(DATA), 8);
  assert.is(snapshot(), before);
  assert.is(x87.get64('XMM', 15 * 4 + 1), 116n);
  x87.set32('MODE', 1);
  x87.set64('XMM', 99n, 8 * 4);
  bytes.fill(0xcc, DATA, DATA + 512);
  fn.fxsave(CPU, BigInt(DATA), 4);
  assert.is(bytes[DATA + 160 + 8 * 16], 0xcc, 'XMM8 only in 64-bit mode');
  fn.fxrstor(CPU, BigInt(DATA), 4);
  assert.is(x87.get64('XMM', 8 * 4), 99n);
});

test('FXRSTOR refuses misaligned images and reserved bits of MXCSR', () => {
  fn.fxsave(CPU, BigInt(DATA), 8);
  const before = snapshot();
  fn.fxrstor(CPU, BigInt(DATA + 8), 8);
  assert.is(x87.fault(), GP);
  fn.fxsave(CPU, BigInt(DATA + 4), 8);
  assert.is(x87.fault(), GP);
  view.setUint32(DATA + 24, 0x10000, true);
  view.setUint16(DATA, 0, true);
  fn.fxrstor(CPU, BigInt(DATA), 8);
  assert.is(x87.fault(), GP);
  fn.fxrstor(CPU, BigInt(LIMIT - 256), 8);
  assert.is(x87.fault(), PF);
  fn.fxsave(CPU, BigInt(LIMIT - 256), 8);
  assert.is(x87.fault(), PF);
  assert.is(snapshot(), before);
});

test('FXRSTOR and FLDCW recompute the exception summary', () => {
  x87.set16('FSW', 0x0004);
  view.setUint16(DATA, 0x37b, true);
  mem(0xd9, 5);
  assert.is(x87.get16('FSW'), 0x8084);
  fn.fxsave(CPU, BigInt(DATA), 8);
  view.setUint16(DATA, 0x37f, true);
  fn.fxrstor(CPU, BigInt(DATA), 8);
  assert.is(x87.get16('FSW'), 0x0004);
});

test('an MMX instruction enters MMX state; EMMS leaves it', () => {
  push(1);
  push(2);
  assert.is(fn.mmxEnter(CPU), 1);
  assert.is(x87.get16('FSW') & 0x3800, 0);
  assert.is(x87.get16('FTW'), 0xff);
  assert.is(fn.emms(CPU), 1);
  assert.is(x87.get16('FTW'), 0);
  const cases: [bigint, number, number][] = [
    [0x25n, 0, UD],
    [0x2dn, 0, UD],
    [0x29n, 0x8081, NM],
    [0x21n, 0xb881, MF],
  ];
  for (const [cr0, fsw, vector] of cases) {
    x87.set64('CR0', cr0);
    x87.set16('FSW', fsw);
    assert.is(fn.mmxEnter(CPU), 0);
    assert.is(x87.fault(), vector);
    assert.is(x87.get16('FSW'), fsw);
    assert.is(x87.get16('FTW'), 0);
  }
});

test('all integers and decimals survive a round trip', () => {
  for (const value of [
    0n,
    1n,
    -1n,
    255n,
    -32768n,
    32767n,
    2n ** 31n - 1n,
    -(2n ** 31n),
    999999999999999999n,
    -123456789012345678n,
    2n ** 63n - 1n,
    -(2n ** 63n),
  ]) {
    view.setBigInt64(DATA, value, true);
    mem(0xdf, 5);
    mem(0xdf, 7, DATA + 16);
    assert.is(view.getBigInt64(DATA + 16, true), value);
    if (value > 999999999999999999n || value < -999999999999999999n) continue;
    mem(0xdf, 5);
    mem(0xdf, 6, DATA + 16);
    const digits = Array.from({ length: 9 }, (_, i) => bytes[DATA + 24 - i]!.toString(16).padStart(2, '0')).join('');
    assert.is(BigInt(digits), value < 0n ? -value : value);
    assert.is(bytes[DATA + 25], value < 0n ? 0x80 : 0);
    mem(0xdf, 4, DATA + 16);
    mem(0xdf, 7, DATA);
    assert.is(view.getBigInt64(DATA, true), value);
  }
  assert.is(x87.get16('FSW') & 0xff, 0);
});

// ---- accuracy ----

let seed = 0x9e3779b97f4a7c15n;
function random64(): bigint {
  seed ^= (seed << 13n) & 0xffffffffffffffffn;
  seed ^= seed >> 7n;
  seed ^= (seed << 17n) & 0xffffffffffffffffn;
  return seed;
}

/** A random extended value with exponent in [low, high]. */
function operand(low: number, high: number): { sig: bigint; exp: number; fixed: bigint } {
  const exp = low + Number(random64() % BigInt(high - low + 1));
  const sig = random64() | (1n << 63n);
  const shift = exact.BITS - 63n + BigInt(exp);
  return { sig, exp, fixed: shift >= 0n ? sig << shift : sig >> -shift };
}

function loadExtended(sig: bigint, exp: number, negative: boolean): void {
  view.setBigUint64(DATA, sig, true);
  view.setUint16(DATA + 8, (exp + 16383) | (negative ? 0x8000 : 0), true);
  mem(0xdb, 5);
}

/** Error of ST(0) against an exact value, in thousandths of a unit in the last place; pops. */
function errorOf(value: bigint): number {
  mem(0xdb, 7);
  const sig = view.getBigUint64(DATA, true);
  const se = view.getUint16(DATA + 8, true);
  const shift = exact.BITS - 63n + BigInt((se & 0x7fff) - 16383);
  const ulp = 1n << shift;
  const got = (sig << shift) * (se & 0x8000 ? -1n : 1n);
  const error = got > value ? got - value : value - got;
  return Number((error * 1000n) / ulp);
}

const signed = (x: { fixed: bigint }, negative: boolean) => (negative ? -x.fixed : x.fixed);

test('FSIN, FCOS, FSINCOS and FPTAN are correctly rounded after reduction by the 66-bit Pi', () => {
  for (let i = 0; i < 150; i++) {
    const negative = i % 2 === 1;
    const x = operand(-40, i % 3 === 0 ? 62 : 3);
    const value = signed(x, negative);
    loadExtended(x.sig, x.exp, negative);
    reg(0xd9, 0xfe);
    assert.ok(errorOf(exact.sin(value)) <= 500, 'FSIN');
    loadExtended(x.sig, x.exp, negative);
    reg(0xd9, 0xff);
    assert.ok(errorOf(exact.cos(value)) <= 500, 'FCOS');
    loadExtended(x.sig, x.exp, negative);
    reg(0xd9, 0xfb);
    assert.ok(errorOf(exact.cos(value)) <= 500, 'FSINCOS');
    assert.ok(errorOf(exact.sin(value)) <= 500, 'FSINCOS');
    loadExtended(x.sig, x.exp, negative);
    reg(0xd9, 0xf2);
    assert.is(popDouble(), 1);
    assert.ok(errorOf(exact.tan(value)) <= 500, 'FPTAN');
  }
});

test('a tangent next to a pole stays below the power of two that its reciprocal is', () => {
  // 5 pi/2 and 2^-65: the tangent is just above -2^65, which is what it rounds down to.
  view.setUint16(DATA, 0x77f, true);
  mem(0xd9, 5);
  loadExtended(0xfb53d14aa9c2f2c2n, 2, false);
  reg(0xd9, 0xf2);
  popDouble();
  mem(0xdb, 7);
  assert.is(view.getBigUint64(DATA, true), 0x8000000000000000n);
  assert.is(view.getUint16(DATA + 8, true), 0xc040);
});

test('F2XM1, FYL2X, FYL2XP1 and FPATAN are correctly rounded', () => {
  for (let i = 0; i < 150; i++) {
    const negative = i % 2 === 1;
    const x = operand(-60, -1);
    loadExtended(x.sig, x.exp, negative);
    reg(0xd9, 0xf0);
    assert.ok(errorOf(exact.exp2m1(signed(x, negative))) <= 500, 'F2XM1');
    const y = operand(-10, 10);
    const z = i % 4 === 0 ? operand(-1, 0) : operand(-90, 90);
    loadExtended(y.sig, y.exp, negative);
    loadExtended(z.sig, z.exp, false);
    reg(0xd9, 0xf1);
    assert.ok(errorOf((signed(y, negative) * exact.log2(z.fixed)) >> exact.BITS) <= 500, 'FYL2X');
    const small = operand(-60, -2);
    loadExtended(y.sig, y.exp, false);
    loadExtended(small.sig, small.exp, negative);
    reg(0xd9, 0xf9);
    const log = exact.log2((1n << exact.BITS) + signed(small, negative));
    assert.ok(errorOf((y.fixed * log) >> exact.BITS) <= 500, 'FYL2XP1');
    const w = i % 4 === 0 ? operand(y.exp, y.exp) : operand(-30, 30);
    loadExtended(y.sig, y.exp, false);
    loadExtended(w.sig, w.exp, negative);
    reg(0xd9, 0xf3);
    assert.ok(errorOf(exact.atan2(y.fixed, signed(w, negative))) <= 500, 'FPATAN');
  }
});

test.run();
