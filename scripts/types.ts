/** `npm run types`: checks the types of everything but the core, which asc checks. The core's generated constants are not needed for it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { root } from './core-inputs.mjs';

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const result = spawnSync(process.execPath, [tsc, '--noEmit', '-p', join(root, 'tsconfig.json'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
