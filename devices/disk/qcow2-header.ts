/**
 * The header of a qcow2 image: read, checked and written.
 *
 * Format: "Qcow2 Image File Format" (QEMU, docs/interop/qcow2), versions 2 and 3, all numbers big-endian. Each field is checked here, before anything else
 * of the image is looked at: what passes is aligned, inside the file, and small enough to be held in memory. Limits of our own: clusters from 512 bytes to
 * 2 MiB as QEMU has them, an L1 table and a refcount table of at most 8 MiB each.
 *
 * Refused: encryption, external data files, extended L2 entries, and every incompatible feature that is not known, by the name that the image has for it.
 *
 * @module
 */
import type { ByteFile } from './file.ts';
import { ImageError } from './image.ts';

/** `QFI\xfb` */
export const QCOW_MAGIC = 0x514649fb;

export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;
const HEADER_READ_BYTES = 4096;
const CLUSTER_BITS_MIN = 9;
const CLUSTER_BITS_MAX = 21;
export const TABLE_BYTES_MAX = 8 * 1048576;
const BACKING_NAME_MAX = 1023;
export const SNAPSHOTS_MAX = 65536;
const REFCOUNT_ORDER_MAX = 6;

/** Bits of incompatible_features. */
export const DIRTY = 1;
export const CORRUPT = 2;
const EXTERNAL_DATA = 4;
const COMPRESSION_TYPE = 8;
const EXTENDED_L2 = 16;
/** Bit of compatible_features. */
export const LAZY_REFCOUNTS = 1;

const EXT_END = 0;
const EXT_BACKING_FORMAT = 0xe2792aca;
const EXT_FEATURE_NAMES = 0x6803f857;
const EXT_BITMAPS = 0x23852875;

/** Offsets of fields that are written later. */
export const AT = { l1Size: 36, l1Offset: 40, refcountTable: 48, snapshots: 60, incompatible: 72, autoclear: 88 } as const;

export interface Backing {
  readonly name: string;
  /** As the image says; absent in old images. */
  readonly format: string | undefined;
}

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Of the virtual disk, bytes. */
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshots: number;
  readonly snapshotsOffset: number;
  readonly incompatible: number;
  readonly compatible: number;
  /** Some bit of autoclear_features is set. */
  readonly autoclear: boolean;
  /** log2 of the width of a refcount, bits. */
  readonly refcountOrder: number;
  readonly headerLength: number;
  readonly compression: 'deflate' | 'zstd';
  readonly backing: Backing | undefined;
  /** Where the directory of dirty bitmaps is, when there is one. */
  readonly bitmaps: { readonly count: number; readonly bytes: number; readonly offset: number } | undefined;
}

/** Whether a file starts as a qcow2 image does. */
export function isQcow2(file: ByteFile): boolean {
  const start = new Uint8Array(4);
  return file.read(0, start) === 4 && new DataView(start.buffer).getUint32(0) === QCOW_MAGIC;
}

/** A 64-bit number of a big-endian table. What does not fit 53 bits is larger than any file: Infinity. */
export function u64(view: DataView, at: number): number {
  const high = view.getUint32(at);
  return high < 0x20_0000 ? high * 2 ** 32 + view.getUint32(at + 4) : Number.POSITIVE_INFINITY;
}

export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** Reads and checks a header. Throws ImageError. */
export function readHeader(file: ByteFile): Qcow2Header {
  const bytes = new Uint8Array(HEADER_READ_BYTES);
  const got = file.read(0, bytes);
  const view = new DataView(bytes.buffer);
  if (got < V2_HEADER_BYTES || view.getUint32(0) !== QCOW_MAGIC) throw new ImageError('is no qcow2 image');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw new ImageError(`is qcow2 of version ${version}; versions 2 and 3 are known`);
  if (version === 3 && got < V3_HEADER_BYTES) throw new ImageError('is cut off within its header');
  const clusterBits = view.getUint32(20);
  if (clusterBits < CLUSTER_BITS_MIN || clusterBits > CLUSTER_BITS_MAX)
    throw bad('cluster_bits', clusterBits, `must be from ${CLUSTER_BITS_MIN} to ${CLUSTER_BITS_MAX}`);
  const headerLength = version === 2 ? V2_HEADER_BYTES : view.getUint32(100);
  if (headerLength % 8 !== 0 || headerLength < (version === 2 ? V2_HEADER_BYTES : V3_HEADER_BYTES) || headerLength > 2 ** clusterBits)
    throw bad('header_length', headerLength, 'is not one of this version');
  const incompatible = version === 2 ? 0 : view.getUint32(AT.incompatible + 4);
  const unknownHigh = version === 2 ? 0 : view.getUint32(AT.incompatible);
  const backingName = readBackingName(file, u64(view, 8), view.getUint32(16), 2 ** clusterBits);
  const extensions = readExtensions(file, headerLength, 2 ** clusterBits, u64(view, 8));
  refuseFeatures(incompatible, unknownHigh, extensions.featureNames);
  if (view.getUint32(32) !== 0) throw new ImageError('is encrypted, which is not supported; decrypt it with qemu-img convert');
  const refcountOrder = version === 2 ? 4 : view.getUint32(96);
  if (refcountOrder > REFCOUNT_ORDER_MAX) throw bad('refcount_order', refcountOrder, `must be at most ${REFCOUNT_ORDER_MAX}`);
  const header: Qcow2Header = {
    version,
    clusterBits,
    size: u64(view, 24),
    l1Size: view.getUint32(AT.l1Size),
    l1Offset: u64(view, AT.l1Offset),
    refcountTableOffset: u64(view, AT.refcountTable),
    refcountTableClusters: view.getUint32(56),
    snapshots: view.getUint32(AT.snapshots),
    snapshotsOffset: u64(view, 64),
    incompatible,
    compatible: version === 2 ? 0 : view.getUint32(84),
    autoclear: version === 3 && (view.getUint32(AT.autoclear) !== 0 || view.getUint32(AT.autoclear + 4) !== 0),
    refcountOrder,
    headerLength,
    compression: compressionOf(incompatible, headerLength > 104 ? view.getUint8(104) : 0),
    backing: backingName === undefined ? undefined : { name: backingName, format: extensions.backingFormat },
    bitmaps: extensions.bitmaps,
  };
  checkPlaces(header, file.size());
  return header;
}

