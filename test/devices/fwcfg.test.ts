import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FWCFG_CPUS, FWCFG_RAM_SIZE, FwCfg } from '../../devices/fwcfg.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakePorts, spoiled } from './fake-board.ts';

function board() {
  const ports = new FakePorts();
  const fwcfg = new FwCfg();
  fwcfg.attach(ports);
  const item = (key: number, length: number) => {
    ports.write(0x510, key, 2);
    return Array.from({ length }, () => ports.read(0x511));
  };
  return { ports, fwcfg, item };
}
const ascii = (text: string) => Array.from(text, (c) => c.charCodeAt(0));

test('says QEMU, and that it has no DMA', () => {
  const { item } = board();
  assert.equal(item(0, 4), ascii('QEMU'));
  assert.equal(item(1, 4), [1, 0, 0, 0]);
});

test('past the end and for an unknown key it gives zeros', () => {
  const { item } = board();
  assert.equal(item(0, 6).slice(4), [0, 0]);
  assert.equal(item(0x77, 3), [0, 0, 0]);
});

test("the architecture's items are none, and no other's", () => {
  const { fwcfg, item } = board();
  fwcfg.addNumber(FWCFG_RAM_SIZE, 0x1234, 8);
  assert.equal(item(0x8000 | FWCFG_RAM_SIZE, 4), [0, 0, 0, 0]);
  assert.equal(item(0x4000 | FWCFG_RAM_SIZE, 2), [0x34, 0x12]);
});

test('numbers are little-endian and wide reads take several bytes', () => {
  const { fwcfg, item, ports } = board();
  fwcfg.addNumber(FWCFG_RAM_SIZE, 0x1_2345_6789, 8);
  fwcfg.addNumber(FWCFG_CPUS, 3, 2);
  assert.equal(item(FWCFG_RAM_SIZE, 8), [0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0]);
  ports.write(0x510, FWCFG_CPUS, 2);
  assert.is(ports.read(0x511, 2), 3);
});

test('files stand in the directory by name, whatever the order they were added in', () => {
  const { fwcfg, item } = board();
  fwcfg.addFile('etc/e820', Uint8Array.of(1, 2, 3));
  fwcfg.addFile('bootorder', Uint8Array.of(9));
  const directory = item(0x19, 4 + 2 * 64);
  assert.equal(directory.slice(0, 4), [0, 0, 0, 2]);
  const entry = (i: number) => directory.slice(4 + 64 * i, 68 + 64 * i);
  assert.equal(entry(0).slice(0, 18), [0, 0, 0, 1, 0, 0x20, 0, 0, ...ascii('bootorder'), 0]);
  assert.equal(entry(1).slice(0, 17), [0, 0, 0, 3, 0, 0x21, 0, 0, ...ascii('etc/e820'), 0]);
  assert.equal(item(0x21, 3), [1, 2, 3]);
});

test('names and keys that do not fit are refused', () => {
  const { fwcfg } = board();
  for (const name of ['', 'x'.repeat(56), 'a b', 'ü'])
    assert.throws(
      () => fwcfg.addFile(name, new Uint8Array(0)),
      (e: Error) => e instanceof RangeError,
    );
  for (const key of [-1, 0x19, 0x20, 1.5])
    assert.throws(
      () => fwcfg.add(key, new Uint8Array(0)),
      (e: Error) => e instanceof RangeError,
    );
});

test('the place in an item survives save and restore; junk is refused', () => {
  const { fwcfg, item, ports } = board();
  item(0, 2);
  const saved = fwcfg.save();
  fwcfg.reset();
  fwcfg.restore(saved);
  assert.is(ports.read(0x511), 'M'.charCodeAt(0));
  for (const state of [...spoiled(saved), { key: 0, offset: 5 }])
    assert.throws(
      () => fwcfg.restore(state),
      (e: Error) => e instanceof StateError,
    );
});

test.run();
