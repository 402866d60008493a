/** The block device through its PCI transport, with both ring layouts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DiskImage, DiskError } from '../../../devices/disk/image.ts';
import { DISK_LATENCY, VirtioBlk } from '../../../devices/virtio/blk.ts';
import { randomSource } from '../fake-board.ts';
import { FakeClock } from '../fake.ts';
import { Board, type Buffer, type DriverQueue, FakeMemory, MSIX_AT, PackedDriver, SplitDriver } from './board.ts';

const SECTORS = 64;
const VERSION_1 = 32;
const PACKED = 34;
const EVENT_IDX = 29;
const INDIRECT = 28;
const QUEUE_AT = 0x1000;
const HEADER = 0x4000;
const STATUS = 0x4100;
const DATA = 0x8000;
const TABLE = 0x6000;

/** A disk in memory that counts what it is asked and may fail. */
class FakeDisk implements DiskImage {
  readonly bytes = new Uint8Array(SECTORS * 512);
  readonly size = this.bytes.length;
  readonly readOnly: boolean;
  readonly calls: string[] = [];
  broken = false;

  constructor(readOnly = false) {
    this.readOnly = readOnly;
    for (let i = 0; i < this.size; i++) this.bytes[i] = i * 7;
  }

  private call(what: string): void {
    this.calls.push(what);
    if (this.broken) throw new DiskError('no luck');
  }
  read(offset: number, into: Uint8Array): void {
    this.call('read');
    if (offset + into.length > this.size) throw new Error('outside');
    into.set(this.bytes.subarray(offset, offset + into.length));
  }
  write(offset: number, bytes: Uint8Array): void {
    this.call('write');
    if (offset + bytes.length > this.size) throw new Error('outside');
    this.bytes.set(bytes, offset);
  }
  flush(): void {
    this.call('flush');
  }
  zero(offset: number, length: number): void {
    this.call('zero');
    this.bytes.fill(0, offset, offset + length);
  }
  discard(): void {
    this.call('discard');
  }
  close(): void {}
}

interface Bench {
  readonly board: Board;
  readonly clock: FakeClock;
  readonly disk: FakeDisk;
  readonly blk: VirtioBlk;
  readonly queue: DriverQueue;
}

function bench(packed: boolean, features: readonly number[] = [], disk = new FakeDisk(), size = 8): Bench {
  const memory = new FakeMemory();
  const clock = new FakeClock();
  const blk = new VirtioBlk({ memory, clock, image: disk, serial: 'serial-1' });
  const board = new Board(memory, blk);
  board.negotiate([VERSION_1, ...(packed ? [PACKED] : []), ...features]);
  const queue = packed ? new PackedDriver(board, 0, size, QUEUE_AT) : new SplitDriver(board, 0, size, QUEUE_AT);
  board.status = 0x0f;
  return { board, clock, disk, blk, queue };
}

function header({ board }: Bench, type: number, sector: number): void {
  board.memory.view.setUint32(HEADER, type, true);
  board.memory.view.setUint32(HEADER + 8, sector, true);
  board.memory.view.setUint32(HEADER + 12, 0, true);
  board.memory.bytes[STATUS] = 0xee;
}

/** A request to its end: status, and what the device says it wrote. */
function request(b: Bench, type: number, sector: number, data: readonly Buffer[], indirect?: number): [number, number | undefined] {
  header(b, type, sector);
  b.queue.add([{ gpa: HEADER, length: 16 }, ...data, { gpa: STATUS, length: 1, write: true }], indirect);
  b.queue.kick();
  b.clock.run(10_000_000);
  return [b.board.memory.bytes[STATUS] as number, b.queue.used()];
}

const BOTH = [false, true];

test('reads and writes sectors, in one piece or several, directly or by a table', () => {
  for (const packed of BOTH) {
    for (const indirect of [undefined, TABLE]) {
      const b = bench(packed, indirect === undefined ? [] : [INDIRECT]);
      for (let round = 0; round < 20; round++) {
        const parts = [
          { gpa: DATA, length: 100, write: true },
          { gpa: DATA + 100, length: 412, write: true },
          { gpa: DATA + 512, length: 512, write: true },
        ];
        assert.equal(request(b, 0, 3, parts, indirect), [0, 1025]);
        assert.equal([...b.board.memory.bytes.subarray(DATA, DATA + 1024)], [...b.disk.bytes.subarray(1536, 2560)]);
        b.board.memory.bytes.fill(round + 1, DATA, DATA + 512);
        assert.equal(request(b, 1, 9, [{ gpa: DATA, length: 512 }], indirect), [0, 1]);
        assert.ok(b.disk.bytes.subarray(9 * 512, 10 * 512).every((v) => v === round + 1));
        assert.is(b.disk.bytes[9 * 512 - 1], ((9 * 512 - 1) * 7) & 255);
      }
    }
  }
});

