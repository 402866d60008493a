/**
 * A process that writes a disk is killed (SIGKILL), again and again: what was flushed is there, the image opens, and nothing is wrong with it but leaks.
 *
 * The child writes blocks that hold their number and a generation, flushes, and says so; the parent kills it at some moment, and compares. First at the image, then a whole
 * `lucid run` whose Linux writes files with fsync.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFile } from '../../devices/disk/file.ts';
import { openImage } from '../../devices/disk/open.ts';
import { checkQcow2 } from '../../devices/disk/qcow2-check.ts';
import { createQcow2 } from '../../devices/disk/qcow2-create.ts';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { FULL } from './reference.ts';
import { linuxInitramfs } from './linux-guest.ts';

const KILLS = FULL ? 50 : 8;
const RUNS = FULL ? 5 : 1;
const BLOCK = 4096;
const BLOCKS = 4096;

const folder = mkdtempSync(join(tmpdir(), 'lucid-killed-'));
test.after(() => rmSync(folder, { recursive: true }));
const module = (path: string): string => JSON.stringify(fileURLToPath(new URL(`../../${path}`, import.meta.url)));

const WRITER = `
import { writeSync } from 'node:fs';
import { openDisk } from ${module('vmm/disks.ts')};
import { randomSource } from ${module('test/devices/fake-board.ts')};
const [path, from] = process.argv.slice(1);
const disk = openDisk({ path });
const random = randomSource(Number(from));
const block = new Uint8Array(${BLOCK});
const view = new DataView(block.buffer);
// The pipe may be full for a while.
const say = (line) => { for (;;) try { return writeSync(1, line); } catch (error) { if (error.code !== 'EAGAIN') throw error; } };
for (let generation = Number(from); ; generation++) {
  for (let n = random(30); n >= 0; n--) {
    const number = random(${BLOCKS});
    view.setUint32(0, number); view.setUint32(4, generation);
    block.fill(generation & 255, 8);
    disk.write(number * ${BLOCK}, block);
    say('w ' + number + ' ' + generation + '\\n');
  }
  disk.flush();
  say('f ' + generation + '\\n');
}
`;

/** Compares with what the child said; `safe` has the generation of each block that was flushed, and is brought on. */
function compare(path: string, said: string, safe: Map<number, number>): void {
  let last = 0;
  const unsafe = new Map<number, number>();
  for (const line of said.split('\n').slice(0, -1)) {
    const [what, a, b] = line.split(' ');
    if (what === 'w') {
      unsafe.set(Number(a), Number(b));
      last = Number(b);
    } else {
      last = Number(a);
      for (const [block, generation] of unsafe) safe.set(block, generation);
      unsafe.clear();
    }
  }
  const { image } = openImage(path, { readOnly: true });
  const bytes = new Uint8Array(BLOCK);
  const view = new DataView(bytes.buffer);
  for (const [block, generation] of safe) {
    image.read(block * BLOCK, bytes);
    assert.is(view.getUint32(0), block, `block ${block}`);
    // A write that was done and not told of is one generation on at most.
    const found = view.getUint32(4);
    assert.ok(found >= generation && found <= Math.max(generation, last + 1), `block ${block}: ${found}, flushed ${generation}`);
    assert.ok(
      bytes.subarray(8).every((b) => b === (found & 255)),
      `block ${block} is torn`,
    );
    safe.set(block, found);
  }
  image.close();
}

