/** Capture files: read in every form, played to a guest, written as tshark reads them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GSO, PLAIN } from '../../../devices/net/backend.ts';
import { Capture } from '../../../devices/net/capture.ts';
import { type Captured, readCapture } from '../../../devices/net/pcap.ts';
import { Replay } from '../../../devices/net/replay.ts';
import { FakeClock } from '../fake.ts';
import { ethernet, FakeBackend, MAC_A, MAC_B, offloadOf, tcpFrame } from './frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-pcap-'));
test.after(() => rmSync(folder, { recursive: true }));

const FRAMES = [60, 14, 1514].map((length, i) => ethernet(MAC_A, MAC_B, 0x1234, new Array<number>(length - 14).fill(i)));
const TIMES = [1_000_000_000_123n, 1_000_000_001_123n, 1_002_500_000_000n];

/** Fields of so many bits each, in one byte order. */
function packed(little: boolean, ...fields: readonly (readonly [bits: 16 | 32, value: number])[]): number[] {
  return fields.flatMap(([bits, value]) => {
    const bytes = Array.from({ length: bits / 8 }, (_, i) => (value >>> (8 * i)) & 255);
    return little ? bytes : bytes.reverse();
  });
}

function pcap(little: boolean, nanoseconds: boolean, link = 1): Uint8Array {
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const out = packed(little, [32, magic], [16, 2], [16, 4], [32, 0], [32, 0], [32, 65535], [32, link]);
  FRAMES.forEach((frame, i) => {
    const ns = TIMES[i] as bigint;
    const part = Number(ns % 1_000_000_000n);
    const fraction = nanoseconds ? part : Math.floor(part / 1000);
    out.push(...packed(little, [32, Number(ns / 1_000_000_000n)], [32, fraction], [32, frame.length], [32, frame.length]), ...frame);
  });
  return Uint8Array.from(out);
}

function block(little: boolean, type: number, body: readonly number[]): number[] {
  const padded = [...body, ...new Array<number>((4 - (body.length % 4)) % 4).fill(0)];
  const length: [32, number] = [32, padded.length + 12];
  return [...packed(little, [32, type], length), ...padded, ...packed(little, length)];
}

function pcapng(little: boolean, resolution?: number): Uint8Array {
  const section = block(little, 0x0a0d0d0a, packed(little, [32, 0x1a2b3c4d], [16, 1], [16, 0], [32, 0xffffffff], [32, 0xffffffff]));
  const options = resolution === undefined ? [] : [...packed(little, [16, 9], [16, 1]), resolution, 0, 0, 0, ...packed(little, [32, 0])];
  const out = [...section, ...block(little, 1, [...packed(little, [16, 1], [16, 0], [32, 0]), ...options])];
  const unit = resolution === 9 ? 1n : 1000n;
  FRAMES.forEach((frame, i) => {
    const units = (TIMES[i] as bigint) / unit;
    const times = packed(little, [32, Number(units >> 32n)], [32, Number(units & 0xffffffffn)]);
    out.push(
      ...block(little, 6, [...packed(little, [32, 0]), ...times, ...packed(little, [32, frame.length], [32, frame.length]), ...frame]),
    );
    out.push(...block(little, 0x0bad, [1, 2, 3]));
  });
  return Uint8Array.from(out);
}

const relative = (ns: boolean): number[] =>
  TIMES.map((t) => Number(ns ? t - (TIMES[0] as bigint) : (t / 1000n) * 1000n - ((TIMES[0] as bigint) / 1000n) * 1000n));

function matches(captured: readonly Captured[], nanoseconds: boolean): void {
  assert.equal(
    captured.map(({ frame }) => frame.join()),
    FRAMES.map((f) => f.join()),
  );
  assert.equal(
    captured.map(({ ns }) => ns),
    relative(nanoseconds),
  );
}

test('pcap in both byte orders, with microseconds and nanoseconds', () => {
  for (const little of [true, false]) for (const ns of [true, false]) matches(readCapture(pcap(little, ns)), ns);
});

test('pcapng in both byte orders and resolutions, over blocks that are not known', () => {
  for (const little of [true, false]) {
    matches(readCapture(pcapng(little)), false);
    matches(readCapture(pcapng(little, 9)), true);
  }
});

test('a file that is no capture, of another link, or damaged says what is wrong and where', () => {
  const good = pcap(true, true);
  const says = (bytes: Uint8Array, why: RegExp): void => assert.throws(() => readCapture(bytes), why);
  says(new Uint8Array(0), /too short/);
  says(new TextEncoder().encode('#!/bin/sh\n'), /neither pcap nor pcapng/);
  says(good.slice(0, 20), /ends within its header/);
  says(good.slice(0, good.length - 1), /ends within frame 3 \(byte 130\)/);
  says(good.slice(0, 30), /ends within frame 1 \(byte 24\)/);
  says(pcap(true, true, 101), /link type 101; only Ethernet/);
  const long = good.slice();
  long.set([0, 0, 16, 0], 32);
  says(long, /frame 1 \(byte 24\) has a length of 1048576: the file is damaged/);
  const next = pcapng(true);
  says(next.slice(0, next.length - 5), /ends within a block/);
  for (let at = 0; at < next.length; at++) {
    for (const value of [0, 1, 0xff]) {
      const bad = next.slice();
      bad[at] = value;
      try {
        readCapture(bad);
      } catch (error) {
        assert.is((error as Error).name, 'PcapError', `byte ${at}: ${(error as Error).message}`);
      }
    }
  }
});

