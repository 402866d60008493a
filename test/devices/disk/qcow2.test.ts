/** qcow2 images without any other software: what is written is read, over every cluster size, backing file and snapshot; damage and hostile tables are refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deflateRawSync, zstdCompressSync } from 'node:zlib';
import { DiskError, type DiskImage, ImageError } from '../../../devices/disk/image.ts';
import { decompress, zstdFrameBytes } from '../../../devices/disk/qcow2-compressed.ts';
import { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { checkQcow2, repairDirty } from '../../../devices/disk/qcow2-check.ts';
import { createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { readHeader } from '../../../devices/disk/qcow2-header.ts';
import { destroySnapshot, findSnapshot, listSnapshots, rollBack, takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { RawImage } from '../../../devices/disk/raw.ts';
import { randomSource } from '../fake-board.ts';
import { MemoryFile, RecordingFile } from './files.ts';

const TIME = { seconds: 1_700_000_000, nanoseconds: 5 };

function newFile(size: number, clusterBits = 16, backing = false): MemoryFile {
  const file = new MemoryFile();
  createQcow2(file, { size, clusterBits, backing: backing ? { name: 'base', format: 'raw' } : undefined });
  return file;
}

function pattern(length: number, seed: number): Uint8Array {
  const random = randomSource(seed);
  return Uint8Array.from({ length }, () => random(256));
}

function all(image: DiskImage): Uint8Array {
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes);
  return bytes;
}

function same(a: Uint8Array, b: Uint8Array, what = ''): void {
  assert.is(Buffer.compare(a, b), 0, what);
}

function clean(file: MemoryFile): void {
  const { errors, leaks, lines } = checkQcow2(file);
  assert.equal([errors, leaks], [0, 0], lines.join('\n'));
}

/** Random operations on a disk and on bytes in memory; the disk may be opened anew. */
function exercise(open: () => DiskImage, model: Uint8Array, random: (below: number) => number, times: number): void {
  let image = open();
  const sectors = model.length / 512;
  for (let n = 0; n < times; n++) {
    const at = random(sectors) * 512;
    const length = Math.min(model.length - at, 512 * (1 + random(random(4) === 0 ? 1000 : 12)));
    const kind = random(12);
    if (kind < 6) {
      const bytes = new Uint8Array(length).fill(1 + random(255));
      image.write(at, bytes);
      model.set(bytes, at);
    } else if (kind < 9) {
      const bytes = new Uint8Array(length);
      image.read(at, bytes);
      same(bytes, model.subarray(at, at + length), `${n}: ${at} ${length}`);
    } else if (kind === 9 || kind === 10) {
      image.zero(at, length);
      if (kind === 10) image.discard(at, length);
      model.fill(0, at, at + length);
    } else if (random(3) > 0) image.flush();
    else {
      image.close();
      image = open();
    }
  }
  image.close();
}

for (const clusterBits of [9, 10, 12, 16, 21]) {
  test(`clusters of ${2 ** clusterBits}: what is written is read, and the tables are right afterwards`, () => {
    const size = clusterBits === 9 ? 1_000_448 : 5_000_192;
    const file = newFile(size, clusterBits);
    const model = new Uint8Array(size);
    exercise(() => new Qcow2Image(file), model, randomSource(clusterBits), 250);
    clean(file);
    same(all(new Qcow2Image(file, { readOnly: true })), model);
  });

  test(`clusters of ${2 ** clusterBits} over another image, which stays as it is`, () => {
    const base = pattern(700_416, 3);
    const below = new MemoryFile(base);
    const size = 1_000_448;
    const file = newFile(size, clusterBits, true);
    const model = new Uint8Array(size);
    model.set(base);
    exercise(() => new Qcow2Image(file, { backing: new RawImage(below, { readOnly: true }) }), model, randomSource(clusterBits + 50), 200);
    clean(file);
    same(below.bytes, base);
  });
}

