/**
 * Floating-point numbers as text: %e %f %g of C, and the encodings they come in (float, double, the 80-bit long double of x87).
 *
 * D computes with no floating-point number, but a member of a structure may be one, and printf() and print() show it. Numbers are taken apart
 * into an integer and a power of two and rounded exactly, half to even, as the C library does in its default mode: JavaScript's own toFixed
 * rounds a half up and gives up at 10^21.
 *
 * @module
 */
import type { RecordBytes } from './datum.ts';

/** A finite number is mantissa * 2^exponent. */
export interface Floating {
  readonly negative: boolean;
  readonly special?: 'inf' | 'nan';
  readonly mantissa: bigint;
  readonly exponent: number;
}

interface Encoding {
  readonly mantissaBits: number;
  readonly exponentBits: number;
}

const ENCODINGS: Readonly<Record<number, Encoding>> = {
  4: { mantissaBits: 23, exponentBits: 8 },
  8: { mantissaBits: 52, exponentBits: 11 },
};

/** x87: exponent bias with the 63 fraction bits of its explicit mantissa. */
const X87_BIAS = 16383 + 63;
const X87_MAX = 0x7fff;

function readX87(record: RecordBytes, at: number): Floating {
  const mantissa = record.u64(at);
  const word = record.view.getUint16(at + 8, true);
  const negative = word >= 0x8000;
  const biased = word & X87_MAX;
  if (biased !== X87_MAX) return { negative, mantissa, exponent: Math.max(biased, 1) - X87_BIAS };
  return { negative, special: mantissa << 1n === 1n << 64n ? 'inf' : 'nan', mantissa: 0n, exponent: 0 };
}

/** Reads a number of 4, 8 or 16 bytes; undefined for other sizes. */
export function readFloating(record: RecordBytes, at: number, bytes: number): Floating | undefined {
  if (bytes === 16) return readX87(record, at);
  const encoding = ENCODINGS[bytes];
  if (encoding === undefined) return undefined;
  const bits = bytes === 4 ? BigInt(record.u32(at)) : record.u64(at);
  const { mantissaBits, exponentBits } = encoding;
  const fraction = BigInt.asUintN(mantissaBits, bits);
  const biased = Number(BigInt.asUintN(exponentBits, bits >> BigInt(mantissaBits)));
  const negative = bits >> BigInt(mantissaBits + exponentBits) === 1n;
  if (biased === 2 ** exponentBits - 1) return { negative, special: fraction === 0n ? 'inf' : 'nan', mantissa: 0n, exponent: 0 };
  const mantissa = biased === 0 ? fraction : fraction | (1n << BigInt(mantissaBits));
  return { negative, mantissa, exponent: Math.max(biased, 1) - (2 ** (exponentBits - 1) - 1) - mantissaBits };
}

const power = (n: number): bigint => 10n ** BigInt(n);

/** The number as a fraction of two integers. */
function fraction({ mantissa, exponent }: Floating): [bigint, bigint] {
  return exponent >= 0 ? [mantissa << BigInt(exponent), 1n] : [mantissa, 1n << BigInt(-exponent)];
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

/** Digits of a number scaled by 10^decimals, with the point put back. */
function point(scaled: bigint, decimals: number, keepPoint: boolean): string {
  const digits = scaled.toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  return decimals > 0 || keepPoint ? `${whole}.${digits.slice(digits.length - decimals)}` : whole;
}

function fixed(value: Floating, precision: number, keepPoint: boolean): string {
  const [numerator, denominator] = fraction(value);
  return point(divideHalfEven(numerator * power(precision), denominator), precision, keepPoint);
}

/** The `precision` + 1 leading digits, and the power of ten of the first. */
function leading(value: Floating, precision: number): { digits: bigint; exponent: number } {
  const [numerator, denominator] = fraction(value);
  if (numerator === 0n) return { digits: 0n, exponent: 0 };
  const scaled = (exponent: number): bigint =>
    precision >= exponent
      ? divideHalfEven(numerator * power(precision - exponent), denominator)
      : divideHalfEven(numerator, denominator * power(exponent - precision));
  // The number of digits of both is within one of the truth; rounding may carry into one digit more.
  let exponent = numerator.toString().length - denominator.toString().length;
  if (exponent >= 0 ? numerator < denominator * power(exponent) : numerator * power(-exponent) < denominator) exponent--;
  let digits = scaled(exponent);
  if (digits >= power(precision + 1)) digits = scaled(++exponent);
  return { digits, exponent };
}

function exponential(value: Floating, precision: number, keepPoint: boolean): string {
  const { digits, exponent } = leading(value, precision);
  const sign = exponent < 0 ? '-' : '+';
  return `${point(digits, precision, keepPoint)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function withoutTrailingZeros(text: string): string {
  const [mantissa, exponent] = text.split('e') as [string, string?];
  const shorter = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return exponent === undefined ? shorter : `${shorter}e${exponent}`;
}

function general(value: Floating, precision: number, alternate: boolean): string {
  const significant = Math.max(precision, 1);
  const { exponent } = leading(value, significant - 1);
  const text =
    exponent >= -4 && exponent < significant
      ? fixed(value, significant - 1 - exponent, alternate)
      : exponential(value, significant - 1, alternate);
  return alternate ? text : withoutTrailingZeros(text);
}

/**
 * The magnitude of a number as conversion `name` (e, E, f, g or G) writes it, without sign: the caller pads.
 *
 * @param precision digits after the point, or significant ones for g
 */
export function floatingText(value: Floating, name: string, precision: number, alternate: boolean): string {
  const kind = name.toLowerCase();
  const text =
    value.special ??
    (kind === 'f'
      ? fixed(value, precision, alternate)
      : kind === 'e'
        ? exponential(value, precision, alternate)
        : general(value, precision, alternate));
  return name === kind ? text : text.toUpperCase();
}
