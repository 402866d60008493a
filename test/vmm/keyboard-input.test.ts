import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { I8042 } from '../../devices/i8042.ts';
import { KeyboardInput } from '../../vmm/keyboard-input.ts';
import { FakeClock, FakeLine } from '../devices/fake.ts';
import { FakePorts } from '../devices/fake-board.ts';

function keyboard(firmware = false) {
  const clock = new FakeClock();
  const ports = new FakePorts();
  const irq = new FakeLine();
  const i8042 = new I8042({ keyboardIrq: irq, auxIrq: new FakeLine(), a20: () => {}, reset: () => {} });
  i8042.attach(ports);
  const input = new KeyboardInput(clock, i8042, firmware);
  /** What a guest reads that looks every millisecond. */
  const read = (ms: number): number[] => {
    const bytes: number[] = [];
    for (let i = 0; i < ms; i++) {
      clock.run(1_000_000);
      if (ports.read(0x64) & 1) bytes.push(ports.read(0x60));
    }
    return bytes;
  };
  return { clock, ports, irq, i8042, input, read };
}

const KEYS = Array.from({ length: 100 }, (_, i) => [0x15 + (i % 3)]);
const BYTES = KEYS.map(([code]) => ({ 21: 0x10, 22: 0x02, 23: 0x5a })[code as 0x15]);

test('keys go in one by one, each some milliseconds after the one before was read', () => {
  const { input, read, irq } = keyboard();
  input.push(KEYS);
  const bytes = read(200);
  assert.ok(bytes.length > 25 && bytes.length < 45, `${bytes.length} in 200 ms`);
  bytes.push(...read(400));
  assert.equal(bytes, BYTES);
  assert.is(irq.rises, 100);
});

test('a guest that does not read loses nothing, however many keys there are', () => {
  const { input, clock, read } = keyboard();
  input.push(KEYS);
  clock.run(10e9);
  assert.is(clock.next, Number.POSITIVE_INFINITY, 'no time passes in looking');
  input.push([[0x15]]);
  assert.equal(read(600), [...BYTES, 0x10]);
});

test('a keyboard that is switched off by the guest waits', () => {
  const { input, ports, read } = keyboard();
  ports.write(0x64, 0xad);
  input.push([[0x15]]);
  assert.equal(read(50), []);
  ports.write(0x64, 0xae);
  assert.equal(read(50), [0x10]);
  // F5h: the keyboard itself stops scanning, FAh is its answer.
  ports.write(0x60, 0xf5);
  input.push([[0x16]]);
  assert.equal(read(50), [0xfa]);
  ports.write(0x60, 0xf4);
  assert.equal(read(50), [0xfa, 0x02]);
});

test('behind firmware keys wait until it has enabled the keyboard, or for three seconds', () => {
  const { input, ports, read } = keyboard(true);
  input.push([[0x15]]);
  assert.equal(read(100), []);
  ports.write(0x60, 0xff);
  assert.equal(read(100), [0xfa, 0xaa]);
  ports.write(0x60, 0xf4);
  assert.equal(read(100), [0xfa, 0x10]);
  const other = keyboard(true);
  other.input.push([[0x15]]);
  assert.equal(other.read(2900), []);
  assert.equal(other.read(200), [0x10]);
});

test.run();
