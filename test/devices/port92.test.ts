import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Port92 } from '../../devices/port92.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts, spoiled } from './fake-board.ts';

function board() {
  const events: string[] = [];
  const ports = new FakePorts();
  const port92 = new Port92({ a20: (open) => events.push(open ? 'a20 on' : 'a20 off'), reset: () => events.push('reset') });
  port92.attach(ports);
  return { events, ports, port92 };
}

test('bit 1 opens and closes A20, telling each change once', () => {
  const { events, ports } = board();
  for (const value of [0x02, 0x02, 0x00, 0x02]) ports.write(0x92, value);
  assert.equal(events, ['a20 on', 'a20 off', 'a20 on']);
  assert.is(ports.read(0x92), 0x02);
});

test('bit 0 resets on its rise only', () => {
  const { events, ports } = board();
  for (const value of [0x01, 0x01, 0x00, 0x01]) ports.write(0x92, value);
  assert.equal(events, ['reset', 'reset']);
});

test('reserved bits read 0, bytes beyond the port read ones', () => {
  const { ports } = board();
  ports.write(0x92, 0xfe);
  assert.is(ports.read(0x92), 0xca);
  assert.is(ports.read(0x92, 2), 0xffca);
});

test('reset closes the gate; save and restore keep it', () => {
  const { events, ports, port92 } = board();
  ports.write(0x92, 0x02);
  const saved = port92.save();
  port92.reset();
  port92.restore(saved);
  assert.equal(events, ['a20 on', 'a20 off', 'a20 on']);
  for (const state of [...spoiled(saved), { value: 4 }])
    assert.throws(
      () => port92.restore(state),
      (e: Error) => e instanceof StateError,
    );
});

test.run();
