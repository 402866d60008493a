/** The defects that measure the tests' power fit the sources of today. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../../scripts/core-inputs.mjs';
import { awake, seed } from './build.ts';
import { DEFECTS } from './defects.ts';

test('every defect has its place in the sources, besides those before it', () => {
  const sources = new Map<string, string>();
  DEFECTS.forEach((d, i) => {
    const source = sources.get(d.file) ?? readFileSync(join(root, 'vmm/cpu/core', d.file), 'utf8');
    sources.set(d.file, seed(source, d, i + 1));
  });
  assert.ok(DEFECTS.length >= 60, `${DEFECTS.length} defects`);
});

test('a defect has one idea of its own', () => {
  assert.is(new Set(DEFECTS.map((d) => d.what)).size, DEFECTS.length);
  for (const d of DEFECTS) assert.is.not(d.good, d.bad, d.what);
});

test('a place that is not there, or there twice, is refused', () => {
  const defect = { what: 'nothing', file: 'flags.ts', good: 'a + b', bad: 'a - b' };
  assert.is(seed('x = a + b;', defect, 7), 'x = (defect(7) ? (a - b) : (a + b));');
  assert.throws(() => seed('x = a;', defect, 7), /not in flags\.ts/);
  assert.throws(() => seed('x = a + b; y = a + b;', defect, 7), /not one/);
});

test('the switch of the defects must be in the module', () => {
  assert.throws(() => awake(new Uint8Array(100), 1), /not in the module/);
});

test.run();
