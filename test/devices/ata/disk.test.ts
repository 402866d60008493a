/** The ATA disk, by a driver from the other side. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AtaDisk } from '../../../devices/ata/disk.ts';
import { DiskError } from '../../../devices/disk/image.ts';
import { BUS_MASTER, DRQ, ERR, IdeBoard, MemoryImage } from './board.ts';

const SECTORS = 2048;

function boardWith(image = new MemoryImage(SECTORS * 512)): { readonly board: IdeBoard; readonly image: MemoryImage } {
  return { board: new IdeBoard((parts) => [new AtaDisk({ ...parts, image, serial: 'S' })]), image };
}

const sectors = (image: MemoryImage, first: number, count: number): Uint8Array => image.bytes.subarray(first * 512, (first + count) * 512);
const pattern = (bytes: number, seed: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i * seed + (i >> 8));

test('IDENTIFY DEVICE tells model, geometry and sizes', () => {
  const { board } = boardWith();
  board.command(0xec);
  assert.ok(board.wait() & DRQ);
  const words = new Uint16Array(board.read(512).buffer);
  const text = (first: number, count: number): string =>
    Array.from(words.subarray(first, first + count), (w) => String.fromCharCode(w >> 8, w & 255))
      .join('')
      .trim();
  assert.is(text(27, 20), 'LUCID HARDDISK');
  assert.is(text(10, 10), 'S');
  assert.equal([words[1], words[3], words[6]], [2, 16, 63]);
  assert.is(words[60] + words[61] * 65536, SECTORS);
  assert.is(words[100], SECTORS);
  assert.is(board.status & (DRQ | ERR), 0);
});

test('sectors come by LBA of 28 and 48 bits and by cylinder, head and sector, one interrupt a block', () => {
  const { board, image } = boardWith();
  board.command(0x20, { count: 3, lba: 1500 });
  for (let i = 0; i < 3; i++) {
    board.wait();
    assert.ok(board.irqs[0].level);
    board.acknowledge();
    assert.not.ok(board.irqs[0].level);
    assert.equal(board.read(512, 4), sectors(image, 1500 + i, 1));
  }
  assert.is(board.status & DRQ, 0);
  board.wide(0x24, 1, 2047);
  board.wait();
  assert.equal(board.read(512), sectors(image, 2047, 1));
  // Cylinder 1, head 2, sector 3 of 16 heads and 63 sectors.
  board.ports.write(0x1f6, 0xa2);
  board.ports.write(0x1f2, 1);
  board.ports.write(0x1f3, 3);
  board.ports.write(0x1f4, 1);
  board.ports.write(0x1f5, 0);
  board.ports.write(0x1f7, 0x20);
  board.wait();
  assert.equal(board.read(512), sectors(image, (16 + 2) * 63 + 2, 1));
});

test('READ and WRITE MULTIPLE move as many sectors a block as were set', () => {
  const { board, image } = boardWith();
  board.command(0xc6, { count: 4 });
  assert.is(board.wait() & ERR, 0);
  board.command(0xc4, { count: 6, lba: 10 });
  board.wait();
  assert.equal(board.read(2048), sectors(image, 10, 4));
  board.wait();
  assert.equal(board.read(1024), sectors(image, 14, 2));
  const data = pattern(6 * 512, 3);
  board.command(0xc5, { count: 6, lba: 100 });
  board.write(data.subarray(0, 2048));
  board.wait();
  board.write(data.subarray(2048));
  assert.is(board.wait() & (DRQ | ERR), 0);
  assert.equal(sectors(image, 100, 6), data);
  board.command(0xc6, { count: 3 });
  assert.ok(board.wait() & ERR);
});

test('written sectors are in the image; FLUSH CACHE makes them durable, as does each write with the cache off', () => {
  const { board, image } = boardWith();
  const data = pattern(1024, 5);
  board.command(0x30, { count: 2, lba: 7 });
  assert.ok(board.status & DRQ);
  assert.not.ok(board.irqs[0].level);
  board.write(data.subarray(0, 512));
  board.wait();
  assert.ok(board.irqs[0].level);
  board.write(data.subarray(512));
  board.wait();
  assert.equal(sectors(image, 7, 2), data);
  assert.is(image.flushes, 0);
  board.command(0xe7);
  board.wait();
  assert.is(image.flushes, 1);
  board.command(0xef, { features: 0x82 });
  board.wait();
  board.command(0x30, { count: 1, lba: 7 });
  board.write(data.subarray(0, 512));
  board.wait();
  assert.is(image.flushes, 3);
});

test('the bus master scatters and gathers, whichever of the two is started first', () => {
  const { board, image } = boardWith();
  board.command(0xc8, { count: 3, lba: 20 });
  board.startMaster(
    [
      [0x4000, 512],
      [0x8002, 100],
      [0x6000, 924],
    ],
    true,
  );
  board.wait();
  assert.ok(board.irqs[0].level);
  assert.is(board.ports.read(BUS_MASTER + 2), 4);
  const got = [
    board.memory.bytes.slice(0x4000, 0x4200),
    board.memory.bytes.slice(0x8002, 0x8066),
    board.memory.bytes.slice(0x6000, 0x639c),
  ];
  assert.ok(Buffer.concat(got).equals(sectors(image, 20, 3)));
  board.ports.write(BUS_MASTER, 0);
  board.ports.write(BUS_MASTER + 2, 4);
  assert.is(board.ports.read(BUS_MASTER + 2), 0);
  // Late: the drive waits.
  const data = pattern(512, 9);
  board.memory.bytes.set(data, 0x4000);
  board.wide(0x35, 1, 33);
  assert.ok(board.wait() & DRQ);
  board.startMaster([[0x4000, 512]], false);
  assert.is(board.wait() & (DRQ | ERR), 0);
  assert.equal(sectors(image, 33, 1), data);
});

test('a list that is too short stops, and the rest goes by another one; one outside RAM is an error of the bus master', () => {
  const { board, image } = boardWith();
  board.command(0xc8, { count: 2, lba: 40 });
  board.startMaster([[0x4000, 600]], true);
  assert.ok(board.wait() & DRQ);
  assert.is(board.ports.read(BUS_MASTER + 2), 0);
  board.ports.write(BUS_MASTER, 0);
  board.startMaster([[0x4258, 424]], true);
  assert.is(board.status & DRQ, 0);
  assert.equal(board.memory.bytes.slice(0x4000, 0x4400), sectors(image, 40, 2));
  board.ports.write(BUS_MASTER, 0);
  board.command(0xc8, { count: 1, lba: 40 });
  board.startMaster([[0xffff_0000, 512]], true);
  assert.ok(board.wait() & ERR);
  assert.ok(board.ports.read(BUS_MASTER + 2) & 2);
});

test('what is not on the disk is IDNF, a host error UNC, an unknown command ABRT', () => {
  const { board, image } = boardWith();
  board.command(0x20, { count: 2, lba: 2047 });
  assert.ok(board.wait() & ERR);
  assert.is(board.register(1), 0x10);
  board.wide(0x24, 1, 2 ** 47);
  assert.ok(board.wait() & ERR);
  board.command(0x20, { count: 1, device: 0xa0 }); // sector 0 of a track
  assert.ok(board.wait() & ERR);
  image.failing = new DiskError('gone');
  board.command(0x20, { count: 1, lba: 1 });
  assert.ok(board.wait() & ERR);
  assert.is(board.register(1), 0x40);
  board.command(0xb0);
  assert.ok(board.wait() & ERR);
  assert.is(board.register(1), 0x04);
});

test('what the host could not do is told', () => {
  const image = new MemoryImage(SECTORS * 512);
  const told: string[] = [];
  const board = new IdeBoard((parts) => [new AtaDisk({ ...parts, image, serial: 'S', failed: (reason) => told.push(reason) })]);
  image.failing = new DiskError('cannot read: EIO');
  board.command(0x20, { count: 1, lba: 1 });
  board.wait();
  assert.equal(told, ['cannot read: EIO']);
});

test('a read-only image takes no writes', () => {
  const { board } = boardWith(new MemoryImage(SECTORS * 512, true));
  for (const code of [0x30, 0x34, 0xc5, 0xca]) {
    board.command(code, { count: 1, lba: 1 });
    assert.ok(board.wait() & ERR);
  }
  board.command(0xe7);
  assert.is(board.wait() & ERR, 0);
});

test('after a software reset the signature says disk, and settings are those of power-on', () => {
  const { board } = boardWith();
  board.command(0x20, { count: 1, lba: 9 });
  board.ports.write(0x3f6, 4);
  board.ports.write(0x3f6, 0);
  assert.equal(
    [1, 2, 3, 4, 5].map((at) => board.register(at)),
    [1, 1, 1, 0, 0],
  );
  assert.not.ok(board.irqs[0].level);
  assert.is(board.clock.next, Number.POSITIVE_INFINITY);
});

test('an absent slave reads 0, a channel without drives floats, nIEN holds the interrupt back', () => {
  const { board } = boardWith();
  board.ports.write(0x1f6, 0xf0);
  assert.is(board.register(7), 0);
  assert.is(board.ports.read(0x177), 0xff);
  board.ports.write(0x1f6, 0xe0);
  board.ports.write(0x3f6, 2);
  board.command(0xe5);
  board.wait();
  assert.not.ok(board.irqs[0].level);
  board.ports.write(0x3f6, 0);
  assert.ok(board.irqs[0].level);
  assert.is(board.register(2), 0xff);
});

test('saved in the middle of a block and restored elsewhere, the rest is the same', () => {
  for (const cut of [0, 1, 100, 255]) {
    const { board, image } = boardWith();
    board.command(0x20, { count: 2, lba: 5 });
    board.wait();
    const begun = board.read(2 * cut);
    const other = boardWith();
    other.board.ide.restore(JSON.parse(JSON.stringify(board.ide.save())));
    const rest: Uint8Array[] = [begun];
    for (let left = 1024 - 2 * cut; left > 0; left -= 2) {
      other.board.wait();
      rest.push(other.board.read(2));
    }
    assert.ok(Buffer.concat(rest).equals(sectors(image, 5, 2)));
  }
});

test('a save while a write by the bus master waits goes on where it is restored', () => {
  const { board } = boardWith();
  board.command(0xca, { count: 1, lba: 3 });
  board.wait();
  const other = boardWith();
  other.board.ide.restore(JSON.parse(JSON.stringify(board.ide.save())));
  other.board.memory.bytes.fill(0x5a, 0x4000, 0x4200);
  other.board.startMaster([[0x4000, 512]], false);
  assert.ok(other.board.irqs[0].level);
  assert.ok(sectors(other.image, 3, 1).every((b) => b === 0x5a));
});

test.run();
