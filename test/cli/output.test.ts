/** Where the output goes: pipes that close early or stall, disks that are full, a guest that prints megabytes, JSON for machines. */
import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-output-'));

const test = suite('output');
test.after(() => rmSync(folder, { recursive: true }));

/** Lines of 63 letters, each line one letter, for ever round the alphabet: `lines` of them, then S5. */
function printer(lines: number): string {
  const kernel = join(folder, `print-${lines}`);
  const code = [
    0x66,
    0xba,
    0xfb,
    0x03,
    0xb0,
    0x03,
    0xee, // words of 8 bits
    0xbb,
    lines & 0xff,
    (lines >> 8) & 0xff,
    lines >> 16,
    0, // mov ebx, lines
    0xb4,
    0x61, // mov ah, 'a'
    0xb9,
    63,
    0,
    0,
    0, // line: mov ecx, 63
    0x66,
    0xba,
    0xfd,
    0x03,
    0xec,
    0xa8,
    0x20,
    0x74,
    0xfb, // next: mov dx, 3fdh; wait for the holding register
    0x66,
    0xba,
    0xf8,
    0x03,
    0x88,
    0xe0,
    0xee,
    0xe2,
    0xee, // mov dx, 3f8h; mov al, ah; out dx, al; loop next
    0xb0,
    0x0a,
    0xee, // newline
    0xfe,
    0xc4,
    0x80,
    0xfc,
    0x7b,
    0x75,
    0x02,
    0xb4,
    0x61, // inc ah; cmp ah, '{'; jne; mov ah, 'a'
    0x4b,
    0x75,
    0xda, // dec ebx; jnz line
    0x66,
    0xba,
    0x04,
    0x06,
    0x66,
    0xb8,
    0x00,
    0x34,
    0x66,
    0xef,
    0xf4, // S5
  ];
  writeFileSync(kernel, multiboot(code));
  return kernel;
}

function expected(lines: number): string {
  return Array.from({ length: lines }, (_, i) => `${String.fromCharCode(97 + (i % 26)).repeat(63)}\n`).join('');
}

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function lucid(args: readonly string[], options: SpawnOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [LUCID, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString('latin1');
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk.toString('latin1');
    });
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

test('a reader that leaves ends the run without a word of JavaScript', () => {
  const one = spawnSync('sh', ['-c', '"$@" | head -n 1', 'sh', process.execPath, LUCID, 'run', '--kernel', printer(200_000)], {
    encoding: 'utf8',
  });
  assert.is(one.stdout, `${'a'.repeat(63)}\n`);
  assert.match(one.stderr, /^(lucid: interrupted\n)?$/);
  const help = spawnSync('sh', ['-c', '"$@" | head -n 1', 'sh', process.execPath, LUCID, 'run', '--help'], { encoding: 'utf8' });
  assert.is(help.stdout, 'lucid run [image]\n');
  assert.is(help.stderr, '');
});

test('a full disk is told in one line, status 2', async () => {
  const full = openSync('/dev/full', 'w');
  try {
    const console = await lucid(['run', '--kernel', BUILTIN, '--no-exits'], { stdio: ['ignore', full, 'pipe'] });
    assert.is(console.status, 2, console.err);
    assert.match(console.err, /(^|\n)lucid: standard output: cannot write it \(ENOSPC\)\n$/);
    assert.not.match(console.err, / at /);
    const json = await lucid(['run', '--kernel', BUILTIN, '--json'], { stdio: ['ignore', full, 'pipe'] });
    assert.is(json.status, 2, json.err);
    // Nowhere to complain to: the guest runs all the same.
    const mute = await lucid(['run', '--kernel', BUILTIN, '--exits'], { stdio: ['ignore', 'pipe', full] });
    assert.is(mute.status, 0);
    assert.match(mute.out, /BOOT-OK/);
  } finally {
    closeSync(full);
  }
});

test('closed standard streams are no obstacle', () => {
  for (const closed of ['<&-', '>&-', '2>&-', '<&- >&- 2>&-']) {
    const { status } = spawnSync('sh', ['-c', `"$@" ${closed}`, 'sh', process.execPath, LUCID, 'run', '--kernel', BUILTIN]);
    assert.is(status, 0, closed);
  }
});

