import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as aml from '../../../devices/acpi/aml.ts';

const isRangeError = (e: Error) => e instanceof RangeError;
const ascii = (text: string) => Array.from(text, (c) => c.charCodeAt(0));

test('names are padded, rooted and joined by their prefixes', () => {
  assert.equal(aml.path('_S5'), ascii('_S5_'));
  assert.equal(aml.path('\\_S5'), ascii('\\_S5_'));
  assert.equal(aml.path('\\_SB.PCI0'), [0x5c, 0x2e, ...ascii('_SB_PCI0')]);
  assert.equal(aml.path('_SB.PCI0.COM1'), [0x2f, 3, ...ascii('_SB_PCI0COM1')]);
  for (const bad of ['', 'TOOLONG', '1ABC', 'ab', 'A..B']) assert.throws(() => aml.path(bad), isRangeError);
});

test('integers take their shortest form', () => {
  assert.equal([0, 1, 2, 0xff].map(aml.integer), [[0], [1], [0x0a, 2], [0x0a, 0xff]]);
  assert.equal(aml.integer(0x1234), [0x0b, 0x34, 0x12]);
  assert.equal(aml.integer(0xfec0_0000), [0x0c, 0, 0, 0xc0, 0xfe]);
  assert.equal(aml.integer(2 ** 40 + 1), [0x0e, 1, 0, 0, 0, 0, 1, 0, 0]);
  for (const bad of [-1, 0.5, 2 ** 53]) assert.throws(() => aml.integer(bad), isRangeError);
});

test("EISA ids are the bytes of the specification's examples", () => {
  assert.equal(aml.eisaId('PNP0A03'), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  assert.equal(aml.eisaId('PNP0501'), [0x0c, 0x41, 0xd0, 0x05, 0x01]);
  assert.throws(() => aml.eisaId('ACPI0007'), isRangeError);
});

test('package lengths change their width at 63, 4095 and 1048575', () => {
  const lengthBytes = (content: number) => {
    const bytes = aml.scope('A', new Array(content - 4).fill(0)).slice(1);
    const width = (bytes[0] >> 6) + 1;
    let length = width === 1 ? bytes[0] & 0x3f : bytes[0] & 0x0f;
    for (let i = 1; i < width; i++) length |= bytes[i] << (8 * i - 4);
    assert.is(length, bytes.length, 'the length counts itself and the content');
    return width;
  };
  assert.equal([10, 62, 63, 4093, 4094, 1_048_572, 1_048_573].map(lengthBytes), [1, 1, 2, 2, 3, 3, 4]);
});

test('a package counts its elements and takes at most 255', () => {
  assert.equal(aml.packageOf(aml.integer(5), aml.integer(0)), [0x12, 5, 2, 0x0a, 5, 0]);
  assert.throws(() => aml.packageOf(...new Array(256).fill([0])), isRangeError);
});

test('resource descriptors have the lengths their tags say', () => {
  const bytes = aml.resources(aml.io(0x3f8, 8), aml.irq(4), aml.dma(2), aml.memory32(0xfee0_0000, 4096), aml.busNumbers(0, 255));
  const content = bytes.slice(4); // BufferOp, PkgLength, BytePrefix, size
  let at = 0;
  const tags: number[] = [];
  while (content[at] !== 0x79) {
    tags.push(content[at]);
    at += content[at] & 0x80 ? 3 + content[at + 1] + 256 * content[at + 2] : 1 + (content[at] & 7);
  }
  assert.equal(tags, [0x47, 0x22, 0x2a, 0x86, 0x88]);
  assert.is(at + 2, content.length);
  assert.equal(aml.memoryWindow(0, 0xffff)[0], 0x87);
  assert.equal(aml.memoryWindow(2 ** 32, 2 ** 33 - 1)[0], 0x8a);
});

test('methods carry their arguments, and branches both sides', () => {
  const method = aml.method(
    '_STA',
    { args: 1, serialized: true },
    aml.when(aml.equal(aml.arg(0), aml.integer(1)), [aml.returnOf(aml.integer(0x0f))], [aml.store(aml.arg(0), aml.local(0))]),
  );
  assert.equal(method, [
    ...[0x14, 0x13, ...ascii('_STA'), 0x09],
    ...[0xa0, 0x07, 0x93, 0x68, 0x01, 0xa4, 0x0a, 0x0f],
    ...[0xa1, 0x04, 0x70, 0x68, 0x60],
  ]);
  assert.equal(aml.string('OK'), [0x0d, 0x4f, 0x4b, 0]);
});

test.run();
