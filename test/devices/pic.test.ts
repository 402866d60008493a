import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pic } from '../../devices/pic.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeLine } from './fake.ts';

interface Setup {
  pic: Pic;
  out: FakeLine;
}

function setup(icw4 = 0x01): Setup {
  const out = new FakeLine();
  const pic = new Pic({ intr: (level) => out.set(level) });
  program(pic, icw4);
  return { pic, out };
}

/** The PC's usual initialization: vectors 20h and 28h, slave on input 2, everything unmasked. */
function program(pic: Pic, icw4: number): void {
  for (const [port, base, icw3] of [
    [0x20, 0x20, 4],
    [0xa0, 0x28, 2],
  ] as const) {
    pic.portWrite(port, 1, 0x11);
    pic.portWrite(port + 1, 1, base);
    pic.portWrite(port + 1, 1, icw3);
    pic.portWrite(port + 1, 1, icw4);
    pic.portWrite(port + 1, 1, 0);
  }
}

function pulse(pic: Pic, n: number): void {
  pic.line(n).set(true);
}

function isr(pic: Pic, port = 0x20): number {
  pic.portWrite(port, 1, 0x0b);
  return pic.portRead(port, 1);
}

function irr(pic: Pic, port = 0x20): number {
  pic.portWrite(port, 1, 0x0a);
  return pic.portRead(port, 1);
}

test('an edge is requested, acknowledged with its vector and ended', () => {
  const { pic, out } = setup();
  pulse(pic, 4);
  assert.is(out.level, true);
  assert.is(irr(pic), 0x10);
  assert.is(pic.ack(), 0x24);
  assert.is(out.level, false);
  assert.is(irr(pic), 0);
  assert.is(isr(pic), 0x10);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(isr(pic), 0);
  pic.line(4).set(true);
  assert.is(out.level, false, 'no new edge');
  pic.line(4).set(false);
  pic.line(4).set(true);
  assert.is(out.level, true);
});

test('a higher priority interrupts a lower one, not the other way round', () => {
  const { pic, out } = setup();
  pulse(pic, 5);
  assert.is(pic.ack(), 0x25);
  pulse(pic, 6);
  assert.is(out.level, false);
  pulse(pic, 1);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x21);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(isr(pic), 0x20);
  assert.is(out.level, false);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(pic.ack(), 0x26);
});

test("a slave interrupt comes through input 2 with the slave's vector", () => {
  const { pic, out } = setup();
  pulse(pic, 12);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x2c);
  assert.is(isr(pic), 0x04);
  assert.is(isr(pic, 0xa0), 0x10);
  pulse(pic, 9);
  assert.is(out.level, false, 'input 2 is in service');
  pic.portWrite(0xa0, 1, 0x20);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x29);
});

test('special fully nested mode lets a higher slave input through', () => {
  const { pic, out } = setup(0x11);
  pulse(pic, 12);
  pic.ack();
  pulse(pic, 13);
  assert.is(out.level, false);
  pulse(pic, 9);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x29);
});

test('masked inputs wait and ask when unmasked', () => {
  const { pic, out } = setup();
  pic.portWrite(0x21, 1, 0x10);
  pulse(pic, 4);
  assert.is(out.level, false);
  assert.is(pic.portRead(0x21, 1), 0x10);
  pic.portWrite(0x21, 1, 0);
  assert.is(out.level, true);
});

test('an edge that falls before its acknowledge is withdrawn: spurious 7 and 15', () => {
  const { pic, out } = setup();
  pulse(pic, 3);
  pic.line(3).set(false);
  assert.is(out.level, false);
  assert.is(pic.ack(), 0x27);
  assert.is(isr(pic), 0);
  // The slave's request goes between the two acknowledge cycles: the master is served, the slave says 7.
  const traced = setup();
  pulse(traced.pic, 10);
  traced.pic.portWrite(0xa1, 1, 0xff);
  assert.is(traced.pic.ack(), 0x27, 'withdrawn at the master too');
});

test('a level input asks again until its device is content', () => {
  const { pic, out } = setup();
  pic.portWrite(0x4d0, 1, 0xff);
  pic.portWrite(0x4d1, 1, 0xff);
  assert.is(pic.portRead(0x4d0, 1), 0xf8);
  assert.is(pic.portRead(0x4d1, 1), 0xde);
  pic.line(11).set(true);
  assert.is(pic.ack(), 0x2b);
  pic.portWrite(0xa0, 1, 0x20);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x2b);
  pic.line(11).set(false);
  pic.portWrite(0xa0, 1, 0x20);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(out.level, false);
});

test('specific EOI ends the named input', () => {
  const { pic } = setup();
  pulse(pic, 5);
  pic.ack();
  pulse(pic, 1);
  pic.ack();
  pic.portWrite(0x20, 1, 0x65);
  assert.is(isr(pic), 0x02);
});

