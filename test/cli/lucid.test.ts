import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { main } from '../../vmm/cli/main.ts';
import { multiboot } from '../vmm/guests.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-cli-'));

function kernel(name: string, code: readonly number[]): string {
  const file = join(folder, name);
  writeFileSync(file, multiboot(code));
  return file;
}

function lucid(...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LUCID, ...args], { encoding: 'utf8', input: '', timeout: 60_000 });
  return { status, out: stdout, err: stderr };
}

/** The same within this process: only for what starts no guest. */
async function refused(args: string[]): Promise<{ status: number; err: string }> {
  const write = process.stderr.write;
  let err = '';
  process.stderr.write = ((text: string | Uint8Array): boolean => {
    err += text;
    return true;
  }) as typeof process.stderr.write;
  try {
    const status = await main(args);
    return { status, err };
  } finally {
    process.stderr.write = write;
  }
}

const LOOP = [0xeb, 0xfe];
/** mov al, 3; out 0xf4, al */
const DEBUG_EXIT = [0xb0, 3, 0xe6, 0xf4, ...LOOP];

const test = suite('lucid');
test.after(() => rmSync(folder, { recursive: true }));

test('--help tells the commands, --version the version', () => {
  const help = lucid('--help');
  assert.is(help.status, 0);
  assert.match(help.out, /lucid run/);
  assert.match(help.out, /lucid demo/);
  assert.match(lucid('run', '--help').out, /--exit-cost/);
  assert.match(lucid('--version').out, /^\d+\.\d+\.\d+\n$/);
});

test('--name names the VM, of the demo too', () => {
  const { status, out } = lucid('demo', '--builtin', '--name', 'box', '--limit', 'insns=1000', '--json');
  assert.is(status, 4);
  assert.is(JSON.parse(out).name, 'box');
});

test('bad options and files are one line and status 2', async () => {
  const cases: [string[], RegExp][] = [
    [[], /Which command/],
    [['frob'], /frob|Did you mean/],
    [['run'], /kernel/],
    [['run', '--kernel', join(folder, 'none')], /none: there is no such file/],
    [['run', '--kernel', folder], /is a directory/],
    [['run', '--kernel', LUCID], /lucid\.ts: /],
    [['run', '--kernel', BUILTIN, '--initrd', join(folder, 'none')], /--initrd .*none: there is no such file/],
    [['run', '--kernel', BUILTIN, '--memory', '9G'], /memory '9G': too large/],
    [['run', '--kernel', BUILTIN, '--limit', 'x=1'], /--limit x=1/],
    [['run', '--kernel', BUILTIN, '--intercept', 'foo'], /--intercept foo/],
    [['run', '--kernel', BUILTIN, '--exit-cost', join(folder, 'none')], /--exit-cost/],
    [['run', '--kernel', BUILTIN, '--engine', 'jit'], /--engine jit: not built yet/],
    [['run', '--kernel', BUILTIN, '--serial', join(folder, 'no', 'such')], /--serial .*such: cannot write/],
    [['run', '--kernel', BUILTIN, '--clock', 'sundial'], /clock/],
    [['run', '--kernel', BUILTIN, '--frob'], /frob/],
  ];
  for (const [args, message] of cases) {
    const { status, err } = await refused(args);
    assert.is(status, 2, `${args.join(' ')}: ${err}`);
    assert.match(err, message);
    assert.ok(/^lucid: [^\n]*\n$/.test(err), err);
  }
});

test('the built-in guest powers off with status 0; --exits and --json tell what it did', () => {
  const plain = lucid('run', '--kernel', BUILTIN, '--exits');
  assert.is(plain.status, 0, plain.err);
  assert.match(plain.out, /BOOT-OK/);
  assert.match(plain.err, /IO_INSTRUCTION +[\d,]+ +[\d.]+ %/);
  assert.match(plain.err, /interrupts injected: \d/);
  const json = lucid('run', '--kernel', BUILTIN, '--json', '--name', 'box');
  assert.match(json.err, /BOOT-OK/);
  const report = JSON.parse(json.out);
  assert.is(report.name, 'box');
  assert.is(report.outcome.kind, 'power-off');
  assert.ok(report.instructions > 1_000_000);
});

test('the serial port goes to a file', () => {
  const file = join(folder, 'serial.txt');
  const run = lucid('run', '--kernel', BUILTIN, '--serial', file);
  assert.is(run.status, 0);
  assert.is(run.out, '');
  assert.match(readFileSync(file, 'utf8'), /BOOT-OK/);
});

test('the debug-exit value is the status, shifted and odd', () => {
  assert.is(lucid('run', '--kernel', kernel('exit', DEBUG_EXIT), '--debug-exit', '0xf4').status, 7);
});

test('limits end a run with status 4', () => {
  const loop = kernel('loop', LOOP);
  assert.is(lucid('run', '--kernel', loop, '--limit', 'insns=1M').status, 4);
  assert.is(lucid('run', '--kernel', loop, '--limit', 'time=1ms').status, 4);
  const wall = lucid('run', '--kernel', loop, '--limit', 'wall=100ms');
  assert.is(wall.status, 4);
  assert.match(wall.err, /limit of wall time/);
});

test('a guest that dies is told with registers and status 6', () => {
  const { status, err } = lucid('run', '--kernel', kernel('die', [0x0f, 0x0b]));
  assert.is(status, 6);
  assert.match(err, /the guest died: triple fault/);
  assert.match(err, /-> 0010000c {2}0f0b +ud2/);
});

test('exit costs can be none: the clock is the instruction count and idle time', () => {
  const { out } = lucid('run', '--kernel', kernel('exit', DEBUG_EXIT), '--debug-exit', '0xf4', '--exit-cost', 'none', '--json');
  const report = JSON.parse(out);
  assert.is(report.clockNs, report.instructions);
  assert.is(report.exitTimeNs, 0);
});

test('an interrupt ends the run with status 130', async () => {
  // mov edx, 3f8h; mov al, '.'; out dx, al; jmp $
  const speaking = kernel('speaking', [0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 0x2e, 0xee, 0xeb, 0xfe]);
  const child = spawn(process.execPath, [LUCID, 'run', '--kernel', speaking, '--exits'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  child.stdout.once('data', () => child.kill('SIGINT'));
  const status = await new Promise((resolve) => child.on('close', (code) => resolve(code)));
  assert.is(status, 130, err);
  assert.match(err, /interrupted/);
});

test.run();
