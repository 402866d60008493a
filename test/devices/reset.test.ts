import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RESET_VALUE, ResetControl, type ResetKind } from '../../devices/reset.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts, spoiled } from './fake-board.ts';

function board() {
  const events: ResetKind[] = [];
  const ports = new FakePorts();
  const control = new ResetControl({ reset: (kind) => events.push(kind) });
  control.attach(ports);
  return { events, ports, control };
}

test('a rise of bit 2 resets: the processors, the system or with a power cycle', () => {
  const { events, ports } = board();
  for (const value of [0x02, RESET_VALUE, 0x00, 0x04, 0x00, 0x0e, 0x0e]) ports.write(0xcf9, value);
  assert.equal(events, ['system', 'init', 'power']);
});

test("ACPI's single write is enough", () => {
  const { events, ports } = board();
  ports.write(0xcf9, RESET_VALUE);
  assert.equal(events, ['system']);
});

test('the register reads back without its reserved bits', () => {
  const { ports, control } = board();
  ports.write(0xcf9, 0xfb);
  assert.is(ports.read(0xcf9), 0x0a);
  control.reset();
  assert.is(ports.read(0xcf9), 0);
});

test('save and restore keep the register, junk is refused', () => {
  const { ports, control, events } = board();
  ports.write(0xcf9, 0x06);
  const saved = control.save();
  control.reset();
  control.restore(saved);
  assert.is(ports.read(0xcf9), 0x06);
  assert.is(events.length, 1);
  for (const state of [...spoiled(saved), { value: 1 }])
    assert.throws(
      () => control.restore(state),
      (e: Error) => e instanceof StateError,
    );
});

test.run();
