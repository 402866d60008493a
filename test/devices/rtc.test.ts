import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_EPOCH_SECONDS, Rtc, type RtcOptions } from '../../devices/rtc.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeClock, FakeLine } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

const SECOND = 1_000_000_000;
const [A, B, C, D] = [0x0a, 0x0b, 0x0c, 0x0d];
const [SET, PIE, AIE, UIE, DM, H24] = [0x80, 0x40, 0x20, 0x10, 0x04, 0x02];
const UIP_NS = 244_000 + 1_984_000;

function board(options: Partial<RtcOptions> = {}) {
  const clock = new FakeClock();
  const irq = new FakeLine(clock);
  const ports = new FakePorts();
  const rtc = new Rtc({ irq, clock, ...options });
  rtc.attach(ports);
  const get = (index: number) => {
    ports.write(0x70, index);
    return ports.read(0x71);
  };
  const put = (index: number, value: number) => {
    ports.write(0x70, index);
    ports.write(0x71, value);
  };
  return { clock, irq, ports, rtc, get, put };
}

const bcd = (value: number) => Math.floor(value / 10) * 16 + (value % 10);
const TIME = [0x32, 9, 8, 7, 6, 4, 2, 0];

test('starts at the epoch in BCD and 24 hours', () => {
  const { get } = board();
  assert.equal(TIME.map(get), [0x20, 0x26, 0x01, 0x01, 0x05, 0, 0, 0]); // 2026-01-01 is a Thursday
  assert.is(get(A), 0x26);
  assert.is(get(D), 0x80);
});

test('shows the calendar of any second, in all four formats', () => {
  const random = randomSource(7);
  for (let i = 0; i < 400; i++) {
    const epochSeconds = random(2 ** 32 - 1) + random(2) * 3 * 2 ** 32;
    const { get, put } = board({ epochSeconds });
    const binary = random(2) === 1;
    const day24 = random(2) === 1;
    put(B, (binary ? DM : 0) | (day24 ? H24 : 0));
    const date = new Date(epochSeconds * 1000);
    const hour = date.getUTCHours();
    const code = (value: number) => (binary ? value : bcd(value));
    const hourByte = day24 ? code(hour) : code(hour % 12 || 12) | (hour >= 12 ? 0x80 : 0);
    const year = date.getUTCFullYear();
    const rest = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay() + 1].map(code);
    const low = [code(date.getUTCMinutes()), code(date.getUTCSeconds())];
    assert.equal(
      TIME.map(get),
      [code(Math.floor(year / 100)), code(year % 100), rest[0], rest[1], rest[2], hourByte, ...low],
      date.toISOString(),
    );
  }
});

test('advances with the clock alone, through a leap day and a century', () => {
  const { get, clock } = board({ epochSeconds: Date.UTC(2099, 11, 31, 23, 59, 58) / 1000 });
  clock.run(SECOND - 1);
  assert.is(get(0), 0x58);
  clock.run(1);
  assert.is(get(0), 0x59);
  clock.run(SECOND);
  assert.equal(TIME.map(get), [0x21, 0x00, 0x01, 0x01, 0x06, 0, 0, 0]);
  clock.run(58 * 86_400 * SECOND);
  assert.equal([get(8), get(7)], [0x02, 0x28]);
  clock.run(86_400 * SECOND);
  assert.equal([get(8), get(7)], [0x03, 0x01]); // 2100 is no leap year
});

test('UIP is high for 244 us and the update cycle before each second, and never while SET or the divider holds the time', () => {
  const { get, put, clock } = board();
  clock.runTo(SECOND - UIP_NS - 1);
  assert.is(get(A) & 0x80, 0);
  clock.run(1);
  assert.is(get(A) & 0x80, 0x80);
  clock.runTo(SECOND - 1);
  assert.is(get(A) & 0x80, 0x80);
  put(B, SET | H24);
  assert.is(get(A) & 0x80, 0);
  put(B, H24);
  put(A, 0x76);
  assert.is(get(A), 0x76);
});

