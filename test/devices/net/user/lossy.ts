/**
 * The stack's TCP and a guest's, joined by a bad line, in a time of their own: frames are lost, doubled and delayed as a seed says.
 */
import { GSO, type Offload, PLAIN } from '../../../../devices/net/backend.ts';
import { Subnet } from '../../../../devices/net/user/address.ts';
import { Arp } from '../../../../devices/net/user/arp.ts';
import { Icmp } from '../../../../devices/net/user/icmp.ts';
import { emptyPacket, Ipv4, readPacket } from '../../../../devices/net/user/ipv4.ts';
import { Tcp } from '../../../../devices/net/user/tcp.ts';
import type { Application, TcpConnection } from '../../../../devices/net/user/tcp-connection.ts';
import { randomSource } from '../../fake-board.ts';
import { GATEWAY, GUEST, ip, MAC, NAMES, type Seen, see } from './guest.ts';
import type { GuestTcp } from './guest-tcp.ts';

export interface Line {
  readonly seed: number;
  /** Shares of frames, from 0 to 1. */
  readonly loss?: number;
  readonly double?: number;
  readonly late?: number;
}

const TRIP_MS = 1;
const LATE_MS = 7;
const TICK_MS = 10;

/** Takes what comes, and gives what it was told to give. */
export class Peer implements Application {
  readonly parts: Uint8Array[] = [];
  receivedBytes = 0;
  connection: TcpConnection | undefined;
  isOpen = false;
  isFinished = false;
  isAborted = false;
  /** Bytes it takes before it must be emptied. */
  capacity = 1 << 30;
  #give: Uint8Array | undefined;
  #given = 0;

  give(bytes: Uint8Array): void {
    this.#give = bytes;
    this.#given = 0;
    if (this.isOpen) this.sendable();
  }

  opened(): void {
    this.isOpen = true;
    this.sendable();
  }

  room(): number {
    return this.capacity - this.receivedBytes;
  }

  received(bytes: Uint8Array): void {
    this.parts.push(bytes.slice());
    this.receivedBytes += bytes.length;
  }

  finished(): void {
    this.isFinished = true;
  }

  aborted(): void {
    this.isAborted = true;
  }

  sendable(): void {
    const { connection } = this;
    if (this.#give === undefined || connection === undefined) return;
    while (connection.queue.length < 300000 && this.#given < this.#give.length) {
      connection.send(this.#give.subarray(this.#given, this.#given + 65536));
      this.#given += 65536;
    }
    if (this.#given >= this.#give.length) {
      this.#give = undefined;
      connection.shutdown();
    }
  }
}

export class LossyWorld {
  now = 0;
  readonly tcp: Tcp;
  readonly peers: Peer[] = [];
  readonly guests: GuestTcp[] = [];
  /** Frames that the stack may still send before it has no room. */
  room = Number.POSITIVE_INFINITY;
  /** What became of an attempt to connect: nothing by itself. */
  onConnect: (connection: TcpConnection) => void;
  frames = 0;
  readonly #line: Line;
  readonly #random: (below: number) => number;
  readonly #events: { at: number; order: number; act: () => void }[] = [];
  #order = 0;
  #tickAt = 10;

  constructor(line: Line) {
    this.#line = line;
    this.#random = randomSource(line.seed);
    const subnet = new Subnet(ip('10.0.2.0'), 24, GATEWAY, NAMES);
    const arp = new Arp(
      subnet,
      () => {},
      () => {},
    );
    arp.learn(GUEST, MAC, 0);
    const output = new Ipv4(subnet, 1500, arp, (frame, offload) => this.#toGuest(frame, offload));
    this.onConnect = (connection) => this.bridge(connection);
    this.tcp = new Tcp(
      subnet,
      output,
      new Icmp(subnet, output),
      (connection) => this.onConnect(connection),
      () => this.now,
      (act) => this.#at(0, act),
    );
  }

  /** Accepts what a guest asks for. */
  bridge(connection: TcpConnection): Peer {
    const peer = new Peer();
    peer.connection = connection;
    connection.application = peer;
    this.peers.push(peer);
    connection.accept();
    return peer;
  }

  /** Opens a connection to a guest's port. */
  open(port: number, from = 50000): Peer {
    const peer = new Peer();
    peer.connection = this.tcp.open(GUEST, port, from, () => peer);
    this.peers.push(peer);
    return peer;
  }

  /** Sends for guests. */
  readonly send = (frame: Uint8Array, segmentBytes: number): void => {
    const offload: Offload = { ...PLAIN, checksumNeeded: segmentBytes > 0, gso: segmentBytes > 0 ? GSO.TCPV4 : GSO.NONE, segmentBytes };
    this.#carry(() => {
      const packet = emptyPacket();
      if (!readPacket(frame, offload, packet)) throw new Error('no packet');
      this.tcp.input(packet);
    });
  };

  /** Lets time pass until it is so. */
  until(done: () => boolean, limitMs = 3600000): void {
    while (!done()) {
      if (this.now > limitMs) throw new Error(`not in ${limitMs} ms: ${this.tcp.size} connections`);
      this.now = Math.min(this.#events[0]?.at ?? this.#tickAt, this.#tickAt);
      while (this.#events.length > 0 && this.#events[0].at <= this.now) this.#events.shift()?.act();
      if (this.now < this.#tickAt) continue;
      this.#tickAt += TICK_MS;
      this.tcp.tick(this.now);
      for (const guest of this.guests) guest.tick(this.now);
    }
  }

  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    this.until(() => this.now >= end);
  }

  #toGuest(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    if (this.room <= 0) return false;
    this.room--;
    const seen: Seen = see(frame.slice(), offload);
    this.#carry(() => {
      for (const guest of this.guests) if (guest.handle(seen)) return;
    });
    return true;
  }

  #carry(arrive: () => void): void {
    this.frames++;
    const { loss = 0, double = 0, late = 0 } = this.#line;
    const chance = (): number => this.#random(2 ** 30) / 2 ** 30;
    if (chance() < loss) return;
    const trip = (): number => TRIP_MS + (chance() < late ? LATE_MS * chance() : 0);
    this.#at(trip(), arrive);
    if (chance() < double) this.#at(trip(), arrive);
  }

  #at(after: number, act: () => void): void {
    const at = Math.floor(this.now + after);
    const event = { at, order: this.#order++, act };
    let i = this.#events.length;
    while (i > 0 && this.#events[i - 1].at > at) i--;
    this.#events.splice(i, 0, event);
  }
}
