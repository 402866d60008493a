/** The user-mode network as a guest sees it: ARP, DHCP, echoes, names, datagrams. */
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Dns } from '../../../../devices/net/user/dns.ts';
import { HostNames } from '../../../../devices/net/user/host-names.ts';
import type { UserNetworkOptions } from '../../../../devices/net/user/options.ts';
import { UserNetwork } from '../../../../devices/net/user/stack.ts';
import { ALL, arp, bytes32, echo, GATEWAY, GUEST, ip, ipv4, MAC, NAMES, type Seen, Station, udp } from './guest.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-user-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Runs a test with a network, and closes it. */
async function withNetwork(
  act: (station: Station, ports: number[]) => Promise<void> | void,
  options: Partial<UserNetworkOptions> = {},
  names?: HostNames,
): Promise<void> {
  const network = new UserNetwork({ forwards: [], restrict: false, ...options }, names);
  const ports = await network.listen();
  try {
    await act(new Station(network), ports);
  } finally {
    network.close();
  }
}

const isArp = (seen: Seen): boolean => seen.type === 0x0806;
const isUdp =
  (port: number) =>
  (seen: Seen): boolean =>
    seen.protocol === 17 && ((seen.payload[2] << 8) | seen.payload[3]) === port;
const isIcmp = (seen: Seen): boolean => seen.protocol === 1;
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

test('the gateway and the name server have addresses, others of the net are answered for', () =>
  withNetwork((station) => {
    const ask = (target: number, sender = GUEST): Seen | undefined => {
      station.frames.length = 0;
      station.send(arp(1, MAC, sender, new Uint8Array(6), target));
      return station.frames[0];
    };
    for (const target of [GATEWAY, NAMES, ip('10.0.2.77')]) {
      const reply = ask(target) as Seen;
      assert.ok(isArp(reply));
      assert.equal(reply.frame.subarray(0, 6), MAC);
      assert.equal([...reply.frame.subarray(28, 32)], bytes32(target));
      assert.equal(reply.frame.subarray(22, 28), reply.frame.subarray(6, 12));
      assert.is(reply.frame[21], 2);
    }
    assert.is(ask(ip('10.0.2.77'), 0), undefined, 'a probe of an address that is free');
    assert.is(ask(GUEST, GUEST), undefined, 'an announcement');
    assert.is(ask(GUEST), undefined, "the guest's own");
    assert.is(ask(ip('10.0.3.1')), undefined, 'another net');
    assert.ok(ask(GATEWAY, 0), 'a probe of an address that is taken');
  }));

function dhcp(type: number, options: readonly number[] = [], mac = MAC, clientAddress = 0, flags = 0): Uint8Array {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, 1, 2, 3, 4, 0, 0, flags, 0, ...bytes32(clientAddress)]);
  message.set(mac, 28);
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255], 236);
  return message;
}

/** What a DHCP reply says: type, address, and options by number. */
function dhcpReply(seen: Seen): { type: number; address: number; options: Map<number, number[]> } {
  const message = seen.payload.subarray(8);
  assert.is(message[0], 2);
  assert.equal([...message.subarray(4, 8)], [1, 2, 3, 4]);
  const options = new Map<number, number[]>();
  for (let at = 240; message[at] !== 255; at += 2 + message[at + 1]) {
    options.set(message[at], [...message.subarray(at + 2, at + 2 + message[at + 1])]);
  }
  return { type: options.get(53)?.[0] ?? 0, address: new DataView(message.buffer, message.byteOffset).getUint32(16), options };
}

