/** Marks in a run, causes of exits, and what differs between two runs. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { causeName, causeOf } from '../../../vmm/exit-log/cause.ts';
import { differences } from '../../../vmm/exit-log/difference.ts';
import { ExitLogKeeper } from '../../../vmm/exit-log/keeper.ts';
import { codeMoves } from '../../../vmm/exit-log/kernel-place.ts';
import { type Mark, Phases } from '../../../vmm/exit-log/marks.ts';
import { eachExit } from '../../../vmm/exit-log/record.ts';
import type { TallyRow } from '../../../vmm/exit-log/tally.ts';
import { EXIT, smallMachine } from './small-machine.ts';

/** mov al, value; out dx, al with DX = port */
const out = (port: number, value: number): number[] => [0x66, 0xba, port & 255, port >> 8, 0xb0, value, 0xee];
const says = (text: string): number[] => [...text].flatMap((c) => out(0x3f8, c.charCodeAt(0)));

/** Runs the code with a log; calls for each exit. */
function run(code: readonly number[], each: (view: DataView, at: number) => void): void {
  const m = smallMachine([...code, ...out(EXIT, 1)]);
  const keeper = new ExitLogKeeper(m.vm, (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    eachExit(view, (at) => {
      each(view, at);
      return true;
    });
  });
  m.run({ insns: 1_000_000 });
  keeper.end();
}

test('marks divide a run: a text of the console, a value at a port, one after the other', () => {
  const code = [...says('aabaabx'), ...out(0x80, 1), ...out(0x80, 2), ...says('login:'), ...out(0x80, 2)];
  const marks: Mark[] = [
    // The end of one try is the beginning of the next.
    { kind: 'serial', text: 'aabx' },
    { kind: 'port', port: 0x80, value: 2 },
    { kind: 'serial', text: 'login:' },
    { kind: 'port', port: 0x80 },
  ];
  const phases = new Phases(marks);
  const counts = [0, 0, 0, 0, 0];
  run(code, (view, at) => {
    if (!causeName(causeOf(view, at)).startsWith('IO')) {
      phases.take(view, at);
      return;
    }
    (counts[phases.take(view, at)] as number)++;
  });
  assert.equal(counts, [7, 2, 6, 1, 1]);
  assert.equal(
    phases.met.map(({ mark }) => mark),
    marks,
  );
  const times = phases.met.map(({ timeNs }) => timeNs);
  assert.equal(
    times,
    [...times].sort((a, b) => a - b),
  );
});

test('the divisor latch of the console is no text of it, and the last lines are kept for a mark that is missed', () => {
  const code = [...says('one\nA'), ...out(0x3fb, 0x80), ...says('B'), ...out(0x3fb, 3), ...says('C\nlast')];
  const phases = new Phases([
    { kind: 'serial', text: 'AC' },
    { kind: 'serial', text: 'never' },
  ]);
  run(code, (view, at) => phases.take(view, at));
  assert.is(phases.met.length, 1);
  assert.equal(phases.console.lines(2), ['AC', 'last']);
});

test('a cause is what an exit asks for, without where', () => {
  const names: string[] = [];
  // out 80h; in al,71h; mov ecx,10h; wrmsr; mov eax,1; cpuid; mov eax,[fee00020h]; mov eax,[fec00000h]
  const code = [
    ...out(0x80, 1),
    ...[0xe4, 0x71, 0xb9, 0x10, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2],
    ...[0xa1, 0x20, 0, 0xe0, 0xfe, 0xa1, 0, 0, 0xc0, 0xfe],
  ];
  run(code, (view, at) => names.push(causeName(causeOf(view, at))));
  assert.equal(
    names.filter((name) => !name.startsWith('EPT_VIOLATION')),
    [
      'IO_INSTRUCTION out 0x80',
      'IO_INSTRUCTION in 0x71',
      'MSR_WRITE 0x10',
      'CPUID leaf 0x1',
      'APIC_ACCESS read of register 0x20',
      'EPT_MISCONFIG page 0xfec00000',
      'IO_INSTRUCTION out 0xf4',
    ],
  );
  assert.ok(names.some((name) => name === 'EPT_VIOLATION fetch' || name === 'EPT_VIOLATION read'));
});

const row = (key: string, count: number, timeNs: number): TallyRow => ({ key, count, timeNs, minNs: 0, maxNs: 0 });

test('differences are new, gone, more, less or slower, the weightiest first', () => {
  const before = [row('same', 5, 50), row('gone', 1, 1000), row('more', 2, 10), row('less', 9, 90), row('slower', 3, 30)];
  const after = [row('same', 5, 50), row('more', 3, 15), row('less', 8, 80), row('slower', 3, 90), row('new', 7, 7)];
  assert.equal(
    differences(before, after).map(({ key, what }) => `${key}: ${what}`),
    ['gone: gone', 'slower: time', 'new: new', 'more: more', 'less: less'],
  );
  assert.equal(differences(before, before), []);
});

const kernelMove = (a: readonly bigint[], b: readonly bigint[]): bigint =>
  codeMoves({ entry: undefined, addresses: a }, { entry: undefined, addresses: b }).kernel;

test('a kernel that moved itself is found where it went', () => {
  const base = 0xffff_ffff_8100_0000n;
  const code = [0x1234n, 0x5678n, 0x20_1111n, 0x40_2222n].map((offset) => base + offset);
  const low = [0x7fff_0000n, 0x40_0000n];
  for (const shift of [0n, 0x20_0000n, 0x1a00_0000n, -0x60_0000n]) {
    const there = code.map((address) => address + shift);
    assert.is(kernelMove([...low, ...code], [...there, ...low]), shift);
  }
  assert.is(kernelMove(code, [base + 0x99n]), 0n);
});

test.run();
