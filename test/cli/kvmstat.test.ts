/** `kvmstat`: the lines of the original to the byte, the exit table, VMs that come and go, and the numbers of a real VM. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kstat } from '../../vmm/cli/kstat-command.ts';
import { kvmstat, KVMSTAT_USAGE } from '../../vmm/cli/kvmstat-command.ts';
import { exitTable } from '../../vmm/cli/kvmstat-exits.ts';
import { rate, type VcpuSample, VcpuTable } from '../../vmm/cli/kvmstat-table.ts';
import { COLUMN_FIELDS, type FakeVm, fakeVm } from '../vmm/fake-vm.ts';
import { multiboot } from '../vmm/guests.ts';
import { finished, NOW, type Ran, run, runtimePlace, start, until } from './stat-commands.ts';

const HEADER = '   pid vcpu |  exits :  haltx   irqx  irqwx    iox  mmiox |   irqs   emul   eptv\n';
const SECOND = 1_000_000_000n;

const test = suite('kvmstat');
let place: ReturnType<typeof runtimePlace>;
test.before.each(() => {
  place = runtimePlace();
});
test.after.each(() => place.remove());

const of = (...args: string[]): Promise<Ran> => run(kvmstat, place.directory, args);
const zeros = (pid: number, vcpu: number): string =>
  `${String(pid).padStart(6)} ${String(vcpu).padStart(4)} |      0 :      0      0      0      0      0 |      0      0      0\n`;

const STATS = { exits: 'exits', haltx: 'halt-exits', irqx: 'irq-exits', irqwx: 'irq-window-exits', iox: 'io-exits', mmiox: 'mmio-exits' };
const MORE = { irqs: 'irq-injections', emul: 'insn-emulation', eptv: 'pf-fixed' };

function sample(seconds: bigint, columns: Readonly<Record<string, number>>, vcpu = 0, vmid = 4): VcpuSample {
  const stats = new Map(Object.entries({ ...STATS, ...MORE }).map(([column, stat]) => [stat, BigInt(columns[column] ?? 0)]));
  const timeNs = seconds * SECOND;
  return { key: `${vmid}:${vcpu}`, vmid, vm: 'box', pid: 4668n, name: `vcpu-${vmid}`, vcpu, timeNs, startNs: 0n, stats };
}

test('a line, to the byte', () => {
  const table = new VcpuTable();
  table.start([sample(10n, { exits: 1000 })]);
  const text = table.block([sample(11n, { exits: 1023, haltx: 6, iox: 1, irqs: 6, emul: 16 })]);
  assert.is(text, `${HEADER}  4668    0 |     23 :      6      0      0      1      0 |      6     16      0\n`);
});

test('what does not fit its column pushes the rest, as printf does', () => {
  const table = new VcpuTable();
  table.start([{ ...sample(0n, {}), pid: 1234567n }]);
  const text = table.block([{ ...sample(1n, { exits: 12_345_678 }), pid: 1234567n }]);
  assert.is(text, `${HEADER}1234567    0 | 12345678 :      0      0      0      0      0 |      0      0      0\n`);
});

test('rates are rounded to the nearest, over the time that passed, of counters that may wrap', () => {
  assert.is(rate(3n, 2n * SECOND), 2n);
  assert.is(rate(1n, 3n * SECOND), 0n);
  assert.is(rate(1000n, SECOND / 2n), 2000n);
  assert.is(rate(5n - 0xffff_ffff_ffff_fffen, SECOND), 7n);
  assert.is(rate(5n, 0n), 0n);
});

test('the header: every 20 lines of one vCPU, before each block of several', () => {
  const one = new VcpuTable();
  one.start([sample(0n, {})]);
  const headers: number[] = [];
  for (let i = 1; i <= 45; i++) if (one.block([sample(BigInt(i), {})]).startsWith(HEADER)) headers.push(i);
  assert.equal(headers, [1, 21, 41]);

  const two = new VcpuTable();
  two.start([sample(0n, {}), sample(0n, {}, 1)]);
  for (let i = 1n; i <= 3n; i++) assert.is(two.block([sample(i, {}), sample(i, {}, 1)]), HEADER + zeros(4668, 0) + zeros(4668, 1));
});

test('each column shows its own statistic', async () => {
  const vm = await fakeVm(place.directory, { pid: 77 });
  let value = 100n;
  for (const [field, index] of Object.values(COLUMN_FIELDS)) vm.set(field, value++, index);
  vm.set('ICOUNT', SECOND);
  const { out } = await of('-1', '--clock', 'vm');
  assert.is(out, `${HEADER}    77    0 |    100 :    101    102    103    104    105 |    106    107    108\n`);
  vm.end();
});

test('interval and count: the first line comes after one interval, rates are those of the interval', async () => {
  const vm = await fakeVm(place.directory, { pid: 77 });
  vm.set('KS_EXITS', 1_000_000n);
  const begin = performance.now();
  const change = setTimeout(() => {
    vm.set('KS_EXITS', 1_003_000n);
    vm.set('ICOUNT', 3n * SECOND);
  }, 30);
  const seen: number[] = [];
  const { status, out, err } = await run(kvmstat, place.directory, ['--clock', 'vm', '1', '2'], () => seen.push(performance.now() - begin));
  clearTimeout(change);
  assert.is(err, '');
  assert.is(status, 0);
  assert.is(out, `${HEADER}    77    0 |   1000 :      0      0      0      0      0 |      0      0      0\n${zeros(77, 0)}`);
  assert.ok((seen[0] ?? 0) >= 99 && (seen[1] ?? 0) >= 199);
  vm.end();
});

test('rates are by the host’s clock unless asked otherwise', async () => {
  const vm = await fakeVm(place.directory, { pid: 77 });
  const change = setTimeout(() => vm.set('KS_EXITS', 100_000n), 300);
  const { out } = await run(kvmstat, place.directory, ['1', '1'], () => {}, 1000);
  clearTimeout(change);
  const exits = Number(/\| +(\d+) :/.exec(out)?.[1]);
  // Readings take their time, so the interval between two is a second more or less; the VM's clock stood still.
  assert.ok(exits > 50_000 && exits < 200_000, out);
  vm.end();
});

test('VMs that come have a line after their second reading; those that end drop out; without any it goes on', async () => {
  const first = await fakeVm(place.directory, { pid: 11 });
  let second: FakeVm | undefined;
  let blocks = 0;
  const ran = run(kvmstat, place.directory, ['1', '4'], async () => {
    blocks++;
    if (blocks === 1) second = await fakeVm(place.directory, { pid: 22, vcpus: 2 });
    if (blocks === 3) {
      first.end();
      second?.end();
    }
  });
  const { status, out, err } = await ran;
  assert.is(err, '');
  assert.is(status, 0);
  // The second block has a header: it reads three vCPUs, and knows the rates of one.
  assert.is(out, HEADER + zeros(11, 0) + HEADER + zeros(11, 0) + HEADER + zeros(11, 0) + zeros(22, 0) + zeros(22, 1));
});

test('VMs are sorted as the original sorts them: by the kstat’s name, then by vCPU', () => {
  const table = new VcpuTable();
  const list = [sample(1n, {}, 0, 10), sample(1n, {}, 1, 10), sample(1n, {}, 0, 2)];
  table.start(list);
  assert.is(table.block(list).split('\n').length, 5);
});

test('-V: by name, vmid or pid; one that does not run is told', async () => {
  const a = await fakeVm(place.directory, { pid: 111, name: 'web' });
  const b = await fakeVm(place.directory, { pid: 222, name: 'db' });
  for (const which of ['db', String(b.claim.vmid), '222']) assert.is((await of('-1', '-V', which)).out, HEADER + zeros(222, 0), which);
  assert.equal(await of('-1', '-V', 'mail'), {
    status: 1,
    out: '',
    err: 'kvmstat: mail: no running VM has that name, vmid or pid; lucid ps lists them\n',
  });
  a.end();
  b.end();
});

test('--json: one object per vCPU and line', async () => {
  const vm = await fakeVm(place.directory, { pid: 111, name: 'web' });
  vm.set('ICOUNT', 2n * SECOND);
  vm.set('KS_EXITS', 500n);
  const { out } = await of('-1', '--json', '-c', 'vm');
  assert.equal(JSON.parse(out), {
    time: NOW.toISOString(),
    vmid: 1,
    vm: 'web',
    pid: 111,
    vcpu: 0,
    seconds: 2,
    exits: 250,
    haltx: 0,
    irqx: 0,
    irqwx: 0,
    iox: 0,
    mmiox: 0,
    irqs: 0,
    emul: 0,
    eptv: 0,
  });
  vm.end();
});

/** Exits of a fake VM: 3 HLT and 1 CPUID on vCPU 0, 1 HLT on vCPU 1. */
function exitsOf(vm: FakeVm): void {
  vm.set('EXIT_COUNT', 3n, 12);
  vm.set('EXIT_TIME', 7500n, 12);
  vm.set('EXIT_MIN', 2000n, 12);
  vm.set('EXIT_MAX', 3000n, 12);
  vm.set('EXIT_COUNT', 1n, 10);
  vm.set('EXIT_TIME', 90_000n, 10);
  vm.set('EXIT_MIN', 90_000n, 10);
  vm.set('EXIT_MAX', 90_000n, 10);
  vm.set('EXIT_COUNT', 1n, 12, 1);
  vm.set('EXIT_TIME', 2500n, 12, 1);
  vm.set('EXIT_MIN', 1500n, 12, 1);
  vm.set('EXIT_MAX', 2500n, 12, 1);
}