test('every width of refcounts is written and read', () => {
  for (let order = 0; order <= 6; order++) {
    const size = 300_032;
    const file = newFile(size, 9);
    // The refcounts of a new image are laid out anew, in one block each.
    const view = new DataView(file.bytes.buffer);
    const { refcountTableOffset: at } = readHeader(file);
    const used = file.size() / 512;
    const block = Number(view.getBigUint64(at));
    const per = (512 * 8) >> order;
    const wide = new Uint8Array(512 * Math.ceil(used / per));
    for (let i = 0; i < used; i++) {
      const bit = i << order;
      if (order < 3) wide[bit >> 3] = (wide[bit >> 3] as number) | (1 << (bit & 7));
      else wide[(bit >> 3) + (1 << (order - 3)) - 1] = 1;
    }
    if (wide.length > 512) continue;
    file.write(block, wide);
    file.write(96, Uint8Array.of(0, 0, 0, order));
    clean(file);
    const model = new Uint8Array(size);
    exercise(() => new Qcow2Image(file), model, randomSource(order + 1), 80);
    clean(file);
  }
});

test('snapshots are taken, gone back to and removed; the disk and the others stay', () => {
  for (const clusterBits of [9, 12, 16]) {
    const size = 500_224;
    const file = newFile(size, clusterBits);
    const model = new Uint8Array(size);
    const open = (): Qcow2Image => new Qcow2Image(file);
    const random = randomSource(clusterBits);
    const kept: [string, Uint8Array][] = [];
    for (const name of ['a', 'b', 'c']) {
      exercise(open, model, random, 40);
      takeSnapshot(file, name, TIME);
      kept.push([name, model.slice()]);
      clean(file);
    }
    exercise(open, model, random, 40);
    for (const [name, bytes] of kept) same(all(new Qcow2Image(file, { readOnly: true, snapshot: findSnapshot(file, name) })), bytes, name);
    rollBack(file, 'b');
    clean(file);
    same(all(open()), kept[1]?.[1] as Uint8Array);
    exercise(open, all(open()), random, 40);
    clean(file);
    destroySnapshot(file, 'b');
    clean(file);
    assert.equal(
      listSnapshots(file).map(({ name }) => name),
      ['a', 'c'],
    );
    same(all(new Qcow2Image(file, { readOnly: true, snapshot: findSnapshot(file, 'c') })), kept[2]?.[1] as Uint8Array);
    destroySnapshot(file, 'c');
    destroySnapshot(file, 'a');
    clean(file);
    assert.throws(() => rollBack(file, 'a'), /no snapshot 'a'/);
  }
});

test('a snapshot command that is cut off at any place leaves the disk and leaks at worst', () => {
  const size = 100_352;
  const start = newFile(size, 9);
  const model = new Uint8Array(size);
  exercise(() => new Qcow2Image(start), model, randomSource(8), 30);
  takeSnapshot(start, 'one', TIME);
  const before = model.slice();
  exercise(() => new Qcow2Image(start), model, randomSource(9), 30);
  const commands: [(file: MemoryFile) => void, Uint8Array[]][] = [
    [(file) => takeSnapshot(file, 'two', TIME), [model]],
    [(file) => rollBack(file, 'one'), [model, before]],
    [(file) => destroySnapshot(file, 'one'), [model]],
  ];
  for (const [command, allowed] of commands) {
    const file = new RecordingFile(start.bytes);
    command(file);
    const random = randomSource(4);
    for (let calls = 0; calls <= file.calls.length; calls++) {
      for (const keep of [() => false, () => true, () => random(2) === 0]) {
        const left = file.lost(calls, keep);
        const found = all(new Qcow2Image(left, { readOnly: true }));
        assert.ok(
          allowed.some((bytes) => Buffer.compare(bytes, found) === 0),
          `after ${calls} calls`,
        );
        // What is used is never counted as free.
        const low = checkQcow2(left).lines.filter((line) => /its refcount is \d+$/.test(line) && !/alone|shared/.test(line));
        assert.equal(low, [], `after ${calls} calls`);
      }
    }
  }
});

test('compressed clusters: deflate and zstd, with other bytes behind them; what is none is refused', () => {
  const bytes = new Uint8Array(65536).map((_, i) => (i >> 4) & 0xff);
  for (const [method, packed] of [
    ['deflate', deflateRawSync(bytes)],
    ['zstd', zstdCompressSync(bytes)],
  ] as const) {
    same(decompress(packed, 65536, method) as Uint8Array, bytes);
    same(decompress(Buffer.concat([packed, Buffer.alloc(300, 7)]), 65536, method) as Uint8Array, bytes);
    assert.is(decompress(packed, 32768, method), undefined);
    assert.is(decompress(packed.subarray(0, packed.length >> 1), 65536, method), undefined);
    assert.is(decompress(Buffer.alloc(100, 1), 65536, method), undefined);
  }
  const frame = zstdCompressSync(bytes);
  assert.is(zstdFrameBytes(Buffer.concat([frame, frame])), frame.length);
});

