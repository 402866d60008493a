/**
 * Error of the x87's transcendental instructions against exact values, over the whole domain of each.
 *
 * Arguments are random within classes that cover the domain: ordinary ones, tiny and denormal ones, huge ones, neighbours of the points where
 * a function vanishes or its algorithm changes. A real number is `v * 2^e` with a BigInt of at least 250 significant bits. Circular functions
 * mean the argument reduced by the 66-bit Pi of SDM vol. 1 8.3.8.
 */
import { AT, CPU, type X87 } from './x87core.ts';
import * as exact from './x87exact.ts';

interface Real {
  readonly v: bigint;
  readonly e: number;
}
/** An operand: significand (its top bit clear in a denormal) and word of sign and exponent. */
interface Extended {
  readonly sig: bigint;
  readonly se: number;
}

const BITS = Number(exact.BITS);
const ONE = 1n << exact.BITS;
const TOP = 1n << 63n;
const BIAS = 16383;
/** Arguments below 2^-TINY are their own sine and so on, to far more bits than are looked at. */
const TINY = 150;

const exponentOf = ({ se }: Extended): number => Math.max(se & 0x7fff, 1) - BIAS;
const magnitude = (x: Extended): Real => ({ v: x.sig, e: exponentOf(x) - 63 });
const signOf = ({ se }: Extended): bigint => (se & 0x8000 ? -1n : 1n);
const bitLength = (x: bigint): number => (x < 0n ? -x : x).toString(2).length;
/** Exponent of the leading bit. */
const order = ({ v, e }: Real): number => bitLength(v) - 1 + e;
/** In units of 2^-400. */
function fixed({ v, e }: Real): bigint {
  const shift = BigInt(e + BITS);
  return shift >= 0n ? v << shift : v >> -shift;
}
const real = (v: bigint): Real => ({ v, e: -BITS });
const times = (a: Real, v: bigint): Real => ({ v: a.v * v, e: a.e - BITS });

/** f(x) for an odd function with f(x) = x + O(x^3), else by `whole`. */
function odd(x: Extended, whole: (x: bigint) => bigint): Real {
  const m = magnitude(x);
  const r = order(m) < -TINY ? m : real(whole(fixed(m)));
  return { v: r.v * signOf(x), e: r.e };
}

/** log2 of a positive value. */
function log2({ v, e }: Real): bigint {
  const length = bitLength(v);
  return exact.log2(v << BigInt(BITS + 1 - length)) + BigInt(length - 1 + e) * ONE;
}

function log2p1(x: Extended): Real {
  const m = magnitude(x);
  if (order(m) < -TINY) return times({ v: m.v * signOf(x), e: m.e }, (ONE * ONE) / exact.LN2);
  return real(exact.log2(ONE + fixed(m) * signOf(x)));
}

function exp2m1(x: Extended): Real {
  const m = magnitude(x);
  if (order(m) < -TINY) return times({ v: m.v * signOf(x), e: m.e }, exact.LN2);
  return real(exact.exp2m1(fixed(m) * signOf(x)));
}

function atan2(y: Extended, x: Extended): Real {
  const my = magnitude(y);
  const mx = magnitude(x);
  const apart = order(my) - order(mx);
  const negative = signOf(x) < 0n;
  let r: Real;
  if (apart < -TINY) r = negative ? real(4n * exact.QUARTER_PI) : { v: (my.v << 400n) / mx.v, e: my.e - mx.e - 400 };
  else if (apart > TINY) r = real(2n * exact.QUARTER_PI);
  else {
    const base = Math.max(order(my), order(mx));
    const scaled = (m: Real): bigint => fixed({ v: m.v, e: m.e - base });
    r = real(exact.atan2(scaled(my), scaled(mx) * signOf(x)));
  }
  return { v: r.v * signOf(y), e: r.e };
}

const product = (a: Real, b: Extended): Real => ({ v: a.v * b.sig * signOf(b), e: a.e + exponentOf(b) - 63 });

