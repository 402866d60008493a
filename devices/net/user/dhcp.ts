/**
 * A DHCP server (RFC 2131, options of RFC 2132) for one guest and what it may turn into.
 *
 * The first client gets the first address, others the ones after it, each by its hardware address; whoever asks again gets the same. A lease is never
 * taken back but by release, or when all are given and another client comes: then the oldest goes. With `restrict` neither a router nor a name
 * server is told. BOOTP without DHCP's options is not answered.
 *
 * @module
 */
import { LIMITED_BROADCAST, readAddress, type Subnet, writeAddress } from './address.ts';
import { BROADCAST_MAC, isUnicast } from './ethernet.ts';
import { PAYLOAD_AT } from './ipv4.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const MESSAGE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, DECLINE: 4, ACK: 5, NAK: 6, RELEASE: 7, INFORM: 8 } as const;
const OPTION = {
  MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOST_NAME: 12,
  DOMAIN: 15,
  MTU: 26,
  BROADCAST: 28,
  REQUESTED: 50,
  LEASE: 51,
  MESSAGE_TYPE: 53,
  SERVER: 54,
  RENEWAL: 58,
  REBINDING: 59,
  END: 255,
} as const;
const COOKIE = 0x63825363;
const OPTIONS_AT = 240;
/** What any client takes (RFC 2131 2): 576 bytes of packet. */
const REPLY_MAX = 548;
const LEASE_SECONDS = 86400;
const LEASES_MAX = 16;

export interface DhcpOptions {
  readonly subnet: Subnet;
  readonly first: number;
  readonly mtu: number;
  readonly hostName?: string;
  readonly domain?: string;
  readonly restrict: boolean;
}

/** Where an answer goes. */
export interface DhcpReply {
  readonly length: number;
  readonly address: number;
  readonly mac: Readonly<Uint8Array>;
}

export class Dhcp {
  readonly #options: DhcpOptions;
  /** Addresses by hardware address, the oldest first. */
  readonly #leases = new Map<string, number>();

  constructor(options: DhcpOptions) {
    this.#options = options;
  }

  /** Reads a message and writes the answer to it, from `at` on; undefined when it gets none. */
  answer(message: Uint8Array, into: Uint8Array, at: number): DhcpReply | undefined {
    if (message.length < OPTIONS_AT || message[0] !== 1 || message[1] !== 1 || message[2] !== 6) return undefined;
    if (readAddress(message, 236) !== COOKIE || !isUnicast(message, 28)) return undefined;
    const type = option(message, OPTION.MESSAGE_TYPE, 1)?.[0];
    const client = Buffer.from(message.buffer, message.byteOffset + 28, 6).toString('hex');
    if (type === MESSAGE.DISCOVER) return this.#reply(MESSAGE.OFFER, this.#lease(client), message, into, at);
    if (type === MESSAGE.INFORM) return this.#reply(MESSAGE.ACK, 0, message, into, at);
    if (type === MESSAGE.RELEASE || type === MESSAGE.DECLINE) this.#leases.delete(client);
    if (type !== MESSAGE.REQUEST) return undefined;
    return this.#request(client, message, into, at);
  }

  #request(client: string, message: Uint8Array, into: Uint8Array, at: number): DhcpReply | undefined {
    const server = option(message, OPTION.SERVER, 4);
    if (server !== undefined && readAddress(server, 0) !== this.#options.subnet.gateway) return undefined;
    const requested = option(message, OPTION.REQUESTED, 4);
    const wanted = requested === undefined ? readAddress(message, 12) : readAddress(requested, 0);
    const lease = this.#lease(client);
    return this.#reply(wanted === lease ? MESSAGE.ACK : MESSAGE.NAK, lease, message, into, at);
  }