test('a header in pieces, and a status in the same buffer as the data', () => {
  const b = bench(false);
  header(b, 0, 1);
  b.queue.add([
    { gpa: HEADER, length: 5 },
    { gpa: HEADER + 5, length: 11 },
    { gpa: DATA, length: 513, write: true },
  ]);
  b.queue.kick();
  b.clock.run(1e7);
  assert.is(b.queue.used(), 513);
  assert.is(b.board.memory.bytes[DATA + 512], 0);
  assert.equal([...b.board.memory.bytes.subarray(DATA, DATA + 512)], [...b.disk.bytes.subarray(512, 1024)]);
});

test('what cannot be done is an I/O error: beyond the end, no whole sectors, a host error', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    const buffer = (length: number, write: boolean): Buffer[] => [{ gpa: DATA, length, write }];
    assert.is(request(b, 0, SECTORS, buffer(512, true))[0], 1);
    assert.is(request(b, 0, SECTORS - 1, buffer(1024, true))[0], 1);
    assert.is(request(b, 1, SECTORS - 1, buffer(1024, false))[0], 1);
    assert.is(request(b, 0, 0, buffer(511, true))[0], 1);
    assert.is(request(b, 0, 0xffff_ffff, buffer(512, true))[0], 1);
    b.disk.broken = true;
    assert.is(request(b, 0, 0, buffer(512, true))[0], 1);
    b.disk.broken = false;
    assert.is(request(b, 0, 0, buffer(512, true))[0], 0);
    assert.is(request(b, 99, 0, [])[0], 2);
  }
});

test('a read-only disk says so, reads and refuses writes', () => {
  const b = bench(false, [], new FakeDisk(true));
  assert.ok(b.board.offered(5));
  assert.not(b.board.offered(13));
  assert.is(request(b, 0, 0, [{ gpa: DATA, length: 512, write: true }])[0], 0);
  assert.is(request(b, 1, 0, [{ gpa: DATA, length: 512 }])[0], 1);
  assert.is(request(b, 4, 0, [])[0], 0);
  assert.equal(b.disk.calls, ['read']);
});

test('flush, id, discard and write zeroes', () => {
  const b = bench(false);
  assert.is(request(b, 4, 0, [])[0], 0);
  assert.equal(request(b, 8, 0, [{ gpa: DATA, length: 20, write: true }]), [0, 21]);
  assert.is(String.fromCharCode(...b.board.memory.bytes.subarray(DATA, DATA + 9)), 'serial-1\0');
  const range = (sector: number, count: number, flags = 0): void => {
    const { view } = b.board.memory;
    view.setUint32(DATA, sector, true);
    view.setUint32(DATA + 4, 0, true);
    view.setUint32(DATA + 8, count, true);
    view.setUint32(DATA + 12, flags, true);
  };
  range(2, 3);
  assert.is(request(b, 11, 0, [{ gpa: DATA, length: 16 }])[0], 0);
  assert.is(request(b, 13, 0, [{ gpa: DATA, length: 16 }])[0], 0);
  assert.ok(b.disk.bytes.subarray(1024, 2560).every((v) => v === 0));
  assert.is(b.disk.bytes[2560], 0); // 2560 * 7 is a multiple of 256
  assert.is(b.disk.bytes[2561], 7);
  range(SECTORS - 1, 2);
  assert.is(request(b, 13, 0, [{ gpa: DATA, length: 16 }])[0], 1);
  range(0, 1, 2);
  assert.is(request(b, 13, 0, [{ gpa: DATA, length: 16 }])[0], 2);
  assert.is(request(b, 13, 0, [{ gpa: DATA, length: 15 }])[0], 1);
  assert.equal(b.disk.calls, ['flush', 'discard', 'zero']);
});

