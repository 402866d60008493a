import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PIT_PORT, Pit } from '../../devices/pit.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeClock, FakeLine } from './fake.ts';

/** End of CLK pulse `n` in nanoseconds, by the definition. */
function clk(n: number): number {
  return Number((BigInt(n) * 1_000_000_000n + 1_193_181n) / 1_193_182n);
}

function setup() {
  const clock = new FakeClock();
  const irq = new FakeLine(clock);
  const pit = new Pit({ clock, irq });
  return { clock, irq, pit };
}

/** Programs a counter for both bytes and writes its count. */
function program(pit: Pit, counter: number, mode: number, count: number, bcd = 0): void {
  pit.portWrite(0x43, 1, (counter << 6) | 0x30 | (mode << 1) | bcd);
  pit.portWrite(PIT_PORT + counter, 1, count & 0xff);
  pit.portWrite(PIT_PORT + counter, 1, count >> 8);
}

function read16(pit: Pit, counter: number): number {
  const low = pit.portRead(PIT_PORT + counter, 1);
  return low | (pit.portRead(PIT_PORT + counter, 1) << 8);
}

/** Status byte of a counter through the read-back command. */
function status(pit: Pit, counter: number): number {
  pit.portWrite(0x43, 1, 0xe0 | (2 << counter));
  return pit.portRead(PIT_PORT + counter, 1);
}

const OUT = 0x80;
const NULL_COUNT = 0x40;

/** OUT and value of counter 2 for each CLK pulse from `from` on. */
function sequence(pit: Pit, clock: FakeClock, from: number, length: number): string {
  const seen: string[] = [];
  for (let i = 0; i < length; i++) {
    clock.runTo(clk(from + i));
    pit.portWrite(0x43, 1, 0x80);
    const value = read16(pit, 2);
    const out = (pit.portRead(0x61, 1) & 0x20) !== 0;
    seen.push(`${value.toString(16)}${out ? 'H' : 'L'}`);
  }
  return seen.join(' ');
}

function gated() {
  const all = setup();
  all.pit.portWrite(0x61, 1, 1);
  return all;
}

test('mode 0: OUT rises count + 1 pulses after the count is written, once', () => {
  const { clock, irq, pit } = setup();
  program(pit, 0, 0, 1000);
  assert.is(irq.level, false);
  assert.is(clock.next, clk(1001));
  clock.run(1e9);
  assert.equal(irq.riseTimes, [clk(1001)]);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
});

test('mode 0 counts on through FFFFh after the end', () => {
  const { clock, pit } = gated();
  program(pit, 2, 0, 3);
  assert.is(sequence(pit, clock, 1, 6), '3L 2L 1L 0H ffffH fffeH');
});

test('mode 0: a new count restarts, and its first byte stops the old one', () => {
  const { clock, pit } = gated();
  program(pit, 2, 0, 3);
  clock.runTo(clk(2));
  pit.portWrite(0x42, 1, 5);
  clock.runTo(clk(20));
  assert.is(pit.portRead(0x61, 1) & 0x20, 0);
  assert.is(status(pit, 2) & (OUT | NULL_COUNT), NULL_COUNT);
  pit.portWrite(0x42, 1, 0);
  assert.is(sequence(pit, clock, 21, 6), '5L 4L 3L 2L 1L 0H');
});

test('mode 0: GATE low holds the count; the end comes count pulses after it rises', () => {
  const { clock, pit } = setup();
  program(pit, 2, 0, 3);
  assert.is(sequence(pit, clock, 1, 3), '3L 3L 3L');
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 3, 4), '3L 2L 1L 0H');
  program(pit, 2, 0, 10);
  clock.runTo(clk(9));
  pit.portWrite(0x61, 1, 0);
  assert.is(sequence(pit, clock, 9, 2), '8L 8L');
});

test('mode 1: GATE triggers a low pulse of count pulses, again and again', () => {
  const { clock, pit } = setup();
  program(pit, 2, 1, 3);
  assert.is(pit.portRead(0x61, 1) & 0x20, 0x20);
  assert.is(status(pit, 2) & NULL_COUNT, NULL_COUNT);
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 1, 5), '3L 2L 1L 0H ffffH');
  pit.portWrite(0x61, 1, 0);
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 6, 2), '3L 2L');
  pit.portWrite(0x61, 1, 0);
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 8, 4), '3L 2L 1L 0H');
});

