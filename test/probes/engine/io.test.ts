/** The io provider: a disk's requests as D programs see them, and its kstat. The driver is the test; device, clock, tracer and compiler are real. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError, type DiskImage } from '../../../devices/disk/image.ts';
import { DISK_LATENCY, VirtioBlk } from '../../../devices/virtio/blk.ts';
import { compile } from '../../../probes/d/compile.ts';
import { DEVICE_PROBE, listen, wanted } from '../../../probes/points.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { Board, FakeMemory, SplitDriver } from '../../devices/virtio/board.ts';
import { Guest } from '../../vmm/guest.ts';
import { AROUND, Traced, TracedProgram } from './traced.ts';

const test = suite('io');

test.after.each(() => {
  listen(null);
});

const registry = new ProbeRegistry();
const QUEUE_AT = 0x1000;
const HEADER = 0x4000;
const STATUS = 0x4100;
const DATA = 0x8000;
const IN = 0;
const OUT = 1;
const FLUSH = 4;

const image: DiskImage = {
  size: 1 << 20,
  readOnly: false,
  read(offset) {
    if (offset === 99 * 512) throw new DiskError('a bad sector');
  },
  write() {},
  flush() {},
  zero() {},
  discard() {},
  close() {},
};

class Bench {
  readonly guest = new Guest({ code: 'f4' });
  readonly memory = new FakeMemory();
  readonly blk: VirtioBlk;
  readonly board: Board;
  readonly queue: SplitDriver;
  #slots = 0;

  constructor() {
    const { clock } = this.guest.vm;
    // A time of 0 assigned to a variable would free it.
    clock.advance(500);
    const identity = {
      driver: 'virtio_blk',
      major: 254,
      instance: 3,
      name: 'disk3',
      path: '/devices/pci@0,0/disk',
      file: '/images/root.img',
      format: 'raw',
    };
    this.blk = new VirtioBlk({ memory: this.memory, clock, image, serial: 'x', identity });
    this.board = new Board(this.memory, this.blk);
    this.board.negotiate([32]);
    this.queue = new SplitDriver(this.board, 0, 16, QUEUE_AT);
    this.board.status = 0x0f;
  }

  /** The driver sends a request. */
  send(type: number, sector: number, bytes: number): void {
    const at = HEADER + 0x20 * this.#slots++;
    this.memory.view.setUint32(at, type, true);
    this.memory.view.setUint32(at + 8, sector, true);
    const data = bytes === 0 ? [] : [{ gpa: DATA, length: bytes, write: type === IN }];
    this.queue.add([{ gpa: at, length: 16 }, ...data, { gpa: STATUS, length: 1, write: true }]);
    this.queue.kick();
  }

  pass(ns: number): void {
    const { clock } = this.guest.vm;
    const end = clock.now() + ns;
    while (clock.next <= end) {
      clock.advance(clock.next);
      clock.fireDue();
    }
    clock.advance(end);
  }
}

function trace(bench: Bench, text: string): TracedProgram {
  const { program } = compile([{ form: 'program', name: 'test', text }], { probes: registry, options: { bufsize: 1 << 20 } });
  const { tracer, vm } = new Traced(bench.guest.vm);
  const running = tracer.add(program, AROUND, false);
  tracer.begin(running);
  return new TracedProgram(vm, program, running);
}

const read = DISK_LATENCY.read + Math.round(4096 * DISK_LATENCY.byte);
const write = DISK_LATENCY.write + Math.round(512 * DISK_LATENCY.byte);

test('what start and done tell of a request', () => {
  const bench = new Bench();
  const program = trace(
    bench,
    `io::blk:start, io::blk:done {
       trace(args[0]->b_flags); trace(args[0]->b_bcount); trace((uint64_t)args[0]->b_addr); trace(args[0]->b_blkno); trace(args[0]->b_lblkno);
       trace(args[0]->b_resid); trace(args[0]->b_bufsize); trace(args[0]->b_error); trace(args[0]->b_edev); trace((uint64_t)args[0]->b_iodone);
     }`,
  );
  bench.send(IN, 8, 4096);
  bench.send(OUT, 40, 512);
  bench.send(IN, 99, 512);
  bench.pass(1e9);
  const edev = (254n << 32n) | 3n;
  const row = (name: string, flags: number, bytes: number, sector: number, left: number, error = 0): unknown[] => {
    const [b, n] = [BigInt(bytes), BigInt(sector)];
    return [name, BigInt(flags), b, BigInt(DATA), n, n, BigInt(left), b, BigInt(error), edev, 0n];
  };
  assert.equal(
    program.records().map(({ name, data }) => [name, ...data]),
    [
      row('start', 0x461, 4096, 8, 4096),
      row('start', 0x521, 512, 40, 512),
      row('start', 0x461, 512, 99, 512),
      row('done', 0x463, 4096, 8, 0),
      row('done', 0x523, 512, 40, 0),
      row('done', 0x467, 512, 99, 512, 5),
    ],
  );
});

test('which disk it is, and what stands behind it', () => {
  const bench = new Bench();
  const program = trace(
    bench,
    `io:::start {
       trace(args[1]->dev_major); trace(args[1]->dev_minor); trace(args[1]->dev_instance); trace(getmajor(args[0]->b_edev)); trace(getminor(args[0]->b_edev));
       trace(args[1]->dev_name); trace(args[1]->dev_statname); trace(args[1]->dev_pathname);
       trace(args[2]->fi_name); trace(args[2]->fi_dirname); trace(args[2]->fi_pathname); trace(args[2]->fi_fs); trace(args[2]->fi_mount);
       trace(args[2]->fi_offset); trace(args[2]->fi_oflags);
     }`,
  );
  bench.send(IN, 8, 512);
  assert.equal(program.records()[0]?.data, [
    254n,
    3n,
    3n,
    254n,
    3n,
    'virtio_blk',
    'disk3',
    '/devices/pci@0,0/disk',
    'root.img',
    '/images',
    '/images/root.img',
    'raw',
    '<none>',
    4096n,
    0n,
  ]);
});

