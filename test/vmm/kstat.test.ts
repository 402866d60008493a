/** The kstat registry, its printed forms (kstat(1M) of illumos) and the kstats of VM and vCPUs. */
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';
import { type Kstat, KstatRegistry, format, formatJson, formatParsable, formatTime } from '../../vmm/kstat.ts';
import { clockWords, engineKstat, exitsKstat, irqsKstat, kvmKstats, vcpuKstat, vmKstat } from '../../vmm/kvm-kstats.ts';

const owner = { vmid: 4, pid: 4668, zonename: 'global', crtime: 0 };

/** Words of the test's own, below everything that the memory map names. */
const CLOCK = 8;

function place(bytes = 4096): { buffer: SharedArrayBuffer; words: BigUint64Array; clock: number[]; mirror: { at: number; end: number } } {
  const buffer = new SharedArrayBuffer(bytes);
  return { buffer, words: new BigUint64Array(buffer), clock: [CLOCK], mirror: { at: 1024, end: 1040 } };
}

function sample(stats: Kstat['stats'], more: Partial<Kstat> = {}): Kstat {
  return { module: 'kvm', instance: 0, name: 'vcpu-4', class: 'misc', crtime: 4_407_142_410_068, stats, ...more };
}

test('the default form has the columns of the original, sorted by name, with the times among them', () => {
  const at = place();
  at.words[1] = 43_219_723_435_123n;
  at.words[2] = 5_367_443n;
  const registry = new KstatRegistry(at);
  const kstat = sample({ exits: { u64: 16 }, zonename: { value: 'global' } });
  assert.is(
    format(registry.read(kstat)).replaceAll('\t', '        '),
    'module: kvm                             instance: 0     \n' +
      'name:   vcpu-4                          class:    misc\n' +
      '        crtime                          4407.142410068\n' +
      '        exits                           5367443\n' +
      '        snaptime                        43219.723435123\n' +
      '        zonename                        global\n\n',
  );
});

test('the parsable form names the class too, and -l leaves the values out', () => {
  const at = place();
  const snapshot = new KstatRegistry(at).read(sample({ exits: { value: 7 } }));
  assert.is(
    formatParsable(snapshot),
    'kvm:0:vcpu-4:class\tmisc\nkvm:0:vcpu-4:crtime\t4407.142410068\nkvm:0:vcpu-4:exits\t7\nkvm:0:vcpu-4:snaptime\t0.000000000\n',
  );
  assert.is(
    formatParsable(snapshot, (name) => name === 'exits', true),
    'kvm:0:vcpu-4:exits\n',
  );
});

test('the JSON form is JSON, whatever a string holds and a filter leaves', () => {
  const registry = new KstatRegistry(place());
  registry.add(sample({ exits: { value: 7 }, zonename: { value: 'a "b"\n\\' } }));
  registry.add(sample({ reads: { value: 1 } }, { module: 'virtio_blk', name: 'vda', class: 'disk', type: 'io' }));
  const both = JSON.parse(formatJson(registry.readAll()));
  assert.equal(
    both.map((k: { name: string; type: number }) => [k.name, k.type]),
    [
      ['vcpu-4', 1],
      ['vda', 3],
    ],
  );
  assert.is(both[0].data.zonename, 'a "b"\n\\');
  assert.is(JSON.parse(formatJson(registry.readAll(), (name) => name === 'reads')).length, 1);
  assert.equal(JSON.parse(formatJson([])), []);
});

test('a filter that leaves nothing leaves no header', () => {
  const snapshot = new KstatRegistry(place()).read(sample({ exits: { value: 7 } }));
  assert.is(
    format(snapshot, () => false),
    '',
  );
});

test('times have nine decimals', () => {
  assert.is(formatTime(0n), '0.000000000');
  assert.is(formatTime(1n), '0.000000001');
  assert.is(formatTime(12_345_678_901_234_567n), '12345678.901234567');
});

test('counters beyond 2^53 are exact, and "none yet" reads as 0', () => {
  const at = place();
  at.words[2] = 0xffff_ffff_ffff_fffen;
  at.words[3] = 0xffff_ffff_ffff_ffffn;
  const values = new KstatRegistry(at).read(sample({ a: { u64: 16 }, b: { u64: 24, unset: true }, c: { u64: 24 } })).values;
  assert.equal(values, [
    ['a', 0xffff_ffff_ffff_fffen],
    ['b', 0n],
    ['c', 0xffff_ffff_ffff_ffffn],
  ]);
});

test('names are unique and addresses are checked', () => {
  const registry = new KstatRegistry(place());
  registry.add(sample({}));
  assert.throws(() => registry.add(sample({})), /exists already/);
  assert.throws(() => registry.add(sample({ x: { u64: 4 } }, { name: 'odd' })), /bad address/);
  assert.throws(() => registry.add(sample({ x: { f64: 4096 } }, { name: 'far' })), /bad address/);
  registry.remove('kvm', 0, 'vcpu-4');
  registry.remove('kvm', 0, 'vcpu-4');
  registry.add(sample({}));
});

