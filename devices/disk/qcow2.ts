/**
 * A qcow2 image: a disk whose clusters are in its file where they were written first, and otherwise come from a backing image or are zeros.
 *
 * Format: "Qcow2 Image File Format" (QEMU, docs/interop/qcow2), versions 2 and 3. The parts: `qcow2-header.ts`, `qcow2-map.ts` (from the disk to the file), `qcow2-read.ts`,
 * `qcow2-refcounts.ts` (which clusters are in use), `qcow2-compressed.ts`, `qcow2-create.ts`, `qcow2-check.ts`, `qcow2-snapshots.ts`.
 *
 * Order of writes. Data goes to the file at once, tables wait in memory until a flush, or until there are many. Then:
 *
 * 1. refcounts and tables that nothing points to yet; fsync, which makes the data durable too;
 * 2. L2 and L1 entries; fsync;
 * 3. only now are clusters free that nothing points to any more; the next flush writes their refcounts.
 *
 * So at every moment, whatever part of the writes since the last fsync has reached the disk, the file holds an image in which everything that was flushed is whole;
 * the worst that is left are clusters that are counted and not used (leaks), which `lucid image check --repair` gives back. A cluster that is given to the guest is written
 * whole the first time, or lies behind the end of the file, where there are zeros: nothing of an older life can be read.
 *
 * A damaged or hostile image: entries are checked where they are used, and a write never goes to a cluster that holds metadata. What is found wrong while the guest
 * writes sets the image's corrupt bit; from then on it is written no more.
 *
 * Left out: encryption, external data files, extended L2 entries (refused), lazy refcounts (such images are repaired when opened, then kept strictly), writing
 * compressed clusters, dirty bitmaps (declared stale, as the format has it, by the first write), growing the disk.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { DiskError, type DiskImage, ImageError, SECTOR } from './image.ts';
import { AT, CORRUPT, DIRTY, type Qcow2Header, readHeader } from './qcow2-header.ts';
import { ClusterMap, COMPRESSED_HIGH, COPIED_HIGH, compressedPlace, DamageError, entryOffset, ZERO_LOW } from './qcow2-map.ts';
import { metadataClusters } from './qcow2-metadata.ts';
import { Qcow2Reader } from './qcow2-read.ts';
import { Refcounts, type Run } from './qcow2-refcounts.ts';
import type { Snapshot } from './qcow2-snapshot-table.ts';
import { isZero } from './raw.ts';

/** Clusters that wait to be free; more, and they are made so. */
const RETIRED_MAX = 65536;

export interface Qcow2Options {
  readonly readOnly?: boolean;
  /** What the image's header names as backing file. It is closed with the image. */
  readonly backing?: DiskImage;
  /** The disk as it was in an internal snapshot; for reading only. */
  readonly snapshot?: Snapshot;
}

export class Qcow2Image implements DiskImage {
  readonly size: number;
  readonly readOnly: boolean;
  readonly format = 'qcow2';
  readonly header: Qcow2Header;
  readonly #file: ByteFile;
  readonly #backing: DiskImage | undefined;
  readonly #clusterBytes: number;
  readonly #map: ClusterMap;
  readonly #reader: Qcow2Reader;
  /** Of an image that may be written. */
  readonly #refcounts: Refcounts | undefined;
  readonly #metadata: Set<number> = new Set();
  /** Clusters with one user less, once the tables that say so are durable. */
  readonly #retired: Run[] = [];
  #autoclear: boolean;
  #damage: string | undefined;
  /** A cluster's worth of bytes, for what is around a write. */
  readonly #around: Uint8Array;