function bad(field: string, value: number, why: string): ImageError {
  return new ImageError(`is damaged: ${field} ${value} ${why}`);
}

function refuseFeatures(low: number, high: number, names: ReadonlyMap<number, string>): void {
  if ((low & EXTERNAL_DATA) !== 0) throw new ImageError('keeps its data in another file (external data file), which is not supported');
  if ((low & EXTENDED_L2) !== 0) throw new ImageError('has extended L2 entries (subclusters), which are not supported');
  const unknown = low & ~(DIRTY | CORRUPT | COMPRESSION_TYPE);
  for (let bit = 0; bit < 64; bit++) {
    const word = bit < 32 ? unknown : high;
    if (((word >>> (bit & 31)) & 1) === 0) continue;
    const name = names.get(bit);
    throw new ImageError(`needs the feature ${name === undefined ? `of bit ${bit}` : `"${name}" (bit ${bit})`}, which is not supported`);
  }
}

function compressionOf(incompatible: number, type: number): 'deflate' | 'zstd' {
  if ((incompatible & COMPRESSION_TYPE) === 0) {
    if (type !== 0) throw bad('compression_type', type, 'is set without its feature bit');
    return 'deflate';
  }
  if (type !== 1) throw bad('compression_type', type, 'is unknown; there are 0 (deflate) and 1 (zstd)');
  return 'zstd';
}

interface Extensions {
  readonly backingFormat: string | undefined;
  readonly featureNames: ReadonlyMap<number, string>;
  readonly bitmaps: Qcow2Header['bitmaps'];
}

/** The header extensions; they end with their end mark, the backing file's name or the first cluster. */
function readExtensions(file: ByteFile, start: number, clusterBytes: number, backingAt: number): Extensions {
  const end = backingAt > 0 ? Math.min(backingAt, clusterBytes) : clusterBytes;
  const area = new Uint8Array(Math.max(0, end - start));
  const bytes = area.subarray(0, file.read(start, area));
  const view = new DataView(bytes.buffer, 0, bytes.length);
  let backingFormat: string | undefined;
  let bitmaps: Qcow2Header['bitmaps'];
  const featureNames = new Map<number, string>();
  for (let at = 0; at + 8 <= bytes.length; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXT_END) break;
    if (at + 8 + length > bytes.length) throw new ImageError(`is damaged: the header extension ${type.toString(16)} is too long`);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === EXT_BACKING_FORMAT) backingFormat = text(data);
    else if (type === EXT_FEATURE_NAMES) {
      for (let i = 0; i + 48 <= length; i += 48)
        if (data[i] === 0) featureNames.set(data[i + 1] as number, text(data.subarray(i + 2, i + 48)));
    } else if (type === EXT_BITMAPS && length >= 24) {
      bitmaps = { count: view.getUint32(at + 8), bytes: u64(view, at + 16), offset: u64(view, at + 24) };
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, featureNames, bitmaps };
}

