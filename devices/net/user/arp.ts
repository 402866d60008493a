/**
 * ARP (RFC 826): which station has which address, asked and answered.
 *
 * The stack's own addresses are answered for always, and every other address of the net that is no guest's is answered for as a proxy (RFC 1027), so
 * that a guest learns at once, by ICMP, that nobody is there. Nobody answers a probe for an address that a guest may take (RFC 5227), nor an
 * announcement. A guest is known by what it says and by what it sends.
 *
 * @module
 */
import { readAddress, type Subnet, writeAddress } from './address.ts';
import { BROADCAST_MAC, ETHERTYPE, isUnicast, MAC_BYTES, macOf, sameMac } from './ethernet.ts';

const ARP_BYTES = 42;
const REQUEST = 1;
const REPLY = 2;
/** Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses. */
const PREFIX = [0, 1, 8, 0, 6, 4];
/** Guests that are remembered; a guest that takes more addresses makes the oldest forgotten. */
const GUESTS_MAX = 64;

export class Arp {
  readonly #subnet: Subnet;
  readonly #output: (frame: Uint8Array) => void;
  /** Somebody who was not known is. */
  readonly #learned: () => void;
  readonly #guests = new Map<number, Uint8Array>();
  readonly #frame = new Uint8Array(ARP_BYTES);

  constructor(subnet: Subnet, output: (frame: Uint8Array) => void, learned: () => void) {
    this.#subnet = subnet;
    this.#output = output;
    this.#learned = learned;
  }

  /** The station that has an address of a guest; undefined while it is not known. */
  find(address: number): Uint8Array | undefined {
    return this.#guests.get(address);
  }

  /** Notes the sender of a frame, whose address stands at `at`. */
  learn(address: number, frame: Uint8Array, at: number): void {
    const known = this.#guests.get(address);
    if (known !== undefined) {
      if (!sameMac(frame, at, known)) known.set(frame.subarray(at, at + MAC_BYTES));
      return;
    }
    if (!this.#subnet.isGuest(address) || !isUnicast(frame, at)) return;
    if (this.#guests.size >= GUESTS_MAX) this.#guests.delete(this.#guests.keys().next().value as number);
    this.#guests.set(address, frame.slice(at, at + MAC_BYTES));
    this.#learned();
  }

  /** Asks who has the address. */
  request(address: number): void {
    this.#send(REQUEST, BROADCAST_MAC, this.#subnet.gateway, BROADCAST_MAC, address);
  }

  input(frame: Uint8Array): void {
    if (frame.length < ARP_BYTES || PREFIX.some((byte, i) => frame[14 + i] !== byte) || frame[20] !== 0) return;
    const sender = readAddress(frame, 28);
    const target = readAddress(frame, 38);
    this.learn(sender, frame, 22);
    if (frame[21] !== REQUEST || !this.#answers(sender, target)) return;
    const asker = frame.slice(22, 22 + MAC_BYTES);
    this.#send(REPLY, asker, target, asker, sender);
  }

  #answers(sender: number, target: number): boolean {
    if (this.#subnet.isOwn(target)) return true;
    return this.#subnet.isGuest(target) && sender !== 0 && sender !== target && !this.#guests.has(target);
  }

  #send(operation: number, to: Readonly<Uint8Array>, source: number, targetMac: Readonly<Uint8Array>, target: number): void {
    const frame = this.#frame;
    const mac = macOf(source);
    frame.set(to, 0);
    frame.set(mac, 6);
    frame[12] = ETHERTYPE.ARP >> 8;
    frame[13] = ETHERTYPE.ARP & 255;
    frame.set(PREFIX, 14);
    frame[20] = 0;
    frame[21] = operation;
    frame.set(mac, 22);
    writeAddress(frame, 28, source);
    if (operation === REQUEST) frame.fill(0, 32, 38);
    else frame.set(targetMac, 32);
    writeAddress(frame, 38, target);
    this.#output(frame);
  }
}
