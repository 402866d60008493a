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
import { LONG, type Mode, MODES } from './host-layout.ts';
import { findOracle, hasMode, HostFailed } from './host-oracle.ts';

/** Mixed into the seed, so that groups and modes see different numbers. */
const APART = 7919;
const SHOWN = 6;

/** Modes of which this kernel runs code. */
let modes: readonly Mode[] = [];

/** The oracle, when this machine has what it needs: 64-bit code runs everywhere, the rest is tried. */
function ready(): ReturnType<typeof findOracle> {
  const found = findOracle();
  if ('reason' in found) return found;
  if (!hasMode(found.path, LONG)) return { reason: 'this kernel does not let a signal handler choose what is run' };
  modes = MODES.filter((mode) => hasMode(found.path, mode));
  for (const mode of MODES) if (!modes.includes(mode)) console.log(`host: skipped: ${mode.name}: this kernel has no such segments`);
  return found;
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
      if (!modes.includes(mode)) return;
      const own = (seed + APART * (GROUPS.indexOf(group) * 8 + i)) | 0;
      wrong.push(...differences(oracle, group, mode, own).map((text) => `seed ${seed}: ${text}`));
    });
  }
  assert.is(wrong.length, 0, `${wrong.length} kinds of difference:\n${wrong.slice(0, SHOWN).join('\n')}`);
  return seeds.length * group.modes.filter((mode) => modes.includes(mode)).length * group.cases;
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
