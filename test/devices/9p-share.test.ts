/** A directory of the host by 9P: what a guest may do, and what it may not. */
import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ERRNO, T } from '../../devices/9p/messages.ts';
import { NinePServer } from '../../devices/9p/server.ts';
import { openShare } from '../../devices/host/share.ts';
import { Client } from './9p-client.ts';

const test = suite('9p');
const base = mkdtempSync(join(tmpdir(), 'lucid-9p-'));
test.after(() => rmSync(base, { recursive: true, force: true }));
const SECRET = join(base, 'secret');
writeFileSync(SECRET, 'SECRET');

const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;

let count = 0;
interface Bench {
  readonly folder: string;
  readonly server: NinePServer;
  readonly client: Client;
  readonly failures: string[];
}

function serve(folder: string, writable: boolean): Bench {
  const failures: string[] = [];
  const server = new NinePServer({ root: openShare(folder), writable, failed: (reason) => failures.push(reason) });
  const client = new Client((request) => server.handle(request, 70000));
  client.start();
  return { folder, server, client, failures };
}

function bench(writable = true): Bench {
  const folder = join(base, `share${count++}`);
  mkdirSync(join(folder, 'sub/deeper'), { recursive: true });
  writeFileSync(join(folder, 'file'), 'hello');
  writeFileSync(join(folder, 'sub/inner'), 'inside');
  return serve(folder, writable);
}

test('files are read by their path, in pieces, and directories listed in whatever room there is', () => {
  const { client, folder } = bench(false);
  assert.is(client.contents('file'), 'hello');
  assert.is(client.contents('sub', 'inner'), 'inside');
  assert.is(client.contents('none'), ERRNO.ENOENT);
  client.walk(0, 1, 'file');
  client.open(1, 0);
  assert.equal([client.read(1, 1, 3), client.read(1, 5, 10), client.read(1, 1e12, 10)], ['ell', '', '']);
  for (let i = 0; i < 300; i++) writeFileSync(join(folder, `sub/name-${i}`), '');
  for (const bytes of [60, 200, 60000]) {
    client.walk(0, 2, 'sub');
    client.open(2, 0);
    const names = client.names(2, bytes) as string[];
    assert.equal(names.slice(0, 2), ['.', '..']);
    assert.equal(names.slice(2).sort(), readdirSync(join(folder, 'sub')).sort());
    client.clunk(2);
  }
});

test('names that are no UTF-8 are names too', () => {
  const { client, folder } = bench();
  client.walk(0, 1);
  assert.is(client.status(T.lcreate, ['u32', 1], ['s', 'a\xffb'], ['u32', O_CREAT | O_EXCL | O_RDWR], ['u32', 0o644], ['u32', 0]), 0);
  assert.is(client.write(1, 0, 'odd'), 3);
  assert.is(client.contents('a\xffb'), 'odd');
  assert.ok(readdirSync(folder, { encoding: 'buffer' }).some((n) => n.equals(Buffer.from('a\xffb', 'latin1'))));
});

test('a walk tells how far it came; a fid that is there is not given again', () => {
  const { client } = bench(false);
  assert.is((client.walk(0, 1, 'sub', 'none', 'x') as []).length, 1);
  assert.is(client.open(1, 0), ERRNO.EBADF);
  assert.is(client.walk(0, 1, 'none'), ERRNO.ENOENT);
  assert.is((client.walk(0, 1, 'sub', 'deeper') as []).length, 2);
  assert.is(client.walk(0, 1, 'sub'), ERRNO.EINVAL);
  assert.is((client.walk(1, 1, '..', 'inner') as []).length, 2);
  assert.is(client.open(1, 0), 0);
  assert.is(client.read(1, 0, 100), 'inside');
  for (let i = 100; Array.isArray(client.walk(0, i)); i++) assert.ok(i < 2000);
  assert.is(client.walk(0, 5000), ERRNO.ENFILE);
});

