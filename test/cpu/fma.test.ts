/**
 * FMA3 and F16C against exact arithmetic: one rounding in each mode, the flags that it sets, NaNs, zeros and infinities by SDM vol. 1 table 14-17.
 *
 * avx-host.test.ts compares every form with the host's processor.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { below, double, random, single, values } from './simd-values.ts';
import { at, CPU, core, fresh, memory, RAM } from './sse-core.ts';

const [DST, SRC, RM] = [0, 1, 2].map((n) => at('XMM') + 32 * n) as [number, number, number];

interface Format {
  readonly w: 0 | 1;
  /** Bits of the fraction field and of the exponent field. */
  readonly fraction: number;
  readonly exponent: number;
}
const SINGLE: Format = { w: 0, fraction: 23, exponent: 8 };
const DOUBLE: Format = { w: 1, fraction: 52, exponent: 11 };
const HALF = { fraction: 10, exponent: 5 };

const OE = 8;
const UE = 0x10;
const PE = 0x20;

type Shape = Pick<Format, 'fraction' | 'exponent'>;
const bias = (f: Shape): number => 2 ** (f.exponent - 1) - 1;
const infinity = (f: Shape): bigint => ((1n << BigInt(f.exponent)) - 1n) << BigInt(f.fraction);
const signBit = (f: Shape): bigint => 1n << BigInt(f.fraction + f.exponent);
/** v * 2^e of a finite value. */
function parts(f: Shape, bits: bigint): { v: bigint; e: number } {
  const field = Number((bits & infinity(f)) >> BigInt(f.fraction));
  const low = bits & ((1n << BigInt(f.fraction)) - 1n);
  const v = field === 0 ? low : low | (1n << BigInt(f.fraction));
  return { v: bits & signBit(f) ? -v : v, e: Math.max(field, 1) - bias(f) - f.fraction };
}

/** |v| * 2^e as an integer multiple of 2^unit, rounded. */
function roundTo(v: bigint, e: number, unit: number, mode: number): { q: bigint; inexact: boolean } {
  const negative = v < 0n;
  const m = negative ? -v : v;
  if (e >= unit) return { q: m << BigInt(e - unit), inexact: false };
  const shift = BigInt(unit - e);
  const q = m >> shift;
  const rest = m - (q << shift);
  if (rest === 0n) return { q, inexact: false };
  const twice = rest << 1n;
  const one = 1n << shift;
  const up = mode === 0 ? twice > one || (twice === one && (q & 1n) === 1n) : mode === (negative ? 1 : 2);
  return { q: up ? q + 1n : q, inexact: true };
}

/** The bits and flags of v * 2^e (not 0) rounded to the format, exceptions masked. */
function round(f: Shape, v: bigint, e: number, mode: number): { bits: bigint; flags: number } {
  const sign = v < 0n ? signBit(f) : 0n;
  const order = (v < 0n ? -v : v).toString(2).length - 1 + e;
  const least = 1 - bias(f);
  // Tiny when even with an unbounded exponent the rounded value is below the least normal number.
  const free = roundTo(v, e, order - f.fraction, mode);
  const tiny = order + (free.q >> BigInt(f.fraction + 1) === 1n ? 1 : 0) < least;
  const { q, inexact } = roundTo(v, e, Math.max(order, least) - f.fraction, mode);
  const field = Math.max(order, least) + bias(f) - 1;
  const bits = (BigInt(field) << BigInt(f.fraction)) + q;
  if (bits >= infinity(f)) {
    const away = mode === 0 || mode === (v < 0n ? 1 : 2);
    return { bits: sign | (away ? infinity(f) : infinity(f) - 1n), flags: OE | PE };
  }
  return { bits: sign | bits, flags: inexact ? (tiny ? UE | PE : PE) : 0 };
}

function put(f: Format, where: number, bits: bigint): void {
  if (f.w) memory.setBigUint64(where, bits, true);
  else memory.setUint32(where, Number(bits), true);
}
const get = (f: Format, where: number): bigint => (f.w ? memory.getBigUint64(where, true) : BigInt(memory.getUint32(where, true)));

