/**
 * Linux stopped at random places, saved, and continued in a fresh VM: the same instructions, exits and console as without.
 *
 * Full size: 20 places. Reduced: 3.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { fingerprint } from '../../vmm/snapshot.ts';
import { numbers } from '../cpu/random-code.ts';
import { FULL, reference, WITHOUT_TESTS } from './reference.ts';

const PLACES = FULL ? 20 : 3;
const linux = await reference();

(linux === undefined ? test.skip : test)(`a boot of Linux saved at ${PLACES} random places ends as one that was not`, () => {
  const { image } = linux as NonNullable<typeof linux>;
  const start = (): { machine: Machine; console: () => string } => {
    const bytes: number[] = [];
    const machine = Machine.createSync({
      memory: '256M',
      append: WITHOUT_TESTS,
      load: () => ({
        kernel: readFileSync(image.kernel),
        kernelName: 'vmlinuz',
        ...(image.initrd && { initrd: readFileSync(image.initrd), initrdName: 'initrd' }),
      }),
      output: (byte) => bytes.push(byte),
    });
    assert.is(machine.boot().ok, true);
    return { machine, console: () => String.fromCharCode(...bytes) };
  };
  const ending = ({ machine }: ReturnType<typeof start>): object => {
    assert.equal(machine.run(), { kind: 'power-off' });
    const { engine: _, ...guest } = reportOf(machine.vm);
    const { devices, pages } = machine.vm.saveState();
    return { guest, devices, ram: fingerprint([], pages) };
  };
  const whole = start();
  const expected = ending(whole);
  const pick = numbers(5);
  // One boot goes on from place to place; each save continues in a VM of its own.
  const places = Array.from({ length: PLACES }, () => pick(whole.machine.vcpu.instructions)).sort((a, b) => a - b);
  const source = start();
  for (const at of places) {
    assert.equal(source.machine.run({ insns: at }), { kind: 'limit', which: 'insns' });
    const before = source.console();
    const copy = start();
    copy.machine.vm.restoreState(source.machine.vm.saveState());
    assert.equal(ending(copy), expected, `saved at ${at}`);
    assert.is(before + copy.console(), whole.console());
  }
});

test.run();
