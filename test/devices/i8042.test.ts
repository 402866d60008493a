import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { I8042, type I8042Options, type Ps2Device } from '../../devices/i8042.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeLine } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

const [OBF, COMMAND_LAST, AUX, TIMEOUT] = [0x01, 0x08, 0x20, 0x40];

function board(options: Partial<I8042Options> = {}) {
  const keyboardIrq = new FakeLine();
  const auxIrq = new FakeLine();
  const ports = new FakePorts();
  const events: string[] = [];
  const i8042 = new I8042({
    keyboardIrq,
    auxIrq,
    a20: (open) => events.push(open ? 'a20 on' : 'a20 off'),
    reset: () => events.push('reset'),
    ...options,
  });
  i8042.attach(ports);
  const status = () => ports.read(0x64);
  const command = (value: number, ...data: number[]) => {
    ports.write(0x64, value);
    for (const byte of data) ports.write(0x60, byte);
  };
  const keyboard = (...bytes: number[]) => {
    for (const byte of bytes) ports.write(0x60, byte);
  };
  /** Everything that is waiting. */
  const drain = () => {
    const bytes: number[] = [];
    while (status() & OBF) bytes.push(ports.read(0x60));
    return bytes;
  };
  return { i8042, ports, keyboardIrq, auxIrq, events, status, command, keyboard, drain };
}

test('self-test and interface tests pass', () => {
  const { command, drain, status } = board();
  command(0xaa);
  assert.is(status(), OBF | 0x04 | COMMAND_LAST | 0x10);
  assert.equal(drain(), [0x55]);
  command(0xab);
  command(0xa9);
  command(0xa4);
  assert.equal(drain(), [0x00, 0x00, 0xf1]);
  command(0xff);
  assert.equal(drain(), []);
});

test('the command byte reads back, and A7, A8, AD, AE move its disable bits', () => {
  const { command, drain } = board();
  const commandByte = () => {
    command(0x20);
    return drain()[0];
  };
  assert.is(commandByte(), 0x65);
  command(0x60, 0x47);
  assert.is(commandByte(), 0x47);
  command(0xa7);
  assert.is(commandByte(), 0x67);
  command(0xad);
  assert.is(commandByte(), 0x77);
  command(0xa8);
  command(0xae);
  assert.is(commandByte(), 0x47);
});

test('the keyboard answers reset, identify, echo, lights, rate and scan set', () => {
  const { command, keyboard, drain, i8042 } = board();
  command(0x60, 0x05); // no translation
  const ask = (...bytes: number[]) => {
    keyboard(...bytes);
    return drain();
  };
  assert.equal(ask(0xff), [0xfa, 0xaa]);
  assert.equal(ask(0xf2), [0xfa, 0xab, 0x83]);
  assert.equal(ask(0xee), [0xee]);
  assert.equal(ask(0xed), [0xfa]);
  assert.equal(ask(0x05), [0xfa]);
  assert.is(i8042.leds, 5);
  assert.equal(ask(0xf3), [0xfa]);
  assert.equal(ask(0x20), [0xfa]);
  assert.equal([ask(0xf0), ask(0x00)], [[0xfa], [0xfa, 0x02]]);
  assert.equal([ask(0xf0), ask(0x01)], [[0xfa], [0xfa]]);
  assert.equal([ask(0xf0), ask(0x00)], [[0xfa], [0xfa, 0x01]]);
  assert.equal([ask(0xf0), ask(0x03)], [[0xfa], [0xfe]], 'set 3 is refused');
  assert.equal([ask(0xf5), ask(0xf4), ask(0xf6)], [[0xfa], [0xfa], [0xfa]]);
  assert.equal(ask(0x12), [0xfe]);
  assert.equal(ask(0xfe), [0xfe]);
  assert.equal([ask(0xed), ask(0xee)], [[0xfa], [0xee]], 'a command takes the place of a parameter');
});

test('identify goes through the translation like any code', () => {
  const { keyboard, drain } = board();
  keyboard(0xf2);
  assert.equal(drain(), [0xfa, 0xab, 0x41]);
});

test('keys arrive in set 1 when translated, with the break in bit 7, in set 2 when not', () => {
  const { i8042, drain, command } = board();
  const a = [0x1c, 0xf0, 0x1c];
  const right = [0xe0, 0x74, 0xe0, 0xf0, 0x74];
  i8042.key(a);
  i8042.key(right);
  assert.equal(drain(), [0x1e, 0x9e, 0xe0, 0x4d, 0xe0, 0xcd]);
  i8042.key([0x83, 0xf0, 0x83]); // F7
  assert.equal(drain(), [0x41, 0xc1]);
  command(0x60, 0x05);
  i8042.key(right);
  assert.equal(drain(), right);
  command(0xae, 0xf0, 0x01);
  drain();
  i8042.key(a);
  assert.equal(drain(), [0x1e, 0x9e], 'the keyboard itself speaks set 1');
});

test('every byte raises IRQ 1 anew, if the command byte allows', () => {
  const { i8042, drain, keyboardIrq, command, ports } = board();
  i8042.key([0x1c, 0xf0, 0x1c]);
  assert.is(keyboardIrq.rises, 1);
  assert.is(ports.read(0x60), 0x1e);
  assert.is(keyboardIrq.rises, 2);
  drain();
  assert.is(keyboardIrq.level, false);
  command(0x60, 0x44);
  i8042.key([0x1c]);
  assert.is(keyboardIrq.level, false);
  command(0x60, 0x45);
  assert.is(keyboardIrq.level, true, 'enabling it finds the buffer full');
});