test('SET freezes the bytes for writing and time goes on from what was written', () => {
  const { get, put, clock } = board();
  clock.run(3 * SECOND + 400_000_000);
  put(B, SET | H24 | UIE);
  assert.is(get(B), SET | H24, 'SET clears UIE');
  clock.run(10 * SECOND);
  assert.is(get(0), 0x03);
  [0x19, 0x99, 0x12, 0x31, 0x06, 0x23, 0x59, 0x59].forEach((value, i) => {
    put(TIME[i], value);
  });
  put(B, H24);
  assert.is(get(0), 0x59);
  clock.run(SECOND - 400_000_000); // the divider chain kept its phase
  assert.equal(TIME.map(get), [0x20, 0, 0x01, 0x01, 0x07, 0, 0, 0]);
});

test("a day of the week of the guest's own choice counts on from there", () => {
  const { get, put, clock } = board();
  put(6, 1);
  clock.run(86_400 * SECOND);
  assert.is(get(6), 2);
});

test('the first update comes half a second after the divider leaves reset', () => {
  const { get, put, clock } = board();
  clock.run(300_000_000);
  put(A, 0x76);
  clock.run(5 * SECOND);
  assert.is(get(0), 0);
  put(A, 0x26);
  clock.run(SECOND / 2 - 1);
  assert.is(get(0), 0);
  clock.run(1);
  assert.is(get(0), 1);
});

test('update-ended interrupts come each second, and only a read of C lets the line fall', () => {
  const { get, put, clock, irq } = board();
  put(B, H24 | UIE);
  clock.run(SECOND - 1);
  assert.is(irq.level, false);
  clock.run(1);
  assert.is(irq.level, true);
  clock.run(5 * SECOND);
  assert.is(irq.rises, 1);
  assert.is(get(C), 0x90 | 0x40); // the periodic flag is set though nobody asked for its interrupt
  assert.is(irq.level, false);
  assert.is(get(C), 0);
  clock.run(SECOND);
  assert.equal(irq.riseTimes, [SECOND, 7 * SECOND]);
});

test('periodic interrupts keep every rate of the table, without drift', () => {
  for (let rs = 1; rs < 16; rs++) {
    const { get, put, clock, irq } = board();
    put(A, 0x20 | rs);
    put(B, H24 | PIE);
    const rate = rs === 1 ? 256 : rs === 2 ? 128 : 65_536 >> rs;
    while (clock.next <= 2 * SECOND) {
      clock.runTo(clock.next);
      assert.is(get(C) & 0xc0, 0xc0);
    }
    assert.is(irq.rises, 2 * rate, `rate select ${rs}`);
    assert.is(irq.riseTimes[rate - 1], SECOND);
  }
});

test('no interrupt enabled, no deadline', () => {
  const { get, put, clock } = board();
  assert.is(clock.next, Infinity);
  put(B, H24 | PIE);
  assert.ok(clock.next < Infinity);
  put(B, H24);
  assert.is(clock.next, Infinity);
  put(A, 0x20);
  put(B, H24 | PIE);
  assert.is(clock.next, Infinity, 'rate 0 never ticks');
  get(C);
});

test('the alarm fires at the next matching time, with wild cards', () => {
  const cases: [number, number, number, number][] = [
    [0x00, 0x00, 0x05, 5],
    [0x00, 0x01, 0xff, 60],
    [0x01, 0xff, 0xff, 3600],
    [0xc0, 0xc0, 0x00, 60],
    [0xc0, 0x30, 0x15, 30 * 60 + 15],
    [0x00, 0x00, 0x00, 86_400],
    [0xff, 0xff, 0xff, 1],
  ];
  for (const [hour, minute, second, after] of cases) {
    const { put, clock, irq } = board();
    put(1, second);
    put(3, minute);
    put(5, hour);
    put(B, H24 | AIE);
    clock.run((after + 1) * SECOND);
    assert.equal(irq.riseTimes.slice(0, 1), [after * SECOND], `${hour}:${minute}:${second}`);
  }
});

test('an alarm that no clock shows never fires', () => {
  const { put, clock, irq } = board();
  put(1, 0x7a);
  put(B, H24 | AIE);
  assert.is(clock.next, Infinity);
  clock.run(100_000 * SECOND);
  assert.is(irq.rises, 0);
});

