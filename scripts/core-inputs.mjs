/**
 * What the compiled core depends on, as one hash. Plain JavaScript, because the bootstrap asks under whatever Node the machine has.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's top folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** What the build leaves: the hash of its inputs stands in the stamp. */
export const CORE_WASM = join(root, 'build/core.wasm');
export const CORE_WAT = join(root, 'build/core.wat');
export const CORE_STAMP = join(root, 'build/core.stamp');

const FILES = ['scripts/asc-flags.ts', 'scripts/build.ts', 'package-lock.json'];

/**
 * Scripts that write the core's generated sources (`*.gen.ts`), relative to the top folder, sorted.
 * @returns {string[]}
 */
export function generators() {
  return readdirSync(join(root, 'scripts'))
    .filter((name) => /^gen-.*\.ts$/.test(name))
    .map((name) => `scripts/${name}`)
    .sort();
}

/**
 * The core's sources but the generated ones, relative to the top folder, sorted.
 * @returns {string[]}
 */
export function coreSources() {
  const core = 'vmm/cpu/core';
  return readdirSync(join(root, core), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.gen.ts'))
    .map((name) => `${core}/${name}`)
    .sort();
}

/**
 * A file and all that it imports from this repository.
 * @param {string} file
 * @param {Set<string>} [known]
 * @returns {Set<string>}
 */
function withImports(file, known = new Set()) {
  if (known.has(file) || !existsSync(join(root, file))) return known;
  known.add(file);
  for (const [, name] of readFileSync(join(root, file), 'utf8').matchAll(/from '(\.[^']+\.ts)'/g)) {
    withImports(posix.normalize(posix.join(posix.dirname(file), name ?? '')), known);
  }
  return known;
}

/**
 * A hash over everything that the compiled core is made from.
 * @returns {string}
 */
export function coreHash() {
  const hash = createHash('sha256');
  /** @type {Set<string>} */
  const files = new Set();
  for (const file of [...FILES, ...generators()]) withImports(file, files);
  for (const file of [...files, ...coreSources()].sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

/**
 * Whether build/core.wasm is that of these sources.
 * @param {string} [hash]
 * @returns {boolean}
 */
export function coreIsFresh(hash = coreHash()) {
  return existsSync(CORE_WASM) && existsSync(CORE_WAT) && existsSync(CORE_STAMP) && readFileSync(CORE_STAMP, 'utf8') === hash;
}
