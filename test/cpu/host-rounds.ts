/**
 * The tests of host.test.ts: rounds of cases from given seeds, a test for each group.
 *
 * Skipped in so many words where there is no gcc, no x86-64 Linux, or a processor whose own ways are not known.
 *
 * @module
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Group, GROUPS, runBatch } from './host-groups.ts';
import type { Mode } from './host-layout.ts';
import { findOracle, HostFailed, NoSegments, tryOracle } from './host-oracle.ts';

/** Mixed into the seed, so that groups and modes see different numbers. */
const APART = 7919;
const SHOWN = 6;

/** The oracle, when this machine has what it needs. */
function ready(): ReturnType<typeof findOracle> {
  const found = findOracle();
  if ('reason' in found) return found;
  try {
    tryOracle(found.path);
    return found;
  } catch (error) {
    if (error instanceof NoSegments) return { reason: error.message };
    throw error;
  }
}

function differences(oracle: string, group: Group, mode: Mode, seed: number): string[] {
  try {
    return runBatch(oracle, group, mode, seed, group.cases);
  } catch (error) {
    if (error instanceof HostFailed) return [`${mode.name}: ${error.message}`];
    throw error;
  }
}

function prove(oracle: string, group: Group, seeds: readonly number[]): number {
  const wrong: string[] = [];
  for (const seed of seeds) {
    group.modes.forEach((mode, i) => {
      const own = (seed + APART * (GROUPS.indexOf(group) * 8 + i)) | 0;
      wrong.push(...differences(oracle, group, mode, own).map((text) => `seed ${seed}: ${text}`));
    });
  }
  assert.is(wrong.length, 0, `${wrong.length} kinds of difference:\n${wrong.slice(0, SHOWN).join('\n')}`);
  return seeds.length * group.modes.length * group.cases;
}

/** Registers and runs the tests, one round from each seed. */
export function testRounds(seeds: readonly number[]): void {
  const found = ready();
  if ('reason' in found) {
    console.log(`host: skipped: ${found.reason}`);
    test.skip('general instructions do what this processor does', () => {});
  } else {
    let cases = 0;
    console.log(`host: ${seeds.length < 3 ? `seed ${seeds.join(', ')}` : `${seeds.length} seeds from ${seeds[0]}`}`);
    for (const group of GROUPS)
      test(`${group.name}: as on this processor`, () => {
        cases += prove(found.path, group, seeds);
      });
    test.after(() => console.log(`host: ${cases} cases`));
  }
  test.run();
}
