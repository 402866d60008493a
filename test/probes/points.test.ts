/** The table of probe points, firing, and the switches in shared memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMORY_MAP, VM_AREA } from '../../vmm/cpu/layout.ts';
import { fire, listen, POINTS, PROBE, ProbeSwitches, watched } from '../../probes/points.ts';

test.after.each(() => {
  listen(null);
});

test('every point stands at its number, and its constant carries its name', () => {
  assert.is(POINTS.length, Object.keys(PROBE).length);
  for (const [constant, id] of Object.entries(PROBE)) {
    assert.is(POINTS[id]?.id, id);
    assert.is(POINTS[id]?.name, constant.toLowerCase().replaceAll('_', '-'));
  }
});

test('names of points are those of illumos KVM', () => {
  const names = POINTS.filter((p) => p.extension === undefined).map((p) => p.name);
  for (const name of ['kvm-vexit', 'kvm-vrun', 'kvm-inj-virq', 'kvm-pio', 'kvm-mmio-read-unsatisfied', 'kvm-hypercall']) {
    assert.ok(names.includes(name), name);
  }
  assert.is(POINTS[PROBE.KVM_INJ_VIRQ]?.func, 'vmx_inject_irq');
  assert.is(POINTS[PROBE.KVM_INJ_VIRQ]?.alias, 'inject_irq');
  assert.is(new Set(names).size, names.length);
});

test('arguments are parsed into type and name', () => {
  assert.equal(POINTS[PROBE.KVM_VEXIT]?.args, [
    { type: 'unsigned long', name: 'rip' },
    { type: 'uint32_t', name: 'exit_reason' },
  ]);
  for (const point of POINTS) for (const arg of point.args) assert.match(`${arg.type}|${arg.name}`, /^[a-z0-9_ *]+\|[a-z0-9_]+$/);
});

test('firing does nothing until somebody listens', () => {
  assert.not(watched());
  fire(PROBE.KVM_PIO, 1, 0x3f8, 1, 1, 65);
  const seen: number[][] = [];
  assert.is(
    listen((...args) => void seen.push(args)),
    null,
  );
  assert.ok(watched());
  fire(PROBE.KVM_PIO, 1, 0x3f8, 1, 1, 65);
  fire(PROBE.KVM_EOI, 2);
  assert.ok(listen(null) !== null);
  fire(PROBE.KVM_EOI, 3);
  assert.equal(seen, [
    [PROBE.KVM_PIO, 1, 0x3f8, 1, 1, 65],
    [PROBE.KVM_EOI, 2, 0, 0, 0, 0],
  ]);
});

test('a switch is on while anybody has the point enabled', () => {
  const buffer = new SharedArrayBuffer(MEMORY_MAP.VM_BASE + 65536);
  const at = MEMORY_MAP.VM_BASE + VM_AREA.PROBES;
  const switches = new ProbeSwitches(buffer, at);
  const words = new Uint32Array(buffer, at);
  switches.enable(PROBE.KVM_VEXIT, 0);
  switches.enable(PROBE.KVM_VEXIT, 3);
  switches.enable(PROBE.KVM_VEXIT, 3);
  switches.enable(PROBE.KVM_PIO, 3);
  assert.equal([words[PROBE.KVM_VEXIT], words[PROBE.KVM_PIO]], [9, 8]);
  switches.disableAll(3);
  assert.ok(switches.enabled(PROBE.KVM_VEXIT));
  assert.not(switches.enabled(PROBE.KVM_PIO));
  switches.disableAll(0);
  assert.not(switches.enabled(PROBE.KVM_VEXIT));
});

test.run();
