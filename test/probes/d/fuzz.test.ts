/**
 * Programs at random: `fuzz.ts`, at a reduced size.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { closeFuzz, fuzz, noCounts } from './fuzz.ts';

const COUNT = 700;
const SEED = 20_000;

test('random and mutated programs give an error or run', async () => {
  const counts = noCounts();
  const failures = await fuzz(COUNT, SEED, counts);
  assert.equal(
    failures.map(({ seed, text, error }) => `${seed}: ${text}\n${(error as Error).stack}`),
    [],
  );
  assert.is(counts.random.programs, COUNT);
  assert.ok(counts.random.compiled > COUNT / 4, `only ${counts.random.compiled} random programs compile`);
  assert.ok(counts.mutated.compiled > COUNT / 20, `only ${counts.mutated.compiled} mutated programs compile`);
});

test.after(closeFuzz);
test.run();
