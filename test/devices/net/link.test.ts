/** A link between two VMs: who comes first, who goes away, what passes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_MAX, GSO, PLAIN } from '../../../devices/net/backend.ts';
import { type Link, openLink } from '../../../devices/net/link.ts';
import { FrameStream, framed, helloFrame } from '../../../devices/net/link-frames.ts';
import { ethernet, MAC_A, MAC_B, offloadOf, tcpFrame } from './frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-link-'));
test.after(() => rmSync(folder, { recursive: true }));

let number = 0;
const open = new Set<Link>();
const newPath = (): string => join(folder, `s${number++}`);

interface End {
  readonly link: Link;
  /** Waits for the next frame. */
  next(): Promise<string>;
  room: boolean;
  readonly warnings: string[];
}

async function end(path: string, mac = MAC_A): Promise<End> {
  const warnings: string[] = [];
  const link = await openLink({ path, mac, warn: (text) => warnings.push(text) });
  open.add(link);
  const frames: string[] = [];
  let waiting: ((frame: string) => void) | undefined;
  const self: End = {
    link,
    room: true,
    warnings,
    next: () =>
      new Promise((resolve) => {
        const first = frames.shift();
        if (first !== undefined) resolve(first);
        else waiting = resolve;
      }),
  };
  link.receiver = (frame, offload) => {
    if (!self.room) return false;
    const text = `${frame.length} ${frame.at(-1)} ${offload.gso}`;
    if (waiting === undefined) frames.push(text);
    else waiting(text);
    waiting = undefined;
    return true;
  };
  return self;
}

test.after.each(() => {
  for (const link of open) link.close();
  open.clear();
});

const small = ethernet(MAC_B, MAC_A, 0x1234, new Array<number>(50).fill(5));
const long = tcpFrame({ version: 4, sequence: 1, flags: 16, payload: new Array<number>(4000).fill(9) }, true);
const leave = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 1460 });

/** Sends until it arrives: before the other end is there, frames are lost as on a cable. */
async function arrives(from: End, to: End, frame = small): Promise<string> {
  let arrived: string | undefined;
  const next = to.next().then((text) => {
    arrived = text;
    return text;
  });
  while (arrived === undefined) {
    from.link.send(frame, PLAIN);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return await next;
}

test('frames pass both ways, long segments whole, between two that know each other', async () => {
  const path = newPath();
  const a = await end(path, MAC_A);
  const b = await end(path, MAC_B);
  assert.is(await arrives(a, b), '64 5 0');
  assert.is(await arrives(b, a), '64 5 0');
  a.link.send(long, leave);
  let text = await b.next();
  while (text.startsWith('64 ')) text = await b.next();
  assert.is(text, `${long.length} 9 1`);
  assert.equal([...a.warnings, ...b.warnings], []);
});

test('when either end goes away, the other waits for the next one', async () => {
  const path = newPath();
  const first = await end(path, MAC_A);
  const second = await end(path, MAC_B);
  await arrives(first, second);
  first.link.close();
  const third = await end(path, MAC_A);
  await arrives(second, third);
  third.link.close();
  const fourth = await end(path, MAC_A);
  await arrives(fourth, second);
});

test('a socket that nobody listens on is no obstacle, a file is', async () => {
  const path = newPath();
  // A server that is killed leaves its name behind.
  const { spawnSync } = await import('node:child_process');
  const listen = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', listen]);
  const a = await end(path, MAC_A);
  const b = await end(path, MAC_B);
  await arrives(a, b);
  const file = newPath();
  writeFileSync(file, 'precious');
  for (const [bad, why] of [
    [file, /no socket/],
    [join(folder, 'missing', 'x'), /folder/],
    [join(folder, 'x'.repeat(200)), /too long/],
  ] as const) {
    let message = '';
    try {
      await openLink({ path: bad, mac: MAC_A, warn: assert.unreachable });
    } catch (error) {
      assert.is((error as Error).name, 'LinkOpenError', String(error));
      message = (error as Error).message;
    }
    assert.match(message, why);
  }
});

test('a third is sent away and the two go on', async () => {
  const path = newPath();
  const a = await end(path, MAC_A);
  const b = await end(path, MAC_B);
  await arrives(a, b);
  const third = connect(path);
  await new Promise((resolve) => third.once('close', resolve));
  await arrives(a, b);
});

test('a guest without room holds its own end up, and loses nothing that it was offered', async () => {
  const path = newPath();
  const a = await end(path, MAC_A);
  const b = await end(path, MAC_B);
  await arrives(a, b);
  b.room = false;
  for (let i = 0; i < 50; i++) a.link.send(ethernet(MAC_B, MAC_A, 0x4321, new Array<number>(100 + i).fill(i)), PLAIN);
  await new Promise((resolve) => setTimeout(resolve, 50));
  b.room = true;
  b.link.ready();
  let text = await b.next();
  while (text.startsWith('64 ')) text = await b.next();
  for (let i = 0; i < 50; i++) {
    assert.is(text, `${114 + i} ${i} 0`);
    if (i < 49) text = await b.next();
  }
});

test('two ends with one MAC address are told', async () => {
  const path = newPath();
  const a = await end(path, MAC_A);
  const b = await end(path, MAC_A);
  await arrives(a, b);
  await arrives(b, a);
  assert.match(a.warnings.join(), /same MAC address/);
  assert.match(b.warnings.join(), /same MAC address/);
});

test('who is no Lucid gets plain frames, as QEMU does; who sends nonsense is sent away', async () => {
  const path = newPath();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const a = await end(path, MAC_A);
  const socket = await accepted;
  const stream = new FrameStream();
  const seen: number[] = [];
  const done = new Promise<void>((resolve) => {
    socket.on('data', (bytes: Uint8Array) => {
      stream.take(bytes, (frame, offload) => {
        assert.equal({ ...offload }, { ...PLAIN });
        seen.push(frame.length);
        if (seen.length === 3) resolve();
        return true;
      });
    });
  });
  a.link.send(long, leave);
  await done;
  assert.equal(seen, [1514, 1514, 54 + 1080]);
  assert.equal([...(stream.peer ?? [])], [...MAC_A], 'the hello is a frame that others ignore');
  socket.write(framed(small, undefined));
  assert.is(await a.next(), '64 5 0');
  socket.write(Uint8Array.of(0x7f, 0xff, 0xff, 0xff));
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(a.warnings.join(), /a frame of 2147483647 bytes/);
  server.close();
});

test('a stream may be cut anywhere', () => {
  const parts = [framed(helloFrame(MAC_B), undefined), framed(small, undefined), framed(long, leave), framed(small, PLAIN)];
  const all = Uint8Array.from(parts.flatMap((p) => [...p]));
  for (const step of [1, 3, 7, 1000, all.length]) {
    const stream = new FrameStream();
    const seen: string[] = [];
    for (let at = 0; at < all.length; at += step) {
      stream.take(all.subarray(at, at + step), (frame, offload) => seen.push(`${frame.length} ${offload.gso}`) > 0);
    }
    assert.equal(seen, ['64 0', `${long.length} 1`, '64 0']);
    assert.equal([...(stream.peer ?? [])], [...MAC_B]);
  }
  assert.throws(() => new FrameStream().take(Uint8Array.of(0, 2, 0, 0), () => true), new RegExp(`${2 ** 17} bytes`));
  assert.ok(FRAME_MAX < 2 ** 17);
});

test.run();
