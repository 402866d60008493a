/**
 * What survives a lost host: a virtio disk on a file that forgets what was not synced, cut at random places. Each sector must hold what was last flushed or something that
 * was written to it later, and the image must open and check clean but for leaks. Two modes: nothing survives that was not synced, or any part of it.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DiskImage } from '../../../devices/disk/image.ts';
import { Qcow2Image } from '../../../devices/disk/qcow2.ts';
import { checkQcow2 } from '../../../devices/disk/qcow2-check.ts';
import { createQcow2 } from '../../../devices/disk/qcow2-create.ts';
import { takeSnapshot } from '../../../devices/disk/qcow2-snapshots.ts';
import { RawImage } from '../../../devices/disk/raw.ts';
import { VirtioBlk } from '../../../devices/virtio/blk.ts';
import { randomSource } from '../fake-board.ts';
import { FakeClock } from '../fake.ts';
import { Board, FakeMemory, SplitDriver } from '../virtio/board.ts';
import { MemoryFile, RecordingFile } from './files.ts';

const CUTS = process.env['LUCID_SLOW'] === 'full' ? 200 : 40;
const SECTOR = 512;
const SECTORS = 1024;
const HEADER = 0x4000;
const STATUS = 0x4100;
const DATA = 0x8000;
const SECTORS_MAX = 48;

/** What was there before the guest wrote anything. */
const BASE = -1;

/** Calls of the file before it, and what the sector may hold after it. */
interface Written {
  readonly before: number;
  readonly values: readonly number[];
}

/** A guest on a virtio disk that remembers what it has done, by how many calls of the file that took. */
class Guest {
  readonly file: RecordingFile;
  readonly #board: Board;
  readonly #clock = new FakeClock();
  readonly #queue: SplitDriver;
  /** For each sector: what was written when, as the values that it may hold then. */
  readonly #writes: Written[][] = Array.from({ length: SECTORS }, () => [{ before: -1, values: [BASE] }]);
  /** Answered flushes: the calls until then, and how many writes each sector had before it was asked for. */
  readonly #flushes: { readonly after: number; readonly counts: Uint16Array }[] = [];
  #value = 0;

  constructor(file: RecordingFile, image: DiskImage) {
    this.file = file;
    const memory = new FakeMemory();
    const blk = new VirtioBlk({ memory, clock: this.#clock, image, serial: 'durable' });
    this.#board = new Board(memory, blk);
    this.#board.negotiate([32]);
    this.#queue = new SplitDriver(this.#board, 0, 8, 0x1000);
    this.#board.status = 0x0f;
  }

  #request(type: number, sector: number, bytes: number): void {
    const { view, bytes: ram } = this.#board.memory;
    view.setUint32(HEADER, type, true);
    view.setUint32(HEADER + 8, sector, true);
    view.setUint32(HEADER + 12, 0, true);
    ram[STATUS] = 0xee;
    const data = bytes === 0 ? [] : [{ gpa: DATA, length: bytes }];
    this.#queue.add([{ gpa: HEADER, length: 16 }, ...data, { gpa: STATUS, length: 1, write: true }]);
    this.#queue.kick();
    this.#clock.run(1e9);
    this.#queue.used();
    assert.is(ram[STATUS], 0);
  }

  #note(sector: number, count: number, values: (before: readonly number[]) => readonly number[]): void {
    const before = this.file.calls.length;
    for (let i = sector; i < sector + count; i++) {
      const writes = this.#writes[i] as Written[];
      writes.push({ before, values: values(writes.at(-1)?.values ?? []) });
    }
  }

