/**
 * IPv4 addresses as unsigned 32-bit numbers, and the addresses of this network.
 *
 * @module
 */

export const LIMITED_BROADCAST = 0xffffffff;

/** `10.0.2.2` as a number; undefined when it is no address in dotted decimals. */
export function parseAddress(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

export function formatAddress(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function readAddress(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

export function writeAddress(bytes: Uint8Array, at: number, address: number): void {
  bytes[at] = address >>> 24;
  bytes[at + 1] = address >>> 16;
  bytes[at + 2] = address >>> 8;
  bytes[at + 3] = address;
}

/** The network that the guest is on. */
export class Subnet {
  readonly network: number;
  readonly mask: number;
  /** The host: router, and an alias of the host's own loopback address. */
  readonly gateway: number;
  readonly dns: number;

  constructor(network: number, prefix: number, gateway: number, dns: number) {
    this.mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
    this.network = (network & this.mask) >>> 0;
    this.gateway = gateway;
    this.dns = dns;
  }

  get broadcast(): number {
    return (this.network | ~this.mask) >>> 0;
  }

  has(address: number): boolean {
    return (address & this.mask) >>> 0 === this.network;
  }

  /** One of the stack's own stations. */
  isOwn(address: number): boolean {
    return address === this.gateway || address === this.dns;
  }

  /** An address that a guest may have: on the net, and nobody else's. */
  isGuest(address: number): boolean {
    return this.has(address) && !this.isOwn(address) && address !== this.network && address !== this.broadcast;
  }
}

/** Nowhere to send to: this network, loopback, groups and reserved ones (RFC 6890), broadcast. */
export function isUnroutable(address: number): boolean {
  const top = address >>> 24;
  return top === 0 || top === 127 || top >= 224;
}