test('mode 1: a count written during the pulse waits for the next trigger', () => {
  const { clock, pit } = setup();
  program(pit, 2, 1, 3);
  pit.portWrite(0x61, 1, 1);
  clock.runTo(clk(2));
  pit.portWrite(0x42, 1, 5);
  pit.portWrite(0x42, 1, 0);
  assert.is(sequence(pit, clock, 3, 3), '1L 0H ffffH');
  pit.portWrite(0x61, 1, 0);
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 6, 2), '5L 4L');
});

test('mode 2: low for the last pulse of each cycle; a new count waits for the end of the cycle', () => {
  const { clock, pit } = gated();
  program(pit, 2, 2, 4);
  assert.is(sequence(pit, clock, 1, 6), '4H 3H 2H 1L 4H 3H');
  pit.portWrite(0x42, 1, 2);
  pit.portWrite(0x42, 1, 0);
  assert.is(status(pit, 2) & NULL_COUNT, NULL_COUNT);
  assert.is(sequence(pit, clock, 7, 6), '2H 1L 2H 1L 2H 1L');
  assert.is(status(pit, 2) & NULL_COUNT, 0);
});

test('mode 2: GATE low raises OUT, its rise starts over with the newest count', () => {
  const { clock, pit } = gated();
  program(pit, 2, 2, 4);
  assert.is(sequence(pit, clock, 1, 4), '4H 3H 2H 1L');
  pit.portWrite(0x61, 1, 0);
  assert.is(sequence(pit, clock, 4, 2), '1H 1H');
  pit.portWrite(0x42, 1, 3);
  pit.portWrite(0x42, 1, 0);
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 6, 4), '3H 2H 1L 3H');
});

test("mode 3: even and odd counts make the datasheet's square waves", () => {
  const even = gated();
  program(even.pit, 2, 3, 4);
  assert.is(sequence(even.pit, even.clock, 1, 8), '4H 2H 4L 2L 4H 2H 4L 2L');
  const odd = gated();
  program(odd.pit, 2, 3, 5);
  assert.is(sequence(odd.pit, odd.clock, 1, 10), '4H 2H 0H 4L 2L 4H 2H 0H 4L 2L');
});

test('mode 3: a new count comes in at the end of the half cycle', () => {
  const { clock, pit } = gated();
  program(pit, 2, 3, 8);
  clock.runTo(clk(2));
  pit.portWrite(0x42, 1, 4);
  pit.portWrite(0x42, 1, 0);
  assert.is(sequence(pit, clock, 3, 8), '4H 2H 4L 2L 4H 2H 4L 2L');
});

test('mode 4: one low pulse at the end of the count, started by writing it', () => {
  const { clock, pit } = gated();
  program(pit, 2, 4, 3);
  assert.is(sequence(pit, clock, 1, 6), '3H 2H 1H 0L ffffH fffeH');
});

test('mode 5: the same, started by GATE', () => {
  const { clock, pit } = setup();
  program(pit, 2, 5, 3);
  clock.runTo(clk(10));
  pit.portWrite(0x61, 1, 1);
  assert.is(sequence(pit, clock, 11, 5), '3H 2H 1H 0L ffffH');
});

test('BCD counts in decimal, 0 standing for 10000', () => {
  const { clock, pit } = gated();
  program(pit, 2, 0, 0x0102, 1);
  assert.is(sequence(pit, clock, 1, 5), '102L 101L 100L 99L 98L');
  program(pit, 2, 2, 0, 1);
  assert.is(sequence(pit, clock, 6, 3), '0H 9999H 9998H');
  program(pit, 2, 0, 1, 1);
  assert.is(sequence(pit, clock, 9, 3), '1L 0H 9999H');
});

test('a binary value left over in a counter that was switched to BCD stays within 16 bits', () => {
  const { clock, pit } = gated();
  program(pit, 2, 2, 0);
  clock.runTo(clk(2));
  pit.portWrite(0x43, 1, 0xb5);
  assert.is(read16(pit, 2), 0x5535);
  new Pit({ clock }).restore(pit.save());
});

test('mode numbers 6 and 7 mean 2 and 3', () => {
  const { pit } = gated();
  program(pit, 2, 7, 100);
  assert.is((status(pit, 2) >> 1) & 7, 3);
});

