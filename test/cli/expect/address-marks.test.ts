/** Marks at addresses and symbols, where nothing exits. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boot, expectFile } from '../../../vmm/cli/expect/boot.ts';
import { loadSymbols } from '../../../vmm/symbols.ts';

const KERNEL = fileURLToPath(new URL('../../../images/examples/poll.elf', import.meta.url));
const OPTIONS = { kernel: KERNEL, memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' } as const;

const folder = mkdtempSync(join(tmpdir(), 'lucid-address-marks-'));
test.after(() => rmSync(folder, { recursive: true }));

test('a symbol of the guest divides its run, and the run is the one without marks', async () => {
  const guest = `guest: {kernel: ${JSON.stringify(KERNEL)}, memory: 4M, debug-exit: 0xf4, limit: time=1}\nsymbols: ${JSON.stringify(KERNEL)}\n`;
  const marked = join(folder, 'marked.yaml');
  const plain = join(folder, 'plain.yaml');
  writeFileSync(
    marked,
    `${guest}marks:\n  boot: {symbol: boot}\n  wait: {symbol: wait_10ms}\nexpect:\n  - reached: wait\n  - {exits: IO_INSTRUCTION in 0x61, count: 0, between: [start, wait]}\n`,
  );
  writeFileSync(plain, `${guest}expect:\n  - outcome: debug-exit 0\n`);
  const [report, without] = [await expectFile(marked), await expectFile(plain)];
  assert.ok(report.ok, JSON.stringify(report.expectations));
  const [first, second] = report.marks;
  assert.ok((first?.instructions ?? 0) < (second?.instructions ?? 0));
  assert.is(report.exitHash, without.exitHash);
});

test('a guest that is stepped stands before the instruction at an address, each time that it comes there', async () => {
  const address = loadSymbols(KERNEL).address('wait_10ms') as bigint;
  await using guest = await boot(OPTIONS);
  const met = await guest.until({ address });
  assert.is((await guest.registers()).rip, address);
  assert.is(met.instructions, guest.now.instructions);
  assert.equal(guest.find({ address }), met);
  const loop = { address: address + 0x13n };
  const one = await guest.until(loop);
  const two = await guest.until(loop);
  assert.is((await guest.registers()).rip, loop.address);
  assert.ok(two.instructions > one.instructions);
  assert.is(two.exits, one.exits + 1);
});

test.run();