test('a writable share: create, write, truncate, rename, link, remove, attributes', () => {
  const { client, folder } = bench();
  const at = (name: string): string => join(folder, name);
  client.walk(0, 1);
  assert.is(client.status(T.lcreate, ['u32', 1], ['s', 'new'], ['u32', O_CREAT | O_RDWR], ['u32', 0o6644], ['u32', 0]), 0);
  assert.equal([client.write(1, 0, 'abcdef'), client.write(1, 8, 'x')], [6, 1]);
  assert.is(client.status(T.fsync, ['u32', 1], ['u32', 0]), 0);
  assert.is(readFileSync(at('new'), 'latin1'), 'abcdef\0\0x');
  assert.is(statSync(at('new')).mode & 0o7777, 0o644);
  const setattr = (valid: number, mode: number, size: number, seconds: number): number =>
    client.status(
      T.setattr,
      ['u32', 1],
      ['u32', valid],
      ['u32', mode],
      ['u32', 0],
      ['u32', 0],
      ['u64', size],
      ['u64', seconds],
      ['u64', 0],
      ['u64', seconds],
      ['u64', 500_000_000],
    );
  assert.is(setattr(1 | 8 | 32 | 256, 0o4600, 3, 1_000_000_000), 0);
  assert.equal([statSync(at('new')).mode & 0o7777, statSync(at('new')).size, statSync(at('new')).mtimeMs], [0o600, 3, 1e12 + 500]);
  assert.is(client.status(T.mkdir, ['u32', 0], ['s', 'd'], ['u32', 0o755], ['u32', 0]), 0);
  client.walk(0, 2, 'd');
  assert.is(client.status(T.renameat, ['u32', 0], ['s', 'new'], ['u32', 2], ['s', 'moved']), 0);
  assert.is(client.contents('d', 'moved'), 'abc');
  assert.is(client.status(T.link, ['u32', 0], ['u32', 1], ['s', 'second']), 0, 'the fid goes by the new name');
  client.walk(0, 3, 'd', 'moved');
  assert.is(statSync(at('second')).nlink, 2);
  assert.is(client.status(T.rename, ['u32', 3], ['u32', 0], ['s', 'third']), 0);
  assert.is(client.status(T.symlink, ['u32', 0], ['s', 'l'], ['s', 'anywhere/at all'], ['u32', 0]), 0);
  client.walk(0, 4, 'l');
  const target = client.ask(T.readlink, ['u32', 4]);
  assert.is(typeof target === 'number' ? target : Buffer.from(target.string()).toString(), 'anywhere/at all');
  assert.is(client.status(T.unlinkat, ['u32', 0], ['s', 'd'], ['u32', 0]), ERRNO.EISDIR);
  assert.is(client.status(T.unlinkat, ['u32', 0], ['s', 'd'], ['u32', 0x200]), 0);
  assert.is(client.status(T.remove, ['u32', 4]), 0);
  assert.is(client.clunk(4), ERRNO.EBADF);
  assert.equal(readdirSync(folder).sort(), ['file', 'second', 'sub', 'third']);
  assert.is(client.status(T.mknod, ['u32', 0], ['s', 'n'], ['u32', 0o20600], ['u32', 1], ['u32', 3], ['u32', 0]), ERRNO.EPERM);
  assert.is(client.status(T.xattrwalk, ['u32', 0], ['u32', 9], ['s', 'user.x']), ERRNO.EOPNOTSUPP);
});

test('what was renamed goes by its new name: a link is still read', () => {
  const { client, folder } = bench();
  symlinkSync('there', join(folder, 'old'));
  client.walk(0, 1, 'old');
  assert.is(client.status(T.renameat, ['u32', 0], ['s', 'old'], ['u32', 0], ['s', 'new']), 0);
  const target = client.ask(T.readlink, ['u32', 1]);
  assert.is(typeof target === 'number' ? target : Buffer.from(target.string()).toString(), 'there');
});

test('a share that is only to be read is not written in any way', () => {
  const { client, folder } = bench(false);
  const before = JSON.stringify(readdirSync(folder));
  client.walk(0, 1, 'file');
  const changes: [number, ...(Parameters<Client['ask']> extends [number, ...infer R] ? R : never)][] = [
    [T.lopen, ['u32', 1], ['u32', 1]],
    [T.lopen, ['u32', 1], ['u32', 2]],
    [T.lopen, ['u32', 1], ['u32', O_TRUNC]],
    [T.lcreate, ['u32', 0], ['s', 'x'], ['u32', O_CREAT], ['u32', 0o644], ['u32', 0]],
    [T.symlink, ['u32', 0], ['s', 'x'], ['s', 'y'], ['u32', 0]],
    [T.mkdir, ['u32', 0], ['s', 'x'], ['u32', 0o755], ['u32', 0]],
    [T.link, ['u32', 0], ['u32', 1], ['s', 'x']],
    [T.rename, ['u32', 1], ['u32', 0], ['s', 'x']],
    [T.renameat, ['u32', 0], ['s', 'file'], ['u32', 0], ['s', 'x']],
    [T.unlinkat, ['u32', 0], ['s', 'file'], ['u32', 0]],
    [T.setattr, ['u32', 1], ['u32', 1], ['u32', 0], ['u32', 0], ['u32', 0], ['u64', 0], ['u64', 0], ['u64', 0], ['u64', 0], ['u64', 0]],
  ];
  for (const [type, ...fields] of changes) assert.is(client.status(type, ...fields), ERRNO.EROFS, String(type));
  client.open(1, 0);
  assert.is(client.write(1, 0, 'x'), -ERRNO.EROFS);
  assert.is(client.status(T.remove, ['u32', 1]), ERRNO.EROFS);
  assert.is(JSON.stringify(readdirSync(folder)), before);
  assert.is(readFileSync(join(folder, 'file'), 'latin1'), 'hello');
});

