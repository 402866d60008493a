import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LINES, TestDevice } from '../../devices/testdev.ts';
import { FakeLine } from './fake.ts';

function device(): { dev: TestDevice; lines: FakeLine[] } {
  const lines = Array.from({ length: LINES }, () => new FakeLine());
  return { dev: new TestDevice({ lines }), lines };
}

test('the latch reads back what was written, by bytes and wider', () => {
  const { dev } = device();
  dev.portWrite(0xe0, 4, 0x12345678);
  assert.is(dev.portRead(0xe0, 4), 0x12345678);
  assert.is(dev.portRead(0xe1, 1), 0x56);
  dev.portWrite(0xe2, 2, 0xbeef);
  assert.is(dev.portRead(0xe0, 4), 0xbeef5678);
});

test('a write to 2000h + n drives line n', () => {
  const { dev, lines } = device();
  dev.portWrite(0x2005, 1, 1);
  assert.is(lines[5]?.level, true);
  assert.is(lines[4]?.level, false);
  dev.portWrite(0x2005, 4, 0);
  assert.is(lines[5]?.level, false);
});

test('its memory keeps bytes, and a saved state brings them back', () => {
  const { dev } = device();
  dev.mmioWrite(0x100, 4, 0xcafebabe);
  dev.portWrite(0xe0, 1, 7);
  const other = device().dev;
  other.restore(JSON.parse(JSON.stringify(dev.save())));
  assert.is(other.mmioRead(0x102, 2), 0xcafe);
  assert.is(other.portRead(0xe0, 1), 7);
  assert.throws(() => other.restore({ latch: [1], memory: [] }));
});

test.run();
