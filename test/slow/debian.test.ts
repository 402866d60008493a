/**
 * Debian with systemd, as its users have it: it starts, a person logs in, works with files and the network, it powers off, and its disk is in order.
 *
 * The system is built by `npm run images:debian`, or here by `npm run test:slow`, in some minutes; the reduced size only uses one that is there.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
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
  return lucidConsole([...files, '--append', append, '--memory', '512M', '--cpus', String(cpus), '--nic', 'user'], LIMIT_MS);
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

/** A server of this host for one connection: sends `data` and takes what comes until the end. */
function transfer(data: Buffer): { readonly port: Promise<number>; readonly received: Promise<Buffer> } {
  const server = createServer();
  const received = new Promise<Buffer>((resolve, reject) => {
    server.once('connection', (socket) => {
      const parts: Buffer[] = [];
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('end', () => resolve(Buffer.concat(parts)));
      socket.on('error', reject);
      socket.end(data);
      server.close();
    });
  });
  const port = new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  return { port, received };
}

/** networkd has an address by DHCP; the gateway answers; the same bytes go out and come in, by 10.0.2.2, which is this host. */
async function usesTheNetwork(guest: Console): Promise<void> {
  assert.match(await ok(guest, '/lib/systemd/systemd-networkd-wait-online --timeout=60 && ip -brief -4 addr'), / 10\.0\.2\.15\//);
  assert.match(await ok(guest, 'ping -c 3 10.0.2.2'), /3 received/);
  const data = randomBytes(1 << 20);
  const { port, received } = transfer(data);
  await ok(guest, `nc -N 10.0.2.2 ${await port} <a >b`);
  assert.match(await ok(guest, 'sha256sum <b'), new RegExp(sha256(data)));
  assert.match(await ok(guest, 'sha256sum <a'), new RegExp(sha256(await received)));
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** What the kernel says when something is wrong with it or with the machine. */
const TROUBLE = /BUG:|WARNING:|Oops|Call Trace|soft lockup|rcu.*stall|hung_task|I\/O error|irq \d+: nobody cared/;

if (!got.ok) {
  console.log(`debian: skipped: ${got.reason}`);
  test.skip('Debian with systemd', () => {});
} else {
  for (const cpus of FULL ? [1, 2, 4] : [1]) {
    test(`${cpus} processors: Debian starts, works with files and the network, and powers off; e2fsck finds nothing`, async () => {
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
        await usesTheNetwork(guest);
        assert.not.match(await ok(guest, 'dmesg'), TROUBLE);
        await powerOff(guest, path);
      } finally {
        guest.kill();
      }
    });
  }
}

test.run();
