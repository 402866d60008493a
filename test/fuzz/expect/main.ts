/**
 * `npm run fuzz:expect -- [--cases N] [--seed S]`: files of expectations gone bad. The exit status is 1 when there is a finding; `--cases 1 --seed S` reads one
 * alone.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string', default: '0' } } });
const start = performance.now();
const [seed, cases] = [Number(values.seed), Number(values.cases)];
const found = fuzz(seed, cases);
for (const finding of found) console.log(`${finding.text}\n  again: npm run fuzz:expect -- --cases 1 --seed ${finding.seed}\n`);
console.log(`${cases} cases in ${((performance.now() - start) / 1000).toFixed(1)} s; ${found.length} findings`);
if (found.length > 0) process.exitCode = 1;
