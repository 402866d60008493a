/** An exit log is read as far as it goes, and what is chosen from it is what was asked for. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { type ExitConditions, exitFilter } from '../../../vmm/exit-log/filter.ts';
import { ExitLogReader } from '../../../vmm/exit-log/reader.ts';
import { closingRecord, headerOf, RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { Tally } from '../../../vmm/exit-log/tally.ts';
import { EXIT_REASON } from '../../../vmm/exit-reason.ts';
import { Random } from '../../cpu/host-random.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-exit-log-'));
const test = suite('exit log');
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

interface Plain {
  readonly time: bigint;
  readonly rip: bigint;
  readonly cr3: bigint;
  readonly qualification: bigint;
  readonly subject: bigint;
  readonly reason: number;
  readonly vcpu: number;
  readonly cost: number;
}

function bytesOf(records: readonly Plain[]): Uint8Array {
  const bytes = new Uint8Array(records.length * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  records.forEach((r, i) => {
    const place = i * RECORD_BYTES;
    view.setBigUint64(place + EXIT_RECORD.TIME, r.time, true);
    view.setBigUint64(place + EXIT_RECORD.RIP, r.rip, true);
    view.setBigUint64(place + EXIT_RECORD.CR3, r.cr3, true);
    view.setBigUint64(place + EXIT_RECORD.QUALIFICATION, r.qualification, true);
    view.setBigUint64(place + EXIT_RECORD.SUBJECT, r.subject, true);
    view.setUint32(place + EXIT_RECORD.COST, r.cost, true);
    view.setUint8(place + EXIT_RECORD.REASON, r.reason);
    view.setUint8(place + EXIT_RECORD.VCPU, r.vcpu);
    view.setUint8(place + EXIT_RECORD.LENGTH, 2);
  });
  return bytes;
}

const REASONS = [EXIT_REASON.IO_INSTRUCTION, EXIT_REASON.MSR_WRITE, EXIT_REASON.EPT_MISCONFIG, EXIT_REASON.CPUID];

/** Records whose numbers lie around every boundary that a comparison in two halves has. */
function someRecords(count: number): Plain[] {
  const random = new Random(7);
  const edges = [
    0n,
    1n,
    0xffff_ffffn,
    0x1_0000_0000n,
    0x1_0000_0001n,
    0x7fff_ffff_ffff_ffffn,
    0xffff_ffff_8000_0000n,
    0xffff_ffff_ffff_ffffn,
  ];
  const pick = <T>(list: readonly T[]): T => random.pick(list);
  return Array.from({ length: count }, (_, i) => ({
    time: BigInt(i) * 1000n,
    rip: pick(edges),
    cr3: pick(edges),
    qualification: BigInt(pick([0x70, 0x71, 0x3f8])) << 16n,
    subject: pick(edges),
    reason: pick(REASONS),
    vcpu: random.below(2),
    cost: 1000 + random.below(9),
  }));
}

function write(name: string, records: readonly Plain[]): string {
  const path = at(name);
  writeFileSync(
    path,
    Buffer.concat([headerOf({ name: 'a guest', vcpus: 2 }), bytesOf(records), closingRecord(records.length, 123_456, 777)]),
  );
  return path;
}

test('what was written is read', () => {
  const reader = new ExitLogReader(write('plain', someRecords(1000)));
  let seen = 0;
  const end = reader.read(() => {
    seen++;
    return true;
  });
  reader.close();
  assert.equal(reader.about, { name: 'a guest', vcpus: 2 });
  assert.equal(end, { records: 1000, complete: true, looseBytes: 0, damaged: 0, told: 1000, timeNs: 123_456, instructions: 777 });
  assert.is(seen, 1000);
});

test('of a log that was cut at any byte, every whole record before the cut is read, and the loss is told', () => {
  const path = write('cut', someRecords(5));
  const whole = readFileSync(path);
  const header = whole.length - 6 * RECORD_BYTES;
  for (let length = whole.length - 1; length >= 0; length--) {
    truncateSync(path, length);
    if (length < header) {
      assert.throws(() => new ExitLogReader(path), /is empty|is not a log of exits|ends in its header/);
      continue;
    }
    const reader = new ExitLogReader(path);
    const { records, complete, looseBytes } = reader.read(() => true);
    reader.close();
    assert.equal([records, complete, looseBytes], [Math.floor((length - header) / RECORD_BYTES), false, (length - header) % RECORD_BYTES]);
  }
});

