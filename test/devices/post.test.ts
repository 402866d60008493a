import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Post, type PostOptions } from '../../devices/post.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts, spoiled } from './fake-board.ts';

function board(options: PostOptions = {}) {
  const codes: [number, number][] = [];
  const ports = new FakePorts();
  const post = new Post({ written: (value, port) => codes.push([value, port]), ...options });
  post.attach(ports);
  return { codes, ports, post };
}

test('codes are told and read back', () => {
  const { codes, ports, post } = board();
  ports.write(0x80, 0x12);
  ports.write(0x80, 0xbbaa, 2);
  assert.equal(codes, [
    [0x12, 0x80],
    [0xaa, 0x80],
  ]);
  assert.is(post.value, 0xaa);
  assert.is(ports.read(0x80), 0xaa);
  assert.is(ports.read(0x80, 4), 0xffff_ffaa);
});

test('a wide latch keeps every byte at its place', () => {
  const { ports } = board({ port: 0xe0, ports: 4 });
  ports.write(0xe0, 0x8765_4321, 4);
  ports.write(0xe1, 0xffee, 2);
  assert.is(ports.read(0xe0, 4), 0x87ff_ee21);
  assert.is(ports.read(0xe2), 0xff);
});

test('reset clears, save and restore keep, junk is refused', () => {
  const { ports, post } = board();
  ports.write(0x80, 0x55);
  const saved = post.save();
  post.reset();
  assert.is(ports.read(0x80), 0);
  post.restore(saved);
  assert.is(ports.read(0x80), 0x55);
  for (const state of [...spoiled(saved), { latch: [256] }])
    assert.throws(
      () => post.restore(state),
      (e: Error) => e instanceof StateError,
    );
});

test.run();
