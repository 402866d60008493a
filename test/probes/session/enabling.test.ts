import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA, DROPS, POLICY, RECORD, SPECIAL, STATE } from '../../../probes/arena.ts';
import type { ProgramDescriptor } from '../../../probes/program.ts';
import { type DropCount, Enabling, type TraceSink } from '../../../probes/session/enabling.ts';
import { RecordRing } from '../../../probes/session/record-ring.ts';
import { NO_MEMORY } from '../no-memory.ts';

const AT = 4096;
const RING_AT = AT + ARENA.HEADER;

/** An arena with a ring of `size` bytes, and its writer as `probes/runtime/ring.ts` is one. */
class Arena {
  readonly memory: SharedArrayBuffer;
  readonly arena = AT;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly size: number;
  stops = 0;
  releases = 0;

  constructor(size: number) {
    this.size = size;
    this.memory = new SharedArrayBuffer(RING_AT + size);
    this.words = new Int32Array(this.memory);
    this.view = new DataView(this.memory);
    this.set(ARENA.RING, RING_AT);
    this.set(ARENA.RING_BYTES, size);
    this.set(ARENA.STATE, STATE.ACTIVE);
  }

  set(offset: number, value: number): void {
    Atomics.store(this.words, (AT + offset) >>> 2, value);
  }

  get(offset: number): number {
    return Atomics.load(this.words, (AT + offset) >>> 2) >>> 0;
  }

  /** False when there is no room. */
  write(epid: number, bytes: number): boolean {
    let head = this.get(ARENA.HEAD);
    const left = this.size - (head & (this.size - 1));
    const need = left < bytes ? left + bytes : bytes;
    if (this.size - ((head - this.get(ARENA.TAIL)) >>> 0) < need) return false;
    if (left < bytes) {
      this.view.setUint32(RING_AT + (head & (this.size - 1)) + RECORD.SIZE, left, true);
      this.view.setUint32(RING_AT + (head & (this.size - 1)) + RECORD.EPID, SPECIAL.PAD, true);
      head += left;
    }
    const at = RING_AT + (head & (this.size - 1));
    this.view.setUint32(at + RECORD.SIZE, bytes, true);
    this.view.setUint32(at + RECORD.EPID, epid, true);
    this.set(ARENA.HEAD, head + bytes);
    return true;
  }

  watch(): void {}

  stop(): void {
    this.stops++;
    this.set(ARENA.STATE, STATE.STOPPED);
  }

  release(): void {
    this.releases++;
  }
}

function epids(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += view.getUint32(at, true)) found.push(view.getUint32(at + RECORD.EPID, true));
  return found;
}

class Sink implements TraceSink {
  readonly epids: number[] = [];
  readonly dropped: DropCount[] = [];
  /** Batches that are taken before the sink is full. */
  room = Number.POSITIVE_INFINITY;
  batches = 0;
  readonly end: Promise<number>;
  readonly #end: (status: number) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.end = promise;
    this.#end = resolve;
  }

  records(bytes: Uint8Array): boolean {
    this.epids.push(...epids(bytes));
    this.batches++;
    return --this.room > 0;
  }

  drops(counts: readonly DropCount[]): void {
    this.dropped.push(...counts);
  }

  ended(status: number): void {
    this.#end(status);
  }
}

const descriptor = (options: Record<string, number> = {}): ProgramDescriptor => ({
  epids: [],
  aggregations: [],
  options,
  destructive: false,
  memory: { ...NO_MEMORY, buffer: 4096 },
});

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

const ring = suite('the reader of a record ring');

ring('takes whole records, the filler at the end left out, and gives the room back only when told', () => {
  const arena = new Arena(256);
  const reader = new RecordRing(arena.memory, AT);
  for (const epid of [1, 2, 3]) assert.ok(arena.write(epid, 72));
  assert.not(arena.write(4, 72), 'no room');
  assert.equal(epids(reader.take()), [1, 2, 3]);
  assert.not(arena.write(4, 72), 'still no room');
  assert.ok(reader.release());
  assert.ok(arena.write(4, 72), 'at the start, behind a filler of 40 bytes');
  assert.is(reader.take().length, 0, 'the filler');
  assert.ok(reader.release());
  assert.equal(epids(reader.take()), [4]);
  assert.ok(reader.release());
  assert.is(reader.waiting, 0);
  assert.is(reader.take().length, 0);
  assert.not(reader.release());
});

ring('counts modulo 2^32', () => {
  const arena = new Arena(256);
  arena.set(ARENA.HEAD, 0xffff_ff00);
  arena.set(ARENA.TAIL, 0xffff_ff00);
  const reader = new RecordRing(arena.memory, AT);
  const seen: number[] = [];
  for (const epid of range(1, 40)) {
    assert.ok(arena.write(epid, 40));
    do seen.push(...epids(reader.take()));
    while (reader.release());
  }
  assert.equal(seen, range(1, 40));
});

