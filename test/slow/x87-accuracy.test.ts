/**
 * The x87's transcendental instructions within one unit in the last place of the exact value: half a unit when rounding to nearest.
 *
 * Full size: 100,000 arguments for each, X87_ARGUMENTS=n asks for another number. The errors are printed.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FUNCTIONS, measure } from '../cpu/x87accuracy.ts';
import { loadX87 } from '../cpu/x87core.ts';
import { FULL } from './reference.ts';

const count = FULL ? Number(process.env['X87_ARGUMENTS'] ?? 100_000) : 1000;
const x87 = await loadX87();

/** A correctly rounded result but for ties that 120 bits cannot tell. */
const HALF = 0.5 + 2 ** -30;

for (const f of FUNCTIONS) {
  test(`${f.name} is the exact value, rounded`, () => {
    const worst = measure(x87, f, count, 0x9e3779b97f4a7c15n);
    console.log(
      `${f.name}: ${count} arguments, error ${worst.nearest.toFixed(6)} to nearest, ${worst.directed.toFixed(6)} directed (${worst.at})`,
    );
    assert.ok(worst.nearest <= HALF, `${worst.nearest} at ${worst.at}`);
    assert.is(worst.astray, 0, 'results on the wrong side');
    assert.ok(worst.directed <= 1, `${worst.directed} at ${worst.at}`);
  });
}

test.run();
