/** Addresses that are watched, and text of a virtio console, in the log of exits. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { asideAt, eventAt, type MarkEvent, type TextEvent } from '../../../vmm/exit-log/describe.ts';
import { ExitLogKeeper } from '../../../vmm/exit-log/keeper.ts';
import { type Mark, Phases } from '../../../vmm/exit-log/marks.ts';
import { eachExit } from '../../../vmm/exit-log/record.ts';
import type { Machine } from '../../../vmm/machine.ts';
import { CODE } from '../guests.ts';
import { EXIT, smallMachine } from './small-machine.ts';

interface Log {
  readonly marks: MarkEvent[];
  /** Exits without their time of the host; the last instruction's count of all. */
  readonly exits: unknown[];
  readonly instructions: number;
  readonly phases: Phases;
  /** How many exits had come at each mark. */
  readonly before: number[];
}

function run(m: Machine, watch: readonly bigint[], marks: readonly Mark[] = []): Log {
  const log = { marks: [] as MarkEvent[], exits: [] as unknown[], phases: new Phases(marks), before: [] as number[] };
  const take = (bytes: Uint8Array): void => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    eachExit(
      view,
      (at, chain) => {
        log.exits.push(eventAt(view, at, chain));
        log.phases.take(view, at);
        return true;
      },
      (at) => {
        log.marks.push(asideAt(view, at) as MarkEvent);
        log.before.push(log.exits.length);
        log.phases.takeAside(view, at);
        return true;
      },
    );
  };
  const keeper = new ExitLogKeeper(m.vm, take, { watch });
  for (let insns = 1000; m.run({ insns }).kind === 'limit' && insns < 100_000; insns += 1000) keeper.drain();
  keeper.end();
  return { ...log, instructions: m.vcpu.instructions };
}

/** mov al, value; out port, al */
const out = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];

// 0: mov ecx,100; 5: dec ecx; 6: nop; 7: jnz 5; 9: out 80h; 13: nop; 14: out f4h
const LOOP = [0xb9, 100, 0, 0, 0, 0x49, 0x90, 0x75, 0xfc, ...out(0x80, 1), 0x90, ...out(EXIT, 3)];
const at = (offset: number): bigint => BigInt(CODE + offset);

test('an address that is reached without an exit is a mark, each time, before its instruction, and the guest does not notice', () => {
  const plain = run(smallMachine(LOOP), []);
  const watched = run(smallMachine(LOOP), [at(6), at(13)]);
  assert.is(watched.marks.length, 101);
  assert.is(watched.marks[0]?.mark, `0x${at(6).toString(16)}`);
  assert.is(watched.marks[0]?.instructions, 2);
  assert.is(watched.marks[99]?.instructions, 2 + 99 * 3);
  assert.is(watched.marks[100]?.mark, `0x${at(13).toString(16)}`);
  assert.equal(watched.exits, plain.exits);
  assert.is(watched.instructions, plain.instructions);
});

test('marks of addresses divide a run: what the instruction does belongs to the phase that begins', () => {
  // The OUT at 11 exits itself.
  const marks: Mark[] = [
    { kind: 'address', address: at(6) },
    { kind: 'address', address: at(6) },
    { kind: 'address', address: at(11) },
    { kind: 'address', address: at(13) },
  ];
  const { phases } = run(smallMachine(LOOP), [at(6), at(11), at(13)], marks);
  const base = phases.met[0]?.exits as number;
  assert.equal(
    phases.met.map(({ instructions, exits }) => [instructions, exits - base]),
    [
      [2, 0],
      [5, 0],
      [302, 0],
      [303, 1],
    ],
  );
});

test('without watching, an address is a mark when its instruction exits', () => {
  const marks: Mark[] = [
    { kind: 'address', address: at(11) },
    { kind: 'port', port: EXIT },
  ];
  const { phases } = run(smallMachine(LOOP), [], marks);
  assert.equal(
    phases.met.map(({ instructions }) => instructions),
    [302, 305],
  );
});

