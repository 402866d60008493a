/** The disks of a VM: formats, overlays, chains, who may use an image, and what is said when it cannot be used. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFile } from '../../devices/disk/file.ts';
import { DiskError, type DiskImage } from '../../devices/disk/image.ts';
import { MemoryOverlay } from '../../devices/disk/memory-overlay.ts';
import { Qcow2Image } from '../../devices/disk/qcow2.ts';
import { createQcow2 } from '../../devices/disk/qcow2-create.ts';
import { RawImage } from '../../devices/disk/raw.ts';
import { closeDisk, type DiskOptions, DiskOpenError, openDisk, openDiskFor } from '../../vmm/disks.ts';
import { RunDisks } from '../../vmm/run-disks.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-disks-'));
const runtime = mkdtempSync(join(tmpdir(), 'lucid-run-'));
process.env['XDG_RUNTIME_DIR'] = runtime;
test.after(() => {
  rmSync(folder, { recursive: true });
  rmSync(runtime, { recursive: true });
});
const at = (name: string): string => join(folder, name);

function raw(name: string, fill = 0, bytes = 1048576): string {
  writeFileSync(at(name), new Uint8Array(bytes).fill(fill));
  return at(name);
}

function qcow2(name: string, backing?: { name: string; format: string }): string {
  rmSync(at(name), { force: true });
  const file = new HostFile(at(name), { create: true });
  createQcow2(file, { size: 1048576, backing });
  file.close();
  return at(name);
}

function first(image: DiskImage): number {
  const bytes = new Uint8Array(512);
  image.read(0, bytes);
  return bytes[0] as number;
}

function refused(options: DiskOptions, why: RegExp): void {
  try {
    closeDisk(openDisk(options));
  } catch (error) {
    assert.instance(error, DiskOpenError);
    assert.match((error as Error).message, why);
    assert.match((error as Error).message, /^--disk [^\n]+$/);
    return;
  }
  assert.unreachable(`${JSON.stringify(options)} was opened`);
}

test('the format is guessed by the first bytes, and may be given', () => {
  const image = openDisk({ path: qcow2('guess.qcow2') });
  assert.instance(image, Qcow2Image);
  closeDisk(image);
  const bytes = openDisk({ path: at('guess.qcow2'), format: 'raw' });
  assert.instance(bytes, RawImage);
  closeDisk(bytes);
  refused({ path: raw('raw.img'), format: 'qcow2' }, /raw\.img: is no qcow2 image/);
});

test('a guest cannot turn its raw disk into a qcow2 image, unless it was said that it is raw', () => {
  const path = raw('sly.img');
  const magic = Uint8Array.of(0x51, 0x46, 0x49, 0xfb);
  const image = openDisk({ path });
  assert.throws(() => image.write(0, Buffer.concat([magic, Buffer.alloc(508)])), /format=raw/);
  // Byte by byte, in any order.
  image.write(3, magic.subarray(3));
  image.write(0, magic.subarray(0, 1));
  image.write(2, magic.subarray(2, 3));
  assert.throws(() => image.write(1, magic.subarray(1, 2)), /format=raw/);
  closeDisk(image);
  assert.instance(openDiskAndClose({ path }), RawImage);
  const said = openDisk({ path, format: 'raw' });
  said.write(1, magic.subarray(1, 2));
  closeDisk(said);
  refused({ path }, /is qcow2 of version 0|damaged|is no qcow2/);
});

function openDiskAndClose(options: DiskOptions): DiskImage {
  const image = openDisk(options);
  closeDisk(image);
  return image;
}

test('an overlay is made over the disk, keeps what is written, and is known again', () => {
  const path = raw('base.img', 7);
  const overlay = at('over.qcow2');
  const image = openDisk({ path, overlay });
  assert.is(first(image), 7);
  image.write(0, new Uint8Array(512).fill(9));
  closeDisk(image);
  assert.is(readFileSync(path)[0], 7);
  const again = openDisk({ path, overlay });
  assert.is(first(again), 9);
  closeDisk(again);
  refused({ path: raw('other.img'), overlay }, /overlay=\S+over\.qcow2: is over \S+base\.img, not over \S+other\.img/);
  refused({ path, overlay: qcow2('alone.qcow2') }, /alone\.qcow2: has no backing file/);
  refused({ path: at('none.img'), overlay: at('new.qcow2') }, /none\.img: there is no such file/);
  refused({ path, overlay: at('none/new.qcow2') }, /overlay=\S+none\/new\.qcow2: there is no such file/);
  refused({ path, overlay: raw('raw2.img') }, /raw2\.img: is no qcow2 image/);
});

test('chains: a loop, a missing file, another format and another protocol are refused by name', () => {
  qcow2('a.qcow2', { name: 'b.qcow2', format: 'qcow2' });
  qcow2('b.qcow2', { name: 'a.qcow2', format: 'qcow2' });
  refused({ path: at('a.qcow2') }, /its chain of backing files comes back to it/);
  refused({ path: qcow2('c.qcow2', { name: 'gone.img', format: 'raw' }) }, /backing file \S+gone\.img: there is no such file/);
  refused({ path: qcow2('d.qcow2', { name: 'base.vmdk', format: 'vmdk' }) }, /format vmdk, which is not supported/);
  refused({ path: qcow2('e.qcow2', { name: 'nbd://host/disk', format: 'raw' }) }, /not a file's name/);
  for (let i = 0; i < 70; i++) qcow2(`chain${i}.qcow2`, { name: `chain${i + 1}.qcow2`, format: 'qcow2' });
  qcow2('chain70.qcow2');
  refused({ path: at('chain0.qcow2') }, /longer than 64/);
  const image = openDisk({ path: at('chain20.qcow2') });
  assert.is(first(image), 0);
  closeDisk(image);
});

test("an image that is written is nobody else's; one that is read may be read by many", () => {
  const path = raw('shared.img');
  const writer = openDiskFor('vm1', { path });
  refused({ path }, /is in use: vm1 \(process \d+, this one\) writes it/);
  refused({ path, readOnly: true }, /vm1 .*writes it/);
  refused({ path, snapshot: true }, /vm1 .*writes it/);
  closeDisk(writer);
  const readers = [openDisk({ path, readOnly: true }), openDisk({ path, snapshot: true })];
  assert.instance(readers[1], MemoryOverlay);
  refused({ path }, /reads it/);
  for (const reader of readers) closeDisk(reader);
  closeDisk(openDisk({ path }));
  assert.equal(readdirSync(join(runtime, 'lucid')), []);
});

test('without a runtime directory disks are opened all the same', () => {
  const path = raw('alone.img');
  const blocked = mkdtempSync(join(tmpdir(), 'lucid-run-'));
  writeFileSync(join(blocked, 'lucid'), 'no directory');
  process.env['XDG_RUNTIME_DIR'] = blocked;
  closeDisk(openDisk({ path }));
  process.env['XDG_RUNTIME_DIR'] = runtime;
  rmSync(blocked, { recursive: true });
});

test('what is under an overlay in use cannot be written', () => {
  const path = raw('under.img');
  const image = openDisk({ path, overlay: at('upper.qcow2') });
  refused({ path }, /reads it/);
  closeDisk(openDisk({ path, overlay: at('upper2.qcow2') }));
  closeDisk(image);
  closeDisk(openDisk({ path }));
});

const HOLDER = `
import { openDiskFor } from ${JSON.stringify(fileURLToPath(new URL('../../vmm/disks.ts', import.meta.url)))};
openDiskFor('holder', { path: process.argv[1] });
process.stdout.write('open');
setInterval(() => {}, 1000);
`;

test('a claim ends with its process, however that ends', async () => {
  const path = raw('killed.img');
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  refused({ path }, new RegExp(`is in use: holder \\(process ${child.pid}\\) writes it`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  closeDisk(openDisk({ path }));
});

const qemu = spawnSync('qemu-io', ['--version'], { stdio: 'ignore' }).error === undefined;
(qemu ? test : test.skip)('an image that QEMU has open is refused', async () => {
  const path = qcow2('qemu.qcow2');
  const child = spawn('qemu-io', [path], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.write('read 0 512\n');
  test.after(() => void child.kill());
  await once(child.stdout, 'data');
  // Locks of other namespaces are not to be seen.
  const seen = readFileSync('/proc/locks', 'latin1').includes('OFDLCK');
  if (seen) refused({ path }, /another program \(QEMU, by its locks\) writes it/);
  else console.log("QEMU's locks are not to be seen here");
  child.stdin.end('quit\n');
  await once(child, 'exit');
  closeDisk(openDisk({ path }));
});

test('a raw disk that is cut while it is used gives errors, not zeros; the user is told once', () => {
  const path = raw('cut.img', 5);
  const told: string[] = [];
  const disks = new RunDisks({ name: 'vm', disks: [{ path }] }, (line) => told.push(line));
  const [image] = disks.options.disks ?? [];
  truncateSync(path, 4096);
  assert.is(first(image as DiskImage), 5);
  assert.throws(
    () => (image as DiskImage).read(8192, new Uint8Array(512)),
    (error: Error) => error instanceof DiskError && /ends at 4096|ends at 8192/.test(error.message),
  );
  for (let i = 0; i < 3; i++) disks.options.diskFailed?.(0, 'the file ends at 4096');
  assert.is(told.length, 1);
  assert.match(told[0] as string, /^--disk \S+cut\.img: the file ends at 4096; the guest gets an I\/O error/);
  disks.close();
});

test('a disk that cannot be opened gives back those before it', () => {
  const path = raw('before.img');
  assert.throws(() => new RunDisks({ name: 'vm', disks: [{ path }, { path: at('missing') }] }, () => {}), /missing: there is no such file/);
  closeDisk(openDisk({ path }));
});

test('a pipe and a folder are no disks', () => {
  spawnSync('mkfifo', [at('pipe')]);
  refused({ path: at('pipe') }, /is neither a file nor a block device/);
  refused({ path: folder, readOnly: true }, /is a directory/);
});

test.run();
