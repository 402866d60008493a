/**
 * `npm run fuzz:exit-log -- [--cases N] [--seed S]`: exit logs and baselines gone bad, read by everything that reads them. The exit status is 1 when there is
 * a finding; `--cases 1 --seed S` runs one alone.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '0' } } });
const start = performance.now();
const [seed, cases] = [Number(values.seed), Number(values.cases)];
const found = fuzz(seed, cases);
for (const finding of found) console.log(`${finding.text}\n  again: npm run fuzz:exit-log -- --cases 1 --seed ${finding.seed}\n`);
const mib = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `${cases} cases in ${((performance.now() - start) / 1000).toFixed(1)} s, at most ${mib} MiB resident; ${found.length} findings`,
);
if (found.length > 0) process.exitCode = 1;
