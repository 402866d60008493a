/**
 * Hostile qcow2 images: fields of the header and of every table are spoiled, one to three at a time. Whatever is done with such an image ends with an answer, ImageError or
 * DiskError; nothing hangs, grows without bound, or reaches outside the file; and a guest that writes never changes the header but for the bit that says that it is corrupt.
 */
import process from 'node:process';
import { deflateRawSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError, type DiskImage, ImageError } from '../../../devices/disk/image.ts';
import { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { checkQcow2 } from '../../../devices/disk/qcow2-check.ts';
import { createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { readHeader } from '../../../devices/disk/qcow2-header.ts';
import { destroySnapshot, rollBack, takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { randomSource } from '../fake-board.ts';
import { MemoryFile } from './files.ts';

const IMAGES = process.env['LUCID_SLOW'] === 'full' ? 10_000 : 1500;
const TIME = { seconds: 1, nanoseconds: 0 };
/** Bytes of the header that writing may change: from, to. */
const CHANGING = [
  [48, 60],
  [79, 80],
  [88, 96],
] as const;
/** A spoiled image may have clusters of 2 MiB. */
const ROOM = 64 * 1048576;

/** An image with data, zeros, a compressed cluster, and a snapshot. */
function seedImage(clusterBits: number): MemoryFile {
  const file = new MemoryFile();
  const cluster = 2 ** clusterBits;
  createQcow2(file, { size: 64 * cluster, clusterBits });
  let image = new Qcow2Image(file);
  for (const at of [0, 5, 6, 40]) image.write(at * cluster, new Uint8Array(cluster).fill(at + 1));
  image.close();
  takeSnapshot(file, 'one', TIME);
  image = new Qcow2Image(file);
  image.write(6 * cluster, new Uint8Array(cluster).fill(99));
  image.zero(cluster, 3 * cluster);
  image.close();
  const packed = deflateRawSync(new Uint8Array(cluster).fill(77));
  image = new Qcow2Image(file);
  image.write(50 * cluster, packed.length % 512 === 0 ? packed : Buffer.concat([packed, Buffer.alloc(512 - (packed.length % 512))]));
  image.close();
  const view = new DataView(file.bytes.buffer);
  const l2 = Number(view.getBigUint64(readHeader(file).l1Offset) & 0xff_ffff_ffff_fe00n);
  const entry = l2 + 8 * (50 % (cluster / 8));
  if (cluster >= 4096) {
    const host = view.getBigUint64(entry) & 0xff_ffff_ffff_fe00n;
    view.setBigUint64(entry, (1n << 62n) | host);
    const check = checkQcow2(file);
    assert.is(check.errors, 0, check.lines.join('\n'));
  }
  return file;
}

/** Places that matter: offsets of words of the header and the tables. */
function places(file: MemoryFile): number[] {
  const header = readHeader(file);
  const cluster = 2 ** header.clusterBits;
  const found: number[] = [];
  for (let at = 0; at < 112; at += 4) found.push(at, at);
  const view = new DataView(file.bytes.buffer);
  const table = (offset: number, bytes: number): void => {
    for (let at = offset; at < offset + bytes; at += 4) if (view.getUint32(at) !== 0 || at % 64 === 0) found.push(at);
  };
  const offsetAt = (at: number): number => Number(view.getBigUint64(at) & 0xff_ffff_ffff_fe00n);
  table(header.refcountTableOffset, 64);
  table(offsetAt(header.refcountTableOffset), Math.min(cluster, 256));
  for (let i = 0; i < header.l1Size; i++) {
    found.push(header.l1Offset + 8 * i, header.l1Offset + 8 * i + 4);
    if (offsetAt(header.l1Offset + 8 * i) !== 0) table(offsetAt(header.l1Offset + 8 * i), Math.min(cluster, 512));
  }
  table(header.snapshotsOffset, 64);
  return found;
}

const VALUES = [0, 1, 2, 7, 0x1ff, 0x200, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xc000_0000, 0x4000_0000, 0xffff_ffff];

function spoil(file: MemoryFile, at: number, random: (below: number) => number): void {
  const view = new DataView(file.bytes.buffer);
  switch (random(4)) {
    case 0:
      view.setUint32(at, VALUES[random(VALUES.length)] as number);
      break;
    case 1:
      view.setUint32(at, (view.getUint32(at) ^ (1 << random(32))) >>> 0);
      break;
    case 2:
      // A place that belongs to something else.
      view.setUint32(at, random(file.size() / 512) * 512);
      break;
    default:
      view.setUint8(at + random(4), random(256));
  }
}

/** Does it; only the two kinds of error may come. */
function attempt(work: () => void, what: string): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ImageError) && !(error instanceof DiskError)) throw new Error(`${what}: ${(error as Error).stack}`);
    assert.not.match((error as Error).message, /\n/);
  }
}