/** The source of arguments (xorshift64). */
export class Arguments {
  private state: bigint;
  constructor(seed: bigint) {
    this.state = seed;
  }
  bits(): bigint {
    const all = 0xffffffffffffffffn;
    this.state ^= (this.state << 13n) & all;
    this.state ^= this.state >> 7n;
    this.state ^= (this.state << 17n) & all;
    return this.state;
  }
  below(n: number): number {
    return Number((this.bits() >> 11n) % BigInt(n));
  }
  /** Of either sign, exponent of its leading bit from `low` to `high`; the significand sometimes has few bits. */
  between(low: number, high: number): Extended {
    const exp = low + this.below(high - low + 1);
    let sig = this.bits() | TOP;
    if (this.below(8) === 0) sig = (((sig >> BigInt(this.below(64))) << BigInt(this.below(64))) & 0xffffffffffffffffn) | TOP;
    return { sig, se: (exp + BIAS) | (this.below(2) << 15) };
  }
  denormal(): Extended {
    return { sig: (this.bits() >> BigInt(1 + this.below(62))) | 1n, se: this.below(2) << 15 };
  }
  /** Some units in the last place off a value given in units of 2^-400. */
  near(value: bigint): Extended {
    const length = bitLength(value);
    const spread = BigInt(2 ** this.below(20));
    const sig = (value >> BigInt(length - 64)) + BigInt(this.below(Number(2n * spread + 1n))) - spread;
    const exp = length - 1 - BITS + (sig >> 64n ? 1 : sig < TOP ? -1 : 0);
    return { sig: sig >> 64n ? sig >> 1n : sig < TOP ? sig << 1n : sig, se: (exp + BIAS) | (this.below(2) << 15) };
  }
}

const absolute = (x: Extended): Extended => ({ sig: x.sig, se: x.se & 0x7fff });

/** For FSIN and kin: below 2^63. */
function angle(a: Arguments): Extended {
  switch (a.below(8)) {
    case 0:
      return a.between(-16382, -33);
    case 1:
      return a.between(20, 62);
    case 2:
      return a.between(62, 62);
    case 3:
      return a.near(BigInt(1 + a.below(1 << 20)) * 2n * exact.QUARTER_PI);
    case 4:
      return a.near(BigInt(1 + a.below(64)) * exact.QUARTER_PI);
    case 5:
      return a.below(4) ? a.between(-33, 0) : a.denormal();
    default:
      return a.between(-6, 6);
  }
}
/** Any finite number whose products and quotients stay in range. */
function ordinate(a: Arguments): Extended {
  return a.below(6) ? a.between(-200, 200) : a.between(-8000, 8000);
}
function positive(a: Arguments): Extended {
  switch (a.below(8)) {
    case 0:
      return absolute(a.near(ONE));
    case 1:
      return absolute(a.between(-1, 0));
    case 2:
      return absolute(a.denormal());
    case 3:
      return absolute(a.between(-16382, 16383));
    case 4:
      return absolute(a.near(exact.BITS % 2n === 0n ? 0xb504f333f9de6484n << (exact.BITS - 63n) : ONE));
    default:
      return absolute(a.between(-20, 20));
  }
}
/** |x| < 1 - sqrt(1/2) (SDM vol. 2, FYL2XP1), tiny ones among them. */
function small(a: Arguments): Extended {
  const x = [a.between(-4, -2), a.between(-64, -3), a.between(-16300, -60), a.between(-8, -2)][a.below(4)] as Extended;
  return exponentOf(x) === -2 && x.sig > 0x95f619980c4336f7n ? { sig: 0x95f619980c4336f7n, se: x.se } : x;
}

interface Function {
  readonly name: string;
  readonly modrm: number;
  /** ST(0), and ST(1) of those with two operands. */
  readonly draw: (a: Arguments) => readonly [Extended, Extended?];
  /** What is left in ST(0), then in ST(1). */
  readonly value: (x: Extended, y: Extended) => readonly Real[];
}

const sin = (x: Extended): Real => odd(x, exact.sin);
const cos = (x: Extended): Real => (order(magnitude(x)) < -TINY ? real(ONE) : real(exact.cos(fixed(magnitude(x)))));
const tan = (x: Extended): Real => odd(x, exact.tan);

