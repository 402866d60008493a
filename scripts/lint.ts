/** `npm run lint`: format and rules (biome.json); `npm run format` (`--write`) puts right what can be. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './core-inputs.mjs';

const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
const write = process.argv.includes('--write');
const args = ['check', '--error-on-warnings', ...(write ? ['--write'] : []), ...process.argv.slice(2).filter((a) => a !== '--write')];
const result = spawnSync(process.execPath, [biome, ...args], { cwd: root, stdio: 'inherit' });
process.exit(result.status ?? 1);