  /** Takes over `file`. Throws ImageError when it is not an image that can be used, DiskError. */
  constructor(file: ByteFile, { readOnly = false, backing, snapshot }: Qcow2Options = {}) {
    this.#file = file;
    this.readOnly = readOnly;
    const { l1Offset, l1Size, size } = snapshot ?? {};
    const active = readHeader(file);
    const header = snapshot === undefined ? active : ({ ...active, l1Offset, l1Size, size } as Qcow2Header);
    this.header = header;
    this.size = header.size - (header.size % SECTOR);
    this.#backing = backing;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#around = new Uint8Array(this.#clusterBytes);
    this.#autoclear = header.autoclear;
    const fileBytes = file.size();
    this.#map = new ClusterMap(file, header, () => this.#refcounts?.end ?? fileBytes);
    this.#reader = new Qcow2Reader(file, header, this.#map, backing);
    if (readOnly) return;
    if ((header.incompatible & CORRUPT) !== 0)
      throw new ImageError('is marked as corrupt: it may be read (ro), and repaired with qemu-img');
    if ((header.incompatible & DIRTY) !== 0) throw new ImageError('was not closed cleanly, its refcounts may be wrong (dirty)');
    this.#refcounts = new Refcounts(file, header, this.#metadata);
    metadataClusters(this.#metadata, file, header, this.#map.tables(), this.#refcounts.blocks);
  }

  read(offset: number, into: Uint8Array): void {
    this.#reader.read(offset, into);
  }

  zerosAt(offset: number, most: number): number {
    return this.#reader.zerosAt(offset, most);
  }

  /** How far two disks of one image surely hold the same: the same clusters of the file. At most `most` bytes; 0 where they may differ. */
  sameAs(other: Qcow2Image, offset: number, most: number): number {
    return this.#reader.sameAs(other.#reader, offset, most);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#change((refcounts) => {
      for (let at = 0; at < bytes.length; ) {
        const rest = at === 0 ? bytes : bytes.subarray(at);
        at += this.#writePart(refcounts, offset + at, rest);
      }
    });
  }

  /** Writes as much as goes in one piece; how many bytes. */
  #writePart(refcounts: Refcounts, offset: number, bytes: Uint8Array): number {
    this.#map.locate(offset, bytes.length);
    const { kind, host, length, copied } = this.#map;
    if (kind !== 'data' || !copied) return this.#writeNew(refcounts, offset, bytes.subarray(0, this.#newLength(offset, bytes.length)));
    const last = Math.floor((host + length - 1) / this.#clusterBytes);
    for (let cluster = Math.floor(host / this.#clusterBytes); cluster <= last; cluster++) this.#refuseMetadata(cluster);
    this.#file.write(host, length === bytes.length ? bytes : bytes.subarray(0, length));
    return length;
  }

  #refuseMetadata(cluster: number): void {
    if (this.#metadata.has(cluster)) throw new DamageError(`cluster ${cluster} holds the image's own tables, and a disk's data at once`);
  }

  /** How far a write goes that needs new clusters: to the first that can be written in place, within one table. */
  #newLength(offset: number, most: number): number {
    const cluster = Math.floor(offset / this.#clusterBytes);
    const inTable = this.#map.perTable - (cluster % this.#map.perTable);
    const end = Math.min(offset + most, (cluster + inTable) * this.#clusterBytes);
    let at = offset;
    while (at < end) {
      this.#map.locate(at, end - at);
      if (this.#map.kind === 'data' && this.#map.copied) break;
      at += this.#map.length;
    }
    return at - offset;
  }

  /** Writes to new clusters, in one row of the file: what is around the bytes within the first and the last one is copied. */
  #writeNew(refcounts: Refcounts, offset: number, bytes: Uint8Array): number {
    const size = this.#clusterBytes;
    const first = Math.floor(offset / size);
    const start = first * size;
    const wanted = Math.ceil((offset + bytes.length - start) / size);
    this.#own(refcounts, first);
    const before = refcounts.end;
    const run = refcounts.take(wanted);
    const host = run.first * size;
    const length = Math.min(bytes.length, start + run.count * size - offset);
    const end = offset + length;
    try {
      const wholeEnd = Math.ceil(end / size) * size;
      // Behind the former end of the file there are zeros.
      this.#copyAround(start, offset, host, host >= before);
      this.#copyAround(end, Math.min(wholeEnd, this.size), host + end - start, host >= before);
      // The disk ends within its last cluster.
      if (wholeEnd > this.size && host < before) this.#file.write(host + this.size - start, new Uint8Array(wholeEnd - this.size));
      this.#file.write(host + offset - start, length === bytes.length ? bytes : bytes.subarray(0, length));
    } catch (error) {
      refcounts.release(run);
      throw error;
    }
    for (let i = 0; i < run.count; i++) this.#replace(first + i, host + i * size, 0);
    return length;
  }

  /** Copies what the disk holds from `from` to `to`, within one cluster, to its new place. */
  #copyAround(from: number, to: number, host: number, zeros: boolean): void {
    if (from >= to) return;
    const bytes = this.#around.subarray(0, to - from);
    this.read(from, bytes);
    if (!zeros || !isZero(bytes)) this.#file.write(host, bytes);
  }

  #own(refcounts: Refcounts, cluster: number): void {
    const shared = this.#map.own(cluster, refcounts, this.#metadata);
    if (shared !== undefined) this.#retired.push(shared);
  }

  /** Makes a standard entry, and gives back what was there. */
  #replace(cluster: number, host: number, low: number): void {
    this.#retire(cluster);
    const high = Math.floor(host / 2 ** 32);
    this.#map.setEntry(cluster, host === 0 ? 0 : (high | COPIED_HIGH) >>> 0, ((host % 2 ** 32) | low) >>> 0);
  }

  /** The cluster's place in the file loses a user. */
  #retire(cluster: number): void {
    const { high, low } = this.#map.entry(cluster);
    if ((high & COMPRESSED_HIGH) !== 0) {
      const { offset, bytes } = compressedPlace(high, low, this.header.clusterBits);
      const first = Math.floor(offset / this.#clusterBytes);
      this.#retireRun({ first, count: Math.floor((offset + bytes - 1) / this.#clusterBytes) - first + 1 });
      return;
    }
    const host = entryOffset(high, low);
    if (host !== 0) this.#retireRun({ first: host / this.#clusterBytes, count: 1 });
  }

  #retireRun(run: Run): void {
    for (let cluster = run.first; cluster < run.first + run.count; cluster++) this.#refuseMetadata(cluster);
    const last = this.#retired.at(-1);
    if (last !== undefined && last.first + last.count === run.first)
      this.#retired[this.#retired.length - 1] = { first: last.first, count: last.count + run.count };
    else this.#retired.push(run);
  }

  zero(offset: number, length: number): void {
    this.#change((refcounts) => {
      this.#eachPart(
        offset,
        length,
        (at, bytes) => {
          if (!this.#readsAsZeros(at, bytes)) this.#writeZeros(refcounts, at, bytes);
        },
        (cluster) => this.#zeroCluster(refcounts, cluster),
      );
    });
  }

  discard(offset: number, length: number): void {
    // A version 2 image over another one has no way to say that a cluster is gone.
    if (this.header.version === 2 && this.#backing !== undefined) return;
    this.#change((refcounts) => {
      this.#eachPart(
        offset,
        length,
        () => {},
        (cluster) => this.#zeroCluster(refcounts, cluster),
      );
    });
  }

  /** Splits a range into whole clusters and what is left of others. The last cluster is whole up to the disk's end. */
  #eachPart(offset: number, length: number, rest: (at: number, bytes: number) => void, whole: (cluster: number) => void): void {
    const size = this.#clusterBytes;
    for (let at = offset; at < offset + length; ) {
      const cluster = Math.floor(at / size);
      const end = Math.min((cluster + 1) * size, this.size);
      const bytes = Math.min(end, offset + length) - at;
      if (at === cluster * size && at + bytes === end) whole(cluster);
      else rest(at, bytes);
      at += bytes;
      if (this.#crowded) this.#commit();
    }
  }

  #readsAsZeros(offset: number, length: number): boolean {
    this.#map.locate(offset, length);
    return this.#map.kind === 'zero' || (this.#map.kind === 'unallocated' && this.#backing === undefined);
  }

  #writeZeros(refcounts: Refcounts, offset: number, length: number): void {
    const zeros = new Uint8Array(length);
    for (let at = 0; at < length; ) at += this.#writePart(refcounts, offset + at, zeros.subarray(at));
  }

  #zeroCluster(refcounts: Refcounts, cluster: number): void {
    const { high, low } = this.#map.entry(cluster);
    const hole = this.#backing === undefined;
    if (hole && high === 0 && low === 0) return;
    if (this.header.version === 2 && !hole) {
      this.#writeZeros(refcounts, cluster * this.#clusterBytes, Math.min(this.#clusterBytes, this.size - cluster * this.#clusterBytes));
      return;
    }
    this.#own(refcounts, cluster);
    this.#replace(cluster, 0, hole ? 0 : ZERO_LOW);
  }

  /** Every change of the disk goes through here. */
  #change(work: (refcounts: Refcounts) => void): void {
    const refcounts = this.#refcounts;
    if (refcounts === undefined) throw new DiskError('the image is open for reading only');
    if (this.#damage !== undefined) throw new DiskError(this.#damage);
    if (this.#autoclear) this.#clearAutoclear();
    if (this.#crowded) this.#commit();
    try {
      work(refcounts);
    } catch (error) {
      if (error instanceof DamageError) this.#markCorrupt(error);
      throw error;
    }
  }

  get #crowded(): boolean {
    return this.#map.crowded || this.#refcounts?.crowded === true || this.#retired.length > RETIRED_MAX;
  }

  /** Features that others keep beside the data are stale from the first write on. */
  #clearAutoclear(): void {
    this.#file.write(AT.autoclear, new Uint8Array(8));
    this.#file.sync();
    this.#autoclear = false;
  }

  #markCorrupt({ message }: DamageError): void {
    this.#damage = message;
    if (this.header.version === 2) return;
    const bits = new Uint8Array(8);
    this.#file.read(AT.incompatible, bits);
    bits[7] = (bits[7] as number) | CORRUPT;
    this.#file.write(AT.incompatible, bits);
  }

  flush(): void {
    if (this.#refcounts === undefined) return;
    if (this.#damage !== undefined) throw new DiskError(this.#damage);
    this.#commit();
  }

  /** Makes everything durable, in the order that the head of this file tells. */
  #commit(): void {
    const refcounts = this.#refcounts as Refcounts;
    refcounts.write();
    this.#map.writeFresh();
    this.#file.sync();
    if (this.#map.dirty) {
      this.#map.write();
      this.#file.sync();
      this.#map.settle();
    }
    for (let run = this.#retired.pop(); run !== undefined; run = this.#retired.pop()) this.#giveBack(refcounts, run);
  }

  #giveBack(refcounts: Refcounts, { first, count }: Run): void {
    for (let cluster = first; cluster < first + count; cluster++) {
      refcounts.add(cluster, -1);
      // A table that was shared and is nobody's now.
      if (this.#metadata.has(cluster) && refcounts.get(cluster) === 0) {
        this.#metadata.delete(cluster);
        this.#map.drop(cluster * this.#clusterBytes);
      }
    }
  }

  /** Writes what is in memory, and closes the image and what is under it. */
  close(): void {
    try {
      if (this.#refcounts !== undefined && this.#damage === undefined) {
        this.#commit();
        if (this.#refcounts.dirty) this.#commit();
      }
    } finally {
      this.#file.close();
      this.#backing?.close();
    }
  }
}