export const FUNCTIONS: readonly Function[] = [
  { name: 'FSIN', modrm: 0xfe, draw: (a) => [angle(a)], value: (x) => [sin(x)] },
  { name: 'FCOS', modrm: 0xff, draw: (a) => [angle(a)], value: (x) => [cos(x)] },
  { name: 'FSINCOS', modrm: 0xfb, draw: (a) => [angle(a)], value: (x) => [cos(x), sin(x)] },
  { name: 'FPTAN', modrm: 0xf2, draw: (a) => [angle(a)], value: (x) => [real(ONE), tan(x)] },
  {
    name: 'FPATAN',
    modrm: 0xf3,
    draw: (a) => {
      const x = a.below(8) ? ordinate(a) : a.denormal();
      const y = a.below(3) ? { sig: ordinate(a).sig, se: (x.se & 0x7fff) + a.below(9) + 4 } : ordinate(a);
      return [x, a.below(16) ? y : a.denormal()];
    },
    value: (x, y) => [atan2(y, x)],
  },
  {
    name: 'F2XM1',
    modrm: 0xf0,
    draw: (a) => [[a.between(-1, -1), a.between(-16382, -64), a.between(-64, -1), a.denormal(), a.between(-6, -1)][a.below(5)] as Extended],
    value: (x) => [exp2m1(x)],
  },
  {
    name: 'FYL2X',
    modrm: 0xf1,
    draw: (a) => [positive(a), ordinate(a)],
    value: (x, y) => [product(real(log2(magnitude(x))), y)],
  },
  { name: 'FYL2XP1', modrm: 0xf9, draw: (a) => [small(a), ordinate(a)], value: (x, y) => [product(log2p1(x), y)] },
];

/** Extended result less the exact value, in units in the last place of the latter. */
function ulps(got: Extended, value: Real): number {
  const ulp = Math.max(value.v === 0n ? -16382 : order(value), 1 - BIAS) - 63;
  const g = magnitude(got);
  // Both in units of 2^base.
  const base = Math.min(value.e, g.e, ulp);
  const gap = ((g.v * signOf(got)) << BigInt(g.e - base)) - (value.v << BigInt(value.e - base));
  const unit = 1n << BigInt(ulp - base);
  return Number((gap << 40n) / unit) / 2 ** 40;
}

/** A result that is on the wrong side of the exact value for RC `mode`: 1 down, 2 up, 3 towards 0. */
function astray(error: number, value: Real, mode: number): boolean {
  if (mode === 0) return false;
  const down = mode === 1 || (mode === 3 && value.v > 0n);
  return down ? error > 0 : error < 0;
}

export interface Worst {
  readonly name: string;
  readonly cases: number;
  /** Largest errors in units in the last place: rounding to nearest, and in the other modes. */
  nearest: number;
  directed: number;
  /** Results on the wrong side of the exact value. */
  astray: number;
  /** The arguments of the largest error. */
  at: string;
}

const DATA = BigInt(AT + 0x1000);

/** Measures one instruction over `count` arguments, the rounding modes in turn. */
export function measure(x87: X87, f: Function, count: number, seed: bigint): Worst {
  const { fn, view } = x87;
  const a = new Arguments(seed);
  const worst: Worst = { name: f.name, cases: count, nearest: 0, directed: 0, astray: 0, at: '' };
  const at = Number(DATA);
  const push = ({ sig, se }: Extended): void => {
    view.setBigUint64(at, sig, true);
    view.setUint16(at + 8, se, true);
    fn.x87Mem(CPU, 3, 5, DATA, 3, 4);
  };
  for (let i = 0; i < count; i++) {
    const mode = i & 3;
    const [x, y = { sig: TOP, se: BIAS }] = f.draw(a);
    const values = f.value(x, y);
    fn.fninit(CPU);
    x87.set16('FCW', 0x37f | (mode << 10));
    push(y);
    push(x);
    fn.x87Reg(CPU, 1, f.modrm);
    for (const value of values) {
      fn.x87Mem(CPU, 3, 7, DATA, 3, 4);
      const got = { sig: view.getBigUint64(at, true), se: view.getUint16(at + 8, true) };
      const signed = ulps(got, value);
      const error = Math.abs(signed);
      if (astray(signed, value, mode)) worst.astray++;
      const kind = mode === 0 ? 'nearest' : 'directed';
      if (error <= worst[kind]) continue;
      worst[kind] = error;
      if (error === Math.max(worst.nearest, worst.directed))
        worst.at = [x, y].map((v) => `${v.se.toString(16)}:${v.sig.toString(16)}`).join(' ') + ` mode ${mode}`;
    }
  }
  return worst;
}
