import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StateError } from '../../vmm/bus.ts';
import { reportOf } from '../../vmm/report.ts';
import { fingerprint } from '../../vmm/snapshot.ts';
import { builtinGuest, machineWith } from './guests.ts';

const options = { memory: '32M' } as const;

/** What must be equal at the end of two runs. The engine's own counters are not: decoded code is no state. */
function ending(run: ReturnType<typeof machineWith>): object {
  const { vm } = run.machine;
  const { engine, ...guest } = reportOf(vm);
  const saved = vm.saveState();
  return { guest, devices: saved.devices, ram: fingerprint([], saved.pages) };
}

test('a boot stopped at 20 places goes on in a fresh VM as if it had not been', () => {
  const kernel = builtinGuest();
  const whole = machineWith(kernel, options);
  assert.equal(whole.machine.run(), { kind: 'power-off' });
  const expected = ending(whole);
  const total = whole.machine.vcpu.instructions;
  const text = whole.console();

  const first = machineWith(kernel, options);
  let place = 1;
  for (let i = 0; i < 20; i++) {
    // Most of the device work is at the start, so a third of the places are there.
    place = i % 3 === 0 ? Math.floor(total / 1000) * (i + 1) + i * 7 : Math.floor((total / 21) * (i + 1)) + i * 13;
    const source = i === 0 ? first : machineWith(kernel, options);
    assert.equal(source.machine.run({ insns: place }), { kind: 'limit', which: 'insns' });
    const saved = structuredClone(source.machine.vm.saveState());
    const copy = machineWith(kernel, options);
    copy.machine.vm.restoreState(saved);
    assert.equal(copy.machine.run(), { kind: 'power-off' });
    assert.equal(ending(copy), expected, `stopped at ${place}`);
    assert.is(source.console() + copy.console(), text);
  }
});

test('a state of another VM is refused', () => {
  const kernel = builtinGuest();
  const a = machineWith(kernel, options).machine.vm;
  const b = machineWith(kernel, { memory: '16M' }).machine.vm;
  const saved = b.saveState();
  assert.throws(
    () => a.restoreState(saved),
    (e: Error) => e instanceof StateError && /16777216 bytes/.test(e.message),
  );
  assert.throws(
    () => b.restoreState({ ...saved, layoutHash: 1 }),
    (e: Error) => e instanceof StateError && /layout/.test(e.message),
  );
  assert.throws(
    () => b.restoreState({ ...saved, devices: {} }),
    (e: Error) => e instanceof StateError && /no saved state/.test(e.message),
  );
});

test.run();