test('a full host: the write fails, nothing else breaks, and there is room again later', () => {
  const file = newFile(4 * 1048576);
  const image = new Qcow2Image(file);
  image.write(0, pattern(65536, 1));
  image.flush();
  file.full = true;
  assert.throws(() => image.write(1048576, pattern(65536, 2)), /ENOSPC/);
  assert.throws(() => image.write(512, pattern(512, 2)), /ENOSPC/);
  same(all(image).subarray(0, 65536), pattern(65536, 1));
  file.full = false;
  image.write(1048576, pattern(65536, 3));
  image.close();
  clean(file);
  same(all(new Qcow2Image(file)).subarray(1048576, 1048576 + 65536), pattern(65536, 3));
});

/** An image with a few clusters, and where its L2 table is. */
function small(): { file: MemoryFile; view: DataView; l1: number; l2: number; data: number } {
  const file = newFile(1048576);
  const image = new Qcow2Image(file);
  image.write(0, pattern(131072, 1));
  image.close();
  const view = new DataView(file.bytes.buffer);
  const l1 = readHeader(file).l1Offset;
  const l2 = Number(view.getBigUint64(l1) & 0xff_ffff_ffff_fe00n);
  const data = Number(view.getBigUint64(l2) & 0xff_ffff_ffff_fe00n);
  return { file, view, l1, l2, data };
}

