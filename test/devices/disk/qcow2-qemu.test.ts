/** qcow2 images that QEMU makes and we read and write, and the other way: `qemu-img check` finds nothing, `qemu-img compare` finds the same. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copyDisk } from '../../../devices/disk/copy.ts';
import { HostFile } from '../../../devices/disk/file.ts';
import { openImage } from '../../../devices/disk/open.ts';
import { checkQcow2 } from '../../../devices/disk/qcow2-check.ts';
import { createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { destroySnapshot, listSnapshots, rollBack, takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { randomSource } from '../fake-board.ts';

const there = spawnSync('qemu-img', ['--version'], { stdio: 'ignore' }).error === undefined;
if (!there && process.env['LUCID_REQUIRE_QEMU_IMG'] === '1') throw new Error('required here: qemu-img (qemu-utils)');

const folder = mkdtempSync(join(tmpdir(), 'lucid-qcow2-'));
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
}

const SIZE = 6_000_128;

/** A raw disk with runs of zeros and of bytes, some of which compress. */
function rawDisk(name: string, seed: number): Uint8Array {
  const random = randomSource(seed);
  const bytes = new Uint8Array(SIZE);
  for (let n = 0; n < 30; n++) {
    const start = random(SIZE);
    const part = bytes.subarray(start, start + random(200_000));
    if (random(2) === 0) part.fill(1 + random(255));
    else for (let i = 0; i < part.length; i++) part[i] = random(256);
  }
  writeFileSync(at(name), bytes);
  return bytes;
}

function contents(path: string): Uint8Array {
  const { image } = openImage(path, { readOnly: true });
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes);
  image.close();
  return bytes;
}

/** Writes, zeros and discards at random, in an image and in bytes. */
function change(path: string, model: Uint8Array, seed: number): void {
  const random = randomSource(seed);
  const { image } = openImage(path);
  for (let n = 0; n < 60; n++) {
    const sector = random(model.length / 512);
    const length = 512 * Math.min(model.length / 512 - sector, 1 + random(random(3) === 0 ? 900 : 20));
    const offset = 512 * sector;
    if (random(5) > 0) {
      const bytes = new Uint8Array(length).fill(1 + random(255));
      image.write(offset, bytes);
      model.set(bytes, offset);
    } else {
      image.zero(offset, length);
      if (random(2) === 0) image.discard(offset, length);
      model.fill(0, offset, offset + length);
    }
    if (random(10) === 0) image.flush();
  }
  image.close();
}

function clean(path: string): void {
  assert.match(qemuImg('check', '-f', 'qcow2', path), /No errors were found/);
  const file = new HostFile(path, { readOnly: true });
  const { errors, leaks, lines } = checkQcow2(file);
  file.close();
  assert.equal([errors, leaks], [0, 0], lines.join('\n'));
}

function equal(path: string, model: Uint8Array): void {
  assert.is(Buffer.compare(contents(path), model), 0, `${path}: read by us`);
  writeFileSync(at('model'), model);
  assert.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, at('model')), /Images are identical/);
}

/** What qemu-img makes of the raw disk, by its options. */
const MADE: readonly [string, readonly string[]][] = [
  ['version 2', ['-o', 'compat=0.10']],
  ['version 3', []],
  ['clusters of 512', ['-o', 'cluster_size=512']],
  ['clusters of 2 MiB', ['-o', 'cluster_size=2M']],
  ['refcounts of 1 bit', ['-o', 'refcount_bits=1']],
  ['refcounts of 64 bits', ['-o', 'refcount_bits=64,cluster_size=4k']],
  ['lazy refcounts', ['-o', 'lazy_refcounts=on']],
  ['compressed by deflate', ['-c']],
  ['compressed by deflate, clusters of 4096', ['-c', '-o', 'cluster_size=4k']],
  ['compressed by deflate, version 2', ['-c', '-o', 'compat=0.10']],
  ['compressed by zstd', ['-c', '-o', 'compression_type=zstd']],
  ['preallocated tables', ['-o', 'preallocation=metadata']],
];

const maybe = there ? test : test.skip;
if (!there) console.log('qcow2-qemu: skipped: qemu-img is not installed (qemu-utils)');

MADE.forEach(([name, options], i) => {
  maybe(`qemu-img's image is read and written: ${name}`, () => {
    const model = rawDisk('disk', i + 1);
    const path = at(`made${i}.qcow2`);
    qemuImg('convert', '-t', 'unsafe', '-f', 'raw', '-O', 'qcow2', ...options, at('disk'), path);
    equal(path, model);
    change(path, model, i + 100);
    clean(path);
    equal(path, model);
  });
});

