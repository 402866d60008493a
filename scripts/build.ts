/**
 * `npm run build`: generates the constants of the AssemblyScript modules and compiles them: the CPU core to build/core.wasm and
 * build/core.wat, the tracer's runtime to build/tracer.*.
 *
 * `node scripts/build.ts NAME ...` (core, tracer) compiles only these. Leaves alone what is of the present sources (by content, not by time). The outputs are put in place whole, so a build that is
 * interrupted or fails leaves none that is half written.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { ascFlags, STATIC_DATA } from './asc-flags.ts';
import { hashOf, isFresh, MODULES, QUICK, root } from './core-inputs.mjs';

type Compiled = (typeof MODULES)[number];

function run(script: string, args: readonly string[]): void {
  const result = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    process.stderr.write(`build: ${script} failed\n`);
    process.exit(1);
  }
}

/** One unsigned LEB128 number of a module's bytes. */
function leb(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  let shift = 0;
  for (;;) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) return { value, next: at };
  }
}

/** Address after the last byte that a module's active data segments fill. */
export function staticDataEnd(bytes: Uint8Array): number {
  let end = 0;
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const size = leb(bytes, at + 1);
    at = size.next + size.value;
    if (id !== 11) continue;
    const count = leb(bytes, size.next);
    let next = count.next;
    for (let i = 0; i < count.value; i++) {
      // Flags 0 (active, memory 0), then `i32.const n end`; asc writes no others.
      if (bytes[next] !== 0 || bytes[next + 1] !== 0x41) throw new Error('build: a data segment of an unexpected kind');
      const base = leb(bytes, next + 2);
      const length = leb(bytes, base.next + 1);
      end = Math.max(end, base.value + length.value);
      next = length.next + length.value;
    }
  }
  return end;
}

function compile(module: Compiled, hash: string): void {
  mkdirSync(join(root, 'build'), { recursive: true });
  rmSync(module.stamp, { force: true });
  for (const script of module.generators) run(script, []);
  // A name of this process alone: two builds at once (a test run beside an `npm start`) must not write into one file.
  const wasm = `${module.wasm}.${process.pid}`;
  const wat = `${module.wat}.${process.pid}`;
  run('node_modules/assemblyscript/bin/asc.js', [`${module.sources}/index.ts`, '-o', wasm, '-t', wat, ...ascFlags(module.name, QUICK)]);
  const end = staticDataEnd(readFileSync(wasm));
  const limit = STATIC_DATA[module.name]?.[1] ?? 0;
  if (end > limit) throw new Error(`build: the static data of ${module.title} ends at ${end}, beyond ${limit}`);
  renameSync(wasm, module.wasm);
  renameSync(wat, module.wat);
  writeFileSync(module.stamp, hash);
}

const LOCK = join(root, 'build/lock');

/** True when the process that holds the lock is gone. */
function lockIsStale(): boolean {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** Runs `work` while no other process builds: the generated sources stand in the tree, where two would write over each other. */
async function alone(work: () => void): Promise<void> {
  mkdirSync(join(root, 'build'), { recursive: true });
  for (;;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    await setTimeout(200);
    if (lockIsStale()) rmSync(LOCK, { force: true });
  }
  // `run` ends the process when a step fails.
  process.on('exit', () => rmSync(LOCK, { force: true }));
  work();
}

/** Sources may change while another process compiles them: the hash is taken under the lock. */
function build(modules: readonly Compiled[]): void {
  for (const module of modules) {
    const hash = hashOf(module);
    if (isFresh(module, hash)) continue;
    const start = performance.now();
    process.stderr.write(`lucid: compiling ${module.title}\n`);
    compile(module, hash);
    process.stderr.write(`lucid: compiled in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  }
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  const modules = MODULES.filter((module) => names.length === 0 || names.includes(module.name));
  if (!modules.every((module) => isFresh(module))) await alone(() => build(modules));
}
