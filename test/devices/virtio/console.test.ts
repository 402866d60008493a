/** The console through its PCI transport, with both ring layouts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VirtioConsole } from '../../../devices/virtio/console.ts';
import { Board, type DriverQueue, FakeMemory, PackedDriver, SplitDriver } from './board.ts';

const VERSION_1 = 32;
const PACKED = 34;
const SIZE = { columns: 132, rows: 43 };
const DATA = 0x8000;

interface Bench {
  readonly board: Board;
  readonly console: VirtioConsole;
  readonly receive: DriverQueue;
  readonly transmit: DriverQueue;
  said(): string;
}

function make(memory: FakeMemory): { readonly device: VirtioConsole; said(): string } {
  let text = '';
  const device = new VirtioConsole({ memory, size: SIZE, output: (byte) => (text += String.fromCharCode(byte)) });
  return { device, said: () => text };
}

function bench(packed: boolean): Bench {
  const memory = new FakeMemory();
  const { device, said } = make(memory);
  const board = new Board(memory, device);
  board.negotiate(packed ? [VERSION_1, PACKED] : [VERSION_1]);
  const Driver = packed ? PackedDriver : SplitDriver;
  const [receive, transmit] = [0, 1].map((i) => new Driver(board, i, 8, 0x1000 + 0x1000 * i)) as unknown as [DriverQueue, DriverQueue];
  board.status = 0x0f;
  return { board, console: device, receive, transmit, said };
}

const BOTH = [false, true];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = ({ board }: Bench, gpa: number, length: number): string =>
  new TextDecoder().decode(board.memory.bytes.subarray(gpa, gpa + length));

test('what the guest transmits comes out, in whatever pieces', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    b.board.memory.bytes.set(bytes('hello, world'), DATA);
    b.transmit.add([
      { gpa: DATA, length: 7 },
      { gpa: DATA + 7, length: 5 },
    ]);
    b.transmit.kick();
    assert.is(b.said(), 'hello, world');
    assert.is(b.transmit.used(), 0);
    assert.is(b.board.line.level, true);
  }
});

test('what comes from outside waits for buffers, and fills them one after the other', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    assert.is(b.console.input(bytes('abcdef')), 6);
    b.receive.add([{ gpa: DATA, length: 4, write: true }]);
    b.receive.add([{ gpa: DATA + 4, length: 4, write: true }]);
    b.receive.kick();
    assert.is(text(b, DATA, 6), 'abcdef');
    assert.equal([b.receive.used(), b.receive.used(), b.receive.used()], [4, 2, undefined]);
    b.receive.add([{ gpa: DATA, length: 64, write: true }]);
    b.receive.kick();
    assert.is(b.receive.used(), undefined);
    b.console.input(bytes('later'));
    assert.is(b.receive.used(), 5);
    assert.is(text(b, DATA, 5), 'later');
  }
});

test('no more than 4096 bytes wait, also for a guest that has no driver', () => {
  const memory = new FakeMemory();
  const { device } = make(memory);
  new Board(memory, device);
  assert.is(device.input(new Uint8Array(3000)), 3000);
  assert.is(device.input(new Uint8Array(3000)), 1096);
  assert.is(device.input(new Uint8Array(1)), 0);
});

test('the size of the window, and a byte in an emergency before there is a queue', () => {
  const memory = new FakeMemory();
  const { device, said } = make(memory);
  const board = new Board(memory, device);
  assert.ok(board.offered(0));
  assert.equal([board.config(0, 2), board.config(2, 2), board.config(4, 4)], [132, 43, 1]);
  board.mmio.write(0xe001_2008, 4, 0x21);
  assert.is(said(), '!');
  assert.not(new VirtioConsole({ memory, output: () => {} }).features[0] & 1);
});

test('a driver that takes the size is told once that it is there', () => {
  const memory = new FakeMemory();
  for (const features of [[VERSION_1], [VERSION_1, 0]]) {
    const board = new Board(memory, make(memory).device);
    board.negotiate(features);
    board.status = 0x0f;
    assert.is(board.line.level, features.length > 1);
    assert.is(board.mmio.read(0xe001_1000, 1), features.length > 1 ? 2 : 0);
    board.status = 0x0f;
    assert.is(board.line.level, false);
  }
});

test('saved with input that waits, restored, it is read there; a reset loses none of it', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    b.console.input(bytes('kept'));
    const { device } = make(b.board.memory);
    const other = new Board(b.board.memory, device);
    other.pci.restore(JSON.parse(JSON.stringify(b.board.pci.save())));
    b.receive.board = other;
    b.receive.add([{ gpa: DATA, length: 2, write: true }]);
    b.receive.kick();
    assert.equal([b.receive.used(), text(b, DATA, 2)], [2, 'ke']);
    other.pci.reset();
    assert.equal((device.save() as { pending: number[] }).pending, [...bytes('pt')]);
  }
  const { device } = make(new FakeMemory());
  assert.throws(() => device.restore({ ...device.save(), pending: new Array(4097).fill(0) }), /pending/);
});

test('a buffer of more than 1 MiB to transmit is no driver’s', () => {
  const b = bench(false);
  b.board.negotiate([VERSION_1, 28]);
  const queue = new SplitDriver(b.board, 1, 8, 0x2000);
  b.board.status = 0x0f;
  queue.add(new Array(33).fill({ gpa: 0, length: 0x8000 }), 0x4000);
  queue.kick();
  assert.is(b.board.status & 0x40, 0x40);
  assert.is(b.said(), '');
});

test.run();
