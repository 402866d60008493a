/** A machine that runs a few bytes of 32-bit code, from CODE on, until it writes to port EXIT. */
import * as assert from 'uvu/assert';
import { Machine } from '../../../vmm/machine.ts';
import { multiboot } from '../guests.ts';

export const EXIT = 0xf4;

export function smallMachine(code: readonly number[]): Machine {
  const m = Machine.createSync({
    memory: '4M',
    debugExit: EXIT,
    load: () => ({ kernel: multiboot(code), kernelName: 'kernel' }),
    output() {},
  });
  assert.ok(m.boot().ok);
  return m;
}
