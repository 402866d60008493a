import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Ioapic } from '../../devices/ioapic.ts';
import { StateError } from '../../vmm/bus.ts';

const LEVEL = 0x8000;
const MASK = 0x10000;
const REMOTE_IRR = 0x4000;

function setup(options: { activeLow?: number; taken?: () => number } = {}) {
  const sent: [number, number][] = [];
  const bus = {
    deliver(message: number, destination: number): number {
      sent.push([message, destination]);
      return options.taken?.() ?? 1;
    },
  };
  const ioapic = new Ioapic(options.activeLow === undefined ? { bus } : { bus, activeLow: options.activeLow });
  return { ioapic, sent };
}

function write(ioapic: Ioapic, index: number, value: number): void {
  ioapic.mmioWrite(0, 4, index);
  ioapic.mmioWrite(0x10, 4, value);
}

function read(ioapic: Ioapic, index: number): number {
  ioapic.mmioWrite(0, 4, index);
  return ioapic.mmioRead(0x10, 4);
}

function entry(ioapic: Ioapic, pin: number, low: number, destination = 0): void {
  write(ioapic, 0x11 + 2 * pin, destination * 0x1000000);
  write(ioapic, 0x10 + 2 * pin, low);
}

test('identification, version 20h with 24 entries, entries masked at reset', () => {
  const { ioapic } = setup();
  assert.is(read(ioapic, 1), 0x00170020);
  write(ioapic, 0, 0xffff_ffff);
  assert.is(read(ioapic, 0), 0x0f00_0000);
  assert.is(read(ioapic, 2), 0x0f00_0000);
  for (let pin = 0; pin < 24; pin++) assert.is(read(ioapic, 0x10 + 2 * pin), MASK);
  assert.is(read(ioapic, 0x40), 0);
  assert.is(ioapic.mmioRead(0, 4), 0x40);
});

test('only the writable bits of an entry stick', () => {
  const { ioapic } = setup();
  entry(ioapic, 3, 0xffff_ffff, 0xa5);
  assert.is(read(ioapic, 0x16), 0x1afff);
  assert.is(read(ioapic, 0x17), 0xa500_0000);
});

test('an edge sends one message, a masked one none, ever', () => {
  const { ioapic, sent } = setup();
  const line = ioapic.line(4);
  line.set(true);
  line.set(false);
  entry(ioapic, 4, 0x34, 7);
  assert.equal(sent, []);
  line.set(true);
  line.set(true);
  assert.equal(sent, [[0x4034, 7]]);
  line.set(false);
  line.set(true);
  assert.is(sent.length, 2);
});

test('a level asks, waits for its EOI, and asks again while it lasts', () => {
  const { ioapic, sent } = setup();
  entry(ioapic, 9, LEVEL | 0x900 | 0x51, 3);
  ioapic.line(9).set(true);
  assert.equal(sent, [[0xc951, 3]]);
  assert.is(read(ioapic, 0x22) & REMOTE_IRR, REMOTE_IRR);
  ioapic.line(9).set(false);
  ioapic.line(9).set(true);
  assert.is(sent.length, 1);
  ioapic.eoi(0x52);
  assert.is(sent.length, 1);
  ioapic.eoi(0x51);
  assert.is(sent.length, 2);
  ioapic.line(9).set(false);
  ioapic.mmioWrite(0x40, 4, 0x51);
  assert.is(sent.length, 2);
  assert.is(read(ioapic, 0x22) & REMOTE_IRR, 0);
});

test('a level that is masked asks when it is unmasked', () => {
  const { ioapic, sent } = setup();
  entry(ioapic, 9, MASK | LEVEL | 0x51);
  ioapic.line(9).set(true);
  assert.is(sent.length, 0);
  entry(ioapic, 9, LEVEL | 0x51);
  assert.is(sent.length, 1);
});

