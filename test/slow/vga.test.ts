/** Debian's memtest86+ and its Linux on a VGA with a keyboard: by SeaBIOS and GRUB's menu, and booted directly. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { bootOkInitramfs } from '../../images/linux/initramfs.ts';
import { DISK_PACKAGES, grubDisk } from '../../images/pc/grub.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import { openDisk } from '../../vmm/disks.ts';
import { DEFAULT_EXIT_COSTS } from '../../vmm/exit-cost.ts';
import { parseIntercepts } from '../../vmm/intercepts.ts';
import { ScreenGuest } from '../vmm/screen-guest.ts';
import { FULL } from './reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-vga-'));
test.after(() => rmSync(folder, { recursive: true }));

const VIDEO_BIOS = join(dirname(FIRMWARE), 'vgabios-isavga.bin');
const linux = await obtainLinux();
const got = await obtainPackages([...DISK_PACKAGES, 'memtest86+']);
const why = !existsSync(VIDEO_BIOS) ? 'seabios is not installed' : !linux.ok ? linux.reason : !got.ok ? got.reason : undefined;
if (why !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${why}`);

/** A shell on the first virtual terminal. */
const SHELL = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
echo SHELL-READY
setsid sh -c 'exec sh </dev/tty1 >/dev/tty1 2>&1'
`;

const CONFIG = `terminal_input console
terminal_output console
set gfxpayload=text
set timeout=60
menuentry "memtest86+" {
  linux16 /boot/memtest
}
menuentry "Linux on the screen" {
  linux /boot/vmlinuz console=tty0 cryptomgr.notests
  initrd /boot/initrd
}
`;

/** With every PAUSE a tenth of a millisecond: memtest86+ waits 80 seconds for bits to fade. */
const SHORT_WAITS = {
  intercepts: parseIntercepts('pause'),
  exitCosts: { ...DEFAULT_EXIT_COSTS, reasons: { ...DEFAULT_EXIT_COSTS.reasons, 40: 100_000 } },
};

if (why !== undefined || !got.ok || !linux.ok) {
  console.log(`vga: skipped: ${why}`);
  test.skip('memtest86+ and Linux on a VGA', () => {});
} else {
  const memtest = readFileSync(got.packages.file('boot/memtest86+x64.bin'));

  for (const megabytes of FULL ? [8, 16, 32] : [8]) {
    test(`memtest86+ passes all its tests of ${megabytes} MB, and finds no error`, () => {
      const g = new ScreenGuest({
        memory: `${megabytes}M`,
        load: () => ({ kernel: memtest, kernelName: 'memtest86+x64.bin' }),
        ...SHORT_WAITS,
      });
      assert.ok(g.machine.boot().ok);
      g.until(/Memtest86\+ v[67]/);
      const before = process.cpuUsage();
      g.until(/Pass: +1 /, 2000e9, 500e6);
      const { user, system } = process.cpuUsage(before);
      console.log(
        `${megabytes} MB: ${(g.instructions / 1e9).toFixed(1)} G instructions, ${((user + system) / 1e6).toFixed(1)} s of CPU time`,
      );
      const screen = g.lines.join('\n');
      assert.match(screen, /Errors: 0$/m);
      assert.match(screen, new RegExp(`Memory {2}: {1,4}${megabytes}MB`));
      // The banner, in letters of number signs.
      assert.match(screen, /###### {6}## {6}##### {4}#####/);
    });
  }

  test("GRUB's menu on the screen: the second entry by the arrow key boots Linux on tty0, whose shell is typed at", () => {
    const disk = join(folder, 'grub.img');
    const initrd = bootOkInitramfs(readFileSync(join(dirname(linux.vmlinuz), 'busybox')), SHELL);
    const files = { 'boot/memtest': memtest, 'boot/vmlinuz': readFileSync(linux.vmlinuz), 'boot/initrd': initrd };
    grubDisk(got.packages, disk, { files, config: CONFIG, megabytes: 48 });
    const g = new ScreenGuest(
      { memory: '128M', firmware: readFileSync(FIRMWARE), disks: [openDisk({ path: disk, snapshot: true })] },
      readFileSync(VIDEO_BIOS),
    );
    assert.ok(g.machine.boot().ok);
    g.until(/│\*memtest86\+/);
    g.press('down');
    g.until(/│\*Linux on the screen/);
    g.type('\\r');
    g.until(/SHELL-READY/, 60e9);
    g.type('echo "$((6*7)) {Braces} <UPPER>" | tr 4 9\\r');
    g.until(/^92 \{Braces\} <UPPER>$/m);
    // More than a screen: the kernel scrolls by the start address.
    g.type('seq 100; uname -s\\r');
    g.until(/^99\n100\nLinux$/m);
    assert.not.match(g.lines.join('\n'), /SHELL-READY/);
    g.type('poweroff -f\\r');
    assert.equal(g.end(), { kind: 'power-off' });
  });
}

test.run();
