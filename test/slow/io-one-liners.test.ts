/**
 * docs/io.md's one-liners and docs/scripts over Linux that reads, writes, pings and spoofs, over and over: each has something to say.
 *
 * And one run from the first instruction to the last, twice: iosnoop agrees with the VM's own counts and is the same both times,
 * and the guest is the same as without it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MODULES, NET_MODULES, obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import type { VmReport } from '../../vmm/report.ts';
import { type Ended, oneLiners, runLine, unexpected } from '../probes/one-liners.ts';
import { FULL } from './reference.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-io-'));
const environment = { ...process.env, XDG_RUNTIME_DIR: folder };
const TRACE_MS = 2000;
const PATIENCE_MS = 8 * TRACE_MS;

const WORK = `
dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null &
dd if=/dev/zero of=/dev/vda bs=8k count=20 seek=300 oflag=direct 2>/dev/null
wait`;
const FOR_EVER = `
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
ifconfig eth0:1 10.0.2.99 netmask 255.255.255.0 up
echo READY
while true; do
ping -c 2 -i 0.1 10.0.2.2 > /dev/null
ping -c 1 -W 1 -I 10.0.2.99 10.0.2.2 > /dev/null &
${WORK}
done`;

const got = await obtainLinux();
if (!got.ok && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${got.reason}`);

interface Guest {
  readonly args: readonly string[];
}

function guest(name: string, script: string): Guest {
  if (!got.ok) throw new Error(got.reason);
  const modules = [...MODULES, ...NET_MODULES].map((module) => ({ name: module, bytes: readFileSync(join(got.modules, `${module}.ko`)) }));
  const initrd = join(folder, `${name}.cpio`);
  writeFileSync(initrd, driverInitramfs(readFileSync(join(got.modules, '../busybox')), modules, script));
  const disk = join(folder, `${name}.img`);
  writeFileSync(disk, '');
  truncateSync(disk, 16 * 2 ** 20);
  const args = ['--kernel', got.vmlinuz, '--initrd', initrd, '--memory', '128M', '--disk', disk];
  return { args: [join(root, 'vmm/cli/lucid.ts'), 'run', ...args, '--append', 'console=ttyS0 quiet cryptomgr.notests'] };
}

let vm: ChildProcess | undefined;
test.after(() => {
  vm?.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Starts it; resolves once its console says READY. */
function started({ args }: Guest): Promise<void> {
  const nic = ['--nic', 'user,restrict,allowed-ips=10.0.2.15'];
  const child = spawn(process.execPath, [...args, ...nic], { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  vm = child;
  return new Promise((resolve, reject) => {
    let text = '';
    const more = (part: Buffer): void => {
      text += part;
      if (text.includes('READY')) resolve();
    };
    child.stdout.on('data', more);
    child.stderr.on('data', more);
    child.on('close', () => reject(new Error(text)));
  });
}

/** Has nothing to print here: no transfer fails. */
const SILENT = /b_error\//;

function wrong({ line, status, out, err }: Ended): boolean {
  const said = out.replaceAll(/^CPU .*$/gm, '').trim() !== '';
  return status !== 0 || /error|failed|invalid|drop/i.test(unexpected(line, err)) || said === SILENT.test(line);
}

/** What is wrong with a line; it is given longer when it is silent, for on a busy host a program that says nothing starts late. */
async function wrongAtLast(line: string): Promise<Ended | undefined> {
  for (let ms = TRACE_MS / 2; ; ms *= 2) {
    const ended = await runLine(line, environment, ms);
    if (!wrong(ended)) return undefined;
    if (ms > PATIENCE_MS) return ended;
  }
}

if (!got.ok) {
  console.log(`io-one-liners: skipped: ${got.reason}`);
  test.skip('io and vnic over Linux', () => {});
} else {
  test('each one-liner and script has something to say', async () => {
    await started(guest('loop', FOR_EVER));
    const lines = oneLiners(readFileSync(join(root, 'docs/io.md'), 'utf8'));
    const scripts = ['iosnoop', 'iotop', 'iolatency', 'nictop'].map((name) => `dlite -q -s docs/scripts/${name}.d`);
    assert.ok(lines.length >= 20);
    const some = FULL ? lines : lines.filter((_, i) => i % 3 === 0);
    for (const line of [...some, ...scripts]) assert.is(await wrongAtLast(line), undefined);
  });

  test('iosnoop from the first instruction on: all transfers that were counted, and the same twice', () => {
    const { args } = guest('once', WORK);
    const traces = [1, 2].map((n) => {
      const output = join(folder, `trace${n}`);
      const traced = ['--no-exits', '--json', '--serial', 'null', '-o', output, '-s', join(root, 'docs/scripts/iosnoop.d')];
      const { stdout, stderr } = spawnSync(process.execPath, [...args, ...traced], { encoding: 'utf8', env: environment });
      assert.is(stderr.replaceAll(/^.* matched .*$/gm, '').trim(), '');
      return { text: readFileSync(output, 'utf8'), report: JSON.parse(stdout) as VmReport };
    });
    const [first, second] = traces;
    assert.is(first?.text, second?.text);
    const plain = spawnSync(process.execPath, [...args, '--no-exits', '--json', '--serial', 'null'], {
      encoding: 'utf8',
      env: environment,
    });
    assert.is((JSON.parse(plain.stdout) as VmReport).exitHash, first?.report.exitHash, 'the guest is the same with a tracer and without');
    const rows = [...(first?.text ?? '').matchAll(/^ +\d+ +\d+ disk0 +([RW]) +\d+ +(\d+) +0 /gm)].map(
      ([, way, bytes]) => [way, Number(bytes)] as const,
    );
    const sum = (way: string): number => rows.filter(([w]) => w === way).reduce((total, [, bytes]) => total + bytes, 0);
    const [disk] = first?.report.disks ?? [];
    assert.is(rows.filter(([way]) => way === 'R').length, disk?.reads);
    assert.is(rows.filter(([way]) => way === 'W').length, disk?.writes);
    assert.equal([sum('R'), sum('W')], [disk?.readBytes, disk?.writtenBytes]);
    assert.is(disk?.writtenBytes, 20 * 8192);
  });
}

test.run();
