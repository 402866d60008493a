/**
 * Other kernels of Debian's archive, as they come: the standard amd64 kernel to a shell, and the installer's to its first screen.
 *
 * Their payload is compressed with xz, which costs a minute to unpack: only at full size.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { bootOkInitramfs } from '../../images/linux/initramfs.ts';
import { obtainPackages } from '../../images/pc/packages.ts';
import { lucidConsole } from '../bench/console.ts';
import { FULL } from './reference.ts';

const LIMIT_MS = 3_600_000;
const INSTALLER = 'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64';

const folder = mkdtempSync(join(tmpdir(), 'lucid-kernels-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Leaves a shell on the console, as an emergency does. */
const SHELL = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
PATH=/bin /bin/busybox --install -s /bin
PS1='shell: ' PATH=/bin exec setsid -c sh </dev/console >/dev/console 2>&1
`;

if (!FULL) {
  console.log('kernels: skipped: npm run test:slow runs them');
  test.skip('other kernels', () => {});
} else {
  for (const name of ['linux-image-amd64', 'linux-image-rt-amd64']) {
    test(`${name}: the kernel runs on all processors, and a shell answers`, async () => {
      const [got, linux] = [await obtainPackages([name]), await obtainLinux()];
      if (!got.ok || !linux.ok) return assert.unreachable(`${got.ok ? '' : got.reason}${linux.ok ? '' : linux.reason}`);
      const boot = got.packages.file('boot');
      const kernel = readdirSync(boot).find((entry) => entry.startsWith('vmlinuz-')) as string;
      const initrd = join(folder, 'shell.cpio');
      writeFileSync(initrd, bootOkInitramfs(readFileSync(join(linux.modules, '../busybox')), SHELL));
      const files = ['--kernel', join(boot, kernel), '--initrd', initrd];
      const guest = lucidConsole([...files, '--append', 'console=ttyS0 cryptomgr.notests', '--cpus', '2'], LIMIT_MS);
      try {
        await guest.until(/shell: /);
        guest.type('uname -r; nproc\n');
        await guest.until(new RegExp(`\\n${kernel.slice('vmlinuz-'.length)}\\r?\\n2\\r?\\n`));
        guest.type('poweroff -f\n');
        assert.is(await guest.ended(), 0, guest.text.slice(-1000));
      } finally {
        guest.kill();
      }
    });
  }

  test("the installer's first screen asks for the language", async () => {
    const got = await obtainPackages(['debian-installer-12-netboot-amd64']);
    if (!got.ok) return assert.unreachable(got.reason);
    const files = ['--kernel', got.packages.file(`${INSTALLER}/linux`), '--initrd', got.packages.file(`${INSTALLER}/initrd.gz`)];
    const guest = lucidConsole([...files, '--append', 'console=ttyS0 cryptomgr.notests', '--memory', '1G'], LIMIT_MS);
    try {
      await guest.until(/Select a language/);
      await guest.until(/English/);
    } finally {
      guest.kill();
    }
  });
}

test.run();
