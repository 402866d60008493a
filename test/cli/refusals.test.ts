/** Every option with every kind of bad value, and every kind of bad file: one line that names it and says what would be right, status 2. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { main } from '../../vmm/cli/main.ts';
import { Random } from '../vmm/hostile-guest.ts';
import { multiboot } from '../vmm/guests.ts';

const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-refusals-'));
const at = (name: string): string => join(folder, name);

function file(name: string, bytes: string | Uint8Array): string {
  writeFileSync(at(name), bytes);
  return at(name);
}

const test = suite('refusals');
test.after(() => rmSync(folder, { recursive: true }));

/** Runs a command line in this process; what it said on standard error. */
async function said(args: readonly string[]): Promise<{ status: number; line: string }> {
  const write = process.stderr.write;
  let line = '';
  process.stderr.write = ((text: string | Uint8Array): boolean => {
    line += text;
    return true;
  }) as typeof process.stderr.write;
  try {
    return { status: await main(args), line };
  } finally {
    process.stderr.write = write;
  }
}

async function refuses(args: readonly string[], ...words: readonly (string | RegExp)[]): Promise<void> {
  const { status, line } = await said(args);
  const what = `${args.join(' ')}: ${line}`;
  assert.is(status, 2, what);
  assert.match(line, /^lucid: [ -~]+\n$/, what);
  for (const word of words) assert.match(line, word, what);
}

const run = ['run', '--kernel', BUILTIN];

/** Each option with bad values, and what the line has to say. */
const VALUES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['--memory', ['', 'lots', '-1', '1.5G', '1e3', '64X', '0x40'], /not a size; write 256M or 2G/],
  ['--memory', ['0', '100K', '1020K'], /too small; at least 1M/],
  ['--memory', ['3585M', '4G', '1048575', '99999999999999999999'], /too large; .* at most 3584M/],
  ['--memory', ['1025K'], /not a multiple of 4 KiB/],
  ['--limit', ['', 'x', 'foo=3', ',', 'insns=5,,time=1', 'insns=1 time=1'], /insns=N|write 500000/],
  ['--limit', ['insns', 'insns=', 'insns=abc', 'insns=-5', 'insns=1e6', 'insns=0x10'], /not a number; write 500000, 20M or 1\.5G/],
  ['--limit', ['insns=0', 'time=0', 'wall=0ms', 'insns=0.1'], /must be more than 0/],
  ['--limit', ['insns=99999999999999999999', 'time=99999999999h'], /too large/],
  ['--limit', ['time=', 'time=1x', 'time=soon', 'wall=-1', 'wall=1,5'], /not a time; write 10 \(seconds\), 1\.5s or 20ms|unknown; write/],
  ['--intercept', ['', ',', ' '], /empty; write names such as cr3,pf/],
  ['--intercept', ['foo', 'cr3,foo', 'nmi', 'constructor', '__proto__', 'toString', 'pf cr3', '14'], /not known; known are cr3, .*pf/],
  ['--exit-cost', ['', at('none'), folder], /(No such file or directory|is a directory); give none, default, .* or a JSON file/],
  ['--debug-exit', ['', 'abc', '-1', '65536', '0x10000', '0x', '1.5', '0xf4f4f4'], /not a port; write a number from 0 to 0xffff/],
  ['--debug-exit', ['0x3f8', '0x20', '0x80', '0x604', '0xcf8'], /belongs to .*; a free one is 0xf4/],
  [
    '--rtc',
    ['', 'yesterday', '-5', '99999999999999', '2024-13-45', '2024-1-1', '31/01/2024', '12:00'],
    /not a time from 1970 to 9999; write 2024-/,
  ],
  ['--seed', ['', 'abc', '-5', '4294967296', '1.5'], /not a number from 0 to 4294967295/],
  ['--engine', ['', 'jit', 'fast'], /there is interp/],
  ['--clock', ['x', ''], /unknown; there is virtual, host/],
  ['--idle', ['x', ''], /unknown; there is skip, pace/],
  ['--entry', ['x', 'elf'], /unknown; there is bzimage, .*multiboot/],
  ['--entry', ['bzimage', 'bzimage16'], /lucid-guest\.elf: .*the kind bzimage(16)? was asked for/],
  ['--name', ['', ' ', 'a\nb', '\x1b[31m'], /not a name/],
  ['--serial', ['', '/', folder, join(folder, 'no', 'such', 'folder')], /cannot write it \(.*\); give stdio, null or a file/],
];

