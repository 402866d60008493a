/** The structures that arguments point to: laid out as D lays them out, filled in within their bounds. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEVICE_POINTS, DEVICE_PROBE, POINTS, POINTS_ALL } from '../../probes/points.ts';
import { BUFINFO, DEVINFO, FILEINFO, placesOf, StructureBytes, STRUCTURES } from '../../probes/structures.ts';
import { checkExpression } from './d/checked.ts';

const constant = (text: string, before = ''): number => {
  const found = checkExpression(text, before);
  if (found.op !== 'integer') throw new Error(`${text} is no constant`);
  return Number(found.value);
};

test('members, sizes and alignment are those that D gives the same declaration', () => {
  for (const { tag, members, bytes, align } of STRUCTURES) {
    const declaration = `struct mine { ${members.map(({ type, name }) => `${type} ${name};`).join(' ')} }; struct behind { char c; struct mine m; };`;
    assert.is(constant('sizeof (struct mine)', declaration), bytes, tag);
    assert.is(constant('offsetof (struct behind, m)', declaration), align, tag);
    assert.is(constant(`sizeof (${tag}_t)`), bytes);
    for (const { name, offset } of members) {
      assert.is(constant(`offsetof (struct mine, ${name})`, declaration), offset, `${tag}.${name}`);
      assert.is(constant(`offsetof (${tag}_t, ${name})`), offset);
    }
  }
});

test('the flags have the values of illumos', () => {
  const values = ['B_BUSY', 'B_DONE', 'B_ERROR', 'B_PAGEIO', 'B_PHYS', 'B_READ', 'B_WRITE', 'B_ASYNC'].map((name) => constant(name));
  assert.equal(values, [0x1, 0x2, 0x4, 0x10, 0x20, 0x40, 0x100, 0x400]);
});

test('points of devices follow those of sdt; their arguments are pointers in raw arguments of their own', () => {
  assert.equal(
    DEVICE_POINTS.map(({ id }) => id),
    Object.values(DEVICE_PROBE),
  );
  assert.is(DEVICE_POINTS[0]?.id, POINTS.length);
  assert.is(POINTS_ALL, POINTS.length + DEVICE_POINTS.length);
  assert.equal(DEVICE_POINTS[1]?.args, [
    { type: 'bufinfo_t *', name: 'bufinfo', raw: 1 },
    { type: 'devinfo_t *', name: 'devinfo', raw: 2 },
    { type: 'fileinfo_t *', name: 'fileinfo', raw: 3 },
  ]);
});

test('structures one after the other, each on 8 bytes', () => {
  const places = placesOf([BUFINFO, DEVINFO, FILEINFO]);
  assert.equal(places, [0, 80, 864, 2160]);
  assert.equal([BUFINFO.bytes, DEVINFO.bytes, FILEINFO.bytes], [80, 780, 1296]);
});

test('numbers of their width, text cut to its place, and nothing beside it', () => {
  const about = new StructureBytes([DEVINFO]);
  about.number('dev_major', -1);
  about.text('dev_name', 'x'.repeat(400));
  about.text('dev_statname', 'disk0');
  about.text('dev_statname', 'd');
  const at = (name: string): number => DEVINFO.members.find((member) => member.name === name)?.offset ?? -1;
  const text = (name: string): string => Buffer.from(about.bytes.subarray(at(name), at(name) + 256)).toString('latin1');
  assert.equal([...about.bytes.subarray(0, 8)], [255, 255, 255, 255, 0, 0, 0, 0]);
  assert.is(text('dev_name'), `${'x'.repeat(255)}\0`);
  assert.is(text('dev_statname'), `d${'\0'.repeat(255)}`);
  assert.throws(() => about.number('nothing', 1), /no member nothing/);
  const wide = new StructureBytes([BUFINFO]);
  wide.number('b_blkno', 2 ** 50 + 3);
  const offset = BUFINFO.members.find(({ name }) => name === 'b_blkno')?.offset ?? -1;
  assert.is(new DataView(wide.bytes.buffer).getBigUint64(offset, true), 2n ** 50n + 3n);
});

test.run();
