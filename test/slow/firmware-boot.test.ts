/** Debian's SeaBIOS, GRUB on a disk of its own, and Debian's Linux from there: what a PC does, with nothing of it ours but the machine. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { DISK_PACKAGES, grubDisk } from '../../images/pc/grub.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import { type DiskOptions, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-firmware-'));
test.after(() => rmSync(folder, { recursive: true }));

const linux = await obtainLinux();
const got = await obtainPackages(DISK_PACKAGES);
const why = !existsSync(FIRMWARE) ? 'seabios is not installed' : !linux.ok ? linux.reason : !got.ok ? got.reason : undefined;
if (why !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${why}`);

const CONFIG = `set timeout=0
menuentry "Linux" {
  linux /boot/vmlinuz console=ttyS0 cryptomgr.notests
  initrd /boot/initrd
}
`;

function linuxFiles(): Record<string, Uint8Array> {
  if (!linux.ok) throw new Error(linux.reason);
  return { 'boot/vmlinuz': readFileSync(linux.vmlinuz), 'boot/initrd': readFileSync(linux.initramfs) };
}

interface Guest {
  readonly machine: Machine;
  text(): string;
}

function guest(disks: readonly DiskOptions[], cpus = 1): Guest {
  let text = '';
  const machine = Machine.createSync({
    memory: '256M',
    firmware: readFileSync(FIRMWARE),
    disks: disks.map(openDisk),
    cpus,
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  assert.ok(machine.boot().ok);
  return { machine, text: () => text };
}

if (why !== undefined || !got.ok) {
  console.log(`firmware-boot: skipped: ${why}`);
  test.skip('SeaBIOS and GRUB', () => {});
} else {
  const disk = join(folder, 'grub.img');
  grubDisk(got.packages, disk, { files: linuxFiles(), config: CONFIG, megabytes: 48 });

  for (const cpus of [1, 2]) {
    test(`GRUB boots Linux from a virtio disk with ${cpus} processor${cpus > 1 ? 's' : ''}, and it powers off by ACPI`, () => {
      const { machine, text } = guest([{ path: disk, snapshot: true }], cpus);
      assert.equal(machine.run({ insns: 6e9 }), { kind: 'power-off' }, text());
      assert.match(text(), /SeaBIOS \(version/);
      assert.match(text(), /Booting `Linux'/);
      assert.match(text(), /ACPI: RSDP 0x[0-9A-F]+ 000024 \(v02 LUCID/);
      assert.match(text(), new RegExp(`smp: Brought up 1 node, ${cpus} CPU`));
      assert.match(text(), /BOOT-OK/);
    });
  }
}

test.run();
