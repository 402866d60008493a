/**
 * npm's `prepare`: it runs when the package is packed, and is the only script that runs when another project depends on a git URL of this one; also
 * after `npm ci` in a checkout, where there is nothing to do. Only in the first two does npm say what it has resolved.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

if (process.env.npm_package_resolved) {
  const here = dirname(fileURLToPath(import.meta.url));
  const { status } = spawnSync(process.execPath, [join(here, 'setup.mjs'), join('scripts', 'prepack.ts')], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
