/**
 * Values that instructions find interesting, in pools that cases are cut from: a pool is half special values and half random bits, by element type.
 *
 * A bit of every pool is made anew with each batch, so that a long run sees other combinations.
 *
 * @module
 */
import { Random as Sfc32 } from '../cpu/host-random.ts';
import type { Domain } from './forms.ts';

/** The generator of the host tests, with choices that cost less. */
export class Random extends Sfc32 {
  /** 0 to n - 1, n below 2^16. */
  override below(n: number): number {
    return ((this.u32() >>> 16) * n) >>> 16;
  }
}

/** Bytes of a pool, and what lies behind it for cuts from its end. */
const SIZE = 0x8000;
const REST = 1024;

const EDGES: readonly bigint[] = [3n, 4n, 7n, 8n, 15n, 16n, 31n, 32n, 47n, 63n, 64n]
  .flatMap((bit) => [(1n << bit) - 2n, (1n << bit) - 1n, 1n << bit, (1n << bit) + 1n])
  .concat([
    0n,
    0n,
    1n,
    2n,
    9n,
    10n,
    0x99n,
    0x9an,
    0xff00n,
    0x8080808080808080n,
    0x7f7f7f7f7f7f7f7fn,
    0x5555555555555555n,
    -2n,
    -3n,
    -128n,
    -129n,
  ])
  .map((v) => BigInt.asUintN(64, v));

const BYTES = [0, 0, 1, 2, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x55, 0xaa, 0x0f, 0xf0, 0x40, 0x20, 0x61];
const WORDS = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0xfffe, 0xff, 0x100, 0xff00, 0x7f, 0x80, 0xff80, 0x4000];
const DWORDS = [0, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0xffff, 0x10000, 0x7fff, 0x8000, 0xffff8000, 0xffff7fff];

/** Exponent fields that matter, about the bias. */
function exponent(r: Random, bias: number, top: number): number {
  switch (r.below(8)) {
    case 0:
      return 0;
    case 1:
      return r.below(3) + top - 2;
    case 2:
      return r.below(3);
    case 3:
      return bias + 29 + r.below(6);
    case 4:
      return bias + 60 + r.below(8) > top ? top : bias + 60 + r.below(8);
    case 5:
      return Math.min(top, Math.max(0, bias - 40 + r.below(80)));
    default:
      return Math.min(top, Math.max(0, bias - 3 + r.below(10)));
  }
}

/** A fraction of `bits` bits. */
function fraction(r: Random, bits: number): bigint {
  const all = (1n << BigInt(bits)) - 1n;
  const random = ((BigInt(r.u32()) << 32n) | BigInt(r.u32())) & all;
  switch (r.below(8)) {
    case 0:
    case 1:
      return 0n;
    case 2:
      return 1n << BigInt(r.below(bits));
    case 3:
      return all ^ (1n << BigInt(r.below(bits)));
    case 4:
      // Short: exact sums and products, ties.
      return random & (all << BigInt(r.below(bits))) & all;
    case 5:
      return all;
    default:
      return random;
  }
}

function float(r: Random, exponentBits: number, fractionBits: number): bigint {
  const top = (1 << exponentBits) - 1;
  const e = exponent(r, top >> 1, top);
  const sign = BigInt(r.u32() >>> 31);
  return (sign << BigInt(exponentBits + fractionBits)) | (BigInt(e) << BigInt(fractionBits)) | fraction(r, fractionBits);
}

const put = (view: DataView, at: number, bits: bigint): void => view.setBigUint64(at, BigInt.asUintN(64, bits), true);

/** Fills 16 bytes with values of a domain. */
function write16(r: Random, view: DataView, at: number, domain: Domain): void {
  const kind = r.below(8);
  if (domain === 'f80') {
    // Mostly as the processor makes them, now and then without the integer bit (unsupported or pseudo-denormal).
    const e = exponent(r, 16383, 32767);
    const integer = r.oneIn(24) ? r.below(2) : e === 0 ? 0 : 1;
    const f = r.oneIn(3) ? (fraction(r, r.pick([23, 52])) << BigInt(63 - r.pick([23, 52]))) & ((1n << 63n) - 1n) : fraction(r, 63);
    put(view, at, (BigInt(integer) << 63n) | (r.oneIn(10) ? 0n : f));
    view.setUint32(at + 8, e | (r.u32() & 0x8000), true);
    view.setUint32(at + 12, 0, true);
  } else if (kind === 0) for (let i = 0; i < 16; i += 4) view.setUint32(at + i, r.u32(), true);
  else if (domain === 'f32') for (let i = 0; i < 16; i += 4) view.setUint32(at + i, Number(float(r, 8, 23)), true);
  else if (domain === 'f64') for (let i = 0; i < 16; i += 8) put(view, at + i, float(r, 11, 52));
  else if (domain === 'f16') for (let i = 0; i < 16; i += 2) view.setUint16(at + i, Number(float(r, 5, 10)), true);
  else if (kind < 4) for (let i = 0; i < 16; i += 8) put(view, at + i, integer64(r));
  else if (kind === 4) for (let i = 0; i < 16; i += 4) view.setUint32(at + i, r.pick(DWORDS), true);
  else if (kind === 5) for (let i = 0; i < 16; i += 2) view.setUint16(at + i, r.pick(WORDS), true);
  else for (let i = 0; i < 16; i++) view.setUint8(at + i, r.oneIn(4) ? r.u32() : r.pick(BYTES));
}

/** A 64-bit integer: random, small, sparse, or at the bounds of an operand size, above random bits now and then. */
function integer64(r: Random): bigint {
  switch (r.below(8)) {
    case 0:
    case 1:
      return (BigInt(r.u32()) << 32n) | BigInt(r.u32());
    case 2:
      return BigInt(r.below(256));
    case 3:
      return -BigInt(r.below(256));
    case 4: {
      const bits = r.pick([8, 16, 32]);
      return (BigInt(r.u32()) << 40n) ^ (BigInt(r.u32()) << BigInt(bits)) ^ BigInt.asUintN(bits, r.pick(EDGES));
    }
    case 5:
      return 1n << BigInt(r.below(64));
    default:
      return r.pick(EDGES);
  }
}

/** Bytes that a pool takes. */
export const POOL = SIZE + REST;

/** Values of one domain, at byte `base` of a memory: cases are cut from it with copyWithin. */
export class Pool {
  readonly #base: number;
  readonly #view: DataView;
  readonly #domain: Domain;

  constructor(r: Random, domain: Domain, memory: Uint8Array, base: number) {
    this.#domain = domain;
    this.#base = base;
    this.#view = new DataView(memory.buffer, memory.byteOffset + base, POOL);
    this.refresh(r, POOL);
  }

  /** Makes `length` bytes anew. */
  refresh(r: Random, length: number): void {
    let at = length > SIZE ? 0 : r.below((SIZE - length) >> 4) << 4;
    for (const end = at + length; at < end; at += 16) write16(r, this.#view, at, this.#domain);
  }

  /** A place to cut up to 1 KiB from: 16-byte elements begin there. */
  place(r: Random): number {
    return this.#base + (r.below(SIZE >> 4) << 4);
  }
}