test('a request comes back at its time by the latency model, one after the other', () => {
  const b = bench(false);
  header(b, 0, 0);
  const add = (): void =>
    b.queue.add([
      { gpa: HEADER, length: 16 },
      { gpa: DATA, length: 512, write: true },
      { gpa: STATUS, length: 1, write: true },
    ]);
  add();
  add();
  b.queue.kick();
  const one = DISK_LATENCY.read + Math.round(512 * DISK_LATENCY.byte);
  b.clock.run(one - 1);
  assert.is(b.queue.used(), undefined);
  b.clock.run(1);
  assert.is(b.queue.used(), 513);
  assert.is(b.queue.used(), undefined);
  b.clock.run(one);
  assert.is(b.queue.used(), 513);
});

test('interrupts: INTx until MSI-X is on, then messages; none where the driver wants none', () => {
  const b = bench(false);
  request(b, 4, 0, []);
  assert.ok(b.board.line.level);
  assert.is(b.board.mmio.read(0xe001_1000, 1), 1);
  assert.not(b.board.line.level);
  // MSI-X: vector 1 for the queue.
  const cap = b.board.pci.configRead(0x34, 1);
  b.board.pci.configWrite(cap + 2, 2, 0x8000);
  b.board.mmio.write(MSIX_AT + 16, 4, 0xfee0_0000);
  b.board.mmio.write(MSIX_AT + 24, 4, 0x41);
  b.board.mmio.write(MSIX_AT + 28, 4, 0);
  b.board.setCommon(0x16, 2, 0);
  b.board.setCommon(0x1a, 2, 1);
  assert.is(b.board.common(0x1a, 2), 1);
  request(b, 4, 0, []);
  assert.equal(b.board.messages, [[0xfee0_0000, 0x41]]);
  assert.not(b.board.line.level);
  b.board.memory.view.setUint16(b.queue.driverAt, 1, true); // NO_INTERRUPT
  request(b, 4, 0, []);
  assert.is(b.board.messages.length, 1);
  // Masked: pending until the mask goes.
  b.board.memory.view.setUint16(b.queue.driverAt, 0, true);
  b.board.mmio.write(MSIX_AT + 28, 4, 1);
  request(b, 4, 0, []);
  assert.is(b.board.messages.length, 1);
  assert.is(b.board.mmio.read(MSIX_AT + 0x800, 4), 2);
  b.board.mmio.write(MSIX_AT + 28, 4, 0);
  assert.is(b.board.messages.length, 2);
  b.board.setCommon(0x1a, 2, 9);
  assert.is(b.board.common(0x1a, 2), 0xffff);
});

test('event index: an interrupt when the entry that the driver waits for is given back, in both layouts', () => {
  for (const packed of BOTH) {
    for (let size = 4; size <= 8; size += 4) {
      const b = bench(packed, [EVENT_IDX], new FakeDisk(), size);
      let interrupts = 0;
      const { view } = b.board.memory;
      for (let n = 0; n < 50; n++) {
        // Wait for the third request from here on; each is one flush of two descriptors.
        const wanted = n % 3 === 0;
        if (packed) {
          view.setUint16(b.queue.driverAt + 2, 2, true);
          const place = (2 * (n - (n % 3) + 2)) % (2 * size);
          view.setUint16(b.queue.driverAt, (place % size) | (place < size ? 0x8000 : 0), true);
        } else if (wanted) view.setUint16(b.queue.driverAt + 4 + 2 * size, (n + 2) & 0xffff, true);
        request(b, 4, 0, []);
        const heard = b.board.mmio.read(0xe001_1000, 1) !== 0;
        if (heard) interrupts++;
        assert.is(heard, n % 3 === 2, `${packed ? 'packed' : 'split'} ${size}: request ${n}`);
      }
      assert.is(interrupts, 16);
    }
  }
});