test('reads: low byte, high byte, both in turn, and a latch that holds until it is read', () => {
  const { clock, pit } = gated();
  program(pit, 2, 2, 0x1234);
  clock.runTo(clk(1));
  pit.portWrite(0x43, 1, 0x80);
  clock.runTo(clk(0x101));
  pit.portWrite(0x43, 1, 0x80);
  assert.is(read16(pit, 2), 0x1234);
  assert.is(read16(pit, 2), 0x1134);
  pit.portWrite(0x43, 1, 0x94);
  pit.portWrite(0x42, 1, 0x80);
  clock.runTo(clk(0x103));
  assert.is(pit.portRead(0x42, 1), 0x7f);
  pit.portWrite(0x43, 1, 0xa4);
  pit.portWrite(0x42, 1, 0x12);
  clock.runTo(clk(0x105));
  assert.is(pit.portRead(0x42, 1), 0x11);
  assert.is(pit.portRead(0x43, 1), 0xff);
});

test('read-back latches status and count of several counters, status read first', () => {
  const { clock, pit } = gated();
  program(pit, 0, 3, 0x1000);
  program(pit, 2, 2, 0x2000);
  clock.runTo(clk(1));
  pit.portWrite(0x43, 1, 0xc0 | 0x0a);
  clock.runTo(clk(100));
  assert.is(pit.portRead(0x40, 1), OUT | 0x30 | 6);
  assert.is(read16(pit, 0), 0x1000);
  assert.is(pit.portRead(0x42, 1), OUT | 0x30 | 4);
  assert.is(read16(pit, 2), 0x2000);
});

test('null count is set until the count reaches the counting element', () => {
  const { clock, pit } = gated();
  pit.portWrite(0x43, 1, 0xb0);
  assert.is(status(pit, 2) & NULL_COUNT, NULL_COUNT);
  pit.portWrite(0x42, 1, 10);
  pit.portWrite(0x42, 1, 0);
  assert.is(status(pit, 2) & NULL_COUNT, NULL_COUNT);
  clock.runTo(clk(1));
  assert.is(status(pit, 2) & NULL_COUNT, 0);
});

test('a periodic counter 0 does not drift, and fires once a period', () => {
  const { clock, irq, pit } = setup();
  program(pit, 0, 2, 4773);
  const start = irq.rises;
  clock.runTo(600_000_000_000);
  const pulses = Math.floor((600 * 1_193_182 - 1) / 4773);
  assert.is(irq.rises - start, pulses);
  assert.is(irq.riseTimes[irq.riseTimes.length - 1], clk(1 + pulses * 4773));
});

test('mode 3 gives the line both edges at exact times', () => {
  const { clock, irq, pit } = setup();
  program(pit, 0, 3, 5);
  clock.runTo(clk(12));
  assert.equal(irq.fallTimes, [clk(4), clk(9)]);
  assert.equal(irq.riseTimes, [0, clk(6), clk(11)]);
});

test('periods missed by a late deadline become one pulse', () => {
  const { clock, irq, pit } = setup();
  program(pit, 0, 3, 1000);
  clock.skip(clk(5200));
  const rises = irq.rises;
  clock.settle();
  assert.is(irq.rises, rises + 1);
  assert.is(clock.next, clk(5501));
});

test('while nobody listens counter 0 arms nothing; what was missed is one pulse', () => {
  const { clock, irq, pit } = setup();
  pit.listen(false);
  program(pit, 0, 2, 1000);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
  clock.runTo(clk(10_500));
  assert.is(irq.rises, 0);
  pit.listen(true);
  assert.is(irq.rises, 1);
  assert.is(clock.next, clk(11_001));
});

/** A counter stepped one CLK pulse at a time, after the datasheet's descriptions of the modes (binary counts above 1). */
class SteppedCounter {
  element = 0;
  out = false;
  gate = false;
  written = false;
  counting = false;
  #mode = 0;
  #count = 0;
  #load = false;
  #done = false;
  #odd = false;

  program(mode: number): void {
    this.#mode = mode;
    this.out = mode !== 0;
    this.written = false;
    this.#load = false;
    this.counting = false;
  }

