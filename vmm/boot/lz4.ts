/**
 * LZ4's legacy frame, which Linux's build makes with `lz4 -l` (lz4_Frame_format.md, "Legacy frame", and lz4_Block_format.md).
 *
 * Leaves out: the current frame format (magic 184D2204), which no kernel uses.
 *
 * @module
 */

const LEGACY_MAGIC = 0x184c2102;
/** Uncompressed size of every block but the last. */
const BLOCK_MAX = 8 * 1024 * 1024;
const MIN_MATCH = 4;
/** Copies up to this length are faster byte by byte than by a call (measured on Debian's kernel). */
const SHORT = 32;

/** Decompresses one block into `out` from `at`; the end, or -1 when the block is damaged or `out` is full. */
function block(input: Uint8Array, out: Uint8Array, at: number): number {
  const length = input.length;
  let i = 0;
  let o = at;
  while (i < length) {
    const token = input[i++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (i >= length) return -1;
        more = input[i++] as number;
        literals += more;
      } while (more === 255);
    }
    if (i + literals > length || o + literals > out.length) return -1;
    if (literals > SHORT) {
      out.set(input.subarray(i, i + literals), o);
      i += literals;
      o += literals;
    } else {
      for (const end = i + literals; i < end; ) out[o++] = input[i++] as number;
    }
    // The last sequence has no match.
    if (i === length) return o;
    if (i + 2 > length) return -1;
    const offset = (input[i] as number) | ((input[i + 1] as number) << 8);
    i += 2;
    let match = (token & 15) + MIN_MATCH;
    if ((token & 15) === 15) {
      let more: number;
      do {
        if (i >= length) return -1;
        more = input[i++] as number;
        match += more;
      } while (more === 255);
    }
    // Blocks of a legacy frame are independent: a match does not reach before its own block.
    if (offset === 0 || offset > o - at || o + match > out.length) return -1;
    if (match > SHORT && offset >= match) {
      out.copyWithin(o, o - offset, o - offset + match);
      o += match;
    } else {
      for (let end = o + match; o < end; o++) out[o] = out[o - offset] as number;
    }
  }
  return -1;
}

/** The `size` bytes that a legacy frame unpacks to, or null when it is damaged or does not have that size. */
export function unpackLz4Legacy(frame: Uint8Array, size: number): Uint8Array | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 4 || view.getUint32(0, true) !== LEGACY_MAGIC) return null;
  // A length byte adds at most 255: a larger claim is a lie and not worth the memory.
  if (size > frame.length * 255) return null;
  const out = new Uint8Array(size);
  let at = 0;
  let i = 4;
  while (i + 4 <= frame.length && at < size) {
    const compressed = view.getUint32(i, true);
    i += 4;
    if (compressed === LEGACY_MAGIC) continue;
    if (compressed > frame.length - i) return null;
    const end = block(frame.subarray(i, i + compressed), out.subarray(0, Math.min(at + BLOCK_MAX, size)), at);
    if (end < 0) return null;
    at = end;
    i += compressed;
  }
  return at === size ? out : null;
}
