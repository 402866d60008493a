/**
 * Guests that mean harm: whatever a guest's registers, tables and code are, the monitor neither fails nor hangs, nothing outside the guest is written,
 * and what the guest sees does not depend on how its run was cut (hostile-bench.ts).
 *
 * The same guests every time. LUCID_HOSTILE_SEEDS=from-to runs those of other seeds.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findings } from './hostile-watch.ts';
import type { Work } from './hostile-worker.ts';

const LIMIT = 3000;
const SHOWN = 6;

function seeds(first: number, count: number): number[] {
  const [from, to] = (process.env['LUCID_HOSTILE_SEEDS'] ?? '').split('-').map(Number);
  if (from !== undefined && to !== undefined) return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return Array.from({ length: count }, (_, i) => first + i);
}

async function prove(stand: Work['stand'], list: readonly number[]): Promise<void> {
  const { wrong, instructions } = await findings({ stand, seeds: list, limit: LIMIT });
  assert.is(wrong.length, 0, `${wrong.length} runs went wrong:\n${wrong.slice(0, SHOWN).join('\n')}`);
  // Most guests get somewhere.
  assert.ok(instructions > list.length * LIMIT, `${instructions} instructions`);
}

test('hostile guests on a bare VM: nothing else is written, and every way to run them has one outcome', () => prove('bench', seeds(1, 2)));

test('hostile guests on the board: the devices answer whatever is asked, and every way to run them has one outcome', () =>
  prove('board', seeds(100, 1)));

test.run();
