/**
 * Checks a qcow2 image: every cluster is counted by following all tables, and compared with what the refcounts say.
 *
 * *Leak*: counted as used, and nothing points to it; costs room, no data. *Error*: anything else; data is or may be lost. An L2 table that several L1 tables point to
 * (snapshots) is read once and counts as often as it is pointed to, so that the work is bounded by the file, whatever its tables say.
 *
 * Repair sets refcounts to what was counted: leaks alone, or, for an image that says itself that its refcounts are behind (dirty, lazy refcounts), all of them. Nothing
 * else is touched.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { AT, CORRUPT, DIRTY, type Qcow2Header, readHeader, u64 } from './qcow2-header.ts';
import { COMPRESSED_HIGH, COPIED_HIGH, compressedPlace, entryOffset, readTable } from './qcow2-map.ts';
import { Refcounts } from './qcow2-refcounts.ts';
import { readSnapshots } from './qcow2-snapshot-table.ts';

const LINES_MAX = 50;
const CHUNK = 256;

export interface Qcow2Check {
  /** What is wrong, one line each; at most 50 of `errors`. */
  readonly lines: string[];
  errors: number;
  leaks: number;
  /** Refcounts that were set right. */
  repaired: number;
  /** Clusters of the disk that are in the file, and how many of them are compressed. */
  allocated: number;
  compressed: number;
  /** Clusters of the disk. */
  readonly clusters: number;
  readonly clusterBytes: number;
  readonly fileBytes: number;
}

export interface CheckOptions {
  /** Needs a file that may be written. */
  readonly repair?: 'leaks' | 'all';
}

/** Throws ImageError when the header is none, DiskError. */
export function checkQcow2(file: ByteFile, { repair }: CheckOptions = {}): Qcow2Check {
  const header = readHeader(file);
  const check = new Checker(file, header);
  check.follow();
  check.compare();
  if (repair !== undefined && (check.result.errors === 0 || repair === 'all')) check.repair(repair === 'all');
  return check.result;
}

/** Sets an image right that was not closed (dirty bit). Throws ImageError, DiskError. */
export function repairDirty(file: ByteFile): void {
  checkQcow2(file, { repair: 'all' });
}

/** Counts of clusters; memory only where there are some. */
class Counts {
  readonly #chunks = new Map<number, Uint32Array>();

  add(cluster: number, times: number): number {
    const index = Math.floor(cluster / CHUNK);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK);
      this.#chunks.set(index, chunk);
    }
    const sum = (chunk[cluster % CHUNK] as number) + times;
    chunk[cluster % CHUNK] = sum;
    return sum;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  each(work: (cluster: number, count: number) => void): void {
    for (const [index, chunk] of this.#chunks) {
      for (let i = 0; i < CHUNK; i++) {
        const count = chunk[i] as number;
        if (count > 0) work(index * CHUNK + i, count);
      }
    }
  }
}

class Checker {
  readonly result: Qcow2Check;
  readonly #file: ByteFile;
  readonly #header: Qcow2Header;
  readonly #size: number;
  readonly #counts = new Counts();
  readonly #metadata = new Set<number>();
  readonly #refcounts: Refcounts;
  /** L2 tables: how often each is pointed to, and whether by the disk as it is. */
  readonly #tables = new Map<number, { times: number; active: boolean; copied: boolean }>();
  /** Refcounts that are not what was counted. */
  readonly #wrong: [number, number][] = [];

  constructor(file: ByteFile, header: Qcow2Header) {
    this.#file = file;
    this.#header = header;
    this.#size = 2 ** header.clusterBits;
    this.#refcounts = new Refcounts(file, header, this.#metadata);
    const clusters = Math.ceil(header.size / this.#size);
    this.result = {
      lines: [],
      errors: 0,
      leaks: 0,
      repaired: 0,
      allocated: 0,
      compressed: 0,
      clusters,
      clusterBytes: this.#size,
      fileBytes: file.size(),
    };
  }

  #error(line: string): void {
    this.result.errors++;
    if (this.result.lines.length < LINES_MAX) this.result.lines.push(line);
  }

