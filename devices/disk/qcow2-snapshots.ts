/**
 * Internal snapshots of a qcow2 image, as `qemu-img snapshot` makes them: taken, gone back to, and removed. The image must not be in use.
 *
 * A snapshot is a copy of the L1 table; every table and cluster that can be reached from it has one user more, and is not written in place any more (bit 63 clear).
 * The order of writes leaves a whole image at every moment, with leaks at worst: first the users are counted and durable, then bits 63 are cleared, then the header is
 * turned to what is new, in one sector; what nobody uses any more is given back last.
 *
 * The image is checked first: only one without errors is changed.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { ImageError } from './image.ts';
import { checkQcow2 } from './qcow2-check.ts';
import { AT, CORRUPT, DIRTY, putU64, type Qcow2Header, readHeader, SNAPSHOTS_MAX } from './qcow2-header.ts';
import { COMPRESSED_HIGH, COPIED_HIGH, compressedPlace, entryOffset, readTable } from './qcow2-map.ts';
import { metadataClusters } from './qcow2-metadata.ts';
import { Refcounts } from './qcow2-refcounts.ts';
import { readSnapshots, type Snapshot, snapshotEntry } from './qcow2-snapshot-table.ts';

const NAME_MAX = 255;

/** The snapshots of an image, the oldest first. Throws ImageError. */
export function listSnapshots(file: ByteFile): Snapshot[] {
  return readSnapshots(file, readHeader(file)).snapshots;
}

/** The snapshot of that name. Throws ImageError. */
export function findSnapshot(file: ByteFile, name: string): Snapshot {
  const found = listSnapshots(file).find((snapshot) => snapshot.name === name);
  if (found === undefined) throw new ImageError(`has no snapshot '${name}'`);
  return found;
}

