/** Expectations in TypeScript: from nothing to an asserted boot in ten lines, and what else a guest can be asked where it stands. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type BootOptions, expectFile, type MarkMissedError } from '../../../vmm/cli/expect/boot.ts';
import { CODE as ENTRY, multiboot } from '../../vmm/guests.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-boot-'));
const test = suite('the library form');
test.after(() => rmSync(folder, { recursive: true }));

const says = (text: string): number[] => [0x66, 0xba, 0xf8, 3, ...[...text].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee])];
/** Says ready, reads port 71h ten times, says ready and done, ends with status 0. */
const CODE = [...says('ready\n'), 0xb9, 10, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, ...says('ready\ndone\n'), 0xb0, 0, 0xe6, 0xf4];
/** Of the LOOP behind the reads. */
const LOOP = says('ready\n').length + 5 + 2;
const kernel = join(folder, 'guest.elf');
writeFileSync(kernel, multiboot(CODE));
const OPTIONS: BootOptions = { kernel, 'debug-exit': 0xf4, limit: 'time=10' };

async function fails(what: Promise<unknown>, message: RegExp): Promise<Error> {
  try {
    await what;
  } catch (error) {
    assert.match((error as Error).message, message);
    return error as Error;
  }
  return assert.unreachable() as never;
}

test('an asserted boot', async () => {
  await using guest = await boot(OPTIONS);
  const ready = await guest.until({ serial: 'ready' });
  assert.ok(ready.instructions < 100);
  assert.equal(await guest.run(), { kind: 'debug-exit', value: 0 });
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: ready }).count, 10);
});

test('a guest stands before its first instruction, and at each mark after the instruction that completes it', async () => {
  await using guest = await boot(OPTIONS);
  assert.equal(guest.now, { timeNs: 0, exits: 0, instructions: 0, said: 0 });
  assert.is((await guest.registers()).rip, BigInt(ENTRY));
  const first = await guest.until({ serial: 'ready' });
  assert.is(guest.console, 'ready');
  assert.equal([guest.now.exits, guest.now.instructions], [first.exits, first.instructions + 1]);
  assert.is((await guest.registers()).rax & 0xffn, BigInt('y'.charCodeAt(0)));
  const second = await guest.until({ serial: 'ready' });
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: first }).count, 10);
  assert.equal([...guest.kstats('kvm:0:vcpu-0:exits').values()], [BigInt(second.exits)]);
  assert.equal(await guest.memory.read(ENTRY, 4), await guest.memory.read(ENTRY, 4, { linear: true }));
  assert.equal([...(await guest.memory.read(ENTRY, 4))], CODE.slice(0, 4));
  assert.is(guest.outcome, undefined);
  assert.is((await guest.until({ port: 0xf4, value: 0 })).exits, guest.report?.exitsTotal);
  assert.equal(guest.outcome, { kind: 'debug-exit', value: 0 });
});

test('an address is reached before its instruction runs, also where nothing exits; each time it is reached it is found', async () => {
  await using guest = await boot(OPTIONS);
  const { rip } = await guest.registers();
  const entry = await guest.until({ address: rip });
  assert.equal([entry.instructions, guest.now.instructions, (await guest.registers()).rip], [0, 0, rip]);
  // The second OUT, which exits; the LOOP behind IN, which does not.
  const out = await guest.until({ address: rip + 9n });
  assert.equal([guest.console, guest.now.instructions], ['r', out.instructions]);
  const [loop, port] = [rip + BigInt(LOOP), rip + BigInt(LOOP - 2)];
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    assert.is((await guest.until({ address: port })).instructions, guest.now.instructions);
    times.push((await guest.until({ address: loop })).instructions);
    assert.is((await guest.registers()).rip, loop);
  }
  assert.equal(
    times,
    times.map((_, i) => (times[0] as number) + 2 * i),
  );
  await fails(guest.until({ address: port }), /^address 0x[0-9a-f]+ was not reached/);
  const first = guest.find({ address: loop });
  assert.equal([first?.instructions, guest.find({ address: loop }, first)?.instructions], times.slice(0, 2));
});

