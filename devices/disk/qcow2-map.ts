/**
 * Where the clusters of a qcow2 image's virtual disk are in its file: the L1 table, which is in memory as a whole, and the L2 tables it points to.
 *
 * `locate` tells of what kind a place of the disk is and how far that goes on without a break in the file, so that many clusters are one read. Its answer is in
 * the fields, as nothing may be allocated for each.
 *
 * A table or cluster that others use too (a snapshot: bit 63 is clear) is never written: `own` gives the active table a copy of its own.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { DiskError } from './image.ts';
import { putU64, type Qcow2Header } from './qcow2-header.ts';
import type { Refcounts, Run } from './qcow2-refcounts.ts';
import { type Table, TableCache } from './qcow2-tables.ts';

export type ClusterKind = 'unallocated' | 'zero' | 'data' | 'compressed';

/** Bits 63 and 62 of an entry, in its upper half. */
export const COPIED_HIGH = 0x8000_0000;
export const COMPRESSED_HIGH = 0x4000_0000;
/** Bit 0 of a standard cluster's entry (version 3). */
export const ZERO_LOW = 1;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const L1_SECTOR = 512;

/** Something in the image is not as the format has it. */
export class DamageError extends DiskError {
  constructor(what: string) {
    super(`the image is damaged: ${what}; see lucid image check`);
  }
}

