/**
 * A guest's side of the user-mode network, written apart from it: makes frames, takes frames apart and checks all that they say of themselves.
 */
import * as assert from 'uvu/assert';
import { GSO, type NetBackend, type Offload, PLAIN } from '../../../../devices/net/backend.ts';

export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const ALL = new Uint8Array(6).fill(0xff);

export const ip = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
export const GUEST = ip('10.0.2.15');
export const GATEWAY = ip('10.0.2.2');
export const NAMES = ip('10.0.2.3');

/** One's complement sum of everything, the slow way. */
export function ones(...parts: readonly (Uint8Array | readonly number[])[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) {
      sum += (part[i] << 8) + (i + 1 < part.length ? part[i + 1] : 0);
    }
  }
  while (sum > 0xffff) sum = Math.floor(sum / 65536) + (sum % 65536);
  return sum;
}

const bytes16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
export const bytes32 = (value: number): number[] => [...bytes16(value >>> 16), ...bytes16(value)];

export interface IpFields {
  source: number;
  target: number;
  protocol: number;
  ttl?: number;
  id?: number;
  /** Flags and offset, as they stand in the header. */
  fragment?: number;
}

export function ethernet(type: number, payload: Uint8Array, to: Uint8Array = ALL, from: Uint8Array = MAC): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set(to);
  frame.set(from, 6);
  frame.set(bytes16(type), 12);
  frame.set(payload, 14);
  return frame;
}

export function ipv4({ source, target, protocol, ttl = 64, id = 1, fragment = 0 }: IpFields, payload: Uint8Array): Uint8Array {
  const header = [0x45, 0, ...bytes16(20 + payload.length), ...bytes16(id), ...bytes16(fragment), ttl, protocol, 0, 0];
  header.push(...bytes32(source), ...bytes32(target));
  header.splice(10, 2, ...bytes16(~ones(header)));
  const packet = new Uint8Array(20 + payload.length);
  packet.set(header);
  packet.set(payload, 20);
  return ethernet(0x0800, packet);
}

/** The pseudo header's bytes. */
function pseudo(source: number, target: number, protocol: number, length: number): number[] {
  return [...bytes32(source), ...bytes32(target), 0, protocol, ...bytes16(length)];
}

export function udp(source: number, sourcePort: number, target: number, targetPort: number, data: Uint8Array): Uint8Array {
  const datagram = Uint8Array.from([...bytes16(sourcePort), ...bytes16(targetPort), ...bytes16(8 + data.length), 0, 0, ...data]);
  datagram.set(bytes16(~ones(pseudo(source, target, 17, datagram.length), datagram)), 6);
  return ipv4({ source, target, protocol: 17 }, datagram);
}

export function echo(target: number, data: Uint8Array, ttl = 64): Uint8Array {
  const message = Uint8Array.from([8, 0, 0, 0, 0, 7, 0, 9, ...data]);
  message.set(bytes16(~ones(message)), 2);
  return ipv4({ source: GUEST, target, protocol: 1, ttl }, message);
}

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export interface TcpFields {
  sourcePort: number;
  targetPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  window: number;
  options?: readonly number[];
  data?: Uint8Array;
}

/** A segment, its checksum left out when it is to be done by who takes it. */
export function tcp(source: number, target: number, fields: TcpFields, offload = false): Uint8Array {
  const { options = [], data = new Uint8Array(0) } = fields;
  const segment = new Uint8Array(20 + options.length + data.length);
  const view = new DataView(segment.buffer);
  view.setUint16(0, fields.sourcePort);
  view.setUint16(2, fields.targetPort);
  view.setUint32(4, fields.sequence);
  view.setUint32(8, fields.acknowledgement);
  segment[12] = (5 + options.length / 4) << 4;
  segment[13] = fields.flags;
  view.setUint16(14, fields.window);
  segment.set(options, 20);
  segment.set(data, 20 + options.length);
  const head = pseudo(source, target, 6, segment.length);
  view.setUint16(16, offload ? ones(head) : ~ones(head, segment));
  return ipv4({ source, target, protocol: 6 }, segment);
}

/** What stands in a frame. */
export interface Seen {
  readonly frame: Uint8Array;
  readonly type: number;
  readonly source: number;
  readonly target: number;
  readonly protocol: number;
  /** Behind the IP header. */
  readonly payload: Uint8Array;
  readonly fragment: number;
  readonly id: number;
  readonly segmentBytes: number;
}

