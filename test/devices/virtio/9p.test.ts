/** The transport of 9P: requests and answers through virtqueues, and its configuration. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NinePServer } from '../../../devices/9p/server.ts';
import { openShare } from '../../../devices/host/share.ts';
import { Virtio9p } from '../../../devices/virtio/9p.ts';
import { Client } from '../9p-client.ts';
import { Board, type DriverQueue, FakeMemory, PackedDriver, SplitDriver } from './board.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-9pv-'));
test.after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'file'), 'hello');

const REQUEST = 0x4000;
const ANSWER = 0x6000;

function make(memory: FakeMemory): Virtio9p {
  return new Virtio9p({ memory, tag: 'lucid', server: new NinePServer({ root: openShare(folder), writable: false }) });
}

interface Bench {
  readonly board: Board;
  readonly queue: DriverQueue;
  readonly client: Client;
}

function bench(packed: boolean): Bench {
  const memory = new FakeMemory();
  const board = new Board(memory, make(memory));
  board.negotiate(packed ? [0, 32, 34] : [0, 32]);
  const queue = packed ? new PackedDriver(board, 0, 16, 0x1000) : new SplitDriver(board, 0, 16, 0x1000);
  board.status = 0x0f;
  const client = new Client((request) => {
    memory.bytes.set(request, REQUEST);
    // As Linux does it for large reads: the answer's header apart from its data.
    queue.add([
      { gpa: REQUEST, length: 7 },
      { gpa: REQUEST + 7, length: request.length - 7 },
      { gpa: ANSWER, length: 11, write: true },
      { gpa: ANSWER + 11, length: 4096, write: true },
    ]);
    queue.kick();
    return memory.bytes.subarray(ANSWER, ANSWER + (queue.used() ?? 0));
  });
  return { board, queue, client };
}

test('the tag stands in the configuration', () => {
  const { board } = bench(false);
  assert.is(board.config(0, 2), 5);
  assert.is(String.fromCharCode(...Array.from({ length: 5 }, (_, i) => board.config(2 + i, 1))), 'lucid');
});

test('requests are answered in both ring layouts, also after a save and a restore in the middle', () => {
  for (const packed of [false, true]) {
    const { board, queue, client } = bench(packed);
    client.start();
    client.walk(0, 1, 'file');
    assert.is(client.open(1, 0), 0);
    const other = new Board(board.memory, make(board.memory));
    other.pci.restore(JSON.parse(JSON.stringify(board.pci.save())));
    queue.board = other;
    assert.is(client.read(1, 1, 100), 'ello');
    other.pci.reset();
    assert.equal((other.pci.save() as { device: { server: { fids: [] }[] }[] }).device[0]?.server[0]?.fids, []);
  }
});

test('an answer is cut to the room there is; a buffer without room for an error is no driver’s', () => {
  const { board, queue, client } = bench(false);
  client.start();
  client.walk(0, 1, 'file');
  client.open(1, 0);
  const { memory } = board;
  memory.bytes.set(
    Client.request(116, [
      ['u32', 1],
      ['u64', 0],
      ['u32', 100],
    ]),
    REQUEST,
  );
  queue.add([
    { gpa: REQUEST, length: 23 },
    { gpa: ANSWER, length: 13, write: true },
  ]);
  queue.kick();
  assert.is(queue.used(), 13);
  assert.is(memory.view.getUint32(ANSWER + 7, true), 2);
  queue.add([
    { gpa: REQUEST, length: 23 },
    { gpa: ANSWER, length: 10, write: true },
  ]);
  queue.kick();
  assert.is(board.status & 0x40, 0x40);
});

test.run();
