/** Two sequences are paired in order, and what one of them alone has stays alone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { aligned } from '../../../vmm/exit-log/aligned.ts';
import { Random } from '../../cpu/host-random.ts';

const text = (word: string): string[] => [...word];
const pairs = (a: string, b: string): string => [...aligned(text(a), text(b))].map((j, i) => (j < 0 ? '' : `${a[i]}${i}${j}`)).join(' ');

test('likes are paired, an insertion and a removal are not', () => {
  assert.is(pairs('abc', 'abc'), 'a00 b11 c22');
  assert.is(pairs('abc', 'axbc'), 'a00 b12 c23');
  assert.is(pairs('abxc', 'abc'), 'a00 b11  c32');
  assert.is(pairs('', 'abc'), '');
  assert.is(pairs('aabbcc', 'bbccaa'), '  b20 b31 c42 c53');
});

test('places rise, pairs are alike, and what is removed leaves the rest paired', () => {
  const random = new Random(3);
  for (let round = 0; round < 200; round++) {
    const a = Array.from({ length: random.below(61) }, () => String(random.below(2 + (round % 40))));
    const b = a.filter(() => random.below(10) > 0);
    const found = aligned(a, b);
    let last = -1;
    for (const [i, j] of found.entries()) {
      if (j < 0) continue;
      assert.is(a[i], b[j]);
      assert.ok(j > last);
      last = j;
    }
    // With so few elements nothing is given up: all that is left of a is found.
    if (new Set(a).size === a.length) assert.is(found.filter((j) => j >= 0).length, b.length);
  }
});

test('a hundred thousand lines that all differ, or are all alike, take no long time', () => {
  const a = Array.from({ length: 100_000 }, (_, i) => `a${i}`);
  assert.ok(
    aligned(
      a,
      a.map((line) => `b${line}`),
    ).every((j) => j < 0),
  );
  const same = new Array<string>(100_000).fill('x');
  assert.is(aligned(same, same.slice(1)).filter((j) => j >= 0).length, 99_999);
});

test.run();
