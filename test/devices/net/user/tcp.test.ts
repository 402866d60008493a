/** TCP through the user-mode network to real sockets of the host. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, PLAIN } from '../../../../devices/net/backend.ts';
import type { UserNetworkOptions } from '../../../../devices/net/user/options.ts';
import { UserNetwork } from '../../../../devices/net/user/stack.ts';
import { ip, Station } from './guest.ts';
import { GuestTcp, type GuestTcpOptions } from './guest-tcp.ts';

/** A guest whose connections are driven by what comes, and by a timer. */
class Guests {
  readonly station: Station;
  readonly #timer: NodeJS.Timeout;
  readonly #connections: GuestTcp[] = [];

  constructor(station: Station) {
    this.station = station;
    station.announce();
    station.handlers.push((seen) => this.#connections.some((connection) => connection.handle(seen)));
    this.#timer = setInterval(() => {
      for (const connection of this.#connections) connection.tick(performance.now());
    }, 20);
  }

  tcp(options: Omit<GuestTcpOptions, 'send'>): GuestTcp {
    const send = (frame: Uint8Array, segmentBytes: number): void => {
      // What comes back comes later, as it does from another thread.
      const offload = segmentBytes > 0 ? { ...PLAIN, checksumNeeded: true, gso: GSO.TCPV4, segmentBytes } : PLAIN;
      queueMicrotask(() => this.station.send(frame, offload));
    };
    const made = new GuestTcp({ ...options, send });
    this.#connections.push(made);
    return made;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

async function withGuests(
  act: (guests: Guests, ports: number[], network: UserNetwork) => Promise<void>,
  options: Partial<UserNetworkOptions> = {},
): Promise<void> {
  const network = new UserNetwork({ forwards: [], restrict: false, ...options });
  const ports = await network.listen();
  const guests = new Guests(new Station(network));
  try {
    await act(guests, ports, network);
  } finally {
    guests.close();
    network.close();
  }
}

async function serve(handler: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    handler(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, port: (server.address() as AddressInfo).port };
}

async function until(done: () => boolean, what: string, limitMs = 30000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!done()) {
    if (performance.now() > end) throw new Error(`${what}: not in ${limitMs} ms`);
    await new Promise((go) => setTimeout(go, 2));
  }
}

function pattern(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  return Buffer.from(words.buffer);
}

const LARGE = { window: 1 << 20, shift: 5, burst: 64240 };

test('16 MB come from a server, and the ends are passed on', () =>
  withGuests(async (guests) => {
    const data = pattern(16 * 1048576);
    const { server, port } = await serve((socket) => socket.end(data));
    const guest = guests.tcp({ port: 40001, targetPort: port, ...LARGE });
    guest.connect();
    await until(() => guest.finished, 'the end of the data');
    assert.is(Buffer.concat(guest.received).compare(data), 0);
    guest.end();
    await until(() => guest.acknowledged, 'the acknowledgement of the end');
    server.close();
  }));

test('16 MB go to a server that answers when it has all', () =>
  withGuests(async (guests) => {
    const data = pattern(16 * 1048576);
    const parts: Buffer[] = [];
    const { server, port } = await serve((socket) => {
      socket.on('data', (part) => parts.push(part as Buffer));
      socket.on('end', () => socket.end('thanks'));
    });
    const guest = guests.tcp({ port: 40001, targetPort: port, ...LARGE });
    guest.connect();
    guest.write(data);
    guest.end();
    await until(() => guest.finished, 'the answer');
    assert.is(Buffer.concat(guest.received).toString(), 'thanks');
    assert.is(Buffer.concat(parts).compare(data), 0);
    server.close();
  }));

test('a port that nobody has refuses, and an address of nobody is unreachable', () =>
  withGuests(async (guests) => {
    const { server, port } = await serve(() => {});
    await new Promise<void>((done) => server.close(() => done()));
    const guest = guests.tcp({ port: 40001, targetPort: port });
    guest.connect();
    await until(() => guest.resets === 1, 'the refusal');
    const nobody = guests.tcp({ port: 40002, targetPort: 80, target: ip('10.0.2.200') });
    nobody.connect();
    const error = await guests.station.wait((seen) => seen.protocol === 1);
    assert.equal([...error.payload.subarray(0, 2)], [3, 1]);
    assert.equal([...error.payload.subarray(28, 36)], [40002 >> 8, 40002 & 255, 0, 80, 0, 0, 1000 >> 8, 1000 & 255]);
  }));

test('a forwarded port leads to the guest, with the ends and resets of both sides', () =>
  withGuests(
    async (guests, [port]) => {
      const guest = guests.tcp({ port: 22, targetPort: 0, ...LARGE });
      guest.listen();
      const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const parts: Buffer[] = [];
      let ended = false;
      client.on('data', (part) => parts.push(part as Buffer));
      client.on('end', () => {
        ended = true;
      });
      const data = pattern(1048576);
      client.end(data);
      await until(() => guest.finished, 'the data');
      assert.is(Buffer.concat(guest.received).compare(data), 0);
      guest.write(data);
      guest.end();
      await until(() => ended, 'the answer');
      assert.is(Buffer.concat(parts).compare(data), 0);

      const second = guests.tcp({ port: 22, targetPort: 0 });
      second.listen();
      const victim = connect({ port, host: '127.0.0.1' });
      let error: NodeJS.ErrnoException | undefined;
      victim.on('error', (e) => {
        error = e;
      });
      victim.write('hello');
      await until(() => second.receivedBytes === 5, 'the word');
      second.reset();
      await until(() => error !== undefined, 'the reset');
      assert.is(error?.code, 'ECONNRESET');
    },
    { forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 22 }] },
  ));

