/** Debian's Linux on IDE drives: ata_piix moves an ext4 file system on a disk and an ISO 9660 one on a CD by the bus master, and by PIO when it is told to. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IDE_MODULES, obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import { CD_PACKAGES } from '../../images/pc/grub.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { type DiskOptions, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
import { FULL } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-linux-ide-'));
test.after(() => rmSync(folder, { recursive: true }));

/** The drivers again, with modules for which busybox's insmod takes parameters. */
const BY_PIO = 'rmmod ata_piix libata; insmod /m/libata.ko dma=0; insmod /m/ata_piix.ko';
const SCRIPT = `
while ! [ -b /dev/sda -a -b /dev/sr0 ]; do sleep 0.1; done
mount -t ext4 /dev/sda /mnt || echo NO-MOUNT
dd if=/dev/zero of=/mnt/zeros bs=64k count=64 2>/dev/null
seq 1 60000 > /mnt/numbers
sync
echo 3 > /proc/sys/vm/drop_caches
md5sum < /mnt/numbers
umount /mnt
mount -t iso9660 -o ro /dev/sr0 /mnt || echo NO-CD
md5sum < /mnt/cd.txt
umount /mnt
cat /sys/class/ata_device/dev*/xfer_mode
dmesg | grep -E 'Emask|error'
echo IDE-OK
`;
const numbers = (last: number): string => Array.from({ length: last }, (_, i) => `${i + 1}\n`).join('');
const sumOf = (text: string): string => execFileSync('md5sum', { input: text, encoding: 'utf8' }).slice(0, 32);

const linux = await obtainLinux();
const got = await obtainPackages(CD_PACKAGES);
const mkfs = spawnSync('mke2fs', ['-V'], { stdio: 'ignore' }).error === undefined;
const why = !linux.ok ? linux.reason : !got.ok ? got.reason : mkfs ? undefined : 'e2fsprogs is not installed';
if (why !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${why}`);

function ext4(name: string): string {
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

function guest(disks: readonly DiskOptions[], before = ''): Guest {
  if (!linux.ok) throw new Error(linux.reason);
  const options = { name: 'linux', memory: 128 * 2 ** 20, disks } as unknown as RunOptions;
  const modules = IDE_MODULES.map((name) => ({ name, bytes: readFileSync(join(linux.modules, `${name}.ko`)) }));
  const initrd = driverInitramfs(readFileSync(join(linux.modules, '../busybox')), modules, `${before}${SCRIPT}`);
  let text = '';
  const machine = Machine.createSync({
    ...options,
    disks: disks.map(openDisk),
    diskOptions: disks,
    append: 'console=ttyS0 cryptomgr.notests quiet',
    load: () => ({ kernel: readFileSync(linux.vmlinuz), kernelName: 'vmlinuz', initrd }),
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  return { machine, options, text: () => text };
}

if (why !== undefined || !got.ok) {
  console.log(`linux-ide: skipped: ${why}`);
  test.skip('Linux on IDE drives', () => {});
} else {
  const text = numbers(70_000);
  const cd = join(folder, 'cd.iso');
  writeFileSync(join(folder, 'cd.txt'), text);
  got.packages.run('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-o', cd, join(folder, 'cd.txt')]);
  const drives = (name: string): DiskOptions[] => [
    { path: ext4(name), interface: 'ide' },
    { path: cd, readOnly: true, interface: 'cdrom' },
  ];
  const check = ({ text: said }: Guest, mode: string): void => {
    assert.match(said(), /IDE-OK/);
    assert.ok(said().includes(sumOf(numbers(60_000))), said());
    assert.ok(said().includes(sumOf(text)), said());
    assert.is(said().match(new RegExp(mode, 'g'))?.length, 2, said());
    assert.not.match(said(), /NO-MOUNT|NO-CD|exception Emask|I\/O error/);
  };
  const clean = (path: string): void => {
    const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
    assert.is(status, 0, stdout);
  };

  for (const [mode, before] of [
    ['XFER_MW_DMA_2', ''],
    ['XFER_PIO_4', BY_PIO],
  ] as const) {
    // Reduced: by the bus master alone.
    (FULL || before === '' ? test : test.skip)(`files are written and read back by ${mode}, and e2fsck finds nothing`, () => {
      const disks = drives(mode);
      const g = guest(disks, before);
      assert.ok(g.machine.boot().ok);
      assert.equal(g.machine.run({ insns: 6e9 }), { kind: 'power-off' }, g.text());
      check(g, mode);
      clean(disks[0]?.path ?? '');
    });
  }

  (FULL ? test : test.skip)('saved while the drives work, and restored, it goes on alike', () => {
    const disks = drives('saved').map((disk) => ({ ...disk, snapshot: disk.interface === 'ide' }));
    const whole = guest(disks);
    assert.ok(whole.machine.boot().ok);
    whole.machine.run({ insns: 480e6 });
    const snapshot = join(folder, 'snapshot');
    saveMachine(snapshot, whole.machine.vm, whole.options);
    const again = guest(boardOf(snapshot).disks ?? []);
    restoreMachine(snapshot, again.machine.vm);
    assert.equal(whole.machine.run({ insns: 6e9 }), { kind: 'power-off' });
    check(whole, 'XFER_MW_DMA_2');
    assert.equal(again.machine.run({ insns: 6e9 }), { kind: 'power-off' });
    assert.is(reportOf(again.machine.vm).exitHash, reportOf(whole.machine.vm).exitHash);
    assert.is(reportOf(again.machine.vm).instructions, reportOf(whole.machine.vm).instructions);
  });
}

test.run();
