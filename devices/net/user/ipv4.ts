/**
 * IPv4 (RFC 791): packets read and made.
 *
 * A packet is made in one frame that is used again for each: a protocol writes its part from `PAYLOAD_AT` on, then `send` puts the headers before it.
 * What is longer than the net's MTU and has no segmentation left to be done leaves in fragments. Options of packets are skipped, source routes
 * with them.
 *
 * @module
 */
import { ETHERNET_BYTES, FRAME_MAX, GSO, type Offload, PLAIN } from '../backend.ts';
import { LIMITED_BROADCAST, readAddress, type Subnet, writeAddress } from './address.ts';
import type { Arp } from './arp.ts';
import { sumWords } from './checksum.ts';
import { BROADCAST_MAC, ETHERTYPE, macOf } from './ethernet.ts';

export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const;
/** Where the headers of a packet that is made stand in its frame. */
export const IP_AT = ETHERNET_BYTES;
export const IP_HEADER_BYTES = 20;
export const PAYLOAD_AT = IP_AT + IP_HEADER_BYTES;
/** Most bytes of a packet. */
export const PACKET_MAX = 65535;

const TTL = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** A packet that came in: where it stands in its frame. */
export interface Packet {
  frame: Uint8Array;
  source: number;
  target: number;
  protocol: number;
  ttl: number;
  headerAt: number;
  payloadAt: number;
  /** The end of the payload. */
  end: number;
  identification: number;
  /** Bytes of the datagram's payload before this fragment's. */
  fragmentOffset: number;
  moreFragments: boolean;
  /** The checksum of what is carried needs no look. */
  trusted: boolean;
}

export function emptyPacket(): Packet {
  return {
    frame: new Uint8Array(0),
    source: 0,
    target: 0,
    protocol: 0,
    ttl: 0,
    headerAt: IP_AT,
    payloadAt: PAYLOAD_AT,
    end: PAYLOAD_AT,
    identification: 0,
    fragmentOffset: 0,
    moreFragments: false,
    trusted: false,
  };
}

/** Reads the header into `packet`; false when it is none. */
export function readPacket(frame: Uint8Array, offload: Readonly<Offload>, packet: Packet): boolean {
  if (frame.length < PAYLOAD_AT || frame[IP_AT] >> 4 !== 4) return false;
  const headerBytes = (frame[IP_AT] & 15) * 4;
  const total = (frame[IP_AT + 2] << 8) | frame[IP_AT + 3];
  if (headerBytes < IP_HEADER_BYTES || total < headerBytes || IP_AT + total > frame.length) return false;
  // A segment that is still to be cut gets its header's checksum when that is done.
  if (offload.gso === GSO.NONE && sumWords(frame, IP_AT, IP_AT + headerBytes) !== 0xffff) return false;
  const fragment = (frame[IP_AT + 6] << 8) | frame[IP_AT + 7];
  packet.frame = frame;
  packet.source = readAddress(frame, IP_AT + 12);
  packet.target = readAddress(frame, IP_AT + 16);
  packet.protocol = frame[IP_AT + 9];
  packet.ttl = frame[IP_AT + 8];
  packet.headerAt = IP_AT;
  packet.payloadAt = IP_AT + headerBytes;
  packet.end = IP_AT + total;
  packet.identification = (frame[IP_AT + 4] << 8) | frame[IP_AT + 5];
  packet.fragmentOffset = (fragment & OFFSET_MASK) * 8;
  packet.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
  packet.trusted = offload.checksumNeeded || offload.checksumValid;
  return true;
}

/** Takes a frame; false when there is no room for it. */
export type Output = (frame: Uint8Array, offload: Readonly<Offload>) => boolean;

interface Held {
  readonly source: number;
  readonly target: number;
  readonly protocol: number;
  readonly data: Uint8Array;
  readonly offload: Readonly<Offload>;
}

export class Ipv4 {
  /** The frame in which packets are made. */
  readonly frame = new Uint8Array(FRAME_MAX);
  readonly view = new DataView(this.frame.buffer);
  readonly mtu: number;
  readonly #subnet: Subnet;
  readonly #arp: Arp;
  readonly #output: Output;
  readonly #fragment = new Uint8Array(FRAME_MAX);
  readonly #gatewayMac: Uint8Array;
  #identification = 0;
  /** The last packet to a station that was not known (RFC 1122 2.3.2.2); TCP sends its own again. */
  #held: Held | undefined;