test('with restrict only what is forwarded passes', () =>
  withGuests(
    async (guests, [port]) => {
      const { server, port: outside } = await serve((socket) => socket.end('secret'));
      const guest = guests.tcp({ port: 40001, targetPort: outside });
      guest.connect();
      const error = await guests.station.wait((seen) => seen.protocol === 1);
      assert.equal([...error.payload.subarray(0, 2)], [3, 13]);
      const inside = guests.tcp({ port: 22, targetPort: 0 });
      inside.listen();
      const client = connect({ port, host: '127.0.0.1' });
      client.write('in');
      await until(() => inside.receivedBytes === 2, 'the forwarded data');
      client.destroy();
      server.close();
    },
    { restrict: true, forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 22 }] },
  ));

test("a port that is taken, or an address that is not the host's, is one clear line", async () => {
  const { server, port } = await serve(() => {});
  const open = async (hostAddress: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<string> => {
    const forwards = [
      { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 1 } as const,
      { protocol, hostAddress, hostPort: port, guestPort: 80 },
    ];
    try {
      await new UserNetwork({ forwards, restrict: false }).listen();
    } catch (error) {
      assert.is((error as Error).name, 'ForwardError');
      return (error as Error).message;
    }
    throw new Error('it listens');
  };
  assert.is(await open('127.0.0.1'), `hostfwd=tcp:127.0.0.1:${port}:80: tcp port ${port} of 127.0.0.1 is already in use; give another`);
  assert.is(await open('192.0.2.1'), `hostfwd=tcp:192.0.2.1:${port}:80: 192.0.2.1 is no address of this host`);
  assert.is(await open('192.0.2.1', 'udp'), `hostfwd=udp:192.0.2.1:${port}:80: 192.0.2.1 is no address of this host`);
  server.close();
});

test('500 connections at a time echo what is theirs, and leave nothing behind', () =>
  withGuests(async (guests, _, network) => {
    const { server, port } = await serve((socket) => socket.pipe(socket));
    const all = Array.from({ length: 500 }, (_, i) => guests.tcp({ port: 10000 + i, targetPort: port, ...LARGE }));
    for (const [i, guest] of all.entries()) {
      guest.connect();
      guest.write(pattern(20000 + 4 * i));
      guest.end();
    }
    await until(() => all.every((guest) => guest.finished && guest.acknowledged), 'all echoes', 60000);
    for (const [i, guest] of all.entries()) assert.is(Buffer.concat(guest.received).compare(pattern(20000 + 4 * i)), 0);
    await until(() => network.size === 0, 'the end of all connections');
    server.close();
  }));

test('a host that does not read closes the window of the guest, one that writes without end waits for it', () =>
  withGuests(async (guests) => {
    let sent = 0;
    let socket: Socket | undefined;
    const { server, port } = await serve((made) => {
      socket = made;
      made.pause();
      const more = (): void => {
        while (made.write(Buffer.alloc(65536))) sent += 65536;
        sent += 65536;
      };
      made.on('drain', more);
      more();
    });
    const guest = guests.tcp({ port: 40001, targetPort: port, ...LARGE });
    guest.reading = false;
    guest.connect();
    guest.write(new Uint8Array(32 * 1048576));
    // The last bytes of a window that is scaled cannot be told.
    await until(() => guest.peerWindow === 0 && guest.unread > guest.options.window - 64, 'closed windows');
    let before = -1;
    await until(() => {
      const same = sent === before;
      before = sent;
      return same;
    }, 'a writer that waits');
    // The host's own buffers, and what the stack holds.
    assert.ok(sent < 24 * 1048576, `${sent} bytes on their way`);
    socket?.destroy();
    server.close();
  }));

test.run();