/** The offset in an L1 entry or a standard cluster's L2 entry. */
export function entryOffset(high: number, low: number): number {
  return (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
}

export interface CompressedPlace {
  readonly offset: number;
  /** At most so many bytes, up to the end of a sector of 512. */
  readonly bytes: number;
}

/** Where a compressed cluster is: the descriptor's split moves with the cluster size. */
export function compressedPlace(high: number, low: number, clusterBits: number): CompressedPlace {
  const x = 62 - (clusterBits - 8) - 32;
  const offset = (high & (2 ** x - 1)) * 2 ** 32 + low;
  const sectors = ((high & 0x3fff_ffff) >>> x) + 1;
  return { offset, bytes: sectors * 512 - (offset % 512) };
}

export class ClusterMap {
  /** What `locate` found: the kind, for data the offset in the file, how many bytes it goes on, and whether the clusters are this disk's alone. */
  kind: ClusterKind = 'unallocated';
  host = 0;
  length = 0;
  copied = false;
  /** Of a compressed cluster: its entry. */
  high = 0;
  low = 0;

  /** Entries of an L2 table. */
  readonly perTable: number;
  readonly #file: ByteFile;
  readonly #clusterBytes: number;
  readonly #zeroFlag: boolean;
  readonly #l1At: number;
  readonly #l1: DataView;
  readonly #dirtyL1 = new Set<number>();
  readonly #cache: TableCache;
  readonly #end: () => number;

  /** `end`: bytes of the file that hold clusters. Throws DiskError. */
  constructor(file: ByteFile, header: Qcow2Header, end: () => number) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.perTable = this.#clusterBytes / 8;
    this.#zeroFlag = header.version === 3;
    this.#cache = new TableCache(file, this.#clusterBytes);
    this.#end = end;
    this.#l1At = header.l1Offset;
    this.#l1 = readTable(file, header.l1Offset, header.l1Size);
  }

  /** Bytes of the file that hold clusters. */
  get end(): number {
    return this.#end();
  }

  /** Offsets of the L2 tables that the L1 table points to, 0 where there is none. */
  tables(): Float64Array {
    const { byteLength } = this.#l1;
    return Float64Array.from({ length: byteLength / 8 }, (_, i) => entryOffset(this.#l1.getUint32(8 * i), this.#l1.getUint32(8 * i + 4)));
  }

  /** Looks up a place of the disk; at most `most` bytes on. Throws DiskError. */
  locate(offset: number, most: number): void {
    const cluster = Math.floor(offset / this.#clusterBytes);
    const within = offset - cluster * this.#clusterBytes;
    const index = cluster % this.perTable;
    const at = this.#tableAt(Math.floor(cluster / this.perTable));
    let count = 1;
    if (at === 0) {
      this.kind = 'unallocated';
      this.copied = false;
      count = this.perTable - index;
    } else {
      const { view } = this.#cache.get(at);
      this.#decode(view, index);
      const limit = Math.min(this.perTable - index, Math.ceil((within + most) / this.#clusterBytes));
      if (this.kind !== 'compressed') while (count < limit && this.#goesOn(view, index, count)) count++;
      this.host += within;
    }
    this.length = Math.min(most, count * this.#clusterBytes - within);
  }

  #tableAt(index: number): number {
    const at = entryOffset(this.#l1.getUint32(8 * index), this.#l1.getUint32(8 * index + 4));
    if (at % this.#clusterBytes !== 0 || at >= this.#end())
      throw new DamageError(`L1 entry ${index} points to ${at}, which is no cluster of the file; it may be cut off`);
    return at;
  }

  #decode(view: DataView, index: number): void {
    const high = view.getUint32(8 * index);
    const low = view.getUint32(8 * index + 4);
    this.copied = high >= COPIED_HIGH;
    this.host = 0;
    if ((high & COMPRESSED_HIGH) !== 0) {
      this.kind = 'compressed';
      this.copied = false;
      this.high = high;
      this.low = low;
      return;
    }
    const host = entryOffset(high, low);
    if (this.#zeroFlag && (low & ZERO_LOW) !== 0) this.kind = 'zero';
    else if (host === 0) this.kind = 'unallocated';
    else {
      this.kind = 'data';
      this.host = host;
      if (host % this.#clusterBytes !== 0 || host >= this.#end())
        throw new DamageError(`L2 entry ${index} points to ${host}, which is no cluster of the file; it may be cut off`);
    }
  }

  #goesOn(view: DataView, index: number, count: number): boolean {
    const high = view.getUint32(8 * (index + count));
    const low = view.getUint32(8 * (index + count) + 4);
    if ((high & COMPRESSED_HIGH) !== 0) return false;
    const zero = this.#zeroFlag && (low & ZERO_LOW) !== 0;
    const host = entryOffset(high, low);
    if (this.kind === 'zero') return zero;
    if (zero) return false;
    if (this.kind === 'unallocated') return host === 0;
    return host === this.host + count * this.#clusterBytes && host < this.#end() && high >= COPIED_HIGH === this.copied;
  }

  /** An entry as it is, and its halves. */
  entry(cluster: number): { readonly high: number; readonly low: number } {
    const at = this.#tableAt(Math.floor(cluster / this.perTable));
    if (at === 0) return { high: 0, low: 0 };
    const { view } = this.#cache.get(at);
    const index = cluster % this.perTable;
    return { high: view.getUint32(8 * index), low: view.getUint32(8 * index + 4) };
  }

  /** Makes an entry. The table must be owned. */
  setEntry(cluster: number, high: number, low: number): void {
    const table = this.#cache.get(this.#tableAt(Math.floor(cluster / this.perTable)));
    const at = 8 * (cluster % this.perTable);
    table.view.setUint32(at, high);
    table.view.setUint32(at + 4, low);
    this.#cache.mark(table, at, 8);
  }

  hasTable(cluster: number): boolean {
    return this.#tableAt(Math.floor(cluster / this.perTable)) !== 0;
  }

  /** Gives the cluster a table that may be written; the cluster of a table that was shared, to be given back. */
  own(cluster: number, refcounts: Refcounts, metadata: Set<number>): Run | undefined {
    const index = Math.floor(cluster / this.perTable);
    const at = this.#tableAt(index);
    if (at !== 0 && this.#l1.getUint32(8 * index) >= COPIED_HIGH) return undefined;
    const old: Table | undefined = at === 0 ? undefined : this.#cache.get(at);
    const first = refcounts.takeAll(1);
    const offset = first * this.#clusterBytes;
    this.#cache.make(offset).bytes.set(old?.bytes ?? []);
    metadata.add(first);
    putU64(this.#l1, 8 * index, offset);
    this.#l1.setUint32(8 * index, (this.#l1.getUint32(8 * index) | COPIED_HIGH) >>> 0);
    this.#dirtyL1.add(Math.floor((8 * index) / L1_SECTOR));
    return at === 0 ? undefined : { first: at / this.#clusterBytes, count: 1 };
  }

  /** The table is used by nobody any more. */
  drop(offset: number): void {
    this.#cache.drop(offset);
  }

  get dirty(): boolean {
    return this.#cache.dirty || this.#dirtyL1.size > 0;
  }

  get crowded(): boolean {
    return this.#cache.crowded;
  }

  /** Writes the tables that the file does not point to yet. */
  writeFresh(): void {
    this.#cache.writeFresh();
  }

  /** Writes everything else. */
  write(): void {
    this.#cache.writeAll();
    for (const sector of this.#dirtyL1) {
      const from = sector * L1_SECTOR;
      const bytes = Math.min(L1_SECTOR, this.#l1.byteLength - from);
      this.#file.write(this.#l1At + from, new Uint8Array(this.#l1.buffer, this.#l1.byteOffset + from, bytes));
    }
  }

  /** All that `write` wrote is durable. */
  settle(): void {
    this.#dirtyL1.clear();
    this.#cache.settle();
  }
}

/** A table of 64-bit entries. Throws DiskError where the file has no such. */
export function readTable(file: ByteFile, offset: number, entries: number): DataView {
  const bytes = new Uint8Array(8 * entries);
  if (file.read(offset, bytes) < bytes.length) throw new DiskError(`the image is cut off within a table at ${offset}`);
  return new DataView(bytes.buffer);
}
