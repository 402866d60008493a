/**
 * Which clusters of a qcow2 image's file are in use, and by how many: the refcount table and its blocks, and the search for free clusters.
 *
 * A refcount block that is missing means that all clusters it would count are free; so a new block is put into the first of these and counts itself. When the table
 * itself is full, a longer one is made behind everything, made durable, and the header turned to it in one sector.
 *
 * Free clusters are searched from where the last one was freed or found. A cluster that holds metadata is never handed out, whatever its count says: the
 * image may be damaged or hostile.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { DiskError } from './image.ts';
import { AT, putU64, type Qcow2Header, TABLE_BYTES_MAX, u64 } from './qcow2-header.ts';
import { type Table, TableCache } from './qcow2-tables.ts';

/** A run of clusters by their number in the file. */
export interface Run {
  readonly first: number;
  readonly count: number;
}

export class Refcounts {
  readonly #file: ByteFile;
  readonly #clusterBytes: number;
  readonly #order: number;
  readonly #perBlock: number;
  readonly #most: number;
  readonly #cache: TableCache;
  /** Clusters that hold metadata. */
  readonly #metadata: Set<number>;
  #tableAt: number;
  /** Offsets of the blocks, 0 where there is none. */
  #table: Float64Array;
  /** Offsets in the table that are no cluster of the file. */
  readonly #astray: number[] = [];
  readonly #dirtyEntries = new Set<number>();
  #hint = 0;
  /** Bytes of the file, as far as clusters were handed out. */
  #end: number;

