/**
 * Debian packages unpacked into the user's cache folder, for their files and for programs that run from there: boot loaders and what makes disk images.
 *
 * Each package has a folder of its own, `packages/NAME`, renamed into place when it is complete. Programs find the libraries of the packages they were
 * asked for with; remove a folder to get the newest version.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { cacheFolder, FetchError, packageSource, sweep, unpackPackage } from '../apt.ts';

/** Packages that are there, or one line that says why not. */
export type Obtained = { readonly ok: true; readonly packages: Packages } | { readonly ok: false; readonly reason: string };

export class Packages {
  readonly #roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** A file or folder of one of the packages. Throws FetchError when none has it. */
  file(path: string): string {
    const found = this.#roots.map((root) => join(root, path)).find((at) => existsSync(at));
    if (found === undefined) throw new FetchError(`no package has ${path}`);
    return found;
  }

  /** Runs a program of the packages and returns what it printed. Throws when it fails. */
  run(program: string, args: readonly string[]): string {
    const libraries = this.#roots.map((root) => join(root, 'usr/lib/x86_64-linux-gnu')).filter((at) => existsSync(at));
    const env = { ...process.env, LC_ALL: 'C', MTOOLS_SKIP_CHECK: '1', LD_LIBRARY_PATH: libraries.join(':') };
    return execFileSync(this.file(`usr/bin/${program}`), args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

/** The packages, from the cache or from the distribution. Never throws for what stands in the way (no apt, no network). */
export async function obtainPackages(names: readonly string[]): Promise<Obtained> {
  try {
    const roots: string[] = [];
    for (const name of names) roots.push(await obtainPackage(name));
    return { ok: true, packages: new Packages(roots) };
  } catch (error) {
    if (error instanceof FetchError) return { ok: false, reason: error.message };
    throw error;
  }
}

async function obtainPackage(name: string): Promise<string> {
  const cache = cacheFolder();
  const target = join(cache, 'packages', name);
  if (existsSync(target)) return target;
  mkdirSync(join(cache, 'packages'), { recursive: true });
  sweep(cache);
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    const source = await packageSource(name, work, () => {});
    const { root } = await unpackPackage(source.package, source.apt, work);
    putInPlace(root, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}

/** Another process may have been quicker: then its copy stays. */
function putInPlace(root: string, target: string): void {
  try {
    renameSync(root, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  }
}
