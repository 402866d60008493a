/** `lucid run --metrics`: a guest that runs is scraped, before, during and after its end, and does not notice. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MetricsService } from '../../vmm/cli/metrics-service.ts';
import { parseMetrics } from '../../vmm/cli/metrics-option.ts';
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import { KstatRegistry } from '../../vmm/kstat.ts';
import { clockWords, kvmKstats } from '../../vmm/kvm-kstats.ts';
import { multiboot } from '../vmm/guests.ts';
import { parse, whyNoParser } from '../vmm/metrics/parser.ts';
import { type Finished, finished, runtimePlace, start, until } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-metrics-'));
const at = (name: string): string => join(folder, name);
// out 80h, al; jmp to it
writeFileSync(at('loop.elf'), multiboot([0xe6, 0x80, 0xeb, 0xfc]));
// mov al, 7; out f4h, al
writeFileSync(at('end.elf'), multiboot([0xb0, 7, 0xe6, 0xf4, 0xeb, 0xfe]));

const test = suite('lucid run --metrics');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

interface Running {
  readonly url: string;
  readonly ended: Promise<Finished>;
  stop(signal: NodeJS.Signals): void;
}

/** Starts a guest and reads from standard error where its metrics are. */
async function running(...args: string[]): Promise<Running> {
  const child = start('lucid', ['run', '--serial', 'null', '--no-exits', '--metrics', '0', ...args], place.xdg);
  const ended = finished(child);
  let said = '';
  child.stderr?.on('data', (text: string) => {
    said += text;
  });
  const url = (): string | undefined => /^lucid: metrics at (http:\S+\/metrics)\n/m.exec(said)?.[1];
  await until('the address', ended, () => url() !== undefined);
  return { url: url() as string, ended, stop: (signal) => child.kill(signal) };
}

/** A sample's value in a text. */
function value(text: string, sample: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`no ${sample} in\n${text}`);
  return Number(line.slice(sample.length + 1));
}

const EXITS = 'lucid_vm_exits_total{vm="loop.elf",vcpu="0",reason="IO_INSTRUCTION"}';

test('a running guest is scraped: its counters only grow, and are those that kstat shows', async () => {
  const { url, ended, stop } = await running('--kernel', at('loop.elf'));
  const texts: string[] = [];
  for (let i = 0; i < 20; i++) texts.push(await (await fetch(url)).text());
  const kstat = await finished(start('kstat', ['-p', 'kvm:0:exits-*:io-instruction'], place.xdg));
  texts.push(await (await fetch(url)).text());
  stop('SIGINT');
  assert.is((await ended).status, 130);
  const exits = texts.map((text) => value(text, EXITS));
  for (let i = 1; i < exits.length; i++) assert.ok((exits[i] as number) >= (exits[i - 1] as number), `${exits}`);
  assert.ok((exits.at(-1) as number) > 0);
  const shown = Number(kstat.out.split('\t')[1]);
  assert.ok(shown >= (exits.at(-2) as number) && shown <= (exits.at(-1) as number), `${exits} ${kstat.out}`);
  const last = texts.at(-1) as string;
  assert.is(value(last, 'lucid_vm_state{vm="loop.elf",state="running"}'), 1);
  assert.ok(value(last, 'lucid_vm_guest_time_seconds_total{vm="loop.elf"}') > 0);
  assert.ok(value(last, 'process_cpu_seconds_total') > 0);
});

test('its JSON, its console and its exits are the same without it', async () => {
  const options = ['--kernel', at('loop.elf'), '--limit', 'insns=3M', '--json'];
  const { url, ended } = await running(...options);
  const { port } = new URL(url);
  // And so is it with clients who send nonsense, or nothing.
  const others = Array.from({ length: 100 }, (_, i) => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    socket.write(i % 2 === 0 ? 'GET /metr' : `${'\u0000'.repeat(i)}\r\n`);
    return socket;
  });
  let scrapes = 0;
  for (;;) {
    const text = await fetch(url).then(
      (answer) => answer.text(),
      () => undefined,
    );
    if (text === undefined) break;
    scrapes++;
  }
  const scraped = await ended;
  for (const socket of others) socket.destroy();
  const alone = await finished(start('lucid', ['run', '--serial', 'null', '--no-exits', ...options], place.xdg));
  assert.is(scraped.status, 4);
  assert.ok(scrapes > 0);
  const followed = ({ out }: Finished): unknown => ({ ...JSON.parse(out), host: undefined, engine: undefined });
  assert.equal(followed(scraped), followed(alone));
});