export interface SeenTcp extends Seen {
  readonly tcp: Required<TcpFields>;
}

/** Takes a frame apart; a wrong checksum, length or offload fails the test. */
export function see(frame: Uint8Array, offload: Readonly<Offload> = PLAIN): Seen {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  const none = { frame, type, source: 0, target: 0, protocol: 0, payload: frame.subarray(14), fragment: 0, id: 0, segmentBytes: 0 };
  if (type !== 0x0800) return none;
  assert.is(frame[14], 0x45);
  assert.is(ones(frame.subarray(14, 34)), 0xffff, 'IP checksum');
  const total = view.getUint16(16);
  assert.is(total, frame.length - 14, 'IP length');
  const payload = frame.subarray(34);
  const source = view.getUint32(26);
  const target = view.getUint32(30);
  const protocol = frame[23];
  const seen = { frame, type, source, target, protocol, payload, fragment: view.getUint16(20), id: view.getUint16(18) };
  if (offload.gso === GSO.NONE) assert.ok(total <= 1500, `${total} bytes of packet`);
  else assert.is(offload.gso, GSO.TCPV4);
  const whole = (seen.fragment & 0x3fff) === 0;
  if (protocol === 1 && whole) assert.is(ones(payload), 0xffff, 'ICMP checksum');
  if ((protocol === 6 || protocol === 17) && whole) {
    const head = pseudo(source, target, protocol, payload.length);
    if (offload.checksumNeeded) {
      assert.is(offload.checksumStart, 34);
      assert.is(offload.checksumOffset, protocol === 6 ? 16 : 6);
      assert.is(view.getUint16(34 + offload.checksumOffset), ones(head), 'the pseudo header is summed');
    } else assert.is(ones(head, payload), 0xffff, 'checksum');
    if (protocol === 17) assert.is(view.getUint16(38), payload.length, 'UDP length');
  }
  return { ...seen, segmentBytes: offload.gso === GSO.NONE ? 0 : offload.segmentBytes };
}

export function seeTcp(seen: Seen): Required<TcpFields> {
  const { payload } = seen;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const header = (payload[12] >> 4) * 4;
  return {
    sourcePort: view.getUint16(0),
    targetPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags: payload[13],
    window: view.getUint16(14),
    options: [...payload.subarray(20, header)],
    data: payload.subarray(header),
  };
}

/** A station on the net: keeps the frames that come, and lets a test wait for one. */
export class Station {
  readonly network: NetBackend;
  readonly frames: Seen[] = [];
  /** Frames for somebody in particular. */
  handlers: ((seen: Seen) => boolean)[] = [];
  #waiting: { want: (seen: Seen) => boolean; found: (seen: Seen) => void }[] = [];

  constructor(network: NetBackend) {
    this.network = network;
    network.receiver = (frame, offload) => this.#take(see(frame.slice(), offload));
  }

  #take(seen: Seen): boolean {
    if (seen.type === 0x0806 && seen.frame[21] === 1 && new DataView(seen.frame.buffer).getUint32(38) === GUEST) {
      queueMicrotask(() => this.announce());
      return true;
    }
    if (this.handlers.some((handler) => handler(seen))) return true;
    const i = this.#waiting.findIndex(({ want }) => want(seen));
    if (i >= 0) this.#waiting.splice(i, 1)[0].found(seen);
    else this.frames.push(seen);
    return true;
  }

  send(frame: Uint8Array, offload: Readonly<Offload> = PLAIN): void {
    this.network.send(frame, offload);
  }

  /** The first frame that is wanted, of those that came or will come. */
  async wait(want: (seen: Seen) => boolean, what = 'a frame'): Promise<Seen> {
    const i = this.frames.findIndex(want);
    if (i >= 0) return this.frames.splice(i, 1)[0];
    return await new Promise((found, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} did not come`)), 20000);
      this.#waiting.push({
        want,
        found: (seen) => {
          clearTimeout(timer);
          found(seen);
        },
      });
    });
  }

  /** Says who has the guest's address. */
  announce(): void {
    this.send(arp(2, MAC, GUEST, ALL, GATEWAY));
  }
}

export function arp(operation: number, senderMac: Uint8Array, sender: number, targetMac: Uint8Array, target: number): Uint8Array {
  return ethernet(
    0x0806,
    Uint8Array.from([0, 1, 8, 0, 6, 4, 0, operation, ...senderMac, ...bytes32(sender), ...targetMac, ...bytes32(target)]),
  );
}