test('-e: exits by reason, of all vCPUs, by samples or by time', async () => {
  const vm = await fakeVm(place.directory, { pid: 111, name: 'web', vcpus: 2 });
  exitsOf(vm);
  const head = '             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time\n\n';
  const hlt = '                 HLT          4    80.00%    10.00%      1.50us      3.00us           2.50us\n';
  const cpuid = '               CPUID          1    20.00%    90.00%     90.00us     90.00us          90.00us\n';
  const foot = '\nTotal Samples:5, Total events handled time:100.00us.\n';
  const title = (of: string): string => `\nAnalyze events for ${of}, all VCPUs (times are modelled):\n\n`;
  assert.equal(await of('-e', '-1'), { status: 0, out: title('all VMs') + head + hlt + cpuid + foot, err: '' });
  assert.is((await of('-e', '-1', '--key', 'time')).out, title('all VMs') + head + cpuid + hlt + foot);
  assert.is((await of('-e', '-1', '--key=samples', '-V', 'web')).out, title('VM web (vmid 1, pid 111)') + head + hlt + cpuid + foot);
  const object = JSON.parse((await of('-ej1')).out);
  assert.equal([object.samples, object.timeNs, object.of], [5, 100_000, 'all VMs, all VCPUs']);
  assert.equal(object.exits, [
    { reason: 'HLT', samples: 4, timeNs: 10_000, minNs: 1500, maxNs: 3000, avgNs: 2500 },
    { reason: 'CPUID', samples: 1, timeNs: 90_000, minNs: 90_000, maxNs: 90_000, avgNs: 90_000 },
  ]);
  vm.end();
});

