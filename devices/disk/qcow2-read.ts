/**
 * The reading side of a qcow2 image: each run of clusters from where it is, in as few calls of the host as there are runs.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { DiskError, type DiskImage } from './image.ts';
import { decompress } from './qcow2-compressed.ts';
import type { Qcow2Header } from './qcow2-header.ts';
import { type ClusterMap, compressedPlace } from './qcow2-map.ts';

export class Qcow2Reader {
  readonly #file: ByteFile;
  readonly #header: Qcow2Header;
  readonly #clusterBytes: number;
  readonly #map: ClusterMap;
  readonly #backing: DiskImage | undefined;
  /** The last compressed cluster that was read. */
  #unpacked: { readonly at: number; readonly bytes: Uint8Array } | undefined;

  constructor(file: ByteFile, header: Qcow2Header, map: ClusterMap, backing: DiskImage | undefined) {
    this.#file = file;
    this.#header = header;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#map = map;
    this.#backing = backing;
  }

  read(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      this.#map.locate(offset + at, into.length - at);
      const { kind, host, length } = this.#map;
      const part = at === 0 && length === into.length ? into : into.subarray(at, at + length);
      if (kind === 'data') this.#readFile(host, part);
      else if (kind === 'compressed') this.#readCompressed(offset + at, part);
      else if (kind === 'zero' || this.#backing === undefined) part.fill(0);
      else readBacking(this.#backing, offset + at, part);
      at += length;
    }
  }

  /** How many bytes from here on are known to be zeros without a look at them; at most `most`. */
  zerosAt(offset: number, most: number): number {
    let at = 0;
    while (at < most) {
      this.#map.locate(offset + at, most - at);
      const { kind, length } = this.#map;
      if (kind === 'unallocated' && this.#backing !== undefined) {
        const below = Math.min(length, Math.max(0, this.#backing.size - offset - at));
        const zeros = below === 0 ? 0 : (this.#backing.zerosAt?.(offset + at, below) ?? 0);
        if (zeros < below) return at + zeros;
      } else if (kind !== 'zero' && kind !== 'unallocated') break;
      at += length;
    }
    return at;
  }

  /** How far two disks of one image surely hold the same: the same clusters of the file. At most `most` bytes; 0 where they may differ. */
  sameAs(other: Qcow2Reader, offset: number, most: number): number {
    let at = 0;
    while (at < most) {
      this.#map.locate(offset + at, most - at);
      const { kind, host, length, high, low } = this.#map;
      other.#map.locate(offset + at, length);
      const there = other.#map;
      const packed = kind === 'compressed' && (high !== there.high || low !== there.low);
      if (kind !== there.kind || (kind === 'data' && host !== there.host) || packed) break;
      at += there.length;
    }
    return at;
  }

  /** Where the file ends within its last cluster there are zeros; where it ends before it did, it was cut. */
  #readFile(host: number, into: Uint8Array): void {
    const got = this.#file.read(host, into);
    if (got === into.length) return;
    if (host + got < this.#map.end) throw new DiskError(`the file ends at ${host + got}; it was longer when it was opened`);
    into.fill(0, got);
  }

  #readCompressed(offset: number, into: Uint8Array): void {
    const { high, low } = this.#map;
    const place = compressedPlace(high, low, this.#header.clusterBits);
    if (place.offset >= this.#map.end)
      throw new DiskError(`the image is damaged: a compressed cluster is at ${place.offset}, behind its end`);
    if (this.#unpacked?.at !== place.offset) {
      const packed = new Uint8Array(place.bytes);
      const data = packed.subarray(0, this.#file.read(place.offset, packed));
      const bytes = decompress(data, this.#clusterBytes, this.#header.compression);
      if (bytes === undefined) throw new DiskError(`the image is damaged: the compressed cluster at ${place.offset} cannot be read`);
      this.#unpacked = { at: place.offset, bytes };
    }
    const within = offset % this.#clusterBytes;
    into.set(this.#unpacked.bytes.subarray(within, within + into.length));
  }
}

/** What the backing image holds; it may be smaller. */
function readBacking(backing: DiskImage, offset: number, into: Uint8Array): void {
  const bytes = Math.max(0, Math.min(into.length, backing.size - offset));
  if (bytes > 0) backing.read(offset, bytes === into.length ? into : into.subarray(0, bytes));
  if (bytes < into.length) into.fill(0, bytes);
}