function open(file: MemoryFile, readOnly: boolean, work: (image: DiskImage) => void): void {
  const image = new Qcow2Image(file, { readOnly });
  // The disk may be huge now: its start, its end, and places between.
  work(image);
}

function readSome(image: DiskImage): void {
  const bytes = new Uint8Array(65536);
  for (let i = 0; i < 16; i++) {
    const at = Math.floor((image.size * i) / 16 / 512) * 512;
    attempt(() => image.read(at, bytes.subarray(0, Math.min(bytes.length, image.size - at))), 'read');
  }
}

function writeSome(image: DiskImage, random: (below: number) => number): void {
  for (let i = 0; i < 12; i++) {
    const at = random(Math.min(256, image.size / 512)) * 512;
    const length = Math.min(512 * (1 + random(40)), image.size - at);
    const kind = random(4);
    attempt(() => {
      if (kind === 0) image.zero(at, length);
      else if (kind === 1) image.discard(at, length);
      else image.write(at, new Uint8Array(length).fill(0x51));
      if (random(3) === 0) image.flush();
    }, 'write');
  }
}

test(`${IMAGES} spoiled images: an answer or an error, no more`, () => {
  const random = randomSource(2026);
  const seeds = [9, 10, 12].map(seedImage);
  const spots = seeds.map(places);
  let opened = 0;
  for (let n = 0; n < IMAGES; n++) {
    const which = n % seeds.length;
    const file = new MemoryFile((seeds[which] as MemoryFile).bytes);
    for (let times = 1 + random(3); times > 0; times--) {
      const spot = spots[which] as number[];
      spoil(file, spot[random(spot.length)] as number, random);
    }
    if (random(20) === 0) file.truncate(random(file.size() / 512) * 512);
    const what = `image ${n}`;
    const header = file.bytes.slice(0, 512);
    attempt(() => open(file, true, readSome), what);
    attempt(() => void checkQcow2(file), what);
    attempt(() => {
      open(file, false, (image) => {
        opened++;
        writeSome(image, random);
        attempt(() => image.close(), what);
      });
      // Of the header a guest's writes change the refcount table's place, when it has to grow, the stale features, and the corrupt bit.
      const after = file.bytes.slice(0, 512);
      for (const [from, to] of CHANGING) after.set(header.subarray(from, to), from);
      const changed = [...after.keys()].filter((at) => after[at] !== header[at]);
      assert.is(changed.join(), '', `${what}: bytes of the header have changed`);
    }, what);
    attempt(() => takeSnapshot(file, 'two', TIME), what);
    attempt(() => rollBack(file, 'one'), what);
    attempt(() => destroySnapshot(file, 'one'), what);
    attempt(() => void checkQcow2(file, { repair: 'all' }), what);
    assert.ok(file.size() < ROOM, `${what}: the file has ${file.size()} bytes`);
  }
  assert.ok(opened > IMAGES / 10 && opened < IMAGES, `${opened} were opened to be written`);
});

test.run();
