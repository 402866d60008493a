/**
 * `npm run fuzz:decoder -- [--cases N] [--seed S]`: the core's decoder against iced-x86, N comparisons of random and structured bytes in
 * all three code sizes, with all extensions of the core and with parts of them.
 *
 * Compared are length, validity and all operands. It ends with the cases per second, iced's encodings that were met and those that were
 * not, and every kind of difference with its bytes. The exit status is 1 when there is one. Without a seed it takes a new one; the same
 * seed gives the same cases.
 */
import { Code } from 'iced-x86';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { DIFFERENCES, extensions, SHOWN, tally } from './decode-oracle.ts';
import { compareRandom, encodingsOf } from './decode-random.ts';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '10000000' }, seed: { type: 'string' } } });
const cases = Number(values.cases);
const seed = values.seed === undefined ? (Math.random() * 2 ** 32) >>> 0 : Number(values.seed);
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('fuzz:decoder: --cases and --seed are numbers\n');
  process.exit(2);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
say(`decoder against iced-x86: ${cases} cases, seed ${seed}`);
const sum = tally();
const start = performance.now();
const seconds = (): number => (performance.now() - start) / 1000;
const rate = (): number => Math.round(sum.compared / seconds());
compareRandom(seed, cases, sum, () => {
  if (process.stdout.isTTY) process.stdout.write(`\r${sum.compared} cases, ${rate()} a second, ${sum.wrong.size} differences `);
});
if (process.stdout.isTTY) process.stdout.write('\n');

const wanted = encodingsOf(extensions(SHOWN));
const missing = wanted.filter((code) => !sum.codes.has(code));
say(`${sum.compared} cases in ${seconds().toFixed(1)} s, ${rate()} a second; ${sum.valid} are instructions, the same to both`);
say(`${wanted.length - missing.length} of ${wanted.length} encodings met`);
if (missing.length > 0) say(`not met: ${missing.map((code) => Code[code]).join(' ')}`);
for (const { why, seen } of DIFFERENCES) say(`on purpose, ${seen} times: ${why}`);
say(`${sum.wrong.size} differences`);
for (const wrong of sum.wrong.values()) say(`  ${wrong}`);
process.exitCode = sum.wrong.size === 0 ? 0 : 1;
