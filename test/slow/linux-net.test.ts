/** Debian's Linux on our NIC: the user-mode network, a link between two guests, a capture that is played, and what a guest may not send. */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { NicOptions } from '../../devices/net/options.ts';
import { captureHeader, putRecordHeader, readCapture } from '../../devices/net/pcap.ts';
import { MODULES, NET_MODULES, obtainLinux } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';
import { Machine } from '../../vmm/machine.ts';
import { Nics } from '../../vmm/nics.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
import { finished, runtimePlace, start } from '../cli/stat-commands.ts';
import { be16, checksum, ethernet, ipv4Header } from '../devices/net/frames.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-linux-net-'));
const servers: Server[] = [];
test.after(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
  place.remove();
});

const got = await obtainLinux();
if (!got.ok && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${got.reason}`);
const tshark = spawnSync('tshark', ['--version'], { stdio: 'ignore' }).error === undefined;

const BYTES = 1_000_000;
const BIG = Uint8Array.from({ length: BYTES }, (_, i) => (i * 31) ^ (i >> 8));
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function initrdOf(script: string): Uint8Array {
  if (!got.ok) throw new Error(got.reason);
  const modules = [...MODULES, ...NET_MODULES].map((name) => ({ name, bytes: readFileSync(join(got.modules, `${name}.ko`)) }));
  return driverInitramfs(readFileSync(join(got.modules, '../busybox')), modules, script);
}

const APPEND = 'console=ttyS0 cryptomgr.notests quiet';

/** A guest as a process of its own. */
function guest(name: string, script: string, ...args: string[]): ReturnType<typeof start> {
  if (!got.ok) throw new Error(got.reason);
  const initrd = join(folder, `${name}.cpio`);
  writeFileSync(initrd, initrdOf(script));
  const run = ['run', '--name', name, '--kernel', got.vmlinuz, '--initrd', initrd, '--append', APPEND, '--memory', '128M'];
  return start('lucid', [...run, '--limit', 'wall=200', '--no-exits', ...args], place.xdg);
}

/** Waits until a guest has written this. */
function says(child: ReturnType<typeof start>, word: string): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (more: string) => {
      text += more;
      if (text.includes(word)) resolve();
    });
    child.on('close', () => reject(new Error(`ended without ${word}: ${text}`)));
  });
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const DHCP = `
cat > /bin/dhcp <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
END
chmod +x /bin/dhcp
ifconfig eth0 up
udhcpc -i eth0 -n -q -s /bin/dhcp || echo NO-LEASE
`;

async function userNetwork(): Promise<void> {
  const http = await listening(createHttpServer((_request, response) => response.end(BIG)));
  let sum = '';
  const sink = await listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      const parts: Buffer[] = [];
      socket.on('data', (bytes) => parts.push(Buffer.from(bytes)));
      socket.on('end', () => {
        sum = md5(Buffer.concat(parts));
        socket.end();
      });
    }),
  );
  const spare = await listening(createServer());
  (servers.pop() as Server).close();
  const script = `${DHCP}
ping -c 3 10.0.2.2 | grep received
wget -q -O /big http://10.0.2.2:${http}/big
md5sum /big
nc 10.0.2.2 ${sink} < /big
echo READY
nc -l -p 7 < /dev/null > /sent
cat /sent
`;
  const capture = join(folder, 'user.pcap');
  const child = guest('user', script, '--nic', `user,hostfwd=tcp:${spare}:7,pcap=${capture}`);
  const ended = finished(child);
  await says(child, 'READY');
  const kstat = await finished(start('kstat', ['-p', '-m', 'virtio_net'], place.xdg));
  const count = (name: string): number => Number(new RegExp(`virtio_net:0:net0:${name}\\t(\\d+)`).exec(kstat.out)?.[1]);
  assert.ok(count('rbytes64') > BYTES && count('obytes64') > BYTES, kstat.out);
  assert.is(count('ierrors') + count('oerrors'), 0);
  assert.match(kstat.out, /virtio_net:0:net0-protect:macspoofed\t0/);
  connect(spare, '127.0.0.1').end('THROUGH-THE-FORWARD\n');
  const { status, out, err } = await ended;
  assert.is(status, 0, out + err);
  assert.match(out, /3 packets received/);
  assert.ok(out.includes(md5(BIG)), out);
  assert.is(sum, md5(BIG));
  assert.match(out, /THROUGH-THE-FORWARD/);
  if (tshark) clean(capture);
}

/** tshark opens it, and no checksum is wrong. */
function clean(capture: string): void {
  const bad = 'tcp.checksum.status==0 || ip.checksum.status==0 || udp.checksum.status==0 || icmp.checksum.status==0';
  const check = ['tcp', 'udp', 'ip'].flatMap((p) => ['-o', `${p}.check_checksum:TRUE`]);
  const { status, stdout, stderr } = spawnSync('tshark', ['-r', capture, ...check, '-Y', bad], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
  assert.is(stdout, '');
}

async function twoGuests(): Promise<void> {
  const script = (own: number, other: number, then: string): string => `
ifconfig eth0 10.1.1.${own} netmask 255.255.255.0 up
until ping -c 1 -W 1 10.1.1.${other} > /dev/null; do :; done
ping -c 3 10.1.1.${other} | grep received
${then}
`;
  const socket = join(folder, 'link');
  const nic = (seed: string): string[] => ['--nic', `link:${socket}`, '--seed', seed];
  // The first one is there until the second is gone.
  const serve = 'seq 1 200000 > /numbers; httpd -h /; md5sum /numbers; while ping -c 1 -W 1 10.1.1.2 > /dev/null; do sleep 1; done';
  const fetch = 'until wget -q -O /got http://10.1.1.1/numbers; do sleep 1; done; md5sum /got';
  const [a, b] = await Promise.all([
    finished(guest('first', script(1, 2, serve), ...nic('1'))),
    finished(guest('second', script(2, 1, fetch), ...nic('2'))),
  ]);
  assert.equal([a.status, b.status], [0, 0], a.out + a.err + b.out + b.err);
  const sum = (out: string): string | undefined => /([0-9a-f]{32}) {2}\//.exec(out)?.[1];
  assert.match(a.out, /3 packets received/);
  assert.match(b.out, /3 packets received/);
  assert.ok(sum(a.out) !== undefined && sum(a.out) === sum(b.out), a.out + b.out);
}

const PEER = Uint8Array.of(0x52, 0x54, 0, 9, 9, 9);
const GUEST = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const ECHOES = 20;

/** A capture of somebody who asks the guest who it is and then whether it is there, ten times a second. */
function echoes(): Uint8Array {
  const request = [0, 1, 8, 0, 6, 4, 0, 1, ...PEER, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15];
  const arp = ethernet(new Uint8Array(6).fill(255), PEER, 0x0806, request);
  // The first comes when the interface is up, but has no address yet.
  const frames = [arp, arp];
  for (let i = 0; i < ECHOES; i++) {
    const echo = [8, 0, 0, 0, 0, 1, ...be16(i), ...new Array<number>(400).fill(i)];
    echo.splice(2, 2, ...be16(checksum(echo)));
    frames.push(ethernet(GUEST, PEER, 0x0800, [...ipv4Header(20 + echo.length, i, [10, 0, 2, 2], [10, 0, 2, 15], 1), ...echo]));
  }
  const parts = frames.flatMap((frame, i) => {
    const head = new Uint8Array(16);
    putRecordHeader(new DataView(head.buffer), 0, 100 + Math.floor(i / 10), (i % 10) * 100_000_000, frame.length);
    return [head, frame];
  });
  return Buffer.concat([captureHeader(), ...parts]);
}

interface Played {
  readonly machine: Machine;
  readonly options: RunOptions;
  readonly nics: Nics;
  text(): string;
}

const ECHO_SCRIPT = `
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
sleep 3
ip link set eth0 address 52:54:00:66:66:66 2>&1 || echo MAC-KEPT
ifconfig eth0 10.0.2.99
ping -c 2 -W 1 10.0.2.2 | grep received
`;

function played(name: string): Played {
  if (!got.ok) throw new Error(got.reason);
  const nic: NicOptions = {
    backend: { kind: 'pcap', path: join(folder, 'echoes.pcap') },
    mac: '52:54:00:01:02:03',
    capture: join(folder, `${name}.pcap`),
    macNospoof: true,
    allowedIps: ['10.0.2.15'],
  };
  const options = { name: 'played', memory: 128 * 2 ** 20, nics: [nic], seed: 5 } as unknown as RunOptions;
  const nics = new Nics(options.nics ?? [], { announce: assert.unreachable, abandon: () => true, warn: assert.unreachable });
  let text = '';
  const { vmlinuz } = got;
  const machine = Machine.createSync({
    memory: options.memory,
    name: options.name,
    seed: options.seed,
    nicMakers: nics.makers,
    append: APPEND,
    load: () => ({ kernel: readFileSync(vmlinuz), kernelName: 'vmlinuz', initrd: initrdOf(ECHO_SCRIPT) }),
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  nics.begin();
  return { machine, options, nics, text: () => text };
}

function toTheEnd({ machine, nics, text }: Played): void {
  assert.equal(machine.run({ insns: 6e9 }), { kind: 'power-off' }, text());
  nics.close();
}

function aCapture(): void {
  writeFileSync(join(folder, 'echoes.pcap'), echoes());
  const first = played('first');
  assert.ok(first.machine.boot().ok);
  // In the middle of the echoes.
  first.machine.run({ timeNs: 2e9 });
  const snapshot = join(folder, 'snapshot');
  saveMachine(snapshot, first.machine.vm, first.options);
  const again = played('again');
  assert.equal(boardOf(snapshot).nics, first.options.nics);
  restoreMachine(snapshot, again.machine.vm);
  toTheEnd(again);
  toTheEnd(first);
  const second = played('second');
  assert.ok(second.machine.boot().ok);
  toTheEnd(second);

  assert.match(first.text(), /MAC-KEPT/);
  assert.match(first.text(), /0 packets received/);
  assert.is(second.text(), first.text());
  for (const other of [second, again]) {
    assert.is(reportOf(other.machine.vm).exitHash, reportOf(first.machine.vm).exitHash);
    assert.is(reportOf(other.machine.vm).instructions, reportOf(first.machine.vm).instructions);
  }
  const capture = readFileSync(join(folder, 'first.pcap'));
  assert.equal(readFileSync(join(folder, 'second.pcap')), capture, 'the captures are the same file');
  const frames = readCapture(capture).map(({ frame }) => frame);
  const icmp = (type: number): number => frames.filter((f) => f[12] === 8 && f[13] === 0 && f[23] === 1 && f[34] === type).length;
  assert.equal([icmp(8), icmp(0)], [ECHOES, ECHOES]);
  const spoofed = first.machine.vm.kstats.readAll().find(({ name }) => name === 'net0-protect')?.values;
  const dropped = Number(spoofed?.find(([name]) => name === 'ipspoofed')?.[1]);
  assert.ok(dropped > 0, 'ARP from the address that is not allowed');
  if (tshark) clean(join(folder, 'first.pcap'));
}

if (!got.ok) {
  console.log(`linux-net: skipped: ${got.reason}`);
  test.skip('Linux on a NIC', () => {});
} else {
  test('through the user-mode network a guest gets an address, pings, fetches, sends, and is reached by a forward', userNetwork);
  test('two guests at the ends of a link ping each other, and a file goes from one to the other', twoGuests);
  test(
    'a capture is played: the guest answers it, may not send from elsewhere, and does the same in each run and from a snapshot on',
    aCapture,
  );
}

test.run();
