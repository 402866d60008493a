/** The stack's TCP, state by state, in a time of its own. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TcpConnection } from '../../../../devices/net/user/tcp-connection.ts';
import { ACK, FIN, GATEWAY, GUEST, RST, SYN, tcp, type TcpFields } from './guest.ts';
import { GuestTcp, type GuestTcpOptions } from './guest-tcp.ts';
import { LossyWorld, type Peer } from './lossy.ts';

interface Pair {
  readonly world: LossyWorld;
  readonly guest: GuestTcp;
  readonly peer: Peer;
}

function opened(options: Partial<GuestTcpOptions> = {}): Pair {
  const world = new LossyWorld({ seed: 1 });
  const guest = new GuestTcp({ port: 40000, targetPort: 80, send: world.send, ...options });
  world.guests.push(guest);
  guest.connect();
  world.until(() => guest.state === 'open' && world.peers[0].isOpen);
  return { world, guest, peer: world.peers[0] };
}

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8));

/** A segment that no state machine made. */
function raw(world: LossyWorld, fields: Partial<TcpFields>): void {
  const whole = { sourcePort: 40000, targetPort: 80, sequence: 0, acknowledgement: 0, flags: ACK, window: 65535, ...fields };
  world.send(tcp(GUEST, GATEWAY, whole), 0);
}

test('a SYN is answered when the host is there, and not before', () => {
  const world = new LossyWorld({ seed: 1 });
  let asked: TcpConnection | undefined;
  world.onConnect = (connection) => {
    asked = connection;
  };
  const guest = new GuestTcp({ port: 40000, targetPort: 80, send: world.send });
  world.guests.push(guest);
  guest.connect();
  world.pass(5000);
  assert.is(guest.state, 'syn-sent');
  assert.is(world.tcp.size, 1, 'the SYN that was sent again is the same connection');
  world.bridge(asked as TcpConnection);
  world.until(() => guest.state === 'open');
});

test('a host that refuses is a reset', () => {
  const world = new LossyWorld({ seed: 1 });
  world.onConnect = (connection) => connection.abort();
  const guest = new GuestTcp({ port: 40000, targetPort: 80, send: world.send });
  world.guests.push(guest);
  guest.connect();
  world.until(() => guest.resets === 1);
  assert.is(world.tcp.size, 0);
});

test('the window that the guest closes is asked about, and opens again', () => {
  const { world, guest, peer } = opened({ window: 20000 });
  guest.reading = false;
  const data = bytes(100000);
  peer.give(data);
  world.until(() => guest.unread === 20000);
  world.pass(30000);
  assert.is(guest.receivedBytes, 20000);
  const { frames } = world;
  world.pass(120000);
  assert.ok(world.frames > frames, 'it asks');
  assert.ok(world.frames < frames + 20, 'more and more seldom');
  guest.reading = true;
  guest.read();
  world.until(() => guest.receivedBytes === data.length);
  assert.equal(new Uint8Array(Buffer.concat(guest.received)), data);
});

test('a lost window update is found out by asking', () => {
  const { world, guest, peer } = opened({ window: 20000 });
  guest.reading = false;
  peer.give(bytes(30000));
  world.until(() => guest.unread === 20000);
  guest.reading = true;
  guest.unread = 0;
  world.until(() => guest.receivedBytes === 30000, 200000);
});

test('the window closes while the host takes nothing, and opens when it does', () => {
  const { world, guest, peer } = opened({ shift: 4, window: 65535, burst: 64240 });
  peer.capacity = 150000;
  const data = bytes(400000);
  guest.write(data);
  world.until(() => peer.receivedBytes >= 150000);
  world.pass(5000);
  const taken = peer.receivedBytes;
  assert.ok(taken <= 150000 + 65535, `${taken} bytes`);
  assert.is(guest.peerWindow, 0);
  peer.capacity = 1 << 30;
  peer.connection?.roomed();
  world.until(() => peer.receivedBytes === data.length);
  assert.equal(new Uint8Array(Buffer.concat(peer.parts)), data);
});

test('a wire without room holds data back, loses nothing, and is not a guest that does not answer', () => {
  const { world, guest, peer } = opened({ window: 1 << 20, shift: 5 });
  world.room = 2;
  const data = bytes(600000);
  peer.give(data);
  world.pass(600000);
  assert.not(peer.isAborted);
  world.room = Number.POSITIVE_INFINITY;
  world.tcp.ready();
  world.until(() => guest.receivedBytes === data.length);
  assert.equal(new Uint8Array(Buffer.concat(guest.received)), data);
});

test('data goes on in the direction that is not closed', () => {
  for (const guestFirst of [true, false]) {
    const { world, guest, peer } = opened();
    if (guestFirst) {
      guest.end();
      world.until(() => peer.isFinished && guest.acknowledged);
      peer.give(bytes(50000));
      world.until(() => guest.receivedBytes === 50000 && guest.finished);
    } else {
      peer.give(bytes(10));
      world.until(() => guest.finished);
      guest.write(bytes(50000));
      guest.end();
      world.until(() => peer.receivedBytes === 50000 && peer.isFinished);
    }
    world.until(() => world.tcp.size === 0);
    assert.not(peer.isAborted);
    assert.is(guest.resets, 0);
  }
});