  /** Reads the table. Throws DiskError. */
  constructor(file: ByteFile, header: Qcow2Header, metadata: Set<number>) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#order = header.refcountOrder;
    this.#perBlock = (this.#clusterBytes * 8) >> this.#order;
    this.#most = this.#order === 6 ? Number.MAX_SAFE_INTEGER : 2 ** (1 << this.#order) - 1;
    this.#cache = new TableCache(file, this.#clusterBytes);
    this.#metadata = metadata;
    this.#tableAt = header.refcountTableOffset;
    this.#end = file.size();
    const bytes = new Uint8Array(header.refcountTableClusters * this.#clusterBytes);
    if (file.read(this.#tableAt, bytes) < bytes.length) throw new DiskError('the image is cut off within its refcount table');
    const view = new DataView(bytes.buffer);
    this.#table = Float64Array.from({ length: bytes.length / 8 }, (_, i) => u64(view, 8 * i));
    this.#table.forEach((at, i) => {
      if (at % this.#clusterBytes === 0 && at < this.#end) return;
      this.#astray.push(at);
      this.#table[i] = 0;
    });
  }

  /** Offsets of the refcount blocks, as the table has them: also those where no block can be. */
  get blocks(): readonly number[] {
    return [...[...this.#table].filter((offset) => offset !== 0), ...this.#astray];
  }

  /** Where the table is: bytes. */
  get tablePlace(): { readonly offset: number; readonly bytes: number } {
    return { offset: this.#tableAt, bytes: this.#table.length * 8 };
  }

  /** Bytes of the file that hold clusters. */
  get end(): number {
    return this.#end;
  }

  /** How often the cluster is used. */
  get(cluster: number): number {
    const at = this.#table[Math.floor(cluster / this.#perBlock)];
    if (at === undefined || at === 0) return 0;
    return this.#count(this.#cache.get(at), cluster % this.#perBlock);
  }

  /** Calls for each cluster that is counted as used. */
  eachUsed(work: (cluster: number) => void): void {
    this.#table.forEach((at, index) => {
      if (at === 0) return;
      const block = this.#cache.get(at);
      for (let i = 0; i < this.#perBlock; i++) if (this.#count(block, i) !== 0) work(index * this.#perBlock + i);
    });
  }

  /** Sets how often the cluster is used. Throws DiskError when the image's counts are too narrow. */
  set(cluster: number, count: number): void {
    if (count < 0) throw new DiskError(`the image is damaged: cluster ${cluster} is used, but its refcount says that it is free`);
    if (count > this.#most) throw new DiskError(`a refcount of ${count} does not fit the image; its largest is ${this.#most}`);
    const block = this.#blockFor(cluster);
    const at = cluster % this.#perBlock;
    const { view } = block;
    switch (this.#order) {
      case 6:
        putU64(view, at * 8, count);
        break;
      case 5:
        view.setUint32(at * 4, count);
        break;
      case 4:
        view.setUint16(at * 2, count);
        break;
      case 3:
        view.setUint8(at, count);
        break;
      default: {
        const shift = (at << this.#order) & 7;
        const byte = (at << this.#order) >> 3;
        view.setUint8(byte, (view.getUint8(byte) & ~(this.#most << shift)) | (count << shift));
      }
    }
    this.#cache.mark(block, (at << this.#order) >> 3, 2 ** Math.max(0, this.#order - 3));
    if (count === 0 && cluster < this.#hint) this.#hint = cluster;
  }

  add(cluster: number, change: number): void {
    this.set(cluster, this.get(cluster) + change);
  }

  #count({ view }: Table, at: number): number {
    switch (this.#order) {
      case 6:
        return u64(view, at * 8);
      case 5:
        return view.getUint32(at * 4);
      case 4:
        return view.getUint16(at * 2);
      case 3:
        return view.getUint8(at);
      default:
        return (view.getUint8((at << this.#order) >> 3) >> ((at << this.#order) & 7)) & this.#most;
    }
  }

  /** Takes up to `count` free clusters in a row; at least one. The file reaches over them, and what was beyond its end reads as zeros. */
  take(count: number): Run {
    let first = this.#hint;
    while (!this.#isFree(first)) first++;
    let got = 0;
    while (got < count && this.#isFree(first + got)) {
      this.set(first + got, 1);
      got++;
    }
    const end = (first + got) * this.#clusterBytes;
    try {
      if (end > this.#end) this.#file.truncate(end);
    } catch (error) {
      this.release({ first, count: got });
      throw error;
    }
    this.#hint = first + got;
    this.#end = Math.max(this.#end, end);
    return { first, count: got };
  }

  /** Takes clusters in a row, all of them. */
  takeAll(count: number): number {
    for (;;) {
      const run = this.take(count);
      if (run.count === count) return run.first;
      this.release(run);
      // Behind a run that is too short there may be a longer one; behind everything there is.
      this.#hint = run.first + run.count;
      while (this.#isFree(this.#hint)) this.#hint++;
    }
  }

  release({ first, count }: Run): void {
    for (let i = 0; i < count; i++) this.set(first + i, 0);
  }

  /** From now on clusters are taken behind the end of the file alone. */
  takeBehindEnd(): void {
    this.#hint = Math.ceil(this.#end / this.#clusterBytes);
  }

  /** May make a block in the place of the cluster asked for, which is not free then. */
  #isFree(cluster: number): boolean {
    const index = Math.floor(cluster / this.#perBlock);
    if (this.#metadata.has(cluster)) return false;
    if ((this.#table[index] ?? 0) === 0) {
      this.#makeBlock(index, cluster);
      return false;
    }
    return this.get(cluster) === 0;
  }

  #blockFor(cluster: number): Table {
    const index = Math.floor(cluster / this.#perBlock);
    if ((this.#table[index] ?? 0) === 0) {
      const hint = this.#hint;
      this.takeBehindEnd();
      // A search that comes by the missing block makes it on its way.
      const home = this.takeAll(1);
      this.#hint = hint;
      if ((this.#table[index] ?? 0) === 0) this.#makeBlock(index, home);
      else this.release({ first: home, count: 1 });
    }
    return this.#cache.get(this.#table[index] as number);
  }

  /** A new block in a free cluster: one that the block itself counts, or one that is taken already. */
  #makeBlock(index: number, cluster: number): void {
    if (index >= this.#table.length) {
      this.#grow(index);
      if (this.#table[index] !== 0) return;
    }
    const offset = cluster * this.#clusterBytes;
    if (offset + this.#clusterBytes > this.#end) {
      this.#file.truncate(offset + this.#clusterBytes);
      this.#end = offset + this.#clusterBytes;
    }
    this.#cache.make(offset);
    this.#table[index] = offset;
    this.#dirtyEntries.add(index);
    this.#metadata.add(cluster);
    this.set(cluster, 1);
  }

  /** Makes the table reach over `index`: a longer one behind everything, in clusters that blocks of its own count. */
  #grow(index: number): void {
    const entries = Math.max(index + 2, Math.ceil(this.#table.length * 1.5));
    const perCluster = this.#clusterBytes / 8;
    const old = this.tablePlace;
    const first = Math.max(this.#table.length * this.#perBlock, Math.ceil(this.#end / this.#clusterBytes));
    // The blocks that count the new table and themselves.
    const firstBlock = Math.floor(first / this.#perBlock);
    let clusters = Math.ceil(entries / perCluster);
    let blocks = 1;
    for (;;) {
      const last = Math.floor((first + clusters + blocks - 1) / this.#perBlock);
      const needed = last - firstBlock + 1;
      const longer = Math.ceil(Math.max(entries, last + 1) / perCluster);
      if (needed <= blocks && longer <= clusters) break;
      blocks = Math.max(blocks, needed);
      clusters = Math.max(clusters, longer);
    }
    if (clusters * this.#clusterBytes > TABLE_BYTES_MAX)
      throw new DiskError(`the image's refcount table is full: it may have at most ${TABLE_BYTES_MAX} bytes`);
    const end = (first + clusters + blocks) * this.#clusterBytes;
    this.#file.truncate(end);
    this.#end = end;
    const table = new Float64Array(clusters * perCluster);
    table.set(this.#table);
    this.#table = table;
    for (let i = 0; i < blocks; i++) {
      const cluster = first + clusters + i;
      this.#cache.make(cluster * this.#clusterBytes);
      table[firstBlock + i] = cluster * this.#clusterBytes;
    }
    for (let i = 0; i < clusters + blocks; i++) {
      this.#metadata.add(first + i);
      this.set(first + i, 1);
    }
    this.#moveTable(first * this.#clusterBytes, clusters);
    for (let at = 0; at < old.bytes; at += this.#clusterBytes) {
      const cluster = Math.floor((old.offset + at) / this.#clusterBytes);
      this.#metadata.delete(cluster);
      this.set(cluster, 0);
    }
  }

  #moveTable(offset: number, clusters: number): void {
    this.#cache.writeAll();
    this.#cache.settle();
    const bytes = new Uint8Array(this.#table.length * 8);
    const view = new DataView(bytes.buffer);
    this.#table.forEach((at, i) => {
      putU64(view, 8 * i, at);
    });
    this.#file.write(offset, bytes);
    this.#file.sync();
    const place = new Uint8Array(12);
    putU64(new DataView(place.buffer), 0, offset);
    new DataView(place.buffer).setUint32(8, clusters);
    this.#file.write(AT.refcountTable, place);
    this.#file.sync();
    this.#tableAt = offset;
    this.#dirtyEntries.clear();
  }

  get dirty(): boolean {
    return this.#cache.dirty || this.#dirtyEntries.size > 0;
  }

  get crowded(): boolean {
    return this.#cache.crowded;
  }

  /** Writes what has changed; durable only after the next sync. New blocks are made durable here, before the table points to them. */
  write(): void {
    if (this.#dirtyEntries.size > 0) {
      this.#cache.writeFresh();
      this.#file.sync();
      const entry = new Uint8Array(8);
      for (const index of this.#dirtyEntries) {
        putU64(new DataView(entry.buffer), 0, this.#table[index] as number);
        this.#file.write(this.#tableAt + 8 * index, entry);
      }
      this.#dirtyEntries.clear();
      this.#cache.settle();
    }
    this.#cache.writeAll();
  }
}
