/** The HPET: counter, one-shot and periodic timers, edges, levels and messages, the places of PIT and RTC, save and restore. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Hpet } from '../../devices/hpet.ts';
import { spoiled } from './fake-board.ts';
import { FakeClock, FakeLine } from './fake.ts';

interface Bench {
  readonly clock: FakeClock;
  readonly hpet: Hpet;
  readonly line: FakeLine;
  readonly timer: FakeLine;
  readonly rtc: FakeLine;
  readonly messages: number[][];
  readonly legacy: boolean[];
}

function bench(now = 0): Bench {
  const clock = new FakeClock(now);
  const [line, timer, rtc] = [new FakeLine(), new FakeLine(), new FakeLine()];
  const messages: number[][] = [];
  const legacy: boolean[] = [];
  const hpet = new Hpet({
    clock,
    routes: new Map([[6, line]]),
    timer,
    rtc,
    legacy: (on) => legacy.push(on),
    signalMsi: (address, data) => messages.push([address, data]),
  });
  return { clock, hpet, line, timer, rtc, messages, legacy };
}

const EDGE_6 = 4 | (6 << 9);
const write = ({ hpet }: Bench, at: number, value: number): void => hpet.mmioWrite(at, 4, value);
const read = ({ hpet }: Bench, at: number): number => hpet.mmioRead(at, 4);

test('the capabilities say what there is: three timers, 32 bits, legacy replacement, 10 ns', () => {
  const b = bench();
  assert.equal([read(b, 0), read(b, 4)], [0x80868201, 10_000_000]);
  assert.equal([read(b, 0x100), read(b, 0x104)], [0x8010, 1 << 6]);
  assert.equal([b.hpet.mmioRead(2, 2), b.hpet.mmioRead(1, 1), read(b, 0x160), read(b, 0x3fc)], [0x8086, 0x82, 0, 0]);
});

test('the counter runs while it is enabled, wraps at 32 bits, and holds what it is given', () => {
  const b = bench(777);
  b.clock.run(1000);
  assert.is(read(b, 0xf0), 0);
  write(b, 0x10, 1);
  b.clock.run(1005);
  assert.is(read(b, 0xf0), 100);
  write(b, 0x10, 0);
  b.clock.run(1000);
  assert.is(read(b, 0xf0), 100);
  write(b, 0xf0, 0xffff_ffff);
  write(b, 0x10, 1);
  b.clock.run(20);
  assert.is(read(b, 0xf0), 1);
});

test('a timer fires once when the counter comes to it, as an edge', () => {
  const b = bench();
  write(b, 0x100, EDGE_6);
  write(b, 0x108, 50);
  write(b, 0x10, 1);
  b.clock.run(499);
  assert.is(b.line.rises, 0);
  b.clock.run(1);
  assert.equal([b.line.rises, b.line.level, read(b, 0x20)], [1, false, 0]);
  b.clock.run(1_000_000_000);
  assert.is(b.line.rises, 1);
  b.clock.run(2 ** 32 * 10);
  assert.is(b.line.rises, 2, 'again after a whole turn');
});

test('a level stays until its status bit is cleared', () => {
  const b = bench();
  write(b, 0x120, EDGE_6 | 2);
  write(b, 0x128, 10);
  write(b, 0x10, 1);
  b.clock.run(200);
  assert.equal([b.line.level, read(b, 0x20)], [true, 2]);
  write(b, 0x20, 1);
  assert.is(b.line.level, true);
  write(b, 0x20, 2);
  assert.equal([b.line.level, read(b, 0x20)], [false, 0]);
});

test('a periodic timer: the first write after VAL_SET sets the comparator, the next one the period', () => {
  const b = bench();
  write(b, 0x100, EDGE_6 | 8 | 0x40);
  write(b, 0x108, 1000);
  write(b, 0x108, 200);
  write(b, 0x10, 1);
  b.clock.run(9_999);
  assert.is(b.line.rises, 0);
  b.clock.run(1);
  assert.is(b.line.rises, 1);
  b.clock.run(20_000);
  assert.is(b.line.rises, 11);
  assert.is(read(b, 0x108), 3200);
});

test('a period of one tick, or of none, keeps nobody busy', () => {
  for (const period of [0, 1, 5]) {
    const b = bench();
    write(b, 0x100, EDGE_6 | 8 | 0x40);
    write(b, 0x108, 10);
    write(b, 0x108, period);
    write(b, 0x10, 1);
    b.clock.run(1_000_000);
    assert.ok(b.line.rises <= 1_000_000 / 10 / 124 + 2, `${period}: ${b.line.rises}`);
    assert.ok(b.line.rises > (period === 0 ? 0 : 700), `${period}: ${b.line.rises}`);
  }
});

test('with legacy replacement timers 0 and 1 are where the PIT and the RTC were', () => {
  const b = bench();
  write(b, 0x100, 4);
  write(b, 0x108, 10);
  write(b, 0x120, 4);
  write(b, 0x128, 20);
  write(b, 0x10, 3);
  b.clock.run(1000);
  assert.equal([b.timer.rises, b.rtc.rises, b.line.rises], [1, 1, 0]);
  write(b, 0x10, 1);
  assert.equal(b.legacy, [true, false]);
});

test('messages instead of a line', () => {
  const b = bench();
  write(b, 0x140, 4 | 0x4000);
  write(b, 0x150, 0x31);
  write(b, 0x154, 0xfee0_0000);
  write(b, 0x148, 10);
  write(b, 0x10, 1);
  b.clock.run(1000);
  assert.equal(b.messages, [[0xfee0_0000, 0x31]]);
});

test('a route that is not there is not taken; narrow writes are not', () => {
  const b = bench();
  write(b, 0x100, 6 << 9);
  write(b, 0x100, 7 << 9);
  assert.is((read(b, 0x100) >> 9) & 31, 6);
  b.hpet.mmioWrite(0x10, 1, 1);
  assert.is(read(b, 0x10), 0);
});

test('saved in the middle of a period and restored, it goes on; a reset stops it', () => {
  const b = bench();
  write(b, 0x100, EDGE_6 | 8 | 0x40);
  write(b, 0x108, 300);
  write(b, 0x120, EDGE_6 | 2);
  write(b, 0x128, 100);
  write(b, 0x10, 3);
  b.clock.run(4_000);
  const state = JSON.parse(JSON.stringify(b.hpet.save()));
  const other = bench(b.clock.now());
  other.hpet.restore(state);
  assert.equal(other.legacy, [true]);
  for (const each of [b, other]) each.clock.run(10_000);
  assert.equal(JSON.stringify(other.hpet.save()), JSON.stringify(b.hpet.save()));
  assert.is(other.timer.rises, b.timer.rises - 1);
  other.hpet.reset();
  assert.equal([read(other, 0xf0), read(other, 0x10), read(other, 0x20), other.clock.next], [0, 0, 0, Number.POSITIVE_INFINITY]);
  for (const bad of spoiled(state))
    assert.throws(
      () => other.hpet.restore(bad),
      (e: Error) => e.name === 'StateError',
    );
});

test.run();