test('no way out: not by .., by slashes, by links of the guest, nor by links of the host', () => {
  const { client, folder } = bench();
  symlinkSync(SECRET, join(folder, 'link'));
  symlinkSync('..', join(folder, 'up'));
  symlinkSync(base, join(folder, 'base'));
  client.status(T.symlink, ['u32', 0], ['s', 'mine'], ['s', SECRET], ['u32', 0]);
  for (const path of [
    ['link'],
    ['mine'],
    ['up', 'secret'],
    ['base', 'secret'],
    ['..', 'secret'],
    ['..', '..', 'secret'],
    ['sub', '..', '..', 'secret'],
  ])
    assert.ok(typeof client.contents(...path) === 'number', path.join('/'));
  for (const name of ['../secret', '/etc/passwd', 'sub/inner', '', '.', 'a\0b', '..']) {
    if (name !== '..') assert.is(client.walk(0, 1, name), ERRNO.EINVAL, JSON.stringify(name));
    assert.is(client.status(T.mkdir, ['u32', 0], ['s', name], ['u32', 0o755], ['u32', 0]), ERRNO.EINVAL);
    assert.is(client.status(T.unlinkat, ['u32', 0], ['s', name], ['u32', 0]), ERRNO.EINVAL);
    assert.is(client.status(T.renameat, ['u32', 0], ['s', 'file'], ['u32', 0], ['s', name]), ERRNO.EINVAL);
  }
  client.walk(0, 1, 'link');
  assert.is(client.open(1, O_RDWR), ERRNO.EACCES);
  assert.is(
    client.status(
      T.setattr,
      ['u32', 1],
      ['u32', 9],
      ['u32', 0o777],
      ['u32', 0],
      ['u32', 0],
      ['u64', 0],
      ['u64', 0],
      ['u64', 0],
      ['u64', 0],
      ['u64', 0],
    ),
    ERRNO.EOPNOTSUPP,
  );
  // Creating through a link that leads out: the link is what is there, and is not followed.
  client.walk(0, 2);
  assert.is(client.status(T.lcreate, ['u32', 2], ['s', 'link'], ['u32', O_CREAT | O_RDWR], ['u32', 0o644], ['u32', 0]), ERRNO.EACCES);
  client.walk(0, 3);
  assert.is(client.status(T.lcreate, ['u32', 3], ['s', 'dangling'], ['u32', O_CREAT | O_RDWR], ['u32', 0o644], ['u32', 0]), 0);
  assert.is(client.status(T.link, ['u32', 0], ['u32', 1], ['s', 'hard']), 0);
  assert.ok(lstatSync(join(folder, 'hard')).isSymbolicLink(), 'the link itself got a second name');
  assert.is(readFileSync(SECRET, 'latin1'), 'SECRET');
});

test('a FIFO, a socket or a device is not opened, and nobody waits for one', () => {
  const { client, folder } = bench();
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  client.walk(0, 1, 'fifo');
  assert.is(client.open(1, 0), ERRNO.EACCES);
  client.walk(0, 2);
  assert.is(client.status(T.lcreate, ['u32', 2], ['s', 'fifo'], ['u32', O_CREAT | 1], ['u32', 0o644], ['u32', 0]), ERRNO.EACCES);
});

/** Swaps a directory and a link to the outside as fast as it can. */
const SWAPPER = `
const { renameSync, symlinkSync, mkdirSync, writeFileSync } = require('node:fs');
const [, share, outside] = process.argv;
process.chdir(share);
mkdirSync('real'); writeFileSync('real/target', 'inside'); symlinkSync(outside, 'fake');
mkdirSync('files'); writeFileSync('files/plain', 'inside'); symlinkSync(outside + '/target', 'files/link');
process.send('ready');
for (;;) {
  renameSync('real', 'door'); renameSync('files/plain', 'files/door'); 
  renameSync('door', 'real'); renameSync('files/door', 'files/plain');
  renameSync('fake', 'door'); renameSync('files/link', 'files/door');
  renameSync('door', 'fake'); renameSync('files/door', 'files/link');
}`;

