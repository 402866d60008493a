/** Debian's Linux on our devices: an ext4 file system on a virtio disk, one and several processors, the entropy device, and a snapshot in the middle. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFile } from '../../devices/disk/file.ts';
import { openImage } from '../../devices/disk/open.ts';
import { checkQcow2 } from '../../devices/disk/qcow2-check.ts';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { closeDisk, type DiskOptions, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
import { linuxInitramfs } from './linux-guest.ts';
import { FULL } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-linux-disk-'));
test.after(() => rmSync(folder, { recursive: true }));

const SCRIPT = `
mount -t ext4 /dev/vda /mnt || echo NO-MOUNT
dd if=/dev/zero of=/mnt/zeros bs=64k count=64 2>/dev/null
for i in 1 2 3 4 5 6 7 8; do (seq 1 2000 > /mnt/numbers$i; gzip -k /mnt/numbers$i) & done
wait
sync
echo 3 > /proc/sys/vm/drop_caches
cat /mnt/numbers?.gz | md5sum
zcat /mnt/numbers8.gz | md5sum
nproc
cat /sys/class/misc/hw_random/rng_current
umount /mnt
echo DISK-OK
`;

/** What `seq 1 2000 | md5sum` prints here. */
const SUM = execFileSync('sh', ['-c', 'seq 1 2000 | md5sum'], { encoding: 'utf8' }).trim();