test('a guest gets its address, router, name server and MTU by DHCP', () =>
  withNetwork(
    async (station) => {
      station.send(udp(0, 68, 0xffffffff, 67, dhcp(1)));
      const offer = dhcpReply(await station.wait(isUdp(68)));
      assert.is(offer.type, 2);
      assert.is(offer.address, GUEST);
      station.send(udp(0, 68, 0xffffffff, 67, dhcp(3, [50, 4, ...bytes32(GUEST), 54, 4, ...bytes32(GATEWAY)])));
      const seen = await station.wait(isUdp(68));
      assert.equal(seen.frame.subarray(0, 6), MAC);
      const { type, address, options } = dhcpReply(seen);
      assert.is(type, 5);
      assert.is(address, GUEST);
      assert.equal(options.get(1), [255, 255, 255, 0]);
      assert.equal(options.get(3), bytes32(GATEWAY));
      assert.equal(options.get(6), bytes32(NAMES));
      assert.equal(options.get(26), [5, 220]);
      assert.equal(options.get(28), [10, 0, 2, 255]);
      assert.equal(options.get(51), bytes32(86400));
      assert.equal(options.get(12), [...text('box')]);
      assert.equal(options.get(15), [...text('lab.test')]);
    },
    { hostName: 'box', domain: 'lab.test' },
  ));

test('DHCP refuses another address, renews, informs, releases, and answers a broadcast with one', () =>
  withNetwork(async (station) => {
    const ask = async (message: Uint8Array, source = 0): Promise<ReturnType<typeof dhcpReply> & { seen: Seen }> => {
      station.send(udp(source, 68, source === 0 ? 0xffffffff : GATEWAY, 67, message));
      const seen = await station.wait(isUdp(68));
      return { seen, ...dhcpReply(seen) };
    };
    const nak = await ask(dhcp(3, [50, 4, 192, 168, 1, 7]));
    assert.is(nak.type, 6);
    assert.is(nak.seen.target, 0xffffffff);
    const other = await ask(dhcp(1, [], Uint8Array.of(2, 0, 0, 0, 0, 9)));
    assert.is(other.address, GUEST + 1, 'another client');
    const loud = await ask(dhcp(1, [], MAC, 0, 0x80));
    assert.is(loud.seen.target, 0xffffffff);
    assert.equal(loud.seen.frame.subarray(0, 6), ALL);
    const renewed = await ask(dhcp(3, [], MAC, GUEST), GUEST);
    assert.is(renewed.type, 5);
    assert.is(renewed.seen.target, GUEST);
    const informed = await ask(dhcp(8, [], MAC, GUEST), GUEST);
    assert.is(informed.type, 5);
    assert.is(informed.address, 0);
    assert.not(informed.options.has(51));
    station.send(udp(GUEST, 68, GATEWAY, 67, dhcp(7, [], MAC, GUEST)));
    const third = await ask(dhcp(1, [], Uint8Array.of(2, 0, 0, 0, 0, 10)));
    assert.is(third.address, GUEST, 'the address that was released');
    // Somebody else's offer was taken, or the message is broken: silence.
    station.send(udp(0, 68, 0xffffffff, 67, dhcp(3, [54, 4, 1, 2, 3, 4])));
    station.send(udp(0, 68, 0xffffffff, 67, dhcp(1).subarray(0, 200)));
    assert.is(station.frames.length, 0);
  }));

test('with restrict, DHCP tells of no router and no name server, and nothing leaves', () =>
  withNetwork(
    async (station) => {
      station.send(udp(0, 68, 0xffffffff, 67, dhcp(1)));
      const { options } = dhcpReply(await station.wait(isUdp(68)));
      assert.not(options.has(3));
      assert.not(options.has(6));
      station.announce();
      for (const target of [GATEWAY, ip('192.0.2.1')]) {
        station.send(udp(GUEST, 5000, target, 9, text('x')));
        const error = await station.wait(isIcmp);
        assert.equal([...error.payload.subarray(0, 2)], [3, 13]);
      }
      station.send(udp(GUEST, 5000, NAMES, 53, text('x')));
      assert.equal([...(await station.wait(isIcmp)).payload.subarray(0, 2)], [3, 3]);
    },
    { restrict: true },
  ));

