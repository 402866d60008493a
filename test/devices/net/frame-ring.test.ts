/** Frames between two threads: order, wrapping, room, and that nobody sleeps over a frame. */
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_MAX, PLAIN } from '../../../devices/net/backend.ts';
import { createFrameRing, FrameReader, FrameWriter } from '../../../devices/net/frame-ring.ts';
import { RingBackend } from '../../../devices/net/ring-backend.ts';
import { FakeClock } from '../fake.ts';
import { offloadOf } from './frames.ts';

const SIZE = 2 ** 18;

function pair(bytes = SIZE): { writer: FrameWriter; reader: FrameReader; announced: () => number } {
  const ring = createFrameRing(bytes);
  let count = 0;
  return { writer: new FrameWriter(ring, () => count++), reader: new FrameReader(ring), announced: () => count };
}

const frame = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 3 + seed);

test('frames of every length come out as they went in, in order, many times around', () => {
  const { writer, reader } = pair();
  const offload = offloadOf({ checksumNeeded: true, checksumStart: 34, checksumOffset: 16, gso: 1, segmentBytes: 1448 });
  const lengths = [14, 15, 16, 17, 60, 1514, 9000, 65535, FRAME_MAX, 14];
  const expected: string[] = [];
  const seen: string[] = [];
  const drain = (): void => {
    reader.take((got, left) => {
      assert.equal(left, offload);
      seen.push(`${got.length} ${got[0]} ${got.at(-1)}`);
      return true;
    });
  };
  for (let round = 0; round < 50; round++) {
    for (const length of lengths) {
      const bytes = frame(length, round);
      while (!writer.put(bytes, offload)) drain();
      expected.push(`${length} ${bytes[0]} ${bytes.at(-1)}`);
    }
  }
  drain();
  assert.equal(seen, expected);
});

test('a full ring refuses, and the reader learns that somebody waits', () => {
  const { writer, reader } = pair();
  assert.not(reader.take(() => true));
  let put = 0;
  while (writer.put(frame(1000, put), PLAIN)) put++;
  assert.is(put, Math.floor(SIZE / 1016));
  assert.ok(reader.take(() => true));
  assert.not(reader.take(() => true));
  assert.ok(writer.put(frame(1000, 0), PLAIN));
});

test('a frame that the reader refuses stays, and is the next', () => {
  const { writer, reader } = pair();
  writer.put(frame(100, 1), PLAIN);
  writer.put(frame(100, 2), PLAIN);
  const seen: number[] = [];
  let room = 0;
  const take = (): boolean =>
    reader.take((f) => {
      if (room-- <= 0) return false;
      seen.push(f[0] as number);
      return true;
    });
  take();
  room = 1;
  take();
  room = 5;
  take();
  assert.equal(seen, [1, 2]);
});

test('the writer announces once until the reader looks, even if it finds nothing then', () => {
  const { writer, reader, announced } = pair();
  writer.put(frame(50, 0), PLAIN);
  writer.put(frame(50, 0), PLAIN);
  assert.is(announced(), 1);
  // While the reader takes, the writer puts another: it is taken as well, and announced.
  let more = true;
  reader.take(() => {
    if (more) writer.put(frame(50, 0), PLAIN);
    more = false;
    return true;
  });
  assert.is(announced(), 2);
  assert.not(reader.look());
  writer.put(frame(50, 0), PLAIN);
  assert.is(announced(), 3);
});

test("a frame that came while others were handed over is not the last that the VM's thread hears of", () => {
  const rings = { fromGuest: createFrameRing(SIZE), toGuest: createFrameRing(SIZE) };
  const clock = new FakeClock();
  const backend = new RingBackend({ rings, clock, announce: () => {}, abandon: () => false });
  const writer = new FrameWriter(rings.toGuest, () => {
    woken = true;
  });
  let woken = false;
  let seen = 0;
  backend.receiver = () => {
    if (seen++ === 0) writer.put(frame(50, 0), PLAIN);
    return true;
  };
  const slice = (): void => {
    if (woken) {
      woken = false;
      backend.poll();
    }
    clock.run(1);
  };
  writer.put(frame(50, 0), PLAIN);
  slice();
  slice();
  assert.is(seen, 2);
  writer.put(frame(50, 0), PLAIN);
  slice();
  assert.is(seen, 3);
});

test('two threads at full speed lose nothing', async () => {
  const ring = createFrameRing(SIZE);
  const module = new URL('../../../devices/net/frame-ring.ts', import.meta.url).href;
  const source = `
    import { workerData, parentPort } from 'node:worker_threads';
    import { FrameWriter } from ${JSON.stringify(module)};
    const writer = new FrameWriter(workerData, () => parentPort.postMessage(0));
    const plain = { checksumNeeded: false, checksumValid: false, checksumStart: 0, checksumOffset: 0, gso: 0, ecn: false, segmentBytes: 0, headerBytes: 0 };
    for (let i = 0; i < 20000; i++) {
      const bytes = new Uint8Array(14 + (i * 37) % 3000).fill(i);
      while (!writer.put(bytes, plain)) writer.waitForRoom(50);
    }`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: ring });
  const reader = new FrameReader(ring);
  let seen = 0;
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', () => {
      reader.take((got) => {
        if (got.length !== 14 + ((seen * 37) % 3000) || got[13] !== (seen & 255)) reject(new Error(`frame ${seen}`));
        seen++;
        return true;
      });
      if (seen === 20000) resolve();
    });
  });
  assert.is(seen, 20000);
  await worker.terminate();
});

test.run();
