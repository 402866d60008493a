/**
 * Debian's SeaBIOS, GRUB on a disk of its own, and Debian's Linux from there: what a PC does, with nothing of it ours but the machine. Reduced: from a
 * virtio disk with two processors, and the CDs.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import { CD_PACKAGES, grubCd, grubDisk } from '../../images/pc/grub.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import { type DiskOptions, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { FULL } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-firmware-'));
test.after(() => rmSync(folder, { recursive: true }));

const linux = await obtainLinux();
const got = await obtainPackages([...CD_PACKAGES, 'ipxe']);
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
    diskOptions: disks,
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

  const cd = join(folder, 'grub.iso');
  grubCd(got.packages, cd, { files: linuxFiles(), config: CONFIG });
  const virtio: DiskOptions = { path: disk, snapshot: true };
  const ide: DiskOptions = { ...virtio, interface: 'ide' };
  const iso: DiskOptions = { path: cd, readOnly: true, interface: 'cdrom' };

  const booted = (text: string, cpus: number): void => {
    assert.match(text, /SeaBIOS \(version/);
    assert.match(text, /Booting `Linux'/);
    assert.match(text, /ACPI: RSDP 0x[0-9A-F]+ 000024 \(v02 LUCID/);
    assert.match(text, new RegExp(`smp: Brought up 1 node, ${cpus} CPU`));
    assert.match(text, /BOOT-OK/);
  };

  for (const [name, drives, cpus] of [
    ['a virtio disk, with two processors', [virtio], 2],
    ['a CD', [iso], 1],
    ...(FULL
      ? ([
          ['a virtio disk', [virtio], 1],
          ['an IDE disk', [ide], 1],
        ] as const)
      : []),
  ] as const) {
    test(`GRUB boots Linux from ${name}, and it powers off by ACPI`, () => {
      const { machine, text } = guest(drives, cpus);
      assert.equal(machine.run({ insns: 6e9 }), { kind: 'power-off' }, text());
      booted(text(), cpus);
    });
  }

  const full = FULL ? test : test.skip;
  full('a reboot in the guest boots the disk again through the firmware', () => {
    const rebooting = join(folder, 'reboot.img');
    const script = 'if [ $(date +%M) = 00 ]; then echo FIRST; sleep 60; reboot -f; sleep 60; fi; echo BOOT-OK';
    const initrd = driverInitramfs(readFileSync(join(dirname(linux.ok ? linux.vmlinuz : ''), 'busybox')), [], script);
    grubDisk(got.packages, rebooting, { files: { ...linuxFiles(), 'boot/initrd': initrd }, config: CONFIG, megabytes: 48 });
    const { machine, text } = guest([{ path: rebooting, snapshot: true }]);
    assert.equal(machine.run({ insns: 8e9 }), { kind: 'power-off' }, text());
    assert.match(text(), /FIRST[\s\S]*SeaBIOS[\s\S]*Booting `Linux'[\s\S]*BOOT-OK/);
  });

  full('saved in GRUB and in Linux, and restored, it goes on alike', () => {
    const whole = guest([ide]);
    assert.equal(whole.machine.run({ insns: 6e9 }), { kind: 'power-off' });
    const end = reportOf(whole.machine.vm);
    for (const part of [0.1, 0.6]) {
      const first = guest([ide]);
      first.machine.run({ insns: Math.floor(end.instructions * part) });
      const second = guest([ide]);
      second.machine.vm.restoreState(structuredClone(first.machine.vm.saveState()));
      assert.equal(second.machine.run({ insns: 6e9 }), { kind: 'power-off' });
      assert.is(reportOf(second.machine.vm).exitHash, end.exitHash);
      assert.is(reportOf(second.machine.vm).instructions, end.instructions);
    }
  });

  test('ISOLINUX on the CD of iPXE loads it, and it starts', () => {
    const { machine, text } = guest([{ path: got.packages.file('usr/lib/ipxe/ipxe.iso'), readOnly: true, interface: 'cdrom' }]);
    for (let insns = 20e6; insns < 1.5e9 && !text().includes('Open Source Network Boot Firmware'); insns += 20e6) machine.run({ insns });
    assert.match(text(), /ISOLINUX/);
    assert.match(text(), /iPXE[\s\S]*Open Source Network Boot Firmware/);
  });
}

test.run();