for (const clusterBits of [9, 12, 16, 21]) {
  maybe(`our image with clusters of ${2 ** clusterBits} is read and written by QEMU`, () => {
    const path = at(`own${clusterBits}.qcow2`);
    const model = new Uint8Array(SIZE);
    const file = new HostFile(path, { create: true });
    createQcow2(file, { size: SIZE, clusterBits });
    file.close();
    clean(path);
    change(path, model, clusterBits);
    clean(path);
    equal(path, model);
    execFileSync('qemu-io', ['-c', 'write -P 0x5a 1M 777k', '-c', 'write -z 3M 512k', path], { stdio: 'ignore' });
    model.fill(0x5a, 1048576, 1048576 + 777 * 1024);
    model.fill(0, 3 * 1048576, 3 * 1048576 + 512 * 1024);
    equal(path, model);
    change(path, model, clusterBits + 1);
    clean(path);
    equal(path, model);
  });
}

maybe('chains: QEMU over ours over QEMU, names relative to the image', () => {
  const model = rawDisk('base.raw', 40);
  qemuImg('convert', '-t', 'unsafe', '-O', 'qcow2', '-c', 'base.raw', 'one.qcow2');
  const two = new HostFile(at('two.qcow2'), { create: true });
  createQcow2(two, { size: SIZE, backing: { name: 'one.qcow2', format: 'qcow2' } });
  two.close();
  equal(at('two.qcow2'), model);
  change(at('two.qcow2'), model, 41);
  qemuImg('create', '-f', 'qcow2', '-F', 'qcow2', '-b', 'two.qcow2', '-o', 'compat=0.10', 'three.qcow2');
  equal(at('three.qcow2'), model);
  change(at('three.qcow2'), model, 42);
  for (const name of ['two.qcow2', 'three.qcow2']) clean(at(name));
  equal(at('three.qcow2'), model);
});

maybe('snapshots of either are those of the other', () => {
  const model = rawDisk('disk', 60);
  const path = at('snaps.qcow2');
  qemuImg('convert', '-t', 'unsafe', '-f', 'raw', '-O', 'qcow2', at('disk'), path);
  qemuImg('snapshot', '-c', 'theirs', path);
  const first = model.slice();
  change(path, model, 61);
  clean(path);
  const own = (work: (file: HostFile) => void): void => {
    const file = new HostFile(path);
    work(file);
    file.close();
    clean(path);
  };
  own((file) => takeSnapshot(file, 'ours', { seconds: 1_700_000_000, nanoseconds: 0 }));
  const second = model.slice();
  assert.match(qemuImg('snapshot', '-l', path), /theirs[\s\S]*ours/);
  change(path, model, 62);
  clean(path);
  qemuImg('snapshot', '-a', 'ours', path);
  clean(path);
  equal(path, second);
  own((file) => rollBack(file, 'theirs'));
  equal(path, first);
  own((file) =>
    assert.equal(
      listSnapshots(file).map(({ name }) => name),
      ['theirs', 'ours'],
    ),
  );
  own((file) => destroySnapshot(file, 'theirs'));
  equal(path, first);
  qemuImg('snapshot', '-d', 'ours', path);
  clean(path);
  equal(path, first);
});

maybe('an image of QEMU that was not closed is set right', () => {
  const model = rawDisk('disk', 70);
  const path = at('dirty.qcow2');
  qemuImg('convert', '-t', 'unsafe', '-f', 'raw', '-O', 'qcow2', '-o', 'lazy_refcounts=on', at('disk'), path);
  // QEMU killed in the middle of it leaves its mark.
  spawnSync('qemu-io', ['-c', 'write -P 9 0 3M', '-c', 'flush', '-c', 'abort', path], { stdio: 'ignore' });
  model.fill(9, 0, 3 * 1048576);
  assert.match(qemuImg('info', path), /dirty|lazy refcounts: true/);
  change(path, model, 71);
  clean(path);
  equal(path, model);
});

maybe('a copy of an image is equal to it', () => {
  const model = rawDisk('disk', 80);
  const path = at('copy.qcow2');
  const file = new HostFile(path, { create: true });
  createQcow2(file, { size: SIZE });
  file.close();
  const from = openImage(at('disk'), { readOnly: true }).image;
  const to = openImage(path).image;
  copyDisk(from, to);
  to.close();
  from.close();
  clean(path);
  equal(path, model);
  assert.ok(readFileSync(path).length < SIZE + 1048576);
});

test.run();