for (const [option, values, message] of VALUES) {
  test(`${option}: ${message.source}`, async () => {
    const names = option === '--entry' && message.source.startsWith('lucid') ? [] : [new RegExp(`^lucid: ${option}`)];
    for (const value of values) await refuses([...run, option, value], message, ...names);
  });
}

test('options that are not there, twice there, without a value, and words that are no options', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--bogus'], /--bogus: unknown option; --help lists them/],
    [['--bogus=3'], /--bogus=3: unknown option/],
    [['-k'], /illegal option -- k; see lucid run --help/],
    [['-x'], /option requires an argument -- x/],
    [['-q'], /nothing to trace: -n PROGRAM or -s FILE is missing/],
    [['--Limit', 'insns=1'], /--Limit: unknown option/],
    [['extra'], /extra: not expected/],
    [['--', 'extra'], /extra: not expected/],
    [['--memory', '64M', '--memory', '32M'], /--memory: given more than once/],
    [['--kernel', BUILTIN], /--kernel: given more than once/],
    [['--append'], /--append: needs a value/],
    [['--clock'], /--clock: needs a value/],
    [['--limit'], /--limit: needs a value/],
    [['--no-memory'], /--memory: (needs a value|given more than once)/],
    [['--json=yes'], /--json=yes: a switch takes no value; write --json or --no-json/],
    [['--exits=maybe'], /--exits=maybe: a switch/],
    [['--help=5'], /--help=5: a switch/],
  ];
  for (const [args, message] of cases) await refuses([...run, ...args], message);
  await refuses(['run', '--memory', '64M'], /nothing to run: give a disk image, --kernel FILE, --bios FILE, or --restore FILE/);
  await refuses(['run', '--no-kernel'], /--kernel: needs a value/);
  await refuses(['rum'], /Did you mean run\?/);
  await refuses([], /Which command\? See lucid --help/);
  await refuses(['--json'], /Which command/);
  await refuses(['demo', '--builtin', 'extra'], /extra: not expected/);
});

test('exit cost files that are none', async () => {
  const random = new Uint8Array(3000);
  new Random(5).bytes(random);
  const files: readonly (readonly [string | Uint8Array, RegExp])[] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    [random, /not JSON/],
    ['{"\x1b[31m', /not JSON/],
    ['null', /is an object with reasons/],
    ['[]', /is an object with reasons/],
    ['{"io": 5}', /unknown key 'io'; known are .*, reasons, /],
    ['{"constructor": 5}', /unknown key 'constructor'/],
    ['{"\\u001b[31m": 5}', /unknown key '\.\[31m'/],
    ['{"reasons": 5}', /reasons must be an object of costs/],
    ['{"reasons": {"72": 5}}', /reasons\.72: not a basic exit reason/],
    ['{"reasons": {"10": -5}}', /reasons\.10 must be nanoseconds/],
    ['{"byte": "x"}', /byte must be nanoseconds/],
    ['{"other": 1e300}', /other must be nanoseconds/],
  ];
  for (const [bytes, message] of files) {
    await refuses([...run, '--exit-cost', file('costs', bytes)], /^lucid: --exit-cost \S*costs: /, message);
  }
});