test('code that was decoded before, that crosses a page and that the guest writes itself is watched alike', () => {
  const m = smallMachine(LOOP);
  m.run({ insns: 50 });
  assert.is(run(m, [at(5)]).marks.length, 100 - 17);
  // jmp to 8 bytes before the page's end: nop x6; mov eax,imm32 across it; out f4h
  const jump = 0x1000 - 8 - 12 - 5;
  const crossing = [0xe9, jump & 255, jump >> 8, 0, 0, ...Array<number>(jump).fill(0xcc), ...Array<number>(6).fill(0x90), 0xb8, 1, 2, 3, 4];
  const inside = run(smallMachine([...crossing, ...out(EXIT, 3)]), [at(crossing.length - 5), at(crossing.length), at(2)]);
  assert.equal(
    inside.marks.map(({ mark }) => BigInt(mark)),
    [at(crossing.length - 5), at(crossing.length)],
  );
  // mov byte [18],90h over an int3; jmp there; then out
  const own = [0xc6, 0x05, ...word(CODE + 14), 0x90, 0xeb, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0x90, ...out(EXIT, 3)];
  assert.equal(
    run(smallMachine(own), [at(14)]).marks.map(({ instructions }) => instructions),
    [2],
  );
});

function word(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
}

test('every instruction of a run can be watched, and each is met as often as it runs, however the run is cut', () => {
  const offsets = [0, 5, 6, 7, 9, 11, 13, 14, 16];
  const watched = run(smallMachine(LOOP), offsets.map(at));
  assert.is(watched.marks.length, 1 + 300 + 5);
  assert.equal(
    watched.marks.map(({ instructions }) => instructions),
    watched.marks.map((_, i) => i),
  );
});

test('a stop that is asked for at a mark comes before its instruction, and the mark is not met again', () => {
  const m = smallMachine(LOOP);
  const stops: number[] = [];
  m.vm.watch([at(9)]);
  m.vm.onWatch = () => stops.push(m.vcpu.instructions);
  m.run({ insns: 1000 });
  assert.equal(stops, [301]);
});

test('more addresses than can be watched are refused', () => {
  const m = smallMachine(LOOP);
  assert.throws(() => m.vm.watch(Array.from({ length: 17 }, (_, i) => BigInt(i))), /at most 16/);
});

test('text of a console stands behind the exit during which it came, whole, however much it is', () => {
  const m = smallMachine(LOOP);
  let text = '';
  let exits = 0;
  const order: string[] = [];
  const keeper = new ExitLogKeeper(m.vm, (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    eachExit(
      view,
      () => {
        order.push(`exit ${++exits}`);
        return true;
      },
      (place) => {
        const said = (asideAt(view, place) as TextEvent).text;
        if (text === '') order.push(`text after ${exits}`);
        text += said;
        return said.length <= EXIT_RECORD.TEXT_EACH;
      },
    );
  });
  m.run({ insns: 302 });
  const long = `${'0123456789'.repeat(400_000)}.`;
  for (const c of long) m.vm.onConsoleByte?.(c.charCodeAt(0));
  m.run({ insns: 1000 });
  keeper.end();
  assert.is(text.length, long.length);
  assert.is(text, long);
  assert.ok(
    order.indexOf(`text after ${exits - 2}`) > 0,
    `text stands before the last two exits: ${order.filter((o) => o.startsWith('t'))}`,
  );
});

test('a mark of text on a virtio console is met', () => {
  const m = smallMachine(LOOP);
  const phases = new Phases([
    { kind: 'serial', text: 'ready' },
    { kind: 'port', port: EXIT },
  ]);
  const keeper = new ExitLogKeeper(m.vm, (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    eachExit(
      view,
      (place) => phases.take(view, place) >= 0,
      (place) => {
        phases.takeAside(view, place);
        return true;
      },
    );
  });
  m.run({ insns: 303 });
  for (const c of 'it is ready now') m.vm.onConsoleByte?.(c.charCodeAt(0));
  m.run({ insns: 1000 });
  keeper.end();
  assert.is(phases.met.length, 2);
  assert.equal(phases.console.lines(1), ['it is ready now']);
});

test.run();