test('another thread reads what is published, getters included', async () => {
  const at = place();
  const registry = new KstatRegistry(at);
  let asked = 41;
  const kstat = sample({ kept: { get: () => asked }, exits: { u64: 16 } });
  registry.add(kstat);
  const publication = registry.publish();
  asked = 42;
  at.words[2] = 5n;
  registry.refresh();
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { KstatRegistry } = await import(workerData.module);
    const registry = KstatRegistry.adopt(workerData.buffer, workerData.publication);
    parentPort.postMessage(registry.readAll().map((k) => k.values));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { module: new URL('../../vmm/kstat.ts', import.meta.url).href, buffer: at.buffer, publication },
  });
  const seen = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  assert.equal(seen, [
    [
      ['exits', 5n],
      ['kept', 42n],
    ],
  ]);
});

test('a removed kstat gives its room in the mirror back, and a full mirror says so', () => {
  const registry = new KstatRegistry(place());
  for (let i = 0; i < 5; i++) {
    registry.add(sample({ x: { get: () => i }, y: { get: () => i } }));
    registry.publish();
    registry.remove('kvm', 0, 'vcpu-4');
  }
  registry.add(sample({ x: { get: () => 1 }, y: { get: () => 1 }, z: { get: () => 1 } }));
  assert.throws(() => registry.publish(), /no room/);
});

test('the vCPU kstat has the names of illumos KVM', () => {
  assert.equal(
    Object.keys(vcpuKstat(owner, 0).stats).join(' '),
    'pid nmi-injections irq-injections fpu-reload host-state-reload insn-emulation inst-emulation-fail exits halt-exits irq-exits io-exits ' +
      'mmio-exits nmi-window-exits irq-window-exits request-irq-exits signal-exits halt-wakeup invlpg pf-guest pf-fixed hypercalls zonename',
  );
  assert.equal(
    Object.keys(vmKstat(owner).stats).join(' '),
    'pid mmu-pte-write mmu-pte-updated mmu-pte-zapped mmu-flooded mmu-cache-miss mmu-recycled remote-tlb-flush lpages mmu-unsync-page zonename',
  );
});

test('the kstats of a VM read the words of its vCPUs', () => {
  const buffer = new SharedArrayBuffer(MEMORY_MAP.VCPU_BASE + 2 * MEMORY_MAP.VCPU_STRIDE);
  const view = new DataView(buffer);
  const base = MEMORY_MAP.VCPU_BASE + MEMORY_MAP.VCPU_STRIDE;
  view.setBigUint64(base + offsetOf('EXIT_COUNT', 30), 9n, true);
  view.setBigUint64(base + offsetOf('EXIT_TIME', 30), 900n, true);
  view.setBigUint64(base + offsetOf('IRQ_COUNT', 0xec), 3n, true);
  view.setBigUint64(MEMORY_MAP.VCPU_BASE + offsetOf('ICOUNT'), 1000n, true);
  view.setBigUint64(MEMORY_MAP.VCPU_BASE + offsetOf('CLOCK_OFFSET'), 234n, true);
  const registry = new KstatRegistry({ buffer, clock: clockWords() });
  for (const kstat of kvmKstats(owner, 2)) registry.add(kstat);
  assert.equal(
    registry.list().map((k) => `${k.module}:${k.instance}:${k.name}`),
    [
      'engine:0:engine-4',
      'engine:1:engine-4',
      'kvm:0:exits-4',
      'kvm:0:irqs-4',
      'kvm:0:vcpu-4',
      'kvm:1:exits-4',
      'kvm:1:irqs-4',
      'kvm:1:vcpu-4',
      'kvm:4:vm',
    ],
  );
  assert.is(registry.clock(), 1234n);
  assert.equal(registry.read(irqsKstat(owner, 1)).values, [['vec-ec', 3n]]);
  const exits = new Map(registry.read(exitsKstat(owner, 1)).values);
  assert.is(exits.get('io-instruction'), 9n);
  assert.is(exits.get('io-instruction-time-ns'), 900n);
  assert.is(new Map(registry.read(vcpuKstat(owner, 1)).values).get('io-exits'), 9n);
  assert.is(new Map(registry.read(engineKstat(owner, 0)).values).get('instructions'), 1000n);
});

test('every statistic has a name that kstat can hold', () => {
  for (const kstat of kvmKstats({ ...owner, vmid: 99999 }, 8)) {
    for (const name of [kstat.name, ...Object.keys(kstat.stats)]) assert.ok(name.length <= 30, name);
  }
});

test.run();
