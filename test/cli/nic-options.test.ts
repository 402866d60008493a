/** `--nic`: what is taken, and what each bad one is told. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseNic } from '../../vmm/cli/nic-options.ts';

const NET = { network: '10.0.2.0', prefix: 24, gateway: '10.0.2.2', dns: '10.0.2.3', dhcpStart: '10.0.2.15' } as const;
const user = { kind: 'user', forwards: [], restrict: false, ...NET, hostName: undefined, domain: undefined } as const;

test('each back end and its words', () => {
  assert.equal(parseNic('none'), { backend: { kind: 'none' } });
  assert.equal(parseNic('user'), { backend: user });
  assert.equal(parseNic('pcap:a,,b.pcap,pcap=c,,d'), { backend: { kind: 'pcap', path: 'a,b.pcap' }, capture: 'c,d' });
  assert.equal(parseNic('link:/run/x:y'), { backend: { kind: 'link', path: '/run/x:y' } });
  assert.equal(parseNic('user,restrict,mac=52-54-00-AB-CD-EF,mac-nospoof,allowed-ips=10.0.2.15+fd00::15'), {
    backend: { ...user, restrict: true },
    mac: '52:54:00:ab:cd:ef',
    macNospoof: true,
    allowedIps: ['10.0.2.15', 'fd00::15'],
  });
});

test('forwards bind to the loopback address unless told otherwise', () => {
  const forward = (text: string): unknown => {
    const { backend } = parseNic(`user,hostfwd=${text}`);
    return backend.kind === 'user' ? backend.forwards : undefined;
  };
  const tcp = { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 };
  assert.equal(forward('tcp:2222:22'), [tcp]);
  assert.equal(forward('tcp::2222-:22'), [tcp]);
  assert.equal(forward('tcp:0.0.0.0:2222:22'), [{ ...tcp, hostAddress: '0.0.0.0' }]);
  assert.equal(forward('udp:[::1]:0:53'), [{ protocol: 'udp', hostAddress: '::1', hostPort: 0, guestPort: 53 }]);
  assert.equal(forward('tcp:2222:22,hostfwd=tcp:8080:80'), [tcp, { ...tcp, hostPort: 8080, guestPort: 80 }]);
});

for (const [text, why] of [
  ['', /'' is unknown; write user/],
  ['tap', /'tap' is unknown; write user/],
  ['tap:x', /unknown/],
  ['pcap:', /which capture\? write pcap:FILE/],
  ['link:', /which socket\? write link:FILE/],
  ['user,fast', /'fast' is unknown; there is hostfwd=/],
  ['user,mac', /mac needs a value/],
  ['user,pcap=', /pcap needs a value/],
  ['user,restrict=on', /restrict takes no value/],
  ['user,mac=52:54:00:1:2:3', /no MAC address; write 52:54/],
  ['user,mac=53:54:00:00:00:01', /first byte must be even/],
  ['user,allowed-ips=10.0.2.300', /'10.0.2.300' is no IP address/],
  ['user,allowed-ips=fe80::1%eth0', /is no IP address/],
  ['user,hostfwd=tcp:22', /'tcp:22' is no forward; write hostfwd=tcp:HOSTPORT:GUESTPORT/],
  ['user,hostfwd=sctp:1:2', /no forward/],
  ['user,hostfwd=tcp:host:1:2', /'host' is no IP address of this host/],
  ['user,hostfwd=tcp:70000:22', /'70000' is no port; it is a number from 0 to 65535/],
  ['user,hostfwd=tcp:1:0', /'0' is no port; it is a number from 1/],
  ['none,hostfwd=tcp:1:2', /hostfwd and restrict are of user alone/],
  ['link:x,restrict', /of user alone/],
] as const) {
  test(`--nic ${text} is refused with a reason`, () => {
    assert.throws(
      () => parseNic(text),
      (error: Error) => error.name === 'UsageError' && error.message.startsWith(`--nic ${text}:`) && why.test(error.message),
    );
  });
}

test.run();