test('megabytes of output through a reader that stalls: nothing lost, nothing piled up', async () => {
  const lines = 32_000;
  const child = spawn(process.execPath, [LUCID, 'run', '--kernel', printer(lines), '--exits'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise((resolve) => child.on('close', resolve));
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  // The pipe fills and the guest has to wait.
  await setTimeout(1200);
  let out = '';
  for await (const chunk of child.stdout) {
    out += (chunk as Buffer).toString('latin1');
    // A slow reader.
    if (out.length % 7 === 0) await setTimeout(1);
  }
  assert.is(await closed, 0, err);
  assert.is(out.length, lines * 64);
  assert.ok(out === expected(lines));
  const peak = Number((/peak resident ([\d,]+) kB/.exec(err)?.[1] ?? '').replaceAll(',', ''));
  assert.ok(peak > 0 && peak < 250_000, `${peak} kB`);
});

test('a stalled reader does not keep an interrupted run from ending', async () => {
  const child = spawn(process.execPath, [LUCID, 'run', '--kernel', printer(200_000), '--no-exits'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  // It speaks; what it says more is not read.
  await new Promise((resolve) => child.stdout.once('readable', resolve));
  await setTimeout(500);
  child.kill('SIGINT');
  const end = await Promise.race([exited, setTimeout(15_000, 'still there', { ref: false })]);
  child.kill('SIGKILL');
  assert.is(end, 130);
});

test('output to a file is complete', async () => {
  const file = join(folder, 'serial');
  const { status } = await lucid(['run', '--kernel', printer(3000), '--serial', file]);
  assert.is(status, 0);
  const { stdout } = spawnSync('cat', [file], { encoding: 'latin1' });
  assert.ok(stdout === expected(3000));
});

/** Everything that is a number in a report, by its path. */
function numbersOf(value: unknown, path: string, into: Map<string, number>): Map<string, number> {
  if (typeof value === 'number') into.set(path, value);
  else if (typeof value === 'object' && value !== null) for (const [k, v] of Object.entries(value)) numbersOf(v, `${path}.${k}`, into);
  return into;
}

test('--json is one object with everything, however the run ends', async () => {
  const loop = join(folder, 'loop');
  writeFileSync(loop, multiboot([0xeb, 0xfe]));
  const die = join(folder, 'die');
  writeFileSync(die, multiboot([0x0f, 0x0b]));
  const exit = join(folder, 'exit');
  writeFileSync(exit, multiboot([0xb0, 3, 0xe6, 0xf4, 0xeb, 0xfe]));
  const cases: readonly (readonly [readonly string[], number, object])[] = [
    [[BUILTIN], 0, { kind: 'power-off' }],
    [[loop, '--limit', 'insns=777'], 4, { kind: 'limit', which: 'insns' }],
    [[die], 6, { kind: 'died', why: 'triple fault' }],
    [[exit, '--debug-exit', '0xf4'], 7, { kind: 'debug-exit', value: 3 }],
  ];
  for (const [args, status, outcome] of cases) {
    const ran = await lucid(['run', '--json', '--kernel', ...args]);
    assert.is(ran.status, status, ran.err);
    assert.match(ran.out, /^\{[^\n]*\}\n$/);
    const report = JSON.parse(ran.out);
    assert.equal(report.outcome, outcome);
    assert.is(report.exitStatus, status);
    const keys = [
      'name',
      'instructions',
      'clockNs',
      'idleNs',
      'exits',
      'exitsTotal',
      'exitTimeNs',
      'exitHash',
      'interrupts',
      'pagesTouched',
      'engine',
      'host',
    ];
    for (const key of keys) assert.ok(key in report, key);
    for (const [path, value] of numbersOf(report, '', new Map())) assert.ok(Number.isFinite(value) && value >= 0, `${path} ${value}`);
    assert.is(
      report.exits.reduce((sum: number, e: { count: number }) => sum + e.count, 0),
      report.exitsTotal,
    );
    assert.match(report.exitHash, /^[0-9a-f]{16}$/);
    // The registers of a dead guest are for people, and go to standard error.
    if (status === 6) assert.match(ran.err, /the guest died: triple fault\n/);
  }
});

test.run();
