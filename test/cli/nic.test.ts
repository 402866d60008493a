/** `lucid run --nic`: bad files and places, each one clear line and nothing lost. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { captureHeader } from '../../devices/net/pcap.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-nic-'));
const test = suite('lucid run --nic');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});
const at = (name: string): string => join(folder, name);

// mov al, 7; out f4h, al
const GUEST = multiboot([0xb0, 0x07, 0xe6, 0xf4, 0xeb, 0xfe]);
writeFileSync(at('guest.elf'), GUEST);
writeFileSync(at('empty.pcap'), captureHeader());
const run = (...args: string[]): Promise<Finished> =>
  finished(start('lucid', ['run', '--kernel', at('guest.elf'), '--debug-exit', '0xf4', '--no-exits', ...args], place.xdg));

async function refused(nics: readonly string[], why: RegExp): Promise<void> {
  const { status, err } = await run(...nics.flatMap((nic) => ['--nic', nic]));
  assert.is(status, 2, err);
  assert.match(err, why);
  assert.is(err.trim().split('\n').length, 1, err);
}

test('a capture that cannot be played is named with what is wrong', async () => {
  writeFileSync(at('short.pcap'), Uint8Array.from([...captureHeader(), 1, 2, 3]));
  await refused([`pcap:${at('nothing')}`], /^lucid: --nic pcap:.*nothing: there is no such file/);
  await refused([`pcap:${at('guest.elf')}`], /neither pcap nor pcapng/);
  await refused([`pcap:${at('short.pcap')}`], /ends within frame 1 \(byte 24\)/);
  await refused([`pcap:${folder}`], /is a directory/);
});

test('a capture is not written over a file of the run, nor over another', async () => {
  await refused([`none,pcap=${at('guest.elf')}`], /would overwrite --kernel; give another file/);
  assert.equal(readFileSync(at('guest.elf')), Buffer.from(GUEST));
  await refused([`pcap:${at('empty.pcap')},pcap=${at('empty.pcap')}`], /would overwrite --nic pcap:/);
  assert.is(readFileSync(at('empty.pcap')).length, 24);
  await refused([`none,pcap=${at('a.pcap')}`, `none,pcap=${at('a.pcap')}`], /would overwrite --nic pcap=/);
  await refused([`none,pcap=${at('missing/a.pcap')}`], /cannot write it \(ENOENT\)/);
});

test('a run that cannot start leaves the capture as it was', async () => {
  writeFileSync(at('old.pcap'), 'old');
  writeFileSync(at('no-kernel'), 'text');
  const { status } = await finished(
    start('lucid', ['run', '--kernel', at('no-kernel'), '--nic', `none,pcap=${at('old.pcap')}`], place.xdg),
  );
  assert.is(status, 2);
  assert.is(readFileSync(at('old.pcap'), 'utf8'), 'old');
});

test('a full disk is told once, and the guest ends as it would have', async () => {
  const { status, err } = await run('--nic', 'none,pcap=/dev/full');
  const plain = await run();
  assert.is(status, plain.status);
  assert.match(err, /lucid: --nic pcap=\/dev\/full: cannot write it any more \(ENOSPC\); the capture ends here\n/);
});

test('a port that is in use, an address that is not of this host, and a place for no socket are refused', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await refused([`user,hostfwd=tcp:${port}:80`], new RegExp(`^lucid: --nic user,hostfwd=.*port ${port}.*already in use`));
  server.close();
  await refused(['user,hostfwd=tcp:192.0.2.1:0:80'], /no address of this host/);
  await refused([`link:${at('guest.elf')}`], /is no socket; give another path/);
  await refused([`link:${at('missing/x')}`], /its folder does not exist/);
});

test('a link leaves no socket behind', async () => {
  const { status } = await run('--nic', `link:${at('socket')}`);
  const plain = await run();
  assert.is(status, plain.status);
  assert.not(existsSync(at('socket')));
});

test('NICs have kstats from outside, and a snapshot goes on with other ports behind them', async () => {
  // jmp $
  writeFileSync(at('loop.elf'), multiboot([0xeb, 0xfe]));
  const child = start(
    'lucid',
    ['run', '--kernel', at('loop.elf'), '--name', 'nic', '--nic', 'none', '--nic', 'user', '--limit', 'wall=120'],
    place.xdg,
  );
  const ended = finished(child);
  let saved = await finished(start('lucid', ['save', 'nic', at('snap')], place.xdg));
  while (/no running VM/.test(saved.err)) saved = await finished(start('lucid', ['save', 'nic', at('snap')], place.xdg));
  assert.is(saved.status, 0, saved.err);
  const kstat = await finished(start('kstat', ['-p', '-m', 'virtio_net', '-s', 'opackets64'], place.xdg));
  assert.is(kstat.out, 'virtio_net:0:net0:opackets64\t0\nvirtio_net:1:net1:opackets64\t0\n');
  const again = (...nics: string[]): Promise<Finished> =>
    finished(start('lucid', ['run', '--restore', at('snap'), '--limit', 'insns=100M', ...nics.flatMap((n) => ['--nic', n])], place.xdg));
  assert.is((await again('none', 'user,hostfwd=tcp:0:22')).status, 4);
  assert.match((await again('user')).err, /has 2 of them/);
  assert.match((await again('user', 'user')).err, /--nic user: the machine that was saved has none there/);
  assert.match((await again('none,mac-nospoof', 'user')).err, /not macNospoof/);
  child.kill('SIGINT');
  await ended;
});

test.run();
