/**
 * UDP (RFC 768) between the guest and the host's network: one socket of the host for each flow of the guest.
 *
 * A flow is a guest's address and port with the address and port that it talks to. Its socket is connected, so only that peer is heard, and the host's
 * "connection refused" comes back to the guest as "port unreachable". One exception: a TFTP server answers from a new port (RFC 1350 4), so a flow to
 * port 69 hears its peer's address at any port. A flow ends when it was idle for two minutes, or when the table is full and it is the one that was
 * idle longest (RFC 4787). Broadcasts and groups stay on the net. A datagram for which the guest has no room is lost, as datagrams may be.
 *
 * @module
 */
import { GSO, type Offload } from '../backend.ts';
import { isUnroutable, type Subnet } from './address.ts';
import { pseudoSum, sumWords } from './checksum.ts';
import { HostPath } from './host-path.ts';
import type { Flow, Icmp } from './icmp.ts';
import { IP_HEADER_BYTES, type Ipv4, type Packet, PACKET_MAX, PAYLOAD_AT, PROTOCOL } from './ipv4.ts';
import { reach } from './reach.ts';

const HEADER_BYTES = 8;
const DATA_AT = PAYLOAD_AT + HEADER_BYTES;
const DATA_MAX = PACKET_MAX - IP_HEADER_BYTES - HEADER_BYTES;
const FLOWS_MAX = 512;
const IDLE_MS = 120000;
const TFTP_PORT = 69;
/** Where ports are looked for when the one that is wanted is taken. */
const FIRST_FREE_PORT = 49152;

/** A datagram of the guest; the bytes are valid during the call only. */
export interface Datagram extends Flow {
  readonly data: Uint8Array;
}

/** Something of the stack itself that listens; true when the datagram was for it. */
export type Service = (datagram: Datagram) => boolean;

interface Path extends Flow {
  idleAt: number;
  send(data: Uint8Array): void;
  close(): void;
}

function keyOf(flow: Flow, targetPort = flow.targetPort): string {
  return `${flow.source}:${flow.sourcePort}>${flow.target}:${targetPort}`;
}

