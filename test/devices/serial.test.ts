import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COM1_PORT, INPUT_QUEUE, MSR_CTS, MSR_DCD, MSR_DSR, MSR_RI, Serial, type SerialOptions } from '../../devices/serial.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeClock, FakeLine } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const FCR = IIR;
const [OUT2, LOOP] = [0x08, 0x10];
/** One character of 8N1 at 115,200 baud: 10 bits, rounded down. */
const CHARACTER = 86_805;

function board(options: Partial<SerialOptions> = {}) {
  const clock = new FakeClock();
  const irq = new FakeLine(clock);
  const ports = new FakePorts();
  const sent: number[] = [];
  const serial = new Serial({ irq, clock, output: (byte) => sent.push(byte), ...options });
  serial.attach(ports);
  const get = (register: number) => ports.read(COM1_PORT + register);
  const put = (register: number, value: number) => ports.write(COM1_PORT + register, value);
  /** 115,200 baud 8N1, OUT2 on, FIFOs as told. */
  const open = (fcr = 0) => {
    put(LCR, 0x83);
    put(0, 1);
    put(1, 0);
    put(LCR, 0x03);
    put(MCR, OUT2 | 3);
    put(FCR, fcr);
  };
  const type = (text: string) => serial.input(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  return { clock, irq, ports, serial, sent, get, put, open, type };
}

test('comes out of reset as the data sheet says', () => {
  const { get } = board();
  assert.equal([IER, IIR, LCR, MCR, LSR, MSR].map(get), [0, 1, 0, 0, 0x60, MSR_CTS | MSR_DSR | MSR_DCD]);
});

test('registers keep only the bits they have', () => {
  const { get, put } = board();
  for (const register of [IER, LCR, MCR, SCR]) put(register, 0xff);
  put(LCR, 0x7f);
  assert.equal([IER, LCR, MCR, SCR].map(get), [0x0f, 0x7f, 0x1f, 0xff]);
  put(LCR, 0x80);
  put(0, 0x34);
  put(1, 0x12);
  assert.equal([get(0), get(1)], [0x34, 0x12]);
});

test('IIR shows the FIFOs while they are on; FCR bits without bit 0 do nothing', () => {
  const { get, put } = board();
  put(FCR, 0xc0);
  assert.is(get(IIR), 0x01);
  put(FCR, 0x01);
  assert.is(get(IIR), 0xc1);
  put(FCR, 0x00);
  assert.is(get(IIR), 0x01);
});

test('a character written is sent at once, cut to the word length', () => {
  const { put, sent, get, open } = board();
  open();
  put(DATA, 0x41);
  put(LCR, 0x00);
  put(DATA, 0xff);
  assert.equal(sent, [0x41, 0x1f]);
  assert.is(get(LSR), 0x60);
});

test('enabling the THRE interrupt requests it, reading IIR withdraws it, writing raises it again with an edge', () => {
  const { put, get, irq, open } = board();
  open();
  put(IER, 2);
  assert.is(irq.level, true);
  assert.is(get(IIR), 2);
  assert.is(irq.level, false);
  assert.is(get(IIR), 1);
  put(DATA, 1);
  assert.is(irq.level, true);
  put(DATA, 2);
  assert.is(irq.rises, 3, 'each write drops and raises the line');
  put(IER, 2);
  assert.is(get(IIR), 2, 'writing the same value neither requests nor withdraws');
  put(IER, 2);
  assert.is(get(IIR), 1);
  put(IER, 0);
  put(IER, 2);
  assert.is(get(IIR), 2);
});

test('OUT2 gates the interrupt, and loopback takes OUT2 away', () => {
  const { put, irq, open } = board();
  open();
  put(MCR, 0);
  put(IER, 2);
  assert.is(irq.level, false);
  put(MCR, OUT2);
  assert.is(irq.level, true);
  put(MCR, OUT2 | LOOP);
  assert.is(irq.level, false);
});

test('without FIFOs a character at a time is received, and each raises the line', () => {
  const { put, get, irq, open, type } = board();
  open();
  put(IER, 1);
  assert.is(type('abc'), 3);
  for (const c of 'abc') {
    assert.is(irq.level, true);
    assert.is(get(IIR), 4);
    assert.is(get(LSR), 0x61);
    assert.is(get(DATA), c.charCodeAt(0));
  }
  assert.is(irq.rises, 3);
  assert.is(irq.level, false);
  assert.is(get(LSR), 0x60);
});

test('the FIFO interrupts at its trigger level, and by time-out after four character times', () => {
  for (const [fcr, trigger] of [
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ]) {
    const { put, get, irq, clock, open, type } = board();
    open(fcr);
    put(IER, 1);
    type('x'.repeat(trigger - 1));
    assert.is(irq.level, false);
    assert.is(get(IIR), 0xc1);
    if (trigger > 1) {
      clock.run(4 * CHARACTER - 1);
      assert.is(irq.level, false);
      clock.run(1);
      assert.is(irq.level, true);
      assert.is(get(IIR), 0xcc);
      get(DATA);
      assert.is(irq.level, false, 'a read ends the time-out');
      type('x');
    }
    type('x');
    assert.is(get(IIR), 0xc4);
    get(DATA);
    assert.is(get(IIR), 0xc1);
  }
});

test('the FIFO takes sixteen from the queue, and sixteen more once it is empty', () => {
  const { put, get, irq, open, type, serial } = board();
  open(0x81);
  put(IER, 1);
  type('0123456789abcdefghij');
  assert.is(serial.inputSpace, INPUT_QUEUE - 4);
  let text = '';
  for (let i = 0; i < 16; i++) text += String.fromCharCode(get(DATA));
  assert.is(serial.inputSpace, INPUT_QUEUE);
  assert.is(irq.level, false, 'four characters wait for company or for the time-out');
  while (get(LSR) & 1) text += String.fromCharCode(get(DATA));
  assert.is(text, '0123456789abcdefghij');
});

test('the host is told how much the queue took', () => {
  const { serial } = board();
  assert.is(serial.input(new Uint8Array(INPUT_QUEUE + 100)), INPUT_QUEUE);
  assert.is(serial.input(new Uint8Array(5)), 1, 'one had gone on to the receiver');
  assert.is(serial.sendBreak(), false);
});

test('line status outranks data, data outranks THRE, THRE outranks modem status', () => {
  const { put, get, open, serial, type } = board();
  open();
  serial.setModemLines(MSR_DSR | MSR_DCD);
  put(IER, 0x0f);
  serial.sendBreak();
  assert.is(get(IIR), 6);
  assert.is(get(LSR) & 0x1f, 0x19, 'break, framing error, data');
  assert.is(get(IIR), 4);
  assert.is(get(DATA), 0);
  assert.is(get(IIR), 2);
  assert.is(get(IIR), 0);
  assert.is(get(MSR), MSR_DSR | MSR_DCD | 0x01);
  assert.is(get(IIR), 1);
  type('x');
  assert.is(get(IIR), 4);
});

test('in the FIFO an error shows when its character is on top, and LSR bit 7 before that', () => {
  const { get, open, serial, type } = board();
  open(0x01);
  type('a');
  serial.sendBreak();
  assert.is(get(LSR), 0xe1);
  get(DATA);
  assert.is(get(LSR), 0xf9);
  assert.is(get(LSR), 0x61, 'reading LSR clears the errors');
});

test('the modem inputs leave deltas, RI only by its trailing edge', () => {
  const { get, serial } = board();
  serial.setModemLines(MSR_CTS | MSR_DSR | MSR_DCD | MSR_RI);
  assert.is(get(MSR), 0xf0);
  serial.setModemLines(0);
  assert.is(get(MSR), 0x0f);
  assert.is(get(MSR), 0x00);
});

test('loopback turns the outputs into the inputs, and the transmitter into the receiver', () => {
  const { get, put, open, sent, type } = board();
  open();
  for (let outputs = 0; outputs < 16; outputs++) {
    put(MCR, LOOP | outputs);
    const [dtr, rts, out1, out2] = [1, 2, 4, 8].map((bit) => (outputs & bit ? 1 : 0));
    assert.is(get(MSR) & 0xf0, (rts << 4) | (dtr << 5) | (out1 << 6) | (out2 << 7));
  }
  put(DATA, 0x5a);
  assert.is(get(LSR), 0x61);
  put(DATA, 0xa5);
  assert.is(get(LSR), 0x63, 'overrun');
  assert.is(get(LSR), 0x61);
  assert.is(get(DATA), 0xa5, 'the later character replaces the earlier without FIFOs');
  type('q');
  assert.is(get(LSR), 0x60, 'the line is not heard');
  put(MCR, 0);
  assert.is(get(DATA), 0x71);
  assert.equal(sent, []);
});

test('a FIFO that overruns keeps what it has', () => {
  const { get, put, open } = board();
  open(0x01);
  put(MCR, LOOP);
  for (let i = 0; i < 17; i++) put(DATA, i);
  assert.is(get(LSR), 0x63);
  for (let i = 0; i < 16; i++) assert.is(get(DATA), i);
  assert.is(get(LSR), 0x60);
});

test('switching the FIFOs and their reset bits empty the receiver', () => {
  const { get, put, open, type } = board();
  open(0x01);
  type('abc');
  put(FCR, 0x03);
  assert.is(get(LSR), 0x60);
  type('d');
  put(FCR, 0x00);
  assert.is(get(LSR), 0x60);
});

test('timed, a character takes ten bits of the divisor, and the FIFO holds sixteen behind the shift register', () => {
  const { get, put, open, sent, clock, irq } = board({ timing: 'baud' });
  open(0x01);
  put(IER, 2);
  get(IIR);
  for (let i = 0; i < 18; i++) put(DATA, i);
  assert.is(get(LSR), 0x00);
  assert.is(irq.level, false);
  clock.run(CHARACTER - 1);
  assert.equal(sent, []);
  clock.run(1);
  assert.equal(sent, [0]);
  clock.run(14 * CHARACTER);
  assert.is(get(LSR), 0x00);
  clock.run(CHARACTER - 1);
  assert.is(irq.level, false);
  clock.run(1);
  assert.is(irq.level, true);
  assert.is(get(LSR), 0x20, 'the last one is in the shift register');
  clock.run(CHARACTER);
  assert.is(get(LSR), 0x60);
  assert.equal(
    sent,
    Array.from({ length: 17 }, (_, i) => i),
    'the eighteenth found the FIFO full',
  );
});

test("timed, the host types at the line's speed and waits while the receiver is full", () => {
  const { get, open, clock, type } = board({ timing: 'baud' });
  open();
  type('ab');
  assert.is(get(LSR), 0x60);
  clock.run(CHARACTER);
  assert.is(get(LSR), 0x61);
  clock.run(50 * CHARACTER);
  assert.is(get(LSR), 0x61, 'no overrun');
  assert.is(get(DATA), 0x61);
  assert.is(get(DATA), 0x62);
});

test('timed, flush sends what waits', () => {
  const { put, open, sent, serial, clock } = board({ timing: 'baud' });
  open(0x01);
  for (let i = 0; i < 5; i++) put(DATA, i);
  serial.flush();
  assert.equal(sent, [0, 1, 2, 3, 4]);
  assert.is(clock.next, Infinity);
});

test('reset goes back to the beginning but for the divisor and the scratch register', () => {
  const { get, put, open, serial, irq, clock, type } = board();
  open(0x81);
  put(SCR, 0x77);
  put(IER, 0x0f);
  type('abc');
  serial.reset();
  assert.is(irq.level, false);
  assert.is(clock.next, Infinity);
  assert.equal([IER, IIR, LCR, MCR, LSR, SCR].map(get), [0, 1, 0, 0, 0x60, 0x77]);
});

test('saved anywhere and restored elsewhere, it goes on as if nothing had happened', () => {
  const random = randomSource(5);
  for (let round = 0; round < 80; round++) {
    const timing = round % 2 ? 'baud' : 'instant';
    const one = board({ timing });
    const step = (b: ReturnType<typeof board>, kind: number, register: number, value: number, ns: number) => {
      if (kind === 0) b.put(register, register === LCR ? value & 0x7f : value);
      else if (kind === 1) b.clock.run(ns);
      else if (kind === 2) b.serial.input(Uint8Array.of(value, ns & 0xff));
      else if (kind === 3) b.serial.sendBreak();
      return b.get(register);
    };
    const draw = () => [random(6), random(8), random(256), random(2_000_000)] as const;
    one.open(0x41);
    for (let i = 0; i < 40; i++) step(one, ...draw());
    const two = board({ timing });
    two.clock.runTo(one.clock.now());
    two.serial.restore(JSON.parse(JSON.stringify(one.serial.save())));
    one.sent.length = 0;
    for (let i = 0; i < 60; i++) {
      const action = draw();
      assert.is(step(two, ...action), step(one, ...action));
      assert.is(two.irq.level, one.irq.level);
      assert.is(two.clock.next, one.clock.next);
    }
    assert.equal(two.serial.save(), one.serial.save());
    assert.equal(two.sent, one.sent);
  }
});

test('any sequence of accesses leaves it answering with bytes, the line as IIR says', () => {
  const random = randomSource(3);
  const { get, put, clock, serial, irq, ports } = board();
  for (let i = 0; i < 20_000; i++) {
    const kind = random(8);
    if (kind < 4) put(random(8), random(256));
    else if (kind === 4) clock.run(random(1_000_000));
    else if (kind === 5) serial.input(Uint8Array.of(random(256)));
    else if (kind === 6) ports.write(COM1_PORT + random(8), random(2 ** 32 - 1), random(2) ? 2 : 4);
    else assert.ok(get(random(8)) <= 0xff);
    const { mcr } = serial.save() as { mcr: number };
    const pending = irq.level;
    const cause = get(IIR) & 0x0f;
    assert.is(pending, cause !== 1 && (mcr & (OUT2 | LOOP)) === OUT2);
  }
});

test('restore refuses junk and leaves the device alone', () => {
  const { serial, type, open } = board();
  open(1);
  type('hello');
  const before = serial.save();
  for (const state of spoiled(before))
    assert.throws(
      () => serial.restore(state),
      (e: Error) => e instanceof StateError,
      JSON.stringify(state),
    );
  for (const key of ['received', 'sending'])
    assert.throws(
      () => serial.restore({ ...before, [key]: new Array(17).fill(0) }),
      (e: Error) => e instanceof StateError,
    );
  assert.equal(serial.save(), before);
});

test.run();