/** Text of an image for people: what is not printable is a question mark. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/\0+$/, '')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');
}

function readBackingName(file: ByteFile, offset: number, length: number, clusterBytes: number): string | undefined {
  if (offset === 0) return undefined;
  if (length === 0 || length > BACKING_NAME_MAX) throw bad('backing_file_size', length, `must be from 1 to ${BACKING_NAME_MAX}`);
  if (offset + length > clusterBytes) throw bad('backing_file_offset', offset, 'is outside the first cluster');
  const bytes = new Uint8Array(length);
  if (file.read(offset, bytes) < length) throw new ImageError('is cut off within the name of its backing file');
  if (bytes.includes(0)) throw new ImageError('is damaged: the name of its backing file has a zero byte');
  return Buffer.from(bytes).toString('utf8');
}

/** Where the tables are: whole, aligned, inside the file and apart from each other. */
function checkPlaces(header: Qcow2Header, fileBytes: number): void {
  const cluster = 2 ** header.clusterBits;
  if (!(header.size >= 512 && header.size < 2 ** 52)) throw bad('size', header.size, 'must be from 512 bytes to 4 PiB');
  const l1Needed = Math.ceil(header.size / ((cluster * cluster) / 8));
  if (header.l1Size < l1Needed) throw bad('l1_size', header.l1Size, `is too small for the size; ${l1Needed} entries are needed`);
  const refcountBytes = header.refcountTableClusters * cluster;
  if (refcountBytes === 0) throw bad('refcount_table_clusters', 0, 'must be more than 0');
  if (header.snapshots > SNAPSHOTS_MAX) throw bad('nb_snapshots', header.snapshots, `must be at most ${SNAPSHOTS_MAX}`);
  const places: [string, number, number][] = [
    ['l1_table_offset', header.l1Offset, header.l1Size * 8],
    ['refcount_table_offset', header.refcountTableOffset, refcountBytes],
  ];
  if (header.snapshots > 0) places.push(['snapshots_offset', header.snapshotsOffset, header.snapshots * 40]);
  for (const [field, offset, bytes] of places) {
    if (bytes > TABLE_BYTES_MAX) throw bad(field, offset, `: a table of ${bytes} bytes is too large; at most ${TABLE_BYTES_MAX}`);
    if (offset % cluster !== 0 || offset < cluster) throw bad(field, offset, 'is not the start of a cluster after the header');
    if (offset + bytes > fileBytes) throw bad(field, offset, `is outside the file, which has ${fileBytes} bytes; it may be cut off`);
  }
  for (const [i, [field, offset, bytes]] of places.entries()) {
    for (const [other, from, length] of places.slice(i + 1))
      if (offset < from + length && from < offset + bytes) throw bad(field, offset, `overlaps ${other}`);
  }
}

/** What a new image's header says. */
export type NewHeader = Pick<
  Qcow2Header,
  'clusterBits' | 'size' | 'l1Size' | 'l1Offset' | 'refcountTableOffset' | 'refcountTableClusters' | 'backing'
>;

const FEATURE_NAMES: readonly (readonly [number, number, string])[] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
  [2, 1, 'raw external data'],
];
const FEATURE_BYTES = 48;

/** The first cluster of a new version 3 image with 16-bit refcounts. Throws ImageError when the backing file's name does not fit it. */
export function writeHeader(header: NewHeader): Uint8Array {
  const cluster = 2 ** header.clusterBits;
  const bytes = new Uint8Array(cluster);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, QCOW_MAGIC);
  view.setUint32(4, 3);
  view.setUint32(20, header.clusterBits);
  putU64(view, 24, header.size);
  view.setUint32(AT.l1Size, header.l1Size);
  putU64(view, AT.l1Offset, header.l1Offset);
  putU64(view, AT.refcountTable, header.refcountTableOffset);
  view.setUint32(56, header.refcountTableClusters);
  view.setUint32(96, 4);
  view.setUint32(100, V3_HEADER_BYTES);
  let at = V3_HEADER_BYTES;
  const extension = (type: number, data: Uint8Array): void => {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  };
  const name = Buffer.from(header.backing?.name ?? '');
  if (name.length > BACKING_NAME_MAX) throw new ImageError(`the backing file's name is longer than ${BACKING_NAME_MAX} bytes`);
  if (header.backing?.format !== undefined) extension(EXT_BACKING_FORMAT, Buffer.from(header.backing.format));
  // Names for people with other software; left out where a small cluster has no room for them.
  if (at + 8 + FEATURE_NAMES.length * FEATURE_BYTES + 8 + name.length <= cluster) extension(EXT_FEATURE_NAMES, featureTable());
  at += 8;
  if (name.length === 0) return bytes;
  if (at + name.length > cluster) throw new ImageError(`the backing file's name does not fit a cluster of ${cluster} bytes`);
  putU64(view, 8, at);
  view.setUint32(16, name.length);
  bytes.set(name, at);
  return bytes;
}

function featureTable(): Uint8Array {
  const table = new Uint8Array(FEATURE_NAMES.length * FEATURE_BYTES);
  FEATURE_NAMES.forEach(([type, bit, name], i) => {
    table.set([type, bit, ...Buffer.from(name)], i * FEATURE_BYTES);
  });
  return table;
}
