import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Dma } from '../../devices/dma.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

function board() {
  const ports = new FakePorts();
  const dma = new Dma();
  dma.attach(ports);
  return { ports, dma };
}

test('address and count of every channel read back through the flip-flop', () => {
  const { ports } = board();
  for (const [base, step] of [
    [0x00, 1],
    [0xc0, 2],
  ]) {
    ports.write(base + 12 * step, 0);
    for (let register = 0; register < 8; register++) {
      ports.write(base + register * step, 0x34 + register);
      ports.write(base + register * step, 0x12);
    }
    for (let register = 0; register < 8; register++) {
      assert.equal([ports.read(base + register * step), ports.read(base + register * step)], [0x34 + register, 0x12]);
    }
  }
});

test('clearing the flip-flop starts with the low byte again', () => {
  const { ports } = board();
  ports.write(0, 0x11);
  ports.write(12, 0);
  ports.write(0, 0x22);
  ports.write(0, 0x33);
  assert.equal([ports.read(0), ports.read(0)], [0x22, 0x33]);
});

test('masks and requests: single bits, all bits, clear', () => {
  const { ports } = board();
  assert.is(ports.read(15), 0xff, 'all masked after reset');
  ports.write(10, 0x02);
  assert.is(ports.read(15), 0xfb);
  ports.write(10, 0x06);
  ports.write(15, 0x05);
  assert.is(ports.read(15), 0xf5);
  ports.write(14, 0);
  assert.is(ports.read(15), 0xf0);
  ports.write(9, 0x05);
  assert.is(ports.read(8), 0x20);
  ports.write(9, 0x01);
  assert.is(ports.read(8), 0x00);
  ports.write(13, 0);
  assert.is(ports.read(15), 0xff, 'master clear masks');
});

test("page registers are fifteen latches; 80h is somebody else's", () => {
  const { ports } = board();
  for (let port = 0x81; port <= 0x8f; port++) ports.write(port, port);
  for (let port = 0x81; port <= 0x8f; port++) assert.is(ports.read(port), port);
  assert.is(ports.read(0x80), 0xff);
  ports.write(0x81, 0xbeef, 2);
  assert.equal([ports.read(0x81), ports.read(0x82)], [0xef, 0xbe]);
});

test('it goes on after save and restore, and refuses junk', () => {
  const random = randomSource(6);
  const one = board();
  const anyPort = () => [random(16), 0x81 + random(15), 0xc0 + random(32)][random(3)];
  for (let i = 0; i < 500; i++) one.ports.write(anyPort(), random(256));
  const two = board();
  two.dma.restore(JSON.parse(JSON.stringify(one.dma.save())));
  for (let i = 0; i < 500; i++) {
    const port = anyPort();
    assert.is(two.ports.read(port), one.ports.read(port));
  }
  const before = one.dma.save();
  const [first, second] = before['controllers'] as object[];
  const nested = spoiled(second).map((bad) => ({ ...before, controllers: [first, bad] }));
  for (const state of [...spoiled(before), ...nested])
    assert.throws(
      () => one.dma.restore(state),
      (e: Error) => e instanceof StateError,
    );
  assert.equal(one.dma.save(), before);
  one.dma.reset();
  assert.is(one.ports.read(15), 0xff);
});

test.run();
