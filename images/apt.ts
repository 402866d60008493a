/**
 * Packages from Debian's archive without root: apt and dpkg-deb as any user may run them, and the folder that keeps what was made of them.
 *
 * When apt has no package lists (a fresh container), private ones are fetched into a working folder with the system's sources and keys.
 *
 * Leaves out: other distributions, verification beyond apt's own signatures.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** apt with a slow mirror; a hung one must not hang `npm start`. */
const COMMAND_TIMEOUT_MS = 180_000;

/** Something the user can act upon; becomes the reason. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
}

/** Lucid's folder in the user's cache folder (XDG Base Directory Specification). */
export function cacheFolder(): string {
  const xdg = process.env['XDG_CACHE_HOME'];
  // The specification: a relative path in the variable is to be ignored.
  return join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'lucid');
}

/** What a command came to. */
export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the system to its end. Rejects with a FetchError when there is none of that name. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
      // A user's PATH may lack the folders of mke2fs and debugfs.
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        new FetchError(
          error.code === 'ENOENT'
            ? `no ${command} here: the reference guest comes from Debian's packages; use --kernel and --initrd, or --builtin`
            : error.message,
        ),
      );
    });
    child.on('close', (status) => resolve({ status: status ?? -1, stdout, stderr }));
  });
}

/** The line of apt's messages that says most: the first error, without its mark. */
export function complaint(output: Output): string {
  const lines = output.stderr.split('\n');
  const line = lines.find((l) => /^E: |^W: Failed/.test(l)) ?? lines.find((l) => l.trim() !== '') ?? `exit status ${output.status}`;
  return line.replace(/^[EW]: /, '').trim();
}

export function aptOptions(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

/** apt's sandbox user cannot write into a user's folder; as root apt would warn about it. */
export const NO_SANDBOX = { 'APT::Sandbox::User': '' };

/** Options that make apt keep its lists and archives below `state`, with the system's sources and keys. */
export function privateApt(state: string): string[] {
  return aptOptions({
    'Dir::State': join(state, 'state'),
    'Dir::State::lists': join(state, 'lists'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
    'Dir::Log': join(state, 'log'),
    'APT::Architecture': 'amd64',
    ...NO_SANDBOX,
    // Post-update hooks of the system need root and are of no use here.
    'APT::Update::Post-Invoke': '',
    'APT::Update::Post-Invoke-Success': '',
    'Acquire::Languages': 'none',
  });
}

export interface Source {
  /** Options for apt. */
  readonly apt: readonly string[];
  /** The package that was asked for, or the kernel that it stands for. */
  readonly package: string;
}

/** A package, or the kernel behind a metapackage of Linux; undefined when apt does not know it. */
async function behind(name: string, apt: readonly string[], cwd: string): Promise<string | undefined> {
  const { status, stdout } = await run('apt-cache', [...apt, 'depends', name], cwd);
  if (status !== 0 || stdout.trim() === '') return undefined;
  return /^\s*Depends:\s*(linux-image-\S+)/m.exec(stdout)?.[1] ?? name;
}

/** Where a package comes from: the system's lists when they have it, else lists of our own below `work`. */
export async function packageSource(name: string, work: string, progress: (line: string) => void): Promise<Source> {
  const fromSystem = await behind(name, [], work);
  if (fromSystem !== undefined) return { apt: [], package: fromSystem };
  progress('apt has no package lists; fetching private ones (no root needed)');
  const state = join(work, 'apt');
  for (const folder of ['state', 'lists/partial', 'cache/archives/partial', 'log']) mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const apt = privateApt(state);
  const update = await run('apt-get', [...apt, 'update'], work);
  const known = await behind(name, apt, work);
  if (known !== undefined) return { apt, package: known };
  throw new FetchError(
    `apt knows no package ${name}, nor after an update of its own (${complaint(update)}): ` +
      'check /etc/apt/sources.list* and the network, run `apt-get update` as root, or use --builtin',
  );
}

/** Downloads a package and unpacks it; its version and the folder with its files. */
export async function unpackPackage(name: string, apt: readonly string[], work: string): Promise<{ version: string; root: string }> {
  const folder = join(work, name);
  mkdirSync(folder);
  const download = await run('apt-get', [...apt, ...aptOptions(NO_SANDBOX), '-q', 'download', name], folder);
  const deb = readdirSync(folder).find((entry) => entry.endsWith('.deb'));
  if (download.status !== 0 || deb === undefined) {
    throw new FetchError(
      `apt-get download ${name} failed: ${complaint(download)}; when the lists are out of date, run \`apt-get update\` as root`,
    );
  }
  const version = await run('dpkg-deb', ['--field', deb, 'Version'], folder);
  const root = join(folder, 'root');
  const unpacked = await run('dpkg-deb', ['--extract', deb, root], folder);
  if (version.status !== 0 || unpacked.status !== 0) throw new FetchError(`${deb} cannot be unpacked: ${complaint(unpacked)}`);
  return { version: version.stdout.trim(), root };
}

/** Like mkdirSync's `recursive`, which never returns where a parent cannot be made although its own parent exists (/proc). */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process made it.
    if (!existsSync(path)) throw error;
  }
}

/** Removes the folders, named `prefix` and more, that a killed process left behind: those older than `ageMs`, which no living one is. */
export function sweep(cache: string, prefix = 'fetch-', ageMs = 4 * COMMAND_TIMEOUT_MS): void {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(prefix))) {
    const path = join(cache, name);
    if (Date.now() - statSync(path).mtimeMs > ageMs) rmSync(path, { recursive: true, force: true });
  }
}
