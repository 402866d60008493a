/** The statistics of kstat_io(9S): how queues are timed. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KstatIo } from '../../devices/kstat-io.ts';
import { type KstatSnapshot, format, formatParsable, KstatRegistry } from '../../vmm/kstat.ts';

function read(io: KstatIo): KstatSnapshot {
  return new KstatRegistry({ buffer: new SharedArrayBuffer(64), clock: [8] }).read(io.kstat('virtio_blk', 0, 'disk0'));
}

test('two requests, one after the other: waiting, served, and the integrals of both queues', () => {
  const io = new KstatIo();
  io.waitqEnter(1000);
  io.waitqToRunq(1000);
  io.waitqEnter(1300);
  io.runqExit(2000);
  io.transferred(false, 512);
  io.waitqToRunq(2000);
  io.runqExit(2500);
  io.transferred(true, 4096);
  const { nread, nwritten, reads, writes, wtime, wlentime, wlastupdate, rtime, rlentime, rlastupdate, wcnt, rcnt } = io;
  assert.equal([nread, nwritten, reads, writes], [512, 4096, 1, 1]);
  assert.equal([wtime, wlentime, wlastupdate, wcnt], [700, 700, 2000, 0]);
  assert.equal([rtime, rlentime, rlastupdate, rcnt], [1500, 1500, 2500, 0]);
});

test('the integral counts each of those that wait', () => {
  const io = new KstatIo();
  for (const at of [0, 10, 20]) io.waitqEnter(at);
  io.waitqExit(50);
  assert.equal([io.wtime, io.wlentime, io.wcnt], [50, 10 + 20 + 90, 2]);
  io.waitqExit(60);
  io.waitqExit(70);
  assert.equal([io.wtime, io.wlentime, io.wcnt], [70, 150, 0]);
  io.waitqEnter(1000);
  assert.equal([io.wtime, io.wlentime], [70, 150], 'an empty queue takes no time');
});

test('printed as an I/O kstat of illumos: counts as numbers, times as seconds', () => {
  const io = new KstatIo();
  io.waitqEnter(5);
  io.waitqToRunq(1_500_000_005);
  io.runqExit(3_500_000_005);
  io.transferred(false, 8192);
  const snapshot = read(io);
  assert.is(
    format(snapshot).replaceAll('\t', ''),
    `${[
      'module: virtio_blk                      instance: 0     ',
      'name:   disk0                           class:    disk',
      ...[
        ['crtime', '0.000000000'],
        ['nread', '8192'],
        ['nwritten', '0'],
        ['rcnt', '0'],
        ['reads', '1'],
        ['rlastupdate', '3.500000005'],
        ['rlentime', '2.000000000'],
        ['rtime', '2.000000000'],
        ['snaptime', '0.000000000'],
        ['wcnt', '0'],
        ['wlastupdate', '1.500000005'],
        ['wlentime', '1.500000000'],
        ['writes', '0'],
        ['wtime', '1.500000000'],
      ].map(([name, value]) => `${(name as string).padEnd(32)}${value}`),
    ].join('\n')}\n\n`,
  );
  assert.match(formatParsable(snapshot), /^virtio_blk:0:disk0:class\tdisk\n/);
});

test('saved and restored it goes on', () => {
  const io = new KstatIo();
  io.waitqEnter(10);
  io.waitqToRunq(20);
  const other = new KstatIo();
  other.restore(JSON.parse(JSON.stringify(io.save())));
  for (const each of [io, other]) each.runqExit(100);
  assert.equal(other, io);
});

test('a state of a later clock counts no time backwards', () => {
  const io = new KstatIo();
  io.waitqEnter(1000);
  const other = new KstatIo();
  other.restore(io.save());
  other.waitqToRunq(400);
  other.runqExit(500);
  assert.equal([other.wtime, other.wlentime, other.rtime], [0, 0, 100]);
});

test.run();
