/**
 * The sub-options of `--nic user`, read and checked: plain data, because it crosses threads.
 *
 * `net=` moves the net, and with it the gateway (its second address), the name server (its third) and the first guest (its fifteenth), unless they are told
 * on their own, as in QEMU.
 *
 * @module
 */
import type { HostForward } from '../options.ts';
import { formatAddress, isUnroutable, parseAddress, Subnet } from './address.ts';

export interface UserNetworkOptions {
  readonly forwards: readonly HostForward[];
  /** The guest reaches nothing but the stack's own services, and is reached through its forwards alone. */
  readonly restrict: boolean;
  /** The net: 10.0.2.0, of 24 bits. */
  readonly network?: string;
  readonly prefix?: number;
  /** Gateway, DHCP server and the host: 10.0.2.2. */
  readonly gateway?: string;
  /** 10.0.2.3. */
  readonly dns?: string;
  /** The first guest's address: 10.0.2.15. */
  readonly dhcpStart?: string;
  /** What DHCP calls the guest, and the domain it is in. */
  readonly hostName?: string;
  readonly domain?: string;
}

/** The names of sub-options that are read here. */
export const USER_WORDS = ['net', 'host', 'dns', 'dhcpstart', 'hostname', 'domainname'] as const;
export type UserWord = (typeof USER_WORDS)[number];

/** The options, without forwards and `restrict`, from the words that were given. Throws RangeError with one line that names the word. */
export function parseUserWords(words: Partial<Record<UserWord, string>>): Omit<UserNetworkOptions, 'forwards' | 'restrict'> {
  const { network, prefix } = parseNet(words.net ?? '10.0.2.0/24');
  const net = new Subnet(network, prefix, 0, 0).network;
  const gateway = parseHost('host', words.host, net + 2);
  const dns = parseHost('dns', words.dns, net + 3);
  const first = parseHost('dhcpstart', words.dhcpstart, net + 15);
  const subnet = new Subnet(net, prefix, gateway, dns);
  for (const [word, address] of [['host', gateway] as const, ['dns', dns] as const, ['dhcpstart', first] as const]) {
    const inside = subnet.has(address) && address !== subnet.network && address !== subnet.broadcast;
    if (!inside) throw new RangeError(`${word}=${formatAddress(address)}: no address of the net ${formatAddress(net)}/${prefix}`);
  }
  if (gateway === dns) throw new RangeError(`dns=${formatAddress(dns)}: this is the host's address; give another`);
  if (!subnet.isGuest(first)) throw new RangeError(`dhcpstart=${formatAddress(first)}: taken by the host or the name server; give another`);
  return {
    network: formatAddress(net),
    prefix,
    gateway: formatAddress(gateway),
    dns: formatAddress(dns),
    dhcpStart: formatAddress(first),
    hostName: parseName('hostname', words.hostname),
    domain: parseName('domainname', words.domainname),
  };
}

function parseNet(text: string): { network: number; prefix: number } {
  const [address, bits, ...rest] = text.split('/');
  const network = parseAddress(address);
  const prefix = bits === undefined ? 24 : /^\d{1,2}$/.test(bits) ? Number(bits) : -1;
  if (network === undefined || rest.length > 0 || prefix < 8 || prefix > 27) {
    throw new RangeError(`net=${text}: no net; write an address and 8 to 27 bits, such as net=10.0.2.0/24`);
  }
  if (isUnroutable(network)) throw new RangeError(`net=${text}: no net for hosts; write one such as net=10.0.2.0/24`);
  return { network, prefix };
}

function parseHost(word: UserWord, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const address = parseAddress(text);
  if (address === undefined) throw new RangeError(`${word}=${text}: no IPv4 address; write one such as 10.0.2.15`);
  return address;
}

function parseName(word: UserWord, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const labels = text.split('.');
  const good = text.length <= 63 && labels.every((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(label));
  if (!good) throw new RangeError(`${word}=${text}: no name; write letters, digits and hyphens, at most 63`);
  return text;
}
