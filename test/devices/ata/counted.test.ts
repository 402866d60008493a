/** What IDE drives count and trace: one request a command, from when it is taken until it is done, failed or reset. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AtapiCdrom } from '../../../devices/ata/cdrom.ts';
import { AtaDisk } from '../../../devices/ata/disk.ts';
import { DiskError } from '../../../devices/disk/image.ts';
import { DEVICE_PROBE, listen } from '../../../probes/points.ts';
import { B_FLAGS, BUFINFO } from '../../../probes/structures.ts';
import { IdeBoard, MemoryImage } from './board.ts';

const identity = { driver: 'ata', major: 3, instance: 1, name: 'disk1', path: '', file: '', format: '' };
const READ = 0x20;
const WRITE = 0x30;
const VERIFY = 0x40;
const READ_DMA = 0xc8;
const FLUSH = 0xe7;
const PACKET = 0xa0;

function disk(): { readonly board: IdeBoard; readonly drive: AtaDisk; readonly image: MemoryImage } {
  const image = new MemoryImage(64 * 512);
  let drive: AtaDisk | undefined;
  const board = new IdeBoard((parts) => {
    drive = new AtaDisk({ ...parts, image, serial: 'S', identity });
    return [drive];
  });
  return { board, drive: drive as AtaDisk, image };
}

const FLAGS = ['READ', 'WRITE', 'ERROR', 'ASYNC'] as const;
const place = (name: string): number => BUFINFO.members.find((member) => member.name === name)?.offset ?? -1;

/** What fires from now on: `start 1 READ block bytes`. */
function firings(): string[] {
  const fired: string[] = [];
  listen(null, {
    enabled: () => true,
    fire(probe, id, structures) {
      const view = new DataView(structures.buffer, structures.byteOffset);
      const bits = view.getInt32(place('b_flags'), true);
      const flags = FLAGS.filter((name) => (bits & B_FLAGS[`B_${name}`]) !== 0).join('+');
      const [block, bytes] = ['b_blkno', 'b_bcount'].map((name) => view.getUint32(place(name), true));
      fired.push(`${probe === DEVICE_PROBE.IO_START ? 'start' : 'done'} ${id} ${flags} ${block} ${bytes}`);
    },
  });
  return fired;
}
test.after.each(() => {
  listen(null);
});

test('reads and writes by PIO and DMA are one request each, however many blocks they have', () => {
  const { board, drive } = disk();
  const fired = firings();
  board.command(READ, { count: 3, lba: 10 });
  for (let i = 0; i < 3; i++) {
    board.wait();
    assert.is(fired.length, 1);
    board.read(512);
  }
  board.command(WRITE, { count: 1, lba: 20 });
  board.write(new Uint8Array(512));
  board.wait();
  board.command(READ_DMA, { count: 4, lba: 30 });
  board.startMaster([[0x8000, 2048]], true);
  board.wait();
  assert.equal(fired, [
    'start 3 READ 10 1536',
    'done 3 READ 10 1536',
    'start 3 WRITE 20 512',
    'done 3 WRITE 20 512',
    'start 3 READ 30 2048',
    'done 3 READ 30 2048',
  ]);
  const { reads, writes, nread, nwritten, wcnt, rcnt, rtime, wtime } = drive.requests.io;
  assert.equal([reads, writes, nread, nwritten, wcnt, rcnt, wtime], [2, 1, 3584, 512, 0, 0, 0]);
  assert.ok(rtime > 120_000);
});

test('a host error ends the request with an error, uncounted; what never began fires nothing', () => {
  const { board, drive, image } = disk();
  const fired = firings();
  board.command(READ, { count: 1, lba: 64 });
  board.wait();
  assert.equal(fired, []);
  image.failing = new DiskError('no');
  board.command(READ, { count: 1, lba: 5 });
  board.wait();
  assert.equal(fired, ['start 3 READ 5 512', 'done 3 READ+ERROR 5 512']);
  assert.equal([drive.requests.io.reads, drive.requests.io.rcnt], [0, 0]);
});

test('flush and verify only take their time', () => {
  const { board, drive } = disk();
  const fired = firings();
  for (const code of [FLUSH, VERIFY]) {
    board.command(code, { count: 1 });
    assert.is(drive.requests.io.rcnt, 1);
    board.wait();
  }
  assert.equal(fired, []);
  assert.equal([drive.requests.io.rcnt, drive.requests.io.reads], [0, 0]);
  assert.ok(drive.requests.io.rtime >= 160_000);
});

test('a reset in the middle: the request is gone from the queue and never done', () => {
  const { board, drive } = disk();
  const fired = firings();
  board.command(READ, { count: 2, lba: 1 });
  board.wait();
  board.ports.write(0x3f6, 4);
  board.ports.write(0x3f6, 0);
  assert.is(drive.requests.io.rcnt, 0);
  board.command(READ, { count: 1, lba: 9 });
  board.wait();
  board.read(512);
  assert.equal(fired, ['start 3 READ 1 1024', 'start 3 READ 9 512', 'done 3 READ 9 512']);
});

test('saved between two blocks and restored, the request ends there', () => {
  const one = disk();
  one.board.command(READ, { count: 2, lba: 7 });
  one.board.wait();
  one.board.read(512);
  const state = JSON.parse(JSON.stringify(one.board.ide.save()));
  const other = disk();
  other.board.clock.runTo(one.board.clock.now());
  other.board.ide.restore(state);
  assert.is(other.drive.requests.io.rcnt, 1);
  const fired = firings();
  other.board.wait();
  other.board.read(512);
  assert.equal(fired, ['done 3 READ 7 1024']);
  assert.equal([other.drive.requests.io.reads, other.drive.requests.io.nread], [1, 1024]);
});

test("a CD-ROM's reads, in sectors of 512 bytes; its other packets are none", () => {
  let drive: AtapiCdrom | undefined;
  const board = new IdeBoard((parts) => {
    drive = new AtapiCdrom({ ...parts, image: new MemoryImage(64 * 2048, true), serial: 'C', identity });
    return [drive];
  });
  const fired = firings();
  for (const bytes of [
    [0x12, 0, 0, 0, 36],
    [0x28, 0, 0, 0, 0, 5, 0, 0, 2],
  ]) {
    board.command(PACKET, { lba: 2048 << 8, device: 0xa0 });
    board.write(Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0));
    while (board.wait() & 0x08) board.read(board.register(4) | (board.register(5) << 8));
  }
  assert.equal(fired, ['start 3 READ 20 4096', 'done 3 READ 20 4096']);
  assert.equal([drive?.requests.io.reads, drive?.requests.io.nread], [1, 4096]);
});

test.run();
