/** Commands that read files in one go can be interrupted while they wait for one. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';
import { finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-waiting-'));
const test = suite('reading, interrupted');
const at = (name: string): string => join(folder, name);
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});
test.before(async () => {
  execFileSync('mkfifo', [at('fifo')]);
  writeFileSync(at('guest.elf'), multiboot([0x0f, 0xa2, 0xb0, 0, 0xe6, 0xf4])); // cpuid; out f4h, 0
  writeFileSync(at('guest.yaml'), 'guest: {kernel: guest.elf, debug-exit: 0xf4}\nexpect:\n  - {exits: CPUID, count: 1}\n');
  const run = ['run', '--kernel', at('guest.elf'), '--debug-exit', '0xf4', '--no-exits', '--events', at('log')];
  await finished(start('lucid', run, place.xdg));
});

const WAITING = [
  ['events', 'log', '--print', 'perf', '--symbols', 'fifo'],
  ['exits', 'log', '--by', 'rip', '--symbols', 'fifo'],
  ['diff', 'log', 'log', '--by', 'rip', '--symbols', 'fifo'],
  ['expect', 'fifo'],
];

for (const [command = '', ...words] of WAITING) {
  test(`lucid ${command} ends when it is interrupted`, async () => {
    const child = start('lucid', [command, ...words.map((word) => (/^(log|fifo)$/.test(word) ? at(word) : word))], place.xdg);
    const ended = once(child, 'exit');
    // Its end that writes opens when the command reads, and stays open without a word.
    const writer = spawn('sh', ['-c', `exec 3> '${at('fifo')}'; echo read; exec sleep 1000`], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(writer.stdout, 'data');
    child.kill('SIGINT');
    const [status, signal] = await ended;
    writer.kill();
    assert.equal([status, signal], [null, 'SIGINT']);
  });
}

test.run();
