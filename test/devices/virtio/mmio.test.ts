/** The MMIO transport, with the entropy device and the console behind it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioConsole } from '../../../devices/virtio/console.ts';
import { VirtioRng } from '../../../devices/virtio/rng.ts';
import { FakeMemory, PackedDriver, SplitDriver, type Board } from './board.ts';
import { MmioBoard } from './mmio-board.ts';

const VERSION_1 = 32;
const PACKED = 34;
const DATA = 0x8000;

function bench(packed = false): { board: MmioBoard; queue: SplitDriver | PackedDriver } {
  const memory = new FakeMemory();
  const board = new MmioBoard(memory, new VirtioRng(memory, 1));
  board.negotiate(packed ? [VERSION_1, PACKED] : [VERSION_1]);
  const queue = new (packed ? PackedDriver : SplitDriver)(board as unknown as Board, 0, 8, 0x1000);
  board.status = 0x0f;
  return { board, queue };
}

test('who it is: magic, version 2, the device; no shared memory', () => {
  const { board } = bench();
  assert.equal([board.read(0), board.read(4), board.read(8)], [0x74726976, 2, 4]);
  assert.equal([board.read(0x0b0), board.read(0x0b4)], [0xffff_ffff, 0xffff_ffff]);
  assert.equal([board.read(0, 1), board.read(2, 2), board.read(0x0ff, 4)], [0, 0, 0], 'four bytes at multiples of four alone');
  assert.is(board.read(0x034), 64);
  board.write(0x030, 1);
  assert.is(board.read(0x034), 0, 'a queue that is not there');
});

test('requests are served in both ring layouts; the interrupt is a level that goes with its acknowledgement', () => {
  for (const packed of [false, true]) {
    const { board, queue } = bench(packed);
    for (let round = 0; round < 20; round++) {
      queue.add([{ gpa: DATA, length: 64, write: true }]);
      queue.kick();
      assert.is(queue.used(), 64);
      assert.equal([board.line.level, board.read(0x060)], [true, 1]);
      board.write(0x064, 1);
      assert.equal([board.line.level, board.read(0x060)], [false, 0]);
    }
  }
});

test('features, queue addresses and sizes keep while a queue is ready, and go with QueueReady 0 and with a reset', () => {
  const { board } = bench();
  board.write(0x080, 0x7777_0000);
  board.write(0x038, 4);
  board.write(0x044, 0);
  assert.is(board.read(0x044), 0);
  board.write(0x080, 0xffff_f000);
  board.write(0x084, 0xffff_ffff);
  board.write(0x044, 1);
  assert.is(board.status & 0x40, 0x40, 'an address that no queue can have');
  assert.is(board.read(0x060), 2);
  board.status = 0;
  assert.equal([board.status, board.read(0x060), board.line.level], [0, 0, false]);
  board.write(0x014, 1);
  assert.is(board.read(0x010) & 1, 1);
  board.write(0x014, 9);
  assert.is(board.read(0x010), 0);
});

test('saved in the middle, restored, it goes on', () => {
  const { board, queue } = bench(true);
  queue.add([{ gpa: DATA, length: 5, write: true }]);
  queue.kick();
  const other = new MmioBoard(board.memory, new VirtioRng(board.memory, 1));
  other.transport.restore(JSON.parse(JSON.stringify(board.transport.save())));
  queue.board = other as unknown as Board;
  assert.is(other.line.level, true);
  assert.is(queue.used(), 5);
  queue.add([{ gpa: DATA, length: 6, write: true }]);
  queue.kick();
  assert.is(queue.used(), 6);
  other.transport.reset();
  assert.equal([other.status, other.line.level], [0, false]);
  for (const bad of [{}, { ...other.transport.save(), registers: [1, 2, 3] }, { ...other.transport.save(), device: [] }])
    assert.throws(
      () => other.transport.restore(bad),
      (e: Error) => e.name === 'StateError',
    );
});

test('the configuration in any width, read and written', () => {
  const memory = new FakeMemory();
  let said = '';
  const size = { columns: 0x1234, rows: 7 };
  const board = new MmioBoard(memory, new VirtioConsole({ memory, size, output: (byte) => (said += String.fromCharCode(byte)) }));
  assert.equal([board.config(0, 2), board.config(1, 1), board.config(0, 4)], [0x1234, 0x12, 0x0007_1234]);
  board.write(0x108, 0x21);
  assert.is(said, '!');
});

test.run();
