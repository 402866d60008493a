/** A VM's socket: frames and channels, services, and clients that are hostile, slow or gone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { vmSockets } from '../../vmm/runtime-directory.ts';
import { type ChannelEvents, FRAME, FrameReader, ProtocolError, REQUEST_MAX } from '../../vmm/vm-socket.ts';
import { connectVm, VmConnectionError } from '../../vmm/vm-socket-client.ts';
import { KstatClient, KstatGone } from '../../vmm/vm-socket-kstat.ts';
import { type FakeVm, fakeVm } from './fake-vm.ts';

const directory = mkdtempSync(join(tmpdir(), 'lucid-vs-'));
let vm: FakeVm;

const test = suite('vm-socket');
test.before(async () => {
  vm = await fakeVm(directory, { name: 'box', vcpus: 2 });
});
test.after(() => {
  vm.end();
  rmSync(directory, { recursive: true });
});

function frame(kind: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.writeUInt32LE(bytes.length, 0);
  head[4] = kind;
  return Buffer.concat([head, bytes]);
}

function channelFrame(kind: number, channel: number, payload: string): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32LE(channel, 0);
  return frame(kind, Buffer.concat([id, Buffer.from(payload)]));
}

function raw(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: vm.claim.socket.path }, () => resolve(socket));
    socket.on('error', () => {});
  });
}

function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.on('close', resolve));
}

const isVcpu = ({ name }: { name: string }): boolean => name.startsWith('vcpu-');

test('frames come out whole, however the stream is cut', () => {
  const stream = Buffer.concat([frame(2, 'abc'), frame(3, ''), frame(0, 'x'.repeat(300))]);
  for (const size of [1, 2, 4, 5, 7, 1000]) {
    const seen: [number, string][] = [];
    const reader = new FrameReader(300, (kind, payload) => seen.push([kind, payload.toString()]));
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    assert.equal(seen, [
      [2, 'abc'],
      [3, ''],
      [0, 'x'.repeat(300)],
    ]);
  }
  const reader = new FrameReader(300, () => {});
  assert.throws(
    () => reader.push(frame(2, 'x'.repeat(301))),
    (error: Error) => error instanceof ProtocolError && /301 bytes/.test(error.message),
  );
  assert.throws(() => new FrameReader(9, () => {}).push(Buffer.from([0, 0, 0, 0, 99])), /kind 99/);
});

test('a client hears who the VM is and reads its counters, exactly', async () => {
  const connection = await connectVm(vm.claim.socket);
  assert.equal(connection.hello, { protocol: 1, vmid: vm.claim.vmid, pid: process.pid, name: 'box', vcpus: 2, services: ['kstat'] });
  const client = new KstatClient(connection);
  vm.set('KS_EXITS', 0xffff_ffff_ffff_fffen, 0, 1);
  vm.set('ICOUNT', 1234n);
  const { kstats, hostNs, hostStartNs } = await client.read(isVcpu);
  assert.equal(
    kstats.map((k) => [k.module, k.instance, k.name, k.class, k.type, k.crtime, k.snaptime]),
    [0, 1].map((vcpu) => ['kvm', vcpu, `vcpu-${vm.claim.vmid}`, 'misc', 'named', 0n, 1234n]),
  );
  const values = new Map(kstats[1]?.values);
  assert.is(values.get('exits'), 0xffff_ffff_ffff_fffen);
  assert.is(values.get('pid'), BigInt(process.pid));
  assert.is(values.get('zonename'), 'box');
  assert.ok(hostNs > hostStartNs);
  assert.equal((await client.read(() => false)).kstats, []);
  connection.close();
});

test('a chain that changed is fetched anew', async () => {
  const other = await fakeVm(directory, { name: 'changing' });
  const connection = await connectVm(other.claim.socket);
  const client = new KstatClient(connection);
  assert.is((await client.read(() => true)).kstats.length, 5);
  const kstat = {
    module: 'virtio_blk',
    instance: 0,
    name: 'vda',
    class: 'disk',
    type: 'io' as const,
    crtime: 7,
    stats: { reads: { value: 3 } },
  };
  other.service.replace(new SharedArrayBuffer(64), { clock: [8], kstats: [kstat] });
  const { kstats } = await client.read(() => true);
  assert.equal(kstats, [
    { module: 'virtio_blk', instance: 0, name: 'vda', class: 'disk', type: 'io', crtime: 7n, snaptime: 0n, values: [['reads', 3n]] },
  ]);
  connection.close();
  other.end();
});

test('several channels share a connection; a service may refuse, fail, send and be closed', async () => {
  const log: string[] = [];
  vm.server.register('echo', (channel, request): ChannelEvents => {
    if (request === 'no') throw new Error('not today');
    return {
      data(payload) {
        if (payload.toString() === 'fail') throw new Error('it broke');
        channel.send(Buffer.concat([Buffer.from(`${request}:`), payload]));
      },
      closed: (reason) => log.push(`server: ${request} ${reason}`),
    };
  });
  const connection = await connectVm(vm.claim.socket);
  assert.equal(connection.hello.services, ['kstat', 'echo']);
  const opened = (service: string, request: unknown) => {
    const seen: string[] = [];
    const events: ChannelEvents = { data: (payload) => seen.push(payload.toString()), closed: (reason) => seen.push(`closed: ${reason}`) };
    return { channel: connection.open(service, request, events), seen };
  };
  const a = opened('echo', 'a');
  const b = opened('echo', 'b');
  const refused = opened('echo', 'no');
  const unknown = opened('nothing', null);
  a.channel.send('1');
  b.channel.send('2');
  a.channel.send('fail');
  a.channel.send('too late');
  await new KstatClient(connection).read(isVcpu);
  assert.equal(a.seen, ['a:1', 'closed: it broke']);
  assert.equal(b.seen, ['b:2']);
  assert.equal(refused.seen, ['closed: not today']);
  assert.equal(unknown.seen, ['closed: there is no service "nothing"']);
  assert.not(a.channel.isOpen);
  b.channel.close();
  b.channel.close();
  assert.not(b.channel.send('3'));
  const c = opened('echo', 'c');
  await setTimeout(20);
  connection.close();
  await connection.ended;
  await setTimeout(20);
  assert.equal(log, ['server: b ', 'server: c the connection ended']);
  assert.equal(c.seen, ['closed: the connection ended']);
});

test('garbage closes that client and disturbs no other', async () => {
  const connection = await connectVm(vm.claim.socket);
  const client = new KstatClient(connection);
  const open = channelFrame(FRAME.OPEN, 1, '{"service":"kstat"}');
  const cases: readonly Buffer[] = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    frame(FRAME.HELLO, '{}'),
    frame(FRAME.DATA, 'ab'),
    frame(77, ''),
    channelFrame(FRAME.OPEN, 1, 'no json'),
    channelFrame(FRAME.OPEN, 1, 'null'),
    channelFrame(FRAME.OPEN, 1, '{"service":7}'),
    Buffer.concat([open, open]),
    Buffer.concat([open, channelFrame(FRAME.DATA, 1, '{')]),
    Buffer.concat([open, channelFrame(FRAME.DATA, 1, 'null')]),
    Buffer.concat([open, channelFrame(FRAME.DATA, 1, '{"id":1,"read":[-1]}')]),
    Buffer.concat([open, channelFrame(FRAME.DATA, 1, '{"id":1,"read":["constructor"]}')]),
    Buffer.concat([open, channelFrame(FRAME.DATA, 1, '{"id":1,"read":{"length":1}}')]),
    Buffer.concat(Array.from({ length: 65 }, (_, i) => channelFrame(FRAME.OPEN, i, '{"service":"kstat"}'))),
    Buffer.from([...new Uint8Array(new Uint32Array([REQUEST_MAX + 1]).buffer), FRAME.OPEN]),
  ];
  for (const bytes of cases) {
    const socket = await raw();
    socket.resume();
    const end = closed(socket);
    socket.write(bytes);
    await end;
    assert.is((await client.read(isVcpu)).kstats.length, 2);
  }
  // Random bytes either say nothing complete yet, or close.
  let seed = 1;
  for (let i = 0; i < 50; i++) {
    const socket = await raw();
    socket.end(Uint8Array.from({ length: 200 }, () => (seed = (seed * 48271) % 0x7fffffff) & 0xff));
    socket.resume();
    await closed(socket);
  }
  assert.is((await client.read(isVcpu)).kstats.length, 2);
  connection.close();
});

test('a client that never reads is held back, and nobody else waits', async () => {
  const socket = await raw();
  socket.pause();
  socket.write(channelFrame(FRAME.OPEN, 1, '{"service":"kstat"}'));
  const requests = Buffer.concat(Array.from({ length: 200 }, () => channelFrame(FRAME.DATA, 1, '{"id":1}')));
  const connection = await connectVm(vm.claim.socket);
  const client = new KstatClient(connection);
  const before = process.memoryUsage().external;
  let stuck = false;
  for (let i = 0; i < 2000 && !stuck; i++) {
    stuck = !socket.write(requests) && socket.writableLength > 1 << 20;
    if (i % 50 === 0) assert.is((await client.read(isVcpu)).kstats.length, 2);
  }
  assert.ok(stuck, 'what it sends is not taken any more');
  await setTimeout(50);
  assert.is((await client.read(isVcpu)).kstats.length, 2);
  assert.ok(process.memoryUsage().external - before < 32 << 20);
  socket.destroy();
  connection.close();
});

test('a service that sends on when told to wait is cut off', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  vm.server.register('flood', (channel) => {
    let told = true;
    for (let i = 0; channel.isOpen && i < 1000; i++) told = channel.send(new Uint8Array(1 << 20)) && told;
    assert.not(told);
    return { closed: resolve };
  });
  const socket = await raw();
  socket.pause();
  socket.write(channelFrame(FRAME.OPEN, 1, '{"service":"flood"}'));
  await Promise.race([promise, setTimeout(200)]);
  socket.resume();
  await closed(socket);
});

test('drained is told when there is room again', async () => {
  let left = 20;
  vm.server.register('steady', (channel) => {
    const go = (): void => {
      while (left > 0) {
        left--;
        if (!channel.send(new Uint8Array(1 << 20))) return;
      }
      channel.close('done');
    };
    setImmediate(go);
    return { drained: go };
  });
  const connection = await connectVm(vm.claim.socket);
  let bytes = 0;
  const end = new Promise<string>((resolve) => {
    connection.open('steady', null, { data: (payload) => void (bytes += payload.length), closed: resolve });
  });
  assert.is(await end, 'done');
  assert.is(bytes, 20 << 20);
  connection.close();
});

test('the VM ends: its clients are told, its socket and number are gone', async () => {
  const other = await fakeVm(directory, {});
  assert.ok(lstatSync(other.claim.socket.path).isSocket());
  const connection = await connectVm(other.claim.socket);
  const client = new KstatClient(connection);
  await client.read(isVcpu);
  other.end();
  await connection.ended;
  assert.not(connection.isOpen);
  let error: unknown;
  await client.read(isVcpu).catch((thrown) => {
    error = thrown;
  });
  assert.instance(error, KstatGone);
  assert.not(existsSync(other.claim.socket.path));
  assert.not(existsSync(join(directory, `vmid.${other.claim.vmid}`)));
});

async function failure(path: string, signal?: AbortSignal): Promise<VmConnectionError> {
  const place = vmSockets(directory).find((s) => s.path === path) ?? { name: '1.1', path, pid: 1, n: 1 };
  try {
    await connectVm(place, signal);
  } catch (error) {
    assert.instance(error, VmConnectionError);
    return error as VmConnectionError;
  }
  throw new Error('connected');
}

test('a socket that nobody listens to is removed, also when its pid is used again', async () => {
  for (const pid of [process.pid, 4_000_000]) {
    const path = join(directory, `${pid}.77`);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(directory, 'elsewhere'), resolve));
    renameSync(join(directory, 'elsewhere'), path);
    await new Promise((resolve) => server.close(resolve));
    assert.ok(existsSync(path));
    assert.ok((await failure(path)).gone);
    assert.not(existsSync(path));
  }
  assert.ok((await failure(join(directory, '5.5'))).gone, 'went away between the listing and the connection');
});

test('a VM that is killed while a client connects has ended: that is no error of its own', async () => {
  const path = join(directory, `${process.pid}.79`);
  const listen = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listens'))`;
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  // Stopped, it leaves the connection waiting to be accepted.
  child.kill('SIGSTOP');
  await setTimeout(20);
  const failed = failure(path);
  await setTimeout(20);
  child.kill('SIGKILL');
  assert.ok((await failed).gone);
  rmSync(path);
});

test('what is no VM is told from one, and left alone', async () => {
  const path = join(directory, `${process.pid}.78`);
  const answers: [string | Buffer, RegExp][] = [
    [frame(FRAME.HELLO, '{"protocol":2}'), /another protocol/],
    [frame(FRAME.HELLO, 'null'), /another protocol/],
    ['SSH-2.0-OpenSSH_9.2\r\n', /a frame of/],
    [channelFrame(FRAME.OPEN, 1, '{}'), /an OPEN/],
  ];
  for (const [answer, message] of answers) {
    const server = createServer((socket) => socket.on('error', () => {}).end(answer));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const error = await failure(path);
    assert.match(error.message, message);
    assert.not(error.gone);
    assert.ok(existsSync(path));
    await new Promise((resolve) => server.close(resolve));
  }
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  assert.match((await failure(path, AbortSignal.timeout(50))).message, /does not answer/);
  silent.close();
  writeFileSync(path, '');
  assert.ok((await failure(path)).gone, 'a file is no socket: it refuses');
});

test('nothing else is left in the directory', () => {
  assert.equal(readdirSync(directory).sort(), [vm.claim.socket.name, `vmid.${vm.claim.vmid}`].sort());
});

test.run();
