/** Expectations in TypeScript: from nothing to an asserted boot in ten lines, and what else a guest can be asked. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type BootOptions, expectFile } from '../../../vmm/cli/expect/boot.ts';
import { multiboot } from '../../vmm/guests.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-boot-'));
const test = suite('the library form');
test.after(() => rmSync(folder, { recursive: true }));

const says = (text: string): number[] => [0x66, 0xba, 0xf8, 3, ...[...text].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee])];
/** Says ready, reads port 71h ten times, says ready and done, ends with status 0. */
const CODE = [...says('ready\n'), 0xb9, 10, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, ...says('ready\ndone\n'), 0xb0, 0, 0xe6, 0xf4];
const kernel = join(folder, 'guest.elf');
writeFileSync(kernel, multiboot(CODE));
const OPTIONS: BootOptions = { kernel, 'debug-exit': 0xf4, limit: 'time=10' };

test('an asserted boot', async () => {
  using guest = await boot(OPTIONS);
  const ready = guest.until({ serial: 'ready' });
  assert.ok(ready.instructions < 100);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: ready }).count, 10);
  assert.equal(guest.outcome, { kind: 'debug-exit', value: 0 });
});

test('marks are found in any order, and again after a moment; exits are counted between them', async () => {
  using guest = await boot(OPTIONS);
  const done = guest.until({ serial: 'done' });
  const first = guest.until({ serial: 'ready' });
  const second = guest.until({ serial: 'ready' }, first);
  assert.ok(first.exits < second.exits && second.exits < done.exits && first.timeNs < second.timeNs);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: first, to: second }).count, 10);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: second }).count, 0);
  const all = guest.exits({ keep: 1 });
  assert.equal([all.count, all.first.length], [guest.report.exitsTotal, 1]);
  assert.equal(all.rows.find(({ key }) => key === 'IO_INSTRUCTION in 0x71')?.count, 10);
  assert.is(guest.until({ port: 0xf4, value: 0 }).exits, all.count);
  assert.is(guest.console, 'ready\nready\ndone\n');
  assert.throws(() => guest.until({ serial: 'panic' }), /^serial 'panic' was never reached; the console said last:\nready\nready\ndone$/);
  assert.throws(() => guest.exits({ cause: 'IO' }), /'IO' is no exit reason/);
});

test('a D program is asked of the same run', async () => {
  using guest = await boot(OPTIONS);
  const found = await guest.aggregate('kvm-vexit { @ = count(); }');
  assert.equal(found.get('@')?.[0]?.value, guest.report.exitsTotal);
  assert.equal([...guest.kstats('kvm:0:vcpu-0:exits').values()], [BigInt(guest.report.exitsTotal)]);
  await guest.aggregate('kvm-vexit { @ = cuont(); }').then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /^d: line 1: .*cuont/),
  );
});

test('a snapshot at a mark goes on from there', async () => {
  using guest = await boot(OPTIONS);
  const saved = join(folder, 'ready.snapshot');
  await guest.snapshot(saved, guest.until({ serial: 'ready' }));
  using rest = await boot({ restore: saved });
  assert.is(rest.console, '\nready\ndone\n');
  assert.equal(rest.outcome, guest.outcome);
  assert.is(rest.exits({ cause: 'IO_INSTRUCTION in 0x71' }).count, 10);
});

test('a file of expectations gives its report; what cannot be booted is an error of one line', async () => {
  const yaml = join(folder, 'f.yaml');
  writeFileSync(yaml, 'guest: {kernel: guest.elf, debug-exit: 0xf4}\nexpect: [{exits: IO_INSTRUCTION in 0x71, count: 10}]\n');
  assert.ok((await expectFile(yaml)).ok);
  await boot({ kernel: join(folder, 'nix') }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /^--kernel \S*nix: there is no such file$/),
  );
});

test.run();
