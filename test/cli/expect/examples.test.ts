/** The files of expectations under images/examples do what they say: each finds its fault, and is met by the fix. Linux's is in test/slow/expect-linux.test.ts. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { expectFile, type ExpectReport } from '../../../vmm/cli/expect/boot.ts';
import { violations } from '../../probes/consumer/json-schema.ts';
import { finished, runtimePlace, start } from '../stat-commands.ts';

const EXAMPLES = fileURLToPath(new URL('../../../images/examples/', import.meta.url));
const SCHEMA = JSON.parse(readFileSync(new URL('../../../vmm/cli/expect/expect.schema.json', import.meta.url), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'lucid-examples-'));
const place = runtimePlace();
const test = suite('examples of lucid expect');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const at = (name: string): string => join(EXAMPLES, name);
const broken = ({ expectations }: ExpectReport): string[] => expectations.filter(({ met }) => !met).map(({ name }) => name);

test('they are what the schema says', () => {
  for (const name of ['polling', 'timer', 'regression', 'login', 'linux-boot'])
    assert.equal(violations(parse(readFileSync(at(`${name}.yaml`), 'utf8')), SCHEMA), [], name);
});

test('a driver that polls a port is found, with the call chain; the fix sleeps and takes as long', async () => {
  const report = await expectFile(at('polling.yaml'));
  assert.equal(broken(report), ['the driver does not poll']);
  const [exit] = report.expectations[0]?.exits ?? [];
  assert.match(`${exit?.symbol}: ${exit?.instruction}`, /^wait_10ms\+0x\w+: in al,61h$/);
  assert.match((exit?.stack ?? []).join(' '), /^0x\w+ boot\+0x\w+ 0x\w+ start\+0x\w+$/);
  const fixed = await expectFile(at('polling.yaml'), ['--kernel', at('wait.elf')]);
  assert.ok(fixed.ok);
  assert.ok(Math.abs((fixed.marks[1]?.time ?? 0) / (report.marks[1]?.time ?? 0) - 1) < 0.02);
});

test('a timer that fires too often is found, by exits and by D', async () => {
  assert.is(broken(await expectFile(at('timer.yaml'))).length, 3);
  assert.ok((await expectFile(at('timer.yaml'), ['--kernel', at('wait.elf')])).ok);
});

test('a dialogue on the console is held, and its report is the same each time', async () => {
  const report = await expectFile(at('login.yaml'));
  assert.equal(broken(report), []);
  assert.equal(await expectFile(at('login.yaml')), report);
});

test('the example for a test runner passes', () => {
  const library = JSON.stringify(new URL('../../../vmm/cli/expect/boot.ts', import.meta.url).href);
  // In its own folder, where modules are found.
  const copy = at(`login.${process.pid}.ts`);
  writeFileSync(copy, readFileSync(at('login.test.ts'), 'utf8').replace("'lucidvm/expect'", library));
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [copy], { encoding: 'utf8' });
    assert.is(status, 0, stdout + stderr);
    assert.match(stdout, /Passed: +3/);
  } finally {
    rmSync(copy);
  }
});

test('a regression is caught by the baseline, and by lucid diff', async () => {
  assert.ok((await expectFile(at('regression.yaml'))).ok);
  const report = await expectFile(at('regression.yaml'), ['--kernel', at('often.elf')]);
  const details = report.expectations[0]?.details ?? [];
  assert.match(
    details.at(-1) ?? '',
    /^to compare: lucid expect .*regression\.yaml --json > now\.json; lucid diff .*\.baseline\.json now\.json$/,
  );
  assert.equal(details.slice(0, -1), [
    'more HLT between init and ready: 10 before, 100 now',
    'more IO_INSTRUCTION out 0x20 between init and ready: 11 before, 101 now',
  ]);
  for (const name of ['wait', 'often']) {
    const words = ['--kernel', at(`${name}.elf`), '--debug-exit', '0xf4', '--serial', 'null', '--no-exits', '--events', join(folder, name)];
    await finished(start('lucid', ['run', ...words], place.xdg));
  }
  const { out } = await finished(start('lucid', ['diff', join(folder, 'wait'), join(folder, 'often')], place.xdg));
  assert.match(out, /\nmore HLT +10 +100 +\+90 /);
});

test('the guests are what their source gives with the tools that made them', () => {
  const { stdout, error } = spawnSync('ld', ['--version'], { encoding: 'utf8' });
  if (error !== undefined || !stdout.startsWith('GNU ld (GNU Binutils for Debian) 2.40')) return;
  const { status, stderr } = spawnSync(process.execPath, [at('build.ts'), '--check'], { encoding: 'utf8' });
  assert.equal([status, stderr], [0, '']);
});

test.run();
