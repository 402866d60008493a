/** `kstat`: forms of output, what is selected, intervals, refusals; on VMs that run nothing, and as a process. */
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kstat, KSTAT_USAGE } from '../../vmm/cli/kstat-command.ts';
import { compilePattern } from '../../vmm/cli/kstat-select.ts';
import type { Kstat } from '../../vmm/kstat.ts';
import { type FakeVm, fakeVm } from '../vmm/fake-vm.ts';
import { finished, type Ran, run, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const DISK: Kstat = {
  module: 'virtio_blk',
  instance: 0,
  name: 'vda',
  class: 'disk',
  type: 'io',
  crtime: 0,
  stats: { nread: { value: 4096 }, reads: { value: 1 }, writes: { value: 0 } },
};
let vm: FakeVm;

const test = suite('kstat');
test.before(async () => {
  vm = await fakeVm(place.directory, { name: 'box', pid: 4668, vcpus: 2, more: [DISK] });
  vm.set('ICOUNT', 43_219_000_000_000n);
  vm.set('CLOCK_OFFSET', 723_435_123n);
  vm.set('KS_EXITS', 5_367_443n);
  vm.set('EXIT_COUNT', 18_446_744_073_709_551_615n, 30);
  vm.set('KS_EXITS', 12n, 0, 1);
});
test.after(() => {
  vm.end();
  place.remove();
});

const at = (directory: string, ...args: string[]): Promise<Ran> => run(kstat, directory, args);
const of = (...args: string[]): Promise<Ran> => at(place.directory, ...args);
/** The kstats and statistics that are named. */
const names = async (...args: string[]): Promise<string[]> => (await of('-l', ...args)).out.trimEnd().split('\n');

test('the default form, to the byte', async () => {
  const { status, out, err } = await of('-n', 'vcpu-1', '-i', '0');
  assert.is(err, '');
  assert.is(status, 0);
  const line = (name: string, value: string | number): string => `\t${name.padEnd(32)}${value}\n`;
  assert.is(
    out,
    'module: kvm                             instance: 0     \n' +
      'name:   vcpu-1                          class:    misc\n' +
      line('crtime', '0.000000000') +
      line('exits', 5367443) +
      line('fpu-reload', 0) +
      line('halt-exits', 0) +
      line('halt-wakeup', 0) +
      line('host-state-reload', 0) +
      line('hypercalls', 0) +
      line('insn-emulation', 0) +
      line('inst-emulation-fail', 0) +
      line('invlpg', 0) +
      line('io-exits', '18446744073709551615') +
      line('irq-exits', 0) +
      line('irq-injections', 0) +
      line('irq-window-exits', 0) +
      line('mmio-exits', 0) +
      line('nmi-injections', 0) +
      line('nmi-window-exits', 0) +
      line('pf-fixed', 0) +
      line('pf-guest', 0) +
      line('pid', 4668) +
      line('request-irq-exits', 0) +
      line('signal-exits', 0) +
      line('snaptime', '43219.723435123') +
      line('zonename', 'box') +
      '\n',
  );
});

test('-p, -l, -C and -q', async () => {
  assert.equal(await of('-p', 'kvm:0:vcpu-1:exits'), { status: 0, out: 'kvm:0:vcpu-1:exits\t5367443\n', err: '' });
  assert.equal(await of('-l', 'kvm:0:vcpu-1:exits'), { status: 0, out: 'kvm:0:vcpu-1:exits\n', err: '' });
  assert.equal(await of('-C', 'kvm:0:vcpu-1:exits'), { status: 0, out: 'kvm:0:vcpu-1:exits:5367443\n', err: '' });
  assert.equal(await of('-q', 'kvm:0:vcpu-1:exits'), { status: 0, out: '', err: '' });
  assert.equal(await of('-q', 'kvm:0:vcpu-1:no-such'), { status: 1, out: '', err: '' });
  // The parsable form has the class among the statistics.
  assert.is(
    (await of('-p', 'virtio_blk')).out,
    'virtio_blk:0:vda:class\tdisk\nvirtio_blk:0:vda:crtime\t0.000000000\nvirtio_blk:0:vda:nread\t4096\nvirtio_blk:0:vda:reads\t1\n' +
      'virtio_blk:0:vda:snaptime\t43219.723435123\nvirtio_blk:0:vda:writes\t0\n',
  );
});

test('-j is one array, with every digit of a counter', async () => {
  const { status, out } = await of('-j', 'kvm:0:vcpu-1:/^(exits|io-exits|zonename)$/', 'virtio_blk:0:vda:reads');
  assert.is(status, 0);
  assert.is(
    out,
    '[{\n\t"module": "kvm",\n\t"instance": 0,\n\t"name": "vcpu-1",\n\t"class": "misc",\n\t"type": 1,\n\t"snaptime": 43219.723435123,\n\t"data": {\n' +
      '\t\t"exits": 5367443,\n\t\t"io-exits": 18446744073709551615,\n\t\t"zonename": "box"\n\t}\n},{\n\t"module": "virtio_blk",\n' +
      '\t"instance": 0,\n\t"name": "vda",\n\t"class": "disk",\n\t"type": 3,\n\t"snaptime": 43219.723435123,\n\t"data": {\n\t\t"reads": 1\n\t}\n}]\n',
  );
  assert.equal(await of('-j', 'nothing'), { status: 1, out: '[]\n', err: '' });
});

test('--openmetrics and --prometheus: what is selected, once, with the number of its VM', async () => {
  const disk = 'vm="box",vmid="1",device="vda",driver="virtio_blk"';
  assert.equal(await of('--openmetrics', 'virtio_blk:0:vda:n*', 'virtio_blk:::nread'), {
    status: 0,
    out:
      '# TYPE lucid_disk_read_bytes counter\n# UNIT lucid_disk_read_bytes bytes\n# HELP lucid_disk_read_bytes Bytes read.\n' +
      `lucid_disk_read_bytes_total{${disk}} 4096\n# EOF\n`,
    err: '',
  });
  assert.equal(await of('--prometheus', '-s', 'reads'), {
    status: 0,
    out:
      '# HELP lucid_disk_reads_completed_total Reads completed.\n# TYPE lucid_disk_reads_completed_total counter\n' +
      `lucid_disk_reads_completed_total{${disk}} 1\n`,
    err: '',
  });
  assert.equal(await of('--openmetrics', 'nothing'), { status: 1, out: '# EOF\n', err: '' });
  assert.match((await of('--prometheus')).out, /^lucid_vm_info\{vm="box",vmid="1",pid="4668"\} 1$/m);
  for (const form of ['-q', '-j', '-l', '-Tu', '--prometheus']) {
    const { status, err } = await of('--openmetrics', form);
    assert.is(status, 2);
    assert.match(err, /^--openmetrics, --prometheus and -CjlpqT are mutually exclusive\n/);
  }
});

test('each field takes a glob or a regular expression', async () => {
  assert.equal(await names('-s', 'exits', '-n', 'vcpu-*'), ['kvm:0:vcpu-1:exits', 'kvm:1:vcpu-1:exits']);
  assert.equal(await names('-s', 'exits', '-i', '[1-9]'), ['kvm:1:vcpu-1:exits']);
  assert.equal(await names('-s', 'exits', '-i', '[!1-9]'), ['kvm:0:vcpu-1:exits']);
  assert.equal(await names('-m', 'kv?', '-n', 'vm', '-s', 'p*d'), ['kvm:1:vm:pid']);
  assert.equal(await names('-m', '/blk$/', '-s', '/^(n?)read/'), ['virtio_blk:0:vda:nread', 'virtio_blk:0:vda:reads']);
  assert.equal(await names('-c', 'disk', '-s', 'reads'), ['virtio_blk:0:vda:reads']);
  assert.equal(await names('-c', '/^m/', '-s', 'exits', '-i', '0'), ['kvm:0:vcpu-1:exits']);
  // An operand's empty fields match anything, and so do those that it does not have.
  assert.equal(await names('::vda:reads'), ['virtio_blk:0:vda:reads']);
  assert.equal(await names(':1:vcpu*:exits'), ['kvm:1:vcpu-1:exits']);
  assert.equal(await names('virtio_blk:0:vda:r*'), ['virtio_blk:0:vda:reads']);
});

test('several operands: each in turn', async () => {
  assert.equal(await names('virtio_blk:::reads', 'kvm:1:vcpu-1:exits', 'kvm:0:vcpu-1:exits', 'virtio_blk:::reads'), [
    'virtio_blk:0:vda:reads',
    'kvm:1:vcpu-1:exits',
    'kvm:0:vcpu-1:exits',
    'virtio_blk:0:vda:reads',
  ]);
});

test('patterns', () => {
  const fits = (pattern: string, text: string): boolean => compilePattern(pattern)(text);
  for (const [pattern, text] of [
    ['a*c', 'abbc'],
    ['a\\*c', 'a*c'],
    ['[]x]', ']'],
    ['[!]x]', 'y'],
    ['[a', '[a'],
    ['a.c', 'a.c'],
    ['a\nb*', 'a\nbc'],
    ['/b+/', 'abbc'],
    ['/[[:digit:]]+$/', 'vcpu-12'],
    ['/^[^[:alpha:]]$/', '7'],
    ['/[]x]/', ']'],
    ['//', 'anything'],
  ] as const) {
    assert.ok(fits(pattern, text), `${pattern} fits ${text}`);
  }
  for (const [pattern, text] of [
    ['a*c', 'abcd'],
    ['a?c', 'ac'],
    ['A', 'a'],
    ['a.c', 'abc'],
    ['/^b/', 'ab'],
    ['/[\\d]/', '7'],
  ] as const) {
    assert.not(fits(pattern, text), `${pattern} does not fit ${text}`);
  }
});

test('several VMs are one list, in the order of kstat', async () => {
  const other = await fakeVm(place.directory, { name: 'other' });
  try {
    assert.equal(await names('-m', 'kvm', '-s', 'pid'), [
      'kvm:0:vcpu-1:pid',
      'kvm:0:vcpu-2:pid',
      'kvm:1:vcpu-1:pid',
      'kvm:1:vm:pid',
      'kvm:2:vm:pid',
    ]);
  } finally {
    other.end();
  }
  assert.equal(await names('-n', 'vm', '-s', 'pid'), ['kvm:1:vm:pid']);
});

test('interval and count: a report each, an empty line between; VMs come and go', async () => {
  let other: FakeVm | undefined;
  let reports = 0;
  const { status, out } = await run(kstat, place.directory, ['-p', '-T', 'u', '-n', 'vm', '-s', 'zonename', '1', '3'], async (text) => {
    if (text === '\n') return;
    reports++;
    if (reports === 1) other = await fakeVm(place.directory, { name: 'guest' });
    if (reports === 2) other?.end();
  });
  assert.is(status, 0);
  const stamp = new RegExp(`^${Math.floor(new Date(2026, 1, 3, 4, 5, 6).getTime() / 1000)}$`, 'gm');
  assert.is(
    out.replaceAll(stamp, 'T'),
    'T\nkvm:1:vm:zonename\tbox\n\nT\nkvm:1:vm:zonename\tbox\nkvm:2:vm:zonename\tguest\n\nT\nkvm:1:vm:zonename\tbox\n',
  );
});

test('-T d is the date as ctime(3C) says it', async () => {
  assert.is((await of('-lTd', 'virtio_blk:::reads')).out, 'Tue Feb  3 04:05:06 2026\nvirtio_blk:0:vda:reads\n');
});

test('nothing to show is status 1, without a word; also when no VM ever ran', async () => {
  assert.equal(await of('kvm:7'), { status: 1, out: '', err: '' });
  const empty = runtimePlace();
  assert.equal(await at(empty.directory), { status: 1, out: '', err: '' });
  assert.not(existsSync(empty.directory));
  empty.remove();
});

test('bad usage: what is wrong, the usage, status 2', async () => {
  const cases: [string[], string][] = [
    [['-x'], 'kstat: illegal option -- x\n'],
    [['-m'], 'kstat: option requires an argument -- m\n'],
    [['-T', 'x'], ''],
    [['-T'], 'kstat: option requires an argument -- T\n'],
    [['0'], 'Interval must be an integer >= 1\n'],
    [['-1'], 'kstat: illegal option -- 1\n'],
    [['--', '-1'], 'Interval must be an integer >= 1\n'],
    [['1', '0'], 'Count must be an integer >= 1\n'],
    [['99999999999999999999'], 'Interval is too large\n'],
    [['1', '2', '3'], ''],
    [['a:b:c:d:e'], ''],
    [['-q', '-p'], '-q and -lpj are mutually exclusive\n'],
    [['-q', '-j'], '-q and -lpj are mutually exclusive\n'],
    [['-m', 'kvm', 'kvm:0'], '[module[:instance[:name[:statistic]]]] and -m -i -n -s are mutually exclusive\n'],
    [['/(/'], 'kstat: /(/: not a regular expression\n'],
    [['-n', '/[[:nope:]]/'], 'kstat: [:nope:]: not a class of characters\n'],
  ];
  for (const [args, message] of cases) {
    assert.equal(await of(...args), { status: 2, out: '', err: message + KSTAT_USAGE }, args.join(' '));
  }
  assert.equal(await of('-h'), { status: 0, out: '', err: KSTAT_USAGE });
});

test('a directory that others may enter is refused, status 3', async () => {
  const shared = runtimePlace();
  mkdirSync(shared.directory);
  chmodSync(shared.directory, 0o755);
  assert.equal(await at(shared.directory), {
    status: 3,
    out: '',
    err: `kstat: ${shared.directory}: has mode 0755, must be 0700; chmod 700 it\n`,
  });
  shared.remove();
});

test('what dead VMs left is cleaned up and no error', async () => {
  const grave = runtimePlace();
  mkdirSync(grave.directory, { mode: 0o700 });
  // A socket that nobody listens to, left by a process number that cannot be.
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ path: join(grave.directory, 'x') }, resolve));
  const dead = join(grave.directory, '4194999.0');
  symlinkSync('x', dead);
  await new Promise((resolve) => server.close(resolve));
  symlinkSync('nowhere', join(grave.directory, '4194998.0'));
  assert.equal(await at(grave.directory), { status: 1, out: '', err: '' });
  const living = await fakeVm(grave.directory);
  assert.is((await at(grave.directory, '-l', '-n', 'vm', '-s', 'pid')).out, 'kvm:1:vm:pid\n');
  living.end();
  assert.equal(readdirSync(grave.directory), []);
  grave.remove();
});

test('as a process: prints and ends; `kstat | head` is silent', async () => {
  const child = start('kstat', ['-p', 'kvm:1:vcpu-1:exits'], place.xdg);
  assert.equal(await finished(child), { status: 0, signal: null, out: 'kvm:1:vcpu-1:exits\t12\n', err: '' });

  const cut = start('kstat', ['1'], place.xdg);
  let err = '';
  cut.stderr?.on('data', (text) => {
    err += String(text);
  });
  // The reader leaves after the first piece, as `head -1` does.
  cut.stdout?.once('data', () => cut.stdout?.destroy());
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve) => cut.on('close', (s, g) => resolve([s, g])));
  assert.equal([status, signal, err], [0, null, '']);
});

test('as a process: Ctrl-C ends it at once and leaves nothing behind', async () => {
  const child = start('kstat', ['-p', '-n', 'vm', '1'], place.xdg);
  child.stdout?.once('data', () => child.kill('SIGINT'));
  const { signal, err } = await finished(child);
  assert.is(signal, 'SIGINT');
  assert.is(err, '');
  assert.equal(readdirSync(place.directory).sort(), [vm.claim.socket.name, 'vmid.1']);
});

test.run();
