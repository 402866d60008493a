/**
 * Metadata clusters of a qcow2 image in memory: L2 tables and refcount blocks.
 *
 * A table that was changed stays until it is written; who owns the cache decides when, because the order of writes is what keeps an image whole
 * (`qcow2.ts`). A table is *fresh* while nothing in the file points to it: it may be written before what points to it, and must be. Of a changed table only the changed
 * sectors are written. Clean tables go, the longest unused first, when there are more than fit.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { DiskError } from './image.ts';

const CACHE_BYTES = 4 * 1048576;
const TABLES_MIN = 8;
const TABLES_MAX = 4096;
const SECTOR = 512;

export class Table {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The changed part, bytes; empty when `from` is not below `to`. */
  from = Number.POSITIVE_INFINITY;
  to = 0;
  fresh = false;

  constructor(offset: number, bytes: Uint8Array) {
    this.offset = offset;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get dirty(): boolean {
    return this.from < this.to;
  }
}

export class TableCache {
  readonly #file: ByteFile;
  readonly #clusterBytes: number;
  readonly #max: number;
  /** In the order of use, the longest unused first. */
  readonly #tables = new Map<number, Table>();
  readonly #dirty = new Set<Table>();
  #last: Table | undefined;

  constructor(file: ByteFile, clusterBytes: number) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#max = Math.min(TABLES_MAX, Math.max(TABLES_MIN, CACHE_BYTES / clusterBytes));
  }

  /** The table at an offset, from the file when it is not here. Throws DiskError. */
  get(offset: number): Table {
    if (this.#last?.offset === offset) return this.#last;
    let table = this.#tables.get(offset);
    if (table === undefined) {
      table = new Table(offset, new Uint8Array(this.#clusterBytes));
      // The last cluster of a file may be cut where the rest is zeros; a table that is not there at all is damage.
      if (this.#file.read(offset, table.bytes) === 0) throw new DiskError(`the image is cut off: a table at ${offset} is missing`);
      this.#makeRoom();
    } else this.#tables.delete(offset);
    this.#tables.set(offset, table);
    this.#last = table;
    return table;
  }

  /** A table of zeros that nothing points to yet. */
  make(offset: number): Table {
    const table = new Table(offset, new Uint8Array(this.#clusterBytes));
    table.fresh = true;
    this.#makeRoom();
    this.#tables.set(offset, table);
    this.mark(table, 0, this.#clusterBytes);
    return table;
  }

  mark(table: Table, at: number, length: number): void {
    if (!table.dirty) this.#dirty.add(table);
    table.from = Math.min(table.from, at - (at % SECTOR));
    table.to = Math.max(table.to, Math.ceil((at + length) / SECTOR) * SECTOR);
  }

  get dirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** So many tables wait to be written that it is time. */
  get crowded(): boolean {
    return this.#dirty.size * 2 > this.#max;
  }

  /** Writes the changed tables that nothing points to; true when there were any. They stay fresh until `settle`. */
  writeFresh(): boolean {
    return this.#write((table) => table.fresh);
  }

  /** Writes all changed tables; true when there were any. */
  writeAll(): boolean {
    return this.#write(() => true);
  }

  /** What was fresh is pointed to from now on. */
  settle(): void {
    for (const table of this.#tables.values()) table.fresh = false;
  }

  /** The table at an offset is none any more. */
  drop(offset: number): void {
    const table = this.#tables.get(offset);
    if (table === undefined) return;
    this.#tables.delete(offset);
    this.#dirty.delete(table);
    if (this.#last === table) this.#last = undefined;
  }

  #write(which: (table: Table) => boolean): boolean {
    let any = false;
    for (const table of this.#dirty) {
      if (!which(table)) continue;
      this.#file.write(table.offset + table.from, table.bytes.subarray(table.from, table.to));
      table.from = Number.POSITIVE_INFINITY;
      table.to = 0;
      this.#dirty.delete(table);
      any = true;
    }
    return any;
  }

  #makeRoom(): void {
    if (this.#tables.size < this.#max) return;
    for (const [offset, table] of this.#tables) {
      if (table.dirty || table.fresh) continue;
      this.#tables.delete(offset);
      if (this.#tables.size < this.#max) return;
    }
  }
}
