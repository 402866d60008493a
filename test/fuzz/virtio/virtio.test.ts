/** Every virtio device survives a driver gone bad: a reduced run of `npm run fuzz:virtio`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Finding, GuardedDisk, GuardedMemory, RAM_BYTES } from './guarded.ts';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

for (const [name, make] of Object.entries(TARGETS)) {
  test(`${name}: 300 lives, no finding`, () => {
    assert.equal(fuzz(make, 0, 300), []);
  });
}

test('the guards see what they are for', () => {
  const memory = new GuardedMemory();
  memory.holds(0, 1);
  assert.throws(
    () => memory.check(0, 0),
    (error: unknown) => error instanceof Finding,
  );
  assert.throws(
    () => memory.holds(Number.NaN, 1),
    (error: unknown) => error instanceof Finding,
  );
  new Uint8Array(memory.bytes.buffer)[memory.bytes.byteOffset + RAM_BYTES] = 0;
  assert.throws(
    () => memory.check(1e9, 1e9),
    (error: unknown) => error instanceof Finding,
  );
  assert.throws(
    () => new GuardedDisk(false).read(64 * 512, new Uint8Array(1)),
    (error: unknown) => error instanceof Finding,
  );
  assert.throws(
    () => new GuardedDisk(true).write(0, new Uint8Array(1)),
    (error: unknown) => error instanceof Finding,
  );
});

test.run();
