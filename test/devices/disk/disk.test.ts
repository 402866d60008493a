/** Disk images: raw files, and a layer in memory over one. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError } from '../../../devices/disk/image.ts';
import { MemoryOverlay } from '../../../devices/disk/memory-overlay.ts';
import { RawImage } from '../../../devices/disk/raw.ts';
import { randomSource } from '../fake-board.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-disk-'));
test.after(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    Uint8Array.from({ length: bytes }, (_, i) => i * 13),
  );
  return path;
}

test('a raw image is its file, up to the last whole sector', () => {
  const path = file('raw', 5 * 512 + 100);
  const image = new RawImage(path);
  assert.is(image.size, 5 * 512);
  const bytes = new Uint8Array(700);
  image.read(1000, bytes);
  assert.equal([...bytes], [...readFileSync(path).subarray(1000, 1700)]);
  image.write(512, new Uint8Array(10).fill(9));
  image.zero(1024, 512);
  image.flush();
  image.close();
  const after = readFileSync(path);
  assert.is(after.length, 5 * 512 + 100);
  assert.ok(after.subarray(512, 522).every((b) => b === 9));
  assert.is(after[522], (522 * 13) & 255);
  assert.ok(after.subarray(1024, 1536).every((b) => b === 0));
});

test('a file that became shorter gives errors where it ends, and reads before', () => {
  const path = file('shrinking', 4096);
  const image = new RawImage(path);
  const fd = openSync(path, 'r+');
  ftruncateSync(fd, 1024);
  closeSync(fd);
  image.read(0, new Uint8Array(1024));
  assert.throws(
    () => image.read(512, new Uint8Array(1024)),
    (e: unknown) => e instanceof DiskError && /ends at 1024/.test(e.message),
  );
  image.close();
});

test('no file, no sector, no permission to write', () => {
  assert.throws(() => new RawImage(join(folder, 'none')), /ENOENT/);
  assert.throws(() => new RawImage(file('small', 511)), /at least one sector/);
  const image = new RawImage(file('ro', 1024), { readOnly: true });
  assert.throws(
    () => image.write(0, new Uint8Array(512)),
    (e: unknown) => e instanceof DiskError,
  );
  image.close();
});

test('a layer in memory reads as a disk that was written, while the image stays', () => {
  const path = file('below', 300 * 512);
  const before = readFileSync(path);
  const below = new RawImage(path, { readOnly: true });
  const image = new MemoryOverlay(below);
  const model = Uint8Array.from(before);
  const random = randomSource(3);
  for (let i = 0; i < 400; i++) {
    const offset = random(300) * 512;
    const length = Math.min(image.size - offset, (random(200) + 1) * 512);
    if (random(3) === 0) {
      const bytes = new Uint8Array(length).fill(random(256));
      image.write(offset, bytes);
      model.set(bytes, offset);
    } else if (random(4) === 0) {
      image.zero(offset, length);
      model.fill(0, offset, offset + length);
    }
    const read = new Uint8Array(length);
    image.read(offset, read);
    assert.ok(Buffer.compare(read, model.subarray(offset, offset + length)) === 0, `step ${i}`);
  }
  image.flush();
  image.close();
  assert.ok(Buffer.compare(readFileSync(path), before) === 0);
});

test.run();
