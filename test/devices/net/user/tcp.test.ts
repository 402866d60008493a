/** TCP through the user-mode network to real sockets of the host. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, PLAIN } from '../../../../devices/net/backend.ts';
import type { UserNetworkOptions } from '../../../../devices/net/user/options.ts';
import { UserNetwork } from '../../../../devices/net/user/stack.ts';
import { GUEST, ip, type Seen, Station, SYN, tcp } from './guest.ts';
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

async function withGuests(act: (guests: Guests, ports: number[], network: UserNetwork) => Promise<void>, options: Partial<UserNetworkOptions> = {}): Promise<void> {
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

test.run();