test('arg0 tells requests apart, and is the same when one is done: its latency by the model', () => {
  const bench = new Bench();
  const program = trace(bench, 'io:::start { at[arg0] = timestamp; } io:::done /at[arg0]/ { trace(timestamp - at[arg0]); at[arg0] = 0; }');
  bench.send(IN, 8, 4096);
  bench.send(OUT, 16, 512);
  bench.send(IN, 24, 4096);
  bench.pass(1e9);
  assert.equal(
    program.records().map(({ data }) => Number(data[0])),
    [read, read + write, read + write + read],
  );
});

test('the classic key of device and block works as well', () => {
  const bench = new Bench();
  const program = trace(
    bench,
    `io:::start { at[args[0]->b_edev, args[0]->b_blkno] = timestamp; }
     io:::done /at[args[0]->b_edev, args[0]->b_blkno]/ { trace(timestamp - at[args[0]->b_edev, args[0]->b_blkno]); }`,
  );
  bench.send(OUT, 16, 512);
  bench.pass(1e9);
  assert.equal(program.records()[0]?.data, [BigInt(write)]);
});

test('the constants, and clauses of both probes with one set of arguments', () => {
  const bench = new Bench();
  const program = trace(
    bench,
    `io::: { trace(args[0]->b_flags & B_READ ? "R" : "W"); trace(args[0]->b_flags & B_WRITE); trace(args[0]->b_flags & B_DONE);
       trace(B_BUSY | B_ERROR | B_PAGEIO | B_PHYS | B_ASYNC); }`,
  );
  bench.send(OUT, 16, 512);
  bench.pass(1e9);
  assert.equal(
    program.records().map(({ data }) => data),
    [
      ['W', 256n, 0n, 0x435n],
      ['W', 256n, 2n, 0x435n],
    ],
  );
});

test('a flush is no transfer: no probe, but time in the queue', () => {
  const bench = new Bench();
  const program = trace(bench, 'io::: { trace(1); }');
  bench.send(FLUSH, 0, 0);
  bench.pass(1e9);
  assert.equal(program.records(), []);
  const { reads, writes, rtime, wcnt, rcnt } = bench.blk.requests.io;
  assert.equal([reads, writes, rtime, wcnt, rcnt], [0, 0, DISK_LATENCY.flush, 0, 0]);
});

test('while nobody traces io, nothing is made for it', () => {
  const bench = new Bench();
  assert.not(wanted(DEVICE_PROBE.IO_START));
  trace(bench, 'kvm-vexit { }');
  assert.not(wanted(DEVICE_PROBE.IO_START));
  trace(bench, 'io:::start { }');
  assert.ok(wanted(DEVICE_PROBE.IO_START));
  assert.not(wanted(DEVICE_PROBE.IO_DONE));
});

test('the kstat: transfers that succeed, bytes, and the time in both queues', () => {
  const bench = new Bench();
  bench.send(IN, 8, 4096);
  bench.send(OUT, 16, 512);
  bench.send(IN, 99, 512);
  const { io } = bench.blk.requests;
  assert.equal([io.wcnt, io.rcnt], [2, 1]);
  bench.pass(1e9);
  const failed = DISK_LATENCY.read;
  assert.equal([io.reads, io.writes, io.nread, io.nwritten, io.wcnt, io.rcnt], [1, 1, 4096, 512, 0, 0]);
  assert.equal([io.rtime, io.rlentime], [read + write + failed, read + write + failed]);
  assert.equal([io.wtime, io.wlentime], [read + write, 2 * read + write]);
});

test('a reset empties the queues and keeps what was counted', () => {
  const bench = new Bench();
  bench.send(IN, 8, 4096);
  bench.pass(1e9);
  bench.send(IN, 8, 4096);
  bench.send(IN, 16, 4096);
  bench.pass(1000);
  bench.board.status = 0;
  const { io } = bench.blk.requests;
  assert.equal([io.reads, io.wcnt, io.rcnt, io.wtime, io.rtime], [1, 0, 0, 1000, read + 1000]);
  bench.pass(1e9);
  assert.is(io.rtime, read + 1000);
});

test('saved with requests on the way, restored they end with the same probes and counts', () => {
  const bench = new Bench();
  bench.send(IN, 8, 4096);
  bench.send(OUT, 16, 512);
  bench.pass(1000);
  const state = JSON.parse(JSON.stringify(bench.blk.save()));
  const text = 'io:::done { trace(arg0); trace(args[0]->b_blkno); trace(args[0]->b_flags); }';
  const ended = (): unknown[] => {
    const program = trace(bench, text);
    bench.pass(1e6);
    const rows = program.records().map(({ data }) => data);
    listen(null);
    return rows;
  };
  const before = ended();
  const counted = bench.blk.requests.io.save();
  assert.is(before.length, 2);
  const other = new Bench();
  other.pass(1000);
  other.memory.bytes.set(bench.memory.bytes);
  other.blk.restore(state);
  const program = trace(other, text);
  other.pass(1e6);
  assert.equal(
    program.records().map(({ data }) => data),
    before,
  );
  assert.equal(other.blk.requests.io.save(), counted);
});

test.run();
