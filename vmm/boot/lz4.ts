/**
 * LZ4's legacy frame, which Linux's build makes with `lz4 -l` (lz4_Frame_format.md, "Legacy frame", and lz4_Block_format.md).
 *
 * Leaves out: the current frame format (magic 184D2204), which no kernel uses.
 *
 * @module
 */
import { BootError } from './entry.ts';
import type { ImageFile } from './image-file.ts';

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

/**
 * What a legacy frame unpacks to, block by block when it is asked for: a kernel of 60 MB costs one block of memory, because blocks are
 * independent and all but the last hold BLOCK_MAX bytes.
 */
export class Lz4LegacyFile implements ImageFile {
  readonly length: number;
  readonly #frame: Uint8Array;
  /** Start and end of each compressed block. */
  readonly #blocks: readonly (readonly [from: number, to: number])[];
  readonly #unpacked: Uint8Array;
  #current = -1;

  private constructor(frame: Uint8Array, length: number, blocks: readonly (readonly [number, number])[]) {
    this.length = length;
    this.#frame = frame;
    this.#blocks = blocks;
    this.#unpacked = new Uint8Array(Math.min(BLOCK_MAX, length));
  }

  /** The file in a frame that claims to unpack to `length` bytes; null when the frame cannot. */
  static open(frame: Uint8Array, length: number): Lz4LegacyFile | null {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    if (frame.length < 4 || view.getUint32(0, true) !== LEGACY_MAGIC) return null;
    // A length byte adds at most 255: a larger claim is a lie and not worth the memory.
    if (length > frame.length * 255) return null;
    const blocks: [number, number][] = [];
    for (let at = 4; at + 4 <= frame.length && blocks.length * BLOCK_MAX < length; ) {
      const compressed = view.getUint32(at, true);
      at += 4;
      if (compressed === LEGACY_MAGIC) continue;
      if (compressed > frame.length - at) return null;
      blocks.push([at, at + compressed]);
      at += compressed;
    }
    return blocks.length === Math.ceil(length / BLOCK_MAX) ? new Lz4LegacyFile(frame, length, blocks) : null;
  }

  /** Block `n`, valid until another one is asked for. */
  #block(n: number): Uint8Array {
    const bytes = Math.min(BLOCK_MAX, this.length - n * BLOCK_MAX);
    const out = this.#unpacked.subarray(0, bytes);
    if (n !== this.#current) {
      this.#current = -1;
      const [from, to] = this.#blocks[n] as readonly [number, number];
      if (block(this.#frame.subarray(from, to), out, 0) !== bytes) throw new BootError('the lz4 payload of the bzImage is damaged');
      this.#current = n;
    }
    return out;
  }

  part(from: number, to: number): Uint8Array {
    const out = new Uint8Array(to - from);
    let at = 0;
    for (const piece of this.pieces(from, to)) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  *pieces(from: number, to: number): Generator<Uint8Array> {
    for (let at = from; at < to; ) {
      const n = Math.floor(at / BLOCK_MAX);
      const start = at - n * BLOCK_MAX;
      const end = Math.min(BLOCK_MAX, to - n * BLOCK_MAX);
      yield this.#block(n).subarray(start, end);
      at = n * BLOCK_MAX + end;
    }
  }
}
