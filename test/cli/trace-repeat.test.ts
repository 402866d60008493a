/** The trace of a run repeats, byte for byte, whatever the size of its buffer, and the run is the one that it is without. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('trace repeats');

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const PROGRAM = `
  sdt::: { printf("%s %x %x %d %x", probename, arg0, arg1, timestamp, vmregs[VMX_GUEST_RIP]); }
  profile-997 { stack(); ustack(); trace(walltimestamp); trace(rand()); }
  tick-1ms { @[probename] = count(); printa(@); }
  END { printf("%d", vtimestamp); }`;

function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LUCID, 'run', '--kernel', BUILTIN, ...args], {
    encoding: 'utf8',
    input: '',
    timeout: 60_000,
    maxBuffer: 64 << 20,
  });
  assert.is(status, 0, stderr);
  assert.not.match(stderr, /drop/);
  return stdout;
}

test('a trace is the same with 4 kB and with 1 MB of buffer', () => {
  const traces = ['4k', '4k', '1m'].map((bytes) => run('--serial', 'null', '-x', `bufsize=${bytes}`, '-n', PROGRAM));
  assert.ok((traces[0] as string).length > 500_000, String(traces[0]?.length));
  assert.ok(traces.every((trace) => trace === traces[0]));
});

test('the console is the same with and without a program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-trace-'));
  try {
    const console = (...args: string[]): string => {
      const file = join(folder, 'console');
      run('--serial', file, ...args);
      return readFileSync(file, 'utf8');
    };
    const plain = console();
    assert.match(plain, /BOOT-OK/);
    assert.is(console('-qn', 'sdt::: { @[probename] = count(); } tick-1ms { trace(1); }'), plain);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
