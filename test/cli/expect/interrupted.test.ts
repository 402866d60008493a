/** `lucid expect` that is interrupted: what is left behind, and what is not. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../../vmm/guests.ts';

const LUCID = fileURLToPath(new URL('../../../vmm/cli/lucid.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-interrupting-'));
const temporary = join(folder, 'tmp');
const test = suite('lucid expect, interrupted');
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

test.before(() => {
  mkdirSync(temporary);
  // out 3f8h, 'r'; l: cpuid; mov ecx,20000; loop $; jmp l
  const code = [0x66, 0xba, 0xf8, 3, 0xb0, 0x72, 0xee, 0x0f, 0xa2, 0xb9, 0x20, 0x4e, 0, 0, 0xe2, 0xfe, 0xeb, 0xf5];
  writeFileSync(at('loop.elf'), multiboot(code));
  const expectations = '  - {exits: CPUID, count: {min: 1}}\n  - baseline: {counts: exact}\n';
  writeFileSync(at('loop.yaml'), `guest: {kernel: loop.elf, serial: console}\nexpect:\n${expectations}`);
});

/** Starts the command, sends the signal as soon as `ready` is true, and gives its end. */
async function interrupted(signal: NodeJS.Signals, ready: () => boolean, ...args: string[]) {
  const env = { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: folder };
  const child = spawn(process.execPath, [LUCID, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const status = new Promise<number | null>((resolve) => child.on('close', resolve));
  const look = setInterval(() => {
    if (!ready()) return;
    clearInterval(look);
    child.kill(signal);
  }, 1);
  const ended = await status;
  clearInterval(look);
  return { status: ended, out };
}

/** The guest runs: it has said something. */
const runs = (): boolean => (statSync(at('console'), { throwIfNoEntry: false })?.size ?? 0) > 0;
const logs = (): boolean => readdirSync(temporary).length > 0;

test('nothing is left in the directory for temporary files, early or late', async () => {
  assert.is((await interrupted('SIGINT', logs, 'exits', '--', '--kernel', at('loop.elf'))).status, 130);
  assert.equal(readdirSync(temporary), []);
  assert.is((await interrupted('SIGHUP', runs, 'expect', '--update', at('loop.yaml'))).status, 130);
  assert.equal(readdirSync(temporary), []);
});

test('the baseline is not written, files after this one are not run, and the report says what was', async () => {
  rmSync(at('console'));
  const { out, status } = await interrupted(
    'SIGTERM',
    runs,
    'expect',
    '--update',
    '--junit',
    at('all.xml'),
    at('loop.yaml'),
    at('loop.yaml'),
  );
  assert.is(status, 130);
  assert.not(existsSync(`${at('loop.yaml')}.baseline.json`));
  assert.match(out, /^NOT MET baseline: counts exact\n +not written, as the run did not come to its end$/m);
  assert.is(out.match(/loop\.yaml: 1 of 2 expectations met/g)?.length, 1);
  assert.match(readFileSync(at('all.xml'), 'utf8'), '<testsuites tests="3" failures="1" errors="0">');
});

test.run();