test('the stations of the net answer echoes of any size; the outside is prohibited, nobody is unreachable', () =>
  withNetwork(async (station) => {
    for (const [target, size] of [
      [GATEWAY, 56],
      [NAMES, 1000],
    ]) {
      const data = Uint8Array.from({ length: size }, (_, i) => i);
      station.send(echo(target, data));
      const reply = await station.wait(isIcmp);
      assert.is(reply.source, target);
      assert.equal([...reply.payload.subarray(0, 2)], [0, 0]);
      assert.equal(reply.payload.subarray(4), Uint8Array.from([0, 7, 0, 9, ...data]));
    }
    station.send(echo(ip('192.0.2.1'), text('out')));
    const error = await station.wait(isIcmp);
    assert.is(error.source, GATEWAY);
    assert.equal([...error.payload.subarray(0, 2)], [3, 13]);
    assert.equal([...error.payload.subarray(24, 28)], bytes32(ip('192.0.2.1')), 'quotes the header');
    station.send(echo(ip('10.0.2.99'), text('none')));
    assert.equal([...(await station.wait(isIcmp)).payload.subarray(0, 2)], [3, 1]);
    station.send(echo(ip('192.0.2.1'), text('far'), 1));
    assert.equal([...(await station.wait(isIcmp)).payload.subarray(0, 2)], [11, 0], 'time exceeded');
    const wrong = echo(GATEWAY, text('wrong'));
    wrong[40] ^= 1;
    station.send(wrong);
    station.send(echo(GATEWAY, text('right')));
    assert.equal((await station.wait(isIcmp)).payload.subarray(8), text('right'), 'a wrong checksum gets no answer');
  }));

test('a datagram in fragments is put together, in any order, and so is the answer', () =>
  withNetwork(async (station) => {
    const data = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
    const whole = echo(GATEWAY, data).subarray(34);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += 1480) {
      const more = at + 1480 < whole.length ? 0x2000 : 0;
      pieces.push(ipv4({ source: GUEST, target: GATEWAY, protocol: 1, id: 77, fragment: (at / 8) | more }, whole.subarray(at, at + 1480)));
    }
    for (const order of [
      [0, 1, 2, 3],
      [3, 1, 0, 2],
      [2, 2, 3, 0, 0, 1],
    ]) {
      for (const i of order) station.send(pieces[i]);
      const answer = new Uint8Array(whole.length);
      let got = 0;
      while (got < whole.length) {
        const seen = station.frames.shift() as Seen;
        answer.set(seen.payload, (seen.fragment & 0x1fff) * 8);
        got += seen.payload.length;
      }
      assert.equal(answer.subarray(4), whole.subarray(4));
      assert.is(station.frames.length, 0);
    }
  }));

test('datagrams go to the host and come back; the gateway is its loopback address', () =>
  withNetwork(async (station) => {
    const server = createSocket('udp4');
    server.on('message', (data, from) => server.send(Buffer.concat([data, Buffer.from('!')]), from.port, from.address));
    await new Promise<void>((done) => server.bind(0, '127.0.0.1', done));
    const { port } = server.address();
    for (let i = 0; i < 20; i++) station.send(udp(GUEST, 4000 + (i % 4), GATEWAY, port, text(`hello ${i}`)));
    for (let i = 0; i < 20; i++) {
      const want = `hello ${i}!`;
      const seen = await station.wait((s) => isUdp(4000 + (i % 4))(s) && Buffer.from(s.payload.subarray(8)).toString() === want, want);
      assert.is(seen.source, GATEWAY);
      assert.is((seen.payload[0] << 8) | seen.payload[1], port);
    }
    const large = new Uint8Array(20000).fill(3);
    server.removeAllListeners('message');
    server.on('message', (_, from) => server.send(large, from.port, from.address));
    station.send(udp(GUEST, 4001, GATEWAY, port, text('more')));
    let got = 0;
    while (got < 20008) got += (await station.wait((s) => s.protocol === 17)).payload.length;
    assert.is(got, 20008, 'in fragments');
    await new Promise<void>((done) => server.close(() => done()));
    station.send(udp(GUEST, 4002, GATEWAY, port, text('nobody')));
    station.send(udp(GUEST, 4002, GATEWAY, port, text('nobody')));
    const error = await station.wait(isIcmp, 'port unreachable');
    assert.equal([...error.payload.subarray(0, 2)], [3, 3]);
    assert.equal([...error.payload.subarray(28, 32)], [4002 >> 8, 4002 & 255, port >> 8, port & 255]);
  }));