test('a VM that is paused says so; one that goes on from a snapshot goes on counting', async () => {
  const { url, ended, stop } = await running('--kernel', at('loop.elf'), '--name', 'first');
  const say = async (...words: string[]): Promise<void> => {
    const { status, err } = await finished(start('lucid', words, place.xdg));
    assert.is(status, 0, err);
  };
  const scrape = async (from: string): Promise<string> => (await fetch(from)).text();
  await say('pause', 'first');
  let paused = '';
  await until('the state', ended, async () => {
    paused = await scrape(url);
    return value(paused, 'lucid_vm_state{vm="first",state="paused"}') === 1;
  });
  assert.is(value(paused, 'lucid_vm_state{vm="first",state="running"}'), 0);
  const exits = (text: string, vm: string): number => value(text, EXITS.replace('loop.elf', vm));
  assert.is(exits(await scrape(url), 'first'), exits(paused, 'first'));
  await say('save', 'first', at('saved'));
  await say('resume', 'first');
  stop('SIGINT');
  await ended;
  const second = await running('--restore', at('saved'), '--name', 'second');
  const restored = await scrape(second.url);
  second.stop('SIGINT');
  assert.is((await second.ended).status, 130);
  assert.ok(exits(restored, 'second') >= exits(paused, 'first'));
});

test('after the end of the guest its last values stay, as those of a VM that has ended', async () => {
  const buffer = new SharedArrayBuffer(MEMORY_MAP.VCPU_BASE + MEMORY_MAP.VCPU_STRIDE);
  const registry = new KstatRegistry({ buffer, clock: clockWords() });
  for (const kstat of kvmKstats({ vmid: 1, pid: 1, zonename: 'box', crtime: 0 }, 1)) registry.add(kstat);
  const service = await MetricsService.open({ host: '127.0.0.1', port: 0 }, () => 'running');
  let said = '';
  service.started('box', { kind: 'started', memory: buffer, kstats: registry.publish(), vcpus: 1 }, (text) => {
    said += text;
  });
  const url = /^lucid: metrics at (\S+)\n$/.exec(said)?.[1] ?? '';
  const state = async (): Promise<number> => value(await (await fetch(url)).text(), 'lucid_vm_state{vm="box",state="ended"}');
  assert.is(await state(), 0);
  service.ended();
  assert.is(await state(), 1);
  service.close();
});

test('neither a connection that is kept open nor one in the middle of a request holds the process', async () => {
  const { url, ended, stop } = await running('--kernel', at('loop.elf'));
  const { port } = new URL(url);
  const open = ['', 'GET /metrics HTTP/1.1\r\nHo', 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'].map((text) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(text);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    return { socket, closed };
  });
  await new Promise((resolve) => open[2]?.socket.once('data', resolve));
  stop('SIGINT');
  for (const { socket } of open) socket.resume();
  await Promise.all(open.map(({ closed }) => closed));
  assert.is((await ended).status, 130);
});

