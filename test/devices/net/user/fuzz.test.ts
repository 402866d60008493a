/** Frames that no guest should send: nothing is thrown, every table stays small, and the network goes on. */
import process from 'node:process';
import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, type Offload, PLAIN } from '../../../../devices/net/backend.ts';
import { UserNetwork } from '../../../../devices/net/user/stack.ts';
import { randomSource } from '../../fake-board.ts';
import { ACK, arp, bytes32, echo, FIN, GATEWAY, GUEST, ip, ipv4, MAC, NAMES, ones, RST, see, SYN, tcp, udp } from './guest.ts';

const FRAMES = process.env['LUCID_SLOW'] === 'full' ? 1000000 : 60000;
const BATCH = 500;

/** Frames to begin with, towards two ports of the host that answer. */
function seeds(tcpPort: number, udpPort: number): Uint8Array[] {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, 1, 2, 3, 4]);
  message.set(MAC, 28);
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, ...bytes32(GUEST), 255], 236);
  const segment = { sourcePort: 5000, targetPort: tcpPort, sequence: 1, acknowledgement: 1, window: 5000 };
  const data = Uint8Array.from({ length: 100 }, (_, i) => i);
  return [
    arp(1, MAC, GUEST, new Uint8Array(6), GATEWAY),
    arp(2, MAC, GUEST, MAC, GATEWAY),
    echo(GATEWAY, data),
    echo(ip('192.0.2.1'), data),
    udp(0, 68, 0xffffffff, 67, message),
    udp(GUEST, 5000, GATEWAY, udpPort, data),
    udp(GUEST, 5000, NAMES, 53, Uint8Array.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, ...Buffer.from('localhost'), 0, 0, 1, 0, 1])),
    tcp(GUEST, GATEWAY, { ...segment, flags: SYN, options: [2, 4, 5, 180, 1, 3, 3, 7] }),
    tcp(GUEST, GATEWAY, { ...segment, flags: ACK, sequence: 2, data }),
    tcp(GUEST, GATEWAY, { ...segment, flags: ACK | FIN, sequence: 2 }),
    tcp(GUEST, GATEWAY, { ...segment, flags: RST, sequence: 2 }),
    ipv4({ source: GUEST, target: GATEWAY, protocol: 17, fragment: 0x2000 }, data.subarray(0, 64)),
    ipv4({ source: GUEST, target: GATEWAY, protocol: 17, fragment: 8 }, data.subarray(0, 64)),
  ];
}

/** Makes the checksums right again, so that what is behind them is reached. */
function repair(frame: Uint8Array): void {
  if (frame.length < 34) return;
  frame.set([0, 0], 24);
  const header = Math.min(14 + (frame[14] & 15) * 4, frame.length);
  const sum = ~ones(frame.subarray(14, header));
  frame.set([(sum >> 8) & 255, sum & 255], 24);
}

test(`${FRAMES} mutated frames: no throw, no hang, nothing grows`, async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const echoes = createSocket('udp4');
  echoes.on('message', (data, from) => echoes.send(data, from.port, from.address, () => {}));
  await new Promise<void>((done) => echoes.bind(0, '127.0.0.1', done));
  const corpus = seeds((server.address() as AddressInfo).port, echoes.address().port);

  const random = randomSource(12345);
  const network = new UserNetwork({ forwards: [], restrict: false });
  let last: { sequence: number; acknowledgement: number } = { sequence: 0, acknowledgement: 0 };
  let refused = false;
  network.receiver = (frame, offload) => {
    refused = random(50) === 0;
    if (refused) return false;
    const { protocol, payload } = see(frame.slice(), offload);
    if (protocol === 6) {
      const view = new DataView(payload.buffer, payload.byteOffset);
      last = { sequence: view.getUint32(4), acknowledgement: view.getUint32(8) };
    }
    return true;
  };
  const mutate = (): Uint8Array => {
    const frame = Uint8Array.from(corpus[random(corpus.length)]);
    // Numbers that fit a connection that there is, so that its states are reached.
    if (frame.length > 46 && frame[23] === 6 && random(2) === 0)
      frame.set([...bytes32(last.acknowledgement), ...bytes32(last.sequence + random(3))], 38);
    for (let n = random(4); n > 0; n--) {
      // Targets and their ports are left alone: nothing may be sent to others.
      const at = random(frame.length);
      if ((at < 30 || at > 33) && at !== 36 && at !== 37) frame[at] = random(3) === 0 ? [0, 255, 127, 128][random(4)] : random(256);
    }
    if (random(8) !== 0) repair(frame);
    return random(10) === 0 ? frame.subarray(0, random(frame.length + 1)) : frame;
  };
  const offloads = (): Offload => {
    const trusted = random(4) !== 0;
    return { ...PLAIN, checksumNeeded: trusted, gso: random(10) === 0 ? GSO.TCPV4 : GSO.NONE, segmentBytes: random(2000) };
  };
  const before = process.memoryUsage().rss;
  for (let i = 0; i < FRAMES; i += BATCH) {
    for (let j = 0; j < BATCH; j++) network.send(mutate(), offloads());
    network.ready();
    await new Promise((go) => setImmediate(go));
    assert.ok(network.size < 4096 + 512 + 16, `${network.size} of all kinds`);
  }
  assert.ok(process.memoryUsage().rss - before < 400e6, `${(process.memoryUsage().rss - before) / 1e6} MB more`);
  // It still works.
  const replies: number[] = [];
  network.receiver = (frame, offload) => {
    const seen = see(frame.slice(), offload);
    if (seen.protocol === 1 && seen.payload[0] === 0) replies.push(seen.payload.length);
    return true;
  };
  network.ready();
  network.send(arp(2, MAC, GUEST, MAC, GATEWAY), PLAIN);
  network.send(echo(GATEWAY, new Uint8Array(33)), PLAIN);
  assert.ok(replies.includes(41));
  network.close();
  echoes.close();
  server.close();
  // No socket stays behind, half closed.
  const sockets = (): string[] => process.getActiveResourcesInfo().filter((name) => /^TCPS|^UDP/.test(name));
  for (let i = 0; i < 500 && sockets().length > 0; i++) await new Promise((go) => setTimeout(go, 10));
  assert.equal(sockets(), []);
});

test.run();
