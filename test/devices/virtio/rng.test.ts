/** The entropy device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioRng } from '../../../devices/virtio/rng.ts';
import { Board, FakeMemory, PackedDriver, SplitDriver } from './board.ts';

function drawn(seed: number, packed: boolean, lengths: readonly number[]): number[] {
  const memory = new FakeMemory();
  const board = new Board(memory, new VirtioRng(memory, seed));
  board.negotiate(packed ? [32, 34] : [32]);
  const queue = packed ? new PackedDriver(board, 0, 8, 0x1000) : new SplitDriver(board, 0, 8, 0x1000);
  board.status = 0x0f;
  return lengths.flatMap((length) => {
    queue.add([{ gpa: 0x8000, length, write: true }]);
    queue.kick();
    assert.is(queue.used(), length);
    return [...memory.bytes.subarray(0x8000, 0x8000 + length)];
  });
}

test('the same seed gives the same bytes, in both ring layouts; another seed others', () => {
  const lengths = [1, 4, 64, 3, 1000];
  assert.equal(drawn(7, false, lengths), drawn(7, true, lengths));
  assert.not.equal(drawn(7, false, lengths), drawn(8, false, lengths));
});

test('each byte value comes about as often as any other', () => {
  const counts = new Uint32Array(256);
  for (const byte of drawn(1, false, new Array<number>(64).fill(4096))) counts[byte] = (counts[byte] as number) + 1;
  // 1024 of each are expected, with a standard deviation of 32.
  assert.ok(
    counts.every((n) => n > 850 && n < 1200),
    `${Math.min(...counts)} to ${Math.max(...counts)}`,
  );
});

test('a reset does not begin the sequence again, and a saved one goes on', () => {
  const memory = new FakeMemory();
  const rng = new VirtioRng(memory, 3);
  const board = new Board(memory, rng);
  const draw = (): string => {
    board.negotiate([32]);
    const queue = new SplitDriver(board, 0, 8, 0x1000);
    memory.bytes.fill(0, 0x1000, 0x2000);
    board.status = 0x0f;
    queue.add([{ gpa: 0x8000, length: 16, write: true }]);
    queue.kick();
    return memory.bytes.subarray(0x8000, 0x8010).join();
  };
  const first = draw();
  const state = structuredClone(board.pci.save());
  const second = draw();
  assert.is.not(second, first);
  board.pci.restore(state);
  assert.is(draw(), second);
});

test.run();