test('kernels: missing, empty, truncated, random, too large for the memory, folders, devices', async () => {
  const elf = readFileSync(BUILTIN);
  const random = new Uint8Array(100_000);
  new Random(6).bytes(random);
  const kernel = (name: string): string[] => ['run', '--kernel', name];
  await refuses(kernel(at('none')), /--kernel \S*none: there is no such file/);
  await refuses(kernel(''), /--kernel '': there is no such file/);
  await refuses(kernel(folder), /is a directory, not a file/);
  await refuses(kernel('/dev/null'), /\/dev\/null: empty; a bzImage, an ELF file .* is needed/);
  await refuses(kernel(file('empty', '')), /empty: empty; a bzImage/);
  await refuses(kernel(file('random', random)), /random: unknown data .*; a bzImage/);
  await refuses(kernel(file('text', 'hello\n')), /text: /);
  for (const length of [1, 4, 51, 52, 63, 64, 100, 500, 5000]) {
    await refuses(kernel(file('cut', elf.subarray(0, length))), /cut: /);
  }
  const large = file('large', elf);
  truncateSync(large, 4 * 2 ** 30);
  await refuses(kernel(large), /--kernel \S*large: is 4096 MB long, more than any guest's memory/);
  // A segment at 900000h, a guest of 8 MB.
  const high = Buffer.from(multiboot([0xf4]));
  high.writeUInt32LE(0x90_0000, 64);
  high.writeUInt32LE(0x90_0000, 24);
  await refuses([...kernel(file('high', high)), '--memory', '8M'], /high: .*memory/);
});

test('firmware: missing, empty, too large, with a kernel', async () => {
  await refuses(['run', '--bios', at('none')], /--bios \S*none: there is no such file/);
  await refuses(['run', '--bios', file('empty', '')], /--bios \S*empty: 0 bytes; a firmware image has at least/);
  const large = file('rom', '');
  truncateSync(large, 17 * 2 ** 20);
  await refuses(['run', '--bios', large], /--bios \S*rom: .*at most 16 MiB/);
  await refuses([...run, '--bios', large], /--kernel: not with --bios/);
  await refuses(['run', '--bios', large, '--append', 'quiet'], /--append: not with --bios/);
});

test('disks: missing, a folder, empty, unknown words', async () => {
  await refuses([...run, '--disk', at('none')], /--disk \S*none: there is no such file/);
  await refuses([...run, '--disk', `${folder},ro`], /--disk \S*: is a directory/);
  await refuses([...run, '--disk', file('empty', '')], /--disk \S*empty: 0 bytes; a disk has at least one sector/);
  await refuses([...run, '--disk', 'x,rw'], /--disk x,rw: 'rw' is unknown; there is ro, snapshot, overlay=FILE, format=raw\|qcow2/);
  await refuses([...run, '--disk', ',ro'], /which file\?/);
  await refuses(
    [...run, '--disk', 'x,if=scsi'],
    /--disk x,if=scsi: interface 'scsi' is unknown; there is virtio, ide; a CD is given by --cdrom/,
  );
  await refuses([...run, '--cdrom', at('none')], /--cdrom \S*none: there is no such file/);
  const five = Array.from({ length: 5 }, () => ['--disk', 'x,if=ide']).flat();
  await refuses([...run, ...five], /--disk: 5 IDE drives; there is room for 4/);
  await refuses([...run, 'disk.img'], /disk\.img: not expected beside --kernel; a disk of a kernel is given as --disk disk\.img/);
});

test('processors: no number, none, too many, an unknown model', async () => {
  for (const cpus of ['0', '9', 'two', '-1', '1.5']) await refuses([...run, `--cpus=${cpus}`], /--cpus \S+: not a number from 1 to 8/);
  await refuses([...run, '--cpu', 'v4'], /--cpu v4: unknown; there is v1, v2, v3, max/);
});

test('a device without end is read no further than an image can be long', async () => {
  await refuses(['run', '--kernel', '/dev/zero'], /--kernel \/dev\/zero: goes on for more than 512 MB/);
});

test('initial ramdisks: missing, a folder, too large', async () => {
  await refuses([...run, '--initrd', at('none')], /--initrd \S*none: there is no such file/);
  await refuses([...run, '--initrd', folder], /--initrd .*is a directory/);
  const big = file('big', '');
  truncateSync(big, 40 * 2 ** 20);
  await refuses([...run, '--initrd', big, '--memory', '16M'], /--initrd|initrd \S*big .*--memory/);
});

test('a file that may not be read is named', async () => {
  if (process.getuid?.() === 0) return; // root may read everything
  const secret = file('secret', 'x');
  execFileSync('chmod', ['000', secret]);
  await refuses(['run', '--kernel', secret], /secret: you may not read it/);
});

test('the serial file is touched only by a run that starts, and never is the kernel', async () => {
  const keep = file('keep', 'precious');
  await refuses(['run', '--kernel', at('none'), '--serial', keep], /none/);
  await refuses([...run, '--bogus', '--serial', keep], /bogus/);
  assert.is(readFileSync(keep, 'utf8'), 'precious');
  mkdirSync(at('sub'), { recursive: true });
  const kernel = file('kernel', readFileSync(BUILTIN));
  await refuses(['run', '--kernel', kernel, '--serial', join(folder, 'sub', '..', 'kernel')], /--serial .*would overwrite --kernel/);
  const disk = file('disk', new Uint8Array(512).fill(7));
  await refuses([...run, '--disk', disk, '--serial', disk], /--serial .*would overwrite --disk/);
  assert.equal(readFileSync(disk), Buffer.alloc(512, 7));
  assert.is(readFileSync(kernel).length, readFileSync(BUILTIN).length);
});

test('a serial file that takes no more ends the run with one line', async () => {
  await refuses([...run, '--serial', '/dev/full'], /--serial \/dev\/full: cannot write it \(ENOSPC\)/);
});

test.run();
