/** Times of profile and tick, and the slots that probes have. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SLOT } from '../../../probes/arena.ts';
import { generate } from '../../../probes/d/codegen/generate.ts';
import { assignSlots, type TimerSlot, TooManyProbes } from '../../../probes/engine/slots.ts';
import { Timers } from '../../../probes/engine/timers.ts';
import { clause, program } from '../d/codegen/nodes.ts';
import { probe } from './traced.ts';

const test = suite('timers and slots');

const timer = (slot: number, interval: number): TimerSlot => ({ kind: 'tick', slot, interval });

function fired(timers: Timers, now: number): (readonly [slot: number, late: number])[] {
  const seen: (readonly [number, number])[] = [];
  timers.fire(now, (_, { slot }, late) => seen.push([slot, late]));
  return seen;
}

test('each comes at multiples of its interval from its start, at one time in the order of enabling', () => {
  const timers = new Timers();
  timers.add(0, [timer(67, 100), timer(68, 50)], 1000);
  assert.is(timers.next, 1050);
  assert.equal(fired(timers, 1049), []);
  assert.equal(fired(timers, 1050), [[68, 0]]);
  assert.equal(fired(timers, 1100), [
    [67, 0],
    [68, 0],
  ]);
  assert.is(timers.next, 1150);
});

test('what was missed is made up for, unless it is more than a second old', () => {
  const timers = new Timers();
  timers.add(0, [timer(67, 100)], 0);
  assert.equal(fired(timers, 350), [
    [67, 250],
    [67, 150],
    [67, 50],
  ]);
  assert.equal(fired(timers, 5_000_000_350).length, 1);
  assert.is(timers.next, 5_000_000_400);
});

test('what fires may take timers away', () => {
  const timers = new Timers();
  timers.add(0, [timer(67, 100), timer(68, 100)], 0);
  timers.add(1, [timer(67, 100)], 0);
  const seen: number[] = [];
  timers.fire(100, (consumer) => {
    seen.push(consumer);
    if (consumer === 0) timers.remove(0);
  });
  assert.equal(seen, [0, 1]);
  timers.remove(1);
  assert.is(timers.next, Number.POSITIVE_INFINITY);
});

const slotsOf = (...names: string[]) => assignSlots(generate(program(names.map((n) => clause(probe(n), []))), {}).descriptor);

test('a static point has its number, BEGIN and END their places, a timer the next free one', () => {
  const { slots, points, timers, begin, end } = slotsOf('END', 'kvm-pio', 'tick-1ms', 'inject_irq', 'profile-997', 'kvm-pio', 'tick-1ms');
  assert.equal([...slots.values()], [SLOT.END, 7, SLOT.FREE, 5, SLOT.FREE + 1]);
  assert.equal(points, [7, 5]);
  assert.equal(
    timers.map((t) => [t.kind, t.interval, t.slot]),
    [
      ['tick', 1e6, SLOT.FREE],
      ['profile', Math.floor(1e9 / 997), SLOT.FREE + 1],
    ],
  );
  assert.equal([begin, end], [false, true]);
});

test('more timers than there are slots are refused', () => {
  const names = Array.from({ length: SLOT.PER_CONSUMER - SLOT.FREE + 1 }, (_, i) => `tick-${i + 1}ms`);
  assert.is(slotsOf(...names.slice(1)).timers.length, SLOT.PER_CONSUMER - SLOT.FREE);
  assert.throws(
    () => slotsOf(...names),
    (error: Error) => error instanceof TooManyProbes,
  );
});

test.run();