test('the address: a port is of 127.0.0.1, anything else is said', () => {
  assert.equal(parseMetrics('9100'), { host: '127.0.0.1', port: 9100 });
  assert.equal(parseMetrics('0'), { host: '127.0.0.1', port: 0 });
  assert.equal(parseMetrics('0.0.0.0:9100'), { host: '0.0.0.0', port: 9100 });
  assert.equal(parseMetrics('localhost:0'), { host: 'localhost', port: 0 });
  assert.equal(parseMetrics('[::1]:9100'), { host: '::1', port: 9100 });
  for (const [text, why] of [
    ['', /^--metrics '': not an address with a port from 0 to 65535; write PORT/],
    ['x', /^--metrics x: not an address with a port/],
    ['65536', /port from 0 to 65535/],
    ['-1', /port from 0 to 65535/],
    ['localhost:', /port from 0 to 65535/],
    ['127.0.0.1', /port from 0 to 65535/],
    ['[::1]', /port from 0 to 65535/],
    [':9100', /which address\? write 9100 for 127\.0\.0\.1 alone, 0\.0\.0\.0:9100 for all/],
    ['::1:9100', /an IPv6 address stands in brackets/],
    ['[localhost]:9100', /'localhost' is no IPv6 address/],
    ['http://localhost:9100', /brackets|no address/],
    ['a b:9100', /'a b' is no address and no host's name/],
  ] as const)
    assert.throws(() => parseMetrics(text), why, text);
});

test('an address that cannot be had is one line and status 2, before the guest runs', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  for (const [address, why] of [
    [`${port}`, new RegExp(`^lucid: --metrics 127\\.0\\.0\\.1:${port}: port ${port} is already in use there; give another, or 0`)],
    ['192.0.2.1:9100', /^lucid: --metrics 192\.0\.2\.1:9100: 192\.0\.2\.1 is no address of this host/],
    ['nowhere.invalid:9100', /^lucid: --metrics nowhere\.invalid:9100: there is no host nowhere\.invalid/],
    ['nine', /^lucid: --metrics nine: not an address/],
  ] as const) {
    const child = start('lucid', ['run', '--kernel', at('end.elf'), '--debug-exit', '0xf4', '--no-exits', '--metrics', address], place.xdg);
    const { status, err } = await finished(child);
    assert.is(status, 2, err);
    assert.match(err, why);
    assert.is(err.trim().split('\n').length, 1, err);
  }
  server.close();
});

test('lucid expect has its own report', async () => {
  writeFileSync(at('e.yaml'), 'guest: {kernel: end.elf}\nexpect:\n  - {exits: HLT, count: {max: 5}}\n');
  const { status, err } = await finished(start('lucid', ['expect', at('e.yaml'), '--', '--metrics', '0'], place.xdg));
  assert.is(status, 2, err);
  assert.match(err, /--metrics: not here; its statistics are in the report/);
});

(whyNoParser === undefined ? test : test.skip)('with every device, what is scraped is OpenMetrics when that is asked for', async () => {
  writeFileSync(at('disk.img'), Buffer.alloc(1 << 20));
  writeFileSync(at('cd.iso'), Buffer.alloc(1 << 16));
  const devices = ['--cpus', '2', '--disk', at('disk.img'), '--cdrom', at('cd.iso'), '--nic', 'user', '--share', folder, '--rng'];
  const { url, ended, stop } = await running('--kernel', at('loop.elf'), '--name', 'a "b" \\', ...devices);
  const answer = await fetch(url, { headers: { Accept: 'application/openmetrics-text; version=1.0.0, text/plain;q=0.5' } });
  assert.is(answer.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  const families = parse('openmetrics', await answer.text());
  stop('SIGTERM');
  await ended;
  const of = (name: string): unknown[] => (families.find((family) => family.name === name)?.samples ?? []).map(([, labels]) => labels);
  assert.equal(of('lucid_disk_reads_completed'), [
    { vm: 'a "b" \\', device: 'cd1', driver: 'ata' },
    { vm: 'a "b" \\', device: 'disk0', driver: 'virtio_blk' },
  ]);
  assert.equal(of('lucid_network_receive_packets'), [{ vm: 'a "b" \\', device: 'net0', driver: 'virtio_net' }]);
  assert.equal(of('lucid_vm_instructions'), [
    { vm: 'a "b" \\', vcpu: '0' },
    { vm: 'a "b" \\', vcpu: '1' },
  ]);
  assert.not.ok(families.some(({ name }) => name === 'lucid_kstat'));
});

test.run();
