import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VmClock } from '../../vmm/clock.ts';
import { offsetOf, STATE_SIZE } from '../../vmm/cpu/layout.ts';

const BASE = 4096;

function clock(): { clock: VmClock; words: BigUint64Array; at(field: string, base?: number): number } {
  const buffer = new ArrayBuffer(BASE + 2 * 16384 + STATE_SIZE);
  return {
    clock: new VmClock(new Uint32Array(buffer), BASE),
    words: new BigUint64Array(buffer),
    at: (field, base = BASE) => (base + offsetOf(field)) / 8,
  };
}

test('time is instructions plus offset, above 32 bits too', () => {
  const c = clock();
  c.words[c.at('ICOUNT')] = 0xffff_ffffn;
  c.words[c.at('CLOCK_OFFSET')] = 5n;
  assert.is(c.clock.now(), 0x1_0000_0004);
  c.clock.setNow(0x5_0000_0001);
  assert.is(c.clock.now(), 0x5_0000_0001);
  assert.is(c.clock.instructions(), 0xffff_ffff);
});

test('the earliest deadline stands in the vCPU state, and never stands as all ones', () => {
  const c = clock();
  const none = 0xffff_ffff_ffff_ffffn;
  assert.is(c.words[c.at('DEADLINE')], none);
  const a = c.clock.deadline('a', () => {});
  const b = c.clock.deadline('b', () => {});
  a.arm(0x2_0000_0003);
  b.arm(70);
  assert.is(c.words[c.at('DEADLINE')], 70n);
  b.cancel();
  assert.is(c.words[c.at('DEADLINE')], 0x2_0000_0003n);
  assert.is(a.at, 0x2_0000_0003);
  assert.is(b.at, Number.POSITIVE_INFINITY);
  a.cancel();
  assert.is(c.words[c.at('DEADLINE')], none);
});

test('due deadlines fire by time, equal ones in the order of their making', () => {
  const c = clock();
  const order: string[] = [];
  const make = (name: string) => c.clock.deadline(name, () => order.push(name));
  const [x, y, z] = [make('x'), make('y'), make('z')];
  z.arm(10);
  y.arm(20);
  x.arm(20);
  make('later').arm(31);
  c.clock.setNow(30);
  assert.is(c.clock.fireDue(), 3);
  assert.equal(order, ['z', 'x', 'y']);
  assert.is(c.clock.next, 31);
});

test('a deadline that arms itself in the past waits for the next boundary', () => {
  const c = clock();
  let fired = 0;
  const d = c.clock.deadline('storm', (now) => {
    fired++;
    d.arm(now - 1);
  });
  d.arm(0);
  c.clock.setNow(5);
  assert.is(c.clock.fireDue(), 1);
  assert.is(c.clock.fireDue(), 1);
  assert.is(fired, 2);
});

test('another vCPU continues the same time', () => {
  const c = clock();
  const other = BASE + 16384;
  c.words[c.at('ICOUNT')] = 100n;
  c.words[c.at('ICOUNT', other)] = 30n;
  c.clock.setNow(500);
  c.clock.deadline('d', () => {}).arm(900);
  c.clock.follow(other);
  assert.is(c.clock.now(), 500);
  assert.is(c.words[c.at('DEADLINE', other)], 900n);
  c.words[c.at('ICOUNT', other)] += 7n;
  assert.is(c.clock.now(), 507);
});

test.run();
