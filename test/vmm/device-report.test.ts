/** What a run says of its disks and NICs at its end. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KstatIo } from '../../devices/kstat-io.ts';
import { summaryLines } from '../../vmm/cli/summary.ts';
import { disksOf, nicsOf } from '../../vmm/device-report.ts';
import { KstatRegistry } from '../../vmm/kstat.ts';
import type { HostReport, VmReport } from '../../vmm/report.ts';

function registry(): KstatRegistry {
  const kstats = new KstatRegistry({ buffer: new SharedArrayBuffer(64), clock: [8] });
  const io = new KstatIo();
  io.waitqEnter(0);
  io.waitqToRunq(0);
  io.runqExit(61_638);
  io.transferred(false, 4096);
  io.transferred(true, 33 * 1048576);
  kstats.add(io.kstat('virtio_blk', 0, 'disk0'));
  const net = (name: string, stats: Record<string, number>): void => {
    const sources = Object.fromEntries(Object.entries(stats).map(([key, value]) => [key, { value }]));
    kstats.add({ module: 'virtio_net', instance: 0, name, class: 'net', crtime: 0, stats: sources });
  };
  net('net0', { ipackets64: 3, opackets64: 2, rbytes64: 20_000, obytes64: 200, ierrors: 1, oerrors: 2, norcvbuf: 9 });
  net('net0-protect', { macspoofed: 4, ipspoofed: 8 });
  return kstats;
}

const DISK = { name: 'disk0', reads: 1, writes: 1, readBytes: 4096, writtenBytes: 33 * 1048576, busyNs: 61_638 };
const NIC = { name: 'net0', packetsIn: 3, packetsOut: 2, bytesIn: 20_000, bytesOut: 200, dropped: 15 };

test('disks and NICs from their kstats; what a protection stopped was dropped', () => {
  assert.equal(disksOf(registry()), [DISK]);
  assert.equal(nicsOf(registry()), [NIC]);
});

const REPORT: VmReport = {
  instructions: 1,
  clockNs: 1,
  idleNs: 0,
  exits: [],
  exitsTotal: 0,
  exitTimeNs: 0,
  exitHash: '0',
  interrupts: [],
  pagesTouched: 0,
  disks: [],
  nics: [],
  engine: {},
};
const HOST: HostReport = { wallSeconds: 1, cpuSeconds: 1, mips: 1, startupMs: 1, peakRssBytes: 0 };

test('a line each in the summary, and none without them', () => {
  const of = (report: VmReport): string[] =>
    summaryLines('vm', { kind: 'power-off' }, report, HOST).filter((line) => /^(disk|net)/.test(line));
  assert.equal(of({ ...REPORT, disks: [DISK], nics: [NIC] }), [
    'disk0: 1 reads, 4,096 bytes; 1 writes, 33 MB; busy 61.6 us',
    'net0: 3 frames in, 20 kB; 2 out, 200 bytes; 15 dropped',
  ]);
  assert.equal(of(REPORT), []);
});

test.run();
