/**
 * `npm run power [-- --only N,N-N] [--json]`: how good the tests of the processor are. Builds a core with defects (`defects.ts`), wakes them one at a time
 * and runs what CI runs about the processor until something fails.
 *
 * Exit status 0 when enough defects are found (48 of 50), 1 when not, 2 for bad usage. The tests run in copies of the tree under
 * `build/power`, two at a time; the tree itself is left alone.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { root } from '../../scripts/core-inputs.mjs';
import { awake, buildDefective } from './build.ts';
import { DEFECTS } from './defects.ts';

/** What CI runs about the processor, the most likely finder first. Parts of paths, as test/run.ts takes them. */
const PARTS: readonly string[] = [
  'fuzz/silicon',
  'cpu/host-sequences',
  'cpu/host.test',
  'cpu/sse-host',
  'cpu/avx-host',
  'cpu/x87-host',
  '-table.test',
  'cpu/paging.test',
  'cpu/system.test',
];
const SHARE_WANTED = 48 / 50;
const FOLDER = join(root, 'build/power');
const TOPS = ['devices', 'images', 'package-lock.json', 'package.json', 'probes', 'scripts', 'test', 'vmm'];

interface Outcome {
  readonly number: number;
  readonly what: string;
  readonly foundBy: string | undefined;
  readonly seconds: number;
}

/** A copy of the tree whose core is to be replaced. */
function plant(name: string): string {
  const tree = join(FOLDER, name);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'build'), { recursive: true });
  for (const top of TOPS) cpSync(join(root, top), join(tree, top), { recursive: true, filter: (from) => !from.includes('node_modules') });
  for (const file of ['tracer.wasm', 'core.wat']) cpSync(join(root, 'build', file), join(tree, 'build', file));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

/** Runs a part of the tests; whether all passed. */
function passes(tree: string, part: string): Promise<boolean> {
  const child = spawn(process.execPath, ['test/run.ts', part], { cwd: tree, stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code === 0));
  });
}

async function hunt(tree: string, module: Uint8Array, number: number): Promise<Outcome> {
  const start = performance.now();
  writeFileSync(join(tree, 'build/core.wasm'), awake(module, number));
  let foundBy: string | undefined;
  for (const part of PARTS) {
    if (await passes(tree, part)) continue;
    foundBy = part;
    break;
  }
  return {
    number,
    what: number === 0 ? 'none' : (DEFECTS[number - 1]?.what as string),
    foundBy,
    seconds: (performance.now() - start) / 1000,
  };
}

/** `1,5-9`: numbers of defects. */
function numbersOf(text: string): number[] {
  const numbers = text.split(',').flatMap((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) throw new RangeError(`--only ${text}: not numbers of defects; write 1,5-9`);
    const first = Number(match[1]);
    return Array.from({ length: Number(match[2] ?? first) - first + 1 }, (_, i) => first + i);
  });
  const wrong = numbers.find((n) => n < 1 || n > DEFECTS.length);
  if (wrong !== undefined) throw new RangeError(`--only ${text}: no defect ${wrong}; there are 1 to ${DEFECTS.length}`);
  return numbers;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean', default: false } } });
  const wanted = values.only === undefined ? DEFECTS.map((_, i) => i + 1) : numbersOf(values.only);
  mkdirSync(FOLDER, { recursive: true });
  const module = readFileSync(buildDefective(FOLDER));
  const trees = ['a', 'b'].map(plant);
  // With every defect asleep all must pass: otherwise nothing is told by a failure.
  const asleep = await hunt(trees[0] as string, module, 0);
  if (asleep.foundBy !== undefined) throw new Error(`${asleep.foundBy} fails without a defect`);
  const outcomes: Outcome[] = [];
  const waiting = [...wanted];
  await Promise.all(
    trees.map(async (tree) => {
      for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) {
        const o = await hunt(tree, module, n);
        outcomes.push(o);
        if (!values.json)
          console.log(
            `${String(o.number).padStart(3)}  ${(o.foundBy ?? 'NOT FOUND').padEnd(22)} ${o.seconds.toFixed(0).padStart(4)} s  ${o.what}`,
          );
      }
    }),
  );
  outcomes.sort((a, b) => a.number - b.number);
  const found = outcomes.filter((o) => o.foundBy !== undefined).length;
  if (values.json) console.log(JSON.stringify({ found, of: outcomes.length, outcomes }));
  else console.log(`${found} of ${outcomes.length} defects found`);
  return found >= Math.ceil(outcomes.length * SHARE_WANTED) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`power: ${(error as Error).message}\n`);
  process.exitCode = error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}
