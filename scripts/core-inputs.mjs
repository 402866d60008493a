/**
 * The WebAssembly modules that the build compiles from AssemblyScript, and what each depends on, as one hash per module: a change of one
 * does not compile the other. Plain JavaScript, because the bootstrap asks under whatever Node the machine has.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The repository's top folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * @typedef {object} Compiled
 * @property {string} name
 * @property {string} title what the build calls it
 * @property {string} sources its folder, with `index.ts`, relative to the top folder
 * @property {readonly string[]} generators scripts that write its generated sources (`*.gen.ts`)
 * @property {string} wasm
 * @property {string} wat
 * @property {string} stamp holds the hash of the inputs of what was built
 */

/**
 * @param {string} name
 * @param {string} title
 * @param {string} sources
 * @param {readonly string[]} generators
 * @returns {Compiled}
 */
function compiled(name, title, sources, generators) {
  const file = join(root, 'build', name);
  return { name, title, sources, generators, wasm: `${file}.wasm`, wat: `${file}.wat`, stamp: `${file}.stamp` };
}

/** The CPU. */
export const CORE = compiled('core', 'the CPU core', 'vmm/cpu/core', ['scripts/gen-interp.ts', 'scripts/gen-state.ts']);

/** The tracer's runtime in probe context. */
export const TRACER = compiled('tracer', "the tracer's runtime", 'probes/runtime', ['scripts/gen-tracer.ts']);

/** All of them. */
export const MODULES = [CORE, TRACER];

/** Compile in a fifth of the time, for code that runs at a third of the speed: while working on the core. */
export const QUICK = process.env['LUCID_BUILD'] === 'quick';

const FILES = ['scripts/asc-flags.ts', 'package-lock.json'];

/**
 * A module's sources but the generated ones, relative to the top folder, sorted.
 * @param {Compiled} module
 * @returns {string[]}
 */
export function sourcesOf(module) {
  return readdirSync(join(root, module.sources), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.gen.ts'))
    .map((name) => `${module.sources}/${name}`)
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
 * A hash over everything that a module is made from.
 * @param {Compiled} module
 * @returns {string}
 */
export function hashOf(module) {
  const hash = createHash('sha256').update(QUICK ? 'quick' : '');
  /** @type {Set<string>} */
  const files = new Set();
  for (const file of [...FILES, ...module.generators]) withImports(file, files);
  for (const file of [...files, ...sourcesOf(module)].sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

/**
 * Whether what was built is that of the present sources.
 * @param {Compiled} module
 * @param {string} [hash]
 * @returns {boolean}
 */
export function isFresh(module, hash = hashOf(module)) {
  const { wasm, wat, stamp } = module;
  return existsSync(wasm) && existsSync(wat) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
}