export interface SnapshotTime {
  /** Since 1970. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Takes a snapshot. Throws ImageError, DiskError. */
export function takeSnapshot(file: ByteFile, name: string, { seconds, nanoseconds }: SnapshotTime): void {
  const work = new Work(file);
  const { header, refcounts } = work;
  const { snapshots } = readSnapshots(file, header);
  if (name === '' || Buffer.byteLength(name) > NAME_MAX) throw new ImageError(`a snapshot's name has 1 to ${NAME_MAX} bytes`);
  if (snapshots.some((other) => other.name === name)) throw new ImageError(`has a snapshot '${name}' already`);
  if (snapshots.length >= SNAPSHOTS_MAX) throw new ImageError(`has ${SNAPSHOTS_MAX} snapshots, which is all that it may have`);
  const active = readTable(file, header.l1Offset, header.l1Size);
  work.users(active, 1);
  const l1Offset = work.place(withoutCopied(active));
  const id = String(Math.max(0, ...snapshots.map((other) => Number(other.id) || 0)) + 1);
  const entry = snapshotEntry({ id, name, l1Offset, l1Size: header.l1Size, seconds, nanoseconds, size: header.size });
  const table = work.table([...snapshots.map(({ raw }) => raw), entry]);
  refcounts.write();
  file.sync();
  work.setCopied(active, header.l1Offset, false);
  work.turnTable(table, snapshots.length + 1);
}

/** Makes the disk what it was when the snapshot was taken. Throws ImageError, DiskError. */
export function rollBack(file: ByteFile, name: string): void {
  const work = new Work(file);
  const { header } = work;
  const snapshot = findSnapshot(file, name);
  if (snapshot.size !== header.size || snapshot.l1Size > header.l1Size)
    throw new ImageError(`was ${snapshot.size} bytes long when '${name}' was taken; disks that changed their size are not supported`);
  const before = readTable(file, header.l1Offset, header.l1Size);
  const l1 = new DataView(new ArrayBuffer(8 * header.l1Size));
  new Uint8Array(l1.buffer).set(bytesOf(withoutCopied(readTable(file, snapshot.l1Offset, snapshot.l1Size))));
  work.users(l1, 1);
  const offset = work.place(l1);
  work.refcounts.write();
  file.sync();
  work.setCopied(l1, undefined, false);
  const place = new DataView(new ArrayBuffer(8));
  putU64(place, 0, offset);
  file.write(AT.l1Offset, bytesOf(place));
  file.sync();
  work.users(before, -1);
  work.free(header.l1Offset, 8 * header.l1Size);
  work.finish(l1, offset);
}

/** Removes a snapshot. Throws ImageError, DiskError. */
export function destroySnapshot(file: ByteFile, name: string): void {
  const work = new Work(file);
  const { header } = work;
  const { snapshots } = readSnapshots(file, header);
  const snapshot = findSnapshot(file, name);
  const rest = snapshots.filter((other) => other.name !== name);
  const table = work.table(rest.map(({ raw }) => raw));
  work.refcounts.write();
  file.sync();
  work.turnTable(table, rest.length);
  work.users(readTable(file, snapshot.l1Offset, snapshot.l1Size), -1);
  work.free(snapshot.l1Offset, 8 * snapshot.l1Size);
  work.finish(readTable(file, header.l1Offset, header.l1Size), header.l1Offset);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function withoutCopied(l1: DataView): DataView {
  const copy = new DataView(bytesOf(l1).slice().buffer);
  for (let at = 0; at < copy.byteLength; at += 8) copy.setUint32(at, (copy.getUint32(at) & ~COPIED_HIGH) >>> 0);
  return copy;
}

/** Where new tables are in the file. */
interface Place {
  readonly offset: number;
  readonly bytes: number;
}

/** One change of an image. */
class Work {
  readonly header: Qcow2Header;
  readonly refcounts: Refcounts;
  readonly #file: ByteFile;
  readonly #size: number;
  readonly #oldTable: Place;

  constructor(file: ByteFile) {
    const { errors, lines } = checkQcow2(file);
    if (errors > 0) throw new ImageError(`is damaged: ${lines[0]}; see lucid image check`);
    this.#file = file;
    this.header = readHeader(file);
    if ((this.header.incompatible & (CORRUPT | DIRTY)) !== 0) throw new ImageError('is marked as corrupt or dirty; see lucid image check');
    this.#size = 2 ** this.header.clusterBits;
    const metadata = new Set<number>();
    this.refcounts = new Refcounts(file, this.header, metadata);
    const l1 = readTable(file, this.header.l1Offset, this.header.l1Size);
    metadataClusters(
      metadata,
      file,
      this.header,
      Float64Array.from(tablesOf(l1), ([at]) => at),
      this.refcounts.blocks,
    );
    const { bytes } = readSnapshots(file, this.header);
    this.#oldTable = { offset: this.header.snapshotsOffset, bytes: this.header.snapshots === 0 ? 0 : bytes };
  }

  /** Changes the number of users of all that an L1 table reaches. */
  users(l1: DataView, change: number): void {
    for (const [at] of tablesOf(l1)) {
      this.#eachCluster(readTable(this.#file, at, this.#size / 8), (cluster) => this.refcounts.add(cluster, change));
      this.refcounts.add(at / this.#size, change);
    }
  }

  #eachCluster(l2: DataView, work: (cluster: number) => void): void {
    for (let at = 0; at < l2.byteLength; at += 8) {
      const high = l2.getUint32(at);
      const low = l2.getUint32(at + 4);
      if ((high & COMPRESSED_HIGH) !== 0) {
        const { offset, bytes } = compressedPlace(high, low, this.header.clusterBits);
        const last = Math.floor((offset + bytes - 1) / this.#size);
        for (let cluster = Math.floor(offset / this.#size); cluster <= last; cluster++) work(cluster);
      } else if (entryOffset(high, low) !== 0) work(entryOffset(high, low) / this.#size);
    }
  }

  /** Writes bytes into clusters of their own; where. */
  place(table: DataView): number {
    const clusters = Math.max(1, Math.ceil(table.byteLength / this.#size));
    const offset = this.refcounts.takeAll(clusters) * this.#size;
    const bytes = new Uint8Array(clusters * this.#size);
    bytes.set(bytesOf(table));
    this.#file.write(offset, bytes);
    return offset;
  }

  /** Writes a snapshot table. */
  table(entries: readonly Uint8Array[]): Place {
    const bytes = Buffer.concat(entries.map((entry) => Buffer.concat([entry, Buffer.alloc((8 - (entry.length % 8)) % 8)])));
    if (bytes.length === 0) return { offset: 0, bytes: 0 };
    return { offset: this.place(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)), bytes: bytes.length };
  }

  /** Turns the header to another snapshot table, and gives the old one back. */
  turnTable({ offset }: Place, snapshots: number): void {
    const place = new DataView(new ArrayBuffer(12));
    place.setUint32(0, snapshots);
    putU64(place, 4, offset);
    this.#file.write(AT.snapshots, bytesOf(place));
    this.#file.sync();
    this.free(this.#oldTable.offset, this.#oldTable.bytes);
    this.refcounts.write();
    this.#file.sync();
  }

  free(offset: number, bytes: number): void {
    for (let at = offset; at < offset + bytes; at += this.#size) this.refcounts.add(at / this.#size, -1);
  }

  /** What is no longer used is given back; then what has one user left may be written in place again. */
  finish(l1: DataView, l1Offset: number): void {
    this.refcounts.write();
    this.#file.sync();
    this.setCopied(l1, l1Offset, true);
  }

  /** Sets bit 63 where there is one user (`alone`), or clears it everywhere. Durable afterwards. */
  setCopied(l1: DataView, l1Offset: number | undefined, alone: boolean): void {
    const right = (cluster: number): boolean => alone && this.refcounts.get(cluster) === 1;
    for (const [at, index] of tablesOf(l1)) {
      const l2 = readTable(this.#file, at, this.#size / 8);
      let changed = false;
      for (let i = 0; i < l2.byteLength; i += 8) {
        const high = l2.getUint32(i);
        const host = entryOffset(high, l2.getUint32(i + 4));
        if ((high & COMPRESSED_HIGH) !== 0 || host === 0) continue;
        changed = setBit(l2, i, right(host / this.#size)) || changed;
      }
      if (changed) this.#file.write(at, bytesOf(l2));
      setBit(l1, 8 * index, right(at / this.#size));
    }
    if (l1Offset !== undefined) this.#file.write(l1Offset, bytesOf(l1));
    this.#file.sync();
  }
}

/** Sets or clears bit 63; whether that was a change. */
function setBit(table: DataView, at: number, on: boolean): boolean {
  const high = table.getUint32(at);
  const now = on ? (high | COPIED_HIGH) >>> 0 : (high & ~COPIED_HIGH) >>> 0;
  if (now !== high) table.setUint32(at, now);
  return now !== high;
}

/** The L2 tables of an L1 table: offset and index. */
function tablesOf(l1: DataView): [number, number][] {
  const tables: [number, number][] = [];
  for (let i = 0; 8 * i < l1.byteLength; i++) {
    const at = entryOffset(l1.getUint32(8 * i), l1.getUint32(8 * i + 4));
    if (at !== 0) tables.push([at, i]);
  }
  return tables;
}