test('a driver that breaks the rules gets NEEDS_RESET and a configuration interrupt, and after a reset all is well', () => {
  const breakers: ((b: Bench) => void)[] = [
    (b) =>
      b.queue.add([
        { gpa: HEADER, length: 16 },
        { gpa: 0xfff_f000, length: 512, write: true },
        { gpa: STATUS, length: 1, write: true },
      ]),
    (b) =>
      b.queue.add([
        { gpa: DATA, length: 512, write: true },
        { gpa: HEADER, length: 16 },
      ]),
    (b) => b.queue.add([{ gpa: HEADER, length: 16 }]),
    (b) =>
      b.queue.add([
        { gpa: HEADER, length: 15 },
        { gpa: STATUS, length: 1, write: true },
      ]),
    (b) =>
      b.queue.add(
        [
          { gpa: HEADER, length: 16 },
          { gpa: STATUS, length: 1, write: true },
        ],
        TABLE,
      ),
  ];
  for (const packed of BOTH) {
    breakers.forEach((spoil, i) => {
      const b = bench(packed);
      header(b, 0, 0);
      spoil(b);
      b.queue.kick();
      assert.is(b.board.status & 64, 64, `${packed} ${i}`);
      assert.is(b.board.mmio.read(0xe001_1000, 1) & 2, 2);
      b.board.status = 0;
      assert.is(b.board.status, 0);
      b.board.negotiate([VERSION_1]);
      assert.is(b.board.status, 0x0b);
    });
  }
});

test('features: version 1 must be taken, and nothing that was not offered', () => {
  const b = bench(false);
  b.board.negotiate([]);
  assert.is(b.board.status & 8, 0);
  b.board.negotiate([VERSION_1, 0]);
  assert.is(b.board.status & 8, 0);
  b.board.negotiate([VERSION_1]);
  assert.is(b.board.status & 8, 8);
});

test('configuration: capacity, segments, block size', () => {
  const { board } = bench(false);
  assert.is(board.config(0, 4), SECTORS);
  assert.is(board.config(4, 4), 0);
  assert.is(board.config(12, 4), 254);
  assert.is(board.config(20, 4), 512);
  assert.is(board.config(34, 2), 1);
  assert.is(board.config(0x800, 4), 0);
});

test('saved in the middle of a request and restored, the rest is the same', () => {
  for (const packed of BOTH) {
    const b = bench(packed);
    header(b, 0, 2);
    b.queue.add([
      { gpa: HEADER, length: 16 },
      { gpa: DATA, length: 512, write: true },
      { gpa: STATUS, length: 1, write: true },
    ]);
    b.queue.kick();
    const state = structuredClone(b.board.pci.save());
    b.board.status = 0;
    b.board.pci.restore(state);
    b.clock.run(1e7);
    assert.is(b.queue.used(), 513);
    assert.equal(request(b, 0, 4, [{ gpa: DATA, length: 512, write: true }]), [0, 513]);
  }
});

test('the window in configuration space reaches the registers', () => {
  const b = bench(false);
  let at = b.board.pci.configRead(0x34, 1);
  while (!(b.board.pci.configRead(at, 1) === 9 && b.board.pci.configRead(at + 3, 1) === 5)) at = b.board.pci.configRead(at + 1, 1);
  b.board.pci.configWrite(at + 4, 1, 4);
  b.board.pci.configWrite(at + 8, 4, 0x12);
  b.board.pci.configWrite(at + 12, 4, 2);
  assert.is(b.board.pci.configRead(at + 16, 2), 1);
  b.board.pci.configWrite(at + 8, 4, 0x14);
  b.board.pci.configWrite(at + 12, 4, 1);
  b.board.pci.configWrite(at + 16, 1, 0);
  assert.is(b.board.status, 0);
});

test('mutated rings: nothing is thrown, nothing outside memory is touched, a reset heals', () => {
  const random = randomSource(11);
  for (let round = 0; round < 3000; round++) {
    const packed = round % 2 === 1;
    const b = bench(packed, [INDIRECT, ...(round % 4 < 2 ? [EVENT_IDX] : [])]);
    header(b, random(16), random(80));
    for (let n = random(3) + 1; n > 0; n--) {
      b.queue.add(
        [
          { gpa: HEADER, length: 16 },
          { gpa: DATA, length: random(3) * 512, write: random(2) === 0 },
          { gpa: STATUS, length: 1, write: true },
        ],
        random(3) === 0 ? TABLE : undefined,
      );
    }
    for (let n = random(12); n > 0; n--) {
      const at = (random(2) === 0 ? QUEUE_AT : TABLE) + random(0x600);
      b.board.memory.bytes[at] = random(256);
    }
    b.queue.kick();
    b.clock.run(1e8);
    b.queue.kick();
    b.clock.run(1e8);
    b.board.negotiate([VERSION_1]);
    assert.is(b.board.status, 0x0b);
  }
});

test.run();