test('a full keyboard refuses a key whole', () => {
  const { i8042, drain } = board();
  let taken = 0;
  while (i8042.key([0x1c, 0xf0, 0x1c])) taken++;
  assert.is(taken, 5, 'sixteen bytes, and one already in the output buffer');
  assert.is(drain().length, 10);
});

test('a disabled interface holds the keys back, and sending to the keyboard opens it', () => {
  const { i8042, drain, command, keyboard } = board();
  command(0xad);
  i8042.key([0x1c]);
  assert.equal(drain(), []);
  command(0xae);
  assert.equal(drain(), [0x1e]);
  command(0xad);
  keyboard(0xee);
  assert.equal(drain(), [0xee]);
  keyboard(0xf5);
  drain();
  i8042.key([0x1c]);
  assert.equal(drain(), [], 'scanning is off');
});

test('nothing on the auxiliary port: time-out', () => {
  const { command, status, ports, auxIrq } = board();
  command(0x60, 0x47);
  command(0xd4, 0xff);
  assert.is(status() & (OBF | AUX | TIMEOUT), OBF | AUX | TIMEOUT);
  assert.is(auxIrq.level, true);
  assert.is(ports.read(0x60), 0xfe);
  assert.is(auxIrq.level, false);
  assert.is(status() & (OBF | AUX | TIMEOUT), 0);
});

test('D2 and D3 put a byte into the output buffer as the device would', () => {
  const { command, status, ports, auxIrq, keyboardIrq } = board();
  command(0x60, 0x47);
  command(0xd3, 0x5a);
  assert.is(status() & AUX, AUX);
  assert.is(auxIrq.rises, 1);
  assert.is(ports.read(0x60), 0x5a);
  command(0xd2, 0xa5);
  assert.is(status() & AUX, 0);
  assert.is(keyboardIrq.rises, 1);
  assert.is(ports.read(0x60), 0xa5);
});

test('a device on the auxiliary port is heard', () => {
  const aux: Ps2Device = {
    write: (value, reply) => [0xfa, value].forEach(reply),
    reset() {},
    save: () => ({}),
    restore() {},
  };
  const { command, drain, status, i8042, auxIrq } = board({ aux });
  command(0x60, 0x47);
  command(0xd4, 0xf2);
  assert.is(status() & (AUX | TIMEOUT), AUX);
  assert.equal(drain(), [0xfa, 0xf2]);
  assert.is(auxIrq.rises, 2);
  assert.is(i8042.auxInput([8, 1, 2]), true);
  assert.equal(drain(), [8, 1, 2]);
  assert.is(i8042.auxInput(new Array(17).fill(0)), false);
});

test('the output port switches A20 and resets', () => {
  const { command, drain, events } = board();
  command(0xd0);
  assert.is(drain()[0] & 3, 3);
  command(0xd1, 0xdd);
  command(0xd1, 0xdd);
  command(0xd0);
  assert.is(drain()[0] & 3, 1);
  command(0xd1, 0xdf);
  assert.equal(events, ['a20 off', 'a20 on']);
  command(0xfe);
  command(0xf1);
  command(0xd1, 0xde);
  assert.equal(events.slice(2), ['reset', 'reset']);
});

test('an empty buffer reads as its last byte', () => {
  const { command, ports } = board();
  command(0xaa);
  assert.equal([ports.read(0x60), ports.read(0x60)], [0x55, 0x55]);
});

test('reset forgets everything', () => {
  const { i8042, command, keyboard, events, keyboardIrq, drain } = board();
  const fresh = i8042.save();
  command(0xd1, 0xdd);
  keyboard(0xed, 0x07);
  i8042.key([0x1c]);
  i8042.reset();
  assert.equal(i8042.save(), fresh);
  assert.equal(events, ['a20 off', 'a20 on']);
  assert.is(keyboardIrq.level, false);
  assert.equal(drain(), []);
});

test('saved anywhere and restored elsewhere, it goes on as if nothing had happened', () => {
  const random = randomSource(9);
  for (let round = 0; round < 100; round++) {
    const one = board();
    const step = (b: ReturnType<typeof board>, kind: number, value: number) => {
      if (kind === 0) b.ports.write(0x64, value);
      else if (kind === 1) b.ports.write(0x60, value);
      else if (kind === 2) b.i8042.key([0xe0, 0xf0, value & 0x7f]);
      else return b.ports.read(kind === 3 ? 0x60 : 0x64);
      return b.status();
    };
    const draw = () => [random(5), random(256)] as const;
    for (let i = 0; i < 40; i++) step(one, ...draw());
    const two = board();
    two.i8042.restore(JSON.parse(JSON.stringify(one.i8042.save())));
    one.events.length = 0;
    two.events.length = 0;
    for (let i = 0; i < 60; i++) {
      const action = draw();
      assert.is(step(two, ...action), step(one, ...action));
      assert.equal([two.keyboardIrq.level, two.auxIrq.level], [one.keyboardIrq.level, one.auxIrq.level]);
    }
    assert.equal(two.i8042.save(), one.i8042.save());
    assert.equal(two.events, one.events);
  }
});

test('restore refuses junk and leaves the device alone', () => {
  const { i8042, keyboard } = board();
  keyboard(0xf2);
  const before = i8042.save();
  const keyboards = spoiled(before['keyboard'] as object).map((k) => ({ ...before, keyboard: k }));
  for (const state of [...spoiled(before), ...keyboards]) {
    assert.throws(
      () => i8042.restore(state),
      (e: Error) => e instanceof StateError,
      JSON.stringify(state),
    );
  }
  assert.equal(i8042.save(), before);
});

test.run();
