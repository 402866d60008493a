/**
 * What `npm pack` and a dependency by git URL run (`prepare.mjs`): fills `dist` with what the package holds.
 *
 * Node does not strip types under node_modules, so the package has JavaScript and declarations, made by tsc, in the layout of the sources:
 * `new URL('../../build/core.wasm', import.meta.url)` finds the same file in both. Guests that are committed as images go along.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { MODULES, root } from './core-inputs.mjs';

const dist = join(root, 'dist');

/** Committed images, and D scripts, that the commands load. Examples are in the package as they are. */
const IMAGE = /\.(elf|bin|img|d)$/;

function fail(text: string): never {
  process.stderr.write(`prepack: ${text}\n`);
  process.exit(1);
}

function emit(): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const result = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) fail('tsc failed');
}

/** tsc rewrites the imports of JavaScript, but neither those of declarations nor the URLs of workers. */
function rewrite(path: string): void {
  const text = readFileSync(path, 'utf8');
  const after = path.endsWith('.d.ts')
    ? text.replace(/(from\s*|import\s*\(\s*|import\s+)(['"])(\.[^'"\n]*)\.ts\2/g, '$1$2$3.js$2')
    : text.replace(/(new URL\(\s*)(['"])(\.[^'"\n]*)\.ts\2/g, '$1$2$3.js$2');
  if (after !== text) writeFileSync(path, after);
}

function rewriteAll(): void {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /\.(js|d\.ts)$/.test(entry.name)) rewrite(join(entry.parentPath, entry.name));
  }
}

function copyImages(): void {
  const images = join(root, 'images');
  if (!existsSync(images)) return;
  for (const name of readdirSync(images, { recursive: true }).map(String)) {
    if (!IMAGE.test(name) || dirname(name) === 'examples') continue;
    mkdirSync(dirname(join(dist, 'images', name)), { recursive: true });
    cpSync(join(images, name), join(dist, 'images', name));
  }
}

/** What is published for other programs to read, and tables that the commands load. */
function copyJson(): void {
  const tables = 'vmm/exit-cost/tables';
  for (const path of ['vmm/cli/expect/expect.schema.json', 'vmm/exit-cost/exit-cost.schema.json', tables])
    cpSync(join(root, path), join(dist, path), { recursive: true });
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Record<string, string>;
  readonly exports: Record<string, string | { default: string }>;
}

/** Commands are executable, and what the manifest promises is there. */
function checkManifest(manifest: Manifest): void {
  for (const [name, file] of Object.entries(manifest.bin)) {
    const path = join(root, file);
    if (!existsSync(path)) fail(`the command ${name} has no ${file}`);
    const text = readFileSync(path, 'utf8');
    if (!text.startsWith('#!')) writeFileSync(path, `#!/usr/bin/env node\n${text}`);
    chmodSync(path, 0o755);
  }
  for (const target of Object.values(manifest.exports)) {
    const file = typeof target === 'string' ? target : target.default;
    if (!existsSync(join(root, file))) fail(`the package exports ${file}, which is not there`);
  }
}

rmSync(dist, { recursive: true, force: true });
emit();
rewriteAll();
mkdirSync(join(dist, 'build'), { recursive: true });
for (const { name, wasm } of MODULES) copyFileSync(wasm, join(dist, `build/${name}.wasm`));
copyImages();
copyJson();
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
// The version is read from `../../package.json`, in the sources and here.
const { name, version } = manifest;
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ name, version, private: true, type: 'module' }, null, 2)}\n`);
checkManifest(manifest);
process.stderr.write(`prepack: ${name} ${version} is in dist\n`);
