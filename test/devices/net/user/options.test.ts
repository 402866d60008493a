/** Sub-options of the user-mode network. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseUserWords } from '../../../../devices/net/user/options.ts';

test('without words the net is the one that users of QEMU know', () => {
  assert.equal(parseUserWords({}), {
    network: '10.0.2.0',
    prefix: 24,
    gateway: '10.0.2.2',
    dns: '10.0.2.3',
    dhcpStart: '10.0.2.15',
    hostName: undefined,
    domain: undefined,
  });
});

test('net= moves all addresses, and each can be told on its own', () => {
  const { network, prefix, gateway, dns, dhcpStart } = parseUserWords({ net: '192.168.76.9/24', dns: '192.168.76.254' });
  assert.equal([network, prefix, gateway, dns, dhcpStart], ['192.168.76.0', 24, '192.168.76.2', '192.168.76.254', '192.168.76.15']);
  const { hostName, domain } = parseUserWords({ hostname: 'box-1', domainname: 'lab.example' });
  assert.equal([hostName, domain], ['box-1', 'lab.example']);
});

test('a wrong word is one line that says what would be right', () => {
  const wrong = (words: Parameters<typeof parseUserWords>[0], message: RegExp): void => assert.throws(() => parseUserWords(words), message);
  wrong({ net: '10.0.2.0/33' }, /^net=10\.0\.2\.0\/33: no net; write an address and 8 to 27 bits/);
  wrong({ net: '10.0.2/24' }, /^net=10\.0\.2\/24: no net/);
  wrong({ net: '127.0.0.0/8' }, /no net for hosts/);
  wrong({ host: 'gateway' }, /^host=gateway: no IPv4 address/);
  wrong({ host: '10.0.3.2' }, /^host=10\.0\.3\.2: no address of the net 10\.0\.2\.0\/24/);
  wrong({ dns: '10.0.2.255' }, /^dns=10\.0\.2\.255: no address of the net/);
  wrong({ dns: '10.0.2.2' }, /the host's address/);
  wrong({ dhcpstart: '10.0.2.3' }, /taken by the host or the name server/);
  wrong({ hostname: 'a b' }, /^hostname=a b: no name/);
  wrong({ domainname: 'x'.repeat(70) }, /at most 63/);
});

test.run();
