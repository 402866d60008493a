import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  GPE0,
  PM1_CONTROL,
  PM1_EVENT,
  PM_BASE,
  PM_TIMER,
  PM_TIMER_HZ,
  PowerManagement,
  type PowerManagementOptions,
} from '../../devices/pm.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeClock, FakeLine } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

const [STS, EN, CNT, TMR, GPE] = [PM1_EVENT, PM1_EVENT + 2, PM1_CONTROL, PM_TIMER, GPE0].map((offset) => PM_BASE + offset);
const SECOND = 1_000_000_000;

function board(options: Partial<PowerManagementOptions> = {}) {
  const clock = new FakeClock();
  const sci = new FakeLine(clock);
  const ports = new FakePorts();
  const sleeps: number[] = [];
  const pm = new PowerManagement({ sci, clock, sleep: (type) => sleeps.push(type), ...options });
  pm.attach(ports);
  return { clock, sci, ports, sleeps, pm };
}

/** The first nanosecond of a tick, by exact arithmetic. */
const exactTime = (tick: number) => Number((BigInt(tick) * 1_000_000_000n + BigInt(PM_TIMER_HZ) - 1n) / BigInt(PM_TIMER_HZ));

test('the timer is floor(ns * 3579545 / 10^9), exact after years', () => {
  const random = randomSource(1);
  for (let i = 0; i < 2000; i++) {
    const ns = random(2 ** 32) * random(2_000_000);
    const { clock, ports } = board();
    clock.runTo(ns);
    const exact = Number(((BigInt(ns) * BigInt(PM_TIMER_HZ)) / 1_000_000_000n) & 0xffff_ffffn);
    assert.is(ports.read(TMR, 4), exact);
  }
});

test('the timer reads in pieces and is 24 bits wide when told', () => {
  const { clock, ports } = board({ timerBits: 24 });
  clock.runTo(10 * SECOND);
  const ticks = (10 * PM_TIMER_HZ) % 2 ** 24;
  assert.is(ports.read(TMR, 4), ticks);
  assert.is(ports.read(TMR, 2), ticks & 0xffff);
  assert.is(ports.read(TMR + 2, 2), ticks >> 16);
  assert.is(ports.read(TMR + 1), (ticks >> 8) & 0xff);
  ports.write(TMR, 0, 4);
  assert.is(ports.read(TMR, 4), ticks);
});

test('TMR_STS is set each time the top bit changes, on the nanosecond, and interrupts when enabled', () => {
  for (const [timerBits, half] of [
    [24, 2 ** 23],
    [32, 2 ** 31],
  ] as const) {
    const { clock, ports, sci } = board({ timerBits });
    assert.is(clock.next, Infinity, 'no deadline unless asked');
    ports.write(EN, 1, 2);
    for (let n = 1; n <= 3; n++) {
      assert.is(clock.next, exactTime(n * half));
      clock.runTo(clock.next - 1);
      assert.is(sci.level, false);
      clock.run(1);
      assert.is(sci.level, true);
      assert.is(ports.read(TMR, 4), (n * half) % (2 * half));
      assert.is(clock.next, Infinity, 'the status bit is set: nothing more to wait for');
      ports.write(STS, 1, 2);
      assert.is(sci.level, false);
    }
  }
});

test('TMR_STS is seen without a deadline, too', () => {
  const { clock, ports } = board({ timerBits: 24 });
  clock.runTo(exactTime(2 ** 23) - 1);
  assert.is(ports.read(STS, 2), 0);
  clock.run(1);
  assert.is(ports.read(STS, 2), 1);
  ports.write(STS, 1, 2);
  assert.is(ports.read(STS, 2), 0);
});

