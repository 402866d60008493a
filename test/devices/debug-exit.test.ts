import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DebugExit, type DebugExitOptions } from '../../devices/debug-exit.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts } from './fake-board.ts';

function board(options: Partial<DebugExitOptions> = {}) {
  const exits: [number, number][] = [];
  const ports = new FakePorts();
  const device = new DebugExit({ exit: (value, size) => exits.push([value, size]), ...options });
  device.attach(ports);
  return { exits, ports, device };
}

test('a write of any size ends with its value', () => {
  const { exits, ports } = board();
  ports.write(0xf4, 0x31);
  ports.write(0xf4, 0xdead, 2);
  ports.write(0xf4, 0xdead_beef, 4);
  assert.equal(exits, [
    [0x31, 1],
    [0xdead, 2],
    [0xdead_beef, 4],
  ]);
  assert.is(ports.read(0xf4), 0);
});

test('it listens where it is told, on as many ports as told', () => {
  const { exits, ports } = board({ port: 0x501, ports: 2 });
  ports.write(0xf4, 1);
  ports.write(0x502, 2);
  ports.write(0x503, 3);
  assert.equal(exits, [[2, 1]]);
});

test('a port or a size that does not exist is refused', () => {
  for (const options of [{ port: -1 }, { port: 0xffff }, { port: 1.5 }, { ports: 0 }, { ports: 5 }]) {
    assert.throws(
      () => board(options),
      (e: Error) => e instanceof RangeError,
    );
  }
});

test('there is no state', () => {
  const { device } = board();
  device.restore(JSON.parse(JSON.stringify(device.save())));
  assert.throws(
    () => device.restore([] as never),
    (e: Error) => e instanceof StateError,
  );
});

test.run();