test('-e with an interval: what happened in it; shortest and longest are since the start, and headed so', async () => {
  const vm = await fakeVm(place.directory, { vcpus: 2 });
  exitsOf(vm);
  const change = setTimeout(() => {
    vm.set('EXIT_COUNT', 5n, 12);
    vm.set('EXIT_TIME', 9500n, 12);
  }, 30);
  const { out } = await of('-e', '1', '1');
  clearTimeout(change);
  assert.is(
    out,
    '\nAnalyze events for all VMs, all VCPUs (times are modelled; min and max since the start):\n\n' +
      '             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time\n\n' +
      '                 HLT          2   100.00%   100.00%      2.00us      3.00us           1.00us\n' +
      '\nTotal Samples:2, Total events handled time:2.00us.\n',
  );
  vm.end();
});

test('--host-time is refused when no VM measures it, and has columns of its own where one does', async () => {
  const vm = await fakeVm(place.directory);
  assert.equal(await of('-e1', '--host-time'), {
    status: 1,
    out: '',
    err: "kvmstat: --host-time: no running VM measures the host's time of its exits\n",
  });
  vm.end();
  const event = { reason: 'HLT', samples: 2n, timeNs: 4000n, minNs: 1000n, maxNs: 3000n };
  const events = [
    { ...event, hostNs: 1_000_000n },
    { ...event, reason: 'CPUID', hostNs: undefined },
  ];
  const lines = exitTable(events, { of: 'x', key: 'samples', hostTime: true, interval: false }).split('\n');
  assert.is(
    lines[3],
    '             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time        Host time         Host avg',
  );
  assert.is(
    lines[5],
    '               CPUID          2    50.00%    50.00%      1.00us      3.00us           2.00us                -                -',
  );
  assert.is(
    lines[6],
    '                 HLT          2    50.00%    50.00%      1.00us      3.00us           2.00us        1000.00us         500.00us',
  );
  assert.is(lines[8], 'Total Samples:4, Total events handled time:8.00us, host time:1000.00us.');
});