test('a guest cannot write to the tables of its image, whatever they say: the image is marked as corrupt', () => {
  for (const target of ['header', 'l1', 'l2', 'refcounts'] as const) {
    const { file, view, l1, l2 } = small();
    const places = { header: 0, l1, l2, refcounts: readHeader(file).refcountTableOffset };
    view.setBigUint64(l2, (1n << 63n) | BigInt(places[target] === 0 ? 0 : places[target]));
    const before = file.bytes.slice();
    const image = new Qcow2Image(file);
    if (target === 'header') {
      // Offset 0 is no cluster at all.
      image.write(0, new Uint8Array(512));
      continue;
    }
    assert.throws(() => image.write(0, new Uint8Array(512)), /damaged: cluster \d+ holds the image's own tables/);
    assert.throws(() => image.write(70000, new Uint8Array(512)), /damaged/);
    same(file.bytes.subarray(104), before.subarray(104), target);
    assert.throws(() => new Qcow2Image(file), /marked as corrupt/);
    all(new Qcow2Image(file, { readOnly: true }));
  }
});

test('a cluster that lies on a table is not given back either', () => {
  for (const flags of [0n, 1n]) {
    const { file, view, l2, l1 } = small();
    view.setBigUint64(l2, flags | BigInt(l1));
    const image = new Qcow2Image(file);
    for (const change of [() => image.write(0, new Uint8Array(512)), () => image.zero(0, 65536), () => image.discard(0, 65536)])
      assert.throws(change, /damaged/);
    assert.throws(() => new Qcow2Image(file), /marked as corrupt/);
  }
});

test('entries that point nowhere are an I/O error of the request', () => {
  for (const entry of [0x8000_0000_0000_0200n, 0x8000_0000_7fff_0000n, 0x80ff_ffff_ffff_0000n, 0x4000_0000_7fff_0000n]) {
    const { file, view, l2 } = small();
    view.setBigUint64(l2, entry);
    const image = new Qcow2Image(file, { readOnly: true });
    assert.throws(
      () => image.read(0, new Uint8Array(512)),
      (error: Error) => error instanceof DiskError,
    );
    image.read(65536, new Uint8Array(512));
    assert.ok(checkQcow2(file).errors > 0);
  }
});

test('a file that ends within its last cluster has zeros there; one that is cut while it is used gives errors', () => {
  for (const readOnly of [true, false]) {
    const { file, data } = small();
    file.truncate(data + 65536 + 1000);
    const image = new Qcow2Image(file, { readOnly });
    const bytes = new Uint8Array(512);
    image.read(65536 + 512, bytes);
    same(bytes.subarray(0, 488), pattern(131072, 1).subarray(66048, 66536));
    assert.ok(bytes.subarray(488).every((b) => b === 0));
    image.read(131072 - 512, bytes);
    assert.ok(bytes.every((b) => b === 0));
    file.truncate(data + 65536);
    assert.throws(() => image.read(65536 + 512, bytes), /the file ends at|longer when it was opened/);
    image.read(0, bytes);
  }
});

test('check counts leaks and errors, and repair gives leaks back alone', () => {
  const { file, view, l2 } = small();
  view.setBigUint64(l2 + 8, 0n);
  const found = checkQcow2(file);
  assert.equal([found.errors, found.leaks], [0, 1]);
  assert.is(checkQcow2(file, { repair: 'leaks' }).repaired, 1);
  clean(file);
  const other = small();
  const block = Number(other.view.getBigUint64(readHeader(other.file).refcountTableOffset));
  other.view.setUint16(block + 2 * (other.data / 65536), 0);
  const bad = checkQcow2(other.file, { repair: 'leaks' });
  assert.ok(bad.errors > 0);
  assert.is(bad.repaired, 0);
});

test('an image that was not closed (dirty) is set right before it is written', () => {
  const { file, view, data } = small();
  const block = Number(view.getBigUint64(readHeader(file).refcountTableOffset));
  view.setUint16(block + 2 * (data / 65536), 0);
  view.setUint16(block + 2 * (file.size() / 65536 + 3), 1);
  view.setUint32(76, 1);
  assert.throws(() => new Qcow2Image(file), /not closed cleanly/);
  same(all(new Qcow2Image(file, { readOnly: true })).subarray(0, 131072), pattern(131072, 1));
  repairDirty(file);
  assert.is(readHeader(file).incompatible, 0);
  clean(file);
  new Qcow2Image(file).close();
});

test('features and fields that are not supported are refused by name', () => {
  const refused = (spoil: (view: DataView, file: MemoryFile) => void, why: RegExp): void => {
    const { file, view } = small();
    spoil(view, file);
    assert.throws(
      () => new Qcow2Image(file),
      (error: Error) => error instanceof ImageError && why.test(error.message),
      String(why),
    );
  };
  refused((view) => view.setUint32(4, 4), /version 4/);
  refused((view) => view.setUint32(32, 2), /encrypted/);
  refused((view) => view.setUint32(76, 4), /external data file/);
  refused((view) => view.setUint32(76, 16), /extended L2/);
  refused((view) => view.setUint32(76, 32), /of bit 5/);
  refused((view) => view.setUint32(72, 1), /of bit 32/);
  refused((view) => view.setUint32(76, 8), /compression_type 0/);
  refused((view) => view.setUint32(20, 8), /cluster_bits 8/);
  refused((view) => view.setUint32(20, 31), /cluster_bits 31/);
  refused((view) => view.setUint32(24, 0xffff_ffff), /size/);
  refused((view) => view.setUint32(36, 0), /l1_size 0/);
  refused((view) => view.setUint32(36, 0xffff_ffff), /too large/);
  refused((view) => view.setUint32(44, 512), /l1_table_offset/);
  refused((view) => view.setUint32(40, 1), /outside the file/);
  refused((view) => view.setUint32(52, view.getUint32(44)), /overlaps/);
  refused((view) => view.setUint32(56, 0), /refcount_table_clusters/);
  refused((view) => view.setUint32(96, 7), /refcount_order 7/);
  refused((view) => view.setUint32(100, 100), /header_length 100/);
  refused((view) => view.setUint32(60, 1e6), /nb_snapshots/);
  refused((view) => view.setBigUint64(8, 200n), /backing_file_size 0/);
  refused((view) => {
    view.setBigUint64(8, 65530n);
    view.setUint32(16, 100);
  }, /backing_file_offset/);
  refused((_, file) => file.truncate(100), /cut off|outside/);
});

test('a disk that is too large for its clusters is refused, and the largest is not', () => {
  assert.throws(() => newFile(2 ** 40, 9), /too large for clusters of 512/);
  const file = newFile(32 * 2 ** 40, 16);
  const image = new Qcow2Image(file);
  image.write(32 * 2 ** 40 - 512, pattern(512, 1));
  image.close();
  clean(file);
});

test.run();
