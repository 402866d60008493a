/**
 * Makes an empty qcow2 image: header, refcount table, refcount blocks and an L1 table of zeros, in this order.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { ImageError } from './image.ts';
import { type Backing, putU64, TABLE_BYTES_MAX, writeHeader } from './qcow2-header.ts';

export const CLUSTER_BITS = 16;
const REFCOUNT_BYTES = 2;

export interface NewImage {
  /** Of the disk, bytes. */
  readonly size: number;
  readonly clusterBits?: number;
  readonly backing?: Backing;
}

/** Writes into an empty file. Throws ImageError when the format cannot hold such a disk, DiskError. */
export function createQcow2(file: ByteFile, { size, clusterBits = CLUSTER_BITS, backing }: NewImage): void {
  const cluster = 2 ** clusterBits;
  const l1Size = Math.max(1, Math.ceil(size / ((cluster * cluster) / 8)));
  if (l1Size * 8 > TABLE_BYTES_MAX)
    throw new ImageError(
      `a disk of ${size} bytes is too large for clusters of ${cluster}; at most ${(TABLE_BYTES_MAX / 64) * cluster * cluster}`,
    );
  const l1Clusters = Math.ceil((l1Size * 8) / cluster);
  const perBlock = cluster / REFCOUNT_BYTES;
  // A table that counts all of the disk and its tables needs not be moved later.
  const dataClusters = Math.ceil(size / cluster);
  const allClusters = dataClusters + Math.ceil(dataClusters / (cluster / 8)) + l1Clusters + Math.ceil(dataClusters / perBlock) + 16;
  const tableClusters = Math.min(TABLE_BYTES_MAX / cluster, Math.max(1, Math.ceil(Math.ceil(allClusters / perBlock) / (cluster / 8))));
  let blocks = 1;
  while (blocks * perBlock < 1 + tableClusters + blocks + l1Clusters) blocks++;
  const used = 1 + tableClusters + blocks + l1Clusters;
  const l1Offset = (used - l1Clusters) * cluster;
  file.write(
    0,
    writeHeader({ clusterBits, size, l1Size, l1Offset, refcountTableOffset: cluster, refcountTableClusters: tableClusters, backing }),
  );
  const table = new Uint8Array(tableClusters * cluster);
  for (let i = 0; i < blocks; i++) putU64(new DataView(table.buffer), 8 * i, (1 + tableClusters + i) * cluster);
  file.write(cluster, table);
  const counts = new Uint8Array(blocks * cluster);
  for (let i = 0; i < used; i++) counts[REFCOUNT_BYTES * i + 1] = 1;
  file.write((1 + tableClusters) * cluster, counts);
  file.write(l1Offset, new Uint8Array(l1Clusters * cluster));
  file.sync();
}
