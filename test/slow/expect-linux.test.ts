/** Debian's Linux stays within the boot budget of images/examples/linux-boot.yaml, and a kernel switch that costs exits is told by a baseline. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { boot, expectFile } from '../../vmm/cli/expect/boot.ts';
import { held } from '../../vmm/cli/expect/held.ts';
import { readPlan } from '../../vmm/cli/expect/read-file.ts';
import { linuxInitramfs } from './linux-guest.ts';
import { FULL, reference } from './reference.ts';

const BUDGET = fileURLToPath(new URL('../../images/examples/linux-boot.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-expect-linux-'));
test.after(() => rmSync(folder, { recursive: true }));
const linux = await reference();

if (linux === undefined) test.skip('Linux (cannot be had here)');
else {
  const { kernel = '', initrd = '' } = linux.image;
  const files = ['--kernel', kernel, '--initrd', initrd];

  test('Linux stays within its boot budget', async () => {
    const { expectations, exitStatus } = await expectFile(BUDGET, files);
    assert.equal(
      expectations.filter(({ met }) => !met).map(({ name, found }) => `${name}: ${found}`),
      [],
    );
    assert.is(exitStatus, 0);
  });

  test('a clock that costs exits is the first difference from the baseline', async () => {
    const yaml = join(folder, 'boot.yaml');
    copyFileSync(BUDGET, yaml);
    writeFileSync(yaml, `${readFileSync(yaml, 'utf8')}  - baseline: {new-causes: none, counts: exact}\n`);
    await held(readPlan(yaml, files), { update: true, signals: false });
    const report = await expectFile(yaml, [...files, '--append', 'console=ttyS0 cryptomgr.notests clocksource=acpi_pm']);
    const baseline = report.expectations.at(-1);
    assert.is(baseline?.met, false);
    assert.match(baseline?.details?.[0] ?? '', /^(more|new) IO_INSTRUCTION in 0x608 between /);
  });

  const got = await obtainLinux();
  if (!got.ok) throw new Error(got.reason);
  const talks = join(folder, 'talks.cpio');
  writeFileSync(
    talks,
    linuxInitramfs(
      got,
      `
echo DISK-BEGIN
dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null
echo DISK-READY
stty -echo
while echo -n 'name: '; read name; [ "$name" != bye ]; do echo "hello $name"; done
`,
    ),
  );
  const disk = join(folder, 'disk.img');
  writeFileSync(disk, '');
  truncateSync(disk, 2 ** 24);

  test('the latency of a virtio disk is held between marks, and a dialogue with a shell; three reports are the same', async () => {
    const yaml = join(folder, 'disk.yaml');
    writeFileSync(
      yaml,
      `guest: {append: console=ttyS0 quiet cryptomgr.notests, memory: 128M, disk: "disk.img,snapshot", initrd: talks.cpio, limit: time=60}
marks:
  begin: {serial: DISK-BEGIN}
  ready: {serial: DISK-READY}
  name: {serial: "name: "}
  again: {serial: "name: "}
input:
  - {after: name, type: "lucid\\n"}
  - {after: again, type: "bye\\n"}
expect:
  - name: p99 of read latency under 2 ms
    d: |
      io:::start { at[arg0] = timestamp; }
      io:::done /at[arg0] && args[0]->b_flags & B_READ/ { @read = quantize(timestamp - at[arg0]); @most = max(timestamp - at[arg0]); @n = count(); }
      io:::done { at[arg0] = 0; }
    aggregation: "@read"
    percentile: 99
    max: 2ms
    between: [begin, ready]
  - {d: "io:::done { @n = count(); }", aggregation: "@n", value: {is: 16}, between: [begin, ready]}
  - {d: "io:::done { @n = count(); }", aggregation: "@n", value: {is: 0}, between: [ready, end]}
  - {kstat: "virtio_blk:0:*:reads", value: {is: 16}, between: [begin, ready]}
  - {kstat: "virtio_blk:0:*:reads", value: {is: 0}, between: [ready, end]}
  - {serial: {contains: hello lucid}, between: [name, again]}
  - outcome: power-off
`,
    );
    const reports = [];
    for (let i = 0; i < (FULL ? 20 : 3); i++) reports.push(await expectFile(yaml, ['--kernel', kernel]));
    assert.equal(
      reports[0]?.expectations.filter(({ met }) => !met).map(({ name, found }) => `${name}: ${found}`),
      [],
    );
    for (const report of reports) assert.equal(report, reports[0]);
  });

  test('a dialogue with a shell on two processors, saved in the middle, goes on as if it had not been', async () => {
    const append = 'console=ttyS0 quiet cryptomgr.notests';
    await using guest = await boot({ kernel, initrd: talks, append, memory: '128M', cpus: 2, limit: 'time=60' });
    await guest.until({ serial: 'DISK-READY' });
    await guest.until({ serial: 'name: ' });
    guest.type('somebody with a name that is longer than a queue of sixteen bytes\n');
    const heard = await guest.until({ serial: 'name: ' });
    assert.match(guest.console, /hello somebody with a name that is longer than a queue of sixteen bytes\r?\nname: $/);
    const saved = join(folder, 'talks.snapshot');
    await guest.snapshot(saved);
    await using rest = await boot({ restore: saved, limit: 'time=60' });
    for (const one of [guest, rest]) {
      one.type('bye\n');
      assert.equal(await one.run(), { kind: 'power-off' });
    }
    assert.equal(rest.exits({ by: 'rip' }), guest.exits({ by: 'rip', from: heard }));
    assert.is(rest.report?.instructions, guest.report?.instructions);
  });

  test('marks, exits and D agree on a whole boot', async () => {
    await using guest = await boot({ kernel, initrd, append: 'console=ttyS0 cryptomgr.notests', limit: 'time=60' });
    const trace = await guest.trace('kvm-vexit { @ = count(); }');
    const init = await guest.until({ serial: 'Run /init' });
    const ready = await guest.until({ serial: 'BOOT-OK' });
    assert.ok(guest.exits({ cause: 'EPT_VIOLATION', from: init, to: ready }).count <= 20);
    assert.equal(guest.find({ serial: 'BOOT-OK' }, init), ready);
    await guest.run();
    assert.is(trace.aggregations.get('@')?.[0]?.value, guest.report?.exitsTotal);
  });
}

test.run();
