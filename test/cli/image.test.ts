/** `lucid image`: each of its commands, what it prints and what it refuses. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openImage } from '../../devices/disk/open.ts';
import { main } from '../../vmm/cli/main.ts';
import { closeDisk, openDiskFor } from '../../vmm/disks.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-image-'));
const at = (name: string): string => join(folder, name);
const test = suite('image');
test.after(() => rmSync(folder, { recursive: true }));

/** Runs `lucid image` in this process. */
async function image(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const { stdout, stderr } = process;
  const writes = [stdout.write, stderr.write] as const;
  const into = (key: 'out' | 'err') =>
    ((text: string | Uint8Array) => {
      said[key] += text;
      return true;
    }) as typeof stdout.write;
  stdout.write = into('out');
  stderr.write = into('err');
  try {
    return { status: await main(['image', ...args]), ...said };
  } finally {
    stdout.write = writes[0];
    stderr.write = writes[1];
  }
}

async function ok(...args: string[]): Promise<string> {
  const { status, out, err } = await image(...args);
  assert.is(status, 0, `${args.join(' ')}: ${err}`);
  assert.is(err, '');
  return out;
}

async function refuses(why: RegExp, ...args: string[]): Promise<void> {
  const { status, err } = await image(...args);
  assert.is(status, 2, args.join(' '));
  assert.match(err, /^lucid: [ -~]+\n$/);
  assert.match(err, why);
}

const SIZE = 3 * 1048576;

function write(path: string, offset: number, bytes: Uint8Array): void {
  const opened = openImage(path).image;
  opened.write(offset, bytes);
  opened.close();
}

function contents(path: string, snapshot?: string): Uint8Array {
  const opened = openImage(path, { readOnly: true, snapshot }).image;
  const bytes = new Uint8Array(opened.size);
  opened.read(0, bytes);
  opened.close();
  return bytes;
}

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

test('create makes raw and qcow2 images, and nothing over a file that is there', async () => {
  assert.match(await ok('create', at('a.qcow2'), '3M'), /a\.qcow2: qcow2, 3 MiB \(3145728 bytes\)/);
  assert.match(await ok('create', at('a.img'), '3M'), /raw/);
  assert.is(readFileSync(at('a.img')).length, SIZE);
  assert.equal(JSON.parse(await ok('create', at('b'), '1M', '--format', 'qcow2', '--cluster', '4K', '--json')), {
    file: at('b'),
    format: 'qcow2',
    size: 1048576,
  });
  await refuses(/a\.qcow2: there is such a file already; --force/, 'create', at('a.qcow2'), '3M');
  await ok('create', at('a.qcow2'), '3M', '--force');
  await refuses(/which size/, 'create', at('c.qcow2'));
  await refuses(/12Q: not a size/, 'create', at('c.qcow2'), '12Q');
  await refuses(/--format vmdk: unknown/, 'create', at('c'), '1M', '--format', 'vmdk');
  await refuses(/--cluster 3K/, 'create', at('c.qcow2'), '1M', '--cluster', '3K');
  await refuses(/too large for clusters/, 'create', at('c.qcow2'), '1T', '--cluster', '512');
  await refuses(/none: there is no such file/, 'create', at('c.qcow2'), '--backing', at('none'));
  await refuses(/--backing: a raw image/, 'create', at('c.img'), '--format', 'raw', '--backing', at('a.img'));
  assert.not(existsSync(at('c.qcow2')));
  await ok('create', at('over.qcow2'), '--backing', at('a.img'));
  assert.is(contents(at('over.qcow2')).length, SIZE);
});

test('info tells what an image is, and what is wrong with its chain', async () => {
  const told = await ok('info', at('over.qcow2'));
  assert.match(told, /format +qcow2 version 3/);
  assert.match(told, /backing file +a\.img \(raw\)/);
  const json = JSON.parse(await ok('info', at('a.qcow2'), '--json'));
  assert.equal([json.format, json.size, json.clusterBytes, json.refcountBits], ['qcow2', SIZE, 65536, 16]);
  await ok('create', at('lost.qcow2'), '1M');
  writeFileSync(at('gone.img'), filled(1024, 0));
  await ok('create', at('orphan.qcow2'), '--backing', at('gone.img'));
  rmSync(at('gone.img'));
  assert.match(await ok('info', at('orphan.qcow2')), /cannot be opened +backing file \S+gone\.img: there is no such file/);
  await refuses(/none: there is no such file/, 'info', at('none'));
  await refuses(/is a directory/, 'info', folder);
});

