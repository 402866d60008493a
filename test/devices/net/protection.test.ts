/** Link protection: what a guest may not send. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ipDigits, protect } from '../../../devices/net/protection.ts';
import { be16, ethernet, ipv4Header, MAC_A, MAC_B } from './frames.ts';

const BROADCAST = new Uint8Array(6).fill(255);
const mac = protect(MAC_A, true, undefined);
const ip = protect(MAC_A, false, ['10.0.2.15', 'fd00::15']);
const both = protect(MAC_A, true, ['10.0.2.15', 'fd00::15']);

function ipv4(from: readonly number[], body: readonly number[] = [1, 2], protocol = 1, source = MAC_A): Uint8Array {
  return ethernet(MAC_B, source, 0x0800, [...ipv4Header(20 + body.length, 1, from, [10, 0, 2, 2], protocol), ...body]);
}

function arp(sender: readonly number[], hardware = MAC_A, type = 0x0806): Uint8Array {
  return ethernet(BROADCAST, MAC_A, type, [0, 1, 8, 0, 6, 4, 0, 1, ...hardware, ...sender, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]);
}

const address = (text: string): number[] => [...Buffer.from(ipDigits(text) ?? '', 'hex')];

function ipv6(from: string, next = 17, body: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8]): Uint8Array {
  return ethernet(MAC_B, MAC_A, 0x86dd, [0x60, 0, 0, 0, ...be16(body.length), next, 255, ...address(from), ...address('ff02::1'), ...body]);
}

const advertisement = (target: string): number[] => [136, 0, 0, 0, 0, 0, 0, 0, ...address(target)];
const tagged = (frame: Uint8Array): Uint8Array => Uint8Array.from([...frame.slice(0, 12), 0x81, 0, 0, 5, ...frame.slice(12)]);
const snap = (frame: Uint8Array): Uint8Array =>
  Uint8Array.from([...frame.slice(0, 12), ...be16(frame.length - 6), 0xaa, 0xaa, 3, 0, 0, 0, ...frame.slice(12)]);
const udp = (from: number, to: number): number[] => [...be16(from), ...be16(to), 0, 8, 0, 0];

const CASES: readonly [what: string, frame: Uint8Array, macNospoof: string | undefined, allowed: string | undefined][] = [
  ['an allowed IPv4 address', ipv4([10, 0, 2, 15]), undefined, undefined],
  ['another IPv4 address', ipv4([10, 0, 2, 16]), undefined, 'ipspoofed'],
  ['another IPv4 address behind a VLAN tag', tagged(ipv4([10, 0, 2, 16])), undefined, 'ipspoofed'],
  ['another IPv4 address behind two tags', tagged(tagged(ipv4([10, 0, 2, 16]))), undefined, 'ipspoofed'],
  ['another IPv4 address behind SNAP', snap(ipv4([10, 0, 2, 16])), undefined, 'ipspoofed'],
  ['an IPv4 packet that is cut off', ipv4([10, 0, 2, 15]).slice(0, 30), undefined, 'ipspoofed'],
  ['another MAC address', ipv4([10, 0, 2, 15], [1], 1, MAC_B), 'macspoofed', undefined],
  ['DHCP without an address', ipv4([0, 0, 0, 0], udp(68, 67), 17), undefined, undefined],
  ['something else without an address', ipv4([0, 0, 0, 0], udp(68, 53), 17), undefined, 'ipspoofed'],
  ['ICMP without an address', ipv4([0, 0, 0, 0], udp(68, 67), 1), undefined, 'ipspoofed'],
  ['ARP of an allowed address', arp([10, 0, 2, 15]), undefined, undefined],
  ['ARP probe', arp([0, 0, 0, 0]), undefined, undefined],
  ['ARP of another address', arp([10, 0, 2, 2]), undefined, 'ipspoofed'],
  ['ARP with another hardware address', arp([10, 0, 2, 15], MAC_B), 'macspoofed', undefined],
  ['reverse ARP of another address', arp([10, 0, 2, 2], MAC_A, 0x8035), undefined, 'ipspoofed'],
  ['ARP that is cut off', arp([10, 0, 2, 15]).slice(0, 30), undefined, 'ipspoofed'],
  ['an allowed IPv6 address', ipv6('fd00::15'), undefined, undefined],
  ['the link-local address of the MAC address', ipv6('fe80::5054:ff:fe00:1'), undefined, undefined],
  ['another link-local address', ipv6('fe80::5054:ff:fe00:2'), undefined, 'ipspoofed'],
  ['another IPv6 address', ipv6('fd00::16'), undefined, 'ipspoofed'],
  ['duplicate address detection', ipv6('::', 58, [135, 0, 0, 0]), undefined, undefined],
  ['a multicast listener report from nowhere', ipv6('::', 0, [58, 0, 5, 2, 0, 0, 0, 0, 143, 0, 0, 0]), undefined, undefined],
  ['an echo request from nowhere', ipv6('::', 58, [128, 0, 0, 0]), undefined, 'ipspoofed'],
  ['UDP from nowhere', ipv6('::'), undefined, 'ipspoofed'],
  ['an advertisement of its own address', ipv6('fd00::15', 58, advertisement('fd00::15')), undefined, undefined],
  ["an advertisement of somebody else's", ipv6('fd00::15', 58, advertisement('fd00::1')), undefined, 'ipspoofed'],
  [
    'the same behind an extension header',
    ipv6('fd00::15', 0, [58, 0, 5, 2, 0, 0, 0, 0, ...advertisement('fd00::1')]),
    undefined,
    'ipspoofed',
  ],
  ['an IPv6 packet that is cut off', ipv6('fd00::15').slice(0, 50), undefined, 'ipspoofed'],
  ['what is no IP', ethernet(MAC_B, MAC_A, 0x88b5, [1, 2, 3]), undefined, undefined],
];

for (const [what, frame, macNospoof, allowed] of CASES) {
  test(`${what}: mac-nospoof ${macNospoof ?? 'passes'}, allowed-ips ${allowed ?? 'passes'}`, () => {
    assert.is(mac.check(frame), macNospoof);
    assert.is(ip.check(frame), allowed);
    assert.is(both.check(frame), macNospoof ?? allowed);
    assert.is(protect(MAC_A, false, undefined).check(frame), undefined);
  });
}

test('IP addresses are compared by their bytes, however they are written', () => {
  assert.is(ipDigits('10.0.2.15'), '0a00020f');
  assert.is(ipDigits('FD00::15'), `fd00${'0'.repeat(26)}15`);
  assert.is(ipDigits('::'), '0'.repeat(32));
  assert.is(ipDigits('1:2:3:4:5:6:7::'), '00010002000300040005000600070000');
  for (const bad of ['10.0.2', '10.0.2.256', 'fd00:::1', '1::2::3', '12345::', '1:2:3:4:5:6:7:8:9', ''])
    assert.is(ipDigits(bad), undefined, bad);
});

test('no frame makes it fail, whatever is in it', () => {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed >>> 8;
  };
  for (const [, frame] of CASES) {
    for (let i = 0; i < 500; i++) {
      const bytes = frame.slice(0, random() % (frame.length + 1));
      for (let k = 0; k < 3; k++) if (bytes.length > 0) bytes[random() % bytes.length] = random();
      both.check(bytes);
    }
  }
});

test.run();