  constructor(subnet: Subnet, mtu: number, arp: Arp, output: Output) {
    this.#subnet = subnet;
    this.mtu = mtu;
    this.#arp = arp;
    this.#output = output;
    this.#gatewayMac = macOf(subnet.gateway);
  }

  /**
   * Sends the `length` bytes at `PAYLOAD_AT` to a guest. False when that is not possible now: the guest's station is not known (it is asked for), or
   * there is no room for the frame. `offload` may leave work only to what fits one packet.
   */
  send(source: number, target: number, protocol: number, length: number, offload: Readonly<Offload> = PLAIN): boolean {
    const broadcast = target === LIMITED_BROADCAST || target === this.#subnet.broadcast;
    const mac = broadcast ? BROADCAST_MAC : this.#arp.find(target);
    if (mac === undefined) {
      if (!this.#subnet.isGuest(target)) return false;
      if (protocol !== PROTOCOL.TCP)
        this.#held = { source, target, protocol, data: this.frame.slice(PAYLOAD_AT, PAYLOAD_AT + length), offload };
      this.#arp.request(target);
      return false;
    }
    return this.sendTo(mac, source, target, protocol, length, offload);
  }

  /** A guest's station is known: sends what waited for it. */
  learned(): void {
    const held = this.#held;
    if (held === undefined || this.#arp.find(held.target) === undefined) return;
    this.#held = undefined;
    this.frame.set(held.data, PAYLOAD_AT);
    this.send(held.source, held.target, held.protocol, held.data.length, held.offload);
  }

  /** The same, to a station whose address is known to the caller. */
  sendTo(
    mac: Readonly<Uint8Array>,
    source: number,
    target: number,
    protocol: number,
    length: number,
    offload: Readonly<Offload> = PLAIN,
  ): boolean {
    const { frame } = this;
    frame.set(mac, 0);
    frame.set(source === this.#subnet.dns ? macOf(source) : this.#gatewayMac, 6);
    frame[12] = ETHERTYPE.IPV4 >> 8;
    frame[13] = ETHERTYPE.IPV4 & 255;
    frame[IP_AT] = 0x45;
    frame[IP_AT + 1] = 0;
    frame[IP_AT + 8] = TTL;
    frame[IP_AT + 9] = protocol;
    writeAddress(frame, IP_AT + 12, source);
    writeAddress(frame, IP_AT + 16, target);
    this.#identification = (this.#identification + 1) & 0xffff;
    if (length + IP_HEADER_BYTES > this.mtu && offload.gso === GSO.NONE) return this.#sendFragments(length);
    this.#finish(frame, length, protocol === PROTOCOL.TCP ? DONT_FRAGMENT : 0);
    return this.#output(frame.subarray(0, PAYLOAD_AT + length), offload);
  }

  #finish(frame: Uint8Array, length: number, fragment: number): void {
    const total = length + IP_HEADER_BYTES;
    frame[IP_AT + 2] = total >> 8;
    frame[IP_AT + 3] = total;
    frame[IP_AT + 4] = this.#identification >> 8;
    frame[IP_AT + 5] = this.#identification;
    frame[IP_AT + 6] = fragment >> 8;
    frame[IP_AT + 7] = fragment;
    frame[IP_AT + 10] = 0;
    frame[IP_AT + 11] = 0;
    const sum = ~sumWords(frame, IP_AT, PAYLOAD_AT);
    frame[IP_AT + 10] = sum >> 8;
    frame[IP_AT + 11] = sum;
  }

  #sendFragments(length: number): boolean {
    const piece = this.#fragment;
    piece.set(this.frame.subarray(0, PAYLOAD_AT));
    const step = (this.mtu - IP_HEADER_BYTES) & ~7;
    for (let at = 0; at < length; at += step) {
      const bytes = Math.min(step, length - at);
      piece.set(this.frame.subarray(PAYLOAD_AT + at, PAYLOAD_AT + at + bytes), PAYLOAD_AT);
      this.#finish(piece, bytes, (at / 8) | (at + bytes < length ? MORE_FRAGMENTS : 0));
      if (!this.#output(piece.subarray(0, PAYLOAD_AT + bytes), PLAIN)) return false;
    }
    return true;
  }
}
