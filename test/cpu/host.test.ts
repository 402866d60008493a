/**
 * The general instructions against the host's own processor: 64-, 32- and 16-bit code at user level, faults included.
 *
 * Cases come from a seed. A round runs with a fixed one, and a quarter of a round with another each time, which is printed: LUCID_HOST_SEED=n repeats it.
 * LUCID_HOST_CASES=n runs at least n cases, in rounds of new seeds. What is not compared, and why, stands in host-undefined.ts. Skipped in so many
 * words where there is no gcc, no x86-64 Linux, or a processor whose own ways are not known.
 *
 * Not here: system instructions and far transfers (system.test.ts), x87 and SIMD (their own oracles), devices, what interrupts do.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Group, GROUPS, ROUND, runBatch } from './host-groups.ts';
import { findOracle, NoSegments, tryOracle } from './host-oracle.ts';

const FIXED = 20_260_101;
/** Mixed into the seed, so that groups and modes see different numbers. */
const APART = 7919;
const SHOWN = 6;

const given = process.env['LUCID_HOST_SEED'];
const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
const wanted = Number(process.env['LUCID_HOST_CASES'] ?? 0);

/** Seeds and the share of a round that each runs. */
function rounds(): readonly (readonly [number, number])[] {
  if (given !== undefined) return [[seed, 1]];
  if (wanted === 0) {
    return [
      [FIXED, 1],
      [seed, 0.25],
    ];
  }
  return Array.from({ length: Math.ceil(wanted / ROUND) }, (_, i) => [seed + i, 1] as const);
}

let ran = 0;

function prove(oracle: string, group: Group): void {
  const wrong: string[] = [];
  for (const [base, share] of rounds()) {
    group.modes.forEach((mode, i) => {
      const cases = Math.max(1, Math.round(group.cases * share));
      const own = (base + APART * (GROUPS.indexOf(group) * 8 + i)) | 0;
      ran += cases;
      wrong.push(...runBatch(oracle, group, mode, own, cases).map((text) => `seed ${base}: ${text}`));
    });
  }
  assert.is(wrong.length, 0, `${wrong.length} kinds of difference:\n${wrong.slice(0, SHOWN).join('\n')}`);
}

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

const found = ready();
if ('reason' in found) {
  console.log(`host: skipped: ${found.reason}`);
  test.skip('general instructions do what this processor does', () => {});
} else {
  console.log(`host: seed ${seed}`);
  for (const group of GROUPS) test(`${group.name}: as on this processor`, () => prove(found.path, group));
  test.after(() => console.log(`host: ${ran} cases`));
}

test.run();
