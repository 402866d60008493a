/** The stack's TCP over lines that lose, double and reorder, against windows that are small and readers that are slow. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GuestTcp, type GuestTcpOptions } from './guest-tcp.ts';
import { type Line, LossyWorld } from './lossy.ts';

const MB = 1048576;

function pattern(bytes: number, seed = 1): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761);
  return new Uint8Array(words.buffer);
}

function join(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

interface Case {
  readonly name: string;
  readonly line: Line;
  readonly megabytes: number;
  readonly guest: Partial<GuestTcpOptions>;
}

const CASES: readonly Case[] = [
  { name: 'a good line, large segments', megabytes: 16, line: { seed: 1 }, guest: { window: 1 << 20, shift: 5, burst: 64240 } },
  { name: 'a good line, small segments without scaling', megabytes: 2, line: { seed: 2 }, guest: { burst: 1460 } },
  { name: 'loss', megabytes: 2, line: { seed: 3, loss: 0.01 }, guest: { window: 1 << 19, shift: 5, burst: 14600 } },
  { name: 'much loss', megabytes: 16, line: { seed: 4, loss: 0.05 }, guest: { window: 262144, shift: 3, burst: 64240 } },
  {
    name: 'duplicates and delay',
    megabytes: 4,
    line: { seed: 5, double: 0.1, late: 0.2 },
    guest: { window: 1 << 18, shift: 4, burst: 29200 },
  },
  {
    name: 'everything, and a small window',
    megabytes: 1,
    line: { seed: 6, loss: 0.01, double: 0.02, late: 0.1 },
    guest: { window: 8192, mss: 1000 },
  },
];

for (const { name, line, megabytes, guest: options } of CASES) {
  const data = pattern(megabytes * MB);

  test(`${name}: ${megabytes} MB each way at once arrive whole, then both ends close`, () => {
    const world = new LossyWorld(line);
    const guest = new GuestTcp({ port: 40000, targetPort: 80, send: world.send, ...options });
    world.guests.push(guest);
    guest.connect();
    guest.write(data);
    guest.end();
    world.until(() => guest.state === 'open');
    const [peer] = world.peers;
    peer.give(data);
    world.until(() => peer.isFinished && guest.finished && guest.acknowledged);
    assert.is(join(peer.parts).compare(data), 0, 'to the host');
    assert.is(join(guest.received).compare(data), 0, 'to the guest');
    world.until(() => world.tcp.size === 0);
    assert.not(peer.isAborted);
    assert.is(guest.resets, 0);
  });
}

test('a connection that the host opens carries data over a bad line', () => {
  const world = new LossyWorld({ seed: 7, loss: 0.1, double: 0.1, late: 0.3 });
  const guest = new GuestTcp({ port: 22, targetPort: 0, send: world.send, window: 65535, shift: 2 });
  world.guests.push(guest);
  guest.listen();
  const data = pattern(100000);
  const peer = world.open(22);
  peer.give(data);
  guest.write(data);
  world.until(() => guest.finished);
  guest.end();
  world.until(() => peer.isFinished && guest.acknowledged);
  assert.is(join(guest.received).compare(data), 0);
  assert.is(join(peer.parts).compare(data), 0);
  world.until(() => world.tcp.size === 0);
});

test.run();