test('convert copies what is not zeros, and leaves no half file', async () => {
  write(at('a.img'), 1048576, filled(100_352, 5));
  await ok('convert', at('a.img'), at('conv.qcow2'));
  assert.is(Buffer.compare(contents(at('conv.qcow2')), readFileSync(at('a.img'))), 0);
  assert.ok(readFileSync(at('conv.qcow2')).length < 700_000);
  await ok('convert', at('conv.qcow2'), at('back.img'));
  assert.is(Buffer.compare(readFileSync(at('back.img')), readFileSync(at('a.img'))), 0);
  const info = JSON.parse(await ok('convert', at('over.qcow2'), at('flat.img'), '--json'));
  assert.ok(info.hostBytes < SIZE / 2);
  await refuses(/--force/, 'convert', at('a.img'), at('conv.qcow2'));
  await refuses(/none: there is no such file/, 'convert', at('none'), at('x.qcow2'));
  await refuses(/is no qcow2 image/, 'convert', at('a.img'), at('x.qcow2'), '--from-format', 'qcow2');
  assert.equal(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('check: clean, leaks (3), damage (2), repair', async () => {
  assert.match(await ok('check', at('conv.qcow2')), /no errors, no leaks; \d+ of 48 clusters are in the file/);
  const bytes = readFileSync(at('conv.qcow2'));
  const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
  bytes.writeUInt16BE(1, block + 2 * 100);
  writeFileSync(at('leaky.qcow2'), bytes);
  const leaky = await image('check', at('leaky.qcow2'));
  assert.is(leaky.status, 3);
  assert.match(leaky.out, /0 errors, 1 leaked/);
  assert.match(await ok('check', at('leaky.qcow2'), '--repair'), /1 refcounts set right/);
  await ok('check', at('leaky.qcow2'));
  bytes.writeUInt16BE(0, block + 2 * 3);
  writeFileSync(at('bad.qcow2'), bytes);
  const bad = await image('check', at('bad.qcow2'), '--json');
  assert.is(bad.status, 2);
  assert.ok(JSON.parse(bad.out).errors > 0);
  await refuses(/a raw one has nothing/, 'check', at('a.img'));
});

test('snapshots are taken, listed, gone back to and destroyed', async () => {
  const path = at('snap.qcow2');
  await ok('convert', at('a.img'), path);
  assert.match(await ok('snapshot', path), /no snapshots/);
  assert.match(await ok('snapshot', `${path}@one`), /@one: taken/);
  const one = contents(path);
  write(path, 0, filled(200_704, 8));
  await ok('snapshot', `${path}@two`);
  assert.match(await ok('snapshot', path), /UTC {2}\S+@one\n.*UTC {2}\S+@two\n$/);
  assert.is(JSON.parse(await ok('snapshot', path, '--json')).length, 2);
  assert.is(Buffer.compare(contents(path, 'one'), one), 0);
  await ok('snapshot', `${path}@one`, '--rollback');
  assert.is(Buffer.compare(contents(path), one), 0);
  await refuses(/has a snapshot 'two' already/, 'snapshot', `${path}@two`);
  await refuses(/has no snapshot 'three'/, 'snapshot', `${path}@three`, '--rollback');
  await refuses(/which snapshot/, 'snapshot', path, '--destroy');
  await refuses(/give one of them/, 'snapshot', `${path}@two`, '--destroy', '--rollback');
  await refuses(/is no qcow2 image/, 'snapshot', `${at('a.img')}@x`);
  await ok('clone', `${path}@two`, at('clone.qcow2'));
  assert.is(contents(at('clone.qcow2'))[0], 8);
  await ok('snapshot', `${path}@two`, '--destroy');
  await ok('check', path);
  assert.match(await ok('clone', path, at('linked.qcow2')), /over \S+snap\.qcow2, which must stay/);
  assert.is(Buffer.compare(contents(at('linked.qcow2')), one), 0);
});

test('send and receive: all of it, then what changed; a damaged or cut stream changes nothing', async () => {
  const path = at('sent.qcow2');
  await ok('convert', at('a.img'), path);
  await ok('snapshot', `${path}@one`);
  write(path, 65536, filled(300_032, 3));
  const raw = openImage(path).image;
  raw.zero(1048576, 100_352);
  raw.close();
  await ok('snapshot', `${path}@two`);
  await ok('send', `${path}@one`, '--output', at('one.stream'));
  await ok('send', `${path}@two`, '-i', 'one', '-o', at('two.stream'));
  assert.ok(readFileSync(at('two.stream')).length < 500_000);
  await refuses(/got\.qcow2: there is no such file/, 'receive', at('got.qcow2'), at('two.stream'));
  await ok('receive', at('got.qcow2'), at('one.stream'));
  assert.is(Buffer.compare(contents(at('got.qcow2')), contents(path, 'one')), 0);
  const stream = readFileSync(at('two.stream'));
  for (let n = 0; n < 40; n++) {
    const bad = Buffer.from(stream);
    const place = Math.floor((stream.length * n) / 40);
    if (n % 2 === 0) bad[place] = (bad[place] as number) ^ 0x10;
    writeFileSync(at('bad.stream'), n % 2 === 0 ? bad : bad.subarray(0, place));
    const before = readFileSync(at('got.qcow2'));
    await refuses(/damaged|cut off|is no stream/, 'receive', at('got.qcow2'), at('bad.stream'));
    assert.is(Buffer.compare(readFileSync(at('got.qcow2')), before), 0);
    await refuses(/damaged|cut off|is no stream|there is no such file/, 'receive', at('new.qcow2'), at('bad.stream'));
    assert.not(existsSync(at('new.qcow2')));
  }
  await ok('receive', at('got.qcow2'), at('two.stream'));
  assert.is(Buffer.compare(contents(at('got.qcow2')), contents(path)), 0);
  await ok('check', at('got.qcow2'));
  await refuses(/has changed since 'one'/, 'receive', at('got.qcow2'), at('two.stream'));
  await refuses(/has no snapshot 'none'/, 'send', `${path}@two`, '-i', 'none', '-o', at('x.stream'));
  await ok('convert', at('a.img'), at('other.qcow2'));
  await ok('snapshot', `${at('other.qcow2')}@one`);
  await refuses(/not the one that the stream goes on from/, 'receive', at('other.qcow2'), at('two.stream'));
  assert.equal(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a stream goes through a pipe', () => {
  const out = execFileSync(process.execPath, [LUCID, 'image', 'send', `${at('sent.qcow2')}@two`], { maxBuffer: 1 << 26 });
  const { status, stdout, stderr } = spawnSync(process.execPath, [LUCID, 'image', 'receive', at('piped.qcow2')], {
    input: out,
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  assert.match(stdout, /piped\.qcow2@two: 3 MiB/);
  assert.is(Buffer.compare(contents(at('piped.qcow2')), contents(at('sent.qcow2'), 'two')), 0);
});

test('an image that a VM writes is left alone', async () => {
  const path = at('snap.qcow2');
  const disk = openDiskFor('vm7', { path });
  await refuses(/is in use: vm7 .*writes it/, 'snapshot', `${path}@busy`);
  await refuses(/is in use: vm7/, 'convert', path, at('busy.img'));
  await refuses(/is in use: vm7/, 'check', path);
  await ok('info', path);
  closeDisk(disk);
});

test('unknown commands and options are refused, and every command has examples', async () => {
  await refuses(/unknown option/, 'create', at('z'), '1M', '--colour', '3');
  await refuses(/not expected|unknown/i, 'info', at('a.img'), 'b');
  for (const command of ['create', 'info', 'convert', 'check', 'snapshot', 'clone', 'send', 'receive'])
    assert.match((await image(command, '--help')).out, /Examples:\n +lucid image/);
});

test('a disk of many gigabytes with little in it is converted at once', async () => {
  await ok('create', at('huge.qcow2'), '2T');
  write(at('huge.qcow2'), 10 ** 12 - (10 ** 12 % 512), filled(512, 1));
  await ok('convert', at('huge.qcow2'), at('huge2.qcow2'));
  await ok('send', at('huge.qcow2'), '-o', at('huge.stream'));
  const fd = openSync(at('huge.stream'), 'r+');
  writeSync(fd, Uint8Array.of(0xff), 0, 1, 200);
  closeSync(fd);
  await refuses(/damaged/, 'receive', at('huge3.qcow2'), at('huge.stream'));
});

test.run();