for (const kind of ['raw', 'qcow2'] as const) {
  test(`${kind}: killed ${KILLS} times while it writes`, async () => {
    const path = join(folder, `disk.${kind}`);
    const file = new HostFile(path, { create: true });
    if (kind === 'qcow2') createQcow2(file, { size: BLOCKS * BLOCK, clusterBits: 12 });
    else file.truncate(BLOCKS * BLOCK);
    file.close();
    const safe = new Map<number, number>();
    for (let n = 0; n < KILLS; n++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, path, String(n * 100_000 + 1)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      let flushes = 0;
      const wanted = 3 + ((n * 7) % 11);
      for await (const chunk of child.stdout) {
        said += chunk;
        flushes = said.split('\nf ').length - 1;
        if (flushes >= wanted) child.kill('SIGKILL');
      }
      assert.ok(flushes >= wanted, said.slice(-200));
      compare(path, said, safe);
      if (kind === 'raw') continue;
      const image = new HostFile(path, { readOnly: true });
      const { errors, lines } = checkQcow2(image);
      image.close();
      assert.is(errors, 0, lines.join('\n'));
    }
    assert.ok(safe.size > 50);
  });
}

const got = await obtainLinux();
const mkfs = spawnSync('mke2fs', ['-V'], { stdio: 'ignore' }).error === undefined;
const why = got.ok ? (mkfs ? undefined : 'e2fsprogs is not installed') : got.reason;
if (why !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${why}`);
if (why !== undefined) console.log(`disk-killed: skipped with Linux: ${why}`);

const SCRIPT = `
mount -t ext4 /dev/vda /mnt
n=0
while [ $n -lt 200 ]; do
  n=$((n+1))
  seq 1 $((n*100)) > /mnt/file$n
  sync
  echo SAFE $n
done
`;

(why === undefined ? test : test.skip)(
  `lucid run with Linux on an overlay, killed ${RUNS} times: files that were synced are whole`,
  async () => {
    if (!got.ok) return;
    const initrd = join(folder, 'initrd');
    writeFileSync(initrd, linuxInitramfs(got, SCRIPT));
    for (let n = 0; n < RUNS; n++) {
      const base = join(folder, `base${n}.img`);
      const overlay = join(folder, `overlay${n}.qcow2`);
      closeSync(openSync(base, 'w'));
      truncateSync(base, 32 * 2 ** 20);
      assert.is(spawnSync('mke2fs', ['-q', '-t', 'ext4', base]).status, 0);
      const lucid = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
      const args = [
        'run',
        '--kernel',
        got.vmlinuz,
        '--initrd',
        initrd,
        '--append',
        'console=ttyS0 quiet',
        '--disk',
        `${base},overlay=${overlay}`,
      ];
      const child = spawn(process.execPath, [lucid, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      for await (const chunk of child.stdout) {
        said += chunk;
        if ((said.match(/SAFE/g)?.length ?? 0) >= 3 + n) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      const safe = said.match(/SAFE (\d+)\r?\n/g)?.length ?? 0;
      assert.ok(safe >= 3, said);
      const file = new HostFile(overlay, { readOnly: true });
      const { errors, lines } = checkQcow2(file);
      file.close();
      assert.is(errors, 0, lines.join('\n'));
      verify(overlay, safe, n);
    }
  },
);

/** The file system replays its journal, is clean then, and has every file that was synced. */
function verify(overlay: string, safe: number, n: number): void {
  const flat = join(folder, `flat${n}.img`);
  const { image } = openImage(overlay, { readOnly: true });
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes);
  image.close();
  writeFileSync(flat, bytes);
  const replay = spawnSync('e2fsck', ['-fy', '-E', 'journal_only', flat], { encoding: 'utf8' });
  assert.ok((replay.status ?? 9) <= 1, replay.stdout);
  const check = spawnSync('e2fsck', ['-fn', flat], { encoding: 'utf8' });
  assert.is(check.status, 0, check.stdout);
  for (let i = 1; i <= safe; i++) {
    const out = join(folder, 'out');
    rmSync(out, { force: true });
    spawnSync('debugfs', ['-R', `dump /file${i} ${out}`, flat], { stdio: 'ignore' });
    const lines = Array.from({ length: i * 100 }, (_, k) => `${k + 1}\n`).join('');
    assert.is(readFileSync(out, 'utf8'), lines, `file${i}`);
  }
}

test.run();
