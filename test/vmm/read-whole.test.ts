import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readWhole } from '../../vmm/read-whole.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-reading-'));
test.after(() => rmSync(folder, { recursive: true }));

test('files and pipes are read to their end', () => {
  const path = join(folder, 'file');
  const bytes = Buffer.alloc(200_000, 'some text\n');
  writeFileSync(path, bytes);
  assert.ok(readWhole(path).equals(bytes));
  writeFileSync(path, '');
  assert.is(readWhole(path).length, 0);
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const writer = spawn('sh', ['-c', `head -c 200000 /dev/zero > ${fifo}`]);
  assert.is(readWhole(fifo).length, 200_000);
  writer.unref();
});

test('a device without an end is refused, as the system refuses', () => {
  assert.throws(
    () => readWhole('/dev/zero'),
    ({ code }: NodeJS.ErrnoException) => code === 'EFBIG',
  );
  assert.throws(
    () => readWhole(folder),
    ({ code }: NodeJS.ErrnoException) => code === 'EISDIR',
  );
  assert.throws(
    () => readWhole(join(folder, 'nix')),
    ({ code }: NodeJS.ErrnoException) => code === 'ENOENT',
  );
});

test.run();