test('anything that is no command line prints the usage, status 1', async () => {
  for (const args of [
    ['x'],
    ['0'],
    ['-5'],
    ['1.5'],
    ['1', '0'],
    ['1', '2', '3'],
    ['-x'],
    ['--frob'],
    ['-e', '--key', 'name'],
    ['-k', 'time'],
    ['-H'],
    ['-e', '-c', 'vm'],
    ['-c', 'sun'],
    ['-V'],
    ['-V', ''],
    ['-1', '2'],
    ['--json=yes'],
  ]) {
    assert.equal(await of(...args), { status: 1, out: '', err: KVMSTAT_USAGE }, args.join(' '));
  }
});

test('no VM: one line that says how to start one, status 1', async () => {
  assert.equal(await of(), {
    status: 1,
    out: '',
    err: `kvmstat: no VM is running (none in ${place.directory}); start one: lucid run --kernel FILE\n`,
  });
});

test('a VM that does not answer is told of once and waited for no more than a moment', async () => {
  const vm = await fakeVm(place.directory, { pid: 11 });
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen({ path: join(place.directory, `${process.pid}.999`) }, resolve));
  const begin = performance.now();
  const { status, out, err } = await of('1', '2');
  assert.is(status, 0);
  assert.is(out, HEADER + zeros(11, 0) + zeros(11, 0));
  assert.is(err, `kvmstat: process ${process.pid} does not answer\n`);
  assert.ok(performance.now() - begin < 4000);
  await new Promise((resolve) => silent.close(resolve));
  vm.end();
});

test('as a process: Ctrl-C ends it, a reader that leaves ends it in silence', async () => {
  const vm = await fakeVm(place.directory, { pid: 11 });
  const [interrupted, left] = await Promise.all([
    (() => {
      const child = start('kvmstat', ['1'], place.xdg);
      child.stdout?.once('data', () => child.kill('SIGINT'));
      return finished(child);
    })(),
    (() => {
      const child = start('kvmstat', ['1'], place.xdg);
      child.stdout?.once('data', () => child.stdout?.destroy());
      return finished(child);
    })(),
  ]);
  assert.equal([interrupted.signal, interrupted.err, interrupted.out], ['SIGINT', '', HEADER + zeros(11, 0)]);
  assert.equal([left.status, left.err], [0, '']);
  vm.end();
});

