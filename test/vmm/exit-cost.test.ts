import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { costsByReason, DEFAULT_EXIT_COSTS, deviceCost, ExitCostError, exitCostsFrom, loadExitCosts } from '../../vmm/exit-cost.ts';

function reason(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.instance(error, ExitCostError);
    return (error as Error).message;
  }
  return 'accepted';
}

test('none costs nothing, default names every reason that it prices', () => {
  assert.ok(costsByReason(loadExitCosts('none')).every((ns) => ns === 0));
  assert.is(costsByReason(loadExitCosts('default'))[10], DEFAULT_EXIT_COSTS.reasons[10]);
  assert.is(costsByReason(loadExitCosts('default'))[71], DEFAULT_EXIT_COSTS.other);
  assert.is(deviceCost(DEFAULT_EXIT_COSTS, 'no such device'), DEFAULT_EXIT_COSTS.device);
});

test('a file changes what it names and nothing else', () => {
  const costs = exitCostsFrom('f', { reasons: { 10: 7 }, devices: { serial: 1 }, byte: 2 });
  assert.is(costs.reasons[10], 7);
  assert.is(costs.reasons[12], DEFAULT_EXIT_COSTS.reasons[12]);
  assert.is(deviceCost(costs, 'serial'), 1);
  assert.is(costs.byte, 2);
});

test('a file that is no table is refused in one line that names it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-cost-'));
  const file = join(folder, 'costs.json');
  try {
    writeFileSync(file, '{"reasons": {"10": -1}}');
    assert.match(
      reason(() => loadExitCosts(file)),
      /costs\.json: reasons\.10 must be nanoseconds/,
    );
    writeFileSync(file, '{"reasons": {"99": 1}}');
    assert.match(
      reason(() => loadExitCosts(file)),
      /not a basic exit reason/,
    );
    writeFileSync(file, '{"cpuid": 1}');
    assert.match(
      reason(() => loadExitCosts(file)),
      /unknown key 'cpuid'/,
    );
    writeFileSync(file, '[1]');
    assert.match(
      reason(() => loadExitCosts(file)),
      /is an object/,
    );
    writeFileSync(file, '{');
    assert.match(
      reason(() => loadExitCosts(file)),
      /not JSON/,
    );
    assert.match(
      reason(() => loadExitCosts(join(folder, 'missing'))),
      /No such file or directory/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
