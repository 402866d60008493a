/** Kstats as metrics: names, units, labels and escapes in both formats, read back by Prometheus' own parsers. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KstatIo } from '../../../devices/kstat-io.ts';
import { MEMORY_MAP, offsetOf } from '../../../vmm/cpu/layout.ts';
import { type Kstat, KstatRegistry } from '../../../vmm/kstat.ts';
import { clockWords, kvmKstats } from '../../../vmm/kvm-kstats.ts';
import { Exposition, type Family, labelText, type Labels, type MetricsFormat, seconds } from '../../../vmm/metrics/exposition.ts';
import { FAMILIES, GROUPS } from '../../../vmm/metrics/families.ts';
import { addKstats } from '../../../vmm/metrics/render.ts';
import { Random } from '../../cpu/host-random.ts';
import { builtinGuest, machineWith } from '../guests.ts';
import { parse, parseAll, whyNoParser } from './parser.ts';

const test = suite('metrics');
const parsed = whyNoParser === undefined ? test : test.skip;
if (whyNoParser !== undefined) process.stdout.write(`skipped: ${whyNoParser}\n`);

const OWNER = { vmid: 3, pid: 4711, zonename: 'box', crtime: 0 };

/** A VM's counters without a VM. */
function counters(
  vcpus: number,
  more: readonly Kstat[] = [],
): { registry: KstatRegistry; set(field: string, value: bigint, index?: number): void } {
  const buffer = new SharedArrayBuffer(MEMORY_MAP.VCPU_BASE + vcpus * MEMORY_MAP.VCPU_STRIDE);
  const view = new DataView(buffer);
  const registry = new KstatRegistry({ buffer, clock: clockWords() });
  for (const kstat of [...kvmKstats(OWNER, vcpus), ...more]) registry.add(kstat);
  const set = (field: string, value: bigint, index = 0): void =>
    view.setBigUint64(MEMORY_MAP.VCPU_BASE + offsetOf(field, index), value, true);
  return { registry, set };
}

function text(registry: KstatRegistry, format: MetricsFormat, vm: Labels = { vm: 'box' }): string {
  const all = new Exposition(FAMILIES);
  addKstats(all, vm, registry.readAll());
  return all.text(format);
}

/** The lines that mention a name. */
const lines = (all: string, name: string): string[] => all.split('\n').filter((line) => line.includes(name) && !/ 0$/.test(line));