test('a forwarded port of UDP brings datagrams in, and answers out', () =>
  withNetwork(
    async (station, [port]) => {
      const peer = createSocket('udp4');
      await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
      peer.send('knock', port, '127.0.0.1');
      const seen = await station.wait(isUdp(7));
      assert.is(seen.source, GATEWAY);
      const from = (seen.payload[0] << 8) | seen.payload[1];
      assert.is(from, peer.address().port);
      const answer = new Promise<Buffer>((done) => peer.once('message', done));
      station.send(udp(GUEST, 7, GATEWAY, from, text('who')));
      assert.is((await answer).toString(), 'who');
      peer.close();
    },
    { forwards: [{ protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 7 }] },
  ));

/** A query for a name. */
function query(id: number, name: string, type = 1): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...text(label)]);
  return Uint8Array.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
}

function hostNames(resolvers: string, hosts: string): HostNames {
  const [resolvPath, hostsPath] = [join(folder, 'resolv.conf'), join(folder, 'hosts')];
  writeFileSync(resolvPath, resolvers);
  writeFileSync(hostsPath, hosts);
  return new HostNames(() => 0, resolvPath, hostsPath);
}

test("the name server knows the host's table of names, and the host by its own name", () =>
  withNetwork(
    async (station) => {
      const ask = async (name: string, type = 1): Promise<number[]> => {
        station.send(udp(GUEST, 3333, NAMES, 53, query(0x1234, name, type)));
        const seen = await station.wait(isUdp(3333));
        assert.is(seen.source, NAMES);
        const reply = seen.payload.subarray(8);
        assert.equal([...reply.subarray(0, 6)], [0x12, 0x34, 0x81, 0x80, 0, 1]);
        return reply[7] === 0 ? [] : [reply[7], ...reply.slice(-4)];
      };
      assert.equal(await ask('Mine.Lab'), [1, 192, 0, 2, 7]);
      assert.equal(await ask('thishost'), [1, 10, 0, 2, 2]);
      assert.equal(await ask('localhost'), [1, 127, 0, 0, 1]);
      assert.equal(await ask('mine.lab', 28), []);
    },
    {},
    hostNames('', '127.0.0.1 localhost\n127.0.1.1\tthishost # me\n192.0.2.7  alias mine.lab\nwrong line\n'),
  ));

test("other queries go to the host's resolvers as they are, and to the next when one does not answer", async () => {
  const names = hostNames('# none\nnameserver 127.0.0.77\nnameserver 127.0.0.1\n', '');
  const resolver = createSocket('udp4');
  await new Promise<void>((done) => resolver.bind(0, '127.0.0.1', done));
  const asked = query(77, 'example.test', 16);
  resolver.on('message', (message, from) => {
    assert.equal(new Uint8Array(message), asked);
    const reply = Buffer.concat([message, Buffer.from('answer')]);
    resolver.send(reply, from.port, from.address);
  });
  const dns = new Dns(names, GATEWAY, resolver.address().port);
  const reply = await new Promise<Uint8Array>((done) => dns.query(asked, done));
  assert.is(Buffer.from(reply.subarray(-6)).toString(), 'answer');
  resolver.close();
});

test("a name server without resolvers asks the host's own means, for addresses only", async () => {
  const dns = new Dns(hostNames('', ''), GATEWAY);
  const ask = async (name: string, type: number): Promise<Uint8Array> => await new Promise((done) => dns.query(query(5, name, type), done));
  assert.is((await ask('localhost', 1)).at(-4), 127);
  assert.is((await ask('localhost', 28))[3] & 15, 0);
  assert.is((await ask('localhost', 16))[3] & 15, 4);
});

test('a message that is no query gets no answer', () =>
  withNetwork(
    (station) => {
      for (const message of [new Uint8Array(0), new Uint8Array(11), query(1, 'a.b').subarray(0, 17)]) {
        station.send(udp(GUEST, 3333, NAMES, 53, message));
      }
      assert.is(station.frames.length, 0);
    },
    {},
    hostNames('', ''),
  ));

test.run();
