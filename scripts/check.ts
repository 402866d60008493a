/**
 * `npm test`: format and rules, types, then the tests (the core is built by then).
 *
 * `npm test -- PART ...` checks as much but runs only the test files whose path contains a PART. What is wrong with format or types does
 * not keep the tests from running, but fails the whole.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './core-inputs.mjs';

function run(script: string, args: readonly string[] = []): boolean {
  return spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' }).status === 0;
}

const wrong: string[] = [];
if (!run('scripts/lint.ts')) wrong.push('lint');
if (!run('scripts/types.ts')) wrong.push('types');
if (wrong.length > 0) process.stdout.write(`\n${wrong.join(' and ')} failed: see above\n\n`);
const passed = run('test/run.ts', process.argv.slice(2));
process.exitCode = passed && wrong.length === 0 ? 0 : 1;
