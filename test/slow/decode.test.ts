/**
 * Ten million instructions of a new seed to the core's decoder and to iced-x86: length, validity and operands are the same, and every encoding of the full
 * model is among them. Reduced: a twentieth of it. `npm run fuzz:decoder` is the same with a report.
 */
import { Code } from 'iced-x86';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { extensions, SHOWN, tally } from '../cpu/decode-oracle.ts';
import { compareRandom, encodingsOf } from '../cpu/decode-random.ts';
import { FULL } from './reference.ts';

const CASES = FULL ? 10_000_000 : 500_000;
/** Shares of all encodings that so many cases meet, with room for chance. */
const MET = FULL ? 0.995 : 0.88;

test(`${CASES} cases of a new seed are what iced-x86 says`, () => {
  const seed = (Math.random() * 2 ** 32) >>> 0;
  const sum = tally();
  compareRandom(seed, CASES, sum);
  const wanted = encodingsOf(extensions(SHOWN));
  const missing = wanted.filter((code) => !sum.codes.has(code));
  process.stdout.write(`(seed ${seed}, ${wanted.length - missing.length} of ${wanted.length} encodings) `);
  assert.equal([...sum.wrong.values()], []);
  assert.ok(missing.length <= wanted.length * (1 - MET), missing.map((code) => Code[code]).join(' '));
});

test.run();
