/** Port accesses of a guest gone bad (LUCID_ATA_FUZZ: how many), on a disk and a CD-ROM: nothing is thrown, nothing outside the images or the guest's memory is touched. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import process from 'node:process';
import { AtapiCdrom } from '../../../devices/ata/cdrom.ts';
import { AtaDisk } from '../../../devices/ata/disk.ts';
import type { AccessSize } from '../../../vmm/bus.ts';
import { randomSource, spoiled } from '../fake-board.ts';
import { BUS_MASTER, IdeBoard, MemoryImage } from './board.ts';

const ACCESSES = Number(process.env['LUCID_ATA_FUZZ'] ?? 100_000);
const COMMANDS = [
  0x00, 0x08, 0x10, 0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x70, 0x90, 0x91, 0xa0, 0xa1, 0xc4, 0xc5, 0xc6, 0xc8, 0xca,
  0xe0, 0xe5, 0xe7, 0xea, 0xec, 0xef,
];
const PACKETS = [0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd];

function makeBoard(disk = new MemoryImage(300 * 512), disc = new MemoryImage(40 * 2048, true)): IdeBoard {
  return new IdeBoard((parts) => [
    new AtaDisk({ ...parts, image: disk, serial: 'S' }),
    new AtapiCdrom({ ...parts, image: disc, serial: 'C' }),
    new AtapiCdrom({ ...parts, image: disc, serial: 'D' }),
  ]);
}

function access(board: IdeBoard, random: (below: number) => number): void {
  const base = random(4) === 0 ? 0x170 : 0x1f0;
  const { ports } = board;
  switch (random(12)) {
    case 0:
      ports.write(base + 7, random(8) === 0 ? random(256) : COMMANDS[random(COMMANDS.length)]);
      break;
    case 1:
      ports.write(base + 1 + random(6), random(3) === 0 ? random(256) : random(4));
      break;
    case 2:
      ports.write(base + 6, (random(2) << 4) | 0xe0 | random(2));
      break;
    case 3:
      ports.write(base + 0x206, random(20) === 0 ? random(256) : 0);
      break;
    case 4:
      ports.write(BUS_MASTER + random(16), random(256), ([1, 2, 4] as const)[random(3)]);
      break;
    case 5: {
      const channel = base === 0x1f0 ? 0 : 8;
      ports.write(BUS_MASTER + channel + 4, random(0x2_2000), 4);
      ports.write(BUS_MASTER + channel, random(2) * 9);
      break;
    }
    case 6:
      board.memory.view.setUint32(random(0x7ff0) * 4, random(4) === 0 ? random(2 ** 32) : random(0x2_0000));
      break;
    case 7:
      board.clock.run(random(200_000));
      break;
    case 8:
      // Data, many at once, as REP does.
      for (let n = random(300); n > 0; n--) ports.read(base, ([1, 2, 4] as const)[random(3)]);
      break;
    case 9:
      ports.write(base, PACKETS[random(PACKETS.length)] | (random(2) << 8), 2);
      for (let n = random(3) === 0 ? random(300) : 5; n > 0; n--) ports.write(base, random(3), 2);
      break;
    default:
      ports.read(base + random(8), ([1, 2, 4] as const)[random(3)] as AccessSize);
  }
}

test(`${ACCESSES} random accesses: no throw, no hang, nothing outside the images, and states that restore`, () => {
  const random = randomSource(4711);
  const disk = new MemoryImage(300 * 512);
  let board = makeBoard(disk);
  let touched = 0;
  for (let i = 0; i < ACCESSES; i++) {
    access(board, random);
    if (i % 5000 !== 0) continue;
    // It goes on in another machine.
    const saved = JSON.parse(JSON.stringify(board.ide.save()));
    const next = makeBoard(disk);
    next.ide.restore(saved);
    assert.equal(JSON.parse(JSON.stringify(next.ide.save())), saved);
    next.memory.bytes.set(board.memory.bytes);
    board = next;
    touched++;
  }
  assert.ok(touched > 0);
  // It still works: a reset, and a sector.
  board.ports.write(0x3f6, 4);
  board.ports.write(0x3f6, 0);
  board.command(0x20, { count: 1, lba: 17 });
  board.wait();
  assert.equal(board.read(512), disk.bytes.slice(17 * 512, 18 * 512));
});

const isStateError = (e: Error): boolean => e.name === 'StateError';

test('no state that is not one is taken', () => {
  const saved = makeBoard().ide.save();
  for (const state of spoiled(saved)) assert.throws(() => makeBoard().ide.restore(state), isStateError, JSON.stringify(state));
  const channels = saved['channels'] as { drives: object[] }[];
  for (const drive of spoiled(channels[0].drives[0])) {
    const state = { ...saved, channels: [{ ...channels[0], drives: [drive, channels[0].drives[1]] }, channels[1]] };
    assert.throws(() => makeBoard().ide.restore(state), isStateError, JSON.stringify(state));
  }
  for (const drive of spoiled(channels[0].drives[1])) {
    const state = { ...saved, channels: [{ ...channels[0], drives: [channels[0].drives[0], drive] }, channels[1]] };
    assert.throws(() => makeBoard().ide.restore(state), isStateError, JSON.stringify(state));
  }
});

test.run();
