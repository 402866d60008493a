/** LEB128 and the rest of the binary format's encodings. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { u32Length, Writer } from '../../../vmm/wasm/writer.ts';

/** LEB128 as the specification defines it, on BigInt. */
function unsigned(value: bigint): number[] {
  const rest = value >> 7n;
  const low = Number(value & 0x7fn);
  return rest === 0n ? [low] : [low | 0x80, ...unsigned(rest)];
}

function signed(value: bigint): number[] {
  const rest = value >> 7n;
  const low = Number(value & 0x7fn);
  return (rest === 0n && low < 64) || (rest === -1n && low >= 64) ? [low] : [low | 0x80, ...signed(rest)];
}

const EDGES = [
  0n,
  1n,
  63n,
  64n,
  65n,
  127n,
  128n,
  8191n,
  8192n,
  16383n,
  16384n,
  2n ** 20n,
  2n ** 27n,
  2n ** 28n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
];

function written(write: (writer: Writer) => void): number[] {
  const writer = new Writer(1);
  write(writer);
  return [...writer.take()];
}

test('unsigned LEB128', () => {
  for (const value of EDGES) {
    const bytes = written((w) => w.u32(Number(value)));
    assert.equal(bytes, unsigned(value), String(value));
    assert.is(u32Length(Number(value)), bytes.length);
  }
});

test('signed LEB128 of 32 bits', () => {
  for (const edge of EDGES) {
    for (const value of [edge, -edge, -edge - 1n]) {
      const narrow = BigInt.asIntN(32, value);
      assert.equal(
        written((w) => w.s32(Number(value))),
        signed(narrow),
        String(value),
      );
    }
  }
});

test('signed LEB128 of 64 bits from two halves', () => {
  const wide = [...EDGES, 2n ** 33n, 2n ** 41n, 2n ** 48n - 1n, 2n ** 55n, 2n ** 62n, 2n ** 63n - 1n];
  for (const edge of wide) {
    for (const value of [edge, -edge, -edge - 1n]) {
      const low = Number(BigInt.asUintN(32, value));
      const high = Number(BigInt.asUintN(32, value >> 32n));
      assert.equal(
        written((w) => w.s64(low, high)),
        signed(BigInt.asIntN(64, value)),
        String(value),
      );
    }
  }
});

test('floats keep their bits, names are UTF-8 with their length', () => {
  assert.equal(
    written((w) => w.f32(-1.5)),
    [0, 0, 0xc0, 0xbf],
  );
  assert.equal(
    written((w) => w.f64(-1.5)),
    [0, 0, 0, 0, 0, 0, 0xf8, 0xbf],
  );
  assert.equal(
    written((w) => w.name('aµ')),
    [3, 0x61, 0xc2, 0xb5],
  );
});

test('the buffer grows under short and long copies and keeps its room when cleared', () => {
  const long = Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff);
  const writer = new Writer(1);
  writer.append(long);
  writer.append(long, 10, 20);
  writer.append(long, 100, 900);
  assert.equal([...writer.take()], [...long, ...long.slice(10, 20), ...long.slice(100, 900)]);
  const room = writer.bytes.length;
  writer.clear();
  assert.is(writer.length, 0);
  assert.is(writer.bytes.length, room);
});

test.run();
