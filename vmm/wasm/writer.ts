/**
 * A growing buffer of bytes with the encodings of WebAssembly's binary format (core specification 2.0, section 5.2): LEB128 integers,
 * IEEE 754 floats, names.
 *
 * Writing allocates only when the buffer grows. A 64-bit constant is two 32-bit halves: no BigInt is needed to emit one.
 *
 * @module
 */

const floats = new Float64Array(1);
const floatBytes = new Uint8Array(floats.buffer);
const singles = new Float32Array(1);
const singleBytes = new Uint8Array(singles.buffer);
const encoder = new TextEncoder();

/** Bytes that are written one after the other. */
export class Writer {
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes written so far. */
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Forgets what was written and keeps the room. */
  clear(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes);
    this.bytes = grown;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Unsigned LEB128 of an integer from 0 to 2^32 - 1. */
  u32(value: number): void {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** Signed LEB128 of a 32-bit integer; unsigned values are taken modulo 2^32. */
  s32(value: number): void {
    this.reserve(5);
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      // Done when what is left is only the sign of what was written.
      if (rest === -(low >> 6)) {
        this.bytes[this.length++] = low;
        return;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }

  /** Signed LEB128 of the 64-bit integer `high * 2^32 + low` (both taken modulo 2^32). */
  s64(low: number, high: number): void {
    this.reserve(10);
    let lo = low | 0;
    let hi = high | 0;
    for (;;) {
      const group = lo & 0x7f;
      lo = (lo >>> 7) | (hi << 25);
      hi >>= 7;
      const sign = -(group >> 6);
      if (lo === sign && hi === sign) {
        this.bytes[this.length++] = group;
        return;
      }
      this.bytes[this.length++] = group | 0x80;
    }
  }

  f32(value: number): void {
    singles[0] = value;
    this.append(singleBytes, 0, 4);
  }

  f64(value: number): void {
    floats[0] = value;
    this.append(floatBytes, 0, 8);
  }

  /** Copies `source[from..to)`. */
  append(source: Uint8Array, from = 0, to = source.length): void {
    const count = to - from;
    this.reserve(count);
    // A short copy in a loop is cheaper than the view that `set` would need.
    if (count < 64) for (let i = from; i < to; i++) this.bytes[this.length++] = source[i] as number;
    else {
      this.bytes.set(from === 0 && to === source.length ? source : source.subarray(from, to), this.length);
      this.length += count;
    }
  }

  /** A name: its length in bytes, then UTF-8. */
  name(text: string): void {
    const bytes = encoder.encode(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  /** A copy of what was written. */
  take(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }
}

/** Bytes that `Writer.u32` needs for a value. */
export function u32Length(value: number): number {
  let count = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) count++;
  return count;
}
