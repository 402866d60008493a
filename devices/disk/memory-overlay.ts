/**
 * A layer over an image that keeps what is written in the host's memory: the image itself is never changed.
 *
 * Written in clusters of 64 KiB; the first write to one copies the rest of it from below. Gone when the VM ends, which is what it is for.
 *
 * @module
 */
import { StateError } from '../../vmm/bus.ts';
import type { DiskImage } from './image.ts';

const CLUSTER = 65536;

export class MemoryOverlay implements DiskImage {
  readonly size: number;
  readonly readOnly = false;
  readonly format?: string;
  readonly #below: DiskImage;
  readonly #clusters = new Map<number, Uint8Array>();

  constructor(below: DiskImage) {
    this.#below = below;
    this.size = below.size;
    this.format = below.format;
  }

  read(offset: number, into: Uint8Array): void {
    eachCluster(offset, into.length, (index, within, at, length) => {
      const cluster = this.#clusters.get(index);
      const target = into.subarray(at, at + length);
      if (cluster === undefined) this.#below.read(offset + at, target);
      else target.set(cluster.subarray(within, within + length));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    eachCluster(offset, bytes.length, (index, within, at, length) => {
      this.#own(index, length === CLUSTER).set(bytes.subarray(at, at + length), within);
    });
  }

  zero(offset: number, length: number): void {
    eachCluster(offset, length, (index, within, _at, bytes) => {
      this.#own(index, bytes === CLUSTER).fill(0, within, within + bytes);
    });
  }

  /** The cluster's own copy; `whole`: all of it is about to be written. */
  #own(index: number, whole: boolean): Uint8Array {
    let cluster = this.#clusters.get(index);
    if (cluster !== undefined) return cluster;
    cluster = new Uint8Array(CLUSTER);
    const start = index * CLUSTER;
    if (!whole) this.#below.read(start, cluster.subarray(0, Math.min(CLUSTER, this.size - start)));
    this.#clusters.set(index, cluster);
    return cluster;
  }

  /** The clusters that were written: for each its number, u32, and its bytes. */
  saveBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#clusters.size * (4 + CLUSTER));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const [index, cluster] of this.#clusters) {
      view.setUint32(at, index, true);
      bytes.set(cluster, at + 4);
      at += 4 + CLUSTER;
    }
    return bytes;
  }

  restoreBytes(bytes: Uint8Array): void {
    if (bytes.length % (4 + CLUSTER) !== 0) throw new StateError('a disk in memory: not whole clusters');
    this.#clusters.clear();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 4 + CLUSTER) {
      const index = view.getUint32(at, true);
      if (index * CLUSTER >= this.size) throw new StateError(`a disk in memory: no cluster ${index}`);
      this.#clusters.set(index, bytes.slice(at + 4, at + 4 + CLUSTER));
    }
  }

  flush(): void {}

  discard(): void {}

  close(): void {
    this.#clusters.clear();
    this.#below.close();
  }
}

/** Splits a range at cluster borders: index, offset within the cluster, offset within the range, length. */
function eachCluster(offset: number, length: number, part: (index: number, within: number, at: number, length: number) => void): void {
  for (let at = 0; at < length; ) {
    const within = (offset + at) % CLUSTER;
    const bytes = Math.min(length - at, CLUSTER - within);
    part(Math.floor((offset + at) / CLUSTER), within, at, bytes);
    at += bytes;
  }
}
