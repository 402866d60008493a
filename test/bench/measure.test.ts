/** The arithmetic of the benchmarks, and what their command says to a wrong name. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { alternate, ratio, runTimed, sampleOf } from './measure.ts';

test('a sample is its median and its spread', () => {
  assert.equal(sampleOf([3, 1, 2]), { median: 2, min: 1, max: 3, runs: 3 });
  assert.equal(sampleOf([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4, runs: 4 });
  assert.throws(() => sampleOf([]), /nothing/);
});

test('engines take turns, and the first round does not count', () => {
  const calls: string[] = [];
  const [a, b] = alternate(2, [() => calls.push('a'), () => calls.push('b')]);
  assert.equal(calls, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.equal(a, { median: 4, min: 3, max: 5, runs: 2 });
  assert.equal(b, { median: 5, min: 4, max: 6, runs: 2 });
});

test('the ratio is of medians, and there is none without a peer', () => {
  const lucid = sampleOf([3]);
  assert.is(ratio({ name: '', unit: '', lucid }), undefined);
  assert.is(ratio({ name: '', unit: '', lucid, peer: { who: '', sample: sampleOf([2]) } }), 1.5);
});

test('a program is charged the CPU time that it used', () => {
  const used = (millions: number): number => runTimed(process.execPath, ['-e', `for (let i = 0; i < ${millions}e6; i++);`]).cpuSeconds;
  assert.ok(used(1500) > used(1));
});

test('an unknown name is refused with the known ones', () => {
  const result = spawnSync(process.execPath, [fileURLToPath(new URL('run.ts', import.meta.url)), 'nosuch'], { encoding: 'utf8' });
  assert.is(result.status, 2);
  assert.match(result.stderr, /no benchmark is named nosuch\nusage: .*boot/);
});

test.run();