/** VFMADD213 (or another scalar `opcode` of that order): SRC * DST + RM. */
function fma(f: Format, x: bigint, y: bigint, z: bigint, mxcsr: number, opcode = 0xa9): { bits: bigint; flags: number } {
  put(f, SRC, x);
  put(f, DST, y);
  put(f, RM, z);
  memory.setUint32(at('MXCSR'), mxcsr, true);
  core.fmaExec(CPU, opcode, f.w, 0, DST, SRC, RM);
  return { bits: get(f, DST), flags: memory.getUint32(at('MXCSR'), true) & 0x3f };
}

/** The same, by the packed form on eight or four equal lanes; all of them must agree. */
function packed(f: Format, x: bigint, y: bigint, z: bigint): bigint {
  const width = f.w ? 8 : 4;
  for (let lane = 0; lane < 32; lane += width) {
    put(f, SRC + lane, x);
    put(f, DST + lane, y);
    put(f, RM + lane, z);
  }
  memory.setUint32(at('MXCSR'), 0x1fa0, true);
  core.fmaExec(CPU, 0xa8, f.w, 1, DST, SRC, RM);
  for (let lane = width; lane < 32; lane += width) if (get(f, DST + lane) !== get(f, DST)) return -1n;
  return get(f, DST);
}

const scratch = new DataView(new ArrayBuffer(8));
function operand(f: Format): bigint {
  for (;;) {
    if (f.w) double(scratch, 0);
    else single(scratch, 0);
    const bits = f.w ? scratch.getBigUint64(0, true) : BigInt(scratch.getUint32(0, true));
    if ((bits & infinity(f)) !== infinity(f)) return bits;
  }
}

test.before.each(fresh);

for (const [f, name] of [
  [SINGLE, 'binary32'],
  [DOUBLE, 'binary64'],
] as const) {
  test(`${name}: the exact x * y + z is rounded once, in every mode`, () => {
    for (let n = 0; n < 20000; n++) {
      values.calm = n % 4 === 0;
      const mode = n & 3;
      const x = operand(f);
      const y = operand(f);
      const [px, py] = [parts(f, x), parts(f, y)];
      const product = { v: px.v * py.v, e: px.e + py.e };
      let z = operand(f);
      // An addend that cancels most of the product, or stands just where it is rounded.
      if (product.v !== 0n && below(2))
        z = round(f, -product.v, product.e - (below(4) === 0 ? f.fraction + below(4) : 0), 0).bits ^ BigInt(below(4));
      if ((z & infinity(f)) === infinity(f)) continue;
      const pz = parts(f, z);
      const e = Math.min(product.e, pz.e);
      const sum = (product.v << BigInt(product.e - e)) + (pz.v << BigInt(pz.e - e));
      const got = fma(f, x, y, z, 0x1f80 | (mode << 13));
      if (sum === 0n) continue;
      const want = round(f, sum, e, mode);
      const denormal = [x, y, z].some((b) => (b & infinity(f)) === 0n && (b & (signBit(f) - 1n)) !== 0n);
      assert.equal(
        { ...got, flags: got.flags & ~2 },
        want,
        `${[x, y, z].map((b) => b.toString(16)).join(' ')} mode ${mode}: ${got.bits.toString(16)}, exact ${want.bits.toString(16)}`,
      );
      assert.is((got.flags & 2) !== 0, denormal);
      // The shortcut that precision masked and sticky allows.
      assert.is(fma(f, x, y, z, 0x1fa0 | (mode << 13)).bits, want.bits);
    }
  });

  test(`${name}: NaNs, infinities and zeros`, () => {
    const [inf, sign, one] = [infinity(f), signBit(f), BigInt(bias(f)) << BigInt(f.fraction)];
    const quiet = inf | (1n << BigInt(f.fraction - 1));
    const indefinite = quiet | sign;
    const rows: [x: bigint, y: bigint, z: bigint, bits: bigint, flags: number][] = [
      [quiet | 1n, quiet | 2n, quiet | 3n, quiet | 1n, 0],
      [one, quiet | 2n, quiet | 3n, quiet | 2n, 0],
      [one, one, quiet | 3n, quiet | 3n, 0],
      [one, quiet | 2n, inf | 3n, quiet | 2n, 1],
      [inf | 1n, quiet | 2n, one, quiet | 1n, 1],
      [inf, 0n, quiet | 3n, quiet | 3n, 0],
      [inf, 0n, one, indefinite, 1],
      [0n, inf | sign, 1n, indefinite, 1],
      [inf, one, inf | sign, indefinite, 1],
      [inf, one, inf, inf, 0],
      [one, one, inf | sign, inf | sign, 0],
      [0n, one, 0n, 0n, 0],
      [0n, one | sign, sign, sign, 0],
      [0n, one, sign, 0n, 0],
      [one, one, one | sign, 0n, 0],
    ];
    for (const [x, y, z, bits, flags] of rows)
      assert.equal(fma(f, x, y, z, 0x1f80), { bits, flags }, [x, y, z].map((b) => b.toString(16)).join(' '));
    // x - x is -0 when rounding down (IEEE 754, 6.3).
    assert.is(fma(f, one, one, one | sign, 0x3f80).bits, sign);
    // VFNMADD, VFMSUB, VFNMSUB turn signs of numbers, not of NaNs.
    const three = one + (3n << BigInt(f.fraction - 1));
    assert.is(fma(f, one, three, one, 0x1f80, 0xad).bits, sign | (one + (1n << BigInt(f.fraction))), '-3 + 1');
    assert.is(fma(f, one, three, one, 0x1f80, 0xab).bits, one + (1n << BigInt(f.fraction)), '3 - 1');
    assert.is(fma(f, one, three, one, 0x1f80, 0xaf).bits, sign | (one + (2n << BigInt(f.fraction))), '-3 - 1');
    for (const opcode of [0xab, 0xad, 0xaf]) assert.is(fma(f, one, one, quiet | 3n, 0x1f80, opcode).bits, quiet | 3n);
  });
}

