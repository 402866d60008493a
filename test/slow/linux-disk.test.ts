/** Debian's Linux on our devices: an ext4 file system on a virtio disk, one and several processors, the entropy device, and a snapshot in the middle. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MODULES, obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import { type DiskOptions, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
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
  readonly options: RunOptions;
  text(): string;
}

function guest(cpus: number, disks: readonly DiskOptions[]): Guest {
  if (!got.ok) throw new Error(got.reason);
  const options = { name: 'linux', memory: 128 * 2 ** 20, cpus, disks, rng: true, seed: 5 } as unknown as RunOptions;
  const modules = MODULES.map((name) => ({ name, bytes: readFileSync(join(got.modules, `${name}.ko`)) }));
  const initrd = driverInitramfs(readFileSync(join(got.modules, '../busybox')), modules, SCRIPT);
  let text = '';
  const machine = Machine.createSync({
    ...options,
    disks: disks.map(openDisk),
    append: 'console=ttyS0 cryptomgr.notests quiet',
    load: () => ({ kernel: readFileSync(got.vmlinuz), kernelName: 'vmlinuz', initrd }),
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  return { machine, options, text: () => text };
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
      clean(path);
    });
  }

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