test('the power button sets its status and raises the SCI while enabled', () => {
  const { ports, sci, pm } = board();
  pm.powerButton();
  assert.is(ports.read(STS, 2), 0x100);
  assert.is(sci.level, false);
  ports.write(EN, 0x100, 2);
  assert.is(sci.level, true);
  ports.write(STS, 0x0001, 2);
  assert.is(sci.level, true);
  ports.write(STS + 1, 0x01);
  assert.is(sci.level, false);
});

test('SCI_EN always reads 1; SLP_EN acts and reads 0', () => {
  const { ports, sleeps } = board();
  assert.is(ports.read(CNT, 2), 1);
  ports.write(CNT, 5 << 10, 2);
  assert.equal(sleeps, []);
  assert.is(ports.read(CNT, 2), (5 << 10) | 1);
  ports.write(CNT, (5 << 10) | 0x2000, 2);
  ports.write(CNT + 1, (1 << 2) | 0x20);
  assert.equal(sleeps, [5, 1]);
  assert.is(ports.read(CNT, 2), (1 << 10) | 1);
});

test('enable bits that do not exist read 0', () => {
  const { ports } = board();
  ports.write(EN, 0xffff, 2);
  assert.is(ports.read(EN, 2), 0x0721);
});

test('general-purpose events are set outside, cleared by ones and raise the SCI', () => {
  const { ports, sci, pm } = board();
  ports.write(GPE + 2, 0x0204, 2);
  pm.generalEvent(3);
  assert.is(sci.level, false);
  pm.generalEvent(9);
  assert.is(sci.level, true);
  assert.is(ports.read(GPE, 2), 0x0208);
  ports.write(GPE, 0x0200, 2);
  assert.is(sci.level, false);
  assert.is(ports.read(GPE, 4), 0x0204_0008);
});

test('the SMI ports are latches', () => {
  const { ports } = board();
  ports.write(0xb2, 0x3412, 2);
  assert.equal([ports.read(0xb2), ports.read(0xb3)], [0x12, 0x34]);
});

test('reset clears all but the time', () => {
  const { ports, sci, pm, clock } = board();
  clock.run(SECOND);
  ports.write(EN, 0x101, 2);
  pm.powerButton();
  pm.reset();
  assert.is(sci.level, false);
  assert.is(clock.next, Infinity);
  assert.equal([ports.read(STS, 2), ports.read(EN, 2), ports.read(TMR, 4)], [0, 0, PM_TIMER_HZ]);
});

test('saved anywhere and restored elsewhere, it goes on as if nothing had happened', () => {
  const random = randomSource(2);
  for (let round = 0; round < 100; round++) {
    const timerBits = 24;
    const one = board({ timerBits });
    const step = (b: ReturnType<typeof board>, kind: number, offset: number, value: number, ns: number) => {
      if (kind === 0) b.ports.write(PM_BASE + offset, value & ~0x20);
      else if (kind === 1) b.clock.run(ns);
      else if (kind === 2) b.pm.powerButton();
      return b.ports.read(PM_BASE + offset, 4);
    };
    const draw = () => [random(4), random(16), random(256), random(2 * SECOND)] as const;
    for (let i = 0; i < 20; i++) step(one, ...draw());
    const two = board({ timerBits });
    two.clock.runTo(one.clock.now());
    two.pm.restore(JSON.parse(JSON.stringify(one.pm.save())));
    for (let i = 0; i < 30; i++) {
      const action = draw();
      assert.is(step(two, ...action), step(one, ...action));
      assert.is(two.sci.level, one.sci.level);
      assert.is(two.clock.next, one.clock.next);
    }
    assert.equal(two.pm.save(), one.pm.save());
  }
});

test('restore refuses junk and leaves the device alone', () => {
  const { pm } = board();
  const before = pm.save();
  for (const state of [...spoiled(before), { ...before, status: 2 }, { ...before, enable: 0x8000 }]) {
    assert.throws(
      () => pm.restore(state),
      (e: Error) => e instanceof StateError,
      JSON.stringify(state),
    );
  }
  assert.equal(pm.save(), before);
});

test.run();
