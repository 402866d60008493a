/**
 * More rounds of test/cpu/host.test.ts: the general instructions against the host's own processor.
 *
 * Full size: two million cases from seeds of their own each time; the first is printed, and LUCID_HOST_SEED=n repeats that round in host.test.ts.
 * LUCID_HOST_CASES=n asks for another number. Reduced: two rounds from fixed seeds.
 */
import process from 'node:process';
import { ROUND } from '../cpu/host-groups.ts';
import { testRounds } from '../cpu/host-rounds.ts';
import { FULL } from './reference.ts';

const FIXED = 20_260_102;
const CASES = 2_000_000;

const count = FULL ? Math.ceil(Number(process.env['LUCID_HOST_CASES'] ?? CASES) / ROUND) : 2;
const first = FULL ? Math.floor(Math.random() * 2 ** 31) : FIXED;

testRounds(Array.from({ length: count }, (_, i) => first + i));