test('what has run is looked up in any order; exits are counted between moments', async () => {
  await using guest = await boot(OPTIONS);
  await guest.run();
  const done = guest.find({ serial: 'done' });
  const first = guest.find({ serial: 'ready' });
  const second = guest.find({ serial: 'ready' }, first);
  assert.ok(done !== undefined && first !== undefined && second !== undefined);
  assert.ok(first.exits < second.exits && second.exits < done.exits && first.timeNs < second.timeNs);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: first, to: second }).count, 10);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: second }).count, 0);
  const all = guest.exits({ keep: 1 });
  assert.equal([all.count, all.first.length], [guest.report?.exitsTotal, 1]);
  assert.equal(all.rows.find(({ key }) => key === 'IO_INSTRUCTION in 0x71')?.count, 10);
  assert.is(guest.find({ port: 0xf4, value: 0 })?.exits, all.count);
  assert.is(guest.find({ serial: 'panic' }), undefined);
  assert.throws(() => guest.exits({ cause: 'IO' }), /'IO' is no exit reason/);
});

test('a guest that ends before a mark, or comes to a limit, is told with its last lines', async () => {
  await using guest = await boot(OPTIONS);
  const limited = await fails(
    guest.until({ serial: 'ready' }, { limit: 'insns=10' }),
    /^serial 'ready' was not reached \(the limit of instructions was reached\)/,
  );
  assert.is((limited as MarkMissedError).outcome.kind, 'limit');
  assert.is(guest.now.instructions, 10);
  await guest.until({ serial: 'ready' });
  const missed = await fails(
    guest.until({ serial: 'panic' }),
    /^serial 'panic' was not reached \(.*\); the console said last:\nready\nready\ndone$/,
  );
  assert.equal((missed as MarkMissedError).outcome, { kind: 'debug-exit', value: 0 });
  await fails(guest.until({ serial: 'ready' }), /the guest has ended/);
});

test('a D program counts from where it is enabled, and anew from where it is cleared', async () => {
  await using guest = await boot(OPTIONS);
  const all = await guest.trace('kvm-vexit { @ = count(); }');
  const part = await guest.trace('kvm-vexit { @n = count(); @most = max(timestamp); @q = quantize(1); }');
  const count = (): number | undefined => all.aggregations.get('@')?.[0]?.value;
  assert.is(count(), undefined);
  const first = await guest.until({ serial: 'ready' });
  assert.is(count(), first.exits);
  await part.clear();
  assert.equal(part.aggregations.get('@n'), []);
  const second = await guest.until({ serial: 'ready' });
  assert.is(count(), second.exits);
  assert.is(part.aggregations.get('@n')?.[0]?.value, second.exits - first.exits);
  assert.equal(part.aggregations.get('@q')?.[0]?.buckets, [{ least: 1, most: 1, count: second.exits - first.exits }]);
  await guest.run();
  assert.is(count(), guest.report?.exitsTotal);
  await using other = await boot(OPTIONS);
  await fails(other.trace('kvm-vexit { @ = cuont(); }'), /^d: line 1: .*cuont/);
});

test('a snapshot at a mark goes on from there', async () => {
  await using guest = await boot(OPTIONS);
  const saved = join(folder, 'ready.snapshot');
  await guest.until({ serial: 'ready' });
  await guest.snapshot(saved);
  await using rest = await boot({ restore: saved });
  assert.equal(await rest.run(), await guest.run());
  assert.is(rest.console, '\nready\ndone\n');
  assert.is(rest.exits({ cause: 'IO_INSTRUCTION in 0x71' }).count, 10);
});

test('a file of expectations gives its report; what cannot be booted is an error of one line', async () => {
  const yaml = join(folder, 'f.yaml');
  writeFileSync(yaml, 'guest: {kernel: guest.elf, debug-exit: 0xf4}\nexpect: [{exits: IO_INSTRUCTION in 0x71, count: 10}]\n');
  assert.ok((await expectFile(yaml)).ok);
  await fails(boot({ kernel: join(folder, 'nix') }), /^--kernel \S*nix: there is no such file$/);
});

test.run();