test('a header that is not ours, or damaged in any byte, never throws anything but one line', () => {
  const path = write('header', someRecords(1));
  const whole = readFileSync(path);
  for (let i = 0; i < 96; i++) {
    for (const value of [0, 0x41, 0x7f, 0xff]) {
      const bytes = Buffer.from(whole);
      bytes[i] = value;
      writeFileSync(path, bytes);
      try {
        const reader = new ExitLogReader(path);
        reader.read(() => true);
        reader.close();
      } catch (error) {
        assert.is((error as Error).name, 'ExitLogError');
        assert.not.match((error as Error).message, /\n/);
      }
    }
  }
});

/** The same choice, made slowly. */
function chosen(records: readonly Plain[], c: ExitConditions): Plain[] {
  const inside = (value: bigint, range: { from: bigint; to: bigint } | undefined): boolean =>
    range === undefined || (value >= range.from && value <= range.to);
  return records.filter(
    (r) =>
      (c.reasons?.includes(r.reason) ?? true) &&
      (c.vcpu === undefined || r.vcpu === c.vcpu) &&
      inside(r.time, c.time) &&
      inside(r.rip, c.rip) &&
      inside(r.cr3, c.cr3) &&
      (c.port === undefined || (r.reason === EXIT_REASON.IO_INSTRUCTION && inside(r.qualification >> 16n, c.port))) &&
      (c.msr === undefined || (r.reason === EXIT_REASON.MSR_WRITE && inside(r.subject, c.msr))) &&
      (c.gpa === undefined || (r.reason === EXIT_REASON.EPT_MISCONFIG && inside(r.subject, c.gpa))),
  );
}

test('a filter chooses what its conditions say', () => {
  const records = someRecords(2000);
  const bytes = bytesOf(records);
  const view = new DataView(bytes.buffer);
  const edges = [0n, 1n, 0xffff_fffen, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0001n, 0xffff_ffff_8000_0000n, 0xffff_ffff_ffff_ffffn];
  const ranges = edges.flatMap((from) => edges.filter((to) => to >= from).map((to) => ({ from, to })));
  const conditions: ExitConditions[] = [
    {},
    { reasons: [EXIT_REASON.CPUID] },
    { vcpu: 1 },
    { reasons: [EXIT_REASON.CPUID, EXIT_REASON.IO_INSTRUCTION], vcpu: 0 },
    { port: { from: 0x70n, to: 0x71n } },
    { time: { from: 5000n, to: 70_000n } },
    ...ranges.flatMap((range) => [{ rip: range }, { cr3: range, vcpu: 1 }, { msr: range }, { gpa: range }]),
  ];
  for (const condition of conditions) {
    const filter = exitFilter(condition);
    const got = records.filter((_, i) => filter(view, i * RECORD_BYTES));
    assert.equal(got, chosen(records, condition));
  }
});

test('a tally counts each cause with its times, the most frequent first', () => {
  const records = someRecords(500);
  const view = new DataView(bytesOf(records).buffer);
  for (const key of ['rip', 'reason', 'port'] as const) {
    const tally = new Tally(key);
    for (let i = 0; i < records.length; i++) tally.add(view, i * RECORD_BYTES, 0);
    const rows = tally.rows();
    const counted = key === 'port' ? records.filter((r) => r.reason === EXIT_REASON.IO_INSTRUCTION) : records;
    assert.is(
      rows.reduce((sum, row) => sum + row.count, 0),
      counted.length,
    );
    assert.is(
      rows.reduce((sum, row) => sum + row.timeNs, 0),
      counted.reduce((sum, r) => sum + r.cost, 0),
    );
    for (const [i, row] of rows.entries()) assert.ok(i === 0 || row.count <= (rows[i - 1]?.count ?? 0));
  }
});

test.run();