test('both ends close at the same time', () => {
  const { world, guest, peer } = opened();
  peer.give(bytes(10));
  guest.end();
  world.until(() => guest.finished && peer.isFinished && guest.acknowledged);
  world.until(() => world.tcp.size === 0);
  assert.not(peer.isAborted);
});

test('resets are passed on, both ways', () => {
  const one = opened();
  one.guest.reset();
  one.world.until(() => one.peer.isAborted);
  assert.is(one.world.tcp.size, 0);
  const other = opened();
  other.peer.connection?.abort();
  other.world.until(() => other.guest.resets === 1);
  assert.is(other.world.tcp.size, 0);
});

test('a reset or a SYN that does not fit is answered by a challenge, and changes nothing', () => {
  const { world, guest, peer } = opened();
  for (const sequence of [0, 1001 + 1, 1001 + 60000, 0x80000000]) {
    raw(world, { flags: RST, sequence });
    raw(world, { flags: SYN, sequence });
  }
  world.pass(100);
  assert.not(peer.isAborted);
  guest.write(bytes(1000));
  world.until(() => peer.receivedBytes === 1000);
  raw(world, { flags: RST, sequence: 1001 + 1000 });
  world.until(() => peer.isAborted);
});

test('a segment of no connection is answered by a reset', () => {
  const world = new LossyWorld({ seed: 1 });
  const guest = new GuestTcp({ port: 40000, targetPort: 80, send: world.send });
  world.guests.push(guest);
  guest.state = 'open';
  raw(world, { sequence: 5, acknowledgement: 77, data: bytes(4) });
  world.until(() => guest.resets === 1);
  raw(world, { sequence: 5, flags: FIN, data: bytes(4) });
  world.until(() => guest.resets === 2);
  raw(world, { sequence: 5, flags: RST });
  world.pass(100);
  assert.is(guest.resets, 2);
  assert.is(world.tcp.size, 0);
});

test('a guest that does not answer any more is given up', () => {
  const { world, peer } = opened();
  world.guests.length = 0;
  peer.give(bytes(10));
  world.until(() => peer.isAborted, 3600000);
  assert.is(world.tcp.size, 0);
});

test('a forward to a guest that is not there is tried for a while', () => {
  const world = new LossyWorld({ seed: 1 });
  const peer = world.open(22);
  world.pass(30000);
  assert.not(peer.isAborted);
  const guest = new GuestTcp({ port: 22, targetPort: 0, send: world.send });
  world.guests.push(guest);
  guest.listen();
  world.until(() => peer.isOpen);
  world.guests.length = 0;
  const late = world.open(23);
  world.until(() => late.isAborted, 600000);
});

test('a port that waits for old segments is used again at once', () => {
  const { world, guest, peer } = opened();
  peer.give(bytes(10));
  world.until(() => guest.finished);
  guest.end();
  world.until(() => guest.acknowledged);
  assert.is(world.tcp.size, 1, 'in TIME-WAIT');
  world.guests.length = 0;
  const again = new GuestTcp({ port: 40000, targetPort: 80, send: world.send, first: 999999 });
  world.guests.push(again);
  again.connect();
  world.until(() => again.state === 'open');
  assert.is(world.tcp.size, 1);
});

test('a flood of SYNs is bounded, and the rest of the guest goes on', () => {
  const { world, guest, peer } = opened();
  world.onConnect = () => {};
  for (let i = 0; i < 20000; i++)
    raw(world, { sourcePort: 1024 + (i % 60000), targetPort: 81 + Math.floor(i / 60000), sequence: i, flags: SYN });
  world.pass(100);
  assert.ok(world.tcp.size <= 1025, `${world.tcp.size} connections`);
  guest.write(bytes(5000));
  world.until(() => peer.receivedBytes === 5000);
});

test('data that comes too early is bounded', () => {
  const { world, guest, peer } = opened();
  const acknowledgement = guest.expected;
  const all = bytes(15000);
  // Every third byte, then the two between them.
  for (let i = 2; i < all.length; i += 3) raw(world, { sequence: 1001 + i, data: all.subarray(i, i + 1), acknowledgement });
  world.pass(100);
  assert.is(peer.receivedBytes, 0);
  let kept = 0;
  for (let i = 0; i < all.length && peer.receivedBytes === i; i += 3) {
    raw(world, { sequence: 1001 + i, data: all.subarray(i, i + 2), acknowledgement });
    world.pass(10);
    if (peer.receivedBytes === i + 3) kept++;
  }
  assert.ok(kept > 0 && kept <= 128, `${kept} parts were kept`);
  assert.equal(new Uint8Array(Buffer.concat(peer.parts)), all.slice(0, peer.receivedBytes));
});

test.run();