test('no way out by a race: a directory that becomes a link and back while it is walked', async () => {
  const folder = join(base, 'race');
  const outside = join(base, 'outside');
  mkdirSync(folder);
  mkdirSync(outside);
  writeFileSync(join(outside, 'target'), 'SECRET');
  const swapper = spawn(process.execPath, ['-e', SWAPPER, folder, outside], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  await new Promise((resolve) => swapper.once('message', resolve));
  const { client } = serve(folder, true);
  const seen = new Map<string | number, number>();
  const note = (what: string | number): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const start = performance.now();
  for (let round = 0; performance.now() - start < 20_000 && (round < 1500 || !seen.has('inside')); round++) {
    note(client.contents('door', 'target'));
    note(client.contents('files', 'door'));
    if (Array.isArray(client.walk(0, 50, 'door'))) {
      client.status(T.mkdir, ['u32', 50], ['s', 'made'], ['u32', 0o755], ['u32', 0]);
      client.status(T.unlinkat, ['u32', 50], ['s', 'target2'], ['u32', 0]);
      client.clunk(50);
    }
    client.walk(0, 51, 'files');
    client.status(T.lcreate, ['u32', 51], ['s', 'door'], ['u32', O_CREAT | O_RDWR], ['u32', 0o600], ['u32', 0]);
    client.write(51, 0, 'inside');
    client.clunk(51);
  }
  swapper.kill('SIGKILL');
  assert.ok(seen.has('inside'), `the race was run: ${JSON.stringify([...seen])}`);
  assert.not.ok(seen.has('SECRET'), JSON.stringify([...seen]));
  assert.equal(readdirSync(outside), ['target']);
  assert.is(readFileSync(join(outside, 'target'), 'latin1'), 'SECRET');
});

test('saved in the middle and restored, open files are read on; one that is gone is stale', () => {
  const { client, server, folder } = bench();
  client.walk(0, 1, 'sub', 'inner');
  client.open(1, O_RDWR);
  client.walk(0, 2, 'file');
  client.walk(0, 3);
  client.open(3, 0);
  const state = JSON.parse(JSON.stringify(server.save()));
  rmSync(join(folder, 'file'));
  const again = serve(folder, true);
  again.server.restore(state);
  assert.is(again.client.read(1, 2, 3), 'sid');
  assert.is(again.client.write(1, 0, 'IN'), 2);
  assert.is(again.client.open(2, 0), ERRNO.ESTALE);
  assert.equal((again.client.names(3) as string[]).sort(), ['.', '..', 'sub']);
  assert.is(again.client.clunk(2), 0);
  assert.equal(JSON.parse(JSON.stringify(again.server.save())).fids.length, 3);
  for (const bad of [{}, { ...state, msize: 1 }, { ...state, fids: [{}] }, { ...state, fids: [{ number: 1, path: [5], mode: null }] }])
    assert.throws(
      () => again.server.restore(bad),
      (e: Error) => e.name === 'StateError',
    );
  const outside = serve(folder, true);
  outside.server.restore({ msize: 8192, fids: [{ number: 1, path: ['..', 'secret'], mode: null }] });
  assert.is(outside.client.open(1, 0), ERRNO.ESTALE);
});

test('a share that disappears gives errors, and one line', () => {
  const { client, folder, failures } = bench();
  client.walk(0, 1, 'file');
  client.open(1, 0);
  rmSync(folder, { recursive: true });
  assert.is(client.contents('file'), ERRNO.ENOENT);
  assert.is(client.contents('sub'), ERRNO.ENOENT);
  assert.is(client.read(1, 0, 10), 'hello', 'what is open stays');
  assert.equal(failures, ['the directory is gone']);
});

test('a directory that cannot be shared is told why', () => {
  assert.throws(() => openShare(join(base, 'none')), /there is no such directory/);
  assert.throws(() => openShare(SECRET), /is not a directory/);
});

test('descriptors are given back', () => {
  const { client } = bench();
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 200; i++) {
    client.contents('sub', 'inner');
    client.contents('sub', 'none', 'x');
    client.walk(0, 7, 'sub', 'deeper', '..', 'inner');
    client.open(7, O_RDWR);
    client.clunk(7);
  }
  assert.is(readdirSync('/proc/self/fd').length, before);
});

test.run();
