/**
 * The table of a qcow2 image's internal snapshots, as it is in the file.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { ImageError } from './image.ts';
import { putU64, type Qcow2Header, TABLE_BYTES_MAX, text, u64 } from './qcow2-header.ts';

const FIXED_BYTES = 40;
const EXTRA_BYTES = 16;
const EXTRA_MAX = 1024;

export interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly l1Offset: number;
  readonly l1Size: number;
  /** When it was taken: seconds since 1970, and nanoseconds. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Bytes of the disk; that of the image where the table does not tell. */
  readonly size: number;
  /** Bytes of a running machine's state, which QEMU keeps behind the disk. */
  readonly vmState: number;
  /** The entry as it stands, for what is not known here. */
  readonly raw: Uint8Array;
}

/** All snapshots, and how long their table is. Throws ImageError. */
export function readSnapshots(file: ByteFile, header: Qcow2Header): { readonly snapshots: Snapshot[]; readonly bytes: number } {
  const snapshots: Snapshot[] = [];
  const all = new Uint8Array(Math.min(TABLE_BYTES_MAX, Math.max(0, file.size() - header.snapshotsOffset)));
  const bytes = header.snapshots === 0 ? all.subarray(0, 0) : all.subarray(0, file.read(header.snapshotsOffset, all));
  const view = new DataView(bytes.buffer, 0, bytes.length);
  let at = 0;
  for (let i = 0; i < header.snapshots; i++) {
    const cut = new ImageError(`is damaged: entry ${i} of its snapshot table is cut off`);
    if (at + FIXED_BYTES > bytes.length) throw cut;
    const idBytes = view.getUint16(at + 12);
    const nameBytes = view.getUint16(at + 14);
    const extra = view.getUint32(at + 36);
    if (extra > EXTRA_MAX) throw new ImageError(`is damaged: entry ${i} of its snapshot table has ${extra} bytes of extra data`);
    const length = FIXED_BYTES + extra + idBytes + nameBytes;
    if (at + length > bytes.length) throw cut;
    const idAt = at + FIXED_BYTES + extra;
    const snapshot: Snapshot = {
      l1Offset: u64(view, at),
      l1Size: view.getUint32(at + 8),
      id: text(bytes.subarray(idAt, idAt + idBytes)),
      name: text(bytes.subarray(idAt + idBytes, at + length)),
      seconds: view.getUint32(at + 16),
      nanoseconds: view.getUint32(at + 20),
      vmState: extra >= 8 ? u64(view, at + 40) : view.getUint32(at + 32),
      size: extra >= EXTRA_BYTES ? u64(view, at + 48) : header.size,
      raw: bytes.slice(at, at + Math.ceil(length / 8) * 8),
    };
    checkSnapshot(snapshot, header, file.size());
    snapshots.push(snapshot);
    at += snapshot.raw.length < Math.ceil(length / 8) * 8 ? length : Math.ceil(length / 8) * 8;
  }
  return { snapshots, bytes: Math.max(at, 1) };
}

function checkSnapshot({ name, l1Offset, l1Size, size }: Snapshot, { clusterBits }: Qcow2Header, fileBytes: number): void {
  const cluster = 2 ** clusterBits;
  const damaged = (why: string): ImageError => new ImageError(`is damaged: the L1 table of snapshot '${name}' ${why}`);
  if (l1Size * 8 > TABLE_BYTES_MAX) throw damaged('is too large');
  if (l1Offset % cluster !== 0 || l1Offset < cluster) throw damaged(`is at ${l1Offset}, which is not the start of a cluster`);
  if (l1Offset + l1Size * 8 > fileBytes) throw damaged('is outside the file');
  if (!(size < 2 ** 52)) throw damaged(`is of a disk of ${size} bytes`);
}

/** The entry of a new snapshot. */
export function snapshotEntry(snapshot: Omit<Snapshot, 'raw' | 'vmState'>): Uint8Array {
  const id = Buffer.from(snapshot.id);
  const name = Buffer.from(snapshot.name);
  const bytes = new Uint8Array(Math.ceil((FIXED_BYTES + EXTRA_BYTES + id.length + name.length) / 8) * 8);
  const view = new DataView(bytes.buffer);
  putU64(view, 0, snapshot.l1Offset);
  view.setUint32(8, snapshot.l1Size);
  view.setUint16(12, id.length);
  view.setUint16(14, name.length);
  view.setUint32(16, snapshot.seconds);
  view.setUint32(20, snapshot.nanoseconds);
  view.setUint32(36, EXTRA_BYTES);
  putU64(view, 48, snapshot.size);
  bytes.set(id, FIXED_BYTES + EXTRA_BYTES);
  bytes.set(name, FIXED_BYTES + EXTRA_BYTES + id.length);
  return bytes;
}
