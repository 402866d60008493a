/**
 * test/cpu/walk.test.ts with every ModRM byte: some seventy million instructions of the full model, in all modes. Reduced: every seventh.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { walk } from '../cpu/walk.ts';
import { WALK_MODES, type WalkMode } from '../cpu/walk-core.ts';
import { FULL } from './reference.ts';

for (const mode of Object.keys(WALK_MODES) as WalkMode[]) {
  test(`${mode}: every encoding with every ModRM byte is executed or #UD as its manual says`, () => {
    const { wrong, executed, undefinedOpcodes } = walk(mode, modelFeatures('max'), FULL ? 1 : 7);
    process.stdout.write(`(${executed} executed, ${undefinedOpcodes} #UD) `);
    assert.equal(wrong, []);
  });
}

test.run();
