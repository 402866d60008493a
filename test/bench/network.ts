/**
 * What the user-mode network costs by itself: a stream between a socket of the host and a guest that only acknowledges, in segments of 64 KB.
 *
 * The other end of the socket is a process of its own, so that only the stack, Node's sockets and the host's copying are counted.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { GSO, PLAIN } from '../../devices/net/backend.ts';
import { UserNetwork } from '../../devices/net/user/stack.ts';
import { ACK, arp, GATEWAY, GUEST, MAC, SYN, tcp } from '../devices/net/user/guest.ts';
import { type Row, sampleOf } from './measure.ts';

const BYTES = 128 * 1048576;
const BURST = 44 * 1460;
const WINDOW_SHIFT = 7;

/** Writes without end to whoever connects, and reads what comes; says its port. */
const OTHER_END = `
const { createServer } = require('node:net');
const block = Buffer.alloc(262144, 7);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.resume();
  const more = () => { while (socket.write(block)); };
  socket.once('data', (first) => { if (first[0] === 1) { socket.on('drain', more); more(); } });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

/** One stream; the CPU's nanoseconds for a KiB of it. */
async function stream(port: number, toGuest: boolean): Promise<number> {
  const network = new UserNetwork({ forwards: [], restrict: false });
  let sequence = 1;
  let expected = 0;
  let peerEdge = 0;
  let received = 0;
  let wake = (): void => {};
  const fields = { sourcePort: 30000, targetPort: port, window: 65535 };
  const send = (flags: number, data = new Uint8Array(0), options: readonly number[] = []): void => {
    const frame = tcp(GUEST, GATEWAY, { ...fields, flags, sequence, acknowledgement: expected >>> 0, data, options }, true);
    network.send(frame, { ...PLAIN, checksumNeeded: true });
    sequence += data.length;
  };
  network.receiver = (frame) => {
    if (frame[23] !== 6) return true;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const flags = frame[47];
    const length = frame.length - 34 - (frame[46] >> 4) * 4;
    expected = (view.getUint32(38) + length + (flags & SYN)) | 0;
    received += length;
    peerEdge = view.getUint32(42) + (flags & SYN ? view.getUint16(48) : view.getUint16(48) << 4);
    if (flags & SYN) {
      expected = (view.getUint32(38) + 1) | 0;
      sequence = 2;
    }
    wake();
    return true;
  };
  const next = (): Promise<void> =>
    new Promise((go) => {
      wake = () => setImmediate(go);
    });
  network.send(arp(2, MAC, GUEST, MAC, GATEWAY), PLAIN);
  const answered = next();
  send(SYN, undefined, [2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, WINDOW_SHIFT]);
  await answered;
  let acknowledged = next();
  send(ACK, Uint8Array.of(toGuest ? 1 : 2));
  await acknowledged;
  // Made once: it is the stack that is measured.
  const burst = tcp(
    GUEST,
    GATEWAY,
    { ...fields, flags: ACK, sequence, acknowledgement: expected >>> 0, data: new Uint8Array(BURST) },
    true,
  );
  const burstView = new DataView(burst.buffer);
  const offload = { ...PLAIN, checksumNeeded: true, gso: GSO.TCPV4, segmentBytes: 1460 };
  const sendBurst = (): void => {
    burstView.setUint32(38, sequence);
    network.send(burst, offload);
    sequence += BURST;
  };
  const before = process.cpuUsage();
  const begin = toGuest ? received : sequence;
  while ((toGuest ? received : sequence) - begin < BYTES) {
    acknowledged = next();
    if (toGuest) send(ACK);
    else while (sequence + BURST <= peerEdge) sendBurst();
    await acknowledged;
  }
  const used = process.cpuUsage(before);
  network.close();
  return ((used.user + used.system) * 1000) / (BYTES / 1024);
}

/** Nanoseconds of CPU for a KiB, each way. */
export async function benchNetwork(runs: number): Promise<Row[]> {
  const other = spawn(process.execPath, ['-e', OTHER_END], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(other.stdout, 'data');
  const port = Number(String(line));
  const values: Record<'in' | 'out', number[]> = { in: [], out: [] };
  for (let round = -1; round < runs; round++) {
    const [inward, outward] = [await stream(port, true), await stream(port, false)];
    if (round < 0) continue;
    values.in.push(inward);
    values.out.push(outward);
  }
  other.kill();
  const note = (way: string): string => `for a KiB ${way} through the user-mode network, its sockets and the host's copying`;
  return [
    { name: 'net-in', unit: 'ns', lucid: sampleOf(values.in), note: note('to the guest') },
    { name: 'net-out', unit: 'ns', lucid: sampleOf(values.out), note: note('from the guest') },
  ];
}