const got = await obtainLinux();
const mkfs = spawnSync('mke2fs', ['-V'], { stdio: 'ignore' }).error === undefined;
const why = got.ok ? (mkfs ? undefined : 'e2fsprogs is not installed') : got.reason;
if (why !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${why}`);

function disk(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, 32 * 2 ** 20);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-U', '00000000-0000-0000-0000-000000000001', path], { stdio: ['ignore', 'ignore', 2] });
  return path;
}

interface Guest {
  readonly machine: Machine;
  /** Writes what its disks still have in memory, and gives them back. */
  close(): void;
  readonly options: RunOptions;
  text(): string;
}

function guest(cpus: number, disks: readonly DiskOptions[]): Guest {
  if (!got.ok) throw new Error(got.reason);
  const options = { name: 'linux', memory: 128 * 2 ** 20, cpus, disks, rng: true, seed: 5 } as unknown as RunOptions;
  const initrd = linuxInitramfs(got, SCRIPT);
  let text = '';
  const images = disks.map(openDisk);
  const machine = Machine.createSync({
    ...options,
    disks: images,
    append: 'console=ttyS0 cryptomgr.notests quiet',
    load: () => ({ kernel: readFileSync(got.vmlinuz), kernelName: 'vmlinuz', initrd }),
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  return { machine, options, text: () => text, close: () => images.forEach(closeDisk) };
}

function ended({ machine, text }: Guest, cpus: number): void {
  assert.equal(machine.run({ insns: 6e9 }), { kind: 'power-off' }, text());
  assert.match(text(), /DISK-OK/);
  assert.ok(text().includes(SUM), text());
  assert.match(text(), new RegExp(`\\n${cpus}\\r?\\n`));
  assert.match(text(), /virtio_rng/);
}

function clean(path: string): void {
  const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
  assert.is(status, 0, stdout);
}

function cleanQcow2(path: string): void {
  const file = new HostFile(path, { readOnly: true });
  const { errors, leaks, lines } = checkQcow2(file);
  file.close();
  assert.equal([errors, leaks], [0, 0], lines.join('\n'));
  const { error, status, stdout } = spawnSync('qemu-img', ['check', '-f', 'qcow2', path], { encoding: 'utf8' });
  if (error === undefined) assert.is(status, 0, stdout);
  else console.log('linux-disk: not checked by qemu-img, which is not installed (qemu-utils)');
}

if (why !== undefined) {
  console.log(`linux-disk: skipped: ${why}`);
  test.skip('Linux on a virtio disk', () => {});
} else {
  for (const cpus of FULL ? [1, 2, 4, 8] : [1, 2]) {
    test(`${cpus} processors: files are written and read back, and e2fsck finds nothing`, () => {
      const path = disk(`disk${cpus}`);
      const g = guest(cpus, [{ path }]);
      assert.ok(g.machine.boot().ok);
      ended(g, cpus);
      g.close();
      clean(path);
    });
  }

  test('on an overlay: the files are in it, the disk under it stays, and QEMU finds nothing wrong', () => {
    const path = disk('under');
    const before = readFileSync(path);
    const overlay = join(folder, 'over.qcow2');
    const g = guest(2, [{ path, overlay }]);
    assert.ok(g.machine.boot().ok);
    ended(g, 2);
    g.close();
    assert.is(Buffer.compare(readFileSync(path), before), 0);
    cleanQcow2(overlay);
    const flat = join(folder, 'flat.img');
    const { image } = openImage(overlay, { readOnly: true });
    const bytes = new Uint8Array(image.size);
    image.read(0, bytes);
    closeDisk(image);
    assert.is.not(Buffer.compare(bytes, before), 0);
    writeFileSync(flat, bytes);
    clean(flat);
  });

  test('saved with a qcow2 disk in use, and restored on that image as it was, it goes on alike', () => {
    const path = disk('saved-under');
    const overlay = join(folder, 'saved.qcow2');
    const disks = [{ path, overlay }];
    const whole = guest(1, disks);
    assert.ok(whole.machine.boot().ok);
    // The first sum is out: files were written, synced and read back; the unmount is yet to come.
    while (!/ -\r?\n/.test(whole.text()))
      assert.is(whole.machine.run({ insns: whole.machine.vcpu.instructions + 500_000 }).kind, 'limit', whole.text());
    const snapshot = join(folder, 'snapshot-qcow2');
    saveMachine(snapshot, whole.machine.vm, whole.options);
    const { mtimeMs } = statSync(overlay);
    const kept = readFileSync(overlay);
    ended(whole, 1);
    whole.close();
    const hash = reportOf(whole.machine.vm).exitHash;
    const end = readFileSync(overlay);
    writeFileSync(overlay, kept);
    utimesSync(overlay, mtimeMs / 1000, mtimeMs / 1000);
    const again = guest(1, boardOf(snapshot).disks ?? []);
    restoreMachine(snapshot, again.machine.vm);
    assert.equal(again.machine.run({ insns: 6e9 }), { kind: 'power-off' });
    again.close();
    assert.is(reportOf(again.machine.vm).exitHash, hash);
    assert.is(Buffer.compare(readFileSync(overlay), end), 0);
    cleanQcow2(overlay);
  });

  test('saved in the middle of a boot with two processors and a disk in memory, and restored, it goes on alike', () => {
    const disks = [{ path: disk('saved'), snapshot: true }];
    const whole = guest(2, disks);
    assert.ok(whole.machine.boot().ok);
    whole.machine.run({ insns: 550e6 });
    const snapshot = join(folder, 'snapshot');
    const bytes = saveMachine(snapshot, whole.machine.vm, whole.options);
    assert.ok(bytes < 1.2 * 4096 * reportOf(whole.machine.vm).pagesTouched, `${bytes} bytes`);
    const again = guest(2, boardOf(snapshot).disks ?? []);
    restoreMachine(snapshot, again.machine.vm);
    ended(whole, 2);
    assert.equal(again.machine.run({ insns: 6e9 }), { kind: 'power-off' });
    assert.is(reportOf(again.machine.vm).exitHash, reportOf(whole.machine.vm).exitHash);
    assert.is(reportOf(again.machine.vm).instructions, reportOf(whole.machine.vm).instructions);
    assert.ok(whole.text().endsWith(again.text()));
    clean(disks[0]?.path ?? '');
  });
}

test.run();