test('OpenMetrics: a family has its type, unit and help, its samples their suffix, the text its end', () => {
  const { registry, set } = counters(1);
  set('EXIT_COUNT', 12n, 30);
  set('EXIT_TIME', 61_500_000_000n, 30);
  const all = text(registry, 'openmetrics');
  assert.equal(lines(all, 'lucid_vm_exits'), [
    '# TYPE lucid_vm_exits counter',
    '# HELP lucid_vm_exits VM exits by reason.',
    'lucid_vm_exits_total{vm="box",vcpu="0",reason="IO_INSTRUCTION"} 12',
  ]);
  assert.equal(lines(all, 'lucid_vm_exit_seconds'), [
    '# TYPE lucid_vm_exit_seconds counter',
    '# UNIT lucid_vm_exit_seconds seconds',
    `# HELP lucid_vm_exit_seconds Guest time that exits took, by reason; modelled (--exit-cost), not the host's.`,
    'lucid_vm_exit_seconds_total{vm="box",vcpu="0",reason="IO_INSTRUCTION"} 61.5',
  ]);
  assert.match(all, /^# TYPE lucid_vm info\n# HELP [^\n]+\nlucid_vm_info\{vm="box",vmid="3",pid="4711"\} 1\n/);
  assert.ok(all.endsWith('\n# EOF\n'));
});

test("Prometheus' own format: a family is called as its samples are, and only types that it knows", () => {
  const { registry, set } = counters(1);
  set('EXIT_COUNT', 12n, 30);
  const all = text(registry, 'prometheus');
  assert.equal(lines(all, 'lucid_vm_exits'), [
    '# HELP lucid_vm_exits_total VM exits by reason.',
    '# TYPE lucid_vm_exits_total counter',
    'lucid_vm_exits_total{vm="box",vcpu="0",reason="IO_INSTRUCTION"} 12',
  ]);
  assert.match(all, /^# HELP lucid_vm_info [^\n]+\n# TYPE lucid_vm_info gauge\nlucid_vm_info\{/);
  assert.not.match(all, /# (UNIT|EOF)/);
  for (const [, type] of all.matchAll(/^# TYPE \S+ (.*)$/gm)) assert.ok(['counter', 'gauge', 'untyped'].includes(type as string), type);
});

test('a reason that can happen is there from the start, one that cannot only when it does; a vector when it was injected', () => {
  const { registry, set } = counters(1);
  const before = text(registry, 'prometheus');
  assert.match(before, /lucid_vm_exits_total\{[^}]*reason="HLT"\} 0\n/);
  assert.not.match(before, /VMLAUNCH|_min_seconds|vector=/);
  set('EXIT_COUNT', 1n, 20);
  set('EXIT_MIN', 5n, 20);
  set('IRQ_COUNT', 2n, 0xec);
  const after = text(registry, 'prometheus');
  assert.match(after, /lucid_vm_exits_total\{[^}]*reason="VMLAUNCH"\} 1\n/);
  assert.match(after, /lucid_vm_exit_min_seconds\{[^}]*reason="VMLAUNCH"\} 0\.000000005\n/);
  assert.match(after, /lucid_vm_interrupts_injected_total\{vm="box",vcpu="0",vector="0xec"\} 2\n/);
});

test('the clock is in seconds to the nanosecond, and a counter has all its digits', () => {
  const { registry, set } = counters(1);
  set('ICOUNT', 43_219_000_000_000n);
  set('CLOCK_OFFSET', 723_435_123n);
  set('EXIT_COUNT', 18_446_744_073_709_551_615n, 12);
  const all = text(registry, 'openmetrics');
  assert.match(all, /^lucid_vm_guest_time_seconds_total\{vm="box"\} 43219\.723435123$/m);
  assert.match(all, /reason="HLT"\} 18446744073709551615\n/);
  assert.equal([0n, 1n, 10n, 1_000_000_000n, 1_500_000_000n].map(seconds), ['0', '0.000000001', '0.00000001', '1', '1.5']);
});

test('the guest time of an answer is that at which the first of its counters was read', () => {
  const { registry } = counters(1);
  const kstats = registry.readAll().map((kstat, i) => ({ ...kstat, snaptime: BigInt(i + 5) }));
  const all = new Exposition();
  addKstats(all, { vm: 'box' }, kstats);
  assert.match(all.text('prometheus'), /^lucid_vm_guest_time_seconds_total\{vm="box"\} 0\.000000005$/m);
});

test('disks: requests, bytes and times under the names of node_exporter', () => {
  const io = new KstatIo();
  io.waitqEnter(0);
  io.waitqToRunq(1_000_000_000);
  io.runqExit(3_500_000_000);
  io.transferred(false, 4096);
  const all = text(counters(1, [io.kstat('virtio_blk', 0, 'disk0')]).registry, 'prometheus');
  const of = 'vm="box",device="disk0",driver="virtio_blk"';
  assert.equal(lines(all, '{vm="box",device'), [
    `lucid_disk_reads_completed_total{${of}} 1`,
    `lucid_disk_read_bytes_total{${of}} 4096`,
    `lucid_disk_wait_time_seconds_total{${of}} 1`,
    `lucid_disk_wait_time_weighted_seconds_total{${of}} 1`,
    `lucid_disk_io_time_seconds_total{${of}} 2.5`,
    `lucid_disk_io_time_weighted_seconds_total{${of}} 2.5`,
  ]);
});

test('a kstat that has no family of its own is shown as kstat names it', () => {
  const odd: Kstat = {
    module: 'odd',
    instance: 7,
    name: 'thing',
    class: 'misc',
    crtime: 0,
    stats: { what: { value: 'a "b"\\\n' }, many: { value: 5 } },
  };
  assert.equal(lines(text(counters(1, [odd]).registry, 'openmetrics'), 'lucid_kstat'), [
    '# TYPE lucid_kstat unknown',
    '# HELP lucid_kstat A statistic that has no family of its own, as kstat names it.',
    'lucid_kstat{vm="box",module="odd",instance="7",name="thing",statistic="many"} 5',
    'lucid_kstat{vm="box",module="odd",instance="7",name="thing",statistic="what",value="a \\"b\\"\\\\\\n"} 1',
  ]);
});

test('every statistic of a machine has a family, or a reason to have none', () => {
  const { machine } = machineWith(builtinGuest());
  for (const kstat of machine.vm.kstats.readAll()) {
    if (kstat.name === 'vm') continue;
    const group = GROUPS.find(({ of }) => of(kstat));
    assert.ok(group, kstat.name);
    for (const [name] of kstat.values) assert.ok(group?.meaning.has(name), `${kstat.name}:${name}`);
  }
  assert.not.match(text(machine.vm.kstats, 'openmetrics'), /lucid_kstat/);
});

test('docs/metrics.md has every family with its type, unit and help', () => {
  const documented = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8').split('\n');
  const suffix = { counter: '_total', gauge: '', info: '_info', unknown: '' };
  for (const { name, type, unit, help } of FAMILIES) {
    const start = `| \`${name}${suffix[type]}\` | ${type}${unit === undefined ? '' : `, ${unit}`} |`;
    assert.ok(
      documented.some((line) => line.startsWith(start) && line.endsWith(`| ${help} |`)),
      start,
    );
  }
});

parsed('what a machine says is read by both parsers, the strict one too, and says the same to both', () => {
  const { machine } = machineWith(builtinGuest());
  machine.run();
  const strict = parse('openmetrics', text(machine.vm.kstats, 'openmetrics'));
  const old = parse('prometheus', text(machine.vm.kstats, 'prometheus'));
  const samples = (families: typeof strict): unknown => families.flatMap((family) => family.samples);
  assert.equal(samples(strict), samples(old));
  for (const { name, type, unit, help } of strict) {
    assert.ok(help.endsWith('.'), name);
    assert.is(unit, /_(seconds|bytes)$/.exec(name)?.[1] ?? '', name);
    assert.ok(['counter', 'gauge', 'info'].includes(type), name);
  }
  const io = strict.find(({ name }) => name === 'lucid_vm_exits')?.samples.find(([, labels]) => labels['reason'] === 'IO_INSTRUCTION');
  assert.ok((io?.[2] ?? 0) > 1000);
});

parsed('any text comes through as the value of a label', () => {
  const random = new Random(6);
  const family: Family = { name: 'a_bytes', type: 'counter', unit: 'bytes', help: 'A "quote", a \\ and\na line.' };
  const letters = ['\\', '"', '\n', 'n', '{', '}', ',', '=', '#', ' ', 'ä', '\u{1f980}', '\t', '\\"', '\\n', '# EOF\n', '\u0000', '\u2028'];
  const values = Array.from({ length: 300 }, () =>
    Array.from({ length: random.below(12) }, () => letters[random.below(letters.length)]).join(''),
  );
  for (const format of ['openmetrics', 'prometheus'] as const) {
    const all = new Exposition();
    values.forEach((value, i) => {
      all.add(family, labelText({ a: value, i: String(i) }), i);
    });
    const [found] = parse(format, all.text(format));
    assert.equal(
      found?.samples.map(([, labels]) => labels['a']),
      values,
    );
    if (format === 'openmetrics') assert.is(found?.help, family.help);
  }
});

parsed('half a surrogate pair is no UTF-8 and does not get out', () => {
  const all = new Exposition();
  all.add({ name: 'a', type: 'gauge', help: 'A.' }, labelText({ a: 'x\ud800y' }), 1);
  assert.is(parseAll('openmetrics', [Buffer.from(all.text('openmetrics')).toString('utf8')])[0]?.[0]?.samples[0]?.[1]['a'], 'x\ufffdy');
});

parsed('a text that was cut off is not taken for a whole one', () => {
  const whole = text(counters(1).registry, 'openmetrics');
  for (const cut of [2, 5, 6, 200]) assert.throws(() => parse('openmetrics', whole.slice(0, -cut)), /ValueError/);
});

test.run();
