/**
 * Debian with systemd, as its users have it: it starts, a person logs in and works with files, it powers off, and its disk is in order.
 *
 * The system is built by `npm run images:debian`, or here by `npm run test:slow`, in some minutes; the reduced size only uses one that is there.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainDebian } from '../../images/debian/image.ts';
import { type Console, logIn, lucidConsole } from '../bench/console.ts';
import { FULL } from './reference.ts';

const LIMIT_MS = 1_800_000;

const folder = mkdtempSync(join(tmpdir(), 'lucid-debian-'));
test.after(() => rmSync(folder, { recursive: true }));

const got = await obtainDebian(() => {}, { offline: !FULL });

/** A copy to write to; most of the image is a hole. */
function disk(name: string): string {
  if (!got.ok) throw new Error(got.reason);
  const path = join(folder, name);
  execFileSync('cp', ['--sparse=always', '--reflink=auto', got.disk, path]);
  return path;
}

function start(path: string, cpus: number): Console {
  if (!got.ok) throw new Error(got.reason);
  const files = ['--kernel', got.kernel, '--initrd', got.initrd, '--disk', path];
  const append = 'console=ttyS0 root=/dev/vda ro cryptomgr.notests';
  return lucidConsole([...files, '--append', append, '--memory', '512M', '--cpus', String(cpus)], LIMIT_MS);
}

/** Runs a command that must succeed; what it printed. */
async function ok(guest: Console, line: string): Promise<string> {
  const { status, output } = await guest.command(line);
  assert.is(status, 0, `${line}\n${output}`);
  return output;
}

async function powerOff(guest: Console, path: string): Promise<void> {
  guest.type('poweroff\n');
  assert.is(await guest.ended(), 0, guest.text.slice(-1000));
  const { status, stdout } = spawnSync('e2fsck', ['-fn', path], { encoding: 'utf8' });
  assert.is(status, 0, stdout);
}

/** What the kernel says when something is wrong with it or with the machine. */
const TROUBLE = /BUG:|WARNING:|Oops|Call Trace|soft lockup|rcu.*stall|hung_task|I\/O error|irq \d+: nobody cared/;

if (!got.ok) {
  console.log(`debian: skipped: ${got.reason}`);
  test.skip('Debian with systemd', () => {});
} else {
  for (const cpus of FULL ? [1, 2, 4] : [1]) {
    test(`${cpus} processors: Debian starts, works with files and powers off; e2fsck finds nothing`, async () => {
      const path = disk(`disk${cpus}`);
      const guest = start(path, cpus);
      try {
        await logIn(guest);
        assert.is(await ok(guest, 'nproc'), String(cpus));
        // "starting" until the last job is done.
        assert.match(await ok(guest, 'systemctl is-system-running --wait'), /^running$/m);
        assert.is(await ok(guest, 'systemctl --failed --no-legend --plain'), '');
        await ok(guest, 'dpkg -i spare.deb');
        assert.match(await ok(guest, 'hello'), /^Hello, world!$/m);
        await ok(guest, 'dd if=/dev/urandom of=a bs=64k count=16 conv=fsync');
        await ok(
          guest,
          'mkdir t; cp -a /etc t/; cp a t/; tar cf t.tar t && mkdir u && tar xf t.tar -C u && diff -r --no-dereference t u/t',
        );
        assert.match(await ok(guest, 'find u -type f | wc -l'), /^\d{3,}$/);
        await ok(guest, 'sync; echo 3 > /proc/sys/vm/drop_caches; cmp a u/t/a');
        await ok(guest, 'apt-get -qq -y remove hello >/dev/null && ! dpkg -s hello >/dev/null 2>&1');
        assert.not.match(await ok(guest, 'dmesg'), TROUBLE);
        await powerOff(guest, path);
      } finally {
        guest.kill();
      }
    });
  }
}

test.run();