test('a capture is played with its timing from the moment on at which the guest has room', () => {
  const clock = new FakeClock(500);
  const replay = new Replay(clock, readCapture(pcap(true, true)));
  const seen: [number, number][] = [];
  let room = true;
  replay.receiver = (frame) => {
    if (room) seen.push([clock.now(), frame.length]);
    return room;
  };
  clock.runTo(1e6);
  assert.equal(seen, []);
  replay.ready();
  clock.runTo(1e6 + 999);
  assert.equal(seen, [[1e6, 60]]);
  room = false;
  clock.runTo(1e6 + 5000);
  room = true;
  replay.ready();
  const state = structuredClone(replay.save());
  const again = new Replay(clock, readCapture(pcap(true, true)));
  again.receiver = replay.receiver;
  again.restore(state);
  clock.runTo(1e10);
  assert.equal(seen.slice(1), [
    [1e6 + 5000, 14],
    [1e6 + 2_499_999_877, 1514],
    [1e6 + 2_499_999_877, 1514],
  ]);
  assert.throws(() => again.restore({ begun: 0, next: 4 }), /next/);
});

function captured(name: string, work: (capture: Capture, clock: FakeClock, backend: FakeBackend) => void): string {
  const path = join(folder, name);
  const clock = new FakeClock(1);
  const backend = new FakeBackend();
  const capture = new Capture({ path, backend, clock, epoch: 1_700_000_000, failed: assert.unreachable });
  capture.begin();
  work(capture, clock, backend);
  capture.close();
  return path;
}

test('every frame both ways is written with its time; one that was refused is not, until it is taken', () => {
  const path = captured('both.pcap', (capture, clock, backend) => {
    let room = false;
    capture.receiver = () => room;
    capture.send(FRAMES[0] as Uint8Array, PLAIN);
    backend.offer(FRAMES[1] as Uint8Array);
    clock.run(2_000_000_999);
    room = true;
    capture.ready();
    assert.is(backend.sent.length, 1);
  });
  const bytes = readFileSync(path);
  assert.is(bytes.readUInt32LE(24), 1_700_000_000);
  assert.is(bytes.readUInt32LE(28), 1);
  const frames = readCapture(bytes);
  assert.equal(
    frames.map(({ ns, frame }) => [ns, frame.length]),
    [
      [0, 60],
      [2_000_000_999, 14],
    ],
  );
});

const long = { version: 4, sequence: 1, flags: 0x18, payload: new Array<number>(5000).fill(1) } as const;
const leave = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: GSO.TCPV4, segmentBytes: 1460 });

test('what was left to be done is done in the capture, and the back end gets it as it was', () => {
  const path = captured('segments.pcap', (capture, _clock, backend) => {
    capture.receiver = () => true;
    capture.send(tcpFrame(long, true), leave);
    assert.equal(backend.sent, [{ frame: tcpFrame(long, true), offload: leave }]);
  });
  assert.equal(
    readCapture(readFileSync(path)).map(({ frame }) => frame.length),
    [1514, 1514, 1514, 674],
  );
});

test('a disk that is full ends the capture and nothing else', () => {
  const clock = new FakeClock();
  const failures: string[] = [];
  const backend = new FakeBackend();
  const capture = new Capture({
    path: '/dev/full',
    backend,
    clock,
    epoch: 0,
    failed: (e) => failures.push((e as NodeJS.ErrnoException).code ?? ''),
  });
  capture.receiver = () => true;
  capture.begin();
  capture.flush();
  capture.send(FRAMES[0] as Uint8Array, PLAIN);
  capture.flush();
  capture.close();
  assert.equal(failures, ['ENOSPC']);
  assert.is(backend.sent.length, 1);
});

const tshark = spawnSync('tshark', ['--version'], { stdio: 'ignore' }).error === undefined;
if (!tshark && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error('required here: tshark');

if (tshark) {
  test('tshark opens a capture without an error and finds every checksum right', () => {
    const path = captured('tshark.pcap', (capture, clock) => {
      capture.receiver = () => true;
      for (let i = 0; i < 300; i++) {
        capture.send(tcpFrame({ ...long, sequence: 1 + 5000 * i, payload: long.payload.slice(i) }, true), leave);
        clock.run(1000);
      }
    });
    const fields = ['frame.time_epoch', 'tcp.checksum.status', 'ip.checksum.status'].flatMap((f) => ['-e', f]);
    const args = ['-r', path, '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-T', 'fields', ...fields];
    const { status, stdout, stderr } = spawnSync('tshark', args, { encoding: 'utf8' });
    assert.is(status, 0, stderr);
    const lines = stdout.trim().split('\n');
    assert.is(lines.length, 1200);
    assert.ok(lines[0]?.startsWith('1700000000.000000001\t'), lines[0]);
    assert.ok(
      lines.every((line) => line.endsWith('\t1\t1')),
      'good, good',
    );
  });
} else {
  console.log('pcap: skipped: tshark is not installed');
  test.skip('tshark opens a capture', () => {});
}

test.run();