ring('is not read before the end under the policies that keep', () => {
  const arena = new Arena(256);
  const reader = new RecordRing(arena.memory, AT);
  assert.ok(reader.isReadable);
  for (const policy of [POLICY.FILL, POLICY.RING]) {
    arena.set(ARENA.STATE, STATE.ACTIVE);
    arena.set(ARENA.POLICY, policy);
    assert.not(reader.isReadable);
    arena.set(ARENA.STATE, STATE.STOPPED);
    assert.ok(reader.isReadable);
  }
});

ring.run();

const test = suite('an enabling on the main thread');

test('stops, reads the rest, tells the exit status', async () => {
  const arena = new Arena(4096);
  const sink = new Sink();
  const enabling = new Enabling(arena, descriptor(), sink);
  arena.write(1, 24);
  enabling.start();
  assert.equal(sink.epids, [1]);
  arena.write(2, 24);
  arena.set(ARENA.EXIT_STATUS, -3);
  enabling.stop();
  assert.is(await sink.end, -3);
  assert.equal(sink.epids, [1, 2]);
  assert.is(arena.stops, 1);
});

test('reads nothing for a sink that is full, so that the ring fills, and goes on when it resumes', async () => {
  const arena = new Arena(256);
  const sink = new Sink();
  sink.room = 1;
  const enabling = new Enabling(arena, descriptor({ switchrate: 1e6 }), sink);
  arena.write(1, 128);
  enabling.start();
  assert.equal(sink.epids, [1]);
  while (arena.write(2, 64)) {
    // Until it is full.
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.not(arena.write(3, 64), 'nobody read');
  assert.equal(sink.epids, [1]);
  sink.room = 100;
  enabling.resume();
  enabling.stop();
  await sink.end;
  assert.equal(sink.epids, [1, 2, 2, 2, 2]);
});

test('tells drops once, the last ones before the end', async () => {
  const arena = new Arena(256);
  const sink = new Sink();
  const drop = (kind: number, count: number): void => arena.set(ARENA.DROPS + 4 * kind, count);
  drop(0, 5);
  const enabling = new Enabling(arena, descriptor({ statusrate: 3600e9 }), sink);
  enabling.start();
  assert.equal(sink.dropped, [{ kind: DROPS[0], count: 5 }]);
  drop(0, 7);
  drop(2, 1);
  enabling.stop();
  await sink.end;
  assert.equal(sink.dropped.slice(1), [
    { kind: DROPS[0], count: 2 },
    { kind: DROPS[2], count: 1 },
  ]);
});

test('an abandoned one is released and tells nothing more', async () => {
  const arena = new Arena(256);
  const sink = new Sink();
  const enabling = new Enabling(arena, descriptor({ switchrate: 1e6 }), sink);
  enabling.start();
  enabling.abandon();
  enabling.abandon();
  assert.is(arena.releases, 1);
  arena.write(1, 64);
  enabling.look();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(sink.epids, []);
});

/** Writes records as the runtime does under WAIT: it says that it waits, and waits for TAIL. */
const WRITER = `
const { workerData: { memory, at, ring, size, count, off } } = require('node:worker_threads');
const words = new Int32Array(memory);
const view = new DataView(memory);
for (let n = 1; n <= count; n++) {
  const head = Atomics.load(words, (at + off.HEAD) >>> 2);
  for (;;) {
    const tail = Atomics.load(words, (at + off.TAIL) >>> 2);
    if (size - ((head - tail) >>> 0) >= 64) break;
    Atomics.store(words, (at + off.WAITING) >>> 2, 1);
    Atomics.notify(words, (at + off.WAITING) >>> 2);
    Atomics.wait(words, (at + off.TAIL) >>> 2, tail, 20);
  }
  Atomics.store(words, (at + off.WAITING) >>> 2, 0);
  const place = ring + (head & (size - 1));
  view.setUint32(place, 64, true);
  view.setUint32(place + 4, n, true);
  Atomics.store(words, (at + off.HEAD) >>> 2, head + 64);
}
Atomics.store(words, (at + off.STATE) >>> 2, 3);
`;

test('a writer that waits is served at once, whatever the switchrate', async () => {
  const arena = new Arena(1024);
  const sink = new Sink();
  const enabling = new Enabling(arena, descriptor({ switchrate: 60e9 }), sink);
  enabling.start();
  const began = performance.now();
  const workerData = { memory: arena.memory, at: AT, ring: RING_AT, size: 1024, count: 5000, off: ARENA };
  const writer = new Worker(WRITER, { eval: true, workerData });
  writer.on('exit', () => enabling.look());
  assert.is(await sink.end, 0);
  assert.equal(sink.epids, range(1, 5001));
  assert.ok(performance.now() - began < 30_000);
});

test.run();
