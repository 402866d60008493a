/**
 * TCP between the guest and the host's network: the connections that there are, and segments read and made.
 *
 * A guest's SYN makes a connection of the host first (`tcp-bridge.ts`); it is answered when that is there, with a reset when it was refused, and with ICMP
 * when the host knows no way. A segment of no connection is answered with a reset. There are at most `CONNECTIONS_MAX` connections, of which
 * `OPENING_MAX` may be opening: SYNs beyond that are not answered, so the guest tries again.
 *
 * @module
 */
import { randomInt } from 'node:crypto';
import { GSO, type Offload } from '../backend.ts';
import type { Subnet } from './address.ts';
import { pseudoSum } from './checksum.ts';
import type { Icmp, UnreachableCode } from './icmp.ts';
import { IP_HEADER_BYTES, type Ipv4, type Packet, PAYLOAD_AT, PROTOCOL } from './ipv4.ts';
import type { Budget } from './receive-queue.ts';
import { BlockPool } from './send-queue.ts';
import { type Application, RECEIVE_SHIFT, type TcpAddresses, TcpConnection, type Wire } from './tcp-connection.ts';
import { emptySegment, FLAG, readSegment, type Segment, TCP_HEADER_BYTES, writeSynOptions } from './tcp-segment.ts';

const CONNECTIONS_MAX = 4096;
const OPENING_MAX = 1024;
/** Of all connections together, data that came too early. */
const EARLY_MAX = 16777216;
const DATA_AT = PAYLOAD_AT + TCP_HEADER_BYTES;
const FIRST_FREE_PORT = 49152;

/** Makes the host's side of a connection that a guest asks for, and accepts or refuses it, now or later. */
export type Connector = (connection: TcpConnection) => void;

