/**
 * `npm run fuzz:virtio -- [--device NAME|all] [--cases N] [--seed S]`: virtio devices against a driver gone bad. The exit status is 1 when there is a finding;
 * `--cases 16 --seed LIFE` runs its life alone.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CASES, fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'all' },
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '0' },
  },
});

const names = values.device === 'all' ? Object.keys(TARGETS) : [values.device];
for (const name of names) {
  const make = TARGETS[name];
  if (make === undefined) {
    console.log(`--device ${name}: unknown; there is ${Object.keys(TARGETS).join(', ')}, all`);
    process.exit(2);
  }
  const lives = Math.ceil(Number(values.cases) / CASES);
  const start = performance.now();
  const found = fuzz(make, Number(values.seed), lives);
  for (const { life, text } of found)
    console.log(`${name}: ${text}\n  again: npm run fuzz:virtio -- --device ${name} --cases ${CASES} --seed ${life}\n`);
  console.log(`${name}: ${lives * CASES} cases in ${((performance.now() - start) / 1000).toFixed(1)} s; ${found.length} findings`);
  if (found.length > 0) process.exitCode = 1;
}