/** A guest that does 1000 port writes, then spins. */
const COUNTED = multiboot([
  ...[0xb9, 0xe8, 0x03, 0, 0], // mov ecx, 1000
  ...[0xe6, 0x80], // out 0x80, al
  ...[0xe2, 0xfc], // loop back to it
  ...[0xeb, 0xfe], // jmp $
]);

/** A guest that writes to its console without end. */
const CHATTY = multiboot([
  ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8
  ...[0xb0, 0x78], // mov al, 'x'
  0xee, // out dx, al
  ...[0xeb, 0xfd], // jmp back to it
]);

const folder = mkdtempSync(join(tmpdir(), 'lucid-kv-'));
test.after(() => rmSync(folder, { recursive: true }));

test('a real VM: the exits that kvmstat and kstat show are those that lucid run reports when it ends', async () => {
  const kernel = join(folder, 'counted');
  writeFileSync(kernel, COUNTED);
  const child = start(
    'lucid',
    ['run', '--kernel', kernel, '--serial', 'null', '--name', 'counted', '--memory', '16M', '--exits', '--json'],
    place.xdg,
  );
  const end = finished(child);
  test.after(() => {
    child.kill('SIGKILL');
  });
  const io = async (): Promise<string> => (await run(kstat, place.directory, ['-p', '-n', 'exits-1', '-s', 'io-instruction'])).out;
  await until('a thousand exits', end, async () => (await io()) === 'kvm:0:exits-1:io-instruction\t1000\n');
  const table = JSON.parse((await of('-e', '-j', '-1', '-V', 'counted')).out);
  const line = (await of('-1', '-j')).out;
  assert.is(JSON.parse(line).pid, child.pid);
  const total = (await run(kstat, place.directory, ['-p', 'kvm:0:vcpu-1:exits'])).out;
  child.kill('SIGINT');
  const { out, status } = await end;
  assert.is(status, 130);
  const report = JSON.parse(out).report ?? JSON.parse(out);
  const exits = report.exits.map((e: { name: string; count: number; timeNs: number }) => [e.name, e.count, e.timeNs]);
  assert.equal(
    table.exits.map((e: { reason: string; samples: number; timeNs: number }) => [e.reason, e.samples, e.timeNs]),
    exits,
  );
  assert.is(total, `kvm:0:vcpu-1:exits\t${report.exitsTotal}\n`);
  // It ended in order: nothing of it is left to find.
  assert.is((await of()).status, 1);
});

test('reading asks nothing of the guest: a VM whose thread is blocked answers at once, and its counters stand still', async () => {
  const kernel = join(folder, 'chatty');
  writeFileSync(kernel, CHATTY);
  const child = start('lucid', ['run', '--kernel', kernel, '--name', 'chatty', '--memory', '16M'], place.xdg);
  try {
    // Nobody reads its console: pipe and ring fill, and the guest's thread waits inside an exit.
    const exits = async (): Promise<string> => (await run(kstat, place.directory, ['-p', 'kvm:0:vcpu-1:exits'])).out;
    const ended = new Promise<Ran>((resolve) => child.on('exit', (status) => resolve({ status, out: '', err: '' })));
    let before = '';
    let since = 0;
    await until('the thread to block', ended, async () => {
      const now = await exits();
      if (now !== before) since = performance.now();
      before = now;
      return now !== '' && performance.now() - since > 500;
    });
    const begin = performance.now();
    for (let i = 0; i < 50; i++) assert.is(await exits(), before);
    assert.ok(performance.now() - begin < 5000);
    const end = finished(child);
    child.kill('SIGINT');
    assert.is((await end).status, 130);
  } finally {
    child.kill('SIGKILL');
  }
});

test.run();
