/**
 * The general instructions against the host's own processor: 64-, 32- and 16-bit code at user level, faults included.
 *
 * Cases come from seeds: one round from a fixed one, one from another each time, which is printed. LUCID_HOST_SEED=n repeats a round; many more rounds
 * are test/slow/host.test.ts. What is not compared, and why, stands in host-undefined.ts.
 *
 * Not here: system instructions and far transfers (system.test.ts), x87 and SIMD (their own oracles), devices, what interrupts do.
 */
import process from 'node:process';
import { testRounds } from './host-rounds.ts';

const FIXED = 20_260_101;

const given = process.env['LUCID_HOST_SEED'];

testRounds(given === undefined ? [FIXED, Math.floor(Math.random() * 2 ** 31)] : [Number(given)]);