  write(count: number): void {
    this.#count = count;
    this.written = true;
    if (this.#mode === 0) this.out = false;
    const triggered = this.#mode === 1 || this.#mode === 5;
    if (this.#mode === 0 || this.#mode === 4 || !(this.counting || triggered)) this.#load = true;
  }

  setGate(gate: boolean): void {
    const rises = gate && !this.gate;
    this.gate = gate;
    if (!gate && (this.#mode === 2 || this.#mode === 3)) this.out = true;
    if (rises && this.written && this.#mode !== 0 && this.#mode !== 4) this.#load = true;
  }

  clk(): void {
    if (this.#load) {
      this.#load = false;
      this.counting = true;
      this.#done = false;
      this.#reload();
      this.out = this.#mode > 1;
    } else if (this.counting && (this.gate || this.#mode === 1 || this.#mode === 5)) this.#step();
  }

  #reload(): void {
    this.#odd = (this.#count & 1) !== 0;
    this.element = this.#mode === 3 ? this.#count & ~1 : this.#count;
  }

  #step(): void {
    if (this.#mode === 3) {
      const atZero = this.element === 0;
      if (!atZero) this.element -= 2;
      // The high half of an odd count stays at 0 for one pulse more.
      if (atZero || (this.element === 0 && !(this.out && this.#odd))) {
        this.out = !this.out;
        this.#reload();
      }
      return;
    }
    this.element = (this.element - 1) & 0xffff;
    if (this.#mode === 2) {
      if (this.element === 0) this.#reload();
      this.out = this.element !== 1;
      return;
    }
    const ends = this.element === 0 && !this.#done;
    if (this.#mode > 3) this.out = !ends;
    else if (ends) this.out = true;
    if (ends) this.#done = true;
  }
}

test('agrees with a counter that is stepped pulse by pulse, under random counts and gates', () => {
  let seed = 12_345;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (let trial = 0; trial < 600; trial++) {
    const { clock, pit } = setup();
    const stepped = new SteppedCounter();
    const mode = trial % 6;
    pit.portWrite(0x43, 1, 0xb0 | (mode << 1));
    stepped.program(mode);
    for (let pulse = 1; pulse < 60; pulse++) {
      clock.runTo(clk(pulse));
      stepped.clk();
      pit.portWrite(0x43, 1, 0x80);
      const value = read16(pit, 2);
      const out = (pit.portRead(0x61, 1) & 0x20) !== 0;
      const where = `trial ${trial}, mode ${mode}, pulse ${pulse}`;
      assert.is(out, stepped.out, where);
      if (stepped.counting) assert.is(value, stepped.element, where);
      const action = random(16);
      if (action < 2 || !stepped.written) {
        const count = 2 + random(9);
        pit.portWrite(0x42, 1, count);
        pit.portWrite(0x42, 1, 0);
        stepped.write(count);
      } else if (action === 2) {
        stepped.setGate(!stepped.gate);
        pit.portWrite(0x61, 1, stepped.gate ? 1 : 0);
      }
    }
  }
});

test('port 61h: bits 3:0 stick, bit 4 toggles every 15085 ns', () => {
  const { clock, pit } = setup();
  pit.portWrite(0x61, 1, 0xff);
  assert.is(pit.portRead(0x61, 1) & 0xdf, 0x0f);
  clock.runTo(15_085);
  assert.is(pit.portRead(0x61, 1) & 0xdf, 0x1f);
  clock.runTo(30_169);
  assert.is(pit.portRead(0x61, 1) & 0x10, 0x10);
  clock.runTo(30_170);
  assert.is(pit.portRead(0x61, 1) & 0x10, 0);
});

test('reset stops the counters and drops the line', () => {
  const { clock, irq, pit } = setup();
  program(pit, 0, 2, 1000);
  pit.reset();
  assert.is(irq.level, false);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
});

test('a restored timer goes on as the saved one', () => {
  const one = setup();
  program(one.pit, 0, 3, 777);
  program(one.pit, 2, 2, 999);
  one.pit.portWrite(0x42, 1, 0x34);
  one.clock.runTo(1_234_567);
  const state = JSON.parse(JSON.stringify(one.pit.save()));
  const other = { clock: new FakeClock(1_234_567), irq: new FakeLine() };
  const pit = new Pit(other);
  pit.restore(state);
  assert.equal(pit.save(), one.pit.save());
  assert.is(other.clock.next, one.clock.next);
  other.irq.level = one.irq.level;
  const before = one.irq.rises;
  one.clock.run(10_000_000);
  other.clock.run(10_000_000);
  assert.is(other.irq.rises, one.irq.rises - before);
  assert.is(read16(pit, 2), read16(one.pit, 2));
});

test('a state that is none is refused and changes nothing', () => {
  const { pit } = setup();
  const before = pit.save();
  const parts = before['counters'] as Record<string, unknown>[];
  assert.throws(
    () => pit.restore({}),
    (error: unknown) => error instanceof StateError,
  );
  assert.throws(
    () => pit.restore({ ...before, counters: [parts[0], parts[1], { ...parts[2], initial: 0 }] }),
    (error: unknown) => error instanceof StateError,
  );
  assert.equal(pit.save(), before);
});

test.run();