test('the shortcuts of ordinary numbers give what the whole computation gives', () => {
  for (let n = 0; n < 200_000; n++) {
    const f = n & 1 ? DOUBLE : SINGLE;
    // Few bits, or a run of them, make halfway cases and near ones; exponents from far apart to equal.
    const field = (spread: number): bigint => BigInt(bias(f) - spread + below(2 * spread + 1)) << BigInt(f.fraction);
    const number = (spread: number): bigint => {
      scratch.setUint32(0, random());
      scratch.setUint32(4, random());
      let low = scratch.getBigUint64(0) & ((1n << BigInt(f.fraction)) - 1n);
      if (below(3) === 0) low &= -1n << BigInt(below(f.fraction));
      if (below(4) === 0) low >>= BigInt(below(f.fraction));
      return field(spread) | low | (below(2) ? signBit(f) : 0n);
    };
    const spread = [1, 4, 30, 60][below(4)] as number;
    const [x, y] = [number(spread), number(spread)];
    let z = number([1, 30, 60, 120][below(4)] as number);
    if (below(3) === 0) {
      const [px, py] = [parts(f, x), parts(f, y)];
      z = round(f, -px.v * py.v, px.e + py.e, 0).bits ^ BigInt(below(4));
    }
    const slow = fma(f, x, y, z, 0x1f80);
    const quick = fma(f, x, y, z, 0x1fa0);
    assert.is(packed(f, x, y, z), slow.bits, 'the same in every lane');
    assert.is(quick.bits, slow.bits, [x, y, z].map((b) => b.toString(16)).join(' '));
    assert.is(quick.flags, slow.flags | PE);
  }
});

