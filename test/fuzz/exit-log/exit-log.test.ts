/** Exit logs gone bad are read without an exception: a reduced run of `npm run fuzz:exit-log`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzz } from './fuzz.ts';

test('1500 logs, no finding', () => {
  assert.equal(fuzz(0, 1500), []);
});

test.run();
