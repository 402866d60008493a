/**
 * A fixed run of generated privileged sequences in QEMU and here. Skipped where QEMU or the tools to build the harness are missing.
 *
 * @module
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from './session.ts';

const SEED = 1;
const CASES = 2500;

const session = Session.open();

if ('reason' in session) {
  process.stdout.write(`no second emulator to compare with: ${session.reason}\n`);
  test.skip('privileged sequences end in the same state in QEMU', () => {});
} else {
  test('privileged sequences end in the same state in QEMU, but for its listed faults', async () => {
    const report = await session.compare(SEED, CASES);
    process.stdout.write(report.text(2));
    assert.is(report.cases, CASES);
    assert.is(report.outstanding, 0);
  });
  test.after(() => session.close());
}

test.run();
