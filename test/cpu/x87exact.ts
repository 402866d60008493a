/**
 * Exact values of the x87's transcendental functions, in 400-bit fixed point: the reference for their accuracy.
 *
 * An argument or value is a BigInt in units of 2^-400. Arguments of circular functions are reduced by the 66-bit Pi of SDM vol. 1 8.3.8.
 */

export const BITS = 400n;
const ONE = 1n << BITS;

const times = (a: bigint, b: bigint) => (a * b) >> BITS;

/** sum of x^(2n+1) / (2n+1), alternating or not: arctan, artanh of a small x. */
function oddSeries(x: bigint, sign: 1n | -1n): bigint {
  const square = times(x, x) * sign;
  let power = x;
  let sum = x;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = times(power, square);
    sum += power / n;
  }
  return sum;
}

export const LN2 = 2n * oddSeries(ONE / 3n, 1n);
export const QUARTER_PI = 4n * oddSeries(ONE / 5n, -1n) - oddSeries(ONE / 239n, -1n);
/** 0.C90FDAA22168C234C * 2^2. */
const PI_66 = 0xc90fdaa22168c234cn << (BITS + 2n - 68n);

function root(x: bigint): bigint {
  const target = x << BITS;
  let r = 1n << BigInt(Math.ceil(target.toString(2).length / 2));
  for (;;) {
    const next = (r + target / r) >> 1n;
    if (next >= r) return r;
    r = next;
  }
}

/** Taylor series of the sine (`first` 1) or cosine (0) of |r| <= 1. */
function circular(r: bigint, first: 0n | 1n): bigint {
  const square = times(r, r);
  let term = first === 1n ? r : ONE;
  let sum = term;
  for (let n = first + 1n; term !== 0n && term !== -1n; n += 2n) {
    term = -times(term, square) / (n * (n + 1n));
    sum += term;
  }
  return sum;
}

/** sin(x + quarters * pi/2), x being replaced by its remainder to the nearest multiple of Pi/2. */
function sine(x: bigint, quarters: bigint): bigint {
  const half = PI_66 / 2n;
  let count = x / half;
  let r = x % half;
  if (2n * r > half) {
    r -= half;
    count++;
  } else if (2n * r < -half) {
    r += half;
    count--;
  }
  const quadrant = (count + quarters) & 3n;
  const value = circular(r, quadrant & 1n ? 0n : 1n);
  return quadrant & 2n ? -value : value;
}

export function sin(x: bigint): bigint {
  return sine(x, 0n);
}

export function cos(x: bigint): bigint {
  return sine(x, 1n);
}

export function tan(x: bigint): bigint {
  return (sin(x) << BITS) / cos(x);
}

/** 2^x - 1. */
export function exp2m1(x: bigint): bigint {
  const power = times(x, LN2);
  let term = ONE;
  let sum = 0n;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = times(term, power) / n;
    sum += term;
  }
  return sum;
}

/** log2 of a positive x. */
export function log2(x: bigint): bigint {
  const exponent = BigInt(x.toString(2).length - 1) - BITS;
  const m = exponent < 0n ? x << -exponent : x >> exponent;
  const ln = 2n * oddSeries(((m - ONE) << BITS) / (m + ONE), 1n);
  return exponent * ONE + (ln << BITS) / LN2;
}

/** The angle of the point (x, y), y > 0. */
export function atan2(y: bigint, x: bigint): bigint {
  if (x < 0n) return 4n * QUARTER_PI - atan2(y, -x);
  if (y > x) return 2n * QUARTER_PI - atan2(x, y);
  let t = (y << BITS) / x;
  const halvings = 3n;
  for (let i = 0n; i < halvings; i++) t = (t << BITS) / (ONE + root(ONE + times(t, t)));
  return oddSeries(t, -1n) << halvings;
}