export class Tcp implements Wire {
  readonly #subnet: Subnet;
  readonly #ip: Ipv4;
  readonly #icmp: Icmp;
  readonly #connect: Connector;
  readonly #clock: () => number;
  readonly #soon: (act: () => void) => void;
  /** By the local end, then by the guest's. */
  readonly #connections = new Map<number, Map<number, TcpConnection>>();
  readonly #budget: Budget = { left: EARLY_MAX };
  readonly #pool = new BlockPool();
  readonly #segment = emptySegment();
  #count = 0;
  #last: TcpConnection | undefined;
  #wanting: TcpConnection[] = [];
  #blocked: TcpConnection[] = [];
  #scheduled = false;
  readonly #offload: Offload = {
    checksumNeeded: true,
    checksumValid: false,
    checksumStart: PAYLOAD_AT,
    checksumOffset: 16,
    gso: GSO.NONE,
    ecn: false,
    segmentBytes: 0,
    headerBytes: DATA_AT,
  };

  /** `soon` calls a function when the present batch of frames is done. */
  constructor(
    subnet: Subnet,
    ip: Ipv4,
    icmp: Icmp,
    connect: Connector,
    clock: () => number,
    soon: (act: () => void) => void = queueMicrotask,
  ) {
    this.#subnet = subnet;
    this.#ip = ip;
    this.#icmp = icmp;
    this.#connect = connect;
    this.#clock = clock;
    this.#soon = soon;
  }

  get size(): number {
    return this.#count;
  }

  get now(): number {
    return this.#clock();
  }

  // --- From the guest ---

  input(packet: Packet): void {
    const segment = this.#segment;
    if (!readSegment(packet, segment)) return;
    const known = this.#find(segment);
    const opens = (segment.flags & (FLAG.SYN | FLAG.ACK | FLAG.RST)) === FLAG.SYN;
    if (known !== undefined && !(opens && known.state === 'time-wait')) {
      known.input(segment);
      return;
    }
    known?.drop();
    if (opens) this.#request(segment);
    else if ((segment.flags & FLAG.RST) === 0) this.#reject(segment);
  }

  #find(segment: Segment): TcpConnection | undefined {
    const last = this.#last;
    if (last !== undefined) {
      const { guest, guestPort, local, localPort } = last.addresses;
      const same = guestPort === segment.sourcePort && localPort === segment.targetPort && local === segment.target;
      if (same && guest === segment.source) return last;
    }
    const found = this.#connections.get(endOf(segment.target, segment.targetPort))?.get(endOf(segment.source, segment.sourcePort));
    if (found !== undefined) this.#last = found;
    return found;
  }

  #request(segment: Segment): void {
    if (segment.sourcePort === 0 || segment.targetPort === 0 || !this.#hasRoom()) return;
    const connection = this.#add({
      guest: segment.source,
      guestPort: segment.sourcePort,
      local: segment.target,
      localPort: segment.targetPort,
    });
    connection.requested(segment);
    this.#connect(connection);
  }

  #hasRoom(): boolean {
    if (this.#count >= CONNECTIONS_MAX) return false;
    if (this.#count < OPENING_MAX) return true;
    let opening = 0;
    for (const connection of this.#all()) if (connection.state === 'connecting' || connection.state.startsWith('syn-')) opening++;
    return opening < OPENING_MAX;
  }

  /** RFC 9293 3.10.7.1: nobody is there. */
  #reject(segment: Segment): void {
    const answer = (segment.flags & FLAG.ACK) !== 0;
    const length = segment.dataLength + (segment.flags & FLAG.SYN ? 1 : 0) + (segment.flags & FLAG.FIN ? 1 : 0);
    const sequence = answer ? segment.acknowledgement : 0;
    this.#header(segment.targetPort, segment.sourcePort, sequence, segment.sequence + length, 0);
    this.#finishHeader(answer ? FLAG.RST : FLAG.RST | FLAG.ACK, 0);
    this.#send(segment.target, segment.source, TCP_HEADER_BYTES, 0);
  }

  // --- From the host ---

  /** A connection to a guest's port, from a port of the gateway: `port` if it is free. Undefined when there are too many. */
  open(guest: number, guestPort: number, port: number, application: (connection: TcpConnection) => Application): TcpConnection | undefined {
    if (!this.#hasRoom()) return undefined;
    const local = this.#subnet.gateway;
    let localPort = port;
    while (this.#connections.get(endOf(local, localPort))?.has(endOf(guest, guestPort))) {
      localPort = localPort >= 65535 ? FIRST_FREE_PORT : localPort + 1;
    }
    const connection = this.#add({ guest, guestPort, local, localPort });
    connection.open(application(connection));
    return connection;
  }

  /** Ends a request of the guest: the host knows no way. */
  unreachable(connection: TcpConnection, code: UnreachableCode): void {
    const { guest, guestPort, local, localPort } = connection.addresses;
    const flow = { source: guest, sourcePort: guestPort, target: local, targetPort: localPort };
    this.#icmp.unreachableFlow(flow, PROTOCOL.TCP, connection.requestSequence, code);
    connection.drop();
  }

  #add(addresses: TcpAddresses): TcpConnection {
    const local = endOf(addresses.local, addresses.localPort);
    let guests = this.#connections.get(local);
    if (guests === undefined) {
      guests = new Map();
      this.#connections.set(local, guests);
    }
    const mss = this.#ip.mtu - IP_HEADER_BYTES - TCP_HEADER_BYTES;
    const connection = new TcpConnection(addresses, this, mss, randomInt(0x100000000), this.#budget, this.#pool);
    guests.set(endOf(addresses.guest, addresses.guestPort), connection);
    this.#count++;
    return connection;
  }

  *#all(): Generator<TcpConnection> {
    for (const guests of this.#connections.values()) yield* guests.values();
  }

  // --- Time and room ---

  /** There is room for frames again, or a guest that was looked for is known. */
  ready(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const connection of blocked) connection.blocked = false;
    for (const connection of blocked) connection.flush();
  }

  tick(now: number): void {
    for (const connection of [...this.#all()]) connection.tick(now);
  }

  /** Gives up all connections. */
  close(): void {
    for (const connection of [...this.#all()]) {
      const { application } = connection;
      connection.drop();
      application?.aborted();
    }
  }

  wants(connection: TcpConnection): void {
    if (connection.wanted) return;
    connection.wanted = true;
    this.#wanting.push(connection);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#soon(() => this.flush());
  }

  /** Sends what waited for the end of a batch. */
  flush(): void {
    this.#scheduled = false;
    const wanting = this.#wanting;
    this.#wanting = [];
    for (const connection of wanting) connection.wanted = false;
    for (const connection of wanting) if (!connection.blocked) connection.flush();
  }

  ended(connection: TcpConnection): void {
    const { guest, guestPort, local, localPort } = connection.addresses;
    const guests = this.#connections.get(endOf(local, localPort));
    const end = endOf(guest, guestPort);
    if (this.#last === connection) this.#last = undefined;
    if (guests?.get(end) !== connection) return;
    guests.delete(end);
    this.#count--;
    if (guests.size === 0) this.#connections.delete(endOf(local, localPort));
  }

  // --- To the guest ---

  transmit(connection: TcpConnection, flags: number, sequence: number, offset: number, length: number): boolean {
    if (connection.blocked) return false;
    const { guest, guestPort, local, localPort } = connection.addresses;
    const { frame } = this.#ip;
    const syn = (flags & FLAG.SYN) !== 0;
    const window = connection.tellWindow();
    const acknowledgement = (flags & FLAG.ACK) !== 0 ? connection.expected : 0;
    this.#header(
      localPort,
      guestPort,
      sequence,
      acknowledgement,
      Math.min(65535, syn || !connection.scaled ? window : window >> RECEIVE_SHIFT),
    );
    const options = syn ? writeSynOptions(frame, DATA_AT, connection.mss, connection.scaled ? RECEIVE_SHIFT : -1) : 0;
    this.#finishHeader(flags, options);
    if (length > 0) connection.queue.copy(offset, length, frame, DATA_AT + options);
    const sent = this.#send(local, guest, TCP_HEADER_BYTES + options + length, length > connection.mss ? connection.mss : 0);
    if (!sent) {
      connection.blocked = true;
      this.#blocked.push(connection);
    }
    return sent;
  }

  #header(from: number, to: number, sequence: number, acknowledgement: number, window: number): void {
    const { view } = this.#ip;
    view.setUint16(PAYLOAD_AT, from);
    view.setUint16(PAYLOAD_AT + 2, to);
    view.setInt32(PAYLOAD_AT + 4, sequence);
    view.setInt32(PAYLOAD_AT + 8, acknowledgement);
    view.setUint16(PAYLOAD_AT + 14, window);
    view.setUint16(PAYLOAD_AT + 18, 0);
  }

  #finishHeader(flags: number, options: number): void {
    this.#ip.frame[PAYLOAD_AT + 12] = ((TCP_HEADER_BYTES + options) / 4) << 4;
    this.#ip.frame[PAYLOAD_AT + 13] = flags;
  }

  /** The checksum is left to who takes the frame, and so is cutting it into segments. */
  #send(source: number, target: number, length: number, segmentBytes: number): boolean {
    this.#ip.view.setUint16(PAYLOAD_AT + 16, pseudoSum(source, target, PROTOCOL.TCP, length));
    this.#offload.gso = segmentBytes === 0 ? GSO.NONE : GSO.TCPV4;
    this.#offload.segmentBytes = segmentBytes;
    return this.#ip.send(source, target, PROTOCOL.TCP, length, this.#offload);
  }
}

/** An address and a port as one number, of 48 bits. */
function endOf(address: number, port: number): number {
  return address * 65536 + port;
}