  write(sector: number, count: number): void {
    this.#value++;
    const value = this.#value;
    this.#note(sector, count, () => [value]);
    for (let i = 0; i < count; i++) {
      const { view, bytes } = this.#board.memory;
      bytes.fill(this.#value, DATA + i * SECTOR, DATA + (i + 1) * SECTOR);
      view.setUint32(DATA + i * SECTOR, this.#value, true);
    }
    this.#request(1, sector, count * SECTOR);
  }

  /** Write zeroes (13) or discard (11), which may leave what was there. */
  clear(type: 11 | 13, sector: number, count: number): void {
    this.#note(sector, count, (before) => (type === 11 ? [...before, 0] : [0]));
    const { view } = this.#board.memory;
    view.setUint32(DATA, sector, true);
    view.setUint32(DATA + 4, 0, true);
    view.setUint32(DATA + 8, count, true);
    view.setUint32(DATA + 12, 0, true);
    this.#request(type, 0, 16);
  }

  flush(): void {
    const counts = Uint16Array.from(this.#writes, (writes) => writes.length);
    this.#request(4, 0, 0);
    this.#flushes.push({ after: this.file.calls.length, counts });
  }

  /** What a sector may hold after so many calls. */
  #allowed(sector: number, calls: number): Set<number> {
    const flushed = this.#flushes.findLast(({ after }) => after <= calls);
    const first = (flushed?.counts[sector] ?? 1) - 1;
    const writes = this.#writes[sector] as Written[];
    return new Set(writes.slice(first).flatMap(({ before, values }) => (before < calls ? values : [])));
  }

  /** Compares a disk with what it may hold. */
  compare(image: DiskImage, calls: number, base: (sector: number) => number, what: string): void {
    const bytes = new Uint8Array(SECTORS * SECTOR);
    image.read(0, bytes);
    const view = new DataView(bytes.buffer);
    for (let sector = 0; sector < SECTORS; sector++) {
      const found = view.getUint32(sector * SECTOR, true);
      const allowed = this.#allowed(sector, calls);
      const fine = allowed.has(found) || (allowed.has(BASE) && found === base(sector));
      assert.ok(fine, `${what}: sector ${sector} holds ${found.toString(16)}, allowed ${[...allowed].join(' ')}`);
      const body = bytes.subarray(sector * SECTOR + 4, (sector + 1) * SECTOR);
      assert.ok(
        body.every((b) => b === body[0]),
        `${what}: sector ${sector} is torn`,
      );
    }
  }
}

function work(guest: Guest, random: (below: number) => number): void {
  for (let n = 0; n < 300; n++) {
    const sector = random(SECTORS);
    const count = Math.min(SECTORS - sector, 1 + random(SECTORS_MAX));
    const kind = random(12);
    if (kind < 7) guest.write(sector, count);
    else if (kind === 7) guest.clear(13, sector, count);
    else if (kind === 8) guest.clear(11, sector, count);
    else guest.flush();
  }
}

/** Sectors of a backing file: a value of their own, far from those that are written. */
const baseValue = (sector: number): number => 0x4000_0000 + sector;

function backing(): MemoryFile {
  const file = new MemoryFile(new Uint8Array(SECTORS * SECTOR));
  const bytes = new Uint8Array(SECTOR);
  for (let sector = 0; sector < SECTORS; sector++) {
    bytes.fill(sector & 0x7f);
    new DataView(bytes.buffer).setUint32(0, baseValue(sector), true);
    file.write(sector * SECTOR, bytes);
  }
  return file;
}

interface Kind {
  readonly name: string;
  readonly file: () => RecordingFile;
  readonly open: (file: MemoryFile) => DiskImage;
  readonly base: (sector: number) => number;
  readonly qcow2: boolean;
}

function qcow2(clusterBits: number, over: boolean, snapshots = false): Kind {
  return {
    name: `qcow2, clusters of ${2 ** clusterBits}${over ? ', over another image' : ''}${snapshots ? ', with snapshots' : ''}`,
    file: () => {
      const file = new MemoryFile();
      createQcow2(file, { size: SECTORS * SECTOR, clusterBits, backing: over ? { name: 'base', format: 'raw' } : undefined });
      if (snapshots) {
        const image = new Qcow2Image(file);
        image.write(100 * SECTOR, new Uint8Array(300 * SECTOR));
        image.close();
        takeSnapshot(file, 'one', { seconds: 1, nanoseconds: 0 });
      }
      return new RecordingFile(file.bytes);
    },
    open: (file) => new Qcow2Image(file, over ? { backing: new RawImage(backing(), { readOnly: true }) } : {}),
    base: over ? baseValue : () => 0,
    qcow2: true,
  };
}

const KINDS: readonly Kind[] = [
  {
    name: 'raw',
    file: () => new RecordingFile(new Uint8Array(SECTORS * SECTOR)),
    open: (file) => new RawImage(file),
    base: () => 0,
    qcow2: false,
  },
  qcow2(16, false),
  qcow2(12, true),
  qcow2(9, false),
  qcow2(9, true),
  qcow2(10, false, true),
];

for (const kind of KINDS) {
  for (const mode of ['nothing', 'any part'] as const) {
    test(`${kind.name}: what was flushed survives when ${mode} of the rest does`, () => {
      const random = randomSource(kind.name.length * 31 + mode.length);
      const file = kind.file();
      const guest = new Guest(file, kind.open(file));
      work(guest, random);
      assert.ok(file.calls.length > 200);
      for (let cut = 0; cut < CUTS; cut++) {
        const calls = random(file.calls.length + 1);
        const left = mode === 'nothing' ? file.lost(calls) : file.lost(calls, () => random(2) === 0);
        const what = `cut ${cut}, after ${calls} of ${file.calls.length} calls`;
        if (kind.qcow2) {
          const { errors, lines } = checkQcow2(left);
          assert.is(errors, 0, `${what}: ${lines[0]}`);
        }
        guest.compare(kind.open(left), calls, kind.base, what);
      }
    });
  }
}

test('an image that forgets the order of its writes would be found out', () => {
  // The same file without its syncs but the last ones: tables are lost that what is kept relies on.
  const random = randomSource(5);
  const kind = qcow2(9, false);
  const file = kind.file();
  const guest = new Guest(file, kind.open(file));
  work(guest, random);
  const syncless = new RecordingFile(kind.file().bytes);
  syncless.calls.push(...file.calls.filter(({ kind: call }) => call !== 'sync'));
  let found = 0;
  for (let cut = 0; cut < 20; cut++) found += checkQcow2(syncless.lost(syncless.calls.length, () => random(2) === 0)).errors > 0 ? 1 : 0;
  assert.ok(found > 0);
});

test.run();