test('a level that nobody takes is not left waiting for an EOI', () => {
  let taken = 0;
  const { ioapic, sent } = setup({ taken: () => taken });
  entry(ioapic, 9, LEVEL | 0x51);
  ioapic.line(9).set(true);
  assert.is(read(ioapic, 0x22) & REMOTE_IRR, 0);
  taken = 1;
  entry(ioapic, 9, LEVEL | 0x51);
  assert.is(sent.length, 2);
});

test('a turn through edge clears remote IRR', () => {
  const { ioapic } = setup();
  entry(ioapic, 9, LEVEL | 0x51);
  ioapic.line(9).set(true);
  entry(ioapic, 9, MASK | 0x51);
  entry(ioapic, 9, MASK | LEVEL | 0x51);
  assert.is(read(ioapic, 0x22), MASK | LEVEL | 0x51);
});

test('NMI and ExtINT are edges whatever the trigger mode says', () => {
  const { ioapic, sent } = setup();
  entry(ioapic, 0, 0x700);
  entry(ioapic, 1, LEVEL | 0x400);
  ioapic.line(0).set(true);
  ioapic.line(1).set(true);
  ioapic.line(1).set(true);
  assert.equal(sent, [
    [0x4700, 0],
    [0x4400, 0],
  ]);
  assert.is(read(ioapic, 0x12) & REMOTE_IRR, 0);
});

test('polarity matters only to a board that says how its wires idle', () => {
  const logical = setup();
  entry(logical.ioapic, 16, LEVEL | 0x2000 | 0x60);
  assert.is(logical.sent.length, 0);
  logical.ioapic.line(16).set(true);
  assert.is(logical.sent.length, 1);

  const wired = setup({ activeLow: 1 << 16 });
  entry(wired.ioapic, 16, LEVEL | 0x2000 | 0x60);
  assert.is(wired.sent.length, 0);
  wired.ioapic.line(16).set(true);
  assert.is(wired.sent.length, 1);
  entry(wired.ioapic, 17, LEVEL | 0x2000 | 0x61);
  assert.is(wired.sent.length, 2, 'an active-high wire read as active-low is asserted while it idles');
});

test('the trace hears entry, pin and coalescing', () => {
  const heard: unknown[] = [];
  const ioapic = new Ioapic({
    bus: { deliver: () => 1 },
    trace: { ioapicSetIrq: (...args) => heard.push(args), ackIrq: (...args) => heard.push(args) },
  });
  entry(ioapic, 5, LEVEL | 0x45, 2);
  ioapic.line(5).set(true);
  ioapic.line(5).set(false);
  ioapic.eoi(0x45);
  assert.equal(heard, [
    [0x0200_0000, LEVEL | 0x45, 5, 0],
    [0x0200_0000, LEVEL | REMOTE_IRR | 0x45, 5, 0],
    [2, 5],
  ]);
});

test('narrow reads give parts of a register, narrow writes of IOWIN nothing', () => {
  const { ioapic } = setup();
  ioapic.mmioWrite(0, 1, 1);
  assert.is(ioapic.mmioRead(0x10, 1), 0x20);
  assert.is(ioapic.mmioRead(0x12, 2), 0x17);
  ioapic.mmioWrite(0, 1, 0x10);
  ioapic.mmioWrite(0x10, 1, 0x33);
  assert.is(ioapic.mmioRead(0x10, 4), MASK);
});

test('a restored IOAPIC goes on as the saved one', () => {
  const one = setup();
  entry(one.ioapic, 9, LEVEL | 0x51, 0xff);
  one.ioapic.line(9).set(true);
  const state = JSON.parse(JSON.stringify(one.ioapic.save()));
  const other = setup();
  other.ioapic.restore(state);
  assert.equal(other.sent, []);
  assert.equal(other.ioapic.save(), one.ioapic.save());
  other.ioapic.eoi(0x51);
  assert.equal(other.sent, [[0xc051, 0xff]]);
  assert.throws(
    () => other.ioapic.restore({ ...state, low: [1] }),
    (error: unknown) => error instanceof StateError,
  );
});

test.run();
