/** Debian's Linux stays within the boot budget of images/examples/linux-boot.yaml, and a kernel switch that costs exits is told by a baseline. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, expectFile } from '../../vmm/cli/expect/boot.ts';
import { held } from '../../vmm/cli/expect/held.ts';
import { readPlan } from '../../vmm/cli/expect/read-file.ts';
import { reference } from './reference.ts';

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
