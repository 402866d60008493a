/** Two logs are held against each other: what differs, how it is ranked, what is the console's text, and where it begins. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { alikeExits } from '../../../vmm/exit-log/alike.ts';
import { firstStretch } from '../../../vmm/exit-log/beginning.ts';
import { compared, type Comparison, survey, TEXT } from '../../../vmm/exit-log/comparison.ts';
import { codeMoves, unmoved } from '../../../vmm/exit-log/kernel-place.ts';
import { ExitLogReader } from '../../../vmm/exit-log/reader.ts';
import { closingRecord, FLAG_VALUE, headerOf, RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { type RunLog, runLog } from '../../../vmm/exit-log/run-log.ts';
import type { TallyKey } from '../../../vmm/exit-log/tally.ts';
import { EXIT_REASON } from '../../../vmm/exit-reason.ts';

interface Exit {
  readonly reason: number;
  readonly qualification?: number;
  readonly subject?: number;
  readonly value?: number;
  readonly rip?: bigint;
}

const IN = 8;
const io = (port: number, direction: number, value = 0): Exit => ({
  reason: EXIT_REASON.IO_INSTRUCTION,
  qualification: port * 0x1_0000 + direction,
  value,
});
const rdmsr = (subject: number): Exit => ({ reason: EXIT_REASON.MSR_READ, subject });
const tick: Exit = { reason: EXIT_REASON.MSR_WRITE, subject: 0x6e0 };

/** As Linux writes a message: the interrupt off, each byte when there is room, the interrupt on. */
function says(line: string, polls = 1): Exit[] {
  const bytes = [...`${line}\n`].flatMap((c) => [...Array.from({ length: polls }, () => io(0x3fd, IN)), io(0x3f8, 0, c.charCodeAt(0))]);
  return [io(0x3f9, IN), io(0x3f9, 0), ...bytes, io(0x3fd, IN), io(0x3f9, 0)];
}

function log(exits: readonly Exit[], costs = 1000): RunLog {
  const header = headerOf({ name: 'made', vcpus: 1 });
  const bytes = new Uint8Array(header.length + (exits.length + 1) * RECORD_BYTES);
  bytes.set(header);
  const view = new DataView(bytes.buffer);
  exits.forEach(({ reason, qualification = 0, subject = 0, value, rip = 0x1000n }, i) => {
    const at = header.length + i * RECORD_BYTES;
    view.setBigUint64(at + EXIT_RECORD.TIME, BigInt(i * costs), true);
    view.setBigUint64(at + EXIT_RECORD.RIP, rip, true);
    view.setUint32(at + EXIT_RECORD.QUALIFICATION, qualification, true);
    view.setUint32(at + EXIT_RECORD.SUBJECT, subject, true);
    view.setUint32(at + EXIT_RECORD.VALUE, value ?? 0, true);
    view.setUint32(at + EXIT_RECORD.COST, costs, true);
    view.setUint8(at + EXIT_RECORD.REASON, reason);
    view.setUint8(at + EXIT_RECORD.FLAGS, value === undefined ? 0 : FLAG_VALUE);
  });
  bytes.set(closingRecord(exits.length, exits.length * costs, exits.length), bytes.length - RECORD_BYTES);
  return runLog(() => {
    let from = 0;
    return new ExitLogReader({
      read(into, at) {
        const piece = bytes.subarray(from, from + into.length - at);
        into.set(piece, at);
        from += piece.length;
        return piece.length;
      },
      close() {},
    });
  });
}

function held(a: readonly Exit[], b: readonly Exit[], by: TallyKey = 'cause'): Comparison {
  const name = (address: bigint): string => `0x${address.toString(16)}`;
  return compared(survey(log(a)), survey(log(b)), { by, marks: [], filter: () => true, names: [name, name] });
}

const rows = ({ phases }: Comparison): string[] => (phases[0] ?? []).map(({ what, key, slight }) => `${slight ? '(' : ''}${what} ${key}`);

test('an exit that is inserted anywhere is found exactly there', () => {
  const causes = [rdmsr(0x10), io(0x71, IN), tick, io(0x80, 0)];
  const run = Array.from({ length: 12_000 }, (_, i) => causes[(i * 7 + (i >> 3)) % causes.length] as Exit);
  const { length } = run;
  for (const at of [0, 1, 4095, 4096, 4097, 8191, length - 1, length]) {
    const inserted = [...run.slice(0, at), { reason: EXIT_REASON.HLT }, ...run.slice(at)];
    const found = held(run, inserted);
    assert.equal(rows(found), ['new HLT']);
    assert.is(found.begins?.after?.number, at + 1);
    assert.is(found.begins?.after?.cause, 'HLT');
    assert.is(found.alike, at);
    assert.is(held(inserted, run).begins?.before?.number, at + 1);
  }
  // Of a cause that there is more of: where the order of exits is no longer the same.
  const more = held(run, [...run.slice(0, 700), ...[rdmsr(0x10), rdmsr(0x10), rdmsr(0x10)], ...run.slice(700)]);
  assert.equal(rows(more), ['(more MSR_READ 0x10']);
  assert.ok(Math.abs((more.begins?.after?.number ?? 0) - 701) <= 3, String(more.begins?.after?.number));
});