  /** Follows all tables and counts. */
  follow(): void {
    const header = this.#header;
    const { incompatible } = header;
    if ((incompatible & CORRUPT) !== 0) this.#error('the image is marked as corrupt');
    this.#place('the header', 0, 1);
    const { offset, bytes } = this.#refcounts.tablePlace;
    this.#place('the refcount table', offset, bytes);
    for (const block of this.#refcounts.blocks) this.#place('a refcount block', block, this.#size);
    this.#l1('the L1 table', header.l1Offset, header.l1Size, true);
    if (header.snapshots > 0) {
      const table = readSnapshots(this.#file, header);
      this.#place('the snapshot table', header.snapshotsOffset, table.bytes);
      for (const { name, l1Offset, l1Size } of table.snapshots) this.#l1(`the L1 table of snapshot '${name}'`, l1Offset, l1Size, false);
    }
    for (const [at, { times, active, copied }] of this.#tables) {
      const cluster = at / this.#size;
      if (!this.#inside('an L2 table', at)) continue;
      if (this.#metadata.has(cluster)) this.#error(`an L2 table is at ${at}, where another table is`);
      this.#metadata.add(cluster);
      this.#counts.add(cluster, times);
      if (active) this.#checkCopied(`the L1 entry of the L2 table at ${at}`, cluster, copied);
    }
    for (const [at, { times, active }] of this.#tables)
      if (at % this.#size === 0 && at < this.result.fileBytes) this.#l2(at, times, active);
    if (header.bitmaps !== undefined) this.#bitmaps(header.bitmaps);
  }

  /** A place that belongs to one thing alone. */
  #place(what: string, offset: number, bytes: number): void {
    if (!this.#inside(what, offset)) return;
    for (let at = offset; at < offset + bytes; at += this.#size) {
      const cluster = at / this.#size;
      if (this.#metadata.has(cluster)) this.#error(`${what} is at ${at}, where another table is`);
      this.#metadata.add(cluster);
      this.#counts.add(cluster, 1);
    }
  }

  #inside(what: string, offset: number): boolean {
    if (offset % this.#size !== 0) this.#error(`${what} is at ${offset}, which is not the start of a cluster`);
    else if (offset >= this.result.fileBytes) this.#error(`${what} is at ${offset}, behind the end of the file`);
    else return true;
    return false;
  }

  #l1(what: string, offset: number, entries: number, active: boolean): void {
    if (entries === 0) return;
    this.#place(what, offset, entries * 8);
    const view = readTable(this.#file, offset, entries);
    for (let i = 0; i < entries; i++) {
      const high = view.getUint32(8 * i);
      const at = entryOffset(high, view.getUint32(8 * i + 4));
      if (at === 0) continue;
      const known = this.#tables.get(at);
      const copied = high >= COPIED_HIGH;
      if (known === undefined) this.#tables.set(at, { times: 1, active, copied });
      else {
        known.times++;
        known.active ||= active;
      }
    }
  }

  #l2(offset: number, times: number, active: boolean): void {
    const bytes = new Uint8Array(this.#size);
    this.#file.read(offset, bytes);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < this.#size / 8; i++) {
      const high = view.getUint32(8 * i);
      const low = view.getUint32(8 * i + 4);
      if (high === 0 && low === 0) continue;
      if ((high & COMPRESSED_HIGH) !== 0) this.#compressed(high, low, times, active);
      else this.#standard(high, low, times, active);
    }
  }

  #standard(high: number, low: number, times: number, active: boolean): void {
    const host = entryOffset(high, low);
    if (host === 0) return;
    if (!this.#inside('a data cluster', host)) return;
    const cluster = host / this.#size;
    if (this.#metadata.has(cluster)) this.#error(`a data cluster is at ${host}, where a table is`);
    this.#counts.add(cluster, times);
    if (!active) return;
    this.result.allocated++;
    this.#checkCopied(`the L2 entry of the data cluster at ${host}`, cluster, high >= COPIED_HIGH);
  }

  #compressed(high: number, low: number, times: number, active: boolean): void {
    const { offset, bytes } = compressedPlace(high, low, this.#header.clusterBits);
    if (offset >= this.result.fileBytes) {
      this.#error(`a compressed cluster is at ${offset}, behind the end of the file`);
      return;
    }
    const last = Math.floor((offset + bytes - 1) / this.#size);
    for (let cluster = Math.floor(offset / this.#size); cluster <= last; cluster++) {
      if (this.#metadata.has(cluster)) this.#error(`a compressed cluster is at ${offset}, where a table is`);
      this.#counts.add(cluster, times);
    }
    if (!active) return;
    this.result.allocated++;
    this.result.compressed++;
    if (high >= COPIED_HIGH) this.#error(`the L2 entry of the compressed cluster at ${offset} says that it may be written in place`);
  }

  /** Bit 63 says whether the refcount is one. */
  #checkCopied(what: string, cluster: number, copied: boolean): void {
    if (copied !== (this.#refcounts.get(cluster) === 1))
      this.#error(`${what} says that it is ${copied ? "the disk's alone" : 'shared'}; its refcount is ${this.#refcounts.get(cluster)}`);
  }

  #bitmaps({ bytes, offset }: NonNullable<Qcow2Header['bitmaps']>): void {
    if (!(bytes <= 1048576) || offset + bytes > this.result.fileBytes) {
      this.#error('the directory of dirty bitmaps is outside the file');
      return;
    }
    this.#place('the directory of dirty bitmaps', offset, bytes);
    const directory = new Uint8Array(bytes);
    this.#file.read(offset, directory);
    const view = new DataView(directory.buffer);
    for (let at = 0; at + 24 <= bytes; ) {
      const tableAt = u64(view, at);
      const entries = view.getUint32(at + 8);
      if (tableAt + 8 * entries > this.result.fileBytes) {
        this.#error('the table of a dirty bitmap is outside the file');
        return;
      }
      this.#place('the table of a dirty bitmap', tableAt, entries * 8);
      const table = readTable(this.#file, tableAt, entries);
      for (let i = 0; i < entries; i++) {
        const host = entryOffset(table.getUint32(8 * i), table.getUint32(8 * i + 4));
        if (host !== 0) this.#place('a dirty bitmap', host, this.#size);
      }
      at += Math.ceil((24 + view.getUint16(at + 18) + view.getUint32(at + 20)) / 8) * 8;
    }
  }

  /** Compares what was counted with what the image says. */
  compare(): void {
    this.#counts.each((cluster, count) => {
      const said = this.#refcounts.get(cluster);
      if (said !== count) this.#wrong.push([cluster, count]);
      if (said < count) this.#error(`cluster ${cluster} is used ${count} times, its refcount is ${said}`);
      else if (said > count) this.result.leaks++;
    });
    this.#refcounts.eachUsed((cluster) => {
      if (this.#counts.get(cluster) > 0) return;
      this.result.leaks++;
      this.#wrong.push([cluster, 0]);
    });
  }

  /** Sets the refcounts right: those that are too high, or all of them with the dirty bit. */
  repair(all: boolean): void {
    this.#refcounts.takeBehindEnd();
    for (const [cluster, count] of this.#wrong) {
      if (!all && this.#refcounts.get(cluster) < count) continue;
      this.#refcounts.set(cluster, count);
      this.result.repaired++;
    }
    this.#refcounts.write();
    this.#file.sync();
    if ((this.#header.incompatible & DIRTY) === 0) return;
    const bits = new Uint8Array(8);
    this.#file.read(AT.incompatible, bits);
    bits[7] = (bits[7] as number) & ~DIRTY;
    this.#file.write(AT.incompatible, bits);
    this.#file.sync();
  }
}
