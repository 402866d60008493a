/**
 * Compressed clusters of a qcow2 image: raw deflate (RFC 1951) or zstd (RFC 8878), one cluster each.
 *
 * The length that the image tells is that of whole sectors: what follows the compressed data is another cluster's, and is to be ignored. Never more than a cluster
 * comes out, whatever the data says.
 *
 * @module
 */
import { constants, inflateRawSync, zstdDecompressSync } from 'node:zlib';

/** A cluster's bytes; undefined when the data is no cluster. */
export function decompress(data: Uint8Array, clusterBytes: number, method: 'deflate' | 'zstd'): Uint8Array | undefined {
  try {
    const options = { maxOutputLength: clusterBytes };
    const bytes =
      method === 'deflate'
        ? inflateRawSync(data, { ...options, finishFlush: constants.Z_SYNC_FLUSH })
        : zstdDecompressSync(data.subarray(0, zstdFrameBytes(data)), options);
    return bytes.length === clusterBytes ? bytes : undefined;
  } catch {
    // Whatever zlib has against it: it is not what was written.
    return undefined;
  }
}

const ZSTD_MAGIC = 0xfd2fb528;
const LAST_BLOCK = 1;
const RLE_BLOCK = 1;
/** Bytes of the dictionary id and of the content size by their flags (RFC 8878, 3.1.1.1). */
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_BYTES = [0, 2, 4, 8];

/** Bytes of the frame at the start of the data, as its headers tell; no more than there are. */
export function zstdFrameBytes(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) return data.length;
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const content = sizeFlag === 0 && single ? 1 : (CONTENT_BYTES[sizeFlag] as number);
  let at = 5 + (single ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] as number) + content;
  for (let last = false; !last && at + 3 <= data.length; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (header & LAST_BLOCK) !== 0;
    at += 3 + (((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3);
  }
  return Math.min(data.length, at + ((descriptor & 4) !== 0 ? 4 : 0));
}
