/**
 * A boot image as loaders read it: in memory as a whole, or unpacked piece by piece.
 *
 * @module
 */

/** Bytes of an image; ranges lie within its length. */
export interface ImageFile {
  readonly length: number;
  /** The bytes of [from, to); a view where that is possible, so not to be written to. */
  part(from: number, to: number): Uint8Array;
  /** The same in order, in pieces that are valid until the next one. */
  pieces(from: number, to: number): Iterable<Uint8Array>;
}

/** An image that is in memory. */
export function wholeFile(bytes: Uint8Array): ImageFile {
  return {
    length: bytes.length,
    part: (from, to) => bytes.subarray(from, to),
    pieces: (from, to) => [bytes.subarray(from, to)],
  };
}