test('rotation on EOI makes the served input the last', () => {
  const { pic } = setup();
  pulse(pic, 4);
  pulse(pic, 6);
  assert.is(pic.ack(), 0x24);
  pic.portWrite(0x20, 1, 0xa0);
  pic.line(4).set(false);
  pulse(pic, 4);
  assert.is(pic.ack(), 0x26, '4 is the lowest now');
  pic.portWrite(0x20, 1, 0xe6);
  pulse(pic, 7);
  assert.is(pic.ack(), 0x27, '6 is the lowest, 7 the highest');
});

test('set priority and rotation in automatic EOI mode', () => {
  const { pic } = setup(0x03);
  pic.portWrite(0x20, 1, 0xc3);
  pulse(pic, 1);
  pulse(pic, 5);
  assert.is(pic.ack(), 0x25);
  assert.is(isr(pic), 0, 'ended by itself');
  assert.is(pic.ack(), 0x21);
  pic.portWrite(0x20, 1, 0x80);
  for (const n of [1, 5]) {
    pic.line(n).set(false);
    pulse(pic, n);
  }
  assert.is(pic.ack(), 0x25);
  pic.line(5).set(false);
  pulse(pic, 5);
  assert.is(pic.ack(), 0x21, '5 was served and is the lowest');
});

test('special mask mode lets lower inputs through and keeps masked bits from a non-specific EOI', () => {
  const { pic, out } = setup();
  pulse(pic, 2 + 1);
  assert.is(pic.ack(), 0x23);
  pulse(pic, 6);
  assert.is(out.level, false);
  pic.portWrite(0x21, 1, 0x08);
  pic.portWrite(0x20, 1, 0x68);
  assert.is(out.level, true);
  assert.is(pic.ack(), 0x26);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(isr(pic), 0x08);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(isr(pic), 0x08, 'masked in special mask mode');
  pic.portWrite(0x20, 1, 0x48);
  pic.portWrite(0x20, 1, 0x20);
  assert.is(isr(pic), 0);
});

test('poll acknowledges by a read', () => {
  const { pic, out } = setup();
  pic.portWrite(0x20, 1, 0x0c);
  assert.is(pic.portRead(0x20, 1), 0);
  pulse(pic, 6);
  pic.portWrite(0x20, 1, 0x0c);
  assert.is(pic.portRead(0x20, 1), 0x86);
  assert.is(out.level, false);
  assert.is(isr(pic), 0x40);
});

test('ICW1 clears mask and service, and an edge input must rise again', () => {
  const { pic, out } = setup();
  pic.portWrite(0x21, 1, 0xff);
  pulse(pic, 4);
  pic.portWrite(0x20, 1, 0x11);
  assert.is(pic.portRead(0x21, 1), 0);
  assert.is(out.level, false);
});

test('initialization without ICW4 and as a single controller takes fewer words', () => {
  const { pic } = setup();
  pic.portWrite(0x20, 1, 0x12);
  pic.portWrite(0x21, 1, 0x40);
  pic.portWrite(0x21, 1, 0xaa);
  assert.is(pic.portRead(0x21, 1), 0xaa);
  pulse(pic, 0);
  assert.is(pic.ack(), 0x40);
});

test('the trace hears inputs and ends of interrupts', () => {
  const heard: unknown[] = [];
  const pic = new Pic({
    intr() {},
    trace: {
      picSetIrq: (...args) => heard.push(['set', ...args]),
      ackIrq: (...args) => heard.push(['ack', ...args]),
    },
  });
  program(pic, 0x01);
  pic.portWrite(0x4d1, 1, 0x02);
  pic.line(9).set(true);
  pic.line(9).set(true);
  pic.ack();
  pic.portWrite(0xa0, 1, 0x20);
  assert.equal(heard, [
    ['set', 1, 1, 0x02, 0, 0],
    ['set', 1, 1, 0x02, 0, 1],
    ['ack', 1, 1],
  ]);
});

test('a restored pair goes on as the saved one; a wrong state is refused whole', () => {
  const { pic, out } = setup();
  pulse(pic, 4);
  pic.ack();
  pulse(pic, 9);
  pulse(pic, 0);
  const state = JSON.parse(JSON.stringify(pic.save()));
  const other = new Pic({ intr() {} });
  other.restore(state);
  assert.equal(other.save(), pic.save());
  assert.is(other.intr, out.level);
  assert.is(other.ack(), pic.ack());
  const before = other.save();
  assert.throws(
    () => other.restore({ ...state, chips: [state.chips[0], { ...state.chips[1], lowest: 8 }] }),
    (error: unknown) => error instanceof StateError,
  );
  assert.equal(other.save(), before);
});

test.run();