test('an unmasked exception in one lane of eight leaves the register alone', () => {
  for (const base of [DST, SRC, RM]) for (let i = 0; i < 8; i++) memory.setFloat32(base + 4 * i, 1.5, true);
  memory.setFloat32(RM + 28, Infinity, true);
  memory.setFloat32(DST + 28, -Infinity, true);
  memory.setUint32(at('MXCSR'), 0x1f00, true);
  core.fmaExec(CPU, 0xa8, 0, 1, DST, SRC, RM);
  assert.is(memory.getUint32(at('EXC'), true), 0x113);
  assert.is(memory.getUint32(at('MXCSR'), true), 0x1f01);
  assert.is(memory.getFloat32(DST, true), 1.5);
});

test('scalars keep bits 127 up from the operand and clear what is above; packed 128-bit forms clear it, too', () => {
  for (let i = 0; i < 4; i++) memory.setFloat64(DST + 8 * i, 7, true);
  assert.is(fma(DOUBLE, 0x4000000000000000n, 0x4008000000000000n, 0x3ff0000000000000n, 0x1f80).bits, 0x401c000000000000n);
  assert.equal(
    [1, 2, 3].map((i) => memory.getFloat64(DST + 8 * i, true)),
    [7, 0, 0],
  );
  for (let i = 0; i < 4; i++) memory.setFloat64(DST + 8 * i, 7, true);
  core.fmaExec(CPU, 0xa8, 1, 0, DST, SRC, RM);
  assert.equal(
    [2, 3].map((i) => memory.getFloat64(DST + 8 * i, true)),
    [0, 0],
  );
});

test('every binary16 becomes its binary32 and comes back', () => {
  for (let first = 0; first < 0x10000; first += 8) {
    for (let i = 0; i < 8; i++) memory.setUint16(RAM + 2 * i, first + i, true);
    memory.setUint32(at('MXCSR'), 0x1fc0, true);
    core.cvtph2ps(CPU, 1, DST, RAM);
    for (let i = 0; i < 8; i++) {
      const h = BigInt(first + i);
      const got = BigInt(memory.getUint32(DST + 4 * i, true));
      if ((h & 0x7fffn) > 0x7c00n) assert.is(got, ((h & 0x8000n) << 16n) | 0x7fc00000n | ((h & 0x3ffn) << 13n));
      else if ((h & 0x7c00n) === 0x7c00n) assert.is(got, ((h & 0x8000n) << 16n) | 0x7f800000n);
      else
        assert.is(
          memory.getFloat32(DST + 4 * i, true),
          (h & 0x8000n ? -1 : 1) * Number(parts(HALF, h & 0x7fffn).v) * 2 ** parts(HALF, h).e,
        );
    }
    core.cvtps2ph(CPU, 1, RM, 0, DST, 0);
    for (let i = 0; i < 8; i++) {
      const h = first + i;
      const nan = (h & 0x7fff) > 0x7c00;
      assert.is(memory.getUint16(RM + 2 * i, true), nan ? h | 0x200 : h);
    }
    assert.is(memory.getUint32(at('MXCSR'), true) & 0x3e, 0, 'exact, and denormals are not reported');
  }
});

test('binary32 is rounded to binary16 as the immediate says, and FTZ is ignored', () => {
  for (let n = 0; n < 20000; n++) {
    const bits = (((random() & 1) << 31) | ((97 + below(52)) << 23) | (random() & 0x7fffff & (below(2) ? -1 : 0x7ff000))) >>> 0;
    const mode = n & 3;
    for (let i = 0; i < 4; i++) memory.setUint32(SRC + 4 * i, bits, true);
    memory.setUint32(at('MXCSR'), 0x9f80 | (mode << 13), true);
    core.cvtps2ph(CPU, 0, RAM, 1, SRC, n & 4 ? 4 : mode);
    const { v, e } = parts(SINGLE, BigInt(bits));
    const want = round(HALF, v, e, mode);
    assert.is(BigInt(memory.getUint16(RAM + 6, true)), want.bits, bits.toString(16));
    assert.is(memory.getUint32(at('MXCSR'), true) & 0x3f, want.flags, bits.toString(16));
  }
});

test.run();
