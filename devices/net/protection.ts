/**
 * What a guest may not send: frames that claim to come from somebody else.
 *
 * Models link protection as Crossbow (illumos) has it, per NIC: `mac-nospoof`: the source address of every frame, and the sender's hardware address in
 * ARP, is the NIC's own. `allowed-ips`, which is `ip-nospoof` with a list: the source address of every IPv4 and IPv6 packet, the sender's address in
 * ARP, and the target that a neighbor advertisement speaks for are in the list.
 *
 * A host that has no address yet may say so: IPv4 source 0.0.0.0 in DHCP's client messages and in ARP probes (RFC 5227); IPv6 source :: in neighbor and router
 * solicitations and multicast listener reports (RFC 4862, 3810). The IPv6 link-local address made from the NIC's MAC address needs no entry. Packets behind
 * VLAN tags and SNAP headers are looked at too; what is no IP or ARP passes.
 *
 * @module
 */
import { networkHeader } from './offload.ts';

/** The statistic that counts it. */
export type Spoof = 'macspoofed' | 'ipspoofed';

export interface Protection {
  readonly macNospoof: boolean;
  /** Why a frame may not be sent. */
  check(frame: Uint8Array): Spoof | undefined;
}

export const UNPROTECTED: Protection = { macNospoof: false, check: () => undefined };

const IPV4 = 0x0800;
const ARP = 0x0806;
const RARP = 0x8035;
const IPV6 = 0x86dd;
/** LLC and SNAP before an EtherType (IEEE 802.2, RFC 1042). */
const SNAP: readonly number[] = [0xaa, 0xaa, 0x03, 0, 0, 0];
const LENGTH_MAX = 1500;

/** An address as lower-case hexadecimal digits, two a byte. */
function hex(bytes: Uint8Array, at: number, count: number): string {
  let text = '';
  for (let i = at; i < at + count; i++) text += (bytes[i] ?? 0).toString(16).padStart(2, '0');
  return text;
}

/** The bytes of an IP address as digits; undefined when it is none. IPv4: 8 of them, IPv6: 32. */
export function ipDigits(text: string): string | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split('.').map(Number);
    return bytes.every((b) => b < 256) ? hex(Uint8Array.from(bytes), 0, 4) : undefined;
  }
  return ipv6Digits(text.toLowerCase());
}

function ipv6Digits(text: string): string | undefined {
  const halves = text.split('::');
  if (halves.length > 2 || !/^[0-9a-f:]+$/.test(text)) return undefined;
  const [left, right] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const groups = [...(left ?? []), ...(right ?? [])];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return undefined;
  const missing = 8 - groups.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const middle = halves.length === 2 ? new Array<string>(missing).fill('0') : [];
  return [...(left ?? []), ...middle, ...(right ?? [])].map((group) => group.padStart(4, '0')).join('');
}

/** The link-local address of a MAC address by modified EUI-64 (RFC 4291, appendix A). */
function linkLocal(mac: Uint8Array): string {
  const [a, b, c, d, e, f] = mac as unknown as [number, number, number, number, number, number];
  return `fe80000000000000${hex(Uint8Array.of(a ^ 2, b, c, 0xff, 0xfe, d, e, f), 0, 8)}`;
}

/** Protection of a NIC. `allowedIps`: as `ipDigits` takes them; without, any. */
export function protect(mac: Uint8Array, macNospoof: boolean, allowedIps: readonly string[] | undefined): Protection {
  if (!macNospoof && allowedIps === undefined) return UNPROTECTED;
  const own = hex(mac, 0, 6);
  const allowed = allowedIps === undefined ? undefined : new Set([linkLocal(mac), ...allowedIps.map(ipDigits)]);
  return {
    macNospoof,
    check(frame) {
      if (macNospoof && hex(frame, 6, 6) !== own) return 'macspoofed';
      const { type, at } = packetOf(frame);
      if (type === ARP || type === RARP) return checkArp(frame.subarray(at), macNospoof ? own : undefined, allowed);
      if (allowed === undefined) return undefined;
      if (type === IPV4) return allowsIpv4(frame.subarray(at), allowed) ? undefined : 'ipspoofed';
      if (type === IPV6) return allowsIpv6(frame.subarray(at), allowed) ? undefined : 'ipspoofed';
      return undefined;
    },
  };
}

function packetOf(frame: Uint8Array): { readonly type: number; readonly at: number } {
  const { type, at } = networkHeader(frame);
  if (type > LENGTH_MAX || !SNAP.every((byte, i) => frame[at + i] === byte)) return { type, at };
  return { type: ((frame[at + 6] ?? 0) << 8) | (frame[at + 7] ?? 0), at: at + 8 };
}

/** RFC 826: hardware and protocol address lengths at 4 and 5; sender's addresses from 8 on. */
function checkArp(arp: Uint8Array, own: string | undefined, allowed: ReadonlySet<string | undefined> | undefined): Spoof | undefined {
  if (own !== undefined && (arp[4] !== 6 || hex(arp, 8, 6) !== own)) return 'macspoofed';
  if (allowed === undefined) return undefined;
  if (arp.length < 28 || arp[4] !== 6 || arp[5] !== 4) return 'ipspoofed';
  const sender = hex(arp, 14, 4);
  return sender === '00000000' || allowed.has(sender) ? undefined : 'ipspoofed';
}

const UDP = 17;
const BOOTPC = 68;
const BOOTPS = 67;

function allowsIpv4(packet: Uint8Array, allowed: ReadonlySet<string | undefined>): boolean {
  if (packet.length < 20) return false;
  const source = hex(packet, 12, 4);
  if (allowed.has(source)) return true;
  const header = ((packet[0] as number) & 15) * 4;
  const port = (at: number): number => ((packet[header + at] ?? 0) << 8) | (packet[header + at + 1] ?? 0);
  // A fragment has no ports to look at.
  const whole = ((packet[6] as number) & 0x3f) === 0 && packet[7] === 0;
  return source === '00000000' && packet[9] === UDP && whole && header >= 20 && port(0) === BOOTPC && port(2) === BOOTPS;
}

const ICMPV6 = 58;
/** Extension headers that may stand before ICMPv6 (RFC 8200, 4); a fragment's inside is not looked at, as it is not whole. */
const EXTENSIONS: readonly number[] = [0, 43, 60];
const ROUTER_SOLICITATION = 133;
const NEIGHBOR_SOLICITATION = 135;
const NEIGHBOR_ADVERTISEMENT = 136;
const FROM_NOWHERE: readonly number[] = [131, 143, ROUTER_SOLICITATION, NEIGHBOR_SOLICITATION];

function allowsIpv6(packet: Uint8Array, allowed: ReadonlySet<string | undefined>): boolean {
  if (packet.length < 40) return false;
  const source = hex(packet, 8, 16);
  const message = icmpv6(packet);
  if (/^0+$/.test(source)) return message !== undefined && FROM_NOWHERE.includes(message[0] ?? 0);
  if (!allowed.has(source)) return false;
  return message?.[0] !== NEIGHBOR_ADVERTISEMENT || allowed.has(hex(message, 8, 16));
}

/** The ICMPv6 message of a packet, if it is one. */
function icmpv6(packet: Uint8Array): Uint8Array | undefined {
  let next = packet[6] as number;
  let at = 40;
  while (EXTENSIONS.includes(next) && at + 8 <= packet.length) {
    next = packet[at] as number;
    at += 8 * ((packet[at + 1] as number) + 1);
  }
  return next === ICMPV6 ? packet.subarray(at) : undefined;
}
