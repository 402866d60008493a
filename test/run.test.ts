/** The test runner's judgement of one file's process. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from './run.ts';

function total(tests: number, passed: number, skipped: number): string {
  return `• •   (${passed} / ${tests})\n\n  Total:     ${tests}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`;
}

function verdict(code: number | null, output: string): number[] {
  const { passed, failed, skipped } = judge('test/x.test.ts', code, output, 1);
  return [passed, failed, skipped];
}

test('tests are counted as uvu reports them', () => {
  assert.equal(verdict(0, total(3, 3, 0)), [3, 0, 0]);
  assert.equal(verdict(1, total(3, 1, 2)), [1, 2, 2]);
  assert.equal(verdict(0, total(0, 0, 4)), [0, 0, 4]);
});

test('a file that crashes, hangs or runs no test is one failure', () => {
  assert.equal(verdict(1, 'SyntaxError'), [0, 1, 0]);
  assert.equal(verdict(0, ''), [0, 1, 0]);
  assert.equal(verdict(0, total(0, 0, 0)), [0, 1, 0]);
  assert.equal(verdict(null, '• • '), [0, 1, 0]);
});

test('a bad exit status after all tests passed is one failure', () => {
  assert.equal(verdict(1, total(3, 3, 0)), [3, 1, 0]);
  assert.equal(verdict(null, total(3, 3, 0)), [3, 1, 0]);
});

test.run();