test('runs that are alike do not differ, and begin to nowhere', () => {
  const run = [...says('hello'), rdmsr(0x10)];
  const found = held(run, run);
  assert.equal([rows(found), found.begins, found.alike], [[], undefined, run.length]);
});

test('a run that goes on differs where the other one ends', () => {
  const run = Array.from({ length: 70_000 }, (_, i) => rdmsr(i & 3));
  assert.is(alikeExits(log(run), log(run.slice(0, 66_000))), 66_000);
  assert.is(alikeExits(log(run), log(run)), 70_000);
  assert.is(alikeExits(log([]), log(run)), 0);
});

test('what more text costs is one row, below a cause and above what is chance', () => {
  const ticks = Array.from({ length: 50 }, () => tick);
  const before = [...says('[ 0.1] boot'), rdmsr(0x10), ...ticks, ...says('[ 0.2] done')];
  const after = [
    ...says('[ 0.1] boot'),
    rdmsr(0x11),
    ...ticks,
    tick,
    ...says('[ 0.2] a long line, which the other lacks'),
    ...says('[ 0.3] done'),
  ];
  const found = held(before, after);
  assert.equal(rows(found), ['gone MSR_READ 0x10', 'new MSR_READ 0x11', `new ${TEXT}`, '(more MSR_WRITE 0x6e0']);
  assert.equal([found.lines.removed, found.lines.added], [[], ['[ 0.2] a long line, which the other lacks']]);
  assert.is(found.phases[0]?.[2]?.after, says('[ 0.2] a long line, which the other lacks').length);
});

test('a driver that polls more for the same text is a cause', () => {
  assert.equal(rows(held(says('hello'), says('hello', 5))), ['more IO_INSTRUCTION in 0x3fd']);
});

test('accesses to COM1 that write nothing are no text', () => {
  const probe = [io(0x3fb, 0, 3), io(0x3f9, IN), io(0x3fc, 0)];
  assert.equal(rows(held([...says('one'), rdmsr(1), ...probe, ...says('two')], [...says('one'), rdmsr(1), ...says('three')])), [
    'gone IO_INSTRUCTION out 0x3fb',
    'gone IO_INSTRUCTION out 0x3fc',
    `more ${TEXT}`,
    '(less IO_INSTRUCTION in 0x3f9',
  ]);
});

test('what changed at one place is seen among many of its like elsewhere', () => {
  const many = Array.from({ length: 90 }, () => io(0x71, IN));
  const twelve = Array.from({ length: 12 }, () => io(0x71, IN));
  const before = [...many, ...says('clock'), ...says('end')];
  const after = [...many, ...says('clock'), ...twelve, ...says('end')];
  const found = held(before, after);
  assert.equal(rows(found), ['more IO_INSTRUCTION in 0x71']);
  assert.is(found.lines.begins[found.begins?.stretch ?? 0], 'clock');
  assert.is(found.begins?.after?.number, many.length + says('clock').length + 1);
  assert.is(found.begins?.before?.cause, 'IO_INSTRUCTION in 0x3f9');
  // All over the place it is chance.
  assert.equal(rows(held(many, [...many, ...twelve])), ['(more IO_INSTRUCTION in 0x71']);
});

test('ticks that keep pace with a longer run are chance, other exits are not', () => {
  const work = (n: number): Exit[] => Array.from({ length: n }, (_, i) => (i % 10 === 0 ? tick : rdmsr(0x10)));
  assert.equal(rows(held([...work(1000), rdmsr(5)], [...work(2000), rdmsr(6)])).slice(0, 2), ['gone MSR_READ 0x5', 'new MSR_READ 0x6']);
});

test('where an interrupt came is no address of interest', () => {
  const interrupt = (rip: bigint): Exit => ({ reason: EXIT_REASON.EXTERNAL_INTERRUPT, rip });
  assert.equal(rows(held([interrupt(1n), rdmsr(1)], [interrupt(2n), rdmsr(1)], 'rip')), []);
});

test('a timer that falls on either side of lines begins to differ where it gets ahead for good', () => {
  const counts = (list: readonly number[]): Int32Array => Int32Array.from(list);
  assert.is(firstStretch(counts([2, 2, 2, 2]), counts([2, 2, 5, 2])), 2);
  assert.is(firstStretch(counts([2, 2, 2, 2, 2, 2]), counts([3, 1, 2, 40, 50, 2])), 3);
  assert.is(firstStretch(counts([0, 0, 0]), counts([0, 0, 0])), -1);
});

test('code that moved is found by the entry of SYSCALL, and each part of it by its own move', () => {
  const text = 0xffff_ffff_8120_0000n;
  const module = 0xffff_ffff_c012_3000n;
  const [user, early] = [0x40_fbd0n, 0x1234_0000n];
  const before = { entry: text, addresses: [text + 5n, module + 7n, module + 0x99n, user, early, early + 9n] };
  const after = {
    entry: text + 0x1c0_0000n,
    addresses: [text + 0x1c0_0005n, module + 0x5007n, module + 0x5099n, user, early + 0x40_0000n, early + 0x40_0009n],
  };
  const moves = codeMoves(before, after);
  assert.equal(
    after.addresses.map((address) => unmoved(address, moves)),
    before.addresses,
  );
});

test.run();
