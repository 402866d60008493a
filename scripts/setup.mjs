/**
 * `node scripts/setup.mjs [--no-build] FILE.ts [argument ...]`: makes a fresh clone ready, then runs FILE.ts.
 *
 * Every npm script goes through here, so that Node 20 and npm are all that a machine needs: it installs the locked dependencies when
 * they are missing or others, compiles the CPU core and the tracer's runtime when their sources are others, and runs the file on the Node 26 that comes as
 * a package (Node 20 cannot run TypeScript). Plain JavaScript for Node 18 and later, without any dependency.
 *
 * What does not come from FILE.ts goes to standard error. The exit status is that of FILE.ts; 1 when setting up failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { isFresh, MODULES, root } from './core-inputs.mjs';

const NODE = join(root, 'node_modules/.bin/node');
const MINIMUM = 24;

/** @param {string} text */
function say(text) {
  process.stderr.write(`lucid: ${text}\n`);
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/** True when node_modules holds what package-lock.json asks for. npm keeps its own list of what it installed. */
function installed() {
  const have = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(
    ([path, want]) => path === '' || want.optional === true || have[path]?.version === want.version,
  );
}

/**
 * Runs a program with its output on standard error; true when it succeeded.
 * @param {string} command
 * @param {string[]} args
 * @param {string} [cwd]
 */
function run(command, args, cwd = root) {
  const result = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  return result.status === 0;
}

/**
 * @param {string} node
 * @returns {boolean} whether it is there and new enough
 */
function usable(node) {
  const result = spawnSync(node, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' });
  return result.status === 0 && Number.parseInt(result.stdout.slice(1), 10) >= MINIMUM;
}

/** Installs what is missing; false when that failed. */
function install() {
  if (installed()) return true;
  say('installing the locked dependencies (npm ci)');
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  if (run('npm', ['ci', ...quiet])) return true;
  say('npm ci failed, trying npm install');
  return run('npm', ['install', '--no-save', ...quiet]);
}

/** The Node to run on: the installed package's, or this one when it is new enough. Undefined when there is none. */
function findNode() {
  if (existsSync(NODE) && usable(NODE)) return NODE;
  // The package fetches its binary in an install script, which npm may have been told not to run.
  const script = join(root, 'node_modules/node/installArchSpecificPackage.js');
  if (existsSync(script) && run(process.execPath, [script], join(root, 'node_modules/node')) && usable(NODE)) return NODE;
  if (Number.parseInt(process.versions.node, 10) >= MINIMUM) return process.execPath;
  return undefined;
}

/**
 * Runs the file and takes its exit status. A signal that the terminal sends to both is the child's to handle.
 * @param {string} node
 * @param {string[]} args
 */
function hand(node, args) {
  const xdg = process.env.XDG_CACHE_HOME;
  const cache = join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'lucid', 'modules');
  const env = {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH ?? ''}`,
    // Compiled modules are kept, so that types need not be stripped at every start.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? cache,
  };
  const child = spawn(node, args, { stdio: 'inherit', env });
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.on('error', (error) => {
    say(`cannot run ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)));
}

const args = process.argv.slice(2);
const build = args[0] !== '--no-build';
if (!build) args.shift();
const file = args.shift();
if (file === undefined) {
  say('usage: node scripts/setup.mjs [--no-build] FILE.ts [argument ...]');
  process.exit(2);
}
if (!install()) {
  say('cannot install the dependencies: see above; network access to a package registry is needed once');
  process.exit(1);
}
const node = findNode();
if (node === undefined) {
  say(`no Node of version ${MINIMUM} or later: the package "node" brought none for this machine, and this is ${process.version}`);
  process.exit(1);
}
if (build && !MODULES.every((module) => isFresh(module)) && !run(node, [join(root, 'scripts/build.ts')])) {
  say('the compiled modules do not build: see above');
  process.exit(1);
}
// Arguments name files of the caller's folder: run there. npm runs its scripts in the top folder and says where it was called.
process.chdir(process.env.INIT_CWD ?? process.cwd());
hand(node, [join(root, file), ...args]);
