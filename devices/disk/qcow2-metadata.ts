/**
 * Where a qcow2 image keeps its own tables: clusters that no data may be written to.
 *
 * A hostile image could have a disk's cluster lie on its header or its tables; a guest that writes there would make up an image, with any file as its backing file. So the
 * places are gathered when an image is opened for writing, and two tables in one place are refused.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { ImageError } from './image.ts';
import type { Qcow2Header } from './qcow2-header.ts';
import { readSnapshots } from './qcow2-snapshot-table.ts';

/** Puts the clusters of all tables into `clusters`. Throws ImageError. */
export function metadataClusters(
  clusters: Set<number>,
  file: ByteFile,
  header: Qcow2Header,
  tables: Float64Array,
  blocks: readonly number[],
): void {
  const size = 2 ** header.clusterBits;
  const fileBytes = file.size();
  const add = (what: string, offset: number, bytes: number): void => {
    if (offset % size !== 0 || offset + 1 > fileBytes)
      throw new ImageError(`is damaged: ${what} is at ${offset}, which is no cluster of the file`);
    for (let at = offset; at < offset + bytes; at += size) {
      if (clusters.has(at / size)) throw new ImageError(`is damaged: ${what} at ${offset} is where another table is`);
      clusters.add(at / size);
    }
  };
  add('the header', 0, size);
  add('the L1 table', header.l1Offset, header.l1Size * 8);
  add('the refcount table', header.refcountTableOffset, header.refcountTableClusters * size);
  for (const offset of blocks) add('a refcount block', offset, size);
  for (const offset of tables) if (offset !== 0) add('an L2 table', offset, size);
  if (header.snapshots === 0) return;
  const { snapshots, bytes } = readSnapshots(file, header);
  add('the snapshot table', header.snapshotsOffset, bytes);
  for (const { l1Offset, l1Size, name } of snapshots) if (l1Size > 0) add(`the L1 table of snapshot ${name}`, l1Offset, l1Size * 8);
}