export class Udp {
  readonly #subnet: Subnet;
  readonly #ip: Ipv4;
  readonly #icmp: Icmp;
  readonly #service: Service;
  readonly #restrict: boolean;
  readonly #now: () => number;
  readonly #paths = new Map<string, Path>();
  readonly #offload: Offload = {
    checksumNeeded: true,
    checksumValid: false,
    checksumStart: PAYLOAD_AT,
    checksumOffset: 6,
    gso: GSO.NONE,
    ecn: false,
    segmentBytes: 0,
    headerBytes: DATA_AT,
  };

  constructor(subnet: Subnet, ip: Ipv4, icmp: Icmp, service: Service, restrict: boolean, now: () => number) {
    this.#subnet = subnet;
    this.#ip = ip;
    this.#icmp = icmp;
    this.#service = service;
    this.#restrict = restrict;
    this.#now = now;
  }

  get size(): number {
    return this.#paths.size;
  }

  input(packet: Packet): void {
    const { frame, payloadAt, end } = packet;
    if (end - payloadAt < HEADER_BYTES) return;
    const length = (frame[payloadAt + 4] << 8) | frame[payloadAt + 5];
    if (length < HEADER_BYTES || payloadAt + length > end) return;
    const summed = frame[payloadAt + 6] !== 0 || frame[payloadAt + 7] !== 0;
    if (summed && !packet.trusted) {
      const pseudo = pseudoSum(packet.source, packet.target, PROTOCOL.UDP, length);
      if (sumWords(frame, payloadAt, payloadAt + length, pseudo) !== 0xffff) return;
    }
    const datagram: Datagram = {
      source: packet.source,
      sourcePort: (frame[payloadAt] << 8) | frame[payloadAt + 1],
      target: packet.target,
      targetPort: (frame[payloadAt + 2] << 8) | frame[payloadAt + 3],
      data: frame.subarray(payloadAt + HEADER_BYTES, payloadAt + length),
    };
    if (this.#service(datagram)) return;
    if (isUnroutable(packet.target) || packet.target === this.#subnet.broadcast) return;
    const path = this.#paths.get(keyOf(datagram)) ?? this.#paths.get(keyOf(datagram, 0)) ?? this.#open(datagram, packet);
    if (path === undefined) return;
    path.idleAt = this.#now() + IDLE_MS;
    path.send(datagram.data);
  }

  /** A datagram for a guest; `mac` when its station is known to the caller. Lost when there is no room. */
  deliver(from: number, fromPort: number, guest: number, guestPort: number, data: Uint8Array): void {
    if (data.length > DATA_MAX) return;
    this.#ip.frame.set(data, DATA_AT);
    this.header(from, fromPort, guest, guestPort, data.length);
    this.#ip.send(from, guest, PROTOCOL.UDP, HEADER_BYTES + data.length, this.#fits(data.length) ? this.#offload : undefined);
  }

  /** Puts the header before `length` bytes at `PAYLOAD_AT` + 8. What fits one packet gets its checksum from who takes the frame. */
  header(from: number, fromPort: number, to: number, toPort: number, length: number): void {
    const { frame, view } = this.#ip;
    view.setUint16(PAYLOAD_AT, fromPort);
    view.setUint16(PAYLOAD_AT + 2, toPort);
    view.setUint16(PAYLOAD_AT + 4, HEADER_BYTES + length);
    const pseudo = pseudoSum(from, to, PROTOCOL.UDP, HEADER_BYTES + length);
    view.setUint16(PAYLOAD_AT + 6, 0);
    if (this.#fits(length)) view.setUint16(PAYLOAD_AT + 6, pseudo);
    else view.setUint16(PAYLOAD_AT + 6, ~sumWords(frame, PAYLOAD_AT, DATA_AT + length, pseudo) & 0xffff || 0xffff);
  }

  /** What remains to be done to a datagram of `header` that fits one packet. */
  get offload(): Readonly<Offload> {
    return this.#offload;
  }

  #fits(length: number): boolean {
    return IP_HEADER_BYTES + HEADER_BYTES + length <= this.#ip.mtu;
  }

  /** Lets datagrams from outside into the guest: a flow whose guest side is given, and whose other side is a port of the gateway, `port` if it is free. */
  admit(guest: number, guestPort: number, port: number, send: (data: Uint8Array) => void, close: () => void): Flow {
    const flow = { source: guest, sourcePort: guestPort, target: this.#subnet.gateway, targetPort: port };
    while (this.#paths.has(keyOf(flow))) flow.targetPort = flow.targetPort >= 65535 ? FIRST_FREE_PORT : flow.targetPort + 1;
    this.#add({ ...flow, idleAt: this.#now() + IDLE_MS, send, close });
    return flow;
  }

  /** A flow that was admitted is in use; false when it has ended. */
  touch(flow: Flow): boolean {
    const path = this.#paths.get(keyOf(flow));
    if (path !== undefined) path.idleAt = this.#now() + IDLE_MS;
    return path !== undefined;
  }

  /** Ends what was idle too long. */
  expire(now: number): void {
    for (const [key, path] of this.#paths) {
      if (now < path.idleAt) continue;
      this.#paths.delete(key);
      path.close();
    }
  }

  close(): void {
    this.expire(Number.POSITIVE_INFINITY);
  }

  #add(path: Path, key = keyOf(path)): void {
    if (this.#paths.size >= FLOWS_MAX) {
      let oldest = this.#paths.entries().next().value as [string, Path];
      for (const entry of this.#paths) if (entry[1].idleAt < oldest[1].idleAt) oldest = entry;
      this.#paths.delete(oldest[0]);
      oldest[1].close();
    }
    this.#paths.set(key, path);
  }

  /** A new flow to the outside; undefined, and the guest told, when there can be none. */
  #open(flow: Flow, packet: Packet): Path | undefined {
    const { target } = flow;
    const address = reach(this.#subnet, this.#restrict, target);
    if (typeof address === 'number') {
      this.#icmp.unreachable(packet, address);
      return undefined;
    }
    const { source, sourcePort, targetPort } = flow;
    const anyPort = targetPort === TFTP_PORT;
    const key = keyOf(flow, anyPort ? 0 : targetPort);
    const link = new HostPath(address, targetPort, anyPort, {
      received: (data, port) => this.deliver(target, port, source, sourcePort, data),
      failed: (code) => this.#icmp.unreachableFlow({ source, sourcePort, target, targetPort }, PROTOCOL.UDP, HEADER_BYTES << 16, code),
      ended: () => this.#paths.delete(key),
    });
    const path: Path = {
      source,
      sourcePort,
      target,
      targetPort,
      idleAt: 0,
      send: (data) => link.send(data),
      close: () => link.close(),
    };
    this.#add(path, key);
    return path;
  }
}
