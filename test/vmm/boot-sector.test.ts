/** A boot sector of our own, which Debian's SeaBIOS finds on a virtio disk, an IDE disk and a CD, and calls back into by INT 10h and INT 13h. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import { type DiskInterface, openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';

const DEBUG_EXIT = 0xf4;
const folder = mkdtempSync(join(tmpdir(), 'lucid-boot-sector-'));
test.after(() => rmSync(folder, { recursive: true }));

const tools = spawnSync('as', ['--version'], { stdio: 'ignore' }).error === undefined;
const why = existsSync(FIRMWARE) ? (tools ? undefined : 'binutils is not installed') : 'seabios is not installed';

function assembled(): string {
  const object = join(folder, 'boot.o');
  const image = join(folder, 'boot.img');
  execFileSync('as', ['--32', '-o', object, fileURLToPath(new URL('boot-sector.S', import.meta.url))]);
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-e', 'start', '-o', image, object]);
  return image;
}

interface Boot {
  readonly machine: Machine;
  text(): string;
}

function boot(drives: readonly { readonly path: string; readonly interface: DiskInterface }[], more: object = {}): Boot {
  let text = '';
  const machine = Machine.createSync({
    memory: '32M',
    firmware: readFileSync(FIRMWARE),
    disks: drives.map((drive) => openDisk({ ...drive, snapshot: drive.interface !== 'cdrom', readOnly: drive.interface === 'cdrom' })),
    diskOptions: drives,
    debugExit: DEBUG_EXIT,
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
    ...more,
  });
  assert.ok(machine.boot().ok);
  return { machine, text: () => text };
}

/** A CD without a file system, whose boot catalogue has a hard disk's image to be emulated: El Torito 1.0, 2.0. */
function cd(disk: string): string {
  const sector = 2048;
  const image = readFileSync(disk);
  const bytes = new Uint8Array(20 * sector + image.length);
  const text = (at: number, value: string): void => bytes.set(new TextEncoder().encode(value), at);
  bytes[16 * sector] = 1;
  text(16 * sector + 1, 'CD001\x01');
  text(17 * sector + 1, 'CD001\x01');
  text(17 * sector + 7, 'EL TORITO SPECIFICATION');
  bytes[17 * sector + 71] = 19;
  bytes[18 * sector] = 0xff;
  text(18 * sector + 1, 'CD001\x01');
  const catalogue = 19 * sector;
  bytes[catalogue] = 1;
  bytes.set([0x55, 0xaa], catalogue + 30);
  new DataView(bytes.buffer).setUint16(catalogue + 28, 0x1_0000 - 1 - 0xaa55, true);
  bytes.set([0x88, 4, 0, 0, 0x83, 0, 1, 0, 20], catalogue + 32);
  bytes.set(image, 20 * sector);
  const path = join(folder, 'boot.iso');
  writeFileSync(path, bytes);
  return path;
}

if (why !== undefined) {
  console.log(`boot-sector: skipped: ${why}`);
  test.skip('a boot sector by SeaBIOS', () => {});
} else {
  const image = assembled();
  const ended = { kind: 'debug-exit', value: 2 };
  // The firmware holds a character back until it knows where the cursor goes, so that the last one comes late or not at all.
  const said = (text: string): string[] => [...(text.match(/by cylinder, head and sect|by LB/g) ?? [])];
  const CHS = 'by cylinder, head and sect';
  const LBA = 'by LB';

  for (const kind of ['virtio', 'ide', 'cdrom'] as const) {
    test(`from ${kind}: INT 13h reads by CHS and LBA, INT 10h prints on COM1, and a reset starts the firmware again`, () => {
      const { machine, text } = boot([{ path: kind === 'cdrom' ? cd(image) : image, interface: kind }]);
      assert.equal(machine.run({ insns: 60e6 }), ended, text());
      assert.equal(said(text()), kind === 'cdrom' ? [CHS, CHS] : [CHS, LBA, CHS, LBA], text());
    });
  }

  test('disks are tried in the order in which they were given, CDs behind them or, when asked for, before', () => {
    const empty = join(folder, 'empty.img');
    writeFileSync(empty, new Uint8Array(1048576));
    const named = (text: string): string[] => [...text.matchAll(/Booting from (\S+)/g)].map((m) => m[1] as string);
    const drives = [
      { path: empty, interface: 'ide' as const },
      { path: image, interface: 'virtio' as const },
      { path: cd(image), interface: 'cdrom' as const },
    ];
    const disk = boot(drives.slice(0, 1));
    disk.machine.run({ insns: 12e6 });
    assert.match(disk.text(), /not a bootable disk/);
    assert.match(disk.text(), /No bootable device/);
    assert.not.match(disk.text(), /Floppy/);
    const first = boot([...drives].reverse());
    assert.equal(first.machine.run({ insns: 60e6 }), ended);
    assert.equal(named(first.text()), ['Hard', 'Hard']);
    const cdFirst = boot(drives, { bootFrom: 'cdrom' });
    assert.equal(cdFirst.machine.run({ insns: 60e6 }), ended);
    assert.equal(named(cdFirst.text()), ['DVD/CD...', 'DVD/CD...']);
  });

  for (const cpus of [2, 8]) {
    test(`${cpus} processors: the firmware finds all, and a reset finds them again`, () => {
      const { machine, text } = boot([{ path: image, interface: 'ide' }], { cpus });
      assert.equal(machine.run({ insns: 80e6 }), ended, text());
      assert.ok(machine.vm.vcpus.every((vcpu) => vcpu.instructions > 100));
    });
  }

  test('saved anywhere on the way and restored into another machine, the rest is the same', () => {
    const drives = [{ path: image, interface: 'ide' as const }];
    const whole = boot(drives);
    assert.equal(whole.machine.run({ insns: 60e6 }), ended);
    const end = reportOf(whole.machine.vm);
    for (const part of [0.2, 0.45, 0.7, 0.95]) {
      const first = boot(drives);
      first.machine.run({ insns: Math.floor(end.instructions * part) });
      const second = boot(drives);
      second.machine.vm.restoreState(structuredClone(first.machine.vm.saveState()));
      assert.equal(second.machine.run({ insns: 60e6 }), ended);
      assert.is(reportOf(second.machine.vm).exitHash, end.exitHash, `${part}`);
      assert.is(reportOf(second.machine.vm).instructions, end.instructions);
    }
  });
}

test.run();