  /** The client's address. */
  #lease(client: string): number {
    const known = this.#leases.get(client);
    if (known !== undefined) return known;
    const { subnet, first } = this.#options;
    const taken = new Set(this.#leases.values());
    for (let i = 0; i < LEASES_MAX; i++) {
      const address = first + i;
      if (!subnet.isGuest(address)) continue;
      if (!taken.has(address)) {
        this.#leases.set(client, address);
        return address;
      }
    }
    const [oldest, address] = this.#leases.entries().next().value as [string, number];
    this.#leases.delete(oldest);
    this.#leases.set(client, address);
    return address;
  }

  #reply(type: number, lease: number, message: Uint8Array, into: Uint8Array, at: number): DhcpReply {
    const { gateway } = this.#options.subnet;
    const reply = into.subarray(at, at + REPLY_MAX);
    reply.fill(0);
    reply.set([2, 1, 6, 0]);
    // xid, and flags.
    reply.set(message.subarray(4, 8), 4);
    reply.set(message.subarray(10, 12), 10);
    const nak = type === MESSAGE.NAK;
    const clientAddress = readAddress(message, 12);
    if (!nak) {
      writeAddress(reply, 12, clientAddress);
      writeAddress(reply, 16, lease);
      writeAddress(reply, 20, gateway);
    }
    // Relay's address and the client's hardware address.
    reply.set(message.subarray(24, 44), 24);
    writeAddress(reply, 236, COOKIE);
    const options = new OptionWriter(reply, OPTIONS_AT);
    options.bytes(OPTION.MESSAGE_TYPE, [type]);
    options.address(OPTION.SERVER, gateway);
    if (!nak) this.#configuration(options, lease);
    options.end();
    const broadcast = nak || (clientAddress === 0 && (message[10] & 0x80) !== 0);
    if (broadcast) return { length: REPLY_MAX, address: LIMITED_BROADCAST, mac: BROADCAST_MAC };
    return { length: REPLY_MAX, address: clientAddress === 0 ? lease : clientAddress, mac: message.slice(28, 34) };
  }

  #configuration(options: OptionWriter, lease: number): void {
    const { subnet, restrict, mtu, hostName, domain } = this.#options;
    if (lease !== 0) {
      options.address(OPTION.LEASE, LEASE_SECONDS);
      options.address(OPTION.RENEWAL, LEASE_SECONDS / 2);
      options.address(OPTION.REBINDING, (LEASE_SECONDS / 8) * 7);
    }
    options.address(OPTION.MASK, subnet.mask);
    options.address(OPTION.BROADCAST, subnet.broadcast);
    options.bytes(OPTION.MTU, [mtu >> 8, mtu & 255]);
    if (!restrict) {
      options.address(OPTION.ROUTER, subnet.gateway);
      options.address(OPTION.DNS, subnet.dns);
    }
    if (hostName !== undefined) options.bytes(OPTION.HOST_NAME, Buffer.from(hostName, 'latin1'));
    if (domain !== undefined) options.bytes(OPTION.DOMAIN, Buffer.from(domain, 'latin1'));
  }
}

class OptionWriter {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  bytes(code: number, value: ArrayLike<number>): void {
    this.#bytes[this.#at] = code;
    this.#bytes[this.#at + 1] = value.length;
    this.#bytes.set(value, this.#at + 2);
    this.#at += 2 + value.length;
  }

  address(code: number, value: number): void {
    this.bytes(code, [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  }

  end(): void {
    this.#bytes[this.#at] = OPTION.END;
  }
}

/** An option of a message, when it is there with at least `least` bytes. */
function option(message: Uint8Array, code: number, least: number): Uint8Array | undefined {
  for (let at = OPTIONS_AT; at < message.length && message[at] !== OPTION.END; ) {
    if (message[at] === 0) {
      at++;
      continue;
    }
    const length = message[at + 1] ?? 0;
    if (message[at] === code && length >= least && at + 2 + length <= message.length) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}

/** Where a message stands in a packet that is made. */
export const DHCP_AT = PAYLOAD_AT + 8;
