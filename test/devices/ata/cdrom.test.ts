/** The ATAPI CD-ROM, by a driver from the other side. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AtapiCdrom } from '../../../devices/ata/cdrom.ts';
import { DiskError } from '../../../devices/disk/image.ts';
import { BUS_MASTER, DRQ, ERR, IdeBoard, MemoryImage } from './board.ts';

const SECTORS = 64;

function boardWith(image = new MemoryImage(SECTORS * 2048, true)): { readonly board: IdeBoard; readonly image: MemoryImage } {
  return { board: new IdeBoard((parts) => [new AtapiCdrom({ ...parts, image, serial: 'C' })]), image };
}

/** Sends a packet; what comes back, block by block. */
function packet(board: IdeBoard, bytes: readonly number[], limit = 0xfffe): Uint8Array {
  board.command(0xa0, { lba: limit << 8, device: 0xa0 });
  assert.ok(board.wait() & DRQ);
  assert.is(board.register(2) & 3, 1);
  board.write(Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0));
  const blocks: Uint8Array[] = [];
  while (board.wait() & DRQ) {
    assert.is(board.register(2) & 3, 2);
    const size = board.register(4) | (board.register(5) << 8);
    assert.ok(size <= limit);
    blocks.push(board.read(size + (size & 1)).subarray(0, size));
  }
  assert.is(board.register(2) & 3, 3);
  return Uint8Array.from(Buffer.concat(blocks));
}

const READ_10 = (sector: number, count: number): number[] => [0x28, 0, 0, 0, sector >> 8, sector & 255, 0, 0, count];

test('the signature says packet device, IDENTIFY DEVICE is refused, IDENTIFY PACKET DEVICE answered', () => {
  const { board } = boardWith();
  assert.equal([board.register(4), board.register(5)], [0x14, 0xeb]);
  board.command(0xec, { device: 0xa0 });
  assert.ok(board.wait() & ERR);
  assert.equal([board.register(4), board.register(5)], [0x14, 0xeb]);
  board.command(0xa1, { device: 0xa0 });
  assert.ok(board.wait() & DRQ);
  assert.is(new Uint16Array(board.read(512).buffer)[0], 0x85c0);
  assert.is(board.status & DRQ, 0);
});

test('INQUIRY and READ CAPACITY', () => {
  const { board } = boardWith();
  const inquiry = packet(board, [0x12, 0, 0, 0, 36]);
  assert.is(inquiry.length, 36);
  assert.is(inquiry[0], 5);
  assert.is(Buffer.from(inquiry.subarray(8, 24)).toString(), 'LUCID   CD-ROM  ');
  assert.is(packet(board, [0x12, 0, 0, 0, 5]).length, 5);
  assert.equal([...packet(board, [0x25])], [0, 0, 0, SECTORS - 1, 0, 0, 8, 0]);
});

test('sectors come in blocks of what the byte count allows, and by the bus master', () => {
  const { board, image } = boardWith();
  const wanted = image.bytes.slice(5 * 2048, 8 * 2048);
  for (const limit of [0xfffe, 2048, 512, 1000, 6]) assert.equal(packet(board, READ_10(5, 3), limit), wanted);
  board.command(0xa0, { features: 1, device: 0xa0 });
  board.write(Uint8Array.from({ length: 12 }, (_, i) => READ_10(5, 3)[i] ?? 0));
  board.startMaster(
    [
      [0x4000, 2048],
      [0x8000, 4096],
    ],
    true,
  );
  assert.is(board.wait() & (DRQ | ERR), 0);
  assert.equal(board.memory.bytes.slice(0x4000, 0x4800), wanted.slice(0, 2048));
  assert.equal(board.memory.bytes.slice(0x8000, 0x9000), wanted.slice(2048));
  assert.is(board.ports.read(BUS_MASTER + 2), 4);
});

test('what is not on the disc, a host error and an unknown packet are told by sense', () => {
  const { board, image } = boardWith();
  const sense = (): number[] => {
    assert.ok(board.status & ERR);
    const data = packet(board, [3, 0, 0, 0, 18]);
    return [data[2], data[12], data[13]] as number[];
  };
  packet(board, READ_10(SECTORS - 1, 2));
  assert.is(board.register(1) >> 4, 5);
  assert.equal(sense(), [5, 0x21, 0]);
  packet(board, [0x99]);
  assert.equal(sense(), [5, 0x20, 0]);
  image.failing = new DiskError('gone');
  packet(board, READ_10(1, 1));
  assert.is(board.register(1) >> 4, 3);
  image.failing = undefined;
  assert.equal(sense(), [3, 0x11, 0]);
  assert.equal([...packet(board, [3, 0, 0, 0, 18])].slice(0, 3), [0x70, 0, 0]);
});

test('READ TOC tells of one data track and where the disc ends', () => {
  const { board } = boardWith();
  const toc = packet(board, [0x43, 0, 0, 0, 0, 0, 0, 0, 100]);
  assert.equal([...toc], [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xaa, 0, 0, 0, 0, SECTORS]);
  assert.equal([...packet(board, [0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100])].slice(8), [0, 0, 2, SECTORS]);
});

test('the other packets of drivers are answered or refused, and none hangs', () => {
  const { board } = boardWith();
  for (const bytes of [
    [0],
    [0x1b, 0, 0, 0, 1],
    [0x1e, 0, 0, 0, 1],
    [0x2b, 0, 0, 0, 0, 9],
    [0x46, 2, 0, 0, 0, 0, 0, 0, 8],
    [0x51, 0, 0, 0, 0, 0, 0, 0, 34],
  ]) {
    packet(board, bytes);
    assert.is(board.status & ERR, 0, `${bytes[0]}`);
  }
  assert.is(packet(board, [0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128]).length, 30);
  assert.is(packet(board, [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8])[5], 2);
});

test('saved between two blocks and restored elsewhere, the rest is the same', () => {
  const { board, image } = boardWith();
  board.command(0xa0, { lba: 2048 << 8, device: 0xa0 });
  board.write(Uint8Array.from({ length: 12 }, (_, i) => READ_10(7, 2)[i] ?? 0));
  board.wait();
  const first = board.read(1000);
  const other = boardWith().board;
  other.ide.restore(JSON.parse(JSON.stringify(board.ide.save())));
  const parts = [first, other.read(1048)];
  other.wait();
  parts.push(other.read(2048));
  assert.equal(Uint8Array.from(Buffer.concat(parts)), image.bytes.slice(7 * 2048, 9 * 2048));
});

test.run();
