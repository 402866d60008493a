/**
 * Random bytes and what looks like instructions, executed for ten million instructions in each mode of the processor: with random page tables, segments,
 * control registers, MSRs and XCR0 nothing is thrown out of the run loop, nothing hangs, no memory outside the guest is written.
 *
 * Full size: from a seed of its own each time, printed; LUCID_HOSTILE_SEED=n repeats it. Reduced: a fixed seed and a hundredth of the size.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MODES } from '../vmm/hostile-guest.ts';
import { findings } from '../vmm/hostile-watch.ts';
import { FULL } from './reference.ts';

const INSTRUCTIONS = FULL ? 10_000_000 : 100_000;
const LIMIT = 3000;
const FIXED = 1000;

const seed = Number(process.env['LUCID_HOSTILE_SEED'] ?? (FULL ? Math.floor(Math.random() * 2 ** 24) : FIXED));

for (const mode of MODES) {
  test(`${mode}: ${INSTRUCTIONS} instructions of random code harm nobody`, async () => {
    const start = performance.now();
    const { wrong, instructions } = await findings({
      stand: 'lives',
      seeds: [seed],
      limit: LIMIT,
      instructions: INSTRUCTIONS,
      modes: [mode],
    });
    process.stdout.write(`(seed ${seed}: ${instructions} instructions, ${((performance.now() - start) / 1000).toFixed(1)} s) `);
    assert.equal(wrong, []);
    assert.ok(instructions >= INSTRUCTIONS);
  });
}

test.run();
