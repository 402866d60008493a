/**
 * ICMP (RFC 792): echoes of the stack's own stations, and errors about what the guest sent.
 *
 * An echo request to anybody else is answered with "destination unreachable, communication administratively prohibited" (RFC 1812 5.2.7.1): a process
 * without privileges has no way to send one through Node. So a guest that pings the outside learns why it gets no answer, at once.
 *
 * @module
 */
import { type Subnet, writeAddress } from './address.ts';
import { sumWords } from './checksum.ts';
import { IP_HEADER_BYTES, type Ipv4, type Packet, PAYLOAD_AT, PROTOCOL } from './ipv4.ts';

const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;
const DESTINATION_UNREACHABLE = 3;
const TIME_EXCEEDED = 11;
const HEADER_BYTES = 8;
/** Of the datagram that an error is about, behind its header. */
const QUOTED_BYTES = 8;

/** Codes of "destination unreachable". */
export const UNREACHABLE = { NET: 0, HOST: 1, PORT: 3, PROHIBITED: 13 } as const;
export type UnreachableCode = (typeof UNREACHABLE)[keyof typeof UNREACHABLE];

/** A datagram or segment of a guest that an error is about, when its packet is not at hand any more. */
export interface Flow {
  /** The guest. */
  readonly source: number;
  readonly sourcePort: number;
  readonly target: number;
  readonly targetPort: number;
}

export class Icmp {
  readonly #subnet: Subnet;
  readonly #ip: Ipv4;

  constructor(subnet: Subnet, ip: Ipv4) {
    this.#subnet = subnet;
    this.#ip = ip;
  }

  input(packet: Packet): void {
    const { frame, payloadAt, end } = packet;
    const length = end - payloadAt;
    if (length < HEADER_BYTES || frame[payloadAt] !== ECHO_REQUEST) return;
    if (!packet.trusted && sumWords(frame, payloadAt, end) !== 0xffff) return;
    if (!this.#subnet.isOwn(packet.target)) {
      this.unreachable(packet, this.#subnet.has(packet.target) ? UNREACHABLE.HOST : UNREACHABLE.PROHIBITED);
      return;
    }
    const reply = this.#ip.frame;
    reply.set(frame.subarray(payloadAt, end), PAYLOAD_AT);
    reply[PAYLOAD_AT] = ECHO_REPLY;
    this.#send(packet.target, packet.source, length);
  }

  /** Tells a guest that its packet went nowhere. */
  unreachable(packet: Packet, code: UnreachableCode): void {
    this.#about(packet, DESTINATION_UNREACHABLE, code);
  }

  /** Tells a guest that its packet may go no further. */
  timeExceeded(packet: Packet): void {
    this.#about(packet, TIME_EXCEEDED, 0);
  }

  /** The same as `unreachable`, for a flow of a protocol; `word` is what follows the ports in its header (a sequence number, or length and checksum). */
  unreachableFlow(flow: Flow, protocol: number, word: number, code: UnreachableCode): void {
    const { frame, view } = this.#ip;
    this.#header(DESTINATION_UNREACHABLE, code);
    const at = PAYLOAD_AT + HEADER_BYTES;
    frame.fill(0, at, at + IP_HEADER_BYTES);
    frame[at] = 0x45;
    view.setUint16(at + 2, IP_HEADER_BYTES + (protocol === PROTOCOL.TCP ? 20 : 8));
    frame[at + 8] = 64;
    frame[at + 9] = protocol;
    writeAddress(frame, at + 12, flow.source);
    writeAddress(frame, at + 16, flow.target);
    view.setUint16(at + 10, ~sumWords(frame, at, at + IP_HEADER_BYTES));
    view.setUint16(at + 20, flow.sourcePort);
    view.setUint16(at + 22, flow.targetPort);
    view.setUint32(at + 24, word);
    this.#send(this.#subnet.gateway, flow.source, HEADER_BYTES + IP_HEADER_BYTES + QUOTED_BYTES);
  }

  /** Errors are told of packets to one station only, and never of errors (RFC 1122 3.2.2). */
  #about(packet: Packet, type: number, code: number): void {
    const { frame, headerAt, payloadAt } = packet;
    if (packet.protocol === PROTOCOL.ICMP && frame[payloadAt] !== ECHO_REQUEST) return;
    if (packet.fragmentOffset !== 0) return;
    const quoted = frame.subarray(headerAt, Math.min(payloadAt + QUOTED_BYTES, packet.end));
    this.#header(type, code);
    this.#ip.frame.set(quoted, PAYLOAD_AT + HEADER_BYTES);
    this.#send(this.#subnet.gateway, packet.source, HEADER_BYTES + quoted.length);
  }

  #header(type: number, code: number): void {
    this.#ip.frame.fill(0, PAYLOAD_AT, PAYLOAD_AT + HEADER_BYTES);
    this.#ip.frame[PAYLOAD_AT] = type;
    this.#ip.frame[PAYLOAD_AT + 1] = code;
  }

  #send(source: number, target: number, length: number): void {
    const { frame } = this.#ip;
    frame[PAYLOAD_AT + 2] = 0;
    frame[PAYLOAD_AT + 3] = 0;
    const sum = ~sumWords(frame, PAYLOAD_AT, PAYLOAD_AT + length);
    frame[PAYLOAD_AT + 2] = sum >> 8;
    frame[PAYLOAD_AT + 3] = sum;
    this.#ip.send(source, target, PROTOCOL.ICMP, length);
  }
}
