/**
 * Copies a disk, without what is zeros.
 *
 * @module
 */
import type { DiskImage } from './image.ts';
import { isZero } from './raw.ts';

/** Bytes that are read at once, and the pieces in which zeros are looked for. */
const PIECE = 2 * 1048576;
const GRAIN = 65536;

/** Calls for each part of a disk that may hold something else than zeros, with its bytes; they are valid until the next call. */
export function eachData(
  from: DiskImage,
  work: (offset: number, bytes: Uint8Array) => void,
  progress: (done: number, all: number) => void = () => {},
): void {
  const buffer = new Uint8Array(PIECE);
  for (let at = 0; at < from.size; ) {
    const zeros = from.zerosAt?.(at, from.size - at) ?? 0;
    at += zeros;
    if (at >= from.size) break;
    const piece = buffer.subarray(0, Math.min(PIECE - (at % GRAIN), from.size - at));
    from.read(at, piece);
    eachRun(piece, (start, end) => work(at + start, piece.subarray(start, end)));
    at += piece.length;
    progress(at, from.size);
  }
}

/** The runs of grains that are not all zeros. */
function eachRun(bytes: Uint8Array, work: (start: number, end: number) => void): void {
  let start = -1;
  for (let at = 0; at < bytes.length; at += GRAIN) {
    const zero = isZero(bytes.subarray(at, at + GRAIN));
    if (zero && start >= 0) work(start, at);
    if (zero) start = -1;
    else if (start < 0) start = at;
  }
  if (start >= 0) work(start, bytes.length);
}

/** Copies a disk into one that reads as zeros. Throws DiskError. */
export function copyDisk(from: DiskImage, to: DiskImage, progress?: (done: number, all: number) => void): void {
  eachData(from, (offset, bytes) => to.write(offset, bytes), progress);
  to.flush();
}
