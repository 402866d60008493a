/** What every virtio device has in common, with the entropy device for all of them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioRng } from '../../../devices/virtio/rng.ts';
import { Board, FakeMemory, SplitDriver } from './board.ts';

const VERSION_1 = 32;
const QUEUE_AT = 0x1000;

function restored(board: Board): Board {
  const other = new Board(board.memory, new VirtioRng(board.memory, 1));
  other.pci.restore(JSON.parse(JSON.stringify(board.pci.save())));
  return other;
}

test('a queue is not enabled before the features stand, so that they cannot change under it', () => {
  const memory = new FakeMemory();
  const board = new Board(memory, new VirtioRng(memory, 1));
  board.status = 3;
  new SplitDriver(board, 0, 8, QUEUE_AT);
  assert.is(board.common(0x1c, 2), 0);
  board.negotiate([VERSION_1]);
  new SplitDriver(board, 0, 8, QUEUE_AT);
  assert.is(board.common(0x1c, 2), 1);
});

test('an address beyond 53 bits, which no queue can have, is saved and restored', () => {
  const memory = new FakeMemory();
  const board = new Board(memory, new VirtioRng(memory, 1));
  board.negotiate([VERSION_1]);
  board.setCommon(0x34, 4, 0xffff_ffff);
  assert.is(restored(board).common(0x34, 4), 0xffff_ffff);
});

test('a chain of more than 4 GiB is refused; a long one gets what the device gives', () => {
  const memory = new FakeMemory();
  const board = new Board(memory, new VirtioRng(memory, 1));
  board.negotiate([VERSION_1, 28]);
  const queue = new SplitDriver(board, 0, 8, QUEUE_AT);
  board.status = 0x0f;
  const whole = { gpa: 0, length: 0x1000, write: true };
  queue.add(new Array(64).fill(whole), 0x4000);
  queue.kick();
  assert.is(queue.used(), 65536);
  assert.is(board.status & 0x40, 0);
  const large = new FakeMemory(0x10_0000);
  const again = new Board(large, new VirtioRng(large, 1));
  again.negotiate([VERSION_1, 28]);
  const longer = new SplitDriver(again, 0, 8, QUEUE_AT);
  again.status = 0x0f;
  longer.add(new Array(4097).fill({ gpa: 0, length: 0x10_0000, write: true }), 0x4000);
  longer.kick();
  assert.is(again.status & 0x40, 0x40);
});

test.run();
