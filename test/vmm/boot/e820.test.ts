import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { E820_RAM, e820 } from '../../../vmm/boot/e820.ts';

test('the map of 256 MB: base memory, EBDA, BIOS area, extended memory', () => {
  assert.equal(e820(0x1000_0000), [
    { base: 0, length: 0x9fc00, type: 1 },
    { base: 0x9fc00, length: 0x400, type: 2 },
    { base: 0xe0000, length: 0x20000, type: 2 },
    { base: 0x100000, length: 0xff00000, type: 1 },
  ]);
});

test('high memory begins at 4 GiB', () => {
  assert.equal(e820(0x8000_0000, 0x1000).at(-1), { base: 0x1_0000_0000, length: 0x1000, type: 1 });
});

test('entries are sorted, apart and not empty, whatever the size', () => {
  for (const low of [0, 0x1000, 0x9fc00, 0xa0000, 0x100000, 0x100001, 0x4000_0000, 0xe000_0000]) {
    const map = e820(low);
    map.forEach((entry, i) => {
      assert.ok(entry.length > 0);
      const next = map[i + 1];
      if (next !== undefined) assert.ok(entry.base + entry.length <= next.base);
    });
    const ram = map.filter((e) => e.type === E820_RAM);
    assert.ok(ram.every((e) => e.base + e.length <= low));
  }
});

test.run();