test('12-hour alarms mind the PM bit', () => {
  const { put, clock, irq } = board();
  put(5, 0x81); // 1 PM
  put(B, AIE);
  clock.run(14 * 3600 * SECOND);
  assert.equal(irq.riseTimes, [13 * 3600 * SECOND]);
});

test('port 70h moves the NMI mask and reads as nothing', () => {
  const seen: boolean[] = [];
  const { ports } = board({ nmiMask: (masked) => seen.push(masked) });
  ports.write(0x70, 0x8f);
  ports.write(0x70, 0x8e);
  ports.write(0x70, 0x0e);
  assert.equal(seen, [true, false]);
  assert.is(ports.read(0x70), 0xff);
});

test('a word written to 70h selects and writes', () => {
  const { ports, get } = board();
  ports.write(0x70, 0x5a0f, 2);
  assert.is(get(0x0f), 0x5a);
  ports.write(0x70, 0x0f);
  assert.is(ports.read(0x70, 2), 0x5aff);
});

test('memory sizes and the checksum are where firmware leaves them', () => {
  const { get, rtc } = board({ lowMemory: 0xe000_0000, highMemory: 0x1_2345_0000 });
  const word = (at: number) => get(at) | (get(at + 1) << 8);
  assert.is(word(0x15), 640);
  assert.is(word(0x17), 0xffff);
  assert.is(word(0x30), 0xffff);
  assert.is(word(0x34), (0xe000_0000 - 0x100_0000) / 65_536);
  assert.is(word(0x5b) | (get(0x5d) << 16), 0x1_2345);
  rtc.poke(0x10, 0x40);
  let sum = 0;
  for (let i = 0x10; i <= 0x2d; i++) sum += get(i);
  assert.is((get(0x2e) << 8) | get(0x2f), sum);
  assert.throws(() => rtc.poke(0, 1), RangeError);
});

test('reset clears enables and flags, and keeps the time and the RAM', () => {
  const { get, put, clock, irq, rtc } = board();
  put(0x0f, 0x0a);
  put(B, H24 | PIE | UIE);
  clock.run(2 * SECOND);
  rtc.reset();
  assert.is(irq.level, false);
  assert.is(clock.next, Infinity);
  assert.equal([get(0x0f), get(B), get(0), get(C) & 0xf0], [0x0a, H24, 0x02, 0]);
});

test('saved anywhere and restored elsewhere, it goes on as if nothing had happened', () => {
  const random = randomSource(11);
  for (let round = 0; round < 60; round++) {
    const one = board();
    const step = (b: ReturnType<typeof board>, kind: number, index: number, value: number, ns: number) => {
      if (kind === 0) b.put(index, value);
      else if (kind === 1) b.clock.run(ns);
      return b.get(index);
    };
    const draw = () => [random(3), random(15), random(256), random(2 * SECOND)] as const;
    for (let i = 0; i < 20; i++) step(one, ...draw());
    const two = board();
    two.clock.runTo(one.clock.now());
    two.rtc.restore(JSON.parse(JSON.stringify(one.rtc.save())));
    assert.is(two.irq.level, one.irq.level);
    for (let i = 0; i < 30; i++) {
      const action = draw();
      assert.is(step(two, ...action), step(one, ...action));
      assert.is(two.irq.level, one.irq.level);
      assert.is(two.clock.next, one.clock.next);
    }
    assert.equal(two.rtc.save(), one.rtc.save());
  }
});

test('restore refuses junk and leaves the device alone', () => {
  const { rtc } = board();
  const before = rtc.save();
  for (const state of spoiled(before))
    assert.throws(
      () => rtc.restore(state),
      (e: Error) => e instanceof StateError,
      JSON.stringify(state),
    );
  assert.equal(rtc.save(), before);
});

test('an epoch that is no time is refused', () => {
  for (const epochSeconds of [-1, 0.5, Number.NaN, 1e12]) assert.throws(() => board({ epochSeconds }), RangeError);
  assert.is(DEFAULT_EPOCH_SECONDS, Date.UTC(2026, 0, 1) / 1000);
});

test.run();
